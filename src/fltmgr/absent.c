/* SPDX-License-Identifier: MIT */
/*
 * Functions that are there so that filters link, for things that are not there: I/O priorities, quotas,
 * pipes and mailslots, MDL transfers, activity ids, IRP extensions. Each says so.
 */
#include "fltmgr/check.h"

#define REFUSE(why)                                                                                                    \
        do {                                                                                                           \
                fm_log_unsupported(__func__, why);                                                                     \
                return STATUS_NOT_SUPPORTED;                                                                           \
        } while (0)

/* ---- priorities: all I/O is normal ---- */

/* IoPriorityNormal. IRQL <= DISPATCH_LEVEL. */
IO_PRIORITY_HINT FltGetIoPriorityHint(PFLT_CALLBACK_DATA Data)
{
        return IoPriorityNormal;
}

/* IoPriorityNormal. IRQL <= DISPATCH_LEVEL. */
IO_PRIORITY_HINT FltGetIoPriorityHintFromCallbackData(PFLT_CALLBACK_DATA Data)
{
        return IoPriorityNormal;
}

/* IoPriorityNormal. IRQL <= DISPATCH_LEVEL. */
IO_PRIORITY_HINT FltGetIoPriorityHintFromFileObject(PFILE_OBJECT FileObject)
{
        return IoPriorityNormal;
}

/* IoPriorityNormal. IRQL <= DISPATCH_LEVEL. */
IO_PRIORITY_HINT FltGetIoPriorityHintFromThread(PETHREAD Thread)
{
        return IoPriorityNormal;
}

/* STATUS_NOT_SUPPORTED. IRQL <= DISPATCH_LEVEL. */
NTSTATUS FltSetIoPriorityHintIntoCallbackData(PFLT_CALLBACK_DATA Data, IO_PRIORITY_HINT PriorityHint)
{
        REFUSE("there are no I/O priorities");
}

/* STATUS_NOT_SUPPORTED. IRQL <= DISPATCH_LEVEL. */
NTSTATUS FltSetIoPriorityHintIntoFileObject(PFILE_OBJECT FileObject, IO_PRIORITY_HINT PriorityHint)
{
        REFUSE("there are no I/O priorities");
}

/* STATUS_NOT_SUPPORTED. IRQL <= DISPATCH_LEVEL. */
NTSTATUS FltSetIoPriorityHintIntoThread(PETHREAD Thread, IO_PRIORITY_HINT PriorityHint)
{
        REFUSE("there are no I/O priorities");
}

/* STATUS_NOT_SUPPORTED. IRQL <= DISPATCH_LEVEL. */
NTSTATUS FltApplyPriorityInfoThread(PIO_PRIORITY_INFO InputPriorityInfo, PIO_PRIORITY_INFO OutputPriorityInfo,
                                    PETHREAD Thread)
{
        REFUSE("there are no I/O priorities");
}

/* STATUS_NOT_SUPPORTED. IRQL <= DISPATCH_LEVEL. */
NTSTATUS FltRetrieveIoPriorityInfo(PFLT_CALLBACK_DATA Data, PFILE_OBJECT FileObject, PETHREAD Thread,
                                   PIO_PRIORITY_INFO PriorityInfo)
{
        REFUSE("there are no I/O priorities");
}

/* ---- quotas ---- */

/* STATUS_NOT_SUPPORTED. IRQL PASSIVE_LEVEL. */
NTSTATUS FltQueryQuotaInformationFile(PFLT_INSTANCE Instance, PFILE_OBJECT FileObject, PIO_STATUS_BLOCK IoStatusBlock,
                                      PVOID Buffer, ULONG Length, BOOLEAN ReturnSingleEntry, PVOID SidList,
                                      ULONG SidListLength, PSID StartSid, BOOLEAN RestartScan, PULONG LengthReturned)
{
        REFUSE("there are no quotas");
}

/* STATUS_NOT_SUPPORTED. IRQL PASSIVE_LEVEL. */
NTSTATUS FltSetQuotaInformationFile(PFLT_INSTANCE Instance, PFILE_OBJECT FileObject, PVOID Buffer, ULONG Length)
{
        REFUSE("there are no quotas");
}

