/* SPDX-License-Identifier: MIT */
/* Asks for a post-operation that it has not registered. */
#include "misdeed.h"

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);

        return FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

const struct misdeed misdeed = { .pre = pre };
