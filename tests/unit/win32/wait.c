/* SPDX-License-Identifier: MIT */
/* Handles, waits, events, semaphores, mutexes, threads and locks, with real threads and without sleeping. */
#include <windows.h>

#include <glib.h>

#define THREADS 8

static void test_handles(void)
{
        HANDLE event = CreateEventW(NULL, TRUE, FALSE, NULL), copy = NULL;

        g_assert_nonnull(event);
        g_assert_cmpuint((ULONG_PTR)event % 4, ==, 0);
        g_assert_cmpuint((ULONG_PTR)event, <, 0x40000000);
        g_assert_true(DuplicateHandle(GetCurrentProcess(), event, GetCurrentProcess(), &copy, 0, FALSE,
                                      DUPLICATE_SAME_ACCESS));
        g_assert_true(copy != event);
        g_assert_true(CloseHandle(event));
        g_assert_false(CloseHandle(event));
        g_assert_cmpuint(GetLastError(), ==, ERROR_INVALID_HANDLE);
        /* The object lives on under its other handle. */
        g_assert_true(SetEvent(copy));
        g_assert_cmpuint(WaitForSingleObject(copy, 0), ==, WAIT_OBJECT_0);
        g_assert_true(CloseHandle(copy));
        g_assert_cmpuint(WaitForSingleObject(copy, 0), ==, WAIT_FAILED);
        g_assert_cmpuint(GetLastError(), ==, ERROR_INVALID_HANDLE);
        g_assert_false(SetEvent(NULL));
        g_assert_false(SetEvent(INVALID_HANDLE_VALUE));
}

static void test_many_handles(void)
{
        enum { COUNT = 2000 };
        static HANDLE handles[COUNT];
        g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);

        for (unsigned round = 0; round < 3; round++) {
                g_hash_table_remove_all(seen);
                for (unsigned i = 0; i < COUNT; i++) {
                        handles[i] = CreateEventW(NULL, FALSE, FALSE, NULL);
                        g_assert_nonnull(handles[i]);
                        g_assert_true(g_hash_table_add(seen, handles[i]));
                }
                for (unsigned i = 0; i < COUNT; i++)
                        g_assert_true(CloseHandle(handles[i]));
        }
}

static void test_events(void)
{
        HANDLE manual = CreateEventW(NULL, TRUE, TRUE, NULL);
        HANDLE automatic = CreateEventW(NULL, FALSE, TRUE, NULL);

        g_assert_cmpuint(WaitForSingleObject(manual, 0), ==, WAIT_OBJECT_0);
        g_assert_cmpuint(WaitForSingleObject(manual, INFINITE), ==, WAIT_OBJECT_0);
        g_assert_true(ResetEvent(manual));
        g_assert_cmpuint(WaitForSingleObject(manual, 0), ==, WAIT_TIMEOUT);
        g_assert_cmpuint(WaitForSingleObject(manual, 1), ==, WAIT_TIMEOUT);
        g_assert_cmpuint(WaitForSingleObject(automatic, 0), ==, WAIT_OBJECT_0);
        g_assert_cmpuint(WaitForSingleObject(automatic, 0), ==, WAIT_TIMEOUT);
        g_assert_true(SetEvent(automatic));
        g_assert_true(SetEvent(automatic));
        g_assert_cmpuint(WaitForSingleObject(automatic, 0), ==, WAIT_OBJECT_0);
        g_assert_cmpuint(WaitForSingleObject(automatic, 0), ==, WAIT_TIMEOUT);
        CloseHandle(manual);
        CloseHandle(automatic);
}

static void test_named(void)
{
        HANDLE first = CreateEventW(NULL, TRUE, FALSE, L"a name"), second;

        g_assert_cmpuint(GetLastError(), ==, ERROR_SUCCESS);
        second = CreateEventW(NULL, TRUE, FALSE, L"a name");
        g_assert_nonnull(second);
        g_assert_cmpuint(GetLastError(), ==, ERROR_ALREADY_EXISTS);
        SetEvent(first);
        g_assert_cmpuint(WaitForSingleObject(second, 0), ==, WAIT_OBJECT_0);
        g_assert_null(CreateSemaphoreW(NULL, 0, 1, L"a name"));
        g_assert_cmpuint(GetLastError(), ==, ERROR_INVALID_HANDLE);
        CloseHandle(first);
        CloseHandle(second);
        first = CreateSemaphoreW(NULL, 0, 1, L"a name");
        g_assert_nonnull(first);
        g_assert_cmpuint(GetLastError(), ==, ERROR_SUCCESS);
        CloseHandle(first);
}

