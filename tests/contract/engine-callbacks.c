/* SPDX-License-Identifier: MIT */
/* What callbacks may return, and what becomes of it; what they see and change; whom the registration flags leave out. */
#include "engine-harness.h"

#include "nt/unicode.h"

static void complete_only(NTSTATUS status)
{
        engine_scripts[1].pre_status = FLT_PREOP_COMPLETE;
        engine_scripts[1].complete_with = status;
}

/* An operation of that kind, run and freed. */
static NTSTATUS run_with(UCHAR major, ULONG irp_flags, FLT_CALLBACK_DATA_FLAGS data_flags)
{
        PFILE_OBJECT file = engine_open_file();
        struct fm_operation *operation = fm_operation_new(engine_volume, major, file, &engine_nobody);
        g_autofree char *trace = NULL;
        NTSTATUS status;

        if (data_flags)
                operation->data.Flags = data_flags;
        operation->iopb.IrpFlags |= irp_flags;
        status = fm_operation_run(operation);
        fm_operation_free(operation);
        trace = g_strdup(engine_trace);
        fm_object_unref(file);
        g_strlcpy(engine_trace, trace, sizeof(engine_trace));
        return status;
}

#define expect_trace(expected)                                                                                         \
        do {                                                                                                           \
                g_assert_cmpstr(engine_trace, ==, expected);                                                           \
                engine_trace[0] = 0;                                                                                   \
        } while (0)

#define expect_violations(expression, count)                                                                           \
        do {                                                                                                           \
                uint64_t before_ = fm_violation_count();                                                               \
                expression;                                                                                            \
                g_assert_cmpuint(fm_violation_count() - before_, ==, count);                                           \
        } while (0)

static void test_disallow_fastio(void)
{
        engine_set_up();
        engine_scripts[1].pre_status = FLT_PREOP_DISALLOW_FASTIO;
        engine_assert_status(run_with(IRP_MJ_READ, 0, FLTFL_CALLBACK_DATA_FAST_IO_OPERATION), STATUS_FLT_DISALLOW_FAST_IO);
        expect_trace("abA");
        engine_assert_status(engine_scripts[0].seen_status, STATUS_FLT_DISALLOW_FAST_IO);
        /* An IRP can't be refused that way. */
        expect_violations(engine_assert_status(run_with(IRP_MJ_READ, 0, 0), STATUS_SUCCESS), 1);
        expect_trace("abc.CA");
        engine_tear_down();
}

static void test_disallow_fsfilter(void)
{
        for (int i = 0; i < ENGINE_FILTERS; i++)
                engine_register(i, IRP_MJ_QUERY_OPEN, 0, true);
        engine_set_up();
        engine_scripts[1].pre_status = FLT_PREOP_DISALLOW_FSFILTER_IO;
        engine_assert_status(run_with(IRP_MJ_QUERY_OPEN, 0, 0), FM_STATUS_DISALLOW_FSFILTER_IO);
        expect_trace("abA");
        engine_scripts[1].pre_status = FLT_PREOP_SUCCESS_WITH_CALLBACK;
        engine_scripts[1].post_status = FLT_POSTOP_DISALLOW_FSFILTER_IO;
        engine_assert_status(run_with(IRP_MJ_QUERY_OPEN, 0, 0), FM_STATUS_DISALLOW_FSFILTER_IO);
        expect_trace("abc.CBA");
        expect_violations(engine_assert_status(run_with(IRP_MJ_READ, 0, 0), STATUS_SUCCESS), 1);
        engine_tear_down();
}

/* Only one of the two callbacks. */
static FLT_POSTOP_CALLBACK_STATUS FLTAPI lone_post(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID context,
                                                   FLT_POST_OPERATION_FLAGS flags)
{
        g_assert_null(context);
        engine_record('L');
        return FLT_POSTOP_FINISHED_PROCESSING;
}

static FLT_PREOP_CALLBACK_STATUS FLTAPI lone_pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        engine_record('l');
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

static PFLT_FILTER lone_filter;
static const FLT_OPERATION_REGISTRATION *lone_operations;

