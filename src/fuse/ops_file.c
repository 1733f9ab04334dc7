/* SPDX-License-Identifier: MIT */
/* FUSE requests about open files. */
#include <errno.h>
#include <glib.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/operations.h"

enum {
        SPLICE_MIN = 128 * 1024, /* below, copying is cheaper than moving pages through a pipe */
};

void fm_op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
        struct fm_inode *inode = fm_op_inode(req, ino);
        struct fm_caller caller;
        struct fm_file *file;
        int r;

        if (fm_session_wants(inode->session, FM_MAJOR(CREATE))) {
                fm_slow_open(req, inode, fi);
                return;
        }
        fm_request_get_caller(req, &caller);
        r = fm_backing_open(&caller, inode, fi->flags, &file);
        if (r < 0) {
                fm_op_reply(req, r);
                return;
        }
        fm_caching_fill(file, NULL, fi);
        if (fuse_reply_open(req, fi) < 0)
                fm_file_free(file);
}

static void reply_create(fuse_req_t req, struct fm_file *file, const struct stat *st, struct fuse_file_info *fi)
{
        struct fm_inode *inode = fm_inode_ref(file->inode);
        struct fm_session *session = inode->session;
        struct fuse_entry_param entry;

        fm_caching_fill(file, st, fi);
        fm_caching_fill_entry(inode, st, &entry);
        if (fuse_reply_create(req, &entry, fi) < 0) {
                fm_file_free(file);
                fm_inode_unref(inode);
        } else {
                fm_caching_answered(session, entry.ino, entry.attr_timeout);
        }
}

void fm_op_create(fuse_req_t req, fuse_ino_t parent_id, const char *name, mode_t mode, struct fuse_file_info *fi)
{
        struct fm_inode *parent = fm_op_inode(req, parent_id);
        struct fm_caller caller;
        struct fm_file *file;
        struct stat st;
        int r;

        if (strcmp(name, FM_TMPFILE_NAME) == 0) {
                fm_op_tmpfile(req, parent_id, mode, fi);
                return;
        }
        if (fm_session_wants(parent->session, FM_MAJOR(CREATE))) {
                fm_slow_create(req, parent, name, mode, fi);
                return;
        }
        fm_request_get_caller(req, &caller);
        r = fm_backing_create(&caller, parent, name, mode, fi->flags, &file, NULL, &st);
        if (r < 0)
                fm_op_reply(req, r);
        else
                reply_create(req, file, &st, fi);
}

void fm_op_tmpfile(fuse_req_t req, fuse_ino_t parent_id, mode_t mode, struct fuse_file_info *fi)
{
        struct fm_inode *parent = fm_op_inode(req, parent_id);
        struct fm_caller caller;
        struct fm_file *file;
        struct stat st;
        int r;

        if (fm_session_wants(parent->session, FM_MAJOR(CREATE))) {
                fm_slow_tmpfile(req, parent, mode, fi);
                return;
        }
        fm_request_get_caller(req, &caller);
        r = fm_backing_tmpfile(&caller, parent, mode, fi->flags, &file, &st);
        if (r < 0)
                fm_op_reply(req, r);
        else
                reply_create(req, file, &st, fi);
}

/* A buffer of this worker, kept for its next read. */
static char *worker_buffer(size_t size)
{
        static __thread struct {
                char *data;
                size_t size;
        } buffer;
        static GPrivate freed_at_exit = G_PRIVATE_INIT(free);

        if (buffer.size < size) {
                g_private_set(&freed_at_exit, NULL);
                free(buffer.data);
                buffer.data = malloc(size);
                buffer.size = buffer.data ? size : 0;
                g_private_set(&freed_at_exit, buffer.data);
        }
        return buffer.data;
}

void fm_op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
        struct fm_file *file = fm_op_file(fi);
        char *buffer;
        ssize_t r;

        if (fm_session_wants(file->inode->session, FM_MAJOR(READ))) {
                fm_slow_read(req, file, size, offset, fi);
                return;
        }
        if (size >= SPLICE_MIN) {
                struct fuse_bufvec buffers = FUSE_BUFVEC_INIT(size);

                buffers.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
                buffers.buf[0].fd = file->fd;
                buffers.buf[0].pos = offset;
                /* Without moving: pages taken out of the backing file's cache would have to be read again for the
                 * agent. */
                fuse_reply_data(req, &buffers, 0);
                return;
        }
        buffer = worker_buffer(size);
        if (!buffer) {
                fuse_reply_err(req, ENOMEM);
                return;
        }
        r = fm_backing_read(file, buffer, size, offset);
        if (r < 0)
                fm_op_reply(req, r);
        else
                fuse_reply_buf(req, buffer, r);
}

/* data of a write that has come in memory; in a pipe: copied into *copy */
static const void *flatten(struct fuse_bufvec *buffers, void **copy)
{
        struct fuse_bufvec flat = FUSE_BUFVEC_INIT(fuse_buf_size(buffers));

        *copy = NULL;
        if (buffers->count == 1 && !(buffers->buf[0].flags & FUSE_BUF_IS_FD))
                return (const char *)buffers->buf[0].mem + buffers->off;
        *copy = flat.buf[0].mem = malloc(flat.buf[0].size);
        if (!*copy || fuse_buf_copy(&flat, buffers, 0) != (ssize_t)flat.buf[0].size)
                return NULL;
        return *copy;
}

void fm_op_write_buf(fuse_req_t req, fuse_ino_t ino, struct fuse_bufvec *buffers, off_t offset,
                     struct fuse_file_info *fi)
{
        struct fm_file *file = fm_op_file(fi);
        size_t size = fuse_buf_size(buffers);
        g_autofree void *copy = NULL;
        struct fm_caller caller;
        const void *data;
        ssize_t r;

