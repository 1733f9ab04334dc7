/* SPDX-License-Identifier: MIT */
/*
 * The backing file system: every system call on the source directory, as the caller.
 *
 * Each function returns 0 (or a count where it says so) or a negative errno, exactly what the backing
 * file system said. caller NULL: with our own rights. Names are single components ("" "." ".." and
 * anything with '/' is refused); nothing is followed. Attributes have the public inode number in st_ino.
 * No lock is held while a call may block for long.
 */
#pragma once

#include <fltKernel.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>

#include "fuse/credentials.h"
#include "fuse/inode.h"

struct fm_cancel;
struct fm_directory;
struct fm_listing;

/* An open file or directory of the backing directory; the "fh" of FUSE. */
struct fm_file {
        _Atomic uint32_t refs;
        struct fm_inode *inode; /* reference */
        int fd;
        int flags;                      /* as opened: access mode, O_APPEND, O_DIRECT, O_SYNC ... */
        struct fm_directory *directory; /* NULL: not a directory */
        /*
         * The slow path's FILE_OBJECT; NULL while no filter had to see this handle. Set once (compare and
         * exchange). When it is set, it owns this struct, and RELEASE goes to fm_slow_release().
         */
        _Atomic(PFILE_OBJECT) file_object;
        _Atomic bool written;        /* data or size changed through this handle since the slow path's last cleanup */
        bool cleaning;               /* a cleanup of it is under way; slow_barrier.c's lock */
        bool no_flush;               /* the kernel was told not to send FLUSH */
        bool internal;               /* a file object's own, never given to the kernel: not closed with the mount */
        _Atomic bool locked;         /* byte range locks were set through it */
        struct fm_listing *_Atomic listing; /* of a directory that filters see; see slow_dir.c */
        _Atomic bool listed;                /* the offsets that the kernel has are places in a listing */
        struct fm_file *next, *prev; /* in the session's list of open files; its lock guards them */
};

static inline bool fm_file_is_writable(const struct fm_file *file)
{
        return (file->flags & O_ACCMODE) != O_RDONLY;
}

/* What slow_dir.c keeps of an open directory. NULL is allowed. */
void fm_listing_free(struct fm_listing *listing);

/* For who works on it after its request was answered: its release may come at any time. */
struct fm_file *fm_file_ref(struct fm_file *file);
/* Drops a reference; the last one closes, and gives up the locks that were set through it. NULL is allowed. */
void fm_file_free(struct fm_file *file);

/* Names. *ret: a reference. */
int fm_backing_lookup(const struct fm_caller *caller, struct fm_inode *parent, const char *name, struct fm_inode **ret,
                      struct stat *ret_stat);
/*
 * "/a/b/c" from the root, component by component as ourselves: the directory of the last component in *ret_parent,
 * which must exist, and the last component in *ret_name (malloc'd). "/" gives the root and NULL. "..": -EINVAL; a
 * symlink on the way: -ELOOP.
 */
int fm_backing_resolve(struct fm_session *session, const char *path, struct fm_inode **ret_parent, char **ret_name);

/* *ret: a reference to what was made. ret_stat may be NULL. mode: with type bits for mknod; umask is the caller's. */
int fm_backing_mknod(const struct fm_caller *caller, struct fm_inode *parent, const char *name, mode_t mode, dev_t rdev,
                     struct fm_inode **ret, struct stat *ret_stat);
int fm_backing_mkdir(const struct fm_caller *caller, struct fm_inode *parent, const char *name, mode_t mode,
                     struct fm_inode **ret, struct stat *ret_stat);
int fm_backing_symlink(const struct fm_caller *caller, struct fm_inode *parent, const char *name, const char *target,
                       struct fm_inode **ret, struct stat *ret_stat);
int fm_backing_link(const struct fm_caller *caller, struct fm_inode *inode, struct fm_inode *parent, const char *name,
                    struct fm_inode **ret, struct stat *ret_stat);
int fm_backing_unlink(const struct fm_caller *caller, struct fm_inode *parent, const char *name);
int fm_backing_rmdir(const struct fm_caller *caller, struct fm_inode *parent, const char *name);
/* flags: RENAME_*, as renameat2(2) */
int fm_backing_rename(const struct fm_caller *caller, struct fm_inode *parent, const char *name,
                      struct fm_inode *new_parent, const char *new_name, unsigned flags);

/* Attributes. file may be NULL; it saves permission checks and works for unlinked files. */
int fm_backing_getattr(struct fm_inode *inode, struct fm_file *file, struct stat *ret);
int fm_backing_statx(struct fm_inode *inode, struct fm_file *file, unsigned mask, struct statx *ret);
/* valid: FUSE_SET_ATTR_* bits for fields of attr, all of them. ret may be NULL. */
int fm_backing_setattr(const struct fm_caller *caller, struct fm_inode *inode, struct fm_file *file,
                       const struct stat *attr, int valid, struct stat *ret);
