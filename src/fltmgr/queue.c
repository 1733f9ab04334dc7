/* SPDX-License-Identifier: MIT */
/*
 * Cancelling: cancel routines, cancel-safe queues and waits that end early.
 *
 * Who wants to know that a request is cancelled puts an entry into the table here, under the request's fm_cancel. An
 * entry leaves the table once: taken back by its owner, or by the cancellation, which then calls it. So the
 * race between "I complete it" and "it is cancelled" is decided by who takes the entry out. The end of an instance
 * cancels a single operation of a request: then only the entries of that one go.
 *
 * Lock order: fm_cancel.lock -> entries_lock. Nothing is called under entries_lock but KeSetEvent.
 */
#include "fltmgr/check.h"
#include "fltmgr/ecp.h"
#include "fltmgr/extras.h"
#include "fltmgr/manager.h"
#include "nt/object.h"

struct fm_cancel_entry {
        struct fm_cancel *cancel;
        struct fm_cancel_entry *next;
        struct fm_operation *operation; /* NULL: none in particular */
        PKEVENT event; /* set under the lock: for waits */
        /* Or: called without the lock. */
        PFLT_COMPLETE_CANCELED_CALLBACK routine;
        PFLT_CALLBACK_DATA_QUEUE queue;
        const char *filter; /* who set it, for reports; interned */
};

static pthread_mutex_t entries_lock = PTHREAD_MUTEX_INITIALIZER;
static GHashTable *entries; /* by fm_cancel: the first of a list; guarded by entries_lock */

/* ---- extras ---- */

struct fm_extras *fm_operation_extras(struct fm_operation *operation)
{
        struct fm_extras *extras = fm_operation_extras_peek(operation), *made;

        if (extras)
                return extras;
        made = g_new0(struct fm_extras, 1);
        if (atomic_compare_exchange_strong(&operation->extras, &extras, made))
                return made;
        g_free(made);
        return extras;
}

static bool entry_remove(struct fm_cancel_entry *entry);

void fm_operation_extras_free(struct fm_operation *operation)
{
        struct fm_extras *extras = atomic_exchange(&operation->extras, NULL);

        if (!extras)
                return;
        if (extras->cancel_entry) {
                fm_violation_of(&(struct fm_culprit){ extras->cancel_entry->filter, "a cancel routine",
                                                      FltGetIrpName(operation->iopb.MajorFunction),
                                                      (const void *)extras->cancel_entry->routine,
                                                      operation->iopb.MinorFunction, operation->iopb.TargetFileObject },
                                "cancel-routine-left", "is still set at the end of the operation");
                if (entry_remove(extras->cancel_entry))
                        g_free(extras->cancel_entry);
        }
        if (extras->cancel_ready) {
                if (operation->requestor.cancel == &extras->cancel)
                        operation->requestor.cancel = NULL;
                fm_cancel_deinit(&extras->cancel);
        }
        if (extras->ecp_list_owned)
                fm_ecp_list_free(extras->ecp_list);
        fm_create_info_free(extras->create_info);
        for (guint i = 0; extras->mdls && i < extras->mdls->len; i++)
                IoFreeMdl(g_ptr_array_index(extras->mdls, i));
        if (extras->mdls)
                g_ptr_array_unref(extras->mdls);
        g_free(extras);
}

void fm_operation_lend_ecp_list(struct fm_operation *operation, struct fm_operation *borrower)
{
        struct fm_extras *extras = fm_operation_extras_peek(operation);

        if (extras && extras->ecp_list)
                fm_operation_extras(borrower)->ecp_list = extras->ecp_list;
}

void fm_operation_own_cancel(struct fm_operation *operation)
{
        struct fm_extras *extras = fm_operation_extras(operation);

        if (extras->cancel_ready)
                fm_cancel_deinit(&extras->cancel);
        fm_cancel_init(&extras->cancel);
        extras->cancel_ready = true;
        operation->requestor.cancel = &extras->cancel;
}

/* ---- the table ---- */

static struct fm_cancel_entry *pop_entry_locked(struct fm_cancel *cancel)
{
        struct fm_cancel_entry *entry = entries ? g_hash_table_lookup(entries, cancel) : NULL;

        if (!entry)
                return NULL;
        if (entry->next)
                g_hash_table_insert(entries, cancel, entry->next);
        else
                g_hash_table_remove(entries, cancel);
        return entry;
}

