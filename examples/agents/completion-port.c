/* SPDX-License-Identifier: MIT */
/* A completion port: many receives are under way, and a few threads share what completes. */
#include "agent.h"

#define THREADS  4
#define RECEIVES 32

typedef struct _RECEIVE {
        OVERLAPPED Overlapped;
        MESSAGE Message;
} RECEIVE;

static HANDLE Queue, Stop;

static BOOL WINAPI OnControl(DWORD Type)
{
        UNREFERENCED_PARAMETER(Type);
        SetEvent(Stop);
        /* A completion that is of no receive. */
        return PostQueuedCompletionStatus(Queue, 0, 0, NULL);
}

/* Returns S_OK if the receive is under way. */
static HRESULT StartReceive(RECEIVE *Receive)
{
        HRESULT Result;

        ZeroMemory(&Receive->Overlapped, sizeof(Receive->Overlapped));
        Result = FilterGetMessage(Port, &Receive->Message.Header, sizeof(Receive->Message), &Receive->Overlapped);
        return Result == HRESULT_FROM_WIN32(ERROR_IO_PENDING) ? S_OK : Result;
}

static DWORD WINAPI Work(LPVOID Parameter)
{
        HRESULT Result = S_OK;
        OVERLAPPED *Overlapped;
        DWORD Bytes, Milliseconds;
        ULONG_PTR Key;
        RECEIVE *Receive;

        UNREFERENCED_PARAMETER(Parameter);
        while (SUCCEEDED(Result)) {
                if (!GetQueuedCompletionStatus(Queue, &Bytes, &Key, &Overlapped, INFINITE)) {
                        Result = HRESULT_FROM_WIN32(GetLastError());
                        break;
                }
                if (Overlapped == NULL)
                        break;
                Receive = CONTAINING_RECORD(Overlapped, RECEIVE, Overlapped);
                Milliseconds = Asked(&Receive->Message);
                if (Milliseconds != 0 && WaitForSingleObject(Stop, Milliseconds) == WAIT_OBJECT_0)
                        break;
                Reply(&Receive->Message);
                Result = StartReceive(Receive);
        }
        /* So that the next thread ends too. */
        PostQueuedCompletionStatus(Queue, 0, 0, NULL);
        SetEvent(Stop);
        return (DWORD)Result;
}

int main(int argc, char *argv[])
{
        static RECEIVE Receives[RECEIVES];
        HANDLE Threads[THREADS];
        HRESULT Result = S_OK;
        DWORD i, Code;

        if (!Start(argc, argv))
                return 1;
        Stop = CreateEvent(NULL, TRUE, FALSE, NULL);
        Queue = CreateIoCompletionPort(Port, NULL, 0, THREADS);
        if (Stop == NULL || Queue == NULL || !SetConsoleCtrlHandler(OnControl, TRUE))
                return 1;
        for (i = 0; i < RECEIVES && SUCCEEDED(Result); i++)
                Result = StartReceive(&Receives[i]);
        for (i = 0; i < THREADS; i++) {
                Threads[i] = CreateThread(NULL, 0, Work, NULL, 0, NULL);
                if (Threads[i] == NULL)
                        return 1;
        }

        WaitForMultipleObjects(THREADS, Threads, TRUE, INFINITE);
        for (i = 0; i < THREADS && SUCCEEDED(Result); i++) {
                GetExitCodeThread(Threads[i], &Code);
                Result = (HRESULT)Code;
        }
        return Finish(Result);
}
