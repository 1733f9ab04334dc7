/* SPDX-License-Identifier: MIT */
/* What callbacks may return, and what becomes of it; whom the registration flags leave out; what a draining one sees.
 */
#include "engine-harness.h"

static void complete_only(NTSTATUS status)
{
        engine_scripts[1].pre_status = FLT_PREOP_COMPLETE;
        engine_scripts[1].complete_with = status;
}

static void test_disallow_fastio(void)
{
        engine_set_up();
        engine_scripts[1].pre_status = FLT_PREOP_DISALLOW_FASTIO;
        engine_assert_status(engine_run_with(IRP_MJ_READ, 0, FLTFL_CALLBACK_DATA_FAST_IO_OPERATION),
                             STATUS_FLT_DISALLOW_FAST_IO);
        engine_expect_trace("abA");
        engine_assert_status(engine_scripts[0].seen_status, STATUS_FLT_DISALLOW_FAST_IO);
        /* An IRP can't be refused that way. */
        engine_expect_violations(engine_assert_status(engine_run_with(IRP_MJ_READ, 0, 0), STATUS_SUCCESS), 1);
        engine_expect_trace("abc.CA");
        engine_tear_down();
}

/* What is no IRP can't be pended, neither before nor after; it goes on. */
static void test_pending_of_no_irp(void)
{
        static const FLT_CALLBACK_DATA_FLAGS kinds[] = { FLTFL_CALLBACK_DATA_FAST_IO_OPERATION,
                                                         FLTFL_CALLBACK_DATA_FS_FILTER_OPERATION };

        engine_set_up();
        for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
                engine_scripts[1].pre_status = FLT_PREOP_PENDING;
                engine_expect_violations(
                        engine_assert_status(engine_run_with(IRP_MJ_READ, 0, kinds[i]), STATUS_SUCCESS), 1);
                engine_expect_trace("abc.CA");
                engine_scripts[1].pre_status = FLT_PREOP_SUCCESS_WITH_CALLBACK;
                engine_scripts[1].post_status = FLT_POSTOP_MORE_PROCESSING_REQUIRED;
                engine_expect_violations(
                        engine_assert_status(engine_run_with(IRP_MJ_READ, 0, kinds[i]), STATUS_SUCCESS), 1);
                engine_expect_trace("abc.CBA");
                engine_scripts[1].post_status = FLT_POSTOP_FINISHED_PROCESSING;
        }
        engine_tear_down();
}

/* Nor need it be synchronized: that asks for a post-operation, no more. */
static void test_synchronize_of_no_irp(void)
{
        engine_set_up();
        engine_scripts[1].pre_status = FLT_PREOP_SYNCHRONIZE;
        engine_scripts[1].context = engine_scripts;
        engine_assert_status(engine_run_with(IRP_MJ_READ, 0, FLTFL_CALLBACK_DATA_FAST_IO_OPERATION), STATUS_SUCCESS);
        engine_expect_trace("abc.CBA");
        engine_tear_down();
}

static void test_disallow_fsfilter(void)
{
        for (int i = 0; i < ENGINE_FILTERS; i++)
                engine_register(i, IRP_MJ_QUERY_OPEN, 0, true);
        engine_set_up();
        engine_scripts[1].pre_status = FLT_PREOP_DISALLOW_FSFILTER_IO;
        engine_assert_status(engine_run_with(IRP_MJ_QUERY_OPEN, 0, 0), FM_STATUS_DISALLOW_FSFILTER_IO);
        engine_expect_trace("abA");
        engine_scripts[1].pre_status = FLT_PREOP_SUCCESS_WITH_CALLBACK;
        engine_scripts[1].post_status = FLT_POSTOP_DISALLOW_FSFILTER_IO;
        engine_assert_status(engine_run_with(IRP_MJ_QUERY_OPEN, 0, 0), FM_STATUS_DISALLOW_FSFILTER_IO);
        engine_expect_trace("abc.CBA");
        engine_expect_violations(engine_assert_status(engine_run_with(IRP_MJ_READ, 0, 0), STATUS_SUCCESS), 1);
        engine_tear_down();
}

