/* SPDX-License-Identifier: MIT */
/* Byte range locks that a filter keeps, and questions to file objects. */
#include "fake.h"

#include "nt/cancel.h"
#include "nt/object.h"

static struct fake *fake;
static PFILE_OBJECT mine, others;
static unsigned unlocked;

static VOID count_unlock(PVOID context, PFILE_LOCK_INFO info)
{
        g_assert_true(context == &unlocked);
        unlocked++;
}

static struct fm_operation *operation_new(UCHAR major, UCHAR minor, PFILE_OBJECT file)
{
        struct fm_requestor requestor = {.kernel = true, .thread = PsGetCurrentThread()};
        struct fm_operation *operation = fm_operation_new(fake->volume, major, file, &requestor);

        operation->iopb.MinorFunction = minor;
        return operation;
}

static NTSTATUS control(PFILE_LOCK lock, PFILE_OBJECT file, UCHAR minor, LONGLONG offset, LONGLONG length, ULONG key,
                        bool exclusive)
{
        struct fm_operation *operation = operation_new(IRP_MJ_LOCK_CONTROL, minor, file);
        LARGE_INTEGER size = {.QuadPart = length};
        NTSTATUS status;

        operation->iopb.Parameters.LockControl.ByteOffset.QuadPart = offset;
        operation->iopb.Parameters.LockControl.Length = &size;
        operation->iopb.Parameters.LockControl.Key = key;
        operation->iopb.Parameters.LockControl.ProcessId = PsGetCurrentProcess();
        operation->iopb.OperationFlags = (UCHAR)(SL_FAIL_IMMEDIATELY | (exclusive ? SL_EXCLUSIVE_LOCK : 0));
        g_assert_cmpint(FltProcessFileLock(lock, &operation->data, &unlocked), ==, FLT_PREOP_COMPLETE);
        status = operation->data.IoStatus.Status;
        fm_operation_free(operation);
        return status;
}

static bool may(PFILE_LOCK lock, PFILE_OBJECT file, bool write, LONGLONG offset, ULONG length)
{
        struct fm_operation *operation = operation_new(write ? IRP_MJ_WRITE : IRP_MJ_READ, 0, file);
        BOOLEAN allowed;

        if (write) {
                operation->iopb.Parameters.Write.ByteOffset.QuadPart = offset;
                operation->iopb.Parameters.Write.Length = length;
                allowed = FltCheckLockForWriteAccess(lock, &operation->data);
        } else {
                operation->iopb.Parameters.Read.ByteOffset.QuadPart = offset;
                operation->iopb.Parameters.Read.Length = length;
                allowed = FltCheckLockForReadAccess(lock, &operation->data);
        }
        fm_operation_free(operation);
        return allowed;
}

static void test_locks(void)
{
        PFILE_LOCK lock = FltAllocateFileLock(NULL, count_unlock);

        assert_status(control(lock, mine, IRP_MN_LOCK, 10, 10, 1, true), STATUS_SUCCESS);
        assert_status(control(lock, others, IRP_MN_LOCK, 19, 5, 1, false), STATUS_LOCK_NOT_GRANTED);
        assert_status(control(lock, others, IRP_MN_LOCK, 20, 5, 1, false), STATUS_SUCCESS);
        assert_status(control(lock, mine, IRP_MN_LOCK, 20, 5, 1, false), STATUS_SUCCESS);
        assert_status(control(lock, mine, IRP_MN_LOCK, 24, 5, 1, true), STATUS_LOCK_NOT_GRANTED);
        assert_status(control(lock, mine, IRP_MN_LOCK, 10, 1, 2, true), STATUS_LOCK_NOT_GRANTED);
        /* An exclusive lock keeps others out; a shared one keeps everybody from writing. */
        g_assert_false(may(lock, others, false, 0, 11));
        g_assert_true(may(lock, others, false, 0, 10));
        g_assert_false(may(lock, others, true, 15, 1));
        g_assert_false(may(lock, mine, true, 20, 1));
        g_assert_true(may(lock, others, false, 20, 5));
        assert_status(control(lock, mine, IRP_MN_UNLOCK_SINGLE, 10, 9, 1, true), STATUS_RANGE_NOT_LOCKED);
        assert_status(control(lock, mine, IRP_MN_UNLOCK_SINGLE, 10, 10, 1, true), STATUS_SUCCESS);
        g_assert_true(may(lock, others, true, 15, 1));
        assert_status(control(lock, mine, IRP_MN_LOCK, 100, 1, 7, true), STATUS_SUCCESS);
        assert_status(control(lock, mine, IRP_MN_UNLOCK_ALL_BY_KEY, 0, 0, 7, false), STATUS_SUCCESS);
        g_assert_cmpuint(unlocked, ==, 1);
        assert_status(control(lock, mine, IRP_MN_UNLOCK_ALL, 0, 0, 0, false), STATUS_SUCCESS);
        g_assert_cmpuint(unlocked, ==, 2);
        g_assert_false(may(lock, mine, true, 20, 1));
        assert_status(control(lock, others, IRP_MN_UNLOCK_ALL, 0, 0, 0, false), STATUS_SUCCESS);
        g_assert_true(may(lock, mine, true, 20, 1));
        FltFreeFileLock(lock);
}

