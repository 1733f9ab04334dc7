/* SPDX-License-Identifier: MIT */
/*
 * What happens when something runs out, on either side; each hurts only the one whose it is: `other` is an agent that
 * works beside it all the time.
 *
 *   the agent has no descriptor left
 *     for a connection, for a call                                   agents.c, /agents/out-of-descriptors
 *     for a handle that a message brings: the message arrives, the
 *       handle can be closed, a view is ERROR_NO_SYSTEM_RESOURCES    /agent/no-descriptor/message
 *     for a handle that a call brings: the same                      /agent/no-descriptor/call
 *   the agent has no memory left
 *     for a connection: 0x800705AA, DisconnectNotify once            /agent/no-memory/connect
 *     for a call: 0x800705AA, MessageNotify not run                  /agent/no-memory/call
 *     while it holds a message: it can reply                         /agent/no-memory/holding
 *     and dies of it: senders are released                           /agent/no-memory/dies
 *   the filter manager has no descriptor left
 *     for a client: 0x800705AA, what is connected goes on            /manager/no-descriptor/connect
 *     for a handle: STATUS_INSUFFICIENT_RESOURCES to the filter      /manager/no-descriptor/give
 *     for the memory of a large call: 0x800705AA, MessageNotify not
 *       run, the channel goes on                                   /manager/no-descriptor/call
 *   a user has 64 MiB in calls: STATUS_INSUFFICIENT_RESOURCES        /manager/call-memory
 *   a process does not close its handles: the same for new ones      /manager/handles
 */
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fixture.h"
#include "fltmgr/port.h"
#include "nt/object.h"
#include "nt/process.h"
#include "port/connection.h"

#define NO_RESOURCES 0x800705AA
#define ERROR_NO_SYSTEM_RESOURCES 1450
#define CALL_MAX (16u << 20)

static struct scene other; /* works beside it all the time */
static int file;           /* what is given */

static void set_up(struct scene *scene, gconstpointer unused)
{
        scene_open(scene, 4);
        other.port = scene->port;
        scene_connect(&other);
        file = memfd_create("given", MFD_CLOEXEC);
        g_assert_cmpint(write(file, "contents", 8), ==, 8);
}

static void check_other(void)
{
        scene_exchange(&other);
        assert_hex(agent_send(other.agent, other.handle, "x"), ==, 0);
}

static void tear_down(struct scene *scene, gconstpointer unused)
{
        check_other();
        agent_free(other.agent);
        scene_tear_down(scene, NULL);
        close(file);
}

static NTSTATUS give(struct scene *scene, HANDLE *handle)
{
        PEPROCESS process = fm_process_ref_by_id(scene->agent->pid);
        NTSTATUS status = fm_port_give_descriptor(process, file, 8, handle);

        fm_object_unref(process);
        return status;
}

static void check_dead_handle(struct scene *scene, uint64_t handle)
{
        const struct remote_result *result = RUN(scene->agent, REMOTE_MAP, .handle = handle, .size = 8);

        g_assert_cmpuint(result->hr, ==, 0);
        g_assert_cmpuint(result->error, ==, ERROR_NO_SYSTEM_RESOURCES);
        g_assert_cmpuint(RUN(scene->agent, REMOTE_CLOSE, .handle = handle)->hr, ==, 1);
        g_assert_cmpuint(RUN(scene->agent, REMOTE_CLOSE, .handle = handle)->hr, ==, 0);
}

static void check_live_handle(struct scene *scene, uint64_t handle)
{
        const struct remote_result *result = RUN(scene->agent, REMOTE_MAP, .handle = handle, .size = 8);

        g_assert_cmpuint(result->hr, ==, 1);
        g_assert_cmpmem(result->data, 8, "contents", 8);
        g_assert_cmpuint(RUN(scene->agent, REMOTE_CLOSE, .handle = handle)->hr, ==, 1);
}

/* A message that brings a handle: what the agent makes of it, it says itself. */
static uint64_t message_with_handle(struct scene *scene)
{
        HANDLE handle;
        char reply[8];
        struct sender sender = {
                .link = scene->link, .payload = &handle, .length = sizeof(handle), .reply = reply, .reply_length = 8,
        };
        const struct remote_result *result;

        assert_hex(give(scene, &handle), ==, STATUS_SUCCESS);
        sender_start(&sender);
        result = RUN(scene->agent, REMOTE_GET, .handle = scene->handle, .size = 80);
        assert_hex(result->hr, ==, 0);
        g_assert_cmpmem(result->data, 8, &handle, sizeof(handle));
        assert_hex(agent_reply(scene->agent, scene->handle, result->id, STATUS_UNSUCCESSFUL, "no"), ==, 0);
        assert_hex(sender_join(&sender), ==, STATUS_UNSUCCESSFUL);
        return (uint64_t)(ULONG_PTR)handle;
}

