/* SPDX-License-Identifier: MIT */
/*
 * IRP_MJ_CREATE at the bottom: the front end's own way as long as its name and options are untouched, else
 * the name is resolved and the disposition carried out here.
 *
 * NT's order of checks: syntax, existence, type, access. Sharing never fails: Linux has no share modes.
 */
#include "fuse/fsd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/session.h"
#include "nt/object.h"
#include "nt/status.h"

#define READING (FILE_READ_DATA | FILE_EXECUTE)
#define WRITING (FILE_WRITE_DATA | FILE_APPEND_DATA)

static ACCESS_MASK specific_access(ACCESS_MASK access)
{
        if (access & (GENERIC_ALL | MAXIMUM_ALLOWED))
                access |= FILE_ALL_ACCESS;
        if (access & GENERIC_READ)
                access |= FILE_GENERIC_READ;
        if (access & GENERIC_WRITE)
                access |= FILE_GENERIC_WRITE;
        if (access & GENERIC_EXECUTE)
                access |= FILE_GENERIC_EXECUTE;
        return access & ~(GENERIC_ALL | GENERIC_READ | GENERIC_WRITE | GENERIC_EXECUTE | MAXIMUM_ALLOWED);
}

/*
 * open(2) flags. Alignment rules of O_DIRECT differ between Linux and Windows, and the page cache is coherent
 * with it: FILE_NO_INTERMEDIATE_BUFFERING is kept as a flag of the file object alone, unless the application
 * said O_DIRECT.
 */
static int linux_flags(ACCESS_MASK access, ULONG options, const struct fm_fsd_request *request)
{
        int flags = access & WRITING ? (access & READING ? O_RDWR : O_WRONLY) : O_RDONLY;

        if ((access & WRITING) == FILE_APPEND_DATA)
                flags |= O_APPEND;
        if (options & FILE_WRITE_THROUGH)
                flags |= O_SYNC;
        if (request)
                flags |= request->flags & (O_APPEND | O_DIRECT | O_SYNC | O_DSYNC | O_NOATIME | O_NONBLOCK);
        return flags;
}

static mode_t creation_mode(const struct fm_operation *op, const struct fm_fsd_request *request,
                            bool directory)
{
        if (request && request->mode)
                return request->mode & 07777;
        if (directory)
                return 0755;
        return op->iopb.Parameters.Create.FileAttributes & FILE_ATTRIBUTE_READONLY ? 0444 : 0644;
}

static void fail(struct fm_operation *op, NTSTATUS status)
{
        fm_operation_set_result(op, status, 0);
}

/* Records who opened it, for a CLOSE that nobody asks for. */
static void set_opener(PFILE_OBJECT file, const struct fm_requestor *requestor)
{
        struct fm_file_object *object = fm_file_object(file);

        object->uid = requestor->uid;
        object->gid = requestor->gid;
        if (!object->opener && requestor->thread)
                object->opener = fm_object_ref(requestor->thread);
}

static void finish(struct fm_operation *op, struct fm_fsd_opened *opened, ACCESS_MASK access)
{
        PFILE_OBJECT file = op->iopb.TargetFileObject;
        const ULONG options = op->iopb.Parameters.Create.Options, information = opened->information;
        /* O_TMPFILE's file has no name to delete, and keeps the one that it may be given later. */
        const bool deletes = options & FILE_DELETE_ON_CLOSE && opened->name;

        /* Until the front end gives it to the kernel. */
        if (opened->file)
                opened->file->internal = true;
        fm_fsd_attach(file, opened, access, op->iopb.Parameters.Create.ShareAccess, options);
        set_opener(file, &op->requestor);
        if (deletes) {
                fm_fsd_file(file)->delete_pending = true;
                file->DeletePending = TRUE;
        }
        fm_operation_set_result(op, STATUS_SUCCESS, information);
}

static int open_existing(struct fm_operation *op, const struct fm_caller *caller, struct fm_inode *inode,
                         ACCESS_MASK access, bool truncate, const struct fm_fsd_request *request,
                         struct fm_file **ret)
{
        const ULONG options = op->iopb.Parameters.Create.Options;
        int flags = linux_flags(access, options, request), error;
        struct fm_file *truncated;

        *ret = NULL;
        if (fm_inode_is_directory(inode)) {
                if (!(access & FILE_LIST_DIRECTORY))
                        return 0;
                return fm_backing_open(caller, inode, O_RDONLY | O_DIRECTORY, ret);
        }
        if (!S_ISREG(inode->type))
                return 0;
        if (truncate && !(access & WRITING)) {
                error = fm_backing_open(caller, inode, O_WRONLY | O_TRUNC, &truncated);
                if (error < 0)
                        return error;
                fm_file_free(truncated);
                truncate = false;
        }
        if (!(access & (READING | WRITING)))
                return 0;
        return fm_backing_open(caller, inode, flags | (truncate ? O_TRUNC : 0), ret);
}

