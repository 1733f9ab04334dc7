/* SPDX-License-Identifier: MIT */
/*
 * NTSTATUS to Win32 error: one table, sorted by status (as an unsigned number) for a binary search.
 *
 * What the table does not have is ERROR_MR_MID_NOT_FOUND, as on Windows.
 */
#include "win32/dos_error.h"

#include <stdlib.h>

static const struct row {
        ULONG status;
        DWORD error;
} rows[] = {
        { 0x00000102, 258 }, /* TIMEOUT */
        { 0x00000103, 997 }, /* PENDING */
        { 0x80000002, 998 }, /* DATATYPE_MISALIGNMENT */
        { 0x80000005, 234 }, /* BUFFER_OVERFLOW */
        { 0x80000006, 18 }, /* NO_MORE_FILES */
        { 0x80000011, 170 }, /* DEVICE_BUSY */
        { 0x80000012, 259 }, /* NO_MORE_EAS */
        { 0x80000013, 254 }, /* INVALID_EA_NAME */
        { 0x80000014, 255 }, /* EA_LIST_INCONSISTENT */
        { 0x8000001A, 259 }, /* NO_MORE_ENTRIES */
        { 0x8000002D, 681 }, /* STOPPED_ON_SYMLINK */
        { 0xC0000001, 31 }, /* UNSUCCESSFUL */
        { 0xC0000002, 1 }, /* NOT_IMPLEMENTED */
        { 0xC0000003, 87 }, /* INVALID_INFO_CLASS */
        { 0xC0000004, 24 }, /* INFO_LENGTH_MISMATCH */
        { 0xC0000005, 998 }, /* ACCESS_VIOLATION */
        { 0xC0000006, 999 }, /* IN_PAGE_ERROR */
        { 0xC0000008, 6 }, /* INVALID_HANDLE */
        { 0xC000000D, 87 }, /* INVALID_PARAMETER */
        { 0xC000000E, 2 }, /* NO_SUCH_DEVICE */
        { 0xC000000F, 2 }, /* NO_SUCH_FILE */
        { 0xC0000010, 1 }, /* INVALID_DEVICE_REQUEST */
        { 0xC0000011, 38 }, /* END_OF_FILE */
        { 0xC0000013, 21 }, /* NO_MEDIA_IN_DEVICE */
        { 0xC0000017, 8 }, /* NO_MEMORY */
        { 0xC0000022, 5 }, /* ACCESS_DENIED */
        { 0xC0000023, 122 }, /* BUFFER_TOO_SMALL */
        { 0xC0000024, 6 }, /* OBJECT_TYPE_MISMATCH */
        { 0xC0000030, 87 }, /* INVALID_PARAMETER_MIX */
        { 0xC0000033, 123 }, /* OBJECT_NAME_INVALID */
        { 0xC0000034, 2 }, /* OBJECT_NAME_NOT_FOUND */
        { 0xC0000035, 183 }, /* OBJECT_NAME_COLLISION */
        { 0xC0000037, 6 }, /* PORT_DISCONNECTED */
        { 0xC0000038, 55 }, /* DEVICE_ALREADY_ATTACHED */
        { 0xC0000039, 161 }, /* OBJECT_PATH_INVALID */
        { 0xC000003A, 3 }, /* OBJECT_PATH_NOT_FOUND */
        { 0xC000003B, 161 }, /* OBJECT_PATH_SYNTAX_BAD */
        { 0xC000003E, 23 }, /* DATA_ERROR */
        { 0xC000003F, 23 }, /* CRC_ERROR */
        { 0xC0000043, 32 }, /* SHARING_VIOLATION */
        { 0xC0000044, 1816 }, /* QUOTA_EXCEEDED */
        { 0xC000004B, 5 }, /* THREAD_IS_TERMINATING */
        { 0xC000004F, 282 }, /* EAS_NOT_SUPPORTED */
        { 0xC0000050, 255 }, /* EA_TOO_LARGE */
        { 0xC0000051, 255 }, /* NONEXISTENT_EA_ENTRY */
        { 0xC0000052, 255 }, /* NO_EAS_ON_FILE */
        { 0xC0000054, 33 }, /* FILE_LOCK_CONFLICT */
        { 0xC0000055, 33 }, /* LOCK_NOT_GRANTED */
        { 0xC0000056, 5 }, /* DELETE_PENDING */
        { 0xC0000061, 1314 }, /* PRIVILEGE_NOT_HELD */
        { 0xC000007B, 193 }, /* INVALID_IMAGE_FORMAT */
        { 0xC000007E, 158 }, /* RANGE_NOT_LOCKED */
        { 0xC000007F, 112 }, /* DISK_FULL */
        { 0xC0000095, 534 }, /* INTEGER_OVERFLOW */
        { 0xC0000099, 1344 }, /* ALLOTTED_SPACE_EXCEEDED */
        { 0xC000009A, 1450 }, /* INSUFFICIENT_RESOURCES */
        { 0xC00000A2, 19 }, /* MEDIA_WRITE_PROTECTED */
        { 0xC00000A3, 21 }, /* DEVICE_NOT_READY */
        { 0xC00000AE, 231 }, /* PIPE_BUSY */
        { 0xC00000AF, 1 }, /* ILLEGAL_FUNCTION */
        { 0xC00000B0, 233 }, /* PIPE_DISCONNECTED */
        { 0xC00000B5, 121 }, /* IO_TIMEOUT */
        { 0xC00000BA, 5 }, /* FILE_IS_A_DIRECTORY */
        { 0xC00000BB, 50 }, /* NOT_SUPPORTED */
        { 0xC00000C0, 55 }, /* DEVICE_DOES_NOT_EXIST */
        { 0xC00000D4, 17 }, /* NOT_SAME_DEVICE */
        { 0xC00000E2, 300 }, /* OPLOCK_NOT_GRANTED */
        { 0xC00000E5, 1359 }, /* INTERNAL_ERROR */
        { 0xC00000E8, 1784 }, /* INVALID_USER_BUFFER */
        { 0xC00000E9, 1117 }, /* UNEXPECTED_IO_ERROR */
        { 0xC0000101, 145 }, /* DIRECTORY_NOT_EMPTY */
        { 0xC0000102, 1392 }, /* FILE_CORRUPT_ERROR */
        { 0xC0000103, 267 }, /* NOT_A_DIRECTORY */
        { 0xC0000106, 206 }, /* NAME_TOO_LONG */
        { 0xC000010E, 1056 }, /* IMAGE_ALREADY_LOADED */
        { 0xC000011F, 4 }, /* TOO_MANY_OPENED_FILES */
        { 0xC0000120, 995 }, /* CANCELLED */
        { 0xC0000121, 5 }, /* CANNOT_DELETE */
        { 0xC0000123, 5 }, /* FILE_DELETED */
        { 0xC0000128, 6 }, /* FILE_CLOSED */
        { 0xC000014B, 109 }, /* PIPE_BROKEN */
        { 0xC0000184, 22 }, /* INVALID_DEVICE_STATE */
        { 0xC0000185, 1117 }, /* IO_DEVICE_ERROR */
        { 0xC0000194, 1131 }, /* POSSIBLE_DEADLOCK */
        { 0xC0000225, 1168 }, /* NOT_FOUND */
        { 0xC000022D, 1237 }, /* RETRY */
        { 0xC0000243, 1224 }, /* USER_MAPPED_FILE */
        { 0xC0000246, 1238 }, /* CONNECTION_COUNT_LIMIT */
        { 0xC0000265, 1142 }, /* TOO_MANY_LINKS */
        { 0xC0000275, 4390 }, /* NOT_A_REPARSE_POINT */
        { 0xC0000279, 1920 }, /* IO_REPARSE_TAG_NOT_HANDLED */
        { 0xC0000280, 1921 }, /* REPARSE_POINT_NOT_RESOLVED */
        { 0xC0000293, 6002 }, /* FILE_ENCRYPTED */
        { 0xC00002F0, 4312 }, /* OBJECTID_NOT_FOUND */
        { 0xC0000361, 1260 }, /* ACCESS_DISABLED_BY_POLICY_DEFAULT */
        { 0xC000038E, 654 }, /* DRIVER_FAILED_PRIOR_UNLOAD */
        { 0xC0000427, 665 }, /* FILE_SYSTEM_LIMITATION */
        { 0xC0000708, 170 }, /* RESOURCE_IN_USE */
        { 0xC0000802, 1295 }, /* DISK_QUOTA_EXCEEDED */
        { 0xC0000804, 1296 }, /* CONTENT_BLOCKED */
        { 0xC0000904, 223 }, /* FILE_TOO_LARGE */
        { 0xC0000906, 225 }, /* VIRUS_INFECTED */
        { 0xC0000907, 226 }, /* VIRUS_DELETED */
        { 0xC0000909, 802 }, /* CANNOT_BREAK_OPLOCK */
        { 0xC000A2A1, 4440 }, /* OFFLOAD_READ_FLT_NOT_SUPPORTED */
};

