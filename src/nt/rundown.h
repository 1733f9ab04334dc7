/* SPDX-License-Identifier: MIT */
/*
 * Permission to enter: like EX_RUNDOWN_REF. Entering is one atomic addition; closing refuses new
 * entries and waits for those inside. Memory lifetime is somebody else's matter.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct fm_rundown {
        _Atomic uint32_t state; /* bit 31: closed; below: how many are inside; also the futex word */
};

void fm_rundown_init(struct fm_rundown *rundown);
bool fm_rundown_acquire(struct fm_rundown *rundown); /* false: closed */
void fm_rundown_release(struct fm_rundown *rundown);
void fm_rundown_close(struct fm_rundown *rundown);   /* refuse new ones; does not wait */
void fm_rundown_wait(struct fm_rundown *rundown);    /* close and wait until nobody is inside */
/* The same with a limit; false: somebody is still inside. */
bool fm_rundown_wait_for(struct fm_rundown *rundown, unsigned milliseconds);
bool fm_rundown_is_closed(struct fm_rundown *rundown);
uint32_t fm_rundown_inside(struct fm_rundown *rundown);
