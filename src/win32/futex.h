/* SPDX-License-Identifier: MIT */
/* futex(2) within this process, with deadlines of the monotonic clock in nanoseconds. */
#pragma once

#include <linux/futex.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/*
 * Sleeps while *word == expected, until woken, interrupted or deadline (UINT64_MAX: none). May return early.
 */
static inline void fm_futex_wait(_Atomic uint32_t *word, uint32_t expected, uint64_t deadline)
{
        struct timespec until = { (time_t)(deadline / 1000000000u), (long)(deadline % 1000000000u) };

        syscall(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, expected,
                deadline == UINT64_MAX ? NULL : &until, NULL, FUTEX_BITSET_MATCH_ANY);
}

static inline void fm_futex_wake(_Atomic uint32_t *word, int count)
{
        syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, count, NULL, NULL, 0);
}
