/* SPDX-License-Identifier: MIT */
/*
 * The agent of sections.sh: what can be done with the section that onaccess sends for a file, as any agent would do it.
 *
 * Prints a line of TAP, without its number, for each row. What it does with a file, the file's name says.
 *
 *   section-agent FILE    FILE: "rows", on the mount
 */
#include <windows.h>
#include <fltUser.h>
#include <fltUserExt.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol.h"

#define SIZE 0x10005 /* of "rows"; each byte is its place's lowest */
#define LAST 0x10000

struct message {
        FILTER_MESSAGE_HEADER header;
        OA_SCAN_REQUEST request;
};

static HANDLE port;
static const char *path;

/* A message that was not answered in time. */
static struct {
        ULONGLONG id;
        HANDLE section;
        const unsigned char *view;
} kept;

static void row(bool good, const char *name)
{
        if (good)
                printf("ok - %s\n", name);
        else
                printf("not ok - %s (last error %u)\n", name, (unsigned)GetLastError());
}

static HRESULT reply(ULONGLONG id)
{
        struct {
                FILTER_REPLY_HEADER header;
                OA_SCAN_REPLY reply;
        } answer = { .header = { .MessageId = id }, .reply = { .Verdict = OA_VERDICT_CLEAN } };

        return FilterReplyMessage(port, &answer.header, sizeof(answer));
}

static bool is_content(const unsigned char *view, size_t offset, size_t length)
{
        for (size_t i = 0; i < length; i++)
                if (view[i] != (unsigned char)(offset + i))
                        return false;
        return true;
}

/* The kernel writes there as the program would, and says so where that would be a fault. */
static bool is_read_only(unsigned char *byte)
{
        int ends[2];
        bool refused;

        if (pipe(ends) < 0)
                return false;
        refused = write(ends[1], "x", 1) == 1 && read(ends[0], byte, 1) < 0 && errno == EFAULT;
        close(ends[0]);
        close(ends[1]);
        return refused;
}

/* Whether one of this process' descriptors is the file, open for writing. */
static bool can_write(void)
{
        bool found = false;

        for (int fd = 0; fd < 256; fd++) {
                struct stat st;

                if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == SIZE)
                        found = found || (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY;
        }
        return found;
}

static void views(HANDLE section)
{
        static const struct {
                const char *name;
                DWORD access, offset;
                SIZE_T size;
                DWORD error;
                SIZE_T length; /* of the view */
        } rows[] = {
                { "all of it", FILE_MAP_READ, 0, 0, 0, SIZE },
                { "one byte", FILE_MAP_READ, 0, 1, 0, 1 },
                { "as long as it is", FILE_MAP_READ, 0, SIZE, 0, SIZE },
                { "one byte more", FILE_MAP_READ, 0, SIZE + 1, ERROR_ACCESS_DENIED, 0 },
                { "its last part", FILE_MAP_READ, LAST, 0, 0, SIZE - LAST },
                { "as long as its last part is", FILE_MAP_READ, LAST, SIZE - LAST, 0, SIZE - LAST },
                { "one byte more than that", FILE_MAP_READ, LAST, SIZE - LAST + 1, ERROR_ACCESS_DENIED, 0 },
                { "behind its end", FILE_MAP_READ, 2 * LAST, 0, ERROR_ACCESS_DENIED, 0 },
                { "from inside 64 KiB", FILE_MAP_READ, 0x1000, 0, ERROR_MAPPED_ALIGNMENT, 0 },
                { "for writing", FILE_MAP_WRITE, 0, 0, ERROR_ACCESS_DENIED, 0 },
                { "for everything", FILE_MAP_ALL_ACCESS, 0, 0, ERROR_ACCESS_DENIED, 0 },
                { "for execution", FILE_MAP_READ | FILE_MAP_EXECUTE, 0, 0, ERROR_ACCESS_DENIED, 0 },
                { "a copy", FILE_MAP_COPY, 0, 0, 0, SIZE },
        };

        for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
                unsigned char *view;
                bool good;

                SetLastError(ERROR_SUCCESS);
                view = MapViewOfFile(section, rows[i].access, 0, rows[i].offset, rows[i].size);
                good = GetLastError() == rows[i].error && !view == (rows[i].error != ERROR_SUCCESS);
                if (view) {
                        good = good && is_content(view, rows[i].offset, rows[i].length);
                        if (rows[i].access == FILE_MAP_COPY)
                                view[0] = 'x'; /* the script looks what became of the file */
                        else
                                good = good && is_read_only(view);
                        good = UnmapViewOfFile(view) && good;
                }
                row(good, rows[i].name);
        }
}

