/* SPDX-License-Identifier: MIT */
/* See stress-filters.h. */
#include "stress-filters.h"

#include <string.h>

#include "fltmgr/loader.h"
#include "fltmgr/manager.h"
#include "nt/registry.h"
#include "nt/verifier.h"

_Atomic uint64_t stress_asked, stress_posts, stress_drained, stress_pended, stress_contexts, stress_cleanups, stress_swapped;

const char *const stress_names[STRESS_FILTERS] = { "stress-contexts", "stress-pends", "stress-swaps" };

static const char *const altitudes[STRESS_FILTERS] = { "380000", "370000", "375000" };
static PFLT_FILTER filters[STRESS_FILTERS];

static FLT_PREOP_CALLBACK_STATUS ask(void)
{
        atomic_fetch_add(&stress_asked, 1);
        return FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

static void got_post(FLT_POST_OPERATION_FLAGS flags)
{
        atomic_fetch_add(&stress_posts, 1);
        if (flags & FLTFL_POST_OPERATION_DRAINING)
                atomic_fetch_add(&stress_drained, 1);
}

static NTSTATUS FLTAPI agree(PCFLT_RELATED_OBJECTS objects, FLT_INSTANCE_QUERY_TEARDOWN_FLAGS flags)
{
        return STATUS_SUCCESS;
}

static VOID FLTAPI cleanup(PFLT_CONTEXT context, FLT_CONTEXT_TYPE type)
{
        atomic_fetch_add(&stress_cleanups, 1);
}

static const FLT_CONTEXT_REGISTRATION contexts[] = {
        { FLT_STREAMHANDLE_CONTEXT, 0, cleanup, 64, 'rtsS' },
        { FLT_STREAM_CONTEXT, 0, cleanup, 64, 'rtsS' },
        { FLT_INSTANCE_CONTEXT, 0, cleanup, FLT_VARIABLE_SIZED_CONTEXTS, 'rtsS' },
        { FLT_CONTEXT_END },
};

static PVOID new_context(PFLT_FILTER filter, FLT_CONTEXT_TYPE type, SIZE_T size)
{
        PFLT_CONTEXT context;

        if (!NT_SUCCESS(FltAllocateContext(filter, type, size, NonPagedPool, &context)))
                return NULL;
        atomic_fetch_add(&stress_contexts, 1);
        memset(context, 0, size);
        return context;
}

/* ---- contexts: each operation carries one from its pre-operation to its post-operation ---- */

static FLT_PREOP_CALLBACK_STATUS FLTAPI contexts_pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        if (data->Iopb->MajorFunction == IRP_MJ_CREATE)
                *context = new_context(objects->Filter, FLT_STREAMHANDLE_CONTEXT, 64);
        else if (!NT_SUCCESS(FltGetStreamHandleContext(objects->Instance, objects->FileObject, context)))
                *context = NULL;
        return ask();
}

static void set_stream_context(PCFLT_RELATED_OBJECTS objects)
{
        PFLT_CONTEXT old, new = new_context(objects->Filter, FLT_STREAM_CONTEXT, 64);

        if (!new)
                return;
        if (FltSetStreamContext(objects->Instance, objects->FileObject,
                                atomic_load(&stress_contexts) % 2 ? FLT_SET_CONTEXT_REPLACE_IF_EXISTS :
                                                                    FLT_SET_CONTEXT_KEEP_IF_EXISTS,
                                new, &old) != STATUS_FLT_DELETING_OBJECT &&
            old)
                FltReleaseContext(old);
        FltReleaseContext(new);
}

static FLT_POSTOP_CALLBACK_STATUS FLTAPI contexts_post(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID context,
                                                       FLT_POST_OPERATION_FLAGS flags)
{
        got_post(flags);
        if (!(flags & FLTFL_POST_OPERATION_DRAINING) && data->Iopb->MajorFunction == IRP_MJ_CREATE &&
            data->IoStatus.Status == STATUS_SUCCESS) {
                if (context)
                        FltSetStreamHandleContext(objects->Instance, objects->FileObject, FLT_SET_CONTEXT_KEEP_IF_EXISTS,
                                                  context, NULL);
                set_stream_context(objects);
        }
        if (context)
                FltReleaseContext(context);
        return FLT_POSTOP_FINISHED_PROCESSING;
}

