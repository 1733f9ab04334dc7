/* SPDX-License-Identifier: MIT */
/* See engine-harness.h. */
#include "engine-harness.h"

struct engine_script engine_scripts[ENGINE_FILTERS];
PFLT_FILTER engine_filters[ENGINE_FILTERS];
PFLT_INSTANCE engine_instances[ENGINE_FILTERS];
char engine_trace[256];
static pthread_mutex_t trace_lock = PTHREAD_MUTEX_INITIALIZER; /* not GLib's, which race detectors can't see */
PFLT_VOLUME engine_volume;
char engine_setups[64];
unsigned engine_cleanups;
NTSTATUS engine_bottom_status;
void (*engine_bottom_hook)(struct fm_operation *operation);

void engine_record(char c)
{
        pthread_mutex_lock(&trace_lock);
        size_t n = strlen(engine_trace);
        g_assert_cmpuint(n, <, sizeof(engine_trace) - 1);
        engine_trace[n] = c;
        engine_trace[n + 1] = 0;
        pthread_mutex_unlock(&trace_lock);
}

static FLT_PREOP_CALLBACK_STATUS pre(int i, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        struct engine_script *script = &engine_scripts[i];

        engine_record((char)('a' + i));
        script->pre_thread = g_thread_self();
        script->seen_length_pre = data->Iopb->Parameters.Read.Length;
        g_assert_true(objects->Instance == engine_instances[i] || !engine_instances[i]);
        if (script->pre)
                script->pre(script, data, objects);
        if (script->pre_status == FLT_PREOP_COMPLETE)
                data->IoStatus.Status = script->complete_with;
        if (script->pre_status == FLT_PREOP_SUCCESS_WITH_CALLBACK || script->pre_status == FLT_PREOP_SYNCHRONIZE)
                *context = script->context;
        return script->pre_status;
}

static FLT_POSTOP_CALLBACK_STATUS post(int i, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID context,
                                       FLT_POST_OPERATION_FLAGS flags)
{
        struct engine_script *script = &engine_scripts[i];

        engine_record((char)((flags & FLTFL_POST_OPERATION_DRAINING ? 'X' : 'A') + i));
        script->post_thread = g_thread_self();
        script->seen_length_post = data->Iopb->Parameters.Read.Length;
        script->seen_status = data->IoStatus.Status;
        g_assert_true(context == script->context);
        if (script->post)
                script->post(script, data, objects, context, flags);
        return script->post_status;
}

static VOID FLTAPI cleanup_context(PFLT_CONTEXT context, FLT_CONTEXT_TYPE type)
{
        __atomic_add_fetch(&engine_cleanups, 1, __ATOMIC_SEQ_CST);
}

static const FLT_CONTEXT_REGISTRATION contexts[] = {
        { FLT_STREAM_CONTEXT, 0, cleanup_context, 16, 'tset' },
        { FLT_FILE_CONTEXT, 0, cleanup_context, 16, 'tset' },
        { FLT_STREAMHANDLE_CONTEXT, 0, cleanup_context, FLT_VARIABLE_SIZED_CONTEXTS, 'tset' },
        { FLT_INSTANCE_CONTEXT, 0, cleanup_context, 32, 'tset' },
        { FLT_VOLUME_CONTEXT, 0, cleanup_context, 32, 'tset' },
        { FLT_CONTEXT_END },
};

static FLT_OPERATION_REGISTRATION operations[ENGINE_FILTERS][16];

static NTSTATUS FLTAPI query_teardown(PCFLT_RELATED_OBJECTS objects, FLT_INSTANCE_QUERY_TEARDOWN_FLAGS flags)
{
        return STATUS_SUCCESS;
}

