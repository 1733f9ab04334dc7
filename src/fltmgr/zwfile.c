/* SPDX-License-Identifier: MIT */
/*
 * System services for files, as filters call them on kernel handles.
 *
 * A file that was opened below an instance is worked on below it; all others from the top of the stack. Everything is
 * synchronous: Event is set and the status block filled in before the call returns; an APC routine can't be had.
 */
#include "fltmgr/check.h"
#include "fltmgr/fileio.h"
#include "fltmgr/manager.h"
#include "nt/object.h"

/* One call on a handle. */
struct call {
        PFILE_OBJECT file;
        PFLT_INSTANCE below;
        PKEVENT event;
};

static void call_clear(struct call *call)
{
        fm_object_unref(call->file);
        fm_object_unref(call->event);
}

static NTSTATUS call_begin(const char *function, HANDLE handle, HANDLE event, PIO_APC_ROUTINE apc, struct call *call)
{
        NTSTATUS status;

        *call = (struct call){0};
        fm_check_irql(function, PASSIVE_LEVEL);
        if (apc) {
                fm_log_unsupported(function, "an APC routine");
                return STATUS_NOT_SUPPORTED;
        }
        status = fm_handle_ref(handle, *IoFileObjectType, (void **)&call->file);
        if (!NT_SUCCESS(status))
                return status;
        if (event) {
                status = fm_handle_ref(event, *ExEventObjectType, (void **)&call->event);
                if (NT_SUCCESS(status))
                        KeClearEvent(call->event);
        }
        if (NT_SUCCESS(status) && !fm_file_object(call->file)->volume)
                status = STATUS_INVALID_DEVICE_REQUEST;
        if (!NT_SUCCESS(status))
                call_clear(call);
        else
                call->below = fm_file_object(call->file)->initiator;
        return status;
}

/* Errors are only returned; what was done is told in the status block, too. */
static NTSTATUS call_end(struct call *call, NTSTATUS status, ULONG_PTR information, PIO_STATUS_BLOCK iosb)
{
        if (iosb && !NT_ERROR(status)) {
                iosb->Status = status;
                iosb->Information = information;
        }
        if (call->event)
                KeSetEvent(call->event, IO_NO_INCREMENT, FALSE);
        call_clear(call);
        return status;
}

/* ---- opening ---- */

/* As FltCreateFile from the top of the stack. Statuses and IRQL as there. */
NTSTATUS ZwCreateFile(PHANDLE FileHandle, ACCESS_MASK DesiredAccess, POBJECT_ATTRIBUTES ObjectAttributes,
                      PIO_STATUS_BLOCK IoStatusBlock, PLARGE_INTEGER AllocationSize, ULONG FileAttributes,
                      ULONG ShareAccess, ULONG CreateDisposition, ULONG CreateOptions, PVOID EaBuffer, ULONG EaLength)
{
        struct fm_create create = {
                .attributes = ObjectAttributes,
                .access = DesiredAccess,
                .allocation = AllocationSize,
                .file_attributes = FileAttributes,
                .share = ShareAccess,
                .disposition = CreateDisposition,
                .options = CreateOptions,
                .ea = EaBuffer,
                .ea_length = EaLength,
        };

        fm_check_irql(__func__, PASSIVE_LEVEL);
        return fm_io_create_handle(&create, FileHandle, NULL, IoStatusBlock);
}

/* ZwCreateFile. */
NTSTATUS NtCreateFile(PHANDLE FileHandle, ACCESS_MASK DesiredAccess, POBJECT_ATTRIBUTES ObjectAttributes,
                      PIO_STATUS_BLOCK IoStatusBlock, PLARGE_INTEGER AllocationSize, ULONG FileAttributes,
                      ULONG ShareAccess, ULONG CreateDisposition, ULONG CreateOptions, PVOID EaBuffer, ULONG EaLength)
{
        return ZwCreateFile(FileHandle, DesiredAccess, ObjectAttributes, IoStatusBlock, AllocationSize, FileAttributes,
                            ShareAccess, CreateDisposition, CreateOptions, EaBuffer, EaLength);
}

