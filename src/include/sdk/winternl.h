/* SPDX-License-Identifier: MIT */
/* The few names of ntdll that agents use. */
#ifndef FLTSIM_SDK_WINTERNL_H
#define FLTSIM_SDK_WINTERNL_H

#include "winnt.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef LONG NTSTATUS;

#define NT_SUCCESS(Status) (((NTSTATUS)(Status)) >= 0)

ULONG WINAPI RtlNtStatusToDosError(NTSTATUS Status);

#ifdef __cplusplus
}
#endif

#endif
