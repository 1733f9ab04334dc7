/* SPDX-License-Identifier: MIT */
/*
 * Opens that filters make: from an object name to an opened file object and a handle.
 *
 * A file opened below an instance stays below it: the file object remembers, so reads through its handle, its CLEANUP
 * and its CLOSE are seen by the same filters as its CREATE.
 */
#include <string.h>

#include "fltmgr/check.h"
#include "fltmgr/ecp.h"
#include "fltmgr/fileio.h"
#include "fltmgr/manager.h"
#include "fltmgr/name.h"
#include "nt/ledger.h"
#include "nt/object.h"

/* The last handle is gone: CLEANUP. CLOSE follows the last reference. */
static void file_handle_closed(void *body)
{
        struct fm_file_object *fo = body;

        if (fo->volume)
                fm_file_object_cleanup(&fo->file, NULL);
}

__attribute__((constructor)) static void file_handles_init(void)
{
        (*IoFileObjectType)->close = file_handle_closed;
}

/* Where an open goes. */
struct target {
        PFLT_VOLUME volume;   /* memory reference */
        PFILE_OBJECT related; /* referenced, or NULL */
        UNICODE_STRING path;  /* borrowed slice of the caller's name */
};

static void target_clear(struct target *target)
{
        fm_flt_object_unref(target->volume);
        fm_object_unref(target->related);
        *target = (struct target){0};
}

static NTSTATUS target_from_root(HANDLE root, PCUNICODE_STRING name, ULONG options, struct target *target)
{
        NTSTATUS status = fm_handle_ref(root, *IoFileObjectType, (void **)&target->related);

        if (!NT_SUCCESS(status))
                return status;
        if (name->Length && name->Buffer[0] == L'\\' && !(options & FILE_OPEN_BY_FILE_ID))
                return STATUS_INVALID_PARAMETER;
        target->volume = fm_file_object(target->related)->volume;
        if (!target->volume)
                return STATUS_INVALID_DEVICE_REQUEST;
        fm_flt_object_ref(target->volume);
        return STATUS_SUCCESS;
}

static NTSTATUS target_from_name(PCUNICODE_STRING name, struct target *target)
{
        if (name->Length == 0 || name->Buffer[0] != L'\\')
                return STATUS_OBJECT_PATH_SYNTAX_BAD;
        pthread_mutex_lock(&fm_manager.lock);
        for (guint i = 0; i < fm_manager.volumes->len && !target->volume; i++) {
                PFLT_VOLUME volume = g_ptr_array_index(fm_manager.volumes, i);

                if (fm_volume_skip_name(volume, &target->path)) {
                        fm_flt_object_ref(volume);
                        target->volume = volume;
                }
        }
        pthread_mutex_unlock(&fm_manager.lock);
        return target->volume ? STATUS_SUCCESS : STATUS_OBJECT_PATH_NOT_FOUND;
}

static NTSTATUS find_target(const struct fm_create *create, struct target *target)
{
        POBJECT_ATTRIBUTES attributes = create->attributes;
        NTSTATUS status;

        *target = (struct target){.path = create->path};
        if (create->volume) {
                fm_flt_object_ref(create->volume);
                target->volume = create->volume;
                return STATUS_SUCCESS;
        }
        if (!attributes)
                return STATUS_INVALID_PARAMETER;
        if (attributes->ObjectName)
                target->path = *attributes->ObjectName;
        if (target->path.Length % sizeof(WCHAR) != 0 || (target->path.Length && !target->path.Buffer))
                return STATUS_OBJECT_NAME_INVALID;
        status = attributes->RootDirectory
                         ? target_from_root(attributes->RootDirectory, &target->path, create->options, target)
                         : target_from_name(&target->path, target);
        if (NT_SUCCESS(status) && create->below && create->below->volume != target->volume)
                status = STATUS_INVALID_DEVICE_OBJECT_PARAMETER;
        return status;
}

static NTSTATUS set_file_name(PFILE_OBJECT file, PCUNICODE_STRING path)
{
        if (path->Length == 0)
                return STATUS_SUCCESS;
        file->FileName.Buffer = ExAllocatePoolWithTag(NonPagedPoolNx, path->Length, 'nFoI');
        if (!file->FileName.Buffer)
                return STATUS_INSUFFICIENT_RESOURCES;
        memcpy(file->FileName.Buffer, path->Buffer, path->Length);
        file->FileName.Length = path->Length;
        file->FileName.MaximumLength = path->Length;
        return STATUS_SUCCESS;
}

