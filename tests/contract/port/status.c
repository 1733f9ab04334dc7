/* SPDX-License-Identifier: MIT */
/*
 * Layouts and constants: what a status of the filter is for the agent.
 *
 *   HRESULT of an NTSTATUS, the whole table      /status/call, /status/connect
 *   Internal is the raw NTSTATUS, GetLastError
 *     the plain Win32 code                       /status/overlapped
 *   16-byte headers, payload at 16               /status/headers
 *   a padded reply is too long                   /status/padded-reply
 *   FLT_PORT_CONNECT and its fellows             /status/constants
 *
 * (The layouts of all structures are assertions of the compiler: tests/unit/ddk/layout.c, tests/unit/win32/layout.c.)
 */
#include <string.h>

#include "fixture.h"

static const struct {
        guint32 status, hr;
} rows[] = {
        { 0x00000000, 0x00000000 }, { 0x00000102, 0x80070102 }, { 0x00000103, 0x800703E5 },
        { 0x80000005, 0x800700EA }, { 0x8000001A, 0x80070103 }, { 0xC000000D, 0x80070057 },
        { 0xC0000010, 0x80070001 }, { 0xC0000022, 0x80070005 }, { 0xC0000023, 0x8007007A },
        { 0xC0000034, 0x80070002 }, { 0xC0000035, 0x800700B7 }, { 0xC0000037, 0x80070006 },
        { 0xC000004B, 0x80070005 }, { 0xC0000095, 0x80070216 }, { 0xC000009A, 0x800705AA },
        { 0xC0000120, 0x800703E3 }, { 0xC0000246, 0x800704D6 }, { 0xC01C000B, 0x801F000B },
        { 0xC01C000F, 0x801F000F }, { 0xC01C0010, 0x801F0010 }, { 0xC01C0011, 0x801F0011 },
        { 0xC01C0012, 0x801F0012 }, { 0xC01C0013, 0x801F0013 }, { 0xC01C0014, 0x801F0014 },
        { 0xC01C0015, 0x801F0015 }, { 0xC01C0020, 0x801F0020 },
};

static NTSTATUS answer_status(struct link *link, PVOID in, ULONG in_length, PVOID out, ULONG out_length,
                              PULONG returned)
{
        NTSTATUS status;

        g_assert_cmpuint(in_length, ==, sizeof(status));
        memcpy(&status, in, sizeof(status));
        return status;
}

static void test_call(void)
{
        struct port *port = port_new(PORT_NAME, 1);
        struct agent *agent = agent_new();
        uint64_t handle = agent_connect(agent, port, NULL);

        port->on_message = answer_status;
        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
                struct remote_request request = {
                        .op = REMOTE_SEND, .handle = handle, .size = 4, .length = 4, .flags = REMOTE_NULL_OUT,
                };

                memcpy(request.data, &rows[i].status, 4);
                g_test_message("status 0x%08X", rows[i].status);
                g_assert_cmphex(agent_finish(agent, agent_start_request(agent, request))->hr, ==, rows[i].hr);
        }
        agent_free(agent);
        port_free(port);
}

static void test_connect(void)
{
        struct port *port = port_new(PORT_NAME, 1);
        struct agent *agent = agent_new();

        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
                const struct remote_result *result;

                if (NT_SUCCESS((NTSTATUS)rows[i].status))
                        continue;
                g_test_message("status 0x%08X", rows[i].status);
                port->connect_status = (NTSTATUS)rows[i].status;
                result = RUN(agent, REMOTE_CONNECT, .flags = REMOTE_NULL_IN, NAME_DATA(PORT_NAME));
                g_assert_cmphex(result->hr, ==, rows[i].hr);
                g_assert_true(result->handle == UINT64_MAX);
        }
        agent_free(agent);
        port_free(port);
}

static void test_overlapped(void)
{
        struct port *port = port_new(PORT_NAME, 1);
        struct agent *agent = agent_new();
        struct link *link;
        uint64_t handle = agent_connect(agent, port, &link);
        struct sender sender = { .link = link, .payload = "12345678", .length = 8 };
        const struct remote_result *result;

        sender_start(&sender);
        sender_wait_blocked(&sender);
        g_assert_cmphex(RUN(agent, REMOTE_START_GET, .handle = handle, .size = 20)->hr, ==, 0x800703E5);
        result = RUN(agent, REMOTE_FINISH_GET, .handle = handle);
        g_assert_cmpuint(result->hr, ==, 0);
        g_assert_cmphex(result->internal, ==, 0xC0000023);
        g_assert_cmpuint(result->error, ==, 122);
        g_assert_cmpuint(result->bytes, ==, 24);

        g_assert_cmphex(RUN(agent, REMOTE_START_GET, .handle = handle, .size = 24, .slot = 1)->hr, ==, 0x800703E5);
        result = RUN(agent, REMOTE_FINISH_GET, .handle = handle, .slot = 1);
        g_assert_cmpuint(result->hr, ==, 1);
        g_assert_cmphex(result->internal, ==, 0);
        assert_hex(sender_join(&sender), ==, STATUS_SUCCESS);

        g_assert_cmphex(RUN(agent, REMOTE_START_GET, .handle = handle, .size = 24, .slot = 2)->hr, ==, 0x800703E5);
        g_assert_cmpuint(RUN(agent, REMOTE_CANCEL_EX, .handle = handle, .slot = 2)->hr, ==, 1);
        result = RUN(agent, REMOTE_FINISH_GET, .handle = handle, .slot = 2);
        g_assert_cmpuint(result->hr, ==, 0);
        g_assert_cmphex(result->internal, ==, 0xC0000120);
        g_assert_cmpuint(result->error, ==, 995);

        g_assert_cmphex(RUN(agent, REMOTE_START_GET, .handle = handle, .size = 24, .slot = 3)->hr, ==, 0x800703E5);
        FltCloseClientPort(fixture.filter, &link->client);
        result = RUN(agent, REMOTE_FINISH_GET, .handle = handle, .slot = 3);
        g_assert_cmpuint(result->hr, ==, 0);
        g_assert_cmphex(result->internal, ==, 0xC0000037);
        g_assert_cmpuint(result->error, ==, 6);
        agent_free(agent);
        port_free(port);
}

