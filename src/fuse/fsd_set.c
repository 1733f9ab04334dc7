/* SPDX-License-Identifier: MIT */
/*
 * IRP_MJ_SET_INFORMATION at the bottom: times, sizes, and what happens to names.
 *
 * Deleting is a mark that the CLEANUP carries out, with POSIX semantics whatever class asked for it: the name
 * goes, other handles work on.
 */
#include "fuse/fsd.h"

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fltmgr/name.h"
#include "fuse/fsd_info.h"
#include "fuse/session.h"
#include "nt/object.h"
#include "nt/status.h"
#include "nt/unicode.h"

static void done(struct fm_operation *op, NTSTATUS status)
{
        fm_operation_set_result(op, status, 0);
}

static void finish(struct fm_operation *op, int error)
{
        if (error < 0)
                fm_operation_set_error(op, -error);
        else
                done(op, STATUS_SUCCESS);
}

static void set_basic(struct fm_operation *op, const FILE_BASIC_INFORMATION *basic)
{
        struct fm_fsd_file *fsd = fm_fsd_file(op->iopb.TargetFileObject);
        struct stat attr = {0}, now;
        struct fm_caller scratch;
        int valid = 0, error;

        /* 0: leave it. -1, -2: leave it too, and about updates that Linux makes by itself. */
        if (basic->LastAccessTime.QuadPart > 0) {
                attr.st_atim = fm_fsd_timespec(basic->LastAccessTime.QuadPart);
                valid |= FUSE_SET_ATTR_ATIME;
        }
        if (basic->LastWriteTime.QuadPart > 0) {
                attr.st_mtim = fm_fsd_timespec(basic->LastWriteTime.QuadPart);
                valid |= FUSE_SET_ATTR_MTIME;
        }
        if (basic->FileAttributes && S_ISREG(fsd->inode->type)) {
                error = fm_backing_getattr(fsd->inode, fsd->file, &now);
                if (error < 0)
                        return finish(op, error);
                if (basic->FileAttributes & FILE_ATTRIBUTE_READONLY)
                        attr.st_mode = now.st_mode & ~0222u;
                else if ((now.st_mode & 0222) == 0)
                        attr.st_mode = now.st_mode | 0200;
                else
                        attr.st_mode = now.st_mode;
                if (attr.st_mode != now.st_mode)
                        valid |= FUSE_SET_ATTR_MODE;
        }
        if (!valid)
                return done(op, STATUS_SUCCESS);
        finish(op,
               fm_backing_setattr(fm_fsd_caller(op, &scratch), fsd->inode, fsd->file, &attr, valid, NULL));
}

static int set_size(struct fm_operation *op, LONGLONG size)
{
        PFILE_OBJECT object = op->iopb.TargetFileObject;
        struct stat attr = {.st_size = size};
        struct fm_caller scratch;
        struct fm_file *file;
        int error = fm_fsd_get_file(object, true, &file);

        if (error == 0)
                error = fm_backing_setattr(fm_fsd_caller(op, &scratch), file->inode, file, &attr,
                                           FUSE_SET_ATTR_SIZE, NULL);
        if (error == 0)
                fm_fsd_mark_written(object);
        return error;
}

static void set_end_of_file(struct fm_operation *op, LONGLONG size)
{
        /* The lazy writer's note about how far valid data goes. */
        if (op->iopb.Parameters.SetFileInformation.AdvanceOnly)
                return done(op, STATUS_SUCCESS);
        if (size < 0)
                return done(op, STATUS_INVALID_PARAMETER);
        finish(op, set_size(op, size));
}

static void set_allocation(struct fm_operation *op, LONGLONG size)
{
        PFILE_OBJECT object = op->iopb.TargetFileObject;
        struct fm_caller scratch;
        struct fm_file *file;
        struct stat st;
        int error;

        if (size < 0)
                return done(op, STATUS_INVALID_PARAMETER);
        error = fm_fsd_get_file(object, true, &file);
        if (error == 0)
                error = fm_backing_getattr(file->inode, file, &st);
        if (error == 0 && size < st.st_size)
                error = set_size(op, size);
        else if (error == 0 && size > 0)
                error = fm_backing_fallocate(fm_fsd_caller(op, &scratch), file, FALLOC_FL_KEEP_SIZE, 0, size);
        /* Where space can't be reserved it is made when it is written: a size was all that was asked for. */
        finish(op, error == -EOPNOTSUPP ? 0 : error);
}

