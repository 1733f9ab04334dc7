/* SPDX-License-Identifier: MIT */
/*
 * The backing file system: locks, real ones, so that processes outside the mount see them and are seen.
 *
 * flock() locks belong to an open file, and our file is open as often as his: they are taken on its descriptor.
 * Byte range locks belong to a process or to an open file; the kernel names the owner with a number. Each
 * owner of an inode gets a descriptor of its own, and his locks are OFD locks on it: they merge with
 * each other and conflict with everybody else's. The kernel looks for deadlocks among locks of processes only, so that
 * is done here, among the owners of the mount.
 *
 * A wait is the system call itself, on the worker that carries the request. A cancelled one is ended by a
 * signal that is sent until it has left, so it does not matter when the first came.
 */
#include <glib.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "fuse/backing-internal.h"
#include "fuse/session.h"
#include "nt/cancel.h"

struct range {
        off_t start, end; /* end is part of it; OFFSET_MAX: to the end of all files */
        short type;
};

/* An owner of byte range locks on one inode. Guarded by inode->lock, but for fd, which stays the same. */
struct fm_lock_owner {
        struct fm_lock_owner *next;
        uint64_t id;
        pid_t tid;
        int fd;
        unsigned users;   /* calls in progress */
        bool dead;        /* the owner has closed the file */
        GPtrArray *files; /* borrowed struct fm_file: through which he locked */
        GArray *ranges;   /* what he holds; to say who is in the way */
};

struct waiter {
        struct waiter *next, *prev;
        pthread_t thread;
        struct fm_cancel *cancel;
};

static struct {
        pthread_mutex_t lock;
        struct waiter *first; /* guarded by lock */
} waiters = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* An owner that waits for a byte range lock. */
struct pending {
        struct pending *next;
        struct fm_inode *inode; /* borrowed: its file is open as long as somebody waits */
        uint64_t owner;
        const struct flock *lock;
};

static struct {
        pthread_mutex_t lock; /* taken before an inode's */
        struct pending *first;
} pendings = {.lock = PTHREAD_MUTEX_INITIALIZER};

enum { DEADLOCK_DEPTH = 10 }; /* as far as the kernel looks */

static const off_t offset_max = INT64_MAX;

static void wake_handler(int signal_number)
{
}

int fm_backing_wake_signal(void)
{
        static gsize installed;

        if (g_once_init_enter(&installed)) {
                struct sigaction action = {.sa_handler = wake_handler};

                sigemptyset(&action.sa_mask);
                sigaction(SIGRTMIN + 1, &action, NULL);
                g_once_init_leave(&installed, 1);
        }
        return SIGRTMIN + 1;
}

static bool waiter_enter(struct waiter *waiter, struct fm_cancel *cancel)
{
        waiter->thread = pthread_self();
        waiter->cancel = cancel;
        waiter->prev = NULL;
        fm_backing_wake_signal();
        pthread_mutex_lock(&waiters.lock);
        waiter->next = waiters.first;
        if (waiters.first)
                waiters.first->prev = waiter;
        waiters.first = waiter;
        pthread_mutex_unlock(&waiters.lock);
        return !fm_cancel_is_cancelled(cancel);
}

static void waiter_leave(struct waiter *waiter)
{
        pthread_mutex_lock(&waiters.lock);
        if (waiter->prev)
                waiter->prev->next = waiter->next;
        else
                waiters.first = waiter->next;
        if (waiter->next)
                waiter->next->prev = waiter->prev;
        pthread_mutex_unlock(&waiters.lock);
}

void fm_backing_wake_cancelled(void)
{
        struct waiter *waiter;

        pthread_mutex_lock(&waiters.lock);
        for (waiter = waiters.first; waiter; waiter = waiter->next) {
                if (fm_cancel_is_cancelled(waiter->cancel))
                        pthread_kill(waiter->thread, fm_backing_wake_signal());
        }
        pthread_mutex_unlock(&waiters.lock);
}

/* call: returns 0 or a negative errno; -EINTR from a stray signal is tried again. */
static int wait_for(struct fm_cancel *cancel, int (*call)(void *data), void *data)
{
        struct waiter waiter;
        int r = -EINTR;

        if (waiter_enter(&waiter, cancel)) {
                do
                        r = call(data);
                while (r == -EINTR && !fm_cancel_is_cancelled(cancel));
        }
        waiter_leave(&waiter);
        return r;
}

struct ofd_call {
        int fd;
        struct flock lock;
};

static int ofd_wait(void *data)
{
        struct ofd_call *call = data;

        return FM_NEG(fcntl(call->fd, F_OFD_SETLKW, &call->lock));
}

static int flock_wait(void *data)
{
        const int *call = data;

        return FM_NEG(flock(call[0], call[1]));
}

int fm_backing_flock(struct fm_file *file, int operation, struct fm_cancel *cancel)
{
        int call[2] = {file->fd, operation};

        if (operation & (LOCK_NB | LOCK_UN))
                return FM_NEG(flock(file->fd, operation));
        return wait_for(cancel, flock_wait, call);
}

