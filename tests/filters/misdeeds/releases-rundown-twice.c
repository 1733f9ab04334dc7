/* SPDX-License-Identifier: MIT */
/* Releases rundown protection that it has not acquired. */
#include "misdeed.h"

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        EX_RUNDOWN_REF rundown;

        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);
        ExInitializeRundownProtection(&rundown);
        ExReleaseRundownProtection(&rundown);
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

const struct misdeed misdeed = { .pre = pre };
