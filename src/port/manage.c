/* SPDX-License-Identifier: MIT */
/*
 * Management requests: what fltmc and the Filter* functions beside the ports ask for. Everything is answered
 * with the documented Flt functions; an entry is what they fill in, so its layout is theirs. Mounting and unmounting,
 * which are no business of theirs, are handed on to whoever runs this filter manager.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fltmgr/loader.h"
#include "fltmgr/manager.h"
#include "nt/log.h"
#include "nt/status.h"
#include "nt/unicode.h"
#include "port/server.h"
#include "port/session.h"

#define ENTRY_MAX 16384

struct request {
        const struct fm_frame *frame;
        UNICODE_STRING filter, volume, instance, altitude;
};

struct answer {
        struct fm_frame *frame;
        uint8_t *entries; /* FM_INLINE_MAX */
        size_t used;
};

static bool is_change(uint32_t op)
{
        return op == FM_MANAGE_LOAD || op == FM_MANAGE_UNLOAD || op == FM_MANAGE_ATTACH ||
               op == FM_MANAGE_DETACH;
}

static bool may_change(const struct fm_session *session)
{
        return session->credentials.uid == 0 || session->credentials.uid == geteuid();
}

/* The frame's bytes may lie at an odd address. */
static UNICODE_STRING string_copy(struct fm_bytes bytes)
{
        return (UNICODE_STRING){
                .Buffer = g_memdup2(bytes.data, bytes.length),
                .Length = bytes.length,
                .MaximumLength = bytes.length,
        };
}

static PUNICODE_STRING or_null(PUNICODE_STRING string)
{
        return string->Length ? string : NULL;
}

static char *string_utf8(PCUNICODE_STRING string)
{
        return fm_utf8_from_utf16(string->Buffer, string->Length / sizeof(WCHAR));
}

/* false: no room; the client asks again from here on. */
static bool entry_add(struct answer *answer, const void *data, ULONG length)
{
        if (fm_entry_add(answer->entries, FM_INLINE_MAX, &answer->used, data, length) < 0) {
                answer->frame->managed.more = 1;
                return false;
        }
        answer->frame->managed.count++;
        return true;
}

static bool volume_is_called(PFLT_VOLUME volume, PCUNICODE_STRING name, const char *path)
{
        return RtlEqualUnicodeString(&volume->Name, name, TRUE) ||
               RtlEqualUnicodeString(&volume->GuidName, name, TRUE) ||
               RtlEqualUnicodeString(&volume->DosName, name, TRUE) ||
               (volume->mount_point && path && strcmp(volume->mount_point, path) == 0);
}

/* By any of its names, with or without a final backslash, or by its mount point. Memory reference. */
static PFLT_VOLUME volume_find(PCUNICODE_STRING name)
{
        UNICODE_STRING trimmed = *name;
        PFLT_VOLUME found = NULL;
        char *path = string_utf8(name);

        if (trimmed.Length > sizeof(WCHAR) && trimmed.Buffer[trimmed.Length / sizeof(WCHAR) - 1] == '\\')
                trimmed.Length -= sizeof(WCHAR);
        pthread_mutex_lock(&fm_manager.lock);
        for (unsigned i = 0; i < fm_manager.volumes->len && !found; i++) {
                PFLT_VOLUME volume = fm_manager.volumes->pdata[i];

                if (trimmed.Length && volume_is_called(volume, &trimmed, path)) {
                        found = volume;
                        fm_flt_object_ref(found);
                }
        }
        pthread_mutex_unlock(&fm_manager.lock);
        free(path);
        return found;
}

static NTSTATUS list_filters(const struct request *request, struct answer *answer, void *buffer)
{
        ULONG count = 0, length;
        g_autofree PFLT_FILTER *filters = NULL;
        NTSTATUS status;

        if (request->frame->manage.class > FilterAggregateStandardInformation)
                return STATUS_INVALID_PARAMETER;
        do {
                filters = g_renew(PFLT_FILTER, filters, count + 1);
                status = FltEnumerateFilters(filters, count, &count);
        } while (status == STATUS_BUFFER_TOO_SMALL);
        if (!NT_SUCCESS(status))
                return status;

        for (ULONG i = 0; i < count; i++) {
                if (i >= request->frame->manage.first && !answer->frame->managed.more) {
                        status = FltGetFilterInformation(filters[i], request->frame->manage.class, buffer,
                                                         ENTRY_MAX, &length);
                        if (NT_SUCCESS(status))
                                entry_add(answer, buffer, length);
                }
                FltObjectDereference(filters[i]);
        }
        return STATUS_SUCCESS;
}

