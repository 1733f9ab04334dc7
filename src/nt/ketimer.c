/* SPDX-License-Identifier: MIT */
/*
 * Time, timers and DPCs.
 *
 * One thread, started by the first timer or DPC, does for all processors' clocks: it signals timers when they
 * are due and runs the queued DPCs one after the other at DISPATCH_LEVEL. Lock order: timer_lock before the
 * dispatcher's.
 */
#include <errno.h>
#include <glib.h>
#include <pthread.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include "nt/ke.h"
#include "nt/ledger.h"
#include "nt/thread.h"
#include "nt/verifier.h"

#define TICK 156250 /* 100 ns in a clock tick, as Windows says it has */

static pthread_once_t timer_once = PTHREAD_ONCE_INIT;
static pthread_mutex_t timer_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t timer_changed;
static pthread_cond_t dpc_idle = PTHREAD_COND_INITIALIZER;
static LIST_ENTRY timers = {&timers, &timers}; /* by due time; guarded by timer_lock, as all below */
static PSINGLE_LIST_ENTRY first_dpc;
static PSINGLE_LIST_ENTRY *last_dpc = &first_dpc;
static bool dpc_running;
static pthread_t timer_thread;

static int64_t monotonic(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return now.tv_sec * INT64_C(10000000) + now.tv_nsec / 100;
}

static void insert_timer_locked(PKTIMER timer)
{
        LIST_ENTRY *at = timers.Flink;

        while (at != &timers &&
               CONTAINING_RECORD(at, KTIMER, TimerListEntry)->DueTime.QuadPart <= timer->DueTime.QuadPart)
                at = at->Flink;
        InsertTailList(at, &timer->TimerListEntry);
}

static void queue_dpc_locked(PRKDPC dpc)
{
        dpc->ProcessorHistory = 1;
        dpc->DpcListEntry.Next = NULL;
        *last_dpc = &dpc->DpcListEntry;
        last_dpc = &dpc->DpcListEntry.Next;
}

static PRKDPC take_dpc_locked(void)
{
        PRKDPC dpc = CONTAINING_RECORD(first_dpc, KDPC, DpcListEntry);

        first_dpc = first_dpc->Next;
        if (!first_dpc)
                last_dpc = &first_dpc;
        dpc->ProcessorHistory = 0;
        return dpc;
}

/* The timer may be freed by its owner as soon as it is off the list and the lock is released. */
static void expire_locked(PKTIMER timer)
{
        RemoveEntryList(&timer->TimerListEntry);
        timer->TimerListEntry.Flink = NULL;
        if (timer->Period) {
                timer->DueTime.QuadPart += (ULONGLONG)timer->Period * 10000;
                insert_timer_locked(timer);
        } else {
                fm_ledger_remove(FM_LEDGER_TIMER, timer);
        }
        if (timer->Dpc && !timer->Dpc->ProcessorHistory)
                queue_dpc_locked(timer->Dpc);
        fm_dispatcher_signal(&timer->Header);
}

static void run_dpc_locked(PRKDPC dpc)
{
        PKDEFERRED_ROUTINE routine = dpc->DeferredRoutine;
        PVOID context = dpc->DeferredContext;
        PVOID first = dpc->SystemArgument1;
        PVOID second = dpc->SystemArgument2;
        struct fm_thread *self = fm_thread_self();

        dpc_running = true;
        self->filter = dpc->DpcData;
        self->callback = "a DPC routine";
        self->code = (const void *)routine;
        pthread_mutex_unlock(&timer_lock);
        self->irql = DISPATCH_LEVEL;
        routine(dpc, context, first, second);
        if (self->irql != DISPATCH_LEVEL || self->spin_locks_held)
                fm_violation_of(&(struct fm_culprit){self->filter, self->callback, NULL, self->code}, "irql",
                                "returned at IRQL %u with %u spin locks", self->irql, self->spin_locks_held);
        self->irql = PASSIVE_LEVEL;
        self->spin_locks_held = 0;
        self->filter = NULL;
        pthread_mutex_lock(&timer_lock);
        dpc_running = false;
        pthread_cond_broadcast(&dpc_idle);
}

