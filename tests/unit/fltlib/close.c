/* SPDX-License-Identifier: MIT */
/* What ends receives without a message: cancel, close, kick, death of the server; and handles that are shared. */
#include "fixture.h"

#include "../win32/asleep.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_cancel(struct fixture *f, gconstpointer unused)
{
        struct message a = { 0 }, b = { 0 };
        struct fm_slot slot;
        DWORD bytes;

        g_assert_false(CancelIoEx(f->port, NULL));
        g_assert_cmpuint(GetLastError(), ==, ERROR_NOT_FOUND);
        assert_hr(FilterGetMessage(f->port, &a.header, MESSAGE_SIZE, &a.overlapped), 0x800703E5);
        assert_hr(FilterGetMessage(f->port, &b.header, MESSAGE_SIZE, &b.overlapped), 0x800703E5);
        g_assert_true(CancelIoEx(f->port, &a.overlapped));
        g_assert_false(GetOverlappedResult(f->port, &a.overlapped, &bytes, TRUE));
        g_assert_cmpuint(GetLastError(), ==, ERROR_OPERATION_ABORTED);
        g_assert_cmphex(a.overlapped.Internal, ==, 0xC0000120);
        fake_offer(f->connection, &slot, "b", 1, 0, false);
        g_assert_true(GetOverlappedResult(f->port, &b.overlapped, &bytes, TRUE));
        g_assert_cmpint(fake_finish(f->connection, &slot, NULL, NULL, 0), ==, 0);
        assert_hr(FilterGetMessage(f->port, &a.header, MESSAGE_SIZE, &a.overlapped), 0x800703E5);
        g_assert_true(CancelIo(f->port));
        g_assert_false(GetOverlappedResult(f->port, &a.overlapped, &bytes, TRUE));
        g_assert_cmpuint(GetLastError(), ==, ERROR_OPERATION_ABORTED);
}

static void test_completion_of_close(struct fixture *f, gconstpointer unused)
{
        struct message message = { 0 };
        OVERLAPPED *overlapped = NULL;
        HANDLE completion = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0);
        ULONG_PTR key = 0;
        DWORD bytes;

        g_assert_true(CreateIoCompletionPort(f->port, completion, 5, 0) == completion);
        assert_hr(FilterGetMessage(f->port, &message.header, MESSAGE_SIZE, &message.overlapped), 0x800703E5);
        CloseHandle(f->port);
        f->port = NULL;
        g_assert_false(GetQueuedCompletionStatus(completion, &bytes, &key, &overlapped, INFINITE));
        g_assert_cmpuint(GetLastError(), ==, ERROR_INVALID_HANDLE);
        g_assert_true(overlapped == &message.overlapped);
        g_assert_cmpuint(key, ==, 5);
        CloseHandle(completion);
}

static void test_completion_of_kick(struct fixture *f, gconstpointer unused)
{
        struct message message = { 0 };
        OVERLAPPED *overlapped = NULL;
        HANDLE completion = CreateIoCompletionPort(f->port, NULL, 0, 0);
        ULONG_PTR key = 0;
        DWORD bytes;

        assert_hr(FilterGetMessage(f->port, &message.header, MESSAGE_SIZE, &message.overlapped), 0x800703E5);
        fake_kick(f->connection);
        g_assert_false(GetQueuedCompletionStatus(completion, &bytes, &key, &overlapped, INFINITE));
        g_assert_cmpuint(GetLastError(), ==, ERROR_INVALID_HANDLE);
        g_assert_true(overlapped == &message.overlapped);
        assert_hr(reply_to(f->port, 1, 0, ""), 0x80070006);
        assert_hr(call(f->port, "x", 1, NULL, 0, &bytes), 0x80070006);
        CloseHandle(completion);
}

static DWORD WINAPI get_one(LPVOID parameter)
{
        struct message message;

        return (DWORD)FilterGetMessage(parameter, &message.header, MESSAGE_SIZE, NULL);
}

/*
 * Threads that block in FilterGetMessage come back at a kick, at CancelIoEx and at the close of the handle.
 */
