/* SPDX-License-Identifier: MIT */
#include "fake.h"

#include <semaphore.h>
#include <string.h>

#include "fltmgr/extras.h"
#include "nt/object.h"
#include "nt/verifier.h"

static struct fake *fake;

/* A filter's queue: a list under a fast mutex, as in the samples. */
static struct {
        FLT_CALLBACK_DATA_QUEUE queue;
        LIST_ENTRY list;
        pthread_mutex_t lock;
        unsigned inserted, removed, cancelled;
        NTSTATUS insert_status;
} q;

static NTSTATUS insert_io(PFLT_CALLBACK_DATA_QUEUE queue, PFLT_CALLBACK_DATA data, PVOID context)
{
        if (NT_SUCCESS(q.insert_status)) {
                InsertTailList(&q.list, &data->QueueLinks);
                q.inserted++;
        }
        return q.insert_status;
}

static VOID remove_io(PFLT_CALLBACK_DATA_QUEUE queue, PFLT_CALLBACK_DATA data)
{
        RemoveEntryList(&data->QueueLinks);
        q.removed++;
}

/* PeekContext: a major to look for, or NULL. */
static PFLT_CALLBACK_DATA peek_next_io(PFLT_CALLBACK_DATA_QUEUE queue, PFLT_CALLBACK_DATA data, PVOID context)
{
        PLIST_ENTRY entry = data ? data->QueueLinks.Flink : q.list.Flink;

        for (; entry != &q.list; entry = entry->Flink) {
                PFLT_CALLBACK_DATA next = CONTAINING_RECORD(entry, FLT_CALLBACK_DATA, QueueLinks);

                if (!context || next->Iopb->MajorFunction == (UCHAR)(ULONG_PTR)context)
                        return next;
        }
        return NULL;
}

/* A thread that cancels can be held up on its way into the queue. */
static __thread bool held_up;
static sem_t arrived, proceed;

static VOID acquire(PFLT_CALLBACK_DATA_QUEUE queue, PKIRQL irql)
{
        if (held_up) {
                sem_post(&arrived);
                sem_wait(&proceed);
        }
        pthread_mutex_lock(&q.lock);
}

static VOID release(PFLT_CALLBACK_DATA_QUEUE queue, KIRQL irql)
{
        pthread_mutex_unlock(&q.lock);
}

static VOID complete_cancelled(PFLT_CALLBACK_DATA_QUEUE queue, PFLT_CALLBACK_DATA data)
{
        data->IoStatus.Status = STATUS_CANCELLED;
        q.cancelled++;
}

static void queue_init(void)
{
        memset(&q, 0, sizeof(q));
        InitializeListHead(&q.list);
        pthread_mutex_init(&q.lock, NULL);
        assert_status(FltCbdqInitialize(fake->instance, &q.queue, insert_io, remove_io, peek_next_io, acquire, release,
                                        complete_cancelled),
                      STATUS_SUCCESS);
}

static struct fm_operation *operation_new(UCHAR major, struct fm_cancel *cancel)
{
        struct fm_operation *operation = fm_operation_new_generated(fake->instance, major, NULL);

        operation->requestor.cancel = cancel;
        operation->iopb.TargetInstance = fake->instance;
        return operation;
}

static void test_queue_order(void)
{
        struct fm_operation *a = operation_new(IRP_MJ_READ, NULL), *b = operation_new(IRP_MJ_WRITE, NULL),
                            *c = operation_new(IRP_MJ_READ, NULL);
        FLT_CALLBACK_DATA_QUEUE_IO_CONTEXT context;

        queue_init();
        assert_status(FltCbdqInsertIo(&q.queue, &a->data, NULL, NULL), STATUS_SUCCESS);
        b->data.QueueContext[0] = &q;
        b->data.QueueContext[1] = &context;
        assert_status(FltCbdqInsertIo(&q.queue, &b->data, &context, NULL), STATUS_SUCCESS);
        assert_status(FltCbdqInsertIo(&q.queue, &c->data, NULL, NULL), STATUS_SUCCESS);
        g_assert_true(FltCbdqRemoveNextIo(&q.queue, (PVOID)(ULONG_PTR)IRP_MJ_CLEANUP) == NULL);
        g_assert_true(FltCbdqRemoveNextIo(&q.queue, NULL) == &a->data);
        g_assert_true(FltCbdqRemoveIo(&q.queue, &context) == &b->data);
        /* What the filter keeps in the operation is its own. */
        g_assert_true(b->data.QueueContext[0] == &q && b->data.QueueContext[1] == &context);
        g_assert_true(FltCbdqRemoveIo(&q.queue, &context) == NULL);
        g_assert_true(FltCbdqRemoveNextIo(&q.queue, NULL) == &c->data);
        g_assert_true(FltCbdqRemoveNextIo(&q.queue, NULL) == NULL);
        g_assert_cmpuint(q.removed, ==, 3);
        g_assert_cmpuint(q.cancelled, ==, 0);
        fm_operation_free(a);
        fm_operation_free(b);
        fm_operation_free(c);
}

