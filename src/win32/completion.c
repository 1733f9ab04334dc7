/* SPDX-License-Identifier: MIT */
/* Completion ports: see the head of completion.h. */
#include "win32/completion.h"

#include "win32/dos_error.h"

#include <errno.h>
#include <glib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct packet {
        ULONG_PTR key;
        LPOVERLAPPED overlapped;
        NTSTATUS status;
        DWORD bytes;
};

struct fm_w32_completion_port {
        struct fm_w32_object object;
        int epoll_fd;
        int wake_fd; /* each write wakes one thread: it is in the epoll set, edge-triggered, never read */
        pthread_mutex_t lock; /* guards all below */
        GQueue packets;
        unsigned waiters; /* threads in epoll, or on their way there */
        bool closed;
        uint64_t last_id;
        GHashTable *ios; /* id -> struct fm_w32_io, not referenced: it leaves before it dies */
};

/*
 * The port whose events this thread handles just now: it will take a packet itself, nobody need be woken for
 * it.
 */
static __thread struct fm_w32_completion_port *draining;

static void wake_one(struct fm_w32_completion_port *port)
{
        ssize_t ignored = write(port->wake_fd, &(uint64_t){ 1 }, sizeof(uint64_t));

        (void)ignored;
}

static void port_close(struct fm_w32_object *object)
{
        struct fm_w32_completion_port *port = (struct fm_w32_completion_port *)object;

        pthread_mutex_lock(&port->lock);
        port->closed = true;
        if (port->waiters > 0)
                wake_one(port);
        pthread_mutex_unlock(&port->lock);
}

static void port_destroy(struct fm_w32_object *object)
{
        struct fm_w32_completion_port *port = (struct fm_w32_completion_port *)object;

        g_queue_clear_full(&port->packets, g_free);
        g_hash_table_unref(port->ios);
        pthread_mutex_destroy(&port->lock);
        close(port->epoll_fd);
        close(port->wake_fd);
        g_free(port);
}

static const struct fm_w32_type port_type = {
        .name = "IoCompletion", .close = port_close, .destroy = port_destroy,
};

static struct fm_w32_completion_port *port_new(void)
{
        struct fm_w32_completion_port *port;
        struct epoll_event event = { .events = EPOLLIN | EPOLLET };
        int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

        if (epoll_fd < 0 || wake_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, wake_fd, &event) < 0) {
                if (epoll_fd >= 0)
                        close(epoll_fd);
                if (wake_fd >= 0)
                        close(wake_fd);
                SetLastError(ERROR_NO_SYSTEM_RESOURCES);
                return NULL;
        }
        port = g_new0(struct fm_w32_completion_port, 1);
        fm_w32_object_init(&port->object, &port_type);
        pthread_mutex_init(&port->lock, NULL);
        g_queue_init(&port->packets);
        port->epoll_fd = epoll_fd;
        port->wake_fd = wake_fd;
        port->ios = g_hash_table_new(g_int64_hash, g_int64_equal);
        return port;
}

static void post(struct fm_w32_completion_port *port, ULONG_PTR key, LPOVERLAPPED overlapped, NTSTATUS status,
                 DWORD bytes)
{
        struct packet *packet = g_new(struct packet, 1);

        *packet = (struct packet){ key, overlapped, status, bytes };
        pthread_mutex_lock(&port->lock);
        g_queue_push_tail(&port->packets, packet);
        if (port->waiters > 0 && draining != port)
                wake_one(port);
        pthread_mutex_unlock(&port->lock);
}

static void pump_event(struct fm_w32_object *owner, uint32_t events)
{
        struct fm_w32_io *io = (struct fm_w32_io *)owner;

        io->ops->pump(io, events);
}

void fm_w32_io_init(struct fm_w32_io *io, const struct fm_w32_type *type, const struct fm_w32_io_ops *ops,
                    int fd)
{
        fm_w32_object_init(&io->object, type);
        io->ops = ops;
        io->fd = fd;
        io->source.owner = &io->object;
        io->source.on_event = pump_event;
        pthread_mutex_init(&io->lock, NULL);
}

