/* SPDX-License-Identifier: MIT */
/* Forgets to delete a lookaside list. */
#include "misdeed.h"

static PAGED_LOOKASIDE_LIST list;

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);
        ExInitializePagedLookasideList(&list, NULL, NULL, 0, 64, 'kaeL', 0);
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

const struct misdeed misdeed = { .pre = pre };
