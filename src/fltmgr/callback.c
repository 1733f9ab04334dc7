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
        self->thread = thread;
        self->attached = NULL;
        self->cancel = cancel;
        self->filter = filter->name;
}

void fm_callback_leave(struct fm_callback_scope *scope)
{
        struct fm_thread *self = fm_thread_self();

        struct fm_culprit culprit = { self->filter, self->callback, self->operation, self->code };

        if (G_UNLIKELY(self->irql != scope->saved.irql))
                fm_violation_of(&culprit, "irql-at-return", "returned at IRQL %u, was called at %u", self->irql,
                                scope->saved.irql);
        if (G_UNLIKELY(self->spin_locks_held != scope->saved.spin_locks_held))
                fm_violation_of(&culprit, "spin-lock-at-return", "returned with a spin lock held");
        if (G_UNLIKELY(self->critical_regions != scope->saved.critical_regions))
                fm_violation_of(&culprit, "critical-region-at-return", "returned inside a critical region");
        if (G_UNLIKELY(self->attached != NULL))
                fm_violation_of(&culprit, "attached-at-return", "returned attached to another process");
        *self = scope->saved;
}
