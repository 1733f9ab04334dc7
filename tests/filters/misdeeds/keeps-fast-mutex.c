/* SPDX-License-Identifier: MIT */
/* Returns with a fast mutex held. */
#include "misdeed.h"

static FAST_MUTEX mutex;

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);
        ExInitializeFastMutex(&mutex);
        ExAcquireFastMutex(&mutex);
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

const struct misdeed misdeed = { .pre = pre };
