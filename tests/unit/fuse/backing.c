/* SPDX-License-Identifier: MIT */
/* The backing file system: files, directories, locks; what it hands to the kernel as errors. */
#include <errno.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "fuse/mountinfo.h"
#include "fuse/request-internal.h"
#include "nt/cancel.h"
#include "scratch.h"

static struct fm_file *create(struct scratch *scratch, const char *name, int flags)
{
        struct fm_file *file = NULL;

        g_assert_cmpint(fm_backing_create(NULL, scratch->session->root, name, 0644, flags, &file, NULL, NULL), ==, 0);
        return file;
}

static void assert_content(struct fm_file *file, const char *wanted)
{
        char buffer[64] = "";

        g_assert_cmpint(fm_backing_read(file, buffer, sizeof(buffer) - 1, 0), ==, strlen(wanted));
        g_assert_cmpstr(buffer, ==, wanted);
}

static void test_create(struct scratch *scratch, gconstpointer data)
{
        struct fm_inode *root = scratch->session->root;
        struct fm_file *file, *second;
        struct stat st;
        bool created;

        g_assert_cmpint(fm_backing_create(NULL, root, "f", 0640, O_RDWR, &file, &created, &st), ==, 0);
        g_assert_true(created);
        g_assert_cmpuint(st.st_mode, ==, S_IFREG | 0640);
        g_assert_false(file->written);
        g_assert_cmpint(fm_backing_write(NULL, file, "hello", 5, 0), ==, 5);
        g_assert_true(file->written);
        g_assert_cmpint(fm_backing_create(NULL, root, "f", 0640, O_RDWR | O_EXCL, &second, &created, &st), ==, -EEXIST);
        g_assert_cmpint(fm_backing_create(NULL, root, "f", 0640, O_RDWR, &second, &created, &st), ==, 0);
        g_assert_false(created);
        g_assert_true(second->inode == file->inode);
        assert_content(second, "hello");
        fm_file_free(second);
        g_assert_cmpint(fm_backing_create(NULL, root, "f", 0640, O_RDWR | O_TRUNC, &second, &created, &st), ==, 0);
        g_assert_false(created);
        g_assert_cmpint(st.st_size, ==, 0);
        g_assert_true(second->written);
        fm_file_free(second);
        fm_file_free(file);
        scratch_mkdir(scratch, "d");
        g_assert_cmpint(fm_backing_create(NULL, root, "d", 0640, O_RDWR, &second, &created, &st), ==, -EISDIR);
}

static void test_append(struct scratch *scratch, gconstpointer data)
{
        struct fm_file *file = create(scratch, "f", O_RDWR | O_APPEND);

        g_assert_cmpint(fm_backing_write(NULL, file, "abc", 3, 0), ==, 3);
        g_assert_cmpint(fm_backing_write(NULL, file, "def", 3, 0), ==, 3);
        assert_content(file, "abcdef");
        /* A page of a mapping goes where it belongs. */
        g_assert_cmpint(fm_backing_write_at(NULL, file, "X", 1, 1, false), ==, 1);
        assert_content(file, "aXcdef");
        fm_file_free(file);
}

static void test_tmpfile(struct scratch *scratch, gconstpointer data)
{
        struct fm_inode *root = scratch->session->root, *linked;
        struct fm_file *file;
        struct stat st;
        g_autofree char *path = NULL;
        int r = fm_backing_tmpfile(NULL, root, 0600, O_RDWR, &file, &st);

        if (r == -EOPNOTSUPP) {
                g_test_skip("the file system of the temporary directory has no O_TMPFILE");
                return;
        }
        g_assert_cmpint(r, ==, 0);
        g_assert_cmpuint(st.st_nlink, ==, 0);
        g_assert_null(fm_inode_path(file->inode));
        g_assert_cmpint(fm_backing_link(NULL, file->inode, root, "named", &linked, &st), ==, 0);
        g_assert_true(linked == file->inode);
        path = fm_inode_path(linked);
        g_assert_cmpstr(path, ==, "/named");
        fm_inode_unref(linked);
        fm_file_free(file);
}

struct reading {
        GHashTable *seen;
        unsigned stop_after;
        off_t next;
};

