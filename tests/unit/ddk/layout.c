/* SPDX-License-Identifier: MIT */
/* The contract's structures have the layouts that they have on Windows. */
#include <fltKernel.h>
#include <glib.h>
#include <ntdddisk.h>

static const struct {
        const char *what;
        size_t is, should_be;
} rows[] = {
#define SIZE(Type, Bytes) { "sizeof(" #Type ")", sizeof(Type), Bytes },
#define OFFSET(Type, Field, Bytes) { #Type "." #Field, offsetof(Type, Field), Bytes },
#include "layout.h"
#undef SIZE
#undef OFFSET
};

static void test_layouts(void)
{
        g_assert_cmpuint(G_N_ELEMENTS(rows), >, 400);
        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
                if (rows[i].is == rows[i].should_be)
                        continue;
                g_test_message("%s is %zu, should be %zu", rows[i].what, rows[i].is, rows[i].should_be);
                g_test_fail();
        }
}

/* Filters rely on these. */
static void test_equivalences(void)
{
#define SAME(A, B) g_assert_cmpuint(offsetof(FLT_PARAMETERS, A), ==, offsetof(FLT_PARAMETERS, B))
        SAME(SetFileInformation.FileInformationClass, QueryFileInformation.FileInformationClass);
        SAME(DirectoryControl.QueryDirectory.Length, DirectoryControl.NotifyDirectory.Length);
        SAME(DirectoryControl.QueryDirectory.DirectoryBuffer, DirectoryControl.NotifyDirectory.DirectoryBuffer);
        SAME(DirectoryControl.QueryDirectory.MdlAddress, DirectoryControl.NotifyDirectory.MdlAddress);
        SAME(Read.MdlAddress, Write.MdlAddress);
        SAME(FileSystemControl.Common.FsControlCode, DeviceIoControl.Common.IoControlCode);
#undef SAME
        g_assert_cmpuint(sizeof(FLT_PARAMETERS), ==, 5 * sizeof(PVOID) + sizeof(LARGE_INTEGER));
}

static void test_values(void)
{
        g_assert_cmpint(FileAllInformation, ==, 18);
        g_assert_cmpint(FileNetworkOpenInformation, ==, 34);
        g_assert_cmpint(FileIdBothDirectoryInformation, ==, 37);
        g_assert_cmpint(FileNormalizedNameInformation, ==, 48);
        g_assert_cmpint(FileIdInformation, ==, 59);
        g_assert_cmpint(FileDispositionInformationEx, ==, 64);
        g_assert_cmpint(FileStatInformation, ==, 68);
        g_assert_cmpint(FileStatLxInformation, ==, 70);
        g_assert_cmpint(FileCaseSensitiveInformation, ==, 71);
        g_assert_cmpint(FileStatBasicInformation, ==, 77);
        g_assert_cmpint(FileFsSectorSizeInformation, ==, 11);
        g_assert_cmpint(FLT_FSTYPE_NTFS, ==, 2);
        g_assert_cmpint(FLT_FSTYPE_CSVFS, ==, 27);
        g_assert_cmpint(FLT_PREOP_SYNCHRONIZE, ==, 5);
        g_assert_cmpint(IRP_MJ_ACQUIRE_FOR_SECTION_SYNCHRONIZATION, ==, 0xff);
        g_assert_cmpint(IRP_MJ_VOLUME_DISMOUNT, ==, 0xec);
        g_assert_cmpint(FILE_GENERIC_READ, ==, 0x120089);
        g_assert_cmpint(FILE_GENERIC_WRITE, ==, 0x120116);
        g_assert_cmpint(FILE_GENERIC_EXECUTE, ==, 0x1200a0);
        g_assert_cmpint(FLT_PORT_ALL_ACCESS, ==, 0x1f0001);
        g_assert_cmphex(KEY_READ, ==, 0x20019);
        g_assert_cmphex(FSCTL_GET_OBJECT_ID, ==, 0x9009c);
        g_assert_cmphex(FSCTL_SET_ZERO_DATA, ==, 0x980c8);
        g_assert_cmphex(FSCTL_GET_REPARSE_POINT, ==, 0x900a8);
        g_assert_cmphex(FSCTL_SET_REPARSE_POINT, ==, 0x900a4);
        g_assert_cmphex(FSCTL_OFFLOAD_WRITE, ==, 0x98268);
        g_assert_cmphex(FSCTL_REQUEST_OPLOCK, ==, 0x90240);
        g_assert_cmphex((ULONG)STATUS_FLT_DO_NOT_ATTACH, ==, 0xC01C000F);
        g_assert_cmphex((ULONG)STATUS_VIRUS_INFECTED, ==, 0xC0000906);
        g_assert_false(NT_SUCCESS(STATUS_BUFFER_OVERFLOW));
        g_assert_true(NT_WARNING(STATUS_BUFFER_OVERFLOW));
        g_assert_true(NT_ERROR(STATUS_ACCESS_DENIED));
        g_assert_true(NT_SUCCESS(STATUS_TIMEOUT));
        g_assert_true(NT_SUCCESS(STATUS_PENDING));
        g_assert_true(NT_SUCCESS(STATUS_REPARSE));
        /* Of these there are copies about that are wrong. */
        g_assert_cmphex(FLT_SECTION_CONTEXT, ==, 0x0040);
        g_assert_cmphex(FLT_FILE_NAME_SHORT, ==, 3);
        g_assert_cmphex(FILE_DEVICE_CD_ROM, ==, 2);
        g_assert_cmphex(FILE_DEVICE_CD_ROM_FILE_SYSTEM, ==, 3);
        /* Bits that mean something else with another major. */
        g_assert_cmphex(SL_OPEN_TARGET_DIRECTORY, ==, SL_WRITE_THROUGH);
        g_assert_cmphex(SL_INDEX_SPECIFIED, ==, SL_WRITE_THROUGH);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/ddk/layout/layouts", test_layouts);
        g_test_add_func("/ddk/layout/equivalences", test_equivalences);
        g_test_add_func("/ddk/layout/values", test_values);
        return g_test_run();
}
