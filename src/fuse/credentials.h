/* SPDX-License-Identifier: MIT */
/*
 * Acting as the caller of a system call on the mount.
 *
 * As root each worker takes on the caller's file system uid and gid (and his groups once a call was
 * refused without them) around a system call. The identity stays on the thread until another one is
 * needed, so a thread that serves one user makes no extra system calls. As an ordinary user everything
 * happens as him. All state is the thread's own: no locks.
 */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <sys/types.h>

struct fm_caller {
        uid_t uid;
        gid_t gid;
        pid_t tid; /* for his groups; 0: nobody */
        mode_t umask;
};

/* Called once, before any thread is started: drops our own supplementary groups if we are root. */
void fm_credentials_init(void);
bool fm_credentials_are_privileged(void);
/* On each thread that serves requests, once. */
void fm_credentials_enter_thread(void);

/* Takes on the caller's identity without his groups; NULL: our own identity, with all rights. */
void fm_credentials_enter(const struct fm_caller *caller);
/*
 * After EACCES or EPERM: adds the caller's supplementary groups. True if that changed anything, then
 * the call is worth a second try.
 */
bool fm_credentials_add_groups(const struct fm_caller *caller);
/*
 * Before a call that sets mode: what the kernel does with a set-group-id bit depends, silently, on the
 * caller's groups, so they are fetched first.
 */
void fm_credentials_prepare(const struct fm_caller *caller, mode_t mode);
/* The umask for system calls of this thread that create something. */
void fm_credentials_set_umask(const struct fm_caller *caller);

/* Evaluates call (0 or more, or a negative errno) as the caller. */
#define FM_AS_CALLER(caller, call)                                                                                     \
        ({                                                                                                             \
                __typeof__(call) result_;                                                                              \
                fm_credentials_enter(caller);                                                                          \
                result_ = (call);                                                                                      \
                if ((result_ == -EACCES || result_ == -EPERM) && fm_credentials_add_groups(caller))                    \
                        result_ = (call);                                                                              \
                result_;                                                                                               \
        })
