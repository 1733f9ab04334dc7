/* SPDX-License-Identifier: MIT */
/*
 * Reads INF text. One pass over at most a mebibyte; nothing recurses, a string's text is not expanded again,
 * and what one expansion can grow to is bounded.
 */
#include "nt/infparse.h"

#include <string.h>

#include "nt/inf.h"

#define FIELD_LIMIT        4096 /* characters, as SetupAPI has it */
#define FIELDS_LIMIT       1024 /* in a line */
#define SECTION_NAME_LIMIT 255
#define JOINED_LIMIT       (64 * 1024) /* bytes of a line with its continuations */

G_DEFINE_QUARK(fm - inf - error - quark, fm_inf_error)

static void line_free(void *memory)
{
        struct fm_inf_line *line = memory;

        g_free(line->key);
        g_ptr_array_unref(line->fields);
        g_free(line);
}

static void section_free(void *memory)
{
        struct fm_inf_section *section = memory;

        g_free(section->name);
        g_hash_table_unref(section->keys);
        g_ptr_array_unref(section->lines);
        g_free(section);
}

void fm_inf_free(struct fm_inf *inf)
{
        if (!inf)
                return;
        g_free(inf->name);
        g_hash_table_unref(inf->index);
        g_ptr_array_unref(inf->sections);
        g_free(inf);
}

/* All of a file as UTF-8. */
static char *decode(const char *name, const unsigned char *data, size_t size, GError **error)
{
        g_autofree char *text = NULL;
        const char *charset = NULL;
        size_t skip = 0;
        gsize length = 0;

        if (size >= 2 && data[0] == 0xff && data[1] == 0xfe) {
                charset = "UTF-16LE";
                skip = 2;
        } else if (size >= 2 && data[0] == 0xfe && data[1] == 0xff) {
                charset = "UTF-16BE";
                skip = 2;
        } else if (size >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0) {
                charset = "UTF-8";
                skip = 3;
        } else if (g_utf8_validate((const char *)data, (gssize)size, NULL)) {
                charset = "UTF-8";
        } else {
                charset = "WINDOWS-1252";
        }
        text = g_convert((const char *)data + skip, (gssize)(size - skip), "UTF-8", charset, NULL, &length,
                         NULL);
        if (!text) {
                g_set_error(error, FM_INF_ERROR, FM_INF_ERROR_SYNTAX, "%s: the text is not valid %s", name,
                            charset);
                return NULL;
        }
        if (strlen(text) != length) {
                g_set_error(error, FM_INF_ERROR, FM_INF_ERROR_SYNTAX, "%s: contains a NUL", name);
                return NULL;
        }
        return g_steal_pointer(&text);
}

static struct fm_inf_section *make_section(struct fm_inf *inf, const char *name, unsigned number)
{
        g_autofree char *folded = g_utf8_casefold(name, -1);
        struct fm_inf_section *section = g_hash_table_lookup(inf->index, folded);

        if (section)
                return section;
        section = g_new0(struct fm_inf_section, 1);
        section->name = g_strdup(name);
        section->number = number;
        section->lines = g_ptr_array_new_with_free_func(line_free);
        section->keys = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        g_ptr_array_add(inf->sections, section);
        g_hash_table_insert(inf->index, g_steal_pointer(&folded), section);
        return section;
}

const struct fm_inf_section *fm_inf_section(const struct fm_inf *inf, const char *name)
{
        g_autofree char *folded = g_utf8_casefold(name, -1);

        return g_hash_table_lookup(inf->index, folded);
}

const struct fm_inf_line *fm_inf_find(const struct fm_inf_section *section, const char *key)
{
        g_autofree char *folded = NULL;

        if (!section)
                return NULL;
        folded = g_utf8_casefold(key, -1);
        return g_hash_table_lookup(section->keys, folded);
}

/*
 * Cuts a comment and blanks off the end. continues: the line goes on, its backslash is cut off too. false: a
 * quotation is not closed.
 */
static bool trim_line(char *text, bool *continues)
{
        size_t end = 0;
        bool quoted = false;

        for (size_t i = 0; text[i]; i++) {
                if (text[i] == '"')
                        quoted = !quoted;
                if (text[i] == ';' && !quoted) {
                        text[i] = 0;
                        break;
                }
                if (!g_ascii_isspace(text[i]))
                        end = i + 1;
        }
        text[end] = 0;
        *continues = !quoted && end > 0 && text[end - 1] == '\\';
        if (*continues)
                text[end - 1] = 0;
        return !quoted;
}

