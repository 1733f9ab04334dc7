/* SPDX-License-Identifier: MIT */
/*
 * Dispatcher objects: events, semaphores, mutexes, and the waits for them.
 *
 * dispatcher_lock guards every header and every wait. A waiter sleeps on a futex word of its own, which
 * whoever ends the wait changes once, from WAITING to something else: that one change decides between an
 * object, the timeout and the end of the request. Nothing else is locked while dispatcher_lock is held.
 */
#include "nt/ke.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "nt/cancel.h"
#include "nt/thread.h"
#include "nt/verifier.h"

#define MAXIMUM_WAIT_OBJECTS_EXCEEDED 0xc

enum wait_state {
        WAITING,
        SATISFIED,
        TERMINATED,
        TIMED_OUT,
};

struct wait_block {
        LIST_ENTRY link; /* in header->WaitListHead */
        struct waiter *waiter;
        DISPATCHER_HEADER *header;
};

struct waiter {
        _Atomic uint32_t state; /* enum wait_state; the futex word */
        struct fm_thread *thread;
        struct fm_cancel_watch watch;
        WAIT_TYPE type;
        ULONG count;
        NTSTATUS status;
        struct wait_block *blocks;
};

static pthread_mutex_t dispatcher_lock = PTHREAD_MUTEX_INITIALIZER;

