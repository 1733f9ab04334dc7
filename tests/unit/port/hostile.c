/* SPDX-License-Identifier: MIT */
/* Clients that break the rules hurt only themselves: beside each of them, a good one is served as ever. */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fixture.h"
#include "port/packet.h"

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

/* Says it, and must be thrown out for it. */
static void check_thrown_out(struct client *client, const void *data, size_t length)
{
        g_assert_cmpint(send(client->fd, data, length, 0), ==, (ssize_t)length);
        g_assert_cmpuint(client_receive(client), ==, FM_FRAME_GOODBYE);
        g_assert_cmpint(client->frame.goodbye.status, ==, STATUS_INVALID_PARAMETER);
        bystander_check(&bystander);
        g_assert_cmpuint(client_receive(client), ==, 0);
        client_free(client);
}

static void test_garbage(void)
{
        g_autoptr(GRand) random = g_rand_new_with_seed(3);
        uint8_t data[512];
        struct client *client;

        start();
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
        bystander_check(&bystander);

        /* Larger than any frame. */
        client = client_new_greeted();
        {
                g_autofree uint8_t *large = g_malloc0(FM_FRAME_MAX + 5000);

                check_thrown_out(client, large, FM_FRAME_MAX + 5000);
        }
        bystander_check(&bystander);
        stop();
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

        start();
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
        bystander_check(&bystander);

        /* A version nobody knows. */
        client = client_new();
        client_send(client, &(struct fm_frame){ .type = FM_FRAME_HELLO, .hello = { 2, 9 } });
        g_assert_cmpuint(client_receive(client), ==, FM_FRAME_GOODBYE);
        g_assert_cmpint(client->frame.goodbye.status, ==, STATUS_REVISION_MISMATCH);
        client_free(client);
        stop();
}

static void test_tokens(void)
{
        struct client *client, *channel;
        struct fm_frame join = { .type = FM_FRAME_JOIN };

        start();
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
        stop();
}

/* It asks and never reads the answers: its socket fills up, it is thrown out. */
static void test_never_reads(void)
{
        struct fm_frame get = { .type = FM_FRAME_GET, .get.size = 1 };
        struct client *client;
        uint8_t data[64];
        ssize_t length = fm_frame_encode(&get, data, sizeof(data));

        start();
        client = client_new_connected(false);
        while (send(client->fd, data, length, MSG_NOSIGNAL) == length)
                ;
        /* A reset, if the server has thrown away what it had not read. */
        g_assert_true(errno == EPIPE || errno == ECONNRESET);
        fixture_wait(&fixture.disconnects, 1);
        bystander_check(&bystander);
        client_free(client);
        stop();
}

/* It scribbles over the ring: its senders end, its connection ends. */
static void test_scribbles(void)
{
        static const uint64_t words[] = { 0, 1, 7, 255, UINT64_MAX, 2 << 8 | 1, 1 << 8 | 200 };

        start();
        for (unsigned i = 0; i < G_N_ELEMENTS(words); i++) {
                struct sending sending = {
                        .payload = "x", .length = 1, .wants_reply = true, .reply_length = 4,
                        .port = &fixture.clients[1]};
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
        bystander_check(&bystander);
        stop();
}

/* It moves who sleeps on a word to another one, where no wake-up finds him: its own senders are late, and that is all. */
static void test_requeues(void)
{
        struct sending sending = {
                .payload = "x", .length = 1, .wants_reply = true, .reply_length = 4, .port = &fixture.clients[1]};
        struct client *client;

        start();
        client = client_new_connected(true);
        for (unsigned i = 0; i < 2; i++) {
                struct fm_taken taken;
                bool poke = false;
                char byte;
                uint64_t *words;

                sending_start(&sending);
                g_assert_true(client_take(client, &byte, 1, &taken));
                words = (uint64_t *)client->ring.header->words;
                while (syscall(SYS_futex, &words[taken.index], FUTEX_REQUEUE, 0, 1l, &words[FM_RING_SLOTS - 1]) != 1)
                        g_thread_yield();
                bystander_check(&bystander);
                if (i == 0)
                        g_assert_cmpint(fm_ring_reply(&client->ring, taken.message_id, 0, "yes", 4, &poke), ==, 0);
                else
                        client_free(client);
                g_assert_cmpint(sending_join(&sending), ==, i == 0 ? STATUS_SUCCESS : STATUS_PORT_DISCONNECTED);
        }
        fixture_wait(&fixture.disconnects, 1);
        bystander_check(&bystander);
        stop();
}

/* A reply that says it is longer than any memory, with a status of its own. */
static void test_lying_reply(void)
{
        struct sending sending = {
                .payload = "x", .length = 1, .wants_reply = true, .reply_length = 4, .port = &fixture.clients[1]};
        struct client *client;
        struct fm_replying replying;
        struct fm_taken taken;
        char byte;

        start();
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
        stop();
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
        int room = 16384;

        start();
        fixture.call_blocks = true;
        client = client_new_connected(true);
        channel = client_new_channel(client);
        /* Fewer calls than answers that it need not have read yet. */
        g_assert_cmpint(setsockopt(channel->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)), ==, 0);
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
        stop();
}

