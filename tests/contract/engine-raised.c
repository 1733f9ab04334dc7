/* SPDX-License-Identifier: MIT */
/*
 * Post-operations at DISPATCH_LEVEL, if the verifier is asked for that: which are, which never are, and what is reported
 * there.
 */
#include "engine-harness.h"

#include <unistd.h>

#include "nt/process.h"

static char levels[64]; /* "0 0 0 2 2 2": of the pre-operations from the top, then of the post-operations from below */
static PETHREAD asking;
static unsigned in_callers_thread; /* post-operations */

static void note_level(void)
{
        size_t length = strlen(levels);

        (void)snprintf(levels + length, sizeof(levels) - length, "%s%u", length ? " " : "", KeGetCurrentIrql());
}

static void pre(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        note_level();
        g_assert_true(PsGetCurrentThread() == asking);
}

static void post(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID context,
                 FLT_POST_OPERATION_FLAGS flags)
{
        note_level();
        in_callers_thread += PsGetCurrentThread() == asking;
        g_assert_true(data->Thread == asking);
}

static void set_up(void)
{
        engine_set_up();
        asking = fm_thread_ref_by_id(getpid());
        for (int i = 0; i < ENGINE_FILTERS; i++) {
                engine_scripts[i].pre = pre;
                engine_scripts[i].post = post;
        }
        fm_verifier_raise_completions(true);
}

static void tear_down(void)
{
        fm_verifier_raise_completions(false);
        fm_object_unref(asking);
        engine_tear_down();
}

/* The levels of one operation, and how many post-operations were called as its caller. */
static void expect(UCHAR major, FLT_CALLBACK_DATA_FLAGS kind, const char *expected, unsigned expected_in_thread)
{
        const struct fm_requestor requestor = { .thread = asking };
        PFILE_OBJECT file = major == IRP_MJ_CREATE ? fm_file_object_new(engine_volume) : engine_open_file();
        struct fm_operation *operation = fm_operation_new(engine_volume, major, file, &requestor);

        if (kind)
                operation->data.Flags = kind;
        levels[0] = 0;
        in_callers_thread = 0;
        engine_expect_violations(engine_assert_status(fm_operation_run(operation), STATUS_SUCCESS), 0);
        g_assert_cmpuint(KeGetCurrentIrql(), ==, PASSIVE_LEVEL);
        g_assert_cmpstr(levels, ==, expected);
        g_assert_cmpuint(in_callers_thread, ==, expected_in_thread);
        fm_operation_free(operation);
        fm_object_unref(file);
        engine_trace[0] = 0;
}

static void test_kinds(void)
{
        set_up();
        expect(IRP_MJ_READ, 0, "0 0 0 2 2 2", 0);
        expect(IRP_MJ_CREATE, 0, "0 0 0 0 0 0", 3);
        expect(IRP_MJ_READ, FLTFL_CALLBACK_DATA_FAST_IO_OPERATION, "0 0 0 0 0 0", 3);
        expect(IRP_MJ_READ, FLTFL_CALLBACK_DATA_FS_FILTER_OPERATION, "0 0 0 0 0 0", 3);
        fm_verifier_raise_completions(false);
        expect(IRP_MJ_READ, 0, "0 0 0 0 0 0", 3);
        tear_down();
}

/* From the one that is synchronized on upwards, it is the caller's thread. */
static void test_synchronized(void)
{
        set_up();
        engine_scripts[1].pre_status = FLT_PREOP_SYNCHRONIZE;
        expect(IRP_MJ_READ, 0, "0 0 0 2 0 0", 2);
        tear_down();
}

/* What a filter completes is completed where it does that. */
static void test_completed_above(void)
{
        set_up();
        engine_scripts[2].pre_status = FLT_PREOP_COMPLETE;
        expect(IRP_MJ_READ, 0, "0 0 0 0 0", 2);
        tear_down();
}

static FLT_POSTOP_CALLBACK_STATUS FLTAPI safe(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID context,
                                              FLT_POST_OPERATION_FLAGS flags)
{
        note_level();
        return FLT_POSTOP_FINISHED_PROCESSING;
}

static void when_safe(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects,
                      PVOID context, FLT_POST_OPERATION_FLAGS flags)
{
        FLT_POSTOP_CALLBACK_STATUS status;

        note_level();
        g_assert_true(FltDoCompletionProcessingWhenSafe(data, objects, context, flags, safe, &status));
        g_assert_cmpint(status, ==, FLT_POSTOP_MORE_PROCESSING_REQUIRED);
        script->post_status = status;
}

/* A worker goes on with it, at its own level. */
static void test_when_safe(void)
{
        set_up();
        engine_scripts[2].post = when_safe;
        expect(IRP_MJ_READ, 0, "0 0 0 2 0 0 0", 2);
        tear_down();
}

static void pends(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID context,
                  FLT_POST_OPERATION_FLAGS flags)
{
        note_level();
        FltCompletePendedPostOperation(data);
}

static void test_pended(void)
{
        set_up();
        engine_scripts[2].post = pends;
        engine_scripts[2].post_status = FLT_POSTOP_MORE_PROCESSING_REQUIRED;
        expect(IRP_MJ_READ, 0, "0 0 0 2 0 0", 2);
        tear_down();
}

