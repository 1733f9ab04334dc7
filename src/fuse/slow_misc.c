/* SPDX-License-Identifier: MIT */
/*
 * Requests on open files that are neither data nor attributes: locks, fallocate, lseek, ioctl.
 */
#include "fuse/slow_internal.h"

#include <errno.h>
#include <linux/falloc.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "fuse/fsd_types.h"
#include "fuse/session.h"

/* ---- locks ---- */

struct locking {
        struct fm_fsd_request request;
        struct fm_slow *slow;
        struct fm_file *file;
        bool flock;
        int operation; /* of flock(2) */
        struct flock lock;
        uint64_t owner;
        bool wait;
        bool granted;
};

/* POSIX' rules, not NT's: filters see the lock, the backing file system decides. */
static int lock_backing(struct fm_operation *op, struct fm_fsd_request *request, ULONG_PTR *information)
{
        struct locking *locking = CONTAINING_RECORD(request, struct locking, request);
        struct fm_cancel *cancel = op->requestor.cancel;
        int error;

        (void)information;
        if (locking->flock)
                error = fm_backing_flock(locking->file, locking->operation, cancel);
        else
                error = fm_backing_setlk(locking->file, locking->owner, locking->slow->request->caller.tid,
                                         &locking->lock, locking->wait, cancel);
        locking->granted = error == 0;
        return error;
}

static void undo(struct locking *locking)
{
        if (locking->flock) {
                fm_backing_flock(locking->file, LOCK_UN, NULL);
        } else {
                locking->lock.l_type = F_UNLCK;
                fm_backing_setlk(locking->file, locking->owner, 0, &locking->lock, false, NULL);
        }
}

static void lock(struct fm_slow *slow, struct locking *locking, bool unlock, bool exclusive, off_t start,
                 off_t length)
{
        LARGE_INTEGER range = {.QuadPart = length ? length : INT64_MAX - start};
        const UCHAR minor = unlock ? IRP_MN_UNLOCK_SINGLE : IRP_MN_LOCK;
        struct fm_operation *op;
        int error;

        locking->request.perform = lock_backing;
        locking->request.code = minor;
        locking->slow = slow;
        op = fm_slow_operation(slow, IRP_MJ_LOCK_CONTROL, minor, slow->object, &locking->request);
        op->iopb.OperationFlags =
                (UCHAR)((exclusive ? SL_EXCLUSIVE_LOCK : 0) | (locking->wait ? 0 : SL_FAIL_IMMEDIATELY));
        op->iopb.Parameters.LockControl.Length = &range;
        op->iopb.Parameters.LockControl.Key = (ULONG)(locking->owner ^ locking->owner >> 32);
        op->iopb.Parameters.LockControl.ByteOffset.QuadPart = start;
        op->iopb.Parameters.LockControl.ProcessId = IoThreadToProcess(slow->requestor.thread);
        op->iopb.Parameters.LockControl.FailImmediately = !locking->wait;
        op->iopb.Parameters.LockControl.ExclusiveLock = exclusive;
        error = fm_slow_run(op);
        if (error && locking->granted && !unlock)
                undo(locking); /* a filter refused what the bottom had granted */
        if (!fm_request_reply_error(slow->request, error) && !error && locking->granted && !unlock)
                undo(locking); /* granted to somebody who has gone meanwhile */
}

void fm_slow_setlk(fuse_req_t req, struct fm_file *file, struct fuse_file_info *fi,
                   const struct flock *flock_, bool wait)
{
        struct locking locking = {.file = file, .lock = *flock_, .owner = fi->lock_owner, .wait = wait};
        struct fm_slow slow;

        fm_slow_begin_file(&slow, req, file);
        lock(&slow, &locking, flock_->l_type == F_UNLCK, flock_->l_type == F_WRLCK, flock_->l_start,
             flock_->l_len);
        fm_slow_end(&slow);
}

void fm_slow_flock(fuse_req_t req, struct fm_file *file, int operation)
{
        struct locking locking = {
                .file = file, .flock = true, .operation = operation, .wait = !(operation & LOCK_NB)};
        struct fm_slow slow;

        fm_slow_begin_file(&slow, req, file);
        lock(&slow, &locking, (operation & ~LOCK_NB) == LOCK_UN, (operation & ~LOCK_NB) == LOCK_EX, 0, 0);
        fm_slow_end(&slow);
}

/* ---- fallocate ---- */

struct allocation {
        struct fm_fsd_request request;
        struct fm_file *file;
        int mode;
        off_t offset, length;
        bool done;
};

static int allocate(struct fm_operation *op, struct fm_fsd_request *request, ULONG_PTR *information)
{
        struct allocation *allocation = CONTAINING_RECORD(request, struct allocation, request);
        struct fm_caller scratch;
        int error;

        (void)information;
        if (allocation->done)
                return 0; /* the size, of which the allocation took care */
        error = fm_backing_fallocate(fm_fsd_caller(op, &scratch), allocation->file, allocation->mode,
                                     allocation->offset, allocation->length);
        if (error == 0) {
                allocation->done = true;
                fm_fsd_mark_written(op->iopb.TargetFileObject);
        }
        return error;
}