/* Frames of no type, and of types that are not a client's to send, at each stage of a session. */
static void test_unknown_types(void)
{
        static const uint16_t types[] = { 0, 10, 11, 0x7fff, 0x8000, 0x8001, 0x8005, 0x800a, 0xffff };

        start();
        for (unsigned i = 0; i < G_N_ELEMENTS(types); i++) {
                for (unsigned stage = 0; stage < 5; stage++) {
                        uint8_t data[16] = { 16, 0, 0, 0, types[i], types[i] >> 8 };
                        unsigned before = fixture.disconnects;
                        struct client *client = stage == 0   ? client_new()
                                                : stage == 1 ? client_new_greeted()
                                                : stage == 2 ? client_new_channel(bystander.client)
                                                             : client_new_connected(stage == 3);

                        check_thrown_out(client, data, sizeof(data));
                        if (stage >= 3)
                                fixture_wait(&fixture.disconnects, before + 1);
                }
        }
        stop();
}

static const uint8_t name_bytes[] = "\\\0T\0e\0s\0t\0P\0o\0r\0t\0";

/* What a client may say, each as it should be. */
static const struct fm_frame good[] = {
        { .type = FM_FRAME_HELLO, .hello = { 1, 1 } },
        { .type = FM_FRAME_CONNECT, .connect = { .name = { name_bytes, 18 }, .context = { name_bytes, 3 } } },
        { .type = FM_FRAME_JOIN },
        { .type = FM_FRAME_CALL, .call = { .in_length = 4, .out_length = 4, .in = name_bytes } },
        { .type = FM_FRAME_POKE, .poke.flags = 1 },
        { .type = FM_FRAME_MANAGE, .manage = { .op = FM_MANAGE_LIST_FILTERS, .filter = { name_bytes, 4 } } },
        { .type = FM_FRAME_GET, .get.size = 100 },
        { .type = FM_FRAME_REPLY, .reply = { .message_id = 1, .payload = { name_bytes, 5 } } },
};

/* Every frame, cut after each of its bytes, and with a byte too many; the length in it says the truth, or does not. */
static void test_half_frames(void)
{
        start();
        for (unsigned i = 0; i < G_N_ELEMENTS(good); i++) {
                uint8_t data[256] = { 0 };
                ssize_t length = fm_frame_encode(&good[i], data, sizeof(data));

                g_assert_cmpint(length, >, 0);
                for (ssize_t cut = 1; cut <= length + 1; cut++) {
                        for (unsigned honest = 0; honest < 2; honest++) {
                                uint8_t copy[256];
                                struct client *client;

                                if (cut == length || (honest && cut < 4))
                                        continue;
                                memcpy(copy, data, sizeof(copy));
                                if (honest)
                                        copy[0] = cut;
                                client = i ? client_new_greeted() : client_new();
                                g_assert_cmpint(send(client->fd, copy, cut, 0), ==, cut);
                                g_assert_cmpuint(client_receive(client), ==, FM_FRAME_GOODBYE);
                                g_assert_cmpuint(client_receive(client), ==, 0);
                                client_free(client);
                        }
                }
                bystander_check(&bystander);
        }
        g_assert_cmpuint(fixture.connects, ==, 1);
        stop();
}

