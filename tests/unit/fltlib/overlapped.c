/* SPDX-License-Identifier: MIT */
/*
 * Overlapped receives: asking, waiting, cancelling and packets, row by row. (That they complete by themselves:
 * tests/contract/port/user-overlapped.c.)
 *
 *   GetOverlappedResult that does not wait, Ex with 0: ERROR_IO_INCOMPLETE       /overlapped/result/pending
 *   Ex: WAIT_TIMEOUT; alertable: WAIT_IO_COMPLETION; it is pending after that    /overlapped/result/time-out,
 *                                                                                /overlapped/result/alertable
 *   success, failure: Win32 code of Internal, byte count                         /overlapped/result/done
 *   hEvent that is none: nothing is started                                      /overlapped/bad-event
 *   CancelIo: the calling thread's; TRUE when there is none                      /overlapped/cancel/own
 *   CancelIoEx: one, all of all threads, ERROR_NOT_FOUND                         /overlapped/cancel/one,
 *                                                                                /overlapped/cancel/all
 *   other kinds of handle                                                        /overlapped/cancel/wrong-handle
 *   low bit of hEvent: event, and no packet                                      /overlapped/packet/none
 *   OVERLAPPED_ENTRY: key, status, bytes; failures, too                          /overlapped/packet/entries
 *   a handle that is closed, associated, of another kind                         /overlapped/packet/refusals
 *   the completion port goes first                                               /overlapped/packet/port-closed
 */
#include "fixture.h"

static void start(struct fixture *f, struct message *message)
{
        HANDLE event = message->overlapped.hEvent;

        memset(&message->overlapped, 0, sizeof(message->overlapped));
        message->overlapped.hEvent = event;
        assert_hr(FilterGetMessage(f->port, &message->header, MESSAGE_SIZE, &message->overlapped), 0x800703E5);
}

static void send_one(struct fixture *f, const char *text)
{
        struct sender sender = { .one_way = true };

        sender_start(&sender, f->connection, text);
        g_thread_join(sender.thread);
        g_assert_cmpint(sender.status, ==, 0);
}

static void assert_result(struct fixture *f, struct message *message, DWORD error)
{
        DWORD bytes = 99;

        SetLastError(ERROR_SUCCESS);
        g_assert_cmpint(GetOverlappedResult(f->port, &message->overlapped, &bytes, FALSE), ==, error == ERROR_SUCCESS);
        g_assert_cmpuint(GetLastError(), ==, error);
}

static void assert_result_ex(struct fixture *f, struct message *message, DWORD milliseconds, BOOL alertable, DWORD error)
{
        DWORD bytes;

        SetLastError(ERROR_SUCCESS);
        g_assert_false(GetOverlappedResultEx(f->port, &message->overlapped, &bytes, milliseconds, alertable));
        g_assert_cmpuint(GetLastError(), ==, error);
        /* Another thread may be about to change it, as on Windows. */
        g_assert_cmphex(__atomic_load_n(&message->overlapped.Internal, __ATOMIC_ACQUIRE), ==, STATUS_PENDING);
        g_assert_false(HasOverlappedIoCompleted(&message->overlapped));
}

static void test_pending(struct fixture *f, gconstpointer unused)
{
        struct message message = { 0 };

        start(f, &message);
        assert_result(f, &message, ERROR_IO_INCOMPLETE);
        assert_result_ex(f, &message, 0, FALSE, ERROR_IO_INCOMPLETE);
        send_one(f, "x");
        assert_result(f, &message, ERROR_SUCCESS);
}

static void test_time_out(struct fixture *f, gconstpointer unused)
{
        struct message plain = { 0 }, with_event = { .overlapped.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL) };

        start(f, &plain);
        start(f, &with_event);
        assert_result_ex(f, &plain, 1, FALSE, WAIT_TIMEOUT);
        assert_result_ex(f, &with_event, 1, TRUE, WAIT_TIMEOUT);
        send_one(f, "x");
        send_one(f, "y");
        assert_result(f, &plain, ERROR_SUCCESS);
        assert_result(f, &with_event, ERROR_SUCCESS);
        CloseHandle(with_event.overlapped.hEvent);
}

static VOID WINAPI count_apc(ULONG_PTR counter)
{
        ++*(unsigned *)counter;
}

