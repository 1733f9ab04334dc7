/* SPDX-License-Identifier: MIT */
/* FUSE requests about directories. */
#include <errno.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/operations.h"

void fm_op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
        struct fm_inode *inode = fm_op_inode(req, ino);
        struct fm_caller caller;
        struct fm_file *file;
        int r;

        if (fm_session_wants(inode->session, FM_MAJOR(CREATE))) {
                fm_slow_opendir(req, inode, fi);
                return;
        }
        fm_request_get_caller(req, &caller);
        r = fm_backing_open(&caller, inode, (fi->flags & ~O_ACCMODE) | O_RDONLY, &file);
        if (r < 0) {
                fm_op_reply(req, r);
                return;
        }
        fm_caching_fill(file, NULL, fi);
        if (fuse_reply_open(req, fi) < 0)
                fm_file_free(file);
}

struct listing {
        struct fm_inode *parent;
        char *buffer;
        size_t size, used;
        bool plus;
        GPtrArray *inodes; /* references given to the kernel with the answer */
};

static bool add_entry(const struct fm_directory_entry *entry, void *data)
{
        struct listing *listing = data;
        struct fm_inode *inode = NULL;
        struct stat st;
        size_t n;

        if (listing->plus && strcmp(entry->name, ".") != 0 && strcmp(entry->name, "..") != 0 &&
            fm_inode_lookup(listing->parent, entry->name, &inode, &st) < 0)
                inode = NULL;
        n = fm_add_entry(listing->buffer + listing->used, listing->size - listing->used, listing->plus, entry, inode,
                         &st);
        if (n == 0) {
                fm_inode_unref(inode);
                return false;
        }
        if (inode)
                g_ptr_array_add(listing->inodes, inode);
        listing->used += n;
        return true;
}

static void read_directory(fuse_req_t req, size_t size, off_t offset, struct fm_file *file, bool plus)
{
        struct listing listing = {.parent = file->inode, .size = size, .plus = plus};
        struct fm_session *session = file->inode->session;
        const double attr_timeout = fm_caching_attr_timeout(session);
        g_autoptr(GPtrArray) inodes = plus ? g_ptr_array_new() : NULL;
        g_autofree char *buffer = NULL;
        guint i;
        int r;

        /* Where a listing was begun the slow way it is read to its end that way: only that knows its offsets. */
        if (fm_session_wants(session, FM_MAJOR(DIRECTORY_CONTROL)) ||
            (offset && atomic_load_explicit(&file->listed, memory_order_relaxed))) {
                fm_slow_readdir(req, file, size, offset, plus);
                return;
        }
        atomic_store_explicit(&file->listed, false, memory_order_relaxed);
        listing.buffer = buffer = g_try_malloc(size);
        listing.inodes = inodes;
        if (!buffer) {
                fuse_reply_err(req, ENOMEM);
                return;
        }
        r = fm_backing_readdir(file, offset, add_entry, &listing);
        /* An error after some entries comes again with the next call. */
        if (listing.used > 0 || r == 0)
                r = fuse_reply_buf(req, buffer, listing.used);
        else
                fm_op_reply(req, r);
        for (i = 0; inodes && i < inodes->len; i++) {
                if (r < 0)
                        fm_inode_unref(inodes->pdata[i]);
                else
                        fm_caching_answered(session, (uintptr_t)inodes->pdata[i], attr_timeout);
        }
}

void fm_op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
        read_directory(req, size, offset, fm_op_file(fi), false);
}

void fm_op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
        read_directory(req, size, offset, fm_op_file(fi), true);
}

void fm_op_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
        struct fm_file *file = fm_op_file(fi);

        if (atomic_load(&file->file_object) ||
            fm_session_wants(file->inode->session, FM_MAJOR(CLEANUP) | FM_MAJOR(CLOSE))) {
                fm_slow_releasedir(req, file);
                return;
        }
        fm_file_free(file);
        fuse_reply_err(req, 0);
}
