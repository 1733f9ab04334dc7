/* SPDX-License-Identifier: MIT */
/* Registers, says why it can't go on, and gives up as it should. */
#include <fltKernel.h>

static NTSTATUS unload(FLT_FILTER_UNLOAD_FLAGS flags)
{
        UNREFERENCED_PARAMETER(flags);
        return STATUS_SUCCESS;
}

static const FLT_REGISTRATION registration = {
        .Size = sizeof(registration),
        .Version = FLT_REGISTRATION_VERSION,
        .FilterUnloadCallback = unload,
};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
        PFLT_FILTER filter;
        NTSTATUS status = FltRegisterFilter(driver, &registration, &filter);

        if (!NT_SUCCESS(status))
                return status;
        DbgPrint("no licence for %wZ\n", path);
        FltUnregisterFilter(filter);
        return STATUS_UNSUCCESSFUL;
}
