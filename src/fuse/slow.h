/* SPDX-License-Identifier: MIT */
/*
 * The way through the filters: one function for each FUSE operation that makes an IRP.
 *
 * Called on a FUSE worker when a filter of the volume wants one of the majors that the request would make, or when the
 * handle has a FILE_OBJECT that must be told. Each takes over the request: it answers exactly once, on this thread or
 * later on another. Pointers to names, values and buffers are valid only until the function returns; inodes only
 * while the request is unanswered (take a reference for longer), files until their release.
 */
#pragma once

#include "fuse/backing.h"
#include "fuse/request.h"

/* error: a positive errno or 0 of the lookup in the backing directory. True: fm_slow_lookup() has to say. */
bool fm_slow_lookup_wanted(struct fm_session *session, int error);
void fm_slow_lookup(fuse_req_t req, struct fm_inode *parent, const char *name);
void fm_slow_getattr(fuse_req_t req, struct fm_inode *inode, struct fm_file *file); /* file may be NULL */
void fm_slow_setattr(fuse_req_t req, struct fm_inode *inode, const struct stat *attr, int valid, struct fm_file *file);
void fm_slow_readlink(fuse_req_t req, struct fm_inode *inode);
void fm_slow_mknod(fuse_req_t req, struct fm_inode *parent, const char *name, mode_t mode, dev_t rdev);
void fm_slow_mkdir(fuse_req_t req, struct fm_inode *parent, const char *name, mode_t mode);
void fm_slow_unlink(fuse_req_t req, struct fm_inode *parent, const char *name);
void fm_slow_rmdir(fuse_req_t req, struct fm_inode *parent, const char *name);
void fm_slow_symlink(fuse_req_t req, const char *target, struct fm_inode *parent, const char *name);
void fm_slow_rename(fuse_req_t req, struct fm_inode *parent, const char *name, struct fm_inode *new_parent,
                    const char *new_name, unsigned flags);
void fm_slow_link(fuse_req_t req, struct fm_inode *inode, struct fm_inode *parent, const char *name);

void fm_slow_open(fuse_req_t req, struct fm_inode *inode, struct fuse_file_info *fi);
void fm_slow_create(fuse_req_t req, struct fm_inode *parent, const char *name, mode_t mode, struct fuse_file_info *fi);
void fm_slow_tmpfile(fuse_req_t req, struct fm_inode *parent, mode_t mode, struct fuse_file_info *fi);
void fm_slow_read(fuse_req_t req, struct fm_file *file, size_t size, off_t offset, struct fuse_file_info *fi);
void fm_slow_write(fuse_req_t req, struct fm_file *file, struct fuse_bufvec *buffers, off_t offset,
                   struct fuse_file_info *fi);
/* A handle with write access is closed by somebody (one of perhaps several); fi has the lock owner. */
void fm_slow_flush(fuse_req_t req, struct fm_file *file, struct fuse_file_info *fi);
/* The last use of a handle is over; also of one without a FILE_OBJECT if a filter wants its cleanup or close. */
void fm_slow_release(fuse_req_t req, struct fm_file *file, struct fuse_file_info *fi);
/* The mount has ended with the handle (one with a FILE_OBJECT) open: its cleanup and close, without a request. Frees
 * it. */
void fm_slow_abandon(struct fm_file *file);
void fm_slow_fsync(fuse_req_t req, struct fm_file *file, bool data_only); /* files and directories */

void fm_slow_opendir(fuse_req_t req, struct fm_inode *inode, struct fuse_file_info *fi);
void fm_slow_readdir(fuse_req_t req, struct fm_file *file, size_t size, off_t offset, bool plus);
void fm_slow_releasedir(fuse_req_t req, struct fm_file *file);

void fm_slow_statfs(fuse_req_t req, struct fm_inode *inode);
void fm_slow_getxattr(fuse_req_t req, struct fm_inode *inode, const char *name, size_t size);
void fm_slow_listxattr(fuse_req_t req, struct fm_inode *inode, size_t size);
void fm_slow_setxattr(fuse_req_t req, struct fm_inode *inode, const char *name, const char *value, size_t size,
                      int flags);
void fm_slow_removexattr(fuse_req_t req, struct fm_inode *inode, const char *name);

void fm_slow_setlk(fuse_req_t req, struct fm_file *file, struct fuse_file_info *fi, const struct flock *lock,
                   bool wait);
void fm_slow_flock(fuse_req_t req, struct fm_file *file, int operation);
void fm_slow_fallocate(fuse_req_t req, struct fm_file *file, int mode, off_t offset, off_t length);
void fm_slow_lseek(fuse_req_t req, struct fm_file *file, off_t offset, int whence);
/* in and out sizes are those that the command encodes; only commands that fm_backing_ioctl() knows get here. */
void fm_slow_ioctl(fuse_req_t req, struct fm_file *file, unsigned command, const void *in);
