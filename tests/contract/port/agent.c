/* SPDX-License-Identifier: MIT */
/* An agent that does what the test asks for, see remote.h: each case is one call as any agent would make it. */
#include <windows.h>
#include <fltUser.h>
#include <fltUserExt.h>

#include <glib.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "remote.h"

struct slot {
        OVERLAPPED overlapped;
        HANDLE event;
        uint8_t *buffer;
        DWORD size;
};

struct worker {
        pthread_t thread;
        int requests[2];
};

static struct worker workers[REMOTE_WORKERS];
static struct slot slots[REMOTE_SLOTS];
static int fork_pipe[2];
static pid_t forked;
static long page;

static HANDLE handle_of(const struct remote_request *request)
{
        return (HANDLE)(uintptr_t)request->handle;
}

/* The nth of the NUL-terminated strings in data, NULL if it is empty. */
static WCHAR *name_of(const struct remote_request *request, unsigned n)
{
        const char *name = (const char *)request->data, *end = name + request->length;

        while (n-- > 0 && name < end)
                name += strlen(name) + 1;
        return name < end && *name ? (WCHAR *)g_utf8_to_utf16(name, -1, NULL, NULL, NULL) : NULL;
}

static void keep(struct remote_result *result, const uint8_t *data, uint32_t length)
{
        result->pattern = remote_pattern_length(data, length);
        result->length = MIN(length, REMOTE_DATA);
        memcpy(result->data, data, result->length);
}

static void keep_message(struct remote_result *result, const uint8_t *buffer, uint32_t size)
{
        FILTER_MESSAGE_HEADER header;

        if (result->bytes < sizeof(header) || result->bytes > size)
                return;
        memcpy(&header, buffer, sizeof(header));
        result->id = header.MessageId;
        result->reply_length = header.ReplyLength;
        keep(result, buffer + sizeof(header), result->bytes - (uint32_t)sizeof(header));
}

