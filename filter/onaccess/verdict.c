/* SPDX-License-Identifier: MIT */
/*
 * What is known about a stream, and who may ask: the stream context.
 *
 * A verdict is good for the content that was scanned. It is known to be the same content when
 *   - nothing was written through the volume since before the scan (Modifications: each change counts
 *     before and after it happens, so a scan that overlaps one notices),
 *   - the file's stamps are those of before the scan (a change behind the volume's back),
 *   - those stamps were old enough to tell (LastTrusted),
 *   - the signatures are the same (Generation).
 * Only clean and infected are remembered. One scan of a stream runs at a time; whoever comes meanwhile waits
 * for it, and takes its result if it is about the same content.
 */
#include "onaccess.h"

#ifdef ALLOC_PRAGMA
#pragma alloc_text(PAGE, OaLookAt)
#pragma alloc_text(PAGE, OaFindVerdict)
#endif

VOID OaInitializeStreamContext(_Out_ POA_STREAM_CONTEXT Context)
{
        RtlZeroMemory(Context, sizeof(*Context));
        ExInitializeFastMutex(&Context->Lock);
        KeInitializeEvent(&Context->ScanDone, NotificationEvent, TRUE);
}

POA_STREAM_CONTEXT OaGetStreamContext(_In_ PCFLT_RELATED_OBJECTS FltObjects, _In_ BOOLEAN Create)
{
        POA_STREAM_CONTEXT Context;
        POA_STREAM_CONTEXT Existing = NULL;
        NTSTATUS Status;

        Status = FltGetStreamContext(FltObjects->Instance, FltObjects->FileObject, (PFLT_CONTEXT *)&Context);
        if (NT_SUCCESS(Status))
                return Context;
        if (!Create || Status != STATUS_NOT_FOUND)
                return NULL;

        Status = FltAllocateContext(FltObjects->Filter, FLT_STREAM_CONTEXT, sizeof(*Context), NonPagedPool,
                                    (PFLT_CONTEXT *)&Context);
        if (!NT_SUCCESS(Status))
                return NULL;
        OaInitializeStreamContext(Context);

        Status = FltSetStreamContext(FltObjects->Instance, FltObjects->FileObject, FLT_SET_CONTEXT_KEEP_IF_EXISTS,
                                     Context, (PFLT_CONTEXT *)&Existing);
        if (NT_SUCCESS(Status))
                return Context;

        FltReleaseContext(Context);
        return Status == STATUS_FLT_CONTEXT_ALREADY_DEFINED ? Existing : NULL;
}

VOID OaMarkModified(_Inout_ POA_STREAM_CONTEXT Context)
{
        InterlockedIncrement64(&Context->Modifications);
}

static LONG64 OaModifications(_In_ POA_STREAM_CONTEXT Context)
{
        return InterlockedCompareExchange64(&Context->Modifications, 0, 0);
}

BOOLEAN OaIsModified(_Inout_ POA_STREAM_CONTEXT Context)
{
        BOOLEAN Modified;

        ExAcquireFastMutex(&Context->Lock);
        Modified = Context->LastModifications != OaModifications(Context);
        ExReleaseFastMutex(&Context->Lock);
        return Modified;
}

static BOOLEAN OaIsSameState(_In_ const OA_FILE_STATE *A, _In_ const OA_FILE_STATE *B)
{
        return A->ChangeTime.QuadPart == B->ChangeTime.QuadPart &&
               A->LastWriteTime.QuadPart == B->LastWriteTime.QuadPart && A->EndOfFile.QuadPart == B->EndOfFile.QuadPart;
}

/* Some file systems keep no change time. Without any stamp, there is nothing to trust. */
static BOOLEAN OaIsOldEnough(_In_ const OA_FILE_STATE *State)
{
        LARGE_INTEGER Now;
        LONGLONG Changed = State->ChangeTime.QuadPart;

        if (Changed == 0)
                Changed = State->LastWriteTime.QuadPart;
        KeQuerySystemTime(&Now);
        return Changed != 0 && Now.QuadPart - Changed >= OA_TIME_STAMP_GRANULARITY;
}

/* Call with Lock held. */
static BOOLEAN OaIsLastAbout(_In_ POA_STREAM_CONTEXT Context, _In_ const OA_FILE_STATE *State)
{
        return Context->Serial != 0 && !Context->Scanning && Context->LastModifications == OaModifications(Context) &&
               Context->LastGeneration == ReadNoFence(&Globals.Generation) && OaIsSameState(&Context->LastState, State);
}

