/* SPDX-License-Identifier: MIT */
/*
 * IRQL, critical regions and spin locks.
 *
 * The IRQL is a number per thread that nothing obeys but the checks. A spin lock sleeps on a futex after a
 * short spin, since its owner may not be running; its upper half holds the owner, to tell a deadlock from a
 * wait.
 */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "nt/ke.h"
#include "nt/thread.h"
#include "nt/verifier.h"

#define SPIN_LOCK_ALREADY_OWNED   0xf
#define IRQL_NOT_GREATER_OR_EQUAL 0x9
#define IRQL_NOT_LESS_OR_EQUAL    0xa
#define SPINS                     100

enum spin_state {
        SPIN_FREE,
        SPIN_HELD,
        SPIN_CONTENDED, /* held, and somebody sleeps */
};

struct spin_lock {
        _Atomic uint32_t state;
        _Atomic uint32_t owner; /* thread id, for the diagnosis only */
};

_Static_assert(sizeof(struct spin_lock) == sizeof(KSPIN_LOCK), "a spin lock is one word");

static uint32_t thread_id(void)
{
        static __thread uint32_t id;

        if (!id)
                id = (uint32_t)syscall(SYS_gettid);
        return id;
}

KIRQL KeGetCurrentIrql(VOID)
{
        return fm_thread_self()->irql;
}

KIRQL KfRaiseIrql(KIRQL NewIrql)
{
        struct fm_thread *self = fm_thread_self();
        KIRQL before = self->irql;

        if (NewIrql < before)
                fm_violation("irql", "KeRaiseIrql from %u down to %u", before, NewIrql);
        self->irql = NewIrql;
        return before;
}

VOID KeLowerIrql(KIRQL NewIrql)
{
        struct fm_thread *self = fm_thread_self();

        if (NewIrql > self->irql)
                fm_violation("irql", "KeLowerIrql from %u up to %u", self->irql, NewIrql);
        self->irql = NewIrql;
}

VOID KeInitializeSpinLock(PKSPIN_LOCK SpinLock)
{
        *SpinLock = 0;
}

static bool take(struct spin_lock *lock, uint32_t state)
{
        uint32_t expected = SPIN_FREE;

        return atomic_compare_exchange_strong(&lock->state, &expected, state);
}

static void acquire(PKSPIN_LOCK word)
{
        struct spin_lock *lock = (struct spin_lock *)word;

        if (!take(lock, SPIN_HELD)) {
                if (atomic_load(&lock->owner) == thread_id())
                        fm_bugcheck(SPIN_LOCK_ALREADY_OWNED,
                                    "spin lock %p is acquired by the thread that holds it", (void *)word);
                for (int i = 0; i < SPINS; i++) {
                        YieldProcessor();
                        if (take(lock, SPIN_HELD))
                                goto taken;
                }
                while (atomic_exchange(&lock->state, SPIN_CONTENDED) != SPIN_FREE)
                        syscall(SYS_futex, &lock->state, FUTEX_WAIT_PRIVATE, SPIN_CONTENDED, NULL, NULL, 0);
        }
taken:
        atomic_store(&lock->owner, thread_id());
        fm_thread_self()->spin_locks_held++;
}

