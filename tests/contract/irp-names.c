/* SPDX-License-Identifier: MIT */
/* Names: which IRPs a system call makes, and which errno a filter's status becomes. */
#include "irp-harness.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static void touch(const char *name, const char *content)
{
        g_autofree char *path = irp_in_source(name);

        g_assert_true(g_file_set_contents(path, content, -1, NULL));
}

static bool exists(const char *name)
{
        g_autofree char *path = irp_in_source(name);
        struct stat st;

        return lstat(path, &st) == 0;
}

#define IN(variable, name) g_autofree char *variable = irp_in_mount(name)

static void test_unlink(void)
{
        irp_set_up();
        IN(path, "a");
        touch("a", "x");
        irp_clear();
        g_assert_cmpint(unlink(path), ==, 0);
        irp_expect("CREATE(OPEN,NONDIR,REPARSE) SET_INFORMATION(64) CLEANUP CLOSE");
        g_assert_false(exists("a"));
        g_assert_cmpstr(irp_record(0)->name, ==, "\\a");
        g_assert_cmphex(irp_record(0)->access & DELETE, ==, DELETE);
        g_assert_cmpuint(irp_record(0)->share, ==, 7);
        g_assert_cmpuint(irp_record(0)->pid, ==, (guint)getpid());
        g_assert_cmpint(irp_record(0)->mode, ==, UserMode);
        irp_tear_down();
}

static void test_unlink_denied(void)
{
        static const struct irp_rule deny = {
                .major = IRP_MJ_SET_INFORMATION, .class = -1, .status = STATUS_CANNOT_DELETE};

        irp_set_up();
        IN(path, "a");
        touch("a", "x");
        irp_clear();
        irp_set_rule(&deny);
        g_assert_cmpint(unlink(path), ==, -1);
        g_assert_cmpint(errno, ==, EACCES);
        /* What was opened is closed all the same. */
        irp_expect("CREATE(OPEN,NONDIR,REPARSE) SET_INFORMATION(64) CLEANUP CLOSE");
        g_assert_true(exists("a"));
        irp_tear_down();
}

static void test_unlink_open_denied(void)
{
        static const struct irp_rule deny = {
                .major = IRP_MJ_CREATE, .class = -1, .status = STATUS_ACCESS_DENIED};

        irp_set_up();
        IN(path, "a");
        touch("a", "x");
        irp_clear();
        irp_set_rule(&deny);
        g_assert_cmpint(unlink(path), ==, -1);
        g_assert_cmpint(errno, ==, EACCES);
        irp_expect("CREATE(OPEN,NONDIR,REPARSE)");
        g_assert_true(exists("a"));
        irp_tear_down();
}

static void test_rmdir(void)
{
        irp_set_up();
        IN(path, "d");
        IN(inside, "d/f");
        g_autofree char *source = irp_in_source("d");

        g_assert_cmpint(mkdir(source, 0755), ==, 0);
        touch("d/f", "x");
        irp_clear();
        g_assert_cmpint(rmdir(path), ==, -1);
        g_assert_cmpint(errno, ==, ENOTEMPTY);
        irp_expect("CREATE(OPEN,DIR,REPARSE) SET_INFORMATION(64) CLEANUP CLOSE");
        g_assert_cmphex((guint)irp_record(1)->status, ==, (guint)STATUS_DIRECTORY_NOT_EMPTY);
        g_assert_cmpint(unlink(inside), ==, 0);
        irp_clear();
        g_assert_cmpint(rmdir(path), ==, 0);
        irp_expect("CREATE(OPEN,DIR,REPARSE) SET_INFORMATION(64) CLEANUP CLOSE");
        g_assert_false(exists("d"));
        irp_tear_down();
}

static void test_mkdir(void)
{
        irp_set_up();
        IN(path, "d");
        struct stat st;

        umask(022);
        g_assert_cmpint(mkdir(path, 0751), ==, 0);
        irp_expect("CREATE(CREATE,DIR) CLEANUP CLOSE");
        g_assert_cmpuint(irp_record(0)->information, ==, FILE_CREATED);
        g_assert_cmpint(stat(path, &st), ==, 0);
        g_assert_cmpint(st.st_mode & 07777, ==, 0751);
        g_assert_cmpint(mkdir(path, 0751), ==, -1);
        g_assert_cmpint(errno, ==, EEXIST);
        irp_tear_down();
}

