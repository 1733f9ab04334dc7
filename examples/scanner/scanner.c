/* SPDX-License-Identifier: MIT */
/*
 * scanner: an agent decides by a file's first bytes whether it may be opened.
 *
 * The bytes are read and judged after the open succeeded; if the agent says no, the open is taken back before
 * anybody has a handle. Without an agent, or without its answer in time, the open is allowed.
 */
#include <fltKernel.h>
#include "protocol.h"

#define TAG_BUFFER 'nacS'
#define TIMEOUT_SECONDS 10

static PFLT_FILTER Filter;
static PFLT_PORT ServerPort;
static PFLT_PORT ClientPort; /* of the one agent; FltSendMessage and FltCloseClientPort know how to share it */
static PEPROCESS volatile Agent; /* only compared */

static NTSTATUS Connect(_In_ PFLT_PORT Port, _In_opt_ PVOID ServerPortCookie,
                        _In_reads_bytes_opt_(SizeOfContext) PVOID ConnectionContext, _In_ ULONG SizeOfContext,
                        _Outptr_result_maybenull_ PVOID *ConnectionCookie)
{
        UNREFERENCED_PARAMETER(ServerPortCookie);
        UNREFERENCED_PARAMETER(ConnectionContext);
        UNREFERENCED_PARAMETER(SizeOfContext);

        *ConnectionCookie = NULL;
        InterlockedExchangePointer((PVOID volatile *)&Agent, PsGetCurrentProcess());
        ClientPort = Port;
        return STATUS_SUCCESS;
}

static VOID Disconnect(_In_opt_ PVOID ConnectionCookie)
{
        UNREFERENCED_PARAMETER(ConnectionCookie);

        FltCloseClientPort(Filter, &ClientPort);
        InterlockedExchangePointer((PVOID volatile *)&Agent, NULL);
}

static BOOLEAN IsAllowed(_In_ PFLT_CALLBACK_DATA Data, _Inout_ PSCANNER_REQUEST Request)
{
        LARGE_INTEGER Timeout;
        SCANNER_REPLY Reply;
        ULONG ReplyLength = sizeof(Reply);
        NTSTATUS Status;

        Request->ProcessId = FltGetRequestorProcessId(Data);
        Timeout.QuadPart = -10000000LL * TIMEOUT_SECONDS;
        Status = FltSendMessage(Filter, &ClientPort, Request, sizeof(*Request), &Reply, &ReplyLength, &Timeout);
        /* STATUS_TIMEOUT is a success code: only this one means that there is an answer. */
        return Status != STATUS_SUCCESS || ReplyLength < sizeof(Reply) || Reply.Allow;
}

static FLT_PREOP_CALLBACK_STATUS PreCreate(_Inout_ PFLT_CALLBACK_DATA Data, _In_ PCFLT_RELATED_OBJECTS FltObjects,
                                           _Flt_CompletionContext_Outptr_ PVOID *CompletionContext)
{
        UNREFERENCED_PARAMETER(FltObjects);
        UNREFERENCED_PARAMETER(CompletionContext);

        /* The agent would wait for itself. */
        if (IoThreadToProcess(Data->Thread) == ReadPointerNoFence((PVOID volatile *)&Agent))
                return FLT_PREOP_SUCCESS_NO_CALLBACK;
        /* Who only deletes, renames or queries gets no data. */
        if (!FlagOn(Data->Iopb->Parameters.Create.SecurityContext->DesiredAccess, FILE_READ_DATA | FILE_EXECUTE))
                return FLT_PREOP_SUCCESS_NO_CALLBACK;
        return FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

static FLT_POSTOP_CALLBACK_STATUS PostCreate(_Inout_ PFLT_CALLBACK_DATA Data, _In_ PCFLT_RELATED_OBJECTS FltObjects,
                                             _In_opt_ PVOID CompletionContext, _In_ FLT_POST_OPERATION_FLAGS Flags)
{
        LARGE_INTEGER Start = { .QuadPart = 0 };
        PSCANNER_REQUEST Request = NULL;
        BOOLEAN Directory = TRUE;
        NTSTATUS Status;
        ULONG Length;
        PVOID Page;

        UNREFERENCED_PARAMETER(CompletionContext);

        if (FlagOn(Flags, FLTFL_POST_OPERATION_DRAINING) || !NT_SUCCESS(Data->IoStatus.Status) ||
            Data->IoStatus.Status == STATUS_REPARSE)
                return FLT_POSTOP_FINISHED_PROCESSING;
        if (!NT_SUCCESS(FltIsDirectory(FltObjects->FileObject, FltObjects->Instance, &Directory)) || Directory)
                return FLT_POSTOP_FINISHED_PROCESSING;

        /* A file that was opened without buffering can only be read in whole sectors, into an aligned buffer. */
        Page = FltAllocatePoolAlignedWithTag(FltObjects->Instance, NonPagedPoolNx, PAGE_SIZE, TAG_BUFFER);
        if (Page != NULL)
                Request = ExAllocatePoolZero(NonPagedPoolNx, sizeof(*Request), TAG_BUFFER);
        if (Request == NULL)
                goto Out;
        /* An empty file gives STATUS_END_OF_FILE, and nothing to judge. */
        Status = FltReadFile(FltObjects->Instance, FltObjects->FileObject, &Start, PAGE_SIZE, Page,
                             FLTFL_IO_OPERATION_DO_NOT_UPDATE_BYTE_OFFSET, &Length, NULL, NULL);
        if (!NT_SUCCESS(Status))
                goto Out;
        Request->Length = Length < sizeof(Request->Sample) ? Length : sizeof(Request->Sample);
        RtlCopyMemory(Request->Sample, Page, Request->Length);
        if (!IsAllowed(Data, Request)) {
                FltCancelFileOpen(FltObjects->Instance, FltObjects->FileObject);
                Data->IoStatus.Status = STATUS_VIRUS_INFECTED;
                Data->IoStatus.Information = 0;
        }
Out:
        if (Request != NULL)
                ExFreePoolWithTag(Request, TAG_BUFFER);
        if (Page != NULL)
                FltFreePoolAlignedWithTag(FltObjects->Instance, Page, TAG_BUFFER);
        return FLT_POSTOP_FINISHED_PROCESSING;
}

static NTSTATUS Unload(_In_ FLT_FILTER_UNLOAD_FLAGS Flags)
{
        UNREFERENCED_PARAMETER(Flags);

        /* The port first: it ends the waits that FltUnregisterFilter would wait for. */
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
        { IRP_MJ_CREATE, 0, PreCreate, PostCreate },
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
        UNICODE_STRING Name = RTL_CONSTANT_STRING(SCANNER_PORT_NAME);
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