static PFILE_OBJECT file_new(const struct fm_create *create, struct target *target)
{
        PFILE_OBJECT file = fm_file_object_new(target->volume);
        struct fm_file_object *fo = fm_file_object(file);
        struct fm_thread *self = fm_thread_self();

        file->Flags = fm_file_object_flags(create->options);
        fo->by_id = (create->options & FILE_OPEN_BY_FILE_ID) != 0;
        if (target->path.Length == 0 && !target->related)
                file->Flags |= FO_VOLUME_OPEN;
        fo->related = g_steal_pointer(&target->related);
        file->RelatedFileObject = fo->related;
        if (create->below) {
                fm_flt_object_ref(create->below);
                fo->initiator = create->below;
        }
        if (self->thread)
                fo->opener = fm_object_ref(self->thread);
        return file;
}

static void fill_operation(struct fm_operation *operation, const struct fm_create *create)
{
        FLT_IO_PARAMETER_BLOCK *iopb = &operation->iopb;

        operation->access_state.OriginalDesiredAccess = create->access;
        operation->access_state.RemainingDesiredAccess = 0;
        operation->access_state.PreviouslyGrantedAccess = create->access;
        operation->security_context.AccessState = &operation->access_state;
        operation->security_context.DesiredAccess = create->access;
        operation->security_context.FullCreateOptions = create->options;
        iopb->Parameters.Create.SecurityContext = &operation->security_context;
        iopb->Parameters.Create.Options = create->disposition << 24 | (create->options & FILE_VALID_OPTION_FLAGS);
        iopb->Parameters.Create.FileAttributes = (USHORT)create->file_attributes;
        iopb->Parameters.Create.ShareAccess = (USHORT)create->share;
        iopb->Parameters.Create.EaBuffer = create->ea;
        iopb->Parameters.Create.EaLength = create->ea_length;
        iopb->Parameters.Create.AllocationSize.QuadPart = create->allocation ? create->allocation->QuadPart : 0;

        iopb->OperationFlags = SL_CASE_SENSITIVE;
        if (create->flags & IO_FORCE_ACCESS_CHECK)
                iopb->OperationFlags |= SL_FORCE_ACCESS_CHECK;
        if (create->flags & IO_OPEN_TARGET_DIRECTORY)
                iopb->OperationFlags |= SL_OPEN_TARGET_DIRECTORY;
        if (create->flags & IO_STOP_ON_SYMLINK)
                iopb->OperationFlags |= SL_STOP_ON_SYMLINK;
        if (create->ecp_list)
                fm_ecp_list_lend(operation, create->ecp_list);
}

static NTSTATUS check_create(const struct fm_create *create)
{
        if (create->disposition > FILE_MAXIMUM_DISPOSITION ||
            (create->share & ~(ULONG)(FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE)) ||
            (create->options & ~(ULONG)FILE_VALID_OPTION_FLAGS) ||
            ((create->options & FILE_DIRECTORY_FILE) && (create->options & FILE_NON_DIRECTORY_FILE)) ||
            ((create->options & (FILE_SYNCHRONOUS_IO_ALERT | FILE_SYNCHRONOUS_IO_NONALERT)) &&
             !(create->access & SYNCHRONIZE)) ||
            ((create->options & FILE_DELETE_ON_CLOSE) && !(create->access & DELETE)))
                return STATUS_INVALID_PARAMETER;
        return STATUS_SUCCESS;
}

NTSTATUS fm_io_create(const struct fm_create *create, PFILE_OBJECT *ret, PIO_STATUS_BLOCK iosb)
{
        struct fm_operation *operation;
        struct target target = {0};
        PFILE_OBJECT file = NULL;
        NTSTATUS status;

        *ret = NULL;
        iosb->Information = 0;
        status = check_create(create);
        if (NT_SUCCESS(status))
                status = find_target(create, &target);
        if (NT_SUCCESS(status)) {
                file = file_new(create, &target);
                status = set_file_name(file, &target.path);
        }
        if (NT_SUCCESS(status)) {
                operation = fm_io_new_unopened(create->below, IRP_MJ_CREATE, file);
                fill_operation(operation, create);
                status = fm_operation_run(operation);
                iosb->Information = operation->data.IoStatus.Information;
                fm_operation_free(operation);
        }
        /* Windows lets the related file object go when the open is done: names are whole from then on. */
        if (NT_SUCCESS(status))
                *ret = file;
        else
                fm_object_unref(file);
        target_clear(&target);
        iosb->Status = status;
        return status;
}

NTSTATUS fm_io_create_handle(const struct fm_create *create, PHANDLE handle, PFILE_OBJECT *ret, PIO_STATUS_BLOCK iosb)
{
        PFILE_OBJECT file;
        NTSTATUS status;

        *handle = NULL;
        if (ret)
                *ret = NULL;
        status = fm_io_create(create, &file, iosb);
        if (!NT_SUCCESS(status))
                return status;
        file->Flags |= FO_HANDLE_CREATED;
        status = fm_handle_new(file, handle);
        if (!NT_SUCCESS(status)) {
                fm_file_object_cleanup(file, NULL);
                iosb->Status = status;
        } else if (ret) {
                *ret = fm_object_ref(file);
                fm_ledger_add(FM_LEDGER_OBJECT, file, fm_thread_self()->code);
        }
        fm_object_unref(file);
        return status;
}

