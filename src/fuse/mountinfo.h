/* SPDX-License-Identifier: MIT */
/* The mounts of this process, from /proc/self/mountinfo: asking a FUSE mount itself could block for ever. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct fm_mount_entry {
        dev_t dev;
        int id;
        char *type;
        char *source;
};

/* The topmost mount exactly at path (absolute, resolved); false: nothing is mounted there. Deinit after true. */
bool fm_mount_find(const char *path, struct fm_mount_entry *ret);
void fm_mount_entry_deinit(struct fm_mount_entry *entry);

/* Absolute path without symlinks, also when path itself is a dead mount; malloc'd, NULL and errno. */
char *fm_mount_path_resolve(const char *path);

/*
 * Ends a FUSE mount and everything in progress on it: clean when nothing is open, else lazily, with its connection
 * aborted. 0 or negative errno; *error (may be NULL) says more (malloc'd).
 */
int fm_mount_end(const char *path, char **error);
/* Aborts a connection by its device number, if the kernel lets us. */
bool fm_mount_abort(dev_t dev);
