/* SPDX-License-Identifier: MIT */
/*
 * The inode table: finding, naming and forgetting. Descriptors are inode_fd.c's business.
 *
 * A reference count that has reached zero never rises again: who finds such an inode in the table
 * unhashes it and makes another one.
 */
#include "fuse/inode-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "fltmgr/name.h"
#include "fltmgr/objects.h"
#include "fuse/backing-internal.h"
#include "fuse/session.h"

enum {
        ROOT_ID = 1,      /* FUSE_ROOT_ID */
        MAX_DEPTH = 8192, /* of a path; a loop of stale names ends there */
};

static uint64_t mix(uint64_t x)
{
        x ^= x >> 32;
        x *= UINT64_C(0x9e3779b97f4a7c15);
        return x ^ (x >> 29);
}

static struct fm_inode_shard *shard_by_key(struct fm_inode_table *table, const struct fm_device *device, ino_t ino,
                                           uint64_t *ret_hash)
{
        *ret_hash = mix(ino ^ (uint64_t)device->index << 48);
        return &table->by_key[*ret_hash % FM_INODE_SHARDS];
}

static struct fm_inode_shard *shard_by_id(struct fm_inode_table *table, uint64_t id, uint64_t *ret_hash)
{
        *ret_hash = mix(id >> 4);
        return &table->by_id[*ret_hash % FM_INODE_SHARDS];
}

static struct fm_inode **bucket(struct fm_inode_shard *shard, uint64_t hash)
{
        return &shard->buckets[hash / FM_INODE_SHARDS & shard->mask];
}

static uint64_t key_hash(const struct fm_inode *inode)
{
        return mix(inode->ino ^ (uint64_t)inode->device->index << 48);
}

static uint64_t id_hash(const struct fm_inode *inode)
{
        return mix(fm_inode_id(inode) >> 4);
}

static struct fm_inode **next_of(struct fm_inode *inode, bool by_id)
{
        return by_id ? &inode->id_next : &inode->hash_next;
}

static void shard_grow_locked(struct fm_inode_shard *shard, bool by_id)
{
        uint32_t old_count = shard->mask + 1, i;
        struct fm_inode **old = shard->buckets;

        shard->buckets = g_new0(struct fm_inode *, old_count * 2);
        shard->mask = old_count * 2 - 1;
        for (i = 0; i < old_count; i++) {
                struct fm_inode *inode, *next;

                for (inode = old[i]; inode; inode = next) {
                        struct fm_inode **head = bucket(shard, by_id ? id_hash(inode) : key_hash(inode));

                        next = *next_of(inode, by_id);
                        *next_of(inode, by_id) = *head;
                        *head = inode;
                }
        }
        g_free(old);
}

static void shard_insert_locked(struct fm_inode_shard *shard, uint64_t hash, struct fm_inode *inode, bool by_id)
{
        struct fm_inode **head;

        if (shard->count > shard->mask)
                shard_grow_locked(shard, by_id);
        head = bucket(shard, hash);
        *next_of(inode, by_id) = *head;
        *head = inode;
        shard->count++;
}

static void shard_remove_locked(struct fm_inode_shard *shard, uint64_t hash, struct fm_inode *inode, bool by_id)
{
        struct fm_inode **p;

        for (p = bucket(shard, hash); *p; p = next_of(*p, by_id)) {
                if (*p == inode) {
                        *p = *next_of(inode, by_id);
                        shard->count--;
                        return;
                }
        }
}

/* A reference to an inode that somebody else may be dropping. */
static bool ref_unless_dead(struct fm_inode *inode)
{
        uint64_t refs = atomic_load_explicit(&inode->refs, memory_order_relaxed);

        while (refs != 0) {
                if (atomic_compare_exchange_weak(&inode->refs, &refs, refs + 1))
                        return true;
        }
        return false;
}

struct fm_inode *fm_inode_ref(struct fm_inode *inode)
{
        atomic_fetch_add_explicit(&inode->refs, 1, memory_order_relaxed);
        return inode;
}

static void inode_free(struct fm_inode *inode)
{
        fm_inode_close_fd(inode);
        fm_stream_free(atomic_load(&inode->stream));
        fm_lock_owners_free(inode);
        pthread_mutex_destroy(&inode->lock);
        free(inode->name);
        g_free(inode->shown_name);
        free(inode->handle);
        g_free(inode);
}

