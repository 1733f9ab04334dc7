/* SPDX-License-Identifier: MIT */
/* Clients that break the rules hurt only themselves: after each of them, a good one is served as ever. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fixture.h"

static void check_good_client(void)
{
        struct sending sending = { .payload = "x", .length = 1, .wants_reply = true, .reply_length = 4 };
        struct client *client = client_new_connected(true), *channel = client_new_channel(client);
        unsigned disconnects = fixture.disconnects;
        struct fm_taken taken;
        bool poke = false;
        char byte;

        g_assert_cmpint(client_call(channel, "abc", 3, 3), ==, STATUS_SUCCESS);
        sending_start(&sending);
        g_assert_true(client_take(client, &byte, 1, &taken));
        g_assert_cmpint(fm_ring_reply(&client->ring, taken.message_id, 0, "y", 1, &poke), ==, 0);
        g_assert_cmpint(sending_join(&sending), ==, STATUS_SUCCESS);
        client_free(client);
        client_free(channel);
        fixture_wait(&fixture.disconnects, disconnects + 1);
}

/* Says it, and must be thrown out for it. */
static void check_thrown_out(struct client *client, const void *data, size_t length)
{
        g_assert_cmpint(send(client->fd, data, length, 0), ==, (ssize_t)length);
        g_assert_cmpuint(client_receive(client), ==, FM_FRAME_GOODBYE);
        g_assert_cmpint(client->frame.goodbye.status, ==, STATUS_INVALID_PARAMETER);
        g_assert_cmpuint(client_receive(client), ==, 0);
        client_free(client);
}

static void test_garbage(void)
{
        g_autoptr(GRand) random = g_rand_new_with_seed(3);
        uint8_t data[512];
        struct client *client;

        fixture_start();
        for (unsigned i = 0; i < 200; i++) {
                size_t length = g_rand_int_range(random, 1, sizeof(data));

                for (size_t b = 0; b < length; b++)
                        data[b] = g_rand_int(random);
                if (i % 2 && length >= 8) {
                        memset(data, 0, 8);
                        data[0] = length;
                        data[1] = length >> 8;
                        data[4] = i % 12;
                }
                check_thrown_out(i % 3 ? client_new_greeted() : client_new(), data, length);
        }
        check_good_client();

        /* Larger than any frame. */
        client = client_new_greeted();
        {
                g_autofree uint8_t *large = g_malloc0(FM_FRAME_MAX + 5000);

                check_thrown_out(client, large, FM_FRAME_MAX + 5000);
        }
        check_good_client();
        fixture_stop();
}

/* Well-formed, in the wrong place. */
static void test_wrong_order(void)
{
        static const struct fm_frame frames[] = {
                { .type = FM_FRAME_HELLO, .hello = { 1, 1 } },
                { .type = FM_FRAME_CALL, .call = { .in_length = 1, .in = (const uint8_t *)"x" } },
                { .type = FM_FRAME_POKE, .poke.flags = 3 },
                { .type = FM_FRAME_GET, .get.size = 100 },
                { .type = FM_FRAME_REPLY },
                { .type = FM_FRAME_WELCOME },
                { .type = FM_FRAME_DOORBELL },
                { .type = FM_FRAME_GOODBYE },
        };
        struct client *client;

        fixture_start();
        for (unsigned i = 0; i < G_N_ELEMENTS(frames); i++) {
                uint8_t data[64];
                ssize_t length = fm_frame_encode(&frames[i], data, sizeof(data));

                if (i > 0)
                        check_thrown_out(client_new(), data, length);
                check_thrown_out(client_new_greeted(), data, length);
        }
        /* A ring's own frames, and a second CONNECT. */
        for (unsigned i = 0; i < 3; i++) {
                struct fm_frame frame = i == 2 ? (struct fm_frame){.type = FM_FRAME_CONNECT} : frames[3 + i];
                uint8_t data[64];
                ssize_t length = fm_frame_encode(&frame, data, sizeof(data));

                client = client_new_connected(true);
                g_assert_cmpint(send(client->fd, data, length, 0), ==, length);
                while (client_receive(client) != 0)
                        ;
                client_free(client);
                fixture_wait(&fixture.disconnects, i + 1);
        }
        check_good_client();

        /* A version nobody knows. */
        client = client_new();
        client_send(client, &(struct fm_frame){ .type = FM_FRAME_HELLO, .hello = { 2, 9 } });
        g_assert_cmpuint(client_receive(client), ==, FM_FRAME_GOODBYE);
        g_assert_cmpint(client->frame.goodbye.status, ==, STATUS_REVISION_MISMATCH);
        client_free(client);
        fixture_stop();
}

static void test_tokens(void)
{
        struct client *client, *channel;
        struct fm_frame join = { .type = FM_FRAME_JOIN };

        fixture_start();
        client = client_new_connected(true);
        for (unsigned i = 0; i < FM_TOKEN_SIZE; i++) {
                memcpy(join.join.token, client->token, FM_TOKEN_SIZE);
                join.join.token[i] ^= 1;
                channel = client_new_greeted();
                client_send(channel, &join);
                g_assert_cmpuint(client_receive(channel), ==, FM_FRAME_JOINED);
                g_assert_cmpint(channel->frame.joined.status, ==, STATUS_PORT_DISCONNECTED);
                client_free(channel);
        }
        /* The right one does no longer work when its connection has ended. */
        memcpy(join.join.token, client->token, FM_TOKEN_SIZE);
        client_free(client);
        fixture_wait(&fixture.disconnects, 1);
        channel = client_new_greeted();
        client_send(channel, &join);
        g_assert_cmpuint(client_receive(channel), ==, FM_FRAME_JOINED);
        g_assert_cmpint(channel->frame.joined.status, ==, STATUS_PORT_DISCONNECTED);
        client_free(channel);
        fixture_stop();
}