#define FILTER(i)                                                                                                      \
        static FLT_PREOP_CALLBACK_STATUS FLTAPI pre##i(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects,         \
                                                       PVOID *context)                                                 \
        {                                                                                                              \
                return pre(i, data, objects, context);                                                                 \
        }                                                                                                              \
        static FLT_POSTOP_CALLBACK_STATUS FLTAPI post##i(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects,       \
                                                         PVOID context, FLT_POST_OPERATION_FLAGS flags)                \
        {                                                                                                              \
                return post(i, data, objects, context, flags);                                                         \
        }                                                                                                              \
        static NTSTATUS FLTAPI unload##i(FLT_FILTER_UNLOAD_FLAGS flags)                                                \
        {                                                                                                              \
                FltUnregisterFilter(engine_filters[i]);                                                                \
                return STATUS_SUCCESS;                                                                                 \
        }                                                                                                              \
        static NTSTATUS FLTAPI setup##i(PCFLT_RELATED_OBJECTS objects, FLT_INSTANCE_SETUP_FLAGS flags,                 \
                                        DEVICE_TYPE device, FLT_FILESYSTEM_TYPE type)                                  \
        {                                                                                                              \
                engine_instances[i] = objects->Instance;                                                               \
                g_strlcat(engine_setups, #i, sizeof(engine_setups));                                                   \
                return STATUS_SUCCESS;                                                                                 \
        }                                                                                                              \
        static NTSTATUS entry##i(PDRIVER_OBJECT driver, PUNICODE_STRING path)                                          \
        {                                                                                                              \
                FLT_REGISTRATION registration = {                                                                      \
                        .Size = sizeof(registration),                                                                  \
                        .Version = FLT_REGISTRATION_VERSION,                                                           \
                        .ContextRegistration = contexts,                                                               \
                        .OperationRegistration = operations[i],                                                        \
                        .FilterUnloadCallback = unload##i,                                                             \
                        .InstanceSetupCallback = setup##i,                                                             \
                        .InstanceQueryTeardownCallback = query_teardown,                                               \
                };                                                                                                     \
                NTSTATUS status = FltRegisterFilter(driver, &registration, &engine_filters[i]);                        \
                return NT_SUCCESS(status) ? FltStartFiltering(engine_filters[i]) : status;                             \
        }

FILTER(0)
FILTER(1)
FILTER(2)

static const struct {
        PFLT_PRE_OPERATION_CALLBACK pre;
        PFLT_POST_OPERATION_CALLBACK post;
} callbacks[ENGINE_FILTERS] = { { pre0, post0 }, { pre1, post1 }, { pre2, post2 } };

void engine_register(int i, UCHAR major, FLT_OPERATION_REGISTRATION_FLAGS flags, bool with_post)
{
        FLT_OPERATION_REGISTRATION *place = operations[i];

        while (place->PreOperation && place->MajorFunction != major)
                place++;
        g_assert_true(place < operations[i] + G_N_ELEMENTS(operations[i]) - 1);
        if (!place->PreOperation)
                place[1] = (FLT_OPERATION_REGISTRATION){ .MajorFunction = IRP_MJ_OPERATION_END };
        *place = (FLT_OPERATION_REGISTRATION){ major, flags, callbacks[i].pre, with_post ? callbacks[i].post : NULL };
}

/* The bottom. */
static void fsd_dispatch(struct fm_operation *operation)
{
        engine_record('.');
        if (engine_bottom_hook)
                engine_bottom_hook(operation);
        if (operation->iopb.MajorFunction == IRP_MJ_CREATE) {
                struct fm_file_object *file = fm_file_object(operation->iopb.TargetFileObject);

                file->stream = operation->volume->fsd_context;
                file->file.FsContext = file->stream;
                file->fsd_file = file;
        }
        fm_operation_set_result(operation, engine_bottom_status, 7);
}

static char *fsd_path(PFILE_OBJECT file)
{
        return strdup("/file");
}

static void fsd_close(PFILE_OBJECT file)
{
        engine_record('x');
}

static int fsd_open_data(PFILE_OBJECT file, bool writable)
{
        return -EOPNOTSUPP;
}

const struct fm_fsd_ops engine_fsd = {
        .dispatch = fsd_dispatch,
        .path = fsd_path,
        .close_file = fsd_close,
        .open_data = fsd_open_data,
};

static void load(int i, PDRIVER_INITIALIZE entry, const char *altitude)
{
        g_autofree char *name = g_strdup_printf("filter%d", i);
        g_autofree char *key = g_strdup_printf(FM_SERVICES_KEY "\\%s\\Instances", name);
        g_autofree char *instance = g_strdup_printf("%s\\%s", key, name);
        g_autofree char *error = NULL;
        NTSTATUS status;

        fm_registry_set_string(key, "DefaultInstance", name);
        fm_registry_set_string(instance, "Altitude", altitude);
        status = fm_driver_start(name, entry, &error);
        g_assert_cmphex((guint32)status, ==, STATUS_SUCCESS);
}

static bool is_registered(int i, UCHAR major)
{
        for (FLT_OPERATION_REGISTRATION *place = operations[i]; place->PreOperation; place++)
                if (place->MajorFunction == major)
                        return true;
        return false;
}

static void register_defaults(void)
{
        for (int i = 0; i < ENGINE_FILTERS; i++) {
                if (!is_registered(i, IRP_MJ_READ))
                        engine_register(i, IRP_MJ_READ, 0, true);
                if (!is_registered(i, IRP_MJ_CREATE))
                        engine_register(i, IRP_MJ_CREATE, 0, true);
                if (!is_registered(i, IRP_MJ_FLUSH_BUFFERS))
                        engine_register(i, IRP_MJ_FLUSH_BUFFERS, 0, false);
        }
}

PFLT_VOLUME engine_volume_new(const char *mount_point)
{
        struct fm_volume_options options = { .mount_point = (char *)mount_point };
        PFLT_VOLUME volume = fm_volume_new(&engine_fsd, NULL, &options, NULL);

        volume->fsd_context = fm_stream_new(volume, NULL);
        return volume;
}

void engine_volume_free(PFLT_VOLUME volume)
{
        fm_stream_free(volume->fsd_context);
        fm_volume_remove(volume);
}

void engine_set_up(void)
{
        memset(engine_scripts, 0, sizeof(engine_scripts));
        memset(engine_instances, 0, sizeof(engine_instances));
        engine_trace[0] = engine_setups[0] = 0;
        engine_cleanups = 0;
        engine_bottom_status = STATUS_SUCCESS;
        engine_bottom_hook = NULL;
        register_defaults();
        engine_volume = engine_volume_new("/test");
        /* Loaded in an order that is not that of their altitudes; "03333" is above "100.123456". */
        load(1, entry1, "03333");
        load(2, entry2, "100.123456");
        load(0, entry0, "400000");
}

void engine_tear_down(void)
{
        fm_filter_unload_all();
        engine_volume_free(engine_volume);
        for (int i = 0; i < ENGINE_FILTERS; i++) {
                g_autofree char *key = g_strdup_printf(FM_SERVICES_KEY "\\filter%d", i);

                fm_registry_delete_tree(key);
        }
        memset(operations, 0, sizeof(operations));
}

const struct fm_requestor engine_nobody;

PFILE_OBJECT engine_open_file(void)
{
        PFILE_OBJECT file = fm_file_object_new(engine_volume);
        struct fm_operation *operation = fm_operation_new(engine_volume, IRP_MJ_CREATE, file, &engine_nobody);
        struct engine_script saved[3];

        memcpy(saved, engine_scripts, sizeof(saved));
        for (int i = 0; i < 3; i++)
                engine_scripts[i] = (struct engine_script){ .pre_status = FLT_PREOP_SUCCESS_NO_CALLBACK };
        g_assert_cmphex((guint32)fm_operation_run(operation), ==, STATUS_SUCCESS);
        fm_operation_free(operation);
        memcpy(engine_scripts, saved, sizeof(saved));
        engine_trace[0] = 0;
        return file;
}

struct fm_operation *engine_read_of(PFILE_OBJECT file, ULONG length)
{
        struct fm_operation *operation = fm_operation_new(engine_volume, IRP_MJ_READ, file, &engine_nobody);

        operation->iopb.Parameters.Read.Length = length;
        return operation;
}

NTSTATUS engine_run_once(UCHAR major)
{
        PFILE_OBJECT file = engine_open_file();
        struct fm_operation *operation = fm_operation_new(engine_volume, major, file, &engine_nobody);
        NTSTATUS status;

        if (major == IRP_MJ_READ)
                operation->iopb.Parameters.Read.Length = 100;
        status = fm_operation_run(operation);
        fm_operation_free(operation);
        g_assert_cmphex((guint32)status, !=, STATUS_PENDING);
        g_autofree char *copy = g_strdup(engine_trace);
        fm_object_unref(file);
        g_strlcpy(engine_trace, copy, sizeof(engine_trace));
        return status;
}

NTSTATUS engine_read_once(void)
{
        return engine_run_once(IRP_MJ_READ);
}

NTSTATUS engine_run_with(UCHAR major, ULONG irp_flags, FLT_CALLBACK_DATA_FLAGS data_flags)
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

NTSTATUS engine_create_once(void)
{
        PFILE_OBJECT file = fm_file_object_new(engine_volume);
        struct fm_operation *operation = fm_operation_new(engine_volume, IRP_MJ_CREATE, file, &engine_nobody);
        NTSTATUS status = fm_operation_run(operation);
        g_autofree char *copy = g_strdup(engine_trace);

        fm_operation_free(operation);
        fm_object_unref(file);
        g_strlcpy(engine_trace, copy, sizeof(engine_trace));
        return status;
}

static gpointer run_operation(gpointer opaque)
{
        struct fm_operation *operation = opaque;
        NTSTATUS status = fm_operation_run(operation);

        fm_operation_free(operation);
        return GINT_TO_POINTER(status);
}

GThread *engine_run_on_thread(struct fm_operation *operation)
{
        return g_thread_new("caller", run_operation, operation);
}

NTSTATUS engine_join(GThread *thread)
{
        return (NTSTATUS)GPOINTER_TO_INT(g_thread_join(thread));
}
