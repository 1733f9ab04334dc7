/* SPDX-License-Identifier: MIT */
/*
 * Wide C functions over 16-bit units. Both sides compile this file: nothing of either contract is used.
 *
 * Case is that of the file system: one unit to one unit, and never from outside ASCII into it.
 */
#include "nt/crt.h"

#include <errno.h>
#include <glib.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "nt/format.h"

size_t fm_wcslen(const wchar_t *text)
{
        size_t length = 0;

        while (text[length])
                length++;
        return length;
}

size_t fm_wcsnlen(const wchar_t *text, size_t count)
{
        size_t length = 0;

        while (length < count && text[length])
                length++;
        return length;
}

wchar_t *fm_wcscpy(wchar_t *to, const wchar_t *from)
{
        memcpy(to, from, (fm_wcslen(from) + 1) * sizeof(*to));
        return to;
}

wchar_t *fm_wcsncpy(wchar_t *to, const wchar_t *from, size_t count)
{
        size_t length = fm_wcsnlen(from, count);

        memcpy(to, from, length * sizeof(*to));
        memset(to + length, 0, (count - length) * sizeof(*to));
        return to;
}

wchar_t *fm_wcscat(wchar_t *to, const wchar_t *from)
{
        fm_wcscpy(to + fm_wcslen(to), from);
        return to;
}

wchar_t *fm_wcsncat(wchar_t *to, const wchar_t *from, size_t count)
{
        size_t at = fm_wcslen(to);
        size_t length = fm_wcsnlen(from, count);

        memcpy(to + at, from, length * sizeof(*to));
        to[at + length] = 0;
        return to;
}

int fm_wcsncmp(const wchar_t *a, const wchar_t *b, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                if (a[i] != b[i])
                        return a[i] < b[i] ? -1 : 1;
                if (!a[i])
                        break;
        }
        return 0;
}

int fm_wcscmp(const wchar_t *a, const wchar_t *b)
{
        return fm_wcsncmp(a, b, SIZE_MAX);
}

int fm_wcsnicmp(const wchar_t *a, const wchar_t *b, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                wchar_t first = fm_towlower(a[i]);
                wchar_t second = fm_towlower(b[i]);

                if (first != second)
                        return first < second ? -1 : 1;
                if (!a[i])
                        break;
        }
        return 0;
}

int fm_wcsicmp(const wchar_t *a, const wchar_t *b)
{
        return fm_wcsnicmp(a, b, SIZE_MAX);
}

wchar_t *fm_wcschr(const wchar_t *text, wchar_t character)
{
        for (;; text++) {
                if (*text == character)
                        return (wchar_t *)text;
                if (!*text)
                        return NULL;
        }
}

wchar_t *fm_wcsrchr(const wchar_t *text, wchar_t character)
{
        const wchar_t *found = NULL;

        for (;; text++) {
                if (*text == character)
                        found = text;
                if (!*text)
                        return (wchar_t *)found;
        }
}

wchar_t *fm_wcsstr(const wchar_t *text, const wchar_t *part)
{
        size_t length = fm_wcslen(part);

        if (length == 0)
                return (wchar_t *)text;
        for (; (text = fm_wcschr(text, *part)) != NULL; text++) {
                if (fm_wcsncmp(text, part, length) == 0)
                        return (wchar_t *)text;
        }
        return NULL;
}

static bool contains(const wchar_t *set, wchar_t character)
{
        for (; *set; set++) {
                if (*set == character)
                        return true;
        }
        return false;
}

size_t fm_wcsspn(const wchar_t *text, const wchar_t *set)
{
        size_t length = 0;

        while (text[length] && contains(set, text[length]))
                length++;
        return length;
}

size_t fm_wcscspn(const wchar_t *text, const wchar_t *set)
{
        size_t length = 0;

        while (text[length] && !contains(set, text[length]))
                length++;
        return length;
}

wchar_t *fm_wcspbrk(const wchar_t *text, const wchar_t *set)
{
        text += fm_wcscspn(text, set);
        return *text ? (wchar_t *)text : NULL;
}

wchar_t *fm_wcstok(wchar_t *text, const wchar_t *separators, wchar_t **state)
{
        wchar_t *token = text ? text : *state;

        if (!token)
                return NULL;
        token += fm_wcsspn(token, separators);
        if (!*token) {
                *state = NULL;
                return NULL;
        }
        *state = token + fm_wcscspn(token, separators);
        if (**state)
                *(*state)++ = 0;
        else
                *state = NULL;
        return token;
}

