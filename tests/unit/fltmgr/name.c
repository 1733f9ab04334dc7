/* SPDX-License-Identifier: MIT */
#include "fake.h"

#include <string.h>

#include "nt/object.h"
#include "nt/thread.h"

#define NORMALIZED_DEFAULT (FLT_FILE_NAME_NORMALIZED | FLT_FILE_NAME_QUERY_DEFAULT)
#define OPENED_DEFAULT     (FLT_FILE_NAME_OPENED | FLT_FILE_NAME_QUERY_DEFAULT)

static struct fake *fake;

/* An operation as a callback of fake->instance sees it. */
static struct fm_operation *operation_new(UCHAR major, PFILE_OBJECT file, bool post)
{
        struct fm_operation *operation = fm_operation_new_generated(fake->instance, major, file);

        operation->iopb.TargetInstance = fake->instance;
        if (post)
                operation->data.Flags |= FLTFL_CALLBACK_DATA_POST_OPERATION;
        return operation;
}

/* The volume's name and the rest, good for the next few calls. */
static char *full(const char *rest)
{
        static char results[8][256];
        static unsigned next;
        char *result = results[next++ % G_N_ELEMENTS(results)];
        size_t length = fake->volume->Name.Length / sizeof(WCHAR);

        for (size_t i = 0; i < length; i++)
                result[i] = (char)fake->volume->Name.Buffer[i];
        g_strlcpy(result + length, rest, sizeof(results[0]) - length);
        return result;
}

static void assert_name(struct fm_operation *operation, FLT_FILE_NAME_OPTIONS options, const char *expected)
{
        PFLT_FILE_NAME_INFORMATION name;
        const char *whole = full(expected);

        assert_status(FltGetFileNameInformation(&operation->data, options, &name), STATUS_SUCCESS);
        assert_string(&name->Name, whole);
        assert_string(&name->Volume, full(""));
        g_assert_true(name->Volume.Buffer == name->Name.Buffer);
        g_assert_cmpuint(name->Size, ==, sizeof(*name));
        g_assert_cmpuint(name->Format, ==, options & FLT_VALID_FILE_NAME_FORMATS);
        g_assert_cmpuint(name->NamesParsed, ==, 0);
        g_assert_cmpuint(name->FinalComponent.Length, ==, 0);
        FltReleaseFileNameInformation(name);
}

static void assert_refused(struct fm_operation *operation, FLT_FILE_NAME_OPTIONS options, NTSTATUS expected)
{
        PFLT_FILE_NAME_INFORMATION name = (PVOID)&name;

        assert_status(FltGetFileNameInformation(&operation->data, options, &name), expected);
        if (expected != STATUS_INVALID_PARAMETER)
                g_assert_null(name);
}

static void test_before_open(void)
{
        PFILE_OBJECT file = fake_file(fake, "/dir/new file.txt", false);
        struct fm_operation *operation = operation_new(IRP_MJ_CREATE, file, false);

        assert_name(operation, NORMALIZED_DEFAULT, "\\dir\\new file.txt");
        assert_name(operation, OPENED_DEFAULT, "\\dir\\new file.txt");
        assert_refused(operation, FLT_FILE_NAME_SHORT | FLT_FILE_NAME_QUERY_DEFAULT, STATUS_FLT_INVALID_NAME_REQUEST);
        operation->iopb.OperationFlags = SL_OPEN_TARGET_DIRECTORY;
        assert_name(operation, NORMALIZED_DEFAULT, "\\dir");
        operation->iopb.OperationFlags = 0;
        operation->iopb.Parameters.Create.Options = FILE_OPEN_BY_FILE_ID;
        assert_refused(operation, NORMALIZED_DEFAULT, STATUS_NOT_SUPPORTED);
        fm_operation_free(operation);
        fm_object_unref(file);
}

