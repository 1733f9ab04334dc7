/* SPDX-License-Identifier: MIT */
/*
 * Which opens and cleanups are looked at, and what becomes of them.
 *
 * An open is looked at when it gives access to data: whoever only wants to delete, rename or query a
 * file is no danger and may be the one who cleans up. It is judged after it succeeded, when there is a file
 * to scan, and taken back before the requestor has a handle. A cleanup is never failed; its scan is
 * there so that the verdict is known when the file is opened next.
 */
#include "onaccess.h"

#define OA_DATA_ACCESS                                                                                                 \
        (FILE_READ_DATA | FILE_WRITE_DATA | FILE_APPEND_DATA | FILE_EXECUTE | GENERIC_READ | GENERIC_WRITE |           \
         GENERIC_EXECUTE | GENERIC_ALL | MAXIMUM_ALLOWED)

/* Completion contexts of a create. */
#define OA_CREATE_SCAN ((PVOID)(ULONG_PTR)1)
#define OA_CREATE_NOTE ((PVOID)(ULONG_PTR)2) /* only notes that the file was overwritten */

#ifdef ALLOC_PRAGMA
#pragma alloc_text(PAGE, OaPreCreate)
#pragma alloc_text(PAGE, OaPostCreate)
#pragma alloc_text(PAGE, OaPreCleanup)
#endif

/* "name.exe" means any of that name, "\dir\name.exe" means that one. */
static BOOLEAN OaIsProcessInList(_In_ PEPROCESS Process, _In_ const OA_STRING_LIST *List)
{
        PUNICODE_STRING Image;
        UNICODE_STRING Name;
        BOOLEAN Found = FALSE;
        USHORT Start;
        ULONG i;

        if (List->Count == 0 || !NT_SUCCESS(SeLocateProcessImageName(Process, &Image)))
                return FALSE;

        Start = Image->Length / sizeof(WCHAR);
        while (Start > 0 && Image->Buffer[Start - 1] != L'\\')
                Start--;
        Name.Buffer = Image->Buffer + Start;
        Name.Length = Image->Length - Start * sizeof(WCHAR);
        Name.MaximumLength = Name.Length;

        for (i = 0; i < List->Count && !Found; i++) {
                BOOLEAN IsPath = List->Items[i].Length != 0 && List->Items[i].Buffer[0] == L'\\';

                Found = RtlEqualUnicodeString(&List->Items[i], IsPath ? Image : &Name, TRUE);
        }
        ExFreePool(Image);
        return Found;
}

static BOOLEAN OaIsTrustedRequestor(_In_ PFLT_CALLBACK_DATA Data)
{
        PEPROCESS Process = Data->Thread != NULL ? IoThreadToProcess(Data->Thread) : NULL;

        if (Process == NULL)
                return FALSE;
        /* The agent would wait for itself. */
        return OaIsAgent(Process) || OaIsProcessInList(Process, &Globals.Parameters.ExcludedProcesses);
}

/* A path names a file or a directory with all that is below. Path is from the volume's root. */
static BOOLEAN OaIsPathInList(_In_ PCUNICODE_STRING Path, _In_ const OA_STRING_LIST *List, _In_ BOOLEAN CaseInsensitive)
{
        ULONG i;

        for (i = 0; i < List->Count; i++) {
                PCUNICODE_STRING Item = &List->Items[i];
                USHORT Length = Item->Length / sizeof(WCHAR);

                if (Length == 0 || !RtlPrefixUnicodeString(Item, Path, CaseInsensitive))
                        continue;
                if (Item->Length == Path->Length || Item->Buffer[Length - 1] == L'\\' || Path->Buffer[Length] == L'\\')
                        return TRUE;
        }
        return FALSE;
}

/* "." stands for names without an extension. */
static BOOLEAN OaIsExtensionInList(_In_ PCUNICODE_STRING Extension, _In_ const OA_STRING_LIST *List)
{
        UNICODE_STRING None = RTL_CONSTANT_STRING(L".");
        ULONG i;

        if (List->Count == 0)
                return TRUE;
        for (i = 0; i < List->Count; i++) {
                if (RtlEqualUnicodeString(&List->Items[i], Extension->Length != 0 ? Extension : &None, TRUE))
                        return TRUE;
        }
        return FALSE;
}