static NTSTATUS FLTAPI lone_unload(FLT_FILTER_UNLOAD_FLAGS flags)
{
        FltUnregisterFilter(lone_filter);
        return STATUS_SUCCESS;
}

static NTSTATUS lone_entry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
        const FLT_REGISTRATION registration = {
                .Size = sizeof(registration),
                .Version = FLT_REGISTRATION_VERSION,
                .OperationRegistration = lone_operations,
                .FilterUnloadCallback = lone_unload,
        };
        NTSTATUS status = FltRegisterFilter(driver, &registration, &lone_filter);

        return NT_SUCCESS(status) ? FltStartFiltering(lone_filter) : status;
}

static void load_lone(const FLT_OPERATION_REGISTRATION *operations)
{
        g_autofree char *error = NULL;

        lone_operations = operations;
        fm_registry_set_string(FM_SERVICES_KEY "\\lone\\Instances", "DefaultInstance", "lone");
        fm_registry_set_string(FM_SERVICES_KEY "\\lone\\Instances\\lone", "Altitude", "5000");
        engine_assert_status(fm_driver_start("lone", lone_entry, &error), STATUS_SUCCESS);
}

static void test_one_callback(void)
{
        static const FLT_OPERATION_REGISTRATION only_post[] = { { IRP_MJ_READ, 0, NULL, lone_post }, { IRP_MJ_OPERATION_END } };
        static const FLT_OPERATION_REGISTRATION only_pre[] = { { IRP_MJ_READ, 0, lone_pre, NULL }, { IRP_MJ_OPERATION_END } };

        engine_set_up();
        load_lone(only_post);
        engine_read_once();
        expect_trace("abc.CBLA");
        engine_assert_status(fm_filter_unload("lone", false), STATUS_SUCCESS);
        load_lone(only_pre);
        engine_read_once();
        expect_trace("albc.CBA");
        engine_tear_down();
        fm_registry_delete_tree(FM_SERVICES_KEY "\\lone");
}

/* ---- completing ---- */

static void no_status(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        script->complete_with = data->IoStatus.Status;
}

static void test_complete_without_status(void)
{
        engine_set_up();
        engine_scripts[1].pre_status = FLT_PREOP_COMPLETE;
        engine_scripts[1].pre = no_status; /* the script sets what is there */
        expect_violations(engine_assert_status(engine_read_once(), STATUS_UNSUCCESSFUL), 1);
        expect_trace("abA");
        engine_tear_down();
}

static void test_complete_with_success(void)
{
        engine_set_up();
        complete_only(STATUS_SUCCESS);
        expect_violations(engine_assert_status(engine_read_once(), STATUS_SUCCESS), 0);
        expect_trace("abA");
        engine_tear_down();
}

static void test_cleanup_cannot_fail(void)
{
        engine_register(0, IRP_MJ_CLEANUP, 0, true);
        engine_register(1, IRP_MJ_CLEANUP, 0, true);
        engine_set_up();
        complete_only(STATUS_ACCESS_DENIED);
        expect_violations(engine_assert_status(run_with(IRP_MJ_CLEANUP, 0, 0), STATUS_SUCCESS), 1);
        complete_only(STATUS_SUCCESS);
        expect_violations(engine_assert_status(run_with(IRP_MJ_CLEANUP, 0, 0), STATUS_SUCCESS), 0);
        engine_tear_down();
}

static void test_post_that_is_not_registered(void)
{
        engine_set_up();
        engine_scripts[1].pre_status = FLT_PREOP_SUCCESS_WITH_CALLBACK;
        engine_scripts[1].context = engine_scripts;
        expect_violations(engine_run_once(IRP_MJ_FLUSH_BUFFERS), 3);
        expect_trace("abc.");
        engine_tear_down();
}

/* ---- pending ---- */

static PFLT_CALLBACK_DATA pended;
static FLT_PREOP_CALLBACK_STATUS pended_status;
static PVOID pended_context;
static GThread *completer;

static gpointer complete_pre(gpointer unused)
{
        if (pended_status == FLT_PREOP_COMPLETE)
                pended->IoStatus.Status = STATUS_ACCESS_DENIED;
        FltCompletePendedPreOperation(pended, pended_status, pended_context);
        return NULL;
}

