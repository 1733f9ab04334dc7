/* SPDX-License-Identifier: MIT */
/* FilterGetMessage, in every way to wait, against a server of the test's own. */
#include "fixture.h"

#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void test_synchronous(struct fixture *f, gconstpointer unused)
{
        struct message message = { 0 };
        struct sender sender = { 0 };

        for (unsigned i = 1; i <= 100; i++) {
                sender_start(&sender, f->connection, "question");
                assert_hr(FilterGetMessage(f->port, &message.header, MESSAGE_SIZE, NULL), 0);
                g_assert_cmpuint(message.header.MessageId, ==, i);
                g_assert_cmpuint(message.header.ReplyLength, ==, 16 + sizeof(sender.reply));
                g_assert_cmpmem(message.text, 8, "question", 8);
                assert_hr(reply_to(f->port, i, (NTSTATUS)0xC0000906, "answer"), 0);
                g_thread_join(sender.thread);
                g_assert_cmphex((uint32_t)sender.status, ==, 0xC0000906);
                g_assert_cmpmem(sender.reply, sender.reply_length, "answer", 6);
        }
        /* Answered, unknown, zero. */
        assert_hr(reply_to(f->port, 100, 0, ""), 0x801F0020);
        assert_hr(reply_to(f->port, 101, 0, ""), 0x801F0020);
        assert_hr(reply_to(f->port, 0, 0, ""), 0x801F0020);
}

static void test_one_way(struct fixture *f, gconstpointer unused)
{
        struct message message = { 0 };
        struct sender sender = { .one_way = true };

        sender_start(&sender, f->connection, "note");
        assert_hr(FilterGetMessage(f->port, &message.header, MESSAGE_SIZE, NULL), 0);
        g_thread_join(sender.thread);
        g_assert_cmpint(sender.status, ==, 0);
        g_assert_cmpuint(message.header.ReplyLength, ==, 0);
        assert_hr(reply_to(f->port, message.header.MessageId, 0, ""), 0x801F0020);
}

static void test_arguments(struct fixture *f, gconstpointer unused)
{
        struct message message = { 0 };
        struct reply reply = { 0 };
        DWORD bytes = 5;

        assert_hr(FilterGetMessage(f->port, NULL, 100, NULL), 0x80070057);
        assert_hr(FilterGetMessage(f->port, &message.header, 15, NULL), 0x80070057);
        assert_hr(FilterGetMessage(f->port, NULL, 100, &message.overlapped), 0x80070057);
        assert_hr(FilterReplyMessage(f->port, &reply.header, 15), 0x80070057);
        assert_hr(FilterReplyMessage(f->port, NULL, 16), 0x80070057);
        assert_hr(call(f->port, NULL, 4, NULL, 0, &bytes), 0x80070057);
        assert_hr(call(f->port, "x", 0, NULL, 0, &bytes), 0x80070057);
        g_assert_cmpuint(bytes, ==, 0);
        assert_hr(FilterGetMessage(NULL, &message.header, MESSAGE_SIZE, NULL), 0x80070006);
        assert_hr(FilterReplyMessage(INVALID_HANDLE_VALUE, &reply.header, 16), 0x80070006);
}

static void test_too_small(struct fixture *f, gconstpointer unused)
{
        struct message large = { 0 };
        FILTER_MESSAGE_HEADER small[2];
        OVERLAPPED first = { 0 };
        struct fm_slot slot;
        DWORD bytes = 0;

        fake_offer(f->connection, &slot, "forty-two", 9, 0, false);
        assert_hr(FilterGetMessage(f->port, small, sizeof(small[0]), NULL), 0x8007007A);
        assert_hr(FilterGetMessage(f->port, small, 24, NULL), 0x8007007A); /* again, not for ever */
        assert_hr(FilterGetMessage(f->port, small, 24, &first), 0x800703E5);
        g_assert_false(GetOverlappedResult(f->port, &first, &bytes, TRUE));
        g_assert_cmpuint(GetLastError(), ==, ERROR_INSUFFICIENT_BUFFER);
        g_assert_cmpuint(bytes, ==, 25);
        assert_hr(FilterTryGetMessage(f->port, small, 16, &bytes), 0x8007007A);
        g_assert_cmpuint(bytes, ==, 25);
        assert_hr(FilterGetMessage(f->port, &large.header, MESSAGE_SIZE, NULL), 0);
        g_assert_cmpmem(large.text, 9, "forty-two", 9);
        g_assert_cmpint(fake_finish(f->connection, &slot, NULL, NULL, 0), ==, 0);
}

