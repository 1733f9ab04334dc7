/* SPDX-License-Identifier: MIT */
/*
 * What the commands of fltsim share: the options, and the filter manager that they make of them.
 *
 * fm_manager_start() goes from checks to served mounts: port server (it has the lock), volumes, filters, mounts. If a
 * step fails, those before it are taken back and one line says why. fm_manager_stop() goes the other way, whatever is
 * open or blocked. Where a manager runs already, "fltsim mount" asks it to mount (fltsim_join.c).
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "tools/fltsim_volumes.h"

struct fm_tool_options {
        char **filters;
        char *log;
        char *log_level;
        char *runtime_dir;
        char *verifier;
        char *administrators;
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
        gboolean lazy;
        gboolean force;
};

struct fm_manager {
        struct fm_volumes volumes;
        int log_fd; /* -1: stderr */
        const char *runtime_dir; /* borrowed; NULL: the usual one */
        bool port_runs;
};

/*
 * pairs: source, mount point, source, mount point ...; NULL-terminated. runtime_dir NULL: the usual one. lasting: it does
 * not end with its last mount. -EBUSY and *error NULL: another manager has the runtime directory.
 */
int fm_manager_start(struct fm_manager *manager, const struct fm_tool_options *options, char **pairs,
                     const char *runtime_dir, bool lasting, char **error);
/* Ends the mounts; nobody can get at a file any more. */
void fm_manager_unmount(struct fm_manager *manager);
void fm_manager_stop(struct fm_manager *manager);

#define FM_MOUNTS_FILE "mounts"
/* The list of a manager's mounts in its runtime directory; NULL: the usual one. */
void fm_mounts_write(const char *runtime_dir, GPtrArray *sessions);
void fm_mounts_remove(const char *runtime_dir);
/* Mount points, last mounted first; NULL: there is no list. */
char **fm_mounts_read(const char *runtime_dir);
/* Takes them all away at once; who waits for one of them is let go when the process ends. For a crash. */
void fm_mounts_cut(const char *runtime_dir);

/*
 * The filter manager that runs already, if there is one, mounts the pairs: all or none. 0; -ENOENT: nobody is there;
 * -ESHUTDOWN: somebody who ends; else *error says what is wrong.
 */
int fm_join_mount(const struct fm_tool_options *options, char **pairs, char **error);
/*
 * It unmounts, and the volume has gone when this returns; so has the manager, if it was its last. -ENOENT: nobody is
 * there to do it; -ETIMEDOUT: it takes too long; else *error says what is wrong.
 */
int fm_join_unmount(const char *mount_point, enum fm_mount_end how, char **error);

/* Whether a mount is for other users, too: root's are, unless it is said. */
bool fm_tool_allows_other(bool yes, bool no);
bool fm_tool_sector_size_is_valid(unsigned size);
/* The words of --verifier; NULL: none. False: one that is none. */
bool fm_tool_verifier_parse(const char *words, bool *fatal, bool *dispatch);
/* Checks what the option parser can't. */
bool fm_tool_options_check(const struct fm_tool_options *options, char **error);

/* The commands; exit statuses. */
int fm_tool_mount(const struct fm_tool_options *options, char **pairs);
int fm_tool_run(const struct fm_tool_options *options, const char *source, char **command);
int fm_tool_umount(const char *mount_point, enum fm_mount_end how);

G_GNUC_PRINTF(1, 2) void fm_tool_complain(const char *format, ...);
/* Signals that end us are taken from a descriptor; blocked for this thread and those it starts. */
int fm_tool_signal_fd(bool children);
