/* SPDX-License-Identifier: MIT */
/* Counted strings, conversions, name expressions, bitmaps, time. */
#include <fltKernel.h>
#include <glib.h>
#include <wsk.h>

#include "nt/crt.h"

static UNICODE_STRING U(const WCHAR *text)
{
        UNICODE_STRING string;

        RtlInitUnicodeString(&string, text);
        return string;
}

static void test_compare(void)
{
        UNICODE_STRING upper = U(L"\\DIR\\\x00c4"), lower = U(L"\\dir\\\x00e4"),
                       longer = U(L"\\dir\\\x00e4x");
        UNICODE_STRING dotless = U(L"\x0131"), i = U(L"I");

        g_assert_true(RtlEqualUnicodeString(&upper, &lower, TRUE));
        g_assert_false(RtlEqualUnicodeString(&upper, &lower, FALSE));
        g_assert_cmpint(RtlCompareUnicodeString(&lower, &longer, TRUE), <, 0);
        g_assert_cmpint(RtlCompareUnicodeString(&upper, &lower, FALSE), <, 0);
        g_assert_true(RtlPrefixUnicodeString(&upper, &longer, TRUE));
        g_assert_false(RtlPrefixUnicodeString(&longer, &upper, TRUE));
        g_assert_false(RtlEqualUnicodeString(&dotless, &i, TRUE)); /* nothing becomes ASCII */
        g_assert_cmpint(RtlUpcaseUnicodeChar(L'\x00ff'), ==, 0x178);
        g_assert_cmpint(RtlUpcaseUnicodeChar(L'\x00b5'), ==, 0xb5);
}

static void test_append(void)
{
        WCHAR buffer[4];
        UNICODE_STRING string = {0, sizeof(buffer), buffer}, two = U(L"ab"), one = U(L"c");

        g_assert_cmpint(RtlAppendUnicodeStringToString(&string, &two), ==, STATUS_SUCCESS);
        g_assert_cmpint(RtlAppendUnicodeToString(&string, L"cde"), ==, STATUS_BUFFER_TOO_SMALL);
        g_assert_cmpint(string.Length, ==, 4);
        g_assert_cmpint(RtlAppendUnicodeStringToString(&string, &one), ==, STATUS_SUCCESS);
        g_assert_cmpint(buffer[3], ==, 0);
        g_assert_cmpint(RtlAppendUnicodeToString(&string, L"d"), ==, STATUS_SUCCESS);
        g_assert_cmpint(string.Length, ==, 8);
        string.MaximumLength = 6;
        RtlCopyUnicodeString(&string, &two);
        g_assert_cmpint(string.Length, ==, 4);
        RtlCopyUnicodeString(&string, NULL);
        g_assert_cmpint(string.Length, ==, 0);
}

static void test_convert(void)
{
        UNICODE_STRING text = U(L"a\x00e9\xd83d\xde00"), back, number;
        ANSI_STRING ansi;
        WCHAR buffer[16];
        ULONG value;
        GUID guid = {0x12345678, 0x9abc, 0xdef0, {1, 2, 3, 4, 5, 6, 7, 8}}, parsed;

        g_assert_cmpint(RtlUnicodeStringToAnsiString(&ansi, &text, TRUE), ==, STATUS_SUCCESS);
        g_assert_cmpstr(ansi.Buffer, ==, "a\xc3\xa9\xf0\x9f\x98\x80");
        g_assert_cmpint(RtlAnsiStringToUnicodeString(&back, &ansi, TRUE), ==, STATUS_SUCCESS);
        g_assert_true(RtlEqualUnicodeString(&text, &back, FALSE));
        back.MaximumLength = 2;
        g_assert_cmpint(RtlAnsiStringToUnicodeString(&back, &ansi, FALSE), ==, STATUS_BUFFER_OVERFLOW);
        RtlFreeAnsiString(&ansi);
        RtlFreeUnicodeString(&back);

        RtlInitEmptyUnicodeString(&number, buffer, sizeof(buffer));
        g_assert_cmpint(RtlIntegerToUnicodeString(0xbeef, 16, &number), ==, STATUS_SUCCESS);
        g_assert_cmpint(fm_wcscmp(buffer, L"BEEF"), ==, 0);
        g_assert_cmpint(RtlIntegerToUnicodeString(1, 7, &number), ==, STATUS_INVALID_PARAMETER);
        number = U(L" 0x20 ");
        g_assert_cmpint(RtlUnicodeStringToInteger(&number, 0, &value), ==, STATUS_SUCCESS);
        g_assert_cmpuint(value, ==, 32);
        number = U(L"-7");
        RtlUnicodeStringToInteger(&number, 10, &value);
        g_assert_cmpint((LONG)value, ==, -7);

        g_assert_cmpint(RtlStringFromGUID(&guid, &back), ==, STATUS_SUCCESS);
        g_assert_cmpint(fm_wcscmp(back.Buffer, L"{12345678-9ABC-DEF0-0102-030405060708}"), ==, 0);
        g_assert_cmpint(RtlGUIDFromString(&back, &parsed), ==, STATUS_SUCCESS);
        g_assert_cmpmem(&parsed, sizeof(parsed), &guid, sizeof(guid));
        back.Buffer[9] = L'x';
        g_assert_cmpint(RtlGUIDFromString(&back, &parsed), ==, STATUS_INVALID_PARAMETER);
        RtlFreeUnicodeString(&back);
}

