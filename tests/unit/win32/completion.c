/* SPDX-License-Identifier: MIT */
/* Completion ports: packets, time-outs, and what waiters see when the port is closed. */
#include <windows.h>

#include <glib.h>

#include "asleep.h"

#define THREADS 8
#define PACKETS 20000

static void test_packets(void)
{
        HANDLE port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0);
        OVERLAPPED overlapped = { 0 }, *got = &overlapped;
        ULONG_PTR key = 0;
        DWORD bytes = 0;

        g_assert_nonnull(port);
        g_assert_false(GetQueuedCompletionStatus(port, &bytes, &key, &got, 0));
        g_assert_cmpuint(GetLastError(), ==, WAIT_TIMEOUT);
        g_assert_null(got);
        g_assert_false(GetQueuedCompletionStatus(port, &bytes, &key, &got, 1));
        g_assert_cmpuint(GetLastError(), ==, WAIT_TIMEOUT);
        for (DWORD i = 0; i < 3; i++)
                g_assert_true(PostQueuedCompletionStatus(port, i, 100 + i, i == 1 ? &overlapped : NULL));
        for (DWORD i = 0; i < 3; i++) {
                g_assert_true(GetQueuedCompletionStatus(port, &bytes, &key, &got, INFINITE));
                g_assert_cmpuint(bytes, ==, i);
                g_assert_cmpuint(key, ==, 100 + i);
                g_assert_true(got == (i == 1 ? &overlapped : NULL));
        }
        g_assert_true(CloseHandle(port));
        g_assert_false(PostQueuedCompletionStatus(port, 0, 0, NULL));
        g_assert_cmpuint(GetLastError(), ==, ERROR_INVALID_HANDLE);
        g_assert_false(GetQueuedCompletionStatus(port, &bytes, &key, &got, 0));
        g_assert_cmpuint(GetLastError(), ==, ERROR_INVALID_HANDLE);
}

static void test_several(void)
{
        HANDLE port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 4);
        OVERLAPPED_ENTRY entries[8];
        ULONG count = 99;

        g_assert_false(GetQueuedCompletionStatusEx(port, entries, 8, &count, 0, FALSE));
        g_assert_cmpuint(GetLastError(), ==, WAIT_TIMEOUT);
        g_assert_cmpuint(count, ==, 0);
        for (DWORD i = 0; i < 11; i++)
                PostQueuedCompletionStatus(port, i, i, NULL);
        g_assert_true(GetQueuedCompletionStatusEx(port, entries, 8, &count, INFINITE, FALSE));
        g_assert_cmpuint(count, ==, 8);
        g_assert_cmpuint(entries[7].dwNumberOfBytesTransferred, ==, 7);
        g_assert_true(GetQueuedCompletionStatusEx(port, entries, 8, &count, INFINITE, FALSE));
        g_assert_cmpuint(count, ==, 3);
        g_assert_cmpuint(entries[2].lpCompletionKey, ==, 10);
        g_assert_false(GetQueuedCompletionStatusEx(port, entries, 0, &count, 0, FALSE));
        g_assert_cmpuint(GetLastError(), ==, ERROR_INVALID_PARAMETER);
        CloseHandle(port);
}

static void test_refusals(void)
{
        HANDLE port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0);
        HANDLE event = CreateEventW(NULL, FALSE, FALSE, NULL);

        g_assert_null(CreateIoCompletionPort(INVALID_HANDLE_VALUE, port, 0, 0));
        g_assert_cmpuint(GetLastError(), ==, ERROR_INVALID_PARAMETER);
        g_assert_null(CreateIoCompletionPort(event, port, 0, 0));
        g_assert_cmpuint(GetLastError(), ==, ERROR_INVALID_HANDLE);
        g_assert_cmpuint(WaitForSingleObject(port, 0), ==, WAIT_FAILED);
        CloseHandle(event);
        CloseHandle(port);
}

struct pool {
        HANDLE port, started;
        LONG taken[PACKETS];
        LONG sum;
};