static void test_alertable(struct fixture *f, gconstpointer unused)
{
        struct message message = { 0 };
        unsigned ran = 0;
        DWORD bytes;

        start(f, &message);
        g_assert_true(QueueUserAPC(count_apc, GetCurrentThread(), (ULONG_PTR)&ran));
        assert_result_ex(f, &message, 1, FALSE, WAIT_TIMEOUT);
        g_assert_cmpuint(ran, ==, 0);
        assert_result_ex(f, &message, INFINITE, TRUE, WAIT_IO_COMPLETION);
        g_assert_cmpuint(ran, ==, 1);
        send_one(f, "x");
        g_assert_true(GetOverlappedResultEx(f->port, &message.overlapped, &bytes, INFINITE, TRUE));
        g_assert_cmpuint(bytes, ==, 17);
}

static void test_done(struct fixture *f, gconstpointer unused)
{
        struct message message = { 0 };
        DWORD bytes = 0;

        start(f, &message);
        send_one(f, "text");
        g_assert_true(GetOverlappedResult(f->port, &message.overlapped, &bytes, TRUE));
        g_assert_cmpuint(bytes, ==, 20);
        g_assert_cmpuint(message.overlapped.InternalHigh, ==, 20);
        /* Asking again is no error. */
        g_assert_true(GetOverlappedResultEx(f->port, &message.overlapped, &bytes, INFINITE, FALSE));
        start(f, &message);
        fake_kick(f->connection);
        g_assert_false(GetOverlappedResult(f->port, &message.overlapped, &bytes, TRUE));
        g_assert_cmpuint(GetLastError(), ==, ERROR_INVALID_HANDLE);
        g_assert_cmphex(message.overlapped.Internal, ==, (ULONG)STATUS_PORT_DISCONNECTED);
        g_assert_cmpuint(bytes, ==, 0);
}

static void test_bad_event(struct fixture *f, gconstpointer unused)
{
        HANDLE semaphore = CreateSemaphoreW(NULL, 0, 1, NULL), wrong[] = { semaphore, f->port, (HANDLE)0x3ffffffc };
        struct message message = { 0 };

        for (unsigned i = 0; i < G_N_ELEMENTS(wrong); i++) {
                message.overlapped.hEvent = wrong[i];
                assert_hr(FilterGetMessage(f->port, &message.header, MESSAGE_SIZE, &message.overlapped), 0x80070006);
        }
        g_assert_false(CancelIoEx(f->port, NULL));
        g_assert_cmpuint(GetLastError(), ==, ERROR_NOT_FOUND);
        CloseHandle(semaphore);
}

static DWORD WINAPI start_and_cancel(LPVOID parameter)
{
        struct fixture *f = parameter;
        struct message mine = { 0 };

        g_assert_true(CancelIo(f->port)); /* nothing of this thread's */
        start(f, &mine);
        g_assert_true(CancelIo(f->port));
        assert_result(f, &mine, ERROR_OPERATION_ABORTED);
        g_assert_cmphex(mine.overlapped.Internal, ==, (ULONG)STATUS_CANCELLED);
        return 0;
}

static void test_cancel_own(struct fixture *f, gconstpointer unused)
{
        struct message message = { 0 };
        HANDLE thread;

        start(f, &message);
        thread = CreateThread(NULL, 0, start_and_cancel, f, 0, NULL);
        g_assert_cmpuint(WaitForSingleObject(thread, INFINITE), ==, WAIT_OBJECT_0);
        CloseHandle(thread);
        assert_result(f, &message, ERROR_IO_INCOMPLETE);
        send_one(f, "x");
        assert_result(f, &message, ERROR_SUCCESS);
}

static void test_cancel_one(struct fixture *f, gconstpointer unused)
{
        struct message messages[3] = { 0 };

        for (unsigned i = 0; i < 3; i++)
                start(f, &messages[i]);
        g_assert_true(CancelIoEx(f->port, &messages[1].overlapped));
        assert_result(f, &messages[1], ERROR_OPERATION_ABORTED);
        g_assert_false(CancelIoEx(f->port, &messages[1].overlapped));
        g_assert_cmpuint(GetLastError(), ==, ERROR_NOT_FOUND);
        send_one(f, "x");
        assert_result(f, &messages[0], ERROR_SUCCESS);
        assert_result(f, &messages[2], ERROR_IO_INCOMPLETE);
        g_assert_true(CancelIoEx(f->port, NULL));
        assert_result(f, &messages[2], ERROR_OPERATION_ABORTED);
}

