/* SPDX-License-Identifier: MIT */
/* Workers; see pool.h. */
#include "port/pool.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "nt/log.h"

#define IDLE_SECONDS 10

/* Waits for work; NULL: this thread is not needed any more. */
static struct fm_work *work_get_locked(struct fm_pool *pool)
{
        struct timespec until;
        struct fm_work *work;
        int r = 0;

        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += IDLE_SECONDS;
        pool->idle++;
        while (!pool->first && !pool->stopping && r != ETIMEDOUT)
                r = pthread_cond_timedwait(&pool->work, &pool->lock, &until);
        pool->idle--;
        work = pool->first;
        if (work) {
                pool->first = work->next;
                if (!pool->first)
                        pool->last = &pool->first;
                pool->queued--;
        }
        return work;
}

static void *worker(void *data)
{
        struct fm_pool *pool = data;
        struct fm_work *work;

        pthread_mutex_lock(&pool->lock);
        while ((work = work_get_locked(pool))) {
                pthread_mutex_unlock(&pool->lock);
                work->run(work);
                pthread_mutex_lock(&pool->lock);
        }
        pool->threads--;
        pthread_cond_signal(&pool->ended);
        pthread_mutex_unlock(&pool->lock);
        return NULL;
}

void fm_pool_init(struct fm_pool *pool, unsigned max_threads)
{
        pthread_condattr_t attributes;

        *pool = (struct fm_pool){ .max = max_threads };
        pool->last = &pool->first;
        pthread_mutex_init(&pool->lock, NULL);
        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&pool->work, &attributes);
        pthread_cond_init(&pool->ended, &attributes);
        pthread_condattr_destroy(&attributes);
}

static void thread_add_locked(struct fm_pool *pool)
{
        pthread_attr_t attributes;
        pthread_t thread;
        int r;

        pthread_attr_init(&attributes);
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        r = pthread_create(&thread, &attributes, worker, pool);
        pthread_attr_destroy(&attributes);
        if (r == 0)
                pool->threads++;
        else
                fm_log(FM_LOG_ERROR, "port",
                       "can't start a worker thread: %s; requests wait for the %u that run", strerror(r),
                       pool->threads);
}

void fm_pool_push(struct fm_pool *pool, struct fm_work *work)
{
        work->next = NULL;
        pthread_mutex_lock(&pool->lock);
        *pool->last = work;
        pool->last = &work->next;
        pool->queued++;
        if (pool->idle >= pool->queued)
                pthread_cond_signal(&pool->work);
        else if (pool->threads < pool->max)
                thread_add_locked(pool);
        pthread_mutex_unlock(&pool->lock);
}

void fm_pool_deinit(struct fm_pool *pool)
{
        pthread_mutex_lock(&pool->lock);
        pool->stopping = true;
        pthread_cond_broadcast(&pool->work);
        while (pool->threads > 0)
                pthread_cond_wait(&pool->ended, &pool->lock);
        pthread_mutex_unlock(&pool->lock);
        pthread_cond_destroy(&pool->work);
        pthread_cond_destroy(&pool->ended);
        pthread_mutex_destroy(&pool->lock);
}