static void test_normalized_is_cleaned(void)
{
        static const char *const names[][2] = {
                {"\\a\\b\\", "\\a\\b"}, {"\\a::$DATA", "\\a"}, {"\\a:s:$data", "\\a:s"},
                {"\\a:s", "\\a:s"},     {"\\", "\\"},          {"\\a.$DATA", "\\a.$DATA"},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                PFILE_OBJECT file = fm_file_object_new(fake->volume);
                struct fm_operation *operation;
                UNICODE_STRING spelled = fake_string(names[i][0]);

                file->FileName.Buffer = ExAllocatePoolWithTag(PagedPool, spelled.Length, 'tset');
                memcpy(file->FileName.Buffer, spelled.Buffer, spelled.Length);
                file->FileName.Length = file->FileName.MaximumLength = spelled.Length;
                operation = operation_new(IRP_MJ_CREATE, file, false);
                assert_name(operation, NORMALIZED_DEFAULT, names[i][1]);
                assert_name(operation, OPENED_DEFAULT, names[i][0]);
                fm_operation_free(operation);
                fm_object_unref(file);
                g_free(spelled.Buffer);
        }
}

static void test_relative_and_volume(void)
{
        PFILE_OBJECT directory = fake_file(fake, "/dir", true);
        PFILE_OBJECT file = fake_file(fake, "below", false);
        PFILE_OBJECT volume = fm_file_object_new(fake->volume);
        struct fm_operation *operation;

        file->RelatedFileObject = directory;
        operation = operation_new(IRP_MJ_CREATE, file, false);
        assert_name(operation, NORMALIZED_DEFAULT, "\\dir\\below");
        fm_operation_free(operation);
        operation = operation_new(IRP_MJ_CREATE, volume, false);
        assert_name(operation, NORMALIZED_DEFAULT, "");
        fm_operation_free(operation);
        fm_object_unref(volume);
        fm_object_unref(file);
        fm_object_unref(directory);
}

static void test_opened(void)
{
        PFILE_OBJECT file = fake_file(fake, "/dir/old", true);
        struct fm_operation *operation = operation_new(IRP_MJ_READ, file, false);
        PFLT_FILE_NAME_INFORMATION name;
        struct fake_open {
                struct fake *fake;
                char *path;
        } *open = fm_file_object(file)->fsd_file;

        assert_name(operation, NORMALIZED_DEFAULT, "\\dir\\old");
        /* Renamed: the name follows. */
        fake_add(fake, "/dir/renamed", "x");
        g_free(open->path);
        open->path = g_strdup("/dir/renamed");
        assert_name(operation, NORMALIZED_DEFAULT, "\\dir\\renamed");
        assert_status(FltGetFileNameInformationUnsafe(file, fake->instance, OPENED_DEFAULT, &name), STATUS_SUCCESS);
        assert_string(&name->Name, full("\\dir\\renamed"));
        FltReleaseFileNameInformation(name);
        /* Unlinked: the name it was opened by. */
        g_free(open->path);
        open->path = g_strdup("/gone");
        assert_name(operation, NORMALIZED_DEFAULT, "\\dir\\old");
        fm_operation_free(operation);
        fm_object_unref(file);
        g_hash_table_remove(fake->files, "/dir/renamed");
}

static void test_short(void)
{
        static const struct {
                const char *path;
                bool is_short;
        } rows[] = {{"/dir/README.TXT", true}, {"/dir/much longer.txt", false}, {"/dir/a", true},
                    {"/dir/a.html", false},    {"/dir/.profile", false},        {"/dir/12345678.123", true},
                    {"/dir/123456789", false}};

        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
                PFLT_FILE_NAME_INFORMATION name;
                struct fm_operation *operation;
                PFILE_OBJECT file;

                fake_add(fake, rows[i].path, "");
                file = fake_file(fake, rows[i].path, true);
                operation = operation_new(IRP_MJ_READ, file, false);
                if (rows[i].is_short) {
                        assert_status(FltGetFileNameInformation(&operation->data,
                                                                FLT_FILE_NAME_SHORT | FLT_FILE_NAME_QUERY_DEFAULT,
                                                                &name),
                                      STATUS_SUCCESS);
                        assert_string(&name->Name, strrchr(rows[i].path, '/') + 1);
                        FltReleaseFileNameInformation(name);
                } else {
                        assert_refused(operation, FLT_FILE_NAME_SHORT | FLT_FILE_NAME_QUERY_DEFAULT,
                                       STATUS_OBJECT_NAME_NOT_FOUND);
                }
                fm_operation_free(operation);
                fm_object_unref(file);
        }
}