void fm_w32_io_unwatch(struct fm_w32_io *io)
{
        fm_w32_pump_remove(&io->source, io->fd);
        pthread_mutex_lock(&io->lock);
        io->closed = true;
        if (io->id) {
                pthread_mutex_lock(&io->port->lock);
                g_hash_table_remove(io->port->ios, &io->id);
                epoll_ctl(io->port->epoll_fd, EPOLL_CTL_DEL, io->fd, NULL);
                pthread_mutex_unlock(&io->port->lock);
                io->id = 0;
        }
        pthread_mutex_unlock(&io->lock);
}

void fm_w32_io_deinit(struct fm_w32_io *io)
{
        fm_w32_object_unref(io->port);
        pthread_mutex_destroy(&io->lock);
}

bool fm_w32_io_ready(struct fm_w32_object *object, pthread_t waiter)
{
        return ((struct fm_w32_io *)object)->signalled;
}

struct fm_w32_io *fm_w32_io_ref_by_handle(HANDLE handle)
{
        struct fm_w32_object *object = fm_w32_handle_ref(handle, NULL);

        if (object && object->type->ready != fm_w32_io_ready) {
                fm_w32_object_unref(object);
                SetLastError(ERROR_INVALID_HANDLE);
                return NULL;
        }
        return (struct fm_w32_io *)object;
}

/* Somebody may wait for this operation outside a completion port: threads that wait must look after it. */
static void watch_for_waiters(struct fm_w32_io *io)
{
        io->ops->watched(io);
        fm_w32_pump_add(&io->source, io->fd);
}

bool fm_w32_io_start(struct fm_w32_io *io, LPOVERLAPPED overlapped, struct fm_w32_event **event)
{
        HANDLE handle = (HANDLE)((ULONG_PTR)overlapped->hEvent & ~(ULONG_PTR)1);
        bool associated;

        *event = NULL;
        if (handle) {
                *event = fm_w32_handle_ref(handle, &fm_w32_event_type);
                if (!*event)
                        return false;
                fm_w32_event_reset(*event);
        } else {
                fm_w32_wait_lock();
                io->signalled = false;
                fm_w32_wait_unlock();
        }
        overlapped->InternalHigh = 0;
        __atomic_store_n(&overlapped->Internal, STATUS_PENDING, __ATOMIC_RELEASE);
        pthread_mutex_lock(&io->lock);
        associated = io->port != NULL;
        pthread_mutex_unlock(&io->lock);
        if (*event || !associated)
                watch_for_waiters(io);
        return true;
}

void fm_w32_io_complete(struct fm_w32_io *io, LPOVERLAPPED overlapped, struct fm_w32_event *event,
                        NTSTATUS status, ULONG bytes)
{
        /* The low bit of hEvent asks for no packet. Read before the program may free the structure. */
        bool wants_packet = !((ULONG_PTR)overlapped->hEvent & 1);
        struct fm_w32_completion_port *port;
        ULONG_PTR key;

        pthread_mutex_lock(&io->lock);
        port = wants_packet ? io->port : NULL;
        key = io->key;
        pthread_mutex_unlock(&io->lock);
        overlapped->InternalHigh = bytes;
        __atomic_store_n(&overlapped->Internal, (ULONG_PTR)(ULONG)status, __ATOMIC_RELEASE);
        if (event) {
                fm_w32_event_set(event);
                fm_w32_object_unref(event);
        } else {
                fm_w32_wait_lock();
                io->signalled = true;
                fm_w32_wait_wake_locked(&io->object);
                fm_w32_wait_unlock();
        }
        if (port)
                post(port, key, overlapped, status, bytes);
}