/* The oldest large enough gets it; if none is, the oldest is told, one only, and smaller messages go on. */
static void test_oldest_that_fits(struct fixture *f, gconstpointer unused)
{
        struct message large = { 0 }, late = { 0 };
        FILTER_MESSAGE_HEADER small[3][2];
        OVERLAPPED overlapped[3] = { { 0 } };
        struct fm_slot slot[3];
        DWORD bytes = 0;

        assert_hr(FilterGetMessage(f->port, small[0], 20, &overlapped[0]), 0x800703E5);
        assert_hr(FilterGetMessage(f->port, &large.header, MESSAGE_SIZE, &large.overlapped), 0x800703E5);
        assert_hr(FilterGetMessage(f->port, small[1], 20, &overlapped[1]), 0x800703E5);
        fake_offer(f->connection, &slot[0], "ten bytes!", 10, 0, false);
        g_assert_true(GetOverlappedResult(f->port, &large.overlapped, &bytes, TRUE));
        g_assert_cmpuint(bytes, ==, 26);
        g_assert_false(HasOverlappedIoCompleted(&overlapped[0]));
        fake_offer(f->connection, &slot[1], "ten bytes?", 10, 0, false);
        g_assert_false(GetOverlappedResult(f->port, &overlapped[0], &bytes, TRUE));
        g_assert_cmpuint(GetLastError(), ==, ERROR_INSUFFICIENT_BUFFER);
        g_assert_cmpuint(bytes, ==, 26);
        g_assert_false(HasOverlappedIoCompleted(&overlapped[1]));
        fake_offer(f->connection, &slot[2], "four", 4, 0, false);
        g_assert_true(GetOverlappedResult(f->port, &overlapped[1], &bytes, TRUE));
        g_assert_cmpuint(bytes, ==, 20);
        assert_hr(FilterGetMessage(f->port, &late.header, MESSAGE_SIZE, NULL), 0);
        g_assert_cmpmem(late.text, 10, "ten bytes?", 10);
        for (unsigned i = 0; i < 3; i++)
                g_assert_cmpint(fake_finish(f->connection, &slot[i], NULL, NULL, 0), ==, 0);
}

static void test_event(struct fixture *f, gconstpointer unused)
{
        struct message message = { .overlapped.hEvent = CreateEventW(NULL, TRUE, TRUE, NULL) };
        struct sender sender = { .one_way = true };
        HANDLE never = CreateEventW(NULL, TRUE, FALSE, NULL), both[2] = { never, message.overlapped.hEvent };
        DWORD bytes = 0;

        for (unsigned i = 0; i < 50; i++) {
                assert_hr(FilterGetMessage(f->port, &message.header, MESSAGE_SIZE, &message.overlapped),
                          0x800703E5);
                g_assert_cmphex(message.overlapped.Internal, ==, 0x103);
                g_assert_cmpuint(WaitForSingleObject(message.overlapped.hEvent, 0), ==, WAIT_TIMEOUT);
                g_assert_false(GetOverlappedResult(f->port, &message.overlapped, &bytes, FALSE));
                g_assert_cmpuint(GetLastError(), ==, ERROR_IO_INCOMPLETE);
                sender_start(&sender, f->connection, "event");
                g_assert_cmpuint(WaitForMultipleObjects(2, both, FALSE, INFINITE), ==, WAIT_OBJECT_0 + 1);
                g_assert_true(GetOverlappedResult(f->port, &message.overlapped, &bytes, FALSE));
                g_assert_cmpuint(bytes, ==, 21);
                g_thread_join(sender.thread);
        }
        assert_hr(FilterGetMessage(f->port, &message.header, MESSAGE_SIZE, &message.overlapped), 0x800703E5);
        g_assert_false(GetOverlappedResultEx(f->port, &message.overlapped, &bytes, 1, FALSE));
        g_assert_cmpuint(GetLastError(), ==, WAIT_TIMEOUT);
        fake_kick(f->connection);
        g_assert_cmpuint(WaitForSingleObject(message.overlapped.hEvent, INFINITE), ==, WAIT_OBJECT_0);
        g_assert_cmphex(message.overlapped.Internal, ==, 0xC0000037);
        g_assert_false(GetOverlappedResult(f->port, &message.overlapped, &bytes, TRUE));
        g_assert_cmpuint(GetLastError(), ==, ERROR_INVALID_HANDLE);
        assert_hr(FilterGetMessage(f->port, &message.header, MESSAGE_SIZE, &message.overlapped), 0x80070006);
        CloseHandle(never);
        CloseHandle(message.overlapped.hEvent);
}

