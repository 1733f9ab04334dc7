/* SPDX-License-Identifier: MIT */
/* Pends an operation, and forgets it. */
#include "misdeed.h"

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);
        DbgPrint("pended\n");
        return FLT_PREOP_PENDING;
}

const struct misdeed misdeed = { .pre = pre };
