/* SPDX-License-Identifier: MIT */
/* Allocates from a lookaside list that was never initialized. */
#include "misdeed.h"

static PAGED_LOOKASIDE_LIST list;

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);
        ExAllocateFromPagedLookasideList(&list);
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

const struct misdeed misdeed = { .pre = pre };
