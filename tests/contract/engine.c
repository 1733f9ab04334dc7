/* SPDX-License-Identifier: MIT */
/*
 * The callback contract on the engine alone: filters linked into the test, a file system at the bottom that only
 * records, no mount. Every filter writes one letter per callback into `trace`.
 */
#include "fltmgr/fsd.h"
#include "fltmgr/loader.h"
#include "fltmgr/manager.h"
#include "nt/object.h"
#include "nt/registry.h"
#include "nt/verifier.h"

#include <string.h>

/* What a filter of the test does with an operation. */
struct script {
        FLT_PREOP_CALLBACK_STATUS pre_status;
        FLT_POSTOP_CALLBACK_STATUS post_status;
        NTSTATUS complete_with;
        void (*pre)(struct script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects);
        void (*post)(struct script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID context,
                     FLT_POST_OPERATION_FLAGS flags);
        GThread *pre_thread, *post_thread;
        PVOID context;
        ULONG seen_length_pre, seen_length_post;
        NTSTATUS seen_status;
};

static struct script scripts[3];
static PFLT_FILTER filters[3];
static PFLT_INSTANCE instances[3];
static char trace[256];
static GMutex trace_lock;
static PFLT_VOLUME volume;
static NTSTATUS bottom_status;
static void (*bottom_hook)(struct fm_operation *operation);

static void record(char c)
{
        g_mutex_lock(&trace_lock);
        size_t n = strlen(trace);
        g_assert_cmpuint(n, <, sizeof(trace) - 1);
        trace[n] = c;
        trace[n + 1] = 0;
        g_mutex_unlock(&trace_lock);
}

