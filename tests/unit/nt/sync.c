/* SPDX-License-Identifier: MIT */
/* Waits and locks, with threads that meet at events and never at the clock. */
#include <fltKernel.h>
#include <glib.h>
#include <unistd.h>

#include "nt/cancel.h"
#include "nt/ke.h"
#include "nt/object.h"
#include "nt/rundown.h"
#include "nt/thread.h"
#include "nt/verifier.h"

static LARGE_INTEGER relative(int milliseconds)
{
        return (LARGE_INTEGER){.QuadPart = -(LONGLONG)milliseconds * 10000};
}

static NTSTATUS poll_object(PVOID object)
{
        LARGE_INTEGER zero = {.QuadPart = 0};

        return KeWaitForSingleObject(object, Executive, KernelMode, FALSE, &zero);
}

static NTSTATUS wait_for(PVOID object)
{
        return KeWaitForSingleObject(object, Executive, KernelMode, FALSE, NULL);
}

static void test_events(void)
{
        KEVENT notification, synchronization;
        LARGE_INTEGER timeout = relative(1);

        KeInitializeEvent(&notification, NotificationEvent, FALSE);
        KeInitializeEvent(&synchronization, SynchronizationEvent, TRUE);
        g_assert_cmphex(KeWaitForSingleObject(&notification, Executive, KernelMode, FALSE, &timeout), ==,
                        STATUS_TIMEOUT);
        timeout.QuadPart = fm_system_time() - 1; /* absolute, and past */
        g_assert_cmphex(KeWaitForSingleObject(&notification, Executive, KernelMode, FALSE, &timeout), ==,
                        STATUS_TIMEOUT);
        g_assert_cmpint(KeSetEvent(&notification, 0, FALSE), ==, 0);
        g_assert_cmpint(KeSetEvent(&notification, 0, FALSE), ==, 1);
        g_assert_cmphex(poll_object(&notification), ==, STATUS_SUCCESS);
        g_assert_cmphex(poll_object(&notification), ==, STATUS_SUCCESS);
        g_assert_cmpint(KeResetEvent(&notification), ==, 1);
        g_assert_cmphex(poll_object(&notification), ==, STATUS_TIMEOUT);
        g_assert_cmphex(poll_object(&synchronization), ==, STATUS_SUCCESS);
        g_assert_cmphex(poll_object(&synchronization), ==, STATUS_TIMEOUT);
}

struct ping {
        KEVENT go, back;
        int rounds;
};

static void *pong(void *data)
{
        struct ping *ping = data;

        for (int i = 0; i < ping->rounds; i++) {
                wait_for(&ping->go);
                KeSetEvent(&ping->back, 0, FALSE);
        }
        return NULL;
}

static void test_ping_pong(void)
{
        struct ping ping = {.rounds = 5000};
        GThread *thread;

        KeInitializeEvent(&ping.go, SynchronizationEvent, FALSE);
        KeInitializeEvent(&ping.back, SynchronizationEvent, FALSE);
        thread = g_thread_new("pong", pong, &ping);
        for (int i = 0; i < ping.rounds; i++) {
                KeSetEvent(&ping.go, 0, FALSE);
                g_assert_cmphex(wait_for(&ping.back), ==, STATUS_SUCCESS);
        }
        g_thread_join(thread);
}