/* ZwCreateFile of what exists. */
NTSTATUS ZwOpenFile(PHANDLE FileHandle, ACCESS_MASK DesiredAccess, POBJECT_ATTRIBUTES ObjectAttributes,
                    PIO_STATUS_BLOCK IoStatusBlock, ULONG ShareAccess, ULONG OpenOptions)
{
        return ZwCreateFile(FileHandle, DesiredAccess, ObjectAttributes, IoStatusBlock, NULL, 0, ShareAccess, FILE_OPEN,
                            OpenOptions, NULL, 0);
}

/* ZwCreateFile with IO_* options; CreateFileTypeNone only, others give STATUS_NOT_SUPPORTED. */
NTSTATUS IoCreateFile(PHANDLE FileHandle, ACCESS_MASK DesiredAccess, POBJECT_ATTRIBUTES ObjectAttributes,
                      PIO_STATUS_BLOCK IoStatusBlock, PLARGE_INTEGER AllocationSize, ULONG FileAttributes,
                      ULONG ShareAccess, ULONG Disposition, ULONG CreateOptions, PVOID EaBuffer, ULONG EaLength,
                      CREATE_FILE_TYPE CreateFileType, PVOID InternalParameters, ULONG Options)
{
        return IoCreateFileEx(FileHandle, DesiredAccess, ObjectAttributes, IoStatusBlock, AllocationSize,
                              FileAttributes, ShareAccess, Disposition, CreateOptions, EaBuffer, EaLength,
                              CreateFileType, InternalParameters, Options, NULL);
}

/* IoCreateFile with a driver context: as FltCreateFileEx2; a DeviceObjectHint gives STATUS_NOT_SUPPORTED. */
NTSTATUS IoCreateFileEx(PHANDLE FileHandle, ACCESS_MASK DesiredAccess, POBJECT_ATTRIBUTES ObjectAttributes,
                        PIO_STATUS_BLOCK IoStatusBlock, PLARGE_INTEGER AllocationSize, ULONG FileAttributes,
                        ULONG ShareAccess, ULONG Disposition, ULONG CreateOptions, PVOID EaBuffer, ULONG EaLength,
                        CREATE_FILE_TYPE CreateFileType, PVOID InternalParameters, ULONG Options,
                        PIO_DRIVER_CREATE_CONTEXT DriverContext)
{
        struct fm_create create = {
                .attributes = ObjectAttributes,
                .access = DesiredAccess,
                .allocation = AllocationSize,
                .file_attributes = FileAttributes,
                .share = ShareAccess,
                .disposition = Disposition,
                .options = CreateOptions,
                .ea = EaBuffer,
                .ea_length = EaLength,
                .flags = Options,
                .ecp_list = DriverContext ? DriverContext->ExtraCreateParameter : NULL,
        };

        fm_check_irql("IoCreateFile", PASSIVE_LEVEL);
        if (CreateFileType != CreateFileTypeNone ||
            (DriverContext && (DriverContext->TxnParameters || DriverContext->DeviceObjectHint))) {
                fm_log_unsupported("IoCreateFile", "pipes, mailslots, transactions and device object hints");
                return STATUS_NOT_SUPPORTED;
        }
        return fm_io_create_handle(&create, FileHandle, NULL, IoStatusBlock);
}

/* Deletes a file by name: an open, a disposition and a close. Statuses of ZwCreateFile and of the file system. */
NTSTATUS ZwDeleteFile(POBJECT_ATTRIBUTES ObjectAttributes)
{
        struct fm_create create = {
                .attributes = ObjectAttributes,
                .access = DELETE,
                .share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                .disposition = FILE_OPEN,
                .options = FILE_DELETE_ON_CLOSE | FILE_OPEN_REPARSE_POINT,
        };
        IO_STATUS_BLOCK iosb;
        PFILE_OBJECT file;
        NTSTATUS status;

        fm_check_irql(__func__, PASSIVE_LEVEL);
        status = fm_io_create(&create, &file, &iosb);
        if (NT_SUCCESS(status)) {
                fm_file_object_cleanup(file, NULL);
                fm_object_unref(file);
        }
        return status;
}

