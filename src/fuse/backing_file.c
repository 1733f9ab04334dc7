/* SPDX-License-Identifier: MIT */
/*
 * The backing file system: open files and their data.
 *
 * The backing descriptor has neither O_DIRECT (our buffers are not aligned; the mount's page cache is bypassed
 * all the same) nor O_APPEND (pages that come back from a mapping have a place of their own): appending is asked for
 * with each write.
 */
#include <glib.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/fs.h>

#include "fuse/backing-internal.h"
#include "fuse/inode-internal.h"
#include "fuse/session.h"

enum {
        FMODE_EXEC_FLAG = 0x20, /* the kernel's mark of an open for execution; not part of its interface: a hint */
        OPEN_FLAGS = O_ACCMODE | O_TRUNC | O_SYNC | O_DSYNC | O_NOATIME | O_NONBLOCK | O_LARGEFILE | O_DIRECTORY,
};

struct fm_file *fm_file_new(struct fm_inode *inode, int fd, int flags)
{
        struct fm_file *file = g_new0(struct fm_file, 1);

        atomic_init(&file->refs, 1);
        file->inode = fm_inode_ref(inode);
        file->fd = fd;
        file->flags = flags;
        if (fm_inode_is_directory(inode))
                file->directory = fm_directory_new();
        if (flags & O_TRUNC)
                file->written = true;
        atomic_fetch_add_explicit(&inode->open_files, 1, memory_order_relaxed);

        pthread_mutex_lock(&inode->session->files_lock);
        file->next = inode->session->files;
        if (file->next)
                file->next->prev = file;
        inode->session->files = file;
        pthread_mutex_unlock(&inode->session->files_lock);
        return file;
}

struct fm_file *fm_file_ref(struct fm_file *file)
{
        atomic_fetch_add_explicit(&file->refs, 1, memory_order_relaxed);
        return file;
}

void fm_file_free(struct fm_file *file)
{
        struct fm_session *session;

        if (!file || atomic_fetch_sub(&file->refs, 1) != 1)
                return;
        session = file->inode->session;
        pthread_mutex_lock(&session->files_lock);
        if (file->prev)
                file->prev->next = file->next;
        else
                session->files = file->next;
        if (file->next)
                file->next->prev = file->prev;
        pthread_mutex_unlock(&session->files_lock);
        if (atomic_load_explicit(&file->locked, memory_order_relaxed))
                fm_locks_release_file(file);
        close(file->fd);
        fm_directory_free(file->directory);
        fm_listing_free(atomic_load(&file->listing));
        atomic_fetch_sub_explicit(&file->inode->open_files, 1, memory_order_relaxed);
        fm_inode_unref(file->inode);
        g_free(file);
}

/* path_fd: pinned, so that nothing here changes whom we act for. */
static int open_pinned(struct fm_inode *inode, int path_fd, int flags)
{
        int fd = fm_proc_open(path_fd, flags);

        if (fd == -EMFILE && fm_inode_table_shrink(inode->session->inodes))
                fd = fm_proc_open(path_fd, flags);
        return fd;
}

int fm_backing_open_own(struct fm_inode *inode, int flags)
{
        int path_fd, fd;

        path_fd = fm_inode_pin(inode);
        if (path_fd < 0)
                return path_fd;
        fm_credentials_enter(NULL);
        fd = open_pinned(inode, path_fd, flags);
        fm_inode_unpin(inode);
        return fd;
}

int fm_backing_open_data(struct fm_inode *inode, int flags)
{
        if (!S_ISREG(inode->type))
                return -EINVAL;
        return fm_backing_open_own(inode, flags & (O_ACCMODE | O_NOATIME));
}

