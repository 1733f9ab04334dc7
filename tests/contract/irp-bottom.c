/* SPDX-License-Identifier: MIT */
/*
 * The file system below the filters as filters use it: by name, with nothing of a FUSE request to help. And
 * what happens when a filter leads an open elsewhere.
 */
#include "irp-harness.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define IN(variable, name) g_autofree char *variable = irp_in_mount(name)

static void touch(const char *name, const char *content)
{
        g_autofree char *path = irp_in_source(name);

        g_assert_true(g_file_set_contents(path, content, -1, NULL));
}

static bool source_is(const char *name, const char *content)
{
        g_autofree char *path = irp_in_source(name), *text = NULL;

        return g_file_get_contents(path, &text, NULL, NULL) && strcmp(text, content) == 0;
}

struct opened {
        HANDLE handle;
        PFILE_OBJECT file;
        ULONG_PTR information;
        NTSTATUS status;
};

/* name: below the volume, with backslashes. */
static struct opened open_below(const WCHAR *name, size_t chars, ACCESS_MASK access, ULONG disposition,
                                ULONG options)
{
        struct opened opened = {0};
        IO_STATUS_BLOCK io = {0};
        OBJECT_ATTRIBUTES attributes;
        WCHAR buffer[256];
        UNICODE_STRING full = {.Buffer = buffer, .MaximumLength = sizeof(buffer)};
        UNICODE_STRING rest = {
                .Buffer = (WCHAR *)name, .Length = (USHORT)(chars * 2), .MaximumLength = (USHORT)(chars * 2)};

        RtlCopyUnicodeString(&full, &irp_instance()->volume->Name);
        RtlAppendUnicodeStringToString(&full, &rest);
        InitializeObjectAttributes(&attributes, &full, OBJ_KERNEL_HANDLE, NULL, NULL);
        opened.status = FltCreateFileEx(irp_filter(), irp_instance(), &opened.handle, &opened.file,
                                        access | SYNCHRONIZE, &attributes, &io, NULL, FILE_ATTRIBUTE_NORMAL,
                                        FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, disposition,
                                        options | FILE_SYNCHRONOUS_IO_NONALERT, NULL, 0, 0);
        opened.information = io.Information;
        return opened;
}

#define OPEN(name, access, disposition, options)                                                             \
        open_below(L"" name, G_N_ELEMENTS(L"" name) - 1, access, disposition, options)

static void close_opened(struct opened *opened)
{
        if (!NT_SUCCESS(opened->status))
                return;
        ObDereferenceObject(opened->file);
        FltClose(opened->handle);
}

static NTSTATUS try(struct opened opened)
{
        close_opened(&opened);
        return opened.status;
}

#define STATUS(call, expected) g_assert_cmphex((guint)(call), ==, (guint)(expected))

