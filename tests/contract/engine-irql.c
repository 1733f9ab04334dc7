/* SPDX-License-Identifier: MIT */
/*
 * Every function that may be called at PASSIVE_LEVEL only, or up to APC_LEVEL or DISPATCH_LEVEL, is called one level above
 * that, and the verifier says so before the function looks at its arguments.
 *
 * The levels are those of Microsoft's pages. Each call is made in a child, since its arguments are rubbish.
 */
#include <fltKernel.h>
#include <dlfcn.h>
#include <glib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nt/log.h"
#include "nt/verifier.h"

#define REPORTED 77
#define CHILD_SECONDS 60

/* As many as the longest takes. */
typedef ULONG_PTR any_function(void *, void *, void *, void *, void *, void *, void *, void *, void *, void *, void *,
                               void *, void *, void *, void *, void *, void *, void *, void *, void *);

static const char *const passive[] = {
        "ExIsProcessorFeaturePresent", "ExUuidCreate", "FltAttachVolume", "FltAttachVolumeAtAltitude",
        "FltCancelFileOpen", "FltClose", "FltCloseClientPort", "FltCloseCommunicationPort",
        "FltCreateCommunicationPort", "FltCreateFile", "FltCreateFileEx", "FltCreateFileEx2",
        "FltCreateSystemVolumeInformationFolder", "FltDeviceIoControlFile", "FltFlushBuffers",
        "FltFlushBuffers2", "FltFsControlFile", "FltGetVolumeFromName", "FltGetVolumeGuidName",
        "FltIsVolumeSnapshot", "FltIsVolumeWritable", "FltLoadFilter", "FltOpenVolume",
        "FltQueryDirectoryFile", "FltQueryDirectoryFileEx", "FltQueryEaFile", "FltQueryInformationByName",
        "FltQueryInformationFile", "FltQuerySecurityObject", "FltQueryVolumeInformation",
        "FltQueryVolumeInformationFile", "FltReadFile", "FltReadFileEx", "FltSetEaFile",
        "FltSetInformationFile", "FltSetSecurityObject", "FltSetVolumeInformation", "FltTagFile",
        "FltUnloadFilter", "FltUntagFile", "FltWriteFile", "FltWriteFileEx", "FsRtlGetSectorSizeInformation",
        "IoCheckShareAccess", "IoCreateFile", "IoCreateFileEx", "IoCreateSymbolicLink",
        "IoCreateUnprotectedSymbolicLink", "IoDeleteSymbolicLink", "IoGetFileObjectGenericMapping",
        "IoOpenDriverRegistryKey", "IoQueryFileDosDeviceName", "IoRemoveShareAccess",
        "IoReplaceFileObjectName", "IoSetShareAccess", "IoUnregisterShutdownNotification",
        "IoUpdateShareAccess", "IoVolumeDeviceToDosName", "KeFlushQueuedDpcs", "KeInitializeSemaphore",
        "KeQueryPriorityThread", "KeSetPriorityThread", "MmGetSystemRoutineAddress", "ObCloseHandle",
        "ObReferenceObjectByHandle", "ObReferenceObjectByHandleWithTag", "PsCreateSystemThread",
        "PsGetVersion", "PsReferenceImpersonationToken", "PsReferencePrimaryToken", "SeAccessCheck",
        "SeCaptureSubjectContext", "SeLocateProcessImageName", "SeLockSubjectContext",
        "SeQueryAuthenticationIdToken", "SeQueryInformationToken", "SeReleaseSubjectContext",
        "SeSinglePrivilegeCheck", "SeTokenIsAdmin", "SeTokenIsRestricted", "SeUnlockSubjectContext",
        "SeValidSecurityDescriptor", "ZwClose", "ZwCreateEvent", "ZwCreateFile", "ZwCreateKey",
        "ZwCreateSection", "ZwDeleteFile", "ZwDeleteKey", "ZwDeleteValueKey", "ZwDeviceIoControlFile",
        "ZwEnumerateKey", "ZwEnumerateValueKey", "ZwFlushBuffersFile", "ZwFlushKey", "ZwFsControlFile",
        "ZwLockFile", "ZwMapViewOfSection", "ZwOpenFile", "ZwOpenKey", "ZwOpenKeyEx", "ZwOpenProcess",
        "ZwQueryDirectoryFile", "ZwQueryDirectoryFileEx", "ZwQueryEaFile", "ZwQueryFullAttributesFile",
        "ZwQueryInformationFile", "ZwQueryKey", "ZwQuerySecurityObject", "ZwQueryValueKey",
        "ZwQueryVolumeInformationFile", "ZwReadFile", "ZwSetEaFile", "ZwSetEvent", "ZwSetInformationFile",
        "ZwSetSecurityObject", "ZwSetValueKey", "ZwUnlockFile", "ZwUnmapViewOfSection",
        "ZwWaitForSingleObject", "ZwWriteFile",
};

