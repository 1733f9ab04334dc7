/* SPDX-License-Identifier: MIT */
/*
 * Dbg: output and assertions.
 *
 * Formats are Microsoft's (%wZ, %ws, %S, %I64x, 32-bit %lx ...), so no function here has a format attribute.
 */
#pragma once

#include "../ntdef.h"

#define DPFLTR_ERROR_LEVEL 0
#define DPFLTR_WARNING_LEVEL 1
#define DPFLTR_TRACE_LEVEL 2
#define DPFLTR_INFO_LEVEL 3
#define DPFLTR_MASK 0x80000000

enum _DPFLTR_TYPE {
        DPFLTR_SYSTEM_ID = 0,
        DPFLTR_FLTMGR_ID = 74,
        DPFLTR_IHVDRIVER_ID = 77,
        DPFLTR_IHVVIDEO_ID = 78,
        DPFLTR_IHVAUDIO_ID = 79,
        DPFLTR_IHVNETWORK_ID = 80,
        DPFLTR_IHVSTREAMING_ID = 81,
        DPFLTR_IHVBUS_ID = 82,
        DPFLTR_DEFAULT_ID = 101,
};

ULONG DbgPrint(PCSTR Format, ...);
ULONG DbgPrintEx(ULONG ComponentId, ULONG Level, PCSTR Format, ...);
ULONG vDbgPrintEx(ULONG ComponentId, ULONG Level, PCCH Format, va_list arglist);
ULONG vDbgPrintExWithPrefix(PCCH Prefix, ULONG ComponentId, ULONG Level, PCCH Format, va_list arglist);
VOID DbgBreakPoint(VOID);
VOID DbgBreakPointWithStatus(ULONG Status);
#define __debugbreak() DbgBreakPoint()
#define DbgRaiseAssertionFailure() DbgBreakPoint()
#if DBG
#define KdPrint(_x_) DbgPrint _x_
#define KdPrintEx(_x_) DbgPrintEx _x_
#define KdBreakPoint() DbgBreakPoint()
#else
#define KdPrint(_x_)
#define KdPrintEx(_x_)
#define KdBreakPoint()
#endif
extern PBOOLEAN KdDebuggerEnabled;
extern PBOOLEAN KdDebuggerNotPresent;
#define KD_DEBUGGER_ENABLED (*KdDebuggerEnabled)
#define KD_DEBUGGER_NOT_PRESENT (*KdDebuggerNotPresent)

VOID RtlAssert(PVOID VoidFailedAssertion, PVOID VoidFileName, ULONG LineNumber, PSTR MutableMessage);

/* Expressions all of them, also when they come to nothing: they stand in comma expressions. */
#define FM_ASSERT(Expression, Message) \
        ((VOID)((Expression) ? 0 \
                             : (RtlAssert((PVOID)(ULONG_PTR) #Expression, (PVOID)(ULONG_PTR)__FILE__, \
                                          __LINE__, (PSTR)(ULONG_PTR)(Message)), \
                                0)))
#if DBG
#define ASSERT(Expression) FM_ASSERT(Expression, NULL)
#define ASSERTMSG(Message, Expression) FM_ASSERT(Expression, Message)
#define RTL_SOFT_ASSERT(Expression) FM_ASSERT(Expression, NULL)
#define RTL_SOFT_ASSERTMSG(Message, Expression) FM_ASSERT(Expression, Message)
#define NT_ASSERT(Expression) FM_ASSERT(Expression, NULL)
#define NT_ASSERTMSG(Message, Expression) FM_ASSERT(Expression, Message)
#define NT_ASSERTMSGW(Message, Expression) FM_ASSERT(Expression, NULL)
#define NT_VERIFY(Expression) FM_ASSERT(Expression, NULL)
#else
#define ASSERT(Expression) ((VOID)0)
#define ASSERTMSG(Message, Expression) ((VOID)0)
#define RTL_SOFT_ASSERT(Expression) ((VOID)0)
#define RTL_SOFT_ASSERTMSG(Message, Expression) ((VOID)0)
#define NT_ASSERT(Expression) ((VOID)0)
#define NT_ASSERTMSG(Message, Expression) ((VOID)0)
#define NT_ASSERTMSGW(Message, Expression) ((VOID)0)
#define NT_VERIFY(Expression) ((VOID)(Expression))
#endif
#define NT_ASSERT_ASSUME NT_ASSERT
#define NT_FRE_ASSERT(Expression) FM_ASSERT(Expression, NULL)
#define RTL_VERIFY NT_VERIFY
#define RTL_ASSERT NT_ASSERT
#define NT_ANALYSIS_ASSUME(...)
#ifndef FLTMGR_INTERNAL
#ifndef __assume
#define __assume(Expression) ((VOID)0)
#endif
#endif

/* Asserts that code is pageable: the IRQL must be low enough. */
VOID fm_paged_code(PCSTR file, ULONG line);
#if DBG
#define PAGED_CODE() fm_paged_code(__FILE__, __LINE__)
#else
#define PAGED_CODE() ((VOID)0)
#endif
#define PAGED_CODE_LOCKED() ((VOID)0)
#define PAGED_ASSERT(Expression) ASSERT(Expression)