static void test_expressions(void)
{
        static const struct {
                const WCHAR *expression, *name;
                BOOLEAN matches;
        } table[] = {
                {L"*", L"anything.txt", TRUE},
                {L"*.TXT", L"file.txt", TRUE},
                {L"*.TXT", L"file.txt2", FALSE},
                {L"F?LE.*", L"file.txt", TRUE},
                {L"F?LE.*", L"fle.txt", FALSE},
                {L"A*B*C", L"axxbyyc", TRUE},
                {L"A*B*C", L"axxbyy", FALSE},
                {L"?", L"ab", FALSE},
                {L"**", L"x", TRUE},
                {L"<.TXT", L"a.b.txt", TRUE},
                {L"<", L"noext", TRUE},
                {L"<\"*", L"noext", TRUE},
                {L"FILE\"", L"file", TRUE},
                {L"FILE\"", L"file.", TRUE},
                {L"FILE\"", L"filex", FALSE},
                {L">>>.TXT", L"ab.txt", TRUE},
                {L">>>.TXT", L"abcd.txt", FALSE},
                {L"A>>>", L"a", TRUE},
                {L"EXACT", L"exact", TRUE},
                {L"EXACT", L"exac", FALSE},
                {L"A", L"b", FALSE},
        };
        UNICODE_STRING expression, name;
        WCHAR *stars = g_new(WCHAR, 2001), *text = g_new(WCHAR, 2001);

        for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
                expression = U(table[i].expression);
                name = U(table[i].name);
                g_test_message("%zu", i);
                g_assert_cmpint(FsRtlIsNameInExpression(&expression, &name, TRUE, NULL), ==,
                                table[i].matches);
        }
        expression = U(L"abc*");
        name = U(L"ABCD");
        g_assert_false(FsRtlIsNameInExpression(&expression, &name, FALSE, NULL));
        g_assert_true(FsRtlIsNameInUnUpcasedExpression(&expression, &name, TRUE, NULL));
        g_assert_true(FsRtlDoesNameContainWildCards(&expression));
        g_assert_false(FsRtlDoesNameContainWildCards(&name));

        /* What would take for ever with a matcher that tries all. */
        for (int i = 0; i < 2000; i++) {
                stars[i] = i % 2 ? L'*' : L'A';
                text[i] = L'a';
        }
        stars[1999] = L'B';
        stars[2000] = text[2000] = 0;
        expression = U(stars);
        name = U(text);
        g_assert_false(FsRtlIsNameInExpression(&expression, &name, TRUE, NULL));
        g_free(stars);
        g_free(text);
}

static void test_names(void)
{
        static const struct {
                const WCHAR *name;
                BOOLEAN legal;
        } table[] = {
                {L"FILE.TXT", TRUE},
                {L"file", TRUE},
                {L"12345678.123", TRUE},
                {L"123456789.1", FALSE},
                {L"a.b.c", FALSE},
                {L"a.1234", FALSE},
                {L".", TRUE},
                {L"..", TRUE},
                {L".txt", FALSE},
                {L"a+b", FALSE},
                {L"", FALSE},
                {L"a\x00e9", FALSE},
        };
        UNICODE_STRING path = U(L"\\a\\b\\c"), first, rest, name;
        BOOLEAN spaces;

        for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
                name = U(table[i].name);
                g_assert_cmpint(RtlIsNameLegalDOS8Dot3(&name, NULL, NULL), ==, table[i].legal);
        }
        name = U(L"a b.txt");
        g_assert_true(RtlIsNameLegalDOS8Dot3(&name, NULL, &spaces));
        g_assert_true(spaces);
        FsRtlDissectName(path, &first, &rest);
        g_assert_cmpint(first.Length, ==, 2);
        g_assert_cmpint(rest.Length, ==, 6);
        g_assert_cmpint(rest.Buffer[0], ==, L'b');
}

