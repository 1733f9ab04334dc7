/* SPDX-License-Identifier: MIT */
/*
 * Names that come: mknod, mkdir, symlink; and readlink.
 *
 * What is no file to Windows is made in two steps: a create that reserves the name, and the reparse point
 * that the file becomes. Nothing is there before the second, so nothing has to be undone when a filter
 * refuses it.
 */
#include "fuse/slow_internal.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/fsd_info.h"
#include "fuse/fsd_types.h"
#include "fuse/session.h"

struct making {
        struct fm_fsd_request request;
        struct fm_fsd_request control;
        struct fm_inode *parent;
        const char *name;
        const char *target; /* of a symlink */
        mode_t mode;
        dev_t rdev;
};

/* Regular files and directories. */
static int make_now(struct fm_operation *op, struct fm_fsd_request *request, struct fm_fsd_opened *opened)
{
        struct making *making = CONTAINING_RECORD(request, struct making, request);
        struct fm_caller scratch;
        const struct fm_caller *caller = fm_fsd_caller(op, &scratch);
        int error;

        error = S_ISDIR(making->mode) ? fm_backing_mkdir(caller, making->parent, making->name, making->mode,
                                                         &opened->inode, NULL)
                                      : fm_backing_mknod(caller, making->parent, making->name, making->mode,
                                                         0, &opened->inode, NULL);
        if (error < 0)
                return error;
        opened->parent = fm_inode_ref(making->parent);
        opened->name = strdup(making->name);
        opened->information = FILE_CREATED;
        return 0;
}

static int reserve(struct fm_operation *op, struct fm_fsd_request *request, struct fm_fsd_opened *opened)
{
        struct making *making = CONTAINING_RECORD(request, struct making, request);
        struct stat st = {0};

        (void)op;
        fm_inode_unref(fm_inode_peek(making->parent, making->name, &st));
        if (st.st_nlink)
                return -EEXIST;
        opened->parent = fm_inode_ref(making->parent);
        opened->name = strdup(making->name);
        opened->information = FILE_CREATED;
        return 0;
}

/* FSCTL_SET_REPARSE_POINT on a reserved name. */
static int make_special(struct fm_operation *op, struct fm_fsd_request *request, ULONG_PTR *information)
{
        struct making *making = CONTAINING_RECORD(request, struct making, control);
        struct fm_caller scratch;
        const struct fm_caller *caller = fm_fsd_caller(op, &scratch);
        struct fm_inode *inode = NULL;
        int error;

        (void)information;
        error = making->target ? fm_backing_symlink(caller, making->parent, making->name, making->target,
                                                    &inode, NULL)
                               : fm_backing_mknod(caller, making->parent, making->name, making->mode,
                                                  making->rdev, &inode, NULL);
        if (error < 0)
                return error;
        fm_fsd_bind(op->iopb.TargetFileObject, inode);
        fm_inode_unref(inode);
        return 0;
}

static int set_reparse_point(struct fm_slow *slow, struct making *making, PFILE_OBJECT file)
{
        const ULONG tag = fm_fsd_reparse_tag(making->target ? S_IFLNK : making->mode);
        const size_t length = making->target ? strlen(making->target) : 0;
        const ULONG room = (ULONG)(sizeof(struct fm_fsd_reparse) + sizeof(ULONG) + length);
        g_autofree void *buffer = g_malloc0(room);

        making->control.perform = make_special;
        return fm_slow_control(slow, file, FSCTL_SET_REPARSE_POINT, buffer,
                               fm_fsd_reparse_build(tag, making->target, length, buffer, room), NULL, 0,
                               &making->control, NULL);
}