static const char *const apc[] = {
        "ExAcquireFastMutex", "ExAcquireFastMutexUnsafe", "ExAcquirePushLockExclusiveEx",
        "ExAcquirePushLockSharedEx", "ExAcquireResourceExclusiveLite", "ExAcquireResourceSharedLite",
        "ExAcquireSharedStarveExclusive", "ExAcquireSharedWaitForExclusive",
        "ExAllocateFromPagedLookasideList", "ExConvertExclusiveToSharedLite", "ExDeletePagedLookasideList",
        "ExDeleteResourceLite", "ExEnterCriticalRegionAndAcquireResourceExclusive",
        "ExEnterCriticalRegionAndAcquireResourceShared", "ExFreeToPagedLookasideList",
        "ExInitializePagedLookasideList", "ExInitializeRundownProtection", "ExReInitializeRundownProtection",
        "ExReleaseFastMutex", "ExReleaseFastMutexUnsafe", "ExReleasePushLockExclusiveEx",
        "ExReleasePushLockSharedEx", "ExReleaseResourceAndLeaveCriticalRegion", "ExRundownCompleted",
        "ExTryToAcquireFastMutex", "ExWaitForRundownProtectionRelease", "FltAcknowledgeEcp",
        "FltAcquirePushLockExclusive", "FltAcquirePushLockExclusiveEx", "FltAcquirePushLockShared",
        "FltAcquirePushLockSharedEx", "FltAcquireResourceExclusive", "FltAcquireResourceShared",
        "FltAllocateCallbackData", "FltAllocateCallbackDataEx", "FltAllocateContext",
        "FltAllocateExtraCreateParameter", "FltAllocateExtraCreateParameterFromLookasideList",
        "FltAllocateExtraCreateParameterList", "FltAllocateFileLock", "FltAllocatePoolAlignedWithTag",
        "FltBuildDefaultSecurityDescriptor", "FltCheckAndGrowNameControl", "FltCheckLockForReadAccess",
        "FltCheckLockForWriteAccess", "FltCheckOplock", "FltCheckOplockEx", "FltCloseSectionForDataScan",
        "FltCreateSectionForDataScan", "FltCurrentBatchOplock", "FltCurrentOplock", "FltCurrentOplockH",
        "FltDeleteContext", "FltDeleteExtraCreateParameterLookasideList", "FltDeleteFileContext",
        "FltDeleteInstanceContext", "FltDeletePushLock", "FltDeleteStreamContext",
        "FltDeleteStreamHandleContext", "FltDeleteVolumeContext", "FltDetachVolume",
        "FltEnumerateFilterInformation", "FltEnumerateFilters",
        "FltEnumerateInstanceInformationByDeviceObject", "FltEnumerateInstanceInformationByFilter",
        "FltEnumerateInstanceInformationByVolume", "FltEnumerateInstanceInformationByVolumeName",
        "FltEnumerateInstances", "FltEnumerateVolumeInformation", "FltEnumerateVolumes",
        "FltFindExtraCreateParameter", "FltFreeExtraCreateParameter", "FltFreeExtraCreateParameterList",
        "FltFreeFileLock", "FltFreeSecurityDescriptor", "FltGetBottomInstance", "FltGetContexts",
        "FltGetContextsEx", "FltGetDestinationFileNameInformation", "FltGetEcpListFromCallbackData",
        "FltGetFileContext", "FltGetFileNameInformation", "FltGetFileNameInformationUnsafe",
        "FltGetFileSystemType", "FltGetFilterFromInstance", "FltGetFilterFromName", "FltGetFilterInformation",
        "FltGetInstanceContext", "FltGetInstanceInformation", "FltGetLowerInstance",
        "FltGetNextExtraCreateParameter", "FltGetRequestorSessionId", "FltGetSectionContext",
        "FltGetStreamContext", "FltGetStreamHandleContext", "FltGetTopInstance", "FltGetTunneledName",
        "FltGetUpperInstance", "FltGetVolumeContext", "FltGetVolumeFromDeviceObject",
        "FltGetVolumeFromFileObject", "FltGetVolumeFromInstance", "FltGetVolumeInformation",
        "FltGetVolumeInstanceFromName", "FltGetVolumeName", "FltGetVolumeProperties",
        "FltInitExtraCreateParameterLookasideList", "FltInitializeFileLock", "FltInitializeOplock",
        "FltInitializePushLock", "FltInsertExtraCreateParameter", "FltIs32bitProcess", "FltIsDirectory",
        "FltIsEcpAcknowledged", "FltIsEcpFromUserMode", "FltIsFltMgrVolumeDeviceObject", "FltLockUserBuffer",
        "FltOplockBreakH", "FltOplockBreakToNone", "FltOplockBreakToNoneEx", "FltOplockFsctrl",
        "FltOplockFsctrlEx", "FltOplockIsFastIoPossible", "FltOplockIsSharedRequest", "FltOplockKeysEqual",
        "FltParseFileName", "FltParseFileNameInformation", "FltPerformSynchronousIo", "FltPrepareToReuseEcp",
        "FltProcessFileLock", "FltPurgeFileNameInformationCache", "FltReferenceFileNameInformation",
        "FltRegisterFilter", "FltRegisterForDataScan", "FltReissueSynchronousIo",
        "FltReleaseFileNameInformation", "FltReleasePushLock", "FltReleasePushLockEx",
        "FltRemoveExtraCreateParameter", "FltReuseCallbackData", "FltSendMessage",
        "FltSetEcpListIntoCallbackData", "FltSetFileContext", "FltSetInstanceContext", "FltSetStreamContext",
        "FltSetStreamHandleContext", "FltSetVolumeContext", "FltStartFiltering", "FltSupportsFileContexts",
        "FltSupportsFileContextsEx", "FltSupportsStreamContexts", "FltSupportsStreamHandleContexts",
        "FltUninitializeFileLock", "FltUninitializeOplock", "FltUnregisterFilter", "FsRtlAcknowledgeEcp",
        "FsRtlFindExtraCreateParameter", "FsRtlGetNextExtraCreateParameter", "FsRtlIsEcpAcknowledged",
        "FsRtlIsEcpFromUserMode", "FsRtlIsPagingFile", "IoBuildDeviceIoControlRequest", "IoCreateDevice",
        "IoDeleteDevice", "IoGetInitialStack", "KeAcquireGuardedMutex", "KeAcquireGuardedMutexUnsafe",
        "KeDelayExecutionThread", "KeEnterCriticalRegion", "KeEnterGuardedRegion",
        "KeExpandKernelStackAndCallout", "KeInitializeGuardedMutex", "KeLeaveCriticalRegion",
        "KeLeaveGuardedRegion", "KeReleaseGuardedMutex", "KeReleaseGuardedMutexUnsafe",
        "KeStackAttachProcess", "KeTryToAcquireGuardedMutex", "KeUnstackDetachProcess",
        "MmAllocateNonCachedMemory", "MmFreeNonCachedMemory", "MmLockPagableDataSection",
        "MmMapViewInSystemSpace", "MmUnlockPagableImageSection", "MmUnmapViewInSystemSpace",
        "ObIsKernelHandle", "ObOpenObjectByPointer", "ObQueryNameString", "PsDereferenceImpersonationToken",
        "PsDereferencePrimaryToken", "PsGetProcessExitStatus", "PsGetThreadExitStatus",
        "PsLookupProcessByProcessId", "PsLookupThreadByThreadId", "PsRemoveCreateThreadNotifyRoutine",
        "PsRemoveLoadImageNotifyRoutine",
};

