/* SPDX-License-Identifier: MIT */
/* Structured exceptions with real faults; and what happens without a handler, in a child process. */
#include <fltKernel.h>
#include <glib.h>
#include <string.h>
#include <sys/mman.h>

#include "nt/seh.h"
#include "nt/thread.h"
#include "nt/verifier.h"

static volatile int *volatile nowhere = (int *)8;

static void test_fault(void)
{
        volatile NTSTATUS code = 0;
        volatile int order = 0;

        for (int i = 0; i < 3; i++) { /* and it works again afterwards */
                __try {
                        order = 1;
                        *nowhere = 1;
                        order = 2;
                } __except (EXCEPTION_EXECUTE_HANDLER) {
                        code = GetExceptionCode();
                }
                g_assert_cmphex(code, ==, STATUS_ACCESS_VIOLATION);
                g_assert_cmpint(order, ==, 1);
                g_assert_null(fm_thread_self()->seh);
                code = 0;
        }
}

static LONG only_writes(PEXCEPTION_POINTERS pointers)
{
        PEXCEPTION_RECORD record = pointers->ExceptionRecord;

        g_assert_cmphex(record->ExceptionCode, ==, STATUS_ACCESS_VIOLATION);
        g_assert_cmpuint(record->ExceptionInformation[1], ==, 8);
        return record->ExceptionInformation[0] ? EXCEPTION_EXECUTE_HANDLER : EXCEPTION_CONTINUE_SEARCH;
}

static void test_filter_and_nesting(void)
{
        volatile int inner = 0, outer = 0, end = 0;

        __try {
                __try {
                        __try {
                                inner = *nowhere; /* a read: not for the next handler */
                        } __except (only_writes(GetExceptionInformation())) {
                                inner = -1;
                        }
                } __finally {
                        end = AbnormalTermination() ? 1 : 2;
                }
        } __except (EXCEPTION_EXECUTE_HANDLER) {
                outer = 1;
        }
        g_assert_cmpint(inner, ==, 0);
        g_assert_cmpint(end, ==, 1);
        g_assert_cmpint(outer, ==, 1);
}

/* A leave in an inner handler leaves the outer block: as published filters have it. */
static void test_leave(void)
{
        volatile int steps = 0;

        __try {
                __try {
                        ExRaiseStatus(STATUS_NO_MEMORY);
                } __except (EXCEPTION_EXECUTE_HANDLER) {
                        g_assert_cmphex(GetExceptionCode(), ==, STATUS_NO_MEMORY);
                        steps |= 1;
                        __leave;
                }
                steps |= 2;
        } __finally {
                g_assert_false(AbnormalTermination());
                steps |= 4;
        }
        g_assert_cmpint(steps, ==, 5);
        g_assert_null(fm_thread_self()->seh);
}

static void test_probe(void)
{
        char *readonly = mmap(NULL, 3 * PAGE_SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        volatile NTSTATUS codes[4] = {0};
        char buffer[16] = "unchanged";
        char byte;

        g_assert_true(readonly != MAP_FAILED);
        __try {
                ProbeForRead(readonly, 3 * PAGE_SIZE, 1);
                ProbeForWrite(buffer, sizeof(buffer), 1);
                ProbeForRead(NULL, 0, 1);
        } __except (EXCEPTION_EXECUTE_HANDLER) {
                g_assert_not_reached();
        }
        g_assert_cmpstr(buffer, ==, "unchanged");
        __try {
                ProbeForWrite(readonly, 3 * PAGE_SIZE, 1);
        } __except (EXCEPTION_EXECUTE_HANDLER) {
                codes[0] = GetExceptionCode();
        }
        __try {
                ProbeForRead(buffer + 1, 4, 2);
                ProbeForRead(buffer + 2, 4, 2);
        } __except (EXCEPTION_EXECUTE_HANDLER) {
                codes[1] = GetExceptionCode();
        }
        __try {
                ProbeForRead((PVOID)(ULONG_PTR)0x1000, (SIZE_T)-1, 1);
        } __except (EXCEPTION_EXECUTE_HANDLER) {
                codes[2] = GetExceptionCode();
        }
        g_assert_cmphex(codes[0], ==, STATUS_ACCESS_VIOLATION);
        g_assert_cmphex(codes[1], ==, STATUS_DATATYPE_MISALIGNMENT);
        g_assert_cmphex(codes[2], ==, STATUS_ACCESS_VIOLATION);
        g_assert_true(fm_copy_safely(&byte, buffer, 1));
        g_assert_false(fm_copy_safely(&byte, (void *)(uintptr_t)nowhere, 1));
        munmap(readonly, 3 * PAGE_SIZE);
}

static void *fault_in_thread(void *data)
{
        volatile int *count = data;

        for (int i = 0; i < 200; i++) {
                __try {
                        *nowhere = 1;
                } __except (EXCEPTION_EXECUTE_HANDLER) {
                        ++*count;
                }
        }
        return NULL;
}

static void test_threads(void)
{
        GThread *threads[4];
        int counts[4] = {0};

        for (int i = 0; i < 4; i++)
                threads[i] = g_thread_new("fault", fault_in_thread, &counts[i]);
        for (int i = 0; i < 4; i++) {
                g_thread_join(threads[i]);
                g_assert_cmpint(counts[i], ==, 200);
        }
}

static void leave_by_return(void)
{
        __try {
                return;
        } __finally {
                g_assert_not_reached();
        }
}

static void test_skipped_finally(void)
{
        uint64_t before = fm_violation_count();

        leave_by_return();
        g_assert_cmpuint(fm_violation_count(), ==, before + 1);
        g_assert_null(fm_thread_self()->seh);
}

static void test_unhandled(void)
{
        if (g_test_subprocess()) {
                fm_thread_self()->filter = "culprit";
                *nowhere = 1;
                return;
        }
        g_test_trap_subprocess(NULL, 0, 0);
        g_test_trap_assert_failed();
        g_test_trap_assert_stderr("*culprit: *exception 0xc0000005*outside any try block*");
}

static void test_bugcheck(void)
{
        if (g_test_subprocess()) {
                KeBugCheckEx(0xdeadbeef, 1, 2, 3, 4);
                return;
        }
        g_test_trap_subprocess(NULL, 0, 0);
        g_test_trap_assert_failed();
        g_test_trap_assert_stderr("*bug check 0xdeadbeef*");
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/nt/seh/fault", test_fault);
        g_test_add_func("/nt/seh/filter-and-nesting", test_filter_and_nesting);
        g_test_add_func("/nt/seh/leave", test_leave);
        g_test_add_func("/nt/seh/probe", test_probe);
        g_test_add_func("/nt/seh/threads", test_threads);
        g_test_add_func("/nt/seh/skipped-finally", test_skipped_finally);
        g_test_add_func("/nt/seh/unhandled", test_unhandled);
        g_test_add_func("/nt/seh/bugcheck", test_bugcheck);
        return g_test_run();
}
