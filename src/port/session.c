/* SPDX-License-Identifier: MIT */
/* What the frames of a client do; see session.h. */
#include "port/session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nt/log.h"
#include "nt/object.h"
#include "nt/process.h"
#include "port/packet.h"
#include "port/pool.h"
#include "port/server.h"

#define CALL_THREADS_MAX 512
#define CONTROL_THREADS_MAX 256
#define DISCONNECT_THREADS_MAX FM_SESSIONS_MAX /* none waits for another */

struct job {
        struct fm_work work; /* must be first */
        void (*run)(struct job *job);
        struct fm_session *session;
        uint8_t *data; /* our copy of the frame */
        struct fm_frame frame;
        int fd; /* that came with it, or -1 */
        /* A disconnect instead. */
        PFLT_PORT client;
        struct fm_connection *connection; /* reference */
};

/*
 * Three, so that no kind of work waits behind another that it might be waiting for: MessageNotify; connects
 * and management; DisconnectNotify.
 */
static struct fm_pool call_pool, control_pool, disconnect_pool;

static void run_job(struct fm_work *work)
{
        struct job *job = (struct job *)work;

        job->run(job);
        if (job->fd >= 0)
                close(job->fd);
        if (job->session)
                fm_session_unref(job->session);
        g_free(job->data);
        g_free(job);
}

void fm_session_pools_start(void)
{
        fm_pool_init(&call_pool, CALL_THREADS_MAX);
        fm_pool_init(&control_pool, CONTROL_THREADS_MAX);
        fm_pool_init(&disconnect_pool, DISCONNECT_THREADS_MAX);
}

void fm_session_pools_stop(void)
{
        /* Connects may push disconnects, so these go last. */
        fm_pool_deinit(&control_pool);
        fm_pool_deinit(&call_pool);
        fm_pool_deinit(&disconnect_pool);
}

struct fm_session *fm_session_ref(struct fm_session *session)
{
        atomic_fetch_add_explicit(&session->refs, 1, memory_order_relaxed);
        return session;
}

void fm_session_unref(struct fm_session *session)
{
        if (atomic_fetch_sub_explicit(&session->refs, 1, memory_order_acq_rel) != 1)
                return;
        close(session->fd);
        fm_connection_unref(session->connection);
        if (session->thread)
                fm_object_unref(session->thread);
        if (session->user)
                fm_server_user_put(session->user);
        pthread_mutex_destroy(&session->lock);
        g_free(session->groups);
        g_free(session);
}

static bool groups_read(struct fm_session *session)
{
        socklen_t size = 64 * sizeof(gid_t);

        for (;;) {
                g_free(session->groups);
                session->groups = g_malloc(size);
                if (getsockopt(session->fd, SOL_SOCKET, SO_PEERGROUPS, session->groups, &size) == 0)
                        break;
                if (errno != ERANGE)
                        return false;
        }
        session->credentials.groups = session->groups;
        session->credentials.group_count = size / sizeof(gid_t);
        return true;
}

struct fm_session *fm_session_new(int fd)
{
        struct fm_session *session = g_new0(struct fm_session, 1);
        struct ucred peer;
        socklen_t size = sizeof(peer);

        atomic_init(&session->refs, 1);
        session->fd = fd;
        pthread_mutex_init(&session->lock, NULL);
        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || !groups_read(session)) {
                fm_session_unref(session);
                return NULL;
        }
        session->credentials.uid = peer.uid;
        session->credentials.gid = peer.gid;
        session->user = fm_server_user_get(peer.uid);
        if (!session->user) {
                struct fm_frame goodbye = {.type = FM_FRAME_GOODBYE,
                                           .goodbye.status = STATUS_INSUFFICIENT_RESOURCES};

                fm_packet_send(fd, &goodbye, NULL, 0);
                fm_session_unref(session);
                return NULL;
        }
        session->thread = fm_thread_ref_by_id(peer.pid);
        return session;
}

