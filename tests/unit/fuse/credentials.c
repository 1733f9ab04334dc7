/* SPDX-License-Identifier: MIT */
/* A thread that begins while its creator acts for somebody acts for itself: our rights, none of his groups. */
#include "fuse/credentials.h"

#include <fcntl.h>
#include <glib.h>
#include <grp.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct fm_caller somebody = {.uid = 65534, .gid = 65534};
static char *closed; /* a file that nobody may read but who may all */

static void check_is_itself(void)
{
        int fd;

        g_assert_cmpint(setfsuid((uid_t)-1), ==, 0);
        g_assert_cmpint(setfsgid((gid_t)-1), ==, 0);
        g_assert_cmpint(getgroups(0, NULL), ==, 0);
        fd = open(closed, O_RDONLY);
        g_assert_cmpint(fd, >=, 0);
        close(fd);
}

static gpointer worker(gpointer data)
{
        fm_credentials_enter_thread();
        check_is_itself();
        fm_credentials_enter(NULL);
        check_is_itself();
        fm_credentials_enter(&somebody);
        g_assert_cmpint(open(closed, O_RDONLY), ==, -1);
        return NULL;
}

/* One that serves no requests, as filters have them. */
static gpointer other(gpointer data)
{
        fm_credentials_enter(NULL);
        check_is_itself();
        return NULL;
}

static gpointer creator(gpointer data)
{
        const gid_t his = 4242;

        fm_credentials_enter(&somebody);
        g_assert_cmpint((int)syscall(SYS_setgroups, 1, &his), ==, 0);
        g_thread_join(g_thread_new("worker", worker, NULL));
        g_thread_join(g_thread_new("other", other, NULL));
        g_assert_cmpint(setfsuid((uid_t)-1), ==, 65534);
        return NULL;
}

static void test_new_thread(void)
{
        if (geteuid() != 0) {
                g_test_skip("needs root, to act for somebody else");
                return;
        }
        close(g_file_open_tmp("fltsim-credentials-XXXXXX", &closed, NULL));
        g_assert_cmpint(chmod(closed, 0), ==, 0);
        fm_credentials_init();
        g_thread_join(g_thread_new("creator", creator, NULL));
        unlink(closed);
        g_free(closed);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/fuse/credentials/new-thread", test_new_thread);
        return g_test_run();
}
