/* SPDX-License-Identifier: MIT */
/*
 * Epoll sets whose events objects handle.
 *
 * Whoever waits in the set handles what comes: outside all locks, possibly several threads at once. A source is
 * not kept alive by its set; its owner takes it out before it dies, and is referenced while it handles an event.
 * Events are edge-triggered, so a set can be waited in while others watch the same descriptor.
 */
#pragma once

#include "win32/object.h"

#include <sys/epoll.h>

typedef struct _GHashTable GHashTable;

struct fm_w32_poll_source {
        struct fm_w32_object *owner;
        void (*on_event)(struct fm_w32_object *owner, uint32_t events);
        uint64_t id;  /* within the set it is in, 0: in none; the set's lock */
        bool removed; /* for good: the owner is being closed, whoever uses it just now; the set's lock */
};

struct fm_w32_poll_set {
        pthread_mutex_t *lock; /* the user's; guards the set, its sources and itself */
        unsigned made_by; /* fm_w32_generation(): a forked child's descriptor is of its parent's set */
        int epoll_fd;
        int wake_fd; /* each write wakes one thread; never read */
        uint64_t last_id;
        GHashTable *sources; /* id -> struct fm_w32_poll_source */
};

/* false: no descriptors. Both without the lock, when nobody else knows the set. */
bool fm_w32_poll_set_init(struct fm_w32_poll_set *set, pthread_mutex_t *lock);
void fm_w32_poll_set_deinit(struct fm_w32_poll_set *set);
/* In a forked child: closes what it shares with its parent, and no source is in it any more. Not usable after it. */
void fm_w32_poll_set_forget_locked(struct fm_w32_poll_set *set);

/* Idempotent. false: no memory for it, or it was removed. */
bool fm_w32_poll_set_add_locked(struct fm_w32_poll_set *set, struct fm_w32_poll_source *source, int fd);
void fm_w32_poll_set_remove_locked(struct fm_w32_poll_set *set, struct fm_w32_poll_source *source, int fd);
/* Wakes one of the threads that are in epoll_wait(), or the next that comes there. */
void fm_w32_poll_set_wake(struct fm_w32_poll_set *set);
/* What epoll_wait() has returned. Returns whether there was a wake-up among it. Without the lock. */
bool fm_w32_poll_set_handle(struct fm_w32_poll_set *set, const struct epoll_event *events, int count);
