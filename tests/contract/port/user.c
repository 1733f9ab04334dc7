/* SPDX-License-Identifier: MIT */
/*
 * The agent's side of a port, row by row.
 *
 * FilterConnectCommunicationPort
 *   no such port                                                     /user/connect/no-such-port
 *   MaxConnections reached, ConnectNotify not called                 /user/connect/max-connections
 *   context without size, size without context                       /user/connect/context-and-size
 *   context longer than 0xFFE7                                       /user/connect/context-too-long
 *   unknown option bits                                              /user/connect/options
 *   filter manager not running                                       /user/connect/no-filter-manager
 *   name case                                                        /user/connect/name-case
 *   (no access: security.c; ConnectNotify failed: status.c)
 *   CloseHandle, process death                                       /user/handle/close, /user/handle/death
 *   duplicates: the connection ends with the last one; receives of
 *     the others stay pending                                        /user/handle/duplicate, /user/handle/fork
 *   one I/O completion port                                          /user/handle/completion-port
 * FilterGetMessage
 *   synchronous                                                      /user/get/synchronous
 *   overlapped: 0x800703E5, also if a sender waits already           /user/get/overlapped
 *   completes through event, completion port, pollable descriptor    /user/get/event, /user/get/completion-port,
 *                                                                    /user/get/pollable
 *   byte count includes the header                                   /user/get/byte-count
 *   NULL buffer or size < 16                                         /user/get/arguments
 *   too small: 122, needed size, message not lost                    /user/get/too-small
 *   disconnected before the call, no completion follows              /user/get/disconnected-before
 *   disconnected while pending                                       /user/get/disconnected-pending
 *   CancelIo, CancelIoEx; senders unaffected                         /user/get/cancel, /user/get/cancel-ex
 *   a delivery that claimed the receive first wins                   /user/get/cancel-too-late
 *   own CloseHandle while pending                                    /user/get/own-close
 *   many outstanding, many threads                                   /user/get/many
 * FilterReplyMessage
 *   S_OK in any order, from any thread and duplicate                 /user/reply/any-order
 *   size < 16: sender waits on                                       /user/reply/arguments
 *   longer than the sender's buffer: send.c
 *   no such waiter                                                   /user/reply/no-waiter
 *   disconnected                                                     /user/reply/disconnected
 *   never blocks on the filter                                       /user/reply/filter-is-busy
 * FilterSendMessage
 *   status mapped: status.c
 *   NULL or empty input: callback not run                            /user/send/no-input
 *   no MessageNotify                                                 /user/send/one-way
 *   disconnected                                                     /user/send/disconnected
 *   outSize is ignored when out is NULL                              /user/send/no-output
 * FLT_PORT_FLAG_SYNC_HANDLE                                          /user/sync-handle/serialised,
 *                                                                    /user/sync-handle/default-is-not
 */
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

#define SYNC_HANDLE 1u /* FLT_PORT_FLAG_SYNC_HANDLE of the agents' headers */

static void set_up(struct scene *scene, gconstpointer unused)
{
        scene_open(scene, 4);
}

static void set_up_synchronous(struct scene *scene, gconstpointer unused)
{
        scene->port = port_new(PORT_NAME, 4);
        scene->agent = agent_new();
        scene->handle = agent_connect_with(scene->agent, scene->port, &scene->link, SYNC_HANDLE);
}

static void assert_refused(const struct remote_result *result, guint32 hr)
{
        assert_hex(result->hr, ==, hr);
        g_assert_true(result->handle == UINT64_MAX);
}

static struct sender message(struct scene *scene, const char *text)
{
        return (struct sender){ .link = scene->link, .payload = text, .length = (ULONG)strlen(text) };
}

/* Somebody sends a text, and it goes where it should. */
static void send_text(struct scene *scene, const char *text)
{
        struct sender sender = message(scene, text);

        sender_start(&sender);
        assert_hex(sender_join(&sender), ==, STATUS_SUCCESS);
}

