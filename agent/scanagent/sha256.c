/* SPDX-License-Identifier: MIT */
/*
 * Known bad files by their SHA-256: a line is "HEX NAME", as sha256sum writes it ("HEX *NAME" too). Without a
 * name, the hash's first digits stand for one.
 */
#include "engine.h"

#include <string.h>

#define DIGEST_SIZE 32

struct hash_list {
        GHashTable *names; /* by GBytes of the digest */
};

static void hash_list_free(void *engine)
{
        struct hash_list *list = engine;

        g_hash_table_unref(list->names);
        g_free(list);
}

static bool digest_parse(const char *text, uint8_t digest[DIGEST_SIZE])
{
        for (unsigned i = 0; i < DIGEST_SIZE; i++) {
                int high = g_ascii_xdigit_value(text[2 * i]);
                int low = high < 0 ? -1 : g_ascii_xdigit_value(text[2 * i + 1]);

                if (low < 0)
                        return false;
                digest[i] = (uint8_t)(high << 4 | low);
        }
        return text[2 * DIGEST_SIZE] == '\0' || g_ascii_isspace(text[2 * DIGEST_SIZE]);
}

static bool hash_line(char *text, void *context, GError **error)
{
        struct hash_list *list = context;
        uint8_t digest[DIGEST_SIZE];
        char *name;

        if (!digest_parse(text, digest)) {
                g_set_error_literal(error, FM_ENGINE_ERROR, 0, "expected 64 hex digits and a name");
                return false;
        }
        name = text + 2 * DIGEST_SIZE;
        name += strspn(name, " \t*");
        g_hash_table_insert(list->names, g_bytes_new(digest, DIGEST_SIZE),
                            *name != '\0' ? g_strdup(name) : g_strdup_printf("sha256:%.16s", text));
        return true;
}

static void *hash_list_open(const char *file, GError **error)
{
        struct hash_list *list = g_new0(struct hash_list, 1);

        list->names = g_hash_table_new_full(g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, g_free);
        if (!fm_signature_file_read(file, hash_line, list, error)) {
                hash_list_free(list);
                return NULL;
        }
        return list;
}

static void *hash_worker_new(void *engine)
{
        return g_checksum_new(G_CHECKSUM_SHA256);
}

static void hash_worker_free(void *worker)
{
        g_checksum_free(worker);
}

static enum fm_verdict hash_list_scan(void *engine, void *worker, const uint8_t *data, size_t size, const char *path,
                                      char signature[FM_SIGNATURE_MAX])
{
        struct hash_list *list = engine;
        g_autoptr(GBytes) key = NULL;
        uint8_t digest[DIGEST_SIZE];
        gsize length = sizeof(digest);
        const char *name;

        if (g_hash_table_size(list->names) == 0)
                return FM_VERDICT_CLEAN;
        g_checksum_reset(worker);
        g_checksum_update(worker, data, (gssize)size);
        g_checksum_get_digest(worker, digest, &length);
        key = g_bytes_new_static(digest, sizeof(digest));
        name = g_hash_table_lookup(list->names, key);
        if (name == NULL)
                return FM_VERDICT_CLEAN;
        fm_signature_set(signature, name);
        return FM_VERDICT_INFECTED;
}

const struct fm_engine fm_engine_sha256 = {
        .name = "sha256",
        .open = hash_list_open,
        .close = hash_list_free,
        .worker_new = hash_worker_new,
        .worker_free = hash_worker_free,
        .scan = hash_list_scan,
};
