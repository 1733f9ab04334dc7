/* SPDX-License-Identifier: MIT */
/*
 * Small questions about operations, files and ourselves.
 */
#include <dlfcn.h>
#include <string.h>

#include "fltmgr/check.h"
#include "fltmgr/fileio.h"
#include "fltmgr/manager.h"
#include "nt/pool.h"
#include "nt/process.h"
#include "nt/seh.h"

/* ---- callback data ---- */

/* The filter has changed the parameters, and means it. Any IRQL. */
VOID FltSetCallbackDataDirty(PFLT_CALLBACK_DATA Data)
{
        Data->Flags |= FLTFL_CALLBACK_DATA_DIRTY;
}

/* Takes that back. Any IRQL. */
VOID FltClearCallbackDataDirty(PFLT_CALLBACK_DATA Data)
{
        Data->Flags &= ~(ULONG)FLTFL_CALLBACK_DATA_DIRTY;
}

/* Any IRQL. */
BOOLEAN FltIsCallbackDataDirty(PFLT_CALLBACK_DATA Data)
{
        return (Data->Flags & FLTFL_CALLBACK_DATA_DIRTY) != 0;
}

/* Whether somebody waits for the operation: what is no IRP always, else by its flags and its file's. Any IRQL. */
BOOLEAN FltIsOperationSynchronous(PFLT_CALLBACK_DATA CallbackData)
{
        const FLT_IO_PARAMETER_BLOCK *iopb = CallbackData->Iopb;

        if (!FLT_IS_IRP_OPERATION(CallbackData))
                return TRUE;
        if (iopb->IrpFlags & (IRP_SYNCHRONOUS_API | IRP_SYNCHRONOUS_PAGING_IO))
                return TRUE;
        return iopb->TargetFileObject && (iopb->TargetFileObject->Flags & FO_SYNCHRONOUS_IO);
}

/* Never: what a caller hands over is in one layout here, whatever his word size. IRQL <= APC_LEVEL. */
BOOLEAN FltIs32bitProcess(PFLT_CALLBACK_DATA CallbackData)
{
        fm_check_irql(__func__, APC_LEVEL);
        return FALSE;
}

/* The process that asked for the operation, borrowed; NULL: nobody did. IRQL <= DISPATCH_LEVEL. */
PEPROCESS FltGetRequestorProcess(PFLT_CALLBACK_DATA CallbackData)
{
        fm_check_irql(__func__, DISPATCH_LEVEL);
        return CallbackData->Thread ? fm_thread_process(CallbackData->Thread) : NULL;
}

/* Its id (Linux's; 4: System); 0: nobody asked. IRQL <= DISPATCH_LEVEL. */
ULONG FltGetRequestorProcessId(PFLT_CALLBACK_DATA CallbackData)
{
        PEPROCESS process = FltGetRequestorProcess(CallbackData);

        return process ? (ULONG)fm_process_id(process) : 0;
}

/* The same as a HANDLE; NULL: nobody asked. IRQL <= DISPATCH_LEVEL. */
HANDLE FltGetRequestorProcessIdEx(PFLT_CALLBACK_DATA CallbackData)
{
        return (HANDLE)(ULONG_PTR)FltGetRequestorProcessId(CallbackData);
}

/* There is one session, 0. STATUS_SUCCESS; STATUS_UNSUCCESSFUL: nobody asked. IRQL <= APC_LEVEL. */
NTSTATUS FltGetRequestorSessionId(PFLT_CALLBACK_DATA CallbackData, PULONG SessionId)
{
        fm_check_irql(__func__, APC_LEVEL);
        *SessionId = CallbackData->Thread ? 0 : (ULONG)-1;
        return CallbackData->Thread ? STATUS_SUCCESS : STATUS_UNSUCCESSFUL;
}

/* STATUS_NOT_SUPPORTED: there are no oplocks or change notifications to follow. IRQL <= APC_LEVEL. */
NTSTATUS FltRequestOperationStatusCallback(PFLT_CALLBACK_DATA Data, PFLT_GET_OPERATION_STATUS_CALLBACK CallbackRoutine,
                                           PVOID RequesterContext)
{
        fm_log_unsupported(__func__, "operations are completed by the thread that performs them");
        return STATUS_NOT_SUPPORTED;
}

/* ---- names ---- */

