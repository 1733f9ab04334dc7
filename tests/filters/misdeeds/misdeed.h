/* SPDX-License-Identifier: MIT */
/*
 * A filter that breaks one rule, in the create of a file whose name ends in "trigger", when it is loaded, or when it is
 * unloaded. All else about it is as it should be.
 */
#pragma once

#include <fltKernel.h>

struct misdeed {
        FLT_PREOP_CALLBACK_STATUS (*pre)(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context);
        FLT_POSTOP_CALLBACK_STATUS (*post)(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID context,
                                           FLT_POST_OPERATION_FLAGS flags);
        VOID (*load)(PDRIVER_OBJECT driver);
        VOID (*unload)(VOID);
        NTSTATUS entry_status;
        BOOLEAN never_unregisters;
};

extern const struct misdeed misdeed;
extern PFLT_FILTER misdeed_filter;
