/* SPDX-License-Identifier: MIT */
/* The lives of filters and instances: registration, start, attach, detach, unload, and what waits for what. */
#include "engine-harness.h"

/* One filter whose registration each test makes up. What happens to it is written down in words. */
static struct {
        FLT_REGISTRATION registration;
        PFLT_FILTER filter;
        NTSTATUS register_status, start_status;
        bool does_not_start;
        NTSTATUS entry_status; /* what DriverEntry returns if all went well */
        bool does_not_unregister;
        NTSTATUS setup_status, query_status, unload_status;
        void (*on_start)(PCFLT_RELATED_OBJECTS objects); /* TeardownStart */
        void (*on_unload)(void);
        FLT_PREOP_CALLBACK_STATUS (*on_pre)(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context);
} it;

/* Not GLib's, which race detectors can't see. */
static pthread_mutex_t words_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t words_changed = PTHREAD_COND_INITIALIZER;
static GString *words;

static void say(const char *format, ...) G_GNUC_PRINTF(1, 2);
static void say(const char *format, ...)
{
        va_list args;

        pthread_mutex_lock(&words_lock);
        if (words->len)
                g_string_append_c(words, ' ');
        va_start(args, format);
        g_string_append_vprintf(words, format, args);
        va_end(args);
        pthread_cond_broadcast(&words_changed);
        pthread_mutex_unlock(&words_lock);
}

#define expect(text)                                                                                                   \
        do {                                                                                                           \
                pthread_mutex_lock(&words_lock);                                                                             \
                g_assert_cmpstr(words->str, ==, text);                                                                 \
                g_string_truncate(words, 0);                                                                           \
                pthread_mutex_unlock(&words_lock);                                                                           \
        } while (0)

/* Until that was said. */
static void wait_for(const char *word)
{
        pthread_mutex_lock(&words_lock);
        while (!strstr(words->str, word))
                pthread_cond_wait(&words_changed, &words_lock);
        pthread_mutex_unlock(&words_lock);
}

static NTSTATUS FLTAPI setup(PCFLT_RELATED_OBJECTS objects, FLT_INSTANCE_SETUP_FLAGS flags, DEVICE_TYPE device,
                             FLT_FILESYSTEM_TYPE type)
{
        g_assert_nonnull(objects->Filter);
        g_assert_nonnull(objects->Volume);
        g_assert_nonnull(objects->Instance);
        g_assert_null(objects->FileObject);
        g_assert_cmpuint(objects->Size, ==, sizeof(*objects));
        g_assert_cmpuint(device, ==, FILE_DEVICE_DISK_FILE_SYSTEM);
        g_assert_cmpuint(type, ==, FLT_FSTYPE_NTFS);
        say("setup(%x)", flags);
        return it.setup_status;
}

static NTSTATUS FLTAPI query(PCFLT_RELATED_OBJECTS objects, FLT_INSTANCE_QUERY_TEARDOWN_FLAGS flags)
{
        g_assert_nonnull(objects->Instance);
        say("query");
        return it.query_status;
}

static VOID FLTAPI teardown_start(PCFLT_RELATED_OBJECTS objects, FLT_INSTANCE_TEARDOWN_FLAGS reason)
{
        g_assert_nonnull(objects->Instance);
        say("start(%x)", reason);
        if (it.on_start)
                it.on_start(objects);
}

static VOID FLTAPI teardown_complete(PCFLT_RELATED_OBJECTS objects, FLT_INSTANCE_TEARDOWN_FLAGS reason)
{
        g_assert_nonnull(objects->Instance);
        say("complete(%x)", reason);
}

static NTSTATUS FLTAPI unload(FLT_FILTER_UNLOAD_FLAGS flags)
{
        say("unload(%x)", flags);
        if (it.on_unload)
                it.on_unload();
        if (it.unload_status == STATUS_SUCCESS || (flags & FLTFL_FILTER_UNLOAD_MANDATORY)) {
                if (!it.does_not_unregister)
                        FltUnregisterFilter(it.filter);
                say("unloaded");
        }
        return it.unload_status;
}

static VOID FLTAPI cleanup(PFLT_CONTEXT context, FLT_CONTEXT_TYPE type)
{
        say("cleanup(%x)", type);
}

static const FLT_CONTEXT_REGISTRATION contexts[] = {
        { FLT_INSTANCE_CONTEXT, 0, cleanup, 16, 'tset' },
        { FLT_STREAM_CONTEXT, 0, cleanup, 16, 'tset' },
        { FLT_VOLUME_CONTEXT, 0, cleanup, 16, 'tset' },
        { FLT_CONTEXT_END },
};

static FLT_PREOP_CALLBACK_STATUS FLTAPI pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        say("pre");
        return it.on_pre ? it.on_pre(data, objects, context) : FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