static bool not_a_dot(const struct fm_directory_entry *entry, void *data)
{
        if (strcmp(entry->name, ".") == 0 || strcmp(entry->name, "..") == 0)
                return true;
        *(bool *)data = true;
        return false;
}

static int has_entries(struct fm_inode *inode, bool *ret)
{
        struct fm_file *directory;
        int error = fm_backing_open(NULL, inode, O_RDONLY | O_DIRECTORY, &directory);

        *ret = false;
        if (error < 0)
                return error;
        error = fm_backing_readdir(directory, 0, not_a_dot, ret);
        fm_file_free(directory);
        return error;
}

/*
 * A deletion that is sure to fail is tried at once: that it fails is what filters must see here (a cleanup
 * can't), and the attempt says why as the backing file system would.
 */
static int try_hopeless_deletion(PFILE_OBJECT file, const struct fm_caller *caller)
{
        struct fm_fsd_file *fsd = fm_fsd_file(file);
        struct fm_inode *parent;
        bool hopeless = false;
        char *name;
        int error;

        error = fm_fsd_get_link(file, &parent, &name);
        /* A file without a name has nothing to delete. */
        if (error < 0)
                return 0;
        if (fm_backing_access(caller, parent, W_OK | X_OK) < 0)
                hopeless = true;
        else if (fm_inode_is_directory(fsd->inode) && has_entries(fsd->inode, &hopeless) < 0)
                hopeless = false;
        fm_inode_unref(parent);
        free(name);
        return hopeless ? fm_fsd_delete_name(caller, file) : 0;
}

void fm_fsd_set_disposition(struct fm_operation *op, bool delete, bool ignore_read_only)
{
        PFILE_OBJECT file = op->iopb.TargetFileObject;
        struct fm_fsd_file *fsd = fm_fsd_file(file);
        struct fm_caller scratch;
        struct stat st;
        int error = 0;

        if (delete) {
                if (fsd->inode == fm_fsd_session(op)->root)
                        return done(op, STATUS_CANNOT_DELETE);
                if (!ignore_read_only && fm_backing_getattr(fsd->inode, fsd->file, &st) == 0 &&
                    S_ISREG(st.st_mode) && (st.st_mode & 0222) == 0)
                        return done(op, STATUS_CANNOT_DELETE);
                error = try_hopeless_deletion(file, fm_fsd_caller(op, &scratch));
        }
        if (error < 0)
                return finish(op, error);
        fsd->delete_pending = delete && !fsd->deleted;
        file->DeletePending = fsd->delete_pending;
        done(op, STATUS_SUCCESS);
}

/* Directory that a relative target name starts from: a reference, or NULL. */
static struct fm_inode *target_start(struct fm_operation *op, HANDLE root)
{
        PFILE_OBJECT parent = op->iopb.Parameters.SetFileInformation.ParentOfTarget, object;
        struct fm_inode *start = NULL;
        char *name;

        if (root) {
                if (!NT_SUCCESS(fm_handle_ref(root, *IoFileObjectType, (void **)&object)))
                        return NULL;
                if (fm_file_object(object)->volume == op->volume && fm_fsd_file(object))
                        start = fm_fsd_file(object)->inode ? fm_inode_ref(fm_fsd_file(object)->inode) : NULL;
                fm_object_unref(object);
                return start;
        }
        if (parent && fm_fsd_file(parent))
                return fm_fsd_file(parent)->inode ? fm_inode_ref(fm_fsd_file(parent)->inode) : NULL;
        if (fm_fsd_get_link(op->iopb.TargetFileObject, &start, &name) < 0)
                return NULL;
        free(name);
        return start;
}

