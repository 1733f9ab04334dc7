/* SPDX-License-Identifier: MIT */
/*
 * Sends opens below \from to \to, with STATUS_REPARSE, as simulated reparse points do. It provides no names:
 * once a file is open it is called what the file system calls it.
 */
#include "fixture.h"

static UNICODE_STRING from = RTL_CONSTANT_STRING(L"\\from\\moved"), to = RTL_CONSTANT_STRING(L"\\to");

static BOOLEAN is_moved(PCUNICODE_STRING path)
{
        return RtlPrefixUnicodeString(&from, (PUNICODE_STRING)path, FALSE) &&
               (path->Length == from.Length || path->Buffer[from.Length / sizeof(WCHAR)] == L'\\');
}

static FLT_PREOP_CALLBACK_STATUS pre_create(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects,
                                            PVOID *context)
{
        PFILE_OBJECT file = objects->FileObject;
        PFLT_FILE_NAME_INFORMATION name;
        UNICODE_STRING whole = {0};
        WCHAR buffer[512];

        UNREFERENCED_PARAMETER(context);
        if (!is_moved(&file->FileName))
                return FLT_PREOP_SUCCESS_NO_CALLBACK;
        data->IoStatus.Status =
                FltGetFileNameInformation(data, FLT_FILE_NAME_OPENED | FLT_FILE_NAME_QUERY_DEFAULT, &name);
        data->IoStatus.Information = 0;
        if (!NT_SUCCESS(data->IoStatus.Status))
                return FLT_PREOP_COMPLETE;
        whole.Buffer = buffer;
        whole.MaximumLength = sizeof(buffer);
        RtlCopyUnicodeString(&whole, &name->Volume);
        FltReleaseFileNameInformation(name);
        RtlAppendUnicodeStringToString(&whole, &to);
        file->FileName.Buffer += from.Length / sizeof(WCHAR);
        file->FileName.Length -= from.Length;
        data->IoStatus.Status = RtlAppendUnicodeStringToString(&whole, &file->FileName);
        file->FileName.Buffer -= from.Length / sizeof(WCHAR);
        file->FileName.Length += from.Length;
        if (NT_SUCCESS(data->IoStatus.Status))
                data->IoStatus.Status = IoReplaceFileObjectName(file, whole.Buffer, whole.Length);
        if (NT_SUCCESS(data->IoStatus.Status)) {
                data->IoStatus.Status = STATUS_REPARSE;
                data->IoStatus.Information = IO_REPARSE;
        }
        return FLT_PREOP_COMPLETE;
}

static FLT_PREOP_CALLBACK_STATUS pre_query_open(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects,
                                                PVOID *context)
{
        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(context);
        return is_moved(&objects->FileObject->FileName) ? FLT_PREOP_DISALLOW_FASTIO
                                                        : FLT_PREOP_SUCCESS_NO_CALLBACK;
}

static const FLT_OPERATION_REGISTRATION operations[] = {
        { IRP_MJ_CREATE, 0, pre_create, NULL },
        { IRP_MJ_NETWORK_QUERY_OPEN, 0, pre_query_open, NULL },
        { IRP_MJ_OPERATION_END },
};

static const FLT_REGISTRATION registration = {
        FIXTURE_REGISTRATION,
        .OperationRegistration = operations,
        .FilterUnloadCallback = fixture_unload,
};
