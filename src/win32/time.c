/* SPDX-License-Identifier: MIT */
/* Clocks and calendars: 100 ns units since 1601-01-01 UTC. */
#include <windows.h>

#include <time.h>

#define UNITS_PER_SECOND 10000000LL
#define UNIX_EPOCH       11644473600LL /* seconds from 1601 to 1970 */

static LONGLONG units_of(const FILETIME *time)
{
        return (LONGLONG)((ULONGLONG)time->dwHighDateTime << 32 | time->dwLowDateTime);
}

static FILETIME filetime_of(LONGLONG units)
{
        return (FILETIME){ (DWORD)units, (DWORD)((ULONGLONG)units >> 32) };
}

ULONGLONG WINAPI GetTickCount64(VOID)
{
        struct timespec now;

        clock_gettime(CLOCK_BOOTTIME, &now);
        return (ULONGLONG)now.tv_sec * 1000 + (ULONGLONG)now.tv_nsec / 1000000;
}

DWORD WINAPI GetTickCount(VOID)
{
        return (DWORD)GetTickCount64();
}

BOOL WINAPI QueryPerformanceCounter(LARGE_INTEGER *lpPerformanceCount)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        lpPerformanceCount->QuadPart = (LONGLONG)now.tv_sec * 1000000000 + now.tv_nsec;
        return TRUE;
}

BOOL WINAPI QueryPerformanceFrequency(LARGE_INTEGER *lpFrequency)
{
        lpFrequency->QuadPart = 1000000000;
        return TRUE;
}

VOID WINAPI GetSystemTimeAsFileTime(LPFILETIME lpSystemTimeAsFileTime)
{
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        *lpSystemTimeAsFileTime =
                filetime_of((now.tv_sec + UNIX_EPOCH) * UNITS_PER_SECOND + now.tv_nsec / 100);
}

BOOL WINAPI FileTimeToSystemTime(const FILETIME *lpFileTime, LPSYSTEMTIME lpSystemTime)
{
        LONGLONG units = units_of(lpFileTime);
        time_t seconds = (time_t)(units / UNITS_PER_SECOND - UNIX_EPOCH);
        struct tm tm;

        if (units < 0 || !gmtime_r(&seconds, &tm)) {
                SetLastError(ERROR_INVALID_PARAMETER);
                return FALSE;
        }
        *lpSystemTime = (SYSTEMTIME){
                .wYear = (WORD)(tm.tm_year + 1900),
                .wMonth = (WORD)(tm.tm_mon + 1),
                .wDayOfWeek = (WORD)tm.tm_wday,
                .wDay = (WORD)tm.tm_mday,
                .wHour = (WORD)tm.tm_hour,
                .wMinute = (WORD)tm.tm_min,
                .wSecond = (WORD)tm.tm_sec,
                .wMilliseconds = (WORD)(units % UNITS_PER_SECOND / 10000),
        };
        return TRUE;
}

BOOL WINAPI SystemTimeToFileTime(const SYSTEMTIME *lpSystemTime, LPFILETIME lpFileTime)
{
        struct tm tm = {
                .tm_year = lpSystemTime->wYear - 1900,
                .tm_mon = lpSystemTime->wMonth - 1,
                .tm_mday = lpSystemTime->wDay,
                .tm_hour = lpSystemTime->wHour,
                .tm_min = lpSystemTime->wMinute,
                .tm_sec = lpSystemTime->wSecond,
        };
        struct tm given = tm;
        LONGLONG seconds = timegm(&tm);

        /* timegm() would carry the 31st of April into May. */
        if (lpSystemTime->wYear < 1601 || lpSystemTime->wMilliseconds > 999 || tm.tm_mon != given.tm_mon ||
            tm.tm_mday != given.tm_mday || tm.tm_hour != given.tm_hour || tm.tm_min != given.tm_min ||
            tm.tm_sec != given.tm_sec) {
                SetLastError(ERROR_INVALID_PARAMETER);
                return FALSE;
        }
        *lpFileTime = filetime_of((seconds + UNIX_EPOCH) * UNITS_PER_SECOND +
                                  lpSystemTime->wMilliseconds * 10000LL);
        return TRUE;
}

/* With the offset that the local zone has now, as documented. */
BOOL WINAPI FileTimeToLocalFileTime(const FILETIME *lpFileTime, LPFILETIME lpLocalFileTime)
{
        time_t now = time(NULL);
        struct tm tm;

        localtime_r(&now, &tm);
        *lpLocalFileTime = filetime_of(units_of(lpFileTime) + tm.tm_gmtoff * UNITS_PER_SECOND);
        return TRUE;
}

VOID WINAPI GetSystemTime(LPSYSTEMTIME lpSystemTime)
{
        FILETIME now;

        GetSystemTimeAsFileTime(&now);
        FileTimeToSystemTime(&now, lpSystemTime);
}

VOID WINAPI GetLocalTime(LPSYSTEMTIME lpSystemTime)
{
        FILETIME now, local;

        GetSystemTimeAsFileTime(&now);
        FileTimeToLocalFileTime(&now, &local);
        FileTimeToSystemTime(&local, lpSystemTime);
}

LONG WINAPI CompareFileTime(const FILETIME *lpFileTime1, const FILETIME *lpFileTime2)
{
        ULONGLONG a = (ULONGLONG)units_of(lpFileTime1), b = (ULONGLONG)units_of(lpFileTime2);

        return (a > b) - (a < b);
}
