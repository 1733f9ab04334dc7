/* SPDX-License-Identifier: MIT */
/* What the filters that break a rule have in common: see misdeed.h. */
#include "misdeed.h"

PFLT_FILTER misdeed_filter;
PFLT_PORT misdeed_port, misdeed_client;

static FLT_PREOP_CALLBACK_STATUS pre_operation(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects,
                                               PVOID *context)
{
        UNICODE_STRING trigger = RTL_CONSTANT_STRING(L"\\trigger");

        if (!RtlSuffixUnicodeString(&trigger, &objects->FileObject->FileName, TRUE))
                return FLT_PREOP_SUCCESS_NO_CALLBACK;
        if (misdeed.pre)
                return misdeed.pre(data, objects, context);
        return misdeed.post ? FLT_PREOP_SUCCESS_WITH_CALLBACK : FLT_PREOP_SUCCESS_NO_CALLBACK;
}

static FLT_POSTOP_CALLBACK_STATUS post_operation(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects,
                                                 PVOID context, FLT_POST_OPERATION_FLAGS flags)
{
        return misdeed.post(data, objects, context, flags);
}

static NTSTATUS unload(FLT_FILTER_UNLOAD_FLAGS flags)
{
        UNREFERENCED_PARAMETER(flags);
        if (misdeed.unload)
                misdeed.unload();
        if (misdeed_port)
                FltCloseCommunicationPort(misdeed_port);
        if (!misdeed.never_unregisters)
                FltUnregisterFilter(misdeed_filter);
        if (misdeed.unloaded)
                misdeed.unloaded();
        return STATUS_SUCCESS;
}

static NTSTATUS query_teardown(PCFLT_RELATED_OBJECTS objects, FLT_INSTANCE_QUERY_TEARDOWN_FLAGS flags)
{
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(flags);
        return STATUS_SUCCESS;
}

static NTSTATUS connect(PFLT_PORT client, PVOID cookie, PVOID context, ULONG size, PVOID *connection)
{
        UNREFERENCED_PARAMETER(cookie);
        UNREFERENCED_PARAMETER(context);
        UNREFERENCED_PARAMETER(size);
        *connection = NULL;
        misdeed_client = client;
        return STATUS_SUCCESS;
}

static VOID disconnect(PVOID cookie)
{
        UNREFERENCED_PARAMETER(cookie);
        if (misdeed_client)
                FltCloseClientPort(misdeed_filter, &misdeed_client);
}

static NTSTATUS open_port(VOID)
{
        PSECURITY_DESCRIPTOR descriptor;
        OBJECT_ATTRIBUTES attributes;
        UNICODE_STRING name;
        NTSTATUS status;

        RtlInitUnicodeString(&name, misdeed.port);
        status = FltBuildDefaultSecurityDescriptor(&descriptor, FLT_PORT_ALL_ACCESS);
        if (!NT_SUCCESS(status))
                return status;
        InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL,
                                   descriptor);
        status = FltCreateCommunicationPort(misdeed_filter, &misdeed_port, &attributes, NULL, connect,
                                            disconnect, misdeed.message, 1);
        FltFreeSecurityDescriptor(descriptor);
        return status;
}

static const FLT_CONTEXT_REGISTRATION contexts[] = {
        { FLT_STREAM_CONTEXT, 0, NULL, 16, 'siMF' },
        { FLT_INSTANCE_CONTEXT, 0, NULL, 16, 'siMF' },
        { FLT_CONTEXT_END },
};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
        const FLT_OPERATION_REGISTRATION operations[] = {
                { misdeed.major, 0, pre_operation, misdeed.post ? post_operation : NULL },
                { IRP_MJ_OPERATION_END },
        };
        const FLT_REGISTRATION registration = {
                .Size = sizeof(registration),
                .Version = FLT_REGISTRATION_VERSION,
                .ContextRegistration = contexts,
                .OperationRegistration = operations,
                .FilterUnloadCallback = unload,
                .InstanceQueryTeardownCallback = query_teardown,
        };
        NTSTATUS status;

        UNREFERENCED_PARAMETER(path);
        status = FltRegisterFilter(driver, &registration, &misdeed_filter);
        if (!NT_SUCCESS(status))
                return status;
        status = misdeed.port ? open_port() : STATUS_SUCCESS;
        if (NT_SUCCESS(status))
                status = FltStartFiltering(misdeed_filter);
        if (!NT_SUCCESS(status)) {
                if (misdeed_port)
                        FltCloseCommunicationPort(misdeed_port);
                FltUnregisterFilter(misdeed_filter);
                return status;
        }
        if (misdeed.load)
                misdeed.load(driver);
        return misdeed.entry_status;
}
