/* SPDX-License-Identifier: MIT */
/* See objects-harness.h. */
#include "objects-harness.h"

#include <stdlib.h>
#include <string.h>

#include "fltmgr/loader.h"
#include "nt/registry.h"
#include "nt/unicode.h"

#define WAIT_SECONDS 20

PFLT_FILTER objects_filter;
PFLT_INSTANCE objects_instance;
PFLT_VOLUME objects_volume;

static struct {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        UCHAR major;
        objects_fn *pre, *post;
        unsigned seen;
        unsigned cleaned[8]; /* by the type's bit */
        unsigned conflicts;
        PFLT_CONTEXT conflict_context;
        UCHAR conflict_major;
} state = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static FLT_PREOP_CALLBACK_STATUS FLTAPI pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        objects_fn *call = NULL;

        pthread_mutex_lock(&state.lock);
        if (data->Iopb->MajorFunction == state.major) {
                state.seen++;
                call = state.pre;
        }
        pthread_mutex_unlock(&state.lock);
        if (call)
                call(data, objects);
        return FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

static FLT_POSTOP_CALLBACK_STATUS FLTAPI post(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID context,
                                              FLT_POST_OPERATION_FLAGS flags)
{
        objects_fn *call = NULL;

        if (flags & FLTFL_POST_OPERATION_DRAINING)
                return FLT_POSTOP_FINISHED_PROCESSING;
        pthread_mutex_lock(&state.lock);
        if (data->Iopb->MajorFunction == state.major)
                call = state.post;
        pthread_mutex_unlock(&state.lock);
        if (call)
                call(data, objects);
        return FLT_POSTOP_FINISHED_PROCESSING;
}

static VOID FLTAPI cleanup(PFLT_CONTEXT context, FLT_CONTEXT_TYPE type)
{
        pthread_mutex_lock(&state.lock);
        state.cleaned[__builtin_ctz(type)]++;
        pthread_cond_broadcast(&state.changed);
        pthread_mutex_unlock(&state.lock);
}

static NTSTATUS FLTAPI conflict(PFLT_INSTANCE instance, PFLT_CONTEXT context, PFLT_CALLBACK_DATA data)
{
        g_assert_true(instance == objects_instance);
        pthread_mutex_lock(&state.lock);
        state.conflicts++;
        state.conflict_context = context;
        state.conflict_major = data->Iopb->MajorFunction;
        pthread_mutex_unlock(&state.lock);
        return STATUS_SUCCESS;
}

static NTSTATUS FLTAPI unload(FLT_FILTER_UNLOAD_FLAGS flags)
{
        FltUnregisterFilter(objects_filter);
        return STATUS_SUCCESS;
}

static NTSTATUS FLTAPI setup(PCFLT_RELATED_OBJECTS objects, FLT_INSTANCE_SETUP_FLAGS flags, DEVICE_TYPE device,
                             FLT_FILESYSTEM_TYPE type)
{
        objects_instance = objects->Instance;
        objects_volume = objects->Volume;
        return STATUS_SUCCESS;
}

static NTSTATUS FLTAPI query_teardown(PCFLT_RELATED_OBJECTS objects, FLT_INSTANCE_QUERY_TEARDOWN_FLAGS flags)
{
        return STATUS_SUCCESS;
}

static NTSTATUS entry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
        static const FLT_OPERATION_REGISTRATION operations[] = {
                {IRP_MJ_CREATE, 0, pre, post},          {IRP_MJ_CLOSE, 0, pre, post},
                {IRP_MJ_READ, 0, pre, post},            {IRP_MJ_WRITE, 0, pre, post},
                {IRP_MJ_CLEANUP, 0, pre, post},         {IRP_MJ_QUERY_INFORMATION, 0, pre, post},
                {IRP_MJ_SET_INFORMATION, 0, pre, post}, {IRP_MJ_LOCK_CONTROL, 0, pre, post},
                {IRP_MJ_FLUSH_BUFFERS, 0, pre, post},   {IRP_MJ_OPERATION_END},
        };
        static const FLT_CONTEXT_REGISTRATION contexts[] = {
                {FLT_VOLUME_CONTEXT, 0, cleanup, OBJECTS_CONTEXT_SIZE, 'tseT'},
                {FLT_INSTANCE_CONTEXT, 0, cleanup, OBJECTS_CONTEXT_SIZE, 'tseT'},
                {FLT_FILE_CONTEXT, 0, cleanup, OBJECTS_CONTEXT_SIZE, 'tseT'},
                {FLT_STREAM_CONTEXT, 0, cleanup, OBJECTS_CONTEXT_SIZE, 'tseT'},
                {FLT_STREAMHANDLE_CONTEXT, 0, cleanup, OBJECTS_CONTEXT_SIZE, 'tseT'},
                {FLT_SECTION_CONTEXT, 0, cleanup, OBJECTS_CONTEXT_SIZE, 'tseT'},
                {FLT_TRANSACTION_CONTEXT, 0, cleanup, OBJECTS_CONTEXT_SIZE, 'tseT'},
                {FLT_CONTEXT_END},
        };
        const FLT_REGISTRATION registration = {
                .Size = sizeof(registration),
                .Version = FLT_REGISTRATION_VERSION,
                .ContextRegistration = contexts,
                .OperationRegistration = operations,
                .FilterUnloadCallback = unload,
                .InstanceSetupCallback = setup,
                .InstanceQueryTeardownCallback = query_teardown,
                .SectionNotificationCallback = conflict,
        };
        NTSTATUS status = FltRegisterFilter(driver, &registration, &objects_filter);

        return NT_SUCCESS(status) ? FltStartFiltering(objects_filter) : status;
}