int fm_backing_readlink(const struct fm_caller *caller, struct fm_inode *inode, char *buffer, size_t size); /* length */
int fm_backing_access(const struct fm_caller *caller, struct fm_inode *inode, int mask);
int fm_backing_statfs(struct fm_inode *inode, struct statvfs *ret);

/* xattr: sizes as the system calls return them. */
ssize_t fm_backing_getxattr(const struct fm_caller *caller, struct fm_inode *inode, const char *name, void *value,
                            size_t size);
ssize_t fm_backing_listxattr(const struct fm_caller *caller, struct fm_inode *inode, char *list, size_t size);
int fm_backing_setxattr(const struct fm_caller *caller, struct fm_inode *inode, const char *name, const void *value,
                        size_t size, int flags);
int fm_backing_removexattr(const struct fm_caller *caller, struct fm_inode *inode, const char *name);

/*
 * Opening. flags: those of open(2); O_CREAT, O_EXCL and O_NOFOLLOW are dropped by open. Directories too (for reading).
 */
int fm_backing_open(const struct fm_caller *caller, struct fm_inode *inode, int flags, struct fm_file **ret);
/*
 * O_CREAT is implied. Without O_EXCL an existing file is opened (truncated with O_TRUNC). *created (may be NULL):
 * whether it is new. The inode is (*ret)->inode. ret_stat may be NULL.
 */
int fm_backing_create(const struct fm_caller *caller, struct fm_inode *parent, const char *name, mode_t mode, int flags,
                      struct fm_file **ret, bool *created, struct stat *ret_stat);
int fm_backing_tmpfile(const struct fm_caller *caller, struct fm_inode *parent, mode_t mode, int flags,
                       struct fm_file **ret, struct stat *ret_stat);
/* A new descriptor of the file's data with our own rights, close-on-exec; negative errno. flags: access mode. */
int fm_backing_open_data(struct fm_inode *inode, int flags);

/* Data. Reads and writes move as much as they can; the count. O_APPEND files ignore the offset. */
ssize_t fm_backing_read(struct fm_file *file, void *buffer, size_t size, off_t offset);
ssize_t fm_backing_write(const struct fm_caller *caller, struct fm_file *file, const void *buffer, size_t size,
                         off_t offset);
/* The same with append said for itself: pages that come back from a mapping never append. */
ssize_t fm_backing_write_at(const struct fm_caller *caller, struct fm_file *file, const void *buffer, size_t size,
                            off_t offset, bool append);
int fm_backing_flush(struct fm_file *file, uint64_t lock_owner);
int fm_backing_fsync(struct fm_file *file, bool data_only);
int fm_backing_fallocate(const struct fm_caller *caller, struct fm_file *file, int mode, off_t offset, off_t length);
ssize_t fm_backing_copy_file_range(const struct fm_caller *caller, struct fm_file *in, off_t in_offset,
                                   struct fm_file *out, off_t out_offset, size_t length, unsigned flags);
off_t fm_backing_lseek(struct fm_file *file, off_t offset, int whence);

/*
 * Locks, shared with everybody who locks the backing file. owner: the lock owner of the request; tid: shown to F_GETLK.
 * wait: until it is granted, the request is cancelled (-EINTR), or the mount ends; cancel may be NULL.
 */
int fm_backing_getlk(struct fm_file *file, uint64_t owner, struct flock *lock);
int fm_backing_setlk(struct fm_file *file, uint64_t owner, pid_t tid, const struct flock *lock, bool wait,
                     struct fm_cancel *cancel);
int fm_backing_flock(struct fm_file *file, int operation, struct fm_cancel *cancel); /* LOCK_NB: does not wait */
/* Wakes lock waits whose request was cancelled. */
void fm_backing_wake_cancelled(void);
/* The signal that ends a system call of one of our threads; its handler does nothing. */
int fm_backing_wake_signal(void);

/*
 * ioctl of the few commands that make sense through a mount (FS_IOC_GETFLAGS and its family): -ENOTTY for the
 * others. in and out are of the size that the command encodes.
 */
int fm_backing_ioctl(const struct fm_caller *caller, struct fm_file *file, unsigned command, const void *in, void *out);
/* How many bytes the command takes or gives; 0: not one of ours. */
size_t fm_backing_ioctl_size(unsigned command);

/*
 * Directories: entries in the order of the backing directory, from `offset` (0, or what an entry's offset said) on.
 * `each` returns false to stop before the entry is consumed. "." and ".." are included. entry->ino is the public
 * number.
 */
struct fm_directory_entry {
        const char *name;
        uint64_t ino;
        unsigned char type; /* DT_* */
        off_t next;         /* offset of the entry after it */
};
int fm_backing_readdir(struct fm_file *file, off_t offset,
                       bool (*each)(const struct fm_directory_entry *entry, void *data), void *data);