/* Opens the file that it is just asked about, as the agent's process but not by its first thread. */
static DWORD WINAPI open_file(LPVOID unused)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        char byte;
        bool good = fd >= 0 && pread(fd, &byte, 1, SIZE - 1) == 1 && byte == 4;

        if (fd >= 0)
                close(fd);
        return good;
}

static bool opens_itself(void)
{
        HANDLE thread = CreateThread(NULL, 0, open_file, NULL, 0, NULL);
        DWORD good = FALSE;

        if (!thread || WaitForSingleObject(thread, 60000) != WAIT_OBJECT_0)
                return false;
        GetExitCodeThread(thread, &good);
        CloseHandle(thread);
        return good;
}

static void all_rows(const OA_SCAN_REQUEST *request)
{
        HANDLE section = (HANDLE)(ULONG_PTR)request->Section;
        unsigned char *view;

        row(opens_itself(), "a thread of the agent opens the file, and is not asked about it");
        row(request->FileSize == SIZE, "the size");
        views(section);
        row(!can_write(), "no descriptor to write by");
        view = MapViewOfFile(section, FILE_MAP_READ, 0, 0, 0);
        row(CloseHandle(section), "CloseHandle");
        row(view && is_content(view, 0, SIZE), "its view stays");
        row(!MapViewOfFile(section, FILE_MAP_READ, 0, 0, 0) && GetLastError() == ERROR_INVALID_HANDLE,
            "no view of a closed handle");
        row(!CloseHandle(section) && GetLastError() == ERROR_INVALID_HANDLE, "CloseHandle of a closed one");
        row(UnmapViewOfFile(view), "UnmapViewOfFile");
        row(!UnmapViewOfFile(view) && GetLastError() == ERROR_INVALID_ADDRESS, "UnmapViewOfFile once more");
}

/* The filter has taken the handle back, or is about to. */
static void kept_rows(void)
{
        static struct message other;
        DWORD bytes;
        void *view;

        row(reply(kept.id) == ERROR_FLT_NO_WAITER_FOR_REPLY, "a late answer");
        while ((view = MapViewOfFile(kept.section, FILE_MAP_READ, 0, 0, 0))) {
                UnmapViewOfFile(view);
                FilterTryGetMessage(port, &other.header, sizeof(other), &bytes);
        }
        row(GetLastError() == ERROR_INVALID_HANDLE, "its handle is taken back");
        row(!CloseHandle(kept.section) && GetLastError() == ERROR_INVALID_HANDLE, "which closes it");
        row(kept.view && is_content(kept.view, 0, SIZE), "its view stays, too");
        row(UnmapViewOfFile(kept.view), "until it is unmapped");
}

static bool is_named(const OA_SCAN_REQUEST *request, const char *name)
{
        size_t length = strlen(name), total = request->NameLength / sizeof(WCHAR);

        for (size_t i = 0; i <= length; i++)
                if (total <= length || request->Name[total - i - 1] != (i < length ? name[length - i - 1] : '\\'))
                        return false;
        return true;
}

int main(int argc, char **argv)
{
        static struct message message;
        OA_CONNECT hello = { .Version = OA_PROTOCOL_VERSION };

        setvbuf(stdout, NULL, _IOLBF, 0);
        if (argc != 2)
                return 2;
        path = argv[1];
        if (FAILED(FilterConnectCommunicationPort(OA_DEFAULT_PORT_NAME, 0, &hello, sizeof(hello), NULL, &port)))
                return 1;
        printf("connected\n");
        while (FilterGetMessage(port, &message.header, sizeof(message), NULL) == S_OK) {
                HANDLE section = (HANDLE)(ULONG_PTR)message.request.Section;

                if (is_named(&message.request, "kept")) {
                        kept.id = message.header.MessageId;
                        kept.section = section;
                        kept.view = MapViewOfFile(section, FILE_MAP_READ, 0, 0, 0);
                        printf("holds one\n");
                        continue;
                }
                if (is_named(&message.request, "rows"))
                        all_rows(&message.request);
                else if (is_named(&message.request, "after"))
                        kept_rows();
                row(reply(message.header.MessageId) == S_OK, "the answer");
                if (!is_named(&message.request, "rows"))
                        row(CloseHandle(section), "CloseHandle of one that was never mapped");
                printf("end of message\n");
        }
        return 0;
}
