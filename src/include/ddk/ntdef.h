/* SPDX-License-Identifier: MIT */
/*
 * Base types of the contract, with the sizes they have in 64-bit Windows: LONG and ULONG are 32 bits,
 * WCHAR is 16. Everything else in this folder builds on this file, and it on nothing but the
 * compiler's own headers.
 */
#pragma once

#include <limits.h>
#include <stddef.h>
#include <stdarg.h>
#include <stdint.h>

#include "sal.h"

_Static_assert(sizeof(wchar_t) == 2, "compile with -fshort-wchar (fltcc does)");
_Static_assert(sizeof(void *) == 8, "the contract is that of 64-bit Windows");

/*
 * _MSC_VER stays undefined on purpose: source asks for it before it uses what only that compiler has.
 */
#ifndef _WIN64
#define _WIN64 1
#endif
#ifdef __x86_64__
#ifndef _AMD64_
#define _AMD64_
#endif
#endif

#ifndef DBG
#define DBG 0
#endif

/* Versions: the newest by default. A filter may ask for less. */
#define NTDDI_WIN2K 0x05000000
#define NTDDI_WINXP 0x05010000
#define NTDDI_WS03 0x05020000
#define NTDDI_WIN6 0x06000000
#define NTDDI_VISTA NTDDI_WIN6
#define NTDDI_VISTASP1 0x06000100
#define NTDDI_WS08 NTDDI_VISTASP1
#define NTDDI_WIN7 0x06010000
#define NTDDI_WIN8 0x06020000
#define NTDDI_WINBLUE 0x06030000
#define NTDDI_WINTHRESHOLD 0x0A000000
#define NTDDI_WIN10 0x0A000000
#define NTDDI_WIN10_TH2 0x0A000001
#define NTDDI_WIN10_RS1 0x0A000002
#define NTDDI_WIN10_RS2 0x0A000003
#define NTDDI_WIN10_RS3 0x0A000004
#define NTDDI_WIN10_RS4 0x0A000005
#define NTDDI_WIN10_RS5 0x0A000006
#define NTDDI_WIN10_19H1 0x0A000007
#define NTDDI_WIN10_VB 0x0A000008
#define NTDDI_WIN10_MN 0x0A000009
#define NTDDI_WIN10_FE 0x0A00000A
#define NTDDI_WIN10_CO 0x0A00000B
#define _WIN32_WINNT_WIN2K 0x0500
#define _WIN32_WINNT_WINXP 0x0501
#define _WIN32_WINNT_VISTA 0x0600
#define _WIN32_WINNT_WIN7 0x0601
#define _WIN32_WINNT_WIN8 0x0602
#define _WIN32_WINNT_WINBLUE 0x0603
#define _WIN32_WINNT_WIN10 0x0A00
#define OSVERSION_MASK 0xFFFF0000
#define SPVERSION_MASK 0x0000FF00
#define SUBVERSION_MASK 0x000000FF
#define OSVER(Version) ((Version) & OSVERSION_MASK)
#define SPVER(Version) (((Version) & SPVERSION_MASK) >> 8)
#define SUBVER(Version) ((Version) & SUBVERSION_MASK)
#ifndef NTDDI_VERSION
#define NTDDI_VERSION NTDDI_WIN10_CO
#endif
#ifndef _WIN32_WINNT
#define _WIN32_WINNT 0x0A00
#endif
#ifndef WINVER
#define WINVER _WIN32_WINNT
#endif

