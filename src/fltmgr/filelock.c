/* SPDX-License-Identifier: MIT */
/*
 * Byte range locks for filters that keep them themselves. A lock belongs to a file object, a process and a key. Nobody
 * waits here: a lock that conflicts is refused, and one that was ready to wait is refused as not supported.
 */
#include <pthread.h>

#include "fltmgr/check.h"

struct range {
        FILE_LOCK_INFO info;
        uint64_t start, end; /* first byte, and the one after the last */
};

struct locks {
        pthread_mutex_t mutex;
        GArray *ranges; /* struct range; under mutex */
};

/* Makes a FILE_LOCK ready. IRQL <= APC_LEVEL. */
VOID FltInitializeFileLock(PFILE_LOCK FileLock)
{
        struct locks *locks = g_new0(struct locks, 1);

        pthread_mutex_init(&locks->mutex, NULL);
        locks->ranges = g_array_new(FALSE, FALSE, sizeof(struct range));
        *FileLock = (FILE_LOCK){.LockInformation = locks};
}

/* Forgets all locks. Nobody uses it any more. IRQL <= APC_LEVEL. */
VOID FltUninitializeFileLock(PFILE_LOCK FileLock)
{
        struct locks *locks = FileLock->LockInformation;

        if (!locks)
                return;
        g_array_unref(locks->ranges);
        pthread_mutex_destroy(&locks->mutex);
        g_free(locks);
        FileLock->LockInformation = NULL;
}

/* An initialized FILE_LOCK, or NULL. Both routines may be NULL. IRQL <= APC_LEVEL. */
PFILE_LOCK FltAllocateFileLock(PFLT_COMPLETE_LOCK_CALLBACK_DATA_ROUTINE CompleteLockCallbackDataRoutine,
                               PUNLOCK_ROUTINE UnlockRoutine)
{
        PFILE_LOCK lock = ExAllocatePoolWithTag(PagedPool, sizeof(*lock), 'kLmF');

        if (!lock)
                return NULL;
        FltInitializeFileLock(lock);
        /* The same place serves both kinds of routine, as on Windows. */
        lock->CompleteLockIrpRoutine = (PCOMPLETE_LOCK_IRP_ROUTINE)(void *)CompleteLockCallbackDataRoutine;
        lock->UnlockRoutine = UnlockRoutine;
        return lock;
}

