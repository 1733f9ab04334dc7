/* SPDX-License-Identifier: MIT */
/*
 * A filter manager in a thread of the test: accepts connections to one port, offers messages, answers calls
 * and management requests as the test says. It speaks the protocol by src/wire and nothing else.
 */
#pragma once

#include "wire/frame.h"
#include "wire/ring.h"

#include <windows.h>
#include <fltUserExt.h>

#include <glib.h>
#include <pthread.h>
#include <stdbool.h>

#define PORT_NAME L"\\TestPort"

struct fake_connection {
        int fd; /* -1: gone */
        struct fm_ring ring;
        uint8_t context[64];
        uint32_t context_length;
        uint32_t options;
        bool closed; /* end of file seen */
        uint64_t tickets;
        uint64_t announced;
        uint64_t slots_used; /* bit set: a sender has it */
        pthread_mutex_t lock;
};

struct fake_server;

/* Sets the answer; given section descriptors go into *descriptor (-1: none), which stays the test's. */
typedef void (*fake_call)(const struct fm_frame *request, struct fm_frame *answer, uint8_t *out,
                          int *descriptor);
typedef void (*fake_manage)(const struct fm_frame *request, struct fm_frame *answer, uint8_t *entries,
                            size_t size);

struct fake_server *fake_server_new(void);
void fake_server_free(struct fake_server *server);
void fake_server_on_call(struct fake_server *server, fake_call call);
void fake_server_on_manage(struct fake_server *server, fake_manage manage);
/* The answer to the next CONNECTs. */
void fake_server_set_connect_status(struct fake_server *server, int32_t status);
/* The nth connection that was accepted; waits for it. */
struct fake_connection *fake_server_connection(struct fake_server *server, unsigned n);
void fake_server_wait_closed(struct fake_server *server, struct fake_connection *connection);
bool fake_server_is_closed(struct fake_server *server, struct fake_connection *connection);
/* It answers nobody any more, until it goes on. */
void fake_server_stop(struct fake_server *server);
void fake_server_continue(struct fake_server *server);
/* The next JOIN waits for its answer until somebody else has greeted. */
void fake_server_hold_join(struct fake_server *server);
bool fake_server_holds_join(struct fake_server *server);
/* JOINs so far. */
unsigned fake_server_joins(struct fake_server *server);
/* The connection ends, as if the filter had closed it. */
void fake_kick(struct fake_connection *connection);

/* FltSendMessage: NTSTATUS. timeout_ms 0: none. reply NULL: none wanted. */
int32_t fake_send(struct fake_connection *connection, const void *message, uint32_t length, void *reply,
                  uint32_t *reply_length, unsigned timeout_ms);
/* The first half of it, for tests that want a message that waits. */
void fake_offer(struct fake_connection *connection, struct fm_slot *slot, const void *message,
                uint32_t length, uint32_t reply_capacity, bool wants_reply);
int32_t fake_finish(struct fake_connection *connection, struct fm_slot *slot, void *reply,
                    uint32_t *reply_length, unsigned timeout_ms);
/* A DOORBELL that brings a section. */
void fake_give(struct fake_connection *connection, uint64_t handle, int fd, uint64_t size);
