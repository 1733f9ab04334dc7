/* SPDX-License-Identifier: MIT */
/*
 * Finding filters, instances and volumes.
 *
 * Whatever is found comes back with a rundown reference, taken while the manager's lock still keeps it a
 * member: the caller gives it back with FltObjectDereference.
 */
#include <string.h>

#include "fltmgr/altitude.h"
#include "fltmgr/check.h"
#include "fltmgr/lookup.h"
#include "fltmgr/name.h"
#include "nt/unicode.h"

static enum fm_flt_kind kind_of(const void *object)
{
        return ((const struct fm_flt_object *)object)->kind;
}

/* ---- filters ---- */

/*
 * Finds a registered filter by its service name, compared without case.
 * STATUS_SUCCESS; STATUS_FLT_FILTER_NOT_FOUND; STATUS_FLT_DELETING_OBJECT: it is being unloaded. IRQL <= APC_LEVEL.
 */
NTSTATUS FltGetFilterFromName(PCUNICODE_STRING FilterName, PFLT_FILTER *RetFilter)
{
        NTSTATUS status = STATUS_FLT_FILTER_NOT_FOUND;

        fm_check_irql(__func__, APC_LEVEL);
        *RetFilter = NULL;
        pthread_mutex_lock(&fm_manager.lock);
        for (guint i = 0; i < fm_manager.filters->len; i++) {
                PFLT_FILTER filter = g_ptr_array_index(fm_manager.filters, i);

                if (!RtlEqualUnicodeString(&filter->Name, FilterName, TRUE))
                        continue;
                status = FltObjectReference(filter);
                if (NT_SUCCESS(status))
                        *RetFilter = filter;
                break;
        }
        pthread_mutex_unlock(&fm_manager.lock);
        return status;
}

/* The filter of an instance. STATUS_SUCCESS, STATUS_FLT_DELETING_OBJECT. IRQL <= APC_LEVEL. */
NTSTATUS FltGetFilterFromInstance(PFLT_INSTANCE Instance, PFLT_FILTER *RetFilter)
{
        NTSTATUS status;

        fm_check_irql(__func__, APC_LEVEL);
        status = FltObjectReference(Instance->filter);
        *RetFilter = NT_SUCCESS(status) ? Instance->filter : NULL;
        return status;
}

/* Copies what `wanted` accepts of a list of members, referenced; those that go away are left out. */
static NTSTATUS enumerate_locked(GPtrArray *members, bool (*wanted)(void *member, void *context), void *context,
                                 void **list, ULONG list_size, PULONG returned)
{
        ULONG count = 0, filled = 0;

        for (guint i = 0; i < members->len; i++) {
                struct fm_flt_object *member = g_ptr_array_index(members, i);

                if (!fm_rundown_is_closed(&member->rundown) && (!wanted || wanted(member, context)))
                        count++;
        }
        if (count > list_size || (count > 0 && !list)) {
                *returned = count;
                return STATUS_BUFFER_TOO_SMALL;
        }
        for (guint i = 0; i < members->len && filled < count; i++) {
                void *member = g_ptr_array_index(members, i);

                if ((!wanted || wanted(member, context)) && NT_SUCCESS(FltObjectReference(member)))
                        list[filled++] = member;
        }
        *returned = filled;
        return STATUS_SUCCESS;
}

/*
 * All registered filters, highest altitude first. FilterListSize counts pointers.
 * STATUS_SUCCESS; STATUS_BUFFER_TOO_SMALL and how many there are. IRQL <= APC_LEVEL.
 */
NTSTATUS FltEnumerateFilters(PFLT_FILTER *FilterList, ULONG FilterListSize, PULONG NumberFiltersReturned)
{
        NTSTATUS status;

        fm_check_irql(__func__, APC_LEVEL);
        pthread_mutex_lock(&fm_manager.lock);
        status = enumerate_locked(fm_manager.filters, NULL, NULL, (void **)FilterList, FilterListSize,
                                  NumberFiltersReturned);
        pthread_mutex_unlock(&fm_manager.lock);
        return status;
}

/* ---- volumes ---- */

