/* SPDX-License-Identifier: MIT */
/* FilterSendMessage's way: CALL frames to MessageNotify, on channels and on a port's own socket. */
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

static void check_calls(struct client *client)
{
        const struct fm_frame *frame = &client->frame;

        g_assert_cmpint(client_call(client, "abcd", 4, 10), ==, STATUS_SUCCESS);
        g_assert_cmpmem(frame->ret.out.data, frame->ret.out.length, "dcba", 4);
        g_assert_cmpuint(frame->ret.out_length, ==, 4);
        g_assert_cmpint(client_call(client, "abcd", 4, 2), ==, STATUS_SUCCESS);
        g_assert_cmpmem(frame->ret.out.data, frame->ret.out.length, "dc", 2);
        g_assert_cmpint(client_call(client, "abcd", 4, 0), ==, STATUS_SUCCESS);
        g_assert_cmpuint(frame->ret.out_length, ==, 0);

        /* A warning delivers, an error does not, "too small" says how much it would be. */
        g_assert_cmpint(client_call(client, "W2", 2, 10), ==, STATUS_BUFFER_OVERFLOW);
        g_assert_cmpmem(frame->ret.out.data, frame->ret.out.length, "2W", 2);
        g_assert_cmpint(client_call(client, "E2", 2, 10), ==, STATUS_UNSUCCESSFUL);
        g_assert_cmpuint(frame->ret.out.length, ==, 0);
        g_assert_cmpuint(frame->ret.out_length, ==, 0);
        g_assert_cmpint(client_call(client, "S2", 2, 10), ==, STATUS_BUFFER_TOO_SMALL);
        g_assert_cmpuint(frame->ret.out.length, ==, 0);
        g_assert_cmpuint(frame->ret.out_length, ==, 1000);
}

static void test_results(void)
{
        struct client *client, *channel;

        fixture_start();
        client = client_new_connected(true);
        channel = client_new_channel(client);
        check_calls(channel);
        client_free(client);
        client_free(channel);
        fixture_wait(&fixture.disconnects, 1);

        client = client_new_connected(false);
        check_calls(client);
        client_free(client);
        fixture_wait(&fixture.disconnects, 2);
        fixture_stop();
}

static NTSTATUS call_memfd(struct client *channel, int fd, uint32_t in, uint32_t out, uint32_t offset)
{
        client_send_fd(channel,
                       &(struct fm_frame){
                               .type = FM_FRAME_CALL,
                               .call = {.flags = FM_CALL_IN_MEMFD,
                                        .in_length = in,
                                        .out_length = out,
                                        .out_offset = offset},
                       },
                       fd);
        g_assert_cmpuint(client_receive(channel), ==, FM_FRAME_RETURN);
        return channel->frame.ret.status;
}

static void test_large(void)
{
        const uint32_t size = 3u << 20;
        struct client *client, *channel;
        int fd, pipe_fds[2];
        uint8_t *data;

        fixture_start();
        client = client_new_connected(true);
        channel = client_new_channel(client);
        fd = memfd_create("call", MFD_CLOEXEC);
        g_assert_cmpint(ftruncate(fd, 2 * size), ==, 0);
        data = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        for (uint32_t i = 0; i < size; i++)
                data[i] = i * 13;
        data[0] = 'x';
        g_assert_cmpint(call_memfd(channel, fd, size, size, size), ==, STATUS_SUCCESS);
        g_assert_cmpuint(channel->frame.ret.flags, ==, FM_CALL_IN_MEMFD);
        g_assert_cmpuint(channel->frame.ret.out_length, ==, size);
        for (uint32_t i = 0; i < size; i++)
                g_assert_cmpuint(data[size + i], ==, data[size - 1 - i]);

        /* Not large enough, and no memory file at all: refused, MessageNotify is not asked. */
        fixture.calls = 0;
        g_assert_cmpint(call_memfd(channel, fd, size, size, size + 1), ==, STATUS_INVALID_PARAMETER);
        g_assert_cmpint(call_memfd(channel, fd, 3 * size, 1, 0), ==, STATUS_INVALID_PARAMETER);
        g_assert_cmpint(pipe(pipe_fds), ==, 0);
        g_assert_cmpint(call_memfd(channel, pipe_fds[0], 1, 1, 0), ==, STATUS_INVALID_PARAMETER);
        g_assert_cmpuint(fixture.calls, ==, 0);
        close(pipe_fds[0]);
        close(pipe_fds[1]);
        munmap(data, 2 * size);
        close(fd);
        client_free(client);
        client_free(channel);
        fixture_wait(&fixture.disconnects, 1);
        fixture_stop();
}

