/* SPDX-License-Identifier: MIT */
/*
 * A name provider: what is below \real is shown as \top\shown and nowhere else. It changes the name of an
 * open on its way down, keeps others from asking without an open, and translates names for who is above it.
 */
#include "fixture.h"

static UNICODE_STRING real = RTL_CONSTANT_STRING(L"\\real"), shown = RTL_CONSTANT_STRING(L"\\top\\shown");

/* True, and *rest is what follows: the path is `from`, or below it. */
static BOOLEAN is_below(PCUNICODE_STRING path, PCUNICODE_STRING from, PUNICODE_STRING rest)
{
        if (!RtlPrefixUnicodeString((PUNICODE_STRING)from, (PUNICODE_STRING)path, FALSE) ||
            (path->Length > from->Length && path->Buffer[from->Length / sizeof(WCHAR)] != L'\\'))
                return FALSE;
        rest->Buffer = path->Buffer + from->Length / sizeof(WCHAR);
        rest->Length = rest->MaximumLength = path->Length - from->Length;
        return TRUE;
}

static FLT_PREOP_CALLBACK_STATUS refuse(PFLT_CALLBACK_DATA data, NTSTATUS status)
{
        data->IoStatus.Status = status;
        data->IoStatus.Information = 0;
        return FLT_PREOP_COMPLETE;
}

static FLT_PREOP_CALLBACK_STATUS pre_create(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects,
                                            PVOID *context)
{
        PFILE_OBJECT file = objects->FileObject;
        UNICODE_STRING rest;
        WCHAR name[512];
        USHORT length;

        UNREFERENCED_PARAMETER(context);
        if (is_below(&file->FileName, &real, &rest))
                return refuse(data, STATUS_OBJECT_NAME_NOT_FOUND);
        if (!is_below(&file->FileName, &shown, &rest))
                return FLT_PREOP_SUCCESS_NO_CALLBACK;
        length = real.Length + rest.Length;
        if (length > sizeof(name))
                return refuse(data, STATUS_NAME_TOO_LONG);
        RtlCopyMemory(name, real.Buffer, real.Length);
        RtlCopyMemory((PUCHAR)name + real.Length, rest.Buffer, rest.Length);
        if (!NT_SUCCESS(IoReplaceFileObjectName(file, name, length)))
                return refuse(data, STATUS_INSUFFICIENT_RESOURCES);
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

static FLT_PREOP_CALLBACK_STATUS pre_query_open(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects,
                                                PVOID *context)
{
        UNICODE_STRING rest;

        UNREFERENCED_PARAMETER(context);
        if (!is_below(&objects->FileObject->FileName, &real, &rest) &&
            !is_below(&objects->FileObject->FileName, &shown, &rest))
                return FLT_PREOP_SUCCESS_NO_CALLBACK;
        return data->Iopb->MajorFunction == IRP_MJ_QUERY_OPEN ? FLT_PREOP_DISALLOW_FSFILTER_IO
                                                              : FLT_PREOP_DISALLOW_FASTIO;
}

static NTSTATUS generate(PFLT_INSTANCE instance, PFILE_OBJECT file, PFLT_CALLBACK_DATA data,
                         FLT_FILE_NAME_OPTIONS options, PBOOLEAN keep, PFLT_NAME_CONTROL name)
{
        PFLT_FILE_NAME_INFORMATION below;
        UNICODE_STRING path, rest;
        NTSTATUS status;

        *keep = TRUE;
        status = data ? FltGetFileNameInformation(data, options, &below) :
                        FltGetFileNameInformationUnsafe(file, instance, options, &below);
        if (!NT_SUCCESS(status))
                return status;
        path.Buffer = below->Name.Buffer + below->Volume.Length / sizeof(WCHAR);
        path.Length = path.MaximumLength = below->Name.Length - below->Volume.Length;
        status = FltCheckAndGrowNameControl(name, below->Name.Length + shown.Length);
        if (NT_SUCCESS(status)) {
                RtlCopyUnicodeString(&name->Name, &below->Volume);
                if (below->Volume.Length && is_below(&path, &real, &rest)) {
                        RtlAppendUnicodeStringToString(&name->Name, &shown);
                        RtlAppendUnicodeStringToString(&name->Name, &rest);
                } else {
                        RtlAppendUnicodeStringToString(&name->Name, &path);
                }
        }
        FltReleaseFileNameInformation(below);
        return status;
}

static const FLT_OPERATION_REGISTRATION operations[] = {
        { IRP_MJ_CREATE, 0, pre_create, NULL },
        { IRP_MJ_QUERY_OPEN, 0, pre_query_open, NULL },
        { IRP_MJ_NETWORK_QUERY_OPEN, 0, pre_query_open, NULL },
        { IRP_MJ_OPERATION_END },
};

static const FLT_REGISTRATION registration = {
        FIXTURE_REGISTRATION,
        .OperationRegistration = operations,
        .FilterUnloadCallback = fixture_unload,
        .GenerateFileNameCallback = generate,
};