static bool associate(struct fm_w32_io *io, struct fm_w32_completion_port *port, ULONG_PTR key)
{
        struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP | EPOLLET };
        DWORD error = ERROR_SUCCESS;

        io->ops->watched(io);
        pthread_mutex_lock(&io->lock);
        if (io->closed) {
                error = ERROR_INVALID_HANDLE;
        } else if (io->port) {
                error = ERROR_INVALID_PARAMETER;
        } else {
                pthread_mutex_lock(&port->lock);
                event.data.u64 = io->id = ++port->last_id;
                g_hash_table_insert(port->ios, &io->id, io);
                pthread_mutex_unlock(&port->lock);
                if (epoll_ctl(port->epoll_fd, EPOLL_CTL_ADD, io->fd, &event) < 0) {
                        pthread_mutex_lock(&port->lock);
                        g_hash_table_remove(port->ios, &io->id);
                        pthread_mutex_unlock(&port->lock);
                        io->id = 0;
                        error = ERROR_NO_SYSTEM_RESOURCES;
                } else {
                        io->port = fm_w32_object_ref(port);
                        io->key = key;
                }
        }
        pthread_mutex_unlock(&io->lock);
        if (error)
                SetLastError(error);
        return error == ERROR_SUCCESS;
}

/*
 * Creates a port, associates a communication port with one, or both. The number of threads is advice that a
 * scheduler of threads in user space could follow; here each waiting thread may run.
 */
HANDLE WINAPI CreateIoCompletionPort(HANDLE FileHandle, HANDLE ExistingCompletionPort,
                                     ULONG_PTR CompletionKey, DWORD NumberOfConcurrentThreads)
{
        struct fm_w32_completion_port *port;
        struct fm_w32_io *io = NULL;
        HANDLE handle = ExistingCompletionPort;

        if (FileHandle == INVALID_HANDLE_VALUE && ExistingCompletionPort) {
                SetLastError(ERROR_INVALID_PARAMETER);
                return NULL;
        }
        if (FileHandle != INVALID_HANDLE_VALUE) {
                io = fm_w32_io_ref_by_handle(FileHandle);
                if (!io)
                        return NULL;
        }
        port = ExistingCompletionPort ? fm_w32_handle_ref(ExistingCompletionPort, &port_type) : port_new();
        if (port && io && !associate(io, port, CompletionKey))
                handle = NULL;
        else if (port && !ExistingCompletionPort)
                handle = fm_w32_handle_new(port);
        else if (!port)
                handle = NULL;
        fm_w32_object_unref(port);
        fm_w32_object_unref(io);
        return handle;
}

static void handle_events_locked(struct fm_w32_completion_port *port, const struct epoll_event *events,
                                 int count)
{
        for (int i = 0; i < count; i++) {
                struct fm_w32_io *io;

                if (!events[i].data.u64)
                        continue;
                io = g_hash_table_lookup(port->ios, &events[i].data.u64);
                if (!io)
                        continue;
                fm_w32_object_ref(io);
                pthread_mutex_unlock(&port->lock);
                draining = port;
                io->ops->pump(io, events[i].events);
                draining = NULL;
                fm_w32_object_unref(io);
                pthread_mutex_lock(&port->lock);
        }
}

/* Up to count packets, at least one. ERROR_SUCCESS, WAIT_TIMEOUT, ERROR_ABANDONED_WAIT_0. */
static DWORD dequeue(struct fm_w32_completion_port *port, struct packet *packets, unsigned count,
                     unsigned *ret_count, DWORD milliseconds)
{
        uint64_t deadline = fm_w32_deadline(milliseconds);
        DWORD result = ERROR_SUCCESS;
        bool waited = false;

        *ret_count = 0;
        pthread_mutex_lock(&port->lock);
        for (;;) {
                struct epoll_event events[8];
                int n;

                if (port->packets.length > 0)
                        break;
                if (port->closed) {
                        result = ERROR_ABANDONED_WAIT_0;
                        break;
                }
                if (waited && fm_w32_remaining(deadline) == 0) {
                        result = WAIT_TIMEOUT;
                        break;
                }
                port->waiters++;
                pthread_mutex_unlock(&port->lock);
                n = epoll_wait(port->epoll_fd, events, G_N_ELEMENTS(events), fm_w32_remaining(deadline));
                pthread_mutex_lock(&port->lock);
                port->waiters--;
                handle_events_locked(port, events, n);
                waited = true;
        }
        while (*ret_count < count && port->packets.length > 0) {
                struct packet *packet = g_queue_pop_head(&port->packets);

                packets[(*ret_count)++] = *packet;
                g_free(packet);
        }
        /* Wake-ups can merge into one: who leaves hands over what remains. */
        if ((port->packets.length > 0 || port->closed) && port->waiters > 0)
                wake_one(port);
        pthread_mutex_unlock(&port->lock);
        return result;
}

