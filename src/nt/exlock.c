/* SPDX-License-Identifier: MIT */
/*
 * Fast mutexes, push locks and rundown protection: the locks that are a word or little more.
 *
 * A fast mutex is a futex. A push lock is one word without an end of life, so what its waiters need lies in a
 * table that addresses hash into; locks that meet in one place of it share their wake-ups, nothing else.
 */
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "nt/ke.h"
#include "nt/rundown.h"
#include "nt/thread.h"
#include "nt/verifier.h"

/* FAST_MUTEX.Count: 1 free, 0 held, below 0 held and waited for. */
VOID ExInitializeFastMutex(PFAST_MUTEX FastMutex)
{
        fm_check_irql(__func__, DISPATCH_LEVEL);
        memset(FastMutex, 0, sizeof(*FastMutex));
        FastMutex->Count = 1;
        KeInitializeEvent(&FastMutex->Event, SynchronizationEvent, FALSE);
}

static void own_fast_mutex(PFAST_MUTEX mutex)
{
        struct fm_thread *self = fm_thread_self();

        __atomic_store_n(&mutex->Owner, self, __ATOMIC_RELAXED);
        self->fast_mutexes_held++;
}

static bool try_fast_mutex(PFAST_MUTEX mutex)
{
        if (InterlockedCompareExchange(&mutex->Count, 0, 1) != 1)
                return false;
        own_fast_mutex(mutex);
        return true;
}

static void acquire_fast_mutex(PFAST_MUTEX mutex)
{
        if (try_fast_mutex(mutex))
                return;
        if (__atomic_load_n(&mutex->Owner, __ATOMIC_RELAXED) == fm_thread_self())
                fm_bugcheck(0xc4, "deadlock: fast mutex %p is acquired by the thread that holds it",
                            (void *)mutex);
        __atomic_fetch_add(&mutex->Contention, 1, __ATOMIC_RELAXED);
        while (InterlockedExchange(&mutex->Count, -1) != 1)
                syscall(SYS_futex, &mutex->Count, FUTEX_WAIT_PRIVATE, -1, NULL, NULL, 0);
        own_fast_mutex(mutex);
}

