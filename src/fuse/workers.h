/* SPDX-License-Identifier: MIT */
/*
 * The threads that serve a session. Each receives a request and carries it to its end, however long that blocks; when
 * the last idle one takes a request, another is started, so there is always one that listens.
 */
#pragma once

#include <stdbool.h>

struct fm_session;
struct fm_workers;

/* ended: called once, on one of the threads, when the kernel has ended the session. */
int fm_workers_start(struct fm_session *session, void (*ended)(struct fm_session *session, void *data), void *data,
                     struct fm_workers **ret);
/* Threads that wait for a request return; those that carry one return after it. */
void fm_workers_stop(struct fm_workers *workers);
/* True when all have returned. timeout_ms: how long to wait for it. */
bool fm_workers_wait(struct fm_workers *workers, unsigned timeout_ms);
unsigned fm_workers_count(struct fm_workers *workers);
/* After all have returned. NULL is allowed. */
void fm_workers_free(struct fm_workers *workers);
