/* SPDX-License-Identifier: MIT */
/*
 * Work items, and what runs them: a pool of threads that grows while all of them are busy.
 *
 * Items may block for as long as they like (a scan that waits for an agent), so the pool must never be a small fixed
 * number. A queued item holds its filter or instance by a rundown reference: unloading waits for it.
 */
#include "fltmgr/work.h"

#include <pthread.h>
#include <time.h>

#include "fltmgr/check.h"
#include "fltmgr/manager.h"
#include "nt/ledger.h"

/* More than that many blocked items is a runaway filter: the rest waits. */
#define WORKERS_MAX 4096
/* A worker that had nothing to do for so long ends. */
#define WORKER_IDLE_SECONDS 30

struct job {
        void (*function)(void *argument);
        void *argument;
        struct job *next;
};

static struct {
        pthread_mutex_t lock;
        pthread_cond_t wake;
        struct job *first, **end; /* guarded by lock */
        unsigned waiting;         /* guarded by lock: jobs in the list */
        unsigned idle;            /* guarded by lock: workers that wait for one */
        unsigned workers;         /* guarded by lock */
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER};

__attribute__((constructor)) static void pool_init(void)
{
        pthread_condattr_t attributes;

        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&pool.wake, &attributes);
        pthread_condattr_destroy(&attributes);
        pool.end = &pool.first;
}

/* NULL: nothing came for a long time. */
static struct job *take_job_locked(void)
{
        struct timespec deadline;
        struct job *job;
        int error = 0;

        clock_gettime(CLOCK_MONOTONIC, &deadline);
        deadline.tv_sec += WORKER_IDLE_SECONDS;
        pool.idle++;
        while (!pool.first && error == 0)
                error = pthread_cond_timedwait(&pool.wake, &pool.lock, &deadline);
        pool.idle--;
        job = pool.first;
        if (!job)
                return NULL;
        pool.first = job->next;
        if (!pool.first)
                pool.end = &pool.first;
        pool.waiting--;
        return job;
}

static void *worker(void *unused)
{
        struct job *job;

        pthread_mutex_lock(&pool.lock);
        while ((job = take_job_locked())) {
                pthread_mutex_unlock(&pool.lock);
                job->function(job->argument);
                g_free(job);
                pthread_mutex_lock(&pool.lock);
        }
        pool.workers--;
        pthread_mutex_unlock(&pool.lock);
        return NULL;
}

/* One more, if there is more to do than there are idle ones. Without memory for it, those that exist have to do. */
static void add_worker_locked(void)
{
        pthread_attr_t attributes;
        pthread_t thread;

        if (pool.waiting <= pool.idle || pool.workers >= WORKERS_MAX)
                return;
        pthread_attr_init(&attributes);
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        if (pthread_create(&thread, &attributes, worker, NULL) == 0)
                pool.workers++;
        else if (pool.workers == 0)
                fm_bugcheck(0x1, "no thread for work items");
        pthread_attr_destroy(&attributes);
}

void fm_work_push(void (*function)(void *argument), void *argument)
{
        struct job *job = g_new(struct job, 1);

        *job = (struct job){function, argument, NULL};
        pthread_mutex_lock(&pool.lock);
        *pool.end = job;
        pool.end = &job->next;
        pool.waiting++;
        add_worker_locked();
        pthread_cond_signal(&pool.wake);
        pthread_mutex_unlock(&pool.lock);
}

/* ---- generic work items ---- */

struct _FLT_GENERIC_WORKITEM {
        PFLT_GENERIC_WORKITEM_ROUTINE routine;
        PVOID object; /* rundown reference while it is queued */
        PVOID context;
        _Atomic bool queued;
};

/* A work item for FltQueueGenericWorkItem, or NULL without memory. IRQL <= DISPATCH_LEVEL. */
PFLT_GENERIC_WORKITEM FltAllocateGenericWorkItem(VOID)
{
        PFLT_GENERIC_WORKITEM item = g_try_new0(struct _FLT_GENERIC_WORKITEM, 1);

        fm_check_irql(__func__, DISPATCH_LEVEL);
        if (item)
                fm_ledger_add(FM_LEDGER_WORK_ITEM, item, __builtin_return_address(0));
        return item;
}

/* Frees an item that is not queued; its own routine may do that. IRQL <= DISPATCH_LEVEL. */
VOID FltFreeGenericWorkItem(PFLT_GENERIC_WORKITEM FltWorkItem)
{
        fm_check_irql(__func__, DISPATCH_LEVEL);
        if (FltWorkItem && atomic_load(&FltWorkItem->queued)) {
                fm_violation("work-item-queued", "FltFreeGenericWorkItem for an item that waits to be run");
                return;
        }
        fm_ledger_remove(FM_LEDGER_WORK_ITEM, FltWorkItem);
        g_free(FltWorkItem);
}

static PFLT_FILTER filter_of(PVOID object)
{
        enum fm_flt_kind kind = ((struct fm_flt_object *)object)->kind;

        if (kind == FM_FLT_FILTER)
                return object;
        return kind == FM_FLT_INSTANCE ? ((PFLT_INSTANCE)object)->filter : NULL;
}

