/* SPDX-License-Identifier: MIT */
/*
 * The base types and constants of an agent's source, with Windows' sizes: LONG and ULONG have 32 bits
 * and WCHAR 16, also on Linux. Names that published agents define for themselves (IRP_MJ_*, the
 * FLT_CALLBACK_DATA_* values, Add2Ptr and the like) are left to them.
 */
#ifndef FLTSIM_SDK_WINNT_H
#define FLTSIM_SDK_WINNT_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "sal.h"

#if __SIZEOF_WCHAR_T__ != 2
#error "agents are compiled with -fshort-wchar (pkg-config --cflags fltlib has it)"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Calling conventions and storage classes: there is one of each here. */
#define WINAPI
#define WINAPIV
#define CALLBACK
#define APIENTRY
#define NTAPI
#define FLTAPI
#define _cdecl
#define __cdecl
#define __stdcall
#define _stdcall
#define __fastcall
#define WINBASEAPI
#define WINADVAPI
#define NTSYSAPI
#define STDAPI         HRESULT
#define DECLSPEC_NORETURN __attribute__((noreturn))
#define DECLSPEC_ALIGN(n) __attribute__((aligned(n)))
#define UNALIGNED
#ifndef __cplusplus
#define FORCEINLINE    extern inline __attribute__((gnu_inline, always_inline))
#else
#define FORCEINLINE    inline __attribute__((always_inline))
#endif
#define NOTHING
#ifndef CONST
#define CONST          const
#endif
#ifndef _WIN64
#define _WIN64 1
#endif
#ifndef UNREFERENCED_PARAMETER
#define UNREFERENCED_PARAMETER(p) ((void)(p))
#define DBG_UNREFERENCED_PARAMETER(p) ((void)(p))
#define UNREFERENCED_LOCAL_VARIABLE(v) ((void)(v))
#endif
#ifndef NTDDI_VERSION
#define NTDDI_WIN2K  0x05000000
#define NTDDI_WINXP  0x05010000
#define NTDDI_VISTA  0x06000000
#define NTDDI_WIN7   0x06010000
#define NTDDI_WIN8   0x06020000
#define NTDDI_WIN10  0x0A000000
#define NTDDI_VERSION NTDDI_WIN10
#endif
#ifndef WINVER
#define WINVER 0x0A00
#endif
#ifndef _WIN32_WINNT
#define _WIN32_WINNT 0x0A00
#endif

#ifndef VOID
#define VOID void
#endif
typedef char CHAR, CCHAR;
typedef signed char INT8;
typedef unsigned char UCHAR, BYTE, BOOLEAN, UINT8;
typedef short SHORT, INT16;
typedef unsigned short USHORT, WORD, UINT16, ATOM, LANGID;
typedef int INT, LONG, BOOL, INT32, LONG32;
typedef unsigned int UINT, ULONG, DWORD, UINT32, ULONG32, DWORD32;
typedef long long LONGLONG, INT64, LONG64;
typedef unsigned long long ULONGLONG, UINT64, ULONG64, DWORD64, DWORDLONG;
typedef float FLOAT;
typedef double DOUBLE;
typedef wchar_t WCHAR;
typedef LONGLONG LONG_PTR, INT_PTR, SSIZE_T;
typedef ULONGLONG ULONG_PTR, UINT_PTR, DWORD_PTR, SIZE_T, KAFFINITY;
typedef LONGLONG USN;
typedef LONG HRESULT;
typedef DWORD ACCESS_MASK, LCID;
typedef ACCESS_MASK REGSAM;
typedef UCHAR *PUCHAR, *PBYTE, *LPBYTE, *PBOOLEAN;
typedef CHAR *PCHAR, *PSTR, *LPSTR, *PCCHAR, *LPCH;
typedef const CHAR *PCSTR, *LPCSTR, *PCSZ;
typedef WCHAR *PWCHAR, *PWSTR, *LPWSTR, *PWCH, *LPWCH;
typedef const WCHAR *PCWSTR, *LPCWSTR, *PCWCH;
typedef SHORT *PSHORT;
typedef USHORT *PUSHORT, *PWORD, *LPWORD;
typedef LONG *PLONG, *LPLONG;
typedef INT *PINT, *LPINT;
typedef UINT *PUINT;
typedef BOOL *PBOOL, *LPBOOL;
typedef ULONG *PULONG;
typedef DWORD *PDWORD, *LPDWORD;
typedef LONGLONG *PLONGLONG, *PLONG64;
typedef ULONGLONG *PULONGLONG, *PULONG64, *PDWORD64;
typedef LONG_PTR *PLONG_PTR;
typedef ULONG_PTR *PULONG_PTR;
typedef DWORD_PTR *PDWORD_PTR;
typedef SIZE_T *PSIZE_T;
typedef void *PVOID, *LPVOID, *HANDLE, *HGLOBAL, *HLOCAL, *PSECURITY_DESCRIPTOR, *PSID;
typedef const void *PCVOID, *LPCVOID;
typedef HANDLE *PHANDLE, *LPHANDLE;
typedef struct fm_module *HMODULE, *HINSTANCE;

