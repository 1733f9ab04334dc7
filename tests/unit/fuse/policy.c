/* SPDX-License-Identifier: MIT */
/* Which of a mount's options are ours, and that the kernel gets the others as they were. */
#include "fuse/policy.h"

#include <errno.h>
#include <glib.h>

static void test_rows(void)
{
        static const struct {
                const char *list, *rest;
                bool classic, each;
        } rows[] = {
                {NULL, NULL, false, false},
                {"", NULL, false, false},
                {"noexec,nosuid", "noexec,nosuid", false, false},
                {"unlink=classic", NULL, true, false},
                {"noexec,unlink=classic,nosuid", "noexec,nosuid", true, false},
                {"cleanup=every-flush,unlink=classic", NULL, true, true},
                {"unlink=classic,unlink=posix", NULL, false, false},
                {"cleanup=every-flush,cleanup=dirty", NULL, false, false},
                {"unlink", "unlink", false, false},
                {"unlinks=classic", "unlinks=classic", false, false},
                {"fsname=a\\,b,max_read=4096", "fsname=a\\,b,max_read=4096", false, false},
        };

        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
                struct fm_session_options options = {0};
                g_autofree char *rest = NULL, *error = NULL;

                g_assert_cmpint(fm_policy_parse(rows[i].list, &options, &rest, &error), ==, 0);
                g_assert_cmpstr(rest, ==, rows[i].rest);
                g_assert_cmpint(options.classic_unlink, ==, rows[i].classic);
                g_assert_cmpint(options.cleanup_each_flush, ==, rows[i].each);
        }
}

static void test_wrong(void)
{
        static const char *const lists[] = {"unlink=", "unlink=Classic", "noexec,cleanup=never"};

        for (unsigned i = 0; i < G_N_ELEMENTS(lists); i++) {
                struct fm_session_options options = {0};
                g_autofree char *rest = NULL, *error = NULL;

                g_assert_cmpint(fm_policy_parse(lists[i], &options, &rest, &error), ==, -EINVAL);
                g_assert_nonnull(error);
                g_assert_null(rest);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/fuse/policy/rows", test_rows);
        g_test_add_func("/fuse/policy/wrong", test_wrong);
        return g_test_run();
}
