/* SPDX-License-Identifier: MIT */
/* FltSendMessage from the filter's side, against agents with a ring and without one. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fixture.h"
#include "nt/cancel.h"
#include "nt/object.h"
#include "nt/process.h"

#define MILLISECOND (-10000LL)
#define SHORT_WHILE (20 * MILLISECOND)
#define LONG_WHILE (1000 * MILLISECOND) /* enough to be received, on any machine */
#define HOUR (3600LL * 1000 * MILLISECOND)

static unsigned plain_get(struct client *client, uint32_t size)
{
        client_send(client, &(struct fm_frame){ .type = FM_FRAME_GET, .tag = 5, .get.size = size });
        return client_receive(client);
}

static NTSTATUS plain_reply(struct client *client, uint64_t id, NTSTATUS status, const void *payload,
                            uint32_t length)
{
        client_send(client, &(struct fm_frame){
                .type = FM_FRAME_REPLY,
                .tag = 6,
                .reply = { .message_id = id, .status = status, .payload = { payload, length } },
        });
        g_assert_cmpuint(client_receive(client), ==, FM_FRAME_RESULT);
        return client->frame.result.status;
}

static void test_ring_round_trip(void)
{
        struct sending sending = { .payload = "ping", .length = 4, .wants_reply = true, .reply_length = 6 };
        struct fm_taken taken;
        struct client *client;
        char buffer[8];
        bool poke = false;

        fixture_start();
        client = client_new_connected(true);
        sending_start(&sending);
        g_assert_true(client_take(client, buffer, sizeof(buffer), &taken));
        g_assert_cmpmem(buffer, taken.length, "ping", 4);
        g_assert_cmpuint(taken.message_id, ==, 1);
        g_assert_cmpuint(taken.reply_length, ==, 16 + 6);
        g_assert_cmpint(fm_ring_reply(&client->ring, 1, STATUS_VIRUS_INFECTED, "pong", 4, &poke), ==, 0);
        g_assert_cmpint(sending_join(&sending), ==, STATUS_VIRUS_INFECTED);
        g_assert_cmpmem(sending.reply, sending.reply_length, "pong", 4);

        /* Longer than the buffer: truncated, whatever status the reply carries. */
        sending.reply_length = 2;
        sending_start(&sending);
        g_assert_true(client_take(client, buffer, sizeof(buffer), &taken));
        g_assert_cmpint(fm_ring_reply(&client->ring, 2, STATUS_SUCCESS, "PONG", 4, &poke), ==, -EMSGSIZE);
        g_assert_cmpint(sending_join(&sending), ==, STATUS_BUFFER_OVERFLOW);
        g_assert_cmpmem(sending.reply, sending.reply_length, "PO", 2);
        g_assert_cmpmem(sending.reply, 4, "POng", 4);

        /* No reply wanted: over when it was received. */
        sending.wants_reply = false;
        sending.reply_length = 9;
        sending_start(&sending);
        g_assert_true(client_take(client, buffer, sizeof(buffer), &taken));
        g_assert_cmpuint(taken.reply_length, ==, 0);
        g_assert_cmpint(sending_join(&sending), ==, STATUS_SUCCESS);
        g_assert_cmpuint(sending.reply_length, ==, 0);
        g_assert_cmpint(fm_ring_reply(&client->ring, 3, 0, "x", 1, &poke), ==, -ENOENT);
        g_assert_false(poke);
        client_free(client);
        fixture_wait(&fixture.disconnects, 1);
        fixture_stop();
}