static void test_queue_disabled(void)
{
        struct fm_operation *a = operation_new(IRP_MJ_READ, NULL);

        queue_init();
        FltCbdqDisable(&q.queue);
        assert_status(FltCbdqInsertIo(&q.queue, &a->data, NULL, NULL), STATUS_FLT_CBDQ_DISABLED);
        g_assert_cmpuint(q.inserted, ==, 0);
        FltCbdqEnable(&q.queue);
        q.insert_status = STATUS_INSUFFICIENT_RESOURCES;
        assert_status(FltCbdqInsertIo(&q.queue, &a->data, NULL, NULL), STATUS_INSUFFICIENT_RESOURCES);
        q.insert_status = STATUS_SUCCESS;
        assert_status(FltCbdqInsertIo(&q.queue, &a->data, NULL, NULL), STATUS_SUCCESS);
        /* Disabled is no obstacle for what is inside. */
        FltCbdqDisable(&q.queue);
        g_assert_true(FltCbdqRemoveNextIo(&q.queue, NULL) == &a->data);
        fm_operation_free(a);
}

static void test_queue_cancel(void)
{
        struct fm_operation *a, *b;
        FLT_CALLBACK_DATA_QUEUE_IO_CONTEXT context;
        struct fm_cancel cancel, other;

        fm_cancel_init(&cancel);
        fm_cancel_init(&other);
        a = operation_new(IRP_MJ_READ, &cancel);
        b = operation_new(IRP_MJ_READ, &other);
        queue_init();
        assert_status(FltCbdqInsertIo(&q.queue, &a->data, &context, NULL), STATUS_SUCCESS);
        assert_status(FltCbdqInsertIo(&q.queue, &b->data, NULL, NULL), STATUS_SUCCESS);
        g_assert_false(FltIsIoCanceled(&a->data));
        fm_cancel_signal(&cancel, false);
        g_assert_true(FltIsIoCanceled(&a->data));
        g_assert_false(FltIsIoCanceled(&b->data));
        g_assert_cmpuint(q.cancelled, ==, 1);
        assert_status(a->data.IoStatus.Status, STATUS_CANCELLED);
        g_assert_true(FltCbdqRemoveIo(&q.queue, &context) == NULL);
        g_assert_true(FltCbdqRemoveNextIo(&q.queue, NULL) == &b->data);
        /* Removed: cancelling reaches the queue no more. */
        fm_cancel_signal(&other, false);
        g_assert_cmpuint(q.cancelled, ==, 1);
        fm_operation_free(a);

        /* Cancelled before it comes in: taken out at once. */
        a = operation_new(IRP_MJ_READ, &cancel);
        assert_status(FltCbdqInsertIo(&q.queue, &a->data, NULL, NULL), STATUS_SUCCESS);
        g_assert_cmpuint(q.cancelled, ==, 2);
        g_assert_true(IsListEmpty(&q.list));
        fm_operation_free(a);
        fm_operation_free(b);
        fm_cancel_deinit(&cancel);
        fm_cancel_deinit(&other);
}

static gpointer cancel_held_up(gpointer opaque)
{
        held_up = true;
        fm_cancel_signal(opaque, false);
        return NULL;
}

/* What is being cancelled, but is still in the queue, can't be removed any more; what comes after it can. */
static void test_queue_being_cancelled(void)
{
        FLT_CALLBACK_DATA_QUEUE_IO_CONTEXT context;
        struct fm_operation *a, *b;
        struct fm_cancel cancel;
        GThread *thread;

        fm_cancel_init(&cancel);
        a = operation_new(IRP_MJ_READ, &cancel);
        b = operation_new(IRP_MJ_READ, NULL);
        queue_init();
        sem_init(&arrived, 0, 0);
        sem_init(&proceed, 0, 0);
        assert_status(FltCbdqInsertIo(&q.queue, &a->data, &context, NULL), STATUS_SUCCESS);
        assert_status(FltCbdqInsertIo(&q.queue, &b->data, NULL, NULL), STATUS_SUCCESS);
        thread = g_thread_new("cancel", cancel_held_up, &cancel);
        sem_wait(&arrived);
        g_assert_true(FltCbdqRemoveIo(&q.queue, &context) == NULL);
        g_assert_true(FltCbdqRemoveNextIo(&q.queue, NULL) == &b->data);
        g_assert_true(FltCbdqRemoveNextIo(&q.queue, NULL) == NULL);
        g_assert_cmpuint(q.removed, ==, 1);
        sem_post(&proceed);
        g_thread_join(thread);
        g_assert_cmpuint(q.removed, ==, 2);
        g_assert_cmpuint(q.cancelled, ==, 1);
        fm_operation_free(a);
        fm_operation_free(b);
        fm_cancel_deinit(&cancel);
}

