/* SPDX-License-Identifier: MIT */
/*
 * Completion ports, and what they need to know about an object that does overlapped I/O.
 *
 * A thread that waits in GetQueuedCompletionStatus sleeps in epoll over the sockets of the associated
 * objects and brings in messages itself: from a filter's message to a packet nobody else is woken.
 */
#pragma once

#include <winternl.h>

#include "win32/object.h"
#include "win32/sync.h"
#include "win32/wait.h"

struct fm_w32_completion_port;

/* An object with overlapped I/O; the first member of it. */
struct fm_w32_io {
        struct fm_w32_object object;
        const struct fm_w32_io_ops *ops;
        int fd;                               /* whose events, edge-triggered, mean "look for completions" */
        pthread_mutex_t lock;                 /* guards port, key, closed; leaf but for the port's lock */
        struct fm_w32_completion_port *port;  /* referenced; set once */
        ULONG_PTR key;
        bool closed;                          /* not watched any more, for good */
        struct fm_w32_poll_source of_port;
        struct fm_w32_poll_source of_pump;
        struct fm_w32_poll_source of_backstop;
        bool signalled;                       /* wait lock: last operation without an event has completed */
};

struct fm_w32_io_ops {
        /* Events of fd are going to be watched from now on; may be called more than once. */
        void (*watched)(struct fm_w32_io *io);
        /* Completes what can be completed. events: of epoll, or 0 to just look. Whether there was anything. */
        bool (*pump)(struct fm_w32_io *io, uint32_t events);
        /*
         * Somebody asks, without waiting, whether that operation is done. is_pending: it was not, up to now; by the
         * return it may be.
         */
        void (*ask)(struct fm_w32_io *io, LPOVERLAPPED overlapped, bool is_pending);
        /* Cancels that operation (NULL: all), of the calling thread only or of any. How many. */
        unsigned (*cancel)(struct fm_w32_io *io, LPOVERLAPPED overlapped, bool own_only);
};

/* Type of an object that starts with a struct fm_w32_io: its ready must be fm_w32_io_ready. */
bool fm_w32_io_ready(struct fm_w32_object *object, pthread_t waiter);
void fm_w32_io_init(struct fm_w32_io *io, const struct fm_w32_type *type, const struct fm_w32_io_ops *ops,
                    int fd);
void fm_w32_io_deinit(struct fm_w32_io *io);
/* The fd is about to be closed: nobody will watch it any more. */
void fm_w32_io_unwatch(struct fm_w32_io *io);
/* Referenced, or NULL with ERROR_INVALID_HANDLE (also for a handle of another kind). */
struct fm_w32_io *fm_w32_io_ref_by_handle(HANDLE handle);

/*
 * Start of an operation: marks it pending. *event: referenced event of the operation, or NULL; belongs to the
 * caller until fm_w32_io_complete(). false: hEvent is not an event; GetLastError() says so.
 */
bool fm_w32_io_start(struct fm_w32_io *io, LPOVERLAPPED overlapped, struct fm_w32_event **event);
/*
 * Its end, exactly once: result, event (consumed), packet. The OVERLAPPED is the program's again after that.
 */
void fm_w32_io_complete(struct fm_w32_io *io, LPOVERLAPPED overlapped, struct fm_w32_event *event,
                        NTSTATUS status, ULONG bytes);