/* Decorations without a meaning here. */
#define NTAPI
#define NTSYSAPI
#define NTSYSCALLAPI
#define NTKERNELAPI
#define NTHALAPI
#define NTIFSAPI
#define FASTCALL
#define STDAPICALLTYPE
#define CDECL
#define DDKAPI
#ifndef __stdcall
#define __stdcall
#endif
#ifndef __cdecl
#define __cdecl
#endif
#ifndef __fastcall
#define __fastcall
#endif
#ifndef __unaligned
#define __unaligned
#endif
#define UNALIGNED
#define UNALIGNED64
#define RESTRICTED_POINTER
#define CONST const
#define FAR
#define NEAR
#define OPTIONAL
#if !defined(FLTMGR_INTERNAL)
#ifndef IN
#define IN
#endif
#ifndef OUT
#define OUT
#endif
#endif
#define __int8 char
#define __int16 short
#define __int32 int
#define __int64 long long
#ifndef __volatile
#define __volatile volatile
#endif
/*
 * Not static: filters declare a function first and define it FORCEINLINE later, or write "static
 * FORCEINLINE" themselves.
 */
#define FORCEINLINE inline __attribute__((always_inline))
#define CFORCEINLINE FORCEINLINE
#define __forceinline FORCEINLINE
#ifndef _inline
#define _inline inline
#endif
#define DECLSPEC_NOINLINE __attribute__((noinline))
#define DECLSPEC_ALIGN(Bytes) __attribute__((aligned(Bytes)))
#define DECLSPEC_NORETURN __attribute__((noreturn))
#define DECLSPEC_CACHEALIGN DECLSPEC_ALIGN(64)
#define DECLSPEC_SELECTANY __attribute__((weak))
#define DECLSPEC_IMPORT
#define DECLSPEC_EXPORT __attribute__((visibility("default")))
#define DECLSPEC_DEPRECATED_DDK
#define DECLSPEC_RESTRICT
#define DECLSPEC_UUID(x)
#define DECLSPEC_NOVTABLE
#define POINTER_ALIGNMENT DECLSPEC_ALIGN(8)
#define MEMORY_ALLOCATION_ALIGNMENT 16
#define __declspec(What) FM_DECLSPEC_##What
#define FM_DECLSPEC_align(Bytes) __attribute__((aligned(Bytes)))
#define FM_DECLSPEC_allocate(Section)
#define FM_DECLSPEC_code_seg(Section)
#define FM_DECLSPEC_deprecated
#define FM_DECLSPEC_dllexport __attribute__((visibility("default")))
#define FM_DECLSPEC_dllimport
#define FM_DECLSPEC_noalias
#define FM_DECLSPEC_noinline __attribute__((noinline))
#define FM_DECLSPEC_noreturn __attribute__((noreturn))
#define FM_DECLSPEC_nothrow
#define FM_DECLSPEC_novtable
#define FM_DECLSPEC_restrict
#define FM_DECLSPEC_selectany __attribute__((weak))
#define FM_DECLSPEC_thread __thread

#ifndef VOID
#define VOID void
#endif
#ifndef FALSE
#define FALSE 0
#endif
#ifndef TRUE
#define TRUE 1
#endif

