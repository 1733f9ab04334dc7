/* SPDX-License-Identifier: MIT */
/*
 * Functions that are there so that filters link, for things that are not there: I/O priorities, quotas,
 * pipes and mailslots, MDL transfers, activity ids, IRP extensions. Each says so.
 */
#include "fltmgr/check.h"
#include "nt/absent.h"

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

FM_NOT_SUPPORTED(FltSetIoPriorityHintIntoCallbackData,
                 (PFLT_CALLBACK_DATA Data, IO_PRIORITY_HINT PriorityHint),
                 "there are no I/O priorities")
FM_NOT_SUPPORTED(FltSetIoPriorityHintIntoFileObject,
                 (PFILE_OBJECT FileObject, IO_PRIORITY_HINT PriorityHint),
                 "there are no I/O priorities")
FM_NOT_SUPPORTED(FltSetIoPriorityHintIntoThread,
                 (PETHREAD Thread, IO_PRIORITY_HINT PriorityHint),
                 "there are no I/O priorities")
FM_NOT_SUPPORTED(FltApplyPriorityInfoThread,
                 (PIO_PRIORITY_INFO InputPriorityInfo, PIO_PRIORITY_INFO OutputPriorityInfo, PETHREAD Thread),
                 "there are no I/O priorities")
FM_NOT_SUPPORTED(FltRetrieveIoPriorityInfo,
                 (PFLT_CALLBACK_DATA Data, PFILE_OBJECT FileObject, PETHREAD Thread, PIO_PRIORITY_INFO
                  PriorityInfo),
                 "there are no I/O priorities")

/* What a thread without a priority of its own has. IRQL <= DISPATCH_LEVEL. */
VOID FltInitializeIoPriorityInfo(PIO_PRIORITY_INFO PriorityInfo)
{
        *PriorityInfo = (IO_PRIORITY_INFO){
                .Size = sizeof(*PriorityInfo),
                .ThreadPriority = 0xffff,
                .IoPriority = IoPriorityNormal,
        };
}

/* IoPriorityNormal. IRQL <= DISPATCH_LEVEL. */
IO_PRIORITY_HINT IoGetIoPriorityHint(PIRP Irp)
{
        return IoPriorityNormal;
}

/* ---- quotas ---- */

FM_NOT_SUPPORTED(FltQueryQuotaInformationFile,
                 (PFLT_INSTANCE Instance, PFILE_OBJECT FileObject, PIO_STATUS_BLOCK IoStatusBlock, PVOID
                  Buffer, ULONG Length, BOOLEAN ReturnSingleEntry, PVOID SidList, ULONG SidListLength, PSID
                  StartSid, BOOLEAN RestartScan, PULONG LengthReturned),
                 "there are no quotas")
FM_NOT_SUPPORTED(FltSetQuotaInformationFile,
                 (PFLT_INSTANCE Instance, PFILE_OBJECT FileObject, PVOID Buffer, ULONG Length),
                 "there are no quotas")

/* ---- pipes and mailslots ---- */

FM_NOT_SUPPORTED(FltCreateNamedPipeFile,
                 (PFLT_FILTER Filter, PFLT_INSTANCE Instance, PHANDLE FileHandle, PFILE_OBJECT *FileObject,
                  ULONG DesiredAccess, POBJECT_ATTRIBUTES ObjectAttributes, PIO_STATUS_BLOCK IoStatusBlock,
                  ULONG ShareAccess, ULONG CreateDisposition, ULONG CreateOptions, ULONG NamedPipeType, ULONG
                  ReadMode, ULONG CompletionMode, ULONG MaximumInstances, ULONG InboundQuota, ULONG
                  OutboundQuota, PLARGE_INTEGER DefaultTimeout, PIO_DRIVER_CREATE_CONTEXT DriverContext),
                 "there are no named pipes")
FM_NOT_SUPPORTED(FltCreateMailslotFile,
                 (PFLT_FILTER Filter, PFLT_INSTANCE Instance, PHANDLE FileHandle, PFILE_OBJECT *FileObject,
                  ULONG DesiredAccess, POBJECT_ATTRIBUTES ObjectAttributes, PIO_STATUS_BLOCK IoStatusBlock,
                  ULONG CreateOptions, ULONG MailslotQuota, ULONG MaximumMessageSize, PLARGE_INTEGER
                  ReadTimeout, PIO_DRIVER_CREATE_CONTEXT DriverContext),
                 "there are no mailslots")

/* ---- what file systems do ---- */

FM_NOT_SUPPORTED(FltNotifyFilterChangeDirectory,
                 (struct _REAL_NOTIFY_SYNC *NotifySync, PLIST_ENTRY NotifyList, PVOID FsContext,
                  PSTRING FullDirectoryName, BOOLEAN WatchTree, BOOLEAN IgnoreBuffer, ULONG CompletionFilter,
                  PFLT_CALLBACK_DATA NotifyCallbackData, PVOID TraverseCallback,
                  PSECURITY_SUBJECT_CONTEXT SubjectContext, PVOID FilterCallback),
                 "there are no change notifications")
FM_NOT_SUPPORTED(FltGetFsZeroingOffset, (PFLT_CALLBACK_DATA Data, PULONG ZeroingOffset), "reads are not zeroed later")
FM_NOT_SUPPORTED(FltSetFsZeroingOffset, (PFLT_CALLBACK_DATA Data, ULONG ZeroingOffset), "reads are not zeroed later")
FM_NOT_SUPPORTED(FltSetFsZeroingOffsetRequired, (PFLT_CALLBACK_DATA Data), "reads are not zeroed later")
FM_NOT_SUPPORTED(FltAddOpenReparseEntry,
                 (PFLT_FILTER Filter, PFLT_CALLBACK_DATA Data, struct _OPEN_REPARSE_LIST_ENTRY *Entry),
                 "reparse points can't be opened by their tags")
FM_NOT_SUPPORTED(FltCopyOpenReparseList, (PFLT_FILTER Filter, PFLT_CALLBACK_DATA Data, PECP_LIST EcpList),
                 "reparse points can't be opened by their tags")
FM_NOT_SUPPORTED(FsRtlCreateSectionForDataScan,
                 (PHANDLE SectionHandle, PVOID *SectionObject, PLARGE_INTEGER SectionFileSize, PFILE_OBJECT FileObject,
                  ACCESS_MASK DesiredAccess, POBJECT_ATTRIBUTES ObjectAttributes, PLARGE_INTEGER MaximumSize,
                  ULONG SectionPageProtection, ULONG AllocationAttributes, ULONG Flags),
                 "FltCreateSectionForDataScan works")

/* ---- what hangs on an IRP ---- */

/* STATUS_NOT_FOUND: no request has one; STATUS_NOT_SUPPORTED: not an IRP. IRQL <= DISPATCH_LEVEL. */
NTSTATUS FltGetActivityIdCallbackData(PFLT_CALLBACK_DATA CallbackData, LPGUID Guid)
{
        return FLT_IS_IRP_OPERATION(CallbackData) ? STATUS_NOT_FOUND : STATUS_NOT_SUPPORTED;
}

FM_NOT_SUPPORTED(FltSetActivityIdCallbackData,
                 (PFLT_CALLBACK_DATA CallbackData, LPCGUID Guid),
                 "there are no activity ids")

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

FM_NOT_SUPPORTED(FltVetoBypassIo,
                 (PFLT_CALLBACK_DATA CallbackData, PCFLT_RELATED_OBJECTS FltObjects, NTSTATUS OperationStatus,
                  PCUNICODE_STRING FailureReason),
                 "there is no bypass I/O")
