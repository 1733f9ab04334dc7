/* SPDX-License-Identifier: MIT */
/*
 * See request.h. The kernel tells of a signal once. What it was for can only be seen in /proc, and a harmless one may
 * be followed by a fatal one, so interrupted requests are looked at again until they end.
 *
 * Lock: `monitor.lock` guards the list and each request's monitored, signalled, next and prev. libfuse calls
 * on_interrupt() with a lock of its own held, so that does no more than to wake the monitor.
 */
#include "fuse/request.h"

#include <errno.h>
#include <glib.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "fuse/caching.h"
#include "fuse/request-internal.h"
#include "fuse/session.h"
#include "nt/process.h"

enum {
        LOOK_AGAIN_MS = 100,
        ERROR_MAX = 511, /* the kernel takes no more */
};

static struct {
        pthread_mutex_t lock;
        pthread_cond_t wake;
        struct fm_request *first;
        bool kicked; /* somebody has been signalled since the last look */
        bool stop;
        pthread_t thread;
        bool running;
} monitor = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct fm_session *fm_request_session(fuse_req_t req)
{
        return fuse_req_userdata(req);
}

void fm_request_get_caller(fuse_req_t req, struct fm_caller *ret)
{
        const struct fuse_ctx *context = fuse_req_ctx(req);

        ret->uid = context->uid;
        ret->gid = context->gid;
        ret->tid = context->pid;
        ret->umask = context->umask & 0777;
}

static void kick_locked(void)
{
        monitor.kicked = true;
        if (monitor.running)
                pthread_cond_signal(&monitor.wake);
}

static void on_interrupt(fuse_req_t req, void *data)
{
        struct fm_request *request = data;

        pthread_mutex_lock(&monitor.lock);
        request->signalled = true;
        kick_locked();
        pthread_mutex_unlock(&monitor.lock);
}

struct fm_request *fm_request_new(fuse_req_t req)
{
        struct fm_request *request = g_new0(struct fm_request, 1);

        request->session = fm_request_session(req);
        fm_request_get_caller(req, &request->caller);
        fm_cancel_init(&request->cancel);
        request->req = req;
        atomic_init(&request->refs, 1);

        /* Whoever finds it in the list may answer it, and then req is gone. */
        fuse_req_interrupt_func(req, on_interrupt, request);
        pthread_mutex_lock(&monitor.lock);
        request->next = monitor.first;
        if (monitor.first)
                monitor.first->prev = request;
        monitor.first = request;
        request->monitored = true;
        if (request->signalled)
                kick_locked();
        pthread_mutex_unlock(&monitor.lock);
        return request;
}

static void request_unref(struct fm_request *request)
{
        if (atomic_fetch_sub(&request->refs, 1) != 1)
                return;
        fm_cancel_deinit(&request->cancel);
        g_free(request);
}

void fm_request_free(struct fm_request *request)
{
        /* Nobody may be left waiting, whatever went wrong. */
        fm_request_reply_error(request, EIO);
        pthread_mutex_lock(&monitor.lock);
        if (request->prev)
                request->prev->next = request->next;
        else
                monitor.first = request->next;
        if (request->next)
                request->next->prev = request->prev;
        request->monitored = false;
        pthread_mutex_unlock(&monitor.lock);
        request_unref(request);
}

/* The right to answer. After it returned true, on_interrupt() is not running and does not come any more. */
static bool claim(struct fm_request *request)
{
        if (atomic_exchange(&request->replied, true))
                return false;
        fuse_req_interrupt_func(request->req, NULL, NULL);
        return true;
}

static void look_at(struct fm_request *request)
{
        bool dying = fm_thread_is_dying(request->caller.tid);

        fm_cancel_signal(&request->cancel, dying);
        /* He can't be killed before he has his answer. */
        if (dying && claim(request))
                fuse_reply_err(request->req, EINTR);
}

/* References to the requests that match, so that they can be looked at without the lock. */
static GPtrArray *collect(const struct fm_session *session)
{
        GPtrArray *found = g_ptr_array_new();
        struct fm_request *request;

        pthread_mutex_lock(&monitor.lock);
        for (request = monitor.first; request; request = request->next) {
                if (session ? request->session != session : !request->signalled)
                        continue;
                atomic_fetch_add(&request->refs, 1);
                g_ptr_array_add(found, request);
        }
        pthread_mutex_unlock(&monitor.lock);
        return found;
}

static void *monitor_run(void *data)
{
        bool busy = false;
        guint i;

        pthread_mutex_lock(&monitor.lock);
        while (!monitor.stop) {
                g_autoptr(GPtrArray) found = NULL;

                if (!monitor.kicked && !busy) {
                        pthread_cond_wait(&monitor.wake, &monitor.lock);
                        continue;
                }
                if (!monitor.kicked) {
                        struct timespec until;

                        clock_gettime(CLOCK_MONOTONIC, &until);
                        until.tv_nsec += LOOK_AGAIN_MS * 1000 * 1000;
                        until.tv_sec += until.tv_nsec / 1000000000;
                        until.tv_nsec %= 1000000000;
                        pthread_cond_timedwait(&monitor.wake, &monitor.lock, &until);
                }
                monitor.kicked = false;
                pthread_mutex_unlock(&monitor.lock);

                found = collect(NULL);
                busy = found->len > 0;
                for (i = 0; i < found->len; i++)
                        look_at(found->pdata[i]);
                fm_backing_wake_cancelled();
                for (i = 0; i < found->len; i++)
                        request_unref(found->pdata[i]);
                pthread_mutex_lock(&monitor.lock);
        }
        pthread_mutex_unlock(&monitor.lock);
        return NULL;
}

