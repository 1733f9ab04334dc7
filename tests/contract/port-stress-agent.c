/* SPDX-License-Identifier: MIT */
/*
 * An agent of port-stress: connects, receives in one of four ways with cancels in between, replies as each message
 * asks, calls into the filter, closes, connects again. SIGTERM: closes for good. Whatever is not as it must be
 * ends it with abort().
 *
 *   port-stress-agent INDEX SEED RECORDS     the table of so many records is mapped from STRESS_TABLE_FD
 */
#include <windows.h>
#include <ntstatus.h>

#include <fltUserExt.h>

#include <glib.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "port-stress.h"

#define THREADS_MAX 4
#define RECEIVES_MAX 8
#define SMALL 8192u /* buffer of overlapped receives; whoever finds it too small asks again with a large one */
#define LARGE (sizeof(FILTER_MESSAGE_HEADER) + STRESS_AREA)
#define IDS_MAX (1u << 22)

#define ABORTED HRESULT_FROM_WIN32(ERROR_OPERATION_ABORTED)
#define NO_MESSAGE HRESULT_FROM_WIN32(ERROR_NO_MORE_ITEMS)
#define PENDING HRESULT_FROM_WIN32(ERROR_IO_PENDING)
#define BAD_HANDLE HRESULT_FROM_WIN32(ERROR_INVALID_HANDLE)

enum mode {
        MODE_THREADS,
        MODE_COMPLETION_PORT,
        MODE_EVENTS,
        MODE_DESCRIPTOR,
        MODES,
};

struct receive {
        OVERLAPPED overlapped;
        PFILTER_MESSAGE_HEADER buffer;
        DWORD size;
        uint64_t asked_at;
};

static struct stress_record *table;
static size_t records;
static uint64_t seed;
static _Atomic bool stopping;

/* One connection. */
static HANDLE port, completion;
static SRWLOCK port_lock = SRWLOCK_INIT; /* guards port_open */
static bool port_open;
static _Atomic int quota;                /* messages until it is closed */
static _Atomic uint64_t *ids;            /* bits: which were seen */
static struct receive receives[RECEIVES_MAX];
static _Atomic unsigned outstanding;

static void port_close(void)
{
        AcquireSRWLockExclusive(&port_lock);
        if (port_open)
                g_assert_true(CloseHandle(port));
        port_open = false;
        ReleaseSRWLockExclusive(&port_lock);
}

static void check_id(ULONGLONG id)
{
        uint64_t bit;

        g_assert_cmpuint(id, >=, 1);
        if (id >= IDS_MAX)
                return;
        bit = UINT64_C(1) << id % 64;
        g_assert_false(atomic_fetch_or(&ids[id / 64], bit) & bit);
}

static HRESULT reply(const struct stress_message *message, ULONGLONG id)
{
        DWORD length = sizeof(FILTER_REPLY_HEADER) + message->reply_length;
        g_autofree PFILTER_REPLY_HEADER buffer = g_malloc0(length);

        buffer->Status = message->status;
        buffer->MessageId = id;
        stress_fill(buffer + 1, message->reply_length, ~message->serial);
        return FilterReplyMessage(port, buffer, length);
}

static void answer(const struct stress_message *message, ULONGLONG id)
{
        struct stress_record *record = &table[message->serial];
        enum stress_answer said = STRESS_DISCONNECTED;
        HRESULT hr;

        if (message->behaviour == STRESS_DROP)
                return;
        if (message->behaviour == STRESS_DELAY)
                g_usleep(message->serial % 2000);
        if (message->behaviour == STRESS_BOGUS) {
                hr = reply(message, id + IDS_MAX);
                g_assert_true(hr == ERROR_FLT_NO_WAITER_FOR_REPLY || hr == BAD_HANDLE);
        }
        atomic_store(&record->answer, STRESS_ANSWERING);
        hr = reply(message, id);
        if (hr == S_OK)
                said = STRESS_ACCEPTED;
        else if (hr == HRESULT_FROM_WIN32(ERROR_MORE_DATA))
                said = STRESS_TRUNCATED;
        else if (hr == ERROR_FLT_NO_WAITER_FOR_REPLY)
                said = STRESS_NO_WAITER;
        else
                g_assert_cmphex((ULONG)hr, ==, (ULONG)BAD_HANDLE);
        if (said == STRESS_TRUNCATED)
                g_assert_cmpuint(message->reply_length, >, message->capacity);
        if (said == STRESS_ACCEPTED && message->capacity != UINT32_MAX)
                g_assert_cmpuint(message->reply_length, <=, message->capacity);
        atomic_store(&record->answer, said);
        if (message->behaviour == STRESS_TWICE) {
                hr = reply(message, id);
                g_assert_true(hr == ERROR_FLT_NO_WAITER_FOR_REPLY || hr == BAD_HANDLE);
        }
}