static NTSTATUS find_target(struct fm_operation *op, HANDLE root, const WCHAR *chars, ULONG bytes,
                            struct fm_fsd_place *place)
{
        UNICODE_STRING name = {
                .Buffer = (WCHAR *)chars, .Length = (USHORT)bytes, .MaximumLength = (USHORT)bytes};
        struct fm_session *session = fm_fsd_session(op);
        struct fm_caller scratch;
        struct fm_inode *start;
        NTSTATUS status;
        char *path;

        if (bytes == 0 || bytes > UNICODE_STRING_MAX_BYTES || bytes % sizeof(WCHAR))
                return STATUS_OBJECT_NAME_INVALID;
        /* "\Device\HarddiskVolume1\a" and "\??\C:\a" are "\a" here. */
        fm_volume_skip_name(op->volume, &name);
        if (!name.Length)
                return STATUS_OBJECT_NAME_INVALID;
        start = name.Buffer[0] == L'\\' ? fm_inode_ref(session->root) : target_start(op, root);
        path = fm_name_from_unicode_string(&name);
        if (!start || !path)
                status = start ? STATUS_OBJECT_NAME_INVALID : STATUS_INVALID_PARAMETER;
        else
                status = fm_fsd_walk(session, fm_fsd_caller(op, &scratch), start, path, false, place);
        fm_inode_unref(start);
        free(path);
        if (NT_SUCCESS(status) && !place->parent) {
                fm_fsd_place_clear(place);
                return STATUS_OBJECT_NAME_INVALID;
        }
        return status;
}

/* The checked fixed part and name of a rename or link buffer, which have one layout. */
static bool parse_names(const void *buffer, ULONG length, const FILE_RENAME_INFORMATION **ret)
{
        const FILE_RENAME_INFORMATION *rename = buffer;

        if (length < offsetof(FILE_RENAME_INFORMATION, FileName) ||
            rename->FileNameLength > length - offsetof(FILE_RENAME_INFORMATION, FileName))
                return false;
        *ret = rename;
        return true;
}

static void set_rename(struct fm_operation *op, const FILE_RENAME_INFORMATION *rename, bool replace)
{
        PFILE_OBJECT file = op->iopb.TargetFileObject;
        struct fm_fsd_file *fsd = fm_fsd_file(file);
        struct fm_fsd_place place = {0};
        struct fm_inode *parent;
        struct fm_caller scratch;
        NTSTATUS status;
        char *name;
        int error;

        status = find_target(op, rename->RootDirectory, rename->FileName, rename->FileNameLength, &place);
        if (!NT_SUCCESS(status))
                return done(op, status);
        error = fm_fsd_get_link(file, &parent, &name);
        if (error == 0) {
                error = fm_backing_rename(fm_fsd_caller(op, &scratch), parent, name, place.parent, place.name,
                                          replace ? 0 : RENAME_NOREPLACE);
                fm_inode_unref(parent);
                free(name);
        }
        if (error == 0) {
                /* The new name is the one that a deletion through this file object means. */
                pthread_mutex_lock(&fsd->lock);
                parent = fsd->parent;
                name = fsd->name;
                fsd->parent = place.parent;
                fsd->name = place.name;
                pthread_mutex_unlock(&fsd->lock);
                place.parent = parent;
                place.name = name;
        }
        fm_fsd_place_clear(&place);
        finish(op, error);
}

static void set_link(struct fm_operation *op, const FILE_RENAME_INFORMATION *link, bool replace)
{
        PFILE_OBJECT file = op->iopb.TargetFileObject;
        struct fm_fsd_file *fsd = fm_fsd_file(file);
        struct fm_inode *linked = NULL;
        struct fm_fsd_place place;
        const struct fm_caller *caller;
        struct fm_caller scratch;
        NTSTATUS status;
        int error;

        status = find_target(op, link->RootDirectory, link->FileName, link->FileNameLength, &place);
        if (!NT_SUCCESS(status))
                return done(op, status);
        caller = fm_fsd_caller(op, &scratch);
        error = fm_backing_link(caller, fsd->inode, place.parent, place.name, &linked, NULL);
        if (error == -EEXIST && replace && place.inode != fsd->inode) {
                error = fm_backing_unlink(caller, place.parent, place.name);
                if (error == 0)
                        error = fm_backing_link(caller, fsd->inode, place.parent, place.name, &linked, NULL);
        }
        fm_inode_unref(linked);
        fm_fsd_place_clear(&place);
        finish(op, error);
}

