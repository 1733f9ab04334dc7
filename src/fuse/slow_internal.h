/* SPDX-License-Identifier: MIT */
/*
 * What the files of the slow path share: whom a request is for, file objects that live as long as one
 * request, and the parameters of each IRP.
 *
 * Every operation is sent, wanted or not: the dispatcher goes straight to the bottom where nobody is
 * registered, and the bottom is where the request's work is done.
 */
#pragma once

#include "fltmgr/operation.h"
#include "fuse/fsd.h"
#include "fuse/slow.h"

/* A request on its way through the filters. */
struct fm_slow {
        struct fm_request *request;
        struct fm_session *session;
        PFLT_VOLUME volume;
        struct fm_requestor requestor;
        /* References. The caller may be answered before we are done with them: a forget or a release may
         * follow. */
        struct fm_inode *inode, *other;
        PFILE_OBJECT object; /* of the handle, from fm_slow_begin_file() */
        struct fm_file *file;
};

/* inodes that the request is about; NULL is allowed. */
void fm_slow_begin(struct fm_slow *slow, fuse_req_t req, struct fm_inode *inode, struct fm_inode *other);
/* A request on a handle; makes its FILE_OBJECT if filters never saw the handle before. */
void fm_slow_begin_file(struct fm_slow *slow, fuse_req_t req, struct fm_file *file);
/* After the answer. Embedded in something that is freed: call it first. */
void fm_slow_end(struct fm_slow *slow);

/* A name as filters show it: fm_inode_lookup(), but for what they map or hide. 0 or a positive errno. */
int fm_slow_find(struct fm_slow *slow, struct fm_inode *parent, const char *name, struct fm_inode **ret,
                 struct stat *st);

/* What a create asks for. */
struct fm_slow_create {
        ACCESS_MASK access;
        ULONG disposition; /* FILE_OPEN ... */
        ULONG options;     /* FILE_NON_DIRECTORY_FILE ... */
        ULONG attributes;
        UCHAR flags; /* SL_*, beside SL_CASE_SENSITIVE */
        mode_t mode;
        int open_flags; /* of open(2) */
        int (*open)(struct fm_operation *op, struct fm_fsd_request *request, struct fm_fsd_opened *opened);
};

/*
 * A new file object for inode, or for name in parent if name is not NULL; not open yet. A file that has no
 * name any more gets one that is nobody's.
 */
PFILE_OBJECT fm_slow_file_new(struct fm_slow *slow, struct fm_inode *inode, struct fm_inode *parent,
                              const char *name);
/* IRP_MJ_CREATE for it. request must outlive the operation; its common members are filled in here. */
struct fm_operation *fm_slow_create_new(struct fm_slow *slow, PFILE_OBJECT file,
                                        const struct fm_slow_create *create, struct fm_fsd_request *request);

/*
 * A file object that is opened, used and closed within one request. request is the front end's own, with
 * `open` and whatever that needs; inode and name as for fm_slow_file_new(). 0 or a positive errno.
 */
int fm_slow_transient_open(struct fm_slow *slow, const struct fm_slow_create *create, struct fm_inode *inode,
                           struct fm_inode *parent, const char *name, struct fm_fsd_request *request,
                           PFILE_OBJECT *ret);
/* CLEANUP and CLOSE. NULL is allowed. */
void fm_slow_transient_close(struct fm_slow *slow, PFILE_OBJECT file);

/* The commonest: an inode that is there, for its attributes. */
struct fm_slow_open_inode {
        struct fm_fsd_request request;
        struct fm_inode *inode;
        struct fm_inode *parent; /* with name: how it was found; NULL */
        const char *name;
};
int fm_slow_open_inode(struct fm_slow *slow, ACCESS_MASK access, ULONG options,
                       struct fm_slow_open_inode *what, PFILE_OBJECT *ret);

/* Operations on an open file, parameters filled in. */
struct fm_operation *fm_slow_operation(struct fm_slow *slow, UCHAR major, UCHAR minor, PFILE_OBJECT file,
                                       struct fm_fsd_request *request);
/* What the result is to the caller: 0 or a positive errno. */
int fm_slow_errno(struct fm_operation *op);
/* Runs and frees it. 0 or a positive errno. */
int fm_slow_run(struct fm_operation *op);
int fm_slow_set_information(struct fm_slow *slow, PFILE_OBJECT file, FILE_INFORMATION_CLASS class,
                            const void *buffer, ULONG length, PFILE_OBJECT parent_of_target,
                            struct fm_fsd_request *request);
int fm_slow_control(struct fm_slow *slow, PFILE_OBJECT file, ULONG code, const void *input,
                    ULONG input_length, void *output, ULONG output_length, struct fm_fsd_request *request,
                    ULONG *ret_length);

/* CreateOptions and access that an open(2) stands for. */
ACCESS_MASK fm_slow_access(int flags);
ULONG fm_slow_options(int flags);

/*
 * Opens, deletions, renames and truncations wait here while a cleanup runs that its closer waits for. 0, or
 * EINTR when the caller does not wait any longer.
 */
int fm_slow_barrier_wait(struct fm_slow *slow, struct fm_inode *inode);
/* The same for what a name leads to, if it leads anywhere. */
int fm_slow_barrier_wait_name(struct fm_slow *slow, struct fm_inode *parent, const char *name);
void fm_slow_barrier_enter(struct fm_inode *inode);
void fm_slow_barrier_leave(struct fm_inode *inode);
/* One cleanup of a handle at a time: who closes it again, or for good, waits until the one before is over. */
void fm_slow_cleanup_begin(struct fm_file *file);
void fm_slow_cleanup_end(struct fm_file *file);
