/* SPDX-License-Identifier: MIT */
/*
 * IRP_MJ_FILE_SYSTEM_CONTROL at the bottom: reparse points (which is what Linux' links and special files are
 * to Windows), holes, and the answers of a file system that has no object ids.
 */
#include "fuse/fsd.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "fuse/fsd_info.h"
#include "fuse/fsd_types.h"
#include "fuse/session.h"
#include "nt/status.h"

struct control {
        ULONG code;
        const void *input;
        ULONG input_length;
        void *output;
        ULONG output_length;
};

/* Where the buffers are depends on the transfer method in the low bits of the code. */
static void get_control(const struct fm_operation *op, struct control *ret)
{
        const FLT_PARAMETERS *parameters = &op->iopb.Parameters;
        PMDL mdl = NULL;

        ret->code = parameters->FileSystemControl.Common.FsControlCode;
        ret->input_length = parameters->FileSystemControl.Common.InputBufferLength;
        ret->output_length = parameters->FileSystemControl.Common.OutputBufferLength;
        switch (ret->code & 3) {
        case METHOD_BUFFERED:
                ret->input = ret->output = parameters->FileSystemControl.Buffered.SystemBuffer;
                break;
        case METHOD_NEITHER:
                ret->input = parameters->FileSystemControl.Neither.InputBuffer;
                ret->output = parameters->FileSystemControl.Neither.OutputBuffer;
                mdl = parameters->FileSystemControl.Neither.OutputMdlAddress;
                break;
        default:
                ret->input = parameters->FileSystemControl.Direct.InputSystemBuffer;
                ret->output = parameters->FileSystemControl.Direct.OutputBuffer;
                mdl = parameters->FileSystemControl.Direct.OutputMdlAddress;
                break;
        }
        if (mdl)
                ret->output = MmGetSystemAddressForMdlSafe(mdl, NormalPagePriority);
        if (!ret->input)
                ret->input_length = 0;
        if (!ret->output)
                ret->output_length = 0;
}

static void done(struct fm_operation *op, NTSTATUS status, ULONG_PTR information)
{
        fm_operation_set_result(op, status, information);
}

static void finish(struct fm_operation *op, int error)
{
        if (error < 0)
                fm_operation_set_error(op, -error);
        else
                done(op, STATUS_SUCCESS, 0);
}

ULONG fm_fsd_reparse_build(ULONG tag, const char *target, size_t target_length, void *buffer, ULONG length)
{
        struct fm_fsd_reparse *out = buffer;
        const bool link = tag == IO_REPARSE_TAG_LX_SYMLINK;
        const ULONG data = link ? (ULONG)(sizeof(ULONG) + target_length) : 0;

        if (length < offsetof(struct fm_fsd_reparse, data) + data)
                return 0;
        out->tag = tag;
        out->length = (USHORT)data;
        out->reserved = 0;
        if (link) {
                const ULONG version = 2;
                memcpy(out->data, &version, sizeof(version));
                memcpy(out->data + sizeof(version), target, target_length);
        }
        return (ULONG)offsetof(struct fm_fsd_reparse, data) + data;
}

static void get_reparse_point(struct fm_operation *op, const struct control *control)
{
        struct fm_fsd_file *fsd = fm_fsd_file(op->iopb.TargetFileObject);
        const ULONG tag = fm_fsd_reparse_tag(fsd->inode->type);
        struct fm_caller scratch;
        char target[PATH_MAX];
        int length = 0;
        ULONG size;

        if (!tag)
                return done(op, STATUS_NOT_A_REPARSE_POINT, 0);
        if (tag == IO_REPARSE_TAG_LX_SYMLINK)
                length = fm_backing_readlink(fm_fsd_caller(op, &scratch), fsd->inode, target, sizeof(target));
        if (length < 0)
                return finish(op, length);
        size = fm_fsd_reparse_build(tag, target, (size_t)length, control->output, control->output_length);
        if (!size)
                return done(op, STATUS_BUFFER_TOO_SMALL, 0);
        done(op, STATUS_SUCCESS, size);
}

void fm_fsd_bind(PFILE_OBJECT file, struct fm_inode *inode)
{
        struct fm_fsd_file *fsd = fm_fsd_file(file);

        pthread_mutex_lock(&fsd->lock);
        if (!fsd->inode)
                fsd->inode = fm_inode_ref(inode);
        pthread_mutex_unlock(&fsd->lock);
}

/* Only a name that is reserved can become one: an inode does not change its kind on Linux. */
static void set_reparse_point(struct fm_operation *op, const struct control *control)
{
        PFILE_OBJECT file = op->iopb.TargetFileObject;
        struct fm_fsd_file *fsd = fm_fsd_file(file);
        const struct fm_fsd_reparse *in = control->input;
        struct fm_inode *made = NULL;
        struct fm_caller scratch;
        char target[PATH_MAX];
        size_t length;
        int error;

        if (control->input_length < offsetof(struct fm_fsd_reparse, data) ||
            in->length > control->input_length - offsetof(struct fm_fsd_reparse, data))
                return done(op, STATUS_IO_REPARSE_DATA_INVALID, 0);
        if (fsd->inode)
                return done(op, STATUS_NOT_SUPPORTED, 0);
        switch (in->tag) {
        case IO_REPARSE_TAG_LX_SYMLINK:
                if (in->length <= sizeof(ULONG) || in->length - sizeof(ULONG) >= sizeof(target))
                        return done(op, STATUS_IO_REPARSE_DATA_INVALID, 0);
                length = in->length - sizeof(ULONG);
                memcpy(target, in->data + sizeof(ULONG), length);
                target[length] = '\0';
                error = fm_backing_symlink(fm_fsd_caller(op, &scratch), fsd->parent, fsd->name, target, &made,
                                           NULL);
                break;
        case IO_REPARSE_TAG_LX_FIFO:
        case IO_REPARSE_TAG_AF_UNIX:
                error = fm_backing_mknod(fm_fsd_caller(op, &scratch), fsd->parent, fsd->name,
                                         fm_fsd_file_type(FILE_ATTRIBUTE_REPARSE_POINT, in->tag) | 0666, 0,
                                         &made, NULL);
                break;
        default:
                return done(op, STATUS_NOT_SUPPORTED, 0);
        }
        if (error == 0)
                fm_fsd_bind(file, made);
        fm_inode_unref(made);
        finish(op, error);
}

