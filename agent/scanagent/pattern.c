/* SPDX-License-Identifier: MIT */
/*
 * Byte patterns anywhere in a file: a line is "NAME=HEX", in which ?? stands for any byte and blanks are free.
 *
 * Each pattern has an anchor, two neighbouring bytes without wildcards. One pass over the file looks
 * every pair of bytes up in a bit set, which is small enough for the nearest cache; only where it says yes are
 * the patterns with that anchor compared. So the time hardly depends on the number of patterns.
 */
#include "engine.h"

#include <string.h>

#define PATTERN_MAX 4096 /* bytes of one */
#define PAIRS       65536

struct pattern {
        char *name;
        uint8_t *bytes; /* 0 where the mask is 0 */
        uint8_t *mask;
        unsigned size;
        unsigned anchor;      /* offset of the pair */
        struct pattern *next; /* with the same anchor */
};

struct pattern_list {
        struct pattern *by_pair[PAIRS];
        uint32_t set[PAIRS / 32];
        bool any;
};

static void pattern_free(struct pattern *pattern)
{
        g_free(pattern->name);
        g_free(pattern->bytes);
        g_free(pattern->mask);
        g_free(pattern);
}

static void pattern_list_free(void *engine)
{
        struct pattern_list *list = engine;

        for (unsigned i = 0; i < PAIRS; i++) {
                while (list->by_pair[i] != NULL) {
                        struct pattern *pattern = list->by_pair[i];

                        list->by_pair[i] = pattern->next;
                        pattern_free(pattern);
                }
        }
        g_free(list);
}

static unsigned pair_at(const uint8_t *bytes)
{
        return (unsigned)bytes[0] | (unsigned)bytes[1] << 8;
}

/* How often the pair stops the pass for nothing: runs of one value and text are everywhere. */
static unsigned pair_cost(const uint8_t *bytes)
{
        unsigned cost = 0;

        for (unsigned i = 0; i < 2; i++) {
                if (bytes[i] == 0x00 || bytes[i] == 0xff)
                        cost += 4;
                else if (g_ascii_islower(bytes[i]) || bytes[i] == ' ')
                        cost += 2;
                else if (g_ascii_isprint(bytes[i]))
                        cost += 1;
        }
        return bytes[0] == bytes[1] ? cost + 4 : cost;
}

static bool pattern_find_anchor(struct pattern *pattern)
{
        unsigned best = UINT_MAX;

        for (unsigned i = 0; i + 1 < pattern->size; i++) {
                unsigned cost;

                if (pattern->mask[i] == 0 || pattern->mask[i + 1] == 0)
                        continue;
                cost = pair_cost(pattern->bytes + i);
                if (cost < best) {
                        best = cost;
                        pattern->anchor = i;
                }
        }
        return best != UINT_MAX;
}

static bool pattern_parse_hex(struct pattern *pattern, const char *hex, GError **error)
{
        size_t room = strlen(hex) / 2;

        pattern->bytes = g_malloc0(room);
        pattern->mask = g_malloc0(room);
        for (const char *at = hex; *at != '\0';) {
                int high, low;

                if (g_ascii_isspace(*at)) {
                        at++;
                        continue;
                }
                if (pattern->size == PATTERN_MAX) {
                        g_set_error(error, FM_ENGINE_ERROR, 0, "longer than %d bytes", PATTERN_MAX);
                        return false;
                }
                if (at[0] == '?' && at[1] == '?') {
                        pattern->size++;
                        at += 2;
                        continue;
                }
                high = g_ascii_xdigit_value(at[0]);
                low = high < 0 ? -1 : g_ascii_xdigit_value(at[1]);
                if (low < 0) {
                        g_set_error_literal(error, FM_ENGINE_ERROR, 0, "expected pairs of hex digits, or \?\?");
                        return false;
                }
                pattern->bytes[pattern->size] = (uint8_t)(high << 4 | low);
                pattern->mask[pattern->size] = 0xff;
                pattern->size++;
                at += 2;
        }
        if (!pattern_find_anchor(pattern)) {
                g_set_error_literal(error, FM_ENGINE_ERROR, 0, "needs two neighbouring bytes without wildcards");
                return false;
        }
        return true;
}

static bool pattern_line(char *text, void *context, GError **error)
{
        struct pattern_list *list = context;
        struct pattern *pattern;
        char *equals = strchr(text, '=');
        unsigned pair;

        if (equals == NULL || equals == text) {
                g_set_error_literal(error, FM_ENGINE_ERROR, 0, "expected NAME=HEX");
                return false;
        }
        *equals = '\0';
        pattern = g_new0(struct pattern, 1);
        pattern->name = g_strdup(g_strchomp(text));
        if (!pattern_parse_hex(pattern, equals + 1, error)) {
                pattern_free(pattern);
                return false;
        }
        pair = pair_at(pattern->bytes + pattern->anchor);
        pattern->next = list->by_pair[pair];
        list->by_pair[pair] = pattern;
        list->set[pair / 32] |= 1u << pair % 32;
        list->any = true;
        return true;
}

static void *pattern_list_open(const char *file, GError **error)
{
        struct pattern_list *list = g_new0(struct pattern_list, 1);

        if (!fm_signature_file_read(file, pattern_line, list, error)) {
                pattern_list_free(list);
                return NULL;
        }
        return list;
}

static bool pattern_matches(const struct pattern *pattern, const uint8_t *data)
{
        for (unsigned i = 0; i < pattern->size; i++) {
                if ((data[i] & pattern->mask[i]) != pattern->bytes[i])
                        return false;
        }
        return true;
}

/* at: where the anchor was seen. */
static const struct pattern *pattern_find_at(const struct pattern_list *list, unsigned pair, const uint8_t *data,
                                             size_t size, size_t at)
{
        for (const struct pattern *pattern = list->by_pair[pair]; pattern != NULL; pattern = pattern->next) {
                if (pattern->anchor > at || pattern->size > size - (at - pattern->anchor))
                        continue;
                if (pattern_matches(pattern, data + at - pattern->anchor))
                        return pattern;
        }
        return NULL;
}

static enum fm_verdict pattern_list_scan(void *engine, void *worker, const uint8_t *data, size_t size, const char *path,
                                         char signature[FM_SIGNATURE_MAX])
{
        const struct pattern_list *list = engine;

        if (!list->any)
                return FM_VERDICT_CLEAN;
        for (size_t i = 0; i + 1 < size; i++) {
                unsigned pair = pair_at(data + i);
                const struct pattern *pattern;

                if ((list->set[pair / 32] & 1u << pair % 32) == 0)
                        continue;
                pattern = pattern_find_at(list, pair, data, size, i);
                if (pattern != NULL) {
                        fm_signature_set(signature, pattern->name);
                        return FM_VERDICT_INFECTED;
                }
        }
        return FM_VERDICT_CLEAN;
}

const struct fm_engine fm_engine_pattern = {
        .name = "pattern",
        .open = pattern_list_open,
        .close = pattern_list_free,
        .scan = pattern_list_scan,
};
