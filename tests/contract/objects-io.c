/* SPDX-License-Identifier: MIT */
/*
 * I/O that a filter makes itself: which filters see it, what it looks like to them, and what the file system says. The
 * upper filter makes it; the recorder below sees all, the upper one's own callbacks nothing.
 */
#include "objects-harness.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define IN(variable, name) g_autofree char *variable = irp_in_mount(name)

/* An open file of the upper filter, and what was recorded of it is forgotten. */
static PFILE_OBJECT file;
static HANDLE handle;
static char upper[] = "CONT";

static void set_up(void)
{
        objects_set_up();
        objects_touch("file", "content");
        handle = objects_open("\\file", &file);
        irp_clear();
}

static void tear_down(void)
{
        objects_close(handle, file);
        objects_tear_down();
}

/* How operations look to a filter below. */
static ULONG flags_below, irp_flags_below;
static KPROCESSOR_MODE mode_below;
static PFLT_INSTANCE target_below;

static void look_below(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        flags_below = data->Flags;
        irp_flags_below = data->Iopb->IrpFlags;
        mode_below = data->RequestorMode;
        target_below = data->Iopb->TargetInstance;
}

static void test_looks(void)
{
        const struct irp_rule look = {.major = IRP_MJ_READ, .class = -1, .pre = look_below};
        LARGE_INTEGER offset = {.QuadPart = 0};
        char buffer[4];
        ULONG got;

        set_up();
        irp_set_rule(&look);
        assert_status(FltReadFile(objects_instance, file, &offset, 4, buffer, 0, &got, NULL, NULL), STATUS_SUCCESS);
        irp_set_rule(NULL);
        g_assert_cmpmem(buffer, got, "cont", 4);
        g_assert_cmphex(flags_below & FLTFL_CALLBACK_DATA_GENERATED_IO, ==, FLTFL_CALLBACK_DATA_GENERATED_IO);
        g_assert_cmphex(flags_below & FLTFL_CALLBACK_DATA_IRP_OPERATION, ==, FLTFL_CALLBACK_DATA_IRP_OPERATION);
        g_assert_cmphex(irp_flags_below & IRP_SYNCHRONOUS_API, ==, IRP_SYNCHRONOUS_API);
        g_assert_cmpint(mode_below, ==, KernelMode);
        g_assert_true(target_below == irp_instance());
        tear_down();
}

/* ---- one call after the other ---- */

static UCHAR own_major;

static void count(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
}

/* Runs after what lower filters are to see is known: counts what the upper filter's own callbacks see. */
#define SEEN_BELOW(own, call, tokens)                                                                                  \
        do {                                                                                                           \
                own_major = (own);                                                                                     \
                objects_on(own_major, count, count);                                                                   \
                irp_clear();                                                                                           \
                call;                                                                                                  \
                irp_expect(tokens);                                                                                    \
                g_assert_cmpuint(objects_seen(), ==, 0);                                                               \
                objects_on(0, NULL, NULL);                                                                             \
        } while (0)

