/* SPDX-License-Identifier: MIT */
/* See scratch.h. */
#include "scratch.h"

#include <ftw.h>
#include <stdio.h>
#include <unistd.h>

void scratch_setup(struct scratch *scratch, gconstpointer fd_limit)
{
        g_autoptr(GError) error = NULL;
        int r;

        scratch->path = g_dir_make_tmp("fuse-test-XXXXXX", &error);
        g_assert_no_error(error);
        scratch->session = g_new0(struct fm_session, 1);
        pthread_mutex_init(&scratch->session->caching_lock, NULL);
        pthread_mutex_init(&scratch->session->files_lock, NULL);
        scratch->session->source_fd = open(scratch->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        g_assert_cmpint(scratch->session->source_fd, >=, 0);
        r = fm_inode_table_new(scratch->session, scratch->session->source_fd, GPOINTER_TO_UINT(fd_limit),
                               &scratch->session->inodes, &scratch->session->root);
        g_assert_cmpint(r, ==, 0);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        return remove(path);
}

void scratch_teardown(struct scratch *scratch, gconstpointer data)
{
        g_assert_null(scratch->session->files);
        fm_inode_table_free(scratch->session->inodes);
        close(scratch->session->source_fd);
        pthread_mutex_destroy(&scratch->session->caching_lock);
        pthread_mutex_destroy(&scratch->session->files_lock);
        g_free(scratch->session);
        nftw(scratch->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        g_free(scratch->path);
}

char *scratch_path(struct scratch *scratch, const char *name)
{
        return g_build_filename(scratch->path, name, NULL);
}

void scratch_write(struct scratch *scratch, const char *name, const char *text)
{
        g_autofree char *path = scratch_path(scratch, name);

        g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

void scratch_mkdir(struct scratch *scratch, const char *name)
{
        g_autofree char *path = scratch_path(scratch, name);

        g_assert_cmpint(g_mkdir(path, 0755), ==, 0);
}

struct fm_inode *scratch_lookup(struct scratch *scratch, struct fm_inode *parent, const char *name)
{
        struct fm_inode *inode = NULL;
        struct stat st;

        g_assert_cmpint(fm_inode_lookup(parent ? parent : scratch->session->root, name, &inode, &st), ==, 0);
        return inode;
}
