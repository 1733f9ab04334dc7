/* SPDX-License-Identifier: MIT */
/*
 * The way of an operation: down through the pre-operations, the bottom, up through the post-operations.
 *
 * One function, fm_dispatch_proceed(), takes it from where it is until it is finished or parked, on
 * whatever thread that happens. Nothing is held while a callback runs but
 *   - on the way down, the instance's rundown (a pended pre-operation keeps it),
 *   - on the way up, a count in instance->posts (a pended post-operation keeps it),
 * which is what an instance's teardown waits for.
 *
 * Pending. A callback may be completed by another thread before it has returned "pending". Whoever comes second goes on:
 *
 *   RUNNING --callback returns--> PARKED    --completed--> the completing thread proceeds
 *   RUNNING --completed---------> COMPLETED --callback returns--> the calling thread proceeds
 *   RUNNING --callback returns--> STAYING   --completed--> the calling thread is woken and proceeds
 *
 * The third is taken when a post-operation is owed on the very thread that has called the pre-operation (creates,
 * FLT_PREOP_SYNCHRONIZE). Between callbacks the state is IDLE: who completes then has no business to.
 *
 * Draining. A post-operation that is owed is in its instance's list. Whoever takes it off that list, the operation on
 * its way up or the teardown, calls it; so it is called once.
 */
#include "fltmgr/dispatch.h"

#include "fltmgr/altitude.h"
#include "fltmgr/extras.h"
#include "fltmgr/fsd.h"
#include "fltmgr/misuse.h"
#include "nt/ke.h"
#include "nt/object.h"
#include "nt/verifier.h"

/* Linux gives up after 40 symbolic links, too. */
#define REPARSE_LIMIT 40

enum pend_state {
        PEND_IDLE,
        PEND_RUNNING,
        PEND_PARKED,
        PEND_COMPLETED,
        PEND_STAYING,
};

void fm_dispatch_init(struct fm_operation *operation)
{
        const struct fm_callback *callbacks =
                &operation->stack->callbacks[operation->stack->majors[fm_major_index(operation->iopb.MajorFunction)].first];

        operation->original = operation->iopb;
        operation->descending = true;
        operation->position = 0;
        for (unsigned i = 0; i < operation->node_count; i++)
                operation->nodes[i] = (struct fm_node){
                        .callback = &callbacks[i],
                        .operation = operation,
                        .link.data = &operation->nodes[i],
                };
}

/* Registration flags speak of reads and writes; only the volume-handle one speaks of all majors. */
static bool skips(const struct fm_callback *callback, const struct fm_operation *operation)
{
        const FLT_IO_PARAMETER_BLOCK *iopb = &operation->iopb;
        FLT_OPERATION_REGISTRATION_FLAGS flags = callback->flags;

        if (operation->below &&
            (callback->instance == operation->below ||
             fm_altitude_compare(callback->instance->altitude, operation->below->altitude) >= 0))
                return true;
        if (!flags)
                return false;
        if ((flags & FLTFL_OPERATION_REGISTRATION_SKIP_NON_DASD_IO) &&
            !(iopb->TargetFileObject && (iopb->TargetFileObject->Flags & FO_VOLUME_OPEN)))
                return true;
        if (iopb->MajorFunction != IRP_MJ_READ && iopb->MajorFunction != IRP_MJ_WRITE)
                return false;
        if (iopb->IrpFlags & IRP_PAGING_IO)
                return flags & FLTFL_OPERATION_REGISTRATION_SKIP_PAGING_IO;
        if (iopb->IrpFlags & IRP_NOCACHE)
                return flags & FLTFL_OPERATION_REGISTRATION_SKIP_NON_CACHED_NON_PAGING_IO;
        return flags & FLTFL_OPERATION_REGISTRATION_SKIP_CACHED_IO;
}

static void prepare(struct fm_node *node)
{
        struct fm_operation *operation = node->operation;
        PFLT_INSTANCE instance = node->callback->instance;

        operation->iopb.TargetInstance = instance;
        node->saved = operation->iopb;
        node->objects = (FLT_RELATED_OBJECTS){
                .Size = sizeof(FLT_RELATED_OBJECTS),
                .Filter = instance->filter,
                .Volume = operation->volume,
                .Instance = instance,
                .FileObject = operation->iopb.TargetFileObject,
        };
}

