/* SPDX-License-Identifier: MIT */
/* Sections that a filter has handed over: a descriptor of the file, to be mapped here. */
#pragma once

#include "win32/object.h"

/*
 * Makes the handle that the filter knows. fd is taken over in any case; -1: there was no room for it, so the handle
 * can be closed, but no view be made of it (ERROR_NO_SYSTEM_RESOURCES). size: bytes to map.
 * on_close(context) runs once when the section has no handle here any more; revoked: because the filter has
 * closed it. It may be NULL, and runs at once when the handle is taken already (which returns false).
 */
bool fm_w32_section_give(uint64_t handle, int fd, uint64_t size,
                         void (*on_close)(void *context, bool revoked), void *context);
/* The filter has closed it: the handle becomes invalid, views stay. */
void fm_w32_section_revoke(uint64_t handle);