/* *created: false if somebody else was faster, and that may be opened too. */
static int make_new(struct fm_operation *op, const struct fm_caller *caller, struct fm_fsd_place *place,
                    ACCESS_MASK access, const struct fm_fsd_request *request, struct fm_file **ret,
                    bool *created)
{
        const ULONG options = op->iopb.Parameters.Create.Options, disposition = options >> 24;
        const bool directory = (options & FILE_DIRECTORY_FILE) != 0;
        const mode_t mode = creation_mode(op, request, directory);
        int flags = linux_flags(access, options, request), error;

        *ret = NULL;
        *created = true;
        if (directory) {
                error = fm_backing_mkdir(caller, place->parent, place->name, mode, &place->inode, NULL);
                if (error == 0 && access & FILE_LIST_DIRECTORY)
                        /* Its maker may list it even if the mode says nobody may. */
                        error = fm_backing_open(NULL, place->inode, O_RDONLY | O_DIRECTORY, ret);
                return error;
        }
        flags |= disposition == FILE_CREATE ? O_EXCL : disposition == FILE_OPEN_IF ? 0 : O_TRUNC;
        error = fm_backing_create(caller, place->parent, place->name, mode, flags, ret, created, NULL);
        if (error == 0)
                place->inode = fm_inode_ref((*ret)->inode);
        return error;
}

/* An inode by its number. Only files that somebody knows at the moment have one that leads to them. */
static NTSTATUS open_by_id(struct fm_operation *op, struct fm_fsd_place *place)
{
        UNICODE_STRING name = op->iopb.TargetFileObject->FileName;
        uint64_t id = 0;

        /* 8 or 16 bytes; with the volume's name in front of it a backslash is left before them. */
        if (name.Length % 8 == sizeof(WCHAR) && name.Buffer[0] == L'\\') {
                name.Buffer++;
                name.Length -= sizeof(WCHAR);
        }
        if (name.Length != 8 && name.Length != 16)
                return STATUS_INVALID_PARAMETER;
        memcpy(&id, name.Buffer, sizeof(id));
        place->inode = fm_inode_ref_by_number(fm_fsd_session(op), id);
        return place->inode ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
}

/* A link or a special file: FSCTL_SET_REPARSE_POINT, which follows, makes it. There is nothing to see before. */
static bool is_reservation(const struct fm_fsd_request *request)
{
        return request && request->mode & S_IFMT && !S_ISREG(request->mode) && !S_ISDIR(request->mode);
}

static void open_place(struct fm_operation *op, struct fm_fsd_place *place, ACCESS_MASK access)
{
        const ULONG options = op->iopb.Parameters.Create.Options, disposition = options >> 24;
        const struct fm_fsd_request *request = op->fsd_request;
        struct fm_fsd_opened opened = {0};
        const struct fm_caller *caller;
        struct fm_caller scratch;
        bool overwrite = disposition == FILE_OVERWRITE || disposition == FILE_OVERWRITE_IF ||
                         disposition == FILE_SUPERSEDE;
        bool created = false;
        int error;

        caller = fm_fsd_caller(op, &scratch);
        if (place->inode) {
                const bool directory = fm_inode_is_directory(place->inode);

                if (disposition == FILE_CREATE)
                        return fail(op, STATUS_OBJECT_NAME_COLLISION);
                if (options & FILE_DIRECTORY_FILE && !directory)
                        return fail(op, STATUS_NOT_A_DIRECTORY);
                if (options & FILE_NON_DIRECTORY_FILE && directory)
                        return fail(op, STATUS_FILE_IS_A_DIRECTORY);
                if (overwrite && directory)
                        return fail(op, STATUS_INVALID_PARAMETER);
                error = open_existing(op, caller, place->inode, access, overwrite, request, &opened.file);
        } else {
                if (disposition == FILE_OPEN || disposition == FILE_OVERWRITE)
                        return fail(op, STATUS_OBJECT_NAME_NOT_FOUND);
                if (is_reservation(request))
                        error = 0;
                else
                        error = make_new(op, caller, place, access, request, &opened.file, &created);
                created |= error == 0 && !place->inode;
        }
        opened.information = created                         ? FILE_CREATED
                             : disposition == FILE_SUPERSEDE ? FILE_SUPERSEDED
                             : overwrite                     ? FILE_OVERWRITTEN
                                                             : FILE_OPENED;
        if (error < 0) {
                fm_file_free(opened.file);
                fm_operation_set_error(op, -error);
                return;
        }
        opened.inode = place->inode;
        opened.parent = place->parent;
        opened.name = place->name;
        *place = (struct fm_fsd_place){0};
        finish(op, &opened, access);
}

