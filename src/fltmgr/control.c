/* SPDX-License-Identifier: MIT */
/*
 * What filters ask of the file system besides data and metadata: controls, extended attributes, security, flushes.
 */
#include <string.h>

#include "fltmgr/check.h"
#include "fltmgr/fileio.h"
#include "fltmgr/manager.h"

/* METHOD_*: the low two bits of a control code. */
#define METHOD_OF(code) ((code)&3)

/* Both majors have the same shape but for where the code is; the compiler has to be told. */
#define SET_CONTROL(operation, major, shape, field, value)                                                             \
        do {                                                                                                           \
                if ((major) == IRP_MJ_FILE_SYSTEM_CONTROL)                                                             \
                        (operation)->iopb.Parameters.FileSystemControl.shape.field = (value);                          \
                else                                                                                                   \
                        (operation)->iopb.Parameters.DeviceIoControl.shape.field = (value);                            \
        } while (0)

static void set_common(struct fm_operation *operation, const struct fm_control *control)
{
        SET_CONTROL(operation, control->major, Common, OutputBufferLength, control->output_length);
        SET_CONTROL(operation, control->major, Common, InputBufferLength, control->input_length);
        if (control->major == IRP_MJ_FILE_SYSTEM_CONTROL)
                operation->iopb.Parameters.FileSystemControl.Common.FsControlCode = control->code;
        else
                operation->iopb.Parameters.DeviceIoControl.Common.IoControlCode = control->code;
}

static NTSTATUS run_buffered(struct fm_operation *operation, const struct fm_control *control, ULONG_PTR *information)
{
        ULONG length = MAX(control->input_length, control->output_length);
        g_autofree char *buffer = g_malloc0(length);
        ULONG_PTR done = 0;
        NTSTATUS status;

        if (control->input_length)
                memcpy(buffer, control->input, control->input_length);
        SET_CONTROL(operation, control->major, Buffered, SystemBuffer, length ? buffer : NULL);
        operation->data.Flags |= FLTFL_CALLBACK_DATA_SYSTEM_BUFFER;
        status = fm_io_run(operation, &done);
        if (done && control->output)
                memcpy(control->output, buffer, MIN(done, control->output_length));
        if (information)
                *information = done;
        return status;
}

static NTSTATUS run_direct(struct fm_operation *operation, const struct fm_control *control, ULONG_PTR *information)
{
        g_autofree char *input = g_malloc0(control->input_length);
        PMDL mdl = NULL;
        NTSTATUS status;

        if (control->input_length)
                memcpy(input, control->input, control->input_length);
        if (control->output_length) {
                mdl = IoAllocateMdl(control->output, control->output_length, FALSE, FALSE, NULL);
                if (!mdl) {
                        fm_operation_free(operation);
                        return STATUS_INSUFFICIENT_RESOURCES;
                }
                MmBuildMdlForNonPagedPool(mdl);
        }
        SET_CONTROL(operation, control->major, Direct, InputSystemBuffer, control->input_length ? input : NULL);
        SET_CONTROL(operation, control->major, Direct, OutputBuffer, control->output);
        SET_CONTROL(operation, control->major, Direct, OutputMdlAddress, mdl);
        status = fm_io_run(operation, information);
        if (mdl)
                IoFreeMdl(mdl);
        return status;
}

NTSTATUS fm_io_control(const char *function, const struct fm_control *control, ULONG_PTR *information)
{
        struct fm_operation *operation;
        NTSTATUS status;

        if ((control->input_length && !control->input) || (control->output_length && !control->output))
                return STATUS_INVALID_PARAMETER;
        operation = fm_io_new(function, control->below, control->major, control->file, &status);
        if (!operation)
                return status;
        set_common(operation, control);
        switch (METHOD_OF(control->code)) {
        case METHOD_BUFFERED:
                return run_buffered(operation, control, information);
        case METHOD_NEITHER:
                SET_CONTROL(operation, control->major, Neither, InputBuffer, control->input);
                SET_CONTROL(operation, control->major, Neither, OutputBuffer, control->output);
                return fm_io_run(operation, information);
        default:
                return run_direct(operation, control, information);
        }
}

static NTSTATUS control_for_filter(const char *function, const struct fm_control *control, PULONG length)
{
        ULONG_PTR information = 0;
        NTSTATUS status = fm_io_control(function, control, &information);

        if (length)
                *length = (ULONG)information;
        return status;
}