/* A file whose name can't be found out is scanned. */
static BOOLEAN OaIsNameExcluded(_In_ PCFLT_RELATED_OBJECTS FltObjects, _In_opt_ PFLT_FILE_NAME_INFORMATION Name)
{
        UNICODE_STRING Path;

        if (Name == NULL)
                return FALSE;
        if (!OaIsExtensionInList(&Name->Extension, &Globals.Parameters.Extensions))
                return TRUE;
        Path.Buffer = Name->Name.Buffer + Name->Volume.Length / sizeof(WCHAR);
        Path.Length = Name->Name.Length - Name->Volume.Length;
        Path.MaximumLength = Path.Length;
        return OaIsPathInList(&Path, &Globals.Parameters.ExcludedPaths,
                              !FlagOn(FltObjects->FileObject->Flags, FO_OPENED_CASE_SENSITIVE));
}

static PFLT_FILE_NAME_INFORMATION OaGetName(_In_ PFLT_CALLBACK_DATA Data)
{
        PFLT_FILE_NAME_INFORMATION Name;
        NTSTATUS Status;

        Status = FltGetFileNameInformation(Data, FLT_FILE_NAME_NORMALIZED | FLT_FILE_NAME_QUERY_DEFAULT, &Name);
        if (!NT_SUCCESS(Status))
                Status = FltGetFileNameInformation(Data, FLT_FILE_NAME_OPENED | FLT_FILE_NAME_QUERY_DEFAULT, &Name);
        if (!NT_SUCCESS(Status))
                return NULL;
        if (!NT_SUCCESS(FltParseFileNameInformation(Name))) {
                FltReleaseFileNameInformation(Name);
                return NULL;
        }
        return Name;
}

/* An empty file can't be infected, and has no section. Nor has what is no file. */
static BOOLEAN OaIsWorthScanning(_In_ const OA_FILE_STATE *State)
{
        ULONGLONG Maximum = Globals.Parameters.MaximumFileSize;

        if (FlagOn(State->FileAttributes, FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_DEVICE))
                return FALSE;
        if (State->EndOfFile.QuadPart <= 0)
                return FALSE;
        return Maximum == 0 || (ULONGLONG)State->EndOfFile.QuadPart <= Maximum;
}

