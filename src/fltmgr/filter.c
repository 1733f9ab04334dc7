/* SPDX-License-Identifier: MIT */
/*
 * Filters: registration, start, and the way out.
 *
 * A filter is a member from FltRegisterFilter() to FltUnregisterFilter(). The registration is copied, so that nothing
 * of ours points into the image except callbacks.
 */
#include "fltmgr/manager.h"

#include "fltmgr/altitude.h"
#include "fltmgr/loader.h"
#include "fltmgr/port.h"
#include "nt/ke.h"
#include "nt/log.h"
#include "nt/pool.h"
#include "nt/registry.h"
#include "nt/unicode.h"
#include "nt/verifier.h"

/* How much of FLT_REGISTRATION a version has; 0: there is no such version. */
static size_t size_of_version(USHORT version)
{
        switch (version) {
        case FLT_REGISTRATION_VERSION_0200:
        case FLT_REGISTRATION_VERSION_0201:
                return offsetof(FLT_REGISTRATION, TransactionNotificationCallback);
        case FLT_REGISTRATION_VERSION_0202:
                return offsetof(FLT_REGISTRATION, SectionNotificationCallback);
        case FLT_REGISTRATION_VERSION_0203:
                return sizeof(FLT_REGISTRATION);
        default:
                return 0;
        }
}

static NTSTATUS check_operations(const FLT_OPERATION_REGISTRATION *operations)
{
        for (; operations && operations->MajorFunction != IRP_MJ_OPERATION_END; operations++)
                if (operations->MajorFunction == IRP_MJ_POWER || operations->MajorFunction == IRP_MJ_DEVICE_CHANGE ||
                    !*FltGetIrpName(operations->MajorFunction))
                        return STATUS_INVALID_PARAMETER;
        return STATUS_SUCCESS;
}

static FLT_OPERATION_REGISTRATION *copy_operations(PFLT_FILTER filter, const FLT_OPERATION_REGISTRATION *from)
{
        FLT_OPERATION_REGISTRATION *copy;
        unsigned count = 0;

        if (!from)
                return NULL;
        while (from[count].MajorFunction != IRP_MJ_OPERATION_END)
                count++;
        copy = g_memdup2(from, (count + 1) * sizeof(*copy));
        for (unsigned i = 0; i < count; i++) {
                if (copy[i].MajorFunction == IRP_MJ_SHUTDOWN)
                        copy[i].PostOperation = NULL;
                filter->callbacks[copy[i].MajorFunction] = &copy[i];
        }
        return copy;
}

static FLT_CONTEXT_REGISTRATION *copy_contexts(const FLT_CONTEXT_REGISTRATION *from)
{
        unsigned count = 0;

        if (!from)
                return NULL;
        while (from[count].ContextType != FLT_CONTEXT_END)
                count++;
        return g_memdup2(from, (count + 1) * sizeof(*from));
}

/* Takes over what the registration's version has; the rest is NULL. */
static NTSTATUS take_registration(const FLT_REGISTRATION *from, FLT_REGISTRATION *registration)
{
        size_t size = size_of_version(from->Version);

        if (size == 0 || from->Size < size || from->Size > sizeof(*registration))
                return STATUS_INVALID_PARAMETER;
        *registration = (FLT_REGISTRATION){ 0 };
        memcpy(registration, from, size);
        /* Half a name provider: normalizing alone. */
        if ((registration->NormalizeNameComponentCallback || registration->NormalizeNameComponentExCallback) &&
            !registration->GenerateFileNameCallback)
                return STATUS_INVALID_PARAMETER;
        if (!NT_SUCCESS(fm_context_check_registration(registration->ContextRegistration)))
                return STATUS_INVALID_PARAMETER;
        return check_operations(registration->OperationRegistration);
}

/* Altitude of the default instance: what orders filters among themselves. NULL: the registry has none. */
static char *default_altitude(const char *name)
{
        static const char *const places[] = { "Parameters\\Instances", "Instances" };

        for (unsigned i = 0; i < G_N_ELEMENTS(places); i++) {
                g_autofree char *key = g_strdup_printf(FM_SERVICES_KEY "\\%s\\%s", name, places[i]);
                g_autofree char *instance = fm_registry_get_string(key, "DefaultInstance");
                g_autofree char *subkey = NULL;
                char *altitude;

                if (!instance)
                        continue;
                subkey = g_strdup_printf("%s\\%s", key, instance);
                altitude = fm_registry_get_string(subkey, "Altitude");
                if (altitude && fm_altitude_is_valid(altitude))
                        return altitude;
                g_free(altitude);
        }
        return NULL;
}

