/* SPDX-License-Identifier: MIT */
/* Microsoft's printf dialect, and the 16-bit C functions. */
#include <errno.h>
#include <fltKernel.h>
#include <glib.h>

#include "nt/crt.h"
#include "nt/format.h"
#include "nt/unicode.h"

#define check(Expected, ...)                                                                                 \
        do {                                                                                                 \
                char out[512];                                                                               \
                int length = fm_snprintf(out, sizeof(out), __VA_ARGS__);                                     \
                g_assert_cmpstr(out, ==, Expected);                                                          \
                g_assert_cmpint(length, ==, (int)strlen(Expected));                                          \
        } while (0)

#define check_wide(Expected, ...)                                                                            \
        do {                                                                                                 \
                WCHAR wide_out[512];                                                                         \
                int wide_length = fm_snwprintf(wide_out, 512, __VA_ARGS__);                                  \
                char *narrow = fm_utf8_from_utf16(wide_out, fm_wcslen(wide_out));                            \
                g_assert_cmpstr(narrow, ==, Expected);                                                       \
                g_assert_cmpint(wide_length, ==, (int)fm_wcslen(wide_out));                                  \
                free(narrow);                                                                                \
        } while (0)

static void test_integers(void)
{
        check("-1 4294967295 ffffffff", "%d %u %lx", -1, -1, -1);
        check("ffffffff", "%lx", 0xffffffffu);
        check("1234567890abcdef", "%I64x", 0x1234567890abcdefULL);
        check("1234567890ABCDEF", "%I64X", 0x1234567890abcdefULL);
        check("-9223372036854775808", "%I64d", (LONGLONG)INT64_MIN);
        check("18446744073709551615", "%llu", ~0ULL);
        check("18446744073709551615 ffffffffffffffff -1", "%Iu %Ix %Id", (SIZE_T)-1, (SIZE_T)-1,
              (LONG_PTR)-1);
        check("7", "%I32u", 7);
        check("0000002a|2a      |      2a|0x2a|0X2A", "%08x|%-8x|%8x|%#x|%#X", 42, 42, 42, 42, 42);
        check("+5| 5|005|  005|5    |", "%+d|% d|%.3d|%5.3d|%-5d|", 5, 5, 5, 5, 5);
        check("00000000DEADBEEF", "%p", (void *)0xdeadbeef);
        check("52", "%o", 42);
        check("255 -1", "%hhu %hd", 0x1ff, 0xffff);
        check("   7|7   ", "%*d|%-*d", 4, 7, 4, 7);
        check("7   ", "%*d", -4, 7);
        check("", "%.0d", 0);
        check("100%", "%d%%", 100);
        check("end", "end%");
        check("q", "%q", 1);
}

static void test_strings(void)
{
        UNICODE_STRING unicode;
        ANSI_STRING ansi;

        RtlInitUnicodeString(&unicode, L"\\a\\\u00e9");
        unicode.Length -= sizeof(WCHAR); /* counted: what follows is not text */
        RtlInitAnsiString(&ansi, "bytes");
        check("[\\a\\]", "[%wZ]", &unicode);
        check("[\\a\\   ][  \\a\\][\\a]", "[%-6wZ][%5wZ][%.2wZ]", &unicode, &unicode, &unicode);
        check("bytes", "%Z", &ansi);
        check("(null)", "%wZ", NULL);
        check("narrow wide", "%s %ws", "narrow", L"wide");
        check("wide wide narrow", "%S %ls %hs", L"wide", L"wide", "narrow");
        check("(null) (null)", "%s %S", NULL, NULL);
        check("abc|abc  |  abc", "%.3s|%-5s|%5s", "abcdef", "abc", "abc");
        check("\xf0\x9f\x98\x80", "%ws", L"\xd83d\xde00");
        check("\xef\xbf\xbdx", "%ws", L"\xd83dx");
        check("xy", "%c%C", 'x', L'y');
        check_wide("wide narrow \\a\\ 0000002a", L"%s %S %wZ %08x", L"wide", "narrow", &unicode, 42);
        check_wide("narrow wide", L"%hs %ls", "narrow", L"wide");
        check_wide("\xf0\x9f\x98\x80", L"%S", "\xf0\x9f\x98\x80");
        check("3.500", "%.3f", 3.5);
}

/* Published filters do this; on Windows a struct of 16 bytes travels by reference. */
static void test_by_value(void)
{
        static UNICODE_STRING value;

        RtlInitUnicodeString(&value, L"\\by\\value");
        check("\\by\\value 7", "%wZ %d", value, 7);
}

