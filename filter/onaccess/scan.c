/* SPDX-License-Identifier: MIT */
/*
 * One scan: a section of the file for the agent, a message, its answer.
 *
 * The section's handle is made in the agent's process. Who closes it is decided by the answer: the agent if its
 * answer was taken, else we. Both sides know that for sure, so it is never closed twice.
 */
#include "onaccess.h"

/* How long a scan whose agent we disconnected ourselves waits for one to come back. */
#define OA_RECONNECT_TIME OA_MILLISECONDS(5000)

typedef struct _OA_SECTION {
        POA_SECTION_CONTEXT Context;
        HANDLE Handle; /* in the agent's process */
        PVOID Object;
} OA_SECTION, *POA_SECTION;

#ifdef ALLOC_PRAGMA
#pragma alloc_text(PAGE, OaScan)
#pragma alloc_text(PAGE, OaQueryFileState)
#endif

NTSTATUS OaQueryFileState(_In_ PCFLT_RELATED_OBJECTS FltObjects, _Out_ POA_FILE_STATE State)
{
        FILE_NETWORK_OPEN_INFORMATION Information;
        NTSTATUS Status;

        PAGED_CODE();

        RtlZeroMemory(State, sizeof(*State));
        Status = FltQueryInformationFile(FltObjects->Instance, FltObjects->FileObject, &Information,
                                         sizeof(Information), FileNetworkOpenInformation, NULL);
        if (!NT_SUCCESS(Status))
                return Status;
        State->ChangeTime = Information.ChangeTime;
        State->LastWriteTime = Information.LastWriteTime;
        State->EndOfFile = Information.EndOfFile;
        State->FileAttributes = Information.FileAttributes;
        return STATUS_SUCCESS;
}

LONGLONG OaDeadline(VOID)
{
        ULONG Limit = Globals.Parameters.ScanTimeout;

        return Limit != 0 ? (LONGLONG)KeQueryInterruptTime() + OA_MILLISECONDS(Limit) : 0;
}

BOOLEAN OaRemainingTime(_In_ LONGLONG Deadline, _Out_ PLARGE_INTEGER Timeout,
                        _Outptr_result_maybenull_ PLARGE_INTEGER *Pointer)
{
        LONGLONG Left;

        *Pointer = NULL;
        Timeout->QuadPart = 0;
        if (Deadline == 0)
                return TRUE;
        Left = Deadline - (LONGLONG)KeQueryInterruptTime();
        if (Left <= 0)
                return FALSE;
        Timeout->QuadPart = -Left;
        *Pointer = Timeout;
        return TRUE;
}

static NTSTATUS OaOpenSection(_In_ POA_QUESTION Question, _In_ POA_CONNECTION Connection, _Out_ POA_SECTION Section,
                              _Out_ PLARGE_INTEGER FileSize)
{
        OBJECT_ATTRIBUTES Attributes;
        KAPC_STATE ApcState;
        NTSTATUS Status;

        RtlZeroMemory(Section, sizeof(*Section));
        Status = FltAllocateContext(Globals.Filter, FLT_SECTION_CONTEXT, sizeof(*Section->Context), NonPagedPool,
                                    (PFLT_CONTEXT *)&Section->Context);
        if (!NT_SUCCESS(Status))
                return Status;
        RtlZeroMemory(Section->Context, sizeof(*Section->Context));

        InitializeObjectAttributes(&Attributes, NULL, OBJ_CASE_INSENSITIVE, NULL, NULL);
        KeStackAttachProcess((PRKPROCESS)Connection->Process, &ApcState);
        Status = FltCreateSectionForDataScan(Question->FltObjects->Instance, Question->FltObjects->FileObject,
                                             Section->Context, SECTION_MAP_READ, &Attributes, NULL, PAGE_READONLY,
                                             SEC_COMMIT, 0, &Section->Handle, &Section->Object, FileSize);
        KeUnstackDetachProcess(&ApcState);
        if (!NT_SUCCESS(Status)) {
                FltReleaseContext(Section->Context);
                Section->Context = NULL;
        }
        return Status;
}

