/* SPDX-License-Identifier: MIT */
/*
 * Whole sessions on the server's side: sockets that say anything in any order, with any descriptors, over rings
 * that their peer scribbles on, while the filter sends, gives handles, closes and is cancelled.
 *
 * The input is a program: a byte says what comes next, the bytes after it are its operands; at its end it reads
 * as zeros. Frames are received on this thread, where the I/O thread of the server would be. After each input
 * everything has to be as before it: no sender inside, each accepted connection disconnected, no descriptor left.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../unit/port/fixture.h"
#include "nt/cancel.h"
#include "nt/log.h"
#include "nt/process.h"
#include "port/packet.h"
#include "port/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SESSIONS 3
#define SENDERS 4
#define STEPS 64
#define PAYLOAD_MAX 70000u /* more than a slot of a client without a ring takes */
#define CAPACITY_MAX 64u
#define CANARY 0x5a
#define PATIENCE_SECONDS 20

struct input {
        const uint8_t *data;
        size_t left;
};

struct peer {
        struct fm_session *session; /* NULL: not there */
        int fd;                     /* the client's end */
};

struct fuzz_sender {
        pthread_t thread;
        bool started;
        _Atomic bool done;
        struct fm_cancel cancel;
        PFLT_PORT *port;
        ULONG length, capacity;
        LONGLONG timeout;
        bool wants_reply;
        uint8_t reply[CAPACITY_MAX + 1];
};

static uint8_t payload[PAYLOAD_MAX];

static uint8_t u8(struct input *input)
{
        if (input->left == 0)
                return 0;
        input->left--;
        return *input->data++;
}

static uint16_t u16(struct input *input)
{
        uint16_t low = u8(input);

        return low | u8(input) << 8;
}

static void require(bool condition, const char *what)
{
        if (condition)
                return;
        fprintf(stderr, "session: %s\n", what);
        abort(); /* which the fuzzer takes for what it is */
}

#define wait_until(condition, what) do {                                                             \
                gint64 give_up_ = g_get_monotonic_time() + PATIENCE_SECONDS * G_USEC_PER_SEC;         \
                while (!(condition)) {                                                                \
                        require(g_get_monotonic_time() < give_up_, what);                             \
                        sched_yield();                                                                \
                }                                                                                     \
        } while (0)

static unsigned jobs_of(struct fm_session *session)
{
        unsigned jobs;

        pthread_mutex_lock(&session->lock);
        jobs = session->jobs;
        pthread_mutex_unlock(&session->lock);
        return jobs;
}

static struct fm_connection *connection_of(struct peer *peer)
{
        struct fm_connection *connection;

        if (!peer->session)
                return NULL;
        pthread_mutex_lock(&peer->session->lock);
        connection = peer->session->connection;
        pthread_mutex_unlock(&peer->session->lock);
        return connection;
}

static void peer_open(struct peer *peer)
{
        int pair[2];

        require(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0, "socketpair");
        peer->session = fm_session_new(pair[0]);
        peer->fd = pair[1];
        require(peer->session, "a session was refused");
}

static void peer_end(struct peer *peer)
{
        if (!peer->session)
                return;
        fm_session_end(peer->session);
        wait_until(jobs_of(peer->session) == 0, "a job of a session that has ended does not end");
        fm_session_unref(peer->session);
        peer->session = NULL;
        close(peer->fd);
}

/* What the client has sent is in the socket: the server looks at it, as it does unless there is too much to do. */
static void peer_serve(struct peer *peer, bool wait)
{
        bool paused;

        pthread_mutex_lock(&peer->session->lock);
        paused = peer->session->paused;
        pthread_mutex_unlock(&peer->session->lock);
        if (!paused && !fm_session_receive(peer->session))
                peer_end(peer);
        else if (wait)
                wait_until(jobs_of(peer->session) == 0, "a job does not end");
}

static void send_frame(struct peer *peer, const struct fm_frame *frame, int fd, bool wait)
{
        if (fm_packet_send(peer->fd, frame, &fd, fd >= 0) == 0)
                peer_serve(peer, wait);
}

