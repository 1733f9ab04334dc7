/* SPDX-License-Identifier: MIT */
/*
 * The engine of DbgPrint, _snwprintf, RtlStringCbPrintfW and, on the agents' side, printf and its family.
 *
 * Depends on nothing but C and a 16-bit wchar_t, since both sides compile it. Output goes strictly front to
 * back and a source is read just before it is written: callers may print a buffer into itself.
 */
#include "nt/format.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(wchar_t) == 2, "compile with -fshort-wchar");

#define WIDEST 65536 /* a width or a precision beyond this is a mistake or an attack */

enum length {
        LENGTH_NONE,
        LENGTH_CHAR,
        LENGTH_SHORT,
        LENGTH_LONG, /* 32 bits, as on Windows */
        LENGTH_64,
        LENGTH_POINTER,
        LENGTH_LONG_DOUBLE,
        LENGTH_WIDE,
};

struct spec {
        bool left, plus, space, alternate, zero;
        int width;
        int precision; /* -1: none */
        enum length length;
};

struct arguments {
        va_list list;
};

struct output {
        struct fm_format_sink *sink;
        bool wide;
        bool source_wide; /* the format's own kind, which %s follows */
        size_t total;
        uint32_t high; /* pending high surrogate on its way into UTF-8 */
};

/* UNICODE_STRING and ANSI_STRING have one layout. */
struct counted_string {
        uint16_t length;
        uint16_t maximum_length;
        void *buffer;
};

static void put_units(struct output *out, const void *units, size_t count)
{
        out->sink->put(out->sink, units, count);
        out->total += count;
}

static size_t encode_utf8(uint32_t code, char bytes[4])
{
        if (code < 0x80) {
                bytes[0] = (char)code;
                return 1;
        }
        if (code < 0x800) {
                bytes[0] = (char)(0xc0 | (code >> 6));
                bytes[1] = (char)(0x80 | (code & 0x3f));
                return 2;
        }
        if (code < 0x10000) {
                bytes[0] = (char)(0xe0 | (code >> 12));
                bytes[1] = (char)(0x80 | ((code >> 6) & 0x3f));
                bytes[2] = (char)(0x80 | (code & 0x3f));
                return 3;
        }
        bytes[0] = (char)(0xf0 | (code >> 18));
        bytes[1] = (char)(0x80 | ((code >> 12) & 0x3f));
        bytes[2] = (char)(0x80 | ((code >> 6) & 0x3f));
        bytes[3] = (char)(0x80 | (code & 0x3f));
        return 4;
}

static void put_code(struct output *out, uint32_t code)
{
        if (out->wide) {
                uint16_t units[2];

                if (code < 0x10000) {
                        units[0] = (uint16_t)code;
                        put_units(out, units, 1);
                } else {
                        units[0] = (uint16_t)(0xd800 + ((code - 0x10000) >> 10));
                        units[1] = (uint16_t)(0xdc00 + ((code - 0x10000) & 0x3ff));
                        put_units(out, units, 2);
                }
        } else {
                char bytes[4];
                size_t count = encode_utf8(code, bytes);

                put_units(out, bytes, count);
        }
}

static void flush_high(struct output *out)
{
        if (out->high) {
                out->high = 0;
                put_code(out, 0xfffd);
        }
}

/* One 16-bit unit of text. Lone surrogates pass unchanged into wide output, and become U+FFFD in UTF-8. */
static void put_wide_unit(struct output *out, uint16_t unit)
{
        if (out->wide) {
                put_units(out, &unit, 1);
        } else if (unit >= 0xd800 && unit <= 0xdbff) {
                flush_high(out);
                out->high = unit;
        } else if (unit >= 0xdc00 && unit <= 0xdfff) {
                uint32_t high = out->high;

                out->high = 0;
                put_code(out, high ? 0x10000 + ((high - 0xd800) << 10) + (unit - 0xdc00u) : 0xfffd);
        } else {
                flush_high(out);
                put_code(out, unit);
        }
}

static void put_wide_text(struct output *out, const uint16_t *text, size_t count)
{
        for (size_t i = 0; i < count; i++)
                put_wide_unit(out, text[i]);
        flush_high(out);
}

