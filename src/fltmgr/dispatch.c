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
 * IRQL. Callbacks run at that of the thread, PASSIVE_LEVEL. If the verifier raises completions, post-operations run at
 * DISPATCH_LEVEL from the bottom on, up to one that is synchronized or that pends the operation.
 *
 * Draining. A post-operation that is owed is in its instance's list. Whoever takes it off that list, the operation on
 * its way up or the teardown (drain.c), calls it; so it is called once. While the teardown calls it, the operation gets
 * no further up than to that filter.
 */
#include "fltmgr/dispatch.h"

#include "fltmgr/altitude.h"
#include "fltmgr/extras.h"
#include "fltmgr/fsd.h"
#include "fltmgr/misuse.h"
#include "fltmgr/section.h"
#include "nt/ke.h"
#include "nt/object.h"
#include "nt/verifier.h"

/* Linux gives up after 40 symbolic links, too. */
#define REPARSE_LIMIT 40

#define KIND_FLAGS                                                                                                     \
        (FLTFL_CALLBACK_DATA_IRP_OPERATION | FLTFL_CALLBACK_DATA_FAST_IO_OPERATION |                                   \
         FLTFL_CALLBACK_DATA_FS_FILTER_OPERATION | FLTFL_CALLBACK_DATA_GENERATED_IO |                                  \
         FLTFL_CALLBACK_DATA_REISSUED_IO)

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
        operation->kind = operation->data.Flags & KIND_FLAGS;
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
        fm_callback_is_for(&operation->iopb, (const void *)node->callback->pre);
        /* Who completes the operation sets it. */
        operation->data.IoStatus.Status = FM_STATUS_UNSET;
        status = node->callback->pre(&operation->data, &node->objects, context);
        fm_callback_leave(&scope);
        return status;
}

