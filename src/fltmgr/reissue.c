/* SPDX-License-Identifier: MIT */
/* What post-operations do to their operation: sending it down again, and the MDL that they have put into it. */
#include "fltmgr/dispatch.h"
#include "fltmgr/extras.h"
#include "fltmgr/misuse.h"
#include "nt/ke.h"
#include "nt/verifier.h"

/* STATUS_SUCCESS: the post-operation of this instance may send the operation down again. */
static NTSTATUS may_reissue(struct fm_operation *operation, PFLT_INSTANCE instance)
{
        struct fm_file_object *file = fm_file_object(operation->iopb.TargetFileObject);

        if (!(operation->data.Flags & FLTFL_CALLBACK_DATA_POST_OPERATION) ||
            operation->nodes[operation->position].callback->instance != instance) {
                fm_violation("reissue", "FltReissueSynchronousIo outside the instance's own post-operation");
                return STATUS_INVALID_PARAMETER;
        }
        if (!operation->nodes[operation->position].synchronized) {
                fm_violation("reissue", "FltReissueSynchronousIo for an operation that is not synchronized");
                return STATUS_INVALID_PARAMETER;
        }
        if (operation->iopb.MajorFunction != IRP_MJ_CREATE)
                return STATUS_SUCCESS;
        if (file->file.Flags & FO_FILE_OPEN_CANCELLED)
                return STATUS_CANCELLED;
        if (file->opened) {
                fm_violation("reissue", "FltReissueSynchronousIo for a create that has opened the file");
                return STATUS_INVALID_PARAMETER;
        }
        return STATUS_SUCCESS;
}

/*
 * Sends an operation down again from the caller's post-operation: to the instances below, and to the file system. The
 * parameters are those in Iopb if FltSetCallbackDataDirty() was called, else those of the first time. The result is in
 * IoStatus and TagData when this returns.
 *
 * Creates and FLT_PREOP_SYNCHRONIZE only. IoStatus is STATUS_CANCELLED for a create after FltCancelFileOpen(), and
 * STATUS_INVALID_PARAMETER, which is reported, for misuse. IRQL PASSIVE_LEVEL (<= APC_LEVEL for paging I/O).
 */
VOID FltReissueSynchronousIo(PFLT_INSTANCE InitiatingInstance, PFLT_CALLBACK_DATA CallbackData)
{
        struct fm_operation *operation, *again;
        NTSTATUS status;

        fm_check_irql(__func__, APC_LEVEL);
        operation = fm_operation_checked(__func__, CallbackData);
        if (!operation)
                return;
        if (!(operation->iopb.IrpFlags & IRP_PAGING_IO))
                fm_check_irql(__func__, PASSIVE_LEVEL);
        status = may_reissue(operation, InitiatingInstance);
        if (!NT_SUCCESS(status)) {
                fm_operation_set_result(operation, status, 0);
                return;
        }
        if (!(CallbackData->Flags & FLTFL_CALLBACK_DATA_DIRTY))
                operation->iopb = operation->nodes[operation->position].saved;
        CallbackData->Flags &= ~(ULONG)FLTFL_CALLBACK_DATA_DIRTY;
        fm_operation_clear_tag_data(operation);

        again = fm_operation_new(operation->volume, operation->iopb.MajorFunction, operation->iopb.TargetFileObject,
                                 &operation->requestor);
        again->below = InitiatingInstance;
        fm_flt_object_ref(InitiatingInstance);
        again->iopb = operation->iopb;
        again->fsd_request = operation->fsd_request;
        again->data.Flags = (CallbackData->Flags & FLTFL_CALLBACK_DATA_REISSUE_MASK) |
                            (CallbackData->Flags & FLTFL_CALLBACK_DATA_GENERATED_IO) | FLTFL_CALLBACK_DATA_REISSUED_IO;
        again->data.RequestorMode = CallbackData->RequestorMode;
        fm_operation_lend_ecp_list(operation, again);
        atomic_store(&again->cancelled, atomic_load(&operation->cancelled));
        fm_operation_run(again);

        CallbackData->IoStatus = again->data.IoStatus;
        CallbackData->TagData = again->data.TagData;
        again->data.TagData = NULL;
        operation->error = again->error;
        operation->error_status = again->error_status;
        fm_operation_free(again);
}

PMDL fm_operation_swapped_mdl(struct fm_operation *operation)
{
        if (!(operation->data.Flags & FLTFL_CALLBACK_DATA_POST_OPERATION) || !operation->node_count)
                return NULL;
        return operation->nodes[operation->position].swapped_mdl;
}

void fm_operation_retain_swapped_mdl(struct fm_operation *operation)
{
        if (fm_operation_swapped_mdl(operation))
                operation->nodes[operation->position].retain_mdl = true;
}