/* Many threads cancel and remove: each operation goes one way, once. */
#define RACES 2000

static gpointer race_cancel(gpointer opaque)
{
        struct fm_cancel *cancels = opaque;

        for (unsigned i = 0; i < RACES; i++)
                fm_cancel_signal(&cancels[i], false);
        return NULL;
}

static void test_queue_race(void)
{
        struct fm_cancel *cancels = g_new0(struct fm_cancel, RACES);
        struct fm_operation **operations = g_new0(struct fm_operation *, RACES);
        unsigned removed = 0;
        GThread *thread;

        queue_init();
        for (unsigned i = 0; i < RACES; i++) {
                fm_cancel_init(&cancels[i]);
                operations[i] = operation_new(IRP_MJ_READ, &cancels[i]);
                assert_status(FltCbdqInsertIo(&q.queue, &operations[i]->data, NULL, NULL), STATUS_SUCCESS);
        }
        thread = g_thread_new("cancel", race_cancel, cancels);
        while (FltCbdqRemoveNextIo(&q.queue, NULL))
                removed++;
        g_thread_join(thread);
        while (FltCbdqRemoveNextIo(&q.queue, NULL))
                removed++;
        g_assert_cmpuint(removed + q.cancelled, ==, RACES);
        g_assert_cmpuint(q.removed, ==, RACES);
        for (unsigned i = 0; i < RACES; i++) {
                fm_operation_free(operations[i]);
                fm_cancel_deinit(&cancels[i]);
        }
        g_free(operations);
        g_free(cancels);
}

static unsigned routine_calls;
static PFLT_CALLBACK_DATA routine_data;

static VOID cancel_routine(PFLT_CALLBACK_DATA data)
{
        routine_calls++;
        routine_data = data;
}

static void test_cancel_routine(void)
{
        struct fm_operation *operation;
        struct fm_cancel cancel;

        fm_cancel_init(&cancel);
        operation = operation_new(IRP_MJ_READ, &cancel);
        routine_calls = 0;
        assert_status(FltClearCancelCompletion(&operation->data), STATUS_CANCELLED);
        assert_status(FltSetCancelCompletion(&operation->data, cancel_routine), STATUS_SUCCESS);
        assert_status(FltClearCancelCompletion(&operation->data), STATUS_SUCCESS);
        assert_status(FltClearCancelCompletion(&operation->data), STATUS_CANCELLED);
        assert_status(FltSetCancelCompletion(&operation->data, cancel_routine), STATUS_SUCCESS);
        fm_cancel_signal(&cancel, false);
        g_assert_cmpuint(routine_calls, ==, 1);
        g_assert_true(routine_data == &operation->data);
        assert_status(FltClearCancelCompletion(&operation->data), STATUS_CANCELLED);
        assert_status(FltSetCancelCompletion(&operation->data, cancel_routine), STATUS_CANCELLED);
        g_assert_cmpuint(routine_calls, ==, 1);
        operation->data.Flags = FLTFL_CALLBACK_DATA_FAST_IO_OPERATION;
        assert_status(FltSetCancelCompletion(&operation->data, cancel_routine), STATUS_INVALID_PARAMETER);
        fm_operation_free(operation);
        fm_cancel_deinit(&cancel);
}

static void test_cancel_routine_left(void)
{
        struct fm_operation *operation;
        struct fm_cancel cancel;
        uint64_t before = fm_violation_count();

        fm_cancel_init(&cancel);
        operation = operation_new(IRP_MJ_READ, &cancel);
        routine_calls = 0;
        assert_status(FltSetCancelCompletion(&operation->data, cancel_routine), STATUS_SUCCESS);
        fm_operation_free(operation);
        g_assert_cmpuint(fm_violation_count(), ==, before + 1);
        fm_cancel_signal(&cancel, false);
        g_assert_cmpuint(routine_calls, ==, 0);
        fm_cancel_deinit(&cancel);
}

static void test_cancel_io(void)
{
        struct fm_operation *operation = operation_new(IRP_MJ_READ, NULL);

        routine_calls = 0;
        g_assert_false(FltCancelIo(&operation->data));
        fm_operation_own_cancel(operation);
        assert_status(FltSetCancelCompletion(&operation->data, cancel_routine), STATUS_SUCCESS);
        g_assert_true(FltCancelIo(&operation->data));
        g_assert_cmpuint(routine_calls, ==, 1);
        g_assert_true(FltIsIoCanceled(&operation->data));
        g_assert_false(FltCancelIo(&operation->data));
        fm_operation_free(operation);
}

