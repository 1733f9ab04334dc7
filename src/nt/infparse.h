/* SPDX-License-Identifier: MIT */
/* INF as text: sections of lines of fields. What they mean is inf.c's business. */
#pragma once

#include <glib.h>
#include <stdbool.h>

struct fm_inf_line {
        unsigned number;   /* in the file; of its first part if it goes on */
        char *key;         /* before '=', or NULL */
        GPtrArray *fields; /* char *, strings not expanded yet */
};

struct fm_inf_section {
        char *name;
        unsigned number;
        GPtrArray *lines; /* struct fm_inf_line * */
        GHashTable *keys; /* first line of each key, by folded key */
};

struct fm_inf {
        char *name;          /* of the file, for messages */
        GPtrArray *sections; /* in the file's order; those of one name are one */
        GHashTable *index;   /* by folded name */
};

/* UTF-16 or UTF-8 with a byte order mark; without one UTF-8, or else Windows-1252. */
struct fm_inf *fm_inf_parse(const char *name, const void *data, size_t size, GError **error);
void fm_inf_free(struct fm_inf *inf); /* NULL is allowed */

/* NULL: there is no such section. Names are compared without case. */
const struct fm_inf_section *fm_inf_section(const struct fm_inf *inf, const char *name);
/* First line with that key. section may be NULL. */
const struct fm_inf_line *fm_inf_find(const struct fm_inf_section *section, const char *key);

/* Replaces each %name% by its text in [Strings], %% by %; a directory id such as %12% stays. NULL: not
 * defined. */
char *fm_inf_expand(const struct fm_inf *inf, const struct fm_inf_line *line, const char *text,
                    GError **error);
/* Expanded field number index, "" when the line has no such field; NULL: error. */
char *fm_inf_field(const struct fm_inf *inf, const struct fm_inf_line *line, size_t index, GError **error);
