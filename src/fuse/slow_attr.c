/* SPDX-License-Identifier: MIT */
/*
 * Attributes: getattr, setattr, statfs.
 *
 * The answer is what filters left in the buffer. What they left alone is answered as the backing file system
 * said it: nanoseconds and blocks do not survive the way through Windows' structures.
 */
#include "fuse/slow_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "fuse/caching.h"
#include "fuse/fsd_info.h"
#include "fuse/fsd_security.h"
#include "fuse/session.h"
#include "nt/object.h"

struct attributes {
        struct fm_fsd_request request;
        struct fm_inode *inode;
        struct fm_file *file; /* may be NULL */
        struct stat st;       /* what the bottom said */
        FILE_STAT_LX_INFORMATION said, buffer;
        bool answered; /* by the bottom */
};

static struct statx_timestamp statx_time(const struct timespec *time)
{
        return (struct statx_timestamp){.tv_sec = time->tv_sec, .tv_nsec = (uint32_t)time->tv_nsec};
}

/* The bottom of both queries: the attributes as they are, and as an FILE_STAT_LX_INFORMATION. */
static int query_attributes(struct fm_operation *op, struct fm_fsd_request *request, ULONG_PTR *information)
{
        struct attributes *attributes = CONTAINING_RECORD(request, struct attributes, request);
        const bool by_name = op->iopb.MajorFunction == IRP_MJ_QUERY_OPEN;
        void *buffer = by_name ? op->iopb.Parameters.QueryOpen.FileInformation
                               : op->iopb.Parameters.QueryFileInformation.InfoBuffer;
        const ULONG length = by_name ? *op->iopb.Parameters.QueryOpen.Length
                                     : op->iopb.Parameters.QueryFileInformation.Length;
        struct fm_fsd_info info = {.access = FILE_READ_ATTRIBUTES};
        struct stat *st = &attributes->st;
        ULONG written;
        int error;

        error = fm_backing_getattr(attributes->inode, attributes->file, st);
        if (error < 0)
                return error;
        info.st = (struct statx){
                .stx_mode = (uint16_t)st->st_mode,
                .stx_nlink = (uint32_t)st->st_nlink,
                .stx_uid = st->st_uid,
                .stx_gid = st->st_gid,
                .stx_ino = st->st_ino,
                .stx_size = (uint64_t)st->st_size,
                .stx_blocks = (uint64_t)st->st_blocks,
                .stx_atime = statx_time(&st->st_atim),
                .stx_mtime = statx_time(&st->st_mtim),
                .stx_ctime = statx_time(&st->st_ctim),
                .stx_rdev_major = major(st->st_rdev),
                .stx_rdev_minor = minor(st->st_rdev),
        };
        if (!NT_SUCCESS(fm_fsd_info_fill(&info, FileStatLxInformation, buffer, length, &written)))
                return -EINVAL;
        memcpy(&attributes->said, buffer, sizeof(attributes->said));
        attributes->answered = true;
        *information = by_name ? 0 : written;
        return 0;
}

/* What filters changed, put over what the bottom said; all of it, if the bottom was not asked. */
static void merge(struct attributes *attributes)
{
        const FILE_STAT_LX_INFORMATION *now = &attributes->buffer, *before = &attributes->said;
        const bool all = !attributes->answered;
        struct stat *st = &attributes->st;
        off_t real;

        if (all && fm_backing_getattr(attributes->inode, attributes->file, st) < 0)
                st->st_size = now->EndOfFile.QuadPart;
        real = st->st_size;
        if (all) {
                *st = (struct stat){.st_blksize = 4096};
                st->st_ino =
                        now->FileId.QuadPart ? (ino_t)now->FileId.QuadPart : attributes->inode->public_ino;
        }
        if (all || now->LastAccessTime.QuadPart != before->LastAccessTime.QuadPart)
                st->st_atim = fm_fsd_timespec(now->LastAccessTime.QuadPart);
        if (all || now->LastWriteTime.QuadPart != before->LastWriteTime.QuadPart)
                st->st_mtim = fm_fsd_timespec(now->LastWriteTime.QuadPart);
        if (all || now->ChangeTime.QuadPart != before->ChangeTime.QuadPart)
                st->st_ctim = fm_fsd_timespec(now->ChangeTime.QuadPart);
        if (all || now->AllocationSize.QuadPart != before->AllocationSize.QuadPart)
                st->st_blocks = now->AllocationSize.QuadPart / 512;
        if (all || now->EndOfFile.QuadPart != before->EndOfFile.QuadPart)
                st->st_size = now->EndOfFile.QuadPart;
        fm_caching_set_view(attributes->inode, real, st->st_size);
        if (all || now->NumberOfLinks != before->NumberOfLinks)
                st->st_nlink = now->NumberOfLinks;
        if (all || now->LxUid != before->LxUid)
                st->st_uid = now->LxUid;
        if (all || now->LxGid != before->LxGid)
                st->st_gid = now->LxGid;
        if (all || now->LxMode != before->LxMode)
                st->st_mode = now->LxMode;
        /* The kernel takes a file whose type changes for a broken file system. */
        st->st_mode = (st->st_mode & 07777) | attributes->inode->type;
        if (all || now->LxDeviceIdMajor != before->LxDeviceIdMajor ||
            now->LxDeviceIdMinor != before->LxDeviceIdMinor)
                st->st_rdev = makedev(now->LxDeviceIdMajor, now->LxDeviceIdMinor);
}

