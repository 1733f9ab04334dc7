/* SPDX-License-Identifier: MIT */
/* Closes a connection twice. */
#include "misdeed.h"

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        PFLT_PORT first = misdeed_client, second = misdeed_client;

        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);
        FltCloseClientPort(misdeed_filter, &first);
        FltCloseClientPort(misdeed_filter, &second);
        misdeed_client = NULL;
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

const struct misdeed misdeed = { .pre = pre, .port = L"\\Misdeed" };
