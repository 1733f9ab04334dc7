/* SPDX-License-Identifier: MIT */
/* Every byte string comes back as it was, and no other UTF-16 string leads to it. */
#include <glib.h>

#include "nt/pool.h"
#include "nt/unicode.h"

static void check_round_trip(const char *bytes, size_t length)
{
        UNICODE_STRING name;
        char *back;

        g_assert_true(fm_name_to_unicode_string(bytes, length, &name));
        g_assert_cmpuint(name.Length / sizeof(WCHAR), <=, length);
        back = fm_name_from_unicode_string(&name);
        g_assert_nonnull(back);
        g_assert_cmpmem(back, strlen(back), bytes, length);
        free(back);
        RtlFreeUnicodeString(&name);
}

static char random_byte(void)
{
        return (char)g_test_rand_int_range(1, 256);
}

/* Plain bytes, and pieces around everything that is treated specially. */
static void test_random(void)
{
        static const char *const pieces[] = {"\xef\x80\x80",
                                             "\xef\x83\xbf",
                                             "\xef\x84\x80",
                                             "\xed\xa0\x80",
                                             "\xed\xbf\xbf",
                                             "\xf0\x9f\x98\x80",
                                             "\xf4\x90\x80\x80",
                                             "\xc0\xaf",
                                             "\xe9",
                                             "a",
                                             "/",
                                             "\\",
                                             ":",
                                             "*",
                                             "\x1f",
                                             "\xc3\xa9",
                                             "\xef\x80\xba",
                                             "\xef\x81\x81"};
        size_t used = 0;

        for (int i = 0; i < 100000; i++) {
                char name[64];
                size_t length = 0;
                size_t count = (size_t)g_test_rand_int_range(0, 12);

                for (size_t j = 0; j < count; j++) {
                        if (g_test_rand_bit()) {
                                const char *piece = pieces[g_test_rand_int_range(0, G_N_ELEMENTS(pieces))];

                                memcpy(name + length, piece, strlen(piece));
                                length += strlen(piece);
                        } else {
                                name[length++] = random_byte();
                        }
                }
                check_round_trip(name, length);
                used += length;
        }
        g_assert_cmpuint(used, >, 0);
}

/* The other way round: a UTF-16 string that is accepted is the one that its bytes give. */
static void test_no_aliases(void)
{
        unsigned accepted = 0;

        for (int i = 0; i < 100000; i++) {
                static const WCHAR bases[] = {0x20, 0x60, 0xf000, 0xf020, 0xf080, 0xd800, 0xdc00, 0xe0};
                WCHAR chars[6], again[24];
                size_t count = (size_t)g_test_rand_int_range(1, 7);
                char *bytes;

                for (size_t j = 0; j < count; j++)
                        chars[j] = (WCHAR)(bases[g_test_rand_int_range(0, G_N_ELEMENTS(bases))] +
                                           g_test_rand_int_range(0, 96));
                bytes = fm_name_from_utf16(chars, count);
                if (!bytes)
                        continue;
                accepted++;
                g_assert_cmpuint(fm_name_to_utf16(bytes, strlen(bytes), again, 24), ==, count);
                g_assert_cmpmem(again, count * sizeof(WCHAR), chars, count * sizeof(WCHAR));
                free(bytes);
        }
        g_assert_cmpuint(accepted, >, 100);
}

static void test_table(void)
{
        static const struct {
                const char *bytes;
                const WCHAR *chars;
        } table[] = {
                {"/dir/file", L"\\dir\\file"},
                {"a\\b", L"a\xf05c"
                         L"b"},
                {"a:b*?\"<>|", L"a\xf03a"
                               L"b\xf02a\xf03f\xf022\xf03c\xf03e\xf07c"},
                {"\x01\x7f", L"\xf001\x7f"},
                {"\xc3\xa9", L"\xe9"},
                {"\xe9", L"\xf0e9"},
                {"\xed\xa0\x80", L"\xf0ed\xf0a0\xf080"},
                {"\xef\x81\x81", L"\xf0ef\xf081\xf081"},
                {"\xf0\x9f\x98\x80", L"\xd83d\xde00"},
        };
        static const WCHAR *const refused[] = {L"a/b",    L"a:b",     L"\xf000",       L"\xf02f", L"\xf041",
                                               L"\xd800", L"\xdc00x", L"\xf0c3\xf0a9", L"*"};
        WCHAR out[16];

        for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
                size_t count = fm_name_to_utf16(table[i].bytes, strlen(table[i].bytes), out, 16);

                g_assert_cmpmem(out, count * sizeof(WCHAR), table[i].chars,
                                fm_utf16_length(table[i].chars) * sizeof(WCHAR));
                check_round_trip(table[i].bytes, strlen(table[i].bytes));
        }
        for (size_t i = 0; i < G_N_ELEMENTS(refused); i++)
                g_assert_null(fm_name_from_utf16(refused[i], fm_utf16_length(refused[i])));
        g_assert_null(fm_name_from_utf16(L"a\0b", 3));
}

static void test_limits(void)
{
        g_autofree char *longest = g_strnfill(32766, 'a');
        g_autofree char *longer = g_strnfill(32767, 'a');
        UNICODE_STRING name;

        check_round_trip(longest, 32766);
        g_assert_false(fm_name_to_unicode_string(longer, 32767, &name));
        g_assert_null(name.Buffer);
        check_round_trip("", 0);
}

static void test_text(void)
{
        size_t count;
        WCHAR *wide = fm_utf16_from_utf8("a\xff\xf0\x9f\x98\x80", &count);
        char *narrow;

        g_assert_cmpuint(count, ==, 4);
        g_assert_cmpint(wide[1], ==, 0xfffd);
        wide[0] = 0xd800;
        narrow = fm_utf8_from_utf16(wide, count);
        g_assert_cmpstr(narrow, ==, "\xef\xbf\xbd\xef\xbf\xbd\xf0\x9f\x98\x80");
        free(narrow);
        free(wide);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/nt/names/table", test_table);
        g_test_add_func("/nt/names/random", test_random);
        g_test_add_func("/nt/names/no-aliases", test_no_aliases);
        g_test_add_func("/nt/names/limits", test_limits);
        g_test_add_func("/nt/names/text", test_text);
        return g_test_run();
}
