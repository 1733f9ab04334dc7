/* SPDX-License-Identifier: MIT */
/* Completion ports: see the head of completion.h. */
#include "win32/completion.h"

#include "win32/backstop.h"
#include "win32/dos_error.h"
#include "win32/thread.h"

#include <glib.h>
#include <poll.h>

struct packet {
        ULONG_PTR key;
        LPOVERLAPPED overlapped;
        NTSTATUS status;
        DWORD bytes;
};

struct fm_w32_completion_port {
        struct fm_w32_object object;
        pthread_mutex_t lock; /* guards all below */
        struct fm_w32_poll_set set; /* associated objects */
        GQueue packets;
        unsigned waiters; /* threads in epoll, or on their way there */
        bool waking;      /* a wake-up is on its way to one of them */
        bool watched;     /* one of them looks after the packets within WATCH_MS */
        unsigned left;    /* packets that were left to the thread that made them */
        bool closed;
};

/*
 * The port whose events this thread handles just now: it will take a packet itself, nobody need be woken for
 * it.
 */
static __thread struct fm_w32_completion_port *draining;

/*
 * The port that this thread had its last packet from; for comparison only. A packet that it makes itself, because its
 * new receive has found a message, is left to it, as Windows does: it is likely to be the first to ask, and a thread
 * that is woken for nothing costs as much as the message. One of those who sleep watches that it does come.
 */
static __thread struct fm_w32_completion_port *served;

#define WATCH_MS 1

static void wake_one_locked(struct fm_w32_completion_port *port)
{
        if (port->waiters == 0 || port->waking)
                return;
        port->waking = true;
        fm_w32_poll_set_wake(&port->set);
}

static void port_close(struct fm_w32_object *object)
{
        struct fm_w32_completion_port *port = (struct fm_w32_completion_port *)object;

        pthread_mutex_lock(&port->lock);
        port->closed = true;
        wake_one_locked(port);
        pthread_mutex_unlock(&port->lock);
}

static void port_destroy(struct fm_w32_object *object)
{
        struct fm_w32_completion_port *port = (struct fm_w32_completion_port *)object;

        g_queue_clear_full(&port->packets, g_free);
        fm_w32_poll_set_deinit(&port->set);
        pthread_mutex_destroy(&port->lock);
        g_free(port);
}

static const struct fm_w32_type port_type = {
        .name = "IoCompletion", .close = port_close, .destroy = port_destroy,
};

static struct fm_w32_completion_port *port_new(void)
{
        struct fm_w32_completion_port *port = g_new0(struct fm_w32_completion_port, 1);

        if (!fm_w32_poll_set_init(&port->set, &port->lock)) {
                g_free(port);
                SetLastError(ERROR_NO_SYSTEM_RESOURCES);
                return NULL;
        }
        fm_w32_object_init(&port->object, &port_type);
        pthread_mutex_init(&port->lock, NULL);
        g_queue_init(&port->packets);
        return port;
}

static void post(struct fm_w32_completion_port *port, ULONG_PTR key, LPOVERLAPPED overlapped, NTSTATUS status,
                 DWORD bytes)
{
        struct packet *packet = g_new(struct packet, 1);

        *packet = (struct packet){ key, overlapped, status, bytes };
        pthread_mutex_lock(&port->lock);
        g_queue_push_tail(&port->packets, packet);
        if (port->watched && served == port)
                port->left++;
        else if (draining != port)
                wake_one_locked(port);
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
        io->of_port = io->of_pump = (struct fm_w32_poll_source){ .owner = &io->object, .on_event = pump_event };
        pthread_mutex_init(&io->lock, NULL);
}

