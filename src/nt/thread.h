/* SPDX-License-Identifier: MIT */
/*
 * What the simulator knows about the thread it runs on: its IRQL, whom it impersonates, which
 * filter's code it is in, and the request whose end would end its waits.
 *
 * The dispatcher saves the state, sets it around each callback, and puts it back; everything else
 * only reads it. It is plain thread-local data: no locks.
 */
#pragma once

#include <fltKernel.h>
#include <stdbool.h>

struct fm_cancel;

struct fm_thread {
        KIRQL irql;
        PETHREAD thread;          /* the requestor whose I/O this thread carries; NULL: the thread itself */
        PEPROCESS attached;       /* KeStackAttachProcess(); NULL: not attached */
        struct fm_cancel *cancel; /* of the request being carried, or NULL; borrowed */
        const char *filter;       /* name of the filter whose callback runs here, or NULL; borrowed */
        const char *callback;     /* which: "a pre-operation", or NULL; a constant, for reports */
        const char *operation;    /* of what: "IRP_MJ_CREATE", or NULL; a constant, for reports */
        const void *code;         /* the filter's function, or NULL; for reports */
        UCHAR minor;              /* MinorFunction of that operation; for reports */
        PFILE_OBJECT file;        /* what that operation is about, or NULL; borrowed, for reports */
        bool draining;            /* the callback is a post-operation that comes early, while draining */
        void *top_level_irp;      /* IoGetTopLevelIrp() */
        unsigned spin_locks_held;
        unsigned mutexes_held;     /* KMUTEX, each acquisition counted */
        unsigned fast_mutexes_held;
        unsigned push_locks_held;
        unsigned resources_held;   /* ERESOURCE, each acquisition counted */
        unsigned critical_regions; /* KeEnterCriticalRegion() depth */
        unsigned guarded_regions;  /* KeEnterGuardedRegion() depth; each is a critical region as well */
        struct fm_seh_frame *seh; /* innermost try block */
};

struct fm_thread *fm_thread_self(void);

static inline bool fm_thread_holds_locks(const struct fm_thread *thread)
{
        return thread->spin_locks_held || thread->mutexes_held || thread->fast_mutexes_held || thread->push_locks_held ||
               thread->resources_held;
}
