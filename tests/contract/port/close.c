/* SPDX-License-Identifier: MIT */
/*
 * The agent's end of a connection: CloseHandle returns when the filter has heard of it, as on Windows, and whoever
 * connects next finds the place free.
 *
 *   DisconnectNotify has run when CloseHandle returns, and the next
 *     connect gets in                                                /close/synchronous
 *   with calls inside MessageNotify: after them                      /close/inside-call
 *   a slow DisconnectNotify: CloseHandle waits                       /close/slow-disconnect
 *   with threads in FilterGetMessage                                 /close/receivers
 *   one of several handles: nothing ends                             /close/duplicate, /close/inherited
 *   after the filter has closed it: once all the same                /close/kicked
 *   without a descriptor left: it ends a moment later                /close/out-of-descriptors
 *   MaxConnections reached, by one who has left: the next waits for
 *     DisconnectNotify, and gets in                                  /reconnect/killed, /reconnect/slow-disconnect
 *   the filter forgets FltCloseClientPort, or closes the port
 *     meanwhile: it does not wait for ever                           /reconnect/forgotten, /reconnect/port-closed
 *   one who is still there: 0x800704D6 at once                       /reconnect/full
 *   somebody in MessageNotify for one who has left: the same         agents.c, /agents/dies/inside-call
 */
#include <string.h>

#include "fixture.h"

#define FULL 0x800704D6

static void set_up(struct scene *scene, gconstpointer unused)
{
        scene_open(scene, 1);
}

static unsigned disconnects(struct scene *scene)
{
        unsigned count;

        pthread_mutex_lock(&fixture.lock);
        count = scene->link->disconnects;
        pthread_mutex_unlock(&fixture.lock);
        return count;
}

static void forget_links(struct scene *scene)
{
        pthread_mutex_lock(&fixture.lock);
        memset(scene->port->links, 0, sizeof(scene->port->links)); /* there are only so many to write down */
        pthread_mutex_unlock(&fixture.lock);
}

static uint32_t start_connect(struct agent *agent, unsigned worker)
{
        return START(agent, REMOTE_CONNECT, .worker = worker, .flags = REMOTE_NULL_IN, NAME_DATA(PORT_NAME));
}

static uint32_t try_connect(struct agent *agent)
{
        return agent_finish(agent, start_connect(agent, 0))->hr;
}

static void test_synchronous(struct scene *scene, gconstpointer unused)
{
        for (unsigned i = 0; i < 50; i++) {
                g_assert_cmpuint(RUN(scene->agent, REMOTE_CLOSE, .handle = scene->handle)->hr, ==, 1);
                g_assert_cmpuint(disconnects(scene), ==, 1);
                forget_links(scene);
                scene->handle = agent_connect(scene->agent, scene->port, &scene->link);
        }
}

static void test_inside_call(struct scene *scene, gconstpointer unused)
{
        uint32_t call, close;

        scene->port->hold_calls = true;
        call = START(scene->agent, REMOTE_SEND, .handle = scene->handle, .worker = 1, .size = 1, TEXT_DATA("x"));
        WAIT_UNTIL(scene->link->inside == 1);
        close = START(scene->agent, REMOTE_CLOSE, .handle = scene->handle, .worker = 2);
        agent_wait_blocked(scene->agent, 2);
        g_assert_cmpuint(disconnects(scene), ==, 0);
        port_release(scene->port);
        g_assert_cmpuint(agent_finish(scene->agent, close)->hr, ==, 1);
        g_assert_cmpuint(disconnects(scene), ==, 1);
        agent_finish(scene->agent, call);
}

static void test_slow_disconnect(struct scene *scene, gconstpointer unused)
{
        uint32_t close;

        scene->port->hold_disconnects = true;
        close = START(scene->agent, REMOTE_CLOSE, .handle = scene->handle, .worker = 1);
        WAIT_UNTIL(scene->link->disconnecting == 1);
        agent_wait_blocked(scene->agent, 1);
        g_assert_false(agent_is_done(scene->agent, close));
        port_release(scene->port);
        g_assert_cmpuint(agent_finish(scene->agent, close)->hr, ==, 1);
        g_assert_cmpuint(disconnects(scene), ==, 1);
}

static void test_receivers(struct scene *scene, gconstpointer unused)
{
        for (unsigned i = 0; i < 20; i++) {
                uint32_t serials[3];

                for (unsigned n = 0; n < 3; n++) {
                        serials[n] = START(scene->agent, REMOTE_GET, .handle = scene->handle, .size = 80,
                                           .worker = 1 + n);
                        agent_wait_blocked(scene->agent, 1 + n);
                }
                g_assert_cmpuint(RUN(scene->agent, REMOTE_CLOSE, .handle = scene->handle)->hr, ==, 1);
                g_assert_cmpuint(disconnects(scene), ==, 1);
                for (unsigned n = 0; n < 3; n++)
                        assert_hex(agent_finish(scene->agent, serials[n])->hr, ==, 0x80070006);
                forget_links(scene);
                scene->handle = agent_connect(scene->agent, scene->port, &scene->link);
        }
}

