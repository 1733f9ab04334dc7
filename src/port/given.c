/* SPDX-License-Identifier: MIT */
/*
 * Handles given to agents. A descriptor that is given while a call of the agent runs goes with the RETURN of
 * that call; any other waits on each connection of the process for the next doorbell there, so that it is in
 * the socket before the message that mentions its handle can be taken (a message says how many entries went
 * before it).
 */
#include "port/given.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "port/packet.h"

_Static_assert(FM_PORT_GIVEN_FIRST == FM_GIVEN_HANDLE_FIRST && FM_PORT_GIVEN_LAST == FM_GIVEN_HANDLE_LAST,
               "the Filter Manager and the protocol mean the same handles");
_Static_assert(FM_PORT_NAME_MAX == FM_NAME_MAX, "every port can be named in a frame");

static __thread struct fm_call_given *current_call;

void fm_call_given_set(struct fm_call_given *call)
{
        current_call = call;
}

/* Where the values start differs from run to run: an agent may know two filter managers. */
static uint64_t handle_next(void)
{
        static _Atomic uint64_t count;
        static _Atomic uint64_t base;
        uint64_t span = (FM_GIVEN_HANDLE_LAST - FM_GIVEN_HANDLE_FIRST) / 4 + 1, start = atomic_load(&base);

        if (start == 0) {
                uint64_t chosen = (uint64_t)g_random_int() | 1;

                if (atomic_compare_exchange_strong(&base, &start, chosen))
                        start = chosen;
        }
        return FM_GIVEN_HANDLE_FIRST + (start + atomic_fetch_add(&count, 1)) % span * 4;
}

int fm_connection_flush(struct fm_connection *connection)
{
        struct fm_frame frame = { .type = FM_FRAME_DOORBELL };
        int fds[FM_FRAME_DESCRIPTORS_MAX];
        int frames = 0;

        if (!atomic_load(&connection->answered))
                return 0; /* whoever answers will come here */
        pthread_mutex_lock(&connection->given_lock);
        while (connection->pending_count) {
                unsigned count = MIN(connection->pending_count, FM_FRAME_DESCRIPTORS_MAX), fd_count = 0;
                int r;

                for (unsigned i = 0; i < count; i++) {
                        frame.doorbell.given[i] = connection->pending[i].given;
                        if (connection->pending[i].fd >= 0)
                                fds[fd_count++] = connection->pending[i].fd;
                }
                frame.doorbell.given_count = count;
                r = fm_packet_send(connection->fd, &frame, fds, fd_count);
                /* -EAGAIN, -ETOOMANYREFS: later. Otherwise the peer is gone, and nobody will miss them. */
                if (r == -EAGAIN || r == -ETOOMANYREFS || r == -ENOBUFS || r == -ENOMEM)
                        break;
                for (unsigned i = 0; i < fd_count; i++)
                        close(fds[i]);
                connection->pending_count -= count;
                memmove(connection->pending, connection->pending + count,
                        connection->pending_count * sizeof(connection->pending[0]));
                frames++;
        }
        if (connection->pending_count)
                frames = -EAGAIN;
        atomic_store(&connection->has_pending, connection->pending_count != 0);
        pthread_mutex_unlock(&connection->given_lock);
        /* A message may have been offered that says how many entries it needs. */
        if (frames < 0)
                fm_server_flush_later();
        return frames;
}

bool fm_connection_flush_all(void)
{
        g_autoptr(GPtrArray) list = fm_connection_list(NULL);
        bool done = true;

        for (unsigned i = 0; i < list->len; i++) {
                struct fm_connection *connection = list->pdata[i];

                if (atomic_load(&connection->has_pending) && fm_connection_flush(connection) < 0)
                        done = false;
        }
        return done;
}

/* How many of its handles the agent has not closed yet. What it says in the ring is believed only to its own
 * harm. */
static uint64_t outstanding_locked(struct fm_connection *connection)
{
        uint64_t closed = connection->revoked +
                          atomic_load_explicit(&connection->ring.header->closed, memory_order_relaxed);

        return closed < connection->handles ? connection->handles - closed : 0;
}

/* given_lock held. Takes fd over if it succeeds. */
static bool pending_add_locked(struct fm_connection *connection, const struct fm_given *given, int fd)
{
        if (connection->pending_count == FM_GIVEN_PENDING_MAX)
                return false;
        connection->pending[connection->pending_count++] =
                (struct fm_given_pending){.given = *given, .fd = fd};
        atomic_store(&connection->has_pending, true);
        atomic_fetch_add(&connection->announced, 1);
        return true;
}