/* Where a query would be unsafe: refused, or answered only if somebody has asked before. */
static void test_unsafe(void)
{
        static const struct {
                UCHAR major;
                bool post;
                ULONG irp_flags, file_flags;
        } rows[] = {
                {IRP_MJ_READ, false, IRP_PAGING_IO, 0},
                {IRP_MJ_WRITE, true, IRP_PAGING_IO, 0},
                {IRP_MJ_CLEANUP, true, 0, 0},
                {IRP_MJ_CLOSE, false, 0, FO_CLEANUP_COMPLETE},
                {IRP_MJ_CLOSE, true, 0, FO_CLEANUP_COMPLETE},
                {IRP_MJ_QUERY_INFORMATION, false, 0, FO_CLEANUP_COMPLETE},
                {IRP_MJ_RELEASE_FOR_SECTION_SYNCHRONIZATION, false, 0, 0},
                {IRP_MJ_ACQUIRE_FOR_SECTION_SYNCHRONIZATION, true, 0, 0},
                {IRP_MJ_ACQUIRE_FOR_MOD_WRITE, false, 0, 0},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
                PFILE_OBJECT file = fake_file(fake, "/dir/old", true);
                struct fm_operation *operation = operation_new(rows[i].major, file, rows[i].post);
                struct fm_operation *safe = operation_new(IRP_MJ_READ, file, false);
                ULONG cached = FLT_FILE_NAME_NORMALIZED | FLT_FILE_NAME_QUERY_ALWAYS_ALLOW_CACHE_LOOKUP;

                operation->iopb.IrpFlags |= rows[i].irp_flags;
                file->Flags |= rows[i].file_flags;
                assert_refused(operation, NORMALIZED_DEFAULT, STATUS_FLT_INVALID_NAME_REQUEST);
                assert_refused(operation, FLT_FILE_NAME_NORMALIZED | FLT_FILE_NAME_QUERY_FILESYSTEM_ONLY,
                               STATUS_FLT_INVALID_NAME_REQUEST);
                assert_refused(operation, cached, STATUS_FLT_NAME_CACHE_MISS);
                assert_refused(operation, FLT_FILE_NAME_NORMALIZED | FLT_FILE_NAME_QUERY_CACHE_ONLY,
                               STATUS_FLT_NAME_CACHE_MISS);

                /* Somebody asks while it is safe; not to be cached does not help. */
                file->Flags &= ~(ULONG)FO_CLEANUP_COMPLETE;
                assert_name(safe, NORMALIZED_DEFAULT | FLT_FILE_NAME_DO_NOT_CACHE, "\\dir\\old");
                file->Flags |= rows[i].file_flags;
                assert_refused(operation, cached, STATUS_FLT_NAME_CACHE_MISS);
                file->Flags &= ~(ULONG)FO_CLEANUP_COMPLETE;
                assert_name(safe, NORMALIZED_DEFAULT, "\\dir\\old");
                file->Flags |= rows[i].file_flags;
                assert_name(operation, cached, "\\dir\\old");
                assert_name(operation, FLT_FILE_NAME_NORMALIZED | FLT_FILE_NAME_QUERY_CACHE_ONLY, "\\dir\\old");
                /* Each format on its own; DEFAULT is as unsafe as before. */
                assert_refused(operation, FLT_FILE_NAME_OPENED | FLT_FILE_NAME_QUERY_CACHE_ONLY,
                               STATUS_FLT_NAME_CACHE_MISS);
                assert_refused(operation, NORMALIZED_DEFAULT, STATUS_FLT_INVALID_NAME_REQUEST);
                assert_status(FltPurgeFileNameInformationCache(fake->instance, i % 2 ? file : NULL), STATUS_SUCCESS);
                assert_refused(operation, cached, STATUS_FLT_NAME_CACHE_MISS);
                fm_operation_free(safe);
                fm_operation_free(operation);
                fm_object_unref(file);
        }
}

