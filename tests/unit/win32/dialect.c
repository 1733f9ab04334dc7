/* SPDX-License-Identifier: MIT */
/*
 * An agent's C library: compiled as an agent is, without our own build's exceptions, so that printf, wcslen
 * and the rest are what the contract headers make of them.
 */
#include <windows.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strsafe.h>

static int failures;
static int checks;

static void check(int ok, const char *what)
{
        printf("%s %d - %s\n", ok ? "ok" : "not ok", ++checks, what);
        failures += !ok;
}

static void check_text(const char *got, const char *wanted, const char *what)
{
        check(strcmp(got, wanted) == 0, what);
        if (strcmp(got, wanted) != 0)
                printf("# got \"%s\", wanted \"%s\"\n", got, wanted);
}

static void test_format(void)
{
        char buffer[128];
        WCHAR wide[64];
        int n;

        n = snprintf(buffer, sizeof(buffer), "%ws|%S|%s", L"one", L"two", "three");
        check_text(buffer, "one|two|three", "wide strings in narrow formats");
        check(n == 13, "length of a formatted text");
        sprintf(buffer, "%lx %lu %ld", 0xffffffffu, 0xffffffffu, -1);
        check_text(buffer, "ffffffff 4294967295 -1", "long has 32 bits");
        snprintf(buffer, sizeof(buffer), "%I64x %I64d %Ix %Iu", 0x123456789abcull, -5ll, (ULONG_PTR)0xabc,
                 (SIZE_T)77);
        check_text(buffer, "123456789abc -5 abc 77", "I64 and I");
        check(snprintf(buffer, sizeof(buffer), "%I64x", 1ull) == 1,
              "the compiler takes no length for granted");
        snprintf(buffer, sizeof(buffer), "%-6ws|%8.3ws|", L"ab", L"abcdef");
        check_text(buffer, "ab    |     abc|", "width and precision of wide strings");
        n = snprintf(buffer, 4, "abcdef");
        check(n == 6 && strcmp(buffer, "abc") == 0, "snprintf terminates and tells the whole length");
        n = _snprintf(buffer, 3, "abc");
        check(n == 3 && memcmp(buffer, "abc", 3) == 0, "_snprintf may fill the buffer");
        check(_snprintf(buffer, 3, "abcd") < 0, "_snprintf tells truncation by a negative value");
        n = sprintf_s(buffer, sizeof(buffer), "%d", 42);
        check(n == 2 && strcmp(buffer, "42") == 0, "sprintf_s");
        n = _snwprintf(wide, 64, L"%s %S %d", L"wide", "narrow", 7);
        check(n == 13 && wcscmp(wide, L"wide narrow 7") == 0, "in wide formats %s is wide");
        check(swprintf(wide, 4, L"%s", L"abcdef") < 0 && wide[3] == 0, "swprintf tells truncation");
}

static void test_wide(void)
{
        WCHAR buffer[16] = L"abc";
        WCHAR *end;

        check(sizeof(wchar_t) == 2 && wcslen(L"abcd") == 4, "wcslen counts 16-bit characters");
        check(_wcsicmp(L"AbC", L"aBc") == 0 && wcscmp(L"a", L"b") < 0, "comparison");
        check(wcschr(buffer, L'b') == buffer + 1 && wcsrchr(buffer, L'x') == NULL, "search");
        wcscat(buffer, L"def");
        check(wcscmp(buffer, L"abcdef") == 0 && wcsstr(buffer, L"cd") == buffer + 2, "concatenation");
        check(wcscpy_s(buffer, 3, L"abc") != 0 && buffer[0] == 0, "wcscpy_s does not truncate");
        check(wcstol(L"-12x", &end, 10) == -12 && *end == L'x', "wcstol");
        check(sizeof(wcstoul(L"1", NULL, 10)) == 4, "wcstoul has 32 bits");
        check(_wtoi(L"99") == 99 && _stricmp("A", "a") == 0 && _strnicmp("ABx", "aby", 2) == 0, "small ones");
}

static void test_strsafe(void)
{
        WCHAR wide[8];
        char narrow[8];
        size_t length;

        check(StringCchCopyW(wide, 8, L"C:\\a") == S_OK, "StringCchCopy");
        check(StringCchCatW(wide, 8, L"\\x.dll") == STRSAFE_E_INSUFFICIENT_BUFFER &&
                      wcscmp(wide, L"C:\\a\\x.") == 0,
              "StringCchCat truncates and says so");
        check(StringCchPrintfA(narrow, 8, "%ws-%d", L"ab", 12) == S_OK && strcmp(narrow, "ab-12") == 0,
              "StringCchPrintf");
        check(StringCchLengthW(wide, 8, &length) == S_OK && length == 7, "StringCchLength");
        check(StringCchCopyA(narrow, 0, "x") == STRSAFE_E_INVALID_PARAMETER, "no room at all");
}

