/* SPDX-License-Identifier: MIT */
/*
 * The agent of port-reconnect: connects, receives a message with a handle, replies, calls the filter, closes; so many
 * times, every other time with a completion port. In the end it holds what it held after a tenth of them.
 */
#include <windows.h>

#include <fltUser.h>

#include <stdio.h>
#include <sys/prctl.h>
#include <signal.h>

#include "port-resources.h"
#include "port-stress.h"

#define HEAP_NOISE (16 * 1024) /* what the library keeps for itself: less than two bytes a reconnect */

static struct {
        FILTER_MESSAGE_HEADER header;
        uint64_t handle;
} message;

static void receive(HANDLE port)
{
        OVERLAPPED overlapped = { 0 }, *completed;
        HANDLE completion;
        ULONG_PTR key;
        DWORD bytes;

        completion = CreateIoCompletionPort(port, NULL, 0, 1);
        g_assert_nonnull(completion);
        g_assert_cmphex((ULONG)FilterGetMessage(port, &message.header, sizeof(message), &overlapped), ==, 0x800703E5);
        g_assert_true(GetQueuedCompletionStatus(completion, &bytes, &key, &completed, INFINITE));
        g_assert_true(completed == &overlapped);
        CloseHandle(completion);
}

static void once(unsigned round)
{
        FILTER_REPLY_HEADER reply = { 0 };
        HANDLE port;
        DWORD bytes;
        void *view;

        g_assert_cmphex((ULONG)FilterConnectCommunicationPort(STRESS_PORT, 0, NULL, 0, NULL, &port), ==, 0);
        if (round % 2)
                receive(port);
        else
                g_assert_cmphex((ULONG)FilterGetMessage(port, &message.header, sizeof(message), NULL), ==, 0);
        g_assert_cmpuint(message.header.MessageId, ==, 1);
        view = MapViewOfFile((HANDLE)(ULONG_PTR)message.handle, FILE_MAP_READ, 0, 0, 0);
        g_assert_nonnull(view);
        g_assert_true(UnmapViewOfFile(view));
        g_assert_true(CloseHandle((HANDLE)(ULONG_PTR)message.handle));
        reply.MessageId = 1;
        g_assert_cmphex((ULONG)FilterReplyMessage(port, &reply, sizeof(reply)), ==, 0);
        g_assert_cmphex((ULONG)FilterSendMessage(port, &round, sizeof(round), NULL, 0, &bytes), ==, 0);
        g_assert_true(CloseHandle(port));
}

int main(int argc, char **argv)
{
        unsigned count = argc > 1 ? strtoul(argv[1], NULL, 0) : 1;
        struct resources before = { 0 }, after;

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (unsigned i = 0; i < count; i++) {
                if (i == count / 10)
                        before = resources_now();
                once(i);
        }
        after = resources_now();
        resources_print("agent", &before, &after);
        fflush(stdout);
        g_assert_cmpuint(after.descriptors, ==, before.descriptors);
        g_assert_cmpuint(after.threads, ==, before.threads);
        g_assert_cmpuint(after.heap, <=, before.heap + HEAP_NOISE);
        if (!SANITIZED)
                g_assert_cmpuint(after.memory, <=, before.memory + 1024);
        return 0;
}
