/* SPDX-License-Identifier: MIT */
/*
 * The buffers of an operation: where its parameters keep them, and MDLs for them.
 */
#include "fltmgr/check.h"
#include "fltmgr/dispatch.h"
#include "fltmgr/extras.h"

/* Where in the parameters an operation keeps its buffer. mdl 0: there is none; buffer 0: it has no buffer. */
struct row {
        USHORT mdl, buffer, length;
        LOCK_OPERATION access;
};

#define AT(field) FIELD_OFFSET(FLT_PARAMETERS, field)
#define WITH_MDL(what, buffer_field, access)                                                                           \
        { AT(what.MdlAddress), AT(what.buffer_field), AT(what.Length), access }
#define PLAIN(what, buffer_field, access)                                                                              \
        { 0, AT(what.buffer_field), AT(what.Length), access }

static const struct row by_major[] = {
        [IRP_MJ_CREATE] = { 0, AT(Create.EaBuffer), AT(Create.EaLength), IoReadAccess },
        [IRP_MJ_READ] = WITH_MDL(Read, ReadBuffer, IoWriteAccess),
        [IRP_MJ_WRITE] = WITH_MDL(Write, WriteBuffer, IoReadAccess),
        [IRP_MJ_QUERY_INFORMATION] = PLAIN(QueryFileInformation, InfoBuffer, IoWriteAccess),
        [IRP_MJ_SET_INFORMATION] = PLAIN(SetFileInformation, InfoBuffer, IoReadAccess),
        [IRP_MJ_QUERY_EA] = WITH_MDL(QueryEa, EaBuffer, IoWriteAccess),
        [IRP_MJ_SET_EA] = WITH_MDL(SetEa, EaBuffer, IoReadAccess),
        [IRP_MJ_QUERY_VOLUME_INFORMATION] = PLAIN(QueryVolumeInformation, VolumeBuffer, IoWriteAccess),
        [IRP_MJ_SET_VOLUME_INFORMATION] = PLAIN(SetVolumeInformation, VolumeBuffer, IoReadAccess),
        [IRP_MJ_QUERY_SECURITY] = WITH_MDL(QuerySecurity, SecurityBuffer, IoWriteAccess),
        [IRP_MJ_QUERY_QUOTA] = WITH_MDL(QueryQuota, QuotaBuffer, IoWriteAccess),
        [IRP_MJ_SET_QUOTA] = WITH_MDL(SetQuota, QuotaBuffer, IoReadAccess),
};

static const struct row by_directory_minor[] = {
        [IRP_MN_QUERY_DIRECTORY] = WITH_MDL(DirectoryControl.QueryDirectory, DirectoryBuffer, IoWriteAccess),
        [IRP_MN_NOTIFY_CHANGE_DIRECTORY] = WITH_MDL(DirectoryControl.NotifyDirectory, DirectoryBuffer, IoWriteAccess),
};

#define CONTROL(mdl, buffer, access)                                                                                   \
        { mdl, AT(FileSystemControl.buffer), AT(FileSystemControl.Common.OutputBufferLength), access }

static const struct row by_method[] = {
        [METHOD_BUFFERED] = CONTROL(0, Buffered.SystemBuffer, IoWriteAccess),
        [METHOD_IN_DIRECT] = CONTROL(AT(FileSystemControl.Direct.OutputMdlAddress), Direct.OutputBuffer, IoReadAccess),
        [METHOD_OUT_DIRECT] = CONTROL(AT(FileSystemControl.Direct.OutputMdlAddress), Direct.OutputBuffer, IoWriteAccess),
        [METHOD_NEITHER] = CONTROL(AT(FileSystemControl.Neither.OutputMdlAddress), Neither.OutputBuffer, IoWriteAccess),
};

/* Controls of devices are laid out as those of file systems. */
#define SAME(field) _Static_assert(AT(FileSystemControl.field) == AT(DeviceIoControl.field), #field)
SAME(Common.OutputBufferLength);
SAME(Buffered.SystemBuffer);
SAME(Direct.OutputMdlAddress);
SAME(Direct.OutputBuffer);
SAME(Neither.OutputMdlAddress);
SAME(Neither.OutputBuffer);
_Static_assert(AT(FileSystemControl.Common.FsControlCode) == AT(DeviceIoControl.Common.IoControlCode), "code");

static const struct row fast_control = { 0, AT(DeviceIoControl.FastIo.OutputBuffer),
                                         AT(DeviceIoControl.FastIo.OutputBufferLength), IoWriteAccess };

static const struct row *find_row(const FLT_CALLBACK_DATA *data)
{
        const FLT_IO_PARAMETER_BLOCK *iopb = data->Iopb;
        UCHAR minor = iopb->MinorFunction;

        switch (iopb->MajorFunction) {
        case IRP_MJ_DIRECTORY_CONTROL:
                return minor < G_N_ELEMENTS(by_directory_minor) ? &by_directory_minor[minor] : NULL;
        case IRP_MJ_FILE_SYSTEM_CONTROL:
                if (minor == IRP_MN_MOUNT_VOLUME || minor == IRP_MN_VERIFY_VOLUME)
                        return NULL;
                return &by_method[iopb->Parameters.FileSystemControl.Common.FsControlCode & 3];
        case IRP_MJ_DEVICE_CONTROL:
        case IRP_MJ_INTERNAL_DEVICE_CONTROL:
                if (FLT_IS_FASTIO_OPERATION(data))
                        return &fast_control;
                return &by_method[iopb->Parameters.DeviceIoControl.Common.IoControlCode & 3];
        default:
                return iopb->MajorFunction < G_N_ELEMENTS(by_major) ? &by_major[iopb->MajorFunction] : NULL;
        }
}

struct buffer_parameters {
        PMDL *mdl;
        PVOID *buffer;
        PULONG length;
        LOCK_OPERATION access;
};

/* False, and all NULL: it has no buffer. */
static bool decode(const FLT_CALLBACK_DATA *data, struct buffer_parameters *found)
{
        const struct row *row = find_row(data);
        char *parameters = (char *)&data->Iopb->Parameters;

        *found = (struct buffer_parameters){ .access = IoReadAccess };
        if (!row || !row->buffer)
                return false;
        *found = (struct buffer_parameters){
                .mdl = row->mdl ? (PMDL *)(parameters + row->mdl) : NULL,
                .buffer = (PVOID *)(parameters + row->buffer),
                .length = (PULONG)(parameters + row->length),
                .access = row->access,
        };
        return true;
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
                *MdlAddressPointer = found.mdl;
        if (Buffer)
                *Buffer = found.buffer;
        if (Length)
                *Length = found.length;
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
