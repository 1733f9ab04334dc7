/* SPDX-License-Identifier: MIT */
/*
 * Reparse points of filters: tags on files.
 */
#include <string.h>

#include "fltmgr/check.h"

/* A reparse point's buffer: with a GUID unless the tag is Microsoft's. g_free(). */
static void *reparse_buffer_new(ULONG tag, const GUID *guid, const void *data, USHORT length, ULONG *size)
{
        REPARSE_GUID_DATA_BUFFER *with_guid;
        REPARSE_DATA_BUFFER *plain;

        if (IsReparseTagMicrosoft(tag)) {
                *size = FIELD_OFFSET(REPARSE_DATA_BUFFER, GenericReparseBuffer) + length;
                plain = g_malloc0(*size);
                plain->ReparseTag = tag;
                plain->ReparseDataLength = length;
                if (length)
                        memcpy(plain->GenericReparseBuffer.DataBuffer, data, length);
                return plain;
        }
        *size = FIELD_OFFSET(REPARSE_GUID_DATA_BUFFER, GenericReparseBuffer) + length;
        with_guid = g_malloc0(*size);
        with_guid->ReparseTag = tag;
        with_guid->ReparseDataLength = length;
        with_guid->ReparseGuid = *guid;
        if (length)
                memcpy(with_guid->GenericReparseBuffer.DataBuffer, data, length);
        return with_guid;
}

/*
 * Makes an opened file a reparse point: FSCTL_SET_REPARSE_POINT below the instance.
 * The file system's status; STATUS_INVALID_PARAMETER: a tag that is not Microsoft's, without a GUID. IRQL
 * PASSIVE_LEVEL.
 */
NTSTATUS FltTagFile(PFLT_INSTANCE InitiatingInstance, PFILE_OBJECT FileObject, ULONG FileTag, GUID *Guid,
                    PVOID DataBuffer, USHORT DataBufferLength)
{
        g_autofree void *buffer = NULL;
        ULONG size;

        if (!IsReparseTagMicrosoft(FileTag) && !Guid)
                return STATUS_INVALID_PARAMETER;
        buffer = reparse_buffer_new(FileTag, Guid, DataBuffer, DataBufferLength, &size);
        return FltFsControlFile(InitiatingInstance, FileObject, FSCTL_SET_REPARSE_POINT, buffer, size, NULL, 0, NULL);
}

/* STATUS_NOT_SUPPORTED: no file system here compares with an existing tag. */
NTSTATUS FltTagFileEx(PFLT_INSTANCE InitiatingInstance, PFILE_OBJECT FileObject, ULONG FileTag, GUID *Guid,
                      PVOID DataBuffer, USHORT DataBufferLength, ULONG ExistingFileTag, GUID *ExistingGuid, ULONG Flags)
{
        fm_log_unsupported(__func__, "FSCTL_SET_REPARSE_POINT_EX does not exist here");
        return STATUS_NOT_SUPPORTED;
}

/* Takes a tag off: FSCTL_DELETE_REPARSE_POINT below the instance. Statuses and IRQL as FltTagFile. */
NTSTATUS FltUntagFile(PFLT_INSTANCE InitiatingInstance, PFILE_OBJECT FileObject, ULONG FileTag, GUID *Guid)
{
        g_autofree void *buffer = NULL;
        ULONG size;

        if (!IsReparseTagMicrosoft(FileTag) && !Guid)
                return STATUS_INVALID_PARAMETER;
        buffer = reparse_buffer_new(FileTag, Guid, NULL, 0, &size);
        return FltFsControlFile(InitiatingInstance, FileObject, FSCTL_DELETE_REPARSE_POINT, buffer, size, NULL, 0,
                                NULL);
}