static void test_semaphore(void)
{
        HANDLE semaphore = CreateSemaphoreW(NULL, 1, 3, NULL);
        LONG previous = -1;

        g_assert_cmpuint(WaitForSingleObject(semaphore, 0), ==, WAIT_OBJECT_0);
        g_assert_cmpuint(WaitForSingleObject(semaphore, 0), ==, WAIT_TIMEOUT);
        g_assert_true(ReleaseSemaphore(semaphore, 2, &previous));
        g_assert_cmpint(previous, ==, 0);
        g_assert_false(ReleaseSemaphore(semaphore, 2, &previous));
        g_assert_cmpuint(GetLastError(), ==, ERROR_TOO_MANY_POSTS);
        g_assert_false(ReleaseSemaphore(semaphore, 0, NULL));
        g_assert_cmpuint(WaitForSingleObject(semaphore, 0), ==, WAIT_OBJECT_0);
        g_assert_cmpuint(WaitForSingleObject(semaphore, 0), ==, WAIT_OBJECT_0);
        g_assert_cmpuint(WaitForSingleObject(semaphore, 0), ==, WAIT_TIMEOUT);
        CloseHandle(semaphore);
        g_assert_null(CreateSemaphoreW(NULL, 2, 1, NULL));
        g_assert_cmpuint(GetLastError(), ==, ERROR_INVALID_PARAMETER);
}

static DWORD WINAPI take_and_leave(LPVOID parameter)
{
        return WaitForSingleObject(parameter, INFINITE);
}

static void test_mutex(void)
{
        HANDLE mutex = CreateMutexW(NULL, TRUE, NULL), thread;
        DWORD code;

        g_assert_cmpuint(WaitForSingleObject(mutex, 0), ==, WAIT_OBJECT_0); /* recursion */
        g_assert_true(ReleaseMutex(mutex));
        g_assert_true(ReleaseMutex(mutex));
        g_assert_false(ReleaseMutex(mutex));
        g_assert_cmpuint(GetLastError(), ==, ERROR_NOT_OWNER);
        thread = CreateThread(NULL, 0, take_and_leave, mutex, 0, NULL);
        g_assert_cmpuint(WaitForSingleObject(thread, INFINITE), ==, WAIT_OBJECT_0);
        g_assert_true(GetExitCodeThread(thread, &code));
        g_assert_cmpuint(code, ==, WAIT_OBJECT_0);
        g_assert_cmpuint(WaitForSingleObject(mutex, 0), ==, WAIT_ABANDONED_0);
        g_assert_cmpuint(WaitForSingleObject(mutex, 0), ==, WAIT_OBJECT_0);
        CloseHandle(thread);
        CloseHandle(mutex);
}

struct race {
        HANDLE start, go, done;
        LONG through;
};

static DWORD WINAPI wait_for_go(LPVOID parameter)
{
        struct race *race = parameter;

        ReleaseSemaphore(race->start, 1, NULL);
        if (WaitForSingleObject(race->go, INFINITE) != WAIT_OBJECT_0)
                return 1;
        InterlockedIncrement(&race->through);
        ReleaseSemaphore(race->done, 1, NULL);
        return 7;
}

/* Each SetEvent of an auto-reset event lets exactly one through. */
static void test_event_race(void)
{
        for (unsigned round = 0; round < 50; round++) {
                struct race race = {
                        .start = CreateSemaphoreW(NULL, 0, THREADS, NULL),
                        .go = CreateEventW(NULL, FALSE, FALSE, NULL),
                        .done = CreateSemaphoreW(NULL, 0, THREADS, NULL),
                };
                HANDLE threads[THREADS];

                for (unsigned i = 0; i < THREADS; i++)
                        threads[i] = CreateThread(NULL, 0, wait_for_go, &race, 0, NULL);
                for (unsigned i = 0; i < THREADS; i++)
                        WaitForSingleObject(race.start, INFINITE);
                for (LONG i = 1; i <= THREADS; i++) {
                        SetEvent(race.go);
                        WaitForSingleObject(race.done, INFINITE);
                        g_assert_cmpint(race.through, ==, i);
                }
                g_assert_cmpuint(WaitForMultipleObjects(THREADS, threads, TRUE, INFINITE), ==, WAIT_OBJECT_0);
                for (unsigned i = 0; i < THREADS; i++)
                        CloseHandle(threads[i]);
                CloseHandle(race.start);
                CloseHandle(race.go);
                CloseHandle(race.done);
        }
}

struct ping {
        HANDLE mine, yours;
        unsigned rounds;
};

static DWORD WINAPI ping(LPVOID parameter)
{
        struct ping *p = parameter;

        for (unsigned i = 0; i < p->rounds; i++) {
                WaitForSingleObject(p->mine, INFINITE);
                SetEvent(p->yours);
        }
        return 0;
}

static void test_ping_pong(void)
{
        HANDLE a = CreateEventW(NULL, FALSE, TRUE, NULL), b = CreateEventW(NULL, FALSE, FALSE, NULL);
        struct ping one = { a, b, 20000 }, two = { b, a, 20000 };
        HANDLE threads[2] = {CreateThread(NULL, 0, ping, &one, 0, NULL),
                             CreateThread(NULL, 0, ping, &two, 0, NULL)};

        g_assert_cmpuint(WaitForMultipleObjects(2, threads, TRUE, INFINITE), ==, WAIT_OBJECT_0);
        g_assert_cmpuint(WaitForSingleObject(a, 0), ==, WAIT_OBJECT_0);
        for (unsigned i = 0; i < 2; i++)
                CloseHandle(threads[i]);
        CloseHandle(a);
        CloseHandle(b);
}

