/* SPDX-License-Identifier: MIT */
/* Threads: each waits for a message, answers, and waits again. */
#include "agent.h"

#define THREADS 4

static HANDLE Stop;

static BOOL WINAPI OnControl(DWORD Type)
{
        UNREFERENCED_PARAMETER(Type);
        return SetEvent(Stop);
}

static DWORD WINAPI Work(LPVOID Parameter)
{
        MESSAGE Message;
        HRESULT Result;
        DWORD Milliseconds;

        UNREFERENCED_PARAMETER(Parameter);
        while (SUCCEEDED(Result = FilterGetMessage(Port, &Message.Header, sizeof(Message), NULL))) {
                Milliseconds = Asked(&Message);
                if (Milliseconds != 0 && WaitForSingleObject(Stop, Milliseconds) == WAIT_OBJECT_0)
                        break;
                Reply(&Message);
        }
        return (DWORD)Result;
}

int main(int argc, char *argv[])
{
        HANDLE Handles[THREADS + 1];
        DWORD i, First, Result = S_OK;

        if (!Start(argc, argv))
                return 1;
        Stop = CreateEvent(NULL, TRUE, FALSE, NULL);
        if (Stop == NULL || !SetConsoleCtrlHandler(OnControl, TRUE))
                return 1;
        for (i = 0; i < THREADS; i++) {
                Handles[i] = CreateThread(NULL, 0, Work, NULL, 0, NULL);
                if (Handles[i] == NULL)
                        return 1;
        }
        Handles[THREADS] = Stop;

        First = WaitForMultipleObjects(THREADS + 1, Handles, FALSE, INFINITE) - WAIT_OBJECT_0;
        if (First < THREADS)
                GetExitCodeThread(Handles[First], &Result);
        SetEvent(Stop);
        /* A thread may be on its way into FilterGetMessage, where the next cancel finds it. */
        do
                CancelIoEx(Port, NULL);
        while (WaitForMultipleObjects(THREADS, Handles, TRUE, 10) == WAIT_TIMEOUT);
        return Finish((HRESULT)Result);
}
