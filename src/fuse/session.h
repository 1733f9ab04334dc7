/* SPDX-License-Identifier: MIT */
/*
 * One mounted volume: a source directory, its mount point, and the threads that serve it.
 *
 * fm_session_open() checks and opens the source; nothing is visible yet. fm_session_mount() makes the mount;
 * fm_session_start() serves it. fm_session_stop() ends it whatever is open or blocked: every operation in
 * progress fails, no mount remains.
 */
#pragma once

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

#include <fltKernel.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "fuse/inode.h"
#include "fuse/mountinfo.h"

struct fm_fsd_ops;

struct fm_session_options {
        double attr_timeout; /* seconds */
        double entry_timeout;
        bool allow_other;
        bool read_only;
        bool classic_unlink;     /* unlink and rmdir are FileDispositionInformation, not ...Ex */
        bool cleanup_each_flush; /* each close(2) of a handle for writing is a CLEANUP, written to or not */
        unsigned sector_size;
        unsigned fd_limit;         /* 0: from RLIMIT_NOFILE */
        const char *mount_options; /* more of them, comma separated; NULL */
};

struct fm_session {
        char *source;      /* absolute */
        char *mount_point; /* absolute */
        struct fm_session_options options;
        PFLT_VOLUME volume; /* NULL in tests of the passthrough alone: then nobody wants anything */
        struct fm_inode_table *inodes;
        struct fm_inode *root;
        int source_fd;
        struct fuse_session *fuse;
        /* How the attached filters let the kernel cache; see caching.c. */
        _Atomic bool direct_io;
        _Atomic bool no_attr_cache;
        _Atomic unsigned filters_generation; /* counts changes of the attached filters */
        _Atomic bool mounted;
        _Atomic bool stopping;
        pthread_mutex_t caching_lock; /* guards changes of direct_io and no_attr_cache, and the five below */
        pthread_t inval_thread;
        pthread_cond_t inval_done; /* inval_busy ended */
        bool inval_running;        /* inval_thread is to be joined */
        bool inval_busy, inval_wanted;
        uint64_t kernel_flags; /* of FUSE_INIT, see handshake.c */
        _Atomic uint64_t init_unique;
        dev_t mount_dev;
        struct fm_workers *workers;
        pthread_mutex_t files_lock; /* guards files */
        struct fm_file *files;      /* open ones */
        char *mount_options;
        bool abandoned; /* operations could not be ended */
};

/* On failure: negative errno, and *error says in one line what is wrong and what to do (malloc'd). */
int fm_session_open(const char *source, const char *mount_point, const struct fm_session_options *options,
                    struct fm_session **ret, char **error);
/* Makes the volume known to the filter manager, and mounted to filters. fsd: what is below them. */
int fm_session_add_volume(struct fm_session *session, const struct fm_fsd_ops *fsd, char **error);
int fm_session_mount(struct fm_session *session, char **error);
/* Serves on threads of its own; ended: called once, on one of them, when the mount has gone for whatever reason. */
int fm_session_start(struct fm_session *session, void (*ended)(struct fm_session *session, void *data), void *data);
/*
 * Takes the mount away, and leaves the rest to the end of the session that follows. -EBUSY: something is open. -ENOENT:
 * it is not there any more. *error says what is wrong (malloc'd).
 */
int fm_session_unmount(struct fm_session *session, enum fm_mount_end how, char **error);
/* Unmounts, lazily if it must, ends what is in progress, and waits for the threads. Idempotent. */
void fm_session_stop(struct fm_session *session);
/* After stop; removes the volume. NULL is allowed. */
void fm_session_free(struct fm_session *session);