static DWORD WINAPI wait_for_event(LPVOID parameter)
{
        return WaitForSingleObject(parameter, INFINITE);
}

/*
 * Two threads wait for a receive each: when the one that looks after the socket has its own, the other takes
 * over.
 */
static void test_two_waiters(struct fixture *f, gconstpointer unused)
{
        for (unsigned round = 0; round < 100; round++) {
                struct message messages[2] = { { .header = { 0 } } };
                struct fm_slot slots[2];
                HANDLE threads[2];

                for (unsigned i = 0; i < 2; i++) {
                        messages[i].overlapped.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL);
                        assert_hr(FilterGetMessage(f->port, &messages[i].header, MESSAGE_SIZE,
                                                   &messages[i].overlapped),
                                  0x800703E5);
                        threads[i] =
                                CreateThread(NULL, 0, wait_for_event, messages[i].overlapped.hEvent, 0, NULL);
                }
                for (unsigned i = 0; i < 2; i++) {
                        fake_offer(f->connection, &slots[i], "m", 1, 0, false);
                        g_assert_cmpint(fake_finish(f->connection, &slots[i], NULL, NULL, 0), ==, 0);
                }
                g_assert_cmpuint(WaitForMultipleObjects(2, threads, TRUE, INFINITE), ==, WAIT_OBJECT_0);
                for (unsigned i = 0; i < 2; i++) {
                        CloseHandle(threads[i]);
                        CloseHandle(messages[i].overlapped.hEvent);
                }
        }
}

struct pool {
        HANDLE port, completion;
        LONG received;
};

static DWORD WINAPI pool_worker(LPVOID parameter)
{
        struct pool *pool = parameter;
        struct message *message;
        OVERLAPPED *overlapped;
        ULONG_PTR key;
        DWORD bytes;

        while (GetQueuedCompletionStatus(pool->completion, &bytes, &key, &overlapped, INFINITE)) {
                g_assert_cmpuint(key, ==, 77);
                message = CONTAINING_RECORD(overlapped, struct message, overlapped);
                message->text[MIN(bytes - 16, sizeof(message->text) - 1)] = '\0';
                InterlockedIncrement(&pool->received); /* before the sender goes on */
                assert_hr(reply_to(pool->port, message->header.MessageId, 0, message->text), 0);
                if (FilterGetMessage(pool->port, &message->header, MESSAGE_SIZE, overlapped) == E_HANDLE)
                        return ERROR_INVALID_HANDLE; /* the connection has ended meanwhile */
        }
        return overlapped ? GetLastError() : 0;
}

struct load {
        struct fake_connection *connection;
        unsigned first, count;
};

static gpointer send_many(gpointer pointer)
{
        struct load *load = pointer;

        for (unsigned i = 0; i < load->count; i++) {
                char text[32], reply[32];
                uint32_t length = sizeof(reply);

                g_snprintf(text, sizeof(text), "%u", load->first + i);
                g_assert_cmpint(fake_send(load->connection, text, (uint32_t)strlen(text), reply, &length, 0),
                                ==, 0);
                g_assert_cmpmem(reply, length, text, strlen(text));
        }
        return NULL;
}

