/* SPDX-License-Identifier: MIT */
/*
 * Registers for everything that can be registered, asks for every post-operation there is, changes nothing:
 * the mount must look as if it were not there.
 */
#include "fixture.h"

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);
        /* The one without a post-operation. */
        return data->Iopb->MajorFunction == IRP_MJ_SHUTDOWN ? FLT_PREOP_SUCCESS_NO_CALLBACK
                                                            : FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

static FLT_POSTOP_CALLBACK_STATUS post(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID context,
                                       FLT_POST_OPERATION_FLAGS flags)
{
        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);
        UNREFERENCED_PARAMETER(flags);
        return FLT_POSTOP_FINISHED_PROCESSING;
}

#define ALL(major) { major, 0, pre, post }

static const FLT_OPERATION_REGISTRATION operations[] = {
        ALL(IRP_MJ_CREATE),
        ALL(IRP_MJ_CREATE_NAMED_PIPE),
        ALL(IRP_MJ_CLOSE),
        ALL(IRP_MJ_READ),
        ALL(IRP_MJ_WRITE),
        ALL(IRP_MJ_QUERY_INFORMATION),
        ALL(IRP_MJ_SET_INFORMATION),
        ALL(IRP_MJ_QUERY_EA),
        ALL(IRP_MJ_SET_EA),
        ALL(IRP_MJ_FLUSH_BUFFERS),
        ALL(IRP_MJ_QUERY_VOLUME_INFORMATION),
        ALL(IRP_MJ_SET_VOLUME_INFORMATION),
        ALL(IRP_MJ_DIRECTORY_CONTROL),
        ALL(IRP_MJ_FILE_SYSTEM_CONTROL),
        ALL(IRP_MJ_DEVICE_CONTROL),
        ALL(IRP_MJ_INTERNAL_DEVICE_CONTROL),
        { IRP_MJ_SHUTDOWN, 0, pre, NULL },
        ALL(IRP_MJ_LOCK_CONTROL),
        ALL(IRP_MJ_CLEANUP),
        ALL(IRP_MJ_CREATE_MAILSLOT),
        ALL(IRP_MJ_QUERY_SECURITY),
        ALL(IRP_MJ_SET_SECURITY),
        ALL(IRP_MJ_QUERY_QUOTA),
        ALL(IRP_MJ_SET_QUOTA),
        ALL(IRP_MJ_PNP),
        ALL(IRP_MJ_ACQUIRE_FOR_SECTION_SYNCHRONIZATION),
        ALL(IRP_MJ_RELEASE_FOR_SECTION_SYNCHRONIZATION),
        ALL(IRP_MJ_ACQUIRE_FOR_MOD_WRITE),
        ALL(IRP_MJ_RELEASE_FOR_MOD_WRITE),
        ALL(IRP_MJ_ACQUIRE_FOR_CC_FLUSH),
        ALL(IRP_MJ_RELEASE_FOR_CC_FLUSH),
        ALL(IRP_MJ_QUERY_OPEN),
        ALL(IRP_MJ_FAST_IO_CHECK_IF_POSSIBLE),
        ALL(IRP_MJ_NETWORK_QUERY_OPEN),
        ALL(IRP_MJ_MDL_READ),
        ALL(IRP_MJ_MDL_READ_COMPLETE),
        ALL(IRP_MJ_PREPARE_MDL_WRITE),
        ALL(IRP_MJ_MDL_WRITE_COMPLETE),
        ALL(IRP_MJ_VOLUME_MOUNT),
        ALL(IRP_MJ_VOLUME_DISMOUNT),
        { IRP_MJ_OPERATION_END },
};

static const FLT_REGISTRATION registration = {
        FIXTURE_REGISTRATION,
        .OperationRegistration = operations,
        .FilterUnloadCallback = fixture_unload,
};