static gpointer complete_pre_at_dispatch(gpointer unused)
{
        KIRQL irql;

        KeRaiseIrql(DISPATCH_LEVEL, &irql);
        complete_pre(NULL);
        KeLowerIrql(irql);
        return NULL;
}

static GThreadFunc completing = complete_pre;

static void pend(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        pended = data;
        completer = g_thread_new("completer", completing, NULL);
}

static void pend_early(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        pend(script, data, objects);
        g_thread_join(g_steal_pointer(&completer));
}

static void check_pended(const char *trace, NTSTATUS status)
{
        for (int early = 0; early < 2; early++) {
                engine_scripts[1].pre_status = FLT_PREOP_PENDING;
                engine_scripts[1].pre = early ? pend_early : pend;
                engine_assert_status(engine_read_once(), status);
                if (completer)
                        g_thread_join(g_steal_pointer(&completer));
                expect_trace(trace);
        }
}

static void test_pended_statuses(void)
{
        engine_set_up();
        pended_status = FLT_PREOP_SUCCESS_NO_CALLBACK;
        check_pended("abc.CA", STATUS_SUCCESS);
        pended_status = FLT_PREOP_COMPLETE;
        check_pended("abA", STATUS_ACCESS_DENIED);
        completing = complete_pre_at_dispatch;
        check_pended("abA", STATUS_ACCESS_DENIED);
        completing = complete_pre;
        pended_status = FLT_PREOP_SUCCESS_WITH_CALLBACK;
        pended_context = engine_scripts[1].context = &pended_context;
        check_pended("abc.CBA", STATUS_SUCCESS); /* the post-operation checks the context */
        pended_context = NULL;
        engine_scripts[1].context = NULL;
        pended_status = FLT_PREOP_SYNCHRONIZE;
        expect_violations(check_pended("abc.CA", STATUS_SUCCESS), 2);
        engine_tear_down();
}

/* Creates: the post-operation of a filter above runs on the opener's thread, whoever completes below. */
static void test_pended_create_stays(void)
{
        engine_set_up();
        pended_status = FLT_PREOP_SUCCESS_WITH_CALLBACK;
        engine_scripts[1].pre_status = FLT_PREOP_PENDING;
        engine_scripts[1].pre = pend;
        engine_assert_status(engine_create_once(), STATUS_SUCCESS);
        g_thread_join(g_steal_pointer(&completer));
        g_assert_true(engine_scripts[0].post_thread == g_thread_self());
        g_assert_true(engine_scripts[0].pre_thread == g_thread_self());
        engine_tear_down();
}

static void complete_now(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        FltCompletePendedPreOperation(data, FLT_PREOP_SUCCESS_NO_CALLBACK, NULL);
}

static void complete_now_twice(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        complete_now(script, data, objects);
        complete_now(script, data, objects);
}

static void keep(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        pended = data;
}

static void complete_at_bottom(struct fm_operation *operation)
{
        if (operation->iopb.MajorFunction == IRP_MJ_READ)
                FltCompletePendedPreOperation(pended, FLT_PREOP_SUCCESS_NO_CALLBACK, NULL);
}

static void test_completed_twice(void)
{
        engine_set_up();
        engine_scripts[1].pre = complete_now_twice;
        engine_scripts[1].pre_status = FLT_PREOP_PENDING;
        expect_violations(engine_assert_status(engine_read_once(), STATUS_SUCCESS), 1);
        expect_trace("abc.CA");
        /* Completed, and then not pended. */
        engine_scripts[1].pre = complete_now;
        engine_scripts[1].pre_status = FLT_PREOP_SUCCESS_NO_CALLBACK;
        expect_violations(engine_assert_status(engine_read_once(), STATUS_SUCCESS), 1);
        expect_trace("abc.CA");
        /* Not pended at all, and completed from elsewhere, later. */
        engine_scripts[1].pre = keep;
        engine_bottom_hook = complete_at_bottom;
        expect_violations(engine_assert_status(engine_read_once(), STATUS_SUCCESS), 1);
        expect_trace("abc.CA");
        engine_bottom_hook = NULL;
        engine_read_once();
        expect_violations(FltCompletePendedPreOperation(pended, FLT_PREOP_SUCCESS_NO_CALLBACK, NULL), 1);
        engine_tear_down();
}

