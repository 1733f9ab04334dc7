/* SPDX-License-Identifier: MIT */
/*
 * Misuse by callbacks: a status that is none for this operation, changes that are not theirs to make.
 *
 * Each check leaves the operation in a state from which it can go on.
 */
#include "fltmgr/misuse.h"

#include "nt/verifier.h"

void fm_misuse(const struct fm_node *node, const char *rule, const char *format, ...)
{
        const struct fm_operation *operation = node->operation;
        bool post = operation->pended_post;
        const struct fm_culprit culprit = {
                .filter = node->objects.Filter->name,
                .callback = post ? "a post-operation" : "a pre-operation",
                .operation = FltGetIrpName(node->saved.MajorFunction),
                .code = post ? (const void *)node->callback->post : (const void *)node->callback->pre,
        };
        va_list args;

        va_start(args, format);
        fm_violation_of_v(&culprit, rule, format, args);
        va_end(args);
}

static void check_completion(struct fm_node *node)
{
        struct fm_operation *operation = node->operation;
        NTSTATUS status = operation->data.IoStatus.Status;
        UCHAR major = operation->iopb.MajorFunction;

        if (status == FM_STATUS_UNSET) {
                fm_misuse(node, "no-status", "completed the operation without setting IoStatus.Status");
                operation->data.IoStatus.Status = STATUS_UNSUCCESSFUL;
        } else if (status == STATUS_PENDING || status == STATUS_FLT_DISALLOW_FAST_IO) {
                fm_misuse(node, "complete-status", "completed the operation with status 0x%08x", (unsigned)status);
                operation->data.IoStatus.Status = STATUS_UNSUCCESSFUL;
        }
        if ((major == IRP_MJ_CLEANUP || major == IRP_MJ_CLOSE) && !NT_SUCCESS(operation->data.IoStatus.Status)) {
                if (status != FM_STATUS_UNSET)
                        fm_misuse(node, "complete-status", "failed an operation that can't fail, with status 0x%08x",
                                  (unsigned)status);
                operation->data.IoStatus.Status = STATUS_SUCCESS;
        }
}

FLT_PREOP_CALLBACK_STATUS fm_pre_status_checked(struct fm_node *node, FLT_PREOP_CALLBACK_STATUS status, PVOID *context)
{
        struct fm_operation *operation = node->operation;

        switch (status) {
        case FLT_PREOP_SUCCESS_WITH_CALLBACK:
        case FLT_PREOP_SYNCHRONIZE:
                if (node->callback->post)
                        return status;
                fm_misuse(node, "no-post-operation", "asked for a post-operation that is not registered");
                return FLT_PREOP_SUCCESS_NO_CALLBACK;
        case FLT_PREOP_SUCCESS_NO_CALLBACK:
                break;
        case FLT_PREOP_COMPLETE:
                check_completion(node);
                break;
        case FLT_PREOP_DISALLOW_FASTIO:
                if (operation->data.Flags & FLTFL_CALLBACK_DATA_FAST_IO_OPERATION)
                        break;
                fm_misuse(node, "disallow-fastio", "returned FLT_PREOP_DISALLOW_FASTIO for an IRP");
                return FLT_PREOP_SUCCESS_NO_CALLBACK;
        case FLT_PREOP_DISALLOW_FSFILTER_IO:
                if (operation->iopb.MajorFunction == IRP_MJ_QUERY_OPEN)
                        break;
                fm_misuse(node, "disallow-fsfilter", "returned FLT_PREOP_DISALLOW_FSFILTER_IO");
                return FLT_PREOP_SUCCESS_NO_CALLBACK;
        default:
                fm_misuse(node, "pre-operation-status", "returned %d", status);
                return FLT_PREOP_SUCCESS_NO_CALLBACK;
        }
        if (*context) {
                fm_misuse(node, "completion-context", "set a completion context without asking for a post-operation");
                *context = NULL;
        }
        return status;
}

FLT_POSTOP_CALLBACK_STATUS fm_post_status_checked(struct fm_node *node, FLT_POSTOP_CALLBACK_STATUS status)
{
        struct fm_operation *operation = node->operation;

        if (operation->data.IoStatus.Status == STATUS_PENDING) {
                fm_misuse(node, "pending-status", "left STATUS_PENDING as the result");
                operation->data.IoStatus.Status = STATUS_UNSUCCESSFUL;
        }
        if (status == FLT_POSTOP_FINISHED_PROCESSING ||
            (status == FLT_POSTOP_DISALLOW_FSFILTER_IO && operation->iopb.MajorFunction == IRP_MJ_QUERY_OPEN))
                return status;
        fm_misuse(node, "post-operation-status", "returned %d", status);
        return FLT_POSTOP_FINISHED_PROCESSING;
}

bool fm_changed_what_it_must_not(const struct fm_node *node)
{
        const struct fm_operation *operation = node->operation;

        if (operation->iopb.MajorFunction == node->saved.MajorFunction)
                return false;
        fm_misuse(node, "major-function-changed", "changed MajorFunction to 0x%02x", operation->iopb.MajorFunction);
        return true;
}

struct fm_operation *fm_operation_checked(const char *function, PFLT_CALLBACK_DATA data)
{
        struct fm_operation *operation = fm_operation_from_data(data);

        switch (atomic_load_explicit(&operation->life, memory_order_relaxed)) {
        case FM_OPERATION_ALIVE:
                return operation;
        case FM_OPERATION_DRAINING:
                fm_violation("draining-post-operation", "%s while draining", function);
                return NULL;
        default:
                fm_violation("use-after-completion", "%s for an operation that is over (%p)", function, (void *)data);
                return NULL;
        }
}