static void test_dispositions(void)
{
        struct opened opened;
        LARGE_INTEGER offset = {.QuadPart = 0};
        char hello[] = "hello";
        ULONG count;

        irp_set_up();
        opened = OPEN("\\new", FILE_GENERIC_WRITE, FILE_CREATE, FILE_NON_DIRECTORY_FILE);
        STATUS(opened.status, STATUS_SUCCESS);
        g_assert_cmpuint(opened.information, ==, FILE_CREATED);
        STATUS(FltWriteFile(irp_instance(), opened.file, &offset, 5, hello, 0, &count, NULL, NULL),
               STATUS_SUCCESS);
        g_assert_cmpuint(count, ==, 5);
        close_opened(&opened);
        g_assert_true(source_is("new", "hello"));

        STATUS(try(OPEN("\\new", FILE_GENERIC_WRITE, FILE_CREATE, 0)), STATUS_OBJECT_NAME_COLLISION);
        STATUS(try(OPEN("\\none", FILE_GENERIC_READ, FILE_OPEN, 0)), STATUS_OBJECT_NAME_NOT_FOUND);
        STATUS(try(OPEN("\\none\\below", FILE_GENERIC_READ, FILE_OPEN, 0)), STATUS_OBJECT_PATH_NOT_FOUND);
        STATUS(try(OPEN("\\new\\below", FILE_GENERIC_READ, FILE_OPEN, 0)), STATUS_OBJECT_PATH_NOT_FOUND);
        STATUS(try(OPEN("\\none", FILE_GENERIC_WRITE, FILE_OVERWRITE, 0)), STATUS_OBJECT_NAME_NOT_FOUND);
        STATUS(try(OPEN("\\new", FILE_GENERIC_READ, FILE_OPEN, FILE_DIRECTORY_FILE)), STATUS_NOT_A_DIRECTORY);
        STATUS(try(OPEN("\\", FILE_GENERIC_READ, FILE_OPEN, FILE_NON_DIRECTORY_FILE)),
               STATUS_FILE_IS_A_DIRECTORY);
        STATUS(try(OPEN("\\..\\x", FILE_GENERIC_READ, FILE_OPEN, 0)), STATUS_OBJECT_NAME_INVALID);
        STATUS(try(OPEN("\\new:stream", FILE_GENERIC_READ, FILE_OPEN, 0)), STATUS_OBJECT_NAME_NOT_FOUND);
        STATUS(try(OPEN("\\new::$DATA", FILE_GENERIC_READ, FILE_OPEN, 0)), STATUS_SUCCESS);

        opened = OPEN("\\new", FILE_GENERIC_READ, FILE_OPEN_IF, 0);
        g_assert_cmpuint(opened.information, ==, FILE_OPENED);
        close_opened(&opened);
        opened = OPEN("\\new", FILE_GENERIC_WRITE, FILE_OVERWRITE_IF, 0);
        g_assert_cmpuint(opened.information, ==, FILE_OVERWRITTEN);
        close_opened(&opened);
        g_assert_true(source_is("new", ""));
        opened = OPEN("\\dir", FILE_LIST_DIRECTORY, FILE_CREATE, FILE_DIRECTORY_FILE);
        g_assert_cmpuint(opened.information, ==, FILE_CREATED);
        close_opened(&opened);
        STATUS(try(OPEN("\\new", DELETE, FILE_OPEN, FILE_DELETE_ON_CLOSE)), STATUS_SUCCESS);
        g_assert_false(source_is("new", ""));
        irp_tear_down();
}

/* Links lead anywhere but out. */
static void test_links(void)
{
        g_autofree char *a = NULL, *b = NULL, *c = NULL, *d = NULL, *dir = NULL;
        struct opened opened;

        irp_set_up();
        dir = irp_in_source("dir");
        a = irp_in_source("dir/relative");
        b = irp_in_source("absolute");
        c = irp_in_source("out");
        d = irp_in_source("loop");
        g_assert_cmpint(mkdir(dir, 0755), ==, 0);
        touch("target", "inside");
        g_assert_cmpint(symlink("../target", a), ==, 0);
        g_assert_cmpint(symlink("/dir", b), ==, 0);
        g_assert_cmpint(symlink("../../../../../../etc/passwd", c), ==, 0);
        g_assert_cmpint(symlink("loop", d), ==, 0);
        STATUS(try(OPEN("\\absolute\\relative", FILE_GENERIC_READ, FILE_OPEN, FILE_NON_DIRECTORY_FILE)),
               STATUS_SUCCESS);
        /* As if the volume's root were "/": there is no etc here. */
        STATUS(try(OPEN("\\out", FILE_GENERIC_READ, FILE_OPEN, 0)), STATUS_OBJECT_PATH_NOT_FOUND);
        STATUS(try(OPEN("\\loop", FILE_GENERIC_READ, FILE_OPEN, 0)), STATUS_REPARSE_POINT_NOT_RESOLVED);
        opened = OPEN("\\out", FILE_READ_ATTRIBUTES, FILE_OPEN, FILE_OPEN_REPARSE_POINT);
        STATUS(opened.status, STATUS_SUCCESS);
        FILE_ATTRIBUTE_TAG_INFORMATION tag;
        ULONG length;
        STATUS(FltQueryInformationFile(irp_instance(), opened.file, &tag, sizeof(tag),
                                       FileAttributeTagInformation, &length),
               STATUS_SUCCESS);
        g_assert_cmphex(tag.ReparseTag, ==, 0xA000001D);
        close_opened(&opened);
        irp_tear_down();
}

