/* SPDX-License-Identifier: MIT */
/*
 * What a file is called that has, or had, several names: hard links, ids, renamed directories; and names that are no
 * Unicode, which have to come back as they were.
 */
#include "objects-harness.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define IN(variable, name) g_autofree char *variable = irp_in_mount(name)

#define NORMALIZED (FLT_FILE_NAME_NORMALIZED | FLT_FILE_NAME_QUERY_DEFAULT)

/* What the callbacks of a test found: one name for each of its questions. */
#define QUESTIONS 4
static FLT_FILE_NAME_OPTIONS questions[QUESTIONS];
static char *names[QUESTIONS];
static NTSTATUS statuses[QUESTIONS];

static void ask(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        for (unsigned i = 0; i < QUESTIONS; i++) {
                PFLT_FILE_NAME_INFORMATION name;

                g_clear_pointer(&names[i], g_free);
                if (!questions[i])
                        continue;
                statuses[i] = FltGetFileNameInformation(data, questions[i], &name);
                names[i] = objects_name_text(statuses[i], name);
        }
}

static void question(FLT_FILE_NAME_OPTIONS first, FLT_FILE_NAME_OPTIONS second)
{
        questions[0] = first;
        questions[1] = second;
        for (unsigned i = 0; i < QUESTIONS; i++) {
                g_clear_pointer(&names[i], g_free);
                statuses[i] = STATUS_PENDING;
        }
}

static void close_new(int fd)
{
        g_assert_cmpint(fd, >=, 0);
        close(fd);
}

static void make_directory(const char *name)
{
        g_autofree char *path = irp_in_source(name);

        g_assert_cmpint(mkdir(path, 0755), ==, 0);
}

/* The normalized name that a read of this file sees. */
static const char *name_at_read(int fd)
{
        char c;

        question(NORMALIZED, 0);
        objects_on(IRP_MJ_READ, ask, NULL);
        g_assert_cmpint((int)pread(fd, &c, 1, 0), ==, 1);
        objects_on(0, NULL, NULL);
        return names[0];
}

/* ---- hard links ---- */

static const char *name_at_open(const char *path, int *fd)
{
        question(NORMALIZED, FLT_FILE_NAME_OPENED | FLT_FILE_NAME_QUERY_DEFAULT);
        objects_on(IRP_MJ_CREATE, NULL, ask);
        *fd = open(path, O_RDONLY);
        objects_on(0, NULL, NULL);
        g_assert_cmpint(*fd, >=, 0);
        g_assert_cmpstr(names[0], ==, names[1]);
        return names[0];
}

static void test_hard_links(void)
{
        int by_a, by_b;

        objects_set_up();
        make_directory("d");
        IN(a, "a");
        IN(b, "d/b");
        objects_touch("a", "x");
        g_assert_cmpint(link(a, b), ==, 0);
        g_assert_cmpstr(name_at_open(a, &by_a), ==, "\\a");
        g_assert_cmpstr(name_at_open(b, &by_b), ==, "\\d\\b");
        /* One of them goes: what is left, or was, is the file's; never another file's. */
        g_assert_cmpint(unlink(b), ==, 0);
        g_assert_cmpstr(name_at_read(by_a), ==, "\\a");
        objects_touch("d/b", "another");
        const char *name = name_at_read(by_b);
        g_assert_true(strcmp(name, "\\d\\b") == 0 || strcmp(name, "\\a") == 0);
        close(by_b);
        g_assert_cmpint(unlink(a), ==, 0);
        g_assert_cmpstr(name_at_read(by_a), ==, "\\a");
        close(by_a);
        objects_tear_down();
}

/* ---- renamed directories ---- */

static PFLT_FILE_NAME_INFORMATION kept;

static void keep(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        assert_status(FltGetFileNameInformation(data, NORMALIZED, &kept), STATUS_SUCCESS);
}

