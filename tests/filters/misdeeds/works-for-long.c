/* SPDX-License-Identifier: MIT */
/* Is still at work when it is unloaded, for longer than anybody should have to wait. */
#include "misdeed.h"

static VOID work(PFLT_GENERIC_WORKITEM item, PVOID object, PVOID context)
{
        LARGE_INTEGER second = { .QuadPart = -10000000 };

        UNREFERENCED_PARAMETER(object);
        UNREFERENCED_PARAMETER(context);
        KeDelayExecutionThread(KernelMode, FALSE, &second);
        FltFreeGenericWorkItem(item);
}

static VOID unload(VOID)
{
        FltQueueGenericWorkItem(FltAllocateGenericWorkItem(), misdeed_filter, work, DelayedWorkQueue, NULL);
}

const struct misdeed misdeed = { .unload = unload };
