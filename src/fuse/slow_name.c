/* SPDX-License-Identifier: MIT */
/*
 * Names that go: unlink, rmdir, rename; and link, which needs the same directory of the target.
 *
 * A deletion is made by the CLEANUP, which can't fail; what went wrong there is the caller's errno all the
 * same.
 */
#include "fuse/slow_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/session.h"
#include "nt/object.h"
#include "nt/unicode.h"

/* CLEANUP and CLOSE of a file object that may have a deletion to carry out: its errno. */
static int close_and_delete(struct fm_slow *slow, PFILE_OBJECT file)
{
        struct fm_fsd_file *fsd = fm_fsd_file(file);
        int error;

        fm_file_object_cleanup(file, &slow->requestor);
        error = fsd->delete_error;
        fm_slow_transient_close(slow, file);
        return error;
}

/* unlink(2) asks nobody about a file's own write permission: the classic class can't say so, but means it here too. */
static int classic_disposition(struct fm_operation *op, struct fm_fsd_request *request, ULONG_PTR *information)
{
        (void)request;
        (void)information;
        fm_fsd_set_disposition(op, true, true);
        return FM_FSD_ANSWERED;
}

static int set_disposition(struct fm_slow *slow, PFILE_OBJECT file)
{
        const ULONG flags = FILE_DISPOSITION_DELETE | FILE_DISPOSITION_POSIX_SEMANTICS |
                            FILE_DISPOSITION_IGNORE_READONLY_ATTRIBUTE;
        const FILE_DISPOSITION_INFORMATION classic = {.DeleteFile = TRUE};
        struct fm_fsd_request request = {.perform = classic_disposition};

        if (slow->session->options.classic_unlink)
                return fm_slow_set_information(slow, file, FileDispositionInformation, &classic, sizeof(classic), NULL,
                                               &request);
        return fm_slow_set_information(slow, file, FileDispositionInformationEx, &flags, sizeof(flags), NULL, NULL);
}

static void delete_name(fuse_req_t req, struct fm_inode *parent, const char *name, bool directory)
{
        struct fm_slow_open_inode what = {.parent = parent, .name = name};
        PFILE_OBJECT file = NULL;
        struct fm_slow slow;
        int error, late;

        fm_slow_begin(&slow, req, parent, NULL);
        error = fm_slow_find(&slow, parent, name, &what.inode, NULL);
        if (!error)
                error = fm_slow_barrier_wait(&slow, what.inode);
        if (!error)
                error = fm_slow_open_inode(
                        &slow, DELETE,
                        FILE_OPEN_REPARSE_POINT | (directory ? FILE_DIRECTORY_FILE : FILE_NON_DIRECTORY_FILE),
                        &what, &file);
        if (!error)
                error = set_disposition(&slow, file);
        if (file) {
                late = close_and_delete(&slow, file);
                error = error ? error : late;
        }
        fm_request_reply_error(slow.request, error);
        fm_inode_unref(what.inode);
        fm_slow_end(&slow);
}

void fm_slow_unlink(fuse_req_t req, struct fm_inode *parent, const char *name)
{
        delete_name(req, parent, name, false);
}

void fm_slow_rmdir(fuse_req_t req, struct fm_inode *parent, const char *name)
{
        delete_name(req, parent, name, true);
}

/* ---- the target of a rename or link ---- */

struct target {
        struct fm_fsd_request request;
        struct fm_inode *parent;
        bool exists;
};

static int open_target_directory(struct fm_operation *op, struct fm_fsd_request *request,
                                 struct fm_fsd_opened *opened)
{
        struct target *target = CONTAINING_RECORD(request, struct target, request);

        (void)op;
        opened->inode = fm_inode_ref(target->parent);
        opened->information = target->exists ? FILE_EXISTS : FILE_DOES_NOT_EXIST;
        return 0;
}

