/* SPDX-License-Identifier: MIT */
/* The reader of oneway.c: says what it is told until the filter goes. There is nothing to answer. */
#include <windows.h>
#include <fltUser.h>
#include <stdio.h>

#include "oneway.h"

typedef struct _MESSAGE {
        FILTER_MESSAGE_HEADER Header;
        ONEWAY_NOTE Note;
} MESSAGE;

int main(void)
{
        char Name[3 * ONEWAY_NAME_MAX + 1];
        MESSAGE Message;
        HRESULT Result;
        HANDLE Port;
        int Length;

        Result = FilterConnectCommunicationPort(ONEWAY_PORT_NAME, 0, NULL, 0, NULL, &Port);
        if (FAILED(Result)) {
                fprintf(stderr, "reader: no connection to the filter: 0x%08lx\n", (DWORD)Result);
                return 1;
        }
        printf("connected\n");
        fflush(stdout);
        while (SUCCEEDED(Result = FilterGetMessage(Port, &Message.Header, sizeof(Message), NULL))) {
                if (Message.Note.Lost != 0)
                        printf("%lu notes were lost\n", Message.Note.Lost);
                Length = WideCharToMultiByte(CP_UTF8, 0, Message.Note.Name,
                                             (int)(Message.Note.NameLength / sizeof(WCHAR)), Name, sizeof(Name) - 1,
                                             NULL, NULL);
                Name[Length] = '\0';
                printf("process %lu made %s\n", Message.Note.ProcessId, Name);
                fflush(stdout);
        }
        printf("ended %lu\n", (DWORD)HRESULT_CODE(Result));
        CloseHandle(Port);
        return 0;
}
