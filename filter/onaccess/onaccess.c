/* SPDX-License-Identifier: MIT */
/*
 * Loading and unloading, what is registered, and instances.
 *
 * Everything that callbacks use is ready before FltStartFiltering; at the end the port goes first, so
 * that no operation waits for an agent any more when the Filter Manager waits for operations.
 */
#include "onaccess.h"

OA_GLOBALS Globals;

DRIVER_INITIALIZE DriverEntry;
NTSTATUS DriverEntry(_In_ PDRIVER_OBJECT DriverObject, _In_ PUNICODE_STRING RegistryPath);

static NTSTATUS OaUnload(_In_ FLT_FILTER_UNLOAD_FLAGS Flags);
static NTSTATUS OaInstanceSetup(_In_ PCFLT_RELATED_OBJECTS FltObjects, _In_ FLT_INSTANCE_SETUP_FLAGS Flags,
                                _In_ DEVICE_TYPE VolumeDeviceType, _In_ FLT_FILESYSTEM_TYPE VolumeFilesystemType);
static NTSTATUS OaInstanceQueryTeardown(_In_ PCFLT_RELATED_OBJECTS FltObjects,
                                        _In_ FLT_INSTANCE_QUERY_TEARDOWN_FLAGS Flags);
static VOID OaInstanceTeardownStart(_In_ PCFLT_RELATED_OBJECTS FltObjects, _In_ FLT_INSTANCE_TEARDOWN_FLAGS Flags);
static NTSTATUS FLTAPI OaSectionConflict(_In_ PFLT_INSTANCE Instance, _In_ PFLT_CONTEXT SectionContext,
                                         _In_ PFLT_CALLBACK_DATA Data);

#ifdef ALLOC_PRAGMA
#pragma alloc_text(INIT, DriverEntry)
#pragma alloc_text(PAGE, OaUnload)
#pragma alloc_text(PAGE, OaInstanceSetup)
#pragma alloc_text(PAGE, OaInstanceQueryTeardown)
#pragma alloc_text(PAGE, OaInstanceTeardownStart)
#endif

static const FLT_OPERATION_REGISTRATION OaOperations[] = {
        { IRP_MJ_CREATE, 0, OaPreCreate, OaPostCreate },
        { IRP_MJ_CLEANUP, 0, OaPreCleanup, NULL },
        { IRP_MJ_WRITE, 0, OaPreModify, OaPostModify },
        { IRP_MJ_SET_INFORMATION, 0, OaPreModify, OaPostModify },
        { IRP_MJ_FILE_SYSTEM_CONTROL, 0, OaPreModify, OaPostModify },
        { IRP_MJ_PREPARE_MDL_WRITE, 0, OaPreModify, OaPostModify },
        { IRP_MJ_MDL_WRITE_COMPLETE, 0, OaPreModify, OaPostModify },
        { IRP_MJ_OPERATION_END }
};

static const FLT_CONTEXT_REGISTRATION OaContexts[] = {
        { FLT_INSTANCE_CONTEXT, 0, NULL, sizeof(OA_INSTANCE_CONTEXT), OA_TAG_INSTANCE },
        { FLT_STREAM_CONTEXT, 0, NULL, sizeof(OA_STREAM_CONTEXT), OA_TAG_STREAM },
        { FLT_SECTION_CONTEXT, 0, NULL, sizeof(OA_SECTION_CONTEXT), OA_TAG_SECTION },
        { FLT_CONTEXT_END }
};

static const FLT_REGISTRATION OaRegistration = {
        .Size = sizeof(FLT_REGISTRATION),
        .Version = FLT_REGISTRATION_VERSION,
        .ContextRegistration = OaContexts,
        .OperationRegistration = OaOperations,
        .FilterUnloadCallback = OaUnload,
        .InstanceSetupCallback = OaInstanceSetup,
        .InstanceQueryTeardownCallback = OaInstanceQueryTeardown,
        .InstanceTeardownStartCallback = OaInstanceTeardownStart,
        .SectionNotificationCallback = OaSectionConflict,
};

NTSTATUS DriverEntry(_In_ PDRIVER_OBJECT DriverObject, _In_ PUNICODE_STRING RegistryPath)
{
        NTSTATUS Status;

        ExInitializeDriverRuntime(DrvRtPoolNxOptIn);
        RtlZeroMemory(&Globals, sizeof(Globals));
        ExInitializeFastMutex(&Globals.ConnectionLock);
        KeInitializeEvent(&Globals.AgentAvailable, NotificationEvent, FALSE);

        Status = OaReadParameters(RegistryPath, &Globals.Parameters);
        if (!NT_SUCCESS(Status))
                return Status;

        Status = FltRegisterFilter(DriverObject, &OaRegistration, &Globals.Filter);
        if (!NT_SUCCESS(Status))
                goto FreeParameters;

        Status = OaCreatePort();
        if (!NT_SUCCESS(Status))
                goto Unregister;

        Status = FltStartFiltering(Globals.Filter);
        if (!NT_SUCCESS(Status))
                goto ClosePort;

        return STATUS_SUCCESS;

ClosePort:
        OaClosePort();
Unregister:
        FltUnregisterFilter(Globals.Filter);
FreeParameters:
        OaFreeParameters(&Globals.Parameters);
        return Status;
}

