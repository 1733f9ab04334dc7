/* SPDX-License-Identifier: MIT */
/*
 * The agent of scanner.c: refuses files that start with the text given on the command line.
 *
 * Each thread waits for a message, judges, answers, and waits again. They end when the port does.
 */
#include <windows.h>
#include <fltUser.h>
#include <stdio.h>
#include <string.h>

#include "protocol.h"

#define THREADS 4

typedef struct _MESSAGE {
        FILTER_MESSAGE_HEADER Header;
        SCANNER_REQUEST Request;
} MESSAGE;

typedef struct _ANSWER {
        FILTER_REPLY_HEADER Header;
        SCANNER_REPLY Reply;
} ANSWER;

static HANDLE Port;
static const char *Forbidden;

static BOOL IsForbidden(const SCANNER_REQUEST *Request)
{
        size_t Length = strlen(Forbidden);

        return Request->Length >= Length && Request->Length <= sizeof(Request->Sample) &&
               memcmp(Request->Sample, Forbidden, Length) == 0;
}

static DWORD WINAPI Work(LPVOID Parameter)
{
        MESSAGE Message;
        ANSWER Answer;

        UNREFERENCED_PARAMETER(Parameter);
        while (SUCCEEDED(FilterGetMessage(Port, &Message.Header, sizeof(Message), NULL))) {
                ZeroMemory(&Answer, sizeof(Answer));
                Answer.Header.MessageId = Message.Header.MessageId;
                Answer.Reply.Allow = !IsForbidden(&Message.Request);
                printf("process %lu: %s\n", Message.Request.ProcessId, Answer.Reply.Allow ? "allowed" : "refused");
                fflush(stdout);
                /* Not sizeof(Answer): what pads the structure is no part of the answer. It may come too late. */
                FilterReplyMessage(Port, &Answer.Header, sizeof(FILTER_REPLY_HEADER) + sizeof(SCANNER_REPLY));
        }
        return 0;
}

int main(int argc, char *argv[])
{
        HANDLE Threads[THREADS];
        HRESULT Result;
        DWORD i;

        if (argc != 2 || argv[1][0] == '\0' || strlen(argv[1]) > SCANNER_SAMPLE) {
                fprintf(stderr, "usage: agent TEXT\n");
                return 2;
        }
        Forbidden = argv[1];

        Result = FilterConnectCommunicationPort(SCANNER_PORT_NAME, 0, NULL, 0, NULL, &Port);
        if (FAILED(Result)) {
                fprintf(stderr, "agent: no connection to the filter: 0x%08lx\n", (DWORD)Result);
                return 1;
        }
        for (i = 0; i < THREADS; i++) {
                Threads[i] = CreateThread(NULL, 0, Work, NULL, 0, NULL);
                if (Threads[i] == NULL) {
                        fprintf(stderr, "agent: no thread: %lu\n", GetLastError());
                        return 1;
                }
        }
        WaitForMultipleObjects(THREADS, Threads, TRUE, INFINITE);
        CloseHandle(Port);
        return 0;
}
