/* SPDX-License-Identifier: MIT */
/* Returns a number that is no status from a post-operation. */
#include "misdeed.h"

static FLT_POSTOP_CALLBACK_STATUS post(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID context,
                                       FLT_POST_OPERATION_FLAGS flags)
{
        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);
        UNREFERENCED_PARAMETER(flags);
        return (FLT_POSTOP_CALLBACK_STATUS)77;
}

const struct misdeed misdeed = { .post = post };