static FLT_PREOP_CALLBACK_STATUS call_pre(struct fm_node *node, PVOID *context)
{
        struct fm_operation *operation = node->operation;
        struct fm_callback_scope scope;
        FLT_PREOP_CALLBACK_STATUS status;

        *context = NULL;
        if (!node->callback->pre)
                return node->callback->post ? FLT_PREOP_SUCCESS_WITH_CALLBACK : FLT_PREOP_SUCCESS_NO_CALLBACK;
        fm_callback_enter(&scope, node->objects.Filter, "a pre-operation", operation->requestor.thread,
                          operation->requestor.cancel);
        fm_callback_is_for(operation->iopb.MajorFunction, (const void *)node->callback->pre);
        /* Who completes the operation sets it. */
        operation->data.IoStatus.Status = FM_STATUS_UNSET;
        status = node->callback->pre(&operation->data, &node->objects, context);
        fm_callback_leave(&scope);
        return status;
}

static FLT_POSTOP_CALLBACK_STATUS call_post(PFLT_CALLBACK_DATA data, const struct fm_node *node,
                                            PCFLT_RELATED_OBJECTS objects, FLT_POST_OPERATION_FLAGS flags,
                                            struct fm_cancel *cancel)
{
        struct fm_callback_scope scope;
        FLT_POSTOP_CALLBACK_STATUS status;

        fm_callback_enter(&scope, objects->Filter, "a post-operation", data->Thread, cancel);
        fm_callback_is_for(data->Iopb->MajorFunction, (const void *)node->callback->post);
        status = node->callback->post(data, objects, node->completion_context, flags);
        fm_callback_leave(&scope);
        return status;
}

/*
 * Calls a post-operation that will never see its result. The data is a copy, made of what nobody changes
 * any more: the operation itself is still on its way.
 */
static void call_draining(const struct fm_node *node, const struct fm_requestor *requestor)
{
        struct fm_operation copy = {
                .data = {
                        .Flags = FLTFL_CALLBACK_DATA_IRP_OPERATION | FLTFL_CALLBACK_DATA_DRAINING_IO |
                                 FLTFL_CALLBACK_DATA_POST_OPERATION,
                        .Thread = requestor->thread,
                        .Iopb = &copy.iopb,
                        .RequestorMode = requestor->kernel ? KernelMode : UserMode,
                },
                .iopb = node->saved,
                .requestor = *requestor,
                .volume = node->objects.Volume,
                .life = FM_OPERATION_DRAINING,
                .pended_post = true,
        };
        struct fm_node stand_in = { .callback = node->callback, .operation = &copy, .saved = node->saved,
                                    .objects = node->objects };

        copy.requestor.cancel = NULL;
        if (call_post(&copy.data, node, &node->objects, FLTFL_POST_OPERATION_DRAINING, NULL) !=
            FLT_POSTOP_FINISHED_PROCESSING)
                fm_misuse(&stand_in, "draining-post-operation",
                          "returned something else than FLT_POSTOP_FINISHED_PROCESSING while draining");
        if (fm_operation_extras_peek(&copy))
                fm_operation_extras_free(&copy);
}

static void put_posts(PFLT_INSTANCE instance)
{
        pthread_mutex_lock(&instance->lock);
        if (--instance->posts == 0)
                pthread_cond_broadcast(&instance->idle);
        pthread_mutex_unlock(&instance->lock);
}

/* Records that the post-operation is owed; or calls it at once if the instance drains already. */
static void owe_post(struct fm_node *node, PVOID context, bool stays)
{
        PFLT_INSTANCE instance = node->callback->instance;
        bool draining;

        node->completion_context = context;
        pthread_mutex_lock(&instance->lock);
        draining = instance->draining && !node->swapped;
        if (!draining) {
                node->owed = node->asked = true;
                g_queue_push_tail_link(&instance->nodes, &node->link);
        }
        pthread_mutex_unlock(&instance->lock);
        if (draining) {
                call_draining(node, &node->operation->requestor);
        } else if (stays) {
                node->stays = node->synchronized = true;
                node->operation->must_stay++;
        }
}

