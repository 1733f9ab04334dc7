/* SPDX-License-Identifier: MIT */
/*
 * Agents that die, sleep, forget or are late, in every state; and what goes wrong in the field.
 *
 *   dies before it receives                                          /agents/dies/before-get
 *   dies holding a message: every sender is released at once         /agents/dies/holding
 *   dies while it copies a message, while it replies                 /agents/dies/receiving, /agents/dies/replying
 *   dies inside MessageNotify                                        /agents/dies/inside-call
 *   dies while it connects                                           /agents/dies/connecting, /agents/dies/refused
 *   dies inside DisconnectNotify                                     close.c, /reconnect/slow-disconnect
 *   is stopped in each state; goes on                                /agents/stopped/before-get,
 *                                                                    /agents/stopped/holding,
 *                                                                    /agents/stopped/replying,
 *                                                                    /agents/stopped/receiving,
 *                                                                    /agents/stopped/inside-call,
 *                                                                    /agents/stopped/connecting
 *   is stopped, then dies                                            /agents/stopped/dies
 *   has no descriptors left                                          /agents/out-of-descriptors; resources.c
 *   has no memory left                                               resources.c
 *   forgets a reply: only that sender waits                          /agents/forgets
 *   replies late: 0x801F0020, the next messages flow                 /agents/late
 *   all receivers are busy: senders queue, none is starved           /agents/busy
 *   a multi-threaded agent is one process                            /agents/one-process
 *   reconnects: no descriptor, no thread, no memory is left behind   /agents/reconnects
 *
 * After each, the slot is used again (MaxConnections is 1), DisconnectNotify has run once, and no MessageNotify was
 * inside or came later (port_free()). Unload under load: callbacks.c. Re-entering file operations: tests/system.
 */
#include <dirent.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"
#include "wire/ring.h"

#define LARGE (4u << 20)

static void set_up(struct scene *scene, gconstpointer unused)
{
        scene_open(scene, 1);
}

static void tear_down(struct scene *scene, gconstpointer unused)
{
        if (!scene->agent)
                scene_connect(scene);
        scene_exchange(scene);
        scene_tear_down(scene, NULL);
}

/* The agent is dead: DisconnectNotify comes, and the slot is free for the next. */
static void kill_agent(struct scene *scene)
{
        agent_kill(g_steal_pointer(&scene->agent));
}

static void wait_gone(struct scene *scene)
{
        WAIT_UNTIL(scene->link->disconnects == 1);
        pthread_mutex_lock(&fixture.lock);
        memset(scene->link, 0, sizeof(*scene->link)); /* there are only so many to write down */
        pthread_mutex_unlock(&fixture.lock);
}

static void stop_agent(struct scene *scene)
{
        siginfo_t info;

        g_assert_cmpint(kill(scene->agent->pid, SIGSTOP), ==, 0);
        g_assert_cmpint(waitid(P_PID, scene->agent->pid, &info, WSTOPPED | WNOWAIT), ==, 0);
}

static void continue_agent(struct scene *scene)
{
        g_assert_cmpint(kill(scene->agent->pid, SIGCONT), ==, 0);
}

static void dies_before_get(struct scene *scene, gconstpointer unused)
{
        struct sender senders[3];

        for (unsigned i = 0; i < 3; i++) {
                senders[i] = (struct sender){ .link = scene->link, .payload = "x", .length = 1 };
                sender_start(&senders[i]);
                sender_wait_blocked(&senders[i]);
        }
        kill_agent(scene);
        for (unsigned i = 0; i < 3; i++)
                assert_hex(sender_join(&senders[i]), ==, STATUS_PORT_DISCONNECTED);
        wait_gone(scene);
}