static void test_duplicate(struct scene *scene, gconstpointer unused)
{
        uint64_t copy = RUN(scene->agent, REMOTE_DUPLICATE, .handle = scene->handle)->handle;

        RUN(scene->agent, REMOTE_CLOSE, .handle = scene->handle);
        g_assert_cmpuint(disconnects(scene), ==, 0);
        assert_hex(agent_send(scene->agent, copy, "x"), ==, 0);
        RUN(scene->agent, REMOTE_CLOSE, .handle = copy);
        g_assert_cmpuint(disconnects(scene), ==, 1);
}

/* A child that has it too: this process' last handle is not the connection's. */
static void test_inherited(struct scene *scene, gconstpointer unused)
{
        RUN(scene->agent, REMOTE_FORK);
        RUN(scene->agent, REMOTE_CLOSE, .handle = scene->handle);
        g_assert_cmpuint(disconnects(scene), ==, 0);
        assert_hex(try_connect(scene->agent), ==, FULL);
        RUN(scene->agent, REMOTE_FORK_END);
        assert_hex(try_connect(scene->agent), ==, 0);
}

static void test_kicked(struct scene *scene, gconstpointer unused)
{
        FltCloseClientPort(fixture.filter, &scene->link->client);
        g_assert_cmpuint(disconnects(scene), ==, 0);
        /* Nobody waits for an end that has not begun. */
        assert_hex(agent_send(scene->agent, scene->handle, "x"), ==, 0x80070006);
        g_assert_cmpuint(RUN(scene->agent, REMOTE_CLOSE, .handle = scene->handle)->hr, ==, 1);
        g_assert_cmpuint(disconnects(scene), ==, 1);
}

static void test_out_of_descriptors(struct scene *scene, gconstpointer unused)
{
        RUN(scene->agent, REMOTE_LIMIT, .size = 0);
        g_assert_cmpuint(RUN(scene->agent, REMOTE_CLOSE, .handle = scene->handle)->hr, ==, 1);
        WAIT_UNTIL(scene->link->disconnects == 1);
        RUN(scene->agent, REMOTE_LIMIT, .options = 1);
        assert_hex(try_connect(scene->agent), ==, 0);
}

/* Who sees it die may start the next one. */
static void test_killed(struct scene *scene, gconstpointer unused)
{
        for (unsigned i = 0; i < LINKS_MAX - 1; i++) {
                struct agent *next = agent_new();

                agent_kill(scene->agent);
                scene->agent = next;
                assert_hex(try_connect(next), ==, 0);
        }
}

static void test_slow_reconnect(struct scene *scene, gconstpointer unused)
{
        struct agent *next = agent_new();
        uint32_t connect;

        scene->port->hold_disconnects = true;
        agent_kill(g_steal_pointer(&scene->agent));
        WAIT_UNTIL(scene->link->disconnecting == 1);
        connect = start_connect(next, 1);
        agent_wait_blocked(next, 1);
        g_assert_false(agent_is_done(next, connect));
        port_release(scene->port);
        assert_hex(agent_finish(next, connect)->hr, ==, 0);
        agent_free(next);
}

static void test_forgotten(struct scene *scene, gconstpointer unused)
{
        struct agent *next = agent_new();
        uint32_t connect;

        scene->port->hold_disconnects = scene->port->keep_on_disconnect = true;
        agent_kill(g_steal_pointer(&scene->agent));
        WAIT_UNTIL(scene->link->disconnecting == 1);
        connect = start_connect(next, 1);
        agent_wait_blocked(next, 1);
        port_release(scene->port);
        assert_hex(agent_finish(next, connect)->hr, ==, FULL);
        assert_hex(try_connect(next), ==, FULL);
        FltCloseClientPort(fixture.filter, &scene->link->client);
        assert_hex(try_connect(next), ==, 0);
        agent_free(next);
}

static void test_port_closed(struct scene *scene, gconstpointer unused)
{
        struct agent *next = agent_new();
        uint32_t connect;

        scene->port->hold_disconnects = true;
        agent_kill(g_steal_pointer(&scene->agent));
        WAIT_UNTIL(scene->link->disconnecting == 1);
        connect = start_connect(next, 1);
        agent_wait_blocked(next, 1);
        FltCloseCommunicationPort(g_steal_pointer(&scene->port->server));
        assert_hex(agent_finish(next, connect)->hr, ==, 0x80070002);
        agent_free(next);
}

static void test_full(struct scene *scene, gconstpointer unused)
{
        struct agent *next = agent_new();

        for (unsigned i = 0; i < 20; i++)
                assert_hex(try_connect(next), ==, FULL);
        g_assert_cmpuint(scene->port->connects, ==, 1);
        agent_free(next);
}

static void add(const char *path, void (*test)(struct scene *, gconstpointer))
{
        g_test_add(path, struct scene, NULL, set_up, test, scene_tear_down);
}

static void add_tests(void)
{
        add("/close/synchronous", test_synchronous);
        add("/close/inside-call", test_inside_call);
        add("/close/slow-disconnect", test_slow_disconnect);
        add("/close/receivers", test_receivers);
        add("/close/duplicate", test_duplicate);
        add("/close/inherited", test_inherited);
        add("/close/kicked", test_kicked);
        add("/close/out-of-descriptors", test_out_of_descriptors);
        add("/reconnect/killed", test_killed);
        add("/reconnect/slow-disconnect", test_slow_reconnect);
        add("/reconnect/forgotten", test_forgotten);
        add("/reconnect/port-closed", test_port_closed);
        add("/reconnect/full", test_full);
}

int main(int argc, char **argv)
{
        return fixture_main(argc, argv, add_tests);
}