typedef char CHAR, CCHAR, *PCHAR, *LPCH, *PCH, *PSTR, *LPSTR, *PNZCH;
typedef const char *PCCHAR_CONST, *LPCCH, *PCCH, *PCSTR, *LPCSTR, *PCSZ, *PCNZCH;
typedef char *PSZ, *PCCHAR;
typedef signed char INT8, *PINT8;
typedef unsigned char UCHAR, BYTE, UINT8, *PUCHAR, *PBYTE, *LPBYTE, *PUINT8;
typedef short SHORT, INT16, CSHORT, *PSHORT, *PINT16, *PCSHORT;
typedef unsigned short USHORT, WORD, UINT16, *PUSHORT, *PWORD, *PUINT16;
typedef int INT, LONG, INT32, LONG32, BOOL, *PINT, *PLONG, *PINT32, *PLONG32, *PBOOL, *LPBOOL, *LPLONG;
typedef unsigned int UINT, ULONG, UINT32, ULONG32, DWORD, DWORD32, CLONG, LOGICAL;
typedef unsigned int *PUINT, *PULONG, *PUINT32, *PULONG32, *PDWORD, *LPDWORD, *PDWORD32, *PCLONG, *PLOGICAL;
typedef const unsigned int *PCULONG;
typedef long long LONGLONG, LONG64, INT64, *PLONGLONG, *PLONG64, *PINT64;
typedef unsigned long long ULONGLONG, ULONG64, UINT64, DWORDLONG, DWORD64;
typedef unsigned long long *PULONGLONG, *PULONG64, *PUINT64, *PDWORDLONG, *PDWORD64;
typedef intptr_t INT_PTR, LONG_PTR, SSIZE_T, *PINT_PTR, *PLONG_PTR, *PSSIZE_T;
typedef uintptr_t UINT_PTR, ULONG_PTR, DWORD_PTR, SIZE_T, *PUINT_PTR, *PULONG_PTR, *PDWORD_PTR, *PSIZE_T;
typedef float FLOAT;
typedef double DOUBLE;
typedef unsigned char BOOLEAN, *PBOOLEAN;
typedef void *PVOID, *LPVOID, *HANDLE, **PHANDLE;
typedef PVOID PVOID64;
typedef const void *LPCVOID, *PCVOID;
typedef wchar_t WCHAR, *PWCHAR, *LPWCH, *PWCH, *PWSTR, *LPWSTR, *PNZWCH;
typedef const wchar_t *PCWSTR, *LPCWSTR, *LPCWCH, *PCWCH, *PCNZWCH;
typedef wchar_t *PZZWSTR;
typedef const wchar_t *PCZZWSTR;
typedef char TCHAR, *PTCHAR, *PTSTR, *LPTSTR; /* kernel code is built without UNICODE */
typedef const char *PCTSTR, *LPCTSTR;
typedef LONG NTSTATUS, *PNTSTATUS;
typedef const NTSTATUS *PCNTSTATUS;
typedef LONG HRESULT;
typedef LONG KPRIORITY;
typedef USHORT RTL_ATOM, *PRTL_ATOM;
typedef ULONG LCID, *PLCID;
typedef USHORT LANGID;
typedef LONGLONG USN;
typedef ULONGLONG REGHANDLE, *PREGHANDLE;
typedef ULONG_PTR KAFFINITY, *PKAFFINITY;
typedef UCHAR KIRQL, *PKIRQL;
typedef CCHAR KPROCESSOR_MODE;
typedef ULONG DEVICE_TYPE;
typedef ULONG ACCESS_MASK, *PACCESS_MASK;
typedef ULONG SECURITY_INFORMATION, *PSECURITY_INFORMATION;
typedef USHORT SECURITY_DESCRIPTOR_CONTROL, *PSECURITY_DESCRIPTOR_CONTROL;
typedef PVOID PSECURITY_DESCRIPTOR, PACCESS_TOKEN, PSID;

#ifndef TEXT
#define TEXT(Quote) Quote
#endif

#define UNICODE_NULL ((WCHAR)0)
#define ANSI_NULL ((CHAR)0)
#define UNICODE_STRING_MAX_BYTES ((USHORT)65534)
#define UNICODE_STRING_MAX_CHARS (32767)
#define MINCHAR 0x80
#define MAXCHAR 0x7f
#define MINSHORT 0x8000
#define MAXSHORT 0x7fff
#define MINLONG 0x80000000
#define MAXLONG 0x7fffffff
#define MAXUCHAR 0xff
#define MAXUSHORT 0xffff
#define MAXULONG 0xffffffff
#define MAXULONG64 ((ULONG64)~((ULONG64)0))
#define MAXLONG64 ((LONG64)(MAXULONG64 >> 1))
#define MINLONG64 ((LONG64)~MAXLONG64)
#define MAXULONGLONG ((ULONGLONG)~((ULONGLONG)0))
#define MAXLONGLONG (0x7fffffffffffffffLL)
#define MAXULONG_PTR (~((ULONG_PTR)0))
#define MAXLONG_PTR ((LONG_PTR)(MAXULONG_PTR >> 1))
#define MAXDWORD 0xffffffff
#define MAX_PATH 260
#define MAXIMUM_FILENAME_LENGTH 256