static NTSTATUS OaUnload(_In_ FLT_FILTER_UNLOAD_FLAGS Flags)
{
        UNREFERENCED_PARAMETER(Flags);
        PAGED_CODE();

        InterlockedExchange(&Globals.Unloading, TRUE);
        OaClosePort();
        FltUnregisterFilter(Globals.Filter);
        OaFreeParameters(&Globals.Parameters);
        return STATUS_SUCCESS;
}

static NTSTATUS OaInstanceSetup(_In_ PCFLT_RELATED_OBJECTS FltObjects, _In_ FLT_INSTANCE_SETUP_FLAGS Flags,
                                _In_ DEVICE_TYPE VolumeDeviceType, _In_ FLT_FILESYSTEM_TYPE VolumeFilesystemType)
{
        POA_INSTANCE_CONTEXT Context;
        NTSTATUS Status;

        UNREFERENCED_PARAMETER(Flags);
        UNREFERENCED_PARAMETER(VolumeFilesystemType);
        PAGED_CODE();

        /* What comes over the network is its server's to scan; a mailslot or a pipe has no content. */
        if (VolumeDeviceType == FILE_DEVICE_NETWORK_FILE_SYSTEM || VolumeDeviceType == FILE_DEVICE_NAMED_PIPE ||
            VolumeDeviceType == FILE_DEVICE_MAILSLOT)
                return STATUS_FLT_DO_NOT_ATTACH;

        Status = FltRegisterForDataScan(FltObjects->Instance);
        if (!NT_SUCCESS(Status))
                return STATUS_FLT_DO_NOT_ATTACH;

        Status = FltAllocateContext(FltObjects->Filter, FLT_INSTANCE_CONTEXT, sizeof(OA_INSTANCE_CONTEXT), NonPagedPool,
                                    (PFLT_CONTEXT *)&Context);
        if (!NT_SUCCESS(Status))
                return STATUS_FLT_DO_NOT_ATTACH;

        RtlZeroMemory(Context, sizeof(*Context));
        Status = FltSetInstanceContext(FltObjects->Instance, FLT_SET_CONTEXT_KEEP_IF_EXISTS, Context, NULL);
        FltReleaseContext(Context);
        return NT_SUCCESS(Status) ? STATUS_SUCCESS : STATUS_FLT_DO_NOT_ATTACH;
}

static NTSTATUS OaInstanceQueryTeardown(_In_ PCFLT_RELATED_OBJECTS FltObjects,
                                        _In_ FLT_INSTANCE_QUERY_TEARDOWN_FLAGS Flags)
{
        UNREFERENCED_PARAMETER(FltObjects);
        UNREFERENCED_PARAMETER(Flags);
        PAGED_CODE();

        return STATUS_SUCCESS;
}

/* A scan that waits for its answer can only be ended by ending the conversation: the agent connects anew. */
static VOID OaInstanceTeardownStart(_In_ PCFLT_RELATED_OBJECTS FltObjects, _In_ FLT_INSTANCE_TEARDOWN_FLAGS Flags)
{
        POA_INSTANCE_CONTEXT Context;

        UNREFERENCED_PARAMETER(Flags);
        PAGED_CODE();

        if (!NT_SUCCESS(FltGetInstanceContext(FltObjects->Instance, (PFLT_CONTEXT *)&Context)))
                return;
        InterlockedExchange(&Context->Detaching, TRUE);
        if (InterlockedCompareExchange(&Context->Scans, 0, 0) > 0)
                OaDisconnectAgents();
        FltReleaseContext(Context);
}

/* The agent's view can't be taken away; but what it sees is not the file any more. */
static NTSTATUS FLTAPI OaSectionConflict(_In_ PFLT_INSTANCE Instance, _In_ PFLT_CONTEXT SectionContext,
                                         _In_ PFLT_CALLBACK_DATA Data)
{
        POA_SECTION_CONTEXT Context = SectionContext;

        UNREFERENCED_PARAMETER(Instance);
        UNREFERENCED_PARAMETER(Data);

        InterlockedExchange(&Context->Conflict, TRUE);
        return STATUS_SUCCESS;
}
