/* SPDX-License-Identifier: MIT */
/*
 * Sockets to the filter manager, frame by frame. Errors are negative errno; nothing here waits longer than
 * the server takes, and nothing raises SIGPIPE.
 */
#pragma once

#include "wire/frame.h"

#include <stdbool.h>

/* A manager that has not said a word for so long although it should is stopped, by a debugger perhaps. */
#define FM_CLIENT_PATIENCE_MS 5000

/* A frame as received. Its pointers go into the buffer it was received with. */
struct fm_client_frame {
        struct fm_frame frame;
        int descriptors[FM_FRAME_DESCRIPTORS_MAX]; /* the receiver's; -1: taken */
        unsigned descriptor_count;
};

/*
 * A new socket on which HELLO was sent: the next frame may follow at once. -ENOENT: no filter manager is
 * there.
 */
int fm_client_open(void);
/* The answer to HELLO, which comes before any other. */
int fm_client_welcome(int fd);

/* descriptor: sent along, or -1; stays the caller's. */
int fm_client_send(int fd, const struct fm_frame *frame, int descriptor);
/*
 * One frame; -EPIPE: the server has closed; -EAGAIN with flags MSG_DONTWAIT. GOODBYE is -EPIPE too, or
 * -ENOMEM. Descriptors that this process has no room for are missing, the last ones first.
 */
int fm_client_receive(int fd, void *buffer, size_t size, int flags, struct fm_client_frame *ret);
/*
 * All small frames that are there now, with a system call for many of them; handle() owns each frame's
 * descriptors. How many, or a negative errno as above (never -EAGAIN).
 */
int fm_client_drain(int fd, void (*handle)(void *context, struct fm_client_frame *frame), void *context);
/* A descriptor of the frame, the next one that is not taken, now the caller's; -1 if there is none left. */
int fm_client_take_descriptor(struct fm_client_frame *frame);
void fm_client_frame_clear(struct fm_client_frame *frame);
