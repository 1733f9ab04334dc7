/* SPDX-License-Identifier: MIT */
/* Frees an extra create parameter that is in a list. */
#include "misdeed.h"

static const GUID type = { 0x5d0ee1b4, 0x7a3c, 0x4b5e, { 0x90, 0x1f, 0x6c, 0x2d, 0x4e, 0x8a, 0x3b, 0x71 } };

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        PECP_LIST list;
        PVOID parameter;

        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(context);
        if (!NT_SUCCESS(FltAllocateExtraCreateParameterList(objects->Filter, 0, &list)))
                return FLT_PREOP_SUCCESS_NO_CALLBACK;
        if (NT_SUCCESS(FltAllocateExtraCreateParameter(objects->Filter, &type, 16, 0, NULL, 'kaeL',
                                                       &parameter))) {
                FltInsertExtraCreateParameter(objects->Filter, list, parameter);
                FltFreeExtraCreateParameter(objects->Filter, parameter);
        }
        FltFreeExtraCreateParameterList(objects->Filter, list);
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

const struct misdeed misdeed = { .pre = pre };
