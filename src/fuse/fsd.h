/* SPDX-License-Identifier: MIT */
/*
 * The file system below the filters: the bottom of every IRP, made of system calls on the backing directory.
 *
 * It works from what an operation says when it arrives, after filters had their hands on it: the
 * FILE_OBJECT's name, the parameters, the current buffers. What an IRP can't say (Linux flags, exact mode
 * bits, nanoseconds) comes as a struct fm_fsd_request, and counts only as long as no filter changed the
 * parameters it belongs to.
 *
 * Lock order: fm_fsd_file.lock is a leaf, but for system calls on the backing directory.
 */
#pragma once

#include <pthread.h>

#include "fltmgr/fsd.h"
#include "fuse/backing.h"

/* volume->fsd_context is the struct fm_session. */
extern const struct fm_fsd_ops fm_fuse_fsd;

/* Where a name leads. */
struct fm_fsd_place {
        struct fm_inode
                *parent; /* reference; directory of the last component. NULL: the name is the start itself */
        char *name;      /* last component, malloc'd; NULL with parent */
        struct fm_inode *inode; /* reference; NULL: there is nothing of that name */
};

/*
 * Follows path ("/a/b" or "a/b") from start, component by component, never out of the volume. Symbolic links
 * on the way are followed as if the volume's root were "/", the last one only if follow_last.
 */
NTSTATUS fm_fsd_walk(struct fm_session *session, const struct fm_caller *caller, struct fm_inode *start,
                     const char *path, bool follow_last, struct fm_fsd_place *ret);
void fm_fsd_place_clear(struct fm_fsd_place *place);
/* The same for a FILE_OBJECT that is not open: its FileName, relative to RelatedFileObject. */
NTSTATUS fm_fsd_walk_file(struct fm_operation *op, bool follow_last, struct fm_fsd_place *ret);

/* What a CREATE opened; the receiver owns all of it. */
struct fm_fsd_opened {
        struct fm_inode *inode; /* reference; NULL: the name is only reserved */
        struct fm_file *file;   /* NULL: opened for attributes only, a descriptor is made when it is needed */
        struct fm_inode *parent; /* reference; with name: how it was found. May be NULL */
        char *name;
        ULONG information; /* FILE_OPENED ... */
};

#define FM_FSD_ANSWERED 1

/*
 * A request of the front end: how to do exactly what a system call asked for. Valid while the operation
 * lives.
 */
struct fm_fsd_request {
        /* The parameters as they were made. made: the input buffer's bytes, or the FileName's for a create.
         */
        const void *made;
        ULONG made_length;
        ULONG code; /* FileInformationClass, FsControlCode, SecurityInformation, create Options */
        /* Of a create: what else was asked for. mode and flags hold for another name too. */
        ACCESS_MASK access;
        mode_t mode;
        int flags;
        /*
         * Majors but CREATE: 0, and *information goes into IoStatus; a negative errno; FM_FSD_ANSWERED: it
         * has set the result itself.
         */
        int (*perform)(struct fm_operation *op, struct fm_fsd_request *request, ULONG_PTR *information);
        /* 0 or a negative errno, and then *opened is empty. */
        int (*open)(struct fm_operation *op, struct fm_fsd_request *request, struct fm_fsd_opened *opened);
};

/* The bottom's state of an open FILE_OBJECT. */
struct fm_fsd_file {
        struct fm_inode *inode;       /* reference; NULL while the name is only reserved */
        struct fm_stream *own_stream; /* of a reserved name, which has no inode to keep it; else NULL */
        ACCESS_MASK access;
        ULONG options;        /* CreateOptions */
        pthread_mutex_t lock; /* guards all below */
        struct fm_file
                *file; /* what the opener got; NULL: nothing but attributes so far. Never changes once set */
        struct fm_file *own[2]; /* opened with our rights, for I/O that the opener could not do himself: read,
                                   write */
        struct fm_inode
                *parent; /* reference; the directory it was opened in, and its name there; both may be NULL */
        char *name;
        bool delete_pending;
        bool deleted;                 /* the name was removed through this file object */
        int delete_error;             /* positive errno: CLEANUP should have removed the name and could not */
        struct fm_fsd_search *search; /* where reading of a directory is */
        ULONG ea_position;            /* and of extended attributes */
};

static inline struct fm_fsd_file *fm_fsd_file(PFILE_OBJECT file)
{
        return (struct fm_fsd_file *)fm_file_object(file)->fsd_file;
}

static inline struct fm_session *fm_fsd_session(const struct fm_operation *op)
{
        return (struct fm_session *)op->volume->fsd_context;
}

