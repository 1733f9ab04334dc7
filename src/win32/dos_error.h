/* SPDX-License-Identifier: MIT */
/* NTSTATUS as the two currencies of agents: Win32 errors and HRESULTs. */
#pragma once

#include <windows.h>
#include <winternl.h>

DWORD fm_dos_error_from_status(NTSTATUS status);
/* S_OK, 0x801Fxxxx for the Filter Manager's own, else the Win32 error as an HRESULT. */
HRESULT fm_hresult_from_status(NTSTATUS status);
