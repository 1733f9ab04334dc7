/* SPDX-License-Identifier: MIT */
/* Forgets a file name information. */
#include "misdeed.h"

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        PFLT_FILE_NAME_INFORMATION forgotten;

        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);
        FltGetFileNameInformation(data, FLT_FILE_NAME_OPENED | FLT_FILE_NAME_QUERY_DEFAULT, &forgotten);
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

const struct misdeed misdeed = { .pre = pre };