void fm_inode_unref_n(struct fm_inode *inode, uint64_t count)
{
        while (inode && atomic_fetch_sub(&inode->refs, count) == count) {
                struct fm_inode_table *table = inode->session->inodes;
                struct fm_inode *parent = inode->parent, *shown = inode->shown_parent;
                struct fm_inode_shard *shard;
                uint64_t hash;

                shard = shard_by_key(table, inode->device, inode->ino, &hash);
                pthread_mutex_lock(&shard->lock);
                if (inode->hashed)
                        shard_remove_locked(shard, hash, inode, false);
                pthread_mutex_unlock(&shard->lock);

                shard = shard_by_id(table, fm_inode_id(inode), &hash);
                pthread_mutex_lock(&shard->lock);
                shard_remove_locked(shard, hash, inode, true);
                pthread_mutex_unlock(&shard->lock);

                inode_free(inode);
                fm_inode_unref(shown);
                inode = parent;
                count = 1;
        }
}

void fm_inode_unref(struct fm_inode *inode)
{
        fm_inode_unref_n(inode, 1);
}

uint64_t fm_inode_id(const struct fm_inode *inode)
{
        return inode->is_root ? ROOT_ID : (uintptr_t)inode;
}

struct fm_inode *fm_inode_from_id(struct fm_session *session, uint64_t id)
{
        return id == ROOT_ID ? session->root : (struct fm_inode *)(uintptr_t)id;
}

struct fm_inode *fm_inode_ref_checked(struct fm_session *session, uint64_t id)
{
        struct fm_inode_shard *shard;
        struct fm_inode *inode;
        uint64_t hash;

        if (id == ROOT_ID)
                return fm_inode_ref(session->root);
        shard = shard_by_id(session->inodes, id, &hash);
        pthread_mutex_lock(&shard->lock);
        for (inode = *bucket(shard, hash); inode; inode = inode->id_next) {
                if (fm_inode_id(inode) == id)
                        break;
        }
        if (inode && !ref_unless_dead(inode))
                inode = NULL;
        pthread_mutex_unlock(&shard->lock);
        return inode;
}

uint64_t fm_inode_public_number(struct fm_inode_table *table, struct fm_device *device, ino_t ino)
{
        uint64_t high = (uint64_t)ino >> 48;
        uint64_t *number;
        struct {
                uint64_t device, ino;
        } key = {device->index, ino};

        /*
         * The source's own device shows its numbers as they are. Others get their index on top. What
         * would collide with those gets a number that is never given to another file.
         */
        if (device->index == 0 && (high == 0 || (high > FM_DEVICE_INDEX_MAX && high != 0xffff)))
                return ino;
        if (device->index != 0 && device->index <= FM_DEVICE_INDEX_MAX && high == 0)
                return (uint64_t)device->index << 48 | ino;

        pthread_mutex_lock(&table->numbers_lock);
        number = g_hash_table_lookup(table->numbers, &key);
        if (!number) {
                uint64_t *stored = g_new(uint64_t, 3);

                stored[0] = key.device;
                stored[1] = key.ino;
                stored[2] = UINT64_C(0xffff) << 48 | ++table->last_number;
                g_hash_table_insert(table->numbers, stored, &stored[2]);
                number = &stored[2];
        }
        pthread_mutex_unlock(&table->numbers_lock);
        return *number;
}

static guint number_hash(gconstpointer p)
{
        const uint64_t *key = p;

        return mix(key[0] << 56 ^ key[1]);
}

static gboolean number_equal(gconstpointer a, gconstpointer b)
{
        return memcmp(a, b, 2 * sizeof(uint64_t)) == 0;
}

static struct fm_inode *find_locked(struct fm_inode_shard *shard, uint64_t hash, const struct fm_device *device,
                                    const struct statx *sx)
{
        struct fm_inode **p, *inode;

        for (p = bucket(shard, hash); (inode = *p);) {
                if (inode->device != device || inode->ino != sx->stx_ino) {
                        p = &inode->hash_next;
                        continue;
                }
                /* The number may have been given to a new file while we only had a handle of the old one. */
                if (inode->type == (sx->stx_mode & S_IFMT) && inode->born.tv_sec == sx->stx_btime.tv_sec &&
                    inode->born.tv_nsec == sx->stx_btime.tv_nsec && ref_unless_dead(inode))
                        return inode;
                *p = inode->hash_next;
                inode->hashed = false;
                shard->count--;
        }
        return NULL;
}

static struct fm_inode *find(struct fm_inode_table *table, const struct fm_device *device, const struct statx *sx)
{
        struct fm_inode_shard *shard;
        struct fm_inode *inode;
        uint64_t hash;

