/* SPDX-License-Identifier: MIT */
/*
 * Misuse that would crash or hang Windows, reported by name.
 *
 * fm_violation() logs the filter whose callback runs on this thread, the rule, the operation, the text and a
 * backtrace; then it ends the process (bug check) or goes on, as the options say. It returns only
 * in the second case, so each caller must leave a sane state behind. The rules are in nt/rules.c.
 */
#pragma once

#include <fltKernel.h>
#include <glib.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

/* fatal: a violation ends the process (the default is to log it and go on). */
void fm_verifier_init(bool fatal);

/*
 * Post-operations that Windows may call at DISPATCH_LEVEL, in whatever thread, are called so. Not the default: it finds
 * what a filter must not do there, and most of them are called at a lower level in practice.
 */
void fm_verifier_raise_completions(bool raise);
bool fm_verifier_raises_completions(void);

/* Called once, on whatever thread, before a bug check ends the process: to let those go who wait for it. */
void fm_verifier_set_last_act(void (*act)(void));

/* rule: one of nt/rules.c, such as "context-leak". */
void fm_violation(const char *rule, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Whose fault it is, when that is seen only after his code has returned. Borrowed; all but the filter may be NULL. */
struct fm_culprit {
        const char *filter;
        const char *callback;  /* "a pre-operation" */
        const char *operation; /* "IRP_MJ_CREATE" */
        const void *code;      /* the filter's function: it is in no backtrace any more */
        UCHAR minor;
        PFILE_OBJECT file; /* what the operation is about */
};
void fm_violation_of(const struct fm_culprit *culprit, const char *rule, const char *format, ...) G_GNUC_PRINTF(3, 4);
void fm_violation_of_v(const struct fm_culprit *culprit, const char *rule, const char *format, va_list args)
        G_GNUC_PRINTF(3, 0);
/* Who runs on this thread. */
struct fm_culprit fm_culprit_here(void);

/* How many violations were reported so far; for tests and for the exit status of "fltsim run". */
uint64_t fm_violation_count(void);

/* How long, in milliseconds, a teardown may wait before it is called a hang. */
unsigned fm_verifier_patience(void);

/* What callback data that is over points to: nothing can be read there, and whoever tries is told what it was. */
void *fm_verifier_graveyard(void);
bool fm_verifier_is_grave(const void *address);

/* Says once for each text that the simulator does not have it. what: a constant. */
void fm_not_supported(const char *what);

/* A state from which nothing can go on: logs like fm_violation() and aborts. code: a Windows bug check code. */
G_NORETURN void fm_bugcheck(uint32_t code, const char *format, ...) G_GNUC_PRINTF(2, 3);
