/* SPDX-License-Identifier: MIT */
/*
 * StringCch and StringCb: whatever happens, the result is terminated (if it has any room) and the caller
 * told.
 */
#include "nt/crt.h"
#include "nt/format.h"

#include <strsafe.h>
#include <string.h>

static HRESULT check(const void *to, size_t size)
{
        return !to || size == 0 || size > STRSAFE_MAX_CCH ? STRSAFE_E_INVALID_PARAMETER : S_OK;
}

static HRESULT copy_wide(PWSTR to, size_t size, PCWSTR from, size_t count)
{
        size_t length = from ? fm_wcsnlen(from, count) : 0;
        size_t fits = length < size ? length : size - 1;

        memmove(to, from, fits * sizeof(WCHAR));
        to[fits] = 0;
        return length < size ? S_OK : STRSAFE_E_INSUFFICIENT_BUFFER;
}

static HRESULT copy_narrow(PSTR to, size_t size, PCSTR from, size_t count)
{
        size_t length = from ? strnlen(from, count) : 0;
        size_t fits = length < size ? length : size - 1;

        memmove(to, from, fits);
        to[fits] = '\0';
        return length < size ? S_OK : STRSAFE_E_INSUFFICIENT_BUFFER;
}

HRESULT WINAPI StringCchCopyNW(PWSTR pszDest, size_t cchDest, PCWSTR pszSrc, size_t cchToCopy)
{
        HRESULT hr = check(pszDest, cchDest);

        return FAILED(hr) ? hr : copy_wide(pszDest, cchDest, pszSrc, cchToCopy);
}

HRESULT WINAPI StringCchCopyNA(PSTR pszDest, size_t cchDest, PCSTR pszSrc, size_t cchToCopy)
{
        HRESULT hr = check(pszDest, cchDest);

        return FAILED(hr) ? hr : copy_narrow(pszDest, cchDest, pszSrc, cchToCopy);
}

HRESULT WINAPI StringCchCopyW(PWSTR pszDest, size_t cchDest, PCWSTR pszSrc)
{
        return StringCchCopyNW(pszDest, cchDest, pszSrc, STRSAFE_MAX_CCH);
}

HRESULT WINAPI StringCchCopyA(PSTR pszDest, size_t cchDest, PCSTR pszSrc)
{
        return StringCchCopyNA(pszDest, cchDest, pszSrc, STRSAFE_MAX_CCH);
}

HRESULT WINAPI StringCchLengthW(PCWSTR psz, size_t cchMax, size_t *pcchLength)
{
        HRESULT hr = check(psz, cchMax);
        size_t length = FAILED(hr) ? 0 : fm_wcsnlen(psz, cchMax);

        if (SUCCEEDED(hr) && length == cchMax)
                hr = STRSAFE_E_INVALID_PARAMETER;
        if (pcchLength)
                *pcchLength = FAILED(hr) ? 0 : length;
        return hr;
}

HRESULT WINAPI StringCchLengthA(PCSTR psz, size_t cchMax, size_t *pcchLength)
{
        HRESULT hr = check(psz, cchMax);
        size_t length = FAILED(hr) ? 0 : strnlen(psz, cchMax);

        if (SUCCEEDED(hr) && length == cchMax)
                hr = STRSAFE_E_INVALID_PARAMETER;
        if (pcchLength)
                *pcchLength = FAILED(hr) ? 0 : length;
        return hr;
}

HRESULT WINAPI StringCchCatW(PWSTR pszDest, size_t cchDest, PCWSTR pszSrc)
{
        size_t used;
        HRESULT hr = StringCchLengthW(pszDest, cchDest, &used);

        return FAILED(hr) ? hr : copy_wide(pszDest + used, cchDest - used, pszSrc, STRSAFE_MAX_CCH);
}

HRESULT WINAPI StringCchCatA(PSTR pszDest, size_t cchDest, PCSTR pszSrc)
{
        size_t used;
        HRESULT hr = StringCchLengthA(pszDest, cchDest, &used);

        return FAILED(hr) ? hr : copy_narrow(pszDest + used, cchDest - used, pszSrc, STRSAFE_MAX_CCH);
}

HRESULT WINAPI StringCchVPrintfW(PWSTR pszDest, size_t cchDest, PCWSTR pszFormat, va_list argList)
{
        HRESULT hr = check(pszDest, cchDest);

        if (FAILED(hr))
                return hr;
        if (fm_vformat_buffer_wide(pszDest, cchDest, pszFormat, argList) < cchDest)
                return S_OK;
        pszDest[cchDest - 1] = 0;
        return STRSAFE_E_INSUFFICIENT_BUFFER;
}

HRESULT WINAPI StringCchVPrintfA(PSTR pszDest, size_t cchDest, PCSTR pszFormat, va_list argList)
{
        HRESULT hr = check(pszDest, cchDest);

        if (FAILED(hr))
                return hr;
        if (fm_vformat_buffer(pszDest, cchDest, pszFormat, argList) < cchDest)
                return S_OK;
        pszDest[cchDest - 1] = '\0';
        return STRSAFE_E_INSUFFICIENT_BUFFER;
}

HRESULT WINAPIV StringCchPrintfW(PWSTR pszDest, size_t cchDest, PCWSTR pszFormat, ...)
{
        va_list args;
        HRESULT hr;

        va_start(args, pszFormat);
        hr = StringCchVPrintfW(pszDest, cchDest, pszFormat, args);
        va_end(args);
        return hr;
}

HRESULT WINAPIV StringCchPrintfA(PSTR pszDest, size_t cchDest, PCSTR pszFormat, ...)
{
        va_list args;
        HRESULT hr;

        va_start(args, pszFormat);
        hr = StringCchVPrintfA(pszDest, cchDest, pszFormat, args);
        va_end(args);
        return hr;
}

/* The Cb forms count bytes. */
HRESULT WINAPI StringCbCopyW(PWSTR pszDest, size_t cbDest, PCWSTR pszSrc)
{
        return StringCchCopyW(pszDest, cbDest / sizeof(WCHAR), pszSrc);
}

HRESULT WINAPI StringCbCopyA(PSTR pszDest, size_t cbDest, PCSTR pszSrc)
{
        return StringCchCopyA(pszDest, cbDest, pszSrc);
}

HRESULT WINAPI StringCbCatW(PWSTR pszDest, size_t cbDest, PCWSTR pszSrc)
{
        return StringCchCatW(pszDest, cbDest / sizeof(WCHAR), pszSrc);
}

HRESULT WINAPI StringCbCatA(PSTR pszDest, size_t cbDest, PCSTR pszSrc)
{
        return StringCchCatA(pszDest, cbDest, pszSrc);
}

HRESULT WINAPIV StringCbPrintfW(PWSTR pszDest, size_t cbDest, PCWSTR pszFormat, ...)
{
        va_list args;
        HRESULT hr;

        va_start(args, pszFormat);
        hr = StringCchVPrintfW(pszDest, cbDest / sizeof(WCHAR), pszFormat, args);
        va_end(args);
        return hr;
}

HRESULT WINAPIV StringCbPrintfA(PSTR pszDest, size_t cbDest, PCSTR pszFormat, ...)
{
        va_list args;
        HRESULT hr;

        va_start(args, pszFormat);
        hr = StringCchVPrintfA(pszDest, cbDest, pszFormat, args);
        va_end(args);
        return hr;
}
