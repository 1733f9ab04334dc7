/* SPDX-License-Identifier: MIT */
/* What becomes of operations in flight when their instance goes. */
#include "engine-one.h"

static gpointer detach(gpointer unused)
{
        engine_assert_status(FltDetachVolume(one.filter, engine_volume, NULL), STATUS_SUCCESS);
        return NULL;
}

static PFLT_CALLBACK_DATA pended;

static FLT_PREOP_CALLBACK_STATUS pend(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        g_atomic_pointer_set(&pended, data);
        one_say("pended");
        return FLT_PREOP_PENDING;
}

static void complete_pended(PCFLT_RELATED_OBJECTS objects)
{
        PFLT_CALLBACK_DATA data = g_atomic_pointer_get(&pended);

        data->IoStatus.Status = STATUS_CANCELLED;
        FltCompletePendedPreOperation(data, FLT_PREOP_COMPLETE, NULL);
        one_say("let-go");
}

/* TeardownStart completes what is pended; TeardownComplete comes after that. */
static void test_detach_while_pended(void)
{
        struct one_reading reading;

        one_set_up();
        one.on_pre = pend;
        one.on_start = complete_pended;
        one_load_quietly();
        reading = one_start_reading(0, "pended");
        detach(NULL);
        engine_assert_status(one_end_reading(&reading), STATUS_CANCELLED);
        one_expect("pre pended query start(1) let-go complete(1)");
        one_tear_down();
}

/* An operation goes on after a detach that happens while it is pended and continues: it meets a drained post-operation.
 */
static void go_on(PCFLT_RELATED_OBJECTS objects)
{
        FltCompletePendedPreOperation(g_atomic_pointer_get(&pended), FLT_PREOP_SUCCESS_WITH_CALLBACK, NULL);
        one_say("let-go");
}

static void test_detach_lets_pended_go_on(void)
{
        g_autofree char *said = NULL;
        struct one_reading reading;

        one_set_up();
        one.on_pre = pend;
        one.on_start = go_on;
        one_load_quietly();
        reading = one_start_reading(0, "pended");
        detach(NULL);
        engine_assert_status(one_end_reading(&reading), STATUS_SUCCESS);
        /* One post-operation comes, as usual or early, as the threads happen to run; the end is after it. */
        said = one_take_words();
        g_assert_true(!strstr(said, "post") != !strstr(said, "drained"));
        g_assert_true(g_str_has_suffix(said, "complete(1)"));
        one_tear_down();
}

/* The bottom is entered, and left when the test says so. */
static void wait_at_bottom(struct fm_operation *operation)
{
        if (operation->iopb.MajorFunction != IRP_MJ_READ)
                return;
        one_say("bottom");
        one_wait_for("start(");
        one_say("done");
}