/* Only one of the two callbacks. */
static FLT_POSTOP_CALLBACK_STATUS FLTAPI lone_post(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects,
                                                   PVOID context, FLT_POST_OPERATION_FLAGS flags)
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
        static const FLT_OPERATION_REGISTRATION only_post[] = {{IRP_MJ_READ, 0, NULL, lone_post},
                                                               {IRP_MJ_OPERATION_END}};
        static const FLT_OPERATION_REGISTRATION only_pre[] = {{IRP_MJ_READ, 0, lone_pre, NULL}, {IRP_MJ_OPERATION_END}};

        engine_set_up();
        load_lone(only_post);
        engine_read_once();
        engine_expect_trace("abc.CBLA");
        engine_assert_status(fm_filter_unload("lone", false), STATUS_SUCCESS);
        load_lone(only_pre);
        engine_read_once();
        engine_expect_trace("albc.CBA");
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
        engine_expect_violations(engine_assert_status(engine_read_once(), STATUS_UNSUCCESSFUL), 1);
        engine_expect_trace("abA");
        engine_tear_down();
}

static void test_complete_with_success(void)
{
        engine_set_up();
        complete_only(STATUS_SUCCESS);
        engine_expect_violations(engine_assert_status(engine_read_once(), STATUS_SUCCESS), 0);
        engine_expect_trace("abA");
        engine_tear_down();
}

static void test_cleanup_cannot_fail(void)
{
        engine_register(0, IRP_MJ_CLEANUP, 0, true);
        engine_register(1, IRP_MJ_CLEANUP, 0, true);
        engine_set_up();
        complete_only(STATUS_ACCESS_DENIED);
        engine_expect_violations(engine_assert_status(engine_run_with(IRP_MJ_CLEANUP, 0, 0), STATUS_SUCCESS), 1);
        complete_only(STATUS_SUCCESS);
        engine_expect_violations(engine_assert_status(engine_run_with(IRP_MJ_CLEANUP, 0, 0), STATUS_SUCCESS), 0);
        engine_tear_down();
}

static void fail_it(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID context,
                    FLT_POST_OPERATION_FLAGS flags)
{
        data->IoStatus.Status = STATUS_ACCESS_DENIED;
}

static void cleanup_fails(struct fm_operation *operation)
{
        engine_bottom_status = operation->iopb.MajorFunction == IRP_MJ_CLEANUP ? STATUS_DISK_FULL : STATUS_SUCCESS;
}

/* Nor afterwards; an error that came from below is nobody's fault. */
static void test_cleanup_cannot_be_failed(void)
{
        for (int i = 0; i < ENGINE_FILTERS; i++)
                engine_register(i, IRP_MJ_CLEANUP, 0, true);
        engine_set_up();
        engine_scripts[1].post = fail_it;
        engine_expect_violations(engine_assert_status(engine_run_with(IRP_MJ_CLEANUP, 0, 0), STATUS_SUCCESS), 1);
        engine_assert_status(engine_scripts[0].seen_status, STATUS_SUCCESS);
        engine_bottom_hook = cleanup_fails;
        engine_expect_violations(engine_assert_status(engine_run_with(IRP_MJ_CLEANUP, 0, 0), STATUS_ACCESS_DENIED), 0);
        engine_tear_down();
}

/* What is done is done: the result is another, and those above see that. */
static void test_failed_afterwards(void)
{
        engine_set_up();
        engine_scripts[1].post = fail_it;
        engine_expect_violations(engine_assert_status(engine_read_once(), STATUS_ACCESS_DENIED), 0);
        engine_expect_trace("abc.CBA");
        engine_assert_status(engine_scripts[2].seen_status, STATUS_SUCCESS);
        engine_assert_status(engine_scripts[0].seen_status, STATUS_ACCESS_DENIED);
        engine_tear_down();
}

