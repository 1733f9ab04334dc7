/* SPDX-License-Identifier: MIT */
/* Connecting, FilterReplyMessage and FilterSendMessage, against a server of the test's own. */
#include "fixture.h"

#include <string.h>

static void test_connect_refusals(void)
{
        struct fake_server *server = fake_server_new();
        static char big[0xFFFF];
        HANDLE port = NULL;

        assert_hr(FilterConnectCommunicationPort(L"\\Other", 0, NULL, 0, NULL, &port), 0x80070002);
        g_assert_true(port == INVALID_HANDLE_VALUE);
        assert_hr(FilterConnectCommunicationPort(PORT_NAME, 0, big, 0, NULL, &port), 0x80070057);
        assert_hr(FilterConnectCommunicationPort(PORT_NAME, 0, NULL, 4, NULL, &port), 0x80070057);
        assert_hr(FilterConnectCommunicationPort(PORT_NAME, 2, NULL, 0, NULL, &port), 0x80070057);
        assert_hr(FilterConnectCommunicationPort(NULL, 0, NULL, 0, NULL, &port), 0x80070057);
        assert_hr(FilterConnectCommunicationPort(PORT_NAME, 0, big, 0xFFE8, NULL, &port), 0x80070216);
        fake_server_set_connect_status(server, STATUS_ACCESS_DENIED);
        assert_hr(FilterConnectCommunicationPort(PORT_NAME, 0, NULL, 0, NULL, &port), 0x80070005);
        fake_server_set_connect_status(server, STATUS_CONNECTION_COUNT_LIMIT);
        assert_hr(FilterConnectCommunicationPort(PORT_NAME, 0, NULL, 0, NULL, &port), 0x800704D6);
        g_assert_true(port == INVALID_HANDLE_VALUE);
        fake_server_set_connect_status(server, STATUS_SUCCESS);
        assert_hr(FilterConnectCommunicationPort(PORT_NAME, 0, big, 0xFFE7, NULL, &port), 0);
        CloseHandle(port);
        assert_hr(FilterConnectCommunicationPort(PORT_NAME, FLT_PORT_FLAG_SYNC_HANDLE, "abc", 3, NULL, &port),
                  0);
        g_assert_cmpmem(fake_server_connection(server, 1)->context,
                        fake_server_connection(server, 1)->context_length, "abc", 3);
        g_assert_cmpuint(fake_server_connection(server, 1)->options, ==, 1);
        CloseHandle(port);
        fake_server_wait_closed(server, fake_server_connection(server, 1));
        fake_server_free(server);
        assert_hr(FilterConnectCommunicationPort(PORT_NAME, 0, NULL, 0, NULL, &port), 0x80070002);
        g_assert_true(port == INVALID_HANDLE_VALUE);
}

static void test_reply_too_long_and_late(struct fixture *f, gconstpointer unused)
{
        struct message message = { 0 };
        struct fm_slot slot;
        char reply[4];
        uint32_t length = 0;

        fake_offer(f->connection, &slot, "x", 1, 4, true);
        assert_hr(FilterGetMessage(f->port, &message.header, MESSAGE_SIZE, NULL), 0);
        assert_hr(reply_to(f->port, 1, 0, "longer"), 0x800700EA);
        g_assert_cmphex((uint32_t)fake_finish(f->connection, &slot, reply, &length, 0), ==, 0x80000005);
        g_assert_cmpmem(reply, length, "long", 4);

        fake_offer(f->connection, &slot, "y", 1, 4, true);
        assert_hr(FilterGetMessage(f->port, &message.header, MESSAGE_SIZE, NULL), 0);
        g_assert_cmphex((uint32_t)fake_finish(f->connection, &slot, reply, &length, 1), ==, 0x102);
        assert_hr(reply_to(f->port, 2, 0, "z"), 0x801F0020);
        /* And the next message flows. */
        fake_offer(f->connection, &slot, "y", 1, 4, true);
        assert_hr(FilterGetMessage(f->port, &message.header, MESSAGE_SIZE, NULL), 0);
        assert_hr(reply_to(f->port, 3, 0, "z"), 0);
        g_assert_cmpint(fake_finish(f->connection, &slot, reply, &length, 0), ==, 0);
}

static DWORD WINAPI call_many(LPVOID parameter)
{
        for (unsigned i = 0; i < 200; i++) {
                char in[16], out[16];
                DWORD bytes;

                g_snprintf(in, sizeof(in), "call %08u", i);
                assert_hr(FilterSendMessage(parameter, in, sizeof(in), out, sizeof(out), &bytes), 0);
                g_assert_cmpmem(out, bytes, in, sizeof(in));
        }
        return 0;
}

static void test_send(struct fixture *f, gconstpointer unused)
{
        HANDLE threads[4];
        char out[8] = "";
        DWORD bytes;

        assert_hr(call(f->port, "x", 1, NULL, 0, &bytes), 0x80070001); /* no callback */
        fake_server_on_call(f->server, echo);
        assert_hr(call(f->port, "ab", 2, out, sizeof(out), &bytes), 0);
        g_assert_cmpmem(out, bytes, "ab", 2);
        assert_hr(call(f->port, "abc", 3, out, sizeof(out), &bytes), 0x80070103);
        g_assert_cmpmem(out, bytes, "abc", 3); /* a warning delivers */
        assert_hr(call(f->port, "abcd", 4, out, sizeof(out), &bytes), 0x80070005);
        g_assert_cmpuint(bytes, ==, 0);
        assert_hr(call(f->port, "abcde", 5, out, 2, &bytes), 0x8007007A);
        g_assert_cmpuint(bytes, ==, 5);
        assert_hr(call(f->port, "ab", 2, NULL, 8, &bytes), 0);
        g_assert_cmpuint(fake_server_joins(f->server), ==, 1);
        for (unsigned i = 0; i < 4; i++)
                threads[i] = CreateThread(NULL, 0, call_many, f->port, 0, NULL);
        g_assert_cmpuint(WaitForMultipleObjects(4, threads, TRUE, INFINITE), ==, WAIT_OBJECT_0);
        for (unsigned i = 0; i < 4; i++)
                CloseHandle(threads[i]);
        g_assert_cmpuint(fake_server_joins(f->server), <=, 4);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/reply/connect", test_connect_refusals);
        ADD("/reply/reply", test_reply_too_long_and_late);
        ADD("/reply/send", test_send);
        return g_test_run();
}