static int open_target(struct fm_slow *slow, struct fm_inode *parent, const char *name, bool directory,
                       PFILE_OBJECT *ret)
{
        struct target target = {.parent = parent};
        const struct fm_slow_create create = {
                .access = (directory ? FILE_ADD_SUBDIRECTORY : FILE_ADD_FILE) | SYNCHRONIZE,
                .disposition = FILE_OPEN,
                .options = FILE_OPEN_FOR_BACKUP_INTENT,
                .flags = SL_OPEN_TARGET_DIRECTORY,
                .open = open_target_directory,
        };
        struct stat st = {0};

        fm_inode_unref(fm_inode_peek(parent, name, &st));
        target.exists = st.st_nlink > 0;
        return fm_slow_transient_open(slow, &create, NULL, parent, name, &target.request, ret);
}

/*
 * FILE_RENAME_INFORMATION, which FILE_LINK_INFORMATION looks like: the target by its full name, as the I/O
 * manager builds it. g_free() it.
 */
static void *build_target(struct fm_slow *slow, ULONG flags, struct fm_inode *parent, const char *name,
                          ULONG *ret_length)
{
        const UNICODE_STRING *volume = &slow->volume->Name;
        char *directory = fm_inode_shown_path(parent);
        g_autofree char *path =
                g_strdup_printf("%s/%s", directory && strcmp(directory, "/") != 0 ? directory : "", name);
        const size_t length = strlen(path);
        const size_t header = offsetof(FILE_RENAME_INFORMATION, FileName);
        FILE_RENAME_INFORMATION *rename =
                g_malloc0(sizeof(*rename) + volume->Length + length * sizeof(WCHAR));
        size_t chars;

        free(directory);
        memcpy(rename->FileName, volume->Buffer, volume->Length);
        chars = fm_name_to_utf16(path, length, rename->FileName + volume->Length / sizeof(WCHAR), length);
        rename->FileNameLength = (ULONG)(volume->Length + chars * sizeof(WCHAR));
        *(ULONG *)rename = flags;
        *ret_length = (ULONG)MAX(header + rename->FileNameLength, sizeof(*rename));
        return rename;
}

/* ---- rename ---- */

struct renaming {
        struct fm_fsd_request request;
        struct fm_inode *parent, *new_parent;
        const char *name, *new_name;
        unsigned flags;
        bool nothing; /* the other half of an exchange does it */
};

static int do_rename(struct fm_operation *op, struct fm_fsd_request *request, ULONG_PTR *information)
{
        struct renaming *renaming = CONTAINING_RECORD(request, struct renaming, request);
        struct fm_caller scratch;

        (void)information;
        if (renaming->nothing)
                return 0;
        return fm_backing_rename(fm_fsd_caller(op, &scratch), renaming->parent, renaming->name,
                                 renaming->new_parent, renaming->new_name, renaming->flags);
}

/* One file's way to its new name: its open, the target directory's, and the rename. */
static int rename_one(struct fm_slow *slow, struct renaming *renaming, struct fm_inode *inode,
                      struct fm_inode *from, const char *name, struct fm_inode *to, const char *new_name)
{
        const bool directory = fm_inode_is_directory(inode);
        struct fm_slow_open_inode what = {.inode = inode, .parent = from, .name = name};
        /* FILE_RENAME_REPLACE_IF_EXISTS, FILE_RENAME_POSIX_SEMANTICS, FILE_RENAME_IGNORE_READONLY_ATTRIBUTE
         */
        const ULONG flags = (renaming->flags & RENAME_NOREPLACE ? 0 : FILE_RENAME_REPLACE_IF_EXISTS) |
                            FILE_RENAME_POSIX_SEMANTICS | FILE_RENAME_IGNORE_READONLY_ATTRIBUTE;
        PFILE_OBJECT file = NULL, target = NULL;
        void *buffer;
        ULONG length;
        int error;

        error = fm_slow_open_inode(slow, DELETE,
                                   FILE_OPEN_REPARSE_POINT | (directory ? FILE_OPEN_FOR_BACKUP_INTENT : 0),
                                   &what, &file);
        if (error)
                return error;
        error = open_target(slow, to, new_name, directory, &target);
        if (!error) {
                buffer = build_target(slow, flags, to, new_name, &length);
                /* What a filter shows here is somewhere else in the backing directory: the file object knows where. */
                error = fm_slow_set_information(slow, file, FileRenameInformationEx, buffer, length, target,
                                                atomic_load(&inode->is_shown) ? NULL : &renaming->request);
                g_free(buffer);
        }
        fm_slow_transient_close(slow, target);
        fm_slow_transient_close(slow, file);
        return error;
}