static void test_post_that_is_not_registered(void)
{
        engine_set_up();
        engine_scripts[1].pre_status = FLT_PREOP_SUCCESS_WITH_CALLBACK;
        engine_scripts[1].context = engine_scripts;
        engine_expect_violations(engine_run_once(IRP_MJ_FLUSH_BUFFERS), 3);
        engine_expect_trace("abc.");
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
                engine_expect_trace(trace);
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
        engine_expect_violations(check_pended("abc.CA", STATUS_SUCCESS), 2);
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
        engine_expect_violations(engine_assert_status(engine_read_once(), STATUS_SUCCESS), 1);
        engine_expect_trace("abc.CA");
        /* Completed, and then not pended. */
        engine_scripts[1].pre = complete_now;
        engine_scripts[1].pre_status = FLT_PREOP_SUCCESS_NO_CALLBACK;
        engine_expect_violations(engine_assert_status(engine_read_once(), STATUS_SUCCESS), 1);
        engine_expect_trace("abc.CA");
        /* Not pended at all, and completed from elsewhere, later. */
        engine_scripts[1].pre = keep;
        engine_bottom_hook = complete_at_bottom;
        engine_expect_violations(engine_assert_status(engine_read_once(), STATUS_SUCCESS), 1);
        engine_expect_trace("abc.CA");
        engine_bottom_hook = NULL;
        engine_read_once();
        engine_expect_violations(FltCompletePendedPreOperation(pended, FLT_PREOP_SUCCESS_NO_CALLBACK, NULL), 1);
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
        engine_expect_trace("abc.CBA");
        engine_tear_down();
}

static void set_pending(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects,
                        PVOID context, FLT_POST_OPERATION_FLAGS flags)
{
        data->IoStatus.Status = STATUS_PENDING;
}

static void test_pending_as_result(void)
{
        engine_set_up();
        engine_scripts[1].post = set_pending;
        engine_expect_violations(engine_assert_status(engine_read_once(), STATUS_UNSUCCESSFUL), 1);
        engine_assert_status(engine_scripts[0].seen_status, STATUS_UNSUCCESSFUL);
        engine_tear_down();
}

/* A warning is no success, and comes through with what it carries. */
static void test_warning(void)
{
        engine_set_up();
        complete_only(STATUS_BUFFER_OVERFLOW);
        engine_expect_violations(engine_assert_status(engine_read_once(), STATUS_BUFFER_OVERFLOW), 0);
        engine_assert_status(engine_scripts[0].seen_status, STATUS_BUFFER_OVERFLOW);
        engine_tear_down();
}

static gpointer detach(gpointer unused)
{
        engine_assert_status(FltDetachVolume(engine_filters[1], engine_volume, NULL), STATUS_SUCCESS);
        return NULL;
}

/* ---- completion processing ---- */

static FLT_POSTOP_CALLBACK_STATUS FLTAPI safe(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID context,
                                              FLT_POST_OPERATION_FLAGS flags)
{
        g_assert_cmpuint(KeGetCurrentIrql(), <=, APC_LEVEL);
        engine_record('s');
        return FLT_POSTOP_FINISHED_PROCESSING;
}

static void when_safe(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects,
                      PVOID context, FLT_POST_OPERATION_FLAGS flags)
{
        FLT_POSTOP_CALLBACK_STATUS status = (FLT_POSTOP_CALLBACK_STATUS)99;

        g_assert_true(FltDoCompletionProcessingWhenSafe(data, objects, context, flags, safe, &status));
        script->post_status = status;
}

static void when_safe_at_dispatch(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects,
                                  PVOID context, FLT_POST_OPERATION_FLAGS flags)
{
        FLT_POSTOP_CALLBACK_STATUS status = (FLT_POSTOP_CALLBACK_STATUS)99;
        bool refused = (data->Iopb->IrpFlags & IRP_PAGING_IO) || !FLT_IS_IRP_OPERATION(data);
        BOOLEAN done;
        KIRQL irql;

        KeRaiseIrql(DISPATCH_LEVEL, &irql);
        done = FltDoCompletionProcessingWhenSafe(data, objects, context, flags, safe, &status);
        KeLowerIrql(irql);
        g_assert_true(done == !refused);
        g_assert_cmpint(status, ==, refused ? FLT_POSTOP_FINISHED_PROCESSING : FLT_POSTOP_MORE_PROCESSING_REQUIRED);
        script->post_status = status;
}