static void make(fuse_req_t req, struct making *making)
{
        const bool now = !making->target && (S_ISREG(making->mode) || S_ISDIR(making->mode));
        const struct fm_slow_create create = {
                .access = S_ISDIR(making->mode) ? FILE_LIST_DIRECTORY | SYNCHRONIZE
                                                : FILE_READ_ATTRIBUTES | FILE_WRITE_ATTRIBUTES | SYNCHRONIZE,
                .disposition = FILE_CREATE,
                .options = S_ISDIR(making->mode)
                                   ? FILE_DIRECTORY_FILE
                                   : FILE_NON_DIRECTORY_FILE | (now ? 0 : FILE_OPEN_REPARSE_POINT),
                .attributes = S_ISDIR(making->mode) ? FILE_ATTRIBUTE_DIRECTORY : FILE_ATTRIBUTE_NORMAL,
                .mode = making->mode,
                .open = now ? make_now : reserve,
        };
        struct fm_inode *inode = NULL;
        PFILE_OBJECT file = NULL;
        struct fm_slow slow;
        struct stat attr;
        int error;

        fm_slow_begin(&slow, req, making->parent, NULL);
        error = fm_slow_transient_open(&slow, &create, NULL, making->parent, making->name, &making->request,
                                       &file);
        if (!error && !now)
                error = set_reparse_point(&slow, making, file);
        if (!error && fm_fsd_file(file)->inode)
                inode = fm_inode_ref(fm_fsd_file(file)->inode);
        fm_slow_transient_close(&slow, file);
        /* A filter that says it did it may have done it. */
        if (!error && !inode)
                error = -fm_inode_lookup(making->parent, making->name, &inode, &attr);
        else if (!error)
                error = -fm_backing_getattr(inode, NULL, &attr);
        if (error) {
                fm_inode_unref(inode);
                fm_request_reply_error(slow.request, error);
        } else {
                fm_request_reply_entry(slow.request, inode, &attr);
        }
        fm_slow_end(&slow);
}

void fm_slow_mknod(fuse_req_t req, struct fm_inode *parent, const char *name, mode_t mode, dev_t rdev)
{
        struct making making = {
                .parent = parent, .name = name, .mode = mode & S_IFMT ? mode : mode | S_IFREG, .rdev = rdev};

        make(req, &making);
}

void fm_slow_mkdir(fuse_req_t req, struct fm_inode *parent, const char *name, mode_t mode)
{
        struct making making = {.parent = parent, .name = name, .mode = (mode & 07777) | S_IFDIR};

        make(req, &making);
}

void fm_slow_symlink(fuse_req_t req, const char *target, struct fm_inode *parent, const char *name)
{
        struct making making = {.parent = parent, .name = name, .target = target, .mode = S_IFLNK | 0777};

        make(req, &making);
}

/* ---- readlink ---- */

struct reading {
        struct fm_fsd_request request;
        struct fm_inode *inode;
};

static int read_link(struct fm_operation *op, struct fm_fsd_request *request, ULONG_PTR *information)
{
        struct reading *reading = CONTAINING_RECORD(request, struct reading, request);
        struct fm_caller scratch;
        char target[PATH_MAX];
        int length;

        length = fm_backing_readlink(fm_fsd_caller(op, &scratch), reading->inode, target, sizeof(target));
        if (length < 0)
                return length;
        *information = fm_fsd_reparse_build(IO_REPARSE_TAG_LX_SYMLINK, target, (size_t)length,
                                            op->iopb.Parameters.FileSystemControl.Buffered.SystemBuffer,
                                            op->iopb.Parameters.FileSystemControl.Common.OutputBufferLength);
        return *information ? 0 : -ENAMETOOLONG;
}

void fm_slow_readlink(fuse_req_t req, struct fm_inode *inode)
{
        struct reading reading = {.request.perform = read_link, .inode = inode};
        struct fm_slow_open_inode what = {.inode = inode};
        union {
                struct fm_fsd_reparse reparse;
                UCHAR bytes[sizeof(struct fm_fsd_reparse) + sizeof(ULONG) + PATH_MAX];
        } buffer;
        char target[PATH_MAX + 1];
        PFILE_OBJECT file = NULL;
        struct fm_slow slow;
        size_t length = 0;
        ULONG size = 0;
        int error;

        fm_slow_begin(&slow, req, inode, NULL);
        error = fm_slow_open_inode(&slow, FILE_READ_ATTRIBUTES, FILE_OPEN_REPARSE_POINT, &what, &file);
        if (!error)
                error = fm_slow_control(&slow, file, FSCTL_GET_REPARSE_POINT, NULL, 0, &buffer,
                                        sizeof(buffer), &reading.request, &size);
        fm_slow_transient_close(&slow, file);
        if (!error) {
                if (size < offsetof(struct fm_fsd_reparse, data) ||
                    buffer.reparse.tag != IO_REPARSE_TAG_LX_SYMLINK ||
                    buffer.reparse.length < sizeof(ULONG) ||
                    buffer.reparse.length > size - offsetof(struct fm_fsd_reparse, data))
                        error = EIO;
                else
                        length = MIN(buffer.reparse.length - sizeof(ULONG), (size_t)PATH_MAX);
        }
        if (error) {
                fm_request_reply_error(slow.request, error);
        } else {
                memcpy(target, buffer.reparse.data + sizeof(ULONG), length);
                target[length] = '\0';
                fm_request_reply_readlink(slow.request, target);
        }
        fm_slow_end(&slow);
}
