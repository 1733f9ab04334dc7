/* SPDX-License-Identifier: MIT */
/*
 * Descriptors of inodes: an O_PATH descriptor each, as long as there is room, and the way back to it.
 *
 * The ring holds the inodes that have a descriptor; a clock hand picks the one to close. A pinned
 * descriptor is never closed: `pins` counts users, and whoever closes takes it from 0 far below
 * zero in one step. Pinning an open descriptor is one atomic addition.
 */
#include "fuse/inode-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "fuse/backing-internal.h"
#include "fuse/session.h"
#include "fuse/credentials.h"

enum {
        CLOSING = INT_MIN / 2, /* added to pins by who closes the descriptor */
        SHRINK_BATCH = 64,
        FD_LIMIT_MAX = 16384, /* each pins a dentry and an inode in the kernel */
};

struct fm_device *fm_device_find(struct fm_inode_table *table, dev_t dev)
{
        struct fm_device *device;

        for (device = atomic_load_explicit(&table->devices, memory_order_acquire); device; device = device->next) {
                if (device->dev == dev)
                        return device;
        }
        return NULL;
}

static struct file_handle *get_handle(int fd)
{
        struct {
                struct file_handle header;
                unsigned char bytes[MAX_HANDLE_SZ];
        } buffer;
        struct file_handle *handle = (struct file_handle *)&buffer;
        int mount_id;

        handle->handle_bytes = MAX_HANDLE_SZ;
        if (name_to_handle_at(fd, "", handle, &mount_id, AT_EMPTY_PATH) < 0)
                return NULL;
        return g_memdup2(handle, sizeof(*handle) + handle->handle_bytes);
}

/* Whether the device's files can be opened by handle, tried with one of them. */
static void device_probe(struct fm_device *device, int fd, mode_t mode)
{
        g_autofree struct file_handle *handle = NULL;
        int mount_fd, test_fd;

        if (!S_ISDIR(mode) && !S_ISREG(mode))
                return; /* opening it could do anything; the next file may be better */
        if (atomic_exchange(&device->probed, true) || !fm_credentials_are_privileged())
                return;
        handle = get_handle(fd);
        if (!handle)
                return;
        fm_credentials_enter(NULL);
        mount_fd = fm_proc_open(fd, O_RDONLY | O_NONBLOCK | O_NOATIME);
        if (mount_fd < 0)
                return;
        test_fd = open_by_handle_at(mount_fd, handle, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (test_fd < 0) {
                close(mount_fd);
                return;
        }
        close(test_fd);
        atomic_store(&device->mount_fd, mount_fd);
}

struct fm_device *fm_device_get(struct fm_inode_table *table, int fd, const struct statx *sx)
{
        dev_t dev = makedev(sx->stx_dev_major, sx->stx_dev_minor);
        struct fm_device *device = fm_device_find(table, dev);

        if (!device) {
                pthread_mutex_lock(&table->devices_lock);
                device = fm_device_find(table, dev);
                if (!device) {
                        device = g_new0(struct fm_device, 1);
                        device->dev = dev;
                        device->index = table->device_count++;
                        atomic_init(&device->mount_fd, -1);
                        device->next = atomic_load(&table->devices);
                        atomic_store_explicit(&table->devices, device, memory_order_release);
                }
                pthread_mutex_unlock(&table->devices_lock);
        }
        if (!atomic_load_explicit(&device->probed, memory_order_relaxed))
                device_probe(device, fd, sx->stx_mode);
        return device;
}

void fm_inode_table_init_fds(struct fm_inode_table *table, unsigned fd_limit)
{
        struct rlimit limit = {.rlim_cur = 1024};
        uint64_t all;

        getrlimit(RLIMIT_NOFILE, &limit);
        all = MIN(limit.rlim_cur, 1u << 30);
        pthread_mutex_init(&table->devices_lock, NULL);
        pthread_mutex_init(&table->fd_lock, NULL);
        table->ring = g_ptr_array_new();
        table->fd_limit = fd_limit ? fd_limit : MIN(all / 4, FD_LIMIT_MAX);
        table->fd_limit_by_name = fd_limit ? fd_limit : all / 4 * 3;
}

void fm_inode_table_deinit_fds(struct fm_inode_table *table)
{
        struct fm_device *device = atomic_load(&table->devices);

        while (device) {
                struct fm_device *next = device->next;

                if (device->mount_fd >= 0)
                        close(device->mount_fd);
                g_free(device);
                device = next;
        }
        g_ptr_array_free(table->ring, true);
        pthread_mutex_destroy(&table->devices_lock);
        pthread_mutex_destroy(&table->fd_lock);
}

unsigned fm_inode_table_open_fds(struct fm_inode_table *table)
{
        unsigned count;

        pthread_mutex_lock(&table->fd_lock);
        count = table->ring->len;
        pthread_mutex_unlock(&table->fd_lock);
        return count;
}

static void ring_remove_locked(struct fm_inode_table *table, struct fm_inode *inode)
{
        struct fm_inode *last;
        int slot = inode->ring_slot;

        if (slot < 0)
                return;
        last = table->ring->pdata[table->ring->len - 1];
        table->ring->pdata[slot] = last;
        last->ring_slot = slot;
        inode->ring_slot = -1;
        g_ptr_array_set_size(table->ring, table->ring->len - 1);
}

/* Closes one descriptor that can be had again; handles_only: of an inode with a handle. */
static bool evict_one_locked(struct fm_inode_table *table, bool handles_only)
{
        guint steps;

        for (steps = 0; steps < 2 * table->ring->len; steps++) {
                struct fm_inode *inode;
                int unpinned = 0;

                if (table->hand >= table->ring->len)
                        table->hand = 0;
                inode = table->ring->pdata[table->hand++];
                if (atomic_load_explicit(&inode->recently_used, memory_order_relaxed)) {
                        atomic_store_explicit(&inode->recently_used, false, memory_order_relaxed);
                        continue;
                }
                if (atomic_load(&inode->keep_fd) || (!inode->handle && handles_only))
                        continue;
                if (!atomic_compare_exchange_strong(&inode->pins, &unpinned, CLOSING))
                        continue;
                close(atomic_exchange(&inode->fd, -1));
                ring_remove_locked(table, inode);
                atomic_fetch_sub(&inode->pins, CLOSING);
                return true;
        }
        return false;
}

bool fm_inode_table_shrink(struct fm_inode_table *table)
{
        unsigned i;

        pthread_mutex_lock(&table->fd_lock);
        for (i = 0; i < SHRINK_BATCH; i++) {
                if (!evict_one_locked(table, false))
                        break;
        }
        pthread_mutex_unlock(&table->fd_lock);
        return i > 0;
}

static void ring_add_locked(struct fm_inode_table *table, struct fm_inode *inode)
{
        if (table->ring->len >= table->fd_limit && !evict_one_locked(table, true) &&
            table->ring->len >= table->fd_limit_by_name)
                evict_one_locked(table, false);
        inode->ring_slot = table->ring->len;
        g_ptr_array_add(table->ring, inode);
}

void fm_inode_init_fd(struct fm_inode *inode, int fd)
{
        struct fm_inode_table *table = inode->session->inodes;

        if (atomic_load_explicit(&inode->device->mount_fd, memory_order_relaxed) >= 0)
                inode->handle = get_handle(fd);
        atomic_init(&inode->fd, fd);
        atomic_init(&inode->pins, 0);
        /* An inode that is looked up is used at once: the hand must not take it first. */
        atomic_init(&inode->recently_used, true);
        pthread_mutex_lock(&table->fd_lock);
        ring_add_locked(table, inode);
        pthread_mutex_unlock(&table->fd_lock);
}

void fm_inode_close_fd(struct fm_inode *inode)
{
        struct fm_inode_table *table = inode->session->inodes;

        pthread_mutex_lock(&table->fd_lock);
        ring_remove_locked(table, inode);
        pthread_mutex_unlock(&table->fd_lock);
        if (inode->fd >= 0)
                close(inode->fd);
}

static bool is_same_file(struct fm_inode *inode, int fd)
{
        struct statx sx;

        return statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &sx) == 0 && sx.stx_ino == inode->ino &&
               makedev(sx.stx_dev_major, sx.stx_dev_minor) == inode->device->dev &&
               (sx.stx_mode & S_IFMT) == inode->type && sx.stx_btime.tv_sec == inode->born.tv_sec &&
               sx.stx_btime.tv_nsec == inode->born.tv_nsec;
}

