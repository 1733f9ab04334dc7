/* SPDX-License-Identifier: MIT */
/* One frame in, one frame out, with their descriptors. Never blocks. */
#pragma once

#include <sys/types.h>

#include "wire/frame.h"

/* 0; -EAGAIN: no room in the socket; -EPIPE and others: the peer is gone. fds stay the caller's. */
int fm_packet_send(int socket, const struct fm_frame *frame, const int *fds, unsigned fd_count);

/*
 * 1: *frame is decoded, pointing into buffer (FM_FRAME_MAX + 1 bytes); *fd_count descriptors in fds
 * (FM_FRAME_DESCRIPTORS_MAX) are the caller's, fewer than the frame speaks of if this process has no room for
 * more; 0: end of file; -EAGAIN; -EPROTO: a violation; others.
 */
int fm_packet_receive(int socket, void *buffer, struct fm_frame *frame, int *fds, unsigned *fd_count);