/* "IRP_MJ_CREATE" for 0 and so on; "" for what is no major. Any IRQL. */
PCHAR FltGetIrpName(UCHAR IrpMajorCode)
{
        static const char *const irps[] = {
                "IRP_MJ_CREATE",
                "IRP_MJ_CREATE_NAMED_PIPE",
                "IRP_MJ_CLOSE",
                "IRP_MJ_READ",
                "IRP_MJ_WRITE",
                "IRP_MJ_QUERY_INFORMATION",
                "IRP_MJ_SET_INFORMATION",
                "IRP_MJ_QUERY_EA",
                "IRP_MJ_SET_EA",
                "IRP_MJ_FLUSH_BUFFERS",
                "IRP_MJ_QUERY_VOLUME_INFORMATION",
                "IRP_MJ_SET_VOLUME_INFORMATION",
                "IRP_MJ_DIRECTORY_CONTROL",
                "IRP_MJ_FILE_SYSTEM_CONTROL",
                "IRP_MJ_DEVICE_CONTROL",
                "IRP_MJ_INTERNAL_DEVICE_CONTROL",
                "IRP_MJ_SHUTDOWN",
                "IRP_MJ_LOCK_CONTROL",
                "IRP_MJ_CLEANUP",
                "IRP_MJ_CREATE_MAILSLOT",
                "IRP_MJ_QUERY_SECURITY",
                "IRP_MJ_SET_SECURITY",
                "IRP_MJ_POWER",
                "IRP_MJ_SYSTEM_CONTROL",
                "IRP_MJ_DEVICE_CHANGE",
                "IRP_MJ_QUERY_QUOTA",
                "IRP_MJ_SET_QUOTA",
                "IRP_MJ_PNP",
        };
        /* From 0xff downwards. */
        static const char *const others[] = {
                "IRP_MJ_ACQUIRE_FOR_SECTION_SYNCHRONIZATION",
                "IRP_MJ_RELEASE_FOR_SECTION_SYNCHRONIZATION",
                "IRP_MJ_ACQUIRE_FOR_MOD_WRITE",
                "IRP_MJ_RELEASE_FOR_MOD_WRITE",
                "IRP_MJ_ACQUIRE_FOR_CC_FLUSH",
                "IRP_MJ_RELEASE_FOR_CC_FLUSH",
                "IRP_MJ_QUERY_OPEN",
                NULL,
                NULL,
                NULL,
                NULL,
                NULL,
                "IRP_MJ_FAST_IO_CHECK_IF_POSSIBLE",
                "IRP_MJ_NETWORK_QUERY_OPEN",
                "IRP_MJ_MDL_READ",
                "IRP_MJ_MDL_READ_COMPLETE",
                "IRP_MJ_PREPARE_MDL_WRITE",
                "IRP_MJ_MDL_WRITE_COMPLETE",
                "IRP_MJ_VOLUME_MOUNT",
                "IRP_MJ_VOLUME_DISMOUNT",
        };
        const char *name = NULL;

        if (IrpMajorCode < G_N_ELEMENTS(irps))
                name = irps[IrpMajorCode];
        else if (0xff - IrpMajorCode < (int)G_N_ELEMENTS(others))
                name = others[0xff - IrpMajorCode];
        return (PCHAR)(name ? name : "");
}

/* A function of ours by its name, or NULL. Only names that begin with "Flt" are looked for. IRQL <= DISPATCH_LEVEL. */
PVOID FltGetRoutineAddress(PCSTR FltMgrRoutineName)
{
        fm_check_irql(__func__, DISPATCH_LEVEL);
        if (!FltMgrRoutineName || strncmp(FltMgrRoutineName, "Flt", 3) != 0)
                return NULL;
        return dlsym(RTLD_DEFAULT, FltMgrRoutineName);
}

/* ---- files ---- */

/* Whether the file can have stream contexts: as soon as it is open. IRQL <= APC_LEVEL. */
BOOLEAN FltSupportsStreamContexts(PFILE_OBJECT FileObject)
{
        fm_check_irql(__func__, APC_LEVEL);
        return fm_file_object(FileObject)->stream != NULL;
}

/* The same for stream handle contexts. IRQL <= APC_LEVEL. */
BOOLEAN FltSupportsStreamHandleContexts(PFILE_OBJECT FileObject)
{
        fm_check_irql(__func__, APC_LEVEL);
        return fm_file_object(FileObject)->stream != NULL;
}

/* The same for file contexts. IRQL <= APC_LEVEL. */
BOOLEAN FltSupportsFileContexts(PFILE_OBJECT FileObject)
{
        fm_check_irql(__func__, APC_LEVEL);
        return fm_file_object(FileObject)->stream != NULL;
}

/* The same for file contexts. IRQL <= APC_LEVEL. */
BOOLEAN FltSupportsFileContextsEx(PFILE_OBJECT FileObject, PFLT_INSTANCE Instance)
{
        fm_check_irql(__func__, APC_LEVEL);
        return fm_file_object(FileObject)->stream != NULL;
}

/* Whether an opened file is a directory. STATUS_SUCCESS; STATUS_INVALID_PARAMETER: not open. IRQL <= APC_LEVEL. */
NTSTATUS FltIsDirectory(PFILE_OBJECT FileObject, PFLT_INSTANCE Instance, PBOOLEAN IsDirectory)
{
        fm_check_irql(__func__, APC_LEVEL);
        if (!fm_file_is_open(FileObject))
                return STATUS_INVALID_PARAMETER;
        *IsDirectory = fm_file_object(FileObject)->directory;
        return STATUS_SUCCESS;
}

/* ---- aligned memory ---- */

