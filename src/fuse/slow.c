/* SPDX-License-Identifier: MIT */
/*
 * From a FUSE request to IRPs: the parts that every subject needs. See slow_internal.h.
 */
#include "fuse/slow_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/session.h"
#include "nt/object.h"
#include "nt/process.h"
#include "nt/unicode.h"

#define KERNEL_FMODE_EXEC 0x20 /* the kernel's own flag, seen in the open of an execve(2) */
/* Nobody is refused anything by sharing: Linux has none. */
#define SHARE_ALL (FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE)

/* malloc'd */
static char *path_of(struct fm_inode *inode, struct fm_inode *parent, const char *name)
{
        char *directory, *path = NULL;
        int length;

        if (!name) {
                path = fm_inode_shown_path(inode);
                if (path)
                        return path;
                length = asprintf(&path, "/nameless:%" PRIu64, inode->public_ino);
                return length < 0 ? NULL : path;
        }
        directory = fm_inode_shown_path(parent);
        length = asprintf(&path, "%s/%s", directory && strcmp(directory, "/") != 0 ? directory : "", name);
        free(directory);
        return length < 0 ? NULL : path;
}

static PFILE_OBJECT file_new(PFLT_VOLUME volume, struct fm_inode *inode, struct fm_inode *parent,
                             const char *name)
{
        PFILE_OBJECT file = fm_file_object_new(volume);
        char *path = path_of(inode, parent, name);

        if (!path || !fm_name_to_unicode_string(path, strlen(path), &file->FileName)) {
                /* Deeper than a Windows name can say. No name at all would be the volume's. */
                g_autofree char *stand_in = g_strdup_printf("/nameless:%" PRIu64 "%s%s",
                                                            (inode ? inode : parent)->public_ino, name ? "/" : "",
                                                            name ? name : "");

                fm_name_to_unicode_string(stand_in, strlen(stand_in), &file->FileName);
        }
        free(path);
        return file;
}

/* The handle's FILE_OBJECT, made if filters never saw the handle before. Borrowed. */
static PFILE_OBJECT file_object_of(PFLT_VOLUME volume, struct fm_file *file)
{
        PFILE_OBJECT object = atomic_load(&file->file_object), other = NULL;
        const int flags = file->directory ? file->flags | O_DIRECTORY : file->flags;
        struct fm_fsd_opened opened = {.file = file, .information = FILE_OPENED};

        if (object)
                return object;
        opened.inode = fm_inode_ref(file->inode);
        object = file_new(volume, file->inode, NULL, NULL);
        fm_fsd_attach(object, &opened, fm_slow_access(flags), SHARE_ALL,
                      fm_slow_options(flags) | FILE_SYNCHRONOUS_IO_NONALERT);
        fm_file_object_change_flags(object, FO_HANDLE_CREATED, 0);
        if (atomic_compare_exchange_strong(&file->file_object, &other, object))
                return object;
        /* Somebody else was first: ours was never seen by anybody, and the handle is not its. */
        fm_fsd_file(object)->file = NULL;
        fm_file_object(object)->opened = false;
        fm_object_unref(object);
        return other;
}

void fm_slow_begin(struct fm_slow *slow, fuse_req_t req, struct fm_inode *inode, struct fm_inode *other)
{
        *slow = (struct fm_slow){
                .session = fm_request_session(req),
                .inode = inode ? fm_inode_ref(inode) : NULL,
                .other = other ? fm_inode_ref(other) : NULL,
        };
        slow->volume = slow->session->volume;
        /* From here on the monitor may answer: all that the answer lets go of is held. */
        slow->request = fm_request_new(req);
        slow->requestor = (struct fm_requestor){
                .thread = fm_thread_ref_by_id(slow->request->caller.tid),
                .uid = slow->request->caller.uid,
                .gid = slow->request->caller.gid,
                .umask = slow->request->caller.umask,
                .cancel = &slow->request->cancel,
        };
}

void fm_slow_begin_file(struct fm_slow *slow, fuse_req_t req, struct fm_file *file)
{
        PFILE_OBJECT object = fm_object_ref(file_object_of(fm_request_session(req)->volume, file));

        fm_file_ref(file);
        fm_slow_begin(slow, req, NULL, NULL);
        slow->object = object;
        slow->file = file;
}

void fm_slow_end(struct fm_slow *slow)
{
        fm_request_free(slow->request);
        fm_object_unref(slow->object);
        fm_file_free(slow->file);
        fm_inode_unref(slow->inode);
        fm_inode_unref(slow->other);
        fm_object_unref(slow->requestor.thread);
}

PFILE_OBJECT fm_slow_file_new(struct fm_slow *slow, struct fm_inode *inode, struct fm_inode *parent,
                              const char *name)
{
        return file_new(slow->volume, inode, parent, name);
}

