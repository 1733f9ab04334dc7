/* SPDX-License-Identifier: MIT */
/*
 * The StringCch and StringCb functions that agents use: always terminated, and truncation is reported as
 * STRSAFE_E_INSUFFICIENT_BUFFER.
 */
#ifndef FLTSIM_SDK_STRSAFE_H
#define FLTSIM_SDK_STRSAFE_H

#include "winnt.h"
#include "winerror.h"
#include "fltcrt.h"

#define STRSAFE_E_INSUFFICIENT_BUFFER ((HRESULT)0x8007007A)
#define STRSAFE_E_INVALID_PARAMETER   ((HRESULT)0x80070057)
#define STRSAFE_E_END_OF_FILE         ((HRESULT)0x80070026)
#define STRSAFE_MAX_CCH               2147483647

#ifdef __cplusplus
extern "C" {
#endif

HRESULT WINAPI StringCchCopyW(PWSTR pszDest, size_t cchDest, PCWSTR pszSrc);
HRESULT WINAPI StringCchCopyA(PSTR pszDest, size_t cchDest, PCSTR pszSrc);
HRESULT WINAPI StringCchCopyNW(PWSTR pszDest, size_t cchDest, PCWSTR pszSrc, size_t cchToCopy);
HRESULT WINAPI StringCchCopyNA(PSTR pszDest, size_t cchDest, PCSTR pszSrc, size_t cchToCopy);
HRESULT WINAPI StringCchCatW(PWSTR pszDest, size_t cchDest, PCWSTR pszSrc);
HRESULT WINAPI StringCchCatA(PSTR pszDest, size_t cchDest, PCSTR pszSrc);
HRESULT WINAPI StringCchLengthW(PCWSTR psz, size_t cchMax, size_t *pcchLength);
HRESULT WINAPI StringCchLengthA(PCSTR psz, size_t cchMax, size_t *pcchLength);
HRESULT WINAPI StringCchVPrintfW(PWSTR pszDest, size_t cchDest, PCWSTR pszFormat, va_list argList);
HRESULT WINAPI StringCchVPrintfA(PSTR pszDest, size_t cchDest, PCSTR pszFormat, va_list argList);
HRESULT WINAPIV StringCchPrintfW(PWSTR pszDest, size_t cchDest, PCWSTR pszFormat, ...);
HRESULT WINAPIV StringCchPrintfA(PSTR pszDest, size_t cchDest, PCSTR pszFormat, ...);
HRESULT WINAPI StringCbCopyW(PWSTR pszDest, size_t cbDest, PCWSTR pszSrc);
HRESULT WINAPI StringCbCopyA(PSTR pszDest, size_t cbDest, PCSTR pszSrc);
HRESULT WINAPI StringCbCatW(PWSTR pszDest, size_t cbDest, PCWSTR pszSrc);
HRESULT WINAPI StringCbCatA(PSTR pszDest, size_t cbDest, PCSTR pszSrc);
HRESULT WINAPIV StringCbPrintfW(PWSTR pszDest, size_t cbDest, PCWSTR pszFormat, ...);
HRESULT WINAPIV StringCbPrintfA(PSTR pszDest, size_t cbDest, PCSTR pszFormat, ...);

#ifdef UNICODE
#define StringCchCopy    StringCchCopyW
#define StringCchCopyN   StringCchCopyNW
#define StringCchCat     StringCchCatW
#define StringCchLength  StringCchLengthW
#define StringCchPrintf  StringCchPrintfW
#define StringCchVPrintf StringCchVPrintfW
#define StringCbCopy     StringCbCopyW
#define StringCbCat      StringCbCatW
#define StringCbPrintf   StringCbPrintfW
#else
#define StringCchCopy    StringCchCopyA
#define StringCchCopyN   StringCchCopyNA
#define StringCchCat     StringCchCatA
#define StringCchLength  StringCchLengthA
#define StringCchPrintf  StringCchPrintfA
#define StringCchVPrintf StringCchVPrintfA
#define StringCbCopy     StringCbCopyA
#define StringCbCat      StringCbCatA
#define StringCbPrintf   StringCbPrintfA
#endif

#ifdef __cplusplus
}
#endif

#endif
