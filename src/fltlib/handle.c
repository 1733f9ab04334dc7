/* SPDX-License-Identifier: MIT */
/* Receiving: who gets which message, and who sleeps where. See the head of handle.h. */
#include "fltlib/handle.h"

#include "fltlib/client.h"
#include "fltlib/take.h"
#include "win32/section.h"

#include <ntstatus.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEADER_SIZE ((DWORD)sizeof(FILTER_MESSAGE_HEADER))
#define UNREAD_MAX  16 /* offers, and so doorbells at most, until they are read in one go */
#define FRAME_ROOM  1024 /* for what the server sends on this socket: DOORBELL, GOODBYE */

static bool is_disconnected_locked(struct fm_port_handle *connection)
{
        return connection->disconnected || fm_ring_is_dead(&connection->ring);
}

bool fm_port_handle_is_disconnected(struct fm_port_handle *connection)
{
        bool disconnected;

        pthread_mutex_lock(&connection->lock);
        disconnected = is_disconnected_locked(connection);
        pthread_mutex_unlock(&connection->lock);
        return disconnected;
}

/* The ring counts a parent and its forked child as two. */
static bool is_armed_locked(struct fm_port_handle *connection)
{
        return connection->armed && connection->armed_of == fm_w32_generation();
}

void fm_port_handle_poke(struct fm_port_handle *connection, uint32_t flags)
{
        struct fm_frame poke = { .type = FM_FRAME_POKE, .poke.flags = flags };

        /* Who can't be told is gone, and his end wakes everybody. */
        (void)fm_client_send(connection->io.fd, &poke, -1);
}

static void section_closed(void *context, bool revoked)
{
        struct fm_port_handle *connection = context;

        if (!revoked)
                fm_ring_handle_closed(&connection->ring);
        fm_w32_object_unref(connection);
}

void fm_port_handle_accept_given(struct fm_port_handle *connection, struct fm_client_frame *frame,
                                const struct fm_given *given, uint32_t count)
{
        for (uint32_t i = 0; i < count; i++) {
                int fd;

                if (given[i].kind == FM_GIVEN_REVOKED) {
                        fm_w32_section_revoke(given[i].handle);
                        continue;
                }
                /* Without a descriptor there is a handle all the same: what speaks of it must not be lost. */
                fd = fm_client_take_descriptor(frame);
                fm_w32_section_give(given[i].handle, fd, given[i].size, section_closed,
                                    fm_w32_object_ref(connection));
        }
}

/* Takes the receive out of the queue and ends it. */
static void complete_locked(struct fm_port_handle *connection, struct fm_receive *receive, NTSTATUS status,
                            DWORD bytes)
{
        g_queue_remove(&connection->pending, receive);
        if (!receive->overlapped) {
                receive->status = status;
                receive->bytes = bytes;
                receive->done = true;
                return;
        }
        if (connection->level)
                g_hash_table_add(connection->untold, receive->overlapped);
        fm_w32_io_complete(&connection->io, receive->overlapped, receive->event, status, bytes);
        g_free(receive);
}

/* The same for one whose thread may be asleep. */
static void complete_other_locked(struct fm_port_handle *connection, struct fm_receive *receive,
                                  NTSTATUS status, DWORD bytes)
{
        bool sleeps = !receive->overlapped;

        complete_locked(connection, receive, status, bytes);
        if (sleeps) {
                connection->unnoticed++;
                fm_port_handle_poke(connection, FM_POKE_DOORBELL);
        }
}

static void disconnect_locked(struct fm_port_handle *connection)
{
        struct fm_receive *receive;

        if (connection->disconnected)
                return;
        connection->disconnected = true;
        while ((receive = g_queue_peek_head(&connection->pending)))
                complete_locked(connection, receive, STATUS_PORT_DISCONNECTED, 0);
        /* Those who sleep in recv(), and watchers, see the end at once. */
        shutdown(connection->io.fd, SHUT_RD);
}

static void handle_doorbell(void *context, struct fm_client_frame *frame)
{
        struct fm_port_handle *connection = context;

        if (frame->frame.type == FM_FRAME_DOORBELL && frame->frame.doorbell.given_count) {
                uint32_t count = frame->frame.doorbell.given_count;

                fm_port_handle_accept_given(connection, frame, frame->frame.doorbell.given, count);
                atomic_fetch_add(&connection->given_received, count);
        }
        fm_client_frame_clear(frame);
}

