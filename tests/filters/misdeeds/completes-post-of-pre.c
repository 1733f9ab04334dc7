/* SPDX-License-Identifier: MIT */
/* Completes a pended pre-operation as if it were a post-operation. */
#include "misdeed.h"

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);
        FltCompletePendedPostOperation(data);
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

const struct misdeed misdeed = { .pre = pre };
