/* SPDX-License-Identifier: MIT */
/*
 * Structured exceptions: frames in a per-thread list, raised by longjmp.
 *
 * A fault in a thread with a frame becomes an exception for that frame; one without is the end, told with the
 * filter's name. The handler runs on the faulting stack and jumps out of it: so SA_NODEFER, and no alternate
 * stack, whose frames would be lost to the cleanup that follows. A stack overflow is therefore a plain crash.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "nt/log.h"
#include "nt/seh.h"
#include "nt/thread.h"
#include "nt/verifier.h"

#define KMODE_EXCEPTION_NOT_HANDLED 0x1e

static __thread NTSTATUS current_code;
static __thread struct {
        bool set;
        EXCEPTION_RECORD record;
} deferred;

static struct sigaction previous[NSIG];

void fm_seh_push(struct fm_seh_frame *frame, enum fm_seh_kind kind)
{
        struct fm_thread *self = fm_thread_self();

        frame->kind = kind;
        frame->state = FM_SEH_RUNNING;
        frame->next = self->seh;
        self->seh = frame;
}

void fm_seh_pop(struct fm_seh_frame *frame)
{
        if (frame->state == FM_SEH_RAISED)
                return;
        if (frame->kind == FM_SEH_FINALLY && frame->state == FM_SEH_RUNNING)
                fm_violation("seh-finally-skipped",
                             "a try body was left by return, goto or break: its finally block did "
                             "not run, as it does on Windows");
        fm_thread_self()->seh = frame->next;
}

void fm_seh_raise(const EXCEPTION_RECORD *record)
{
        struct fm_thread *self = fm_thread_self();
        struct fm_seh_frame *frame = self->seh;

        if (!frame)
                fm_bugcheck(KMODE_EXCEPTION_NOT_HANDLED,
                            "exception 0x%08x at %p in %s, outside any try block",
                            (unsigned)record->ExceptionCode, record->ExceptionAddress,
                            self->filter ? self->filter : "the filter manager");
        self->seh = frame->next;
        /* A frame that raises again hands in its own record. */
        memmove(&frame->record, record, sizeof(*record));
        frame->state = FM_SEH_RAISED;
        frame->pointers.ExceptionRecord = &frame->record;
        frame->pointers.ContextRecord = NULL;
        current_code = record->ExceptionCode;
        siglongjmp(frame->context, 1);
}

int fm_seh_take(struct fm_seh_frame *frame, int disposition)
{
        if (disposition > 0) {
                current_code = frame->record.ExceptionCode;
                return 1;
        }
        if (disposition < 0)
                fm_violation("seh-continue-execution",
                             "EXCEPTION_CONTINUE_EXECUTION is not possible here; the search goes on");
        fm_seh_raise(&frame->record);
}

void fm_seh_defer(struct fm_seh_frame *frame)
{
        deferred.set = true;
        deferred.record = frame->record;
}

void fm_seh_finally_begin(struct fm_seh_finally *state)
{
        state->ran = FALSE;
        state->abnormal = deferred.set;
        if (deferred.set)
                state->record = deferred.record;
        deferred.set = false;
}

void fm_seh_finally_end(struct fm_seh_finally *state)
{
        if (state->abnormal)
                fm_seh_raise(&state->record);
}

NTSTATUS fm_seh_code(void)
{
        return current_code;
}

static void raise_simple(NTSTATUS status, PVOID address)
{
        EXCEPTION_RECORD record = {.ExceptionCode = status,
                                   .ExceptionFlags = EXCEPTION_NONCONTINUABLE,
                                   .ExceptionAddress = address};

        fm_seh_raise(&record);
}

VOID ExRaiseStatus(NTSTATUS Status)
{
        raise_simple(Status, __builtin_return_address(0));
        __builtin_unreachable();
}

VOID ExRaiseAccessViolation(VOID)
{
        raise_simple(STATUS_ACCESS_VIOLATION, __builtin_return_address(0));
        __builtin_unreachable();
}

VOID ExRaiseDatatypeMisalignment(VOID)
{
        raise_simple(STATUS_DATATYPE_MISALIGNMENT, __builtin_return_address(0));
        __builtin_unreachable();
}

static PVOID fault_address(const ucontext_t *context)
{
#if defined(__x86_64__)
        return (PVOID)context->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
        return (PVOID)context->uc_mcontext.pc;
#else
        return NULL;
#endif
}

static bool fault_is_write(const ucontext_t *context)
{
#if defined(__x86_64__)
        return (context->uc_mcontext.gregs[REG_ERR] & 2) != 0;
#else
        return false;
#endif
}

