/* SPDX-License-Identifier: MIT */
/*
 * Making and freeing operations, and their results.
 *
 * An operation and the nodes of all filters that may see it are one block. Each thread keeps a few blocks, so that
 * in steady state an operation allocates nothing.
 */
#include "fltmgr/operation.h"

#include "fltmgr/dispatch.h"
#include "fltmgr/extras.h"
#include "fltmgr/manager.h"
#include "fltmgr/misuse.h"
#include "nt/object.h"
#include "nt/process.h"
#include "nt/status.h"
#include "nt/verifier.h"

#define BLOCK_SIZE 4096
#ifdef __SANITIZE_ADDRESS__
#define BLOCKS_KEPT 0 /* so that the use of what is over is seen */
#else
#define BLOCKS_KEPT 8
#endif

struct block_cache {
        unsigned count;
        void *blocks[BLOCKS_KEPT];
};

static void block_cache_free(gpointer opaque)
{
        struct block_cache *cache = opaque;

        while (cache->count)
                free(cache->blocks[--cache->count]);
        g_free(cache);
}

static GPrivate block_cache = G_PRIVATE_INIT(block_cache_free);

static void *block_alloc(size_t size)
{
        struct block_cache *cache = g_private_get(&block_cache);

        if (size > BLOCK_SIZE)
                return g_malloc(size);
        if (!cache) {
                cache = g_new0(struct block_cache, 1);
                g_private_set(&block_cache, cache);
        }
        return cache->count ? cache->blocks[--cache->count] : g_malloc(BLOCK_SIZE);
}

static void block_free(void *block, size_t size)
{
        struct block_cache *cache = g_private_get(&block_cache);

        if (size <= BLOCK_SIZE && cache && cache->count + 1 <= BLOCKS_KEPT)
                cache->blocks[cache->count++] = block;
        else
                free(block);
}

static size_t operation_size(unsigned nodes)
{
        return sizeof(struct fm_operation) + nodes * sizeof(struct fm_node);
}

static ULONG irp_flags_of(UCHAR major)
{
        switch (major) {
        case IRP_MJ_CREATE:
                return IRP_CREATE_OPERATION | IRP_SYNCHRONOUS_API;
        case IRP_MJ_READ:
                return IRP_READ_OPERATION | IRP_SYNCHRONOUS_API;
        case IRP_MJ_WRITE:
                return IRP_WRITE_OPERATION | IRP_SYNCHRONOUS_API;
        case IRP_MJ_CLOSE:
        case IRP_MJ_CLEANUP:
                return IRP_CLOSE_OPERATION | IRP_SYNCHRONOUS_API;
        default:
                return IRP_SYNCHRONOUS_API;
        }
}

static struct fm_operation *operation_alloc(PFLT_VOLUME volume, UCHAR major, PFILE_OBJECT file,
                                            const struct fm_requestor *requestor)
{
        struct fm_stack *stack = fm_volume_stack_ref(volume);
        unsigned nodes = stack->majors[fm_major_index(major)].count;
        struct fm_operation *operation = block_alloc(operation_size(nodes));

        memset(operation, 0, operation_size(nodes));
        atomic_init(&operation->life, FM_OPERATION_ALIVE);
        operation->nodes = (struct fm_node *)(operation + 1);
        operation->node_count = nodes;
        operation->stack = stack;
        operation->volume = volume;
        operation->requestor = *requestor;
        operation->data.Flags = FLTFL_CALLBACK_DATA_IRP_OPERATION;
        /* Windows exposes these two as constant fields. */
        *(PETHREAD *)&operation->data.Thread = requestor->thread;
        *(PFLT_IO_PARAMETER_BLOCK *)&operation->data.Iopb = &operation->iopb;
        operation->mode = requestor->kernel || major == IRP_MJ_CLEANUP || major == IRP_MJ_CLOSE ? KernelMode : UserMode;
        operation->data.RequestorMode = operation->mode;
        operation->iopb.MajorFunction = major;
        operation->iopb.IrpFlags = irp_flags_of(major);
        operation->iopb.TargetFileObject = file;
        if (major == IRP_MJ_CREATE) {
                operation->security_context.AccessState = &operation->access_state;
                operation->iopb.Parameters.Create.SecurityContext = &operation->security_context;
        }
        sem_init(&operation->resumed, 0, 0);
        sem_init(&operation->finished, 0, 0);
        return operation;
}

