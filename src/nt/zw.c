/* SPDX-License-Identifier: MIT */
/*
 * The registry's system calls: handles over keys, and the variable-length answers that are asked for twice.
 *
 * A query with a buffer too small for the fixed part is STATUS_BUFFER_TOO_SMALL, with one too small for the
 * rest STATUS_BUFFER_OVERFLOW and as much as fits; ResultLength is what all of it needs.
 */
#include "nt/zw.h"

#include <glib.h>
#include <stdlib.h>

#include "nt/ke.h"
#include "nt/object.h"
#include "nt/regkey.h"
#include "nt/unicode.h"
#include "nt/verifier.h"

struct key_object {
        struct fm_key *key;
};

static void destroy_key(void *body)
{
        fm_key_unref(((struct key_object *)body)->key);
}

static struct _OBJECT_TYPE key_type = {.name = "Key", .destroy = destroy_key};
static POBJECT_TYPE key_type_pointer = &key_type;
POBJECT_TYPE *CmKeyObjectType = &key_type_pointer;

static NTSTATUS status_of(enum fm_key_result result)
{
        switch (result) {
        case FM_KEY_OK:
                return STATUS_SUCCESS;
        case FM_KEY_NOT_FOUND:
                return STATUS_OBJECT_NAME_NOT_FOUND;
        case FM_KEY_BAD_NAME:
                return STATUS_OBJECT_NAME_INVALID;
        case FM_KEY_DELETED:
                return STATUS_KEY_DELETED;
        case FM_KEY_HAS_SUBKEYS:
                return STATUS_CANNOT_DELETE;
        default:
                return STATUS_INSUFFICIENT_RESOURCES;
        }
}

static char *utf8_of(PCUNICODE_STRING string)
{
        size_t count = string ? string->Length / sizeof(WCHAR) : 0;
        char *text = fm_utf8_from_utf16(count ? string->Buffer : L"", count);

        /* A NUL inside would cut the name short, and it would mean another key. */
        for (size_t i = 0; text && i < count; i++) {
                if (!string->Buffer[i])
                        g_clear_pointer(&text, free);
        }
        return text;
}

static NTSTATUS open_handle(struct fm_key *key, PHANDLE handle)
{
        struct key_object *object = fm_object_new(&key_type, sizeof(*object));
        NTSTATUS status;

        object->key = key;
        status = fm_handle_new(object, handle);
        fm_object_unref(object);
        return status;
}

NTSTATUS fm_key_open_handle(const char *path, bool create, PHANDLE handle)
{
        struct fm_key *key;
        enum fm_key_result result = fm_key_open(NULL, path, create, &key, NULL);

        return result == FM_KEY_OK ? open_handle(key, handle) : status_of(result);
}

static NTSTATUS open_key(PHANDLE handle, POBJECT_ATTRIBUTES attributes, bool create, PULONG disposition)
{
        struct key_object *root = NULL;
        enum fm_key_result result;
        struct fm_key *key;
        NTSTATUS status;
        bool created;
        char *path;

        fm_check_irql("ZwOpenKey", PASSIVE_LEVEL);
        if (!attributes || attributes->Length != sizeof(*attributes))
                return STATUS_INVALID_PARAMETER;
        if (attributes->RootDirectory) {
                status = fm_handle_ref(attributes->RootDirectory, &key_type, (void **)&root);
                if (!NT_SUCCESS(status))
                        return status;
        }
        path = utf8_of(attributes->ObjectName);
        if (!path) {
                status = STATUS_OBJECT_NAME_INVALID;
        } else if (root ? path[0] == '\\' : path[0] != '\\') {
                status = STATUS_OBJECT_PATH_SYNTAX_BAD;
        } else {
                result = fm_key_open(root ? root->key : NULL, path, create, &key, &created);
                status = result == FM_KEY_OK ? open_handle(key, handle) : status_of(result);
                if (NT_SUCCESS(status) && disposition)
                        *disposition = created ? REG_CREATED_NEW_KEY : REG_OPENED_EXISTING_KEY;
        }
        free(path);
        fm_object_unref(root);
        return status;
}

/* STATUS_OBJECT_NAME_NOT_FOUND; STATUS_OBJECT_NAME_INVALID for what is no key's name. IRQL PASSIVE_LEVEL. */
NTSTATUS ZwOpenKey(PHANDLE KeyHandle, ACCESS_MASK DesiredAccess, POBJECT_ATTRIBUTES ObjectAttributes)
{
        return open_key(KeyHandle, ObjectAttributes, false, NULL);
}

