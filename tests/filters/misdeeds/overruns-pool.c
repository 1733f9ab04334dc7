/* SPDX-License-Identifier: MIT */
/* Writes past the end of pool memory. */
#include "misdeed.h"

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        volatile UCHAR *memory;

        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);
        memory = ExAllocatePoolWithTag(PagedPool, 40, 'kaeL');
        memory[40] = 0;
        ExFreePoolWithTag((PVOID)memory, 'kaeL');
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

const struct misdeed misdeed = { .pre = pre };
