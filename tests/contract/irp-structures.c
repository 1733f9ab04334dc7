/* SPDX-License-Identifier: MIT */
/* What Linux says in Windows' structures, and back: no mount needed. */
#include <fltKernel.h>
#include <glib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuse/fsd_ea.h"
#include "fuse/fsd_info.h"
#include "fuse/fsd_security.h"

static void test_security(void)
{
        const SECURITY_INFORMATION all =
                OWNER_SECURITY_INFORMATION | GROUP_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION;
        UCHAR buffer[FM_FSD_SECURITY_SIZE];
        struct fm_fsd_security security;
        mode_t mode;
        ULONG length;

        for (mode = 0; mode <= 0777; mode++) {
                length = fm_fsd_security_build(1000, 0xfffffffe, mode, all, buffer);
                g_assert_cmpuint(length, <=, sizeof(buffer));
                g_assert_true(fm_fsd_security_parse(buffer, all, &security));
                g_assert_cmpuint(security.uid, ==, 1000);
                g_assert_cmpuint(security.gid, ==, 0xfffffffe);
                g_assert_cmphex(security.mode, ==, mode);
        }
        /* Somebody whom Linux does not know owns nothing here. */
        length = fm_fsd_security_build(1, 1, 0644, OWNER_SECURITY_INFORMATION, buffer);
        buffer[20 + 7] = 5; /* S-1-5-... */
        g_assert_false(fm_fsd_security_parse(buffer, OWNER_SECURITY_INFORMATION, &security));
}

static void test_times(void)
{
        static const struct statx_timestamp times[] = {
                {.tv_sec = 0}, {.tv_sec = 1700000000, .tv_nsec = 123456700}, {.tv_sec = -11644473600}, {.tv_sec = -1}};
        unsigned i;

        g_assert_cmpint(fm_fsd_time(&times[0]), ==, 116444736000000000);
        for (i = 0; i < G_N_ELEMENTS(times); i++) {
                struct timespec back = fm_fsd_timespec(fm_fsd_time(&times[i]));

                g_assert_cmpint(back.tv_sec, ==, times[i].tv_sec);
                g_assert_cmpint(back.tv_nsec, ==, times[i].tv_nsec);
        }
}

static void test_ea_names(void)
{
        const char *name;

        g_assert_cmpuint(fm_fsd_ea_name("user.color", &name), ==, 5);
        g_assert_cmpstr(name, ==, "color");
        g_assert_cmpuint(fm_fsd_ea_name("user.", &name), ==, 0);
        g_assert_cmpuint(fm_fsd_ea_name("user.a:b", &name), ==, 0);
        g_assert_cmpuint(fm_fsd_ea_name("user.\xc3\xa4", &name), ==, 0);
        g_assert_cmpuint(fm_fsd_ea_name("security.selinux", &name), ==, 0);
}

static void test_ea_lists(void)
{
        UCHAR buffer[128] = {0};
        ULONG used = 0, last = 0, at = 0;
        const FILE_FULL_EA_INFORMATION *ea;
        bool valid;

        g_assert_true(fm_fsd_ea_append(buffer, sizeof(buffer), &used, &last, "one", 3, "1", 1));
        g_assert_true(fm_fsd_ea_append(buffer, sizeof(buffer), &used, &last, "second", 6, "22", 2));
        g_assert_false(fm_fsd_ea_append(buffer, sizeof(buffer), &used, &last, "x", 1, buffer, 100));
        ea = fm_fsd_ea_next(buffer, used, &at, &valid);
        g_assert_nonnull(ea);
        g_assert_cmpuint(ea->EaNameLength, ==, 3);
        ea = fm_fsd_ea_next(buffer, used, &at, &valid);
        g_assert_nonnull(ea);
        g_assert_cmpmem(ea->EaName + 7, ea->EaValueLength, "22", 2);
        g_assert_null(fm_fsd_ea_next(buffer, used, &at, &valid));
        g_assert_true(valid);

        /* Lists that lie about themselves. */
        at = 0;
        ((FILE_FULL_EA_INFORMATION *)buffer)->EaValueLength = 60000;
        g_assert_null(fm_fsd_ea_next(buffer, used, &at, &valid));
        g_assert_false(valid);
        at = 0;
        ((FILE_FULL_EA_INFORMATION *)buffer)->EaValueLength = 1;
        ((FILE_FULL_EA_INFORMATION *)buffer)->NextEntryOffset = 4096;
        g_assert_null(fm_fsd_ea_next(buffer, used, &at, &valid));
        g_assert_false(valid);
        at = 0;
        g_assert_null(fm_fsd_ea_next(buffer, 3, &at, &valid));
        g_assert_false(valid);
}

static void test_types(void)
{
        static const mode_t types[] = {S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO, S_IFCHR, S_IFBLK, S_IFSOCK};
        unsigned i;

        for (i = 0; i < G_N_ELEMENTS(types); i++) {
                struct statx st = {.stx_mode = (uint16_t)(types[i] | 0644)};

                g_assert_cmphex(fm_fsd_file_type(fm_fsd_attributes(&st), fm_fsd_reparse_tag(types[i])), ==,
                                types[i]);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/irp/structures/security", test_security);
        g_test_add_func("/irp/structures/times", test_times);
        g_test_add_func("/irp/structures/ea-names", test_ea_names);
        g_test_add_func("/irp/structures/ea-lists", test_ea_lists);
        g_test_add_func("/irp/structures/types", test_types);
        return g_test_run();
}
