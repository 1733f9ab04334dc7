/* SPDX-License-Identifier: MIT */
/* Leaves a try block by return: its finally block does not run. */
#include "misdeed.h"

static volatile BOOLEAN finished;

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);
        __try {
                return FLT_PREOP_SUCCESS_NO_CALLBACK;
        } __finally {
                finished = TRUE;
        }
        return finished ? FLT_PREOP_SUCCESS_NO_CALLBACK : FLT_PREOP_COMPLETE;
}

const struct misdeed misdeed = { .pre = pre };
