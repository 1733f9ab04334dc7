/* SPDX-License-Identifier: MIT */
/*
 * What inode.c and inode_fd.c share: the table, the devices below it, and the ring of open descriptors.
 */
#pragma once

#include <glib.h>
#include <pthread.h>

#include "fuse/inode.h"

enum {
        FM_INODE_SHARDS = 64,
        FM_DEVICE_INDEX_MAX = 255,
};

/* A backing device; they are never forgotten. */
struct fm_device {
        struct fm_device *next;
        dev_t dev;
        uint32_t index;       /* 0: the source directory's own */
        _Atomic int mount_fd; /* for open_by_handle_at(); -1: no handles (yet) */
        _Atomic bool probed;
};

struct fm_inode_shard {
        pthread_mutex_t lock; /* guards all below and, of the inodes in it, hashed and the chain */
        struct fm_inode **buckets;
        uint32_t mask;
        uint32_t count;
};

struct fm_inode_table {
        struct fm_inode_shard by_key[FM_INODE_SHARDS];
        struct fm_inode_shard by_id[FM_INODE_SHARDS];
        _Atomic uint64_t next_generation;

        _Atomic(struct fm_device *) devices; /* a list that only grows, at its head */
        pthread_mutex_t devices_lock;        /* for adding to it */
        uint32_t device_count;

        pthread_mutex_t numbers_lock; /* guards the two below */
        GHashTable *numbers;
        uint64_t last_number;

        pthread_mutex_t fd_lock; /* guards the ring and every opening and closing of inode.fd */
        GPtrArray *ring;
        guint hand;
        unsigned fd_limit;         /* with handles */
        unsigned fd_limit_by_name; /* when only names can bring a descriptor back */
};

struct fm_device *fm_device_find(struct fm_inode_table *table, dev_t dev);
/* fd: of a file on it. Never NULL. */
struct fm_device *fm_device_get(struct fm_inode_table *table, int fd, const struct statx *sx);

void fm_inode_table_init_fds(struct fm_inode_table *table, unsigned fd_limit);
void fm_inode_table_deinit_fds(struct fm_inode_table *table);
/* Closes some descriptors that can be had again; false: there are none. */
bool fm_inode_table_shrink(struct fm_inode_table *table);
/* Takes over fd, an O_PATH descriptor of the new inode. */
void fm_inode_init_fd(struct fm_inode *inode, int fd);
/* Of an inode that nobody uses any more. */
void fm_inode_close_fd(struct fm_inode *inode);
void fm_inode_set_root(struct fm_inode *inode);
