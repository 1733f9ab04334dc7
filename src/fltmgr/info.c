/* SPDX-License-Identifier: MIT */
/*
 * Information about filters, instances and volumes in the documented structures: what fltmc shows.
 *
 * Each answer is one structure with its strings behind it: NextEntryOffset is 0, offsets count from the structure's
 * start, lengths are bytes, nothing is NUL-terminated. All or nothing: what does not fit gives
 * STATUS_BUFFER_TOO_SMALL and the size.
 */
#include <string.h>

#include "fltmgr/check.h"
#include "fltmgr/lookup.h"

/* An answer being written; once it does not fit, only its size is still counted. */
struct answer {
        char *buffer;
        ULONG size; /* of the buffer */
        ULONG used; /* by what is written; may be more than size */
};

/* Zeroed room for the fixed part, or NULL. */
static void *answer_begin(struct answer *answer, ULONG fixed)
{
        answer->used = fixed;
        if (!answer->buffer || answer->size < fixed)
                return NULL;
        memset(answer->buffer, 0, fixed);
        return answer->buffer;
}

static void answer_append(struct answer *answer, PCUNICODE_STRING string, USHORT *length, USHORT *offset)
{
        ULONG place = answer->used;

        answer->used += string->Length;
        if (!answer->buffer || answer->used > answer->size)
                return;
        memcpy(answer->buffer + place, string->Buffer, string->Length);
        if (length)
                *length = string->Length;
        if (offset)
                *offset = (USHORT)place;
}

static NTSTATUS answer_end(const struct answer *answer, PULONG returned)
{
        *returned = answer->used;
        return answer->buffer && answer->used <= answer->size ? STATUS_SUCCESS : STATUS_BUFFER_TOO_SMALL;
}

/* Where a length and an offset go when there is no room for the structure. */
#define FIELD_OR_NULL(structure, field) ((structure) ? &(structure)->field : NULL)

/* ---- filters ---- */

struct filter_facts {
        ULONG instances;
        UNICODE_STRING altitude;
        WCHAR altitude_chars[256];
};

static void get_filter_facts(PFLT_FILTER filter, struct filter_facts *facts)
{
        size_t length = filter->altitude ? strlen(filter->altitude) : 0;

        if (length > G_N_ELEMENTS(facts->altitude_chars))
                length = G_N_ELEMENTS(facts->altitude_chars);
        for (size_t i = 0; i < length; i++)
                facts->altitude_chars[i] = (WCHAR)filter->altitude[i];
        facts->altitude = (UNICODE_STRING){(USHORT)(length * sizeof(WCHAR)), (USHORT)(length * sizeof(WCHAR)),
                                           facts->altitude_chars};
        facts->instances = 0;
        pthread_mutex_lock(&fm_manager.lock);
        for (guint i = 0; filter->instances && i < filter->instances->len; i++)
                if (((PFLT_INSTANCE)g_ptr_array_index(filter->instances, i))->state == FM_INSTANCE_ACTIVE)
                        facts->instances++;
        pthread_mutex_unlock(&fm_manager.lock);
}

static void filter_full(PFLT_FILTER filter, const struct filter_facts *facts, struct answer *answer)
{
        FILTER_FULL_INFORMATION *full = answer_begin(answer, FIELD_OFFSET(FILTER_FULL_INFORMATION, FilterNameBuffer));

        if (full)
                full->NumberOfInstances = facts->instances;
        answer_append(answer, &filter->Name, FIELD_OR_NULL(full, FilterNameLength), NULL);
}

static void filter_aggregate_basic(PFLT_FILTER filter, const struct filter_facts *facts, struct answer *answer)
{
        FILTER_AGGREGATE_BASIC_INFORMATION *basic = answer_begin(answer, sizeof(*basic));

        if (basic) {
                basic->Flags = FLTFL_AGGREGATE_INFO_IS_MINIFILTER;
                basic->Type.MiniFilter.NumberOfInstances = facts->instances;
        }
        answer_append(answer, &filter->Name, FIELD_OR_NULL(basic, Type.MiniFilter.FilterNameLength),
                      FIELD_OR_NULL(basic, Type.MiniFilter.FilterNameBufferOffset));
        answer_append(answer, &facts->altitude, FIELD_OR_NULL(basic, Type.MiniFilter.FilterAltitudeLength),
                      FIELD_OR_NULL(basic, Type.MiniFilter.FilterAltitudeBufferOffset));
}

