/* SPDX-License-Identifier: MIT */
/*
 * Prints what successful opens of files are called when they are over: for tests of filters that provide
 * names.
 */
#include "fixture.h"

static FLT_POSTOP_CALLBACK_STATUS post_create(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects,
                                              PVOID context, FLT_POST_OPERATION_FLAGS flags)
{
        PFLT_FILE_NAME_INFORMATION name;

        UNREFERENCED_PARAMETER(context);
        if ((flags & FLTFL_POST_OPERATION_DRAINING) || data->IoStatus.Status != STATUS_SUCCESS ||
            !objects->FileObject->ReadAccess)
                return FLT_POSTOP_FINISHED_PROCESSING;
        if (NT_SUCCESS(FltGetFileNameInformation(data, FLT_FILE_NAME_NORMALIZED | FLT_FILE_NAME_QUERY_DEFAULT,
                                                 &name))) {
                FltParseFileNameInformation(name);
                DbgPrint("name %wZ%wZ\n", &name->ParentDir, &name->FinalComponent);
                FltReleaseFileNameInformation(name);
        }
        return FLT_POSTOP_FINISHED_PROCESSING;
}

static const FLT_OPERATION_REGISTRATION operations[] = {
        { IRP_MJ_CREATE, 0, NULL, post_create },
        { IRP_MJ_OPERATION_END },
};

static const FLT_REGISTRATION registration = {
        FIXTURE_REGISTRATION,
        .OperationRegistration = operations,
        .FilterUnloadCallback = fixture_unload,
};
