/* SPDX-License-Identifier: MIT */
/* Wants more processing after what is no IRP. */
#include "misdeed.h"

static FLT_POSTOP_CALLBACK_STATUS post(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID context,
                                       FLT_POST_OPERATION_FLAGS flags)
{
        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);
        UNREFERENCED_PARAMETER(flags);
        return FLT_POSTOP_MORE_PROCESSING_REQUIRED;
}

const struct misdeed misdeed = { .major = IRP_MJ_QUERY_OPEN, .post = post };
