/* SPDX-License-Identifier: MIT */
/* Disallows fast I/O for what is an IRP. */
#include "misdeed.h"

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);

        return FLT_PREOP_DISALLOW_FASTIO;
}

const struct misdeed misdeed = { .pre = pre };
