/* SPDX-License-Identifier: MIT */
/*
 * What an INF's sections mean: the service, and the registry values that come with it.
 *
 * Only what the installation of a minifilter uses is read: DefaultInstall in its decorated forms, its
 * Services section with one AddService, and the AddReg sections that these name.
 */
#include "nt/inf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "nt/infparse.h"
#include "nt/regbatch.h"
#include "nt/registry.h"

#define ADDREG_BINVALUETYPE   0x00000001u
#define ADDREG_NOCLOBBER      0x00000002u
#define ADDREG_DELVAL         0x00000004u
#define ADDREG_APPEND         0x00000008u
#define ADDREG_KEYONLY        0x00000010u
#define ADDREG_TYPE_MASK      (0xffff0000u | ADDREG_BINVALUETYPE)
#define ADDREG_TYPE_SZ        0x00000000u
#define ADDREG_TYPE_MULTI_SZ  0x00010000u
#define ADDREG_TYPE_EXPAND_SZ 0x00020000u
#define ADDREG_TYPE_BINARY    (0x00000000u | ADDREG_BINVALUETYPE)
#define ADDREG_TYPE_DWORD     (0x00010000u | ADDREG_BINVALUETYPE)

#define REGISTRY_LIMIT     (16 * 1024 * 1024) /* bytes; strings make a small file's values large */
#define SERVICE_NAME_LIMIT 256                /* as the service control manager has it */

void fm_service_clear(struct fm_service *service)
{
        g_clear_pointer(&service->name, g_free);
        g_clear_pointer(&service->image, g_free);
}

struct loader {
        struct fm_inf *inf;
        struct fm_registry_batch batch;
        struct fm_service service;
        char *service_key;
};

static void loader_deinit(struct loader *loader)
{
        fm_inf_free(loader->inf);
        fm_registry_batch_deinit(&loader->batch);
        fm_service_clear(&loader->service);
        g_free(loader->service_key);
}

static void fail(GError **error, struct loader *loader, const struct fm_inf_line *line, int code,
                 const char *what, const char *value)
{
        g_set_error(error, FM_INF_ERROR, code, "%s:%u: %s%s%s", loader->inf->name, line->number, what,
                    value ? ": " : "", value ? value : "");
}

static void fail_missing(GError **error, struct loader *loader, const char *what)
{
        g_set_error(error, FM_INF_ERROR, FM_INF_ERROR_MISSING, "%s: %s", loader->inf->name, what);
}

/* Decimal or 0x hexadecimal; negative numbers wrap, as on Windows. */
static bool parse_number(const char *text, uint64_t limit, uint64_t *ret)
{
        bool negative = *text == '-';
        const char *digits = negative ? text + 1 : text;
        bool hex = digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X');
        char *end;

        if (!g_ascii_isxdigit(digits[0]))
                return false;
        errno = 0;
        *ret = strtoull(digits, &end, hex ? 16 : 10);
        if (errno || *end || *ret > limit)
                return false;
        if (negative)
                *ret = (0 - *ret) & limit;
        return true;
}

static bool field_number(struct loader *loader, const struct fm_inf_line *line, size_t index, uint32_t absent,
                         uint32_t *ret, GError **error)
{
        g_autofree char *text = fm_inf_field(loader->inf, line, index, error);
        uint64_t value;

        if (!text)
                return false;
        if (!*text) {
                *ret = absent;
                return true;
        }
        if (!parse_number(text, UINT32_MAX, &value)) {
                fail(error, loader, line, FM_INF_ERROR_VALUE, "not a number", text);
                return false;
        }
        *ret = (uint32_t)value;
        return true;
}

static bool check_signature(struct loader *loader, GError **error)
{
        const struct fm_inf_line *line = fm_inf_find(fm_inf_section(loader->inf, "Version"), "Signature");
        g_autofree char *signature = NULL;

        if (!line) {
                fail_missing(error, loader, "no [Version] section with a Signature: not an INF");
                return false;
        }
        /* The value has dollar signs, not percent signs; expanding it is a formality. */
        signature = fm_inf_field(loader->inf, line, 0, error);
        if (!signature)
                return false;
        if (g_ascii_strcasecmp(signature, "$Windows NT$") != 0 &&
            g_ascii_strcasecmp(signature, "$Chicago$") != 0) {
                fail(error, loader, line, FM_INF_ERROR_VALUE, "unknown Signature", signature);
                return false;
        }
        return true;
}