static void release(PKSPIN_LOCK word)
{
        struct spin_lock *lock = (struct spin_lock *)word;
        struct fm_thread *self = fm_thread_self();

        if (atomic_load(&lock->state) == SPIN_FREE || atomic_load(&lock->owner) != thread_id()) {
                fm_violation("spin-lock-not-owned",
                             "spin lock %p is released by a thread that does not hold it", (void *)word);
                return;
        }
        if (self->spin_locks_held)
                self->spin_locks_held--;
        atomic_store(&lock->owner, 0);
        if (atomic_exchange(&lock->state, SPIN_FREE) == SPIN_CONTENDED)
                syscall(SYS_futex, &lock->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* Raises to DISPATCH_LEVEL; returns the IRQL to give to KeReleaseSpinLock. IRQL <= DISPATCH_LEVEL. */
KIRQL KeAcquireSpinLockRaiseToDpc(PKSPIN_LOCK SpinLock)
{
        KIRQL before = KfRaiseIrql(DISPATCH_LEVEL);

        acquire(SpinLock);
        return before;
}

VOID KeReleaseSpinLock(PKSPIN_LOCK SpinLock, KIRQL NewIrql)
{
        release(SpinLock);
        KeLowerIrql(NewIrql);
}

static void check_at_dispatch(const char *function)
{
        KIRQL irql = KeGetCurrentIrql();

        if (irql < DISPATCH_LEVEL)
                fm_violation("irql", "%s was called at IRQL %u, below DISPATCH_LEVEL", function, irql);
}

VOID KeAcquireSpinLockAtDpcLevel(PKSPIN_LOCK SpinLock)
{
        check_at_dispatch("KeAcquireSpinLockAtDpcLevel");
        acquire(SpinLock);
}

VOID KeReleaseSpinLockFromDpcLevel(PKSPIN_LOCK SpinLock)
{
        release(SpinLock);
}

BOOLEAN KeTryToAcquireSpinLockAtDpcLevel(PKSPIN_LOCK SpinLock)
{
        struct spin_lock *lock = (struct spin_lock *)SpinLock;

        check_at_dispatch("KeTryToAcquireSpinLockAtDpcLevel");
        if (!take(lock, SPIN_HELD))
                return FALSE;
        atomic_store(&lock->owner, thread_id());
        fm_thread_self()->spin_locks_held++;
        return TRUE;
}

VOID KeAcquireInStackQueuedSpinLock(PKSPIN_LOCK SpinLock, PKLOCK_QUEUE_HANDLE LockHandle)
{
        LockHandle->LockQueue.Next = NULL;
        LockHandle->LockQueue.Lock = SpinLock;
        LockHandle->OldIrql = KeAcquireSpinLockRaiseToDpc(SpinLock);
}

VOID KeReleaseInStackQueuedSpinLock(PKLOCK_QUEUE_HANDLE LockHandle)
{
        KeReleaseSpinLock(LockHandle->LockQueue.Lock, LockHandle->OldIrql);
}

VOID KeAcquireInStackQueuedSpinLockAtDpcLevel(PKSPIN_LOCK SpinLock, PKLOCK_QUEUE_HANDLE LockHandle)
{
        LockHandle->LockQueue.Next = NULL;
        LockHandle->LockQueue.Lock = SpinLock;
        LockHandle->OldIrql = KeGetCurrentIrql();
        KeAcquireSpinLockAtDpcLevel(SpinLock);
}

VOID KeReleaseInStackQueuedSpinLockFromDpcLevel(PKLOCK_QUEUE_HANDLE LockHandle)
{
        KeReleaseSpinLockFromDpcLevel(LockHandle->LockQueue.Lock);
}

#define READERS_LIMIT 0x7fffffff
#define WRITER        ((LONG)0x80000000)

static void enter_shared(PEX_SPIN_LOCK lock)
{
        for (unsigned tries = 0;; tries++) {
                LONG value = __atomic_load_n(lock, __ATOMIC_RELAXED);

                if (value >= 0 && value < READERS_LIMIT &&
                    InterlockedCompareExchange(lock, value + 1, value) == value)
                        return;
                if (tries > SPINS)
                        sched_yield();
        }
}

KIRQL ExAcquireSpinLockShared(PEX_SPIN_LOCK SpinLock)
{
        KIRQL before = KfRaiseIrql(DISPATCH_LEVEL);

        enter_shared(SpinLock);
        fm_thread_self()->spin_locks_held++;
        return before;
}

VOID ExReleaseSpinLockShared(PEX_SPIN_LOCK SpinLock, KIRQL OldIrql)
{
        fm_thread_self()->spin_locks_held--;
        InterlockedDecrement(SpinLock);
        KeLowerIrql(OldIrql);
}

KIRQL ExAcquireSpinLockExclusive(PEX_SPIN_LOCK SpinLock)
{
        KIRQL before = KfRaiseIrql(DISPATCH_LEVEL);

        for (unsigned tries = 0; InterlockedCompareExchange(SpinLock, WRITER, 0) != 0; tries++) {
                if (tries > SPINS)
                        sched_yield();
        }
        fm_thread_self()->spin_locks_held++;
        return before;
}

VOID ExReleaseSpinLockExclusive(PEX_SPIN_LOCK SpinLock, KIRQL OldIrql)
{
        fm_thread_self()->spin_locks_held--;
        InterlockedExchange(SpinLock, 0);
        KeLowerIrql(OldIrql);
}

VOID KeEnterCriticalRegion(VOID)
{
        fm_check_irql(__func__, APC_LEVEL);
        fm_thread_self()->critical_regions++;
}

VOID KeLeaveCriticalRegion(VOID)
{
        struct fm_thread *self = fm_thread_self();

        fm_check_irql(__func__, APC_LEVEL);
        if (self->critical_regions == 0)
                fm_violation("critical-region", "KeLeaveCriticalRegion without KeEnterCriticalRegion");
        else
                self->critical_regions--;
}

/* A guarded region disables special kernel APCs too; no APC of any kind exists here. */
VOID KeEnterGuardedRegion(VOID)
{
        KeEnterCriticalRegion();
        fm_thread_self()->guarded_regions++;
}

VOID KeLeaveGuardedRegion(VOID)
{
        struct fm_thread *self = fm_thread_self();

        if (self->guarded_regions)
                self->guarded_regions--;
        KeLeaveCriticalRegion();
}

/* A mutex disables them as well. */
BOOLEAN KeAreApcsDisabled(VOID)
{
        const struct fm_thread *self = fm_thread_self();

        return self->critical_regions > 0 || self->mutexes_held > 0 || self->irql >= APC_LEVEL;
}

/* Only what disables special kernel APCs too counts: guarded regions, and the IRQL. */
BOOLEAN KeAreAllApcsDisabled(VOID)
{
        return fm_thread_self()->guarded_regions > 0 || KeGetCurrentIrql() >= APC_LEVEL;
}