static const char *const dispatch[] = {
        "ExAcquireRundownProtection", "ExAcquireRundownProtectionEx", "ExAcquireSpinLockExclusive",
        "ExAllocateFromLookasideListEx", "ExAllocateFromNPagedLookasideList", "ExAllocatePool",
        "ExAllocatePoolWithQuotaTag", "ExAllocatePoolWithTag", "ExAllocatePoolWithTagPriority",
        "ExDeleteLookasideListEx", "ExDeleteNPagedLookasideList", "ExFlushLookasideListEx", "ExFreePool",
        "ExFreePoolWithTag", "ExFreeToLookasideListEx", "ExFreeToNPagedLookasideList",
        "ExGetExclusiveWaiterCount", "ExGetSharedWaiterCount", "ExInitializeFastMutex",
        "ExInitializeLookasideListEx", "ExInitializeNPagedLookasideList", "ExInitializeResourceLite",
        "ExIsResourceAcquiredExclusiveLite", "ExIsResourceAcquiredSharedLite", "ExQueueWorkItem",
        "ExReinitializeResourceLite", "ExReleaseResourceForThreadLite", "ExReleaseResourceLite",
        "ExReleaseRundownProtection", "ExReleaseRundownProtectionEx", "ExSetResourceOwnerPointer",
        "FltAllocateDeferredIoWorkItem", "FltAllocateGenericWorkItem", "FltCancelIo",
        "FltCompareInstanceAltitudes", "FltCompletePendedPostOperation", "FltFreeCallbackData",
        "FltFreeDeferredIoWorkItem", "FltFreeGenericWorkItem", "FltGetDeviceObject", "FltGetDiskDeviceObject",
        "FltGetNewSystemBufferAddress", "FltGetRequestorProcess", "FltGetRequestorProcessId",
        "FltGetRequestorProcessIdEx", "FltGetRoutineAddress", "FltObjectDereference", "FltObjectReference",
        "FltQueueDeferredIoWorkItem", "FltQueueGenericWorkItem", "FltReferenceContext", "FltReleaseResource",
        "FltSetCancelCompletion", "KeAcquireInStackQueuedSpinLock", "KeAcquireSpinLockRaiseToDpc",
        "KeCancelTimer", "KeClearEvent", "KeInitializeTimer", "KeInitializeTimerEx", "KePulseEvent",
        "KeReleaseMutex", "KeResetEvent", "KeSetCoalescableTimer", "KeSetTimer", "KeSetTimerEx",
};

