/* SPDX-License-Identifier: MIT */
/* Threads as objects. A thread that we did not create gets its object when it first asks for it. */
#pragma once

#include "win32/object.h"

/* Borrowed, for as long as the calling thread lives. Aborts when memory is exhausted. */
struct fm_w32_object *fm_w32_thread_self(void);

struct fm_w32_mutex;
/* The mutexes that a thread owns are abandoned when it ends. Under the wait lock. */
void fm_w32_mutex_abandon_all(pthread_t thread);

/* APCs of a thread, which runs them itself. Has it any: under the wait lock. */
bool fm_w32_thread_has_apcs_locked(struct fm_w32_object *thread);
/* Runs those of the calling thread; false: there were none. No lock is held. */
bool fm_w32_thread_run_apcs(void);
/* A descriptor that is readable while the calling thread has APCs; belongs to the thread. -1: none to be had. */
int fm_w32_thread_alert_fd(void);