/* Asks about a file by name: an open, a query and a close. Statuses of ZwCreateFile and of the file system. */
NTSTATUS ZwQueryFullAttributesFile(POBJECT_ATTRIBUTES ObjectAttributes, PFILE_NETWORK_OPEN_INFORMATION FileInformation)
{
        struct fm_create create = {
                .attributes = ObjectAttributes,
                .access = FILE_READ_ATTRIBUTES,
                .share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                .disposition = FILE_OPEN,
                .options = FILE_OPEN_REPARSE_POINT,
        };
        IO_STATUS_BLOCK iosb;
        PFILE_OBJECT file;
        NTSTATUS status;

        fm_check_irql(__func__, PASSIVE_LEVEL);
        status = fm_io_create(&create, &file, &iosb);
        if (!NT_SUCCESS(status))
                return status;
        status = fm_io_query_information(__func__, NULL, file, FileInformation, sizeof(*FileInformation),
                                         FileNetworkOpenInformation, NULL);
        fm_file_object_cleanup(file, NULL);
        fm_object_unref(file);
        return status;
}

/* ---- reading and writing ---- */

static NTSTATUS transfer(const char *function, UCHAR major, HANDLE handle, HANDLE event, PIO_APC_ROUTINE apc,
                         PIO_STATUS_BLOCK iosb, PVOID buffer, ULONG length, PLARGE_INTEGER offset, PULONG key)
{
        ULONG_PTR information = 0;
        struct call call;
        NTSTATUS status = call_begin(function, handle, event, apc, &call);

        if (!NT_SUCCESS(status))
                return status;
        struct fm_transfer transfer = {
                .below = call.below,
                .major = major,
                .file = call.file,
                .offset = offset,
                .length = length,
                .buffer = buffer,
                .key = key ? *key : 0,
        };
        status = fm_io_transfer(function, &transfer, &information);
        return call_end(&call, status, information, iosb);
}

/* Reads. The file system's status; STATUS_INVALID_HANDLE; others as FltReadFile. IRQL PASSIVE_LEVEL. */
NTSTATUS ZwReadFile(HANDLE FileHandle, HANDLE Event, PIO_APC_ROUTINE ApcRoutine, PVOID ApcContext,
                    PIO_STATUS_BLOCK IoStatusBlock, PVOID Buffer, ULONG Length, PLARGE_INTEGER ByteOffset, PULONG Key)
{
        return transfer(__func__, IRP_MJ_READ, FileHandle, Event, ApcRoutine, IoStatusBlock, Buffer, Length, ByteOffset,
                        Key);
}

/* Writes. The file system's status; STATUS_INVALID_HANDLE; others as FltWriteFile. IRQL PASSIVE_LEVEL. */
NTSTATUS ZwWriteFile(HANDLE FileHandle, HANDLE Event, PIO_APC_ROUTINE ApcRoutine, PVOID ApcContext,
                     PIO_STATUS_BLOCK IoStatusBlock, PVOID Buffer, ULONG Length, PLARGE_INTEGER ByteOffset, PULONG Key)
{
        return transfer(__func__, IRP_MJ_WRITE, FileHandle, Event, ApcRoutine, IoStatusBlock, Buffer, Length,
                        ByteOffset, Key);
}

/* Flushes. The file system's status; STATUS_INVALID_HANDLE. IRQL PASSIVE_LEVEL. */
NTSTATUS ZwFlushBuffersFile(HANDLE FileHandle, PIO_STATUS_BLOCK IoStatusBlock)
{
        struct fm_operation *operation;
        struct call call;
        NTSTATUS status = call_begin(__func__, FileHandle, NULL, NULL, &call);

        if (!NT_SUCCESS(status))
                return status;
        operation = fm_io_new(__func__, call.below, IRP_MJ_FLUSH_BUFFERS, call.file, &status);
        if (operation)
                status = fm_io_run(operation, NULL);
        return call_end(&call, status, 0, IoStatusBlock);
}

