/* SPDX-License-Identifier: MIT */
/* Rtl without strings and tables: memory, time, bitmaps, versions, random numbers, stack traces. */
#include <execinfo.h>
#include <fltKernel.h>
#include <stdbool.h>
#include <time.h>

#include "nt/ke.h"
#include "nt/verifier.h"

#define SECOND          INT64_C(10000000)
#define SECONDS_TO_1970 INT64_C(11644473600)
#define SECONDS_TO_1980 INT64_C(11960006400)

SIZE_T RtlCompareMemory(const VOID *Source1, const VOID *Source2, SIZE_T Length)
{
        const UCHAR *first = Source1, *second = Source2;
        SIZE_T same = 0;

        while (same < Length && first[same] == second[same])
                same++;
        return same;
}

VOID RtlTimeToTimeFields(PLARGE_INTEGER Time, PTIME_FIELDS TimeFields)
{
        int64_t seconds = Time->QuadPart / SECOND;
        time_t unix_seconds = (time_t)(seconds - SECONDS_TO_1970);
        struct tm tm;

        gmtime_r(&unix_seconds, &tm);
        TimeFields->Year = (CSHORT)(tm.tm_year + 1900);
        TimeFields->Month = (CSHORT)(tm.tm_mon + 1);
        TimeFields->Day = (CSHORT)tm.tm_mday;
        TimeFields->Hour = (CSHORT)tm.tm_hour;
        TimeFields->Minute = (CSHORT)tm.tm_min;
        TimeFields->Second = (CSHORT)tm.tm_sec;
        TimeFields->Milliseconds = (CSHORT)(Time->QuadPart % SECOND / 10000);
        TimeFields->Weekday = (CSHORT)tm.tm_wday;
}

/* FALSE for a date that does not exist, or before 1601. */
BOOLEAN RtlTimeFieldsToTime(PTIME_FIELDS TimeFields, PLARGE_INTEGER Time)
{
        struct tm tm = {.tm_year = TimeFields->Year - 1900,
                        .tm_mon = TimeFields->Month - 1,
                        .tm_mday = TimeFields->Day,
                        .tm_hour = TimeFields->Hour,
                        .tm_min = TimeFields->Minute,
                        .tm_sec = TimeFields->Second};
        struct tm check = tm;
        time_t seconds;

        if (TimeFields->Year < 1601 || TimeFields->Milliseconds < 0 || TimeFields->Milliseconds > 999 ||
            TimeFields->Hour < 0 || TimeFields->Hour > 23 || TimeFields->Minute < 0 ||
            TimeFields->Minute > 59 || TimeFields->Second < 0 || TimeFields->Second > 59)
                return FALSE;
        seconds = timegm(&check);
        if (check.tm_mday != tm.tm_mday || check.tm_mon != tm.tm_mon || check.tm_year != tm.tm_year)
                return FALSE;
        Time->QuadPart = (seconds + SECONDS_TO_1970) * SECOND + TimeFields->Milliseconds * INT64_C(10000);
        return TRUE;
}

static BOOLEAN seconds_since(PLARGE_INTEGER time, int64_t epoch, PULONG ret)
{
        int64_t seconds = time->QuadPart / SECOND - epoch;

        if (seconds < 0 || seconds > (int64_t)MAXULONG)
                return FALSE;
        *ret = (ULONG)seconds;
        return TRUE;
}

BOOLEAN RtlTimeToSecondsSince1970(PLARGE_INTEGER Time, PULONG ElapsedSeconds)
{
        return seconds_since(Time, SECONDS_TO_1970, ElapsedSeconds);
}

VOID RtlSecondsSince1970ToTime(ULONG ElapsedSeconds, PLARGE_INTEGER Time)
{
        Time->QuadPart = (ElapsedSeconds + SECONDS_TO_1970) * SECOND;
}

BOOLEAN RtlTimeToSecondsSince1980(PLARGE_INTEGER Time, PULONG ElapsedSeconds)
{
        return seconds_since(Time, SECONDS_TO_1980, ElapsedSeconds);
}

VOID RtlSecondsSince1980ToTime(ULONG ElapsedSeconds, PLARGE_INTEGER Time)
{
        Time->QuadPart = (ElapsedSeconds + SECONDS_TO_1980) * SECOND;
}

VOID RtlInitializeBitMap(PRTL_BITMAP BitMapHeader, PULONG BitMapBuffer, ULONG SizeOfBitMap)
{
        BitMapHeader->SizeOfBitMap = SizeOfBitMap;
        BitMapHeader->Buffer = BitMapBuffer;
}

