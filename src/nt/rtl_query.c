/* SPDX-License-Identifier: MIT */
/*
 * RtlQueryRegistryValues: many values by one table. An entry is answered through its routine, or, with
 * RTL_QUERY_REGISTRY_DIRECT, where EntryContext points. Strings that name environment variables are not expanded:
 * there is no environment.
 */
#include <fltKernel.h>
#include <stdlib.h>
#include <string.h>

#include "nt/crt.h"
#include "nt/regkey.h"
#include "nt/registry.h"
#include "nt/unicode.h"

struct query {
        const RTL_QUERY_REGISTRY_TABLE *entry;
        PVOID context;
};

static bool is_string(ULONG type)
{
        return type == REG_SZ || type == REG_EXPAND_SZ;
}

static NTSTATUS store_string(PUNICODE_STRING to, const void *data, ULONG size)
{
        const WCHAR *text = data;
        ULONG length = size / sizeof(WCHAR);

        if (length && !text[length - 1])
                length--;
        if ((length + 1) * sizeof(WCHAR) > UNICODE_STRING_MAX_BYTES)
                return STATUS_BUFFER_TOO_SMALL;
        if (!to->Buffer) {
                to->MaximumLength = (USHORT)((length + 1) * sizeof(WCHAR));
                to->Buffer = ExAllocatePoolWithTag(PagedPool, to->MaximumLength, 'qRtR');
                if (!to->Buffer)
                        return STATUS_NO_MEMORY;
        } else if (to->MaximumLength < (length + 1) * sizeof(WCHAR)) {
                return STATUS_BUFFER_TOO_SMALL;
        }
        memcpy(to->Buffer, text, length * sizeof(WCHAR));
        to->Buffer[length] = 0;
        to->Length = (USHORT)(length * sizeof(WCHAR));
        return STATUS_SUCCESS;
}

/* A buffer for what is neither a string nor small begins with its size, as a negative number, or as a positive one. */
static NTSTATUS store_data(LONG *to, ULONG type, const void *data, ULONG size)
{
        LONG room;

        if (size <= sizeof(LONG)) {
                memcpy(to, data, size);
                return STATUS_SUCCESS;
        }
        memcpy(&room, to, sizeof(room));
        if (room < 0) {
                if ((ULONG)-(LONGLONG)room < size)
                        return STATUS_BUFFER_TOO_SMALL;
                memcpy(to, data, size);
                return STATUS_SUCCESS;
        }
        if ((ULONG)room < size + 2 * sizeof(ULONG))
                return STATUS_BUFFER_TOO_SMALL;
        memcpy(to, &size, sizeof(size));
        memcpy(to + 1, &type, sizeof(type));
        memcpy(to + 2, data, size);
        return STATUS_SUCCESS;
}

static NTSTATUS call_routine(const struct query *query, PCWSTR name, ULONG type, const void *data, ULONG size)
{
        return query->entry->QueryRoutine((PWSTR)name, type, (PVOID)data, size, query->context,
                                          query->entry->EntryContext);
}

/* One call for each string, as REG_SZ. */
static NTSTATUS call_for_each(const struct query *query, PCWSTR name, const void *data, ULONG size)
{
        const WCHAR *text = data;
        ULONG count = size / sizeof(WCHAR);
        NTSTATUS status = STATUS_SUCCESS;

        for (ULONG at = 0, end; NT_SUCCESS(status) && at < count && text[at]; at = end + 1) {
                for (end = at; end < count && text[end]; end++)
                        ;
                if (end == count)
                        break; /* not terminated */
                status = call_routine(query, name, REG_SZ, text + at, (end + 1 - at) * (ULONG)sizeof(WCHAR));
        }
        return status;
}

static NTSTATUS answer(const struct query *query, PCWSTR name, ULONG type, const void *data, ULONG size)
{
        const RTL_QUERY_REGISTRY_TABLE *entry = query->entry;
        NTSTATUS status;

        if (entry->Flags & RTL_QUERY_REGISTRY_DIRECT) {
                if ((entry->Flags & RTL_QUERY_REGISTRY_TYPECHECK) &&
                    entry->DefaultType >> RTL_QUERY_REGISTRY_TYPECHECK_SHIFT != type)
                        return STATUS_OBJECT_TYPE_MISMATCH;
                if (is_string(type) || type == REG_MULTI_SZ)
                        return store_string(entry->EntryContext, data, size);
                return store_data(entry->EntryContext, type, data, size);
        }
        if (type == REG_MULTI_SZ && !(entry->Flags & RTL_QUERY_REGISTRY_NOEXPAND))
                return call_for_each(query, name, data, size);
        status = call_routine(query, name, type, data, size);
        /* It may try again with more memory of its own; there is no more than that. */
        return status == STATUS_BUFFER_TOO_SMALL ? STATUS_SUCCESS : status;
}