static NTSTATUS list_volumes(const struct request *request, struct answer *answer, void *buffer)
{
        g_autoptr(GPtrArray) volumes = g_ptr_array_new_with_free_func(fm_flt_object_unref);
        ULONG length;

        if (request->frame->manage.class > FilterVolumeStandardInformation)
                return STATUS_INVALID_PARAMETER;
        pthread_mutex_lock(&fm_manager.lock);
        for (unsigned i = request->frame->manage.first; i < fm_manager.volumes->len; i++) {
                fm_flt_object_ref(fm_manager.volumes->pdata[i]);
                g_ptr_array_add(volumes, fm_manager.volumes->pdata[i]);
        }
        pthread_mutex_unlock(&fm_manager.lock);
        for (unsigned i = 0; i < volumes->len; i++)
                if (NT_SUCCESS(FltGetVolumeInformation(volumes->pdata[i], request->frame->manage.class,
                                                       buffer, ENTRY_MAX, &length)) &&
                    !entry_add(answer, buffer, length))
                        break;
        return STATUS_SUCCESS;
}

static NTSTATUS list_instances(const struct request *request, struct answer *answer, void *buffer,
                               PFLT_FILTER filter, PFLT_VOLUME volume)
{
        for (ULONG i = request->frame->manage.first;; i++) {
                ULONG class = request->frame->manage.class, length;
                NTSTATUS status;

                status = filter ? FltEnumerateInstanceInformationByFilter(filter, i, class, buffer, ENTRY_MAX,
                                                                          &length)
                                : FltEnumerateInstanceInformationByVolume(volume, i, class, buffer, ENTRY_MAX,
                                                                          &length);
                if (status == STATUS_NO_MORE_ENTRIES)
                        return STATUS_SUCCESS;
                if (!NT_SUCCESS(status))
                        return status;
                if (!entry_add(answer, buffer, length))
                        return STATUS_SUCCESS;
        }
}

static NTSTATUS instance_information(const struct request *request, struct answer *answer, void *buffer,
                                     PFLT_FILTER filter, PFLT_VOLUME volume)
{
        PUNICODE_STRING name = or_null((PUNICODE_STRING)&request->instance);
        PFLT_INSTANCE instance;
        NTSTATUS status;
        ULONG length;

        status = FltGetVolumeInstanceFromName(filter, volume, name, &instance);
        if (!NT_SUCCESS(status))
                return status;
        status =
                FltGetInstanceInformation(instance, request->frame->manage.class, buffer, ENTRY_MAX, &length);
        FltObjectDereference(instance);
        if (NT_SUCCESS(status))
                entry_add(answer, buffer, length);
        return status;
}

static NTSTATUS attach(struct request *request, struct answer *answer, PFLT_FILTER filter, PFLT_VOLUME volume)
{
        PFLT_INSTANCE instance = NULL;
        NTSTATUS status;

        if (request->altitude.Length)
                status = FltAttachVolumeAtAltitude(filter, volume, &request->altitude,
                                                   or_null(&request->instance), &instance);
        else
                status = FltAttachVolume(filter, volume, or_null(&request->instance), &instance);
        if (NT_SUCCESS(status) && instance) {
                entry_add(answer, instance->Name.Buffer, instance->Name.Length);
                FltObjectDereference(instance);
        }
        return status;
}

static NTSTATUS load(const struct request *request)
{
        char *spec = string_utf8(&request->filter), *error = NULL;
        NTSTATUS status = fm_filter_load(spec, NULL, &error);

        if (!NT_SUCCESS(status))
                fm_log(FM_LOG_ERROR, "port", "loading %s was asked for and failed: %s", spec,
                       error ? error : "no reason given");
        free(error);
        free(spec);
        return status;
}

static NTSTATUS unload(const struct request *request)
{
        char *name = string_utf8(&request->filter);
        NTSTATUS status = fm_filter_unload(name, false);

        free(name);
        return status;
}

/* What concerns a filter, a volume, or both, as far as they are named. */
static NTSTATUS with_objects(struct request *request, struct answer *answer, void *buffer)
{
        uint32_t op = request->frame->manage.op;
        bool wants_filter = op != FM_MANAGE_LIST_VOLUME_INSTANCES && op != FM_MANAGE_DOS_NAME;
        bool wants_volume = op != FM_MANAGE_LIST_INSTANCES && op != FM_MANAGE_FILTER_INFORMATION;
        PFLT_FILTER filter = NULL;
        PFLT_VOLUME volume = NULL;
        NTSTATUS status = STATUS_SUCCESS;
        ULONG length;

        if (wants_filter)
                status = FltGetFilterFromName(&request->filter, &filter);
        if (NT_SUCCESS(status) && wants_volume) {
                volume = volume_find(&request->volume);
                if (!volume)
                        status = STATUS_FLT_VOLUME_NOT_FOUND;
        }
        if (NT_SUCCESS(status)) {
                switch (op) {
                case FM_MANAGE_LIST_INSTANCES:
                case FM_MANAGE_LIST_VOLUME_INSTANCES:
                        status = list_instances(request, answer, buffer, filter, volume);
                        break;
                case FM_MANAGE_FILTER_INFORMATION:
                        status = FltGetFilterInformation(filter, request->frame->manage.class, buffer,
                                                         ENTRY_MAX, &length);
                        if (NT_SUCCESS(status))
                                entry_add(answer, buffer, length);
                        break;
                case FM_MANAGE_INSTANCE_INFORMATION:
                        status = instance_information(request, answer, buffer, filter, volume);
                        break;
                case FM_MANAGE_DOS_NAME:
                        entry_add(answer, volume->DosName.Buffer, volume->DosName.Length);
                        break;
                case FM_MANAGE_ATTACH:
                        status = attach(request, answer, filter, volume);
                        break;
                case FM_MANAGE_DETACH:
                        status = FltDetachVolume(filter, volume, or_null(&request->instance));
                        break;
                default:
                        status = STATUS_INVALID_DEVICE_REQUEST;
                }
        }
        if (filter)
                FltObjectDereference(filter);
        fm_flt_object_unref(volume);
        return status;
}