static FLT_POSTOP_CALLBACK_STATUS FLTAPI post(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID context,
                                              FLT_POST_OPERATION_FLAGS flags)
{
        say(flags & FLTFL_POST_OPERATION_DRAINING ? "drained" : "post");
        return FLT_POSTOP_FINISHED_PROCESSING;
}

static const FLT_OPERATION_REGISTRATION operations[] = {
        { IRP_MJ_READ, 0, pre, post },
        { IRP_MJ_OPERATION_END },
};

static NTSTATUS entry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
        it.register_status = FltRegisterFilter(driver, &it.registration, &it.filter);
        if (!NT_SUCCESS(it.register_status))
                return it.register_status;
        say("registered");
        if (it.does_not_start)
                return it.entry_status;
        it.start_status = FltStartFiltering(it.filter);
        if (!NT_SUCCESS(it.start_status)) {
                FltUnregisterFilter(it.filter);
                return it.start_status;
        }
        say("started");
        return it.entry_status;
}

#define INSTANCES FM_SERVICES_KEY "\\it\\Instances"

static void set_instance(const char *where, const char *name, const char *altitude, ULONG flags)
{
        g_autofree char *key = g_strdup_printf("%s\\%s", where, name);

        fm_registry_set_string(key, "Altitude", altitude);
        fm_registry_set_dword(key, "Flags", flags);
}

static NTSTATUS load(void)
{
        g_autofree char *error = NULL;
        NTSTATUS status = fm_driver_start("it", entry, &error);

        g_assert_true(NT_SUCCESS(status) == !error);
        return status;
}

static void set_up(void)
{
        memset(&it, 0, sizeof(it));
        it.registration = (FLT_REGISTRATION){
                .Size = sizeof(FLT_REGISTRATION),
                .Version = FLT_REGISTRATION_VERSION,
                .ContextRegistration = contexts,
                .OperationRegistration = operations,
                .FilterUnloadCallback = unload,
                .InstanceSetupCallback = setup,
                .InstanceQueryTeardownCallback = query,
                .InstanceTeardownStartCallback = teardown_start,
                .InstanceTeardownCompleteCallback = teardown_complete,
        };
        words = g_string_new(NULL);
        engine_bottom_status = STATUS_SUCCESS;
        engine_bottom_hook = NULL;
        engine_trace[0] = 0;
        engine_volume = engine_volume_new("/test");
        fm_registry_set_string(INSTANCES, "DefaultInstance", "it");
        set_instance(INSTANCES, "it", "200000", 0);
}

static void tear_down(void)
{
        fm_filter_unload_all();
        engine_volume_free(engine_volume);
        fm_registry_delete_tree(FM_SERVICES_KEY "\\it");
        g_string_free(words, TRUE);
}

static NTSTATUS read_file(void)
{
        PFILE_OBJECT file = engine_open_file();
        struct fm_operation *operation = engine_read_of(file, 100);
        NTSTATUS status = fm_operation_run(operation);

        fm_operation_free(operation);
        fm_object_unref(file);
        return status;
}

/* ---- registration ---- */

static void test_sizes_and_versions(void)
{
        static const struct {
                int size;
                USHORT version;
                NTSTATUS status;
        } cases[] = {
                { sizeof(FLT_REGISTRATION), FLT_REGISTRATION_VERSION, STATUS_SUCCESS },
                { sizeof(FLT_REGISTRATION), FLT_REGISTRATION_VERSION_0202, STATUS_SUCCESS },
                { offsetof(FLT_REGISTRATION, SectionNotificationCallback), FLT_REGISTRATION_VERSION_0202, STATUS_SUCCESS },
                { offsetof(FLT_REGISTRATION, NormalizeNameComponentExCallback), FLT_REGISTRATION_VERSION_0200, STATUS_SUCCESS },
                { 0, FLT_REGISTRATION_VERSION, STATUS_INVALID_PARAMETER },
                { 16, FLT_REGISTRATION_VERSION, STATUS_INVALID_PARAMETER },
                { sizeof(FLT_REGISTRATION) + 8, FLT_REGISTRATION_VERSION, STATUS_INVALID_PARAMETER },
                { sizeof(FLT_REGISTRATION), 0, STATUS_INVALID_PARAMETER },
                { sizeof(FLT_REGISTRATION), FLT_REGISTRATION_VERSION_0200 - 1, STATUS_INVALID_PARAMETER },
                { sizeof(FLT_REGISTRATION), FLT_REGISTRATION_VERSION + 1, STATUS_INVALID_PARAMETER },
        };

        for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
                set_up();
                it.registration.Size = (USHORT)cases[i].size;
                it.registration.Version = cases[i].version;
                engine_assert_status(load(), cases[i].status);
                tear_down();
        }
}