typedef union _LARGE_INTEGER {
        struct {
                ULONG LowPart;
                LONG HighPart;
        };
        struct {
                ULONG LowPart;
                LONG HighPart;
        } u;
        LONGLONG QuadPart;
} LARGE_INTEGER, *PLARGE_INTEGER;

typedef union _ULARGE_INTEGER {
        struct {
                ULONG LowPart;
                ULONG HighPart;
        };
        struct {
                ULONG LowPart;
                ULONG HighPart;
        } u;
        ULONGLONG QuadPart;
} ULARGE_INTEGER, *PULARGE_INTEGER;

typedef LARGE_INTEGER PHYSICAL_ADDRESS, *PPHYSICAL_ADDRESS;

typedef struct _LUID {
        ULONG LowPart;
        LONG HighPart;
} LUID, *PLUID;

typedef struct _STRING {
        USHORT Length;
        USHORT MaximumLength;
        PCHAR Buffer;
} STRING, ANSI_STRING, OEM_STRING, UTF8_STRING, *PSTRING, *PANSI_STRING, *POEM_STRING, *PUTF8_STRING;
typedef const STRING *PCSTRING, *PCANSI_STRING, *PCOEM_STRING, *PCUTF8_STRING;

typedef struct _UNICODE_STRING {
        USHORT Length; /* in bytes, as MaximumLength; need not end with a NUL */
        USHORT MaximumLength;
        PWCH Buffer;
} UNICODE_STRING, *PUNICODE_STRING;
typedef const UNICODE_STRING *PCUNICODE_STRING;

typedef struct _LIST_ENTRY {
        struct _LIST_ENTRY *Flink;
        struct _LIST_ENTRY *Blink;
} LIST_ENTRY, *PLIST_ENTRY, *RESTRICTED_POINTER PRLIST_ENTRY;

typedef struct _SINGLE_LIST_ENTRY {
        struct _SINGLE_LIST_ENTRY *Next;
} SINGLE_LIST_ENTRY, *PSINGLE_LIST_ENTRY;

typedef struct _OBJECT_ATTRIBUTES {
        ULONG Length;
        HANDLE RootDirectory;
        PUNICODE_STRING ObjectName;
        ULONG Attributes;
        PVOID SecurityDescriptor;
        PVOID SecurityQualityOfService;
} OBJECT_ATTRIBUTES, *POBJECT_ATTRIBUTES;
typedef const OBJECT_ATTRIBUTES *PCOBJECT_ATTRIBUTES;

typedef enum _EVENT_TYPE {
        NotificationEvent,
        SynchronizationEvent,
} EVENT_TYPE;

typedef enum _TIMER_TYPE {
        NotificationTimer,
        SynchronizationTimer,
} TIMER_TYPE;

typedef enum _WAIT_TYPE {
        WaitAll,
        WaitAny,
        WaitNotification,
        WaitDequeue,
        WaitDpc,
} WAIT_TYPE;

typedef struct _PROCESSOR_NUMBER {
        USHORT Group;
        UCHAR Number;
        UCHAR Reserved;
} PROCESSOR_NUMBER, *PPROCESSOR_NUMBER;

typedef struct _GROUP_AFFINITY {
        KAFFINITY Mask;
        USHORT Group;
        USHORT Reserved[3];
} GROUP_AFFINITY, *PGROUP_AFFINITY;

#define OBJ_INHERIT 0x00000002
#define OBJ_PERMANENT 0x00000010
#define OBJ_EXCLUSIVE 0x00000020
#define OBJ_CASE_INSENSITIVE 0x00000040
#define OBJ_OPENIF 0x00000080
#define OBJ_OPENLINK 0x00000100
#define OBJ_KERNEL_HANDLE 0x00000200
#define OBJ_FORCE_ACCESS_CHECK 0x00000400
#define OBJ_IGNORE_IMPERSONATED_DEVICEMAP 0x00000800
#define OBJ_DONT_REPARSE 0x00001000
#define OBJ_VALID_ATTRIBUTES 0x00001FF2
#define OBJ_NAME_PATH_SEPARATOR ((WCHAR)L'\\')