static void load(void)
{
        g_autofree char *error = NULL;

        memset(state.cleaned, 0, sizeof(state.cleaned));
        state.conflicts = 0;
        objects_on(0, NULL, NULL);
        fm_registry_set_string(FM_SERVICES_KEY "\\objects\\Instances", "DefaultInstance", "objects");
        fm_registry_set_string(FM_SERVICES_KEY "\\objects\\Instances\\objects", "Altitude", "388000");
        if (!NT_SUCCESS(fm_driver_start("objects", entry, &error)))
                g_error("%s", error);
        g_assert_nonnull(objects_instance);
}

void objects_set_up(void)
{
        irp_set_up();
        load();
}

void objects_set_up_with(const struct fm_session_options *options)
{
        irp_set_up_with(~UINT64_C(0), options);
        load();
}

void objects_tear_down(void)
{
        objects_on(0, NULL, NULL);
        irp_tear_down();
        fm_registry_delete_tree(FM_SERVICES_KEY "\\objects");
        objects_instance = NULL;
}

void objects_on(UCHAR major, objects_fn *pre_fn, objects_fn *post_fn)
{
        pthread_mutex_lock(&state.lock);
        state.major = pre_fn || post_fn ? major : IRP_MJ_OPERATION_END;
        state.pre = pre_fn;
        state.post = post_fn;
        state.seen = 0;
        pthread_mutex_unlock(&state.lock);
}

unsigned objects_seen(void)
{
        unsigned seen;

        pthread_mutex_lock(&state.lock);
        seen = state.seen;
        pthread_mutex_unlock(&state.lock);
        return seen;
}

unsigned objects_cleaned(FLT_CONTEXT_TYPE type)
{
        unsigned cleaned;

        pthread_mutex_lock(&state.lock);
        cleaned = state.cleaned[__builtin_ctz(type)];
        pthread_mutex_unlock(&state.lock);
        return cleaned;
}

void objects_expect_cleaned_at(const char *file, int line, FLT_CONTEXT_TYPE type, unsigned expected)
{
        struct timespec until;
        unsigned got;

        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += WAIT_SECONDS;
        pthread_mutex_lock(&state.lock);
        while (state.cleaned[__builtin_ctz(type)] < expected &&
               pthread_cond_timedwait(&state.changed, &state.lock, &until) == 0)
                ;
        got = state.cleaned[__builtin_ctz(type)];
        pthread_mutex_unlock(&state.lock);
        if (got != expected)
                g_error("%s:%d: %u contexts of type %x were cleaned up, not %u", file, line, got, type, expected);
}

unsigned objects_conflicts(PFLT_CONTEXT *context, UCHAR *major)
{
        unsigned conflicts;

        pthread_mutex_lock(&state.lock);
        conflicts = state.conflicts;
        if (context)
                *context = state.conflict_context;
        if (major)
                *major = state.conflict_major;
        pthread_mutex_unlock(&state.lock);
        return conflicts;
}

void objects_touch(const char *name, const char *content)
{
        g_autofree char *path = irp_in_source(name);

        g_assert_true(g_file_set_contents(path, content, -1, NULL));
}

char *objects_content(const char *name)
{
        g_autofree char *path = irp_in_source(name);
        char *content = NULL;

        g_assert_true(g_file_get_contents(path, &content, NULL, NULL));
        return content;
}

UNICODE_STRING objects_string(const char *text)
{
        size_t chars;
        WCHAR *buffer = fm_utf16_from_utf8(text, &chars);
        UNICODE_STRING string = {(USHORT)(chars * sizeof(WCHAR)), (USHORT)(chars * sizeof(WCHAR)),
                                 g_memdup2(buffer, (chars + 1) * sizeof(WCHAR))};

        free(buffer);
        return string;
}

char *objects_text(PCUNICODE_STRING string)
{
        char *utf8 = fm_utf8_from_utf16(string->Buffer, string->Length / sizeof(WCHAR)), *copy = g_strdup(utf8);

        free(utf8);
        return copy;
}

char *objects_name_text(NTSTATUS status, PFLT_FILE_NAME_INFORMATION name)
{
        UNICODE_STRING path;
        char *text;

        if (!NT_SUCCESS(status))
                return NULL;
        path = name->Name;
        path.Buffer += name->Volume.Length / sizeof(WCHAR);
        path.Length = (USHORT)(path.Length - name->Volume.Length);
        text = objects_text(&path);
        FltReleaseFileNameInformation(name);
        return text;
}

NTSTATUS objects_create(const char *path, ACCESS_MASK access, ULONG disposition, ULONG options, HANDLE *handle,
                        PFILE_OBJECT *file)
{
        g_autofree char *volume = objects_text(&objects_volume->Name);
        g_autofree char *full = g_strconcat(volume, path, NULL);
        UNICODE_STRING name = objects_string(full);
        OBJECT_ATTRIBUTES attributes;
        IO_STATUS_BLOCK iosb;
        NTSTATUS status;

        InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE, NULL, NULL);
        status = FltCreateFileEx(objects_filter, objects_instance, handle, file, access, &attributes, &iosb, NULL,
                                 FILE_ATTRIBUTE_NORMAL, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                                 disposition, options, NULL, 0, 0);
        g_free(name.Buffer);
        return status;
}

HANDLE objects_open(const char *path, PFILE_OBJECT *file)
{
        HANDLE handle;

        assert_status(objects_create(path, FILE_GENERIC_READ | FILE_GENERIC_WRITE | DELETE, FILE_OPEN_IF,
                                     FILE_SYNCHRONOUS_IO_NONALERT, &handle, file),
                      STATUS_SUCCESS);
        return handle;
}

void objects_close(HANDLE handle, PFILE_OBJECT file)
{
        if (file)
                ObDereferenceObject(file);
        assert_status(FltClose(handle), STATUS_SUCCESS);
}