/* On the thread of whoever makes the first operation, and taken for that. */
static void attach_first(PFLT_VOLUME volume, const struct fm_requestor *requestor)
{
        struct fm_thread *self = fm_thread_self();
        PETHREAD saved = self->thread;

        self->thread = requestor->thread;
        fm_volume_attach_due(volume);
        self->thread = saved;
}

struct fm_operation *fm_operation_new(PFLT_VOLUME volume, UCHAR major, PFILE_OBJECT file,
                                      const struct fm_requestor *requestor)
{
        if (atomic_load_explicit(&volume->attach_is_due, memory_order_acquire) && major != IRP_MJ_VOLUME_MOUNT)
                attach_first(volume, requestor);
        if (file)
                fm_object_ref(file);
        return operation_alloc(volume, major, file, requestor);
}

struct fm_operation *fm_operation_new_borrowed(PFLT_VOLUME volume, UCHAR major, PFILE_OBJECT file,
                                               const struct fm_requestor *requestor)
{
        struct fm_operation *operation = operation_alloc(volume, major, file, requestor);

        operation->file_is_borrowed = true;
        return operation;
}

struct fm_operation *fm_operation_new_generated(PFLT_INSTANCE instance, UCHAR major, PFILE_OBJECT file)
{
        struct fm_thread *self = fm_thread_self();
        /* Not self->thread: what a thread of the system asks for comes from that thread. */
        struct fm_requestor requestor = { .thread = PsGetCurrentThread(), .kernel = true, .cancel = self->cancel };
        struct fm_operation *operation;

        /* Not the first one: there is an instance. It must not wait for its own setup. */
        if (file)
                fm_object_ref(file);
        operation = operation_alloc(instance->volume, major, file, &requestor);
        operation->data.Flags |= FLTFL_CALLBACK_DATA_GENERATED_IO;
        fm_flt_object_ref(instance);
        operation->below = instance;
        return operation;
}

void fm_operation_clear_tag_data(struct fm_operation *operation)
{
        if (operation->data.TagData)
                ExFreePool(operation->data.TagData);
        operation->data.TagData = NULL;
}

void fm_operation_free(struct fm_operation *operation)
{
        fm_operation_clear_tag_data(operation);
        if (fm_operation_extras_peek(operation))
                fm_operation_extras_free(operation);
        if (!operation->file_is_borrowed)
                fm_object_unref(operation->original.TargetFileObject ? operation->original.TargetFileObject :
                                                                        operation->iopb.TargetFileObject);
        fm_flt_object_unref(operation->below);
        sem_destroy(&operation->resumed);
        sem_destroy(&operation->finished);
        fm_operation_bury(operation);

        struct fm_stack *stack = operation->stack;
        block_free(operation, operation_size(stack->majors[fm_major_index(operation->iopb.MajorFunction)].count));
        fm_stack_unref(stack);
}

void fm_operation_submit(struct fm_operation *operation, fm_operation_done_fn *done, void *context)
{
        operation->done = done;
        operation->done_context = context;
        fm_dispatch_init(operation);
        fm_dispatch_proceed(operation);
}

static void wake_runner(struct fm_operation *operation, void *context)
{
        sem_post(&operation->finished);
}

NTSTATUS fm_operation_run(struct fm_operation *operation)
{
        fm_operation_submit(operation, wake_runner, NULL);
        while (sem_wait(&operation->finished) < 0)
                ; /* interrupted by a signal handler */
        return operation->data.IoStatus.Status;
}

int fm_operation_errno(struct fm_operation *operation)
{
        NTSTATUS status = operation->data.IoStatus.Status;

        if (operation->error && status == operation->error_status)
                return operation->error;
        return fm_errno_from_status(status);
}

void fm_operation_set_error_as(struct fm_operation *operation, int error, NTSTATUS status)
{
        operation->error = error;
        operation->error_status = status;
        operation->data.IoStatus.Status = status;
        if (error)
                operation->data.IoStatus.Information = 0;
}

void fm_operation_set_error(struct fm_operation *operation, int error)
{
        fm_operation_set_error_as(operation, error, fm_status_from_errno(error));
}

void fm_operation_set_result(struct fm_operation *operation, NTSTATUS status, ULONG_PTR information)
{
        operation->error = 0;
        operation->error_status = STATUS_SUCCESS;
        operation->data.IoStatus.Status = status;
        operation->data.IoStatus.Information = information;
}
