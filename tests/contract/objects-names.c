/* SPDX-License-Identifier: MIT */
/* File name information with a file system below: what a file is called, when, and after what. */
#include "objects-harness.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define IN(variable, name) g_autofree char *variable = irp_in_mount(name)

enum { OPENED, NORMALIZED, EIGHT_THREE, KINDS };

static const FLT_FILE_NAME_OPTIONS formats[KINDS] = {FLT_FILE_NAME_OPENED, FLT_FILE_NAME_NORMALIZED,
                                                     FLT_FILE_NAME_SHORT};

static char *names[KINDS];
static NTSTATUS statuses[KINDS];

static void forget(void)
{
        for (unsigned i = 0; i < KINDS; i++) {
                g_clear_pointer(&names[i], g_free);
                statuses[i] = STATUS_PENDING;
        }
}

static void ask(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        for (unsigned i = 0; i < KINDS; i++) {
                PFLT_FILE_NAME_INFORMATION name;

                statuses[i] = FltGetFileNameInformation(data, formats[i] | FLT_FILE_NAME_QUERY_DEFAULT, &name);
                g_free(names[i]);
                names[i] = objects_name_text(statuses[i], name);
        }
}

static void assert_names(const char *opened, const char *normalized, const char *short_name)
{
        const char *expected[KINDS] = {opened, normalized, short_name};

        objects_on(0, NULL, NULL);
        for (unsigned i = 0; i < KINDS; i++)
                g_assert_cmpstr(names[i], ==, expected[i]);
        forget();
}

static void close_new(int fd)
{
        g_assert_cmpint(fd, >=, 0);
        close(fd);
}

/* Before and after opens of files that are there and files that are made. */
static void test_opens(void)
{
        objects_set_up();
        IN(directory, "dir");
        IN(old, "dir/old.txt");
        IN(new, "dir/new file.txt");
        g_assert_cmpint(mkdir(directory, 0755), ==, 0);
        objects_touch("dir/old.txt", "x");

        objects_on(IRP_MJ_CREATE, ask, NULL);
        close_new(open(old, O_RDONLY));
        assert_status(statuses[EIGHT_THREE], STATUS_FLT_INVALID_NAME_REQUEST);
        assert_names("\\dir\\old.txt", "\\dir\\old.txt", NULL);
        objects_on(IRP_MJ_CREATE, ask, NULL);
        close_new(open(new, O_RDWR | O_CREAT | O_EXCL, 0600));
        assert_names("\\dir\\new file.txt", "\\dir\\new file.txt", NULL);
        objects_on(IRP_MJ_CREATE, NULL, ask);
        close_new(open(old, O_RDONLY));
        assert_names("\\dir\\old.txt", "\\dir\\old.txt", "old.txt");
        objects_on(IRP_MJ_CREATE, NULL, ask);
        close_new(open(new, O_RDONLY));
        assert_status(statuses[EIGHT_THREE], STATUS_OBJECT_NAME_NOT_FOUND);
        assert_names("\\dir\\new file.txt", "\\dir\\new file.txt", NULL);
        /* The root, and a directory. */
        objects_on(IRP_MJ_CREATE, NULL, ask);
        close_new(open(irp_mount, O_RDONLY | O_DIRECTORY));
        assert_names("\\", "\\", NULL);
        objects_on(IRP_MJ_CREATE, ask, NULL);
        close_new(open(directory, O_RDONLY | O_DIRECTORY));
        assert_names("\\dir", "\\dir", NULL);
        objects_tear_down();
}

/* An open that fails has a name as well, after the fact. */
static void test_failed_open(void)
{
        objects_set_up();
        IN(path, "file");
        objects_touch("file", "x");
        const struct irp_rule deny = {.major = IRP_MJ_CREATE, .class = -1, .status = STATUS_ACCESS_DENIED};

        irp_set_rule(&deny);
        objects_on(IRP_MJ_CREATE, NULL, ask);
        g_assert_cmpint(open(path, O_RDONLY), ==, -1);
        irp_set_rule(NULL);
        assert_names("\\file", "\\file", NULL);
        objects_tear_down();
}

static void read_byte(int fd)
{
        char c;

        g_assert_cmpint((int)pread(fd, &c, 1, 0), ==, 1);
}

