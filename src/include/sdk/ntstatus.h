/* SPDX-License-Identifier: MIT */
/*
 * NTSTATUS values: what a reply's Status can say, and what OVERLAPPED.Internal holds. They are the kernel side's. The
 * few that winnt.h has, with another type, are NTSTATUS after this, also without WIN32_NO_STATUS.
 */
#ifndef FLTSIM_SDK_NTSTATUS_H
#define FLTSIM_SDK_NTSTATUS_H

#include "winternl.h"

#undef STATUS_WAIT_0
#undef STATUS_ABANDONED_WAIT_0
#undef STATUS_USER_APC
#undef STATUS_TIMEOUT
#undef STATUS_PENDING
#undef STATUS_ACCESS_VIOLATION
#undef STATUS_INVALID_HANDLE
#undef STATUS_INVALID_PARAMETER
#undef STATUS_NO_MEMORY

#include "../ddk/ntstatus.h"

#endif