static void futex_wake(_Atomic uint32_t *word)
{
        syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

void fm_check_irql(const char *function, KIRQL highest)
{
        KIRQL irql = fm_thread_self()->irql;

        if (irql > highest)
                fm_violation("irql", "%s was called at IRQL %u, and is allowed up to %u", function, irql,
                             highest);
}

int64_t fm_system_time(void)
{
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        return now.tv_sec * INT64_C(10000000) + now.tv_nsec / 100 + FM_EPOCH_DIFFERENCE;
}

struct timespec fm_deadline(const LARGE_INTEGER *timeout)
{
        struct timespec at;
        int64_t left = timeout->QuadPart < 0
                               ? (timeout->QuadPart == INT64_MIN ? INT64_MAX : -timeout->QuadPart)
                               : timeout->QuadPart - fm_system_time();

        if (left < 0)
                left = 0;
        clock_gettime(CLOCK_MONOTONIC, &at);
        at.tv_sec += left / 10000000;
        at.tv_nsec += left % 10000000 * 100;
        if (at.tv_nsec >= 1000000000) {
                at.tv_sec++;
                at.tv_nsec -= 1000000000;
        }
        return at;
}

void fm_dispatcher_init(DISPATCHER_HEADER *header, enum fm_dispatcher_type type, LONG state)
{
        header->Lock = 0;
        header->Type = (UCHAR)type;
        header->SignalState = state;
        InitializeListHead(&header->WaitListHead);
}

static bool is_dispatcher_object_locked(const DISPATCHER_HEADER *header)
{
        switch (header->Type) {
        case FM_DISPATCHER_NOTIFICATION_EVENT:
        case FM_DISPATCHER_SYNCHRONIZATION_EVENT:
        case FM_DISPATCHER_MUTANT:
        case FM_DISPATCHER_PROCESS:
        case FM_DISPATCHER_SEMAPHORE:
        case FM_DISPATCHER_THREAD:
        case FM_DISPATCHER_NOTIFICATION_TIMER:
        case FM_DISPATCHER_SYNCHRONIZATION_TIMER:
                return header->WaitListHead.Flink != NULL;
        default:
                return false;
        }
}

/* The address of a thread's state stands for the thread: one requestor may have several threads working for
 * it. */
static struct _ETHREAD *owner_of(struct fm_thread *thread)
{
        return (struct _ETHREAD *)thread;
}

static bool is_signalled(DISPATCHER_HEADER *header, struct fm_thread *thread)
{
        if (header->Type == FM_DISPATCHER_MUTANT)
                return header->SignalState > 0 || ((KMUTANT *)header)->OwnerThread == owner_of(thread);
        return header->SignalState > 0;
}

static void consume(DISPATCHER_HEADER *header, struct fm_thread *thread)
{
        switch (header->Type) {
        case FM_DISPATCHER_SYNCHRONIZATION_EVENT:
        case FM_DISPATCHER_SYNCHRONIZATION_TIMER:
                header->SignalState = 0;
                break;
        case FM_DISPATCHER_SEMAPHORE:
                header->SignalState--;
                break;
        case FM_DISPATCHER_MUTANT:
                header->SignalState--;
                ((KMUTANT *)header)->OwnerThread = owner_of(thread);
                thread->mutexes_held++;
                break;
        default:
                break;
        }
}

/* STATUS_WAIT_0 + index of the object that ends the wait now, having taken what it takes; or STATUS_PENDING.
 */
static NTSTATUS try_satisfy_locked(struct waiter *waiter)
{
        if (waiter->type == WaitAny) {
                for (ULONG i = 0; i < waiter->count; i++) {
                        if (is_signalled(waiter->blocks[i].header, waiter->thread)) {
                                consume(waiter->blocks[i].header, waiter->thread);
                                return STATUS_WAIT_0 + (NTSTATUS)i;
                        }
                }
                return STATUS_PENDING;
        }
        for (ULONG i = 0; i < waiter->count; i++) {
                if (!is_signalled(waiter->blocks[i].header, waiter->thread))
                        return STATUS_PENDING;
        }
        for (ULONG i = 0; i < waiter->count; i++)
                consume(waiter->blocks[i].header, waiter->thread);
        return STATUS_WAIT_0;
}

static bool can_be_satisfied_locked(struct waiter *waiter)
{
        for (ULONG i = 0; i < waiter->count; i++) {
                bool signalled = is_signalled(waiter->blocks[i].header, waiter->thread);

                if (signalled != (waiter->type == WaitAll))
                        return signalled;
        }
        return waiter->type == WaitAll;
}

static void unlink_waiter_locked(struct waiter *waiter)
{
        for (ULONG i = 0; i < waiter->count; i++)
                RemoveEntryList(&waiter->blocks[i].link);
}

/* Gives what the object has to those who wait for it, oldest first. */
static void wake_waiters_locked(DISPATCHER_HEADER *header)
{
        LIST_ENTRY *link = header->WaitListHead.Flink;

        while (link != &header->WaitListHead && header->SignalState > 0) {
                struct waiter *waiter = CONTAINING_RECORD(link, struct wait_block, link)->waiter;
                uint32_t expected = WAITING;

                link = link->Flink;
                if (!can_be_satisfied_locked(waiter))
                        continue;
                /* Who has ended for another reason takes nothing; he unlinks himself. */
                if (!atomic_compare_exchange_strong(&waiter->state, &expected, SATISFIED))
                        continue;
                waiter->status = try_satisfy_locked(waiter);
                /* One waiter may wait for the same object twice: start again after unlinking. */
                unlink_waiter_locked(waiter);
                futex_wake(&waiter->state);
                link = header->WaitListHead.Flink;
        }
}

void fm_dispatcher_signal(DISPATCHER_HEADER *header)
{
        pthread_mutex_lock(&dispatcher_lock);
        header->SignalState = 1;
        wake_waiters_locked(header);
        pthread_mutex_unlock(&dispatcher_lock);
}

static void wake_terminated(struct fm_cancel_watch *watch)
{
        struct waiter *waiter = CONTAINING_RECORD(watch, struct waiter, watch);
        uint32_t expected = WAITING;

        if (atomic_compare_exchange_strong(&waiter->state, &expected, TERMINATED))
                futex_wake(&waiter->state);
}

static void sleep_until_ended(struct waiter *waiter, const struct timespec *deadline)
{
        while (atomic_load(&waiter->state) == WAITING) {
                uint32_t expected = WAITING;
                long result = syscall(SYS_futex, &waiter->state, FUTEX_WAIT_BITSET_PRIVATE, WAITING, deadline,
                                      NULL, FUTEX_BITSET_MATCH_ANY);

                if (result < 0 && errno == ETIMEDOUT)
                        atomic_compare_exchange_strong(&waiter->state, &expected, TIMED_OUT);
        }
}

static NTSTATUS wait_slowly(struct waiter *waiter, bool cancellable, const LARGE_INTEGER *timeout)
{
        struct fm_cancel *cancel = cancellable ? waiter->thread->cancel : NULL;
        struct timespec deadline;

        if (timeout)
                deadline = fm_deadline(timeout);
        /* Without the dispatcher lock: the watch is called under a lock of its own. */
        waiter->watch.wake = wake_terminated;
        if (!fm_cancel_watch(cancel, &waiter->watch)) {
                uint32_t expected = WAITING;

                atomic_compare_exchange_strong(&waiter->state, &expected, TERMINATED);
        }
        sleep_until_ended(waiter, timeout ? &deadline : NULL);
        fm_cancel_unwatch(cancel, &waiter->watch);

        /* Whoever satisfied the wait may still be at it. */
        pthread_mutex_lock(&dispatcher_lock);
        if (atomic_load(&waiter->state) != SATISFIED)
                unlink_waiter_locked(waiter);
        pthread_mutex_unlock(&dispatcher_lock);

        switch (atomic_load(&waiter->state)) {
        case SATISFIED:
                return waiter->status;
        case TERMINATED:
                return STATUS_THREAD_IS_TERMINATING;
        default:
                return STATUS_TIMEOUT;
        }
}

NTSTATUS fm_wait(ULONG count, PVOID objects[], WAIT_TYPE type, bool cancellable, const LARGE_INTEGER *timeout)
{
        struct wait_block blocks[MAXIMUM_WAIT_OBJECTS];
        struct waiter waiter = {.thread = fm_thread_self(), .type = type, .count = count, .blocks = blocks};
        bool poll = timeout && timeout->QuadPart == 0;
        NTSTATUS status;

        if (count == 0 || count > MAXIMUM_WAIT_OBJECTS || (type != WaitAll && type != WaitAny))
                fm_bugcheck(MAXIMUM_WAIT_OBJECTS_EXCEEDED, "a wait for %u objects of type %d", count, type);
        for (ULONG i = 0; i < count; i++) {
                blocks[i].waiter = &waiter;
                blocks[i].header = objects[i];
        }
        if (!poll) {
                if (waiter.thread->spin_locks_held)
                        fm_violation("wait-with-spin-lock", "a wait while a spin lock is held");
                else
                        fm_check_irql("a wait", APC_LEVEL);
        }

        pthread_mutex_lock(&dispatcher_lock);
        for (ULONG i = 0; i < count; i++) {
                if (is_dispatcher_object_locked(blocks[i].header))
                        continue;
                pthread_mutex_unlock(&dispatcher_lock);
                fm_violation("wait-object",
                             "a wait for something that is not an initialized dispatcher object (%p)",
                             objects[i]);
                return STATUS_INVALID_PARAMETER;
        }
        status = try_satisfy_locked(&waiter);
        if (status != STATUS_PENDING || poll) {
                pthread_mutex_unlock(&dispatcher_lock);
                return status == STATUS_PENDING ? STATUS_TIMEOUT : status;
        }
        for (ULONG i = 0; i < count; i++)
                InsertTailList(&blocks[i].header->WaitListHead, &blocks[i].link);
        pthread_mutex_unlock(&dispatcher_lock);
        return wait_slowly(&waiter, cancellable, timeout);
}

/*
 * STATUS_SUCCESS, STATUS_TIMEOUT; STATUS_USER_APC, which is NT_SUCCESS, when the caller of the I/O is being
 * killed and the wait is for UserMode or alertable; other waits go on. IRQL <= APC_LEVEL, any with a timeout
 * of 0 below HIGH.
 */
NTSTATUS KeWaitForSingleObject(PVOID Object, KWAIT_REASON WaitReason, KPROCESSOR_MODE WaitMode,
                               BOOLEAN Alertable, PLARGE_INTEGER Timeout)
{
        NTSTATUS status = fm_wait(1, &Object, WaitAny, WaitMode != KernelMode || Alertable, Timeout);

        return status == STATUS_THREAD_IS_TERMINATING ? STATUS_USER_APC : status;
}

/* As above for up to 64 objects; WaitAny gives STATUS_WAIT_0 + index. WaitBlockArray is not needed here. */
NTSTATUS KeWaitForMultipleObjects(ULONG Count, PVOID Object[], WAIT_TYPE WaitType, KWAIT_REASON WaitReason,
                                  KPROCESSOR_MODE WaitMode, BOOLEAN Alertable, PLARGE_INTEGER Timeout,
                                  PKWAIT_BLOCK WaitBlockArray)
{
        NTSTATUS status;

        /* On Windows the thread has room for three; more without an array is a bug check. */
        if (Count > THREAD_WAIT_OBJECTS && !WaitBlockArray)
                fm_violation("wait-blocks", "a wait for %u objects needs a WaitBlockArray", Count);
        status = fm_wait(Count, Object, WaitType, WaitMode != KernelMode || Alertable, Timeout);
        return status == STATUS_THREAD_IS_TERMINATING ? STATUS_USER_APC : status;
}

/* STATUS_SUCCESS after the time; STATUS_USER_APC as for the waits. IRQL <= APC_LEVEL. */
NTSTATUS KeDelayExecutionThread(KPROCESSOR_MODE WaitMode, BOOLEAN Alertable, PLARGE_INTEGER Interval)
{
        KEVENT never;
        NTSTATUS status;

        fm_check_irql("KeDelayExecutionThread", APC_LEVEL);
        KeInitializeEvent(&never, NotificationEvent, FALSE);
        status = KeWaitForSingleObject(&never, DelayExecution, WaitMode, Alertable, Interval);
        return status == STATUS_TIMEOUT ? STATUS_SUCCESS : status;
}

VOID KeInitializeEvent(PRKEVENT Event, EVENT_TYPE Type, BOOLEAN State)
{
        fm_dispatcher_init(&Event->Header,
                           Type == NotificationEvent ? FM_DISPATCHER_NOTIFICATION_EVENT
                                                     : FM_DISPATCHER_SYNCHRONIZATION_EVENT,
                           State != FALSE);
}

/* Returns the previous state. Wait is ignored: no scheduler depends on it. IRQL <= DISPATCH_LEVEL. */
LONG KeSetEvent(PRKEVENT Event, KPRIORITY Increment, BOOLEAN Wait)
{
        LONG before = 0;
        bool valid;

        pthread_mutex_lock(&dispatcher_lock);
        valid = is_dispatcher_object_locked(&Event->Header);
        if (valid) {
                before = Event->Header.SignalState;
                Event->Header.SignalState = 1;
                wake_waiters_locked(&Event->Header);
        }
        pthread_mutex_unlock(&dispatcher_lock);
        if (!valid)
                fm_violation("event-object", "KeSetEvent of an event that was not initialized (%p)",
                             (void *)Event);
        return before;
}

LONG KeResetEvent(PRKEVENT Event)
{
        LONG before;

        fm_check_irql(__func__, DISPATCH_LEVEL);
        pthread_mutex_lock(&dispatcher_lock);
        before = Event->Header.SignalState;
        Event->Header.SignalState = 0;
        pthread_mutex_unlock(&dispatcher_lock);
        return before;
}

VOID KeClearEvent(PRKEVENT Event)
{
        KeResetEvent(Event);
}

LONG KePulseEvent(PRKEVENT Event, KPRIORITY Increment, BOOLEAN Wait)
{
        LONG before;

        fm_check_irql(__func__, DISPATCH_LEVEL);
        pthread_mutex_lock(&dispatcher_lock);
        before = Event->Header.SignalState;
        Event->Header.SignalState = 1;
        wake_waiters_locked(&Event->Header);
        Event->Header.SignalState = 0;
        pthread_mutex_unlock(&dispatcher_lock);
        return before;
}

static LONG read_state(DISPATCHER_HEADER *header)
{
        return __atomic_load_n(&header->SignalState, __ATOMIC_ACQUIRE);
}

LONG KeReadStateEvent(PRKEVENT Event)
{
        return read_state(&Event->Header);
}

VOID KeInitializeSemaphore(PRKSEMAPHORE Semaphore, LONG Count, LONG Limit)
{
        fm_check_irql(__func__, PASSIVE_LEVEL);
        fm_dispatcher_init(&Semaphore->Header, FM_DISPATCHER_SEMAPHORE, Count);
        Semaphore->Limit = Limit;
}

/* Returns the previous count. Raises STATUS_SEMAPHORE_LIMIT_EXCEEDED. IRQL <= DISPATCH_LEVEL. */
LONG KeReleaseSemaphore(PRKSEMAPHORE Semaphore, KPRIORITY Increment, LONG Adjustment, BOOLEAN Wait)
{
        LONG before;

        pthread_mutex_lock(&dispatcher_lock);
        before = Semaphore->Header.SignalState;
        if (Adjustment < 0 || Adjustment > Semaphore->Limit - before) {
                pthread_mutex_unlock(&dispatcher_lock);
                ExRaiseStatus(STATUS_SEMAPHORE_LIMIT_EXCEEDED);
        }
        Semaphore->Header.SignalState = before + Adjustment;
        wake_waiters_locked(&Semaphore->Header);
        pthread_mutex_unlock(&dispatcher_lock);
        return before;
}

LONG KeReadStateSemaphore(PRKSEMAPHORE Semaphore)
{
        return read_state(&Semaphore->Header);
}

VOID KeInitializeMutex(PRKMUTEX Mutex, ULONG Level)
{
        fm_dispatcher_init(&Mutex->Header, FM_DISPATCHER_MUTANT, 1);
        InitializeListHead(&Mutex->MutantListEntry);
        Mutex->OwnerThread = NULL;
        Mutex->MutantFlags = 0;
        Mutex->ApcDisable = 1;
}

/* Returns the previous state. Raises STATUS_MUTANT_NOT_OWNED when another thread owns it. */
LONG KeReleaseMutex(PRKMUTEX Mutex, BOOLEAN Wait)
{
        struct fm_thread *self = fm_thread_self();
        LONG before;

        fm_check_irql(__func__, DISPATCH_LEVEL);
        pthread_mutex_lock(&dispatcher_lock);
        before = Mutex->Header.SignalState;
        if (Mutex->OwnerThread != owner_of(self)) {
                pthread_mutex_unlock(&dispatcher_lock);
                ExRaiseStatus(STATUS_MUTANT_NOT_OWNED);
        }
        if (self->mutexes_held)
                self->mutexes_held--;
        Mutex->Header.SignalState = before + 1;
        if (Mutex->Header.SignalState > 0)
                Mutex->OwnerThread = NULL;
        wake_waiters_locked(&Mutex->Header);
        pthread_mutex_unlock(&dispatcher_lock);
        return before;
}

LONG KeReadStateMutex(PRKMUTEX Mutex)
{
        return read_state(&Mutex->Header);
}
