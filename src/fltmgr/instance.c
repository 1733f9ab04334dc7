/* SPDX-License-Identifier: MIT */
/*
 * Instances: a filter's attachment to a volume at one altitude.
 *
 * Attach: reserve name and altitude in the lists -> InstanceSetup, no lock held -> publish a new callback array.
 * Teardown: out of the callback array -> refuse new callbacks -> TeardownStart -> drain what is owed, cancel what can't be
 * drained -> wait for what runs -> TeardownComplete -> contexts -> out of the lists. Always in this order.
 */
#include "fltmgr/manager.h"

#include "fltmgr/altitude.h"
#include "fltmgr/loader.h"
#include "nt/ke.h"
#include "nt/log.h"
#include "nt/registry.h"
#include "nt/unicode.h"
#include "nt/verifier.h"

#define INSTANCE_FLAG_NO_AUTOMATIC 0x1
#define INSTANCE_FLAG_NO_MANUAL 0x2

static FLT_RELATED_OBJECTS related_objects(PFLT_INSTANCE instance)
{
        return (FLT_RELATED_OBJECTS){
                .Size = sizeof(FLT_RELATED_OBJECTS),
                .Filter = instance->filter,
                .Volume = instance->volume,
                .Instance = instance,
        };
}

static NTSTATUS call_setup(PFLT_INSTANCE instance, FLT_INSTANCE_SETUP_FLAGS flags)
{
        PFLT_INSTANCE_SETUP_CALLBACK setup = instance->filter->registration.InstanceSetupCallback;
        FLT_RELATED_OBJECTS objects = related_objects(instance);
        struct fm_callback_scope scope;
        NTSTATUS status;

        if (!setup)
                return STATUS_SUCCESS;
        fm_callback_enter(&scope, instance->filter, "InstanceSetup", fm_thread_self()->thread, NULL);
        status = setup(&objects, flags, FILE_DEVICE_DISK_FILE_SYSTEM, FLT_FSTYPE_NTFS);
        fm_callback_leave(&scope);
        return status;
}

static void call_teardown(PFLT_INSTANCE instance, PFLT_INSTANCE_TEARDOWN_CALLBACK teardown, const char *what,
                          FLT_INSTANCE_TEARDOWN_FLAGS reason)
{
        FLT_RELATED_OBJECTS objects = related_objects(instance);
        struct fm_callback_scope scope;

        if (!teardown)
                return;
        fm_callback_enter(&scope, instance->filter, what, fm_thread_self()->thread, NULL);
        teardown(&objects, reason);
        fm_callback_leave(&scope);
}

static NTSTATUS reserve_locked(PFLT_INSTANCE instance)
{
        GPtrArray *instances = instance->volume->instances;
        unsigned place = 0;

        if (instance->filter->state == FM_FILTER_UNLOADING)
                return STATUS_FLT_DELETING_OBJECT;
        if (instance->filter->state != FM_FILTER_STARTED)
                return STATUS_FLT_FILTER_NOT_READY;
        if (!g_ptr_array_find(fm_manager.volumes, instance->volume, NULL))
                return STATUS_FLT_DELETING_OBJECT;
        for (unsigned i = 0; i < instances->len; i++) {
                PFLT_INSTANCE other = instances->pdata[i];
                int order = fm_altitude_compare(other->altitude, instance->altitude);

                if (RtlEqualUnicodeString(&other->Name, &instance->Name, TRUE))
                        return STATUS_FLT_INSTANCE_NAME_COLLISION;
                if (order == 0)
                        return STATUS_FLT_INSTANCE_ALTITUDE_COLLISION;
                if (order > 0)
                        place = i + 1;
        }
        g_ptr_array_insert(instances, (gint)place, instance);
        g_ptr_array_add(instance->filter->instances, instance);
        return STATUS_SUCCESS;
}

static void unreserve(PFLT_INSTANCE instance)
{
        pthread_mutex_lock(&fm_manager.lock);
        g_ptr_array_remove(instance->volume->instances, instance);
        g_ptr_array_remove(instance->filter->instances, instance);
        pthread_cond_broadcast(&fm_manager.changed);
        pthread_mutex_unlock(&fm_manager.lock);
}