static void test_refused_registrations(void)
{
        static const UCHAR majors[] = { IRP_MJ_POWER, IRP_MJ_DEVICE_CHANGE };
        PFLT_FILTER filter;

        for (unsigned i = 0; i < G_N_ELEMENTS(majors); i++) {
                const FLT_OPERATION_REGISTRATION wrong[] = { { majors[i], 0, pre, post }, { IRP_MJ_OPERATION_END } };

                set_up();
                it.registration.OperationRegistration = wrong;
                engine_assert_status(load(), STATUS_INVALID_PARAMETER);
                expect("");
                tear_down();
        }
        set_up();
        engine_assert_status(FltRegisterFilter(NULL, &it.registration, &filter), STATUS_INVALID_PARAMETER);
        tear_down();
}

static NTSTATUS FLTAPI normalize(PFLT_INSTANCE instance, PCUNICODE_STRING parent, USHORT prefix,
                                 PCUNICODE_STRING component, PFILE_NAMES_INFORMATION expanded, ULONG length,
                                 FLT_NORMALIZE_NAME_FLAGS flags, PVOID *context)
{
        return STATUS_NOT_SUPPORTED;
}

static void test_normalize_without_generate(void)
{
        set_up();
        it.registration.NormalizeNameComponentCallback = normalize;
        engine_assert_status(load(), STATUS_INVALID_PARAMETER);
        tear_down();
}

static void test_registry(void)
{
        set_up();
        fm_registry_delete_tree(FM_SERVICES_KEY "\\it");
        engine_assert_status(load(), STATUS_OBJECT_NAME_NOT_FOUND);
        fm_registry_set_string(INSTANCES, "DefaultInstance", "it");
        engine_assert_status(load(), STATUS_OBJECT_NAME_NOT_FOUND);
        set_instance(INSTANCES, "it", "not a number", 0);
        engine_assert_status(load(), STATUS_OBJECT_NAME_NOT_FOUND);
        fm_registry_delete_tree(FM_SERVICES_KEY "\\it");

        /* Where Windows 11 24H2 wants them. */
        fm_registry_set_string(FM_SERVICES_KEY "\\it\\Parameters\\Instances", "DefaultInstance", "it");
        set_instance(FM_SERVICES_KEY "\\it\\Parameters\\Instances", "it", "200000", 0);
        engine_assert_status(load(), STATUS_SUCCESS);
        expect("registered setup(1) started");
        tear_down();
}

static NTSTATUS second_status;

static NTSTATUS entry_twice(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
        NTSTATUS status = entry(driver, path);
        PFLT_FILTER second = NULL;

        second_status = FltRegisterFilter(driver, &it.registration, &second);
        return status;
}

static void test_register_twice(void)
{
        g_autofree char *error = NULL;

        set_up();
        engine_assert_status(fm_driver_start("it", entry_twice, &error), STATUS_SUCCESS);
        engine_assert_status(second_status, STATUS_FLT_INSTANCE_NAME_COLLISION);
        engine_assert_status(fm_driver_start("it", entry, &error), STATUS_IMAGE_ALREADY_LOADED);
        tear_down();
}

/* Everything that may be NULL is. Such a filter attaches everywhere, can't be detached by hand, and is never unloaded. */
static void test_nothing_registered(void)
{
        set_up();
        it.registration = (FLT_REGISTRATION){ .Size = sizeof(FLT_REGISTRATION), .Version = FLT_REGISTRATION_VERSION };
        engine_assert_status(load(), STATUS_SUCCESS);
        g_assert_cmpuint(engine_volume->instances->len, ==, 1);
        engine_assert_status(read_file(), STATUS_SUCCESS);
        engine_assert_status(FltDetachVolume(it.filter, engine_volume, NULL), STATUS_FLT_DO_NOT_DETACH);
        engine_assert_status(fm_filter_unload("it", false), STATUS_FLT_DO_NOT_DETACH);
        engine_assert_status(fm_filter_unload("it", true), STATUS_FLT_DO_NOT_DETACH);
        g_assert_cmpuint(engine_volume->instances->len, ==, 1);
        g_assert_false(fm_volume_wants(engine_volume, ~UINT64_C(0)));
        /* Only the end of the filter manager ends it. */
        fm_filter_unload_all();
        g_assert_cmpuint(engine_volume->instances->len, ==, 0);
        tear_down();
}

