/* SPDX-License-Identifier: MIT */
/* What oneway.c tells its reader. The includer has Windows' base types. */
#ifndef ONEWAY_H
#define ONEWAY_H

#define ONEWAY_PORT_NAME L"\\OneWayPort"
#define ONEWAY_NAME_MAX  512

/* A file was made. Sent as far as the name goes. */
typedef struct _ONEWAY_NOTE {
        ULONG Lost; /* how many notes before this one reached nobody */
        ULONG ProcessId;
        ULONG NameLength; /* in bytes; no NUL */
        WCHAR Name[ONEWAY_NAME_MAX];
} ONEWAY_NOTE, *PONEWAY_NOTE;

#endif
