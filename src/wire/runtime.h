/* SPDX-License-Identifier: MIT */
/*
 * Where a filter manager is found: one directory, the same rule for both sides.
 *
 * $FLTSIM_RUNTIME_DIR if set; else /run/fltsim for root; else $XDG_RUNTIME_DIR/fltsim; else /tmp/fltsim-UID.
 * It holds the socket, and a lock file that the manager keeps locked as long as it lives.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define FM_RUNTIME_SOCKET "fltmgr.sock"
#define FM_RUNTIME_LOCK "fltmgr.lock"

/* The directory by the rule above; malloc'd; NULL: no memory. Nothing is created or checked. */
char *fm_runtime_dir(void);

/* DIRECTORY/NAME, malloc'd. directory NULL: fm_runtime_dir(). */
char *fm_runtime_path(const char *directory, const char *name);

/*
 * Where an agent looks: fm_runtime_dir(), and for a user without a manager of his own (and without
 * $FLTSIM_RUNTIME_DIR) root's, whose ports may admit him. index counts from 0; NULL: no further one.
 * malloc'd.
 */
char *fm_runtime_candidate(unsigned index);

/*
 * Creates the directory, with this mode, if it is missing, and opens it. Refuses (negative errno) what is not
 * a directory (-ENOTDIR, also for a symbolic link), not ours (-EPERM), or writable for others (-EPERM).
 */
int fm_runtime_open(const char *directory, mode_t mode);

/*
 * Takes the lock of the directory. Returns the descriptor that holds it (close it to let go), or -EBUSY with
 * *owner = process id of the one who has it (0 if unknown), or another negative errno.
 */
int fm_runtime_lock(int directory_fd, pid_t *owner);

/* The agent's check before it connects: a socket of root or of ourselves in a directory of the same. 0 or
 * -errno. */
int fm_runtime_check(const char *directory);

/* Fills a sockaddr_un for the socket in the directory; -ENAMETOOLONG if it does not fit. Returns the length.
 */
struct sockaddr_un;
int fm_runtime_address(const char *directory, struct sockaddr_un *address);
