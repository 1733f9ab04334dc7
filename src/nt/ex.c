/* SPDX-License-Identifier: MIT */
/*
 * The rest of Ex: lookaside lists, interlocked lists, work items, time zones.
 *
 * A lookaside list keeps nothing back here: each entry comes from the pool and goes back to it, where
 * sanitizers and the leak report can see it.
 */
#include <glib.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "nt/ke.h"
#include "nt/ledger.h"
#include "nt/thread.h"
#include "nt/verifier.h"
#include "nt/work.h"

#define WORKERS 256 /* at once; further items wait. Filters block in them */

static PVOID default_allocate(POOL_TYPE type, SIZE_T size, ULONG tag)
{
        return ExAllocatePoolWithTag(type, size, tag);
}

static void init_lookaside(GENERAL_LOOKASIDE *list, PALLOCATE_FUNCTION allocate, PFREE_FUNCTION release,
                           POOL_TYPE type, ULONG flags, SIZE_T size, ULONG tag)
{
        memset(list, 0, sizeof(*list));
        list->Type = (POOL_TYPE)(type | (flags & (POOL_RAISE_IF_ALLOCATION_FAILURE | POOL_NX_ALLOCATION)));
        list->Tag = tag;
        list->Size = (ULONG)size;
        list->Allocate = allocate ? allocate : default_allocate;
        list->Free = release ? release : ExFreePool;
        fm_ledger_add(FM_LEDGER_LOOKASIDE, list, fm_thread_self()->code);
}

static PVOID allocate_from(GENERAL_LOOKASIDE *list)
{
        if (!list->Allocate) {
                fm_violation("lookaside", "lookaside list %p was not initialized, or was deleted",
                             (void *)list);
                return NULL;
        }
        __atomic_fetch_add(&list->TotalAllocates, 1, __ATOMIC_RELAXED);
        return list->Allocate(list->Type, list->Size, list->Tag);
}

static void free_to(GENERAL_LOOKASIDE *list, PVOID entry)
{
        if (!list->Free) {
                fm_violation("lookaside", "lookaside list %p was not initialized, or was deleted",
                             (void *)list);
                return;
        }
        __atomic_fetch_add(&list->TotalFrees, 1, __ATOMIC_RELAXED);
        list->Free(entry);
}

static void delete_lookaside(GENERAL_LOOKASIDE *list)
{
        list->Allocate = NULL;
        list->Free = NULL;
        fm_ledger_remove(FM_LEDGER_LOOKASIDE, list);
}

VOID ExInitializeNPagedLookasideList(PNPAGED_LOOKASIDE_LIST Lookaside, PALLOCATE_FUNCTION Allocate,
                                     PFREE_FUNCTION Free, ULONG Flags, SIZE_T Size, ULONG Tag, USHORT Depth)
{
        fm_check_irql(__func__, DISPATCH_LEVEL);
        init_lookaside(&Lookaside->L, Allocate, Free, NonPagedPoolNx, Flags, Size, Tag);
}

VOID ExDeleteNPagedLookasideList(PNPAGED_LOOKASIDE_LIST Lookaside)
{
        fm_check_irql(__func__, DISPATCH_LEVEL);
        delete_lookaside(&Lookaside->L);
}

PVOID ExAllocateFromNPagedLookasideList(PNPAGED_LOOKASIDE_LIST Lookaside)
{
        fm_check_irql(__func__, DISPATCH_LEVEL);
        return allocate_from(&Lookaside->L);
}

VOID ExFreeToNPagedLookasideList(PNPAGED_LOOKASIDE_LIST Lookaside, PVOID Entry)
{
        fm_check_irql(__func__, DISPATCH_LEVEL);
        free_to(&Lookaside->L, Entry);
}

VOID ExInitializePagedLookasideList(PPAGED_LOOKASIDE_LIST Lookaside, PALLOCATE_FUNCTION Allocate,
                                    PFREE_FUNCTION Free, ULONG Flags, SIZE_T Size, ULONG Tag, USHORT Depth)
{
        fm_check_irql(__func__, APC_LEVEL);
        init_lookaside(&Lookaside->L, Allocate, Free, PagedPool, Flags, Size, Tag);
}