/* These look unsafe, and are not. */
static void test_safe(void)
{
        static const struct {
                UCHAR major;
                bool post;
        } rows[] = {
                {IRP_MJ_ACQUIRE_FOR_SECTION_SYNCHRONIZATION, false},
                {IRP_MJ_CLEANUP, false},
                {IRP_MJ_READ, true},
                {IRP_MJ_SET_INFORMATION, false},
                {IRP_MJ_CREATE, true},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
                PFILE_OBJECT file = fake_file(fake, "/dir/old", true);
                struct fm_operation *operation = operation_new(rows[i].major, file, rows[i].post);

                assert_name(operation, NORMALIZED_DEFAULT, "\\dir\\old");
                fm_operation_free(operation);
                fm_object_unref(file);
        }
}

static void test_unsafe_thread(void)
{
        PFILE_OBJECT file = fake_file(fake, "/dir/old", true);
        struct fm_operation *operation = operation_new(IRP_MJ_READ, file, false);

        fm_thread_self()->top_level_irp = operation;
        assert_refused(operation, NORMALIZED_DEFAULT, STATUS_FLT_INVALID_NAME_REQUEST);
        fm_thread_self()->top_level_irp = NULL;
        KeEnterGuardedRegion();
        assert_refused(operation, OPENED_DEFAULT, STATUS_FLT_INVALID_NAME_REQUEST);
        KeLeaveGuardedRegion();
        assert_name(operation, NORMALIZED_DEFAULT, "\\dir\\old");
        fm_operation_free(operation);
        fm_object_unref(file);
}

static void test_bad_options(void)
{
        static const ULONG bad[] = {
                0,          FLT_FILE_NAME_NORMALIZED, FLT_FILE_NAME_QUERY_DEFAULT, 0x104, 0x501, 0x00010101,
                0x10000101, 0x101 | 0x08000000};
        PFILE_OBJECT file = fake_file(fake, "/dir/old", true);
        struct fm_operation *operation = operation_new(IRP_MJ_READ, file, false);

        for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
                assert_refused(operation, bad[i], STATUS_INVALID_PARAMETER);
        fm_operation_free(operation);
        operation = operation_new(IRP_MJ_SHUTDOWN, NULL, false);
        assert_refused(operation, NORMALIZED_DEFAULT, STATUS_INVALID_PARAMETER);
        fm_operation_free(operation);
        fm_object_unref(file);
}

static void test_reparse(void)
{
        PFILE_OBJECT file = fake_file(fake, "/dir/old", false);
        struct fm_operation *operation = operation_new(IRP_MJ_CREATE, file, true);

        operation->data.IoStatus.Status = STATUS_REPARSE;
        assert_refused(operation, NORMALIZED_DEFAULT, STATUS_FLT_INVALID_NAME_REQUEST);
        assert_name(operation, NORMALIZED_DEFAULT | FLT_FILE_NAME_ALLOW_QUERY_ON_REPARSE, "\\dir\\old");
        operation->data.IoStatus.Status = STATUS_ACCESS_DENIED;
        assert_name(operation, NORMALIZED_DEFAULT, "\\dir\\old");
        fm_operation_free(operation);
        fm_object_unref(file);
}

/* Names are counted for the filter that asked, until the last reference goes. */
static void test_counting(void)
{
        PFILE_OBJECT file = fake_file(fake, "/dir/old", true);
        struct fm_operation *operation = operation_new(IRP_MJ_READ, file, false);
        PFLT_FILE_NAME_INFORMATION first, second;

        g_assert_cmpuint(fake->filter->names_alive, ==, 0);
        assert_status(FltGetFileNameInformation(&operation->data, NORMALIZED_DEFAULT, &first), STATUS_SUCCESS);
        assert_status(FltGetFileNameInformation(&operation->data, OPENED_DEFAULT, &second), STATUS_SUCCESS);
        g_assert_cmpuint(fake->filter->names_alive, ==, 2);
        FltReferenceFileNameInformation(first);
        FltReleaseFileNameInformation(first);
        FltReleaseFileNameInformation(second);
        g_assert_cmpuint(fake->filter->names_alive, ==, 1);
        fm_operation_free(operation);
        fm_object_unref(file);
        assert_string(&first->Name, full("\\dir\\old"));
        FltReleaseFileNameInformation(first);
        g_assert_cmpuint(fake->filter->names_alive, ==, 0);
}