struct fm_operation *fm_slow_create_new(struct fm_slow *slow, PFILE_OBJECT file,
                                        const struct fm_slow_create *create, struct fm_fsd_request *request)
{
        struct fm_operation *op = fm_operation_new(slow->volume, IRP_MJ_CREATE, file, &slow->requestor);
        const ULONG options = create->disposition << 24 | create->options | FILE_SYNCHRONOUS_IO_NONALERT;

        file->Flags |= fm_file_object_flags(options & 0xffffff);
        request->made_length = file->FileName.Length;
        request->made = g_memdup2(file->FileName.Buffer, file->FileName.Length);
        request->code = options;
        request->access = create->access;
        request->mode = create->mode;
        request->flags = create->open_flags;
        request->open = create->open;
        request->perform = NULL;

        op->fsd_request = request;
        op->iopb.IrpFlags = IRP_CREATE_OPERATION | IRP_SYNCHRONOUS_API;
        op->iopb.OperationFlags = SL_CASE_SENSITIVE | create->flags;
        op->access_state.OriginalDesiredAccess = create->access;
        op->access_state.RemainingDesiredAccess = create->access;
        op->security_context.AccessState = &op->access_state;
        op->security_context.DesiredAccess = create->access;
        op->security_context.FullCreateOptions = options & 0xffffff;
        op->iopb.Parameters.Create.SecurityContext = &op->security_context;
        op->iopb.Parameters.Create.Options = options;
        op->iopb.Parameters.Create.FileAttributes =
                (USHORT)(create->attributes ? create->attributes : FILE_ATTRIBUTE_NORMAL);
        op->iopb.Parameters.Create.ShareAccess = SHARE_ALL;
        return op;
}

int fm_slow_transient_open(struct fm_slow *slow, const struct fm_slow_create *create, struct fm_inode *inode,
                           struct fm_inode *parent, const char *name, struct fm_fsd_request *request,
                           PFILE_OBJECT *ret)
{
        PFILE_OBJECT file = fm_slow_file_new(slow, inode, parent, name);
        int error = fm_slow_run(fm_slow_create_new(slow, file, create, request));

        g_free((void *)request->made);
        request->made = NULL;
        if (error == 0 && !fm_fsd_file(file))
                error = EIO; /* a filter says it is open, and nothing is */
        if (error) {
                fm_object_unref(file);
                file = NULL;
        }
        *ret = file;
        return error;
}

void fm_slow_transient_close(struct fm_slow *slow, PFILE_OBJECT file)
{
        if (!file)
                return;
        fm_file_object_cleanup(file, &slow->requestor);
        fm_object_unref(file);
}

static int open_inode(struct fm_operation *op, struct fm_fsd_request *request, struct fm_fsd_opened *opened)
{
        struct fm_slow_open_inode *what = CONTAINING_RECORD(request, struct fm_slow_open_inode, request);

        opened->inode = fm_inode_ref(what->inode);
        opened->parent = what->name ? fm_inode_ref(what->parent) : NULL;
        opened->name = what->name ? strdup(what->name) : NULL;
        opened->information = FILE_OPENED;
        return 0;
}

int fm_slow_open_inode(struct fm_slow *slow, ACCESS_MASK access, ULONG options,
                       struct fm_slow_open_inode *what, PFILE_OBJECT *ret)
{
        const struct fm_slow_create create = {
                .access = access | SYNCHRONIZE,
                .disposition = FILE_OPEN,
                .options = options,
                .open = open_inode,
        };

        return fm_slow_transient_open(slow, &create, what->inode, what->parent, what->name, &what->request,
                                      ret);
}

struct fm_operation *fm_slow_operation(struct fm_slow *slow, UCHAR major, UCHAR minor, PFILE_OBJECT file,
                                       struct fm_fsd_request *request)
{
        struct fm_operation *op = fm_operation_new(slow->volume, major, file, &slow->requestor);

        op->iopb.MinorFunction = minor;
        op->iopb.IrpFlags = IRP_SYNCHRONOUS_API;
        op->fsd_request = request;
        return op;
}

static bool is_query(const struct fm_operation *op)
{
        switch (op->iopb.MajorFunction) {
        case IRP_MJ_READ:
        case IRP_MJ_QUERY_INFORMATION:
        case IRP_MJ_QUERY_OPEN:
        case IRP_MJ_QUERY_VOLUME_INFORMATION:
        case IRP_MJ_DIRECTORY_CONTROL:
        case IRP_MJ_FILE_SYSTEM_CONTROL:
                return true;
        default:
                return false;
        }
}

/* The statuses that filters set and that mean something else, or nothing, with some operations. */
int fm_slow_errno(struct fm_operation *op)
{
        const UCHAR major = op->iopb.MajorFunction;
        const int error = fm_operation_errno(op);

        if (op->error && op->data.IoStatus.Status == op->error_status)
                return error;
        switch (op->data.IoStatus.Status) {
        case STATUS_END_OF_FILE:
                return major == IRP_MJ_READ                  ? 0
                       : major == IRP_MJ_SET_INFORMATION     ? EINVAL
                       : major == IRP_MJ_FILE_SYSTEM_CONTROL ? ENXIO
                                                             : EIO;
        case STATUS_NO_MORE_FILES:
                return major == IRP_MJ_DIRECTORY_CONTROL ? 0 : EIO;
        case STATUS_NO_MORE_EAS:
        case STATUS_NO_MORE_ENTRIES:
                return major == IRP_MJ_QUERY_EA ? 0 : EIO;
        case STATUS_BUFFER_OVERFLOW: /* what fits is there */
                return is_query(op) ? 0 : error;
        case STATUS_RANGE_NOT_LOCKED:
                return major == IRP_MJ_LOCK_CONTROL && op->iopb.MinorFunction != IRP_MN_LOCK ? 0 : EIO;
        case STATUS_FILE_LOCK_CONFLICT:
                return major == IRP_MJ_LOCK_CONTROL ? error : EACCES;
        case STATUS_NOT_FOUND:
                return major == IRP_MJ_QUERY_EA || major == IRP_MJ_SET_EA ? ENODATA : error;
        case STATUS_CANCELLED:
                return fm_cancel_is_cancelled(op->requestor.cancel) ? EINTR : ECANCELED;
        default:
                return error;
        }
}

