/* SPDX-License-Identifier: MIT */
/* The callback contract on the engine alone. */
#include "engine-harness.h"

static void test_order(void)
{
        engine_set_up();
        g_assert_cmphex((guint32)engine_read_once(), ==, STATUS_SUCCESS);
        g_assert_cmpstr(engine_trace, ==, "abc.CBA");
        engine_tear_down();
}

static void test_no_callback(void)
{
        engine_set_up();
        engine_scripts[1].pre_status = FLT_PREOP_SUCCESS_NO_CALLBACK;
        engine_read_once();
        g_assert_cmpstr(engine_trace, ==, "abc.CA");
        engine_tear_down();
}

static void test_complete(void)
{
        engine_set_up();
        engine_scripts[1].pre_status = FLT_PREOP_COMPLETE;
        engine_scripts[1].complete_with = STATUS_ACCESS_DENIED;
        g_assert_cmphex((guint32)engine_read_once(), ==, (guint32)STATUS_ACCESS_DENIED);
        g_assert_cmpstr(engine_trace, ==, "abA");
        g_assert_cmphex((guint32)engine_scripts[0].seen_status, ==, (guint32)STATUS_ACCESS_DENIED);
        engine_tear_down();
}

static void test_completion_context(void)
{
        int x[3];

        engine_set_up();
        for (int i = 0; i < 3; i++)
                engine_scripts[i].context = &x[i];
        engine_read_once();
        g_assert_cmpstr(engine_trace, ==, "abc.CBA");
        engine_tear_down();
}

static void change_length_dirty(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        data->Iopb->Parameters.Read.Length = 50;
        FltSetCallbackDataDirty(data);
}

static void change_length(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        data->Iopb->Parameters.Read.Length = 50;
}

static ULONG bottom_length;

static void keep_length(struct fm_operation *operation)
{
        if (operation->iopb.MajorFunction == IRP_MJ_READ)
                bottom_length = operation->iopb.Parameters.Read.Length;
}

static void test_dirty(void)
{
        engine_set_up();
        engine_bottom_hook = keep_length;
        engine_scripts[1].pre = change_length_dirty;
        engine_read_once();
        g_assert_cmpuint(bottom_length, ==, 50);
        g_assert_cmpuint(engine_scripts[2].seen_length_pre, ==, 50);
        g_assert_cmpuint(engine_scripts[2].seen_length_post, ==, 50);
        g_assert_cmpuint(engine_scripts[1].seen_length_post, ==, 100);
        g_assert_cmpuint(engine_scripts[0].seen_length_post, ==, 100);
        engine_tear_down();
}

static void test_not_dirty(void)
{
        engine_set_up();
        engine_bottom_hook = keep_length;
        engine_scripts[1].pre = change_length;
        engine_read_once();
        g_assert_cmpuint(bottom_length, ==, 100);
        g_assert_cmpuint(engine_scripts[2].seen_length_pre, ==, 100);
        engine_tear_down();
}

static void fail_in_post(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID context,
                         FLT_POST_OPERATION_FLAGS flags)
{
        data->IoStatus.Status = STATUS_VIRUS_INFECTED;
        data->IoStatus.Information = 0;
}

static void test_post_changes_status(void)
{
        engine_set_up();
        engine_scripts[1].post = fail_in_post;
        g_assert_cmphex((guint32)engine_read_once(), ==, (guint32)STATUS_VIRUS_INFECTED);
        g_assert_cmphex((guint32)engine_scripts[2].seen_status, ==, STATUS_SUCCESS);
        g_assert_cmphex((guint32)engine_scripts[0].seen_status, ==, (guint32)STATUS_VIRUS_INFECTED);
        engine_tear_down();
}

/* Completing a pended operation from another thread. */
struct completer {
        PFLT_CALLBACK_DATA data;
        FLT_PREOP_CALLBACK_STATUS status;
        bool post;
};

static gpointer complete_later(gpointer opaque)
{
        struct completer completer = *(struct completer *)opaque;

        g_free(opaque);
        if (completer.post)
                FltCompletePendedPostOperation(completer.data);
        else
                FltCompletePendedPreOperation(completer.data, completer.status, NULL);
        return NULL;
}

