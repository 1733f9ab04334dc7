/* SPDX-License-Identifier: MIT */
/* Does completion processing in a pre-operation. */
#include "misdeed.h"

static FLT_POSTOP_CALLBACK_STATUS finish(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects,
                                         PVOID context, FLT_POST_OPERATION_FLAGS flags)
{
        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);
        UNREFERENCED_PARAMETER(flags);
        return FLT_POSTOP_FINISHED_PROCESSING;
}

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        FLT_POSTOP_CALLBACK_STATUS status;

        UNREFERENCED_PARAMETER(context);
        FltDoCompletionProcessingWhenSafe(data, objects, NULL, 0, finish, &status);
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

const struct misdeed misdeed = { .pre = pre };
