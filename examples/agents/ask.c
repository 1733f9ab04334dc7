/* SPDX-License-Identifier: MIT */
/*
 * ask: asks an agent about the name of each file that is opened, and obeys.
 *
 * Without an agent, or without its answer in time, the file is opened. How long an answer may take is the value
 * Timeout of the service's Parameters key, in milliseconds.
 */
#include <fltKernel.h>
#include "ask.h"

#define TAG_QUESTION 'ksA'
#define DEFAULT_TIMEOUT 10000

static PFLT_FILTER Filter;
static PFLT_PORT ServerPort;
static PFLT_PORT ClientPort; /* of the one agent; FltSendMessage and FltCloseClientPort know how to share it */
static LARGE_INTEGER Timeout;

static NTSTATUS Connect(_In_ PFLT_PORT Port, _In_opt_ PVOID ServerPortCookie,
                        _In_reads_bytes_opt_(SizeOfContext) PVOID ConnectionContext, _In_ ULONG SizeOfContext,
                        _Outptr_result_maybenull_ PVOID *ConnectionCookie)
{
        UNREFERENCED_PARAMETER(ServerPortCookie);
        UNREFERENCED_PARAMETER(ConnectionContext);
        UNREFERENCED_PARAMETER(SizeOfContext);

        *ConnectionCookie = NULL;
        ClientPort = Port;
        return STATUS_SUCCESS;
}

static VOID Disconnect(_In_opt_ PVOID ConnectionCookie)
{
        UNREFERENCED_PARAMETER(ConnectionCookie);

        FltCloseClientPort(Filter, &ClientPort);
}

static BOOLEAN IsAllowed(_In_ PFLT_CALLBACK_DATA Data, _In_ PCUNICODE_STRING Name)
{
        ULONG Length = min(Name->Length, ASK_NAME_MAX * sizeof(WCHAR));
        ASK_ANSWER Answer;
        ULONG AnswerLength = sizeof(Answer);
        PASK_QUESTION Question;
        NTSTATUS Status;

        Question = ExAllocatePoolZero(NonPagedPoolNx, sizeof(*Question), TAG_QUESTION);
        if (Question == NULL)
                return TRUE;
        Question->ProcessId = FltGetRequestorProcessId(Data);
        Question->NameLength = Length;
        RtlCopyMemory(Question->Name, Name->Buffer, Length);
        Status = FltSendMessage(Filter, &ClientPort, Question, FIELD_OFFSET(ASK_QUESTION, Name) + Length, &Answer,
                                &AnswerLength, &Timeout);
        ExFreePoolWithTag(Question, TAG_QUESTION);
        /* STATUS_TIMEOUT is a success code: only this one means that there is an answer. */
        return Status != STATUS_SUCCESS || AnswerLength < sizeof(Answer) || Answer.Allow;
}

static FLT_PREOP_CALLBACK_STATUS PreCreate(_Inout_ PFLT_CALLBACK_DATA Data, _In_ PCFLT_RELATED_OBJECTS FltObjects,
                                           _Flt_CompletionContext_Outptr_ PVOID *CompletionContext)
{
        PFLT_FILE_NAME_INFORMATION Name;
        BOOLEAN Allowed = TRUE;

        UNREFERENCED_PARAMETER(FltObjects);
        UNREFERENCED_PARAMETER(CompletionContext);

        /* Who only deletes, renames or queries gets no data; and directories are not files. */
        if (!FlagOn(Data->Iopb->Parameters.Create.SecurityContext->DesiredAccess,
                    FILE_READ_DATA | FILE_WRITE_DATA | FILE_APPEND_DATA | FILE_EXECUTE) ||
            FlagOn(Data->Iopb->Parameters.Create.Options, FILE_DIRECTORY_FILE))
                return FLT_PREOP_SUCCESS_NO_CALLBACK;
        if (!NT_SUCCESS(FltGetFileNameInformation(Data, FLT_FILE_NAME_OPENED | FLT_FILE_NAME_QUERY_DEFAULT, &Name)))
                return FLT_PREOP_SUCCESS_NO_CALLBACK;
        if (NT_SUCCESS(FltParseFileNameInformation(Name)) && Name->FinalComponent.Length != 0)
                Allowed = IsAllowed(Data, &Name->FinalComponent);
        FltReleaseFileNameInformation(Name);
        if (Allowed)
                return FLT_PREOP_SUCCESS_NO_CALLBACK;

        Data->IoStatus.Status = STATUS_ACCESS_DENIED;
        Data->IoStatus.Information = 0;
        return FLT_PREOP_COMPLETE;
}

