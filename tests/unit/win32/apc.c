/* SPDX-License-Identifier: MIT */
/*
 * User APCs and alertable waits, row by row.
 *
 *   run before the thread's start, first in first out                            /apc/before-start
 *   run by each alertable wait, which returns WAIT_IO_COMPLETION; all at once    /apc/pending
 *   not by others                                                                /apc/not-alertable
 *   an object that is signalled comes first                                      /apc/signalled-first
 *   end a wait in progress                                                       /apc/wakes
 *   GetQueuedCompletionStatusEx: no packet is taken                              /apc/completion-port
 *   an APC that queues another                                                   /apc/nested
 *   a thread that has ended, another kind of handle                              /apc/refusals
 */
#include <windows.h>

#include <glib.h>

#include "asleep.h"

/* Digits of the APCs, in the order they ran. One thread at a time. */
static unsigned ran;

static VOID WINAPI note(ULONG_PTR digit)
{
        ran = ran * 10 + (unsigned)digit;
}

static void queue(ULONG_PTR digit)
{
        g_assert_cmpuint(QueueUserAPC(note, GetCurrentThread(), digit), !=, 0);
}

static unsigned take_ran(void)
{
        unsigned value = ran;

        ran = 0;
        return value;
}

static DWORD WINAPI return_ran(LPVOID parameter)
{
        return take_ran();
}

static void test_before_start(void)
{
        HANDLE thread = CreateThread(NULL, 0, return_ran, NULL, CREATE_SUSPENDED, NULL);
        DWORD code;

        for (ULONG_PTR i = 1; i <= 3; i++)
                g_assert_cmpuint(QueueUserAPC(note, thread, i), !=, 0);
        ResumeThread(thread);
        WaitForSingleObject(thread, INFINITE);
        GetExitCodeThread(thread, &code);
        g_assert_cmpuint(code, ==, 123);
        CloseHandle(thread);
}

static void test_pending(void)
{
        HANDLE event = CreateEventW(NULL, TRUE, FALSE, NULL);
        static const DWORD times[] = { 0, 1000000, INFINITE };

        for (unsigned i = 0; i < 3; i++) {
                queue(1);
                queue(2);
                g_assert_cmpuint(WaitForSingleObjectEx(event, times[i], TRUE), ==, WAIT_IO_COMPLETION);
                g_assert_cmpuint(take_ran(), ==, 12);
                queue(3);
                g_assert_cmpuint(WaitForMultipleObjectsEx(1, &event, i % 2, times[i], TRUE), ==, WAIT_IO_COMPLETION);
                queue(4);
                g_assert_cmpuint(SleepEx(times[i], TRUE), ==, WAIT_IO_COMPLETION);
                g_assert_cmpuint(take_ran(), ==, 34);
        }
        g_assert_cmpuint(WaitForSingleObjectEx(event, 0, TRUE), ==, WAIT_TIMEOUT);
        g_assert_cmpuint(SleepEx(0, TRUE), ==, 0);
        CloseHandle(event);
}

static void test_not_alertable(void)
{
        HANDLE event = CreateEventW(NULL, TRUE, FALSE, NULL);

        queue(1);
        g_assert_cmpuint(WaitForSingleObject(event, 1), ==, WAIT_TIMEOUT);
        g_assert_cmpuint(WaitForSingleObjectEx(event, 1, FALSE), ==, WAIT_TIMEOUT);
        g_assert_cmpuint(WaitForMultipleObjectsEx(1, &event, TRUE, 1, FALSE), ==, WAIT_TIMEOUT);
        g_assert_cmpuint(SleepEx(1, FALSE), ==, 0);
        Sleep(1);
        g_assert_cmpuint(take_ran(), ==, 0);
        g_assert_cmpuint(SleepEx(0, TRUE), ==, WAIT_IO_COMPLETION);
        g_assert_cmpuint(take_ran(), ==, 1);
        CloseHandle(event);
}

static void test_signalled_first(void)
{
        HANDLE event = CreateEventW(NULL, FALSE, TRUE, NULL);

        queue(1);
        g_assert_cmpuint(WaitForSingleObjectEx(event, INFINITE, TRUE), ==, WAIT_OBJECT_0);
        g_assert_cmpuint(take_ran(), ==, 0);
        g_assert_cmpuint(WaitForSingleObjectEx(event, INFINITE, TRUE), ==, WAIT_IO_COMPLETION);
        g_assert_cmpuint(take_ran(), ==, 1);
        CloseHandle(event);
}

static DWORD WINAPI wait_alertably(LPVOID parameter)
{
        DWORD first = WaitForSingleObjectEx(parameter, INFINITE, TRUE);

        return first == WAIT_IO_COMPLETION ? SleepEx(INFINITE, TRUE) : first;
}

