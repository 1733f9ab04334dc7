/* SPDX-License-Identifier: MIT */
/*
 * Reading, writing, querying and setting by filters themselves.
 *
 * Each call is one operation that the instances below the caller see, then the file system. What
 * access the file was opened with is not looked at: a scanner may read what the application opened for writing.
 */
#include "fltmgr/fileio.h"

#include <string.h>

#include "fltmgr/check.h"
#include "fltmgr/extras.h"
#include "fltmgr/manager.h"
#include "fltmgr/work.h"
#include "nt/object.h"

struct fm_operation *fm_io_new_unopened(PFLT_INSTANCE below, UCHAR major, PFILE_OBJECT file)
{
        struct fm_thread *self = fm_thread_self();
        struct fm_requestor requestor = {.thread = PsGetCurrentThread(), .kernel = true, .cancel = self->cancel};

        if (below)
                return fm_operation_new_generated(below, major, file);
        /* From the top it is like anybody's: filters can't tell that one of them asked. */
        return fm_operation_new(fm_file_object(file)->volume, major, file, &requestor);
}

struct fm_operation *fm_io_new(const char *function, PFLT_INSTANCE below, UCHAR major, PFILE_OBJECT file,
                               NTSTATUS *status)
{
        fm_check_irql(function, PASSIVE_LEVEL);
        if (!file || !fm_file_is_open(file)) {
                *status = STATUS_INVALID_PARAMETER;
                return NULL;
        }
        *status = STATUS_SUCCESS;
        return fm_io_new_unopened(below, major, file);
}

NTSTATUS fm_io_run(struct fm_operation *operation, ULONG_PTR *information)
{
        NTSTATUS status;

        operation->iopb.IrpFlags |= IRP_SYNCHRONOUS_API;
        status = fm_operation_run(operation);
        if (information && (!NT_ERROR(status) || status == STATUS_BUFFER_TOO_SMALL))
                *information = operation->data.IoStatus.Information;
        fm_operation_free(operation);
        return status;
}

/* ---- asynchronous ---- */

struct async {
        struct fm_operation *operation;
        PFLT_COMPLETED_ASYNC_IO_CALLBACK callback;
        PFLT_CONTEXT context;
        PFLT_INSTANCE instance; /* rundown reference: teardown waits for I/O in progress */
        PETHREAD thread;        /* referenced: the operation only borrows it */
        bool free_data;
};

static void async_done(struct fm_operation *operation, void *opaque)
{
        struct async *async = opaque;
        PFLT_INSTANCE instance = async->instance;
        PETHREAD thread = async->thread;
        struct fm_callback_scope scope;
        bool free_data = async->free_data;

        if (instance)
                fm_callback_enter(&scope, instance->filter, "the callback of asynchronous I/O", NULL, NULL);
        async->callback(&operation->data, async->context);
        if (instance)
                fm_callback_leave(&scope);
        if (free_data)
                fm_operation_free(operation);
        fm_object_unref(thread);
        if (instance)
                fm_flt_object_leave(instance);
        g_free(async);
}

static void async_start(void *opaque)
{
        struct async *async = opaque;

        fm_operation_submit(async->operation, async_done, async);
}

NTSTATUS fm_io_run_async(struct fm_operation *operation, PFLT_COMPLETED_ASYNC_IO_CALLBACK callback,
                         PFLT_CONTEXT context, bool free_data)
{
        struct async *async;

        if (operation->below && !fm_flt_object_enter(operation->below))
                return STATUS_FLT_DELETING_OBJECT;
        operation->iopb.IrpFlags &= ~(ULONG)IRP_SYNCHRONOUS_API;
        async = g_new(struct async, 1);
        *async = (struct async){
                .operation = operation,
                .callback = callback,
                .context = context,
                .instance = operation->below,
                .thread = operation->requestor.thread ? fm_object_ref(operation->requestor.thread) : NULL,
                .free_data = free_data,
        };
        fm_work_push(async_start, async);
        return STATUS_PENDING;
}

/* ---- read and write ---- */

/* The caller wants it, or the opener wanted it for all there is. */
static bool is_noncached(const struct fm_transfer *transfer)
{
        return transfer->flags & FLTFL_IO_OPERATION_NON_CACHED || transfer->file->Flags & FO_NO_INTERMEDIATE_BUFFERING;
}