/* SL_OPEN_TARGET_DIRECTORY: the directory in which the name is or would be, and whether it is there. */
static void open_target_directory(struct fm_operation *op, struct fm_fsd_place *place, ACCESS_MASK access)
{
        struct fm_fsd_opened opened = {.information = place->inode ? FILE_EXISTS : FILE_DOES_NOT_EXIST};

        if (!place->parent)
                return fail(op, STATUS_OBJECT_NAME_INVALID);
        opened.inode = fm_inode_ref(place->parent);
        finish(op, &opened, access);
}

/* The front end's request counts if nobody changed what it stands for. */
static bool request_holds(const struct fm_operation *op)
{
        const struct fm_fsd_request *request = op->fsd_request;
        PFILE_OBJECT file = op->iopb.TargetFileObject;

        return request && request->open && !file->RelatedFileObject &&
               request->code == op->iopb.Parameters.Create.Options &&
               request->access == op->iopb.Parameters.Create.SecurityContext->DesiredAccess &&
               request->made_length == file->FileName.Length &&
               memcmp(request->made, file->FileName.Buffer, request->made_length) == 0;
}

/* Where a place is, malloc'd; NULL: nobody knows. */
static char *place_path(const struct fm_fsd_place *place)
{
        char *directory, *path = NULL;

        if (!place->parent)
                return fm_inode_path(place->inode);
        directory = fm_inode_path(place->parent);
        if (directory && asprintf(&path, "%s/%s", strcmp(directory, "/") == 0 ? "" : directory, place->name) < 0)
                path = NULL;
        free(directory);
        return path;
}

NTSTATUS fm_fsd_real_path(PFLT_VOLUME volume, struct fm_operation *create, const char *path, char **ret)
{
        struct fm_session *session = volume->fsd_context;
        struct fm_fsd_place place = {0};
        NTSTATUS status;

        if (create && request_holds(create)) {
                /* The kernel has followed the links. */
                *ret = strdup(path);
                return STATUS_SUCCESS;
        }
        if (create && create->iopb.Parameters.Create.Options & FILE_OPEN_BY_FILE_ID)
                status = open_by_id(create, &place);
        else
                status = fm_fsd_walk(session, NULL, session->root, path, false, &place);
        if (NT_SUCCESS(status)) {
                *ret = place_path(&place);
                status = *ret ? STATUS_SUCCESS : STATUS_OBJECT_NAME_NOT_FOUND;
        }
        fm_fsd_place_clear(&place);
        return status;
}

void fm_fsd_create(struct fm_operation *op)
{
        PFILE_OBJECT file = op->iopb.TargetFileObject;
        const ULONG options = op->iopb.Parameters.Create.Options;
        struct fm_fsd_request *request = op->fsd_request;
        struct fm_fsd_place place = {0};
        struct fm_fsd_opened opened = {0};
        ACCESS_MASK access;
        NTSTATUS status;
        int error;

        if (!file || !op->iopb.Parameters.Create.SecurityContext || options >> 24 > FILE_OVERWRITE_IF ||
            (options & FILE_DIRECTORY_FILE && options & FILE_NON_DIRECTORY_FILE))
                return fail(op, STATUS_INVALID_PARAMETER);
        if (fm_fsd_file(file))
                return fail(op, STATUS_INVALID_PARAMETER);
        access = specific_access(op->iopb.Parameters.Create.SecurityContext->DesiredAccess);
        if (request_holds(op)) {
                error = request->open(op, request, &opened);
                if (error < 0)
                        fm_operation_set_error(op, -error);
                else
                        finish(op, &opened, access);
                return;
        }
        if (options & FILE_OPEN_BY_FILE_ID)
                status = open_by_id(op, &place);
        else
                status = fm_fsd_walk_file(op, !(options & FILE_OPEN_REPARSE_POINT), &place);
        if (!NT_SUCCESS(status))
                fail(op, status);
        else if (op->iopb.OperationFlags & SL_OPEN_TARGET_DIRECTORY)
                open_target_directory(op, &place, access);
        else
                open_place(op, &place, access);
        if (fm_fsd_file(file) && file->FileName.Length == 0 && !file->RelatedFileObject)
                fm_file_object_change_flags(file, FO_VOLUME_OPEN, 0);
        fm_fsd_place_clear(&place);
}
