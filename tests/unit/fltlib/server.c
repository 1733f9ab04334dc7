/* SPDX-License-Identifier: MIT */
/* See server.h. One thread reads all sockets; senders are the test's own threads. */
#include "server.h"

#include "wire/runtime.h"

#include <ntstatus.h>

#include <errno.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PEERS_MAX 64

struct peer {
        int fd;
        struct fake_connection *connection; /* of a port socket */
};

struct fake_server {
        char *directory;
        int listener;
        int stop;
        GThread *thread;
        pthread_mutex_t answering;
        pthread_mutex_t lock; /* guards all below */
        pthread_cond_t changed;
        GPtrArray *connections;
        fake_call call;
        fake_manage manage;
        int32_t connect_status;
        unsigned joins;
        bool hold_join;
        int held; /* descriptor of the one who waits for JOINED, or -1 */
};

static void send_frame(int fd, const struct fm_frame *frame, int descriptor)
{
        g_autofree uint8_t *buffer = g_malloc(FM_FRAME_MAX);
        ssize_t length = fm_frame_encode(frame, buffer, FM_FRAME_MAX);
        struct iovec vector = { buffer, (size_t)length };
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(int))];
        } control = { 0 };
        struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1 };

        g_assert_cmpint(length, >, 0);
        if (descriptor >= 0) {
                message.msg_control = &control;
                message.msg_controllen = sizeof(control.bytes);
                control.header.cmsg_level = SOL_SOCKET;
                control.header.cmsg_type = SCM_RIGHTS;
                control.header.cmsg_len = CMSG_LEN(sizeof(int));
                memcpy(CMSG_DATA(&control.header), &descriptor, sizeof(int));
        }
        /* A peer that has gone, or a full socket, is none of a server's business. */
        (void)!sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void connect_peer(struct fake_server *server, struct peer *peer, const struct fm_frame *request)
{
        struct fm_frame answer = { .type = FM_FRAME_CONNECTED, .tag = request->tag };
        struct fake_connection *connection;
        int memory;

        if (request->connect.name.length != sizeof(PORT_NAME) - sizeof(WCHAR) ||
            memcmp(request->connect.name.data, PORT_NAME, request->connect.name.length) != 0) {
                answer.connected.status = STATUS_OBJECT_NAME_NOT_FOUND;
                send_frame(peer->fd, &answer, -1);
                return;
        }
        pthread_mutex_lock(&server->lock);
        answer.connected.status = server->connect_status;
        pthread_mutex_unlock(&server->lock);
        if (answer.connected.status < 0) {
                send_frame(peer->fd, &answer, -1);
                return;
        }
        connection = g_new0(struct fake_connection, 1);
        pthread_mutex_init(&connection->lock, NULL);
        connection->fd = dup(peer->fd);
        connection->options = request->connect.options;
        connection->context_length = MIN(request->connect.context.length, sizeof(connection->context));
        if (connection->context_length)
                memcpy(connection->context, request->connect.context.data, connection->context_length);
        g_assert_cmpint(fm_ring_create(&connection->ring, FM_RING_AREA, &memory), ==, 0);
        peer->connection = connection;
        answer.connected.flags = FM_CONNECT_RING;
        answer.connected.ring_size = connection->ring.size;
        pthread_mutex_lock(&server->lock);
        answer.connected.token[0] = (uint8_t)(server->connections->len + 1);
        g_ptr_array_add(server->connections, connection);
        pthread_cond_broadcast(&server->changed);
        pthread_mutex_unlock(&server->lock);
        send_frame(peer->fd, &answer, memory);
        close(memory);
}

struct call_job {
        struct fake_server *server;
        int fd;
        uint8_t *buffer;
        struct fm_frame request;
};

/* Calls run on a thread each: concurrent calls of an agent are concurrent. */
static gpointer run_call(gpointer pointer)
{
        struct call_job *job = pointer;
        g_autofree uint8_t *out = g_malloc0(FM_INLINE_MAX);
        struct fm_frame answer = { .type = FM_FRAME_RETURN, .tag = job->request.tag };
        int descriptor = -1;
        fake_call call;

        pthread_mutex_lock(&job->server->lock);
        call = job->server->call;
        pthread_mutex_unlock(&job->server->lock);
        if (call)
                call(&job->request, &answer, out, &descriptor);
        else
                answer.ret.status = STATUS_INVALID_DEVICE_REQUEST;
        answer.ret.out.data = out;
        answer.ret.out.length = MIN(answer.ret.out_length, job->request.call.out_length);
        send_frame(job->fd, &answer, descriptor);
        close(job->fd);
        g_free(job->buffer);
        g_free(job);
        return NULL;
}