/* Lengths inside a frame that lead out of it, or beyond a limit; bits that must be 0. */
static void test_lengths(void)
{
        static const struct {
                unsigned frame, offset; /* of good[]; a u32 there */
                uint32_t value;
        } rows[] = {
                { 0, 0, 0 },           { 0, 0, 15 },          { 0, 0, 23 },         { 0, 0, 25 },
                { 0, 0, UINT32_MAX },  { 0, 4, 0x10001 },     { 0, 4, 0x80000001 }, { 0, 16, 0 },
                { 1, 16, 2 },          { 1, 16, UINT32_MAX }, { 1, 24, 17 },        { 1, 24, 19 },
                { 1, 24, 20 },         { 1, 24, 1026 },       { 1, 24, UINT32_MAX }, { 1, 24, 0x80000000 },
                { 1, 46, 2 },          { 1, 46, 4 },          { 1, 46, 0xFFE8 },    { 1, 46, UINT32_MAX },
                { 3, 16, 2 },          { 3, 20, 3 },          { 3, 20, 5 },         { 3, 20, UINT32_MAX },
                { 3, 24, 65537 },      { 3, 24, UINT32_MAX }, { 3, 28, 1 },         { 4, 16, 4 },
                { 4, 16, UINT32_MAX }, { 5, 28, 3 },          { 5, 28, 6 },         { 5, 28, UINT32_MAX },
                { 7, 28, 4 },          { 7, 28, 6 },          { 7, 28, 65537 },     { 7, 28, UINT32_MAX },
        };

        start();
        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
                uint8_t data[256];
                ssize_t length = fm_frame_encode(&good[rows[i].frame], data, sizeof(data));
                uint32_t value = GUINT32_TO_LE(rows[i].value);

                g_test_message("row %u", i);
                memcpy(data + rows[i].offset, &value, 4);
                check_thrown_out(rows[i].frame ? client_new_greeted() : client_new(), data, length);
        }
        g_assert_cmpuint(fixture.connects, ==, 1);
        stop();
}

static unsigned count_descriptors(void)
{
        g_autoptr(GDir) dir = g_dir_open("/proc/self/fd", 0, NULL);
        unsigned count = 0;

        while (g_dir_read_name(dir))
                count++;
        return count;
}

/* Descriptors that nobody asked for, that are missing, or not what they should be: none is kept. */
static void test_descriptors(void)
{
        struct fm_frame call = {
                .type = FM_FRAME_CALL,
                .call = { .flags = FM_CALL_IN_MEMFD, .in_length = 1000, .out_length = 1000, .out_offset = 4096 },
        };
        int fds[FM_FRAME_DESCRIPTORS_MAX], null = open("/dev/null", O_RDWR | O_CLOEXEC), pair[2];
        int directory = open("/", O_RDONLY | O_CLOEXEC), small = memfd_create("small", MFD_CLOEXEC);
        gint64 until;
        unsigned before;

        start();
        until = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;
        g_assert_cmpint(pipe2(pair, O_CLOEXEC), ==, 0);
        for (unsigned i = 0; i < G_N_ELEMENTS(fds); i++)
                fds[i] = null;
        before = count_descriptors();
        for (unsigned i = 0; i < G_N_ELEMENTS(good); i++) {
                for (unsigned count = 1; count <= G_N_ELEMENTS(fds); count += 15) {
                        struct client *client = i ? client_new_greeted() : client_new();

                        g_assert_cmpint(fm_packet_send(client->fd, &good[i], fds, count), ==, 0);
                        g_assert_cmpuint(client_receive(client), ==, FM_FRAME_GOODBYE);
                        g_assert_cmpuint(client_receive(client), ==, 0);
                        client_free(client);
                }
        }
        /* A large call with none, or with two. */
        for (unsigned count = 0; count <= 2; count += 2) {
                struct client *channel = client_new_channel(bystander.client);

                g_assert_cmpint(fm_packet_send(channel->fd, &call, fds, count), ==, 0);
                g_assert_cmpuint(client_receive(channel), ==, FM_FRAME_GOODBYE);
                g_assert_cmpuint(client_receive(channel), ==, 0);
                client_free(channel);
        }
        /* With one that is no memory, or too little of it: the call fails, and the channel goes on. */
        g_assert_cmpint(ftruncate(small, 4096 + 999), ==, 0);
        {
                const int wrong[] = { null, directory, pair[0], pair[1], small, bystander.client->fd };

                for (unsigned i = 0; i < G_N_ELEMENTS(wrong); i++) {
                        client_send_fd(bystander.channel, &call, wrong[i]);
                        g_assert_cmpuint(client_receive(bystander.channel), ==, FM_FRAME_RETURN);
                        g_assert_cmpint(bystander.channel->frame.ret.status, ==, STATUS_INVALID_PARAMETER);
                }
        }
        bystander_check(&bystander);
        /* The last sessions may be on their way out. */
        while (count_descriptors() > before)
                g_assert_cmpint(g_get_monotonic_time(), <, until);
        close(null);
        close(directory);
        close(small);
        close(pair[0]);
        close(pair[1]);
        stop();
}