static void dies_holding(struct scene *scene, gconstpointer unused)
{
        char replies[10][8];
        struct sender senders[10];

        for (unsigned i = 0; i < 10; i++) {
                senders[i] = (struct sender){
                        .link = scene->link, .payload = "x", .length = 1, .reply = replies[i], .reply_length = 8,
                };
                sender_start(&senders[i]);
                RUN(scene->agent, REMOTE_GET, .handle = scene->handle, .size = 80);
        }
        kill_agent(scene);
        for (unsigned i = 0; i < 10; i++)
                assert_hex(sender_join(&senders[i]), ==, STATUS_PORT_DISCONNECTED);
        wait_gone(scene);
}

/* Large enough that the end comes now before, now during, now after the copying. */
static void dies_copying(struct scene *scene, bool replying)
{
        g_autofree uint8_t *payload = g_malloc0(LARGE), *reply = g_malloc0(LARGE);

        for (unsigned i = 0; i < 12; i++) {
                struct sender sender = {
                        .link = scene->link, .payload = payload, .length = replying ? 1 : LARGE, .reply = reply,
                        .reply_length = LARGE,
                };
                NTSTATUS status;

                sender_start(&sender);
                if (replying) {
                        RUN(scene->agent, REMOTE_GET, .handle = scene->handle, .size = 80);
                        START(scene->agent, REMOTE_REPLY, .handle = scene->handle, .id = 1, .size = 16 + LARGE,
                              .flags = REMOTE_PATTERN);
                } else {
                        START(scene->agent, REMOTE_GET, .handle = scene->handle, .size = 16 + LARGE);
                }
                for (unsigned n = 0; n < i * 4; n++)
                        g_thread_yield();
                kill_agent(scene);
                status = sender_join(&sender);
                if (status == STATUS_SUCCESS && replying)
                        g_assert_cmpuint(remote_pattern_length(reply, LARGE), ==, LARGE);
                else
                        assert_hex(status, ==, STATUS_PORT_DISCONNECTED);
                wait_gone(scene);
                scene_connect(scene);
        }
}

static void dies_receiving(struct scene *scene, gconstpointer unused)
{
        dies_copying(scene, false);
}

static void dies_replying(struct scene *scene, gconstpointer unused)
{
        dies_copying(scene, true);
}

static void dies_inside_call(struct scene *scene, gconstpointer unused)
{
        struct agent *next = agent_new();
        struct link *link = scene->link;

        scene->port->hold_calls = true;
        START(scene->agent, REMOTE_SEND, .handle = scene->handle, .size = 1, TEXT_DATA("x"));
        START(scene->agent, REMOTE_SEND, .handle = scene->handle, .size = 1, .worker = 1, TEXT_DATA("x"));
        WAIT_UNTIL(link->inside == 2);
        kill_agent(scene);
        /* The slot is not free before the calls have returned. */
        assert_hex(RUN(next, REMOTE_CONNECT, .flags = REMOTE_NULL_IN, NAME_DATA(PORT_NAME))->hr, ==, 0x800704D6);
        g_assert_cmpuint(link->disconnects, ==, 0);
        port_release(scene->port);
        WAIT_UNTIL(link->disconnects == 1);
        g_assert_cmpuint(link->inside_at_disconnect, ==, 0);
        g_assert_cmpuint(link->calls_at_disconnect, ==, 2);
        agent_free(next);
}

static void dies_connecting(struct scene *scene, gconstpointer unused)
{
        struct agent *agent;

        kill_agent(scene);
        wait_gone(scene);
        agent = agent_new();
        scene->port->hold_connects = 1;
        START(agent, REMOTE_CONNECT, .flags = REMOTE_NULL_IN, NAME_DATA(PORT_NAME));
        WAIT_UNTIL(scene->port->connecting == 1);
        agent_kill(agent);
        port_release(scene->port);
        /* It was accepted: so it is taken off again, once. */
        WAIT_UNTIL(scene->port->links[0].disconnects == 1);
}

