/* SPDX-License-Identifier: MIT */
/* A thread of its own ends at a raised IRQL. */
#include "misdeed.h"

static VOID run(PVOID context)
{
        KIRQL irql;

        UNREFERENCED_PARAMETER(context);
        KeRaiseIrql(APC_LEVEL, &irql);
}

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        HANDLE handle;
        PVOID thread;

        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);
        if (!NT_SUCCESS(PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, run, NULL)))
                return FLT_PREOP_SUCCESS_NO_CALLBACK;
        if (NT_SUCCESS(ObReferenceObjectByHandle(handle, SYNCHRONIZE, *PsThreadType, KernelMode, &thread,
                                                 NULL))) {
                KeWaitForSingleObject(thread, Executive, KernelMode, FALSE, NULL);
                ObDereferenceObject(thread);
        }
        ZwClose(handle);
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

const struct misdeed misdeed = { .pre = pre };
