/* SPDX-License-Identifier: MIT */
/*
 * Volumes that come and go while filters run: when filters attach to them, what they are told, what goes with them.
 *
 * Two filters write down what happens to them, "name:event", in one list for both; no mount is needed for it.
 */
#include <fltKernel.h>
#include <glib.h>
#include <string.h>

#include "fltmgr/fsd.h"
#include "fltmgr/loader.h"
#include "fltmgr/manager.h"
#include "nt/object.h"
#include "nt/process.h"
#include "nt/registry.h"
#include "nt/verifier.h"

enum { HIGH, LOW, FILTERS };

static const char *const names[FILTERS] = { "high", "low" };
static PFLT_FILTER filters[FILTERS];
static GMutex lock;
static GString *events; /* lock */
static _Atomic unsigned creates; /* pre-operations that have seen one */
static NTSTATUS mount_with;       /* what "low" makes of a mount: the result of its pre-operation, unless it is a success */
static bool goes_meanwhile; /* a volume or an instance, while it is set up */
static void (*in_setup)(PCFLT_RELATED_OBJECTS objects), (*in_start)(PCFLT_RELATED_OBJECTS objects);

static G_GNUC_PRINTF(2, 3) void record(int i, const char *format, ...)
{
        va_list args;

        va_start(args, format);
        g_mutex_lock(&lock);
        g_string_append_printf(events, "%s%s:", events->len ? " " : "", names[i]);
        g_string_append_vprintf(events, format, args);
        g_mutex_unlock(&lock);
        va_end(args);
}

#define expect(expected)                                                                                               \
        do {                                                                                                           \
                g_assert_cmpstr(events->str, ==, expected);                                                            \
                g_string_set_size(events, 0);                                                                          \
        } while (0)

static int filter_of(PCFLT_RELATED_OBJECTS objects)
{
        return objects->Filter == filters[HIGH] ? HIGH : LOW;
}

static VOID FLTAPI context_cleanup(PFLT_CONTEXT context, FLT_CONTEXT_TYPE type)
{
        record(*(int *)context, type == FLT_VOLUME_CONTEXT ? "volume-context-cleanup" : "instance-context-cleanup");
}

static void set_context(PCFLT_RELATED_OBJECTS objects, FLT_CONTEXT_TYPE type)
{
        int *context;
        NTSTATUS status;

        g_assert_cmphex((guint32)FltAllocateContext(objects->Filter, type, sizeof(*context), NonPagedPool,
                                                    (PFLT_CONTEXT *)&context),
                        ==, STATUS_SUCCESS);
        *context = filter_of(objects);
        status = type == FLT_VOLUME_CONTEXT
                         ? FltSetVolumeContext(objects->Volume, FLT_SET_CONTEXT_KEEP_IF_EXISTS, context, NULL)
                         : FltSetInstanceContext(objects->Instance, FLT_SET_CONTEXT_KEEP_IF_EXISTS, context, NULL);
        if (!goes_meanwhile || status != STATUS_FLT_DELETING_OBJECT)
                g_assert_cmphex((guint32)status, ==, STATUS_SUCCESS);
        FltReleaseContext(context);
}

static NTSTATUS FLTAPI setup(PCFLT_RELATED_OBJECTS objects, FLT_INSTANCE_SETUP_FLAGS flags, DEVICE_TYPE device,
                             FLT_FILESYSTEM_TYPE type)
{
        g_assert_cmpuint(device, ==, FILE_DEVICE_DISK_FILE_SYSTEM);
        record(filter_of(objects), "setup(%x)", flags);
        if (in_setup)
                in_setup(objects);
        set_context(objects, FLT_INSTANCE_CONTEXT);
        set_context(objects, FLT_VOLUME_CONTEXT);
        return STATUS_SUCCESS;
}

static VOID FLTAPI teardown_start(PCFLT_RELATED_OBJECTS objects, FLT_INSTANCE_TEARDOWN_FLAGS reason)
{
        record(filter_of(objects), "start(%x)", reason);
        if (in_start)
                in_start(objects);
}

static VOID FLTAPI teardown_complete(PCFLT_RELATED_OBJECTS objects, FLT_INSTANCE_TEARDOWN_FLAGS reason)
{
        record(filter_of(objects), "complete(%x)", reason);
}

