/* SPDX-License-Identifier: MIT */
/* The documented layouts on x64, as assertions of the compiler; and HRESULTs of statuses, row by row. */
#include "win32/dos_error.h"

#include <fltUser.h>
#include <ntstatus.h>

#include <glib.h>

#define AT(type, field, offset) _Static_assert(offsetof(type, field) == (offset), #type "." #field)
#define SIZE(type, size) _Static_assert(sizeof(type) == (size), #type)

SIZE(LONG, 4);
SIZE(ULONG, 4);
SIZE(DWORD, 4);
SIZE(WCHAR, 2);
SIZE(BOOLEAN, 1);
SIZE(BOOL, 4);
SIZE(HANDLE, 8);
SIZE(ULONG_PTR, 8);
SIZE(LARGE_INTEGER, 8);
SIZE(GUID, 16);

SIZE(FILTER_MESSAGE_HEADER, 16);
AT(FILTER_MESSAGE_HEADER, ReplyLength, 0);
AT(FILTER_MESSAGE_HEADER, MessageId, 8);
SIZE(FILTER_REPLY_HEADER, 16);
AT(FILTER_REPLY_HEADER, Status, 0);
AT(FILTER_REPLY_HEADER, MessageId, 8);
struct padded_reply {
        FILTER_REPLY_HEADER header;
        BYTE byte;
};
SIZE(struct padded_reply, 24);
AT(struct padded_reply, byte, 16);

SIZE(OVERLAPPED, 32);
AT(OVERLAPPED, Internal, 0);
AT(OVERLAPPED, InternalHigh, 8);
AT(OVERLAPPED, Offset, 16);
AT(OVERLAPPED, OffsetHigh, 20);
AT(OVERLAPPED, hEvent, 24);
SIZE(OVERLAPPED_ENTRY, 32);
AT(OVERLAPPED_ENTRY, dwNumberOfBytesTransferred, 24);
SIZE(CRITICAL_SECTION, 40);
SIZE(SRWLOCK, 8);
SIZE(CONDITION_VARIABLE, 8);
SIZE(FILETIME, 8);
SIZE(SYSTEMTIME, 16);
SIZE(SECURITY_ATTRIBUTES, 24);
SIZE(MEMORY_BASIC_INFORMATION, 48);
AT(MEMORY_BASIC_INFORMATION, RegionSize, 24);
AT(MEMORY_BASIC_INFORMATION, Type, 40);

