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

        if (!inode->is_root)
                fuse_lowlevel_notify_inval_inode(session->fuse, fm_inode_id(inode), 0, 0);
}

/* On a thread of its own: the kernel may first want something from us. */
static void *inval_all(void *data)
{
        struct fm_session *session = data;

        fm_inode_table_each(session->inodes, inval_inode, session);
        return NULL;
}

void fm_caching_update(PFLT_VOLUME volume)
{
        struct fm_session *session = volume->fsd_context;
        bool direct_io, no_attr_cache, stricter;

        pthread_mutex_lock(&session->caching_lock);
        direct_io = fm_volume_wants(volume, read_majors());
        no_attr_cache = fm_volume_wants(volume, query_majors());
        stricter = (direct_io && !session->direct_io) || (no_attr_cache && !session->no_attr_cache);
        atomic_store(&session->direct_io, direct_io);
        atomic_store(&session->no_attr_cache, no_attr_cache);
        if (stricter && session->mounted && !session->stopping) {
                if (session->inval_running)
                        pthread_join(session->inval_thread, NULL);
                session->inval_running = pthread_create(&session->inval_thread, NULL, inval_all, session) == 0;
        }
        pthread_mutex_unlock(&session->caching_lock);
}

void fm_caching_finish(struct fm_session *session)
{
        pthread_mutex_lock(&session->caching_lock);
        if (session->inval_running)
                pthread_join(session->inval_thread, NULL);
        session->inval_running = false;
        pthread_mutex_unlock(&session->caching_lock);
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

double fm_caching_attr_timeout(const struct fm_session *session)
{
        return atomic_load_explicit(&session->no_attr_cache, memory_order_relaxed) ? 0 : session->options.attr_timeout;
}

void fm_caching_fill_entry(struct fm_inode *inode, const struct stat *attr, struct fuse_entry_param *ret)
{
        fm_caching_told(inode, attr);
        memset(ret, 0, sizeof(*ret));
        ret->ino = fm_inode_id(inode);
        ret->generation = inode->generation;
        ret->attr = *attr;
        ret->attr_timeout = fm_caching_attr_timeout(inode->session);
        ret->entry_timeout = inode->session->options.entry_timeout;
}
