/* SPDX-License-Identifier: MIT */
/* Says that it has written more into an agent's buffer than that holds. */
#include "misdeed.h"

static NTSTATUS message(PVOID cookie, PVOID input, ULONG input_length, PVOID output, ULONG output_length,
                        PULONG returned)
{
        UNREFERENCED_PARAMETER(cookie);
        UNREFERENCED_PARAMETER(input);
        UNREFERENCED_PARAMETER(input_length);
        UNREFERENCED_PARAMETER(output);
        *returned = output_length + 1;
        return STATUS_SUCCESS;
}

const struct misdeed misdeed = { .port = L"\\Misdeed", .message = message };
