/* SPDX-License-Identifier: MIT */
/* Forgets a timer. */
#include "misdeed.h"

static KTIMER timer;

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        LARGE_INTEGER hour = { .QuadPart = -36000000000 };

        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);
        KeInitializeTimer(&timer);
        KeSetTimer(&timer, hour, NULL);
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

const struct misdeed misdeed = { .pre = pre };