static void test_multiple(void)
{
        KEVENT events[4];
        PVOID objects[4];
        KWAIT_BLOCK blocks[4];
        LARGE_INTEGER zero = {.QuadPart = 0};

        for (int i = 0; i < 4; i++) {
                KeInitializeEvent(&events[i], SynchronizationEvent, FALSE);
                objects[i] = &events[i];
        }
        KeSetEvent(&events[2], 0, FALSE);
        g_assert_cmphex(
                KeWaitForMultipleObjects(4, objects, WaitAll, Executive, KernelMode, FALSE, &zero, blocks),
                ==, STATUS_TIMEOUT);
        g_assert_cmpint(KeReadStateEvent(&events[2]), ==, 1); /* nothing was taken */
        g_assert_cmphex(
                KeWaitForMultipleObjects(4, objects, WaitAny, Executive, KernelMode, FALSE, &zero, blocks),
                ==, STATUS_WAIT_2);
        g_assert_cmpint(KeReadStateEvent(&events[2]), ==, 0);
        for (int i = 0; i < 4; i++)
                KeSetEvent(&events[i], 0, FALSE);
        g_assert_cmphex(
                KeWaitForMultipleObjects(4, objects, WaitAll, Executive, KernelMode, FALSE, NULL, blocks), ==,
                STATUS_SUCCESS);
        g_assert_cmpint(KeReadStateEvent(&events[0]), ==, 0);
}

struct all {
        KEVENT events[2];
        KEVENT done;
};

static void *wait_for_all(void *data)
{
        struct all *all = data;
        PVOID objects[] = {&all->events[0], &all->events[1]};

        g_assert_cmphex(
                KeWaitForMultipleObjects(2, objects, WaitAll, Executive, KernelMode, FALSE, NULL, NULL), ==,
                STATUS_SUCCESS);
        KeSetEvent(&all->done, 0, FALSE);
        return NULL;
}

/* Ended only by the second; and the first is not taken away from others before. */
/* Whether somebody waits for it: looked at from outside its lock, which only a test does. */
__attribute__((noinline, no_sanitize("thread"))) static bool has_waiter(const KEVENT *event)
{
        const LIST_ENTRY *head = &event->Header.WaitListHead;

        return *(LIST_ENTRY *const volatile *)&head->Flink != head;
}

static void test_wait_all_later(void)
{
        struct all all;
        GThread *thread;

        KeInitializeEvent(&all.events[0], SynchronizationEvent, FALSE);
        KeInitializeEvent(&all.events[1], SynchronizationEvent, FALSE);
        KeInitializeEvent(&all.done, NotificationEvent, FALSE);
        thread = g_thread_new("all", wait_for_all, &all);
        while (!has_waiter(&all.events[1]))
                g_thread_yield();
        KeSetEvent(&all.events[0], 0, FALSE);
        g_assert_cmpint(KeReadStateEvent(&all.events[0]), ==, 1);
        g_assert_cmphex(poll_object(&all.done), ==, STATUS_TIMEOUT);
        KeSetEvent(&all.events[1], 0, FALSE);
        wait_for(&all.done);
        g_thread_join(thread);
        g_assert_cmpint(KeReadStateEvent(&all.events[0]), ==, 0);
}

static void test_semaphore_and_mutex(void)
{
        KSEMAPHORE semaphore;
        KMUTEX mutex;
        volatile NTSTATUS code = 0;

        KeInitializeSemaphore(&semaphore, 1, 2);
        g_assert_cmpint(KeReleaseSemaphore(&semaphore, 0, 1, FALSE), ==, 1);
        __try {
                KeReleaseSemaphore(&semaphore, 0, 1, FALSE);
        } __except (EXCEPTION_EXECUTE_HANDLER) {
                code = GetExceptionCode();
        }
        g_assert_cmphex(code, ==, STATUS_SEMAPHORE_LIMIT_EXCEEDED);
        g_assert_cmphex(poll_object(&semaphore), ==, STATUS_SUCCESS);
        g_assert_cmphex(poll_object(&semaphore), ==, STATUS_SUCCESS);
        g_assert_cmphex(poll_object(&semaphore), ==, STATUS_TIMEOUT);

        KeInitializeMutex(&mutex, 0);
        g_assert_cmphex(wait_for(&mutex), ==, STATUS_SUCCESS);
        g_assert_cmphex(wait_for(&mutex), ==, STATUS_SUCCESS); /* recursive */
        KeReleaseMutex(&mutex, FALSE);
        g_assert_cmpint(KeReadStateMutex(&mutex), ==, 0);
        KeReleaseMutex(&mutex, FALSE);
        g_assert_cmpint(KeReadStateMutex(&mutex), ==, 1);
        code = 0;
        __try {
                KeReleaseMutex(&mutex, FALSE);
        } __except (EXCEPTION_EXECUTE_HANDLER) {
                code = GetExceptionCode();
        }
        g_assert_cmphex(code, ==, STATUS_MUTANT_NOT_OWNED);
}

