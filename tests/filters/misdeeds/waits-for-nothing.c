/* SPDX-License-Identifier: MIT */
/* Waits for an event that was never initialized. */
#include "misdeed.h"

static KEVENT event;

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        LARGE_INTEGER soon = { .QuadPart = -1 };

        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);
        KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, &soon);
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

const struct misdeed misdeed = { .pre = pre };
