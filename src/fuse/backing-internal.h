/* SPDX-License-Identifier: MIT */
/* What the parts of the backing file system share. */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "fuse/backing.h"

/* -1 and errno, as system calls say it, to a negative errno. */
#define FM_NEG(call)                                                                                                   \
        ({                                                                                                             \
                __typeof__(call) value_ = (call);                                                                      \
                value_ < 0 ? -errno : value_;                                                                          \
        })

static inline bool fm_name_is_component(const char *name)
{
        if (name[0] == '.' && (name[1] == 0 || (name[1] == '.' && name[2] == 0)))
                return false;
        return name[0] != 0 && !strchr(name, '/');
}

/* The magic link of a descriptor: the way to an inode's xattrs, times and mode, and to a new opening of it. */
struct fm_proc_path {
        char text[32];
};

static inline struct fm_proc_path fm_proc_path(int fd)
{
        struct fm_proc_path path;

        snprintf(path.text, sizeof(path.text), "/proc/self/fd/%d", fd);
        return path;
}

/* A new opening of the file that fd stands for, close-on-exec; negative errno. */
int fm_proc_open(int fd, int flags);

void fm_stat_from_statx(const struct fm_inode *inode, const struct statx *sx, struct stat *ret);

struct fm_file *fm_file_new(struct fm_inode *inode, int fd, int flags);
/* A new opening with our own rights. flags as for open(2). */
int fm_backing_open_own(struct fm_inode *inode, int flags);

struct fm_directory *fm_directory_new(void);
void fm_directory_free(struct fm_directory *directory);

/* Locks: gives up those that were set through the file; those of an owner; all. */
void fm_locks_release_file(struct fm_file *file);
void fm_locks_release_owner(struct fm_inode *inode, uint64_t owner);
void fm_lock_owners_free(struct fm_inode *inode);