NTSTATUS ZwOpenKeyEx(PHANDLE KeyHandle, ACCESS_MASK DesiredAccess, POBJECT_ATTRIBUTES ObjectAttributes,
                     ULONG OpenOptions)
{
        return open_key(KeyHandle, ObjectAttributes, false, NULL);
}

/* Differs from Windows: missing parents are made too. Nothing outlives the simulator, REG_OPTION_VOLATILE or
 * not. */
NTSTATUS ZwCreateKey(PHANDLE KeyHandle, ACCESS_MASK DesiredAccess, POBJECT_ATTRIBUTES ObjectAttributes,
                     ULONG TitleIndex, PUNICODE_STRING Class, ULONG CreateOptions, PULONG Disposition)
{
        return open_key(KeyHandle, ObjectAttributes, true, Disposition);
}

static NTSTATUS ref_key(HANDLE handle, struct key_object **ret)
{
        return fm_handle_ref(handle, &key_type, (void **)ret);
}

NTSTATUS ZwDeleteKey(HANDLE KeyHandle)
{
        struct key_object *object;
        NTSTATUS status = ref_key(KeyHandle, &object);

        fm_check_irql(__func__, PASSIVE_LEVEL);
        if (!NT_SUCCESS(status))
                return status;
        status = status_of(fm_key_delete(object->key));
        fm_object_unref(object);
        return status;
}

NTSTATUS ZwDeleteValueKey(HANDLE KeyHandle, PUNICODE_STRING ValueName)
{
        struct key_object *object;
        NTSTATUS status = ref_key(KeyHandle, &object);
        char *name;

        fm_check_irql(__func__, PASSIVE_LEVEL);
        if (!NT_SUCCESS(status))
                return status;
        name = utf8_of(ValueName);
        status = name ? status_of(fm_key_remove_value(object->key, name)) : STATUS_OBJECT_NAME_NOT_FOUND;
        free(name);
        fm_object_unref(object);
        return status;
}

NTSTATUS ZwFlushKey(HANDLE KeyHandle)
{
        struct key_object *object;
        NTSTATUS status = ref_key(KeyHandle, &object);

        fm_check_irql(__func__, PASSIVE_LEVEL);
        if (NT_SUCCESS(status))
                fm_object_unref(object);
        return status;
}

/* Lays an answer out in the caller's buffer: fixed part, then pieces at their offsets, as far as they fit. */
struct answer {
        PCHAR buffer;
        ULONG length;
        ULONG needed;
};

static void put(struct answer *answer, ULONG offset, const void *data, size_t size)
{
        if (offset < answer->length && size)
                memcpy(answer->buffer + offset, data, MIN(size, (size_t)(answer->length - offset)));
        answer->needed = MAX(answer->needed, offset + (ULONG)size);
}

static NTSTATUS answer_status(const struct answer *answer, size_t fixed, PULONG result)
{
        if (result)
                *result = answer->needed;
        if (answer->length < fixed)
                return STATUS_BUFFER_TOO_SMALL;
        return answer->length < answer->needed ? STATUS_BUFFER_OVERFLOW : STATUS_SUCCESS;
}

static NTSTATUS answer_value(const struct fm_key_value *value, KEY_VALUE_INFORMATION_CLASS class,
                             PVOID buffer, ULONG length, PULONG result)
{
        struct answer answer = {.buffer = buffer, .length = length};
        size_t count;
        WCHAR *name = fm_utf16_from_utf8(value->name, &count);
        ULONG name_size = (ULONG)(count * sizeof(WCHAR));
        ULONG fixed;

        if (!name)
                return STATUS_INSUFFICIENT_RESOURCES;
        switch (class) {
        case KeyValueBasicInformation: {
                KEY_VALUE_BASIC_INFORMATION head = {.Type = value->type, .NameLength = name_size};

                fixed = offsetof(KEY_VALUE_BASIC_INFORMATION, Name);
                put(&answer, 0, &head, fixed);
                put(&answer, fixed, name, name_size);
                break;
        }
        case KeyValueFullInformation: {
                ULONG offset = ((ULONG)offsetof(KEY_VALUE_FULL_INFORMATION, Name) + name_size + 7) & ~7u;
                KEY_VALUE_FULL_INFORMATION head = {.Type = value->type,
                                                   .NameLength = name_size,
                                                   .DataOffset = offset,
                                                   .DataLength = (ULONG)value->size};

                fixed = offsetof(KEY_VALUE_FULL_INFORMATION, Name);
                put(&answer, 0, &head, fixed);
                put(&answer, fixed, name, name_size);
                put(&answer, offset, value->data, value->size);
                break;
        }
        case KeyValuePartialInformation: {
                KEY_VALUE_PARTIAL_INFORMATION head = {.Type = value->type, .DataLength = (ULONG)value->size};

                fixed = offsetof(KEY_VALUE_PARTIAL_INFORMATION, Data);
                put(&answer, 0, &head, fixed);
                put(&answer, fixed, value->data, value->size);
                break;
        }
        default:
                free(name);
                return STATUS_INVALID_PARAMETER;
        }
        free(name);
        return answer_status(&answer, fixed, result);
}

