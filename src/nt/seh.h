/* SPDX-License-Identifier: MIT */
/* The run-time of try and except; what it does is written in ddk/seh.h. */
#pragma once

#include <fltKernel.h>
#include <stdbool.h>

/* Installs the handlers for SIGSEGV, SIGBUS and SIGFPE; once per process, and done when the library is
 * loaded. */
void fm_seh_init(void);

/* Copies without faulting: false when the source or the destination is not accessible. */
bool fm_copy_safely(void *to, const void *from, size_t size);