static void on_fault(int signal, siginfo_t *info, void *context)
{
        int error = errno;
        EXCEPTION_RECORD record = {.ExceptionAddress = fault_address(context)};

        switch (signal) {
        case SIGBUS:
                record.ExceptionCode =
                        info->si_code == BUS_ADRALN ? STATUS_DATATYPE_MISALIGNMENT : STATUS_IN_PAGE_ERROR;
                break;
        case SIGFPE:
                record.ExceptionCode =
                        info->si_code == FPE_INTOVF ? STATUS_INTEGER_OVERFLOW : STATUS_INTEGER_DIVIDE_BY_ZERO;
                break;
        default:
                record.ExceptionCode = STATUS_ACCESS_VIOLATION;
                break;
        }
        if (signal != SIGFPE) {
                record.NumberParameters = 2;
                record.ExceptionInformation[0] = fault_is_write(context);
                record.ExceptionInformation[1] = (ULONG_PTR)info->si_addr;
        }
        if (signal == SIGSEGV && fm_verifier_is_grave(info->si_addr))
                fm_violation("use-after-completion", "follows a pointer from callback data of an operation that is over, at %p",
                             record.ExceptionAddress);
        if (!fm_thread_self()->seh) {
                /* A sanitizer that was there before us has more to tell. */
                if (previous[signal].sa_flags & SA_SIGINFO) {
                        const char *filter = fm_thread_self()->filter;

                        fm_log(FM_LOG_ERROR, filter, "exception 0x%08x at %p, outside any try block",
                               (unsigned)record.ExceptionCode, record.ExceptionAddress);
                        previous[signal].sa_sigaction(signal, info, context);
                        return;
                }
        }
        errno = error;
        fm_seh_raise(&record);
}

void fm_seh_init(void)
{
        static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE};
        static bool done;
        struct sigaction action = {.sa_flags = SA_SIGINFO | SA_NODEFER};

        if (done)
                return;
        done = true;
        action.sa_sigaction = on_fault;
        for (size_t i = 0; i < RTL_NUMBER_OF(signals); i++)
                sigaction(signals[i], &action, &previous[signals[i]]);
}

__attribute__((constructor)) static void install(void)
{
        fm_seh_init();
}

VOID RtlRaiseException(PEXCEPTION_RECORD ExceptionRecord)
{
        if (!ExceptionRecord->ExceptionAddress)
                ExceptionRecord->ExceptionAddress = __builtin_return_address(0);
        fm_seh_raise(ExceptionRecord);
}

/* The kernel reads for us and says so when it can't: no signal, whatever the range holds. */
bool fm_copy_safely(void *to, const void *from, size_t size)
{
        struct iovec local = {.iov_base = to, .iov_len = size};
        struct iovec remote = {.iov_base = (void *)from, .iov_len = size};

        return size == 0 || process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == (ssize_t)size;
}

static void check_alignment(ULONG_PTR address, ULONG alignment)
{
        if (alignment > 1 && (address & (alignment - 1)))
                ExRaiseDatatypeMisalignment();
}

static void raise_access_violation(ULONG_PTR address, bool write)
{
        EXCEPTION_RECORD record = {
                .ExceptionCode = STATUS_ACCESS_VIOLATION,
                .ExceptionAddress = __builtin_return_address(0),
                .NumberParameters = 2,
                .ExceptionInformation = {write, address},
        };

        fm_seh_raise(&record);
}

/*
 * Alignment and range only, as on Windows: whether the memory can be read shows when it is. There is no
 * boundary between user and kernel addresses here except that of the architecture.
 */
VOID ProbeForRead(const volatile VOID *Address, SIZE_T Length, ULONG Alignment)
{
        ULONG_PTR start = (ULONG_PTR)Address;

        if (Length == 0)
                return;
        check_alignment(start, Alignment);
        if (start + Length < start || start + Length > MmUserProbeAddress)
                raise_access_violation(start, false);
}

/* Touches each page, as on Windows: a buffer that can't be written raises here. IRQL <= APC_LEVEL. */
VOID ProbeForWrite(volatile VOID *Address, SIZE_T Length, ULONG Alignment)
{
        ULONG_PTR start = (ULONG_PTR)Address;
        ULONG_PTR page;

        if (Length == 0)
                return;
        check_alignment(start, Alignment);
        if (start + Length < start || start + Length > MmUserProbeAddress)
                raise_access_violation(start, true);
        for (page = start; page < start + Length; page = (page & ~(ULONG_PTR)(PAGE_SIZE - 1)) + PAGE_SIZE) {
                volatile UCHAR *byte = (volatile UCHAR *)page;
                UCHAR value = *byte;

                /* Writes back what is there, and loses no other thread's change. */
                __atomic_compare_exchange_n(byte, &value, value, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
        }
}