/* True for the one who calls it. */
static bool claim_post(struct fm_node *node)
{
        PFLT_INSTANCE instance = node->callback->instance;
        bool claimed;

        if (!node->asked)
                return false;
        pthread_mutex_lock(&instance->lock);
        claimed = node->owed;
        if (claimed) {
                node->owed = false;
                g_queue_unlink(&instance->nodes, &node->link);
                instance->posts++;
        }
        pthread_mutex_unlock(&instance->lock);
        return claimed;
}

void fm_instance_drain(PFLT_INSTANCE instance)
{
        pthread_mutex_lock(&instance->lock);
        instance->draining = true;
        for (GList *link = instance->nodes.head; link;) {
                struct fm_node *node = link->data, copy;
                struct fm_requestor requestor;
                struct fm_stack *stack;
                PFILE_OBJECT file;
                PETHREAD thread;

                link = link->next;
                /* What a borrowed file belongs to may end with the operation, and a file that is being closed can't be
                 * referenced any more: that one is waited for. */
                if (node->swapped || node->operation->file_is_borrowed)
                        continue;
                node->owed = false;
                g_queue_unlink(&instance->nodes, &node->link);
                /* From here on the operation may finish any time: a copy of all that the callback gets. */
                copy = (struct fm_node){
                        .callback = node->callback,
                        .saved = node->saved,
                        .objects = node->objects,
                        .completion_context = node->completion_context,
                };
                requestor = node->operation->requestor;
                stack = fm_stack_ref(node->operation->stack);
                file = copy.objects.FileObject;
                thread = requestor.thread;
                if (file)
                        fm_object_ref(file);
                if (thread)
                        fm_object_ref(thread);
                pthread_mutex_unlock(&instance->lock);

                call_draining(&copy, &requestor);
                fm_object_unref(file);
                fm_object_unref(thread);
                fm_stack_unref(stack);

                pthread_mutex_lock(&instance->lock);
                link = instance->nodes.head;
        }
        while (instance->nodes.length || instance->posts)
                pthread_cond_wait(&instance->idle, &instance->lock);
        pthread_mutex_unlock(&instance->lock);
}

/* The callback has returned "pending". False: the operation is another thread's now, and may be gone already. */
static bool wait_for_completion(struct fm_operation *operation, unsigned must_stay)
{
        int next = must_stay ? PEND_STAYING : PEND_PARKED;
        int before = PEND_RUNNING;

        if (atomic_compare_exchange_strong(&operation->pend, &before, next)) {
                if (!must_stay)
                        return false;
                while (sem_wait(&operation->resumed) < 0)
                        ; /* interrupted by a signal handler */
        }
        atomic_store_explicit(&operation->pend, PEND_IDLE, memory_order_relaxed);
        return true;
}

/* A callback begins, and has not pended the operation. */
static void begin_callback(struct fm_operation *operation, bool post)
{
        operation->pended_post = post;
        atomic_store_explicit(&operation->pend, PEND_RUNNING, memory_order_relaxed);
}

/* It has returned something else than "pending". */
static void end_callback(struct fm_node *node)
{
        struct fm_operation *operation = node->operation;

        if (atomic_exchange_explicit(&operation->pend, PEND_IDLE, memory_order_relaxed) != PEND_RUNNING)
                fm_misuse(node, "completed-twice", "completed the operation as if it were pended, and did not pend it");
}

/* What the way down makes of changed parameters: kept if the filter said so, else lost. */
static void settle_parameters(struct fm_node *node)
{
        struct fm_operation *operation = node->operation;
        PMDL *before, *after;

        if (fm_changed_what_it_must_not(node) || !(operation->data.Flags & FLTFL_CALLBACK_DATA_DIRTY)) {
                operation->data.Flags &= ~(ULONG)FLTFL_CALLBACK_DATA_DIRTY;
                operation->iopb = node->saved;
                return;
        }
        operation->data.Flags &= ~(ULONG)FLTFL_CALLBACK_DATA_DIRTY;
        node->swapped = memcmp(&operation->iopb.Parameters, &node->saved.Parameters,
                               sizeof(operation->iopb.Parameters)) != 0;
        if (!node->swapped)
                return;

        FLT_CALLBACK_DATA old = { .Iopb = &node->saved };
        if (NT_SUCCESS(FltDecodeParameters(&operation->data, &after, NULL, NULL, NULL)) && after && *after &&
            NT_SUCCESS(FltDecodeParameters(&old, &before, NULL, NULL, NULL)) && *before != *after)
                node->swapped_mdl = *after;
}