int fm_slow_run(struct fm_operation *op)
{
        int error;

        fm_operation_run(op);
        error = fm_slow_errno(op);
        fm_operation_free(op);
        return error;
}

int fm_slow_set_information(struct fm_slow *slow, PFILE_OBJECT file, FILE_INFORMATION_CLASS class,
                            const void *buffer, ULONG length, PFILE_OBJECT parent_of_target,
                            struct fm_fsd_request *request)
{
        struct fm_operation *op = fm_slow_operation(slow, IRP_MJ_SET_INFORMATION, 0, file, request);
        void *input = g_memdup2(buffer, length);
        int error;

        if (request) {
                request->made = buffer;
                request->made_length = length;
                request->code = (ULONG) class;
        }
        op->iopb.Parameters.SetFileInformation.Length = length;
        op->iopb.Parameters.SetFileInformation.FileInformationClass = class;
        op->iopb.Parameters.SetFileInformation.ParentOfTarget = parent_of_target;
        op->iopb.Parameters.SetFileInformation.InfoBuffer = input;
        /* Information buffers are system buffers: filters may look at them from anywhere. */
        op->data.Flags |= FLTFL_CALLBACK_DATA_SYSTEM_BUFFER;
        op->iopb.IrpFlags |= IRP_BUFFERED_IO;
        error = fm_slow_run(op);
        g_free(input);
        return error;
}

int fm_slow_control(struct fm_slow *slow, PFILE_OBJECT file, ULONG code, const void *input,
                    ULONG input_length, void *output, ULONG output_length, struct fm_fsd_request *request,
                    ULONG *ret_length)
{
        struct fm_operation *op =
                fm_slow_operation(slow, IRP_MJ_FILE_SYSTEM_CONTROL, IRP_MN_USER_FS_REQUEST, file, request);
        const ULONG both = MAX(input_length, output_length);
        UCHAR *buffer = g_malloc0(both + 1);
        int error;

        if (input_length)
                memcpy(buffer, input, input_length);
        if (request) {
                request->made = input;
                request->made_length = input_length;
                request->code = code;
        }
        op->iopb.Parameters.FileSystemControl.Common.FsControlCode = code;
        op->iopb.Parameters.FileSystemControl.Common.InputBufferLength = input_length;
        op->iopb.Parameters.FileSystemControl.Common.OutputBufferLength = output_length;
        if ((code & 3) == METHOD_BUFFERED) {
                op->iopb.Parameters.FileSystemControl.Buffered.SystemBuffer = buffer;
                op->data.Flags |= FLTFL_CALLBACK_DATA_SYSTEM_BUFFER;
        } else {
                op->iopb.Parameters.FileSystemControl.Neither.InputBuffer = buffer;
                op->iopb.Parameters.FileSystemControl.Neither.OutputBuffer = output;
        }
        fm_operation_run(op);
        error = fm_slow_errno(op);
        if (ret_length)
                *ret_length = (ULONG)MIN(op->data.IoStatus.Information, output_length);
        if (error == 0 && (code & 3) == METHOD_BUFFERED && output_length)
                memcpy(output, buffer, output_length);
        fm_operation_free(op);
        g_free(buffer);
        return error;
}

ACCESS_MASK fm_slow_access(int flags)
{
        ACCESS_MASK access = 0;

        if ((flags & O_ACCMODE) != O_WRONLY)
                access |= FILE_GENERIC_READ;
        if ((flags & O_ACCMODE) != O_RDONLY)
                access |= flags & O_APPEND ? FILE_GENERIC_WRITE & ~FILE_WRITE_DATA : FILE_GENERIC_WRITE;
        if (flags & KERNEL_FMODE_EXEC)
                access |= FILE_EXECUTE;
        return access;
}

ULONG fm_slow_options(int flags)
{
        ULONG options = flags & O_DIRECTORY ? FILE_DIRECTORY_FILE : FILE_NON_DIRECTORY_FILE;

        if (flags & (O_SYNC | O_DSYNC))
                options |= FILE_WRITE_THROUGH;
        if (flags & O_DIRECT)
                options |= FILE_NO_INTERMEDIATE_BUFFERING;
        if (flags & O_NOFOLLOW)
                options |= FILE_OPEN_REPARSE_POINT;
        return options;
}
