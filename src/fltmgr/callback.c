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
        scope->what = what;
        self->thread = thread;
        self->attached = NULL;
        self->cancel = cancel;
        self->filter = filter->name;
}

void fm_callback_leave(struct fm_callback_scope *scope)
{
        struct fm_thread *self = fm_thread_self();

        if (self->irql != scope->saved.irql)
                fm_violation("irql-at-return", "%s returned at IRQL %u, it was called at %u", scope->what, self->irql,
                             scope->saved.irql);
        if (self->spin_locks_held != scope->saved.spin_locks_held)
                fm_violation("spin-lock-at-return", "%s returned with a spin lock held", scope->what);
        if (self->critical_regions != scope->saved.critical_regions)
                fm_violation("critical-region-at-return", "%s returned inside a critical region", scope->what);
        if (self->attached)
                fm_violation("attached-at-return", "%s returned attached to another process", scope->what);
        *self = scope->saved;
}
