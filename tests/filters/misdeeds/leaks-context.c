/* SPDX-License-Identifier: MIT */
/* Forgets a context. */
#include "misdeed.h"

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        PFLT_CONTEXT forgotten;

        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(context);
        FltAllocateContext(objects->Filter, FLT_STREAM_CONTEXT, 16, PagedPool, &forgotten);
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

const struct misdeed misdeed = { .pre = pre };
