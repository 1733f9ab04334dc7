/* SPDX-License-Identifier: MIT */
/* NTSTATUS <-> errno, one table each way (spec: fltmgr-semantics 4.2 and 4.3). */
#pragma once

#include <fltKernel.h>

/* error: positive errno. 0 gives STATUS_SUCCESS; unlisted ones STATUS_UNSUCCESSFUL. */
NTSTATUS fm_status_from_errno(int error);
/* Positive errno for a status that a filter set; 0 for success and informational ones. Never ENOSYS, never above 511; unknown: EIO. */
int fm_errno_from_status(NTSTATUS status);
/* "STATUS_ACCESS_DENIED", or NULL. */
const char *fm_status_name(NTSTATUS status);
