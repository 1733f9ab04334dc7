/* SPDX-License-Identifier: MIT */
/*
 * The callbacks of a port, row by row.
 *
 * ConnectNotify
 *   runs as the connecting process                                   /connect/current-process
 *   the context is a copy; NULL and 0 when none                      /connect/context, /connect/no-context
 *   an error: slot freed, no DisconnectNotify (mapping: status.c)    /connect/refused
 *   concurrently: a slow one holds up nobody else                    /connect/slow
 * DisconnectNotify
 *   after every MessageNotify in flight, none starts after it        /disconnect/after-calls
 *   order: senders and receivers first, the slot last                /disconnect/order
 *   at unload for each live connection; the agent sees 6 and can
 *     reconnect later                                                /disconnect/unload
 *   (once per connection: checked at the end of every test, port_free())
 * MessageNotify
 *   runs as the calling process                                      /call/current-process
 *   concurrent calls run concurrently                                /call/concurrent
 *   success and warnings deliver the output; errors do not           /call/severity
 *   STATUS_BUFFER_TOO_SMALL delivers the byte count                  /call/buffer-too-small
 *   input and output of any size                                     /call/sizes
 *   a length that lies about the agent's buffer                      /call/lying-input, /call/lying-output
 */
#include <string.h>

#include "fixture.h"
#include "fltmgr/loader.h"
#include "nt/registry.h"

static void test_connect_current_process(void)
{
        struct port *port = port_new(PORT_NAME, 2);
        struct agent *agents[2] = { agent_new(), agent_new() };

        for (unsigned i = 0; i < 2; i++) {
                struct link *link;

                agent_connect(agents[i], port, &link);
                g_assert_cmpint(link->connector, ==, agents[i]->pid);
                g_assert_true(link->server_cookie == port);
        }
        for (unsigned i = 0; i < 2; i++)
                agent_free(agents[i]);
        port_free(port);
}

static void test_connect_context(void)
{
        static const uint32_t sizes[] = { 1, 100, 0xFFE7 };
        struct port *port = port_new(PORT_NAME, 4);
        struct agent *agent = agent_new();

        for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
                assert_hex(RUN(agent, REMOTE_CONNECT, .flags = REMOTE_PATTERN, .size = sizes[i],
                               NAME_DATA(PORT_NAME))->hr, ==, 0);
                g_assert_cmpuint(port->links[i].context_size, ==, sizes[i]);
                g_assert_cmpuint(port->links[i].context_pattern, ==, sizes[i]);
        }
        agent_free(agent);
        port_free(port);
}

static void test_connect_no_context(void)
{
        struct port *port = port_new(PORT_NAME, 4);
        struct agent *agent = agent_new();
        struct link *link;

        agent_connect(agent, port, &link);
        g_assert_true(link->context_is_null);
        g_assert_cmpuint(link->context_size, ==, 0);
        agent_free(agent);
        port_free(port);
}

static void test_connect_refused(void)
{
        struct port *port = port_new(PORT_NAME, 1);
        struct agent *agent = agent_new();

        port->connect_status = STATUS_ACCESS_DENIED;
        for (unsigned i = 0; i < 3; i++)
                assert_hex(RUN(agent, REMOTE_CONNECT, .flags = REMOTE_NULL_IN, NAME_DATA(PORT_NAME))->hr, ==, 0x80070005);
        g_assert_cmpuint(port->connects, ==, 3);
        g_assert_null(port->links[0].port);
        port->connect_status = STATUS_SUCCESS;
        agent_connect(agent, port, NULL);
        agent_free(agent);
        WAIT_UNTIL(port_live(port) == 0);
        g_assert_cmpuint(port->links[0].disconnects, ==, 1);
        g_assert_null(port->links[1].port);
        port_free(port);
}