static void test_truncation(void)
{
        char narrow[8];
        WCHAR wide[8];

        memset(narrow, 'x', sizeof(narrow));
        g_assert_cmpint(fm_snprintf(narrow, 4, "%s", "abcdef"), <, 0);
        g_assert_cmpmem(narrow, 6, "abcdxx", 6); /* not terminated */
        memset(narrow, 'x', sizeof(narrow));
        g_assert_cmpint(fm_snprintf(narrow, 4, "%s", "abcd"), ==, 4);
        g_assert_cmpmem(narrow, 5, "abcdx", 5);
        g_assert_cmpint(fm_snprintf(narrow, 5, "%s", "abcd"), ==, 4);
        g_assert_cmpstr(narrow, ==, "abcd");
        for (int i = 0; i < 8; i++)
                wide[i] = L'x';
        g_assert_cmpint(fm_snwprintf(wide, 3, L"%d", 12345), <, 0);
        g_assert_cmpmem(wide, 4 * sizeof(WCHAR), L"123x", 4 * sizeof(WCHAR));
        g_assert_cmpint(fm_sprintf_s(narrow, sizeof(narrow), "%s", "too long for it"), ==, -1);
        g_assert_cmpstr(narrow, ==, "");
        g_assert_cmpint(fm_swprintf_s(wide, 8, L"%d", 42), ==, 2);
}

static void test_overlap(void)
{
        WCHAR buffer[64] = L"Read:";

        g_assert_cmpint(fm_snwprintf(buffer, 64, L"%s length %d", buffer, 512), ==, 16);
        g_assert_cmpint(fm_wcscmp(buffer, L"Read: length 512"), ==, 0);
        g_assert_cmpint(fm_snwprintf(buffer, 64, L"%s, %wZ", buffer, NULL), ==, 24);
        g_assert_cmpint(fm_wcscmp(buffer, L"Read: length 512, (null)"), ==, 0);
}

static void test_wide_functions(void)
{
        WCHAR buffer[32];
        WCHAR *state = NULL;
        WCHAR *end;

        g_assert_cmpuint(fm_wcslen(L"abc"), ==, 3);
        g_assert_cmpuint(fm_wcsnlen(L"abc", 2), ==, 2);
        fm_wcscpy(buffer, L"one");
        fm_wcscat(buffer, L",two");
        g_assert_cmpint(fm_wcscmp(buffer, L"one,two"), ==, 0);
        g_assert_cmpint(fm_wcscmp(L"a", L"b"), <, 0);
        g_assert_cmpint(fm_wcscmp(L"\xffff", L"a"), >, 0);
        g_assert_cmpint(fm_wcsicmp(L"STRASSE\x00c4", L"strasse\x00e4"), ==, 0);
        g_assert_cmpint(fm_wcsnicmp(L"ABCx", L"abcy", 3), ==, 0);
        g_assert_true(fm_wcschr(buffer, L',') == buffer + 3);
        g_assert_true(fm_wcsrchr(L"abcb", L'q') == NULL);
        g_assert_true(fm_wcsstr(buffer, L"two") == buffer + 4);
        g_assert_null(fm_wcsstr(buffer, L"twos"));
        g_assert_cmpint(fm_wcscmp(fm_wcstok(buffer, L",", &state), L"one"), ==, 0);
        g_assert_cmpint(fm_wcscmp(fm_wcstok(NULL, L",", &state), L"two"), ==, 0);
        g_assert_null(fm_wcstok(NULL, L",", &state));
        g_assert_cmpint(fm_wcstol(L"0x1fz", &end, 0), ==, 31);
        g_assert_cmpint(*end, ==, L'z');
        g_assert_cmpint(fm_wcstol(L"99999999999", NULL, 10), ==, INT32_MAX);
        g_assert_cmpuint(fm_wcstoul(L"4294967295", NULL, 10), ==, UINT32_MAX);
        g_assert_cmpint(fm_wcscpy_s(buffer, 3, L"abc"), ==, ERANGE);
        g_assert_cmpint(buffer[0], ==, 0);
        g_assert_cmpint(fm_wcscpy_s(buffer, 4, L"abc"), ==, 0);
        g_assert_cmpint(fm_wcscat_s(buffer, 6, L"de"), ==, 0);
        g_assert_cmpint(fm_wcscat_s(buffer, 6, L"f"), ==, ERANGE);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/nt/format/integers", test_integers);
        g_test_add_func("/nt/format/strings", test_strings);
        g_test_add_func("/nt/format/by-value", test_by_value);
        g_test_add_func("/nt/format/truncation", test_truncation);
        g_test_add_func("/nt/format/overlap", test_overlap);
        g_test_add_func("/nt/crt/wide", test_wide_functions);
        return g_test_run();
}
