/* SPDX-License-Identifier: MIT */
/* Events: each receive has one, and one thread waits for all of them at once. To think is a wait with a time-out. */
#include "agent.h"

#define RECEIVES 16

typedef struct _RECEIVE {
        OVERLAPPED Overlapped;
        MESSAGE Message;
        BOOL Thinking;
        ULONGLONG Until; /* of GetTickCount64 */
} RECEIVE;

static RECEIVE Receives[RECEIVES];
/* Of the receives, in their order; then that of Stop. */
static HANDLE Events[RECEIVES + 1];

static BOOL WINAPI OnControl(DWORD Type)
{
        UNREFERENCED_PARAMETER(Type);
        return SetEvent(Events[RECEIVES]);
}

/* Returns S_OK if the receive is under way. Its event is reset by that. */
static HRESULT StartReceive(RECEIVE *Receive)
{
        HRESULT Result;

        ZeroMemory(&Receive->Overlapped, sizeof(Receive->Overlapped));
        Receive->Overlapped.hEvent = Events[Receive - Receives];
        Receive->Thinking = FALSE;
        Result = FilterGetMessage(Port, &Receive->Message.Header, sizeof(Receive->Message), &Receive->Overlapped);
        return Result == HRESULT_FROM_WIN32(ERROR_IO_PENDING) ? S_OK : Result;
}

static HRESULT Answer(RECEIVE *Receive)
{
        Reply(&Receive->Message);
        return StartReceive(Receive);
}

/* The event of this receive is set. */
static HRESULT Received(RECEIVE *Receive)
{
        DWORD Bytes, Milliseconds;

        if (!GetOverlappedResult(Port, &Receive->Overlapped, &Bytes, FALSE))
                return HRESULT_FROM_WIN32(GetLastError());
        Milliseconds = Asked(&Receive->Message);
        if (Milliseconds == 0)
                return Answer(Receive);
        /* The event must not call again meanwhile. */
        ResetEvent(Receive->Overlapped.hEvent);
        Receive->Thinking = TRUE;
        Receive->Until = GetTickCount64() + Milliseconds;
        return S_OK;
}

/* Answers what has been thought about for long enough. *Next is how long it is to the next. */
static HRESULT EndThoughts(DWORD *Next)
{
        ULONGLONG Now = GetTickCount64();
        HRESULT Result = S_OK;
        DWORD i;

        *Next = INFINITE;
        for (i = 0; i < RECEIVES && SUCCEEDED(Result); i++) {
                if (!Receives[i].Thinking)
                        continue;
                if (Receives[i].Until <= Now)
                        Result = Answer(&Receives[i]);
                else
                        *Next = min(*Next, (DWORD)(Receives[i].Until - Now));
        }
        return Result;
}

int main(int argc, char *argv[])
{
        HRESULT Result = S_OK;
        DWORD i, Next = INFINITE;

        if (!Start(argc, argv))
                return 1;
        for (i = 0; i <= RECEIVES; i++) {
                Events[i] = CreateEvent(NULL, TRUE, FALSE, NULL);
                if (Events[i] == NULL)
                        return 1;
        }
        if (!SetConsoleCtrlHandler(OnControl, TRUE))
                return 1;
        for (i = 0; i < RECEIVES && SUCCEEDED(Result); i++)
                Result = StartReceive(&Receives[i]);

        while (SUCCEEDED(Result)) {
                i = WaitForMultipleObjects(RECEIVES + 1, Events, FALSE, Next);
                if (i == WAIT_OBJECT_0 + RECEIVES)
                        break;
                if (i < WAIT_OBJECT_0 + RECEIVES)
                        Result = Received(&Receives[i - WAIT_OBJECT_0]);
                else if (i != WAIT_TIMEOUT)
                        Result = HRESULT_FROM_WIN32(GetLastError());
                if (SUCCEEDED(Result))
                        Result = EndThoughts(&Next);
        }
        return Finish(Result);
}