static void test_text(void)
{
        WCHAR wide[16];
        char narrow[16];

        check(MultiByteToWideChar(CP_UTF8, 0, "\xC3\xA4\xF0\x9F\x98\x80", -1, wide, 16) == 4 &&
                      wide[0] == 0xE4 && wide[1] == 0xD83D && wide[2] == 0xDE00,
              "UTF-8 to UTF-16");
        check(WideCharToMultiByte(CP_ACP, 0, wide, -1, narrow, 16, NULL, NULL) == 7 &&
              strcmp(narrow, "\xC3\xA4\xF0\x9F\x98\x80") == 0, "and back");
        check(MultiByteToWideChar(CP_ACP, MB_ERR_INVALID_CHARS, "\xFF", 1, wide, 16) == 0 &&
              GetLastError() == ERROR_NO_UNICODE_TRANSLATION, "wrong bytes are refused on request");
        check(MultiByteToWideChar(CP_ACP, 0, "\xC0\x80", 2, wide, 16) == 2 && wide[0] == 0xFFFD,
              "and replaced otherwise");
        check(MultiByteToWideChar(CP_ACP, 0, "abc", 3, NULL, 0) == 3, "how much room");
        check(MultiByteToWideChar(CP_ACP, 0, "abc", 3, wide, 2) == 0 &&
                      GetLastError() == ERROR_INSUFFICIENT_BUFFER,
              "no room");
}

static void test_message(void)
{
        WCHAR buffer[MAX_PATH];
        HMODULE module = NULL;

        check(FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM, NULL, ERROR_FILE_NOT_FOUND, 0, buffer, MAX_PATH,
                             NULL) > 0 &&
                      wcsstr(buffer, L"cannot find the file") != NULL,
              "message of a Win32 error");
        check(FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM, NULL, 0x80070005, 0, buffer, MAX_PATH, NULL) > 0,
              "message of its HRESULT");
        check(FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM, NULL, 0x801F0013, 0, buffer, MAX_PATH, NULL) == 0,
              "the system has no messages of the filter manager");
        check(GetSystemDirectoryW(buffer, MAX_PATH) > 0 &&
                      StringCchCatW(buffer, MAX_PATH, L"\\fltlib.dll") == S_OK &&
                      (module = LoadLibraryExW(buffer, NULL, LOAD_LIBRARY_AS_DATAFILE)) != NULL,
              "fltlib.dll is found");
        check(FormatMessageW(FORMAT_MESSAGE_FROM_HMODULE, module, 0x801F0013, 0, buffer, MAX_PATH, NULL) >
                              0 &&
                      wcsstr(buffer, L"filter") != NULL,
              "and has them");
        check(FreeLibrary(module), "FreeLibrary");
        check(LoadLibraryExW(L"other.dll", NULL, 0) == NULL && GetLastError() == ERROR_MOD_NOT_FOUND,
              "others are not");
}

static void test_time(void)
{
        SYSTEMTIME time = { .wYear = 2024, .wMonth = 2, .wDay = 29, .wHour = 12, .wMilliseconds = 345 }, back;
        FILETIME file;

        check(SystemTimeToFileTime(&time, &file) &&
                      ((ULONGLONG)file.dwHighDateTime << 32 | file.dwLowDateTime) == 133536816003450000ull,
              "SystemTimeToFileTime");
        check(FileTimeToSystemTime(&file, &back) && back.wDay == 29 && back.wDayOfWeek == 4 &&
                      back.wMilliseconds == 345,
              "FileTimeToSystemTime");
        time.wMonth = 4;
        time.wDay = 31;
        check(!SystemTimeToFileTime(&time, &file), "no 31st of April");
}

static void test_seh(void)
{
        int order = 0, late = 0;

        try {
                order = 1;
                if (order)
                        leave;
                order = 99;
        } finally {
                late = ++order;
        }
        check(late == 2, "leave goes to finally");
}

int main(void)
{
        test_format();
        test_wide();
        test_strsafe();
        test_text();
        test_message();
        test_time();
        test_seh();
        printf("1..%d\n", checks);
        return failures != 0;
}
