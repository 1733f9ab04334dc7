/* SPDX-License-Identifier: MIT */
/*
 * Modules, as far as programs use them to find message texts: fltlib.dll is this library, others do not
 * exist.
 */
#include "nt/crt.h"

#include <windows.h>

#include <stdio.h>
#include <stdlib.h>

#define SYSTEM_DIRECTORY L"C:\\Windows\\system32"

struct fm_module {
        const wchar_t *name;
};

static struct fm_module fltlib = { L"fltlib.dll" };

HMODULE WINAPI LoadLibraryExW(LPCWSTR lpLibFileName, HANDLE hFile, DWORD dwFlags)
{
        const wchar_t *base;

        if (!lpLibFileName || hFile) {
                SetLastError(ERROR_INVALID_PARAMETER);
                return NULL;
        }
        base = fm_wcsrchr(lpLibFileName, '\\');
        base = base ? base + 1 : lpLibFileName;
        if (fm_wcsicmp(base, fltlib.name) != 0) {
                SetLastError(ERROR_MOD_NOT_FOUND);
                return NULL;
        }
        return &fltlib;
}

HMODULE WINAPI LoadLibraryW(LPCWSTR lpLibFileName)
{
        return LoadLibraryExW(lpLibFileName, NULL, 0);
}

BOOL WINAPI FreeLibrary(HMODULE hLibModule)
{
        if (hLibModule == &fltlib)
                return TRUE;
        SetLastError(ERROR_INVALID_HANDLE);
        return FALSE;
}

/* A name to put in front of others, not a directory that exists. */
UINT WINAPI GetSystemDirectoryW(LPWSTR lpBuffer, UINT uSize)
{
        static const wchar_t directory[] = SYSTEM_DIRECTORY;
        UINT length = ARRAYSIZE(directory) - 1;

        if (uSize <= length)
                return length + 1;
        fm_wcscpy(lpBuffer, directory);
        return length;
}

/* To the standard error: there is no debugger's channel. */
VOID WINAPI OutputDebugStringA(LPCSTR lpOutputString)
{
        fputs(lpOutputString, stderr);
}

VOID WINAPI OutputDebugStringW(LPCWSTR lpOutputString)
{
        int size = WideCharToMultiByte(CP_UTF8, 0, lpOutputString, -1, NULL, 0, NULL, NULL);
        char *text = malloc((size_t)size + 1);

        if (text && WideCharToMultiByte(CP_UTF8, 0, lpOutputString, -1, text, size, NULL, NULL))
                OutputDebugStringA(text);
        free(text);
}
