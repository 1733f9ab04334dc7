/* SPDX-License-Identifier: MIT */
/*
 * The backing file system: names. What a name stands for, and making, moving and removing names.
 *
 * The inode table is told of each change after it has happened, so that the path of an inode follows.
 */
#include <glib.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuse/backing-internal.h"
#include "fuse/session.h"

int fm_backing_lookup(const struct fm_caller *caller, struct fm_inode *parent, const char *name, struct fm_inode **ret,
                      struct stat *ret_stat)
{
        return fm_inode_lookup(parent, name, ret, ret_stat);
}

int fm_backing_resolve(struct fm_session *session, const char *path, struct fm_inode **ret_parent, char **ret_name)
{
        g_auto(GStrv) parts = g_strsplit(path, "/", -1);
        struct fm_inode *at = fm_inode_ref(session->root);
        char *last = NULL;
        unsigned i;

        for (i = 0; parts[i]; i++) {
                struct fm_inode *next;
                int r;

                if (*parts[i] == 0)
                        continue;
                if (!fm_name_is_component(parts[i])) {
                        fm_inode_unref(at);
                        return -EINVAL;
                }
                if (last) {
                        r = fm_inode_lookup(at, last, &next, NULL);
                        fm_inode_unref(at);
                        if (r < 0)
                                return r;
                        at = next;
                        if (!fm_inode_is_directory(at)) {
                                r = S_ISLNK(at->type) ? -ELOOP : -ENOTDIR;
                                fm_inode_unref(at);
                                return r;
                        }
                }
                last = parts[i];
        }
        *ret_parent = at;
        *ret_name = g_strdup(last);
        return 0;
}

/* Something was made; its inode. What somebody else removed or replaced meanwhile is his. */
static int made(struct fm_inode *parent, const char *name, struct fm_inode **ret, struct stat *ret_stat)
{
        return fm_inode_lookup(parent, name, ret, ret_stat);
}

int fm_backing_mknod(const struct fm_caller *caller, struct fm_inode *parent, const char *name, mode_t mode, dev_t rdev,
                     struct fm_inode **ret, struct stat *ret_stat)
{
        int fd, r;

        if (!fm_name_is_component(name))
                return -EINVAL;
        fd = fm_inode_pin(parent);
        if (fd < 0)
                return fd;
        fm_credentials_set_umask(caller);
        fm_credentials_prepare(caller, mode);
        r = FM_AS_CALLER(caller, FM_NEG(mknodat(fd, name, mode, rdev)));
        fm_inode_unpin(parent);
        return r < 0 ? r : made(parent, name, ret, ret_stat);
}

int fm_backing_mkdir(const struct fm_caller *caller, struct fm_inode *parent, const char *name, mode_t mode,
                     struct fm_inode **ret, struct stat *ret_stat)
{
        int fd, r;

        if (!fm_name_is_component(name))
                return -EINVAL;
        fd = fm_inode_pin(parent);
        if (fd < 0)
                return fd;
        fm_credentials_set_umask(caller);
        r = FM_AS_CALLER(caller, FM_NEG(mkdirat(fd, name, mode)));
        fm_inode_unpin(parent);
        return r < 0 ? r : made(parent, name, ret, ret_stat);
}

int fm_backing_symlink(const struct fm_caller *caller, struct fm_inode *parent, const char *name, const char *target,
                       struct fm_inode **ret, struct stat *ret_stat)
{
        int fd, r;

        if (!fm_name_is_component(name))
                return -EINVAL;
        fd = fm_inode_pin(parent);
        if (fd < 0)
                return fd;
        r = FM_AS_CALLER(caller, FM_NEG(symlinkat(target, fd, name)));
        fm_inode_unpin(parent);
        return r < 0 ? r : made(parent, name, ret, ret_stat);
}

int fm_backing_link(const struct fm_caller *caller, struct fm_inode *inode, struct fm_inode *parent, const char *name,
                    struct fm_inode **ret, struct stat *ret_stat)
{
        struct fm_proc_path path;
        int fd, dir_fd, r;

