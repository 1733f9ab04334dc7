/* SPDX-License-Identifier: MIT */
/* Which message of a ring is next for receivers of bounded size. */
#pragma once

#include "wire/ring.h"

/*
 * Claims the oldest message of at most max bytes: 0, then fm_ring_take_finish() or _undo(). -EMSGSIZE: a
 * larger one with a ticket above reported is older; *taken has its length and ticket, nothing is claimed.
 * -EAGAIN: none. -EPIPE, -EPROTO: the ring is no more.
 *
 * reported is the ticket up to which receivers have been told of large messages: each is told once, and does
 * not hold up those behind it.
 */
int fm_take_fitting(struct fm_ring *ring, uint32_t max, uint64_t reported, struct fm_taken *taken);

/* How many messages are offered at the moment. */
unsigned fm_take_count(struct fm_ring *ring);
