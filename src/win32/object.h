/* SPDX-License-Identifier: MIT */
/*
 * Objects behind HANDLEs, and the table that maps one to the other.
 *
 * Own handles are multiples of 4 below FM_W32_GIVEN_FIRST; from there on lie the values that a filter manager
 * gives to this process (sections), which must appear here under the number that the filter sent.
 * An object lives as long as references to it; "close" runs once, when its last handle is gone.
 */
#pragma once

#include <windows.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#define FM_W32_GIVEN_FIRST UINT64_C(0x40000000)
#define FM_W32_HANDLES_MAX 65536

struct fm_w32_object;

struct fm_w32_type {
        const char *name;
        void (*close)(struct fm_w32_object *object);   /* last handle gone; no lock held. May be NULL */
        void (*destroy)(struct fm_w32_object *object); /* last reference gone: frees it */
        /*
         * Can a wait of that thread be satisfied, and taking what satisfies it (returns true: abandoned).
         * Under the wait lock. ready is NULL for what can't be waited for, acquire for what stays signalled.
         */
        bool (*ready)(struct fm_w32_object *object, pthread_t waiter);
        bool (*acquire)(struct fm_w32_object *object, pthread_t waiter);
};

struct fm_w32_object {
        const struct fm_w32_type *type;
        _Atomic unsigned refs;
        unsigned handles;              /* table lock */
        struct fm_w32_wait_block *waiters; /* wait lock; oldest first */
};

/* One reference, the caller's; no handle. */
void fm_w32_object_init(struct fm_w32_object *object, const struct fm_w32_type *type);
void *fm_w32_object_ref(void *object);
void fm_w32_object_unref(void *object); /* NULL is allowed */

/* A new handle (with its own reference); NULL and ERROR_NO_SYSTEM_RESOURCES when there are too many. */
HANDLE fm_w32_handle_new(void *object);
/* The same for a handle with a given value; false: it is taken, or no value of the given range. */
bool fm_w32_handle_give(uint64_t value, void *object);
/* Referenced object of that type (NULL: any), or NULL with ERROR_INVALID_HANDLE. */
void *fm_w32_handle_ref(HANDLE handle, const struct fm_w32_type *type);
bool fm_w32_handle_close(HANDLE handle);

/* Another number in a forked child than in its parent, for what is not to be shared by the two. */
unsigned fm_w32_generation(void);
