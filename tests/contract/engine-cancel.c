/* SPDX-License-Identifier: MIT */
/* Operations that filters hold, and that end early: cancel-safe queues, cancel routines, waits, teardown. */
#include "engine-harness.h"

#include <semaphore.h>

#include "nt/cancel.h"

/* The lowest filter holds what it gets, in a queue or by itself. */
static struct {
        FLT_CALLBACK_DATA_QUEUE cbdq;
        KSPIN_LOCK lock;
        LIST_ENTRY list;
        FLT_CALLBACK_DATA_QUEUE_IO_CONTEXT context;
        NTSTATUS insert_status;
        bool was_cancelled; /* FltIsIoCanceled, while it was cancelled */
        unsigned cancelled;
} queue;

static sem_t held; /* an operation is */
static PFLT_CALLBACK_DATA held_data;

static NTSTATUS FLTAPI insert_io(PFLT_CALLBACK_DATA_QUEUE cbdq, PFLT_CALLBACK_DATA data, PVOID context)
{
        InsertTailList(&queue.list, &data->QueueLinks);
        return STATUS_SUCCESS;
}

static VOID FLTAPI remove_io(PFLT_CALLBACK_DATA_QUEUE cbdq, PFLT_CALLBACK_DATA data)
{
        RemoveEntryList(&data->QueueLinks);
}

static PFLT_CALLBACK_DATA FLTAPI peek_next_io(PFLT_CALLBACK_DATA_QUEUE cbdq, PFLT_CALLBACK_DATA data, PVOID context)
{
        PLIST_ENTRY next = data ? data->QueueLinks.Flink : queue.list.Flink;

        return next == &queue.list ? NULL : CONTAINING_RECORD(next, FLT_CALLBACK_DATA, QueueLinks);
}

static VOID FLTAPI acquire(PFLT_CALLBACK_DATA_QUEUE cbdq, PKIRQL irql)
{
        KeAcquireSpinLock(&queue.lock, irql);
}

static VOID FLTAPI release(PFLT_CALLBACK_DATA_QUEUE cbdq, KIRQL irql)
{
        KeReleaseSpinLock(&queue.lock, irql);
}

static void end_cancelled(PFLT_CALLBACK_DATA data)
{
        queue.was_cancelled = FltIsIoCanceled(data);
        queue.cancelled++;
        data->IoStatus.Status = STATUS_CANCELLED;
        data->IoStatus.Information = 0;
        FltCompletePendedPreOperation(data, FLT_PREOP_COMPLETE, NULL);
}

static VOID FLTAPI complete_cancelled(PFLT_CALLBACK_DATA_QUEUE cbdq, PFLT_CALLBACK_DATA data)
{
        end_cancelled(data);
}

static VOID FLTAPI cancel_routine(PFLT_CALLBACK_DATA data)
{
        end_cancelled(data);
}

static void hold_in_queue(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        queue.insert_status = FltCbdqInsertIo(&queue.cbdq, data, &queue.context, NULL);
        script->pre_status = NT_SUCCESS(queue.insert_status) ? FLT_PREOP_PENDING : FLT_PREOP_SUCCESS_NO_CALLBACK;
        sem_post(&held);
}

static void hold_by_routine(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        held_data = data;
        queue.insert_status = FltSetCancelCompletion(data, cancel_routine);
        script->pre_status = NT_SUCCESS(queue.insert_status) ? FLT_PREOP_PENDING : FLT_PREOP_SUCCESS_NO_CALLBACK;
        sem_post(&held);
}

static NTSTATUS wait_status;

static void hold_by_waiting(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        KEVENT never;

        KeInitializeEvent(&never, NotificationEvent, FALSE);
        sem_post(&held);
        wait_status = FltCancellableWaitForSingleObject(&never, NULL, data);
        script->pre_status = FLT_PREOP_COMPLETE;
        script->complete_with = wait_status;
}

typedef void hold_fn(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects);

static void set_up(hold_fn *hold)
{
        engine_set_up();
        memset(&queue, 0, sizeof(queue));
        KeInitializeSpinLock(&queue.lock);
        InitializeListHead(&queue.list);
        sem_init(&held, 0, 0);
        engine_assert_status(FltCbdqInitialize(engine_instances[2], &queue.cbdq, insert_io, remove_io, peek_next_io,
                                               acquire, release, complete_cancelled),
                             STATUS_SUCCESS);
        engine_scripts[2].pre = hold;
}

static struct fm_operation *read_for(PFILE_OBJECT file, struct fm_cancel *cancel)
{
        const struct fm_requestor requestor = { .cancel = cancel };
        struct fm_operation *operation = fm_operation_new(engine_volume, IRP_MJ_READ, file, &requestor);

