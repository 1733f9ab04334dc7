/* SPDX-License-Identifier: MIT */
/* Allocates paged pool at DISPATCH_LEVEL. */
#include "misdeed.h"

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        PVOID memory;
        KIRQL irql;

        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);
        KeRaiseIrql(DISPATCH_LEVEL, &irql);
        memory = ExAllocatePoolWithTag(PagedPool, 40, 'kaeL');
        KeLowerIrql(irql);
        ExFreePoolWithTag(memory, 'kaeL');
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

const struct misdeed misdeed = { .pre = pre };
