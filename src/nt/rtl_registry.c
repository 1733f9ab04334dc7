/* SPDX-License-Identifier: MIT */
/* The registry helpers of Rtl: a path relative to a well-known key, one value at a time. */
#include <fltKernel.h>
#include <glib.h>
#include <stdbool.h>
#include <stdlib.h>

#include "nt/crt.h"
#include "nt/regkey.h"
#include "nt/registry.h"
#include "nt/unicode.h"
#include "nt/verifier.h"

/* The path in UTF-8, or NULL: RelativeTo is not one of those below, or a handle. */
static char *full_path(ULONG relative, PCWSTR path)
{
        static const char *const roots[] = {
                [RTL_REGISTRY_ABSOLUTE] = "",
                [RTL_REGISTRY_SERVICES] = "\\Registry\\Machine\\System\\CurrentControlSet\\Services\\",
                [RTL_REGISTRY_CONTROL] = "\\Registry\\Machine\\System\\CurrentControlSet\\Control\\",
                [RTL_REGISTRY_WINDOWS_NT] =
                        "\\Registry\\Machine\\Software\\Microsoft\\Windows NT\\CurrentVersion\\",
        };
        ULONG root = relative & ~RTL_REGISTRY_OPTIONAL;
        char *tail;
        char *whole;

        if (root >= G_N_ELEMENTS(roots) || !path) {
                fm_not_supported("registry helpers relative to a handle or an unusual key");
                return NULL;
        }
        tail = fm_utf8_from_utf16(path, fm_wcslen(path));
        whole = tail ? g_strconcat(roots[root], tail, NULL) : NULL;
        free(tail);
        return whole;
}

NTSTATUS fm_registry_open_relative(ULONG relative, PCWSTR path, bool create, struct fm_key **ret)
{
        g_autofree char *whole = full_path(relative, path);

        if (!whole)
                return STATUS_INVALID_PARAMETER;
        switch (fm_key_open(NULL, whole, create, ret, NULL)) {
        case FM_KEY_OK:
                return STATUS_SUCCESS;
        case FM_KEY_NOT_FOUND:
                return STATUS_OBJECT_NAME_NOT_FOUND;
        default:
                return STATUS_OBJECT_NAME_INVALID;
        }
}

/* STATUS_SUCCESS: it is there. */
NTSTATUS RtlCheckRegistryKey(ULONG RelativeTo, PWSTR Path)
{
        struct fm_key *key;
        NTSTATUS status = fm_registry_open_relative(RelativeTo, Path, false, &key);

        if (NT_SUCCESS(status))
                fm_key_unref(key);
        return status;
}

NTSTATUS RtlCreateRegistryKey(ULONG RelativeTo, PWSTR Path)
{
        struct fm_key *key;
        NTSTATUS status = fm_registry_open_relative(RelativeTo, Path, true, &key);

        if (NT_SUCCESS(status))
                fm_key_unref(key);
        return status;
}

NTSTATUS RtlWriteRegistryValue(ULONG RelativeTo, PCWSTR Path, PCWSTR ValueName, ULONG ValueType,
                               PVOID ValueData, ULONG ValueLength)
{
        struct fm_key *key;
        NTSTATUS status = fm_registry_open_relative(RelativeTo, Path, true, &key);
        char *name;

        if (!NT_SUCCESS(status))
                return status;
        name = fm_utf8_from_utf16(ValueName ? ValueName : L"", ValueName ? fm_wcslen(ValueName) : 0);
        if (!name || fm_key_set(key, name, ValueType, ValueData, ValueLength) != FM_KEY_OK)
                status = STATUS_INVALID_PARAMETER;
        free(name);
        fm_key_unref(key);
        return status;
}

NTSTATUS RtlDeleteRegistryValue(ULONG RelativeTo, PCWSTR Path, PCWSTR ValueName)
{
        struct fm_key *key;
        NTSTATUS status = fm_registry_open_relative(RelativeTo, Path, false, &key);
        char *name;

        if (!NT_SUCCESS(status))
                return status;
        name = fm_utf8_from_utf16(ValueName, fm_wcslen(ValueName));
        if (!name || fm_key_remove_value(key, name) != FM_KEY_OK)
                status = STATUS_OBJECT_NAME_NOT_FOUND;
        free(name);
        fm_key_unref(key);
        return status;
}
