/* SPDX-License-Identifier: MIT */
/* NTSTATUS to Win32 error: what RtlNtStatusToDosError gives for the statuses that ports and loaders return.
 */
#include <fltKernel.h>

#define ERROR_MR_MID_NOT_FOUND 317

static const struct {
        NTSTATUS status;
        ULONG error;
} table[] = {
        {STATUS_SUCCESS, 0},
        {STATUS_TIMEOUT, 258},
        {STATUS_PENDING, 997},
        {STATUS_BUFFER_OVERFLOW, 234},
        {STATUS_NO_MORE_FILES, 18},
        {STATUS_NO_MORE_ENTRIES, 259},
        {STATUS_UNSUCCESSFUL, 31},
        {STATUS_NOT_IMPLEMENTED, 1},
        {STATUS_INVALID_INFO_CLASS, 87},
        {STATUS_INFO_LENGTH_MISMATCH, 24},
        {STATUS_ACCESS_VIOLATION, 998},
        {STATUS_INVALID_HANDLE, 6},
        {STATUS_INVALID_PARAMETER, 87},
        {STATUS_NO_SUCH_FILE, 2},
        {STATUS_INVALID_DEVICE_REQUEST, 1},
        {STATUS_END_OF_FILE, 38},
        {STATUS_NO_MEMORY, 8},
        {STATUS_ACCESS_DENIED, 5},
        {STATUS_BUFFER_TOO_SMALL, 122},
        {STATUS_OBJECT_TYPE_MISMATCH, 6},
        {STATUS_OBJECT_NAME_INVALID, 123},
        {STATUS_OBJECT_NAME_NOT_FOUND, 2},
        {STATUS_OBJECT_NAME_COLLISION, 183},
        {STATUS_PORT_DISCONNECTED, 6},
        {STATUS_OBJECT_PATH_INVALID, 161},
        {STATUS_OBJECT_PATH_NOT_FOUND, 3},
        {STATUS_OBJECT_PATH_SYNTAX_BAD, 161},
        {STATUS_SHARING_VIOLATION, 32},
        {STATUS_THREAD_IS_TERMINATING, 5},
        {STATUS_FILE_LOCK_CONFLICT, 33},
        {STATUS_LOCK_NOT_GRANTED, 33},
        {STATUS_DELETE_PENDING, 5},
        {STATUS_PRIVILEGE_NOT_HELD, 1314},
        {STATUS_INVALID_IMAGE_FORMAT, 193},
        {STATUS_DISK_FULL, 112},
        {STATUS_INTEGER_OVERFLOW, 534},
        {STATUS_INSUFFICIENT_RESOURCES, 1450},
        {STATUS_MEDIA_WRITE_PROTECTED, 19},
        {STATUS_DEVICE_NOT_READY, 21},
        {STATUS_IO_TIMEOUT, 121},
        {STATUS_FILE_IS_A_DIRECTORY, 5},
        {STATUS_NOT_SUPPORTED, 50},
        {STATUS_NOT_SAME_DEVICE, 17},
        {STATUS_DIRECTORY_NOT_EMPTY, 145},
        {STATUS_NOT_A_DIRECTORY, 267},
        {STATUS_NAME_TOO_LONG, 206},
        {STATUS_IMAGE_ALREADY_LOADED, 1056},
        {STATUS_TOO_MANY_OPENED_FILES, 4},
        {STATUS_CANCELLED, 995},
        {STATUS_CANNOT_DELETE, 5},
        {STATUS_FILE_DELETED, 5},
        {STATUS_PIPE_BROKEN, 109},
        {STATUS_IO_DEVICE_ERROR, 1117},
        {STATUS_NOT_FOUND, 1168},
        {STATUS_CONNECTION_COUNT_LIMIT, 1238},
        {STATUS_TOO_MANY_LINKS, 1142},
        {STATUS_DRIVER_FAILED_PRIOR_UNLOAD, 654},
        {STATUS_VIRUS_INFECTED, 225},
        {STATUS_VIRUS_DELETED, 226},
};

ULONG RtlNtStatusToDosErrorNoTeb(NTSTATUS Status)
{
        for (size_t i = 0; i < RTL_NUMBER_OF(table); i++) {
                if (table[i].status == Status)
                        return table[i].error;
        }
        /* A Win32 error that was made a status with HRESULT's facility comes back. */
        if (((ULONG)Status & 0xffff0000u) == 0xc0070000u || ((ULONG)Status & 0xffff0000u) == 0x80070000u)
                return (ULONG)Status & 0xffff;
        return ERROR_MR_MID_NOT_FOUND;
}

ULONG RtlNtStatusToDosError(NTSTATUS Status)
{
        return RtlNtStatusToDosErrorNoTeb(Status);
}