/* It asks and never reads the answers: its socket fills up, it is thrown out. */
static void test_never_reads(void)
{
        struct fm_frame get = { .type = FM_FRAME_GET, .get.size = 1 };
        struct client *client;
        uint8_t data[64];
        ssize_t length = fm_frame_encode(&get, data, sizeof(data));

        fixture_start();
        client = client_new_connected(false);
        while (send(client->fd, data, length, MSG_NOSIGNAL) == length)
                ;
        g_assert_cmpint(errno, ==, EPIPE);
        fixture_wait(&fixture.disconnects, 1);
        check_good_client();
        client_free(client);
        fixture_stop();
}

/* It scribbles over the ring: its senders end, its connection ends. */
static void test_scribbles(void)
{
        static const uint64_t words[] = { 0, 1, 7, 255, UINT64_MAX, 2 << 8 | 1, 1 << 8 | 200 };

        fixture_start();
        for (unsigned i = 0; i < G_N_ELEMENTS(words); i++) {
                struct sending sending = {
                        .payload = "x", .length = 1, .wants_reply = true, .reply_length = 4};
                struct client *client = client_new_connected(true);
                struct fm_taken taken;
                char byte;

                sending_start(&sending);
                g_assert_true(client_take(client, &byte, 1, &taken));
                memset(&client->ring.header->slot, 0xff, sizeof(client->ring.header->slot));
                atomic_store(&client->ring.header->words[taken.index], words[i]);
                /* Nobody is woken: the server looks now and then by itself. */
                g_assert_cmpint(sending_join(&sending), ==, STATUS_PORT_DISCONNECTED);
                g_assert_cmpuint(client_receive(client), ==, 0);
                client_free(client);
                fixture_wait(&fixture.disconnects, i + 1);
        }
        check_good_client();
        fixture_stop();
}

/* A reply that says it is longer than any memory, with a status of its own. */
static void test_lying_reply(void)
{
        struct sending sending = { .payload = "x", .length = 1, .wants_reply = true, .reply_length = 4 };
        struct client *client;
        struct fm_replying replying;
        struct fm_taken taken;
        char byte;

        fixture_start();
        client = client_new_connected(true);
        sending_start(&sending);
        g_assert_true(client_take(client, &byte, 1, &taken));
        g_assert_cmpint(fm_ring_reply_begin(&client->ring, taken.message_id, &replying), ==, 0);
        memcpy(fm_ring_reply_area(&client->ring, taken.index), "12345678", 8);
        client->ring.header->slot[taken.index].reply_length = UINT32_MAX;
        client->ring.header->slot[taken.index].reply_capacity = UINT32_MAX;
        atomic_store(&client->ring.header->words[taken.index], replying.ticket << 8 | FM_SLOT_REPLIED);
        g_assert_cmpint(sending_join(&sending), ==, STATUS_BUFFER_OVERFLOW);
        g_assert_cmpuint(sending.reply_length, ==, 4);
        g_assert_cmpmem(sending.reply, 5, "1234\0", 5);
        client_free(client);
        fixture_wait(&fixture.disconnects, 1);
        fixture_stop();
}

/* So many calls that the server stops reading; all are answered in the end, and others can connect meanwhile.
 */
static void test_flood(void)
{
        struct client *client, *channel;
        struct fm_frame call = {.type = FM_FRAME_CALL, .call = {.in_length = 1, .in = (const uint8_t *)"x"}};
        uint8_t data[64];
        ssize_t length = fm_frame_encode(&call, data, sizeof(data));
        unsigned sent = 0;

        fixture_start();
        fixture.call_blocks = true;
        client = client_new_connected(true);
        channel = client_new_channel(client);
        /* The server reads until it has its fill; then the socket fills. */
        while (send(channel->fd, data, length, MSG_DONTWAIT) == length)
                sent++;
        g_assert_cmpint(errno, ==, EAGAIN);
        g_assert_cmpuint(sent, >, 16);
        fixture_wait(&fixture.calls_inside, 16);
        pthread_mutex_lock(&fixture.lock);
        g_assert_cmpuint(fixture.calls_inside, ==, 16);
        pthread_mutex_unlock(&fixture.lock);
        client_free(client_new_connected(true));
        fixture_wait(&fixture.disconnects, 1);
        fixture_release();
        for (unsigned i = 0; i < sent; i++)
                g_assert_cmpuint(client_receive(channel), ==, FM_FRAME_RETURN);
        client_free(channel);
        client_free(client);
        fixture_wait(&fixture.disconnects, 2);
        check_good_client();
        fixture_stop();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/port/hostile/garbage", test_garbage);
        g_test_add_func("/port/hostile/wrong-order", test_wrong_order);
        g_test_add_func("/port/hostile/tokens", test_tokens);
        g_test_add_func("/port/hostile/never-reads", test_never_reads);
        g_test_add_func("/port/hostile/scribbles", test_scribbles);
        g_test_add_func("/port/hostile/lying-reply", test_lying_reply);
        g_test_add_func("/port/hostile/flood", test_flood);
        return g_test_run();
}