static void test_plain_round_trip(void)
{
        struct sending sending = { .payload = "ping", .length = 4, .wants_reply = true, .reply_length = 6 };
        struct client *client;

        fixture_start();
        client = client_new_connected(false);
        sending_start(&sending);
        /* Too small: says how large, and the message stays. */
        g_assert_cmpuint(plain_get(client, 16), ==, FM_FRAME_MESSAGE);
        while (client->frame.message.status == STATUS_SUCCESS)
                g_assert_not_reached();
        g_assert_cmpint(client->frame.message.status, ==, STATUS_BUFFER_TOO_SMALL);
        g_assert_cmpuint(client->frame.message.length, ==, 20);
        g_assert_cmpuint(plain_get(client, 20), ==, FM_FRAME_MESSAGE);
        g_assert_cmpuint(client->frame.tag, ==, 5);
        g_assert_cmpint(client->frame.message.status, ==, STATUS_SUCCESS);
        g_assert_cmpuint(client->frame.message.message_id, ==, 1);
        g_assert_cmpuint(client->frame.message.reply_length, ==, 22);
        g_assert_cmpmem(client->frame.message.payload.data, client->frame.message.payload.length, "ping", 4);
        g_assert_cmpint(plain_reply(client, 2, 0, "x", 1), ==, STATUS_FLT_NO_WAITER_FOR_REPLY);
        g_assert_cmpint(plain_reply(client, 1, STATUS_ACCESS_DENIED, "pong", 4), ==, STATUS_SUCCESS);
        g_assert_cmpint(plain_reply(client, 1, 0, "x", 1), ==, STATUS_FLT_NO_WAITER_FOR_REPLY);
        g_assert_cmpint(sending_join(&sending), ==, STATUS_ACCESS_DENIED);
        g_assert_cmpmem(sending.reply, sending.reply_length, "pong", 4);

        sending.reply_length = 2;
        sending_start(&sending);
        g_assert_cmpuint(plain_get(client, 64), ==, FM_FRAME_MESSAGE);
        g_assert_cmpint(plain_reply(client, 2, 0, "PONG", 4), ==, STATUS_BUFFER_OVERFLOW);
        g_assert_cmpint(sending_join(&sending), ==, STATUS_BUFFER_OVERFLOW);
        g_assert_cmpuint(plain_get(client, 15), ==, FM_FRAME_MESSAGE);
        g_assert_cmpint(client->frame.message.status, ==, STATUS_INVALID_PARAMETER);
        client_free(client);
        fixture_wait(&fixture.disconnects, 1);
        fixture_stop();
}

/* It asks for more than its socket holds, and is slow to read: messages wait, and it goes on when it does read. */
static void test_plain_unread(void)
{
        static const char payload[60000];
        struct sending sending = { .payload = payload, .length = sizeof(payload), .timeout = -2500000 };
        struct fm_frame get = { .type = FM_FRAME_GET, .get.size = 65536 };
        struct client *client;
        unsigned taken = 0;

        fixture_start();
        client = client_new_connected(false);
        for (unsigned i = 0; i < 64; i++)
                client_send(client, &get);
        do
                sending_start(&sending);
        while (sending_join(&sending) == STATUS_SUCCESS && ++taken < 64);
        g_assert_cmpint(sending.status, ==, STATUS_TIMEOUT);

        sending.timeout = 0;
        sending_start(&sending);
        for (unsigned i = 0; i <= taken; i++) {
                g_assert_cmpuint(client_receive(client), ==, FM_FRAME_MESSAGE);
                g_assert_cmpint(client->frame.message.status, ==, STATUS_SUCCESS);
                g_assert_cmpuint(client->frame.message.payload.length, ==, sizeof(payload));
        }
        g_assert_cmpint(sending_join(&sending), ==, STATUS_SUCCESS);

        /* Its end while messages wait for it. */
        sending.timeout = -2500000;
        do
                sending_start(&sending);
        while (sending_join(&sending) == STATUS_SUCCESS);
        sending.timeout = 0;
        sending_start(&sending);
        client_free(client);
        g_assert_cmpint(sending_join(&sending), ==, STATUS_PORT_DISCONNECTED);
        fixture_wait(&fixture.disconnects, 1);
        fixture_stop();
}

static NTSTATUS send_now(struct sending sending)
{
        sending_start(&sending);
        sending_join(&sending);
        g_assert_cmpuint(sending.reply_length, ==, 0);
        return sending.status;
}