/* Who says he is somebody else is still himself. */
static void test_forged_process(void)
{
        union {
                char data[CMSG_SPACE(sizeof(struct ucred))];
                struct cmsghdr align;
        } control = { { 0 } };
        struct ucred forged = { .pid = 1, .uid = getuid(), .gid = getgid() };
        struct client *client;
        uint8_t data[256];
        struct iovec iov = { data, fm_frame_encode(&good[1], data, sizeof(data)) };
        struct msghdr message = {
                .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control),
        };

        if (geteuid() != 0) {
                g_test_skip("only root can forge credentials");
                return;
        }
        start();
        client = client_new_greeted();
        control.align.cmsg_level = SOL_SOCKET;
        control.align.cmsg_type = SCM_CREDENTIALS;
        control.align.cmsg_len = CMSG_LEN(sizeof(forged));
        memcpy(CMSG_DATA(&control.align), &forged, sizeof(forged));
        g_assert_cmpint(sendmsg(client->fd, &message, 0), ==, (ssize_t)iov.iov_len);
        g_assert_cmpuint(client_receive(client), ==, FM_FRAME_CONNECTED);
        g_assert_cmpint(client->frame.connected.status, ==, STATUS_SUCCESS);
        g_assert_cmpuint(fixture.connect_process, ==, (ULONG_PTR)getpid());
        client_free(client);
        fixture_wait(&fixture.disconnects, 1);
        stop();
}

/* The token of another connection opens a channel to it, no more: its messages can't be had, nor answered. */
static void test_stolen(void)
{
        struct sending sending = {
                .payload = "x", .length = 1, .wants_reply = true, .reply_length = 4, .port = &fixture.clients[0],
        };
        struct fm_frame get = { .type = FM_FRAME_GET, .get.size = 100 };
        struct client *thief, *channel;
        struct fm_taken taken;
        bool poke = false;
        uint8_t data[64];
        char byte;

        start();
        sending_start(&sending);
        g_assert_true(client_take(bystander.client, &byte, 1, &taken));
        g_assert_cmpuint(taken.message_id, ==, 1);
        thief = client_new_connected(false);
        for (uint64_t id = 0; id < 5; id++) {
                client_send(thief, &(struct fm_frame){
                        .type = FM_FRAME_REPLY, .reply = { .message_id = id, .payload = { name_bytes, 1 } } });
                g_assert_cmpuint(client_receive(thief), ==, FM_FRAME_RESULT);
                g_assert_cmpint(thief->frame.result.status, ==, STATUS_FLT_NO_WAITER_FOR_REPLY);
        }
        for (unsigned i = 6; i < 8; i++) {
                channel = client_new_channel(bystander.client);
                g_assert_cmpint(client_call(channel, "abc", 3, 3), ==, STATUS_SUCCESS);
                check_thrown_out(channel, data,
                                 fm_frame_encode(i == 6 ? &get : &good[7], data, sizeof(data)));
        }
        g_assert_cmpint(fm_ring_reply(&bystander.client->ring, 1, 0, "y", 1, &poke), ==, 0);
        g_assert_cmpint(sending_join(&sending), ==, STATUS_SUCCESS);
        g_assert_cmpmem(sending.reply, sending.reply_length, "y", 1);
        client_free(thief);
        fixture_wait(&fixture.disconnects, 1);
        stop();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/port/hostile/garbage", test_garbage);
        g_test_add_func("/port/hostile/wrong-order", test_wrong_order);
        g_test_add_func("/port/hostile/tokens", test_tokens);
        g_test_add_func("/port/hostile/never-reads", test_never_reads);
        g_test_add_func("/port/hostile/scribbles", test_scribbles);
        g_test_add_func("/port/hostile/requeues", test_requeues);
        g_test_add_func("/port/hostile/lying-reply", test_lying_reply);
        g_test_add_func("/port/hostile/flood", test_flood);
        g_test_add_func("/port/hostile/unknown-types", test_unknown_types);
        g_test_add_func("/port/hostile/half-frames", test_half_frames);
        g_test_add_func("/port/hostile/lengths", test_lengths);
        g_test_add_func("/port/hostile/descriptors", test_descriptors);
        g_test_add_func("/port/hostile/forged-process", test_forged_process);
        g_test_add_func("/port/hostile/stolen", test_stolen);
        return g_test_run();
}