/* Reads what is there without waiting. Returns how many frames; the end of the connection is noted. */
static int drain_locked(struct fm_port_handle *connection)
{
        int count;

        connection->drained = connection->newest;
        if (connection->disconnected)
                return 0;
        count = fm_client_drain(connection->io.fd, handle_doorbell, connection);
        if (count >= 0)
                return count;
        disconnect_locked(connection);
        return 0;
}

/*
 * Doorbells that were read here may have been meant for threads that sleep: for messages that are still
 * there, or because their receive is done.
 */
static void pass_on_locked(struct fm_port_handle *connection)
{
        uint32_t others = atomic_load(&connection->ring.header->armed);
        unsigned wanted;

        others -= MIN(others, (uint32_t)is_armed_locked(connection));
        if (connection->disconnected || others == 0)
                return;
        wanted = MIN(fm_take_count(&connection->ring) + connection->unnoticed, others);
        while (wanted-- > 0)
                fm_port_handle_poke(connection, FM_POKE_DOORBELL);
}

/*
 * The descriptors that a message speaks of are on their way when it can be taken: in the socket in a moment, or on
 * another thread's stack just now.
 */
static void await_descriptors_locked(struct fm_port_handle *connection, uint64_t needed)
{
        uint64_t deadline = fm_w32_now() + 1000000000u;

        for (;;) {
                struct pollfd poll_fd = { .fd = connection->io.fd, .events = POLLIN };
                uint32_t received = atomic_load(&connection->given_received);

                if ((int32_t)(received - (uint32_t)needed) >= 0)
                        return;
                if (drain_locked(connection) > 0) {
                        pass_on_locked(connection);
                        continue;
                }
                /* Never for ever: another process that shares the connection may have read them. */
                if (connection->disconnected || fm_w32_remaining(deadline) == 0)
                        return;
                /* The other thread needs no more than this, and does not show in the socket. */
                poll(&poll_fd, 1, 1);
        }
}

/*
 * The oldest that is large enough. But a thread that asks for itself does not hand a message to another one, which has
 * been woken already by the message's doorbell or will be by the next: waking it again takes the server's help, and
 * made four busy threads ten times slower than one. Those who sleep are woken in the order in which they came.
 */
static struct fm_receive *choose_locked(struct fm_port_handle *connection, struct fm_receive *self, DWORD size)
{
        struct fm_receive *other = NULL;

        for (GList *l = connection->pending.head; l; l = l->next) {
                struct fm_receive *receive = l->data;

                if (receive->size < size)
                        continue;
                if (!self || receive == self || receive->overlapped)
                        return receive;
                if (!other)
                        other = receive;
        }
        return other;
}

static void end_locked(struct fm_port_handle *connection, struct fm_receive *self, struct fm_receive *receive,
                       NTSTATUS status, DWORD bytes)
{
        if (receive == self)
                complete_locked(connection, receive, status, bytes);
        else
                complete_other_locked(connection, receive, status, bytes);
}

/*
 * Looks at the ring for the queue. self: the calling thread's own receive, or NULL. Stops when the queue or
 * the ring has nothing more, or self is done: what is left has doorbells of its own.
 */
static void look_locked(struct fm_port_handle *connection, struct fm_receive *self)
{
        bool wants_poke = false;

        if (is_disconnected_locked(connection))
                disconnect_locked(connection);
        while (connection->pending.length > 0 && !(self && self->done)) {
                struct fm_taken taken;
                struct fm_receive *receive;
                DWORD largest = 0;
                int r;

                for (GList *l = connection->pending.head; l; l = l->next)
                        largest = MAX(largest, ((struct fm_receive *)l->data)->size);
                r = fm_take_fitting(&connection->ring, largest - HEADER_SIZE, connection->reported, &taken);
                if (r == -EMSGSIZE) {
                        connection->reported = taken.ticket;
                        end_locked(connection, self, g_queue_peek_head(&connection->pending),
                                   STATUS_BUFFER_TOO_SMALL, HEADER_SIZE + taken.length);
                        continue;
                }
                if (r == -EAGAIN)
                        break;
                if (r < 0) {
                        disconnect_locked(connection);
                        break;
                }
                receive = choose_locked(connection, self, HEADER_SIZE + taken.length);
                await_descriptors_locked(connection, taken.descriptors);
                if (connection->disconnected) {
                        /* Nobody is left to have it: the queue was emptied. */
                        fm_ring_take_undo(&connection->ring, &taken, &wants_poke);
                        break;
                }
                if (fm_ring_take_finish(&connection->ring, &taken, receive->buffer + 1, &wants_poke) < 0)
                        continue;
                connection->newest = MAX(connection->newest, taken.ticket);
                receive->buffer->ReplyLength = taken.reply_length;
                receive->buffer->MessageId = taken.message_id;
                end_locked(connection, self, receive, STATUS_SUCCESS, HEADER_SIZE + taken.length);
        }
        if (wants_poke)
                fm_port_handle_poke(connection, FM_POKE_SLOTS);
}