/* Unlinked while open: it is called what it was opened by. Renamed while open, or a parent: what it is called now. */
static void test_changes(void)
{
        objects_set_up();
        IN(a, "a");
        IN(b, "b");
        IN(file, "a/file");
        IN(renamed, "a/renamed");
        IN(moved, "b/renamed");
        g_assert_cmpint(mkdir(a, 0755), ==, 0);
        objects_touch("a/file", "x");
        int fd = open(file, O_RDONLY);

        g_assert_cmpint(fd, >=, 0);
        g_assert_cmpint(rename(file, renamed), ==, 0);
        objects_on(IRP_MJ_READ, ask, NULL);
        read_byte(fd);
        assert_names("\\a\\renamed", "\\a\\renamed", "renamed");
        g_assert_cmpint(rename(a, b), ==, 0);
        objects_on(IRP_MJ_READ, NULL, ask);
        read_byte(fd);
        assert_names("\\b\\renamed", "\\b\\renamed", "renamed");
        g_assert_cmpint(unlink(moved), ==, 0);
        objects_on(IRP_MJ_READ, ask, NULL);
        read_byte(fd);
        assert_names("\\a\\file", "\\a\\file", "file");
        close(fd);
        objects_tear_down();
}

/* Before CLEANUP; afterwards only what somebody has asked for. */
static char *after_names[3];
static NTSTATUS after_statuses[3];

static void ask_after(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        static const FLT_FILE_NAME_OPTIONS options[] = {
                FLT_FILE_NAME_NORMALIZED | FLT_FILE_NAME_QUERY_DEFAULT,
                FLT_FILE_NAME_NORMALIZED | FLT_FILE_NAME_QUERY_ALWAYS_ALLOW_CACHE_LOOKUP,
                FLT_FILE_NAME_OPENED | FLT_FILE_NAME_QUERY_ALWAYS_ALLOW_CACHE_LOOKUP,
        };

        for (unsigned i = 0; i < G_N_ELEMENTS(options); i++) {
                PFLT_FILE_NAME_INFORMATION name;

                after_statuses[i] = FltGetFileNameInformation(data, options[i], &name);
                g_free(after_names[i]);
                after_names[i] = objects_name_text(after_statuses[i], name);
        }
}

static void ask_normalized(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        PFLT_FILE_NAME_INFORMATION name;

        if (NT_SUCCESS(FltGetFileNameInformation(data, FLT_FILE_NAME_NORMALIZED | FLT_FILE_NAME_QUERY_DEFAULT, &name)))
                FltReleaseFileNameInformation(name);
}

static void test_after_cleanup(void)
{
        objects_set_up();
        IN(path, "file");
        objects_touch("file", "x");
        int fd = open(path, O_RDWR);

        objects_on(IRP_MJ_READ, ask_normalized, NULL);
        read_byte(fd);
        g_assert_cmpint((int)write(fd, "y", 1), ==, 1);
        irp_clear();
        objects_on(IRP_MJ_CLEANUP, ask, ask_after);
        close(fd);
        irp_expect("CLEANUP CLOSE");
        assert_status(after_statuses[0], STATUS_FLT_INVALID_NAME_REQUEST);
        assert_status(after_statuses[1], STATUS_SUCCESS);
        /* Nobody but the pre-operation of the CLEANUP has asked for that one; that counts. */
        assert_status(after_statuses[2], STATUS_SUCCESS);
        g_assert_cmpstr(after_names[1], ==, "\\file");
        assert_names("\\file", "\\file", "file");
        objects_tear_down();
}

/* Streams do not exist; a colon, a backslash and what is no UTF-8 are characters of a component. */
static char *parts[4];

static void take_apart(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        PFLT_FILE_NAME_INFORMATION name;
        UNICODE_STRING *from[4];

        assert_status(FltGetFileNameInformation(data, FLT_FILE_NAME_NORMALIZED | FLT_FILE_NAME_QUERY_DEFAULT, &name),
                      STATUS_SUCCESS);
        assert_status(FltParseFileNameInformation(name), STATUS_SUCCESS);
        from[0] = &name->ParentDir;
        from[1] = &name->FinalComponent;
        from[2] = &name->Extension;
        from[3] = &name->Stream;
        for (unsigned i = 0; i < G_N_ELEMENTS(parts); i++) {
                g_free(parts[i]);
                parts[i] = objects_text(from[i]);
        }
        FltReleaseFileNameInformation(name);
}

