/* SPDX-License-Identifier: MIT */
/*
 * NTSTATUS and errno, one table each way.
 *
 * The result of the backing call itself goes back to the caller as the errno it was; what is here is for
 * statuses that a filter made up, and for what filters see. ENOSYS is never answered: the kernel would stop
 * asking for good.
 */
#include "nt/status.h"

#include <errno.h>

struct row {
        NTSTATUS status;
        const char *name;
        int error;
};

#define ROW(Name, Error)                                                                                     \
        {                                                                                                    \
                STATUS_##Name, "STATUS_" #Name, Error                                                        \
        }

static const struct row to_errno[] = {
        ROW(SUCCESS, 0),
        ROW(TIMEOUT, ETIMEDOUT),
        ROW(PENDING, EIO),
        ROW(REPARSE, ELOOP), /* after the last restart */
        ROW(FLT_IO_COMPLETE, EIO),
        ROW(BUFFER_OVERFLOW, ERANGE),
        ROW(NO_MORE_FILES, 0), /* the end of a list is not an error */
        ROW(NO_MORE_ENTRIES, 0),
        ROW(NO_MORE_EAS, 0),
        ROW(DEVICE_BUSY, EBUSY),
        ROW(STOPPED_ON_SYMLINK, ELOOP),
        ROW(NO_SUCH_FILE, ENOENT),
        ROW(OBJECT_NAME_NOT_FOUND, ENOENT),
        ROW(OBJECT_PATH_NOT_FOUND, ENOENT),
        ROW(OBJECT_NAME_INVALID, EINVAL),
        ROW(OBJECT_PATH_INVALID, ENOTDIR),
        ROW(OBJECT_PATH_SYNTAX_BAD, EINVAL),
        ROW(OBJECT_NAME_COLLISION, EEXIST),
        ROW(ACCESS_DENIED, EACCES),
        ROW(PRIVILEGE_NOT_HELD, EPERM),
        ROW(CANNOT_DELETE, EACCES),
        ROW(DELETE_PENDING, ENOENT),
        ROW(FILE_DELETED, ENOENT),
        ROW(FILE_CLOSED, EBADF),
        ROW(SHARING_VIOLATION, EBUSY),
        ROW(FILE_LOCK_CONFLICT, EAGAIN),
        ROW(LOCK_NOT_GRANTED, EAGAIN),
        ROW(RANGE_NOT_LOCKED, 0), /* unlocking what is not locked succeeds */
        ROW(POSSIBLE_DEADLOCK, EDEADLK),
        ROW(VIRUS_INFECTED, EACCES), /* EIO would make people think the disk is broken */
        ROW(VIRUS_DELETED, EACCES),
        ROW(CONTENT_BLOCKED, EACCES),
        ROW(ACCESS_DISABLED_BY_POLICY_DEFAULT, EACCES),
        ROW(FILE_ENCRYPTED, EACCES),
        ROW(DISK_FULL, ENOSPC),
        ROW(QUOTA_EXCEEDED, EDQUOT),
        ROW(DISK_QUOTA_EXCEEDED, EDQUOT),
        ROW(ALLOTTED_SPACE_EXCEEDED, EOVERFLOW),
        ROW(FILE_TOO_LARGE, EFBIG),
        ROW(FILE_SYSTEM_LIMITATION, EFBIG),
        ROW(TOO_MANY_LINKS, EMLINK),
        ROW(TOO_MANY_OPENED_FILES, EMFILE),
        ROW(INSUFFICIENT_RESOURCES, ENOMEM),
        ROW(NO_MEMORY, ENOMEM),
        ROW(MEDIA_WRITE_PROTECTED, EROFS),
        ROW(NO_MEDIA_IN_DEVICE, ENOMEDIUM),
        ROW(DEVICE_NOT_READY, EAGAIN),
        ROW(DEVICE_DOES_NOT_EXIST, ENXIO),
        ROW(NO_SUCH_DEVICE, ENODEV),
        ROW(IO_DEVICE_ERROR, EIO),
        ROW(UNEXPECTED_IO_ERROR, EIO),
        ROW(DATA_ERROR, EIO),
        ROW(CRC_ERROR, EIO),
        ROW(FILE_CORRUPT_ERROR, EIO),
        ROW(IN_PAGE_ERROR, EIO),
        ROW(END_OF_FILE, 0), /* a read of no bytes */
        ROW(NOT_A_DIRECTORY, ENOTDIR),
        ROW(FILE_IS_A_DIRECTORY, EISDIR),
        ROW(DIRECTORY_NOT_EMPTY, ENOTEMPTY),
        ROW(NOT_SAME_DEVICE, EXDEV),
        ROW(NAME_TOO_LONG, ENAMETOOLONG),
        ROW(INVALID_PARAMETER, EINVAL),
        ROW(INVALID_PARAMETER_MIX, EINVAL),
        ROW(INVALID_HANDLE, EBADF),
        ROW(INVALID_INFO_CLASS, EOPNOTSUPP),
        ROW(INFO_LENGTH_MISMATCH, EINVAL),
        ROW(BUFFER_TOO_SMALL, ERANGE),
        ROW(INVALID_USER_BUFFER, EFAULT),
        ROW(ACCESS_VIOLATION, EFAULT),
        ROW(NOT_SUPPORTED, EOPNOTSUPP),
        ROW(NOT_IMPLEMENTED, EOPNOTSUPP),
        ROW(INVALID_DEVICE_REQUEST, EOPNOTSUPP),
        ROW(ILLEGAL_FUNCTION, EOPNOTSUPP),
        ROW(EAS_NOT_SUPPORTED, EOPNOTSUPP),
        ROW(EA_TOO_LARGE, E2BIG),
        ROW(NONEXISTENT_EA_ENTRY, ENODATA),
        ROW(NO_EAS_ON_FILE, ENODATA),
        ROW(INVALID_EA_NAME, EINVAL),
        ROW(NOT_A_REPARSE_POINT, EINVAL),
        ROW(IO_REPARSE_TAG_NOT_HANDLED, EOPNOTSUPP),
        ROW(REPARSE_POINT_NOT_RESOLVED, ELOOP),
        ROW(CANCELLED, EINTR),
        ROW(IO_TIMEOUT, ETIMEDOUT),
        ROW(RETRY, EAGAIN),
        ROW(CANT_WAIT, EAGAIN),
        ROW(UNSUCCESSFUL, EIO),
        ROW(INTERNAL_ERROR, EIO),
        ROW(PIPE_BROKEN, EPIPE),
        ROW(PIPE_DISCONNECTED, EPIPE),
        ROW(PIPE_BUSY, EAGAIN),
        ROW(USER_MAPPED_FILE, ETXTBSY),
        ROW(INVALID_IMAGE_FORMAT, ENOEXEC),
        ROW(RESOURCE_IN_USE, EBUSY),
        ROW(CANNOT_BREAK_OPLOCK, EBUSY),
        ROW(OPLOCK_NOT_GRANTED, EAGAIN),
        ROW(OFFLOAD_READ_FLT_NOT_SUPPORTED, EOPNOTSUPP),
        ROW(OBJECTID_NOT_FOUND, ENOENT),
        ROW(NOT_FOUND, ENOENT),
        ROW(DRIVER_FAILED_PRIOR_UNLOAD, EBUSY),
        ROW(FLT_DISALLOW_FAST_IO, EIO),
        ROW(FLT_DELETING_OBJECT, EBUSY),
        ROW(FLT_DO_NOT_DETACH, EBUSY),
        ROW(FLT_INSTANCE_ALTITUDE_COLLISION, EEXIST),
        ROW(FLT_INVALID_NAME_REQUEST, EIO),
        ROW(FLT_NAME_CACHE_MISS, EIO),
        ROW(VOLUME_DISMOUNTED, ENODEV),
        ROW(ENCRYPTION_FAILED, EIO),
        ROW(INVALID_OWNER, EPERM),
        ROW(LOGON_FAILURE, EACCES),
        ROW(FILE_INVALID, EIO),
};