        operation->iopb.Parameters.Read.Length = 100;
        return operation;
}

static void wait_held(void)
{
        while (sem_wait(&held) < 0)
                ; /* interrupted */
}

/* ---- queues ---- */

static void test_queue(void)
{
        PFLT_CALLBACK_DATA data;
        PFILE_OBJECT file;
        GThread *caller;

        set_up(hold_in_queue);
        file = engine_open_file();
        for (int by_context = 0; by_context < 2; by_context++) {
                caller = engine_run_on_thread(read_for(file, NULL));
                wait_held();
                data = by_context ? FltCbdqRemoveIo(&queue.cbdq, &queue.context)
                                  : FltCbdqRemoveNextIo(&queue.cbdq, NULL);
                g_assert_nonnull(data);
                g_assert_null(FltCbdqRemoveIo(&queue.cbdq, &queue.context));
                g_assert_null(FltCbdqRemoveNextIo(&queue.cbdq, NULL));
                FltCompletePendedPreOperation(data, FLT_PREOP_SUCCESS_WITH_CALLBACK, NULL);
                engine_assert_status(engine_join(caller), STATUS_SUCCESS);
                engine_expect_trace("abc.CBA");
        }
        g_assert_cmpuint(queue.cancelled, ==, 0);
        fm_object_unref(file);
        engine_tear_down();
}

/* By a signal that the caller handles, and by one that ends it. */
static void test_queue_cancelled_by_caller(void)
{
        for (int terminating = 0; terminating < 2; terminating++) {
                struct fm_cancel cancel;
                PFILE_OBJECT file;
                GThread *caller;

                fm_cancel_init(&cancel);
                set_up(hold_in_queue);
                file = engine_open_file();
                caller = engine_run_on_thread(read_for(file, &cancel));
                wait_held();
                fm_cancel_signal(&cancel, terminating);
                engine_assert_status(engine_join(caller), STATUS_CANCELLED);
                engine_expect_trace("abcBA");
                engine_assert_status(engine_scripts[1].seen_status, STATUS_CANCELLED);
                g_assert_true(queue.was_cancelled);
                g_assert_null(FltCbdqRemoveIo(&queue.cbdq, &queue.context));
                /* What comes of that caller now is cancelled at once, before the pre-operation returns. */
                engine_assert_status(engine_join(engine_run_on_thread(read_for(file, &cancel))), STATUS_CANCELLED);
                g_assert_cmpuint(queue.cancelled, ==, 2);
                engine_assert_status(queue.insert_status, STATUS_SUCCESS);
                engine_scripts[2].pre = NULL;
                engine_scripts[2].pre_status = FLT_PREOP_SUCCESS_NO_CALLBACK;
                fm_object_unref(file);
                engine_tear_down();
                fm_cancel_deinit(&cancel);
        }
}

static void test_queue_refuses(void)
{
        struct fm_operation *operation;
        PFILE_OBJECT file;

        set_up(hold_in_queue);
        file = engine_open_file();
        FltCbdqDisable(&queue.cbdq);
        engine_assert_status(engine_join(engine_run_on_thread(read_for(file, NULL))), STATUS_SUCCESS);
        engine_assert_status(queue.insert_status, STATUS_FLT_CBDQ_DISABLED);
        FltCbdqEnable(&queue.cbdq);
        operation = read_for(file, NULL);
        operation->data.Flags = FLTFL_CALLBACK_DATA_FAST_IO_OPERATION;
        engine_assert_status(engine_join(engine_run_on_thread(operation)), STATUS_SUCCESS);
        engine_assert_status(queue.insert_status, STATUS_INVALID_PARAMETER);
        g_assert_true(IsListEmpty(&queue.list));
        fm_object_unref(file);
        engine_tear_down();
}

/* ---- cancel routines ---- */