VOID ExDeletePagedLookasideList(PPAGED_LOOKASIDE_LIST Lookaside)
{
        fm_check_irql(__func__, APC_LEVEL);
        delete_lookaside(&Lookaside->L);
}

PVOID ExAllocateFromPagedLookasideList(PPAGED_LOOKASIDE_LIST Lookaside)
{
        fm_check_irql(__func__, APC_LEVEL);
        return allocate_from(&Lookaside->L);
}

VOID ExFreeToPagedLookasideList(PPAGED_LOOKASIDE_LIST Lookaside, PVOID Entry)
{
        fm_check_irql(__func__, APC_LEVEL);
        free_to(&Lookaside->L, Entry);
}

static PVOID default_allocate_ex(POOL_TYPE type, SIZE_T size, ULONG tag, PLOOKASIDE_LIST_EX list)
{
        return ExAllocatePoolWithTag(type, size, tag);
}

static VOID default_free_ex(PVOID buffer, PLOOKASIDE_LIST_EX list)
{
        ExFreePool(buffer);
}

/* STATUS_INVALID_PARAMETER_4 and _5 for a pool type and flags that can't be. */
NTSTATUS ExInitializeLookasideListEx(PLOOKASIDE_LIST_EX Lookaside, PALLOCATE_FUNCTION_EX Allocate,
                                     PFREE_FUNCTION_EX Free, POOL_TYPE PoolType, ULONG Flags, SIZE_T Size,
                                     ULONG Tag, USHORT Depth)
{
        unsigned type = PoolType;

        fm_check_irql(__func__, DISPATCH_LEVEL);
        if (Flags & ~(EX_LOOKASIDE_LIST_EX_FLAGS_RAISE_ON_FAIL | EX_LOOKASIDE_LIST_EX_FLAGS_FAIL_NO_RAISE))
                return STATUS_INVALID_PARAMETER_5;
        if (Flags & EX_LOOKASIDE_LIST_EX_FLAGS_RAISE_ON_FAIL)
                type |= POOL_RAISE_IF_ALLOCATION_FAILURE;
        memset(Lookaside, 0, sizeof(*Lookaside));
        Lookaside->L.Type = (POOL_TYPE)type;
        Lookaside->L.Tag = Tag;
        Lookaside->L.Size = (ULONG)Size;
        Lookaside->L.AllocateEx = Allocate ? Allocate : default_allocate_ex;
        Lookaside->L.FreeEx = Free ? Free : default_free_ex;
        fm_ledger_add(FM_LEDGER_LOOKASIDE, Lookaside, __builtin_return_address(0));
        return STATUS_SUCCESS;
}

VOID ExDeleteLookasideListEx(PLOOKASIDE_LIST_EX Lookaside)
{
        fm_check_irql(__func__, DISPATCH_LEVEL);
        Lookaside->L.AllocateEx = NULL;
        Lookaside->L.FreeEx = NULL;
        fm_ledger_remove(FM_LEDGER_LOOKASIDE, Lookaside);
}

VOID ExFlushLookasideListEx(PLOOKASIDE_LIST_EX Lookaside)
{
        fm_check_irql(__func__, DISPATCH_LEVEL);
}

PVOID ExAllocateFromLookasideListEx(PLOOKASIDE_LIST_EX Lookaside)
{
        fm_check_irql(__func__, DISPATCH_LEVEL);
        if (!Lookaside->L.AllocateEx) {
                fm_violation("lookaside", "lookaside list %p was not initialized, or was deleted",
                             (void *)Lookaside);
                return NULL;
        }
        __atomic_fetch_add(&Lookaside->L.TotalAllocates, 1, __ATOMIC_RELAXED);
        return Lookaside->L.AllocateEx(Lookaside->L.Type, Lookaside->L.Size, Lookaside->L.Tag, Lookaside);
}

