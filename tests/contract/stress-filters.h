/* SPDX-License-Identifier: MIT */
/*
 * Three filters to come and go under load: one with contexts everywhere, one that pends in all ways there are,
 * one that swaps buffers. They change nothing that a caller could see, and count what they are owed.
 */
#pragma once

#include <fltKernel.h>
#include <glib.h>
#include <stdatomic.h>
#include <stdbool.h>

#define STRESS_FILTERS 3

extern _Atomic uint64_t stress_asked;    /* post-operations that were asked for */
extern _Atomic uint64_t stress_posts;    /* that came, */
extern _Atomic uint64_t stress_drained;  /* of these: early */
extern _Atomic uint64_t stress_pended;   /* operations that were pended */
extern _Atomic uint64_t stress_contexts; /* contexts that were allocated */
extern _Atomic uint64_t stress_cleanups; /* and freed */
extern _Atomic uint64_t stress_swapped;

/* Their names; each has one instance of the same name. */
extern const char *const stress_names[STRESS_FILTERS];

/* Writes the registry. */
void stress_set_up(void);
void stress_tear_down(void);
/* What load, unload, attach and detach return when all goes well. */
NTSTATUS stress_load(int filter);
NTSTATUS stress_unload(int filter);
NTSTATUS stress_attach(int filter, PFLT_VOLUME volume);
NTSTATUS stress_detach(int filter, PFLT_VOLUME volume);
/* Everything that was asked for has come, and nothing is left. After the last unload. */
void stress_check(void);