static void handle(PFILTER_MESSAGE_HEADER header, uint64_t asked_at)
{
        struct stress_message message;
        uint64_t left_at;

        memcpy(&message, header + 1, sizeof(message));
        g_assert_cmpuint(message.serial, <, records);
        g_assert_cmpuint(atomic_fetch_add(&table[message.serial].received, 1), ==, 0);
        left_at = atomic_load(&table[message.serial].left_at);
        g_assert_true(left_at == 0 || left_at > asked_at);
        g_assert_true(stress_check((uint8_t *)(header + 1) + sizeof(message), message.length - sizeof(message),
                                   message.serial));
        g_assert_cmpuint(header->ReplyLength, ==, message.capacity == UINT32_MAX ? 0 : 16 + message.capacity);
        check_id(header->MessageId);
        answer(&message, header->MessageId);
        if (atomic_fetch_sub(&quota, 1) == 1)
                port_close();
}

static void *large_buffer(void)
{
        void *buffer =
                mmap(NULL, LARGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        g_assert_true(buffer != MAP_FAILED);
        return buffer;
}

static DWORD WINAPI run_threads(LPVOID unused)
{
        PFILTER_MESSAGE_HEADER buffer = large_buffer();
        uint64_t asked_at = stress_now();
        HRESULT hr;

        while ((hr = FilterGetMessage(port, buffer, LARGE, NULL)) == S_OK || hr == ABORTED) {
                if (hr == S_OK)
                        handle(buffer, asked_at);
                asked_at = stress_now();
        }
        g_assert_cmphex((ULONG)hr, ==, (ULONG)BAD_HANDLE);
        munmap(buffer, LARGE);
        return 0;
}

static DWORD WINAPI run_descriptor(LPVOID unused)
{
        PFILTER_MESSAGE_HEADER buffer = large_buffer();
        struct pollfd poll_fd = { .events = POLLIN };
        uint64_t asked_at = 0;
        DWORD bytes;
        HRESULT hr = FilterGetPortDescriptor(port, &poll_fd.fd);

        /* The time limit is for SIGTERM: its closing is not an event of the descriptor. */
        while (hr == S_OK && poll(&poll_fd, 1, 5) >= 0) {
                while (asked_at = stress_now(), (hr = FilterTryGetMessage(port, buffer, LARGE, &bytes)) == S_OK)
                        handle(buffer, asked_at);
                if (hr == NO_MESSAGE)
                        hr = S_OK;
        }
        g_assert_cmphex((ULONG)hr, ==, (ULONG)BAD_HANDLE);
        munmap(buffer, LARGE);
        return 0;
}

/* false: the connection has ended, and so has this receive. */
static bool receive_start(struct receive *receive, DWORD size)
{
        HANDLE event = receive->overlapped.hEvent;
        HRESULT hr;

        if (size > receive->size) {
                g_free(receive->buffer);
                receive->buffer = g_malloc(size);
        }
        receive->size = MAX(size, receive->size);
        receive->overlapped = (OVERLAPPED){ .hEvent = event };
        receive->asked_at = stress_now();
        hr = FilterGetMessage(port, receive->buffer, receive->size, &receive->overlapped);
        if (hr == PENDING)
                return true;
        g_assert_cmphex((ULONG)hr, ==, (ULONG)BAD_HANDLE);
        return false;
}

/* The receive has completed; false: and that was its last. */
static bool receive_done(struct receive *receive, DWORD bytes)
{
        NTSTATUS status = (NTSTATUS)receive->overlapped.Internal;
        DWORD size = receive->size;

        if (status == STATUS_SUCCESS) {
                struct stress_message message;

                memcpy(&message, receive->buffer + 1, sizeof(message));
                g_assert_cmpuint(bytes, ==, sizeof(FILTER_MESSAGE_HEADER) + message.length);
                handle(receive->buffer, receive->asked_at);
        } else if (status == STATUS_BUFFER_TOO_SMALL) {
                g_assert_cmpuint(bytes, >, size);
                size = bytes;
        } else if (status != STATUS_CANCELLED) {
                g_assert_cmphex(status, ==, STATUS_PORT_DISCONNECTED);
        }
        return receive_start(receive, size);
}

static DWORD WINAPI run_completion_port(LPVOID unused)
{
        LPOVERLAPPED overlapped;
        ULONG_PTR key;
        DWORD bytes;

        for (;;) {
                BOOL good = GetQueuedCompletionStatus(completion, &bytes, &key, &overlapped, INFINITE);

                g_assert_true(good || overlapped);
                if (!overlapped)
                        break; /* another thread's last packet has gone: it says so */
                if (!receive_done(CONTAINING_RECORD(overlapped, struct receive, overlapped), bytes) &&
                    atomic_fetch_sub(&outstanding, 1) == 1)
                        break;
        }
        PostQueuedCompletionStatus(completion, 0, 0, NULL);
        return 0;
}

static DWORD WINAPI run_event(LPVOID parameter)
{
        struct receive *receive = parameter;

        do
                g_assert_cmpuint(WaitForSingleObject(receive->overlapped.hEvent, INFINITE), ==, WAIT_OBJECT_0);
        while (receive_done(receive, (DWORD)receive->overlapped.InternalHigh));
        return 0;
}

/* Cancels one receive or all of them, now and then. */
static DWORD WINAPI run_canceller(LPVOID unused)
{
        g_autoptr(GRand) random = g_rand_new_with_seed((guint32)seed);
        bool open;

        do {
                unsigned index = g_rand_int_range(random, 0, RECEIVES_MAX + 1);

                g_usleep(g_rand_int_range(random, 100, 5000));
                AcquireSRWLockExclusive(&port_lock);
                open = port_open;
                if (open && !CancelIoEx(port, index < RECEIVES_MAX ? &receives[index].overlapped : NULL))
                        g_assert_cmpuint(GetLastError(), ==, ERROR_NOT_FOUND);
                ReleaseSRWLockExclusive(&port_lock);
        } while (open);
        return 0;
}

static DWORD WINAPI run_caller(LPVOID unused)
{
        g_autoptr(GRand) random = g_rand_new_with_seed((guint32)seed + 1);
        g_autofree uint64_t *in = g_malloc(STRESS_BYTES_MAX), *out = g_malloc(STRESS_BYTES_MAX);
        HRESULT hr;

        do {
                bool large = g_rand_int_range(random, 0, 20) == 0;
                DWORD in_length = g_rand_int_range(random, 8, large ? STRESS_BYTES_MAX : 2000), bytes;
                DWORD out_length = g_rand_int_range(random, 0, large ? STRESS_BYTES_MAX : 2000);

                in[0] = g_rand_int(random);
                stress_fill(in + 1, in_length - 8, in[0]);
                hr = FilterSendMessage(port, in, in_length, out, out_length, &bytes);
                if (hr == S_OK) {
                        g_assert_cmpuint(bytes, ==, out_length);
                        g_assert_true(stress_check(out, bytes, ~in[0]));
                }
                g_usleep(g_rand_int_range(random, 100, 3000));
        } while (hr == S_OK);
        g_assert_cmphex((ULONG)hr, ==, (ULONG)BAD_HANDLE);
        return 0;
}

static DWORD WINAPI run_signals(LPVOID parameter)
{
        int number;

        sigwait(parameter, &number);
        atomic_store(&stopping, true);
        port_close();
        return 0;
}

static void serve(enum mode mode, unsigned count)
{
        static DWORD(WINAPI *const workers[MODES])(LPVOID) = {
                run_threads, run_completion_port, run_event, run_descriptor,
        };
        HANDLE threads[THREADS_MAX + 2];
        unsigned started = 0;

        memset(receives, 0, sizeof(receives));
        if (mode == MODE_COMPLETION_PORT) {
                completion = CreateIoCompletionPort(port, NULL, 7, count);
                if (!completion) { /* closed by SIGTERM already */
                        g_assert_cmpuint(GetLastError(), ==, ERROR_INVALID_HANDLE);
                        return;
                }
                atomic_store(&outstanding, RECEIVES_MAX);
                for (unsigned i = 0; i < RECEIVES_MAX; i++)
                        if (!receive_start(&receives[i], SMALL) && atomic_fetch_sub(&outstanding, 1) == 1)
                                PostQueuedCompletionStatus(completion, 0, 0, NULL);
        }
        if (mode == MODE_DESCRIPTOR)
                count = 1;
        for (unsigned i = 0; i < count; i++) {
                if (mode == MODE_EVENTS) {
                        receives[i].overlapped.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL);
                        if (!receive_start(&receives[i], SMALL))
                                continue;
                }
                threads[started++] = CreateThread(NULL, 0, workers[mode], &receives[i], 0, NULL);
        }
        threads[started++] = CreateThread(NULL, 0, run_canceller, NULL, 0, NULL);
        threads[started++] = CreateThread(NULL, 0, run_caller, NULL, 0, NULL);
        for (unsigned i = 0; i < started; i++) {
                g_assert_nonnull(threads[i]);
                g_assert_cmpuint(WaitForSingleObject(threads[i], INFINITE), ==, WAIT_OBJECT_0);
                CloseHandle(threads[i]);
        }
        if (mode == MODE_COMPLETION_PORT)
                CloseHandle(completion);
        for (unsigned i = 0; i < RECEIVES_MAX; i++) {
                g_free(receives[i].buffer);
                if (receives[i].overlapped.hEvent)
                        CloseHandle(receives[i].overlapped.hEvent);
        }
}