static void test_parts(void)
{
        static const struct {
                const char *name, *extension;
        } rows[] = {{"plain", ""},      {"a.tar.gz", "gz"},    {".hidden", "hidden"}, {"dot.", ""},
                    {"a:b.txt", "txt"}, {"back\\slash.c", "c"}, {"\xff.bin", "bin"},  {"a.b:c", "b\xef\x80\xba" "c"}};

        objects_set_up();
        IN(directory, "d i r");
        g_assert_cmpint(mkdir(directory, 0755), ==, 0);
        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
                g_autofree char *path = g_build_filename(directory, rows[i].name, NULL);

                objects_on(IRP_MJ_CREATE, take_apart, NULL);
                close_new(open(path, O_RDWR | O_CREAT | O_EXCL, 0600));
                objects_on(0, NULL, NULL);
                g_assert_cmpstr(parts[0], ==, "\\d i r\\");
                g_assert_cmpstr(parts[2], ==, rows[i].extension);
                g_assert_cmpstr(parts[3], ==, "");
                g_assert_null(strchr(parts[1], '\\'));
        }
        objects_tear_down();
}

/* Deeper than a path may say, so nobody else can clean it up: from the lowest directory, whose descriptor it takes. */
static void remove_chain(int lowest, const char *component, unsigned depth)
{
        int at = lowest;

        while (depth-- > 0) {
                int parent = openat(at, "..", O_RDONLY | O_DIRECTORY);

                g_assert_cmpint(parent, >=, 0);
                g_assert_cmpint(unlinkat(parent, component, AT_REMOVEDIR), ==, 0);
                close(at);
                at = parent;
        }
        close(at);
}

/* A component of 255 bytes, and as deep as a path may be. */
static void test_long_names(void)
{
        char component[NAME_MAX + 1];
        int at, next;
        size_t length = 0;

        objects_set_up();
        memset(component, 'n', NAME_MAX);
        component[NAME_MAX] = '\0';
        at = open(irp_mount, O_RDONLY | O_DIRECTORY);
        while (length + NAME_MAX + 1 < PATH_MAX) {
                g_assert_cmpint(mkdirat(at, component, 0755), ==, 0);
                next = openat(at, component, O_RDONLY | O_DIRECTORY);
                g_assert_cmpint(next, >=, 0);
                close(at);
                at = next;
                length += NAME_MAX + 1;
        }
        objects_on(IRP_MJ_CREATE, ask, NULL);
        close_new(openat(at, component, O_RDWR | O_CREAT, 0600));
        objects_on(0, NULL, NULL);
        g_assert_cmpuint(strlen(names[NORMALIZED]), ==, length + NAME_MAX + 1);
        g_assert_cmpstr(names[NORMALIZED], ==, names[OPENED]);
        forget();
        objects_on(IRP_MJ_CREATE, NULL, ask);
        close_new(openat(at, component, O_RDWR));
        objects_on(0, NULL, NULL);
        g_assert_cmpuint(strlen(names[NORMALIZED]), ==, length + NAME_MAX + 1);
        g_assert_true(g_str_has_suffix(names[NORMALIZED], component));
        forget();
        g_assert_cmpint(unlinkat(at, component, 0), ==, 0);
        remove_chain(at, component, (unsigned)(length / (NAME_MAX + 1)));
        objects_tear_down();
}