static void release_join(struct fake_server *server)
{
        struct fm_frame answer = { .type = FM_FRAME_JOINED, .tag = 1, .joined.status = STATUS_PORT_DISCONNECTED };

        pthread_mutex_lock(&server->lock);
        if (server->held >= 0) {
                send_frame(server->held, &answer, -1);
                close(server->held);
        }
        server->held = -1;
        pthread_mutex_unlock(&server->lock);
}

static bool handle(struct fake_server *server, struct peer *peer)
{
        g_autofree uint8_t *buffer = g_malloc(FM_FRAME_MAX);
        g_autofree uint8_t *entries = NULL;
        ssize_t length = recv(peer->fd, buffer, FM_FRAME_MAX, MSG_DONTWAIT);
        struct fm_frame frame, answer = { 0 };

        if (length < 0 && errno == EAGAIN)
                return true;
        if (length <= 0)
                return false;
        g_assert_cmpint(fm_frame_decode(buffer, (size_t)length, 0, &frame), ==, 0);
        answer.tag = frame.tag;
        switch (frame.type) {
        case FM_FRAME_HELLO:
                answer.type = FM_FRAME_WELCOME;
                answer.welcome.version = FM_WIRE_VERSION;
                answer.welcome.frame_max = FM_FRAME_MAX;
                send_frame(peer->fd, &answer, -1);
                release_join(server);
                break;
        case FM_FRAME_CONNECT:
                connect_peer(server, peer, &frame);
                break;
        case FM_FRAME_JOIN:
                answer.type = FM_FRAME_JOINED;
                pthread_mutex_lock(&server->lock);
                if (frame.join.token[0] == 0 || frame.join.token[0] > server->connections->len)
                        answer.joined.status = STATUS_PORT_DISCONNECTED;
                server->joins++;
                if (server->hold_join)
                        server->held = dup(peer->fd);
                else
                        send_frame(peer->fd, &answer, -1);
                server->hold_join = false;
                pthread_mutex_unlock(&server->lock);
                break;
        case FM_FRAME_CALL: {
                struct call_job *job = g_new0(struct call_job, 1);

                job->server = server;
                job->fd = dup(peer->fd);
                job->request = frame;
                job->buffer = g_steal_pointer(&buffer);
                g_thread_unref(g_thread_new("call", run_call, job));
                break;
        }
        case FM_FRAME_POKE:
                if (frame.poke.flags & FM_POKE_DOORBELL) {
                        answer.type = FM_FRAME_DOORBELL;
                        answer.tag = 0;
                        send_frame(peer->fd, &answer, -1);
                }
                break;
        case FM_FRAME_MANAGE:
                answer.type = FM_FRAME_MANAGED;
                entries = g_malloc0(FM_INLINE_MAX);
                pthread_mutex_lock(&server->lock);
                server->manage(&frame, &answer, entries, FM_INLINE_MAX);
                pthread_mutex_unlock(&server->lock);
                send_frame(peer->fd, &answer, -1);
                break;
        default:
                g_assert_not_reached();
        }
        return true;
}

static gpointer run(gpointer pointer)
{
        struct fake_server *server = pointer;
        struct peer peers[PEERS_MAX];
        unsigned count = 0;

        for (;;) {
                struct pollfd fds[PEERS_MAX + 2] = {
                        { .fd = server->stop, .events = POLLIN },
                        { .fd = server->listener, .events = POLLIN },
                };

                for (unsigned i = 0; i < count; i++)
                        fds[i + 2] = (struct pollfd){ .fd = peers[i].fd, .events = POLLIN };
                poll(fds, count + 2, -1);
                if (fds[0].revents)
                        break;
                pthread_mutex_lock(&server->answering);
                for (unsigned i = count; i > 0; i--) {
                        struct peer *peer = &peers[i - 1];

                        if (!fds[i + 1].revents || handle(server, peer))
                                continue;
                        if (peer->connection) {
                                pthread_mutex_lock(&server->lock);
                                peer->connection->closed = true;
                                pthread_cond_broadcast(&server->changed);
                                pthread_mutex_unlock(&server->lock);
                        }
                        close(peer->fd);
                        *peer = peers[--count];
                }
                if (fds[1].revents) {
                        g_assert_cmpuint(count, <, PEERS_MAX);
                        peers[count++] =
                                (struct peer){.fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC)};
                }
                pthread_mutex_unlock(&server->answering);
        }
        while (count > 0)
                close(peers[--count].fd);
        return NULL;
}