#define InitializeObjectAttributes(p, n, a, r, s) \
        do { \
                (p)->Length = sizeof(OBJECT_ATTRIBUTES); \
                (p)->RootDirectory = (r); \
                (p)->Attributes = (a); \
                (p)->ObjectName = (n); \
                (p)->SecurityDescriptor = (s); \
                (p)->SecurityQualityOfService = NULL; \
        } while (0)

#define RTL_CONSTANT_OBJECT_ATTRIBUTES(n, a) \
        { sizeof(OBJECT_ATTRIBUTES), NULL, (PUNICODE_STRING)(n), (a), NULL, NULL }

#define NT_SUCCESS(Status) (((NTSTATUS)(Status)) >= 0)
#define NT_INFORMATION(Status) ((((ULONG)(Status)) >> 30) == 1)
#define NT_WARNING(Status) ((((ULONG)(Status)) >> 30) == 2)
#define NT_ERROR(Status) ((((ULONG)(Status)) >> 30) == 3)
#define STATUS_SEVERITY_SUCCESS 0x0
#define STATUS_SEVERITY_INFORMATIONAL 0x1
#define STATUS_SEVERITY_WARNING 0x2
#define STATUS_SEVERITY_ERROR 0x3
#define NT_FACILITY_MASK 0xfff
#define NT_FACILITY_SHIFT 16
#define NT_FACILITY(Status) ((((ULONG)(Status)) >> NT_FACILITY_SHIFT) & NT_FACILITY_MASK)
#define NT_CUSTOMER_SHIFT 29
#define NT_CUSTOMER(Status) ((((ULONG)(Status)) >> NT_CUSTOMER_SHIFT) & 1)
#define FACILITY_FILTER_MANAGER 0x1C

#define NOTHING
#define DBG_UNREFERENCED_PARAMETER(P) ((void)(P))
#define DBG_UNREFERENCED_LOCAL_VARIABLE(V) ((void)(V))
#define UNREFERENCED_PARAMETER(P) ((void)(P))
#define ARGUMENT_PRESENT(Argument) (((PVOID)(ULONG_PTR)(Argument)) != ((PVOID)0))
#define FIELD_OFFSET(Type, Field) ((LONG)(LONG_PTR)offsetof(Type, Field))
#define UFIELD_OFFSET(Type, Field) ((ULONG)offsetof(Type, Field))
#define RTL_FIELD_SIZE(Type, Field) (sizeof(((Type *)0)->Field))
#define RTL_SIZEOF_THROUGH_FIELD(Type, Field) (offsetof(Type, Field) + RTL_FIELD_SIZE(Type, Field))
#define RTL_CONTAINS_FIELD(Struct, Size, Field) \
        ((((PCHAR)(&(Struct)->Field)) + sizeof((Struct)->Field)) <= (((PCHAR)(Struct)) + (Size)))
#define RTL_NUMBER_OF(Array) (sizeof(Array) / sizeof((Array)[0]))
#define RTL_NUMBER_OF_V1(Array) RTL_NUMBER_OF(Array)
#define RTL_NUMBER_OF_V2(Array) RTL_NUMBER_OF(Array)
#ifndef ARRAYSIZE
#define ARRAYSIZE(Array) RTL_NUMBER_OF(Array)
#endif
#define _ARRAYSIZE(Array) RTL_NUMBER_OF(Array)
#define RTL_FIELD_TYPE(Type, Field) (((Type *)0)->Field)