static FLT_PREOP_CALLBACK_STATUS FLTAPI pre_create(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects,
                                                   PVOID *context)
{
        creates++;
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

static FLT_PREOP_CALLBACK_STATUS FLTAPI pre_volume(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects,
                                                   PVOID *context)
{
        int i = filter_of(objects);
        bool mounts = data->Iopb->MajorFunction == IRP_MJ_VOLUME_MOUNT;

        g_assert_nonnull(objects->Volume);
        g_assert_null(objects->Instance);
        g_assert_null(objects->FileObject);
        g_assert_true(FLT_IS_FASTIO_OPERATION(data));
        if (mounts)
                g_assert_cmpuint(data->Iopb->Parameters.MountVolume.DeviceType, ==, FILE_DEVICE_DISK_FILE_SYSTEM);
        record(i, mounts ? "pre-mount" : "pre-dismount");
        if (i == LOW && mounts && !NT_SUCCESS(mount_with)) {
                data->IoStatus.Status = mount_with;
                return FLT_PREOP_COMPLETE;
        }
        return FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

static FLT_POSTOP_CALLBACK_STATUS FLTAPI post_volume(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects,
                                                     PVOID context, FLT_POST_OPERATION_FLAGS flags)
{
        record(filter_of(objects), "post(%x)", (unsigned)data->IoStatus.Status);
        return FLT_POSTOP_FINISHED_PROCESSING;
}

static _Atomic(PFLT_CALLBACK_DATA) pended; /* a shutdown that "low" has pended */
static bool pends;

static FLT_PREOP_CALLBACK_STATUS FLTAPI pre_shutdown(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects,
                                                     PVOID *context)
{
        g_assert_true(data->Iopb->TargetInstance == objects->Instance);
        g_assert_null(objects->FileObject);
        g_assert_cmpint(data->RequestorMode, ==, KernelMode);
        g_assert_true(FLT_IS_IRP_OPERATION(data));
        record(filter_of(objects), "shutdown(%c)", objects->Volume->DosName.Buffer[0]);
        if (filter_of(objects) != LOW || !pends)
                return FLT_PREOP_SUCCESS_NO_CALLBACK;
        pended = data;
        return FLT_PREOP_PENDING;
}

static NTSTATUS unload(int i)
{
        FltUnregisterFilter(filters[i]);
        filters[i] = NULL;
        return STATUS_SUCCESS;
}

static NTSTATUS FLTAPI unload_high(FLT_FILTER_UNLOAD_FLAGS flags)
{
        return unload(HIGH);
}

static NTSTATUS FLTAPI unload_low(FLT_FILTER_UNLOAD_FLAGS flags)
{
        return unload(LOW);
}

static NTSTATUS entry(PDRIVER_OBJECT driver, int i)
{
        static const FLT_OPERATION_REGISTRATION operations[] = {
                { IRP_MJ_CREATE, 0, pre_create, NULL },
                { IRP_MJ_SHUTDOWN, 0, pre_shutdown, NULL },
                { IRP_MJ_VOLUME_MOUNT, 0, pre_volume, post_volume },
                { IRP_MJ_VOLUME_DISMOUNT, 0, pre_volume, post_volume },
                { IRP_MJ_OPERATION_END },
        };
        static const FLT_CONTEXT_REGISTRATION contexts[] = {
                { FLT_INSTANCE_CONTEXT, 0, context_cleanup, sizeof(int), 'tseT' },
                { FLT_VOLUME_CONTEXT, 0, context_cleanup, sizeof(int), 'tseT' },
                { FLT_CONTEXT_END },
        };
        FLT_REGISTRATION registration = {
                .Size = sizeof(registration),
                .Version = FLT_REGISTRATION_VERSION,
                .ContextRegistration = contexts,
                .OperationRegistration = operations,
                .FilterUnloadCallback = i == HIGH ? unload_high : unload_low,
                .InstanceSetupCallback = setup,
                .InstanceTeardownStartCallback = teardown_start,
                .InstanceTeardownCompleteCallback = teardown_complete,
        };
        NTSTATUS status = FltRegisterFilter(driver, &registration, &filters[i]);

        return NT_SUCCESS(status) ? FltStartFiltering(filters[i]) : status;
}

static NTSTATUS entry_high(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
        return entry(driver, HIGH);
}

static NTSTATUS entry_low(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
        return entry(driver, LOW);
}

static void load(int i)
{
        g_autofree char *key = g_strdup_printf(FM_SERVICES_KEY "\\%s\\Instances", names[i]);
        g_autofree char *instance = g_strdup_printf("%s\\%s Instance", key, names[i]);
        g_autofree char *default_name = g_strdup_printf("%s Instance", names[i]);
        g_autofree char *error = NULL;
        NTSTATUS status;

        fm_registry_set_string(key, "DefaultInstance", default_name);
        fm_registry_set_string(instance, "Altitude", i == HIGH ? "300000" : "200000");
        status = fm_driver_start(names[i], i == HIGH ? entry_high : entry_low, &error);
        g_assert_cmphex((guint32)status, ==, STATUS_SUCCESS);
}

static void fsd_dispatch(struct fm_operation *operation)
{
        fm_operation_set_result(operation, STATUS_SUCCESS, 0);
}

static char *fsd_path(PFILE_OBJECT file)
{
        return strdup("/file");
}

static void fsd_close(PFILE_OBJECT file)
{
}

static const struct fm_fsd_ops fsd = { .dispatch = fsd_dispatch, .path = fsd_path, .close_file = fsd_close };

static PFLT_VOLUME add_volume(void)
{
        struct fm_volume_options options = { .mount_point = "/test", .source = "/source" };

        return fm_volume_new(&fsd, NULL, &options, NULL);
}

static void do_create(PFLT_VOLUME volume)
{
        static const struct fm_requestor nobody;
        struct fm_operation *operation = fm_operation_new(volume, IRP_MJ_CREATE, NULL, &nobody);

        g_assert_cmphex((guint32)fm_operation_run(operation), ==, STATUS_SUCCESS);
        fm_operation_free(operation);
}

static void begin(void)
{
        events = g_string_new(NULL);
        creates = 0;
        mount_with = STATUS_SUCCESS;
        in_setup = in_start = NULL;
        goes_meanwhile = false;
        pended = NULL;
        pends = false;
}

static void end(void)
{
        fm_filter_unload_all();
        g_assert_cmpuint(fm_manager.volumes->len, ==, 0);
        g_assert_cmpuint(fm_violation_count(), ==, 0);
        g_string_free(events, true);
}

static void test_attach_at_first_operation(void)
{
        PFLT_VOLUME volume;

        begin();
        load(HIGH);
        load(LOW);
        volume = add_volume();
        expect("");
        g_assert_cmpuint(volume->instances->len, ==, 0);
        g_assert_true(fm_volume_wants(volume, fm_major_bit(IRP_MJ_READ)));
        do_create(volume);
        expect("high:setup(5) low:setup(5)");
        /* That operation was seen by both. */
        g_assert_cmpuint(creates, ==, 2);
        g_assert_false(fm_volume_wants(volume, fm_major_bit(IRP_MJ_READ)));
        do_create(volume);
        expect("");
        g_assert_cmpuint(creates, ==, 4);
        fm_volume_remove(volume);
        expect("low:start(8) low:complete(8) low:instance-context-cleanup high:start(8) high:complete(8) "
               "high:instance-context-cleanup low:volume-context-cleanup high:volume-context-cleanup");
        end();
}

/* Who is loaded later finds a volume that is there; who was there is not attached by that. */
static void test_attach_of_later_filter(void)
{
        PFLT_VOLUME volume;

        begin();
        load(HIGH);
        volume = add_volume();
        load(LOW);
        expect("low:setup(1)");
        g_assert_true(fm_volume_wants(volume, fm_major_bit(IRP_MJ_READ)));
        do_create(volume);
        expect("high:setup(5)");
        g_assert_cmpuint(creates, ==, 2);
        fm_volume_remove(volume);
        end();
}

static gpointer create_thread(gpointer volume)
{
        do_create(volume);
        return NULL;
}

/* Nothing passes by a filter that is just being attached. */
static void test_first_operations_at_once(void)
{
        enum { THREADS = 8, ROUNDS = 50 };
        GThread *threads[THREADS];

        begin();
        load(HIGH);
        load(LOW);
        for (unsigned round = 0; round < ROUNDS; round++) {
                PFLT_VOLUME volume = add_volume();

                creates = 0;
                for (unsigned i = 0; i < THREADS; i++)
                        threads[i] = g_thread_new("create", create_thread, volume);
                for (unsigned i = 0; i < THREADS; i++)
                        g_thread_join(threads[i]);
                g_assert_cmpuint(creates, ==, 2 * THREADS);
                g_string_set_size(events, 0);
                fm_volume_remove(volume);
        }
        end();
}

static void create_in_setup(PCFLT_RELATED_OBJECTS objects)
{
        struct fm_operation *operation;

        do_create(objects->Volume);
        operation = fm_operation_new_generated(objects->Instance, IRP_MJ_CREATE, NULL);
        fm_operation_run(operation);
        fm_operation_free(operation);
}

/* A setup callback may use its volume. */
static void test_operations_of_setup(void)
{
        PFLT_VOLUME volume;

        begin();
        load(HIGH);
        in_setup = create_in_setup;
        volume = add_volume();
        do_create(volume);
        expect("high:setup(5)");
        g_assert_cmpuint(creates, ==, 1);
        fm_volume_remove(volume);
        end();
}

static void look_at_requestor(PCFLT_RELATED_OBJECTS objects)
{
        record(filter_of(objects), "process-%u", (unsigned)(ULONG_PTR)PsGetCurrentProcessId());
}

/* Instances are set up on behalf of whoever makes the first operation. */
static void test_requestor_of_setup(void)
{
        struct fm_requestor requestor = { .thread = fm_thread_ref_by_id(1) };
        PFLT_VOLUME volume;

        begin();
        load(HIGH);
        in_setup = look_at_requestor;
        volume = add_volume();
        fm_operation_free(fm_operation_new(volume, IRP_MJ_CREATE, NULL, &requestor));
        expect("high:setup(5) high:process-1");
        in_setup = NULL;
        fm_volume_remove(volume);
        fm_object_unref(requestor.thread);
        end();
}

static void test_attach_by_hand_first(void)
{
        UNICODE_STRING none = { 0 };
        PFLT_VOLUME volume;

        begin();
        load(HIGH);
        volume = add_volume();
        /* The automatic one comes before it, and is in its way. */
        g_assert_cmphex((guint32)FltAttachVolume(filters[HIGH], volume, &none, NULL), ==,
                        (guint32)STATUS_FLT_INSTANCE_NAME_COLLISION);
        expect("high:setup(5)");
        fm_volume_remove(volume);
        end();
}

static void test_removed_unused(void)
{
        PFLT_VOLUME volume;

        begin();
        load(HIGH);
        volume = add_volume();
        fm_volume_remove(volume);
        expect("");
        /* The filter that would have been attached may go before it comes to that. */
        volume = add_volume();
        fm_filter_unload("high", false);
        do_create(volume);
        expect("");
        g_assert_cmpuint(creates, ==, 0);
        fm_volume_remove(volume);
        end();
}

static void test_mount_and_dismount(void)
{
        PFLT_VOLUME volume;

        begin();
        /* A volume that was there before the filters was mounted before they could see it. */
        volume = add_volume();
        g_assert_cmphex((guint32)fm_volume_mount(volume), ==, STATUS_SUCCESS);
        load(HIGH);
        load(LOW);
        expect("high:setup(1) low:setup(1)");
        fm_volume_remove(volume);
        g_assert_true(g_str_has_suffix(events->str, "high:complete(8) high:instance-context-cleanup high:pre-dismount "
                                                    "low:pre-dismount low:post(0) high:post(0) low:volume-context-cleanup "
                                                    "high:volume-context-cleanup"));
        g_string_set_size(events, 0);

        volume = add_volume();
        g_assert_cmphex((guint32)fm_volume_mount(volume), ==, STATUS_SUCCESS);
        expect("high:pre-mount low:pre-mount low:post(0) high:post(0)");
        fm_volume_remove(volume);
        expect("high:pre-dismount low:pre-dismount low:post(0) high:post(0)");
        end();
}

static void test_mount_refused(void)
{
        PFLT_VOLUME volume;

        begin();
        load(HIGH);
        load(LOW);
        mount_with = STATUS_ACCESS_DENIED;
        volume = add_volume();
        g_assert_cmphex((guint32)fm_volume_mount(volume), ==, (guint32)STATUS_ACCESS_DENIED);
        expect("high:pre-mount low:pre-mount high:post(c0000022)");
        fm_volume_remove(volume);
        expect("");
        end();
}

static PFLT_VOLUME find_volume(PCUNICODE_STRING name)
{
        PFLT_VOLUME found = NULL;

        if (!NT_SUCCESS(FltGetVolumeFromName(filters[HIGH], name, &found)))
                return NULL;
        FltObjectDereference(found);
        return found;
}

static void test_names(void)
{
        PFLT_VOLUME volumes[3], list[3], again;
        ULONG count;

        begin();
        load(HIGH);
        for (unsigned i = 0; i < 3; i++)
                volumes[i] = add_volume();
        g_assert_cmphex((guint32)FltEnumerateVolumes(filters[HIGH], NULL, 0, &count), ==,
                        (guint32)STATUS_BUFFER_TOO_SMALL);
        g_assert_cmpuint(count, ==, 3);
        g_assert_cmphex((guint32)FltEnumerateVolumes(filters[HIGH], list, 3, &count), ==, STATUS_SUCCESS);
        for (unsigned i = 0; i < 3; i++) {
                g_assert_true(list[i] == volumes[i]);
                FltObjectDereference(list[i]);
                g_assert_true(find_volume(&volumes[i]->Name) == volumes[i]);
                g_assert_true(find_volume(&volumes[i]->GuidName) == volumes[i]);
                g_assert_true(find_volume(&volumes[i]->DosName) == volumes[i]);
        }
        g_assert_cmpuint(volumes[1]->DosName.Buffer[0], ==, 'D');

        g_autofree WCHAR *name = g_memdup2(volumes[1]->Name.Buffer, volumes[1]->Name.Length);
        g_autofree WCHAR *guid = g_memdup2(volumes[1]->GuidName.Buffer, volumes[1]->GuidName.Length);
        UNICODE_STRING old_name = { volumes[1]->Name.Length, volumes[1]->Name.Length, name };
        UNICODE_STRING old_guid = { volumes[1]->GuidName.Length, volumes[1]->GuidName.Length, guid };

        fm_volume_remove(volumes[1]);
        g_assert_null(find_volume(&old_name));
        g_assert_null(find_volume(&old_guid));
        /* A letter is given again, a number never. */
        again = add_volume();
        g_assert_cmpuint(again->DosName.Buffer[0], ==, 'D');
        g_assert_null(find_volume(&old_name));
        g_assert_null(find_volume(&old_guid));
        fm_volume_remove(again);
        fm_volume_remove(volumes[0]);
        fm_volume_remove(volumes[2]);
        end();
}

/* One filter on several volumes: what it hangs on one is not on the other, and goes with that one alone. */
static void test_contexts_of_each(void)
{
        PFLT_VOLUME volumes[2];
        PFLT_CONTEXT contexts[2], other;
        PFLT_INSTANCE instance;

        begin();
        load(HIGH);
        for (unsigned i = 0; i < 2; i++) {
                volumes[i] = add_volume();
                do_create(volumes[i]);
                instance = volumes[i]->instances->pdata[0];
                g_assert_cmphex((guint32)FltGetInstanceContext(instance, &contexts[i]), ==, STATUS_SUCCESS);
                FltReleaseContext(contexts[i]);
        }
        g_assert_true(contexts[0] != contexts[1]);
        expect("high:setup(5) high:setup(5)");
        fm_volume_remove(volumes[0]);
        expect("high:start(8) high:complete(8) high:instance-context-cleanup high:volume-context-cleanup");
        g_assert_cmphex((guint32)FltGetInstanceContext(volumes[1]->instances->pdata[0], &other), ==, STATUS_SUCCESS);
        g_assert_true(other == contexts[1]);
        FltReleaseContext(other);
        do_create(volumes[1]);
        g_assert_cmpuint(creates, ==, 3);
        fm_volume_remove(volumes[1]);
        end();
}

/* A dismount takes the contexts that others still refer to off the volume, and none comes after it. */
static void test_volume_contexts_at_dismount(void)
{
        PFLT_CONTEXT held, late;
        PFLT_VOLUME volume;

        begin();
        load(HIGH);
        volume = add_volume();
        fm_flt_object_ref(volume);
        do_create(volume);
        g_assert_cmphex((guint32)FltGetVolumeContext(filters[HIGH], volume, &held), ==, STATUS_SUCCESS);
        fm_volume_remove(volume);
        expect("high:setup(5) high:start(8) high:complete(8) high:instance-context-cleanup");
        g_assert_cmphex((guint32)FltGetVolumeContext(filters[HIGH], volume, &late), ==, (guint32)STATUS_NOT_FOUND);
        g_assert_cmphex((guint32)FltSetVolumeContext(volume, FLT_SET_CONTEXT_KEEP_IF_EXISTS, held, NULL), ==,
                        (guint32)STATUS_FLT_DELETING_OBJECT);
        FltReleaseContext(held);
        expect("high:volume-context-cleanup");
        fm_flt_object_unref(volume);
        end();
}

/* The end of the filter manager: each instance is told once, before anything is torn down; a volume not used has none. */
static void test_shutdown(void)
{
        PFLT_VOLUME volumes[3];

        begin();
        load(HIGH);
        load(LOW);
        for (unsigned i = 0; i < G_N_ELEMENTS(volumes); i++)
                volumes[i] = add_volume();
        do_create(volumes[0]);
        do_create(volumes[2]);
        g_string_set_size(events, 0);
        fm_volume_shutdown_all();
        expect("high:shutdown(C) low:shutdown(C) high:shutdown(E) low:shutdown(E)");
        /* They are all there, and the last may be used for the first time. */
        do_create(volumes[0]);
        do_create(volumes[1]);
        expect("high:setup(5) low:setup(5)");
        for (unsigned i = 0; i < G_N_ELEMENTS(volumes); i++)
                fm_volume_remove(volumes[i]);
        end();
}

static gpointer complete_shutdown(gpointer unused)
{
        while (!atomic_load(&pended))
                g_thread_yield();
        record(LOW, "completes");
        FltCompletePendedPreOperation(pended, FLT_PREOP_SUCCESS_NO_CALLBACK, NULL);
        return NULL;
}

static void complete_in_teardown(PCFLT_RELATED_OBJECTS objects)
{
        if (filter_of(objects) == LOW)
                FltCompletePendedPreOperation(pended, FLT_PREOP_SUCCESS_NO_CALLBACK, NULL);
}

/* Who pends it is waited for; one that takes too long gets to its teardown with it. */
static void test_shutdown_pended(void)
{
        GThread *completer;
        PFLT_VOLUME volumes[2];

        begin();
        load(HIGH);
        load(LOW);
        for (unsigned i = 0; i < G_N_ELEMENTS(volumes); i++)
                volumes[i] = add_volume();
        do_create(volumes[1]);
        g_string_set_size(events, 0);
        pends = true;
        completer = g_thread_new("completer", complete_shutdown, NULL);
        fm_volume_shutdown_all();
        expect("high:shutdown(D) low:shutdown(D) low:completes");
        g_thread_join(completer);

        g_setenv("FLTSIM_VERIFIER_PATIENCE", "10", TRUE);
        fm_volume_shutdown_all();
        g_unsetenv("FLTSIM_VERIFIER_PATIENCE");
        expect("high:shutdown(D) low:shutdown(D)");
        in_start = complete_in_teardown;
        fm_volume_remove(volumes[1]);
        fm_volume_remove(volumes[0]);
        end();
}

/* Volumes come, are used and go while a filter is loaded and unloaded. */
static gpointer churn_volumes(gpointer data)
{
        for (unsigned i = 0; i < 200; i++) {
                PFLT_VOLUME volume = add_volume();

                fm_volume_mount(volume);
                do_create(volume);
                do_create(volume);
                fm_volume_remove(volume);
        }
        return NULL;
}

static void test_churn(void)
{
        GThread *threads[2];

        begin();
        goes_meanwhile = true;
        load(HIGH);
        for (unsigned i = 0; i < G_N_ELEMENTS(threads); i++)
                threads[i] = g_thread_new("volumes", churn_volumes, NULL);
        for (unsigned i = 0; i < 100; i++) {
                load(LOW);
                g_assert_cmphex((guint32)fm_filter_unload("low", false), ==, STATUS_SUCCESS);
        }
        for (unsigned i = 0; i < G_N_ELEMENTS(threads); i++)
                g_thread_join(threads[i]);
        g_assert_cmpuint(creates, >=, 800);
        end();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/volumes/attach-at-first-operation", test_attach_at_first_operation);
        g_test_add_func("/volumes/attach-of-later-filter", test_attach_of_later_filter);
        g_test_add_func("/volumes/first-operations-at-once", test_first_operations_at_once);
        g_test_add_func("/volumes/operations-of-setup", test_operations_of_setup);
        g_test_add_func("/volumes/requestor-of-setup", test_requestor_of_setup);
        g_test_add_func("/volumes/attach-by-hand-first", test_attach_by_hand_first);
        g_test_add_func("/volumes/removed-unused", test_removed_unused);
        g_test_add_func("/volumes/mount-and-dismount", test_mount_and_dismount);
        g_test_add_func("/volumes/mount-refused", test_mount_refused);
        g_test_add_func("/volumes/names", test_names);
        g_test_add_func("/volumes/contexts-of-each", test_contexts_of_each);
        g_test_add_func("/volumes/contexts-at-dismount", test_volume_contexts_at_dismount);
        g_test_add_func("/volumes/shutdown", test_shutdown);
        g_test_add_func("/volumes/shutdown-pended", test_shutdown_pended);
        g_test_add_func("/volumes/churn", test_churn);
        return g_test_run();
}