static DWORD WINAPI worker(LPVOID parameter)
{
        struct pool *pool = parameter;
        OVERLAPPED *overlapped;
        ULONG_PTR key;
        DWORD bytes;

        ReleaseSemaphore(pool->started, 1, NULL);
        while (GetQueuedCompletionStatus(pool->port, &bytes, &key, &overlapped, INFINITE)) {
                g_assert_cmpint(InterlockedIncrement(&pool->taken[key]), ==, 1);
                if (InterlockedIncrement(&pool->sum) == PACKETS)
                        CloseHandle(pool->port);
        }
        g_assert_null(overlapped);
        return GetLastError();
}

/*
 * Every packet exactly once, and when the last handle is closed everybody who waits gets
 * ERROR_ABANDONED_WAIT_0.
 */
static void test_pool(void)
{
        static struct pool pool;
        HANDLE threads[THREADS], poster;

        memset(&pool, 0, sizeof(pool));
        pool.port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 2);
        pool.started = CreateSemaphoreW(NULL, 0, THREADS, NULL);
        for (unsigned i = 0; i < THREADS; i++)
                threads[i] = CreateThread(NULL, 0, worker, &pool, 0, NULL);
        for (unsigned i = 0; i < THREADS; i++)
                WaitForSingleObject(pool.started, INFINITE);
        poster = pool.port;
        for (DWORD i = 0; i < PACKETS; i++)
                g_assert_true(PostQueuedCompletionStatus(poster, 0, i, NULL));
        g_assert_cmpuint(WaitForMultipleObjects(THREADS, threads, TRUE, INFINITE), ==, WAIT_OBJECT_0);
        for (unsigned i = 0; i < THREADS; i++) {
                DWORD code;

                g_assert_true(GetExitCodeThread(threads[i], &code));
                /* A thread that was not waiting then finds the handle gone. */
                g_assert_true(code == ERROR_ABANDONED_WAIT_0 || code == ERROR_INVALID_HANDLE);
                CloseHandle(threads[i]);
        }
        g_assert_cmpint(pool.sum, ==, PACKETS);
        CloseHandle(pool.started);
}

struct eager {
        HANDLE port;
        _Atomic unsigned received;
};

static DWORD WINAPI receive_all(LPVOID parameter)
{
        struct eager *eager = parameter;
        LPOVERLAPPED overlapped;
        ULONG_PTR key;
        DWORD bytes;

        while (GetQueuedCompletionStatus(eager->port, &bytes, &key, &overlapped, INFINITE) && key)
                eager->received++;
        return 0;
}

/* Packets of a thread that has had one itself, and does not come back for them: others take them. */
static void test_own_packets(void)
{
        struct eager eager = { .port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0) };
        unsigned posted = 0;
        HANDLE threads[2];
        LPOVERLAPPED overlapped;
        ULONG_PTR key;
        DWORD bytes;

        PostQueuedCompletionStatus(eager.port, 0, 1, NULL);
        g_assert_true(GetQueuedCompletionStatus(eager.port, &bytes, &key, &overlapped, 0));
        for (unsigned i = 0; i < 2; i++)
                threads[i] = CreateThread(NULL, 0, receive_all, &eager, 0, NULL);
        for (unsigned i = 0; i < 1000; i++) {
                /* Somebody was woken for a packet that is gone when he comes. */
                for (unsigned n = i % 4; n > 0; n--, posted++) {
                        PostQueuedCompletionStatus(eager.port, 0, 1, NULL);
                        eager.received += GetQueuedCompletionStatus(eager.port, &bytes, &key, &overlapped, 0);
                }
                PostQueuedCompletionStatus(eager.port, 0, 1, NULL);
                posted++;
                while (eager.received < posted)
                        SwitchToThread();
        }
        for (unsigned i = 0; i < 2; i++)
                PostQueuedCompletionStatus(eager.port, 0, 0, NULL);
        g_assert_cmpuint(WaitForMultipleObjects(2, threads, TRUE, 60000), ==, WAIT_OBJECT_0);
        for (unsigned i = 0; i < 2; i++)
                CloseHandle(threads[i]);
        CloseHandle(eager.port);
}

