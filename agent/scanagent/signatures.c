/* SPDX-License-Identifier: MIT */
/*
 * What engines share: files of signatures, and names of what was found.
 */
#include "engine.h"

#include <string.h>

/* A file of signatures is read into memory as a whole. */
#define FILE_MAX (256 * 1024 * 1024)

G_DEFINE_QUARK(fm-engine-error, fm_engine_error)

void fm_signature_set(char signature[FM_SIGNATURE_MAX], const char *name)
{
        size_t length = strlen(name);

        if (length >= FM_SIGNATURE_MAX) {
                length = FM_SIGNATURE_MAX - 1;
                while (length > 0 && ((unsigned char)name[length] & 0xc0) == 0x80)
                        length--;
        }
        memcpy(signature, name, length);
        signature[length] = '\0';
}

static bool read_lines(const char *file, char *text, fm_signature_line_fn *line, void *context, GError **error)
{
        unsigned number = 0;

        for (char *next = text; next != NULL;) {
                char *current = next;

                next = strchr(current, '\n');
                if (next != NULL)
                        *next++ = '\0';
                number++;
                g_strstrip(current);
                if (*current == '\0' || *current == '#')
                        continue;
                if (!line(current, context, error)) {
                        g_prefix_error(error, "%s:%u: ", file, number);
                        return false;
                }
        }
        return true;
}

bool fm_signature_file_read(const char *file, fm_signature_line_fn *line, void *context, GError **error)
{
        g_autofree char *text = NULL;
        gsize length;

        if (!g_file_get_contents(file, &text, &length, error))
                return false;
        if (length > FILE_MAX) {
                g_set_error(error, FM_ENGINE_ERROR, 0, "%s: larger than %d MiB", file, FILE_MAX / 1024 / 1024);
                return false;
        }
        if (memchr(text, '\0', length) != NULL) {
                g_set_error(error, FM_ENGINE_ERROR, 0, "%s: not a text file", file);
                return false;
        }
        return read_lines(file, text, line, context, error);
}