/* It dies, and the filter does not want it anyway: there was no connection. */
static void dies_refused(struct scene *scene, gconstpointer unused)
{
        struct agent *agent;

        kill_agent(scene);
        wait_gone(scene);
        agent = agent_new();
        scene->port->hold_connects = 1;
        scene->port->connect_status = STATUS_ACCESS_DENIED;
        START(agent, REMOTE_CONNECT, .flags = REMOTE_NULL_IN, NAME_DATA(PORT_NAME));
        WAIT_UNTIL(scene->port->connecting == 1);
        agent_kill(agent);
        port_release(scene->port);
        WAIT_UNTIL(scene->port->connecting == 0);
        scene->port->connect_status = STATUS_SUCCESS;
        scene_connect(scene);
        g_assert_cmpuint(scene->link->disconnecting, ==, 0);
}

static void stopped_before_get(struct scene *scene, gconstpointer unused)
{
        struct sender sender = {
                .link = scene->link, .payload = "x", .length = 1, .has_timeout = true, .timeout = -20 * 10000,
        };
        uint32_t serial = START(scene->agent, REMOTE_GET, .handle = scene->handle, .size = 80, .worker = 1);

        agent_wait_blocked(scene->agent, 1);
        stop_agent(scene);
        sender_start(&sender);
        assert_hex(sender_join(&sender), ==, STATUS_TIMEOUT);
        /* One that waits longer is received when the agent goes on, and the one that left is not. */
        sender = (struct sender){ .link = scene->link, .payload = "the next", .length = 8 };
        sender_start(&sender);
        sender_wait_blocked(&sender);
        continue_agent(scene);
        g_assert_cmpstr((char *)agent_finish(scene->agent, serial)->data, ==, "the next");
        assert_hex(sender_join(&sender), ==, STATUS_SUCCESS);
}

static void stopped_holding(struct scene *scene, gconstpointer unused)
{
        char reply[8];
        struct sender sender = {
                .link = scene->link, .payload = "x", .length = 1, .reply = reply, .reply_length = 8,
                .has_timeout = true, .timeout = -500 * 10000,
        };
        uint64_t id;

        sender_start(&sender);
        id = RUN(scene->agent, REMOTE_GET, .handle = scene->handle, .size = 80)->id;
        stop_agent(scene);
        assert_hex(sender_join(&sender), ==, STATUS_TIMEOUT);
        continue_agent(scene);
        assert_hex(agent_reply(scene->agent, scene->handle, id, STATUS_SUCCESS, ""), ==, 0x801F0020);
}

/* In the middle of a reply, or about: the sender leaves or has it all, and both sides agree which. */
static void stopped_replying(struct scene *scene, gconstpointer unused)
{
        g_autofree uint8_t *reply = g_malloc0(LARGE);

        for (unsigned i = 0; i < 12; i++) {
                struct sender sender = {
                        .link = scene->link, .payload = "x", .length = 1, .reply = reply, .reply_length = LARGE,
                        .has_timeout = true, .timeout = -300 * 10000,
                };
                const struct remote_result *result;
                uint32_t serial;
                NTSTATUS status;

                sender_start(&sender);
                result = RUN(scene->agent, REMOTE_GET, .handle = scene->handle, .size = 80);
                assert_hex(result->hr, ==, 0);
                serial = START(scene->agent, REMOTE_REPLY, .handle = scene->handle, .id = result->id,
                               .size = 16 + LARGE, .flags = REMOTE_PATTERN);
                for (unsigned n = 0; n < i * 8; n++)
                        g_thread_yield();
                stop_agent(scene);
                status = sender_join(&sender);
                continue_agent(scene);
                result = agent_finish(scene->agent, serial);
                if (result->hr == 0) {
                        assert_hex(status, ==, STATUS_SUCCESS);
                        g_assert_cmpuint(remote_pattern_length(reply, LARGE), ==, LARGE);
                } else {
                        assert_hex(result->hr, ==, 0x801F0020);
                        assert_hex(status, ==, STATUS_TIMEOUT);
                        g_assert_cmpuint(sender.reply_length, ==, 0);
                }
                memset(reply, 0, LARGE);
        }
}

