/* SPDX-License-Identifier: MIT */
/*
 * Which mounts a filter manager has: a file in its runtime directory, a line each, escaped. It is for those who clean up
 * when the manager was killed.
 */
#include <unistd.h>

#include "fuse/mountinfo.h"
#include "tools/fltsim.h"
#include "wire/runtime.h"

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

char **fm_mounts_read(const char *runtime_dir)
{
        g_autofree char *path = mounts_path(runtime_dir);
        g_autoptr(GPtrArray) mounts = g_ptr_array_new_with_free_func(g_free);
        g_autofree char *text = NULL;

        if (!g_file_get_contents(path, &text, NULL, NULL))
                return NULL;
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
        for (unsigned i = 0; lines[i]; i++)
                if (*lines[i])
                        g_ptr_array_insert(mounts, 0, g_strcompress(lines[i]));
        g_ptr_array_add(mounts, NULL);
        return (char **)g_ptr_array_free(g_steal_pointer(&mounts), false);
}

void fm_mounts_cut(const char *runtime_dir)
{
        g_auto(GStrv) mounts = fm_mounts_read(runtime_dir);

        for (unsigned i = 0; mounts && mounts[i]; i++)
                fm_mount_end(mounts[i], FM_MOUNT_END_LAZY, NULL);
}