/* ---- waits ---- */

struct signaller {
        struct fm_cancel *cancel;
        bool terminating;
        PKEVENT event;
};

static gpointer signal_later(gpointer opaque)
{
        struct signaller *signaller = opaque;

        if (signaller->cancel)
                fm_cancel_signal(signaller->cancel, signaller->terminating);
        if (signaller->event)
                KeSetEvent(signaller->event, IO_NO_INCREMENT, FALSE);
        return NULL;
}

static NTSTATUS wait_for(bool several, bool cancelled, bool terminating, bool signalled, LONGLONG timeout)
{
        struct signaller signaller = {NULL, terminating, NULL};
        LARGE_INTEGER limit = {.QuadPart = timeout};
        struct fm_operation *operation;
        struct fm_cancel cancel;
        KEVENT events[2];
        PVOID objects[] = {&events[0], &events[1]};
        NTSTATUS status;
        GThread *thread;

        fm_cancel_init(&cancel);
        KeInitializeEvent(&events[0], NotificationEvent, FALSE);
        KeInitializeEvent(&events[1], NotificationEvent, FALSE);
        operation = operation_new(IRP_MJ_READ, &cancel);
        signaller.cancel = cancelled ? &cancel : NULL;
        signaller.event = signalled ? &events[1] : NULL;
        thread = g_thread_new("signaller", signal_later, &signaller);
        status = several ? FltCancellableWaitForMultipleObjects(2, objects, WaitAny, timeout ? &limit : NULL, NULL,
                                                                &operation->data)
                         : FltCancellableWaitForSingleObject(&events[1], timeout ? &limit : NULL, &operation->data);
        g_thread_join(thread);
        fm_operation_free(operation);
        fm_cancel_deinit(&cancel);
        return status;
}

static void test_waits(void)
{
        for (unsigned i = 0; i < 200; i++) {
                assert_status(wait_for(false, true, false, false, 0), STATUS_CANCELLED);
                assert_status(wait_for(false, true, true, false, 0), STATUS_THREAD_IS_TERMINATING);
                assert_status(wait_for(false, false, false, true, 0), STATUS_SUCCESS);
                assert_status(wait_for(true, true, false, false, 0), STATUS_CANCELLED);
                assert_status(wait_for(true, true, true, false, 0), STATUS_THREAD_IS_TERMINATING);
                assert_status(wait_for(true, false, false, true, 0), STATUS_WAIT_1);
        }
        assert_status(wait_for(false, false, false, false, -10000), STATUS_TIMEOUT);
        assert_status(wait_for(true, false, false, false, -10000), STATUS_TIMEOUT);
}

static void test_wait_all(void)
{
        LARGE_INTEGER limit = {.QuadPart = -10000};
        KEVENT events[2];
        PVOID objects[] = {&events[0], &events[1]};

        KeInitializeEvent(&events[0], NotificationEvent, TRUE);
        KeInitializeEvent(&events[1], NotificationEvent, FALSE);
        assert_status(FltCancellableWaitForMultipleObjects(2, objects, WaitAll, &limit, NULL, NULL), STATUS_TIMEOUT);
        KeSetEvent(&events[1], IO_NO_INCREMENT, FALSE);
        assert_status(FltCancellableWaitForMultipleObjects(2, objects, WaitAll, &limit, NULL, NULL), STATUS_SUCCESS);
        assert_status(FltCancellableWaitForMultipleObjects(0, objects, WaitAll, &limit, NULL, NULL),
                      STATUS_INVALID_PARAMETER);
}

int main(int argc, char **argv)
{
        int result;

        g_test_init(&argc, &argv, NULL);
        fm_verifier_init(false);
        fake = fake_new();
        g_test_add_func("/queue/order", test_queue_order);
        g_test_add_func("/queue/disabled", test_queue_disabled);
        g_test_add_func("/queue/cancel", test_queue_cancel);
        g_test_add_func("/queue/being-cancelled", test_queue_being_cancelled);
        g_test_add_func("/queue/race", test_queue_race);
        g_test_add_func("/queue/cancel-routine", test_cancel_routine);
        g_test_add_func("/queue/cancel-routine-left", test_cancel_routine_left);
        g_test_add_func("/queue/cancel-io", test_cancel_io);
        g_test_add_func("/queue/waits", test_waits);
        g_test_add_func("/queue/wait-all", test_wait_all);
        result = g_test_run();
        fake_free(fake);
        return result;
}
