/* SPDX-License-Identifier: MIT */
/* What a callback can find out about its operation. */
#include "engine-harness.h"

#include <unistd.h>

#include "nt/process.h"
#include "nt/thread.h"

static PETHREAD asking; /* who makes the request */
static bool from_kernel;
static FLT_CALLBACK_DATA_FLAGS kind;

static NTSTATUS run(UCHAR major)
{
        const struct fm_requestor requestor = { .thread = asking, .kernel = from_kernel };
        PFILE_OBJECT file = engine_open_file();
        struct fm_operation *operation = fm_operation_new(engine_volume, major, file, &requestor);
        NTSTATUS status;

        if (kind)
                operation->data.Flags = kind;
        status = fm_operation_run(operation);
        fm_operation_free(operation);
        engine_trace[0] = 0;
        fm_object_unref(file);
        return status;
}

/* ---- kinds ---- */

static void check_kind(PFLT_CALLBACK_DATA data)
{
        g_assert_true(!!FLT_IS_IRP_OPERATION(data) == (kind == FLTFL_CALLBACK_DATA_IRP_OPERATION));
        g_assert_true(!!FLT_IS_FASTIO_OPERATION(data) == (kind == FLTFL_CALLBACK_DATA_FAST_IO_OPERATION));
        g_assert_true(!!FLT_IS_FS_FILTER_OPERATION(data) == (kind == FLTFL_CALLBACK_DATA_FS_FILTER_OPERATION));
        g_assert_false(FLT_IS_REISSUED_IO(data));
        g_assert_false(FLT_IS_SYSTEM_BUFFER(data));
        g_assert_false(data->Flags & (FLTFL_CALLBACK_DATA_GENERATED_IO | FLTFL_CALLBACK_DATA_DRAINING_IO));
}

static void kind_in_pre(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        check_kind(data);
        g_assert_false(data->Flags & FLTFL_CALLBACK_DATA_POST_OPERATION);
        g_assert_true(FltIsOperationSynchronous(data));
}

static void kind_in_post(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects,
                         PVOID context, FLT_POST_OPERATION_FLAGS flags)
{
        check_kind(data);
        g_assert_true(data->Flags & FLTFL_CALLBACK_DATA_POST_OPERATION);
        g_assert_false(flags & FLTFL_POST_OPERATION_DRAINING);
}

static void test_kinds(void)
{
        static const FLT_CALLBACK_DATA_FLAGS kinds[] = { FLTFL_CALLBACK_DATA_IRP_OPERATION,
                                                         FLTFL_CALLBACK_DATA_FAST_IO_OPERATION,
                                                         FLTFL_CALLBACK_DATA_FS_FILTER_OPERATION };

        engine_set_up();
        for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
                kind = kinds[i];
                for (int j = 0; j < ENGINE_FILTERS; j++) {
                        engine_scripts[j].pre = kind_in_pre;
                        engine_scripts[j].post = kind_in_post;
                }
                engine_assert_status(run(IRP_MJ_READ), STATUS_SUCCESS);
        }
        kind = 0;
        engine_tear_down();
}

/* ---- IRP flags ---- */

static const struct {
        UCHAR major;
        ULONG flags;
} irp_flags[] = {
        { IRP_MJ_CREATE, IRP_CREATE_OPERATION }, { IRP_MJ_READ, IRP_READ_OPERATION },
        { IRP_MJ_WRITE, IRP_WRITE_OPERATION },   { IRP_MJ_CLEANUP, IRP_CLOSE_OPERATION },
        { IRP_MJ_FLUSH_BUFFERS, 0 },
};

static UCHAR major_seen;
static ULONG flags_seen;

static void keep_flags(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        major_seen = data->Iopb->MajorFunction;
        flags_seen = data->Iopb->IrpFlags;
}