static bool volume_has_name(PFLT_VOLUME volume, PCUNICODE_STRING name)
{
        UNICODE_STRING rest = *name;
        char *path;
        bool same;

        if (fm_volume_skip_name(volume, &rest))
                return rest.Length == 0 || (rest.Length == sizeof(WCHAR) && rest.Buffer[0] == L'\\');
        if (rest.Length > sizeof(WCHAR) && rest.Buffer[rest.Length / sizeof(WCHAR) - 1] == L'\\')
                rest.Length -= sizeof(WCHAR);
        if (volume->DosName.Length && RtlEqualUnicodeString(&volume->DosName, &rest, TRUE))
                return true;
        if (!volume->mount_point || name->Length == 0 || name->Buffer[0] != L'/')
                return false;
        path = fm_utf8_from_utf16(name->Buffer, name->Length / sizeof(WCHAR));
        same = path && strcmp(path, volume->mount_point) == 0;
        free(path);
        return same;
}

/*
 * Finds a volume by name: \Device\HarddiskVolume1, \??\Volume{...}, \??\C:, C:, or (not on Windows) the
 * absolute path of its mount point.
 * STATUS_SUCCESS; STATUS_FLT_VOLUME_NOT_FOUND; STATUS_FLT_DELETING_OBJECT; STATUS_INVALID_PARAMETER: no name.
 * IRQL PASSIVE_LEVEL.
 */
NTSTATUS FltGetVolumeFromName(PFLT_FILTER Filter, PCUNICODE_STRING VolumeName, PFLT_VOLUME *RetVolume)
{
        NTSTATUS status = STATUS_FLT_VOLUME_NOT_FOUND;

        fm_check_irql(__func__, PASSIVE_LEVEL);
        *RetVolume = NULL;
        if (!VolumeName || VolumeName->Length == 0)
                return STATUS_INVALID_PARAMETER;
        pthread_mutex_lock(&fm_manager.lock);
        for (guint i = 0; i < fm_manager.volumes->len; i++) {
                PFLT_VOLUME volume = g_ptr_array_index(fm_manager.volumes, i);

                if (!volume_has_name(volume, VolumeName))
                        continue;
                status = FltObjectReference(volume);
                if (NT_SUCCESS(status))
                        *RetVolume = volume;
                break;
        }
        pthread_mutex_unlock(&fm_manager.lock);
        return status;
}

static NTSTATUS return_volume(PFLT_VOLUME volume, PFLT_VOLUME *ret)
{
        NTSTATUS status = volume ? FltObjectReference(volume) : STATUS_INVALID_PARAMETER;

        *ret = NT_SUCCESS(status) ? volume : NULL;
        return status;
}

/* The volume that an instance is attached to. STATUS_SUCCESS, STATUS_FLT_DELETING_OBJECT. IRQL <= APC_LEVEL. */
NTSTATUS FltGetVolumeFromInstance(PFLT_INSTANCE Instance, PFLT_VOLUME *RetVolume)
{
        fm_check_irql(__func__, APC_LEVEL);
        return return_volume(Instance->volume, RetVolume);
}

/*
 * The volume that a file is on, opened or not yet. STATUS_SUCCESS, STATUS_FLT_DELETING_OBJECT,
 * STATUS_INVALID_PARAMETER: it is on none. IRQL <= APC_LEVEL.
 */
NTSTATUS FltGetVolumeFromFileObject(PFLT_FILTER Filter, PFILE_OBJECT FileObject, PFLT_VOLUME *RetVolume)
{
        fm_check_irql(__func__, APC_LEVEL);
        return return_volume(FileObject ? fm_file_object(FileObject)->volume : NULL, RetVolume);
}

PFLT_VOLUME fm_volume_ref_by_device(PDEVICE_OBJECT device)
{
        PFLT_VOLUME found = NULL;

        pthread_mutex_lock(&fm_manager.lock);
        for (guint i = 0; i < fm_manager.volumes->len && !found; i++) {
                PFLT_VOLUME volume = g_ptr_array_index(fm_manager.volumes, i);

                if (device && (volume->device == device || volume->disk == device)) {
                        fm_flt_object_ref(volume);
                        found = volume;
                }
        }
        pthread_mutex_unlock(&fm_manager.lock);
        return found;
}

/*
 * The volume of its device object. STATUS_SUCCESS, STATUS_FLT_DELETING_OBJECT, STATUS_INVALID_PARAMETER: no volume's
 * device, or the disk under one. IRQL <= APC_LEVEL.
 */
