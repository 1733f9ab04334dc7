/* SPDX-License-Identifier: MIT */
/* Waits while it holds a spin lock. */
#include "misdeed.h"

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        LARGE_INTEGER soon = { .QuadPart = -1 };
        KSPIN_LOCK lock;
        KEVENT event;
        KIRQL irql;

        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);
        KeInitializeSpinLock(&lock);
        KeInitializeEvent(&event, NotificationEvent, TRUE);
        KeAcquireSpinLock(&lock, &irql);
        KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, &soon);
        KeReleaseSpinLock(&lock, irql);
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

const struct misdeed misdeed = { .pre = pre };