static NTSTATUS answer_default(const struct query *query)
{
        const RTL_QUERY_REGISTRY_TABLE *entry = query->entry;
        ULONG type = entry->DefaultType & ((1u << RTL_QUERY_REGISTRY_TYPECHECK_SHIFT) - 1), size = entry->DefaultLength;
        struct query plain = *query;
        RTL_QUERY_REGISTRY_TABLE copy = *entry;

        if (entry->Flags & RTL_QUERY_REGISTRY_REQUIRED)
                return STATUS_OBJECT_NAME_NOT_FOUND;
        if (type == REG_NONE)
                return STATUS_SUCCESS;
        if (!entry->DefaultData)
                return entry->Flags & RTL_QUERY_REGISTRY_DIRECT ? STATUS_SUCCESS
                                                                : call_routine(query, entry->Name, type, NULL, 0);
        if (!size && is_string(type))
                size = (ULONG)((fm_wcslen(entry->DefaultData) + 1) * sizeof(WCHAR));
        /* The caller's own default is of the type that he says. */
        copy.Flags &= ~(ULONG)RTL_QUERY_REGISTRY_TYPECHECK;
        plain.entry = &copy;
        return answer(&plain, entry->Name, type, entry->DefaultData, size);
}

static NTSTATUS query_named(const struct query *query, struct fm_key *key)
{
        const RTL_QUERY_REGISTRY_TABLE *entry = query->entry;
        char *name = fm_utf8_from_utf16(entry->Name, fm_wcslen(entry->Name));
        struct fm_key_value value;
        NTSTATUS status;

        if (!name || fm_key_get(key, name, &value) != FM_KEY_OK) {
                free(name);
                return answer_default(query);
        }
        status = answer(query, entry->Name, value.type, value.data, (ULONG)value.size);
        if (NT_SUCCESS(status) && (entry->Flags & RTL_QUERY_REGISTRY_DELETE))
                fm_key_remove_value(key, name);
        fm_key_value_clear(&value);
        free(name);
        return status;
}

static NTSTATUS query_all(const struct query *query, struct fm_key *key)
{
        struct fm_key_value value;
        NTSTATUS status = STATUS_SUCCESS;
        size_t index = 0;

        for (; NT_SUCCESS(status) && fm_key_get_at(key, index, &value) == FM_KEY_OK; index++) {
                size_t count;
                WCHAR *name = fm_utf16_from_utf8(value.name, &count);

                status = name ? answer(query, name, value.type, value.data, (ULONG)value.size) : STATUS_NO_MEMORY;
                free(name);
                fm_key_value_clear(&value);
        }
        if (!index && (query->entry->Flags & RTL_QUERY_REGISTRY_REQUIRED))
                return STATUS_OBJECT_NAME_NOT_FOUND;
        return status;
}

/* Goes from the top to the key of that name; *key is exchanged. */
static NTSTATUS enter_subkey(struct fm_key *top, PCWSTR name, struct fm_key **key)
{
        char *path = fm_utf8_from_utf16(name, fm_wcslen(name));
        struct fm_key *subkey;
        NTSTATUS status = STATUS_OBJECT_NAME_NOT_FOUND;

        if (path && fm_key_open(top, path, false, &subkey, NULL) == FM_KEY_OK) {
                fm_key_unref(*key);
                *key = subkey;
                status = STATUS_SUCCESS;
        }
        free(path);
        return status;
}

static NTSTATUS run_entry(const struct query *query, struct fm_key *top, struct fm_key **key)
{
        const RTL_QUERY_REGISTRY_TABLE *entry = query->entry;

        if ((entry->Flags & RTL_QUERY_REGISTRY_DIRECT) &&
            (entry->QueryRoutine || !entry->Name || (entry->Flags & RTL_QUERY_REGISTRY_SUBKEY)))
                return STATUS_INVALID_PARAMETER;
        if (entry->Flags & (RTL_QUERY_REGISTRY_TOPKEY | RTL_QUERY_REGISTRY_SUBKEY)) {
                fm_key_unref(*key);
                *key = fm_key_ref(top);
        }
        if (entry->Flags & RTL_QUERY_REGISTRY_SUBKEY) {
                NTSTATUS status = entry->Name ? enter_subkey(top, entry->Name, key) : STATUS_INVALID_PARAMETER;

                if (!NT_SUCCESS(status) || !entry->QueryRoutine)
                        return status;
                return query_all(query, *key);
        }
        if (entry->Flags & RTL_QUERY_REGISTRY_NOVALUE)
                return entry->Name ? STATUS_INVALID_PARAMETER : call_routine(query, NULL, REG_NONE, NULL, 0);
        if (entry->Name)
                return query_named(query, *key);
        return entry->QueryRoutine ? query_all(query, *key) : STATUS_SUCCESS;
}

/*
 * Asks for the values of a table, which an entry without routine and name ends. What the first failing routine
 * returned; STATUS_OBJECT_NAME_NOT_FOUND, STATUS_OBJECT_TYPE_MISMATCH, STATUS_BUFFER_TOO_SMALL,
 * STATUS_INVALID_PARAMETER. IRQL PASSIVE_LEVEL.
 */
NTSTATUS RtlQueryRegistryValues(ULONG RelativeTo, PCWSTR Path, PRTL_QUERY_REGISTRY_TABLE QueryTable, PVOID Context,
                                PVOID Environment)
{
        struct fm_key *top, *key;
        NTSTATUS status = fm_registry_open_relative(RelativeTo, Path, false, &top);

        if (!NT_SUCCESS(status))
                return status;
        key = fm_key_ref(top);
        for (; NT_SUCCESS(status) && (QueryTable->QueryRoutine || QueryTable->Name ||
                                      (QueryTable->Flags & (RTL_QUERY_REGISTRY_TOPKEY | RTL_QUERY_REGISTRY_SUBKEY)));
             QueryTable++) {
                struct query query = {.entry = QueryTable, .context = Context};

                status = run_entry(&query, top, &key);
        }
        fm_key_unref(key);
        fm_key_unref(top);
        return status;
}
