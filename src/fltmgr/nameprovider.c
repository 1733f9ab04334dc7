/* SPDX-License-Identifier: MIT */
/*
 * Name providers: filters that show those above them other names than the file system has.
 *
 * Who asks for a name gets it from the nearest provider below him, which asks for its own part from the next one below
 * itself, and so on to the file system. While its callback runs the provider is the operation's TargetInstance, so
 * that what it asks goes below it. What it says may be kept, when it says so, in the file object it was asked about:
 * as a copy, since each name that is handed out counts for the filter that has it.
 */
#include <string.h>

#include "fltmgr/altitude.h"
#include "fltmgr/check.h"
#include "fltmgr/manager.h"
#include "fltmgr/name.h"

/* Room for one component that a provider expands. */
#define COMPONENT_BYTES 4096

/* Providers whose callback runs on this thread. */
struct generating {
        PFLT_INSTANCE provider;
        struct generating *outer;
};

static __thread struct generating *generating;

/* A name that a provider allowed to be kept. In a file object's list, guarded by its names_lock. */
struct fm_name_kept {
        struct fm_name_kept *next;
        PFLT_INSTANCE provider; /* memory reference */
        FLT_FILE_NAME_OPTIONS format;
        uint32_t generation;
        UNICODE_STRING name; /* Buffer: behind this */
};

/* ---- who provides ---- */

static bool is_generating(PFLT_INSTANCE instance)
{
        const struct generating *one = generating;

        while (one && one->provider != instance)
                one = one->outer;
        return one != NULL;
}

/* True: the instance is one that `query` asks, by its place. */
static bool is_asked(PFLT_INSTANCE instance, const struct fm_name_query *query)
{
        if (!query->from)
                return true;
        if (instance != query->from)
                return fm_altitude_compare(instance->altitude, query->from->altitude) < 0;
        if (!(query->options & FLT_FILE_NAME_REQUEST_FROM_CURRENT_PROVIDER))
                return false;
        if (!is_generating(instance))
                return true;
        fm_log(FM_LOG_WARNING, instance->filter->name,
               "GenerateFileNameCallback asks itself for the name that it is asked for: on Windows without end");
        return false;
}

static PFLT_INSTANCE find_provider(const struct fm_stack *stack, const struct fm_name_query *query)
{
        for (guint i = 0; i < stack->instances->len; i++) {
                PFLT_INSTANCE instance = g_ptr_array_index(stack->instances, i);

                if (instance->filter->registration.GenerateFileNameCallback && is_asked(instance, query) &&
                    fm_flt_object_enter(instance))
                        return instance;
        }
        return NULL;
}

PFLT_INSTANCE fm_name_provider_enter(const struct fm_name_query *query)
{
        struct fm_stack *stack = query->data ? fm_operation_from_data(query->data)->stack : NULL;
        PFLT_INSTANCE provider;

        if (stack)
                return find_provider(stack, query);
        stack = fm_volume_stack_ref(fm_file_object(query->file)->volume);
        provider = find_provider(stack, query);
        fm_stack_unref(stack);
        return provider;
}

/* ---- what was said before ---- */

static bool is_kept_for(const struct fm_name_kept *kept, PFLT_INSTANCE provider, FLT_FILE_NAME_OPTIONS format)
{
        return kept->provider == provider && kept->format == format && kept->generation == fm_names_generation();
}

static void kept_free(struct fm_name_kept *kept)
{
        fm_flt_object_unref(kept->provider);
        g_free(kept);
}

bool fm_name_kept_get(PFLT_INSTANCE provider, PFILE_OBJECT file, FLT_FILE_NAME_OPTIONS format,
                      struct fm_name_path *name)
{
        struct fm_file_object *fo = fm_file_object(file);
        const struct fm_name_kept *kept;

        pthread_mutex_lock(&fo->names_lock);
        for (kept = fo->names_kept; kept && !is_kept_for(kept, provider, format); kept = kept->next)
                ;
        if (kept)
                fm_name_path_append(name, kept->name.Buffer, kept->name.Length / sizeof(WCHAR));
        pthread_mutex_unlock(&fo->names_lock);
        return kept != NULL;
}

static void keep(PFLT_INSTANCE provider, PFILE_OBJECT file, FLT_FILE_NAME_OPTIONS format, PCUNICODE_STRING name)
{
        struct fm_file_object *fo = fm_file_object(file);
        struct fm_name_kept *kept = g_malloc0(sizeof(*kept) + name->Length);

        *kept = (struct fm_name_kept){
                .provider = provider,
                .format = format,
                .generation = fm_names_generation(),
                .name = {name->Length, name->Length, (PWCH)(kept + 1)},
        };
        fm_flt_object_ref(provider);
        memcpy(kept->name.Buffer, name->Buffer, name->Length);

        pthread_mutex_lock(&fo->names_lock);
        for (struct fm_name_kept **place = &fo->names_kept; *place;) {
                struct fm_name_kept *old = *place;

                if (old->provider != provider || old->format != format) {
                        place = &old->next;
                        continue;
                }
                *place = old->next;
                kept_free(old);
        }
        kept->next = fo->names_kept;
        fo->names_kept = kept;
        pthread_mutex_unlock(&fo->names_lock);
}