void fm_manage(const struct fm_session *session, const struct fm_frame *frame, struct fm_frame *reply,
               uint8_t *entries)
{
        struct request request = {
                .frame = frame,
                .filter = string_copy(frame->manage.filter),
                .volume = string_copy(frame->manage.volume),
                .instance = string_copy(frame->manage.instance),
                .altitude = string_copy(frame->manage.altitude),
        };
        struct answer answer = { .frame = reply, .entries = entries };
        g_autofree void *buffer = g_malloc0(ENTRY_MAX);
        NTSTATUS status;

        if (is_change(frame->manage.op) && !may_change(session))
                status = STATUS_PRIVILEGE_NOT_HELD;
        else if (frame->manage.op == FM_MANAGE_LIST_FILTERS)
                status = list_filters(&request, &answer, buffer);
        else if (frame->manage.op == FM_MANAGE_LIST_VOLUMES)
                status = list_volumes(&request, &answer, buffer);
        else if (frame->manage.op == FM_MANAGE_LOAD)
                status = load(&request);
        else if (frame->manage.op == FM_MANAGE_UNLOAD)
                status = unload(&request);
        else
                status = with_objects(&request, &answer, buffer);

        reply->managed.status = status;
        reply->managed.entries = (struct fm_bytes){ .data = entries, .length = answer.used };
        g_free(request.filter.Buffer);
        g_free(request.volume.Buffer);
        g_free(request.instance.Buffer);
        g_free(request.altitude.Buffer);
}

static const struct fm_port_volume_ops *volume_ops;
static void *volume_data;

void fm_port_server_set_volume_ops(const struct fm_port_volume_ops *ops, void *data)
{
        volume_ops = ops;
        volume_data = data;
}

static NTSTATUS status_of_volume(int r)
{
        switch (r) {
        case 0:
                return STATUS_SUCCESS;
        case -ENOENT:
                return STATUS_FLT_VOLUME_NOT_FOUND;
        case -ESHUTDOWN:
                return STATUS_SHUTDOWN_IN_PROGRESS;
        default:
                return fm_status_from_errno(-r);
        }
}

void fm_manage_volume(const struct fm_session *session, const struct fm_frame *frame, struct fm_frame *reply,
                      uint8_t *entries)
{
        g_autofree char *source = g_strndup((const char *)frame->volume.source.data, frame->volume.source.length);
        g_autofree char *mount_point =
                g_strndup((const char *)frame->volume.mount_point.data, frame->volume.mount_point.length);
        g_autofree char *options = g_strndup((const char *)frame->volume.options.data, frame->volume.options.length);
        const struct fm_port_volume volume = {
                .source = source,
                .mount_point = mount_point,
                .options = options,
                .flags = frame->volume.flags,
                .sector_size = frame->volume.sector_size,
                .attr_timeout_ms = frame->volume.attr_timeout_ms,
                .entry_timeout_ms = frame->volume.entry_timeout_ms,
        };
        struct answer answer = { .frame = reply, .entries = entries };
        bool mounts = frame->volume.op == FM_VOLUME_MOUNT, ends = false;
        char *error = NULL;
        int r;

        if (!may_change(session)) {
                reply->managed.status = STATUS_PRIVILEGE_NOT_HELD;
        } else if (!volume_ops) {
                reply->managed.status = STATUS_NOT_SUPPORTED;
        } else if ((!mounts && frame->volume.op != FM_VOLUME_UNMOUNT) || *mount_point != '/' ||
                   (mounts && *source != '/')) {
                reply->managed.status = STATUS_INVALID_PARAMETER;
        } else {
                r = mounts ? volume_ops->mount(volume_data, &volume, &error)
                           : volume_ops->unmount(volume_data, &volume, &ends, &error);
                reply->managed.status = status_of_volume(r);
                if (error)
                        entry_add(&answer, error, (ULONG)MIN(strlen(error), (size_t)ENTRY_MAX));
                else if (ends)
                        entry_add(&answer, "", 0);
        }
        free(error);
        reply->managed.entries = (struct fm_bytes){ .data = entries, .length = answer.used };
}
