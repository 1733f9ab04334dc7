/* SPDX-License-Identifier: MIT */
/*
 * A filter that breaks one rule, in an operation on a file whose name ends in "trigger" (in its create, if no
 * other is named), when it is loaded, or when it is unloaded. All else about it is as it should be.
 */
#pragma once

#include <fltKernel.h>

struct misdeed {
        UCHAR major;
        FLT_PREOP_CALLBACK_STATUS (*pre)(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects,
                                         PVOID *context);
        FLT_POSTOP_CALLBACK_STATUS (*post)(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects,
                                           PVOID context, FLT_POST_OPERATION_FLAGS flags);
        VOID (*load)(PDRIVER_OBJECT driver);
        VOID (*unload)(VOID);   /* before FltUnregisterFilter */
        VOID (*unloaded)(VOID); /* after it */
        NTSTATUS entry_status;
        BOOLEAN never_unregisters;
        PCWSTR port; /* one connection at a time; NULL: none */
        PFLT_MESSAGE_NOTIFY message;
};

extern const struct misdeed misdeed;
extern PFLT_FILTER misdeed_filter;
extern PFLT_PORT misdeed_port;   /* if it has one */
extern PFLT_PORT misdeed_client; /* while somebody is connected */
