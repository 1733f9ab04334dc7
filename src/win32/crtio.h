/* SPDX-License-Identifier: MIT */
/* The functions that fltcrt.h's labels name; agents see them as printf, fopen_s and so on. */
#pragma once

#include <windows.h>

#include <stdarg.h>
#include <stdio.h>

int fm_crt_printf(const char *format, ...);
int fm_crt_fprintf(FILE *stream, const char *format, ...);
int fm_crt_vprintf(const char *format, va_list args);
int fm_crt_vfprintf(FILE *stream, const char *format, va_list args);
int fm_crt_snprintf(char *buffer, size_t size, const char *format, ...);
int fm_crt_vsnprintf(char *buffer, size_t size, const char *format, va_list args);
int fm_crt_wprintf(const wchar_t *format, ...);
int fm_crt_fwprintf(FILE *stream, const wchar_t *format, ...);
int fm_crt_vwprintf(const wchar_t *format, va_list args);
int fm_crt_vfwprintf(FILE *stream, const wchar_t *format, va_list args);
int fm_crt_swprintf(wchar_t *buffer, size_t size, const wchar_t *format, ...);
int fm_crt_vswprintf(wchar_t *buffer, size_t size, const wchar_t *format, va_list args);
int fm_crt_fputws(const wchar_t *text, FILE *stream);
int fm_crt_putws(const wchar_t *text);
int fm_crt_fopen_s(FILE **stream, const char *name, const char *mode);
int fm_crt_wfopen_s(FILE **stream, const wchar_t *name, const wchar_t *mode);
FILE *fm_crt_wfopen(const wchar_t *name, const wchar_t *mode);
int fm_crt_strcpy_s(char *to, size_t size, const char *from);
int fm_crt_strcat_s(char *to, size_t size, const char *from);
int fm_crt_strncpy_s(char *to, size_t size, const char *from, size_t count);