/*
 * [DefaultInstall.NTamd64], [DefaultInstall.NTamd64.10.0] and so on, [DefaultInstall.NT], [DefaultInstall]:
 * the first that is there, with the suffix.
 */
static const struct fm_inf_section *find_install_section(struct loader *loader, const char *suffix)
{
        static const char prefix[] = "DefaultInstall.NTamd64.";
        g_autofree char *exact = g_strconcat("DefaultInstall.NTamd64", suffix, NULL);
        g_autofree char *nt = g_strconcat("DefaultInstall.NT", suffix, NULL);
        g_autofree char *plain = g_strconcat("DefaultInstall", suffix, NULL);
        const struct fm_inf_section *section = fm_inf_section(loader->inf, exact);

        for (size_t i = 0; !section && i < loader->inf->sections->len; i++) {
                const struct fm_inf_section *candidate = loader->inf->sections->pdata[i];
                bool services;
                g_autofree char *lower = g_ascii_strdown(candidate->name, -1);

                services = g_str_has_suffix(lower, ".services");
                if (g_ascii_strncasecmp(candidate->name, prefix, sizeof(prefix) - 1) == 0 &&
                    services == (*suffix != 0))
                        section = candidate;
        }
        if (!section)
                section = fm_inf_section(loader->inf, nt);
        if (!section)
                section = fm_inf_section(loader->inf, plain);
        return section;
}

static char *registry_path(struct loader *loader, const struct fm_inf_line *line, const char *root,
                           const char *subkey, bool service, GError **error)
{
        const char *base;

        if (g_ascii_strcasecmp(root, "HKR") == 0 && service)
                base = loader->service_key;
        else if (g_ascii_strcasecmp(root, "HKLM") == 0)
                base = "\\Registry\\Machine";
        else if (g_ascii_strcasecmp(root, "HKCR") == 0)
                base = "\\Registry\\Machine\\Software\\Classes";
        else if (g_ascii_strcasecmp(root, "HKCU") == 0)
                base = "\\Registry\\User\\.Default";
        else if (g_ascii_strcasecmp(root, "HKU") == 0)
                base = "\\Registry\\User";
        else
                base = NULL;
        if (!base) {
                fail(error, loader, line, FM_INF_ERROR_VALUE,
                     g_ascii_strcasecmp(root, "HKR") == 0 ? "HKR means nothing outside a service's AddReg"
                                                          : "unknown registry root",
                     root);
                return NULL;
        }
        while (*subkey == '\\')
                subkey++;
        return *subkey ? g_strconcat(base, "\\", subkey, NULL) : g_strdup(base);
}

static bool add_bytes(struct loader *loader, const struct fm_inf_line *line, const char *path,
                      const char *name, uint32_t type, bool keep, GError **error)
{
        g_autoptr(GByteArray) bytes = g_byte_array_new();

        for (size_t i = 4; i < line->fields->len; i++) {
                g_autofree char *text = fm_inf_field(loader->inf, line, i, error);
                guint8 byte;
                char *end;
                unsigned long value;

                if (!text)
                        return false;
                if (!*text && i + 1 == line->fields->len)
                        break;
                errno = 0;
                value = strtoul(text, &end, 16); /* bytes are hexadecimal, with or without 0x */
                if (!g_ascii_isxdigit(*text) || *end || value > 0xff) {
                        fail(error, loader, line, FM_INF_ERROR_VALUE, "not a byte in hexadecimal", text);
                        return false;
                }
                byte = (guint8)value;
                g_byte_array_append(bytes, &byte, 1);
        }
        fm_registry_batch_set(&loader->batch, path, name, type, bytes->data, bytes->len, keep);
        return true;
}

