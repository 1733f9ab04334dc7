/* SPDX-License-Identifier: MIT */
/*
 * The log: one line for each verdict and for each event, for people or as JSON.
 *
 * Names come as the filter gave them, UTF-16 in which U+F000 + byte stands for a byte that is not text. Those,
 * control characters and lone surrogates appear as \uXXXX in both forms, so nothing is lost in JSON.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "engine.h"

struct fm_record {
        const char *reason;
        const gunichar2 *name;
        size_t name_length;
        bool name_truncated;
        unsigned process_id;
        const char *process; /* bytes; NULL: not known */
        guint64 size;
        enum fm_verdict verdict;
        const char *signature;
        gint64 microseconds;
};

/* A line with its newline. time: microseconds since 1970. */
char *fm_record_format(const struct fm_record *record, bool json, gint64 time);
/* event: one word. text: for people. */
char *fm_event_format(const char *event, const char *text, bool json, gint64 time);

/* Text of a name as it appears in the log, without quotes. json: with JSON's escapes. */
void fm_text_append_utf16(GString *out, const gunichar2 *chars, size_t count, bool json);
/* The same for bytes that should be UTF-8. */
void fm_text_append_bytes(GString *out, const char *bytes, bool json);