/* Decodes one character; returns how many bytes it took, at least 1. */
static size_t decode_utf8(const unsigned char *bytes, size_t left, uint32_t *code)
{
        static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
        size_t need;
        uint32_t value;

        if (bytes[0] < 0x80) {
                *code = bytes[0];
                return 1;
        }
        *code = 0xfffd;
        if (bytes[0] >= 0xc2 && bytes[0] <= 0xdf) {
                need = 2;
                value = bytes[0] & 0x1f;
        } else if (bytes[0] >= 0xe0 && bytes[0] <= 0xef) {
                need = 3;
                value = bytes[0] & 0x0f;
        } else if (bytes[0] >= 0xf0 && bytes[0] <= 0xf4) {
                need = 4;
                value = bytes[0] & 0x07;
        } else {
                return 1;
        }
        for (size_t i = 1; i < need; i++) {
                if (i >= left || (bytes[i] & 0xc0) != 0x80)
                        return i;
                value = (value << 6) | (bytes[i] & 0x3f);
        }
        if (value < smallest[need] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
                return need;
        *code = value;
        return need;
}

static void put_narrow_text(struct output *out, const char *text, size_t count)
{
        if (!out->wide) {
                put_units(out, text, count);
                return;
        }
        while (count > 0) {
                uint32_t code;
                size_t used = decode_utf8((const unsigned char *)text, count, &code);

                put_code(out, code);
                text += used;
                count -= used;
        }
}

static void put_padding(struct output *out, char character, int count)
{
        uint16_t unit = (unsigned char)character;

        for (int i = 0; i < count; i++) {
                if (out->wide)
                        put_units(out, &unit, 1);
                else
                        put_units(out, &character, 1);
        }
}

static int missing(const struct spec *spec, size_t length)
{
        return spec->width > 0 && (size_t)spec->width > length ? spec->width - (int)length : 0;
}

static size_t bounded_length(const char *text, int precision)
{
        return precision < 0 ? strlen(text) : strnlen(text, (size_t)precision);
}

static size_t bounded_length_wide(const uint16_t *text, int precision)
{
        size_t length = 0;

        while ((precision < 0 || length < (size_t)precision) && text[length])
                length++;
        return length;
}

/* Exactly that many units of either kind, padded. Width and precision count the source's units. */
static void put_string(struct output *out, const struct spec *spec, const void *text, size_t length,
                       bool wide)
{
        char fill = spec->zero && !spec->left ? '0' : ' ';
        int pad = missing(spec, length);

        if (!spec->left)
                put_padding(out, fill, pad);
        if (wide)
                put_wide_text(out, text, length);
        else
                put_narrow_text(out, text, length);
        if (spec->left)
                put_padding(out, ' ', pad);
}

/* upper: %S or %C, which mean the kind that the format is not. */
static bool is_wide(const struct output *out, const struct spec *spec, bool upper)
{
        switch (spec->length) {
        case LENGTH_CHAR:
        case LENGTH_SHORT:
                return false;
        case LENGTH_LONG:
        case LENGTH_WIDE:
                return true;
        default:
                return out->source_wide != upper;
        }
}

static void format_string(struct output *out, const struct spec *spec, const void *text, bool wide)
{
        if (!text) {
                wide = false;
                text = "(null)";
        }
        put_string(out, spec, text,
                   wide ? bounded_length_wide(text, spec->precision) : bounded_length(text, spec->precision),
                   wide);
}

/*
 * On Windows a UNICODE_STRING passed by value travels as a pointer, and published filters do that. Here it
 * travels as two words of which the first is two small even numbers: no address of a shared object looks so.
 */
static bool is_by_value(const void *pointer)
{
        uintptr_t word = (uintptr_t)pointer;
        uint16_t length = (uint16_t)word;
        uint16_t maximum = (uint16_t)(word >> 16);

        return word != 0 && word <= UINT32_MAX && length <= maximum;
}

static void format_counted(struct output *out, const struct spec *spec, struct arguments *args)
{
        bool wide = spec->length == LENGTH_WIDE || spec->length == LENGTH_LONG;
        struct counted_string by_value;
        const struct counted_string *string;
        const void *pointer;
        va_list peek;
        size_t count;

        va_copy(peek, args->list);
        pointer = va_arg(peek, const void *);
        va_end(peek);
        if (is_by_value(pointer)) {
                by_value = va_arg(args->list, struct counted_string);
                string = &by_value;
        } else {
                string = va_arg(args->list, const struct counted_string *);
        }
        if (!string || !string->buffer) {
                format_string(out, spec, NULL, false);
                return;
        }
        count = wide ? string->length / 2u : string->length;
        if (spec->precision >= 0 && count > (size_t)spec->precision)
                count = (size_t)spec->precision;
        put_string(out, spec, string->buffer, count, wide);
}

static void format_character(struct output *out, const struct spec *spec, int value, bool wide)
{
        uint16_t unit = (uint16_t)value;
        char byte = (char)value;

        if (wide)
                put_string(out, spec, &unit, 1, true);
        else
                put_string(out, spec, &byte, 1, false);
}

static void format_digits(struct output *out, const struct spec *spec, uint64_t value, unsigned base,
                          bool upper, const char *prefix)
{
        const char *alphabet = upper ? "0123456789ABCDEF" : "0123456789abcdef";
        char digits[24]; /* 64 bits in octal have 22 */
        int count = 0;
        int prefix_length = (int)strlen(prefix);
        int zeros;
        int pad;

        while (value) {
                digits[sizeof(digits) - 1 - (size_t)count++] = alphabet[value % base];
                value /= base;
        }
        zeros = (spec->precision < 0 ? 1 : spec->precision) - count;
        if (zeros < 0)
                zeros = 0;
        pad = missing(spec, (size_t)(prefix_length + zeros + count));
        if (spec->zero && !spec->left && spec->precision < 0) {
                zeros += pad;
                pad = 0;
        }
        if (!spec->left)
                put_padding(out, ' ', pad);
        put_narrow_text(out, prefix, (size_t)prefix_length);
        put_padding(out, '0', zeros);
        put_narrow_text(out, digits + sizeof(digits) - count, (size_t)count);
        if (spec->left)
                put_padding(out, ' ', pad);
}

static int64_t take_signed(struct arguments *args, enum length length)
{
        switch (length) {
        case LENGTH_64:
        case LENGTH_POINTER:
                return va_arg(args->list, int64_t);
        case LENGTH_CHAR:
                return (signed char)va_arg(args->list, int);
        case LENGTH_SHORT:
                return (short)va_arg(args->list, int);
        default:
                return va_arg(args->list, int);
        }
}

static uint64_t take_unsigned(struct arguments *args, enum length length)
{
        switch (length) {
        case LENGTH_64:
        case LENGTH_POINTER:
                return va_arg(args->list, uint64_t);
        case LENGTH_CHAR:
                return (unsigned char)va_arg(args->list, unsigned);
        case LENGTH_SHORT:
                return (unsigned short)va_arg(args->list, unsigned);
        default:
                return va_arg(args->list, unsigned);
        }
}

static void format_signed(struct output *out, const struct spec *spec, int64_t value)
{
        const char *sign = value < 0 ? "-" : spec->plus ? "+" : spec->space ? " " : "";

        format_digits(out, spec, value < 0 ? -(uint64_t)value : (uint64_t)value, 10, false, sign);
}

static void format_float(struct output *out, const struct spec *spec, char type, struct arguments *args)
{
        char text[512];
        char format[16];
        size_t at = 0;
        int width = spec->width > 400 ? 400 : spec->width;
        int precision = spec->precision > 60 ? 60 : spec->precision;
        int length;

        format[at++] = '%';
        if (spec->left)
                format[at++] = '-';
        if (spec->plus)
                format[at++] = '+';
        if (spec->space)
                format[at++] = ' ';
        if (spec->alternate)
                format[at++] = '#';
        if (spec->zero)
                format[at++] = '0';
        memcpy(format + at, "*.*", 3);
        at += 3;
        format[at++] = type;
        format[at] = 0;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        length = snprintf(text, sizeof(text), format, width, precision, va_arg(args->list, double));
#pragma GCC diagnostic pop
        if (length > 0)
                put_narrow_text(out, text, (size_t)length < sizeof(text) ? (size_t)length : sizeof(text) - 1);
}

static void format_one(struct output *out, struct spec *spec, uint32_t type, struct arguments *args)
{
        switch (type) {
        case 'd':
        case 'i':
                format_signed(out, spec, take_signed(args, spec->length));
                break;
        case 'u':
                format_digits(out, spec, take_unsigned(args, spec->length), 10, false, "");
                break;
        case 'o':
                format_digits(out, spec, take_unsigned(args, spec->length), 8, false,
                              spec->alternate ? "0" : "");
                break;
        case 'x':
        case 'X': {
                uint64_t value = take_unsigned(args, spec->length);

                format_digits(out, spec, value, 16, type == 'X',
                              spec->alternate && value ? (type == 'X' ? "0X" : "0x") : "");
                break;
        }
        case 'p':
                spec->precision = 2 * (int)sizeof(void *);
                format_digits(out, spec, (uintptr_t)va_arg(args->list, void *), 16, true, "");
                break;
        case 's':
        case 'S':
                format_string(out, spec, va_arg(args->list, const void *), is_wide(out, spec, type == 'S'));
                break;
        case 'c':
        case 'C':
                format_character(out, spec, va_arg(args->list, int), is_wide(out, spec, type == 'C'));
                break;
        case 'Z':
                format_counted(out, spec, args);
                break;
        case 'e':
        case 'E':
        case 'f':
        case 'F':
        case 'g':
        case 'G':
        case 'a':
        case 'A':
                format_float(out, spec, (char)type, args);
                break;
        case 'n':
                (void)va_arg(args->list, void *);
                break;
        default:
                put_code(out, type);
                break;
        }
}

/* The format, whichever kind it is. */
struct source {
        const char *narrow;
        const wchar_t *wide;
};

static uint32_t peek(const struct source *source)
{
        return source->wide ? *source->wide : (unsigned char)*source->narrow;
}

static void advance(struct source *source)
{
        if (source->wide)
                source->wide++;
        else
                source->narrow++;
}

static int parse_number(struct source *source)
{
        int value = 0;

        while (peek(source) >= '0' && peek(source) <= '9') {
                value = value * 10 + (int)(peek(source) - '0');
                if (value > WIDEST)
                        value = WIDEST;
                advance(source);
        }
        return value;
}

static void parse_flags(struct source *source, struct spec *spec)
{
        for (;; advance(source)) {
                switch (peek(source)) {
                case '-':
                        spec->left = true;
                        continue;
                case '+':
                        spec->plus = true;
                        continue;
                case ' ':
                        spec->space = true;
                        continue;
                case '#':
                        spec->alternate = true;
                        continue;
                case '0':
                        spec->zero = true;
                        continue;
                default:
                        return;
                }
        }
}

static int clamp_argument(int value)
{
        return value > WIDEST ? WIDEST : value < -WIDEST ? -WIDEST : value;
}

static void parse_width(struct source *source, struct spec *spec, struct arguments *args)
{
        if (peek(source) == '*') {
                advance(source);
                spec->width = clamp_argument(va_arg(args->list, int));
                if (spec->width < 0) {
                        spec->left = true;
                        spec->width = -spec->width;
                }
        } else {
                spec->width = parse_number(source);
        }
        spec->precision = -1;
        if (peek(source) != '.')
                return;
        advance(source);
        if (peek(source) == '*') {
                advance(source);
                spec->precision = clamp_argument(va_arg(args->list, int));
                if (spec->precision < 0)
                        spec->precision = -1;
        } else {
                spec->precision = parse_number(source);
        }
}

static bool skip_two(struct source *source, uint32_t first, uint32_t second)
{
        struct source ahead = *source;

        if (peek(&ahead) != first)
                return false;
        advance(&ahead);
        if (peek(&ahead) != second)
                return false;
        advance(&ahead);
        *source = ahead;
        return true;
}

static void parse_length(struct source *source, struct spec *spec)
{
        switch (peek(source)) {
        case 'h':
                advance(source);
                spec->length = LENGTH_SHORT;
                if (peek(source) == 'h') {
                        advance(source);
                        spec->length = LENGTH_CHAR;
                }
                break;
        case 'l':
                advance(source);
                spec->length = LENGTH_LONG;
                if (peek(source) == 'l') {
                        advance(source);
                        spec->length = LENGTH_64;
                }
                break;
        case 'I':
                advance(source);
                if (skip_two(source, '6', '4'))
                        spec->length = LENGTH_64;
                else if (skip_two(source, '3', '2'))
                        spec->length = LENGTH_NONE;
                else
                        spec->length = LENGTH_POINTER;
                break;
        case 'z':
        case 't':
                advance(source);
                spec->length = LENGTH_POINTER;
                break;
        case 'j':
                advance(source);
                spec->length = LENGTH_64;
                break;
        case 'w':
                advance(source);
                spec->length = LENGTH_WIDE;
                break;
        case 'L':
                advance(source);
                spec->length = LENGTH_LONG_DOUBLE;
                break;
        default:
                break;
        }
}

static size_t run(struct output *out, struct source source, va_list list)
{
        struct arguments args;

        va_copy(args.list, list);
        while (peek(&source)) {
                struct spec spec = {0};

                if (peek(&source) != '%') {
                        if (source.wide) {
                                put_wide_unit(out, (uint16_t)*source.wide);
                                advance(&source);
                        } else {
                                size_t length = strcspn(source.narrow, "%");

                                put_narrow_text(out, source.narrow, length);
                                source.narrow += length;
                        }
                        continue;
                }
                flush_high(out);
                advance(&source);
                parse_flags(&source, &spec);
                parse_width(&source, &spec, &args);
                parse_length(&source, &spec);
                if (!peek(&source))
                        break;
                format_one(out, &spec, peek(&source), &args);
                advance(&source);
        }
        flush_high(out);
        va_end(args.list);
        return out->total;
}

size_t fm_vformat(struct fm_format_sink *sink, const char *format, va_list args)
{
        struct output out = {.sink = sink};

        return run(&out, (struct source){.narrow = format}, args);
}

size_t fm_vformat_wide(struct fm_format_sink *sink, const wchar_t *format, va_list args)
{
        struct output out = {.sink = sink, .wide = true, .source_wide = true};

        return run(&out, (struct source){.wide = format}, args);
}

struct buffer_sink {
        struct fm_format_sink sink;
        unsigned char *buffer;
        size_t unit;
        size_t capacity;
        size_t length;
};

static void buffer_put(struct fm_format_sink *sink, const void *units, size_t count)
{
        struct buffer_sink *buffer = (struct buffer_sink *)sink;
        size_t room = buffer->capacity - buffer->length;

        if (count > room)
                count = room;
        if (count > 0)
                memmove(buffer->buffer + buffer->length * buffer->unit, units, count * buffer->unit);
        buffer->length += count;
}

size_t fm_vformat_buffer(char *buffer, size_t count, const char *format, va_list args)
{
        struct buffer_sink sink = {
                .sink.put = buffer_put, .buffer = (unsigned char *)buffer, .unit = 1, .capacity = count};
        size_t length = fm_vformat(&sink.sink, format, args);

        if (length < count)
                buffer[length] = 0;
        return length;
}

size_t fm_vformat_buffer_wide(wchar_t *buffer, size_t count, const wchar_t *format, va_list args)
{
        struct buffer_sink sink = {.sink.put = buffer_put,
                                   .buffer = (unsigned char *)buffer,
                                   .unit = sizeof(wchar_t),
                                   .capacity = count};
        size_t length = fm_vformat_wide(&sink.sink, format, args);

        if (length < count)
                buffer[length] = 0;
        return length;
}

struct growing_sink {
        struct fm_format_sink sink;
        char *buffer;
        size_t capacity;
        size_t length;
        bool failed;
};

static void growing_put(struct fm_format_sink *sink, const void *units, size_t count)
{
        struct growing_sink *growing = (struct growing_sink *)sink;

        if (growing->failed)
                return;
        if (growing->capacity - growing->length <= count) {
                size_t capacity = growing->capacity * 2 + count + 64;
                char *larger = realloc(growing->buffer, capacity);

                if (!larger) {
                        growing->failed = true;
                        return;
                }
                growing->buffer = larger;
                growing->capacity = capacity;
        }
        memcpy(growing->buffer + growing->length, units, count);
        growing->length += count;
}

char *fm_vformat_alloc(const char *format, va_list args, size_t *ret_length)
{
        struct growing_sink sink = {.sink.put = growing_put};

        fm_vformat(&sink.sink, format, args);
        growing_put(&sink.sink, "", 1);
        if (sink.failed) {
                free(sink.buffer);
                return NULL;
        }
        if (ret_length)
                *ret_length = sink.length - 1;
        return sink.buffer;
}