/*
 * Opens or creates a file for a filter, below Instance (NULL: from the top of the stack, the filter itself included).
 * Names: "\Device\HarddiskVolume1\...", "\??\C:\...", "\??\Volume{...}\...", or relative to RootDirectory. Nobody's
 * permissions are checked. The handle is a kernel handle, whether OBJ_KERNEL_HANDLE is set or not; names are compared
 * as the source's file system does it, whatever OBJ_CASE_INSENSITIVE says; share modes are not enforced.
 *
 * STATUS_SUCCESS, and IoStatusBlock->Information FILE_OPENED, FILE_CREATED ...; the file system's and lower filters'
 * errors; STATUS_OBJECT_PATH_SYNTAX_BAD: no full name and no RootDirectory; STATUS_OBJECT_PATH_NOT_FOUND: no such
 * volume; STATUS_INVALID_DEVICE_OBJECT_PARAMETER: not on Instance's volume; STATUS_INVALID_PARAMETER: options that
 * exclude one another. Never STATUS_REPARSE. IRQL PASSIVE_LEVEL.
 */
NTSTATUS FltCreateFile(PFLT_FILTER Filter, PFLT_INSTANCE Instance, PHANDLE FileHandle, ACCESS_MASK DesiredAccess,
                       POBJECT_ATTRIBUTES ObjectAttributes, PIO_STATUS_BLOCK IoStatusBlock,
                       PLARGE_INTEGER AllocationSize, ULONG FileAttributes, ULONG ShareAccess, ULONG CreateDisposition,
                       ULONG CreateOptions, PVOID EaBuffer, ULONG EaLength, ULONG Flags)
{
        return FltCreateFileEx2(Filter, Instance, FileHandle, NULL, DesiredAccess, ObjectAttributes, IoStatusBlock,
                                AllocationSize, FileAttributes, ShareAccess, CreateDisposition, CreateOptions, EaBuffer,
                                EaLength, Flags, NULL);
}

/* FltCreateFile that also gives the file object, referenced. Statuses and IRQL as there. */
NTSTATUS FltCreateFileEx(PFLT_FILTER Filter, PFLT_INSTANCE Instance, PHANDLE FileHandle, PFILE_OBJECT *FileObject,
                         ACCESS_MASK DesiredAccess, POBJECT_ATTRIBUTES ObjectAttributes, PIO_STATUS_BLOCK IoStatusBlock,
                         PLARGE_INTEGER AllocationSize, ULONG FileAttributes, ULONG ShareAccess,
                         ULONG CreateDisposition, ULONG CreateOptions, PVOID EaBuffer, ULONG EaLength, ULONG Flags)
{
        return FltCreateFileEx2(Filter, Instance, FileHandle, FileObject, DesiredAccess, ObjectAttributes,
                                IoStatusBlock, AllocationSize, FileAttributes, ShareAccess, CreateDisposition,
                                CreateOptions, EaBuffer, EaLength, Flags, NULL);
}

/*
 * FltCreateFileEx with a driver context: its ECP list is seen by the filters below and stays the caller's. A
 * transaction in it gives STATUS_NOT_SUPPORTED. Other statuses and IRQL as FltCreateFile.
 */
NTSTATUS FltCreateFileEx2(PFLT_FILTER Filter, PFLT_INSTANCE Instance, PHANDLE FileHandle, PFILE_OBJECT *FileObject,
                          ACCESS_MASK DesiredAccess, POBJECT_ATTRIBUTES ObjectAttributes,
                          PIO_STATUS_BLOCK IoStatusBlock, PLARGE_INTEGER AllocationSize, ULONG FileAttributes,
                          ULONG ShareAccess, ULONG CreateDisposition, ULONG CreateOptions, PVOID EaBuffer,
                          ULONG EaLength, ULONG Flags, PIO_DRIVER_CREATE_CONTEXT DriverContext)
{
        struct fm_create create = {
                .below = Instance,
                .attributes = ObjectAttributes,
                .access = DesiredAccess,
                .allocation = AllocationSize,
                .file_attributes = FileAttributes,
                .share = ShareAccess,
                .disposition = CreateDisposition,
                .options = CreateOptions,
                .ea = EaBuffer,
                .ea_length = EaLength,
                .flags = Flags,
                .ecp_list = DriverContext ? DriverContext->ExtraCreateParameter : NULL,
        };

        fm_check_irql("FltCreateFile", PASSIVE_LEVEL);
        if (DriverContext && DriverContext->TxnParameters) {
                fm_log_unsupported("FltCreateFileEx2", "an open in a transaction");
                return STATUS_NOT_SUPPORTED;
        }
        return fm_io_create_handle(&create, FileHandle, FileObject, IoStatusBlock);
}

