/* SPDX-License-Identifier: MIT */
/* Frees what is no pool. */
#include "misdeed.h"

static DECLSPEC_ALIGN(16) ULONGLONG memory[32];

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);
        ExFreePoolWithTag(memory + 2, 'kaeL');
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

const struct misdeed misdeed = { .pre = pre };