/*
 * Serves the queue. Those who wait in epoll wait for edges and leave the doorbells in the socket, which is a
 * system call less a message; but what does not fit into a full socket makes no edge. So they are read before
 * there can be many, and because that may take away somebody's doorbell, the ring is looked at again.
 */
static void serve_locked(struct fm_port_handle *connection, struct fm_receive *self)
{
        look_locked(connection, self);
        while (is_armed_locked(connection) && !connection->level &&
               connection->newest - connection->drained >= UNREAD_MAX) {
                drain_locked(connection);
                look_locked(connection, self && self->done ? NULL : self);
                pass_on_locked(connection);
        }
}

NTSTATUS fm_port_handle_receive(struct fm_port_handle *connection, PFILTER_MESSAGE_HEADER buffer, DWORD size,
                                DWORD *bytes)
{
        struct fm_receive self = { .buffer = buffer, .size = size, .thread = GetCurrentThreadId() };
        uint8_t room[FRAME_ROOM];
        unsigned returned = 0;

        fm_ring_linger_for_offer(&connection->ring);
        /* Armed before each look: a message that comes after the look rings. */
        fm_ring_arm(&connection->ring);
        pthread_mutex_lock(&connection->lock);
        connection->reported = 0;
        if (is_disconnected_locked(connection)) {
                disconnect_locked(connection);
                self.status = STATUS_PORT_DISCONNECTED;
                self.done = true;
        } else {
                g_queue_push_tail(&connection->pending, &self);
                serve_locked(connection, &self);
        }
        while (!self.done) {
                struct fm_client_frame frame;
                int r;

                connection->sleepers++;
                pthread_mutex_unlock(&connection->lock);
                /* The same doorbell comes back to who is fastest: the other one gets a moment's start. */
                if (returned > 1)
                        poll(NULL, 0, 1);
                r = fm_client_receive(connection->io.fd, room, sizeof(room), 0, &frame);
                if (r == 0)
                        handle_doorbell(connection, &frame);
                pthread_mutex_lock(&connection->lock);
                if (--connection->sleepers == 0)
                        pthread_cond_broadcast(&connection->awake);
                if (self.done) {
                        if (connection->unnoticed > 0)
                                connection->unnoticed--;
                        break;
                }
                if (r < 0)
                        disconnect_locked(connection);
                serve_locked(connection, &self);
                /* This doorbell may have been somebody else's. */
                returned = connection->unnoticed > 0 ? returned + 1 : 0;
                if (returned)
                        fm_port_handle_poke(connection, FM_POKE_DOORBELL);
        }
        pthread_mutex_unlock(&connection->lock);
        fm_ring_disarm(&connection->ring);
        *bytes = self.bytes;
        return self.status;
}

HRESULT fm_port_handle_start_receive(struct fm_port_handle *connection, PFILTER_MESSAGE_HEADER buffer,
                                     DWORD size, LPOVERLAPPED overlapped)
{
        struct fm_receive *receive;
        struct fm_w32_event *event;

        if (fm_port_handle_is_disconnected(connection))
                return E_HANDLE;
        if (!fm_w32_io_start(&connection->io, overlapped, &event))
                return HRESULT_FROM_WIN32(GetLastError());
        receive = g_new0(struct fm_receive, 1);
        receive->buffer = buffer;
        receive->size = size;
        receive->overlapped = overlapped;
        receive->event = event;
        receive->thread = GetCurrentThreadId();
        pthread_mutex_lock(&connection->lock);
        if (connection->disconnected) {
                pthread_mutex_unlock(&connection->lock);
                overlapped->Internal = (ULONG_PTR)(ULONG)STATUS_PORT_DISCONNECTED;
                fm_w32_object_unref(event);
                g_free(receive);
                return E_HANDLE;
        }
        connection->reported = 0;
        g_hash_table_remove(connection->untold, overlapped);
        g_queue_push_tail(&connection->pending, receive);
        serve_locked(connection, NULL);
        pthread_mutex_unlock(&connection->lock);
        return HRESULT_FROM_WIN32(ERROR_IO_PENDING);
}