/* As NTFS has it: what bypasses the cache is whole sectors in an aligned buffer. */
static bool is_sector_aligned(const struct fm_transfer *transfer, LONGLONG offset)
{
        PFLT_VOLUME volume = fm_file_object(transfer->file)->volume;
        ULONG sector = volume->sector_size;
        ULONG_PTR alignment = volume->device ? volume->device->AlignmentRequirement : 0;

        return transfer->length % sector == 0 && (offset < 0 || offset % sector == 0) &&
               ((ULONG_PTR)transfer->buffer & alignment) == 0;
}

static bool is_special_offset(const LARGE_INTEGER *offset, ULONG low)
{
        return offset->HighPart == -1 && offset->LowPart == low;
}

static NTSTATUS transfer_offset(const struct fm_transfer *transfer, LARGE_INTEGER *offset)
{
        bool synchronous = (transfer->file->Flags & FO_SYNCHRONOUS_IO) != 0;

        if (transfer->offset && !is_special_offset(transfer->offset, FILE_USE_FILE_POINTER_POSITION)) {
                *offset = *transfer->offset;
                if (offset->QuadPart >= 0)
                        return STATUS_SUCCESS;
                return transfer->major == IRP_MJ_WRITE && is_special_offset(offset, FILE_WRITE_TO_END_OF_FILE)
                               ? STATUS_SUCCESS
                               : STATUS_INVALID_PARAMETER;
        }
        if (!synchronous)
                return STATUS_INVALID_PARAMETER;
        offset->QuadPart = __atomic_load_n(&transfer->file->CurrentByteOffset.QuadPart, __ATOMIC_RELAXED);
        return STATUS_SUCCESS;
}

static ULONG transfer_irp_flags(const struct fm_transfer *transfer)
{
        ULONG flags = transfer->major == IRP_MJ_READ ? IRP_READ_OPERATION : IRP_WRITE_OPERATION;

        if (is_noncached(transfer))
                flags |= IRP_NOCACHE;
        if (transfer->flags & FLTFL_IO_OPERATION_PAGING)
                flags |= IRP_NOCACHE | IRP_PAGING_IO;
        if (transfer->flags & FLTFL_IO_OPERATION_SYNCHRONOUS_PAGING)
                flags |= IRP_SYNCHRONOUS_PAGING_IO;
        return flags;
}

static void fill_transfer(struct fm_operation *operation, const struct fm_transfer *transfer, LARGE_INTEGER offset)
{
        operation->iopb.IrpFlags |= transfer_irp_flags(transfer);
        if (transfer->major == IRP_MJ_READ) {
                operation->iopb.Parameters.Read.Length = transfer->length;
                operation->iopb.Parameters.Read.Key = transfer->key;
                operation->iopb.Parameters.Read.ByteOffset = offset;
                operation->iopb.Parameters.Read.ReadBuffer = transfer->buffer;
                operation->iopb.Parameters.Read.MdlAddress = transfer->mdl;
        } else {
                operation->iopb.Parameters.Write.Length = transfer->length;
                operation->iopb.Parameters.Write.Key = transfer->key;
                operation->iopb.Parameters.Write.ByteOffset = offset;
                operation->iopb.Parameters.Write.WriteBuffer = transfer->buffer;
                operation->iopb.Parameters.Write.MdlAddress = transfer->mdl;
        }
}

/* The position of a synchronous file moves on, unless the caller does not want that. */
static void update_position(const struct fm_transfer *transfer, LONGLONG before, LARGE_INTEGER offset,
                            ULONG_PTR transferred, NTSTATUS status)
{
        LONGLONG after = before;

        if (!(transfer->file->Flags & FO_SYNCHRONOUS_IO))
                return;
        if (!(transfer->flags & (FLTFL_IO_OPERATION_DO_NOT_UPDATE_BYTE_OFFSET | FLTFL_IO_OPERATION_PAGING))) {
                if (!NT_SUCCESS(status) || offset.QuadPart < 0)
                        return;
                after = offset.QuadPart + (LONGLONG)transferred;
        }
        __atomic_store_n(&transfer->file->CurrentByteOffset.QuadPart, after, __ATOMIC_RELAXED);
}