/* Each message is answered with its own text, whoever took it; cancelling everything ends the workers. */
static void test_completion_port(struct fixture *f, gconstpointer unused)
{
        enum { WORKERS = 4, RECEIVES = 6, SENDERS = 8, EACH = 500 };
        struct pool pool = { .port = f->port };
        struct message messages[RECEIVES];
        struct load loads[SENDERS];
        GThread *senders[SENDERS];
        HANDLE threads[WORKERS];

        memset(messages, 0, sizeof(messages));
        pool.completion = CreateIoCompletionPort(f->port, NULL, 77, WORKERS);
        g_assert_nonnull(pool.completion);
        g_assert_null(CreateIoCompletionPort(f->port, pool.completion, 78, 0));
        g_assert_cmpuint(GetLastError(), ==, ERROR_INVALID_PARAMETER);
        for (unsigned i = 0; i < WORKERS; i++)
                threads[i] = CreateThread(NULL, 0, pool_worker, &pool, 0, NULL);
        for (unsigned i = 0; i < RECEIVES; i++)
                assert_hr(
                        FilterGetMessage(f->port, &messages[i].header, MESSAGE_SIZE, &messages[i].overlapped),
                        0x800703E5);
        for (unsigned i = 0; i < SENDERS; i++) {
                loads[i] = (struct load){ f->connection, i * EACH, EACH };
                senders[i] = g_thread_new("sender", send_many, &loads[i]);
        }
        for (unsigned i = 0; i < SENDERS; i++)
                g_thread_join(senders[i]);
        g_assert_cmpint(InterlockedExchangeAdd(&pool.received, 0), ==, SENDERS * EACH);
        /* One failed completion ends one worker. One that was busy starts another receive: again, then. */
        do {
                CancelIoEx(f->port, NULL);
        } while (WaitForMultipleObjects(WORKERS, threads, TRUE, 1) != WAIT_OBJECT_0);
        for (unsigned i = 0; i < WORKERS; i++) {
                DWORD code;

                GetExitCodeThread(threads[i], &code);
                g_assert_cmpuint(code, ==, ERROR_OPERATION_ABORTED);
                CloseHandle(threads[i]);
        }
        g_assert_true(CloseHandle(pool.completion));
}

struct sized {
        HANDLE port;
        DWORD size;
};

static DWORD WINAPI get_sized(LPVOID parameter)
{
        struct sized *sized = parameter;
        struct message message;

        return (DWORD)FilterGetMessage(sized->port, &message.header, sized->size, NULL);
}

/*
 * Whichever blocked thread wakes first, the one whose buffer is large enough gets the message; the other
 * waits on.
 */
static void test_blocked_sizes(struct fixture *f, gconstpointer unused)
{
        for (unsigned round = 0; round < 100; round++) {
                struct sized sized[2] = {{f->port, round % 2 ? 20 : 80}, {f->port, round % 2 ? 80 : 20}};
                unsigned large = round % 2, small = !large;
                struct fm_slot slot;
                HANDLE threads[2];
                DWORD code;

                for (unsigned i = 0; i < 2; i++) {
                        threads[i] = CreateThread(NULL, 0, get_sized, &sized[i], 0, NULL);
                        while (atomic_load(&f->connection->ring.header->armed) <= i)
                                SwitchToThread();
                }
                fake_offer(f->connection, &slot, "twenty bytes at least", 21, 0, false);
                g_assert_cmpuint(WaitForSingleObject(threads[large], INFINITE), ==, WAIT_OBJECT_0);
                GetExitCodeThread(threads[large], &code);
                g_assert_cmphex(code, ==, 0);
                g_assert_cmpint(fake_finish(f->connection, &slot, NULL, NULL, 0), ==, 0);
                /* Had it been alone in the queue when the message came, it was told of it. */
                fake_offer(f->connection, &slot, "four", 4, 0, false);
                g_assert_cmpuint(WaitForSingleObject(threads[small], INFINITE), ==, WAIT_OBJECT_0);
                GetExitCodeThread(threads[small], &code);
                g_assert_true(code == 0 || code == 0x8007007A);
                g_assert_cmphex((uint32_t)fake_finish(f->connection, &slot, NULL, NULL, 1), ==,
                                code ? 0x102 : 0);
                for (unsigned i = 0; i < 2; i++)
                        CloseHandle(threads[i]);
        }
}

static DWORD WINAPI sync_worker(LPVOID parameter)
{
        struct message message;
        DWORD count = 0;

        while (FilterGetMessage(parameter, &message.header, MESSAGE_SIZE, NULL) == S_OK) {
                char text[64] = "";
                size_t length = strnlen(message.text, sizeof(message.text));

                memcpy(text, message.text, MIN(length, sizeof(text) - 1));
                assert_hr(reply_to(parameter, message.header.MessageId, 0, text), 0);
                memset(message.text, 0, sizeof(message.text));
                count++;
        }
        return count;
}