/* IRP_MJ_QUERY_OPEN. EAGAIN: a filter wants to see an open instead. */
static int query_open(struct fm_slow *slow, struct attributes *attributes)
{
        PFILE_OBJECT file = fm_slow_file_new(slow, attributes->inode, NULL, NULL);
        struct fm_operation *op = fm_slow_operation(slow, IRP_MJ_QUERY_OPEN, 0, file, &attributes->request);
        ULONG length = sizeof(attributes->buffer);
        int error;

        attributes->request.made = file->FileName.Buffer;
        attributes->request.made_length = file->FileName.Length;
        op->data.Flags = (op->data.Flags & ~(ULONG)FLTFL_CALLBACK_DATA_IRP_OPERATION) |
                         FLTFL_CALLBACK_DATA_FS_FILTER_OPERATION;
        op->iopb.Parameters.QueryOpen.FileInformation = &attributes->buffer;
        op->iopb.Parameters.QueryOpen.Length = &length;
        op->iopb.Parameters.QueryOpen.FileInformationClass = FileStatLxInformation;
        error = fm_operation_run(op) == FM_STATUS_DISALLOW_FSFILTER_IO ? EAGAIN : fm_slow_errno(op);
        fm_operation_free(op);
        fm_object_unref(file);
        attributes->request.made = NULL;
        attributes->request.made_length = 0;
        return error;
}

static int query_information(struct fm_slow *slow, PFILE_OBJECT file, struct attributes *attributes)
{
        struct fm_operation *op =
                fm_slow_operation(slow, IRP_MJ_QUERY_INFORMATION, 0, file, &attributes->request);

        op->iopb.Parameters.QueryFileInformation.Length = sizeof(attributes->buffer);
        op->iopb.Parameters.QueryFileInformation.FileInformationClass = FileStatLxInformation;
        op->iopb.Parameters.QueryFileInformation.InfoBuffer = &attributes->buffer;
        op->data.Flags |= FLTFL_CALLBACK_DATA_SYSTEM_BUFFER;
        op->iopb.IrpFlags |= IRP_BUFFERED_IO;
        return fm_slow_run(op);
}

/* The same through a whole open. */
static int open_and_query(struct fm_slow *slow, struct attributes *attributes)
{
        struct fm_slow_open_inode what = {.inode = attributes->inode};
        PFILE_OBJECT file;
        int error = fm_slow_open_inode(slow, FILE_READ_ATTRIBUTES, FILE_OPEN_REPARSE_POINT, &what, &file);

        if (error)
                return error;
        error = query_information(slow, file, attributes);
        fm_slow_transient_close(slow, file);
        return error;
}

/* The attributes as filters show them. 0 or a positive errno. */
static int ask(struct fm_slow *slow, struct fm_inode *inode, struct fm_file *file, struct stat *ret)
{
        struct attributes attributes = {
                .request = {.code = FileStatLxInformation, .perform = query_attributes},
                .inode = inode,
                .file = file,
        };
        int error;

        if (file) {
                error = query_information(slow, slow->object, &attributes);
        } else {
                error = query_open(slow, &attributes);
                if (error == EAGAIN)
                        error = open_and_query(slow, &attributes);
        }
        if (error == 0) {
                merge(&attributes);
                *ret = attributes.st;
        }
        return error;
}

