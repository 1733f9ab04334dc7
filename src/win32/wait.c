/* SPDX-License-Identifier: MIT */
/* Waits for objects, and the pump that those who wait drive: see the head of wait.h. */
#include "win32/wait.h"

#include "win32/futex.h"
#include "win32/thread.h"

#include <glib.h>
#include <sched.h>
#include <time.h>

struct fm_w32_wait_block {
        struct wait *wait;
        struct fm_w32_object *object;
        struct fm_w32_wait_block *next, *prev; /* of the object's other waiters */
};

struct wait {
        _Atomic uint32_t word; /* futex: 1 when there is something to look at */
        pthread_t thread;
        struct fm_w32_object **objects;
        struct fm_w32_wait_block *blocks;
        unsigned count;
        bool all;
        bool done;
        DWORD result;
        struct fm_w32_object *alertable; /* the thread, if its APCs end the wait */
        struct wait *next, *prev; /* of all waits that sleep */
};

static pthread_mutex_t wait_mutex = PTHREAD_MUTEX_INITIALIZER;

/* Guarded by the wait lock. */
static struct wait *all_waits;
static struct wait *pumper;
static struct fm_w32_poll_set pump = { .epoll_fd = -1, .wake_fd = -1 };

uint64_t fm_w32_now(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t fm_w32_deadline(DWORD milliseconds)
{
        if (milliseconds == INFINITE)
                return FM_W32_FOREVER;
        return fm_w32_now() + (uint64_t)milliseconds * 1000000u;
}

int fm_w32_remaining(uint64_t deadline)
{
        uint64_t now, ms;

        if (deadline == FM_W32_FOREVER)
                return -1;
        now = fm_w32_now();
        if (now >= deadline)
                return 0;
        ms = (deadline - now + 999999u) / 1000000u;
        return ms > G_MAXINT ? G_MAXINT : (int)ms;
}

static void after_fork_in_child(void)
{
        /* The threads that slept here are not in this process. */
        all_waits = NULL;
        pumper = NULL;
        /* Events of a shared epoll set would be lost to one side. */
        fm_w32_poll_set_forget_locked(&pump);
        pthread_mutex_unlock(&wait_mutex);
}

static void register_fork_handlers(void)
{
        pthread_atfork(fm_w32_wait_lock, fm_w32_wait_unlock, after_fork_in_child);
}

void fm_w32_wait_lock(void)
{
        static pthread_once_t once = PTHREAD_ONCE_INIT;

        pthread_once(&once, register_fork_handlers);
        pthread_mutex_lock(&wait_mutex);
}

void fm_w32_wait_unlock(void)
{
        pthread_mutex_unlock(&wait_mutex);
}

static void wake_locked(struct wait *wait)
{
        if (wait == pumper) {
                fm_w32_poll_set_wake(&pump);
        } else {
                atomic_store_explicit(&wait->word, 1, memory_order_release);
                fm_futex_wake(&wait->word, 1);
        }
}

static bool is_ready(struct wait *wait, unsigned i)
{
        return wait->objects[i]->type->ready(wait->objects[i], wait->thread);
}

static bool take(struct wait *wait, unsigned i)
{
        return wait->objects[i]->type->acquire &&
               wait->objects[i]->type->acquire(wait->objects[i], wait->thread);
}

static bool satisfy_locked(struct wait *wait)
{
        if (wait->all) {
                bool abandoned = false;

                for (unsigned i = 0; i < wait->count; i++)
                        if (!is_ready(wait, i))
                                return false;
                for (unsigned i = 0; i < wait->count; i++)
                        abandoned |= take(wait, i);
                wait->result = abandoned ? WAIT_ABANDONED_0 : WAIT_OBJECT_0;
                wait->done = true;
                return true;
        }
        for (unsigned i = 0; i < wait->count; i++) {
                if (!is_ready(wait, i))
                        continue;
                wait->result = (take(wait, i) ? WAIT_ABANDONED_0 : WAIT_OBJECT_0) + i;
                wait->done = true;
                return true;
        }
        return false;
}

static void enqueue_locked(struct wait *wait)
{
        for (unsigned i = 0; i < wait->count; i++) {
                struct fm_w32_wait_block *block = &wait->blocks[i];
                struct fm_w32_wait_block *head = wait->objects[i]->waiters;

                block->wait = wait;
                block->object = wait->objects[i];
                block->next = NULL;
                if (head) {
                        block->prev = head->prev; /* the head's prev is the tail */
                        head->prev->next = block;
                        head->prev = block;
                } else {
                        block->prev = block;
                        block->object->waiters = block;
                }
        }
        wait->prev = NULL;
        wait->next = all_waits;
        if (all_waits)
                all_waits->prev = wait;
        all_waits = wait;
}

static void dequeue_locked(struct wait *wait)
{
        for (unsigned i = 0; i < wait->count; i++) {
                struct fm_w32_wait_block *block = &wait->blocks[i];
                struct fm_w32_wait_block **head = &block->object->waiters;

                if (*head == block) {
                        *head = block->next;
                        if (block->next)
                                block->next->prev = block->prev;
                } else {
                        block->prev->next = block->next;
                        if (block->next)
                                block->next->prev = block->prev;
                        else
                                (*head)->prev = block->prev;
                }
        }
        if (wait->prev)
                wait->prev->next = wait->next;
        else
                all_waits = wait->next;
        if (wait->next)
                wait->next->prev = wait->prev;
}

void fm_w32_wait_wake_locked(struct fm_w32_object *object)
{
        struct fm_w32_wait_block *next;

        for (struct fm_w32_wait_block *block = object->waiters; block; block = next) {
                next = block->next;
                /* A satisfied wait leaves the lists when its thread runs; until then it is skipped. */
                if (!block->wait->done && satisfy_locked(block->wait))
                        wake_locked(block->wait);
        }
}

void fm_w32_wait_alert_locked(struct fm_w32_object *thread)
{
        for (struct wait *wait = all_waits; wait; wait = wait->next) {
                if (wait->alertable != thread || wait->done)
                        continue;
                wait->result = WAIT_IO_COMPLETION;
                wait->done = true;
                wake_locked(wait);
        }
}

static bool pump_is_needed_locked(void)
{
        return pump.sources && g_hash_table_size(pump.sources) > 0;
}

void fm_w32_pump_poll(void)
{
        struct epoll_event events[16];
        bool needed;
        int n;

        fm_w32_wait_lock();
        needed = pump_is_needed_locked();
        fm_w32_wait_unlock();
        if (!needed)
                return;
        n = epoll_wait(pump.epoll_fd, events, G_N_ELEMENTS(events), 0);
        if (!fm_w32_poll_set_handle(&pump, events, n))
                return;
        /* That wake-up was for the pumper: give it back. */
        fm_w32_wait_lock();
        if (pumper)
                wake_locked(pumper);
        fm_w32_wait_unlock();
}

bool fm_w32_pump_add(struct fm_w32_poll_source *source, int fd)
{
        bool added = false, new;

        fm_w32_wait_lock();
        new = source->id == 0;
        if (pump.epoll_fd >= 0 || fm_w32_poll_set_init(&pump, &wait_mutex))
                added = fm_w32_poll_set_add_locked(&pump, source, fd);
        /* Those who sleep have nobody to pump for them yet. */
        if (added && new && !pumper && all_waits)
                wake_locked(all_waits);
        fm_w32_wait_unlock();
        return added;
}

void fm_w32_pump_remove(struct fm_w32_poll_source *source, int fd)
{
        fm_w32_wait_lock();
        fm_w32_poll_set_remove_locked(&pump, source, fd);
        fm_w32_wait_unlock();
}

DWORD fm_w32_wait(struct fm_w32_object **objects, unsigned count, bool all, uint64_t deadline, bool alertable)
{
        struct fm_w32_wait_block blocks[MAXIMUM_WAIT_OBJECTS];
        struct wait wait = {
                .thread = pthread_self(),
                .objects = objects,
                .blocks = blocks,
                .count = count,
                .all = all,
                .result = WAIT_TIMEOUT,
                .alertable = alertable ? fm_w32_thread_self() : NULL,
        };

        g_assert(count <= MAXIMUM_WAIT_OBJECTS);
        fm_w32_wait_lock();
        if (count && satisfy_locked(&wait)) {
                fm_w32_wait_unlock();
                return wait.result;
        }
        if (alertable) {
                fm_w32_wait_unlock();
                if (fm_w32_thread_run_apcs())
                        return WAIT_IO_COMPLETION;
                fm_w32_wait_lock();
        }
        if (fm_w32_remaining(deadline) == 0) {
                fm_w32_wait_unlock();
                fm_w32_pump_poll();
                fm_w32_wait_lock();
                if (count)
                        satisfy_locked(&wait);
                fm_w32_wait_unlock();
                return wait.result;
        }
        enqueue_locked(&wait);
        /* What has changed since the first look, while the lock was not held. */
        if (alertable && (!count || !satisfy_locked(&wait)) && fm_w32_thread_has_apcs_locked(wait.alertable))
                fm_w32_wait_alert_locked(wait.alertable);
        while (!wait.done) {
                int remaining = fm_w32_remaining(deadline);

                if (remaining == 0)
                        break;
                if (!pumper && pump_is_needed_locked()) {
                        struct epoll_event events[16];
                        int n;

                        pumper = &wait;
                        fm_w32_wait_unlock();
                        n = epoll_wait(pump.epoll_fd, events, G_N_ELEMENTS(events), remaining);
                        fm_w32_poll_set_handle(&pump, events, n);
                        fm_w32_wait_lock();
                        pumper = NULL;
                        continue;
                }
                atomic_store_explicit(&wait.word, 0, memory_order_relaxed);
                fm_w32_wait_unlock();
                fm_futex_wait(&wait.word, 0, deadline);
                fm_w32_wait_lock();
        }
        dequeue_locked(&wait);
        if (!pumper && all_waits && pump_is_needed_locked())
                wake_locked(all_waits);
        fm_w32_wait_unlock();
        if (wait.result == WAIT_IO_COMPLETION)
                fm_w32_thread_run_apcs();
        return wait.result;
}

static DWORD wait_for_handles(DWORD count, const HANDLE *handles, bool all, DWORD milliseconds, bool alertable)
{
        struct fm_w32_object *objects[MAXIMUM_WAIT_OBJECTS];
        DWORD result = WAIT_FAILED;
        unsigned n = 0;

        if (count == 0 || count > MAXIMUM_WAIT_OBJECTS || !handles) {
                SetLastError(ERROR_INVALID_PARAMETER);
                return WAIT_FAILED;
        }
        for (n = 0; n < count; n++) {
                objects[n] = fm_w32_handle_ref(handles[n], NULL);
                if (!objects[n])
                        goto out;
                if (!objects[n]->type->ready) {
                        SetLastError(ERROR_INVALID_HANDLE);
                        n++;
                        goto out;
                }
                for (unsigned i = 0; all && i < n; i++) {
                        if (objects[i] == objects[n]) {
                                SetLastError(ERROR_INVALID_PARAMETER);
                                n++;
                                goto out;
                        }
                }
        }
        result = fm_w32_wait(objects, n, all, fm_w32_deadline(milliseconds), alertable);
out:
        while (n > 0)
                fm_w32_object_unref(objects[--n]);
        return result;
}

DWORD WINAPI WaitForSingleObject(HANDLE hHandle, DWORD dwMilliseconds)
{
        return wait_for_handles(1, &hHandle, false, dwMilliseconds, false);
}

DWORD WINAPI WaitForSingleObjectEx(HANDLE hHandle, DWORD dwMilliseconds, BOOL bAlertable)
{
        return wait_for_handles(1, &hHandle, false, dwMilliseconds, bAlertable);
}

/* bWaitAll: all at one moment, and nothing is taken before that. */
DWORD WINAPI WaitForMultipleObjects(DWORD nCount, const HANDLE *lpHandles, BOOL bWaitAll,
                                    DWORD dwMilliseconds)
{
        return wait_for_handles(nCount, lpHandles, bWaitAll, dwMilliseconds, false);
}

DWORD WINAPI WaitForMultipleObjectsEx(DWORD nCount, const HANDLE *lpHandles, BOOL bWaitAll,
                                      DWORD dwMilliseconds, BOOL bAlertable)
{
        return wait_for_handles(nCount, lpHandles, bWaitAll, dwMilliseconds, bAlertable);
}

DWORD WINAPI SleepEx(DWORD dwMilliseconds, BOOL bAlertable)
{
        DWORD result = fm_w32_wait(NULL, 0, false, fm_w32_deadline(dwMilliseconds), bAlertable);

        if (dwMilliseconds == 0)
                sched_yield();
        return result == WAIT_IO_COMPLETION ? result : 0;
}

VOID WINAPI Sleep(DWORD dwMilliseconds)
{
        SleepEx(dwMilliseconds, FALSE);
}

BOOL WINAPI SwitchToThread(VOID)
{
        sched_yield();
        return TRUE;
}