static void filter_aggregate_standard(PFLT_FILTER filter, const struct filter_facts *facts, struct answer *answer)
{
        FILTER_AGGREGATE_STANDARD_INFORMATION *standard = answer_begin(answer, sizeof(*standard));

        if (standard) {
                standard->Flags = FLTFL_ASI_IS_MINIFILTER;
                standard->Type.MiniFilter.NumberOfInstances = facts->instances;
        }
        answer_append(answer, &filter->Name, FIELD_OR_NULL(standard, Type.MiniFilter.FilterNameLength),
                      FIELD_OR_NULL(standard, Type.MiniFilter.FilterNameBufferOffset));
        answer_append(answer, &facts->altitude, FIELD_OR_NULL(standard, Type.MiniFilter.FilterAltitudeLength),
                      FIELD_OR_NULL(standard, Type.MiniFilter.FilterAltitudeBufferOffset));
}

/*
 * About a filter. STATUS_SUCCESS; STATUS_BUFFER_TOO_SMALL, BytesReturned is what it takes; STATUS_INVALID_PARAMETER:
 * the class. IRQL <= APC_LEVEL.
 */
NTSTATUS FltGetFilterInformation(PFLT_FILTER Filter, FILTER_INFORMATION_CLASS InformationClass, PVOID Buffer,
                                 ULONG BufferSize, PULONG BytesReturned)
{
        struct answer answer = {Buffer, BufferSize, 0};
        struct filter_facts facts;

        fm_check_irql(__func__, APC_LEVEL);
        *BytesReturned = 0;
        get_filter_facts(Filter, &facts);
        switch (InformationClass) {
        case FilterFullInformation:
                filter_full(Filter, &facts, &answer);
                break;
        case FilterAggregateBasicInformation:
                filter_aggregate_basic(Filter, &facts, &answer);
                break;
        case FilterAggregateStandardInformation:
                filter_aggregate_standard(Filter, &facts, &answer);
                break;
        default:
                return STATUS_INVALID_PARAMETER;
        }
        return answer_end(&answer, BytesReturned);
}

/* A memory reference to the member at a place among those that can be seen, or NULL. */
static void *member_ref(GPtrArray *members, ULONG index, bool (*visible)(void *member))
{
        void *found = NULL;

        pthread_mutex_lock(&fm_manager.lock);
        for (guint i = 0; i < members->len && !found; i++) {
                void *member = g_ptr_array_index(members, i);

                if (visible && !visible(member))
                        continue;
                if (index-- == 0) {
                        fm_flt_object_ref(member);
                        found = member;
                }
        }
        pthread_mutex_unlock(&fm_manager.lock);
        return found;
}

static bool is_going_away(void *object)
{
        return fm_rundown_is_closed(&((struct fm_flt_object *)object)->rundown);
}

/*
 * About the filter at a place in the list, highest altitude first. STATUS_NO_MORE_ENTRIES: there is none;
 * STATUS_FLT_DELETING_OBJECT: it is being unloaded; else as FltGetFilterInformation. IRQL <= APC_LEVEL.
 */
NTSTATUS FltEnumerateFilterInformation(ULONG Index, FILTER_INFORMATION_CLASS InformationClass, PVOID Buffer,
                                       ULONG BufferSize, PULONG BytesReturned)
{
        PFLT_FILTER filter = member_ref(fm_manager.filters, Index, NULL);
        NTSTATUS status;

        fm_check_irql(__func__, APC_LEVEL);
        *BytesReturned = 0;
        if (!filter)
                return STATUS_NO_MORE_ENTRIES;
        status = is_going_away(filter)
                         ? STATUS_FLT_DELETING_OBJECT
                         : FltGetFilterInformation(filter, InformationClass, Buffer, BufferSize, BytesReturned);
        fm_flt_object_unref(filter);
        return status;
}

/* ---- instances ---- */

static void instance_basic(PFLT_INSTANCE instance, struct answer *answer)
{
        INSTANCE_BASIC_INFORMATION *basic = answer_begin(answer, sizeof(*basic));

        answer_append(answer, &instance->Name, FIELD_OR_NULL(basic, InstanceNameLength),
                      FIELD_OR_NULL(basic, InstanceNameBufferOffset));
}

static void instance_partial(PFLT_INSTANCE instance, struct answer *answer)
{
        INSTANCE_PARTIAL_INFORMATION *partial = answer_begin(answer, sizeof(*partial));

        answer_append(answer, &instance->Name, FIELD_OR_NULL(partial, InstanceNameLength),
                      FIELD_OR_NULL(partial, InstanceNameBufferOffset));
        answer_append(answer, &instance->Altitude, FIELD_OR_NULL(partial, AltitudeLength),
                      FIELD_OR_NULL(partial, AltitudeBufferOffset));
}