static NTSTATUS lock_range(const char *function, UCHAR minor, struct call *call, PIO_STATUS_BLOCK iosb,
                           PLARGE_INTEGER offset, PLARGE_INTEGER length, ULONG key, UCHAR flags)
{
        struct fm_operation *operation;
        NTSTATUS status;

        operation = fm_io_new(function, call->below, IRP_MJ_LOCK_CONTROL, call->file, &status);
        if (operation) {
                operation->iopb.MinorFunction = minor;
                operation->iopb.OperationFlags = flags;
                operation->iopb.Parameters.LockControl.Length = length;
                operation->iopb.Parameters.LockControl.Key = key;
                operation->iopb.Parameters.LockControl.ByteOffset = *offset;
                operation->iopb.Parameters.LockControl.ProcessId = PsGetCurrentProcess();
                operation->iopb.Parameters.LockControl.FailImmediately = (flags & SL_FAIL_IMMEDIATELY) != 0;
                operation->iopb.Parameters.LockControl.ExclusiveLock = (flags & SL_EXCLUSIVE_LOCK) != 0;
                status = fm_io_run(operation, NULL);
        }
        return call_end(call, status, 0, iosb);
}

/*
 * Locks a range of bytes, against all who ask for a lock of the backing file. FailImmediately FALSE: waits.
 * The file system's status: STATUS_LOCK_NOT_GRANTED; STATUS_INVALID_HANDLE; STATUS_NOT_SUPPORTED: an APC routine.
 * IRQL PASSIVE_LEVEL.
 */
NTSTATUS ZwLockFile(HANDLE FileHandle, HANDLE Event, PIO_APC_ROUTINE ApcRoutine, PVOID ApcContext,
                    PIO_STATUS_BLOCK IoStatusBlock, PLARGE_INTEGER ByteOffset, PLARGE_INTEGER Length, ULONG Key,
                    BOOLEAN FailImmediately, BOOLEAN ExclusiveLock)
{
        UCHAR flags = (UCHAR)((FailImmediately ? SL_FAIL_IMMEDIATELY : 0) | (ExclusiveLock ? SL_EXCLUSIVE_LOCK : 0));
        struct call call;
        NTSTATUS status = call_begin(__func__, FileHandle, Event, ApcRoutine, &call);

        return NT_SUCCESS(status)
                       ? lock_range(__func__, IRP_MN_LOCK, &call, IoStatusBlock, ByteOffset, Length, Key, flags)
                       : status;
}

/* Unlocks a range, or a part of one. The file system's status; STATUS_INVALID_HANDLE. IRQL PASSIVE_LEVEL. */
NTSTATUS ZwUnlockFile(HANDLE FileHandle, PIO_STATUS_BLOCK IoStatusBlock, PLARGE_INTEGER ByteOffset,
                      PLARGE_INTEGER Length, ULONG Key)
{
        struct call call;
        NTSTATUS status = call_begin(__func__, FileHandle, NULL, NULL, &call);

        return NT_SUCCESS(status)
                       ? lock_range(__func__, IRP_MN_UNLOCK_SINGLE, &call, IoStatusBlock, ByteOffset, Length, Key, 0)
                       : status;
}

/* ---- queries and settings ---- */

/* Asks about a file. The file system's status; STATUS_INVALID_HANDLE. IRQL PASSIVE_LEVEL. */
NTSTATUS ZwQueryInformationFile(HANDLE FileHandle, PIO_STATUS_BLOCK IoStatusBlock, PVOID FileInformation, ULONG Length,
                                FILE_INFORMATION_CLASS FileInformationClass)
{
        ULONG_PTR information = 0;
        struct call call;
        NTSTATUS status = call_begin(__func__, FileHandle, NULL, NULL, &call);

        if (!NT_SUCCESS(status))
                return status;
        status = fm_io_query_information(__func__, call.below, call.file, FileInformation, Length, FileInformationClass,
                                         &information);
        return call_end(&call, status, information, IoStatusBlock);
}

/* Changes a file. The file system's status; STATUS_INVALID_HANDLE; others as FltSetInformationFile. IRQL PASSIVE_LEVEL.
 */
NTSTATUS ZwSetInformationFile(HANDLE FileHandle, PIO_STATUS_BLOCK IoStatusBlock, PVOID FileInformation, ULONG Length,
                              FILE_INFORMATION_CLASS FileInformationClass)
{
        struct call call;
        NTSTATUS status = call_begin(__func__, FileHandle, NULL, NULL, &call);

        if (!NT_SUCCESS(status))
                return status;
        status = fm_io_set_information(__func__, call.below, call.file, FileInformation, Length, FileInformationClass);
        return call_end(&call, status, 0, IoStatusBlock);
}

