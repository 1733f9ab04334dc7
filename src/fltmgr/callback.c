/* SPDX-License-Identifier: MIT */
/*
 * Entering and leaving a filter's code: the only place that changes what the thread is taken for.
 *
 * Everything that runs a callback goes through here, so that a fault, a violation or a log line can name
 * the filter, and so that what a callback must not leave behind is noticed when it returns.
 */
#include "fltmgr/manager.h"

#include "nt/verifier.h"

void fm_callback_enter(struct fm_callback_scope *scope, PFLT_FILTER filter, const char *what, PETHREAD thread,
                       struct fm_cancel *cancel)
{
        struct fm_thread *self = fm_thread_self();

        scope->saved = *self;
        self->callback = what;
        self->operation = NULL;
        self->code = NULL;
        self->minor = 0;
        self->file = NULL;
        self->draining = false;
        self->thread = thread;
        self->attached = NULL;
        self->cancel = cancel;
        self->filter = filter->name;
}

/* A lock raises the IRQL or enters a critical region: who keeps it is told about the lock only. */
static bool left_a_lock(const struct fm_culprit *culprit, const struct fm_thread *now, const struct fm_thread *before)
{
        const char *lock = NULL;

        if (now->spin_locks_held != before->spin_locks_held) {
                fm_violation_of(culprit, "spin-lock-at-return", "returned with a spin lock held");
                return true;
        }
        if (now->mutexes_held > before->mutexes_held)
                lock = "mutex";
        else if (now->fast_mutexes_held > before->fast_mutexes_held)
                lock = "fast mutex";
        else if (now->push_locks_held > before->push_locks_held)
                lock = "push lock";
        else if (now->resources_held > before->resources_held)
                lock = "resource";
        if (lock)
                fm_violation_of(culprit, "lock-at-return", "returned with a %s held", lock);
        return lock != NULL;
}

static void check_what_is_left(const struct fm_thread *now, const struct fm_thread *before)
{
        struct fm_culprit culprit = fm_culprit_here();

        culprit.code = now->code;
        if (now->attached)
                fm_violation_of(&culprit, "attached-at-return", "returned attached to another process");
        if (left_a_lock(&culprit, now, before))
                return;
        if (now->irql != before->irql)
                fm_violation_of(&culprit, "irql-at-return", "returned at IRQL %u, was called at %u", now->irql,
                                before->irql);
        if (now->critical_regions != before->critical_regions)
                fm_violation_of(&culprit, "critical-region-at-return", "returned inside a critical region");
}

void fm_callback_leave(struct fm_callback_scope *scope)
{
        struct fm_thread *self = fm_thread_self();
        const struct fm_thread *before = &scope->saved;

        if (G_UNLIKELY(self->irql != before->irql || self->spin_locks_held != before->spin_locks_held ||
                       self->critical_regions != before->critical_regions || self->attached ||
                       self->mutexes_held > before->mutexes_held ||
                       self->fast_mutexes_held > before->fast_mutexes_held ||
                       self->push_locks_held > before->push_locks_held ||
                       self->resources_held > before->resources_held))
                check_what_is_left(self, before);
        *self = scope->saved;
}