wchar_t fm_towupper(wchar_t character)
{
        gunichar upper;

        if (character < 0x80)
                return character >= 'a' && character <= 'z' ? character - 0x20 : character;
        /* The micro sign and what would become ASCII stay as they are, as in the file system's table. */
        if (character == 0xb5)
                return character;
        upper = g_unichar_toupper(character);
        return upper < 0x80 || upper > 0xffff ? character : (wchar_t)upper;
}

wchar_t fm_towlower(wchar_t character)
{
        gunichar lower;

        if (character < 0x80)
                return character >= 'A' && character <= 'Z' ? character + 0x20 : character;
        lower = g_unichar_tolower(character);
        return lower < 0x80 || lower > 0xffff ? character : (wchar_t)lower;
}

wchar_t *fm_wcsupr(wchar_t *text)
{
        for (wchar_t *at = text; *at; at++)
                *at = fm_towupper(*at);
        return text;
}

wchar_t *fm_wcslwr(wchar_t *text)
{
        for (wchar_t *at = text; *at; at++)
                *at = fm_towlower(*at);
        return text;
}

wchar_t *fm_wcsrev(wchar_t *text)
{
        size_t length = fm_wcslen(text);

        for (size_t i = 0; i < length / 2; i++) {
                wchar_t character = text[i];

                text[i] = text[length - 1 - i];
                text[length - 1 - i] = character;
        }
        return text;
}

wchar_t *fm_wmemcpy(wchar_t *to, const wchar_t *from, size_t count)
{
        return memcpy(to, from, count * sizeof(*to));
}

wchar_t *fm_wmemset(wchar_t *to, wchar_t character, size_t count)
{
        for (size_t i = 0; i < count; i++)
                to[i] = character;
        return to;
}

int fm_stricmp(const char *a, const char *b)
{
        return g_ascii_strcasecmp(a, b);
}

int fm_strnicmp(const char *a, const char *b, size_t count)
{
        return g_ascii_strncasecmp(a, b, count);
}

char *fm_strlwr(char *text)
{
        for (char *at = text; *at; at++)
                *at = g_ascii_tolower(*at);
        return text;
}

char *fm_strupr(char *text)
{
        for (char *at = text; *at; at++)
                *at = g_ascii_toupper(*at);
        return text;
}

wchar_t *fm_wcsdup(const wchar_t *text)
{
        size_t size = (fm_wcslen(text) + 1) * sizeof(*text);
        wchar_t *copy = malloc(size);

        if (copy)
                memcpy(copy, text, size);
        return copy;
}

/* Digits of all bases are ASCII: the number is parsed from a narrow copy of what looks like one. */
static size_t narrow_number(const wchar_t *text, char *narrow, size_t size)
{
        size_t length = 0;

        while (length < size - 1 && text[length] && text[length] < 0x80) {
                narrow[length] = (char)text[length];
                length++;
        }
        narrow[length] = 0;
        return length;
}

int64_t fm_wcstoi64(const wchar_t *text, wchar_t **end, int base)
{
        char narrow[96];
        char *stop;
        int64_t value;

        narrow_number(text, narrow, sizeof(narrow));
        value = strtoll(narrow, &stop, base);
        if (end)
                *end = (wchar_t *)text + (stop - narrow);
        return value;
}

uint64_t fm_wcstoui64(const wchar_t *text, wchar_t **end, int base)
{
        char narrow[96];
        char *stop;
        uint64_t value;

        narrow_number(text, narrow, sizeof(narrow));
        value = strtoull(narrow, &stop, base);
        if (end)
                *end = (wchar_t *)text + (stop - narrow);
        return value;
}

int32_t fm_wcstol(const wchar_t *text, wchar_t **end, int base)
{
        int64_t value = fm_wcstoi64(text, end, base);

        if (value > INT32_MAX || value < INT32_MIN) {
                errno = ERANGE;
                return value > 0 ? INT32_MAX : INT32_MIN;
        }
        return (int32_t)value;
}

uint32_t fm_wcstoul(const wchar_t *text, wchar_t **end, int base)
{
        int64_t value = fm_wcstoi64(text, end, base);

        if (value > (int64_t)UINT32_MAX || value < -(int64_t)UINT32_MAX) {
                errno = ERANGE;
                return UINT32_MAX;
        }
        return (uint32_t)value;
}

