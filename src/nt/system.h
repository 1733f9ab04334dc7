/* SPDX-License-Identifier: MIT */
/* A function of the kernel or the Filter Manager by its Windows name; NULL: there is none, or it is not one
 * of ours. */
#pragma once

void *fm_system_routine(const char *name);
