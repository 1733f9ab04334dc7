/* SPDX-License-Identifier: MIT */
/* Returns with a resource held. */
#include "misdeed.h"

static ERESOURCE resource;
static ERESOURCE_THREAD holder;

static VOID load(PDRIVER_OBJECT driver)
{
        UNREFERENCED_PARAMETER(driver);
        ExInitializeResourceLite(&resource);
}

static VOID unload(VOID)
{
        ExReleaseResourceForThreadLite(&resource, holder);
        ExDeleteResourceLite(&resource);
}

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);
        holder = ExGetCurrentResourceThread();
        FltAcquireResourceShared(&resource);
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

const struct misdeed misdeed = { .pre = pre, .load = load, .unload = unload };
