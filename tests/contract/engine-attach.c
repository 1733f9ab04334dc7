/* SPDX-License-Identifier: MIT */
/* How instances come and go: whom the registry names, the callbacks that are asked, and what they answer. */
#include "engine-one.h"

/* ---- attach ---- */

static void test_instances_of_the_registry(void)
{
        UNICODE_STRING manual = RTL_CONSTANT_STRING(L"only manual"), automatic = RTL_CONSTANT_STRING(L"only automatic");
        UNICODE_STRING unknown = RTL_CONSTANT_STRING(L"unknown");

        one_set_up();
        one_set_instance(ONE_INSTANCES, "only manual", "200000.5", 1);
        one_set_instance(ONE_INSTANCES, "only automatic", "9", 2);
        one_set_instance(ONE_INSTANCES, "never", "300000", 3);
        engine_assert_status(one_load(), STATUS_SUCCESS);
        one_expect("registered setup(1) setup(1) started");
        engine_assert_status(one_read(), STATUS_SUCCESS);
        one_expect("pre pre post post");

        engine_assert_status(FltAttachVolume(one.filter, engine_volume, &manual, NULL), STATUS_SUCCESS);
        one_expect("setup(2)");
        g_assert_cmpuint(engine_volume->instances->len, ==, 3);
        g_assert_cmpstr(((PFLT_INSTANCE)engine_volume->instances->pdata[0])->altitude, ==, "200000.5");
        g_assert_cmpstr(((PFLT_INSTANCE)engine_volume->instances->pdata[2])->altitude, ==, "9");
        engine_assert_status(FltAttachVolume(one.filter, engine_volume, &manual, NULL),
                             STATUS_FLT_INSTANCE_NAME_COLLISION);
        engine_assert_status(FltAttachVolume(one.filter, engine_volume, &unknown, NULL), STATUS_OBJECT_NAME_NOT_FOUND);

        engine_assert_status(FltDetachVolume(one.filter, engine_volume, &automatic), STATUS_SUCCESS);
        one_expect("query start(1) complete(1)");
        engine_assert_status(FltAttachVolume(one.filter, engine_volume, &automatic, NULL), STATUS_FLT_DO_NOT_ATTACH);
        engine_assert_status(FltDetachVolume(one.filter, engine_volume, &automatic), STATUS_FLT_INSTANCE_NOT_FOUND);
        one_expect("");

        /* Without a name: the highest. */
        engine_assert_status(FltDetachVolume(one.filter, engine_volume, NULL), STATUS_SUCCESS);
        one_expect("query start(1) complete(1)");
        g_assert_cmpuint(engine_volume->instances->len, ==, 1);
        g_assert_cmpstr(((PFLT_INSTANCE)engine_volume->instances->pdata[0])->altitude, ==, "200000");
        one_tear_down();
}

static void test_altitude_collision(void)
{
        UNICODE_STRING other = RTL_CONSTANT_STRING(L"other"), altitude = RTL_CONSTANT_STRING(L"0200000.00");
        UNICODE_STRING free_altitude = RTL_CONSTANT_STRING(L"199999.99999999999999999999999999999999");
        PFLT_INSTANCE instance;

        one_set_up();
        one_set_instance(ONE_INSTANCES, "other", "0200000.0", 1);
        engine_assert_status(one_load(), STATUS_SUCCESS);
        engine_assert_status(FltAttachVolume(one.filter, engine_volume, &other, NULL), STATUS_OBJECT_NAME_COLLISION);
        engine_assert_status(FltAttachVolumeAtAltitude(one.filter, engine_volume, &altitude, &other, NULL),
                             STATUS_FLT_INSTANCE_ALTITUDE_COLLISION);
        engine_assert_status(FltAttachVolumeAtAltitude(one.filter, engine_volume, &free_altitude, &other, &instance),
                             STATUS_SUCCESS);
        g_assert_true(engine_volume->instances->pdata[1] == instance);
        FltObjectDereference(instance);
        one_tear_down();
}

