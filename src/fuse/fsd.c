/* SPDX-License-Identifier: MIT */
/*
 * The bottom of the stack: from a major to its function, and the life of an open file there. See fsd.h.
 */
#include "fuse/fsd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/session.h"
#include "nt/process.h"
#include "nt/status.h"
#include "nt/unicode.h"

const struct fm_caller *fm_fsd_caller(const struct fm_operation *op, struct fm_caller *scratch)
{
        const struct fm_requestor *requestor = &op->requestor;

        if (requestor->kernel)
                return NULL;
        *scratch = (struct fm_caller){
                .uid = requestor->uid,
                .gid = requestor->gid,
                .tid = requestor->thread ? fm_thread_id(requestor->thread) : 0,
                .umask = requestor->umask,
        };
        return scratch;
}

struct fm_stream *fm_fsd_stream(PFLT_VOLUME volume, struct fm_inode *inode)
{
        struct fm_stream *stream = atomic_load_explicit(&inode->stream, memory_order_acquire), *other = NULL;

        if (stream)
                return stream;
        stream = fm_stream_new(volume, inode);
        if (atomic_compare_exchange_strong(&inode->stream, &other, stream))
                return stream;
        fm_stream_free(stream);
        return other;
}

void fm_fsd_attach(PFILE_OBJECT file, struct fm_fsd_opened *opened, ACCESS_MASK access, ULONG share,
                   ULONG options)
{
        struct fm_file_object *object = fm_file_object(file);
        struct fm_fsd_file *fsd = g_new0(struct fm_fsd_file, 1);

        pthread_mutex_init(&fsd->lock, NULL);
        fsd->inode = opened->inode;
        fsd->file = opened->file;
        fsd->parent = opened->parent;
        fsd->name = opened->name;
        fsd->access = access;
        fsd->options = options & 0xffffff;
        if (!fsd->inode)
                fsd->own_stream = fm_stream_new(object->volume, NULL);
        *opened = (struct fm_fsd_opened){0};

        object->fsd_file = fsd;
        object->stream = fsd->inode ? fm_fsd_stream(object->volume, fsd->inode) : fsd->own_stream;
        object->directory = fsd->inode && fm_inode_is_directory(fsd->inode);
        object->cleaned = false;
        object->opened = true;

        file->FsContext = object->stream;
        file->FsContext2 = fsd;
        file->SectionObjectPointer = &object->stream->section_pointers;
        file->ReadAccess = (access & (FILE_READ_DATA | FILE_EXECUTE)) != 0;
        file->WriteAccess = (access & (FILE_WRITE_DATA | FILE_APPEND_DATA)) != 0;
        file->DeleteAccess = (access & DELETE) != 0;
        /* As on Windows: what does not take part in sharing shares nothing. */
        if (!file->ReadAccess && !file->WriteAccess && !file->DeleteAccess)
                share = 0;
        file->SharedRead = (share & FILE_SHARE_READ) != 0;
        file->SharedWrite = (share & FILE_SHARE_WRITE) != 0;
        file->SharedDelete = (share & FILE_SHARE_DELETE) != 0;
        fm_file_object_change_flags(file, fm_file_object_flags(options), 0);
}

static bool can_do(const struct fm_file *file, bool writable)
{
        const int access = file->flags & O_ACCMODE;

        return access == O_RDWR || access == (writable ? O_WRONLY : O_RDONLY);
}

int fm_fsd_get_file(PFILE_OBJECT file, bool writable, struct fm_file **ret)
{
        struct fm_fsd_file *fsd = fm_fsd_file(file);
        int error = 0;

        if (!fsd || !fsd->inode)
                return -EBADF;
        /* Opening a pipe or a device would do something: it is nobody's data. */
        if (!S_ISREG(fsd->inode->type) && !S_ISDIR(fsd->inode->type))
                return -EINVAL;
        pthread_mutex_lock(&fsd->lock);
        if (fsd->file && can_do(fsd->file, writable)) {
                *ret = fsd->file;
        } else {
                if (!fsd->own[writable])
                        error = fm_backing_open(NULL, fsd->inode, writable ? O_RDWR : O_RDONLY,
                                                &fsd->own[writable]);
                *ret = fsd->own[writable];
                if (error == 0)
                        fsd->own[writable]->internal = true;
        }
        pthread_mutex_unlock(&fsd->lock);
        return error;
}

struct fm_file *fm_fsd_own_file(PFILE_OBJECT file)
{
        struct fm_fsd_file *fsd = fm_fsd_file(file);

        return fsd ? fsd->file : NULL;
}

void fm_fsd_mark_written(PFILE_OBJECT file)
{
        struct fm_fsd_file *fsd = fm_fsd_file(file);

        if (fsd->file)
                atomic_store(&fsd->file->written, true);
        fm_file_object(file)->cleaned = false;
        fm_file_object_change_flags(file, FO_FILE_MODIFIED, FO_CLEANUP_COMPLETE);
}