static NTSTATUS pending_add(struct fm_connection *connection, const struct fm_given *given, int fd)
{
        NTSTATUS status = STATUS_INSUFFICIENT_RESOURCES;
        bool full;
        int copy;

        copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (copy < 0)
                return STATUS_INSUFFICIENT_RESOURCES;
        pthread_mutex_lock(&connection->given_lock);
        full = connection->pending_count == FM_GIVEN_PENDING_MAX;
        pthread_mutex_unlock(&connection->given_lock);
        if (full)
                fm_connection_flush(connection);

        pthread_mutex_lock(&connection->given_lock);
        if ((connection->plain || outstanding_locked(connection) < FM_GIVEN_OUTSTANDING_MAX) &&
            pending_add_locked(connection, given, copy)) {
                connection->handles++;
                status = STATUS_SUCCESS;
        }
        pthread_mutex_unlock(&connection->given_lock);
        if (!NT_SUCCESS(status))
                close(copy);
        return status;
}

static NTSTATUS call_add(struct fm_call_given *call, const struct fm_given *given, int fd)
{
        int copy;

        if (call->count == FM_FRAME_DESCRIPTORS_MAX)
                return STATUS_INSUFFICIENT_RESOURCES;
        copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (copy < 0)
                return STATUS_INSUFFICIENT_RESOURCES;
        call->entries[call->count++] = (struct fm_given_pending){ .given = *given, .fd = copy };
        pthread_mutex_lock(&call->connection->given_lock);
        call->connection->handles++;
        pthread_mutex_unlock(&call->connection->given_lock);
        return STATUS_SUCCESS;
}

bool fm_connection_exists(PEPROCESS process)
{
        g_autoptr(GPtrArray) list = fm_connection_list(process);

        return list->len != 0;
}

NTSTATUS fm_connection_give(PEPROCESS process, int fd, uint64_t size, HANDLE *ret)
{
        struct fm_given given = { .kind = FM_GIVEN_SECTION, .handle = handle_next(), .size = size };
        g_autoptr(GPtrArray) list = NULL;
        NTSTATUS status = STATUS_NOT_FOUND;

        *ret = NULL;
        if (current_call && current_call->process == process) {
                status = call_add(current_call, &given, fd);
        } else {
                list = fm_connection_list(process);
                for (unsigned i = 0; i < list->len && (i == 0 || NT_SUCCESS(status)); i++)
                        status = pending_add(list->pdata[i], &given, fd);
        }
        if (NT_SUCCESS(status))
                *ret = (HANDLE)(ULONG_PTR)given.handle;
        return status;
}

/* Still here: it becomes a mere mark, because entries are counted. */
static bool pending_revoke_locked(struct fm_given_pending *entries, unsigned count, uint64_t handle)
{
        for (unsigned i = 0; i < count; i++) {
                if (entries[i].given.handle != handle || entries[i].given.kind != FM_GIVEN_SECTION)
                        continue;
                close(entries[i].fd);
                entries[i].fd = -1;
                entries[i].given.kind = FM_GIVEN_REVOKED;
                return true;
        }
        return false;
}

NTSTATUS fm_connection_revoke(PEPROCESS process, HANDLE handle)
{
        struct fm_given given = { .kind = FM_GIVEN_REVOKED, .handle = (ULONG_PTR)handle };
        g_autoptr(GPtrArray) list = NULL;

        if (!fm_port_is_given_handle(handle) || given.handle % 4)
                return STATUS_INVALID_HANDLE;
        if (current_call && current_call->process == process &&
            pending_revoke_locked(current_call->entries, current_call->count, given.handle)) {
                pthread_mutex_lock(&current_call->connection->given_lock);
                current_call->connection->revoked++;
                pthread_mutex_unlock(&current_call->connection->given_lock);
                return STATUS_SUCCESS;
        }

        list = fm_connection_list(process);
        for (unsigned i = 0; i < list->len; i++) {
                struct fm_connection *connection = list->pdata[i];
                bool full;

                pthread_mutex_lock(&connection->given_lock);
                connection->revoked++;
                full = !pending_revoke_locked(connection->pending, connection->pending_count, given.handle) &&
                       !pending_add_locked(connection, &given, -1);
                pthread_mutex_unlock(&connection->given_lock);
                /* The agent reads nothing: it keeps a handle that it could have closed. */
                if (full && fm_connection_flush(connection) >= 0) {
                        pthread_mutex_lock(&connection->given_lock);
                        pending_add_locked(connection, &given, -1);
                        pthread_mutex_unlock(&connection->given_lock);
                }
        }
        /* With the next message, or soon: it keeps a file open there. */
        if (list->len)
                fm_server_flush_later();
        return list->len ? STATUS_SUCCESS : STATUS_INVALID_HANDLE;
}
