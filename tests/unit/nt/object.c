/* SPDX-License-Identifier: MIT */
/* Objects, handles, devices, IRPs, MDLs, the log. */
#include <fcntl.h>
#include <fltKernel.h>
#include <glib.h>
#include <string.h>
#include <unistd.h>

#include "nt/io.h"
#include "nt/log.h"
#include "nt/object.h"
#include "nt/status.h"
#include "nt/system.h"
#include "nt/thread.h"
#include "nt/verifier.h"

static gint destroyed, closed;

static void on_destroy(void *body)
{
        g_assert_cmpint(*(int *)body, ==, 42);
        g_atomic_int_inc(&destroyed);
}

static void on_close(void *body)
{
        g_atomic_int_inc(&closed);
}

static struct _OBJECT_TYPE test_type = {.name = "Test", .destroy = on_destroy, .close = on_close};
static struct _OBJECT_TYPE other_type = {.name = "Other"};

static void test_references(void)
{
        int *body = fm_object_new(&test_type, 100);
        HANDLE handles[300], other;
        void *found;

        destroyed = closed = 0;
        g_assert_cmpuint((uintptr_t)body % 16, ==, 0);
        *body = 42;
        ObReferenceObject(body);
        ObDereferenceObject(body);
        g_assert_cmpint(destroyed, ==, 0);
        for (int i = 0; i < 300; i++) {
                g_assert_cmphex(fm_handle_new(body, &handles[i]), ==, STATUS_SUCCESS);
                g_assert_cmpuint((uintptr_t)handles[i] % 4, ==, 0);
                g_assert_nonnull(handles[i]);
        }
        g_assert_cmphex(fm_handle_ref(handles[7], &other_type, &found), ==, STATUS_OBJECT_TYPE_MISMATCH);
        g_assert_cmphex(ObReferenceObjectByHandle(handles[7], 0, &test_type, KernelMode, &found, NULL), ==,
                        STATUS_SUCCESS);
        g_assert_true(found == body);
        ObDereferenceObject(found);
        g_assert_cmphex(ObReferenceObjectByPointer(body, 0, &other_type, KernelMode), ==,
                        STATUS_OBJECT_TYPE_MISMATCH);
        g_assert_cmphex(ObOpenObjectByPointer(body, OBJ_KERNEL_HANDLE, NULL, 0, NULL, KernelMode, &other), ==,
                        STATUS_SUCCESS);
        g_assert_cmphex(ZwClose(other), ==, STATUS_SUCCESS);
        for (int i = 0; i < 300; i++)
                g_assert_cmphex(ZwClose(handles[i]), ==, STATUS_SUCCESS);
        g_assert_cmpint(closed, ==, 1);
        g_assert_cmpint(destroyed, ==, 0);
        fm_object_unref(body);
        g_assert_cmpint(destroyed, ==, 1);
}

static void test_bad_handles(void)
{
        static const ULONG_PTR values[] = {0, 1, 3, 4 * 1000000, (ULONG_PTR)-4, (ULONG_PTR)1 << 63};
        uint64_t before = fm_violation_count();
        PVOID found;

        for (size_t i = 0; i < G_N_ELEMENTS(values); i++) {
                g_assert_cmphex(fm_handle_ref((HANDLE)values[i], NULL, &found), ==, STATUS_INVALID_HANDLE);
                g_assert_cmphex(fm_handle_close((HANDLE)values[i]), ==, STATUS_INVALID_HANDLE);
        }
        g_assert_cmphex(ZwClose((HANDLE)(ULONG_PTR)4000), ==, STATUS_INVALID_HANDLE);
        g_assert_cmpuint(fm_violation_count(), ==, before + 1);
        g_assert_cmphex(
                ObReferenceObjectByHandle(NtCurrentProcess(), 0, *PsProcessType, KernelMode, &found, NULL),
                ==, STATUS_SUCCESS);
        g_assert_true(found == PsInitialSystemProcess);
        ObDereferenceObject(found);
}

static void *open_and_close(void *body)
{
        for (int i = 0; i < 5000; i++) {
                HANDLE handle;
                void *found;

                g_assert_cmphex(fm_handle_new(body, &handle), ==, STATUS_SUCCESS);
                g_assert_cmphex(fm_handle_ref(handle, &test_type, &found), ==, STATUS_SUCCESS);
                g_assert_true(found == body);
                g_assert_cmphex(fm_handle_close(handle), ==, STATUS_SUCCESS);
                fm_object_unref(found);
        }
        return NULL;
}