/* Names that somebody has asked for before: not those of then. What a filter holds stays what it was. */
static void test_renamed_parents(void)
{
        char c;

        objects_set_up();
        make_directory("a");
        make_directory("a/b");
        make_directory("c");
        IN(file, "a/b/file");
        IN(directory, "a/b");
        IN(grandparent, "a");
        IN(renamed, "c/renamed");
        objects_touch("a/b/file", "x");
        int fd = open(file, O_RDWR), directory_fd = open(directory, O_RDONLY | O_DIRECTORY);

        objects_on(IRP_MJ_READ, keep, NULL);
        g_assert_cmpint((int)pread(fd, &c, 1, 0), ==, 1);
        objects_on(0, NULL, NULL);
        g_assert_cmpint(rename(grandparent, renamed), ==, 0);

        question(FLT_FILE_NAME_NORMALIZED | FLT_FILE_NAME_QUERY_CACHE_ONLY,
                 FLT_FILE_NAME_NORMALIZED | FLT_FILE_NAME_QUERY_FILESYSTEM_ONLY);
        objects_on(IRP_MJ_WRITE, ask, NULL);
        g_assert_cmpint((int)pwrite(fd, "y", 1, 0), ==, 1);
        objects_on(0, NULL, NULL);
        g_assert_cmpstr(names[0], ==, "\\c\\renamed\\b\\file");
        g_assert_cmpstr(names[1], ==, "\\c\\renamed\\b\\file");
        /* Where the file system can't be asked, too. */
        question(FLT_FILE_NAME_NORMALIZED | FLT_FILE_NAME_QUERY_ALWAYS_ALLOW_CACHE_LOOKUP, 0);
        objects_on(IRP_MJ_CLEANUP, NULL, ask);
        irp_clear();
        close(fd);
        irp_expect("CLEANUP CLOSE");
        objects_on(0, NULL, NULL);
        g_assert_cmpstr(names[0], ==, "\\c\\renamed\\b\\file");

        g_autofree char *then = objects_name_text(STATUS_SUCCESS, kept);
        g_assert_cmpstr(then, ==, "\\a\\b\\file");
        /* An open directory is called what it is called now; and what is opened through it. */
        question(NORMALIZED, FLT_FILE_NAME_OPENED | FLT_FILE_NAME_QUERY_DEFAULT);
        objects_on(IRP_MJ_CREATE, ask, NULL);
        close_new(openat(directory_fd, "file", O_RDONLY));
        objects_on(0, NULL, NULL);
        g_assert_cmpstr(names[0], ==, "\\c\\renamed\\b\\file");
        g_assert_cmpstr(names[1], ==, "\\c\\renamed\\b\\file");
        close(directory_fd);
        objects_tear_down();
}

static NTSTATUS rename_by_filter(PFILE_OBJECT file, const char *target)
{
        g_autofree char *volume = objects_text(&objects_volume->Name), *full = g_strconcat(volume, target, NULL);
        UNICODE_STRING name = objects_string(full);
        const ULONG size = FIELD_OFFSET(FILE_RENAME_INFORMATION, FileName) + name.Length;
        g_autofree FILE_RENAME_INFORMATION *rename = g_malloc0(size + sizeof(*rename));
        NTSTATUS status;

        rename->FileNameLength = name.Length;
        memcpy(rename->FileName, name.Buffer, name.Length);
        status = FltSetInformationFile(objects_instance, file, rename, size, FileRenameInformation);
        g_free(name.Buffer);
        return status;
}

/* By a filter: the target's directory is opened first, and that is what it is called then. */
static void test_renamed_by_filter(void)
{
        static const struct irp_rule asks = {.major = IRP_MJ_CREATE, .class = -1, .pre = ask};
        PFILE_OBJECT directory;
        HANDLE handle;

        objects_set_up();
        make_directory("a");
        make_directory("c");
        IN(path, "a/file");
        objects_touch("a/file", "x");
        int fd = open(path, O_RDONLY);

        g_assert_cmpstr(name_at_read(fd), ==, "\\a\\file");
        assert_status(objects_create("\\a", DELETE | SYNCHRONIZE, FILE_OPEN,
                                     FILE_DIRECTORY_FILE | FILE_SYNCHRONOUS_IO_NONALERT, &handle, &directory),
                      STATUS_SUCCESS);
        question(NORMALIZED, FLT_FILE_NAME_OPENED | FLT_FILE_NAME_QUERY_DEFAULT);
        irp_set_rule(&asks);
        irp_clear();
        assert_status(rename_by_filter(directory, "\\c\\new"), STATUS_SUCCESS);
        irp_set_rule(NULL);
        irp_expect("CREATE(OPEN,TARGET) SET_INFORMATION(10) CLEANUP CLOSE");
        g_assert_cmpstr(names[0], ==, "\\c");
        g_assert_cmpstr(names[1], ==, "\\c");
        g_assert_cmpstr(name_at_read(fd), ==, "\\c\\new\\file");
        objects_close(handle, directory);
        close(fd);
        objects_tear_down();
}

