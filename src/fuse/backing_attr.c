/* SPDX-License-Identifier: MIT */
/*
 * The backing file system: attributes, extended attributes, symlink targets, and the volume's numbers.
 *
 * An inode without an open file is reached through the magic link of its O_PATH descriptor, which leads to the
 * inode itself, symlinks included.
 */
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fuse/backing-internal.h"
#include "fuse/request.h"
#include "fuse/session.h"

int fm_proc_open(int fd, int flags)
{
        struct fm_proc_path path = fm_proc_path(fd);

        return FM_NEG(open(path.text, flags | O_CLOEXEC));
}

void fm_stat_from_statx(const struct fm_inode *inode, const struct statx *sx, struct stat *ret)
{
        memset(ret, 0, sizeof(*ret));
        ret->st_dev = makedev(sx->stx_dev_major, sx->stx_dev_minor);
        ret->st_ino = inode->public_ino;
        ret->st_mode = sx->stx_mode;
        ret->st_nlink = sx->stx_nlink;
        ret->st_uid = sx->stx_uid;
        ret->st_gid = sx->stx_gid;
        ret->st_rdev = makedev(sx->stx_rdev_major, sx->stx_rdev_minor);
        ret->st_size = sx->stx_size;
        ret->st_blksize = sx->stx_blksize;
        ret->st_blocks = sx->stx_blocks;
        ret->st_atim.tv_sec = sx->stx_atime.tv_sec;
        ret->st_atim.tv_nsec = sx->stx_atime.tv_nsec;
        ret->st_mtim.tv_sec = sx->stx_mtime.tv_sec;
        ret->st_mtim.tv_nsec = sx->stx_mtime.tv_nsec;
        ret->st_ctim.tv_sec = sx->stx_ctime.tv_sec;
        ret->st_ctim.tv_nsec = sx->stx_ctime.tv_nsec;
}

int fm_backing_statx(struct fm_inode *inode, struct fm_file *file, unsigned mask, struct statx *ret)
{
        int fd, r;

        if (file)
                return FM_NEG(statx(file->fd, "", AT_EMPTY_PATH, mask, ret));
        fd = fm_inode_pin(inode);
        if (fd < 0)
                return fd;
        r = FM_NEG(statx(fd, "", AT_EMPTY_PATH, mask, ret));
        fm_inode_unpin(inode);
        return r;
}

int fm_backing_getattr(struct fm_inode *inode, struct fm_file *file, struct stat *ret)
{
        struct statx sx;
        int r;

        r = fm_backing_statx(inode, file, STATX_BASIC_STATS, &sx);
        if (r == 0)
                fm_stat_from_statx(inode, &sx, ret);
        return r;
}

static void time_of(struct timespec *ts, int valid, int set, int now, struct timespec from)
{
        if (valid & now)
                *ts = (struct timespec){.tv_nsec = UTIME_NOW};
        else if (valid & set)
                *ts = from;
        else
                *ts = (struct timespec){.tv_nsec = UTIME_OMIT};
}

static int set_attributes(const struct fm_caller *caller, struct fm_file *file, const char *path, int fd,
                          const struct stat *attr, int valid)
{
        int r;

        if (valid & FUSE_SET_ATTR_MODE) {
                fm_credentials_prepare(caller, attr->st_mode);
                r = FM_AS_CALLER(caller, FM_NEG(chmod(path, attr->st_mode & 07777)));
                if (r < 0)
                        return r;
        }
        if (valid & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID)) {
                uid_t uid = valid & FUSE_SET_ATTR_UID ? attr->st_uid : (uid_t)-1;
                gid_t gid = valid & FUSE_SET_ATTR_GID ? attr->st_gid : (gid_t)-1;

                r = FM_AS_CALLER(caller, FM_NEG(fchownat(fd, "", uid, gid, AT_EMPTY_PATH)));
                if (r < 0)
                        return r;
        }
        if (valid & FUSE_SET_ATTR_SIZE) {
                if (file && fm_file_is_writable(file))
                        r = FM_AS_CALLER(caller, FM_NEG(ftruncate(file->fd, attr->st_size)));
                else
                        r = FM_AS_CALLER(caller, FM_NEG(truncate(path, attr->st_size)));
                if (r < 0)
                        return r;
                if (file)
                        atomic_store_explicit(&file->written, true, memory_order_relaxed);
        }
        if (valid & (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_ATIME_NOW | FUSE_SET_ATTR_MTIME_NOW)) {
                struct timespec times[2];

                time_of(&times[0], valid, FUSE_SET_ATTR_ATIME, FUSE_SET_ATTR_ATIME_NOW, attr->st_atim);
                time_of(&times[1], valid, FUSE_SET_ATTR_MTIME, FUSE_SET_ATTR_MTIME_NOW, attr->st_mtim);
                r = FM_AS_CALLER(caller, FM_NEG(utimensat(AT_FDCWD, path, times, 0)));
                if (r < 0)
                        return r;
        }
        return 0;
}