/* ---- pends: in a work item, in a cancel-safe queue, after the operation ---- */

struct queue {
        FLT_CALLBACK_DATA_QUEUE cbdq;
        KSPIN_LOCK lock;
        LIST_ENTRY list;
};

static NTSTATUS FLTAPI queue_insert(PFLT_CALLBACK_DATA_QUEUE cbdq, PFLT_CALLBACK_DATA data, PVOID context)
{
        InsertTailList(&CONTAINING_RECORD(cbdq, struct queue, cbdq)->list, &data->QueueLinks);
        return STATUS_SUCCESS;
}

static VOID FLTAPI queue_remove(PFLT_CALLBACK_DATA_QUEUE cbdq, PFLT_CALLBACK_DATA data)
{
        RemoveEntryList(&data->QueueLinks);
}

static PFLT_CALLBACK_DATA FLTAPI queue_peek(PFLT_CALLBACK_DATA_QUEUE cbdq, PFLT_CALLBACK_DATA data, PVOID context)
{
        struct queue *queue = CONTAINING_RECORD(cbdq, struct queue, cbdq);
        PLIST_ENTRY next = data ? data->QueueLinks.Flink : queue->list.Flink;

        return next == &queue->list ? NULL : CONTAINING_RECORD(next, FLT_CALLBACK_DATA, QueueLinks);
}

static VOID FLTAPI queue_acquire(PFLT_CALLBACK_DATA_QUEUE cbdq, PKIRQL irql)
{
        KeAcquireSpinLock(&CONTAINING_RECORD(cbdq, struct queue, cbdq)->lock, irql);
}

static VOID FLTAPI queue_release(PFLT_CALLBACK_DATA_QUEUE cbdq, KIRQL irql)
{
        KeReleaseSpinLock(&CONTAINING_RECORD(cbdq, struct queue, cbdq)->lock, irql);
}

static VOID FLTAPI queue_cancelled(PFLT_CALLBACK_DATA_QUEUE cbdq, PFLT_CALLBACK_DATA data)
{
        atomic_fetch_add(&stress_asked, 1);
        FltCompletePendedPreOperation(data, FLT_PREOP_SUCCESS_WITH_CALLBACK, NULL);
}

static void empty_queue(struct queue *queue)
{
        PFLT_CALLBACK_DATA data;

        while ((data = FltCbdqRemoveNextIo(&queue->cbdq, NULL))) {
                atomic_fetch_add(&stress_asked, 1);
                FltCompletePendedPreOperation(data, FLT_PREOP_SUCCESS_WITH_CALLBACK, NULL);
        }
}

static NTSTATUS FLTAPI pends_setup(PCFLT_RELATED_OBJECTS objects, FLT_INSTANCE_SETUP_FLAGS flags, DEVICE_TYPE device,
                                   FLT_FILESYSTEM_TYPE type)
{
        struct queue *queue = new_context(objects->Filter, FLT_INSTANCE_CONTEXT, sizeof(*queue));
        NTSTATUS status;

        if (!queue)
                return STATUS_INSUFFICIENT_RESOURCES;
        KeInitializeSpinLock(&queue->lock);
        InitializeListHead(&queue->list);
        FltCbdqInitialize(objects->Instance, &queue->cbdq, queue_insert, queue_remove, queue_peek, queue_acquire, queue_release,
                          queue_cancelled);
        status = FltSetInstanceContext(objects->Instance, FLT_SET_CONTEXT_KEEP_IF_EXISTS, queue, NULL);
        FltReleaseContext(queue);
        return status;
}

static VOID FLTAPI pends_teardown(PCFLT_RELATED_OBJECTS objects, FLT_INSTANCE_TEARDOWN_FLAGS reason)
{
        PFLT_CONTEXT queue;

        if (!NT_SUCCESS(FltGetInstanceContext(objects->Instance, &queue)))
                return;
        FltCbdqDisable(&((struct queue *)queue)->cbdq);
        empty_queue(queue);
        FltReleaseContext(queue);
}

