/* SPDX-License-Identifier: MIT */
/*
 * Zw services that a filter calls, which the whole stack sees, the filter included; and opens that go to some of the
 * stack only. None of them waits for itself.
 */
#include "objects-harness.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define IN(variable, name) g_autofree char *variable = irp_in_mount(name)

static _Alignas(8) UCHAR buffer[1024];

static void count(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
}

/* A volume's name and a path, for as long as a test takes. */
static UNICODE_STRING name_of(const char *path)
{
        g_autofree char *volume = objects_text(&objects_volume->Name), *full = g_strconcat(volume, path, NULL);

        return objects_string(full);
}

static NTSTATUS zw_create(const char *path, ACCESS_MASK access, ULONG disposition, ULONG options, HANDLE *handle)
{
        UNICODE_STRING name = name_of(path);
        OBJECT_ATTRIBUTES attributes;
        IO_STATUS_BLOCK iosb;
        NTSTATUS status;

        InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE, NULL, NULL);
        status = ZwCreateFile(handle, access | SYNCHRONIZE, &attributes, &iosb, NULL, FILE_ATTRIBUTE_NORMAL, 7,
                              disposition, options | FILE_SYNCHRONOUS_IO_NONALERT, NULL, 0);
        g_free(name.Buffer);
        return status;
}

/* What the operations of services look like, in the filter that called them. */
static ULONG data_flags;
static KPROCESSOR_MODE mode;

static void look(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        data_flags = data->Flags;
        mode = data->RequestorMode;
}

/* Calls something that both filters are to see: the upper one so many times. */
#define SEEN_BY_ALL(major, times, call, tokens)                                                                        \
        do {                                                                                                           \
                objects_on((major), look, NULL);                                                                       \
                data_flags = FLTFL_CALLBACK_DATA_GENERATED_IO;                                                         \
                mode = UserMode;                                                                                       \
                irp_clear();                                                                                           \
                assert_status((call), STATUS_SUCCESS);                                                                 \
                irp_expect(tokens);                                                                                    \
                g_assert_cmpuint(objects_seen(), ==, (times));                                                         \
                objects_on(0, NULL, NULL);                                                                             \
                g_assert_cmphex(data_flags &FLTFL_CALLBACK_DATA_GENERATED_IO, ==, 0);                                  \
                /* What ends a file is the opener's. */                                                                \
                if ((major) != IRP_MJ_CLEANUP)                                                                         \
                        g_assert_cmpint(mode, ==, KernelMode);                                                         \
        } while (0)

