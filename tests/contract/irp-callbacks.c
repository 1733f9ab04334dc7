/* SPDX-License-Identifier: MIT */
/* What a filter can do to an operation, with a mount around it: opens that are undone, names. */
#include "irp-harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nt/unicode.h"
#include "nt/verifier.h"

#define IN(variable, name) g_autofree char *variable = irp_in_mount(name)

static void touch(const char *name, const char *content)
{
        g_autofree char *path = irp_in_source(name);

        g_assert_true(g_file_set_contents(path, content, -1, NULL));
}

static char *content_of(const char *name)
{
        g_autofree char *path = irp_in_source(name);
        char *content = NULL;

        g_assert_true(g_file_get_contents(path, &content, NULL, NULL));
        return content;
}

/* ---- opens ---- */

static char read_in_post[16];
static NTSTATUS read_status;

static void read_it(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        LARGE_INTEGER offset = { .QuadPart = 0 };
        ULONG got = 0;

        memset(read_in_post, 0, sizeof(read_in_post));
        read_status = FltReadFile(objects->Instance, objects->FileObject, &offset, 5, read_in_post,
                                  FLTFL_IO_OPERATION_DO_NOT_UPDATE_BYTE_OFFSET, &got, NULL, NULL);
        g_assert_cmpuint(got, ==, 5);
}

/* The access of the handle does not matter to a filter. */
static void test_read_of_write_only(void)
{
        const struct irp_rule rule = { .major = IRP_MJ_CREATE, .class = -1, .in_post = true, .name_suffix = "f", .post = read_it };

        irp_set_up();
        IN(path, "f");
        touch("f", "hello");
        irp_set_rule(&rule);
        int fd = open(path, O_WRONLY);
        g_assert_cmpint(fd, >=, 0);
        irp_set_rule(NULL);
        g_assert_cmphex((guint32)read_status, ==, STATUS_SUCCESS);
        g_assert_cmpstr(read_in_post, ==, "hello");
        close(fd);
        irp_tear_down();
}

static void cancel_open(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        FltCancelFileOpen(objects->Instance, objects->FileObject);
        g_assert_true(objects->FileObject->Flags & FO_FILE_OPEN_CANCELLED);
        data->IoStatus.Status = STATUS_VIRUS_INFECTED;
        data->IoStatus.Information = 0;
}

/* What the open has done to the file stays. */
static void test_cancel_file_open(void)
{
        const struct irp_rule rule = { .major = IRP_MJ_CREATE, .class = -1, .in_post = true, .name_suffix = "f", .post = cancel_open };
        g_autofree char *content = NULL;

        irp_set_up();
        IN(path, "f");
        touch("f", "hello");
        irp_set_rule(&rule);
        g_assert_cmpint(open(path, O_WRONLY | O_TRUNC), ==, -1);
        g_assert_cmpint(errno, !=, ENOSYS);
        irp_set_rule(NULL);
        content = content_of("f");
        g_assert_cmpstr(content, ==, "");
        int fd = open(path, O_RDONLY);
        g_assert_cmpint(fd, >=, 0);
        close(fd);
        irp_tear_down();
}

/* ---- names ---- */

static char *names[3];
static NTSTATUS name_status[3];

static char *name_of(PFLT_CALLBACK_DATA data, FLT_FILE_NAME_OPTIONS format, NTSTATUS *status)
{
        PFLT_FILE_NAME_INFORMATION information;
        char *utf8, *copy;

        *status = FltGetFileNameInformation(data, format | FLT_FILE_NAME_QUERY_DEFAULT, &information);
        if (!NT_SUCCESS(*status))
                return NULL;
        g_assert_cmphex((guint32)FltParseFileNameInformation(information), ==, STATUS_SUCCESS);
        utf8 = fm_utf8_from_utf16(information->Name.Buffer + information->Volume.Length / sizeof(WCHAR),
                                  (information->Name.Length - information->Volume.Length) / sizeof(WCHAR));
        copy = g_strdup(utf8);
        free(utf8);
        FltReleaseFileNameInformation(information);
        return copy;
}

static void ask_names(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        static const FLT_FILE_NAME_OPTIONS formats[] = { FLT_FILE_NAME_OPENED, FLT_FILE_NAME_NORMALIZED, FLT_FILE_NAME_SHORT };

        for (int i = 0; i < 3; i++) {
                g_free(names[i]);
                names[i] = name_of(data, formats[i], &name_status[i]);
        }
}

static const struct irp_rule asks_pre = { .major = IRP_MJ_CREATE, .class = -1, .pre = ask_names };
static const struct irp_rule asks_read = { .major = IRP_MJ_READ, .class = -1, .pre = ask_names };

