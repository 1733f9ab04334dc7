/* SPDX-License-Identifier: MIT */
/*
 * What describes a filter, and comes from wherever the filter comes from: the first byte of the input says whether
 * the rest is an INF or a key file. What was understood is in the registry and can be read there as a filter reads
 * it; what was not has left no trace. Altitudes found on the way are in order.
 */
#include <fltKernel.h>
#include <sys/mman.h>

#include "fltmgr/altitude.h"
#include "nt/inf.h"
#include "nt/keyfile.h"
#include "nt/registry.h"
#include "nt/regkey.h"
#include "nt/unicode.h"
#include "program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every value, into a buffer that is too small and into one that is not, each of just that size. */
static void read_values(HANDLE key)
{
        static const KEY_VALUE_INFORMATION_CLASS classes[] = {
                KeyValueBasicInformation, KeyValueFullInformation, KeyValuePartialInformation,
        };
        NTSTATUS status = STATUS_SUCCESS;

        for (ULONG i = 0; status != STATUS_NO_MORE_ENTRIES; i++) {
                KEY_VALUE_INFORMATION_CLASS class = classes[i % G_N_ELEMENTS(classes)];
                g_autofree void *small = g_malloc(16), *large = NULL;
                ULONG needed = 0, again = 0;

                status = ZwEnumerateValueKey(key, i, class, small, 16, &needed);
                if (status != STATUS_BUFFER_TOO_SMALL && status != STATUS_BUFFER_OVERFLOW)
                        continue;
                large = g_malloc(needed);
                status = ZwEnumerateValueKey(key, i, class, large, needed, &again);
                require(status == STATUS_SUCCESS && again == needed, "a value does not fit where it said it would");
        }
}

static void read_key(HANDLE parent, PUNICODE_STRING name, unsigned depth)
{
        OBJECT_ATTRIBUTES attributes;
        HANDLE key;

        require(depth <= FM_KEY_DEPTH_LIMIT, "keys lie too deep");
        InitializeObjectAttributes(&attributes, name, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, parent, NULL);
        require(NT_SUCCESS(ZwOpenKey(&key, KEY_READ, &attributes)), "a key that is there can't be opened");
        read_values(key);
        for (ULONG i = 0;; i++) {
                union {
                        KEY_BASIC_INFORMATION information;
                        char room[sizeof(KEY_BASIC_INFORMATION) + 2 * FM_KEY_NAME_LIMIT * sizeof(WCHAR)];
                } buffer;
                UNICODE_STRING child;
                ULONG needed;

                if (!NT_SUCCESS(ZwEnumerateKey(key, i, KeyBasicInformation, &buffer, sizeof(buffer), &needed)))
                        break;
                child.Buffer = buffer.information.Name;
                child.Length = child.MaximumLength = (USHORT)buffer.information.NameLength;
                read_key(key, &child, depth + 1);
        }
        ZwClose(key);
}

static void compare(const char *a, const char *b)
{
        int order = fm_altitude_compare(a, b);

        require((order < 0) == (fm_altitude_compare(b, a) > 0) && (order == 0) == (fm_altitude_compare(b, a) == 0),
                "two altitudes are in no order");
}

/* Those of the service's instances, and each line of the input that could be one. */
static void check_altitudes(const char *service, const char *text)
{
        g_autofree char *instances = g_strconcat(FM_SERVICES_KEY "\\", service, "\\Instances", NULL);
        g_auto(GStrv) keys = service ? fm_registry_list_keys(instances) : NULL, lines = g_strsplit(text, "\n", 64);
        g_autoptr(GPtrArray) altitudes = g_ptr_array_new_with_free_func(g_free);

        for (unsigned i = 0; keys && keys[i]; i++) {
                g_autofree char *path = g_strconcat(instances, "\\", keys[i], NULL);
                char *altitude = fm_registry_get_string(path, "Altitude"); /* malloc'd: as GLib's */

                if (altitude)
                        g_ptr_array_add(altitudes, altitude);
        }
        for (unsigned i = 0; lines[i]; i++)
                g_ptr_array_add(altitudes, g_strdup(lines[i]));
        for (unsigned i = 0; i < altitudes->len; i++)
                if (!fm_altitude_is_valid(altitudes->pdata[i]))
                        g_ptr_array_remove_index_fast(altitudes, i--);
        for (unsigned i = 1; i < altitudes->len; i++) {
                compare(altitudes->pdata[i - 1], altitudes->pdata[i]);
                require(fm_altitude_compare(altitudes->pdata[i], altitudes->pdata[i]) == 0,
                        "an altitude is not its own");
        }
}

static bool load_keyfile(const uint8_t *data, size_t size, struct fm_service *service, GError **error)
{
        static int file = -1;
        g_autofree char *path = NULL;

        if (file < 0)
                file = memfd_create("fuzz", MFD_CLOEXEC);
        require(ftruncate(file, 0) == 0 && pwrite(file, data, size, 0) == (ssize_t)size, "no memory");
        path = g_strdup_printf("/proc/self/fd/%d", file);
        return fm_keyfile_load(path, service, error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        g_autofree char *text = NULL;
        g_autoptr(GError) error = NULL;
        struct fm_service service;
        UNICODE_STRING root;
        bool loaded;

        if (size < 1)
                return 0;
        loaded = data[0] & 1 ? load_keyfile(data + 1, size - 1, &service, &error)
                             : fm_inf_load_data("fuzz.inf", data + 1, size - 1, &service, &error);
        require(loaded != !!error, "neither loaded nor refused");
        if (loaded) {
                g_autofree char *key = g_strconcat(FM_SERVICES_KEY "\\", service.name, NULL);

                require(*service.name && !strpbrk(service.name, "/\\"), "not a service name");
                require(*service.image && !strpbrk(service.image, "/\\"), "not a file name");
                require(fm_registry_has_key(key), "no key for the service");
                RtlInitUnicodeString(&root, L"\\Registry\\Machine");
                read_key(NULL, &root, 1);
        } else {
                require(!fm_registry_has_key("\\Registry\\Machine") && !fm_registry_has_key("\\Registry\\User"),
                        "the registry was changed in vain");
        }
        text = g_strndup((const char *)data + 1, size - 1);
        check_altitudes(service.name, text);
        fm_service_clear(&service);
        fm_registry_delete_tree("\\Registry\\Machine");
        fm_registry_delete_tree("\\Registry\\User");
        return 0;
}
