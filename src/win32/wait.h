/* SPDX-License-Identifier: MIT */
/*
 * Waiting for objects.
 *
 * One lock, the wait lock, guards the signal state of every object and the lists of those who wait; it is a
 * leaf lock, held for a few instructions. Who signals an object satisfies the waits itself (and so takes the
 * signal of an auto-reset event on the waiter's behalf): waits are served in the order they began.
 *
 * Messages for overlapped receives are brought in by the threads that wait: one of them, the pumper, sleeps in
 * epoll over the sources, the others on a futex each, and when the pumper's wait is over another one takes its
 * place. Only when nobody waits does it fall to a thread of the library's own, see backstop.h.
 */
#pragma once

#include "win32/poll.h"

#define FM_W32_FOREVER UINT64_MAX

/* Milliseconds of Windows as a point of the monotonic clock in ns; INFINITE: FM_W32_FOREVER. */
uint64_t fm_w32_deadline(DWORD milliseconds);
uint64_t fm_w32_now(void);
/* Milliseconds until then, rounded up, for poll and epoll: -1 for ever. */
int fm_w32_remaining(uint64_t deadline);

void fm_w32_wait_lock(void);
void fm_w32_wait_unlock(void);
/* The object's state has changed for the better: serve those who wait for it. */
void fm_w32_wait_wake_locked(struct fm_w32_object *object);

/*
 * WAIT_OBJECT_0 + i, WAIT_ABANDONED_0 + i, WAIT_TIMEOUT; WAIT_IO_COMPLETION: alertable, and APCs of this thread have
 * run. count 0: just the time. The caller holds references.
 */
DWORD fm_w32_wait(struct fm_w32_object **objects, unsigned count, bool all, uint64_t deadline, bool alertable);
/* The thread has an APC: its wait ends, if it is in an alertable one. */
void fm_w32_wait_alert_locked(struct fm_w32_object *thread);

/* The pump: sources whose events waiting threads handle. Idempotent. false: no descriptor for it, or it was removed. */
bool fm_w32_pump_add(struct fm_w32_poll_source *source, int fd);
void fm_w32_pump_remove(struct fm_w32_poll_source *source, int fd);
/* Handles what is there without waiting. */
void fm_w32_pump_poll(void);