/* One that nobody waits for. */
struct pending_transfer {
        struct fm_transfer transfer;
        LARGE_INTEGER offset;
        LONGLONG before;
};

static VOID FLTAPI transfer_done(PFLT_CALLBACK_DATA data, PFLT_CONTEXT context)
{
        struct pending_transfer pending = *(struct pending_transfer *)context;

        g_free(context);
        update_position(&pending.transfer, pending.before, pending.offset, data->IoStatus.Information,
                        data->IoStatus.Status);
        pending.transfer.callback(data, pending.transfer.context);
}

static NTSTATUS transfer_async(const struct fm_transfer *transfer, struct fm_operation *operation, LARGE_INTEGER offset,
                               LONGLONG before)
{
        struct pending_transfer *pending = g_new(struct pending_transfer, 1);
        NTSTATUS status;

        *pending = (struct pending_transfer){*transfer, offset, before};
        /* The request that this thread carries may be over before the transfer is. */
        fm_operation_own_cancel(operation);
        status = fm_io_run_async(operation, transfer_done, pending, true);
        if (!NT_SUCCESS(status)) {
                g_free(pending);
                fm_operation_free(operation);
        }
        return status;
}

NTSTATUS fm_io_transfer(const char *function, const struct fm_transfer *transfer, ULONG_PTR *information)
{
        struct fm_operation *operation;
        ULONG_PTR transferred = 0;
        LARGE_INTEGER offset;
        LONGLONG before;
        NTSTATUS status;

        operation = fm_io_new(function, transfer->below, transfer->major, transfer->file, &status);
        if (!operation)
                return status;
        status = transfer_offset(transfer, &offset);
        if (NT_SUCCESS(status) && (transfer->flags & FLTFL_IO_OPERATION_SYNCHRONOUS_PAGING) &&
            !(transfer->flags & FLTFL_IO_OPERATION_PAGING))
                status = STATUS_INVALID_PARAMETER;
        if (NT_SUCCESS(status) && is_noncached(transfer) && !is_sector_aligned(transfer, offset.QuadPart))
                status = STATUS_INVALID_PARAMETER;
        if (NT_SUCCESS(status) && (transfer->file->Flags & FO_CLEANUP_COMPLETE) &&
            !(transfer->flags & FLTFL_IO_OPERATION_PAGING))
                status = STATUS_FILE_CLOSED;
        if (!NT_SUCCESS(status)) {
                fm_operation_free(operation);
                return status;
        }

        fill_transfer(operation, transfer, offset);
        before = __atomic_load_n(&transfer->file->CurrentByteOffset.QuadPart, __ATOMIC_RELAXED);
        if (transfer->callback)
                return transfer_async(transfer, operation, offset, before);
        status = fm_io_run(operation, &transferred);
        update_position(transfer, before, offset, transferred, status);
        if (information)
                *information = transferred;
        return status;
}

static NTSTATUS transfer_for_filter(const char *function, const struct fm_transfer *transfer, PULONG done)
{
        ULONG_PTR information = 0;
        NTSTATUS status = fm_io_transfer(function, transfer, &information);

        if (done)
                *done = (ULONG)information;
        return status;
}

/*
 * Reads from an opened file, below the caller's instance. With a CallbackRoutine it returns at once and BytesRead is
 * not set: the callback finds the result in its callback data, which is freed when it returns.
 *
 * The file system's status: STATUS_END_OF_FILE at or behind the end. STATUS_PENDING: the callback will be called.
 * STATUS_INVALID_PARAMETER: not open, no ByteOffset for an asynchronous file object, SYNCHRONOUS_PAGING without PAGING,
 * or something is not aligned to sectors though NON_CACHED is set or the file was opened so. STATUS_FILE_CLOSED: after
 * cleanup, not paging. STATUS_FLT_DELETING_OBJECT: asynchronous, and the instance goes away. IRQL PASSIVE_LEVEL.
 */