struct cancelled {
        struct fm_cancel cancel;
        KEVENT never;
        KPROCESSOR_MODE mode;
        NTSTATUS status, cancellable;
};

static void *wait_cancelled(void *data)
{
        struct cancelled *cancelled = data;

        fm_thread_self()->cancel = &cancelled->cancel;
        cancelled->status = KeWaitForSingleObject(&cancelled->never, Executive, UserMode, FALSE, NULL);
        cancelled->cancellable = FsRtlCancellableWaitForSingleObject(&cancelled->never, NULL, NULL);
        return NULL;
}

static void test_termination(void)
{
        struct cancelled cancelled = {.status = -1};
        GThread *thread;

        fm_cancel_init(&cancelled.cancel);
        KeInitializeEvent(&cancelled.never, NotificationEvent, FALSE);
        thread = g_thread_new("cancelled", wait_cancelled, &cancelled);
        while (!has_waiter(&cancelled.never))
                g_thread_yield();
        fm_cancel_signal(&cancelled.cancel, false); /* not enough */
        g_assert_true(has_waiter(&cancelled.never));
        fm_cancel_signal(&cancelled.cancel, true);
        g_thread_join(thread);
        g_assert_cmphex(cancelled.status, ==, STATUS_USER_APC);
        g_assert_cmphex(cancelled.cancellable, ==, STATUS_THREAD_IS_TERMINATING);
        g_assert_true(!has_waiter(&cancelled.never));
        g_assert_null(cancelled.cancel.watches);

        /* A plain kernel wait goes on. */
        fm_thread_self()->cancel = &cancelled.cancel;
        {
                LARGE_INTEGER timeout = relative(1);

                g_assert_cmphex(
                        KeWaitForSingleObject(&cancelled.never, Executive, KernelMode, FALSE, &timeout), ==,
                        STATUS_TIMEOUT);
        }
        fm_thread_self()->cancel = NULL;
        fm_cancel_deinit(&cancelled.cancel);
}

struct race {
        struct fm_rundown rundown;
        gint inside;
        gint after;
        gboolean closed;
};

static void *enter_and_leave(void *data)
{
        struct race *race = data;

        while (fm_rundown_acquire(&race->rundown)) {
                if (g_atomic_int_get(&race->closed))
                        g_atomic_int_inc(&race->after);
                g_atomic_int_inc(&race->inside);
                g_atomic_int_add(&race->inside, -1);
                fm_rundown_release(&race->rundown);
        }
        return NULL;
}

static void test_rundown(void)
{
        for (int round = 0; round < 200; round++) {
                struct race race = {.inside = 0};
                GThread *threads[4];

                fm_rundown_init(&race.rundown);
                for (int i = 0; i < 4; i++)
                        threads[i] = g_thread_new("race", enter_and_leave, &race);
                fm_rundown_wait(&race.rundown);
                g_atomic_int_set(&race.closed, TRUE);
                g_assert_cmpint(g_atomic_int_get(&race.inside), ==, 0);
                g_assert_true(fm_rundown_is_closed(&race.rundown));
                for (int i = 0; i < 4; i++)
                        g_thread_join(threads[i]);
                g_assert_cmpint(race.after, ==, 0);
                g_assert_cmpuint(fm_rundown_inside(&race.rundown), ==, 0);
        }
}

