/* SPDX-License-Identifier: MIT */
/*
 * Share access: who has a file open for what, and what he lets others do. The counts are the caller's (one
 * SHARE_ACCESS a file), and so is the lock around them.
 */
#include <fltKernel.h>
#include <stdbool.h>

#include "nt/ke.h"

/* What the file object is opened for is written down in it. True: it counts. */
static bool note_access(PFILE_OBJECT file, ACCESS_MASK access, ULONG share)
{
        file->ReadAccess = (access & (FILE_READ_DATA | FILE_EXECUTE)) != 0;
        file->WriteAccess = (access & (FILE_WRITE_DATA | FILE_APPEND_DATA)) != 0;
        file->DeleteAccess = (access & DELETE) != 0;
        if (!file->ReadAccess && !file->WriteAccess && !file->DeleteAccess)
                return false;
        file->SharedRead = (share & FILE_SHARE_READ) != 0;
        file->SharedWrite = (share & FILE_SHARE_WRITE) != 0;
        file->SharedDelete = (share & FILE_SHARE_DELETE) != 0;
        return true;
}

static void add(PFILE_OBJECT file, PSHARE_ACCESS counts)
{
        counts->OpenCount++;
        counts->Readers += file->ReadAccess;
        counts->Writers += file->WriteAccess;
        counts->Deleters += file->DeleteAccess;
        counts->SharedRead += file->SharedRead;
        counts->SharedWrite += file->SharedWrite;
        counts->SharedDelete += file->SharedDelete;
}

/*
 * Whether an open goes together with those before it; if so and Update, it is counted.
 * STATUS_SUCCESS, STATUS_SHARING_VIOLATION. IRQL PASSIVE_LEVEL.
 */
NTSTATUS IoCheckShareAccess(ACCESS_MASK DesiredAccess, ULONG DesiredShareAccess, PFILE_OBJECT FileObject,
                            PSHARE_ACCESS ShareAccess, BOOLEAN Update)
{
        ULONG open = ShareAccess->OpenCount;

        fm_check_irql(__func__, PASSIVE_LEVEL);
        if (!note_access(FileObject, DesiredAccess, DesiredShareAccess))
                return STATUS_SUCCESS;
        if ((FileObject->ReadAccess && ShareAccess->SharedRead < open) ||
            (FileObject->WriteAccess && ShareAccess->SharedWrite < open) ||
            (FileObject->DeleteAccess && ShareAccess->SharedDelete < open) ||
            (ShareAccess->Readers && !FileObject->SharedRead) ||
            (ShareAccess->Writers && !FileObject->SharedWrite) ||
            (ShareAccess->Deleters && !FileObject->SharedDelete))
                return STATUS_SHARING_VIOLATION;
        if (Update)
                add(FileObject, ShareAccess);
        return STATUS_SUCCESS;
}

/* The first open of a file. IRQL PASSIVE_LEVEL. */
VOID IoSetShareAccess(ACCESS_MASK DesiredAccess, ULONG DesiredShareAccess, PFILE_OBJECT FileObject,
                      PSHARE_ACCESS ShareAccess)
{
        fm_check_irql(__func__, PASSIVE_LEVEL);
        *ShareAccess = (SHARE_ACCESS){0};
        if (note_access(FileObject, DesiredAccess, DesiredShareAccess))
                add(FileObject, ShareAccess);
}

/* Counts an open that IoCheckShareAccess() has checked without Update. IRQL PASSIVE_LEVEL. */
VOID IoUpdateShareAccess(PFILE_OBJECT FileObject, PSHARE_ACCESS ShareAccess)
{
        fm_check_irql(__func__, PASSIVE_LEVEL);
        if (FileObject->ReadAccess || FileObject->WriteAccess || FileObject->DeleteAccess)
                add(FileObject, ShareAccess);
}

/* An open that was counted is gone. IRQL PASSIVE_LEVEL. */
VOID IoRemoveShareAccess(PFILE_OBJECT FileObject, PSHARE_ACCESS ShareAccess)
{
        fm_check_irql(__func__, PASSIVE_LEVEL);
        if (!FileObject->ReadAccess && !FileObject->WriteAccess && !FileObject->DeleteAccess)
                return;
        ShareAccess->OpenCount--;
        ShareAccess->Readers -= FileObject->ReadAccess;
        ShareAccess->Writers -= FileObject->WriteAccess;
        ShareAccess->Deleters -= FileObject->DeleteAccess;
        ShareAccess->SharedRead -= FileObject->SharedRead;
        ShareAccess->SharedWrite -= FileObject->SharedWrite;
        ShareAccess->SharedDelete -= FileObject->SharedDelete;
}