static bool take(const struct fm_directory_entry *entry, void *data)
{
        struct reading *reading = data;

        if (reading->stop_after == 0)
                return false;
        reading->stop_after--;
        /* Nothing comes twice. */
        g_assert_true(g_hash_table_add(reading->seen, g_strdup(entry->name)));
        reading->next = entry->next;
        return true;
}

static void test_readdir(struct scratch *scratch, gconstpointer data)
{
        g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        struct reading reading = {.seen = seen};
        struct fm_file *file;
        unsigned i, before;

        for (i = 0; i < 500; i++) {
                g_autofree char *name = g_strdup_printf("%u", i);

                scratch_write(scratch, name, "");
        }
        g_assert_cmpint(fm_backing_open(NULL, scratch->session->root, O_RDONLY, &file), ==, 0);
        do {
                before = g_hash_table_size(seen);
                reading.stop_after = 7;
                g_assert_cmpint(fm_backing_readdir(file, reading.next, take, &reading), ==, 0);
        } while (g_hash_table_size(seen) != before);
        g_assert_cmpuint(g_hash_table_size(seen), ==, 502);

        /* From the start again, with what was added since. */
        scratch_write(scratch, "later", "");
        g_hash_table_remove_all(seen);
        reading.stop_after = 1000;
        g_assert_cmpint(fm_backing_readdir(file, 0, take, &reading), ==, 0);
        g_assert_true(g_hash_table_contains(seen, "later"));
        fm_file_free(file);
}

static int set_lock(struct fm_file *file, uint64_t owner, short type, off_t start, off_t length)
{
        struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};

        return fm_backing_setlk(file, owner, 1000 + owner, &lock, false, NULL);
}

static void test_locks(struct scratch *scratch, gconstpointer data)
{
        struct fm_file *file = create(scratch, "f", O_RDWR), *second = create(scratch, "f", O_RDWR);
        struct flock query = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        g_autofree char *path = scratch_path(scratch, "f");
        int outside = open(path, O_RDWR | O_CLOEXEC);

        g_assert_cmpint(outside, >=, 0);
        g_assert_cmpint(set_lock(file, 1, F_WRLCK, 0, 10), ==, 0);
        g_assert_cmpint(set_lock(second, 2, F_WRLCK, 5, 10), ==, -EAGAIN);
        g_assert_cmpint(set_lock(second, 2, F_WRLCK, 10, 10), ==, 0);
        /* One owner's locks merge and split; that he has two handles does not matter. */
        g_assert_cmpint(set_lock(second, 1, F_WRLCK, 5, 5), ==, 0);
        g_assert_cmpint(set_lock(file, 1, F_UNLCK, 4, 2), ==, 0);
        g_assert_cmpint(set_lock(second, 2, F_WRLCK, 4, 2), ==, 0);
        g_assert_cmpint(set_lock(second, 2, F_WRLCK, 3, 1), ==, -EAGAIN);
        /* Who is in the way. */
        query.l_start = 0;
        query.l_len = 3;
        g_assert_cmpint(fm_backing_getlk(second, 2, &query), ==, 0);
        g_assert_cmpint(query.l_type, ==, F_WRLCK);
        g_assert_cmpint(query.l_pid, ==, 1001);
        /* Real locks: others who lock the file meet them. */
        query = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET};
        g_assert_cmpint(fcntl(outside, F_OFD_SETLK, &query), ==, -1);
        g_assert_cmpint(errno, ==, EAGAIN);
        /* A closed file takes its owner's locks along. */
        g_assert_cmpint(fm_backing_flush(file, 1), ==, 0);
        g_assert_cmpint(set_lock(second, 2, F_WRLCK, 0, 0), ==, 0);
        fm_file_free(second);
        g_assert_cmpint(fcntl(outside, F_OFD_SETLK, &query), ==, 0);
        close(outside);
        fm_file_free(file);
}

struct waiting {
        struct fm_file *file;
        struct fm_cancel cancel;
        bool whole_file;
        int result;
        _Atomic bool over;
};