static void run_generic(void *opaque)
{
        PFLT_GENERIC_WORKITEM item = opaque;
        PFLT_GENERIC_WORKITEM_ROUTINE routine = item->routine;
        PVOID object = item->object, context = item->context;
        struct fm_callback_scope scope;

        atomic_store(&item->queued, false); /* it may be freed or queued again from here on */
        fm_callback_enter(&scope, filter_of(object), "a generic work item", NULL, NULL);
        fm_thread_self()->code = (const void *)routine;
        routine(item, object, context);
        fm_callback_leave(&scope);
        fm_flt_object_leave(object);
}

/*
 * Has WorkerRoutine called on a worker thread. FltObject: the filter or one of its instances, which can't go
 * away before the routine has returned. All queue types are one here.
 *
 * STATUS_SUCCESS; STATUS_FLT_DELETING_OBJECT: FltObject goes away already; STATUS_INVALID_PARAMETER: it is something
 * else, or the item is queued already. IRQL <= DISPATCH_LEVEL.
 */
NTSTATUS FltQueueGenericWorkItem(PFLT_GENERIC_WORKITEM FltWorkItem, PVOID FltObject,
                                 PFLT_GENERIC_WORKITEM_ROUTINE WorkerRoutine, WORK_QUEUE_TYPE QueueType, PVOID Context)
{
        fm_check_irql(__func__, DISPATCH_LEVEL);
        if (!FltWorkItem || !FltObject || !WorkerRoutine || !filter_of(FltObject))
                return STATUS_INVALID_PARAMETER;
        if (atomic_exchange(&FltWorkItem->queued, true)) {
                fm_violation("work-item-queued", "FltQueueGenericWorkItem for an item that is queued already");
                return STATUS_INVALID_PARAMETER;
        }
        if (!fm_flt_object_enter(FltObject)) {
                atomic_store(&FltWorkItem->queued, false);
                return STATUS_FLT_DELETING_OBJECT;
        }
        FltWorkItem->routine = WorkerRoutine;
        FltWorkItem->object = FltObject;
        FltWorkItem->context = Context;
        fm_work_push(run_generic, FltWorkItem);
        return STATUS_SUCCESS;
}

/* ---- deferred I/O work items ---- */

struct _FLT_DEFERRED_IO_WORKITEM {
        PFLT_DEFERRED_IO_WORKITEM_ROUTINE routine;
        PFLT_CALLBACK_DATA data;
        PFLT_INSTANCE instance; /* rundown reference while it is queued */
        PVOID context;
        _Atomic bool queued;
};

/* A work item for FltQueueDeferredIoWorkItem, or NULL without memory. IRQL <= DISPATCH_LEVEL. */
PFLT_DEFERRED_IO_WORKITEM FltAllocateDeferredIoWorkItem(VOID)
{
        PFLT_DEFERRED_IO_WORKITEM item = g_try_new0(struct _FLT_DEFERRED_IO_WORKITEM, 1);

        fm_check_irql(__func__, DISPATCH_LEVEL);
        if (item)
                fm_ledger_add(FM_LEDGER_WORK_ITEM, item, __builtin_return_address(0));
        return item;
}

/* Frees an item that is not queued; its own routine may do that. IRQL <= DISPATCH_LEVEL. */
VOID FltFreeDeferredIoWorkItem(PFLT_DEFERRED_IO_WORKITEM FltWorkItem)
{
        fm_check_irql(__func__, DISPATCH_LEVEL);
        if (FltWorkItem && atomic_load(&FltWorkItem->queued)) {
                fm_violation("work-item-queued", "FltFreeDeferredIoWorkItem for an item that waits to be run");
                return;
        }
        fm_ledger_remove(FM_LEDGER_WORK_ITEM, FltWorkItem);
        g_free(FltWorkItem);
}

static void run_deferred(void *opaque)
{
        PFLT_DEFERRED_IO_WORKITEM item = opaque;
        PFLT_DEFERRED_IO_WORKITEM_ROUTINE routine = item->routine;
        PFLT_CALLBACK_DATA data = item->data;
        PFLT_INSTANCE instance = item->instance;
        PVOID context = item->context;
        struct fm_callback_scope scope;

        atomic_store(&item->queued, false);
        fm_callback_enter(&scope, instance->filter, "a deferred I/O work item", NULL, NULL);
        fm_callback_is_for(data->Iopb, (const void *)routine);
        routine(item, data, context);
        fm_callback_leave(&scope);
        fm_flt_object_leave(instance);
}

/* Paging I/O and whoever is in a file system already can't wait for a worker. */
static bool can_be_posted(const FLT_CALLBACK_DATA *data)
{
        return FLT_IS_IRP_OPERATION(data) && !(data->Iopb->IrpFlags & (IRP_PAGING_IO | IRP_SYNCHRONOUS_PAGING_IO)) &&
               !fm_thread_self()->top_level_irp;
}