/* Names are one volume's, not one filter's. */
static void test_name_collision(void)
{
        UNICODE_STRING name = RTL_CONSTANT_STRING(L"FILTER1"), altitude = RTL_CONSTANT_STRING(L"17");

        engine_set_up();
        engine_assert_status(FltAttachVolumeAtAltitude(engine_filters[0], engine_volume, &altitude, &name, NULL),
                             STATUS_FLT_INSTANCE_NAME_COLLISION);
        engine_tear_down();
}

/* The first operation of a volume. */
static void use(PFLT_VOLUME volume)
{
        struct fm_operation *operation =
                fm_operation_new(volume, IRP_MJ_QUERY_VOLUME_INFORMATION, NULL, &engine_nobody);

        fm_operation_run(operation);
        fm_operation_free(operation);
}

static void test_reasons_of_setup(void)
{
        PFLT_VOLUME second;

        one_set_up();
        engine_assert_status(one_load(), STATUS_SUCCESS);
        one_expect("registered setup(1) started");
        second = engine_volume_new("/second");
        one_expect("");
        use(second);
        one_expect("setup(5)");
        use(second);
        one_expect("");
        engine_assert_status(FltDetachVolume(one.filter, second, NULL), STATUS_SUCCESS);
        one_expect("query start(1) complete(1)");
        engine_assert_status(FltAttachVolume(one.filter, second, NULL, NULL), STATUS_SUCCESS);
        one_expect("setup(2)");
        /* Nobody is asked when a volume goes. */
        one.query_status = STATUS_FLT_DO_NOT_DETACH;
        engine_volume_free(second);
        one_expect("start(8) complete(8)");
        one_tear_down();
}

/* The altitudes of default instances say who is asked first; here they were loaded in another order. */
static void test_order_of_setups(void)
{
        PFLT_VOLUME second;

        engine_set_up();
        g_assert_cmpstr(engine_setups, ==, "120");
        engine_setups[0] = 0;
        second = engine_volume_new("/second");
        use(second);
        g_assert_cmpstr(engine_setups, ==, "012");
        engine_volume_free(second);
        engine_tear_down();
}

/* Only altitudes say who is above whom. */
static void test_group_does_not_count(void)
{
        fm_registry_set_string(FM_SERVICES_KEY "\\filter0", "Group", "FSFilter Bottom");
        fm_registry_set_string(FM_SERVICES_KEY "\\filter2", "Group", "FSFilter Top");
        engine_set_up();
        engine_assert_status(engine_read_once(), STATUS_SUCCESS);
        engine_expect_trace("abc.CBA");
        engine_tear_down();
}

static unsigned setups;

static void read_in_second_setup(PCFLT_RELATED_OBJECTS objects)
{
        if (++setups == 2)
                engine_assert_status(one_read(), STATUS_SUCCESS);
}

/* Operations may come before FltStartFiltering has returned, and to instances that are ready only. */
static void test_callbacks_before_start_returns(void)
{
        one_set_up();
        one_set_instance(ONE_INSTANCES, "second", "100", 0);
        setups = 0;
        one.on_setup = read_in_second_setup;
        engine_assert_status(one_load(), STATUS_SUCCESS);
        one_expect("registered setup(1) setup(1) pre post started");
        engine_assert_status(one_read(), STATUS_SUCCESS);
        one_expect("pre pre post post");
        one_tear_down();
}

static void test_setup_refuses(void)
{
        PFLT_INSTANCE instance;

        one_set_up();
        one.setup_status = STATUS_FLT_DO_NOT_ATTACH;
        engine_assert_status(one_load(), STATUS_SUCCESS);
        one_expect("registered setup(1) started");
        g_assert_cmpuint(engine_volume->instances->len, ==, 0);
        engine_assert_status(one_read(), STATUS_SUCCESS);
        engine_assert_status(FltAttachVolume(one.filter, engine_volume, NULL, &instance), STATUS_FLT_DO_NOT_ATTACH);
        one.setup_status = STATUS_INSUFFICIENT_RESOURCES;
        engine_assert_status(FltAttachVolume(one.filter, engine_volume, NULL, &instance),
                             STATUS_INSUFFICIENT_RESOURCES);
        one_expect("setup(2) setup(2)");
        engine_assert_status(fm_filter_unload("one", false), STATUS_SUCCESS);
        one_expect("unload(0) unloaded");
        one_tear_down();
}

