/* SPDX-License-Identifier: MIT */
/* Looks at callback data that it has freed. */
#include "misdeed.h"

static volatile UCHAR seen;

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        PFLT_CALLBACK_DATA own;

        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(context);
        if (!NT_SUCCESS(FltAllocateCallbackData(objects->Instance, NULL, &own)))
                return FLT_PREOP_SUCCESS_NO_CALLBACK;
        FltFreeCallbackData(own);
        __try {
                seen = own->Iopb->MajorFunction;
        } __except (EXCEPTION_EXECUTE_HANDLER) {
        }
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

const struct misdeed misdeed = { .pre = pre };
