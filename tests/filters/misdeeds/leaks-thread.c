/* SPDX-License-Identifier: MIT */
/* Does not wait for its thread. */
#include "misdeed.h"

static VOID run(PVOID context)
{
        LARGE_INTEGER hour = { .QuadPart = -36000000000 };

        UNREFERENCED_PARAMETER(context);
        KeDelayExecutionThread(KernelMode, FALSE, &hour);
}

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        HANDLE handle;

        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);
        if (NT_SUCCESS(PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, run, NULL)))
                ZwClose(handle);
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

const struct misdeed misdeed = { .pre = pre };
