/* SPDX-License-Identifier: MIT */
/*
 * The end of a request while somebody still works for it.
 *
 * Each request that a caller waits for has one fm_cancel. It says two things, each set once and never
 * taken back: "cancelled" (the caller got a signal and would rather stop: cancel routines run) and
 * "terminating" (the caller is being killed: every wait for him ends with
 * STATUS_THREAD_IS_TERMINATING). Waits register a watch whose wake function is called, without any
 * lock of the waiter held by us, when the caller is terminating.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>

struct fm_cancel_watch {
        void (*wake)(struct fm_cancel_watch *watch); /* must not block, must not unwatch */
        struct fm_cancel_watch *next, *prev;
};

struct fm_cancel {
        pthread_mutex_t lock; /* guards all below; leaf lock, wake functions run under it */
        bool cancelled;
        bool terminating;
        struct fm_cancel_watch *watches;
        void (*on_cancel)(struct fm_cancel *cancel); /* set by the dispatcher; called once, outside the lock */
};

void fm_cancel_init(struct fm_cancel *cancel);
void fm_cancel_deinit(struct fm_cancel *cancel);

bool fm_cancel_is_cancelled(struct fm_cancel *cancel);   /* NULL: false */
bool fm_cancel_is_terminating(struct fm_cancel *cancel); /* NULL: false */

/* Sets "cancelled"; terminating also wakes all watches. Idempotent, callable from any thread. */
void fm_cancel_signal(struct fm_cancel *cancel, bool terminating);

/* Returns false, and does not register, if the request is terminating already. cancel may be NULL (true). */
bool fm_cancel_watch(struct fm_cancel *cancel, struct fm_cancel_watch *watch);
/* After it returned, wake is not running and will not be called. */
void fm_cancel_unwatch(struct fm_cancel *cancel, struct fm_cancel_watch *watch);
