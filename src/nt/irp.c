/* SPDX-License-Identifier: MIT */
/*
 * IRPs for device objects: allocated, sent down a stack of devices, completed.
 *
 * The Filter Manager has its own operations; IRPs here are for control devices and for drivers that talk to
 * each other. The cancel spin lock is one, as on Windows.
 */
#include <fltKernel.h>
#include <stdbool.h>

#include "nt/ke.h"
#include "nt/object.h"
#include "nt/pool.h"
#include "nt/thread.h"
#include "nt/verifier.h"

#define IRP_TAG 0x20707249 /* 'Irp ' */

static KSPIN_LOCK cancel_lock;

VOID IoInitializeIrp(PIRP Irp, USHORT PacketSize, CCHAR StackSize)
{
        memset(Irp, 0, PacketSize);
        Irp->Type = IO_TYPE_IRP;
        Irp->Size = PacketSize;
        Irp->StackCount = StackSize;
        Irp->CurrentLocation = (CHAR)(StackSize + 1);
        InitializeListHead(&Irp->ThreadListEntry);
        Irp->Tail.Overlay.CurrentStackLocation = (PIO_STACK_LOCATION)(Irp + 1) + StackSize;
}

PIRP IoAllocateIrp(CCHAR StackSize, BOOLEAN ChargeQuota)
{
        PIRP irp;

        if (StackSize < 1)
                return NULL;
        irp = ExAllocatePoolWithTag(NonPagedPoolNx, IoSizeOfIrp(StackSize), IRP_TAG);
        if (irp)
                IoInitializeIrp(irp, IoSizeOfIrp(StackSize), StackSize);
        return irp;
}

VOID IoFreeIrp(PIRP Irp)
{
        ExFreePoolWithTag(Irp, IRP_TAG);
}

VOID IoReuseIrp(PIRP Irp, NTSTATUS Iostatus)
{
        IoInitializeIrp(Irp, Irp->Size, Irp->StackCount);
        Irp->IoStatus.Status = Iostatus;
}

NTSTATUS IofCallDriver(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
        PIO_STACK_LOCATION location;

        if (Irp->CurrentLocation <= 1)
                fm_bugcheck(0x35, "no more stack locations in IRP %p",
                            (void *)Irp); /* NO_MORE_IRP_STACK_LOCATIONS */
        IoSetNextIrpStackLocation(Irp);
        location = IoGetCurrentIrpStackLocation(Irp);
        location->DeviceObject = DeviceObject;
        if (!DeviceObject->DriverObject) {
                /* A volume's device: its I/O goes through the Filter Manager, not through IRPs. */
                fm_not_supported("IoCallDriver to a device that has no driver");
                Irp->IoStatus.Status = STATUS_INVALID_DEVICE_REQUEST;
                Irp->IoStatus.Information = 0;
                IofCompleteRequest(Irp, 0);
                return STATUS_INVALID_DEVICE_REQUEST;
        }
        return DeviceObject->DriverObject->MajorFunction[location->MajorFunction](DeviceObject, Irp);
}

static bool wants_completion(const IO_STACK_LOCATION *location, PIRP irp)
{
        if (!location->CompletionRoutine)
                return false;
        if (irp->Cancel && (location->Control & SL_INVOKE_ON_CANCEL))
                return true;
        return NT_SUCCESS(irp->IoStatus.Status) ? (location->Control & SL_INVOKE_ON_SUCCESS) != 0
                                                : (location->Control & SL_INVOKE_ON_ERROR) != 0;
}

/* What the I/O manager does for those it built itself: status, event, and an end. */
static void finish(PIRP irp)
{
        PKEVENT event = irp->UserEvent;

        if (irp->UserIosb)
                *irp->UserIosb = irp->IoStatus;
        if (irp->AllocationFlags) {
                if (irp->AssociatedIrp.SystemBuffer && irp->UserBuffer && !NT_ERROR(irp->IoStatus.Status))
                        memcpy(irp->UserBuffer, irp->AssociatedIrp.SystemBuffer, irp->IoStatus.Information);
                fm_pool_free(irp->AssociatedIrp.SystemBuffer);
                IoFreeIrp(irp);
        }
        if (event)
                KeSetEvent(event, 0, FALSE);
}

/* Completion routines from the lowest up, until one says STATUS_MORE_PROCESSING_REQUIRED. IRQL <=
 * DISPATCH_LEVEL. */
