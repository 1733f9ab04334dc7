/* SPDX-License-Identifier: MIT */
/*
 * The Filter Manager's wrappers of kernel locks: as those, but they enter a critical region themselves.
 */
#include "fltmgr/check.h"

/* Makes a push lock ready. IRQL <= APC_LEVEL. */
VOID FltInitializePushLock(PEX_PUSH_LOCK PushLock)
{
        fm_check_irql(__func__, APC_LEVEL);
        ExInitializePushLock(PushLock);
}

/* The end of a push lock that nobody holds: nothing to free. IRQL <= APC_LEVEL. */
VOID FltDeletePushLock(PEX_PUSH_LOCK PushLock)
{
        fm_check_irql(__func__, APC_LEVEL);
        if (*PushLock)
                fm_violation("push-lock-held", "FltDeletePushLock for a push lock that is held");
}

/* Enters a critical region, then takes the lock for one. IRQL <= APC_LEVEL. */
VOID FltAcquirePushLockExclusiveEx(PEX_PUSH_LOCK PushLock, ULONG Flags)
{
        KeEnterCriticalRegion();
        ExAcquirePushLockExclusiveEx(PushLock, Flags);
}

/* Enters a critical region, then takes the lock for readers. IRQL <= APC_LEVEL. */
VOID FltAcquirePushLockSharedEx(PEX_PUSH_LOCK PushLock, ULONG Flags)
{
        KeEnterCriticalRegion();
        ExAcquirePushLockSharedEx(PushLock, Flags);
}

/* The top bit of a push lock says that it is held for one (nt/exlock.c). */
static bool is_held_for_one(PEX_PUSH_LOCK lock)
{
        return (__atomic_load_n(lock, __ATOMIC_RELAXED) >> (8 * sizeof(*lock) - 1)) != 0;
}

/* Releases the lock, however it is held, then leaves the critical region. IRQL <= APC_LEVEL. */
VOID FltReleasePushLockEx(PEX_PUSH_LOCK PushLock, ULONG Flags)
{
        if (is_held_for_one(PushLock))
                ExReleasePushLockExclusiveEx(PushLock, Flags);
        else
                ExReleasePushLockSharedEx(PushLock, Flags);
        KeLeaveCriticalRegion();
}

/* As the Ex function. */
VOID(FltAcquirePushLockExclusive)(PEX_PUSH_LOCK PushLock)
{
        FltAcquirePushLockExclusiveEx(PushLock, 0);
}

/* As the Ex function. */
VOID(FltAcquirePushLockShared)(PEX_PUSH_LOCK PushLock)
{
        FltAcquirePushLockSharedEx(PushLock, 0);
}

/* As the Ex function. */
VOID(FltReleasePushLock)(PEX_PUSH_LOCK PushLock)
{
        FltReleasePushLockEx(PushLock, 0);
}

/* Enters a critical region, then takes the resource for one. IRQL <= APC_LEVEL. */
VOID FltAcquireResourceExclusive(PERESOURCE Resource)
{
        fm_check_irql(__func__, APC_LEVEL);
        KeEnterCriticalRegion();
        ExAcquireResourceExclusiveLite(Resource, TRUE);
}

/* Enters a critical region, then takes the resource for readers. IRQL <= APC_LEVEL. */
VOID FltAcquireResourceShared(PERESOURCE Resource)
{
        fm_check_irql(__func__, APC_LEVEL);
        KeEnterCriticalRegion();
        ExAcquireResourceSharedLite(Resource, TRUE);
}

/* Releases the resource, then leaves the critical region. IRQL <= DISPATCH_LEVEL. */
VOID FltReleaseResource(PERESOURCE Resource)
{
        fm_check_irql(__func__, DISPATCH_LEVEL);
        ExReleaseResourceLite(Resource);
        KeLeaveCriticalRegion();
}