/*
 * The program is about to hear that there is nothing. Only now are the doorbells read: until then the descriptor
 * stays readable, and after that, too, if a receive that the program did not ask about has completed.
 */
static void quieten_locked(struct fm_port_handle *connection, struct fm_receive *self)
{
        int drained;

        if (g_hash_table_size(connection->untold) > 0)
                return;
        drained = drain_locked(connection);
        serve_locked(connection, self);
        if (drained && !(self && self->done))
                pass_on_locked(connection);
        if (g_hash_table_size(connection->untold) > 0)
                fm_port_handle_poke(connection, FM_POKE_DOORBELL);
}

NTSTATUS fm_port_handle_try_receive(struct fm_port_handle *connection, PFILTER_MESSAGE_HEADER buffer,
                                    DWORD size, DWORD *bytes)
{
        struct fm_receive self = { .buffer = buffer, .size = size, .thread = GetCurrentThreadId() };

        pthread_mutex_lock(&connection->lock);
        if (is_disconnected_locked(connection)) {
                disconnect_locked(connection);
                pthread_mutex_unlock(&connection->lock);
                return STATUS_PORT_DISCONNECTED;
        }
        connection->reported = 0;
        g_queue_push_tail(&connection->pending, &self);
        serve_locked(connection, &self);
        if (!self.done)
                quieten_locked(connection, &self);
        if (!self.done)
                complete_locked(connection, &self, STATUS_NO_MORE_ENTRIES, 0);
        pthread_mutex_unlock(&connection->lock);
        *bytes = self.bytes;
        return self.status;
}

static void watched(struct fm_w32_io *io)
{
        struct fm_port_handle *connection = (struct fm_port_handle *)io;

        pthread_mutex_lock(&connection->lock);
        if (!connection->disconnected && !is_armed_locked(connection)) {
                connection->armed = true;
                connection->armed_of = fm_w32_generation();
                fm_ring_arm(&connection->ring);
        }
        pthread_mutex_unlock(&connection->lock);
}

void fm_port_handle_watch(struct fm_port_handle *connection)
{
        watched(&connection->io);
        pthread_mutex_lock(&connection->lock);
        connection->level = true;
        pthread_mutex_unlock(&connection->lock);
        fm_port_handle_poke(connection, FM_POKE_DOORBELL);
}

static bool pump(struct fm_w32_io *io, uint32_t events)
{
        struct fm_port_handle *connection = (struct fm_port_handle *)io;
        uint64_t newest;
        guint pending;
        bool completed;

        pthread_mutex_lock(&connection->lock);
        newest = connection->newest;
        pending = connection->pending.length;
        serve_locked(connection, NULL);
        /* An edge for nothing: there may be any number of doorbells of senders who have left. */
        if (events & (EPOLLHUP | EPOLLRDHUP | EPOLLERR) ||
            (events && !connection->level && newest == connection->newest)) {
                if (drain_locked(connection) > 0) {
                        look_locked(connection, NULL);
                        pass_on_locked(connection);
                }
        }
        completed = connection->pending.length < pending;
        pthread_mutex_unlock(&connection->lock);
        return completed;
}

static void ask(struct fm_w32_io *io, LPOVERLAPPED overlapped, bool is_pending)
{
        struct fm_port_handle *connection = (struct fm_port_handle *)io;

        pthread_mutex_lock(&connection->lock);
        g_hash_table_remove(connection->untold, overlapped);
        if (is_pending && connection->level && !connection->disconnected) {
                quieten_locked(connection, NULL);
                g_hash_table_remove(connection->untold, overlapped);
        }
        pthread_mutex_unlock(&connection->lock);
}

static unsigned cancel(struct fm_w32_io *io, LPOVERLAPPED overlapped, bool own_only)
{
        struct fm_port_handle *connection = (struct fm_port_handle *)io;
        DWORD thread = GetCurrentThreadId();
        unsigned count = 0;
        GList *next;

        pthread_mutex_lock(&connection->lock);
        for (GList *l = connection->pending.head; l; l = next) {
                struct fm_receive *receive = l->data;

                next = l->next;
                if ((overlapped && receive->overlapped != overlapped) ||
                    (own_only && receive->thread != thread))
                        continue;
                complete_other_locked(connection, receive, STATUS_CANCELLED, 0);
                count++;
        }
        pthread_mutex_unlock(&connection->lock);
        return count;
}

