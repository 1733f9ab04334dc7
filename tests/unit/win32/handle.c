/* SPDX-License-Identifier: MIT */
/*
 * DuplicateHandle and CloseHandle for each kind of object, row by row; and what goes with a thread.
 *
 *   event, semaphore, mutex, thread, completion port: one object, two handles    /handle/duplicate/kinds
 *   a section: its close is reported with the last one                           /handle/duplicate/section
 *   DUPLICATE_CLOSE_SOURCE, with a target and without                            /handle/duplicate/close-source
 *   another process, a handle that is none                                       /handle/duplicate/refusals
 *   pseudo handles                                                               /handle/pseudo
 *   suspended threads: counts, ids, exit codes                                   /handle/thread/suspended
 *   the last error is each thread's own, and calls that succeed leave it         /handle/last-error
 */
#include "win32/section.h"

#include <glib.h>
#include <sys/mman.h>
#include <unistd.h>

static HANDLE duplicate(HANDLE handle)
{
        HANDLE copy = NULL;

        g_assert_true(DuplicateHandle(GetCurrentProcess(), handle, GetCurrentProcess(), &copy, 0, FALSE,
                                      DUPLICATE_SAME_ACCESS));
        g_assert_nonnull(copy);
        g_assert_true(copy != handle);
        return copy;
}

static DWORD WINAPI return_seven(LPVOID parameter)
{
        return 7;
}

static void test_kinds(void)
{
        HANDLE event = CreateEventW(NULL, TRUE, FALSE, NULL), event_copy = duplicate(event);
        HANDLE semaphore = CreateSemaphoreW(NULL, 0, 2, NULL), semaphore_copy = duplicate(semaphore);
        HANDLE mutex = CreateMutexW(NULL, TRUE, NULL), mutex_copy = duplicate(mutex);
        HANDLE thread = CreateThread(NULL, 0, return_seven, NULL, CREATE_SUSPENDED, NULL), thread_copy = duplicate(thread);
        HANDLE port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0), port_copy = duplicate(port);
        OVERLAPPED *overlapped;
        DWORD bytes, code;
        ULONG_PTR key;

        SetEvent(event_copy);
        g_assert_cmpuint(WaitForSingleObject(event, 0), ==, WAIT_OBJECT_0);
        ReleaseSemaphore(semaphore, 2, NULL);
        g_assert_cmpuint(WaitForSingleObject(semaphore_copy, 0), ==, WAIT_OBJECT_0);
        g_assert_cmpuint(WaitForSingleObject(semaphore, 0), ==, WAIT_OBJECT_0);
        g_assert_cmpuint(WaitForSingleObject(semaphore_copy, 0), ==, WAIT_TIMEOUT);
        g_assert_true(ReleaseMutex(mutex_copy));
        g_assert_false(ReleaseMutex(mutex));
        g_assert_cmpuint(ResumeThread(thread_copy), ==, 1);
        g_assert_true(CloseHandle(thread_copy));
        g_assert_cmpuint(WaitForSingleObject(thread, INFINITE), ==, WAIT_OBJECT_0);
        g_assert_true(GetExitCodeThread(thread, &code));
        g_assert_cmpuint(code, ==, 7);
        g_assert_true(PostQueuedCompletionStatus(port, 1, 2, NULL));
        g_assert_true(CloseHandle(port));
        g_assert_true(GetQueuedCompletionStatus(port_copy, &bytes, &key, &overlapped, 0));
        g_assert_cmpuint(key, ==, 2);
        CloseHandle(event);
        CloseHandle(event_copy);
        CloseHandle(semaphore);
        CloseHandle(semaphore_copy);
        CloseHandle(mutex);
        CloseHandle(mutex_copy);
        CloseHandle(thread);
        CloseHandle(port_copy);
}

static void count(void *context, bool revoked)
{
        ++*(unsigned *)context;
}

static void test_section(void)
{
        int fd = memfd_create("section", MFD_CLOEXEC);
        HANDLE section = (HANDLE)(ULONG_PTR)0x40000010, copy;
        unsigned closed = 0;
        char *view;

        g_assert_cmpint(write(fd, "text", 4), ==, 4);
        g_assert_true(fm_w32_section_give(0x40000010, fd, 4, count, &closed));
        copy = duplicate(section);
        g_assert_cmpuint((ULONG_PTR)copy, <, 0x40000000); /* no number of the filter's */
        g_assert_true(CloseHandle(section));
        g_assert_cmpuint(closed, ==, 0);
        g_assert_null(MapViewOfFile(section, FILE_MAP_READ, 0, 0, 0));
        view = MapViewOfFile(copy, FILE_MAP_READ, 0, 0, 0);
        g_assert_nonnull(view);
        g_assert_true(CloseHandle(copy));
        g_assert_cmpuint(closed, ==, 1);
        g_assert_cmpmem(view, 4, "text", 4);
        g_assert_true(UnmapViewOfFile(view));
}

static void test_close_source(void)
{
        HANDLE event = CreateEventW(NULL, TRUE, TRUE, NULL), copy = NULL;

        g_assert_true(DuplicateHandle(GetCurrentProcess(), event, GetCurrentProcess(), &copy, 0, FALSE,
                                      DUPLICATE_SAME_ACCESS | DUPLICATE_CLOSE_SOURCE));
        g_assert_cmpuint(WaitForSingleObject(event, 0), ==, WAIT_FAILED);
        g_assert_cmpuint(WaitForSingleObject(copy, 0), ==, WAIT_OBJECT_0);
        g_assert_true(DuplicateHandle(GetCurrentProcess(), copy, NULL, NULL, 0, FALSE, DUPLICATE_CLOSE_SOURCE));
        g_assert_cmpuint(WaitForSingleObject(copy, 0), ==, WAIT_FAILED);
}