/* Calls run beside each other, also those of one socket, and messages flow meanwhile. */
static void test_concurrent(void)
{
        struct client *client, *channels[3];

        fixture_start();
        fixture.call_blocks = true;
        client = client_new_connected(true);
        for (unsigned i = 0; i < 3; i++) {
                channels[i] = client_new_channel(client);
                for (unsigned n = 0; n < 4; n++)
                        client_send(channels[i], &(struct fm_frame){
                                .type = FM_FRAME_CALL,
                                .tag = n,
                                .call = { .in_length = 1, .out_length = 1, .in = (const uint8_t *)"x" },
                        });
        }
        fixture_wait(&fixture.calls_inside, 12);
        fixture_release();
        for (unsigned i = 0; i < 3; i++) {
                unsigned tags = 0;

                for (unsigned n = 0; n < 4; n++) {
                        g_assert_cmpuint(client_receive(channels[i]), ==, FM_FRAME_RETURN);
                        tags |= 1u << channels[i]->frame.tag;
                }
                g_assert_cmpuint(tags, ==, 15);
                client_free(channels[i]);
        }
        client_free(client);
        fixture_wait(&fixture.disconnects, 1);
        fixture_stop();
}

/* DisconnectNotify waits for MessageNotify, and none begins after it. */
static void test_disconnect_waits(void)
{
        struct client *client, *channel, *late;

        fixture_start();
        fixture.call_blocks = true;
        client = client_new_connected(true);
        channel = client_new_channel(client);
        late = client_new_channel(client);
        client_send(channel, &(struct fm_frame){
                .type = FM_FRAME_CALL,
                .call = { .in_length = 1, .out_length = 1, .in = (const uint8_t *)"x" },
        });
        fixture_wait(&fixture.calls_inside, 1);
        client_free(client);
        /* Answered without MessageNotify, so the end of the connection was seen; DisconnectNotify still
         * waits. */
        while (client_call(late, "E", 1, 0) != STATUS_PORT_DISCONNECTED)
                g_error("a call after the end");
        g_assert_cmpuint(fixture.disconnects, ==, 0);
        fixture_release();
        g_assert_cmpuint(client_receive(channel), ==, FM_FRAME_RETURN);
        g_assert_cmpint(channel->frame.ret.status, ==, STATUS_SUCCESS);
        fixture_wait(&fixture.disconnects, 1);
        client_free(channel);
        client_free(late);
        fixture_stop();
}

static void test_one_way(void)
{
        struct client *client;
        PFLT_PORT port;

        fixture_start();
        g_assert_cmpint(fixture_port(L"\\OneWay", OBJ_KERNEL_HANDLE, NULL, 1, false, &port), ==,
                        STATUS_SUCCESS);
        client = client_new_greeted();
        g_assert_cmpint(client_connect(client, L"\\OneWay", false, NULL, 0), ==, STATUS_SUCCESS);
        g_assert_cmpint(client_call(client, "x", 1, 1), ==, STATUS_INVALID_DEVICE_REQUEST);
        client_free(client);
        fixture_wait(&fixture.disconnects, 1);
        FltCloseCommunicationPort(port);
        fixture_stop();
}

/* A handle made in MessageNotify comes with the answer. */
static void test_given(void)
{
        struct client *client, *channel;
        char text[4] = "";

        fixture_start();
        fixture.give_fd = memfd_create("given", MFD_CLOEXEC);
        g_assert_cmpint(write(fixture.give_fd, "abc", 3), ==, 3);
        client = client_new_connected(true);
        channel = client_new_channel(client);
        g_assert_cmpint(client_call(channel, "x", 1, 8), ==, STATUS_SUCCESS);
        g_assert_cmpuint(channel->frame.ret.given_count, ==, 1);
        g_assert_cmpuint(channel->frame.ret.given[0].kind, ==, FM_GIVEN_SECTION);
        g_assert_cmpuint(channel->frame.ret.given[0].size, ==, 3);
        g_assert_cmpmem(channel->frame.ret.out.data, channel->frame.ret.out.length,
                        &channel->frame.ret.given[0].handle, 8);
        g_assert_cmpuint(channel->fd_count, ==, 1);
        g_assert_cmpint(pread(channel->fds[0], text, 3, 0), ==, 3);
        g_assert_cmpstr(text, ==, "abc");
        close(fixture.give_fd);
        client_free(client);
        client_free(channel);
        fixture_wait(&fixture.disconnects, 1);
        fixture_stop();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/port/call/results", test_results);
        g_test_add_func("/port/call/large", test_large);
        g_test_add_func("/port/call/concurrent", test_concurrent);
        g_test_add_func("/port/call/disconnect-waits", test_disconnect_waits);
        g_test_add_func("/port/call/one-way", test_one_way);
        g_test_add_func("/port/call/given", test_given);
        return g_test_run();
}