/*
 * Opens the instance's volume itself, below the instance.
 * The file system's status; STATUS_FLT_DELETING_OBJECT: the instance goes away. IRQL PASSIVE_LEVEL.
 */
NTSTATUS FltOpenVolume(PFLT_INSTANCE Instance, PHANDLE VolumeHandle, PFILE_OBJECT *VolumeFileObject)
{
        struct fm_create create = {
                .below = Instance,
                .volume = Instance->volume,
                .access = FILE_GENERIC_READ,
                .share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                .disposition = FILE_OPEN,
                .options = FILE_SYNCHRONOUS_IO_NONALERT,
        };
        IO_STATUS_BLOCK iosb;

        fm_check_irql(__func__, PASSIVE_LEVEL);
        if (fm_rundown_is_closed(&Instance->object.rundown))
                return STATUS_FLT_DELETING_OBJECT;
        return fm_io_create_handle(&create, VolumeHandle, VolumeFileObject, &iosb);
}

/* Closes a handle of FltCreateFile. STATUS_SUCCESS, STATUS_INVALID_HANDLE. IRQL PASSIVE_LEVEL. */
NTSTATUS FltClose(HANDLE FileHandle)
{
        fm_check_irql(__func__, PASSIVE_LEVEL);
        return fm_handle_close(FileHandle);
}

/*
 * Takes back an open in its post-operation: the instances below get CLEANUP and CLOSE, the file is not open any more.
 * The caller then sets an error status. What the open created or truncated stays so.
 *
 * Reported, and nothing done: the file is not open, or has a handle already, or the post-operation is draining. Whether
 * Windows sends CLEANUP too is not documented. IRQL PASSIVE_LEVEL.
 */
VOID FltCancelFileOpen(PFLT_INSTANCE Instance, PFILE_OBJECT FileObject)
{
        fm_check_irql(__func__, PASSIVE_LEVEL);
        if (fm_thread_self()->draining) {
                fm_violation("draining-post-operation", "FltCancelFileOpen while draining");
                return;
        }
        if (!FileObject || !fm_file_is_open(FileObject)) {
                fm_violation("cancel-file-open", "FltCancelFileOpen for a file that is not open");
                return;
        }
        if (FileObject->Flags & FO_HANDLE_CREATED) {
                fm_violation("cancel-file-open", "FltCancelFileOpen for a file that has a handle already");
                return;
        }
        fm_file_object_undo_open(FileObject, Instance);
}

/*
 * Asks about a file by name, in one call. Unlike Windows (IRP_MJ_QUERY_OPEN) this is an open, a query and a close.
 * STATUS_INVALID_INFO_CLASS: not FileStatInformation, FileStatLxInformation, FileCaseSensitiveInformation or
 * FileStatBasicInformation; else as FltCreateFile and FltQueryInformationFile. IRQL PASSIVE_LEVEL.
 */
NTSTATUS FltQueryInformationByName(PFLT_FILTER Filter, PFLT_INSTANCE Instance, POBJECT_ATTRIBUTES ObjectAttributes,
                                   PIO_STATUS_BLOCK IoStatusBlock, PVOID FileInformation, ULONG Length,
                                   FILE_INFORMATION_CLASS FileInformationClass, PIO_DRIVER_CREATE_CONTEXT DriverContext)
{
        struct fm_create create = {
                .below = Instance,
                .attributes = ObjectAttributes,
                .access = FILE_READ_ATTRIBUTES | SYNCHRONIZE,
                .share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                .disposition = FILE_OPEN,
                .options = FILE_OPEN_REPARSE_POINT | FILE_SYNCHRONOUS_IO_NONALERT,
                .ecp_list = DriverContext ? DriverContext->ExtraCreateParameter : NULL,
        };
        IO_STATUS_BLOCK opened;
        PFILE_OBJECT file;
        NTSTATUS status;

        fm_check_irql(__func__, PASSIVE_LEVEL);
        IoStatusBlock->Information = 0;
        switch (FileInformationClass) {
        case FileStatInformation:
        case FileStatLxInformation:
        case FileCaseSensitiveInformation:
        case FileStatBasicInformation:
                break;
        default:
                return STATUS_INVALID_INFO_CLASS;
        }
        status = fm_io_create(&create, &file, &opened);
        if (NT_SUCCESS(status)) {
                status = fm_io_query_information(__func__, Instance, file, FileInformation, Length,
                                                 FileInformationClass, &IoStatusBlock->Information);
                fm_file_object_cleanup(file, NULL);
                fm_object_unref(file);
        }
        IoStatusBlock->Status = status;
        return status;
}
