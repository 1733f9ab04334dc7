/* SPDX-License-Identifier: MIT */
/* Threads as objects. A thread that we did not create gets its object when it first asks for it. */
#pragma once

#include "win32/object.h"

/* Borrowed, for as long as the calling thread lives. Aborts when memory is exhausted. */
struct fm_w32_object *fm_w32_thread_self(void);

struct fm_w32_mutex;
/* The mutexes that a thread owns are abandoned when it ends. Under the wait lock. */
void fm_w32_mutex_abandon_all(pthread_t thread);
