/* SPDX-License-Identifier: MIT */
/*
 * Misuse by callbacks: a status that is none for this operation, changes that are not theirs to make.
 *
 * Each check leaves the operation in a state from which it can go on.
 */
#include "fltmgr/misuse.h"

#include "fltmgr/altitude.h"
#include "fltmgr/check.h"
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
                .minor = node->saved.MinorFunction,
                .file = node->saved.TargetFileObject,
        };
        va_list args;

        va_start(args, format);
        fm_violation_of_v(&culprit, rule, format, args);
        va_end(args);
}

/* What the callback was given and had only to read. */
static void check_givens(struct fm_node *node)
{
        struct fm_operation *operation = node->operation;
        PFLT_INSTANCE instance = node->callback->instance;
        const FLT_RELATED_OBJECTS *objects = &node->objects;
        PFLT_FILTER filter = instance ? instance->filter : objects->Filter;
        FLT_CALLBACK_DATA *data = &operation->data;

        if (G_UNLIKELY(objects->Size != sizeof(*objects) || objects->Filter != filter ||
                       objects->Volume != operation->volume || objects->Instance != instance || objects->FileObject != node->saved.TargetFileObject)) {
                node->objects = (FLT_RELATED_OBJECTS){
                        .Size = sizeof(*objects),
                        .Filter = filter,
                        .Volume = operation->volume,
                        .Instance = instance,
                        .FileObject = node->saved.TargetFileObject,
                };
                fm_misuse(node, "flt-objects-changed", "changed its FLT_RELATED_OBJECTS");
        }
        if (G_UNLIKELY(data->Iopb != &operation->iopb || data->Thread != operation->requestor.thread ||
                       data->RequestorMode != operation->mode)) {
                *(PETHREAD *)&data->Thread = operation->requestor.thread;
                *(PFLT_IO_PARAMETER_BLOCK *)&data->Iopb = &operation->iopb;
                *(KPROCESSOR_MODE *)&data->RequestorMode = operation->mode;
                fm_misuse(node, "callback-data-changed", "changed Iopb, Thread or RequestorMode of the callback data");
        }
}

static bool cannot_fail(const struct fm_operation *operation)
{
        return operation->iopb.MajorFunction == IRP_MJ_CLEANUP || operation->iopb.MajorFunction == IRP_MJ_CLOSE;
}

static void check_completion(struct fm_node *node)
{
        struct fm_operation *operation = node->operation;
        NTSTATUS status = operation->data.IoStatus.Status;

        if (status == FM_STATUS_UNSET) {
                fm_misuse(node, "no-status", "completed the operation without setting IoStatus.Status");
                operation->data.IoStatus.Status = STATUS_UNSUCCESSFUL;
        } else if (status == STATUS_PENDING || status == STATUS_FLT_DISALLOW_FAST_IO) {
                fm_misuse(node, "complete-status", "completed the operation with status 0x%08x", (unsigned)status);
                operation->data.IoStatus.Status = STATUS_UNSUCCESSFUL;
        }
        if (cannot_fail(operation) && !NT_SUCCESS(operation->data.IoStatus.Status)) {
                if (status != FM_STATUS_UNSET)
                        fm_misuse(node, "complete-status", "failed an operation that can't fail, with status 0x%08x",
                                  (unsigned)status);
                operation->data.IoStatus.Status = STATUS_SUCCESS;
        }
}

/* Why it should not be synchronized, or NULL. */
static const char *why_not_synchronize(struct fm_operation *operation)
{
        const FLT_IO_PARAMETER_BLOCK *iopb = &operation->iopb;

        if (!FLT_IS_IRP_OPERATION(&operation->data))
                return "what is no IRP never leaves its thread";
        switch (iopb->MajorFunction) {
        case IRP_MJ_CREATE:
                return "a create is synchronous already";
        case IRP_MJ_READ:
        case IRP_MJ_WRITE:
                return FltIsOperationSynchronous(&operation->data) ? NULL : "nobody waits for an asynchronous transfer";
        case IRP_MJ_LOCK_CONTROL:
                return iopb->MinorFunction == IRP_MN_LOCK ? "a lock may be waited for without end" : NULL;
        case IRP_MJ_DIRECTORY_CONTROL:
                return iopb->MinorFunction == IRP_MN_NOTIFY_CHANGE_DIRECTORY ? "a change may never come" : NULL;
        default:
                return NULL;
        }
}