static DWORD WINAPI wait_for_packet(LPVOID parameter)
{
        OVERLAPPED *overlapped = (OVERLAPPED *)1;
        ULONG_PTR key;
        DWORD bytes;

        g_assert_false(GetQueuedCompletionStatus(parameter, &bytes, &key, &overlapped, INFINITE));
        g_assert_null(overlapped);
        return GetLastError();
}

static DWORD WINAPI wait_for_packets(LPVOID parameter)
{
        OVERLAPPED_ENTRY entry;
        ULONG count = 1;

        g_assert_false(GetQueuedCompletionStatusEx(parameter, &entry, 1, &count, 0x7fffffff, TRUE));
        g_assert_cmpuint(count, ==, 0);
        return GetLastError();
}

/*
 * A duplicate keeps the port open; the waiters are all in the wait when the last handle goes, or find no
 * handle.
 */
static void test_abandoned(void)
{
        for (unsigned round = 0; round < 100; round++) {
                HANDLE port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0), copy, threads[4];
                unsigned abandoned = 0;

                DuplicateHandle(GetCurrentProcess(), port, GetCurrentProcess(), &copy, 0, FALSE, 0);
                for (unsigned i = 0; i < 4; i++)
                        threads[i] = CreateThread(NULL, 0, wait_for_packet, copy, 0, NULL);
                CloseHandle(port);
                if (round % 2)
                        SwitchToThread();
                CloseHandle(copy);
                g_assert_cmpuint(WaitForMultipleObjects(4, threads, TRUE, INFINITE), ==, WAIT_OBJECT_0);
                for (unsigned i = 0; i < 4; i++) {
                        DWORD code;

                        GetExitCodeThread(threads[i], &code);
                        g_assert_true(code == ERROR_ABANDONED_WAIT_0 || code == ERROR_INVALID_HANDLE);
                        abandoned += code == ERROR_ABANDONED_WAIT_0;
                        CloseHandle(threads[i]);
                }
                g_assert_cmpuint(abandoned, <=, 4);
        }
}

/* Waiting when the last handle goes: each gets ERROR_ABANDONED_WAIT_0, whatever its time-out. */
static void test_abandoned_waiters(void)
{
        HANDLE port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0), threads[4];

        for (unsigned i = 0; i < 4; i++) {
                DWORD id;

                threads[i] = CreateThread(NULL, 0, i % 2 ? wait_for_packet : wait_for_packets, port, 0, &id);
                wait_asleep(id);
        }
        CloseHandle(port);
        g_assert_cmpuint(WaitForMultipleObjects(4, threads, TRUE, INFINITE), ==, WAIT_OBJECT_0);
        for (unsigned i = 0; i < 4; i++) {
                DWORD code;

                GetExitCodeThread(threads[i], &code);
                g_assert_cmpuint(code, ==, ERROR_ABANDONED_WAIT_0);
                CloseHandle(threads[i]);
        }
}

/* Packets that nobody waits for go with the port; what they point to is the program's. */
static void test_closed_with_packets(void)
{
        HANDLE port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0), copy;
        OVERLAPPED overlapped = { 0 }, *got;
        ULONG_PTR key;
        DWORD bytes;

        DuplicateHandle(GetCurrentProcess(), port, GetCurrentProcess(), &copy, 0, FALSE, 0);
        for (DWORD i = 0; i < 3; i++)
                PostQueuedCompletionStatus(port, i, i, &overlapped);
        CloseHandle(port);
        g_assert_true(GetQueuedCompletionStatus(copy, &bytes, &key, &got, 0));
        CloseHandle(copy);
        g_assert_false(GetQueuedCompletionStatus(copy, &bytes, &key, &got, 0));
        g_assert_cmpuint(GetLastError(), ==, ERROR_INVALID_HANDLE);
        g_assert_null(got);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/completion/packets", test_packets);
        g_test_add_func("/completion/several", test_several);
        g_test_add_func("/completion/refusals", test_refusals);
        g_test_add_func("/completion/pool", test_pool);
        g_test_add_func("/completion/own-packets", test_own_packets);
        g_test_add_func("/completion/abandoned", test_abandoned);
        g_test_add_func("/completion/abandoned/waiters", test_abandoned_waiters);
        g_test_add_func("/completion/closed-with-packets", test_closed_with_packets);
        return g_test_run();
}