static int reopen_by_name(struct fm_inode *inode)
{
        g_autofree char *name = NULL;
        struct fm_inode *parent;
        int dir_fd, fd;

        if (inode->is_root)
                return -ESTALE;
        parent = fm_inode_parent(inode, &name);
        if (!parent)
                return -ESTALE;
        dir_fd = fm_inode_pin(parent);
        if (dir_fd >= 0) {
                fm_credentials_enter(NULL);
                fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
                if (fd < 0 && errno == EMFILE && fm_inode_table_shrink(inode->session->inodes))
                        fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
                fd = fd < 0 ? -errno : fd;
                fm_inode_unpin(parent);
        } else {
                fd = dir_fd;
        }
        fm_inode_unref(parent);
        if (fd >= 0 && !is_same_file(inode, fd)) {
                close(fd);
                fd = -ESTALE;
        }
        return fd == -ENOENT || fd == -ENOTDIR ? -ESTALE : fd;
}

static int reopen(struct fm_inode *inode)
{
        const int flags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
        int mount_fd = atomic_load(&inode->device->mount_fd);
        int fd;

        if (!inode->handle || mount_fd < 0)
                return reopen_by_name(inode);
        fm_credentials_enter(NULL);
        fd = open_by_handle_at(mount_fd, inode->handle, flags);
        if (fd < 0 && errno == EMFILE && fm_inode_table_shrink(inode->session->inodes))
                fd = open_by_handle_at(mount_fd, inode->handle, flags);
        if (fd < 0 && errno == ESTALE)
                return reopen_by_name(inode);
        return fd < 0 ? -errno : fd;
}

int fm_inode_pin(struct fm_inode *inode)
{
        struct fm_inode_table *table = inode->session->inodes;
        int fd, known;

        if (atomic_fetch_add(&inode->pins, 1) >= 0) {
                fd = atomic_load(&inode->fd);
                if (fd >= 0) {
                        if (!atomic_load_explicit(&inode->recently_used, memory_order_relaxed))
                                atomic_store_explicit(&inode->recently_used, true, memory_order_relaxed);
                        return fd;
                }
        }
        atomic_fetch_sub(&inode->pins, 1);

        fd = reopen(inode);
        if (fd < 0)
                return fd;
        pthread_mutex_lock(&table->fd_lock);
        atomic_fetch_add(&inode->pins, 1);
        known = atomic_load(&inode->fd);
        if (known < 0) {
                atomic_store(&inode->fd, fd);
                ring_add_locked(table, inode);
        }
        pthread_mutex_unlock(&table->fd_lock);
        atomic_store_explicit(&inode->recently_used, true, memory_order_relaxed);
        if (known < 0)
                return fd;
        close(fd);
        return known;
}

void fm_inode_unpin(struct fm_inode *inode)
{
        atomic_fetch_sub(&inode->pins, 1);
}