static void test_wakes(void)
{
        HANDLE event = CreateEventW(NULL, FALSE, FALSE, NULL);

        for (unsigned round = 0; round < 50; round++) {
                DWORD id, code;
                HANDLE thread = CreateThread(NULL, 0, wait_alertably, event, 0, &id);

                wait_asleep(id);
                g_assert_cmpuint(QueueUserAPC(note, thread, 1), !=, 0);
                /* The second may come between the two waits or into the second, or still go with the first. */
                do {
                        g_assert_cmpuint(QueueUserAPC(note, thread, 2) || GetLastError() == ERROR_GEN_FAILURE, !=, 0);
                } while (WaitForSingleObject(thread, 1) == WAIT_TIMEOUT);
                GetExitCodeThread(thread, &code);
                g_assert_cmpuint(code, ==, WAIT_IO_COMPLETION);
                CloseHandle(thread);
                take_ran();
        }
        CloseHandle(event);
}

static DWORD WINAPI dequeue_alertably(LPVOID parameter)
{
        OVERLAPPED_ENTRY entry;
        ULONG count = 99;

        g_assert_false(GetQueuedCompletionStatusEx(parameter, &entry, 1, &count, INFINITE, TRUE));
        g_assert_cmpuint(count, ==, 0);
        return GetLastError();
}

static void test_completion_port(void)
{
        HANDLE port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0), thread;
        OVERLAPPED_ENTRY entry;
        DWORD id, code;
        ULONG count;

        /* There already. */
        queue(1);
        g_assert_false(GetQueuedCompletionStatusEx(port, &entry, 1, &count, 0, FALSE));
        g_assert_cmpuint(GetLastError(), ==, WAIT_TIMEOUT);
        g_assert_cmpuint(take_ran(), ==, 0);
        g_assert_false(GetQueuedCompletionStatusEx(port, &entry, 1, &count, INFINITE, TRUE));
        g_assert_cmpuint(GetLastError(), ==, WAIT_IO_COMPLETION);
        g_assert_cmpuint(take_ran(), ==, 1);
        /* A packet comes first, and the APC has its turn with the next. */
        queue(2);
        PostQueuedCompletionStatus(port, 5, 0, NULL);
        g_assert_true(GetQueuedCompletionStatusEx(port, &entry, 1, &count, INFINITE, TRUE));
        g_assert_cmpuint(entry.dwNumberOfBytesTransferred, ==, 5);
        g_assert_false(GetQueuedCompletionStatusEx(port, &entry, 1, &count, 0, TRUE));
        g_assert_cmpuint(GetLastError(), ==, WAIT_IO_COMPLETION);
        g_assert_cmpuint(take_ran(), ==, 2);
        g_assert_false(GetQueuedCompletionStatusEx(port, &entry, 1, &count, 1, TRUE));
        g_assert_cmpuint(GetLastError(), ==, WAIT_TIMEOUT);
        /* Asleep. */
        thread = CreateThread(NULL, 0, dequeue_alertably, port, 0, &id);
        wait_asleep(id);
        g_assert_cmpuint(QueueUserAPC(note, thread, 3), !=, 0);
        WaitForSingleObject(thread, INFINITE);
        GetExitCodeThread(thread, &code);
        g_assert_cmpuint(code, ==, WAIT_IO_COMPLETION);
        g_assert_cmpuint(take_ran(), ==, 3);
        CloseHandle(thread);
        CloseHandle(port);
}

static VOID WINAPI note_and_queue(ULONG_PTR digit)
{
        note(digit);
        queue(digit + 1);
}

static void test_nested(void)
{
        QueueUserAPC(note_and_queue, GetCurrentThread(), 1);
        queue(5);
        g_assert_cmpuint(SleepEx(INFINITE, TRUE), ==, WAIT_IO_COMPLETION);
        g_assert_cmpuint(take_ran(), ==, 152);
        g_assert_cmpuint(SleepEx(0, TRUE), ==, 0);
}

static DWORD WINAPI leave(LPVOID parameter)
{
        return 0;
}

static void test_refusals(void)
{
        HANDLE thread = CreateThread(NULL, 0, leave, NULL, 0, NULL), event = CreateEventW(NULL, FALSE, FALSE, NULL);

        WaitForSingleObject(thread, INFINITE);
        g_assert_cmpuint(QueueUserAPC(note, thread, 1), ==, 0);
        CloseHandle(thread);
        g_assert_cmpuint(QueueUserAPC(note, thread, 1), ==, 0);
        g_assert_cmpuint(GetLastError(), ==, ERROR_INVALID_HANDLE);
        g_assert_cmpuint(QueueUserAPC(note, event, 1), ==, 0);
        g_assert_cmpuint(GetLastError(), ==, ERROR_INVALID_HANDLE);
        g_assert_cmpuint(take_ran(), ==, 0);
        CloseHandle(event);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/apc/before-start", test_before_start);
        g_test_add_func("/apc/pending", test_pending);
        g_test_add_func("/apc/not-alertable", test_not_alertable);
        g_test_add_func("/apc/signalled-first", test_signalled_first);
        g_test_add_func("/apc/wakes", test_wakes);
        g_test_add_func("/apc/completion-port", test_completion_port);
        g_test_add_func("/apc/nested", test_nested);
        g_test_add_func("/apc/refusals", test_refusals);
        return g_test_run();
}
