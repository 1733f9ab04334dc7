/* SPDX-License-Identifier: MIT */
/* Every row of the two status tables, with the numbers of the specification rather than the headers' names.
 */
#include <errno.h>
#include <glib.h>

#include "nt/status.h"

static const struct {
        uint32_t status;
        int error;
        const char *name;
} to_errno[] = {
        {0x00000000, 0, "STATUS_SUCCESS"},
        {0x00000102, ETIMEDOUT, "STATUS_TIMEOUT"},
        {0x00000103, EIO, "STATUS_PENDING"},
        {0x00000104, ELOOP, "STATUS_REPARSE"},
        {0x001C0001, EIO, "STATUS_FLT_IO_COMPLETE"},
        {0x80000005, ERANGE, "STATUS_BUFFER_OVERFLOW"},
        {0x80000006, 0, "STATUS_NO_MORE_FILES"},
        {0x8000001A, 0, "STATUS_NO_MORE_ENTRIES"},
        {0x80000012, 0, "STATUS_NO_MORE_EAS"},
        {0x80000011, EBUSY, "STATUS_DEVICE_BUSY"},
        {0x8000002D, ELOOP, "STATUS_STOPPED_ON_SYMLINK"},
        {0xC000000F, ENOENT, "STATUS_NO_SUCH_FILE"},
        {0xC0000034, ENOENT, "STATUS_OBJECT_NAME_NOT_FOUND"},
        {0xC000003A, ENOENT, "STATUS_OBJECT_PATH_NOT_FOUND"},
        {0xC0000033, EINVAL, "STATUS_OBJECT_NAME_INVALID"},
        {0xC0000039, ENOTDIR, "STATUS_OBJECT_PATH_INVALID"},
        {0xC000003B, EINVAL, "STATUS_OBJECT_PATH_SYNTAX_BAD"},
        {0xC0000035, EEXIST, "STATUS_OBJECT_NAME_COLLISION"},
        {0xC0000022, EACCES, "STATUS_ACCESS_DENIED"},
        {0xC0000061, EPERM, "STATUS_PRIVILEGE_NOT_HELD"},
        {0xC0000121, EACCES, "STATUS_CANNOT_DELETE"},
        {0xC0000056, ENOENT, "STATUS_DELETE_PENDING"},
        {0xC0000123, ENOENT, "STATUS_FILE_DELETED"},
        {0xC0000128, EBADF, "STATUS_FILE_CLOSED"},
        {0xC0000043, EBUSY, "STATUS_SHARING_VIOLATION"},
        {0xC0000054, EAGAIN, "STATUS_FILE_LOCK_CONFLICT"},
        {0xC0000055, EAGAIN, "STATUS_LOCK_NOT_GRANTED"},
        {0xC000007E, 0, "STATUS_RANGE_NOT_LOCKED"},
        {0xC0000194, EDEADLK, "STATUS_POSSIBLE_DEADLOCK"},
        {0xC0000906, EACCES, "STATUS_VIRUS_INFECTED"},
        {0xC0000907, EACCES, "STATUS_VIRUS_DELETED"},
        {0xC0000804, EACCES, "STATUS_CONTENT_BLOCKED"},
        {0xC0000361, EACCES, "STATUS_ACCESS_DISABLED_BY_POLICY_DEFAULT"},
        {0xC0000293, EACCES, "STATUS_FILE_ENCRYPTED"},
        {0xC000007F, ENOSPC, "STATUS_DISK_FULL"},
        {0xC0000044, EDQUOT, "STATUS_QUOTA_EXCEEDED"},
        {0xC0000802, EDQUOT, "STATUS_DISK_QUOTA_EXCEEDED"},
        {0xC0000099, EOVERFLOW, "STATUS_ALLOTTED_SPACE_EXCEEDED"},
        {0xC0000904, EFBIG, "STATUS_FILE_TOO_LARGE"},
        {0xC0000427, EFBIG, "STATUS_FILE_SYSTEM_LIMITATION"},
        {0xC0000265, EMLINK, "STATUS_TOO_MANY_LINKS"},
        {0xC000011F, EMFILE, "STATUS_TOO_MANY_OPENED_FILES"},
        {0xC000009A, ENOMEM, "STATUS_INSUFFICIENT_RESOURCES"},
        {0xC0000017, ENOMEM, "STATUS_NO_MEMORY"},
        {0xC00000A2, EROFS, "STATUS_MEDIA_WRITE_PROTECTED"},
        {0xC0000013, ENOMEDIUM, "STATUS_NO_MEDIA_IN_DEVICE"},
        {0xC00000A3, EAGAIN, "STATUS_DEVICE_NOT_READY"},
        {0xC00000C0, ENXIO, "STATUS_DEVICE_DOES_NOT_EXIST"},
        {0xC000000E, ENODEV, "STATUS_NO_SUCH_DEVICE"},
        {0xC0000185, EIO, "STATUS_IO_DEVICE_ERROR"},
        {0xC00000E9, EIO, "STATUS_UNEXPECTED_IO_ERROR"},
        {0xC000003E, EIO, "STATUS_DATA_ERROR"},
        {0xC000003F, EIO, "STATUS_CRC_ERROR"},
        {0xC0000102, EIO, "STATUS_FILE_CORRUPT_ERROR"},
        {0xC0000006, EIO, "STATUS_IN_PAGE_ERROR"},
        {0xC0000011, 0, "STATUS_END_OF_FILE"},
        {0xC0000103, ENOTDIR, "STATUS_NOT_A_DIRECTORY"},
        {0xC00000BA, EISDIR, "STATUS_FILE_IS_A_DIRECTORY"},
        {0xC0000101, ENOTEMPTY, "STATUS_DIRECTORY_NOT_EMPTY"},
        {0xC00000D4, EXDEV, "STATUS_NOT_SAME_DEVICE"},
        {0xC0000106, ENAMETOOLONG, "STATUS_NAME_TOO_LONG"},
        {0xC000000D, EINVAL, "STATUS_INVALID_PARAMETER"},
        {0xC0000030, EINVAL, "STATUS_INVALID_PARAMETER_MIX"},
        {0xC0000008, EBADF, "STATUS_INVALID_HANDLE"},
        {0xC0000003, EOPNOTSUPP, "STATUS_INVALID_INFO_CLASS"},
        {0xC0000004, EINVAL, "STATUS_INFO_LENGTH_MISMATCH"},
        {0xC0000023, ERANGE, "STATUS_BUFFER_TOO_SMALL"},
        {0xC00000E8, EFAULT, "STATUS_INVALID_USER_BUFFER"},
        {0xC0000005, EFAULT, "STATUS_ACCESS_VIOLATION"},
        {0xC00000BB, EOPNOTSUPP, "STATUS_NOT_SUPPORTED"},
        {0xC0000002, EOPNOTSUPP, "STATUS_NOT_IMPLEMENTED"},
        {0xC0000010, EOPNOTSUPP, "STATUS_INVALID_DEVICE_REQUEST"},
        {0xC00000AF, EOPNOTSUPP, "STATUS_ILLEGAL_FUNCTION"},
        {0xC000004F, EOPNOTSUPP, "STATUS_EAS_NOT_SUPPORTED"},
        {0xC0000050, E2BIG, "STATUS_EA_TOO_LARGE"},
        {0xC0000051, ENODATA, "STATUS_NONEXISTENT_EA_ENTRY"},
        {0xC0000052, ENODATA, "STATUS_NO_EAS_ON_FILE"},
        {0x80000013, EINVAL, "STATUS_INVALID_EA_NAME"},
        {0xC0000275, EINVAL, "STATUS_NOT_A_REPARSE_POINT"},
        {0xC0000279, EOPNOTSUPP, "STATUS_IO_REPARSE_TAG_NOT_HANDLED"},
        {0xC0000280, ELOOP, "STATUS_REPARSE_POINT_NOT_RESOLVED"},
        {0xC0000120, EINTR, "STATUS_CANCELLED"},
        {0xC00000B5, ETIMEDOUT, "STATUS_IO_TIMEOUT"},
        {0xC000022D, EAGAIN, "STATUS_RETRY"},
        {0xC00000D8, EAGAIN, "STATUS_CANT_WAIT"},
        {0xC0000001, EIO, "STATUS_UNSUCCESSFUL"},
        {0xC00000E5, EIO, "STATUS_INTERNAL_ERROR"},
        {0xC000014B, EPIPE, "STATUS_PIPE_BROKEN"},
        {0xC00000B0, EPIPE, "STATUS_PIPE_DISCONNECTED"},
        {0xC00000AE, EAGAIN, "STATUS_PIPE_BUSY"},
        {0xC0000243, ETXTBSY, "STATUS_USER_MAPPED_FILE"},
        {0xC000007B, ENOEXEC, "STATUS_INVALID_IMAGE_FORMAT"},
        {0xC0000708, EBUSY, "STATUS_RESOURCE_IN_USE"},
        {0xC0000909, EBUSY, "STATUS_CANNOT_BREAK_OPLOCK"},
        {0xC00000E2, EAGAIN, "STATUS_OPLOCK_NOT_GRANTED"},
        {0xC000A2A1, EOPNOTSUPP, "STATUS_OFFLOAD_READ_FLT_NOT_SUPPORTED"},
        {0xC00002F0, ENOENT, "STATUS_OBJECTID_NOT_FOUND"},
        {0xC0000225, ENOENT, "STATUS_NOT_FOUND"},
        {0xC000038E, EBUSY, "STATUS_DRIVER_FAILED_PRIOR_UNLOAD"},
        {0xC01C0004, EIO, "STATUS_FLT_DISALLOW_FAST_IO"},
        {0xC01C000B, EBUSY, "STATUS_FLT_DELETING_OBJECT"},
        {0xC01C0010, EBUSY, "STATUS_FLT_DO_NOT_DETACH"},
        {0xC01C0011, EEXIST, "STATUS_FLT_INSTANCE_ALTITUDE_COLLISION"},
        {0xC01C0005, EIO, "STATUS_FLT_INVALID_NAME_REQUEST"},
        {0xC01C0018, EIO, "STATUS_FLT_NAME_CACHE_MISS"},
        {0xC000026E, ENODEV, "STATUS_VOLUME_DISMOUNTED"},
        {0xC000028A, EIO, "STATUS_ENCRYPTION_FAILED"},
        {0xC000005A, EPERM, "STATUS_INVALID_OWNER"},
        {0xC000006D, EACCES, "STATUS_LOGON_FAILURE"},
        {0xC0000098, EIO, "STATUS_FILE_INVALID"},
};

