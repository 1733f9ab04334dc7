/* SPDX-License-Identifier: MIT */
/*
 * "The next open sees the verdict": while a cleanup runs that its closer waits for, opens of the inode wait
 * too.
 *
 * The count is in the inode; waiters of all inodes share one condition, since there are few and seldom.
 */
#include "fuse/slow_internal.h"

#include <errno.h>
#include <pthread.h>

#include "fltmgr/port.h"
#include "nt/process.h"

static pthread_mutex_t barrier_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t barrier_changed = PTHREAD_COND_INITIALIZER;
static _Atomic unsigned under_way; /* of all inodes: mostly there is none, and names need not be looked up for it */

struct waiter {
        struct fm_cancel_watch watch;
        bool ended; /* barrier_lock */
};

/* Called under the leaf lock of the cancel object; no waiter takes that while it holds barrier_lock. */
static void wake(struct fm_cancel_watch *watch)
{
        struct waiter *waiter = CONTAINING_RECORD(watch, struct waiter, watch);

        pthread_mutex_lock(&barrier_lock);
        waiter->ended = true;
        pthread_cond_broadcast(&barrier_changed);
        pthread_mutex_unlock(&barrier_lock);
}

int fm_slow_barrier_wait(struct fm_slow *slow, struct fm_inode *inode)
{
        struct waiter waiter = {.watch.wake = wake};
        bool blocked;

        if (atomic_load_explicit(&inode->cleanups, memory_order_acquire) == 0)
                return 0;
        /* The cleanup may be waiting for this very process: an agent that looks at the file by its name. */
        if (fm_port_has_client(fm_thread_process(slow->requestor.thread)))
                return 0;
        if (!fm_cancel_watch(slow->requestor.cancel, &waiter.watch))
                return EINTR;
        pthread_mutex_lock(&barrier_lock);
        while (atomic_load(&inode->cleanups) && !waiter.ended)
                pthread_cond_wait(&barrier_changed, &barrier_lock);
        blocked = atomic_load(&inode->cleanups) != 0;
        pthread_mutex_unlock(&barrier_lock);
        fm_cancel_unwatch(slow->requestor.cancel, &waiter.watch);
        return blocked ? EINTR : 0;
}

int fm_slow_barrier_wait_name(struct fm_slow *slow, struct fm_inode *parent, const char *name)
{
        struct fm_inode *inode;
        struct stat st;
        int error = 0;

        if (atomic_load_explicit(&under_way, memory_order_acquire) == 0)
                return 0;
        inode = fm_inode_peek(parent, name, &st);
        if (inode)
                error = fm_slow_barrier_wait(slow, inode);
        fm_inode_unref(inode);
        return error;
}

void fm_slow_barrier_enter(struct fm_inode *inode)
{
        atomic_fetch_add(&under_way, 1);
        atomic_fetch_add(&inode->cleanups, 1);
}

void fm_slow_barrier_leave(struct fm_inode *inode)
{
        pthread_mutex_lock(&barrier_lock);
        if (atomic_fetch_sub(&inode->cleanups, 1) == 1)
                pthread_cond_broadcast(&barrier_changed);
        pthread_mutex_unlock(&barrier_lock);
        atomic_fetch_sub(&under_way, 1);
}

void fm_slow_cleanup_begin(struct fm_file *file)
{
        pthread_mutex_lock(&barrier_lock);
        while (file->cleaning)
                pthread_cond_wait(&barrier_changed, &barrier_lock);
        file->cleaning = true;
        pthread_mutex_unlock(&barrier_lock);
}

void fm_slow_cleanup_end(struct fm_file *file)
{
        pthread_mutex_lock(&barrier_lock);
        file->cleaning = false;
        pthread_cond_broadcast(&barrier_changed);
        pthread_mutex_unlock(&barrier_lock);
}
