/* SPDX-License-Identifier: MIT */
/* Senders, slots, doorbells and receives of one connection; see connection.h. Given handles: given.c. */
#include "port/connection.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "nt/cancel.h"
#include "nt/log.h"
#include "nt/object.h"
#include "nt/process.h"
#include "port/given.h"
#include "port/packet.h"
#include "port/session.h"

#define TRIM_FROM (1024 * 1024) /* a message or reply larger than this gives its memory back */
#define HEADER_SIZE 16u /* FILTER_MESSAGE_HEADER */
#define RECEIVES_MAX 256        /* outstanding GETs of a client without a ring */

_Static_assert(FM_RING_SLOTS == 64, "slots are kept in 64-bit masks");

struct sender {
        struct fm_cancel_watch watch;
        struct fm_connection *connection;
        struct fm_slot slot;        /* once granted */
        bool granted;               /* connection lock */
        bool waits;                 /* connection lock; for a slot, or did */
        _Atomic uint32_t event;     /* futex: something happened while it queued */
        _Atomic bool terminating;
        _Atomic bool offered;       /* slot is valid for the watch */
};

struct receive {
        uint64_t tag;
        uint32_t size;
};

static pthread_mutex_t known_lock = PTHREAD_MUTEX_INITIALIZER;
static GQueue known = G_QUEUE_INIT; /* known_lock; borrowed: a connection leaves when it has ended */

struct fm_connection *fm_connection_ref(struct fm_connection *connection)
{
        atomic_fetch_add_explicit(&connection->refs, 1, memory_order_relaxed);
        return connection;
}

void fm_connection_unref(struct fm_connection *connection)
{
        if (!connection || atomic_fetch_sub_explicit(&connection->refs, 1, memory_order_acq_rel) != 1)
                return;
        fm_ring_unmap(&connection->ring);
        if (connection->memory >= 0)
                close(connection->memory);
        if (connection->fd >= 0)
                close(connection->fd);
        for (unsigned i = 0; i < connection->pending_count; i++)
                if (connection->pending[i].fd >= 0)
                        close(connection->pending[i].fd);
        g_queue_clear_full(&connection->receives, g_free);
        fm_object_unref(connection->process);
        pthread_mutex_destroy(&connection->lock);
        pthread_mutex_destroy(&connection->given_lock);
        pthread_mutex_destroy(&connection->plain_lock);
        g_free(connection);
}

int fm_connection_new(int socket, PEPROCESS process, bool plain, struct fm_connection **ret)
{
        struct fm_connection *connection = g_new0(struct fm_connection, 1);
        int r;

        atomic_init(&connection->refs, 1);
        connection->plain = plain;
        connection->process = fm_object_ref(process);
        connection->memory = -1;
        connection->next_ticket = 1;
        connection->free = UINT64_MAX;
        pthread_mutex_init(&connection->lock, NULL);
        pthread_mutex_init(&connection->given_lock, NULL);
        pthread_mutex_init(&connection->plain_lock, NULL);

        connection->fd = fcntl(socket, F_DUPFD_CLOEXEC, 3);
        r = connection->fd < 0 ? -errno
                               : fm_ring_create(&connection->ring, plain ? FM_INLINE_MAX : FM_RING_AREA,
                                                &connection->memory);
        if (r == 0 && getrandom(connection->token, sizeof(connection->token), 0) != sizeof(connection->token))
                r = -EIO;
        if (r < 0) {
                fm_connection_unref(connection);
                return r;
        }

        pthread_mutex_lock(&known_lock);
        g_queue_push_tail(&known, connection);
        pthread_mutex_unlock(&known_lock);
        *ret = connection;
        return 0;
}

struct fm_connection *fm_connection_find(const uint8_t token[FM_TOKEN_SIZE])
{
        struct fm_connection *found = NULL;

        pthread_mutex_lock(&known_lock);
        for (GList *l = known.head; l; l = l->next) {
                struct fm_connection *connection = l->data;
                unsigned different = 0;

                /* The same time for every wrong guess. */
                for (unsigned i = 0; i < FM_TOKEN_SIZE; i++)
                        different |= connection->token[i] ^ token[i];
                if (!different)
                        found = fm_connection_ref(connection);
        }
        pthread_mutex_unlock(&known_lock);
        return found;
}

