/* SPDX-License-Identifier: MIT */
/* The inode table: identity, names, descriptors. */
#include <errno.h>
#include <unistd.h>

#include "fuse/inode-internal.h"
#include "scratch.h"

static void assert_path(struct fm_inode *inode, const char *wanted)
{
        g_autofree char *path = fm_inode_path(inode);

        g_assert_cmpstr(path, ==, wanted);
}

static void test_identity(struct scratch *scratch, gconstpointer data)
{
        g_autofree char *from = scratch_path(scratch, "a"), *to = scratch_path(scratch, "hard");
        g_autofree char *symbolic = scratch_path(scratch, "symbolic");
        struct fm_inode *a, *again, *hard, *symlink_inode;

        scratch_write(scratch, "a", "text");
        g_assert_cmpint(link(from, to), ==, 0);
        g_assert_cmpint(symlink("a", symbolic), ==, 0);
        a = scratch_lookup(scratch, NULL, "a");
        again = scratch_lookup(scratch, NULL, "a");
        hard = scratch_lookup(scratch, NULL, "hard");
        symlink_inode = scratch_lookup(scratch, NULL, "symbolic");
        g_assert_true(a == again);
        g_assert_true(a == hard);
        g_assert_true(symlink_inode != a);
        g_assert_true(S_ISLNK(symlink_inode->type));
        g_assert_cmpuint(fm_inode_table_size(scratch->session->inodes), ==, 3);
        fm_inode_unref(a);
        fm_inode_unref_n(hard, 2);
        fm_inode_unref(symlink_inode);
        g_assert_cmpuint(fm_inode_table_size(scratch->session->inodes), ==, 1);
}

/* Where filters show a file, and where it is: two paths, for it and what is below it. */
static void assert_shown(struct fm_inode *inode, const char *shown, const char *real)
{
        g_autofree char *path = fm_inode_shown_path(inode);

        g_assert_cmpstr(path, ==, shown);
        assert_path(inode, real);
}

static void test_shown(struct scratch *scratch, gconstpointer data)
{
        struct fm_inode *root = scratch->session->root, *real, *inside, *top;

        scratch_mkdir(scratch, "real");
        scratch_mkdir(scratch, "top");
        scratch_write(scratch, "real/inside", "text");
        real = scratch_lookup(scratch, NULL, "real");
        inside = scratch_lookup(scratch, real, "inside");
        top = scratch_lookup(scratch, NULL, "top");
        assert_shown(inside, "/real/inside", "/real/inside");
        g_assert_cmpint(fm_inode_show(real, top, "shown"), ==, 0);
        assert_shown(real, "/top/shown", "/real");
        assert_shown(inside, "/top/shown/inside", "/real/inside");
        /* Somewhere else, and never inside itself. */
        g_assert_cmpint(fm_inode_show(real, root, "elsewhere"), ==, 0);
        assert_shown(inside, "/elsewhere/inside", "/real/inside");
        g_assert_cmpint(fm_inode_show(real, real, "itself"), ==, -ELOOP);
        assert_shown(real, "/elsewhere", "/real");
        g_assert_cmpint(fm_inode_show(top, real, "below"), ==, 0);
        g_assert_cmpint(fm_inode_show(real, top, "loop"), ==, -ELOOP);
        assert_shown(top, "/elsewhere/below", "/top");
        /* It goes when nobody shows it any more, and with a rename of the file itself. */
        g_assert_cmpint(fm_inode_show(top, NULL, NULL), ==, 0);
        assert_shown(top, "/top", "/top");
        g_assert_cmpint(fm_backing_rename(NULL, root, "real", root, "renamed", 0), ==, 0);
        assert_shown(inside, "/renamed/inside", "/renamed/inside");
        g_assert_cmpint(fm_inode_show(real, top, "shown"), ==, 0);
        /* What it is shown in stays as long as it is. */
        fm_inode_unref(top);
        assert_shown(inside, "/top/shown/inside", "/renamed/inside");
        fm_inode_unref(inside);
        fm_inode_unref(real);
        g_assert_cmpuint(fm_inode_table_size(scratch->session->inodes), ==, 1);
}

