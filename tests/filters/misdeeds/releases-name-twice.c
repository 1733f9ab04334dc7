/* SPDX-License-Identifier: MIT */
/* Releases a file name information twice. */
#include "misdeed.h"

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        PFLT_FILE_NAME_INFORMATION name;

        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);
        if (!NT_SUCCESS(FltGetFileNameInformation(data, FLT_FILE_NAME_OPENED | FLT_FILE_NAME_QUERY_DEFAULT,
                                                  &name)))
                return FLT_PREOP_SUCCESS_NO_CALLBACK;
        FltReleaseFileNameInformation(name);
        FltReleaseFileNameInformation(name);
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

const struct misdeed misdeed = { .pre = pre };
