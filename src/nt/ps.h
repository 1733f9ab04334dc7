/* SPDX-License-Identifier: MIT */
/* What ps.c needs from process.c: objects for threads that are the simulator's own. */
#pragma once

#include <fltKernel.h>
#include <sys/types.h>

/* A referenced thread object of the System process. */
PETHREAD fm_thread_new_system(pid_t tid);