static void test_seen_below(void)
{
        UCHAR buffer[4096];
        LARGE_INTEGER offset = {.QuadPart = 0};
        FILE_DISPOSITION_INFORMATION no = {FALSE};
        IO_STATUS_BLOCK iosb;
        ULONG got;

        set_up();
        SEEN_BELOW(IRP_MJ_READ,
                   assert_status(FltReadFile(objects_instance, file, &offset, 4, buffer, 0, NULL, NULL, NULL),
                                 STATUS_SUCCESS),
                   "READ");
        SEEN_BELOW(IRP_MJ_WRITE,
                   assert_status(FltWriteFile(objects_instance, file, &offset, 4, upper, 0, NULL, NULL, NULL),
                                 STATUS_SUCCESS),
                   "WRITE");
        SEEN_BELOW(IRP_MJ_QUERY_INFORMATION,
                   assert_status(FltQueryInformationFile(objects_instance, file, buffer, sizeof(buffer),
                                                         FileStandardInformation, NULL),
                                 STATUS_SUCCESS),
                   "QUERY_INFORMATION(5)");
        SEEN_BELOW(IRP_MJ_SET_INFORMATION,
                   assert_status(
                           FltSetInformationFile(objects_instance, file, &no, sizeof(no), FileDispositionInformation),
                           STATUS_SUCCESS),
                   "SET_INFORMATION(13)");
        SEEN_BELOW(IRP_MJ_FLUSH_BUFFERS, assert_status(FltFlushBuffers(objects_instance, file), STATUS_SUCCESS),
                   "FLUSH_BUFFERS");
        SEEN_BELOW(IRP_MJ_FLUSH_BUFFERS,
                   assert_status(FltFlushBuffers2(objects_instance, file, FLT_FLUSH_TYPE_FILE_DATA_ONLY, NULL),
                                 STATUS_SUCCESS),
                   "FLUSH_BUFFERS");
        SEEN_BELOW(IRP_MJ_CREATE,
                   assert_status(FltQueryVolumeInformationFile(objects_instance, file, buffer, sizeof(buffer),
                                                               FileFsSizeInformation, &got),
                                 STATUS_SUCCESS),
                   "QUERY_VOLUME(3)");
        /* Without a file the volume's root is opened for it, below. */
        SEEN_BELOW(IRP_MJ_CREATE,
                   assert_status(FltQueryVolumeInformation(objects_instance, &iosb, buffer, sizeof(buffer),
                                                           FileFsDeviceInformation),
                                 STATUS_SUCCESS),
                   "CREATE(OPEN,DIR) QUERY_VOLUME(4) CLEANUP CLOSE");
        SEEN_BELOW(IRP_MJ_CREATE,
                   assert_status(FltFsControlFile(objects_instance, file, FSCTL_GET_REPARSE_POINT, NULL, 0, buffer,
                                                  sizeof(buffer), &got),
                                 STATUS_NOT_A_REPARSE_POINT),
                   "FSCTL(900a8)");
        SEEN_BELOW(IRP_MJ_CREATE,
                   assert_status(FltDeviceIoControlFile(objects_instance, file, 0x7c000, NULL, 0, buffer,
                                                        sizeof(buffer), &got),
                                 STATUS_INVALID_DEVICE_REQUEST),
                   "MAJOR(0e)");
        SEEN_BELOW(IRP_MJ_CREATE,
                   FltQueryEaFile(objects_instance, file, buffer, sizeof(buffer), FALSE, NULL, 0, NULL, TRUE, &got),
                   "QUERY_EA");
        tear_down();
}

static void test_security_below(void)
{
        UCHAR buffer[1024];
        ULONG needed;

        set_up();
        irp_watch(~UINT64_C(0));
        irp_clear();
        assert_status(FltQuerySecurityObject(objects_instance, file,
                                             OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION, buffer, 4,
                                             &needed),
                      STATUS_BUFFER_TOO_SMALL);
        g_assert_cmpuint(needed, >, 4);
        assert_status(FltQuerySecurityObject(objects_instance, file,
                                             OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION, buffer,
                                             sizeof(buffer), &needed),
                      STATUS_SUCCESS);
        assert_status(FltSetSecurityObject(objects_instance, file, DACL_SECURITY_INFORMATION, buffer), STATUS_SUCCESS);
        irp_expect("QUERY_SECURITY QUERY_SECURITY SET_SECURITY(4)");
        tear_down();
}

