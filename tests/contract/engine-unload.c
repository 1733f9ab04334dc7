/* SPDX-License-Identifier: MIT */
/* How a filter goes: FilterUnload, FltUnregisterFilter, and what that waits for. */
#include "engine-one.h"

/* ---- unload ---- */

static void test_unload_vetoed(void)
{
        one_set_up();
        one.unload_status = STATUS_FLT_DO_NOT_DETACH;
        engine_assert_status(one_load(), STATUS_SUCCESS);
        one_expect("registered setup(1) started");
        engine_assert_status(fm_filter_unload("one", false), STATUS_FLT_DO_NOT_DETACH);
        one_expect("unload(0)");
        engine_assert_status(one_read(), STATUS_SUCCESS);
        one_expect("pre post");
        /* Mandatory: nobody asks what it returns. */
        engine_assert_status(fm_filter_unload("one", true), STATUS_SUCCESS);
        one_expect("unload(1) start(4) complete(4) unloaded");
        engine_assert_status(fm_filter_unload("one", true), STATUS_FLT_FILTER_NOT_FOUND);
        one_tear_down();
}

static void test_no_service_stop(void)
{
        one_set_up();
        one.registration.Flags = FLTFL_REGISTRATION_DO_NOT_SUPPORT_SERVICE_STOP;
        engine_assert_status(one_load(), STATUS_SUCCESS);
        one_expect("registered setup(1) started");
        g_assert_false(NT_SUCCESS(fm_filter_unload("one", true)));
        one_expect("");
        engine_assert_status(fm_filter_unload("one", false), STATUS_SUCCESS);
        one_expect("unload(0) start(2) complete(2) unloaded");
        one_tear_down();
}

static void test_unload_without_unregister(void)
{
        uint64_t before = fm_violation_count();

        one_set_up();
        one.does_not_unregister = true;
        engine_assert_status(one_load(), STATUS_SUCCESS);
        one_expect("registered setup(1) started");
        engine_assert_status(fm_filter_unload("one", false), STATUS_SUCCESS);
        one_expect("unload(0) unloaded start(2) complete(2)");
        g_assert_cmpuint(fm_violation_count(), ==, before + 1);
        one_tear_down();
}

static void test_unload_statuses(void)
{
        one_set_up();
        one_load_quietly();
        one.unload_status = STATUS_BUFFER_OVERFLOW;
        engine_assert_status(fm_filter_unload("one", false), STATUS_BUFFER_OVERFLOW);
        one_expect("unload(0)");
        one.unload_status = STATUS_SUCCESS;
        engine_assert_status(fm_filter_unload("one", false), STATUS_SUCCESS);
        one_tear_down();
}

static void expect_before_the_end(const char *word)
{
        g_autofree char *said = one_take_words();

        g_assert_nonnull(strstr(said, word));
        g_assert_true(strstr(said, word) < strstr(said, "unloaded"));
}

static gpointer hold(gpointer object)
{
        one_wait_for("unload(");
        one_say("released");
        FltObjectDereference(object);
        return NULL;
}

/* FltUnregisterFilter waits for every reference, on the filter and on its instances. */
static void test_unregister_waits(void)
{
        for (int i = 0; i < 2; i++) {
                GThread *holder;
                PVOID object;

                one_set_up();
                engine_assert_status(one_load(), STATUS_SUCCESS);
                one_expect("registered setup(1) started");
                object = i ? (PVOID)one.filter : engine_volume->instances->pdata[0];
                engine_assert_status(FltObjectReference(object), STATUS_SUCCESS);
                holder = g_thread_new("holder", hold, object);
                engine_assert_status(fm_filter_unload("one", false), STATUS_SUCCESS);
                expect_before_the_end("released");
                g_thread_join(holder);
                one_tear_down();
        }
}

static VOID FLTAPI work(PFLT_GENERIC_WORKITEM item, PVOID object, PVOID context)
{
        one_wait_for("unload(");
        one_say("worked");
        FltFreeGenericWorkItem(item);
}

/* Work items, of the filter and of an instance. */
static void test_unregister_waits_for_work(void)
{
        for (int i = 0; i < 2; i++) {
                one_set_up();
                one_load_quietly();
                engine_assert_status(FltQueueGenericWorkItem(FltAllocateGenericWorkItem(),
                                                             i ? (PVOID)one.filter : (PVOID)one_instance(), work,
                                                             DelayedWorkQueue, NULL),
                                     STATUS_SUCCESS);
                engine_assert_status(fm_filter_unload("one", false), STATUS_SUCCESS);
                expect_before_the_end("worked");
                one_tear_down();
        }
}

