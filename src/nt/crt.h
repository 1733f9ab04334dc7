/* SPDX-License-Identifier: MIT */
/*
 * The wide half of the C library for a 16-bit wchar_t, and Microsoft's printf-like functions.
 *
 * The contract headers bind wcslen, _snwprintf and their relatives to these: the C library's own count
 * 32-bit characters and would miscount silently.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

size_t fm_wcslen(const wchar_t *text);
size_t fm_wcsnlen(const wchar_t *text, size_t count);
wchar_t *fm_wcscpy(wchar_t *to, const wchar_t *from);
wchar_t *fm_wcsncpy(wchar_t *to, const wchar_t *from, size_t count);
wchar_t *fm_wcscat(wchar_t *to, const wchar_t *from);
wchar_t *fm_wcsncat(wchar_t *to, const wchar_t *from, size_t count);
int fm_wcscmp(const wchar_t *a, const wchar_t *b);
int fm_wcsncmp(const wchar_t *a, const wchar_t *b, size_t count);
int fm_wcsicmp(const wchar_t *a, const wchar_t *b);
int fm_wcsnicmp(const wchar_t *a, const wchar_t *b, size_t count);
wchar_t *fm_wcschr(const wchar_t *text, wchar_t character);
wchar_t *fm_wcsrchr(const wchar_t *text, wchar_t character);
wchar_t *fm_wcsstr(const wchar_t *text, const wchar_t *part);
wchar_t *fm_wcspbrk(const wchar_t *text, const wchar_t *set);
size_t fm_wcsspn(const wchar_t *text, const wchar_t *set);
size_t fm_wcscspn(const wchar_t *text, const wchar_t *set);
wchar_t *fm_wcstok(wchar_t *text, const wchar_t *separators, wchar_t **state);
wchar_t *fm_wcsupr(wchar_t *text);
wchar_t *fm_wcslwr(wchar_t *text);
wchar_t *fm_wcsrev(wchar_t *text);
wchar_t *fm_wmemcpy(wchar_t *to, const wchar_t *from, size_t count);
wchar_t *fm_wmemset(wchar_t *to, wchar_t character, size_t count);
int fm_stricmp(const char *a, const char *b);
int fm_strnicmp(const char *a, const char *b, size_t count);
char *fm_strlwr(char *text);
char *fm_strupr(char *text);
wchar_t *fm_wcsdup(const wchar_t *text); /* malloc'd */
wchar_t fm_towupper(wchar_t character);
wchar_t fm_towlower(wchar_t character);
/* 32 bits, as long is on Windows; out of range: the limit, and errno = ERANGE. */
int32_t fm_wcstol(const wchar_t *text, wchar_t **end, int base);
uint32_t fm_wcstoul(const wchar_t *text, wchar_t **end, int base);
int64_t fm_wcstoi64(const wchar_t *text, wchar_t **end, int base);
uint64_t fm_wcstoui64(const wchar_t *text, wchar_t **end, int base);
int fm_wtoi(const wchar_t *text);

/* Secure versions: 0 or an errno; a result that does not fit leaves an empty string. */
int fm_wcscpy_s(wchar_t *to, size_t size, const wchar_t *from);
int fm_wcscat_s(wchar_t *to, size_t size, const wchar_t *from);
int fm_wcsncpy_s(wchar_t *to, size_t size, const wchar_t *from, size_t count);

/*
 * _snprintf and _snwprintf: the length without NUL; negative, and no NUL, when it does not fit. Exactly as
 * many units as there is room for: no NUL either, and the length is returned.
 */
int fm_snprintf(char *buffer, size_t count, const char *format, ...);
int fm_vsnprintf(char *buffer, size_t count, const char *format, va_list args);
int fm_snwprintf(wchar_t *buffer, size_t count, const wchar_t *format, ...);
int fm_vsnwprintf(wchar_t *buffer, size_t count, const wchar_t *format, va_list args);
/* sprintf and swprintf: always room. */
int fm_sprintf(char *buffer, const char *format, ...);
int fm_vsprintf(char *buffer, const char *format, va_list args);
int fm_swprintf(wchar_t *buffer, const wchar_t *format, ...);
/* sprintf_s and swprintf_s: always terminated; -1 and an empty string when it does not fit. */
int fm_sprintf_s(char *buffer, size_t size, const char *format, ...);
int fm_vsprintf_s(char *buffer, size_t size, const char *format, va_list args);
int fm_swprintf_s(wchar_t *buffer, size_t size, const wchar_t *format, ...);
int fm_vswprintf_s(wchar_t *buffer, size_t size, const wchar_t *format, va_list args);