/* ---- ids ---- */

static NTSTATUS open_by_id(LONGLONG id, HANDLE *handle, PFILE_OBJECT *file)
{
        g_autofree char *volume = objects_text(&objects_volume->Name), *root = g_strconcat(volume, "\\", NULL);
        UNICODE_STRING prefix = objects_string(root), name = {0};
        OBJECT_ATTRIBUTES attributes;
        IO_STATUS_BLOCK iosb;
        NTSTATUS status;

        name.Length = name.MaximumLength = (USHORT)(prefix.Length + sizeof(id));
        name.Buffer = g_malloc(name.Length);
        memcpy(name.Buffer, prefix.Buffer, prefix.Length);
        memcpy((char *)name.Buffer + prefix.Length, &id, sizeof(id));
        InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE, NULL, NULL);
        status =
                FltCreateFileEx(objects_filter, objects_instance, handle, file, FILE_GENERIC_READ, &attributes, &iosb,
                                NULL, 0, 7, FILE_OPEN, FILE_OPEN_BY_FILE_ID | FILE_SYNCHRONOUS_IO_NONALERT, NULL, 0, 0);
        g_free(name.Buffer);
        g_free(prefix.Buffer);
        return status;
}

static LONGLONG id_of(const char *path)
{
        FILE_INTERNAL_INFORMATION id;
        PFILE_OBJECT file;
        HANDLE handle = objects_open(path, &file);

        assert_status(FltQueryInformationFile(objects_instance, file, &id, sizeof(id), FileInternalInformation, NULL),
                      STATUS_SUCCESS);
        objects_close(handle, file);
        return id.IndexNumber.QuadPart;
}

/* Nobody's right to traverse is asked for: it is a filter that opens. */
static void test_by_id(void)
{
        static const struct irp_rule asks = {.major = IRP_MJ_CREATE, .class = -1, .pre = ask};
        PFLT_FILE_NAME_INFORMATION info;
        PFILE_OBJECT file;
        HANDLE handle;
        LONGLONG id;

        objects_set_up();
        make_directory("d");
        IN(path, "d/file");
        objects_touch("d/file", "x");
        int fd = open(path, O_RDONLY);
        id = id_of("\\d\\file");
        g_autofree char *directory = irp_in_source("d");
        g_assert_cmpint(chmod(directory, 0), ==, 0);
        question(NORMALIZED, FLT_FILE_NAME_OPENED | FLT_FILE_NAME_QUERY_DEFAULT);
        irp_set_rule(&asks);
        assert_status(open_by_id(id, &handle, &file), STATUS_SUCCESS);
        irp_set_rule(NULL);
        g_assert_cmpstr(names[0], ==, "\\d\\file");
        g_assert_cmpstr(names[1], ==, "\\d\\file");
        g_assert_cmpint(chmod(directory, 0755), ==, 0);
        objects_close(handle, file);

        /* One that has no name any more: none is made up of the id. */
        g_assert_cmpint(unlink(path), ==, 0);
        question(NORMALIZED, FLT_FILE_NAME_OPENED | FLT_FILE_NAME_QUERY_DEFAULT);
        irp_set_rule(&asks);
        assert_status(open_by_id(id, &handle, &file), STATUS_SUCCESS);
        irp_set_rule(NULL);
        assert_status(statuses[0], STATUS_OBJECT_NAME_NOT_FOUND);
        assert_status(statuses[1], STATUS_OBJECT_NAME_NOT_FOUND);
        for (FLT_FILE_NAME_OPTIONS format = FLT_FILE_NAME_NORMALIZED; format <= FLT_FILE_NAME_SHORT; format++)
                assert_status(FltGetFileNameInformationUnsafe(file, objects_instance,
                                                              format | FLT_FILE_NAME_QUERY_DEFAULT, &info),
                              STATUS_OBJECT_NAME_NOT_FOUND);
        objects_close(handle, file);
        close(fd);
        objects_tear_down();
}

