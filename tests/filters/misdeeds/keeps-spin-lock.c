/* SPDX-License-Identifier: MIT */
/* Returns with a spin lock held. */
#include "misdeed.h"

static KSPIN_LOCK lock;
static KIRQL irql;

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);
        KeInitializeSpinLock(&lock);
        KeAcquireSpinLock(&lock, &irql);
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

const struct misdeed misdeed = { .pre = pre };