static void test_bitmap_and_time(void)
{
        ULONG bits[2];
        RTL_BITMAP map;
        LARGE_INTEGER time;
        TIME_FIELDS fields;
        ULONG seconds;

        RtlInitializeBitMap(&map, bits, 40);
        RtlClearAllBits(&map);
        RtlSetBits(&map, 3, 30);
        g_assert_cmpuint(RtlNumberOfSetBits(&map), ==, 30);
        g_assert_cmpuint(RtlFindClearBitsAndSet(&map, 5, 0), ==, 33);
        g_assert_cmpuint(RtlFindClearBits(&map, 5, 0), ==, 0xffffffff);
        g_assert_true(RtlAreBitsSet(&map, 3, 35));
        g_assert_false(RtlAreBitsSet(&map, 3, 36));

        RtlSecondsSince1970ToTime(0, &time);
        g_assert_cmpint(time.QuadPart, ==, 116444736000000000);
        RtlSecondsSince1970ToTime(951782400, &time); /* 29 February 2000, a Tuesday */
        RtlTimeToTimeFields(&time, &fields);
        g_assert_cmpint(fields.Year, ==, 2000);
        g_assert_cmpint(fields.Month, ==, 2);
        g_assert_cmpint(fields.Day, ==, 29);
        g_assert_cmpint(fields.Weekday, ==, 2);
        g_assert_true(RtlTimeFieldsToTime(&fields, &time));
        g_assert_true(RtlTimeToSecondsSince1970(&time, &seconds));
        g_assert_cmpuint(seconds, ==, 951782400);
        fields.Year = 2001;
        g_assert_false(RtlTimeFieldsToTime(&fields, &time));
}

static void test_addresses(void)
{
        static const struct {
                UCHAR bytes[16];
                const char *text;
        } table[] = {
                {{0}, "::"},
                {{[15] = 1}, "::1"},
                {{0x20, 0x01, 0x0d, 0xb8, [15] = 1}, "2001:db8::1"},
                {{0, 1, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3}, "1:0:0:2::3"},
                {{0xfe, 0x80}, "fe80::"},
                {{0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8}, "1:2:3:4:5:6:7:8"},
        };
        UCHAR four[4] = {192, 0, 2, 1};
        char text[80];
        ULONG length;

        for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
                length = sizeof(text);
                g_assert_cmpint(
                        RtlIpv6AddressToStringExA((const IN6_ADDR *)table[i].bytes, 0, 0, text, &length), ==,
                        0);
                g_assert_cmpstr(text, ==, table[i].text);
                g_assert_cmpuint(length, ==, strlen(text) + 1);
        }
        length = sizeof(text);
        g_assert_cmpint(RtlIpv6AddressToStringExA((const IN6_ADDR *)table[1].bytes, 7, 0x5000, text, &length),
                        ==, 0);
        g_assert_cmpstr(text, ==, "[::1%7]:80");
        length = sizeof(text);
        g_assert_cmpint(RtlIpv4AddressToStringExA((const IN_ADDR *)four, 0x5000, text, &length), ==, 0);
        g_assert_cmpstr(text, ==, "192.0.2.1:80");
        length = 12;
        g_assert_cmphex(RtlIpv4AddressToStringExA((const IN_ADDR *)four, 0x5000, text, &length), ==,
                        STATUS_INVALID_PARAMETER);
        g_assert_cmpuint(length, ==, 13);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/nt/rtl/compare", test_compare);
        g_test_add_func("/nt/rtl/append", test_append);
        g_test_add_func("/nt/rtl/convert", test_convert);
        g_test_add_func("/nt/rtl/addresses", test_addresses);
        g_test_add_func("/nt/rtl/bitmap-and-time", test_bitmap_and_time);
        g_test_add_func("/nt/fsrtl/expressions", test_expressions);
        g_test_add_func("/nt/fsrtl/names", test_names);
        return g_test_run();
}