FLT_POSTOP_CALLBACK_STATUS fm_node_call_post(const struct fm_node *node, PFLT_CALLBACK_DATA data,
                                             FLT_POST_OPERATION_FLAGS flags, struct fm_cancel *cancel)
{
        struct fm_thread *self = fm_thread_self();
        struct fm_callback_scope scope;
        FLT_POSTOP_CALLBACK_STATUS status;
        bool raised = fm_operation_from_data(data)->raised;
        KIRQL irql = self->irql;

        if (raised)
                self->irql = DISPATCH_LEVEL;
        fm_callback_enter(&scope, node->objects.Filter, "a post-operation", raised ? NULL : data->Thread, cancel);
        fm_callback_is_for(data->Iopb, (const void *)node->callback->post);
        self->draining = flags & FLTFL_POST_OPERATION_DRAINING;
        status = node->callback->post(data, &node->objects, node->completion_context, flags);
        fm_callback_leave(&scope);
        self->irql = irql;
        return status;
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
        bool draining, drained;

        node->completion_context = context;
        pthread_mutex_lock(&instance->lock);
        draining = instance->draining;
        drained = draining && !node->swapped;
        if (!drained) {
                node->owed = node->asked = true;
                g_queue_push_tail_link(&instance->nodes, &node->link);
        }
        pthread_mutex_unlock(&instance->lock);
        if (drained) {
                fm_node_drain(node);
                return;
        }
        /* Between callbacks nobody waits for that to happen; who is called next finds it cancelled. */
        if (draining)
                fm_operation_cancel(node->operation);
        if (stays) {
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
        while (node->draining)
                pthread_cond_wait(&instance->idle, &instance->lock);
        claimed = node->owed;
        if (claimed) {
                node->owed = false;
                g_queue_unlink(&instance->nodes, &node->link);
                instance->posts++;
        }
        pthread_mutex_unlock(&instance->lock);
        return claimed;
}

static void forget_pended(struct fm_node *node)
{
        PFLT_INSTANCE instance = node->callback->instance;

        pthread_mutex_lock(&instance->lock);
        g_queue_unlink(&instance->pended, &node->link);
        pthread_mutex_unlock(&instance->lock);
}

/* The callback has returned "pending". False: the operation is another thread's now, and may be gone already. */
static bool wait_for_completion(struct fm_node *node)
{
        struct fm_operation *operation = node->operation;
        PFLT_INSTANCE instance = node->callback->instance;
        bool must_stay = operation->must_stay;
        int before = PEND_RUNNING;

        node->pended_since = g_get_monotonic_time();
        pthread_mutex_lock(&instance->lock);
        g_queue_push_tail_link(&instance->pended, &node->link);
        pthread_mutex_unlock(&instance->lock);
        if (atomic_compare_exchange_strong(&operation->pend, &before, must_stay ? PEND_STAYING : PEND_PARKED)) {
                if (!must_stay)
                        return false;
                while (sem_wait(&operation->resumed) < 0)
                        ; /* interrupted by a signal handler */
        }
        atomic_store_explicit(&operation->pend, PEND_IDLE, memory_order_relaxed);
        forget_pended(node);
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

/* The MDL and the buffer that the parameters name; false: they name none, or more than one. */
static bool only_buffer(FLT_IO_PARAMETER_BLOCK *iopb, PMDL *mdl, PVOID *buffer)
{
        FLT_CALLBACK_DATA data = { .Flags = FLTFL_CALLBACK_DATA_IRP_OPERATION, .Iopb = iopb };
        PMDL *mdl_place;
        PVOID *buffer_place;

        if (!NT_SUCCESS(FltDecodeParameters(&data, &mdl_place, &buffer_place, NULL, NULL)))
                return false;
        *mdl = mdl_place ? *mdl_place : NULL;
        *buffer = *buffer_place;
        switch (iopb->MajorFunction) {
        case IRP_MJ_DIRECTORY_CONTROL:
        case IRP_MJ_QUERY_EA:
        case IRP_MJ_FILE_SYSTEM_CONTROL:
        case IRP_MJ_DEVICE_CONTROL:
        case IRP_MJ_INTERNAL_DEVICE_CONTROL:
                return false;
        default:
                return true;
        }
}

/* Notes whether the filter has put in a buffer of its own, and its MDL. */
static void note_swapped(struct fm_node *node)
{
        FLT_IO_PARAMETER_BLOCK *now = &node->operation->iopb, *before = &node->saved;
        PMDL mdl = NULL, old_mdl = NULL;
        PVOID buffer, old_buffer;

        if (memcmp(&now->Parameters, &before->Parameters, sizeof(now->Parameters)) == 0 ||
            now->MajorFunction == IRP_MJ_LOCK_CONTROL)
                return;
        if (only_buffer(now, &mdl, &buffer) && only_buffer(before, &old_mdl, &old_buffer))
                node->swapped = mdl != old_mdl || buffer != old_buffer;
        else
                node->swapped = true;
        if (mdl != old_mdl)
                node->swapped_mdl = mdl;
}

/* What the way down makes of changed parameters: kept if the filter said so, else lost. */
static void settle_parameters(struct fm_node *node)
{
        struct fm_operation *operation = node->operation;

        if (fm_changed_what_it_must_not(node) || !(operation->data.Flags & FLTFL_CALLBACK_DATA_DIRTY)) {
                operation->data.Flags &= ~(ULONG)FLTFL_CALLBACK_DATA_DIRTY;
                operation->iopb = node->saved;
                return;
        }
        operation->data.Flags &= ~(ULONG)FLTFL_CALLBACK_DATA_DIRTY;
        note_swapped(node);
        if (node->swapped)
                fm_check_swapped_buffer(node);
}

/* The swapped-in MDL belongs to us from the end of the pre-operation on, unless the filter has said otherwise. */
static void free_swapped_mdl(struct fm_node *node)
{
        if (node->swapped_mdl && !node->retain_mdl)
                IoFreeMdl(node->swapped_mdl);
        node->swapped_mdl = NULL;
}

static void mark_cleaned(struct fm_operation *operation)
{
        struct fm_file_object *file = fm_file_object(operation->iopb.TargetFileObject);

        file->cleaned = true;
        fm_file_object_change_flags(&file->file, FO_CLEANUP_COMPLETE, 0);
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
                owe_post(node, context, FLT_IS_IRP_OPERATION(&operation->data) &&
                                                (status == FLT_PREOP_SYNCHRONIZE ||
                                                 operation->iopb.MajorFunction == IRP_MJ_CREATE));
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
                operation->data.IoStatus = (IO_STATUS_BLOCK){ 0 };
        } else {
                free_swapped_mdl(node);
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
        /* Only an IRP can wait for somebody else; what is left is judged as a wrong status. */
        if (status == FLT_PREOP_PENDING && FLT_IS_IRP_OPERATION(&operation->data)) {
                if (context)
                        fm_misuse(node, "completion-context", "set a completion context and returned FLT_PREOP_PENDING");
                if (!wait_for_completion(node))
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

        operation->data.Flags &= ~(ULONG)FLTFL_CALLBACK_DATA_DIRTY;
        if (fm_post_status_checked(node, status) == FLT_POSTOP_DISALLOW_FSFILTER_IO)
                operation->data.IoStatus.Status = FM_STATUS_DISALLOW_FSFILTER_IO;
        free_swapped_mdl(node);
        put_posts(node->callback->instance);
}

static bool ascend(struct fm_operation *operation)
{
        struct fm_node *node = &operation->nodes[operation->position];
        FLT_POSTOP_CALLBACK_STATUS status;

        if (node->stays) {
                operation->must_stay--;
                operation->raised = false;
        }
        if (!claim_post(node)) {
                free_swapped_mdl(node);
                return true;
        }
        operation->iopb = node->saved;
        operation->data.Flags |= FLTFL_CALLBACK_DATA_POST_OPERATION;
        node->given = operation->data.IoStatus.Status;
        begin_callback(operation, true);
        status = fm_node_call_post(node, &operation->data, 0, operation->requestor.cancel);
        if (status == FLT_POSTOP_MORE_PROCESSING_REQUIRED && FLT_IS_IRP_OPERATION(&operation->data)) {
                if (!wait_for_completion(node))
                        return false;
                operation->raised = false;
                status = FLT_POSTOP_FINISHED_PROCESSING;
        } else {
                end_callback(node);
        }
        after_post(node, status);
        return true;
}

static void bottom(struct fm_operation *operation)
{
        struct fm_file_object *file = fm_file_object(operation->iopb.TargetFileObject);
        NTSTATUS status;

        operation->iopb.TargetInstance = NULL;
        if (file && fm_is_data_scanned(file))
                fm_data_scan_notify(operation);
        operation->volume->fsd->dispatch(operation);
        status = operation->data.IoStatus.Status;
        if (!file)
                return;
        if (operation->iopb.MajorFunction == IRP_MJ_CREATE && NT_SUCCESS(status) && status != STATUS_REPARSE) {
                file->opened = true;
                /* Only now it is known whose data an overwriting open takes away. */
                if (fm_is_data_scanned(file))
                        fm_data_scan_notify(operation);
        }
        if (operation->iopb.MajorFunction == IRP_MJ_CLEANUP)
                mark_cleaned(operation);
        /* From here on nothing can be set on the file, nor be had of it. */
        if (operation->iopb.MajorFunction == IRP_MJ_CLOSE)
                file->stream = NULL;
}

/* An IRP may be completed by an interrupt's DPC; creates are waited for by the I/O manager. */
static bool completes_raised(const struct fm_operation *operation)
{
        return G_UNLIKELY(fm_verifier_raises_completions()) && FLT_IS_IRP_OPERATION(&operation->data) &&
               operation->iopb.MajorFunction != IRP_MJ_CREATE;
}

/*
 * A create that some filter answered with STATUS_REPARSE starts again at the top, for all filters, with
 * the name that the filter has put into the FILE_OBJECT: a full one, from \Device on, or one on this volume.
 *
 * What the file system itself answers so has the reparse point's tag in Information. A filter that knows the tag makes
 * IO_REPARSE of it, with another name, or reissues the create; else nobody does.
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
        if (operation->data.IoStatus.Information > IO_REMOUNT) {
                fm_operation_set_result(operation, STATUS_IO_REPARSE_TAG_NOT_HANDLED, 0);
                return false;
        }
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
        fm_operation_clear_tag_data(operation);
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
                                operation->raised = completes_raised(operation);
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

/* The operation, with its file, may be gone before the caller's own callback is: no report must name it any more. */
static void forget_file(void)
{
        fm_thread_self()->file = NULL;
}

/* True: the caller of the completing function has to go on with the operation. */
static bool complete_pended(struct fm_operation *operation, int status, void *context)
{
        operation->pended_status = status;
        operation->pended_context = context;
        switch (atomic_exchange(&operation->pend, PEND_COMPLETED)) {
        case PEND_PARKED:
                forget_file();
                atomic_store_explicit(&operation->pend, PEND_IDLE, memory_order_relaxed);
                forget_pended(&operation->nodes[operation->position]);
                return true;
        case PEND_STAYING:
                forget_file();
                sem_post(&operation->resumed);
                return false;
        case PEND_COMPLETED:
                fm_violation("completed-twice", "a pended operation was completed twice");
                return false;
        default:
                return false;
        }
}

/* Goes on with an operation that was pended, and is not any more. */
static void resume(struct fm_node *node)
{
        struct fm_operation *operation = node->operation;

        operation->raised = false;
        if (operation->pended_post)
                after_post(node, FLT_POSTOP_FINISHED_PROCESSING);
        else
                after_pre(node, (FLT_PREOP_CALLBACK_STATUS)operation->pended_status, operation->pended_context);
        fm_dispatch_proceed(operation);
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
        struct fm_operation *operation;
        struct fm_node *node;

        fm_check_irql(__func__, CallbackStatus == FLT_PREOP_COMPLETE ? DISPATCH_LEVEL : APC_LEVEL);
        operation = fm_operation_checked(__func__, CallbackData);
        if (!operation || !may_complete(operation, __func__, false))
                return;
        node = &operation->nodes[operation->position];
        if (CallbackStatus == FLT_PREOP_PENDING || CallbackStatus == FLT_PREOP_SYNCHRONIZE) {
                fm_violation("complete-pended", "FltCompletePendedPreOperation with status %d", CallbackStatus);
                CallbackStatus = FLT_PREOP_SUCCESS_NO_CALLBACK;
        }
        if (complete_pended(operation, CallbackStatus, Context))
                resume(node);
}

/*
 * Goes on with an operation whose post-operation returned FLT_POSTOP_MORE_PROCESSING_REQUIRED, also when that has
 * not returned yet. IRQL <= DISPATCH_LEVEL.
 */
VOID FltCompletePendedPostOperation(PFLT_CALLBACK_DATA CallbackData)
{
        struct fm_operation *operation;
        struct fm_node *node;

        fm_check_irql(__func__, DISPATCH_LEVEL);
        operation = fm_operation_checked(__func__, CallbackData);
        if (!operation || !may_complete(operation, __func__, true))
                return;
        node = &operation->nodes[operation->position];
        if (complete_pended(operation, 0, NULL))
                resume(node);
}

unsigned fm_instance_pended_pres(PFLT_INSTANCE instance)
{
        unsigned count = 0;

        pthread_mutex_lock(&instance->lock);
        for (GList *link = instance->pended.head; link; link = link->next)
                count += !((struct fm_node *)link->data)->operation->pended_post;
        pthread_mutex_unlock(&instance->lock);
        return count;
}

/* The next that is still pended, taken from whoever may come to complete it; NULL: none is. */
static struct fm_node *take_pended(PFLT_INSTANCE instance, int *state)
{
        struct fm_node *taken = NULL;

        /* While it is in the list it is not complete, hence alive. */
        pthread_mutex_lock(&instance->lock);
        for (GList *link = instance->pended.head; link && !taken; link = link->next) {
                struct fm_node *node = link->data;

                *state = atomic_load(&node->operation->pend);
                if ((*state == PEND_PARKED || *state == PEND_STAYING) &&
                    atomic_compare_exchange_strong(&node->operation->pend, state, PEND_COMPLETED))
                        taken = node;
        }
        pthread_mutex_unlock(&instance->lock);
        return taken;
}

unsigned fm_instance_give_up_pended(PFLT_INSTANCE instance)
{
        unsigned count;
        struct fm_node *node;
        int state;

        for (count = 0; (node = take_pended(instance, &state)); count++) {
                struct fm_operation *operation = node->operation;
                UCHAR major = operation->iopb.MajorFunction;
                bool post = operation->pended_post;

                fm_misuse(node, "pended-for-ever",
                          "pended the operation %.1f s ago, and InstanceTeardownStart did not complete it",
                          (double)(g_get_monotonic_time() - node->pended_since) / G_USEC_PER_SEC);
                operation->pended_status = FLT_PREOP_SUCCESS_NO_CALLBACK;
                operation->pended_context = NULL;
                if (!post && major != IRP_MJ_CLEANUP && major != IRP_MJ_CLOSE) {
                        operation->pended_status = FLT_PREOP_COMPLETE;
                        operation->data.IoStatus = (IO_STATUS_BLOCK){ .Status = STATUS_CANCELLED };
                }
                if (state == PEND_STAYING) {
                        sem_post(&operation->resumed);
                        continue;
                }
                atomic_store_explicit(&operation->pend, PEND_IDLE, memory_order_relaxed);
                forget_pended(node);
                resume(node);
        }
        return count;
}
