/* SPDX-License-Identifier: MIT */
/* Forgets to close its communication port. */
#include "misdeed.h"

static NTSTATUS connect(PFLT_PORT client, PVOID cookie, PVOID context, ULONG size, PVOID *connection)
{
        UNREFERENCED_PARAMETER(client);
        UNREFERENCED_PARAMETER(cookie);
        UNREFERENCED_PARAMETER(context);
        UNREFERENCED_PARAMETER(size);
        UNREFERENCED_PARAMETER(connection);
        return STATUS_ACCESS_DENIED;
}

static VOID disconnect(PVOID cookie)
{
        UNREFERENCED_PARAMETER(cookie);
}

static VOID load(PDRIVER_OBJECT driver)
{
        UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\LeaksPort");
        PSECURITY_DESCRIPTOR descriptor;
        OBJECT_ATTRIBUTES attributes;
        PFLT_PORT forgotten;

        UNREFERENCED_PARAMETER(driver);
        FltBuildDefaultSecurityDescriptor(&descriptor, FLT_PORT_ALL_ACCESS);
        InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL,
                                   descriptor);
        FltCreateCommunicationPort(misdeed_filter, &forgotten, &attributes, NULL, connect, disconnect, NULL,
                                   1);
        FltFreeSecurityDescriptor(descriptor);
}

const struct misdeed misdeed = { .load = load };