static void more_processing_early(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects,
                                  PVOID context, FLT_POST_OPERATION_FLAGS flags)
{
        FltCompletePendedPostOperation(data);
}

static void test_post_completed_early(void)
{
        engine_set_up();
        engine_scripts[1].post = more_processing_early;
        engine_scripts[1].post_status = FLT_POSTOP_MORE_PROCESSING_REQUIRED;
        engine_assert_status(engine_read_once(), STATUS_SUCCESS);
        expect_trace("abc.CBA");
        engine_tear_down();
}

static void set_pending(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID context,
                        FLT_POST_OPERATION_FLAGS flags)
{
        data->IoStatus.Status = STATUS_PENDING;
}

static void test_pending_as_result(void)
{
        engine_set_up();
        engine_scripts[1].post = set_pending;
        expect_violations(engine_assert_status(engine_read_once(), STATUS_UNSUCCESSFUL), 1);
        engine_assert_status(engine_scripts[0].seen_status, STATUS_UNSUCCESSFUL);
        engine_tear_down();
}

/* ---- completion processing ---- */

static FLT_POSTOP_CALLBACK_STATUS FLTAPI safe(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID context,
                                              FLT_POST_OPERATION_FLAGS flags)
{
        g_assert_cmpuint(KeGetCurrentIrql(), <=, APC_LEVEL);
        engine_record('s');
        return FLT_POSTOP_FINISHED_PROCESSING;
}

static void when_safe(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID context,
                      FLT_POST_OPERATION_FLAGS flags)
{
        FLT_POSTOP_CALLBACK_STATUS status = (FLT_POSTOP_CALLBACK_STATUS)99;

        g_assert_true(FltDoCompletionProcessingWhenSafe(data, objects, context, flags, safe, &status));
        script->post_status = status;
}

static void when_safe_at_dispatch(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects,
                                  PVOID context, FLT_POST_OPERATION_FLAGS flags)
{
        FLT_POSTOP_CALLBACK_STATUS status = (FLT_POSTOP_CALLBACK_STATUS)99;
        bool paging = data->Iopb->IrpFlags & IRP_PAGING_IO;
        BOOLEAN done;
        KIRQL irql;

        KeRaiseIrql(DISPATCH_LEVEL, &irql);
        done = FltDoCompletionProcessingWhenSafe(data, objects, context, flags, safe, &status);
        KeLowerIrql(irql);
        g_assert_true(done == !paging);
        g_assert_cmpint(status, ==, paging ? FLT_POSTOP_FINISHED_PROCESSING : FLT_POSTOP_MORE_PROCESSING_REQUIRED);
        script->post_status = status;
}

static void test_when_safe(void)
{
        engine_set_up();
        engine_scripts[1].post = when_safe;
        engine_assert_status(run_with(IRP_MJ_READ, 0, 0), STATUS_SUCCESS);
        expect_trace("abc.CBsA");
        engine_scripts[1].post = when_safe_at_dispatch;
        engine_assert_status(run_with(IRP_MJ_READ, 0, 0), STATUS_SUCCESS);
        expect_trace("abc.CBsA");
        /* Paging I/O can't wait for a worker. */
        engine_assert_status(run_with(IRP_MJ_READ, IRP_PAGING_IO, 0), STATUS_SUCCESS);
        expect_trace("abc.CBA");
        engine_tear_down();
}

static VOID FLTAPI deferred(PFLT_DEFERRED_IO_WORKITEM item, PFLT_CALLBACK_DATA data, PVOID context)
{
        engine_record('w');
        FltFreeDeferredIoWorkItem(item);
        FltCompletePendedPreOperation(data, FLT_PREOP_SUCCESS_WITH_CALLBACK, NULL);
}

static NTSTATUS defer_status;