/* ---- waiting: a filter whose pre-operation gives locks to FltProcessFileLock ---- */

static PFILE_LOCK waiting_lock;
static _Atomic unsigned pended, completed;

static FLT_PREOP_CALLBACK_STATUS FLTAPI pre_lock(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        FLT_PREOP_CALLBACK_STATUS status = FltProcessFileLock(waiting_lock, data, NULL);

        pended += status == FLT_PREOP_PENDING;
        return status;
}

static NTSTATUS FLTAPI count_complete(PVOID context, PFLT_CALLBACK_DATA data)
{
        completed++;
        return data->IoStatus.Status;
}

struct request {
        PFILE_OBJECT file;
        UCHAR minor;
        bool exclusive;
        struct fm_cancel *cancel;
        NTSTATUS status;
};

static gpointer send(gpointer opaque)
{
        struct request *request = opaque;
        struct fm_requestor requestor = {.kernel = true, .cancel = request->cancel};
        struct fm_operation *operation =
                fm_operation_new(fake->volume, IRP_MJ_LOCK_CONTROL, request->file, &requestor);
        LARGE_INTEGER size = {.QuadPart = 10};

        operation->iopb.MinorFunction = request->minor;
        operation->iopb.Parameters.LockControl.Length = &size;
        operation->iopb.OperationFlags = request->exclusive ? SL_EXCLUSIVE_LOCK : 0;
        request->status = fm_operation_run(operation);
        fm_operation_free(operation);
        return NULL;
}

static void wait_for_pended(unsigned expected)
{
        while (atomic_load(&pended) < expected)
                g_thread_yield();
}

/* Who comes second waits until the first has unlocked; who is cancelled waits no longer. */
static void test_waiting(void)
{
        static const FLT_OPERATION_REGISTRATION callbacks[] = {{IRP_MJ_LOCK_CONTROL, 0, pre_lock, NULL},
                                                               {IRP_MJ_OPERATION_END}};
        PFLT_FILTER filter = fake_filter("locks", "310000", callbacks);
        PFLT_INSTANCE instance = fake_instance(filter, fake->volume, "locks", "310000");
        struct request first = {mine, IRP_MN_LOCK, true}, second = {others, IRP_MN_LOCK, true};
        struct request third = {others, IRP_MN_LOCK, false};
        struct fm_cancel cancel;
        GThread *thread, *other;

        waiting_lock = FltAllocateFileLock(count_complete, NULL);
        send(&first);
        assert_status(first.status, STATUS_SUCCESS);
        fm_cancel_init(&cancel);
        third.cancel = &cancel;
        thread = g_thread_new("second", send, &second);
        wait_for_pended(1);
        other = g_thread_new("third", send, &third);
        wait_for_pended(2);
        fm_cancel_signal(&cancel, false);
        g_thread_join(other);
        assert_status(third.status, STATUS_CANCELLED);
        first.minor = IRP_MN_UNLOCK_SINGLE;
        send(&first);
        assert_status(first.status, STATUS_SUCCESS);
        g_thread_join(thread);
        assert_status(second.status, STATUS_SUCCESS);
        g_assert_cmpuint(completed, ==, 4);
        /* Who waits when the lock goes is cancelled. */
        first.minor = IRP_MN_LOCK;
        thread = g_thread_new("first", send, &first);
        wait_for_pended(3);
        FltFreeFileLock(waiting_lock);
        g_thread_join(thread);
        assert_status(first.status, STATUS_CANCELLED);
        fm_cancel_deinit(&cancel);
        fake_instance_free(instance);
        fake_filter_free(filter);
}

static void test_io(void)
{
        FILE_FS_SECTOR_SIZE_INFORMATION sectors;
        union {
                OBJECT_NAME_INFORMATION info;
                char room[512];
        } name;
        PDEVICE_OBJECT disk;
        ULONG length;

        assert_status(IoGetDiskDeviceObject(mine->DeviceObject, &disk), STATUS_SUCCESS);
        g_assert_cmpuint(disk->DeviceType, ==, FILE_DEVICE_DISK);
        assert_status(FsRtlGetSectorSizeInformation(disk, &sectors), STATUS_SUCCESS);
        g_assert_cmpuint(sectors.LogicalBytesPerSector, ==, 512);
        assert_status(IoGetDiskDeviceObject(NULL, &disk), STATUS_INVALID_PARAMETER);
        ObDereferenceObject(disk);
        assert_status(ObQueryNameString(PsGetCurrentProcess(), &name.info, sizeof(name), &length), STATUS_SUCCESS);
        g_assert_cmpuint(name.info.Name.Length, ==, 0);
}

int main(int argc, char **argv)
{
        int result;

        g_test_init(&argc, &argv, NULL);
        fake = fake_new();
        fake_add(fake, "/a", "hello");
        mine = fake_file(fake, "/a", true);
        others = fake_file(fake, "/a", true);
        g_test_add_func("/fltmgr/filelock/locks", test_locks);
        g_test_add_func("/fltmgr/filelock/waiting", test_waiting);
        g_test_add_func("/fltmgr/filelock/io", test_io);
        result = g_test_run();
        ObDereferenceObject(mine);
        ObDereferenceObject(others);
        fake_free(fake);
        return result;
}
