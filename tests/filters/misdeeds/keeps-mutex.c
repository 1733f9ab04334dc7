/* SPDX-License-Identifier: MIT */
/* Returns with a mutex held. */
#include "misdeed.h"

static KMUTEX mutex;

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);
        KeInitializeMutex(&mutex, 0);
        KeWaitForSingleObject(&mutex, Executive, KernelMode, FALSE, NULL);
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

const struct misdeed misdeed = { .pre = pre };