/* As the agent would close it: it is no error if the agent's end has done so already. */
static VOID OaTakeBackHandle(_In_ POA_CONNECTION Connection, _In_ POA_SECTION Section)
{
        KAPC_STATE ApcState;

        KeStackAttachProcess((PRKPROCESS)Connection->Process, &ApcState);
        ObCloseHandle(Section->Handle, UserMode);
        KeUnstackDetachProcess(&ApcState);
}

static VOID OaCloseSection(_In_ POA_SECTION Section)
{
        ObDereferenceObject(Section->Object);
        FltCloseSectionForDataScan(Section->Context);
        FltReleaseContext(Section->Context);
}

/* Exactly as long as the name: the message is copied as a whole. */
static POA_SCAN_REQUEST OaBuildRequest(_In_ POA_QUESTION Question, _In_ const OA_SECTION *Section,
                                       _In_ LONGLONG FileSize, _Out_ PULONG Length)
{
        PCUNICODE_STRING Name = Question->Name != NULL ? &Question->Name->Name : NULL;
        ULONG NameLength = Name != NULL ? Name->Length : 0;
        POA_SCAN_REQUEST Request;
        ULONG Flags = 0;

        if (NameLength > OA_MAX_NAME * sizeof(WCHAR)) {
                NameLength = OA_MAX_NAME * sizeof(WCHAR);
                Flags |= OA_SCAN_NAME_TRUNCATED;
        }
        if (Question->FltObjects->FileObject->WriteAccess)
                Flags |= OA_SCAN_OPENED_FOR_WRITE;

        *Length = FIELD_OFFSET(OA_SCAN_REQUEST, Name) + NameLength;
        Request = ExAllocatePoolZero(PagedPool, *Length, OA_TAG_MESSAGE);
        if (Request == NULL)
                return NULL;
        Request->Section = (ULONGLONG)(ULONG_PTR)Section->Handle;
        Request->FileSize = (ULONGLONG)FileSize;
        Request->Reason = Question->Reason;
        Request->Flags = Flags;
        Request->ProcessId = FltGetRequestorProcessId(Question->Data);
        Request->NameLength = NameLength;
        if (NameLength != 0)
                RtlCopyMemory(Request->Name, Name->Buffer, NameLength);
        return Request;
}

static VOID OaReadReply(_In_ const OA_SCAN_REPLY *Reply, _In_ ULONG Length, _Inout_ POA_OUTCOME Outcome)
{
        if (Length < sizeof(*Reply) || Reply->Verdict < OA_VERDICT_CLEAN || Reply->Verdict > OA_VERDICT_ERROR) {
                Outcome->Status = STATUS_INVALID_PARAMETER;
                return;
        }
        Outcome->Verdict = Reply->Verdict;
        RtlCopyMemory(Outcome->Signature, Reply->Signature, sizeof(Outcome->Signature));
        Outcome->Signature[OA_MAX_SIGNATURE - 1] = '\0';
}

static VOID OaAskAgent(_In_ POA_QUESTION Question, _In_ POA_CONNECTION Connection, _Inout_ POA_OUTCOME Outcome)
{
        OA_SCAN_REPLY Reply;
        ULONG ReplyLength = sizeof(Reply);
        POA_SCAN_REQUEST Request;
        LARGE_INTEGER FileSize;
        LARGE_INTEGER Timeout;
        PLARGE_INTEGER Pointer;
        OA_SECTION Section;
        ULONG Length;

        FileSize.QuadPart = 0;
        Outcome->Status = OaOpenSection(Question, Connection, &Section, &FileSize);
        if (Outcome->Status == STATUS_END_OF_FILE) {
                /* Emptied meanwhile. */
                Outcome->Status = STATUS_SUCCESS;
                Outcome->Verdict = OA_VERDICT_CLEAN;
                return;
        }
        if (!NT_SUCCESS(Outcome->Status))
                return;

        Request = OaBuildRequest(Question, &Section, FileSize.QuadPart, &Length);
        if (Request == NULL) {
                Outcome->Status = STATUS_INSUFFICIENT_RESOURCES;
        } else if (!OaRemainingTime(Question->Deadline, &Timeout, &Pointer)) {
                Outcome->Status = STATUS_TIMEOUT;
        } else {
                OaCount(Scans);
                RtlZeroMemory(&Reply, sizeof(Reply));
                Outcome->Status = FltSendMessage(Globals.Filter, &Connection->Port, Request, Length, &Reply,
                                                 &ReplyLength, Pointer);
        }

        /* STATUS_TIMEOUT is a success code: only this one means that there is an answer. */
        if (Outcome->Status == STATUS_SUCCESS) {
                OaReadReply(&Reply, ReplyLength, Outcome);
                if (ReadNoFence(&Section.Context->Conflict) && Outcome->Verdict == OA_VERDICT_CLEAN)
                        Outcome->Verdict = OA_VERDICT_ERROR;
        } else {
                OaTakeBackHandle(Connection, &Section);
        }

        if (Request != NULL)
                ExFreePoolWithTag(Request, OA_TAG_MESSAGE);
        OaCloseSection(&Section);
}

