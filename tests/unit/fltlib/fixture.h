/* SPDX-License-Identifier: MIT */
/* A port handle of fltlib that is connected to a server of the test's own, and threads that send it messages. */
#pragma once

#include "server.h"

#include <ntstatus.h>

struct message {
        FILTER_MESSAGE_HEADER header;
        char text[64];
        OVERLAPPED overlapped;
};
#define MESSAGE_SIZE offsetof(struct message, overlapped)

struct reply {
        FILTER_REPLY_HEADER header;
        char text[64];
};

struct fixture {
        struct fake_server *server;
        struct fake_connection *connection;
        HANDLE port;
};

/* For g_test_add(). The handle may be closed by the test, which sets it to NULL then. */
void setup(struct fixture *f, gconstpointer unused);
void setup_with(struct fixture *f, DWORD options);
void teardown(struct fixture *f, gconstpointer unused);

/* The path, a test of struct fixture. */
#define ADD(path, function) g_test_add(path, struct fixture, NULL, setup, function, teardown)

void assert_hr(HRESULT got, ULONG wanted);
HRESULT call(HANDLE port, const char *in, DWORD in_size, void *out, DWORD out_size, DWORD *bytes);
HRESULT reply_to(HANDLE port, ULONGLONG id, NTSTATUS status, const char *text);

/* A thread that sends a text and keeps what came back. */
struct sender {
        struct fake_connection *connection;
        const char *text;
        bool one_way;
        unsigned timeout;
        char reply[64];
        uint32_t reply_length;
        int32_t status;
        GThread *thread;
};
void sender_start(struct sender *sender, struct fake_connection *connection, const char *text);

/* MessageNotify: returns its input. The length chooses the status, see there. */
void echo(const struct fm_frame *request, struct fm_frame *answer, uint8_t *out, int *descriptor);
