/* SPDX-License-Identifier: MIT */
/* What ask.c and its agents say to each other. The includer has Windows' base types. */
#ifndef ASK_H
#define ASK_H

#define ASK_PORT_NAME L"\\AskPort"
#define ASK_NAME_MAX  256

/* May this file be opened? Sent as far as the name goes. */
typedef struct _ASK_QUESTION {
        ULONG ProcessId;
        ULONG NameLength; /* in bytes; no NUL */
        WCHAR Name[ASK_NAME_MAX];
} ASK_QUESTION, *PASK_QUESTION;

typedef struct _ASK_ANSWER {
        ULONG Allow;
} ASK_ANSWER, *PASK_ANSWER;

#endif
