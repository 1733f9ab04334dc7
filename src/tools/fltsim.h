/* SPDX-License-Identifier: MIT */
/*
 * What the commands of fltsim share: the options, and the filter manager that they make of them.
 *
 * fm_manager_start() goes from checks to served mounts: port server (it has the lock), volumes, filters, mounts. If a
 * step fails, those before it are taken back and one line says why. fm_manager_stop() goes the other way, whatever is
 * open or blocked.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "fuse/session.h"

struct fm_tool_options {
        char **filters;
        char *log;
        char *log_level;
        char *runtime_dir;
        char *verifier;
        char *mount_options;
        bool quiet; /* somebody else's output is on stderr: only what matters is logged there */
        gboolean foreground;
        gboolean verbose;
        gboolean allow_other;
        gboolean no_allow_other;
        gboolean read_only;
        double attr_timeout;
        double entry_timeout;
        int sector_size;
        char *agent;
        int agent_timeout;
};

struct fm_manager {
        GPtrArray *sessions; /* struct fm_session */
        int ended_fd;        /* an eventfd: the last mount has gone */
        _Atomic unsigned alive;
        int log_fd; /* -1: stderr */
        const char *runtime_dir; /* borrowed; NULL: the usual one */
        bool port_runs;
        bool filters_loaded;
};

/* pairs: source, mount point, source, mount point ...; NULL-terminated. runtime_dir NULL: the usual one. */
int fm_manager_start(struct fm_manager *manager, const struct fm_tool_options *options, char **pairs,
                     const char *runtime_dir, char **error);
/* Ends the mounts; nobody can get at a file any more. */
void fm_manager_unmount(struct fm_manager *manager);
void fm_manager_stop(struct fm_manager *manager);

#define FM_MOUNTS_FILE "mounts"
/* The list of a manager's mounts in its runtime directory; NULL: the usual one. */
void fm_mounts_write(const char *runtime_dir, GPtrArray *sessions);
void fm_mounts_remove(const char *runtime_dir);
/* A pidfd of the manager (of the usual runtime directory) whose last mount this is, or -1. */
int fm_mounts_open_manager(const char *mount_point);
/* Waits until it has ended, and closes it. False: it still runs after a long time. -1 is allowed. */
bool fm_mounts_wait_end(int manager);

/* Checks what the option parser can't. */
bool fm_tool_options_check(const struct fm_tool_options *options, char **error);

/* The commands; exit statuses. */
int fm_tool_mount(const struct fm_tool_options *options, char **pairs);
int fm_tool_run(const struct fm_tool_options *options, const char *source, char **command);
int fm_tool_umount(const char *mount_point);

G_GNUC_PRINTF(1, 2) void fm_tool_complain(const char *format, ...);
/* Signals that end us are taken from a descriptor; blocked for this thread and those it starts. */
int fm_tool_signal_fd(bool children);
