/* SPDX-License-Identifier: MIT */
/* What scanner.c and agent.c say to each other. Included after Windows' headers, in both. */
#pragma once

#define SCANNER_PORT_NAME L"\\ExampleScannerPort"
#define SCANNER_SAMPLE    64 /* as many bytes of a file's start are looked at */

typedef struct _SCANNER_REQUEST {
        ULONG ProcessId;
        ULONG Length; /* of Sample */
        UCHAR Sample[SCANNER_SAMPLE];
} SCANNER_REQUEST, *PSCANNER_REQUEST;

typedef struct _SCANNER_REPLY {
        ULONG Allow;
} SCANNER_REPLY, *PSCANNER_REPLY;