        if (!fm_name_is_component(name))
                return -EINVAL;
        fd = fm_inode_pin(inode);
        if (fd < 0)
                return fd;
        dir_fd = fm_inode_pin(parent);
        if (dir_fd < 0) {
                fm_inode_unpin(inode);
                return dir_fd;
        }
        /* AT_EMPTY_PATH would need a capability that the caller's identity takes away. */
        path = fm_proc_path(fd);
        r = FM_AS_CALLER(caller, FM_NEG(linkat(AT_FDCWD, path.text, dir_fd, name, AT_SYMLINK_FOLLOW)));
        fm_inode_unpin(parent);
        fm_inode_unpin(inode);
        if (r < 0)
                return r;
        fm_inode_renamed(inode, parent, name);
        return made(parent, name, ret, ret_stat);
}

static int remove_name(const struct fm_caller *caller, struct fm_inode *parent, const char *name, int flags)
{
        struct fm_inode *inode;
        struct stat st;
        bool pinned;
        int fd, r;

        if (!fm_name_is_component(name))
                return flags == AT_REMOVEDIR && strcmp(name, ".") == 0 ? -EINVAL : -ENOTEMPTY;
        fd = fm_inode_pin(parent);
        if (fd < 0)
                return fd;
        inode = fm_inode_peek(parent, name, &st);
        /* Without a name its descriptor can't be had again. */
        pinned = inode && fm_inode_pin(inode) >= 0;
        r = FM_AS_CALLER(caller, FM_NEG(unlinkat(fd, name, flags)));
        if (r == 0)
                fm_inode_unnamed(inode, parent, name, S_ISDIR(st.st_mode) || st.st_nlink == 1);
        if (pinned)
                fm_inode_unpin(inode);
        fm_inode_unref(inode);
        fm_inode_unpin(parent);
        return r;
}

int fm_backing_unlink(const struct fm_caller *caller, struct fm_inode *parent, const char *name)
{
        return remove_name(caller, parent, name, 0);
}

int fm_backing_rmdir(const struct fm_caller *caller, struct fm_inode *parent, const char *name)
{
        return remove_name(caller, parent, name, AT_REMOVEDIR);
}

int fm_backing_rename(const struct fm_caller *caller, struct fm_inode *parent, const char *name,
                      struct fm_inode *new_parent, const char *new_name, unsigned flags)
{
        struct fm_inode *moved, *replaced;
        struct stat st, replaced_st;
        bool pinned;
        int fd, new_fd, r;

        if (!fm_name_is_component(name) || !fm_name_is_component(new_name))
                return -EINVAL;
        fd = fm_inode_pin(parent);
        if (fd < 0)
                return fd;
        new_fd = fm_inode_pin(new_parent);
        if (new_fd < 0) {
                fm_inode_unpin(parent);
                return new_fd;
        }
        moved = fm_inode_peek(parent, name, &st);
        replaced = fm_inode_peek(new_parent, new_name, &replaced_st);
        pinned = replaced && fm_inode_pin(replaced) >= 0;
        r = FM_AS_CALLER(caller, FM_NEG(renameat2(fd, name, new_fd, new_name, flags)));
        /* Renaming one link of a file to another one of it changes nothing. */
        if (r == 0 && !(moved && moved == replaced)) {
                fm_inode_renamed(moved, new_parent, new_name);
                if (flags & RENAME_EXCHANGE)
                        fm_inode_renamed(replaced, parent, name);
                else
                        fm_inode_unnamed(replaced, new_parent, new_name,
                                         S_ISDIR(replaced_st.st_mode) || replaced_st.st_nlink == 1);
        }
        if (pinned)
                fm_inode_unpin(replaced);
        fm_inode_unref(moved);
        fm_inode_unref(replaced);
        fm_inode_unpin(new_parent);
        fm_inode_unpin(parent);
        return r;
}