static void begin(struct fm_slow *slow, fuse_req_t req, struct fm_inode *inode, struct fm_file *file)
{
        if (file)
                fm_slow_begin_file(slow, req, file);
        else
                fm_slow_begin(slow, req, inode, NULL);
}

void fm_slow_getattr(fuse_req_t req, struct fm_inode *inode, struct fm_file *file)
{
        struct fm_slow slow;
        struct stat st;
        int error;

        begin(&slow, req, inode, file);
        error = ask(&slow, inode, file, &st);
        if (error)
                fm_request_reply_error(slow.request, error);
        else
                fm_request_reply_attr(slow.request, &st);
        fm_slow_end(&slow);
}

/* ---- setattr ---- */

#define SECURITY_BITS (FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID)
#define TIME_BITS                                                                                            \
        (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_ATIME_NOW | FUSE_SET_ATTR_MTIME_NOW |     \
         FUSE_SET_ATTR_CTIME)

/* One of the IRPs that a setattr is made of; at the bottom it sets just its part, exactly as asked. */
struct change {
        struct fm_fsd_request request;
        struct fm_inode *inode;
        struct fm_file *file; /* may be NULL */
        const struct stat *attr;
        struct stat before;
        int valid;
};

static int set_attributes(struct fm_operation *op, struct fm_fsd_request *request, ULONG_PTR *information)
{
        struct change *change = CONTAINING_RECORD(request, struct change, request);
        struct fm_caller scratch;
        int error;

        (void)information;
        if (!change->valid)
                return 0; /* the access list, of which the mode took care */
        error = fm_backing_setattr(fm_fsd_caller(op, &scratch), change->inode, change->file, change->attr,
                                   change->valid, NULL);
        if (error == 0 && change->valid & FUSE_SET_ATTR_SIZE)
                fm_fsd_mark_written(op->iopb.TargetFileObject);
        return error;
}

static LONGLONG nt_time(const struct timespec *time, bool now)
{
        struct timespec current;
        struct statx_timestamp stamp;

        if (now) {
                clock_gettime(CLOCK_REALTIME, &current);
                time = &current;
        }
        stamp = statx_time(time);
        return fm_fsd_time(&stamp);
}

static int set_times(struct fm_slow *slow, PFILE_OBJECT file, struct change *change)
{
        FILE_BASIC_INFORMATION basic = {0};

        if (change->valid & (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_ATIME_NOW))
                basic.LastAccessTime.QuadPart =
                        nt_time(&change->attr->st_atim, change->valid & FUSE_SET_ATTR_ATIME_NOW);
        if (change->valid & (FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_MTIME_NOW))
                basic.LastWriteTime.QuadPart =
                        nt_time(&change->attr->st_mtim, change->valid & FUSE_SET_ATTR_MTIME_NOW);
        return fm_slow_set_information(slow, file, FileBasicInformation, &basic, sizeof(basic), NULL,
                                       &change->request);
}

static int set_security(struct fm_slow *slow, PFILE_OBJECT file, struct change *change)
{
        const SECURITY_INFORMATION information =
                (change->valid & FUSE_SET_ATTR_MODE ? DACL_SECURITY_INFORMATION : 0) |
                (change->valid & FUSE_SET_ATTR_UID ? OWNER_SECURITY_INFORMATION : 0) |
                (change->valid & FUSE_SET_ATTR_GID ? GROUP_SECURITY_INFORMATION : 0);
        struct fm_operation *op = fm_slow_operation(slow, IRP_MJ_SET_SECURITY, 0, file, &change->request);
        const struct stat *before = &change->before;
        UCHAR made[FM_FSD_SECURITY_SIZE], descriptor[FM_FSD_SECURITY_SIZE];

        /* The access list names the owner and the group that the file has or gets. */
        change->request.made_length =
                fm_fsd_security_build(change->valid & FUSE_SET_ATTR_UID ? change->attr->st_uid : before->st_uid,
                                      change->valid & FUSE_SET_ATTR_GID ? change->attr->st_gid : before->st_gid,
                                      change->attr->st_mode, information, made);
        memcpy(descriptor, made, sizeof(descriptor));
        change->request.made = made;
        change->request.code = information;
        op->iopb.Parameters.SetSecurity.SecurityInformation = information;
        op->iopb.Parameters.SetSecurity.SecurityDescriptor = (PSECURITY_DESCRIPTOR)descriptor;
        return fm_slow_run(op);
}