static void *wait_for_lock(void *data)
{
        struct waiting *waiting = data;
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

        waiting->result = waiting->whole_file ? fm_backing_flock(waiting->file, LOCK_EX, &waiting->cancel)
                                              : fm_backing_setlk(waiting->file, 2, 2, &lock, true, &waiting->cancel);
        atomic_store(&waiting->over, true);
        return NULL;
}

static void test_cancel(struct scratch *scratch, gconstpointer data)
{
        struct fm_file *file = create(scratch, "f", O_RDWR);
        struct waiting waiting = {.file = create(scratch, "f", O_RDWR), .whole_file = data != NULL};
        pthread_t thread;

        if (waiting.whole_file)
                g_assert_cmpint(fm_backing_flock(file, LOCK_EX, NULL), ==, 0);
        else
                g_assert_cmpint(set_lock(file, 1, F_WRLCK, 0, 0), ==, 0);
        fm_cancel_init(&waiting.cancel);
        g_assert_cmpint(pthread_create(&thread, NULL, wait_for_lock, &waiting), ==, 0);
        fm_cancel_signal(&waiting.cancel, false);
        /* Whether it has begun to wait or not: the signal is repeated until it has left. */
        while (!atomic_load(&waiting.over)) {
                fm_backing_wake_cancelled();
                g_thread_yield();
        }
        pthread_join(thread, NULL);
        g_assert_cmpint(waiting.result, ==, -EINTR);
        fm_cancel_deinit(&waiting.cancel);
        fm_file_free(waiting.file);
        fm_file_free(file);
}

static void test_cancel_range(struct scratch *scratch, gconstpointer data)
{
        test_cancel(scratch, NULL);
}

static void test_cancel_whole(struct scratch *scratch, gconstpointer data)
{
        test_cancel(scratch, "flock");
}

static void test_unknown_ioctl(struct scratch *scratch, gconstpointer data)
{
        struct fm_file *file = create(scratch, "f", O_RDWR);
        char buffer[64] = "";

        g_assert_cmpint(fm_backing_ioctl(NULL, file, 0x5401, buffer, buffer), ==, -ENOTTY);
        g_assert_cmpuint(fm_backing_ioctl_size(0x5401), ==, 0);
        fm_file_free(file);
}

static void test_reply_errors(void)
{
        g_assert_cmpint(fm_reply_errno(0), ==, 0);
        g_assert_cmpint(fm_reply_errno(ENOENT), ==, ENOENT);
        g_assert_cmpint(fm_reply_errno(ENOSYS), ==, EOPNOTSUPP);
        g_assert_cmpint(fm_reply_errno(511), ==, 511);
        g_assert_cmpint(fm_reply_errno(512), ==, EIO);
        g_assert_cmpint(fm_reply_errno(-1), ==, EIO);
}

static void test_mounts(void)
{
        struct fm_mount_entry entry;
        g_autofree char *here = g_get_current_dir();
        g_autofree char *below = g_build_filename(here, "no-such-mount-point", NULL);
        char *path;

        g_assert_true(fm_mount_find("/proc", &entry));
        g_assert_cmpstr(entry.type, ==, "proc");
        fm_mount_entry_deinit(&entry);
        g_assert_false(fm_mount_find(below, &entry));

        path = fm_mount_path_resolve("/proc/");
        g_assert_cmpstr(path, ==, "/proc");
        free(path);
        path = fm_mount_path_resolve("/proc/../proc");
        g_assert_cmpstr(path, ==, "/proc");
        free(path);
}

static void add(const char *name, void (*test)(struct scratch *scratch, gconstpointer data))
{
        g_test_add(name, struct scratch, NULL, scratch_setup, test, scratch_teardown);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        add("/backing/create", test_create);
        add("/backing/append", test_append);
        add("/backing/tmpfile", test_tmpfile);
        add("/backing/readdir", test_readdir);
        add("/backing/locks", test_locks);
        add("/backing/cancelled-range-lock", test_cancel_range);
        add("/backing/cancelled-flock", test_cancel_whole);
        add("/backing/unknown-ioctl", test_unknown_ioctl);
        g_test_add_func("/backing/reply-errors", test_reply_errors);
        g_test_add_func("/backing/mounts", test_mounts);
        return g_test_run();
}
