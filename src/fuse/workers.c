/* SPDX-License-Identifier: MIT */
/*
 * See workers.h. A thread that ends moves itself from `threads` to `finished`; the next to be started, or the end,
 * joins it: what libfuse keeps for a thread must be gone before the session is.
 */
#include "fuse/workers.h"

#include <errno.h>
#include <glib.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "fuse/backing.h"
#include "fuse/credentials.h"
#include "fuse/handshake.h"
#include "fuse/session.h"
#include "nt/log.h"

enum {
        MAX_THREADS = 16384,
        MAX_IDLE = 16,
        STACK_SIZE = 1024 * 1024, /* far more than a filter has in a kernel */
};

struct fm_workers {
        struct fm_session *session;
        void (*ended)(struct fm_session *session, void *data);
        void *data;
        _Atomic int idle;
        _Atomic bool stop;
        _Atomic bool told;
        pthread_mutex_t lock; /* guards the rest */
        pthread_cond_t changed;
        GPtrArray *threads; /* struct worker */
        GPtrArray *finished;
        bool warned;
};

struct worker {
        struct fm_workers *workers;
        pthread_t thread;
        _Atomic bool receiving;
};

static int start_one(struct fm_workers *workers);

static void leave(struct worker *worker)
{
        struct fm_workers *workers = worker->workers;

        pthread_mutex_lock(&workers->lock);
        g_ptr_array_remove_fast(workers->threads, worker);
        g_ptr_array_add(workers->finished, worker);
        pthread_cond_broadcast(&workers->changed);
        pthread_mutex_unlock(&workers->lock);
}

static void join_finished(struct fm_workers *workers)
{
        g_autoptr(GPtrArray) finished = NULL;
        guint i;

        pthread_mutex_lock(&workers->lock);
        if (workers->finished->len > 0) {
                finished = workers->finished;
                workers->finished = g_ptr_array_new();
        }
        pthread_mutex_unlock(&workers->lock);
        for (i = 0; finished && i < finished->len; i++) {
                struct worker *worker = finished->pdata[i];

                pthread_join(worker->thread, NULL);
                g_free(worker);
        }
}

/* True if the request is one that never blocks, and comes in crowds. */
static bool is_forget(const struct fuse_buf *buf)
{
        const struct fuse_in_header *header = buf->mem;

        return !(buf->flags & FUSE_BUF_IS_FD) && buf->size >= sizeof(*header) &&
               (header->opcode == FUSE_FORGET || header->opcode == FUSE_BATCH_FORGET);
}

static void *worker_run(void *data)
{
        struct worker *worker = data;
        struct fm_workers *workers = worker->workers;
        struct fuse_session *fuse = workers->session->fuse;
        struct fuse_buf buf = {0};

        fm_credentials_enter_thread();
        while (!atomic_load(&workers->stop) && !fuse_session_exited(fuse)) {
                bool forget;
                int r;

                atomic_store(&worker->receiving, true);
                r = atomic_load(&workers->stop) ? 0 : fuse_session_receive_buf(fuse, &buf);
                atomic_store(&worker->receiving, false);
                if (r == -EINTR || r == -EAGAIN)
                        continue;
                if (r <= 0)
                        break;

                forget = is_forget(&buf);
                if (!forget && atomic_fetch_sub(&workers->idle, 1) == 1)
                        start_one(workers);
                fm_handshake_request(workers->session, &buf);
                fuse_session_process_buf(fuse, &buf);
                if (!forget && atomic_fetch_add(&workers->idle, 1) >= MAX_IDLE) {
                        atomic_fetch_sub(&workers->idle, 1);
                        free(buf.mem);
                        leave(worker);
                        return NULL;
                }
        }
        free(buf.mem);
        if (!atomic_load(&workers->stop) && !atomic_exchange(&workers->told, true) && workers->ended)
                workers->ended(workers->session, workers->data);
        leave(worker);
        return NULL;
}

