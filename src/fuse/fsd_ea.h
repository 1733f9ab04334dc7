/* SPDX-License-Identifier: MIT */
/*
 * Extended attributes: "user.name" on Linux is the EA "name" on Windows. What does not fit the narrower rules
 * of EAs (other namespaces, characters, sizes) has no EA.
 */
#pragma once

#include <fltKernel.h>
#include <stdbool.h>
#include <stddef.h>

/* Length of the EA's name within the attribute's, *ret its start; 0: there is no such EA. */
size_t fm_fsd_ea_name(const char *attribute, const char **ret);

/*
 * Appends one to a list of FILE_FULL_EA_INFORMATION that is *used bytes long and whose last entry is at
 * *last. false: no room.
 */
bool fm_fsd_ea_append(void *buffer, ULONG length, ULONG *used, ULONG *last, const char *name,
                      size_t name_length, const void *value, size_t value_length);

/*
 * Next entry of a list of which nothing is trusted: *at is where it starts (0 at first), and is moved on,
 * past the end after the last. NULL: no more; *valid false: the list is broken.
 */
const FILE_FULL_EA_INFORMATION *fm_fsd_ea_next(const void *buffer, ULONG length, ULONG *at, bool *valid);