/* In the middle of copying a message, or about: it has it in the end, or the sender has left and it has not. */
static void stopped_receiving(struct scene *scene, gconstpointer unused)
{
        g_autofree uint8_t *payload = g_malloc(LARGE);

        for (uint32_t i = 0; i < LARGE; i++)
                payload[i] = remote_pattern(i);
        for (unsigned i = 0; i < 12; i++) {
                struct sender sender = {
                        .link = scene->link, .payload = payload, .length = LARGE, .has_timeout = true,
                        .timeout = -300 * 10000,
                };
                struct sender next = { .link = scene->link, .payload = "next", .length = 4 };
                const struct remote_result *result;
                uint32_t serial;
                NTSTATUS status;

                serial = START(scene->agent, REMOTE_GET, .handle = scene->handle, .size = 16 + LARGE);
                agent_wait_blocked(scene->agent, 0);
                sender_start(&sender);
                for (unsigned n = 0; n < i * 8; n++)
                        g_thread_yield();
                stop_agent(scene);
                status = sender_join(&sender);
                continue_agent(scene);
                if (status == STATUS_SUCCESS) {
                        result = agent_finish(scene->agent, serial);
                        g_assert_cmpuint(result->pattern, ==, LARGE);
                        continue;
                }
                assert_hex(status, ==, STATUS_TIMEOUT);
                sender_start(&next);
                result = agent_finish(scene->agent, serial);
                g_assert_cmpmem(result->data, 4, "next", 4);
                assert_hex(sender_join(&next), ==, STATUS_SUCCESS);
        }
}

/* The filter has accepted it, and it does not know yet. */
static void stopped_connecting(struct scene *scene, gconstpointer unused)
{
        struct sender sender = {
                .link = scene->link, .payload = "x", .length = 1, .has_timeout = true, .timeout = -20 * 10000,
        };
        uint32_t serial;

        RUN(scene->agent, REMOTE_CLOSE, .handle = scene->handle);
        wait_gone(scene);
        scene->port->hold_connects = 1;
        serial = START(scene->agent, REMOTE_CONNECT, .flags = REMOTE_NULL_IN, .worker = 1, NAME_DATA(PORT_NAME));
        WAIT_UNTIL(scene->port->connecting == 1);
        stop_agent(scene);
        port_release(scene->port);
        WAIT_UNTIL(scene->port->connecting == 0);
        sender_start(&sender);
        assert_hex(sender_join(&sender), ==, STATUS_TIMEOUT);
        continue_agent(scene);
        scene->handle = agent_finish(scene->agent, serial)->handle;
        g_assert_true(scene->handle != UINT64_MAX);
}

static void stopped_inside_call(struct scene *scene, gconstpointer unused)
{
        uint32_t serial;

        scene->port->hold_calls = true;
        serial = START(scene->agent, REMOTE_SEND, .handle = scene->handle, .size = 1, .worker = 1, TEXT_DATA("x"));
        WAIT_UNTIL(scene->link->inside == 1);
        stop_agent(scene);
        /* The callback returns without it. */
        port_release(scene->port);
        WAIT_UNTIL(scene->link->inside == 0);
        continue_agent(scene);
        assert_hex(agent_finish(scene->agent, serial)->hr, ==, 0);
}

static void stopped_dies(struct scene *scene, gconstpointer unused)
{
        char reply[8];
        struct sender held = { .link = scene->link, .payload = "x", .length = 1, .reply = reply, .reply_length = 8 };
        struct sender waiting = { .link = scene->link, .payload = "y", .length = 1 };

        sender_start(&held);
        RUN(scene->agent, REMOTE_GET, .handle = scene->handle, .size = 80);
        stop_agent(scene);
        sender_start(&waiting);
        sender_wait_blocked(&waiting);
        kill_agent(scene);
        assert_hex(sender_join(&held), ==, STATUS_PORT_DISCONNECTED);
        assert_hex(sender_join(&waiting), ==, STATUS_PORT_DISCONNECTED);
        wait_gone(scene);
}

