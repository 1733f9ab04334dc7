/* SPDX-License-Identifier: MIT */
/*
 * Processes and threads of the outside world as EPROCESS and ETHREAD objects.
 *
 * FUSE and SO_PEERCRED report Linux ids: a thread id or a process id. One process is one EPROCESS for as
 * long as somebody refers to it, also after it has died and its id was given to another (a pidfd tells
 * them apart). PsInitialSystemProcess (id 4) stands for "nobody": requests that carry no id.
 */
#pragma once

#include <fltKernel.h>
#include <stdbool.h>
#include <sys/types.h>

/* Referenced object of the thread (of any process) with this id; 0 or a dead id: a thread of the System process. Never NULL. */
PETHREAD fm_thread_ref_by_id(pid_t tid);
/* Referenced object of the process with this id; 0 or a dead id: the System process. Never NULL. */
PEPROCESS fm_process_ref_by_id(pid_t pid);

pid_t fm_thread_id(PETHREAD thread);
PEPROCESS fm_thread_process(PETHREAD thread); /* borrowed */
pid_t fm_process_id(PEPROCESS process);       /* 4 for System */
bool fm_process_has_exited(PEPROCESS process);

/*
 * True when the thread has a fatal signal pending (it, or its whole process, is being killed) or is
 * gone. Reads /proc: for interrupted requests only.
 */
bool fm_thread_is_dying(pid_t tid);

/*
 * True when the kernel closes the thread's files because its program ends, in exit or exec, which shows in memory without
 * a program. Then no signal reaches it any more, and some of /proc/<tid> waits for its exec. Reads what does not.
 */
bool fm_thread_is_leaving(pid_t tid);
