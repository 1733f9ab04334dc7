/* SPDX-License-Identifier: MIT */
/* The simulator's thread-local state. */
#include "nt/thread.h"

static __thread struct fm_thread self;

struct fm_thread *fm_thread_self(void)
{
        return &self;
}