static DWORD WINAPI report_id(LPVOID parameter)
{
        *(DWORD *)parameter = GetCurrentThreadId();
        ExitThread(42);
}

static void test_threads(void)
{
        DWORD id = 0, seen = 0, code = 0;
        HANDLE thread = CreateThread(NULL, 0, report_id, &seen, CREATE_SUSPENDED, &id), self;

        g_assert_nonnull(thread);
        g_assert_cmpuint(id, !=, 0);
        g_assert_cmpuint(GetThreadId(thread), ==, id);
        g_assert_cmpuint(WaitForSingleObject(thread, 0), ==, WAIT_TIMEOUT);
        g_assert_true(GetExitCodeThread(thread, &code));
        g_assert_cmpuint(code, ==, STILL_ACTIVE);
        g_assert_cmpuint(seen, ==, 0);
        g_assert_cmpuint(ResumeThread(thread), ==, 1);
        g_assert_cmpuint(WaitForSingleObject(thread, INFINITE), ==, WAIT_OBJECT_0);
        g_assert_cmpuint(seen, ==, id);
        g_assert_true(GetExitCodeThread(thread, &code));
        g_assert_cmpuint(code, ==, 42);
        g_assert_cmpuint(ResumeThread(thread), ==, 0);
        CloseHandle(thread);
        g_assert_cmpuint(ResumeThread(thread), ==, (DWORD)-1);
        g_assert_true(DuplicateHandle(GetCurrentProcess(), GetCurrentThread(), GetCurrentProcess(), &self, 0,
                                      FALSE, 0));
        g_assert_cmpuint(GetThreadId(self), ==, GetCurrentThreadId());
        CloseHandle(self);
        g_assert_null(CreateThread(NULL, 0, NULL, NULL, 0, NULL));
}

struct counter {
        CRITICAL_SECTION section;
        SRWLOCK srw;
        CONDITION_VARIABLE changed;
        unsigned value, shared;
};

static DWORD WINAPI count(LPVOID parameter)
{
        struct counter *counter = parameter;

        for (unsigned i = 0; i < 5000; i++) {
                EnterCriticalSection(&counter->section);
                EnterCriticalSection(&counter->section);
                counter->value++;
                LeaveCriticalSection(&counter->section);
                LeaveCriticalSection(&counter->section);
                AcquireSRWLockExclusive(&counter->srw);
                counter->shared++;
                ReleaseSRWLockExclusive(&counter->srw);
                AcquireSRWLockShared(&counter->srw);
                g_assert_cmpuint(counter->shared, >, 0);
                ReleaseSRWLockShared(&counter->srw);
        }
        WakeAllConditionVariable(&counter->changed);
        return 0;
}

static void test_locks(void)
{
        struct counter counter = { .srw = SRWLOCK_INIT, .changed = CONDITION_VARIABLE_INIT };
        HANDLE threads[4];

        InitializeCriticalSection(&counter.section);
        for (unsigned i = 0; i < 4; i++)
                threads[i] = CreateThread(NULL, 0, count, &counter, 0, NULL);
        EnterCriticalSection(&counter.section);
        while (counter.value < 4 * 5000)
                SleepConditionVariableCS(&counter.changed, &counter.section, 10);
        LeaveCriticalSection(&counter.section);
        WaitForMultipleObjects(4, threads, TRUE, INFINITE);
        g_assert_cmpuint(counter.value, ==, 4 * 5000);
        g_assert_cmpuint(counter.shared, ==, 4 * 5000);
        g_assert_true(TryAcquireSRWLockShared(&counter.srw));
        g_assert_false(TryAcquireSRWLockExclusive(&counter.srw));
        ReleaseSRWLockShared(&counter.srw);
        AcquireSRWLockExclusive(&counter.srw);
        g_assert_false(SleepConditionVariableSRW(&counter.changed, &counter.srw, 1, 0));
        g_assert_cmpuint(GetLastError(), ==, ERROR_TIMEOUT);
        ReleaseSRWLockExclusive(&counter.srw);
        for (unsigned i = 0; i < 4; i++)
                CloseHandle(threads[i]);
        DeleteCriticalSection(&counter.section);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/win32/handles", test_handles);
        g_test_add_func("/win32/handles/many", test_many_handles);
        g_test_add_func("/win32/event", test_events);
        g_test_add_func("/win32/event/race", test_event_race);
        g_test_add_func("/win32/event/ping-pong", test_ping_pong);
        g_test_add_func("/win32/named", test_named);
        g_test_add_func("/win32/semaphore", test_semaphore);
        g_test_add_func("/win32/mutex", test_mutex);
        g_test_add_func("/win32/thread", test_threads);
        g_test_add_func("/win32/locks", test_locks);
        return g_test_run();
}