void fm_name_kept_forget(PFILE_OBJECT file)
{
        struct fm_file_object *fo = fm_file_object(file);
        struct fm_name_kept *kept, *next;

        pthread_mutex_lock(&fo->names_lock);
        kept = fo->names_kept;
        fo->names_kept = NULL;
        pthread_mutex_unlock(&fo->names_lock);
        for (; kept; kept = next) {
                next = kept->next;
                kept_free(kept);
        }
}

/* ---- asking ---- */

static NTSTATUS call_generate(PFLT_INSTANCE provider, const struct fm_name_query *query, FLT_FILE_NAME_OPTIONS format,
                              PBOOLEAN may_keep, PFLT_NAME_CONTROL control)
{
        FLT_FILE_NAME_OPTIONS options = (query->options & ~(ULONG)FLT_VALID_FILE_NAME_FORMATS) | format;
        struct fm_thread *self = fm_thread_self();
        struct generating one = {provider, generating};
        PFLT_IO_PARAMETER_BLOCK iopb = query->data ? query->data->Iopb : NULL;
        PFLT_INSTANCE asking = iopb ? iopb->TargetInstance : NULL;
        struct fm_callback_scope scope;
        NTSTATUS status;

        *may_keep = FALSE;
        control->Name.Length = 0;
        if (iopb)
                iopb->TargetInstance = provider;
        generating = &one;
        fm_callback_enter(&scope, provider->filter, "GenerateFileNameCallback", self->thread, self->cancel);
        status = provider->filter->registration.GenerateFileNameCallback(provider, query->file, query->data, options,
                                                                         may_keep, control);
        fm_callback_leave(&scope);
        generating = one.outer;
        if (iopb)
                iopb->TargetInstance = asking;
        return status;
}

static NTSTATUS call_normalize(PFLT_INSTANCE provider, PFILE_OBJECT file, PCUNICODE_STRING parent,
                               USHORT volume_length, PCUNICODE_STRING component, PFILE_NAMES_INFORMATION expanded,
                               FLT_NORMALIZE_NAME_FLAGS flags, PVOID *context)
{
        const FLT_REGISTRATION *registration = &provider->filter->registration;
        struct fm_thread *self = fm_thread_self();
        struct fm_callback_scope scope;
        NTSTATUS status;

        fm_callback_enter(&scope, provider->filter, "NormalizeNameComponentCallback", self->thread, self->cancel);
        if (registration->NormalizeNameComponentExCallback)
                status = registration->NormalizeNameComponentExCallback(provider, file, parent, volume_length,
                                                                        component, expanded, COMPONENT_BYTES, flags,
                                                                        context);
        else
                status = registration->NormalizeNameComponentCallback(provider, parent, volume_length, component,
                                                                      expanded, COMPONENT_BYTES, flags, context);
        fm_callback_leave(&scope);
        return status;
}

static void call_context_cleanup(PFLT_INSTANCE provider, PVOID *context)
{
        struct fm_thread *self = fm_thread_self();
        struct fm_callback_scope scope;

        if (!*context || !provider->filter->registration.NormalizeContextCleanupCallback)
                return;
        fm_callback_enter(&scope, provider->filter, "NormalizeContextCleanupCallback", self->thread, self->cancel);
        provider->filter->registration.NormalizeContextCleanupCallback(context);
        fm_callback_leave(&scope);
}

