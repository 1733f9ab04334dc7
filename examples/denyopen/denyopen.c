/* SPDX-License-Identifier: MIT */
/*
 * denyopen: nobody opens a file whose name matches a pattern.
 *
 * The pattern is the value Pattern of the service's Parameters key. The answer is given in pre-create, so that
 * neither filters below nor the file system hear of the open.
 */
#include <fltKernel.h>

#define TAG_PATTERN 'nepO'

static PFLT_FILTER Filter;
static UNICODE_STRING Pattern; /* upper case, as FsRtlIsNameInExpression wants it */

/* The caller frees Pattern.Buffer with RtlFreeUnicodeString. */
static NTSTATUS ReadPattern(_In_ PUNICODE_STRING RegistryPath)
{
        UNICODE_STRING KeyName = RTL_CONSTANT_STRING(L"Parameters");
        UNICODE_STRING ValueName = RTL_CONSTANT_STRING(L"Pattern");
        KEY_VALUE_PARTIAL_INFORMATION *Value;
        OBJECT_ATTRIBUTES Attributes;
        UNICODE_STRING Text;
        HANDLE Service, Key;
        ULONG Length = sizeof(*Value) + 256 * sizeof(WCHAR);
        NTSTATUS Status;

        InitializeObjectAttributes(&Attributes, RegistryPath, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL, NULL);
        Status = ZwOpenKey(&Service, KEY_READ, &Attributes);
        if (!NT_SUCCESS(Status))
                return Status;
        InitializeObjectAttributes(&Attributes, &KeyName, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, Service, NULL);
        Status = ZwOpenKey(&Key, KEY_READ, &Attributes);
        ZwClose(Service);
        if (!NT_SUCCESS(Status))
                return Status;

        Value = ExAllocatePoolZero(PagedPool, Length, TAG_PATTERN);
        Status = Value != NULL ? ZwQueryValueKey(Key, &ValueName, KeyValuePartialInformation, Value, Length, &Length)
                               : STATUS_INSUFFICIENT_RESOURCES;
        ZwClose(Key);
        if (NT_SUCCESS(Status) && (Value->Type != REG_SZ || Value->DataLength <= sizeof(WCHAR)))
                Status = STATUS_INVALID_PARAMETER;
        if (NT_SUCCESS(Status)) {
                Text.Buffer = (PWCH)Value->Data;
                Text.Length = (USHORT)(Value->DataLength - sizeof(WCHAR)); /* without the NUL */
                Text.MaximumLength = Text.Length;
                Status = RtlUpcaseUnicodeString(&Pattern, &Text, TRUE);
        }
        if (Value != NULL)
                ExFreePoolWithTag(Value, TAG_PATTERN);
        return Status;
}

static FLT_PREOP_CALLBACK_STATUS PreCreate(_Inout_ PFLT_CALLBACK_DATA Data, _In_ PCFLT_RELATED_OBJECTS FltObjects,
                                           _Flt_CompletionContext_Outptr_ PVOID *CompletionContext)
{
        PFLT_FILE_NAME_INFORMATION Name;
        BOOLEAN Match;

        UNREFERENCED_PARAMETER(FltObjects);
        UNREFERENCED_PARAMETER(CompletionContext);

        /* As the file is called by who opens it: to make the name normal would cost a look at the directory. */
        if (!NT_SUCCESS(FltGetFileNameInformation(Data, FLT_FILE_NAME_OPENED | FLT_FILE_NAME_QUERY_DEFAULT, &Name)))
                return FLT_PREOP_SUCCESS_NO_CALLBACK;
        Match = NT_SUCCESS(FltParseFileNameInformation(Name)) &&
                FsRtlIsNameInExpression(&Pattern, &Name->FinalComponent, TRUE, NULL);
        FltReleaseFileNameInformation(Name);
        if (!Match)
                return FLT_PREOP_SUCCESS_NO_CALLBACK;

        Data->IoStatus.Status = STATUS_ACCESS_DENIED;
        Data->IoStatus.Information = 0;
        return FLT_PREOP_COMPLETE;
}

static NTSTATUS Unload(_In_ FLT_FILTER_UNLOAD_FLAGS Flags)
{
        UNREFERENCED_PARAMETER(Flags);

        FltUnregisterFilter(Filter);
        RtlFreeUnicodeString(&Pattern);
        return STATUS_SUCCESS;
}

static NTSTATUS QueryTeardown(_In_ PCFLT_RELATED_OBJECTS FltObjects, _In_ FLT_INSTANCE_QUERY_TEARDOWN_FLAGS Flags)
{
        UNREFERENCED_PARAMETER(FltObjects);
        UNREFERENCED_PARAMETER(Flags);

        return STATUS_SUCCESS;
}

static const FLT_OPERATION_REGISTRATION Operations[] = {
        { IRP_MJ_CREATE, 0, PreCreate, NULL },
        { IRP_MJ_OPERATION_END }
};

static const FLT_REGISTRATION Registration = {
        .Size = sizeof(FLT_REGISTRATION),
        .Version = FLT_REGISTRATION_VERSION,
        .OperationRegistration = Operations,
        .FilterUnloadCallback = Unload,
        .InstanceQueryTeardownCallback = QueryTeardown, /* so that "fltmc detach" may */
};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS DriverEntry(_In_ PDRIVER_OBJECT DriverObject, _In_ PUNICODE_STRING RegistryPath)
{
        NTSTATUS Status = ReadPattern(RegistryPath);

        if (!NT_SUCCESS(Status)) {
                DbgPrint("denyopen: the parameter Pattern can't be read: 0x%08x\n", Status);
                return Status;
        }
        Status = FltRegisterFilter(DriverObject, &Registration, &Filter);
        if (!NT_SUCCESS(Status)) {
                RtlFreeUnicodeString(&Pattern);
                return Status;
        }
        Status = FltStartFiltering(Filter);
        if (!NT_SUCCESS(Status)) {
                FltUnregisterFilter(Filter);
                RtlFreeUnicodeString(&Pattern);
        }
        return Status;
}
