/* SPDX-License-Identifier: MIT */
/*
 * onaccess, an antivirus minifilter: what its parts know of each other.
 *
 *   onaccess.c    loading, registration, instances
 *   create.c      which opens and cleanups are looked at, and what becomes of them
 *   modify.c      what can change a file's data
 *   verdict.c     what is known about a stream (stream context), one scan of it at a time
 *   scan.c        one scan: section, message, answer
 *   port.c        agents: connections, commands
 *   parameters.c  configuration
 *
 * The content of a file is only ever looked at by the agent. Whatever is unsure is not remembered.
 */
#pragma once

#include <fltKernel.h>

#include "protocol.h"

#define OA_TAG_PARAMETERS 'pAnO'
#define OA_TAG_CONNECTION 'cAnO'
#define OA_TAG_MESSAGE    'mAnO'
#define OA_TAG_STREAM     'sAnO'
#define OA_TAG_INSTANCE   'iAnO'
#define OA_TAG_SECTION    'xAnO'

#define OA_MAX_CONNECTIONS 16

/* 100 ns units */
#define OA_MILLISECONDS(Count) ((LONGLONG)(Count)*10000)

/*
 * Time stamps of files are coarse. A change this shortly before a scan can have a twin after it with the
 * same stamps, so such a verdict does not outlive the operation that asked for it.
 */
#define OA_TIME_STAMP_GRANULARITY OA_MILLISECONDS(50)

typedef struct _OA_STRING_LIST {
        ULONG Count;
        PUNICODE_STRING Items; /* one allocation with the characters behind */
} OA_STRING_LIST, *POA_STRING_LIST;

/* What to do when there is no verdict. */
typedef enum _OA_ACTION { OaActionAllow = 0, OaActionDeny = 1 } OA_ACTION;

typedef struct _OA_PARAMETERS {
        ULONG ScanTimeout;         /* milliseconds; 0: none */
        ULONGLONG MaximumFileSize; /* bytes; 0: none */
        BOOLEAN ScanOnOpen;
        BOOLEAN ScanOnCleanup;
        OA_ACTION ActionOnTimeout;
        OA_ACTION ActionWithoutAgent;
        OA_ACTION ActionOnError;
        LONG MaximumConnections;
        UNICODE_STRING PortName;
        OA_STRING_LIST Extensions;        /* empty: all */
        OA_STRING_LIST ExcludedPaths;     /* from the volume's root */
        OA_STRING_LIST ExcludedProcesses; /* image names, or whole paths */
} OA_PARAMETERS, *POA_PARAMETERS;

/* An agent. Referenced by its place in the table and by each scan that uses it. */
typedef struct _OA_CONNECTION {
        volatile LONG References;
        volatile LONG Scans;
        volatile LONG Closing; /* takes no more scans */
        volatile LONG Kicked;  /* closed by us, not by the agent */
        PFLT_PORT Port;        /* FltSendMessage and FltCloseClientPort share its lock */
        PEPROCESS Process;     /* referenced */
} OA_CONNECTION, *POA_CONNECTION;

typedef struct _OA_INSTANCE_CONTEXT {
        volatile LONG Scans;
        volatile LONG Detaching;
} OA_INSTANCE_CONTEXT, *POA_INSTANCE_CONTEXT;

/* Of the section that the agent maps. Its only use is to be one: the Filter Manager wants it. */
typedef struct _OA_SECTION_CONTEXT {
        volatile LONG Conflict; /* somebody wanted to change the file under the scan */
} OA_SECTION_CONTEXT, *POA_SECTION_CONTEXT;

/* How a file looks from outside: if this is the same, nobody has changed it behind our back. */
typedef struct _OA_FILE_STATE {
        LARGE_INTEGER ChangeTime;
        LARGE_INTEGER LastWriteTime;
        LARGE_INTEGER EndOfFile;
        ULONG FileAttributes;
} OA_FILE_STATE, *POA_FILE_STATE;

/*
 * Result of asking. Status says how it ended: STATUS_SUCCESS, and Verdict counts; STATUS_TIMEOUT;
 * STATUS_PORT_DISCONNECTED (nobody to ask); STATUS_THREAD_IS_TERMINATING or STATUS_CANCELLED (the
 * requestor gave up); anything else is an error.
 */
typedef struct _OA_OUTCOME {
        NTSTATUS Status;
        ULONG Verdict;
        CHAR Signature[OA_MAX_SIGNATURE];
} OA_OUTCOME, *POA_OUTCOME;

typedef struct _OA_STREAM_CONTEXT {
        /* Counts every change through the volume, before and after it happens. */
        volatile LONG64 Modifications;
        FAST_MUTEX Lock; /* guards what follows */
        BOOLEAN Scanning;
        KEVENT ScanDone;  /* signalled while nobody scans */
        ULONGLONG Serial; /* number of the scan in progress, or of the last one */
        OA_OUTCOME Last;
        /* For which content, and which signatures, the last scan was. */
        LONG64 LastModifications;
        LONG LastGeneration;
        OA_FILE_STATE LastState;
        BOOLEAN LastTrusted;
} OA_STREAM_CONTEXT, *POA_STREAM_CONTEXT;

/* One question: may this file be used? */
typedef struct _OA_QUESTION {
        PFLT_CALLBACK_DATA Data;
        PCFLT_RELATED_OBJECTS FltObjects;
        ULONG Reason;
        PFLT_FILE_NAME_INFORMATION Name; /* NULL: it has none that could be found out */
        LONGLONG Deadline;               /* interrupt time; 0: none */
        /* By OaLookAt(): how the file is, and what was counted before that. */
        OA_FILE_STATE State;
        LONG64 Modifications;
        LONG Generation;
} OA_QUESTION, *POA_QUESTION;