/* Handles and pointers that are numbers of 32 bits: process ids, values in a PVOID. */
#define HandleToULong(Handle) ((ULONG)(ULONG_PTR)(Handle))
#define HandleToUlong(Handle) HandleToULong(Handle)
#define HandleToLong(Handle) ((LONG)(LONG_PTR)(Handle))
#define ULongToHandle(Value) ((HANDLE)(ULONG_PTR)(ULONG)(Value))
#define UlongToHandle(Value) ULongToHandle(Value)
#define LongToHandle(Value) ((HANDLE)(LONG_PTR)(LONG)(Value))
#define PtrToUlong(Pointer) ((ULONG)(ULONG_PTR)(Pointer))
#define PtrToULong(Pointer) PtrToUlong(Pointer)
#define PtrToLong(Pointer) ((LONG)(LONG_PTR)(Pointer))
#define PtrToUint(Pointer) ((UINT)(ULONG_PTR)(Pointer))
#define PtrToInt(Pointer) ((INT)(LONG_PTR)(Pointer))
#define UlongToPtr(Value) ((PVOID)(ULONG_PTR)(ULONG)(Value))
#define ULongToPtr(Value) UlongToPtr(Value)
#define LongToPtr(Value) ((PVOID)(LONG_PTR)(LONG)(Value))
#define UintToPtr(Value) ((PVOID)(ULONG_PTR)(UINT)(Value))
#define IntToPtr(Value) ((PVOID)(LONG_PTR)(INT)(Value))

#define CONTAINING_RECORD(Address, Type, Field) ((Type *)((PCHAR)(Address) - offsetof(Type, Field)))
#define RTL_CONSTANT_STRING(s) { sizeof(s) - sizeof((s)[0]), sizeof(s), (PVOID)(s) }
#define RTL_BITS_OF(Thing) (sizeof(Thing) * 8)
#define DECLARE_CONST_UNICODE_STRING(Variable, String) \
        const WCHAR Variable##_buffer[] = String; \
        const UNICODE_STRING Variable = { sizeof(String) - sizeof(WCHAR), sizeof(String), \
                                          (PWCH)Variable##_buffer }
#define DECLARE_GLOBAL_CONST_UNICODE_STRING(Variable, String) \
        const UNICODE_STRING Variable = { sizeof(String) - sizeof(WCHAR), sizeof(String), (PWCH)String }
#define DECLARE_UNICODE_STRING_SIZE(Variable, Chars) \
        WCHAR Variable##_buffer[Chars]; \
        UNICODE_STRING Variable = { 0, (Chars) * sizeof(WCHAR), Variable##_buffer }
#ifndef C_ASSERT
#define C_ASSERT(Expression) _Static_assert(Expression, #Expression)
#endif
#define MAKEUSHORT(a, b) ((USHORT)((UCHAR)(a) | ((USHORT)(UCHAR)(b)) << 8))

#define ALIGN_DOWN_BY(Length, Alignment) ((ULONG_PTR)(Length) & ~(ULONG_PTR)((Alignment)-1))
#define ALIGN_UP_BY(Length, Alignment) (ALIGN_DOWN_BY(((ULONG_PTR)(Length) + (Alignment)-1), Alignment))
#define ALIGN_DOWN(Length, Type) ALIGN_DOWN_BY(Length, sizeof(Type))
#define ALIGN_UP(Length, Type) ALIGN_UP_BY(Length, sizeof(Type))
#define ALIGN_DOWN_POINTER_BY(Address, Alignment) ((PVOID)ALIGN_DOWN_BY(Address, Alignment))
#define ALIGN_UP_POINTER_BY(Address, Alignment) ((PVOID)ALIGN_UP_BY(Address, Alignment))
#define ALIGN_DOWN_POINTER(Address, Type) ((PVOID)ALIGN_DOWN(Address, Type))
#define ALIGN_UP_POINTER(Address, Type) ((PVOID)ALIGN_UP(Address, Type))

#ifndef FLTMGR_INTERNAL
#ifndef min
#define min(a, b) (((a) < (b)) ? (a) : (b))
#endif
#ifndef max
#define max(a, b) (((a) > (b)) ? (a) : (b))
#endif
#endif

#define DEFINE_ENUM_FLAG_OPERATORS(Type)

#include "guiddef.h"
