/* SPDX-License-Identifier: MIT */
/*
 * Reads and writes that a filter makes: every flag, with and without waiting, what lower filters see of it and what
 * becomes of the file's position. And callback data that a filter fills in itself.
 */
#include "objects-harness.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define IN(variable, name) g_autofree char *variable = irp_in_mount(name)
#define SECTOR             512
#define WAIT_SECONDS       20

static PFILE_OBJECT file;
static HANDLE handle;
static char *sector; /* aligned, SECTOR bytes */

static void set_up(void)
{
        char content[2 * SECTOR + 1];

        objects_set_up();
        memset(content, 'x', sizeof(content) - 1);
        content[sizeof(content) - 1] = '\0';
        objects_touch("file", content);
        handle = objects_open("\\file", &file);
        sector = FltAllocatePoolAlignedWithTag(objects_instance, NonPagedPool, SECTOR, 'tseT');
        memset(sector, 's', SECTOR);
        irp_clear();
}

static void tear_down(void)
{
        FltFreePoolAlignedWithTag(objects_instance, sector, 'tseT');
        objects_close(handle, file);
        objects_tear_down();
}

/* ---- what was done, and its end ---- */

static struct {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        bool done;
        NTSTATUS status;
        ULONG_PTR information;
        LONGLONG position; /* of the file when the callback was called */
        bool on_caller;
} finished = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static pthread_t caller;

static VOID FLTAPI finish(PFLT_CALLBACK_DATA data, PFLT_CONTEXT context)
{
        g_assert_true(context == &finished);
        pthread_mutex_lock(&finished.lock);
        finished.done = true;
        finished.status = data->IoStatus.Status;
        finished.information = data->IoStatus.Information;
        finished.position = file->CurrentByteOffset.QuadPart;
        finished.on_caller = pthread_equal(caller, pthread_self());
        pthread_cond_signal(&finished.changed);
        pthread_mutex_unlock(&finished.lock);
}

static NTSTATUS wait_finished(ULONG *information)
{
        struct timespec until;
        NTSTATUS status;

        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += WAIT_SECONDS;
        pthread_mutex_lock(&finished.lock);
        while (!finished.done)
                if (pthread_cond_timedwait(&finished.changed, &finished.lock, &until) != 0)
                        g_error("the callback was not called");
        finished.done = false;
        status = finished.status;
        *information = (ULONG)finished.information;
        pthread_mutex_unlock(&finished.lock);
        return status;
}

static NTSTATUS transfer(UCHAR major, LONGLONG *offset, FLT_IO_OPERATION_FLAGS flags, bool wait, ULONG *done)
{
        PLARGE_INTEGER where = (PLARGE_INTEGER)offset;
        PFLT_COMPLETED_ASYNC_IO_CALLBACK callback = wait ? NULL : finish;
        PVOID context = wait ? NULL : &finished;
        NTSTATUS status;

        caller = pthread_self();
        *done = 77;
        status = major == IRP_MJ_READ
                         ? FltReadFile(objects_instance, file, where, SECTOR, sector, flags, done, callback, context)
                         : FltWriteFile(objects_instance, file, where, SECTOR, sector, flags, done, callback, context);
        if (wait)
                return status;
        assert_status(status, STATUS_PENDING);
        status = wait_finished(done);
        g_assert_false(finished.on_caller);
        return status;
}

/* ---- flags ---- */

/* Seen by the filter below, before and after. */
static ULONG irp_flags, data_flags;
static LONGLONG position_after;

static void look_before(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        irp_flags = data->Iopb->IrpFlags;
        data_flags = data->Flags;
}

static void look_after(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        position_after = objects->FileObject->CurrentByteOffset.QuadPart;
}

static const struct irp_rule looks[] = {
        {.major = IRP_MJ_READ, .other_major = IRP_MJ_WRITE, .class = -1, .pre = look_before},
        {.major = IRP_MJ_READ, .other_major = IRP_MJ_WRITE, .class = -1, .post = look_after, .in_post = true},
};

