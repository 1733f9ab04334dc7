/* SPDX-License-Identifier: MIT */
/* RtlQueryRegistryValues, and the share access of files. */
#include <fltKernel.h>
#include <glib.h>
#include <string.h>

#include "nt/registry.h"

#define KEY FM_SERVICES_KEY "\\Query"
#define assert_status(status, expected) g_assert_cmphex((ULONG)(status), ==, (ULONG)(expected))

static GString *seen;

static NTSTATUS note(PWSTR name, ULONG type, PVOID data, ULONG length, PVOID context, PVOID entry_context)
{
        g_assert_true(context == &seen);
        g_string_append_printf(seen, "%c%u:%u ", name ? (char)name[0] : '-', type, length);
        return STATUS_SUCCESS;
}

static NTSTATUS query(RTL_QUERY_REGISTRY_TABLE *table)
{
        g_string_truncate(seen, 0);
        return RtlQueryRegistryValues(RTL_REGISTRY_SERVICES, L"Query", table, &seen, NULL);
}

static void fill(void)
{
        static const WCHAR strings[] = L"one\0second\0";

        g_assert_true(fm_registry_set_string(KEY, "Text", "hello"));
        g_assert_true(fm_registry_set_dword(KEY, "Number", 42));
        g_assert_true(fm_registry_set(KEY, "Multi", REG_MULTI_SZ, strings, sizeof(strings)));
        g_assert_true(fm_registry_set_dword(KEY "\\Sub", "Inner", 7));
}

static void test_direct(void)
{
        WCHAR room[4];
        UNICODE_STRING text = {0}, small = {0, sizeof(room), room};
        ULONG number = 0, missing = 1, fallback = 9;
        RTL_QUERY_REGISTRY_TABLE table[] = {
                {NULL, RTL_QUERY_REGISTRY_DIRECT, (PWSTR)L"Text", &text, REG_NONE, NULL, 0},
                {NULL, RTL_QUERY_REGISTRY_DIRECT | RTL_QUERY_REGISTRY_TYPECHECK, (PWSTR)L"Number", &number,
                 (ULONG)REG_DWORD << RTL_QUERY_REGISTRY_TYPECHECK_SHIFT, NULL, 0},
                {NULL, RTL_QUERY_REGISTRY_DIRECT, (PWSTR)L"Missing", &missing, REG_DWORD, &fallback, sizeof(fallback)},
                {0},
        };

        assert_status(query(table), STATUS_SUCCESS);
        g_assert_cmpuint(text.Length, ==, 10);
        g_assert_cmpint(memcmp(text.Buffer, L"hello", 12), ==, 0);
        ExFreePool(text.Buffer);
        g_assert_cmpuint(number, ==, 42);
        g_assert_cmpuint(missing, ==, 9);

        table[0].EntryContext = &small;
        assert_status(query(table), STATUS_BUFFER_TOO_SMALL);
        table[0] = (RTL_QUERY_REGISTRY_TABLE){NULL, RTL_QUERY_REGISTRY_DIRECT | RTL_QUERY_REGISTRY_TYPECHECK,
                                              (PWSTR)L"Text", &number,
                                              (ULONG)REG_DWORD << RTL_QUERY_REGISTRY_TYPECHECK_SHIFT, NULL, 0};
        assert_status(query(table), STATUS_OBJECT_TYPE_MISMATCH);
        table[0] = (RTL_QUERY_REGISTRY_TABLE){NULL, RTL_QUERY_REGISTRY_DIRECT | RTL_QUERY_REGISTRY_REQUIRED,
                                              (PWSTR)L"Missing", &number, REG_NONE, NULL, 0};
        assert_status(query(table), STATUS_OBJECT_NAME_NOT_FOUND);
        table[0] = (RTL_QUERY_REGISTRY_TABLE){note, RTL_QUERY_REGISTRY_DIRECT, (PWSTR)L"Text", &text, 0, NULL, 0};
        assert_status(query(table), STATUS_INVALID_PARAMETER);
}

