/* SPDX-License-Identifier: MIT */
/*
 * The buffers of an operation: where its parameters keep them, and MDLs for them.
 */
#include "fltmgr/check.h"
#include "fltmgr/dispatch.h"
#include "fltmgr/extras.h"

struct buffer_parameters {
        PMDL *mdl;
        PVOID *buffer;
        PULONG length;
        LOCK_OPERATION access;
};

static bool decode_directory(FLT_IO_PARAMETER_BLOCK *iopb, struct buffer_parameters *found)
{
        FLT_PARAMETERS *p = &iopb->Parameters;

        switch (iopb->MinorFunction) {
        case IRP_MN_QUERY_DIRECTORY:
                *found = (struct buffer_parameters){&p->DirectoryControl.QueryDirectory.MdlAddress,
                                                    &p->DirectoryControl.QueryDirectory.DirectoryBuffer,
                                                    &p->DirectoryControl.QueryDirectory.Length, IoWriteAccess};
                return true;
        case IRP_MN_NOTIFY_CHANGE_DIRECTORY:
                *found = (struct buffer_parameters){&p->DirectoryControl.NotifyDirectory.MdlAddress,
                                                    &p->DirectoryControl.NotifyDirectory.DirectoryBuffer,
                                                    &p->DirectoryControl.NotifyDirectory.Length, IoWriteAccess};
                return true;
        default:
                return false;
        }
}

static bool decode_fs_control(FLT_IO_PARAMETER_BLOCK *iopb, struct buffer_parameters *found)
{
        FLT_PARAMETERS *p = &iopb->Parameters;

        if (iopb->MinorFunction == IRP_MN_MOUNT_VOLUME || iopb->MinorFunction == IRP_MN_VERIFY_VOLUME)
                return false;
        found->length = &p->FileSystemControl.Common.OutputBufferLength;
        found->access = IoWriteAccess;
        switch (p->FileSystemControl.Common.FsControlCode & 3) {
        case METHOD_BUFFERED:
                found->buffer = &p->FileSystemControl.Buffered.SystemBuffer;
                return true;
        case METHOD_IN_DIRECT:
                found->access = IoReadAccess;
                break;
        case METHOD_OUT_DIRECT:
                break;
        default:
                found->mdl = &p->FileSystemControl.Neither.OutputMdlAddress;
                found->buffer = &p->FileSystemControl.Neither.OutputBuffer;
                return true;
        }
        found->mdl = &p->FileSystemControl.Direct.OutputMdlAddress;
        found->buffer = &p->FileSystemControl.Direct.OutputBuffer;
        return true;
}

static bool decode_device_control(const FLT_CALLBACK_DATA *data, struct buffer_parameters *found)
{
        FLT_PARAMETERS *p = &data->Iopb->Parameters;

        found->length = &p->DeviceIoControl.Common.OutputBufferLength;
        found->access = IoWriteAccess;
        if (FLT_IS_FASTIO_OPERATION(data)) {
                found->buffer = &p->DeviceIoControl.FastIo.OutputBuffer;
                return true;
        }
        switch (p->DeviceIoControl.Common.IoControlCode & 3) {
        case METHOD_BUFFERED:
                found->buffer = &p->DeviceIoControl.Buffered.SystemBuffer;
                return true;
        case METHOD_IN_DIRECT:
                found->access = IoReadAccess;
                break;
        case METHOD_OUT_DIRECT:
                break;
        default:
                found->mdl = &p->DeviceIoControl.Neither.OutputMdlAddress;
                found->buffer = &p->DeviceIoControl.Neither.OutputBuffer;
                return true;
        }
        found->mdl = &p->DeviceIoControl.Direct.OutputMdlAddress;
        found->buffer = &p->DeviceIoControl.Direct.OutputBuffer;
        return true;
}

static bool decode(const FLT_CALLBACK_DATA *data, struct buffer_parameters *found)
{
        FLT_IO_PARAMETER_BLOCK *iopb = data->Iopb;
        FLT_PARAMETERS *p = &iopb->Parameters;

        *found = (struct buffer_parameters){.access = IoReadAccess};
        switch (iopb->MajorFunction) {
        case IRP_MJ_CREATE:
                *found = (struct buffer_parameters){NULL, &p->Create.EaBuffer, &p->Create.EaLength, IoReadAccess};
                return true;
        case IRP_MJ_READ:
                *found = (struct buffer_parameters){&p->Read.MdlAddress, &p->Read.ReadBuffer, &p->Read.Length,
                                                    IoWriteAccess};
                return true;
        case IRP_MJ_WRITE:
                *found = (struct buffer_parameters){&p->Write.MdlAddress, &p->Write.WriteBuffer, &p->Write.Length,
                                                    IoReadAccess};
                return true;
        case IRP_MJ_QUERY_INFORMATION:
                *found = (struct buffer_parameters){NULL, &p->QueryFileInformation.InfoBuffer,
                                                    &p->QueryFileInformation.Length, IoWriteAccess};
                return true;
        case IRP_MJ_SET_INFORMATION:
                *found = (struct buffer_parameters){NULL, &p->SetFileInformation.InfoBuffer,
                                                    &p->SetFileInformation.Length, IoReadAccess};
                return true;
        case IRP_MJ_QUERY_EA:
                *found = (struct buffer_parameters){&p->QueryEa.MdlAddress, &p->QueryEa.EaBuffer, &p->QueryEa.Length,
                                                    IoWriteAccess};
                return true;
        case IRP_MJ_SET_EA:
                *found = (struct buffer_parameters){&p->SetEa.MdlAddress, &p->SetEa.EaBuffer, &p->SetEa.Length,
                                                    IoReadAccess};
                return true;
        case IRP_MJ_QUERY_VOLUME_INFORMATION:
                *found = (struct buffer_parameters){NULL, &p->QueryVolumeInformation.VolumeBuffer,
                                                    &p->QueryVolumeInformation.Length, IoWriteAccess};
                return true;
        case IRP_MJ_SET_VOLUME_INFORMATION:
                *found = (struct buffer_parameters){NULL, &p->SetVolumeInformation.VolumeBuffer,
                                                    &p->SetVolumeInformation.Length, IoReadAccess};
                return true;
        case IRP_MJ_QUERY_SECURITY:
                *found = (struct buffer_parameters){&p->QuerySecurity.MdlAddress, &p->QuerySecurity.SecurityBuffer,
                                                    &p->QuerySecurity.Length, IoWriteAccess};
                return true;
        case IRP_MJ_QUERY_QUOTA:
                *found = (struct buffer_parameters){&p->QueryQuota.MdlAddress, &p->QueryQuota.QuotaBuffer,
                                                    &p->QueryQuota.Length, IoWriteAccess};
                return true;
        case IRP_MJ_SET_QUOTA:
                *found = (struct buffer_parameters){&p->SetQuota.MdlAddress, &p->SetQuota.QuotaBuffer,
                                                    &p->SetQuota.Length, IoReadAccess};
                return true;
        case IRP_MJ_DIRECTORY_CONTROL:
                return decode_directory(iopb, found);
        case IRP_MJ_FILE_SYSTEM_CONTROL:
                return decode_fs_control(iopb, found);
        case IRP_MJ_DEVICE_CONTROL:
        case IRP_MJ_INTERNAL_DEVICE_CONTROL:
                return decode_device_control(data, found);
        default:
                return false;
        }
}