int main(int argc, char **argv)
{
        static sigset_t signals;
        g_autoptr(GRand) random = NULL;
        uint32_t index;

        g_assert_cmpint(argc, ==, 4);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        index = strtoul(argv[1], NULL, 0);
        seed = strtoull(argv[2], NULL, 0);
        records = strtoull(argv[3], NULL, 0);
        random = g_rand_new_with_seed((guint32)seed);
        table = mmap(NULL, records * sizeof(*table), PROT_READ | PROT_WRITE, MAP_SHARED, STRESS_TABLE_FD, 0);
        g_assert_true(table != MAP_FAILED);
        ids = mmap(NULL, IDS_MAX / 8, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        g_assert_true(ids != MAP_FAILED);
        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        pthread_sigmask(SIG_BLOCK, &signals, NULL);
        CloseHandle(CreateThread(NULL, 0, run_signals, &signals, 0, NULL));

        while (!atomic_load(&stopping)) {
                HANDLE handle;
                HRESULT hr = FilterConnectCommunicationPort(STRESS_PORT, 0, &index, sizeof(index), NULL, &handle);

                if (hr == HRESULT_FROM_WIN32(ERROR_FILE_NOT_FOUND))
                        break; /* the test is over */
                g_assert_cmphex((ULONG)hr, ==, (ULONG)S_OK);
                AcquireSRWLockExclusive(&port_lock);
                port = handle;
                port_open = true;
                ReleaseSRWLockExclusive(&port_lock);
                if (atomic_load(&stopping))
                        port_close();
                madvise((void *)ids, IDS_MAX / 8, MADV_DONTNEED);
                atomic_store(&quota, g_rand_int_range(random, 1, 20000));
                serve(g_rand_int_range(random, 0, MODES), g_rand_int_range(random, 1, THREADS_MAX + 1));
                port_close();
        }
        return 0;
}