static void test_headers(void)
{
        struct port *port = port_new(PORT_NAME, 1);
        struct agent *agent = agent_new();
        struct link *link;
        uint64_t handle = agent_connect(agent, port, &link);
        char reply[8];
        struct sender sender = {
                .link = link, .payload = "payload", .length = 7, .reply = reply, .reply_length = sizeof(reply),
        };
        const struct remote_result *result;

        g_assert_cmpuint(sizeof(FILTER_MESSAGE_HEADER), ==, 16);
        g_assert_cmpuint(G_STRUCT_OFFSET(FILTER_MESSAGE_HEADER, MessageId), ==, 8);
        g_assert_cmpuint(sizeof(FILTER_REPLY_HEADER), ==, 16);
        g_assert_cmpuint(G_STRUCT_OFFSET(FILTER_REPLY_HEADER, MessageId), ==, 8);
        sender_start(&sender);
        RUN(agent, REMOTE_START_GET, .handle = handle, .size = 100);
        result = RUN(agent, REMOTE_FINISH_GET, .handle = handle);
        g_assert_cmpuint(result->bytes, ==, 16 + 7);
        g_assert_cmpuint(result->reply_length, ==, 16 + sizeof(reply));
        g_assert_cmpmem(result->data, result->length, "payload", 7);
        g_assert_cmphex(agent_reply(agent, handle, result->id, STATUS_SUCCESS, "answer"), ==, 0);
        assert_hex(sender_join(&sender), ==, STATUS_SUCCESS);
        g_assert_cmpmem(reply, sender.reply_length, "answer", 6);
        agent_free(agent);
        port_free(port);
}

/* What an agent sends who takes sizeof() of a header and one byte. */
static void test_padded_reply(void)
{
        struct padded {
                FILTER_REPLY_HEADER header;
                UCHAR byte;
        };
        struct port *port = port_new(PORT_NAME, 1);
        struct agent *agent = agent_new();
        struct link *link;
        uint64_t handle = agent_connect(agent, port, &link);
        char reply[2] = "??";
        struct sender sender = { .link = link, .payload = "x", .length = 1, .reply = reply, .reply_length = 1 };
        uint64_t id;

        g_assert_cmpuint(sizeof(struct padded), ==, 24);
        sender_start(&sender);
        id = RUN(agent, REMOTE_GET, .handle = handle, .size = 17)->id;
        g_assert_cmphex(RUN(agent, REMOTE_REPLY, .handle = handle, .id = id, .size = sizeof(struct padded),
                            TEXT_DATA("a"))->hr, ==, 0x800700EA);
        assert_hex(sender_join(&sender), ==, STATUS_BUFFER_OVERFLOW);
        g_assert_cmpuint(sender.reply_length, ==, 1);
        g_assert_cmpmem(reply, 2, "a?", 2);
        agent_free(agent);
        port_free(port);
}

static void test_constants(void)
{
        g_assert_cmphex(FLT_PORT_CONNECT, ==, 0x0001);
        g_assert_cmphex(FLT_PORT_ALL_ACCESS, ==, 0x001F0001);
        g_assert_cmphex(OBJ_CASE_INSENSITIVE, ==, 0x40);
        g_assert_cmphex(OBJ_KERNEL_HANDLE, ==, 0x200);
        g_assert_true(NT_SUCCESS(STATUS_TIMEOUT));
        g_assert_false(NT_SUCCESS(STATUS_BUFFER_OVERFLOW));
}

static void add_tests(void)
{
        g_test_add_func("/status/call", test_call);
        g_test_add_func("/status/connect", test_connect);
        g_test_add_func("/status/overlapped", test_overlapped);
        g_test_add_func("/status/headers", test_headers);
        g_test_add_func("/status/padded-reply", test_padded_reply);
        g_test_add_func("/status/constants", test_constants);
}

int main(int argc, char **argv)
{
        return fixture_main(argc, argv, add_tests);
}