static bool get_bit(PRTL_BITMAP map, ULONG bit)
{
        return (map->Buffer[bit / 32] >> (bit % 32)) & 1;
}

static void put_bit(PRTL_BITMAP map, ULONG bit, bool value)
{
        if (value)
                map->Buffer[bit / 32] |= 1u << (bit % 32);
        else
                map->Buffer[bit / 32] &= ~(1u << (bit % 32));
}

VOID RtlClearBit(PRTL_BITMAP BitMapHeader, ULONG BitNumber)
{
        put_bit(BitMapHeader, BitNumber, false);
}

VOID RtlSetBit(PRTL_BITMAP BitMapHeader, ULONG BitNumber)
{
        put_bit(BitMapHeader, BitNumber, true);
}

BOOLEAN RtlTestBit(PRTL_BITMAP BitMapHeader, ULONG BitNumber)
{
        return get_bit(BitMapHeader, BitNumber);
}

VOID RtlClearAllBits(PRTL_BITMAP BitMapHeader)
{
        memset(BitMapHeader->Buffer, 0, (size_t)(BitMapHeader->SizeOfBitMap + 31) / 32 * 4);
}

VOID RtlSetAllBits(PRTL_BITMAP BitMapHeader)
{
        memset(BitMapHeader->Buffer, 0xff, (size_t)(BitMapHeader->SizeOfBitMap + 31) / 32 * 4);
}

VOID RtlClearBits(PRTL_BITMAP BitMapHeader, ULONG StartingIndex, ULONG NumberToClear)
{
        for (ULONG i = 0; i < NumberToClear; i++)
                put_bit(BitMapHeader, StartingIndex + i, false);
}

VOID RtlSetBits(PRTL_BITMAP BitMapHeader, ULONG StartingIndex, ULONG NumberToSet)
{
        for (ULONG i = 0; i < NumberToSet; i++)
                put_bit(BitMapHeader, StartingIndex + i, true);
}

static ULONG run_length(PRTL_BITMAP map, ULONG from, bool value)
{
        ULONG length = 0;

        while (from + length < map->SizeOfBitMap && get_bit(map, from + length) == value)
                length++;
        return length;
}

static ULONG find_run(PRTL_BITMAP map, ULONG count, ULONG from, ULONG end, bool value)
{
        while (from < end) {
                ULONG length = run_length(map, from, value);

                if (length >= count)
                        return from;
                from += length + 1;
        }
        return MAXULONG;
}

/* From the hint to the end, then from the beginning. MAXULONG: none. */
static ULONG find_bits(PRTL_BITMAP map, ULONG count, ULONG hint, bool value)
{
        ULONG at;

        if (hint >= map->SizeOfBitMap)
                hint = 0;
        if (count == 0)
                return hint & ~7u;
        at = find_run(map, count, hint, map->SizeOfBitMap, value);
        return at == MAXULONG && hint ? find_run(map, count, 0, hint, value) : at;
}

ULONG RtlFindClearBits(PRTL_BITMAP BitMapHeader, ULONG NumberToFind, ULONG HintIndex)
{
        return find_bits(BitMapHeader, NumberToFind, HintIndex, false);
}

ULONG RtlFindSetBits(PRTL_BITMAP BitMapHeader, ULONG NumberToFind, ULONG HintIndex)
{
        return find_bits(BitMapHeader, NumberToFind, HintIndex, true);
}

ULONG RtlFindClearBitsAndSet(PRTL_BITMAP BitMapHeader, ULONG NumberToFind, ULONG HintIndex)
{
        ULONG at = find_bits(BitMapHeader, NumberToFind, HintIndex, false);

        if (at != MAXULONG)
                RtlSetBits(BitMapHeader, at, NumberToFind);
        return at;
}

ULONG RtlFindSetBitsAndClear(PRTL_BITMAP BitMapHeader, ULONG NumberToFind, ULONG HintIndex)
{
        ULONG at = find_bits(BitMapHeader, NumberToFind, HintIndex, true);

        if (at != MAXULONG)
                RtlClearBits(BitMapHeader, at, NumberToFind);
        return at;
}

ULONG RtlFindNextForwardRunClear(PRTL_BITMAP BitMapHeader, ULONG FromIndex, PULONG StartingRunIndex)
{
        ULONG at = FromIndex;

        while (at < BitMapHeader->SizeOfBitMap && get_bit(BitMapHeader, at))
                at++;
        *StartingRunIndex = at;
        return run_length(BitMapHeader, at, false);
}