static void test_directory_queries(void)
{
        UCHAR buffer[1024];
        FILE_NAMES_INFORMATION *names = (FILE_NAMES_INFORMATION *)buffer;
        UNICODE_STRING pattern = RTL_CONSTANT_STRING(L"b*"), nothing = RTL_CONSTANT_STRING(L"zzz");
        struct opened opened;
        ULONG length;

        irp_set_up();
        touch("a1", "");
        touch("b1", "");
        touch("c1", "");
        opened = OPEN("\\", FILE_LIST_DIRECTORY, FILE_OPEN, FILE_DIRECTORY_FILE);
        STATUS(opened.status, STATUS_SUCCESS);
        STATUS(FltQueryDirectoryFile(irp_instance(), opened.file, buffer, sizeof(buffer),
                                     FileNamesInformation, FALSE, &pattern, TRUE, &length),
               STATUS_SUCCESS);
        g_assert_cmpuint(names->NextEntryOffset, ==, 0);
        g_assert_cmpuint(names->FileNameLength, ==, 4);
        g_assert_cmpint(memcmp(names->FileName, L"b1", 4), ==, 0);
        /* The pattern stays. */
        STATUS(FltQueryDirectoryFile(irp_instance(), opened.file, buffer, sizeof(buffer),
                                     FileNamesInformation, FALSE, NULL, FALSE, &length),
               STATUS_NO_MORE_FILES);
        STATUS(FltQueryDirectoryFile(irp_instance(), opened.file, buffer, sizeof(buffer),
                                     FileNamesInformation, FALSE, &nothing, TRUE, &length),
               STATUS_NO_SUCH_FILE);
        close_opened(&opened);
        opened = OPEN("\\", FILE_LIST_DIRECTORY, FILE_OPEN, FILE_DIRECTORY_FILE);
        STATUS(FltQueryDirectoryFile(irp_instance(), opened.file, buffer, sizeof(buffer),
                                     FileIdBothDirectoryInformation, TRUE, NULL, TRUE, &length),
               STATUS_SUCCESS);
        g_assert_cmpuint(((FILE_ID_BOTH_DIR_INFORMATION *)buffer)->NextEntryOffset, ==, 0);
        STATUS(FltQueryDirectoryFile(irp_instance(), opened.file, buffer, sizeof(buffer),
                                     FileBasicInformation, TRUE, NULL, TRUE, &length),
               STATUS_INVALID_INFO_CLASS);
        close_opened(&opened);
        irp_tear_down();
}

static NTSTATUS rename_to(struct opened *opened, const WCHAR *name, size_t chars, bool replace)
{
        UCHAR buffer[512] = {0};
        FILE_RENAME_INFORMATION *rename = (FILE_RENAME_INFORMATION *)buffer;

        rename->ReplaceIfExists = replace;
        rename->FileNameLength = (ULONG)(chars * sizeof(WCHAR));
        memcpy(rename->FileName, name, rename->FileNameLength);
        return FltSetInformationFile(irp_instance(), opened->file, rename, sizeof(buffer),
                                     FileRenameInformation);
}