static void send_raw(struct peer *peer, struct input *input)
{
        size_t length = MIN(u16(input), input->left);
        unsigned fd_count = u8(input) % (FM_FRAME_DESCRIPTORS_MAX + 4);
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(int) * (FM_FRAME_DESCRIPTORS_MAX + 4))];
        } control = { 0 };
        struct iovec iov;
        struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

        length = MIN(length, input->left);
        iov = (struct iovec){ (void *)input->data, length };
        input->data += length;
        input->left -= length;
        if (fd_count) {
                message.msg_control = &control;
                message.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
                control.header.cmsg_level = SOL_SOCKET;
                control.header.cmsg_type = SCM_RIGHTS;
                control.header.cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
                for (unsigned i = 0; i < fd_count; i++)
                        ((int *)CMSG_DATA(&control.header))[i] = peer->fd;
        }
        if (sendmsg(peer->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
                peer_serve(peer, true);
}

static void send_connect(struct peer *peer, struct input *input)
{
        uint8_t how = u8(input);
        static const WCHAR right[] = PORT_NAME, wrong[] = L"\\Nobody";
        struct fm_frame frame = { .type = FM_FRAME_CONNECT, .tag = how };

        frame.connect.flags = how & 1 ? FM_CONNECT_RING : 0;
        frame.connect.name = how & 2 ? (struct fm_bytes){ (const uint8_t *)wrong, sizeof(wrong) - 2 }
                                     : (struct fm_bytes){ (const uint8_t *)right, sizeof(right) - 2 };
        frame.connect.context = (struct fm_bytes){ payload, how >> 3 };
        send_frame(peer, &frame, -1, !(how & 4));
}

static void send_join(struct peer *peer, struct peer *whose, struct input *input)
{
        struct fm_connection *connection = connection_of(whose);
        struct fm_frame frame = { .type = FM_FRAME_JOIN };

        if (connection)
                memcpy(frame.join.token, connection->token, FM_TOKEN_SIZE);
        frame.join.token[0] ^= u8(input) == 255;
        send_frame(peer, &frame, -1, true);
}

static void send_call(struct peer *peer, struct input *input)
{
        uint8_t how = u8(input);
        struct fm_frame frame = { .type = FM_FRAME_CALL, .tag = how };
        int fd = -1;

        frame.call.in_length = u16(input);
        frame.call.out_length = u16(input);
        frame.call.in = payload;
        payload[0] = "xESW"[how >> 6];
        if (how & 1) {
                frame.call.flags = FM_CALL_IN_MEMFD;
                frame.call.out_offset = how & 2 ? frame.call.in_length : u16(input);
                fd = how & 4 ? open("/dev/zero", O_RDWR | O_CLOEXEC) : memfd_create("fuzz", MFD_CLOEXEC);
                if (how & 8)
                        (void)!ftruncate(fd, frame.call.in_length + frame.call.out_length);
        }
        send_frame(peer, &frame, fd, !(how & 16));
        if (fd >= 0)
                close(fd);
}

static void send_manage(struct peer *peer, struct input *input)
{
        static const WCHAR names[4][8] = { L"", L"test", L"C:", L"\\x" };
        struct fm_frame frame = { .type = FM_FRAME_MANAGE };
        struct fm_bytes *fields[] = {
                &frame.manage.filter, &frame.manage.volume, &frame.manage.instance, &frame.manage.altitude,
        };
        uint8_t which;

        frame.manage.op = u8(input) % 13;
        frame.manage.class = u8(input) % 8;
        frame.manage.first = u8(input);
        which = u8(input);
        for (unsigned i = 0; i < 4; i++) {
                UNICODE_STRING name;

                RtlInitUnicodeString(&name, names[which >> 2 * i & 3]);
                *fields[i] = (struct fm_bytes){ (const uint8_t *)name.Buffer, name.Length };
        }
        send_frame(peer, &frame, -1, true);
}

/* Whatever the server says must be a frame. */
static void read_answers(struct peer *peer)
{
        static uint8_t buffer[FM_FRAME_MAX + 1];
        int fds[FM_FRAME_DESCRIPTORS_MAX];
        struct fm_frame frame;
        unsigned fd_count;
        int r;

        while ((r = fm_packet_receive(peer->fd, buffer, &frame, fds, &fd_count)) == 1) {
                require(frame.type & 0x8000, "the server sent what is a client's to send");
                for (unsigned i = 0; i < fd_count; i++)
                        close(fds[i]);
        }
        require(r != -EPROTO, "the server broke the protocol");
}

static void *sender_run(void *data)
{
        struct fuzz_sender *sender = data;
        LARGE_INTEGER timeout = { .QuadPart = sender->timeout };
        ULONG length = sender->capacity;

        fm_thread_self()->cancel = &sender->cancel;
        memset(sender->reply, CANARY, sizeof(sender->reply));
        FltSendMessage(fixture.filter, sender->port, payload, sender->length,
                       sender->wants_reply ? sender->reply : NULL, &length,
                       sender->timeout ? &timeout : NULL);
        require(length <= sender->capacity, "a reply longer than the buffer");
        for (ULONG i = sender->wants_reply ? length : 0; i < sizeof(sender->reply); i++)
                require(sender->reply[i] == CANARY, "a byte behind the reply was written");
        fm_thread_self()->cancel = NULL;
        atomic_store(&sender->done, true);
        return NULL;
}

static void sender_start(struct fuzz_sender *senders, struct input *input)
{
        struct fuzz_sender *sender = senders;
        uint8_t how = u8(input);

        while (sender->started)
                if (++sender == senders + SENDERS)
                        return;
        sender->started = true;
        sender->port = &fixture.clients[how & 3];
        sender->wants_reply = how & 4;
        sender->length = how & 8 ? PAYLOAD_MAX - u16(input) : u8(input);
        sender->capacity = u8(input) % (CAPACITY_MAX + 1);
        sender->timeout = how & 16 ? -10000 * (how >> 5) : 0;
        fm_cancel_init(&sender->cancel);
        require(pthread_create(&sender->thread, NULL, sender_run, sender) == 0, "pthread_create");
        /* It may sleep for a reply, or not be there yet: a moment makes it likely that it is. */
        for (unsigned i = 0; i < 200 && !atomic_load(&sender->done); i++)
                sched_yield();
}

/* Any value anywhere in what is shared; every other time one that a word could have. */
static void scribble(struct fm_connection *connection, struct input *input)
{
        uint16_t where = u16(input);
        uint8_t value = u8(input);

        if (where & 0x8000) {
                uint64_t ticket = connection->next_ticket - value / 8;

                atomic_store(&connection->ring.header->words[where % FM_RING_SLOTS], ticket << 8 | value % 8);
        } else {
                __atomic_store_n((uint8_t *)connection->ring.header + where % sizeof(struct fm_ring_header), value,
                                 __ATOMIC_RELAXED);
        }
}

/* An agent's own moves, perhaps on a ring that is none any more. */
static void play_agent(struct peer *peer, struct fm_connection *connection, struct input *input)
{
        static uint8_t buffer[PAYLOAD_MAX];
        struct fm_ring ring = connection->ring;
        uint8_t how = u8(input);
        struct fm_taken taken;
        bool poke = false;

        if (how & 1)
                fm_ring_arm(&ring);
        if (how & 2)
                fm_ring_take(&ring, buffer, how & 4 ? sizeof(buffer) : 32, &taken, &poke);
        if (how & 8)
                fm_ring_reply(&ring, u8(input), how, payload, u8(input), &poke);
        if (how & 16)
                fm_ring_handle_closed(&ring);
        if (poke)
                send_frame(peer, &(struct fm_frame){ .type = FM_FRAME_POKE, .poke.flags = FM_POKE_SLOTS }, -1, true);
}

static void give(struct fm_connection *connection, struct input *input)
{
        uint8_t how = u8(input);
        HANDLE handle = NULL;
        int fd = memfd_create("fuzz", MFD_CLOEXEC);

        for (unsigned i = 0; i <= how % 80u; i++)
                fm_port_give_descriptor(connection->process, fd, 1, &handle);
        if (how & 0x80)
                fm_port_revoke_descriptor(connection->process, handle);
        close(fd);
}

static void step(struct peer *peers, struct fuzz_sender *senders, struct input *input)
{
        uint8_t what = u8(input);
        struct peer *peer = &peers[(what >> 6) % SESSIONS];
        struct fm_connection *connection;

        if (!peer->session)
                peer_open(peer);
        connection = connection_of(peer);
        switch (what % 16) {
        case 0:
                send_raw(peer, input);
                break;
        case 1:
                send_frame(peer, &(struct fm_frame){ .type = FM_FRAME_HELLO, .hello = { 1, 1 + u8(input) } }, -1, true);
                break;
        case 2:
                send_connect(peer, input);
                break;
        case 3:
                send_join(peer, &peers[u8(input) % SESSIONS], input);
                break;
        case 4:
                send_call(peer, input);
                break;
        case 5:
                send_frame(peer, &(struct fm_frame){ .type = FM_FRAME_POKE, .poke.flags = u8(input) & 3 }, -1, true);
                break;
        case 6:
                send_manage(peer, input);
                break;
        case 7:
                send_frame(peer, &(struct fm_frame){ .type = FM_FRAME_GET, .get.size = u16(input) }, -1, true);
                break;
        case 8: {
                struct fm_frame frame = { .type = FM_FRAME_REPLY, .reply.message_id = u8(input) };

                frame.reply.payload = (struct fm_bytes){ payload, u8(input) };
                send_frame(peer, &frame, -1, true);
                break;
        }
        case 9:
                read_answers(peer);
                break;
        case 10:
                sender_start(senders, input);
                break;
        case 11:
                fm_cancel_signal(&senders[u8(input) % SENDERS].cancel, true);
                break;
        case 12:
                if (connection)
                        scribble(connection, input);
                break;
        case 13:
                if (connection && !connection->plain)
                        play_agent(peer, connection, input);
                break;
        case 14:
                if (connection)
                        give(connection, input);
                break;
        case 15:
                if (u8(input) & 1)
                        FltCloseClientPort(fixture.filter, &fixture.clients[u8(input) & 3]);
                else
                        peer_end(peer);
                break;
        }
}

static int lowest_descriptor(void)
{
        int fd = fcntl(0, F_DUPFD_CLOEXEC, 0);

        close(fd);
        return fd;
}

static void run(struct input *input)
{
        struct fuzz_sender senders[SENDERS] = { 0 };
        struct peer peers[SESSIONS] = { 0 };
        unsigned connects;

        for (unsigned i = 0; i < SENDERS; i++)
                fm_cancel_init(&senders[i].cancel);
        for (unsigned i = 0; i < STEPS && input->left > 0; i++)
                step(peers, senders, input);

        for (unsigned i = 0; i < SESSIONS; i++)
                peer_end(&peers[i]);
        for (unsigned i = 0; i < SENDERS; i++) {
                if (senders[i].started) {
                        wait_until(atomic_load(&senders[i].done), "a sender is left behind");
                        pthread_join(senders[i].thread, NULL);
                }
                fm_cancel_deinit(&senders[i].cancel);
        }
        pthread_mutex_lock(&fixture.lock);
        connects = fixture.connects;
        pthread_mutex_unlock(&fixture.lock);
        fixture_wait(&fixture.disconnects, connects);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        /* HELLO, CONNECT with a ring: whatever is made once is made. */
        static const uint8_t first[] = { 1, 0, 2, 1 };
        static bool started;
        int baseline;

        if (!started) {
                fm_log_init(open("/dev/null", O_WRONLY | O_CLOEXEC), FM_LOG_ERROR);
                fixture_start();
                atexit(fixture_stop);
                run(&(struct input){ first, sizeof(first) });
                started = true;
        }
        baseline = lowest_descriptor(); /* each time: the fuzzer opens some itself */
        run(&(struct input){ data, size });
        wait_until(lowest_descriptor() == baseline, "a descriptor is left behind");
        return 0;
}