ULONG RtlFindFirstRunClear(PRTL_BITMAP BitMapHeader, PULONG StartingIndex)
{
        return RtlFindNextForwardRunClear(BitMapHeader, 0, StartingIndex);
}

ULONG RtlNumberOfSetBits(PRTL_BITMAP BitMapHeader)
{
        ULONG count = 0;

        for (ULONG i = 0; i < BitMapHeader->SizeOfBitMap; i++)
                count += get_bit(BitMapHeader, i);
        return count;
}

ULONG RtlNumberOfClearBits(PRTL_BITMAP BitMapHeader)
{
        return BitMapHeader->SizeOfBitMap - RtlNumberOfSetBits(BitMapHeader);
}

static bool are_bits(PRTL_BITMAP map, ULONG from, ULONG count, bool value)
{
        if (count == 0 || from >= map->SizeOfBitMap || count > map->SizeOfBitMap - from)
                return false;
        return run_length(map, from, value) >= count;
}

BOOLEAN RtlAreBitsClear(PRTL_BITMAP BitMapHeader, ULONG StartingIndex, ULONG Length)
{
        return are_bits(BitMapHeader, StartingIndex, Length, false);
}

BOOLEAN RtlAreBitsSet(PRTL_BITMAP BitMapHeader, ULONG StartingIndex, ULONG Length)
{
        return are_bits(BitMapHeader, StartingIndex, Length, true);
}

CCHAR RtlFindMostSignificantBit(ULONGLONG Set)
{
        return (CCHAR)(Set ? 63 - __builtin_clzll(Set) : -1);
}

CCHAR RtlFindLeastSignificantBit(ULONGLONG Set)
{
        return (CCHAR)(Set ? __builtin_ctzll(Set) : -1);
}

/* What filters ask for is whether a function exists: this is the version whose functions they find. */
#define MAJOR 10
#define MINOR 0
#define BUILD 22000

NTSTATUS RtlGetVersion(PRTL_OSVERSIONINFOW VersionInformation)
{
        ULONG size = VersionInformation->dwOSVersionInfoSize;

        if (size != sizeof(RTL_OSVERSIONINFOW) && size != sizeof(RTL_OSVERSIONINFOEXW))
                return STATUS_INVALID_PARAMETER;
        memset(VersionInformation, 0, size);
        VersionInformation->dwOSVersionInfoSize = size;
        VersionInformation->dwMajorVersion = MAJOR;
        VersionInformation->dwMinorVersion = MINOR;
        VersionInformation->dwBuildNumber = BUILD;
        VersionInformation->dwPlatformId = 2; /* VER_PLATFORM_WIN32_NT */
        if (size == sizeof(RTL_OSVERSIONINFOEXW))
                ((PRTL_OSVERSIONINFOEXW)VersionInformation)->wProductType = 1; /* VER_NT_WORKSTATION */
        return STATUS_SUCCESS;
}

static unsigned condition_of(ULONGLONG mask, ULONG type)
{
        return (unsigned)(mask >> (3 * (unsigned)__builtin_ctz(type))) & 7;
}

ULONGLONG VerSetConditionMask(ULONGLONG ConditionMask, ULONG TypeMask, UCHAR Condition)
{
        if (TypeMask == 0)
                return 0;
        return ConditionMask | ((ULONGLONG)(Condition & 7) << (3 * (unsigned)__builtin_ctz(TypeMask)));
}

static bool compare_version(unsigned condition, int difference)
{
        switch (condition) {
        case VER_EQUAL:
                return difference == 0;
        case VER_GREATER:
                return difference > 0;
        case VER_GREATER_EQUAL:
                return difference >= 0;
        case VER_LESS:
                return difference < 0;
        case VER_LESS_EQUAL:
                return difference <= 0;
        default:
                return false;
        }
}

