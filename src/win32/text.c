/* SPDX-License-Identifier: MIT */
/*
 * Text between UTF-8 and UTF-16. The ANSI and OEM code pages are UTF-8 here: an agent's narrow strings are
 * what the terminal and the file system have.
 */
#include "nt/crt.h"

#include <windows.h>

#include <stdbool.h>
#include <string.h>

#define REPLACEMENT 0xFFFD
#define INVALID     0xFFFFFFFFu

static bool is_utf8_page(UINT page)
{
        return page == CP_ACP || page == CP_OEMCP || page == CP_THREAD_ACP || page == CP_UTF8;
}

/* One code point from at least one byte; INVALID (and one byte used) for what is not UTF-8. */
static uint32_t next_utf8(const unsigned char **at, const unsigned char *end)
{
        static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
        const unsigned char *p = *at;
        unsigned length = *p < 0x80 ? 1 : *p >= 0xC2 && *p < 0xE0 ? 2 : *p >= 0xE0 && *p < 0xF0 ? 3 :
                          *p >= 0xF0 && *p < 0xF5 ? 4 : 0;
        uint32_t point;

        *at = p + 1;
        if (length == 1)
                return *p;
        if (length == 0 || (size_t)(end - p) < length)
                return INVALID;
        point = *p & (0xFFu >> (length + 1));
        for (unsigned i = 1; i < length; i++) {
                if ((p[i] & 0xC0) != 0x80)
                        return INVALID;
                point = point << 6 | (p[i] & 0x3F);
        }
        if (point < least[length] || point > 0x10FFFF || (point >= 0xD800 && point < 0xE000))
                return INVALID;
        *at = p + length;
        return point;
}

static int fail(DWORD error)
{
        SetLastError(error);
        return 0;
}

/* A length of -1 includes the NUL. With cchWideChar 0: how much room is needed. */
int WINAPI MultiByteToWideChar(UINT CodePage, DWORD dwFlags, LPCSTR lpMultiByteStr, int cbMultiByte,
                               LPWSTR lpWideCharStr, int cchWideChar)
{
        const unsigned char *at, *end;
        int count = 0;

        if (!lpMultiByteStr || cbMultiByte == 0 || cbMultiByte < -1 || cchWideChar < 0 ||
            (cchWideChar && !lpWideCharStr) || !is_utf8_page(CodePage))
                return fail(ERROR_INVALID_PARAMETER);
        at = (const unsigned char *)lpMultiByteStr;
        end = at + (cbMultiByte < 0 ? strlen(lpMultiByteStr) + 1 : (size_t)cbMultiByte);
        while (at < end) {
                uint32_t point = next_utf8(&at, end);
                int units;

                if (point == INVALID && dwFlags & MB_ERR_INVALID_CHARS)
                        return fail(ERROR_NO_UNICODE_TRANSLATION);
                if (point == INVALID)
                        point = REPLACEMENT;
                units = point >= 0x10000 ? 2 : 1;
                if (cchWideChar) {
                        if (count + units > cchWideChar)
                                return fail(ERROR_INSUFFICIENT_BUFFER);
                        if (units == 2) {
                                lpWideCharStr[count] = (WCHAR)(0xD7C0 + (point >> 10));
                                lpWideCharStr[count + 1] = (WCHAR)(0xDC00 + (point & 0x3FF));
                        } else {
                                lpWideCharStr[count] = (WCHAR)point;
                        }
                }
                count += units;
        }
        return count;
}

/*
 * There is no default character in UTF-8: with one given it is ERROR_INVALID_PARAMETER for CP_UTF8, as
 * documented.
 */
int WINAPI WideCharToMultiByte(UINT CodePage, DWORD dwFlags, LPCWSTR lpWideCharStr, int cchWideChar,
                               LPSTR lpMultiByteStr, int cbMultiByte, LPCSTR lpDefaultChar,
                               LPBOOL lpUsedDefaultChar)
{
        size_t length;
        int count = 0;

        if (!lpWideCharStr || cchWideChar == 0 || cchWideChar < -1 || cbMultiByte < 0 ||
            (cbMultiByte && !lpMultiByteStr) || !is_utf8_page(CodePage) ||
            (CodePage == CP_UTF8 && (lpDefaultChar || lpUsedDefaultChar)))
                return fail(ERROR_INVALID_PARAMETER);
        if (lpUsedDefaultChar)
                *lpUsedDefaultChar = FALSE;
        length = cchWideChar < 0 ? fm_wcslen(lpWideCharStr) + 1 : (size_t)cchWideChar;
        for (size_t i = 0; i < length; i++) {
                uint32_t point = lpWideCharStr[i];
                char bytes[4];
                int n;

                if (point >= 0xD800 && point < 0xDC00 && i + 1 < length && lpWideCharStr[i + 1] >= 0xDC00 &&
                    lpWideCharStr[i + 1] < 0xE000) {
                        point = 0x10000 + ((point - 0xD800) << 10) + (lpWideCharStr[++i] - 0xDC00u);
                } else if (point >= 0xD800 && point < 0xE000) {
                        if (dwFlags & WC_ERR_INVALID_CHARS)
                                return fail(ERROR_NO_UNICODE_TRANSLATION);
                        point = REPLACEMENT;
                }
                n = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
                if (n == 1)
                        bytes[0] = (char)point;
                else
                        bytes[0] = (char)((0xF0u << (4 - n)) | (point >> (6 * (n - 1))));
                for (int k = 1; k < n; k++)
                        bytes[k] = (char)(0x80 | (point >> (6 * (n - 1 - k)) & 0x3F));
                if (cbMultiByte) {
                        if (count + n > cbMultiByte)
                                return fail(ERROR_INSUFFICIENT_BUFFER);
                        memcpy(lpMultiByteStr + count, bytes, (size_t)n);
                }
                count += n;
        }
        return count;
}

int WINAPI lstrlenW(LPCWSTR lpString)
{
        return lpString ? (int)fm_wcslen(lpString) : 0;
}

int WINAPI lstrcmpiW(LPCWSTR lpString1, LPCWSTR lpString2)
{
        return fm_wcsicmp(lpString1, lpString2);
}
