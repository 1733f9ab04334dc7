/* SPDX-License-Identifier: MIT */
/* Disallows FSFilter I/O for something else than a query open. */
#include "misdeed.h"

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);

        return FLT_PREOP_DISALLOW_FSFILTER_IO;
}

const struct misdeed misdeed = { .pre = pre };
