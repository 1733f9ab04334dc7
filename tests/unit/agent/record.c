/* SPDX-License-Identifier: MIT */
/*
 * Lines of the agent's log: one line each, whatever is in a name, and JSON that loses nothing.
 */
#include <glib.h>
#include <string.h>

#include "record.h"

#define TIME G_GINT64_CONSTANT(1700000000123456) /* 2023-11-14T22:13:20.123Z */

static char *text(const gunichar2 *chars, size_t count, bool json)
{
        GString *out = g_string_new(NULL);

        fm_text_append_utf16(out, chars, count, json);
        return g_string_free(out, FALSE);
}

static void assert_text(const gunichar2 *chars, size_t count, const char *human, const char *json)
{
        g_autofree char *h = text(chars, count, false);
        g_autofree char *j = text(chars, count, true);

        g_assert_cmpstr(h, ==, human);
        g_assert_cmpstr(j, ==, json);
}

#define ASSERT_TEXT(human, json, ...)                                                                                  \
        do {                                                                                                           \
                const gunichar2 chars[] = { __VA_ARGS__ };                                                             \
                assert_text(chars, G_N_ELEMENTS(chars), human, json);                                                  \
        } while (0)

static void test_utf16(void)
{
        ASSERT_TEXT("\\a b", "\\\\a b", '\\', 'a', ' ', 'b');
        ASSERT_TEXT("a\"b", "a\\\"b", 'a', '"', 'b');
        ASSERT_TEXT("\xc3\xa4\xe2\x82\xac", "\xc3\xa4\xe2\x82\xac", 0xe4, 0x20ac);
        ASSERT_TEXT("\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80", 0xd83d, 0xde00);
        /* Would break the line, or the terminal. */
        ASSERT_TEXT("a\\u000ab\\u001b\\u007f\\u0085\\u2028", "a\\u000ab\\u001b\\u007f\\u0085\\u2028", 'a', 10, 'b', 27,
                    127, 0x85, 0x2028);
        /* A byte that is not text. */
        ASSERT_TEXT("a\\uf0ffb", "a\\uf0ffb", 'a', 0xf0ff, 'b');
        ASSERT_TEXT("\\uf000\\uf001", "\\uf000\\uf001", 0xf000, 0xf001);
        ASSERT_TEXT("\xef\x84\x80", "\xef\x84\x80", 0xf100);
        /* Halves of pairs. */
        ASSERT_TEXT("\\ud83dx", "\\ud83dx", 0xd83d, 'x');
        ASSERT_TEXT("\\ude00\\ud83d", "\\ude00\\ud83d", 0xde00, 0xd83d);
}

static void assert_bytes(const char *bytes, const char *json)
{
        GString *out = g_string_new(NULL);

        fm_text_append_bytes(out, bytes, true);
        g_assert_cmpstr(out->str, ==, json);
        g_string_free(out, TRUE);
}

static void test_bytes(void)
{
        assert_bytes("plain", "plain");
        assert_bytes("\xc3\xa4\"\\", "\xc3\xa4\\\"\\\\");
        assert_bytes("\xff\xfe", "\\uf0ff\\uf0fe");
        assert_bytes("\xc3", "\\uf0c3");
        assert_bytes("\xed\xa0\xbd", "\\uf0ed\\uf0a0\\uf0bd");
        /* UTF-8 of U+F041 is not the byte 0x41. */
        assert_bytes("\xef\x81\x81", "\\uf0ef\\uf081\\uf081");
        assert_bytes("a\nb", "a\\u000ab");
}

static struct fm_record record_infected(const gunichar2 *name, size_t length)
{
        return (struct fm_record){
                .reason = "open",
                .name = name,
                .name_length = length,
                .process_id = 4711,
                .process = "cat",
                .size = 68,
                .verdict = FM_VERDICT_INFECTED,
                .signature = "EICAR-Test-File",
                .microseconds = 152,
        };
}

static void test_record_text(void)
{
        const gunichar2 name[] = { '\\', 'a', '\\', 'b', 10, 'c' };
        struct fm_record record = record_infected(name, G_N_ELEMENTS(name));
        g_autofree char *infected = fm_record_format(&record, false, TIME);
        g_autofree char *clean = NULL;

        g_assert_cmpstr(infected, ==,
                        "2023-11-14T22:13:20.123Z infected EICAR-Test-File \\a\\b\\u000ac "
                        "(cat, process 4711, open, 68 bytes, 152 us)\n");
        record.verdict = FM_VERDICT_CLEAN;
        record.process = NULL;
        record.name_truncated = true;
        clean = fm_record_format(&record, false, TIME);
        g_assert_cmpstr(clean, ==,
                        "2023-11-14T22:13:20.123Z clean \\a\\b\\u000ac... (process 4711, open, 68 bytes, 152 us)\n");
}

static void test_record_unanswered(void)
{
        const gunichar2 name[] = { 'a' };
        struct fm_record record = record_infected(name, G_N_ELEMENTS(name));
        g_autofree char *line = NULL;

        record.verdict = FM_VERDICT_NONE;
        line = fm_record_format(&record, false, TIME);
        g_assert_cmpstr(line, ==, "2023-11-14T22:13:20.123Z unanswered a (cat, process 4711, open, 68 bytes, 152 us)\n");
}

static void test_record_json(void)
{
        const gunichar2 name[] = { '\\', 'a', '"', 0xf0ff };
        struct fm_record record = record_infected(name, G_N_ELEMENTS(name));
        g_autofree char *infected = fm_record_format(&record, true, TIME);
        g_autofree char *error = NULL;

        g_assert_cmpstr(
                infected, ==,
                "{\"time\":\"2023-11-14T22:13:20.123Z\",\"event\":\"verdict\",\"verdict\":\"infected\","
                "\"signature\":\"EICAR-Test-File\",\"path\":\"\\\\a\\\"\\uf0ff\",\"pid\":4711,\"process\":\"cat\","
                "\"size\":68,\"reason\":\"open\",\"microseconds\":152}\n");
        record.verdict = FM_VERDICT_ERROR;
        record.process = NULL;
        record.name_truncated = true;
        error = fm_record_format(&record, true, TIME);
        g_assert_cmpstr(error, ==,
                        "{\"time\":\"2023-11-14T22:13:20.123Z\",\"event\":\"verdict\",\"verdict\":\"error\","
                        "\"path\":\"\\\\a\\\"\\uf0ff\",\"truncated\":true,\"pid\":4711,\"size\":68,\"reason\":\"open\","
                        "\"microseconds\":152}\n");
}

static void test_event(void)
{
        g_autofree char *human = fm_event_format("connected", "\\Port", false, TIME);
        g_autofree char *json = fm_event_format("connected", "\\Port\n", true, TIME);

        g_assert_cmpstr(human, ==, "2023-11-14T22:13:20.123Z connected: \\Port\n");
        g_assert_cmpstr(
                json, ==,
                "{\"time\":\"2023-11-14T22:13:20.123Z\",\"event\":\"connected\",\"text\":\"\\\\Port\\u000a\"}\n");
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/agent/record/utf16", test_utf16);
        g_test_add_func("/agent/record/bytes", test_bytes);
        g_test_add_func("/agent/record/text", test_record_text);
        g_test_add_func("/agent/record/unanswered", test_record_unanswered);
        g_test_add_func("/agent/record/json", test_record_json);
        g_test_add_func("/agent/record/event", test_event);
        return g_test_run();
}
