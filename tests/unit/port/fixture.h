/* SPDX-License-Identifier: MIT */
/*
 * A port server with one filter in this process, and clients that speak frames to it.
 *
 * What the callbacks see is written down here; what they answer is set here. Waits end in abort() after a
 * minute: nothing is ever waited for by sleeping.
 */
#pragma once

#include <fltKernel.h>
#include <glib.h>
#include <stdatomic.h>

#include "fltmgr/manager.h"
#include "fltmgr/port.h"
#include "wire/frame.h"
#include "wire/ring.h"

#define PORT_NAME L"\\TestPort"

struct fixture {
        char *directory;
        PFLT_FILTER filter;
        PFLT_PORT server;

        pthread_mutex_t lock; /* guards what the callbacks write */
        pthread_cond_t changed;
        PFLT_PORT clients[8]; /* set by ConnectNotify, cleared by FltCloseClientPort */
        bool taken[8]; /* from ConnectNotify to DisconnectNotify; the next one has the first that is free in both */
        unsigned connects, disconnects, calls, calls_inside;
        unsigned inside[8]; /* the same by connection */
        unsigned disconnected_inside; /* calls in progress when DisconnectNotify ran; must stay 0 */
        char context[64];
        ULONG context_size;
        ULONG_PTR connect_process;
        NTSTATUS connect_status;
        bool connect_blocks; /* until `release` */
        bool close_on_disconnect;
        bool call_blocks; /* until `release` */
        bool release;
        int give_fd; /* MessageNotify gives it, if not -1; the handle goes to the output */
};

extern struct fixture fixture;

void fixture_start(void);
/* Closes the server port if it is open and checks that nothing is left. */
void fixture_stop(void);
/* A port of the filter. security: NULL, or a descriptor. */
NTSTATUS fixture_port(const WCHAR *name, ULONG attributes, PSECURITY_DESCRIPTOR security, LONG max,
                      bool two_way, PFLT_PORT *ret);

/* Waits until *value >= wanted; the fixture's lock guards it. */
void fixture_wait(const unsigned *value, unsigned wanted);
void fixture_release(void);

struct client {
        int fd;
        uint8_t buffer[FM_FRAME_MAX + 1];
        struct fm_frame frame; /* the last one received */
        int fds[FM_FRAME_DESCRIPTORS_MAX];
        unsigned fd_count;
        uint8_t token[FM_TOKEN_SIZE];
        struct fm_ring ring;
        uint64_t tag;
};

/* Connects the socket, no frames yet. */
struct client *client_new(void);
/* With HELLO and WELCOME. */
struct client *client_new_greeted(void);
/* Closes everything. */
void client_free(struct client *client);
void client_send(struct client *client, const struct fm_frame *frame);
void client_send_fd(struct client *client, const struct fm_frame *frame, int fd);
/* Waits for a frame: its type, or 0 at the end of file. */
unsigned client_receive(struct client *client);
/* CONNECT and CONNECTED: the status. */
NTSTATUS client_connect(struct client *client, const WCHAR *name, bool ring, const void *context,
                        uint32_t size);
/* All at once, which must succeed. */
struct client *client_new_connected(bool ring);
/* A channel of the client's connection. */
struct client *client_new_channel(const struct client *client);
/* CALL and RETURN: the status; output in frame.ret. */
NTSTATUS client_call(struct client *client, const void *in, uint32_t in_length, uint32_t out_length);

/* A ring client waits for a message as agents do. false: the connection has ended. */
bool client_take(struct client *client, void *buffer, uint32_t size, struct fm_taken *taken);

/* A good client that others must not hurt: it has a connection and a channel. */
struct bystander {
        struct client *client, *channel;
        PFLT_PORT *port; /* the filter's variable */
};
void bystander_start(struct bystander *bystander);
/* A message and its reply, and a call. */
void bystander_check(struct bystander *bystander);
void bystander_stop(struct bystander *bystander);

/* FltSendMessage on a thread of its own. */
struct sending {
        pthread_t thread;
        const void *payload;
        ULONG length;
        char reply[64];
        ULONG reply_length; /* capacity, then what came */
        bool wants_reply;
        LONGLONG timeout; /* 0: none */
        struct fm_cancel *cancel;
        PFLT_PORT *port; /* NULL: the fixture's first client */
        NTSTATUS status;
};
void sending_start(struct sending *sending);
NTSTATUS sending_join(struct sending *sending);
