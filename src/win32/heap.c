/* SPDX-License-Identifier: MIT */
/* The process heap: the C library's. Sizes are what malloc keeps, which may be more than was asked for. */
#include <windows.h>

#include <malloc.h>
#include <stdlib.h>

#define PROCESS_HEAP ((HANDLE)(ULONG_PTR)0x10000)

static LPVOID or_error(LPVOID memory)
{
        if (!memory)
                SetLastError(ERROR_NOT_ENOUGH_MEMORY);
        return memory;
}

HANDLE WINAPI GetProcessHeap(VOID)
{
        return PROCESS_HEAP;
}

LPVOID WINAPI HeapAlloc(HANDLE hHeap, DWORD dwFlags, SIZE_T dwBytes)
{
        size_t size = dwBytes ? dwBytes : 1;

        return or_error(dwFlags & HEAP_ZERO_MEMORY ? calloc(1, size) : malloc(size));
}

LPVOID WINAPI HeapReAlloc(HANDLE hHeap, DWORD dwFlags, LPVOID lpMem, SIZE_T dwBytes)
{
        size_t old = lpMem ? malloc_usable_size(lpMem) : 0;
        char *memory = realloc(lpMem, dwBytes ? dwBytes : 1);

        if (memory && dwFlags & HEAP_ZERO_MEMORY && dwBytes > old)
                memset(memory + old, 0, dwBytes - old);
        return or_error(memory);
}

BOOL WINAPI HeapFree(HANDLE hHeap, DWORD dwFlags, LPVOID lpMem)
{
        free(lpMem);
        return TRUE;
}

SIZE_T WINAPI HeapSize(HANDLE hHeap, DWORD dwFlags, LPCVOID lpMem)
{
        return malloc_usable_size((void *)(uintptr_t)lpMem);
}

HLOCAL WINAPI LocalAlloc(UINT uFlags, SIZE_T uBytes)
{
        return HeapAlloc(PROCESS_HEAP, uFlags & LMEM_ZEROINIT ? HEAP_ZERO_MEMORY : 0, uBytes);
}

HLOCAL WINAPI LocalFree(HLOCAL hMem)
{
        free(hMem);
        return NULL;
}
