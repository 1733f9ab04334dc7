/* SPDX-License-Identifier: MIT */
/* The server as a whole: its directory, its socket, limits, many reconnects. */
#include <errno.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"
#include "port/server.h"
#include "port/session.h"

static void test_one_manager(void)
{
        char *error = NULL, *expected;
        pid_t child;
        int status;

        fixture_start();
        child = fork();
        if (child == 0)
                _exit(fm_port_server_start(fixture.directory, &error) == -EBUSY && error ? 0 : 1);
        g_assert_cmpint(waitpid(child, &status, 0), ==, child);
        g_assert_cmpint(status, ==, 0);
        expected = g_build_filename(fixture.directory, "fltmgr.lock", NULL);
        g_assert_true(g_file_test(expected, G_FILE_TEST_EXISTS));
        g_free(expected);
        client_free(client_new_connected(true));
        fixture_wait(&fixture.disconnects, 1);
        fixture_stop();
}

static void test_bad_directory(void)
{
        g_autofree char *base = g_dir_make_tmp("fltsim-XXXXXX", NULL);
        g_autofree char *missing = g_build_filename(base, "a", "b", NULL),
                        *link = g_build_filename(base, "l", NULL);
        char *error = NULL;

        g_assert_cmpint(fm_port_server_start(missing, &error), ==, -ENOENT);
        g_assert_nonnull(strstr(error, missing));
        free(error);
        g_assert_cmpint(symlink(base, link), ==, 0);
        g_assert_cmpint(fm_port_server_start(link, &error), ==, -ENOTDIR);
        g_assert_nonnull(strstr(error, "FLTSIM_RUNTIME_DIR"));
        free(error);
        g_assert_cmpint(chmod(base, 0777), ==, 0);
        g_assert_cmpint(fm_port_server_start(base, &error), ==, -EPERM);
        free(error);
        unlink(link);
        g_assert_cmpint(rmdir(base), ==, 0);
        fm_port_server_stop();
}

static void test_socket_rights(void)
{
        g_autofree char *path = NULL;
        struct stat st;

        fixture_start();
        path = g_build_filename(fixture.directory, "fltmgr.sock", NULL);
        g_assert_cmpint(stat(path, &st), ==, 0);
        g_assert_true(S_ISSOCK(st.st_mode));
        g_assert_cmpint(st.st_mode & 0777, ==, geteuid() == 0 ? 0666 : 0600);
        fixture_stop();
}

static void test_wait_client(void)
{
        struct pollfd poll_fd = { .events = POLLIN };
        struct client *client;

        fixture_start();
        poll_fd.fd = fm_port_server_client_fd();
        g_assert_false(fm_port_server_wait_client(0));
        /* One that was refused is none. */
        client = client_new_greeted();
        g_assert_cmpint(client_connect(client, L"\\None", true, NULL, 0), ==, STATUS_OBJECT_NAME_NOT_FOUND);
        client_free(client);
        g_assert_false(fm_port_server_wait_client(1));
        g_assert_cmpint(poll(&poll_fd, 1, 0), ==, 0);
        client = client_new_connected(true);
        g_assert_true(fm_port_server_wait_client(-1));
        g_assert_cmpint(poll(&poll_fd, 1, 0), ==, 1);
        client_free(client);
        fixture_wait(&fixture.disconnects, 1);
        g_assert_true(fm_port_server_wait_client(0));
        fixture_stop();
}

/* The connection lives as long as the last descriptor of it, in whichever process. */
static void test_duplicate(void)
{
        struct sending sending = { .payload = "x", .length = 1, .wants_reply = true, .reply_length = 4 };
        struct client *client;
        struct fm_taken taken;
        bool poke = false;
        char byte;
        int copy;

        fixture_start();
        client = client_new_connected(true);
        copy = dup(client->fd);
        close(client->fd);
        client->fd = copy;
        sending_start(&sending);
        g_assert_true(client_take(client, &byte, 1, &taken));
        g_assert_cmpint(fm_ring_reply(&client->ring, taken.message_id, 0, "y", 1, &poke), ==, 0);
        g_assert_cmpint(sending_join(&sending), ==, STATUS_SUCCESS);
        g_assert_cmpuint(fixture.disconnects, ==, 0);
        client_free(client);
        fixture_wait(&fixture.disconnects, 1);
        fixture_stop();
}

static unsigned count_entries(const char *path)
{
        g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
        unsigned count = 0;

        while (g_dir_read_name(dir))
                count++;
        return count;
}

/* Who comes and goes leaves nothing: neither descriptors nor mappings. */
static void test_reconnects(void)
{
        unsigned fds_before = 0, fds, maps_before = 0, maps, rounds = 600;

        fixture_start();
        for (unsigned i = 0; i < rounds; i++) {
                struct client *client = client_new_connected(i % 2), *channel = client_new_channel(client);

                g_assert_cmpint(client_call(channel, "abc", 3, 3), ==, STATUS_SUCCESS);
                client_free(client);
                client_free(channel);
                fixture_wait(&fixture.disconnects, i + 1);
                if (i == 100) {
                        fds_before = count_entries("/proc/self/fd");
                        maps_before = count_entries("/proc/self/map_files");
                }
        }
        g_assert_cmpuint(fixture.connects, ==, rounds);
        fds = count_entries("/proc/self/fd");
        maps = count_entries("/proc/self/map_files");
        /* What the last one had may still be on its way out. */
        g_assert_cmpuint(fds, <=, fds_before + 20);
        g_assert_cmpuint(maps, <=, maps_before + 60);
        fixture_stop();
}

/* One user's sockets are bounded, and those beyond are told so. */
static void test_too_many(void)
{
        static struct client *clients[FM_SESSIONS_PER_USER_MAX];
        struct rlimit limit;
        struct client *refused;

        /* Both ends are in this process. */
        g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &limit), ==, 0);
        limit.rlim_cur = limit.rlim_max;
        g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &limit), ==, 0);
        if (limit.rlim_cur < 2 * FM_SESSIONS_PER_USER_MAX + 100) {
                g_test_skip("too few file descriptors");
                return;
        }
        fixture_start();
        for (unsigned i = 0; i < G_N_ELEMENTS(clients); i++)
                clients[i] = client_new_greeted();
        refused = client_new();
        g_assert_cmpuint(client_receive(refused), ==, FM_FRAME_GOODBYE);
        g_assert_cmpint(refused->frame.goodbye.status, ==, STATUS_INSUFFICIENT_RESOURCES);
        client_free(refused);
        for (unsigned i = 0; i < G_N_ELEMENTS(clients); i++)
                client_free(clients[i]);
        fixture_stop();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/port/server/one-manager", test_one_manager);
        g_test_add_func("/port/server/bad-directory", test_bad_directory);
        g_test_add_func("/port/server/socket-rights", test_socket_rights);
        g_test_add_func("/port/server/wait-client", test_wait_client);
        g_test_add_func("/port/server/duplicate", test_duplicate);
        g_test_add_func("/port/server/reconnects", test_reconnects);
        g_test_add_func("/port/server/too-many", test_too_many);
        return g_test_run();
}
