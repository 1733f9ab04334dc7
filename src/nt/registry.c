/* SPDX-License-Identifier: MIT */
/*
 * The registry's tree.
 *
 * One lock for all of it: it is read when a filter starts, not when a file is opened. Parents own their
 * children; a reference from outside keeps a key's memory, not its place.
 */
#include "nt/registry.h"

#include <glib.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nt/regkey.h"
#include "nt/unicode.h"

#define EPOCH_DIFFERENCE INT64_C(116444736000000000) /* 1601 to 1970 in 100 ns */

struct fm_key {
        unsigned refs;
        char *name;
        char *folded;
        struct fm_key *parent; /* NULL: the root, or deleted */
        GPtrArray *subkeys;    /* in order of creation */
        GPtrArray *values;
        GHashTable *subkey_index; /* by folded name */
        GHashTable *value_index;
        int64_t last_write;
        bool deleted;
};

struct value {
        struct fm_key_value value; /* must be first */
        char *folded;
};

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct fm_key *root_key; /* \Registry; guarded by registry_lock, as all below it */

static int64_t now(void)
{
        struct timespec time;

        clock_gettime(CLOCK_REALTIME, &time);
        return time.tv_sec * INT64_C(10000000) + time.tv_nsec / 100 + EPOCH_DIFFERENCE;
}

void fm_key_value_clear(struct fm_key_value *value)
{
        g_free(value->name);
        g_free(value->data);
        memset(value, 0, sizeof(*value));
}

void fm_key_info_clear(struct fm_key_info *info)
{
        g_free(info->name);
        memset(info, 0, sizeof(*info));
}

static void value_free(void *memory)
{
        struct value *value = memory;

        fm_key_value_clear(&value->value);
        g_free(value->folded);
        g_free(value);
}

static struct fm_key *key_new(const char *name)
{
        struct fm_key *key = g_new0(struct fm_key, 1);

        key->refs = 1;
        key->name = g_strdup(name);
        key->folded = g_utf8_casefold(name, -1);
        key->subkeys = g_ptr_array_new();
        key->values = g_ptr_array_new_with_free_func(value_free);
        key->subkey_index = g_hash_table_new(g_str_hash, g_str_equal);
        key->value_index = g_hash_table_new(g_str_hash, g_str_equal);
        key->last_write = now();
        return key;
}

static void key_unref_locked(struct fm_key *key)
{
        if (--key->refs > 0)
                return;
        for (size_t i = 0; i < key->subkeys->len; i++) {
                struct fm_key *child = key->subkeys->pdata[i];

                child->parent = NULL;
                child->deleted = true;
                key_unref_locked(child);
        }
        g_hash_table_unref(key->subkey_index);
        g_hash_table_unref(key->value_index);
        g_ptr_array_unref(key->subkeys);
        g_ptr_array_unref(key->values);
        g_free(key->name);
        g_free(key->folded);
        g_free(key);
}

static void mark_deleted_locked(struct fm_key *key)
{
        key->deleted = true;
        for (size_t i = 0; i < key->subkeys->len; i++)
                mark_deleted_locked(key->subkeys->pdata[i]);
}

static void unlink_locked(struct fm_key *key)
{
        struct fm_key *parent = key->parent;

        mark_deleted_locked(key);
        key->parent = NULL;
        if (parent) {
                parent->last_write = now();
                g_hash_table_remove(parent->subkey_index, key->folded);
                g_ptr_array_remove(parent->subkeys, key);
        }
        key_unref_locked(key);
}

static struct fm_key *find_child_locked(struct fm_key *key, const char *name)
{
        g_autofree char *folded = g_utf8_casefold(name, -1);

        return g_hash_table_lookup(key->subkey_index, folded);
}

static struct fm_key_value *find_value_locked(struct fm_key *key, const char *name)
{
        g_autofree char *folded = g_utf8_casefold(name, -1);

        return g_hash_table_lookup(key->value_index, folded);
}

/* Windows has several numbered control sets, one of which is current; here it is the only one. */
static const char *resolve_alias(struct fm_key *parent, const char *name)
{
        if (g_ascii_strcasecmp(name, "ControlSet001") == 0 && g_ascii_strcasecmp(parent->name, "System") == 0)
                return "CurrentControlSet";
        return name;
}

static enum fm_key_result step_locked(struct fm_key **key, const char *name, bool create, bool *created)
{
        struct fm_key *child;