static void test_flags(void)
{
        static const ULONG all = IRP_NOCACHE | IRP_PAGING_IO | IRP_SYNCHRONOUS_PAGING_IO;
        static const struct {
                FLT_IO_OPERATION_FLAGS flags;
                ULONG irp_flags;
                bool moves; /* the position */
        } rows[] = {
                {0, 0, true},
                {FLTFL_IO_OPERATION_NON_CACHED, IRP_NOCACHE, true},
                {FLTFL_IO_OPERATION_PAGING, IRP_NOCACHE | IRP_PAGING_IO, false},
                {FLTFL_IO_OPERATION_PAGING | FLTFL_IO_OPERATION_SYNCHRONOUS_PAGING, all, false},
                {FLTFL_IO_OPERATION_DO_NOT_UPDATE_BYTE_OFFSET, 0, false},
                {FLTFL_IO_OPERATION_NON_CACHED | FLTFL_IO_OPERATION_DO_NOT_UPDATE_BYTE_OFFSET, IRP_NOCACHE, false},
        };

        set_up();
        for (unsigned i = 0; i < 4 * G_N_ELEMENTS(rows); i++) {
                const UCHAR major = i & 1 ? IRP_MJ_READ : IRP_MJ_WRITE;
                const ULONG operation = i & 1 ? IRP_READ_OPERATION : IRP_WRITE_OPERATION;
                const bool wait = i & 2, moves = rows[i / 4].moves;
                LONGLONG offset = SECTOR;
                ULONG done;

                file->CurrentByteOffset.QuadPart = 7;
                irp_set_rule(&looks[0]);
                assert_status(transfer(major, &offset, rows[i / 4].flags, wait, &done), STATUS_SUCCESS);
                irp_set_rule(NULL);
                g_assert_cmpuint(done, ==, SECTOR);
                g_assert_cmphex(irp_flags & (all | operation), ==, rows[i / 4].irp_flags | operation);
                g_assert_cmphex(irp_flags & IRP_SYNCHRONOUS_API, ==, wait ? IRP_SYNCHRONOUS_API : 0);
                g_assert_cmphex(data_flags & FLTFL_CALLBACK_DATA_GENERATED_IO, ==, FLTFL_CALLBACK_DATA_GENERATED_IO);
                g_assert_cmpint(file->CurrentByteOffset.QuadPart, ==, moves ? 2 * SECTOR : 7);
                if (!wait)
                        g_assert_cmpint(finished.position, ==, moves ? 2 * SECTOR : 7);
        }
        tear_down();
}

/* Appended: the position is at the new end. */
static void test_append(void)
{
        const LARGE_INTEGER end = {.u = {.LowPart = FILE_WRITE_TO_END_OF_FILE, .HighPart = -1}};
        LONGLONG size = 2 * SECTOR, where = end.QuadPart;
        ULONG done;

        set_up();
        for (unsigned i = 0; i < 4; i++) {
                const bool moves = i & 1;

                file->CurrentByteOffset.QuadPart = 7;
                assert_status(transfer(IRP_MJ_WRITE, &where, moves ? 0 : FLTFL_IO_OPERATION_DO_NOT_UPDATE_BYTE_OFFSET,
                                       i & 2, &done),
                              STATUS_SUCCESS);
                size += SECTOR;
                g_autofree char *content = objects_content("file");
                g_assert_cmpuint(strlen(content), ==, size);
                g_assert_cmpint(file->CurrentByteOffset.QuadPart, ==, moves ? size : 7);
        }
        tear_down();
}

/* Who is below sees the position move even if the caller does not want that. */
static void test_position_below(void)
{
        LONGLONG offset = 0;
        ULONG done;

        set_up();
        for (unsigned wait = 0; wait < 2; wait++) {
                file->CurrentByteOffset.QuadPart = 7;
                position_after = -1;
                irp_set_rule(&looks[1]);
                assert_status(transfer(IRP_MJ_READ, &offset, FLTFL_IO_OPERATION_DO_NOT_UPDATE_BYTE_OFFSET, wait, &done),
                              STATUS_SUCCESS);
                irp_set_rule(NULL);
                g_assert_cmpint(position_after, ==, SECTOR);
                g_assert_cmpint(file->CurrentByteOffset.QuadPart, ==, 7);
        }
        tear_down();
}

