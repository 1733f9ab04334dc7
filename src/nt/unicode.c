/* SPDX-License-Identifier: MIT */
/*
 * Names between the two worlds.
 *
 * The way in is total and one to one. The way out accepts exactly what the way in can produce, so that a file
 * has one name here and a filter can't reach it by a second one that its policy did not expect.
 */
#include "nt/unicode.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "nt/pool.h"

#define ESCAPE   0xf000u    /* private use: what Windows' own POSIX layers use too */
#define NAME_TAG 0x6d4e4d46 /* 'FMNm' */

static bool is_forbidden(unsigned char byte)
{
        return byte < 0x20 || (byte < 0x80 && strchr("\\:*?\"<>|", byte));
}

/* Code point of the UTF-8 sequence at the start, or -1; *used is its length. */
int32_t fm_utf8_decode(const char *text, size_t left, size_t *used)
{
        const unsigned char *bytes = (const unsigned char *)text;
        static const int32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
        size_t need;
        int32_t code;

        *used = 1;
        if (bytes[0] < 0x80)
                return bytes[0];
        if (bytes[0] >= 0xc2 && bytes[0] <= 0xdf) {
                need = 2;
                code = bytes[0] & 0x1f;
        } else if (bytes[0] >= 0xe0 && bytes[0] <= 0xef) {
                need = 3;
                code = bytes[0] & 0x0f;
        } else if (bytes[0] >= 0xf0 && bytes[0] <= 0xf4) {
                need = 4;
                code = bytes[0] & 0x07;
        } else {
                return -1;
        }
        if (left < need)
                return -1;
        for (size_t i = 1; i < need; i++) {
                if ((bytes[i] & 0xc0) != 0x80)
                        return -1;
                code = (code << 6) | (bytes[i] & 0x3f);
        }
        if (code < smallest[need] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
                return -1;
        *used = need;
        return code;
}

/* Next piece of a name as one or two units; returns how many. */
static size_t name_step(const unsigned char *bytes, size_t left, size_t *used, WCHAR units[2])
{
        int32_t code = fm_utf8_decode((const char *)bytes, left, used);

        if (code == '/') {
                units[0] = L'\\';
                return 1;
        }
        if (code < 0 || (code >= (int32_t)ESCAPE && code <= (int32_t)ESCAPE + 0xff) ||
            (code < 0x80 && is_forbidden((unsigned char)code))) {
                *used = 1;
                units[0] = (WCHAR)(ESCAPE + bytes[0]);
                return 1;
        }
        if (code < 0x10000) {
                units[0] = (WCHAR)code;
                return 1;
        }
        units[0] = (WCHAR)(0xd800 + ((code - 0x10000) >> 10));
        units[1] = (WCHAR)(0xdc00 + ((code - 0x10000) & 0x3ff));
        return 2;
}

size_t fm_name_to_utf16(const char *bytes, size_t length, WCHAR *out, size_t out_chars)
{
        const unsigned char *at = (const unsigned char *)bytes;
        size_t total = 0;

        while (length > 0) {
                WCHAR units[2];
                size_t used;
                size_t count = name_step(at, length, &used, units);

                for (size_t i = 0; i < count; i++, total++) {
                        if (total < out_chars)
                                out[total] = units[i];
                }
                at += used;
                length -= used;
        }
        return total;
}

bool fm_name_to_unicode_string(const char *bytes, size_t length, PUNICODE_STRING out)
{
        size_t count = fm_name_to_utf16(bytes, length, NULL, 0);
        size_t size = count * sizeof(WCHAR);
        WCHAR *buffer;

        memset(out, 0, sizeof(*out));
        if (size > UINT16_MAX - sizeof(WCHAR))
                return false;
        buffer = fm_pool_alloc(size + sizeof(WCHAR), NAME_TAG);
        if (!buffer)
                return false;
        fm_name_to_utf16(bytes, length, buffer, count);
        out->Buffer = buffer;
        out->Length = (USHORT)size;
        out->MaximumLength = (USHORT)(size + sizeof(WCHAR));
        return true;
}

size_t fm_utf8_encode(uint32_t code, char *out)
{
        if (code < 0x80) {
                out[0] = (char)code;
                return 1;
        }
        if (code < 0x800) {
                out[0] = (char)(0xc0 | (code >> 6));
                out[1] = (char)(0x80 | (code & 0x3f));
                return 2;
        }
        if (code < 0x10000) {
                out[0] = (char)(0xe0 | (code >> 12));
                out[1] = (char)(0x80 | ((code >> 6) & 0x3f));
                out[2] = (char)(0x80 | (code & 0x3f));
                return 3;
        }
        out[0] = (char)(0xf0 | (code >> 18));
        out[1] = (char)(0x80 | ((code >> 12) & 0x3f));
        out[2] = (char)(0x80 | ((code >> 6) & 0x3f));
        out[3] = (char)(0x80 | (code & 0x3f));
        return 4;
}

/* Code point at the start; a lone surrogate gives itself. */
uint32_t fm_utf16_decode(const WCHAR *chars, size_t left, size_t *used)
{
        *used = 1;
        if (chars[0] >= 0xd800 && chars[0] <= 0xdbff && left > 1 && chars[1] >= 0xdc00 &&
            chars[1] <= 0xdfff) {
                *used = 2;
                return 0x10000 + ((uint32_t)(chars[0] - 0xd800) << 10) + (chars[1] - 0xdc00u);
        }
        return chars[0];
}

static bool encodes_to(const char *bytes, size_t length, const WCHAR *chars, size_t count)
{
        const unsigned char *at = (const unsigned char *)bytes;

        while (length > 0) {
                WCHAR units[2];
                size_t used;
                size_t step = name_step(at, length, &used, units);

                if (step > count || memcmp(units, chars, step * sizeof(WCHAR)) != 0)
                        return false;
                at += used;
                length -= used;
                chars += step;
                count -= step;
        }
        return count == 0;
}

char *fm_name_from_utf16(const WCHAR *chars, size_t count)
{
        char *bytes = malloc(count * 3 + 1);
        size_t length = 0;

        if (!bytes)
                return NULL;
        for (size_t i = 0; i < count;) {
                size_t used;
                uint32_t code = fm_utf16_decode(chars + i, count - i, &used);

                if (code == L'\\')
                        bytes[length++] = '/';
                else if (code > ESCAPE && code <= ESCAPE + 0xff)
                        bytes[length++] = (char)(code - ESCAPE);
                else if (code == 0 || code == ESCAPE || (code >= 0xd800 && code <= 0xdfff))
                        goto refuse;
                else
                        length += fm_utf8_encode(code, bytes + length);
                i += used;
        }
        if (!encodes_to(bytes, length, chars, count))
                goto refuse;
        bytes[length] = 0;
        return bytes;

refuse:
        free(bytes);
        return NULL;
}

char *fm_name_from_unicode_string(PCUNICODE_STRING string)
{
        return fm_name_from_utf16(string->Buffer, string->Length / sizeof(WCHAR));
}

char *fm_utf8_from_utf16(const WCHAR *chars, size_t count)
{
        char *text = malloc(count * 3 + 1);
        size_t length = 0;

        if (!text)
                return NULL;
        for (size_t i = 0; i < count;) {
                size_t used;
                uint32_t code = fm_utf16_decode(chars + i, count - i, &used);

                if (code >= 0xd800 && code <= 0xdfff)
                        code = 0xfffd;
                length += fm_utf8_encode(code, text + length);
                i += used;
        }
        text[length] = 0;
        return text;
}

WCHAR *fm_utf16_from_utf8(const char *text, size_t *ret_chars)
{
        const unsigned char *at = (const unsigned char *)text;
        size_t left = strlen(text);
        WCHAR *chars = malloc((left + 1) * sizeof(WCHAR));
        size_t count = 0;

        if (!chars)
                return NULL;
        while (left > 0) {
                size_t used;
                int32_t code = fm_utf8_decode((const char *)at, left, &used);

                if (code < 0)
                        code = 0xfffd;
                if (code < 0x10000) {
                        chars[count++] = (WCHAR)code;
                } else {
                        chars[count++] = (WCHAR)(0xd800 + ((code - 0x10000) >> 10));
                        chars[count++] = (WCHAR)(0xdc00 + ((code - 0x10000) & 0x3ff));
                }
                at += used;
                left -= used;
        }
        chars[count] = 0;
        if (ret_chars)
                *ret_chars = count;
        return chars;
}

size_t fm_utf16_length(const WCHAR *chars)
{
        size_t length = 0;

        while (chars[length])
                length++;
        return length;
}