static void test_whole_stack(void)
{
        FILE_END_OF_FILE_INFORMATION end = {.EndOfFile.QuadPart = 3};
        LARGE_INTEGER offset = {.QuadPart = 0}, length = {.QuadPart = 1};
        OBJECT_ATTRIBUTES attributes;
        FILE_NETWORK_OPEN_INFORMATION information;
        IO_STATUS_BLOCK iosb;
        HANDLE handle;

        objects_set_up();
        objects_touch("file", "content");
        irp_watch(~UINT64_C(0));
        UNICODE_STRING name = name_of("\\file");
        InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE, NULL, NULL);

        SEEN_BY_ALL(IRP_MJ_CREATE, 1,
                    zw_create("\\file", FILE_GENERIC_READ | FILE_GENERIC_WRITE, FILE_OPEN, 0, &handle), "CREATE(OPEN)");
        SEEN_BY_ALL(IRP_MJ_READ, 1, ZwReadFile(handle, NULL, NULL, NULL, &iosb, buffer, 4, &offset, NULL), "READ");
        SEEN_BY_ALL(IRP_MJ_WRITE, 1, ZwWriteFile(handle, NULL, NULL, NULL, &iosb, buffer, 4, &offset, NULL), "WRITE");
        SEEN_BY_ALL(IRP_MJ_QUERY_INFORMATION, 1,
                    ZwQueryInformationFile(handle, &iosb, buffer, sizeof(buffer), FileStandardInformation),
                    "QUERY_INFORMATION(5)");
        SEEN_BY_ALL(IRP_MJ_SET_INFORMATION, 1,
                    ZwSetInformationFile(handle, &iosb, &end, sizeof(end), FileEndOfFileInformation),
                    "SET_INFORMATION(20)");
        SEEN_BY_ALL(IRP_MJ_FLUSH_BUFFERS, 1, ZwFlushBuffersFile(handle, &iosb), "FLUSH_BUFFERS");
        SEEN_BY_ALL(IRP_MJ_LOCK_CONTROL, 1,
                    ZwLockFile(handle, NULL, NULL, NULL, &iosb, &offset, &length, 0, TRUE, TRUE), "LOCK_CONTROL(1)");
        SEEN_BY_ALL(IRP_MJ_LOCK_CONTROL, 1, ZwUnlockFile(handle, &iosb, &offset, &length, 0), "LOCK_CONTROL(2)");
        /* These the upper filter does not register for. */
        irp_clear();
        assert_status(ZwQueryVolumeInformationFile(handle, &iosb, buffer, sizeof(buffer), FileFsSizeInformation),
                      STATUS_SUCCESS);
        assert_status(ZwFsControlFile(handle, NULL, NULL, NULL, &iosb, FSCTL_SET_SPARSE, NULL, 0, NULL, 0),
                      STATUS_SUCCESS);
        assert_status(ZwQueryEaFile(handle, &iosb, buffer, sizeof(buffer), FALSE, NULL, 0, NULL, TRUE),
                      STATUS_NO_EAS_ON_FILE);
        irp_expect("QUERY_VOLUME(3) FSCTL(900c4) QUERY_EA");
        SEEN_BY_ALL(IRP_MJ_CLEANUP, 1, ZwClose(handle), "CLEANUP CLOSE");
        SEEN_BY_ALL(IRP_MJ_QUERY_INFORMATION, 1, ZwQueryFullAttributesFile(&attributes, &information),
                    "CREATE(OPEN,REPARSE) QUERY_INFORMATION(34) CLEANUP CLOSE");
        g_assert_cmpint(information.EndOfFile.QuadPart, ==, 3);
        SEEN_BY_ALL(IRP_MJ_CREATE, 1, ZwDeleteFile(&attributes), "CREATE(OPEN,REPARSE,DELETE) CLEANUP CLOSE");
        g_autofree char *source = irp_in_source("file");
        g_assert_false(g_file_test(source, G_FILE_TEST_EXISTS));
        g_free(name.Buffer);
        objects_tear_down();
}

static void test_whole_stack_of_directories(void)
{
        IO_STATUS_BLOCK iosb;
        HANDLE handle;

        objects_set_up();
        objects_touch("file", "content");
        assert_status(zw_create("\\", FILE_LIST_DIRECTORY, FILE_OPEN, FILE_DIRECTORY_FILE, &handle), STATUS_SUCCESS);
        irp_clear();
        assert_status(ZwQueryDirectoryFile(handle, NULL, NULL, NULL, &iosb, buffer, sizeof(buffer),
                                           FileNamesInformation, FALSE, NULL, TRUE),
                      STATUS_SUCCESS);
        assert_status(ZwQueryDirectoryFile(handle, NULL, NULL, NULL, &iosb, buffer, sizeof(buffer),
                                           FileNamesInformation, FALSE, NULL, FALSE),
                      STATUS_NO_MORE_FILES);
        irp_expect("DIRECTORY_CONTROL DIRECTORY_CONTROL");
        assert_status(ZwClose(handle), STATUS_SUCCESS);
        objects_tear_down();
}

/* ---- in callbacks ---- */

static unsigned depth, deepest;

/* Opens, reads and closes by services, in the pre-create of the same file. */
static void open_by_services(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        LARGE_INTEGER offset = {.QuadPart = 0};
        IO_STATUS_BLOCK iosb;
        UCHAR bytes[8];
        HANDLE handle;

        if (depth >= 5)
                return;
        depth++;
        deepest = MAX(deepest, depth);
        assert_status(zw_create("\\file", FILE_GENERIC_READ, FILE_OPEN, 0, &handle), STATUS_SUCCESS);
        assert_status(ZwReadFile(handle, NULL, NULL, NULL, &iosb, bytes, sizeof(bytes), &offset, NULL), STATUS_SUCCESS);
        g_assert_cmpuint(iosb.Information, ==, 7);
        assert_status(ZwClose(handle), STATUS_SUCCESS);
        depth--;
}