        if (g_utf8_strlen(name, -1) > FM_KEY_NAME_LIMIT)
                return FM_KEY_BAD_NAME;
        name = resolve_alias(*key, name);
        child = find_child_locked(*key, name);
        if (!child) {
                if (!create)
                        return FM_KEY_NOT_FOUND;
                child = key_new(name);
                child->parent = *key;
                g_ptr_array_add((*key)->subkeys, child);
                g_hash_table_insert((*key)->subkey_index, child->folded, child);
                (*key)->last_write = now();
                *created = true;
        }
        *key = child;
        return FM_KEY_OK;
}

static unsigned depth_locked(struct fm_key *key)
{
        unsigned depth = 0;

        for (; key->parent; key = key->parent)
                depth++;
        return depth;
}

static enum fm_key_result walk_locked(struct fm_key *root, const char *path, bool create, struct fm_key **ret,
                                      bool *created)
{
        struct fm_key *key = root;
        g_auto(GStrv) parts = NULL;
        size_t i = 0;

        if (!g_utf8_validate(path, -1, NULL))
                return FM_KEY_BAD_NAME;
        parts = g_strsplit(path, "\\", -1);
        if (!root) {
                if (g_strv_length(parts) < 2 || *parts[0] || g_ascii_strcasecmp(parts[1], "Registry") != 0)
                        return FM_KEY_BAD_NAME;
                if (!root_key)
                        root_key = key_new("REGISTRY");
                key = root_key;
                i = 2;
        } else if (root->deleted) {
                return FM_KEY_DELETED;
        }
        if (depth_locked(key) + g_strv_length(parts) > FM_KEY_DEPTH_LIMIT)
                return FM_KEY_BAD_NAME;
        for (; parts[i]; i++) {
                enum fm_key_result result;

                if (!*parts[i]) {
                        /* One separator at the end is nothing; an empty name elsewhere is a mistake. */
                        if (parts[i + 1])
                                return FM_KEY_BAD_NAME;
                        break;
                }
                result = step_locked(&key, parts[i], create, created);
                if (result != FM_KEY_OK)
                        return result;
        }
        *ret = key;
        return FM_KEY_OK;
}

enum fm_key_result fm_key_open(struct fm_key *root, const char *path, bool create, struct fm_key **ret,
                               bool *created)
{
        enum fm_key_result result;
        bool made = false;

        pthread_mutex_lock(&registry_lock);
        result = walk_locked(root, path, create, ret, &made);
        if (result == FM_KEY_OK)
                (*ret)->refs++;
        pthread_mutex_unlock(&registry_lock);
        if (created)
                *created = made;
        return result;
}

struct fm_key *fm_key_ref(struct fm_key *key)
{
        pthread_mutex_lock(&registry_lock);
        key->refs++;
        pthread_mutex_unlock(&registry_lock);
        return key;
}

void fm_key_unref(struct fm_key *key)
{
        if (!key)
                return;
        pthread_mutex_lock(&registry_lock);
        key_unref_locked(key);
        pthread_mutex_unlock(&registry_lock);
}

static enum fm_key_result set_locked(struct fm_key *key, const char *name, uint32_t type, const void *data,
                                     size_t size)
{
        struct fm_key_value *value;

        if (key->deleted)
                return FM_KEY_DELETED;
        value = find_value_locked(key, name);
        if (!value) {
                struct value *fresh = g_new0(struct value, 1);

                value = &fresh->value;
                value->name = g_strdup(name);
                fresh->folded = g_utf8_casefold(name, -1);
                g_ptr_array_add(key->values, fresh);
                g_hash_table_insert(key->value_index, fresh->folded, fresh);
        }
        g_free(value->data);
        value->type = type;
        value->size = size;
        value->data = size ? g_memdup2(data, size) : NULL;
        key->last_write = now();
        return FM_KEY_OK;
}

enum fm_key_result fm_key_set(struct fm_key *key, const char *name, uint32_t type, const void *data,
                              size_t size)
{
        enum fm_key_result result;

        if (!g_utf8_validate(name, -1, NULL) || g_utf8_strlen(name, -1) > FM_VALUE_NAME_LIMIT)
                return FM_KEY_BAD_NAME;
        if (size > FM_VALUE_SIZE_LIMIT)
                return FM_KEY_TOO_LARGE;
        pthread_mutex_lock(&registry_lock);
        result = set_locked(key, name, type, data, size);
        pthread_mutex_unlock(&registry_lock);
        return result;
}

