/* SPDX-License-Identifier: MIT */
/* See engine-one.h. */
#include "engine-one.h"

struct one one;

/* Not GLib's, which race detectors can't see. */
static pthread_mutex_t words_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t words_changed = PTHREAD_COND_INITIALIZER;
static GString *words;

void one_say(const char *format, ...)
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

char *one_take_words(void)
{
        char *taken;

        pthread_mutex_lock(&words_lock);
        taken = g_strdup(words->str);
        g_string_truncate(words, 0);
        pthread_mutex_unlock(&words_lock);
        return taken;
}

void one_wait_for(const char *word)
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
        one_say("setup(%x)", flags);
        if (one.on_setup)
                one.on_setup(objects);
        return one.setup_status;
}

static NTSTATUS FLTAPI query(PCFLT_RELATED_OBJECTS objects, FLT_INSTANCE_QUERY_TEARDOWN_FLAGS flags)
{
        g_assert_nonnull(objects->Instance);
        one_say("query");
        return one.query_status;
}

static VOID FLTAPI teardown_start(PCFLT_RELATED_OBJECTS objects, FLT_INSTANCE_TEARDOWN_FLAGS reason)
{
        g_assert_nonnull(objects->Instance);
        one_say("start(%x)", reason);
        if (one.on_start)
                one.on_start(objects);
}

static VOID FLTAPI teardown_complete(PCFLT_RELATED_OBJECTS objects, FLT_INSTANCE_TEARDOWN_FLAGS reason)
{
        g_assert_nonnull(objects->Instance);
        one_say("complete(%x)", reason);
        if (one.on_complete)
                one.on_complete(objects);
}

static NTSTATUS FLTAPI unload(FLT_FILTER_UNLOAD_FLAGS flags)
{
        one_say("unload(%x)", flags);
        if (one.on_unload)
                one.on_unload();
        if (one.unload_status == STATUS_SUCCESS || (flags & FLTFL_FILTER_UNLOAD_MANDATORY)) {
                if (!one.does_not_unregister)
                        FltUnregisterFilter(one.filter);
                one_say("unloaded");
        }
        return one.unload_status;
}

static VOID FLTAPI cleanup(PFLT_CONTEXT context, FLT_CONTEXT_TYPE type)
{
        one_say("cleanup(%x)", type);
}

static const FLT_CONTEXT_REGISTRATION contexts[] = {
        { FLT_INSTANCE_CONTEXT, 0, cleanup, 16, 'tset' },
        { FLT_STREAM_CONTEXT, 0, cleanup, 16, 'tset' },
        { FLT_VOLUME_CONTEXT, 0, cleanup, 16, 'tset' },
        { FLT_CONTEXT_END },
};

FLT_PREOP_CALLBACK_STATUS FLTAPI one_pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        one_say("pre");
        return one.on_pre ? one.on_pre(data, objects, context) : FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

FLT_POSTOP_CALLBACK_STATUS FLTAPI one_post(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID context,
                                           FLT_POST_OPERATION_FLAGS flags)
{
        one_say(flags & FLTFL_POST_OPERATION_DRAINING ? "drained" : "post");
        return one.on_post ? one.on_post(data, objects, context, flags) : FLT_POSTOP_FINISHED_PROCESSING;
}

static const FLT_OPERATION_REGISTRATION operations[] = {
        { IRP_MJ_READ, 0, one_pre, one_post },
        { IRP_MJ_OPERATION_END },
};

NTSTATUS one_entry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
        one.register_status = FltRegisterFilter(driver, &one.registration, &one.filter);
        if (!NT_SUCCESS(one.register_status))
                return one.register_status;
        one_say("registered");
        if (one.does_not_start)
                return one.entry_status;
        one.start_status = FltStartFiltering(one.filter);
        if (!NT_SUCCESS(one.start_status)) {
                FltUnregisterFilter(one.filter);
                return one.start_status;
        }
        one_say("started");
        return one.entry_status;
}

void one_set_instance(const char *where, const char *name, const char *altitude, ULONG flags)
{
        g_autofree char *key = g_strdup_printf("%s\\%s", where, name);

        fm_registry_set_string(key, "Altitude", altitude);
        fm_registry_set_dword(key, "Flags", flags);
}

NTSTATUS one_load(void)
{
        g_autofree char *error = NULL;
        NTSTATUS status = fm_driver_start("one", one_entry, &error);

        g_assert_true(NT_SUCCESS(status) == !error);
        return status;
}

void one_load_quietly(void)
{
        engine_assert_status(one_load(), STATUS_SUCCESS);
        g_free(one_take_words());
}

PFLT_INSTANCE one_instance(void)
{
        g_assert_cmpuint(engine_volume->instances->len, >, 0);
        return engine_volume->instances->pdata[0];
}

void one_set_up(void)
{
        memset(&one, 0, sizeof(one));
        one.registration = (FLT_REGISTRATION){
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
        fm_registry_set_string(ONE_INSTANCES, "DefaultInstance", "one");
        one_set_instance(ONE_INSTANCES, "one", "200000", 0);
}

void one_tear_down(void)
{
        fm_filter_unload_all();
        engine_volume_free(engine_volume);
        fm_registry_delete_tree(FM_SERVICES_KEY "\\one");
        g_string_free(words, TRUE);
}

NTSTATUS one_read(void)
{
        PFILE_OBJECT file = engine_open_file();
        struct fm_operation *operation = engine_read_of(file, 100);
        NTSTATUS status = fm_operation_run(operation);

        fm_operation_free(operation);
        fm_object_unref(file);
        return status;
}

struct one_reading one_start_reading(FLT_CALLBACK_DATA_FLAGS kind, const char *until)
{
        struct one_reading reading = { .file = engine_open_file() };
        struct fm_operation *operation = engine_read_of(reading.file, 10);

        if (kind)
                operation->data.Flags = kind;
        reading.caller = engine_run_on_thread(operation);
        one_wait_for(until);
        return reading;
}

NTSTATUS one_end_reading(struct one_reading *reading)
{
        NTSTATUS status = engine_join(reading->caller);

        fm_object_unref(reading->file);
        return status;
}