static NTSTATUS Unload(_In_ FLT_FILTER_UNLOAD_FLAGS Flags)
{
        UNREFERENCED_PARAMETER(Flags);

        /* The second ends the connection, and with it the waits of those who ask. */
        FltCloseCommunicationPort(ServerPort);
        FltUnregisterFilter(Filter);
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
        .InstanceQueryTeardownCallback = QueryTeardown,
};

static ULONG ReadTimeout(_In_ PUNICODE_STRING RegistryPath)
{
        UNICODE_STRING KeyName = RTL_CONSTANT_STRING(L"Parameters");
        UNICODE_STRING ValueName = RTL_CONSTANT_STRING(L"Timeout");
        union {
                KEY_VALUE_PARTIAL_INFORMATION Information;
                UCHAR Room[sizeof(KEY_VALUE_PARTIAL_INFORMATION) + sizeof(ULONG)];
        } Value;
        OBJECT_ATTRIBUTES Attributes;
        HANDLE Service, Key;
        ULONG Length, Result = DEFAULT_TIMEOUT;

        InitializeObjectAttributes(&Attributes, RegistryPath, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL, NULL);
        if (!NT_SUCCESS(ZwOpenKey(&Service, KEY_READ, &Attributes)))
                return Result;
        InitializeObjectAttributes(&Attributes, &KeyName, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, Service, NULL);
        if (NT_SUCCESS(ZwOpenKey(&Key, KEY_READ, &Attributes))) {
                if (NT_SUCCESS(ZwQueryValueKey(Key, &ValueName, KeyValuePartialInformation, &Value, sizeof(Value),
                                               &Length)) &&
                    Value.Information.Type == REG_DWORD && Value.Information.DataLength == sizeof(ULONG))
                        RtlCopyMemory(&Result, Value.Information.Data, sizeof(ULONG));
                ZwClose(Key);
        }
        ZwClose(Service);
        return Result;
}

static NTSTATUS CreatePort(VOID)
{
        UNICODE_STRING Name = RTL_CONSTANT_STRING(ASK_PORT_NAME);
        PSECURITY_DESCRIPTOR SecurityDescriptor;
        OBJECT_ATTRIBUTES Attributes;
        NTSTATUS Status;

        /* Administrators only. */
        Status = FltBuildDefaultSecurityDescriptor(&SecurityDescriptor, FLT_PORT_ALL_ACCESS);
        if (!NT_SUCCESS(Status))
                return Status;
        InitializeObjectAttributes(&Attributes, &Name, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL,
                                   SecurityDescriptor);
        Status = FltCreateCommunicationPort(Filter, &ServerPort, &Attributes, NULL, Connect, Disconnect, NULL, 1);
        FltFreeSecurityDescriptor(SecurityDescriptor);
        return Status;
}

DRIVER_INITIALIZE DriverEntry;

NTSTATUS DriverEntry(_In_ PDRIVER_OBJECT DriverObject, _In_ PUNICODE_STRING RegistryPath)
{
        NTSTATUS Status;

        Timeout.QuadPart = -10000LL * ReadTimeout(RegistryPath);
        Status = FltRegisterFilter(DriverObject, &Registration, &Filter);
        if (!NT_SUCCESS(Status))
                return Status;
        Status = CreatePort();
        if (NT_SUCCESS(Status)) {
                Status = FltStartFiltering(Filter);
                if (!NT_SUCCESS(Status))
                        FltCloseCommunicationPort(ServerPort);
        }
        if (!NT_SUCCESS(Status))
                FltUnregisterFilter(Filter);
        return Status;
}
