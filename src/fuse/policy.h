/* SPDX-License-Identifier: MIT */
/*
 * Where Windows leaves a choice, the mount has an option: some of the list that "-o" takes are ours, and the
 * kernel never sees them. The first of each is the default.
 *
 *   unlink=posix         a removal is FileDispositionInformationEx with POSIX semantics, as since Windows 10
 *   unlink=classic       it is FileDispositionInformation, as before
 *
 *   cleanup=dirty        close(2) of a handle is a CLEANUP if something was written since the last
 *   cleanup=every-flush  each close(2) of a handle that is open for writing is one
 */
#pragma once

#include "fuse/session.h"

/*
 * Takes ours out of the list (NULL: none) into *options, and gives back the rest (malloc'd; NULL: nothing is left).
 * -EINVAL: a value that there is not; *error says which there are (malloc'd).
 */
int fm_policy_parse(const char *list, struct fm_session_options *options, char **ret_rest, char **error);