static void defer(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        PFLT_DEFERRED_IO_WORKITEM item = FltAllocateDeferredIoWorkItem();

        defer_status = FltQueueDeferredIoWorkItem(item, data, deferred, DelayedWorkQueue, NULL);
        script->pre_status = NT_SUCCESS(defer_status) ? FLT_PREOP_PENDING : FLT_PREOP_SUCCESS_WITH_CALLBACK;
        if (!NT_SUCCESS(defer_status))
                FltFreeDeferredIoWorkItem(item);
}

static void test_deferred(void)
{
        engine_set_up();
        engine_scripts[1].pre = defer;
        engine_assert_status(run_with(IRP_MJ_READ, 0, 0), STATUS_SUCCESS);
        engine_assert_status(defer_status, STATUS_SUCCESS);
        expect_trace("abwc.CBA");
        engine_assert_status(run_with(IRP_MJ_READ, IRP_PAGING_IO, 0), STATUS_SUCCESS);
        engine_assert_status(defer_status, STATUS_FLT_NOT_SAFE_TO_POST_OPERATION);
        expect_trace("abc.CBA");
        engine_assert_status(run_with(IRP_MJ_READ, 0, FLTFL_CALLBACK_DATA_FAST_IO_OPERATION), STATUS_SUCCESS);
        engine_assert_status(defer_status, STATUS_FLT_NOT_SAFE_TO_POST_OPERATION);
        engine_tear_down();
}

/* ---- registration flags ---- */

static void test_skip_flags(void)
{
        engine_register(0, IRP_MJ_READ, FLTFL_OPERATION_REGISTRATION_SKIP_PAGING_IO, true);
        engine_register(1, IRP_MJ_READ, FLTFL_OPERATION_REGISTRATION_SKIP_CACHED_IO, true);
        engine_register(2, IRP_MJ_READ, FLTFL_OPERATION_REGISTRATION_SKIP_NON_CACHED_NON_PAGING_IO, true);
        engine_set_up();
        run_with(IRP_MJ_READ, 0, 0);
        expect_trace("ac.CA");
        run_with(IRP_MJ_READ, IRP_NOCACHE, 0);
        expect_trace("ab.BA");
        run_with(IRP_MJ_READ, IRP_PAGING_IO | IRP_NOCACHE, 0);
        expect_trace("bc.CB");
        run_with(IRP_MJ_READ, 0, FLTFL_CALLBACK_DATA_FAST_IO_OPERATION);
        expect_trace("ac.CA");
        engine_tear_down();
}

static void test_skip_non_dasd(void)
{
        engine_register(1, IRP_MJ_READ, FLTFL_OPERATION_REGISTRATION_SKIP_NON_DASD_IO, true);
        engine_register(2, IRP_MJ_CREATE, FLTFL_OPERATION_REGISTRATION_SKIP_PAGING_IO, true);
        engine_set_up();
        run_with(IRP_MJ_READ, 0, 0);
        expect_trace("ac.CA");
        /* The others are about reads and writes only. */
        engine_create_once();
        expect_trace("abc.CBA");
        engine_tear_down();
}

/* ---- parameters ---- */

static void change_many(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        data->Iopb->Parameters.Read.Length = 1;
        data->Iopb->Parameters.Read.ByteOffset.QuadPart = 4096;
        data->Iopb->IrpFlags |= IRP_NOCACHE;
        data->Iopb->OperationFlags |= SL_KEY_SPECIFIED;
        if (engine_scripts[1].context)
                FltSetCallbackDataDirty(data);
}

static FLT_IO_PARAMETER_BLOCK at_bottom;

static void keep_parameters(struct fm_operation *operation)
{
        if (operation->iopb.MajorFunction == IRP_MJ_READ)
                at_bottom = operation->iopb;
}

