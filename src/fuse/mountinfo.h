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

/* The topmost mount exactly at path (absolute, resolved); false: nothing is mounted there. Deinit *ret, which may be
 * NULL, after true. */
bool fm_mount_find(const char *path, struct fm_mount_entry *ret);
void fm_mount_entry_deinit(struct fm_mount_entry *entry);

/* Absolute path without symlinks, also when path itself is a dead mount; malloc'd, NULL and errno. */
char *fm_mount_path_resolve(const char *path);

enum fm_mount_end {
        FM_MOUNT_END_IDLE,  /* -EBUSY if anything on it is open */
        FM_MOUNT_END_LAZY,  /* out of sight now, over when nothing is open any more */
        FM_MOUNT_END_FORCE, /* now: everything in progress on it fails, and what is open is dead */
};

/* Ends a FUSE mount. 0 or negative errno; *error (may be NULL) says more (malloc'd). */
int fm_mount_end(const char *path, enum fm_mount_end how, char **error);
/* Aborts a connection by its device number, if the kernel lets us. */
bool fm_mount_abort(dev_t dev);
