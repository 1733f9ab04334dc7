/* SPDX-License-Identifier: MIT */
/* Releases a push lock that nobody holds. */
#include "misdeed.h"

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        EX_PUSH_LOCK lock;

        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);
        FltInitializePushLock(&lock);
        KeEnterCriticalRegion();
        FltReleasePushLock(&lock);
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

const struct misdeed misdeed = { .pre = pre };
