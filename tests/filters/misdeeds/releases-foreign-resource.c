/* SPDX-License-Identifier: MIT */
/* Releases a resource that it does not hold. */
#include "misdeed.h"

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        ERESOURCE resource;

        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);
        ExInitializeResourceLite(&resource);
        KeEnterCriticalRegion();
        ExReleaseResourceLite(&resource);
        KeLeaveCriticalRegion();
        ExDeleteResourceLite(&resource);
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

const struct misdeed misdeed = { .pre = pre };