static void assert_not_duplicated(HANDLE source_process, HANDLE handle, HANDLE target_process, DWORD error)
{
        HANDLE copy = (HANDLE)1;

        SetLastError(ERROR_SUCCESS);
        g_assert_false(DuplicateHandle(source_process, handle, target_process, &copy, 0, FALSE, DUPLICATE_SAME_ACCESS));
        g_assert_cmpuint(GetLastError(), ==, error);
}

static void test_refusals(void)
{
        HANDLE event = CreateEventW(NULL, TRUE, TRUE, NULL), self = GetCurrentProcess();

        assert_not_duplicated(event, event, self, ERROR_NOT_SUPPORTED);
        assert_not_duplicated(self, event, event, ERROR_NOT_SUPPORTED);
        assert_not_duplicated((HANDLE)(ULONG_PTR)getppid(), event, self, ERROR_NOT_SUPPORTED);
        assert_not_duplicated(self, NULL, self, ERROR_INVALID_HANDLE);
        assert_not_duplicated(self, (HANDLE)0x3ffffffc, self, ERROR_INVALID_HANDLE);
        g_assert_true(CloseHandle(event));
        assert_not_duplicated(self, event, self, ERROR_INVALID_HANDLE);
}

static DWORD WINAPI duplicate_self(LPVOID parameter)
{
        *(HANDLE *)parameter = duplicate(GetCurrentThread());
        return GetCurrentThreadId();
}

static void test_pseudo(void)
{
        HANDLE copy = NULL, thread = CreateThread(NULL, 0, duplicate_self, &copy, 0, NULL);
        DWORD code;

        g_assert_cmpuint(WaitForSingleObject(thread, INFINITE), ==, WAIT_OBJECT_0);
        /* It means the thread that asked, and goes on to do so. */
        g_assert_cmpuint(WaitForSingleObject(copy, 0), ==, WAIT_OBJECT_0);
        g_assert_true(GetExitCodeThread(copy, &code));
        g_assert_cmpuint(code, ==, GetThreadId(thread));
        g_assert_true(CloseHandle(GetCurrentThread()));
        g_assert_true(CloseHandle(GetCurrentProcess()));
        g_assert_cmpuint(GetThreadId(GetCurrentThread()), ==, GetCurrentThreadId());
        CloseHandle(copy);
        CloseHandle(thread);
}

static DWORD WINAPI own_id(LPVOID parameter)
{
        return GetCurrentThreadId();
}

static void test_suspended(void)
{
        DWORD id = 0, code = 0;
        HANDLE thread = CreateThread(NULL, 0, own_id, NULL, CREATE_SUSPENDED, &id), event;

        g_assert_cmpuint(GetThreadId(thread), ==, id);
        g_assert_true(GetExitCodeThread(thread, &code));
        g_assert_cmpuint(code, ==, STILL_ACTIVE);
        g_assert_cmpuint(WaitForSingleObject(thread, 1), ==, WAIT_TIMEOUT);
        g_assert_cmpuint(ResumeThread(thread), ==, 1);
        g_assert_cmpuint(ResumeThread(thread), ==, 0);
        g_assert_cmpuint(WaitForSingleObject(thread, INFINITE), ==, WAIT_OBJECT_0);
        g_assert_true(GetExitCodeThread(thread, &code));
        g_assert_cmpuint(code, ==, id);
        g_assert_cmpuint(ResumeThread(thread), ==, 0);
        CloseHandle(thread);

        event = CreateEventW(NULL, TRUE, FALSE, NULL);
        g_assert_cmpuint(ResumeThread(event), ==, (DWORD)-1);
        g_assert_cmpuint(GetLastError(), ==, ERROR_INVALID_HANDLE);
        g_assert_null(CreateThread(NULL, 0, own_id, NULL, 0x80000000, NULL));
        g_assert_cmpuint(GetLastError(), ==, ERROR_INVALID_PARAMETER);
        CloseHandle(event);
}

static DWORD WINAPI own_error(LPVOID parameter)
{
        DWORD first = GetLastError();

        SetLastError(77);
        g_assert_false(CloseHandle(NULL));
        g_assert_cmpuint(GetLastError(), ==, ERROR_INVALID_HANDLE);
        return first;
}

static void test_last_error(void)
{
        HANDLE event = CreateEventW(NULL, TRUE, FALSE, NULL), thread;
        DWORD code;

        SetLastError(5);
        thread = CreateThread(NULL, 0, own_error, NULL, 0, NULL);
        g_assert_cmpuint(WaitForSingleObject(thread, INFINITE), ==, WAIT_OBJECT_0);
        GetExitCodeThread(thread, &code);
        g_assert_cmpuint(code, ==, ERROR_SUCCESS);
        SetEvent(event);
        ResetEvent(event);
        g_assert_cmpuint(WaitForSingleObject(event, 0), ==, WAIT_TIMEOUT);
        g_assert_true(CloseHandle(event));
        CloseHandle(thread);
        g_assert_cmpuint(GetLastError(), ==, 5);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/handle/duplicate/kinds", test_kinds);
        g_test_add_func("/handle/duplicate/section", test_section);
        g_test_add_func("/handle/duplicate/close-source", test_close_source);
        g_test_add_func("/handle/duplicate/refusals", test_refusals);
        g_test_add_func("/handle/pseudo", test_pseudo);
        g_test_add_func("/handle/thread/suspended", test_suspended);
        g_test_add_func("/handle/last-error", test_last_error);
        return g_test_run();
}
