/* SPDX-License-Identifier: MIT */
/*
 * The agent of message-bench: answers each message at once and closes the handle that came with it, if one did.
 *
 *   message-agent sync|port|event THREADS     FilterGetMessage() that blocks; a completion port; an event for each
 */
#include <windows.h>

#include <fltUser.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "message-bench.h"

struct receive {
        OVERLAPPED overlapped;
        struct {
                FILTER_MESSAGE_HEADER header;
                struct message_head head;
                char rest[BENCH_SIZE_MAX];
        } message;
};

#define RECEIVE_SIZE (sizeof(FILTER_MESSAGE_HEADER) + BENCH_SIZE_MAX)

static HANDLE port, completion;

static BOOL answer(const FILTER_MESSAGE_HEADER *header, const struct message_head *head)
{
        struct {
                FILTER_REPLY_HEADER header;
                char verdict[BENCH_REPLY];
        } reply = { .header = { .MessageId = header->MessageId } };

        if (head->handle)
                CloseHandle((HANDLE)(ULONG_PTR)head->handle);
        return SUCCEEDED(FilterReplyMessage(port, &reply.header, sizeof(reply)));
}

static DWORD WINAPI run_sync(LPVOID unused)
{
        struct receive *receive = calloc(1, sizeof(*receive));

        while (SUCCEEDED(FilterGetMessage(port, &receive->message.header, RECEIVE_SIZE, NULL)))
                answer(&receive->message.header, &receive->message.head);
        free(receive);
        return 0;
}

static HRESULT start(struct receive *receive)
{
        memset(&receive->overlapped, 0, sizeof(receive->overlapped));
        return FilterGetMessage(port, &receive->message.header, RECEIVE_SIZE, &receive->overlapped);
}

static DWORD WINAPI run_port(LPVOID unused)
{
        LPOVERLAPPED overlapped;
        ULONG_PTR key;
        DWORD bytes;

        while (GetQueuedCompletionStatus(completion, &bytes, &key, &overlapped, INFINITE)) {
                struct receive *receive = CONTAINING_RECORD(overlapped, struct receive, overlapped);

                answer(&receive->message.header, &receive->message.head);
                if (start(receive) != HRESULT_FROM_WIN32(ERROR_IO_PENDING))
                        break;
        }
        return 0;
}

static DWORD WINAPI run_event(LPVOID unused)
{
        struct receive *receive = calloc(1, sizeof(*receive));
        HANDLE event = CreateEventW(NULL, FALSE, FALSE, NULL);

        for (;;) {
                memset(&receive->overlapped, 0, sizeof(receive->overlapped));
                receive->overlapped.hEvent = event;
                if (FilterGetMessage(port, &receive->message.header, RECEIVE_SIZE, &receive->overlapped) !=
                            HRESULT_FROM_WIN32(ERROR_IO_PENDING) ||
                    WaitForSingleObject(event, INFINITE) != WAIT_OBJECT_0 || receive->overlapped.Internal != 0)
                        return 0;
                answer(&receive->message.header, &receive->message.head);
        }
}

int main(int argc, char **argv)
{
        const char *kind = argc > 1 ? argv[1] : "sync";
        BOOL with_port = strcmp(kind, "port") == 0;
        LPTHREAD_START_ROUTINE run = with_port ? run_port : strcmp(kind, "event") == 0 ? run_event : run_sync;
        DWORD count = argc > 2 ? strtoul(argv[2], NULL, 0) : 1;
        HANDLE threads[MAXIMUM_WAIT_OBJECTS];
        HRESULT hr = FilterConnectCommunicationPort(BENCH_PORT, 0, NULL, 0, NULL, &port);

        if (FAILED(hr) || count == 0 || count > MAXIMUM_WAIT_OBJECTS) {
                fprintf(stderr, "message-agent: can't connect: 0x%08X\n", (unsigned)hr);
                return 1;
        }
        if (with_port) {
                completion = CreateIoCompletionPort(port, NULL, 0, count);
                for (DWORD i = 0; i < 2 * count; i++)
                        start(calloc(1, sizeof(struct receive)));
        }
        for (DWORD i = 0; i < count; i++)
                threads[i] = CreateThread(NULL, 0, run, NULL, 0, NULL);
        WaitForMultipleObjects(count, threads, FALSE, INFINITE);
        return 0;
}
