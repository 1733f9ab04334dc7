/* SPDX-License-Identifier: MIT */
/* The registry as filters use it: two calls for a value, keys below keys, and keys that have gone. */
#include <fltKernel.h>
#include <glib.h>

#include "nt/io.h"
#include "nt/object.h"
#include "nt/registry.h"

#define TOP "\\Registry\\Machine\\Software\\Test"

static HANDLE open_key(HANDLE root, const WCHAR *path, NTSTATUS expected)
{
        OBJECT_ATTRIBUTES attributes;
        UNICODE_STRING name;
        HANDLE key = NULL;

        RtlInitUnicodeString(&name, path);
        InitializeObjectAttributes(&attributes, &name, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, root, NULL);
        g_assert_cmphex(ZwOpenKey(&key, KEY_READ, &attributes), ==, expected);
        return key;
}

static void test_two_calls(void)
{
        UNICODE_STRING name;
        HANDLE key;
        ULONG size = 0;
        KEY_VALUE_PARTIAL_INFORMATION *info;
        KEY_VALUE_FULL_INFORMATION *full;

        fm_registry_set_string(TOP, "Text", "hello");
        key = open_key(NULL, L"\\Registry\\machine\\SOFTWARE\\Test", STATUS_SUCCESS);
        RtlInitUnicodeString(&name, L"text");
        g_assert_cmphex(ZwQueryValueKey(key, &name, KeyValuePartialInformation, NULL, 0, &size), ==,
                        STATUS_BUFFER_TOO_SMALL);
        g_assert_cmpuint(size, ==, 12 + 12);
        info = g_malloc(size);
        g_assert_cmphex(ZwQueryValueKey(key, &name, KeyValuePartialInformation, info, 14, &size), ==,
                        STATUS_BUFFER_OVERFLOW);
        g_assert_cmpuint(info->DataLength, ==, 12);
        g_assert_cmphex(ZwQueryValueKey(key, &name, KeyValuePartialInformation, info, size, &size), ==,
                        STATUS_SUCCESS);
        g_assert_cmpuint(info->Type, ==, REG_SZ);
        g_assert_cmpmem(info->Data, info->DataLength, L"hello", 12);
        g_free(info);
        g_assert_cmphex(ZwQueryValueKey(key, &name, KeyValueFullInformation, NULL, 0, &size), ==,
                        STATUS_BUFFER_TOO_SMALL);
        full = g_malloc(size);
        g_assert_cmphex(ZwEnumerateValueKey(key, 0, KeyValueFullInformation, full, size, &size), ==,
                        STATUS_SUCCESS);
        g_assert_cmpmem((char *)full + full->DataOffset, full->DataLength, L"hello", 12);
        g_assert_cmpmem(full->Name, full->NameLength, L"Text", 8);
        g_free(full);
        g_assert_cmphex(ZwEnumerateValueKey(key, 1, KeyValueFullInformation, NULL, 0, &size), ==,
                        STATUS_NO_MORE_ENTRIES);
        RtlInitUnicodeString(&name, L"absent");
        g_assert_cmphex(ZwQueryValueKey(key, &name, KeyValuePartialInformation, NULL, 0, &size), ==,
                        STATUS_OBJECT_NAME_NOT_FOUND);
        g_assert_cmphex(ZwClose(key), ==, STATUS_SUCCESS);
        fm_registry_delete_tree(TOP);
}