/* Asks about a file's volume. The file system's status; STATUS_INVALID_HANDLE. IRQL PASSIVE_LEVEL. */
NTSTATUS ZwQueryVolumeInformationFile(HANDLE FileHandle, PIO_STATUS_BLOCK IoStatusBlock, PVOID FsInformation,
                                      ULONG Length, FS_INFORMATION_CLASS FsInformationClass)
{
        ULONG_PTR information = 0;
        struct call call;
        NTSTATUS status = call_begin(__func__, FileHandle, NULL, NULL, &call);

        if (!NT_SUCCESS(status))
                return status;
        status = fm_io_volume_information(__func__, call.below, IRP_MJ_QUERY_VOLUME_INFORMATION, call.file,
                                          FsInformation, Length, FsInformationClass, &information);
        return call_end(&call, status, information, IoStatusBlock);
}

/* ZwQueryDirectoryFile with SL_* flags. */
NTSTATUS ZwQueryDirectoryFileEx(HANDLE FileHandle, HANDLE Event, PIO_APC_ROUTINE ApcRoutine, PVOID ApcContext,
                                PIO_STATUS_BLOCK IoStatusBlock, PVOID FileInformation, ULONG Length,
                                FILE_INFORMATION_CLASS FileInformationClass, ULONG QueryFlags, PUNICODE_STRING FileName)
{
        ULONG_PTR information = 0;
        struct call call;
        NTSTATUS status = call_begin("ZwQueryDirectoryFile", FileHandle, Event, ApcRoutine, &call);

        if (!NT_SUCCESS(status))
                return status;
        status = fm_io_query_directory("ZwQueryDirectoryFile", call.below, call.file, FileInformation, Length,
                                       FileInformationClass, (UCHAR)QueryFlags, FileName, &information);
        return call_end(&call, status, information, IoStatusBlock);
}

/* Lists a directory. The file system's status; STATUS_INVALID_HANDLE; others as FltQueryDirectoryFile. IRQL
 * PASSIVE_LEVEL. */
NTSTATUS ZwQueryDirectoryFile(HANDLE FileHandle, HANDLE Event, PIO_APC_ROUTINE ApcRoutine, PVOID ApcContext,
                              PIO_STATUS_BLOCK IoStatusBlock, PVOID FileInformation, ULONG Length,
                              FILE_INFORMATION_CLASS FileInformationClass, BOOLEAN ReturnSingleEntry,
                              PUNICODE_STRING FileName, BOOLEAN RestartScan)
{
        ULONG flags = (ReturnSingleEntry ? SL_RETURN_SINGLE_ENTRY : 0u) | (RestartScan ? SL_RESTART_SCAN : 0u);

        return ZwQueryDirectoryFileEx(FileHandle, Event, ApcRoutine, ApcContext, IoStatusBlock, FileInformation, Length,
                                      FileInformationClass, flags, FileName);
}

static NTSTATUS control(const char *function, UCHAR major, HANDLE handle, HANDLE event, PIO_APC_ROUTINE apc,
                        PIO_STATUS_BLOCK iosb, struct fm_control *what)
{
        ULONG_PTR information = 0;
        struct call call;
        NTSTATUS status = call_begin(function, handle, event, apc, &call);

        if (!NT_SUCCESS(status))
                return status;
        what->major = major;
        what->below = call.below;
        what->file = call.file;
        status = fm_io_control(function, what, &information);
        return call_end(&call, status, information, iosb);
}

/* A file system control. The file system's status; STATUS_INVALID_HANDLE; others as FltFsControlFile. IRQL
 * PASSIVE_LEVEL. */
NTSTATUS ZwFsControlFile(HANDLE FileHandle, HANDLE Event, PIO_APC_ROUTINE ApcRoutine, PVOID ApcContext,
                         PIO_STATUS_BLOCK IoStatusBlock, ULONG FsControlCode, PVOID InputBuffer,
                         ULONG InputBufferLength, PVOID OutputBuffer, ULONG OutputBufferLength)
{
        struct fm_control what = {
                .code = FsControlCode,
                .input = InputBuffer,
                .input_length = InputBufferLength,
                .output = OutputBuffer,
                .output_length = OutputBufferLength,
        };

        return control(__func__, IRP_MJ_FILE_SYSTEM_CONTROL, FileHandle, Event, ApcRoutine, IoStatusBlock, &what);
}