/* Call with Lock held. */
static BOOLEAN OaRecallVerdictLocked(_In_ POA_STREAM_CONTEXT Context, _In_ const OA_FILE_STATE *State,
                                     _In_ BOOLEAN Untrusted, _Out_ POA_OUTCOME Outcome)
{
        if (!OaIsLastAbout(Context, State) || Context->Last.Status != STATUS_SUCCESS ||
            Context->Last.Verdict == OA_VERDICT_ERROR || (!Context->LastTrusted && !Untrusted))
                return FALSE;
        *Outcome = Context->Last;
        return TRUE;
}

BOOLEAN OaRecallVerdict(_Inout_ POA_STREAM_CONTEXT Context, _In_ const OA_FILE_STATE *State, _In_ BOOLEAN Untrusted,
                        _Out_ POA_OUTCOME Outcome)
{
        BOOLEAN Known;

        ExAcquireFastMutex(&Context->Lock);
        Known = OaRecallVerdictLocked(Context, State, Untrusted, Outcome);
        ExReleaseFastMutex(&Context->Lock);
        return Known;
}

/*
 * Takes the result of the scan that was waited for, also one that is not remembered: the agent that
 * did not answer the first in time would not answer the second. Not if that one's requestor gave up.
 */
static BOOLEAN OaShareOutcome(_In_ POA_STREAM_CONTEXT Context, _In_ ULONGLONG Serial, _In_ const OA_FILE_STATE *State,
                              _Out_ POA_OUTCOME Outcome)
{
        BOOLEAN Shared = FALSE;

        ExAcquireFastMutex(&Context->Lock);
        if (Context->Serial == Serial && OaIsLastAbout(Context, State) &&
            (Context->LastTrusted || Context->Last.Status != STATUS_SUCCESS) &&
            Context->Last.Status != STATUS_THREAD_IS_TERMINATING && Context->Last.Status != STATUS_CANCELLED) {
                *Outcome = Context->Last;
                Shared = TRUE;
        }
        ExReleaseFastMutex(&Context->Lock);
        return Shared;
}

static NTSTATUS OaWaitForScan(_In_ POA_STREAM_CONTEXT Context, _In_ POA_QUESTION Question)
{
        LARGE_INTEGER Timeout;
        PLARGE_INTEGER Pointer;

        OaCount(Waits);
        if (!OaRemainingTime(Question->Deadline, &Timeout, &Pointer))
                return STATUS_TIMEOUT;
        return FltCancellableWaitForSingleObject(&Context->ScanDone, Pointer, Question->Data);
}

NTSTATUS OaLookAt(_In_opt_ POA_STREAM_CONTEXT Context, _Inout_ POA_QUESTION Question)
{
        PAGED_CODE();

        /* In this order: whatever happens after the first line shows in one of them. */
        Question->Modifications = Context != NULL ? OaModifications(Context) : 0;
        Question->Generation = ReadNoFence(&Globals.Generation);
        return OaQueryFileState(Question->FltObjects, &Question->State);
}

VOID OaFindVerdict(_In_opt_ POA_STREAM_CONTEXT Context, _In_ POA_QUESTION Question, _Out_ POA_OUTCOME Outcome)
{
        ULONGLONG Serial;
        BOOLEAN Trusted;

        PAGED_CODE();

        RtlZeroMemory(Outcome, sizeof(*Outcome));

        if (Context == NULL) {
                OaScan(Question, Outcome);
                return;
        }

        for (;;) {
                Trusted = OaIsOldEnough(&Question->State);

                ExAcquireFastMutex(&Context->Lock);
                if (OaRecallVerdictLocked(Context, &Question->State, FALSE, Outcome)) {
                        ExReleaseFastMutex(&Context->Lock);
                        OaCount(CacheHits);
                        return;
                }
                if (!Context->Scanning)
                        break;
                Serial = Context->Serial;
                ExReleaseFastMutex(&Context->Lock);

                Outcome->Status = OaWaitForScan(Context, Question);
                if (Outcome->Status != STATUS_SUCCESS)
                        return;
                if (OaShareOutcome(Context, Serial, &Question->State, Outcome))
                        return;
                Outcome->Status = OaLookAt(Context, Question);
                if (!NT_SUCCESS(Outcome->Status))
                        return;
        }

        Context->Scanning = TRUE;
        Context->Serial++;
        KeClearEvent(&Context->ScanDone);
        ExReleaseFastMutex(&Context->Lock);

        OaScan(Question, Outcome);

        ExAcquireFastMutex(&Context->Lock);
        Context->Scanning = FALSE;
        Context->Last = *Outcome;
        Context->LastModifications = Question->Modifications;
        Context->LastGeneration = Question->Generation;
        Context->LastState = Question->State;
        Context->LastTrusted = Trusted;
        KeSetEvent(&Context->ScanDone, IO_NO_INCREMENT, FALSE);
        ExReleaseFastMutex(&Context->Lock);
}
