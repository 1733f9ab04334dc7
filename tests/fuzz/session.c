/* SPDX-License-Identifier: MIT */
/*
 * Whole sessions on the server's side: sockets that say anything in any order, with any descriptors, over rings
 * that their peer scribbles on, while the filter sends, gives handles, closes and is cancelled.
 *
 * The input is a program, see program.h. Frames are received on this thread, where the I/O thread of the server would
 * be. After each input everything has to be as before it: no sender inside, each accepted connection disconnected, no
 * descriptor left.
 */
#include <errno.h>
#include <sys/mman.h>

#include "../unit/port/fixture.h"
#include "nt/cancel.h"
#include "nt/log.h"
#include "nt/process.h"
#include "port/packet.h"
#include "port/server.h"
#include "port/session.h"
#include "program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SESSIONS 3
#define SENDERS 4
#define STEPS 64
#define PAYLOAD_MAX 70000u /* more than a slot of a client without a ring takes */
#define CAPACITY_MAX 64u
#define CANARY 0x5a

struct peer {
        struct fm_session *session; /* NULL: not there */
        int fd;                     /* the client's end */
        uint64_t last_id;           /* of a message that it has received */
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

/* As long as nobody has broken a rule, who was told what has to agree. */
static struct {
        bool broken;
        unsigned accepted;        /* replies that agents know to have arrived */
        unsigned unknown;         /* whose RESULT was not read */
        _Atomic unsigned replied; /* senders that have one */
} told;

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
        peer->last_id = 0;
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
        size_t length = u16(input);
        unsigned fd_count = u8(input) % (FM_FRAME_DESCRIPTORS_MAX + 4);
        const uint8_t *data = take_bytes(input, length, &length);

        told.broken = true;
        if (send_packet(peer->fd, data, length, peer->fd, fd_count))
                peer_serve(peer, true);
}

static void send_reply(struct peer *peer, struct input *input)
{
        struct fm_frame frame = { .type = FM_FRAME_REPLY, .reply.message_id = u8(input) };

        frame.reply.payload = (struct fm_bytes){ payload, u8(input) };
        told.unknown++;
        send_frame(peer, &frame, -1, true);
}

static void check_id(struct peer *peer, uint64_t id)
{
        require(told.broken || id > peer->last_id, "a message has an id that another one had");
        peer->last_id = id;
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
        static uint8_t in[FM_INLINE_MAX];
        uint8_t how = u8(input);
        struct fm_frame frame = { .type = FM_FRAME_CALL, .tag = how };
        int fd = -1;

        frame.call.in_length = u16(input);
        frame.call.out_length = u16(input);
        frame.call.in = in;
        in[0] = "xESW"[how >> 6];
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

/* What is asked of the file systems: they agree, or have an error to tell. */
static int volume_mount(void *data, const struct fm_port_volume *volume, char **error)
{
        require(*volume->source == '/' && *volume->mount_point == '/', "not an absolute path");
        if (!*volume->options)
                return 0;
        *error = strdup(volume->options);
        return -EINVAL;
}

static int volume_unmount(void *data, const struct fm_port_volume *volume, bool *ends, char **error)
{
        *ends = volume->flags & FM_VOLUME_LAZY;
        return *volume->options ? -ENOENT : 0;
}

static const struct fm_port_volume_ops volume_ops = { .mount = volume_mount, .unmount = volume_unmount };

static void send_volume(struct peer *peer, struct input *input)
{
        struct fm_frame frame = { .type = FM_FRAME_VOLUME };
        struct fm_bytes *fields[] = { &frame.volume.source, &frame.volume.mount_point, &frame.volume.options };

        frame.volume.op = u8(input) % 4;
        frame.volume.flags = u8(input) & FM_VOLUME_FLAGS;
        for (unsigned i = 0; i < 3; i++) {
                size_t length = u8(input);

                fields[i]->data = take_bytes(input, length, &length);
                fields[i]->length = length;
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
                if (frame.type == FM_FRAME_MESSAGE && frame.message.status == STATUS_SUCCESS)
                        check_id(peer, frame.message.message_id);
                if (frame.type == FM_FRAME_RESULT) {
                        told.unknown--;
                        told.accepted += frame.result.status == STATUS_SUCCESS ||
                                         frame.result.status == STATUS_BUFFER_OVERFLOW;
                }
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

        NTSTATUS status;

        fm_thread_self()->cancel = &sender->cancel;
        memset(sender->reply, CANARY, sizeof(sender->reply));
        status = FltSendMessage(fixture.filter, sender->port, payload, sender->length,
                                sender->wants_reply ? sender->reply : NULL, &length,
                                sender->timeout ? &timeout : NULL);
        if (sender->wants_reply && status != STATUS_TIMEOUT && status != STATUS_PORT_DISCONNECTED &&
            status != STATUS_THREAD_IS_TERMINATING && status != STATUS_INSUFFICIENT_RESOURCES)
                atomic_fetch_add(&told.replied, 1);
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

        told.broken = true;
        if (where & 0x8000) {
                uint64_t ticket;

                pthread_mutex_lock(&connection->lock);
                ticket = connection->next_ticket - value / 8;
                pthread_mutex_unlock(&connection->lock);
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
        if (how & 2 && fm_ring_take(&ring, buffer, how & 4 ? sizeof(buffer) : 32, &taken, &poke) == 0)
                check_id(peer, taken.message_id);
        if (how & 8) {
                uint8_t id = u8(input);
                int r = fm_ring_reply(&ring, id, how, payload, u8(input), &poke);

                told.accepted += r == 0 || r == -EMSGSIZE;
        }
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

/* The client goes, the filter closes its end, or the port: another one takes its place, live connections stay. */
static void end(struct peer *peer, struct input *input)
{
        switch (u8(input) % 3) {
        case 0:
                peer_end(peer);
                break;
        case 1:
                FltCloseClientPort(fixture.filter, &fixture.clients[u8(input) & 3]);
                break;
        case 2:
                FltCloseCommunicationPort(fixture.server);
                require(fixture_port(PORT_NAME, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, 4, true,
                                     &fixture.server) == STATUS_SUCCESS,
                        "the name of a port that was closed is not free");
                break;
        }
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
                if (what & 0x20)
                        send_volume(peer, input);
                else
                        send_manage(peer, input);
                break;
        case 7:
                send_frame(peer, &(struct fm_frame){ .type = FM_FRAME_GET, .get.size = u16(input) }, -1, true);
                break;
        case 8:
                send_reply(peer, input);
                break;
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
                end(peer, input);
                break;
        }
}

static void run(struct input *input)
{
        struct fuzz_sender senders[SENDERS] = { 0 };
        struct peer peers[SESSIONS] = { 0 };
        unsigned connects;

        memset(&told, 0, sizeof(told));
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
        require(told.broken || (told.accepted <= told.replied && told.replied <= told.accepted + told.unknown),
                "agents and senders were told different things");
        pthread_mutex_lock(&fixture.lock);
        connects = fixture.connects;
        pthread_mutex_unlock(&fixture.lock);
        fixture_wait(&fixture.disconnects, connects);
        require(fixture.disconnected_inside == 0, "DisconnectNotify while MessageNotify ran");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        /* HELLO, CONNECT with a ring: whatever is made once is made. */
        static const uint8_t first[] = { 1, 0, 2, 1 };
        static bool started;
        int baseline;

        if (!started) {
                fm_log_init(open("/dev/null", O_WRONLY | O_CLOEXEC), FM_LOG_ERROR);
                fm_port_server_set_volume_ops(&volume_ops, NULL);
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
