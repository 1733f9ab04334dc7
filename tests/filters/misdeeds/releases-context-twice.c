/* SPDX-License-Identifier: MIT */
/* Releases a context once too often. */
#include "misdeed.h"

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        PFLT_CONTEXT once;

        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(context);
        if (!NT_SUCCESS(FltAllocateContext(objects->Filter, FLT_INSTANCE_CONTEXT, 16, PagedPool, &once)))
                return FLT_PREOP_SUCCESS_NO_CALLBACK;
        FltSetInstanceContext(objects->Instance, FLT_SET_CONTEXT_REPLACE_IF_EXISTS, once, NULL);
        FltReleaseContext(once);
        FltReleaseContext(once);
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

const struct misdeed misdeed = { .pre = pre };
