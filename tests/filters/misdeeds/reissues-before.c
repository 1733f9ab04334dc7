/* SPDX-License-Identifier: MIT */
/* Sends an operation down again that was not down yet. */
#include "misdeed.h"

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        UNREFERENCED_PARAMETER(context);
        FltReissueSynchronousIo(objects->Instance, data);
        return FLT_PREOP_COMPLETE;
}

const struct misdeed misdeed = { .pre = pre };