/* TCHAR follows UNICODE, which fltlib's own build flags set as Microsoft's project files do. */
#if defined(UNICODE)
typedef WCHAR TCHAR, *PTCHAR, *PTSTR, *LPTSTR;
typedef const WCHAR *PCTSTR, *LPCTSTR;
#define TEXT(s) L##s
#else
typedef CHAR TCHAR, *PTCHAR, *PTSTR, *LPTSTR;
typedef const CHAR *PCTSTR, *LPCTSTR;
#define TEXT(s) s
#endif

#ifndef TRUE
#define TRUE 1
#endif
#ifndef FALSE
#define FALSE 0
#endif
#define ANSI_NULL    ((CHAR)0)
#define UNICODE_NULL ((WCHAR)0)
#define MAXUCHAR     0xff
#define MAXUSHORT    0xffff
#define MAXULONG     0xffffffff
#define MAXDWORD     0xffffffff
#define MAXLONG      0x7fffffff
#define MAXSIZE_T    (~(SIZE_T)0)
#define MAX_PATH     260
#define INFINITE     0xffffffff
#define INVALID_HANDLE_VALUE ((HANDLE)(LONG_PTR)-1)

typedef union _LARGE_INTEGER {
        struct {
                DWORD LowPart;
                LONG HighPart;
        };
        struct {
                DWORD LowPart;
                LONG HighPart;
        } u;
        LONGLONG QuadPart;
} LARGE_INTEGER, *PLARGE_INTEGER;

typedef union _ULARGE_INTEGER {
        struct {
                DWORD LowPart;
                DWORD HighPart;
        };
        struct {
                DWORD LowPart;
                DWORD HighPart;
        } u;
        ULONGLONG QuadPart;
} ULARGE_INTEGER, *PULARGE_INTEGER;

typedef struct _GUID {
        ULONG Data1;
        USHORT Data2;
        USHORT Data3;
        UCHAR Data4[8];
} GUID, *LPGUID;
typedef const GUID *LPCGUID;

typedef struct _LIST_ENTRY {
        struct _LIST_ENTRY *Flink;
        struct _LIST_ENTRY *Blink;
} LIST_ENTRY, *PLIST_ENTRY;

typedef struct _SINGLE_LIST_ENTRY {
        struct _SINGLE_LIST_ENTRY *Next;
} SINGLE_LIST_ENTRY, *PSINGLE_LIST_ENTRY;

typedef struct _MEMORY_BASIC_INFORMATION {
        PVOID BaseAddress;
        PVOID AllocationBase;
        DWORD AllocationProtect;
        WORD PartitionId;
        SIZE_T RegionSize;
        DWORD State;
        DWORD Protect;
        DWORD Type;
} MEMORY_BASIC_INFORMATION, *PMEMORY_BASIC_INFORMATION;

#define FIELD_OFFSET(type, field)    ((LONG)offsetof(type, field))
#define UFIELD_OFFSET(type, field)   ((DWORD)offsetof(type, field))
#define RTL_FIELD_SIZE(type, field)  (sizeof(((type *)0)->field))
#define RTL_SIZEOF_THROUGH_FIELD(type, field) (offsetof(type, field) + RTL_FIELD_SIZE(type, field))
#define CONTAINING_RECORD(address, type, field) ((type *)((PCHAR)(address) - offsetof(type, field)))
#define RTL_NUMBER_OF(a)             (sizeof(a) / sizeof((a)[0]))
#define ARRAYSIZE(a)                 RTL_NUMBER_OF(a)
#define _ARRAYSIZE(a)                RTL_NUMBER_OF(a)
#define _countof(a)                  RTL_NUMBER_OF(a)
#define C_ASSERT(e)                  _Static_assert(e, #e)
#ifdef __cplusplus
#undef C_ASSERT
#define C_ASSERT(e)                  static_assert(e, #e)
#endif

#define RtlEqualMemory(a, b, n)      (!memcmp((a), (b), (n)))
#define RtlMoveMemory(d, s, n)       memmove((d), (s), (n))
#define RtlCopyMemory(d, s, n)       memcpy((d), (s), (n))
#define RtlFillMemory(d, n, v)       memset((d), (v), (n))
#define RtlZeroMemory(d, n)          memset((d), 0, (n))
#define MoveMemory                   RtlMoveMemory
#define CopyMemory                   RtlCopyMemory
#define FillMemory                   RtlFillMemory
#define ZeroMemory                   RtlZeroMemory
#define SecureZeroMemory(p, n)       explicit_bzero((p), (n))