/*
 * Sends a file system control to an opened file, below the caller's instance.
 * The file system's status (STATUS_INVALID_DEVICE_REQUEST for codes it does not know); STATUS_INVALID_PARAMETER:
 * not open, or a length without a buffer. IRQL PASSIVE_LEVEL.
 */
NTSTATUS FltFsControlFile(PFLT_INSTANCE Instance, PFILE_OBJECT FileObject, ULONG FsControlCode, PVOID InputBuffer,
                          ULONG InputBufferLength, PVOID OutputBuffer, ULONG OutputBufferLength, PULONG LengthReturned)
{
        struct fm_control control = {Instance,    IRP_MJ_FILE_SYSTEM_CONTROL, FileObject,   FsControlCode,
                                     InputBuffer, InputBufferLength,          OutputBuffer, OutputBufferLength};

        return control_for_filter(__func__, &control, LengthReturned);
}

/* Sends a device control to an opened file, below the caller's instance. Statuses and IRQL as FltFsControlFile. */
NTSTATUS FltDeviceIoControlFile(PFLT_INSTANCE Instance, PFILE_OBJECT FileObject, ULONG IoControlCode, PVOID InputBuffer,
                                ULONG InputBufferLength, PVOID OutputBuffer, ULONG OutputBufferLength,
                                PULONG LengthReturned)
{
        struct fm_control control = {Instance,    IRP_MJ_DEVICE_CONTROL, FileObject,   IoControlCode,
                                     InputBuffer, InputBufferLength,     OutputBuffer, OutputBufferLength};

        return control_for_filter(__func__, &control, LengthReturned);
}

/* These are refused from the beginning of a teardown on; other I/O an instance can make until it is over. */
static struct fm_operation *ea_new(const char *function, PFLT_INSTANCE instance, UCHAR major, PFILE_OBJECT file,
                                   NTSTATUS *status)
{
        if (!instance || !fm_rundown_is_closed(&instance->object.rundown))
                return fm_io_new(function, instance, major, file, status);
        *status = STATUS_FLT_DELETING_OBJECT;
        return NULL;
}

/*
 * Reads extended attributes of an opened file, below the caller's instance.
 * The file system's status: STATUS_NO_EAS_ON_FILE, STATUS_NO_MORE_EAS, STATUS_BUFFER_OVERFLOW,
 * STATUS_EAS_NOT_SUPPORTED; STATUS_INVALID_PARAMETER: not open; STATUS_FLT_DELETING_OBJECT: the instance goes away.
 * IRQL PASSIVE_LEVEL.
 */
NTSTATUS FltQueryEaFile(PFLT_INSTANCE Instance, PFILE_OBJECT FileObject, PVOID ReturnedEaData, ULONG Length,
                        BOOLEAN ReturnSingleEntry, PVOID EaList, ULONG EaListLength, PULONG EaIndex,
                        BOOLEAN RestartScan, PULONG LengthReturned)
{
        NTSTATUS status;
        struct fm_operation *operation = ea_new(__func__, Instance, IRP_MJ_QUERY_EA, FileObject, &status);
        ULONG_PTR information = 0;

        if (LengthReturned)
                *LengthReturned = 0;
        if (!operation)
                return status;
        operation->iopb.OperationFlags =
                (UCHAR)((ReturnSingleEntry ? SL_RETURN_SINGLE_ENTRY : 0) | (RestartScan ? SL_RESTART_SCAN : 0) |
                        (EaIndex ? SL_INDEX_SPECIFIED : 0));
        operation->iopb.Parameters.QueryEa.Length = Length;
        operation->iopb.Parameters.QueryEa.EaList = EaList;
        operation->iopb.Parameters.QueryEa.EaListLength = EaListLength;
        operation->iopb.Parameters.QueryEa.EaIndex = EaIndex ? *EaIndex : 0;
        operation->iopb.Parameters.QueryEa.EaBuffer = ReturnedEaData;
        status = fm_io_run(operation, &information);
        if (LengthReturned)
                *LengthReturned = (ULONG)information;
        return status;
}

/* Writes extended attributes of an opened file, below the caller's instance. Statuses as FltQueryEaFile. IRQL
 * PASSIVE_LEVEL. */