/* Deeper than Windows can say: the file works, and is not taken for another. */
static void test_too_long(void)
{
        char component[NAME_MAX + 1];
        struct stat st, shown;
        int at, source, next;

        objects_set_up();
        memset(component, 'n', NAME_MAX);
        component[NAME_MAX] = '\0';
        at = open(irp_mount, O_RDONLY | O_DIRECTORY);
        source = open(irp_source, O_RDONLY | O_DIRECTORY);
        for (unsigned depth = 0; depth < 130; depth++) {
                g_assert_cmpint(mkdirat(source, component, 0755), ==, 0);
                next = openat(source, component, O_RDONLY | O_DIRECTORY);
                close(source);
                source = next;
                next = openat(at, component, O_RDONLY | O_DIRECTORY);
                g_assert_cmpint(next, >=, 0);
                close(at);
                at = next;
        }
        irp_clear();
        next = openat(at, "file", O_RDWR | O_CREAT, 0600);
        g_assert_cmpint(next, >=, 0);
        /* No name at all is the volume's. */
        g_assert_cmpstr(irp_find("CREATE(OPEN_IF,NONDIR)")->name, !=, "");
        g_assert_cmpint((int)write(next, "x", 1), ==, 1);
        objects_on(IRP_MJ_READ, ask, NULL);
        read_byte(next);
        objects_on(0, NULL, NULL);
        assert_status(statuses[NORMALIZED], STATUS_NAME_TOO_LONG);
        g_assert_cmpint(fstat(next, &shown), ==, 0);
        g_assert_cmpint(fstatat(source, "file", &st, 0), ==, 0);
        g_assert_cmpuint(shown.st_ino, ==, st.st_ino);
        g_assert_cmpint(unlinkat(at, "file", 0), ==, 0);
        close(next);
        close(at);
        remove_chain(source, component, 130);
        forget();
        objects_tear_down();
}

/* ---- opens by a filter ---- */

/* A filter below asks in the pre-operation. */
static struct irp_rule asks_below = {.major = IRP_MJ_CREATE, .class = -1, .pre = ask};

static void create_and_ask(const char *path, ULONG disposition, ULONG options, NTSTATUS expected)
{
        HANDLE handle;

        irp_set_rule(&asks_below);
        assert_status(objects_create(path, FILE_READ_ATTRIBUTES | SYNCHRONIZE, disposition,
                                     options | FILE_SYNCHRONOUS_IO_NONALERT, &handle, NULL),
                      expected);
        irp_set_rule(NULL);
        if (NT_SUCCESS(expected))
                assert_status(FltClose(handle), STATUS_SUCCESS);
}

static void test_links_on_the_way(void)
{
        objects_set_up();
        g_autofree char *directory = irp_in_source("dir"), *link = irp_in_source("link");
        g_assert_cmpint(mkdir(directory, 0755), ==, 0);
        g_assert_cmpint(symlink("dir", link), ==, 0);
        objects_touch("dir/file", "x");

        /* Opened: as it is spelled. Normalized: where it is. */
        create_and_ask("\\link\\file", FILE_OPEN, 0, STATUS_SUCCESS);
        assert_names("\\link\\file", "\\dir\\file", NULL);
        create_and_ask("\\link\\new", FILE_OPEN_IF, 0, STATUS_SUCCESS);
        assert_names("\\link\\new", "\\dir\\new", NULL);
        /* The last component is not followed. */
        create_and_ask("\\link", FILE_OPEN, FILE_OPEN_REPARSE_POINT, STATUS_SUCCESS);
        assert_names("\\link", "\\link", NULL);
        create_and_ask("\\dir\\file::$DATA", FILE_OPEN, 0, STATUS_SUCCESS);
        assert_names("\\dir\\file::$DATA", "\\dir\\file", NULL);
        /* What has no directory has an opened name only. */
        create_and_ask("\\nowhere\\file", FILE_OPEN, 0, STATUS_OBJECT_PATH_NOT_FOUND);
        assert_status(statuses[NORMALIZED], STATUS_OBJECT_PATH_NOT_FOUND);
        assert_names("\\nowhere\\file", NULL, NULL);
        objects_tear_down();
}