void fm_slow_fallocate(fuse_req_t req, struct fm_file *file, int mode, off_t offset, off_t length)
{
        struct allocation allocation = {
                .request.perform = allocate,
                .file = file,
                .mode = mode,
                .offset = offset,
                .length = length,
        };
        LARGE_INTEGER end = {.QuadPart = offset + length};
        struct fm_fsd_zero_data zero = {.start.QuadPart = offset, .end.QuadPart = end.QuadPart};
        PFILE_OBJECT object;
        struct fm_slow slow;
        struct stat st = {0};
        int error = 0;

        fm_slow_begin_file(&slow, req, file);
        object = slow.object;
        fm_backing_getattr(file->inode, file, &st);
        if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) {
                if (mode & FALLOC_FL_PUNCH_HOLE)
                        error = fm_slow_control(&slow, object, FSCTL_SET_SPARSE, NULL, 0, NULL, 0, NULL,
                                                NULL);
                if (!error)
                        error = fm_slow_control(&slow, object, FSCTL_SET_ZERO_DATA, &zero, sizeof(zero), NULL,
                                                0, &allocation.request, NULL);
        } else {
                error = fm_slow_set_information(&slow, object, FileAllocationInformation, &end, sizeof(end),
                                                NULL, &allocation.request);
                if (!error && allocation.done && !(mode & FALLOC_FL_KEEP_SIZE) && end.QuadPart > st.st_size)
                        error = fm_slow_set_information(&slow, object, FileEndOfFileInformation, &end,
                                                        sizeof(end), NULL, &allocation.request);
        }
        fm_request_reply_error(slow.request, error);
        fm_slow_end(&slow);
}

/* ---- lseek ---- */

struct seeking {
        struct fm_fsd_request request;
        struct fm_file *file;
        off_t offset, result;
        int whence;
};

static int seek(struct fm_operation *op, struct fm_fsd_request *request, ULONG_PTR *information)
{
        struct seeking *seeking = CONTAINING_RECORD(request, struct seeking, request);
        struct fm_fsd_range *range = op->iopb.Parameters.FileSystemControl.Neither.OutputBuffer;
        off_t hole;

        seeking->result = fm_backing_lseek(seeking->file, seeking->offset, seeking->whence);
        if (seeking->result < 0)
                return (int)seeking->result;
        /* For filters: the range of data that the answer is about. */
        if (range && op->iopb.Parameters.FileSystemControl.Common.OutputBufferLength >= sizeof(*range) &&
            seeking->whence == SEEK_DATA) {
                hole = fm_backing_lseek(seeking->file, seeking->result, SEEK_HOLE);
                range->offset.QuadPart = seeking->result;
                range->length.QuadPart = hole > seeking->result ? hole - seeking->result : 0;
                *information = sizeof(*range);
        }
        return 0;
}

void fm_slow_lseek(fuse_req_t req, struct fm_file *file, off_t offset, int whence)
{
        struct seeking seeking = {
                .request.perform = seek, .file = file, .offset = offset, .whence = whence, .result = -ENXIO};
        struct fm_fsd_range in = {.offset.QuadPart = offset, .length.QuadPart = INT64_MAX - offset},
                            out = {0};
        struct fm_slow slow;
        int error;

        fm_slow_begin_file(&slow, req, file);
        error = fm_slow_control(&slow, slow.object, FSCTL_QUERY_ALLOCATED_RANGES, &in, sizeof(in), &out,
                                sizeof(out), &seeking.request, NULL);
        if (!error && seeking.result < 0)
                error = (int)-seeking.result;
        if (error)
                fm_request_reply_error(slow.request, error);
        else
                fm_request_reply_lseek(slow.request, seeking.result);
        fm_slow_end(&slow);
}

/* ---- ioctl ---- */

/* Linux' commands have no FSCTL: filters see one of the range that Windows leaves to file systems. */
#define FSCTL_LINUX_IOCTL CTL_CODE(FILE_DEVICE_FILE_SYSTEM, 0xc00, METHOD_NEITHER, FILE_ANY_ACCESS)
#define IOCTL_ROOM        64

struct controlling {
        struct fm_fsd_request request;
        struct fm_file *file;
        unsigned command;
        const void *in;
        UCHAR out[IOCTL_ROOM];
};

static int control(struct fm_operation *op, struct fm_fsd_request *request, ULONG_PTR *information)
{
        struct controlling *controlling = CONTAINING_RECORD(request, struct controlling, request);
        struct fm_caller scratch;

        (void)information;
        return fm_backing_ioctl(fm_fsd_caller(op, &scratch), controlling->file, controlling->command,
                                controlling->in, controlling->out);
}

void fm_slow_ioctl(fuse_req_t req, struct fm_file *file, unsigned command, const void *in)
{
        const size_t size = fm_backing_ioctl_size(command);
        struct controlling controlling = {
                .request.perform = control, .file = file, .command = command, .in = in};
        const bool reads = (command >> 30 & 2) != 0; /* _IOC_READ */
        struct fm_slow slow;
        int error;

        fm_slow_begin_file(&slow, req, file);
        error = fm_slow_control(&slow, slow.object, FSCTL_LINUX_IOCTL, &command, sizeof(command), NULL, 0,
                                &controlling.request, NULL);
        if (error)
                fm_request_reply_error(slow.request, error == EOPNOTSUPP ? ENOTTY : error);
        else
                fm_request_reply_ioctl(slow.request, 0, controlling.out,
                                       reads ? MIN(size, sizeof(controlling.out)) : 0);
        fm_slow_end(&slow);
}
