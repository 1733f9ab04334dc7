/* SPDX-License-Identifier: MIT */
/* Sets an event that was never initialized. */
#include "misdeed.h"

static KEVENT event;

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);
        KeSetEvent(&event, IO_NO_INCREMENT, FALSE);
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

const struct misdeed misdeed = { .pre = pre };
