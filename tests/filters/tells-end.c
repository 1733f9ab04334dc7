/* SPDX-License-Identifier: MIT */
/* Prints what it is told of its end: for tests of how volumes and the filter manager go. */
#include "fixture.h"

static FLT_PREOP_CALLBACK_STATUS pre_shutdown(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);
        DbgPrint("end: shutdown\n");
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

static VOID teardown(PCFLT_RELATED_OBJECTS objects, FLT_INSTANCE_TEARDOWN_FLAGS reason)
{
        UNREFERENCED_PARAMETER(objects);
        DbgPrint("end: teardown(%x)\n", reason);
}

static NTSTATUS unload(FLT_FILTER_UNLOAD_FLAGS flags)
{
        DbgPrint("end: unload(%x)\n", flags);
        return fixture_unload(flags);
}

static const FLT_OPERATION_REGISTRATION operations[] = {
        { IRP_MJ_SHUTDOWN, 0, pre_shutdown, NULL },
        { IRP_MJ_OPERATION_END },
};

static const FLT_REGISTRATION registration = {
        FIXTURE_REGISTRATION,
        .OperationRegistration = operations,
        .FilterUnloadCallback = unload,
        .InstanceTeardownStartCallback = teardown,
};