static void release_fast_mutex(PFAST_MUTEX mutex)
{
        if (__atomic_load_n(&mutex->Owner, __ATOMIC_RELAXED) != fm_thread_self()) {
                fm_violation("mutex-not-owned", "fast mutex %p is released by a thread that does not hold it",
                             (void *)mutex);
                return;
        }
        __atomic_store_n(&mutex->Owner, NULL, __ATOMIC_RELAXED);
        if (fm_thread_self()->fast_mutexes_held)
                fm_thread_self()->fast_mutexes_held--;
        if (InterlockedExchange(&mutex->Count, 1) < 0)
                syscall(SYS_futex, &mutex->Count, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* Raises to APC_LEVEL until the release. IRQL <= APC_LEVEL. Not recursive. */
VOID ExAcquireFastMutex(PFAST_MUTEX FastMutex)
{
        KIRQL before;

        fm_check_irql("ExAcquireFastMutex", APC_LEVEL);
        before = fm_thread_self()->irql;
        fm_thread_self()->irql = APC_LEVEL;
        acquire_fast_mutex(FastMutex);
        FastMutex->OldIrql = before;
}

VOID ExReleaseFastMutex(PFAST_MUTEX FastMutex)
{
        KIRQL before = (KIRQL)FastMutex->OldIrql;

        fm_check_irql(__func__, APC_LEVEL);
        release_fast_mutex(FastMutex);
        fm_thread_self()->irql = before;
}

BOOLEAN ExTryToAcquireFastMutex(PFAST_MUTEX FastMutex)
{
        KIRQL before = fm_thread_self()->irql;

        fm_check_irql("ExTryToAcquireFastMutex", APC_LEVEL);
        if (!try_fast_mutex(FastMutex))
                return FALSE;
        FastMutex->OldIrql = before;
        fm_thread_self()->irql = APC_LEVEL;
        return TRUE;
}

VOID ExAcquireFastMutexUnsafe(PFAST_MUTEX FastMutex)
{
        fm_check_irql(__func__, APC_LEVEL);
        if (!KeAreApcsDisabled())
                fm_violation("critical-region",
                             "ExAcquireFastMutexUnsafe outside a critical region and below APC_LEVEL");
        acquire_fast_mutex(FastMutex);
}

VOID ExReleaseFastMutexUnsafe(PFAST_MUTEX FastMutex)
{
        fm_check_irql(__func__, APC_LEVEL);
        release_fast_mutex(FastMutex);
}

VOID KeInitializeGuardedMutex(PKGUARDED_MUTEX Mutex)
{
        fm_check_irql(__func__, APC_LEVEL);
        ExInitializeFastMutex(Mutex);
}

VOID KeAcquireGuardedMutex(PKGUARDED_MUTEX Mutex)
{
        KeEnterGuardedRegion();
        acquire_fast_mutex(Mutex);
}

VOID KeReleaseGuardedMutex(PKGUARDED_MUTEX Mutex)
{
        fm_check_irql(__func__, APC_LEVEL);
        release_fast_mutex(Mutex);
        KeLeaveGuardedRegion();
}

BOOLEAN KeTryToAcquireGuardedMutex(PKGUARDED_MUTEX Mutex)
{
        KeEnterGuardedRegion();
        if (try_fast_mutex(Mutex))
                return TRUE;
        KeLeaveGuardedRegion();
        return FALSE;
}

VOID KeAcquireGuardedMutexUnsafe(PKGUARDED_MUTEX Mutex)
{
        fm_check_irql(__func__, APC_LEVEL);
        acquire_fast_mutex(Mutex);
}

VOID KeReleaseGuardedMutexUnsafe(PKGUARDED_MUTEX Mutex)
{
        fm_check_irql(__func__, APC_LEVEL);
        release_fast_mutex(Mutex);
}

/* Push locks. The word: readers inside (32 bits), writers waiting (31 bits), a writer inside (1 bit). */
#define PUSH_WRITER  ((ULONG_PTR)1 << 63)
#define PUSH_WAITER  ((ULONG_PTR)1 << 32)
#define PUSH_WAITERS (PUSH_WRITER - PUSH_WAITER)
#define PUSH_READERS (PUSH_WAITER - 1)
#define BUCKETS      64

static struct bucket {
        pthread_mutex_t lock; /* guards the words that hash here */
        pthread_cond_t changed;
} buckets[BUCKETS] = {[0 ... BUCKETS - 1] = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER}};

static struct bucket *bucket_of(const volatile void *address)
{
        return &buckets[((uintptr_t)address >> 4 ^ (uintptr_t)address >> 12) % BUCKETS];
}

VOID ExInitializePushLock(PEX_PUSH_LOCK PushLock)
{
        *PushLock = 0;
}

static void check_push_lock(const char *function)
{
        fm_check_irql(function, APC_LEVEL);
        if (!KeAreApcsDisabled())
                fm_violation("critical-region", "%s outside a critical region", function);
}

VOID ExAcquirePushLockExclusiveEx(PEX_PUSH_LOCK PushLock, ULONG Flags)
{
        struct bucket *bucket = bucket_of(PushLock);

        check_push_lock("ExAcquirePushLockExclusive");
        pthread_mutex_lock(&bucket->lock);
        *PushLock += PUSH_WAITER;
        while (*PushLock & (PUSH_WRITER | PUSH_READERS))
                pthread_cond_wait(&bucket->changed, &bucket->lock);
        *PushLock = (*PushLock - PUSH_WAITER) | PUSH_WRITER;
        pthread_mutex_unlock(&bucket->lock);
        fm_thread_self()->push_locks_held++;
}

VOID ExAcquirePushLockSharedEx(PEX_PUSH_LOCK PushLock, ULONG Flags)
{
        struct bucket *bucket = bucket_of(PushLock);

        check_push_lock("ExAcquirePushLockShared");
        pthread_mutex_lock(&bucket->lock);
        /* Not past a writer who waits, or readers could keep him out for ever. */
        while (*PushLock & (PUSH_WRITER | PUSH_WAITERS))
                pthread_cond_wait(&bucket->changed, &bucket->lock);
        *PushLock += 1;
        pthread_mutex_unlock(&bucket->lock);
        fm_thread_self()->push_locks_held++;
}

static void count_push_lock_release(void)
{
        struct fm_thread *self = fm_thread_self();

        /* It may have been acquired by another thread, which push locks allow. */
        if (self->push_locks_held)
                self->push_locks_held--;
}

VOID ExReleasePushLockExclusiveEx(PEX_PUSH_LOCK PushLock, ULONG Flags)
{
        struct bucket *bucket = bucket_of(PushLock);

        fm_check_irql("ExReleasePushLockExclusive", APC_LEVEL);
        pthread_mutex_lock(&bucket->lock);
        if (*PushLock & PUSH_WRITER)
                *PushLock &= ~PUSH_WRITER;
        else
                fm_violation("push-lock-not-owned", "push lock %p is released, and is not held",
                             (void *)PushLock);
        pthread_cond_broadcast(&bucket->changed);
        pthread_mutex_unlock(&bucket->lock);
        count_push_lock_release();
}

VOID ExReleasePushLockSharedEx(PEX_PUSH_LOCK PushLock, ULONG Flags)
{
        struct bucket *bucket = bucket_of(PushLock);

        fm_check_irql("ExReleasePushLockShared", APC_LEVEL);
        pthread_mutex_lock(&bucket->lock);
        if (*PushLock & PUSH_READERS)
                *PushLock -= 1;
        else
                fm_violation("push-lock-not-owned", "push lock %p is released, and is not held",
                             (void *)PushLock);
        if (!(*PushLock & PUSH_READERS))
                pthread_cond_broadcast(&bucket->changed);
        pthread_mutex_unlock(&bucket->lock);
        count_push_lock_release();
}

/* Rundown protection: the simulator's own, in the first half of the word. */
_Static_assert(sizeof(struct fm_rundown) <= sizeof(EX_RUNDOWN_REF), "fits");

static struct fm_rundown *rundown_of(PEX_RUNDOWN_REF reference)
{
        return (struct fm_rundown *)reference;
}

VOID ExInitializeRundownProtection(PEX_RUNDOWN_REF RunRef)
{
        fm_check_irql(__func__, APC_LEVEL);
        RunRef->Count = 0;
        fm_rundown_init(rundown_of(RunRef));
}

VOID ExReInitializeRundownProtection(PEX_RUNDOWN_REF RunRef)
{
        ExInitializeRundownProtection(RunRef);
}

BOOLEAN ExAcquireRundownProtection(PEX_RUNDOWN_REF RunRef)
{
        fm_check_irql(__func__, DISPATCH_LEVEL);
        return fm_rundown_acquire(rundown_of(RunRef));
}

BOOLEAN ExAcquireRundownProtectionEx(PEX_RUNDOWN_REF RunRef, ULONG Count)
{
        fm_check_irql(__func__, DISPATCH_LEVEL);
        for (ULONG i = 0; i < Count; i++) {
                if (!fm_rundown_acquire(rundown_of(RunRef))) {
                        ExReleaseRundownProtectionEx(RunRef, i);
                        return FALSE;
                }
        }
        return TRUE;
}

VOID ExReleaseRundownProtection(PEX_RUNDOWN_REF RunRef)
{
        fm_check_irql(__func__, DISPATCH_LEVEL);
        if (fm_rundown_inside(rundown_of(RunRef)) == 0) {
                fm_violation("rundown-release", "rundown protection %p is released more often than acquired",
                             (void *)RunRef);
                return;
        }
        fm_rundown_release(rundown_of(RunRef));
}

VOID ExReleaseRundownProtectionEx(PEX_RUNDOWN_REF RunRef, ULONG Count)
{
        for (ULONG i = 0; i < Count; i++)
                ExReleaseRundownProtection(RunRef);
}

VOID ExRundownCompleted(PEX_RUNDOWN_REF RunRef)
{
        fm_check_irql(__func__, APC_LEVEL);
        fm_rundown_close(rundown_of(RunRef));
}

VOID ExWaitForRundownProtectionRelease(PEX_RUNDOWN_REF RunRef)
{
        fm_check_irql("ExWaitForRundownProtectionRelease", APC_LEVEL);
        fm_rundown_wait(rundown_of(RunRef));
}

/* Interlocked lists of the S kind: Alignment counts, Region points. */
VOID InitializeSListHead(PSLIST_HEADER SListHead)
{
        memset(SListHead, 0, sizeof(*SListHead));
}

PSLIST_ENTRY ExpInterlockedPushEntrySList(PSLIST_HEADER ListHead, PSLIST_ENTRY ListEntry)
{
        struct bucket *bucket = bucket_of(ListHead);
        PSLIST_ENTRY before;

        pthread_mutex_lock(&bucket->lock);
        before = (PSLIST_ENTRY)(ULONG_PTR)ListHead->Region;
        ListEntry->Next = before;
        ListHead->Region = (ULONG_PTR)ListEntry;
        ListHead->Alignment++;
        pthread_mutex_unlock(&bucket->lock);
        return before;
}

PSLIST_ENTRY ExpInterlockedPopEntrySList(PSLIST_HEADER ListHead)
{
        struct bucket *bucket = bucket_of(ListHead);
        PSLIST_ENTRY first;

        pthread_mutex_lock(&bucket->lock);
        first = (PSLIST_ENTRY)(ULONG_PTR)ListHead->Region;
        if (first) {
                ListHead->Region = (ULONG_PTR)first->Next;
                ListHead->Alignment--;
        }
        pthread_mutex_unlock(&bucket->lock);
        return first;
}

PSLIST_ENTRY ExpInterlockedFlushSList(PSLIST_HEADER ListHead)
{
        struct bucket *bucket = bucket_of(ListHead);
        PSLIST_ENTRY first;

        pthread_mutex_lock(&bucket->lock);
        first = (PSLIST_ENTRY)(ULONG_PTR)ListHead->Region;
        ListHead->Region = 0;
        ListHead->Alignment = 0;
        pthread_mutex_unlock(&bucket->lock);
        return first;
}

USHORT ExQueryDepthSList(PSLIST_HEADER SListHead)
{
        return (USHORT)SListHead->Alignment;
}
