/* SPDX-License-Identifier: MIT */
/* Queues a work item that waits to be run. It tries until it is fast enough. */
#include "misdeed.h"

static PFLT_GENERIC_WORKITEM item;

static VOID work(PFLT_GENERIC_WORKITEM work_item, PVOID object, PVOID context)
{
        UNREFERENCED_PARAMETER(work_item);
        UNREFERENCED_PARAMETER(object);
        UNREFERENCED_PARAMETER(context);
}

static VOID load(PDRIVER_OBJECT driver)
{
        UNREFERENCED_PARAMETER(driver);
        item = FltAllocateGenericWorkItem();
}

static VOID unloaded(VOID)
{
        FltFreeGenericWorkItem(item);
}

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);
        for (ULONG i = 0; i < 100000; i++) {
                if (FltQueueGenericWorkItem(item, misdeed_filter, work, DelayedWorkQueue, NULL) !=
                    STATUS_SUCCESS)
                        break;
        }
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

const struct misdeed misdeed = { .pre = pre, .load = load, .unloaded = unloaded };