/* STATUS_OBJECT_NAME_NOT_FOUND; STATUS_BUFFER_TOO_SMALL and STATUS_BUFFER_OVERFLOW as said above. IRQL
 * PASSIVE_LEVEL.
 */
NTSTATUS ZwQueryValueKey(HANDLE KeyHandle, PUNICODE_STRING ValueName,
                         KEY_VALUE_INFORMATION_CLASS KeyValueInformationClass, PVOID KeyValueInformation,
                         ULONG Length, PULONG ResultLength)
{
        struct key_object *object;
        struct fm_key_value value = {0};
        NTSTATUS status = ref_key(KeyHandle, &object);
        char *name;

        fm_check_irql("ZwQueryValueKey", PASSIVE_LEVEL);
        if (!NT_SUCCESS(status))
                return status;
        name = utf8_of(ValueName);
        status = name ? status_of(fm_key_get(object->key, name, &value)) : STATUS_OBJECT_NAME_NOT_FOUND;
        if (NT_SUCCESS(status))
                status = answer_value(&value, KeyValueInformationClass, KeyValueInformation, Length,
                                      ResultLength);
        fm_key_value_clear(&value);
        free(name);
        fm_object_unref(object);
        return status;
}

/* STATUS_NO_MORE_ENTRIES after the last. */
NTSTATUS ZwEnumerateValueKey(HANDLE KeyHandle, ULONG Index,
                             KEY_VALUE_INFORMATION_CLASS KeyValueInformationClass, PVOID KeyValueInformation,
                             ULONG Length, PULONG ResultLength)
{
        struct key_object *object;
        struct fm_key_value value = {0};
        NTSTATUS status = ref_key(KeyHandle, &object);
        enum fm_key_result result;

        fm_check_irql(__func__, PASSIVE_LEVEL);
        if (!NT_SUCCESS(status))
                return status;
        result = fm_key_get_at(object->key, Index, &value);
        status = result == FM_KEY_NOT_FOUND ? STATUS_NO_MORE_ENTRIES : status_of(result);
        if (NT_SUCCESS(status))
                status = answer_value(&value, KeyValueInformationClass, KeyValueInformation, Length,
                                      ResultLength);
        fm_key_value_clear(&value);
        fm_object_unref(object);
        return status;
}

NTSTATUS ZwSetValueKey(HANDLE KeyHandle, PUNICODE_STRING ValueName, ULONG TitleIndex, ULONG Type, PVOID Data,
                       ULONG DataSize)
{
        struct key_object *object;
        NTSTATUS status = ref_key(KeyHandle, &object);
        char *name;

        fm_check_irql(__func__, PASSIVE_LEVEL);
        if (!NT_SUCCESS(status))
                return status;
        name = utf8_of(ValueName);
        status = name ? status_of(fm_key_set(object->key, name, Type, Data, DataSize))
                      : STATUS_OBJECT_NAME_INVALID;
        free(name);
        fm_object_unref(object);
        return status;
}

