/* SPDX-License-Identifier: MIT */
/* Completes an IRP with STATUS_PENDING. */
#include "misdeed.h"

static NTSTATUS completed(PDEVICE_OBJECT device, PIRP irp, PVOID context)
{
        UNREFERENCED_PARAMETER(device);
        UNREFERENCED_PARAMETER(irp);
        UNREFERENCED_PARAMETER(context);
        return STATUS_MORE_PROCESSING_REQUIRED;
}

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        PIRP irp;

        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(context);
        irp = IoAllocateIrp(1, FALSE);
        if (!irp)
                return FLT_PREOP_SUCCESS_NO_CALLBACK;
        IoSetCompletionRoutine(irp, completed, NULL, TRUE, TRUE, TRUE);
        IoSetNextIrpStackLocation(irp);
        irp->IoStatus.Status = STATUS_PENDING;
        IoCompleteRequest(irp, IO_NO_INCREMENT);
        IoFreeIrp(irp);
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

const struct misdeed misdeed = { .pre = pre };
