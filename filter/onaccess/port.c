/* SPDX-License-Identifier: MIT */
/*
 * Agents: who is connected, and what they ask of us.
 *
 * A connection is in the table from the end of ConnectNotify to DisconnectNotify. A scan holds a
 * reference to it, so that Port is still a variable when FltSendMessage reads it; FltCloseClientPort
 * sets it to NULL and thereby ends the scan.
 */
#include "onaccess.h"

static NTSTATUS OaConnect(_In_ PFLT_PORT ClientPort, _In_opt_ PVOID ServerPortCookie,
                          _In_reads_bytes_opt_(SizeOfContext) PVOID ConnectionContext, _In_ ULONG SizeOfContext,
                          _Outptr_result_maybenull_ PVOID *ConnectionCookie);
static VOID OaDisconnect(_In_opt_ PVOID ConnectionCookie);
static NTSTATUS OaMessage(_In_opt_ PVOID ConnectionCookie, _In_reads_bytes_opt_(InputBufferLength) PVOID InputBuffer,
                          _In_ ULONG InputBufferLength,
                          _Out_writes_bytes_to_opt_(OutputBufferLength, *ReturnOutputBufferLength) PVOID OutputBuffer,
                          _In_ ULONG OutputBufferLength, _Out_ PULONG ReturnOutputBufferLength);

#ifdef ALLOC_PRAGMA
#pragma alloc_text(PAGE, OaCreatePort)
#pragma alloc_text(PAGE, OaConnect)
#pragma alloc_text(PAGE, OaDisconnect)
#pragma alloc_text(PAGE, OaMessage)
#endif

/* Only administrators and the system may connect: who answers here decides what everybody may open. */
NTSTATUS OaCreatePort(VOID)
{
        PSECURITY_DESCRIPTOR SecurityDescriptor;
        OBJECT_ATTRIBUTES Attributes;
        NTSTATUS Status;

        PAGED_CODE();

        Status = FltBuildDefaultSecurityDescriptor(&SecurityDescriptor, FLT_PORT_ALL_ACCESS);
        if (!NT_SUCCESS(Status))
                return Status;

        InitializeObjectAttributes(&Attributes, &Globals.Parameters.PortName, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE,
                                   NULL, SecurityDescriptor);
        Status = FltCreateCommunicationPort(Globals.Filter, &Globals.ServerPort, &Attributes, NULL, OaConnect,
                                            OaDisconnect, OaMessage, Globals.Parameters.MaximumConnections);
        FltFreeSecurityDescriptor(SecurityDescriptor);
        return Status;
}

VOID OaClosePort(VOID)
{
        if (Globals.ServerPort != NULL) {
                FltCloseCommunicationPort(Globals.ServerPort);
                Globals.ServerPort = NULL;
        }
        OaDisconnectAgents();
}

static VOID OaDereferenceConnection(_In_ POA_CONNECTION Connection)
{
        if (InterlockedDecrement(&Connection->References) == 0) {
                ObDereferenceObject(Connection->Process);
                ExFreePoolWithTag(Connection, OA_TAG_CONNECTION);
        }
}

/* Call with ConnectionLock held. */
static VOID OaUpdateAvailability(VOID)
{
        ULONG i;

        for (i = 0; i < OA_MAX_CONNECTIONS; i++) {
                if (Globals.Connections[i] != NULL && !Globals.Connections[i]->Closing) {
                        KeSetEvent(&Globals.AgentAvailable, IO_NO_INCREMENT, FALSE);
                        return;
                }
        }
        KeClearEvent(&Globals.AgentAvailable);
}

static NTSTATUS OaConnect(_In_ PFLT_PORT ClientPort, _In_opt_ PVOID ServerPortCookie,
                          _In_reads_bytes_opt_(SizeOfContext) PVOID ConnectionContext, _In_ ULONG SizeOfContext,
                          _Outptr_result_maybenull_ PVOID *ConnectionCookie)
{
        POA_CONNECTION Connection;
        OA_CONNECT Hello;
        ULONG i;

        UNREFERENCED_PARAMETER(ServerPortCookie);
        PAGED_CODE();

        *ConnectionCookie = NULL;

        if (ConnectionContext == NULL || SizeOfContext < sizeof(Hello))
                return STATUS_INVALID_PARAMETER;
        RtlCopyMemory(&Hello, ConnectionContext, sizeof(Hello));
        if (Hello.Version != OA_PROTOCOL_VERSION)
                return STATUS_INVALID_PARAMETER;

        Connection = ExAllocatePoolZero(NonPagedPoolNx, sizeof(*Connection), OA_TAG_CONNECTION);
        if (Connection == NULL)
                return STATUS_INSUFFICIENT_RESOURCES;

        Connection->References = 1;
        Connection->Port = ClientPort;
        Connection->Process = PsGetCurrentProcess();
        ObReferenceObject(Connection->Process);

        ExAcquireFastMutex(&Globals.ConnectionLock);
        for (i = 0; i < OA_MAX_CONNECTIONS && !ReadNoFence(&Globals.Unloading); i++) {
                if (Globals.Connections[i] != NULL)
                        continue;
                Globals.Connections[i] = Connection;
                InterlockedExchangePointer((PVOID volatile *)&Globals.Agents[i], Connection->Process);
                /* This agent may know signatures that the last one did not. */
                InterlockedIncrement(&Globals.Generation);
                *ConnectionCookie = Connection;
                break;
        }
        OaUpdateAvailability();
        ExReleaseFastMutex(&Globals.ConnectionLock);

        if (*ConnectionCookie == NULL) {
                OaDereferenceConnection(Connection);
                return STATUS_CONNECTION_COUNT_LIMIT;
        }
        return STATUS_SUCCESS;
}

