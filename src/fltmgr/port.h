/* SPDX-License-Identifier: MIT */
/*
 * Communication ports: what the Filter Manager and the transport (src/port) ask of each other.
 *
 * The Filter Manager owns the PFLT_PORT objects, the rules of the Flt functions and the filter's callbacks.
 * The transport owns sockets, rings and peers. It registers itself here, because the Filter Manager depends
 * on no transport.
 *
 * A client port and its connection: the connection is made first, is known to the port from the start, and
 * stays until release() is called for it.
 */
#pragma once

#include <fltKernel.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct fm_cancel;
struct fm_credentials;

#define FM_PORT_NAME_MAX 1024 /* bytes of a port's name */

/* Handle values that agents are given lie here, above all that the kernel's handle table makes. */
#define FM_PORT_GIVEN_FIRST UINT64_C(0x40000000)
#define FM_PORT_GIVEN_LAST UINT64_C(0x7ffffffc)

/* Who is at the other end, as the kernel of the machine attests it. Borrowed for the call. */
struct fm_port_peer {
        PETHREAD thread; /* its process is what PsGetCurrentProcess() says in the callbacks */
        const struct fm_credentials *credentials;
};

/* One FltSendMessage on its way. */
struct fm_port_message {
        const void *payload;
        ULONG length;
        PVOID reply; /* NULL: none wanted; may be the payload's buffer */
        ULONG capacity;
        ULONG replied;        /* out: bytes copied to reply */
        bool has_deadline;
        clockid_t clock;      /* CLOCK_MONOTONIC or CLOCK_REALTIME */
        struct timespec deadline;
        struct fm_cancel *cancel; /* of the request whose thread sends, or NULL */
};

struct fm_port_ops {
        /*
         * Delivers and waits as FltSendMessage has to: the reply's status, STATUS_SUCCESS when no reply was
         * wanted, STATUS_BUFFER_OVERFLOW, STATUS_TIMEOUT, STATUS_PORT_DISCONNECTED,
         * STATUS_THREAD_IS_TERMINATING, STATUS_INSUFFICIENT_RESOURCES (longer than a slot of the connection).
         */
        NTSTATUS (*send)(void *connection, struct fm_port_message *message);
        /* Ends the connection as far as messages and calls go. Idempotent; does not wait. */
        void (*kick)(void *connection);
        /* Whether the agent has gone: fm_port_disconnected() was called, or is about to be. */
        bool (*has_left)(void *connection);
        /* The port is gone. */
        void (*release)(void *connection);
        /* See fm_port_give_descriptor() and fm_port_revoke_descriptor(). */
        NTSTATUS (*give)(PEPROCESS process, int fd, uint64_t size, HANDLE *ret);
        NTSTATUS (*revoke)(PEPROCESS process, HANDLE handle);
        bool (*has_client)(PEPROCESS process);
};

/* NULL: no transport any more. Set before filters are loaded and reset after they are gone. */
void fm_port_set_ops(const struct fm_port_ops *ops);

/* ---- for the transport ---- */

/*
 * A client wants to connect to the port `name`: looks it up, checks the right to, takes one of its
 * MaxConnections, and runs ConnectNotify as the peer. context is the caller's copy and must stay for the
 * call; NULL if size is 0. Takes over a reference of `connection`: release() is called once, here or when the
 * port is gone. On success *ret is the transport's reference, given back by fm_port_disconnected().
 * STATUS_OBJECT_NAME_NOT_FOUND, STATUS_ACCESS_DENIED, STATUS_CONNECTION_COUNT_LIMIT, or ConnectNotify's own.
 * If there is no place it waits for DisconnectNotify of agents that have gone.
 */
NTSTATUS fm_port_connect(const struct fm_port_peer *peer, PCUNICODE_STRING name, PVOID context, USHORT size,
                         void *connection, PFLT_PORT *ret);

/*
 * A client calls: runs MessageNotify as the peer. output is the server's memory. *returned is what the
 * callback said, at most output_length. STATUS_PORT_DISCONNECTED once the connection ends,
 * STATUS_INVALID_DEVICE_REQUEST without a MessageNotify.
 */
NTSTATUS fm_port_call(PFLT_PORT client, const struct fm_port_peer *peer, PVOID input, ULONG input_length,
                      PVOID output, ULONG output_length, PULONG returned);

PFLT_PORT fm_port_ref(PFLT_PORT port);
void fm_port_unref(PFLT_PORT port);

/* The client has gone: waits for MessageNotify in flight, runs DisconnectNotify, drops the transport's
 * reference. */
void fm_port_disconnected(PFLT_PORT client);

/* ---- for the rest of the Filter Manager ---- */

/*
 * At the end of a filter, after its rundown was closed: what it left open is reported ("port-leak") and
 * closed. Live connections are ended, DisconnectNotify runs for each; it returns when no callback of its
 * ports runs any more.
 */
void fm_filter_close_ports(PFLT_FILTER filter);

/*
 * Gives an agent a descriptor: a section handle that was made while its process was the current one (in
 * MessageNotify, or after KeStackAttachProcess) without OBJ_KERNEL_HANDLE. fd is borrowed. *ret is the handle
 * value in the agent; it gets there before anything that is sent or returned afterwards. size: bytes that can
 * be mapped. STATUS_NOT_FOUND: the process has no connection (then a handle for it is nobody's);
 * STATUS_INSUFFICIENT_RESOURCES: it has too many that it did not close.
 */
NTSTATUS fm_port_give_descriptor(PEPROCESS process, int fd, uint64_t size, HANDLE *ret);
/* The filter closes such a handle itself, as that process: it is taken back, from the agent too.
 * STATUS_INVALID_HANDLE. */
NTSTATUS fm_port_revoke_descriptor(PEPROCESS process, HANDLE handle);
/* Whether the process is connected to any port: some filter may be waiting for what it does. */
bool fm_port_has_client(PEPROCESS process);
/* Whether a handle value is one that fm_port_give_descriptor() makes. Such values are not in the kernel's
 * handle table. */
bool fm_port_is_given_handle(HANDLE handle);
