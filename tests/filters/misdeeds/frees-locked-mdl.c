/* SPDX-License-Identifier: MIT */
/* Frees an MDL whose pages are locked. */
#include "misdeed.h"

static ULONGLONG memory[32];

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        PMDL mdl = IoAllocateMdl(memory, sizeof(memory), FALSE, FALSE, NULL);

        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);
        MmProbeAndLockPages(mdl, KernelMode, IoReadAccess);
        IoFreeMdl(mdl);
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

const struct misdeed misdeed = { .pre = pre };
