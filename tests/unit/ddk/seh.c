/* SPDX-License-Identifier: MIT */
/*
 * try, except, finally and leave, as filters write them: every way into and out of the blocks. The macros are those of
 * the contract, the run-time is the real one.
 *
 * What a body changes and a handler reads is volatile, as a filter's should be.
 */
#include <fltKernel.h>

#include <glib.h>
#include <sys/mman.h>

#include "nt/verifier.h"

#define RAISED ((NTSTATUS)0xE0001234)

static char trace[64];

static void mark(char c)
{
        size_t length = strlen(trace);

        g_assert_cmpuint(length, <, sizeof(trace) - 1);
        trace[length] = c;
        trace[length + 1] = 0;
}

#define ASSERT_TRACE(text) \
        do { \
                g_assert_cmpstr(trace, ==, text); \
                trace[0] = 0; \
        } while (0)

static int only(PEXCEPTION_POINTERS pointers, NTSTATUS code)
{
        mark('f');
        g_assert_nonnull(pointers->ExceptionRecord);
        return pointers->ExceptionRecord->ExceptionCode == code ? EXCEPTION_EXECUTE_HANDLER : EXCEPTION_CONTINUE_SEARCH;
}

static void test_nothing_happens(void)
{
        try {
                mark('b');
        } except (EXCEPTION_EXECUTE_HANDLER) {
                mark('h');
        }
        try {
                mark('b');
        } finally {
                mark(AbnormalTermination() ? 'A' : 'n');
        }
        ASSERT_TRACE("bbn");
}

static void test_raise(void)
{
        volatile int before = 1;

        try {
                before = 2;
                ExRaiseStatus(RAISED);
                mark('x');
        } except (only(GetExceptionInformation(), RAISED)) {
                mark('h');
                g_assert_cmphex((ULONG)GetExceptionCode(), ==, (ULONG)RAISED);
        }
        g_assert_cmpint(before, ==, 2);
        ASSERT_TRACE("fh");
}