int fm_backing_open(const struct fm_caller *caller, struct fm_inode *inode, int flags, struct fm_file **ret)
{
        int backing_flags = flags & OPEN_FLAGS;
        int path_fd, fd;

        /* Opening a device or a FIFO would do something; the kernel does that itself on the mount. */
        if (!S_ISREG(inode->type) && !S_ISDIR(inode->type))
                return S_ISLNK(inode->type) ? -ELOOP : -ENXIO;
        if (fm_inode_is_directory(inode))
                backing_flags |= O_DIRECTORY;
        path_fd = fm_inode_pin(inode);
        if (path_fd < 0)
                return path_fd;
        fd = FM_AS_CALLER(caller, open_pinned(inode, path_fd, backing_flags));
        /* Who may execute a file need not be able to read it; his execve() reads it all the same. */
        if (fd == -EACCES && (flags & FMODE_EXEC_FLAG) && (flags & O_ACCMODE) == O_RDONLY &&
            fm_backing_access(caller, inode, X_OK) == 0) {
                fm_credentials_enter(NULL);
                fd = open_pinned(inode, path_fd, backing_flags);
        }
        /* An append-only file refuses every other open for writing. */
        if (fd == -EPERM && (flags & O_APPEND))
                fd = FM_AS_CALLER(caller, open_pinned(inode, path_fd, backing_flags | O_APPEND));
        fm_inode_unpin(inode);
        if (fd < 0)
                return fd;
        *ret = fm_file_new(inode, fd, flags);
        return 0;
}

int fm_backing_create(const struct fm_caller *caller, struct fm_inode *parent, const char *name, mode_t mode, int flags,
                      struct fm_file **ret, bool *created, struct stat *ret_stat)
{
        const int create_flags = O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
        struct fm_inode *inode;
        struct stat st;
        int dir_fd, fd, r;

        if (!fm_name_is_component(name))
                return -EINVAL;
        dir_fd = fm_inode_pin(parent);
        if (dir_fd < 0)
                return dir_fd;
        fm_credentials_set_umask(caller);
        fm_credentials_prepare(caller, mode);
        r = FM_AS_CALLER(caller, FM_NEG(openat(dir_fd, name, (flags & OPEN_FLAGS & ~O_TRUNC) | create_flags, mode)));
        if (r == -EMFILE && fm_inode_table_shrink(parent->session->inodes))
                r = FM_NEG(openat(dir_fd, name, (flags & OPEN_FLAGS & ~O_TRUNC) | create_flags, mode));
        fm_inode_unpin(parent);
        fd = r;
        if (fd >= 0) {
                r = fm_inode_adopt(parent->session, fd, &inode, &st);
                if (r < 0) {
                        close(fd);
                        return r;
                }
                fm_inode_renamed(inode, parent, name);
                *ret = fm_file_new(inode, fd, flags & ~O_TRUNC);
                fm_inode_unref(inode);
        } else {
                if (r != -EEXIST || (flags & O_EXCL))
                        return r;
                r = fm_inode_lookup(parent, name, &inode, &st);
                if (r < 0)
                        return r;
                /* Made behind our back: the kernel looks again, and does what belongs to what it finds. */
                if (fm_inode_is_directory(inode))
                        r = -EISDIR;
                else if (!S_ISREG(inode->type))
                        r = -ESTALE;
                else
                        r = fm_backing_open(caller, inode, flags, ret);
                if (r == 0 && (flags & O_TRUNC))
                        r = fm_backing_getattr(inode, *ret, &st);
                fm_inode_unref(inode);
                if (r < 0)
                        return r;
        }
        if (created)
                *created = fd >= 0;
        if (ret_stat)
                *ret_stat = st;
        return 0;
}

int fm_backing_tmpfile(const struct fm_caller *caller, struct fm_inode *parent, mode_t mode, int flags,
                       struct fm_file **ret, struct stat *ret_stat)
{
        struct fm_inode *inode;
        int dir_fd, fd, r;

        dir_fd = fm_inode_pin(parent);
        if (dir_fd < 0)
                return dir_fd;
        fm_credentials_set_umask(caller);
        fm_credentials_prepare(caller, mode);
        flags = (flags & (OPEN_FLAGS | O_EXCL) & ~(O_TRUNC | O_DIRECTORY)) | O_TMPFILE;
        fd = FM_AS_CALLER(caller, FM_NEG(openat(dir_fd, ".", flags | O_CLOEXEC, mode)));
        fm_inode_unpin(parent);
        if (fd < 0)
                return fd;
        r = fm_inode_adopt(parent->session, fd, &inode, ret_stat);
        if (r < 0) {
                close(fd);
                return r;
        }
        *ret = fm_file_new(inode, fd, flags & ~O_TMPFILE);
        fm_inode_unref(inode);
        return 0;
}