static void test_recursion(void)
{
        objects_set_up();
        IN(path, "file");
        objects_touch("file", "content");
        depth = deepest = 0;
        objects_on(IRP_MJ_CREATE, open_by_services, NULL);
        int fd = open(path, O_RDONLY);
        g_assert_cmpuint(objects_seen(), ==, 6);
        objects_on(0, NULL, NULL);
        g_assert_cmpint(fd, >=, 0);
        g_assert_cmpuint(deepest, ==, 5);
        close(fd);
        objects_tear_down();
}

/* Many at a time, more than there are workers: each open makes another one, of a filter, and all come back. */
static void open_once_by_services(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        HANDLE handle;

        if (data->RequestorMode == KernelMode)
                return;
        assert_status(zw_create("\\file", FILE_GENERIC_READ, FILE_OPEN, 0, &handle), STATUS_SUCCESS);
        assert_status(ZwClose(handle), STATUS_SUCCESS);
}

static gpointer open_often(gpointer path)
{
        for (unsigned i = 0; i < 20; i++) {
                int fd = open(path, O_RDONLY);

                g_assert_cmpint(fd, >=, 0);
                close(fd);
        }
        return NULL;
}

static void test_at_once(void)
{
        GThread *threads[32];

        objects_set_up();
        IN(path, "file");
        objects_touch("file", "content");
        objects_on(IRP_MJ_CREATE, open_once_by_services, NULL);
        for (unsigned i = 0; i < G_N_ELEMENTS(threads); i++)
                threads[i] = g_thread_new("opener", open_often, path);
        for (unsigned i = 0; i < G_N_ELEMENTS(threads); i++)
                g_thread_join(threads[i]);
        g_assert_cmpuint(objects_seen(), ==, 2 * 20 * G_N_ELEMENTS(threads));
        objects_tear_down();
}

/* ---- opens for a part of the stack ---- */

static NTSTATUS create_below(PFLT_INSTANCE instance, const char *path, ULONG share, ULONG flags, HANDLE *handle,
                             PFILE_OBJECT *file)
{
        UNICODE_STRING name = name_of(path);
        OBJECT_ATTRIBUTES attributes;
        IO_STATUS_BLOCK iosb;
        NTSTATUS status;

        InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE, NULL, NULL);
        status = FltCreateFileEx(objects_filter, instance, handle, file, FILE_GENERIC_READ | FILE_GENERIC_WRITE,
                                 &attributes, &iosb, NULL, 0, share, FILE_OPEN, FILE_SYNCHRONOUS_IO_NONALERT, NULL, 0,
                                 flags);
        g_free(name.Buffer);
        return status;
}

/* Three instances: the upper filter's at 388000, the recorder at 385000, the upper filter's second at 380000. */
static void test_targets(void)
{
        UNICODE_STRING altitude = RTL_CONSTANT_STRING(L"380000"), second_name = RTL_CONSTANT_STRING(L"second");
        PFLT_INSTANCE first, second;
        LARGE_INTEGER offset = {.QuadPart = 0};
        PFILE_OBJECT file;
        HANDLE handle;

        objects_set_up();
        objects_touch("file", "content");
        first = objects_instance;
        assert_status(FltAttachVolumeAtAltitude(objects_filter, objects_volume, &altitude, &second_name, &second),
                      STATUS_SUCCESS);
        objects_instance = first;
        const struct {
                PFLT_INSTANCE below;
                unsigned seen; /* by instances of the upper filter */
                const char *recorded;
        } rows[] = {
                {NULL, 2, "CREATE(OPEN) READ CLEANUP CLOSE"},
                {first, 1, "CREATE(OPEN) READ CLEANUP CLOSE"},
                {irp_instance(), 1, ""},
                {second, 0, ""},
        };

        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
                static const UCHAR majors[] = {IRP_MJ_CREATE, IRP_MJ_READ, IRP_MJ_CLEANUP};
                IO_STATUS_BLOCK iosb;

                irp_clear();
                objects_on(majors[0], count, NULL);
                assert_status(create_below(rows[i].below, "\\file", 7, 0, &handle, &file), STATUS_SUCCESS);
                g_assert_cmpuint(objects_seen(), ==, rows[i].seen);
                /* Through its handle it stays below. */
                objects_on(majors[1], count, NULL);
                assert_status(ZwReadFile(handle, NULL, NULL, NULL, &iosb, buffer, 4, &offset, NULL), STATUS_SUCCESS);
                g_assert_cmpuint(objects_seen(), ==, rows[i].seen);
                objects_on(majors[2], count, NULL);
                objects_close(handle, file);
                g_assert_cmpuint(objects_seen(), ==, rows[i].seen);
                irp_expect(rows[i].recorded);
        }
        /* Asked for below an instance, it is below that one, wherever the file was opened. */
        assert_status(create_below(NULL, "\\file", 7, 0, &handle, &file), STATUS_SUCCESS);
        irp_clear();
        objects_on(IRP_MJ_READ, count, NULL);
        assert_status(FltReadFile(irp_instance(), file, &offset, 4, buffer, 0, NULL, NULL, NULL), STATUS_SUCCESS);
        g_assert_cmpuint(objects_seen(), ==, 1);
        objects_on(IRP_MJ_READ, count, NULL);
        assert_status(FltReadFile(second, file, &offset, 4, buffer, 0, NULL, NULL, NULL), STATUS_SUCCESS);
        g_assert_cmpuint(objects_seen(), ==, 0);
        irp_expect("");
        objects_close(handle, file);
        objects_on(0, NULL, NULL);
        FltObjectDereference(second);
        objects_tear_down();
}