static void owner_free(struct fm_lock_owner *owner)
{
        close(owner->fd);
        g_ptr_array_free(owner->files, true);
        g_array_free(owner->ranges, true);
        g_free(owner);
}

void fm_lock_owners_free(struct fm_inode *inode)
{
        while (inode->lock_owners) {
                struct fm_lock_owner *owner = inode->lock_owners;

                inode->lock_owners = owner->next;
                owner_free(owner);
        }
}

/* The owner, made if there was none, as its user. */
static int owner_get(struct fm_file *file, uint64_t id, pid_t tid, struct fm_lock_owner **ret)
{
        struct fm_inode *inode = file->inode;
        struct fm_lock_owner *owner, *made = NULL;
        int fd;

        for (;;) {
                pthread_mutex_lock(&inode->lock);
                for (owner = inode->lock_owners; owner; owner = owner->next) {
                        if (owner->id == id && !owner->dead)
                                break;
                }
                if (!owner && made) {
                        owner = made;
                        made = NULL;
                        owner->next = inode->lock_owners;
                        inode->lock_owners = owner;
                }
                if (owner) {
                        owner->users++;
                        owner->tid = tid;
                        if (!g_ptr_array_find(owner->files, file, NULL))
                                g_ptr_array_add(owner->files, file);
                        atomic_store_explicit(&file->locked, true, memory_order_relaxed);
                }
                pthread_mutex_unlock(&inode->lock);
                if (owner)
                        break;

                /* The kernel has checked that his own handle is good for the lock; ours must be good for any. */
                fd = fm_backing_open_own(inode, O_RDWR | O_NONBLOCK);
                if (fd < 0)
                        fd = fm_proc_open(file->fd, (file->flags & O_ACCMODE) | O_NONBLOCK);
                if (fd < 0)
                        return fd;
                made = g_new0(struct fm_lock_owner, 1);
                made->id = id;
                made->fd = fd;
                made->files = g_ptr_array_new();
                made->ranges = g_array_new(false, false, sizeof(struct range));
        }
        if (made)
                owner_free(made);
        *ret = owner;
        return 0;
}

/* Unlinks an owner who has left and whose last call has ended; to be freed by the caller of this. */
static struct fm_lock_owner *owner_collect_locked(struct fm_inode *inode, struct fm_lock_owner *owner)
{
        struct fm_lock_owner **p;

        if (!owner->dead || owner->users > 0)
                return NULL;
        for (p = &inode->lock_owners; *p != owner; p = &(*p)->next)
                ;
        *p = owner->next;
        return owner;
}

static void owner_put(struct fm_inode *inode, struct fm_lock_owner *owner)
{
        struct fm_lock_owner *gone;

        pthread_mutex_lock(&inode->lock);
        owner->users--;
        gone = owner_collect_locked(inode, owner);
        pthread_mutex_unlock(&inode->lock);
        if (gone)
                owner_free(gone);
}

static void release_owners(struct fm_inode *inode, const uint64_t *id, struct fm_file *file)
{
        struct fm_lock_owner *owner, *next, *gone = NULL;

        pthread_mutex_lock(&inode->lock);
        for (owner = inode->lock_owners; owner; owner = next) {
                next = owner->next;
                if (id ? owner->id != *id : !g_ptr_array_remove(owner->files, file))
                        continue;
                /* A wait in progress keeps the descriptor; what it holds by now must go at once. */
                owner->dead = true;
                if (owner->users > 0) {
                        struct flock all = {.l_type = F_UNLCK, .l_whence = SEEK_SET};

                        fcntl(owner->fd, F_OFD_SETLK, &all);
                } else if (owner_collect_locked(inode, owner)) {
                        owner->next = gone;
                        gone = owner;
                }
        }
        pthread_mutex_unlock(&inode->lock);
        while (gone) {
                owner = gone;
                gone = gone->next;
                owner_free(owner);
        }
}

void fm_locks_release_file(struct fm_file *file)
{
        release_owners(file->inode, NULL, file);
}

void fm_locks_release_owner(struct fm_inode *inode, uint64_t owner)
{
        release_owners(inode, &owner, NULL);
}

static off_t end_of(const struct flock *lock)
{
        return lock->l_len == 0 ? offset_max : lock->l_start + lock->l_len - 1;
}

static void ranges_set(GArray *ranges, const struct flock *lock)
{
        struct range added = {.start = lock->l_start, .end = end_of(lock), .type = lock->l_type};
        guint i;

        for (i = 0; i < ranges->len;) {
                struct range old = g_array_index(ranges, struct range, i);

                if (old.end < added.start || old.start > added.end) {
                        i++;
                        continue;
                }
                g_array_remove_index_fast(ranges, i);
                if (old.start < added.start) {
                        struct range left = {.start = old.start, .end = added.start - 1, .type = old.type};

                        g_array_append_val(ranges, left);
                }
                if (old.end > added.end) {
                        struct range right = {.start = added.end + 1, .end = old.end, .type = old.type};

                        g_array_append_val(ranges, right);
                }
        }
        if (added.type != F_UNLCK)
                g_array_append_val(ranges, added);
}