static void test_when_safe(void)
{
        engine_set_up();
        engine_scripts[1].post = when_safe;
        engine_assert_status(engine_run_with(IRP_MJ_READ, 0, 0), STATUS_SUCCESS);
        engine_expect_trace("abc.CBsA");
        engine_scripts[1].post = when_safe_at_dispatch;
        engine_assert_status(engine_run_with(IRP_MJ_READ, 0, 0), STATUS_SUCCESS);
        engine_expect_trace("abc.CBsA");
        /* Paging I/O can't wait for a worker, and fast I/O neither. */
        engine_assert_status(engine_run_with(IRP_MJ_READ, IRP_PAGING_IO, 0), STATUS_SUCCESS);
        engine_expect_trace("abc.CBA");
        engine_assert_status(engine_run_with(IRP_MJ_READ, 0, FLTFL_CALLBACK_DATA_FAST_IO_OPERATION), STATUS_SUCCESS);
        engine_expect_trace("abc.CBA");
        engine_tear_down();
}

static FLT_POSTOP_CALLBACK_STATUS FLTAPI hand_over(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects,
                                                   PVOID context, FLT_POST_OPERATION_FLAGS flags)
{
        engine_record('h');
        FltCompletePendedPostOperation(data);
        return FLT_POSTOP_MORE_PROCESSING_REQUIRED;
}

static void when_safe_more(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects,
                           PVOID context, FLT_POST_OPERATION_FLAGS flags)
{
        KIRQL irql = PASSIVE_LEVEL;

        if (script->seen_length_pre == 1)
                KeRaiseIrql(DISPATCH_LEVEL, &irql);
        g_assert_true(
                FltDoCompletionProcessingWhenSafe(data, objects, context, flags, hand_over, &script->post_status));
        if (script->seen_length_pre == 1)
                KeLowerIrql(irql);
        g_assert_cmpint(script->post_status, ==, FLT_POSTOP_MORE_PROCESSING_REQUIRED);
}

/* The safe callback may keep the operation itself, called at once or on a worker. */
static void test_when_safe_keeps_it(void)
{
        PFILE_OBJECT file;

        engine_set_up();
        engine_scripts[1].post = when_safe_more;
        file = engine_open_file();
        for (ULONG length = 0; length < 2; length++) {
                engine_assert_status(engine_join(engine_run_on_thread(engine_read_of(file, length))), STATUS_SUCCESS);
                engine_expect_trace("abc.CBhA");
        }
        fm_object_unref(file);
        engine_tear_down();
}

static void when_going(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects,
                       PVOID context, FLT_POST_OPERATION_FLAGS flags)
{
        FLT_POSTOP_CALLBACK_STATUS status = (FLT_POSTOP_CALLBACK_STATUS)99;
        PFLT_INSTANCE instance = objects->Instance;
        KIRQL irql;

        script->post_thread = g_thread_new("detacher", detach, NULL);
        while (!fm_rundown_is_closed(&instance->object.rundown))
                g_thread_yield();
        KeRaiseIrql(DISPATCH_LEVEL, &irql);
        g_assert_false(FltDoCompletionProcessingWhenSafe(data, objects, context, flags, safe, &status));
        KeLowerIrql(irql);
        g_assert_cmpint(status, ==, FLT_POSTOP_FINISHED_PROCESSING);
}

/* Nothing new is begun for an instance that goes. */
static void test_when_safe_and_going(void)
{
        engine_set_up();
        engine_scripts[1].post = when_going;
        engine_assert_status(engine_read_once(), STATUS_SUCCESS);
        engine_expect_trace("abc.CBA");
        g_thread_join(engine_scripts[1].post_thread);
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
        engine_assert_status(engine_run_with(IRP_MJ_READ, 0, 0), STATUS_SUCCESS);
        engine_assert_status(defer_status, STATUS_SUCCESS);
        engine_expect_trace("abwc.CBA");
        engine_assert_status(engine_run_with(IRP_MJ_READ, IRP_PAGING_IO, 0), STATUS_SUCCESS);
        engine_assert_status(defer_status, STATUS_FLT_NOT_SAFE_TO_POST_OPERATION);
        engine_expect_trace("abc.CBA");
        engine_assert_status(engine_run_with(IRP_MJ_READ, 0, FLTFL_CALLBACK_DATA_FAST_IO_OPERATION), STATUS_SUCCESS);
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
        engine_run_with(IRP_MJ_READ, 0, 0);
        engine_expect_trace("ac.CA");
        engine_run_with(IRP_MJ_READ, IRP_NOCACHE, 0);
        engine_expect_trace("ab.BA");
        engine_run_with(IRP_MJ_READ, IRP_PAGING_IO | IRP_NOCACHE, 0);
        engine_expect_trace("bc.CB");
        engine_run_with(IRP_MJ_READ, 0, FLTFL_CALLBACK_DATA_FAST_IO_OPERATION);
        engine_expect_trace("ac.CA");
        engine_tear_down();
}