static void instance_full(PFLT_INSTANCE instance, struct answer *answer)
{
        INSTANCE_FULL_INFORMATION *full = answer_begin(answer, sizeof(*full));

        answer_append(answer, &instance->Name, FIELD_OR_NULL(full, InstanceNameLength),
                      FIELD_OR_NULL(full, InstanceNameBufferOffset));
        answer_append(answer, &instance->Altitude, FIELD_OR_NULL(full, AltitudeLength),
                      FIELD_OR_NULL(full, AltitudeBufferOffset));
        answer_append(answer, &instance->volume->Name, FIELD_OR_NULL(full, VolumeNameLength),
                      FIELD_OR_NULL(full, VolumeNameBufferOffset));
        answer_append(answer, &instance->filter->Name, FIELD_OR_NULL(full, FilterNameLength),
                      FIELD_OR_NULL(full, FilterNameBufferOffset));
}

static void instance_aggregate_standard(PFLT_INSTANCE instance, struct answer *answer)
{
        INSTANCE_AGGREGATE_STANDARD_INFORMATION *standard = answer_begin(answer, sizeof(*standard));

        if (standard) {
                standard->Flags = FLTFL_IASI_IS_MINIFILTER;
                standard->Type.MiniFilter.VolumeFileSystemType = FLT_FSTYPE_NTFS;
        }
        answer_append(answer, &instance->Name, FIELD_OR_NULL(standard, Type.MiniFilter.InstanceNameLength),
                      FIELD_OR_NULL(standard, Type.MiniFilter.InstanceNameBufferOffset));
        answer_append(answer, &instance->Altitude, FIELD_OR_NULL(standard, Type.MiniFilter.AltitudeLength),
                      FIELD_OR_NULL(standard, Type.MiniFilter.AltitudeBufferOffset));
        answer_append(answer, &instance->volume->Name, FIELD_OR_NULL(standard, Type.MiniFilter.VolumeNameLength),
                      FIELD_OR_NULL(standard, Type.MiniFilter.VolumeNameBufferOffset));
        answer_append(answer, &instance->filter->Name, FIELD_OR_NULL(standard, Type.MiniFilter.FilterNameLength),
                      FIELD_OR_NULL(standard, Type.MiniFilter.FilterNameBufferOffset));
}

/* About an instance. Statuses and IRQL as FltGetFilterInformation. */
NTSTATUS FltGetInstanceInformation(PFLT_INSTANCE Instance, INSTANCE_INFORMATION_CLASS InformationClass, PVOID Buffer,
                                   ULONG BufferSize, PULONG BytesReturned)
{
        struct answer answer = {Buffer, BufferSize, 0};

        fm_check_irql(__func__, APC_LEVEL);
        *BytesReturned = 0;
        switch (InformationClass) {
        case InstanceBasicInformation:
                instance_basic(Instance, &answer);
                break;
        case InstancePartialInformation:
                instance_partial(Instance, &answer);
                break;
        case InstanceFullInformation:
                instance_full(Instance, &answer);
                break;
        case InstanceAggregateStandardInformation:
                instance_aggregate_standard(Instance, &answer);
                break;
        default:
                return STATUS_INVALID_PARAMETER;
        }
        return answer_end(&answer, BytesReturned);
}

static bool instance_is_visible(void *member)
{
        return ((PFLT_INSTANCE)member)->state != FM_INSTANCE_SETUP;
}

static NTSTATUS enumerate_instance(GPtrArray *instances, ULONG index, INSTANCE_INFORMATION_CLASS class, PVOID buffer,
                                   ULONG size, PULONG returned)
{
        PFLT_INSTANCE instance = member_ref(instances, index, instance_is_visible);
        NTSTATUS status;

        *returned = 0;
        if (!instance)
                return STATUS_NO_MORE_ENTRIES;
        status = is_going_away(instance) ? STATUS_FLT_DELETING_OBJECT
                                         : FltGetInstanceInformation(instance, class, buffer, size, returned);
        fm_flt_object_unref(instance);
        return status;
}

/*
 * About a filter's instance at a place in its list. STATUS_NO_MORE_ENTRIES: there is none; STATUS_FLT_DELETING_OBJECT:
 * it goes away; else as FltGetInstanceInformation. IRQL <= APC_LEVEL.
 */
NTSTATUS FltEnumerateInstanceInformationByFilter(PFLT_FILTER Filter, ULONG Index,
                                                 INSTANCE_INFORMATION_CLASS InformationClass, PVOID Buffer,
                                                 ULONG BufferSize, PULONG BytesReturned)
{
        fm_check_irql(__func__, APC_LEVEL);
        return enumerate_instance(Filter->instances, Index, InformationClass, Buffer, BufferSize, BytesReturned);
}

/* About the instance at a place on a volume, highest first. Statuses and IRQL as the one by filter. */
NTSTATUS FltEnumerateInstanceInformationByVolume(PFLT_VOLUME Volume, ULONG Index,
                                                 INSTANCE_INFORMATION_CLASS InformationClass, PVOID Buffer,
                                                 ULONG BufferSize, PULONG BytesReturned)
{
        fm_check_irql(__func__, APC_LEVEL);
        return enumerate_instance(Volume->instances, Index, InformationClass, Buffer, BufferSize, BytesReturned);
}