static void test_relative_and_by_id(void)
{
        FILE_INTERNAL_INFORMATION id;
        UNICODE_STRING relative = objects_string("file"), number;
        PFILE_OBJECT directory, file;
        OBJECT_ATTRIBUTES attributes;
        HANDLE root, handle;
        IO_STATUS_BLOCK iosb;

        objects_set_up();
        g_autofree char *path = irp_in_source("dir");
        g_assert_cmpint(mkdir(path, 0755), ==, 0);
        objects_touch("dir/file", "x");
        assert_status(objects_create("\\dir", FILE_LIST_DIRECTORY | SYNCHRONIZE, FILE_OPEN,
                                     FILE_DIRECTORY_FILE | FILE_SYNCHRONOUS_IO_NONALERT, &root, &directory),
                      STATUS_SUCCESS);
        InitializeObjectAttributes(&attributes, &relative, OBJ_KERNEL_HANDLE, root, NULL);
        irp_set_rule(&asks_below);
        assert_status(FltCreateFileEx(objects_filter, objects_instance, &handle, &file,
                                      FILE_READ_ATTRIBUTES | SYNCHRONIZE, &attributes, &iosb, NULL, 0, 7, FILE_OPEN,
                                      FILE_SYNCHRONOUS_IO_NONALERT, NULL, 0, 0),
                      STATUS_SUCCESS);
        irp_set_rule(NULL);
        assert_names("\\dir\\file", "\\dir\\file", NULL);
        g_assert_cmpuint(file->FileName.Length, ==, relative.Length);
        g_assert_true(file->RelatedFileObject == directory);
        assert_status(FltQueryInformationFile(objects_instance, file, &id, sizeof(id), FileInternalInformation, NULL),
                      STATUS_SUCCESS);

        /* By its id: the name is found before it is open. */
        number = (UNICODE_STRING){8, 8, (PWCH)&id.IndexNumber};
        InitializeObjectAttributes(&attributes, &number, OBJ_KERNEL_HANDLE, root, NULL);
        HANDLE by_id;
        irp_set_rule(&asks_below);
        assert_status(FltCreateFile(objects_filter, objects_instance, &by_id, FILE_READ_ATTRIBUTES | SYNCHRONIZE,
                                    &attributes, &iosb, NULL, 0, 7, FILE_OPEN,
                                    FILE_OPEN_BY_FILE_ID | FILE_SYNCHRONOUS_IO_NONALERT, NULL, 0, 0),
                      STATUS_SUCCESS);
        irp_set_rule(NULL);
        assert_names("\\dir\\file", "\\dir\\file", NULL);
        assert_status(FltClose(by_id), STATUS_SUCCESS);
        id.IndexNumber.QuadPart = 0x7fffffffffff;
        irp_set_rule(&asks_below);
        assert_status(FltCreateFile(objects_filter, objects_instance, &by_id, FILE_READ_ATTRIBUTES | SYNCHRONIZE,
                                    &attributes, &iosb, NULL, 0, 7, FILE_OPEN,
                                    FILE_OPEN_BY_FILE_ID | FILE_SYNCHRONOUS_IO_NONALERT, NULL, 0, 0),
                      STATUS_INVALID_PARAMETER);
        irp_set_rule(NULL);
        assert_status(statuses[NORMALIZED], STATUS_INVALID_PARAMETER);
        forget();
        objects_close(handle, file);
        objects_close(root, directory);
        g_free(relative.Buffer);
        objects_tear_down();
}

/* Handles that were opened by a filter: from outside any operation. */
static void test_unsafe(void)
{
        PFLT_FILE_NAME_INFORMATION name;
        PFILE_OBJECT file;
        HANDLE handle;

        objects_set_up();
        objects_touch("file", "x");
        handle = objects_open("\\file", &file);
        assert_status(FltGetFileNameInformationUnsafe(file, objects_instance,
                                                      FLT_FILE_NAME_NORMALIZED | FLT_FILE_NAME_QUERY_CACHE_ONLY, &name),
                      STATUS_FLT_NAME_CACHE_MISS);
        for (unsigned i = 0; i < KINDS; i++) {
                g_autofree char *text = NULL;
                NTSTATUS status = FltGetFileNameInformationUnsafe(
                        file, objects_instance, formats[i] | FLT_FILE_NAME_QUERY_FILESYSTEM_ONLY, &name);

                text = objects_name_text(status, name);
                g_assert_cmpstr(text, ==, i == EIGHT_THREE ? "file" : "\\file");
        }
        /* FILESYSTEM_ONLY is not kept. */
        assert_status(FltGetFileNameInformationUnsafe(file, objects_instance,
                                                      FLT_FILE_NAME_NORMALIZED | FLT_FILE_NAME_QUERY_CACHE_ONLY, &name),
                      STATUS_FLT_NAME_CACHE_MISS);
        assert_status(
                FltGetFileNameInformationUnsafe(file, NULL, FLT_FILE_NAME_OPENED | FLT_FILE_NAME_QUERY_DEFAULT, &name),
                STATUS_SUCCESS);
        FltReleaseFileNameInformation(name);
        assert_status(FltGetFileNameInformationUnsafe(file, objects_instance,
                                                      FLT_FILE_NAME_OPENED | FLT_FILE_NAME_QUERY_CACHE_ONLY, &name),
                      STATUS_SUCCESS);
        FltReleaseFileNameInformation(name);
        objects_close(handle, file);
        objects_tear_down();
}