struct pair {
        struct fixture *f;
        struct message message;
};

static DWORD WINAPI start_only(LPVOID parameter)
{
        struct pair *pair = parameter;

        start(pair->f, &pair->message);
        return 0;
}

static void test_cancel_all(struct fixture *f, gconstpointer unused)
{
        struct message message = { 0 };
        struct pair pair = { .f = f };
        HANDLE thread = CreateThread(NULL, 0, start_only, &pair, 0, NULL);

        g_assert_cmpuint(WaitForSingleObject(thread, INFINITE), ==, WAIT_OBJECT_0);
        CloseHandle(thread);
        start(f, &message);
        g_assert_true(CancelIoEx(f->port, NULL));
        assert_result(f, &message, ERROR_OPERATION_ABORTED);
        assert_result(f, &pair.message, ERROR_OPERATION_ABORTED);
        g_assert_false(CancelIoEx(f->port, NULL));
        g_assert_cmpuint(GetLastError(), ==, ERROR_NOT_FOUND);
        /* The connection does not mind. */
        start(f, &message);
        send_one(f, "x");
        assert_result(f, &message, ERROR_SUCCESS);
}

static void test_cancel_wrong(struct fixture *f, gconstpointer unused)
{
        HANDLE event = CreateEventW(NULL, TRUE, FALSE, NULL), wrong[] = { event, NULL, INVALID_HANDLE_VALUE };
        struct message message = { 0 };
        DWORD bytes;

        for (unsigned i = 0; i < G_N_ELEMENTS(wrong); i++) {
                g_assert_false(CancelIo(wrong[i]));
                g_assert_cmpuint(GetLastError(), ==, ERROR_INVALID_HANDLE);
                g_assert_false(CancelIoEx(wrong[i], NULL));
                g_assert_cmpuint(GetLastError(), ==, ERROR_INVALID_HANDLE);
                g_assert_false(GetOverlappedResult(wrong[i], &message.overlapped, &bytes, FALSE));
                g_assert_cmpuint(GetLastError(), ==, ERROR_INVALID_HANDLE);
        }
        CloseHandle(event);
}

static void test_no_packet(struct fixture *f, gconstpointer unused)
{
        HANDLE event = CreateEventW(NULL, TRUE, FALSE, NULL), completions = CreateIoCompletionPort(f->port, NULL, 7, 0);
        struct message quiet = { .overlapped.hEvent = (HANDLE)((ULONG_PTR)event | 1) }, loud = { 0 };
        OVERLAPPED *overlapped;
        ULONG_PTR key;
        DWORD bytes;

        start(f, &quiet);
        start(f, &loud);
        send_one(f, "1");
        send_one(f, "2");
        g_assert_cmpuint(WaitForSingleObject(event, INFINITE), ==, WAIT_OBJECT_0);
        assert_result(f, &quiet, ERROR_SUCCESS);
        g_assert_true(GetQueuedCompletionStatus(completions, &bytes, &key, &overlapped, INFINITE));
        g_assert_true(overlapped == &loud.overlapped);
        g_assert_false(GetQueuedCompletionStatus(completions, &bytes, &key, &overlapped, 0));
        g_assert_cmpuint(GetLastError(), ==, WAIT_TIMEOUT);
        CloseHandle(event);
        CloseHandle(completions);
}