/* ---- what is no Unicode, and what Windows reserves ---- */

static const char *const odd[] = {
        "\xff.bin",
        "\xc3(",
        "\xed\xa0\x80",
        "\xf5\x80\x80\x80",
        "a:z",
        "back\\slash",
        "s*t?a\"r<s>|",
        "\x01\x1f\x7f",
        "\xef\x80\xba",
        "a\xef\x80\xbaz",
        "\xf0\x9f\x98\x80",
        "\xc3\xa4",
        "a\xcc\x88",
        "sp ace ",
        "dot.",
        " ",
};

/* The name with the volume's: to be freed. */
static UNICODE_STRING whole;

static void take_whole(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        PFLT_FILE_NAME_INFORMATION name;

        ask(data, objects);
        assert_status(FltGetFileNameInformation(data, NORMALIZED, &name), STATUS_SUCCESS);
        g_free(whole.Buffer);
        whole = name->Name;
        whole.Buffer = g_memdup2(name->Name.Buffer, name->Name.Length);
        FltReleaseFileNameInformation(name);
}

static NTSTATUS open_whole(HANDLE *handle, PFILE_OBJECT *file)
{
        OBJECT_ATTRIBUTES attributes;
        IO_STATUS_BLOCK iosb;

        InitializeObjectAttributes(&attributes, &whole, OBJ_KERNEL_HANDLE, NULL, NULL);
        return FltCreateFileEx(objects_filter, objects_instance, handle, file, FILE_GENERIC_READ, &attributes, &iosb,
                               NULL, 0, 7, FILE_OPEN, FILE_NON_DIRECTORY_FILE | FILE_SYNCHRONOUS_IO_NONALERT, NULL, 0,
                               0);
}

/* The file that a filter opens by what it was told is the one it was told about: its content is its number. */
static void assert_leads_to(unsigned number)
{
        LARGE_INTEGER offset = {.QuadPart = 0};
        char content[8] = {0};
        PFILE_OBJECT file;
        HANDLE handle;

        assert_status(open_whole(&handle, &file), STATUS_SUCCESS);
        assert_status(FltReadFile(objects_instance, file, &offset, sizeof(content), content, 0, NULL, NULL, NULL),
                      STATUS_SUCCESS);
        g_assert_cmpuint(g_ascii_strtoull(content, NULL, 10), ==, number);
        objects_close(handle, file);
}

/* In each format, before and after the open, and back. */
static void test_odd_names(void)
{
        objects_set_up();
        make_directory("d\xfe:");
        for (unsigned i = 0; i < G_N_ELEMENTS(odd); i++) {
                g_autofree char *name = g_strconcat("d\xfe:/", odd[i], NULL), *content = g_strdup_printf("%u", i);

                objects_touch(name, content);
        }
        questions[2] = FLT_FILE_NAME_SHORT | FLT_FILE_NAME_QUERY_DEFAULT;
        for (unsigned i = 0; i < G_N_ELEMENTS(odd); i++) {
                g_autofree char *name = g_strconcat("d\xfe:/", odd[i], NULL);
                IN(path, name);

                question(NORMALIZED, FLT_FILE_NAME_OPENED | FLT_FILE_NAME_QUERY_DEFAULT);
                objects_on(IRP_MJ_CREATE, take_whole, NULL);
                close_new(open(path, O_RDONLY));
                objects_on(0, NULL, NULL);
                g_assert_nonnull(names[0]);
                g_assert_cmpstr(names[0], ==, names[1]);
                assert_status(statuses[2], STATUS_FLT_INVALID_NAME_REQUEST);
                g_autofree char *before = g_strdup(names[0]);
                assert_leads_to(i);

                objects_on(IRP_MJ_CREATE, NULL, take_whole);
                close_new(open(path, O_RDONLY));
                objects_on(0, NULL, NULL);
                g_assert_cmpstr(names[0], ==, before);
                g_assert_cmpstr(names[1], ==, before);
                assert_status(statuses[2], STATUS_OBJECT_NAME_NOT_FOUND);
                assert_leads_to(i);
        }
        questions[2] = 0;
        g_clear_pointer(&whole.Buffer, g_free);
        objects_tear_down();
}

