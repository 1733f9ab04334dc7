/* SPDX-License-Identifier: MIT */
/* Where a filter manager is found, and who may be one there. */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "wire/runtime.h"

static void test_rule(void)
{
        char *path, *expected;

        g_setenv("FLTSIM_RUNTIME_DIR", "/some/where", TRUE);
        path = fm_runtime_dir();
        g_assert_cmpstr(path, ==, "/some/where");
        free(path);
        path = fm_runtime_path(NULL, FM_RUNTIME_SOCKET);
        g_assert_cmpstr(path, ==, "/some/where/fltmgr.sock");
        free(path);
        g_assert_null(fm_runtime_candidate(1));

        g_unsetenv("FLTSIM_RUNTIME_DIR");
        g_setenv("XDG_RUNTIME_DIR", "/run/user/77", TRUE);
        path = fm_runtime_dir();
        g_assert_cmpstr(path, ==, geteuid() == 0 ? "/run/fltsim" : "/run/user/77/fltsim");
        free(path);
        g_unsetenv("XDG_RUNTIME_DIR");
        expected = geteuid() == 0 ? g_strdup("/run/fltsim") : g_strdup_printf("/tmp/fltsim-%u", geteuid());
        path = fm_runtime_dir();
        g_assert_cmpstr(path, ==, expected);
        free(path);
        path = fm_runtime_candidate(1);
        g_assert_cmpstr(path, ==, geteuid() == 0 ? NULL : "/run/fltsim");
        free(path);
        g_free(expected);
}

static void test_open(void)
{
        g_autofree char *base = g_dir_make_tmp("fltsim-XXXXXX", NULL);
        g_autofree char *dir = g_build_filename(base, "run", NULL), *link = g_build_filename(base, "link", NULL);
        struct stat st;
        int fd;

        fd = fm_runtime_open(dir, 0755);
        g_assert_cmpint(fd, >=, 0);
        g_assert_cmpint(fstat(fd, &st), ==, 0);
        g_assert_cmpint(st.st_mode & 0777, ==, 0755);
        close(fd);
        /* The mode of one that exists is its owner's business, as long as nobody else can write. */
        g_assert_cmpint(chmod(dir, 0700), ==, 0);
        fd = fm_runtime_open(dir, 0755);
        g_assert_cmpint(fd, >=, 0);
        close(fd);
        g_assert_cmpint(stat(dir, &st), ==, 0);
        g_assert_cmpint(st.st_mode & 0777, ==, 0700);

        g_assert_cmpint(chmod(dir, 0720), ==, 0);
        g_assert_cmpint(fm_runtime_open(dir, 0755), ==, -EPERM);
        g_assert_cmpint(chmod(dir, 0700), ==, 0);
        g_assert_cmpint(symlink(dir, link), ==, 0);
        g_assert_cmpint(fm_runtime_open(link, 0755), ==, -ENOTDIR);
        if (geteuid() == 0) {
                g_assert_cmpint(chown(dir, 1, 1), ==, 0);
                g_assert_cmpint(fm_runtime_open(dir, 0755), ==, -EPERM);
        }
        unlink(link);
        rmdir(dir);
        rmdir(base);
}

static void test_lock(void)
{
        g_autofree char *dir = g_dir_make_tmp("fltsim-XXXXXX", NULL);
        g_autofree char *file = g_build_filename(dir, FM_RUNTIME_LOCK, NULL);
        int fd = fm_runtime_open(dir, 0700), lock, again;
        pid_t owner = 0;

        lock = fm_runtime_lock(fd, &owner);
        g_assert_cmpint(lock, >=, 0);
        g_assert_cmpint(fm_runtime_lock(fd, &owner), ==, -EBUSY);
        g_assert_cmpint(owner, ==, getpid());
        close(lock);
        again = fm_runtime_lock(fd, &owner);
        g_assert_cmpint(again, >=, 0);
        close(again);
        close(fd);
        unlink(file);
        rmdir(dir);
}

static void test_address(void)
{
        struct sockaddr_un address;
        char path[200];

        g_assert_cmpint(fm_runtime_address("/run/fltsim", &address), >, 0);
        g_assert_cmpstr(address.sun_path, ==, "/run/fltsim/fltmgr.sock");
        memset(path, 'x', sizeof(path) - 1);
        path[sizeof(path) - 1] = 0;
        g_assert_cmpint(fm_runtime_address(path, &address), ==, -ENAMETOOLONG);
        g_assert_cmpint(fm_runtime_check("/nonexistent"), ==, -ENOENT);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/wire/runtime/rule", test_rule);
        g_test_add_func("/wire/runtime/open", test_open);
        g_test_add_func("/wire/runtime/lock", test_lock);
        g_test_add_func("/wire/runtime/address", test_address);
        return g_test_run();
}