static const struct {
        int error;
        uint32_t status;
} from_errno[] = {
        {0, 0},
        {EPERM, 0xC0000022},
        {EACCES, 0xC0000022},
        {ENOENT, 0xC0000034},
        {EINTR, 0xC0000120},
        {ECANCELED, 0xC0000120},
        {EIO, 0xC0000185},
        {ENXIO, 0xC00000C0},
        {E2BIG, 0x80000005},
        {ENOEXEC, 0xC000007B},
        {EBADF, 0xC0000008},
        {EAGAIN, 0xC00000A3},
        {ENOMEM, 0xC000009A},
        {ENOBUFS, 0xC000009A},
        {EFAULT, 0xC0000005},
        {EBUSY, 0xC0000043},
        {ETXTBSY, 0xC0000043},
        {EEXIST, 0xC0000035},
        {EXDEV, 0xC00000D4},
        {ENODEV, 0xC000000E},
        {ENOTDIR, 0xC0000103},
        {EISDIR, 0xC00000BA},
        {EINVAL, 0xC000000D},
        {ENFILE, 0xC000011F},
        {EMFILE, 0xC000011F},
        {EFBIG, 0xC0000904},
        {ENOSPC, 0xC000007F},
        {EDQUOT, 0xC0000802},
        {EROFS, 0xC00000A2},
        {EMLINK, 0xC0000265},
        {EPIPE, 0xC000014B},
        {EDEADLK, 0xC0000194},
        {ENAMETOOLONG, 0xC0000106},
        {ENOLCK, 0xC0000055},
        {ENOSYS, 0xC0000010},
        {EOPNOTSUPP, 0xC00000BB},
        {ENOTTY, 0xC0000010},
        {ENOTEMPTY, 0xC0000101},
        {ELOOP, 0xC0000280},
        {ENODATA, 0xC0000052},
        {ERANGE, 0xC0000023},
        {EOVERFLOW, 0xC0000095},
        {ETIMEDOUT, 0xC00000B5},
        {ESTALE, 0xC0000123},
        {EUCLEAN, 0xC0000102},
        {EBADMSG, 0xC0000102},
        {EKEYREJECTED, 0xC0000293},
        {ENOKEY, 0xC0000293},
        {ESRCH, 0xC0000001},
        {ENOTSOCK, 0xC0000001},
};