static void out_of_descriptors(struct scene *scene, gconstpointer unused)
{
        RUN(scene->agent, REMOTE_CLOSE, .handle = scene->handle);
        wait_gone(scene);
        /* Some of the numbers above the lowest free one are in use: each bound is tried until there is room. */
        for (unsigned room = 0; room < 40; room++) {
                const struct remote_result *result;
                guint32 hr;

                RUN(scene->agent, REMOTE_LIMIT, .size = room);
                result = RUN(scene->agent, REMOTE_CONNECT, .flags = REMOTE_NULL_IN, NAME_DATA(PORT_NAME));
                hr = result->hr;
                g_test_message("room for %u: 0x%08X", room, hr);
                if (hr == 0)
                        RUN(scene->agent, REMOTE_CLOSE, .handle = result->handle);
                else
                        assert_hex(hr, ==, 0x800705AA);
                /* Without any there is no connection; with some there may be one for a moment. */
                if (room == 0)
                        assert_hex(hr, ==, 0x800705AA);
                WAIT_UNTIL(port_live(scene->port) == 0);
                memset(scene->port->links, 0, sizeof(scene->port->links));
        }
        RUN(scene->agent, REMOTE_LIMIT, .options = 1);
        scene->handle = agent_connect(scene->agent, scene->port, &scene->link);
        /* A call needs one, and says so when there is none. */
        RUN(scene->agent, REMOTE_LIMIT, .size = 0);
        assert_hex(agent_send(scene->agent, scene->handle, "x"), ==, 0x800705AA);
        scene_exchange(scene);
        RUN(scene->agent, REMOTE_LIMIT, .options = 1);
        assert_hex(agent_send(scene->agent, scene->handle, "x"), ==, 0);
}

static void forgets(struct scene *scene, gconstpointer unused)
{
        char reply[8];
        struct sender forgotten = {
                .link = scene->link, .payload = "x", .length = 1, .reply = reply, .reply_length = 8,
                .has_timeout = true, .timeout = -1000 * 10000,
        };

        sender_start(&forgotten);
        RUN(scene->agent, REMOTE_GET, .handle = scene->handle, .size = 80);
        for (unsigned i = 0; i < 20; i++)
                scene_exchange(scene);
        assert_hex(sender_join(&forgotten), ==, STATUS_TIMEOUT);
}

static void late(struct scene *scene, gconstpointer unused)
{
        for (unsigned i = 0; i < 3; i++) {
                char reply[8];
                struct sender sender = {
                        .link = scene->link, .payload = "x", .length = 1, .reply = reply, .reply_length = 8,
                        .has_timeout = true, .timeout = -300 * 10000,
                };
                uint64_t id;

                sender_start(&sender);
                id = RUN(scene->agent, REMOTE_GET, .handle = scene->handle, .size = 80)->id;
                assert_hex(sender_join(&sender), ==, STATUS_TIMEOUT);
                /* Also when its place is another message's meanwhile. */
                scene_exchange(scene);
                assert_hex(agent_reply(scene->agent, scene->handle, id, STATUS_SUCCESS, "late"), ==, 0x801F0020);
                scene_exchange(scene);
        }
}

static void busy(struct scene *scene, gconstpointer unused)
{
        enum { COUNT = 150 };
        static struct sender senders[COUNT];
        static uint32_t numbers[COUNT];
        bool served[COUNT] = { false };

        for (uint32_t i = 0; i < COUNT; i++) {
                numbers[i] = i;
                senders[i] = (struct sender){ .link = scene->link, .payload = &numbers[i], .length = 4 };
                sender_start(&senders[i]);
                sender_wait_blocked(&senders[i]);
        }
        /*
         * One receiver: those who had room to show their messages are served as they came. The others get
         * room in this order, too; but one that does not run just then is overtaken by the next.
         */
        for (uint32_t i = 0; i < COUNT; i++) {
                const struct remote_result *result = RUN(scene->agent, REMOTE_GET, .handle = scene->handle, .size = 80);
                uint32_t number;

                memcpy(&number, result->data, 4);
                g_assert_cmpuint(number, <, COUNT);
                if (i < FM_RING_SLOTS)
                        g_assert_cmpuint(number, ==, i);
                g_assert_false(served[number]);
                served[number] = true;
                assert_hex(sender_join(&senders[number]), ==, STATUS_SUCCESS);
        }
}

