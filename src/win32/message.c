/* SPDX-License-Identifier: MIT */
/*
 * FormatMessage: texts of the errors that this library returns. Win32 codes are the system's, those of the
 * Filter Manager are fltlib.dll's, which is what programs ask FORMAT_MESSAGE_FROM_HMODULE for.
 *
 * Inserts are not formatted (no text here has any), nor are texts of the program's own.
 */
#include "nt/crt.h"

#include <windows.h>

#include <glib.h>
#include <string.h>

static const struct text {
        DWORD code;
        const char *text;
} system_texts[] = {
        { 0, "The operation completed successfully." },
        { 1, "Incorrect function." },
        { 2, "The system cannot find the file specified." },
        { 3, "The system cannot find the path specified." },
        { 4, "The system cannot open the file." },
        { 5, "Access is denied." },
        { 6, "The handle is invalid." },
        { 8, "Not enough memory resources are available to process this command." },
        { 18, "There are no more files." },
        { 21, "The device is not ready." },
        { 23, "Data error (cyclic redundancy check)." },
        { 24, "The program issued a command but the command length is incorrect." },
        { 31, "A device attached to the system is not functioning." },
        { 32, "The process cannot access the file because it is being used by another process." },
        { 33,
          "The process cannot access the file because another process has locked a portion "
          "of the file." },
        { 38, "Reached the end of the file." },
        { 50, "The request is not supported." },
        { 87, "The parameter is incorrect." },
        { 109, "The pipe has been ended." },
        { 112, "There is not enough space on the disk." },
        { 120, "This function is not supported on this system." },
        { 122, "The data area passed to a system call is too small." },
        { 123, "The filename, directory name, or volume label syntax is incorrect." },
        { 126, "The specified module could not be found." },
        { 161, "The specified path is invalid." },
        { 170, "The requested resource is in use." },
        { 183, "Cannot create a file when that file already exists." },
        { 193, "The file is not a valid application image." },
        { 225,
          "The file contains a virus or potentially unwanted software, and the operation "
          "did not complete." },
        { 234, "More data is available." },
        { 258, "The wait operation timed out." },
        { 259, "No more data is available." },
        { 288, "Attempt to release mutex not owned by caller." },
        { 298, "Too many posts were made to a semaphore." },
        { 317, "The system cannot find message text for this message number." },
        { 534, "Arithmetic result exceeded 32 bits." },
        { 735, "The wait completed because the object it waited on was closed." },
        { 995,
          "The I/O operation has been aborted because of either a thread exit or an "
          "application request." },
        { 996, "Overlapped I/O event is not in a signaled state." },
        { 997, "Overlapped I/O operation is in progress." },
        { 998, "Invalid access to memory location." },
        { 1056, "An instance of the service is already running." },
        { 1060, "The specified service does not exist as an installed service." },
        { 1117, "The request could not be performed because of an I/O device error." },
        { 1168, "Element not found." },
        { 1238,
          "A connection to the server could not be made because the limit on the number of "
          "concurrent connections for this account has been reached." },
        { 1314, "A required privilege is not held by the client." },
        { 1359, "An internal error occurred." },
        { 1450, "Insufficient system resources exist to complete the requested service." },
        { 1460, "This operation returned because the timeout period expired." },
}, filter_texts[] = {
        { 0x801F0001, "A handler was not defined by the filter for this operation." },
        { 0x801F0002, "A context is already defined for this object." },
        { 0x801F0003, "Asynchronous requests are not valid for this operation." },
        { 0x801F0004, "The Filter Manager does not let this request use the fast path." },
        { 0x801F0005, "An invalid name request was made." },
        { 0x801F0006, "It is not safe to post this operation to a worker thread at this time." },
        { 0x801F0007, "The Filter Manager is not initialized." },
        { 0x801F0008,
          "The filter is not ready for attachment to volumes because it has not finished "
          "initializing." },
        { 0x801F0009, "The filter must clean up its operation context now." },
        { 0x801F000A, "The Filter Manager had an internal error from which it cannot recover." },
        { 0x801F000B, "The object is being deleted and cannot be accessed." },
        { 0x801F000C, "Memory of a non-paged pool is needed." },
        { 0x801F000D, "The entry is already in the list." },
        { 0x801F000E, "The queue of callback data is disabled." },
        { 0x801F000F, "Do not attach the filter to the volume at this time." },
        { 0x801F0010, "Do not detach the filter from the volume at this time." },
        { 0x801F0011, "An instance already exists at this altitude on the volume specified." },
        { 0x801F0012, "An instance already exists with this name on the volume specified." },
        { 0x801F0013, "The system could not find the filter specified." },
        { 0x801F0014, "The system could not find the volume specified." },
        { 0x801F0015, "The system could not find the instance specified." },
        { 0x801F0016, "No registered context allocation definition was found for the given request." },
        { 0x801F0017, "An invalid parameter was given when registering contexts." },
        { 0x801F0018, "The name requested was not found in the name cache and could not be retrieved." },
        { 0x801F0019, "The requested device object does not exist for the given volume." },
        { 0x801F001A, "The specified volume is already mounted." },
        { 0x801F001B, "The specified transaction context is already enlisted in a transaction." },
        { 0x801F001C, "The specified context is already attached to another object." },
        { 0x801F0020, "No waiter is present for the filter's reply to this message." },
        { 0x801F0023,
          "The filesystem database resource is in use; registration cannot complete at this"
          " time." },
};