static void *timer_main(void *unused)
{
        pthread_mutex_lock(&timer_lock);
        for (;;) {
                PKTIMER next = CONTAINING_RECORD(timers.Flink, KTIMER, TimerListEntry);

                if (first_dpc) {
                        run_dpc_locked(take_dpc_locked());
                } else if (IsListEmpty(&timers)) {
                        pthread_cond_wait(&timer_changed, &timer_lock);
                } else if ((int64_t)next->DueTime.QuadPart <= monotonic()) {
                        expire_locked(next);
                } else {
                        struct timespec due = {.tv_sec = (time_t)(next->DueTime.QuadPart / 10000000),
                                               .tv_nsec = (long)(next->DueTime.QuadPart % 10000000) * 100};

                        pthread_cond_timedwait(&timer_changed, &timer_lock, &due);
                }
        }
        return NULL;
}

static void start_timer_thread(void)
{
        pthread_condattr_t attributes;

        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&timer_changed, &attributes);
        pthread_condattr_destroy(&attributes);
        if (pthread_create(&timer_thread, NULL, timer_main, NULL) != 0)
                fm_bugcheck(0x1, "no thread for timers");
        pthread_setname_np(timer_thread, "nt-timer");
        pthread_detach(timer_thread);
}

VOID KeInitializeTimerEx(PKTIMER Timer, TIMER_TYPE Type)
{
        fm_check_irql(__func__, DISPATCH_LEVEL);
        fm_dispatcher_init(&Timer->Header,
                           Type == NotificationTimer ? FM_DISPATCHER_NOTIFICATION_TIMER
                                                     : FM_DISPATCHER_SYNCHRONIZATION_TIMER,
                           0);
        Timer->DueTime.QuadPart = 0;
        Timer->TimerListEntry.Flink = NULL;
        Timer->Dpc = NULL;
        Timer->Period = 0;
}

VOID KeInitializeTimer(PKTIMER Timer)
{
        KeInitializeTimerEx(Timer, NotificationTimer);
}

static bool cancel_timer_locked(PKTIMER timer)
{
        if (!timer->TimerListEntry.Flink)
                return false;
        RemoveEntryList(&timer->TimerListEntry);
        timer->TimerListEntry.Flink = NULL;
        fm_ledger_remove(FM_LEDGER_TIMER, timer);
        return true;
}

/* TRUE when the timer was running already. Negative: relative; positive: a system time. Period in
 * milliseconds. */
BOOLEAN KeSetTimerEx(PKTIMER Timer, LARGE_INTEGER DueTime, LONG Period, PKDPC Dpc)
{
        int64_t left = DueTime.QuadPart < 0 ? -DueTime.QuadPart : DueTime.QuadPart - fm_system_time();
        bool was_set;

        fm_check_irql(__func__, DISPATCH_LEVEL);
        pthread_once(&timer_once, start_timer_thread);
        pthread_mutex_lock(&timer_lock);
        was_set = cancel_timer_locked(Timer);
        Timer->Header.SignalState = 0;
        Timer->Dpc = Dpc;
        Timer->Period = Period > 0 ? (ULONG)Period : 0;
        Timer->DueTime.QuadPart = (ULONGLONG)(monotonic() + MAX(left, 0));
        if (Dpc)
                Dpc->DpcData = (PVOID)g_intern_string(fm_thread_self()->filter);
        insert_timer_locked(Timer);
        fm_ledger_add(FM_LEDGER_TIMER, Timer, __builtin_return_address(0));
        pthread_cond_signal(&timer_changed);
        pthread_mutex_unlock(&timer_lock);
        return was_set;
}