static gpointer send_padded(gpointer pointer)
{
        struct load *load = pointer;

        for (unsigned i = 0; i < load->count; i++) {
                char text[64] = "", reply[64];
                uint32_t length = sizeof(reply);

                g_snprintf(text, sizeof(text), "%u", load->first + i);
                g_assert_cmpint(fake_send(load->connection, text, sizeof(text), reply, &length, 0), ==, 0);
                g_assert_cmpmem(reply, length, text, strlen(text));
        }
        return NULL;
}

static void test_many_threads(struct fixture *f, gconstpointer unused)
{
        enum { WORKERS = 4, SENDERS = 8, EACH = 500 };
        struct load loads[SENDERS];
        GThread *senders[SENDERS];
        HANDLE threads[WORKERS];
        DWORD total = 0;

        for (unsigned i = 0; i < WORKERS; i++)
                threads[i] = CreateThread(NULL, 0, sync_worker, f->port, 0, NULL);
        for (unsigned i = 0; i < SENDERS; i++) {
                loads[i] = (struct load){ f->connection, i * EACH, EACH };
                senders[i] = g_thread_new("sender", send_padded, &loads[i]);
        }
        for (unsigned i = 0; i < SENDERS; i++)
                g_thread_join(senders[i]);
        fake_kick(f->connection);
        g_assert_cmpuint(WaitForMultipleObjects(WORKERS, threads, TRUE, INFINITE), ==, WAIT_OBJECT_0);
        for (unsigned i = 0; i < WORKERS; i++) {
                DWORD count;

                GetExitCodeThread(threads[i], &count);
                total += count;
                CloseHandle(threads[i]);
        }
        g_assert_cmpuint(total, ==, SENDERS * EACH);
}

/* Threads in FilterGetMessage and a completion port on one connection: every message goes to one of them. */
static void test_mixed(struct fixture *f, gconstpointer unused)
{
        enum { WORKERS = 2, SENDERS = 6, EACH = 300 };
        struct pool pool = { .port = f->port };
        struct load loads[SENDERS];
        GThread *senders[SENDERS];
        HANDLE threads[2 * WORKERS];
        struct message messages[WORKERS];
        DWORD by_threads = 0;

        memset(messages, 0, sizeof(messages));
        pool.completion = CreateIoCompletionPort(f->port, NULL, 77, 0);
        for (unsigned i = 0; i < WORKERS; i++) {
                assert_hr(
                        FilterGetMessage(f->port, &messages[i].header, MESSAGE_SIZE, &messages[i].overlapped),
                        0x800703E5);
                threads[i] = CreateThread(NULL, 0, pool_worker, &pool, 0, NULL);
                threads[WORKERS + i] = CreateThread(NULL, 0, sync_worker, f->port, 0, NULL);
        }
        for (unsigned i = 0; i < SENDERS; i++) {
                loads[i] = (struct load){ f->connection, i * EACH, EACH };
                senders[i] = g_thread_new("sender", send_padded, &loads[i]);
        }
        for (unsigned i = 0; i < SENDERS; i++)
                g_thread_join(senders[i]);
        fake_kick(f->connection);
        for (unsigned i = 0; i < WORKERS; i++) {
                DWORD count;

                g_assert_cmpuint(WaitForSingleObject(threads[WORKERS + i], INFINITE), ==, WAIT_OBJECT_0);
                GetExitCodeThread(threads[WORKERS + i], &count);
                by_threads += count;
        }
        g_assert_cmpuint(WaitForMultipleObjects(WORKERS, threads, TRUE, INFINITE), ==, WAIT_OBJECT_0);
        g_assert_cmpint(InterlockedExchangeAdd(&pool.received, 0) + (LONG)by_threads, ==, SENDERS * EACH);
        for (unsigned i = 0; i < 2 * WORKERS; i++)
                CloseHandle(threads[i]);
        CloseHandle(pool.completion);
}

