/* SPDX-License-Identifier: MIT */
/*
 * One connection: a pool of workers on a completion port that receive messages, scan and answer.
 */
#pragma once

#include <windows.h>

#include <pthread.h>

#include "service.h"

/* What outlives a connection. */
struct fm_session_shared {
        const struct fm_service_options *options;
        pthread_mutex_t lock;
        struct fm_engines *engines; /* lock; replaced on reload */
        gint received;              /* messages, atomically */
};

/* Takes the reference to engines. */
void fm_session_shared_init(struct fm_session_shared *shared, const struct fm_service_options *options,
                            struct fm_engines *engines);
void fm_session_shared_deinit(struct fm_session_shared *shared);
void fm_session_shared_set_engines(struct fm_session_shared *shared, struct fm_engines *engines);

struct fm_session;

/* Takes port, closed also on failure. NULL: something that it needs can't be had. */
struct fm_session *fm_session_new(HANDLE port, struct fm_session_shared *shared);
/* Answers what was received, then ends the workers. */
void fm_session_free(struct fm_session *session);
/* Readable when the connection is over. */
int fm_session_get_ended_fd(struct fm_session *session);

/* Writes a line at once, so that lines of several threads do not mix. */
void fm_log_line(int fd, const char *line);