static void test_entries(struct fixture *f, gconstpointer unused)
{
        HANDLE completions = CreateIoCompletionPort(f->port, NULL, 77, 0);
        struct message messages[3] = { 0 };
        OVERLAPPED_ENTRY entries[4];
        OVERLAPPED *overlapped;
        ULONG_PTR key = 0;
        ULONG count = 0;
        DWORD bytes;

        for (unsigned i = 0; i < 3; i++)
                start(f, &messages[i]);
        send_one(f, "four");
        g_assert_true(CancelIoEx(f->port, &messages[1].overlapped));
        fake_kick(f->connection);
        assert_result(f, &messages[2], ERROR_INVALID_HANDLE);
        /* The function itself has not failed. */
        g_assert_true(GetQueuedCompletionStatusEx(completions, entries, 4, &count, INFINITE, FALSE));
        g_assert_cmpuint(count, ==, 3);
        for (unsigned i = 0; i < 3; i++) {
                static const DWORD statuses[] = { 0, (DWORD)STATUS_CANCELLED, (DWORD)STATUS_PORT_DISCONNECTED };

                g_assert_cmpuint(entries[i].lpCompletionKey, ==, 77);
                g_assert_true(entries[i].lpOverlapped == &messages[i].overlapped);
                g_assert_cmphex(entries[i].Internal, ==, statuses[i]);
                g_assert_cmpuint(entries[i].dwNumberOfBytesTransferred, ==, i == 0 ? 20 : 0);
        }
        /* Where there is but one, it has: FALSE, and the OVERLAPPED says of what. */
        g_assert_true(PostQueuedCompletionStatus(completions, 3, 4, &messages[0].overlapped));
        g_assert_true(GetQueuedCompletionStatus(completions, &bytes, &key, &overlapped, 0));
        g_assert_cmpuint(key, ==, 4);
        CloseHandle(completions);
}

static void test_packet_refusals(struct fixture *f, gconstpointer unused)
{
        HANDLE completions = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0), other, copy = NULL;

        g_assert_true(CreateIoCompletionPort(f->port, completions, 1, 0) == completions);
        other = CreateIoCompletionPort(f->port, NULL, 2, 0);
        g_assert_null(other);
        g_assert_cmpuint(GetLastError(), ==, ERROR_INVALID_PARAMETER);
        /* What is associated is what all its handles stand for. */
        g_assert_true(DuplicateHandle(GetCurrentProcess(), f->port, GetCurrentProcess(), &copy, 0, FALSE, 0));
        g_assert_null(CreateIoCompletionPort(copy, completions, 3, 0));
        g_assert_cmpuint(GetLastError(), ==, ERROR_INVALID_PARAMETER);
        g_assert_true(CloseHandle(copy));
        g_assert_null(CreateIoCompletionPort(copy, completions, 3, 0));
        g_assert_cmpuint(GetLastError(), ==, ERROR_INVALID_HANDLE);
        g_assert_null(CreateIoCompletionPort(completions, completions, 3, 0));
        g_assert_cmpuint(GetLastError(), ==, ERROR_INVALID_HANDLE);
        g_assert_null(CreateIoCompletionPort(f->port, f->port, 3, 0));
        g_assert_cmpuint(GetLastError(), ==, ERROR_INVALID_HANDLE);
        CloseHandle(completions);
}

static void test_port_closed(struct fixture *f, gconstpointer unused)
{
        HANDLE completions = CreateIoCompletionPort(f->port, NULL, 7, 0);
        struct message messages[2] = { 0 };
        DWORD bytes;

        start(f, &messages[0]);
        start(f, &messages[1]);
        send_one(f, "queued");
        g_assert_true(CloseHandle(completions));
        send_one(f, "later");
        for (unsigned i = 0; i < 2; i++)
                g_assert_true(GetOverlappedResult(f->port, &messages[i].overlapped, &bytes, TRUE));
        g_assert_cmpuint(bytes, ==, 21);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        ADD("/overlapped/result/pending", test_pending);
        ADD("/overlapped/result/time-out", test_time_out);
        ADD("/overlapped/result/alertable", test_alertable);
        ADD("/overlapped/result/done", test_done);
        ADD("/overlapped/bad-event", test_bad_event);
        ADD("/overlapped/cancel/own", test_cancel_own);
        ADD("/overlapped/cancel/one", test_cancel_one);
        ADD("/overlapped/cancel/all", test_cancel_all);
        ADD("/overlapped/cancel/wrong-handle", test_cancel_wrong);
        ADD("/overlapped/packet/none", test_no_packet);
        ADD("/overlapped/packet/entries", test_entries);
        ADD("/overlapped/packet/refusals", test_packet_refusals);
        ADD("/overlapped/packet/port-closed", test_port_closed);
        return g_test_run();
}