static void test_threads(void)
{
        int *body = fm_object_new(&test_type, sizeof(int));
        GThread *threads[4];

        destroyed = 0;
        *body = 42;
        for (int i = 0; i < 4; i++)
                threads[i] = g_thread_new("handles", open_and_close, body);
        for (int i = 0; i < 4; i++)
                g_thread_join(threads[i]);
        g_assert_cmpuint(fm_object_refs(body), ==, 1);
        fm_object_unref(body);
        g_assert_cmpint(destroyed, ==, 1);
}

static NTSTATUS double_it(PDEVICE_OBJECT device, PIRP irp)
{
        *(PULONG)irp->AssociatedIrp.SystemBuffer *= 2;
        irp->IoStatus.Status = STATUS_SUCCESS;
        irp->IoStatus.Information = sizeof(ULONG);
        IoCompleteRequest(irp, IO_NO_INCREMENT);
        return STATUS_SUCCESS;
}

static void test_device(void)
{
        PDRIVER_OBJECT driver = fm_driver_new("cdo");
        UNICODE_STRING name, link;
        PDEVICE_OBJECT device, again, found;
        IO_STATUS_BLOCK iosb;
        KEVENT event;
        ULONG in = 21, out = 0;
        PIRP irp;

        RtlInitUnicodeString(&name, L"\\FileSystem\\Filters\\Test");
        RtlInitUnicodeString(&link, L"\\DosDevices\\Test");
        driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = double_it;
        g_assert_cmphex(IoCreateDevice(driver, 64, &name, FILE_DEVICE_DISK_FILE_SYSTEM, 0, FALSE, &device),
                        ==, STATUS_SUCCESS);
        g_assert_cmphex(IoCreateDevice(driver, 0, &name, FILE_DEVICE_DISK_FILE_SYSTEM, 0, FALSE, &again), ==,
                        STATUS_OBJECT_NAME_COLLISION);
        memset(device->DeviceExtension, 1, 64);
        g_assert_cmphex(IoCreateSymbolicLink(&link, &name), ==, STATUS_SUCCESS);
        g_assert_cmphex(IoCreateSymbolicLink(&link, &name), ==, STATUS_OBJECT_NAME_COLLISION);
        RtlInitUnicodeString(&link, L"\\??\\TEST");
        found = fm_device_ref_by_name(&link);
        g_assert_true(found == device);
        ObDereferenceObject(found);

        KeInitializeEvent(&event, NotificationEvent, FALSE);
        irp = IoBuildDeviceIoControlRequest(CTL_CODE(1, 1, METHOD_BUFFERED, 0), device, &in, sizeof(in), &out,
                                            sizeof(out), FALSE, &event, &iosb);
        g_assert_cmphex(IoCallDriver(device, irp), ==, STATUS_SUCCESS);
        g_assert_cmpint(KeReadStateEvent(&event), ==, 1);
        g_assert_cmphex(iosb.Status, ==, STATUS_SUCCESS);
        g_assert_cmpuint(out, ==, 42);
        irp = IoBuildDeviceIoControlRequest(CTL_CODE(1, 1, METHOD_BUFFERED, 0), device, NULL, 0, NULL, 0,
                                            TRUE, NULL, &iosb);
        g_assert_cmphex(IoCallDriver(device, irp), ==, STATUS_INVALID_DEVICE_REQUEST);
        g_assert_cmphex(iosb.Status, ==, STATUS_INVALID_DEVICE_REQUEST);

        g_assert_cmphex(IoDeleteSymbolicLink(&link), ==, STATUS_SUCCESS);
        g_assert_cmpuint(fm_driver_delete_devices(driver), ==, 1);
        g_assert_null(fm_device_ref_by_name(&name));
        fm_object_unref(driver);
}