FLT_PREOP_CALLBACK_STATUS OaPreCreate(_Inout_ PFLT_CALLBACK_DATA Data, _In_ PCFLT_RELATED_OBJECTS FltObjects,
                                      _Flt_CompletionContext_Outptr_ PVOID *CompletionContext)
{
        ACCESS_MASK Access = Data->Iopb->Parameters.Create.SecurityContext->DesiredAccess;
        ULONG Options = Data->Iopb->Parameters.Create.Options;
        ULONG Disposition = Options >> 24;

        PAGED_CODE();

        *CompletionContext = NULL;

        if (FlagOn(Data->Iopb->OperationFlags, SL_OPEN_PAGING_FILE | SL_OPEN_TARGET_DIRECTORY) ||
            FlagOn(FltObjects->FileObject->Flags, FO_VOLUME_OPEN) || FlagOn(Options, FILE_DIRECTORY_FILE))
                return FLT_PREOP_SUCCESS_NO_CALLBACK;

        /* A new file is empty. What is written to it is seen when it is written. */
        if (Disposition == FILE_CREATE)
                return FLT_PREOP_SUCCESS_NO_CALLBACK;

        if (!FlagOn(Access, OA_DATA_ACCESS) || OaIsTrustedRequestor(Data)) {
                if (Disposition == FILE_OPEN || Disposition == FILE_OPEN_IF)
                        return FLT_PREOP_SUCCESS_NO_CALLBACK;
                *CompletionContext = OA_CREATE_NOTE;
                return FLT_PREOP_SUCCESS_WITH_CALLBACK;
        }

        *CompletionContext = OA_CREATE_SCAN;
        return FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

static NTSTATUS OaAction(_In_ OA_ACTION Action)
{
        if (Action == OaActionAllow)
                return STATUS_SUCCESS;
        OaCount(Denied);
        return STATUS_ACCESS_DENIED;
}

/* What an outcome means for an open. */
static NTSTATUS OaDecide(_In_ const OA_OUTCOME *Outcome)
{
        switch (Outcome->Status) {
        case STATUS_SUCCESS:
                if (Outcome->Verdict == OA_VERDICT_CLEAN)
                        return STATUS_SUCCESS;
                if (Outcome->Verdict != OA_VERDICT_INFECTED)
                        return OaAction(Globals.Parameters.ActionOnError);
                OaCount(Infected);
                return STATUS_VIRUS_INFECTED;
        case STATUS_TIMEOUT:
                return OaAction(Globals.Parameters.ActionOnTimeout);
        case STATUS_PORT_DISCONNECTED:
                return OaAction(Globals.Parameters.ActionWithoutAgent);
        case STATUS_THREAD_IS_TERMINATING:
        case STATUS_CANCELLED:
                return Outcome->Status;
        default:
                return OaAction(Globals.Parameters.ActionOnError);
        }
}

static VOID OaLogInfected(_In_ PCSTR What, _In_ const OA_QUESTION *Question, _In_ const OA_OUTCOME *Outcome)
{
        UNICODE_STRING Unknown = RTL_CONSTANT_STRING(L"(unknown)");

        DbgPrint("onaccess: %s %wZ, process %u: %s\n", What, Question->Name != NULL ? &Question->Name->Name : &Unknown,
                 FltGetRequestorProcessId(Question->Data), Outcome->Signature);
}

static NTSTATUS OaJudgeOpen(_In_ PFLT_CALLBACK_DATA Data, _In_ PCFLT_RELATED_OBJECTS FltObjects,
                            _In_opt_ POA_STREAM_CONTEXT Context)
{
        OA_QUESTION Question;
        OA_OUTCOME Outcome;
        NTSTATUS Status;
        BOOLEAN Known;

        RtlZeroMemory(&Question, sizeof(Question));
        Question.Data = Data;
        Question.FltObjects = FltObjects;

        Status = OaLookAt(Context, &Question);
        if (!NT_SUCCESS(Status)) {
                OaCount(Errors);
                return OaAction(Globals.Parameters.ActionOnError);
        }
        if (!OaIsWorthScanning(&Question.State))
                return STATUS_SUCCESS;
        /* What was opened is the link, not what it leads to. */
        if (FlagOn(Question.State.FileAttributes, FILE_ATTRIBUTE_REPARSE_POINT) &&
            FlagOn(Data->Iopb->Parameters.Create.Options, FILE_OPEN_REPARSE_POINT))
                return STATUS_SUCCESS;

        /* Where an open never scans, the best that is known has to do. */
        Known = Context != NULL && OaRecallVerdict(Context, &Question.State, !Globals.Parameters.ScanOnOpen, &Outcome);
        if (Known && Outcome.Verdict == OA_VERDICT_CLEAN) {
                OaCount(CacheHits);
                return STATUS_SUCCESS;
        }
        if (!Known && !Globals.Parameters.ScanOnOpen)
                return STATUS_SUCCESS;

        Question.Name = OaGetName(Data);
        if (!OaIsNameExcluded(FltObjects, Question.Name)) {
                Question.Reason = FlagOn(Data->Iopb->Parameters.Create.SecurityContext->DesiredAccess, FILE_EXECUTE)
                                          ? OA_REASON_EXECUTE
                                          : OA_REASON_OPEN;
                Question.Deadline = OaDeadline();
                if (Known)
                        OaCount(CacheHits);
                else
                        OaFindVerdict(Context, &Question, &Outcome);
                Status = OaDecide(&Outcome);
                if (Status == STATUS_VIRUS_INFECTED)
                        OaLogInfected("refused", &Question, &Outcome);
        }
        if (Question.Name != NULL)
                FltReleaseFileNameInformation(Question.Name);
        return Status;
}

FLT_POSTOP_CALLBACK_STATUS OaPostCreate(_Inout_ PFLT_CALLBACK_DATA Data, _In_ PCFLT_RELATED_OBJECTS FltObjects,
                                        _In_opt_ PVOID CompletionContext, _In_ FLT_POST_OPERATION_FLAGS Flags)
{
        POA_STREAM_CONTEXT Context;
        NTSTATUS Status;
        BOOLEAN Overwritten;

        PAGED_CODE();

        /* STATUS_REPARSE is a success, but nothing was opened. */
        if (FlagOn(Flags, FLTFL_POST_OPERATION_DRAINING) || !NT_SUCCESS(Data->IoStatus.Status) ||
            Data->IoStatus.Status == STATUS_REPARSE)
                return FLT_POSTOP_FINISHED_PROCESSING;

        Overwritten = Data->IoStatus.Information == FILE_OVERWRITTEN || Data->IoStatus.Information == FILE_SUPERSEDED;

        Context = OaGetStreamContext(FltObjects, CompletionContext == OA_CREATE_SCAN);
        if (Context != NULL && Overwritten)
                OaMarkModified(Context);

        Status = CompletionContext == OA_CREATE_SCAN ? OaJudgeOpen(Data, FltObjects, Context) : STATUS_SUCCESS;

        if (Context != NULL)
                FltReleaseContext(Context);

        if (!NT_SUCCESS(Status)) {
                FltCancelFileOpen(FltObjects->Instance, FltObjects->FileObject);
                Data->IoStatus.Status = Status;
                Data->IoStatus.Information = 0;
        }
        return FLT_POSTOP_FINISHED_PROCESSING;
}

static VOID OaScanAtCleanup(_In_ PFLT_CALLBACK_DATA Data, _In_ PCFLT_RELATED_OBJECTS FltObjects,
                            _In_ POA_STREAM_CONTEXT Context)
{
        OA_QUESTION Question;
        OA_OUTCOME Outcome;

        RtlZeroMemory(&Question, sizeof(Question));
        Question.Data = Data;
        Question.FltObjects = FltObjects;
        Question.Reason = OA_REASON_CLEANUP;

        if (!NT_SUCCESS(OaLookAt(Context, &Question)) || !OaIsWorthScanning(&Question.State))
                return;

        Question.Name = OaGetName(Data);
        if (!OaIsNameExcluded(FltObjects, Question.Name)) {
                Question.Deadline = OaDeadline();
                OaFindVerdict(Context, &Question, &Outcome);
                if (Outcome.Status == STATUS_SUCCESS && Outcome.Verdict == OA_VERDICT_INFECTED)
                        OaLogInfected("written", &Question, &Outcome);
        }
        if (Question.Name != NULL)
                FltReleaseFileNameInformation(Question.Name);
}

/* A file on its way to deletion is not opened again. */
FLT_PREOP_CALLBACK_STATUS OaPreCleanup(_Inout_ PFLT_CALLBACK_DATA Data, _In_ PCFLT_RELATED_OBJECTS FltObjects,
                                       _Flt_CompletionContext_Outptr_ PVOID *CompletionContext)
{
        PFILE_OBJECT FileObject = FltObjects->FileObject;
        POA_STREAM_CONTEXT Context;

        PAGED_CODE();

        *CompletionContext = NULL;

        if (!Globals.Parameters.ScanOnCleanup || !FileObject->WriteAccess || FileObject->DeletePending ||
            FlagOn(FileObject->Flags, FO_VOLUME_OPEN))
                return FLT_PREOP_SUCCESS_NO_CALLBACK;

        Context = OaGetStreamContext(FltObjects, FALSE);
        if (Context == NULL)
                return FLT_PREOP_SUCCESS_NO_CALLBACK;

        if (OaIsModified(Context) && !OaIsTrustedRequestor(Data))
                OaScanAtCleanup(Data, FltObjects, Context);

        FltReleaseContext(Context);
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}
