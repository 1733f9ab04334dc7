/* SPDX-License-Identifier: MIT */
/*
 * The files that the kernel, an open handle or an operation knows at the moment.
 *
 * An inode of the backing directory is one fm_inode, found by (device, inode number), however many
 * names it has. It is alive as long as somebody holds a reference; each lookup of the kernel is one.
 * Its address is the FUSE node id (the root's is FUSE_ROOT_ID). It is reached through an O_PATH
 * descriptor, which may be closed when many are open, and reopened through a file handle or through
 * the last known name, never through a path walk that follows anything.
 *
 * Locks: a shard of the table, then fm_inode.lock, then the descriptor lock of the table. None is held
 * across anything but a system call on the backing directory.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

struct fm_device;
struct fm_inode_table;
struct fm_lock_owner;
struct fm_session;
struct fm_stream;

/* What a file looked like when its pages were last known to be right. */
struct fm_content_stamp {
        struct timespec mtime, ctime;
        off_t size;
};

/* A file's size, and what filters made of it. */
struct fm_size_view {
        off_t real, shown;
        unsigned generation; /* of the session: the filters that did it */
};

struct fm_inode {
        struct fm_session *session; /* borrowed; outlives every inode */
        struct fm_device *device;   /* borrowed */
        ino_t ino;                  /* on the backing device */
        uint64_t public_ino;        /* what the mount shows */
        uint64_t generation;        /* never used twice by one mount */
        mode_t type;                /* S_IFMT bits */
        struct timespec born;
        _Atomic uint64_t refs;

        pthread_mutex_t lock;          /* guards the next group */
        struct fm_inode *parent;       /* reference; NULL: no known name */
        char *name;                    /* of the last lookup */
        struct fm_inode *shown_parent; /* reference; with shown_name: where filters show it. NULL: where it is */
        char *shown_name;
        struct fm_content_stamp stamp; /* valid if stamped */
        bool stamped;
        struct fm_lock_owner *lock_owners;
        struct fm_size_view view; /* valid if viewed */

        _Atomic bool viewed; /* filters have shown another size than the file's: caching.c */

        _Atomic int64_t told_size; /* what the kernel was last told; -1: nothing yet */

        _Atomic bool is_shown; /* shown_parent is set: inode_shown.c */

        /*
         * Slot of the slow path: made on first use (compare and exchange from NULL), freed with
         * fm_stream_free() when the inode goes.
         */
        _Atomic(struct fm_stream *) stream;
        /* For the slow path: opens wait while it is not 0 (a cleanup that its closer waits for is running). */
        _Atomic uint32_t cleanups;
        _Atomic uint32_t open_files;

        /* The table's own. */
        struct fm_inode *hash_next, *id_next;
        bool hashed;
        bool is_root;
        struct file_handle *handle; /* NULL: the file system has none, or we may not use them */
        _Atomic int fd;
        _Atomic int pins;
        _Atomic bool recently_used;
        _Atomic bool keep_fd; /* has no name any more: the descriptor can't be had again */
        int ring_slot;        /* -1: not in the ring */
};

struct fm_inode *fm_inode_ref(struct fm_inode *inode);
void fm_inode_unref(struct fm_inode *inode); /* NULL is allowed */
void fm_inode_unref_n(struct fm_inode *inode, uint64_t count);

/* "/a/b" from the root ("/"), malloc'd; NULL if it has no (known) name any more. */
char *fm_inode_path(struct fm_inode *inode);
/* Reference to the directory it was last found in (the root's is the root) or NULL; *name (may be NULL) is malloc'd. */
struct fm_inode *fm_inode_parent(struct fm_inode *inode, char **name);

/* The same where filters show it: what the kernel, and so a caller, calls it. */
char *fm_inode_shown_path(struct fm_inode *inode);
/* Filters show it as name in parent (NULL: where it is). -ELOOP: that is inside itself. */
int fm_inode_show(struct fm_inode *inode, struct fm_inode *parent, const char *name);

static inline bool fm_inode_is_directory(const struct fm_inode *inode)
{
        return S_ISDIR(inode->type);
}

/* An O_PATH descriptor that stays valid until fm_inode_unpin(); negative errno (ESTALE: the file is gone). */
int fm_inode_pin(struct fm_inode *inode);
void fm_inode_unpin(struct fm_inode *inode);

/* Node ids. From a request: trusted, borrowed. Checked (lookups of "." may carry any number): a reference or NULL. */
uint64_t fm_inode_id(const struct fm_inode *inode);
struct fm_inode *fm_inode_from_id(struct fm_session *session, uint64_t id);
struct fm_inode *fm_inode_ref_checked(struct fm_session *session, uint64_t id);

/*
 * The inode of `name` in `parent`: a new reference in *ret and its attributes (st_ino is the public one).
 * Remembers the name. Single component, never "." or "..", symlinks are not followed.
 */
int fm_inode_lookup(struct fm_inode *parent, const char *name, struct fm_inode **ret, struct stat *ret_stat);
/* The same for a file that has no name: fd is an open descriptor of it and stays the caller's. */
int fm_inode_adopt(struct fm_session *session, int fd, struct fm_inode **ret, struct stat *ret_stat);

/* To be told after the change happened on the backing directory. inode may be NULL (not known). */
void fm_inode_renamed(struct fm_inode *inode, struct fm_inode *parent, const char *name);
void fm_inode_unnamed(struct fm_inode *inode, struct fm_inode *parent, const char *name, bool last_link);
/*
 * A known inode by name, without making one: reference or NULL. Only st_mode and st_nlink of *ret_stat are set
 * (st_nlink 0: there is no such file).
 */
struct fm_inode *fm_inode_peek(struct fm_inode *parent, const char *name, struct stat *ret_stat);

/*
 * A known inode by the number that the mount shows (FILE_OPEN_BY_FILE_ID): a reference, or NULL. May be slow.
 */
struct fm_inode *fm_inode_ref_by_number(struct fm_session *session, uint64_t public_ino);

/* Number shown for (device, ino); directories use it for d_ino. */
uint64_t fm_inode_public_number(struct fm_inode_table *table, struct fm_device *device, ino_t ino);

/*
 * source_fd: the source directory, open for reading; stays the caller's. fd_limit: how many descriptors the table
 * may keep open. *ret_root: the root, whose reference belongs to the table.
 */
int fm_inode_table_new(struct fm_session *session, int source_fd, unsigned fd_limit, struct fm_inode_table **ret,
                       struct fm_inode **ret_root);
/* Drops every inode, whoever still counts references: nothing may use them any more. */
void fm_inode_table_free(struct fm_inode_table *table);
unsigned fm_inode_table_open_fds(struct fm_inode_table *table);
uint64_t fm_inode_table_size(struct fm_inode_table *table);
/* Calls each with every inode that is alive, without a lock. */
void fm_inode_table_each(struct fm_inode_table *table, void (*each)(struct fm_inode *inode, void *data), void *data);
