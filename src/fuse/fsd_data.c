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
#include <fcntl.h>

#include "nt/status.h"

/* An MDL, if there is one, is the buffer to use: the pointer beside it may belong to another address space.
 */
static void *current_buffer(PMDL mdl, PVOID buffer)
{
        return mdl ? MmGetSystemAddressForMdlSafe(mdl, NormalPagePriority) : buffer;
}

/* A filter's own transfer through a synchronous file object; the kernel of the mount keeps its positions itself. */
static bool moves_position(const struct fm_operation *op)
{
        return op->requestor.kernel && !(op->iopb.IrpFlags & IRP_PAGING_IO) &&
               __atomic_load_n(&op->iopb.TargetFileObject->Flags, __ATOMIC_RELAXED) & FO_SYNCHRONOUS_IO;
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
        if (moves_position(op))
                object->CurrentByteOffset.QuadPart = offset + count;
        fm_operation_set_result(op, count == 0 && length ? STATUS_END_OF_FILE : STATUS_SUCCESS,
                                (ULONG_PTR)count);
}

/* Where an appended piece ends, unless somebody has appended another one meanwhile. */
static LONGLONG end_of_data(PFILE_OBJECT object, struct fm_file *file)
{
        struct stat st;

        if (fm_backing_getattr(fm_fsd_file(object)->inode, file, &st) < 0)
                return object->CurrentByteOffset.QuadPart;
        return st.st_size;
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
        if (moves_position(op))
                object->CurrentByteOffset.QuadPart = at_end ? end_of_data(object, file) : offset + count;
        fm_operation_set_result(op, STATUS_SUCCESS, (ULONG_PTR)count);
}

/* A lock that a filter makes by itself: the file object owns it, and it counts for all who lock the backing file. */
static int own_lock(struct fm_operation *op)
{
        const FLT_IO_PARAMETER_BLOCK *iopb = &op->iopb;
        PFILE_OBJECT object = iopb->TargetFileObject;
        const LARGE_INTEGER *length = iopb->Parameters.LockControl.Length;
        const bool lock = iopb->MinorFunction == IRP_MN_LOCK;
        const bool all = iopb->MinorFunction == IRP_MN_UNLOCK_ALL || iopb->MinorFunction == IRP_MN_UNLOCK_ALL_BY_KEY;
        struct flock range = {.l_whence = SEEK_SET, .l_type = F_UNLCK};
        struct fm_file *file;
        int error;

        if (!all && (!length || length->QuadPart <= 0 || iopb->Parameters.LockControl.ByteOffset.QuadPart < 0))
                return -EINVAL;
        if (!all) {
                range.l_start = iopb->Parameters.LockControl.ByteOffset.QuadPart;
                /* Past what Linux can say is to the end of all files. */
                range.l_len = length->QuadPart > INT64_MAX - range.l_start ? 0 : length->QuadPart;
        }
        if (lock)
                range.l_type = iopb->OperationFlags & SL_EXCLUSIVE_LOCK ? F_WRLCK : F_RDLCK;
        error = fm_fsd_get_file(object, false, &file);
        if (error < 0)
                return error;
        return fm_backing_setlk(file, (uintptr_t)object, 0, &range,
                                lock && !(iopb->OperationFlags & SL_FAIL_IMMEDIATELY), op->requestor.cancel);
}

/*
 * The kernel's lock requests carry their own way to lock. NT's rules (mandatory, for one file object) are not those of
 * the backing file system: a lock keeps out only who asks for one, and an unlock may be of a part.
 */
void fm_fsd_lock_control(struct fm_operation *op)
{
        if (op->iopb.MinorFunction == IRP_MN_LOCK)
                op->iopb.TargetFileObject->LockOperation = TRUE;
        if (!fm_fsd_perform(op, op->iopb.MinorFunction, NULL, 0))
                fm_operation_set_error(op, -own_lock(op));
        if (op->error == EAGAIN || op->error == EACCES)
                fm_operation_set_error_as(op, op->error, STATUS_LOCK_NOT_GRANTED);
}