/* Frees what FltAllocateFileLock() made. IRQL <= APC_LEVEL. */
VOID FltFreeFileLock(PFILE_LOCK FileLock)
{
        FltUninitializeFileLock(FileLock);
        ExFreePool(FileLock);
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

static struct range range_of(PFLT_CALLBACK_DATA data)
{
        const FLT_IO_PARAMETER_BLOCK *iopb = data->Iopb;
        struct range range = {
                .info.StartingByte = iopb->Parameters.LockControl.ByteOffset,
                .info.Key = iopb->Parameters.LockControl.Key,
                .info.ExclusiveLock = iopb->Parameters.LockControl.ExclusiveLock,
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

static NTSTATUS lock_range(struct locks *locks, PFLT_CALLBACK_DATA data)
{
        struct range wanted = range_of(data);
        bool exclusive = wanted.info.ExclusiveLock, conflict;

        pthread_mutex_lock(&locks->mutex);
        conflict = conflicts_locked(locks, &wanted, exclusive, exclusive);
        if (!conflict)
                g_array_append_val(locks->ranges, wanted);
        pthread_mutex_unlock(&locks->mutex);
        if (!conflict)
                return STATUS_SUCCESS;
        if (data->Iopb->Parameters.LockControl.FailImmediately)
                return STATUS_LOCK_NOT_GRANTED;
        fm_log_unsupported("FltProcessFileLock", "a lock that waits for another");
        return STATUS_NOT_SUPPORTED;
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

static NTSTATUS unlock_ranges(PFILE_LOCK lock, PFLT_CALLBACK_DATA data, PVOID context)
{
        struct locks *locks = lock->LockInformation;
        struct range wanted = range_of(data);
        UCHAR minor = data->Iopb->MinorFunction;
        g_autoptr(GArray) gone = g_array_new(FALSE, FALSE, sizeof(struct range));

        pthread_mutex_lock(&locks->mutex);
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
        pthread_mutex_unlock(&locks->mutex);
        if (minor == IRP_MN_UNLOCK_SINGLE)
                return gone->len ? STATUS_SUCCESS : STATUS_RANGE_NOT_LOCKED;
        for (guint i = 0; lock->UnlockRoutine && i < gone->len; i++)
                lock->UnlockRoutine(context, &g_array_index(gone, struct range, i).info);
        return STATUS_SUCCESS;
}

/*
 * Does what an IRP_MJ_LOCK_CONTROL asks for; the caller's pre-operation returns what this returns. The completion
 * routine, if there is one, gets Context.
 *
 * FLT_PREOP_COMPLETE, with STATUS_SUCCESS, STATUS_LOCK_NOT_GRANTED, STATUS_RANGE_NOT_LOCKED, STATUS_NOT_SUPPORTED (it
 * would have to wait) or STATUS_INVALID_DEVICE_REQUEST in the callback data. IRQL <= APC_LEVEL.
 */
FLT_PREOP_CALLBACK_STATUS FltProcessFileLock(PFILE_LOCK FileLock, PFLT_CALLBACK_DATA CallbackData, PVOID Context)
{
        PFLT_COMPLETE_LOCK_CALLBACK_DATA_ROUTINE complete =
                (PFLT_COMPLETE_LOCK_CALLBACK_DATA_ROUTINE)(void *)FileLock->CompleteLockIrpRoutine;
        NTSTATUS status;

        fm_check_irql(__func__, APC_LEVEL);
        switch (CallbackData->Iopb->MinorFunction) {
        case IRP_MN_LOCK:
                status = lock_range(FileLock->LockInformation, CallbackData);
                break;
        case IRP_MN_UNLOCK_SINGLE:
        case IRP_MN_UNLOCK_ALL:
        case IRP_MN_UNLOCK_ALL_BY_KEY:
                status = unlock_ranges(FileLock, CallbackData, Context);
                break;
        default:
                status = STATUS_INVALID_DEVICE_REQUEST;
        }
        CallbackData->IoStatus.Status = status;
        CallbackData->IoStatus.Information = 0;
        if (complete && !NT_SUCCESS(complete(Context, CallbackData)) && NT_SUCCESS(status) &&
            CallbackData->Iopb->MinorFunction == IRP_MN_LOCK) {
                CallbackData->Iopb->MinorFunction = IRP_MN_UNLOCK_SINGLE;
                unlock_ranges(FileLock, CallbackData, Context);
                CallbackData->Iopb->MinorFunction = IRP_MN_LOCK;
        }
        return FLT_PREOP_COMPLETE;
}

static bool may_transfer(PFILE_LOCK lock, PFLT_CALLBACK_DATA data, ULONG length, LARGE_INTEGER offset, ULONG key,
                         bool write)
{
        struct locks *locks = lock->LockInformation;
        struct range wanted = {
                .info.FileObject = data->Iopb->TargetFileObject,
                .info.ProcessId = IoThreadToProcess(data->Thread),
                .info.Key = key,
                .start = (uint64_t)offset.QuadPart,
                .end = (uint64_t)offset.QuadPart + length,
        };
        bool conflict;

        pthread_mutex_lock(&locks->mutex);
        conflict = conflicts_locked(locks, &wanted, write, false);
        pthread_mutex_unlock(&locks->mutex);
        return !conflict;
}

/* Whether no lock of others forbids this IRP_MJ_READ. IRQL <= APC_LEVEL. */
BOOLEAN FltCheckLockForReadAccess(PFILE_LOCK FileLock, PFLT_CALLBACK_DATA CallbackData)
{
        PFLT_IO_PARAMETER_BLOCK iopb = CallbackData->Iopb;

        return may_transfer(FileLock, CallbackData, iopb->Parameters.Read.Length, iopb->Parameters.Read.ByteOffset,
                            iopb->Parameters.Read.Key, false);
}

/* Whether no lock, of others or shared, forbids this IRP_MJ_WRITE. IRQL <= APC_LEVEL. */
BOOLEAN FltCheckLockForWriteAccess(PFILE_LOCK FileLock, PFLT_CALLBACK_DATA CallbackData)
{
        PFLT_IO_PARAMETER_BLOCK iopb = CallbackData->Iopb;

        return may_transfer(FileLock, CallbackData, iopb->Parameters.Write.Length, iopb->Parameters.Write.ByteOffset,
                            iopb->Parameters.Write.Key, true);
}
