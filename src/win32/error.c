/* SPDX-License-Identifier: MIT */
/* The last error: one value a thread. */
#include <windows.h>

static __thread DWORD last_error;

DWORD WINAPI GetLastError(VOID)
{
        return last_error;
}

VOID WINAPI SetLastError(DWORD dwErrCode)
{
        last_error = dwErrCode;
}