static void test_irp_flags(void)
{
        for (unsigned i = 0; i < G_N_ELEMENTS(irp_flags); i++)
                engine_register(0, irp_flags[i].major, 0, true);
        engine_set_up();
        for (unsigned i = 0; i < G_N_ELEMENTS(irp_flags); i++) {
                PFILE_OBJECT file = engine_open_file();
                struct fm_operation *operation =
                        fm_operation_new(engine_volume, irp_flags[i].major, file, &engine_nobody);

                engine_scripts[0].pre = keep_flags;
                fm_operation_run(operation);
                engine_scripts[0].pre = NULL;
                fm_operation_free(operation);
                g_assert_cmpuint(major_seen, ==, irp_flags[i].major);
                g_assert_cmphex(flags_seen, ==, irp_flags[i].flags | IRP_SYNCHRONOUS_API);
                engine_trace[0] = 0;
                fm_object_unref(file);
        }
        engine_tear_down();
}

/* ---- who asks ---- */

static void check_requestor(PFLT_CALLBACK_DATA data)
{
        ULONG session = 77;

        g_assert_true(data->Thread == asking);
        g_assert_cmpint(data->RequestorMode, ==, from_kernel ? KernelMode : UserMode);
        g_assert_false(FltIs32bitProcess(data));
        if (!asking) {
                g_assert_null(FltGetRequestorProcess(data));
                g_assert_cmpuint(FltGetRequestorProcessId(data), ==, 0);
                g_assert_null(FltGetRequestorProcessIdEx(data));
                engine_assert_status(FltGetRequestorSessionId(data, &session), STATUS_UNSUCCESSFUL);
                g_assert_cmpuint(session, ==, (ULONG)-1);
                return;
        }
        g_assert_true(FltGetRequestorProcess(data) == IoThreadToProcess(data->Thread));
        g_assert_cmpuint(FltGetRequestorProcessId(data), ==, (ULONG)getpid());
        g_assert_true(FltGetRequestorProcessIdEx(data) == (HANDLE)(ULONG_PTR)getpid());
        engine_assert_status(FltGetRequestorSessionId(data, &session), STATUS_SUCCESS);
        g_assert_cmpuint(session, ==, 0);
}

static void requestor_in_pre(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        check_requestor(data);
        if (asking) {
                g_assert_true(PsGetCurrentThread() == asking);
                g_assert_true(PsGetCurrentProcess() == FltGetRequestorProcess(data));
        }
}

static void requestor_in_post(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects,
                              PVOID context, FLT_POST_OPERATION_FLAGS flags)
{
        check_requestor(data);
}

static void test_requestor(void)
{
        PETHREAD somebody = fm_thread_ref_by_id(getpid());

        engine_set_up();
        for (int i = 0; i < 4; i++) {
                asking = i & 1 ? somebody : NULL;
                from_kernel = i & 2;
                engine_scripts[1].pre = requestor_in_pre;
                engine_scripts[1].post = requestor_in_post;
                engine_assert_status(run(IRP_MJ_READ), STATUS_SUCCESS);
        }
        asking = NULL;
        from_kernel = false;
        engine_tear_down();
        fm_object_unref(somebody);
}

/* ---- top-level IRPs ---- */

static VOID FLTAPI never_run(PFLT_DEFERRED_IO_WORKITEM item, PFLT_CALLBACK_DATA data, PVOID context)
{
        g_assert_not_reached();
}

static FLT_POSTOP_CALLBACK_STATUS FLTAPI never_safe(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects,
                                                    PVOID context, FLT_POST_OPERATION_FLAGS flags)
{
        g_assert_not_reached();
}

static void set_top_level(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        PFLT_DEFERRED_IO_WORKITEM item = FltAllocateDeferredIoWorkItem();

        g_assert_null(IoGetTopLevelIrp());
        IoSetTopLevelIrp((PIRP)FSRTL_FSP_TOP_LEVEL_IRP);
        g_assert_true(IoGetTopLevelIrp() == (PIRP)FSRTL_FSP_TOP_LEVEL_IRP);
        engine_assert_status(FltQueueDeferredIoWorkItem(item, data, never_run, DelayedWorkQueue, NULL),
                             STATUS_FLT_NOT_SAFE_TO_POST_OPERATION);
        IoSetTopLevelIrp(NULL);
        FltFreeDeferredIoWorkItem(item);
}

