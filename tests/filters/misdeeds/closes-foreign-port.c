/* SPDX-License-Identifier: MIT */
/* Closes what is no server port of its own. */
#include "misdeed.h"

static ULONGLONG memory[64];

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);
        FltCloseCommunicationPort((PFLT_PORT)(PVOID)memory);
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

const struct misdeed misdeed = { .pre = pre };
