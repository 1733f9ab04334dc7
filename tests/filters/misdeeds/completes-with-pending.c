/* SPDX-License-Identifier: MIT */
/* Completes an operation with STATUS_PENDING. */
#include "misdeed.h"

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);
        data->IoStatus.Status = STATUS_PENDING;
        return FLT_PREOP_COMPLETE;
}

const struct misdeed misdeed = { .pre = pre };