/* The statuses that winnt.h has on Windows, unless ntstatus.h is to follow; that one has the rest. */
#ifndef WIN32_NO_STATUS
#define STATUS_WAIT_0                ((DWORD)0x00000000)
#define STATUS_ABANDONED_WAIT_0      ((DWORD)0x00000080)
#define STATUS_USER_APC              ((DWORD)0x000000C0)
#define STATUS_TIMEOUT               ((DWORD)0x00000102)
#define STATUS_PENDING               ((DWORD)0x00000103)
#define STATUS_ACCESS_VIOLATION      ((DWORD)0xC0000005)
#define STATUS_INVALID_HANDLE        ((DWORD)0xC0000008)
#define STATUS_INVALID_PARAMETER     ((DWORD)0xC000000D)
#define STATUS_NO_MEMORY             ((DWORD)0xC0000017)
#endif

#define DELETE                       0x00010000
#define READ_CONTROL                 0x00020000
#define WRITE_DAC                    0x00040000
#define WRITE_OWNER                  0x00080000
#define SYNCHRONIZE                  0x00100000
#define STANDARD_RIGHTS_REQUIRED     0x000F0000
#define STANDARD_RIGHTS_ALL          0x001F0000
#define GENERIC_READ                 0x80000000
#define GENERIC_WRITE                0x40000000
#define GENERIC_EXECUTE              0x20000000
#define GENERIC_ALL                  0x10000000
#define EVENT_MODIFY_STATE           0x0002
#define EVENT_ALL_ACCESS             (STANDARD_RIGHTS_REQUIRED | SYNCHRONIZE | 0x3)
#define MUTEX_ALL_ACCESS             (STANDARD_RIGHTS_REQUIRED | SYNCHRONIZE | 0x1)
#define SEMAPHORE_ALL_ACCESS         (STANDARD_RIGHTS_REQUIRED | SYNCHRONIZE | 0x3)
#define MAXIMUM_WAIT_OBJECTS         64

#define SECTION_QUERY                0x0001
#define SECTION_MAP_WRITE            0x0002
#define SECTION_MAP_READ             0x0004
#define SECTION_MAP_EXECUTE          0x0008
#define SECTION_EXTEND_SIZE          0x0010
#define SECTION_ALL_ACCESS           (STANDARD_RIGHTS_REQUIRED | 0x1f)
#define PAGE_NOACCESS                0x01
#define PAGE_READONLY                0x02
#define PAGE_READWRITE               0x04
#define PAGE_WRITECOPY               0x08
#define MEM_COMMIT                   0x00001000
#define MEM_RESERVE                  0x00002000
#define MEM_FREE                     0x00010000
#define MEM_PRIVATE                  0x00020000
#define MEM_MAPPED                   0x00040000
#define MEM_UNMAP_WITH_TRANSIENT_BOOST 0x00000001

#define IO_REPARSE_TAG_MOUNT_POINT   0xA0000003u
#define IO_REPARSE_TAG_SYMLINK       0xA000000Cu

/* Linux has one fence strong enough for all of them. */
#define MemoryBarrier()              __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define YieldProcessor()             __atomic_signal_fence(__ATOMIC_SEQ_CST)
#define InterlockedIncrement(p)      __atomic_add_fetch((p), 1, __ATOMIC_SEQ_CST)
#define InterlockedDecrement(p)      __atomic_sub_fetch((p), 1, __ATOMIC_SEQ_CST)
#define InterlockedIncrement64(p)    __atomic_add_fetch((p), 1, __ATOMIC_SEQ_CST)
#define InterlockedDecrement64(p)    __atomic_sub_fetch((p), 1, __ATOMIC_SEQ_CST)
#define InterlockedExchange(p, v)    __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
#define InterlockedExchange64(p, v)  __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
#define InterlockedExchangePointer(p, v) __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
#define InterlockedExchangeAdd(p, v) __atomic_fetch_add((p), (v), __ATOMIC_SEQ_CST)
#define InterlockedExchangeAdd64(p, v) __atomic_fetch_add((p), (v), __ATOMIC_SEQ_CST)
#define InterlockedAdd(p, v)         __atomic_add_fetch((p), (v), __ATOMIC_SEQ_CST)
#define InterlockedAdd64(p, v)       __atomic_add_fetch((p), (v), __ATOMIC_SEQ_CST)
#define InterlockedAnd(p, v)         __atomic_fetch_and((p), (v), __ATOMIC_SEQ_CST)
#define InterlockedOr(p, v)          __atomic_fetch_or((p), (v), __ATOMIC_SEQ_CST)
#define InterlockedXor(p, v)         __atomic_fetch_xor((p), (v), __ATOMIC_SEQ_CST)
#define InterlockedCompareExchange(p, v, c)        __sync_val_compare_and_swap((p), (c), (v))
#define InterlockedCompareExchange64(p, v, c)      __sync_val_compare_and_swap((p), (c), (v))
#define InterlockedCompareExchangePointer(p, v, c) __sync_val_compare_and_swap((p), (c), (v))

#ifdef __cplusplus
}
#endif

#endif