struct counted {
        ERESOURCE resource;
        FAST_MUTEX mutex;
        EX_PUSH_LOCK push;
        KSPIN_LOCK spin;
        int counts[4];
};

static void *count_all(void *data)
{
        struct counted *counted = data;

        for (int i = 0; i < 5000; i++) {
                KIRQL irql;

                KeEnterCriticalRegion();
                ExAcquireResourceExclusiveLite(&counted->resource, TRUE);
                counted->counts[0]++;
                ExReleaseResourceLite(&counted->resource);
                ExAcquirePushLockExclusive(&counted->push);
                counted->counts[2]++;
                ExReleasePushLockExclusive(&counted->push);
                ExAcquirePushLockShared(&counted->push);
                g_assert_cmpint(counted->counts[2], >, 0);
                ExReleasePushLockShared(&counted->push);
                KeLeaveCriticalRegion();
                ExAcquireFastMutex(&counted->mutex);
                counted->counts[1]++;
                ExReleaseFastMutex(&counted->mutex);
                KeAcquireSpinLock(&counted->spin, &irql);
                counted->counts[3]++;
                KeReleaseSpinLock(&counted->spin, irql);
        }
        g_assert_cmpint(KeGetCurrentIrql(), ==, PASSIVE_LEVEL);
        return NULL;
}

static void test_locks_exclude(void)
{
        struct counted counted = {.counts = {0}};
        GThread *threads[4];

        ExInitializeResourceLite(&counted.resource);
        ExInitializeFastMutex(&counted.mutex);
        ExInitializePushLock(&counted.push);
        KeInitializeSpinLock(&counted.spin);
        for (int i = 0; i < 4; i++)
                threads[i] = g_thread_new("count", count_all, &counted);
        for (int i = 0; i < 4; i++)
                g_thread_join(threads[i]);
        for (int i = 0; i < 4; i++)
                g_assert_cmpint(counted.counts[i], ==, 20000);
        ExDeleteResourceLite(&counted.resource);
}

struct holder {
        ERESOURCE resource;
        KEVENT held, release;
        gboolean exclusive;
};

static void *hold(void *data)
{
        struct holder *holder = data;

        KeEnterCriticalRegion();
        if (holder->exclusive)
                ExAcquireResourceExclusiveLite(&holder->resource, TRUE);
        else
                ExAcquireResourceSharedLite(&holder->resource, TRUE);
        KeSetEvent(&holder->held, 0, FALSE);
        wait_for(&holder->release);
        ExReleaseResourceLite(&holder->resource);
        KeLeaveCriticalRegion();
        return NULL;
}

static void *want_exclusive(void *data)
{
        struct holder *holder = data;

        KeEnterCriticalRegion();
        ExAcquireResourceExclusiveLite(&holder->resource, TRUE);
        ExReleaseResourceLite(&holder->resource);
        KeLeaveCriticalRegion();
        return NULL;
}