static NTSTATUS answer_key(struct fm_key *key, const struct fm_key_info *info, KEY_INFORMATION_CLASS class,
                           PVOID buffer, ULONG length, PULONG result)
{
        struct answer answer = {.buffer = buffer, .length = length};
        g_autofree char *path = class == KeyNameInformation ? fm_key_get_path(key) : NULL;
        size_t count;
        WCHAR *name = fm_utf16_from_utf8(path ? path : info->name, &count);
        ULONG name_size = (ULONG)(count * sizeof(WCHAR));
        ULONG fixed;

        if (!name)
                return STATUS_INSUFFICIENT_RESOURCES;
        switch (class) {
        case KeyBasicInformation: {
                KEY_BASIC_INFORMATION head = {.LastWriteTime.QuadPart = info->last_write,
                                              .NameLength = name_size};

                fixed = offsetof(KEY_BASIC_INFORMATION, Name);
                put(&answer, 0, &head, fixed);
                put(&answer, fixed, name, name_size);
                break;
        }
        case KeyNodeInformation: {
                KEY_NODE_INFORMATION head = {.LastWriteTime.QuadPart = info->last_write,
                                             .NameLength = name_size,
                                             .ClassOffset = (ULONG)-1};

                fixed = offsetof(KEY_NODE_INFORMATION, Name);
                put(&answer, 0, &head, fixed);
                put(&answer, fixed, name, name_size);
                break;
        }
        case KeyFullInformation: {
                KEY_FULL_INFORMATION head = {.LastWriteTime.QuadPart = info->last_write,
                                             .ClassOffset = (ULONG)-1,
                                             .SubKeys = info->subkeys,
                                             .MaxNameLen = (ULONG)info->longest_subkey,
                                             .Values = info->values,
                                             .MaxValueNameLen = (ULONG)info->longest_value_name,
                                             .MaxValueDataLen = (ULONG)info->largest_value};

                fixed = offsetof(KEY_FULL_INFORMATION, Class);
                put(&answer, 0, &head, fixed);
                break;
        }
        case KeyNameInformation: {
                KEY_NAME_INFORMATION head = {.NameLength = name_size};

                fixed = offsetof(KEY_NAME_INFORMATION, Name);
                put(&answer, 0, &head, fixed);
                put(&answer, fixed, name, name_size);
                break;
        }
        default:
                free(name);
                return STATUS_INVALID_PARAMETER;
        }
        free(name);
        return answer_status(&answer, fixed, result);
}

NTSTATUS ZwQueryKey(HANDLE KeyHandle, KEY_INFORMATION_CLASS KeyInformationClass, PVOID KeyInformation,
                    ULONG Length, PULONG ResultLength)
{
        struct key_object *object;
        struct fm_key_info info = {0};
        NTSTATUS status = ref_key(KeyHandle, &object);

        fm_check_irql(__func__, PASSIVE_LEVEL);
        if (!NT_SUCCESS(status))
                return status;
        status = status_of(fm_key_get_info(object->key, &info));
        if (NT_SUCCESS(status))
                status = answer_key(object->key, &info, KeyInformationClass, KeyInformation, Length,
                                    ResultLength);
        fm_key_info_clear(&info);
        fm_object_unref(object);
        return status;
}

/* STATUS_NO_MORE_ENTRIES after the last. KeyNameInformation is for ZwQueryKey only. */
NTSTATUS ZwEnumerateKey(HANDLE KeyHandle, ULONG Index, KEY_INFORMATION_CLASS KeyInformationClass,
                        PVOID KeyInformation, ULONG Length, PULONG ResultLength)
{
        struct key_object *object;
        struct fm_key_info info = {0};
        NTSTATUS status;
        enum fm_key_result result;

        fm_check_irql(__func__, PASSIVE_LEVEL);
        if (KeyInformationClass == KeyNameInformation)
                return STATUS_INVALID_PARAMETER;
        status = ref_key(KeyHandle, &object);
        if (!NT_SUCCESS(status))
                return status;
        result = fm_key_get_subkey_info(object->key, Index, &info);
        status = result == FM_KEY_NOT_FOUND ? STATUS_NO_MORE_ENTRIES : status_of(result);
        if (NT_SUCCESS(status))
                status = answer_key(object->key, &info, KeyInformationClass, KeyInformation, Length,
                                    ResultLength);
        fm_key_info_clear(&info);
        fm_object_unref(object);
        return status;
}

/* There are no transactions, so no handle is one. */
NTSTATUS ZwQueryInformationTransaction(HANDLE TransactionHandle,
                                       TRANSACTION_INFORMATION_CLASS TransactionInformationClass,
                                       PVOID TransactionInformation, ULONG TransactionInformationLength,
                                       PULONG ReturnLength)
{
        fm_not_supported("ZwQueryInformationTransaction");
        return STATUS_NOT_SUPPORTED;
}