static void test_skip_non_dasd(void)
{
        engine_register(1, IRP_MJ_READ, FLTFL_OPERATION_REGISTRATION_SKIP_NON_DASD_IO, true);
        engine_register(2, IRP_MJ_CREATE, FLTFL_OPERATION_REGISTRATION_SKIP_PAGING_IO, true);
        engine_set_up();
        engine_run_with(IRP_MJ_READ, 0, 0);
        engine_expect_trace("ac.CA");
        /* The others are about reads and writes only. */
        engine_create_once();
        engine_expect_trace("abc.CBA");
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
        engine_expect_violations(
                g_assert_false(FltDoCompletionProcessingWhenSafe(data, objects, context, flags, safe, &status)), 1);
        engine_expect_violations(FltCompletePendedPostOperation(data), 1);
        engine_expect_violations(FltReissueSynchronousIo(objects->Instance, data), 1);
        FltRetainSwappedBufferMdlAddress(data);
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
        engine_expect_trace("abc.YCA");
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
        engine_expect_violations(engine_assert_status(engine_read_once(), STATUS_SUCCESS), 1);
        engine_expect_trace("abc.YCA");
        engine_tear_down();
}

/* A synchronized one is drained, too; the filters above have their post-operations. */
static void test_draining_synchronized(void)
{
        engine_set_up();
        engine_scripts[1].pre_status = FLT_PREOP_SYNCHRONIZE;
        engine_bottom_hook = detach_at_bottom;
        engine_assert_status(engine_read_once(), STATUS_SUCCESS);
        engine_expect_trace("abc.YCA");
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
        engine_expect_trace("abc.Cc.CBA");
        engine_tear_down();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/callbacks/disallow-fastio", test_disallow_fastio);
        g_test_add_func("/callbacks/pending-of-no-irp", test_pending_of_no_irp);
        g_test_add_func("/callbacks/synchronize-of-no-irp", test_synchronize_of_no_irp);
        g_test_add_func("/callbacks/disallow-fsfilter", test_disallow_fsfilter);
        g_test_add_func("/callbacks/one-callback", test_one_callback);
        g_test_add_func("/callbacks/complete-without-status", test_complete_without_status);
        g_test_add_func("/callbacks/complete-with-success", test_complete_with_success);
        g_test_add_func("/callbacks/cleanup-cannot-fail", test_cleanup_cannot_fail);
        g_test_add_func("/callbacks/cleanup-cannot-be-failed", test_cleanup_cannot_be_failed);
        g_test_add_func("/callbacks/failed-afterwards", test_failed_afterwards);
        g_test_add_func("/callbacks/post-that-is-not-registered", test_post_that_is_not_registered);
        g_test_add_func("/callbacks/pended-statuses", test_pended_statuses);
        g_test_add_func("/callbacks/pended-create-stays", test_pended_create_stays);
        g_test_add_func("/callbacks/completed-twice", test_completed_twice);
        g_test_add_func("/callbacks/post-completed-early", test_post_completed_early);
        g_test_add_func("/callbacks/pending-as-result", test_pending_as_result);
        g_test_add_func("/callbacks/warning", test_warning);
        g_test_add_func("/callbacks/when-safe", test_when_safe);
        g_test_add_func("/callbacks/when-safe-keeps-it", test_when_safe_keeps_it);
        g_test_add_func("/callbacks/when-safe-and-going", test_when_safe_and_going);
        g_test_add_func("/callbacks/deferred", test_deferred);
        g_test_add_func("/callbacks/skip-flags", test_skip_flags);
        g_test_add_func("/callbacks/skip-non-dasd", test_skip_non_dasd);
        g_test_add_func("/callbacks/draining-data", test_draining_data);
        g_test_add_func("/callbacks/draining-must-finish", test_draining_must_finish);
        g_test_add_func("/callbacks/draining-synchronized", test_draining_synchronized);
        g_test_add_func("/callbacks/generated-io-goes-below", test_generated_io_goes_below);
        return g_test_run();
}
