/* SPDX-License-Identifier: MIT */
/* Returns a number that is no status from a pre-operation. */
#include "misdeed.h"

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);

        return (FLT_PREOP_CALLBACK_STATUS)77;
}

const struct misdeed misdeed = { .pre = pre };