static void test_ea(void)
{
        UCHAR buffer[256] = {0};
        FILE_FULL_EA_INFORMATION *ea = (PVOID)buffer;
        ULONG got = 0;

        set_up();
        ea->EaNameLength = 5;
        ea->EaValueLength = 4;
        memcpy(ea->EaName, "COLOR\0blue", 10);
        assert_status(FltSetEaFile(objects_instance, file, buffer, FIELD_OFFSET(FILE_FULL_EA_INFORMATION, EaName) + 10),
                      STATUS_SUCCESS);
        memset(buffer, 0, sizeof(buffer));
        assert_status(FltQueryEaFile(objects_instance, file, buffer, sizeof(buffer), TRUE, NULL, 0, NULL, TRUE, &got),
                      STATUS_SUCCESS);
        g_assert_cmpuint(got, >, 0);
        g_assert_cmpuint(ea->EaValueLength, ==, 4);
        g_assert_cmpmem(ea->EaName + ea->EaNameLength + 1, 4, "blue", 4);
        irp_expect("SET_EA QUERY_EA");
        tear_down();
}

/* A listing, whole and entry by entry; what fits not at all. */
static void test_directory(void)
{
        UCHAR buffer[4096];
        FILE_NAMES_INFORMATION *names = (PVOID)buffer;
        UNICODE_STRING pattern = objects_string("b*");
        PFILE_OBJECT directory;
        HANDLE directory_handle;
        NTSTATUS status;
        unsigned entries = 0;
        ULONG got;

        set_up();
        g_autofree char *path = irp_in_source("dir");
        g_assert_cmpint(mkdir(path, 0755), ==, 0);
        objects_touch("dir/a", "");
        objects_touch("dir/b1", "");
        objects_touch("dir/b2", "");
        assert_status(objects_create("\\dir", FILE_LIST_DIRECTORY | SYNCHRONIZE, FILE_OPEN,
                                     FILE_DIRECTORY_FILE | FILE_SYNCHRONOUS_IO_NONALERT, &directory_handle, &directory),
                      STATUS_SUCCESS);
        irp_clear();
        while (NT_SUCCESS(status = FltQueryDirectoryFile(objects_instance, directory, buffer, sizeof(buffer),
                                                         FileNamesInformation, TRUE, &pattern, entries == 0, &got))) {
                g_assert_cmpuint(names->NextEntryOffset, ==, 0);
                g_assert_cmpint(names->FileName[0], ==, 'b');
                entries++;
        }
        assert_status(status, STATUS_NO_MORE_FILES);
        g_assert_cmpuint(entries, ==, 2);
        irp_expect("DIRECTORY_CONTROL DIRECTORY_CONTROL DIRECTORY_CONTROL");
        assert_status(FltQueryDirectoryFileEx(objects_instance, directory, buffer, sizeof(buffer), FileNamesInformation,
                                              SL_RESTART_SCAN, NULL, &got),
                      STATUS_SUCCESS);
        g_assert_cmpuint(names->NextEntryOffset, >, 0);
        objects_close(directory_handle, directory);
        g_free(pattern.Buffer);
        tear_down();
}

static void test_volume_label(void)
{
        static const struct {
                ULONG length;
                NTSTATUS status;
        } rows[] = {{4, STATUS_SUCCESS}, {0, STATUS_SUCCESS}, {64, STATUS_SUCCESS}, {66, STATUS_INVALID_VOLUME_LABEL},
                    {3, STATUS_INVALID_VOLUME_LABEL}};
        UCHAR buffer[256] = {0}, answer[256];
        FILE_FS_LABEL_INFORMATION *label = (PVOID)buffer;
        FILE_FS_VOLUME_INFORMATION *volume = (PVOID)answer;
        IO_STATUS_BLOCK iosb;

        set_up();
        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
                label->VolumeLabelLength = rows[i].length;
                memset(label->VolumeLabel, 'L', rows[i].length);
                assert_status(FltSetVolumeInformation(objects_instance, &iosb, buffer, sizeof(buffer),
                                                      FileFsLabelInformation),
                              rows[i].status);
                assert_status(iosb.Status, rows[i].status);
                if (!NT_SUCCESS(rows[i].status))
                        continue;
                assert_status(FltQueryVolumeInformation(objects_instance, &iosb, answer, sizeof(answer),
                                                        FileFsVolumeInformation),
                              STATUS_SUCCESS);
                g_assert_cmpuint(volume->VolumeLabelLength, ==, rows[i].length);
                g_assert_cmpmem(volume->VolumeLabel, rows[i].length, label->VolumeLabel, rows[i].length);
        }
        assert_status(FltSetVolumeInformation(objects_instance, &iosb, buffer, 2, FileFsLabelInformation),
                      STATUS_INFO_LENGTH_MISMATCH);
        assert_status(
                FltSetVolumeInformation(objects_instance, &iosb, buffer, sizeof(buffer), FileFsControlInformation),
                STATUS_NOT_SUPPORTED);
        assert_status(FltSetVolumeInformation(objects_instance, &iosb, buffer, sizeof(buffer), FileFsSizeInformation),
                      STATUS_INVALID_INFO_CLASS);
        tear_down();
}

