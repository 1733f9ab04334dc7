/* SPDX-License-Identifier: MIT */
/*
 * WaitForMultipleObjects, row by row.
 *
 *   any: the lowest index of those that are signalled, and only that is taken    /multiple/any
 *   all: nothing is taken before all are signalled at one moment                 /multiple/all/atomic
 *   all: a wait that is over takes nothing; INFINITE, 0 and in between           /multiple/all/time-out
 *   all: of two waits that share an object, the one that can be satisfied is     /multiple/all/overlapping
 *   all: counts and owners change by one                                         /multiple/all/takes-one
 *   abandoned mutexes: which index, and whose it is then                         /multiple/abandoned
 *   invalid handles, too many, none, twice the same                              /multiple/refusals
 *   as many as are allowed                                                       /multiple/most
 */
#include <windows.h>

#include <glib.h>

#include "asleep.h"

static HANDLE event_new(BOOL set)
{
        return CreateEventW(NULL, FALSE, set, NULL);
}

static void assert_set(HANDLE handle, BOOL set)
{
        g_assert_cmpuint(WaitForSingleObject(handle, 0), ==, set ? WAIT_OBJECT_0 : WAIT_TIMEOUT);
}

static void close_all(HANDLE *handles, DWORD count)
{
        while (count-- > 0)
                g_assert_true(CloseHandle(handles[count]));
}

struct waiter {
        HANDLE handles[3];
        DWORD count;
        HANDLE thread;
        DWORD id;
};

static DWORD WINAPI wait_all(LPVOID parameter)
{
        struct waiter *waiter = parameter;

        return WaitForMultipleObjects(waiter->count, waiter->handles, TRUE, INFINITE);
}

static void waiter_start(struct waiter *waiter)
{
        waiter->thread = CreateThread(NULL, 0, wait_all, waiter, 0, &waiter->id);
        wait_asleep(waiter->id);
}

static DWORD waiter_join(struct waiter *waiter)
{
        DWORD code;

        g_assert_cmpuint(WaitForSingleObject(waiter->thread, INFINITE), ==, WAIT_OBJECT_0);
        g_assert_true(GetExitCodeThread(waiter->thread, &code));
        CloseHandle(waiter->thread);
        return code;
}

static void test_any(void)
{
        HANDLE handles[3] = { event_new(FALSE), event_new(TRUE), event_new(TRUE) };

        g_assert_cmpuint(WaitForMultipleObjects(3, handles, FALSE, INFINITE), ==, WAIT_OBJECT_0 + 1);
        g_assert_cmpuint(WaitForMultipleObjects(3, handles, FALSE, 0), ==, WAIT_OBJECT_0 + 2);
        g_assert_cmpuint(WaitForMultipleObjects(3, handles, FALSE, 0), ==, WAIT_TIMEOUT);
        /* The same one twice is no error here. */
        handles[1] = handles[2];
        SetEvent(handles[2]);
        g_assert_cmpuint(WaitForMultipleObjects(3, handles, FALSE, 0), ==, WAIT_OBJECT_0 + 1);
        CloseHandle(handles[0]);
        CloseHandle(handles[2]);
}

static void test_atomic(void)
{
        struct waiter waiter = { .handles = { event_new(FALSE), event_new(FALSE) }, .count = 2 };
        HANDLE *h = waiter.handles;

        waiter_start(&waiter);
        SetEvent(h[0]);
        assert_set(h[0], TRUE); /* which takes it, so the waiter has not */
        SetEvent(h[1]);
        wait_asleep(waiter.id);
        assert_set(h[1], TRUE);
        SetEvent(h[1]);
        SetEvent(h[0]);
        g_assert_cmpuint(waiter_join(&waiter), ==, WAIT_OBJECT_0);
        assert_set(h[0], FALSE);
        assert_set(h[1], FALSE);
        close_all(h, 2);
}

