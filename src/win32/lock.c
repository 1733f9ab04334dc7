/* SPDX-License-Identifier: MIT */
/*
 * Locks within the process: critical sections, SRW locks, condition variables, on futexes. None allocates, so
 * all may start as zero bits and be forgotten without a destructor.
 */
#include "win32/futex.h"
#include "win32/wait.h"

#include <limits.h>
#include <string.h>

/* The words live in documented structures with plain types. */
static _Atomic uint32_t *word_of(void *field)
{
        return (_Atomic uint32_t *)field;
}

/* A futex lock: 0 free, 1 taken, 2 taken and perhaps waited for. */
static bool try_lock(_Atomic uint32_t *word)
{
        uint32_t free_value = 0;

        return atomic_compare_exchange_strong_explicit(word, &free_value, 1, memory_order_acquire,
                                                       memory_order_relaxed);
}

static void lock(_Atomic uint32_t *word)
{
        if (try_lock(word))
                return;
        while (atomic_exchange_explicit(word, 2, memory_order_acquire) != 0)
                fm_futex_wait(word, 2, UINT64_MAX);
}

static void unlock(_Atomic uint32_t *word)
{
        if (atomic_exchange_explicit(word, 0, memory_order_release) == 2)
                fm_futex_wake(word, 1);
}

static HANDLE owner_of(LPCRITICAL_SECTION section)
{
        return __atomic_load_n(&section->OwningThread, __ATOMIC_RELAXED);
}

static HANDLE self(void)
{
        return (HANDLE)(uintptr_t)GetCurrentThreadId();
}

VOID WINAPI InitializeCriticalSection(LPCRITICAL_SECTION lpCriticalSection)
{
        memset(lpCriticalSection, 0, sizeof(*lpCriticalSection));
}

BOOL WINAPI InitializeCriticalSectionAndSpinCount(LPCRITICAL_SECTION lpCriticalSection, DWORD dwSpinCount)
{
        InitializeCriticalSection(lpCriticalSection);
        return TRUE;
}

BOOL WINAPI InitializeCriticalSectionEx(LPCRITICAL_SECTION lpCriticalSection, DWORD dwSpinCount, DWORD Flags)
{
        InitializeCriticalSection(lpCriticalSection);
        return TRUE;
}

VOID WINAPI DeleteCriticalSection(LPCRITICAL_SECTION lpCriticalSection)
{
        memset(lpCriticalSection, 0, sizeof(*lpCriticalSection));
}

BOOL WINAPI TryEnterCriticalSection(LPCRITICAL_SECTION lpCriticalSection)
{
        if (owner_of(lpCriticalSection) != self()) {
                if (!try_lock(word_of(&lpCriticalSection->LockCount)))
                        return FALSE;
                __atomic_store_n(&lpCriticalSection->OwningThread, self(), __ATOMIC_RELAXED);
        }
        lpCriticalSection->RecursionCount++;
        return TRUE;
}

VOID WINAPI EnterCriticalSection(LPCRITICAL_SECTION lpCriticalSection)
{
        if (owner_of(lpCriticalSection) != self()) {
                lock(word_of(&lpCriticalSection->LockCount));
                __atomic_store_n(&lpCriticalSection->OwningThread, self(), __ATOMIC_RELAXED);
        }
        lpCriticalSection->RecursionCount++;
}

VOID WINAPI LeaveCriticalSection(LPCRITICAL_SECTION lpCriticalSection)
{
        if (--lpCriticalSection->RecursionCount > 0)
                return;
        __atomic_store_n(&lpCriticalSection->OwningThread, NULL, __ATOMIC_RELAXED);
        unlock(word_of(&lpCriticalSection->LockCount));
}

/*
 * SRW lock: the low half of Ptr counts holders (UINT32_MAX: one exclusive holder), the high half counts
 * those who sleep. Nobody is queued: a release lets everybody try again.
 */
struct srw {
        _Atomic uint32_t holders;
        _Atomic uint32_t sleepers;
};

_Static_assert(sizeof(struct srw) == sizeof(SRWLOCK), "an SRW lock is one pointer");

static struct srw *srw_of(PSRWLOCK lock_pointer)
{
        return (struct srw *)lock_pointer;
}

static bool srw_try(struct srw *srw, bool exclusive, uint32_t *seen)
{
        *seen = atomic_load_explicit(&srw->holders, memory_order_relaxed);
        for (;;) {
                if (*seen == UINT32_MAX || (exclusive && *seen != 0))
                        return false;
                if (atomic_compare_exchange_weak_explicit(&srw->holders, seen,
                                                          exclusive ? UINT32_MAX : *seen + 1,
                                                          memory_order_seq_cst, memory_order_relaxed))
                        return true;
        }
}