static void open_and_close(const char *path)
{
        int fd = open(path, O_RDONLY);

        g_assert_cmpint(fd, >=, 0);
        close(fd);
}

static void read_a_byte(int fd)
{
        char c;

        g_assert_cmpint((int)pread(fd, &c, 1, 0), ==, 1);
}

static void test_formats(void)
{
        irp_set_up();
        IN(directory, "directory");
        IN(path, "directory/some file.txt");
        g_assert_cmpint(mkdir(directory, 0755), ==, 0);
        touch("directory/some file.txt", "x");
        irp_set_rule(&asks_pre);
        open_and_close(path);
        irp_set_rule(NULL);
        g_assert_cmpstr(names[0], ==, "\\directory\\some file.txt");
        g_assert_cmpstr(names[1], ==, "\\directory\\some file.txt");
        /* Not in a pre-create. */
        g_assert_cmphex((guint32)name_status[2], ==, (guint32)STATUS_FLT_INVALID_NAME_REQUEST);
        irp_tear_down();
}

/* The parent is renamed while the file is open: names are asked for anew. */
static void test_rename_of_a_parent(void)
{
        irp_set_up();
        IN(old, "old");
        IN(new, "new");
        IN(path, "old/f");
        g_assert_cmpint(mkdir(old, 0755), ==, 0);
        touch("old/f", "x");
        int fd = open(path, O_RDONLY);
        g_assert_cmpint(fd, >=, 0);
        irp_set_rule(&asks_read);
        read_a_byte(fd);
        irp_set_rule(NULL);
        g_assert_cmpstr(names[1], ==, "\\old\\f");
        g_assert_cmpint(rename(old, new), ==, 0);
        irp_set_rule(&asks_read);
        read_a_byte(fd);
        irp_set_rule(NULL);
        g_assert_cmpstr(names[1], ==, "\\new\\f");
        close(fd);
        irp_tear_down();
}

/* Each of a file's links can be opened, and the name is one of them. */
static void test_hard_links(void)
{
        irp_set_up();
        IN(first, "first");
        IN(second, "second");
        touch("first", "x");
        g_assert_cmpint(link(first, second), ==, 0);
        irp_set_rule(&asks_pre);
        open_and_close(second);
        irp_set_rule(NULL);
        g_assert_true(g_str_equal(names[0], "\\second") || g_str_equal(names[0], "\\first"));
        g_assert_cmpint(unlink(first), ==, 0);
        irp_set_rule(&asks_pre);
        open_and_close(second);
        irp_set_rule(NULL);
        g_assert_cmpstr(names[0], ==, "\\second");
        g_assert_cmpstr(names[1], ==, "\\second");
        irp_tear_down();
}

/* Bytes that are no UTF-8, and characters that mean something to Windows, come through and back. */
static void test_odd_names(void)
{
        static const char *const odd[] = { "\xff\xfe raw", "a:b", "a\\b", "q?*\"<>|", "\x01" };

        irp_set_up();
        for (unsigned i = 0; i < G_N_ELEMENTS(odd); i++) {
                IN(path, odd[i]);
                int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0644);
                g_assert_cmpint(fd, >=, 0);
                g_assert_cmpint((int)write(fd, "x", 1), ==, 1);
                irp_set_rule(&asks_read);
                read_a_byte(fd);
                irp_set_rule(NULL);
                close(fd);
                g_assert_cmphex((guint32)name_status[1], ==, STATUS_SUCCESS);
                /* One component, without a stream. */
                g_assert_true(strrchr(names[1], '\\') == names[1]);
                g_assert_null(strchr(names[1], ':'));
                g_autofree char *below = irp_in_source(odd[i]);
                g_assert_cmpint(access(below, F_OK), ==, 0);
        }
        irp_tear_down();
}

static void no_violations(void)
{
        g_assert_cmpuint(fm_violation_count(), ==, 0);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        if (!irp_can_mount())
                return 0;
        g_test_add_func("/irp/callbacks/read-of-write-only", test_read_of_write_only);
        g_test_add_func("/irp/callbacks/cancel-file-open", test_cancel_file_open);
        g_test_add_func("/irp/callbacks/name-formats", test_formats);
        g_test_add_func("/irp/callbacks/rename-of-a-parent", test_rename_of_a_parent);
        g_test_add_func("/irp/callbacks/hard-links", test_hard_links);
        g_test_add_func("/irp/callbacks/odd-names", test_odd_names);
        g_test_add_func("/irp/callbacks/no-violations", no_violations);
        return g_test_run();
}