static void test_cancel_routine(void)
{
        struct fm_cancel cancel;
        PFILE_OBJECT file;
        GThread *caller;

        fm_cancel_init(&cancel);
        set_up(hold_by_routine);
        file = engine_open_file();
        /* Taken back: the holder completes it. */
        caller = engine_run_on_thread(read_for(file, &cancel));
        wait_held();
        g_assert_false(FltIsIoCanceled(held_data));
        engine_assert_status(FltClearCancelCompletion(held_data), STATUS_SUCCESS);
        FltCompletePendedPreOperation(held_data, FLT_PREOP_SUCCESS_NO_CALLBACK, NULL);
        engine_assert_status(engine_join(caller), STATUS_SUCCESS);
        engine_expect_trace("abc.BA");
        /* Not: the routine does. */
        caller = engine_run_on_thread(read_for(file, &cancel));
        wait_held();
        fm_cancel_signal(&cancel, false);
        engine_assert_status(engine_join(caller), STATUS_CANCELLED);
        engine_expect_trace("abcBA");
        g_assert_true(queue.was_cancelled);
        /* Cancelled already: nothing to pend for. */
        engine_assert_status(engine_join(engine_run_on_thread(read_for(file, &cancel))), STATUS_SUCCESS);
        engine_assert_status(queue.insert_status, STATUS_CANCELLED);
        g_assert_cmpuint(queue.cancelled, ==, 1);
        fm_object_unref(file);
        engine_tear_down();
        fm_cancel_deinit(&cancel);
}

static gpointer signal_cancel(gpointer cancel)
{
        fm_cancel_signal(cancel, false);
        return NULL;
}

/* As a filter has to: the routine waits until nobody looks at the operation any more. */
static pthread_mutex_t held_lock = PTHREAD_MUTEX_INITIALIZER;

static VOID FLTAPI careful_routine(PFLT_CALLBACK_DATA data)
{
        pthread_mutex_lock(&held_lock);
        held_data = NULL;
        pthread_mutex_unlock(&held_lock);
        end_cancelled(data);
}

static void hold_carefully(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        held_data = data;
        engine_assert_status(FltSetCancelCompletion(data, careful_routine), STATUS_SUCCESS);
        script->pre_status = FLT_PREOP_PENDING;
        sem_post(&held);
}

/* The holder and the caller at the same time: one of them ends it. */
static void test_cancel_race(void)
{
        uint64_t before = fm_violation_count();
        PFILE_OBJECT file;

        set_up(hold_carefully);
        file = engine_open_file();
        for (int i = 0; i < 200; i++) {
                struct fm_cancel cancel;
                GThread *caller, *canceller;
                NTSTATUS cleared = STATUS_CANCELLED;
                PFLT_CALLBACK_DATA data;

                fm_cancel_init(&cancel);
                caller = engine_run_on_thread(read_for(file, &cancel));
                wait_held();
                canceller = g_thread_new("canceller", signal_cancel, &cancel);
                pthread_mutex_lock(&held_lock);
                data = held_data;
                if (data)
                        cleared = FltClearCancelCompletion(data);
                pthread_mutex_unlock(&held_lock);
                if (NT_SUCCESS(cleared))
                        FltCompletePendedPreOperation(data, FLT_PREOP_SUCCESS_NO_CALLBACK, NULL);
                engine_assert_status(engine_join(caller), cleared);
                g_thread_join(canceller);
                fm_cancel_deinit(&cancel);
                engine_trace[0] = 0;
        }
        g_assert_cmpuint(fm_violation_count(), ==, before);
        fm_object_unref(file);
        engine_tear_down();
}

/* ---- I/O of a filter ---- */

static sem_t asynchronous_done;

static VOID FLTAPI asynchronous_end(PFLT_CALLBACK_DATA data, PFLT_CONTEXT context)
{
        *(NTSTATUS *)context = data->IoStatus.Status;
        sem_post(&asynchronous_done);
}

static void test_cancel_io(void)
{
        NTSTATUS status = STATUS_PENDING;
        PFLT_CALLBACK_DATA data;
        PFILE_OBJECT file;

        set_up(hold_by_routine);
        sem_init(&asynchronous_done, 0, 0);
        file = engine_open_file();
        engine_assert_status(FltAllocateCallbackData(engine_instances[0], file, &data), STATUS_SUCCESS);
        data->Iopb->MajorFunction = IRP_MJ_READ;
        data->Iopb->Parameters.Read.Length = 10;
        engine_assert_status(FltPerformAsynchronousIo(data, asynchronous_end, &status), STATUS_PENDING);
        wait_held();
        g_assert_true(FltCancelIo(data));
        while (sem_wait(&asynchronous_done) < 0)
                ; /* interrupted */
        engine_assert_status(status, STATUS_CANCELLED);
        g_assert_false(FltCancelIo(data));
        engine_expect_trace("bcB");
        FltFreeCallbackData(data);
        fm_object_unref(file);
        engine_tear_down();
}

/* ---- teardown ---- */

static char own_buffer[100];

static void swap_buffer(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        PMDL mdl = IoAllocateMdl(own_buffer, sizeof(own_buffer), FALSE, FALSE, NULL);

        MmBuildMdlForNonPagedPool(mdl);
        data->Iopb->Parameters.Read.ReadBuffer = own_buffer;
        data->Iopb->Parameters.Read.MdlAddress = mdl;
        FltSetCallbackDataDirty(data);
}

