/* SPDX-License-Identifier: MIT */
/*
 * Byte range locks for filters that keep them themselves. A lock belongs to a file object, a process and a key.
 *
 * Who waits is pended, in the order of arrival; whoever unlocks grants what can be granted, and completes it. A waiter
 * belongs to whoever takes it off the list: who grants it, or who cancels it.
 */
#include <pthread.h>

#include "fltmgr/check.h"

struct range {
        FILE_LOCK_INFO info;
        uint64_t start, end; /* first byte, and the one after the last */
};

struct locks {
        GArray *ranges; /* struct range; under lock */
};

/* A lock that is not granted yet. */
struct waiter {
        struct waiter *next;
        PFILE_LOCK lock;
        PFLT_CALLBACK_DATA data;
        PVOID context;
        struct range wanted;
        bool armed; /* its cancel routine is set */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct waiter *waiters; /* of all files, oldest first; under lock */

/* Makes a FILE_LOCK ready. IRQL <= APC_LEVEL. */
VOID FltInitializeFileLock(PFILE_LOCK FileLock)
{
        struct locks *locks = g_new0(struct locks, 1);

        fm_check_irql(__func__, APC_LEVEL);
        locks->ranges = g_array_new(FALSE, FALSE, sizeof(struct range));
        *FileLock = (FILE_LOCK){.LockInformation = locks};
}

/* An initialized FILE_LOCK, or NULL. Both routines may be NULL. IRQL <= APC_LEVEL. */
PFILE_LOCK FltAllocateFileLock(PFLT_COMPLETE_LOCK_CALLBACK_DATA_ROUTINE CompleteLockCallbackDataRoutine,
                               PUNLOCK_ROUTINE UnlockRoutine)
{
        PFILE_LOCK made = ExAllocatePoolWithTag(PagedPool, sizeof(*made), 'kLmF');

        if (!made)
                return NULL;
        FltInitializeFileLock(made);
        /* The same place serves both kinds of routine, as on Windows. */
        made->CompleteLockIrpRoutine = (PCOMPLETE_LOCK_IRP_ROUTINE)(void *)CompleteLockCallbackDataRoutine;
        made->UnlockRoutine = UnlockRoutine;
        return made;
}

static bool same_owner(const struct range *range, PFILE_OBJECT file, PVOID process, ULONG key)
{
        return range->info.FileObject == file && range->info.ProcessId == process && range->info.Key == key;
}

/* exclusive_too: the owner's own exclusive lock is in the way, too. */
static bool conflicts_locked(struct locks *locks, const struct range *wanted, bool with_shared, bool exclusive_too)
{
        for (guint i = 0; i < locks->ranges->len; i++) {
                const struct range *range = &g_array_index(locks->ranges, struct range, i);

                if (range->start >= wanted->end || wanted->start >= range->end)
                        continue;
                if (!range->info.ExclusiveLock) {
                        if (with_shared)
                                return true;
                } else if (exclusive_too ||
                           !same_owner(range, wanted->info.FileObject, wanted->info.ProcessId, wanted->info.Key)) {
                        return true;
                }
        }
        return false;
}

static bool is_set(PFLT_CALLBACK_DATA data, UCHAR flag, BOOLEAN fast_io)
{
        return FLT_IS_IRP_OPERATION(data) ? (data->Iopb->OperationFlags & flag) != 0 : fast_io;
}

static struct range range_of(PFLT_CALLBACK_DATA data)
{
        const FLT_IO_PARAMETER_BLOCK *iopb = data->Iopb;
        struct range range = {
                .info.StartingByte = iopb->Parameters.LockControl.ByteOffset,
                .info.Key = iopb->Parameters.LockControl.Key,
                .info.ExclusiveLock = is_set(data, SL_EXCLUSIVE_LOCK, iopb->Parameters.LockControl.ExclusiveLock),
                .info.FileObject = iopb->TargetFileObject,
                .info.ProcessId = iopb->Parameters.LockControl.ProcessId,
                .start = (uint64_t)iopb->Parameters.LockControl.ByteOffset.QuadPart,
        };