        shard = shard_by_key(table, device, sx->stx_ino, &hash);
        pthread_mutex_lock(&shard->lock);
        inode = find_locked(shard, hash, device, sx);
        pthread_mutex_unlock(&shard->lock);
        return inode;
}

/* Takes over fd. If the inode has become known meanwhile, that one is returned. */
static struct fm_inode *add(struct fm_session *session, struct fm_device *device, const struct statx *sx, int fd)
{
        struct fm_inode_table *table = session->inodes;
        struct fm_inode *inode, *known;
        struct fm_inode_shard *shard;
        uint64_t hash;

        inode = g_new0(struct fm_inode, 1);
        inode->session = session;
        inode->device = device;
        inode->ino = sx->stx_ino;
        inode->public_ino = fm_inode_public_number(table, device, sx->stx_ino);
        inode->generation = atomic_fetch_add(&table->next_generation, 1) + 1;
        inode->type = sx->stx_mode & S_IFMT;
        inode->born.tv_sec = sx->stx_btime.tv_sec;
        inode->born.tv_nsec = sx->stx_btime.tv_nsec;
        inode->hashed = true;
        atomic_init(&inode->refs, 1);
        atomic_init(&inode->told_size, -1);
        pthread_mutex_init(&inode->lock, NULL);
        fm_inode_init_fd(inode, fd);

        shard = shard_by_key(table, device, inode->ino, &hash);
        pthread_mutex_lock(&shard->lock);
        known = find_locked(shard, hash, device, sx);
        if (!known)
                shard_insert_locked(shard, hash, inode, false);
        pthread_mutex_unlock(&shard->lock);
        if (known) {
                inode_free(inode);
                return known;
        }

        shard = shard_by_id(table, fm_inode_id(inode), &hash);
        pthread_mutex_lock(&shard->lock);
        shard_insert_locked(shard, hash, inode, true);
        pthread_mutex_unlock(&shard->lock);
        return inode;
}

static void set_name(struct fm_inode *inode, struct fm_inode *parent, const char *name)
{
        struct fm_inode *old = NULL;
        char *old_name = NULL;

        if (inode->is_root)
                return;
        pthread_mutex_lock(&inode->lock);
        if (inode->parent != parent || strcmp(inode->name, name) != 0) {
                old = inode->parent;
                old_name = inode->name;
                inode->parent = fm_inode_ref(parent);
                inode->name = g_strdup(name);
        }
        pthread_mutex_unlock(&inode->lock);
        fm_inode_unref(old);
        g_free(old_name);
}

void fm_inode_renamed(struct fm_inode *inode, struct fm_inode *parent, const char *name)
{
        if (!inode)
                return;
        set_name(inode, parent, name);
        fm_inode_show(inode, NULL, NULL);
        fm_names_forget();
        atomic_store(&inode->keep_fd, false);
}

void fm_inode_unnamed(struct fm_inode *inode, struct fm_inode *parent, const char *name, bool last_link)
{
        struct fm_inode *old = NULL;
        char *old_name = NULL;

        if (!inode)
                return;
        if (last_link) {
                atomic_store(&inode->keep_fd, true);
                fm_inode_show(inode, NULL, NULL);
        }
        pthread_mutex_lock(&inode->lock);
        if (inode->parent && (last_link || (inode->parent == parent && strcmp(inode->name, name) == 0))) {
                old = inode->parent;
                old_name = inode->name;
                inode->parent = NULL;
                inode->name = NULL;
        }
        pthread_mutex_unlock(&inode->lock);
        fm_inode_unref(old);
        g_free(old_name);
}

struct fm_inode *fm_inode_parent(struct fm_inode *inode, char **name)
{
        struct fm_inode *parent;

        if (name)
                *name = NULL;
        if (inode->is_root)
                return fm_inode_ref(inode);
        pthread_mutex_lock(&inode->lock);
        parent = inode->parent ? fm_inode_ref(inode->parent) : NULL;
        if (parent && name)
                *name = g_strdup(inode->name);
        pthread_mutex_unlock(&inode->lock);
        return parent;
}