static void one_process(struct scene *scene, gconstpointer unused)
{
        for (unsigned i = 0; i < REMOTE_WORKERS; i++) {
                assert_hex(RUN(scene->agent, REMOTE_SEND, .handle = scene->handle, .worker = i, .size = 1,
                               TEXT_DATA("x"))->hr, ==, 0);
                g_assert_cmpint(scene->link->caller, ==, scene->link->connector);
        }
        g_assert_cmpint(scene->link->connector, ==, scene->agent->pid);
}

static unsigned count_entries(const char *path)
{
        g_autoptr(GDir) directory = g_dir_open(path, 0, NULL);
        unsigned count = 0;

        while (g_dir_read_name(directory))
                count++;
        return count;
}

static unsigned resident_kilobytes(void)
{
        g_autofree char *text = NULL;
        const char *line;

        g_assert_true(g_file_get_contents("/proc/self/status", &text, NULL, NULL));
        line = strstr(text, "VmRSS:");
        return line ? (unsigned)g_ascii_strtoull(line + 6, NULL, 10) : 0;
}

static void reconnects(struct scene *scene, gconstpointer unused)
{
        enum { ROUNDS = 1000 };
        unsigned descriptors = 0, threads = 0, memory = 0;

        for (unsigned i = 0; i < ROUNDS; i++) {
                assert_hex(agent_send(scene->agent, scene->handle, "x"), ==, 0);
                RUN(scene->agent, REMOTE_CLOSE, .handle = scene->handle);
                wait_gone(scene);
                if (i == ROUNDS / 10) {
                        descriptors = count_entries("/proc/self/fd");
                        threads = count_entries("/proc/self/task");
                        memory = resident_kilobytes();
                }
                scene->handle = agent_connect(scene->agent, scene->port, &scene->link);
        }
        RUN(scene->agent, REMOTE_CLOSE, .handle = scene->handle);
        wait_gone(scene);
        /* The server closes its side right after the callback: a few may be on their way. */
        g_assert_cmpuint(count_entries("/proc/self/fd"), <=, descriptors + 6);
        g_assert_cmpuint(count_entries("/proc/self/task"), <=, threads + 6);
        g_test_message("resident: %u KiB, then %u KiB", memory, resident_kilobytes());
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(__clang__)
        /* A kilobyte a time would be twice as much. */
        g_assert_cmpuint(resident_kilobytes(), <, memory + ROUNDS / 2);
#endif
        scene->handle = agent_connect(scene->agent, scene->port, &scene->link);
}

static void add(const char *path, void (*test)(struct scene *, gconstpointer))
{
        g_test_add(path, struct scene, NULL, set_up, test, tear_down);
}

static void add_tests(void)
{
        add("/agents/dies/before-get", dies_before_get);
        add("/agents/dies/holding", dies_holding);
        add("/agents/dies/receiving", dies_receiving);
        add("/agents/dies/replying", dies_replying);
        add("/agents/dies/inside-call", dies_inside_call);
        add("/agents/dies/connecting", dies_connecting);
        add("/agents/dies/refused", dies_refused);
        add("/agents/stopped/before-get", stopped_before_get);
        add("/agents/stopped/holding", stopped_holding);
        add("/agents/stopped/replying", stopped_replying);
        add("/agents/stopped/receiving", stopped_receiving);
        add("/agents/stopped/connecting", stopped_connecting);
        add("/agents/stopped/inside-call", stopped_inside_call);
        add("/agents/stopped/dies", stopped_dies);
        add("/agents/out-of-descriptors", out_of_descriptors);
        add("/agents/forgets", forgets);
        add("/agents/late", late);
        add("/agents/busy", busy);
        add("/agents/one-process", one_process);
        add("/agents/reconnects", reconnects);
}

int main(int argc, char **argv)
{
        return fixture_main(argc, argv, add_tests);
}