/* ---- pipes and mailslots ---- */

/* STATUS_NOT_SUPPORTED. IRQL PASSIVE_LEVEL. */
NTSTATUS FltCreateNamedPipeFile(PFLT_FILTER Filter, PFLT_INSTANCE Instance, PHANDLE FileHandle,
                                PFILE_OBJECT *FileObject, ULONG DesiredAccess, POBJECT_ATTRIBUTES ObjectAttributes,
                                PIO_STATUS_BLOCK IoStatusBlock, ULONG ShareAccess, ULONG CreateDisposition,
                                ULONG CreateOptions, ULONG NamedPipeType, ULONG ReadMode, ULONG CompletionMode,
                                ULONG MaximumInstances, ULONG InboundQuota, ULONG OutboundQuota,
                                PLARGE_INTEGER DefaultTimeout, PIO_DRIVER_CREATE_CONTEXT DriverContext)
{
        REFUSE("there are no named pipes");
}

/* STATUS_NOT_SUPPORTED. IRQL PASSIVE_LEVEL. */
NTSTATUS FltCreateMailslotFile(PFLT_FILTER Filter, PFLT_INSTANCE Instance, PHANDLE FileHandle, PFILE_OBJECT *FileObject,
                               ULONG DesiredAccess, POBJECT_ATTRIBUTES ObjectAttributes, PIO_STATUS_BLOCK IoStatusBlock,
                               ULONG CreateOptions, ULONG MailslotQuota, ULONG MaximumMessageSize,
                               PLARGE_INTEGER ReadTimeout, PIO_DRIVER_CREATE_CONTEXT DriverContext)
{
        REFUSE("there are no mailslots");
}

/* ---- what hangs on an IRP ---- */

/* STATUS_NOT_FOUND: no request has one; STATUS_NOT_SUPPORTED: not an IRP. IRQL <= DISPATCH_LEVEL. */
NTSTATUS FltGetActivityIdCallbackData(PFLT_CALLBACK_DATA CallbackData, LPGUID Guid)
{
        return FLT_IS_IRP_OPERATION(CallbackData) ? STATUS_NOT_FOUND : STATUS_NOT_SUPPORTED;
}

/* STATUS_NOT_SUPPORTED. IRQL <= DISPATCH_LEVEL. */
NTSTATUS FltSetActivityIdCallbackData(PFLT_CALLBACK_DATA CallbackData, LPCGUID Guid)
{
        REFUSE("there are no activity ids");
}

/* STATUS_SUCCESS: no request has an extension to propagate; STATUS_INVALID_PARAMETER: not IRPs. IRQL <= DISPATCH_LEVEL.
 */
NTSTATUS FltPropagateIrpExtension(PFLT_CALLBACK_DATA SourceData, PFLT_CALLBACK_DATA TargetData, ULONG Flags)
{
        return FLT_IS_IRP_OPERATION(SourceData) && FLT_IS_IRP_OPERATION(TargetData) ? STATUS_SUCCESS
                                                                                    : STATUS_INVALID_PARAMETER;
}

/* STATUS_NOT_FOUND: no request is part of a copy; STATUS_INVALID_PARAMETER: not an IRP. IRQL <= DISPATCH_LEVEL. */
NTSTATUS FltGetCopyInformationFromCallbackData(PFLT_CALLBACK_DATA Data, struct _COPY_INFORMATION *CopyInformation)
{
        return FLT_IS_IRP_OPERATION(Data) ? STATUS_NOT_FOUND : STATUS_INVALID_PARAMETER;
}

/* STATUS_NOT_SUPPORTED: no bypass I/O is ever asked for. IRQL <= APC_LEVEL. */
NTSTATUS FltVetoBypassIo(PFLT_CALLBACK_DATA CallbackData, PCFLT_RELATED_OBJECTS FltObjects, NTSTATUS OperationStatus,
                         PCUNICODE_STRING FailureReason)
{
        REFUSE("there is no bypass I/O");
}