static void test_mknod(void)
{
        irp_set_up();
        IN(regular, "r");
        IN(fifo, "p");
        struct stat st;

        g_assert_cmpint(mknod(regular, S_IFREG | 0640, 0), ==, 0);
        irp_expect("CREATE(CREATE,NONDIR) CLEANUP CLOSE");
        irp_clear();
        g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
        irp_expect("CREATE(CREATE,NONDIR,REPARSE) FSCTL(900a4) CLEANUP CLOSE");
        g_assert_cmpint(lstat(fifo, &st), ==, 0);
        g_assert_true(S_ISFIFO(st.st_mode));
        irp_tear_down();
}

static void test_symlink(void)
{
        static const struct irp_rule deny = {
                .major = IRP_MJ_FILE_SYSTEM_CONTROL, .class = -1, .status = STATUS_ACCESS_DENIED};

        irp_set_up();
        IN(path, "l");
        IN(other, "m");
        char target[64] = {0};

        g_assert_cmpint(symlink("some/where", path), ==, 0);
        irp_expect("CREATE(CREATE,NONDIR,REPARSE) FSCTL(900a4) CLEANUP CLOSE");
        irp_clear();
        g_assert_cmpint(readlink(path, target, sizeof(target) - 1), ==, 10);
        g_assert_cmpstr(target, ==, "some/where");
        irp_expect("CREATE(OPEN,REPARSE) FSCTL(900a8) CLEANUP CLOSE");
        /* Refused in the second step, nothing is there. */
        irp_set_rule(&deny);
        g_assert_cmpint(symlink("x", other), ==, -1);
        g_assert_cmpint(errno, ==, EACCES);
        g_assert_false(exists("m"));
        irp_tear_down();
}

/* A filter may change where a link leads. */
static void change_target(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        UCHAR *buffer = data->Iopb->Parameters.FileSystemControl.Buffered.SystemBuffer;

        memcpy(buffer + 12, "else", 4);
        FltSetCallbackDataDirty(data);
}

static void test_symlink_changed(void)
{
        static const struct irp_rule change = {
                .major = IRP_MJ_FILE_SYSTEM_CONTROL, .class = -1, .pre = change_target};

        irp_set_up();
        IN(path, "l");
        g_autofree char *source = irp_in_source("l");
        char target[64] = {0};

        irp_set_rule(&change);
        g_assert_cmpint(symlink("some/where", path), ==, 0);
        irp_set_rule(NULL);
        g_assert_cmpint(readlink(source, target, sizeof(target) - 1), ==, 10);
        g_assert_cmpstr(target, ==, "else/where");
        irp_tear_down();
}

static void test_rename(void)
{
        irp_set_up();
        IN(from, "a");
        IN(to, "d/b");
        g_autofree char *directory = irp_in_source("d");

        g_assert_cmpint(mkdir(directory, 0755), ==, 0);
        touch("a", "x");
        irp_clear();
        g_assert_cmpint(rename(from, to), ==, 0);
        irp_expect(
                "CREATE(OPEN,REPARSE) CREATE(OPEN,TARGET) SET_INFORMATION(65) CLEANUP CLOSE CLEANUP CLOSE");
        g_assert_cmpstr(irp_record(0)->name, ==, "\\a");
        g_assert_cmpstr(irp_record(1)->name, ==, "\\d\\b");
        g_assert_cmpuint(irp_record(1)->information, ==, FILE_DOES_NOT_EXIST);
        g_assert_true(exists("d/b"));
        g_assert_false(exists("a"));
        irp_tear_down();
}

static void test_rename_flags(void)
{
        irp_set_up();
        IN(a, "a");
        IN(b, "b");
        g_autofree char *content = NULL;

        touch("a", "1");
        touch("b", "2");
        irp_clear();
        g_assert_cmpint((int)syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, RENAME_NOREPLACE), ==, -1);
        g_assert_cmpint(errno, ==, EEXIST);
        irp_clear();
        g_assert_cmpint((int)syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE), ==, 0);
        irp_expect(
                "CREATE(OPEN,REPARSE) CREATE(OPEN,TARGET) SET_INFORMATION(65) CLEANUP CLOSE CLEANUP CLOSE "
                "CREATE(OPEN,REPARSE) CREATE(OPEN,TARGET) SET_INFORMATION(65) CLEANUP CLOSE CLEANUP CLOSE");
        g_assert_true(g_file_get_contents(a, &content, NULL, NULL));
        g_assert_cmpstr(content, ==, "2");
        irp_tear_down();
}

