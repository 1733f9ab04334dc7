/* SPDX-License-Identifier: MIT */
/* Lets an operation go on with a cancel routine that is still set. */
#include "misdeed.h"

static VOID cancelled(PFLT_CALLBACK_DATA data)
{
        UNREFERENCED_PARAMETER(data);
}

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);
        FltSetCancelCompletion(data, cancelled);
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

const struct misdeed misdeed = { .pre = pre };
