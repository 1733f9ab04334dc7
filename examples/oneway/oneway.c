/* SPDX-License-Identifier: MIT */
/*
 * oneway: tells a reader which files are made, and wants nothing back.
 *
 * FltSendMessage without a reply buffer returns as soon as the reader has the message; a reader that does not
 * read costs each maker of a file the time-out, so that is short, and what was lost is counted. The port has no
 * MessageNotify: what the reader sends is refused.
 */
#include <fltKernel.h>
#include "oneway.h"

#define TAG_NOTE 'yawO'
#define TIMEOUT_MILLISECONDS 500

static PFLT_FILTER Filter;
static PFLT_PORT ServerPort;
static PFLT_PORT ClientPort;
static volatile LONG Lost;

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

static VOID Tell(_In_ PFLT_CALLBACK_DATA Data, _In_ PCUNICODE_STRING Name)
{
        LARGE_INTEGER Timeout;
        PONEWAY_NOTE Note;
        NTSTATUS Status = STATUS_INSUFFICIENT_RESOURCES;
        LONG Missed = InterlockedExchange(&Lost, 0);

        Timeout.QuadPart = -10000LL * TIMEOUT_MILLISECONDS;
        Note = ExAllocatePoolZero(NonPagedPoolNx, sizeof(*Note), TAG_NOTE);
        if (Note != NULL) {
                Note->Lost = (ULONG)Missed;
                Note->ProcessId = FltGetRequestorProcessId(Data);
                Note->NameLength = min(Name->Length, sizeof(Note->Name));
                RtlCopyMemory(Note->Name, Name->Buffer, Note->NameLength);
                Status = FltSendMessage(Filter, &ClientPort, Note, FIELD_OFFSET(ONEWAY_NOTE, Name) + Note->NameLength,
                                        NULL, NULL, &Timeout);
                ExFreePoolWithTag(Note, TAG_NOTE);
        }
        /* STATUS_TIMEOUT is a success code. */
        if (Status != STATUS_SUCCESS)
                InterlockedExchangeAdd(&Lost, Missed + 1);
}

static FLT_POSTOP_CALLBACK_STATUS PostCreate(_Inout_ PFLT_CALLBACK_DATA Data, _In_ PCFLT_RELATED_OBJECTS FltObjects,
                                             _In_opt_ PVOID CompletionContext, _In_ FLT_POST_OPERATION_FLAGS Flags)
{
        PFLT_FILE_NAME_INFORMATION Name;

        UNREFERENCED_PARAMETER(FltObjects);
        UNREFERENCED_PARAMETER(CompletionContext);

        if (FlagOn(Flags, FLTFL_POST_OPERATION_DRAINING) || !NT_SUCCESS(Data->IoStatus.Status) ||
            Data->IoStatus.Information != FILE_CREATED)
                return FLT_POSTOP_FINISHED_PROCESSING;
        if (!NT_SUCCESS(FltGetFileNameInformation(Data, FLT_FILE_NAME_OPENED | FLT_FILE_NAME_QUERY_DEFAULT, &Name)))
                return FLT_POSTOP_FINISHED_PROCESSING;
        Tell(Data, &Name->Name);
        FltReleaseFileNameInformation(Name);
        return FLT_POSTOP_FINISHED_PROCESSING;
}

static NTSTATUS Unload(_In_ FLT_FILTER_UNLOAD_FLAGS Flags)
{
        UNREFERENCED_PARAMETER(Flags);

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
        { IRP_MJ_CREATE, 0, NULL, PostCreate },
        { IRP_MJ_OPERATION_END }
};

static const FLT_REGISTRATION Registration = {
        .Size = sizeof(FLT_REGISTRATION),
        .Version = FLT_REGISTRATION_VERSION,
        .OperationRegistration = Operations,
        .FilterUnloadCallback = Unload,
        .InstanceQueryTeardownCallback = QueryTeardown,
};

static NTSTATUS CreatePort(VOID)
{
        UNICODE_STRING Name = RTL_CONSTANT_STRING(ONEWAY_PORT_NAME);
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

        UNREFERENCED_PARAMETER(RegistryPath);

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