NTSTATUS FltGetVolumeFromDeviceObject(PFLT_FILTER Filter, PDEVICE_OBJECT DeviceObject, PFLT_VOLUME *RetVolume)
{
        PFLT_VOLUME volume = fm_volume_ref_by_device(DeviceObject);
        NTSTATUS status = return_volume(volume && volume->device == DeviceObject ? volume : NULL, RetVolume);

        fm_check_irql(__func__, APC_LEVEL);
        fm_flt_object_unref(volume);
        return status;
}

/* Whether a device object is a volume's, and not the disk's under it. IRQL <= APC_LEVEL. */
BOOLEAN FltIsFltMgrVolumeDeviceObject(PDEVICE_OBJECT DeviceObject)
{
        PFLT_VOLUME volume = fm_volume_ref_by_device(DeviceObject);
        BOOLEAN is_volume = volume && volume->device == DeviceObject;

        fm_check_irql(__func__, APC_LEVEL);
        fm_flt_object_unref(volume);
        return is_volume;
}

/*
 * All volumes. VolumeListSize counts pointers.
 * STATUS_SUCCESS; STATUS_BUFFER_TOO_SMALL and how many there are. IRQL <= APC_LEVEL.
 */
NTSTATUS FltEnumerateVolumes(PFLT_FILTER Filter, PFLT_VOLUME *VolumeList, ULONG VolumeListSize,
                             PULONG NumberVolumesReturned)
{
        NTSTATUS status;

        fm_check_irql(__func__, APC_LEVEL);
        pthread_mutex_lock(&fm_manager.lock);
        status = enumerate_locked(fm_manager.volumes, NULL, NULL, (void **)VolumeList, VolumeListSize,
                                  NumberVolumesReturned);
        pthread_mutex_unlock(&fm_manager.lock);
        return status;
}

/* ---- instances ---- */

struct instance_match {
        PFLT_FILTER filter; /* NULL: any */
        PFLT_VOLUME volume; /* NULL: any */
};

static bool instance_matches(void *member, void *context)
{
        const struct instance_match *match = context;
        PFLT_INSTANCE instance = member;

        return instance->state != FM_INSTANCE_SETUP && (!match->filter || instance->filter == match->filter) &&
               (!match->volume || instance->volume == match->volume);
}

/*
 * The instances of a filter, on a volume, or of a filter on a volume. InstanceListSize counts pointers.
 * STATUS_SUCCESS; STATUS_BUFFER_TOO_SMALL and how many there are; STATUS_INVALID_PARAMETER: neither is given.
 * IRQL <= APC_LEVEL.
 */
NTSTATUS FltEnumerateInstances(PFLT_VOLUME Volume, PFLT_FILTER Filter, PFLT_INSTANCE *InstanceList,
                               ULONG InstanceListSize, PULONG NumberInstancesReturned)
{
        struct instance_match match = {Filter, Volume};
        NTSTATUS status;

        fm_check_irql(__func__, APC_LEVEL);
        if (!Volume && !Filter)
                return STATUS_INVALID_PARAMETER;
        pthread_mutex_lock(&fm_manager.lock);
        status = enumerate_locked(Volume ? Volume->instances : Filter->instances, instance_matches, &match,
                                  (void **)InstanceList, InstanceListSize, NumberInstancesReturned);
        pthread_mutex_unlock(&fm_manager.lock);
        return status;
}

/*
 * An instance on a volume by its name (NULL: any), of a filter (NULL: any); the highest that matches.
 * STATUS_SUCCESS, STATUS_FLT_INSTANCE_NOT_FOUND, STATUS_FLT_DELETING_OBJECT. IRQL <= APC_LEVEL.
 */
NTSTATUS FltGetVolumeInstanceFromName(PFLT_FILTER Filter, PFLT_VOLUME Volume, PCUNICODE_STRING InstanceName,
                                      PFLT_INSTANCE *RetInstance)
{
        struct instance_match match = {Filter, Volume};
        NTSTATUS status = STATUS_FLT_INSTANCE_NOT_FOUND;

        fm_check_irql(__func__, APC_LEVEL);
        *RetInstance = NULL;
        pthread_mutex_lock(&fm_manager.lock);
        for (guint i = 0; i < Volume->instances->len; i++) {
                PFLT_INSTANCE instance = g_ptr_array_index(Volume->instances, i);

                if (!instance_matches(instance, &match) ||
                    (InstanceName && !RtlEqualUnicodeString(&instance->Name, InstanceName, TRUE)))
                        continue;
                status = FltObjectReference(instance);
                if (NT_SUCCESS(status))
                        *RetInstance = instance;
                break;
        }
        pthread_mutex_unlock(&fm_manager.lock);
        return status;
}