int fm_wtoi(const wchar_t *text)
{
        return fm_wcstol(text, NULL, 10);
}

int fm_wcsncpy_s(wchar_t *to, size_t size, const wchar_t *from, size_t count)
{
        size_t length;

        if (!to || size == 0)
                return EINVAL;
        to[0] = 0;
        if (!from)
                return EINVAL;
        length = fm_wcsnlen(from, MIN(count, size));
        if (length >= size) {
                if (count != SIZE_MAX)
                        return ERANGE;
                /* _TRUNCATE */
                length = size - 1;
                memcpy(to, from, length * sizeof(*to));
                to[length] = 0;
                return 80; /* STRUNCATE */
        }
        memcpy(to, from, length * sizeof(*to));
        to[length] = 0;
        return 0;
}

int fm_wcscpy_s(wchar_t *to, size_t size, const wchar_t *from)
{
        return fm_wcsncpy_s(to, size, from, SIZE_MAX - 1);
}

int fm_wcscat_s(wchar_t *to, size_t size, const wchar_t *from)
{
        size_t at;
        int error;

        if (!to || size == 0)
                return EINVAL;
        at = fm_wcsnlen(to, size);
        if (at == size) {
                to[0] = 0;
                return EINVAL;
        }
        error = fm_wcscpy_s(to + at, size - at, from);
        if (error)
                to[0] = 0;
        return error;
}

static int clamp_length(size_t length)
{
        return length > INT_MAX ? -1 : (int)length;
}

int fm_vsnprintf(char *buffer, size_t count, const char *format, va_list args)
{
        size_t length = fm_vformat_buffer(buffer, count, format, args);

        return length > count && buffer ? -1 : clamp_length(length);
}

int fm_vsnwprintf(wchar_t *buffer, size_t count, const wchar_t *format, va_list args)
{
        size_t length = fm_vformat_buffer_wide(buffer, count, format, args);

        return length > count && buffer ? -1 : clamp_length(length);
}

int fm_vsprintf(char *buffer, const char *format, va_list args)
{
        return clamp_length(fm_vformat_buffer(buffer, SIZE_MAX / 2, format, args));
}

int fm_vsprintf_s(char *buffer, size_t size, const char *format, va_list args)
{
        size_t length;

        if (!buffer || size == 0)
                return -1;
        length = fm_vformat_buffer(buffer, size, format, args);
        if (length >= size) {
                buffer[0] = 0;
                return -1;
        }
        return clamp_length(length);
}

int fm_vswprintf_s(wchar_t *buffer, size_t size, const wchar_t *format, va_list args)
{
        size_t length;

        if (!buffer || size == 0)
                return -1;
        length = fm_vformat_buffer_wide(buffer, size, format, args);
        if (length >= size) {
                buffer[0] = 0;
                return -1;
        }
        return clamp_length(length);
}

int fm_snprintf(char *buffer, size_t count, const char *format, ...)
{
        va_list args;
        int length;

        va_start(args, format);
        length = fm_vsnprintf(buffer, count, format, args);
        va_end(args);
        return length;
}

int fm_snwprintf(wchar_t *buffer, size_t count, const wchar_t *format, ...)
{
        va_list args;
        int length;

        va_start(args, format);
        length = fm_vsnwprintf(buffer, count, format, args);
        va_end(args);
        return length;
}

int fm_sprintf(char *buffer, const char *format, ...)
{
        va_list args;
        int length;

        va_start(args, format);
        length = fm_vsprintf(buffer, format, args);
        va_end(args);
        return length;
}

int fm_swprintf(wchar_t *buffer, const wchar_t *format, ...)
{
        va_list args;
        size_t length;

        va_start(args, format);
        length = fm_vformat_buffer_wide(buffer, SIZE_MAX / 4, format, args);
        va_end(args);
        return clamp_length(length);
}

int fm_sprintf_s(char *buffer, size_t size, const char *format, ...)
{
        va_list args;
        int length;

        va_start(args, format);
        length = fm_vsprintf_s(buffer, size, format, args);
        va_end(args);
        return length;
}

int fm_swprintf_s(wchar_t *buffer, size_t size, const wchar_t *format, ...)
{
        va_list args;
        int length;

        va_start(args, format);
        length = fm_vswprintf_s(buffer, size, format, args);
        va_end(args);
        return length;
}