static void set_top_level_post(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects,
                               PVOID context, FLT_POST_OPERATION_FLAGS flags)
{
        FLT_POSTOP_CALLBACK_STATUS status = (FLT_POSTOP_CALLBACK_STATUS)99;
        KIRQL irql;

        IoSetTopLevelIrp((PIRP)FSRTL_FSP_TOP_LEVEL_IRP);
        KeRaiseIrql(DISPATCH_LEVEL, &irql);
        g_assert_false(FltDoCompletionProcessingWhenSafe(data, objects, context, flags, never_safe, &status));
        KeLowerIrql(irql);
        g_assert_cmpint(status, ==, FLT_POSTOP_FINISHED_PROCESSING);
        IoSetTopLevelIrp(NULL);
}

static void test_top_level_irp(void)
{
        engine_set_up();
        engine_scripts[1].pre = set_top_level;
        engine_scripts[1].post = set_top_level_post;
        engine_assert_status(run(IRP_MJ_READ), STATUS_SUCCESS);
        engine_tear_down();
}

/* ---- files ---- */

static void test_is_directory(void)
{
        PFILE_OBJECT file, closed;
        BOOLEAN directory;

        engine_set_up();
        closed = fm_file_object_new(engine_volume);
        engine_assert_status(FltIsDirectory(closed, engine_instances[0], &directory), STATUS_INVALID_PARAMETER);
        g_assert_false(FltSupportsStreamContexts(closed));
        g_assert_false(FltSupportsStreamHandleContexts(closed));
        g_assert_false(FltSupportsFileContextsEx(closed, engine_instances[0]));
        fm_object_unref(closed);
        file = engine_open_file();
        for (int i = 0; i < 2; i++) {
                fm_file_object(file)->directory = i;
                directory = !i;
                engine_assert_status(FltIsDirectory(file, engine_instances[0], &directory), STATUS_SUCCESS);
                g_assert_true(directory == i);
        }
        g_assert_true(FltSupportsStreamContexts(file));
        g_assert_true(FltSupportsStreamHandleContexts(file));
        g_assert_true(FltSupportsFileContexts(file));
        g_assert_true(FltSupportsFileContextsEx(file, engine_instances[0]));
        fm_object_unref(file);
        engine_tear_down();
}

/* ---- what the filter keeps in the operation ---- */

static void keep_in_data(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        for (int i = 0; i < 4; i++)
                data->FilterContext[i] = &engine_scripts[i % ENGINE_FILTERS];
        g_assert_null(data->TagData);
}

static void test_filter_context(void)
{
        engine_set_up();
        engine_scripts[1].pre = keep_in_data;
        engine_assert_status(run(IRP_MJ_READ), STATUS_SUCCESS);
        engine_tear_down();
}

/* Related objects are each filter's own. */
static void related(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        ptrdiff_t i = script - engine_scripts;

        g_assert_cmpuint(objects->Size, ==, sizeof(*objects));
        g_assert_true(objects->Filter == engine_filters[i]);
        g_assert_true(objects->Instance == engine_instances[i]);
        g_assert_true(objects->Volume == engine_volume);
        g_assert_true(data->Iopb->TargetInstance == engine_instances[i]);
        g_assert_null(objects->Transaction);
        g_assert_cmpuint(objects->TransactionContext, ==, 0);
}

static void related_post(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects,
                         PVOID context, FLT_POST_OPERATION_FLAGS flags)
{
        related(script, data, objects);
}

static void test_related_objects(void)
{
        engine_set_up();
        for (int j = 0; j < ENGINE_FILTERS; j++) {
                engine_scripts[j].pre = related;
                engine_scripts[j].post = related_post;
        }
        engine_assert_status(run(IRP_MJ_READ), STATUS_SUCCESS);
        engine_tear_down();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/predicates/kinds", test_kinds);
        g_test_add_func("/predicates/irp-flags", test_irp_flags);
        g_test_add_func("/predicates/requestor", test_requestor);
        g_test_add_func("/predicates/top-level-irp", test_top_level_irp);
        g_test_add_func("/predicates/is-directory", test_is_directory);
        g_test_add_func("/predicates/filter-context", test_filter_context);
        g_test_add_func("/predicates/related-objects", test_related_objects);
        return g_test_run();
}