/* Waits for an agent after we ended the conversation for the sake of another volume. */
static BOOLEAN OaWaitForAgent(_In_ POA_QUESTION Question, _Inout_ POA_OUTCOME Outcome)
{
        LARGE_INTEGER Timeout;
        PLARGE_INTEGER Pointer;
        NTSTATUS Status;

        if (!OaRemainingTime(Question->Deadline, &Timeout, &Pointer))
                return FALSE;
        if (Pointer == NULL || Timeout.QuadPart < -OA_RECONNECT_TIME)
                Timeout.QuadPart = -OA_RECONNECT_TIME;
        Status = FltCancellableWaitForSingleObject(&Globals.AgentAvailable, &Timeout, Question->Data);
        if (Status == STATUS_SUCCESS)
                return TRUE;
        if (Status != STATUS_TIMEOUT)
                Outcome->Status = Status;
        return FALSE;
}

/* The filter or the instance goes: no scan begins any more. */
static BOOLEAN OaIsEnding(_In_opt_ POA_INSTANCE_CONTEXT Instance)
{
        return ReadNoFence(&Globals.Unloading) || (Instance != NULL && ReadNoFence(&Instance->Detaching));
}

static VOID OaScanAttached(_In_ POA_QUESTION Question, _In_opt_ POA_INSTANCE_CONTEXT Instance,
                           _Inout_ POA_OUTCOME Outcome)
{
        POA_CONNECTION Connection;
        BOOLEAN Kicked;

        do {
                Outcome->Status = STATUS_PORT_DISCONNECTED;
                if (OaIsEnding(Instance))
                        return;
                Connection = OaAcquireConnection();
                if (Connection == NULL)
                        return;
                OaAskAgent(Question, Connection, Outcome);
                Kicked = ReadNoFence(&Connection->Kicked) != FALSE;
                OaReleaseConnection(Connection);
        } while (Outcome->Status == STATUS_PORT_DISCONNECTED && Kicked && !OaIsEnding(Instance) &&
                 OaWaitForAgent(Question, Outcome));
}

VOID OaScan(_In_ POA_QUESTION Question, _Out_ POA_OUTCOME Outcome)
{
        POA_INSTANCE_CONTEXT Instance = NULL;

        PAGED_CODE();

        RtlZeroMemory(Outcome, sizeof(*Outcome));

        /* Counted before Detaching is looked at, as the teardown looks in the opposite order. */
        if (NT_SUCCESS(FltGetInstanceContext(Question->FltObjects->Instance, (PFLT_CONTEXT *)&Instance)))
                InterlockedIncrement(&Instance->Scans);
        else
                Instance = NULL;

        OaScanAttached(Question, Instance, Outcome);

        if (Instance != NULL) {
                InterlockedDecrement(&Instance->Scans);
                FltReleaseContext(Instance);
        }

        if (Outcome->Status == STATUS_TIMEOUT)
                OaCount(Timeouts);
        else if (Outcome->Status == STATUS_PORT_DISCONNECTED)
                OaCount(WithoutAgent);
        else if (Outcome->Status != STATUS_THREAD_IS_TERMINATING && Outcome->Status != STATUS_CANCELLED &&
                 (Outcome->Status != STATUS_SUCCESS || Outcome->Verdict == OA_VERDICT_ERROR))
                OaCount(Errors);
}
