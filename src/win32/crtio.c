/* SPDX-License-Identifier: MIT */
/*
 * What fltcrt.h binds an agent's stdio to: the same format engine as DbgPrint, written to the host's streams.
 * Wide output is written as UTF-8, and never gives a stream wide orientation, so both kinds mix freely.
 */
#include "win32/crtio.h"

#include "nt/crt.h"
#include "nt/format.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int put(FILE *stream, const char *text, size_t length)
{
        if (fwrite(text, 1, length, stream) < length)
                return -1;
        return length > INT32_MAX ? INT32_MAX : (int)length;
}

int fm_crt_vfprintf(FILE *stream, const char *format, va_list args)
{
        size_t length;
        char *text = fm_vformat_alloc(format, args, &length);
        int result = text ? put(stream, text, length) : -1;

        free(text);
        return result;
}

int fm_crt_vprintf(const char *format, va_list args)
{
        return fm_crt_vfprintf(stdout, format, args);
}

/* UTF-8 of wide text, malloc'd. */
static char *narrow(const wchar_t *text)
{
        int size = WideCharToMultiByte(CP_UTF8, 0, text, -1, NULL, 0, NULL, NULL);
        char *bytes = size > 0 ? malloc((size_t)size) : NULL;

        if (bytes)
                WideCharToMultiByte(CP_UTF8, 0, text, -1, bytes, size, NULL, NULL);
        return bytes;
}

int fm_crt_fputws(const wchar_t *text, FILE *stream)
{
        char *bytes = narrow(text);
        int result = bytes ? put(stream, bytes, strlen(bytes)) : -1;

        free(bytes);
        return result < 0 ? -1 : 0;
}

int fm_crt_putws(const wchar_t *text)
{
        return fm_crt_fputws(text, stdout) < 0 || putchar('\n') < 0 ? -1 : 0;
}

int fm_crt_vfwprintf(FILE *stream, const wchar_t *format, va_list args)
{
        wchar_t *text;
        va_list again;
        size_t length;
        int result = -1;

        va_copy(again, args);
        length = fm_vformat_buffer_wide(NULL, 0, format, again);
        va_end(again);
        if (length > INT32_MAX - 1)
                return -1;
        text = malloc((length + 1) * sizeof(*text));
        if (text) {
                fm_vformat_buffer_wide(text, length + 1, format, args);
                text[length] = 0;
                result = fm_crt_fputws(text, stream) < 0 ? -1 : (int)length;
        }
        free(text);
        return result;
}

int fm_crt_vwprintf(const wchar_t *format, va_list args)
{
        return fm_crt_vfwprintf(stdout, format, args);
}

/* As C99 has it: terminated if there is any room, and the full length is returned. */
int fm_crt_vsnprintf(char *buffer, size_t size, const char *format, va_list args)
{
        size_t length = fm_vformat_buffer(buffer, size, format, args);

        if (size > 0 && length >= size)
                buffer[size - 1] = '\0';
        return length > INT32_MAX ? -1 : (int)length;
}

/* As C99 has it: negative when it does not fit. */
int fm_crt_vswprintf(wchar_t *buffer, size_t size, const wchar_t *format, va_list args)
{
        size_t length = fm_vformat_buffer_wide(buffer, size, format, args);

        if (length < size)
                return (int)length;
        if (size > 0)
                buffer[size - 1] = 0;
        return -1;
}

#define FORWARD(call)               \
        do {                        \
                va_list args;       \
                int result;         \
                                    \
                va_start(args, format); \
                result = call;      \
                va_end(args);       \
                return result;      \
        } while (0)

int fm_crt_printf(const char *format, ...)
{
        FORWARD(fm_crt_vfprintf(stdout, format, args));
}

int fm_crt_fprintf(FILE *stream, const char *format, ...)
{
        FORWARD(fm_crt_vfprintf(stream, format, args));
}

int fm_crt_snprintf(char *buffer, size_t size, const char *format, ...)
{
        FORWARD(fm_crt_vsnprintf(buffer, size, format, args));
}

int fm_crt_wprintf(const wchar_t *format, ...)
{
        FORWARD(fm_crt_vfwprintf(stdout, format, args));
}

int fm_crt_fwprintf(FILE *stream, const wchar_t *format, ...)
{
        FORWARD(fm_crt_vfwprintf(stream, format, args));
}

int fm_crt_swprintf(wchar_t *buffer, size_t size, const wchar_t *format, ...)
{
        FORWARD(fm_crt_vswprintf(buffer, size, format, args));
}

/* The stream does not survive exec: an agent's log is not its child's. */
int fm_crt_fopen_s(FILE **stream, const char *name, const char *mode)
{
        char host_mode[16];

        if (!stream)
                return EINVAL;
        *stream = NULL;
        if (!name || !mode || strlen(mode) > sizeof(host_mode) - 2)
                return EINVAL;
        /* "t" and the like mean nothing to the host, "e" closes it on exec. */
        host_mode[strcspn(strcpy(host_mode, mode), "tS,")] = '\0';
        strcat(host_mode, "e");
        *stream = fopen(name, host_mode);
        return *stream ? 0 : errno;
}

int fm_crt_wfopen_s(FILE **stream, const wchar_t *name, const wchar_t *mode)
{
        char *narrow_name = narrow(name), *narrow_mode = narrow(mode);
        int error = narrow_name && narrow_mode ? fm_crt_fopen_s(stream, narrow_name, narrow_mode) : ENOMEM;

        free(narrow_name);
        free(narrow_mode);
        return error;
}

FILE *fm_crt_wfopen(const wchar_t *name, const wchar_t *mode)
{
        FILE *stream = NULL;
        int error = fm_crt_wfopen_s(&stream, name, mode);

        if (error)
                errno = error;
        return stream;
}

int fm_crt_strncpy_s(char *to, size_t size, const char *from, size_t count)
{
        size_t length;

        if (!to || size == 0 || !from) {
                if (to && size)
                        *to = '\0';
                return EINVAL;
        }
        length = strnlen(from, count);
        if (length >= size) {
                /* _TRUNCATE asks for what fits. */
                if (count == SIZE_MAX) {
                        memcpy(to, from, size - 1);
                        to[size - 1] = '\0';
                        return 80; /* STRUNCATE */
                }
                *to = '\0';
                return ERANGE;
        }
        memcpy(to, from, length);
        to[length] = '\0';
        return 0;
}

int fm_crt_strcpy_s(char *to, size_t size, const char *from)
{
        return fm_crt_strncpy_s(to, size, from, SIZE_MAX / 2 - 1);
}

int fm_crt_strcat_s(char *to, size_t size, const char *from)
{
        size_t used = to ? strnlen(to, size) : 0;
        int error;

        if (!to || used == size)
                return EINVAL;
        error = fm_crt_strcpy_s(to + used, size - used, from);
        if (error)
                *to = '\0';
        return error;
}