static void test_connect_slow(void)
{
        struct port *port = port_new(PORT_NAME, 8), *other = port_new("\\Other", 1);
        struct agent *slow = agent_new(), *agent = agent_new();
        struct link *link;
        uint32_t serial;
        uint64_t handle;

        port->hold_connects = 1;
        serial = START(slow, REMOTE_CONNECT, .flags = REMOTE_NULL_IN, NAME_DATA(PORT_NAME), .worker = 1);
        WAIT_UNTIL(port->connecting == 1);
        /* Neither another client of the port, nor its messages and calls, nor a client of another port. */
        handle = agent_connect(agent, port, &link);
        g_assert_true(link == &port->links[1]);
        assert_hex(agent_send(agent, handle, "x"), ==, 0);
        assert_hex(RUN(agent, REMOTE_CONNECT, .flags = REMOTE_NULL_IN, NAME_DATA("\\Other"))->hr, ==, 0);
        assert_hex(RUN(slow, REMOTE_CONNECT, .flags = REMOTE_NULL_IN, NAME_DATA(PORT_NAME), .worker = 2)->hr, ==, 0);
        g_assert_false(agent_is_done(slow, serial));
        port_release(port);
        assert_hex(agent_finish(slow, serial)->hr, ==, 0);
        agent_free(slow);
        agent_free(agent);
        port_free(port);
        port_free(other);
}

static void test_disconnect_after_calls(void)
{
        struct port *port = port_new(PORT_NAME, 2);
        struct agent *agent = agent_new();
        struct link *link;
        uint64_t handle = agent_connect(agent, port, &link);
        struct sender sender = { .link = link, .payload = "x", .length = 1 };

        port->hold_calls = true;
        for (unsigned i = 1; i < 4; i++)
                START(agent, REMOTE_SEND, .handle = handle, .worker = i, .size = 1, TEXT_DATA("x"));
        WAIT_UNTIL(link->inside == 3);
        sender_start(&sender);
        sender_wait_blocked(&sender);
        agent_kill(agent);
        /* The end has been seen, and the calls are still inside. */
        assert_hex(sender_join(&sender), ==, STATUS_PORT_DISCONNECTED);
        g_assert_cmpuint(link->disconnects, ==, 0);
        port_release(port);
        WAIT_UNTIL(link->disconnects == 1);
        g_assert_cmpuint(link->inside_at_disconnect, ==, 0);
        g_assert_cmpuint(link->calls_at_disconnect, ==, 3);
        port_free(port);
}

static void test_disconnect_order(void)
{
        struct port *port = port_new(PORT_NAME, 1);
        struct agent *agent = agent_new(), *next = agent_new();
        struct link *link;
        uint64_t handle = agent_connect(agent, port, &link);
        char reply[8];
        uint32_t close;
        struct sender sender = { .link = link, .payload = "x", .length = 1, .reply = reply, .reply_length = 8 };

        port->hold_calls = port->hold_disconnects = true;
        START(agent, REMOTE_SEND, .handle = handle, .worker = 1, .size = 1, TEXT_DATA("x"));
        WAIT_UNTIL(link->inside == 1);
        sender_start(&sender);
        assert_hex(RUN(agent, REMOTE_GET, .handle = handle, .size = 80)->hr, ==, 0);
        sender_wait_blocked(&sender);
        assert_hex(RUN(agent, REMOTE_START_GET, .handle = handle, .size = 80, .flags = REMOTE_EVENT)->hr, ==, 0x800703E5);
        close = START(agent, REMOTE_CLOSE, .handle = handle, .worker = 2);
        assert_hex(sender_join(&sender), ==, STATUS_PORT_DISCONNECTED);
        g_assert_cmphex(RUN(agent, REMOTE_WAIT_EVENT)->internal, ==, 0xC0000037);
        g_assert_cmpuint(link->disconnects, ==, 0);
        g_assert_cmpuint(link->inside, ==, 1);
        assert_hex(RUN(next, REMOTE_CONNECT, .flags = REMOTE_NULL_IN, NAME_DATA(PORT_NAME))->hr, ==, 0x800704D6);
        g_assert_false(agent_is_done(agent, close));
        port_release(port);
        g_assert_cmpuint(agent_finish(agent, close)->hr, ==, 1);
        g_assert_cmpuint(link->disconnects, ==, 1);
        g_assert_cmpuint(link->inside_at_disconnect, ==, 0);
        agent_connect(next, port, NULL);
        agent_free(next);
        agent_free(agent);
        port_free(port);
}

