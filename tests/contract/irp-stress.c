/* SPDX-License-Identifier: MIT */
/* A mount in full use while filters attach, detach, load and unload: nothing is lost, nothing is left. */
#include "irp-harness.h"
#include "stress-filters.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fltmgr/manager.h"

#define CALLERS 3
#define ROUNDS 300
#define LENGTH 10000

static _Atomic bool over;
static _Atomic uint64_t rounds_of_io;

static void check_file(const char *path, char fill)
{
        char buffer[LENGTH], expected[LENGTH];
        int fd = open(path, O_RDWR | O_CREAT, 0644);

        g_assert_cmpint(fd, >=, 0);
        memset(expected, fill, sizeof(expected));
        g_assert_cmpint((int)pwrite(fd, expected, sizeof(expected), 0), ==, LENGTH);
        g_assert_cmpint(fsync(fd), ==, 0);
        memset(buffer, 0, sizeof(buffer));
        g_assert_cmpint((int)pread(fd, buffer, sizeof(buffer), 0), ==, LENGTH);
        g_assert_cmpint(memcmp(buffer, expected, sizeof(buffer)), ==, 0);
        g_assert_cmpint(close(fd), ==, 0);
}

static gpointer call(gpointer number)
{
        g_autofree char *name = g_strdup_printf("file-%d", GPOINTER_TO_INT(number));
        g_autofree char *path = irp_in_mount(name);
        g_autofree char *renamed = g_strdup_printf("%s-renamed", path);
        struct stat st;

        for (unsigned i = 0; !atomic_load(&over); i++) {
                check_file(path, (char)('a' + i % 26));
                g_assert_cmpint(stat(path, &st), ==, 0);
                g_assert_cmpint((int)st.st_size, ==, LENGTH);
                g_assert_cmpint(rename(path, renamed), ==, 0);
                g_assert_cmpint(unlink(renamed), ==, 0);
                g_assert_cmpint(stat(path, &st), ==, -1);
                atomic_fetch_add(&rounds_of_io, 1);
        }
        return NULL;
}

static void come_and_go(PFLT_VOLUME volume, int i, int round)
{
        if (round % 3 == 2) {
                g_assert_cmphex((guint32)stress_unload(i), ==, STATUS_SUCCESS);
                g_assert_cmphex((guint32)stress_load(i), ==, STATUS_SUCCESS);
        } else {
                g_assert_cmphex((guint32)stress_detach(i, volume), ==, STATUS_SUCCESS);
                g_assert_cmphex((guint32)stress_attach(i, volume), ==, STATUS_SUCCESS);
        }
}

struct churn {
        PFLT_VOLUME volume;
        int filter;
};

/* Each round waits for some I/O, so that the filters meet it. */
static gpointer churn(gpointer opaque)
{
        struct churn *churn = opaque;

        for (int round = 0; round < ROUNDS; round++) {
                uint64_t before = atomic_load(&rounds_of_io);

                come_and_go(churn->volume, churn->filter, round);
                while (atomic_load(&rounds_of_io) < before + 1)
                        g_thread_yield();
        }
        return NULL;
}

static void load_all(void)
{
        for (int i = 0; i < STRESS_FILTERS; i++)
                g_assert_cmphex((guint32)stress_load(i), ==, STATUS_SUCCESS);
}

/* The filters attach to a volume that comes later at the first operation. */
static void use_volume(void)
{
        g_autofree char *path = irp_in_mount("first");

        check_file(path, 'x');
}

/* joined: the volume comes when the filters run already. */
static void check_come_and_go(bool joined)
{
        GThread *callers[CALLERS], *churners[STRESS_FILTERS];
        struct churn churns[STRESS_FILTERS];
        PFLT_VOLUME volume;

        stress_set_up();
        atomic_store(&over, false);
        if (joined)
                load_all();
        irp_set_up();
        irp_watch(0);
        volume = irp_instance()->volume;
        if (joined)
                use_volume();
        else
                load_all();
        for (int i = 0; i < CALLERS; i++)
                callers[i] = g_thread_new("caller", call, GINT_TO_POINTER(i));
        for (int i = 0; i < STRESS_FILTERS; i++) {
                churns[i] = (struct churn){ volume, i };
                churners[i] = g_thread_new("churner", churn, &churns[i]);
        }
        for (int i = 0; i < STRESS_FILTERS; i++)
                g_thread_join(churners[i]);
        atomic_store(&over, true);
        for (int i = 0; i < CALLERS; i++)
                g_thread_join(callers[i]);
        for (int i = 0; i < STRESS_FILTERS; i++)
                g_assert_cmphex((guint32)stress_unload(i), ==, STATUS_SUCCESS);
        stress_tear_down();
        irp_tear_down();
        stress_check();
}

static void test_come_and_go(void)
{
        check_come_and_go(false);
}

static void test_come_and_go_on_joined_volume(void)
{
        check_come_and_go(true);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        if (!irp_can_mount())
                return 0;
        g_test_add_func("/irp/come-and-go", test_come_and_go);
        g_test_add_func("/irp/come-and-go-on-joined-volume", test_come_and_go_on_joined_volume);
        return g_test_run();
}