static FLT_PREOP_CALLBACK_STATUS pre(int i, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        struct script *script = &scripts[i];

        record((char)('a' + i));
        script->pre_thread = g_thread_self();
        script->seen_length_pre = data->Iopb->Parameters.Read.Length;
        g_assert_true(objects->Instance == instances[i] || !instances[i]);
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
        struct script *script = &scripts[i];

        record((char)((flags & FLTFL_POST_OPERATION_DRAINING ? 'X' : 'A') + i));
        script->post_thread = g_thread_self();
        script->seen_length_post = data->Iopb->Parameters.Read.Length;
        script->seen_status = data->IoStatus.Status;
        g_assert_true(context == script->context);
        if (script->post)
                script->post(script, data, objects, context, flags);
        return script->post_status;
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
                FltUnregisterFilter(filters[i]);                                                                       \
                return STATUS_SUCCESS;                                                                                 \
        }                                                                                                              \
        static NTSTATUS FLTAPI setup##i(PCFLT_RELATED_OBJECTS objects, FLT_INSTANCE_SETUP_FLAGS flags,                 \
                                        DEVICE_TYPE device, FLT_FILESYSTEM_TYPE type)                                  \
        {                                                                                                              \
                instances[i] = objects->Instance;                                                                      \
                return STATUS_SUCCESS;                                                                                 \
        }                                                                                                              \
        static NTSTATUS FLTAPI query##i(PCFLT_RELATED_OBJECTS objects, FLT_INSTANCE_QUERY_TEARDOWN_FLAGS flags)        \
        {                                                                                                              \
                return STATUS_SUCCESS;                                                                                 \
        }                                                                                                              \
        static const FLT_OPERATION_REGISTRATION operations##i[] = {                                                    \
                { IRP_MJ_CREATE, 0, pre##i, post##i },                                                                 \
                { IRP_MJ_READ, 0, pre##i, post##i },                                                                   \
                { IRP_MJ_FLUSH_BUFFERS, 0, pre##i, NULL },                                                             \
                { IRP_MJ_OPERATION_END },                                                                              \
        };                                                                                                             \
        static NTSTATUS entry##i(PDRIVER_OBJECT driver, PUNICODE_STRING path)                                          \
        {                                                                                                              \
                FLT_REGISTRATION registration = {                                                                      \
                        .Size = sizeof(registration),                                                                  \
                        .Version = FLT_REGISTRATION_VERSION,                                                           \
                        .ContextRegistration = contexts,                                                               \
                        .OperationRegistration = operations##i,                                                        \
                        .FilterUnloadCallback = unload##i,                                                             \
                        .InstanceSetupCallback = setup##i,                                                             \
                        .InstanceQueryTeardownCallback = query##i,                                                     \
                };                                                                                                     \
                NTSTATUS status = FltRegisterFilter(driver, &registration, &filters[i]);                               \
                return NT_SUCCESS(status) ? FltStartFiltering(filters[i]) : status;                                    \
        }

static unsigned cleanups;

static VOID FLTAPI cleanup_context(PFLT_CONTEXT context, FLT_CONTEXT_TYPE type)
{
        cleanups++;
}

static const FLT_CONTEXT_REGISTRATION contexts[] = {
        { FLT_STREAM_CONTEXT, 0, cleanup_context, 16, 'tset' },
        { FLT_STREAMHANDLE_CONTEXT, 0, cleanup_context, FLT_VARIABLE_SIZED_CONTEXTS, 'tset' },
        { FLT_INSTANCE_CONTEXT, 0, cleanup_context, 32, 'tset' },
        { FLT_VOLUME_CONTEXT, 0, cleanup_context, 32, 'tset' },
        { FLT_CONTEXT_END },
};

FILTER(0)
FILTER(1)
FILTER(2)

/* The bottom. */
static void fsd_dispatch(struct fm_operation *operation)
{
        record('.');
        if (bottom_hook)
                bottom_hook(operation);
        if (operation->iopb.MajorFunction == IRP_MJ_CREATE) {
                struct fm_file_object *file = fm_file_object(operation->iopb.TargetFileObject);

                file->stream = volume->fsd_context;
                file->file.FsContext = file->stream;
                file->fsd_file = file;
        }
        fm_operation_set_result(operation, bottom_status, 7);
}

static char *fsd_path(PFILE_OBJECT file)
{
        return strdup("/file");
}

static void fsd_close(PFILE_OBJECT file)
{
        record('x');
}

static int fsd_open_data(PFILE_OBJECT file, bool writable)
{
        return -EOPNOTSUPP;
}

static const struct fm_fsd_ops fsd = { fsd_dispatch, fsd_path, fsd_close, fsd_open_data };

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

static void set_up(void)
{
        struct fm_volume_options options = { .mount_point = "/test" };

        memset(scripts, 0, sizeof(scripts));
        memset(instances, 0, sizeof(instances));
        trace[0] = 0;
        cleanups = 0;
        bottom_status = STATUS_SUCCESS;
        bottom_hook = NULL;
        volume = fm_volume_new(&fsd, NULL, &options, NULL);
        volume->fsd_context = fm_stream_new(volume, NULL);
        /* Loaded in an order that is not that of their altitudes; "03333" is above "100.123456". */
        load(1, entry1, "03333");
        load(2, entry2, "100.123456");
        load(0, entry0, "400000");
}

static void tear_down(void)
{
        fm_filter_unload_all();
        fm_stream_free(volume->fsd_context);
        fm_volume_remove(volume);
        for (int i = 0; i < 3; i++) {
                g_autofree char *key = g_strdup_printf(FM_SERVICES_KEY "\\filter%d", i);

                fm_registry_delete_tree(key);
        }
}

static const struct fm_requestor nobody;

static PFILE_OBJECT open_file(void)
{
        PFILE_OBJECT file = fm_file_object_new(volume);
        struct fm_operation *operation = fm_operation_new(volume, IRP_MJ_CREATE, file, &nobody);
        struct script saved[3];

        memcpy(saved, scripts, sizeof(saved));
        for (int i = 0; i < 3; i++)
                scripts[i] = (struct script){ .pre_status = FLT_PREOP_SUCCESS_NO_CALLBACK };
        g_assert_cmphex((guint32)fm_operation_run(operation), ==, STATUS_SUCCESS);
        fm_operation_free(operation);
        memcpy(scripts, saved, sizeof(saved));
        trace[0] = 0;
        return file;
}

static struct fm_operation *read_of(PFILE_OBJECT file, ULONG length)
{
        struct fm_operation *operation = fm_operation_new(volume, IRP_MJ_READ, file, &nobody);

        operation->iopb.Parameters.Read.Length = length;
        return operation;
}

/* Reads and returns the status; the callbacks are in `trace`. */
static NTSTATUS read_once(void)
{
        PFILE_OBJECT file = open_file();
        struct fm_operation *operation = read_of(file, 100);
        NTSTATUS status = fm_operation_run(operation);

        fm_operation_free(operation);
        g_assert_cmphex((guint32)status, !=, STATUS_PENDING);
        g_autofree char *copy = g_strdup(trace);
        fm_object_unref(file);
        g_strlcpy(trace, copy, sizeof(trace));
        return status;
}

static void test_order(void)
{
        set_up();
        g_assert_cmphex((guint32)read_once(), ==, STATUS_SUCCESS);
        g_assert_cmpstr(trace, ==, "abc.CBA");
        tear_down();
}

static void test_no_callback(void)
{
        set_up();
        scripts[1].pre_status = FLT_PREOP_SUCCESS_NO_CALLBACK;
        read_once();
        g_assert_cmpstr(trace, ==, "abc.CA");
        tear_down();
}

static void test_complete(void)
{
        set_up();
        scripts[1].pre_status = FLT_PREOP_COMPLETE;
        scripts[1].complete_with = STATUS_ACCESS_DENIED;
        g_assert_cmphex((guint32)read_once(), ==, (guint32)STATUS_ACCESS_DENIED);
        g_assert_cmpstr(trace, ==, "abA");
        g_assert_cmphex((guint32)scripts[0].seen_status, ==, (guint32)STATUS_ACCESS_DENIED);
        tear_down();
}

static void test_completion_context(void)
{
        int x[3];

        set_up();
        for (int i = 0; i < 3; i++)
                scripts[i].context = &x[i];
        read_once();
        g_assert_cmpstr(trace, ==, "abc.CBA");
        tear_down();
}

static void change_length_dirty(struct script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        data->Iopb->Parameters.Read.Length = 50;
        FltSetCallbackDataDirty(data);
}

static void change_length(struct script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
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
        set_up();
        bottom_hook = keep_length;
        scripts[1].pre = change_length_dirty;
        read_once();
        g_assert_cmpuint(bottom_length, ==, 50);
        g_assert_cmpuint(scripts[2].seen_length_pre, ==, 50);
        g_assert_cmpuint(scripts[2].seen_length_post, ==, 50);
        g_assert_cmpuint(scripts[1].seen_length_post, ==, 100);
        g_assert_cmpuint(scripts[0].seen_length_post, ==, 100);
        tear_down();
}

static void test_not_dirty(void)
{
        set_up();
        bottom_hook = keep_length;
        scripts[1].pre = change_length;
        read_once();
        g_assert_cmpuint(bottom_length, ==, 100);
        g_assert_cmpuint(scripts[2].seen_length_pre, ==, 100);
        tear_down();
}

static void fail_in_post(struct script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID context,
                         FLT_POST_OPERATION_FLAGS flags)
{
        data->IoStatus.Status = STATUS_VIRUS_INFECTED;
        data->IoStatus.Information = 0;
}

static void test_post_changes_status(void)
{
        set_up();
        scripts[1].post = fail_in_post;
        g_assert_cmphex((guint32)read_once(), ==, (guint32)STATUS_VIRUS_INFECTED);
        g_assert_cmphex((guint32)scripts[2].seen_status, ==, STATUS_SUCCESS);
        g_assert_cmphex((guint32)scripts[0].seen_status, ==, (guint32)STATUS_VIRUS_INFECTED);
        tear_down();
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

static void pend_pre(struct script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        struct completer *completer = g_new(struct completer, 1);

        *completer = (struct completer){ data, FLT_PREOP_SUCCESS_WITH_CALLBACK, false };
        completer_thread = g_thread_new("completer", complete_later, completer);
}

/* The other thread is through before the callback returns. */
static void pend_pre_early(struct script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
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
        set_up();
        scripts[1].pre_status = FLT_PREOP_PENDING;
        scripts[1].pre = pend_pre;
        g_assert_cmphex((guint32)read_once(), ==, STATUS_SUCCESS);
        join_completer();
        g_assert_cmpstr(trace, ==, "abc.CBA");
        g_assert_true(scripts[2].pre_thread != NULL);

        trace[0] = 0;
        scripts[1].pre = pend_pre_early;
        g_assert_cmphex((guint32)read_once(), ==, STATUS_SUCCESS);
        g_assert_cmpstr(trace, ==, "abc.CBA");
        tear_down();
}

static void test_synchronize(void)
{
        set_up();
        scripts[0].pre_status = FLT_PREOP_SYNCHRONIZE;
        scripts[1].pre_status = FLT_PREOP_PENDING;
        scripts[1].pre = pend_pre;
        g_assert_cmphex((guint32)read_once(), ==, STATUS_SUCCESS);
        join_completer();
        g_assert_cmpstr(trace, ==, "abc.CBA");
        g_assert_true(scripts[0].post_thread == scripts[0].pre_thread);
        tear_down();
}

static void more_processing(struct script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects,
                            PVOID context, FLT_POST_OPERATION_FLAGS flags)
{
        struct completer *completer = g_new(struct completer, 1);

        *completer = (struct completer){ data, 0, true };
        completer_thread = g_thread_new("completer", complete_later, completer);
}

static void test_more_processing(void)
{
        set_up();
        scripts[1].post_status = FLT_POSTOP_MORE_PROCESSING_REQUIRED;
        scripts[1].post = more_processing;
        g_assert_cmphex((guint32)read_once(), ==, STATUS_SUCCESS);
        join_completer();
        g_assert_cmpstr(trace, ==, "abc.CBA");
        tear_down();
}

/* Detach while an operation is at the bottom: its post-operation comes early, once, and marked. */
static GThread *detacher;

static gpointer detach(gpointer opaque)
{
        g_assert_cmphex((guint32)FltDetachVolume(filters[1], volume, NULL), ==, STATUS_SUCCESS);
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
        set_up();
        bottom_hook = detach_at_bottom;
        g_assert_cmphex((guint32)read_once(), ==, STATUS_SUCCESS);
        g_assert_cmpstr(trace, ==, "abc.YCA");
        bottom_hook = NULL;
        trace[0] = 0;
        read_once();
        g_assert_cmpstr(trace, ==, "ac.CA");
        tear_down();
}

static void test_collisions(void)
{
        set_up();
        g_assert_cmphex((guint32)fm_instance_attach(filters[0], volume, "another", "400000.000", 0, NULL), ==,
                        (guint32)STATUS_FLT_INSTANCE_ALTITUDE_COLLISION);
        g_assert_cmphex((guint32)fm_instance_attach(filters[0], volume, "filter0", "1", 0, NULL), ==,
                        (guint32)STATUS_FLT_INSTANCE_NAME_COLLISION);
        g_assert_cmphex((guint32)fm_instance_attach(filters[0], volume, "another", "1.2.3", 0, NULL), ==,
                        (guint32)STATUS_INVALID_PARAMETER);
        instances[0] = NULL;
        g_assert_cmphex((guint32)fm_instance_attach(filters[0], volume, "another", "1", 0, NULL), ==, STATUS_SUCCESS);
        g_assert_cmphex((guint32)FltStartFiltering(filters[0]), ==, (guint32)STATUS_INVALID_PARAMETER);
        tear_down();
}

static void test_contexts(void)
{
        PFILE_OBJECT file;
        PFLT_CONTEXT first, second, old, got;

        set_up();
        file = open_file();
        g_assert_cmphex((guint32)FltAllocateContext(filters[0], FLT_STREAM_CONTEXT, 15, PagedPool, &first), ==,
                        (guint32)STATUS_FLT_CONTEXT_ALLOCATION_NOT_FOUND);
        g_assert_cmphex((guint32)FltAllocateContext(filters[0], FLT_STREAM_CONTEXT, 16, PagedPool, &first), ==, STATUS_SUCCESS);
        g_assert_cmphex((guint32)FltAllocateContext(filters[0], FLT_STREAM_CONTEXT, 16, PagedPool, &second), ==, STATUS_SUCCESS);
        g_assert_cmphex((guint32)FltGetStreamContext(instances[0], file, &got), ==, (guint32)STATUS_NOT_FOUND);
        g_assert_null(got);

        g_assert_cmphex((guint32)FltSetStreamContext(instances[0], file, FLT_SET_CONTEXT_KEEP_IF_EXISTS, first, &old), ==,
                        STATUS_SUCCESS);
        g_assert_null(old);
        g_assert_cmphex((guint32)FltSetStreamContext(instances[0], file, FLT_SET_CONTEXT_KEEP_IF_EXISTS, second, &old), ==,
                        (guint32)STATUS_FLT_CONTEXT_ALREADY_DEFINED);
        g_assert_true(old == first);
        FltReleaseContext(old);
        g_assert_cmphex((guint32)FltSetStreamContext(instances[0], file, FLT_SET_CONTEXT_REPLACE_IF_EXISTS, first, NULL), ==,
                        (guint32)STATUS_FLT_CONTEXT_ALREADY_LINKED);
        g_assert_cmphex((guint32)FltSetStreamContext(instances[0], file, FLT_SET_CONTEXT_REPLACE_IF_EXISTS, second, &old), ==,
                        STATUS_SUCCESS);
        g_assert_true(old == first);
        g_assert_cmpuint(cleanups, ==, 0);
        FltReleaseContext(old);
        FltReleaseContext(first);
        g_assert_cmpuint(cleanups, ==, 1);

        /* Another instance has its own; it can't see ours. */
        g_assert_cmphex((guint32)FltGetStreamContext(instances[1], file, &got), ==, (guint32)STATUS_NOT_FOUND);
        g_assert_cmphex((guint32)FltGetStreamContext(instances[0], file, &got), ==, STATUS_SUCCESS);
        g_assert_true(got == second);
        FltReleaseContext(got);
        FltReleaseContext(second);
        g_assert_cmpuint(cleanups, ==, 1);

        /* A handle context dies with the file object, the stream context with the instance. */
        g_assert_cmphex((guint32)FltAllocateContext(filters[0], FLT_STREAMHANDLE_CONTEXT, 100, PagedPool, &first), ==,
                        STATUS_SUCCESS);
        g_assert_cmphex((guint32)FltSetStreamHandleContext(instances[0], file, FLT_SET_CONTEXT_KEEP_IF_EXISTS, first, NULL),
                        ==, STATUS_SUCCESS);
        FltReleaseContext(first);
        fm_object_unref(file);
        g_assert_cmpuint(cleanups, ==, 2);
        g_assert_cmphex((guint32)FltDetachVolume(filters[0], volume, NULL), ==, STATUS_SUCCESS);
        g_assert_cmpuint(cleanups, ==, 3);
        g_assert_cmpuint(fm_violation_count(), ==, 0);
        tear_down();
}

static void test_context_before_open(void)
{
        PFILE_OBJECT file;
        PFLT_CONTEXT context;

        set_up();
        file = fm_file_object_new(volume);
        g_assert_cmphex((guint32)FltGetStreamContext(instances[0], file, &context), ==, (guint32)STATUS_NOT_SUPPORTED);
        fm_object_unref(file);
        tear_down();
}

static void reparse(struct script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        script->complete_with = STATUS_REPARSE;
        script->pre_status = FLT_PREOP_COMPLETE;
        data->IoStatus.Information = IO_REPARSE;
}

static void reparse_once(struct script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        if (strchr(trace, 'b') == strrchr(trace, 'b'))
                reparse(script, data, objects);
        else
                script->pre_status = FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

static NTSTATUS create_once(void)
{
        PFILE_OBJECT file = fm_file_object_new(volume);
        struct fm_operation *operation = fm_operation_new(volume, IRP_MJ_CREATE, file, &nobody);
        NTSTATUS status = fm_operation_run(operation);
        g_autofree char *copy = g_strdup(trace);

        fm_operation_free(operation);
        fm_object_unref(file);
        g_strlcpy(trace, copy, sizeof(trace));
        return status;
}

static void test_reparse(void)
{
        set_up();
        scripts[1].pre = reparse_once;
        g_assert_cmphex((guint32)create_once(), ==, STATUS_SUCCESS);
        g_assert_cmpstr(trace, ==, "abAabc.CBA");
        trace[0] = 0;
        scripts[1].pre = reparse;
        g_assert_cmphex((guint32)create_once(), ==, (guint32)STATUS_REPARSE_POINT_NOT_RESOLVED);
        g_assert_cmpuint(strlen(trace), ==, 3 * 41);
        tear_down();
}

static void test_close(void)
{
        PFILE_OBJECT file;

        set_up();
        file = open_file();
        fm_file_object_cleanup(file, NULL);
        g_assert_true(file->Flags & FO_CLEANUP_COMPLETE);
        g_assert_cmpstr(trace, ==, ".");
        fm_object_unref(file);
        g_assert_cmpstr(trace, ==, "..x");
        tear_down();
}

static void test_wrong_statuses(void)
{
        uint64_t before = fm_violation_count();

        set_up();
        scripts[1].pre_status = FLT_PREOP_COMPLETE;
        scripts[1].complete_with = STATUS_PENDING;
        g_assert_cmphex((guint32)read_once(), ==, (guint32)STATUS_UNSUCCESSFUL);
        g_assert_cmpuint(fm_violation_count(), ==, before + 1);
        trace[0] = 0;
        scripts[1].pre_status = (FLT_PREOP_CALLBACK_STATUS)77;
        read_once();
        g_assert_cmpstr(trace, ==, "abc.CA");
        g_assert_cmpuint(fm_violation_count(), ==, before + 2);
        tear_down();
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