static void test_deadlines(void)
{
        struct sending sending = { .payload = "x", .length = 1, .wants_reply = true, .reply_length = 4 };
        struct fm_taken taken;
        struct client *client;
        LARGE_INTEGER now;
        bool poke = false;
        char byte;

        fixture_start();
        client = client_new_connected(true);
        sending.timeout = SHORT_WHILE;
        g_assert_cmpint(send_now(sending), ==, STATUS_TIMEOUT);
        KeQuerySystemTime(&now);
        sending.timeout = now.QuadPart - 1;
        g_assert_cmpint(send_now(sending), ==, STATUS_TIMEOUT);
        sending.timeout = 1;
        g_assert_cmpint(send_now(sending), ==, STATUS_TIMEOUT);
        sending.timeout = now.QuadPart - SHORT_WHILE;
        g_assert_cmpint(send_now(sending), ==, STATUS_TIMEOUT);
        /* None of them is ever seen. */
        g_assert_cmpint(fm_ring_take(&client->ring, &byte, 1, &taken, &poke), ==, -EAGAIN);

        /* Time passes while the agent has it: the reply comes too late, and the next message goes its way. */
        sending.timeout = LONG_WHILE;
        sending_start(&sending);
        g_assert_true(client_take(client, &byte, 1, &taken));
        g_assert_cmpuint(taken.message_id, ==, 1);
        g_assert_cmpint(sending_join(&sending), ==, STATUS_TIMEOUT);
        g_assert_cmpint(fm_ring_reply(&client->ring, 1, 0, "y", 1, &poke), ==, -ENOENT);
        sending.timeout = HOUR;
        sending.reply_length = 4;
        sending_start(&sending);
        g_assert_true(client_take(client, &byte, 1, &taken));
        g_assert_cmpint(fm_ring_reply(&client->ring, taken.message_id, 0, "z", 1, &poke), ==, 0);
        g_assert_cmpint(sending_join(&sending), ==, STATUS_SUCCESS);

        /* The deadline holds too while an agent thread is stopped in the middle of copying, and of replying.
         */
        sending.timeout = LONG_WHILE;
        sending.reply_length = 4;
        sending_start(&sending);
        while (fm_ring_take_begin(&client->ring, 1, &taken) == -EAGAIN)
                g_thread_yield();
        g_assert_cmpint(sending_join(&sending), ==, STATUS_TIMEOUT);
        g_assert_cmpint(fm_ring_take_finish(&client->ring, &taken, &byte, &poke), ==, -EAGAIN);
        g_assert_true(poke);
        client_free(client);
        fixture_wait(&fixture.disconnects, 1);
        fixture_stop();
}

static void test_invalid(void)
{
        struct sending sending = { .payload = NULL, .length = 1 };
        struct client *client;
        ULONG length = 4;
        char byte = 'x';

        fixture_start();
        g_assert_cmpint(FltSendMessage(fixture.filter, &fixture.clients[0], &byte, 1, NULL, NULL, NULL), ==,
                        STATUS_PORT_DISCONNECTED);
        client = client_new_connected(false);
        g_assert_cmpint(send_now(sending), ==, STATUS_INVALID_PARAMETER);
        g_assert_cmpint(FltSendMessage(fixture.filter, &fixture.clients[0], &byte, 1, &byte, NULL, NULL), ==,
                        STATUS_INVALID_PARAMETER);
        /* Larger than a client without a ring can get. */
        sending.payload = g_malloc0(FM_INLINE_MAX + 1);
        sending.length = FM_INLINE_MAX + 1;
        g_assert_cmpint(send_now(sending), ==, STATUS_INSUFFICIENT_RESOURCES);
        g_free((void *)sending.payload);
        g_assert_cmpint(FltSendMessage(fixture.filter, &fixture.clients[0], NULL, 1, &byte, &length, NULL),
                        ==, STATUS_INVALID_PARAMETER);
        g_assert_cmpuint(length, ==, 0);
        client_free(client);
        fixture_wait(&fixture.disconnects, 1);
        fixture_stop();
}

/* Whatever the agent has of it, its end ends the sender. */
static void test_agent_goes(void)
{
        for (unsigned stage = 0; stage < 4; stage++) {
                struct sending sendings[3] = { 0 };
                struct fm_replying replying;
                struct fm_taken taken;
                struct client *client;
                char byte;

                fixture_start();
                client = client_new_connected(true);
                for (unsigned i = 0; i < 3; i++) {
                        sendings[i] = (struct sending){
                                .payload = "x", .length = 1, .wants_reply = true, .reply_length = 4};
                        sending_start(&sendings[i]);
                }
                if (stage == 1)
                        while (fm_ring_take_begin(&client->ring, 1, &taken) == -EAGAIN)
                                g_thread_yield();
                if (stage >= 2)
                        g_assert_true(client_take(client, &byte, 1, &taken));
                if (stage == 3)
                        g_assert_cmpint(fm_ring_reply_begin(&client->ring, taken.message_id, &replying), ==,
                                        0);
                client_free(client);
                for (unsigned i = 0; i < 3; i++)
                        g_assert_cmpint(sending_join(&sendings[i]), ==, STATUS_PORT_DISCONNECTED);
                fixture_wait(&fixture.disconnects, 1);
                fixture_stop();
        }
}