static VOID FLTAPI complete_deferred(PFLT_DEFERRED_IO_WORKITEM item, PFLT_CALLBACK_DATA data, PVOID context)
{
        FltFreeDeferredIoWorkItem(item);
        atomic_fetch_add(&stress_asked, 1);
        FltCompletePendedPreOperation(data, FLT_PREOP_SUCCESS_WITH_CALLBACK, NULL);
}

static VOID FLTAPI complete_queued(PFLT_GENERIC_WORKITEM item, PVOID object, PVOID context)
{
        FltFreeGenericWorkItem(item);
        empty_queue(context);
        FltReleaseContext(context);
}

static bool post_to_worker(PFLT_CALLBACK_DATA data)
{
        PFLT_DEFERRED_IO_WORKITEM item = FltAllocateDeferredIoWorkItem();

        if (NT_SUCCESS(FltQueueDeferredIoWorkItem(item, data, complete_deferred, DelayedWorkQueue, NULL)))
                return true;
        FltFreeDeferredIoWorkItem(item);
        return false;
}

static bool put_into_queue(PFLT_CALLBACK_DATA data, PFLT_INSTANCE instance)
{
        PFLT_GENERIC_WORKITEM item = FltAllocateGenericWorkItem();
        PFLT_CONTEXT queue;

        if (!NT_SUCCESS(FltGetInstanceContext(instance, &queue))) {
                FltFreeGenericWorkItem(item);
                return false;
        }
        FltReferenceContext(queue);
        if (!NT_SUCCESS(FltQueueGenericWorkItem(item, instance, complete_queued, DelayedWorkQueue, queue))) {
                FltReleaseContext(queue);
                FltReleaseContext(queue);
                FltFreeGenericWorkItem(item);
                return false;
        }
        if (!NT_SUCCESS(FltCbdqInsertIo(&((struct queue *)queue)->cbdq, data, NULL, NULL))) {
                FltReleaseContext(queue);
                return false;
        }
        /* The worker may have been faster than the insertion. It is in the queue, so this thread may take it out. */
        empty_queue(queue);
        FltReleaseContext(queue);
        return true;
}

static FLT_PREOP_CALLBACK_STATUS FLTAPI pends_pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        static _Atomic unsigned turn;
        unsigned n = atomic_fetch_add(&turn, 1);

        if (!FLT_IS_IRP_OPERATION(data) || (data->Iopb->IrpFlags & IRP_PAGING_IO))
                return ask();
        if ((n % 4 == 0 && post_to_worker(data)) || (n % 4 == 1 && put_into_queue(data, objects->Instance))) {
                atomic_fetch_add(&stress_pended, 1);
                return FLT_PREOP_PENDING;
        }
        return ask();
}

static VOID FLTAPI complete_post(PFLT_DEFERRED_IO_WORKITEM item, PFLT_CALLBACK_DATA data, PVOID context)
{
        FltFreeDeferredIoWorkItem(item);
        FltCompletePendedPostOperation(data);
}

static FLT_POSTOP_CALLBACK_STATUS FLTAPI pends_post(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID context,
                                                    FLT_POST_OPERATION_FLAGS flags)
{
        static _Atomic unsigned turn;
        PFLT_DEFERRED_IO_WORKITEM item;

        got_post(flags);
        if ((flags & FLTFL_POST_OPERATION_DRAINING) || !FLT_IS_IRP_OPERATION(data) ||
            (data->Iopb->IrpFlags & IRP_PAGING_IO) || atomic_fetch_add(&turn, 1) % 3)
                return FLT_POSTOP_FINISHED_PROCESSING;
        item = FltAllocateDeferredIoWorkItem();
        if (NT_SUCCESS(FltQueueDeferredIoWorkItem(item, data, complete_post, DelayedWorkQueue, NULL)))
                return FLT_POSTOP_MORE_PROCESSING_REQUIRED;
        FltFreeDeferredIoWorkItem(item);
        return FLT_POSTOP_FINISHED_PROCESSING;
}