/* The operation has left its queue. QueueContext is the filter's. */
static void forget_queue(PFLT_CALLBACK_DATA data)
{
        struct fm_extras *extras = fm_operation_extras_peek(fm_operation_from_data(data));

        if (extras->queue_context)
                extras->queue_context->Cbd = NULL;
        extras->queue_context = NULL;
}

/* Calls the filter back about an operation that nobody else can complete from here on. */
void fm_cancel_entry_fire(struct fm_cancel_entry *entry)
{
        struct fm_operation *operation = entry->operation;
        PFLT_INSTANCE instance = entry->queue ? entry->queue->Instance : operation->iopb.TargetInstance;
        PFLT_FILTER filter = instance ? instance->filter : NULL;
        PFLT_CALLBACK_DATA_QUEUE queue = entry->queue;
        PFLT_COMPLETE_CANCELED_CALLBACK routine = entry->routine;
        struct fm_callback_scope scope;
        KIRQL irql = PASSIVE_LEVEL;

        g_free(entry);
        if (filter) {
                fm_flt_object_ref(filter);
                fm_callback_enter(&scope, filter, "a cancel routine", NULL, NULL);
        }
        if (queue) {
                queue->Acquire(queue, &irql);
                queue->RemoveIo(queue, &operation->data);
                forget_queue(&operation->data);
                queue->Release(queue, irql);
                queue->CompleteCanceledIo(queue, &operation->data);
        } else {
                routine(&operation->data);
        }
        if (filter) {
                fm_callback_leave(&scope);
                fm_flt_object_unref(filter);
        }
}

static void on_cancel(struct fm_cancel *cancel)
{
        for (;;) {
                struct fm_cancel_entry *entry;

                pthread_mutex_lock(&entries_lock);
                entry = pop_entry_locked(cancel);
                if (entry && entry->event)
                        KeSetEvent(entry->event, IO_NO_INCREMENT, FALSE);
                else if (entry)
                        fm_operation_extras_peek(entry->operation)->cancel_entry = NULL;
                pthread_mutex_unlock(&entries_lock);
                if (!entry)
                        return;
                if (!entry->event)
                        fm_cancel_entry_fire(entry);
        }
}

/* False: cancelled already, and the entry is not in the table. */
static bool entry_add(struct fm_cancel_entry *entry)
{
        struct fm_cancel *cancel = entry->cancel;
        bool cancelled = false;

        if (cancel) {
                pthread_mutex_lock(&cancel->lock);
                cancelled = cancel->cancelled;
                cancel->on_cancel = on_cancel;
        }
        if (!cancelled) {
                pthread_mutex_lock(&entries_lock);
                if (!entries)
                        entries = g_hash_table_new(NULL, NULL);
                cancelled = entry->operation && atomic_load(&entry->operation->cancelled);
                if (!cancelled) {
                        entry->next = g_hash_table_lookup(entries, cancel);
                        g_hash_table_insert(entries, cancel, entry);
                        if (!entry->event)
                                fm_operation_extras(entry->operation)->cancel_entry = entry;
                }
                pthread_mutex_unlock(&entries_lock);
        }
        if (cancel)
                pthread_mutex_unlock(&cancel->lock);
        return !cancelled;
}

static bool entry_remove_locked(struct fm_cancel_entry *entry)
{
        struct fm_cancel_entry *first = entries ? g_hash_table_lookup(entries, entry->cancel) : NULL;

        if (first == entry) {
                pop_entry_locked(entry->cancel);
                return true;
        }
        for (; first; first = first->next) {
                if (first->next == entry) {
                        first->next = entry->next;
                        return true;
                }
        }
        return false;
}

/* True: it was in the table, and is the caller's again. */
static bool entry_remove(struct fm_cancel_entry *entry)
{
        bool removed;

        pthread_mutex_lock(&entries_lock);
        removed = entry_remove_locked(entry);
        pthread_mutex_unlock(&entries_lock);
        return removed;
}

static struct fm_cancel_entry *operation_take_entry_locked(struct fm_operation *operation)
{
        struct fm_extras *extras = fm_operation_extras_peek(operation);

        if (extras && extras->cancel_entry && entry_remove_locked(extras->cancel_entry))
                return g_steal_pointer(&extras->cancel_entry);
        return NULL;
}