static FLT_PREOP_CALLBACK_STATUS swap(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        PMDL mdl = IoAllocateMdl(data, sizeof(*data), FALSE, FALSE, NULL);

        MmBuildMdlForNonPagedPool(mdl);
        data->Iopb->Parameters.Read.ReadBuffer = data;
        data->Iopb->Parameters.Read.MdlAddress = mdl;
        FltSetCallbackDataDirty(data);
        return FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

/* What has changed parameters has to copy back: it is waited for, not drained. */
static void test_swapped_is_waited_for(void)
{
        struct one_reading reading;

        one_set_up();
        one.on_pre = swap;
        one_load_quietly();
        engine_bottom_hook = wait_at_bottom;
        reading = one_start_reading(0, "bottom");
        detach(NULL);
        engine_assert_status(one_end_reading(&reading), STATUS_SUCCESS);
        one_expect("pre bottom query start(1) done post complete(1)");
        one_tear_down();
}

/* What has not is drained once, while the operation stays at the bottom until all is over. */
static void wait_for_complete(struct fm_operation *operation)
{
        if (operation->iopb.MajorFunction != IRP_MJ_READ)
                return;
        one_say("bottom");
        one_wait_for("complete(");
}

static void test_unload_drains(void)
{
        struct one_reading reading;

        one_set_up();
        one_load_quietly();
        engine_bottom_hook = wait_for_complete;
        reading = one_start_reading(0, "bottom");
        engine_assert_status(fm_filter_unload("one", false), STATUS_SUCCESS);
        engine_assert_status(one_end_reading(&reading), STATUS_SUCCESS);
        one_expect("pre bottom unload(0) start(2) drained complete(2) unloaded");
        one_tear_down();
}

/* Only a buffer has to be copied back: other changed parameters are no reason to wait. */
static FLT_PREOP_CALLBACK_STATUS shorten(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        data->Iopb->Parameters.Read.Length = 5;
        FltSetCallbackDataDirty(data);
        return FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

static void test_changed_length_is_drained(void)
{
        struct one_reading reading;

        one_set_up();
        one.on_pre = shorten;
        one_load_quietly();
        engine_bottom_hook = wait_for_complete;
        reading = one_start_reading(0, "bottom");
        detach(NULL);
        engine_assert_status(one_end_reading(&reading), STATUS_SUCCESS);
        one_expect("pre bottom query start(1) drained complete(1)");
        one_tear_down();
}

/* ---- the end of a file ---- */

static const FLT_OPERATION_REGISTRATION of_the_end[] = {
        { IRP_MJ_CLEANUP, 0, one_pre, one_post },
        { IRP_MJ_CLOSE, 0, one_pre, one_post },
        { IRP_MJ_OPERATION_END },
};

static UCHAR ending;
static PFILE_OBJECT ending_file;

static void wait_at_the_end(struct fm_operation *operation)
{
        if (operation->iopb.MajorFunction != ending)
                return;
        one_say("bottom");
        one_wait_for("complete(");
}

static FLT_POSTOP_CALLBACK_STATUS look_at_file(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID context,
                                               FLT_POST_OPERATION_FLAGS flags)
{
        if (flags & FLTFL_POST_OPERATION_DRAINING) {
                g_assert_cmpuint(data->Iopb->MajorFunction, ==, ending);
                g_assert_true(objects->FileObject == ending_file);
                g_assert_true(data->Iopb->TargetFileObject == ending_file);
                g_assert_true(!(objects->FileObject->Flags & FO_CLEANUP_COMPLETE) == (ending == IRP_MJ_CLEANUP));
        }
        return FLT_POSTOP_FINISHED_PROCESSING;
}

static gpointer drop_file(gpointer file)
{
        fm_object_unref(file);
        return NULL;
}

/* CLEANUP and CLOSE too, although nobody refers to the file any more. */
static void test_end_of_a_file(void)
{
        static const UCHAR majors[] = { IRP_MJ_CLEANUP, IRP_MJ_CLOSE };

        for (unsigned i = 0; i < G_N_ELEMENTS(majors); i++) {
                GThread *closer;

                one_set_up();
                one.registration.OperationRegistration = of_the_end;
                one.on_post = look_at_file;
                one_load_quietly();
                ending = majors[i];
                ending_file = engine_open_file();
                engine_bottom_hook = wait_at_the_end;
                closer = g_thread_new("closer", drop_file, ending_file);
                one_wait_for("bottom");
                detach(NULL);
                g_thread_join(closer);
                one_expect(i ? "pre post pre bottom query start(1) drained complete(1)" :
                               "pre bottom query start(1) drained complete(1)");
                one_tear_down();
        }
}

static void reach_bottom(struct fm_operation *operation)
{
        if (operation->iopb.MajorFunction != IRP_MJ_CLOSE)
                return;
        one_say("bottom");
        one_wait_for("drained");
        one_say("left");
}

static FLT_POSTOP_CALLBACK_STATUS take_long(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID context,
                                            FLT_POST_OPERATION_FLAGS flags)
{
        if (data->Iopb->MajorFunction != IRP_MJ_CLOSE)
                return FLT_POSTOP_FINISHED_PROCESSING;
        g_assert_true(flags & FLTFL_POST_OPERATION_DRAINING);
        one_wait_for("left");
        for (int i = 0; i < 10000; i++)
                g_thread_yield();
        g_assert_null(strchr(engine_trace, 'x'));
        g_assert_true(objects->FileObject->Flags & FO_CLEANUP_COMPLETE);
        return FLT_POSTOP_FINISHED_PROCESSING;
}

/* The operation is through, but the callback that drains it is not: the file stays. */
static void test_file_stays_while_draining(void)
{
        GThread *closer;
        PFILE_OBJECT file;

        one_set_up();
        one.registration.OperationRegistration = of_the_end;
        one.on_post = take_long;
        one_load_quietly();
        file = engine_open_file();
        engine_bottom_hook = reach_bottom;
        closer = g_thread_new("closer", drop_file, file);
        one_wait_for("bottom");
        detach(NULL);
        g_thread_join(closer);
        one_expect("pre post pre bottom query start(1) drained left complete(1)");
        g_assert_cmpstr(engine_trace, ==, "..x");
        one_tear_down();
}

/* What the operation is, the copy is: fast I/O, a filter's own. */
static FLT_CALLBACK_DATA_FLAGS drained_flags;

static FLT_POSTOP_CALLBACK_STATUS keep_flags(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID context,
                                             FLT_POST_OPERATION_FLAGS flags)
{
        drained_flags = data->Flags;
        return FLT_POSTOP_FINISHED_PROCESSING;
}

static void test_kind_of_what_is_drained(void)
{
        static const FLT_CALLBACK_DATA_FLAGS kinds[] = {
                FLTFL_CALLBACK_DATA_IRP_OPERATION,
                FLTFL_CALLBACK_DATA_FAST_IO_OPERATION,
                FLTFL_CALLBACK_DATA_FS_FILTER_OPERATION,
                FLTFL_CALLBACK_DATA_IRP_OPERATION | FLTFL_CALLBACK_DATA_GENERATED_IO,
        };

        for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
                struct one_reading reading;

                one_set_up();
                one.on_post = keep_flags;
                one_load_quietly();
                engine_bottom_hook = wait_for_complete;
                reading = one_start_reading(kinds[i], "bottom");
                detach(NULL);
                one_end_reading(&reading);
                g_assert_cmphex(drained_flags, ==,
                                kinds[i] | FLTFL_CALLBACK_DATA_DRAINING_IO | FLTFL_CALLBACK_DATA_POST_OPERATION);
                one_tear_down();
        }
}

/* A callback may detach its own instance: the teardown waits for the callback, so it comes later. */
static FLT_PREOP_CALLBACK_STATUS detach_oneself(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        engine_assert_status(FltDetachVolume(objects->Filter, objects->Volume, NULL), STATUS_SUCCESS);
        one_wait_for("start(");
        one_say("returns");
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

static void test_detach_from_a_callback(void)
{
        one_set_up();
        one.on_pre = detach_oneself;
        one_load_quietly();
        engine_assert_status(one_read(), STATUS_SUCCESS);
        one_wait_for("complete(");
        one_expect("pre query start(1) returns complete(1)");
        one_tear_down();
}

/* ---- operations that filters send down again, or take back ---- */

static FLT_PREOP_CALLBACK_STATUS synchronize(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        return FLT_PREOP_SYNCHRONIZE;
}

static bool is_upper(PCFLT_RELATED_OBJECTS objects)
{
        return objects->Instance == one_instance();
}

static FLT_POSTOP_CALLBACK_STATUS send_again(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID context,
                                             FLT_POST_OPERATION_FLAGS flags)
{
        if ((flags & FLTFL_POST_OPERATION_DRAINING) || !is_upper(objects))
                return FLT_POSTOP_FINISHED_PROCESSING;
        one_say("again");
        FltReissueSynchronousIo(objects->Instance, data);
        engine_assert_status(data->IoStatus.Status, STATUS_SUCCESS);
        g_assert_cmpuint(data->IoStatus.Information, ==, 7);
        one_say("came-back");
        return FLT_POSTOP_FINISHED_PROCESSING;
}

static const char *second_read_waits_for;

static void hold_second_read(struct fm_operation *operation)
{
        if (!(operation->data.Flags & FLTFL_CALLBACK_DATA_REISSUED_IO))
                return;
        one_say("bottom");
        one_wait_for(second_read_waits_for);
        one_say("left");
}

/* The teardown of who sends it again waits for that: it is his post-operation that runs. */
static void test_detach_while_reissuing(void)
{
        struct one_reading reading;

        one_set_up();
        one.on_pre = synchronize;
        one.on_post = send_again;
        one_load_quietly();
        engine_bottom_hook = hold_second_read;
        second_read_waits_for = "start(";
        reading = one_start_reading(0, "bottom");
        detach(NULL);
        engine_assert_status(one_end_reading(&reading), STATUS_SUCCESS);
        one_expect("pre post again bottom query start(1) left came-back complete(1)");
        one_tear_down();
}

/* Who is below and sees it a second time is drained as from any other operation. */
static void test_detach_below_while_reissuing(void)
{
        UNICODE_STRING lower = RTL_CONSTANT_STRING(L"lower");
        struct one_reading reading;

        one_set_up();
        one_set_instance(ONE_INSTANCES, "lower", "100", 0);
        one.on_pre = synchronize;
        one.on_post = send_again;
        one_load_quietly();
        engine_bottom_hook = hold_second_read;
        second_read_waits_for = "complete(";
        reading = one_start_reading(0, "bottom");
        engine_assert_status(FltDetachVolume(one.filter, engine_volume, &lower), STATUS_SUCCESS);
        engine_assert_status(one_end_reading(&reading), STATUS_SUCCESS);
        one_expect("pre pre post post again pre bottom query start(1) drained complete(1) left came-back");
        one_tear_down();
}

static const FLT_OPERATION_REGISTRATION of_creates[] = {
        { IRP_MJ_CREATE, 0, one_pre, one_post },
        { IRP_MJ_OPERATION_END },
};

/* The lower one stays in its post-operation, so the file is open; the upper one is drained. */
static FLT_POSTOP_CALLBACK_STATUS take_back_open(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID context,
                                                 FLT_POST_OPERATION_FLAGS flags)
{
        if (!is_upper(objects) && !(flags & FLTFL_POST_OPERATION_DRAINING)) {
                one_say("opened");
                one_wait_for("complete(");
        } else {
                FltCancelFileOpen(objects->Instance, objects->FileObject);
        }
        return FLT_POSTOP_FINISHED_PROCESSING;
}

static gpointer create(gpointer unused)
{
        engine_assert_status(engine_create_once(), STATUS_SUCCESS);
        return NULL;
}

/* Who is drained can't take the open back: it is reported, and the file stays open. */
static void test_cancel_file_open_while_draining(void)
{
        uint64_t before = fm_violation_count();
        UNICODE_STRING upper = RTL_CONSTANT_STRING(L"one");
        GThread *opener;

        one_set_up();
        one_set_instance(ONE_INSTANCES, "lower", "100", 0);
        one.registration.OperationRegistration = of_creates;
        one.on_post = take_back_open;
        one_load_quietly();
        opener = g_thread_new("opener", create, NULL);
        one_wait_for("opened");
        engine_assert_status(FltDetachVolume(one.filter, engine_volume, &upper), STATUS_SUCCESS);
        g_thread_join(opener);
        one_expect("pre pre post opened query start(1) drained complete(1)");
        g_assert_cmpuint(fm_violation_count(), ==, before + 1);
        /* CREATE, and no CLEANUP or CLOSE before the create was over. */
        g_assert_cmpstr(engine_trace, ==, ".");
        one_tear_down();
}

/* ---- what nobody completes ---- */

static PFLT_CALLBACK_DATA pended_post;

static FLT_POSTOP_CALLBACK_STATUS pend_post(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID context,
                                            FLT_POST_OPERATION_FLAGS flags)
{
        g_atomic_pointer_set(&pended_post, data);
        one_say("pended");
        return FLT_POSTOP_MORE_PROCESSING_REQUIRED;
}

/* On Windows the teardown would hang. Here it says who pended what, and gives up on it. */
static void check_pended_for_ever(NTSTATUS status, const char *said)
{
        uint64_t before = fm_violation_count();
        struct one_reading reading = one_start_reading(0, "pended");

        detach(NULL);
        engine_assert_status(one_end_reading(&reading), status);
        g_assert_cmpuint(fm_violation_count(), ==, before + 1);
        one_expect(said);
        engine_assert_status(FltAttachVolume(one.filter, engine_volume, NULL, NULL), STATUS_SUCCESS);
        g_free(one_take_words());
}

/* The last: the filter can't be loaded again. */
static void test_pended_for_ever(void)
{
        g_setenv("FLTSIM_VERIFIER_PATIENCE", "1000", TRUE);
        one_set_up();
        one_load_quietly();
        one.on_pre = pend;
        check_pended_for_ever(STATUS_CANCELLED, "pre pended query start(1) complete(1)");
        one.on_pre = NULL;
        one.on_post = pend_post;
        check_pended_for_ever(STATUS_SUCCESS, "pre post pended query start(1) complete(1)");
        engine_assert_status(fm_filter_unload("one", false), STATUS_SUCCESS);
        engine_assert_status(one_load(), STATUS_DRIVER_FAILED_PRIOR_UNLOAD);
        one_tear_down();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/draining/detach-while-pended", test_detach_while_pended);
        g_test_add_func("/draining/detach-lets-pended-go-on", test_detach_lets_pended_go_on);
        g_test_add_func("/draining/swapped-is-waited-for", test_swapped_is_waited_for);
        g_test_add_func("/draining/unload-drains", test_unload_drains);
        g_test_add_func("/draining/changed-length-is-drained", test_changed_length_is_drained);
        g_test_add_func("/draining/end-of-a-file", test_end_of_a_file);
        g_test_add_func("/draining/file-stays-while-draining", test_file_stays_while_draining);
        g_test_add_func("/draining/kind-of-what-is-drained", test_kind_of_what_is_drained);
        g_test_add_func("/draining/detach-from-a-callback", test_detach_from_a_callback);
        g_test_add_func("/draining/detach-while-reissuing", test_detach_while_reissuing);
        g_test_add_func("/draining/detach-below-while-reissuing", test_detach_below_while_reissuing);
        g_test_add_func("/draining/cancel-file-open", test_cancel_file_open_while_draining);
        g_test_add_func("/draining/pended-for-ever", test_pended_for_ever);
        return g_test_run();
}