/* ---- swaps: the caller's data goes through a buffer of the filter's ---- */

struct swapped {
        PVOID own;
        PVOID original;
        ULONG length;
};

static PVOID caller_buffer(PVOID buffer, PMDL mdl)
{
        return mdl ? MmGetSystemAddressForMdlSafe(mdl, NormalPagePriority) : buffer;
}

static FLT_PREOP_CALLBACK_STATUS FLTAPI swaps_pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        PFLT_IO_PARAMETER_BLOCK iopb = data->Iopb;
        bool write = iopb->MajorFunction == IRP_MJ_WRITE;
        struct swapped *swapped;
        PMDL mdl;

        if ((write ? iopb->Parameters.Write.Length : iopb->Parameters.Read.Length) == 0)
                return FLT_PREOP_SUCCESS_NO_CALLBACK;
        swapped = ExAllocatePoolWithTag(NonPagedPool, sizeof(*swapped), 'rtsS');
        swapped->length = write ? iopb->Parameters.Write.Length : iopb->Parameters.Read.Length;
        swapped->own = ExAllocatePoolWithTag(NonPagedPool, swapped->length, 'rtsS');
        mdl = IoAllocateMdl(swapped->own, swapped->length, FALSE, FALSE, NULL);
        MmBuildMdlForNonPagedPool(mdl);
        if (write) {
                swapped->original = caller_buffer(iopb->Parameters.Write.WriteBuffer, iopb->Parameters.Write.MdlAddress);
                memcpy(swapped->own, swapped->original, swapped->length);
                iopb->Parameters.Write.WriteBuffer = swapped->own;
                iopb->Parameters.Write.MdlAddress = mdl;
        } else {
                swapped->original = caller_buffer(iopb->Parameters.Read.ReadBuffer, iopb->Parameters.Read.MdlAddress);
                iopb->Parameters.Read.ReadBuffer = swapped->own;
                iopb->Parameters.Read.MdlAddress = mdl;
        }
        FltSetCallbackDataDirty(data);
        atomic_fetch_add(&stress_swapped, 1);
        *context = swapped;
        return ask();
}

static FLT_POSTOP_CALLBACK_STATUS FLTAPI swaps_post(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID context,
                                                    FLT_POST_OPERATION_FLAGS flags)
{
        struct swapped *swapped = context;

        got_post(flags);
        /* Swapped buffers are waited for. */
        g_assert_false(flags & FLTFL_POST_OPERATION_DRAINING);
        if (data->Iopb->MajorFunction == IRP_MJ_READ && NT_SUCCESS(data->IoStatus.Status)) {
                g_assert_true(caller_buffer(data->Iopb->Parameters.Read.ReadBuffer,
                                            data->Iopb->Parameters.Read.MdlAddress) == swapped->original);
                memcpy(swapped->original, swapped->own, data->IoStatus.Information);
        }
        ExFreePoolWithTag(swapped->own, 'rtsS');
        ExFreePoolWithTag(swapped, 'rtsS');
        return FLT_POSTOP_FINISHED_PROCESSING;
}

/* ---- coming and going ---- */

static NTSTATUS enter(int i, PDRIVER_OBJECT driver, const FLT_REGISTRATION *registration)
{
        NTSTATUS status = FltRegisterFilter(driver, registration, &filters[i]);

        return NT_SUCCESS(status) ? FltStartFiltering(filters[i]) : status;
}

#define ENTRY(i)                                                                                                       \
        static NTSTATUS FLTAPI unload##i(FLT_FILTER_UNLOAD_FLAGS flags)                                                \
        {                                                                                                              \
                FltUnregisterFilter(filters[i]);                                                                       \
                return STATUS_SUCCESS;                                                                                 \
        }                                                                                                              \
        static NTSTATUS entry##i(PDRIVER_OBJECT driver, PUNICODE_STRING path)                                          \
        {                                                                                                              \
                FLT_REGISTRATION registration = {                                                                      \
                        .Size = sizeof(registration),                                                                  \
                        .Version = FLT_REGISTRATION_VERSION,                                                           \
                        .ContextRegistration = contexts,                                                               \
                        .OperationRegistration = operations##i,                                                        \
                        .FilterUnloadCallback = unload##i,                                                             \
                        .InstanceSetupCallback = (i) == 1 ? pends_setup : NULL,                                        \
                        .InstanceTeardownStartCallback = (i) == 1 ? pends_teardown : NULL,                             \
                        .InstanceQueryTeardownCallback = agree,                                                        \
                };                                                                                                     \
                return enter(i, driver, &registration);                                                                \
        }

