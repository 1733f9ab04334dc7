/* SPDX-License-Identifier: MIT */
/* Puts a buffer of its own into a read, and makes it too short. */
#include "misdeed.h"

static FLT_PREOP_CALLBACK_STATUS pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        PFLT_PARAMETERS parameters = &data->Iopb->Parameters;
        PVOID buffer = ExAllocatePoolWithTag(NonPagedPoolNx, 16, 'deeD');
        PMDL mdl = IoAllocateMdl(buffer, 16, FALSE, FALSE, NULL);

        UNREFERENCED_PARAMETER(objects);
        MmBuildMdlForNonPagedPool(mdl);
        parameters->Read.ReadBuffer = buffer;
        parameters->Read.MdlAddress = mdl;
        FltSetCallbackDataDirty(data);
        *context = buffer;
        return FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

static FLT_POSTOP_CALLBACK_STATUS post(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID context,
                                       FLT_POST_OPERATION_FLAGS flags)
{
        UNREFERENCED_PARAMETER(objects);
        UNREFERENCED_PARAMETER(flags);
        RtlCopyMemory(data->Iopb->Parameters.Read.ReadBuffer, context, data->IoStatus.Information);
        ExFreePoolWithTag(context, 'deeD');
        return FLT_POSTOP_FINISHED_PROCESSING;
}

const struct misdeed misdeed = { .major = IRP_MJ_READ, .pre = pre, .post = post };
