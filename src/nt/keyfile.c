/* SPDX-License-Identifier: MIT */
/* A filter's key file into the registry: the same values as its INF would make. */
#include "nt/keyfile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "nt/regbatch.h"
#include "nt/registry.h"

static char *get_value(GKeyFile *file, const char *key, const char *absent)
{
        /* Raw: a backslash in a path is no escape. */
        char *value = g_key_file_get_value(file, "Service", key, NULL);

        return value && *g_strstrip(value) ? value : (g_free(value), g_strdup(absent));
}

static bool parse_dword(const char *text, uint32_t *ret)
{
        unsigned long long value;
        char *end;

        if (!g_ascii_isdigit(*text))
                return false;
        errno = 0;
        value = strtoull(text, &end, text[0] == '0' && (text[1] == 'x' || text[1] == 'X') ? 16 : 10);
        if (errno || *end || value > UINT32_MAX)
                return false;
        *ret = (uint32_t)value;
        return true;
}

static bool set_parameter(struct fm_registry_batch *batch, const char *path, const char *key,
                          const char *value)
{
        uint32_t number;

        if (g_str_has_prefix(value, "multi:")) {
                g_auto(GStrv) strings = g_strsplit(value + 6, ";", -1);

                fm_registry_batch_set_strings(batch, path, key, strings, false);
        } else if (g_str_has_prefix(value, "dword:")) {
                if (!parse_dword(value + 6, &number))
                        return false;
                fm_registry_batch_set_dword(batch, path, key, number, false);
        } else if (g_str_has_prefix(value, "sz:")) {
                fm_registry_batch_set_string(batch, path, key, REG_SZ, value + 3, false);
        } else if (parse_dword(value, &number)) {
                fm_registry_batch_set_dword(batch, path, key, number, false);
        } else {
                fm_registry_batch_set_string(batch, path, key, REG_SZ, value, false);
        }
        return true;
}

static bool set_parameters(struct fm_registry_batch *batch, GKeyFile *file, const char *service_key,
                           const char *name, GError **error)
{
        g_autofree char *path = g_strconcat(service_key, "\\Parameters", NULL);
        g_auto(GStrv) keys = g_key_file_get_keys(file, "Parameters", NULL, NULL);

        fm_registry_batch_set(batch, path, NULL, 0, NULL, 0, false);
        for (size_t i = 0; keys && keys[i]; i++) {
                g_autofree char *value = g_key_file_get_value(file, "Parameters", keys[i], NULL);

                if (!set_parameter(batch, path, keys[i], value)) {
                        g_set_error(error, FM_INF_ERROR, FM_INF_ERROR_VALUE,
                                    "%s: [Parameters] %s: not a number: %s", name, keys[i], value);
                        return false;
                }
        }
        return true;
}

static void set_instance(struct fm_registry_batch *batch, const char *service_key, const char *parent,
                         const char *instance, const char *altitude, uint32_t flags)
{
        g_autofree char *instances = g_strconcat(service_key, "\\", parent, NULL);
        g_autofree char *path = g_strconcat(instances, "\\", instance, NULL);

        fm_registry_batch_set_string(batch, instances, "DefaultInstance", REG_SZ, instance, false);
        fm_registry_batch_set_string(batch, path, "Altitude", REG_SZ, altitude, false);
        fm_registry_batch_set_dword(batch, path, "Flags", flags, false);
}

static bool is_plain_name(const char *name)
{
        return *name && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && !strpbrk(name, "/\\");
}

static bool set_service(struct fm_registry_batch *batch, GKeyFile *file, const char *path,
                        struct fm_service *service, GError **error)
{
        g_autofree char *altitude = get_value(file, "Altitude", "");
        g_autofree char *group = get_value(file, "LoadOrderGroup", "");
        g_autofree char *flags_text = get_value(file, "Flags", "0");
        g_autofree char *default_image = g_strconcat(service->name, ".sys", NULL);
        g_autofree char *default_instance = g_strconcat(service->name, " Instance", NULL);
        g_autofree char *instance = get_value(file, "InstanceName", default_instance);
        g_autofree char *key = g_strconcat(FM_SERVICES_KEY "\\", service->name, NULL);
        g_autofree char *image_path = NULL;
        char *depend[] = {(char *)"FltMgr", NULL};
        uint32_t flags;

        service->image = get_value(file, "Image", default_image);
        if (!is_plain_name(service->image) || !is_plain_name(instance)) {
                g_set_error(error, FM_INF_ERROR, FM_INF_ERROR_VALUE,
                            "%s: [Service] Image and InstanceName are plain names", path);
                return false;
        }
        if (!*altitude) {
                g_set_error(error, FM_INF_ERROR, FM_INF_ERROR_MISSING, "%s: [Service] has no Altitude", path);
                return false;
        }
        if (!parse_dword(flags_text, &flags)) {
                g_set_error(error, FM_INF_ERROR, FM_INF_ERROR_VALUE, "%s: [Service] Flags: not a number: %s",
                            path, flags_text);
                return false;
        }
        image_path = g_strconcat("System32\\DRIVERS\\", service->image, NULL);
        fm_registry_batch_set_string(batch, key, "ImagePath", REG_EXPAND_SZ, image_path, false);
        fm_registry_batch_set_dword(batch, key, "Type", 2, false);
        fm_registry_batch_set_dword(batch, key, "Start", 3, false);
        fm_registry_batch_set_dword(batch, key, "ErrorControl", 1, false);
        if (*group)
                fm_registry_batch_set_string(batch, key, "Group", REG_SZ, group, false);
        fm_registry_batch_set_strings(batch, key, "DependOnService", depend, false);
        set_instance(batch, key, "Instances", instance, altitude, flags);
        set_instance(batch, key, "Parameters\\Instances", instance, altitude, flags);
        return set_parameters(batch, file, key, path, error);
}

static bool load(const char *path, struct fm_service *service, GError **error)
{
        g_autoptr(GKeyFile) file = g_key_file_new();
        g_autoptr(GError) parse_error = NULL;
        struct fm_registry_batch batch;
        g_autofree char *data = NULL;
        const char *bad;
        size_t size;
        bool done;

        data = fm_read_bounded_file(path, FM_INF_SIZE_LIMIT, &size, error);
        if (!data)
                return false;
        if (size == 0 || !g_key_file_load_from_data(file, data, size, G_KEY_FILE_NONE, &parse_error)) {
                g_set_error(error, FM_INF_ERROR, FM_INF_ERROR_SYNTAX, "%s: %s", path,
                            parse_error ? parse_error->message : "empty");
                return false;
        }
        service->name = get_value(file, "Name", "");
        if (!is_plain_name(service->name)) {
                g_set_error(error, FM_INF_ERROR, FM_INF_ERROR_MISSING, "%s: no [Service] section with a Name",
                            path);
                return false;
        }
        fm_registry_batch_init(&batch);
        done = set_service(&batch, file, path, service, error);
        if (done && !fm_registry_batch_commit(&batch, &bad)) {
                g_set_error(error, FM_INF_ERROR, FM_INF_ERROR_VALUE, "%s: not a registry path: %s", path,
                            bad);
                done = false;
        }
        fm_registry_batch_deinit(&batch);
        return done;
}

bool fm_keyfile_load(const char *path, struct fm_service *ret, GError **error)
{
        memset(ret, 0, sizeof(*ret));
        if (load(path, ret, error))
                return true;
        fm_service_clear(ret);
        return false;
}