/* ---- opens ---- */

static PFLT_INSTANCE no_instance;

static NTSTATUS create_from(PFLT_INSTANCE instance, const char *path, HANDLE *ret)
{
        g_autofree char *volume = objects_text(&objects_volume->Name), *full = g_strconcat(volume, path, NULL);
        UNICODE_STRING name = objects_string(full);
        OBJECT_ATTRIBUTES attributes;
        IO_STATUS_BLOCK iosb;
        NTSTATUS status;

        InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE, NULL, NULL);
        status = FltCreateFile(objects_filter, instance, ret, FILE_GENERIC_READ, &attributes, &iosb, NULL, 0, 7,
                               FILE_OPEN, FILE_SYNCHRONOUS_IO_NONALERT, NULL, 0, 0);
        g_free(name.Buffer);
        return status;
}

/* Below an instance: not by itself; without one by all. What is done with the handle goes the same way. */
static void test_targets(void)
{
        IO_STATUS_BLOCK iosb;
        LARGE_INTEGER offset = {.QuadPart = 0};
        UCHAR buffer[8];
        HANDLE own;

        set_up();
        objects_on(IRP_MJ_CREATE, count, NULL);
        irp_clear();
        assert_status(create_from(objects_instance, "\\file", &own), STATUS_SUCCESS);
        g_assert_cmpuint(objects_seen(), ==, 0);
        objects_on(IRP_MJ_READ, count, NULL);
        assert_status(ZwReadFile(own, NULL, NULL, NULL, &iosb, buffer, sizeof(buffer), &offset, NULL), STATUS_SUCCESS);
        g_assert_cmpuint(objects_seen(), ==, 0);
        g_assert_cmpuint(iosb.Information, ==, 7);
        objects_on(IRP_MJ_CLEANUP, count, NULL);
        assert_status(FltClose(own), STATUS_SUCCESS);
        g_assert_cmpuint(objects_seen(), ==, 0);
        irp_expect("CREATE(OPEN) READ CLEANUP CLOSE");

        objects_on(IRP_MJ_CREATE, count, NULL);
        irp_clear();
        assert_status(create_from(no_instance, "\\file", &own), STATUS_SUCCESS);
        g_assert_cmpuint(objects_seen(), ==, 1);
        objects_on(IRP_MJ_READ, count, NULL);
        assert_status(ZwReadFile(own, NULL, NULL, NULL, &iosb, buffer, sizeof(buffer), &offset, NULL), STATUS_SUCCESS);
        g_assert_cmpuint(objects_seen(), ==, 1);
        objects_on(IRP_MJ_CLEANUP, count, NULL);
        assert_status(ZwClose(own), STATUS_SUCCESS);
        g_assert_cmpuint(objects_seen(), ==, 1);
        irp_expect("CREATE(OPEN) READ CLEANUP CLOSE");

        /* Below the lowest instance only the file system is left. */
        irp_clear();
        objects_on(IRP_MJ_CREATE, count, NULL);
        assert_status(create_from(irp_instance(), "\\file", &own), STATUS_SUCCESS);
        assert_status(FltClose(own), STATUS_SUCCESS);
        g_assert_cmpuint(objects_seen(), ==, 0);
        assert_status(FltReadFile(irp_instance(), file, &offset, 4, buffer, 0, NULL, NULL, NULL), STATUS_SUCCESS);
        irp_expect("");
        objects_on(0, NULL, NULL);
        tear_down();
}