/* One field up to a comma or '=' (if that is wanted) outside quotation marks, which are taken away. */
static char *take_field(const char **at, bool stop_at_equals)
{
        GString *field = g_string_new(NULL);
        const char *from = *at;
        size_t keep = 0; /* quoted blanks at the end stay */
        bool quoted = false;

        while (g_ascii_isspace(*from))
                from++;
        for (; *from; from++) {
                if (*from == '"') {
                        if (quoted && from[1] == '"') {
                                g_string_append_c(field, '"');
                                from++;
                                keep = field->len;
                                continue;
                        }
                        quoted = !quoted;
                        keep = field->len;
                        continue;
                }
                if (!quoted && (*from == ',' || (stop_at_equals && *from == '=')))
                        break;
                g_string_append_c(field, *from);
                if (quoted || !g_ascii_isspace(*from))
                        keep = field->len;
        }
        g_string_truncate(field, keep);
        *at = from;
        return g_string_free(field, FALSE);
}

static bool parse_fields(struct fm_inf *inf, struct fm_inf_line *line, const char *text, GError **error)
{
        const char *at = text;
        char *first = take_field(&at, true);

        if (*at == '=') {
                line->key = first;
                at++;
                g_ptr_array_add(line->fields, take_field(&at, false));
        } else {
                g_ptr_array_add(line->fields, first);
        }
        while (*at == ',' && line->fields->len < FIELDS_LIMIT) {
                at++;
                g_ptr_array_add(line->fields, take_field(&at, false));
        }
        if (*at) {
                g_set_error(error, FM_INF_ERROR, FM_INF_ERROR_SYNTAX, "%s:%u: more than %d fields", inf->name,
                            line->number, FIELDS_LIMIT);
                return false;
        }
        for (size_t i = 0; i < line->fields->len; i++) {
                if (strlen(line->fields->pdata[i]) > FIELD_LIMIT) {
                        g_set_error(error, FM_INF_ERROR, FM_INF_ERROR_SYNTAX,
                                    "%s:%u: a field is longer than %d characters", inf->name, line->number,
                                    FIELD_LIMIT);
                        return false;
                }
        }
        return true;
}

/* Sources hold INFs as stampinf's input; the architecture goes where $ARCH$ stands. */
static char *stamp(const char *name)
{
        g_auto(GStrv) parts = g_strsplit(name, "$ARCH$", -1);

        return g_strjoinv("amd64", parts);
}

static bool parse_section_name(struct fm_inf *inf, const char *text, unsigned number,
                               struct fm_inf_section **section, GError **error)
{
        size_t length = strlen(text);
        g_autofree char *name = NULL;
        g_autofree char *stamped = NULL;

        if (length < 3 || text[length - 1] != ']' || length - 2 > SECTION_NAME_LIMIT) {
                g_set_error(error, FM_INF_ERROR, FM_INF_ERROR_SYNTAX, "%s:%u: not a section name: %s",
                            inf->name, number, text);
                return false;
        }
        name = g_strstrip(g_strndup(text + 1, length - 2));
        stamped = stamp(name);
        *section = make_section(inf, stamped, number);
        return true;
}

static bool parse_line(struct fm_inf *inf, char *text, unsigned number, struct fm_inf_section **section,
                       GError **error)
{
        struct fm_inf_line *line;

        g_strstrip(text);
        if (!*text)
                return true;
        if (*text == '[')
                return parse_section_name(inf, text, number, section, error);
        if (!*section) {
                g_set_error(error, FM_INF_ERROR, FM_INF_ERROR_SYNTAX, "%s:%u: text before the first section",
                            inf->name, number);
                return false;
        }
        line = g_new0(struct fm_inf_line, 1);
        line->number = number;
        line->fields = g_ptr_array_new_with_free_func(g_free);
        g_ptr_array_add((*section)->lines, line);
        if (!parse_fields(inf, line, text, error))
                return false;
        if (line->key) {
                g_autofree char *folded = g_utf8_casefold(line->key, -1);

                if (!g_hash_table_contains((*section)->keys, folded))
                        g_hash_table_insert((*section)->keys, g_steal_pointer(&folded), line);
        }
        return true;
}

