/* SPDX-License-Identifier: MIT */
/* Registry changes that are made all together or not at all: what an installation wants. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

struct fm_registry_batch {
        GPtrArray *changes;
        size_t bytes; /* of all the data, for the caller's limit */
};

void fm_registry_batch_init(struct fm_registry_batch *batch);
void fm_registry_batch_deinit(struct fm_registry_batch *batch);
/* name NULL: only the key. keep: not if the value exists already. */
void fm_registry_batch_set(struct fm_registry_batch *batch, const char *path, const char *name, uint32_t type,
                           const void *data, size_t size, bool keep);
void fm_registry_batch_set_string(struct fm_registry_batch *batch, const char *path, const char *name,
                                  uint32_t type, const char *utf8, bool keep);
/* strings: NULL-terminated UTF-8. append: to what is there. */
void fm_registry_batch_set_strings(struct fm_registry_batch *batch, const char *path, const char *name,
                                   char **strings, bool append);
void fm_registry_batch_set_dword(struct fm_registry_batch *batch, const char *path, const char *name,
                                 uint32_t value, bool keep);
/* false: a path or a name was impossible; *bad is it (borrowed from the batch). */
bool fm_registry_batch_commit(struct fm_registry_batch *batch, const char **bad);

/* A file of at most limit bytes, g_free(); the byte after the last is 0. Sets FM_INF_ERROR_READ. */
char *fm_read_bounded_file(const char *path, size_t limit, size_t *ret_size, GError **error);
