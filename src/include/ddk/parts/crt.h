/* SPDX-License-Identifier: MIT */
/*
 * Those C functions that a kernel driver has and that libc has differently: wide characters are 16 bits, and
 * formats are Microsoft's. The names are macros over symbols of ours (src/nt/crt.c), not declarations,
 * because libc's own headers may come before or after; including them here first makes the order indifferent.
 */
#pragma once

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <wchar.h>
#include <wctype.h>

#include "../ntdef.h"

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
wchar_t *fm_wcslwr(wchar_t *text);
wchar_t *fm_wcsupr(wchar_t *text);
wchar_t fm_towupper(wchar_t character);
wchar_t fm_towlower(wchar_t character);
int32_t fm_wcstol(const wchar_t *text, wchar_t **end, int base);
uint32_t fm_wcstoul(const wchar_t *text, wchar_t **end, int base);
int64_t fm_wcstoi64(const wchar_t *text, wchar_t **end, int base);
uint64_t fm_wcstoui64(const wchar_t *text, wchar_t **end, int base);
int fm_wtoi(const wchar_t *text);
int fm_wcscpy_s(wchar_t *to, size_t size, const wchar_t *from);
int fm_wcscat_s(wchar_t *to, size_t size, const wchar_t *from);
int fm_wcsncpy_s(wchar_t *to, size_t size, const wchar_t *from, size_t count);
/*
 * Microsoft's: negative, and no terminating NUL, when the text does not fit. In the wide one %s is wide and
 * %S narrow. Source and destination may overlap: they work from front to back, in place.
 */
int fm_snwprintf(wchar_t *to, size_t count, const wchar_t *format, ...);
int fm_vsnwprintf(wchar_t *to, size_t count, const wchar_t *format, va_list args);
int fm_snprintf(char *to, size_t count, const char *format, ...);
int fm_vsnprintf(char *to, size_t count, const char *format, va_list args);
int fm_sprintf(char *to, const char *format, ...);
int fm_vsprintf(char *to, const char *format, va_list args);
int fm_sprintf_s(char *to, size_t size, const char *format, ...);
int fm_vsprintf_s(char *to, size_t size, const char *format, va_list args);
int fm_swprintf_s(wchar_t *to, size_t size, const wchar_t *format, ...);
int fm_vswprintf_s(wchar_t *to, size_t size, const wchar_t *format, va_list args);

#ifndef FLTMGR_INTERNAL
#define _snwprintf fm_snwprintf
#define _vsnwprintf fm_vsnwprintf
#define _snprintf fm_snprintf
#define _vsnprintf fm_vsnprintf
#define swprintf_s fm_swprintf_s
#define vswprintf_s fm_vswprintf_s
#define sprintf_s fm_sprintf_s
#define vsprintf_s fm_vsprintf_s
#define _stricmp strcasecmp
#define _strnicmp strncasecmp
#define _wcsicmp fm_wcsicmp
#define _wcsnicmp fm_wcsnicmp
#define _wcslwr fm_wcslwr
#define _wcsupr fm_wcsupr
#define _wcstoi64 fm_wcstoi64
#define _wcstoui64 fm_wcstoui64
#define _wtoi fm_wtoi
#define wcscpy_s fm_wcscpy_s
#define wcscat_s fm_wcscat_s
#define wcsncpy_s fm_wcsncpy_s
#define wcstok_s fm_wcstok

#undef wcslen
#undef wcsnlen
#undef wcscpy
#undef wcsncpy
#undef wcscat
#undef wcsncat
#undef wcscmp
#undef wcsncmp
#undef wcschr
#undef wcsrchr
#undef wcsstr
#undef wcspbrk
#undef wcsspn
#undef wcscspn
#undef wcstol
#undef wcstoul
#undef towupper
#undef towlower
#undef sprintf
#undef vsprintf
#define wcslen fm_wcslen
#define wcsnlen fm_wcsnlen
#define wcscpy fm_wcscpy
#define wcsncpy fm_wcsncpy
#define wcscat fm_wcscat
#define wcsncat fm_wcsncat
#define wcscmp fm_wcscmp
#define wcsncmp fm_wcsncmp
#define wcschr fm_wcschr
#define wcsrchr fm_wcsrchr
#define wcsstr fm_wcsstr
#define wcspbrk fm_wcspbrk
#define wcsspn fm_wcsspn
#define wcscspn fm_wcscspn
#define wcstol fm_wcstol
#define wcstoul fm_wcstoul
#define towupper fm_towupper
#define towlower fm_towlower
#define sprintf fm_sprintf
#define vsprintf fm_vsprintf
#endif