static void test_refused_flags(void)
{
        LONGLONG offset = 0, odd = 100;
        LONGLONG from_position = (LONGLONG)((ULONGLONG)0xffffffff << 32 | FILE_USE_FILE_POINTER_POSITION);
        PFILE_OBJECT opened;
        ULONG done;

        set_up();
        for (unsigned wait = 0; wait < 2; wait++) {
                PFLT_COMPLETED_ASYNC_IO_CALLBACK callback = wait ? NULL : finish;

                assert_status(FltReadFile(objects_instance, file, (PLARGE_INTEGER)&offset, SECTOR, sector,
                                          FLTFL_IO_OPERATION_SYNCHRONOUS_PAGING, &done, callback, &finished),
                              STATUS_INVALID_PARAMETER);
                assert_status(FltReadFile(objects_instance, file, (PLARGE_INTEGER)&odd, SECTOR, sector,
                                          FLTFL_IO_OPERATION_NON_CACHED, &done, callback, &finished),
                              STATUS_INVALID_PARAMETER);
                assert_status(FltWriteFile(objects_instance, file, (PLARGE_INTEGER)&offset, 100, sector,
                                           FLTFL_IO_OPERATION_NON_CACHED, &done, callback, &finished),
                              STATUS_INVALID_PARAMETER);
        }
        irp_expect("");
        /* A file object that is not synchronous has no position. */
        opened = file;
        HANDLE other;
        assert_status(objects_create("\\file", FILE_GENERIC_READ, FILE_OPEN, 0, &other, &file), STATUS_SUCCESS);
        assert_status(FltReadFile(objects_instance, file, NULL, SECTOR, sector, 0, &done, NULL, NULL),
                      STATUS_INVALID_PARAMETER);
        assert_status(FltReadFile(objects_instance, file, (PLARGE_INTEGER)&from_position, SECTOR, sector, 0, &done,
                                  NULL, NULL),
                      STATUS_INVALID_PARAMETER);
        for (unsigned wait = 0; wait < 2; wait++) {
                assert_status(transfer(IRP_MJ_READ, &offset, 0, wait, &done), STATUS_SUCCESS);
                g_assert_cmpint(file->CurrentByteOffset.QuadPart, ==, 0);
        }
        objects_close(other, file);
        file = opened;
        tear_down();
}

/* Opened without buffering, by an application or a filter: all its I/O is so, and in sectors. */
static NTSTATUS odd_status, even_status;

static void read_for_opener(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        LARGE_INTEGER offset = {.QuadPart = 0};
        ULONG done;

        odd_status = FltReadFile(objects->Instance, objects->FileObject, &offset, 10, sector, 0, &done, NULL, NULL);
        even_status =
                FltReadFile(objects->Instance, objects->FileObject, &offset, SECTOR, sector, 0, &done, NULL, NULL);
}

static void test_unbuffered_file(void)
{
        LARGE_INTEGER offset = {.QuadPart = 0};
        IO_STATUS_BLOCK iosb;
        PFILE_OBJECT other_file;
        HANDLE other;

        set_up();
        IN(path, "file");
        objects_on(IRP_MJ_CREATE, NULL, read_for_opener);
        irp_set_rule(&looks[0]);
        int fd = open(path, O_RDONLY | O_DIRECT);
        irp_set_rule(NULL);
        objects_on(0, NULL, NULL);
        g_assert_cmpint(fd, >=, 0);
        close(fd);
        assert_status(odd_status, STATUS_INVALID_PARAMETER);
        assert_status(even_status, STATUS_SUCCESS);
        g_assert_cmphex(irp_flags & IRP_NOCACHE, ==, IRP_NOCACHE);

        assert_status(objects_create("\\file", FILE_GENERIC_READ, FILE_OPEN,
                                     FILE_SYNCHRONOUS_IO_NONALERT | FILE_NO_INTERMEDIATE_BUFFERING, &other,
                                     &other_file),
                      STATUS_SUCCESS);
        assert_status(ZwReadFile(other, NULL, NULL, NULL, &iosb, sector, 10, &offset, NULL), STATUS_INVALID_PARAMETER);
        assert_status(ZwReadFile(other, NULL, NULL, NULL, &iosb, sector, SECTOR, &offset, NULL), STATUS_SUCCESS);
        objects_close(other, other_file);
        tear_down();
}

/* With a lock's key, and an MDL for the buffer. */
static ULONG key_below;
static PMDL mdl_below;

static void look_at_extras(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        key_below = data->Iopb->Parameters.Read.Key;
        mdl_below = data->Iopb->Parameters.Read.MdlAddress;
}