static void test_paths(struct scratch *scratch, gconstpointer data)
{
        struct fm_inode *root = scratch->session->root, *d, *e, *f, *g;

        scratch_mkdir(scratch, "d");
        scratch_mkdir(scratch, "d/e");
        scratch_write(scratch, "d/e/f", "text");
        scratch_write(scratch, "g", "other");
        d = scratch_lookup(scratch, NULL, "d");
        e = scratch_lookup(scratch, d, "e");
        f = scratch_lookup(scratch, e, "f");
        g = scratch_lookup(scratch, NULL, "g");
        assert_path(root, "/");
        assert_path(f, "/d/e/f");

        g_assert_cmpint(fm_backing_rename(NULL, root, "d", root, "moved", 0), ==, 0);
        assert_path(f, "/moved/e/f");
        g_assert_cmpint(fm_backing_rename(NULL, e, "f", root, "g", RENAME_NOREPLACE), ==, -EEXIST);
        assert_path(f, "/moved/e/f");
        g_assert_cmpint(fm_backing_rename(NULL, e, "f", root, "g", RENAME_EXCHANGE), ==, 0);
        assert_path(f, "/g");
        assert_path(g, "/moved/e/f");
        /* What is replaced has no name any more, but is still the file that it was. */
        g_assert_cmpint(fm_backing_rename(NULL, root, "g", e, "f", 0), ==, 0);
        assert_path(f, "/moved/e/f");
        assert_path(g, NULL);
        g_assert_cmpint(fm_backing_unlink(NULL, e, "f"), ==, 0);
        assert_path(f, NULL);
        g_assert_cmpint(fm_backing_rmdir(NULL, d, "e"), ==, 0);
        assert_path(e, NULL);
        fm_inode_unref(d);
        fm_inode_unref(e);
        fm_inode_unref(f);
        fm_inode_unref(g);
}

static void test_no_escape(struct scratch *scratch, gconstpointer data)
{
        static const char *const names[] = {"", ".", "..", "d/f", "/", "/etc"};
        g_autofree char *out = scratch_path(scratch, "out");
        struct fm_inode *inode, *parent;
        g_autofree char *name = NULL;
        struct fm_file *file;
        unsigned i;

        scratch_mkdir(scratch, "d");
        scratch_write(scratch, "d/f", "text");
        g_assert_cmpint(symlink("/etc", out), ==, 0);
        for (i = 0; i < G_N_ELEMENTS(names); i++) {
                g_assert_cmpint(fm_inode_lookup(scratch->session->root, names[i], &inode, NULL), ==, -EINVAL);
                g_assert_cmpint(
                        fm_backing_create(NULL, scratch->session->root, names[i], 0600, O_RDWR, &file, NULL, NULL), ==,
                        -EINVAL);
        }
        g_assert_cmpint(fm_backing_resolve(scratch->session, "/d/../d/f", &parent, &name), ==, -EINVAL);
        g_assert_cmpint(fm_backing_resolve(scratch->session, "/out/passwd", &parent, &name), ==, -ELOOP);
        g_assert_cmpint(fm_backing_resolve(scratch->session, "/none/x", &parent, &name), ==, -ENOENT);
        g_assert_cmpint(fm_backing_resolve(scratch->session, "//d///f", &parent, &name), ==, 0);
        g_assert_cmpstr(name, ==, "f");
        assert_path(parent, "/d");
        fm_inode_unref(parent);

        inode = scratch_lookup(scratch, NULL, "out");
        g_assert_cmpint(fm_backing_open(NULL, inode, O_RDONLY, &file), ==, -ELOOP);
        g_assert_cmpint(fm_inode_lookup(inode, "passwd", &parent, NULL), ==, -ENOTDIR);
        fm_inode_unref(inode);
}

static void test_descriptors(struct scratch *scratch, gconstpointer data)
{
        struct fm_inode *inodes[100];
        unsigned i;

        for (i = 0; i < G_N_ELEMENTS(inodes); i++) {
                g_autofree char *name = g_strdup_printf("%u", i);

                scratch_write(scratch, name, name);
                inodes[i] = scratch_lookup(scratch, NULL, name);
        }
        g_assert_cmpuint(fm_inode_table_open_fds(scratch->session->inodes), <=, GPOINTER_TO_UINT(data) + 1);
        for (i = 0; i < G_N_ELEMENTS(inodes); i++) {
                struct stat st;
                int fd = fm_inode_pin(inodes[i]);

                g_assert_cmpint(fd, >=, 0);
                g_assert_cmpint(fstat(fd, &st), ==, 0);
                g_assert_cmpuint(st.st_ino, ==, inodes[i]->ino);
                fm_inode_unpin(inodes[i]);
        }
        g_assert_cmpuint(fm_inode_table_open_fds(scratch->session->inodes), <=, GPOINTER_TO_UINT(data) + 1);

        /* An open descriptor that is in use is never the one that goes. */
        g_assert_cmpint(fm_inode_pin(inodes[0]), >=, 0);
        for (i = 1; i < G_N_ELEMENTS(inodes); i++) {
                g_assert_cmpint(fm_inode_pin(inodes[i]), >=, 0);
                fm_inode_unpin(inodes[i]);
        }
        g_assert_cmpint(atomic_load(&inodes[0]->fd), >=, 0);
        fm_inode_unpin(inodes[0]);

        /* Nor that of a file which has lost its name. */
        g_assert_cmpint(fm_backing_unlink(NULL, scratch->session->root, "5"), ==, 0);
        for (i = 6; i < G_N_ELEMENTS(inodes); i++) {
                g_assert_cmpint(fm_inode_pin(inodes[i]), >=, 0);
                fm_inode_unpin(inodes[i]);
        }
        g_assert_cmpint(fm_inode_pin(inodes[5]), >=, 0);
        fm_inode_unpin(inodes[5]);
        for (i = 0; i < G_N_ELEMENTS(inodes); i++)
                fm_inode_unref(inodes[i]);
}