/*
 * Has WorkerRoutine called on a worker thread, to work on an operation that the calling callback returns "pending" (or
 * "more processing required") for.
 *
 * STATUS_SUCCESS; STATUS_FLT_NOT_SAFE_TO_POST_OPERATION: not an IRP, paging I/O, or a top-level IRP is set;
 * STATUS_FLT_DELETING_OBJECT: the instance goes away; STATUS_INVALID_PARAMETER: the item is queued already.
 * IRQL <= DISPATCH_LEVEL.
 */
NTSTATUS FltQueueDeferredIoWorkItem(PFLT_DEFERRED_IO_WORKITEM FltWorkItem, PFLT_CALLBACK_DATA Data,
                                    PFLT_DEFERRED_IO_WORKITEM_ROUTINE WorkerRoutine, WORK_QUEUE_TYPE QueueType,
                                    PVOID Context)
{
        PFLT_INSTANCE instance;

        fm_check_irql(__func__, DISPATCH_LEVEL);
        if (!FltWorkItem || !Data || !WorkerRoutine || !Data->Iopb->TargetInstance)
                return STATUS_INVALID_PARAMETER;
        if (!can_be_posted(Data))
                return STATUS_FLT_NOT_SAFE_TO_POST_OPERATION;
        instance = Data->Iopb->TargetInstance;
        if (atomic_exchange(&FltWorkItem->queued, true)) {
                fm_violation("work-item-queued", "FltQueueDeferredIoWorkItem for an item that is queued already");
                return STATUS_INVALID_PARAMETER;
        }
        if (!fm_flt_object_enter(instance)) {
                atomic_store(&FltWorkItem->queued, false);
                return STATUS_FLT_DELETING_OBJECT;
        }
        FltWorkItem->routine = WorkerRoutine;
        FltWorkItem->data = Data;
        FltWorkItem->instance = instance;
        FltWorkItem->context = Context;
        fm_work_push(run_deferred, FltWorkItem);
        return STATUS_SUCCESS;
}

/* ---- completion processing ---- */

struct safe_post {
        PFLT_CALLBACK_DATA data;
        PCFLT_RELATED_OBJECTS objects;
        PVOID context;
        FLT_POST_OPERATION_FLAGS flags;
        PFLT_POST_OPERATION_CALLBACK callback;
};

static void run_safe_post(void *opaque)
{
        struct safe_post post = *(struct safe_post *)opaque;
        struct fm_callback_scope scope;
        FLT_POSTOP_CALLBACK_STATUS status;

        g_free(opaque);
        fm_callback_enter(&scope, post.objects->Filter, "a safe post-operation", NULL, NULL);
        fm_callback_is_for(post.data->Iopb, (const void *)post.callback);
        status = post.callback(post.data, post.objects, post.context, post.flags);
        fm_callback_leave(&scope);
        if (status == FLT_POSTOP_FINISHED_PROCESSING)
                FltCompletePendedPostOperation(post.data);
}

/*
 * Calls SafePostCallback where it may do what needs IRQL <= APC_LEVEL: at once, or, at DISPATCH_LEVEL, on a worker.
 *
 * TRUE: it was called, *RetPostOperationStatus is what it returned; or it will be, and *RetPostOperationStatus is
 * FLT_POSTOP_MORE_PROCESSING_REQUIRED. FALSE, and FLT_POSTOP_FINISHED_PROCESSING: it can't be posted (paging I/O, not
 * an IRP, top-level IRP set, instance going away): the caller has to do without. Not while draining: reported, FALSE.
 * Any IRQL.
 */
BOOLEAN FltDoCompletionProcessingWhenSafe(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                          PVOID CompletionContext, FLT_POST_OPERATION_FLAGS Flags,
                                          PFLT_POST_OPERATION_CALLBACK SafePostCallback,
                                          PFLT_POSTOP_CALLBACK_STATUS RetPostOperationStatus)
{
        struct safe_post *post;

        *RetPostOperationStatus = FLT_POSTOP_FINISHED_PROCESSING;
        if (!fm_data_is_post(Data)) {
                fm_violation("completion-processing", "FltDoCompletionProcessingWhenSafe outside a post-operation");
                return FALSE;
        }
        if ((Flags & FLTFL_POST_OPERATION_DRAINING) || (Data->Flags & FLTFL_CALLBACK_DATA_DRAINING_IO)) {
                fm_violation("draining-post-operation", "FltDoCompletionProcessingWhenSafe while draining");
                return FALSE;
        }
        if (KeGetCurrentIrql() < DISPATCH_LEVEL) {
                *RetPostOperationStatus = SafePostCallback(Data, FltObjects, CompletionContext, Flags);
                return TRUE;
        }
        /* The instance can't go away while one of its post-operations is pended; it must not be about to. */
        if (!can_be_posted(Data) || fm_rundown_is_closed(&FltObjects->Instance->object.rundown))
                return FALSE;
        post = g_new(struct safe_post, 1);
        *post = (struct safe_post){Data, FltObjects, CompletionContext, Flags, SafePostCallback};
        *RetPostOperationStatus = FLT_POSTOP_MORE_PROCESSING_REQUIRED;
        fm_work_push(run_safe_post, post);
        return TRUE;
}