static const struct fm_w32_io_ops io_ops = { .watched = watched, .pump = pump, .ask = ask, .cancel = cancel };

/*
 * A thread that sleeps in recv() keeps the socket open. Its doorbell may have gone to another process. In a forked
 * child the threads that are counted are the parent's. false: the manager rings for nobody, it must have been stopped.
 */
static bool await_awake_locked(struct fm_port_handle *connection)
{
        uint64_t deadline = fm_w32_now() + FM_CLIENT_PATIENCE_MS * 1000000ull;

        while (connection->sleepers > 0 && connection->made_by == fm_w32_generation()) {
                struct timespec until;

                if (fm_w32_remaining(deadline) == 0)
                        return false;
                clock_gettime(CLOCK_REALTIME, &until);
                until.tv_nsec += 100000000;
                until.tv_sec += until.tv_nsec / 1000000000;
                until.tv_nsec %= 1000000000;
                if (pthread_cond_timedwait(&connection->awake, &connection->lock, &until) == ETIMEDOUT)
                        fm_port_handle_poke(connection, FM_POKE_DOORBELL);
        }
        return true;
}

/*
 * The last handle of this process is gone. Other processes may have inherited the connection, so the socket
 * is not shut down: this process' descriptor of it is replaced by one of a socket that has ended. If no other process
 * has it, DisconnectNotify has run when this returns.
 */
static void connection_close(struct fm_w32_object *object)
{
        struct fm_port_handle *connection = (struct fm_port_handle *)object;
        struct fm_receive *receive;
        bool awake;
        int pair[2];

        fm_w32_io_unwatch(&connection->io);
        pthread_mutex_lock(&connection->lock);
        connection->disconnected = true;
        if (is_armed_locked(connection))
                fm_ring_disarm(&connection->ring);
        connection->armed = false;
        while ((receive = g_queue_peek_head(&connection->pending)))
                complete_other_locked(connection, receive, STATUS_PORT_DISCONNECTED, 0);
        for (guint i = 0; i < connection->channels->len; i++)
                close(g_array_index(connection->channels, int, i));
        g_array_set_size(connection->channels, 0);
        /* So does one that is in poll(), and that it looks again is all that can be done about it. */
        if (connection->level)
                fm_port_handle_poke(connection, FM_POKE_DOORBELL);
        awake = await_awake_locked(connection);
        pthread_mutex_unlock(&connection->lock);
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0) {
                dup3(pair[0], connection->io.fd, O_CLOEXEC);
                close(pair[0]);
                close(pair[1]);
        }
        if (awake)
                fm_port_handle_await_end(connection);
}

static void connection_destroy(struct fm_w32_object *object)
{
        struct fm_port_handle *connection = (struct fm_port_handle *)object;

        close(connection->io.fd);
        fm_ring_unmap(&connection->ring);
        g_array_unref(connection->channels);
        g_hash_table_unref(connection->untold);
        pthread_cond_destroy(&connection->awake);
        pthread_mutex_destroy(&connection->serial);
        pthread_mutex_destroy(&connection->lock);
        fm_w32_io_deinit(&connection->io);
        g_free(connection);
}

const struct fm_w32_type fm_port_handle_type = {
        .name = "FilterConnectionPort",
        .close = connection_close,
        .destroy = connection_destroy,
        .ready = fm_w32_io_ready,
};

struct fm_port_handle *fm_port_handle_new(int fd, const struct fm_ring *ring, const uint8_t *token,
                                          DWORD options)
{
        struct fm_port_handle *connection = g_new0(struct fm_port_handle, 1);

        fm_w32_io_init(&connection->io, &fm_port_handle_type, &io_ops, fd);
        connection->ring = *ring;
        memcpy(connection->token, token, FM_TOKEN_SIZE);
        connection->options = options;
        pthread_mutex_init(&connection->serial, NULL);
        pthread_mutex_init(&connection->lock, NULL);
        pthread_cond_init(&connection->awake, NULL);
        connection->made_by = fm_w32_generation();
        g_queue_init(&connection->pending);
        connection->untold = g_hash_table_new(NULL, NULL);
        connection->channels = g_array_new(FALSE, FALSE, sizeof(int));
        connection->channels_of = fm_w32_generation();
        return connection;
}
