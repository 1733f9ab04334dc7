/* SPDX-License-Identifier: MIT */
/* FILE_OBJECTs as filters see them, sections that scan their data, and what objects are called. */
#include "objects-harness.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define IN(variable, name) g_autofree char *variable = irp_in_mount(name)

/* What there was to see, before and after an operation. */
static FILE_OBJECT before, after;

static void look_before(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        before = *objects->FileObject;
}

static void look_after(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        after = *objects->FileObject;
}

static void test_open_flags(void)
{
        static const struct {
                int flags;
                ULONG expected;
                bool read, write;
        } rows[] = {
                {O_RDONLY, 0, true, false},
                {O_WRONLY, 0, false, true},
                {O_RDWR, 0, true, true},
                {O_WRONLY | O_APPEND, 0, false, true},
                {O_RDWR | O_SYNC, FO_WRITE_THROUGH, true, true},
                {O_RDWR | O_DSYNC, FO_WRITE_THROUGH, true, true},
                {O_RDONLY | O_DIRECT, FO_NO_INTERMEDIATE_BUFFERING, true, false},
        };

        objects_set_up();
        IN(path, "file");
        objects_touch("file", "x");
        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
                int fd;

                objects_on(IRP_MJ_CREATE, look_before, look_after);
                fd = open(path, rows[i].flags);
                g_assert_cmpint(fd, >=, 0);
                objects_on(0, NULL, NULL);
                /* The I/O manager's flags are there before anybody opens anything; what the file system grants, later.
                 */
                g_assert_cmphex(before.Flags, ==, rows[i].expected | FO_SYNCHRONOUS_IO | FO_OPENED_CASE_SENSITIVE);
                g_assert_cmphex(after.Flags, ==, before.Flags);
                g_assert_false(before.ReadAccess || before.WriteAccess || before.DeleteAccess || before.SharedRead);
                g_assert_cmpint(after.ReadAccess, ==, rows[i].read);
                g_assert_cmpint(after.WriteAccess, ==, rows[i].write);
                g_assert_false(after.DeleteAccess);
                g_assert_true(after.SharedRead && after.SharedWrite && after.SharedDelete);
                close(fd);
        }
        objects_tear_down();
}

/* Pointers: none before the open but those to the volume; those to the file's data are the same for all who open it. */
static void test_pointers(void)
{
        FILE_OBJECT first;

        objects_set_up();
        IN(path, "file");
        IN(hard, "hard");
        IN(other, "other");
        objects_touch("file", "x");
        objects_touch("other", "x");
        g_assert_cmpint(link(path, hard), ==, 0);
        objects_on(IRP_MJ_CREATE, look_before, look_after);
        int fd = open(path, O_RDONLY), second, third;
        first = after;
        g_assert_cmpint(first.Type, ==, 5);
        g_assert_cmpint(first.Size, ==, sizeof(FILE_OBJECT));
        g_assert_null(before.FsContext);
        g_assert_null(before.FsContext2);
        g_assert_null(before.SectionObjectPointer);
        g_assert_null(before.RelatedFileObject);
        g_assert_true(before.DeviceObject && before.DeviceObject == after.DeviceObject);
        g_assert_true(before.Vpb && before.Vpb == after.Vpb);
        g_assert_true(after.Vpb->DeviceObject == after.DeviceObject);
        g_assert_cmphex(after.Vpb->Flags & VPB_MOUNTED, ==, VPB_MOUNTED);
        g_assert_nonnull(first.FsContext);
        g_assert_nonnull(first.FsContext2);
        g_assert_nonnull(first.SectionObjectPointer);
        second = open(hard, O_RDONLY);
        g_assert_true(after.FsContext == first.FsContext);
        g_assert_true(after.SectionObjectPointer == first.SectionObjectPointer);
        g_assert_true(after.FsContext2 != first.FsContext2);
        third = open(other, O_RDONLY);
        g_assert_true(after.FsContext != first.FsContext);
        g_assert_true(after.SectionObjectPointer != first.SectionObjectPointer);
        objects_on(0, NULL, NULL);
        close(fd);
        close(second);
        close(third);
        objects_tear_down();
}