static PFLT_INSTANCE instance_new(PFLT_FILTER filter, PFLT_VOLUME volume, const char *name, const char *altitude)
{
        PFLT_INSTANCE instance = g_new0(struct _FLT_INSTANCE, 1);

        fm_flt_object_init(&instance->object, FM_FLT_INSTANCE);
        fm_flt_object_ref(filter);
        fm_flt_object_ref(volume);
        instance->filter = filter;
        instance->volume = volume;
        instance->altitude = g_strdup(altitude);
        fm_unicode_string_set(&instance->Name, name);
        fm_unicode_string_set(&instance->Altitude, altitude);
        instance->state = FM_INSTANCE_SETUP;
        fm_context_list_init(&instance->contexts);
        pthread_mutex_init(&instance->lock, NULL);
        pthread_cond_init(&instance->idle, NULL);
        g_queue_init(&instance->nodes);
        g_queue_init(&instance->pended);
        return instance;
}

NTSTATUS fm_instance_attach(PFLT_FILTER filter, PFLT_VOLUME volume, const char *name, const char *altitude,
                            FLT_INSTANCE_SETUP_FLAGS flags, PFLT_INSTANCE *ret)
{
        PFLT_INSTANCE instance;
        NTSTATUS status;

        if (!fm_altitude_is_valid(altitude))
                return STATUS_INVALID_PARAMETER;
        instance = instance_new(filter, volume, name, altitude);

        pthread_mutex_lock(&fm_manager.lock);
        status = reserve_locked(instance);
        pthread_mutex_unlock(&fm_manager.lock);
        if (!NT_SUCCESS(status)) {
                fm_flt_object_unref(instance);
                return status;
        }

        status = call_setup(instance, flags);
        if (!NT_SUCCESS(status)) {
                /* The callback may have given it to a work item. */
                if (!fm_flt_object_wait(instance, filter->name, "an instance that was not attached"))
                        fm_driver_keep_image(filter->driver);
                fm_context_owner_close(filter, &instance->owned);
                unreserve(instance);
                fm_flt_object_unref(instance);
                return status;
        }

        if (ret) {
                (void)FltObjectReference(instance);
                *ret = instance;
        }
        pthread_mutex_lock(&fm_manager.lock);
        instance->state = FM_INSTANCE_ACTIVE;
        fm_volume_rebuild_stack_locked(volume);
        pthread_cond_broadcast(&fm_manager.changed);
        pthread_mutex_unlock(&fm_manager.lock);
        if (volume->wanted_changed)
                volume->wanted_changed(volume);
        fm_log(FM_LOG_INFO, "fltmgr", "%s attached to %s at altitude %s", filter->name, volume->mount_point, altitude);
        return STATUS_SUCCESS;
}

/* Two places hold instances: the second is where Windows 11 24H2 and newer want them. */
static char *instances_key(PFLT_FILTER filter)
{
        char *key = g_strdup_printf(FM_SERVICES_KEY "\\%s\\Parameters\\Instances", filter->name);

        if (fm_registry_has_key(key))
                return key;
        g_free(key);
        return g_strdup_printf(FM_SERVICES_KEY "\\%s\\Instances", filter->name);
}

void fm_instance_attach_automatic(PFLT_FILTER filter, PFLT_VOLUME volume, FLT_INSTANCE_SETUP_FLAGS flags)
{
        g_autofree char *key = instances_key(filter);
        g_auto(GStrv) names = fm_registry_list_keys(key);

        for (unsigned i = 0; names && names[i]; i++) {
                g_autofree char *subkey = g_strdup_printf("%s\\%s", key, names[i]);
                g_autofree char *altitude = fm_registry_get_string(subkey, "Altitude");
                ULONG instance_flags = 0;
                NTSTATUS status;

                fm_registry_get_dword(subkey, "Flags", &instance_flags);
                if (instance_flags & INSTANCE_FLAG_NO_AUTOMATIC)
                        continue;
                if (!altitude) {
                        fm_log(FM_LOG_WARNING, "fltmgr", "%s: instance \"%s\" has no Altitude and is not attached",
                               filter->name, names[i]);
                        continue;
                }
                status = fm_instance_attach(filter, volume, names[i], altitude, flags, NULL);
                if (status == STATUS_FLT_DO_NOT_ATTACH)
                        fm_log(FM_LOG_INFO, "fltmgr", "%s does not want to attach to %s", filter->name,
                               volume->mount_point);
                else if (!NT_SUCCESS(status))
                        fm_log(FM_LOG_WARNING, "fltmgr", "%s can't attach to %s: status 0x%08x", filter->name,
                               volume->mount_point, (unsigned)status);
        }
}

PFLT_INSTANCE fm_instance_ref_any(GPtrArray *instances)
{
        PFLT_INSTANCE instance = NULL;

        pthread_mutex_lock(&fm_manager.lock);
        if (instances->len) {
                instance = instances->pdata[instances->len - 1];
                fm_flt_object_ref(instance);
        }
        pthread_mutex_unlock(&fm_manager.lock);
        return instance;
}

