/* SPDX-License-Identifier: MIT */
/*
 * Names between the two worlds: bytes outside, UTF-16 inside.
 *
 * '/' and '\' change places with each other's meaning; characters that Windows forbids in a name
 * (\ : * ? " < > | and 1..31), and each byte of what is not UTF-8 or is UTF-8 for U+F000..U+F0FF
 * or for a lone surrogate, become U+F000 + byte. That is one to one: every byte string comes back as it was.
 */
#pragma once

#include <fltKernel.h>
#include <stdbool.h>
#include <stddef.h>

/* How many WCHARs the name needs (at most one per byte). '/' becomes '\'. */
size_t fm_name_to_utf16(const char *bytes, size_t length, WCHAR *out, size_t out_chars);
/* Sets *out to a pool-allocated string (ExFreePool/RtlFreeUnicodeString). false: longer than a UNICODE_STRING can be, or no memory. */
bool fm_name_to_unicode_string(const char *bytes, size_t length, PUNICODE_STRING out);
/* Inverse. malloc'd, NUL-terminated. NULL when the string contains a NUL, '/' or what can't be a Linux name. */
char *fm_name_from_utf16(const WCHAR *chars, size_t count);
char *fm_name_from_unicode_string(PCUNICODE_STRING string);

/* Plain text (messages, service names): UTF-8 <-> UTF-16 with U+FFFD for what is wrong. malloc'd. */
char *fm_utf8_from_utf16(const WCHAR *chars, size_t count);
WCHAR *fm_utf16_from_utf8(const char *text, size_t *ret_chars);
size_t fm_utf16_length(const WCHAR *chars);

/* One character at a time. Code point, or -1 for what is not UTF-8 (*used is 1 then). left is at least 1. */
int32_t fm_utf8_decode(const char *text, size_t left, size_t *used);
/* Code point, or the lone surrogate itself. left is at least 1. */
uint32_t fm_utf16_decode(const WCHAR *chars, size_t left, size_t *used);
/* Up to 4 bytes; returns how many. */
size_t fm_utf8_encode(uint32_t code, char *out);