/* What is before an aligned block: where the pool's block begins, and what was asked for. */
struct aligned {
        char *block;
        size_t size;
};

/*
 * Pool memory aligned for transfers that bypass the cache. Only FltFreePoolAlignedWithTag frees it.
 * NULL: no memory. IRQL <= APC_LEVEL.
 */
PVOID FltAllocatePoolAlignedWithTag(PFLT_INSTANCE Instance, POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag)
{
        size_t alignment, extra;
        uintptr_t place;
        char *block;

        fm_check_irql(__func__, APC_LEVEL);
        alignment = MAX(Instance->volume->sector_size, 16u);
        extra = sizeof(struct aligned) + alignment;
        if (NumberOfBytes > SIZE_MAX - extra)
                return NULL;
        block = ExAllocatePoolWithTag(PoolType, NumberOfBytes + extra, Tag);
        if (!block)
                return NULL;
        place = ((uintptr_t)block + sizeof(struct aligned) + alignment - 1) & ~(uintptr_t)(alignment - 1);
        ((struct aligned *)place)[-1] = (struct aligned){block, NumberOfBytes};
        return (PVOID)place;
}

size_t fm_pool_aligned_room(const void *memory)
{
        const char *place = memory;
        struct aligned aligned;
        size_t room = fm_pool_room(memory);

        if (room != SIZE_MAX ||
            !fm_copy_safely(&aligned, (const void *)((uintptr_t)memory - sizeof(aligned)), sizeof(aligned)))
                return room;
        room = fm_pool_room(aligned.block);
        if (room == SIZE_MAX || place < aligned.block || place > aligned.block + room ||
            aligned.size > room - (size_t)(place - aligned.block))
                return SIZE_MAX;
        return aligned.size;
}

/* Frees what FltAllocatePoolAlignedWithTag gave. IRQL <= DISPATCH_LEVEL (APC_LEVEL for paged pool). */
VOID FltFreePoolAlignedWithTag(PFLT_INSTANCE Instance, PVOID Buffer, ULONG Tag)
{
        ExFreePoolWithTag(((struct aligned *)Buffer)[-1].block, Tag);
}

/* ---- redirection ---- */

/* STATUS_NOT_SUPPORTED: an operation stays on its volume. IRQL <= DISPATCH_LEVEL. */
NTSTATUS FltAdjustDeviceStackSizeForIoRedirection(PFLT_INSTANCE SourceInstance, PFLT_INSTANCE TargetInstance,
                                                  PBOOLEAN SourceDeviceStackSizeModified)
{
        fm_log_unsupported(__func__, "an operation stays on its volume");
        return STATUS_NOT_SUPPORTED;
}

/* STATUS_NOT_SUPPORTED: an operation stays on its volume. IRQL <= DISPATCH_LEVEL. */
NTSTATUS FltIsIoRedirectionAllowed(PFLT_INSTANCE SourceInstance, PFLT_INSTANCE TargetInstance,
                                   PBOOLEAN RedirectionAllowed)
{
        *RedirectionAllowed = FALSE;
        fm_log_unsupported(__func__, "an operation stays on its volume");
        return STATUS_NOT_SUPPORTED;
}

/* STATUS_NOT_SUPPORTED: an operation stays on its volume. IRQL <= DISPATCH_LEVEL. */
NTSTATUS FltIsIoRedirectionAllowedForOperation(PFLT_CALLBACK_DATA Data, PFLT_INSTANCE TargetInstance,
                                               PBOOLEAN RedirectionAllowedThisIo, PBOOLEAN RedirectionAllowedAllIo)
{
        *RedirectionAllowedThisIo = FALSE;
        if (RedirectionAllowedAllIo)
                *RedirectionAllowedAllIo = FALSE;
        fm_log_unsupported(__func__, "an operation stays on its volume");
        return STATUS_NOT_SUPPORTED;
}

/* ---- folders ---- */

/*
 * Makes "\System Volume Information" on the instance's volume, if it is not there.
 * STATUS_SUCCESS, or the file system's error. IRQL PASSIVE_LEVEL.
 */
NTSTATUS FltCreateSystemVolumeInformationFolder(PFLT_INSTANCE Instance)
{
        struct fm_create create = {
                .below = Instance,
                .volume = Instance->volume,
                .path = RTL_CONSTANT_STRING(L"\\System Volume Information"),
                .access = FILE_LIST_DIRECTORY | SYNCHRONIZE,
                .file_attributes = FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_SYSTEM,
                .share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                .disposition = FILE_OPEN_IF,
                .options = FILE_DIRECTORY_FILE | FILE_SYNCHRONOUS_IO_NONALERT,
        };
        IO_STATUS_BLOCK iosb;
        PFILE_OBJECT folder;
        NTSTATUS status;

        fm_check_irql(__func__, PASSIVE_LEVEL);
        status = fm_io_create(&create, &folder, &iosb);
        if (NT_SUCCESS(status)) {
                fm_file_object_cleanup(folder, NULL);
                ObDereferenceObject(folder);
        }
        return status;
}
