/* SPDX-License-Identifier: MIT */
/*
 * The registry: a tree of keys in memory, filled by the loader from an INF or a key file, read by
 * filters through ZwOpenKey, ZwQueryValueKey, IoOpenDriverRegistryKey and their relatives.
 *
 * Paths are UTF-8, from \Registry\Machine\..., compared without case.
 */
#pragma once

#include <fltKernel.h>
#include <stdbool.h>
#include <stddef.h>

#define FM_SERVICES_KEY "\\Registry\\Machine\\System\\CurrentControlSet\\Services"

/* Creates the key and its parents. false: the path is not absolute. */
bool fm_registry_create_key(const char *path);
/* Creates the key too. data is copied. type: REG_SZ (UTF-16, with NUL), REG_DWORD ... */
bool fm_registry_set(const char *path, const char *name, ULONG type, const void *data, size_t size);
bool fm_registry_set_string(const char *path, const char *name, const char *utf8);
bool fm_registry_set_dword(const char *path, const char *name, ULONG value);
/* Copies UTF-8 of a REG_SZ or REG_EXPAND_SZ; malloc'd; NULL: no such value or not a string. */
char *fm_registry_get_string(const char *path, const char *name);
bool fm_registry_get_dword(const char *path, const char *name, ULONG *ret);
bool fm_registry_has_key(const char *path);
/* Names of the subkeys in creation order: NULL-terminated, g_strfreev(). */
char **fm_registry_list_keys(const char *path);
void fm_registry_delete_tree(const char *path);

struct fm_key;
/* For the registry helpers of Rtl: the key that RelativeTo and Path mean, referenced. */
NTSTATUS fm_registry_open_relative(ULONG relative, PCWSTR path, bool create, struct fm_key **ret);
