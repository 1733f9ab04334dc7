/* SPDX-License-Identifier: MIT */
/*
 * Opening and closing: open, create, tmpfile, opendir, flush, release.
 *
 * An open answers from its completion, on whatever thread that is: a filter that pends it holds no worker.
 * When the caller has gone by then, the open is undone (CLEANUP, CLOSE), and nothing else knows of it.
 *
 * IRP_MJ_CLEANUP comes with close(2), in the closer's name, if something was written since the last; what was
 * never written, or written after the last close (a mapping), is cleaned up at the release. IRP_MJ_CLOSE is
 * the release.
 */
#include "fuse/slow_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/session.h"
#include "nt/object.h"
#include "nt/process.h"

enum open_kind {
        OPEN_FILE,
        OPEN_NEW,       /* open or create by name */
        OPEN_TEMPORARY, /* O_TMPFILE */
        OPEN_DIRECTORY,
};

struct opening {
        struct fm_slow slow;
        enum open_kind kind;
        struct fm_fsd_request request;
        struct fm_operation *op;
        PFILE_OBJECT file;
        struct fuse_file_info fi;
        struct fm_inode *inode; /* what is opened, or the directory in which it is made; slow holds it */
        char *name;
        mode_t mode;
        struct stat attr;
        bool has_attr;
};

static void opening_free(struct opening *opening)
{
        free(opening->name);
        g_free((void *)opening->request.made);
        fm_object_unref(opening->file);
        fm_slow_end(&opening->slow);
        g_free(opening);
}

/* What open(2) does, as the caller said it. */
static int open_as_asked(struct fm_operation *op, struct fm_fsd_request *request,
                         struct fm_fsd_opened *opened)
{
        struct opening *opening = CONTAINING_RECORD(request, struct opening, request);
        const int flags = opening->fi.flags;
        const struct fm_caller *caller;
        struct fm_caller scratch;
        bool created = false;
        int error;

        caller = fm_fsd_caller(op, &scratch);
        switch (opening->kind) {
        case OPEN_NEW:
                error = fm_backing_create(caller, opening->inode, opening->name, opening->mode, flags,
                                          &opened->file, &created, &opening->attr);
                opening->has_attr = error == 0;
                break;
        case OPEN_TEMPORARY:
                error = fm_backing_tmpfile(caller, opening->inode, opening->mode, flags, &opened->file,
                                           &opening->attr);
                opening->has_attr = created = error == 0;
                break;
        case OPEN_DIRECTORY:
                error = fm_backing_open(caller, opening->inode, (flags & ~O_ACCMODE) | O_RDONLY | O_DIRECTORY,
                                        &opened->file);
                break;
        default:
                error = fm_backing_open(caller, opening->inode, flags, &opened->file);
                break;
        }
        if (error < 0)
                return error;
        opened->inode = fm_inode_ref(opened->file->inode);
        if (opening->kind == OPEN_NEW) {
                opened->parent = fm_inode_ref(opening->inode);
                opened->name = strdup(opening->name);
        }
        opened->information = created ? FILE_CREATED : flags & O_TRUNC ? FILE_OVERWRITTEN : FILE_OPENED;
        return 0;
}

static bool answer(struct opening *opening, struct fm_file *file)
{
        if (opening->kind == OPEN_FILE || opening->kind == OPEN_DIRECTORY)
                return fm_request_reply_open(opening->slow.request, file, NULL, &opening->fi);
        /* A filter may have led the open to another file than the one that was made or found. */
        if (!opening->has_attr || opening->attr.st_ino != file->inode->public_ino)
                fm_backing_getattr(file->inode, file, &opening->attr);
        return fm_request_reply_create(opening->slow.request, file, &opening->attr, &opening->fi);
}