static const char *find(const struct text *texts, size_t count, DWORD code)
{
        for (size_t i = 0; i < count; i++)
                if (texts[i].code == code)
                        return texts[i].text;
        return NULL;
}

/* UTF-8 with the line end that message tables have, or NULL with the error set. */
static char *message(DWORD flags, DWORD code)
{
        const char *text = NULL;

        if (flags & (FORMAT_MESSAGE_FROM_STRING | FORMAT_MESSAGE_ARGUMENT_ARRAY) ||
            !(flags & (FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_FROM_HMODULE))) {
                SetLastError(ERROR_INVALID_PARAMETER);
                return NULL;
        }
        if (flags & FORMAT_MESSAGE_FROM_HMODULE)
                text = find(filter_texts, G_N_ELEMENTS(filter_texts), code);
        if (!text && flags & FORMAT_MESSAGE_FROM_SYSTEM)
                /* The system's table has HRESULTs of Win32 errors under their code, too. */
                text = find(system_texts, G_N_ELEMENTS(system_texts),
                            (code & 0xFFFF0000) == 0x80070000 ? code & 0xFFFF : code);
        if (!text) {
                SetLastError(ERROR_MR_MID_NOT_FOUND);
                return NULL;
        }
        return g_strconcat(text, (flags & FORMAT_MESSAGE_MAX_WIDTH_MASK) ? " " : "\r\n", NULL);
}

/* Units without the NUL, or 0: nothing found or no room. An allocated buffer is LocalFree()'s. */
DWORD WINAPI FormatMessageW(DWORD dwFlags, LPCVOID lpSource, DWORD dwMessageId, DWORD dwLanguageId,
                            LPWSTR lpBuffer, DWORD nSize, va_list *Arguments)
{
        g_autofree char *text = message(dwFlags, dwMessageId);
        g_autofree gunichar2 *wide = NULL;
        glong length = 0;

        if (!text)
                return 0;
        wide = g_utf8_to_utf16(text, -1, NULL, &length, NULL);
        if (dwFlags & FORMAT_MESSAGE_ALLOCATE_BUFFER) {
                size_t size = MAX((size_t)length + 1, nSize) * sizeof(WCHAR);
                WCHAR *allocated = LocalAlloc(LMEM_ZEROINIT, size);

                if (!allocated) {
                        SetLastError(ERROR_NOT_ENOUGH_MEMORY);
                        return 0;
                }
                memcpy(allocated, wide, (size_t)length * sizeof(WCHAR));
                *(WCHAR **)lpBuffer = allocated;
                return (DWORD)length;
        }
        if (nSize <= (DWORD)length) {
                SetLastError(ERROR_INSUFFICIENT_BUFFER);
                return 0;
        }
        memcpy(lpBuffer, wide, ((size_t)length + 1) * sizeof(WCHAR));
        return (DWORD)length;
}

DWORD WINAPI FormatMessageA(DWORD dwFlags, LPCVOID lpSource, DWORD dwMessageId, DWORD dwLanguageId,
                            LPSTR lpBuffer, DWORD nSize, va_list *Arguments)
{
        g_autofree char *text = message(dwFlags, dwMessageId);
        size_t length;

        if (!text)
                return 0;
        length = strlen(text);
        if (dwFlags & FORMAT_MESSAGE_ALLOCATE_BUFFER) {
                char *allocated = LocalAlloc(LMEM_ZEROINIT, MAX(length + 1, nSize));

                if (!allocated) {
                        SetLastError(ERROR_NOT_ENOUGH_MEMORY);
                        return 0;
                }
                memcpy(allocated, text, length);
                *(char **)lpBuffer = allocated;
                return (DWORD)length;
        }
        if (nSize <= length) {
                SetLastError(ERROR_INSUFFICIENT_BUFFER);
                return 0;
        }
        memcpy(lpBuffer, text, length + 1);
        return (DWORD)length;
}