/* The operation's entry, out of the table, or NULL: it has none, or is being cancelled. */
static struct fm_cancel_entry *operation_take_entry(struct fm_operation *operation)
{
        struct fm_cancel_entry *entry;

        if (!fm_operation_extras_peek(operation))
                return NULL;
        pthread_mutex_lock(&entries_lock);
        entry = operation_take_entry_locked(operation);
        pthread_mutex_unlock(&entries_lock);
        return entry;
}

struct fm_cancel_entry *fm_operation_cancel(struct fm_operation *operation)
{
        struct fm_cancel_entry *entry, *waiter;

        pthread_mutex_lock(&entries_lock);
        atomic_store(&operation->cancelled, true);
        entry = operation_take_entry_locked(operation);
        waiter = entries ? g_hash_table_lookup(entries, operation->requestor.cancel) : NULL;
        for (; waiter; waiter = waiter->next)
                if (waiter->operation == operation)
                        KeSetEvent(waiter->event, IO_NO_INCREMENT, FALSE);
        pthread_mutex_unlock(&entries_lock);
        return entry;
}

static bool operation_set_entry(struct fm_operation *operation, PFLT_COMPLETE_CANCELED_CALLBACK routine,
                                PFLT_CALLBACK_DATA_QUEUE queue)
{
        struct fm_cancel_entry *entry = g_new0(struct fm_cancel_entry, 1);

        g_free(operation_take_entry(operation));
        entry->cancel = operation->requestor.cancel;
        entry->operation = operation;
        entry->routine = routine;
        entry->queue = queue;
        entry->filter = g_intern_string(fm_thread_self()->filter);
        fm_operation_extras(operation);
        if (entry_add(entry))
                return true;
        g_free(entry);
        return false;
}

/* ---- cancel routines ---- */

/*
 * Has CanceledCallback called when the operation is cancelled: it completes the operation then, with
 * FltCompletePendedPreOperation and STATUS_CANCELLED. Before it is completed any other way, FltClearCancelCompletion
 * has to take the routine back. It is called with no lock held, on any thread.
 *
 * STATUS_SUCCESS; STATUS_CANCELLED: it is cancelled already, the routine will not be called; STATUS_INVALID_PARAMETER:
 * not an IRP. IRQL <= DISPATCH_LEVEL.
 */
NTSTATUS FltSetCancelCompletion(PFLT_CALLBACK_DATA CallbackData, PFLT_COMPLETE_CANCELED_CALLBACK CanceledCallback)
{
        fm_check_irql(__func__, DISPATCH_LEVEL);
        if (!CallbackData || !CanceledCallback || !FLT_IS_IRP_OPERATION(CallbackData))
                return STATUS_INVALID_PARAMETER;
        return operation_set_entry(fm_operation_from_data(CallbackData), CanceledCallback, NULL) ? STATUS_SUCCESS
                                                                                                 : STATUS_CANCELLED;
}

/*
 * Takes a cancel routine back. STATUS_SUCCESS: it will not be called. STATUS_CANCELLED: there was none, or it
 * is being called, and the operation is its. Any IRQL.
 */
NTSTATUS FltClearCancelCompletion(PFLT_CALLBACK_DATA CallbackData)
{
        struct fm_cancel_entry *entry = operation_take_entry(fm_operation_from_data(CallbackData));

        if (!entry)
                return STATUS_CANCELLED;
        g_free(entry);
        return STATUS_SUCCESS;
}

/*
 * Cancels an operation that the filter itself sent with FltPerformAsynchronousIo. TRUE: somebody below had a cancel
 * routine set, it was called. FALSE: nobody had, or it was cancelled already, or it is not such an
 * operation; it is marked as cancelled all the same. IRQL <= DISPATCH_LEVEL.
 */
BOOLEAN FltCancelIo(PFLT_CALLBACK_DATA CallbackData)
{
        struct fm_operation *operation = fm_operation_from_data(CallbackData);
        struct fm_extras *extras = fm_operation_extras_peek(operation);
        bool cancelable;

        fm_check_irql(__func__, DISPATCH_LEVEL);
        if (!extras || !extras->cancel_ready)
                return FALSE;
        pthread_mutex_lock(&entries_lock);
        cancelable = entries && g_hash_table_lookup(entries, &extras->cancel);
        pthread_mutex_unlock(&entries_lock);
        fm_cancel_signal(&extras->cancel, false);
        return cancelable;
}