typedef struct _OA_GLOBALS {
        PFLT_FILTER Filter;
        PFLT_PORT ServerPort;
        OA_PARAMETERS Parameters;
        /* Verdicts of an older generation are forgotten. */
        volatile LONG Generation;
        volatile LONG Unloading;
        FAST_MUTEX ConnectionLock;
        POA_CONNECTION Connections[OA_MAX_CONNECTIONS]; /* ConnectionLock */
        /*
         * Their processes, read without a lock and only compared: a pointer stays here no longer
         * than the reference to the process is held, so it can't be taken for another's.
         */
        PEPROCESS volatile Agents[OA_MAX_CONNECTIONS];
        KEVENT AgentAvailable; /* signalled while a scan would find an agent */
        OA_STATISTICS Statistics;
} OA_GLOBALS, *POA_GLOBALS;

extern OA_GLOBALS Globals;

#define OaCount(Counter) ((VOID)InterlockedIncrement64((volatile LONG64 *)&Globals.Statistics.Counter))

/* parameters.c */
NTSTATUS OaReadParameters(_In_ PUNICODE_STRING RegistryPath, _Out_ POA_PARAMETERS Parameters);
VOID OaFreeParameters(_Inout_ POA_PARAMETERS Parameters);

/* port.c */
NTSTATUS OaCreatePort(VOID);
VOID OaClosePort(VOID);
/* The least busy agent, referenced and counted as busy; NULL: there is none. */
POA_CONNECTION OaAcquireConnection(VOID);
VOID OaReleaseConnection(_In_ POA_CONNECTION Connection);
BOOLEAN OaIsAgent(_In_opt_ PEPROCESS Process);
/* Ends all scans in progress. Agents may connect again. */
VOID OaDisconnectAgents(VOID);

/* scan.c */
NTSTATUS OaQueryFileState(_In_ PCFLT_RELATED_OBJECTS FltObjects, _Out_ POA_FILE_STATE State);
/* Starts the clock of a question. */
LONGLONG OaDeadline(VOID);
/* Time left, as a relative timeout, for functions that take NULL for none. FALSE: none is left. */
BOOLEAN OaRemainingTime(_In_ LONGLONG Deadline, _Out_ PLARGE_INTEGER Timeout,
                        _Outptr_result_maybenull_ PLARGE_INTEGER *Pointer);
VOID OaScan(_In_ POA_QUESTION Question, _Out_ POA_OUTCOME Outcome);

/* verdict.c */
VOID OaInitializeStreamContext(_Out_ POA_STREAM_CONTEXT Context);
/* Referenced; made if there was none and Create. NULL: the stream can't have one, or no memory. */
POA_STREAM_CONTEXT OaGetStreamContext(_In_ PCFLT_RELATED_OBJECTS FltObjects, _In_ BOOLEAN Create);
VOID OaMarkModified(_Inout_ POA_STREAM_CONTEXT Context);
/* Changed through the volume since somebody last looked at it. */
BOOLEAN OaIsModified(_Inout_ POA_STREAM_CONTEXT Context);
/* How the file is now; whatever happens to it later shows. Before every question about its verdict. */
NTSTATUS OaLookAt(_In_opt_ POA_STREAM_CONTEXT Context, _Inout_ POA_QUESTION Question);
/* A verdict that is known for the file as it is in State. Untrusted: also one whose stamps were too young to tell. */
BOOLEAN OaRecallVerdict(_Inout_ POA_STREAM_CONTEXT Context, _In_ const OA_FILE_STATE *State, _In_ BOOLEAN Untrusted,
                        _Out_ POA_OUTCOME Outcome);
/* Recalls, waits for the scan of another, or scans. Context NULL: scans. The question was looked at. */
VOID OaFindVerdict(_In_opt_ POA_STREAM_CONTEXT Context, _In_ POA_QUESTION Question, _Out_ POA_OUTCOME Outcome);

/* create.c */
FLT_PREOP_CALLBACK_STATUS OaPreCreate(_Inout_ PFLT_CALLBACK_DATA Data, _In_ PCFLT_RELATED_OBJECTS FltObjects,
                                      _Flt_CompletionContext_Outptr_ PVOID *CompletionContext);
FLT_POSTOP_CALLBACK_STATUS OaPostCreate(_Inout_ PFLT_CALLBACK_DATA Data, _In_ PCFLT_RELATED_OBJECTS FltObjects,
                                        _In_opt_ PVOID CompletionContext, _In_ FLT_POST_OPERATION_FLAGS Flags);
FLT_PREOP_CALLBACK_STATUS OaPreCleanup(_Inout_ PFLT_CALLBACK_DATA Data, _In_ PCFLT_RELATED_OBJECTS FltObjects,
                                       _Flt_CompletionContext_Outptr_ PVOID *CompletionContext);

/* modify.c */
FLT_PREOP_CALLBACK_STATUS OaPreModify(_Inout_ PFLT_CALLBACK_DATA Data, _In_ PCFLT_RELATED_OBJECTS FltObjects,
                                      _Flt_CompletionContext_Outptr_ PVOID *CompletionContext);
FLT_POSTOP_CALLBACK_STATUS OaPostModify(_Inout_ PFLT_CALLBACK_DATA Data, _In_ PCFLT_RELATED_OBJECTS FltObjects,
                                        _In_opt_ PVOID CompletionContext, _In_ FLT_POST_OPERATION_FLAGS Flags);