/* Only errors and warnings refuse. */
static void test_setup_statuses(void)
{
        one_set_up();
        one.setup_status = STATUS_BUFFER_OVERFLOW;
        one_load_quietly();
        g_assert_cmpuint(engine_volume->instances->len, ==, 0);
        engine_assert_status(FltAttachVolume(one.filter, engine_volume, NULL, NULL), STATUS_BUFFER_OVERFLOW);
        one.setup_status = STATUS_REPARSE;
        engine_assert_status(FltAttachVolume(one.filter, engine_volume, NULL, NULL), STATUS_SUCCESS);
        g_assert_cmpuint(engine_volume->instances->len, ==, 1);
        one_tear_down();
}

static VOID FLTAPI work(PFLT_GENERIC_WORKITEM item, PVOID object, PVOID context)
{
        one_wait_for("setup(");
        one_say("worked");
        FltFreeGenericWorkItem(item);
}

static void set_context(PCFLT_RELATED_OBJECTS objects)
{
        PFLT_CONTEXT context;

        engine_assert_status(FltAllocateContext(objects->Filter, FLT_INSTANCE_CONTEXT, 16, PagedPool, &context),
                             STATUS_SUCCESS);
        engine_assert_status(FltSetInstanceContext(objects->Instance, FLT_SET_CONTEXT_KEEP_IF_EXISTS, context, NULL),
                             STATUS_SUCCESS);
        FltReleaseContext(context);
}

static void leave_things_behind(PCFLT_RELATED_OBJECTS objects)
{
        set_context(objects);
        engine_assert_status(FltQueueGenericWorkItem(FltAllocateGenericWorkItem(), objects->Instance, work,
                                                     DelayedWorkQueue, NULL),
                             STATUS_SUCCESS);
}

/* What a setup that refuses has begun is waited for and taken back; no teardown callback comes. */
static void test_setup_refuses_late(void)
{
        one_set_up();
        one.setup_status = STATUS_FLT_DO_NOT_ATTACH;
        one.on_setup = leave_things_behind;
        engine_assert_status(one_load(), STATUS_SUCCESS);
        one_expect("registered setup(1) worked cleanup(2) started");
        one_tear_down();
}

static void test_attach_to_a_volume_that_goes(void)
{
        PFLT_VOLUME second;

        one_set_up();
        one_load_quietly();
        second = engine_volume_new("/second");
        use(second);
        fm_flt_object_ref(second);
        engine_volume_free(second);
        engine_assert_status(FltAttachVolume(one.filter, second, NULL, NULL), STATUS_FLT_DELETING_OBJECT);
        engine_assert_status(FltDetachVolume(one.filter, second, NULL), STATUS_FLT_INSTANCE_NOT_FOUND);
        engine_assert_status(FltObjectReference(second), STATUS_FLT_DELETING_OBJECT);
        fm_flt_object_unref(second);
        one_tear_down();
}

static void test_attach_while_unloading(void)
{
        one_set_up();
        engine_assert_status(one_load(), STATUS_SUCCESS);
        fm_flt_object_ref(one.filter);
        engine_assert_status(fm_filter_unload("one", false), STATUS_SUCCESS);
        engine_assert_status(fm_instance_attach(one.filter, engine_volume, "late", "5", 0, NULL),
                             STATUS_FLT_DELETING_OBJECT);
        engine_assert_status(FltStartFiltering(one.filter), STATUS_FLT_DELETING_OBJECT);
        engine_assert_status(FltObjectReference(one.filter), STATUS_FLT_DELETING_OBJECT);
        fm_flt_object_unref(one.filter);
        one_tear_down();
}

/* ---- detach ---- */

