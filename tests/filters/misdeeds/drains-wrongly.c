/* SPDX-License-Identifier: MIT */
/*
 * Wants more processing for a post-operation that is drained. A second, lower instance keeps the operation
 * where it is until the first one is detached.
 */
#include "misdeed.h"

static PFLT_INSTANCE lower; /* for comparisons */
static KEVENT drained;

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(context);
        if (objects->Instance != lower)
                return FLT_PREOP_SUCCESS_WITH_CALLBACK;
        FltDetachVolume(objects->Filter, objects->Volume, NULL);
        KeWaitForSingleObject(&drained, Executive, KernelMode, FALSE, NULL);
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

static FLT_POSTOP_CALLBACK_STATUS post(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID context,
                                       FLT_POST_OPERATION_FLAGS flags)
{
        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);
        if (!(flags & FLTFL_POST_OPERATION_DRAINING))
                return FLT_POSTOP_FINISHED_PROCESSING;
        KeSetEvent(&drained, IO_NO_INCREMENT, FALSE);
        return FLT_POSTOP_MORE_PROCESSING_REQUIRED;
}

static VOID load(PDRIVER_OBJECT driver)
{
        UNICODE_STRING name = RTL_CONSTANT_STRING(L"lower"), altitude = RTL_CONSTANT_STRING(L"370029");
        PFLT_VOLUME volume;
        ULONG count;

        UNREFERENCED_PARAMETER(driver);
        KeInitializeEvent(&drained, NotificationEvent, FALSE);
        if (!NT_SUCCESS(FltEnumerateVolumes(misdeed_filter, &volume, 1, &count)))
                return;
        if (NT_SUCCESS(FltAttachVolumeAtAltitude(misdeed_filter, volume, &altitude, &name, &lower)))
                FltObjectDereference(lower);
        FltObjectDereference(volume);
}

const struct misdeed misdeed = { .pre = pre, .post = post, .load = load };