static void test_rename_denied(void)
{
        static const struct irp_rule deny = {
                .major = IRP_MJ_SET_INFORMATION,
                .class = FileRenameInformationEx,
                .status = STATUS_ACCESS_DENIED,
        };

        irp_set_up();
        IN(from, "a");
        IN(to, "b");
        touch("a", "x");
        irp_clear();
        irp_set_rule(&deny);
        g_assert_cmpint(rename(from, to), ==, -1);
        g_assert_cmpint(errno, ==, EACCES);
        irp_expect(
                "CREATE(OPEN,REPARSE) CREATE(OPEN,TARGET) SET_INFORMATION(65) CLEANUP CLOSE CLEANUP CLOSE");
        g_assert_true(exists("a"));
        g_assert_false(exists("b"));
        irp_tear_down();
}

static void test_link(void)
{
        irp_set_up();
        IN(from, "a");
        IN(to, "b");
        struct stat st;

        touch("a", "x");
        irp_clear();
        g_assert_cmpint(link(from, to), ==, 0);
        irp_expect(
                "CREATE(OPEN,REPARSE) CREATE(OPEN,TARGET) SET_INFORMATION(11) CLEANUP CLOSE CLEANUP CLOSE");
        g_assert_cmpint(stat(to, &st), ==, 0);
        g_assert_cmpint((int)st.st_nlink, ==, 2);
        irp_tear_down();
}

/* A name that is no UTF-8 and one with characters that Windows forbids come back as they were. */
static void test_odd_names(void)
{
        static const char *const names[] = {"\xff\xfe",  "a:b",      "back\\slash",
                                            "quo\"te*?", "\x01\x1f", "trailing. "};
        unsigned i;

        irp_set_up();
        for (i = 0; i < G_N_ELEMENTS(names); i++) {
                IN(path, names[i]);
                int fd = open(path, O_CREAT | O_EXCL | O_RDWR, 0600);

                g_assert_cmpint(fd, >=, 0);
                close(fd);
                g_assert_true(exists(names[i]));
                g_assert_cmpint(unlink(path), ==, 0);
                g_assert_false(exists(names[i]));
        }
        irp_tear_down();
}

/* After the last name has gone, the file object that deleted it says so; with another link left it does not.
 */
static NTSTATUS standard_status;
static NTSTATUS object_id_status;

static void ask_after_cleanup(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        FILE_STANDARD_INFORMATION standard;

        standard_status = FltQueryInformationFile(objects->Instance, objects->FileObject, &standard,
                                                  sizeof(standard), FileStandardInformation, NULL);
        object_id_status = FltFsControlFile(objects->Instance, objects->FileObject, 0x9009c, NULL, 0,
                                            &standard, sizeof(standard), NULL);
}

static void test_file_deleted(void)
{
        static const struct irp_rule ask = {
                .major = IRP_MJ_CLEANUP, .class = -1, .in_post = true, .post = ask_after_cleanup};

        irp_set_up();
        IN(a, "a");
        IN(b, "b");
        touch("a", "x");
        g_assert_cmpint(link(a, b), ==, 0);
        irp_set_rule(&ask);
        g_assert_cmpint(unlink(a), ==, 0);
        irp_set_rule(&ask);
        g_assert_cmphex((guint)standard_status, ==, STATUS_SUCCESS);
        g_assert_cmphex((guint)object_id_status, ==, (guint)STATUS_OBJECTID_NOT_FOUND);
        irp_set_rule(&ask);
        g_assert_cmpint(unlink(b), ==, 0);
        irp_set_rule(NULL);
        g_assert_cmphex((guint)standard_status, ==, (guint)STATUS_FILE_DELETED);
        g_assert_cmphex((guint)object_id_status, ==, (guint)STATUS_FILE_DELETED);
        irp_tear_down();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        if (!irp_can_mount())
                return 0;
        g_test_add_func("/irp/names/unlink", test_unlink);
        g_test_add_func("/irp/names/unlink-denied", test_unlink_denied);
        g_test_add_func("/irp/names/unlink-open-denied", test_unlink_open_denied);
        g_test_add_func("/irp/names/rmdir", test_rmdir);
        g_test_add_func("/irp/names/mkdir", test_mkdir);
        g_test_add_func("/irp/names/mknod", test_mknod);
        g_test_add_func("/irp/names/symlink", test_symlink);
        g_test_add_func("/irp/names/symlink-changed", test_symlink_changed);
        g_test_add_func("/irp/names/rename", test_rename);
        g_test_add_func("/irp/names/rename-flags", test_rename_flags);
        g_test_add_func("/irp/names/rename-denied", test_rename_denied);
        g_test_add_func("/irp/names/link", test_link);
        g_test_add_func("/irp/names/odd", test_odd_names);
        g_test_add_func("/irp/names/file-deleted", test_file_deleted);
        return g_test_run();
}
