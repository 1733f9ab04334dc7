/* SPDX-License-Identifier: MIT */
/*
 * Structured exception handling in plain C:
 *
 *         try { ... leave; ... } except (FILTER) { ... }
 *         try { ... leave; ... } finally { ... }
 *
 * How it works. A try block is an "if" whose first branch holds the frame and the body; the handler or
 * the finally block is its "else" branch, entered by goto. So break, continue, goto and return in body
 * and handler mean what they mean without it (there is no hidden loop), and "leave" is a goto to a label that
 * is local to the body: in a handler it leaves the try block around. The frame is taken from
 * the thread's list by a cleanup attribute, however control leaves the body.
 *
 * Where it differs from Windows: filters run after the finally blocks below them (one pass, not two);
 * EXCEPTION_CONTINUE_EXECUTION is refused; return, goto or break out of a body that has a
 * finally block can't run that block, and is reported by fm_seh_pop(). A local variable that the body changes
 * and the handler reads should be volatile, as with setjmp().
 *
 * ----------------------------------------------------------------------------------------------------------
 * The run-time (src/nt/seh.c). State per thread: the list of frames (fm_thread.seh, innermost first), the
 * code for GetExceptionCode(), and one deferred exception.
 *
 *   raise   (RtlRaiseException, ExRaiseStatus, ProbeFor..., the SIGSEGV/SIGBUS/SIGFPE handler) makes an
 *           EXCEPTION_RECORD and calls fm_seh_raise(). That takes the innermost frame OFF the list, copies
 * the record to frame->record, sets frame->state = FM_SEH_RAISED, points frame->pointers at the record, and
 *           siglongjmp(frame->context, 1). With no frame: bug check KMODE_EXCEPTION_NOT_HANDLED with the
 *           filter's name. The mask is not saved: the signal handler needs SA_NODEFER or unblocks it itself.
 *   push    sets kind, state = FM_SEH_RUNNING, and puts the frame on the list.
 *   pop     (cleanup, runs on every way out of the body) takes the frame off if it is still on: when state is
 *           FM_SEH_RUNNING or FM_SEH_DONE. A FM_SEH_FINALLY frame that is still RUNNING was left by return,
 *           goto or break: report it ("seh-finally-skipped").
 *   take    gets the filter's value: > 0 sets the thread's code to frame->record.ExceptionCode and returns 1;
 * 0 raises frame->record again, for the next frame; < 0 is reported and treated as 0. defer   keeps
 * frame->record as the thread's deferred exception. finally_begin  takes the deferred exception, if there is
 * one, into *state; sets abnormal. finally_end    raises it again, if there was one. (Reached by a jump out
 * of the block too: then as well.)
 */
#pragma once

#include <setjmp.h>

#include "ntdef.h"

#define EXCEPTION_EXECUTE_HANDLER 1
#define EXCEPTION_CONTINUE_SEARCH 0
#define EXCEPTION_CONTINUE_EXECUTION (-1)
#define EXCEPTION_MAXIMUM_PARAMETERS 15
#define EXCEPTION_NONCONTINUABLE 0x1
#define EXCEPTION_UNWINDING 0x2

typedef struct _EXCEPTION_RECORD {
        NTSTATUS ExceptionCode;
        ULONG ExceptionFlags;
        struct _EXCEPTION_RECORD *ExceptionRecord;
        PVOID ExceptionAddress;
        ULONG NumberParameters;
        ULONG_PTR ExceptionInformation[EXCEPTION_MAXIMUM_PARAMETERS]; /* access violation: 0 read/1 write,
                                                                         address */
} EXCEPTION_RECORD, *PEXCEPTION_RECORD;

typedef struct _CONTEXT CONTEXT, *PCONTEXT; /* opaque: no register state is given to filters */

typedef struct _EXCEPTION_POINTERS {
        PEXCEPTION_RECORD ExceptionRecord;
        PCONTEXT ContextRecord; /* NULL here */
} EXCEPTION_POINTERS, *PEXCEPTION_POINTERS;

enum fm_seh_kind {
        FM_SEH_EXCEPT,
        FM_SEH_FINALLY,
};

enum fm_seh_state {
        FM_SEH_RUNNING, /* the body runs */
        FM_SEH_DONE,    /* the body came to its end, or to a leave */
        FM_SEH_RAISED,  /* an exception arrived; the frame is off the list */
};

struct fm_seh_frame {
        struct fm_seh_frame *next;
        enum fm_seh_kind kind;
        enum fm_seh_state state;
        EXCEPTION_POINTERS pointers;
        EXCEPTION_RECORD record;
        sigjmp_buf context;
};