/*
 * Pointers to the MDL, buffer and length of an operation's parameters, and what the file system does with the buffer.
 * Any result may be NULL if it is not wanted; a part that the operation does not have is NULL. STATUS_SUCCESS;
 * STATUS_INVALID_PARAMETER: the operation has no buffer. Any IRQL.
 */
NTSTATUS FltDecodeParameters(PFLT_CALLBACK_DATA CallbackData, PMDL **MdlAddressPointer, PVOID **Buffer, PULONG *Length,
                             LOCK_OPERATION *DesiredAccess)
{
        struct buffer_parameters found;
        bool any = decode(CallbackData, &found);

        if (MdlAddressPointer)
                *MdlAddressPointer = any ? found.mdl : NULL;
        if (Buffer)
                *Buffer = any ? found.buffer : NULL;
        if (Length)
                *Length = any ? found.length : NULL;
        if (DesiredAccess && any)
                *DesiredAccess = found.access;
        return any ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
}

/* So that the MDL counts as the operation's own, not as one that the filter whose turn it is has swapped in. */
static void remember_mdl(struct fm_operation *operation, PMDL mdl)
{
        struct buffer_parameters saved;

        if (operation->position >= operation->node_count)
                return;
        FLT_CALLBACK_DATA data = {.Flags = operation->data.Flags, .Iopb = &operation->nodes[operation->position].saved};
        if (decode(&data, &saved) && saved.mdl && !*saved.mdl)
                *saved.mdl = mdl;
}

/*
 * Makes an MDL for the operation's buffer if it has none. Buffers never move here, so any thread can use them; the MDL
 * is for filters that ask for its system address. It is gone with the operation. STATUS_SUCCESS;
 * STATUS_INVALID_PARAMETER: the operation has no MDL parameter; STATUS_INSUFFICIENT_RESOURCES. IRQL <= APC_LEVEL.
 */
NTSTATUS FltLockUserBuffer(PFLT_CALLBACK_DATA CallbackData)
{
        struct fm_operation *operation = fm_operation_from_data(CallbackData);
        struct buffer_parameters found;
        struct fm_extras *extras;
        PMDL mdl;

        fm_check_irql(__func__, APC_LEVEL);
        if (!decode(CallbackData, &found) || !found.mdl)
                return STATUS_INVALID_PARAMETER;
        if (*found.mdl || *found.length == 0 || !*found.buffer)
                return STATUS_SUCCESS;
        mdl = IoAllocateMdl(*found.buffer, *found.length, FALSE, FALSE, NULL);
        if (!mdl)
                return STATUS_INSUFFICIENT_RESOURCES;
        MmBuildMdlForNonPagedPool(mdl);
        extras = fm_operation_extras(operation);
        if (!extras->mdls)
                extras->mdls = g_ptr_array_new();
        g_ptr_array_add(extras->mdls, mdl);
        *found.mdl = mdl;
        remember_mdl(operation, mdl);
        return STATUS_SUCCESS;
}

/*
 * In a post-operation: the MDL that this filter put into the parameters in its pre-operation; the parameters
 * themselves are the old ones again. NULL: there was none. Any IRQL.
 */
PMDL FltGetSwappedBufferMdlAddress(PFLT_CALLBACK_DATA CallbackData)
{
        return fm_operation_swapped_mdl(fm_operation_from_data(CallbackData));
}

/* In a post-operation: the swapped-in MDL is not freed after it, the filter does that itself. Any IRQL. */
VOID FltRetainSwappedBufferMdlAddress(PFLT_CALLBACK_DATA CallbackData)
{
        fm_operation_retain_swapped_mdl(fm_operation_from_data(CallbackData));
}

/* Always NULL: no file system here puts another system buffer into a request. IRQL <= DISPATCH_LEVEL. */
PVOID FltGetNewSystemBufferAddress(PFLT_CALLBACK_DATA CallbackData)
{
        fm_check_irql(__func__, DISPATCH_LEVEL);
        return NULL;
}