static void mark_cleaned(struct fm_operation *operation)
{
        struct fm_file_object *file = fm_file_object(operation->iopb.TargetFileObject);

        file->cleaned = true;
        file->file.Flags |= FO_CLEANUP_COMPLETE;
}

/* The pre-operation is over, one way or another. */
static void after_pre(struct fm_node *node, FLT_PREOP_CALLBACK_STATUS status, PVOID context)
{
        struct fm_operation *operation = node->operation;
        PFLT_INSTANCE instance = node->callback->instance;

        settle_parameters(node);
        status = fm_pre_status_checked(node, status, &context);
        switch (status) {
        case FLT_PREOP_SUCCESS_WITH_CALLBACK:
        case FLT_PREOP_SYNCHRONIZE:
                owe_post(node, context,
                         status == FLT_PREOP_SYNCHRONIZE || operation->iopb.MajorFunction == IRP_MJ_CREATE);
                break;
        case FLT_PREOP_DISALLOW_FASTIO:
                operation->data.IoStatus.Status = STATUS_FLT_DISALLOW_FAST_IO;
                operation->descending = false;
                break;
        case FLT_PREOP_DISALLOW_FSFILTER_IO:
                operation->data.IoStatus.Status = FM_STATUS_DISALLOW_FSFILTER_IO;
                operation->descending = false;
                break;
        case FLT_PREOP_COMPLETE:
                operation->error = 0;
                operation->descending = false;
                /* It is over for the file, too: no second one comes. */
                if (operation->iopb.MajorFunction == IRP_MJ_CLEANUP)
                        mark_cleaned(operation);
                break;
        default:
                break;
        }
        if (operation->descending) {
                operation->position++;
                operation->data.IoStatus.Status = STATUS_SUCCESS;
        }
        fm_rundown_release(&instance->object.rundown);
}

static bool descend(struct fm_operation *operation)
{
        struct fm_node *node = &operation->nodes[operation->position];
        FLT_PREOP_CALLBACK_STATUS status;
        PVOID context;

        if (skips(node->callback, operation) ||
            !fm_rundown_acquire(&node->callback->instance->object.rundown)) {
                operation->position++;
                return true;
        }
        prepare(node);
        begin_callback(operation, false);
        status = call_pre(node, &context);
        if (status == FLT_PREOP_PENDING) {
                if (context)
                        fm_misuse(node, "completion-context", "set a completion context and returned FLT_PREOP_PENDING");
                if (!wait_for_completion(operation, operation->must_stay))
                        return false;
                status = (FLT_PREOP_CALLBACK_STATUS)operation->pended_status;
                context = operation->pended_context;
        } else {
                end_callback(node);
        }
        after_pre(node, status, context);
        return true;
}

static void after_post(struct fm_node *node, FLT_POSTOP_CALLBACK_STATUS status)
{
        struct fm_operation *operation = node->operation;

        if (fm_post_status_checked(node, status) == FLT_POSTOP_DISALLOW_FSFILTER_IO)
                operation->data.IoStatus.Status = FM_STATUS_DISALLOW_FSFILTER_IO;
        if (node->swapped_mdl && !node->retain_mdl)
                IoFreeMdl(node->swapped_mdl);
        node->swapped_mdl = NULL;
        put_posts(node->callback->instance);
}

static bool ascend(struct fm_operation *operation)
{
        struct fm_node *node = &operation->nodes[operation->position];
        FLT_POSTOP_CALLBACK_STATUS status;

        if (node->stays)
                operation->must_stay--;
        if (!claim_post(node))
                return true;
        operation->iopb = node->saved;
        operation->data.Flags |= FLTFL_CALLBACK_DATA_POST_OPERATION;
        begin_callback(operation, true);
        status = call_post(&operation->data, node, &node->objects, 0, operation->requestor.cancel);
        if (status == FLT_POSTOP_MORE_PROCESSING_REQUIRED) {
                if (!wait_for_completion(operation, operation->must_stay))
                        return false;
                status = FLT_POSTOP_FINISHED_PROCESSING;
        } else {
                end_callback(node);
        }
        operation->data.Flags &= ~(ULONG)FLTFL_CALLBACK_DATA_DIRTY;
        after_post(node, status);
        return true;
}