static void test_shutdown_has_no_post(void)
{
        static const FLT_OPERATION_REGISTRATION shutdown[] = { { IRP_MJ_SHUTDOWN, 0, pre, post }, { IRP_MJ_OPERATION_END } };
        struct fm_operation *operation;

        set_up();
        it.registration.OperationRegistration = shutdown;
        engine_assert_status(load(), STATUS_SUCCESS);
        expect("registered setup(1) started");
        it.on_pre = NULL;
        operation = fm_operation_new(engine_volume, IRP_MJ_SHUTDOWN, NULL, &engine_nobody);
        uint64_t before = fm_violation_count();
        engine_assert_status(fm_operation_run(operation), STATUS_SUCCESS);
        fm_operation_free(operation);
        expect("pre");
        g_assert_cmpuint(fm_violation_count(), ==, before + 1); /* it asked for a post-operation */
        tear_down();
}

/* ---- start ---- */

static void test_nothing_before_start(void)
{
        set_up();
        it.does_not_start = true;
        engine_assert_status(load(), STATUS_SUCCESS);
        engine_assert_status(read_file(), STATUS_SUCCESS);
        expect("registered");
        engine_assert_status(fm_instance_attach(it.filter, engine_volume, "it", "1", 0, NULL), STATUS_FLT_FILTER_NOT_READY);
        engine_assert_status(FltStartFiltering(it.filter), STATUS_SUCCESS);
        expect("setup(1)");
        engine_assert_status(FltStartFiltering(it.filter), STATUS_INVALID_PARAMETER);
        engine_assert_status(read_file(), STATUS_SUCCESS);
        expect("pre post");
        tear_down();
}

static void test_driver_entry_fails(void)
{
        uint64_t before;

        set_up();
        it.entry_status = STATUS_UNSUCCESSFUL;
        before = fm_violation_count();
        engine_assert_status(load(), STATUS_UNSUCCESSFUL);
        /* FilterUnload is not called; what the driver has left is reported and taken back. */
        expect("registered setup(1) started start(2) complete(2)");
        g_assert_cmpuint(fm_violation_count(), ==, before + 1);
        g_assert_cmpuint(engine_volume->instances->len, ==, 0);
        it.entry_status = STATUS_SUCCESS;
        engine_assert_status(load(), STATUS_SUCCESS);
        tear_down();
}

/* ---- attach ---- */

static void test_instances_of_the_registry(void)
{
        UNICODE_STRING manual = RTL_CONSTANT_STRING(L"only manual"), automatic = RTL_CONSTANT_STRING(L"only automatic");
        UNICODE_STRING unknown = RTL_CONSTANT_STRING(L"unknown");

        set_up();
        set_instance(INSTANCES, "only manual", "200000.5", 1);
        set_instance(INSTANCES, "only automatic", "9", 2);
        set_instance(INSTANCES, "never", "300000", 3);
        engine_assert_status(load(), STATUS_SUCCESS);
        expect("registered setup(1) setup(1) started");
        engine_assert_status(read_file(), STATUS_SUCCESS);
        expect("pre pre post post");

        engine_assert_status(FltAttachVolume(it.filter, engine_volume, &manual, NULL), STATUS_SUCCESS);
        expect("setup(2)");
        g_assert_cmpuint(engine_volume->instances->len, ==, 3);
        g_assert_cmpstr(((PFLT_INSTANCE)engine_volume->instances->pdata[0])->altitude, ==, "200000.5");
        g_assert_cmpstr(((PFLT_INSTANCE)engine_volume->instances->pdata[2])->altitude, ==, "9");
        engine_assert_status(FltAttachVolume(it.filter, engine_volume, &manual, NULL),
                             STATUS_FLT_INSTANCE_NAME_COLLISION);
        engine_assert_status(FltAttachVolume(it.filter, engine_volume, &unknown, NULL), STATUS_OBJECT_NAME_NOT_FOUND);

        engine_assert_status(FltDetachVolume(it.filter, engine_volume, &automatic), STATUS_SUCCESS);
        expect("query start(1) complete(1)");
        engine_assert_status(FltAttachVolume(it.filter, engine_volume, &automatic, NULL), STATUS_FLT_DO_NOT_ATTACH);
        engine_assert_status(FltDetachVolume(it.filter, engine_volume, &automatic), STATUS_FLT_INSTANCE_NOT_FOUND);
        expect("");

        /* Without a name: the highest. */
        engine_assert_status(FltDetachVolume(it.filter, engine_volume, NULL), STATUS_SUCCESS);
        expect("query start(1) complete(1)");
        g_assert_cmpuint(engine_volume->instances->len, ==, 1);
        g_assert_cmpstr(((PFLT_INSTANCE)engine_volume->instances->pdata[0])->altitude, ==, "200000");
        tear_down();
}