/* A filter that is unloaded while its agents are at work. */
static PFLT_FILTER second_filter;
static struct port *second_port;

static void second_close(struct link *link)
{
        FltCloseClientPort(second_filter, &link->client);
}

static NTSTATUS FLTAPI second_unload(FLT_FILTER_UNLOAD_FLAGS flags)
{
        FltCloseCommunicationPort(g_steal_pointer(&second_port->server));
        FltUnregisterFilter(second_filter);
        return STATUS_SUCCESS;
}

static NTSTATUS second_entry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
        static const FLT_OPERATION_REGISTRATION operations[] = { { IRP_MJ_OPERATION_END } };
        static const FLT_REGISTRATION registration = {
                .Size = sizeof(registration),
                .Version = FLT_REGISTRATION_VERSION,
                .OperationRegistration = operations,
                .FilterUnloadCallback = second_unload,
        };

        second_port = g_new0(struct port, 1);
        second_port->keep_on_disconnect = true;
        second_port->on_disconnect = second_close;
        assert_hex(FltRegisterFilter(driver, &registration, &second_filter), ==, STATUS_SUCCESS);
        assert_hex(port_create(second_port, &(struct port_options){
                .name = PORT_NAME, .attributes = OBJ_KERNEL_HANDLE, .max_connections = 4, .filter = second_filter,
        }), ==, STATUS_SUCCESS);
        return FltStartFiltering(second_filter);
}

static void *second_send(void *data)
{
        char reply[8];
        ULONG length = sizeof(reply);
        NTSTATUS status = FltSendMessage(second_filter, data, (PVOID)"x", 1, reply, &length, NULL);

        return GUINT_TO_POINTER((guint32)status);
}

static void test_disconnect_unload(void)
{
        g_autofree char *error = NULL;
        struct agent *agent = agent_new();
        uint64_t handles[3];
        pthread_t senders[3];
        uint32_t receive;
        struct port *old;
        void *status;

        fm_registry_set_string(FM_SERVICES_KEY "\\second\\Instances", "DefaultInstance", "second");
        fm_registry_set_string(FM_SERVICES_KEY "\\second\\Instances\\second", "Altitude", "370031");
        assert_hex(fm_driver_start("second", second_entry, &error), ==, STATUS_SUCCESS);
        for (unsigned i = 0; i < 3; i++) {
                handles[i] = agent_connect(agent, second_port, NULL);
                g_assert_cmpint(pthread_create(&senders[i], NULL, second_send, &second_port->links[i].client), ==, 0);
        }
        /* One message is held, one waits, and one connection has a receiver beside. */
        assert_hex(RUN(agent, REMOTE_GET, .handle = handles[0], .size = 80)->hr, ==, 0);
        assert_hex(RUN(agent, REMOTE_GET, .handle = handles[2], .size = 80)->hr, ==, 0);
        receive = START(agent, REMOTE_GET, .handle = handles[2], .size = 80, .worker = 1);
        agent_wait_blocked(agent, 1);

        old = second_port;
        assert_hex(fm_filter_unload("second", false), ==, STATUS_SUCCESS);
        for (unsigned i = 0; i < 3; i++) {
                g_assert_cmpuint(old->links[i].disconnects, ==, 1);
                pthread_join(senders[i], &status);
                assert_hex(GPOINTER_TO_UINT(status), ==, STATUS_PORT_DISCONNECTED);
        }
        assert_hex(agent_finish(agent, receive)->hr, ==, 0x80070006);
        for (unsigned i = 0; i < 3; i++) {
                assert_hex(agent_send(agent, handles[i], "x"), ==, 0x80070006);
                assert_hex(agent_reply(agent, handles[i], 1, 0, ""), ==, 0x80070006);
        }
        assert_hex(RUN(agent, REMOTE_CONNECT, .flags = REMOTE_NULL_IN, NAME_DATA(PORT_NAME))->hr, ==, 0x80070002);

        assert_hex(fm_driver_start("second", second_entry, &error), ==, STATUS_SUCCESS);
        assert_hex(agent_send(agent, agent_connect(agent, second_port, NULL), "x"), ==, 0);
        for (unsigned i = 0; i < 3; i++)
                RUN(agent, REMOTE_CLOSE, .handle = handles[i]);
        agent_free(agent);
        WAIT_UNTIL(port_live(second_port) == 0);
        assert_hex(fm_filter_unload("second", false), ==, STATUS_SUCCESS);
        for (unsigned i = 0; i < 3; i++)
                g_assert_cmpuint(old->links[i].disconnects, ==, 1);
        g_free(old);
        g_free(second_port);
}

