/* SPDX-License-Identifier: MIT */
/*
 * One agent's connection to one port, on the server's side: its ring, those who send, and the handles it was
 * given.
 *
 * Locks: lock guards slots, queue, client and leavers; given_lock the descriptors that wait to be sent, and
 * the order of DOORBELL frames; plain_lock the receives of a client without a ring. Order: plain_lock,
 * given_lock; lock with none of them. None is held across a callback or a wait.
 */
#pragma once

#include <fltKernel.h>
#include <glib.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "fltmgr/port.h"
#include "wire/frame.h"
#include "wire/ring.h"

#define FM_GIVEN_PENDING_MAX 64      /* descriptors that wait for a doorbell */
#define FM_GIVEN_OUTSTANDING_MAX 4096 /* handles that the agent has not closed */

struct fm_given_pending {
        struct fm_given given;
        int fd; /* -1: none */
};

struct fm_connection {
        _Atomic uint32_t refs;
        bool plain;        /* no shared ring: never changes */
        int fd;            /* the port's socket, a duplicate: doorbells go here */
        int memory;        /* of the ring */
        PEPROCESS process; /* referenced */
        uint8_t token[FM_TOKEN_SIZE];
        struct fm_ring ring;

        _Atomic bool dead; /* killed */

        pthread_mutex_t lock;
        /* The peer has its CONNECTED: doorbells may follow, and an end of file means the end. Set under lock. */
        _Atomic bool answered;
        PFLT_PORT client;     /* lock; the transport's reference while it is connected */
        bool ended;           /* lock; the filter has heard of the end, or of nothing at all */
        GPtrArray *leavers;   /* lock; struct fm_session, each a reference: they asked for that; or NULL */
        uint64_t next_ticket; /* lock */
        uint64_t free;        /* lock; bit set: the slot may be used */
        uint64_t in_use;      /* lock; a sender has it */
        uint64_t quarantined; /* lock; withdrawn, an agent thread is still in it */
        struct fm_slot slots[FM_RING_SLOTS]; /* lock to change; its sender and withdrawers read */
        GQueue queue;         /* lock; struct sender, oldest first */

        pthread_mutex_t given_lock;
        struct fm_given_pending pending[FM_GIVEN_PENDING_MAX]; /* given_lock */
        unsigned pending_count;                                /* given_lock */
        _Atomic bool has_pending;
        _Atomic uint64_t announced; /* entries so far, also those that wait; written under given_lock */
        uint64_t handles;           /* given_lock; handles given so far */
        uint64_t revoked;           /* given_lock */

        pthread_mutex_t plain_lock;
        GQueue receives;    /* plain_lock; struct receive, oldest first */
        uint64_t complained; /* plain_lock; ticket of the message for which a receive ended as too small */
};

struct fm_session;

/*
 * A connection of the process over the socket (borrowed; duplicated). 0 or -errno. It can be found by its
 * process until it is killed, and by its token until fm_connection_ended().
 */
int fm_connection_new(int socket, PEPROCESS process, bool plain, struct fm_connection **ret);
struct fm_connection *fm_connection_ref(struct fm_connection *connection);
void fm_connection_unref(struct fm_connection *connection); /* NULL is allowed */

/* Referenced, or NULL. */
struct fm_connection *fm_connection_find(const uint8_t token[FM_TOKEN_SIZE]);

/* As fm_port_ops.send. */
NTSTATUS fm_connection_send(struct fm_connection *connection, struct fm_port_message *message);
/* No message any more in either direction: all senders end, the agent reads end of file. Idempotent. */
void fm_connection_kill(struct fm_connection *connection);
/* The agent holds no descriptor of the port's socket any more. */
bool fm_connection_has_left(struct fm_connection *connection);
/* DisconnectNotify has run, or is not owed: whoever waits for that is told. */
void fm_connection_ended(struct fm_connection *connection);
/* false: it has ended already. Otherwise the session (referenced) gets its answer to JOIN when it has. */
bool fm_connection_tell_end(struct fm_connection *connection, struct fm_session *session);
/* CONNECTED was sent: a kill that came before takes its full effect, handles that were given go out. */
void fm_connection_answered(struct fm_connection *connection);
/* The agent asks for something: FM_POKE_*. */
void fm_connection_poke(struct fm_connection *connection, uint32_t flags);
/*
 * Sends the descriptors that wait: how many DOORBELL frames that made, or -EAGAIN if some are left. None before
 * CONNECTED, which is the first frame of a connection.
 */
int fm_connection_flush(struct fm_connection *connection);

/* A client without a ring. -EPIPE: end its session. */
int fm_connection_plain_get(struct fm_connection *connection, uint64_t tag, uint32_t size);
NTSTATUS fm_connection_plain_reply(struct fm_connection *connection, uint64_t message_id, NTSTATUS status,
                                   struct fm_bytes payload);
/* Its socket takes frames again, or has ended. */
void fm_connection_plain_resume(struct fm_connection *connection);

/* Descriptors made while a call of the process runs on this thread: they go with its RETURN. */
struct fm_call_given {
        PEPROCESS process;
        struct fm_connection *connection;
        unsigned count;
        struct fm_given_pending entries[FM_FRAME_DESCRIPTORS_MAX];
};
/* NULL: no call runs on this thread any more. */
void fm_call_given_set(struct fm_call_given *call);

/* As fm_port_ops.has_client, .give and .revoke. */
bool fm_connection_exists(PEPROCESS process);
NTSTATUS fm_connection_give(PEPROCESS process, int fd, uint64_t size, HANDLE *ret);
NTSTATUS fm_connection_revoke(PEPROCESS process, HANDLE handle);

/* The same for all connections. false: some are left. */
bool fm_connection_flush_all(void);
/* server.c: calls it in a moment. */
void fm_server_flush_later(void);
/* server.c: calls fm_connection_plain_resume() when it may. false: that can't be promised. */
bool fm_server_want_room(struct fm_connection *connection);