static int compare(const void *key, const void *element)
{
        ULONG status = *(const ULONG *)key;
        const struct row *row = element;

        return (status > row->status) - (status < row->status);
}

DWORD fm_dos_error_from_status(NTSTATUS status)
{
        ULONG number = (ULONG)status;
        const struct row *row;

        if (number == 0)
                return ERROR_SUCCESS;
        /* FACILITY_NTWIN32: a Win32 error in NTSTATUS' clothes. */
        if ((number & 0xFFFF0000) == 0xC0070000 || (number & 0xFFFF0000) == 0x80070000)
                return number & 0xFFFF;
        row = bsearch(&number, rows, sizeof(rows) / sizeof(rows[0]), sizeof(rows[0]), compare);
        return row ? row->error : ERROR_MR_MID_NOT_FOUND;
}

HRESULT fm_hresult_from_status(NTSTATUS status)
{
        if (((ULONG)status & 0x0FFF0000) == 0x001C0000)
                return FILTER_HRESULT_FROM_FLT_NTSTATUS((ULONG)status);
        return HRESULT_FROM_WIN32(fm_dos_error_from_status(status));
}

/* The Win32 error that Windows has for a status; ERROR_MR_MID_NOT_FOUND for what has none. */
ULONG WINAPI RtlNtStatusToDosError(NTSTATUS Status)
{
        return fm_dos_error_from_status(Status);
}