/* True for the one caller that has to do the work; the others wait until it is done. */
static bool begin_teardown(PFLT_INSTANCE instance)
{
        bool mine;

        pthread_mutex_lock(&fm_manager.lock);
        while (instance->state == FM_INSTANCE_SETUP &&
               g_ptr_array_find(instance->volume->instances, instance, NULL))
                pthread_cond_wait(&fm_manager.changed, &fm_manager.lock);
        mine = instance->state == FM_INSTANCE_ACTIVE;
        if (mine) {
                instance->state = FM_INSTANCE_TEARDOWN;
                fm_volume_rebuild_stack_locked(instance->volume);
        } else {
                while (g_ptr_array_find(instance->volume->instances, instance, NULL))
                        pthread_cond_wait(&fm_manager.changed, &fm_manager.lock);
        }
        pthread_mutex_unlock(&fm_manager.lock);
        return mine;
}

/* First what came before the teardown, or is held by references; then the post-operations that this has left. */
static void wait_for_outstanding(PFLT_INSTANCE instance)
{
        const struct fm_culprit culprit = { .filter = instance->filter->name };
        bool forgotten = !fm_flt_object_wait(instance, instance->filter->name, "the teardown of an instance");
        bool reported = false;

        while (!fm_instance_wait_for_posts(instance, fm_verifier_patience())) {
                if (fm_instance_give_up_pended(instance)) {
                        forgotten = true;
                        continue;
                }
                if (!reported)
                        fm_violation_of(&culprit, "hang", "the teardown of an instance waits for post-operations that do not "
                                        "end, or for operations with its buffers");
                reported = true;
        }
        if (forgotten)
                fm_driver_keep_image(instance->filter->driver);
}

void fm_instance_teardown(PFLT_INSTANCE instance, FLT_INSTANCE_TEARDOWN_FLAGS reason)
{
        const FLT_REGISTRATION *registration = &instance->filter->registration;
        PFLT_VOLUME volume = instance->volume;

        if (!begin_teardown(instance))
                return;
        if (volume->wanted_changed)
                volume->wanted_changed(volume);
        fm_rundown_close(&instance->object.rundown);
        call_teardown(instance, registration->InstanceTeardownStartCallback, "InstanceTeardownStart", reason);
        fm_instance_drain(instance);
        wait_for_outstanding(instance);
        call_teardown(instance, registration->InstanceTeardownCompleteCallback, "InstanceTeardownComplete", reason);
        fm_context_owner_close(instance->filter, &instance->owned);
        unreserve(instance);
        fm_log(FM_LOG_INFO, "fltmgr", "%s detached from %s", instance->filter->name, volume->mount_point);
        fm_flt_object_unref(instance);
}

static NTSTATUS attach_manually(PFLT_FILTER filter, PFLT_VOLUME volume, PCWSTR altitude16, PCUNICODE_STRING name16,
                                PFLT_INSTANCE *ret)
{
        g_autofree char *key = instances_key(filter);
        g_autofree char *name = NULL, *altitude = NULL, *subkey = NULL;
        ULONG flags = 0;

        /* What is due comes first, as if the volume had been used. */
        if (atomic_load(&volume->attach_is_due))
                fm_volume_attach_due(volume);
        if (name16 && name16->Length)
                name = fm_utf8_from_utf16(name16->Buffer, name16->Length / sizeof(WCHAR));
        else
                name = fm_registry_get_string(key, "DefaultInstance");
        if (!name)
                return STATUS_OBJECT_NAME_NOT_FOUND;
        subkey = g_strdup_printf("%s\\%s", key, name);
        if (altitude16) {
                altitude = fm_utf8_from_utf16(altitude16, fm_utf16_length(altitude16));
        } else {
                altitude = fm_registry_get_string(subkey, "Altitude");
                if (!altitude)
                        return STATUS_OBJECT_NAME_NOT_FOUND;
        }
        fm_registry_get_dword(subkey, "Flags", &flags);
        if (flags & INSTANCE_FLAG_NO_MANUAL)
                return STATUS_FLT_DO_NOT_ATTACH;
        return fm_instance_attach(filter, volume, name, altitude, FLTFL_INSTANCE_SETUP_MANUAL_ATTACHMENT, ret);
}

/*
 * Attaches a new instance at the altitude that the registry has for that instance (InstanceName NULL: the
 * default instance). IRQL PASSIVE_LEVEL. *RetInstance, if wanted, has a rundown reference.
 *
 * STATUS_FLT_DELETING_OBJECT, STATUS_FLT_FILTER_NOT_READY, STATUS_FLT_INSTANCE_NAME_COLLISION,
 * STATUS_OBJECT_NAME_COLLISION (altitude taken), STATUS_OBJECT_NAME_NOT_FOUND (no such instance in the
 * registry), STATUS_FLT_DO_NOT_ATTACH, or what InstanceSetup returned.
 */
