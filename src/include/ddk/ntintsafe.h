/* SPDX-License-Identifier: MIT */
/*
 * Arithmetic that reports overflow. On failure the result is all ones and the status STATUS_INTEGER_OVERFLOW.
 */
#pragma once

#include "ntdef.h"
#include "ntstatus.h"

#define FM_INTSAFE_OPERATION(Name, Type, Error, Builtin) \
        FORCEINLINE NTSTATUS Name(Type First, Type Second, Type *Result) \
        { \
                if (!Builtin(First, Second, Result)) \
                        return STATUS_SUCCESS; \
                *Result = (Type)(Error); \
                return STATUS_INTEGER_OVERFLOW; \
        }

#define FM_INTSAFE_OPERATIONS(Name, Type, Error) \
        FM_INTSAFE_OPERATION(Rtl##Name##Add, Type, Error, __builtin_add_overflow) \
        FM_INTSAFE_OPERATION(Rtl##Name##Sub, Type, Error, __builtin_sub_overflow) \
        FM_INTSAFE_OPERATION(Rtl##Name##Mult, Type, Error, __builtin_mul_overflow)

FM_INTSAFE_OPERATIONS(UInt8, UINT8, -1)
FM_INTSAFE_OPERATIONS(UShort, USHORT, -1)
FM_INTSAFE_OPERATIONS(UInt, UINT, -1)
FM_INTSAFE_OPERATIONS(ULong, ULONG, -1)
FM_INTSAFE_OPERATIONS(ULongLong, ULONGLONG, -1)
FM_INTSAFE_OPERATIONS(ULongPtr, ULONG_PTR, -1)
FM_INTSAFE_OPERATIONS(SIZET, SIZE_T, -1)
FM_INTSAFE_OPERATIONS(Int, INT, -1)
FM_INTSAFE_OPERATIONS(Long, LONG, -1)
FM_INTSAFE_OPERATIONS(LongLong, LONGLONG, -1)
#define RtlSizeTAdd RtlSIZETAdd
#define RtlSizeTSub RtlSIZETSub
#define RtlSizeTMult RtlSIZETMult
#define RtlUnsignedInt64Add RtlULongLongAdd

#define FM_INTSAFE_CONVERSION(Name, From, To) \
        FORCEINLINE NTSTATUS Name(From Operand, To *Result) \
        { \
                if (!__builtin_add_overflow(Operand, 0, Result)) \
                        return STATUS_SUCCESS; \
                *Result = (To)-1; \
                return STATUS_INTEGER_OVERFLOW; \
        }

FM_INTSAFE_CONVERSION(RtlULongToUShort, ULONG, USHORT)
FM_INTSAFE_CONVERSION(RtlULongToUInt8, ULONG, UINT8)
FM_INTSAFE_CONVERSION(RtlULongToLong, ULONG, LONG)
FM_INTSAFE_CONVERSION(RtlLongToULong, LONG, ULONG)
FM_INTSAFE_CONVERSION(RtlLongToUShort, LONG, USHORT)
FM_INTSAFE_CONVERSION(RtlULongLongToULong, ULONGLONG, ULONG)
FM_INTSAFE_CONVERSION(RtlULongLongToUShort, ULONGLONG, USHORT)
FM_INTSAFE_CONVERSION(RtlULongLongToLong, ULONGLONG, LONG)
FM_INTSAFE_CONVERSION(RtlULongLongToLongLong, ULONGLONG, LONGLONG)
FM_INTSAFE_CONVERSION(RtlULongLongToSIZET, ULONGLONG, SIZE_T)
FM_INTSAFE_CONVERSION(RtlLongLongToULong, LONGLONG, ULONG)
FM_INTSAFE_CONVERSION(RtlLongLongToULongLong, LONGLONG, ULONGLONG)
FM_INTSAFE_CONVERSION(RtlLongLongToLong, LONGLONG, LONG)
FM_INTSAFE_CONVERSION(RtlLongLongToSIZET, LONGLONG, SIZE_T)
FM_INTSAFE_CONVERSION(RtlSIZETToULong, SIZE_T, ULONG)
FM_INTSAFE_CONVERSION(RtlSIZETToUShort, SIZE_T, USHORT)
FM_INTSAFE_CONVERSION(RtlULongPtrToULong, ULONG_PTR, ULONG)
FM_INTSAFE_CONVERSION(RtlUIntToUShort, UINT, USHORT)
#define RtlSizeTToULong RtlSIZETToULong
#define RtlSizeTToUShort RtlSIZETToUShort