static void test_no_descriptor_message(struct scene *scene, gconstpointer unused)
{
        RUN(scene->agent, REMOTE_LIMIT, .size = 0);
        for (unsigned i = 0; i < 5; i++)
                check_dead_handle(scene, message_with_handle(scene));
        check_other();
        scene_exchange(scene);
        RUN(scene->agent, REMOTE_LIMIT, .options = 1);
        check_live_handle(scene, message_with_handle(scene));
        g_assert_cmpuint(scene->link->disconnects, ==, 0);
}

static int given_file;

static NTSTATUS give_in_call(struct link *link, PVOID in, ULONG in_length, PVOID out, ULONG out_length, PULONG returned)
{
        HANDLE handles[2];

        for (unsigned i = 0; i < G_N_ELEMENTS(handles); i++)
                assert_hex(fm_port_give_descriptor(PsGetCurrentProcess(), given_file, 8, &handles[i]), ==,
                           STATUS_SUCCESS);
        g_assert_cmpuint(out_length, ==, sizeof(handles));
        memcpy(out, handles, sizeof(handles));
        *returned = sizeof(handles);
        return STATUS_SUCCESS;
}

static void test_no_descriptor_call(struct scene *scene, gconstpointer unused)
{
        /* The channel is there. */
        assert_hex(agent_send(scene->agent, scene->handle, "x"), ==, 0);
        given_file = file;
        scene->port->on_message = give_in_call;
        for (unsigned room = 0; room <= 2; room++) {
                const struct remote_result *result;
                uint64_t handles[2];

                RUN(scene->agent, REMOTE_LIMIT, .size = room);
                result = RUN(scene->agent, REMOTE_SEND, .handle = scene->handle, .size = 1, TEXT_DATA("x"),
                             .out_size = 16);
                assert_hex(result->hr, ==, 0);
                g_assert_cmpuint(result->bytes, ==, 16);
                memcpy(handles, result->data, sizeof(handles));
                for (unsigned i = 0; i < 2; i++)
                        if (i < room)
                                check_live_handle(scene, handles[i]);
                        else
                                check_dead_handle(scene, handles[i]);
                RUN(scene->agent, REMOTE_LIMIT, .options = 1);
        }
        scene->port->on_message = NULL;
}

/* The process may have so much more address space than it has. */
static void limit_memory(struct agent *agent, rlim_t more)
{
        g_autofree char *path = g_strdup_printf("/proc/%d/statm", agent->pid), *text = NULL;
        struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };

        g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
        if (more != RLIM_INFINITY)
                limit.rlim_cur = g_ascii_strtoull(text, NULL, 10) * (rlim_t)sysconf(_SC_PAGESIZE) + more;
        g_assert_cmpint(prlimit(agent->pid, RLIMIT_AS, &limit, NULL), ==, 0);
}

/* A sanitizer's own memory has no such limit. */
static bool can_limit_memory(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
        g_test_skip("a sanitizer needs the address space");
        return false;
#else
        return true;
#endif
}

static void test_no_memory_connect(struct scene *scene, gconstpointer unused)
{
        unsigned before = scene->port->connects;

        if (!can_limit_memory())
                return;
        limit_memory(scene->agent, 16 << 20);
        for (unsigned i = 0; i < 3; i++) {
                const struct remote_result *result;

                result = RUN(scene->agent, REMOTE_CONNECT, .flags = REMOTE_NULL_IN, NAME_DATA(PORT_NAME));
                assert_hex(result->hr, ==, NO_RESOURCES);
                g_assert_true(result->handle == UINT64_MAX);
                /* The filter had said yes: it hears of the end, and the place is free again. */
                WAIT_UNTIL(port_live(scene->port) == 2);
        }
        g_assert_cmpuint(scene->port->connects, ==, before + 3);
        scene_exchange(scene);
        limit_memory(scene->agent, RLIM_INFINITY);
        assert_hex(RUN(scene->agent, REMOTE_CONNECT, .flags = REMOTE_NULL_IN, NAME_DATA(PORT_NAME))->hr, ==, 0);
}

