/* SPDX-License-Identifier: MIT */
/* Waits for more objects than a thread has room for, without giving it room. */
#include "misdeed.h"

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        KEVENT events[THREAD_WAIT_OBJECTS + 1];
        PVOID objects_to_wait_for[THREAD_WAIT_OBJECTS + 1];

        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);
        for (ULONG i = 0; i < RTL_NUMBER_OF(events); i++) {
                KeInitializeEvent(&events[i], NotificationEvent, TRUE);
                objects_to_wait_for[i] = &events[i];
        }
        KeWaitForMultipleObjects(RTL_NUMBER_OF(events), objects_to_wait_for, WaitAny, Executive, KernelMode,
                                 FALSE, NULL, NULL);
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

const struct misdeed misdeed = { .pre = pre };
