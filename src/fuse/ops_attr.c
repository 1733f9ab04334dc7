/* SPDX-License-Identifier: MIT */
/* FUSE requests about attributes, extended attributes, symlink targets and the volume. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "fuse/operations.h"

static void reply_attr(fuse_req_t req, int r, struct fm_inode *inode, const struct stat *attr)
{
        if (r < 0) {
                fm_op_reply(req, r);
                return;
        }
        fm_caching_told(inode, attr);
        fuse_reply_attr(req, attr, fm_caching_attr_timeout(inode->session));
}

void fm_op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
        struct fm_inode *inode = fm_op_inode(req, ino);
        struct fm_file *file = fm_op_file(fi);
        struct stat st;
        int r;

        /* Without a handle it is the fast query; only who wants that one can turn it into a whole open. */
        if (fm_session_wants(inode->session, file ? FM_MAJOR(QUERY_INFORMATION) : FM_MAJOR(QUERY_OPEN))) {
                fm_slow_getattr(req, inode, file);
                return;
        }
        r = fm_backing_getattr(inode, file, &st);
        reply_attr(req, r, inode, &st);
}

void fm_op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int valid, struct fuse_file_info *fi)
{
        struct fm_inode *inode = fm_op_inode(req, ino);
        struct fm_file *file = fm_op_file(fi);
        uint64_t wanted = file ? 0 : FM_TRANSIENT;
        struct fm_caller caller;
        struct stat st;
        int r;

        if (valid == 0) {
                /* chown(-1, -1), which still changes the change time and drops set-user-id bits; it says nothing that
                 * an IRP could carry. The kernel asks the same before a write by who may not do it himself: there
                 * the write will drop them. */
                attr->st_uid = (uid_t)-1;
                attr->st_gid = (gid_t)-1;
                fm_request_get_caller(req, &caller);
                r = fm_backing_setattr(&caller, inode, file, attr, FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID, &st);
                if (r == -EPERM)
                        r = fm_backing_getattr(inode, file, &st);
                reply_attr(req, r, inode, &st);
                return;
        }
        if (valid & (FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID))
                wanted |= FM_MAJOR(SET_SECURITY) | FM_MAJOR(SET_INFORMATION);
        else
                wanted |= FM_MAJOR(SET_INFORMATION);
        /* The answer has the size as filters show it. */
        if (fm_caching_has_view(inode))
                wanted |= FM_MAJOR(QUERY_INFORMATION) | FM_MAJOR(QUERY_OPEN);
        if (fm_session_wants(inode->session, wanted)) {
                fm_slow_setattr(req, inode, attr, valid, file);
                return;
        }
        fm_request_get_caller(req, &caller);
        r = fm_backing_setattr(&caller, inode, file, attr, valid, &st);
        reply_attr(req, r, inode, &st);
}

void fm_op_readlink(fuse_req_t req, fuse_ino_t ino)
{
        struct fm_inode *inode = fm_op_inode(req, ino);
        struct fm_caller caller;
        char target[PATH_MAX + 1];
        int r;

        if (fm_session_wants(inode->session, FM_TRANSIENT | FM_MAJOR(FILE_SYSTEM_CONTROL))) {
                fm_slow_readlink(req, inode);
                return;
        }
        fm_request_get_caller(req, &caller);
        r = fm_backing_readlink(&caller, inode, target, sizeof(target) - 1);
        if (r < 0) {
                fm_op_reply(req, r);
                return;
        }
        target[r] = 0;
        fuse_reply_readlink(req, target);
}

void fm_op_statfs(fuse_req_t req, fuse_ino_t ino)
{
        struct fm_inode *inode = ino ? fm_op_inode(req, ino) : fm_op_session(req)->root;
        struct statvfs info;
        int r;

        if (fm_session_wants(inode->session, FM_TRANSIENT | FM_MAJOR(QUERY_VOLUME_INFORMATION))) {
                fm_slow_statfs(req, inode);
                return;
        }
        r = fm_backing_statfs(inode, &info);
        if (r < 0)
                fm_op_reply(req, r);
        else
                fuse_reply_statfs(req, &info);
}

enum xattr_use { QUERY, SET };

/*
 * Which IRPs an extended attribute makes: EAs for user.*, security for ACLs, nothing for the rest. The kernel fetches
 * ACLs to check permissions, so they make an open only for who wants to see security queries.
 */
static bool xattr_is_wanted(const struct fm_session *session, const char *name, enum xattr_use use)
{
        if (strncmp(name, "user.", 5) == 0)
                return fm_session_wants(session, FM_TRANSIENT | (use == SET ? FM_MAJOR(SET_EA) : FM_MAJOR(QUERY_EA)));
        if (strncmp(name, "system.posix_acl_", 17) != 0)
                return false;
        return fm_session_wants(session, use == SET ? FM_TRANSIENT | FM_MAJOR(SET_SECURITY) : FM_MAJOR(QUERY_SECURITY));
}

/* The two ways to ask: for the size, or for the data. */
static void reply_xattr(fuse_req_t req, ssize_t r, const char *data, size_t size)
{
        if (r < 0)
                fm_op_reply(req, r);
        else if (size == 0)
                fuse_reply_xattr(req, r);
        else
                fuse_reply_buf(req, data, r);
}

void fm_op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
        struct fm_inode *inode = fm_op_inode(req, ino);
        struct fm_caller caller;
        char *value = NULL;

        if (xattr_is_wanted(inode->session, name, QUERY)) {
                fm_slow_getxattr(req, inode, name, size);
                return;
        }
        if (size > 0) {
                value = malloc(size < XATTR_SIZE_MAX ? size : XATTR_SIZE_MAX);
                if (!value) {
                        fuse_reply_err(req, ENOMEM);
                        return;
                }
        }
        fm_request_get_caller(req, &caller);
        reply_xattr(req,
                    fm_backing_getxattr(&caller, inode, name, value, size < XATTR_SIZE_MAX ? size : XATTR_SIZE_MAX),
                    value, size);
        free(value);
}

void fm_op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
        struct fm_inode *inode = fm_op_inode(req, ino);
        struct fm_caller caller;
        char *list = NULL;

        if (fm_session_wants(inode->session, FM_TRANSIENT | FM_MAJOR(QUERY_EA))) {
                fm_slow_listxattr(req, inode, size);
                return;
        }
        if (size > XATTR_LIST_MAX)
                size = XATTR_LIST_MAX;
        if (size > 0) {
                list = malloc(size);
                if (!list) {
                        fuse_reply_err(req, ENOMEM);
                        return;
                }
        }
        fm_request_get_caller(req, &caller);
        reply_xattr(req, fm_backing_listxattr(&caller, inode, list, size), list, size);
        free(list);
}

void fm_op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags)
{
        struct fm_inode *inode = fm_op_inode(req, ino);
        struct fm_caller caller;

        if (xattr_is_wanted(inode->session, name, SET)) {
                fm_slow_setxattr(req, inode, name, value, size, flags);
                return;
        }
        fm_request_get_caller(req, &caller);
        fm_op_reply(req, fm_backing_setxattr(&caller, inode, name, value, size, flags));
}

void fm_op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
        struct fm_inode *inode = fm_op_inode(req, ino);
        struct fm_caller caller;

        if (xattr_is_wanted(inode->session, name, SET)) {
                fm_slow_removexattr(req, inode, name);
                return;
        }
        fm_request_get_caller(req, &caller);
        fm_op_reply(req, fm_backing_removexattr(&caller, inode, name));
}