/* As listings show them: what is listed can be opened, and is not another file. */
static void test_odd_listing(void)
{
        static _Alignas(8) UCHAR buffer[8192];
        g_autofree bool *found = g_new0(bool, G_N_ELEMENTS(odd));
        PFILE_OBJECT directory;
        HANDLE root;
        ULONG got;

        objects_set_up();
        make_directory("d");
        for (unsigned i = 0; i < G_N_ELEMENTS(odd); i++) {
                g_autofree char *name = g_strconcat("d/", odd[i], NULL), *content = g_strdup_printf("%u", i);

                objects_touch(name, content);
        }
        assert_status(objects_create("\\d", FILE_LIST_DIRECTORY | SYNCHRONIZE, FILE_OPEN,
                                     FILE_DIRECTORY_FILE | FILE_SYNCHRONOUS_IO_NONALERT, &root, &directory),
                      STATUS_SUCCESS);
        assert_status(FltQueryDirectoryFile(objects_instance, directory, buffer, sizeof(buffer), FileNamesInformation,
                                            FALSE, NULL, TRUE, &got),
                      STATUS_SUCCESS);
        for (ULONG at = 0;;) {
                FILE_NAMES_INFORMATION *entry = (PVOID)(buffer + at);
                UNICODE_STRING name = {(USHORT)entry->FileNameLength, (USHORT)entry->FileNameLength, entry->FileName};
                LARGE_INTEGER offset = {.QuadPart = 0};
                OBJECT_ATTRIBUTES attributes;
                IO_STATUS_BLOCK iosb;
                char content[8] = {0};
                PFILE_OBJECT file;
                HANDLE handle;

                if (entry->FileName[0] != L'.') {
                        InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE, root, NULL);
                        assert_status(FltCreateFileEx(objects_filter, objects_instance, &handle, &file,
                                                      FILE_GENERIC_READ, &attributes, &iosb, NULL, 0, 7, FILE_OPEN,
                                                      FILE_SYNCHRONOUS_IO_NONALERT, NULL, 0, 0),
                                      STATUS_SUCCESS);
                        assert_status(FltReadFile(objects_instance, file, &offset, sizeof(content), content, 0, NULL,
                                                  NULL, NULL),
                                      STATUS_SUCCESS);
                        unsigned number = (unsigned)g_ascii_strtoull(content, NULL, 10);
                        g_assert_cmpuint(number, <, G_N_ELEMENTS(odd));
                        g_assert_false(found[number]);
                        found[number] = true;
                        objects_close(handle, file);
                }
                if (!entry->NextEntryOffset)
                        break;
                at += entry->NextEntryOffset;
        }
        for (unsigned i = 0; i < G_N_ELEMENTS(odd); i++)
                g_assert_true(found[i]);
        objects_close(root, directory);
        objects_tear_down();
}

/* Where a rename goes. */
static char *destination;

static void ask_destination(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        FILE_RENAME_INFORMATION *rename = data->Iopb->Parameters.SetFileInformation.InfoBuffer;
        PFLT_FILE_NAME_INFORMATION name;
        NTSTATUS status;

        if (data->Iopb->Parameters.SetFileInformation.FileInformationClass != FileRenameInformationEx &&
            data->Iopb->Parameters.SetFileInformation.FileInformationClass != FileRenameInformation)
                return;
        status = FltGetDestinationFileNameInformation(objects->Instance, objects->FileObject, rename->RootDirectory,
                                                      rename->FileName, rename->FileNameLength, NORMALIZED, &name);
        assert_status(status, STATUS_SUCCESS);
        g_free(whole.Buffer);
        whole = name->Name;
        whole.Buffer = g_memdup2(name->Name.Buffer, name->Name.Length);
        g_free(destination);
        destination = objects_name_text(status, name);
}