/* The same by the volume's name. STATUS_OBJECT_NAME_NOT_FOUND: there is none; STATUS_INVALID_PARAMETER: no name. */
NTSTATUS FltEnumerateInstanceInformationByVolumeName(PUNICODE_STRING VolumeName, ULONG Index,
                                                     INSTANCE_INFORMATION_CLASS InformationClass, PVOID Buffer,
                                                     ULONG BufferSize, PULONG BytesReturned)
{
        PFLT_VOLUME volume;
        NTSTATUS status = FltGetVolumeFromName(NULL, VolumeName, &volume);

        *BytesReturned = 0;
        if (!NT_SUCCESS(status))
                return status == STATUS_FLT_VOLUME_NOT_FOUND ? STATUS_OBJECT_NAME_NOT_FOUND : status;
        status = enumerate_instance(volume->instances, Index, InformationClass, Buffer, BufferSize, BytesReturned);
        FltObjectDereference(volume);
        return status;
}

/* The same by the volume's device; STATUS_FLT_VOLUME_NOT_FOUND: it is no volume's. */
NTSTATUS FltEnumerateInstanceInformationByDeviceObject(PDEVICE_OBJECT DeviceObject, ULONG Index,
                                                       INSTANCE_INFORMATION_CLASS InformationClass, PVOID Buffer,
                                                       ULONG BufferSize, PULONG BytesReturned)
{
        PFLT_VOLUME volume = fm_volume_ref_by_device(DeviceObject);
        NTSTATUS status;

        fm_check_irql(__func__, APC_LEVEL);
        *BytesReturned = 0;
        if (!volume)
                return STATUS_FLT_VOLUME_NOT_FOUND;
        status = enumerate_instance(volume->instances, Index, InformationClass, Buffer, BufferSize, BytesReturned);
        fm_flt_object_unref(volume);
        return status;
}

/* ---- volumes ---- */

static void volume_basic(PFLT_VOLUME volume, struct answer *answer)
{
        FILTER_VOLUME_BASIC_INFORMATION *basic =
                answer_begin(answer, FIELD_OFFSET(FILTER_VOLUME_BASIC_INFORMATION, FilterVolumeName));

        answer_append(answer, &volume->Name, FIELD_OR_NULL(basic, FilterVolumeNameLength), NULL);
}

static void volume_standard(PFLT_VOLUME volume, struct answer *answer)
{
        FILTER_VOLUME_STANDARD_INFORMATION *standard =
                answer_begin(answer, FIELD_OFFSET(FILTER_VOLUME_STANDARD_INFORMATION, FilterVolumeName));

        if (standard)
                standard->FileSystemType = FLT_FSTYPE_NTFS;
        answer_append(answer, &volume->Name, FIELD_OR_NULL(standard, FilterVolumeNameLength), NULL);
}

/* About a volume. Statuses and IRQL as FltGetFilterInformation. */
NTSTATUS FltGetVolumeInformation(PFLT_VOLUME Volume, FILTER_VOLUME_INFORMATION_CLASS InformationClass, PVOID Buffer,
                                 ULONG BufferSize, PULONG BytesReturned)
{
        struct answer answer = {Buffer, BufferSize, 0};

        fm_check_irql(__func__, APC_LEVEL);
        *BytesReturned = 0;
        switch (InformationClass) {
        case FilterVolumeBasicInformation:
                volume_basic(Volume, &answer);
                break;
        case FilterVolumeStandardInformation:
                volume_standard(Volume, &answer);
                break;
        default:
                return STATUS_INVALID_PARAMETER;
        }
        return answer_end(&answer, BytesReturned);
}

/*
 * About the volume at a place in the list. STATUS_NO_MORE_ENTRIES: there is none; STATUS_FLT_DELETING_OBJECT: it
 * goes away; else as FltGetVolumeInformation. IRQL <= APC_LEVEL.
 */
NTSTATUS FltEnumerateVolumeInformation(PFLT_FILTER Filter, ULONG Index,
                                       FILTER_VOLUME_INFORMATION_CLASS InformationClass, PVOID Buffer, ULONG BufferSize,
                                       PULONG BytesReturned)
{
        PFLT_VOLUME volume = member_ref(fm_manager.volumes, Index, NULL);
        NTSTATUS status;

        fm_check_irql(__func__, APC_LEVEL);
        *BytesReturned = 0;
        if (!volume)
                return STATUS_NO_MORE_ENTRIES;
        status = is_going_away(volume)
                         ? STATUS_FLT_DELETING_OBJECT
                         : FltGetVolumeInformation(volume, InformationClass, Buffer, BufferSize, BytesReturned);
        fm_flt_object_unref(volume);
        return status;
}