static bool add_multi(struct loader *loader, const struct fm_inf_line *line, const char *path,
                      const char *name, bool append, GError **error)
{
        g_autoptr(GPtrArray) strings = g_ptr_array_new_with_free_func(g_free);

        for (size_t i = 4; i < line->fields->len; i++) {
                char *text = fm_inf_field(loader->inf, line, i, error);

                if (!text)
                        return false;
                g_ptr_array_add(strings, text);
        }
        g_ptr_array_add(strings, NULL);
        fm_registry_batch_set_strings(&loader->batch, path, name, (char **)strings->pdata, append);
        return true;
}

static bool add_value(struct loader *loader, const struct fm_inf_line *line, const char *path,
                      const char *name, uint32_t flags, GError **error)
{
        bool keep = (flags & ADDREG_NOCLOBBER) != 0;

        switch (flags & ADDREG_TYPE_MASK) {
        case ADDREG_TYPE_SZ:
        case ADDREG_TYPE_EXPAND_SZ: {
                g_autofree char *text = fm_inf_field(loader->inf, line, 4, error);

                if (!text)
                        return false;
                fm_registry_batch_set_string(
                        &loader->batch, path, name,
                        (flags & ADDREG_TYPE_MASK) == ADDREG_TYPE_SZ ? REG_SZ : REG_EXPAND_SZ, text, keep);
                return true;
        }
        case ADDREG_TYPE_MULTI_SZ:
                return add_multi(loader, line, path, name, (flags & ADDREG_APPEND) != 0, error);
        case ADDREG_TYPE_DWORD: {
                uint32_t value;

                if (line->fields->len > 5)
                        return add_bytes(loader, line, path, name, REG_DWORD, keep, error);
                if (!field_number(loader, line, 4, 0, &value, error))
                        return false;
                fm_registry_batch_set_dword(&loader->batch, path, name, value, keep);
                return true;
        }
        case ADDREG_TYPE_BINARY:
                return add_bytes(loader, line, path, name, REG_BINARY, keep, error);
        default:
                if (!(flags & ADDREG_BINVALUETYPE)) {
                        fail(error, loader, line, FM_INF_ERROR_VALUE, "unknown registry type in the flags",
                             NULL);
                        return false;
                }
                /* The upper half is the registry's own type number. */
                return add_bytes(loader, line, path, name, flags >> 16, keep, error);
        }
}

static bool add_registry_line(struct loader *loader, const struct fm_inf_line *line, bool service,
                              GError **error)
{
        g_autofree char *root = NULL;
        g_autofree char *subkey = NULL;
        g_autofree char *name = NULL;
        g_autofree char *path = NULL;
        uint32_t flags;

        if (line->key) {
                fail(error, loader, line, FM_INF_ERROR_SYNTAX, "a registry line has no '='", NULL);
                return false;
        }
        root = fm_inf_field(loader->inf, line, 0, error);
        if (!root)
                return false;
        subkey = fm_inf_field(loader->inf, line, 1, error);
        if (!subkey)
                return false;
        name = fm_inf_field(loader->inf, line, 2, error);
        if (!name || !field_number(loader, line, 3, 0, &flags, error))
                return false;
        path = registry_path(loader, line, root, subkey, service, error);
        if (!path)
                return false;
        if (flags & ADDREG_DELVAL) {
                fail(error, loader, line, FM_INF_ERROR_VALUE, "deleting a value is not supported", NULL);
                return false;
        }
        if ((flags & ADDREG_KEYONLY) || line->fields->len < 3) {
                fm_registry_batch_set(&loader->batch, path, NULL, 0, NULL, 0, false);
                return true;
        }
        return add_value(loader, line, path, name, flags, error);
}