static void opened(struct fm_operation *op, void *context)
{
        struct opening *opening = context;
        PFILE_OBJECT object = opening->file;
        struct fm_file *file = fm_fsd_own_file(object);
        int error = fm_slow_errno(op);

        fm_operation_free(op);
        /* A filter may say that it is open when nothing is. */
        if (error == 0 && !file)
                error = EIO;
        if (error) {
                fm_request_reply_error(opening->slow.request, error);
                opening_free(opening);
                return;
        }
        fm_file_object_change_flags(object, FO_HANDLE_CREATED, 0);
        /* The handle's own reference: a release may follow before the answering function has returned. */
        fm_object_ref(object);
        atomic_store(&file->file_object, object);
        file->internal = false;
        if (!answer(opening, file)) {
                fm_file_object_cleanup(object, &opening->slow.requestor);
                fm_object_unref(object);
        }
        opening_free(opening);
}

static void start(struct opening *opening, const struct fm_slow_create *create)
{
        opening->op = fm_slow_create_new(&opening->slow, opening->file, create, &opening->request);
        fm_operation_submit(opening->op, opened, opening);
}

static struct opening *opening_new(fuse_req_t req, enum open_kind kind, struct fm_inode *inode,
                                   const char *name, mode_t mode, const struct fuse_file_info *fi)
{
        struct opening *opening = g_new0(struct opening, 1);

        fm_slow_begin(&opening->slow, req, inode, NULL);
        opening->kind = kind;
        opening->inode = inode;
        opening->name = name ? strdup(name) : NULL;
        opening->mode = mode;
        opening->fi = *fi;
        return opening;
}

static void fail(struct opening *opening, int error)
{
        fm_request_reply_error(opening->slow.request, error);
        opening_free(opening);
}

void fm_slow_open(fuse_req_t req, struct fm_inode *inode, struct fuse_file_info *fi)
{
        struct opening *opening = opening_new(req, OPEN_FILE, inode, NULL, 0, fi);
        const struct fm_slow_create create = {
                .access = fm_slow_access(fi->flags),
                .disposition = fi->flags & O_TRUNC ? FILE_OVERWRITE : FILE_OPEN,
                .options = fm_slow_options(fi->flags),
                .open_flags = fi->flags,
                .open = open_as_asked,
        };
        int error = fm_slow_barrier_wait(&opening->slow, inode);

        if (error)
                return fail(opening, error);
        opening->file = fm_slow_file_new(&opening->slow, inode, NULL, NULL);
        start(opening, &create);
}

void fm_slow_create(fuse_req_t req, struct fm_inode *parent, const char *name, mode_t mode,
                    struct fuse_file_info *fi)
{
        struct opening *opening = opening_new(req, OPEN_NEW, parent, name, mode, fi);
        const struct fm_slow_create create = {
                .access = fm_slow_access(fi->flags),
                .disposition = fi->flags & O_EXCL    ? FILE_CREATE
                               : fi->flags & O_TRUNC ? FILE_OVERWRITE_IF
                                                     : FILE_OPEN_IF,
                .options = fm_slow_options(fi->flags),
                .attributes = mode & 0222 ? FILE_ATTRIBUTE_NORMAL : FILE_ATTRIBUTE_READONLY,
                .mode = mode,
                .open_flags = fi->flags,
                .open = open_as_asked,
        };
        int error = fm_slow_barrier_wait_name(&opening->slow, parent, name);

        if (error)
                return fail(opening, error);
        opening->file = fm_slow_file_new(&opening->slow, NULL, parent, name);
        start(opening, &create);
}

void fm_slow_tmpfile(fuse_req_t req, struct fm_inode *parent, mode_t mode, struct fuse_file_info *fi)
{
        static _Atomic uint64_t counter;
        struct opening *opening = opening_new(req, OPEN_TEMPORARY, parent, NULL, mode, fi);
        const struct fm_slow_create create = {
                .access = fm_slow_access(fi->flags) | DELETE,
                .disposition = FILE_CREATE,
                .options = fm_slow_options(fi->flags & ~O_TMPFILE) | FILE_DELETE_ON_CLOSE,
                .attributes = FILE_ATTRIBUTE_TEMPORARY,
                .mode = mode,
                .open_flags = fi->flags,
                .open = open_as_asked,
        };
        char name[48];

        /* Windows knows no file without a name; this one is shown to filters and exists nowhere. */
        g_snprintf(name, sizeof(name), ".tmpfile-%" PRIu64, atomic_fetch_add(&counter, 1) + 1);
        opening->file = fm_slow_file_new(&opening->slow, NULL, parent, name);
        start(opening, &create);
}

