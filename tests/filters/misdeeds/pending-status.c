/* SPDX-License-Identifier: MIT */
/* Leaves STATUS_PENDING as the result of an operation. */
#include "misdeed.h"

static FLT_POSTOP_CALLBACK_STATUS post(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID context,
                                       FLT_POST_OPERATION_FLAGS flags)
{
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);
        UNREFERENCED_PARAMETER(flags);
        data->IoStatus.Status = STATUS_PENDING;
        return FLT_POSTOP_FINISHED_PROCESSING;
}

const struct misdeed misdeed = { .post = post };