static void test_descriptor(struct fixture *f, gconstpointer unused)
{
        struct message message;
        struct pollfd pollfd = { .events = POLLIN };
        struct load load = { f->connection, 0, 200 };
        GThread *sender;
        struct fm_slot early;
        DWORD bytes;
        unsigned count = 0;

        /* A message that was there before anybody asked for the descriptor makes it readable, too. */
        fake_offer(f->connection, &early, "early", 5, 0, false);
        assert_hr(FilterGetPortDescriptor(f->port, &pollfd.fd), 0);
        g_assert_cmpint(poll(&pollfd, 1, -1), ==, 1);
        assert_hr(FilterTryGetMessage(f->port, &message.header, MESSAGE_SIZE, &bytes), 0);
        g_assert_cmpuint(bytes, ==, 21);
        g_assert_cmpint(fake_finish(f->connection, &early, NULL, NULL, 0), ==, 0);

        sender = g_thread_new("sender", send_padded, &load);
        while (count < 200) {
                HRESULT hr;

                g_assert_cmpint(poll(&pollfd, 1, -1), ==, 1);
                while ((hr = FilterTryGetMessage(f->port, &message.header, MESSAGE_SIZE, &bytes)) == S_OK) {
                        assert_hr(reply_to(f->port, message.header.MessageId, 0, message.text), 0);
                        count++;
                }
                assert_hr(hr, 0x80070103);
        }
        g_thread_join(sender);
        g_assert_cmpint(poll(&pollfd, 1, 0), ==, 0);
        fake_kick(f->connection);
        g_assert_cmpint(poll(&pollfd, 1, -1), ==, 1);
        assert_hr(FilterTryGetMessage(f->port, &message.header, MESSAGE_SIZE, &bytes), 0x80070006);
        g_assert_cmpint(poll(&pollfd, 1, 0), ==, 1); /* it stays so */
}

/*
 * A section appears under the filter's handle before the message that names it, and the ring counts its
 * close.
 */
static void test_given(struct fixture *f, gconstpointer unused)
{
        int fd = memfd_create("given", MFD_CLOEXEC);
        struct message message = { 0 };
        struct fm_slot slot;
        char *view;

        g_assert_cmpint(write(fd, "content", 7), ==, 7);
        for (unsigned i = 0; i < 20; i++) {
                HANDLE handle = (HANDLE)(ULONG_PTR)(0x40000100 + 4 * i);

                fake_give(f->connection, (ULONG_PTR)handle, fd, 7);
                fake_offer(f->connection, &slot, &handle, sizeof(handle), 0, false);
                assert_hr(FilterGetMessage(f->port, &message.header, MESSAGE_SIZE, NULL), 0);
                memcpy(&handle, message.text, sizeof(handle));
                view = MapViewOfFile(handle, FILE_MAP_READ, 0, 0, 0);
                g_assert_nonnull(view);
                g_assert_cmpmem(view, 7, "content", 7);
                g_assert_true(UnmapViewOfFile(view));
                g_assert_true(CloseHandle(handle));
                g_assert_cmpuint(atomic_load(&f->connection->ring.header->closed), ==, i + 1);
                g_assert_cmpint(fake_finish(f->connection, &slot, NULL, NULL, 0), ==, 0);
        }
        close(fd);
}

static void test_synchronous_handle(void)
{
        struct fixture f;
        struct message message = { .overlapped.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL) };
        struct sender sender = { .one_way = true };
        DWORD bytes;

        setup_with(&f, FLT_PORT_FLAG_SYNC_HANDLE);
        sender_start(&sender, f.connection, "sync");
        /* An overlapped receive is over when the call returns. */
        assert_hr(FilterGetMessage(f.port, &message.header, MESSAGE_SIZE, &message.overlapped), 0);
        g_assert_cmpuint(WaitForSingleObject(message.overlapped.hEvent, 0), ==, WAIT_OBJECT_0);
        g_assert_true(GetOverlappedResult(f.port, &message.overlapped, &bytes, FALSE));
        g_assert_cmpuint(bytes, ==, 20);
        g_thread_join(sender.thread);
        CloseHandle(message.overlapped.hEvent);
        teardown(&f, NULL);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        ADD("/receive/synchronous", test_synchronous);
        ADD("/receive/one-way", test_one_way);
        ADD("/receive/arguments", test_arguments);
        ADD("/receive/too-small", test_too_small);
        ADD("/receive/oldest-that-fits", test_oldest_that_fits);
        ADD("/receive/event", test_event);
        ADD("/receive/event/two-waiters", test_two_waiters);
        ADD("/receive/completion-port", test_completion_port);
        ADD("/receive/blocked-sizes", test_blocked_sizes);
        ADD("/receive/many-threads", test_many_threads);
        ADD("/receive/mixed", test_mixed);
        ADD("/receive/descriptor", test_descriptor);
        ADD("/receive/given", test_given);
        g_test_add_func("/receive/synchronous-handle", test_synchronous_handle);
        return g_test_run();
}