static void test_altitude_collision(void)
{
        UNICODE_STRING other = RTL_CONSTANT_STRING(L"other"), altitude = RTL_CONSTANT_STRING(L"0200000.00");
        UNICODE_STRING free_altitude = RTL_CONSTANT_STRING(L"199999.99999999999999999999999999999999");
        PFLT_INSTANCE instance;

        set_up();
        set_instance(INSTANCES, "other", "0200000.0", 1);
        engine_assert_status(load(), STATUS_SUCCESS);
        engine_assert_status(FltAttachVolume(it.filter, engine_volume, &other, NULL), STATUS_OBJECT_NAME_COLLISION);
        engine_assert_status(FltAttachVolumeAtAltitude(it.filter, engine_volume, &altitude, &other, NULL),
                             STATUS_FLT_INSTANCE_ALTITUDE_COLLISION);
        engine_assert_status(FltAttachVolumeAtAltitude(it.filter, engine_volume, &free_altitude, &other, &instance),
                             STATUS_SUCCESS);
        g_assert_true(engine_volume->instances->pdata[1] == instance);
        FltObjectDereference(instance);
        tear_down();
}

static void test_reasons_of_setup(void)
{
        PFLT_VOLUME second;

        set_up();
        engine_assert_status(load(), STATUS_SUCCESS);
        expect("registered setup(1) started");
        second = engine_volume_new("/second");
        expect("setup(5)");
        engine_assert_status(FltDetachVolume(it.filter, second, NULL), STATUS_SUCCESS);
        expect("query start(1) complete(1)");
        engine_assert_status(FltAttachVolume(it.filter, second, NULL, NULL), STATUS_SUCCESS);
        expect("setup(2)");
        /* Nobody is asked when a volume goes. */
        it.query_status = STATUS_FLT_DO_NOT_DETACH;
        engine_volume_free(second);
        expect("start(8) complete(8)");
        tear_down();
}

static void test_setup_refuses(void)
{
        PFLT_INSTANCE instance;

        set_up();
        it.setup_status = STATUS_FLT_DO_NOT_ATTACH;
        engine_assert_status(load(), STATUS_SUCCESS);
        expect("registered setup(1) started");
        g_assert_cmpuint(engine_volume->instances->len, ==, 0);
        engine_assert_status(read_file(), STATUS_SUCCESS);
        engine_assert_status(FltAttachVolume(it.filter, engine_volume, NULL, &instance), STATUS_FLT_DO_NOT_ATTACH);
        it.setup_status = STATUS_INSUFFICIENT_RESOURCES;
        engine_assert_status(FltAttachVolume(it.filter, engine_volume, NULL, &instance), STATUS_INSUFFICIENT_RESOURCES);
        expect("setup(2) setup(2)");
        engine_assert_status(fm_filter_unload("it", false), STATUS_SUCCESS);
        expect("unload(0) unloaded");
        tear_down();
}

static void test_attach_while_unloading(void)
{
        set_up();
        engine_assert_status(load(), STATUS_SUCCESS);
        fm_flt_object_ref(it.filter);
        engine_assert_status(fm_filter_unload("it", false), STATUS_SUCCESS);
        engine_assert_status(fm_instance_attach(it.filter, engine_volume, "late", "5", 0, NULL), STATUS_FLT_DELETING_OBJECT);
        engine_assert_status(FltStartFiltering(it.filter), STATUS_FLT_DELETING_OBJECT);
        engine_assert_status(FltObjectReference(it.filter), STATUS_FLT_DELETING_OBJECT);
        fm_flt_object_unref(it.filter);
        tear_down();
}

/* ---- detach ---- */

static void test_query_teardown_refuses(void)
{
        set_up();
        it.query_status = STATUS_FLT_DO_NOT_DETACH;
        engine_assert_status(load(), STATUS_SUCCESS);
        expect("registered setup(1) started");
        engine_assert_status(FltDetachVolume(it.filter, engine_volume, NULL), STATUS_FLT_DO_NOT_DETACH);
        expect("query");
        engine_assert_status(read_file(), STATUS_SUCCESS);
        expect("pre post");
        /* Unloading does not ask. */
        engine_assert_status(fm_filter_unload("it", false), STATUS_SUCCESS);
        expect("unload(0) start(2) complete(2) unloaded");
        tear_down();
}

static void set_contexts(PFILE_OBJECT file)
{
        PFLT_INSTANCE instance = engine_volume->instances->pdata[0];
        PFLT_CONTEXT context;

        engine_assert_status(FltAllocateContext(it.filter, FLT_INSTANCE_CONTEXT, 16, PagedPool, &context), STATUS_SUCCESS);
        engine_assert_status(FltSetInstanceContext(instance, FLT_SET_CONTEXT_KEEP_IF_EXISTS, context, NULL), STATUS_SUCCESS);
        FltReleaseContext(context);
        engine_assert_status(FltAllocateContext(it.filter, FLT_STREAM_CONTEXT, 16, PagedPool, &context), STATUS_SUCCESS);
        engine_assert_status(FltSetStreamContext(instance, file, FLT_SET_CONTEXT_KEEP_IF_EXISTS, context, NULL),
                             STATUS_SUCCESS);
        FltReleaseContext(context);
        engine_assert_status(FltAllocateContext(it.filter, FLT_VOLUME_CONTEXT, 16, NonPagedPool, &context), STATUS_SUCCESS);
        engine_assert_status(FltSetVolumeContext(engine_volume, FLT_SET_CONTEXT_KEEP_IF_EXISTS, context, NULL),
                             STATUS_SUCCESS);
        FltReleaseContext(context);
}