struct fake_server *fake_server_new(void)
{
        struct fake_server *server = g_new0(struct fake_server, 1);
        struct sockaddr_un address;
        int length;

        server->directory = g_dir_make_tmp("fltlib-XXXXXX", NULL);
        g_assert_nonnull(server->directory);
        setenv("FLTSIM_RUNTIME_DIR", server->directory, 1);
        length = fm_runtime_address(server->directory, &address);
        g_assert_cmpint(length, >, 0);
        server->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        g_assert_cmpint(bind(server->listener, (struct sockaddr *)&address, (socklen_t)length), ==, 0);
        g_assert_cmpint(listen(server->listener, 64), ==, 0);
        server->stop = eventfd(0, EFD_CLOEXEC);
        server->held = -1;
        server->connections = g_ptr_array_new();
        pthread_mutex_init(&server->answering, NULL);
        pthread_mutex_init(&server->lock, NULL);
        pthread_cond_init(&server->changed, NULL);
        server->thread = g_thread_new("server", run, server);
        return server;
}

void fake_server_free(struct fake_server *server)
{
        g_autofree char *path = fm_runtime_path(server->directory, FM_RUNTIME_SOCKET);

        (void)!write(server->stop, &(uint64_t){ 1 }, sizeof(uint64_t));
        g_thread_join(server->thread);
        for (guint i = 0; i < server->connections->len; i++) {
                struct fake_connection *connection = server->connections->pdata[i];

                close(connection->fd);
                fm_ring_unmap(&connection->ring);
                pthread_mutex_destroy(&connection->lock);
                g_free(connection);
        }
        g_ptr_array_unref(server->connections);
        close(server->listener);
        close(server->stop);
        g_unlink(path);
        g_rmdir(server->directory);
        g_free(server->directory);
        pthread_mutex_destroy(&server->answering);
        pthread_mutex_destroy(&server->lock);
        pthread_cond_destroy(&server->changed);
        g_free(server);
}

void fake_server_stop(struct fake_server *server)
{
        pthread_mutex_lock(&server->answering);
}

void fake_server_continue(struct fake_server *server)
{
        pthread_mutex_unlock(&server->answering);
}

void fake_server_on_call(struct fake_server *server, fake_call call)
{
        pthread_mutex_lock(&server->lock);
        server->call = call;
        pthread_mutex_unlock(&server->lock);
}

void fake_server_on_manage(struct fake_server *server, fake_manage manage)
{
        pthread_mutex_lock(&server->lock);
        server->manage = manage;
        pthread_mutex_unlock(&server->lock);
}

void fake_server_set_connect_status(struct fake_server *server, int32_t status)
{
        pthread_mutex_lock(&server->lock);
        server->connect_status = status;
        pthread_mutex_unlock(&server->lock);
}

void fake_server_hold_join(struct fake_server *server)
{
        pthread_mutex_lock(&server->lock);
        server->hold_join = true;
        pthread_mutex_unlock(&server->lock);
}

bool fake_server_holds_join(struct fake_server *server)
{
        bool holds;

        pthread_mutex_lock(&server->lock);
        holds = server->held >= 0;
        pthread_mutex_unlock(&server->lock);
        return holds;
}

unsigned fake_server_joins(struct fake_server *server)
{
        unsigned joins;

        pthread_mutex_lock(&server->lock);
        joins = server->joins;
        pthread_mutex_unlock(&server->lock);
        return joins;
}

struct fake_connection *fake_server_connection(struct fake_server *server, unsigned n)
{
        struct fake_connection *connection;

        pthread_mutex_lock(&server->lock);
        while (server->connections->len <= n)
                pthread_cond_wait(&server->changed, &server->lock);
        connection = server->connections->pdata[n];
        pthread_mutex_unlock(&server->lock);
        return connection;
}

void fake_server_wait_closed(struct fake_server *server, struct fake_connection *connection)
{
        pthread_mutex_lock(&server->lock);
        while (!connection->closed)
                pthread_cond_wait(&server->changed, &server->lock);
        pthread_mutex_unlock(&server->lock);
}