/* Major, minor and service pack are compared as one number, with the first condition given. */
NTSTATUS RtlVerifyVersionInfo(PRTL_OSVERSIONINFOEXW VersionInfo, ULONG TypeMask, ULONGLONG ConditionMask)
{
        const struct {
                ULONG type;
                int64_t difference;
        } parts[] = {
                {VER_MAJORVERSION, (int64_t)MAJOR - VersionInfo->dwMajorVersion},
                {VER_MINORVERSION, (int64_t)MINOR - VersionInfo->dwMinorVersion},
                {VER_SERVICEPACKMAJOR, 0 - (int64_t)VersionInfo->wServicePackMajor},
        };
        unsigned condition = 0;
        int difference = 0;

        if (TypeMask == 0 || (TypeMask & ~(ULONG)(VER_MAJORVERSION | VER_MINORVERSION | VER_SERVICEPACKMAJOR |
                                                  VER_BUILDNUMBER)))
                return STATUS_INVALID_PARAMETER;
        for (size_t i = 0; i < RTL_NUMBER_OF(parts); i++) {
                if (!(TypeMask & parts[i].type))
                        continue;
                if (!condition)
                        condition = condition_of(ConditionMask, parts[i].type);
                if (!difference)
                        difference = (parts[i].difference > 0) - (parts[i].difference < 0);
        }
        if (condition && !compare_version(condition, difference))
                return STATUS_REVISION_MISMATCH;
        if ((TypeMask & VER_BUILDNUMBER) &&
            !compare_version(condition_of(ConditionMask, VER_BUILDNUMBER),
                             (BUILD > VersionInfo->dwBuildNumber) - (BUILD < VersionInfo->dwBuildNumber)))
                return STATUS_REVISION_MISMATCH;
        return STATUS_SUCCESS;
}

BOOLEAN RtlIsNtDdiVersionAvailable(ULONG Version)
{
        return Version <= NTDDI_WIN10_CO;
}

BOOLEAN PsGetVersion(PULONG MajorVersion, PULONG MinorVersion, PULONG BuildNumber, PUNICODE_STRING CSDVersion)
{
        fm_check_irql(__func__, PASSIVE_LEVEL);
        if (MajorVersion)
                *MajorVersion = MAJOR;
        if (MinorVersion)
                *MinorVersion = MINOR;
        if (BuildNumber)
                *BuildNumber = BUILD;
        if (CSDVersion)
                CSDVersion->Length = 0;
        return TRUE; /* free build */
}

/* The generator that Windows documents: 0x7fffffed * seed + 0x7fffffc3, below 2^31 - 1. */
ULONG RtlRandomEx(PULONG Seed)
{
        *Seed = (ULONG)(((ULONGLONG)0x7fffffed * *Seed + 0x7fffffc3) % 0x7fffffff);
        return *Seed;
}

ULONG RtlRandom(PULONG Seed)
{
        return RtlRandomEx(Seed);
}

ULONG RtlComputeCrc32(ULONG PartialCrc, const VOID *Buffer, ULONG Length)
{
        const UCHAR *byte = Buffer;
        ULONG crc = ~PartialCrc;

        for (ULONG i = 0; i < Length; i++) {
                crc ^= byte[i];
                for (int bit = 0; bit < 8; bit++)
                        crc = (crc >> 1) ^ (crc & 1 ? 0xedb88320u : 0);
        }
        return ~crc;
}

USHORT RtlCaptureStackBackTrace(ULONG FramesToSkip, ULONG FramesToCapture, PVOID *BackTrace,
                                PULONG BackTraceHash)
{
        void *frames[64];
        int count = backtrace(frames, RTL_NUMBER_OF(frames));
        USHORT taken = 0;
        ULONG hash = 0;

        for (ULONG i = FramesToSkip + 1; i < (ULONG)count && taken < FramesToCapture; i++) {
                BackTrace[taken++] = frames[i];
                hash += (ULONG)(ULONG_PTR)frames[i];
        }
        if (BackTraceHash)
                *BackTraceHash = hash;
        return taken;
}

ULONG RtlWalkFrameChain(PVOID *Callers, ULONG Count, ULONG Flags)
{
        return RtlCaptureStackBackTrace(0, Count, Callers, NULL);
}

VOID RtlGetCallersAddress(PVOID *CallersAddress, PVOID *CallersCaller)
{
        PVOID frames[3] = {NULL, NULL, NULL};

        RtlCaptureStackBackTrace(0, RTL_NUMBER_OF(frames), frames, NULL);
        *CallersAddress = frames[1];
        *CallersCaller = frames[2];
}

VOID RtlAssert(PVOID VoidFailedAssertion, PVOID VoidFileName, ULONG LineNumber, PSTR MutableMessage)
{
        fm_violation("assertion", "%s:%u: %s%s%s", (const char *)VoidFileName, LineNumber,
                     (const char *)VoidFailedAssertion, MutableMessage ? ": " : "",
                     MutableMessage ? MutableMessage : "");
}