int fm_backing_setattr(const struct fm_caller *caller, struct fm_inode *inode, struct fm_file *file,
                       const struct stat *attr, int valid, struct stat *ret)
{
        struct fm_proc_path path;
        int fd, r;

        fd = file ? file->fd : fm_inode_pin(inode);
        if (fd < 0)
                return fd;
        path = fm_proc_path(fd);
        r = set_attributes(caller, file, path.text, fd, attr, valid);
        if (!file)
                fm_inode_unpin(inode);
        if (r == 0 && ret)
                r = fm_backing_getattr(inode, file, ret);
        return r;
}

int fm_backing_readlink(const struct fm_caller *caller, struct fm_inode *inode, char *buffer, size_t size)
{
        int fd, r;

        fd = fm_inode_pin(inode);
        if (fd < 0)
                return fd;
        r = FM_NEG((int)readlinkat(fd, "", buffer, size));
        fm_inode_unpin(inode);
        return r;
}

int fm_backing_access(const struct fm_caller *caller, struct fm_inode *inode, int mask)
{
        struct fm_proc_path path;
        int fd, r;

        fd = fm_inode_pin(inode);
        if (fd < 0)
                return fd;
        path = fm_proc_path(fd);
        /* AT_EACCESS: the file system identity, not the real one, is the caller's. */
        r = FM_AS_CALLER(caller, FM_NEG(faccessat(AT_FDCWD, path.text, mask, AT_EACCESS)));
        fm_inode_unpin(inode);
        return r;
}

int fm_backing_statfs(struct fm_inode *inode, struct statvfs *ret)
{
        int fd, r;

        fd = fm_inode_pin(inode);
        if (fd < 0)
                return fd;
        r = FM_NEG(fstatvfs(fd, ret));
        fm_inode_unpin(inode);
        return r;
}

ssize_t fm_backing_getxattr(const struct fm_caller *caller, struct fm_inode *inode, const char *name, void *value,
                            size_t size)
{
        struct fm_proc_path path;
        ssize_t r;
        int fd;

        fd = fm_inode_pin(inode);
        if (fd < 0)
                return fd;
        path = fm_proc_path(fd);
        r = FM_AS_CALLER(caller, FM_NEG(getxattr(path.text, name, value, size)));
        fm_inode_unpin(inode);
        return r;
}

/* Names that only an administrator sees; our capability to list them does not follow the identity. */
static ssize_t remove_trusted(char *list, ssize_t size)
{
        char *from = list, *to = list;

        while (from < list + size) {
                size_t length = strlen(from) + 1;

                if (strncmp(from, "trusted.", 8) != 0) {
                        memmove(to, from, length);
                        to += length;
                }
                from += length;
        }
        return to - list;
}

ssize_t fm_backing_listxattr(const struct fm_caller *caller, struct fm_inode *inode, char *list, size_t size)
{
        struct fm_proc_path path;
        char *all = NULL;
        ssize_t r;
        int fd;

        fd = fm_inode_pin(inode);
        if (fd < 0)
                return fd;
        path = fm_proc_path(fd);
        if (!fm_credentials_are_privileged() || !caller || caller->uid == 0) {
                r = FM_AS_CALLER(caller, FM_NEG(listxattr(path.text, list, size)));
                goto out;
        }
        all = malloc(XATTR_LIST_MAX);
        if (!all) {
                r = -ENOMEM;
                goto out;
        }
        r = FM_AS_CALLER(caller, FM_NEG(listxattr(path.text, all, XATTR_LIST_MAX)));
        if (r > 0)
                r = remove_trusted(all, r);
        if (r > 0 && size > 0) {
                if ((size_t)r > size)
                        r = -ERANGE;
                else
                        memcpy(list, all, r);
        }
out:
        free(all);
        fm_inode_unpin(inode);
        return r;
}

int fm_backing_setxattr(const struct fm_caller *caller, struct fm_inode *inode, const char *name, const void *value,
                        size_t size, int flags)
{
        struct fm_proc_path path;
        int fd, r;

        fd = fm_inode_pin(inode);
        if (fd < 0)
                return fd;
        path = fm_proc_path(fd);
        /* An ACL that is set by somebody outside the file's group takes its set-group-id bit away. */
        if (strcmp(name, "system.posix_acl_access") == 0)
                fm_credentials_prepare(caller, S_ISGID);
        r = FM_AS_CALLER(caller, FM_NEG(setxattr(path.text, name, value, size, flags)));
        fm_inode_unpin(inode);
        return r;
}

int fm_backing_removexattr(const struct fm_caller *caller, struct fm_inode *inode, const char *name)
{
        struct fm_proc_path path;
        int fd, r;

        fd = fm_inode_pin(inode);
        if (fd < 0)
                return fd;
        path = fm_proc_path(fd);
        r = FM_AS_CALLER(caller, FM_NEG(removexattr(path.text, name)));
        fm_inode_unpin(inode);
        return r;
}
