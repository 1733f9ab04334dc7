/* SPDX-License-Identifier: MIT */
/* FUSE requests about names. */
#include <errno.h>
#include <string.h>

#include "fuse/operations.h"

void fm_op_reply_entry(fuse_req_t req, int r, struct fm_inode *inode, const struct stat *attr)
{
        struct fm_session *session = fm_op_session(req);
        struct fuse_entry_param entry;

        if (r < 0) {
                fm_op_reply(req, r);
                return;
        }
        fm_caching_fill_entry(inode, attr, &entry);
        if (fuse_reply_entry(req, &entry) < 0)
                fm_inode_unref(inode);
        else
                fm_caching_answered(session, entry.ino, entry.attr_timeout);
}

/* "." and ".." come from who holds a file handle of the mount; the number may be of an inode that is long gone. */
static void lookup_by_handle(fuse_req_t req, fuse_ino_t id, bool up)
{
        struct fm_inode *inode, *parent;
        struct stat st;
        int r;

        inode = fm_inode_ref_checked(fm_op_session(req), id);
        if (inode && up) {
                parent = fm_inode_parent(inode, NULL);
                fm_inode_unref(inode);
                inode = parent;
        }
        if (!inode) {
                fuse_reply_err(req, ESTALE);
                return;
        }
        r = fm_backing_getattr(inode, NULL, &st);
        if (r < 0) {
                fm_inode_unref(inode);
                inode = NULL;
        }
        fm_op_reply_entry(req, r, inode, &st);
}

void fm_op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
        struct fm_inode *directory = fm_op_inode(req, parent), *inode;
        struct stat st;
        int r;

        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
                lookup_by_handle(req, parent, name[1] == '.');
                return;
        }
        r = fm_inode_lookup(directory, name, &inode, &st);
        if (fm_slow_lookup_wanted(directory->session, -r)) {
                if (r == 0)
                        fm_inode_unref(inode);
                fm_slow_lookup(req, directory, name);
                return;
        }
        if (r == 0)
                fm_inode_show(inode, NULL, NULL);
        fm_op_reply_entry(req, r, inode, &st);
}

void fm_op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count)
{
        if (ino != FUSE_ROOT_ID)
                fm_inode_unref_n(fm_op_inode(req, ino), count);
        fuse_reply_none(req);
}

void fm_op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
        size_t i;

        for (i = 0; i < count; i++) {
                if (forgets[i].ino != FUSE_ROOT_ID)
                        fm_inode_unref_n(fm_op_inode(req, forgets[i].ino), forgets[i].nlookup);
        }
        fuse_reply_none(req);
}

void fm_op_mknod(fuse_req_t req, fuse_ino_t parent_id, const char *name, mode_t mode, dev_t rdev)
{
        struct fm_inode *parent = fm_op_inode(req, parent_id), *inode;
        uint64_t wanted = FM_TRANSIENT | (S_ISREG(mode) ? 0 : FM_MAJOR(FILE_SYSTEM_CONTROL));
        struct fm_caller caller;
        struct stat st;
        int r;

        if (fm_session_wants(parent->session, wanted)) {
                fm_slow_mknod(req, parent, name, mode, rdev);
                return;
        }
        fm_request_get_caller(req, &caller);
        r = fm_backing_mknod(&caller, parent, name, mode, rdev, &inode, &st);
        fm_op_reply_entry(req, r, inode, &st);
}

void fm_op_mkdir(fuse_req_t req, fuse_ino_t parent_id, const char *name, mode_t mode)
{
        struct fm_inode *parent = fm_op_inode(req, parent_id), *inode;
        struct fm_caller caller;
        struct stat st;
        int r;

        if (fm_session_wants(parent->session, FM_TRANSIENT)) {
                fm_slow_mkdir(req, parent, name, mode);
                return;
        }
        fm_request_get_caller(req, &caller);
        r = fm_backing_mkdir(&caller, parent, name, mode, &inode, &st);
        fm_op_reply_entry(req, r, inode, &st);
}

void fm_op_unlink(fuse_req_t req, fuse_ino_t parent_id, const char *name)
{
        struct fm_inode *parent = fm_op_inode(req, parent_id);
        struct fm_caller caller;

        if (fm_session_wants(parent->session, FM_TRANSIENT | FM_MAJOR(SET_INFORMATION))) {
                fm_slow_unlink(req, parent, name);
                return;
        }
        fm_request_get_caller(req, &caller);
        fm_op_reply(req, fm_backing_unlink(&caller, parent, name));
}

void fm_op_rmdir(fuse_req_t req, fuse_ino_t parent_id, const char *name)
{
        struct fm_inode *parent = fm_op_inode(req, parent_id);
        struct fm_caller caller;

        if (fm_session_wants(parent->session, FM_TRANSIENT | FM_MAJOR(SET_INFORMATION))) {
                fm_slow_rmdir(req, parent, name);
                return;
        }
        fm_request_get_caller(req, &caller);
        fm_op_reply(req, fm_backing_rmdir(&caller, parent, name));
}

void fm_op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent_id, const char *name)
{
        struct fm_inode *parent = fm_op_inode(req, parent_id), *inode;
        struct fm_caller caller;
        struct stat st;
        int r;

        if (fm_session_wants(parent->session, FM_TRANSIENT | FM_MAJOR(FILE_SYSTEM_CONTROL))) {
                fm_slow_symlink(req, target, parent, name);
                return;
        }
        fm_request_get_caller(req, &caller);
        r = fm_backing_symlink(&caller, parent, name, target, &inode, &st);
        fm_op_reply_entry(req, r, inode, &st);
}

void fm_op_rename(fuse_req_t req, fuse_ino_t parent_id, const char *name, fuse_ino_t new_parent_id,
                  const char *new_name, unsigned int flags)
{
        struct fm_inode *parent = fm_op_inode(req, parent_id), *new_parent = fm_op_inode(req, new_parent_id);
        struct fm_caller caller;

        if (fm_session_wants(parent->session, FM_TRANSIENT | FM_MAJOR(SET_INFORMATION))) {
                fm_slow_rename(req, parent, name, new_parent, new_name, flags);
                return;
        }
        fm_request_get_caller(req, &caller);
        fm_op_reply(req, fm_backing_rename(&caller, parent, name, new_parent, new_name, flags));
}

void fm_op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent_id, const char *name)
{
        struct fm_inode *parent = fm_op_inode(req, parent_id), *inode = fm_op_inode(req, ino), *made;
        struct fm_caller caller;
        struct stat st;
        int r;

        if (fm_session_wants(parent->session, FM_TRANSIENT | FM_MAJOR(SET_INFORMATION))) {
                fm_slow_link(req, inode, parent, name);
                return;
        }
        fm_request_get_caller(req, &caller);
        r = fm_backing_link(&caller, inode, parent, name, &made, &st);
        fm_op_reply_entry(req, r, made, &st);
}
