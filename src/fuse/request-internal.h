/* SPDX-License-Identifier: MIT */
/* Of request.c, for the front end only. */
#pragma once

#include "fuse/request.h"

/* What may be sent to the kernel as an error: 0..511, never ENOSYS. */
int fm_reply_errno(int error);

/* An entry of a directory listing; the bytes it takes, 0: does not fit. */
size_t fm_add_entry(char *buffer, size_t space, bool plus, const struct fm_directory_entry *entry,
                    struct fm_inode *inode, const struct stat *attr);

/* Ends every wait of every request of a session that is being stopped; how many there were. */
unsigned fm_request_end_all(struct fm_session *session);
