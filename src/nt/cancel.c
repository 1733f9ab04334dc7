/* SPDX-License-Identifier: MIT */
/* The end of a request: two flags that are only ever set, and the waits that want to know. */
#include "nt/cancel.h"

#include <stddef.h>

void fm_cancel_init(struct fm_cancel *cancel)
{
        pthread_mutex_init(&cancel->lock, NULL);
        cancel->cancelled = false;
        cancel->terminating = false;
        cancel->watches = NULL;
        cancel->on_cancel = NULL;
}

void fm_cancel_deinit(struct fm_cancel *cancel)
{
        pthread_mutex_destroy(&cancel->lock);
}

bool fm_cancel_is_cancelled(struct fm_cancel *cancel)
{
        bool cancelled;

        if (!cancel)
                return false;
        pthread_mutex_lock(&cancel->lock);
        cancelled = cancel->cancelled;
        pthread_mutex_unlock(&cancel->lock);
        return cancelled;
}

bool fm_cancel_is_terminating(struct fm_cancel *cancel)
{
        bool terminating;

        if (!cancel)
                return false;
        pthread_mutex_lock(&cancel->lock);
        terminating = cancel->terminating;
        pthread_mutex_unlock(&cancel->lock);
        return terminating;
}

void fm_cancel_signal(struct fm_cancel *cancel, bool terminating)
{
        void (*on_cancel)(struct fm_cancel * cancel) = NULL;

        pthread_mutex_lock(&cancel->lock);
        if (!cancel->cancelled) {
                cancel->cancelled = true;
                on_cancel = cancel->on_cancel;
        }
        if (terminating && !cancel->terminating) {
                cancel->terminating = true;
                for (struct fm_cancel_watch *watch = cancel->watches; watch; watch = watch->next)
                        watch->wake(watch);
        }
        pthread_mutex_unlock(&cancel->lock);

        if (on_cancel)
                on_cancel(cancel);
}

bool fm_cancel_watch(struct fm_cancel *cancel, struct fm_cancel_watch *watch)
{
        bool registered = false;

        watch->next = NULL;
        watch->prev = NULL;
        if (!cancel)
                return true;
        pthread_mutex_lock(&cancel->lock);
        if (!cancel->terminating) {
                watch->next = cancel->watches;
                if (watch->next)
                        watch->next->prev = watch;
                cancel->watches = watch;
                registered = true;
        }
        pthread_mutex_unlock(&cancel->lock);
        return registered;
}

void fm_cancel_unwatch(struct fm_cancel *cancel, struct fm_cancel_watch *watch)
{
        if (!cancel)
                return;
        pthread_mutex_lock(&cancel->lock);
        if (watch->prev)
                watch->prev->next = watch->next;
        else if (cancel->watches == watch)
                cancel->watches = watch->next;
        if (watch->next)
                watch->next->prev = watch->prev;
        watch->next = NULL;
        watch->prev = NULL;
        pthread_mutex_unlock(&cancel->lock);
}