static bool parse_text(struct fm_inf *inf, char *text, GError **error)
{
        struct fm_inf_section *section = NULL;
        g_autoptr(GString) joined = g_string_new(NULL);
        unsigned number = 0;
        unsigned first = 1;

        while (text) {
                char *end = text + strcspn(text, "\n\x1a"); /* an old editor's end of file */
                char *next = *end == '\n' ? end + 1 : NULL;
                bool continues;

                *end = 0;
                number++;
                if (joined->len == 0)
                        first = number;
                if (!trim_line(text, &continues)) {
                        g_set_error(error, FM_INF_ERROR, FM_INF_ERROR_SYNTAX,
                                    "%s:%u: closing quotation mark missing", inf->name, number);
                        return false;
                }
                g_string_append(joined, text);
                if (joined->len > JOINED_LIMIT) {
                        g_set_error(error, FM_INF_ERROR, FM_INF_ERROR_SYNTAX, "%s:%u: the line is too long",
                                    inf->name, first);
                        return false;
                }
                text = next;
                if (continues && next) {
                        g_string_append_c(joined, ' ');
                        continue;
                }
                if (!parse_line(inf, joined->str, first, &section, error))
                        return false;
                g_string_truncate(joined, 0);
        }
        return true;
}

struct fm_inf *fm_inf_parse(const char *name, const void *data, size_t size, GError **error)
{
        g_autofree char *text = NULL;
        struct fm_inf *inf;

        if (size > FM_INF_SIZE_LIMIT) {
                g_set_error(error, FM_INF_ERROR, FM_INF_ERROR_READ, "%s: too large", name);
                return NULL;
        }
        text = decode(name, data, size, error);
        if (!text)
                return NULL;
        inf = g_new0(struct fm_inf, 1);
        inf->name = g_strdup(name);
        inf->sections = g_ptr_array_new_with_free_func(section_free);
        inf->index = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        if (!parse_text(inf, text, error)) {
                fm_inf_free(inf);
                return NULL;
        }
        return inf;
}

/* American English first, then the neutral section, then whichever language the file begins with. */
static const char *find_string(const struct fm_inf *inf, const char *token)
{
        static const char *const preferred[] = {"Strings.0409", "Strings.0009", "Strings"};
        const struct fm_inf_line *line = NULL;

        for (size_t i = 0; i < G_N_ELEMENTS(preferred) && !line; i++)
                line = fm_inf_find(fm_inf_section(inf, preferred[i]), token);
        for (size_t i = 0; i < inf->sections->len && !line; i++) {
                const struct fm_inf_section *section = inf->sections->pdata[i];

                if (g_ascii_strncasecmp(section->name, "Strings.", 8) == 0)
                        line = fm_inf_find(section, token);
        }
        return line ? line->fields->pdata[0] : NULL;
}

static bool is_directory_id(const char *token)
{
        return *token && strspn(token, "0123456789") == strlen(token);
}

char *fm_inf_expand(const struct fm_inf *inf, const struct fm_inf_line *line, const char *text,
                    GError **error)
{
        g_autoptr(GString) out = g_string_new(NULL);

        while (*text) {
                const char *end;
                g_autofree char *token = NULL;
                const char *value;

                if (*text != '%') {
                        g_string_append_c(out, *text++);
                        continue;
                }
                end = strchr(text + 1, '%');
                if (!end) {
                        g_string_append(out, text);
                        break;
                }
                token = g_strndup(text + 1, (gsize)(end - text - 1));
                text = end + 1;
                value = *token ? find_string(inf, token) : "%";
                if (value) {
                        g_string_append(out, value);
                } else if (is_directory_id(token)) {
                        g_string_append_printf(out, "%%%s%%", token);
                } else {
                        g_set_error(error, FM_INF_ERROR, FM_INF_ERROR_VALUE,
                                    "%s:%u: %%%s%% is not defined in [Strings]", inf->name, line->number,
                                    token);
                        return NULL;
                }
                if (out->len > JOINED_LIMIT) {
                        g_set_error(error, FM_INF_ERROR, FM_INF_ERROR_VALUE,
                                    "%s:%u: too long with its strings", inf->name, line->number);
                        return NULL;
                }
        }
        return g_strdup(out->str);
}

char *fm_inf_field(const struct fm_inf *inf, const struct fm_inf_line *line, size_t index, GError **error)
{
        if (index >= line->fields->len)
                return g_strdup("");
        return fm_inf_expand(inf, line, line->fields->pdata[index], error);
}