/*
 * FALSE with *lpOverlapped NULL: nothing was dequeued (WAIT_TIMEOUT; ERROR_ABANDONED_WAIT_0 when the port's
 * last handle is closed). FALSE otherwise: a failed operation, GetLastError() says how.
 */
BOOL WINAPI GetQueuedCompletionStatus(HANDLE CompletionPort, LPDWORD lpNumberOfBytesTransferred,
                                      PULONG_PTR lpCompletionKey, LPOVERLAPPED *lpOverlapped,
                                      DWORD dwMilliseconds)
{
        struct fm_w32_completion_port *port = fm_w32_handle_ref(CompletionPort, &port_type);
        struct packet packet;
        unsigned count;
        DWORD error;

        *lpOverlapped = NULL;
        if (!port)
                return FALSE;
        error = dequeue(port, &packet, 1, &count, dwMilliseconds);
        fm_w32_object_unref(port);
        if (error) {
                SetLastError(error);
                return FALSE;
        }
        *lpOverlapped = packet.overlapped;
        if (lpNumberOfBytesTransferred)
                *lpNumberOfBytesTransferred = packet.bytes;
        if (lpCompletionKey)
                *lpCompletionKey = packet.key;
        if (packet.status >= 0)
                return TRUE;
        SetLastError(fm_dos_error_from_status(packet.status));
        return FALSE;
}

BOOL WINAPI GetQueuedCompletionStatusEx(HANDLE CompletionPort, LPOVERLAPPED_ENTRY lpCompletionPortEntries,
                                        ULONG ulCount, PULONG ulNumEntriesRemoved, DWORD dwMilliseconds,
                                        BOOL fAlertable)
{
        struct fm_w32_completion_port *port;
        g_autofree struct packet *packets = NULL;
        unsigned count = 0;
        DWORD error;

        if (!lpCompletionPortEntries || ulCount == 0 || !ulNumEntriesRemoved) {
                SetLastError(ERROR_INVALID_PARAMETER);
                return FALSE;
        }
        *ulNumEntriesRemoved = 0;
        port = fm_w32_handle_ref(CompletionPort, &port_type);
        if (!port)
                return FALSE;
        ulCount = MIN(ulCount, 1024);
        packets = g_new(struct packet, ulCount);
        error = dequeue(port, packets, ulCount, &count, dwMilliseconds);
        fm_w32_object_unref(port);
        for (unsigned i = 0; i < count; i++)
                lpCompletionPortEntries[i] = (OVERLAPPED_ENTRY){
                        .lpCompletionKey = packets[i].key,
                        .lpOverlapped = packets[i].overlapped,
                        .Internal = (ULONG_PTR)(ULONG)packets[i].status,
                        .dwNumberOfBytesTransferred = packets[i].bytes,
                };
        *ulNumEntriesRemoved = count;
        if (error)
                SetLastError(error);
        return error == ERROR_SUCCESS;
}

BOOL WINAPI PostQueuedCompletionStatus(HANDLE CompletionPort, DWORD dwNumberOfBytesTransferred,
                                       ULONG_PTR dwCompletionKey, LPOVERLAPPED lpOverlapped)
{
        struct fm_w32_completion_port *port = fm_w32_handle_ref(CompletionPort, &port_type);

        if (!port)
                return FALSE;
        post(port, dwCompletionKey, lpOverlapped, 0, dwNumberOfBytesTransferred);
        fm_w32_object_unref(port);
        return TRUE;
}

static bool is_pending(LPOVERLAPPED overlapped)
{
        return (DWORD)__atomic_load_n(&overlapped->Internal, __ATOMIC_ACQUIRE) == STATUS_PENDING;
}