NTSTATUS FltReadFile(PFLT_INSTANCE InitiatingInstance, PFILE_OBJECT FileObject, PLARGE_INTEGER ByteOffset, ULONG Length,
                     PVOID Buffer, FLT_IO_OPERATION_FLAGS Flags, PULONG BytesRead,
                     PFLT_COMPLETED_ASYNC_IO_CALLBACK CallbackRoutine, PVOID CallbackContext)
{
        return FltReadFileEx(InitiatingInstance, FileObject, ByteOffset, Length, Buffer, Flags, BytesRead,
                             CallbackRoutine, CallbackContext, NULL, NULL);
}

/* FltReadFile with a lock key, and with an MDL that describes Buffer. Statuses and IRQL as there. */
NTSTATUS FltReadFileEx(PFLT_INSTANCE InitiatingInstance, PFILE_OBJECT FileObject, PLARGE_INTEGER ByteOffset,
                       ULONG Length, PVOID Buffer, FLT_IO_OPERATION_FLAGS Flags, PULONG BytesRead,
                       PFLT_COMPLETED_ASYNC_IO_CALLBACK CallbackRoutine, PVOID CallbackContext, PULONG Key, PMDL Mdl)
{
        struct fm_transfer transfer = {
                .below = InitiatingInstance,
                .major = IRP_MJ_READ,
                .file = FileObject,
                .offset = ByteOffset,
                .length = Length,
                .buffer = Buffer,
                .mdl = Mdl,
                .flags = Flags,
                .key = Key ? *Key : 0,
                .callback = CallbackRoutine,
                .context = CallbackContext,
        };

        return transfer_for_filter("FltReadFile", &transfer, BytesRead);
}

/*
 * Writes to an opened file, below the caller's instance. ByteOffset {FILE_WRITE_TO_END_OF_FILE, -1} appends.
 * Statuses as FltReadFile, but for STATUS_END_OF_FILE. IRQL PASSIVE_LEVEL.
 */
NTSTATUS FltWriteFile(PFLT_INSTANCE InitiatingInstance, PFILE_OBJECT FileObject, PLARGE_INTEGER ByteOffset,
                      ULONG Length, PVOID Buffer, FLT_IO_OPERATION_FLAGS Flags, PULONG BytesWritten,
                      PFLT_COMPLETED_ASYNC_IO_CALLBACK CallbackRoutine, PVOID CallbackContext)
{
        return FltWriteFileEx(InitiatingInstance, FileObject, ByteOffset, Length, Buffer, Flags, BytesWritten,
                              CallbackRoutine, CallbackContext, NULL, NULL);
}

/* FltWriteFile with a lock key, and with an MDL that describes Buffer. Statuses and IRQL as there. */
NTSTATUS FltWriteFileEx(PFLT_INSTANCE InitiatingInstance, PFILE_OBJECT FileObject, PLARGE_INTEGER ByteOffset,
                        ULONG Length, PVOID Buffer, FLT_IO_OPERATION_FLAGS Flags, PULONG BytesWritten,
                        PFLT_COMPLETED_ASYNC_IO_CALLBACK CallbackRoutine, PVOID CallbackContext, PULONG Key, PMDL Mdl)
{
        struct fm_transfer transfer = {
                .below = InitiatingInstance,
                .major = IRP_MJ_WRITE,
                .file = FileObject,
                .offset = ByteOffset,
                .length = Length,
                .buffer = Buffer,
                .mdl = Mdl,
                .flags = Flags,
                .key = Key ? *Key : 0,
                .callback = CallbackRoutine,
                .context = CallbackContext,
        };

        return transfer_for_filter("FltWriteFile", &transfer, BytesWritten);
}

/* ---- queries and settings ---- */

NTSTATUS fm_io_query_information(const char *function, PFLT_INSTANCE below, PFILE_OBJECT file, void *buffer,
                                 ULONG length, FILE_INFORMATION_CLASS class, ULONG_PTR *information)
{
        NTSTATUS status;
        struct fm_operation *operation = fm_io_new(function, below, IRP_MJ_QUERY_INFORMATION, file, &status);

        if (!operation)
                return status;
        operation->iopb.Parameters.QueryFileInformation.Length = length;
        operation->iopb.Parameters.QueryFileInformation.FileInformationClass = class;
        operation->iopb.Parameters.QueryFileInformation.InfoBuffer = buffer;
        return fm_io_run(operation, information);
}