/* The thread of one of our own owners whose lock is in the way; 0: it is somebody outside. */
static pid_t find_conflict(struct fm_inode *inode, uint64_t owner_id, const struct flock *lock)
{
        struct fm_lock_owner *owner;
        pid_t tid = 0;
        guint i;

        pthread_mutex_lock(&inode->lock);
        for (owner = inode->lock_owners; owner && tid == 0; owner = owner->next) {
                if (owner->id == owner_id || owner->dead)
                        continue;
                for (i = 0; i < owner->ranges->len; i++) {
                        const struct range *range = &g_array_index(owner->ranges, struct range, i);

                        if (range->start <= end_of(lock) && range->end >= lock->l_start && range->type == lock->l_type)
                                tid = owner->tid;
                }
        }
        pthread_mutex_unlock(&inode->lock);
        return tid;
}

static bool holds_conflicting(const struct fm_lock_owner *owner, const struct flock *lock)
{
        guint i;

        for (i = 0; i < owner->ranges->len; i++) {
                const struct range *range = &g_array_index(owner->ranges, struct range, i);

                if (range->start <= end_of(lock) && range->end >= lock->l_start &&
                    (range->type == F_WRLCK || lock->l_type == F_WRLCK))
                        return true;
        }
        return false;
}

/* Whether somebody whom the pending one waits for waits, himself or through others, for `owner`. */
static bool leads_to_locked(const struct pending *pending, uint64_t owner, unsigned depth)
{
        struct fm_inode *inode = pending->inode;
        g_autoptr(GArray) holders = g_array_new(false, false, sizeof(uint64_t));
        struct fm_lock_owner *holder;
        struct pending *next;
        guint i;

        pthread_mutex_lock(&inode->lock);
        for (holder = inode->lock_owners; holder; holder = holder->next) {
                if (holder->id != pending->owner && !holder->dead && holds_conflicting(holder, pending->lock))
                        g_array_append_val(holders, holder->id);
        }
        pthread_mutex_unlock(&inode->lock);
        for (i = 0; i < holders->len; i++) {
                const uint64_t id = g_array_index(holders, uint64_t, i);

                if (id == owner && depth > 0)
                        return true;
                for (next = pendings.first; next && depth < DEADLOCK_DEPTH; next = next->next) {
                        if (next->owner == id && leads_to_locked(next, owner, depth + 1))
                                return true;
                }
        }
        return false;
}

/* False: to wait would be a deadlock. Else the owner counts as waiting until pending_leave(). */
static bool pending_enter(struct pending *pending)
{
        bool deadlock;

        pthread_mutex_lock(&pendings.lock);
        deadlock = leads_to_locked(pending, pending->owner, 0);
        if (!deadlock) {
                pending->next = pendings.first;
                pendings.first = pending;
        }
        pthread_mutex_unlock(&pendings.lock);
        return !deadlock;
}

static void pending_leave(struct pending *pending)
{
        struct pending **p;

        pthread_mutex_lock(&pendings.lock);
        for (p = &pendings.first; *p != pending; p = &(*p)->next)
                ;
        *p = pending->next;
        pthread_mutex_unlock(&pendings.lock);
}

int fm_backing_getlk(struct fm_file *file, uint64_t owner_id, struct flock *lock)
{
        struct fm_lock_owner *owner;
        int r;

        r = owner_get(file, owner_id, 0, &owner);
        if (r < 0)
                return r;
        lock->l_pid = 0;
        r = FM_NEG(fcntl(owner->fd, F_OFD_GETLK, lock));
        owner_put(file->inode, owner);
        if (r == 0 && lock->l_type != F_UNLCK && lock->l_pid <= 0)
                lock->l_pid = find_conflict(file->inode, owner_id, lock);
        return r;
}

int fm_backing_setlk(struct fm_file *file, uint64_t owner_id, pid_t tid, const struct flock *lock, bool wait,
                     struct fm_cancel *cancel)
{
        struct fm_inode *inode = file->inode;
        struct fm_lock_owner *owner;
        struct ofd_call call;
        int r;

        r = owner_get(file, owner_id, tid, &owner);
        if (r < 0)
                return r;
        call.fd = owner->fd;
        call.lock = *lock;
        call.lock.l_pid = 0;
        r = FM_NEG(fcntl(owner->fd, F_OFD_SETLK, &call.lock));
        if (wait && (r == -EAGAIN || r == -EACCES)) {
                struct pending pending = {.inode = inode, .owner = owner_id, .lock = lock};

                r = -EDEADLK;
                if (pending_enter(&pending)) {
                        r = wait_for(cancel, ofd_wait, &call);
                        pending_leave(&pending);
                }
        }
        if (r == 0) {
                pthread_mutex_lock(&inode->lock);
                if (!owner->dead)
                        ranges_set(owner->ranges, lock);
                pthread_mutex_unlock(&inode->lock);
        }
        owner_put(inode, owner);
        return r == -EACCES ? -EAGAIN : r;
}
