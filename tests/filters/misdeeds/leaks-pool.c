/* SPDX-License-Identifier: MIT */
/* Forgets a piece of pool. */
#include "misdeed.h"

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        PVOID forgotten = ExAllocatePoolWithTag(PagedPool, 40, 'kaeL');

        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);
        RtlZeroMemory(forgotten, 40);
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

const struct misdeed misdeed = { .pre = pre };
