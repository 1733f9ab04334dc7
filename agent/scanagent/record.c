/* SPDX-License-Identifier: MIT */
/*
 * Lines of the log. No I/O here.
 */
#include "record.h"

#include <string.h>

/* U+F000 + byte: a byte that is not text. */
#define RAW_BYTE 0xf000

static void append_escape(GString *out, unsigned unit)
{
        g_string_append_printf(out, "\\u%04x", unit);
}

static void append_char(GString *out, gunichar c, bool json)
{
        if (c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= RAW_BYTE && c <= RAW_BYTE + 0xff) || c == 0x2028 ||
            c == 0x2029) {
                append_escape(out, c);
                return;
        }
        if (json && (c == '"' || c == '\\'))
                g_string_append_c(out, '\\');
        g_string_append_unichar(out, c);
}

void fm_text_append_utf16(GString *out, const gunichar2 *chars, size_t count, bool json)
{
        for (size_t i = 0; i < count; i++) {
                gunichar2 unit = chars[i];

                if (unit < 0xd800 || unit > 0xdfff) {
                        append_char(out, unit, json);
                } else if (unit < 0xdc00 && i + 1 < count && chars[i + 1] >= 0xdc00 && chars[i + 1] <= 0xdfff) {
                        append_char(out, 0x10000 + ((gunichar)(unit - 0xd800) << 10) + (chars[i + 1] - 0xdc00u), json);
                        i++;
                } else {
                        append_escape(out, unit);
                }
        }
}

void fm_text_append_bytes(GString *out, const char *bytes, bool json)
{
        for (const char *at = bytes; *at != '\0';) {
                gunichar c = g_utf8_get_char_validated(at, -1);

                /* U+F0xx of a name must not be taken for a byte. */
                if (c == (gunichar)-1 || c == (gunichar)-2 || (c >= RAW_BYTE && c <= RAW_BYTE + 0xff)) {
                        append_escape(out, RAW_BYTE + (unsigned char)*at);
                        at++;
                        continue;
                }
                append_char(out, c, json);
                at = g_utf8_next_char(at);
        }
}

static void append_time(GString *out, gint64 time)
{
        g_autoptr(GDateTime) date = g_date_time_new_from_unix_utc(time / G_USEC_PER_SEC);
        g_autofree char *text = date != NULL ? g_date_time_format(date, "%Y-%m-%dT%H:%M:%S") : NULL;

        g_string_append_printf(out, "%s.%03dZ", text != NULL ? text : "?", (int)(time % G_USEC_PER_SEC / 1000));
}

static const char *verdict_name(enum fm_verdict verdict)
{
        switch (verdict) {
        case FM_VERDICT_NONE:
                return "unanswered";
        case FM_VERDICT_CLEAN:
                return "clean";
        case FM_VERDICT_INFECTED:
                return "infected";
        case FM_VERDICT_ERROR:
                break;
        }
        return "error";
}

static void append_json_bytes(GString *out, const char *key, const char *bytes)
{
        g_string_append_printf(out, ",\"%s\":\"", key);
        fm_text_append_bytes(out, bytes, true);
        g_string_append_c(out, '"');
}

static void append_record_json(GString *out, const struct fm_record *record)
{
        append_json_bytes(out, "verdict", verdict_name(record->verdict));
        if (record->verdict == FM_VERDICT_INFECTED)
                append_json_bytes(out, "signature", record->signature);
        g_string_append(out, ",\"path\":\"");
        fm_text_append_utf16(out, record->name, record->name_length, true);
        g_string_append_c(out, '"');
        if (record->name_truncated)
                g_string_append(out, ",\"truncated\":true");
        g_string_append_printf(out, ",\"pid\":%u", record->process_id);
        if (record->process != NULL)
                append_json_bytes(out, "process", record->process);
        g_string_append_printf(out, ",\"size\":%" G_GUINT64_FORMAT, record->size);
        append_json_bytes(out, "reason", record->reason);
        g_string_append_printf(out, ",\"microseconds\":%" G_GINT64_FORMAT, record->microseconds);
}

static void append_record_text(GString *out, const struct fm_record *record)
{
        g_string_append_printf(out, " %s ", verdict_name(record->verdict));
        if (record->verdict == FM_VERDICT_INFECTED) {
                fm_text_append_bytes(out, record->signature, false);
                g_string_append_c(out, ' ');
        }
        fm_text_append_utf16(out, record->name, record->name_length, false);
        if (record->name_truncated)
                g_string_append(out, "...");
        g_string_append(out, " (");
        if (record->process != NULL) {
                fm_text_append_bytes(out, record->process, false);
                g_string_append(out, ", ");
        }
        g_string_append_printf(out, "process %u, %s, %" G_GUINT64_FORMAT " bytes, %" G_GINT64_FORMAT " us)",
                               record->process_id, record->reason, record->size, record->microseconds);
}

static GString *line_new(bool json, gint64 time)
{
        GString *out = g_string_new(json ? "{\"time\":\"" : NULL);

        append_time(out, time);
        if (json)
                g_string_append_c(out, '"');
        return out;
}

static char *line_end(GString *out, bool json)
{
        g_string_append(out, json ? "}\n" : "\n");
        return g_string_free(out, FALSE);
}

char *fm_record_format(const struct fm_record *record, bool json, gint64 time)
{
        GString *out = line_new(json, time);

        if (json) {
                append_json_bytes(out, "event", "verdict");
                append_record_json(out, record);
        } else {
                append_record_text(out, record);
        }
        return line_end(out, json);
}

char *fm_event_format(const char *event, const char *text, bool json, gint64 time)
{
        GString *out = line_new(json, time);

        if (json) {
                append_json_bytes(out, "event", event);
                append_json_bytes(out, "text", text);
        } else {
                g_string_append_printf(out, " %s: ", event);
                fm_text_append_bytes(out, text, false);
        }
        return line_end(out, json);
}