static bool answer(struct fm_session *session, const struct fm_frame *frame, const int *fds,
                   unsigned fd_count)
{
        int r = fm_packet_send(session->fd, frame, fds, fd_count);

        /* It does not read: from now on it gets nothing at all. */
        if (r < 0)
                shutdown(session->fd, SHUT_RDWR);
        return r == 0;
}

static bool goodbye(struct fm_session *session, NTSTATUS status)
{
        struct fm_frame frame = { .type = FM_FRAME_GOODBYE, .goodbye.status = status };

        answer(session, &frame, NULL, 0);
        return false;
}

static bool job_start(struct fm_session *session, struct fm_pool *pool, void (*run)(struct job *),
                      const uint8_t *data, size_t length, int fd)
{
        struct job *job = g_new0(struct job, 1);

        job->work.run = run_job;
        job->run = run;
        job->session = fm_session_ref(session);
        job->data = g_memdup2(data, length);
        job->fd = fd;
        if (fm_frame_decode(job->data, length, fd >= 0, &job->frame) < 0)
                g_assert_not_reached(); /* it was decoded before, from the same bytes */

        pthread_mutex_lock(&session->lock);
        session->jobs++;
        if (session->jobs >= FM_SESSION_JOBS_MAX && !session->paused) {
                session->paused = true;
                fm_server_want_input(session, false);
        }
        pthread_mutex_unlock(&session->lock);
        fm_pool_push(pool, &job->work);
        return true;
}

static void job_done(struct fm_session *session)
{
        pthread_mutex_lock(&session->lock);
        session->jobs--;
        if (session->paused && session->jobs < FM_SESSION_JOBS_MAX / 2) {
                session->paused = false;
                if (!session->gone)
                        fm_server_want_input(session, true);
        }
        pthread_mutex_unlock(&session->lock);
}

static void run_disconnect(struct job *job)
{
        fm_port_disconnected(job->client);
        fm_connection_ended(job->connection);
        fm_connection_unref(job->connection);
}

static void disconnect_start(struct fm_connection *connection, PFLT_PORT client)
{
        struct job *job = g_new0(struct job, 1);

        job->work.run = run_job;
        job->run = run_disconnect;
        job->fd = -1;
        job->client = client;
        job->connection = fm_connection_ref(connection);
        fm_pool_push(&disconnect_pool, &job->work);
}

/* The agent has gone: whoever finds the client here disconnects it. */
static void client_drop(struct fm_connection *connection)
{
        PFLT_PORT client;

        pthread_mutex_lock(&connection->lock);
        client = connection->client;
        connection->client = NULL;
        pthread_mutex_unlock(&connection->lock);
        if (client)
                disconnect_start(connection, client);
}

static void run_connect(struct job *job)
{
        struct fm_session *session = job->session;
        struct fm_frame *request = &job->frame;
        struct fm_frame reply = { .type = FM_FRAME_CONNECTED, .tag = request->tag };
        struct fm_port_peer peer = { .thread = session->thread, .credentials = &session->credentials };
        bool plain = !(request->connect.flags & FM_CONNECT_RING), gone;
        g_autofree WCHAR *name = g_memdup2(request->connect.name.data, request->connect.name.length);
        g_autofree void *context = g_memdup2(request->connect.context.data, request->connect.context.length);
        UNICODE_STRING path = {
                .Buffer = name,
                .Length = request->connect.name.length,
                .MaximumLength = request->connect.name.length,
        };
        struct fm_connection *connection = NULL;
        PFLT_PORT client = NULL;
        NTSTATUS status;
        int fd = -1;

        if (fm_connection_new(session->fd, fm_thread_process(session->thread), plain, &connection) < 0) {
                status = STATUS_INSUFFICIENT_RESOURCES;
                connection = NULL;
        } else {
                /* The session's, set before anybody can send: its end kills the connection also while
                 * ConnectNotify runs. */
                pthread_mutex_lock(&session->lock);
                session->connection = fm_connection_ref(connection);
                gone = session->gone;
                pthread_mutex_unlock(&session->lock);
                if (gone)
                        fm_connection_kill(connection);
                status = fm_port_connect(&peer, &path, context, request->connect.context.length,
                                         fm_connection_ref(connection), &client);
        }

        reply.connected.status = status;
        if (NT_SUCCESS(status)) {
                pthread_mutex_lock(&connection->lock);
                connection->client = client;
                pthread_mutex_unlock(&connection->lock);
                memcpy(reply.connected.token, connection->token, FM_TOKEN_SIZE);
                if (!plain) {
                        reply.connected.flags = FM_CONNECT_RING;
                        reply.connected.ring_size = connection->ring.size;
                        fd = connection->memory;
                }
        }
        if (answer(session, &reply, &fd, fd >= 0) && NT_SUCCESS(status))
                fm_server_client_connected();
        if (connection)
                fm_connection_answered(connection);
        if (!NT_SUCCESS(status) && connection) {
                fm_connection_kill(connection);
                fm_connection_ended(connection);
        }

        pthread_mutex_lock(&session->lock);
        gone = session->gone;
        pthread_mutex_unlock(&session->lock);
        if (gone && connection)
                client_drop(connection);
        fm_connection_unref(connection);
        job_done(session);
}