void fm_slow_opendir(fuse_req_t req, struct fm_inode *inode, struct fuse_file_info *fi)
{
        struct opening *opening = opening_new(req, OPEN_DIRECTORY, inode, NULL, 0, fi);
        const struct fm_slow_create create = {
                .access = FILE_LIST_DIRECTORY | SYNCHRONIZE,
                .disposition = FILE_OPEN,
                .options = fm_slow_options(fi->flags | O_DIRECTORY),
                .open_flags = O_RDONLY,
                .open = open_as_asked,
        };

        opening->file = fm_slow_file_new(&opening->slow, inode, NULL, NULL);
        start(opening, &create);
}

/*
 * The handle's cleanup if it is owed. After writes the next open waits until it is over: that is how a
 * verdict taken here is seen by whoever comes next. closer: his close(2), NULL if nobody waits for it.
 */
static void cleanup(PFILE_OBJECT object, struct fm_file *file, const struct fm_requestor *requestor,
                    struct fm_request *closer)
{
        struct fm_inode *inode = NULL;

        /* Also what was written without an IRP, when no filter wanted to see writes. */
        if (atomic_load(&file->written)) {
                inode = fm_inode_ref(file->inode);
                fm_slow_barrier_enter(inode);
                /*
                 * Who exits can't be killed any more, and a filter that asks for the program of who execs waits for him.
                 * Both are let go before there is anything to wait for.
                 */
                if (closer && fm_thread_is_leaving(closer->caller.tid))
                        fm_request_reply_error(closer, 0);
        }
        fm_slow_cleanup_begin(file);
        if (atomic_exchange(&file->written, false))
                fm_file_object(object)->cleaned = false;
        fm_file_object_cleanup(object, requestor);
        if (inode) {
                fm_slow_barrier_leave(inode);
                fm_inode_unref(inode);
        }
        fm_slow_cleanup_end(file);
}

void fm_slow_flush(fuse_req_t req, struct fm_file *file, struct fuse_file_info *fi)
{
        struct fm_slow slow;
        int error;

        fm_slow_begin_file(&slow, req, file);
        error = fm_backing_flush(file, fi->lock_owner);
        if (slow.session->options.cleanup_each_flush)
                atomic_store(&file->written, true);
        if (atomic_load(&file->written))
                cleanup(slow.object, file, &slow.requestor, slow.request);
        /* A cleanup can't fail: close(2) says what the backing file's would have said. */
        fm_request_reply_error(slow.request, -error);
        fm_slow_end(&slow);
}

void fm_slow_release(fuse_req_t req, struct fm_file *file, struct fuse_file_info *fi)
{
        struct fm_requestor opener;
        struct fm_slow slow;
        PFILE_OBJECT object;

        (void)fi;
        fm_slow_begin_file(&slow, req, file);
        object = slow.object;
        /*
         * Nobody waits for a release, and the kernel has few at a time under way: a filter that takes long
         * over it must not hold up the others.
         */
        fm_request_reply_error(slow.request, 0);
        /* FUSE does not say who closed the last handle: the opener stands in. */
        opener = (struct fm_requestor){
                .thread = fm_file_object(object)->opener ? fm_file_object(object)->opener
                                                         : slow.requestor.thread,
                .uid = fm_file_object(object)->uid,
                .gid = fm_file_object(object)->gid,
        };
        cleanup(object, file, &opener, NULL);
        fm_object_unref(object);
        fm_slow_end(&slow);
}

void fm_slow_abandon(struct fm_file *file)
{
        PFILE_OBJECT object = atomic_load(&file->file_object);

        cleanup(object, file, NULL, NULL);
        fm_object_unref(object);
}

void fm_slow_releasedir(fuse_req_t req, struct fm_file *file)
{
        fm_slow_release(req, file, NULL);
}