static GThread *completer_thread;

static void pend_pre(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        struct completer *completer = g_new(struct completer, 1);

        *completer = (struct completer){ data, FLT_PREOP_SUCCESS_WITH_CALLBACK, false };
        completer_thread = g_thread_new("completer", complete_later, completer);
}

/* The other thread is through before the callback returns. */
static void pend_pre_early(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        pend_pre(script, data, objects);
        g_thread_join(g_steal_pointer(&completer_thread));
}

static void join_completer(void)
{
        if (completer_thread)
                g_thread_join(g_steal_pointer(&completer_thread));
}

static void test_pend(void)
{
        engine_set_up();
        engine_scripts[1].pre_status = FLT_PREOP_PENDING;
        engine_scripts[1].pre = pend_pre;
        g_assert_cmphex((guint32)engine_read_once(), ==, STATUS_SUCCESS);
        join_completer();
        g_assert_cmpstr(engine_trace, ==, "abc.CBA");
        g_assert_true(engine_scripts[2].pre_thread != NULL);

        engine_trace[0] = 0;
        engine_scripts[1].pre = pend_pre_early;
        g_assert_cmphex((guint32)engine_read_once(), ==, STATUS_SUCCESS);
        g_assert_cmpstr(engine_trace, ==, "abc.CBA");
        engine_tear_down();
}

static void test_synchronize(void)
{
        engine_set_up();
        engine_scripts[0].pre_status = FLT_PREOP_SYNCHRONIZE;
        engine_scripts[1].pre_status = FLT_PREOP_PENDING;
        engine_scripts[1].pre = pend_pre;
        g_assert_cmphex((guint32)engine_read_once(), ==, STATUS_SUCCESS);
        join_completer();
        g_assert_cmpstr(engine_trace, ==, "abc.CBA");
        g_assert_true(engine_scripts[0].post_thread == engine_scripts[0].pre_thread);
        engine_tear_down();
}

static void more_processing(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects,
                            PVOID context, FLT_POST_OPERATION_FLAGS flags)
{
        struct completer *completer = g_new(struct completer, 1);

        *completer = (struct completer){ data, 0, true };
        completer_thread = g_thread_new("completer", complete_later, completer);
}

static void test_more_processing(void)
{
        engine_set_up();
        engine_scripts[1].post_status = FLT_POSTOP_MORE_PROCESSING_REQUIRED;
        engine_scripts[1].post = more_processing;
        g_assert_cmphex((guint32)engine_read_once(), ==, STATUS_SUCCESS);
        join_completer();
        g_assert_cmpstr(engine_trace, ==, "abc.CBA");
        engine_tear_down();
}

/* Detach while an operation is at the bottom: its post-operation comes early, once, and marked. */
static GThread *detacher;

static gpointer detach(gpointer opaque)
{
        g_assert_cmphex((guint32)FltDetachVolume(engine_filters[1], engine_volume, NULL), ==, STATUS_SUCCESS);
        return NULL;
}

static void detach_at_bottom(struct fm_operation *operation)
{
        if (operation->iopb.MajorFunction != IRP_MJ_READ)
                return;
        detacher = g_thread_new("detacher", detach, NULL);
        g_thread_join(detacher);
}

static void test_draining(void)
{
        engine_set_up();
        engine_bottom_hook = detach_at_bottom;
        g_assert_cmphex((guint32)engine_read_once(), ==, STATUS_SUCCESS);
        g_assert_cmpstr(engine_trace, ==, "abc.YCA");
        engine_bottom_hook = NULL;
        engine_trace[0] = 0;
        engine_read_once();
        g_assert_cmpstr(engine_trace, ==, "ac.CA");
        engine_tear_down();
}