static void test_no_memory_call(struct scene *scene, gconstpointer unused)
{
        unsigned calls = scene->link->calls;

        if (!can_limit_memory())
                return;
        /* Enough for the buffers that the agent itself has, not for those of the call. */
        limit_memory(scene->agent, 2 * CALL_MAX + (8 << 20));
        assert_hex(RUN(scene->agent, REMOTE_SEND, .handle = scene->handle, .size = CALL_MAX, .flags = REMOTE_PATTERN,
                       .out_size = CALL_MAX)->hr, ==, NO_RESOURCES);
        g_assert_cmpuint(scene->link->calls, ==, calls);
        assert_hex(agent_send(scene->agent, scene->handle, "x"), ==, 0);
        limit_memory(scene->agent, RLIM_INFINITY);
        assert_hex(RUN(scene->agent, REMOTE_SEND, .handle = scene->handle, .size = CALL_MAX, .flags = REMOTE_PATTERN,
                       .out_size = CALL_MAX)->hr, ==, 0);
}

static void test_no_memory_holding(struct scene *scene, gconstpointer unused)
{
        char reply[8];
        struct sender sender = {
                .link = scene->link, .payload = "x", .length = 1, .reply = reply, .reply_length = 8,
        };
        uint64_t id;

        if (!can_limit_memory())
                return;
        sender_start(&sender);
        id = RUN(scene->agent, REMOTE_GET, .handle = scene->handle, .size = 80)->id;
        limit_memory(scene->agent, 0);
        check_other();
        assert_hex(agent_reply(scene->agent, scene->handle, id, STATUS_SUCCESS, "yes"), ==, 0);
        assert_hex(sender_join(&sender), ==, STATUS_SUCCESS);
        scene_exchange(scene);
        limit_memory(scene->agent, RLIM_INFINITY);
}

/* As a program does that can't go on without: it aborts. */
static void test_no_memory_dies(struct scene *scene, gconstpointer unused)
{
        char reply[8];
        struct sender sender = {
                .link = scene->link, .payload = "x", .length = 1, .reply = reply, .reply_length = 8,
        };

        if (!can_limit_memory())
                return;
        sender_start(&sender);
        RUN(scene->agent, REMOTE_GET, .handle = scene->handle, .size = 80);
        limit_memory(scene->agent, 0);
        /* Its own buffer can't be had. */
        START(scene->agent, REMOTE_GET, .handle = scene->handle, .size = 64 << 20);
        assert_hex(sender_join(&sender), ==, STATUS_PORT_DISCONNECTED);
        WAIT_UNTIL(scene->link->disconnects == 1);
        agent_kill(g_steal_pointer(&scene->agent));
}

/* This process may have so many more descriptors than it has; -1: no limit any more. */
static void limit_manager(int more)
{
        struct rlimit limit;
        int next = dup(0);

        if (next >= 0)
                close(next);
        g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &limit), ==, 0);
        limit.rlim_cur = more < 0 ? limit.rlim_max : (rlim_t)(next + more);
        g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &limit), ==, 0);
}

static void test_manager_connect(struct scene *scene, gconstpointer unused)
{
        unsigned refused = 0;

        check_other();
        for (int room = 0; room < 12; room++) {
                const struct remote_result *result;
                guint32 hr;

                limit_manager(room);
                result = RUN(scene->agent, REMOTE_CONNECT, .flags = REMOTE_NULL_IN, NAME_DATA(PORT_NAME));
                hr = result->hr;
                g_test_message("room for %d: 0x%08X", room, hr);
                if (hr == 0)
                        RUN(scene->agent, REMOTE_CLOSE, .handle = result->handle);
                else
                        assert_hex(hr, ==, NO_RESOURCES);
                refused += hr != 0;
                if (room == 0)
                        assert_hex(hr, ==, NO_RESOURCES);
                /* A call that needs a new channel, and one that does not. */
                if (room == 0)
                        assert_hex(agent_send(scene->agent, scene->handle, "x"), ==, NO_RESOURCES);
                check_other();
                scene_exchange(scene);
                limit_manager(-1);
                WAIT_UNTIL(port_live(scene->port) == 2);
        }
        g_assert_cmpuint(refused, >, 1);
        assert_hex(agent_send(scene->agent, scene->handle, "x"), ==, 0);
}

static void test_manager_call(struct scene *scene, gconstpointer unused)
{
        enum { LARGE = 100000 };

        /* A large one needs a descriptor of the manager, and no new channel. */
        assert_hex(RUN(scene->agent, REMOTE_SEND, .handle = scene->handle, .size = LARGE, .flags = REMOTE_PATTERN)->hr,
                   ==, 0);
        check_other();
        g_assert_cmpuint(scene->link->calls, ==, 1);
        limit_manager(0);
        for (unsigned i = 0; i < 3; i++)
                assert_hex(RUN(scene->agent, REMOTE_SEND, .handle = scene->handle, .size = LARGE,
                               .flags = REMOTE_PATTERN)->hr, ==, NO_RESOURCES);
        g_assert_cmpuint(scene->link->calls, ==, 1);
        assert_hex(agent_send(scene->agent, scene->handle, "x"), ==, 0);
        check_other();
        limit_manager(-1);
        assert_hex(RUN(scene->agent, REMOTE_SEND, .handle = scene->handle, .size = LARGE, .flags = REMOTE_PATTERN)->hr,
                   ==, 0);
}