static ULONG minimum_length(int class)
{
        switch (class) {
        case FileBasicInformation:
                return sizeof(FILE_BASIC_INFORMATION);
        case FileDispositionInformation:
                return sizeof(FILE_DISPOSITION_INFORMATION);
        case FileDispositionInformationEx:
        case FileModeInformation:
                return sizeof(ULONG);
        case FileEndOfFileInformation:
        case FileAllocationInformation:
        case FileValidDataLengthInformation:
        case FilePositionInformation:
                return sizeof(LARGE_INTEGER);
        case FileRenameInformation:
        case FileRenameInformationEx:
        case FileLinkInformation:
        case FileLinkInformationEx:
                return offsetof(FILE_RENAME_INFORMATION, FileName);
        default:
                return 0;
        }
}

void fm_fsd_set_information(struct fm_operation *op)
{
        PFILE_OBJECT file = op->iopb.TargetFileObject;
        struct fm_fsd_file *fsd = fm_fsd_file(file);
        const int class = (int)op->iopb.Parameters.SetFileInformation.FileInformationClass;
        const void *buffer = op->iopb.Parameters.SetFileInformation.InfoBuffer;
        const ULONG length = op->iopb.Parameters.SetFileInformation.Length;
        const FILE_RENAME_INFORMATION *names;
        ULONG flags;

        if (minimum_length(class) == 0)
                return done(op, STATUS_INVALID_INFO_CLASS);
        if (!buffer || length < minimum_length(class))
                return done(op, STATUS_INFO_LENGTH_MISMATCH);
        if (fm_fsd_perform(op, (ULONG) class, buffer, length))
                return;
        if (!fsd->inode)
                return done(op, STATUS_INVALID_PARAMETER);
        switch (class) {
        case FileBasicInformation:
                return set_basic(op, buffer);
        case FileEndOfFileInformation:
                return set_end_of_file(op, ((const LARGE_INTEGER *)buffer)->QuadPart);
        case FileAllocationInformation:
                return set_allocation(op, ((const LARGE_INTEGER *)buffer)->QuadPart);
        case FileValidDataLengthInformation:
                /* Linux has no data beyond what was written: nothing to declare. */
                return done(op, STATUS_SUCCESS);
        case FilePositionInformation:
                if (((const LARGE_INTEGER *)buffer)->QuadPart < 0)
                        return done(op, STATUS_INVALID_PARAMETER);
                file->CurrentByteOffset = *(const LARGE_INTEGER *)buffer;
                return done(op, STATUS_SUCCESS);
        case FileModeInformation:
                flags = FILE_WRITE_THROUGH | FILE_SEQUENTIAL_ONLY;
                fsd->options = (fsd->options & ~flags) | (*(const ULONG *)buffer & flags);
                return done(op, STATUS_SUCCESS);
        case FileDispositionInformation:
                return fm_fsd_set_disposition(op, ((const FILE_DISPOSITION_INFORMATION *)buffer)->DeleteFile, false);
        case FileDispositionInformationEx:
                flags = *(const ULONG *)buffer;
                return fm_fsd_set_disposition(op, flags & FILE_DISPOSITION_DELETE,
                                              flags & FILE_DISPOSITION_IGNORE_READONLY_ATTRIBUTE);
        default:
                break;
        }
        if (!parse_names(buffer, length, &names))
                return done(op, STATUS_INVALID_PARAMETER);
        /* The classic classes have a BOOLEAN where the newer ones have flags; bit 0 means the same. */
        flags = class == FileRenameInformation || class == FileLinkInformation ? names->ReplaceIfExists
                                                                               : *(const ULONG *)buffer;
        if (class == FileRenameInformation || class == FileRenameInformationEx)
                set_rename(op, names, flags & FILE_RENAME_REPLACE_IF_EXISTS);
        else
                set_link(op, names, flags & FILE_RENAME_REPLACE_IF_EXISTS);
}