static void test_time_out(void)
{
        HANDLE handles[2] = { event_new(TRUE), event_new(FALSE) };
        HANDLE semaphore = CreateSemaphoreW(NULL, 1, 1, NULL), mixed[2] = { semaphore, handles[1] };

        g_assert_cmpuint(WaitForMultipleObjects(2, handles, TRUE, 0), ==, WAIT_TIMEOUT);
        g_assert_cmpuint(WaitForMultipleObjects(2, handles, TRUE, 2), ==, WAIT_TIMEOUT);
        assert_set(handles[0], TRUE);
        g_assert_cmpuint(WaitForMultipleObjects(2, mixed, TRUE, 2), ==, WAIT_TIMEOUT);
        assert_set(semaphore, TRUE);
        CloseHandle(semaphore);
        close_all(handles, 2);
}

static void test_overlapping(void)
{
        HANDLE a = event_new(FALSE), b = event_new(FALSE), c = event_new(FALSE);
        struct waiter first = { .handles = { a, b }, .count = 2 }, second = { .handles = { b, c }, .count = 2 };

        waiter_start(&first);
        waiter_start(&second);
        SetEvent(b);
        SetEvent(c);
        g_assert_cmpuint(waiter_join(&second), ==, WAIT_OBJECT_0);
        wait_asleep(first.id);
        assert_set(b, FALSE);
        SetEvent(a);
        SetEvent(b);
        g_assert_cmpuint(waiter_join(&first), ==, WAIT_OBJECT_0);
        CloseHandle(a);
        CloseHandle(b);
        CloseHandle(c);
}

static void test_takes_one(void)
{
        HANDLE semaphore = CreateSemaphoreW(NULL, 2, 5, NULL), mutex = CreateMutexW(NULL, TRUE, NULL);
        HANDLE manual = CreateEventW(NULL, TRUE, TRUE, NULL), handles[3] = { semaphore, mutex, manual };

        /* The mutex is ours already: once more. */
        g_assert_cmpuint(WaitForMultipleObjects(3, handles, TRUE, INFINITE), ==, WAIT_OBJECT_0);
        assert_set(manual, TRUE);
        assert_set(semaphore, TRUE);
        assert_set(semaphore, FALSE);
        g_assert_true(ReleaseMutex(mutex));
        g_assert_true(ReleaseMutex(mutex));
        g_assert_false(ReleaseMutex(mutex));
        close_all(handles, 3);
}

static DWORD WINAPI take_and_leave(LPVOID parameter)
{
        return WaitForSingleObject(parameter, INFINITE);
}

static HANDLE abandoned_new(void)
{
        HANDLE mutex = CreateMutexW(NULL, FALSE, NULL);
        HANDLE thread = CreateThread(NULL, 0, take_and_leave, mutex, 0, NULL);

        g_assert_cmpuint(WaitForSingleObject(thread, INFINITE), ==, WAIT_OBJECT_0);
        CloseHandle(thread);
        return mutex;
}

static void test_abandoned(void)
{
        HANDLE any[3] = { event_new(FALSE), abandoned_new(), abandoned_new() };
        HANDLE all[2] = { event_new(FALSE), abandoned_new() };
        struct waiter waiter = { .handles = { all[0], all[1] }, .count = 2 };

        g_assert_cmpuint(WaitForMultipleObjects(3, any, FALSE, INFINITE), ==, WAIT_ABANDONED_0 + 1);
        /* It is ours now, and abandoned no more. */
        g_assert_cmpuint(WaitForMultipleObjects(2, any, FALSE, 0), ==, WAIT_OBJECT_0 + 1);
        g_assert_true(ReleaseMutex(any[1]));
        g_assert_true(ReleaseMutex(any[1]));
        g_assert_cmpuint(WaitForSingleObject(any[2], 0), ==, WAIT_ABANDONED);
        g_assert_true(ReleaseMutex(any[2]));
        close_all(any, 3);

        /* Of all, any one that is abandoned; and it stays so for the next while the wait goes on. */
        g_assert_cmpuint(WaitForMultipleObjects(2, all, TRUE, 0), ==, WAIT_TIMEOUT);
        waiter_start(&waiter);
        SetEvent(all[0]);
        g_assert_cmpuint(waiter_join(&waiter), ==, WAIT_ABANDONED_0);
        /* That thread has ended with it in turn. */
        g_assert_cmpuint(WaitForSingleObject(all[1], 0), ==, WAIT_ABANDONED);
        g_assert_true(ReleaseMutex(all[1]));
        g_assert_cmpuint(WaitForSingleObject(all[1], 0), ==, WAIT_OBJECT_0);
        g_assert_true(ReleaseMutex(all[1]));
        close_all(all, 2);
}

