/* SPDX-License-Identifier: MIT */
/* Pends what is no IRP. */
#include "misdeed.h"

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);
        return FLT_PREOP_PENDING;
}

const struct misdeed misdeed = { .major = IRP_MJ_QUERY_OPEN, .pre = pre };