void fm_slow_rename(fuse_req_t req, struct fm_inode *parent, const char *name, struct fm_inode *new_parent,
                    const char *new_name, unsigned flags)
{
        struct renaming renaming = {
                .request.perform = do_rename,
                .parent = parent,
                .name = name,
                .new_parent = new_parent,
                .new_name = new_name,
                .flags = flags,
        };
        struct fm_inode *inode = NULL, *other = NULL;
        struct fm_slow slow;
        int error;

        fm_slow_begin(&slow, req, parent, new_parent);
        /* There is no IRP for what takes the old name's place, and nothing comes unseen. */
        error = flags & RENAME_WHITEOUT ? EINVAL : fm_slow_find(&slow, parent, name, &inode, NULL);
        if (!error)
                error = fm_slow_barrier_wait(&slow, inode);
        if (!error)
                error = fm_slow_barrier_wait_name(&slow, new_parent, new_name);
        if (!error && flags & RENAME_EXCHANGE) {
                /*
                 * Two renames to Windows. The first is only asked for; the second does both, so that a filter
                 * that refuses either refuses all.
                 */
                error = -fm_inode_lookup(new_parent, new_name, &other, NULL);
                renaming.nothing = true;
                if (!error)
                        error = rename_one(&slow, &renaming, other, new_parent, new_name, parent, name);
                renaming.nothing = false;
        }
        if (!error)
                error = rename_one(&slow, &renaming, inode, parent, name, new_parent, new_name);
        fm_request_reply_error(slow.request, error);
        fm_inode_unref(inode);
        fm_inode_unref(other);
        fm_slow_end(&slow);
}

/* ---- link ---- */

struct linking {
        struct fm_fsd_request request;
        struct fm_inode *inode, *parent;
        const char *name;
        struct fm_inode *linked; /* reference */
        struct stat attr;
};

static int do_link(struct fm_operation *op, struct fm_fsd_request *request, ULONG_PTR *information)
{
        struct linking *linking = CONTAINING_RECORD(request, struct linking, request);
        struct fm_caller scratch;

        (void)information;
        return fm_backing_link(fm_fsd_caller(op, &scratch), linking->inode, linking->parent, linking->name,
                               &linking->linked, &linking->attr);
}

void fm_slow_link(fuse_req_t req, struct fm_inode *inode, struct fm_inode *parent, const char *name)
{
        struct linking linking = {.request.perform = do_link, .inode = inode, .parent = parent, .name = name};
        struct fm_slow_open_inode what = {.inode = inode};
        const ULONG keep = FILE_DISPOSITION_DO_NOT_DELETE;
        PFILE_OBJECT file = NULL, target = NULL;
        struct stat st = {.st_nlink = 1};
        struct fm_slow slow;
        void *buffer;
        ULONG length;
        int error;

        fm_slow_begin(&slow, req, inode, parent);
        fm_backing_getattr(inode, NULL, &st);
        error = fm_slow_open_inode(&slow, FILE_WRITE_ATTRIBUTES | (st.st_nlink ? 0 : DELETE), FILE_OPEN_REPARSE_POINT,
                                   &what, &file);
        /* What was opened to be deleted at its close, O_TMPFILE, is to stay. */
        if (!error && st.st_nlink == 0)
                error = fm_slow_set_information(&slow, file, FileDispositionInformationEx, &keep, sizeof(keep), NULL,
                                                NULL);
        if (!error)
                error = open_target(&slow, parent, name, false, &target);
        if (!error) {
                buffer = build_target(&slow, 0, parent, name, &length);
                error = fm_slow_set_information(&slow, file, FileLinkInformation, buffer, length, target,
                                                &linking.request);
                g_free(buffer);
        }
        fm_slow_transient_close(&slow, target);
        fm_slow_transient_close(&slow, file);
        /* A filter may have linked it itself, or somewhere else. */
        if (!error && !linking.linked)
                error = -fm_inode_lookup(parent, name, &linking.linked, &linking.attr);
        if (error)
                fm_request_reply_error(slow.request, error);
        else
                fm_request_reply_entry(slow.request, linking.linked, &linking.attr);
        fm_slow_end(&slow);
}