SIZE(FILTER_FULL_INFORMATION, 16);
AT(FILTER_FULL_INFORMATION, FrameID, 4);
AT(FILTER_FULL_INFORMATION, NumberOfInstances, 8);
AT(FILTER_FULL_INFORMATION, FilterNameLength, 12);
AT(FILTER_FULL_INFORMATION, FilterNameBuffer, 14);
SIZE(FILTER_AGGREGATE_BASIC_INFORMATION, 24);
AT(FILTER_AGGREGATE_BASIC_INFORMATION, Flags, 4);
AT(FILTER_AGGREGATE_BASIC_INFORMATION, Type.MiniFilter.FrameID, 8);
AT(FILTER_AGGREGATE_BASIC_INFORMATION, Type.MiniFilter.NumberOfInstances, 12);
AT(FILTER_AGGREGATE_BASIC_INFORMATION, Type.MiniFilter.FilterNameLength, 16);
AT(FILTER_AGGREGATE_BASIC_INFORMATION, Type.MiniFilter.FilterNameBufferOffset, 18);
AT(FILTER_AGGREGATE_BASIC_INFORMATION, Type.MiniFilter.FilterAltitudeLength, 20);
AT(FILTER_AGGREGATE_BASIC_INFORMATION, Type.MiniFilter.FilterAltitudeBufferOffset, 22);
SIZE(FILTER_AGGREGATE_STANDARD_INFORMATION, 28);
AT(FILTER_AGGREGATE_STANDARD_INFORMATION, Type.MiniFilter.Flags, 8);
AT(FILTER_AGGREGATE_STANDARD_INFORMATION, Type.MiniFilter.FrameID, 12);
AT(FILTER_AGGREGATE_STANDARD_INFORMATION, Type.MiniFilter.NumberOfInstances, 16);
AT(FILTER_AGGREGATE_STANDARD_INFORMATION, Type.MiniFilter.FilterNameLength, 20);
AT(FILTER_AGGREGATE_STANDARD_INFORMATION, Type.MiniFilter.FilterAltitudeBufferOffset, 26);
SIZE(FILTER_VOLUME_BASIC_INFORMATION, 4);
AT(FILTER_VOLUME_BASIC_INFORMATION, FilterVolumeName, 2);
SIZE(FILTER_VOLUME_STANDARD_INFORMATION, 20);
AT(FILTER_VOLUME_STANDARD_INFORMATION, FrameID, 8);
AT(FILTER_VOLUME_STANDARD_INFORMATION, FileSystemType, 12);
AT(FILTER_VOLUME_STANDARD_INFORMATION, FilterVolumeNameLength, 16);
AT(FILTER_VOLUME_STANDARD_INFORMATION, FilterVolumeName, 18);
SIZE(INSTANCE_BASIC_INFORMATION, 8);
AT(INSTANCE_BASIC_INFORMATION, InstanceNameLength, 4);
AT(INSTANCE_BASIC_INFORMATION, InstanceNameBufferOffset, 6);
SIZE(INSTANCE_PARTIAL_INFORMATION, 12);
AT(INSTANCE_PARTIAL_INFORMATION, AltitudeLength, 8);
AT(INSTANCE_PARTIAL_INFORMATION, AltitudeBufferOffset, 10);
SIZE(INSTANCE_FULL_INFORMATION, 20);
AT(INSTANCE_FULL_INFORMATION, VolumeNameLength, 12);
AT(INSTANCE_FULL_INFORMATION, VolumeNameBufferOffset, 14);
AT(INSTANCE_FULL_INFORMATION, FilterNameLength, 16);
AT(INSTANCE_FULL_INFORMATION, FilterNameBufferOffset, 18);
SIZE(INSTANCE_AGGREGATE_STANDARD_INFORMATION, 40);
AT(INSTANCE_AGGREGATE_STANDARD_INFORMATION, Type.MiniFilter.Flags, 8);
AT(INSTANCE_AGGREGATE_STANDARD_INFORMATION, Type.MiniFilter.FrameID, 12);
AT(INSTANCE_AGGREGATE_STANDARD_INFORMATION, Type.MiniFilter.VolumeFileSystemType, 16);
AT(INSTANCE_AGGREGATE_STANDARD_INFORMATION, Type.MiniFilter.InstanceNameLength, 20);
AT(INSTANCE_AGGREGATE_STANDARD_INFORMATION, Type.MiniFilter.AltitudeLength, 24);
AT(INSTANCE_AGGREGATE_STANDARD_INFORMATION, Type.MiniFilter.VolumeNameLength, 28);
AT(INSTANCE_AGGREGATE_STANDARD_INFORMATION, Type.MiniFilter.FilterNameLength, 32);
AT(INSTANCE_AGGREGATE_STANDARD_INFORMATION, Type.MiniFilter.FilterNameBufferOffset, 34);
AT(INSTANCE_AGGREGATE_STANDARD_INFORMATION, Type.MiniFilter.SupportedFeatures, 36);

_Static_assert(FLT_PORT_FLAG_SYNC_HANDLE == 1, "FLT_PORT_FLAG_SYNC_HANDLE");
_Static_assert(FLT_FSTYPE_NTFS == 2 && FLT_FSTYPE_EXFAT == 22 && FLT_FSTYPE_REFS == 28,
               "FLT_FILESYSTEM_TYPE");
_Static_assert(ERROR_IO_PENDING == 997 && ERROR_ABANDONED_WAIT_0 == 735, "winerror.h");

