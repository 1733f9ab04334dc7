/* SPDX-License-Identifier: MIT */
/*
 * Permission to enter, on one futex word.
 *
 * The last one out of a closed rundown wakes the waiters. He must not touch the memory after his
 * subtraction, since a waiter may free it then: the wake-up uses the address only.
 */
#include "nt/rundown.h"

#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define CLOSED UINT32_C(0x80000000)
#define INSIDE UINT32_C(0x7fffffff)

void fm_rundown_init(struct fm_rundown *rundown)
{
        atomic_store(&rundown->state, 0);
}

bool fm_rundown_acquire(struct fm_rundown *rundown)
{
        uint32_t before = atomic_fetch_add(&rundown->state, 1);

        if (before & CLOSED) {
                fm_rundown_release(rundown);
                return false;
        }
        return true;
}

void fm_rundown_release(struct fm_rundown *rundown)
{
        uint32_t before = atomic_fetch_sub(&rundown->state, 1);

        if (before == (CLOSED | 1))
                syscall(SYS_futex, &rundown->state, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

void fm_rundown_close(struct fm_rundown *rundown)
{
        atomic_fetch_or(&rundown->state, CLOSED);
}

void fm_rundown_wait(struct fm_rundown *rundown)
{
        uint32_t state = atomic_fetch_or(&rundown->state, CLOSED) | CLOSED;

        while (state & INSIDE) {
                syscall(SYS_futex, &rundown->state, FUTEX_WAIT_PRIVATE, state, NULL, NULL, 0);
                state = atomic_load(&rundown->state);
        }
}

bool fm_rundown_wait_for(struct fm_rundown *rundown, unsigned milliseconds)
{
        struct timespec end, now, rest;
        uint32_t state = atomic_fetch_or(&rundown->state, CLOSED) | CLOSED;

        clock_gettime(CLOCK_MONOTONIC, &end);
        end.tv_sec += milliseconds / 1000;
        end.tv_nsec += (long)(milliseconds % 1000) * 1000000;
        while (state & INSIDE) {
                clock_gettime(CLOCK_MONOTONIC, &now);
                rest.tv_sec = end.tv_sec - now.tv_sec;
                rest.tv_nsec = end.tv_nsec - now.tv_nsec;
                while (rest.tv_nsec < 0) {
                        rest.tv_nsec += 1000000000;
                        rest.tv_sec--;
                }
                if (rest.tv_sec < 0)
                        return false;
                syscall(SYS_futex, &rundown->state, FUTEX_WAIT_PRIVATE, state, &rest, NULL, 0);
                state = atomic_load(&rundown->state);
        }
        return true;
}

bool fm_rundown_is_closed(struct fm_rundown *rundown)
{
        return (atomic_load(&rundown->state) & CLOSED) != 0;
}

uint32_t fm_rundown_inside(struct fm_rundown *rundown)
{
        return atomic_load(&rundown->state) & INSIDE;
}