static void set_up(struct scene *scene, gconstpointer unused)
{
        scene_open(scene, 4);
}

static void test_call_current_process(struct scene *scene, gconstpointer unused)
{
        const struct remote_result *result;

        assert_hex(agent_send(scene->agent, scene->handle, "x"), ==, 0);
        g_assert_cmpint(scene->link->caller, ==, scene->agent->pid);
        result = RUN(scene->agent, REMOTE_FORK_SEND, .handle = scene->handle, .size = 1, TEXT_DATA("x"));
        assert_hex(result->hr, ==, 0);
        g_assert_cmpint(scene->link->caller, ==, (pid_t)result->value);
        g_assert_cmpint(scene->link->caller, !=, scene->agent->pid);
        g_assert_cmpuint(scene->link->disconnects, ==, 0);
}

static void test_call_concurrent(struct scene *scene, gconstpointer unused)
{
        uint32_t serials[REMOTE_WORKERS];

        scene->port->hold_calls = true;
        for (unsigned i = 0; i < REMOTE_WORKERS; i++)
                serials[i] = START(scene->agent, REMOTE_SEND, .handle = scene->handle, .worker = i, .size = 1,
                                   TEXT_DATA("x"));
        WAIT_UNTIL(scene->port->calling == REMOTE_WORKERS);
        port_release(scene->port);
        for (unsigned i = 0; i < REMOTE_WORKERS; i++)
                assert_hex(agent_finish(scene->agent, serials[i])->hr, ==, 0);
}

/* The input is a status and how much to say that was returned. */
static NTSTATUS answer(struct link *link, PVOID in, ULONG in_length, PVOID out, ULONG out_length, PULONG returned)
{
        struct {
                NTSTATUS status;
                ULONG returned;
        } wish;

        g_assert_cmpuint(in_length, ==, sizeof(wish));
        memcpy(&wish, in, sizeof(wish));
        for (ULONG i = 0; i < out_length; i++)
                ((uint8_t *)out)[i] = remote_pattern(i);
        *returned = wish.returned;
        return wish.status;
}

static const struct remote_result *call_for(struct scene *scene, guint32 status, ULONG returned, uint32_t room)
{
        struct remote_request request = {
                .op = REMOTE_SEND, .handle = scene->handle, .size = 8, .length = 8, .out_size = room,
        };

        memcpy(request.data, &status, 4);
        memcpy(request.data + 4, &returned, 4);
        return agent_finish(scene->agent, agent_start_request(scene->agent, request));
}

static void test_call_severity(struct scene *scene, gconstpointer unused)
{
        static const guint32 delivering[] = { 0, 0x102, 0x40000000, 0x80000005, 0x8000001A };
        static const guint32 failing[] = { 0xC0000001, 0xC0000022, 0xC01C0020 };
        const struct remote_result *result;

        scene->port->on_message = answer;
        for (unsigned i = 0; i < G_N_ELEMENTS(delivering); i++) {
                result = call_for(scene, delivering[i], 20, 32);
                g_assert_cmpuint(result->bytes, ==, 20);
                g_assert_cmpuint(result->pattern, ==, 20);
        }
        for (unsigned i = 0; i < G_N_ELEMENTS(failing); i++) {
                result = call_for(scene, failing[i], 20, 32);
                g_assert_cmpuint(result->bytes, ==, 0);
                g_assert_cmpuint(result->pattern, <=, 1); /* its first byte is that of untouched memory */
        }
}