ssize_t fm_backing_read(struct fm_file *file, void *buffer, size_t size, off_t offset)
{
        size_t done = 0;

        while (done < size) {
                ssize_t n = pread(file->fd, (char *)buffer + done, size - done, offset + done);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return done > 0 ? (ssize_t)done : -errno;
                if (n == 0)
                        break;
                done += n;
        }
        return done;
}

static ssize_t write_some(struct fm_file *file, const void *buffer, size_t size, off_t offset, bool append)
{
        struct iovec iov = {.iov_base = (void *)buffer, .iov_len = size};

        if (append)
                return FM_NEG(pwritev2(file->fd, &iov, 1, -1, RWF_APPEND));
        return FM_NEG(pwrite(file->fd, buffer, size, offset));
}

ssize_t fm_backing_write_at(const struct fm_caller *caller, struct fm_file *file, const void *buffer, size_t size,
                            off_t offset, bool append)
{
        size_t done = 0;

        if (!atomic_load_explicit(&file->written, memory_order_relaxed))
                atomic_store_explicit(&file->written, true, memory_order_relaxed);
        while (done < size) {
                ssize_t n = FM_AS_CALLER(
                        caller, write_some(file, (const char *)buffer + done, size - done, offset + done, append));

                if (n == -EINTR)
                        continue;
                if (n < 0)
                        return done > 0 ? (ssize_t)done : n;
                if (n == 0)
                        break;
                done += n;
        }
        return done;
}

ssize_t fm_backing_write(const struct fm_caller *caller, struct fm_file *file, const void *buffer, size_t size,
                         off_t offset)
{
        return fm_backing_write_at(caller, file, buffer, size, offset, (file->flags & O_APPEND) != 0);
}

int fm_backing_flush(struct fm_file *file, uint64_t lock_owner)
{
        int fd;

        fm_locks_release_owner(file->inode, lock_owner);
        if (!fm_file_is_writable(file))
                return 0;
        /* Network file systems and quotas report late errors to close(). */
        fd = fcntl(file->fd, F_DUPFD_CLOEXEC, 0);
        return fd < 0 ? 0 : FM_NEG(close(fd));
}

int fm_backing_fsync(struct fm_file *file, bool data_only)
{
        return FM_NEG(data_only ? fdatasync(file->fd) : fsync(file->fd));
}

int fm_backing_fallocate(const struct fm_caller *caller, struct fm_file *file, int mode, off_t offset, off_t length)
{
        int r = FM_AS_CALLER(caller, FM_NEG(fallocate(file->fd, mode, offset, length)));

        if (r == 0)
                atomic_store_explicit(&file->written, true, memory_order_relaxed);
        return r;
}

ssize_t fm_backing_copy_file_range(const struct fm_caller *caller, struct fm_file *in, off_t in_offset,
                                   struct fm_file *out, off_t out_offset, size_t length, unsigned flags)
{
        ssize_t r =
                FM_AS_CALLER(caller, FM_NEG(copy_file_range(in->fd, &in_offset, out->fd, &out_offset, length, flags)));

        if (r > 0)
                atomic_store_explicit(&out->written, true, memory_order_relaxed);
        return r;
}

off_t fm_backing_lseek(struct fm_file *file, off_t offset, int whence)
{
        return FM_NEG(lseek(file->fd, offset, whence));
}

int fm_backing_ioctl(const struct fm_caller *caller, struct fm_file *file, unsigned command, const void *in, void *out)
{
        /* FS_IOC_GETFLAGS and _SETFLAGS encode a long but mean an int. */
        switch (command) {
        case FS_IOC_SETFLAGS:
        case FS_IOC_FSSETXATTR:
                return FM_AS_CALLER(caller, FM_NEG(ioctl(file->fd, command, in)));
        case FS_IOC_GETFLAGS:
        case FS_IOC_GETVERSION:
        case FS_IOC_FSGETXATTR:
                return FM_AS_CALLER(caller, FM_NEG(ioctl(file->fd, command, out)));
        default:
                return -ENOTTY;
        }
}

size_t fm_backing_ioctl_size(unsigned command)
{
        switch (command) {
        case FS_IOC_SETFLAGS:
        case FS_IOC_GETFLAGS:
        case FS_IOC_GETVERSION:
                return sizeof(int);
        case FS_IOC_FSSETXATTR:
        case FS_IOC_FSGETXATTR:
                return sizeof(struct fsxattr);
        default:
                return 0;
        }
}