static void assert_refused(DWORD count, const HANDLE *handles, BOOL all, DWORD error)
{
        SetLastError(ERROR_SUCCESS);
        g_assert_cmpuint(WaitForMultipleObjects(count, handles, all, 0), ==, WAIT_FAILED);
        g_assert_cmpuint(GetLastError(), ==, error);
}

static void test_refusals(void)
{
        HANDLE event = event_new(TRUE), port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0);
        HANDLE bad[][2] = { { event, NULL }, { event, INVALID_HANDLE_VALUE }, { event, port }, { event, (HANDLE)0x3ffffffc } };
        HANDLE twice[2] = { event, event }, many[MAXIMUM_WAIT_OBJECTS + 1], copy[2] = { event, NULL };

        for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
                assert_refused(2, bad[i], FALSE, ERROR_INVALID_HANDLE);
                assert_refused(2, bad[i], TRUE, ERROR_INVALID_HANDLE);
        }
        assert_refused(2, twice, TRUE, ERROR_INVALID_PARAMETER);
        /* Two handles of one object, too. */
        g_assert_true(DuplicateHandle(GetCurrentProcess(), event, GetCurrentProcess(), &copy[1], 0, FALSE,
                                      DUPLICATE_SAME_ACCESS));
        assert_refused(2, copy, TRUE, ERROR_INVALID_PARAMETER);
        assert_refused(0, twice, FALSE, ERROR_INVALID_PARAMETER);
        for (unsigned i = 0; i < G_N_ELEMENTS(many); i++)
                many[i] = event;
        assert_refused(G_N_ELEMENTS(many), many, FALSE, ERROR_INVALID_PARAMETER);
        assert_set(event, TRUE); /* nobody has taken it */
        CloseHandle(copy[1]);
        CloseHandle(event);
        CloseHandle(port);
}

static void test_most(void)
{
        HANDLE handles[MAXIMUM_WAIT_OBJECTS];

        for (unsigned i = 0; i < MAXIMUM_WAIT_OBJECTS; i++)
                handles[i] = event_new(i == MAXIMUM_WAIT_OBJECTS - 1);
        g_assert_cmpuint(WaitForMultipleObjects(MAXIMUM_WAIT_OBJECTS, handles, FALSE, INFINITE), ==,
                         WAIT_OBJECT_0 + MAXIMUM_WAIT_OBJECTS - 1);
        for (unsigned i = 0; i < MAXIMUM_WAIT_OBJECTS; i++)
                SetEvent(handles[i]);
        g_assert_cmpuint(WaitForMultipleObjects(MAXIMUM_WAIT_OBJECTS, handles, TRUE, INFINITE), ==, WAIT_OBJECT_0);
        close_all(handles, MAXIMUM_WAIT_OBJECTS);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/multiple/any", test_any);
        g_test_add_func("/multiple/all/atomic", test_atomic);
        g_test_add_func("/multiple/all/time-out", test_time_out);
        g_test_add_func("/multiple/all/overlapping", test_overlapping);
        g_test_add_func("/multiple/all/takes-one", test_takes_one);
        g_test_add_func("/multiple/abandoned", test_abandoned);
        g_test_add_func("/multiple/refusals", test_refusals);
        g_test_add_func("/multiple/most", test_most);
        return g_test_run();
}
