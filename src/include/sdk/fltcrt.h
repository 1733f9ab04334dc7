/* SPDX-License-Identifier: MIT */
/*
 * What binds an agent's C library calls to 16-bit wide characters and to Microsoft's printf dialect.
 *
 * Included by our stdio.h, wchar.h, string.h and stdlib.h, in front of the host's, so that the names carry
 * their assembler labels before anything uses them. Our own code (FLTMGR_INTERNAL) keeps the host's library.
 */
#ifndef FLTSIM_SDK_FLTCRT_H
#define FLTSIM_SDK_FLTCRT_H
#ifndef FLTMGR_INTERNAL

#include <features.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <bits/types/FILE.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef int errno_t;
typedef size_t rsize_t;

#define FM_CRT(name) __asm__("fm_" #name)
/* The host's C++ declarations say that these do not throw, and the two must agree. */
#ifdef __cplusplus
#define FM_CRT_NOTHROW(name) noexcept(true) FM_CRT(name)
#else
#define FM_CRT_NOTHROW(name) FM_CRT(name)
#endif

/* The dialect is not the one that the compiler checks formats against. */
#pragma GCC diagnostic ignored "-Wformat"
#pragma GCC diagnostic ignored "-Wformat-extra-args"

extern int printf(const char *format, ...) FM_CRT(crt_printf);
extern int fprintf(FILE *stream, const char *format, ...) FM_CRT(crt_fprintf);
extern int vprintf(const char *format, va_list args) FM_CRT(crt_vprintf);
extern int vfprintf(FILE *stream, const char *format, va_list args) FM_CRT(crt_vfprintf);

/*
 * In C these four are macros and not labels: a compiler that knows them computes with the lengths that
 * the host's formats would give.
 */
#ifndef __cplusplus
extern int fm_sprintf(char *buffer, const char *format, ...);
extern int fm_vsprintf(char *buffer, const char *format, va_list args);
extern int fm_crt_snprintf(char *buffer, size_t size, const char *format, ...);
extern int fm_crt_vsnprintf(char *buffer, size_t size, const char *format, va_list args);
#else
extern int sprintf(char *buffer, const char *format, ...) FM_CRT_NOTHROW(sprintf);
extern int vsprintf(char *buffer, const char *format, va_list args) FM_CRT_NOTHROW(vsprintf);
extern int snprintf(char *buffer, size_t size, const char *format, ...) FM_CRT_NOTHROW(crt_snprintf);
extern int vsnprintf(char *buffer, size_t size, const char *format, va_list args) FM_CRT_NOTHROW(crt_vsnprintf);
#endif

extern int _snprintf(char *buffer, size_t count, const char *format, ...) FM_CRT(snprintf);
extern int _vsnprintf(char *buffer, size_t count, const char *format, va_list args) FM_CRT(vsnprintf);
extern int sprintf_s(char *buffer, size_t size, const char *format, ...) FM_CRT(sprintf_s);
extern int vsprintf_s(char *buffer, size_t size, const char *format, va_list args) FM_CRT(vsprintf_s);
extern int _snwprintf(wchar_t *buffer, size_t count, const wchar_t *format, ...) FM_CRT(snwprintf);
extern int _vsnwprintf(wchar_t *buffer, size_t count, const wchar_t *format, va_list args) FM_CRT(vsnwprintf);
extern int swprintf_s(wchar_t *buffer, size_t size, const wchar_t *format, ...) FM_CRT(swprintf_s);
extern int vswprintf_s(wchar_t *buffer, size_t size, const wchar_t *format, va_list args) FM_CRT(vswprintf_s);

extern int wprintf(const wchar_t *format, ...) FM_CRT(crt_wprintf);
extern int fwprintf(FILE *stream, const wchar_t *format, ...) FM_CRT(crt_fwprintf);
extern int vwprintf(const wchar_t *format, va_list args) FM_CRT(crt_vwprintf);
extern int vfwprintf(FILE *stream, const wchar_t *format, va_list args) FM_CRT(crt_vfwprintf);
extern int swprintf(wchar_t *buffer, size_t size, const wchar_t *format, ...) FM_CRT_NOTHROW(crt_swprintf);
extern int vswprintf(wchar_t *buffer, size_t size, const wchar_t *format, va_list args) FM_CRT_NOTHROW(crt_vswprintf);
extern int fputws(const wchar_t *text, FILE *stream) FM_CRT(crt_fputws);
extern int _putws(const wchar_t *text) FM_CRT(crt_putws);
extern errno_t fopen_s(FILE **stream, const char *name, const char *mode) FM_CRT(crt_fopen_s);
extern FILE *_wfopen(const wchar_t *name, const wchar_t *mode) FM_CRT(crt_wfopen);
extern errno_t _wfopen_s(FILE **stream, const wchar_t *name, const wchar_t *mode) FM_CRT(crt_wfopen_s);