static void test_set_information(void)
{
        FILE_END_OF_FILE_INFORMATION end = {.EndOfFile.QuadPart = 2};
        FILE_BASIC_INFORMATION basic = {.FileAttributes = FILE_ATTRIBUTE_READONLY,
                                        .LastWriteTime.QuadPart = 125000000000000000};
        FILE_DISPOSITION_INFORMATION disposition = {.DeleteFile = TRUE};
        g_autofree char *path = NULL;
        struct opened opened;
        struct stat st;

        irp_set_up();
        path = irp_in_source("f");
        touch("f", "12345");
        touch("g", "other");
        opened = OPEN("\\f", FILE_GENERIC_READ | DELETE, FILE_OPEN, 0);
        STATUS(FltSetInformationFile(irp_instance(), opened.file, &end, sizeof(end),
                                     FileEndOfFileInformation),
               STATUS_SUCCESS);
        STATUS(FltSetInformationFile(irp_instance(), opened.file, &basic, sizeof(basic),
                                     FileBasicInformation),
               STATUS_SUCCESS);
        g_assert_cmpint(stat(path, &st), ==, 0);
        g_assert_cmpint((int)st.st_size, ==, 2);
        g_assert_cmpint(st.st_mode & 0222, ==, 0);
        g_assert_cmpint(st.st_mtim.tv_sec, ==, 12500000000 - 11644473600);
        STATUS(FltSetInformationFile(irp_instance(), opened.file, &disposition, sizeof(disposition),
                                     FileDispositionInformation),
               STATUS_CANNOT_DELETE);
        STATUS(rename_to(&opened, L"g", 1, false), STATUS_OBJECT_NAME_COLLISION);
        STATUS(rename_to(&opened, L"g", 1, true), STATUS_SUCCESS);
        g_assert_true(source_is("g", "12"));
        close_opened(&opened);
        irp_tear_down();
}

/* IoReplaceFileObjectName and STATUS_REPARSE, and the same without the status. */
static void redirect(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        static WCHAR name[] = L"\\real";

        IoReplaceFileObjectName(objects->FileObject, name, sizeof(name) - sizeof(WCHAR));
        FltSetCallbackDataDirty(data);
}

static void test_redirect(void)
{
        static const struct irp_rule rule = {
                .major = IRP_MJ_CREATE, .class = -1, .pre = redirect, .name_suffix = "\\alias"};
        g_autofree char *content = NULL;

        irp_set_up();
        IN(path, "alias");
        touch("alias", "the wrong one");
        touch("real", "the right one");
        irp_set_rule(&rule);
        g_assert_true(g_file_get_contents(path, &content, NULL, NULL));
        irp_set_rule(NULL);
        g_assert_cmpstr(content, ==, "the right one");
        irp_tear_down();
}

static void test_open_by_id(void)
{
        struct opened opened, again;
        FILE_INTERNAL_INFORMATION internal;
        WCHAR id[5] = {L'\\'};
        ULONG length;

        irp_set_up();
        touch("f", "x");
        opened = OPEN("\\f", FILE_GENERIC_READ, FILE_OPEN, 0);
        STATUS(FltQueryInformationFile(irp_instance(), opened.file, &internal, sizeof(internal),
                                       FileInternalInformation, &length),
               STATUS_SUCCESS);
        memcpy(id + 1, &internal.IndexNumber, 8);
        again = open_below(id, 5, FILE_GENERIC_READ, FILE_OPEN, FILE_OPEN_BY_FILE_ID);
        STATUS(again.status, STATUS_SUCCESS);
        g_assert_true(again.file->FsContext == opened.file->FsContext);
        close_opened(&again);
        close_opened(&opened);
        irp_tear_down();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        if (!irp_can_mount())
                return 0;
        g_test_add_func("/irp/bottom/dispositions", test_dispositions);
        g_test_add_func("/irp/bottom/links", test_links);
        g_test_add_func("/irp/bottom/directory-queries", test_directory_queries);
        g_test_add_func("/irp/bottom/set-information", test_set_information);
        g_test_add_func("/irp/bottom/redirect", test_redirect);
        g_test_add_func("/irp/bottom/open-by-id", test_open_by_id);
        return g_test_run();
}