/* Through the life of a handle. */
static void test_life(void)
{
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};

        objects_set_up();
        IN(path, "file");
        objects_touch("file", "x");
        objects_on(IRP_MJ_CREATE, NULL, look_after);
        int fd = open(path, O_RDWR);
        g_assert_false(after.Flags & (FO_HANDLE_CREATED | FO_FILE_MODIFIED));
        objects_on(IRP_MJ_WRITE, look_before, look_after);
        g_assert_cmpint((int)write(fd, "y", 1), ==, 1);
        g_assert_cmphex(before.Flags & (FO_HANDLE_CREATED | FO_FILE_MODIFIED), ==, FO_HANDLE_CREATED);
        g_assert_cmphex(after.Flags & FO_FILE_MODIFIED, ==, FO_FILE_MODIFIED);
        g_assert_false(after.LockOperation);
        objects_on(IRP_MJ_LOCK_CONTROL, NULL, look_after);
        g_assert_cmpint(fcntl(fd, F_SETLK, &lock), ==, 0);
        g_assert_true(after.LockOperation);
        irp_clear();
        objects_on(IRP_MJ_CLEANUP, look_before, look_after);
        close(fd);
        irp_expect("CLEANUP CLOSE");
        g_assert_false(before.Flags & FO_CLEANUP_COMPLETE);
        g_assert_cmphex(after.Flags & FO_CLEANUP_COMPLETE, ==, FO_CLEANUP_COMPLETE);
        objects_on(0, NULL, NULL);
        objects_tear_down();
}

/* A filter's own file: what it asked for, deleted when it is closed; the volume has no name. */
static void test_own(void)
{
        FILE_DISPOSITION_INFORMATION disposition = {TRUE};
        g_autofree char *source = NULL;
        PFILE_OBJECT file, volume;
        HANDLE handle;

        objects_set_up();
        objects_touch("file", "x");
        assert_status(objects_create("\\file", FILE_GENERIC_READ | DELETE, FILE_OPEN,
                                     FILE_SYNCHRONOUS_IO_ALERT | FILE_SEQUENTIAL_ONLY | FILE_WRITE_THROUGH |
                                             FILE_RANDOM_ACCESS,
                                     &handle, &file),
                      STATUS_SUCCESS);
        g_assert_cmphex(file->Flags, ==,
                        FO_SYNCHRONOUS_IO | FO_ALERTABLE_IO | FO_SEQUENTIAL_ONLY | FO_WRITE_THROUGH | FO_RANDOM_ACCESS |
                                FO_OPENED_CASE_SENSITIVE | FO_HANDLE_CREATED);
        g_assert_true(file->DeleteAccess && file->ReadAccess && !file->WriteAccess);
        assert_status(FltSetInformationFile(objects_instance, file, &disposition, sizeof(disposition),
                                            FileDispositionInformation),
                      STATUS_SUCCESS);
        g_assert_true(file->DeletePending);
        disposition.DeleteFile = FALSE;
        assert_status(FltSetInformationFile(objects_instance, file, &disposition, sizeof(disposition),
                                            FileDispositionInformation),
                      STATUS_SUCCESS);
        g_assert_false(file->DeletePending);
        objects_close(handle, file);
        source = irp_in_source("file");
        g_assert_true(g_file_test(source, G_FILE_TEST_EXISTS));

        assert_status(objects_create("\\file", FILE_GENERIC_READ | DELETE, FILE_OPEN,
                                     FILE_SYNCHRONOUS_IO_NONALERT | FILE_DELETE_ON_CLOSE, &handle, &file),
                      STATUS_SUCCESS);
        g_assert_cmphex(file->Flags & FO_DELETE_ON_CLOSE, ==, FO_DELETE_ON_CLOSE);
        objects_close(handle, file);
        g_assert_false(g_file_test(source, G_FILE_TEST_EXISTS));

        /* Attributes alone share nothing. */
        objects_touch("file", "x");
        assert_status(objects_create("\\file", FILE_READ_ATTRIBUTES, FILE_OPEN, 0, &handle, &file), STATUS_SUCCESS);
        g_assert_cmphex(file->Flags & FO_SYNCHRONOUS_IO, ==, 0);
        g_assert_false(file->ReadAccess || file->SharedRead || file->SharedWrite || file->SharedDelete);
        objects_close(handle, file);

        assert_status(FltOpenVolume(objects_instance, &handle, &volume), STATUS_SUCCESS);
        g_assert_cmphex(volume->Flags & FO_VOLUME_OPEN, ==, FO_VOLUME_OPEN);
        g_assert_cmpuint(volume->FileName.Length, ==, 0);
        objects_close(handle, volume);
        objects_tear_down();
}

/* ---- sections that scan ---- */