/* A device control. Statuses and IRQL as ZwFsControlFile. */
NTSTATUS ZwDeviceIoControlFile(HANDLE FileHandle, HANDLE Event, PIO_APC_ROUTINE ApcRoutine, PVOID ApcContext,
                               PIO_STATUS_BLOCK IoStatusBlock, ULONG IoControlCode, PVOID InputBuffer,
                               ULONG InputBufferLength, PVOID OutputBuffer, ULONG OutputBufferLength)
{
        struct fm_control what = {
                .code = IoControlCode,
                .input = InputBuffer,
                .input_length = InputBufferLength,
                .output = OutputBuffer,
                .output_length = OutputBufferLength,
        };

        return control(__func__, IRP_MJ_DEVICE_CONTROL, FileHandle, Event, ApcRoutine, IoStatusBlock, &what);
}

/* Reads extended attributes. Statuses as FltQueryEaFile; STATUS_INVALID_HANDLE. IRQL PASSIVE_LEVEL. */
NTSTATUS ZwQueryEaFile(HANDLE FileHandle, PIO_STATUS_BLOCK IoStatusBlock, PVOID Buffer, ULONG Length,
                       BOOLEAN ReturnSingleEntry, PVOID EaList, ULONG EaListLength, PULONG EaIndex, BOOLEAN RestartScan)
{
        ULONG returned = 0;
        struct call call;
        NTSTATUS status = call_begin(__func__, FileHandle, NULL, NULL, &call);

        if (!NT_SUCCESS(status))
                return status;
        status = FltQueryEaFile(call.below, call.file, Buffer, Length, ReturnSingleEntry, EaList, EaListLength, EaIndex,
                                RestartScan, &returned);
        return call_end(&call, status, returned, IoStatusBlock);
}

/* Writes extended attributes. Statuses as FltSetEaFile; STATUS_INVALID_HANDLE. IRQL PASSIVE_LEVEL. */
NTSTATUS ZwSetEaFile(HANDLE FileHandle, PIO_STATUS_BLOCK IoStatusBlock, PVOID Buffer, ULONG Length)
{
        struct call call;
        NTSTATUS status = call_begin(__func__, FileHandle, NULL, NULL, &call);

        if (!NT_SUCCESS(status))
                return status;
        status = FltSetEaFile(call.below, call.file, Buffer, Length);
        return call_end(&call, status, 0, IoStatusBlock);
}

/* ---- security ---- */

/* The security descriptor of a file. As FltQuerySecurityObject(); STATUS_INVALID_HANDLE. IRQL PASSIVE_LEVEL. */
NTSTATUS ZwQuerySecurityObject(HANDLE Handle, SECURITY_INFORMATION SecurityInformation,
                               PSECURITY_DESCRIPTOR SecurityDescriptor, ULONG Length, PULONG LengthNeeded)
{
        struct call call;
        NTSTATUS status = call_begin(__func__, Handle, NULL, NULL, &call);

        if (!NT_SUCCESS(status))
                return status;
        status = FltQuerySecurityObject(call.below, call.file, SecurityInformation, SecurityDescriptor, Length,
                                        LengthNeeded);
        return call_end(&call, status, 0, NULL);
}

/* Sets the security descriptor of a file. As FltSetSecurityObject(); STATUS_INVALID_HANDLE. IRQL PASSIVE_LEVEL. */
NTSTATUS ZwSetSecurityObject(HANDLE Handle, SECURITY_INFORMATION SecurityInformation,
                             PSECURITY_DESCRIPTOR SecurityDescriptor)
{
        struct call call;
        NTSTATUS status = call_begin(__func__, Handle, NULL, NULL, &call);

        if (!NT_SUCCESS(status))
                return status;
        status = FltSetSecurityObject(call.below, call.file, SecurityInformation, SecurityDescriptor);
        return call_end(&call, status, 0, NULL);
}