/* ---- where renames and links go ---- */

static char *destination[2];
static NTSTATUS destination_status[3], tunneled_status;
static PFLT_FILE_NAME_INFORMATION tunneled;

static void ask_destination(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        FILE_RENAME_INFORMATION *rename = data->Iopb->Parameters.SetFileInformation.InfoBuffer;

        switch (data->Iopb->Parameters.SetFileInformation.FileInformationClass) {
        case FileRenameInformation:
        case FileRenameInformationEx:
        case FileLinkInformation:
                break;
        default:
                return;
        }
        for (unsigned i = 0; i < KINDS; i++) {
                PFLT_FILE_NAME_INFORMATION name;

                destination_status[i] = FltGetDestinationFileNameInformation(
                        objects->Instance, objects->FileObject, rename->RootDirectory, rename->FileName,
                        rename->FileNameLength, formats[i] | FLT_FILE_NAME_QUERY_DEFAULT, &name);
                if (i == EIGHT_THREE)
                        break;
                g_free(destination[i]);
                destination[i] = objects_name_text(destination_status[i], name);
        }
        ask(data, objects);
}

static void ask_tunneled(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        PFLT_FILE_NAME_INFORMATION name;

        if (!NT_SUCCESS(FltGetFileNameInformation(data, FLT_FILE_NAME_NORMALIZED | FLT_FILE_NAME_QUERY_DEFAULT, &name)))
                return;
        tunneled = (PVOID)&tunneled;
        tunneled_status = FltGetTunneledName(data, name, &tunneled);
        FltReleaseFileNameInformation(name);
}

static void assert_destination(const char *old, const char *new)
{
        g_assert_cmpstr(destination[OPENED], ==, new);
        g_assert_cmpstr(destination[NORMALIZED], ==, new);
        assert_status(destination_status[EIGHT_THREE], STATUS_FLT_INVALID_NAME_REQUEST);
        /* The file's own name is the old one. */
        g_assert_cmpstr(names[NORMALIZED], ==, old);
        assert_status(tunneled_status, STATUS_SUCCESS);
        g_assert_null(tunneled);
        objects_on(0, NULL, NULL);
        forget();
}

static void test_destination(void)
{
        objects_set_up();
        IN(directory, "d");
        IN(a, "a");
        IN(b, "b");
        IN(inside, "d/c");
        IN(hard, "d/hard");
        g_assert_cmpint(mkdir(directory, 0755), ==, 0);
        objects_touch("a", "x");
        objects_on(IRP_MJ_SET_INFORMATION, ask_destination, ask_tunneled);
        g_assert_cmpint(rename(a, b), ==, 0);
        assert_destination("\\a", "\\b");
        objects_on(IRP_MJ_SET_INFORMATION, ask_destination, ask_tunneled);
        g_assert_cmpint(rename(b, inside), ==, 0);
        assert_destination("\\b", "\\d\\c");
        objects_on(IRP_MJ_SET_INFORMATION, ask_destination, ask_tunneled);
        g_assert_cmpint(link(inside, hard), ==, 0);
        assert_destination("\\d\\c", "\\d\\hard");
        objects_tear_down();
}

static char *destination_of(PFILE_OBJECT file, HANDLE root, const char *target, FLT_FILE_NAME_OPTIONS options,
                            NTSTATUS *status)
{
        UNICODE_STRING text = objects_string(target);
        PFLT_FILE_NAME_INFORMATION name;

        *status = FltGetDestinationFileNameInformation(objects_instance, file, root, text.Buffer, text.Length, options,
                                                       &name);
        g_free(text.Buffer);
        return objects_name_text(*status, name);
}

