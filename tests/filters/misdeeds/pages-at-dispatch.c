/* SPDX-License-Identifier: MIT */
/* Runs pageable code at DISPATCH_LEVEL. */
#include "misdeed.h"

static VOID pageable(VOID)
{
        PAGED_CODE();
}

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        KIRQL irql;

        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);
        KeRaiseIrql(DISPATCH_LEVEL, &irql);
        pageable();
        KeLowerIrql(irql);
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

const struct misdeed misdeed = { .pre = pre };