/* Statuses that need a name in messages; as errors they are EIO, or 0 for success and information. */
static const struct row names[] = {
        ROW(FLT_DO_NOT_ATTACH, EIO),
        ROW(FLT_INSTANCE_NAME_COLLISION, EIO),
        ROW(FLT_FILTER_NOT_FOUND, EIO),
        ROW(FLT_VOLUME_NOT_FOUND, EIO),
        ROW(FLT_INSTANCE_NOT_FOUND, EIO),
        ROW(FLT_NO_WAITER_FOR_REPLY, EIO),
        ROW(FLT_NOT_INITIALIZED, EIO),
        ROW(FLT_FILTER_NOT_READY, EIO),
        ROW(FLT_NO_HANDLER_DEFINED, EIO),
        ROW(FLT_CONTEXT_ALREADY_DEFINED, EIO),
        ROW(FLT_INVALID_ASYNCHRONOUS_REQUEST, EIO),
        ROW(THREAD_IS_TERMINATING, EIO),
        ROW(PORT_DISCONNECTED, EIO),
        ROW(CONNECTION_COUNT_LIMIT, EIO),
        ROW(INTEGER_OVERFLOW, EIO),
        ROW(OBJECT_TYPE_MISMATCH, EIO),
        ROW(KEY_DELETED, EIO),
        ROW(IMAGE_ALREADY_LOADED, EIO),
        ROW(PROCEDURE_NOT_FOUND, EIO),
        ROW(INVALID_CID, EIO),
        ROW(REVISION_MISMATCH, EIO),
};

