/* SPDX-License-Identifier: MIT */
/* Wants to go on where an exception was raised. */
#include "misdeed.h"

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);
        __try {
                __try {
                        ExRaiseStatus(STATUS_UNSUCCESSFUL);
                } __except (EXCEPTION_CONTINUE_EXECUTION) {
                }
        } __except (EXCEPTION_EXECUTE_HANDLER) {
        }
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

const struct misdeed misdeed = { .pre = pre };