static void test_keys(void)
{
        HANDLE top, sub;
        OBJECT_ATTRIBUTES attributes;
        UNICODE_STRING name, value;
        ULONG disposition, size, number = 7;
        KEY_FULL_INFORMATION full;
        struct {
                KEY_BASIC_INFORMATION info;
                WCHAR more[32];
        } basic;

        fm_registry_create_key(TOP "\\b");
        fm_registry_create_key(TOP "\\a");
        top = open_key(NULL, L"\\Registry\\Machine\\Software\\Test", STATUS_SUCCESS);
        open_key(NULL, L"\\Registry\\Machine\\Software\\Nope", STATUS_OBJECT_NAME_NOT_FOUND);
        open_key(NULL, L"Registry\\Machine", STATUS_OBJECT_PATH_SYNTAX_BAD);
        open_key(top, L"\\a", STATUS_OBJECT_PATH_SYNTAX_BAD);
        open_key((HANDLE)(ULONG_PTR)4000, L"a", STATUS_INVALID_HANDLE);
        sub = open_key(top, L"A", STATUS_SUCCESS);
        g_assert_cmphex(ZwEnumerateKey(top, 0, KeyBasicInformation, &basic, sizeof(basic), &size), ==,
                        STATUS_SUCCESS);
        g_assert_cmpmem(basic.info.Name, basic.info.NameLength, L"b", 2);
        g_assert_cmphex(ZwEnumerateKey(top, 2, KeyBasicInformation, &basic, sizeof(basic), &size), ==,
                        STATUS_NO_MORE_ENTRIES);
        RtlInitUnicodeString(&value, L"Number");
        g_assert_cmphex(ZwSetValueKey(sub, &value, 0, REG_DWORD, &number, sizeof(number)), ==,
                        STATUS_SUCCESS);
        g_assert_cmphex(ZwQueryKey(sub, KeyFullInformation, &full, sizeof(full), &size), ==, STATUS_SUCCESS);
        g_assert_cmpuint(full.Values, ==, 1);
        g_assert_cmpuint(full.MaxValueNameLen, ==, 12);
        g_assert_cmphex(ZwDeleteKey(top), ==, STATUS_CANNOT_DELETE);

        RtlInitUnicodeString(&name, L"new");
        InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE, top, NULL);
        ZwClose(sub);
        g_assert_cmphex(ZwCreateKey(&sub, KEY_ALL_ACCESS, &attributes, 0, NULL, 0, &disposition), ==,
                        STATUS_SUCCESS);
        g_assert_cmpuint(disposition, ==, REG_CREATED_NEW_KEY);
        g_assert_cmphex(ZwDeleteKey(sub), ==, STATUS_SUCCESS);
        g_assert_cmphex(ZwSetValueKey(sub, &value, 0, REG_DWORD, &number, sizeof(number)), ==,
                        STATUS_KEY_DELETED);
        g_assert_cmphex(ZwQueryKey(sub, KeyFullInformation, &full, sizeof(full), &size), ==,
                        STATUS_KEY_DELETED);
        ZwClose(sub);
        /* A tree may go while a key of it is open. */
        sub = open_key(top, L"a", STATUS_SUCCESS);
        fm_registry_delete_tree(TOP);
        g_assert_cmphex(ZwQueryKey(sub, KeyFullInformation, &full, sizeof(full), &size), ==,
                        STATUS_KEY_DELETED);
        ZwClose(sub);
        ZwClose(top);
}

static void test_simple(void)
{
        g_auto(GStrv) keys = NULL;
        g_autoptr(GString) deep = g_string_new("\\Registry\\Machine");
        g_autofree char *long_name = g_strnfill(256, 'x');
        g_autofree char *long_path = g_strconcat(TOP, "\\", long_name, NULL);
        ULONG value;

        g_assert_false(fm_registry_create_key("Registry\\Machine"));
        g_assert_false(fm_registry_create_key("\\Device\\x"));
        g_assert_false(fm_registry_create_key("\\Registry\\\\x"));
        g_assert_false(fm_registry_create_key(long_path));
        g_assert_true(fm_registry_set_dword(TOP "\\x", "n", 5));
        g_assert_true(fm_registry_get_dword(TOP "\\X", "N", &value));
        g_assert_cmpuint(value, ==, 5);
        g_assert_null(fm_registry_get_string(TOP "\\x", "n"));
        g_assert_true(fm_registry_create_key(TOP "\\\xc3\x84"));
        g_assert_true(fm_registry_has_key(TOP "\\\xc3\xa4"));
        keys = fm_registry_list_keys(TOP);
        g_assert_cmpuint(g_strv_length(keys), ==, 2);
        g_assert_cmpstr(keys[0], ==, "x");
        for (int i = 0; i < 100; i++)
                g_string_append(deep, "\\d");
        g_assert_false(fm_registry_create_key(deep->str));
        fm_registry_delete_tree(TOP);
        g_assert_false(fm_registry_has_key(TOP "\\x"));
}

static void test_driver_key(void)
{
        PDRIVER_OBJECT driver = fm_driver_new("drv");
        UNICODE_STRING name;
        KEY_VALUE_PARTIAL_INFORMATION info;
        HANDLE key;
        ULONG size;

        g_assert_true(fm_registry_set_dword(FM_SERVICES_KEY "\\drv\\Parameters", "n", 9));
        g_assert_cmphex(IoOpenDriverRegistryKey(driver, DriverRegKeyParameters, KEY_READ, 0, &key), ==,
                        STATUS_SUCCESS);
        RtlInitUnicodeString(&name, L"n");
        g_assert_cmphex(ZwQueryValueKey(key, &name, KeyValuePartialInformation, &info, sizeof(info), &size),
                        ==, STATUS_SUCCESS);
        g_assert_cmpuint(*(PULONG)info.Data, ==, 9);
        ZwClose(key);
        fm_object_unref(driver);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/nt/registry/two-calls", test_two_calls);
        g_test_add_func("/nt/registry/keys", test_keys);
        g_test_add_func("/nt/registry/simple", test_simple);
        g_test_add_func("/nt/registry/driver-key", test_driver_key);
        return g_test_run();
}