/* Memory for a call that the user has not too much of already. */
static void *call_buffer(struct fm_port_user *user, uint64_t bytes)
{
        void *buffer = NULL;

        if (atomic_fetch_add(&user->bytes, bytes) + bytes <= FM_USER_BYTES_MAX)
                buffer = g_try_malloc0(bytes ? bytes : 1);
        if (!buffer)
                atomic_fetch_sub(&user->bytes, bytes);
        return buffer;
}

/* A plain memory file: reading and writing it can't block, or fail for what the client does meanwhile. */
static bool is_memfd(int fd, uint64_t size)
{
        struct stat st;

        return fcntl(fd, F_GET_SEALS) >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
               (uint64_t)st.st_size >= size;
}

static NTSTATUS call(struct job *job, struct fm_connection *connection, struct fm_frame *reply,
                     uint8_t **buffer)
{
        struct fm_session *session = job->session;
        struct fm_frame *request = &job->frame;
        struct fm_port_peer peer = { .thread = session->thread, .credentials = &session->credentials };
        uint64_t in_size = (request->call.in_length + UINT64_C(15)) & ~UINT64_C(15);
        uint64_t bytes = in_size + request->call.out_length;
        uint32_t delivered = 0;
        ULONG returned = 0;
        PFLT_PORT client;
        NTSTATUS status;

        pthread_mutex_lock(&connection->lock);
        client = connection->client && !atomic_load(&connection->dead) ? fm_port_ref(connection->client)
                                                                       : NULL;
        pthread_mutex_unlock(&connection->lock);
        if (!client)
                return STATUS_PORT_DISCONNECTED;

        *buffer = call_buffer(session->user, bytes);
        if (!*buffer) {
                status = STATUS_INSUFFICIENT_RESOURCES;
                goto out;
        }
        if (!(request->call.flags & FM_CALL_IN_MEMFD)) {
                memcpy(*buffer, request->call.in, request->call.in_length);
        } else if (!is_memfd(job->fd, (uint64_t)request->call.out_offset + request->call.out_length) ||
                   pread(job->fd, *buffer, request->call.in_length, 0) != (ssize_t)request->call.in_length) {
                status = STATUS_INVALID_PARAMETER;
                goto out;
        }

        status = fm_port_call(client, &peer, *buffer, request->call.in_length,
                              request->call.out_length ? *buffer + in_size : NULL, request->call.out_length,
                              &returned);
        if (NT_ERROR(status) && status != STATUS_BUFFER_TOO_SMALL)
                returned = 0;
        if (!NT_ERROR(status))
                delivered = returned;
        reply->ret.out_length = returned;
        if (request->call.flags & FM_CALL_IN_MEMFD) {
                reply->ret.flags = FM_CALL_IN_MEMFD;
                if (delivered &&
                    pwrite(job->fd, *buffer + in_size, delivered, request->call.out_offset) != delivered)
                        status = STATUS_ACCESS_VIOLATION;
        } else {
                reply->ret.out = (struct fm_bytes){ .data = *buffer + in_size, .length = delivered };
        }
out:
        fm_port_unref(client);
        return status;
}

