/* SPDX-License-Identifier: MIT */
/* See caching.h. */
#include "fuse/caching.h"

#include <glib.h>
#include <string.h>
#include <time.h>

#include "fltmgr/objects.h"

enum {
        /* A file changed less than this ago may change again without its times showing it. */
        TIME_GRAIN_NS = 20 * 1000 * 1000,
        INVAL_WAIT_SECONDS = 2,
};

static uint64_t read_majors(void)
{
        return fm_major_bit(IRP_MJ_READ);
}

static uint64_t query_majors(void)
{
        return fm_major_bit(IRP_MJ_QUERY_INFORMATION) | fm_major_bit(IRP_MJ_QUERY_OPEN) |
               fm_major_bit(IRP_MJ_NETWORK_QUERY_OPEN);
}

static void inval_inode(struct fm_inode *inode, void *data)
{
        struct fm_session *session = data;

        if (!atomic_load(&session->stopping))
                fuse_lowlevel_notify_inval_inode(session->fuse, fm_inode_id(inode), 0, 0);
}

/* On a thread of its own: the kernel may first want something from us. */
static void *inval_all(void *data)
{
        struct fm_session *session = data;

        pthread_mutex_lock(&session->caching_lock);
        while (session->inval_wanted) {
                session->inval_wanted = false;
                pthread_mutex_unlock(&session->caching_lock);
                fm_inode_table_each(session->inodes, inval_inode, session);
                pthread_mutex_lock(&session->caching_lock);
        }
        session->inval_busy = false;
        pthread_cond_broadcast(&session->inval_done);
        pthread_mutex_unlock(&session->caching_lock);
        return NULL;
}

/* What is cached is gone when an attach returns, unless the kernel waits for somebody who takes long. */
static void inval_and_wait_locked(struct fm_session *session)
{
        struct timespec until;

        session->inval_wanted = true;
        if (!session->inval_busy) {
                /* One that is not busy any more is over. */
                if (session->inval_running)
                        pthread_join(session->inval_thread, NULL);
                session->inval_running = session->inval_busy =
                        pthread_create(&session->inval_thread, NULL, inval_all, session) == 0;
        }
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += INVAL_WAIT_SECONDS;
        while (session->inval_busy &&
               pthread_cond_timedwait(&session->inval_done, &session->caching_lock, &until) == 0)
                ;
}

void fm_caching_update(PFLT_VOLUME volume)
{
        struct fm_session *session = volume->fsd_context;
        bool direct_io, no_attr_cache, stricter;

        pthread_mutex_lock(&session->caching_lock);
        atomic_fetch_add(&session->filters_generation, 1);
        direct_io = fm_volume_wants(volume, read_majors());
        no_attr_cache = fm_volume_wants(volume, query_majors());
        stricter = (direct_io && !session->direct_io) || (no_attr_cache && !session->no_attr_cache);
        atomic_store(&session->direct_io, direct_io);
        atomic_store(&session->no_attr_cache, no_attr_cache);
        if (stricter && session->mounted && !session->stopping)
                inval_and_wait_locked(session);
        pthread_mutex_unlock(&session->caching_lock);
}

void fm_caching_finish(struct fm_session *session)
{
        pthread_t thread;
        bool running;

        /* The session is stopping: nobody starts another. */
        pthread_mutex_lock(&session->caching_lock);
        thread = session->inval_thread;
        running = session->inval_running;
        session->inval_running = false;
        pthread_mutex_unlock(&session->caching_lock);
        if (running)
                pthread_join(thread, NULL);
}

