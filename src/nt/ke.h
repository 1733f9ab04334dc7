/* SPDX-License-Identifier: MIT */
/*
 * Waiting, for the simulator's own use, and the shape of what can be waited for.
 *
 * All dispatcher objects share one lock, held for a few instructions at a time. A wait ends with its objects,
 * its timeout, or, if it is cancellable, with the request it serves (fm_thread.cancel).
 */
#pragma once

#include <fltKernel.h>
#include <stdbool.h>
#include <sys/types.h>

#define FM_EPOCH_DIFFERENCE INT64_C(116444736000000000) /* from 1601 to 1970, in 100 ns */

enum fm_dispatcher_type {
        FM_DISPATCHER_NOTIFICATION_EVENT = 0,
        FM_DISPATCHER_SYNCHRONIZATION_EVENT = 1,
        FM_DISPATCHER_MUTANT = 2,
        FM_DISPATCHER_PROCESS = 3,
        FM_DISPATCHER_SEMAPHORE = 5,
        FM_DISPATCHER_THREAD = 6,
        FM_DISPATCHER_NOTIFICATION_TIMER = 8,
        FM_DISPATCHER_SYNCHRONIZATION_TIMER = 9,
};

struct _ETHREAD {
        DISPATCHER_HEADER Header; /* signalled when the thread has ended */
        pid_t tid;
        PEPROCESS process; /* referenced */
        KPRIORITY priority;
        NTSTATUS exit_status;
};

struct _EPROCESS {
        DISPATCHER_HEADER Header;
        pid_t pid;
        int pidfd;       /* -1: System, or the kernel has no pidfds */
        int64_t created; /* 100 ns since 1601 */
        char image[16];  /* as PsGetProcessImageFileName has it */
};

void fm_dispatcher_init(DISPATCHER_HEADER *header, enum fm_dispatcher_type type, LONG state);
/* Sets the state of a notification-like object for good, and wakes everybody. */
void fm_dispatcher_signal(DISPATCHER_HEADER *header);

/*
 * cancellable: STATUS_THREAD_IS_TERMINATING when the request of this thread ends that way. Else as
 * KeWaitForMultipleObjects: STATUS_WAIT_0 + index, STATUS_ABANDONED, STATUS_TIMEOUT.
 */
NTSTATUS fm_wait(ULONG count, PVOID objects[], WAIT_TYPE type, bool cancellable,
                 const LARGE_INTEGER *timeout);

/* Remaining time of a Windows timeout as a CLOCK_MONOTONIC point. */
struct timespec fm_deadline(const LARGE_INTEGER *timeout);
int64_t fm_system_time(void); /* 100 ns since 1601 */

/* Reports code that runs at an IRQL that its function forbids. */
void fm_check_irql(const char *function, KIRQL highest);

/* Waits until no DPC and no timer routine runs, and none is queued: before an image is unmapped. */
void fm_dpc_flush(void);