/* In a callback, from the top: the filter sees its own open, and opens again, and is not lost in it. */
static unsigned depth, deepest;

static void open_again(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        static HANDLE opened[5];

        if (depth >= G_N_ELEMENTS(opened))
                return;
        depth++;
        deepest = MAX(deepest, depth);
        if (NT_SUCCESS(create_from(NULL, "\\file", &opened[depth - 1])))
                FltClose(opened[depth - 1]);
        depth--;
}

static void test_recursion(void)
{
        set_up();
        IN(path, "file");
        depth = deepest = 0;
        objects_on(IRP_MJ_CREATE, open_again, NULL);
        int fd = open(path, O_RDONLY);
        g_assert_cmpint(fd, >=, 0);
        g_assert_cmpuint(objects_seen(), ==, 6);
        objects_on(0, NULL, NULL);
        g_assert_cmpuint(deepest, ==, 5);
        close(fd);
        tear_down();
}

/* ECPs travel down with the open and stay the caller's. */
static const GUID ecp_type = {0x11223344, 0x5566, 0x7788, {1, 2, 3, 4, 5, 6, 7, 8}};
static NTSTATUS ecp_status;
static ULONG ecp_value, ecp_size;

static void find_ecp(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        PECP_LIST list;
        PVOID ecp;

        ecp_status = FltGetEcpListFromCallbackData(objects->Filter, data, &list);
        if (!NT_SUCCESS(ecp_status) || !list)
                return;
        ecp_status = FltFindExtraCreateParameter(objects->Filter, list, &ecp_type, &ecp, &ecp_size);
        if (!NT_SUCCESS(ecp_status))
                return;
        ecp_value = *(ULONG *)ecp;
        *(ULONG *)ecp = 2;
        FltAcknowledgeEcp(objects->Filter, ecp);
}

static void test_ecp(void)
{
        const struct irp_rule find = {.major = IRP_MJ_CREATE, .class = -1, .pre = find_ecp};
        IO_DRIVER_CREATE_CONTEXT context;
        OBJECT_ATTRIBUTES attributes;
        IO_STATUS_BLOCK iosb;
        PFILE_OBJECT object;
        PECP_LIST list;
        HANDLE own;
        PVOID ecp;

        set_up();
        g_autofree char *volume = objects_text(&objects_volume->Name), *full = g_strconcat(volume, "\\file", NULL);
        UNICODE_STRING name = objects_string(full);
        IoInitializeDriverCreateContext(&context);
        assert_status(FltAllocateExtraCreateParameterList(objects_filter, 0, &list), STATUS_SUCCESS);
        assert_status(FltAllocateExtraCreateParameter(objects_filter, &ecp_type, sizeof(ULONG), 0, NULL, 'tseT', &ecp),
                      STATUS_SUCCESS);
        *(ULONG *)ecp = 1;
        assert_status(FltInsertExtraCreateParameter(objects_filter, list, ecp), STATUS_SUCCESS);
        context.ExtraCreateParameter = list;
        InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE, NULL, NULL);
        irp_set_rule(&find);
        assert_status(FltCreateFileEx2(objects_filter, objects_instance, &own, &object, FILE_GENERIC_READ, &attributes,
                                       &iosb, NULL, 0, 7, FILE_OPEN, FILE_SYNCHRONOUS_IO_NONALERT, NULL, 0, 0,
                                       &context),
                      STATUS_SUCCESS);
        irp_set_rule(NULL);
        assert_status(ecp_status, STATUS_SUCCESS);
        g_assert_cmpuint(ecp_value, ==, 1);
        g_assert_cmpuint(ecp_size, ==, sizeof(ULONG));
        g_assert_cmpuint(*(ULONG *)ecp, ==, 2);
        g_assert_true(FltIsEcpAcknowledged(objects_filter, ecp));
        FltFreeExtraCreateParameterList(objects_filter, list);
        objects_close(own, object);
        g_free(name.Buffer);
        tear_down();
}

