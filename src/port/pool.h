/* SPDX-License-Identifier: MIT */
/*
 * Workers: as many threads as there is work at once, up to a limit; beyond it work waits in the order it
 * came. A thread with nothing to do for a while ends.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>

struct fm_work {
        void (*run)(struct fm_work *work); /* frees it */
        struct fm_work *next;
};

struct fm_pool {
        pthread_mutex_t lock; /* guards all below */
        pthread_cond_t work;
        pthread_cond_t ended;
        struct fm_work *first, **last;
        unsigned queued, threads, idle, max;
        bool stopping;
};

void fm_pool_init(struct fm_pool *pool, unsigned max_threads);
/* Never blocks. */
void fm_pool_push(struct fm_pool *pool, struct fm_work *work);
/* Does what is queued, waits for it, and ends the threads. Nothing may be pushed meanwhile. */
void fm_pool_deinit(struct fm_pool *pool);