static void test_destination_forms(void)
{
        static const FLT_FILE_NAME_OPTIONS normalized = FLT_FILE_NAME_NORMALIZED | FLT_FILE_NAME_QUERY_DEFAULT;
        static const FLT_FILE_NAME_OPTIONS opened = FLT_FILE_NAME_OPENED | FLT_FILE_NAME_QUERY_DEFAULT;
        PFILE_OBJECT file, directory;
        HANDLE handle, root;
        NTSTATUS status;

        objects_set_up();
        g_autofree char *dir = irp_in_source("dir"), *link = irp_in_source("link");
        g_autofree char *volume = objects_text(&objects_volume->Name);
        g_assert_cmpint(mkdir(dir, 0755), ==, 0);
        g_assert_cmpint(symlink("dir", link), ==, 0);
        objects_touch("dir/file", "x");
        handle = objects_open("\\dir\\file", &file);
        assert_status(objects_create("\\", FILE_LIST_DIRECTORY | SYNCHRONIZE, FILE_OPEN,
                                     FILE_DIRECTORY_FILE | FILE_SYNCHRONOUS_IO_NONALERT, &root, &directory),
                      STATUS_SUCCESS);
        const struct {
                HANDLE root;
                const char *target;
                FLT_FILE_NAME_OPTIONS options;
                const char *expected;
                NTSTATUS status;
        } rows[] = {
                {NULL, "new", normalized, "\\dir\\new", STATUS_SUCCESS},
                {root, "new", normalized, "\\new", STATUS_SUCCESS},
                {root, "dir\\new", opened, "\\dir\\new", STATUS_SUCCESS},
                {root, "link\\new", opened, "\\link\\new", STATUS_SUCCESS},
                {root, "link\\new", normalized, "\\dir\\new", STATUS_SUCCESS},
                {NULL, "\\link\\new", normalized, "\\dir\\new", STATUS_SUCCESS},
                {NULL, "\\nowhere\\new", normalized, NULL, STATUS_OBJECT_PATH_NOT_FOUND},
                {NULL, "\\nowhere\\new", opened, "\\nowhere\\new", STATUS_SUCCESS},
                {NULL, "\\Device\\HarddiskVolume99\\new", normalized, NULL, STATUS_NOT_SAME_DEVICE},
                {NULL, "new", FLT_FILE_NAME_NORMALIZED | FLT_FILE_NAME_QUERY_CACHE_ONLY, NULL,
                 STATUS_FLT_NAME_CACHE_MISS},
                {(HANDLE)(ULONG_PTR)0x7ff4, "new", normalized, NULL, STATUS_INVALID_HANDLE},
        };

        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
                g_autofree char *text = destination_of(file, rows[i].root, rows[i].target, rows[i].options, &status);

                assert_status(status, rows[i].status);
                g_assert_cmpstr(text, ==, rows[i].expected);
        }
        g_autofree char *whole = g_strconcat(volume, "\\dir\\new", NULL);
        g_autofree char *text = destination_of(file, NULL, whole, normalized, &status);
        g_assert_cmpstr(text, ==, "\\dir\\new");
        objects_close(root, directory);
        objects_close(handle, file);
        objects_tear_down();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        if (!irp_can_mount())
                return 0;
        forget();
        g_test_add_func("/objects/names/opens", test_opens);
        g_test_add_func("/objects/names/failed-open", test_failed_open);
        g_test_add_func("/objects/names/changes", test_changes);
        g_test_add_func("/objects/names/after-cleanup", test_after_cleanup);
        g_test_add_func("/objects/names/parts", test_parts);
        g_test_add_func("/objects/names/long", test_long_names);
        g_test_add_func("/objects/names/too-long", test_too_long);
        g_test_add_func("/objects/names/links-on-the-way", test_links_on_the_way);
        g_test_add_func("/objects/names/relative-and-by-id", test_relative_and_by_id);
        g_test_add_func("/objects/names/unsafe", test_unsafe);
        g_test_add_func("/objects/names/destination", test_destination);
        g_test_add_func("/objects/names/destination-forms", test_destination_forms);
        return g_test_run();
}