static void test_terminating(void)
{
        struct sending sending = { .payload = "x", .length = 1, .wants_reply = true, .reply_length = 4 };
        struct fm_cancel cancel;
        struct fm_taken taken;
        struct client *client;
        bool poke = false;
        char byte;

        fixture_start();
        client = client_new_connected(true);
        sending.cancel = &cancel;

        /* While the agent has it. A cancel that is no killing does not end the wait. */
        fm_cancel_init(&cancel);
        sending_start(&sending);
        g_assert_true(client_take(client, &byte, 1, &taken));
        fm_cancel_signal(&cancel, false);
        g_assert_cmpint(fm_ring_reply(&client->ring, taken.message_id, 0, "y", 1, &poke), ==, 0);
        g_assert_cmpint(sending_join(&sending), ==, STATUS_SUCCESS);
        sending_start(&sending);
        g_assert_true(client_take(client, &byte, 1, &taken));
        fm_cancel_signal(&cancel, true);
        g_assert_cmpint(sending_join(&sending), ==, STATUS_THREAD_IS_TERMINATING);
        g_assert_cmpint(fm_ring_reply(&client->ring, taken.message_id, 0, "y", 1, &poke), ==, -ENOENT);
        /* And who is being killed already does not begin. */
        sending.reply_length = 4;
        sending_start(&sending);
        g_assert_cmpint(sending_join(&sending), ==, STATUS_THREAD_IS_TERMINATING);
        g_assert_cmpint(fm_ring_take(&client->ring, &byte, 1, &taken, &poke), ==, -EAGAIN);
        fm_cancel_deinit(&cancel);
        client_free(client);
        fixture_wait(&fixture.disconnects, 1);
        fixture_stop();
}

/* More senders than slots: the rest queue, all are answered, deadlines and killing hold in the queue. */
static void test_many_senders(void)
{
        static struct sending sendings[FM_RING_SLOTS + 40];
        struct sending late = { .payload = "x", .length = 1, .timeout = SHORT_WHILE };
        struct sending killed = { .payload = "x", .length = 1 };
        struct fm_cancel cancel;
        struct fm_taken taken;
        struct client *client;
        uint32_t number;
        bool poke = false;

        fixture_start();
        client = client_new_connected(true);
        memset(sendings, 0, sizeof(sendings));
        for (unsigned i = 0; i < G_N_ELEMENTS(sendings); i++) {
                sendings[i] = (struct sending){ .wants_reply = true, .reply_length = 4, .length = 4 };
                sendings[i].payload = &sendings[i].length;
                sending_start(&sendings[i]);
        }
        /* Until every slot is taken: from here on somebody queues. */
        for (unsigned used = 0; used < FM_RING_SLOTS;) {
                used = 0;
                for (unsigned i = 0; i < FM_RING_SLOTS; i++)
                        used += (atomic_load(&client->ring.header->words[i]) & 0xff) == FM_SLOT_OFFERED;
                g_thread_yield();
        }
        fm_cancel_init(&cancel);
        killed.cancel = &cancel;
        sending_start(&killed);
        g_assert_cmpint(send_now(late), ==, STATUS_TIMEOUT);
        fm_cancel_signal(&cancel, true);
        g_assert_cmpint(sending_join(&killed), ==, STATUS_THREAD_IS_TERMINATING);
        fm_cancel_deinit(&cancel);

        for (unsigned i = 0; i < G_N_ELEMENTS(sendings); i++) {
                g_assert_true(client_take(client, &number, 4, &taken));
                g_assert_cmpuint(taken.message_id, ==, i + 1);
                g_assert_cmpint(fm_ring_reply(&client->ring, taken.message_id, STATUS_SUCCESS, &i, 4, &poke),
                                ==, 0);
        }
        for (unsigned i = 0; i < G_N_ELEMENTS(sendings); i++) {
                g_assert_cmpint(sending_join(&sendings[i]), ==, STATUS_SUCCESS);
                g_assert_cmpuint(sendings[i].reply_length, ==, 4);
        }
        client_free(client);
        fixture_wait(&fixture.disconnects, 1);
        fixture_stop();
}