static void test_resource(void)
{
        struct holder holder = {.exclusive = TRUE};
        GThread *thread, *writer;

        ExInitializeResourceLite(&holder.resource);
        KeInitializeEvent(&holder.held, SynchronizationEvent, FALSE);
        KeInitializeEvent(&holder.release, SynchronizationEvent, FALSE);
        KeEnterCriticalRegion();

        thread = g_thread_new("hold", hold, &holder);
        wait_for(&holder.held);
        g_assert_false(ExAcquireResourceSharedLite(&holder.resource, FALSE));
        g_assert_false(ExAcquireResourceExclusiveLite(&holder.resource, FALSE));
        g_assert_false(ExIsResourceAcquiredExclusiveLite(&holder.resource));
        KeSetEvent(&holder.release, 0, FALSE);
        g_thread_join(thread);

        g_assert_true(ExAcquireResourceExclusiveLite(&holder.resource, FALSE));
        g_assert_true(ExAcquireResourceExclusiveLite(&holder.resource, TRUE));
        g_assert_true(ExAcquireResourceSharedLite(&holder.resource, TRUE));
        g_assert_true(ExIsResourceAcquiredExclusiveLite(&holder.resource));
        g_assert_cmpuint(ExIsResourceAcquiredSharedLite(&holder.resource), ==, 3);
        ExReleaseResourceLite(&holder.resource);
        ExReleaseResourceLite(&holder.resource);
        ExConvertExclusiveToSharedLite(&holder.resource);
        g_assert_false(ExIsResourceAcquiredExclusiveLite(&holder.resource));

        /* Shared with another; a writer waits; nobody new passes him but on request, and those inside. */
        holder.exclusive = FALSE;
        thread = g_thread_new("hold", hold, &holder);
        wait_for(&holder.held);
        writer = g_thread_new("writer", want_exclusive, &holder);
        while (ExGetExclusiveWaiterCount(&holder.resource) == 0)
                g_thread_yield();
        g_assert_true(ExAcquireResourceSharedLite(&holder.resource, FALSE));
        ExReleaseResourceLite(&holder.resource);
        g_assert_false(ExAcquireSharedWaitForExclusive(&holder.resource, FALSE));
        ExReleaseResourceForThreadLite(&holder.resource, ExGetCurrentResourceThread());
        g_assert_false(ExAcquireResourceSharedLite(&holder.resource, FALSE));
        g_assert_true(ExAcquireSharedStarveExclusive(&holder.resource, FALSE));
        ExReleaseResourceLite(&holder.resource);
        KeSetEvent(&holder.release, 0, FALSE);
        g_thread_join(thread);
        g_thread_join(writer);
        KeLeaveCriticalRegion();

        {
                uint64_t before = fm_violation_count();

                ExReleaseResourceLite(&holder.resource); /* not held */
                g_assert_cmpuint(fm_violation_count(), ==, before + 1);
                ExAcquireResourceExclusiveLite(&holder.resource, TRUE); /* outside a critical region */
                g_assert_cmpuint(fm_violation_count(), ==, before + 2);
                ExReleaseResourceLite(&holder.resource);
        }
        ExDeleteResourceLite(&holder.resource);
}

static void test_irql(void)
{
        KSPIN_LOCK lock = 0;
        KEVENT event;
        KIRQL irql;
        uint64_t before = fm_violation_count();

        KeInitializeEvent(&event, NotificationEvent, TRUE);
        KeAcquireSpinLock(&lock, &irql);
        g_assert_cmpint(KeGetCurrentIrql(), ==, DISPATCH_LEVEL);
        g_assert_cmphex(poll_object(&event), ==, STATUS_SUCCESS); /* with a timeout of 0 it is allowed */
        g_assert_cmpuint(fm_violation_count(), ==, before);
        wait_for(&event);
        g_assert_cmpuint(fm_violation_count(), ==, before + 1); /* the lock, which has raised the IRQL */
        KeReleaseSpinLock(&lock, irql);
        KeReleaseSpinLock(&lock, irql);
        g_assert_cmpuint(fm_violation_count(), ==, before + 2);
        g_assert_cmpuint(fm_thread_self()->spin_locks_held, ==, 0);
}

struct timed {
        KTIMER timer;
        KDPC dpc;
        KEVENT event;
        KIRQL irql;
        gint count;
};

static VOID on_timer(struct _KDPC *dpc, PVOID context, PVOID first, PVOID second)
{
        struct timed *timed = context;

        timed->irql = KeGetCurrentIrql();
        if (g_atomic_int_add(&timed->count, 1) >= 2)
                KeSetEvent(&timed->event, 0, FALSE);
}