NTSTATUS FltAttachVolume(PFLT_FILTER Filter, PFLT_VOLUME Volume, PCUNICODE_STRING InstanceName,
                         PFLT_INSTANCE *RetInstance)
{
        NTSTATUS status;

        fm_check_irql(__func__, PASSIVE_LEVEL);
        status = attach_manually(Filter, Volume, NULL, InstanceName, RetInstance);
        return status == STATUS_FLT_INSTANCE_ALTITUDE_COLLISION ? STATUS_OBJECT_NAME_COLLISION : status;
}

/*
 * The same at an altitude that the caller names; meant for tests on Windows too.
 * A taken altitude is STATUS_FLT_INSTANCE_ALTITUDE_COLLISION here.
 */
NTSTATUS FltAttachVolumeAtAltitude(PFLT_FILTER Filter, PFLT_VOLUME Volume, PCUNICODE_STRING Altitude,
                                   PCUNICODE_STRING InstanceName, PFLT_INSTANCE *RetInstance)
{
        g_autofree WCHAR *altitude = NULL;

        fm_check_irql(__func__, PASSIVE_LEVEL);
        if (!Altitude || !Altitude->Length)
                return STATUS_INVALID_PARAMETER;
        altitude = g_new0(WCHAR, Altitude->Length / sizeof(WCHAR) + 1);
        memcpy(altitude, Altitude->Buffer, Altitude->Length);
        return attach_manually(Filter, Volume, altitude, InstanceName, RetInstance);
}

/* Highest instance of the filter on the volume with that name (NULL or empty: any); memory reference. */
static PFLT_INSTANCE find_instance(PFLT_FILTER filter, PFLT_VOLUME volume, PCUNICODE_STRING name)
{
        PFLT_INSTANCE found = NULL;

        pthread_mutex_lock(&fm_manager.lock);
        for (unsigned i = 0; i < volume->instances->len && !found; i++) {
                PFLT_INSTANCE instance = volume->instances->pdata[i];

                if (instance->filter == filter && instance->state == FM_INSTANCE_ACTIVE &&
                    (!name || !name->Length || RtlEqualUnicodeString(&instance->Name, name, TRUE)))
                        found = instance;
        }
        if (found)
                fm_flt_object_ref(found);
        pthread_mutex_unlock(&fm_manager.lock);
        return found;
}

static NTSTATUS query_teardown(PFLT_INSTANCE instance)
{
        PFLT_INSTANCE_QUERY_TEARDOWN_CALLBACK query = instance->filter->registration.InstanceQueryTeardownCallback;
        FLT_RELATED_OBJECTS objects = related_objects(instance);
        struct fm_callback_scope scope;
        NTSTATUS status;

        if (!query)
                return STATUS_FLT_DO_NOT_DETACH;
        fm_callback_enter(&scope, instance->filter, "InstanceQueryTeardown", fm_thread_self()->thread, NULL);
        status = query(&objects, 0);
        fm_callback_leave(&scope);
        return status;
}

static gpointer detach_thread(gpointer opaque)
{
        PFLT_INSTANCE instance = opaque;

        fm_instance_teardown(instance, FLTFL_INSTANCE_TEARDOWN_MANUAL);
        fm_flt_object_unref(instance);
        return NULL;
}

/*
 * Detaches the instance of that name (NULL: the highest of this filter on the volume). IRQL PASSIVE_LEVEL.
 *
 * STATUS_FLT_INSTANCE_NOT_FOUND; the status of InstanceQueryTeardown if that refuses, STATUS_FLT_DO_NOT_DETACH if there
 * is none. When a callback calls this, the teardown goes on in a thread of its own after the return: it has to
 * wait for that very callback.
 */
NTSTATUS FltDetachVolume(PFLT_FILTER Filter, PFLT_VOLUME Volume, PCUNICODE_STRING InstanceName)
{
        PFLT_INSTANCE instance;
        NTSTATUS status;

        fm_check_irql(__func__, APC_LEVEL);
        instance = find_instance(Filter, Volume, InstanceName);
        if (!instance)
                return STATUS_FLT_INSTANCE_NOT_FOUND;
        status = query_teardown(instance);
        if (!NT_SUCCESS(status)) {
                fm_flt_object_unref(instance);
                return status;
        }
        if (fm_thread_self()->filter)
                g_thread_unref(g_thread_new("detach", detach_thread, instance));
        else
                detach_thread(instance);
        return STATUS_SUCCESS;
}
