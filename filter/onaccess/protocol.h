/* SPDX-License-Identifier: MIT */
/*
 * What onaccess and its agent say to each other. Included by both, after fltKernel.h or windows.h and fltUser.h.
 *
 * Every structure has the same layout in 32-bit and 64-bit code, no padding, and lengths in bytes.
 * A connection starts with OA_CONNECT; who speaks another version is refused there, so messages carry none.
 */
#pragma once

#define OA_PROTOCOL_VERSION 1

/* The port, unless the filter's parameter PortName says otherwise. */
#define OA_DEFAULT_PORT_NAME L"\\OnAccessPort"

/* A longer name is cut at its end and OA_SCAN_NAME_TRUNCATED is set. In characters. */
#define OA_MAX_NAME 8192

/* With the terminating NUL. UTF-8. */
#define OA_MAX_SIGNATURE 64

/* Context of FilterConnectCommunicationPort. */
typedef struct _OA_CONNECT {
        ULONG Version;
        ULONG Reserved;
} OA_CONNECT, *POA_CONNECT;

/* OA_SCAN_REQUEST.Reason */
#define OA_REASON_OPEN    1 /* somebody opens the file for its data */
#define OA_REASON_EXECUTE 2 /* the same, and wants to execute it */
#define OA_REASON_CLEANUP 3 /* a handle was closed through which the file was changed */

/* OA_SCAN_REQUEST.Flags */
#define OA_SCAN_NAME_TRUNCATED   0x00000001
#define OA_SCAN_OPENED_FOR_WRITE 0x00000002

/*
 * Filter to agent, after FILTER_MESSAGE_HEADER. Section is a handle in the agent's process with
 * SECTION_MAP_READ. If FilterReplyMessage returns S_OK, the agent closes it after that; if it fails,
 * or there is no answer, the filter does. The file may change or shrink while it is mapped.
 */
typedef struct _OA_SCAN_REQUEST {
        ULONGLONG Section;
        ULONGLONG FileSize;
        ULONG Reason;
        ULONG Flags;
        ULONG ProcessId;
        ULONG NameLength; /* of Name, no terminating NUL */
        WCHAR Name[OA_MAX_NAME];
} OA_SCAN_REQUEST, *POA_SCAN_REQUEST;

/* OA_SCAN_REPLY.Verdict */
#define OA_VERDICT_CLEAN    1
#define OA_VERDICT_INFECTED 2
#define OA_VERDICT_ERROR    3 /* could not be scanned: the filter's ActionOnError decides */

/* Agent to filter, after FILTER_REPLY_HEADER (whose Status is STATUS_SUCCESS). */
typedef struct _OA_SCAN_REPLY {
        ULONG Verdict;
        ULONG Reserved;
        CHAR Signature[OA_MAX_SIGNATURE]; /* what was found; for the log */
} OA_SCAN_REPLY, *POA_SCAN_REPLY;

/* OA_COMMAND.Command */
#define OA_COMMAND_QUERY_STATISTICS 1 /* answers with OA_STATISTICS */
#define OA_COMMAND_DROP_VERDICTS    2 /* every file is scanned again at its next open; no answer */

/* Agent to filter, by FilterSendMessage. */
typedef struct _OA_COMMAND {
        ULONG Command;
        ULONG Reserved;
} OA_COMMAND, *POA_COMMAND;

/* Counted since the filter was loaded. */
typedef struct _OA_STATISTICS {
        ULONGLONG Scans;        /* sent to an agent */
        ULONGLONG CacheHits;    /* opens that a remembered verdict answered */
        ULONGLONG Infected;     /* opens refused because of an infection */
        ULONGLONG Timeouts;     /* no answer in time */
        ULONGLONG Errors;       /* could not be scanned */
        ULONGLONG WithoutAgent; /* nobody was there to ask */
        ULONGLONG Denied;       /* opens refused by ActionOnTimeout, ActionOnError, ActionWithoutAgent */
        ULONGLONG Waits;        /* opens that waited for the scan of another one */
} OA_STATISTICS, *POA_STATISTICS;