static void test_collisions(void)
{
        engine_set_up();
        g_assert_cmphex((guint32)fm_instance_attach(engine_filters[0], engine_volume, "another", "400000.000", 0, NULL), ==,
                        (guint32)STATUS_FLT_INSTANCE_ALTITUDE_COLLISION);
        g_assert_cmphex((guint32)fm_instance_attach(engine_filters[0], engine_volume, "filter0", "1", 0, NULL), ==,
                        (guint32)STATUS_FLT_INSTANCE_NAME_COLLISION);
        g_assert_cmphex((guint32)fm_instance_attach(engine_filters[0], engine_volume, "another", "1.2.3", 0, NULL), ==,
                        (guint32)STATUS_INVALID_PARAMETER);
        engine_instances[0] = NULL;
        g_assert_cmphex((guint32)fm_instance_attach(engine_filters[0], engine_volume, "another", "1", 0, NULL), ==, STATUS_SUCCESS);
        g_assert_cmphex((guint32)FltStartFiltering(engine_filters[0]), ==, (guint32)STATUS_INVALID_PARAMETER);
        engine_tear_down();
}

static void test_contexts(void)
{
        PFILE_OBJECT file;
        PFLT_CONTEXT first, second, old, got;

        engine_set_up();
        file = engine_open_file();
        g_assert_cmphex((guint32)FltAllocateContext(engine_filters[0], FLT_STREAM_CONTEXT, 15, PagedPool, &first), ==,
                        (guint32)STATUS_FLT_CONTEXT_ALLOCATION_NOT_FOUND);
        g_assert_cmphex((guint32)FltAllocateContext(engine_filters[0], FLT_STREAM_CONTEXT, 16, PagedPool, &first), ==, STATUS_SUCCESS);
        g_assert_cmphex((guint32)FltAllocateContext(engine_filters[0], FLT_STREAM_CONTEXT, 16, PagedPool, &second), ==, STATUS_SUCCESS);
        g_assert_cmphex((guint32)FltGetStreamContext(engine_instances[0], file, &got), ==, (guint32)STATUS_NOT_FOUND);
        g_assert_null(got);

        g_assert_cmphex((guint32)FltSetStreamContext(engine_instances[0], file, FLT_SET_CONTEXT_KEEP_IF_EXISTS, first, &old), ==,
                        STATUS_SUCCESS);
        g_assert_null(old);
        g_assert_cmphex((guint32)FltSetStreamContext(engine_instances[0], file, FLT_SET_CONTEXT_KEEP_IF_EXISTS, second, &old), ==,
                        (guint32)STATUS_FLT_CONTEXT_ALREADY_DEFINED);
        g_assert_true(old == first);
        FltReleaseContext(old);
        g_assert_cmphex((guint32)FltSetStreamContext(engine_instances[0], file, FLT_SET_CONTEXT_REPLACE_IF_EXISTS, first, NULL), ==,
                        (guint32)STATUS_FLT_CONTEXT_ALREADY_LINKED);
        g_assert_cmphex((guint32)FltSetStreamContext(engine_instances[0], file, FLT_SET_CONTEXT_REPLACE_IF_EXISTS, second, &old), ==,
                        STATUS_SUCCESS);
        g_assert_true(old == first);
        g_assert_cmpuint(engine_cleanups, ==, 0);
        FltReleaseContext(old);
        FltReleaseContext(first);
        g_assert_cmpuint(engine_cleanups, ==, 1);

        /* Another instance has its own; it can't see ours. */
        g_assert_cmphex((guint32)FltGetStreamContext(engine_instances[1], file, &got), ==, (guint32)STATUS_NOT_FOUND);
        g_assert_cmphex((guint32)FltGetStreamContext(engine_instances[0], file, &got), ==, STATUS_SUCCESS);
        g_assert_true(got == second);
        FltReleaseContext(got);
        FltReleaseContext(second);
        g_assert_cmpuint(engine_cleanups, ==, 1);

        /* A handle context dies with the file object, the stream context with the instance. */
        g_assert_cmphex((guint32)FltAllocateContext(engine_filters[0], FLT_STREAMHANDLE_CONTEXT, 100, PagedPool, &first), ==,
                        STATUS_SUCCESS);
        g_assert_cmphex((guint32)FltSetStreamHandleContext(engine_instances[0], file, FLT_SET_CONTEXT_KEEP_IF_EXISTS, first, NULL),
                        ==, STATUS_SUCCESS);
        FltReleaseContext(first);
        fm_object_unref(file);
        g_assert_cmpuint(engine_cleanups, ==, 2);
        g_assert_cmphex((guint32)FltDetachVolume(engine_filters[0], engine_volume, NULL), ==, STATUS_SUCCESS);
        g_assert_cmpuint(engine_cleanups, ==, 3);
        g_assert_cmpuint(fm_violation_count(), ==, 0);
        engine_tear_down();
}