/* The opener's rights count for nothing: what a process may only write, a filter reads. */
static void test_rights(void)
{
        LARGE_INTEGER offset = {.QuadPart = 0};
        PFILE_OBJECT object;
        UCHAR buffer[8];
        HANDLE own;
        ULONG got;

        set_up();
        g_autofree char *source = irp_in_source("file");
        g_assert_cmpint(chmod(source, 0), ==, 0);
        assert_status(objects_create("\\file", FILE_WRITE_DATA | SYNCHRONIZE, FILE_OPEN, FILE_SYNCHRONOUS_IO_NONALERT,
                                     &own, &object),
                      STATUS_SUCCESS);
        assert_status(FltReadFile(objects_instance, object, &offset, sizeof(buffer), buffer, 0, &got, NULL, NULL),
                      STATUS_SUCCESS);
        g_assert_cmpuint(got, ==, 7);
        objects_close(own, object);
        tear_down();
}

/* ---- locks ---- */

static void test_locks(void)
{
        LARGE_INTEGER offset = {.QuadPart = 10}, length = {.QuadPart = 10};
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 15, .l_len = 1};
        IO_STATUS_BLOCK iosb;
        PFILE_OBJECT other_file;
        HANDLE other;

        set_up();
        IN(path, "file");
        int fd = open(path, O_RDWR);
        other = objects_open("\\file", &other_file);
        irp_clear();
        assert_status(ZwLockFile(handle, NULL, NULL, NULL, &iosb, &offset, &length, 0, TRUE, TRUE), STATUS_SUCCESS);
        irp_expect("LOCK_CONTROL(1)");
        g_assert_true(file->LockOperation);
        /* Against another file object, and against processes, in the mount and outside. */
        assert_status(ZwLockFile(other, NULL, NULL, NULL, &iosb, &offset, &length, 0, TRUE, FALSE),
                      STATUS_LOCK_NOT_GRANTED);
        g_assert_cmpint(fcntl(fd, F_SETLK, &lock), ==, -1);
        g_assert_cmpint(errno, ==, EAGAIN);
        assert_status(ZwUnlockFile(handle, &iosb, &offset, &length, 0), STATUS_SUCCESS);
        g_assert_cmpint(fcntl(fd, F_SETLK, &lock), ==, 0);
        assert_status(ZwLockFile(handle, NULL, NULL, NULL, &iosb, &offset, &length, 0, TRUE, FALSE),
                      STATUS_LOCK_NOT_GRANTED);
        lock.l_type = F_UNLCK;
        g_assert_cmpint(fcntl(fd, F_SETLK, &lock), ==, 0);
        /* Shared ones get along; closing the file gives them up. */
        assert_status(ZwLockFile(handle, NULL, NULL, NULL, &iosb, &offset, &length, 0, TRUE, FALSE), STATUS_SUCCESS);
        assert_status(ZwLockFile(other, NULL, NULL, NULL, &iosb, &offset, &length, 0, FALSE, FALSE), STATUS_SUCCESS);
        assert_status(ZwUnlockFile(handle, &iosb, &offset, &length, 0), STATUS_SUCCESS);
        objects_close(other, other_file);
        assert_status(ZwLockFile(handle, NULL, NULL, NULL, &iosb, &offset, &length, 0, TRUE, TRUE), STATUS_SUCCESS);
        assert_status(ZwLockFile((HANDLE)(ULONG_PTR)0x7ff4, NULL, NULL, NULL, &iosb, &offset, &length, 0, TRUE, TRUE),
                      STATUS_INVALID_HANDLE);
        close(fd);
        tear_down();
}

/* ---- asynchronous, and callback data ---- */