/* Whether the caller of the operation, FltCancelIo or a teardown wants it to end. IRQL <= DISPATCH_LEVEL. */
BOOLEAN FltIsIoCanceled(PFLT_CALLBACK_DATA CallbackData)
{
        struct fm_operation *operation;

        fm_check_irql(__func__, DISPATCH_LEVEL);
        operation = fm_operation_from_data(CallbackData);
        return atomic_load(&operation->cancelled) || fm_cancel_is_cancelled(operation->requestor.cancel);
}

/* ---- cancel-safe queues ---- */

#define QUEUE_DISABLED 1

/*
 * Makes a queue of the filter's functions. Acquire and Release are the filter's lock, the others are called under it
 * but for CompleteCanceledIo. STATUS_SUCCESS. IRQL <= APC_LEVEL.
 */
NTSTATUS FltCbdqInitialize(PFLT_INSTANCE Instance, PFLT_CALLBACK_DATA_QUEUE Cbdq,
                           PFLT_CALLBACK_DATA_QUEUE_INSERT_IO CbdqInsertIo,
                           PFLT_CALLBACK_DATA_QUEUE_REMOVE_IO CbdqRemoveIo,
                           PFLT_CALLBACK_DATA_QUEUE_PEEK_NEXT_IO CbdqPeekNextIo,
                           PFLT_CALLBACK_DATA_QUEUE_ACQUIRE CbdqAcquire, PFLT_CALLBACK_DATA_QUEUE_RELEASE CbdqRelease,
                           PFLT_CALLBACK_DATA_QUEUE_COMPLETE_CANCELED_IO CbdqCompleteCanceledIo)
{
        *Cbdq = (FLT_CALLBACK_DATA_QUEUE){
                .Instance = Instance,
                .InsertIo = CbdqInsertIo,
                .RemoveIo = CbdqRemoveIo,
                .PeekNextIo = CbdqPeekNextIo,
                .Acquire = CbdqAcquire,
                .Release = CbdqRelease,
                .CompleteCanceledIo = CbdqCompleteCanceledIo,
        };
        return STATUS_SUCCESS;
}

static void queue_set_flags(PFLT_CALLBACK_DATA_QUEUE queue, ULONG flags)
{
        KIRQL irql = PASSIVE_LEVEL;

        queue->Acquire(queue, &irql);
        queue->Flags = flags;
        queue->Release(queue, irql);
}

/* Lets operations in again. IRQL as the queue's lock needs it. */
VOID FltCbdqEnable(PFLT_CALLBACK_DATA_QUEUE Cbdq)
{
        queue_set_flags(Cbdq, 0);
}

/* Lets no operation in any more; those in it stay. For TeardownStart. IRQL as the queue's lock needs it. */
VOID FltCbdqDisable(PFLT_CALLBACK_DATA_QUEUE Cbdq)
{
        queue_set_flags(Cbdq, QUEUE_DISABLED);
}

/*
 * Puts an operation into the queue. If it is cancelled while it is there, it is taken out and CompleteCanceledIo is
 * called, perhaps before this returns. The caller's pre-operation then returns FLT_PREOP_PENDING.
 *
 * What InsertIo returned; STATUS_FLT_CBDQ_DISABLED; STATUS_INVALID_PARAMETER: not an IRP.
 * IRQL as the queue's lock needs it.
 */
NTSTATUS FltCbdqInsertIo(PFLT_CALLBACK_DATA_QUEUE Cbdq, PFLT_CALLBACK_DATA Cbd,
                         PFLT_CALLBACK_DATA_QUEUE_IO_CONTEXT Context, PVOID InsertContext)
{
        KIRQL irql = PASSIVE_LEVEL;
        NTSTATUS status;
        bool queued;

        if (!FLT_IS_IRP_OPERATION(Cbd))
                return STATUS_INVALID_PARAMETER;
        Cbdq->Acquire(Cbdq, &irql);
        if (Cbdq->Flags & QUEUE_DISABLED) {
                Cbdq->Release(Cbdq, irql);
                return STATUS_FLT_CBDQ_DISABLED;
        }
        fm_operation_extras(fm_operation_from_data(Cbd))->queue_context = Context;
        if (Context)
                *Context = (FLT_CALLBACK_DATA_QUEUE_IO_CONTEXT){.Cbd = Cbd, .Queue = Cbdq};
        status = Cbdq->InsertIo(Cbdq, Cbd, InsertContext);
        if (!NT_SUCCESS(status)) {
                forget_queue(Cbd);
                Cbdq->Release(Cbdq, irql);
                return status;
        }
        queued = operation_set_entry(fm_operation_from_data(Cbd), NULL, Cbdq);
        if (!queued) {
                Cbdq->RemoveIo(Cbdq, Cbd);
                forget_queue(Cbd);
        }
        Cbdq->Release(Cbdq, irql);
        if (!queued)
                Cbdq->CompleteCanceledIo(Cbdq, Cbd);
        return status;
}