static void test_dirty_parameters(void)
{
        engine_set_up();
        engine_bottom_hook = keep_parameters;
        engine_scripts[1].pre = change_many;
        engine_read_once();
        g_assert_cmpuint(at_bottom.Parameters.Read.Length, ==, 100);
        g_assert_false(at_bottom.IrpFlags & IRP_NOCACHE);
        engine_scripts[1].context = engine_scripts;
        engine_read_once();
        g_assert_cmpuint(at_bottom.Parameters.Read.Length, ==, 1);
        g_assert_cmpint(at_bottom.Parameters.Read.ByteOffset.QuadPart, ==, 4096);
        g_assert_true(at_bottom.IrpFlags & IRP_NOCACHE);
        g_assert_true(at_bottom.OperationFlags & SL_KEY_SPECIFIED);
        g_assert_cmpuint(engine_scripts[1].seen_length_post, ==, 100);
        g_assert_cmpuint(engine_scripts[0].seen_length_post, ==, 100);
        engine_tear_down();
}

static void change_major(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        data->Iopb->MajorFunction = IRP_MJ_WRITE;
}

static void test_major_stays(void)
{
        engine_set_up();
        engine_bottom_hook = keep_parameters;
        engine_scripts[1].pre = change_major;
        memset(&at_bottom, 0, sizeof(at_bottom));
        expect_violations(engine_read_once(), 1);
        g_assert_cmpuint(at_bottom.MajorFunction, ==, IRP_MJ_READ);
        expect_trace("abc.CBA");
        engine_tear_down();
}

static char new_buffer[100], old_buffer[100];
static PMDL new_mdl;
static bool retain;

static void swap(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        new_mdl = IoAllocateMdl(new_buffer, sizeof(new_buffer), FALSE, FALSE, NULL);
        MmBuildMdlForNonPagedPool(new_mdl);
        data->Iopb->Parameters.Read.ReadBuffer = new_buffer;
        data->Iopb->Parameters.Read.MdlAddress = new_mdl;
        FltSetCallbackDataDirty(data);
        g_assert_null(FltGetSwappedBufferMdlAddress(data));
}

static void unswap(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID context,
                   FLT_POST_OPERATION_FLAGS flags)
{
        g_assert_true(data->Iopb->Parameters.Read.ReadBuffer == old_buffer);
        g_assert_null(data->Iopb->Parameters.Read.MdlAddress);
        g_assert_true(FltGetSwappedBufferMdlAddress(data) == new_mdl);
        if (retain)
                FltRetainSwappedBufferMdlAddress(data);
}

static void no_swapped_mdl(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects,
                           PVOID context, FLT_POST_OPERATION_FLAGS flags)
{
        g_assert_null(FltGetSwappedBufferMdlAddress(data));
}

static void test_swapped_mdl(void)
{
        engine_set_up();
        engine_scripts[0].post = engine_scripts[2].post = no_swapped_mdl;
        engine_scripts[1].pre = swap;
        engine_scripts[1].post = unswap;
        engine_bottom_hook = keep_parameters;
        for (int i = 0; i < 2; i++) {
                PFILE_OBJECT file = engine_open_file();
                struct fm_operation *operation = engine_read_of(file, 100);

                retain = i;
                operation->iopb.Parameters.Read.ReadBuffer = old_buffer;
                engine_assert_status(fm_operation_run(operation), STATUS_SUCCESS);
                g_assert_true(operation->iopb.Parameters.Read.ReadBuffer == old_buffer);
                fm_operation_free(operation);
                g_assert_true(at_bottom.Parameters.Read.ReadBuffer == new_buffer);
                g_assert_true(at_bottom.Parameters.Read.MdlAddress == new_mdl);
                /* A leak checker sees the MDL of the first round if it was not freed. */
                if (retain)
                        IoFreeMdl(new_mdl);
                fm_object_unref(file);
        }
        engine_tear_down();
}

/* ---- draining ---- */

