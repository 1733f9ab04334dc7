/* SPDX-License-Identifier: MIT */
/*
 * What is the same in all the filters here that behave: DriverEntry registers and starts them, and they can
 * be unloaded and detached. Each has a `registration`, which begins with FIXTURE_REGISTRATION.
 */
#pragma once

#include <fltKernel.h>

static const FLT_REGISTRATION registration;
static PFLT_FILTER fixture_filter;

static NTSTATUS fixture_unload(FLT_FILTER_UNLOAD_FLAGS flags)
{
        UNREFERENCED_PARAMETER(flags);
        FltUnregisterFilter(fixture_filter);
        return STATUS_SUCCESS;
}

static NTSTATUS fixture_query_teardown(PCFLT_RELATED_OBJECTS objects, FLT_INSTANCE_QUERY_TEARDOWN_FLAGS flags)
{
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(flags);
        return STATUS_SUCCESS;
}

#define FIXTURE_REGISTRATION \
        .Size = sizeof(FLT_REGISTRATION), .Version = FLT_REGISTRATION_VERSION, \
        .InstanceQueryTeardownCallback = fixture_query_teardown

DRIVER_INITIALIZE DriverEntry;

NTSTATUS DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
        NTSTATUS status = FltRegisterFilter(driver, &registration, &fixture_filter);

        UNREFERENCED_PARAMETER(path);
        if (!NT_SUCCESS(status))
                return status;
        status = FltStartFiltering(fixture_filter);
        if (!NT_SUCCESS(status))
                FltUnregisterFilter(fixture_filter);
        return status;
}
