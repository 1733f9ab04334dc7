/* SPDX-License-Identifier: MIT */
/* See mountinfo.h. */
#include "fuse/mountinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

/* \040 and its like, in place */
static void unescape(char *text)
{
        char *to = text;

        while (*text) {
                if (text[0] == '\\' && g_ascii_isdigit(text[1]) && g_ascii_isdigit(text[2]) &&
                    g_ascii_isdigit(text[3])) {
                        *to++ = (text[1] - '0') << 6 | (text[2] - '0') << 3 | (text[3] - '0');
                        text += 4;
                } else {
                        *to++ = *text++;
                }
        }
        *to = 0;
}

void fm_mount_entry_deinit(struct fm_mount_entry *entry)
{
        g_free(entry->type);
        g_free(entry->source);
        entry->type = NULL;
        entry->source = NULL;
}

bool fm_mount_find(const char *path, struct fm_mount_entry *ret)
{
        FILE *file = fopen("/proc/self/mountinfo", "re");
        char *line = NULL;
        size_t size = 0;
        bool found = false;

        if (!file)
                return false;
        while (getline(&line, &size, file) > 0) {
                g_auto(GStrv) parts = NULL;
                unsigned major, minor;
                guint i;

                /* id parent major:minor root mount-point options [optional...] - type source ... */
                g_strchomp(line);
                parts = g_strsplit(line, " ", -1);
                if (g_strv_length(parts) < 10 || sscanf(parts[2], "%u:%u", &major, &minor) != 2)
                        continue;
                unescape(parts[4]);
                if (strcmp(parts[4], path) != 0)
                        continue;
                for (i = 6; parts[i] && strcmp(parts[i], "-") != 0; i++)
                        ;
                if (!parts[i] || !parts[i + 1] || !parts[i + 2])
                        continue;
                /* The last one lies on top. */
                if (found && ret)
                        fm_mount_entry_deinit(ret);
                found = true;
                if (!ret)
                        continue;
                unescape(parts[i + 2]);
                ret->id = atoi(parts[0]);
                ret->dev = makedev(major, minor);
                ret->type = g_strdup(parts[i + 1]);
                ret->source = g_strdup(parts[i + 2]);
        }
        free(line);
        fclose(file);
        return found;
}

char *fm_mount_path_resolve(const char *path)
{
        g_autofree char *parent = NULL, *name = NULL, *real = NULL;
        g_autofree char *stripped = g_strdup(path);
        size_t length = strlen(stripped);

        while (length > 1 && stripped[length - 1] == '/')
                stripped[--length] = 0;
        name = g_path_get_basename(stripped);
        parent = g_path_get_dirname(stripped);
        if (*stripped == 0 || strcmp(stripped, "/") == 0 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
                return realpath(path, NULL);
        /* A symlink at the end is followed, but nothing asks the file system that may be mounted there. */
        real = realpath(parent, NULL);
        if (real) {
                g_autofree char *joined = g_build_filename(real, name, NULL);
                g_autofree char *target = g_file_read_link(joined, NULL);

                if (!target)
                        return strdup(joined);
        }
        return realpath(path, NULL);
}

bool fm_mount_abort(dev_t dev)
{
        g_autofree char *path = g_strdup_printf("/sys/fs/fuse/connections/%u/abort", minor(dev));
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        bool done;

        if (fd < 0)
                return false;
        done = write(fd, "1", 1) == 1;
        close(fd);
        return done;
}

static int run_fusermount(const char *option, const char *path, char **error)
{
        const char *argv[] = {"fusermount3", option, "--", path, NULL};
        g_autoptr(GError) failure = NULL;
        g_autofree char *text = NULL;
        int status;

        if (!g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL, NULL,
                          &text, &status, &failure)) {
                if (error)
                        *error = g_strdup_printf("fusermount3 could not be started: %s", failure->message);
                return -ENOENT;
        }
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
                return 0;
        g_strchomp(text);
        if (error)
                *error = g_strdup(text);
        /* It has only words for it. */
        return g_str_has_suffix(text, g_strerror(EBUSY)) || strstr(text, "busy") ? -EBUSY : -EPERM;
}

static int end_as_root(const char *path, enum fm_mount_end how)
{
        int r;

        r = umount2(path, UMOUNT_NOFOLLOW | (how == FM_MOUNT_END_LAZY ? MNT_DETACH : 0)) == 0 ? 0 : -errno;
        /* MNT_FORCE aborts the connection, so that nothing stays blocked on it. */
        if (how == FM_MOUNT_END_FORCE && r == -EBUSY)
                r = umount2(path, UMOUNT_NOFOLLOW | MNT_FORCE | MNT_DETACH) == 0 ? 0 : -errno;
        return r;
}

static int end_as_user(const char *path, enum fm_mount_end how, dev_t dev, char **error)
{
        int r;

        if (how != FM_MOUNT_END_FORCE)
                return run_fusermount(how == FM_MOUNT_END_LAZY ? "-uz" : "-u", path, error);
        r = run_fusermount("-u", path, NULL);
        if (r == 0)
                return 0;
        /* As long as it is mounted the number is surely this one's. */
        fm_mount_abort(dev);
        return run_fusermount("-uz", path, error);
}

int fm_mount_end(const char *path, enum fm_mount_end how, char **error)
{
        struct fm_mount_entry entry;
        int r;

        if (!fm_mount_find(path, &entry))
                return -EINVAL;
        if (geteuid() == 0) {
                r = end_as_root(path, how);
                if (r < 0 && error)
                        *error = g_strdup(g_strerror(-r));
        } else {
                r = end_as_user(path, how, entry.dev, error);
        }
        fm_mount_entry_deinit(&entry);
        return r;
}
