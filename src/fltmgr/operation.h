/* SPDX-License-Identifier: MIT */
/*
 * One operation on its way: callback data, the filters it passes, and its bottom.
 *
 * The owner (the front end, or a Flt function that makes I/O) makes it, fills iopb.Parameters, submits it,
 * reads the result and frees it. Between submit and done it belongs to the dispatcher; whoever
 * completes it last (a FUSE worker, or the thread that calls FltCompletePendedPreOperation) calls done.
 */
#pragma once

#include <fltKernel.h>
#include <semaphore.h>
#include <stdbool.h>
#include <sys/types.h>

#include "fltmgr/objects.h"

struct fm_cancel;
struct fm_cancel_entry;
struct fm_extras;
struct fm_node;
struct fm_operation;

/* A filter wants IRP_MJ_QUERY_OPEN to take the slow path. Never leaves the simulator: the customer bit keeps it apart. */
#define FM_STATUS_DISALLOW_FSFILTER_IO ((NTSTATUS)0xE01C0004)

/* On whose behalf. Plain data; thread is borrowed for as long as the operation lives. */
struct fm_requestor {
        PETHREAD thread;
        uid_t uid;
        gid_t gid;
        mode_t umask;
        bool kernel; /* RequestorMode KernelMode: no access checks at the bottom */
        struct fm_cancel *cancel; /* borrowed; NULL: nobody waits */
};

/* What callback data is, for those who are given some that may be none any more. */
enum fm_operation_life {
        FM_OPERATION_ALIVE = 0x4c41544f, /* "OTAL" */
        FM_OPERATION_DRAINING = 0x4452544f, /* "OTRD": a copy for a draining post-operation */
};

typedef void fm_operation_done_fn(struct fm_operation *operation, void *context);

struct fm_operation {
        FLT_CALLBACK_DATA data; /* must be first: filters get its address */
        FLT_IO_PARAMETER_BLOCK iopb;
        struct fm_requestor requestor;
        PFLT_VOLUME volume;
        PFLT_INSTANCE below; /* only instances below this one see it; memory reference. NULL: all */
        /*
         * Free use of whoever fills in the request for the FSD's dispatch (what IRP parameters can't
         * say: Linux flags, an inode). Valid only while the parameters it belongs to are unchanged:
         * the FSD checks that itself.
         */
        void *fsd_request;
        /* Set by the FSD through fm_operation_set_error(): errno (positive) and the status made of it. */
        int error;
        NTSTATUS error_status;
        /* Data of the create in progress, so that Parameters.Create.SecurityContext points somewhere. */
        IO_SECURITY_CONTEXT security_context;
        ACCESS_STATE access_state;
        _Atomic uint32_t life; /* enum fm_operation_life; anything else: freed */
        /* Below: the dispatcher's own. */
        FLT_IO_PARAMETER_BLOCK original; /* as submitted: where a reparsed create starts again */
        FLT_CALLBACK_DATA_FLAGS kind;    /* which of the three it is, and how it came */
        KPROCESSOR_MODE mode;            /* RequestorMode */
        fm_operation_done_fn *done;
        void *done_context;
        struct fm_stack *stack;
        bool file_is_borrowed;
        bool descending;
        _Atomic bool cancelled; /* by fm_operation_cancel(), whatever its caller wants; written under queue.c's lock */
        bool pended_post;       /* what the pended callback was */
        bool raised;            /* post-operations are called at DISPATCH_LEVEL, for no thread in particular */
        unsigned position;      /* of the node whose turn it is */
        unsigned node_count;
        unsigned must_stay;     /* owed post-operations that have to run on the thread that called their pre-operation */
        unsigned reparse_count;
        _Atomic int pend;       /* see dispatch.c */
        int pended_status;
        void *pended_context;
        sem_t resumed;          /* the thread that has to stay waits here */
        sem_t finished;         /* fm_operation_run() waits here */
        _Atomic(struct fm_extras *) extras; /* what Flt functions hung on it; NULL for most. See extras.h */
        struct fm_node *nodes;
};

static inline struct fm_operation *fm_operation_from_data(PFLT_CALLBACK_DATA data)
{
        return CONTAINING_RECORD(data, struct fm_operation, data);
}

/*
 * IRP-based, RequestorMode by requestor->kernel; but CLEANUP and CLOSE are the I/O manager's own, so KernelMode, whoever
 * closes. file may be NULL; the operation takes a reference. Never NULL.
 */
struct fm_operation *fm_operation_new(PFLT_VOLUME volume, UCHAR major, PFILE_OBJECT file,
                                      const struct fm_requestor *requestor);
/* The same without a reference: for the last CLEANUP and CLOSE of a file object that nobody refers to any more. */
struct fm_operation *fm_operation_new_borrowed(PFLT_VOLUME volume, UCHAR major, PFILE_OBJECT file,
                                               const struct fm_requestor *requestor);
/* The same for I/O that a filter makes: GENERATED_IO, KernelMode, seen only below instance (NULL: by all). */
struct fm_operation *fm_operation_new_generated(PFLT_INSTANCE instance, UCHAR major, PFILE_OBJECT file);
void fm_operation_free(struct fm_operation *operation);

/* Frees what the file system or a filter has put into TagData. */
void fm_operation_clear_tag_data(struct fm_operation *operation);

/* Sends it down. done is called exactly once, perhaps before this returns. */
void fm_operation_submit(struct fm_operation *operation, fm_operation_done_fn *done, void *context);
/* Sends it down and waits for its end. Returns data.IoStatus.Status. */
NTSTATUS fm_operation_run(struct fm_operation *operation);

/*
 * What the caller of a system call gets: 0 or a positive errno. The bottom's own errno if no filter changed
 * the status; else the table. Warnings with valid data count as success here, the caller of this decides.
 */
int fm_operation_errno(struct fm_operation *operation);

/* For FSDs: the result at the bottom. error: positive errno or 0. _as: filters see another status than the table's. */
void fm_operation_set_error(struct fm_operation *operation, int error);
void fm_operation_set_error_as(struct fm_operation *operation, int error, NTSTATUS status);
void fm_operation_set_result(struct fm_operation *operation, NTSTATUS status, ULONG_PTR information);

/*
 * Cancels this operation alone, not what else its caller waits for. The entry, if not NULL, is a cancel routine that has
 * to be called, without locks: fm_cancel_entry_fire(). The operation must be alive; with the entry it stays so.
 */
struct fm_cancel_entry *fm_operation_cancel(struct fm_operation *operation);
void fm_cancel_entry_fire(struct fm_cancel_entry *entry);

/* In a post-operation: the MDL that this instance put into the parameters on the way down, or NULL; and: it keeps it. */
PMDL fm_operation_swapped_mdl(struct fm_operation *operation);
void fm_operation_retain_swapped_mdl(struct fm_operation *operation);