/* Windows has an attribute for a file that nobody may write: whether this is a chmod from or to that. */
static bool changes_read_only(const struct change *change, int valid)
{
        return valid & FUSE_SET_ATTR_MODE && S_ISREG(change->inode->type) &&
               !(change->attr->st_mode & 0222) != !(change->before.st_mode & 0222);
}

static int set_read_only(struct fm_slow *slow, PFILE_OBJECT file, struct change *change)
{
        const FILE_BASIC_INFORMATION basic = {
                .FileAttributes = change->attr->st_mode & 0222 ? FILE_ATTRIBUTE_NORMAL : FILE_ATTRIBUTE_READONLY};
        int error;

        change->valid = 0;
        error = fm_slow_set_information(slow, file, FileBasicInformation, &basic, sizeof(basic), NULL,
                                        &change->request);
        /* To the caller both are one: refused, nothing has changed. */
        if (error)
                fm_backing_setattr(&slow->request->caller, change->inode, change->file, &change->before,
                                   FUSE_SET_ATTR_MODE, NULL);
        return error;
}

/* Size, times, mode and owner, in this order, until one fails. */
static int change_all(struct fm_slow *slow, PFILE_OBJECT file, struct change *change, int valid)
{
        FILE_END_OF_FILE_INFORMATION size = {.EndOfFile.QuadPart = change->attr->st_size};
        int error = 0;

        change->valid = valid & FUSE_SET_ATTR_SIZE;
        if (change->valid)
                error = fm_slow_set_information(slow, file, FileEndOfFileInformation, &size, sizeof(size),
                                                NULL, &change->request);
        change->valid = valid & TIME_BITS;
        if (!error && change->valid)
                error = set_times(slow, file, change);
        change->valid = valid & SECURITY_BITS;
        if (!error && change->valid)
                error = set_security(slow, file, change);
        if (!error && changes_read_only(change, valid))
                error = set_read_only(slow, file, change);
        return error;
}

void fm_slow_setattr(fuse_req_t req, struct fm_inode *inode, const struct stat *attr, int valid,
                     struct fm_file *file)
{
        struct change change = {
                .request.perform = set_attributes, .inode = inode, .file = file, .attr = attr};
        struct fm_slow_open_inode what = {.inode = inode};
        ACCESS_MASK access = (valid & FUSE_SET_ATTR_SIZE ? FILE_WRITE_DATA : 0) |
                             (valid & TIME_BITS ? FILE_WRITE_ATTRIBUTES : 0) |
                             (valid & FUSE_SET_ATTR_MODE ? WRITE_DAC : 0) |
                             (valid & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID) ? WRITE_OWNER : 0);
        PFILE_OBJECT object = NULL;
        struct fm_slow slow;
        struct stat result;
        int error = 0;

        begin(&slow, req, inode, file);
        if (valid & SECURITY_BITS)
                fm_backing_getattr(inode, file, &change.before);
        if (changes_read_only(&change, valid))
                access |= FILE_WRITE_ATTRIBUTES;
        if (valid & FUSE_SET_ATTR_SIZE)
                error = fm_slow_barrier_wait(&slow, inode);
        if (!error && file)
                error = change_all(&slow, slow.object, &change, valid);
        else if (!error)
                error = fm_slow_open_inode(&slow, access,
                                           valid & FUSE_SET_ATTR_SIZE ? FILE_NON_DIRECTORY_FILE
                                                                      : FILE_OPEN_REPARSE_POINT,
                                           &what, &object);
        if (!error && !file)
                error = change_all(&slow, object, &change, valid);
        /* A truncation is a writer of its own: what its cleanup finds is settled before it is answered. */
        if (object && valid & FUSE_SET_ATTR_SIZE)
                fm_slow_barrier_enter(inode);
        fm_slow_transient_close(&slow, object);
        if (object && valid & FUSE_SET_ATTR_SIZE)
                fm_slow_barrier_leave(inode);
        if (!error)
                error = fm_caching_has_view(inode) ? ask(&slow, inode, file, &result)
                                                   : -fm_backing_getattr(inode, file, &result);
        if (error)
                fm_request_reply_error(slow.request, error);
        else
                fm_request_reply_attr(slow.request, &result);
        fm_slow_end(&slow);
}