/* Whether (parent, name) is still the inode. */
static bool leads_to(struct fm_inode *parent, const char *name, struct fm_inode *inode)
{
        struct stat st = {0};
        struct fm_inode *found = fm_inode_peek(parent, name, &st);
        bool same = found == inode;

        fm_inode_unref(found);
        return same;
}

int fm_fsd_get_link(PFILE_OBJECT file, struct fm_inode **ret_parent, char **ret_name)
{
        struct fm_fsd_file *fsd = fm_fsd_file(file);
        struct fm_inode *parent;
        char *name = NULL;

        if (!fsd || !fsd->inode)
                return -ENOENT;
        pthread_mutex_lock(&fsd->lock);
        parent = fsd->parent && fsd->name ? fm_inode_ref(fsd->parent) : NULL;
        name = parent ? strdup(fsd->name) : NULL;
        pthread_mutex_unlock(&fsd->lock);
        if (!parent || !leads_to(parent, name, fsd->inode)) {
                fm_inode_unref(parent);
                free(name);
                name = NULL;
                parent = fm_inode_parent(fsd->inode, &name);
        }
        if (!parent || !name) {
                fm_inode_unref(parent);
                free(name);
                return -ENOENT;
        }
        *ret_parent = parent;
        *ret_name = name;
        return 0;
}

int fm_fsd_delete_name(const struct fm_caller *caller, PFILE_OBJECT file)
{
        struct fm_fsd_file *fsd = fm_fsd_file(file);
        struct fm_inode *parent;
        char *name;
        int error;

        error = fm_fsd_get_link(file, &parent, &name);
        if (error < 0)
                return error;
        error = fm_inode_is_directory(fsd->inode) ? fm_backing_rmdir(caller, parent, name)
                                                  : fm_backing_unlink(caller, parent, name);
        if (error == 0)
                fsd->deleted = true;
        fm_inode_unref(parent);
        free(name);
        return error;
}

bool fm_fsd_perform(struct fm_operation *op, ULONG code, const void *input, ULONG length)
{
        struct fm_fsd_request *request = op->fsd_request;
        ULONG_PTR information = 0;
        int error;

        if (!request || !request->perform || request->code != code || request->made_length != length ||
            (length && (!input || memcmp(input, request->made, length) != 0)))
                return false;
        error = request->perform(op, request, &information);
        if (error < 0)
                fm_operation_set_error(op, -error);
        else if (error != FM_FSD_ANSWERED)
                fm_operation_set_result(op, STATUS_SUCCESS, information);
        return true;
}

static char *file_path(PFILE_OBJECT file)
{
        struct fm_fsd_file *fsd = fm_fsd_file(file);
        char *directory, *path = NULL;

        if (!fsd)
                return NULL;
        if (fsd->inode)
                return fm_inode_path(fsd->inode);
        directory = fm_inode_path(fsd->parent);
        if (directory &&
            asprintf(&path, "%s/%s", strcmp(directory, "/") == 0 ? "" : directory, fsd->name) < 0)
                path = NULL;
        free(directory);
        return path;
}

bool fm_fsd_name(PFILE_OBJECT file, PUNICODE_STRING ret)
{
        char *path = file_path(file);
        bool known = path && fm_name_to_unicode_string(path, strlen(path), ret);

        free(path);
        return known;
}

static void close_file(PFILE_OBJECT file)
{
        struct fm_file_object *object = fm_file_object(file);
        struct fm_fsd_file *fsd = object->fsd_file;

        if (!fsd)
                return;
        object->fsd_file = NULL;
        object->stream = NULL;
        file->FsContext = NULL;
        file->FsContext2 = NULL;
        file->SectionObjectPointer = NULL;
        fm_file_free(fsd->own[0]);
        fm_file_free(fsd->own[1]);
        fm_fsd_search_free(fsd->search);
        fm_stream_free(fsd->own_stream);
        /* The stream goes with the inode: last. */
        fm_file_free(fsd->file);
        fm_inode_unref(fsd->parent);
        free(fsd->name);
        fm_inode_unref(fsd->inode);
        pthread_mutex_destroy(&fsd->lock);
        g_free(fsd);
}

static int open_data(PFILE_OBJECT file, bool writable)
{
        struct fm_fsd_file *fsd = fm_fsd_file(file);
        int fd;

        if (!fsd || !fsd->inode)
                return -EBADF;
        if (!S_ISREG(fsd->inode->type))
                return -EINVAL;
        fd = fm_backing_open_data(fsd->inode, writable ? O_RDWR : O_RDONLY);
        if (fd < 0 && writable)
                fd = fm_backing_open_data(fsd->inode, O_RDONLY);
        return fd;
}

