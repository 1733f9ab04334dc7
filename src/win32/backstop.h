/* SPDX-License-Identifier: MIT */
/*
 * The backstop: completes what nobody else does.
 *
 * On Windows the kernel completes an overlapped operation whatever the program's threads do at the time. Here a
 * thread that waits in the library does it, at no cost. For a program whose threads all are in code of their own
 * there is one thread more, of the library's. It starts with the first overlapped operation, gives the program's
 * threads a little time to come first, and takes longer the more often they did: nobody ever waits for it who waits
 * in the library.
 */
#pragma once

#include "win32/completion.h"

/* The object has an operation pending: it is looked after from now on. Idempotent, best effort. */
void fm_w32_backstop_add(struct fm_w32_io *io);
void fm_w32_backstop_remove(struct fm_w32_io *io);