void fm_w32_io_unwatch(struct fm_w32_io *io)
{
        fm_w32_pump_remove(&io->of_pump, io->fd);
        fm_w32_backstop_remove(io);
        pthread_mutex_lock(&io->lock);
        io->closed = true;
        if (io->port) {
                pthread_mutex_lock(&io->port->lock);
                fm_w32_poll_set_remove_locked(&io->port->set, &io->of_port, io->fd);
                pthread_mutex_unlock(&io->port->lock);
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
        fm_w32_pump_add(&io->of_pump, io->fd);
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
        fm_w32_backstop_add(io);
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
        DWORD error = ERROR_SUCCESS;

        io->ops->watched(io);
        pthread_mutex_lock(&io->lock);
        if (io->closed) {
                error = ERROR_INVALID_HANDLE;
        } else if (io->port) {
                error = ERROR_INVALID_PARAMETER;
        } else {
                bool added;

                pthread_mutex_lock(&port->lock);
                added = fm_w32_poll_set_add_locked(&port->set, &io->of_port, io->fd);
                pthread_mutex_unlock(&port->lock);
                if (added) {
                        io->port = fm_w32_object_ref(port);
                        io->key = key;
                } else {
                        error = ERROR_NO_SYSTEM_RESOURCES;
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

/* Sleeps until there are events or, if alertable, APCs of this thread, which do not show in the result. */
static int wait_for_events(struct fm_w32_completion_port *port, struct epoll_event *events, int count, int timeout,
                           bool alertable)
{
        struct pollfd both[2] = {
                { .fd = port->set.epoll_fd, .events = POLLIN },
                { .fd = alertable ? fm_w32_thread_alert_fd() : -1, .events = POLLIN },
        };

        if (!alertable)
                return epoll_wait(port->set.epoll_fd, events, count, timeout);
        return poll(both, 2, timeout) > 0 ? epoll_wait(port->set.epoll_fd, events, count, 0) : 0;
}

/* Up to count packets, at least one. ERROR_SUCCESS, WAIT_TIMEOUT, ERROR_ABANDONED_WAIT_0, WAIT_IO_COMPLETION. */
static DWORD dequeue(struct fm_w32_completion_port *port, struct packet *packets, unsigned count,
                     unsigned *ret_count, DWORD milliseconds, bool alertable)
{
        uint64_t deadline = fm_w32_deadline(milliseconds);
        DWORD result = ERROR_SUCCESS;
        bool waited = false, alerted = false, watch = false;

        *ret_count = 0;
        pthread_mutex_lock(&port->lock);
        for (;;) {
                struct epoll_event events[8];
                int n, remaining;
                unsigned left;
                bool woken;

                if (alerted) {
                        result = WAIT_IO_COMPLETION;
                        break;
                }
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
                left = port->left;
                watch = watch && !port->watched;
                port->watched |= watch;
                pthread_mutex_unlock(&port->lock);
                remaining = fm_w32_remaining(deadline);
                if (watch && (remaining < 0 || remaining > WATCH_MS))
                        remaining = WATCH_MS;
                alerted = alertable && fm_w32_thread_run_apcs();
                n = alerted ? 0 : wait_for_events(port, events, G_N_ELEMENTS(events), remaining, alertable);
                pthread_mutex_lock(&port->lock);
                port->waiters--;
                if (watch)
                        port->watched = false;
                /* Who was woken for nothing watches, as long as there is something to be watched. */
                watch = n > 0 || port->left != left;
                waited = true;
                if (n <= 0)
                        continue;
                pthread_mutex_unlock(&port->lock);
                draining = port;
                woken = fm_w32_poll_set_handle(&port->set, events, n);
                draining = NULL;
                pthread_mutex_lock(&port->lock);
                if (woken)
                        port->waking = false;
        }
        while (!result && *ret_count < count && port->packets.length > 0) {
                struct packet *packet = g_queue_pop_head(&port->packets);

                packets[(*ret_count)++] = *packet;
                g_free(packet);
                served = port;
        }
        /* Wake-ups can merge into one: who leaves hands over what remains. */
        if (port->packets.length > 0 || port->closed)
                wake_one_locked(port);
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
        error = dequeue(port, &packet, 1, &count, dwMilliseconds, false);
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
        error = dequeue(port, packets, ulCount, &count, dwMilliseconds, fAlertable);
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

/* Pending and no time to wait: ERROR_IO_INCOMPLETE; time over: WAIT_TIMEOUT; APCs have run: WAIT_IO_COMPLETION. */
static BOOL overlapped_result(HANDLE handle, LPOVERLAPPED overlapped, LPDWORD bytes, DWORD milliseconds,
                              bool alertable)
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
        if (!milliseconds && is_pending(overlapped))
                io->ops->ask(io, overlapped, true);
        if (is_pending(overlapped)) {
                object =
                        event ? fm_w32_handle_ref(event, &fm_w32_event_type) : fm_w32_object_ref(&io->object);
                if (!object) {
                        fm_w32_object_unref(io);
                        return FALSE;
                }
        }
        while (is_pending(overlapped)) {
                DWORD result = milliseconds ? fm_w32_wait(&object, 1, false, deadline, alertable) : WAIT_TIMEOUT;

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
                        SetLastError(milliseconds && result != WAIT_OBJECT_0 ? result : ERROR_IO_INCOMPLETE);
                        return FALSE;
                }
        }
        io->ops->ask(io, overlapped, false);
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
        return overlapped_result(hFile, lpOverlapped, lpNumberOfBytesTransferred, bWait ? INFINITE : 0, false);
}

BOOL WINAPI GetOverlappedResultEx(HANDLE hFile, LPOVERLAPPED lpOverlapped, LPDWORD lpNumberOfBytesTransferred,
                                  DWORD dwMilliseconds, BOOL bAlertable)
{
        return overlapped_result(hFile, lpOverlapped, lpNumberOfBytesTransferred, dwMilliseconds, bAlertable);
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