struct fm_seh_finally {
        BOOLEAN abnormal;
        BOOLEAN ran;
        EXCEPTION_RECORD record; /* valid if abnormal */
};

void fm_seh_push(struct fm_seh_frame *frame, enum fm_seh_kind kind);
void fm_seh_pop(struct fm_seh_frame *frame);
int fm_seh_take(struct fm_seh_frame *frame, int disposition);
void fm_seh_defer(struct fm_seh_frame *frame);
void fm_seh_finally_begin(struct fm_seh_finally *state);
void fm_seh_finally_end(struct fm_seh_finally *state);
NTSTATUS fm_seh_code(void);
DECLSPEC_NORETURN void fm_seh_raise(const EXCEPTION_RECORD *record);

FORCEINLINE struct fm_seh_finally fm_seh_finally_start(void)
{
        struct fm_seh_finally state;

        fm_seh_finally_begin(&state);
        return state;
}

/* Nested blocks use the same names on purpose: the innermost is the one meant. */
#define FM_SEH_QUIET(...) \
        _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wshadow\"") __VA_ARGS__ \
                _Pragma("GCC diagnostic pop")

/*
 * The body runs from the tail, so that the frame knows what kind of block it belongs to before the
 * body starts: try jumps to fm_seh_enter, which stands after the body, and comes back to fm_seh_body.
 */
#define FM_SEH_TRY \
        if (1) { \
                __label__ fm_seh_enter, fm_seh_body, fm_seh_leave, fm_seh_over; \
                FM_SEH_QUIET(struct fm_seh_frame fm_seh __attribute__((cleanup(fm_seh_pop)));) \
                goto fm_seh_enter; \
        fm_seh_body:

#define FM_SEH_EXCEPT_AT(Label, ...) \
        fm_seh_leave: \
                __attribute__((unused)); \
                fm_seh.state = FM_SEH_DONE; \
                goto fm_seh_over; \
        fm_seh_enter: \
                fm_seh_push(&fm_seh, FM_SEH_EXCEPT); \
                if (sigsetjmp(fm_seh.context, 0) == 0) \
                        goto fm_seh_body; \
                if (fm_seh_take(&fm_seh, (__VA_ARGS__))) \
                        goto Label; \
                __builtin_unreachable(); \
        fm_seh_over:; \
        } else \
        Label:

#define FM_SEH_FINALLY_AT(Label) \
        fm_seh_leave: \
                __attribute__((unused)); \
                fm_seh.state = FM_SEH_DONE; \
                goto fm_seh_over; \
        fm_seh_enter: \
                fm_seh_push(&fm_seh, FM_SEH_FINALLY); \
                if (sigsetjmp(fm_seh.context, 0) == 0) \
                        goto fm_seh_body; \
                fm_seh_defer(&fm_seh); \
        fm_seh_over: \
                goto Label; \
        } else \
        Label: \
                for (struct fm_seh_finally fm_seh_end __attribute__((cleanup(fm_seh_finally_end))) = \
                             fm_seh_finally_start(); \
                     !fm_seh_end.ran; fm_seh_end.ran = 1)

#define FM_SEH_PASTE(a, b) a##b
#define FM_SEH_LABEL(n) FM_SEH_PASTE(fm_seh_handler_, n)
#define FM_SEH_EXCEPT_IN(n, ...) FM_SEH_EXCEPT_AT(FM_SEH_LABEL(n), __VA_ARGS__)
#define FM_SEH_FINALLY_IN(n) FM_SEH_FINALLY_AT(FM_SEH_LABEL(n))

#define __try FM_SEH_TRY
#define __except(...) FM_SEH_EXCEPT_IN(__COUNTER__, __VA_ARGS__)
#define __finally FM_SEH_FINALLY_IN(__COUNTER__)
#define __leave goto fm_seh_leave

/* In a filter or handler. Holds until another exception is handled on this thread. */
#define GetExceptionCode() fm_seh_code()
#define _exception_code() fm_seh_code()
/* In a filter only: valid while it runs. */
#define GetExceptionInformation() (&fm_seh.pointers)
#define _exception_info() (&fm_seh.pointers)
/* In a finally block only. */
#define AbnormalTermination() (fm_seh_end.abnormal)
#define _abnormal_termination() (fm_seh_end.abnormal)

#ifndef FLTMGR_INTERNAL
#define try __try
#define except __except
#define finally __finally
#define leave __leave

#if defined(__GNUC__) && !defined(__clang__)
/* Would speak of every variable that lives around a try block. */
#pragma GCC diagnostic ignored "-Wclobbered"
#endif
#endif
