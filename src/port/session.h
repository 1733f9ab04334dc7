/* SPDX-License-Identifier: MIT */
/*
 * One socket of a client: who is behind it, what it is for, and what it has in progress.
 *
 * The server's I/O thread reads frames and does what can't block; the rest becomes a job on a worker, which
 * holds a reference. The descriptor is closed with the last reference.
 */
#pragma once

#include <fltKernel.h>
#include <glib.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "nt/security.h"
#include "port/connection.h"

#define FM_SESSIONS_MAX 4096           /* in all */
#define FM_SESSIONS_PER_USER_MAX 1024
#define FM_SESSION_JOBS_MAX 16         /* frames of one session that are being worked on */
#define FM_USER_BYTES_MAX (64u * 1024 * 1024) /* call buffers of one user, beyond inline ones */

/* What one user has here. */
struct fm_port_user {
        uid_t uid;
        _Atomic unsigned sessions; /* also its lifetime: changed under the server's lock only */
        _Atomic uint64_t bytes;
};

enum fm_session_kind {
        FM_SESSION_NEW,     /* before HELLO */
        FM_SESSION_GREETED,
        FM_SESSION_PORT,
        FM_SESSION_CHANNEL,
        FM_SESSION_MANAGER,
        FM_SESSION_LEAVER, /* waits for the answer to its JOIN */
};

struct fm_session {
        _Atomic uint32_t refs;
        int fd;
        struct fm_port_user *user;
        PETHREAD thread; /* referenced; of the peer */
        struct fm_credentials credentials;
        gid_t *groups;

        enum fm_session_kind kind; /* I/O thread */
        uint64_t join_tag;         /* I/O thread, before it is a leaver */

        pthread_mutex_t lock;
        struct fm_connection *connection; /* lock to set, once; reference */
        unsigned jobs;                    /* lock */
        bool paused;                      /* lock; too many jobs: not read from */
        bool gone;                        /* lock; the I/O thread has given it up */
};

/* Takes fd over (also on failure). NULL: the peer can't be identified, or there are too many. */
struct fm_session *fm_session_new(int fd);
struct fm_session *fm_session_ref(struct fm_session *session);
void fm_session_unref(struct fm_session *session);

/* Reads and handles one frame. false: the session is over. I/O thread. */
bool fm_session_receive(struct fm_session *session);
/* The peer has gone, or is thrown out: its connection ends. Once; I/O thread. */
void fm_session_end(struct fm_session *session);

/* The connection that a leaver asks for has ended: its JOIN is answered. */
void fm_session_left(struct fm_session *session);

/* session.c asks the server to read from the session again, or not to. */
void fm_server_want_input(struct fm_session *session, bool wanted);
/* The user's account, with one session more; NULL: too many. _put() takes the session off again. */
struct fm_port_user *fm_server_user_get(uid_t uid);
void fm_server_user_put(struct fm_port_user *user);
/* A client was accepted by a port. */
void fm_server_client_connected(void);

void fm_session_pools_start(void);
/* Waits for all jobs. */
void fm_session_pools_stop(void);

/* manage.c */
void fm_manage(const struct fm_session *session, const struct fm_frame *request, struct fm_frame *answer,
               uint8_t *entries);
/* The same for VOLUME. */
void fm_manage_volume(const struct fm_session *session, const struct fm_frame *request, struct fm_frame *answer,
                      uint8_t *entries);