/*
 * The buffer of an instance that goes is in use below: the operation is cancelled, comes back the usual way, and that
 * is waited for. Nothing else that its caller does is cancelled.
 */
static void check_swapped_is_cancelled(hold_fn *hold)
{
        struct fm_cancel cancel;
        PFILE_OBJECT file;
        GThread *caller;

        fm_cancel_init(&cancel);
        set_up(hold);
        file = engine_open_file();
        engine_scripts[1].pre = swap_buffer;
        caller = engine_run_on_thread(read_for(file, &cancel));
        wait_held();
        engine_assert_status(FltDetachVolume(engine_filters[1], engine_volume, NULL), STATUS_SUCCESS);
        engine_assert_status(engine_join(caller), STATUS_CANCELLED);
        engine_expect_trace("abcBA");
        engine_assert_status(engine_scripts[1].seen_status, STATUS_CANCELLED);
        g_assert_false(fm_cancel_is_cancelled(&cancel));
        fm_object_unref(file);
        engine_tear_down();
        fm_cancel_deinit(&cancel);
}

static void test_swapped_in_queue(void)
{
        check_swapped_is_cancelled(hold_in_queue);
        g_assert_true(queue.was_cancelled);
}

static void test_swapped_with_routine(void)
{
        check_swapped_is_cancelled(hold_by_routine);
        g_assert_true(queue.was_cancelled);
}

static void test_swapped_waiting(void)
{
        check_swapped_is_cancelled(hold_by_waiting);
        engine_assert_status(wait_status, STATUS_CANCELLED);
}

static gpointer detach_middle(gpointer unused)
{
        engine_assert_status(FltDetachVolume(engine_filters[1], engine_volume, NULL), STATUS_SUCCESS);
        return NULL;
}

static GThread *detacher;

static void swap_while_detached(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        bool draining = false;

        detacher = g_thread_new("detacher", detach_middle, NULL);
        while (!draining) {
                pthread_mutex_lock(&objects->Instance->lock);
                draining = objects->Instance->draining;
                pthread_mutex_unlock(&objects->Instance->lock);
                g_thread_yield();
        }
        swap_buffer(script, data, objects);
}

/* It begins below only now: who would hold it learns at once that it is cancelled. */
static void test_swapped_too_late(void)
{
        set_up(hold_by_routine);
        engine_scripts[1].pre = swap_while_detached;
        engine_assert_status(engine_read_once(), STATUS_SUCCESS);
        g_thread_join(detacher);
        engine_assert_status(queue.insert_status, STATUS_CANCELLED);
        engine_expect_trace("abc.BA");
        engine_tear_down();
}

/* What the instance has not swapped is drained; who holds it below keeps it. */
static void test_held_is_not_cancelled(void)
{
        PFILE_OBJECT file;
        GThread *caller;

        set_up(hold_by_routine);
        file = engine_open_file();
        caller = engine_run_on_thread(read_for(file, NULL));
        wait_held();
        engine_assert_status(FltDetachVolume(engine_filters[1], engine_volume, NULL), STATUS_SUCCESS);
        g_assert_false(FltIsIoCanceled(held_data));
        engine_assert_status(FltClearCancelCompletion(held_data), STATUS_SUCCESS);
        FltCompletePendedPreOperation(held_data, FLT_PREOP_SUCCESS_NO_CALLBACK, NULL);
        engine_assert_status(engine_join(caller), STATUS_SUCCESS);
        engine_expect_trace("abcY.A");
        fm_object_unref(file);
        engine_tear_down();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/cancel/queue", test_queue);
        g_test_add_func("/cancel/queue-cancelled-by-caller", test_queue_cancelled_by_caller);
        g_test_add_func("/cancel/queue-refuses", test_queue_refuses);
        g_test_add_func("/cancel/cancel-routine", test_cancel_routine);
        g_test_add_func("/cancel/cancel-race", test_cancel_race);
        g_test_add_func("/cancel/cancel-io", test_cancel_io);
        g_test_add_func("/cancel/swapped-in-queue", test_swapped_in_queue);
        g_test_add_func("/cancel/swapped-with-routine", test_swapped_with_routine);
        g_test_add_func("/cancel/swapped-waiting", test_swapped_waiting);
        g_test_add_func("/cancel/swapped-too-late", test_swapped_too_late);
        g_test_add_func("/cancel/held-is-not-cancelled", test_held_is_not_cancelled);
        return g_test_run();
}