/* Contexts go after TeardownComplete; volume contexts when the filter goes. */
static void test_contexts_go_last(void)
{
        PFILE_OBJECT file;

        set_up();
        engine_assert_status(load(), STATUS_SUCCESS);
        file = engine_open_file();
        set_contexts(file);
        expect("registered setup(1) started");
        engine_assert_status(FltDetachVolume(it.filter, engine_volume, NULL), STATUS_SUCCESS);
        expect("query start(1) complete(1) cleanup(8) cleanup(2)");
        engine_assert_status(fm_filter_unload("it", false), STATUS_SUCCESS);
        expect("unload(0) cleanup(1) unloaded");
        fm_object_unref(file);
        tear_down();
}

static gpointer detach(gpointer unused)
{
        engine_assert_status(FltDetachVolume(it.filter, engine_volume, NULL), STATUS_SUCCESS);
        return NULL;
}

static PFLT_CALLBACK_DATA pended;

static FLT_PREOP_CALLBACK_STATUS pend(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        g_atomic_pointer_set(&pended, data);
        say("pended");
        return FLT_PREOP_PENDING;
}

static void complete_pended(PCFLT_RELATED_OBJECTS objects)
{
        PFLT_CALLBACK_DATA data = g_atomic_pointer_get(&pended);

        data->IoStatus.Status = STATUS_CANCELLED;
        FltCompletePendedPreOperation(data, FLT_PREOP_COMPLETE, NULL);
        say("let-go");
}

/* TeardownStart completes what is pended; TeardownComplete comes after that. */
static void test_detach_while_pended(void)
{
        GThread *caller;
        PFILE_OBJECT file;

        set_up();
        it.on_pre = pend;
        it.on_start = complete_pended;
        engine_assert_status(load(), STATUS_SUCCESS);
        expect("registered setup(1) started");
        file = engine_open_file();
        caller = engine_run_on_thread(engine_read_of(file, 10));
        wait_for("pended");
        detach(NULL);
        engine_assert_status(engine_join(caller), STATUS_CANCELLED);
        expect("pre pended query start(1) let-go complete(1)");
        fm_object_unref(file);
        tear_down();
}

/* An operation goes on after a detach that happens while it is pended and continues: it meets a drained post-operation. */
static void go_on(PCFLT_RELATED_OBJECTS objects)
{
        FltCompletePendedPreOperation(g_atomic_pointer_get(&pended), FLT_PREOP_SUCCESS_WITH_CALLBACK, NULL);
        say("let-go");
}

static void test_detach_lets_pended_go_on(void)
{
        GThread *caller;
        PFILE_OBJECT file;

        set_up();
        it.on_pre = pend;
        it.on_start = go_on;
        engine_assert_status(load(), STATUS_SUCCESS);
        expect("registered setup(1) started");
        file = engine_open_file();
        caller = engine_run_on_thread(engine_read_of(file, 10));
        wait_for("pended");
        detach(NULL);
        engine_assert_status(engine_join(caller), STATUS_SUCCESS);
        /* One post-operation comes, as usual or early, as the threads happen to run; the end is after it. */
        g_assert_true(!strstr(words->str, "post") != !strstr(words->str, "drained"));
        g_assert_true(g_str_has_suffix(words->str, "complete(1)"));
        fm_object_unref(file);
        tear_down();
}

/* The bottom is entered, and left when the test says so. */
static void wait_at_bottom(struct fm_operation *operation)
{
        if (operation->iopb.MajorFunction != IRP_MJ_READ)
                return;
        say("bottom");
        wait_for("start(");
        say("done");
}