BOOLEAN KeSetTimer(PKTIMER Timer, LARGE_INTEGER DueTime, PKDPC Dpc)
{
        return KeSetTimerEx(Timer, DueTime, 0, Dpc);
}

BOOLEAN KeSetCoalescableTimer(PKTIMER Timer, LARGE_INTEGER DueTime, ULONG Period, ULONG TolerableDelay,
                              PKDPC Dpc)
{
        return KeSetTimerEx(Timer, DueTime, (LONG)Period, Dpc);
}

/* TRUE when it was running. Its DPC may still be queued or at work: KeFlushQueuedDpcs. */
BOOLEAN KeCancelTimer(PKTIMER Timer)
{
        bool was_set;

        fm_check_irql(__func__, DISPATCH_LEVEL);
        pthread_mutex_lock(&timer_lock);
        was_set = cancel_timer_locked(Timer);
        pthread_mutex_unlock(&timer_lock);
        return was_set;
}

BOOLEAN KeReadStateTimer(PKTIMER Timer)
{
        return __atomic_load_n(&Timer->Header.SignalState, __ATOMIC_ACQUIRE) != 0;
}

VOID KeInitializeDpc(PRKDPC Dpc, PKDEFERRED_ROUTINE DeferredRoutine, PVOID DeferredContext)
{
        *Dpc = (KDPC){.DeferredRoutine = DeferredRoutine, .DeferredContext = DeferredContext};
}

/* FALSE when it was queued already. Any IRQL. */
BOOLEAN KeInsertQueueDpc(PRKDPC Dpc, PVOID SystemArgument1, PVOID SystemArgument2)
{
        bool queue;

        pthread_once(&timer_once, start_timer_thread);
        pthread_mutex_lock(&timer_lock);
        queue = !Dpc->ProcessorHistory;
        if (queue) {
                Dpc->SystemArgument1 = SystemArgument1;
                Dpc->SystemArgument2 = SystemArgument2;
                Dpc->DpcData = (PVOID)g_intern_string(fm_thread_self()->filter);
                queue_dpc_locked(Dpc);
                pthread_cond_signal(&timer_changed);
        }
        pthread_mutex_unlock(&timer_lock);
        return queue;
}

BOOLEAN KeRemoveQueueDpc(PRKDPC Dpc)
{
        bool removed = false;

        pthread_mutex_lock(&timer_lock);
        for (PSINGLE_LIST_ENTRY *at = &first_dpc; *at; at = &(*at)->Next) {
                if (*at != &Dpc->DpcListEntry)
                        continue;
                *at = Dpc->DpcListEntry.Next;
                if (!*at)
                        last_dpc = at;
                Dpc->ProcessorHistory = 0;
                removed = true;
                pthread_cond_broadcast(&dpc_idle);
                break;
        }
        pthread_mutex_unlock(&timer_lock);
        return removed;
}

void fm_dpc_flush(void)
{
        pthread_mutex_lock(&timer_lock);
        while ((first_dpc || dpc_running) && !(timer_thread && pthread_equal(pthread_self(), timer_thread)))
                pthread_cond_wait(&dpc_idle, &timer_lock);
        pthread_mutex_unlock(&timer_lock);
}

VOID KeFlushQueuedDpcs(VOID)
{
        fm_check_irql("KeFlushQueuedDpcs", PASSIVE_LEVEL);
        fm_dpc_flush();
}

VOID KeQuerySystemTime(PLARGE_INTEGER CurrentTime)
{
        CurrentTime->QuadPart = fm_system_time();
}

VOID KeQuerySystemTimePrecise(PLARGE_INTEGER CurrentTime)
{
        CurrentTime->QuadPart = fm_system_time();
}

ULONG KeQueryTimeIncrement(VOID)
{
        return TICK;
}

VOID KeQueryTickCount(PLARGE_INTEGER CurrentCount)
{
        CurrentCount->QuadPart = monotonic() / TICK;
}