/* The result is for who completes the operation. */
static void check_result_untouched(struct fm_node *node)
{
        NTSTATUS status = node->operation->data.IoStatus.Status;

        if (node->callback->pre && status != FM_STATUS_UNSET)
                fm_misuse(node, "io-status-changed", "set IoStatus.Status to 0x%08x and did not complete the operation",
                          (unsigned)status);
}

FLT_PREOP_CALLBACK_STATUS fm_pre_status_checked(struct fm_node *node, FLT_PREOP_CALLBACK_STATUS status, PVOID *context)
{
        struct fm_operation *operation = node->operation;
        const char *why_not;

        if (status != FLT_PREOP_COMPLETE)
                check_result_untouched(node);
        switch (status) {
        case FLT_PREOP_SYNCHRONIZE:
                why_not = why_not_synchronize(operation);
                if (why_not)
                        fm_misuse(node, "synchronize", "returned FLT_PREOP_SYNCHRONIZE: %s", why_not);
                G_GNUC_FALLTHROUGH;
        case FLT_PREOP_SUCCESS_WITH_CALLBACK:
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
        case FLT_PREOP_PENDING:
                fm_misuse(node, "not-an-irp", "returned FLT_PREOP_PENDING for what is no IRP");
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

        check_givens(node);
        if (operation->data.IoStatus.Status == STATUS_PENDING) {
                fm_misuse(node, "pending-status", "left STATUS_PENDING as the result");
                operation->data.IoStatus.Status = STATUS_UNSUCCESSFUL;
        }
        if (cannot_fail(operation) && !NT_SUCCESS(operation->data.IoStatus.Status) && NT_SUCCESS(node->given)) {
                fm_misuse(node, "complete-status", "failed an operation that can't fail, with status 0x%08x",
                          (unsigned)operation->data.IoStatus.Status);
                operation->data.IoStatus.Status = node->given;
        }
        if (status == FLT_POSTOP_FINISHED_PROCESSING ||
            (status == FLT_POSTOP_DISALLOW_FSFILTER_IO && operation->iopb.MajorFunction == IRP_MJ_QUERY_OPEN))
                return status;
        if (status == FLT_POSTOP_MORE_PROCESSING_REQUIRED)
                fm_misuse(node, "not-an-irp", "returned FLT_POSTOP_MORE_PROCESSING_REQUIRED for what is no IRP");
        else
                fm_misuse(node, "post-operation-status", "returned %d", status);
        return FLT_POSTOP_FINISHED_PROCESSING;
}

/* Another file of this volume, and the filter's own instance: all others would be called for what is not theirs. */
static bool changed_target(const struct fm_node *node)
{
        const FLT_IO_PARAMETER_BLOCK *now = &node->operation->iopb, *before = &node->saved;
        PFLT_INSTANCE instance = now->TargetInstance;

        if (now->TargetFileObject != before->TargetFileObject &&
            (!now->TargetFileObject || !before->TargetFileObject ||
             fm_file_object(now->TargetFileObject)->volume != node->operation->volume)) {
                fm_misuse(node, "target-changed", "changed TargetFileObject to one that is not on the volume (%p)",
                          (void *)now->TargetFileObject);
                return true;
        }
        if (instance == before->TargetInstance)
                return false;
        if (instance && before->TargetInstance && instance->object.kind == FM_FLT_INSTANCE &&
            instance->filter == node->objects.Filter &&
            fm_altitude_compare(instance->altitude, before->TargetInstance->altitude) == 0)
                fm_not_supported("TargetInstance on another volume");
        else
                fm_misuse(node, "target-changed", "changed TargetInstance to %p", (void *)instance);
        return true;
}

bool fm_changed_what_it_must_not(struct fm_node *node)
{
        const struct fm_operation *operation = node->operation;
        bool dirty = operation->data.Flags & FLTFL_CALLBACK_DATA_DIRTY;

        check_givens(node);
        if (G_LIKELY(memcmp(&operation->iopb, &node->saved, sizeof(node->saved)) == 0))
                return false;
        if (operation->iopb.MajorFunction != node->saved.MajorFunction) {
                fm_misuse(node, "major-function-changed", "changed MajorFunction to 0x%02x",
                          operation->iopb.MajorFunction);
                return true;
        }
        if (changed_target(node))
                return true;
        if (!dirty)
                fm_misuse(node, "not-dirty", "changed parameters without FltSetCallbackDataDirty: the change is lost");
        return false;
}

/* Whole sectors are moved past the cache, also where the file ends in one. */
static size_t room_needed(const struct fm_node *node, ULONG length)
{
        const FLT_IO_PARAMETER_BLOCK *iopb = &node->operation->iopb;
        size_t sector = node->operation->volume->sector_size;

        if ((iopb->MajorFunction != IRP_MJ_READ && iopb->MajorFunction != IRP_MJ_WRITE) || !(iopb->IrpFlags & IRP_NOCACHE))
                return length;
        return (length + sector - 1) / sector * sector;
}

void fm_check_swapped_buffer(struct fm_node *node)
{
        struct fm_operation *operation = node->operation;
        FLT_CALLBACK_DATA before = {.Flags = operation->data.Flags, .Iopb = &node->saved};
        bool described = (operation->data.Flags & (FLTFL_CALLBACK_DATA_IRP_OPERATION | FLTFL_CALLBACK_DATA_SYSTEM_BUFFER)) ==
                         FLTFL_CALLBACK_DATA_IRP_OPERATION;
        PVOID *buffer, *old;
        PULONG length;
        PMDL *mdl;
        size_t room;

        if (!NT_SUCCESS(FltDecodeParameters(&operation->data, &mdl, &buffer, &length, NULL)) ||
            !NT_SUCCESS(FltDecodeParameters(&before, NULL, &old, NULL, NULL)) || !*buffer || *buffer == *old)
                return;
        if (mdl && (*mdl != NULL) != described)
                fm_misuse(node, "swapped-buffer", described ? "swapped in a buffer without an MDL"
                                                            : "swapped in an MDL where only a buffer is used");
        room = fm_pool_aligned_room(*buffer);
        if (room >= room_needed(node, *length))
                return;
        fm_misuse(node, "swapped-buffer", "swapped in a buffer of %zu bytes, and up to %zu are used", room,
                  room_needed(node, *length));
        *length = (ULONG)MIN(*length, room);
}

/* A racing read of what may be something else by now; so without a race detector or an address checker looking on. */
__attribute__((noinline, no_sanitize("address"), no_sanitize("thread"))) static uint32_t
life_of(const struct fm_operation *operation)
{
        return *(const volatile uint32_t *)&operation->life;
}

struct fm_operation *fm_operation_checked(const char *function, PFLT_CALLBACK_DATA data)
{
        struct fm_operation *operation = fm_operation_from_data(data);

        switch (life_of(operation)) {
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

void fm_operation_bury(struct fm_operation *operation)
{
        void *nowhere = fm_verifier_graveyard();

        atomic_store_explicit(&operation->life, 0, memory_order_relaxed);
        *(PETHREAD *)&operation->data.Thread = nowhere;
        *(PFLT_IO_PARAMETER_BLOCK *)&operation->data.Iopb = nowhere;
        operation->iopb.TargetFileObject = nowhere;
        operation->iopb.TargetInstance = nowhere;
}