static void test_ex(void)
{
        static const struct irp_rule look = {
                .major = IRP_MJ_READ, .other_major = IRP_MJ_WRITE, .class = -1, .pre = look_at_extras};
        LARGE_INTEGER offset = {.QuadPart = 0};
        ULONG key = 5, done;
        PMDL mdl;

        set_up();
        mdl = IoAllocateMdl(sector, SECTOR, FALSE, FALSE, NULL);
        MmBuildMdlForNonPagedPool(mdl);
        irp_set_rule(&look);
        assert_status(FltReadFileEx(objects_instance, file, &offset, SECTOR, sector, 0, &done, NULL, NULL, &key, mdl),
                      STATUS_SUCCESS);
        g_assert_cmpuint(key_below, ==, 5);
        g_assert_true(mdl_below == mdl);
        g_assert_cmpint(sector[0], ==, 'x');
        /* The MDL is the buffer. */
        sector[0] = 'w';
        assert_status(FltWriteFileEx(objects_instance, file, &offset, 1, NULL, 0, &done, NULL, NULL, NULL, mdl),
                      STATUS_SUCCESS);
        irp_set_rule(NULL);
        g_assert_cmpuint(key_below, ==, 0);
        IoFreeMdl(mdl);
        g_autofree char *content = objects_content("file");
        g_assert_cmpint(content[0], ==, 'w');
        tear_down();
}

/* ---- callback data of a filter's own ---- */

static void count(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
}

static VOID FLTAPI free_it(PFLT_CALLBACK_DATA data, PFLT_CONTEXT context)
{
        finish(data, context);
        FltFreeCallbackData(data);
}

/* Refused or not, the callback is called: it is there that the data goes. */
static void test_callback_data_ends(void)
{
        static const struct irp_rule deny = {.major = IRP_MJ_READ, .class = -1, .status = STATUS_ACCESS_DENIED};
        static const ULONG flags[] = {0, FLT_ALLOCATE_CALLBACK_DATA_PREALLOCATE_ALL_MEMORY};
        PFLT_CALLBACK_DATA data;
        ULONG information;

        set_up();
        objects_on(IRP_MJ_READ, count, count);
        for (unsigned i = 0; i < G_N_ELEMENTS(flags); i++) {
                assert_status(FltAllocateCallbackDataEx(objects_instance, file, flags[i], &data), STATUS_SUCCESS);
                g_assert_true(data->Iopb->TargetFileObject == file && data->Iopb->TargetInstance == objects_instance);
                g_assert_cmpint(data->RequestorMode, ==, KernelMode);
                data->Iopb->MajorFunction = IRP_MJ_READ;
                data->Iopb->Parameters.Read.Length = SECTOR;
                data->Iopb->Parameters.Read.ReadBuffer = sector;
                irp_set_rule(i ? &deny : NULL);
                assert_status(FltPerformAsynchronousIo(data, free_it, &finished), STATUS_PENDING);
                assert_status(wait_finished(&information), i ? STATUS_ACCESS_DENIED : STATUS_SUCCESS);
                irp_set_rule(NULL);
        }
        g_assert_cmpuint(objects_seen(), ==, 0);
        objects_on(0, NULL, NULL);
        irp_expect("READ READ");

        /* An open can't be asynchronous. */
        assert_status(FltAllocateCallbackData(objects_instance, NULL, &data), STATUS_SUCCESS);
        data->Iopb->MajorFunction = IRP_MJ_CREATE;
        assert_status(FltPerformAsynchronousIo(data, free_it, &finished), STATUS_FLT_INVALID_ASYNCHRONOUS_REQUEST);
        assert_status(wait_finished(&information), STATUS_FLT_INVALID_ASYNCHRONOUS_REQUEST);
        tear_down();
}