/* All AddReg directives of a section, each of which may name several sections. */
static bool add_registry(struct loader *loader, const struct fm_inf_section *section, bool service,
                         GError **error)
{
        for (size_t i = 0; section && i < section->lines->len; i++) {
                const struct fm_inf_line *line = section->lines->pdata[i];

                if (!line->key || g_ascii_strcasecmp(line->key, "AddReg") != 0)
                        continue;
                for (size_t j = 0; j < line->fields->len; j++) {
                        g_autofree char *name = fm_inf_field(loader->inf, line, j, error);
                        const struct fm_inf_section *target;

                        if (!name)
                                return false;
                        target = fm_inf_section(loader->inf, name);
                        if (!target) {
                                fail(error, loader, line, FM_INF_ERROR_MISSING,
                                     "AddReg names a section that is not there", name);
                                return false;
                        }
                        for (size_t k = 0; k < target->lines->len; k++) {
                                if (!add_registry_line(loader, target->lines->pdata[k], service, error))
                                        return false;
                                if (loader->batch.bytes > REGISTRY_LIMIT ||
                                    loader->batch.changes->len > REGISTRY_LIMIT / 256) {
                                        fail(error, loader, line, FM_INF_ERROR_VALUE,
                                             "too many registry values", NULL);
                                        return false;
                                }
                        }
                }
        }
        return true;
}

static bool is_plain_name(const char *name)
{
        return *name && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && !strpbrk(name, "/\\") &&
               g_utf8_strlen(name, -1) <= SERVICE_NAME_LIMIT;
}

static bool read_image(struct loader *loader, const struct fm_inf_section *install, GError **error)
{
        const struct fm_inf_line *line = fm_inf_find(install, "ServiceBinary");
        g_autofree char *binary = NULL;
        g_autofree char *path = NULL;
        const char *image;

        if (!line) {
                g_set_error(error, FM_INF_ERROR, FM_INF_ERROR_MISSING, "%s:%u: [%s] has no ServiceBinary",
                            loader->inf->name, install->number, install->name);
                return false;
        }
        binary = fm_inf_field(loader->inf, line, 0, error);
        if (!binary)
                return false;
        image = strrchr(binary, '\\');
        image = image ? image + 1 : binary;
        if (!is_plain_name(image)) {
                fail(error, loader, line, FM_INF_ERROR_VALUE, "ServiceBinary does not end with a file name",
                     binary);
                return false;
        }
        loader->service.image = g_strdup(image);
        path = g_strconcat("System32\\DRIVERS\\", image, NULL);
        fm_registry_batch_set_string(&loader->batch, loader->service_key, "ImagePath", REG_EXPAND_SZ, path,
                                     false);
        return true;
}

static bool set_service_number(struct loader *loader, const struct fm_inf_section *install,
                               const char *directive, const char *value_name, uint32_t absent, GError **error)
{
        const struct fm_inf_line *line = fm_inf_find(install, directive);
        uint32_t value = absent;

        if (line && !field_number(loader, line, 0, absent, &value, error))
                return false;
        fm_registry_batch_set_dword(&loader->batch, loader->service_key, value_name, value, false);
        return true;
}

static bool set_service_string(struct loader *loader, const struct fm_inf_section *install,
                               const char *directive, const char *value_name, GError **error)
{
        const struct fm_inf_line *line = fm_inf_find(install, directive);
        g_autofree char *text = NULL;

        if (!line)
                return true;
        text = fm_inf_field(loader->inf, line, 0, error);
        if (!text)
                return false;
        if (*text)
                fm_registry_batch_set_string(&loader->batch, loader->service_key, value_name, REG_SZ, text,
                                             false);
        return true;
}

/* Services are listed as they are, load order groups with a '+': two values in the registry. */
static bool set_dependencies(struct loader *loader, const struct fm_inf_section *install, GError **error)
{
        const struct fm_inf_line *line = fm_inf_find(install, "Dependencies");
        g_autoptr(GPtrArray) services = g_ptr_array_new_with_free_func(g_free);
        g_autoptr(GPtrArray) groups = g_ptr_array_new_with_free_func(g_free);

        for (size_t i = 0; line && i < line->fields->len; i++) {
                g_autofree char *text = fm_inf_field(loader->inf, line, i, error);

                if (!text)
                        return false;
                if (*text == '+')
                        g_ptr_array_add(groups, g_strdup(text + 1));
                else if (*text)
                        g_ptr_array_add(services, g_strdup(text));
        }
        g_ptr_array_add(services, NULL);
        g_ptr_array_add(groups, NULL);
        if (services->len > 1)
                fm_registry_batch_set_strings(&loader->batch, loader->service_key, "DependOnService",
                                              (char **)services->pdata, false);
        if (groups->len > 1)
                fm_registry_batch_set_strings(&loader->batch, loader->service_key, "DependOnGroup",
                                              (char **)groups->pdata, false);
        return true;
}