/* Memory of the size, or a page of it that ends where nothing is. */
static uint8_t *memory_new(uint32_t size, bool lie, void **map)
{
        uint8_t *memory;

        *map = NULL;
        if (!lie)
                return g_malloc0(size + 1);
        memory = mmap(NULL, (size_t)(2 * page), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        g_assert(memory != MAP_FAILED);
        g_assert(mprotect(memory + page, (size_t)page, PROT_NONE) == 0);
        *map = memory;
        return memory;
}

static void memory_free(uint8_t *memory, void *map)
{
        if (map)
                munmap(map, (size_t)(2 * page));
        else
                g_free(memory);
}

static void fill(uint8_t *memory, uint32_t room, const struct remote_request *request)
{
        if (request->flags & REMOTE_PATTERN)
                for (uint32_t i = 0; i < room; i++)
                        memory[i] = remote_pattern(i);
        else
                memcpy(memory, request->data, MIN(request->length, room));
}

static void do_connect(const struct remote_request *request, struct remote_result *result)
{
        g_autofree uint8_t *context = g_malloc0(request->size + 1);
        g_autofree WCHAR *name = name_of(request, 0);
        /* Behind the name there may be the context's first bytes. */
        uint32_t used = (uint32_t)strnlen((const char *)request->data, request->length) + 1;
        HANDLE port = (HANDLE)1;

        if (request->flags & REMOTE_PATTERN)
                for (uint32_t i = 0; i < request->size; i++)
                        context[i] = remote_pattern(i);
        else if (request->length > used)
                memcpy(context, request->data + used, MIN(request->length - used, request->size));
        result->hr = (uint32_t)FilterConnectCommunicationPort(
                name, request->options, request->flags & REMOTE_NULL_IN ? NULL : context,
                (WORD)request->size, NULL, &port);
        result->handle = (uintptr_t)port;
}

static void do_get(const struct remote_request *request, struct remote_result *result, bool try)
{
        g_autofree uint8_t *buffer = g_malloc0(request->size + 1);
        PFILTER_MESSAGE_HEADER header = request->flags & REMOTE_NULL_OUT ? NULL
                                                                         : (PFILTER_MESSAGE_HEADER)(void *)buffer;
        DWORD bytes = 0;

        if (try) {
                result->hr = (uint32_t)FilterTryGetMessage(handle_of(request), header, request->size, &bytes);
        } else {
                result->hr = (uint32_t)FilterGetMessage(handle_of(request), header, request->size, NULL);
                bytes = request->size; /* not told; the test knows what it sent */
        }
        result->bytes = bytes;
        if (result->hr == S_OK)
                keep_message(result, buffer, request->size);
}

static void do_start_get(const struct remote_request *request, struct remote_result *result)
{
        struct slot *slot = &slots[request->slot];

        g_free(slot->buffer);
        slot->buffer = g_malloc0(request->size + 1);
        slot->size = request->size;
        memset(&slot->overlapped, 0, sizeof(slot->overlapped));
        if (request->flags & REMOTE_EVENT) {
                if (!slot->event)
                        slot->event = CreateEventW(NULL, TRUE, FALSE, NULL);
                slot->overlapped.hEvent = slot->event;
        }
        result->hr = (uint32_t)FilterGetMessage(handle_of(request),
                                                request->flags & REMOTE_NULL_OUT
                                                        ? NULL
                                                        : (PFILTER_MESSAGE_HEADER)(void *)slot->buffer,
                                                request->size, &slot->overlapped);
}

static void keep_slot(struct remote_result *result, const struct slot *slot)
{
        result->internal = (uint32_t)slot->overlapped.Internal;
        result->bytes = (uint32_t)slot->overlapped.InternalHigh;
        result->slot = (uint32_t)(slot - slots);
        if (result->internal == 0)
                keep_message(result, slot->buffer, slot->size);
}

static void do_dequeue(const struct remote_request *request, struct remote_result *result)
{
        OVERLAPPED *overlapped = NULL;
        ULONG_PTR key = 0;
        DWORD bytes = 0;

        result->hr = (uint32_t)GetQueuedCompletionStatus(handle_of(request), &bytes, &key, &overlapped, INFINITE);
        result->error = GetLastError();
        if (overlapped)
                keep_slot(result, (struct slot *)overlapped);
        result->bytes = bytes;
        result->value = key;
}

static void do_reply(const struct remote_request *request, struct remote_result *result)
{
        g_autofree uint8_t *buffer = g_malloc0(MAX(request->size, sizeof(FILTER_REPLY_HEADER)));
        FILTER_REPLY_HEADER header = { request->status, request->id };

        memcpy(buffer, &header, sizeof(header));
        if (request->size > sizeof(header))
                fill(buffer + sizeof(header), request->size - (uint32_t)sizeof(header), request);
        result->hr = (uint32_t)FilterReplyMessage(handle_of(request),
                                                  request->flags & REMOTE_NULL_IN
                                                          ? NULL
                                                          : (PFILTER_REPLY_HEADER)(void *)buffer,
                                                  request->size);
}

static void do_map(const struct remote_request *request, struct remote_result *result)
{
        void *view = MapViewOfFile(handle_of(request), FILE_MAP_READ, 0, 0, request->size);

        result->error = GetLastError();
        result->hr = view != NULL;
        if (!view)
                return;
        keep(result, view, request->size);
        UnmapViewOfFile(view);
}

static void do_send(const struct remote_request *request, struct remote_result *result)
{
        void *in_map, *out_map;
        uint8_t *in = memory_new(request->size, request->flags & REMOTE_LIE_IN, &in_map);
        uint8_t *out = memory_new(request->out_size, request->flags & REMOTE_LIE_OUT, &out_map);
        DWORD bytes = 12345;

        fill(in, in_map ? (uint32_t)page : request->size, request);
        result->hr = (uint32_t)FilterSendMessage(handle_of(request), request->flags & REMOTE_NULL_IN ? NULL : in,
                                                 request->size, request->flags & REMOTE_NULL_OUT ? NULL : out,
                                                 request->out_size, &bytes);
        result->bytes = bytes;
        keep(result, out, out_map ? (uint32_t)page : request->out_size);
        memory_free(in, in_map);
        memory_free(out, out_map);
}

static void do_spin(const struct remote_request *request, struct remote_result *result)
{
        struct slot *slot = &slots[request->slot];

        while ((DWORD)__atomic_load_n(&slot->overlapped.Internal, __ATOMIC_ACQUIRE) == STATUS_PENDING)
                ;
        keep_slot(result, slot);
}

static void do_start_and_spin(const struct remote_request *request, struct remote_result *result)
{
        do_start_get(request, result);
        do_spin(request, result);
}

static void do_in_child(const struct remote_request *request, struct remote_result *result,
                        void (*function)(const struct remote_request *, struct remote_result *))
{
        int answer[2];
        pid_t child;

        g_assert(pipe(answer) == 0);
        child = fork();
        if (child == 0) {
                function(request, result);
                result->value = (uint64_t)getpid();
                _exit(write(answer[1], result, sizeof(*result)) != sizeof(*result));
        }
        close(answer[1]);
        g_assert(read(answer[0], result, sizeof(*result)) == sizeof(*result));
        close(answer[0]);
        waitpid(child, NULL, 0);
}

static void do_poll(const struct remote_request *request, struct remote_result *result)
{
        struct pollfd descriptor = { .fd = -1, .events = POLLIN };

        result->hr = (uint32_t)FilterGetPortDescriptor(handle_of(request), &descriptor.fd);
        if (result->hr == S_OK)
                result->value = (uint64_t)poll(&descriptor, 1, -1);
}

/* Two overlapped receives and the port's descriptor: whichever completes first. */
static void do_poll_result(const struct remote_request *request, struct remote_result *result)
{
        struct pollfd descriptor = { .fd = -1, .events = POLLIN };
        DWORD bytes;

        result->hr = (uint32_t)FilterGetPortDescriptor(handle_of(request), &descriptor.fd);
        for (;;) {
                for (unsigned i = 0; i < 2; i++) {
                        struct slot *slot = &slots[request->slot + i];

                        if (!GetOverlappedResult(handle_of(request), &slot->overlapped, &bytes, FALSE) &&
                            GetLastError() == ERROR_IO_INCOMPLETE)
                                continue;
                        keep_slot(result, slot);
                        return;
                }
                g_assert(poll(&descriptor, 1, -1) == 1);
                result->value++;
        }
}

static void do_become(const struct remote_request *request, struct remote_result *result)
{
        size_t count = request->length / sizeof(gid_t);
        gid_t groups[REMOTE_DATA / sizeof(gid_t)];

        memcpy(groups, request->data, count * sizeof(gid_t));
        result->hr = setgroups(count, groups) == 0 &&
                     setresgid(request->size, request->size, request->size) == 0 &&
                     setresuid(request->options, request->options, request->options) == 0;
}

static int raw_connect(void)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

        g_snprintf(address.sun_path, sizeof(address.sun_path), "%s/fltmgr.sock", g_getenv("FLTSIM_RUNTIME_DIR"));
        g_assert(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
        return fd;
}

/* bytes: what the server sent before it ended it; its last packet in data. */
static void do_raw(const struct remote_request *request, struct remote_result *result)
{
        int fd = raw_connect();
        ssize_t n;

        /* length, bytes; length, bytes: a packet each. */
        for (uint32_t i = 0; i + 4 <= request->length;) {
                uint32_t length;

                memcpy(&length, request->data + i, 4);
                if (send(fd, request->data + i + 4, length, MSG_NOSIGNAL) < 0)
                        break;
                i += 4 + length;
        }
        while ((n = recv(fd, result->data, sizeof(result->data), 0)) > 0) {
                result->length = (uint32_t)n;
                result->bytes += (uint32_t)n;
        }
        close(fd);
}

static void do_flood(const struct remote_request *request, struct remote_result *result)
{
        struct rlimit limit = { request->size + 100, request->size + 100 };
        g_autofree int *fds = g_new(int, request->size);
        uint8_t packet[256];

        setrlimit(RLIMIT_NOFILE, &limit);
        for (uint32_t i = 0; i < request->size; i++) {
                fds[i] = raw_connect();
                (void)!send(fds[i], request->data, request->length, MSG_NOSIGNAL);
                /* WELCOME is type 0x8001. */
                if (recv(fds[i], packet, sizeof(packet), 0) > 16 && packet[4] == 0x01 && packet[5] == 0x80)
                        result->value++;
        }
        for (uint32_t i = 0; i < request->size && request->options; i++)
                close(fds[i]);
}

static void do_limit(const struct remote_request *request)
{
        int next = dup(0);
        struct rlimit limit;

        close(next);
        getrlimit(RLIMIT_NOFILE, &limit);
        limit.rlim_cur = request->options ? limit.rlim_max : (rlim_t)next + request->size;
        setrlimit(RLIMIT_NOFILE, &limit);
}

static void do_attach(const struct remote_request *request, struct remote_result *result)
{
        g_autofree WCHAR *filter = name_of(request, 0), *volume = name_of(request, 1), *name = name_of(request, 2),
                         *altitude = name_of(request, 3);
        WCHAR created[256] = { 0 };
        WCHAR *out = request->flags & REMOTE_NO_NAME ? NULL : created;

        result->hr = (uint32_t)(altitude ? FilterAttachAtAltitude(filter, volume, altitude, name, request->size, out)
                                         : FilterAttach(filter, volume, name, request->size, out));
        keep(result, (uint8_t *)created, (uint32_t)lstrlenW(created) * 2);
}

static void do_find_first(const struct remote_request *request, struct remote_result *result, uint8_t *buffer,
                          DWORD *bytes)
{
        g_autofree WCHAR *name = name_of(request, 0);
        HANDLE find = (HANDLE)1;
        HRESULT hr;

        switch (request->options) {
        case REMOTE_FIND_FILTERS:
                hr = FilterFindFirst((FILTER_INFORMATION_CLASS)request->class_of, buffer, request->size, bytes,
                                     &find);
                break;
        case REMOTE_FIND_VOLUMES:
                hr = FilterVolumeFindFirst((FILTER_VOLUME_INFORMATION_CLASS)request->class_of, buffer,
                                           request->size, bytes, &find);
                break;
        case REMOTE_FIND_INSTANCES:
                hr = FilterInstanceFindFirst(name, (INSTANCE_INFORMATION_CLASS)request->class_of, buffer,
                                             request->size, bytes, &find);
                break;
        default:
                hr = FilterVolumeInstanceFindFirst(name, (INSTANCE_INFORMATION_CLASS)request->class_of, buffer,
                                                   request->size, bytes, &find);
        }
        result->hr = (uint32_t)hr;
        result->handle = (uintptr_t)find;
}

static HRESULT find_next(const struct remote_request *request, uint8_t *buffer, DWORD *bytes)
{
        HANDLE find = handle_of(request);

        switch (request->options) {
        case REMOTE_FIND_FILTERS:
                return FilterFindNext(find, (FILTER_INFORMATION_CLASS)request->class_of, buffer, request->size,
                                      bytes);
        case REMOTE_FIND_VOLUMES:
                return FilterVolumeFindNext(find, (FILTER_VOLUME_INFORMATION_CLASS)request->class_of, buffer,
                                            request->size, bytes);
        case REMOTE_FIND_INSTANCES:
                return FilterInstanceFindNext(find, (INSTANCE_INFORMATION_CLASS)request->class_of, buffer,
                                              request->size, bytes);
        default:
                return FilterVolumeInstanceFindNext(find, (INSTANCE_INFORMATION_CLASS)request->class_of, buffer,
                                                    request->size, bytes);
        }
}

static HRESULT find_close(const struct remote_request *request)
{
        HANDLE find = handle_of(request);

        switch (request->options) {
        case REMOTE_FIND_FILTERS:
                return FilterFindClose(find);
        case REMOTE_FIND_VOLUMES:
                return FilterVolumeFindClose(find);
        case REMOTE_FIND_INSTANCES:
                return FilterInstanceFindClose(find);
        default:
                return FilterVolumeInstanceFindClose(find);
        }
}

static void do_manage(const struct remote_request *request, struct remote_result *result)
{
        g_autofree WCHAR *first = name_of(request, 0), *second = name_of(request, 1), *third = name_of(request, 2);
        g_autofree uint8_t *buffer = g_malloc0(request->size + 1);
        HFILTER filter = (HFILTER)1;
        HFILTER_INSTANCE instance = (HFILTER_INSTANCE)1;
        WCHAR dos[64] = { 0 };
        DWORD bytes = 0;

        switch (request->op) {
        case REMOTE_FILTER_LOAD:
                result->hr = (uint32_t)FilterLoad(first);
                return;
        case REMOTE_FILTER_UNLOAD:
                result->hr = (uint32_t)FilterUnload(first);
                return;
        case REMOTE_FILTER_DETACH:
                result->hr = (uint32_t)FilterDetach(first, second, third);
                return;
        case REMOTE_FILTER_OPEN:
                result->hr = (uint32_t)FilterCreate(first, &filter);
                result->handle = (uintptr_t)filter;
                return;
        case REMOTE_FILTER_CLOSE:
                result->hr = (uint32_t)FilterClose((HFILTER)handle_of(request));
                return;
        case REMOTE_INSTANCE_OPEN:
                result->hr = (uint32_t)FilterInstanceCreate(first, second, third, &instance);
                result->handle = (uintptr_t)instance;
                return;
        case REMOTE_INSTANCE_CLOSE:
                result->hr = (uint32_t)FilterInstanceClose((HFILTER_INSTANCE)handle_of(request));
                return;
        case REMOTE_FILTER_INFORMATION:
                result->hr = (uint32_t)FilterGetInformation((HFILTER)handle_of(request),
                                                            (FILTER_INFORMATION_CLASS)request->class_of, buffer,
                                                            request->size, &bytes);
                break;
        case REMOTE_INSTANCE_INFORMATION:
                result->hr = (uint32_t)FilterInstanceGetInformation((HFILTER_INSTANCE)handle_of(request),
                                                                    (INSTANCE_INFORMATION_CLASS)request->class_of,
                                                                    buffer, request->size, &bytes);
                break;
        case REMOTE_FIND_FIRST:
                do_find_first(request, result, buffer, &bytes);
                break;
        case REMOTE_FIND_NEXT:
                result->hr = (uint32_t)find_next(request, buffer, &bytes);
                break;
        case REMOTE_FIND_CLOSE:
                result->hr = (uint32_t)find_close(request);
                return;
        case REMOTE_DOS_NAME:
                result->hr = (uint32_t)FilterGetDosName(first, dos, request->size);
                keep(result, (uint8_t *)dos, (uint32_t)lstrlenW(dos) * 2);
                return;
        default:
                g_assert_not_reached();
        }
        result->bytes = bytes;
        if (result->hr == S_OK)
                keep(result, buffer, bytes);
}

static void run(const struct remote_request *request, struct remote_result *result)
{
        struct slot *slot = &slots[request->slot % REMOTE_SLOTS];
        HANDLE handle = handle_of(request), copy = NULL;
        DWORD bytes = 0;
        char c;

        switch ((enum remote_op)request->op) {
        case REMOTE_NONE:
                result->value = (uint64_t)getpid();
                result->id = (uint64_t)syscall(SYS_gettid);
                break;
        case REMOTE_CONNECT:
                do_connect(request, result);
                break;
        case REMOTE_CLOSE:
                result->hr = (uint32_t)CloseHandle(handle);
                break;
        case REMOTE_DUPLICATE:
                result->hr = (uint32_t)DuplicateHandle(GetCurrentProcess(), handle, GetCurrentProcess(), &copy, 0,
                                                       FALSE, DUPLICATE_SAME_ACCESS);
                result->handle = (uintptr_t)copy;
                break;
        case REMOTE_MAP:
                do_map(request, result);
                break;
        case REMOTE_GET:
                do_get(request, result, false);
                break;
        case REMOTE_TRY_GET:
                do_get(request, result, true);
                break;
        case REMOTE_START_GET:
                do_start_get(request, result);
                break;
        case REMOTE_FINISH_GET:
                result->hr = (uint32_t)GetOverlappedResult(handle, &slot->overlapped, &bytes, TRUE);
                result->error = GetLastError();
                keep_slot(result, slot);
                break;
        case REMOTE_WAIT_EVENT:
                result->hr = WaitForSingleObject(slot->event, INFINITE);
                keep_slot(result, slot);
                break;
        case REMOTE_SPIN:
                do_spin(request, result);
                break;
        case REMOTE_SPIN_COMPLETED:
                while (!HasOverlappedIoCompleted(&slot->overlapped))
                        ;
                keep_slot(result, slot);
                break;
        case REMOTE_SPIN_RESULT:
                do {
                        result->hr = (uint32_t)GetOverlappedResult(handle, &slot->overlapped, &bytes, FALSE);
                        result->error = GetLastError();
                } while (!result->hr && result->error == ERROR_IO_INCOMPLETE);
                keep_slot(result, slot);
                break;
        case REMOTE_POLL_RESULT:
                do_poll_result(request, result);
                break;
        case REMOTE_CANCEL:
                result->hr = (uint32_t)CancelIo(handle);
                result->error = GetLastError();
                break;
        case REMOTE_CANCEL_EX:
                result->hr = (uint32_t)CancelIoEx(handle, &slot->overlapped);
                result->error = GetLastError();
                break;
        case REMOTE_ASSOCIATE:
                copy = CreateIoCompletionPort(handle, NULL, (ULONG_PTR)request->id, 0);
                result->handle = (uintptr_t)copy;
                result->hr = copy != NULL;
                result->error = GetLastError();
                break;
        case REMOTE_DEQUEUE:
                do_dequeue(request, result);
                break;
        case REMOTE_REPLY:
                do_reply(request, result);
                break;
        case REMOTE_SEND:
                do_send(request, result);
                break;
        case REMOTE_POLL:
                do_poll(request, result);
                break;
        case REMOTE_FORK:
                g_assert(pipe(fork_pipe) == 0);
                forked = fork();
                if (forked == 0) {
                        close(fork_pipe[1]);
                        _exit(read(fork_pipe[0], &c, 1) != 0);
                }
                close(fork_pipe[0]);
                result->value = (uint64_t)forked;
                break;
        case REMOTE_FORK_END:
                close(fork_pipe[1]);
                waitpid(forked, NULL, 0);
                break;
        case REMOTE_FORK_SEND:
                do_in_child(request, result, do_send);
                break;
        case REMOTE_FORK_SPIN:
                do_in_child(request, result, do_start_and_spin);
                break;
        case REMOTE_BECOME:
                do_become(request, result);
                break;
        case REMOTE_RAW:
                do_raw(request, result);
                break;
        case REMOTE_FLOOD:
                do_flood(request, result);
                break;
        case REMOTE_LIMIT:
                do_limit(request);
                break;
        case REMOTE_FILTER_ATTACH:
                do_attach(request, result);
                break;
        default:
                do_manage(request, result);
        }
}

/* Requests follow each other by way of the test, which tools can't see. */
static void hand_over(void)
{
        static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

        pthread_mutex_lock(&lock);
        pthread_mutex_unlock(&lock);
}

static void *work(void *data)
{
        struct worker *worker = data;
        struct remote_request *request;

        /* Whoever reads here does nothing else: the test tells from the system call that a thread waits. */
        while (read(worker->requests[0], &request, sizeof(request)) == sizeof(request)) {
                g_autofree struct remote_result *result = g_new0(struct remote_result, 1);

                if (!request)
                        break;
                hand_over();
                result->serial = request->serial;
                run(request, result);
                hand_over();
                g_free(request);
                if (send(REMOTE_FD, result, sizeof(*result), MSG_NOSIGNAL) < 0)
                        break;
        }
        return NULL;
}

int main(void)
{
        struct remote_request *request = NULL;

        page = sysconf(_SC_PAGESIZE);
        for (unsigned i = 0; i < REMOTE_WORKERS; i++) {
                g_assert(pipe(workers[i].requests) == 0);
                g_assert(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0);
        }
        for (;;) {
                request = g_new0(struct remote_request, 1);
                if (recv(REMOTE_FD, request, sizeof(*request), 0) != sizeof(*request))
                        break;
                g_assert(request->worker < REMOTE_WORKERS);
                g_assert(write(workers[request->worker].requests[1], &request, sizeof(request)) == sizeof(request));
        }
        /* The test is through, or gone. What is still pending ends with the process, as any agent's. */
        g_free(request);
        _exit(0);
}