static void set_zero_data(struct fm_operation *op, const struct control *control)
{
        PFILE_OBJECT object = op->iopb.TargetFileObject;
        const struct fm_fsd_zero_data *zero = control->input;
        struct fm_caller scratch;
        struct fm_file *file;
        LONGLONG start, end;
        int error;

        if (control->input_length < sizeof(*zero))
                return done(op, STATUS_INVALID_PARAMETER, 0);
        start = zero->start.QuadPart;
        end = zero->end.QuadPart;
        if (start < 0 || end < start)
                return done(op, STATUS_INVALID_PARAMETER, 0);
        if (start == end)
                return done(op, STATUS_SUCCESS, 0);
        error = fm_fsd_get_file(object, true, &file);
        if (error == 0)
                error = fm_backing_fallocate(fm_fsd_caller(op, &scratch), file,
                                             FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, start, end - start);
        if (error == 0)
                fm_fsd_mark_written(object);
        finish(op, error);
}

static void query_allocated_ranges(struct fm_operation *op, const struct control *control)
{
        const struct fm_fsd_range *in = control->input;
        struct fm_fsd_range *out = control->output;
        const ULONG room = control->output_length / sizeof(*out);
        struct fm_file *file;
        off_t at, end, data;
        ULONG count = 0;
        int error;

        if (control->input_length < sizeof(*in) || in->offset.QuadPart < 0 || in->length.QuadPart < 0 ||
            in->length.QuadPart > INT64_MAX - in->offset.QuadPart)
                return done(op, STATUS_INVALID_PARAMETER, 0);
        error = fm_fsd_get_file(op->iopb.TargetFileObject, false, &file);
        if (error < 0)
                return finish(op, error);
        at = in->offset.QuadPart;
        end = at + in->length.QuadPart;
        while (at < end) {
                data = fm_backing_lseek(file, at, SEEK_DATA);
                if (data < 0 || data >= end)
                        break; /* -ENXIO: no data beyond */
                if (count == room)
                        return done(op, count ? STATUS_BUFFER_OVERFLOW : STATUS_BUFFER_TOO_SMALL,
                                    count * sizeof(*out));
                at = fm_backing_lseek(file, data, SEEK_HOLE);
                if (at < 0 || at > end)
                        at = end;
                out[count].offset.QuadPart = data;
                out[count++].length.QuadPart = at - data;
        }
        done(op, STATUS_SUCCESS, count * sizeof(*out));
}

static void get_object_id(struct fm_operation *op)
{
        struct fm_fsd_file *fsd = fm_fsd_file(op->iopb.TargetFileObject);
        struct stat st = {0};

        /* Like FileStandardInformation, it tells that the file has gone with its last name. */
        if (fsd->deleted && fm_backing_getattr(fsd->inode, fsd->file, &st) == 0 && st.st_nlink == 0)
                return done(op, STATUS_FILE_DELETED, 0);
        done(op, STATUS_OBJECTID_NOT_FOUND, 0);
}

void fm_fsd_file_system_control(struct fm_operation *op)
{
        struct fm_fsd_file *fsd = fm_fsd_file(op->iopb.TargetFileObject);
        struct control control;

        if (op->iopb.MinorFunction != IRP_MN_USER_FS_REQUEST && op->iopb.MinorFunction != IRP_MN_KERNEL_CALL)
                return done(op, STATUS_INVALID_DEVICE_REQUEST, 0);
        get_control(op, &control);
        if (fm_fsd_perform(op, control.code, control.input, control.input_length))
                return;
        if (control.code == FSCTL_SET_REPARSE_POINT)
                return set_reparse_point(op, &control);
        if (!fsd->inode)
                return done(op, STATUS_INVALID_PARAMETER, 0);
        switch (control.code) {
        case FSCTL_GET_REPARSE_POINT:
                return get_reparse_point(op, &control);
        case FSCTL_DELETE_REPARSE_POINT:
                return done(op, STATUS_NOT_SUPPORTED, 0);
        case FSCTL_SET_SPARSE:
                /* Every file may have holes. */
                return done(op, STATUS_SUCCESS, 0);
        case FSCTL_SET_ZERO_DATA:
                return set_zero_data(op, &control);
        case FSCTL_QUERY_ALLOCATED_RANGES:
                return query_allocated_ranges(op, &control);
        case FSCTL_GET_OBJECT_ID:
                return get_object_id(op);
        default:
                return done(op, STATUS_INVALID_DEVICE_REQUEST, 0);
        }
}