static void srw_acquire(struct srw *srw, bool exclusive)
{
        uint32_t seen;

        while (!srw_try(srw, exclusive, &seen)) {
                atomic_fetch_add(&srw->sleepers, 1);
                fm_futex_wait(&srw->holders, seen, UINT64_MAX);
                atomic_fetch_sub(&srw->sleepers, 1);
        }
}

static void srw_release(struct srw *srw, bool exclusive)
{
        if (exclusive)
                atomic_store(&srw->holders, 0);
        else
                atomic_fetch_sub(&srw->holders, 1);
        /*
         * Each change wakes: one who sleeps on an older number of holders would else miss the last release.
         */
        if (atomic_load(&srw->sleepers) > 0)
                fm_futex_wake(&srw->holders, INT_MAX);
}

VOID WINAPI InitializeSRWLock(PSRWLOCK SRWLock)
{
        SRWLock->Ptr = NULL;
}

VOID WINAPI AcquireSRWLockExclusive(PSRWLOCK SRWLock)
{
        srw_acquire(srw_of(SRWLock), true);
}

VOID WINAPI AcquireSRWLockShared(PSRWLOCK SRWLock)
{
        srw_acquire(srw_of(SRWLock), false);
}

BOOLEAN WINAPI TryAcquireSRWLockExclusive(PSRWLOCK SRWLock)
{
        return srw_try(srw_of(SRWLock), true, &(uint32_t){ 0 });
}

BOOLEAN WINAPI TryAcquireSRWLockShared(PSRWLOCK SRWLock)
{
        return srw_try(srw_of(SRWLock), false, &(uint32_t){ 0 });
}

VOID WINAPI ReleaseSRWLockExclusive(PSRWLOCK SRWLock)
{
        srw_release(srw_of(SRWLock), true);
}

VOID WINAPI ReleaseSRWLockShared(PSRWLOCK SRWLock)
{
        srw_release(srw_of(SRWLock), false);
}

VOID WINAPI InitializeConditionVariable(PCONDITION_VARIABLE ConditionVariable)
{
        ConditionVariable->Ptr = NULL;
}

/*
 * A condition variable is a counter of wake-ups: who sleeps goes to sleep on the number seen under the lock.
 */
static BOOL condition_sleep(_Atomic uint32_t *counter, uint32_t seen, uint64_t deadline)
{
        fm_futex_wait(counter, seen, deadline);
        if (atomic_load(counter) != seen || fm_w32_remaining(deadline) != 0)
                return TRUE; /* perhaps for nothing, which is allowed */
        SetLastError(ERROR_TIMEOUT);
        return FALSE;
}

BOOL WINAPI SleepConditionVariableCS(PCONDITION_VARIABLE ConditionVariable, PCRITICAL_SECTION CriticalSection,
                                     DWORD dwMilliseconds)
{
        _Atomic uint32_t *counter = word_of(&ConditionVariable->Ptr);
        uint32_t seen = atomic_load(counter);
        BOOL woken;

        LeaveCriticalSection(CriticalSection);
        woken = condition_sleep(counter, seen, fm_w32_deadline(dwMilliseconds));
        EnterCriticalSection(CriticalSection);
        return woken;
}

BOOL WINAPI SleepConditionVariableSRW(PCONDITION_VARIABLE ConditionVariable, PSRWLOCK SRWLock,
                                      DWORD dwMilliseconds, ULONG Flags)
{
        bool exclusive = !(Flags & CONDITION_VARIABLE_LOCKMODE_SHARED);
        _Atomic uint32_t *counter = word_of(&ConditionVariable->Ptr);
        uint32_t seen = atomic_load(counter);
        BOOL woken;

        srw_release(srw_of(SRWLock), exclusive);
        woken = condition_sleep(counter, seen, fm_w32_deadline(dwMilliseconds));
        srw_acquire(srw_of(SRWLock), exclusive);
        return woken;
}

VOID WINAPI WakeConditionVariable(PCONDITION_VARIABLE ConditionVariable)
{
        atomic_fetch_add(word_of(&ConditionVariable->Ptr), 1);
        fm_futex_wake(word_of(&ConditionVariable->Ptr), 1);
}

VOID WINAPI WakeAllConditionVariable(PCONDITION_VARIABLE ConditionVariable)
{
        atomic_fetch_add(word_of(&ConditionVariable->Ptr), 1);
        fm_futex_wake(word_of(&ConditionVariable->Ptr), INT_MAX);
}
