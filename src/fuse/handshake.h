/* SPDX-License-Identifier: MIT */
/*
 * What the kernel offers and libfuse does not know yet, where it can be had without a newer libfuse.
 *
 * Requests are looked at between their receipt and libfuse; answers on their way out. Both touch bytes of the kernel's
 * stable protocol only, and nothing at all once libfuse knows the thing itself.
 */
#pragma once

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

struct fm_session;

/* The capabilities that we want; called from init. */
void fm_handshake_init(struct fm_session *session, struct fuse_conn_info *conn);
/* After the mount, before the first request: puts us between libfuse and the device. 0 or negative errno. */
int fm_handshake_attach(struct fm_session *session);
/* A request that was received into memory. */
void fm_handshake_request(struct fm_session *session, struct fuse_buf *buf);