NTSTATUS FltSetEaFile(PFLT_INSTANCE Instance, PFILE_OBJECT FileObject, PVOID EaBuffer, ULONG Length)
{
        NTSTATUS status;
        struct fm_operation *operation = ea_new(__func__, Instance, IRP_MJ_SET_EA, FileObject, &status);

        if (!operation)
                return status;
        operation->iopb.Parameters.SetEa.Length = Length;
        operation->iopb.Parameters.SetEa.EaBuffer = EaBuffer;
        return fm_io_run(operation, NULL);
}

/*
 * Reads the security descriptor of an opened file, below the caller's instance.
 * The file system's status; STATUS_BUFFER_TOO_SMALL and *LengthNeeded: it does not fit; STATUS_INVALID_PARAMETER: not
 * open. IRQL PASSIVE_LEVEL.
 */
NTSTATUS FltQuerySecurityObject(PFLT_INSTANCE Instance, PFILE_OBJECT FileObject,
                                SECURITY_INFORMATION SecurityInformation, PSECURITY_DESCRIPTOR SecurityDescriptor,
                                ULONG Length, PULONG LengthNeeded)
{
        NTSTATUS status;
        struct fm_operation *operation = fm_io_new(__func__, Instance, IRP_MJ_QUERY_SECURITY, FileObject, &status);
        ULONG_PTR information = 0;

        if (!operation)
                return status;
        operation->iopb.Parameters.QuerySecurity.SecurityInformation = SecurityInformation;
        operation->iopb.Parameters.QuerySecurity.Length = Length;
        operation->iopb.Parameters.QuerySecurity.SecurityBuffer = SecurityDescriptor;
        status = fm_io_run(operation, &information);
        if (status == STATUS_BUFFER_OVERFLOW)
                status = STATUS_BUFFER_TOO_SMALL;
        if (LengthNeeded)
                *LengthNeeded = (ULONG)information;
        return status;
}

/*
 * Sets the security descriptor of an opened file, below the caller's instance.
 * The file system's status; STATUS_ACCESS_VIOLATION: no descriptor; STATUS_INVALID_PARAMETER: not open. IRQL
 * PASSIVE_LEVEL.
 */
NTSTATUS FltSetSecurityObject(PFLT_INSTANCE Instance, PFILE_OBJECT FileObject, SECURITY_INFORMATION SecurityInformation,
                              PSECURITY_DESCRIPTOR SecurityDescriptor)
{
        struct fm_operation *operation;
        NTSTATUS status;

        if (!SecurityDescriptor)
                return STATUS_ACCESS_VIOLATION;
        operation = fm_io_new(__func__, Instance, IRP_MJ_SET_SECURITY, FileObject, &status);
        if (!operation)
                return status;
        operation->iopb.Parameters.SetSecurity.SecurityInformation = SecurityInformation;
        operation->iopb.Parameters.SetSecurity.SecurityDescriptor = SecurityDescriptor;
        return fm_io_run(operation, NULL);
}

/*
 * Writes an opened file's data and metadata to its medium, below the caller's instance.
 * The file system's status; STATUS_INVALID_PARAMETER: not open. IRQL PASSIVE_LEVEL.
 */
NTSTATUS FltFlushBuffers(PFLT_INSTANCE Instance, PFILE_OBJECT FileObject)
{
        return FltFlushBuffers2(Instance, FileObject, 0, NULL);
}

/*
 * FltFlushBuffers of a kind: 0 or FLT_FLUSH_TYPE_*, which becomes the minor function. CallbackData is not needed here.
 * Statuses as there; STATUS_INVALID_PARAMETER: a type that does not exist. IRQL PASSIVE_LEVEL.
 */
NTSTATUS FltFlushBuffers2(PFLT_INSTANCE Instance, PFILE_OBJECT FileObject, ULONG FlushType,
                          PFLT_CALLBACK_DATA CallbackData)
{
        struct fm_operation *operation;
        NTSTATUS status;

        fm_check_irql(__func__, PASSIVE_LEVEL);
        if (FlushType > FLT_FLUSH_TYPE_DATA_SYNC_ONLY)
                return STATUS_INVALID_PARAMETER;
        operation = fm_io_new("FltFlushBuffers", Instance, IRP_MJ_FLUSH_BUFFERS, FileObject, &status);
        if (!operation)
                return status;
        operation->iopb.MinorFunction = (UCHAR)FlushType;
        return fm_io_run(operation, NULL);
}