static VOID FLTAPI complete_deferred(PFLT_DEFERRED_IO_WORKITEM item, PFLT_CALLBACK_DATA data, PVOID context)
{
        FltFreeDeferredIoWorkItem(item);
        one_wait_for("unload(");
        one_say("deferred");
        FltCompletePendedPreOperation(data, FLT_PREOP_SUCCESS_NO_CALLBACK, NULL);
}

static FLT_PREOP_CALLBACK_STATUS defer(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        engine_assert_status(FltQueueDeferredIoWorkItem(FltAllocateDeferredIoWorkItem(), data, complete_deferred,
                                                        DelayedWorkQueue, NULL),
                             STATUS_SUCCESS);
        one_say("inside");
        return FLT_PREOP_PENDING;
}

static FLT_PREOP_CALLBACK_STATUS stay(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        one_say("inside");
        one_wait_for("unload(");
        one_say("stayed");
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

/* Operations: pended with a worker, and in a callback that runs. */
static void test_unregister_waits_for_operations(void)
{
        for (int i = 0; i < 2; i++) {
                struct one_reading reading;

                one_set_up();
                one.on_pre = i ? stay : defer;
                one_load_quietly();
                reading = one_start_reading(0, "inside");
                engine_assert_status(fm_filter_unload("one", false), STATUS_SUCCESS);
                engine_assert_status(one_end_reading(&reading), STATUS_SUCCESS);
                expect_before_the_end(i ? "stayed" : "deferred");
                one_tear_down();
        }
}

static gpointer release_context(gpointer context)
{
        one_wait_for("unload(");
        one_say("released");
        FltReleaseContext(context);
        return NULL;
}

static void test_unregister_waits_for_contexts(void)
{
        PFLT_CONTEXT context;
        GThread *holder;

        one_set_up();
        one_load_quietly();
        engine_assert_status(FltAllocateContext(one.filter, FLT_INSTANCE_CONTEXT, 16, PagedPool, &context),
                             STATUS_SUCCESS);
        holder = g_thread_new("holder", release_context, context);
        engine_assert_status(fm_filter_unload("one", false), STATUS_SUCCESS);
        g_thread_join(holder);
        expect_before_the_end("cleanup(2)");
        one_tear_down();
}

/* References that nobody gives back are named, and do not keep the filter manager from going on. */
static void test_forgotten_references(void)
{
        uint64_t before = fm_violation_count();
        PFLT_CONTEXT context;
        PFLT_INSTANCE instance;
        PFLT_FILTER filter;

        one_set_up();
        engine_assert_status(one_load(), STATUS_SUCCESS);
        filter = one.filter;
        instance = engine_volume->instances->pdata[0];
        engine_assert_status(FltObjectReference(filter), STATUS_SUCCESS);
        engine_assert_status(FltObjectReference(instance), STATUS_SUCCESS);
        engine_assert_status(FltAllocateContext(filter, FLT_INSTANCE_CONTEXT, 16, PagedPool, &context), STATUS_SUCCESS);
        engine_assert_status(fm_filter_unload("one", false), STATUS_SUCCESS);
        g_assert_cmpuint(fm_violation_count(), ==, before + 3);
        engine_assert_status(one_load(), STATUS_DRIVER_FAILED_PRIOR_UNLOAD);
        FltObjectDereference(instance);
        FltObjectDereference(filter);
        FltReleaseContext(context);
        g_assert_cmpuint(fm_violation_count(), ==, before + 3);
        one_tear_down();
}

int main(int argc, char **argv)
{
        g_setenv("FLTSIM_VERIFIER_PATIENCE", "2000", FALSE);
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/unload/unload-vetoed", test_unload_vetoed);
        g_test_add_func("/unload/no-service-stop", test_no_service_stop);
        g_test_add_func("/unload/unload-without-unregister", test_unload_without_unregister);
        g_test_add_func("/unload/unload-statuses", test_unload_statuses);
        g_test_add_func("/unload/unregister-waits", test_unregister_waits);
        g_test_add_func("/unload/unregister-waits-for-work", test_unregister_waits_for_work);
        g_test_add_func("/unload/unregister-waits-for-operations", test_unregister_waits_for_operations);
        g_test_add_func("/unload/unregister-waits-for-contexts", test_unregister_waits_for_contexts);
        g_test_add_func("/unload/forgotten-references",
                        test_forgotten_references); /* the last: it can't be loaded again */
        return g_test_run();
}