static void test_blocked(struct fixture *f, gconstpointer how)
{
        HANDLE threads[3], copy = NULL;
        ULONG wanted = 0x80070006;

        DuplicateHandle(GetCurrentProcess(), f->port, GetCurrentProcess(), &copy, 0, FALSE, 0);
        for (unsigned i = 0; i < 3; i++)
                threads[i] = CreateThread(NULL, 0, get_one, copy, 0, NULL);
        /* Who is armed receives, or is about to. On a synchronous handle that is one, for whom the others wait. */
        while (atomic_load(&f->connection->ring.header->armed) < (f->connection->options ? 1 : 3))
                SwitchToThread();
        if (how == GINT_TO_POINTER(0)) {
                fake_kick(f->connection);
        } else if (how == GINT_TO_POINTER(1)) {
                unsigned ended = 0;

                wanted = 0x800703E3;
                while (ended < 3) {
                        CancelIoEx(f->port, NULL);
                        for (ended = 0; ended < 3 && WaitForSingleObject(threads[ended], 0) == WAIT_OBJECT_0;
                             ended++)
                                ;
                }
        } else {
                CloseHandle(f->port);
                f->port = NULL;
                g_assert_cmpuint(WaitForMultipleObjects(3, threads, FALSE, 0), ==, WAIT_TIMEOUT);
                CloseHandle(copy);
                copy = NULL;
        }
        g_assert_cmpuint(WaitForMultipleObjects(3, threads, TRUE, INFINITE), ==, WAIT_OBJECT_0);
        for (unsigned i = 0; i < 3; i++) {
                DWORD code;

                GetExitCodeThread(threads[i], &code);
                g_assert_cmphex(code, ==, wanted);
                CloseHandle(threads[i]);
        }
        if (copy)
                CloseHandle(copy);
}

static void setup_synchronous(struct fixture *f, gconstpointer unused)
{
        setup_with(f, FLT_PORT_FLAG_SYNC_HANDLE);
}

static void test_server_dies(void)
{
        struct fixture f;
        struct message message = { 0 };
        HANDLE thread;
        DWORD code;

        setup_with(&f, 0);
        thread = CreateThread(NULL, 0, get_one, f.port, 0, NULL);
        while (atomic_load(&f.connection->ring.header->armed) < 1)
                SwitchToThread();
        /* Without a word in the ring: the end of the socket must do. */
        shutdown(f.connection->fd, SHUT_RDWR);
        g_assert_cmpuint(WaitForSingleObject(thread, INFINITE), ==, WAIT_OBJECT_0);
        GetExitCodeThread(thread, &code);
        g_assert_cmphex(code, ==, 0x80070006);
        assert_hr(FilterGetMessage(f.port, &message.header, MESSAGE_SIZE, NULL), 0x80070006);
        CloseHandle(thread);
        CloseHandle(f.port);
        fake_server_free(f.server);
}

/* A manager that is stopped, by a debugger perhaps, keeps nobody in CloseHandle: with a receiver asleep, and without. */
static void test_server_stopped(struct fixture *f, gconstpointer asleep)
{
        HANDLE thread = NULL;
        DWORD code;

        if (asleep) {
                thread = CreateThread(NULL, 0, get_one, f->port, 0, NULL);
                while (atomic_load(&f->connection->ring.header->armed) < 1)
                        SwitchToThread();
        }
        fake_server_stop(f->server);
        g_assert_true(CloseHandle(f->port));
        f->port = NULL;
        fake_server_continue(f->server);
        if (!thread)
                return;
        g_assert_cmpuint(WaitForSingleObject(thread, INFINITE), ==, WAIT_OBJECT_0);
        GetExitCodeThread(thread, &code);
        g_assert_cmphex(code, ==, 0x80070006);
        CloseHandle(thread);
}

/* A filter that takes its time in DisconnectNotify is waited for: the manager is asked whether it lives, and it does. */
static void test_filter_slow(struct fixture *f, gconstpointer unused)
{
        fake_server_hold_join(f->server);
        g_assert_true(CloseHandle(f->port));
        f->port = NULL;
        g_assert_false(fake_server_holds_join(f->server));
        g_assert_cmpuint(fake_server_joins(f->server), ==, 1);
}

/* A thread in poll() on the port's descriptor has the socket open: it is woken, and the connection ends. */
static DWORD WINAPI poll_descriptor(LPVOID parameter)
{
        struct pollfd descriptor = { .fd = (int)(LONG_PTR)parameter, .events = POLLIN };

        return poll(&descriptor, 1, -1) == 1;
}

static void test_polled(struct fixture *f, gconstpointer unused)
{
        uint8_t doorbells[1024];
        HANDLE thread;
        int descriptor;
        DWORD id;

        assert_hr(FilterGetPortDescriptor(f->port, &descriptor), 0);
        /* The doorbell that comes at once. */
        g_assert_cmpint(recv(descriptor, doorbells, sizeof(doorbells), 0), >, 0);
        thread = CreateThread(NULL, 0, poll_descriptor, (LPVOID)(LONG_PTR)descriptor, 0, &id);
        wait_asleep(id);
        g_assert_true(CloseHandle(f->port));
        f->port = NULL;
        g_assert_cmpuint(WaitForSingleObject(thread, INFINITE), ==, WAIT_OBJECT_0);
        fake_server_wait_closed(f->server, f->connection);
        CloseHandle(thread);
}