char *fm_inode_path(struct fm_inode *inode)
{
        GString *path = g_string_new(NULL);
        struct fm_inode *at = fm_inode_ref(inode);
        unsigned depth;

        for (depth = 0; !at->is_root; depth++) {
                char *name;
                struct fm_inode *parent = depth < MAX_DEPTH ? fm_inode_parent(at, &name) : NULL;

                fm_inode_unref(at);
                if (!parent) {
                        g_string_free(path, true);
                        return NULL;
                }
                g_string_prepend(path, name);
                g_string_prepend_c(path, '/');
                g_free(name);
                at = parent;
        }
        fm_inode_unref(at);
        if (path->len == 0)
                g_string_append_c(path, '/');
        return g_string_free(path, false);
}

/* As whoever the thread is; the kernel has checked that the caller may search. */
static int stat_name(int dir_fd, const char *name, struct statx *ret)
{
        const int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;

        if (statx(dir_fd, name, flags, STATX_BASIC_STATS | STATX_BTIME, ret) == 0)
                return 0;
        if (errno != EACCES)
                return -errno;
        fm_credentials_enter(NULL);
        return statx(dir_fd, name, flags, STATX_BASIC_STATS | STATX_BTIME, ret) == 0 ? 0 : -errno;
}

static int open_name(struct fm_inode_table *table, int dir_fd, const char *name)
{
        const int flags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
        int fd = openat(dir_fd, name, flags);

        if (fd < 0 && errno == EACCES) {
                fm_credentials_enter(NULL);
                fd = openat(dir_fd, name, flags);
        }
        if (fd < 0 && errno == EMFILE && fm_inode_table_shrink(table))
                fd = openat(dir_fd, name, flags);
        return fd < 0 ? -errno : fd;
}

static int stat_fd(int fd, struct statx *ret)
{
        return statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, ret) == 0 ? 0 : -errno;
}

/* Takes over fd (an O_PATH descriptor). */
static int inode_of_fd(struct fm_session *session, int fd, struct statx *sx, struct fm_inode **ret)
{
        struct fm_device *device;
        int r;

        r = stat_fd(fd, sx);
        if (r < 0) {
                close(fd);
                return r;
        }
        device = fm_device_get(session->inodes, fd, sx);
        *ret = find(session->inodes, device, sx);
        if (*ret)
                close(fd);
        else
                *ret = add(session, device, sx, fd);
        return 0;
}

int fm_inode_lookup(struct fm_inode *parent, const char *name, struct fm_inode **ret, struct stat *ret_stat)
{
        struct fm_inode_table *table = parent->session->inodes;
        struct fm_device *device;
        struct fm_inode *inode = NULL;
        struct statx sx;
        int dir_fd, fd, r;

        if (!fm_name_is_component(name))
                return -EINVAL;
        dir_fd = fm_inode_pin(parent);
        if (dir_fd < 0)
                return dir_fd;
        r = stat_name(dir_fd, name, &sx);
        if (r == 0) {
                device = fm_device_find(table, makedev(sx.stx_dev_major, sx.stx_dev_minor));
                if (device)
                        inode = find(table, device, &sx);
        }
        if (r == 0 && !inode) {
                fd = open_name(table, dir_fd, name);
                r = fd < 0 ? fd : inode_of_fd(parent->session, fd, &sx, &inode);
        }
        fm_inode_unpin(parent);
        if (r < 0)
                return r;

        set_name(inode, parent, name);
        if (ret_stat)
                fm_stat_from_statx(inode, &sx, ret_stat);
        *ret = inode;
        return 0;
}

int fm_inode_adopt(struct fm_session *session, int fd, struct fm_inode **ret, struct stat *ret_stat)
{
        struct statx sx;
        int path_fd, r;

        path_fd = fm_proc_open(fd, O_PATH);
        if (path_fd < 0)
                return path_fd;
        r = inode_of_fd(session, path_fd, &sx, ret);
        if (r < 0)
                return r;
        if (sx.stx_nlink == 0)
                atomic_store(&(*ret)->keep_fd, true);
        if (ret_stat)
                fm_stat_from_statx(*ret, &sx, ret_stat);
        return 0;
}

struct fm_inode *fm_inode_peek(struct fm_inode *parent, const char *name, struct stat *ret_stat)
{
        struct fm_inode_table *table = parent->session->inodes;
        struct fm_device *device;
        struct fm_inode *inode = NULL;
        struct statx sx = {0};
        int dir_fd;

        memset(ret_stat, 0, sizeof(*ret_stat));
        dir_fd = fm_inode_pin(parent);
        if (dir_fd < 0)
                return NULL;
        if (stat_name(dir_fd, name, &sx) == 0) {
                ret_stat->st_nlink = sx.stx_nlink;
                ret_stat->st_mode = sx.stx_mode;
                device = fm_device_find(table, makedev(sx.stx_dev_major, sx.stx_dev_minor));
                if (device)
                        inode = find(table, device, &sx);
        }
        fm_inode_unpin(parent);
        return inode;
}

