/* SPDX-License-Identifier: MIT */
/*
 * Names that only filters know. A file whose name a filter maps is where it is in the backing directory, and
 * where the filter shows it to whoever looks it up through the mount. What the kernel asks about it is asked by the
 * second name, from the top of the filters; the bottom works with the first.
 */
#include <errno.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/inode.h"

enum {
        MAX_DEPTH = 8192, /* as in inode.c */
};

/* fm_inode_parent(), where it is shown. */
static struct fm_inode *shown_parent(struct fm_inode *inode, char **name)
{
        struct fm_inode *parent = NULL;

        if (atomic_load_explicit(&inode->is_shown, memory_order_acquire)) {
                pthread_mutex_lock(&inode->lock);
                if (inode->shown_parent) {
                        parent = fm_inode_ref(inode->shown_parent);
                        if (name)
                                *name = g_strdup(inode->shown_name);
                }
                pthread_mutex_unlock(&inode->lock);
        }
        return parent ? parent : fm_inode_parent(inode, name);
}

char *fm_inode_shown_path(struct fm_inode *inode)
{
        GString *path = g_string_new(NULL);
        struct fm_inode *at = fm_inode_ref(inode), *parent;
        unsigned depth = 0;

        while (at && !at->is_root) {
                char *name = NULL;

                parent = depth++ < MAX_DEPTH ? shown_parent(at, &name) : NULL;
                if (parent) {
                        g_string_prepend(path, name);
                        g_string_prepend_c(path, '/');
                }
                g_free(name);
                fm_inode_unref(at);
                at = parent;
        }
        if (!at) {
                g_string_free(path, true);
                return NULL;
        }
        fm_inode_unref(at);
        if (path->len == 0)
                g_string_append_c(path, '/');
        return g_string_free(path, false);
}

static bool is_inside(struct fm_inode *directory, struct fm_inode *inode)
{
        struct fm_inode *at = fm_inode_ref(directory), *parent;
        unsigned depth = 0;
        bool inside;

        while (at != inode && at && !at->is_root) {
                parent = depth++ < MAX_DEPTH ? shown_parent(at, NULL) : NULL;
                fm_inode_unref(at);
                at = parent;
        }
        inside = at == inode || !at;
        fm_inode_unref(at);
        return inside;
}

int fm_inode_show(struct fm_inode *inode, struct fm_inode *parent, const char *name)
{
        struct fm_inode *old;
        char *old_name;

        if (!parent && !atomic_load_explicit(&inode->is_shown, memory_order_relaxed))
                return 0;
        if (parent && is_inside(parent, inode))
                return -ELOOP;
        pthread_mutex_lock(&inode->lock);
        old = inode->shown_parent;
        old_name = inode->shown_name;
        inode->shown_parent = parent ? fm_inode_ref(parent) : NULL;
        inode->shown_name = parent ? g_strdup(name) : NULL;
        atomic_store_explicit(&inode->is_shown, parent != NULL, memory_order_release);
        pthread_mutex_unlock(&inode->lock);
        fm_inode_unref(old);
        g_free(old_name);
        return 0;
}
