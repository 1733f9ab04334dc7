/* SPDX-License-Identifier: MIT */
/*
 * IRP_MJ_READ, IRP_MJ_WRITE and IRP_MJ_LOCK_CONTROL at the bottom, from and to the buffers that the operation
 * has now.
 *
 * The caller's descriptor is used where it can do it; access that a handle was not granted does not stop a
 * filter, which reads and writes with our rights.
 */
#include "fuse/fsd.h"

#include <errno.h>

#include "nt/status.h"

/* An MDL, if there is one, is the buffer to use: the pointer beside it may belong to another address space.
 */
static void *current_buffer(PMDL mdl, PVOID buffer)
{
        return mdl ? MmGetSystemAddressForMdlSafe(mdl, NormalPagePriority) : buffer;
}

void fm_fsd_read(struct fm_operation *op)
{
        PFILE_OBJECT object = op->iopb.TargetFileObject;
        const ULONG length = op->iopb.Parameters.Read.Length;
        void *buffer =
                current_buffer(op->iopb.Parameters.Read.MdlAddress, op->iopb.Parameters.Read.ReadBuffer);
        LONGLONG offset = op->iopb.Parameters.Read.ByteOffset.QuadPart;
        const bool positioned = op->iopb.Parameters.Read.ByteOffset.HighPart == -1 &&
                                op->iopb.Parameters.Read.ByteOffset.LowPart == FILE_USE_FILE_POINTER_POSITION;
        struct fm_file *file;
        ssize_t count;
        int error;

        if (positioned)
                offset = object->CurrentByteOffset.QuadPart;
        if (offset < 0 || (length && !buffer)) {
                fm_operation_set_result(op, STATUS_INVALID_PARAMETER, 0);
                return;
        }
        if (fm_file_object(object)->directory) {
                fm_operation_set_result(op, STATUS_INVALID_DEVICE_REQUEST, 0);
                return;
        }
        error = fm_fsd_get_file(object, false, &file);
        count = error < 0 ? error : fm_backing_read(file, buffer, length, offset);
        if (count < 0) {
                fm_operation_set_error(op, -(int)count);
                return;
        }
        if (object->Flags & FO_SYNCHRONOUS_IO && op->requestor.kernel && !(op->iopb.IrpFlags & IRP_PAGING_IO))
                object->CurrentByteOffset.QuadPart = offset + count;
        fm_operation_set_result(op, count == 0 && length ? STATUS_END_OF_FILE : STATUS_SUCCESS,
                                (ULONG_PTR)count);
}

void fm_fsd_write(struct fm_operation *op)
{
        PFILE_OBJECT object = op->iopb.TargetFileObject;
        const ULONG length = op->iopb.Parameters.Write.Length;
        const void *buffer =
                current_buffer(op->iopb.Parameters.Write.MdlAddress, op->iopb.Parameters.Write.WriteBuffer);
        const LARGE_INTEGER where = op->iopb.Parameters.Write.ByteOffset;
        const bool at_end = where.HighPart == -1 && where.LowPart == FILE_WRITE_TO_END_OF_FILE;
        LONGLONG offset = where.QuadPart;
        struct fm_caller scratch;
        struct fm_file *file;
        ssize_t count;
        int error;

        if (where.HighPart == -1 && where.LowPart == FILE_USE_FILE_POINTER_POSITION)
                offset = object->CurrentByteOffset.QuadPart;
        if ((offset < 0 && !at_end) || (length && !buffer)) {
                fm_operation_set_result(op, STATUS_INVALID_PARAMETER, 0);
                return;
        }
        if (fm_file_object(object)->directory) {
                fm_operation_set_result(op, STATUS_INVALID_DEVICE_REQUEST, 0);
                return;
        }
        error = fm_fsd_get_file(object, true, &file);
        count = error < 0 ? error
                          : fm_backing_write_at(fm_fsd_caller(op, &scratch), file, buffer, length, offset,
                                                at_end);
        if (count < 0) {
                fm_operation_set_error(op, -(int)count);
                return;
        }
        if (count > 0)
                fm_fsd_mark_written(object);
        if (object->Flags & FO_SYNCHRONOUS_IO && op->requestor.kernel && !at_end &&
            !(op->iopb.IrpFlags & IRP_PAGING_IO))
                object->CurrentByteOffset.QuadPart = offset + count;
        fm_operation_set_result(op, STATUS_SUCCESS, (ULONG_PTR)count);
}

/*
 * The kernel's lock requests carry their own way to lock; NT's rules (mandatory, for one file object) are not
 * those of the backing file system, so a lock that a filter makes by itself is refused.
 */
void fm_fsd_lock_control(struct fm_operation *op)
{
        if (fm_fsd_perform(op, op->iopb.MinorFunction, NULL, 0))
                return;
        fm_operation_set_result(op, STATUS_NOT_SUPPORTED, 0);
}