static void copy_value(const struct fm_key_value *from, struct fm_key_value *to)
{
        to->name = g_strdup(from->name);
        to->type = from->type;
        to->size = from->size;
        to->data = from->size ? g_memdup2(from->data, from->size) : NULL;
}

enum fm_key_result fm_key_get(struct fm_key *key, const char *name, struct fm_key_value *ret)
{
        enum fm_key_result result = FM_KEY_OK;
        struct fm_key_value *value;

        if (!g_utf8_validate(name, -1, NULL))
                return FM_KEY_NOT_FOUND;
        pthread_mutex_lock(&registry_lock);
        if (key->deleted)
                result = FM_KEY_DELETED;
        else if ((value = find_value_locked(key, name)))
                copy_value(value, ret);
        else
                result = FM_KEY_NOT_FOUND;
        pthread_mutex_unlock(&registry_lock);
        return result;
}

enum fm_key_result fm_key_get_at(struct fm_key *key, size_t index, struct fm_key_value *ret)
{
        enum fm_key_result result = FM_KEY_OK;

        pthread_mutex_lock(&registry_lock);
        if (key->deleted)
                result = FM_KEY_DELETED;
        else if (index < key->values->len)
                copy_value(key->values->pdata[index], ret);
        else
                result = FM_KEY_NOT_FOUND;
        pthread_mutex_unlock(&registry_lock);
        return result;
}

enum fm_key_result fm_key_remove_value(struct fm_key *key, const char *name)
{
        enum fm_key_result result = FM_KEY_NOT_FOUND;
        struct fm_key_value *value;

        if (!g_utf8_validate(name, -1, NULL))
                return FM_KEY_NOT_FOUND;
        pthread_mutex_lock(&registry_lock);
        if (key->deleted) {
                result = FM_KEY_DELETED;
        } else if ((value = find_value_locked(key, name))) {
                g_hash_table_remove(key->value_index, ((struct value *)value)->folded);
                g_ptr_array_remove(key->values, value);
                key->last_write = now();
                result = FM_KEY_OK;
        }
        pthread_mutex_unlock(&registry_lock);
        return result;
}

static size_t utf16_size(const char *text)
{
        size_t units = 0;

        for (; *text; text = g_utf8_next_char(text))
                units += g_utf8_get_char(text) > 0xffff ? 2 : 1;
        return units * sizeof(WCHAR);
}

static void copy_info_locked(struct fm_key *key, struct fm_key_info *ret)
{
        memset(ret, 0, sizeof(*ret));
        ret->name = g_strdup(key->name);
        ret->subkeys = key->subkeys->len;
        ret->values = key->values->len;
        ret->last_write = key->last_write;
        for (size_t i = 0; i < key->subkeys->len; i++) {
                struct fm_key *child = key->subkeys->pdata[i];

                ret->longest_subkey = MAX(ret->longest_subkey, utf16_size(child->name));
        }
        for (size_t i = 0; i < key->values->len; i++) {
                struct fm_key_value *value = key->values->pdata[i];

                ret->longest_value_name = MAX(ret->longest_value_name, utf16_size(value->name));
                ret->largest_value = MAX(ret->largest_value, value->size);
        }
}

enum fm_key_result fm_key_get_info(struct fm_key *key, struct fm_key_info *ret)
{
        enum fm_key_result result = FM_KEY_OK;

        pthread_mutex_lock(&registry_lock);
        if (key->deleted)
                result = FM_KEY_DELETED;
        else
                copy_info_locked(key, ret);
        pthread_mutex_unlock(&registry_lock);
        return result;
}

enum fm_key_result fm_key_get_subkey_info(struct fm_key *key, size_t index, struct fm_key_info *ret)
{
        enum fm_key_result result = FM_KEY_OK;

        pthread_mutex_lock(&registry_lock);
        if (key->deleted)
                result = FM_KEY_DELETED;
        else if (index < key->subkeys->len)
                copy_info_locked(key->subkeys->pdata[index], ret);
        else
                result = FM_KEY_NOT_FOUND;
        pthread_mutex_unlock(&registry_lock);
        return result;
}

enum fm_key_result fm_key_delete(struct fm_key *key)
{
        enum fm_key_result result = FM_KEY_OK;