static void test_routine(void)
{
        RTL_QUERY_REGISTRY_TABLE table[] = {
                {note, 0, (PWSTR)L"Multi", NULL, REG_NONE, NULL, 0},
                {note, RTL_QUERY_REGISTRY_NOEXPAND, (PWSTR)L"Multi", NULL, REG_NONE, NULL, 0},
                {note, 0, (PWSTR)L"Absent", NULL, REG_NONE, NULL, 0},
                {NULL, RTL_QUERY_REGISTRY_SUBKEY, (PWSTR)L"Sub", NULL, REG_NONE, NULL, 0},
                {note, 0, (PWSTR)L"Inner", NULL, REG_NONE, NULL, 0},
                {note, RTL_QUERY_REGISTRY_TOPKEY, NULL, NULL, REG_NONE, NULL, 0},
                {0},
        };

        assert_status(query(table), STATUS_SUCCESS);
        g_assert_cmpstr(seen->str, ==, "M1:8 M1:14 M7:24 I4:4 T1:12 N4:4 M1:8 M1:14 ");
        table[3].Name = (PWSTR)L"Nowhere";
        assert_status(query(table), STATUS_OBJECT_NAME_NOT_FOUND);
        assert_status(RtlQueryRegistryValues(RTL_REGISTRY_SERVICES, L"Nobody", table, NULL, NULL),
                      STATUS_OBJECT_NAME_NOT_FOUND);
}

static void test_share(void)
{
        FILE_OBJECT reader = {0}, writer = {0}, nobody = {0};
        SHARE_ACCESS share;

        IoSetShareAccess(FILE_READ_DATA, FILE_SHARE_READ, &reader, &share);
        g_assert_cmpuint(share.OpenCount, ==, 1);
        /* The reader forbids writers; the other way round, too. */
        assert_status(IoCheckShareAccess(FILE_WRITE_DATA, FILE_SHARE_READ, &writer, &share, TRUE),
                      STATUS_SHARING_VIOLATION);
        assert_status(IoCheckShareAccess(FILE_READ_DATA, 0, &writer, &share, TRUE), STATUS_SHARING_VIOLATION);
        assert_status(IoCheckShareAccess(FILE_READ_ATTRIBUTES, 0, &nobody, &share, TRUE), STATUS_SUCCESS);
        g_assert_cmpuint(share.OpenCount, ==, 1);
        IoRemoveShareAccess(&nobody, &share);
        IoRemoveShareAccess(&reader, &share);
        g_assert_cmpuint(share.OpenCount, ==, 0);
        assert_status(IoCheckShareAccess(FILE_WRITE_DATA, FILE_SHARE_READ | FILE_SHARE_WRITE, &writer, &share, FALSE),
                      STATUS_SUCCESS);
        g_assert_cmpuint(share.OpenCount, ==, 0);
        IoUpdateShareAccess(&writer, &share);
        g_assert_cmpuint(share.Writers, ==, 1);
        assert_status(IoCheckShareAccess(FILE_READ_DATA, FILE_SHARE_READ, &reader, &share, TRUE),
                      STATUS_SHARING_VIOLATION);
        assert_status(IoCheckShareAccess(FILE_READ_DATA, FILE_SHARE_WRITE, &reader, &share, TRUE), STATUS_SUCCESS);
        assert_status(IoCheckShareAccess(DELETE, FILE_SHARE_READ | FILE_SHARE_WRITE, &nobody, &share, TRUE),
                      STATUS_SHARING_VIOLATION);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        seen = g_string_new(NULL);
        fill();
        g_test_add_func("/nt/query/direct", test_direct);
        g_test_add_func("/nt/query/routine", test_routine);
        g_test_add_func("/nt/share-access", test_share);
        return g_test_run();
}