static const struct {
        NTSTATUS status;
        DWORD error; /* 0: a status of the Filter Manager, which has none */
        ULONG hresult;
} rows[] = {
        { STATUS_TIMEOUT, 258, 0x80070102 },
        { STATUS_PENDING, 997, 0x800703E5 },
        { STATUS_BUFFER_OVERFLOW, 234, 0x800700EA },
        { STATUS_NO_MORE_ENTRIES, 259, 0x80070103 },
        { STATUS_INVALID_PARAMETER, 87, 0x80070057 },
        { STATUS_INVALID_DEVICE_REQUEST, 1, 0x80070001 },
        { STATUS_ACCESS_DENIED, 5, 0x80070005 },
        { STATUS_BUFFER_TOO_SMALL, 122, 0x8007007A },
        { STATUS_OBJECT_NAME_NOT_FOUND, 2, 0x80070002 },
        { STATUS_OBJECT_NAME_COLLISION, 183, 0x800700B7 },
        { STATUS_PORT_DISCONNECTED, 6, 0x80070006 },
        { STATUS_THREAD_IS_TERMINATING, 5, 0x80070005 },
        { STATUS_INTEGER_OVERFLOW, 534, 0x80070216 },
        { STATUS_INSUFFICIENT_RESOURCES, 1450, 0x800705AA },
        { STATUS_CANCELLED, 995, 0x800703E3 },
        { STATUS_CONNECTION_COUNT_LIMIT, 1238, 0x800704D6 },
        { STATUS_ACCESS_VIOLATION, 998, 0x800703E6 },
        { STATUS_PRIVILEGE_NOT_HELD, 1314, 0x80070522 },
        { STATUS_IMAGE_ALREADY_LOADED, 1056, 0x80070420 },
        { STATUS_FLT_DELETING_OBJECT, 0, 0x801F000B },
        { STATUS_FLT_DO_NOT_ATTACH, 0, 0x801F000F },
        { STATUS_FLT_DO_NOT_DETACH, 0, 0x801F0010 },
        { STATUS_FLT_INSTANCE_ALTITUDE_COLLISION, 0, 0x801F0011 },
        { STATUS_FLT_INSTANCE_NAME_COLLISION, 0, 0x801F0012 },
        { STATUS_FLT_FILTER_NOT_FOUND, 0, 0x801F0013 },
        { STATUS_FLT_VOLUME_NOT_FOUND, 0, 0x801F0014 },
        { STATUS_FLT_INSTANCE_NOT_FOUND, 0, 0x801F0015 },
        { STATUS_FLT_NO_WAITER_FOR_REPLY, 0, 0x801F0020 },
        { STATUS_SUCCESS, 0, 0 },
};

static void test_statuses(void)
{
        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
                g_assert_cmphex((ULONG)fm_hresult_from_status(rows[i].status), ==, rows[i].hresult);
                if (rows[i].error)
                        g_assert_cmpuint(RtlNtStatusToDosError(rows[i].status), ==, rows[i].error);
        }
        g_assert_cmpuint(RtlNtStatusToDosError(0), ==, 0);
        g_assert_cmpuint(RtlNtStatusToDosError((NTSTATUS)0xC0000906), ==, ERROR_VIRUS_INFECTED);
        g_assert_cmpuint(RtlNtStatusToDosError((NTSTATUS)0xC0070005), ==, 5);
        g_assert_cmpuint(RtlNtStatusToDosError((NTSTATUS)0xC0FFFFFF), ==, ERROR_MR_MID_NOT_FOUND);
}

/* The binary search of the table finds every row of ntstatus.h that has one: the ends and a few between. */
static void test_table_is_sorted(void)
{
        g_assert_cmpuint(RtlNtStatusToDosError(STATUS_DATATYPE_MISALIGNMENT), ==, ERROR_NOACCESS);
        g_assert_cmpuint(RtlNtStatusToDosError(STATUS_UNSUCCESSFUL), ==, ERROR_GEN_FAILURE);
        g_assert_cmpuint(RtlNtStatusToDosError(STATUS_DISK_FULL), ==, ERROR_DISK_FULL);
        g_assert_cmpuint(RtlNtStatusToDosError(STATUS_NOT_A_DIRECTORY), ==, ERROR_DIRECTORY);
        g_assert_cmpuint(RtlNtStatusToDosError(STATUS_OFFLOAD_READ_FLT_NOT_SUPPORTED), ==,
                         ERROR_OFFLOAD_READ_FLT_NOT_SUPPORTED);
}

static void test_macros(void)
{
        g_assert_cmphex((ULONG)HRESULT_FROM_WIN32(ERROR_IO_PENDING), ==, 0x800703E5);
        g_assert_cmphex((ULONG)HRESULT_FROM_WIN32(0), ==, 0);
        g_assert_cmphex((ULONG)HRESULT_FROM_WIN32(0x801F0013), ==, 0x801F0013);
        g_assert_true(IS_ERROR(0x80070002));
        g_assert_true(FAILED(E_HANDLE) && SUCCEEDED(S_FALSE));
        g_assert_cmphex((ULONG)E_HANDLE, ==, 0x80070006);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/layout/statuses", test_statuses);
        g_test_add_func("/layout/table", test_table_is_sorted);
        g_test_add_func("/layout/macros", test_macros);
        return g_test_run();
}