static void test_mdl(void)
{
        PVOID memory = ExAllocatePoolWithTag(NonPagedPool, 10000, 0x31323334);
        PMDL mdl = IoAllocateMdl((PCHAR)memory + 100, 5000, FALSE, FALSE, NULL);
        uint64_t before = fm_violation_count();
        volatile NTSTATUS code = 0;

        g_assert_cmpuint(MmGetMdlByteCount(mdl), ==, 5000);
        g_assert_true(MmGetMdlVirtualAddress(mdl) == (PCHAR)memory + 100);
        g_assert_null(MmGetSystemAddressForMdlSafe(mdl, NormalPagePriority)); /* neither built nor locked */
        g_assert_cmpuint(fm_violation_count(), ==, before + 1);
        MmBuildMdlForNonPagedPool(mdl);
        g_assert_true(MmGetSystemAddressForMdlSafe(mdl, NormalPagePriority) == (PCHAR)memory + 100);
        IoFreeMdl(mdl);
        mdl = IoAllocateMdl((PVOID)(ULONG_PTR)0x1000, 10, FALSE, FALSE, NULL);
        __try {
                MmProbeAndLockPages(mdl, UserMode, IoReadAccess);
        } __except (EXCEPTION_EXECUTE_HANDLER) {
                code = GetExceptionCode();
        }
        g_assert_cmphex(code, ==, STATUS_ACCESS_VIOLATION);
        IoFreeMdl(mdl);
        ExFreePool(memory);
}

static void test_routines(void)
{
        UNICODE_STRING name;

        RtlInitUnicodeString(&name, L"RtlInitUnicodeString");
        g_assert_true(MmGetSystemRoutineAddress(&name) == (PVOID)(ULONG_PTR)RtlInitUnicodeString);
        g_assert_null(fm_system_routine("system"));
        g_assert_null(fm_system_routine("Exit"));
        g_assert_null(fm_system_routine("fm_system_routine"));
        g_assert_null(fm_system_routine("RtlNoSuchFunction"));
}

/* What is logged from several sources comes out as whole lines, and no text can make a line of its own. */
static void test_log(void)
{
        g_autofree char *path = g_strdup_printf("/tmp/fltsim-log-%d", getpid());
        int fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_APPEND | O_CLOEXEC, 0600);
        g_autofree char *text = NULL;
        g_autofree char *long_text = g_strnfill(5000, 'x');
        g_auto(GStrv) lines = NULL;
        UNICODE_STRING name;

        g_assert_cmpint(fd, >=, 0);
        fm_log_init(fd, FM_LOG_INFO);
        fm_log(FM_LOG_INFO, "area", "one\ntwo");
        fm_log(FM_LOG_DEBUG, "area", "not this");
        fm_log(FM_LOG_ERROR, "area", "%s", long_text);
        RtlInitUnicodeString(&name, L"\\a");
        fm_thread_self()->filter = "speaker";
        DbgPrint("first %wZ\nsecond %lx\n", &name, 0xffffffff);
        /* Its own name is there already. */
        DbgPrint("Speaker: third\n[speaker] fourth\nspeakers: fifth\nspeaker:\n");
        fm_thread_self()->filter = NULL;
        fm_log_init(STDERR_FILENO, FM_LOG_INFO);
        g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
        close(fd);
        unlink(path);
        lines = g_strsplit(text, "\n", -1);
        g_assert_cmpuint(g_strv_length(lines), ==, 9);
        g_assert_true(g_str_has_suffix(lines[0], "Z info area: one?two"));
        g_assert_true(g_str_has_suffix(lines[1], long_text));
        g_assert_true(g_str_has_suffix(lines[2], "info speaker: first \\a"));
        g_assert_true(g_str_has_suffix(lines[3], "info speaker: second ffffffff"));
        g_assert_true(g_str_has_suffix(lines[4], "info speaker: third"));
        g_assert_true(g_str_has_suffix(lines[5], "info speaker: fourth"));
        g_assert_true(g_str_has_suffix(lines[6], "info speaker: speakers: fifth"));
        g_assert_true(g_str_has_suffix(lines[7], "info speaker: speaker:"));
        g_assert_cmpstr(lines[8], ==, "");
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/nt/ob/references", test_references);
        g_test_add_func("/nt/ob/bad-handles", test_bad_handles);
        g_test_add_func("/nt/ob/threads", test_threads);
        g_test_add_func("/nt/io/device", test_device);
        g_test_add_func("/nt/mm/mdl", test_mdl);
        g_test_add_func("/nt/mm/routines", test_routines);
        g_test_add_func("/nt/log", test_log);
        return g_test_run();
}