static void leave(void)
{
        _exit(REPORTED);
}

/* What the child has said; *ret_status is how it ended. */
static char *call_in_child(any_function *function, KIRQL irql, int *ret_status)
{
        static char nothing[65536] __attribute__((aligned(4096)));
        g_autoptr(GString) said = g_string_new(NULL);
        char buffer[4096];
        int ends[2];
        ssize_t n;
        pid_t child;

        g_assert_cmpint(pipe(ends), ==, 0);
        child = fork();
        g_assert_cmpint(child, >=, 0);
        if (child == 0) {
                void *a = nothing;
                KIRQL before;

                alarm(CHILD_SECONDS);
                close(ends[0]);
                fm_log_init(ends[1], FM_LOG_ERROR);
                fm_verifier_init(true);
                fm_verifier_set_last_act(leave);
                KeRaiseIrql(irql, &before);
                function(a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a);
                _exit(0);
        }
        close(ends[1]);
        while ((n = read(ends[0], buffer, sizeof(buffer))) > 0)
                g_string_append_len(said, buffer, n);
        close(ends[0]);
        g_assert_cmpint(waitpid(child, ret_status, 0), ==, child);
        return g_string_free(g_steal_pointer(&said), FALSE);
}

static void try_all(const char *const *names, size_t count, KIRQL irql)
{
        unsigned silent = 0;

        for (size_t i = 0; i < count; i++) {
                any_function *function = (any_function *)dlsym(RTLD_DEFAULT, names[i]);
                g_autofree char *said = NULL;
                int status;

                g_assert_nonnull(function);
                said = call_in_child(function, irql, &status);
                if (WIFEXITED(status) && WEXITSTATUS(status) == REPORTED && strstr(said, " violation irql: "))
                        continue;
                g_test_message("%s at IRQL %u: status 0x%x, and said: %s", names[i], irql, status, said);
                silent++;
        }
        g_assert_cmpuint(silent, ==, 0);
}

static void test_passive(void)
{
        try_all(passive, G_N_ELEMENTS(passive), APC_LEVEL);
}

static void test_apc(void)
{
        try_all(apc, G_N_ELEMENTS(apc), DISPATCH_LEVEL);
}

static void test_dispatch(void)
{
        try_all(dispatch, G_N_ELEMENTS(dispatch), DISPATCH_LEVEL + 1);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/irql/passive-level", test_passive);
        g_test_add_func("/irql/apc-level", test_apc);
        g_test_add_func("/irql/dispatch-level", test_dispatch);
        return g_test_run();
}
