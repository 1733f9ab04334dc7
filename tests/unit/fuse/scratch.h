/* SPDX-License-Identifier: MIT */
/* A source directory with an inode table over it, and no mount. */
#pragma once

#include <glib.h>
#include <glib/gstdio.h>

#include "fuse/backing.h"
#include "fuse/session.h"

struct scratch {
        char *path;
        struct fm_session *session;
};

void scratch_setup(struct scratch *scratch, gconstpointer fd_limit); /* GPOINTER_TO_UINT: 0: the usual */
void scratch_teardown(struct scratch *scratch, gconstpointer data);

/* Below the source, behind the table's back. */
char *scratch_path(struct scratch *scratch, const char *name);
void scratch_write(struct scratch *scratch, const char *name, const char *text);
void scratch_mkdir(struct scratch *scratch, const char *name);

/* A reference; aborts if it is not there. */
struct fm_inode *scratch_lookup(struct scratch *scratch, struct fm_inode *parent, const char *name);
