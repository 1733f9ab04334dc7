/* SPDX-License-Identifier: MIT */
/*
 * What can change a file's data: writes (cached, paging, by MDL), sizes, and some controls.
 *
 * Each counts before it happens and again after it, so that a scan that ran in between, or at
 * the same time, is not taken for one of the new content. A rename is no change: the verdict is the
 * content's, and whether a name is excluded is asked at each open.
 */
#include "onaccess.h"

static BOOLEAN OaChangesData(_In_ PFLT_CALLBACK_DATA Data)
{
        PFLT_IO_PARAMETER_BLOCK Iopb = Data->Iopb;

        switch (Iopb->MajorFunction) {
        case IRP_MJ_SET_INFORMATION:
                switch (Iopb->Parameters.SetFileInformation.FileInformationClass) {
                case FileEndOfFileInformation:
                        /* AdvanceOnly: the cache manager tells how far it has written. */
                        return !Iopb->Parameters.SetFileInformation.AdvanceOnly;
                case FileAllocationInformation:
                case FileValidDataLengthInformation:
                        return TRUE;
                default:
                        return FALSE;
                }

        case IRP_MJ_FILE_SYSTEM_CONTROL:
                if (Iopb->MinorFunction != IRP_MN_USER_FS_REQUEST)
                        return FALSE;
                switch (Iopb->Parameters.FileSystemControl.Common.FsControlCode) {
                case FSCTL_SET_ZERO_DATA:
                case FSCTL_OFFLOAD_WRITE:
                case FSCTL_WRITE_RAW_ENCRYPTED:
#ifdef FSCTL_DUPLICATE_EXTENTS_TO_FILE
                case FSCTL_DUPLICATE_EXTENTS_TO_FILE:
#endif
#ifdef FSCTL_DUPLICATE_EXTENTS_TO_FILE_EX
                case FSCTL_DUPLICATE_EXTENTS_TO_FILE_EX:
#endif
#ifdef FSCTL_FILE_LEVEL_TRIM
                case FSCTL_FILE_LEVEL_TRIM:
#endif
                        return TRUE;
                default:
                        return FALSE;
                }

        default:
                return TRUE; /* a write */
        }
}

/*
 * Paging writes come at moments when no context can be made. If there is none, nothing was ever
 * scanned, and the file's stamps tell the rest.
 */
FLT_PREOP_CALLBACK_STATUS OaPreModify(_Inout_ PFLT_CALLBACK_DATA Data, _In_ PCFLT_RELATED_OBJECTS FltObjects,
                                      _Flt_CompletionContext_Outptr_ PVOID *CompletionContext)
{
        POA_STREAM_CONTEXT Context;

        *CompletionContext = NULL;

        if (FltObjects->FileObject == NULL || FlagOn(FltObjects->FileObject->Flags, FO_VOLUME_OPEN) ||
            !OaChangesData(Data))
                return FLT_PREOP_SUCCESS_NO_CALLBACK;

        Context = OaGetStreamContext(FltObjects,
                                     FLT_IS_IRP_OPERATION(Data) && !FlagOn(Data->Iopb->IrpFlags, IRP_PAGING_IO));
        if (Context == NULL)
                return FLT_PREOP_SUCCESS_NO_CALLBACK;

        OaMarkModified(Context);
        *CompletionContext = Context;
        return FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

/* Also when it failed, which can be halfway. Nothing here minds the IRQL, or draining. */
FLT_POSTOP_CALLBACK_STATUS OaPostModify(_Inout_ PFLT_CALLBACK_DATA Data, _In_ PCFLT_RELATED_OBJECTS FltObjects,
                                        _In_opt_ PVOID CompletionContext, _In_ FLT_POST_OPERATION_FLAGS Flags)
{
        POA_STREAM_CONTEXT Context = CompletionContext;

        UNREFERENCED_PARAMETER(Data);
        UNREFERENCED_PARAMETER(FltObjects);
        UNREFERENCED_PARAMETER(Flags);

        if (Context != NULL) {
                OaMarkModified(Context);
                FltReleaseContext(Context);
        }
        return FLT_POSTOP_FINISHED_PROCESSING;
}