static void bottom(struct fm_operation *operation)
{
        struct fm_file_object *file = fm_file_object(operation->iopb.TargetFileObject);
        NTSTATUS status;

        operation->iopb.TargetInstance = NULL;
        operation->volume->fsd->dispatch(operation);
        status = operation->data.IoStatus.Status;
        if (!file)
                return;
        if (operation->iopb.MajorFunction == IRP_MJ_CREATE && NT_SUCCESS(status) && status != STATUS_REPARSE)
                file->opened = true;
        if (operation->iopb.MajorFunction == IRP_MJ_CLEANUP)
                mark_cleaned(operation);
}

/*
 * A create that some filter answered with STATUS_REPARSE starts again at the top, for all filters, with
 * the name that the filter has put into the FILE_OBJECT: a full one, from \Device on, or one on this volume.
 */
static bool restart(struct fm_operation *operation)
{
        static const UNICODE_STRING device = RTL_CONSTANT_STRING(L"\\Device\\");
        UNICODE_STRING *name;
        USHORT prefix = operation->volume->Name.Length;

        if (operation->iopb.MajorFunction != IRP_MJ_CREATE || operation->data.IoStatus.Status != STATUS_REPARSE)
                return false;
        /* The filter that reissued it sees it first; then the create itself starts again. */
        if (operation->data.Flags & FLTFL_CALLBACK_DATA_REISSUED_IO)
                return false;
        name = &operation->iopb.TargetFileObject->FileName;
        if (++operation->reparse_count > REPARSE_LIMIT) {
                fm_operation_set_result(operation, STATUS_REPARSE_POINT_NOT_RESOLVED, 0);
                return false;
        }
        if (RtlPrefixUnicodeString(&operation->volume->Name, name, TRUE) &&
            (name->Length == prefix || name->Buffer[prefix / sizeof(WCHAR)] == '\\')) {
                name->Length = (USHORT)(name->Length - prefix);
                memmove(name->Buffer, (char *)name->Buffer + prefix, name->Length);
        } else if (RtlPrefixUnicodeString(&device, name, TRUE)) {
                fm_operation_set_result(operation, STATUS_NOT_SAME_DEVICE, 0);
                return false;
        }
        operation->iopb = operation->original;
        operation->data.IoStatus = (IO_STATUS_BLOCK){ 0 };
        operation->data.Flags &= ~(ULONG)FLTFL_CALLBACK_DATA_POST_OPERATION;
        fm_dispatch_init(operation);
        return true;
}

void fm_dispatch_proceed(struct fm_operation *operation)
{
        for (;;) {
                if (operation->descending) {
                        if (operation->position < operation->node_count) {
                                if (!descend(operation))
                                        return;
                        } else {
                                bottom(operation);
                                operation->descending = false;
                        }
                } else if (operation->position > 0) {
                        operation->position--;
                        if (!ascend(operation))
                                return;
                } else if (!restart(operation)) {
                        operation->iopb = operation->original;
                        operation->done(operation, operation->done_context);
                        return;
                }
        }
}

/* The filter's own callback runs or has pended the operation: it is his to complete. */
static bool may_complete(struct fm_operation *operation, const char *function, bool post)
{
        const char *filter = fm_thread_self()->filter;
        int state = atomic_load(&operation->pend);

        if (state == PEND_IDLE || state == PEND_COMPLETED || operation->position >= operation->node_count ||
            (filter && strcmp(filter, operation->nodes[operation->position].objects.Filter->name) != 0)) {
                fm_violation("completed-twice", "%s for an operation that is not pended", function);
                return false;
        }
        if (operation->pended_post != post) {
                fm_violation("complete-pended", "%s for an operation in its %s-operation", function,
                             operation->pended_post ? "post" : "pre");
                return false;
        }
        return true;
}