static void test_destination(void)
{
        static const struct {
                const char *name;     /* %V: the volume's name */
                const char *expected; /* NULL: another device */
        } rows[] = {
                {"simple", "\\dir\\simple"},
                {"\\other\\place", "\\other\\place"},
                {"%V\\other\\place", "\\other\\place"},
                {"\\??\\%D\\x", "\\x"},
                {"\\DosDevices\\%D\\x y", "\\x y"},
                {"\\??\\Q:\\x", NULL},
                {"\\Device\\Elsewhere\\x", NULL},
        };
        PFILE_OBJECT file = fake_file(fake, "/dir/old", true);
        PFILE_OBJECT root = fake_file(fake, "/", true);
        PFLT_FILE_NAME_INFORMATION name;
        UNICODE_STRING text;
        HANDLE handle;

        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
                const char *volume = full("");
                g_autofree char *letter = g_strdup_printf("%c:", fake->volume->DosName.Buffer[0]);
                g_auto(GStrv) by_volume = g_strsplit(rows[i].name, "%V", -1);
                g_autofree char *one = g_strjoinv(volume, by_volume);
                g_auto(GStrv) by_letter = g_strsplit(one, "%D", -1);
                g_autofree char *two = g_strjoinv(letter, by_letter);
                NTSTATUS status;

                text = fake_string(two);
                status = FltGetDestinationFileNameInformation(fake->instance, file, NULL, text.Buffer, text.Length,
                                                              NORMALIZED_DEFAULT, &name);
                if (rows[i].expected) {
                        assert_status(status, STATUS_SUCCESS);
                        assert_string(&name->Name, full(rows[i].expected));
                        FltReleaseFileNameInformation(name);
                } else {
                        assert_status(status, STATUS_NOT_SAME_DEVICE);
                }
                g_free(text.Buffer);
        }

        text = fake_string("new");
        assert_status(fm_handle_new(root, &handle), STATUS_SUCCESS);
        assert_status(FltGetDestinationFileNameInformation(fake->instance, file, handle, text.Buffer, text.Length,
                                                           NORMALIZED_DEFAULT, &name),
                      STATUS_SUCCESS);
        assert_string(&name->Name, full("\\new"));
        FltReleaseFileNameInformation(name);
        assert_status(FltGetDestinationFileNameInformation(fake->instance, file, (HANDLE)0x7ffc, text.Buffer,
                                                           text.Length, NORMALIZED_DEFAULT, &name),
                      STATUS_INVALID_HANDLE);
        assert_status(FltGetDestinationFileNameInformation(fake->instance, file, NULL, text.Buffer, text.Length,
                                                           FLT_FILE_NAME_SHORT | FLT_FILE_NAME_QUERY_DEFAULT, &name),
                      STATUS_FLT_INVALID_NAME_REQUEST);
        assert_status(FltGetDestinationFileNameInformation(fake->instance, file, NULL, text.Buffer, 3,
                                                           NORMALIZED_DEFAULT, &name),
                      STATUS_INVALID_PARAMETER);
        fm_handle_close(handle);
        g_free(text.Buffer);
        fm_object_unref(root);
        fm_object_unref(file);
}