static void look_while_draining(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects,
                                PVOID context, FLT_POST_OPERATION_FLAGS flags)
{
        FLT_POSTOP_CALLBACK_STATUS status;

        g_assert_true(flags & FLTFL_POST_OPERATION_DRAINING);
        g_assert_true(data->Flags & FLTFL_CALLBACK_DATA_DRAINING_IO);
        g_assert_true(objects->Instance == engine_instances[1]);
        g_assert_nonnull(objects->FileObject);
        g_assert_cmpuint(data->Iopb->Parameters.Read.Length, ==, 100);
        /* All that asks about an operation has an answer. */
        g_assert_null(FltGetSwappedBufferMdlAddress(data));
        (void)FltGetRequestorProcessId(data);
        (void)FltGetRequestorProcess(data);
        g_assert_false(FltIsIoCanceled(data));
        (void)FltIsOperationSynchronous(data);
        /* What is changed is changed in the copy. */
        data->IoStatus.Status = STATUS_ACCESS_DENIED;
        data->Iopb->Parameters.Read.Length = 1;
        FltSetCallbackDataDirty(data);
        expect_violations(g_assert_false(FltDoCompletionProcessingWhenSafe(data, objects, context, flags, safe, &status)), 1);
        expect_violations(FltCompletePendedPostOperation(data), 1);
}

static gpointer detach(gpointer unused)
{
        engine_assert_status(FltDetachVolume(engine_filters[1], engine_volume, NULL), STATUS_SUCCESS);
        return NULL;
}

static void detach_at_bottom(struct fm_operation *operation)
{
        if (operation->iopb.MajorFunction == IRP_MJ_READ)
                g_thread_join(g_thread_new("detacher", detach, NULL));
}

static void test_draining_data(void)
{
        engine_set_up();
        engine_bottom_hook = detach_at_bottom;
        engine_scripts[1].post = look_while_draining;
        engine_assert_status(engine_read_once(), STATUS_SUCCESS);
        expect_trace("abc.YCA");
        g_assert_cmpuint(engine_scripts[0].seen_length_post, ==, 100);
        engine_tear_down();
}

static void more_while_draining(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects,
                                PVOID context, FLT_POST_OPERATION_FLAGS flags)
{
        script->post_status = FLT_POSTOP_MORE_PROCESSING_REQUIRED;
}

static void test_draining_must_finish(void)
{
        engine_set_up();
        engine_bottom_hook = detach_at_bottom;
        engine_scripts[1].post = more_while_draining;
        expect_violations(engine_assert_status(engine_read_once(), STATUS_SUCCESS), 1);
        expect_trace("abc.YCA");
        engine_tear_down();
}

/* A synchronized one is drained, too; the filters above have their post-operations. */
static void test_draining_synchronized(void)
{
        engine_set_up();
        engine_scripts[1].pre_status = FLT_PREOP_SYNCHRONIZE;
        engine_bottom_hook = detach_at_bottom;
        engine_assert_status(engine_read_once(), STATUS_SUCCESS);
        expect_trace("abc.YCA");
        engine_tear_down();
}

/* ---- reparse ---- */

static WCHAR *new_name;

static void reparse_to(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        if (strchr(engine_trace, 'b') != strrchr(engine_trace, 'b')) {
                script->pre_status = FLT_PREOP_SUCCESS_WITH_CALLBACK;
                return;
        }
        engine_assert_status(IoReplaceFileObjectName(objects->FileObject, new_name,
                                                     (USHORT)(fm_utf16_length(new_name) * sizeof(WCHAR))),
                             STATUS_SUCCESS);
        script->pre_status = FLT_PREOP_COMPLETE;
        script->complete_with = STATUS_REPARSE;
        data->IoStatus.Information = IO_REPARSE;
}

static char *bottom_name;

static void keep_name(struct fm_operation *operation)
{
        PFILE_OBJECT file = operation->iopb.TargetFileObject;

        if (operation->iopb.MajorFunction == IRP_MJ_CREATE)
                bottom_name = fm_utf8_from_utf16(file->FileName.Buffer, file->FileName.Length / sizeof(WCHAR));
}

static NTSTATUS seen_above[2];

static void keep_status(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID context,
                        FLT_POST_OPERATION_FLAGS flags)
{
        seen_above[strchr(engine_trace, 'A') != strrchr(engine_trace, 'A')] = data->IoStatus.Status;
}