static void test_context_before_open(void)
{
        PFILE_OBJECT file;
        PFLT_CONTEXT context;

        engine_set_up();
        file = fm_file_object_new(engine_volume);
        g_assert_cmphex((guint32)FltGetStreamContext(engine_instances[0], file, &context), ==, (guint32)STATUS_NOT_SUPPORTED);
        fm_object_unref(file);
        engine_tear_down();
}

static void reparse(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        script->complete_with = STATUS_REPARSE;
        script->pre_status = FLT_PREOP_COMPLETE;
        data->IoStatus.Information = IO_REPARSE;
}

static void reparse_once(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        if (strchr(engine_trace, 'b') == strrchr(engine_trace, 'b'))
                reparse(script, data, objects);
        else
                script->pre_status = FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

static void test_reparse(void)
{
        engine_set_up();
        engine_scripts[1].pre = reparse_once;
        g_assert_cmphex((guint32)engine_create_once(), ==, STATUS_SUCCESS);
        g_assert_cmpstr(engine_trace, ==, "abAabc.CBA");
        engine_trace[0] = 0;
        engine_scripts[1].pre = reparse;
        g_assert_cmphex((guint32)engine_create_once(), ==, (guint32)STATUS_REPARSE_POINT_NOT_RESOLVED);
        g_assert_cmpuint(strlen(engine_trace), ==, 3 * 41);
        engine_tear_down();
}

static void test_close(void)
{
        PFILE_OBJECT file;

        engine_set_up();
        file = engine_open_file();
        fm_file_object_cleanup(file, NULL);
        g_assert_true(file->Flags & FO_CLEANUP_COMPLETE);
        g_assert_cmpstr(engine_trace, ==, ".");
        fm_object_unref(file);
        g_assert_cmpstr(engine_trace, ==, "..x");
        engine_tear_down();
}

static void test_wrong_statuses(void)
{
        uint64_t before = fm_violation_count();

        engine_set_up();
        engine_scripts[1].pre_status = FLT_PREOP_COMPLETE;
        engine_scripts[1].complete_with = STATUS_PENDING;
        g_assert_cmphex((guint32)engine_read_once(), ==, (guint32)STATUS_UNSUCCESSFUL);
        g_assert_cmpuint(fm_violation_count(), ==, before + 1);
        engine_trace[0] = 0;
        engine_scripts[1].pre_status = (FLT_PREOP_CALLBACK_STATUS)77;
        engine_read_once();
        g_assert_cmpstr(engine_trace, ==, "abc.CA");
        g_assert_cmpuint(fm_violation_count(), ==, before + 2);
        engine_tear_down();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/engine/order", test_order);
        g_test_add_func("/engine/no-callback", test_no_callback);
        g_test_add_func("/engine/complete", test_complete);
        g_test_add_func("/engine/completion-context", test_completion_context);
        g_test_add_func("/engine/dirty", test_dirty);
        g_test_add_func("/engine/not-dirty", test_not_dirty);
        g_test_add_func("/engine/post-changes-status", test_post_changes_status);
        g_test_add_func("/engine/pend", test_pend);
        g_test_add_func("/engine/synchronize", test_synchronize);
        g_test_add_func("/engine/more-processing", test_more_processing);
        g_test_add_func("/engine/draining", test_draining);
        g_test_add_func("/engine/collisions", test_collisions);
        g_test_add_func("/engine/contexts", test_contexts);
        g_test_add_func("/engine/context-before-open", test_context_before_open);
        g_test_add_func("/engine/reparse", test_reparse);
        g_test_add_func("/engine/close", test_close);
        g_test_add_func("/engine/wrong-statuses", test_wrong_statuses);
        return g_test_run();
}