static void test_replaced(struct scratch *scratch, gconstpointer data)
{
        g_autofree char *path = scratch_path(scratch, "a"), *other = scratch_path(scratch, "b");
        struct fm_inode *before, *after;

        scratch_write(scratch, "a", "one");
        scratch_write(scratch, "b", "two");
        before = scratch_lookup(scratch, NULL, "a");
        g_assert_cmpint(rename(other, path), ==, 0);
        after = scratch_lookup(scratch, NULL, "a");
        g_assert_true(before != after);
        g_assert_cmpuint(before->public_ino, !=, after->public_ino);
        assert_path(after, "/a");
        fm_inode_unref(before);
        fm_inode_unref(after);
}

static void test_checked_ids(struct scratch *scratch, gconstpointer data)
{
        struct fm_inode *inode, *checked;
        uint64_t id;

        scratch_write(scratch, "a", "one");
        inode = scratch_lookup(scratch, NULL, "a");
        id = fm_inode_id(inode);
        g_assert_true(fm_inode_from_id(scratch->session, id) == inode);
        checked = fm_inode_ref_checked(scratch->session, id);
        g_assert_true(checked == inode);
        fm_inode_unref_n(inode, 2);
        g_assert_null(fm_inode_ref_checked(scratch->session, id));
        g_assert_null(fm_inode_ref_checked(scratch->session, 0xdeadbeef));
        g_assert_null(fm_inode_ref_checked(scratch->session, 0));
        checked = fm_inode_ref_checked(scratch->session, 1);
        g_assert_true(checked == scratch->session->root);
        fm_inode_unref(checked);
}

static void test_numbers(struct scratch *scratch, gconstpointer data)
{
        struct fm_inode_table *table = scratch->session->inodes;
        struct fm_device own = {.index = 0}, first = {.index = 1}, many = {.index = FM_DEVICE_INDEX_MAX + 1};
        const ino_t huge = (UINT64_C(1) << 48) | 7;
        uint64_t numbers[5];
        unsigned i, j;

        numbers[0] = fm_inode_public_number(table, &own, 7);
        numbers[1] = fm_inode_public_number(table, &first, 7);
        numbers[2] = fm_inode_public_number(table, &many, 7);
        numbers[3] = fm_inode_public_number(table, &own, huge);
        numbers[4] = fm_inode_public_number(table, &first, huge);
        g_assert_cmpuint(numbers[0], ==, 7);
        for (i = 0; i < G_N_ELEMENTS(numbers); i++) {
                for (j = 0; j < i; j++)
                        g_assert_cmpuint(numbers[i], !=, numbers[j]);
        }
        g_assert_cmpuint(fm_inode_public_number(table, &many, 7), ==, numbers[2]);
        g_assert_cmpuint(fm_inode_public_number(table, &own, huge), ==, numbers[3]);
}

static void add(const char *name, unsigned fd_limit, void (*test)(struct scratch *scratch, gconstpointer data))
{
        g_test_add(name, struct scratch, GUINT_TO_POINTER(fd_limit), scratch_setup, test, scratch_teardown);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        add("/inode/identity", 0, test_identity);
        add("/inode/paths", 0, test_paths);
        add("/inode/shown", 0, test_shown);
        add("/inode/no-escape", 0, test_no_escape);
        add("/inode/descriptors", 4, test_descriptors);
        add("/inode/replaced", 0, test_replaced);
        add("/inode/replaced-without-descriptor", 1, test_replaced);
        add("/inode/checked-ids", 0, test_checked_ids);
        add("/inode/numbers", 0, test_numbers);
        return g_test_run();
}
