/* SPDX-License-Identifier: MIT */
/* Prints what successful opens of files are called when they are over: for tests of filters that provide names. */
#include <fltKernel.h>

static PFLT_FILTER filter;

static FLT_POSTOP_CALLBACK_STATUS post_create(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID context,
                                              FLT_POST_OPERATION_FLAGS flags)
{
        PFLT_FILE_NAME_INFORMATION name;

        UNREFERENCED_PARAMETER(context);
        if ((flags & FLTFL_POST_OPERATION_DRAINING) || data->IoStatus.Status != STATUS_SUCCESS ||
            !objects->FileObject->ReadAccess)
                return FLT_POSTOP_FINISHED_PROCESSING;
        if (NT_SUCCESS(FltGetFileNameInformation(data, FLT_FILE_NAME_NORMALIZED | FLT_FILE_NAME_QUERY_DEFAULT, &name))) {
                FltParseFileNameInformation(name);
                DbgPrint("name %wZ%wZ\n", &name->ParentDir, &name->FinalComponent);
                FltReleaseFileNameInformation(name);
        }
        return FLT_POSTOP_FINISHED_PROCESSING;
}

static NTSTATUS unload(FLT_FILTER_UNLOAD_FLAGS flags)
{
        UNREFERENCED_PARAMETER(flags);
        FltUnregisterFilter(filter);
        return STATUS_SUCCESS;
}

static const FLT_OPERATION_REGISTRATION operations[] = {
        { IRP_MJ_CREATE, 0, NULL, post_create },
        { IRP_MJ_OPERATION_END },
};

static const FLT_REGISTRATION registration = {
        .Size = sizeof(registration),
        .Version = FLT_REGISTRATION_VERSION,
        .OperationRegistration = operations,
        .FilterUnloadCallback = unload,
};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
        NTSTATUS status = FltRegisterFilter(driver, &registration, &filter);

        UNREFERENCED_PARAMETER(path);
        if (!NT_SUCCESS(status))
                return status;
        status = FltStartFiltering(filter);
        if (!NT_SUCCESS(status))
                FltUnregisterFilter(filter);
        return status;
}