/* From place `from` on in steps of `step` (1 downwards, -1 upwards): the first instance that can be had. */
static NTSTATUS nearest_locked(PFLT_VOLUME volume, guint from, int step, PFLT_INSTANCE *ret)
{
        for (guint i = from; i < volume->instances->len; i += (guint)step) {
                PFLT_INSTANCE instance = g_ptr_array_index(volume->instances, i);

                if (instance->state == FM_INSTANCE_ACTIVE && NT_SUCCESS(FltObjectReference(instance))) {
                        *ret = instance;
                        return STATUS_SUCCESS;
                }
        }
        return STATUS_NO_MORE_ENTRIES;
}

static NTSTATUS end_of_stack(PFLT_VOLUME volume, int step, PFLT_INSTANCE *ret)
{
        NTSTATUS status;

        *ret = NULL;
        pthread_mutex_lock(&fm_manager.lock);
        status = nearest_locked(volume, step > 0 ? 0 : volume->instances->len - 1, step, ret);
        pthread_mutex_unlock(&fm_manager.lock);
        return status;
}

static NTSTATUS neighbour(PFLT_INSTANCE instance, int step, PFLT_INSTANCE *ret)
{
        NTSTATUS status = STATUS_NO_MORE_ENTRIES;
        guint index;

        *ret = NULL;
        pthread_mutex_lock(&fm_manager.lock);
        if (g_ptr_array_find(instance->volume->instances, instance, &index))
                status = nearest_locked(instance->volume, index + (guint)step, step, ret);
        pthread_mutex_unlock(&fm_manager.lock);
        return status;
}

/* The highest instance on a volume. STATUS_SUCCESS, STATUS_NO_MORE_ENTRIES. IRQL <= APC_LEVEL. */
NTSTATUS FltGetTopInstance(PFLT_VOLUME Volume, PFLT_INSTANCE *Instance)
{
        fm_check_irql(__func__, APC_LEVEL);
        return end_of_stack(Volume, 1, Instance);
}

/* The lowest instance on a volume. STATUS_SUCCESS, STATUS_NO_MORE_ENTRIES. IRQL <= APC_LEVEL. */
NTSTATUS FltGetBottomInstance(PFLT_VOLUME Volume, PFLT_INSTANCE *Instance)
{
        fm_check_irql(__func__, APC_LEVEL);
        return end_of_stack(Volume, -1, Instance);
}

/* The next higher instance on the volume. STATUS_SUCCESS, STATUS_NO_MORE_ENTRIES. IRQL <= APC_LEVEL. */
NTSTATUS FltGetUpperInstance(PFLT_INSTANCE CurrentInstance, PFLT_INSTANCE *UpperInstance)
{
        fm_check_irql(__func__, APC_LEVEL);
        return neighbour(CurrentInstance, -1, UpperInstance);
}

/* The next lower instance on the volume. STATUS_SUCCESS, STATUS_NO_MORE_ENTRIES. IRQL <= APC_LEVEL. */
NTSTATUS FltGetLowerInstance(PFLT_INSTANCE CurrentInstance, PFLT_INSTANCE *LowerInstance)
{
        fm_check_irql(__func__, APC_LEVEL);
        return neighbour(CurrentInstance, 1, LowerInstance);
}

/* < 0: Instance1 is the lower, 0: the same altitude, > 0: it is the higher. IRQL <= DISPATCH_LEVEL. */
LONG FltCompareInstanceAltitudes(PFLT_INSTANCE Instance1, PFLT_INSTANCE Instance2)
{
        fm_check_irql(__func__, DISPATCH_LEVEL);
        return fm_altitude_compare(Instance1->altitude, Instance2->altitude);
}

PFLT_VOLUME fm_volume_of(PVOID object)
{
        switch (kind_of(object)) {
        case FM_FLT_VOLUME:
                return object;
        case FM_FLT_INSTANCE:
                return ((PFLT_INSTANCE)object)->volume;
        default:
                return NULL;
        }
}