GPtrArray *fm_connection_list(PEPROCESS process)
{
        GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)fm_connection_unref);

        pthread_mutex_lock(&known_lock);
        for (GList *l = known.head; l; l = l->next) {
                struct fm_connection *connection = l->data;

                if ((!process || connection->process == process) && !atomic_load(&connection->dead))
                        g_ptr_array_add(list, fm_connection_ref(connection));
        }
        pthread_mutex_unlock(&known_lock);
        return list;
}

static void futex_wake(_Atomic uint32_t *word)
{
        syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void sender_notify(struct sender *sender)
{
        atomic_fetch_add(&sender->event, 1);
        futex_wake(&sender->event);
}

/* Gives free slots to those who queue, oldest first. */
static void grant_locked(struct fm_connection *connection)
{
        struct sender *sender;

        for (uint64_t left = connection->quarantined; left; left &= left - 1) {
                unsigned index = __builtin_ctzll(left);

                if (fm_ring_is_released(&connection->ring, &connection->slots[index])) {
                        connection->quarantined &= ~(UINT64_C(1) << index);
                        connection->free |= UINT64_C(1) << index;
                }
        }
        while (connection->free && (sender = g_queue_pop_head(&connection->queue))) {
                unsigned index = __builtin_ctzll(connection->free);

                connection->free &= connection->free - 1;
                connection->in_use |= UINT64_C(1) << index;
                sender->slot.index = index;
                sender->slot.ticket = connection->next_ticket++;
                connection->slots[index] = sender->slot;
                sender->granted = true;
                if (sender->waits)
                        sender_notify(sender);
        }
}

static void slot_put(struct fm_connection *connection, unsigned index, enum fm_ring_result how)
{
        uint64_t bit = UINT64_C(1) << index;

        pthread_mutex_lock(&connection->lock);
        connection->in_use &= ~bit;
        if (how == FM_RING_QUARANTINED)
                connection->quarantined |= bit;
        else if (how != FM_RING_BROKEN)
                connection->free |= bit;
        if (connection->queue.head)
                grant_locked(connection);
        pthread_mutex_unlock(&connection->lock);
}

/* Runs under the cancel's lock: moves the word, or wakes the queuing sender, and does not block. */
static void sender_wake(struct fm_cancel_watch *watch)
{
        struct sender *sender = (struct sender *)((char *)watch - offsetof(struct sender, watch));

        atomic_store(&sender->terminating, true);
        sender_notify(sender);
        if (atomic_load(&sender->offered))
                fm_ring_withdraw(&sender->connection->ring, &sender->slot);
}

static void sleep_on(_Atomic uint32_t *word, uint32_t value, const struct fm_port_message *message,
                     bool *timed_out)
{
        int operation = FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG;

        if (message->clock == CLOCK_REALTIME)
                operation |= FUTEX_CLOCK_REALTIME;
        if (syscall(SYS_futex, word, operation, value, message->has_deadline ? &message->deadline : NULL,
                    NULL, FUTEX_BITSET_MATCH_ANY) < 0 &&
            errno == ETIMEDOUT)
                *timed_out = true;
}

/* Waits for a slot in the order of arrival. */
static NTSTATUS slot_get(struct fm_connection *connection, struct sender *sender,
                         const struct fm_port_message *message)
{
        NTSTATUS status = STATUS_SUCCESS;
        bool timed_out = false;

        pthread_mutex_lock(&connection->lock);
        if (atomic_load(&connection->dead)) {
                pthread_mutex_unlock(&connection->lock);
                return STATUS_PORT_DISCONNECTED;
        }
        g_queue_push_tail(&connection->queue, sender);
        grant_locked(connection);
        while (!sender->granted) {
                uint32_t event = atomic_load(&sender->event);

                if (atomic_load(&sender->terminating))
                        status = STATUS_THREAD_IS_TERMINATING;
                else if (atomic_load(&connection->dead))
                        status = STATUS_PORT_DISCONNECTED;
                else if (timed_out)
                        status = STATUS_TIMEOUT;
                if (status != STATUS_SUCCESS) {
                        g_queue_remove(&connection->queue, sender);
                        break;
                }
                sender->waits = true;
                pthread_mutex_unlock(&connection->lock);
                sleep_on(&sender->event, event, message, &timed_out);
                pthread_mutex_lock(&connection->lock);
        }
        pthread_mutex_unlock(&connection->lock);
        return status;
}

static void plain_pump(struct fm_connection *connection, const struct receive *newest);

/* Lets the agent know: a message is there, or descriptors for it. */
static void ring_doorbell(struct fm_connection *connection, bool wanted)
{
        static const struct fm_frame doorbell = { .type = FM_FRAME_DOORBELL };
        bool sent = atomic_load(&connection->has_pending) && fm_connection_flush(connection) > 0;

        if (connection->plain)
                plain_pump(connection, NULL);
        else if (wanted && !sent) /* descriptors come with a doorbell */
                /* No room: then unread doorbells are there, and nobody sleeps who would not look. */
                fm_packet_send(connection->fd, &doorbell, NULL, 0);
}

static NTSTATUS wait_for_end(struct fm_connection *connection, struct sender *sender,
                             struct fm_port_message *message)
{
        struct fm_ring *ring = &connection->ring;
        enum fm_ring_result result;
        bool timed_out = false;
        uint32_t length = 0;
        NTSTATUS status = STATUS_SUCCESS;

        while ((result = fm_ring_look(ring, &sender->slot)) == FM_RING_WAITING) {
                if (timed_out || atomic_load(&sender->terminating) || atomic_load(&connection->dead))
                        result = fm_ring_withdraw(ring, &sender->slot);
                if (result != FM_RING_WAITING)
                        break;
                timed_out = fm_ring_wait(ring, &sender->slot, message->clock,
                                         message->has_deadline ? &message->deadline : NULL) == -ETIMEDOUT;
        }

        if (result == FM_RING_DONE) {
                fm_ring_collect(ring, &sender->slot, message->reply, &length, &status);
                message->replied = MIN(length, sender->slot.reply_capacity);
                if (length > sender->slot.reply_capacity)
                        status = STATUS_BUFFER_OVERFLOW;
        } else if (result != FM_RING_BROKEN && atomic_load(&sender->terminating)) {
                status = STATUS_THREAD_IS_TERMINATING;
        } else if (result != FM_RING_BROKEN && atomic_load(&connection->dead)) {
                status = STATUS_PORT_DISCONNECTED;
        } else if (result != FM_RING_BROKEN && timed_out) {
                status = STATUS_TIMEOUT;
        } else {
                fm_log(FM_LOG_WARNING, "port",
                       "process %d broke the rules of the shared ring; its connection ends",
                       fm_process_id(connection->process));
                result = FM_RING_BROKEN;
                status = STATUS_PORT_DISCONNECTED;
        }
        if (result != FM_RING_BROKEN && result != FM_RING_QUARANTINED &&
            (message->length > TRIM_FROM || length > TRIM_FROM))
                fm_ring_trim(ring, connection->memory, sender->slot.index);
        slot_put(connection, sender->slot.index, result);
        if (result == FM_RING_BROKEN)
                fm_connection_kill(connection);
        return status;
}

NTSTATUS fm_connection_send(struct fm_connection *connection, struct fm_port_message *message)
{
        struct sender sender = {
                .watch.wake = sender_wake,
                .connection = connection,
                .slot.wants_reply = message->reply != NULL,
                .slot.reply_capacity = MIN(message->capacity, connection->ring.area),
        };
        NTSTATUS status;
        bool wanted;

        if (message->length > connection->ring.area)
                return STATUS_INSUFFICIENT_RESOURCES;
        if (!fm_cancel_watch(message->cancel, &sender.watch))
                return STATUS_THREAD_IS_TERMINATING;

        status = slot_get(connection, &sender, message);
        if (status == STATUS_SUCCESS) {
                wanted = fm_ring_offer(&connection->ring, &sender.slot, message->payload, message->length,
                                       atomic_load(&connection->announced));
                atomic_store(&sender.offered, true);
                ring_doorbell(connection, wanted);
                if (!wanted && !connection->plain)
                        fm_ring_linger(&connection->ring, &sender.slot);
                status = wait_for_end(connection, &sender, message);
        }
        fm_cancel_unwatch(message->cancel, &sender.watch);
        return status;
}

void fm_connection_kill(struct fm_connection *connection)
{
        pthread_mutex_lock(&connection->lock);
        if (atomic_exchange(&connection->dead, true)) {
                pthread_mutex_unlock(&connection->lock);
                return;
        }
        fm_ring_kill(&connection->ring);
        /* A sender that has its slot but did not offer yet sees `dead` right after it did. */
        for (uint64_t left = connection->in_use; left; left &= left - 1)
                fm_ring_withdraw(&connection->ring, &connection->slots[__builtin_ctzll(left)]);
        for (GList *l = connection->queue.head; l; l = l->next)
                sender_notify(l->data);
        /* Receivers read end of file. Our reading half stays: it says when the agent closes its handle. */
        if (atomic_load(&connection->answered))
                shutdown(connection->fd, SHUT_WR);
        pthread_mutex_unlock(&connection->lock);
}

bool fm_connection_has_left(struct fm_connection *connection)
{
        struct pollfd poll_fd = { .fd = connection->fd, .events = POLLRDHUP };

        return poll(&poll_fd, 1, 0) == 1;
}

void fm_connection_ended(struct fm_connection *connection)
{
        g_autoptr(GPtrArray) leavers = NULL;

        pthread_mutex_lock(&known_lock);
        g_queue_remove(&known, connection);
        pthread_mutex_unlock(&known_lock);
        pthread_mutex_lock(&connection->lock);
        connection->ended = true;
        leavers = g_steal_pointer(&connection->leavers);
        pthread_mutex_unlock(&connection->lock);
        for (guint i = 0; leavers && i < leavers->len; i++)
                fm_session_left(leavers->pdata[i]);
}

bool fm_connection_tell_end(struct fm_connection *connection, struct fm_session *session)
{
        bool ended;

        pthread_mutex_lock(&connection->lock);
        ended = connection->ended;
        if (!ended) {
                if (!connection->leavers)
                        connection->leavers =
                                g_ptr_array_new_with_free_func((GDestroyNotify)fm_session_unref);
                g_ptr_array_add(connection->leavers, fm_session_ref(session));
        }
        pthread_mutex_unlock(&connection->lock);
        return !ended;
}

void fm_connection_answered(struct fm_connection *connection)
{
        pthread_mutex_lock(&connection->lock);
        atomic_store(&connection->answered, true);
        if (atomic_load(&connection->dead))
                shutdown(connection->fd, SHUT_WR);
        pthread_mutex_unlock(&connection->lock);
        if (atomic_load(&connection->has_pending))
                fm_connection_flush(connection);
        if (connection->plain)
                plain_pump(connection, NULL);
}

void fm_connection_poke(struct fm_connection *connection, uint32_t flags)
{
        if (flags & FM_POKE_SLOTS) {
                pthread_mutex_lock(&connection->lock);
                grant_locked(connection);
                pthread_mutex_unlock(&connection->lock);
        }
        if (flags & FM_POKE_DOORBELL)
                ring_doorbell(connection, true);
}

static int plain_answer(struct fm_connection *connection, uint64_t tag, NTSTATUS status,
                        const struct fm_taken *taken, const void *payload)
{
        struct fm_frame frame = {
                .type = FM_FRAME_MESSAGE,
                .tag = tag,
                .message = {
                        .status = status,
                        .length = HEADER_SIZE + taken->length,
                        .reply_length = taken->reply_length,
                        .message_id = taken->message_id,
                        .payload = { .data = payload, .length = payload ? taken->length : 0 },
                },
        };

        return fm_packet_send(connection->fd, &frame, NULL, 0);
}

/* Whether the socket takes a frame now: POLLOUT; with POLLHUP it never does again. */
static short look_for_room(struct fm_connection *connection)
{
        struct pollfd poll_fd = { .fd = connection->fd, .events = POLLOUT };

        return poll(&poll_fd, 1, 0) == 1 ? poll_fd.revents : 0;
}

/*
 * Brings messages and receives together. newest: a receive that has just come; only such a one, or the oldest
 * one when a new message has come, ends as too small.
 */
static void plain_pump(struct fm_connection *connection, const struct receive *newest)
{
        g_autofree void *buffer = NULL;
        struct fm_taken taken;
        bool poke = false, failed = false;

        /* CONNECTED is the first frame, and handles that were given before it follow at once. */
        if (!atomic_load(&connection->answered))
                return;
        pthread_mutex_lock(&connection->plain_lock);
        while (connection->receives.head && !failed) {
                struct receive *chosen = NULL;
                uint32_t largest = 0;
                short room;
                int r;

                room = look_for_room(connection);
                if (room != POLLOUT) {
                        /* More was asked for than the socket holds: messages stay with their senders until it
                         * is read. */
                        failed = room || !fm_server_want_room(connection);
                        break;
                }
                for (GList *l = connection->receives.head; l; l = l->next)
                        largest = MAX(largest, ((struct receive *)l->data)->size);
                if (atomic_load(&connection->has_pending) && fm_connection_flush(connection) < 0) {
                        failed = true;
                        break;
                }
                r = fm_ring_take_begin(&connection->ring, largest - HEADER_SIZE, &taken);
                if (r == -EMSGSIZE) {
                        if (newest && g_queue_find(&connection->receives, newest))
                                chosen = (struct receive *)newest;
                        else if (taken.ticket > connection->complained)
                                chosen = connection->receives.head->data;
                        if (!chosen)
                                break;
                        connection->complained = taken.ticket;
                        failed = plain_answer(connection, chosen->tag, STATUS_BUFFER_TOO_SMALL, &taken,
                                              NULL) < 0;
                } else if (r == 0) {
                        for (GList *l = connection->receives.head; l && !chosen; l = l->next)
                                if (((struct receive *)l->data)->size >= HEADER_SIZE + taken.length)
                                        chosen = l->data;
                        buffer = g_realloc(buffer, FM_INLINE_MAX);
                        if (fm_ring_take_finish(&connection->ring, &taken, buffer, &poke) < 0)
                                continue;
                        failed = plain_answer(connection, chosen->tag, STATUS_SUCCESS, &taken, buffer) < 0;
                } else {
                        break;
                }
                g_queue_remove(&connection->receives, chosen);
                if (chosen == newest)
                        newest = NULL;
                g_free(chosen);
        }
        pthread_mutex_unlock(&connection->plain_lock);

        if (poke)
                fm_connection_poke(connection, FM_POKE_SLOTS);
        if (failed)
                fm_connection_kill(connection);
}

void fm_connection_plain_resume(struct fm_connection *connection)
{
        plain_pump(connection, NULL);
}

int fm_connection_plain_get(struct fm_connection *connection, uint64_t tag, uint32_t size)
{
        static const struct fm_taken nothing;
        struct receive *receive;

        if (size < HEADER_SIZE)
                return plain_answer(connection, tag, STATUS_INVALID_PARAMETER, &nothing, NULL);
        receive = g_new(struct receive, 1);
        *receive = (struct receive){ .tag = tag, .size = size };
        pthread_mutex_lock(&connection->plain_lock);
        if (connection->receives.length >= RECEIVES_MAX) {
                pthread_mutex_unlock(&connection->plain_lock);
                g_free(receive);
                return -EPIPE;
        }
        g_queue_push_tail(&connection->receives, receive);
        pthread_mutex_unlock(&connection->plain_lock);
        plain_pump(connection, receive);
        return 0;
}

NTSTATUS fm_connection_plain_reply(struct fm_connection *connection, uint64_t message_id, NTSTATUS status,
                                   struct fm_bytes payload)
{
        bool poke = false;
        int r = fm_ring_reply(&connection->ring, message_id, status, payload.data, payload.length, &poke);

        if (poke)
                fm_connection_poke(connection, FM_POKE_SLOTS);
        switch (r) {
        case 0:
                return STATUS_SUCCESS;
        case -EMSGSIZE:
                return STATUS_BUFFER_OVERFLOW;
        case -ENOENT:
                return STATUS_FLT_NO_WAITER_FOR_REPLY;
        default:
                return STATUS_PORT_DISCONNECTED;
        }
}
