/* SPDX-License-Identifier: MIT */
/* Maps an MDL whose pages are not locked. */
#include "misdeed.h"

static ULONGLONG memory[32];

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        PMDL mdl = IoAllocateMdl(memory, sizeof(memory), FALSE, FALSE, NULL);

        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);
        MmMapLockedPagesSpecifyCache(mdl, KernelMode, MmCached, NULL, FALSE, NormalPagePriority);
        IoFreeMdl(mdl);
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

const struct misdeed misdeed = { .pre = pre };