VOID IofCompleteRequest(PIRP Irp, CCHAR PriorityBoost)
{
        if (Irp->IoStatus.Status == STATUS_PENDING)
                fm_violation("irp-pending", "IRP %p is completed with STATUS_PENDING", (void *)Irp);
        if (Irp->CurrentLocation > Irp->StackCount + 1)
                fm_bugcheck(0x44, "IRP %p is completed twice",
                            (void *)Irp); /* MULTIPLE_IRP_COMPLETE_REQUESTS */
        while (Irp->CurrentLocation <= Irp->StackCount) {
                PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(Irp);
                PDEVICE_OBJECT device = NULL;

                Irp->PendingReturned = (location->Control & SL_PENDING_RETURNED) != 0;
                Irp->CurrentLocation++;
                Irp->Tail.Overlay.CurrentStackLocation++;
                if (Irp->CurrentLocation <= Irp->StackCount)
                        device = IoGetCurrentIrpStackLocation(Irp)->DeviceObject;
                if (wants_completion(location, Irp) &&
                    location->CompletionRoutine(device, Irp, location->Context) ==
                            STATUS_MORE_PROCESSING_REQUIRED)
                        return;
        }
        finish(Irp);
}

VOID IoAcquireCancelSpinLock(PKIRQL Irql)
{
        *Irql = KeAcquireSpinLockRaiseToDpc(&cancel_lock);
}

VOID IoReleaseCancelSpinLock(KIRQL Irql)
{
        KeReleaseSpinLock(&cancel_lock, Irql);
}

/* TRUE when there was a cancel routine, which is called with the cancel spin lock held and releases it. */
BOOLEAN IoCancelIrp(PIRP Irp)
{
        PDRIVER_CANCEL routine;
        KIRQL irql;

        IoAcquireCancelSpinLock(&irql);
        Irp->Cancel = TRUE;
        routine = IoSetCancelRoutine(Irp, NULL);
        if (!routine) {
                IoReleaseCancelSpinLock(irql);
                return FALSE;
        }
        Irp->CancelIrql = irql;
        routine(IoGetCurrentIrpStackLocation(Irp)->DeviceObject, Irp);
        return TRUE;
}

/* Buffered controls only: STATUS_NOT_SUPPORTED has no way out of here, so others give NULL. IRQL
 * PASSIVE_LEVEL. */
PIRP IoBuildDeviceIoControlRequest(ULONG IoControlCode, PDEVICE_OBJECT DeviceObject, PVOID InputBuffer,
                                   ULONG InputBufferLength, PVOID OutputBuffer, ULONG OutputBufferLength,
                                   BOOLEAN InternalDeviceIoControl, PKEVENT Event,
                                   PIO_STATUS_BLOCK IoStatusBlock)
{
        ULONG size = InputBufferLength > OutputBufferLength ? InputBufferLength : OutputBufferLength;
        PIO_STACK_LOCATION location;
        PIRP irp;

        fm_check_irql(__func__, APC_LEVEL);
        if ((IoControlCode & 3) != METHOD_BUFFERED) {
                fm_not_supported("IoBuildDeviceIoControlRequest with a method other than METHOD_BUFFERED");
                return NULL;
        }
        irp = IoAllocateIrp(DeviceObject->StackSize, FALSE);
        if (!irp)
                return NULL;
        irp->AllocationFlags = 1;
        if (size) {
                irp->AssociatedIrp.SystemBuffer = fm_pool_alloc(size, IRP_TAG);
                if (!irp->AssociatedIrp.SystemBuffer) {
                        IoFreeIrp(irp);
                        return NULL;
                }
                if (InputBufferLength)
                        memcpy(irp->AssociatedIrp.SystemBuffer, InputBuffer, InputBufferLength);
        }
        irp->UserBuffer = OutputBuffer;
        irp->UserEvent = Event;
        irp->UserIosb = IoStatusBlock;
        irp->RequestorMode = KernelMode;
        irp->Tail.Overlay.Thread = PsGetCurrentThread();
        location = IoGetNextIrpStackLocation(irp);
        location->MajorFunction =
                InternalDeviceIoControl ? IRP_MJ_INTERNAL_DEVICE_CONTROL : IRP_MJ_DEVICE_CONTROL;
        location->Parameters.DeviceIoControl.IoControlCode = IoControlCode;
        location->Parameters.DeviceIoControl.InputBufferLength = InputBufferLength;
        location->Parameters.DeviceIoControl.OutputBufferLength = OutputBufferLength;
        return irp;
}

PEPROCESS IoGetRequestorProcess(PIRP Irp)
{
        return Irp->Tail.Overlay.Thread ? IoThreadToProcess(Irp->Tail.Overlay.Thread) : NULL;
}

ULONG IoGetRequestorProcessId(PIRP Irp)
{
        PEPROCESS process = IoGetRequestorProcess(Irp);

        return process ? (ULONG)(ULONG_PTR)PsGetProcessId(process) : 0;
}
