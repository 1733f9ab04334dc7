/* SPDX-License-Identifier: MIT */
/*
 * What one client may have at a time. Beyond it, he waits, or is refused, or thrown out; a good client beside
 * him notices nothing. Limits of a user: server.c (sockets), contract/port/resources.c (memory of calls).
 */
#include <errno.h>
#include <sys/socket.h>

#include "fixture.h"
#include "port/packet.h"

#define RECEIVES_MAX 256
#define NOT_FOR_LONG (-500 * 10000) /* as a timeout */

static struct bystander bystander;

static void start(void)
{
        fixture_start();
        bystander_start(&bystander);
}

static void stop(void)
{
        bystander_check(&bystander);
        bystander_stop(&bystander);
        fixture_stop();
}

/* So many GETs may be outstanding; each of them is good for a message. */
static void test_receives(void)
{
        struct fm_frame get = { .type = FM_FRAME_GET, .get.size = 100 };
        struct client *client;

        start();
        client = client_new_connected(false);
        for (unsigned i = 0; i < RECEIVES_MAX; i++)
                client_send(client, &get);
        for (unsigned i = 0; i < RECEIVES_MAX; i++) {
                struct sending sending = { .payload = "x", .length = 1, .port = &fixture.clients[1] };

                sending_start(&sending);
                g_assert_cmpuint(client_receive(client), ==, FM_FRAME_MESSAGE);
                g_assert_cmpuint(client->frame.message.message_id, ==, i + 1);
                g_assert_cmpint(sending_join(&sending), ==, STATUS_SUCCESS);
        }
        for (unsigned i = 0; i < RECEIVES_MAX; i++)
                client_send(client, &get);
        bystander_check(&bystander);
        g_assert_cmpuint(fixture.disconnects, ==, 0);
        client_send(client, &get);
        g_assert_cmpuint(client_receive(client), ==, FM_FRAME_GOODBYE);
        g_assert_cmpint(client->frame.goodbye.status, ==, STATUS_INVALID_PARAMETER);
        g_assert_cmpuint(client_receive(client), ==, 0);
        fixture_wait(&fixture.disconnects, 1);
        client_free(client);
        stop();
}

/* Calls whose answers nobody reads: the channel ends, and only that. */
static void test_calls_unread(void)
{
        struct fm_frame call = {
                .type = FM_FRAME_CALL,
                .call = { .in_length = 1, .out_length = 60000, .in = (const uint8_t *)"x" },
        };
        struct sending sending = {
                .payload = "x", .length = 1, .wants_reply = true, .reply_length = 4, .port = &fixture.clients[1],
        };
        struct client *client, *channel;
        struct fm_taken taken;
        bool poke = false;
        uint8_t data[64];
        ssize_t length = fm_frame_encode(&call, data, sizeof(data));
        char byte;

        start();
        client = client_new_connected(true);
        channel = client_new_channel(client);
        while (send(channel->fd, data, length, MSG_NOSIGNAL) == length)
                ;
        g_assert_true(errno == EPIPE || errno == ECONNRESET);
        bystander_check(&bystander);
        /* Its connection lives, and another channel can be had. */
        sending_start(&sending);
        g_assert_true(client_take(client, &byte, 1, &taken));
        g_assert_cmpint(fm_ring_reply(&client->ring, taken.message_id, 0, "y", 1, &poke), ==, 0);
        g_assert_cmpint(sending_join(&sending), ==, STATUS_SUCCESS);
        client_free(channel);
        channel = client_new_channel(client);
        g_assert_cmpint(client_call(channel, "abc", 3, 3), ==, STATUS_SUCCESS);
        client_free(channel);
        client_free(client);
        fixture_wait(&fixture.disconnects, 1);
        stop();
}

/* Doorbells that nobody reads are dropped; messages can be had all the same. */
static void test_doorbells_unread(void)
{
        struct client *client;
        struct fm_taken taken;
        bool poke = false;
        char byte;

        start();
        client = client_new_connected(true);
        fm_ring_arm(&client->ring);
        for (unsigned i = 0; i < 1500; i++) {
                struct sending sending = { .payload = "x", .length = 1, .port = &fixture.clients[1] };

                sending_start(&sending);
                while (fm_ring_take(&client->ring, &byte, 1, &taken, &poke) == -EAGAIN)
                        g_thread_yield();
                g_assert_cmpuint(taken.message_id, ==, i + 1);
                g_assert_cmpint(sending_join(&sending), ==, STATUS_SUCCESS);
        }
        g_assert_cmpuint(fixture.disconnects, ==, 0);
        fm_ring_disarm(&client->ring);
        client_free(client);
        fixture_wait(&fixture.disconnects, 1);
        stop();
}

/* It asks for doorbells all the time, for slots, too, and reads none. */
static void test_pokes(void)
{
        struct fm_frame poke = { .type = FM_FRAME_POKE, .poke.flags = FM_POKE_DOORBELL | FM_POKE_SLOTS };
        struct client *client;

        start();
        client = client_new_connected(true);
        for (unsigned i = 0; i < 3000; i++) {
                int r;

                while ((r = fm_packet_send(client->fd, &poke, NULL, 0)) == -EAGAIN)
                        g_thread_yield();
                g_assert_cmpint(r, ==, 0);
                if (i % 500 == 0)
                        bystander_check(&bystander);
        }
        g_assert_cmpuint(fixture.disconnects, ==, 0);
        client_free(client);
        fixture_wait(&fixture.disconnects, 1);
        stop();
}

/* Messages that it has room for but does not read: the sender waits, for as long as he likes. */
static void test_messages_unread(void)
{
        static const char payload[60000];
        struct sending sending = {
                .payload = payload, .length = sizeof(payload), .timeout = NOT_FOR_LONG, .port = &fixture.clients[1],
        };
        struct fm_frame get = { .type = FM_FRAME_GET, .get.size = 65536 };
        struct client *client;

        start();
        client = client_new_connected(false);
        for (unsigned i = 0; i < 64; i++)
                client_send(client, &get);
        do
                sending_start(&sending);
        while (sending_join(&sending) == STATUS_SUCCESS);
        g_assert_cmpint(sending.status, ==, STATUS_TIMEOUT);
        bystander_check(&bystander);
        g_assert_cmpuint(fixture.disconnects, ==, 0);
        client_free(client);
        fixture_wait(&fixture.disconnects, 1);
        stop();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/port/limits/receives", test_receives);
        g_test_add_func("/port/limits/calls-unread", test_calls_unread);
        g_test_add_func("/port/limits/doorbells-unread", test_doorbells_unread);
        g_test_add_func("/port/limits/pokes", test_pokes);
        g_test_add_func("/port/limits/messages-unread", test_messages_unread);
        return g_test_run();
}