/* A forked child has the connection, too: it ends with the last of them. */
static void test_fork(struct fixture *f, gconstpointer unused)
{
        struct message message = { 0 };
        struct sender sender = { 0 };
        int status;
        pid_t child;

        fake_server_on_call(f->server, echo);
        sender_start(&sender, f->connection, "to the child");
        child = fork();
        if (child == 0) {
                char out[2];
                DWORD bytes;
                bool good = FilterGetMessage(f->port, &message.header, MESSAGE_SIZE, NULL) == S_OK &&
                            call(f->port, "ab", 2, out, 2, &bytes) == S_OK &&
                            reply_to(f->port, message.header.MessageId, 0, "from the child") == S_OK;

                _exit(good ? 0 : 1);
        }
        g_thread_join(sender.thread);
        g_assert_cmpmem(sender.reply, sender.reply_length, "from the child", 14);
        g_assert_cmpint(waitpid(child, &status, 0), ==, child);
        g_assert_cmpint(status, ==, 0);
        sender_start(&sender, f->connection, "to the parent");
        assert_hr(FilterGetMessage(f->port, &message.header, MESSAGE_SIZE, NULL), 0);
        assert_hr(reply_to(f->port, message.header.MessageId, 0, "from the parent"), 0);
        g_thread_join(sender.thread);
        g_assert_false(fake_server_is_closed(f->server, f->connection));
}

/* Descriptors in all epoll sets of this process. */
static unsigned count_watched(void)
{
        g_autoptr(GDir) dir = g_dir_open("/proc/self/fdinfo", 0, NULL);
        unsigned count = 0;
        const char *name;

        g_assert_nonnull(dir);
        while ((name = g_dir_read_name(dir))) {
                g_autofree char *path = g_build_filename("/proc/self/fdinfo", name, NULL), *text = NULL;

                if (!g_file_get_contents(path, &text, NULL, NULL))
                        continue;
                for (const char *line = text; (line = strstr(line, "tfd:")); line++)
                        count++;
        }
        return count;
}

/* A child that closes its handle takes nothing out of its parent's epoll sets, which it has inherited, too. */
static void test_fork_close(struct fixture *f, gconstpointer unused)
{
        HANDLE completions = CreateIoCompletionPort(f->port, NULL, 7, 0);
        struct message message = { 0 };
        unsigned watched;
        pid_t child;
        int status;

        assert_hr(FilterGetMessage(f->port, &message.header, MESSAGE_SIZE, &message.overlapped), 0x800703E5);
        watched = count_watched();
        g_assert_cmpuint(watched, >, 0);
        child = fork();
        if (child == 0)
                _exit(CloseHandle(f->port) ? 0 : 1);
        g_assert_cmpint(waitpid(child, &status, 0), ==, child);
        g_assert_cmpint(status, ==, 0);
        g_assert_cmpuint(count_watched(), ==, watched);
        g_assert_true(CancelIoEx(f->port, NULL));
        CloseHandle(completions);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        ADD("/close/cancel", test_cancel);
        ADD("/close/completion-of-close", test_completion_of_close);
        ADD("/close/completion-of-kick", test_completion_of_kick);
        g_test_add("/close/server-stopped", struct fixture, NULL, setup, test_server_stopped, teardown);
        g_test_add("/close/server-stopped/asleep", struct fixture, GINT_TO_POINTER(1), setup, test_server_stopped,
                   teardown);
        ADD("/close/filter-slow", test_filter_slow);
        ADD("/close/polled", test_polled);
        ADD("/close/fork", test_fork);
        ADD("/close/fork/close", test_fork_close);
        for (unsigned i = 0; i < 3; i++) {
                static const char *const names[] = { "kick", "cancel", "close" };
                g_autofree char *path = g_strdup_printf("/close/blocked/%s", names[i]);
                g_autofree char *synchronous = g_strdup_printf("/close/blocked-synchronous/%s", names[i]);

                g_test_add(path, struct fixture, GUINT_TO_POINTER(i), setup, test_blocked, teardown);
                g_test_add(synchronous, struct fixture, GUINT_TO_POINTER(i), setup_synchronous, test_blocked, teardown);
        }
        g_test_add_func("/close/server-dies", test_server_dies);
        return g_test_run();
}
