/* SPDX-License-Identifier: MIT */
/*
 * Which mounts a filter manager has: a file in its runtime directory, a line each, escaped.
 *
 * It is how "fltsim umount" knows that the mount was the manager's last one, and waits for the manager's end: a
 * "fltsim mount" right after it finds the runtime directory free.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fuse/mountinfo.h"
#include "tools/fltsim.h"
#include "wire/runtime.h"

/* Longer than a filter's unload may take before it is reported as hanging. */
#define PATIENCE_MS 30000

static char *mounts_path(const char *runtime_dir)
{
        char *path = fm_runtime_path(runtime_dir, FM_MOUNTS_FILE);

        if (!path)
                g_error("no memory");
        return path;
}

void fm_mounts_write(const char *runtime_dir, GPtrArray *sessions)
{
        g_autofree char *path = mounts_path(runtime_dir);
        g_autoptr(GString) text = g_string_new(NULL);

        for (guint i = 0; i < sessions->len; i++) {
                g_autofree char *line = g_strescape(((struct fm_session *)sessions->pdata[i])->mount_point, NULL);

                g_string_append_printf(text, "%s\n", line);
        }
        g_file_set_contents(path, text->str, (gssize)text->len, NULL);
}

void fm_mounts_remove(const char *runtime_dir)
{
        g_autofree char *path = mounts_path(runtime_dir);

        unlink(path);
}

int fm_mounts_open_manager(const char *mount_point)
{
        g_autofree char *mounts = mounts_path(NULL);
        g_autofree char *lock = fm_runtime_path(NULL, FM_RUNTIME_LOCK);
        g_autofree char *text = NULL, *pid = NULL;
        bool listed = false, others = false;

        if (!lock || !g_file_get_contents(mounts, &text, NULL, NULL) || !g_file_get_contents(lock, &pid, NULL, NULL))
                return -1;
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
        for (unsigned i = 0; lines[i]; i++) {
                g_autofree char *path = g_strcompress(lines[i]);
                struct fm_mount_entry entry;

                if (strcmp(path, mount_point) == 0) {
                        listed = true;
                } else if (*path && fm_mount_find(path, &entry)) {
                        others = true;
                        fm_mount_entry_deinit(&entry);
                }
        }
        return listed && !others ? (int)syscall(SYS_pidfd_open, (pid_t)atoi(pid), 0) : -1;
}

bool fm_mounts_wait_end(int manager)
{
        struct pollfd wait = { .fd = manager, .events = POLLIN };
        int r;

        if (manager < 0)
                return true;
        do
                r = poll(&wait, 1, PATIENCE_MS);
        while (r < 0 && errno == EINTR);
        close(manager);
        return r != 0;
}