VOID ExFreeToLookasideListEx(PLOOKASIDE_LIST_EX Lookaside, PVOID Entry)
{
        fm_check_irql(__func__, DISPATCH_LEVEL);
        if (!Lookaside->L.FreeEx) {
                fm_violation("lookaside", "lookaside list %p was not initialized, or was deleted",
                             (void *)Lookaside);
                return;
        }
        __atomic_fetch_add(&Lookaside->L.TotalFrees, 1, __ATOMIC_RELAXED);
        Lookaside->L.FreeEx(Entry, Lookaside);
}

/* The interlocked lists take a spin lock that they raise the IRQL for themselves. */
PLIST_ENTRY ExInterlockedInsertHeadList(PLIST_ENTRY ListHead, PLIST_ENTRY ListEntry, PKSPIN_LOCK Lock)
{
        KIRQL irql = KeAcquireSpinLockRaiseToDpc(Lock);
        PLIST_ENTRY before = IsListEmpty(ListHead) ? NULL : ListHead->Flink;

        InsertHeadList(ListHead, ListEntry);
        KeReleaseSpinLock(Lock, irql);
        return before;
}

PLIST_ENTRY ExInterlockedInsertTailList(PLIST_ENTRY ListHead, PLIST_ENTRY ListEntry, PKSPIN_LOCK Lock)
{
        KIRQL irql = KeAcquireSpinLockRaiseToDpc(Lock);
        PLIST_ENTRY before = IsListEmpty(ListHead) ? NULL : ListHead->Blink;

        InsertTailList(ListHead, ListEntry);
        KeReleaseSpinLock(Lock, irql);
        return before;
}

PLIST_ENTRY ExInterlockedRemoveHeadList(PLIST_ENTRY ListHead, PKSPIN_LOCK Lock)
{
        KIRQL irql = KeAcquireSpinLockRaiseToDpc(Lock);
        PLIST_ENTRY entry = IsListEmpty(ListHead) ? NULL : RemoveHeadList(ListHead);

        KeReleaseSpinLock(Lock, irql);
        return entry;
}

PSINGLE_LIST_ENTRY ExInterlockedPopEntryList(PSINGLE_LIST_ENTRY ListHead, PKSPIN_LOCK Lock)
{
        KIRQL irql = KeAcquireSpinLockRaiseToDpc(Lock);
        PSINGLE_LIST_ENTRY entry = PopEntryList(ListHead);

        KeReleaseSpinLock(Lock, irql);
        return entry;
}

PSINGLE_LIST_ENTRY ExInterlockedPushEntryList(PSINGLE_LIST_ENTRY ListHead, PSINGLE_LIST_ENTRY ListEntry,
                                              PKSPIN_LOCK Lock)
{
        KIRQL irql = KeAcquireSpinLockRaiseToDpc(Lock);
        PSINGLE_LIST_ENTRY before = ListHead->Next;

        PushEntryList(ListHead, ListEntry);
        KeReleaseSpinLock(Lock, irql);
        return before;
}

LARGE_INTEGER ExInterlockedAddLargeInteger(PLARGE_INTEGER Addend, LARGE_INTEGER Increment, PKSPIN_LOCK Lock)
{
        LARGE_INTEGER before;

        before.QuadPart = __atomic_fetch_add(&Addend->QuadPart, Increment.QuadPart, __ATOMIC_SEQ_CST);
        return before;
}

ULONG ExInterlockedAddUlong(PULONG Addend, ULONG Increment, PKSPIN_LOCK Lock)
{
        return __atomic_fetch_add(Addend, Increment, __ATOMIC_SEQ_CST);
}

struct work {
        void (*routine)(void *context);
        void *context;
        const char *filter; /* interned */
        const void *code;   /* the filter's function */
};

static GThreadPool *workers;

static void run_work(void *data, void *unused)
{
        struct work work = *(struct work *)data;
        struct fm_thread *self = fm_thread_self();

        g_free(data);
        self->filter = work.filter;
        self->callback = "a work item";
        self->code = work.code;
        work.routine(work.context);
        if (self->irql != PASSIVE_LEVEL || fm_thread_holds_locks(self) || self->critical_regions)
                fm_violation_of(&(struct fm_culprit){self->filter, self->callback, NULL, self->code}, "work-item-state",
                                "returned at IRQL %u%s, in %u critical regions", self->irql,
                                fm_thread_holds_locks(self) ? ", with a lock" : "", self->critical_regions);
        self->irql = PASSIVE_LEVEL;
        self->spin_locks_held = self->fast_mutexes_held = self->push_locks_held = self->resources_held = 0;
        self->critical_regions = 0;
        self->callback = NULL;
        self->code = NULL;
        self->filter = NULL;
}