/* One component of `from` to the end of `to`: as the provider has it, or as it is if it does not exist. */
static NTSTATUS normalize_component(PFLT_INSTANCE provider, PFILE_OBJECT file, struct fm_name_path *to,
                                    USHORT volume_length, UNICODE_STRING component, FLT_NORMALIZE_NAME_FLAGS flags,
                                    PVOID *context)
{
        g_autofree FILE_NAMES_INFORMATION *expanded = g_malloc0(COMPONENT_BYTES);
        UNICODE_STRING parent = {(USHORT)(to->count * sizeof(WCHAR)), (USHORT)(to->count * sizeof(WCHAR)), to->chars};
        NTSTATUS status;

        /* The root's name is its backslash; all others have none at their end. */
        if (parent.Length > volume_length + sizeof(WCHAR))
                parent.Length -= sizeof(WCHAR);
        if (to->count > UNICODE_STRING_MAX_CHARS)
                return STATUS_NAME_TOO_LONG;
        status = call_normalize(provider, file, &parent, volume_length, &component, expanded, flags, context);
        if (status == STATUS_NO_SUCH_FILE) {
                fm_name_path_append(to, component.Buffer, component.Length / sizeof(WCHAR));
                return STATUS_SUCCESS;
        }
        if (!NT_SUCCESS(status))
                return status;
        if (expanded->FileNameLength > COMPONENT_BYTES - FIELD_OFFSET(FILE_NAMES_INFORMATION, FileName))
                return STATUS_OBJECT_NAME_INVALID;
        fm_name_path_append(to, expanded->FileName, expanded->FileNameLength / sizeof(WCHAR));
        return STATUS_SUCCESS;
}

NTSTATUS fm_name_normalize(PFLT_INSTANCE provider, PFILE_OBJECT file, struct fm_name_path *name,
                           FLT_NORMALIZE_NAME_FLAGS flags)
{
        const FLT_REGISTRATION *registration = &provider->filter->registration;
        USHORT volume_length = provider->volume->Name.Length;
        size_t at = volume_length / sizeof(WCHAR), end;
        struct fm_name_path to = {0};
        NTSTATUS status = STATUS_SUCCESS;
        PVOID context = NULL;

        if (!registration->NormalizeNameComponentExCallback && !registration->NormalizeNameComponentCallback)
                return STATUS_SUCCESS;
        /* Here all files are opened case-sensitive. */
        flags |= FLTFL_NORMALIZE_NAME_CASE_SENSITIVE;
        fm_name_path_append(&to, name->chars, at);
        while (NT_SUCCESS(status) && at < name->count) {
                UNICODE_STRING component;

                if (name->chars[at] == L'\\' || name->chars[at] == L':') {
                        /* A stream's name is nobody's component. */
                        end = name->chars[at] == L':' ? name->count : at + 1;
                        fm_name_path_append(&to, name->chars + at, end - at);
                        at = end;
                        continue;
                }
                for (end = at; end < name->count && name->chars[end] != L'\\' && name->chars[end] != L':'; end++)
                        ;
                component = (UNICODE_STRING){(USHORT)((end - at) * sizeof(WCHAR)),
                                             (USHORT)((end - at) * sizeof(WCHAR)), name->chars + at};
                status = normalize_component(provider, file, &to, volume_length, component, flags, &context);
                at = end;
        }
        call_context_cleanup(provider, &context);
        if (NT_SUCCESS(status)) {
                fm_name_path_clear(name);
                *name = to;
        } else {
                fm_name_path_clear(&to);
        }
        return status;
}

/* A whole name begins with the volume's. */
static bool is_whole(PCUNICODE_STRING name, PFLT_VOLUME volume)
{
        return RtlPrefixUnicodeString(&volume->Name, name, TRUE) &&
               (name->Length == volume->Name.Length || name->Buffer[volume->Name.Length / sizeof(WCHAR)] == L'\\');
}

NTSTATUS fm_name_provided(PFLT_INSTANCE provider, const struct fm_name_query *query, bool may_keep,
                          struct fm_name_path *name)
{
        FLT_FILE_NAME_OPTIONS format = query->options & FLT_VALID_FILE_NAME_FORMATS;
        FLT_NAME_CONTROL control = {0};
        BOOLEAN provider_keeps;
        bool opened = false;
        NTSTATUS status;

        status = call_generate(provider, query, format, &provider_keeps, &control);
        if (!NT_SUCCESS(status) && format == FLT_FILE_NAME_NORMALIZED) {
                status = call_generate(provider, query, FLT_FILE_NAME_OPENED, &provider_keeps, &control);
                opened = true;
        }
        if (NT_SUCCESS(status) && format != FLT_FILE_NAME_SHORT && !is_whole(&control.Name, provider->volume))
                status = STATUS_OBJECT_NAME_INVALID;
        if (NT_SUCCESS(status)) {
                fm_name_path_append(name, control.Name.Buffer, control.Name.Length / sizeof(WCHAR));
                if (opened)
                        status = fm_name_normalize(provider, query->file, name, 0);
        }
        if (control.Name.Buffer)
                ExFreePool(control.Name.Buffer);
        if (NT_SUCCESS(status) && provider_keeps && may_keep && name->count <= UNICODE_STRING_MAX_CHARS) {
                UNICODE_STRING whole = {(USHORT)(name->count * sizeof(WCHAR)), (USHORT)(name->count * sizeof(WCHAR)),
                                        name->chars};

                keep(provider, query->file, format, &whole);
        }
        return status;
}