static void set_length(PULONG length, ULONG_PTR information)
{
        if (length)
                *length = (ULONG)information;
}

/*
 * Asks about an opened file, below the caller's instance.
 * The file system's status: STATUS_BUFFER_OVERFLOW with as much as fits, STATUS_INFO_LENGTH_MISMATCH,
 * STATUS_INVALID_INFO_CLASS, STATUS_FILE_DELETED when the last link is gone. STATUS_INVALID_PARAMETER: not open.
 * IRQL PASSIVE_LEVEL.
 */
NTSTATUS FltQueryInformationFile(PFLT_INSTANCE Instance, PFILE_OBJECT FileObject, PVOID FileInformation, ULONG Length,
                                 FILE_INFORMATION_CLASS FileInformationClass, PULONG LengthReturned)
{
        ULONG_PTR information = 0;
        NTSTATUS status = fm_io_query_information(__func__, Instance, FileObject, FileInformation, Length,
                                                  FileInformationClass, &information);

        set_length(LengthReturned, information);
        return status;
}

/* Where a rename or link goes if not to the file's own directory: the new name, and what it is relative to. */
static bool link_target(FILE_INFORMATION_CLASS class, void *buffer, ULONG length, UNICODE_STRING *name, HANDLE *root)
{
        FILE_RENAME_INFORMATION *rename = buffer;

        switch (class) {
        case FileRenameInformation:
        case FileRenameInformationEx:
        case FileLinkInformation:
        case FileLinkInformationEx:
                break;
        default:
                return false;
        }
        if (length < FIELD_OFFSET(FILE_RENAME_INFORMATION, FileName) ||
            rename->FileNameLength > length - FIELD_OFFSET(FILE_RENAME_INFORMATION, FileName) ||
            rename->FileNameLength > UNICODE_STRING_MAX_BYTES)
                return false;
        *name = (UNICODE_STRING){(USHORT)rename->FileNameLength, (USHORT)rename->FileNameLength, rename->FileName};
        *root = rename->RootDirectory;
        return *root || (name->Length >= sizeof(WCHAR) && name->Buffer[0] == L'\\');
}

/* The I/O manager's part of a rename: the target's directory is opened first, and every filter below sees that. */
static NTSTATUS open_target_parent(PFLT_INSTANCE below, PFILE_OBJECT file, UNICODE_STRING *name, HANDLE root,
                                   PFILE_OBJECT *ret)
{
        struct fm_file_object *fo = fm_file_object(file);
        OBJECT_ATTRIBUTES attributes;
        IO_STATUS_BLOCK iosb;
        struct fm_create create = {
                .below = below,
                .attributes = &attributes,
                .access = SYNCHRONIZE | (fo->directory ? FILE_ADD_SUBDIRECTORY : FILE_ADD_FILE),
                .share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                .disposition = FILE_OPEN,
                .options = FILE_OPEN_FOR_BACKUP_INTENT,
                .flags = IO_OPEN_TARGET_DIRECTORY,
        };
        NTSTATUS status;

        InitializeObjectAttributes(&attributes, name, OBJ_KERNEL_HANDLE, root, NULL);
        status = fm_io_create(&create, ret, &iosb);
        if (NT_SUCCESS(status) && fm_file_object(*ret)->volume != fo->volume) {
                ObDereferenceObject(*ret);
                *ret = NULL;
                status = STATUS_NOT_SAME_DEVICE;
        }
        return status;
}

NTSTATUS fm_io_set_information(const char *function, PFLT_INSTANCE below, PFILE_OBJECT file, void *buffer, ULONG length,
                               FILE_INFORMATION_CLASS class)
{
        NTSTATUS status;
        struct fm_operation *operation = fm_io_new(function, below, IRP_MJ_SET_INFORMATION, file, &status);
        PFILE_OBJECT parent = NULL;
        UNICODE_STRING name;
        HANDLE root;

        if (!operation)
                return status;
        if (link_target(class, buffer, length, &name, &root)) {
                status = open_target_parent(below, file, &name, root, &parent);
                if (!NT_SUCCESS(status)) {
                        fm_operation_free(operation);
                        return status;
                }
        }
        operation->iopb.Parameters.SetFileInformation.Length = length;
        operation->iopb.Parameters.SetFileInformation.FileInformationClass = class;
        operation->iopb.Parameters.SetFileInformation.InfoBuffer = buffer;
        operation->iopb.Parameters.SetFileInformation.ParentOfTarget = parent;
        if (length >= sizeof(BOOLEAN) && (class == FileRenameInformation || class == FileLinkInformation))
                operation->iopb.Parameters.SetFileInformation.ReplaceIfExists = *(BOOLEAN *)buffer;
        status = fm_io_run(operation, NULL);
        if (parent) {
                fm_file_object_cleanup(parent, NULL);
                ObDereferenceObject(parent);
        }
        return status;
}