#define CONNECT(agent, name, ...) RUN(agent, REMOTE_CONNECT, .flags = REMOTE_NULL_IN, NAME_DATA(name), ##__VA_ARGS__)
#define START_GET(scene, n, bytes, ...)                                                                        \
        assert_hex(RUN((scene)->agent, REMOTE_START_GET, .handle = (scene)->handle, .slot = n, .size = bytes,  \
                       ##__VA_ARGS__)->hr, ==, 0x800703E5)

static void test_no_such_port(struct scene *scene, gconstpointer unused)
{
        assert_refused(CONNECT(scene->agent, "\\Nobody"), 0x80070002);
        assert_refused(CONNECT(scene->agent, "ContractPort"), 0x80070002);
        assert_refused(CONNECT(scene->agent, "\\ContractPort\\"), 0x80070002);
}

static void test_connect_max(struct scene *scene, gconstpointer unused)
{
        uint64_t last = 0;

        for (unsigned i = 1; i < 4; i++)
                last = agent_connect(scene->agent, scene->port, NULL);
        assert_refused(CONNECT(scene->agent, PORT_NAME), 0x800704D6);
        g_assert_cmpuint(scene->port->connects, ==, 4);
        RUN(scene->agent, REMOTE_CLOSE, .handle = last);
        WAIT_UNTIL(port_live(scene->port) == 3);
        agent_connect(scene->agent, scene->port, NULL);
}

static void test_context_and_size(struct scene *scene, gconstpointer unused)
{
        assert_refused(RUN(scene->agent, REMOTE_CONNECT, .size = 0, NAME_DATA(PORT_NAME)), 0x80070057);
        assert_refused(CONNECT(scene->agent, PORT_NAME, .size = 4), 0x80070057);
        g_assert_cmpuint(scene->port->connects, ==, 1);
}

static void test_context_too_long(struct scene *scene, gconstpointer unused)
{
        assert_refused(RUN(scene->agent, REMOTE_CONNECT, .size = 0xFFE8, NAME_DATA(PORT_NAME)), 0x80070216);
        assert_refused(RUN(scene->agent, REMOTE_CONNECT, .size = 0xFFFF, NAME_DATA(PORT_NAME)), 0x80070216);
        g_assert_cmpuint(scene->port->connects, ==, 1);
        assert_hex(RUN(scene->agent, REMOTE_CONNECT, .size = 0xFFE7, NAME_DATA(PORT_NAME))->hr, ==, 0);
}

static void test_options(struct scene *scene, gconstpointer unused)
{
        assert_refused(CONNECT(scene->agent, PORT_NAME, .options = 2), 0x80070057);
        assert_refused(CONNECT(scene->agent, PORT_NAME, .options = 0x80000001), 0x80070057);
        g_assert_cmpuint(scene->port->connects, ==, 1);
        assert_hex(CONNECT(scene->agent, PORT_NAME, .options = 1)->hr, ==, 0);
}

static void test_no_filter_manager(void)
{
        g_autofree char *empty = g_dir_make_tmp("fltsim-XXXXXX", NULL);
        g_autofree char *missing = g_build_filename(empty, "missing", NULL);
        const char *const directories[] = { empty, missing };

        for (unsigned i = 0; i < 2; i++) {
                struct agent *agent;

                g_setenv("FLTSIM_RUNTIME_DIR", directories[i], TRUE);
                agent = agent_new();
                g_setenv("FLTSIM_RUNTIME_DIR", fixture.directory, TRUE);
                assert_refused(CONNECT(agent, PORT_NAME), 0x80070002);
                agent_free(agent);
        }
        g_assert_cmpint(g_rmdir(empty), ==, 0);
}

static void test_name_case(void)
{
        struct agent *agent = agent_new();

        for (unsigned insensitive = 0; insensitive < 2; insensitive++) {
                struct port *port = g_new0(struct port, 1);

                assert_hex(port_create(port, &(struct port_options){
                        .name = "\\Straße", .max_connections = 2,
                        .attributes = OBJ_KERNEL_HANDLE | (insensitive ? OBJ_CASE_INSENSITIVE : 0),
                }), ==, STATUS_SUCCESS);
                assert_hex(CONNECT(agent, "\\Straße")->hr, ==, 0);
                assert_hex(CONNECT(agent, "\\sTRAßE")->hr, ==, insensitive ? 0 : 0x80070002);
                agent_free(agent);
                agent = agent_new();
                port_free(port);
        }
        agent_free(agent);
}

static void test_close(struct scene *scene, gconstpointer unused)
{
        g_assert_cmpuint(RUN(scene->agent, REMOTE_CLOSE, .handle = scene->handle)->hr, ==, 1);
        WAIT_UNTIL(scene->link->disconnects == 1);
        assert_hex(RUN(scene->agent, REMOTE_GET, .handle = scene->handle, .size = 80)->hr, ==, 0x80070006);
        assert_hex(agent_send(scene->agent, scene->handle, "x"), ==, 0x80070006);
        assert_hex(agent_reply(scene->agent, scene->handle, 1, 0, ""), ==, 0x80070006);
}

static void test_death(struct scene *scene, gconstpointer unused)
{
        agent_kill(g_steal_pointer(&scene->agent));
        WAIT_UNTIL(scene->link->disconnects == 1);
}

static void test_duplicate(struct scene *scene, gconstpointer unused)
{
        const struct remote_result *result = RUN(scene->agent, REMOTE_DUPLICATE, .handle = scene->handle);
        uint64_t copy = result->handle;
        char reply[8];
        struct sender sender = message(scene, "question");
        uint64_t id;

        g_assert_cmpuint(result->hr, ==, 1);
        START_GET(scene, 0, 80, .flags = REMOTE_EVENT);
        sender.reply = reply;
        sender.reply_length = sizeof(reply);
        g_assert_cmpuint(RUN(scene->agent, REMOTE_CLOSE, .handle = scene->handle)->hr, ==, 1);
        sender_start(&sender);
        result = RUN(scene->agent, REMOTE_WAIT_EVENT, .slot = 0);
        g_assert_cmphex(result->internal, ==, 0);
        id = result->id;
        g_assert_cmpuint(scene->link->disconnects, ==, 0);
        assert_hex(agent_reply(scene->agent, copy, id, STATUS_SUCCESS, "yes"), ==, 0);
        assert_hex(sender_join(&sender), ==, STATUS_SUCCESS);
        assert_hex(agent_send(scene->agent, copy, "x"), ==, 0);
        g_assert_cmpuint(RUN(scene->agent, REMOTE_CLOSE, .handle = copy)->hr, ==, 1);
        WAIT_UNTIL(scene->link->disconnects == 1);
}

static void test_fork(struct scene *scene, gconstpointer unused)
{
        struct sender sender = message(scene, "x");

        RUN(scene->agent, REMOTE_FORK);
        g_assert_cmpuint(RUN(scene->agent, REMOTE_CLOSE, .handle = scene->handle)->hr, ==, 1);
        /* The child has it still: a sender waits for a receiver. */
        sender_start(&sender);
        sender_wait_blocked(&sender);
        g_assert_cmpuint(scene->link->disconnects, ==, 0);
        RUN(scene->agent, REMOTE_FORK_END);
        assert_hex(sender_join(&sender), ==, STATUS_PORT_DISCONNECTED);
        WAIT_UNTIL(scene->link->disconnects == 1);
}

static void test_completion_port(struct scene *scene, gconstpointer unused)
{
        const struct remote_result *result = RUN(scene->agent, REMOTE_ASSOCIATE, .handle = scene->handle, .id = 7);

        g_assert_cmpuint(result->hr, ==, 1);
        /* Not a second one. */
        result = RUN(scene->agent, REMOTE_ASSOCIATE, .handle = scene->handle, .id = 8);
        g_assert_cmpuint(result->hr, ==, 0);
        g_assert_cmpuint(result->error, ==, 87);
}

static void test_synchronous(struct scene *scene, gconstpointer unused)
{
        uint32_t serial = START(scene->agent, REMOTE_GET, .handle = scene->handle, .size = 80, .worker = 1);
        const struct remote_result *result;

        agent_wait_blocked(scene->agent, 1);
        g_assert_false(agent_is_done(scene->agent, serial));
        send_text(scene, "a text");
        result = agent_finish(scene->agent, serial);
        assert_hex(result->hr, ==, 0);
        g_assert_cmpstr((char *)result->data, ==, "a text");
}

static void test_overlapped(struct scene *scene, gconstpointer unused)
{
        struct sender sender = message(scene, "early");
        const struct remote_result *result;

        sender_start(&sender);
        sender_wait_blocked(&sender);
        START_GET(scene, 0, 80);
        result = RUN(scene->agent, REMOTE_FINISH_GET, .handle = scene->handle, .slot = 0);
        g_assert_cmpuint(result->hr, ==, 1);
        g_assert_cmpstr((char *)result->data, ==, "early");
        assert_hex(sender_join(&sender), ==, STATUS_SUCCESS);

        START_GET(scene, 0, 80);
        sender = message(scene, "late");
        sender_start(&sender);
        result = RUN(scene->agent, REMOTE_FINISH_GET, .handle = scene->handle, .slot = 0);
        g_assert_cmpstr((char *)result->data, ==, "late");
        assert_hex(sender_join(&sender), ==, STATUS_SUCCESS);
}

static void test_event(struct scene *scene, gconstpointer unused)
{
        uint32_t serial;
        const struct remote_result *result;

        START_GET(scene, 0, 80, .flags = REMOTE_EVENT);
        serial = START(scene->agent, REMOTE_WAIT_EVENT, .slot = 0, .worker = 1);
        agent_wait_blocked(scene->agent, 1);
        send_text(scene, "a text");
        result = agent_finish(scene->agent, serial);
        g_assert_cmpuint(result->hr, ==, 0);
        g_assert_cmphex(result->internal, ==, 0);
        g_assert_cmpuint(result->bytes, ==, 16 + 6);
        g_assert_cmpstr((char *)result->data, ==, "a text");
}

static void test_get_completion_port(struct scene *scene, gconstpointer unused)
{
        uint64_t completions = RUN(scene->agent, REMOTE_ASSOCIATE, .handle = scene->handle, .id = 7)->handle;
        const struct remote_result *result;
        uint32_t serial;

        START_GET(scene, 3, 80);
        serial = START(scene->agent, REMOTE_DEQUEUE, .handle = completions, .worker = 1);
        agent_wait_blocked(scene->agent, 1);
        send_text(scene, "a text");
        result = agent_finish(scene->agent, serial);
        g_assert_cmpuint(result->hr, ==, 1);
        g_assert_cmpuint(result->value, ==, 7);
        g_assert_cmpuint(result->slot, ==, 3);
        g_assert_cmpuint(result->bytes, ==, 16 + 6);
        g_assert_cmpstr((char *)result->data, ==, "a text");
        /* Failures come the same way. */
        START_GET(scene, 4, 80);
        FltCloseClientPort(fixture.filter, &scene->link->client);
        result = RUN(scene->agent, REMOTE_DEQUEUE, .handle = completions);
        g_assert_cmpuint(result->hr, ==, 0);
        g_assert_cmpuint(result->error, ==, 6);
        g_assert_cmpuint(result->slot, ==, 4);
        g_assert_cmphex(result->internal, ==, 0xC0000037);
}

static void test_pollable(struct scene *scene, gconstpointer unused)
{
        uint32_t serial = START(scene->agent, REMOTE_POLL, .handle = scene->handle, .worker = 1);
        const struct remote_result *result;
        struct sender sender = message(scene, "a text");

        assert_hex(RUN(scene->agent, REMOTE_TRY_GET, .handle = scene->handle, .size = 80)->hr, ==, 0x80070103);
        sender_start(&sender);
        for (;;) {
                g_assert_cmpuint(agent_finish(scene->agent, serial)->value, ==, 1);
                result = RUN(scene->agent, REMOTE_TRY_GET, .handle = scene->handle, .size = 80);
                if (result->hr == 0)
                        break;
                /* It may have been readable for nothing; then it is readable again when there is something. */
                assert_hex(result->hr, ==, 0x80070103);
                serial = START(scene->agent, REMOTE_POLL, .handle = scene->handle, .worker = 1);
        }
        g_assert_cmpuint(result->bytes, ==, 16 + 6);
        g_assert_cmpstr((char *)result->data, ==, "a text");
        assert_hex(sender_join(&sender), ==, STATUS_SUCCESS);
        FltCloseClientPort(fixture.filter, &scene->link->client);
        do {
                RUN(scene->agent, REMOTE_POLL, .handle = scene->handle);
                result = RUN(scene->agent, REMOTE_TRY_GET, .handle = scene->handle, .size = 80);
        } while (result->hr == 0x80070103);
        assert_hex(result->hr, ==, 0x80070006);
}

static void test_byte_count(struct scene *scene, gconstpointer unused)
{
        static const ULONG lengths[] = { 0, 1, 64 };

        for (unsigned i = 0; i < G_N_ELEMENTS(lengths); i++) {
                static const char text[64] = "payload";
                struct sender sender = { .link = scene->link, .payload = text, .length = lengths[i] };

                START_GET(scene, 0, 80);
                sender_start(&sender);
                g_assert_cmpuint(RUN(scene->agent, REMOTE_FINISH_GET, .handle = scene->handle, .slot = 0)->bytes, ==,
                                 16 + lengths[i]);
                assert_hex(sender_join(&sender), ==, STATUS_SUCCESS);
        }
}

static void test_get_arguments(struct scene *scene, gconstpointer unused)
{
        for (unsigned i = 0; i < 2; i++) {
                uint32_t op = i ? REMOTE_START_GET : REMOTE_GET;

                assert_hex(RUN(scene->agent, op, .handle = scene->handle, .size = 80,
                               .flags = REMOTE_NULL_OUT)->hr, ==, 0x80070057);
                assert_hex(RUN(scene->agent, op, .handle = scene->handle, .size = 0)->hr, ==, 0x80070057);
                assert_hex(RUN(scene->agent, op, .handle = scene->handle, .size = 15)->hr, ==, 0x80070057);
        }
        START_GET(scene, 0, 16);
}

static void test_too_small(struct scene *scene, gconstpointer unused)
{
        struct sender sender = message(scene, "12345678");
        const struct remote_result *result;

        START_GET(scene, 0, 23);
        sender_start(&sender);
        result = RUN(scene->agent, REMOTE_FINISH_GET, .handle = scene->handle, .slot = 0);
        g_assert_cmpuint(result->error, ==, 122);
        g_assert_cmpuint(result->bytes, ==, 24);
        assert_hex(RUN(scene->agent, REMOTE_GET, .handle = scene->handle, .size = 20)->hr, ==, 0x8007007A);
        result = RUN(scene->agent, REMOTE_TRY_GET, .handle = scene->handle, .size = 20);
        assert_hex(result->hr, ==, 0x8007007A);
        g_assert_cmpuint(result->bytes, ==, 24);
        assert_hex(RUN(scene->agent, REMOTE_GET, .handle = scene->handle, .size = 24)->hr, ==, 0);
        assert_hex(sender_join(&sender), ==, STATUS_SUCCESS);
}

static void test_disconnected_before(struct scene *scene, gconstpointer unused)
{
        uint64_t completions = RUN(scene->agent, REMOTE_ASSOCIATE, .handle = scene->handle, .id = 7)->handle;
        uint32_t serial;

        FltCloseClientPort(fixture.filter, &scene->link->client);
        assert_hex(RUN(scene->agent, REMOTE_GET, .handle = scene->handle, .size = 80)->hr, ==, 0x80070006);
        assert_hex(RUN(scene->agent, REMOTE_START_GET, .handle = scene->handle, .size = 80)->hr, ==, 0x80070006);
        serial = START(scene->agent, REMOTE_DEQUEUE, .handle = completions, .worker = 1);
        agent_wait_blocked(scene->agent, 1);
        g_assert_false(agent_is_done(scene->agent, serial));
        /* It ends with its completion port, with no packet. */
        RUN(scene->agent, REMOTE_CLOSE, .handle = completions);
        g_assert_cmpuint(agent_finish(scene->agent, serial)->error, ==, 735);
}

static void test_disconnected_pending(struct scene *scene, gconstpointer unused)
{
        uint32_t serials[3];

        for (unsigned i = 0; i < 3; i++) {
                serials[i] = START(scene->agent, REMOTE_GET, .handle = scene->handle, .size = 80, .worker = i + 1);
                agent_wait_blocked(scene->agent, i + 1);
        }
        START_GET(scene, 0, 80, .flags = REMOTE_EVENT);
        START_GET(scene, 1, 80);
        FltCloseClientPort(fixture.filter, &scene->link->client);
        for (unsigned i = 0; i < 3; i++)
                assert_hex(agent_finish(scene->agent, serials[i])->hr, ==, 0x80070006);
        g_assert_cmphex(RUN(scene->agent, REMOTE_WAIT_EVENT, .slot = 0)->internal, ==, 0xC0000037);
        g_assert_cmpuint(RUN(scene->agent, REMOTE_FINISH_GET, .handle = scene->handle, .slot = 1)->error, ==, 6);
}

static void test_cancel(struct scene *scene, gconstpointer unused)
{
        const struct remote_result *result;
        struct sender sender = message(scene, "x");

        /* Of the calling thread only. */
        START_GET(scene, 0, 80, .worker = 1);
        START_GET(scene, 1, 80, .worker = 2);
        g_assert_cmpuint(RUN(scene->agent, REMOTE_CANCEL, .handle = scene->handle, .worker = 1)->hr, ==, 1);
        result = RUN(scene->agent, REMOTE_FINISH_GET, .handle = scene->handle, .slot = 0, .worker = 1);
        g_assert_cmpuint(result->error, ==, 995);
        g_assert_cmphex(result->internal, ==, 0xC0000120);
        sender_start(&sender);
        result = RUN(scene->agent, REMOTE_FINISH_GET, .handle = scene->handle, .slot = 1, .worker = 2);
        g_assert_cmpuint(result->hr, ==, 1);
        g_assert_cmpuint(result->id, ==, 1);
        assert_hex(sender_join(&sender), ==, STATUS_SUCCESS);
}

static void test_cancel_ex(struct scene *scene, gconstpointer unused)
{
        const struct remote_result *result;

        START_GET(scene, 0, 80);
        START_GET(scene, 1, 80);
        /* From another thread, the one that is named. */
        g_assert_cmpuint(RUN(scene->agent, REMOTE_CANCEL_EX, .handle = scene->handle, .slot = 1, .worker = 2)->hr, ==, 1);
        result = RUN(scene->agent, REMOTE_FINISH_GET, .handle = scene->handle, .slot = 1);
        g_assert_cmpuint(result->error, ==, 995);
        {
                uint32_t serial = START(scene->agent, REMOTE_FINISH_GET, .handle = scene->handle, .slot = 0,
                                        .worker = 1);

                send_text(scene, "x");
                g_assert_cmpuint(agent_finish(scene->agent, serial)->hr, ==, 1);
        }
        result = RUN(scene->agent, REMOTE_CANCEL_EX, .handle = scene->handle, .slot = 1);
        g_assert_cmpuint(result->hr, ==, 0);
        g_assert_cmpuint(result->error, ==, 1168);
}

static void test_cancel_too_late(struct scene *scene, gconstpointer unused)
{
        const struct remote_result *result;
        struct sender sender = message(scene, "x");

        sender_start(&sender);
        sender_wait_blocked(&sender);
        START_GET(scene, 0, 80); /* has it at once */
        assert_hex(sender_join(&sender), ==, STATUS_SUCCESS);
        result = RUN(scene->agent, REMOTE_CANCEL_EX, .handle = scene->handle, .slot = 0);
        g_assert_cmpuint(result->hr, ==, 0);
        g_assert_cmpuint(result->error, ==, 1168);
        result = RUN(scene->agent, REMOTE_FINISH_GET, .handle = scene->handle, .slot = 0);
        g_assert_cmpuint(result->hr, ==, 1);
        g_assert_cmpuint(result->bytes, ==, 17);
}

static void test_own_close(struct scene *scene, gconstpointer unused)
{
        uint64_t completions = RUN(scene->agent, REMOTE_ASSOCIATE, .handle = scene->handle, .id = 7)->handle;
        uint32_t serial = START(scene->agent, REMOTE_GET, .handle = scene->handle, .size = 80, .worker = 1);
        const struct remote_result *result;

        agent_wait_blocked(scene->agent, 1);
        START_GET(scene, 0, 80);
        START_GET(scene, 1, 80, .flags = REMOTE_EVENT);
        g_assert_cmpuint(RUN(scene->agent, REMOTE_CLOSE, .handle = scene->handle, .worker = 2)->hr, ==, 1);
        assert_hex(agent_finish(scene->agent, serial)->hr, ==, 0x80070006);
        for (unsigned i = 0; i < 2; i++) {
                result = RUN(scene->agent, REMOTE_DEQUEUE, .handle = completions);
                g_assert_cmpuint(result->hr, ==, 0);
                g_assert_cmpuint(result->error, ==, 6);
                g_assert_cmphex(result->internal, ==, 0xC0000037);
        }
        WAIT_UNTIL(scene->link->disconnects == 1);
}

static void *send_numbers(void *data)
{
        struct scene *scene = data;

        for (unsigned i = 0; i < 200; i++) {
                static _Atomic uint32_t next;
                uint32_t number = next++;

                assert_hex(FltSendMessage(fixture.filter, &scene->link->client, &number, sizeof(number), NULL, NULL,
                                          NULL), ==, STATUS_SUCCESS);
        }
        return NULL;
}

/* Synchronous and overlapped receives on one handle, from several threads; each message once. */
static void test_many(struct scene *scene, gconstpointer unused)
{
        enum { SENDERS = 4, COUNT = SENDERS * 200, THREADS = 6, SLOTS = 3 };
        uint64_t completions = RUN(scene->agent, REMOTE_ASSOCIATE, .handle = scene->handle, .id = 7)->handle;
        g_autofree bool *seen = g_new0(bool, COUNT), *ids = g_new0(bool, COUNT + 1);
        uint32_t serials[THREADS];
        pthread_t senders[SENDERS];
        unsigned count = 0;

        for (unsigned i = 0; i < SLOTS; i++)
                START_GET(scene, i, 80);
        for (unsigned i = 0; i < THREADS; i++)
                serials[i] = i < SLOTS ? START(scene->agent, REMOTE_DEQUEUE, .handle = completions, .worker = i)
                                       : START(scene->agent, REMOTE_GET, .handle = scene->handle, .size = 80, .worker = i);
        for (unsigned i = 0; i < SENDERS; i++)
                g_assert_cmpint(pthread_create(&senders[i], NULL, send_numbers, scene), ==, 0);
        for (unsigned i = 0; count < COUNT; i = (i + 1) % THREADS) {
                const struct remote_result *result;
                uint32_t number, slot;

                if (!agent_is_done(scene->agent, serials[i])) {
                        g_thread_yield();
                        continue;
                }
                result = agent_finish(scene->agent, serials[i]);
                slot = result->slot;
                memcpy(&number, result->data, sizeof(number));
                g_assert_cmpuint(number, <, COUNT);
                g_assert_false(seen[number]);
                seen[number] = true;
                g_assert_cmpuint(result->id, >, 0);
                g_assert_cmpuint(result->id, <=, COUNT);
                g_assert_false(ids[result->id]);
                ids[result->id] = true;
                count++;
                if (i < SLOTS) {
                        START_GET(scene, slot, 80, .worker = REMOTE_WORKERS - 1);
                        serials[i] = START(scene->agent, REMOTE_DEQUEUE, .handle = completions, .worker = i);
                } else {
                        serials[i] = START(scene->agent, REMOTE_GET, .handle = scene->handle, .size = 80, .worker = i);
                }
        }
        for (unsigned i = 0; i < SENDERS; i++)
                pthread_join(senders[i], NULL);
}

static void test_any_order(struct scene *scene, gconstpointer unused)
{
        uint64_t copy = RUN(scene->agent, REMOTE_DUPLICATE, .handle = scene->handle)->handle;
        char replies[3][8];
        struct sender senders[3];

        for (unsigned i = 0; i < 3; i++) {
                static const char *const texts[] = { "1", "2", "3" };

                senders[i] = message(scene, texts[i]);
                senders[i].reply = replies[i];
                senders[i].reply_length = sizeof(replies[i]);
                sender_start(&senders[i]);
                g_assert_cmpuint(RUN(scene->agent, REMOTE_GET, .handle = scene->handle, .size = 80)->id, ==, i + 1);
        }
        assert_hex(RUN(scene->agent, REMOTE_REPLY, .handle = copy, .id = 3, .size = 17, .worker = 3,
                       TEXT_DATA("c"))->hr, ==, 0);
        assert_hex(sender_join(&senders[2]), ==, STATUS_SUCCESS);
        assert_hex(RUN(scene->agent, REMOTE_REPLY, .handle = scene->handle, .id = 1, .size = 17, .worker = 4,
                       TEXT_DATA("a"))->hr, ==, 0);
        assert_hex(sender_join(&senders[0]), ==, STATUS_SUCCESS);
        assert_hex(RUN(scene->agent, REMOTE_REPLY, .handle = copy, .id = 2, .size = 17, .worker = 5,
                       TEXT_DATA("b"))->hr, ==, 0);
        assert_hex(sender_join(&senders[1]), ==, STATUS_SUCCESS);
        g_assert_true(replies[0][0] == 'a' && replies[1][0] == 'b' && replies[2][0] == 'c');
        RUN(scene->agent, REMOTE_CLOSE, .handle = copy);
}

static void test_reply_arguments(struct scene *scene, gconstpointer unused)
{
        char reply[8];
        struct sender sender = message(scene, "x");
        uint64_t id;

        sender.reply = reply;
        sender.reply_length = sizeof(reply);
        sender_start(&sender);
        id = RUN(scene->agent, REMOTE_GET, .handle = scene->handle, .size = 80)->id;
        assert_hex(RUN(scene->agent, REMOTE_REPLY, .handle = scene->handle, .id = id, .size = 15)->hr, ==, 0x80070057);
        assert_hex(RUN(scene->agent, REMOTE_REPLY, .handle = scene->handle, .id = id, .size = 0)->hr, ==, 0x80070057);
        assert_hex(RUN(scene->agent, REMOTE_REPLY, .handle = scene->handle, .id = id, .size = 16,
                       .flags = REMOTE_NULL_IN)->hr, ==, 0x80070057);
        sender_wait_blocked(&sender);
        assert_hex(agent_reply(scene->agent, scene->handle, id, STATUS_SUCCESS, ""), ==, 0);
        assert_hex(sender_join(&sender), ==, STATUS_SUCCESS);
}

static void test_no_waiter(struct scene *scene, gconstpointer unused)
{
        char reply[8];
        struct sender sender = message(scene, "x");
        struct link *other_link;
        uint64_t other = agent_connect(scene->agent, scene->port, &other_link);

        /* Unknown. */
        assert_hex(agent_reply(scene->agent, scene->handle, 0, 0, ""), ==, 0x801F0020);
        assert_hex(agent_reply(scene->agent, scene->handle, 1, 0, ""), ==, 0x801F0020);
        assert_hex(agent_reply(scene->agent, scene->handle, UINT64_MAX, 0, ""), ==, 0x801F0020);
        /* No reply wanted. */
        sender_start(&sender);
        g_assert_cmpuint(RUN(scene->agent, REMOTE_GET, .handle = scene->handle, .size = 80)->id, ==, 1);
        assert_hex(sender_join(&sender), ==, STATUS_SUCCESS);
        assert_hex(agent_reply(scene->agent, scene->handle, 1, 0, ""), ==, 0x801F0020);
        /* Another connection, whose own second message it would be. */
        sender.reply = reply;
        sender.reply_length = sizeof(reply);
        sender_start(&sender);
        g_assert_cmpuint(RUN(scene->agent, REMOTE_GET, .handle = scene->handle, .size = 80)->id, ==, 2);
        assert_hex(agent_reply(scene->agent, other, 2, 0, ""), ==, 0x801F0020);
        /* Numbers that are the same modulo the size of any table. */
        assert_hex(agent_reply(scene->agent, scene->handle, 2 + 256, 0, ""), ==, 0x801F0020);
        assert_hex(agent_reply(scene->agent, scene->handle, 2 + (UINT64_C(1) << 32), 0, ""), ==, 0x801F0020);
        sender_wait_blocked(&sender);
        assert_hex(agent_reply(scene->agent, scene->handle, 2, 0, ""), ==, 0);
        assert_hex(sender_join(&sender), ==, STATUS_SUCCESS);
        /* Answered. */
        assert_hex(agent_reply(scene->agent, scene->handle, 2, 0, ""), ==, 0x801F0020);
        /* Timed out. */
        sender.reply_length = sizeof(reply);
        sender.has_timeout = true;
        sender.timeout = -500 * 10000;
        sender_start(&sender);
        g_assert_cmpuint(RUN(scene->agent, REMOTE_GET, .handle = scene->handle, .size = 80)->id, ==, 3);
        assert_hex(sender_join(&sender), ==, STATUS_TIMEOUT);
        assert_hex(agent_reply(scene->agent, scene->handle, 3, 0, ""), ==, 0x801F0020);
}

static void test_reply_disconnected(struct scene *scene, gconstpointer unused)
{
        char reply[8];
        struct sender sender = message(scene, "x");

        sender.reply = reply;
        sender.reply_length = sizeof(reply);
        sender_start(&sender);
        RUN(scene->agent, REMOTE_GET, .handle = scene->handle, .size = 80);
        FltCloseClientPort(fixture.filter, &scene->link->client);
        assert_hex(agent_reply(scene->agent, scene->handle, 1, 0, ""), ==, 0x80070006);
        assert_hex(sender_join(&sender), ==, STATUS_PORT_DISCONNECTED);
}

static void test_filter_is_busy(struct scene *scene, gconstpointer unused)
{
        char reply[8];
        struct sender sender = message(scene, "x");
        uint32_t serials[3];

        sender.reply = reply;
        sender.reply_length = sizeof(reply);
        scene->port->hold_calls = true;
        for (unsigned i = 0; i < 3; i++)
                serials[i] = START(scene->agent, REMOTE_SEND, .handle = scene->handle, .worker = i, .size = 1,
                                   TEXT_DATA("x"));
        WAIT_UNTIL(scene->port->calling == 3);
        sender_start(&sender);
        RUN(scene->agent, REMOTE_GET, .handle = scene->handle, .size = 80, .worker = 4);
        assert_hex(agent_reply(scene->agent, scene->handle, 1, 0, ""), ==, 0);
        assert_hex(sender_join(&sender), ==, STATUS_SUCCESS);
        port_release(scene->port);
        for (unsigned i = 0; i < 3; i++)
                assert_hex(agent_finish(scene->agent, serials[i])->hr, ==, 0);
}

static void test_no_input(struct scene *scene, gconstpointer unused)
{
        assert_hex(RUN(scene->agent, REMOTE_SEND, .handle = scene->handle, .size = 0)->hr, ==, 0x80070057);
        assert_hex(RUN(scene->agent, REMOTE_SEND, .handle = scene->handle, .size = 8,
                       .flags = REMOTE_NULL_IN)->hr, ==, 0x80070057);
        g_assert_cmpuint(scene->link->calls, ==, 0);
}

static void test_one_way(void)
{
        struct agent *agent = agent_new();
        struct port *port = g_new0(struct port, 1);
        struct link *link;
        uint64_t handle;
        struct sender sender;

        assert_hex(port_create(port, &(struct port_options){
                .name = PORT_NAME, .max_connections = 1, .attributes = OBJ_KERNEL_HANDLE, .one_way = true,
        }), ==, STATUS_SUCCESS);
        handle = agent_connect(agent, port, &link);
        assert_hex(agent_send(agent, handle, "x"), ==, 0x80070001);
        /* The other way is open. */
        sender = (struct sender){ .link = link, .payload = "x", .length = 1 };
        sender_start(&sender);
        assert_hex(RUN(agent, REMOTE_GET, .handle = handle, .size = 80)->hr, ==, 0);
        assert_hex(sender_join(&sender), ==, STATUS_SUCCESS);
        agent_free(agent);
        port_free(port);
}

static void test_send_disconnected(struct scene *scene, gconstpointer unused)
{
        assert_hex(agent_send(scene->agent, scene->handle, "x"), ==, 0);
        FltCloseClientPort(fixture.filter, &scene->link->client);
        assert_hex(agent_send(scene->agent, scene->handle, "x"), ==, 0x80070006);
        g_assert_cmpuint(scene->link->calls, ==, 1);
}

static void test_no_output(struct scene *scene, gconstpointer unused)
{
        assert_hex(RUN(scene->agent, REMOTE_SEND, .handle = scene->handle, .size = 1, TEXT_DATA("x"), .out_size = 4096,
                       .flags = REMOTE_NULL_OUT)->hr, ==, 0);
        g_assert_cmpuint(scene->link->output_length, ==, 0);
        g_assert_true(scene->link->output_is_null);
        assert_hex(RUN(scene->agent, REMOTE_SEND, .handle = scene->handle, .size = 1, TEXT_DATA("x"),
                       .out_size = 4096)->hr, ==, 0);
        g_assert_cmpuint(scene->link->output_length, ==, 4096);
        g_assert_false(scene->link->output_is_null);
}

static void test_serialised(struct scene *scene, gconstpointer unused)
{
        uint32_t receive = START(scene->agent, REMOTE_GET, .handle = scene->handle, .size = 80, .worker = 1), reply, call;

        agent_wait_blocked(scene->agent, 1);
        reply = START(scene->agent, REMOTE_REPLY, .handle = scene->handle, .id = 9, .size = 16, .worker = 2);
        call = START(scene->agent, REMOTE_SEND, .handle = scene->handle, .worker = 3, .size = 1, TEXT_DATA("x"));
        agent_wait_locked_out(scene->agent, 2);
        agent_wait_locked_out(scene->agent, 3);
        g_assert_false(agent_is_done(scene->agent, reply));
        g_assert_false(agent_is_done(scene->agent, call));
        g_assert_cmpuint(scene->link->calls, ==, 0);
        send_text(scene, "x");
        assert_hex(agent_finish(scene->agent, receive)->hr, ==, 0);
        assert_hex(agent_finish(scene->agent, reply)->hr, ==, 0x801F0020);
        assert_hex(agent_finish(scene->agent, call)->hr, ==, 0);
        g_assert_cmpuint(scene->link->calls, ==, 1);
}

static void test_default_is_not(struct scene *scene, gconstpointer unused)
{
        uint32_t receive = START(scene->agent, REMOTE_GET, .handle = scene->handle, .size = 80, .worker = 1);

        agent_wait_blocked(scene->agent, 1);
        assert_hex(agent_reply(scene->agent, scene->handle, 9, 0, ""), ==, 0x801F0020);
        assert_hex(agent_send(scene->agent, scene->handle, "x"), ==, 0);
        g_assert_false(agent_is_done(scene->agent, receive));
        send_text(scene, "x");
        assert_hex(agent_finish(scene->agent, receive)->hr, ==, 0);
}

static void add(const char *path, void (*test)(struct scene *, gconstpointer))
{
        g_test_add(path, struct scene, NULL, set_up, test, scene_tear_down);
}

static void add_tests(void)
{
        add("/user/connect/no-such-port", test_no_such_port);
        add("/user/connect/max-connections", test_connect_max);
        add("/user/connect/context-and-size", test_context_and_size);
        add("/user/connect/context-too-long", test_context_too_long);
        add("/user/connect/options", test_options);
        g_test_add_func("/user/connect/no-filter-manager", test_no_filter_manager);
        g_test_add_func("/user/connect/name-case", test_name_case);
        add("/user/handle/close", test_close);
        add("/user/handle/death", test_death);
        add("/user/handle/duplicate", test_duplicate);
        add("/user/handle/fork", test_fork);
        add("/user/handle/completion-port", test_completion_port);
        add("/user/get/synchronous", test_synchronous);
        add("/user/get/overlapped", test_overlapped);
        add("/user/get/event", test_event);
        add("/user/get/completion-port", test_get_completion_port);
        add("/user/get/pollable", test_pollable);
        add("/user/get/byte-count", test_byte_count);
        add("/user/get/arguments", test_get_arguments);
        add("/user/get/too-small", test_too_small);
        add("/user/get/disconnected-before", test_disconnected_before);
        add("/user/get/disconnected-pending", test_disconnected_pending);
        add("/user/get/cancel", test_cancel);
        add("/user/get/cancel-ex", test_cancel_ex);
        add("/user/get/cancel-too-late", test_cancel_too_late);
        add("/user/get/own-close", test_own_close);
        add("/user/get/many", test_many);
        add("/user/reply/any-order", test_any_order);
        add("/user/reply/arguments", test_reply_arguments);
        add("/user/reply/no-waiter", test_no_waiter);
        add("/user/reply/disconnected", test_reply_disconnected);
        add("/user/reply/filter-is-busy", test_filter_is_busy);
        add("/user/send/no-input", test_no_input);
        g_test_add_func("/user/send/one-way", test_one_way);
        add("/user/send/disconnected", test_send_disconnected);
        add("/user/send/no-output", test_no_output);
        g_test_add("/user/sync-handle/serialised", struct scene, NULL, set_up_synchronous, test_serialised,
                   scene_tear_down);
        add("/user/sync-handle/default-is-not", test_default_is_not);
}

int main(int argc, char **argv)
{
        return fixture_main(argc, argv, add_tests);
}