static void test_call_buffer_too_small(struct scene *scene, gconstpointer unused)
{
        const struct remote_result *result;

        scene->port->on_message = answer;
        result = call_for(scene, 0xC0000023, 1000, 32);
        assert_hex(result->hr, ==, 0x8007007A);
        g_assert_cmpuint(result->bytes, ==, 1000);
        g_assert_cmpuint(result->pattern, <=, 1);
}

static NTSTATUS reverse_count(struct link *link, PVOID in, ULONG in_length, PVOID out, ULONG out_length,
                              PULONG returned)
{
        for (ULONG i = 0; i < out_length; i++)
                ((uint8_t *)out)[i] = remote_pattern(i);
        *returned = out_length;
        return STATUS_SUCCESS;
}

static void test_call_sizes(struct scene *scene, gconstpointer unused)
{
        static const uint32_t sizes[] = { 1, 15, 16, 65535, 65536, 65537, 1 << 20, 16 << 20 };

        scene->port->on_message = reverse_count;
        for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
                const struct remote_result *result;
                uint32_t other = sizes[G_N_ELEMENTS(sizes) - 1 - i];

                result = RUN(scene->agent, REMOTE_SEND, .handle = scene->handle, .size = sizes[i],
                             .flags = REMOTE_PATTERN, .out_size = other);
                assert_hex(result->hr, ==, 0);
                g_assert_cmpuint(scene->link->input_length, ==, sizes[i]);
                g_assert_cmpuint(scene->link->input_pattern, ==, sizes[i]);
                g_assert_cmpuint(scene->link->output_length, ==, other);
                g_assert_cmpuint(result->bytes, ==, other);
                g_assert_cmpuint(result->pattern, ==, other);
        }
}

/* The agent lives on, and so does everybody else. */
static void expect_alive(struct scene *scene)
{
        assert_hex(agent_send(scene->agent, scene->handle, "x"), ==, 0);
}

static void test_call_lying_input(struct scene *scene, gconstpointer unused)
{
        static const uint32_t sizes[] = { 5000, 65536, 1 << 20 };

        for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++)
                assert_hex(RUN(scene->agent, REMOTE_SEND, .handle = scene->handle, .size = sizes[i],
                               .flags = REMOTE_LIE_IN)->hr, ==, 0x800703E6);
        expect_alive(scene);
}

static void test_call_lying_output(struct scene *scene, gconstpointer unused)
{
        static const uint32_t sizes[] = { 5000, 65536, 1 << 20 };

        scene->port->on_message = reverse_count;
        for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++)
                assert_hex(RUN(scene->agent, REMOTE_SEND, .handle = scene->handle, .size = 1, TEXT_DATA("x"),
                               .out_size = sizes[i], .flags = REMOTE_LIE_OUT)->hr, ==, 0x800703E6);
        expect_alive(scene);
}

static void add(const char *path, void (*test)(struct scene *, gconstpointer))
{
        g_test_add(path, struct scene, NULL, set_up, test, scene_tear_down);
}

static void add_tests(void)
{
        g_test_add_func("/connect/current-process", test_connect_current_process);
        g_test_add_func("/connect/context", test_connect_context);
        g_test_add_func("/connect/no-context", test_connect_no_context);
        g_test_add_func("/connect/refused", test_connect_refused);
        g_test_add_func("/connect/slow", test_connect_slow);
        g_test_add_func("/disconnect/after-calls", test_disconnect_after_calls);
        g_test_add_func("/disconnect/order", test_disconnect_order);
        g_test_add_func("/disconnect/unload", test_disconnect_unload);
        add("/call/current-process", test_call_current_process);
        add("/call/concurrent", test_call_concurrent);
        add("/call/severity", test_call_severity);
        add("/call/buffer-too-small", test_call_buffer_too_small);
        add("/call/sizes", test_call_sizes);
        add("/call/lying-input", test_call_lying_input);
        add("/call/lying-output", test_call_lying_output);
}

int main(int argc, char **argv)
{
        return fixture_main(argc, argv, add_tests);
}