void fm_fsd_cleanup(struct fm_operation *op)
{
        PFILE_OBJECT file = op->iopb.TargetFileObject;
        struct fm_fsd_file *fsd = fm_fsd_file(file);
        struct fm_caller scratch;
        int error = 0;

        if (fsd && fsd->delete_pending && !fsd->deleted) {
                error = fm_fsd_delete_name(fm_fsd_caller(op, &scratch), file);
                fsd->delete_pending = false;
                file->DeletePending = FALSE;
        }
        if (fsd)
                fsd->delete_error = -error;
        /* A cleanup can't fail: whoever wants to know asks for delete_error. */
        fm_operation_set_result(op, STATUS_SUCCESS, 0);
}

void fm_fsd_flush(struct fm_operation *op)
{
        struct fm_fsd_file *fsd = fm_fsd_file(op->iopb.TargetFileObject);
        struct fm_file *file = fsd ? fsd->file : NULL;
        int error = 0;

        /* Nothing was written through a file object that has nothing open. */
        if (!file && fsd)
                file = fsd->own[1];
        if (file)
                error = fm_backing_fsync(file, op->iopb.MinorFunction == IRP_MN_FLUSH_DATA_SYNC_ONLY);
        if (error < 0)
                fm_operation_set_error(op, -error);
        else
                fm_operation_set_result(op, STATUS_SUCCESS, 0);
}

static void dispatch(struct fm_operation *op)
{
        PFILE_OBJECT file = op->iopb.TargetFileObject;

        switch (op->iopb.MajorFunction) {
        case IRP_MJ_CREATE:
                fm_fsd_create(op);
                return;
        case IRP_MJ_QUERY_OPEN:
                fm_fsd_query_open(op);
                return;
        case IRP_MJ_NETWORK_QUERY_OPEN:
                fm_fsd_network_query_open(op);
                return;
        case IRP_MJ_CLOSE:
        case IRP_MJ_SHUTDOWN:
                fm_operation_set_result(op, STATUS_SUCCESS, 0);
                return;
        case IRP_MJ_ACQUIRE_FOR_SECTION_SYNCHRONIZATION:
        case IRP_MJ_RELEASE_FOR_SECTION_SYNCHRONIZATION:
        case IRP_MJ_ACQUIRE_FOR_MOD_WRITE:
        case IRP_MJ_RELEASE_FOR_MOD_WRITE:
        case IRP_MJ_ACQUIRE_FOR_CC_FLUSH:
        case IRP_MJ_RELEASE_FOR_CC_FLUSH:
        case IRP_MJ_VOLUME_MOUNT:
        case IRP_MJ_VOLUME_DISMOUNT:
                fm_operation_set_result(op, STATUS_SUCCESS, 0);
                return;
        default:
                break;
        }
        if (!file || !fm_fsd_file(file)) {
                /* A cleanup can't fail; the rest needs a file that is open. */
                fm_operation_set_result(op,
                                        op->iopb.MajorFunction == IRP_MJ_CLEANUP ? STATUS_SUCCESS
                                                                                 : STATUS_INVALID_PARAMETER,
                                        0);
                return;
        }
        switch (op->iopb.MajorFunction) {
        case IRP_MJ_READ:
                fm_fsd_read(op);
                break;
        case IRP_MJ_WRITE:
                fm_fsd_write(op);
                break;
        case IRP_MJ_FLUSH_BUFFERS:
                fm_fsd_flush(op);
                break;
        case IRP_MJ_QUERY_INFORMATION:
                fm_fsd_query_information(op);
                break;
        case IRP_MJ_SET_INFORMATION:
                fm_fsd_set_information(op);
                break;
        case IRP_MJ_DIRECTORY_CONTROL:
                fm_fsd_directory_control(op);
                break;
        case IRP_MJ_QUERY_EA:
                fm_fsd_query_ea(op);
                break;
        case IRP_MJ_SET_EA:
                fm_fsd_set_ea(op);
                break;
        case IRP_MJ_QUERY_VOLUME_INFORMATION:
                fm_fsd_query_volume(op);
                break;
        case IRP_MJ_SET_VOLUME_INFORMATION:
                fm_fsd_set_volume(op);
                break;
        case IRP_MJ_QUERY_SECURITY:
                fm_fsd_query_security(op);
                break;
        case IRP_MJ_SET_SECURITY:
                fm_fsd_set_security(op);
                break;
        case IRP_MJ_FILE_SYSTEM_CONTROL:
                fm_fsd_file_system_control(op);
                break;
        case IRP_MJ_LOCK_CONTROL:
                fm_fsd_lock_control(op);
                break;
        case IRP_MJ_CLEANUP:
                fm_fsd_cleanup(op);
                break;
        default:
                fm_operation_set_result(op, STATUS_INVALID_DEVICE_REQUEST, 0);
                break;
        }
}

const struct fm_fsd_ops fm_fuse_fsd = {
        .dispatch = dispatch,
        .path = file_path,
        .real_path = fm_fsd_real_path,
        .close_file = close_file,
        .open_data = open_data,
};