/*
 * Changes an opened file, below the caller's instance. For a rename or link to another directory the target's
 * directory is opened first (SL_OPEN_TARGET_DIRECTORY), as the I/O manager does it.
 * The file system's status; STATUS_INVALID_PARAMETER: not open; STATUS_NOT_SAME_DEVICE: the target is on
 * another volume. IRQL PASSIVE_LEVEL.
 */
NTSTATUS FltSetInformationFile(PFLT_INSTANCE Instance, PFILE_OBJECT FileObject, PVOID FileInformation, ULONG Length,
                               FILE_INFORMATION_CLASS FileInformationClass)
{
        return fm_io_set_information(__func__, Instance, FileObject, FileInformation, Length, FileInformationClass);
}

NTSTATUS fm_io_query_directory(const char *function, PFLT_INSTANCE below, PFILE_OBJECT file, void *buffer, ULONG length,
                               FILE_INFORMATION_CLASS class, UCHAR flags, PUNICODE_STRING pattern,
                               ULONG_PTR *information)
{
        NTSTATUS status;
        struct fm_operation *operation = fm_io_new(function, below, IRP_MJ_DIRECTORY_CONTROL, file, &status);

        if (!operation)
                return status;
        operation->iopb.MinorFunction = IRP_MN_QUERY_DIRECTORY;
        operation->iopb.OperationFlags = flags;
        operation->iopb.Parameters.DirectoryControl.QueryDirectory.Length = length;
        operation->iopb.Parameters.DirectoryControl.QueryDirectory.FileName = pattern;
        operation->iopb.Parameters.DirectoryControl.QueryDirectory.FileInformationClass = class;
        operation->iopb.Parameters.DirectoryControl.QueryDirectory.DirectoryBuffer = buffer;
        return fm_io_run(operation, information);
}

/*
 * Lists an opened directory, below the caller's instance.
 * The file system's status: STATUS_NO_SUCH_FILE when the first call finds nothing, STATUS_NO_MORE_FILES at the end,
 * STATUS_BUFFER_OVERFLOW when not even one entry fits. STATUS_INVALID_PARAMETER: not open. IRQL PASSIVE_LEVEL.
 */
NTSTATUS FltQueryDirectoryFile(PFLT_INSTANCE Instance, PFILE_OBJECT FileObject, PVOID FileInformation, ULONG Length,
                               FILE_INFORMATION_CLASS FileInformationClass, BOOLEAN ReturnSingleEntry,
                               PUNICODE_STRING FileName, BOOLEAN RestartScan, PULONG LengthReturned)
{
        ULONG flags = (ReturnSingleEntry ? SL_RETURN_SINGLE_ENTRY : 0u) | (RestartScan ? SL_RESTART_SCAN : 0u);

        return FltQueryDirectoryFileEx(Instance, FileObject, FileInformation, Length, FileInformationClass, flags,
                                       FileName, LengthReturned);
}

/* FltQueryDirectoryFile with SL_* flags of the query. Statuses and IRQL as there. */
NTSTATUS FltQueryDirectoryFileEx(PFLT_INSTANCE Instance, PFILE_OBJECT FileObject, PVOID FileInformation, ULONG Length,
                                 FILE_INFORMATION_CLASS FileInformationClass, ULONG QueryFlags,
                                 PUNICODE_STRING FileName, PULONG LengthReturned)
{
        ULONG_PTR information = 0;
        NTSTATUS status = fm_io_query_directory("FltQueryDirectoryFile", Instance, FileObject, FileInformation, Length,
                                                FileInformationClass, (UCHAR)QueryFlags, FileName, &information);

        set_length(LengthReturned, information);
        return status;
}