static struct {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        bool done;
        NTSTATUS status;
        ULONG_PTR information;
} finished = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static VOID FLTAPI finish(PFLT_CALLBACK_DATA data, PFLT_CONTEXT context)
{
        g_assert_true(context == &finished);
        pthread_mutex_lock(&finished.lock);
        finished.done = true;
        finished.status = data->IoStatus.Status;
        finished.information = data->IoStatus.Information;
        pthread_cond_signal(&finished.changed);
        pthread_mutex_unlock(&finished.lock);
}

static void wait_finished(NTSTATUS status, ULONG_PTR information)
{
        pthread_mutex_lock(&finished.lock);
        while (!finished.done)
                pthread_cond_wait(&finished.changed, &finished.lock);
        finished.done = false;
        assert_status(finished.status, status);
        g_assert_cmpuint(finished.information, ==, information);
        pthread_mutex_unlock(&finished.lock);
}

static void test_asynchronous(void)
{
        LARGE_INTEGER offset = {.QuadPart = 0};
        char buffer[8];

        set_up();
        assert_status(FltReadFile(objects_instance, file, &offset, 4, buffer, 0, NULL, finish, &finished),
                      STATUS_PENDING);
        wait_finished(STATUS_SUCCESS, 4);
        g_assert_cmpmem(buffer, 4, "cont", 4);
        assert_status(FltWriteFile(objects_instance, file, &offset, 4, upper, 0, NULL, finish, &finished),
                      STATUS_PENDING);
        wait_finished(STATUS_SUCCESS, 4);
        offset.QuadPart = 100;
        assert_status(FltReadFile(objects_instance, file, &offset, 4, buffer, 0, NULL, finish, &finished),
                      STATUS_PENDING);
        wait_finished(STATUS_END_OF_FILE, 0);
        irp_expect("READ WRITE READ");
        tear_down();
}

static void test_callback_data(void)
{
        PFLT_CALLBACK_DATA data;
        char buffer[8];

        set_up();
        objects_on(IRP_MJ_READ, count, NULL);
        assert_status(FltAllocateCallbackData(objects_instance, file, &data), STATUS_SUCCESS);
        for (unsigned i = 0; i < 2; i++) {
                data->Iopb->MajorFunction = IRP_MJ_READ;
                data->Iopb->Parameters.Read.Length = 4;
                data->Iopb->Parameters.Read.ReadBuffer = buffer;
                if (i == 0) {
                        FltPerformSynchronousIo(data);
                } else {
                        assert_status(FltPerformAsynchronousIo(data, finish, &finished), STATUS_PENDING);
                        wait_finished(STATUS_SUCCESS, 4);
                }
                assert_status(data->IoStatus.Status, STATUS_SUCCESS);
                g_assert_cmpuint(data->IoStatus.Information, ==, 4);
                g_assert_cmpmem(buffer, 4, "cont", 4);
                FltReuseCallbackData(data);
                g_assert_cmpuint(data->IoStatus.Information, ==, 0);
        }
        FltFreeCallbackData(data);
        g_assert_cmpuint(objects_seen(), ==, 0);
        objects_on(0, NULL, NULL);
        irp_expect("READ READ");
        tear_down();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        if (!irp_can_mount())
                return 0;
        g_test_add_func("/objects/io/looks", test_looks);
        g_test_add_func("/objects/io/seen-below", test_seen_below);
        g_test_add_func("/objects/io/security", test_security_below);
        g_test_add_func("/objects/io/ea", test_ea);
        g_test_add_func("/objects/io/directory", test_directory);
        g_test_add_func("/objects/io/volume-label", test_volume_label);
        g_test_add_func("/objects/io/targets", test_targets);
        g_test_add_func("/objects/io/recursion", test_recursion);
        g_test_add_func("/objects/io/ecp", test_ecp);
        g_test_add_func("/objects/io/rights", test_rights);
        g_test_add_func("/objects/io/locks", test_locks);
        g_test_add_func("/objects/io/asynchronous", test_asynchronous);
        g_test_add_func("/objects/io/callback-data", test_callback_data);
        return g_test_run();
}