/* ---- statfs ---- */

struct space {
        struct fm_fsd_request request;
        struct statvfs fs;
        FILE_FS_FULL_SIZE_INFORMATION said, buffer;
        bool answered;
};

static int query_space(struct fm_operation *op, struct fm_fsd_request *request, ULONG_PTR *information)
{
        struct space *space = CONTAINING_RECORD(request, struct space, request);
        struct fm_fsd_file *fsd = fm_fsd_file(op->iopb.TargetFileObject);
        ULONG written = 0;
        int error;

        error = fm_backing_statfs(fsd->inode, &space->fs);
        if (error < 0)
                return error;
        if (!NT_SUCCESS(fm_fsd_fill_volume(op, &space->fs, FileFsFullSizeInformation,
                                           op->iopb.Parameters.QueryVolumeInformation.VolumeBuffer,
                                           op->iopb.Parameters.QueryVolumeInformation.Length, &written)))
                return -EINVAL;
        memcpy(&space->said, op->iopb.Parameters.QueryVolumeInformation.VolumeBuffer, sizeof(space->said));
        space->answered = true;
        *information = written;
        return 0;
}

static int query_volume(struct fm_slow *slow, PFILE_OBJECT file, FS_INFORMATION_CLASS class, void *buffer,
                        ULONG length, struct fm_fsd_request *request)
{
        struct fm_operation *op = fm_slow_operation(slow, IRP_MJ_QUERY_VOLUME_INFORMATION, 0, file, request);

        op->iopb.Parameters.QueryVolumeInformation.FsInformationClass = class;
        op->iopb.Parameters.QueryVolumeInformation.VolumeBuffer = buffer;
        op->iopb.Parameters.QueryVolumeInformation.Length = length;
        op->data.Flags |= FLTFL_CALLBACK_DATA_SYSTEM_BUFFER;
        return fm_slow_run(op);
}

static void merge_space(struct space *space)
{
        const FILE_FS_FULL_SIZE_INFORMATION *now = &space->buffer, *before = &space->said;
        struct statvfs *fs = &space->fs;

        if (!space->answered)
                *fs = (struct statvfs){
                        .f_bsize = now->SectorsPerAllocationUnit * now->BytesPerSector,
                        .f_frsize = now->SectorsPerAllocationUnit * now->BytesPerSector,
                        .f_namemax = 255,
                };
        if (now->TotalAllocationUnits.QuadPart != before->TotalAllocationUnits.QuadPart)
                fs->f_blocks = (fsblkcnt_t)now->TotalAllocationUnits.QuadPart;
        if (now->CallerAvailableAllocationUnits.QuadPart != before->CallerAvailableAllocationUnits.QuadPart)
                fs->f_bavail = (fsblkcnt_t)now->CallerAvailableAllocationUnits.QuadPart;
        if (now->ActualAvailableAllocationUnits.QuadPart != before->ActualAvailableAllocationUnits.QuadPart)
                fs->f_bfree = (fsblkcnt_t)now->ActualAvailableAllocationUnits.QuadPart;
}

void fm_slow_statfs(fuse_req_t req, struct fm_inode *inode)
{
        struct space space = {.request = {.code = FileFsFullSizeInformation, .perform = query_space}};
        struct fm_slow_open_inode what = {.inode = inode};
        union {
                FILE_FS_ATTRIBUTE_INFORMATION info;
                UCHAR bytes[sizeof(FILE_FS_ATTRIBUTE_INFORMATION) + 64];
        } attribute = {0};
        PFILE_OBJECT file;
        struct fm_slow slow;
        int error;

        fm_slow_begin(&slow, req, inode, NULL);
        error = fm_slow_open_inode(&slow, FILE_READ_ATTRIBUTES, FILE_OPEN_REPARSE_POINT, &what, &file);
        if (!error) {
                error = query_volume(&slow, file, FileFsFullSizeInformation, &space.buffer,
                                     sizeof(space.buffer), &space.request);
                if (!error)
                        error = query_volume(&slow, file, FileFsAttributeInformation, &attribute,
                                             sizeof(attribute), NULL);
                fm_slow_transient_close(&slow, file);
        }
        if (error) {
                fm_request_reply_error(slow.request, error);
        } else {
                merge_space(&space);
                fm_request_reply_statfs(slow.request, &space.fs);
        }
        fm_slow_end(&slow);
}