/* Under the queue's lock. False: it is being cancelled, and leaves the queue that way. */
static bool take_from_queue(PFLT_CALLBACK_DATA_QUEUE queue, PFLT_CALLBACK_DATA data)
{
        struct fm_cancel_entry *entry = operation_take_entry(fm_operation_from_data(data));

        if (!entry)
                return false;
        g_free(entry);
        queue->RemoveIo(queue, data);
        forget_queue(data);
        return true;
}

/*
 * Takes the operation that was put in with Context out of the queue, or returns NULL: it is out already.
 * IRQL as the queue's lock needs it.
 */
PFLT_CALLBACK_DATA FltCbdqRemoveIo(PFLT_CALLBACK_DATA_QUEUE Cbdq, PFLT_CALLBACK_DATA_QUEUE_IO_CONTEXT Context)
{
        PFLT_CALLBACK_DATA data;
        KIRQL irql = PASSIVE_LEVEL;

        Cbdq->Acquire(Cbdq, &irql);
        data = Context->Cbd;
        if (data && !take_from_queue(Cbdq, data))
                data = NULL;
        Cbdq->Release(Cbdq, irql);
        return data;
}

/*
 * Takes the next operation that PeekNextIo finds with PeekContext out of the queue, or returns NULL.
 * IRQL as the queue's lock needs it.
 */
PFLT_CALLBACK_DATA FltCbdqRemoveNextIo(PFLT_CALLBACK_DATA_QUEUE Cbdq, PVOID PeekContext)
{
        PFLT_CALLBACK_DATA data = NULL;
        KIRQL irql = PASSIVE_LEVEL;

        Cbdq->Acquire(Cbdq, &irql);
        do {
                data = Cbdq->PeekNextIo(Cbdq, data, PeekContext);
        } while (data && !take_from_queue(Cbdq, data));
        Cbdq->Release(Cbdq, irql);
        return data;
}

/* ---- waits ---- */

struct wait {
        struct fm_cancel_watch watch; /* the caller is terminating */
        struct fm_cancel_entry entry; /* the operation is cancelled */
        struct fm_cancel *thread_cancel;
        bool entered;
        KEVENT event;
};

static void wait_wake(struct fm_cancel_watch *watch)
{
        KeSetEvent(&CONTAINING_RECORD(watch, struct wait, watch)->event, IO_NO_INCREMENT, FALSE);
}

/* STATUS_SUCCESS: go and wait. */
static NTSTATUS wait_begin(struct wait *wait, PFLT_CALLBACK_DATA data)
{
        struct fm_operation *operation = data ? fm_operation_from_data(data) : NULL;
        struct fm_cancel *cancel = operation ? operation->requestor.cancel : NULL;

        *wait = (struct wait){.watch.wake = wait_wake,
                              .entry = {.cancel = cancel, .operation = operation, .event = &wait->event}};
        KeInitializeEvent(&wait->event, NotificationEvent, FALSE);
        wait->thread_cancel = cancel ? cancel : fm_thread_self()->cancel;
        if (!fm_cancel_watch(wait->thread_cancel, &wait->watch))
                return STATUS_THREAD_IS_TERMINATING;
        if (operation) {
                wait->entered = entry_add(&wait->entry);
                if (!wait->entered) {
                        fm_cancel_unwatch(wait->thread_cancel, &wait->watch);
                        return fm_cancel_is_terminating(cancel) ? STATUS_THREAD_IS_TERMINATING : STATUS_CANCELLED;
                }
        }
        return STATUS_SUCCESS;
}

static void wait_end(struct wait *wait)
{
        if (wait->entered)
                entry_remove(&wait->entry);
        fm_cancel_unwatch(wait->thread_cancel, &wait->watch);
}

