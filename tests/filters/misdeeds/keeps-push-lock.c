/* SPDX-License-Identifier: MIT */
/* Returns with a push lock held. */
#include "misdeed.h"

static EX_PUSH_LOCK lock;

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);
        FltInitializePushLock(&lock);
        FltAcquirePushLockShared(&lock);
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

const struct misdeed misdeed = { .pre = pre };
