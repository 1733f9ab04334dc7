/* SPDX-License-Identifier: MIT */
/* A work item of its own returns at a raised IRQL. */
#include "misdeed.h"

static WORK_QUEUE_ITEM item;

static VOID run(PVOID context)
{
        KIRQL irql;

        UNREFERENCED_PARAMETER(context);
        KeRaiseIrql(APC_LEVEL, &irql);
}

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);
        ExInitializeWorkItem(&item, run, NULL);
        ExQueueWorkItem(&item, DelayedWorkQueue);
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

const struct misdeed misdeed = { .pre = pre };
