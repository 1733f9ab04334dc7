/* SPDX-License-Identifier: MIT */
/* Collects registry changes, checks their names, and only then makes them. */
#include "nt/regbatch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nt/inf.h"
#include "nt/registry.h"
#include "nt/regkey.h"
#include "nt/unicode.h"

struct change {
        char *path;
        char *name;
        uint32_t type;
        void *data;
        size_t size;
        bool keep;
        bool append;
};

static void change_free(void *memory)
{
        struct change *change = memory;

        g_free(change->path);
        g_free(change->name);
        g_free(change->data);
        g_free(change);
}

void fm_registry_batch_init(struct fm_registry_batch *batch)
{
        batch->changes = g_ptr_array_new_with_free_func(change_free);
        batch->bytes = 0;
}

void fm_registry_batch_deinit(struct fm_registry_batch *batch)
{
        g_clear_pointer(&batch->changes, g_ptr_array_unref);
}

static struct change *add_change(struct fm_registry_batch *batch, const char *path, const char *name,
                                 uint32_t type)
{
        struct change *change = g_new0(struct change, 1);

        change->path = g_strdup(path);
        change->name = g_strdup(name);
        change->type = type;
        g_ptr_array_add(batch->changes, change);
        return change;
}

void fm_registry_batch_set(struct fm_registry_batch *batch, const char *path, const char *name, uint32_t type,
                           const void *data, size_t size, bool keep)
{
        struct change *change = add_change(batch, path, name, type);

        change->data = size ? g_memdup2(data, size) : NULL;
        change->size = size;
        change->keep = keep;
        batch->bytes += size;
}

void fm_registry_batch_set_string(struct fm_registry_batch *batch, const char *path, const char *name,
                                  uint32_t type, const char *utf8, bool keep)
{
        size_t count;
        WCHAR *text = fm_utf16_from_utf8(utf8, &count);

        if (!text)
                g_error("out of memory");
        fm_registry_batch_set(batch, path, name, type, text, (count + 1) * sizeof(WCHAR), keep);
        free(text);
}

void fm_registry_batch_set_strings(struct fm_registry_batch *batch, const char *path, const char *name,
                                   char **strings, bool append)
{
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        static const WCHAR end;
        struct change *change;

        for (; *strings; strings++) {
                size_t count;
                WCHAR *text = fm_utf16_from_utf8(*strings, &count);

                if (!text)
                        g_error("out of memory");
                /* An empty string would end the list. */
                if (count > 0)
                        g_byte_array_append(bytes, (const guint8 *)text,
                                            (guint)((count + 1) * sizeof(WCHAR)));
                free(text);
        }
        g_byte_array_append(bytes, (const guint8 *)&end, sizeof(end));
        change = add_change(batch, path, name, REG_MULTI_SZ);
        change->size = bytes->len;
        change->data = g_memdup2(bytes->data, bytes->len);
        change->append = append;
        batch->bytes += bytes->len;
}

void fm_registry_batch_set_dword(struct fm_registry_batch *batch, const char *path, const char *name,
                                 uint32_t value, bool keep)
{
        fm_registry_batch_set(batch, path, name, REG_DWORD, &value, sizeof(value), keep);
}

static bool name_is_possible(const struct change *change)
{
        g_auto(GStrv) parts = g_strsplit(change->path, "\\", -1);

        if (!g_utf8_validate(change->path, -1, NULL) || g_strv_length(parts) + 1 > FM_KEY_DEPTH_LIMIT ||
            g_ascii_strncasecmp(change->path, "\\Registry\\", 10) != 0)
                return false;
        for (size_t i = 1; parts[i]; i++) {
                if ((!*parts[i] && parts[i + 1]) || g_utf8_strlen(parts[i], -1) > FM_KEY_NAME_LIMIT)
                        return false;
        }
        return !change->name || (g_utf8_validate(change->name, -1, NULL) &&
                                 g_utf8_strlen(change->name, -1) <= FM_VALUE_NAME_LIMIT);
}

static void make_change(const struct change *change)
{
        struct fm_key_value old = {0};
        struct fm_key *key;
        bool exists;

        if (fm_key_open(NULL, change->path, true, &key, NULL) != FM_KEY_OK)
                return;
        if (change->name) {
                exists = fm_key_get(key, change->name, &old) == FM_KEY_OK;
                if (change->append && exists && old.type == REG_MULTI_SZ && old.size >= sizeof(WCHAR)) {
                        size_t size = old.size - sizeof(WCHAR) + change->size;
                        g_autofree char *joined = g_malloc(size);

                        memcpy(joined, old.data, old.size - sizeof(WCHAR));
                        memcpy(joined + old.size - sizeof(WCHAR), change->data, change->size);
                        fm_key_set(key, change->name, REG_MULTI_SZ, joined, size);
                } else if (!change->keep || !exists) {
                        fm_key_set(key, change->name, change->type, change->data, change->size);
                }
                fm_key_value_clear(&old);
        }
        fm_key_unref(key);
}

bool fm_registry_batch_commit(struct fm_registry_batch *batch, const char **bad)
{
        for (size_t i = 0; i < batch->changes->len; i++) {
                const struct change *change = batch->changes->pdata[i];

                if (!name_is_possible(change)) {
                        *bad = change->path;
                        return false;
                }
        }
        for (size_t i = 0; i < batch->changes->len; i++)
                make_change(batch->changes->pdata[i]);
        return true;
}

static void set_read_error(GError **error, const char *path, const char *what)
{
        g_set_error(error, FM_INF_ERROR, FM_INF_ERROR_READ, "%s: %s", path, what);
}

char *fm_read_bounded_file(const char *path, size_t limit, size_t *ret_size, GError **error)
{
        g_autofree char *data = NULL;
        size_t length = 0;
        struct stat st;
        /* Without O_NONBLOCK a pipe of that name would hold us up for ever. */
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

        if (fd < 0) {
                set_read_error(error, path, g_strerror(errno));
                return NULL;
        }
        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
                set_read_error(error, path, "not a regular file");
                close(fd);
                return NULL;
        }
        data = g_malloc(limit + 2);
        while (length <= limit) {
                ssize_t got = TEMP_FAILURE_RETRY(read(fd, data + length, limit + 1 - length));

                if (got < 0) {
                        set_read_error(error, path, g_strerror(errno));
                        close(fd);
                        return NULL;
                }
                if (got == 0)
                        break;
                length += (size_t)got;
        }
        close(fd);
        if (length > limit) {
                set_read_error(error, path, "too large");
                return NULL;
        }
        data[length] = 0;
        *ret_size = length;
        return g_steal_pointer(&data);
}