LARGE_INTEGER KeQueryPerformanceCounter(PLARGE_INTEGER PerformanceFrequency)
{
        LARGE_INTEGER counter;

        if (PerformanceFrequency)
                PerformanceFrequency->QuadPart = 10000000;
        counter.QuadPart = monotonic();
        return counter;
}

static ULONGLONG since_boot(void)
{
        struct timespec now;

        clock_gettime(CLOCK_BOOTTIME, &now);
        return (ULONGLONG)now.tv_sec * 10000000 + (ULONGLONG)now.tv_nsec / 100;
}

ULONGLONG KeQueryInterruptTime(VOID)
{
        return since_boot();
}

ULONGLONG KeQueryInterruptTimePrecise(PULONG64 QpcTimeStamp)
{
        if (QpcTimeStamp)
                *QpcTimeStamp = (ULONG64)monotonic();
        return since_boot();
}

ULONGLONG KeQueryUnbiasedInterruptTime(VOID)
{
        return (ULONGLONG)monotonic(); /* does not count sleep */
}

VOID KeStallExecutionProcessor(ULONG MicroSeconds)
{
        int64_t end = monotonic() + (int64_t)MicroSeconds * 10;

        while (monotonic() < end)
                YieldProcessor();
}

ULONG KeGetCurrentProcessorNumberEx(PPROCESSOR_NUMBER ProcNumber)
{
        int cpu = sched_getcpu();
        ULONG number = cpu < 0 ? 0 : (ULONG)cpu;

        if (ProcNumber) {
                ProcNumber->Group = (USHORT)(number / 64);
                ProcNumber->Number = (UCHAR)(number % 64);
                ProcNumber->Reserved = 0;
        }
        return number;
}

ULONG KeQueryActiveProcessorCountEx(USHORT GroupNumber)
{
        long count = sysconf(_SC_NPROCESSORS_ONLN);

        return count < 1 ? 1 : (ULONG)count;
}

ULONG KeQueryActiveProcessorCount(PKAFFINITY ActiveProcessors)
{
        ULONG count = KeQueryActiveProcessorCountEx(0);

        if (ActiveProcessors)
                *ActiveProcessors = count >= 64 ? ~(KAFFINITY)0 : ((KAFFINITY)1 << count) - 1;
        return MIN(count, 64);
}

ULONG KeQueryMaximumProcessorCountEx(USHORT GroupNumber)
{
        long count = sysconf(_SC_NPROCESSORS_CONF);

        return count < 1 ? 1 : (ULONG)count;
}

DECLSPEC_NORETURN VOID KeBugCheckEx(ULONG BugCheckCode, ULONG_PTR Parameter1, ULONG_PTR Parameter2,
                                    ULONG_PTR Parameter3, ULONG_PTR Parameter4)
{
        fm_bugcheck(BugCheckCode, "KeBugCheckEx (0x%zx, 0x%zx, 0x%zx, 0x%zx)", (size_t)Parameter1,
                    (size_t)Parameter2, (size_t)Parameter3, (size_t)Parameter4);
}

DECLSPEC_NORETURN VOID KeBugCheck(ULONG BugCheckCode)
{
        KeBugCheckEx(BugCheckCode, 0, 0, 0, 0);
}

/* Stacks here are as large as a process's: there is nothing to expand. */
NTSTATUS KeExpandKernelStackAndCallout(PEXPAND_STACK_CALLOUT Callout, PVOID Parameter, SIZE_T Size)
{
        fm_check_irql(__func__, APC_LEVEL);
        Callout(Parameter);
        return STATUS_SUCCESS;
}

NTSTATUS KeExpandKernelStackAndCalloutEx(PEXPAND_STACK_CALLOUT Callout, PVOID Parameter, SIZE_T Size,
                                         BOOLEAN Wait, PVOID Context)
{
        Callout(Parameter);
        return STATUS_SUCCESS;
}