static NTSTATUS insert(PFLT_FILTER filter)
{
        unsigned place = 0;
        NTSTATUS status = STATUS_SUCCESS;

        pthread_mutex_lock(&fm_manager.lock);
        for (unsigned i = 0; i < fm_manager.filters->len; i++) {
                PFLT_FILTER other = fm_manager.filters->pdata[i];

                if (other->driver == filter->driver || g_ascii_strcasecmp(other->name, filter->name) == 0)
                        status = STATUS_FLT_INSTANCE_NAME_COLLISION;
                if (fm_altitude_compare(other->altitude, filter->altitude) >= 0)
                        place = i + 1;
        }
        if (NT_SUCCESS(status)) {
                fm_flt_object_ref(filter);
                g_ptr_array_insert(fm_manager.filters, (gint)place, filter);
        }
        pthread_mutex_unlock(&fm_manager.lock);
        return status;
}

/*
 * Makes the driver known as a minifilter. No callback comes before FltStartFiltering(). IRQL PASSIVE_LEVEL.
 *
 * STATUS_INVALID_PARAMETER: Size or Version is not one we know, a major that can't be registered (IRP_MJ_POWER,
 * IRP_MJ_DEVICE_CHANGE) or does not exist, a context type that does not exist or has more than three fixed sizes,
 * or a name provider that only normalizes. STATUS_OBJECT_NAME_NOT_FOUND: the service key has no usable Instances data.
 * STATUS_FLT_INSTANCE_NAME_COLLISION: the driver is registered already (Windows documents no status for it).
 * The post-operation of IRP_MJ_SHUTDOWN is ignored, as there; so are fields that are newer than Version. Of several
 * entries for one major the last counts.
 */
NTSTATUS FltRegisterFilter(PDRIVER_OBJECT Driver, const FLT_REGISTRATION *Registration, PFLT_FILTER *RetFilter)
{
        g_autofree char *altitude = NULL;
        FLT_REGISTRATION registration;
        char *name;
        PFLT_FILTER filter;
        NTSTATUS status;

        fm_check_irql(__func__, APC_LEVEL);
        if (!Driver || !Registration || !RetFilter)
                return STATUS_INVALID_PARAMETER;
        status = take_registration(Registration, &registration);
        if (!NT_SUCCESS(status))
                return status;
        name = fm_driver_service_name(Driver);
        altitude = default_altitude(name);
        if (!altitude) {
                g_free(name);
                return STATUS_OBJECT_NAME_NOT_FOUND;
        }

        filter = g_new0(struct _FLT_FILTER, 1);
        fm_flt_object_init(&filter->object, FM_FLT_FILTER);
        filter->name = name;
        fm_unicode_string_set(&filter->Name, name);
        filter->altitude = g_steal_pointer(&altitude);
        filter->driver = Driver;
        filter->registration = registration;
        filter->registration.OperationRegistration = copy_operations(filter, registration.OperationRegistration);
        filter->registration.ContextRegistration = copy_contexts(registration.ContextRegistration);
        filter->instances = g_ptr_array_new();
        g_queue_init(&filter->ports);
        pthread_mutex_init(&filter->contexts_lock, NULL);

        status = insert(filter);
        if (NT_SUCCESS(status))
                *RetFilter = filter;
        fm_flt_object_unref(filter);
        return status;
}

/*
 * Attaches the filter to the volumes there are and lets callbacks begin: they may come before this returns.
 * IRQL PASSIVE_LEVEL. STATUS_INVALID_PARAMETER when called twice, STATUS_FLT_DELETING_OBJECT during unload.
 */