static VOID OaDisconnect(_In_opt_ PVOID ConnectionCookie)
{
        POA_CONNECTION Connection = ConnectionCookie;
        BOOLEAN Close;
        ULONG i;

        PAGED_CODE();

        if (Connection == NULL)
                return;

        ExAcquireFastMutex(&Globals.ConnectionLock);
        Close = !InterlockedExchange(&Connection->Closing, TRUE);
        for (i = 0; i < OA_MAX_CONNECTIONS; i++) {
                if (Globals.Connections[i] == Connection) {
                        InterlockedExchangePointer((PVOID volatile *)&Globals.Agents[i], NULL);
                        Globals.Connections[i] = NULL;
                }
        }
        OaUpdateAvailability();
        ExReleaseFastMutex(&Globals.ConnectionLock);

        /* Else OaDisconnectAgents does it, or has done it: it came first. */
        if (Close)
                FltCloseClientPort(Globals.Filter, &Connection->Port);
        OaDereferenceConnection(Connection);
}

VOID OaDisconnectAgents(VOID)
{
        POA_CONNECTION Connections[OA_MAX_CONNECTIONS];
        ULONG Count = 0;
        ULONG i;

        ExAcquireFastMutex(&Globals.ConnectionLock);
        for (i = 0; i < OA_MAX_CONNECTIONS; i++) {
                POA_CONNECTION Connection = Globals.Connections[i];

                if (Connection == NULL || Connection->Closing)
                        continue;
                InterlockedExchange(&Connection->Kicked, TRUE);
                InterlockedExchange(&Connection->Closing, TRUE);
                InterlockedIncrement(&Connection->References);
                Connections[Count++] = Connection;
        }
        OaUpdateAvailability();
        ExReleaseFastMutex(&Globals.ConnectionLock);

        for (i = 0; i < Count; i++) {
                FltCloseClientPort(Globals.Filter, &Connections[i]->Port);
                OaDereferenceConnection(Connections[i]);
        }
}

POA_CONNECTION OaAcquireConnection(VOID)
{
        POA_CONNECTION Best = NULL;
        ULONG i;

        ExAcquireFastMutex(&Globals.ConnectionLock);
        for (i = 0; i < OA_MAX_CONNECTIONS; i++) {
                POA_CONNECTION Connection = Globals.Connections[i];

                if (Connection == NULL || Connection->Closing)
                        continue;
                if (Best == NULL || Connection->Scans < Best->Scans)
                        Best = Connection;
        }
        if (Best != NULL) {
                InterlockedIncrement(&Best->References);
                InterlockedIncrement(&Best->Scans);
        }
        ExReleaseFastMutex(&Globals.ConnectionLock);
        return Best;
}

VOID OaReleaseConnection(_In_ POA_CONNECTION Connection)
{
        InterlockedDecrement(&Connection->Scans);
        OaDereferenceConnection(Connection);
}

BOOLEAN OaIsAgent(_In_opt_ PEPROCESS Process)
{
        ULONG i;

        for (i = 0; i < OA_MAX_CONNECTIONS && Process != NULL; i++) {
                if (ReadPointerNoFence((PVOID volatile *)&Globals.Agents[i]) == Process)
                        return TRUE;
        }
        return FALSE;
}

static NTSTATUS OaMessage(_In_opt_ PVOID ConnectionCookie, _In_reads_bytes_opt_(InputBufferLength) PVOID InputBuffer,
                          _In_ ULONG InputBufferLength,
                          _Out_writes_bytes_to_opt_(OutputBufferLength, *ReturnOutputBufferLength) PVOID OutputBuffer,
                          _In_ ULONG OutputBufferLength, _Out_ PULONG ReturnOutputBufferLength)
{
        OA_STATISTICS Statistics;
        OA_COMMAND Command;

        UNREFERENCED_PARAMETER(ConnectionCookie);
        PAGED_CODE();

        *ReturnOutputBufferLength = 0;

        if (InputBuffer == NULL || InputBufferLength < sizeof(Command))
                return STATUS_INVALID_PARAMETER;

        /* Both buffers are the agent's memory, which can go away or be no memory at all. */
        __try {
                RtlCopyMemory(&Command, InputBuffer, sizeof(Command));
        } __except (EXCEPTION_EXECUTE_HANDLER) {
                return GetExceptionCode();
        }

        switch (Command.Command) {
        case OA_COMMAND_QUERY_STATISTICS:
                if (OutputBuffer == NULL || OutputBufferLength < sizeof(Statistics))
                        return STATUS_BUFFER_TOO_SMALL;
                Statistics = Globals.Statistics;
                __try {
                        RtlCopyMemory(OutputBuffer, &Statistics, sizeof(Statistics));
                } __except (EXCEPTION_EXECUTE_HANDLER) {
                        return GetExceptionCode();
                }
                *ReturnOutputBufferLength = sizeof(Statistics);
                return STATUS_SUCCESS;

        case OA_COMMAND_DROP_VERDICTS:
                InterlockedIncrement(&Globals.Generation);
                return STATUS_SUCCESS;

        default:
                return STATUS_INVALID_PARAMETER;
        }
}