static PFLT_CONTEXT scan_begin(PFILE_OBJECT file, HANDLE *handle, PVOID *section)
{
        OBJECT_ATTRIBUTES attributes;
        LARGE_INTEGER size;
        PFLT_CONTEXT context;

        InitializeObjectAttributes(&attributes, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
        assert_status(
                FltAllocateContext(objects_filter, FLT_SECTION_CONTEXT, OBJECTS_CONTEXT_SIZE, PagedPool, &context),
                STATUS_SUCCESS);
        assert_status(FltCreateSectionForDataScan(objects_instance, file, context, SECTION_MAP_READ, &attributes, NULL,
                                                  PAGE_READONLY, SEC_COMMIT, 0, handle, section, &size),
                      STATUS_SUCCESS);
        g_assert_cmpint(size.QuadPart, ==, 4096);
        return context;
}

static void scan_end(PFLT_CONTEXT context, HANDLE handle, PVOID section)
{
        assert_status(FltCloseSectionForDataScan(context), STATUS_SUCCESS);
        assert_status(ZwClose(handle), STATUS_SUCCESS);
        ObDereferenceObject(section);
        FltReleaseContext(context);
}

static char page[4096];

/* What takes away what is mapped is told before it happens, with the section's context; the rest is not. */
static void test_conflicts(void)
{
        FILE_ZERO_DATA_INFORMATION zero = {.FileOffset.QuadPart = 0, .BeyondFinalZero.QuadPart = 4096};
        PFLT_CONTEXT context, told;
        HANDLE handle, section_handle;
        PFILE_OBJECT file;
        PVOID section;
        UCHAR major;

        objects_set_up();
        IN(path, "file");
        IN(renamed, "renamed");
        memset(page, 'x', sizeof(page) - 1);
        objects_touch("file", page);
        g_autofree char *source = irp_in_source("file");
        g_assert_cmpint(truncate(source, 4096), ==, 0);
        handle = objects_open("\\file", &file);
        assert_status(FltRegisterForDataScan(objects_instance), STATUS_SUCCESS);
        context = scan_begin(file, &section_handle, &section);
        int fd = open(path, O_RDWR);

        /* Cached writes, growing, renaming. */
        g_assert_cmpint((int)pwrite(fd, "y", 1, 0), ==, 1);
        g_assert_cmpint(ftruncate(fd, 8192), ==, 0);
        g_assert_cmpint(ftruncate(fd, 4096), ==, 0);
        g_assert_cmpint(rename(path, renamed), ==, 0);
        g_assert_cmpuint(objects_conflicts(NULL, NULL), ==, 0);

        g_assert_cmpint(ftruncate(fd, 100), ==, 0);
        g_assert_cmpuint(objects_conflicts(&told, &major), ==, 1);
        g_assert_true(told == context);
        g_assert_cmphex(major, ==, IRP_MJ_SET_INFORMATION);
        g_assert_cmpint(truncate(renamed, 50), ==, 0);
        g_assert_cmpuint(objects_conflicts(NULL, NULL), ==, 2);
        assert_status(FltFsControlFile(objects_instance, file, FSCTL_SET_ZERO_DATA, &zero, sizeof(zero), NULL, 0, NULL),
                      STATUS_SUCCESS);
        g_assert_cmpuint(objects_conflicts(NULL, &major), ==, 3);
        g_assert_cmphex(major, ==, IRP_MJ_FILE_SYSTEM_CONTROL);
        LARGE_INTEGER offset = {.QuadPart = 0};
        PVOID aligned = FltAllocatePoolAlignedWithTag(objects_instance, PagedPool, 512, 'tseT');
        assert_status(FltWriteFile(objects_instance, file, &offset, 512, aligned, FLTFL_IO_OPERATION_NON_CACHED, NULL,
                                   NULL, NULL),
                      STATUS_SUCCESS);
        FltFreePoolAlignedWithTag(objects_instance, aligned, 'tseT');
        g_assert_cmpuint(objects_conflicts(NULL, &major), ==, 4);
        g_assert_cmphex(major, ==, IRP_MJ_WRITE);
        int second = open(renamed, O_WRONLY | O_TRUNC);
        g_assert_cmpuint(objects_conflicts(NULL, &major), ==, 5);
        g_assert_cmphex(major, ==, IRP_MJ_CREATE);
        close(second);

        scan_end(context, section_handle, section);
        g_assert_cmpuint(objects_cleaned(FLT_SECTION_CONTEXT), ==, 1);
        g_assert_cmpint(ftruncate(fd, 0), ==, 0);
        g_assert_cmpuint(objects_conflicts(NULL, NULL), ==, 5);
        close(fd);
        objects_close(handle, file);
        objects_tear_down();
}

/* A section of another file, and one whose file is gone. */
static void test_no_conflicts(void)
{
        PFLT_CONTEXT context;
        HANDLE handle, section_handle;
        PFILE_OBJECT file;
        PVOID section;

        objects_set_up();
        IN(path, "file");
        IN(other, "other");
        g_autofree char *source = irp_in_source("file");
        objects_touch("file", "x");
        objects_touch("other", "xyz");
        g_assert_cmpint(truncate(source, 4096), ==, 0);
        assert_status(FltRegisterForDataScan(objects_instance), STATUS_SUCCESS);
        handle = objects_open("\\file", &file);
        context = scan_begin(file, &section_handle, &section);
        g_assert_cmpint(truncate(other, 0), ==, 0);
        g_assert_cmpint(unlink(path), ==, 0);
        objects_close(handle, file);
        g_assert_cmpuint(objects_conflicts(NULL, NULL), ==, 0);
        scan_end(context, section_handle, section);
        objects_tear_down();
}

/* ---- what objects are called ---- */

static char *name_of(PVOID object, NTSTATUS expected)
{
        UCHAR buffer[512];
        POBJECT_NAME_INFORMATION name = (PVOID)buffer;
        ULONG needed = 0, again = 0;

        assert_status(ObQueryNameString(object, name, sizeof(buffer), &needed), expected);
        if (!NT_SUCCESS(expected))
                return NULL;
        g_assert_cmpuint(needed, >=, sizeof(*name));
        if (needed > sizeof(*name)) {
                UCHAR small[sizeof(*name)];

                assert_status(ObQueryNameString(object, (PVOID)small, sizeof(small), &again),
                              STATUS_INFO_LENGTH_MISMATCH);
                g_assert_cmpuint(again, ==, needed);
        }
        return objects_text(&name->Name);
}

static void test_object_names(void)
{
        g_autofree char *volume = NULL, *expected = NULL, *of_file = NULL, *of_device = NULL, *of_process = NULL;
        PDEVICE_OBJECT device;
        PFILE_OBJECT file;
        HANDLE handle;

        objects_set_up();
        g_autofree char *dir = irp_in_source("dir");
        g_assert_cmpint(mkdir(dir, 0755), ==, 0);
        objects_touch("dir/file", "x");
        volume = objects_text(&objects_volume->Name);
        handle = objects_open("\\dir\\file", &file);
        of_file = name_of(file, STATUS_SUCCESS);
        expected = g_strconcat(volume, "\\dir\\file", NULL);
        g_assert_cmpstr(of_file, ==, expected);
        objects_close(handle, file);
        assert_status(FltGetDeviceObject(objects_volume, &device), STATUS_SUCCESS);
        of_device = name_of(device, STATUS_SUCCESS);
        g_assert_cmpstr(of_device, ==, volume);
        ObDereferenceObject(device);
        of_process = name_of(PsInitialSystemProcess, STATUS_SUCCESS);
        g_assert_cmpstr(of_process, ==, "");
        objects_tear_down();
}

/* ---- rundown ---- */

static void test_rundown(void)
{
        PFLT_INSTANCE instance;

        objects_set_up();
        instance = objects_instance;
        fm_flt_object_ref(instance);
        assert_status(FltObjectReference(instance), STATUS_SUCCESS);
        FltObjectDereference(instance);
        assert_status(FltObjectReference(objects_volume), STATUS_SUCCESS);
        FltObjectDereference(objects_volume);
        assert_status(FltObjectReference(objects_filter), STATUS_SUCCESS);
        FltObjectDereference(objects_filter);
        assert_status(FltDetachVolume(objects_filter, objects_volume, NULL), STATUS_SUCCESS);
        assert_status(FltObjectReference(instance), STATUS_FLT_DELETING_OBJECT);
        /* Nothing can be opened in its name any more. */
        HANDLE handle;
        PFILE_OBJECT volume;
        assert_status(FltOpenVolume(instance, &handle, &volume), STATUS_FLT_DELETING_OBJECT);
        fm_flt_object_unref(instance);
        objects_tear_down();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        if (!irp_can_mount())
                return 0;
        g_test_add_func("/objects/files/open-flags", test_open_flags);
        g_test_add_func("/objects/files/pointers", test_pointers);
        g_test_add_func("/objects/files/life", test_life);
        g_test_add_func("/objects/files/own", test_own);
        g_test_add_func("/objects/files/conflicts", test_conflicts);
        g_test_add_func("/objects/files/no-conflicts", test_no_conflicts);
        g_test_add_func("/objects/files/object-names", test_object_names);
        g_test_add_func("/objects/files/rundown", test_rundown);
        return g_test_run();
}