/* What may be done: locks that spin, non-paged memory, references of contexts and their release. */
static void does_what_it_may(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects,
                             PVOID context, FLT_POST_OPERATION_FLAGS flags)
{
        KSPIN_LOCK lock;
        KIRQL irql;

        KeInitializeSpinLock(&lock);
        KeAcquireSpinLock(&lock, &irql);
        KeReleaseSpinLock(&lock, irql);
        ExFreePoolWithTag(ExAllocatePoolWithTag(NonPagedPool, 16, 'tset'), 'tset');
        FltReferenceContext(context);
        FltReleaseContext(context);
        FltReleaseContext(context);
        note_level();
}

static void allocate_context(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        note_level();
        engine_assert_status(FltAllocateContext(objects->Filter, FLT_STREAM_CONTEXT, 16, NonPagedPool, &script->context),
                             STATUS_SUCCESS);
}

static void test_allowed(void)
{
        set_up();
        engine_scripts[1].pre = allocate_context;
        engine_scripts[1].post = does_what_it_may;
        expect(IRP_MJ_READ, 0, "0 0 0 2 2 2", 0);
        tear_down();
        g_assert_cmpuint(engine_cleanups, ==, 1);
}

static unsigned misdeed;

static void does_what_it_must_not(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects,
                                  PVOID context, FLT_POST_OPERATION_FLAGS flags)
{
        PFLT_FILE_NAME_INFORMATION name = NULL;
        PFLT_CONTEXT found = NULL;
        PVOID memory;

        switch (misdeed) {
        case 0:
                FltGetStreamContext(objects->Instance, objects->FileObject, &found);
                break;
        case 1:
                FltDeleteStreamContext(objects->Instance, objects->FileObject, NULL);
                break;
        case 2:
                if (NT_SUCCESS(FltGetFileNameInformation(data, FLT_FILE_NAME_OPENED | FLT_FILE_NAME_QUERY_DEFAULT, &name)))
                        FltReleaseFileNameInformation(name);
                break;
        default:
                memory = ExAllocatePoolWithTag(PagedPool, 16, 'tset');
                ExFreePoolWithTag(memory, 'tset');
                break;
        }
}

static void test_reported(void)
{
        static const unsigned reports[] = { 1, 1, 1, 2 };

        set_up();
        engine_scripts[1].pre = NULL;
        engine_scripts[1].post = does_what_it_must_not;
        engine_scripts[0].pre = engine_scripts[2].pre = NULL;
        engine_scripts[0].post = engine_scripts[2].post = NULL;
        for (misdeed = 0; misdeed < G_N_ELEMENTS(reports); misdeed++) {
                uint64_t before = fm_violation_count();

                engine_assert_status(engine_read_once(), STATUS_SUCCESS);
                g_assert_cmpuint(fm_violation_count() - before, >=, reports[misdeed]);
        }
        /* None of it is wrong where the thread is the caller's. */
        fm_verifier_raise_completions(false);
        for (misdeed = 0; misdeed < G_N_ELEMENTS(reports); misdeed++)
                engine_expect_violations(engine_assert_status(engine_read_once(), STATUS_SUCCESS), 0);
        tear_down();
}

static FLT_PREOP_CALLBACK_STATUS pended_status;
static unsigned reported;

static gpointer complete_raised(gpointer data)
{
        uint64_t before = fm_violation_count();
        KIRQL irql;

        KeRaiseIrql(DISPATCH_LEVEL, &irql);
        FltCompletePendedPreOperation(data, pended_status, NULL);
        KeLowerIrql(irql);
        reported = (unsigned)(fm_violation_count() - before);
        return NULL;
}

static GThread *completer;

static void pend(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        if (pended_status == FLT_PREOP_COMPLETE)
                data->IoStatus.Status = STATUS_SUCCESS;
        completer = g_thread_new("completer", complete_raised, data);
}

/* A pended operation may be completed at DISPATCH_LEVEL, but not sent on. */
static void test_complete_pended(void)
{
        static const struct {
                FLT_PREOP_CALLBACK_STATUS status;
                unsigned reports;
        } rows[] = { { FLT_PREOP_COMPLETE, 0 }, { FLT_PREOP_SUCCESS_NO_CALLBACK, 1 } };

        engine_set_up();
        engine_scripts[1].pre = pend;
        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
                engine_scripts[1].pre_status = FLT_PREOP_PENDING;
                pended_status = rows[i].status;
                engine_assert_status(engine_read_once(), STATUS_SUCCESS);
                g_thread_join(completer);
                g_assert_cmpuint(reported, ==, rows[i].reports);
        }
        engine_tear_down();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/raised/kinds", test_kinds);
        g_test_add_func("/raised/synchronized", test_synchronized);
        g_test_add_func("/raised/completed-above", test_completed_above);
        g_test_add_func("/raised/when-safe", test_when_safe);
        g_test_add_func("/raised/pended", test_pended);
        g_test_add_func("/raised/allowed", test_allowed);
        g_test_add_func("/raised/reported", test_reported);
        g_test_add_func("/raised/complete-pended", test_complete_pended);
        return g_test_run();
}