static bool same_time(struct timespec a, struct timespec b)
{
        return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* Whether the pages that the kernel may have are those of the file as it is. */
static bool pages_are_right(struct fm_inode *inode, const struct stat *attr)
{
        struct timespec now;
        bool same, settled;

        clock_gettime(CLOCK_REALTIME_COARSE, &now);
        settled = (now.tv_sec - attr->st_ctim.tv_sec) * INT64_C(1000000000) + now.tv_nsec - attr->st_ctim.tv_nsec >
                  TIME_GRAIN_NS;
        pthread_mutex_lock(&inode->lock);
        same = inode->stamped && same_time(inode->stamp.mtime, attr->st_mtim) &&
               same_time(inode->stamp.ctime, attr->st_ctim) && inode->stamp.size == attr->st_size;
        inode->stamped = settled;
        inode->stamp.mtime = attr->st_mtim;
        inode->stamp.ctime = attr->st_ctim;
        inode->stamp.size = attr->st_size;
        pthread_mutex_unlock(&inode->lock);
        return same;
}

void fm_caching_told(struct fm_inode *inode, const struct stat *attr)
{
        atomic_store_explicit(&inode->told_size, attr->st_size, memory_order_relaxed);
}

/* Changed behind the mount's back: until its attributes expire the kernel would read no further than the old end. */
static void correct_size(struct fm_inode *inode, const struct stat *attr)
{
        int64_t told = atomic_load_explicit(&inode->told_size, memory_order_relaxed);

        if (told < 0 || told == attr->st_size)
                return;
        /* Attributes only (that is what -1 means): this waits for nobody. */
        fuse_lowlevel_notify_inval_inode(inode->session->fuse, fm_inode_id(inode), -1, 0);
        fm_caching_told(inode, attr);
}

void fm_caching_fill(struct fm_file *file, const struct stat *attr, struct fuse_file_info *fi)
{
        struct fm_session *session = file->inode->session;
        struct stat st;

        fi->fh = (uintptr_t)file;
        fi->direct_io = 0;
        fi->keep_cache = 0;
        fi->noflush = 0;
        fi->nonseekable = 0;
        fi->cache_readdir = 0;
        if (file->directory)
                return;
        /* Nothing to clean up after a reader. */
        file->no_flush = !fm_file_is_writable(file);
        fi->noflush = file->no_flush;
        if (atomic_load_explicit(&session->direct_io, memory_order_relaxed)) {
                fi->direct_io = 1;
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 15)
                fi->parallel_direct_writes = 1;
#endif
                return;
        }
        if (!attr && fm_backing_getattr(file->inode, file, &st) == 0)
                attr = &st;
        if (attr) {
                correct_size(file->inode, attr);
                fi->keep_cache = pages_are_right(file->inode, attr);
        }
}

void fm_caching_set_view(struct fm_inode *inode, off_t real, off_t shown)
{
        if (real == shown && !atomic_load_explicit(&inode->viewed, memory_order_relaxed))
                return;
        pthread_mutex_lock(&inode->lock);
        inode->view.real = real;
        inode->view.shown = shown;
        inode->view.generation = atomic_load(&inode->session->filters_generation);
        pthread_mutex_unlock(&inode->lock);
        atomic_store_explicit(&inode->viewed, true, memory_order_release);
}

bool fm_caching_has_view(struct fm_inode *inode)
{
        bool has;

        if (!atomic_load_explicit(&inode->viewed, memory_order_acquire))
                return false;
        pthread_mutex_lock(&inode->lock);
        has = inode->view.generation == atomic_load(&inode->session->filters_generation);
        pthread_mutex_unlock(&inode->lock);
        return has;
}

static void show(struct fm_inode *inode, struct stat *attr)
{
        if (!fm_caching_has_view(inode))
                return;
        pthread_mutex_lock(&inode->lock);
        if (inode->view.real == attr->st_size)
                attr->st_size = inode->view.shown;
        pthread_mutex_unlock(&inode->lock);
}

double fm_caching_attr_timeout(const struct fm_session *session)
{
        return atomic_load_explicit(&session->no_attr_cache, memory_order_relaxed) ? 0 : session->options.attr_timeout;
}

void fm_caching_answered(struct fm_session *session, uint64_t id, double attr_timeout)
{
        if (attr_timeout > 0 && atomic_load(&session->no_attr_cache))
                fuse_lowlevel_notify_inval_inode(session->fuse, id, -1, 0);
}

void fm_caching_fill_entry(struct fm_inode *inode, const struct stat *attr, struct fuse_entry_param *ret)
{
        fm_caching_told(inode, attr);
        memset(ret, 0, sizeof(*ret));
        ret->ino = fm_inode_id(inode);
        ret->generation = inode->generation;
        ret->attr = *attr;
        show(inode, &ret->attr);
        ret->attr_timeout = fm_caching_attr_timeout(inode->session);
        /* A name that a filter has given, or may take away, is the kernel's only for as long as it asks. */
        if (!atomic_load_explicit(&inode->is_shown, memory_order_relaxed) &&
            !(inode->session->volume && fm_volume_wants(inode->session->volume, FM_WANTS_NAMES)))
                ret->entry_timeout = inode->session->options.entry_timeout;
}