static void test_manager_give(struct scene *scene, gconstpointer unused)
{
        HANDLE handle;

        check_other();
        limit_manager(0);
        assert_hex(give(scene, &handle), ==, STATUS_INSUFFICIENT_RESOURCES);
        g_assert_null(handle);
        check_other();
        scene_exchange(scene);
        limit_manager(-1);
        check_live_handle(scene, message_with_handle(scene));
}

static void test_call_memory(struct scene *scene, gconstpointer unused)
{
        struct agent *greedy;
        uint64_t handle;
        uint32_t serials[2];

        if (!is_root())
                return;
        RUN(scene->agent, REMOTE_CLOSE, .handle = scene->handle);
        agent_free(scene->agent);
        /* Connected while it was root: whose memory it is depends on who opens the channel. */
        greedy = scene->agent = agent_new();
        handle = agent_connect(greedy, scene->port, &scene->link);
        g_assert_cmpuint(RUN(greedy, REMOTE_BECOME, .options = 65534, .size = 65534)->hr, ==, 1);
        scene->port->hold_calls = true;
        for (unsigned i = 0; i < 2; i++)
                serials[i] = START(greedy, REMOTE_SEND, .handle = handle, .worker = 1 + i, .size = CALL_MAX,
                                   .flags = REMOTE_PATTERN, .out_size = CALL_MAX);
        WAIT_UNTIL(scene->port->calling == 2);
        assert_hex(RUN(greedy, REMOTE_SEND, .handle = handle, .worker = 3, .size = CALL_MAX,
                       .flags = REMOTE_PATTERN)->hr, ==, NO_RESOURCES);
        /* Also a small one: it has everything in use. Another user has not. */
        assert_hex(agent_send(greedy, handle, "x"), ==, NO_RESOURCES);
        scene_exchange(&other);
        {
                uint32_t serial = START(other.agent, REMOTE_SEND, .handle = other.handle, .size = 1,
                                        TEXT_DATA("x"));

                WAIT_UNTIL(other.link->inside == 1);
                port_release(scene->port);
                assert_hex(agent_finish(other.agent, serial)->hr, ==, 0);
        }
        for (unsigned i = 0; i < 2; i++)
                assert_hex(agent_finish(greedy, serials[i])->hr, ==, 0);
        assert_hex(RUN(greedy, REMOTE_SEND, .handle = handle, .worker = 3, .size = CALL_MAX,
                       .flags = REMOTE_PATTERN)->hr, ==, 0);
        RUN(greedy, REMOTE_CLOSE, .handle = handle);
}

/* It reads nothing, and is given more and more: at first they wait, then there are too many. */
static void test_handles(struct scene *scene, gconstpointer unused)
{
        unsigned given = 0;
        HANDLE handle;

        while (give(scene, &handle) == STATUS_SUCCESS)
                g_assert_cmpuint(++given, <=, FM_GIVEN_OUTSTANDING_MAX);
        g_assert_cmpuint(given, >=, FM_GIVEN_PENDING_MAX);
        check_other();
        /* What was promised is there with the next message. */
        scene_exchange(scene);
        g_assert_cmpuint(scene->link->disconnects, ==, 0);
}

static void add(const char *path, void (*test)(struct scene *, gconstpointer))
{
        g_test_add(path, struct scene, NULL, set_up, test, tear_down);
}

static void add_tests(void)
{
        add("/agent/no-descriptor/message", test_no_descriptor_message);
        add("/agent/no-descriptor/call", test_no_descriptor_call);
        add("/agent/no-memory/connect", test_no_memory_connect);
        add("/agent/no-memory/call", test_no_memory_call);
        add("/agent/no-memory/holding", test_no_memory_holding);
        add("/agent/no-memory/dies", test_no_memory_dies);
        add("/manager/no-descriptor/connect", test_manager_connect);
        add("/manager/no-descriptor/call", test_manager_call);
        add("/manager/no-descriptor/give", test_manager_give);
        add("/manager/call-memory", test_call_memory);
        add("/manager/handles", test_handles);
}

int main(int argc, char **argv)
{
        return fixture_main(argc, argv, add_tests);
}
