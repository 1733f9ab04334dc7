/* SPDX-License-Identifier: MIT */
/*
 * What the pool knows about who has allocated what.
 *
 * Each allocation is charged to the filter whose code ran on the thread, and to its tag; freeing credits the
 * same account whoever frees. Allocations that the simulator makes for itself are nobody's.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct fm_pool_usage {
        uint64_t blocks;
        uint64_t bytes;
};

/* Zeroed pool memory that is charged to nobody; ExFreePool frees it. NULL when memory is exhausted. */
void *fm_pool_alloc(size_t size, uint32_t tag);
void fm_pool_free(void *memory); /* NULL is allowed */
/* For tests: the next allocation with the tag fails, as if memory were exhausted. 0: none does. */
void fm_pool_fail_next(uint32_t tag);

/* How many bytes of pool memory begin there; SIZE_MAX: no pool block does. Any address may be given. */
size_t fm_pool_room(const void *memory);

/* What a filter has not freed yet. filter NULL: the simulator itself. tag 0: all tags. */
struct fm_pool_usage fm_pool_outstanding(const char *filter, uint32_t tag);

/*
 * Logs a line for each tag of which the filter has something left; returns the number of blocks. *code: where
 * in the filter something with the last of these tags was allocated last, or NULL.
 */
uint64_t fm_pool_report_leaks(const char *filter, const void **code);