/* True: the caller of the completing function has to go on with the operation. */
static bool complete_pended(struct fm_operation *operation, int status, void *context)
{
        operation->pended_status = status;
        operation->pended_context = context;
        switch (atomic_exchange(&operation->pend, PEND_COMPLETED)) {
        case PEND_PARKED:
                atomic_store_explicit(&operation->pend, PEND_IDLE, memory_order_relaxed);
                return true;
        case PEND_STAYING:
                sem_post(&operation->resumed);
                return false;
        case PEND_COMPLETED:
                fm_violation("completed-twice", "a pended operation was completed twice");
                return false;
        default:
                return false;
        }
}

/*
 * Goes on with an operation whose pre-operation returned FLT_PREOP_PENDING, also when that has not returned yet.
 *
 * CallbackStatus: FLT_PREOP_SUCCESS_WITH_CALLBACK (then Context is the completion context),
 * FLT_PREOP_SUCCESS_NO_CALLBACK or FLT_PREOP_COMPLETE; anything else is reported and taken as the second. Lower
 * filters, the bottom and all post-operations that don't need the original thread run before this returns.
 * IRQL <= APC_LEVEL (DISPATCH_LEVEL with FLT_PREOP_COMPLETE).
 */
VOID FltCompletePendedPreOperation(PFLT_CALLBACK_DATA CallbackData, FLT_PREOP_CALLBACK_STATUS CallbackStatus,
                                   PVOID Context)
{
        struct fm_operation *operation = fm_operation_checked(__func__, CallbackData);
        struct fm_node *node;

        if (!operation || !may_complete(operation, __func__, false))
                return;
        node = &operation->nodes[operation->position];
        if (CallbackStatus == FLT_PREOP_PENDING || CallbackStatus == FLT_PREOP_SYNCHRONIZE) {
                fm_violation("complete-pended", "FltCompletePendedPreOperation with status %d", CallbackStatus);
                CallbackStatus = FLT_PREOP_SUCCESS_NO_CALLBACK;
        }
        if (!complete_pended(operation, CallbackStatus, Context))
                return;
        after_pre(node, CallbackStatus, Context);
        fm_dispatch_proceed(operation);
}

/*
 * Goes on with an operation whose post-operation returned FLT_POSTOP_MORE_PROCESSING_REQUIRED, also when that has
 * not returned yet. IRQL <= DISPATCH_LEVEL.
 */
VOID FltCompletePendedPostOperation(PFLT_CALLBACK_DATA CallbackData)
{
        struct fm_operation *operation = fm_operation_checked(__func__, CallbackData);
        struct fm_node *node;

        if (!operation || !may_complete(operation, __func__, true))
                return;
        node = &operation->nodes[operation->position];
        if (!complete_pended(operation, 0, NULL))
                return;
        operation->data.Flags &= ~(ULONG)FLTFL_CALLBACK_DATA_DIRTY;
        after_post(node, FLT_POSTOP_FINISHED_PROCESSING);
        fm_dispatch_proceed(operation);
}

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
 * STATUS_INVALID_PARAMETER, which is reported, for misuse. IRQL <= APC_LEVEL.
 */
VOID FltReissueSynchronousIo(PFLT_INSTANCE InitiatingInstance, PFLT_CALLBACK_DATA CallbackData)
{
        struct fm_operation *operation = fm_operation_from_data(CallbackData), *again;
        NTSTATUS status;

        fm_check_irql(__func__, APC_LEVEL);
        status = may_reissue(operation, InitiatingInstance);
        if (!NT_SUCCESS(status)) {
                fm_operation_set_result(operation, status, 0);
                return;
        }
        if (!(CallbackData->Flags & FLTFL_CALLBACK_DATA_DIRTY))
                operation->iopb = operation->nodes[operation->position].saved;
        CallbackData->Flags &= ~(ULONG)FLTFL_CALLBACK_DATA_DIRTY;
        if (CallbackData->TagData)
                ExFreePool(CallbackData->TagData);
        CallbackData->TagData = NULL;

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
        fm_operation_run(again);

        CallbackData->IoStatus = again->data.IoStatus;
        CallbackData->TagData = again->data.TagData;
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
        operation->nodes[operation->position].retain_mdl = true;
}