BOOL fm_overlapped_has_completed(LPOVERLAPPED lpOverlapped)
{
        if (is_pending(lpOverlapped))
                fm_w32_pump_poll();
        return !is_pending(lpOverlapped);
}

/* Pending and no time to wait: ERROR_IO_INCOMPLETE; time over: WAIT_TIMEOUT. */
static BOOL overlapped_result(HANDLE handle, LPOVERLAPPED overlapped, LPDWORD bytes, DWORD milliseconds)
{
        HANDLE event = (HANDLE)((ULONG_PTR)overlapped->hEvent & ~(ULONG_PTR)1);
        struct fm_w32_io *io = fm_w32_io_ref_by_handle(handle);
        struct fm_w32_object *object = NULL;
        uint64_t deadline = fm_w32_deadline(milliseconds);
        NTSTATUS status;

        if (!io)
                return FALSE;
        if (is_pending(overlapped)) {
                watch_for_waiters(io);
                io->ops->pump(io, 0);
        }
        if (is_pending(overlapped)) {
                object =
                        event ? fm_w32_handle_ref(event, &fm_w32_event_type) : fm_w32_object_ref(&io->object);
                if (!object) {
                        fm_w32_object_unref(io);
                        return FALSE;
                }
        }
        while (is_pending(overlapped)) {
                DWORD result = milliseconds ? fm_w32_wait(&object, 1, false, deadline) : WAIT_TIMEOUT;

                fm_w32_wait_lock();
                if (result == WAIT_OBJECT_0 && !event && is_pending(overlapped)) {
                        /* Another operation of this handle has signalled it. */
                        io->signalled = false;
                        fm_w32_wait_unlock();
                        continue;
                }
                fm_w32_wait_unlock();
                if (is_pending(overlapped)) {
                        fm_w32_object_unref(object);
                        fm_w32_object_unref(io);
                        SetLastError(milliseconds && result == WAIT_TIMEOUT ? WAIT_TIMEOUT
                                                                            : ERROR_IO_INCOMPLETE);
                        return FALSE;
                }
        }
        fm_w32_object_unref(object);
        fm_w32_object_unref(io);
        status = (NTSTATUS)overlapped->Internal;
        *bytes = (DWORD)overlapped->InternalHigh;
        if (status >= 0)
                return TRUE;
        SetLastError(fm_dos_error_from_status(status));
        return FALSE;
}

BOOL WINAPI GetOverlappedResult(HANDLE hFile, LPOVERLAPPED lpOverlapped, LPDWORD lpNumberOfBytesTransferred,
                                BOOL bWait)
{
        return overlapped_result(hFile, lpOverlapped, lpNumberOfBytesTransferred, bWait ? INFINITE : 0);
}

BOOL WINAPI GetOverlappedResultEx(HANDLE hFile, LPOVERLAPPED lpOverlapped, LPDWORD lpNumberOfBytesTransferred,
                                  DWORD dwMilliseconds, BOOL bAlertable)
{
        return overlapped_result(hFile, lpOverlapped, lpNumberOfBytesTransferred, dwMilliseconds);
}

static BOOL cancel(HANDLE handle, LPOVERLAPPED overlapped, bool own_only, bool must_find)
{
        struct fm_w32_io *io = fm_w32_io_ref_by_handle(handle);
        unsigned count;

        if (!io)
                return FALSE;
        count = io->ops->cancel(io, overlapped, own_only);
        fm_w32_object_unref(io);
        if (count == 0 && must_find) {
                SetLastError(ERROR_NOT_FOUND);
                return FALSE;
        }
        return TRUE;
}

/* Operations that the calling thread has started. */
BOOL WINAPI CancelIo(HANDLE hFile)
{
        return cancel(hFile, NULL, true, false);
}

/* Of any thread; ERROR_NOT_FOUND when there was nothing to cancel. */
BOOL WINAPI CancelIoEx(HANDLE hFile, LPOVERLAPPED lpOverlapped)
{
        return cancel(hFile, lpOverlapped, false, true);
}