static NTSTATUS woken_status(struct wait *wait)
{
        return fm_cancel_is_terminating(wait->thread_cancel) ? STATUS_THREAD_IS_TERMINATING : STATUS_CANCELLED;
}

/*
 * Waits for a dispatcher object until it is signalled, the time is over, the operation is cancelled, or the caller is
 * being killed. Without CallbackData only the latter counts, for the request that this thread carries.
 *
 * STATUS_SUCCESS, STATUS_TIMEOUT (a success code), STATUS_ABANDONED_WAIT_0, STATUS_CANCELLED,
 * STATUS_THREAD_IS_TERMINATING. IRQL PASSIVE_LEVEL (<= APC_LEVEL without CallbackData).
 */
NTSTATUS FltCancellableWaitForSingleObject(PVOID Object, PLARGE_INTEGER Timeout, PFLT_CALLBACK_DATA CallbackData)
{
        struct wait wait;
        PVOID objects[] = {Object, &wait.event};
        KWAIT_BLOCK blocks[G_N_ELEMENTS(objects)];
        NTSTATUS status = wait_begin(&wait, CallbackData);

        fm_check_irql(__func__, CallbackData ? PASSIVE_LEVEL : APC_LEVEL);
        if (!NT_SUCCESS(status))
                return status;
        status = KeWaitForMultipleObjects(G_N_ELEMENTS(objects), objects, WaitAny, Executive, KernelMode, FALSE,
                                          Timeout, blocks);
        wait_end(&wait);
        return status == STATUS_WAIT_1 ? woken_status(&wait) : status;
}

/* A relative time-out as a point in time, so that several waits in a row can share it. */
static PLARGE_INTEGER absolute_timeout(PLARGE_INTEGER timeout, PLARGE_INTEGER absolute)
{
        if (!timeout || timeout->QuadPart >= 0)
                return timeout;
        KeQuerySystemTime(absolute);
        absolute->QuadPart -= timeout->QuadPart;
        return absolute;
}

/*
 * The same for several objects. Unlike Windows, WaitAll takes the objects one after the other: if the wait ends early,
 * those taken so far stay taken.
 *
 * WaitAny: STATUS_WAIT_0 + index. WaitAll: STATUS_SUCCESS. Others as FltCancellableWaitForSingleObject.
 * STATUS_INVALID_PARAMETER: no objects, or MAXIMUM_WAIT_OBJECTS or more.
 */
NTSTATUS FltCancellableWaitForMultipleObjects(ULONG Count, PVOID ObjectArray[], WAIT_TYPE WaitType,
                                              PLARGE_INTEGER Timeout, PKWAIT_BLOCK WaitBlockArray,
                                              PFLT_CALLBACK_DATA CallbackData)
{
        PVOID objects[MAXIMUM_WAIT_OBJECTS];
        KWAIT_BLOCK blocks[MAXIMUM_WAIT_OBJECTS];
        LARGE_INTEGER absolute;
        struct wait wait;
        NTSTATUS status;

        fm_check_irql(__func__, CallbackData ? PASSIVE_LEVEL : APC_LEVEL);
        if (Count == 0 || Count >= MAXIMUM_WAIT_OBJECTS)
                return STATUS_INVALID_PARAMETER;
        status = wait_begin(&wait, CallbackData);
        if (!NT_SUCCESS(status))
                return status;
        if (WaitType == WaitAny) {
                for (ULONG i = 0; i < Count; i++)
                        objects[i] = ObjectArray[i];
                objects[Count] = &wait.event;
                status = KeWaitForMultipleObjects(Count + 1, objects, WaitAny, Executive, KernelMode, FALSE, Timeout,
                                                  blocks);
                if (status == STATUS_WAIT_0 + (NTSTATUS)Count)
                        status = woken_status(&wait);
        } else {
                Timeout = absolute_timeout(Timeout, &absolute);
                objects[1] = &wait.event;
                for (ULONG i = 0; i < Count && status == STATUS_SUCCESS; i++) {
                        objects[0] = ObjectArray[i];
                        status = KeWaitForMultipleObjects(2, objects, WaitAny, Executive, KernelMode, FALSE, Timeout,
                                                          blocks);
                        if (status == STATUS_WAIT_1)
                                status = woken_status(&wait);
                }
        }
        wait_end(&wait);
        return status;
}