static void shards_init(struct fm_inode_shard *shards)
{
        unsigned i;

        for (i = 0; i < FM_INODE_SHARDS; i++) {
                pthread_mutex_init(&shards[i].lock, NULL);
                shards[i].mask = 15;
                shards[i].buckets = g_new0(struct fm_inode *, 16);
        }
}

static void shards_deinit(struct fm_inode_shard *shards)
{
        unsigned i;

        for (i = 0; i < FM_INODE_SHARDS; i++) {
                pthread_mutex_destroy(&shards[i].lock);
                g_free(shards[i].buckets);
        }
}

int fm_inode_table_new(struct fm_session *session, int source_fd, unsigned fd_limit, struct fm_inode_table **ret,
                       struct fm_inode **ret_root)
{
        struct fm_inode_table *table = g_new0(struct fm_inode_table, 1);
        struct statx sx;
        int fd, r;

        shards_init(table->by_key);
        shards_init(table->by_id);
        pthread_mutex_init(&table->numbers_lock, NULL);
        table->numbers = g_hash_table_new_full(number_hash, number_equal, g_free, NULL);
        fm_inode_table_init_fds(table, fd_limit);

        /* add() finds the table through the session. */
        session->inodes = table;
        *ret = table;
        fd = openat(source_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
        r = fd < 0 ? -errno : inode_of_fd(session, fd, &sx, ret_root);
        if (r < 0) {
                session->inodes = NULL;
                fm_inode_table_free(table);
                *ret = NULL;
                return r;
        }
        fm_inode_set_root(*ret_root);
        return 0;
}

void fm_inode_set_root(struct fm_inode *inode)
{
        struct fm_inode_table *table = inode->session->inodes;
        struct fm_inode_shard *shard;
        uint64_t hash;

        /* Its node id changes. */
        shard = shard_by_id(table, fm_inode_id(inode), &hash);
        shard_remove_locked(shard, hash, inode, true);
        inode->is_root = true;
        atomic_store(&inode->keep_fd, true);
        shard = shard_by_id(table, fm_inode_id(inode), &hash);
        shard_insert_locked(shard, hash, inode, true);
}

void fm_inode_table_each(struct fm_inode_table *table, void (*each)(struct fm_inode *inode, void *data), void *data)
{
        unsigned i;
        uint32_t j;

        for (i = 0; i < FM_INODE_SHARDS; i++) {
                struct fm_inode_shard *shard = &table->by_id[i];
                g_autoptr(GPtrArray) found = g_ptr_array_new();
                struct fm_inode *inode;

                pthread_mutex_lock(&shard->lock);
                for (j = 0; j <= shard->mask; j++) {
                        for (inode = shard->buckets[j]; inode; inode = inode->id_next) {
                                if (ref_unless_dead(inode))
                                        g_ptr_array_add(found, inode);
                        }
                }
                pthread_mutex_unlock(&shard->lock);
                for (j = 0; j < found->len; j++) {
                        each(found->pdata[j], data);
                        fm_inode_unref(found->pdata[j]);
                }
        }
}

void fm_inode_table_free(struct fm_inode_table *table)
{
        unsigned i;
        uint32_t j;

        if (!table)
                return;
        for (i = 0; i < FM_INODE_SHARDS; i++) {
                struct fm_inode_shard *shard = &table->by_id[i];

                for (j = 0; j <= shard->mask; j++) {
                        while (shard->buckets[j]) {
                                struct fm_inode *inode = shard->buckets[j];

                                shard->buckets[j] = inode->id_next;
                                inode_free(inode);
                        }
                }
        }
        fm_inode_table_deinit_fds(table);
        shards_deinit(table->by_key);
        shards_deinit(table->by_id);
        g_hash_table_destroy(table->numbers);
        pthread_mutex_destroy(&table->numbers_lock);
        g_free(table);
}

uint64_t fm_inode_table_size(struct fm_inode_table *table)
{
        uint64_t size = 0;
        unsigned i;

        for (i = 0; i < FM_INODE_SHARDS; i++) {
                pthread_mutex_lock(&table->by_id[i].lock);
                size += table->by_id[i].count;
                pthread_mutex_unlock(&table->by_id[i].lock);
        }
        return size;
}
