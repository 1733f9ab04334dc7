/* SPDX-License-Identifier: MIT */
/*
 * The registry's keys themselves, for the system calls and the loaders.
 *
 * A key lives as long as somebody refers to it; a deleted one stays readable by nobody and is out of the
 * tree. Everything handed out is a copy, so that no caller ever holds the registry's lock.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FM_KEY_NAME_LIMIT   255 /* characters, as on Windows; bytes are at most three times that */
#define FM_KEY_DEPTH_LIMIT  64
#define FM_VALUE_NAME_LIMIT 16383
#define FM_VALUE_SIZE_LIMIT (1024 * 1024)

struct fm_key;

struct fm_key_value {
        char *name; /* "" is the key's default value */
        uint32_t type;
        void *data;
        size_t size;
};

struct fm_key_info {
        char *name;
        uint32_t subkeys, values;
        size_t longest_subkey, longest_value_name; /* bytes of UTF-16 */
        size_t largest_value;
        int64_t last_write; /* 100 ns since 1601 */
};

enum fm_key_result {
        FM_KEY_OK,
        FM_KEY_NOT_FOUND,
        FM_KEY_BAD_NAME, /* not absolute, empty component, too long, too deep */
        FM_KEY_DELETED,
        FM_KEY_HAS_SUBKEYS,
        FM_KEY_TOO_LARGE,
};

void fm_key_value_clear(struct fm_key_value *value);
void fm_key_info_clear(struct fm_key_info *info);

/*
 * root NULL: path is absolute, from \Registry. Else path is relative to root; "" is root itself. create makes
 * what is missing. *ret is referenced. created may be NULL.
 */
enum fm_key_result fm_key_open(struct fm_key *root, const char *path, bool create, struct fm_key **ret,
                               bool *created);
struct fm_key *fm_key_ref(struct fm_key *key);
void fm_key_unref(struct fm_key *key); /* NULL is allowed */

enum fm_key_result fm_key_set(struct fm_key *key, const char *name, uint32_t type, const void *data,
                              size_t size);
enum fm_key_result fm_key_get(struct fm_key *key, const char *name, struct fm_key_value *ret);
enum fm_key_result fm_key_get_at(struct fm_key *key, size_t index, struct fm_key_value *ret);
enum fm_key_result fm_key_remove_value(struct fm_key *key, const char *name);
/* Info about the key, and about its subkey number index. */
enum fm_key_result fm_key_get_info(struct fm_key *key, struct fm_key_info *ret);
enum fm_key_result fm_key_get_subkey_info(struct fm_key *key, size_t index, struct fm_key_info *ret);
/* Only a key without subkeys can be deleted. */
enum fm_key_result fm_key_delete(struct fm_key *key);
char *fm_key_get_path(struct fm_key *key); /* g_free() */
