/* SPDX-License-Identifier: MIT */
/* Forgets callback data. */
#include "misdeed.h"

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        PFLT_CALLBACK_DATA forgotten;

        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(context);
        FltAllocateCallbackData(objects->Instance, NULL, &forgotten);
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

const struct misdeed misdeed = { .pre = pre };