static void start_workers(void)
{
        workers = g_thread_pool_new(run_work, NULL, WORKERS, FALSE, NULL);
}

void fm_work_queue(void (*routine)(void *context), void *context, const void *code)
{
        static pthread_once_t once = PTHREAD_ONCE_INIT;
        struct work *work = g_new(struct work, 1);

        pthread_once(&once, start_workers);
        work->routine = routine;
        work->context = context;
        work->code = code;
        work->filter = g_intern_string(fm_thread_self()->filter);
        g_thread_pool_push(workers, work, NULL);
}

static void run_ex_work(void *context)
{
        PWORK_QUEUE_ITEM item = context;

        item->List.Flink = NULL;
        item->WorkerRoutine((PVOID)item->Parameter);
}

/* Runs at PASSIVE_LEVEL in a thread of the System process. IRQL <= DISPATCH_LEVEL. */
VOID ExQueueWorkItem(PWORK_QUEUE_ITEM WorkItem, WORK_QUEUE_TYPE QueueType)
{
        fm_check_irql("ExQueueWorkItem", DISPATCH_LEVEL);
        if (WorkItem->List.Flink) {
                fm_bugcheck(0x96, "work item %p is queued already",
                            (void *)WorkItem); /* INVALID_WORK_QUEUE_ITEM */
        }
        WorkItem->List.Flink = &WorkItem->List;
        fm_work_queue(run_ex_work, WorkItem, (const void *)WorkItem->WorkerRoutine);
}

BOOLEAN ExIsProcessorFeaturePresent(ULONG ProcessorFeature)
{
        fm_check_irql(__func__, PASSIVE_LEVEL);
        return ProcessorFeature == PF_XMMI64_INSTRUCTIONS_AVAILABLE;
}

BOOLEAN ExVerifySuite(SUITE_TYPE SuiteType)
{
        return FALSE;
}

/* A callback on behalf of a user's request has come from user mode. */
KPROCESSOR_MODE ExGetPreviousMode(VOID)
{
        return fm_thread_self()->thread ? UserMode : KernelMode;
}

NTSTATUS ExUuidCreate(UUID *Uuid)
{
        g_autofree char *text = g_uuid_string_random();
        unsigned int parts[11];

        fm_check_irql(__func__, PASSIVE_LEVEL);
        if (sscanf(text, "%8x-%4x-%4x-%2x%2x-%2x%2x%2x%2x%2x%2x", &parts[0], &parts[1], &parts[2], &parts[3],
                   &parts[4], &parts[5], &parts[6], &parts[7], &parts[8], &parts[9], &parts[10]) != 11)
                return STATUS_RETRY;
        Uuid->Data1 = parts[0];
        Uuid->Data2 = (USHORT)parts[1];
        Uuid->Data3 = (USHORT)parts[2];
        for (int i = 0; i < 8; i++)
                Uuid->Data4[i] = (UCHAR)parts[3 + i];
        return STATUS_SUCCESS;
}

static int64_t zone_offset(int64_t system_time)
{
        time_t seconds = (time_t)((system_time - FM_EPOCH_DIFFERENCE) / 10000000);
        struct tm tm;

        localtime_r(&seconds, &tm);
        return tm.tm_gmtoff * INT64_C(10000000);
}

VOID ExSystemTimeToLocalTime(PLARGE_INTEGER SystemTime, PLARGE_INTEGER LocalTime)
{
        LocalTime->QuadPart = SystemTime->QuadPart + zone_offset(SystemTime->QuadPart);
}

VOID ExLocalTimeToSystemTime(PLARGE_INTEGER LocalTime, PLARGE_INTEGER SystemTime)
{
        SystemTime->QuadPart = LocalTime->QuadPart - zone_offset(LocalTime->QuadPart);
}