/* All slots are stuck with a stopped agent; when it goes on and pokes, the queue moves. */
static void test_quarantine(void)
{
        static struct sending sendings[FM_RING_SLOTS];
        struct sending next = { .payload = "x", .length = 1 };
        struct fm_taken taken[FM_RING_SLOTS];
        struct fm_cancel cancel;
        struct client *client;
        char byte;
        bool poke = false;

        fixture_start();
        client = client_new_connected(true);
        fm_cancel_init(&cancel);
        for (unsigned i = 0; i < FM_RING_SLOTS; i++) {
                sendings[i] = (struct sending){ .payload = "y", .length = 1, .cancel = &cancel };
                sending_start(&sendings[i]);
                while (fm_ring_take_begin(&client->ring, 1, &taken[i]) == -EAGAIN)
                        g_thread_yield();
        }
        fm_cancel_signal(&cancel, true);
        for (unsigned i = 0; i < FM_RING_SLOTS; i++)
                g_assert_cmpint(sending_join(&sendings[i]), ==, STATUS_THREAD_IS_TERMINATING);
        fm_cancel_deinit(&cancel);
        next.timeout = SHORT_WHILE;
        g_assert_cmpint(send_now(next), ==, STATUS_TIMEOUT);

        next.timeout = 0;
        sending_start(&next);
        g_assert_cmpint(fm_ring_take_finish(&client->ring, &taken[9], &byte, &poke), ==, -EAGAIN);
        g_assert_true(poke);
        client_send(client, &(struct fm_frame){ .type = FM_FRAME_POKE, .poke.flags = FM_POKE_SLOTS });
        g_assert_true(client_take(client, &byte, 1, &taken[9]));
        g_assert_cmpint(byte, ==, 'x');
        g_assert_cmpint(sending_join(&next), ==, STATUS_SUCCESS);
        client_free(client);
        fixture_wait(&fixture.disconnects, 1);
        fixture_stop();
}

static void test_large(void)
{
        uint32_t size = FM_RING_AREA;
        struct sending sending = { .length = size, .wants_reply = false };
        g_autofree uint8_t *payload = g_malloc(size), *copy = g_malloc(size);
        struct fm_taken taken;
        struct client *client;

        for (uint32_t i = 0; i < size; i++)
                payload[i] = i * 7 + i / 4096;
        sending.payload = payload;
        fixture_start();
        client = client_new_connected(true);
        for (unsigned i = 0; i < 3; i++) {
                sending_start(&sending);
                g_assert_true(client_take(client, copy, size, &taken));
                g_assert_cmpmem(copy, taken.length, payload, size);
                g_assert_cmpint(sending_join(&sending), ==, STATUS_SUCCESS);
        }
        sending.length++;
        g_assert_cmpint(send_now(sending), ==, STATUS_INSUFFICIENT_RESOURCES);
        client_free(client);
        fixture_wait(&fixture.disconnects, 1);
        fixture_stop();
}

