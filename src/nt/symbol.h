/* SPDX-License-Identifier: MIT */
/* Names of functions for backtraces, also of those that an image does not export. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct fm_symbol {
        char name[128]; /* empty: nothing is known */
        size_t offset;  /* of the address in the function, or in the image if there is no name */
        const char *image; /* borrowed */
};

/* False: the address is in no image. Takes no lock but the dynamic loader's. */
bool fm_symbol_find(const void *address, struct fm_symbol *ret);
