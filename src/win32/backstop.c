/* SPDX-License-Identifier: MIT */
/* The thread of last resort: see backstop.h. */
#include "win32/backstop.h"

#include <glib.h>
#include <signal.h>
#include <time.h>

#define NAP_MIN_NS 1000000
#define NAP_MAX_NS (16 * NAP_MIN_NS)

static struct {
        pthread_mutex_t lock;
        struct fm_w32_poll_set set; /* exists with the thread */
} backstop = { .lock = PTHREAD_MUTEX_INITIALIZER, .set.epoll_fd = -1 };

/* The backstop's thread only: it has completed something since the nap. */
static bool was_needed;

static void look(struct fm_w32_object *owner, uint32_t events)
{
        struct fm_w32_io *io = (struct fm_w32_io *)owner;

        was_needed |= io->ops->pump(io, events);
}

static void *stand_by(void *unused)
{
        struct timespec nap = { .tv_nsec = NAP_MIN_NS };

        for (;;) {
                struct epoll_event events[16];
                int n = epoll_wait(backstop.set.epoll_fd, events, G_N_ELEMENTS(events), -1);

                if (n <= 0)
                        continue;
                nanosleep(&nap, NULL);
                was_needed = false;
                fm_w32_poll_set_handle(&backstop.set, events, n);
                nap.tv_nsec = was_needed ? NAP_MIN_NS : MIN(2 * nap.tv_nsec, NAP_MAX_NS);
        }
        return NULL;
}

static void before_fork(void)
{
        pthread_mutex_lock(&backstop.lock);
}

static void after_fork(void)
{
        pthread_mutex_unlock(&backstop.lock);
}

/* The thread is not in this process: the next operation starts another one. */
static void after_fork_in_child(void)
{
        fm_w32_poll_set_forget_locked(&backstop.set);
        after_fork();
}

static void register_fork_handlers(void)
{
        pthread_atfork(before_fork, after_fork, after_fork_in_child);
}

static bool start_locked(void)
{
        pthread_t thread;
        sigset_t all, old;
        int error;

        if (backstop.set.epoll_fd >= 0)
                return true;
        if (!fm_w32_poll_set_init(&backstop.set, &backstop.lock))
                return false;
        /* Signals are the program's threads' business. */
        sigfillset(&all);
        pthread_sigmask(SIG_BLOCK, &all, &old);
        error = pthread_create(&thread, NULL, stand_by, NULL);
        pthread_sigmask(SIG_SETMASK, &old, NULL);
        if (error) {
                fm_w32_poll_set_deinit(&backstop.set);
                return false;
        }
        pthread_setname_np(thread, "fltlib-backstop");
        pthread_detach(thread);
        return true;
}

void fm_w32_backstop_add(struct fm_w32_io *io)
{
        static pthread_once_t once = PTHREAD_ONCE_INIT;

        pthread_once(&once, register_fork_handlers);
        pthread_mutex_lock(&backstop.lock);
        if (!io->of_backstop.id && start_locked()) {
                io->of_backstop.owner = &io->object;
                io->of_backstop.on_event = look;
                fm_w32_poll_set_add_locked(&backstop.set, &io->of_backstop, io->fd);
        }
        pthread_mutex_unlock(&backstop.lock);
}

void fm_w32_backstop_remove(struct fm_w32_io *io)
{
        pthread_mutex_lock(&backstop.lock);
        fm_w32_poll_set_remove_locked(&backstop.set, &io->of_backstop, io->fd);
        pthread_mutex_unlock(&backstop.lock);
}