NTSTATUS fm_io_volume_information(const char *function, PFLT_INSTANCE below, UCHAR major, PFILE_OBJECT file,
                                  void *buffer, ULONG length, FS_INFORMATION_CLASS class, ULONG_PTR *information)
{
        NTSTATUS status;
        struct fm_operation *operation = fm_io_new(function, below, major, file, &status);

        if (!operation)
                return status;
        if (major == IRP_MJ_QUERY_VOLUME_INFORMATION) {
                operation->iopb.Parameters.QueryVolumeInformation.Length = length;
                operation->iopb.Parameters.QueryVolumeInformation.FsInformationClass = class;
                operation->iopb.Parameters.QueryVolumeInformation.VolumeBuffer = buffer;
        } else {
                operation->iopb.Parameters.SetVolumeInformation.Length = length;
                operation->iopb.Parameters.SetVolumeInformation.FsInformationClass = class;
                operation->iopb.Parameters.SetVolumeInformation.VolumeBuffer = buffer;
        }
        return fm_io_run(operation, information);
}

/*
 * Asks about the volume that an opened file is on, below the caller's instance.
 * The file system's status; STATUS_INVALID_PARAMETER: not open. IRQL PASSIVE_LEVEL.
 */
NTSTATUS FltQueryVolumeInformationFile(PFLT_INSTANCE Instance, PFILE_OBJECT FileObject, PVOID FsInformation,
                                       ULONG Length, FS_INFORMATION_CLASS FsInformationClass, PULONG LengthReturned)
{
        ULONG_PTR information = 0;
        NTSTATUS status = fm_io_volume_information(__func__, Instance, IRP_MJ_QUERY_VOLUME_INFORMATION, FileObject,
                                                   FsInformation, Length, FsInformationClass, &information);

        set_length(LengthReturned, information);
        return status;
}

static NTSTATUS volume_information(const char *function, PFLT_INSTANCE instance, UCHAR major, PIO_STATUS_BLOCK iosb,
                                   void *buffer, ULONG length, FS_INFORMATION_CLASS class)
{
        struct fm_create create = {
                .below = instance,
                .volume = instance->volume,
                .path = RTL_CONSTANT_STRING(L"\\"),
                .access = FILE_READ_ATTRIBUTES | SYNCHRONIZE,
                .share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                .disposition = FILE_OPEN,
                .options = FILE_DIRECTORY_FILE | FILE_SYNCHRONOUS_IO_NONALERT,
        };
        IO_STATUS_BLOCK opened;
        PFILE_OBJECT root;
        NTSTATUS status;

        iosb->Information = 0;
        status = fm_io_create(&create, &root, &opened);
        if (NT_SUCCESS(status)) {
                status = fm_io_volume_information(function, instance, major, root, buffer, length, class,
                                                  &iosb->Information);
                fm_file_object_cleanup(root, NULL);
                ObDereferenceObject(root);
        }
        iosb->Status = status;
        return status;
}

/* Asks about the instance's volume, through an open of its root. The file system's status. IRQL PASSIVE_LEVEL. */
NTSTATUS FltQueryVolumeInformation(PFLT_INSTANCE Instance, PIO_STATUS_BLOCK Iosb, PVOID FsInformation, ULONG Length,
                                   FS_INFORMATION_CLASS FsInformationClass)
{
        fm_check_irql(__func__, PASSIVE_LEVEL);
        return volume_information(__func__, Instance, IRP_MJ_QUERY_VOLUME_INFORMATION, Iosb, FsInformation, Length,
                                  FsInformationClass);
}

/* Changes the instance's volume, through an open of its root. The file system's status. IRQL PASSIVE_LEVEL. */
NTSTATUS FltSetVolumeInformation(PFLT_INSTANCE Instance, PIO_STATUS_BLOCK Iosb, PVOID FsInformation, ULONG Length,
                                 FS_INFORMATION_CLASS FsInformationClass)
{
        fm_check_irql(__func__, PASSIVE_LEVEL);
        return volume_information(__func__, Instance, IRP_MJ_SET_VOLUME_INFORMATION, Iosb, FsInformation, Length,
                                  FsInformationClass);
}