/* Who shares nothing keeps nobody out, here; the flag that says not to look is accepted. */
static void test_sharing(void)
{
        PFILE_OBJECT first, second, third;
        HANDLE first_handle, second_handle, third_handle;

        objects_set_up();
        objects_touch("file", "content");
        IN(path, "file");
        assert_status(create_below(objects_instance, "\\file", 0, 0, &first_handle, &first), STATUS_SUCCESS);
        g_assert_false(first->SharedRead || first->SharedWrite || first->SharedDelete);
        assert_status(
                create_below(objects_instance, "\\file", 0, IO_IGNORE_SHARE_ACCESS_CHECK, &second_handle, &second),
                STATUS_SUCCESS);
        assert_status(create_below(objects_instance, "\\file", 7, 0, &third_handle, &third), STATUS_SUCCESS);
        int fd = open(path, O_RDWR);
        g_assert_cmpint(fd, >=, 0);
        close(fd);
        objects_close(third_handle, third);
        objects_close(second_handle, second);
        objects_close(first_handle, first);
        objects_tear_down();
}

/* Flags of the open are the stack location's, and no more. */
static UCHAR operation_flags;

static void look_at_flags(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        operation_flags = data->Iopb->OperationFlags;
}

static void test_flags(void)
{
        static const struct irp_rule looks = {.major = IRP_MJ_CREATE, .class = -1, .pre = look_at_flags};
        static const struct {
                ULONG flags;
                UCHAR expected;
        } rows[] = {
                {0, 0},
                {IO_FORCE_ACCESS_CHECK, SL_FORCE_ACCESS_CHECK},
                {IO_STOP_ON_SYMLINK, SL_STOP_ON_SYMLINK},
                {IO_OPEN_TARGET_DIRECTORY, SL_OPEN_TARGET_DIRECTORY},
                {IO_IGNORE_SHARE_ACCESS_CHECK, 0},
        };
        PFILE_OBJECT file;
        HANDLE handle;

        objects_set_up();
        objects_touch("file", "content");
        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
                operation_flags = 0xff;
                irp_set_rule(&looks);
                assert_status(create_below(objects_instance, "\\file", 7, rows[i].flags, &handle, &file),
                              STATUS_SUCCESS);
                irp_set_rule(NULL);
                g_assert_cmphex(operation_flags, ==, rows[i].expected | SL_CASE_SENSITIVE);
                g_assert_cmpint(fm_file_object(file)->directory, ==, rows[i].flags == IO_OPEN_TARGET_DIRECTORY);
                objects_close(handle, file);
        }
        objects_tear_down();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        if (!irp_can_mount())
                return 0;
        g_test_add_func("/objects/services/whole-stack", test_whole_stack);
        g_test_add_func("/objects/services/whole-stack-of-directories", test_whole_stack_of_directories);
        g_test_add_func("/objects/services/recursion", test_recursion);
        g_test_add_func("/objects/services/at-once", test_at_once);
        g_test_add_func("/objects/services/targets", test_targets);
        g_test_add_func("/objects/services/sharing", test_sharing);
        g_test_add_func("/objects/services/flags", test_flags);
        return g_test_run();
}