static FLT_PREOP_CALLBACK_STATUS swap(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        data->Iopb->Parameters.Read.ReadBuffer = data;
        FltSetCallbackDataDirty(data);
        return FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

/* What has changed parameters has to copy back: it is waited for, not drained. */
static void test_swapped_is_waited_for(void)
{
        GThread *caller;
        PFILE_OBJECT file;

        set_up();
        it.on_pre = swap;
        engine_assert_status(load(), STATUS_SUCCESS);
        expect("registered setup(1) started");
        file = engine_open_file();
        engine_bottom_hook = wait_at_bottom;
        caller = engine_run_on_thread(engine_read_of(file, 10));
        wait_for("bottom");
        detach(NULL);
        engine_assert_status(engine_join(caller), STATUS_SUCCESS);
        expect("pre bottom query start(1) done post complete(1)");
        fm_object_unref(file);
        tear_down();
}

/* What has not is drained once, while the operation stays at the bottom until all is over. */
static void wait_for_complete(struct fm_operation *operation)
{
        if (operation->iopb.MajorFunction != IRP_MJ_READ)
                return;
        say("bottom");
        wait_for("complete(");
}

static void test_unload_drains(void)
{
        GThread *caller;
        PFILE_OBJECT file;

        set_up();
        engine_assert_status(load(), STATUS_SUCCESS);
        expect("registered setup(1) started");
        file = engine_open_file();
        engine_bottom_hook = wait_for_complete;
        caller = engine_run_on_thread(engine_read_of(file, 10));
        wait_for("bottom");
        engine_assert_status(fm_filter_unload("it", false), STATUS_SUCCESS);
        engine_assert_status(engine_join(caller), STATUS_SUCCESS);
        expect("pre bottom unload(0) start(2) drained complete(2) unloaded");
        fm_object_unref(file);
        tear_down();
}

/* A callback may detach its own instance: the teardown waits for the callback, so it comes later. */
static FLT_PREOP_CALLBACK_STATUS detach_oneself(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        engine_assert_status(FltDetachVolume(objects->Filter, objects->Volume, NULL), STATUS_SUCCESS);
        wait_for("start(");
        say("returns");
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

static void test_detach_from_a_callback(void)
{
        set_up();
        it.on_pre = detach_oneself;
        engine_assert_status(load(), STATUS_SUCCESS);
        expect("registered setup(1) started");
        engine_assert_status(read_file(), STATUS_SUCCESS);
        wait_for("complete(");
        expect("pre query start(1) returns complete(1)");
        tear_down();
}

/* ---- unload ---- */

static void test_unload_vetoed(void)
{
        set_up();
        it.unload_status = STATUS_FLT_DO_NOT_DETACH;
        engine_assert_status(load(), STATUS_SUCCESS);
        expect("registered setup(1) started");
        engine_assert_status(fm_filter_unload("it", false), STATUS_FLT_DO_NOT_DETACH);
        expect("unload(0)");
        engine_assert_status(read_file(), STATUS_SUCCESS);
        expect("pre post");
        /* Mandatory: nobody asks what it returns. */
        engine_assert_status(fm_filter_unload("it", true), STATUS_SUCCESS);
        expect("unload(1) start(4) complete(4) unloaded");
        engine_assert_status(fm_filter_unload("it", true), STATUS_FLT_FILTER_NOT_FOUND);
        tear_down();
}

static void test_no_service_stop(void)
{
        set_up();
        it.registration.Flags = FLTFL_REGISTRATION_DO_NOT_SUPPORT_SERVICE_STOP;
        engine_assert_status(load(), STATUS_SUCCESS);
        expect("registered setup(1) started");
        g_assert_false(NT_SUCCESS(fm_filter_unload("it", true)));
        expect("");
        engine_assert_status(fm_filter_unload("it", false), STATUS_SUCCESS);
        expect("unload(0) start(2) complete(2) unloaded");
        tear_down();
}

static void test_unload_without_unregister(void)
{
        uint64_t before = fm_violation_count();

        set_up();
        it.does_not_unregister = true;
        engine_assert_status(load(), STATUS_SUCCESS);
        expect("registered setup(1) started");
        engine_assert_status(fm_filter_unload("it", false), STATUS_SUCCESS);
        expect("unload(0) unloaded start(2) complete(2)");
        g_assert_cmpuint(fm_violation_count(), ==, before + 1);
        tear_down();
}

static gpointer hold(gpointer object)
{
        wait_for("unload(");
        say("released");
        FltObjectDereference(object);
        return NULL;
}


/* FltUnregisterFilter waits for every reference, on the filter and on its instances. */
static void test_unregister_waits(void)
{
        for (int i = 0; i < 2; i++) {
                GThread *holder;
                PVOID object;

                set_up();
                engine_assert_status(load(), STATUS_SUCCESS);
                expect("registered setup(1) started");
                object = i ? (PVOID)it.filter : engine_volume->instances->pdata[0];
                engine_assert_status(FltObjectReference(object), STATUS_SUCCESS);
                holder = g_thread_new("holder", hold, object);
                engine_assert_status(fm_filter_unload("it", false), STATUS_SUCCESS);
                g_assert_nonnull(strstr(words->str, "released"));
                g_assert_true(strstr(words->str, "released") < strstr(words->str, "unloaded"));
                g_thread_join(holder);
                tear_down();
        }
}

static VOID FLTAPI work(PFLT_GENERIC_WORKITEM item, PVOID object, PVOID context)
{
        wait_for("unload(");
        say("worked");
        FltFreeGenericWorkItem(item);
}

static void test_unregister_waits_for_work(void)
{
        set_up();
        engine_assert_status(load(), STATUS_SUCCESS);
        expect("registered setup(1) started");
        engine_assert_status(FltQueueGenericWorkItem(FltAllocateGenericWorkItem(), it.filter, work, DelayedWorkQueue, NULL),
                             STATUS_SUCCESS);
        engine_assert_status(fm_filter_unload("it", false), STATUS_SUCCESS);
        g_assert_nonnull(strstr(words->str, "worked"));
        g_assert_true(strstr(words->str, "worked") < strstr(words->str, "unloaded"));
        tear_down();
}

/* References that nobody gives back are named, and do not keep the filter manager from going on. */
static void test_forgotten_references(void)
{
        uint64_t before = fm_violation_count();
        PFLT_CONTEXT context;
        PFLT_INSTANCE instance;
        PFLT_FILTER filter;

        set_up();
        engine_assert_status(load(), STATUS_SUCCESS);
        filter = it.filter;
        instance = engine_volume->instances->pdata[0];
        engine_assert_status(FltObjectReference(filter), STATUS_SUCCESS);
        engine_assert_status(FltObjectReference(instance), STATUS_SUCCESS);
        engine_assert_status(FltAllocateContext(filter, FLT_INSTANCE_CONTEXT, 16, PagedPool, &context), STATUS_SUCCESS);
        engine_assert_status(fm_filter_unload("it", false), STATUS_SUCCESS);
        g_assert_cmpuint(fm_violation_count(), ==, before + 3);
        engine_assert_status(load(), STATUS_DRIVER_FAILED_PRIOR_UNLOAD);
        FltObjectDereference(instance);
        FltObjectDereference(filter);
        FltReleaseContext(context);
        g_assert_cmpuint(fm_violation_count(), ==, before + 3);
        tear_down();
}

int main(int argc, char **argv)
{
        g_setenv("FLTSIM_VERIFIER_PATIENCE", "2000", FALSE);
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/lifecycle/sizes-and-versions", test_sizes_and_versions);
        g_test_add_func("/lifecycle/refused-registrations", test_refused_registrations);
        g_test_add_func("/lifecycle/normalize-without-generate", test_normalize_without_generate);
        g_test_add_func("/lifecycle/registry", test_registry);
        g_test_add_func("/lifecycle/register-twice", test_register_twice);
        g_test_add_func("/lifecycle/nothing-registered", test_nothing_registered);
        g_test_add_func("/lifecycle/shutdown-has-no-post", test_shutdown_has_no_post);
        g_test_add_func("/lifecycle/nothing-before-start", test_nothing_before_start);
        g_test_add_func("/lifecycle/driver-entry-fails", test_driver_entry_fails);
        g_test_add_func("/lifecycle/instances-of-the-registry", test_instances_of_the_registry);
        g_test_add_func("/lifecycle/altitude-collision", test_altitude_collision);
        g_test_add_func("/lifecycle/reasons-of-setup", test_reasons_of_setup);
        g_test_add_func("/lifecycle/setup-refuses", test_setup_refuses);
        g_test_add_func("/lifecycle/attach-while-unloading", test_attach_while_unloading);
        g_test_add_func("/lifecycle/query-teardown-refuses", test_query_teardown_refuses);
        g_test_add_func("/lifecycle/contexts-go-last", test_contexts_go_last);
        g_test_add_func("/lifecycle/detach-while-pended", test_detach_while_pended);
        g_test_add_func("/lifecycle/detach-lets-pended-go-on", test_detach_lets_pended_go_on);
        g_test_add_func("/lifecycle/swapped-is-waited-for", test_swapped_is_waited_for);
        g_test_add_func("/lifecycle/unload-drains", test_unload_drains);
        g_test_add_func("/lifecycle/detach-from-a-callback", test_detach_from_a_callback);
        g_test_add_func("/lifecycle/unload-vetoed", test_unload_vetoed);
        g_test_add_func("/lifecycle/no-service-stop", test_no_service_stop);
        g_test_add_func("/lifecycle/unload-without-unregister", test_unload_without_unregister);
        g_test_add_func("/lifecycle/unregister-waits", test_unregister_waits);
        g_test_add_func("/lifecycle/unregister-waits-for-work", test_unregister_waits_for_work);
        g_test_add_func("/lifecycle/forgotten-references", test_forgotten_references); /* the last: it can't be loaded again */
        return g_test_run();
}
