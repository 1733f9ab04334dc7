/* SPDX-License-Identifier: MIT */
/* Interlocked operations and barriers: all sequentially consistent, as on x64 Windows. */
#pragma once

#include "../ntdef.h"

FORCEINLINE LONG InterlockedIncrement(volatile LONG *Addend)
{
        return __atomic_add_fetch(Addend, 1, __ATOMIC_SEQ_CST);
}

FORCEINLINE LONG InterlockedDecrement(volatile LONG *Addend)
{
        return __atomic_sub_fetch(Addend, 1, __ATOMIC_SEQ_CST);
}

FORCEINLINE LONG InterlockedExchange(volatile LONG *Target, LONG Value)
{
        return __atomic_exchange_n(Target, Value, __ATOMIC_SEQ_CST);
}

FORCEINLINE LONG InterlockedExchangeAdd(volatile LONG *Addend, LONG Value)
{
        return __atomic_fetch_add(Addend, Value, __ATOMIC_SEQ_CST);
}

FORCEINLINE LONG InterlockedAdd(volatile LONG *Addend, LONG Value)
{
        return __atomic_add_fetch(Addend, Value, __ATOMIC_SEQ_CST);
}

FORCEINLINE LONG InterlockedCompareExchange(volatile LONG *Destination, LONG Exchange, LONG Comperand)
{
        __atomic_compare_exchange_n(Destination, &Comperand, Exchange, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
        return Comperand;
}

FORCEINLINE LONG InterlockedOr(volatile LONG *Destination, LONG Value)
{
        return __atomic_fetch_or(Destination, Value, __ATOMIC_SEQ_CST);
}

FORCEINLINE LONG InterlockedAnd(volatile LONG *Destination, LONG Value)
{
        return __atomic_fetch_and(Destination, Value, __ATOMIC_SEQ_CST);
}

FORCEINLINE LONG InterlockedXor(volatile LONG *Destination, LONG Value)
{
        return __atomic_fetch_xor(Destination, Value, __ATOMIC_SEQ_CST);
}

FORCEINLINE LONG64 InterlockedIncrement64(volatile LONG64 *Addend)
{
        return __atomic_add_fetch(Addend, 1, __ATOMIC_SEQ_CST);
}

FORCEINLINE LONG64 InterlockedDecrement64(volatile LONG64 *Addend)
{
        return __atomic_sub_fetch(Addend, 1, __ATOMIC_SEQ_CST);
}

FORCEINLINE LONG64 InterlockedExchange64(volatile LONG64 *Target, LONG64 Value)
{
        return __atomic_exchange_n(Target, Value, __ATOMIC_SEQ_CST);
}

FORCEINLINE LONG64 InterlockedExchangeAdd64(volatile LONG64 *Addend, LONG64 Value)
{
        return __atomic_fetch_add(Addend, Value, __ATOMIC_SEQ_CST);
}

FORCEINLINE LONG64 InterlockedAdd64(volatile LONG64 *Addend, LONG64 Value)
{
        return __atomic_add_fetch(Addend, Value, __ATOMIC_SEQ_CST);
}

FORCEINLINE LONG64 InterlockedCompareExchange64(volatile LONG64 *Destination, LONG64 Exchange,
                                                LONG64 Comperand)
{
        __atomic_compare_exchange_n(Destination, &Comperand, Exchange, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
        return Comperand;
}

FORCEINLINE LONG64 InterlockedOr64(volatile LONG64 *Destination, LONG64 Value)
{
        return __atomic_fetch_or(Destination, Value, __ATOMIC_SEQ_CST);
}

FORCEINLINE LONG64 InterlockedAnd64(volatile LONG64 *Destination, LONG64 Value)
{
        return __atomic_fetch_and(Destination, Value, __ATOMIC_SEQ_CST);
}

FORCEINLINE LONG64 InterlockedXor64(volatile LONG64 *Destination, LONG64 Value)
{
        return __atomic_fetch_xor(Destination, Value, __ATOMIC_SEQ_CST);
}

FORCEINLINE SHORT InterlockedIncrement16(volatile SHORT *Addend)
{
        return __atomic_add_fetch(Addend, 1, __ATOMIC_SEQ_CST);
}

FORCEINLINE SHORT InterlockedDecrement16(volatile SHORT *Addend)
{
        return __atomic_sub_fetch(Addend, 1, __ATOMIC_SEQ_CST);
}

FORCEINLINE SHORT InterlockedCompareExchange16(volatile SHORT *Destination, SHORT Exchange, SHORT Comperand)
{
        __atomic_compare_exchange_n(Destination, &Comperand, Exchange, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
        return Comperand;
}

FORCEINLINE BOOLEAN InterlockedBitTestAndSet(volatile LONG *Base, LONG Bit)
{
        LONG mask = (LONG)(1u << (Bit & 31));

        return (__atomic_fetch_or(Base + (Bit >> 5), mask, __ATOMIC_SEQ_CST) & mask) != 0;
}

FORCEINLINE BOOLEAN InterlockedBitTestAndReset(volatile LONG *Base, LONG Bit)
{
        LONG mask = (LONG)(1u << (Bit & 31));

        return (__atomic_fetch_and(Base + (Bit >> 5), ~mask, __ATOMIC_SEQ_CST) & mask) != 0;
}

FORCEINLINE PVOID fm_interlocked_exchange_pointer(PVOID volatile *target, PVOID value)
{
        return __atomic_exchange_n(target, value, __ATOMIC_SEQ_CST);
}

FORCEINLINE PVOID fm_interlocked_compare_exchange_pointer(PVOID volatile *target, PVOID exchange,
                                                          PVOID comperand)
{
        __atomic_compare_exchange_n(target, &comperand, exchange, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
        return comperand;
}

/* Any pointer type is exchanged with these on Windows. */
#define InterlockedExchangePointer(Target, Value) \
        fm_interlocked_exchange_pointer((PVOID volatile *)(Target), (PVOID)(Value))
#define InterlockedCompareExchangePointer(Destination, Exchange, Comperand) \
        fm_interlocked_compare_exchange_pointer((PVOID volatile *)(Destination), (PVOID)(Exchange), \
                                                (PVOID)(Comperand))
#define InterlockedIncrementSizeT(a) __atomic_add_fetch((volatile SIZE_T *)(a), 1, __ATOMIC_SEQ_CST)
#define InterlockedDecrementSizeT(a) __atomic_sub_fetch((volatile SIZE_T *)(a), 1, __ATOMIC_SEQ_CST)
#define InterlockedExchangeAddSizeT(a, b) __atomic_fetch_add((volatile SIZE_T *)(a), (b), __ATOMIC_SEQ_CST)
#define InterlockedIncrementAcquire InterlockedIncrement
#define InterlockedIncrementRelease InterlockedIncrement
#define InterlockedDecrementAcquire InterlockedDecrement
#define InterlockedDecrementRelease InterlockedDecrement
#define InterlockedCompareExchangeAcquire InterlockedCompareExchange
#define InterlockedCompareExchangeRelease InterlockedCompareExchange
#define InterlockedCompareExchangePointerAcquire InterlockedCompareExchangePointer
#define InterlockedCompareExchangePointerRelease InterlockedCompareExchangePointer

#define KeMemoryBarrier() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define KeMemoryBarrierWithoutFence() __atomic_signal_fence(__ATOMIC_SEQ_CST)
#define MemoryBarrier() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define _ReadWriteBarrier() __atomic_signal_fence(__ATOMIC_SEQ_CST)
#ifdef __x86_64__
#define YieldProcessor() __builtin_ia32_pause()
#else
#define YieldProcessor() __atomic_signal_fence(__ATOMIC_SEQ_CST)
#endif

#define ReadAcquire(Source) __atomic_load_n((Source), __ATOMIC_ACQUIRE)
#define ReadNoFence(Source) __atomic_load_n((Source), __ATOMIC_RELAXED)
#define ReadULongAcquire ReadAcquire
#define ReadULongNoFence ReadNoFence
#define ReadPointerAcquire ReadAcquire
#define ReadPointerNoFence ReadNoFence
#define WriteRelease(Destination, Value) __atomic_store_n((Destination), (Value), __ATOMIC_RELEASE)
#define WriteNoFence(Destination, Value) __atomic_store_n((Destination), (Value), __ATOMIC_RELAXED)
#define WriteULongRelease WriteRelease
#define WritePointerRelease WriteRelease
