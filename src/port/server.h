/* SPDX-License-Identifier: MIT */
/* The port server of this process's filter manager. One at a time. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * Takes the runtime directory (NULL: by the rule of wire/runtime.h) and answers there. 0, or a negative errno
 * with *error = one line that says what is wrong and what to do (malloc'd). -EBUSY: another filter manager is
 * there. Start it before filters are loaded.
 */
int fm_port_server_start(const char *runtime_dir, char **error);

struct fm_port_volume {
        const char *source, *mount_point, *options; /* absolute paths; options of mount(8), perhaps "" */
        uint32_t flags;                             /* FM_VOLUME_* */
        uint32_t sector_size, attr_timeout_ms, entry_timeout_ms;
};

/*
 * Who mounts and unmounts for those who ask here. Both may block; 0, or a negative errno with *error = one line that says
 * what is wrong (malloc'd). -ESHUTDOWN: the manager ends, another one may be started when it has. Of an unmount, only
 * mount_point and flags count; -ENOENT: not one of its mounts; *ends: it was the last, and the manager ends.
 */
struct fm_port_volume_ops {
        int (*mount)(void *data, const struct fm_port_volume *volume, char **error);
        int (*unmount)(void *data, const struct fm_port_volume *volume, bool *ends, char **error);
};

/* Before the start, or NULL after the stop. */
void fm_port_server_set_volume_ops(const struct fm_port_volume_ops *ops, void *data);

/* After the filters are gone: ends what is left and waits for it. Does nothing if it does not run. */
void fm_port_server_stop(void);

/* Waits until a client has connected to some port, ever. -1: no time limit. false: timed out. */
bool fm_port_server_wait_client(int timeout_ms);

/* An eventfd that becomes readable when the first client has connected; borrowed. */
int fm_port_server_client_fd(void);