extern size_t wcslen(const wchar_t *text) FM_CRT_NOTHROW(wcslen);
extern size_t wcsnlen(const wchar_t *text, size_t count) FM_CRT_NOTHROW(wcsnlen);
extern wchar_t *wcscpy(wchar_t *to, const wchar_t *from) FM_CRT_NOTHROW(wcscpy);
extern wchar_t *wcsncpy(wchar_t *to, const wchar_t *from, size_t count) FM_CRT_NOTHROW(wcsncpy);
extern wchar_t *wcscat(wchar_t *to, const wchar_t *from) FM_CRT_NOTHROW(wcscat);
extern wchar_t *wcsncat(wchar_t *to, const wchar_t *from, size_t count) FM_CRT_NOTHROW(wcsncat);
extern int wcscmp(const wchar_t *a, const wchar_t *b) FM_CRT_NOTHROW(wcscmp);
extern int wcsncmp(const wchar_t *a, const wchar_t *b, size_t count) FM_CRT_NOTHROW(wcsncmp);
extern size_t wcsspn(const wchar_t *text, const wchar_t *set) FM_CRT_NOTHROW(wcsspn);
extern size_t wcscspn(const wchar_t *text, const wchar_t *set) FM_CRT_NOTHROW(wcscspn);
extern wchar_t *wcstok(wchar_t *text, const wchar_t *separators, wchar_t **state) FM_CRT_NOTHROW(wcstok);
extern wchar_t *wcsdup(const wchar_t *text) FM_CRT_NOTHROW(wcsdup);
#ifndef __cplusplus
/* C++ has these as overloads that already carry a label: there, use std::char_traits or the string classes. */
extern wchar_t *wcschr(const wchar_t *text, wchar_t character) FM_CRT_NOTHROW(wcschr);
extern wchar_t *wcsrchr(const wchar_t *text, wchar_t character) FM_CRT_NOTHROW(wcsrchr);
extern wchar_t *wcsstr(const wchar_t *text, const wchar_t *part) FM_CRT_NOTHROW(wcsstr);
extern wchar_t *wcspbrk(const wchar_t *text, const wchar_t *set) FM_CRT_NOTHROW(wcspbrk);
#endif
extern int _wcsicmp(const wchar_t *a, const wchar_t *b) FM_CRT(wcsicmp);
extern int _wcsnicmp(const wchar_t *a, const wchar_t *b, size_t count) FM_CRT(wcsnicmp);
extern wchar_t *_wcsdup(const wchar_t *text) FM_CRT(wcsdup);
extern wchar_t *_wcsupr(wchar_t *text) FM_CRT(wcsupr);
extern wchar_t *_wcslwr(wchar_t *text) FM_CRT(wcslwr);
extern errno_t wcscpy_s(wchar_t *to, rsize_t size, const wchar_t *from) FM_CRT(wcscpy_s);
extern errno_t wcscat_s(wchar_t *to, rsize_t size, const wchar_t *from) FM_CRT(wcscat_s);
extern errno_t wcsncpy_s(wchar_t *to, rsize_t size, const wchar_t *from, rsize_t count) FM_CRT(wcsncpy_s);
extern int _wtoi(const wchar_t *text) FM_CRT(wtoi);
/* long has 32 bits for Microsoft's library. */
extern int32_t fm_wcstol(const wchar_t *text, wchar_t **end, int base);
extern uint32_t fm_wcstoul(const wchar_t *text, wchar_t **end, int base);
extern int64_t _wcstoi64(const wchar_t *text, wchar_t **end, int base) FM_CRT(wcstoi64);
extern uint64_t _wcstoui64(const wchar_t *text, wchar_t **end, int base) FM_CRT(wcstoui64);

extern errno_t strcpy_s(char *to, rsize_t size, const char *from) FM_CRT(crt_strcpy_s);
extern errno_t strcat_s(char *to, rsize_t size, const char *from) FM_CRT(crt_strcat_s);
extern errno_t strncpy_s(char *to, rsize_t size, const char *from, rsize_t count) FM_CRT(crt_strncpy_s);
extern int _stricmp(const char *a, const char *b) __asm__("strcasecmp");
extern int _strnicmp(const char *a, const char *b, size_t count) __asm__("strncasecmp");
extern char *_strdup(const char *text) __asm__("strdup");
extern char *strtok_s(char *text, const char *separators, char **state) __asm__("strtok_r");

#undef FM_CRT
#undef FM_CRT_NOTHROW

#ifdef __cplusplus
}
#endif

#include <wchar.h>

#endif
#endif