static void test_fault(void)
{
        volatile int *volatile nowhere = mmap(NULL, PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        g_assert_true((void *)nowhere != MAP_FAILED);
        try {
                *nowhere = 1;
                mark('x');
        } except (GetExceptionCode() == STATUS_ACCESS_VIOLATION ? EXCEPTION_EXECUTE_HANDLER
                                                                : EXCEPTION_CONTINUE_SEARCH) {
                mark('h');
        }
        /* Again: the signal must not have stayed blocked. */
        try {
                mark((char)*nowhere);
        } except (EXCEPTION_EXECUTE_HANDLER) {
                mark('i');
        }
        ASSERT_TRACE("hi");
        munmap((void *)nowhere, PAGE_SIZE);
}

static void test_search_goes_on(void)
{
        try {
                try {
                        try {
                                ExRaiseStatus(RAISED);
                        } except (only(GetExceptionInformation(), STATUS_ACCESS_VIOLATION)) {
                                mark('x');
                        }
                } finally {
                        mark(AbnormalTermination() ? 'A' : 'n');
                }
                mark('x');
        } except (only(GetExceptionInformation(), RAISED)) {
                mark('h');
        }
        ASSERT_TRACE("fAfh");
}

static void test_leave(void)
{
        try {
                mark('b');
                if (trace[0])
                        leave;
                mark('x');
        } finally {
                mark(AbnormalTermination() ? 'A' : 'n');
        }
        try {
                leave;
        } except (EXCEPTION_EXECUTE_HANDLER) {
                mark('x');
        }
        for (int i = 0; i < 3; i++) {
                try {
                        while (1) {
                                switch (i) {
                                default:
                                        leave; /* out of loop and switch as well */
                                }
                        }
                } finally {
                        mark((char)('0' + i));
                }
        }
        ASSERT_TRACE("bn012");
}

/* A leave in a handler is that of the block around. */
static void test_leave_in_handler(void)
{
        try {
                try {
                        ExRaiseStatus(RAISED);
                } except (EXCEPTION_EXECUTE_HANDLER) {
                        mark('h');
                        leave;
                }
                mark('x');
        } finally {
                mark(AbnormalTermination() ? 'A' : 'n');
        }
        ASSERT_TRACE("hn");
}

static NTSTATUS return_from(int how)
{
        try {
                if (how == 0)
                        return 100;
                if (how == 1)
                        ExRaiseStatus(RAISED);
                if (how == 2)
                        goto out;
        } except (EXCEPTION_EXECUTE_HANDLER) {
                return GetExceptionCode();
        }
        return 300;
out:
        return 200;
}

static void test_jumps(void)
{
        g_assert_cmpint(return_from(0), ==, 100);
        g_assert_cmphex((ULONG)return_from(1), ==, (ULONG)RAISED);
        g_assert_cmpint(return_from(2), ==, 200);
        g_assert_cmpint(return_from(3), ==, 300);

        /* break and continue are those of the loop around: a try block is no loop. */
        for (int i = 0;; i++) {
                try {
                        if (i < 2)
                                continue;
                        if (i == 2)
                                ExRaiseStatus(RAISED);
                        break;
                } except (EXCEPTION_EXECUTE_HANDLER) {
                        mark((char)('0' + i));
                        continue;
                }
                mark('x');
        }
        ASSERT_TRACE("2");

        /* None of those left its frame behind: the next exception goes to the block it is in. */
        try {
                ExRaiseStatus(RAISED);
        } except (EXCEPTION_EXECUTE_HANDLER) {
                mark('h');
        }
        ASSERT_TRACE("h");
}

static void fail_below(int depth)
{
        if (depth == 0)
                ExRaiseStatus(RAISED);
        try {
                fail_below(depth - 1);
        } finally {
                mark((char)('0' + depth));
        }
}

static void test_across_functions(void)
{
        try {
                fail_below(3);
        } except (EXCEPTION_EXECUTE_HANDLER) {
                mark('h');
        }
        ASSERT_TRACE("123h");
}

static void test_raise_in_handler(void)
{
        try {
                try {
                        ExRaiseStatus(RAISED);
                } except (EXCEPTION_EXECUTE_HANDLER) {
                        mark('h');
                        ExRaiseStatus(STATUS_NO_MEMORY);
                }
        } except (only(GetExceptionInformation(), STATUS_NO_MEMORY)) {
                mark('i');
                g_assert_cmphex((ULONG)GetExceptionCode(), ==, (ULONG)STATUS_NO_MEMORY);
        }
        ASSERT_TRACE("hfi");
}

/* An exception handled inside a finally block does not disturb the one that is on its way. */
static void test_try_in_finally(void)
{
        try {
                try {
                        ExRaiseStatus(RAISED);
                } finally {
                        try {
                                ExRaiseStatus(STATUS_NO_MEMORY);
                        } except (EXCEPTION_EXECUTE_HANDLER) {
                                mark('h');
                        }
                        mark(AbnormalTermination() ? 'A' : 'n');
                }
        } except (GetExceptionCode() == RAISED ? EXCEPTION_EXECUTE_HANDLER : EXCEPTION_CONTINUE_SEARCH) {
                mark('o');
        }
        ASSERT_TRACE("hAo");
}

static int return_past_finally(void)
{
        try {
                return 1;
        } finally {
                mark('x');
        }
        return 0;
}

/* What can't be done is told. */
static void test_return_past_finally(void)
{
        uint64_t violations = fm_violation_count();

        g_assert_cmpint(return_past_finally(), ==, 1);
        g_assert_cmpuint(fm_violation_count(), ==, violations + 1);
        ASSERT_TRACE("");
}

/* The other spelling, and blocks as the only statement of an if. */
static void test_spelling(void)
{
        if (trace[0] == 0)
                __try {
                        __leave;
                }
                __except (EXCEPTION_EXECUTE_HANDLER) {
                        mark('x');
                }
        else
                mark('x');
        __try {
                mark('b');
        }
        __finally {
                mark('f');
        }
        ASSERT_TRACE("bf");
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/ddk/seh/nothing-happens", test_nothing_happens);
        g_test_add_func("/ddk/seh/raise", test_raise);
        g_test_add_func("/ddk/seh/fault", test_fault);
        g_test_add_func("/ddk/seh/search-goes-on", test_search_goes_on);
        g_test_add_func("/ddk/seh/leave", test_leave);
        g_test_add_func("/ddk/seh/leave-in-handler", test_leave_in_handler);
        g_test_add_func("/ddk/seh/jumps", test_jumps);
        g_test_add_func("/ddk/seh/across-functions", test_across_functions);
        g_test_add_func("/ddk/seh/raise-in-handler", test_raise_in_handler);
        g_test_add_func("/ddk/seh/try-in-finally", test_try_in_finally);
        g_test_add_func("/ddk/seh/return-past-finally", test_return_past_finally);
        g_test_add_func("/ddk/seh/spelling", test_spelling);
        return g_test_run();
}
