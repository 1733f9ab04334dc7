/* SPDX-License-Identifier: MIT */
/*
 * The agent of filters that misuse their port: connects to \Misdeed, sends one message, and opens the file
 * that it is given while it is connected. Succeeds if it could connect, whatever became of the rest.
 */
#include <fcntl.h>
#include <unistd.h>
#include <windows.h>

#include <fltUser.h>

int main(int argc, char **argv)
{
        char message[16] = "shot", reply[16];
        DWORD returned;
        HANDLE port;
        int fd;

        if (argc != 2 || FAILED(FilterConnectCommunicationPort(L"\\Misdeed", 0, NULL, 0, NULL, &port)))
                return 1;
        (void)FilterSendMessage(port, message, sizeof(message), reply, sizeof(reply), &returned);
        fd = open(argv[1], O_RDONLY | O_CLOEXEC);
        if (fd >= 0)
                close(fd);
        CloseHandle(port);
        return 0;
}