/* Whom system calls for the operation are made as; NULL: ourselves. scratch: room for the answer. */
const struct fm_caller *fm_fsd_caller(const struct fm_operation *op, struct fm_caller *scratch);

/* The stream of an inode, made when it is first asked for. Borrowed from the inode. */
struct fm_stream *fm_fsd_stream(PFLT_VOLUME volume, struct fm_inode *inode);

/*
 * Makes the file object open: takes over what *opened has (also on the next call's behalf: it is emptied),
 * sets FsContext, the access booleans and flags.
 */
void fm_fsd_attach(PFILE_OBJECT file, struct fm_fsd_opened *opened, ACCESS_MASK access, ULONG share,
                   ULONG options);

/*
 * An open file for I/O through file, whatever the opener asked for: his own if it can do it, else one of
 * ours. Borrowed until CLOSE. Negative errno.
 */
int fm_fsd_get_file(PFILE_OBJECT file, bool writable, struct fm_file **ret);
/* What the opener has, or NULL. Borrowed until CLOSE. */
struct fm_file *fm_fsd_own_file(PFILE_OBJECT file);

/* Data or size changed through this file object: a cleanup is owed again. */
void fm_fsd_mark_written(PFILE_OBJECT file);

/*
 * The name and its directory, as they are now (a reference and a malloc'd string): the ones it was opened
 * by if they still lead to it, else the last known. -ENOENT: none.
 */
int fm_fsd_get_link(PFILE_OBJECT file, struct fm_inode **ret_parent, char **ret_name);
/* Removes that name. 0 or a negative errno. */
int fm_fsd_delete_name(const struct fm_caller *caller, PFILE_OBJECT file);

/* True, and the result is set, when the operation's request counted and was performed. input: the current
 * buffer. */
bool fm_fsd_perform(struct fm_operation *op, ULONG code, const void *input, ULONG length);

/* Volume-relative name of an open file as it is now, pool-allocated; false: it has none. */
bool fm_fsd_name(PFILE_OBJECT file, PUNICODE_STRING ret);

/* The result of a disposition: the name goes at CLEANUP, or stays after all. */
void fm_fsd_set_disposition(struct fm_operation *op, bool delete, bool ignore_read_only);

/* fm_fsd_ops.real_path */
NTSTATUS fm_fsd_real_path(PFLT_VOLUME volume, struct fm_operation *create, const char *path, char **ret);

/* One function for each major, in the file of its subject. */
void fm_fsd_create(struct fm_operation *op);
void fm_fsd_read(struct fm_operation *op);
void fm_fsd_write(struct fm_operation *op);
void fm_fsd_flush(struct fm_operation *op);
void fm_fsd_query_information(struct fm_operation *op);
void fm_fsd_query_open(struct fm_operation *op);
void fm_fsd_network_query_open(struct fm_operation *op);
void fm_fsd_set_information(struct fm_operation *op);
void fm_fsd_directory_control(struct fm_operation *op);
void fm_fsd_query_ea(struct fm_operation *op);
void fm_fsd_set_ea(struct fm_operation *op);
void fm_fsd_query_volume(struct fm_operation *op);
void fm_fsd_set_volume(struct fm_operation *op);
void fm_fsd_query_security(struct fm_operation *op);
void fm_fsd_set_security(struct fm_operation *op);
void fm_fsd_file_system_control(struct fm_operation *op);
void fm_fsd_lock_control(struct fm_operation *op);
void fm_fsd_cleanup(struct fm_operation *op);

/* REPARSE_DATA_BUFFER for a tag (of a link: with its target). Its size, or 0: no room. */
ULONG fm_fsd_reparse_build(ULONG tag, const char *target, size_t target_length, void *buffer, ULONG length);
/* A reserved name has become a file. */
void fm_fsd_bind(PFILE_OBJECT file, struct fm_inode *inode);

/* FsInformationClass of a file system with that state into buffer. */
NTSTATUS fm_fsd_fill_volume(struct fm_operation *op, const struct statvfs *fs, int class, void *buffer,
                            ULONG length, ULONG *written);

void fm_fsd_search_free(struct fm_fsd_search *search);

/* An entry that was put into a DirectoryBuffer: how to find what the backing directory said about it. */
struct fm_fsd_listed {
        ULONG index; /* FileIndex */
        off_t next;  /* offset after it */
};
/*
 * The query of a directory in op's parameters. offset: where to go on, or -1: where the last one ended.
 * listed: array of struct fm_fsd_listed, filled with what was put into the buffer, or NULL.
 */
void fm_fsd_list(struct fm_operation *op, off_t offset, GArray *listed);