static void test_query_teardown_refuses(void)
{
        one_set_up();
        one.query_status = STATUS_FLT_DO_NOT_DETACH;
        engine_assert_status(one_load(), STATUS_SUCCESS);
        one_expect("registered setup(1) started");
        engine_assert_status(FltDetachVolume(one.filter, engine_volume, NULL), STATUS_FLT_DO_NOT_DETACH);
        one_expect("query");
        engine_assert_status(one_read(), STATUS_SUCCESS);
        one_expect("pre post");
        /* Unloading does not ask. */
        engine_assert_status(fm_filter_unload("one", false), STATUS_SUCCESS);
        one_expect("unload(0) start(2) complete(2) unloaded");
        one_tear_down();
}

static void set_contexts(PFILE_OBJECT file)
{
        PFLT_INSTANCE instance = engine_volume->instances->pdata[0];
        PFLT_CONTEXT context;

        engine_assert_status(FltAllocateContext(one.filter, FLT_INSTANCE_CONTEXT, 16, PagedPool, &context),
                             STATUS_SUCCESS);
        engine_assert_status(FltSetInstanceContext(instance, FLT_SET_CONTEXT_KEEP_IF_EXISTS, context, NULL),
                             STATUS_SUCCESS);
        FltReleaseContext(context);
        engine_assert_status(FltAllocateContext(one.filter, FLT_STREAM_CONTEXT, 16, PagedPool, &context),
                             STATUS_SUCCESS);
        engine_assert_status(FltSetStreamContext(instance, file, FLT_SET_CONTEXT_KEEP_IF_EXISTS, context, NULL),
                             STATUS_SUCCESS);
        FltReleaseContext(context);
        engine_assert_status(FltAllocateContext(one.filter, FLT_VOLUME_CONTEXT, 16, NonPagedPool, &context),
                             STATUS_SUCCESS);
        engine_assert_status(FltSetVolumeContext(engine_volume, FLT_SET_CONTEXT_KEEP_IF_EXISTS, context, NULL),
                             STATUS_SUCCESS);
        FltReleaseContext(context);
}

static void test_query_teardown_statuses(void)
{
        one_set_up();
        one.query_status = STATUS_BUFFER_OVERFLOW;
        one_load_quietly();
        engine_assert_status(FltDetachVolume(one.filter, engine_volume, NULL), STATUS_BUFFER_OVERFLOW);
        one_expect("query");
        one.query_status = STATUS_REPARSE;
        engine_assert_status(FltDetachVolume(one.filter, engine_volume, NULL), STATUS_SUCCESS);
        one_expect("query start(1) complete(1)");
        one_tear_down();
}

/* Both teardown callbacks still find what the instance has; it only can't be entered any more. */
static void look_at_instance(PCFLT_RELATED_OBJECTS objects)
{
        PFLT_GENERIC_WORKITEM item = FltAllocateGenericWorkItem();
        UNICODE_STRING name = RTL_CONSTANT_STRING(L"one");
        PFLT_CONTEXT context;

        g_assert_true(objects->Filter == one.filter);
        g_assert_true(objects->Volume == engine_volume);
        g_assert_true(RtlEqualUnicodeString(&objects->Instance->Name, &name, FALSE));
        engine_assert_status(FltGetInstanceContext(objects->Instance, &context), STATUS_SUCCESS);
        FltReleaseContext(context);
        engine_assert_status(FltObjectReference(objects->Instance), STATUS_FLT_DELETING_OBJECT);
        engine_assert_status(FltQueueGenericWorkItem(item, objects->Instance, work, DelayedWorkQueue, NULL),
                             STATUS_FLT_DELETING_OBJECT);
        FltFreeGenericWorkItem(item);
}

static void test_instance_during_teardown(void)
{
        one_set_up();
        one.on_setup = set_context;
        one.on_start = one.on_complete = look_at_instance;
        one_load_quietly();
        engine_assert_status(FltDetachVolume(one.filter, engine_volume, NULL), STATUS_SUCCESS);
        one_expect("query start(1) complete(1) cleanup(2)");
        one_tear_down();
}

