/* SPDX-License-Identifier: MIT */
/*
 * What all agents of ask.c have in common: arguments, decision and output. How to wait is what they differ in.
 *
 *   AGENT DENIED [SLOW MILLISECONDS]
 *
 * Files whose name contains DENIED are refused. Over those whose name contains SLOW it thinks for so long.
 */
#ifndef AGENT_H
#define AGENT_H

#include <windows.h>
#include <fltUser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"

typedef struct _MESSAGE {
        FILTER_MESSAGE_HEADER Header;
        ASK_QUESTION Question;
} MESSAGE;

typedef struct _ANSWER {
        FILTER_REPLY_HEADER Header;
        ASK_ANSWER Answer;
} ANSWER;

/* Not sizeof(ANSWER): what pads the structure is no part of the answer. */
#define ANSWER_SIZE (sizeof(FILTER_REPLY_HEADER) + sizeof(ASK_ANSWER))

static HANDLE Port;
static const char *Denied, *Slow;
static DWORD Delay;

/* Reads the arguments and connects. */
static BOOL Start(int argc, char *argv[])
{
        HRESULT Result;

        if (argc != 2 && argc != 4) {
                fprintf(stderr, "usage: AGENT DENIED [SLOW MILLISECONDS]\n");
                return FALSE;
        }
        Denied = argv[1];
        if (argc == 4) {
                Slow = argv[2];
                Delay = (DWORD)strtoul(argv[3], NULL, 10);
        }
        Result = FilterConnectCommunicationPort(ASK_PORT_NAME, 0, NULL, 0, NULL, &Port);
        if (FAILED(Result)) {
                fprintf(stderr, "no connection to the filter: 0x%08lx\n", (DWORD)Result);
                return FALSE;
        }
        printf("connected\n");
        fflush(stdout);
        return TRUE;
}

static void GetName(const MESSAGE *Message, char *Name, int Size)
{
        int Length = WideCharToMultiByte(CP_UTF8, 0, Message->Question.Name,
                                         (int)(Message->Question.NameLength / sizeof(WCHAR)), Name, Size - 1, NULL,
                                         NULL);

        Name[Length] = '\0';
}

/* A message has come. Returns for how many milliseconds to think about it. */
static DWORD Asked(const MESSAGE *Message)
{
        char Name[3 * ASK_NAME_MAX + 1];

        GetName(Message, Name, sizeof(Name));
        printf("asked %s\n", Name);
        fflush(stdout);
        return Slow != NULL && strstr(Name, Slow) != NULL ? Delay : 0;
}

static void Reply(const MESSAGE *Message)
{
        char Name[3 * ASK_NAME_MAX + 1];
        ANSWER Answer;
        HRESULT Result;

        GetName(Message, Name, sizeof(Name));
        ZeroMemory(&Answer, sizeof(Answer));
        Answer.Header.MessageId = Message->Header.MessageId;
        Answer.Answer.Allow = strstr(Name, Denied) == NULL;
        Result = FilterReplyMessage(Port, &Answer.Header, ANSWER_SIZE);
        /* That it came too late, or that the filter has gone, is no reason to stop: the next receive knows better. */
        if (SUCCEEDED(Result))
                printf("%s %s\n", Answer.Answer.Allow ? "allowed" : "refused", Name);
        else
                printf("unanswered %s 0x%08lx\n", Name, (DWORD)Result);
        fflush(stdout);
}

/* S_OK: we were asked to stop. Otherwise why no message comes any more; 6 is that the filter has gone. */
static int Finish(HRESULT Result)
{
        if (Result == S_OK)
                printf("stopped\n");
        else
                printf("ended %lu\n", (DWORD)HRESULT_CODE(Result));
        fflush(stdout);
        CloseHandle(Port);
        return 0;
}

#endif