static int start_one(struct fm_workers *workers)
{
        struct worker *worker = g_new0(struct worker, 1);
        sigset_t all, old;
        pthread_attr_t attr;
        int r;

        join_finished(workers);
        worker->workers = workers;
        pthread_attr_init(&attr);
        pthread_attr_setstacksize(&attr, STACK_SIZE);
        /* Signals to the process are the main thread's. */
        sigfillset(&all);
        sigdelset(&all, fm_backing_wake_signal());
        sigdelset(&all, SIGSEGV);
        sigdelset(&all, SIGBUS);
        sigdelset(&all, SIGFPE);
        sigdelset(&all, SIGILL);

        pthread_mutex_lock(&workers->lock);
        if (atomic_load(&workers->stop)) {
                r = ECANCELED;
        } else if (workers->threads->len >= MAX_THREADS) {
                r = EAGAIN;
        } else {
                /* Counted before it runs: it may take a request, and be the last idle one, at once. */
                atomic_fetch_add(&workers->idle, 1);
                pthread_sigmask(SIG_SETMASK, &all, &old);
                r = pthread_create(&worker->thread, &attr, worker_run, worker);
                pthread_sigmask(SIG_SETMASK, &old, NULL);
                if (r != 0)
                        atomic_fetch_sub(&workers->idle, 1);
        }
        if (r == 0) {
                g_ptr_array_add(workers->threads, worker);
        } else if (r != ECANCELED && !workers->warned) {
                workers->warned = true;
                fm_log(FM_LOG_WARNING, "fuse",
                       "%u threads are busy and no more can be started: %s. "
                       "Requests wait until one is free",
                       workers->threads->len, g_strerror(r));
        }
        pthread_mutex_unlock(&workers->lock);
        pthread_attr_destroy(&attr);
        if (r != 0)
                g_free(worker);
        return -r;
}

int fm_workers_start(struct fm_session *session, void (*ended)(struct fm_session *session, void *data), void *data,
                     struct fm_workers **ret)
{
        struct fm_workers *workers = g_new0(struct fm_workers, 1);
        pthread_condattr_t attr;
        int r;

        workers->session = session;
        workers->ended = ended;
        workers->data = data;
        pthread_mutex_init(&workers->lock, NULL);
        pthread_condattr_init(&attr);
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        pthread_cond_init(&workers->changed, &attr);
        pthread_condattr_destroy(&attr);
        workers->threads = g_ptr_array_new();
        workers->finished = g_ptr_array_new();
        r = start_one(workers);
        if (r < 0) {
                fm_workers_free(workers);
                return r;
        }
        *ret = workers;
        return 0;
}

static void kick_locked(struct fm_workers *workers)
{
        guint i;

        for (i = 0; i < workers->threads->len; i++) {
                struct worker *worker = workers->threads->pdata[i];

                if (atomic_load(&worker->receiving))
                        pthread_kill(worker->thread, fm_backing_wake_signal());
        }
}

void fm_workers_stop(struct fm_workers *workers)
{
        atomic_store(&workers->stop, true);
        pthread_mutex_lock(&workers->lock);
        kick_locked(workers);
        pthread_mutex_unlock(&workers->lock);
}

bool fm_workers_wait(struct fm_workers *workers, unsigned timeout_ms)
{
        gint64 end = g_get_monotonic_time() + timeout_ms * INT64_C(1000);
        bool gone;

        pthread_mutex_lock(&workers->lock);
        while (workers->threads->len > 0 && g_get_monotonic_time() < end) {
                gint64 step = g_get_monotonic_time() + 10 * 1000;
                struct timespec until = {.tv_sec = step / 1000000, .tv_nsec = step % 1000000 * 1000};

                /* A signal may have come just before the system call that it was to end. */
                kick_locked(workers);
                pthread_cond_timedwait(&workers->changed, &workers->lock, &until);
        }
        gone = workers->threads->len == 0;
        pthread_mutex_unlock(&workers->lock);
        return gone;
}

unsigned fm_workers_count(struct fm_workers *workers)
{
        unsigned count;

        pthread_mutex_lock(&workers->lock);
        count = workers->threads->len;
        pthread_mutex_unlock(&workers->lock);
        return count;
}

void fm_workers_free(struct fm_workers *workers)
{
        if (!workers)
                return;
        join_finished(workers);
        g_ptr_array_free(workers->threads, true);
        g_ptr_array_free(workers->finished, true);
        pthread_cond_destroy(&workers->changed);
        pthread_mutex_destroy(&workers->lock);
        g_free(workers);
}