int fm_request_monitor_start(void)
{
        pthread_condattr_t attr;
        int r;

        if (monitor.running)
                return 0;
        pthread_condattr_init(&attr);
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        pthread_cond_init(&monitor.wake, &attr);
        pthread_condattr_destroy(&attr);
        monitor.stop = false;
        r = pthread_create(&monitor.thread, NULL, monitor_run, NULL);
        if (r != 0) {
                pthread_cond_destroy(&monitor.wake);
                return -r;
        }
        pthread_mutex_lock(&monitor.lock);
        monitor.running = true;
        pthread_mutex_unlock(&monitor.lock);
        return 0;
}

void fm_request_monitor_stop(void)
{
        if (!monitor.running)
                return;
        pthread_mutex_lock(&monitor.lock);
        monitor.stop = true;
        pthread_cond_signal(&monitor.wake);
        pthread_mutex_unlock(&monitor.lock);
        pthread_join(monitor.thread, NULL);
        pthread_mutex_lock(&monitor.lock);
        monitor.running = false;
        pthread_mutex_unlock(&monitor.lock);
        pthread_cond_destroy(&monitor.wake);
}

unsigned fm_request_end_all(struct fm_session *session)
{
        g_autoptr(GPtrArray) found = collect(session);
        guint i;

        for (i = 0; i < found->len; i++) {
                struct fm_request *request = found->pdata[i];

                fm_cancel_signal(&request->cancel, true);
        }
        fm_backing_wake_cancelled();
        for (i = 0; i < found->len; i++)
                request_unref(found->pdata[i]);
        return found->len;
}

int fm_reply_errno(int error)
{
        if (error == ENOSYS)
                return EOPNOTSUPP; /* the kernel would never ask again */
        return error < 0 || error > ERROR_MAX ? EIO : error;
}

bool fm_request_reply_error(struct fm_request *request, int error)
{
        return claim(request) && fuse_reply_err(request->req, fm_reply_errno(error)) == 0;
}

bool fm_request_reply_entry(struct fm_request *request, struct fm_inode *inode, const struct stat *attr)
{
        struct fuse_entry_param entry;

        fm_caching_fill_entry(inode, attr, &entry);
        if (claim(request) && fuse_reply_entry(request->req, &entry) == 0) {
                fm_caching_answered(request->session, entry.ino, entry.attr_timeout);
                return true;
        }
        fm_inode_unref(inode);
        return false;
}

bool fm_request_reply_attr(struct fm_request *request, const struct stat *attr)
{
        return claim(request) && fuse_reply_attr(request->req, attr, fm_caching_attr_timeout(request->session)) == 0;
}

bool fm_request_reply_readlink(struct fm_request *request, const char *target)
{
        return claim(request) && fuse_reply_readlink(request->req, target) == 0;
}

bool fm_request_reply_open(struct fm_request *request, struct fm_file *file, const struct stat *attr,
                           struct fuse_file_info *fi)
{
        fm_caching_fill(file, attr, fi);
        return claim(request) && fuse_reply_open(request->req, fi) == 0;
}

bool fm_request_reply_create(struct fm_request *request, struct fm_file *file, const struct stat *attr,
                             struct fuse_file_info *fi)
{
        struct fm_inode *inode = fm_inode_ref(file->inode);
        struct fuse_entry_param entry;

        fm_caching_fill(file, attr, fi);
        fm_caching_fill_entry(inode, attr, &entry);
        if (claim(request) && fuse_reply_create(request->req, &entry, fi) == 0) {
                fm_caching_answered(request->session, entry.ino, entry.attr_timeout);
                return true;
        }
        fm_inode_unref(inode);
        return false;
}

bool fm_request_reply_write(struct fm_request *request, size_t count)
{
        return claim(request) && fuse_reply_write(request->req, count) == 0;
}

bool fm_request_reply_buffer(struct fm_request *request, const void *data, size_t size)
{
        return claim(request) && fuse_reply_buf(request->req, data, size) == 0;
}

bool fm_request_reply_statfs(struct fm_request *request, const struct statvfs *info)
{
        return claim(request) && fuse_reply_statfs(request->req, info) == 0;
}

bool fm_request_reply_xattr_size(struct fm_request *request, size_t size)
{
        return claim(request) && fuse_reply_xattr(request->req, size) == 0;
}

bool fm_request_reply_lock(struct fm_request *request, const struct flock *lock)
{
        return claim(request) && fuse_reply_lock(request->req, lock) == 0;
}

bool fm_request_reply_ioctl(struct fm_request *request, int result, const void *data, size_t size)
{
        return claim(request) && fuse_reply_ioctl(request->req, result, data, size) == 0;
}

bool fm_request_reply_lseek(struct fm_request *request, off_t offset)
{
        return claim(request) && fuse_reply_lseek(request->req, offset) == 0;
}

size_t fm_add_entry(char *buffer, size_t space, bool plus, const struct fm_directory_entry *entry,
                    struct fm_inode *inode, const struct stat *attr)
{
        struct fuse_entry_param param;
        struct stat plain = {.st_ino = entry->ino, .st_mode = DTTOIF(entry->type)};
        size_t size;

        if (!plus) {
                size = fuse_add_direntry(NULL, buffer, space, entry->name, &plain, entry->next);
                return size <= space ? size : 0;
        }
        if (inode) {
                fm_caching_fill_entry(inode, attr, &param);
        } else {
                memset(&param, 0, sizeof(param));
                param.attr = plain;
        }
        size = fuse_add_direntry_plus(NULL, buffer, space, entry->name, &param, entry->next);
        return size <= space ? size : 0;
}

size_t fm_request_add_entry(struct fm_request *request, char *buffer, size_t space, bool plus,
                            const struct fm_directory_entry *entry, struct fm_inode *inode, const struct stat *attr)
{
        return fm_add_entry(buffer, space, plus, entry, inode, attr);
}
