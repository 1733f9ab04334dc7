/* SPDX-License-Identifier: MIT */
/* Asks for a context in the post-operation of a read, which may be called at DISPATCH_LEVEL. */
#include "misdeed.h"

static FLT_POSTOP_CALLBACK_STATUS post(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID context,
                                       FLT_POST_OPERATION_FLAGS flags)
{
        PFLT_CONTEXT found;

        UNREFERENCED_PARAMETER(data);
        UNREFERENCED_PARAMETER(context);
        UNREFERENCED_PARAMETER(flags);
        if (NT_SUCCESS(FltGetStreamContext(objects->Instance, objects->FileObject, &found)))
                FltReleaseContext(found);
        return FLT_POSTOP_FINISHED_PROCESSING;
}

const struct misdeed misdeed = { .major = IRP_MJ_READ, .post = post };