        if (iopb->Parameters.LockControl.Length)
                range.info.Length = *iopb->Parameters.LockControl.Length;
        if (__builtin_add_overflow(range.start, (uint64_t)range.info.Length.QuadPart, &range.end))
                range.end = UINT64_MAX;
        range.info.EndingByte.QuadPart = (LONGLONG)(range.end - 1);
        return range;
}

static bool take_range_locked(struct locks *locks, const struct range *wanted)
{
        if (conflicts_locked(locks, wanted, wanted->info.ExclusiveLock, wanted->info.ExclusiveLock))
                return false;
        g_array_append_val(locks->ranges, *wanted);
        return true;
}

/* ---- waiting ---- */

/* The first that `wanted` accepts, off the list; or NULL. */
static struct waiter *take_waiter_locked(bool (*wanted)(struct waiter *waiter, void *context), void *context)
{
        for (struct waiter **place = &waiters; *place; place = &(*place)->next) {
                struct waiter *waiter = *place;

                if (!wanted(waiter, context))
                        continue;
                *place = waiter->next;
                return waiter;
        }
        return NULL;
}

static struct waiter *take_waiter(bool (*wanted)(struct waiter *waiter, void *context), void *context)
{
        struct waiter *waiter;

        pthread_mutex_lock(&lock);
        waiter = take_waiter_locked(wanted, context);
        pthread_mutex_unlock(&lock);
        return waiter;
}

static bool remove_range(PFILE_LOCK file_lock, PFLT_CALLBACK_DATA data, UCHAR minor, PVOID context);

/* The result, as the filter's own routine lets it be: if that fails, what was granted is taken back. */
static void set_result(PFILE_LOCK file_lock, PFLT_CALLBACK_DATA data, PVOID context, NTSTATUS status)
{
        PFLT_COMPLETE_LOCK_CALLBACK_DATA_ROUTINE complete =
                (PFLT_COMPLETE_LOCK_CALLBACK_DATA_ROUTINE)(void *)file_lock->CompleteLockIrpRoutine;

        data->IoStatus.Status = status;
        data->IoStatus.Information = 0;
        if (complete && !NT_SUCCESS(complete(context, data)) && NT_SUCCESS(status) &&
            data->Iopb->MinorFunction == IRP_MN_LOCK)
                remove_range(file_lock, data, IRP_MN_UNLOCK_SINGLE, context);
}

static void end_wait(struct waiter *waiter, NTSTATUS status)
{
        set_result(waiter->lock, waiter->data, waiter->context, status);
        FltCompletePendedPreOperation(waiter->data, FLT_PREOP_COMPLETE, NULL);
        g_free(waiter);
}

static bool has_data(struct waiter *waiter, void *data)
{
        return waiter->data == data;
}

static VOID FLTAPI wait_cancelled(PFLT_CALLBACK_DATA data)
{
        struct waiter *waiter = take_waiter(has_data, data);

        if (waiter)
                end_wait(waiter, STATUS_CANCELLED);
}

static bool can_be_granted(struct waiter *waiter, void *file_lock)
{
        return waiter->lock == file_lock && waiter->armed &&
               take_range_locked(waiter->lock->LockInformation, &waiter->wanted);
}

static void grant_waiters(PFILE_LOCK file_lock)
{
        struct waiter *waiter;

        while ((waiter = take_waiter(can_be_granted, file_lock))) {
                /* If it is being cancelled at this moment, that finds nothing any more. */
                FltClearCancelCompletion(waiter->data);
                end_wait(waiter, STATUS_SUCCESS);
        }
}

static void append_waiter_locked(struct waiter *waiter)
{
        struct waiter **end = &waiters;

        while (*end)
                end = &(*end)->next;
        *end = waiter;
}

/* STATUS_PENDING: it waits, and is somebody else's. */
static NTSTATUS lock_range(PFILE_LOCK file_lock, PFLT_CALLBACK_DATA data, PVOID context)
{
        struct range wanted = range_of(data);
        struct waiter *waiter = NULL;
        NTSTATUS status;
        bool granted;

        pthread_mutex_lock(&lock);
        granted = take_range_locked(file_lock->LockInformation, &wanted);
        if (!granted && !is_set(data, SL_FAIL_IMMEDIATELY, data->Iopb->Parameters.LockControl.FailImmediately) &&
            FLT_IS_IRP_OPERATION(data)) {
                waiter = g_new0(struct waiter, 1);
                *waiter = (struct waiter){.lock = file_lock, .data = data, .context = context, .wanted = wanted};
                append_waiter_locked(waiter);
        }
        pthread_mutex_unlock(&lock);
        if (!waiter)
                return granted ? STATUS_SUCCESS : STATUS_LOCK_NOT_GRANTED;
        /* Until this is done nobody but us completes it. */
        status = FltSetCancelCompletion(data, wait_cancelled);
        if (!NT_SUCCESS(status)) {
                g_free(take_waiter(has_data, data));
                return STATUS_CANCELLED;
        }
        pthread_mutex_lock(&lock);
        for (struct waiter *one = waiters; one; one = one->next)
                if (one == waiter)
                        one->armed = true;
        pthread_mutex_unlock(&lock);
        /* What was in the way may be gone by now. */
        grant_waiters(file_lock);
        return STATUS_PENDING;
}

static bool is_meant(const struct range *range, const struct range *wanted, UCHAR minor)
{
        if (range->info.FileObject != wanted->info.FileObject || range->info.ProcessId != wanted->info.ProcessId)
                return false;
        if (minor == IRP_MN_UNLOCK_ALL)
                return true;
        if (range->info.Key != wanted->info.Key)
                return false;
        return minor == IRP_MN_UNLOCK_ALL_BY_KEY || (range->start == wanted->start && range->end == wanted->end);
}

/* False: there was none. */
static bool remove_range(PFILE_LOCK file_lock, PFLT_CALLBACK_DATA data, UCHAR minor, PVOID context)
{
        struct locks *locks = file_lock->LockInformation;
        struct range wanted = range_of(data);
        g_autoptr(GArray) gone = g_array_new(FALSE, FALSE, sizeof(struct range));

        pthread_mutex_lock(&lock);
        for (guint i = 0; i < locks->ranges->len;) {
                struct range range = g_array_index(locks->ranges, struct range, i);

                if (!is_meant(&range, &wanted, minor)) {
                        i++;
                        continue;
                }
                g_array_remove_index(locks->ranges, i);
                g_array_append_val(gone, range);
                if (minor == IRP_MN_UNLOCK_SINGLE)
                        break;
        }
        pthread_mutex_unlock(&lock);
        for (guint i = 0; minor != IRP_MN_UNLOCK_SINGLE && file_lock->UnlockRoutine && i < gone->len; i++)
                file_lock->UnlockRoutine(context, &g_array_index(gone, struct range, i).info);
        return gone->len > 0;
}

static NTSTATUS unlock_ranges(PFILE_LOCK file_lock, PFLT_CALLBACK_DATA data, PVOID context)
{
        UCHAR minor = data->Iopb->MinorFunction;
        bool some = remove_range(file_lock, data, minor, context);

        if (some)
                grant_waiters(file_lock);
        return some || minor != IRP_MN_UNLOCK_SINGLE ? STATUS_SUCCESS : STATUS_RANGE_NOT_LOCKED;
}

/*
 * Does what an IRP_MJ_LOCK_CONTROL asks for; the caller's pre-operation returns what this returns. The completion
 * routine, if there is one, gets Context.
 *
 * FLT_PREOP_COMPLETE, with STATUS_SUCCESS, STATUS_LOCK_NOT_GRANTED, STATUS_RANGE_NOT_LOCKED, STATUS_CANCELLED or
 * STATUS_INVALID_DEVICE_REQUEST in the callback data. FLT_PREOP_PENDING: a lock that waits; it is completed when what
 * is in the way is unlocked, or when it is cancelled. IRQL <= APC_LEVEL.
 */
FLT_PREOP_CALLBACK_STATUS FltProcessFileLock(PFILE_LOCK FileLock, PFLT_CALLBACK_DATA CallbackData, PVOID Context)
{
        NTSTATUS status;

        fm_check_irql(__func__, APC_LEVEL);
        switch (CallbackData->Iopb->MinorFunction) {
        case IRP_MN_LOCK:
                status = lock_range(FileLock, CallbackData, Context);
                break;
        case IRP_MN_UNLOCK_SINGLE:
        case IRP_MN_UNLOCK_ALL:
        case IRP_MN_UNLOCK_ALL_BY_KEY:
                status = unlock_ranges(FileLock, CallbackData, Context);
                break;
        default:
                status = STATUS_INVALID_DEVICE_REQUEST;
        }
        if (status == STATUS_PENDING)
                return FLT_PREOP_PENDING;
        set_result(FileLock, CallbackData, Context, status);
        return FLT_PREOP_COMPLETE;
}

static bool is_of(struct waiter *waiter, void *file_lock)
{
        return waiter->lock == file_lock;
}

/* Forgets all locks; who still waits for one is told that it is cancelled. IRQL <= APC_LEVEL. */
VOID FltUninitializeFileLock(PFILE_LOCK FileLock)
{
        struct locks *locks = FileLock->LockInformation;
        struct waiter *waiter;

        fm_check_irql(__func__, APC_LEVEL);
        if (!locks)
                return;
        while ((waiter = take_waiter(is_of, FileLock))) {
                FltClearCancelCompletion(waiter->data);
                end_wait(waiter, STATUS_CANCELLED);
        }
        g_array_unref(locks->ranges);
        g_free(locks);
        FileLock->LockInformation = NULL;
}

/* Frees what FltAllocateFileLock() made. IRQL <= APC_LEVEL. */
VOID FltFreeFileLock(PFILE_LOCK FileLock)
{
        fm_check_irql(__func__, APC_LEVEL);
        FltUninitializeFileLock(FileLock);
        ExFreePool(FileLock);
}

static bool may_transfer(PFILE_LOCK file_lock, PFLT_CALLBACK_DATA data, ULONG length, LARGE_INTEGER offset, ULONG key,
                         bool write)
{
        struct locks *locks = file_lock->LockInformation;
        struct range wanted = {
                .info.FileObject = data->Iopb->TargetFileObject,
                .info.ProcessId = IoThreadToProcess(data->Thread),
                .info.Key = key,
                .start = (uint64_t)offset.QuadPart,
                .end = (uint64_t)offset.QuadPart + length,
        };
        bool conflict;

        pthread_mutex_lock(&lock);
        conflict = conflicts_locked(locks, &wanted, write, false);
        pthread_mutex_unlock(&lock);
        return !conflict;
}

/* Whether no lock of others forbids this IRP_MJ_READ. IRQL <= APC_LEVEL. */
BOOLEAN FltCheckLockForReadAccess(PFILE_LOCK FileLock, PFLT_CALLBACK_DATA CallbackData)
{
        PFLT_IO_PARAMETER_BLOCK iopb = CallbackData->Iopb;

        fm_check_irql(__func__, APC_LEVEL);
        return may_transfer(FileLock, CallbackData, iopb->Parameters.Read.Length, iopb->Parameters.Read.ByteOffset,
                            iopb->Parameters.Read.Key, false);
}

/* Whether no lock, of others or shared, forbids this IRP_MJ_WRITE. IRQL <= APC_LEVEL. */
BOOLEAN FltCheckLockForWriteAccess(PFILE_LOCK FileLock, PFLT_CALLBACK_DATA CallbackData)
{
        PFLT_IO_PARAMETER_BLOCK iopb = CallbackData->Iopb;

        fm_check_irql(__func__, APC_LEVEL);
        return may_transfer(FileLock, CallbackData, iopb->Parameters.Write.Length, iopb->Parameters.Write.ByteOffset,
                            iopb->Parameters.Write.Key, true);
}