static void test_to_errno(void)
{
        for (size_t i = 0; i < G_N_ELEMENTS(to_errno); i++) {
                g_test_message("%s", to_errno[i].name);
                g_assert_cmpint(fm_errno_from_status((NTSTATUS)to_errno[i].status), ==, to_errno[i].error);
                g_assert_cmpstr(fm_status_name((NTSTATUS)to_errno[i].status), ==, to_errno[i].name);
        }
}

static void test_from_errno(void)
{
        for (size_t i = 0; i < G_N_ELEMENTS(from_errno); i++)
                g_assert_cmphex((uint32_t)fm_status_from_errno(from_errno[i].error), ==,
                                from_errno[i].status);
}

/* Whatever a filter comes up with, the kernel gets something that it accepts and that turns nothing off. */
static void test_any_status(void)
{
        for (uint32_t i = 0; i < 0x1000000; i += 7) {
                uint32_t status = (i & 0xffff) | ((i >> 16 & 0xff) << 24) | ((i & 0x1f) << 16);
                int error = fm_errno_from_status((NTSTATUS)status);

                g_assert_cmpint(error, >=, 0);
                g_assert_cmpint(error, <=, 511);
                g_assert_cmpint(error, !=, ENOSYS);
        }
        g_assert_cmpint(fm_errno_from_status((NTSTATUS)0xE0001234), ==, EIO);
        g_assert_cmpint(fm_errno_from_status((NTSTATUS)0x40000001), ==, 0);
        g_assert_null(fm_status_name((NTSTATUS)0xE0001234));
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/nt/status/to-errno", test_to_errno);
        g_test_add_func("/nt/status/from-errno", test_from_errno);
        g_test_add_func("/nt/status/any", test_any_status);
        return g_test_run();
}