static void test_odd_destinations(void)
{
        objects_set_up();
        make_directory("d");
        for (unsigned i = 0; i < G_N_ELEMENTS(odd); i++) {
                g_autofree char *name = g_strconcat("d/", odd[i], NULL), *content = g_strdup_printf("%u", i);
                IN(from, "from");
                IN(to, name);

                objects_touch("from", content);
                objects_on(IRP_MJ_SET_INFORMATION, ask_destination, NULL);
                g_assert_cmpint(rename(from, to), ==, 0);
                objects_on(0, NULL, NULL);
                g_assert_true(g_str_has_prefix(destination, "\\d\\"));
                assert_leads_to(i);
        }
        g_clear_pointer(&destination, g_free);
        g_clear_pointer(&whole.Buffer, g_free);
        objects_tear_down();
}

/* ---- not open at all ---- */

static void test_asked_for_by_name(void)
{
        static const struct irp_rule asks = {.major = IRP_MJ_QUERY_OPEN, .class = -1, .pre = ask};
        struct stat st;

        objects_set_up();
        make_directory("d");
        IN(path, "d/file");
        objects_touch("d/file", "x");
        question(NORMALIZED, FLT_FILE_NAME_OPENED | FLT_FILE_NAME_QUERY_DEFAULT);
        questions[2] = FLT_FILE_NAME_SHORT | FLT_FILE_NAME_QUERY_DEFAULT;
        irp_set_rule(&asks);
        g_assert_cmpint(stat(path, &st), ==, 0);
        irp_set_rule(NULL);
        questions[2] = 0;
        g_assert_cmpstr(names[0], ==, "\\d\\file");
        g_assert_cmpstr(names[1], ==, "\\d\\file");
        assert_status(statuses[2], STATUS_FLT_INVALID_NAME_REQUEST);
        objects_tear_down();
}

/* ---- tunnelling ---- */

static NTSTATUS tunneled_status;
static PFLT_FILE_NAME_INFORMATION before_open, tunneled;

static void take_before(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        assert_status(FltGetFileNameInformation(data, NORMALIZED, &before_open), STATUS_SUCCESS);
}

static void ask_tunneled(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        if (!before_open)
                return;
        tunneled = before_open;
        tunneled_status = FltGetTunneledName(data, before_open, &tunneled);
        FltReleaseFileNameInformation(before_open);
        before_open = NULL;
}

/* A name that was just given up and is taken again: it is what it was before the open. */
static void test_tunneled(void)
{
        objects_set_up();
        IN(path, "long name.html");
        IN(away, "away");
        for (unsigned renamed = 0; renamed < 2; renamed++) {
                objects_touch("long name.html", "x");
                g_assert_cmpint(renamed ? rename(path, away) : unlink(path), ==, 0);
                objects_on(IRP_MJ_CREATE, take_before, ask_tunneled);
                tunneled_status = STATUS_PENDING;
                close_new(open(path, O_RDWR | O_CREAT | O_EXCL, 0600));
                objects_on(0, NULL, NULL);
                assert_status(tunneled_status, STATUS_SUCCESS);
                g_assert_null(tunneled);
                g_assert_cmpint(unlink(path), ==, 0);
        }
        objects_tear_down();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        if (!irp_can_mount())
                return 0;
        g_test_add_func("/objects/aliases/hard-links", test_hard_links);
        g_test_add_func("/objects/aliases/renamed-parents", test_renamed_parents);
        g_test_add_func("/objects/aliases/renamed-by-filter", test_renamed_by_filter);
        g_test_add_func("/objects/aliases/by-id", test_by_id);
        g_test_add_func("/objects/aliases/odd-names", test_odd_names);
        g_test_add_func("/objects/aliases/odd-listing", test_odd_listing);
        g_test_add_func("/objects/aliases/odd-destinations", test_odd_destinations);
        g_test_add_func("/objects/aliases/asked-for-by-name", test_asked_for_by_name);
        g_test_add_func("/objects/aliases/tunneled", test_tunneled);
        return g_test_run();
}