        pthread_mutex_lock(&registry_lock);
        if (key->deleted)
                result = FM_KEY_DELETED;
        else if (key->subkeys->len > 0 || !key->parent)
                result = FM_KEY_HAS_SUBKEYS;
        else
                unlink_locked(key);
        pthread_mutex_unlock(&registry_lock);
        return result;
}

char *fm_key_get_path(struct fm_key *key)
{
        GString *path = g_string_new(NULL);

        pthread_mutex_lock(&registry_lock);
        for (; key; key = key->parent) {
                g_string_prepend(path, key->name);
                g_string_prepend_c(path, '\\');
        }
        pthread_mutex_unlock(&registry_lock);
        return g_string_free(path, FALSE);
}

bool fm_registry_create_key(const char *path)
{
        struct fm_key *key;

        if (fm_key_open(NULL, path, true, &key, NULL) != FM_KEY_OK)
                return false;
        fm_key_unref(key);
        return true;
}

bool fm_registry_set(const char *path, const char *name, ULONG type, const void *data, size_t size)
{
        struct fm_key *key;
        enum fm_key_result result;

        if (fm_key_open(NULL, path, true, &key, NULL) != FM_KEY_OK)
                return false;
        result = fm_key_set(key, name, type, data, size);
        fm_key_unref(key);
        return result == FM_KEY_OK;
}

bool fm_registry_set_string(const char *path, const char *name, const char *utf8)
{
        size_t count;
        WCHAR *text = fm_utf16_from_utf8(utf8, &count);
        bool done = text && fm_registry_set(path, name, REG_SZ, text, (count + 1) * sizeof(WCHAR));

        free(text);
        return done;
}

bool fm_registry_set_dword(const char *path, const char *name, ULONG value)
{
        return fm_registry_set(path, name, REG_DWORD, &value, sizeof(value));
}

static bool get_value(const char *path, const char *name, struct fm_key_value *ret)
{
        struct fm_key *key;
        enum fm_key_result result;

        if (fm_key_open(NULL, path, false, &key, NULL) != FM_KEY_OK)
                return false;
        result = fm_key_get(key, name, ret);
        fm_key_unref(key);
        return result == FM_KEY_OK;
}

char *fm_registry_get_string(const char *path, const char *name)
{
        struct fm_key_value value;
        char *text = NULL;

        if (!get_value(path, name, &value))
                return NULL;
        if (value.type == REG_SZ || value.type == REG_EXPAND_SZ) {
                const WCHAR *chars = value.data;
                size_t count = value.size / sizeof(WCHAR);
                size_t length = 0;

                while (length < count && chars[length])
                        length++;
                text = fm_utf8_from_utf16(chars, length);
        }
        fm_key_value_clear(&value);
        return text;
}

bool fm_registry_get_dword(const char *path, const char *name, ULONG *ret)
{
        struct fm_key_value value;
        bool found;

        if (!get_value(path, name, &value))
                return false;
        found = value.type == REG_DWORD && value.size == sizeof(ULONG);
        if (found)
                memcpy(ret, value.data, sizeof(*ret));
        fm_key_value_clear(&value);
        return found;
}

bool fm_registry_has_key(const char *path)
{
        struct fm_key *key;

        if (fm_key_open(NULL, path, false, &key, NULL) != FM_KEY_OK)
                return false;
        fm_key_unref(key);
        return true;
}

char **fm_registry_list_keys(const char *path)
{
        g_autoptr(GPtrArray) names = g_ptr_array_new();
        struct fm_key *key;

        if (fm_key_open(NULL, path, false, &key, NULL) == FM_KEY_OK) {
                pthread_mutex_lock(&registry_lock);
                for (size_t i = 0; i < key->subkeys->len; i++)
                        g_ptr_array_add(names, g_strdup(((struct fm_key *)key->subkeys->pdata[i])->name));
                pthread_mutex_unlock(&registry_lock);
                fm_key_unref(key);
        }
        g_ptr_array_add(names, NULL);
        return (char **)g_ptr_array_free(g_steal_pointer(&names), FALSE);
}

void fm_registry_delete_tree(const char *path)
{
        struct fm_key *key;

        if (fm_key_open(NULL, path, false, &key, NULL) != FM_KEY_OK)
                return;
        pthread_mutex_lock(&registry_lock);
        if (!key->deleted && key->parent)
                unlink_locked(key);
        pthread_mutex_unlock(&registry_lock);
        fm_key_unref(key);
}
