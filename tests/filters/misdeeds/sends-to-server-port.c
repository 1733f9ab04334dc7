/* SPDX-License-Identifier: MIT */
/* Sends a message to its server port, which nobody reads from. */
#include "misdeed.h"

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        ULONG message = 1;

        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);
        FltSendMessage(misdeed_filter, &misdeed_port, &message, sizeof(message), NULL, NULL, NULL);
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

const struct misdeed misdeed = { .pre = pre, .port = L"\\SendsToServerPort" };