/* A descriptor that is given before a message is there before the message. */
static void test_given(bool ring)
{
        PEPROCESS self = fm_process_ref_by_id(getpid());
        struct sending sending = { .length = sizeof(HANDLE) };
        struct client *client;
        struct fm_taken taken;
        HANDLE handle, seen = NULL;
        char text[4] = "";
        int fd;

        fd = memfd_create("given", MFD_CLOEXEC);
        g_assert_cmpint(write(fd, "abc", 3), ==, 3);
        fixture_start();
        g_assert_cmpint(fm_port_give_descriptor(self, fd, 3, &handle), ==, STATUS_NOT_FOUND);
        client = client_new_connected(ring);
        g_assert_cmpint(fm_port_give_descriptor(self, fd, 3, &handle), ==, STATUS_SUCCESS);
        g_assert_true(fm_port_is_given_handle(handle));
        sending.payload = &handle;
        sending_start(&sending);
        if (ring) {
                /* As an agent does that finds the message without a doorbell: it knows what to read first. */
                while (fm_ring_take_begin(&client->ring, sizeof(seen), &taken) == -EAGAIN)
                        g_thread_yield();
                g_assert_cmpuint(taken.descriptors, ==, 1);
                g_assert_cmpuint(client_receive(client), ==, FM_FRAME_DOORBELL);
        } else {
                client_send(client, &(struct fm_frame){ .type = FM_FRAME_GET, .get.size = 64 });
                g_assert_cmpuint(client_receive(client), ==, FM_FRAME_DOORBELL);
        }
        g_assert_cmpuint(client->frame.doorbell.given_count, ==, 1);
        g_assert_cmpuint(client->frame.doorbell.given[0].kind, ==, FM_GIVEN_SECTION);
        g_assert_cmpuint(client->frame.doorbell.given[0].size, ==, 3);
        g_assert_cmpuint(client->frame.doorbell.given[0].handle, ==, (ULONG_PTR)handle);
        g_assert_cmpuint(client->fd_count, ==, 1);
        g_assert_cmpint(pread(client->fds[0], text, 3, 0), ==, 3);
        g_assert_cmpstr(text, ==, "abc");
        if (ring) {
                bool poke = false;

                g_assert_cmpint(fm_ring_take_finish(&client->ring, &taken, &seen, &poke), ==, 0);
        } else {
                g_assert_cmpuint(client_receive(client), ==, FM_FRAME_MESSAGE);
                memcpy(&seen, client->frame.message.payload.data, sizeof(seen));
        }
        g_assert_true(seen == handle);
        g_assert_cmpint(sending_join(&sending), ==, STATUS_SUCCESS);

        /* Given and taken back before anything was sent: a mere mark. Taken back afterwards: too. */
        g_assert_cmpint(fm_port_revoke_descriptor(self, handle), ==, STATUS_SUCCESS);
        g_assert_cmpint(fm_port_give_descriptor(self, fd, 3, &handle), ==, STATUS_SUCCESS);
        g_assert_cmpint(fm_port_revoke_descriptor(self, handle), ==, STATUS_SUCCESS);
        g_assert_cmpint(fm_port_revoke_descriptor(self, (HANDLE)4), ==, STATUS_INVALID_HANDLE);
        sending_start(&sending);
        g_assert_cmpuint(client_receive(client), ==, FM_FRAME_DOORBELL);
        g_assert_cmpuint(client->frame.doorbell.given_count, ==, 2);
        g_assert_cmpuint(client->frame.doorbell.given[0].kind, ==, FM_GIVEN_REVOKED);
        g_assert_cmpuint(client->frame.doorbell.given[1].kind, ==, FM_GIVEN_REVOKED);

        /* Also when no message comes after it. */
        g_assert_cmpint(fm_port_revoke_descriptor(self, handle), ==, STATUS_SUCCESS);
        g_assert_cmpuint(client_receive(client), ==, FM_FRAME_DOORBELL);
        g_assert_cmpuint(client->frame.doorbell.given_count, ==, 1);
        client_free(client);
        g_assert_cmpint(sending_join(&sending), ==, STATUS_PORT_DISCONNECTED);
        fixture_wait(&fixture.disconnects, 1);
        fixture_stop();
        fm_object_unref(self);
        close(fd);
}

static void test_given_ring(void)
{
        test_given(true);
}

static void test_given_plain(void)
{
        test_given(false);
}

/* A client that reads nothing gets so many and no more, and the server keeps none of the rest. */
static void test_given_unread(void)
{
        PEPROCESS self = fm_process_ref_by_id(getpid());
        struct client *client;
        NTSTATUS status = STATUS_SUCCESS;
        unsigned given = 0;
        HANDLE handle;
        int fd;

        fd = memfd_create("given", MFD_CLOEXEC);
        fixture_start();
        client = client_new_connected(true);
        while (status == STATUS_SUCCESS && given < 100000) {
                status = fm_port_give_descriptor(self, fd, 3, &handle);
                given++;
        }
        g_assert_cmpint(status, ==, STATUS_INSUFFICIENT_RESOURCES);
        g_assert_null(handle);
        client_free(client);
        fixture_wait(&fixture.disconnects, 1);
        fixture_stop();
        fm_object_unref(self);
        close(fd);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/port/message/ring-round-trip", test_ring_round_trip);
        g_test_add_func("/port/message/plain-round-trip", test_plain_round_trip);
        g_test_add_func("/port/message/plain-unread", test_plain_unread);
        g_test_add_func("/port/message/deadlines", test_deadlines);
        g_test_add_func("/port/message/invalid", test_invalid);
        g_test_add_func("/port/message/agent-goes", test_agent_goes);
        g_test_add_func("/port/message/terminating", test_terminating);
        g_test_add_func("/port/message/many-senders", test_many_senders);
        g_test_add_func("/port/message/quarantine", test_quarantine);
        g_test_add_func("/port/message/large", test_large);
        g_test_add_func("/port/message/given-ring", test_given_ring);
        g_test_add_func("/port/message/given-plain", test_given_plain);
        g_test_add_func("/port/message/given-unread", test_given_unread);
        return g_test_run();
}