static void run_call(struct job *job)
{
        struct fm_session *session = job->session;
        struct fm_frame reply = { .type = FM_FRAME_RETURN, .tag = job->frame.tag };
        struct fm_call_given given = {
                .process = fm_thread_process(session->thread),
                .connection = session->connection,
        };
        uint64_t bytes =
                ((job->frame.call.in_length + UINT64_C(15)) & ~UINT64_C(15)) + job->frame.call.out_length;
        int fds[FM_FRAME_DESCRIPTORS_MAX];
        uint8_t *buffer = NULL;
        unsigned fd_count = 0;

        fm_call_given_set(&given);
        reply.ret.status = call(job, session->connection, &reply, &buffer);
        fm_call_given_set(NULL);

        reply.ret.given_count = given.count;
        for (unsigned i = 0; i < given.count; i++) {
                reply.ret.given[i] = given.entries[i].given;
                if (given.entries[i].fd >= 0)
                        fds[fd_count++] = given.entries[i].fd;
        }
        answer(session, &reply, fds, fd_count);
        for (unsigned i = 0; i < fd_count; i++)
                close(fds[i]);
        if (buffer) {
                g_free(buffer);
                atomic_fetch_sub(&session->user->bytes, bytes);
        }
        job_done(session);
}

static void run_manage(struct job *job)
{
        struct fm_frame reply = { .type = FM_FRAME_MANAGED, .tag = job->frame.tag };
        g_autofree uint8_t *entries = g_malloc(FM_INLINE_MAX);

        if (job->frame.type == FM_FRAME_VOLUME)
                fm_manage_volume(job->session, &job->frame, &reply, entries);
        else
                fm_manage(job->session, &job->frame, &reply, entries);
        answer(job->session, &reply, NULL, 0);
        job_done(job->session);
}

static bool joined(struct fm_session *session, uint64_t tag, NTSTATUS status)
{
        struct fm_frame reply = { .type = FM_FRAME_JOINED, .tag = tag, .joined.status = status };

        return answer(session, &reply, NULL, 0);
}

void fm_session_left(struct fm_session *session)
{
        joined(session, session->join_tag, STATUS_PORT_DISCONNECTED);
}

/*
 * Who asks for a connection that its agent has left learns that it has ended when the filter has: so a client
 * can wait for that.
 */
static bool join(struct fm_session *session, const struct fm_frame *request)
{
        struct fm_connection *connection = fm_connection_find(request->join.token);
        bool waits;

        if (!connection)
                return joined(session, request->tag, STATUS_PORT_DISCONNECTED);
        if (fm_connection_has_left(connection)) {
                session->join_tag = request->tag;
                session->kind = FM_SESSION_LEAVER;
                waits = fm_connection_tell_end(connection, session);
                fm_connection_unref(connection);
                return waits || joined(session, request->tag, STATUS_PORT_DISCONNECTED);
        }
        if (atomic_load(&connection->dead)) {
                fm_connection_unref(connection);
                return joined(session, request->tag, STATUS_PORT_DISCONNECTED);
        }
        pthread_mutex_lock(&session->lock);
        session->connection = connection;
        pthread_mutex_unlock(&session->lock);
        session->kind = FM_SESSION_CHANNEL;
        return joined(session, request->tag, STATUS_SUCCESS);
}

static bool hello(struct fm_session *session, const struct fm_frame *request)
{
        struct fm_frame reply = {
                .type = FM_FRAME_WELCOME,
                .tag = request->tag,
                .welcome = { .version = FM_WIRE_VERSION, .frame_max = FM_FRAME_MAX },
        };

        if (request->hello.version_min > FM_WIRE_VERSION || request->hello.version_max < FM_WIRE_VERSION)
                return goodbye(session, STATUS_REVISION_MISMATCH);
        session->kind = FM_SESSION_GREETED;
        return answer(session, &reply, NULL, 0);
}

