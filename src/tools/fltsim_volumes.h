/* SPDX-License-Identifier: MIT */
/*
 * The mounts of a filter manager, which come and go while it runs.
 *
 * A session is in one list: being mounted, served, being removed, stopped. Who takes a served one out of its list is the
 * only one to work on it. The lock guards the lists and is not held while anything blocks. A thread of its own removes
 * sessions whose mount was taken away from outside.
 */
#pragma once

#include <glib.h>
#include <pthread.h>
#include <stdbool.h>

#include "fuse/session.h"

#define FM_VOLUMES_MAX 1000

struct fm_volumes {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        /* The lock guards all below. struct fm_session */
        GPtrArray *adding, *served, *removing, *stopped;
        unsigned freeing; /* of those being removed, how many the manager does not end with */
        GPtrArray *gone; /* of served ones, and of those being removed: their mount has gone */
        bool open;       /* those who ask at run time are served; before, they wait */
        bool closing;    /* nobody is any more */
        bool lasting;    /* the manager does not end with its last mount */
        int ended_fd;    /* an eventfd: it ends now */
        pthread_t reaper;
        const char *runtime_dir; /* borrowed; NULL: the usual one */
};

void fm_volumes_init(struct fm_volumes *volumes, const char *runtime_dir, bool lasting);

/* Checks, and makes the volume known to filters; then mounts it. On failure all is taken back, and *error says why. */
int fm_volumes_prepare(struct fm_volumes *volumes, const char *source, const char *mount_point,
                       const struct fm_session_options *options, struct fm_session **ret, char **error);
int fm_volumes_serve(struct fm_volumes *volumes, struct fm_session *session, char **error);
/* Serves those who were prepared, in their order. */
int fm_volumes_serve_all(struct fm_volumes *volumes, char **error);

/* Lets in those who ask at run time, through the port server: see fm_volumes_listen(). */
void fm_volumes_open(struct fm_volumes *volumes);
/* Before the port server is started. */
void fm_volumes_listen(struct fm_volumes *volumes);

/* Ends all mounts: nobody can get at a file any more. Nobody is let in from now on. */
void fm_volumes_stop(struct fm_volumes *volumes);
/* The same, and removes the volumes. Those who ask are told that the manager ends. */
void fm_volumes_clear(struct fm_volumes *volumes);
/* When nobody can ask any more. */
void fm_volumes_deinit(struct fm_volumes *volumes);