        if (fm_session_wants(file->inode->session, FM_MAJOR(WRITE))) {
                fm_slow_write(req, file, buffers, offset, fi);
                return;
        }
        data = flatten(buffers, &copy);
        if (!data) {
                fuse_reply_err(req, EIO);
                return;
        }
        fm_request_get_caller(req, &caller);
        r = fm_backing_write_at(&caller, file, data, size, offset, (file->flags & O_APPEND) && !fi->writepage);
        if (r < 0)
                fm_op_reply(req, r);
        else
                fuse_reply_write(req, r);
}

void fm_op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
        struct fm_file *file = fm_op_file(fi);

        if (fm_file_is_writable(file) && fm_session_wants(file->inode->session, FM_MAJOR(CLEANUP))) {
                fm_slow_flush(req, file, fi);
                return;
        }
        fm_op_reply(req, fm_backing_flush(file, fi->lock_owner));
}

void fm_op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
        struct fm_file *file = fm_op_file(fi);

        if (atomic_load(&file->file_object) ||
            fm_session_wants(file->inode->session, FM_MAJOR(CLEANUP) | FM_MAJOR(CLOSE))) {
                fm_slow_release(req, file, fi);
                return;
        }
        fm_file_free(file);
        fuse_reply_err(req, 0);
}

void fm_op_fsync(fuse_req_t req, fuse_ino_t ino, int data_only, struct fuse_file_info *fi)
{
        struct fm_file *file = fm_op_file(fi);

        if (fm_session_wants(file->inode->session, FM_MAJOR(FLUSH_BUFFERS))) {
                fm_slow_fsync(req, file, data_only);
                return;
        }
        fm_op_reply(req, fm_backing_fsync(file, data_only));
}

void fm_op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t length, struct fuse_file_info *fi)
{
        struct fm_file *file = fm_op_file(fi);
        struct fm_caller caller;
        uint64_t wanted;

        if (mode & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE | FALLOC_FL_UNSHARE_RANGE)) {
                /* There is no IRP for these, and data must not move unseen. */
                wanted = FM_MAJOR(WRITE) | FM_MAJOR(SET_INFORMATION) | FM_MAJOR(FILE_SYSTEM_CONTROL);
                if (fm_session_wants(file->inode->session, wanted)) {
                        fuse_reply_err(req, EOPNOTSUPP);
                        return;
                }
        } else {
                wanted = mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE) ? FM_MAJOR(FILE_SYSTEM_CONTROL)
                                                                              : FM_MAJOR(SET_INFORMATION);
                if (fm_session_wants(file->inode->session, wanted)) {
                        fm_slow_fallocate(req, file, mode, offset, length);
                        return;
                }
        }
        fm_request_get_caller(req, &caller);
        fm_op_reply(req, fm_backing_fallocate(&caller, file, mode, offset, length));
}

void fm_op_copy_file_range(fuse_req_t req, fuse_ino_t ino_in, off_t off_in, struct fuse_file_info *fi_in,
                           fuse_ino_t ino_out, off_t off_out, struct fuse_file_info *fi_out, size_t length, int flags)
{
        struct fm_file *in = fm_op_file(fi_in), *out = fm_op_file(fi_out);
        struct fm_caller caller;
        ssize_t r;

        /* Refused, the kernel reads and writes through us, and filters see the bytes. */
        if (fm_session_wants(in->inode->session, FM_MAJOR(READ) | FM_MAJOR(WRITE))) {
                fuse_reply_err(req, EOPNOTSUPP);
                return;
        }
        fm_request_get_caller(req, &caller);
        r = fm_backing_copy_file_range(&caller, in, off_in, out, off_out, length, flags);
        if (r < 0)
                fm_op_reply(req, r);
        else
                fuse_reply_write(req, r);
}

void fm_op_lseek(fuse_req_t req, fuse_ino_t ino, off_t offset, int whence, struct fuse_file_info *fi)
{
        struct fm_file *file = fm_op_file(fi);
        off_t r;

        if (fm_session_wants(file->inode->session, FM_MAJOR(FILE_SYSTEM_CONTROL))) {
                fm_slow_lseek(req, file, offset, whence);
                return;
        }
        r = fm_backing_lseek(file, offset, whence);
        if (r < 0)
                fm_op_reply(req, r);
        else
                fuse_reply_lseek(req, r);
}

void fm_op_ioctl(fuse_req_t req, fuse_ino_t ino, unsigned int command, void *arg, struct fuse_file_info *fi,
                 unsigned flags, const void *in, size_t in_size, size_t out_size)
{
        struct fm_file *file = fm_op_file(fi);
        size_t size = fm_backing_ioctl_size(command);
        struct fm_caller caller;
        char out[64];
        int r;

        /* The kernel says of each direction how much it carries: one of them is the command's. */
        if (size == 0 || (flags & FUSE_IOCTL_COMPAT) || size > sizeof(out) || (in_size < size && out_size < size)) {
                fuse_reply_err(req, ENOTTY);
                return;
        }
        if (fm_session_wants(file->inode->session, FM_MAJOR(FILE_SYSTEM_CONTROL))) {
                fm_slow_ioctl(req, file, command, in);
                return;
        }
        memset(out, 0, sizeof(out));
        fm_request_get_caller(req, &caller);
        r = fm_backing_ioctl(&caller, file, command, in, out);
        if (r < 0)
                fm_op_reply(req, r);
        else
                fuse_reply_ioctl(req, r, out, out_size >= size ? size : 0);
}