#define ALL(pre, post)                                                                                                 \
        { IRP_MJ_CREATE, 0, pre, post }, { IRP_MJ_READ, 0, pre, post }, { IRP_MJ_WRITE, 0, pre, post },                \
        { IRP_MJ_QUERY_INFORMATION, 0, pre, post }, { IRP_MJ_SET_INFORMATION, 0, pre, post },                          \
        { IRP_MJ_DIRECTORY_CONTROL, 0, pre, post }, { IRP_MJ_FLUSH_BUFFERS, 0, pre, post },                            \
        { IRP_MJ_CLEANUP, 0, pre, post }

static const FLT_OPERATION_REGISTRATION operations0[] = { ALL(contexts_pre, contexts_post), { IRP_MJ_OPERATION_END } };
static const FLT_OPERATION_REGISTRATION operations1[] = { ALL(pends_pre, pends_post), { IRP_MJ_OPERATION_END } };
static const FLT_OPERATION_REGISTRATION operations2[] = {
        { IRP_MJ_READ, 0, swaps_pre, swaps_post },
        { IRP_MJ_WRITE, 0, swaps_pre, swaps_post },
        { IRP_MJ_OPERATION_END },
};

ENTRY(0)
ENTRY(1)
ENTRY(2)

void stress_set_up(void)
{
        for (int i = 0; i < STRESS_FILTERS; i++) {
                g_autofree char *key = g_strdup_printf(FM_SERVICES_KEY "\\%s\\Instances", stress_names[i]);
                g_autofree char *instance = g_strdup_printf("%s\\%s", key, stress_names[i]);

                fm_registry_set_string(key, "DefaultInstance", stress_names[i]);
                fm_registry_set_string(instance, "Altitude", altitudes[i]);
        }
        stress_asked = stress_posts = stress_drained = stress_pended = stress_contexts = stress_cleanups = stress_swapped = 0;
}

void stress_tear_down(void)
{
        for (int i = 0; i < STRESS_FILTERS; i++) {
                g_autofree char *key = g_strdup_printf(FM_SERVICES_KEY "\\%s", stress_names[i]);

                fm_registry_delete_tree(key);
        }
}

NTSTATUS stress_load(int i)
{
        static const PDRIVER_INITIALIZE entries[] = { entry0, entry1, entry2 };
        g_autofree char *error = NULL;

        return fm_driver_start(stress_names[i], entries[i], &error);
}

NTSTATUS stress_unload(int i)
{
        return fm_filter_unload(stress_names[i], false);
}

NTSTATUS stress_attach(int i, PFLT_VOLUME volume)
{
        return FltAttachVolume(filters[i], volume, NULL, NULL);
}

NTSTATUS stress_detach(int i, PFLT_VOLUME volume)
{
        return FltDetachVolume(filters[i], volume, NULL);
}

void stress_check(void)
{
        g_test_message("%" G_GUINT64_FORMAT " post-operations, %" G_GUINT64_FORMAT " drained, %" G_GUINT64_FORMAT
                       " pended, %" G_GUINT64_FORMAT " swapped, %" G_GUINT64_FORMAT " contexts",
                       (guint64)stress_posts, (guint64)stress_drained, (guint64)stress_pended, (guint64)stress_swapped,
                       (guint64)stress_contexts);
        g_assert_cmpuint(stress_asked, ==, stress_posts);
        g_assert_cmpuint(stress_contexts, ==, stress_cleanups);
        g_assert_cmpuint(stress_pended, >, 0);
        g_assert_cmpuint(stress_swapped, >, 0);
        g_assert_cmpuint(fm_violation_count(), ==, 0);
}