static void test_timers(void)
{
        struct timed timed = {.count = 0};

        KeInitializeTimerEx(&timed.timer, SynchronizationTimer);
        KeInitializeDpc(&timed.dpc, on_timer, &timed);
        KeInitializeEvent(&timed.event, NotificationEvent, FALSE);
        g_assert_false(KeSetTimerEx(&timed.timer, relative(1), 1, &timed.dpc));
        wait_for(&timed.event);
        g_assert_cmpint(timed.irql, ==, DISPATCH_LEVEL);
        g_assert_true(KeCancelTimer(&timed.timer));
        g_assert_false(KeCancelTimer(&timed.timer));
        KeFlushQueuedDpcs();
        timed.count = 0;
        KeSetTimer(&timed.timer, relative(3600000), NULL);
        g_assert_true(KeSetTimer(&timed.timer, relative(1), NULL));
        g_assert_cmphex(wait_for(&timed.timer), ==, STATUS_SUCCESS);
        g_assert_cmphex(poll_object(&timed.timer), ==, STATUS_TIMEOUT);
        g_assert_true(KeInsertQueueDpc(&timed.dpc, NULL, NULL));
        KeFlushQueuedDpcs();
        g_assert_cmpint(timed.count, ==, 1);
}

static VOID work(PVOID context)
{
        g_assert_cmpstr(fm_thread_self()->filter, ==, "worker");
        KeSetEvent(context, 0, FALSE);
}

static void test_work_item(void)
{
        WORK_QUEUE_ITEM item;
        KEVENT done;

        KeInitializeEvent(&done, NotificationEvent, FALSE);
        ExInitializeWorkItem(&item, work, &done);
        fm_thread_self()->filter = "worker";
        ExQueueWorkItem(&item, DelayedWorkQueue);
        fm_thread_self()->filter = NULL;
        g_assert_cmphex(wait_for(&done), ==, STATUS_SUCCESS);
}

static VOID system_thread(PVOID context)
{
        g_assert_true(PsGetCurrentProcess() == PsInitialSystemProcess);
        g_assert_cmpint((LONG_PTR)PsGetCurrentThreadId(), ==, gettid());
        wait_for(context);
        PsTerminateSystemThread(STATUS_CANCELLED);
        g_assert_not_reached();
}

static void test_system_thread(void)
{
        KEVENT go;
        HANDLE handle;
        PETHREAD thread;

        KeInitializeEvent(&go, NotificationEvent, FALSE);
        g_assert_cmphex(
                PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, system_thread, &go), ==,
                STATUS_SUCCESS);
        g_assert_cmphex(ObReferenceObjectByHandle(handle, SYNCHRONIZE, *PsThreadType, KernelMode,
                                                  (PVOID *)&thread, NULL),
                        ==, STATUS_SUCCESS);
        ZwClose(handle);
        g_assert_cmphex(poll_object(thread), ==, STATUS_TIMEOUT);
        KeSetEvent(&go, 0, FALSE);
        g_assert_cmphex(wait_for(thread), ==, STATUS_SUCCESS);
        g_assert_cmphex(PsGetThreadExitStatus(thread), ==, STATUS_CANCELLED);
        ObDereferenceObject(thread);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/nt/ke/events", test_events);
        g_test_add_func("/nt/ke/ping-pong", test_ping_pong);
        g_test_add_func("/nt/ke/multiple", test_multiple);
        g_test_add_func("/nt/ke/wait-all-later", test_wait_all_later);
        g_test_add_func("/nt/ke/semaphore-and-mutex", test_semaphore_and_mutex);
        g_test_add_func("/nt/ke/termination", test_termination);
        g_test_add_func("/nt/ke/irql", test_irql);
        g_test_add_func("/nt/ke/timers", test_timers);
        g_test_add_func("/nt/rundown/race", test_rundown);
        g_test_add_func("/nt/ex/locks-exclude", test_locks_exclude);
        g_test_add_func("/nt/ex/resource", test_resource);
        g_test_add_func("/nt/ex/work-item", test_work_item);
        g_test_add_func("/nt/ps/system-thread", test_system_thread);
        return g_test_run();
}
