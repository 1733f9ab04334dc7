/* SPDX-License-Identifier: MIT */
/*
 * The agent's end of a connection to a port.
 *
 * Messages come through the shared ring; the socket carries doorbells and descriptors, and its end is the end
 * of the connection. Receives, synchronous and overlapped, stand in one queue, oldest first, and whichever
 * thread looks at the ring serves the queue. Calls (FilterSendMessage) go over channels, sockets of their
 * own, one call at a time each, so that nobody who waits for an answer can take somebody else's.
 *
 * Lock order: serial -> lock -> locks of win32. Neither is held while a thread sleeps, but for serial with
 * FLT_PORT_FLAG_SYNC_HANDLE, whose purpose that is.
 */
#pragma once

#include "win32/completion.h"
#include "wire/frame.h"
#include "wire/ring.h"

#include <fltUserExt.h>
#include <glib.h>

struct fm_receive {
        PFILTER_MESSAGE_HEADER buffer;
        DWORD size;               /* header included, at least that */
        LPOVERLAPPED overlapped;  /* NULL: a thread waits for it */
        struct fm_w32_event *event;
        DWORD thread;             /* who asked */
        bool done;                /* synchronous: status and bytes are valid; connection lock */
        NTSTATUS status;
        DWORD bytes;
};

struct fm_port_handle {
        struct fm_w32_io io;
        struct fm_ring ring;
        uint8_t token[FM_TOKEN_SIZE];
        DWORD options;
        unsigned made_by;               /* fm_w32_generation() */
        pthread_mutex_t serial;         /* FLT_PORT_FLAG_SYNC_HANDLE: one operation at a time */
        _Atomic uint32_t given_received; /* entries of DOORBELL frames handled so far, modulo 2^32 */
        pthread_mutex_t lock;           /* guards all below */
        GQueue pending;                 /* struct fm_receive, oldest first */
        uint64_t reported;              /* ticket: see fm_take_fitting() */
        unsigned sleepers;              /* threads in recv(), or on their way */
        pthread_cond_t awake;           /* there are none of them any more */
        unsigned unnoticed;             /* receives done whose threads sleep on */
        uint64_t newest;                /* highest ticket taken */
        uint64_t drained;               /* the same when doorbells were last read for the sake of edges */
        bool level;                     /* the program polls the socket itself: read only when it is told of an
                                           empty ring */
        GHashTable *untold;             /* with level: LPOVERLAPPED that has completed, and nobody has asked since */
        bool armed;                     /* for good, because somebody watches the socket */
        unsigned armed_of;              /* fm_w32_generation() that armed */
        bool disconnected;
        GArray *channels;               /* int: idle ones */
        unsigned channels_of;           /* fm_w32_generation() that opened them */
};

extern const struct fm_w32_type fm_port_handle_type;

/* Takes over fd and the ring. */
struct fm_port_handle *fm_port_handle_new(int fd, const struct fm_ring *ring, const uint8_t *token,
                                          DWORD options);

/* Blocks until there is a message, or the end. Status and bytes as of a completion. */
NTSTATUS fm_port_handle_receive(struct fm_port_handle *connection, PFILTER_MESSAGE_HEADER buffer, DWORD size,
                                DWORD *bytes);
/* 0x800703E5, or why it was not accepted. */
HRESULT fm_port_handle_start_receive(struct fm_port_handle *connection, PFILTER_MESSAGE_HEADER buffer,
                                     DWORD size, LPOVERLAPPED overlapped);
/* STATUS_NO_MORE_ENTRIES: nothing there now. */
NTSTATUS fm_port_handle_try_receive(struct fm_port_handle *connection, PFILTER_MESSAGE_HEADER buffer,
                                    DWORD size, DWORD *bytes);
/* Doorbells will come from now on, and one comes at once. */
void fm_port_handle_watch(struct fm_port_handle *connection);
bool fm_port_handle_is_disconnected(struct fm_port_handle *connection);
/* Tells the server: FM_POKE_*. */
void fm_port_handle_poke(struct fm_port_handle *connection, uint32_t flags);

/*
 * An idle or new channel, or negative errno; -EPIPE: the connection has ended. Give it back with keep false
 * after an error.
 */
int fm_port_handle_get_channel(struct fm_port_handle *connection);
void fm_port_handle_put_channel(struct fm_port_handle *connection, int channel, bool keep);
/*
 * This process has closed the socket: returns when the filter has heard of that, or if other processes have it too.
 * A filter may take its time, a manager that is stopped is given up.
 */
void fm_port_handle_await_end(struct fm_port_handle *connection);

struct fm_client_frame;
/* Makes the handles that came with a frame; returns how many entries there were. */
void fm_port_handle_accept_given(struct fm_port_handle *connection, struct fm_client_frame *frame,
                                const struct fm_given *given, uint32_t count);
