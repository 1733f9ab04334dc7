/* SPDX-License-Identifier: MIT */
/* The port server of this process's filter manager. One at a time. */
#pragma once

#include <stdbool.h>

/*
 * Takes the runtime directory (NULL: by the rule of wire/runtime.h) and answers there. 0, or a negative errno
 * with *error = one line that says what is wrong and what to do (malloc'd). -EBUSY: another filter manager is
 * there. Start it before filters are loaded.
 */
int fm_port_server_start(const char *runtime_dir, char **error);

/* After the filters are gone: ends what is left and waits for it. Does nothing if it does not run. */
void fm_port_server_stop(void);

/* Waits until a client has connected to some port, ever. -1: no time limit. false: timed out. */
bool fm_port_server_wait_client(int timeout_ms);

/* An eventfd that becomes readable when the first client has connected; borrowed. */
int fm_port_server_client_fd(void);
