/* SPDX-License-Identifier: MIT */
/* Completes, when it is unloaded, an operation that is long over. */
#include "misdeed.h"

static PFLT_CALLBACK_DATA kept;

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);
        kept = data;
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

static VOID unload(VOID)
{
        FltCompletePendedPreOperation(kept, FLT_PREOP_SUCCESS_NO_CALLBACK, NULL);
}

const struct misdeed misdeed = { .pre = pre, .unload = unload };
