/* SPDX-License-Identifier: MIT */
/*
 * The FUSE requests. Each handler asks what the volume's filters want; if nothing of what the request would make, it
 * does the system call and answers (a few loads more than without filters); else slow.h takes over.
 *
 * poll is left out on purpose: the backing files are always ready, and so the kernel says by itself. access is never
 * sent: the kernel checks permissions itself (default_permissions), from attributes and ACLs that come from here.
 */
#pragma once

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

#include "fltmgr/objects.h"
#include "fuse/backing.h"
#include "fuse/caching.h"
#include "fuse/request-internal.h"
#include "fuse/session.h"
#include "fuse/slow.h"

extern const struct fuse_lowlevel_ops fm_operations;

#define FM_MAJOR(name) fm_major_bit(IRP_MJ_##name)
/* An open that lasts for one request only. */
#define FM_TRANSIENT (FM_MAJOR(CREATE) | FM_MAJOR(CLEANUP) | FM_MAJOR(CLOSE))

/* A name that no file can have: a create that stands for O_TMPFILE, see handshake.c. */
#define FM_TMPFILE_NAME "/"

static inline bool fm_session_wants(const struct fm_session *session, uint64_t majors)
{
        return session->volume && fm_volume_wants(session->volume, majors);
}

static inline struct fm_session *fm_op_session(fuse_req_t req)
{
        return fuse_req_userdata(req);
}

static inline struct fm_inode *fm_op_inode(fuse_req_t req, fuse_ino_t id)
{
        return fm_inode_from_id(fm_op_session(req), id);
}

static inline struct fm_file *fm_op_file(const struct fuse_file_info *fi)
{
        return fi ? (struct fm_file *)(uintptr_t)fi->fh : NULL;
}

/* r: 0 or a negative errno */
static inline void fm_op_reply(fuse_req_t req, int r)
{
        fuse_reply_err(req, fm_reply_errno(-r));
}

/* Gives the reference to the kernel, or up. */
void fm_op_reply_entry(fuse_req_t req, int r, struct fm_inode *inode, const struct stat *attr);

/* ops_name.c */
void fm_op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
void fm_op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count);
void fm_op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets);
void fm_op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev);
void fm_op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode);
void fm_op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name);
void fm_op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);
void fm_op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name);
void fm_op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent, const char *new_name,
                  unsigned int flags);
void fm_op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name);
/* ops_attr.c */
void fm_op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void fm_op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int valid, struct fuse_file_info *fi);
void fm_op_readlink(fuse_req_t req, fuse_ino_t ino);
void fm_op_statfs(fuse_req_t req, fuse_ino_t ino);
void fm_op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size);
void fm_op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size);
void fm_op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags);
void fm_op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name);
/* ops_file.c */
void fm_op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void fm_op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi);
void fm_op_tmpfile(fuse_req_t req, fuse_ino_t parent, mode_t mode, struct fuse_file_info *fi);
void fm_op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi);
void fm_op_write_buf(fuse_req_t req, fuse_ino_t ino, struct fuse_bufvec *buffers, off_t offset,
                     struct fuse_file_info *fi);
void fm_op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void fm_op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void fm_op_fsync(fuse_req_t req, fuse_ino_t ino, int data_only, struct fuse_file_info *fi);
void fm_op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t length, struct fuse_file_info *fi);
void fm_op_copy_file_range(fuse_req_t req, fuse_ino_t ino_in, off_t off_in, struct fuse_file_info *fi_in,
                           fuse_ino_t ino_out, off_t off_out, struct fuse_file_info *fi_out, size_t length, int flags);
void fm_op_lseek(fuse_req_t req, fuse_ino_t ino, off_t offset, int whence, struct fuse_file_info *fi);
void fm_op_ioctl(fuse_req_t req, fuse_ino_t ino, unsigned int command, void *arg, struct fuse_file_info *fi,
                 unsigned flags, const void *in, size_t in_size, size_t out_size);
/* ops_lock.c */
void fm_op_getlk(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct flock *lock);
void fm_op_setlk(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct flock *lock, int sleep);
void fm_op_flock(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, int operation);
/* ops_dir.c */
void fm_op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void fm_op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi);
void fm_op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi);
void fm_op_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