static bool read_service(struct loader *loader, const struct fm_inf_line *add, GError **error)
{
        g_autofree char *name = fm_inf_field(loader->inf, add, 0, error);
        g_autofree char *section_name = NULL;
        const struct fm_inf_section *install;

        if (!name)
                return false;
        if (!is_plain_name(name)) {
                fail(error, loader, add, FM_INF_ERROR_VALUE, "not a service name", name);
                return false;
        }
        section_name = fm_inf_field(loader->inf, add, 2, error);
        if (!section_name)
                return false;
        install = fm_inf_section(loader->inf, section_name);
        if (!install) {
                fail(error, loader, add, FM_INF_ERROR_MISSING, "AddService names a section that is not there",
                     section_name);
                return false;
        }
        loader->service.name = g_strdup(name);
        loader->service_key = g_strconcat(FM_SERVICES_KEY "\\", name, NULL);
        return read_image(loader, install, error) &&
               set_service_number(loader, install, "ServiceType", "Type", 2, error) &&
               set_service_number(loader, install, "StartType", "Start", 3, error) &&
               set_service_number(loader, install, "ErrorControl", "ErrorControl", 1, error) &&
               set_service_string(loader, install, "DisplayName", "DisplayName", error) &&
               set_service_string(loader, install, "Description", "Description", error) &&
               set_service_string(loader, install, "LoadOrderGroup", "Group", error) &&
               set_dependencies(loader, install, error) && add_registry(loader, install, true, error);
}

static bool load(struct loader *loader, GError **error)
{
        const struct fm_inf_section *services;
        const struct fm_inf_line *add;
        const char *bad;

        if (!check_signature(loader, error))
                return false;
        services = find_install_section(loader, ".Services");
        if (!services) {
                fail_missing(error, loader,
                             "no [DefaultInstall.NTamd64.Services] or [DefaultInstall.Services] section");
                return false;
        }
        add = fm_inf_find(services, "AddService");
        if (!add) {
                g_set_error(error, FM_INF_ERROR, FM_INF_ERROR_MISSING, "%s:%u: [%s] has no AddService",
                            loader->inf->name, services->number, services->name);
                return false;
        }
        if (!read_service(loader, add, error) ||
            !add_registry(loader, find_install_section(loader, ""), false, error))
                return false;
        if (!fm_registry_batch_commit(&loader->batch, &bad)) {
                g_set_error(error, FM_INF_ERROR, FM_INF_ERROR_VALUE, "%s: not a registry path: %s",
                            loader->inf->name, bad);
                return false;
        }
        return true;
}

bool fm_inf_load_data(const char *name, const void *data, size_t size, struct fm_service *ret, GError **error)
{
        struct loader loader = {0};
        bool loaded = false;

        memset(ret, 0, sizeof(*ret));
        fm_registry_batch_init(&loader.batch);
        loader.inf = fm_inf_parse(name, data, size, error);
        if (loader.inf && load(&loader, error)) {
                *ret = loader.service;
                memset(&loader.service, 0, sizeof(loader.service));
                loaded = true;
        }
        loader_deinit(&loader);
        return loaded;
}

bool fm_inf_load(const char *path, struct fm_service *ret, GError **error)
{
        size_t size;
        g_autofree char *data = fm_read_bounded_file(path, FM_INF_SIZE_LIMIT, &size, error);

        memset(ret, 0, sizeof(*ret));
        return data && fm_inf_load_data(path, data, size, ret, error);
}
