/* SPDX-License-Identifier: MIT */
/* See fixture.h. */
#include "fixture.h"

#include <string.h>

void setup_with(struct fixture *f, DWORD options)
{
        f->server = fake_server_new();
        g_assert_cmphex((ULONG)FilterConnectCommunicationPort(PORT_NAME, options, NULL, 0, NULL, &f->port),
                        ==, 0);
        f->connection = fake_server_connection(f->server, 0);
}

void setup(struct fixture *f, gconstpointer unused)
{
        setup_with(f, 0);
}

void teardown(struct fixture *f, gconstpointer unused)
{
        if (f->port)
                g_assert_true(CloseHandle(f->port));
        fake_server_wait_closed(f->server, f->connection);
        fake_server_free(f->server);
}

void assert_hr(HRESULT got, ULONG wanted)
{
        g_assert_cmphex((ULONG)got, ==, wanted);
}

HRESULT call(HANDLE port, const char *in, DWORD in_size, void *out, DWORD out_size, DWORD *bytes)
{
        return FilterSendMessage(port, (void *)(uintptr_t)in, in_size, out, out_size, bytes);
}

HRESULT reply_to(HANDLE port, ULONGLONG id, NTSTATUS status, const char *text)
{
        struct reply reply = { .header = { status, id } };

        g_strlcpy(reply.text, text, sizeof(reply.text));
        return FilterReplyMessage(port, &reply.header, (DWORD)(sizeof(reply.header) + strlen(text)));
}

static gpointer send_text(gpointer pointer)
{
        struct sender *sender = pointer;

        sender->reply_length = sizeof(sender->reply);
        sender->status =
                fake_send(sender->connection, sender->text, (uint32_t)strlen(sender->text),
                          sender->one_way ? NULL : sender->reply, &sender->reply_length, sender->timeout);
        return NULL;
}

void sender_start(struct sender *sender, struct fake_connection *connection, const char *text)
{
        sender->connection = connection;
        sender->text = text;
        sender->thread = g_thread_new("sender", send_text, sender);
}

void echo(const struct fm_frame *request, struct fm_frame *answer, uint8_t *out, int *descriptor)
{
        answer->ret.out_length = request->call.in_length;
        if (request->call.in && request->call.in_length <= FM_INLINE_MAX)
                memcpy(out, request->call.in, request->call.in_length);
        if (request->call.in_length == 3)
                answer->ret.status = STATUS_NO_MORE_ENTRIES;
        if (request->call.in_length == 4)
                answer->ret.status = STATUS_ACCESS_DENIED;
        if (request->call.in_length == 5 && request->call.out_length < 5)
                answer->ret.status = STATUS_BUFFER_TOO_SMALL;
}