/* What a client without a ring may say on its port's socket. */
static bool plain_frame(struct fm_session *session, const struct fm_frame *frame)
{
        struct fm_connection *connection = session->connection;
        struct fm_frame reply = { .type = FM_FRAME_RESULT, .tag = frame->tag };

        if (frame->type == FM_FRAME_GET)
                return fm_connection_plain_get(connection, frame->tag, frame->get.size) == 0;
        reply.result.status = fm_connection_plain_reply(connection, frame->reply.message_id,
                                                        frame->reply.status, frame->reply.payload);
        return answer(session, &reply, NULL, 0);
}

static bool is_connected(struct fm_session *session)
{
        bool connected;

        pthread_mutex_lock(&session->lock);
        connected = session->connection != NULL;
        pthread_mutex_unlock(&session->lock);
        return connected;
}

static bool handle(struct fm_session *session, const struct fm_frame *frame, const uint8_t *data,
                   size_t length, int *fd)
{
        bool is_port = session->kind == FM_SESSION_PORT && is_connected(session);
        int given = *fd;

        switch (frame->type) {
        case FM_FRAME_HELLO:
                return session->kind == FM_SESSION_NEW && hello(session, frame);
        case FM_FRAME_CONNECT:
                if (session->kind != FM_SESSION_GREETED)
                        return false;
                session->kind = FM_SESSION_PORT;
                return job_start(session, &control_pool, run_connect, data, length, -1);
        case FM_FRAME_JOIN:
                return session->kind == FM_SESSION_GREETED && join(session, frame);
        case FM_FRAME_CALL:
                if (session->kind != FM_SESSION_CHANNEL && !(is_port && session->connection->plain))
                        return false;
                if (frame->call.flags & FM_CALL_IN_MEMFD && given < 0) {
                        struct fm_frame reply = {
                                .type = FM_FRAME_RETURN,
                                .tag = frame->tag,
                                .ret.status = STATUS_INSUFFICIENT_RESOURCES,
                        };

                        return answer(session, &reply, NULL, 0); /* we had no room for it */
                }
                *fd = -1;
                return job_start(session, &call_pool, run_call, data, length, given);
        case FM_FRAME_POKE:
                if (!is_port)
                        return false;
                fm_connection_poke(session->connection, frame->poke.flags);
                return true;
        case FM_FRAME_GET:
        case FM_FRAME_REPLY:
                return is_port && session->connection->plain && plain_frame(session, frame);
        case FM_FRAME_MANAGE:
        case FM_FRAME_VOLUME:
                if (session->kind != FM_SESSION_GREETED && session->kind != FM_SESSION_MANAGER)
                        return false;
                session->kind = FM_SESSION_MANAGER;
                return job_start(session, &control_pool, run_manage, data, length, -1);
        default:
                return false; /* ours to send, not to receive */
        }
}

bool fm_session_receive(struct fm_session *session)
{
        static __thread uint8_t buffer[FM_FRAME_MAX + 1];
        int fds[FM_FRAME_DESCRIPTORS_MAX];
        struct fm_frame frame;
        unsigned fd_count;
        bool good;
        int fd, r;

        r = fm_packet_receive(session->fd, buffer, &frame, fds, &fd_count);
        if (r == -EAGAIN)
                return true;
        if (r == -EPROTO)
                return goodbye(session, STATUS_INVALID_PARAMETER);
        if (r <= 0)
                return false;

        /* Only a CALL comes with one, and the decoder has seen to it that it is one. */
        fd = fd_count ? fds[0] : -1;
        good = handle(session, &frame, buffer, fm_frame_length(buffer), &fd);
        for (unsigned i = fd >= 0 ? 0 : 1; i < fd_count; i++)
                close(fds[i]);
        return good ? true : goodbye(session, STATUS_INVALID_PARAMETER);
}

void fm_session_end(struct fm_session *session)
{
        struct fm_connection *connection;

        pthread_mutex_lock(&session->lock);
        session->gone = true;
        connection = session->connection;
        pthread_mutex_unlock(&session->lock);
        shutdown(session->fd, SHUT_RDWR);
        if (session->kind == FM_SESSION_PORT && connection) {
                fm_connection_kill(connection);
                client_drop(connection);
        }
}
