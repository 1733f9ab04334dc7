/* SPDX-License-Identifier: MIT */
/*
 * Microsoft's printf dialect, for both sides: 16-bit wide strings, %wZ %ws %S %I64x %Iu, 32-bit %lx, %p as 16
 * digits.
 *
 * Narrow text is UTF-8, wide text UTF-16; a string of the other kind than the output is converted. In a
 * narrow format %s and %c are narrow and %S and %C wide; in a wide format the other way round.
 * h, l and w say it outright. %n stores nothing.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

/* Takes the output piece by piece: bytes (narrow) or 16-bit units (wide). */
struct fm_format_sink {
        void (*put)(struct fm_format_sink *sink, const void *units, size_t count);
};

/* Both return how many units were put. */
size_t fm_vformat(struct fm_format_sink *sink, const char *format, va_list args);
size_t fm_vformat_wide(struct fm_format_sink *sink, const wchar_t *format, va_list args);

/*
 * Into a buffer: returns how many units the whole text has; writes no more than count of them, terminates
 * only if there is room (like _snprintf). A source string may be the buffer itself, as the first argument of
 * a format that begins with it.
 */
size_t fm_vformat_buffer(char *buffer, size_t count, const char *format, va_list args);
size_t fm_vformat_buffer_wide(wchar_t *buffer, size_t count, const wchar_t *format, va_list args);

/* malloc'd and terminated, NULL when memory is exhausted. ret_length may be NULL. */
char *fm_vformat_alloc(const char *format, va_list args, size_t *ret_length);