bool fake_server_is_closed(struct fake_server *server, struct fake_connection *connection)
{
        bool closed;

        pthread_mutex_lock(&server->lock);
        closed = connection->closed;
        pthread_mutex_unlock(&server->lock);
        return closed;
}

void fake_kick(struct fake_connection *connection)
{
        fm_ring_kill(&connection->ring);
        shutdown(connection->fd, SHUT_WR);
}

void fake_offer(struct fake_connection *connection, struct fm_slot *slot, const void *message,
                uint32_t length, uint32_t reply_capacity, bool wants_reply)
{
        struct fm_frame doorbell = { .type = FM_FRAME_DOORBELL };
        bool ring;

        pthread_mutex_lock(&connection->lock);
        for (slot->index = 0; connection->slots_used & UINT64_C(1) << slot->index; slot->index++)
                g_assert_cmpuint(slot->index, <, FM_RING_SLOTS - 1);
        connection->slots_used |= UINT64_C(1) << slot->index;
        slot->ticket = ++connection->tickets;
        slot->reply_capacity = reply_capacity;
        slot->wants_reply = wants_reply;
        ring = fm_ring_offer(&connection->ring, slot, message, length, connection->announced);
        if (ring)
                send_frame(connection->fd, &doorbell, -1);
        pthread_mutex_unlock(&connection->lock);
}

int32_t fake_finish(struct fake_connection *connection, struct fm_slot *slot, void *reply,
                    uint32_t *reply_length, unsigned timeout_ms)
{
        struct timespec deadline;
        enum fm_ring_result result;
        int32_t status = STATUS_SUCCESS;
        uint32_t length = 0;

        clock_gettime(CLOCK_MONOTONIC, &deadline);
        deadline.tv_sec += timeout_ms / 1000;
        deadline.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
        if (deadline.tv_nsec >= 1000000000) {
                deadline.tv_sec++;
                deadline.tv_nsec -= 1000000000;
        }
        while ((result = fm_ring_look(&connection->ring, slot)) == FM_RING_WAITING) {
                int r = fm_ring_wait(&connection->ring, slot, CLOCK_MONOTONIC, timeout_ms ? &deadline : NULL);

                if (fm_ring_is_dead(&connection->ring)) {
                        result = fm_ring_withdraw(&connection->ring, slot);
                        status = STATUS_PORT_DISCONNECTED;
                        break;
                }
                if (r == -ETIMEDOUT) {
                        result = fm_ring_withdraw(&connection->ring, slot);
                        if (result != FM_RING_DONE)
                                status = STATUS_TIMEOUT;
                        break;
                }
        }
        if (result == FM_RING_DONE) {
                int32_t replied = STATUS_SUCCESS;

                fm_ring_collect(&connection->ring, slot, reply, &length, &replied);
                status =
                        slot->wants_reply && length > slot->reply_capacity ? STATUS_BUFFER_OVERFLOW : replied;
                if (!slot->wants_reply)
                        status = STATUS_SUCCESS;
        }
        while (result == FM_RING_QUARANTINED && !fm_ring_is_released(&connection->ring, slot))
                g_thread_yield();
        if (reply_length)
                *reply_length = MIN(length, slot->reply_capacity);
        pthread_mutex_lock(&connection->lock);
        connection->slots_used &= ~(UINT64_C(1) << slot->index);
        pthread_mutex_unlock(&connection->lock);
        return status;
}

int32_t fake_send(struct fake_connection *connection, const void *message, uint32_t length, void *reply,
                  uint32_t *reply_length, unsigned timeout_ms)
{
        struct fm_slot slot;

        fake_offer(connection, &slot, message, length, reply ? *reply_length : 0, reply != NULL);
        return fake_finish(connection, &slot, reply, reply_length, timeout_ms);
}

void fake_give(struct fake_connection *connection, uint64_t handle, int fd, uint64_t size)
{
        struct fm_frame doorbell = {
                .type = FM_FRAME_DOORBELL,
                .doorbell = { .given_count = 1, .given = { { FM_GIVEN_SECTION, handle, size } } },
        };

        pthread_mutex_lock(&connection->lock);
        connection->announced++;
        send_frame(connection->fd, &doorbell, fd);
        pthread_mutex_unlock(&connection->lock);
}