/* An instance that goes away sends nothing any more. */
static void test_callback_data_of_gone(void)
{
        PFLT_INSTANCE instance;
        PFLT_CALLBACK_DATA data;
        LARGE_INTEGER offset = {.QuadPart = 0};
        PFILE_OBJECT other;
        ULONG information;
        HANDLE of_all;

        objects_set_up();
        objects_touch("file", "x");
        instance = objects_instance;
        fm_flt_object_ref(instance);
        objects_instance = NULL;
        g_autofree char *volume = objects_text(&objects_volume->Name), *full = g_strconcat(volume, "\\file", NULL);
        UNICODE_STRING name = objects_string(full);
        OBJECT_ATTRIBUTES attributes;
        IO_STATUS_BLOCK iosb;
        char byte;

        InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE, NULL, NULL);
        assert_status(FltCreateFileEx(objects_filter, NULL, &of_all, &other, FILE_GENERIC_READ, &attributes, &iosb,
                                      NULL, 0, 7, FILE_OPEN, FILE_SYNCHRONOUS_IO_NONALERT, NULL, 0, 0),
                      STATUS_SUCCESS);
        assert_status(FltAllocateCallbackData(instance, other, &data), STATUS_SUCCESS);
        assert_status(FltDetachVolume(objects_filter, objects_volume, NULL), STATUS_SUCCESS);
        file = other;
        data->Iopb->MajorFunction = IRP_MJ_READ;
        data->Iopb->Parameters.Read.Length = 1;
        data->Iopb->Parameters.Read.ReadBuffer = &byte;
        assert_status(FltPerformAsynchronousIo(data, free_it, &finished), STATUS_FLT_DELETING_OBJECT);
        assert_status(wait_finished(&information), STATUS_FLT_DELETING_OBJECT);
        assert_status(FltReadFile(instance, other, &offset, 1, &byte, 0, NULL, finish, &finished),
                      STATUS_FLT_DELETING_OBJECT);
        fm_flt_object_unref(instance);
        objects_close(of_all, other);
        g_free(name.Buffer);
        objects_tear_down();
}

/* What it does: any major, its result as the file system gives it. */
static void test_callback_data_majors(void)
{
        FILE_STANDARD_INFORMATION standard;
        PFLT_CALLBACK_DATA data;

        set_up();
        objects_on(IRP_MJ_QUERY_INFORMATION, count, count);
        assert_status(FltAllocateCallbackData(objects_instance, file, &data), STATUS_SUCCESS);
        data->Iopb->MajorFunction = IRP_MJ_QUERY_INFORMATION;
        data->Iopb->Parameters.QueryFileInformation.FileInformationClass = FileStandardInformation;
        data->Iopb->Parameters.QueryFileInformation.InfoBuffer = &standard;
        data->Iopb->Parameters.QueryFileInformation.Length = sizeof(standard);
        FltPerformSynchronousIo(data);
        assert_status(data->IoStatus.Status, STATUS_SUCCESS);
        g_assert_cmpuint(data->IoStatus.Information, ==, sizeof(standard));
        g_assert_cmpint(standard.EndOfFile.QuadPart, ==, 2 * SECTOR);
        FltReuseCallbackData(data);
        data->Iopb->MajorFunction = IRP_MJ_FLUSH_BUFFERS;
        FltPerformSynchronousIo(data);
        assert_status(data->IoStatus.Status, STATUS_SUCCESS);
        FltReuseCallbackData(data);
        data->Iopb->MajorFunction = IRP_MJ_READ;
        data->Iopb->Parameters.Read.ByteOffset.QuadPart = 4 * SECTOR;
        data->Iopb->Parameters.Read.Length = SECTOR;
        data->Iopb->Parameters.Read.ReadBuffer = sector;
        FltPerformSynchronousIo(data);
        assert_status(data->IoStatus.Status, STATUS_END_OF_FILE);
        FltFreeCallbackData(data);
        g_assert_cmpuint(objects_seen(), ==, 0);
        irp_expect("QUERY_INFORMATION(5) FLUSH_BUFFERS READ");
        tear_down();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        if (!irp_can_mount())
                return 0;
        g_test_add_func("/objects/transfers/flags", test_flags);
        g_test_add_func("/objects/transfers/append", test_append);
        g_test_add_func("/objects/transfers/position-below", test_position_below);
        g_test_add_func("/objects/transfers/refused-flags", test_refused_flags);
        g_test_add_func("/objects/transfers/unbuffered-file", test_unbuffered_file);
        g_test_add_func("/objects/transfers/ex", test_ex);
        g_test_add_func("/objects/transfers/callback-data-ends", test_callback_data_ends);
        g_test_add_func("/objects/transfers/callback-data-of-gone", test_callback_data_of_gone);
        g_test_add_func("/objects/transfers/callback-data-majors", test_callback_data_majors);
        return g_test_run();
}