static void test_reparse_names(void)
{
        static WCHAR elsewhere[] = L"\\elsewhere\\file", far_away[] = L"\\Device\\HarddiskVolume999\\x";

        engine_set_up();
        engine_bottom_hook = keep_name;
        engine_scripts[1].pre = reparse_to;
        engine_scripts[0].post = keep_status;
        new_name = elsewhere;
        engine_assert_status(engine_create_once(), STATUS_SUCCESS);
        expect_trace("abAabc.CBA");
        engine_assert_status(seen_above[0], STATUS_REPARSE);
        engine_assert_status(seen_above[1], STATUS_SUCCESS);
        g_assert_cmpstr(bottom_name, ==, "\\elsewhere\\file");
        g_clear_pointer(&bottom_name, free);

        /* A full name is taken as one on this volume, and refused on another. */
        g_autofree WCHAR *full = g_malloc0(engine_volume->Name.Length + sizeof(L"\\x"));
        memcpy(full, engine_volume->Name.Buffer, engine_volume->Name.Length);
        memcpy((char *)full + engine_volume->Name.Length, L"\\x", sizeof(L"\\x"));
        new_name = full;
        engine_assert_status(engine_create_once(), STATUS_SUCCESS);
        g_assert_cmpstr(bottom_name, ==, "\\x");
        g_clear_pointer(&bottom_name, free);
        engine_trace[0] = 0;
        new_name = far_away;
        engine_assert_status(engine_create_once(), STATUS_NOT_SAME_DEVICE);
        expect_trace("abA");
        engine_tear_down();
}

/* ---- I/O of filters ---- */

static void ask_below(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        PFLT_CALLBACK_DATA own;

        engine_assert_status(FltAllocateCallbackData(objects->Instance, objects->FileObject, &own), STATUS_SUCCESS);
        own->Iopb->MajorFunction = IRP_MJ_READ;
        own->Iopb->Parameters.Read.Length = 33;
        FltPerformSynchronousIo(own);
        engine_assert_status(own->IoStatus.Status, STATUS_SUCCESS);
        g_assert_cmpuint(own->IoStatus.Information, ==, 7);
        FltFreeCallbackData(own);
}

static void test_generated_io_goes_below(void)
{
        engine_set_up();
        engine_scripts[1].pre = ask_below;
        engine_assert_status(engine_read_once(), STATUS_SUCCESS);
        expect_trace("abc.Cc.CBA");
        engine_tear_down();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/callbacks/disallow-fastio", test_disallow_fastio);
        g_test_add_func("/callbacks/disallow-fsfilter", test_disallow_fsfilter);
        g_test_add_func("/callbacks/one-callback", test_one_callback);
        g_test_add_func("/callbacks/complete-without-status", test_complete_without_status);
        g_test_add_func("/callbacks/complete-with-success", test_complete_with_success);
        g_test_add_func("/callbacks/cleanup-cannot-fail", test_cleanup_cannot_fail);
        g_test_add_func("/callbacks/post-that-is-not-registered", test_post_that_is_not_registered);
        g_test_add_func("/callbacks/pended-statuses", test_pended_statuses);
        g_test_add_func("/callbacks/pended-create-stays", test_pended_create_stays);
        g_test_add_func("/callbacks/completed-twice", test_completed_twice);
        g_test_add_func("/callbacks/post-completed-early", test_post_completed_early);
        g_test_add_func("/callbacks/pending-as-result", test_pending_as_result);
        g_test_add_func("/callbacks/when-safe", test_when_safe);
        g_test_add_func("/callbacks/deferred", test_deferred);
        g_test_add_func("/callbacks/skip-flags", test_skip_flags);
        g_test_add_func("/callbacks/skip-non-dasd", test_skip_non_dasd);
        g_test_add_func("/callbacks/dirty-parameters", test_dirty_parameters);
        g_test_add_func("/callbacks/major-stays", test_major_stays);
        g_test_add_func("/callbacks/swapped-mdl", test_swapped_mdl);
        g_test_add_func("/callbacks/draining-data", test_draining_data);
        g_test_add_func("/callbacks/draining-must-finish", test_draining_must_finish);
        g_test_add_func("/callbacks/draining-synchronized", test_draining_synchronized);
        g_test_add_func("/callbacks/reparse-names", test_reparse_names);
        g_test_add_func("/callbacks/generated-io-goes-below", test_generated_io_goes_below);
        return g_test_run();
}