static void read_now(PCFLT_RELATED_OBJECTS objects)
{
        engine_assert_status(one_read(), STATUS_SUCCESS);
}

/* From the first teardown callback on, operations that begin pass the instance by. */
static void test_nothing_new_during_teardown(void)
{
        one_set_up();
        one.on_start = one.on_complete = read_now;
        one_load_quietly();
        engine_assert_status(FltDetachVolume(one.filter, engine_volume, NULL), STATUS_SUCCESS);
        one_expect("query start(1) complete(1)");
        one_tear_down();
}

static gpointer detach_again(gpointer instance)
{
        one_wait_for("start(");
        fm_instance_teardown(instance, FLTFL_INSTANCE_TEARDOWN_MANUAL);
        one_say("came-second");
        return NULL;
}

static void wait_for_second(PCFLT_RELATED_OBJECTS objects)
{
        for (int i = 0; i < 1000; i++)
                g_thread_yield();
}

/* Whoever comes second waits for the first, and nothing happens twice. */
static void test_two_teardowns(void)
{
        g_autofree char *said = NULL;
        PFLT_INSTANCE instance;
        GThread *second;

        one_set_up();
        one.on_start = wait_for_second;
        one_load_quietly();
        instance = one_instance();
        fm_flt_object_ref(instance);
        second = g_thread_new("second", detach_again, instance);
        fm_instance_teardown(instance, FLTFL_INSTANCE_TEARDOWN_MANUAL);
        one_say("came-first");
        g_thread_join(second);
        said = one_take_words();
        g_assert_true(g_str_has_prefix(said, "start(1) complete(1) came-"));
        fm_flt_object_unref(instance);
        one_tear_down();
}

/* Contexts go after TeardownComplete; volume contexts when the filter goes. */
static void test_contexts_go_last(void)
{
        PFILE_OBJECT file;

        one_set_up();
        engine_assert_status(one_load(), STATUS_SUCCESS);
        file = engine_open_file();
        set_contexts(file);
        one_expect("registered setup(1) started");
        engine_assert_status(FltDetachVolume(one.filter, engine_volume, NULL), STATUS_SUCCESS);
        one_expect("query start(1) complete(1) cleanup(8) cleanup(2)");
        engine_assert_status(fm_filter_unload("one", false), STATUS_SUCCESS);
        one_expect("unload(0) cleanup(1) unloaded");
        fm_object_unref(file);
        one_tear_down();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/attach/instances-of-the-registry", test_instances_of_the_registry);
        g_test_add_func("/attach/altitude-collision", test_altitude_collision);
        g_test_add_func("/attach/name-collision", test_name_collision);
        g_test_add_func("/attach/reasons-of-setup", test_reasons_of_setup);
        g_test_add_func("/attach/order-of-setups", test_order_of_setups);
        g_test_add_func("/attach/group-does-not-count", test_group_does_not_count);
        g_test_add_func("/attach/callbacks-before-start-returns", test_callbacks_before_start_returns);
        g_test_add_func("/attach/setup-refuses", test_setup_refuses);
        g_test_add_func("/attach/setup-statuses", test_setup_statuses);
        g_test_add_func("/attach/setup-refuses-late", test_setup_refuses_late);
        g_test_add_func("/attach/attach-to-a-volume-that-goes", test_attach_to_a_volume_that_goes);
        g_test_add_func("/attach/attach-while-unloading", test_attach_while_unloading);
        g_test_add_func("/attach/query-teardown-refuses", test_query_teardown_refuses);
        g_test_add_func("/attach/query-teardown-statuses", test_query_teardown_statuses);
        g_test_add_func("/attach/instance-during-teardown", test_instance_during_teardown);
        g_test_add_func("/attach/nothing-new-during-teardown", test_nothing_new_during_teardown);
        g_test_add_func("/attach/two-teardowns", test_two_teardowns);
        g_test_add_func("/attach/contexts-go-last", test_contexts_go_last);
        return g_test_run();
}