static void test_parse(void)
{
        static const struct {
                const char *path, *parent, *final, *extension, *stream;
        } rows[] = {
                {"\\Docs\\a b\\x.tar.gz:s1", "\\Docs\\a b\\", "x.tar.gz:s1", "gz", ":s1"},
                {"\\x", "\\", "x", "", ""},
                {"\\", "\\", "", "", ""},
                {"", "", "", "", ""},
                {"\\.profile", "\\", ".profile", "profile", ""},
                {"\\a.b\\c", "\\a.b\\", "c", "", ""},
                {"\\a.", "\\", "a.", "", ""},
                {"\\a.b:c.d", "\\", "a.b:c.d", "b", ":c.d"},
                {"\\a:b.c", "\\", "a:b.c", "", ":b.c"},
                {"\\d\\:s", "\\d\\", ":s", "", ":s"},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
                PFILE_OBJECT file = fm_file_object_new(fake->volume);
                UNICODE_STRING spelled = fake_string(rows[i].path), extension, stream, final;
                PFLT_FILE_NAME_INFORMATION name;
                struct fm_operation *operation;

                file->FileName.Buffer = ExAllocatePoolWithTag(PagedPool, spelled.Length + 2u, 'tset');
                memcpy(file->FileName.Buffer, spelled.Buffer, spelled.Length);
                file->FileName.Length = file->FileName.MaximumLength = spelled.Length;
                operation = operation_new(IRP_MJ_CREATE, file, false);
                assert_status(FltGetFileNameInformation(&operation->data, OPENED_DEFAULT, &name), STATUS_SUCCESS);
                for (int twice = 0; twice < 2; twice++) {
                        assert_status(FltParseFileNameInformation(name), STATUS_SUCCESS);
                        assert_string(&name->ParentDir, rows[i].parent);
                        assert_string(&name->FinalComponent, rows[i].final);
                        assert_string(&name->Extension, rows[i].extension);
                        assert_string(&name->Stream, rows[i].stream);
                        assert_string(&name->Share, "");
                        g_assert_cmpuint(name->NamesParsed, ==, 0xf);
                }
                FltReleaseFileNameInformation(name);
                fm_operation_free(operation);
                fm_object_unref(file);

                assert_status(FltParseFileName(&spelled, &extension, &stream, &final), STATUS_SUCCESS);
                assert_string(&final, rows[i].final);
                assert_string(&extension, rows[i].extension);
                assert_string(&stream, rows[i].stream);
                g_free(spelled.Buffer);
        }
}

/* A colon of a Linux name is no stream. */
static void test_parse_literal_colon(void)
{
        PFILE_OBJECT file = fake_file(fake, "/dir/12:30.log", false);
        struct fm_operation *operation = operation_new(IRP_MJ_CREATE, file, false);
        PFLT_FILE_NAME_INFORMATION name;

        assert_status(FltGetFileNameInformation(&operation->data, NORMALIZED_DEFAULT, &name), STATUS_SUCCESS);
        assert_status(FltParseFileNameInformation(name), STATUS_SUCCESS);
        g_assert_cmpuint(name->Stream.Length, ==, 0);
        assert_string(&name->Extension, "log");
        g_assert_cmphex(name->FinalComponent.Buffer[2], ==, 0xf03a);
        FltReleaseFileNameInformation(name);
        fm_operation_free(operation);
        fm_object_unref(file);
}

static void test_name_control(void)
{
        FLT_NAME_CONTROL control = {.Name = {4, 4, ExAllocatePoolWithTag(PagedPool, 4, 'tset')}};

        memcpy(control.Name.Buffer, L"ab", 4);
        assert_status(FltCheckAndGrowNameControl(&control, 4), STATUS_SUCCESS);
        g_assert_cmpuint(control.Name.MaximumLength, ==, 4);
        assert_status(FltCheckAndGrowNameControl(&control, 400), STATUS_SUCCESS);
        g_assert_cmpuint(control.Name.MaximumLength, ==, 400);
        assert_string(&control.Name, "ab");
        ExFreePool(control.Name.Buffer);
}

int main(int argc, char **argv)
{
        int result;

        g_test_init(&argc, &argv, NULL);
        fake = fake_new();
        fake_add(fake, "/dir", NULL);
        fake_add(fake, "/dir/old", "content");
        g_test_add_func("/name/before-open", test_before_open);
        g_test_add_func("/name/normalized-is-cleaned", test_normalized_is_cleaned);
        g_test_add_func("/name/relative-and-volume", test_relative_and_volume);
        g_test_add_func("/name/opened", test_opened);
        g_test_add_func("/name/short", test_short);
        g_test_add_func("/name/unsafe", test_unsafe);
        g_test_add_func("/name/safe", test_safe);
        g_test_add_func("/name/unsafe-thread", test_unsafe_thread);
        g_test_add_func("/name/bad-options", test_bad_options);
        g_test_add_func("/name/reparse", test_reparse);
        g_test_add_func("/name/counting", test_counting);
        g_test_add_func("/name/destination", test_destination);
        g_test_add_func("/name/parse", test_parse);
        g_test_add_func("/name/parse-literal-colon", test_parse_literal_colon);
        g_test_add_func("/name/name-control", test_name_control);
        result = g_test_run();
        fake_free(fake);
        return result;
}
