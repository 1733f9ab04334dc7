/* SPDX-License-Identifier: MIT */
/*
 * A FUSE request that filters see: who asks, whether he still waits, and the one answer he gets.
 *
 * Two sides may answer: whoever completes the operation, and the monitor when the caller is being killed.
 * `replied` is claimed before; after that the fuse_req_t is never touched again by the other. A
 * request that was answered early goes on to its end on its own.
 *
 * The request belongs to whoever called fm_request_new() until fm_request_free(), which comes after the
 * operation has really ended, on any thread; the cancel object is valid until then.
 */
#pragma once

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

#include <stdatomic.h>
#include <stdbool.h>

#include "fuse/backing.h"
#include "fuse/credentials.h"
#include "nt/cancel.h"

struct fm_session;

struct fm_request {
        struct fm_session *session;
        struct fm_caller caller; /* a copy: valid after the answer */
        struct fm_cancel cancel;
        /* The module's own. */
        fuse_req_t req;
        _Atomic bool replied;
        _Atomic uint32_t refs;
        bool monitored;
        bool signalled;
        struct fm_request *next, *prev;
};

/* Starts to listen for interrupts: the caller is known, cancel works. Never NULL. */
struct fm_request *fm_request_new(fuse_req_t req);
void fm_request_free(struct fm_request *request);

/* Copies who asks; all that a fast path needs. */
void fm_request_get_caller(fuse_req_t req, struct fm_caller *ret);
struct fm_session *fm_request_session(fuse_req_t req);

/*
 * Answers. Each returns true if the answer reached the kernel; false: the caller is gone, and what the answer
 * would have given him is given up by whoever made it (a file that is not released, say).
 * Errors are positive errno; anything the kernel does not take becomes EIO. ENOSYS becomes EOPNOTSUPP.
 */
bool fm_request_reply_error(struct fm_request *request, int error); /* 0: success without data */
/* Consumes the inode reference, delivered or not. */
bool fm_request_reply_entry(struct fm_request *request, struct fm_inode *inode, const struct stat *attr);
bool fm_request_reply_attr(struct fm_request *request, const struct stat *attr);
bool fm_request_reply_readlink(struct fm_request *request, const char *target);
/*
 * Fills fi from file (fh and the caching flags that the volume's filters call for). attr: attributes of the file just
 * opened, or NULL (they are fetched where needed).
 */
bool fm_request_reply_open(struct fm_request *request, struct fm_file *file, const struct stat *attr,
                           struct fuse_file_info *fi);
/* The kernel gets a reference of its own to file->inode. */
bool fm_request_reply_create(struct fm_request *request, struct fm_file *file, const struct stat *attr,
                             struct fuse_file_info *fi);
bool fm_request_reply_write(struct fm_request *request, size_t count);
bool fm_request_reply_buffer(struct fm_request *request, const void *data,
                             size_t size); /* read, readdir, xattr value */
bool fm_request_reply_statfs(struct fm_request *request, const struct statvfs *info);
bool fm_request_reply_xattr_size(struct fm_request *request, size_t size);
bool fm_request_reply_lock(struct fm_request *request, const struct flock *lock);
bool fm_request_reply_ioctl(struct fm_request *request, int result, const void *data, size_t size);
bool fm_request_reply_lseek(struct fm_request *request, off_t offset);

/*
 * One entry of a readdir answer appended to buffer; the bytes used, or 0: does not fit. plus: with attributes; then
 * inode (reference consumed when it fits) and attr are its own, or NULL: the kernel looks it up itself.
 */
size_t fm_request_add_entry(struct fm_request *request, char *buffer, size_t space, bool plus,
                            const struct fm_directory_entry *entry, struct fm_inode *inode, const struct stat *attr);

/* One monitor thread of the process watches interrupted requests. Start before the first mount, stop after the last. */
int fm_request_monitor_start(void);
void fm_request_monitor_stop(void);