NTSTATUS FltStartFiltering(PFLT_FILTER Filter)
{
        g_autoptr(GPtrArray) volumes = g_ptr_array_new_with_free_func(fm_flt_object_unref);
        NTSTATUS status = STATUS_SUCCESS;

        fm_check_irql(__func__, APC_LEVEL);
        pthread_mutex_lock(&fm_manager.lock);
        if (Filter->state == FM_FILTER_UNLOADING)
                status = STATUS_FLT_DELETING_OBJECT;
        else if (Filter->state != FM_FILTER_REGISTERED)
                status = STATUS_INVALID_PARAMETER;
        else
                Filter->state = FM_FILTER_STARTED;
        for (unsigned i = 0; NT_SUCCESS(status) && i < fm_manager.volumes->len; i++) {
                fm_flt_object_ref(fm_manager.volumes->pdata[i]);
                g_ptr_array_add(volumes, fm_manager.volumes->pdata[i]);
        }
        pthread_mutex_unlock(&fm_manager.lock);

        for (unsigned i = 0; i < volumes->len; i++)
                fm_instance_attach_automatic(Filter, volumes->pdata[i], FLTFL_INSTANCE_SETUP_AUTOMATIC_ATTACHMENT);
        return status;
}

/* What the filter still holds once everything was torn down would hang or corrupt Windows: say so. */
static void report_leaks(PFLT_FILTER filter)
{
        uint64_t contexts = atomic_load(&filter->contexts_alive);
        uint64_t names = atomic_load(&filter->names_alive);
        uint64_t data = atomic_load(&filter->data_alive);
        struct fm_culprit culprit = { .filter = filter->name, .callback = fm_thread_self()->callback };

        culprit.code = atomic_load(&filter->contexts_code);
        if (contexts)
                fm_violation_of(&culprit, "context-leak", "%" G_GUINT64_FORMAT " contexts were never released", contexts);
        culprit.code = atomic_load(&filter->names_code);
        if (names)
                fm_violation_of(&culprit, "name-leak", "%" G_GUINT64_FORMAT " file name informations were never released",
                                names);
        culprit.code = atomic_load(&filter->data_code);
        if (data)
                fm_violation_of(&culprit, "callback-data-leak", "%" G_GUINT64_FORMAT " callback data were never freed",
                                data);
}

/*
 * Ends the filter: no callback starts any more, every instance is torn down, all contexts go, and it waits for
 * what is outstanding (callbacks, work items, references). Communication ports that are still open are reported
 * and closed; on Windows they would make this wait for ever. IRQL PASSIVE_LEVEL.
 */
VOID FltUnregisterFilter(PFLT_FILTER Filter)
{
        FLT_INSTANCE_TEARDOWN_FLAGS reason;
        PFLT_INSTANCE instance;

        fm_check_irql(__func__, APC_LEVEL);
        reason = fm_driver_unload_is_mandatory(Filter->driver) ? FLTFL_INSTANCE_TEARDOWN_MANDATORY_FILTER_UNLOAD
                                                               : FLTFL_INSTANCE_TEARDOWN_FILTER_UNLOAD;
        pthread_mutex_lock(&fm_manager.lock);
        if (Filter->state == FM_FILTER_UNLOADING) {
                pthread_mutex_unlock(&fm_manager.lock);
                fm_violation_of(&(struct fm_culprit){ .filter = Filter->name, .callback = fm_thread_self()->callback },
                                "unregister-twice", "FltUnregisterFilter was called twice");
                return;
        }
        Filter->state = FM_FILTER_UNLOADING;
        pthread_mutex_unlock(&fm_manager.lock);

        /* Ports first: a callback that waits in FltSendMessage without a time-out comes back then. */
        fm_filter_close_ports(Filter);
        while ((instance = fm_instance_ref_any(Filter->instances))) {
                fm_instance_teardown(instance, reason);
                fm_flt_object_unref(instance);
        }
        fm_context_owner_close(Filter, &Filter->owned);
        if (!fm_flt_object_wait(Filter, Filter->name, "FltUnregisterFilter"))
                fm_driver_keep_image(Filter->driver);
        report_leaks(Filter);

        pthread_mutex_lock(&fm_manager.lock);
        g_ptr_array_remove(fm_manager.filters, Filter);
        pthread_cond_broadcast(&fm_manager.changed);
        pthread_mutex_unlock(&fm_manager.lock);
        fm_flt_object_unref(Filter);
}

PFLT_FILTER fm_filter_ref_by_name(const char *name)
{
        PFLT_FILTER found = NULL;

        pthread_mutex_lock(&fm_manager.lock);
        for (unsigned i = 0; i < fm_manager.filters->len && !found; i++) {
                PFLT_FILTER filter = fm_manager.filters->pdata[i];

                if (g_ascii_strcasecmp(filter->name, name) == 0)
                        found = filter;
        }
        if (found)
                fm_flt_object_ref(found);
        pthread_mutex_unlock(&fm_manager.lock);
        return found;
}
