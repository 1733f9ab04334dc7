/* SPDX-License-Identifier: MIT */
/* Writes to its FLT_RELATED_OBJECTS. */
#include "misdeed.h"

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(context);
        *(PFILE_OBJECT *)(ULONG_PTR)&objects->FileObject = NULL;
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

const struct misdeed misdeed = { .pre = pre };