static const struct {
        int error;
        NTSTATUS status;
} from_errno[] = {
        {EPERM, STATUS_ACCESS_DENIED},
        {EACCES, STATUS_ACCESS_DENIED},
        {ENOENT, STATUS_OBJECT_NAME_NOT_FOUND},
        {EINTR, STATUS_CANCELLED},
        {ECANCELED, STATUS_CANCELLED},
        {EIO, STATUS_IO_DEVICE_ERROR},
        {ENXIO, STATUS_DEVICE_DOES_NOT_EXIST},
        {E2BIG, STATUS_BUFFER_OVERFLOW},
        {ENOEXEC, STATUS_INVALID_IMAGE_FORMAT},
        {EBADF, STATUS_INVALID_HANDLE},
        {EAGAIN, STATUS_DEVICE_NOT_READY},
        {ENOMEM, STATUS_INSUFFICIENT_RESOURCES},
        {ENOBUFS, STATUS_INSUFFICIENT_RESOURCES},
        {EFAULT, STATUS_ACCESS_VIOLATION},
        {EBUSY, STATUS_SHARING_VIOLATION},
        {ETXTBSY, STATUS_SHARING_VIOLATION},
        {EEXIST, STATUS_OBJECT_NAME_COLLISION},
        {EXDEV, STATUS_NOT_SAME_DEVICE},
        {ENODEV, STATUS_NO_SUCH_DEVICE},
        {ENOTDIR, STATUS_NOT_A_DIRECTORY},
        {EISDIR, STATUS_FILE_IS_A_DIRECTORY},
        {EINVAL, STATUS_INVALID_PARAMETER},
        {ENFILE, STATUS_TOO_MANY_OPENED_FILES},
        {EMFILE, STATUS_TOO_MANY_OPENED_FILES},
        {EFBIG, STATUS_FILE_TOO_LARGE},
        {ENOSPC, STATUS_DISK_FULL},
        {EDQUOT, STATUS_DISK_QUOTA_EXCEEDED},
        {EROFS, STATUS_MEDIA_WRITE_PROTECTED},
        {EMLINK, STATUS_TOO_MANY_LINKS},
        {EPIPE, STATUS_PIPE_BROKEN},
        {EDEADLK, STATUS_POSSIBLE_DEADLOCK},
        {ENAMETOOLONG, STATUS_NAME_TOO_LONG},
        {ENOLCK, STATUS_LOCK_NOT_GRANTED},
        {ENOSYS, STATUS_INVALID_DEVICE_REQUEST},
        {EOPNOTSUPP, STATUS_NOT_SUPPORTED},
        {ENOTTY, STATUS_INVALID_DEVICE_REQUEST},
        {ENOTEMPTY, STATUS_DIRECTORY_NOT_EMPTY},
        {ELOOP, STATUS_REPARSE_POINT_NOT_RESOLVED},
        {ENODATA, STATUS_NO_EAS_ON_FILE},
        {ERANGE, STATUS_BUFFER_TOO_SMALL},
        {EOVERFLOW, STATUS_INTEGER_OVERFLOW},
        {ETIMEDOUT, STATUS_IO_TIMEOUT},
        {ESTALE, STATUS_FILE_DELETED},
        {EUCLEAN, STATUS_FILE_CORRUPT_ERROR},
        {EBADMSG, STATUS_FILE_CORRUPT_ERROR},
        {EKEYREJECTED, STATUS_FILE_ENCRYPTED},
        {ENOKEY, STATUS_FILE_ENCRYPTED},
};

NTSTATUS fm_status_from_errno(int error)
{
        if (error == 0)
                return STATUS_SUCCESS;
        for (size_t i = 0; i < RTL_NUMBER_OF(from_errno); i++) {
                if (from_errno[i].error == error)
                        return from_errno[i].status;
        }
        return STATUS_UNSUCCESSFUL;
}

static const struct row *find(const struct row *rows, size_t count, NTSTATUS status)
{
        for (size_t i = 0; i < count; i++) {
                if (rows[i].status == status)
                        return &rows[i];
        }
        return NULL;
}

int fm_errno_from_status(NTSTATUS status)
{
        const struct row *row = find(to_errno, RTL_NUMBER_OF(to_errno), status);

        if (row)
                return row->error;
        return NT_SUCCESS(status) ? 0 : EIO;
}

const char *fm_status_name(NTSTATUS status)
{
        const struct row *row = find(to_errno, RTL_NUMBER_OF(to_errno), status);

        if (!row)
                row = find(names, RTL_NUMBER_OF(names), status);
        return row ? row->name : NULL;
}
