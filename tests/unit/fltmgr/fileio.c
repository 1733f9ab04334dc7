/* SPDX-License-Identifier: MIT */
#include "fake.h"

#include <string.h>
#include <unistd.h>

#include "fltmgr/port.h"
#include "nt/object.h"
#include "nt/process.h"
#include "nt/thread.h"
#include "nt/verifier.h"

static struct fake *fake;
static GString *seen; /* what the filters' callbacks saw */
static bool from_top; /* the operations are nobody's in particular */

static FLT_PREOP_CALLBACK_STATUS record_pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
        if (seen->len)
                g_string_append_c(seen, ' ');
        g_string_append_printf(seen, "%s:%s", objects->Filter->name,
                               FltGetIrpName(data->Iopb->MajorFunction) + strlen("IRP_MJ_"));
        if (!from_top) {
                g_assert_true((data->Flags & FLTFL_CALLBACK_DATA_GENERATED_IO) != 0);
                /* What ends a file is the opener's. */
                if (data->Iopb->MajorFunction != IRP_MJ_CLEANUP && data->Iopb->MajorFunction != IRP_MJ_CLOSE)
                        g_assert_cmpint(data->RequestorMode, ==, KernelMode);
        }
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

static const FLT_OPERATION_REGISTRATION all[] = {
        {IRP_MJ_CREATE, 0, record_pre, NULL},          {IRP_MJ_READ, 0, record_pre, NULL},
        {IRP_MJ_WRITE, 0, record_pre, NULL},           {IRP_MJ_CLEANUP, 0, record_pre, NULL},
        {IRP_MJ_CLOSE, 0, record_pre, NULL},           {IRP_MJ_QUERY_INFORMATION, 0, record_pre, NULL},
        {IRP_MJ_SET_INFORMATION, 0, record_pre, NULL}, {IRP_MJ_OPERATION_END, 0, NULL, NULL},
};

static PFLT_FILTER high_filter, low_filter;
static PFLT_INSTANCE high, low; /* fake->instance is between them, and registered nothing */

static PFILE_OBJECT open_file(const char *path)
{
        PFILE_OBJECT file = fake_file(fake, path, false);
        struct fm_operation *operation = fm_operation_new_generated(low, IRP_MJ_CREATE, file);

        operation->iopb.Parameters.Create.Options = (ULONG)FILE_OPEN << 24;
        assert_status(fm_operation_run(operation), STATUS_SUCCESS);
        fm_operation_free(operation);
        fm_flt_object_ref(low);
        fm_file_object(file)->initiator = low;
        g_string_truncate(fake->log, 0);
        g_string_truncate(seen, 0);
        return file;
}

static void test_read(void)
{
        PFILE_OBJECT file = open_file("/file");
        LARGE_INTEGER offset = {.QuadPart = 2};
        char buffer[64] = {0};
        ULONG done;

        assert_status(FltReadFile(fake->instance, file, &offset, 3, buffer, 0, &done, NULL, NULL), STATUS_SUCCESS);
        g_assert_cmpuint(done, ==, 3);
        g_assert_cmpstr(buffer, ==, "nte");
        g_assert_cmpstr(seen->str, ==, "low:READ");
        g_assert_cmpint(file->CurrentByteOffset.QuadPart, ==, 5);
        /* From the file's own position, both ways to say it. */
        memset(buffer, 0, sizeof(buffer));
        assert_status(FltReadFile(fake->instance, file, NULL, 1, buffer, 0, &done, NULL, NULL), STATUS_SUCCESS);
        g_assert_cmpstr(buffer, ==, "n");
        offset.HighPart = -1;
        offset.LowPart = FILE_USE_FILE_POINTER_POSITION;
        assert_status(FltReadFile(fake->instance, file, &offset, 64, buffer, 0, &done, NULL, NULL), STATUS_SUCCESS);
        g_assert_cmpstr(buffer, ==, "t");
        g_assert_cmpint(file->CurrentByteOffset.QuadPart, ==, 7);
        assert_status(FltReadFile(fake->instance, file, NULL, 64, buffer, 0, &done, NULL, NULL), STATUS_END_OF_FILE);
        g_assert_cmpuint(done, ==, 0);
        g_assert_cmpint(file->CurrentByteOffset.QuadPart, ==, 7);
        offset.QuadPart = 0;
        assert_status(FltReadFile(fake->instance, file, &offset, 1, buffer,
                                  FLTFL_IO_OPERATION_DO_NOT_UPDATE_BYTE_OFFSET, &done, NULL, NULL),
                      STATUS_SUCCESS);
        g_assert_cmpint(file->CurrentByteOffset.QuadPart, ==, 7);
        fm_object_unref(file);
}

static void test_read_refusals(void)
{
        PFILE_OBJECT file = open_file("/file"), unopened = fake_file(fake, "/file", false);
        _Alignas(512) char buffer[1024];
        LARGE_INTEGER offset = {.QuadPart = 0};
        ULONG done;

        assert_status(FltReadFile(low, unopened, &offset, 1, buffer, 0, &done, NULL, NULL), STATUS_INVALID_PARAMETER);
        offset.QuadPart = -7;
        assert_status(FltReadFile(low, file, &offset, 1, buffer, 0, &done, NULL, NULL), STATUS_INVALID_PARAMETER);
        offset.HighPart = -1;
        offset.LowPart = FILE_WRITE_TO_END_OF_FILE;
        assert_status(FltReadFile(low, file, &offset, 1, buffer, 0, &done, NULL, NULL), STATUS_INVALID_PARAMETER);
        offset.QuadPart = 0;
        assert_status(FltReadFile(low, file, &offset, 100, buffer, FLTFL_IO_OPERATION_NON_CACHED, &done, NULL, NULL),
                      STATUS_INVALID_PARAMETER);
        assert_status(FltReadFile(low, file, &offset, 512, buffer, FLTFL_IO_OPERATION_NON_CACHED, &done, NULL, NULL),
                      STATUS_SUCCESS);
        g_assert_cmphex(fake->last.IrpFlags & (IRP_NOCACHE | IRP_PAGING_IO), ==, IRP_NOCACHE);
        offset.QuadPart = 100;
        assert_status(FltReadFile(low, file, &offset, 512, buffer, FLTFL_IO_OPERATION_NON_CACHED, &done, NULL, NULL),
                      STATUS_INVALID_PARAMETER);
        offset.QuadPart = 0;
        assert_status(
                FltReadFile(low, file, &offset, 512, buffer, FLTFL_IO_OPERATION_SYNCHRONOUS_PAGING, &done, NULL, NULL),
                STATUS_INVALID_PARAMETER);
        file->Flags &= ~(ULONG)FO_SYNCHRONOUS_IO;
        assert_status(FltReadFile(low, file, NULL, 1, buffer, 0, &done, NULL, NULL), STATUS_INVALID_PARAMETER);
        file->Flags |= FO_CLEANUP_COMPLETE;
        assert_status(FltReadFile(low, file, &offset, 1, buffer, 0, &done, NULL, NULL), STATUS_FILE_CLOSED);
        assert_status(FltReadFile(low, file, &offset, 512, buffer, FLTFL_IO_OPERATION_PAGING, &done, NULL, NULL),
                      STATUS_SUCCESS);
        g_assert_cmphex(fake->last.IrpFlags & (IRP_NOCACHE | IRP_PAGING_IO), ==, IRP_NOCACHE | IRP_PAGING_IO);
        fm_object_unref(unopened);
        fm_object_unref(file);
}

static KEVENT async_done;
static struct {
        NTSTATUS status;
        ULONG_PTR information;
        const char *filter;
} async;

static VOID async_callback(PFLT_CALLBACK_DATA data, PFLT_CONTEXT context)
{
        async.status = data->IoStatus.Status;
        async.information = data->IoStatus.Information;
        async.filter = fm_thread_self()->filter;
        g_assert_true(context == &async);
        KeSetEvent(&async_done, IO_NO_INCREMENT, FALSE);
}

static void wait_async(void)
{
        assert_status(KeWaitForSingleObject(&async_done, Executive, KernelMode, FALSE, NULL), STATUS_SUCCESS);
        KeClearEvent(&async_done);
}

static void test_async(void)
{
        PFILE_OBJECT file = open_file("/file");
        LARGE_INTEGER offset = {.QuadPart = 0};
        char buffer[8] = {0};

        KeInitializeEvent(&async_done, NotificationEvent, FALSE);
        assert_status(FltReadFile(low, file, &offset, 7, buffer, 0, NULL, async_callback, &async), STATUS_PENDING);
        wait_async();
        assert_status(async.status, STATUS_SUCCESS);
        g_assert_cmpuint(async.information, ==, 7);
        g_assert_cmpstr(async.filter, ==, "low");
        g_assert_cmpstr(buffer, ==, "content");
        fm_rundown_wait(&low->object.rundown);
        assert_status(FltReadFile(low, file, &offset, 7, buffer, 0, NULL, async_callback, &async),
                      STATUS_FLT_DELETING_OBJECT);
        fm_rundown_init(&low->object.rundown);
        fm_object_unref(file);
}

static void test_write(void)
{
        PFILE_OBJECT file;
        LARGE_INTEGER end = {.u = {.LowPart = FILE_WRITE_TO_END_OF_FILE, .HighPart = -1}};
        ULONG done;

        fake_add(fake, "/out", "");
        file = open_file("/out");
        assert_status(FltWriteFile(fake->instance, file, NULL, 3, (PVOID) "abc", 0, &done, NULL, NULL), STATUS_SUCCESS);
        g_assert_cmpuint(done, ==, 3);
        assert_status(FltWriteFile(fake->instance, file, &end, 2, (PVOID) "de", 0, &done, NULL, NULL), STATUS_SUCCESS);
        g_assert_cmpstr(((GString *)g_hash_table_lookup(fake->files, "/out"))->str, ==, "abcde");
        g_assert_cmpstr(seen->str, ==, "low:WRITE low:WRITE");
        fm_object_unref(file);
}

static void test_query(void)
{
        PFILE_OBJECT file = open_file("/file");
        FILE_STANDARD_INFORMATION standard;
        BOOLEAN directory = TRUE;
        ULONG length;

        assert_status(FltQueryInformationFile(fake->instance, file, &standard, sizeof(standard),
                                              FileStandardInformation, &length),
                      STATUS_SUCCESS);
        g_assert_cmpuint(length, ==, sizeof(standard));
        g_assert_cmpint(standard.EndOfFile.QuadPart, ==, 7);
        assert_status(FltQueryInformationFile(high, file, &standard, sizeof(standard), FileStandardInformation, NULL),
                      STATUS_SUCCESS);
        g_assert_cmpstr(seen->str, ==, "low:QUERY_INFORMATION low:QUERY_INFORMATION");
        assert_status(FltIsDirectory(file, low, &directory), STATUS_SUCCESS);
        g_assert_false(directory);
        fm_object_unref(file);
}

static void test_fs_control(void)
{
        PFILE_OBJECT file = open_file("/file");
        char in[] = "abcd", out[8] = {0};
        ULONG length;

        assert_status(FltFsControlFile(low, file, CTL_CODE(9, 1, METHOD_BUFFERED, 0), in, 4, out, 3, &length),
                      STATUS_SUCCESS);
        g_assert_cmpstr(out, ==, "dcb");
        g_assert_cmpstr(in, ==, "abcd");
        g_assert_cmpuint(length, ==, 4);
        assert_status(FltFsControlFile(low, file, CTL_CODE(9, 1, METHOD_BUFFERED, 0), NULL, 4, out, 3, NULL),
                      STATUS_INVALID_PARAMETER);
        assert_status(FltFsControlFile(low, file, CTL_CODE(9, 1, METHOD_OUT_DIRECT, 0), in, 4, out, 3, NULL),
                      STATUS_INVALID_DEVICE_REQUEST);
        fm_object_unref(file);
}

static NTSTATUS create(PFLT_INSTANCE instance, const char *name, HANDLE root, ULONG disposition, PHANDLE handle,
                       PFILE_OBJECT *file, ULONG_PTR *information)
{
        UNICODE_STRING string = fake_string(name);
        OBJECT_ATTRIBUTES attributes;
        IO_STATUS_BLOCK iosb = {0};
        NTSTATUS status;

        InitializeObjectAttributes(&attributes, &string, OBJ_KERNEL_HANDLE, root, NULL);
        status = FltCreateFileEx(fake->filter, instance, handle, file, FILE_GENERIC_READ, &attributes, &iosb, NULL,
                                 FILE_ATTRIBUTE_NORMAL, FILE_SHARE_READ, disposition, FILE_SYNCHRONOUS_IO_NONALERT,
                                 NULL, 0, 0);
        assert_status(iosb.Status, status);
        *information = iosb.Information;
        g_free(string.Buffer);
        return status;
}

/* Opened below the middle: the lower filter sees all of its life, the higher one nothing. */
static void test_create_below(void)
{
        ULONG_PTR information;
        LARGE_INTEGER offset = {0};
        IO_STATUS_BLOCK iosb;
        PFILE_OBJECT file;
        char buffer[8] = {0};
        HANDLE handle;

        g_string_truncate(seen, 0);
        g_string_truncate(fake->log, 0);
        assert_status(create(fake->instance, "\\??\\C:\\file", NULL, FILE_OPEN, &handle, &file, &information),
                      STATUS_SUCCESS);
        g_assert_cmpuint(information, ==, FILE_OPENED);
        g_assert_true((file->Flags & FO_HANDLE_CREATED) && (file->Flags & FO_SYNCHRONOUS_IO));
        assert_status(ZwReadFile(handle, NULL, NULL, NULL, &iosb, buffer, 7, &offset, NULL), STATUS_SUCCESS);
        g_assert_cmpuint(iosb.Information, ==, 7);
        g_assert_cmpstr(buffer, ==, "content");
        assert_status(FltClose(handle), STATUS_SUCCESS);
        g_assert_cmpstr(fake->log->str, ==, "CREATE /file;READ;CLEANUP");
        fm_object_unref(file);
        g_assert_cmpstr(fake->log->str, ==, "CREATE /file;READ;CLEANUP;CLOSE");
        g_assert_cmpstr(seen->str, ==, "low:CREATE low:READ low:CLEANUP low:CLOSE");
}

static void test_create_from_top(void)
{
        ULONG_PTR information;
        HANDLE handle, root;

        from_top = true;
        assert_status(create(NULL, "\\??\\C:", NULL, FILE_OPEN, &root, NULL, &information), STATUS_SUCCESS);
        g_string_truncate(seen, 0);
        assert_status(create(NULL, "made", root, FILE_OPEN_IF, &handle, NULL, &information), STATUS_SUCCESS);
        g_assert_cmpuint(information, ==, FILE_CREATED);
        g_assert_cmpstr(seen->str, ==, "high:CREATE low:CREATE");
        g_assert_true(g_hash_table_contains(fake->files, "/made"));
        FltClose(handle);
        FltClose(root);
        from_top = false;
}

static void test_create_errors(void)
{
        static const struct {
                const char *name;
                NTSTATUS status;
        } rows[] = {
                {"\\??\\C:\\missing", STATUS_OBJECT_NAME_NOT_FOUND},
                {"\\??\\Q:\\file", STATUS_OBJECT_PATH_NOT_FOUND},
                {"file", STATUS_OBJECT_PATH_SYNTAX_BAD},
                {"", STATUS_OBJECT_PATH_SYNTAX_BAD},
        };
        ULONG_PTR information;
        HANDLE handle;

        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
                assert_status(create(low, rows[i].name, NULL, FILE_OPEN, &handle, NULL, &information), rows[i].status);
                g_assert_null(handle);
        }
        assert_status(create(low, "\\??\\C:\\file", NULL, 77, &handle, NULL, &information), STATUS_INVALID_PARAMETER);
        assert_status(create(low, "file", (HANDLE)0x7ffc, FILE_OPEN, &handle, NULL, &information),
                      STATUS_INVALID_HANDLE);
        assert_status(FltClose((HANDLE)0x7ffc), STATUS_INVALID_HANDLE);
}

static void test_cancel_open(void)
{
        uint64_t before = fm_violation_count();
        PFILE_OBJECT file;

        from_top = true;
        file = fake_file(fake, "/file", true);
        from_top = false;
        g_string_truncate(seen, 0);
        FltCancelFileOpen(fake->instance, file);
        g_assert_cmpstr(fake->log->str, ==, "CLEANUP;CLOSE");
        g_assert_cmpstr(seen->str, ==, "low:CLEANUP low:CLOSE");
        g_assert_true((file->Flags & FO_FILE_OPEN_CANCELLED) != 0);
        g_assert_cmpuint(fm_violation_count(), ==, before);
        FltCancelFileOpen(fake->instance, file);
        g_assert_cmpuint(fm_violation_count(), ==, before + 1);
        fm_object_unref(file);
        g_assert_cmpstr(fake->log->str, ==, "CLEANUP;CLOSE");
}

static void test_callback_data(void)
{
        PFILE_OBJECT file = open_file("/file");
        PFLT_CALLBACK_DATA data;
        char buffer[8] = {0};

        assert_status(FltAllocateCallbackData(fake->instance, file, &data), STATUS_SUCCESS);
        g_assert_cmpuint(fake->filter->data_alive, ==, 1);
        g_assert_true(data->Iopb->TargetFileObject == file && data->Iopb->TargetInstance == fake->instance);
        for (int twice = 0; twice < 2; twice++) {
                data->Iopb->MajorFunction = IRP_MJ_READ;
                data->Iopb->IrpFlags = IRP_READ_OPERATION;
                data->Iopb->Parameters.Read.Length = 7;
                data->Iopb->Parameters.Read.ReadBuffer = buffer;
                FltPerformSynchronousIo(data);
                assert_status(data->IoStatus.Status, STATUS_SUCCESS);
                g_assert_cmpuint(data->IoStatus.Information, ==, 7);
                g_assert_cmpstr(buffer, ==, "content");
                memset(buffer, 0, sizeof(buffer));
                FltReuseCallbackData(data);
                g_assert_cmpuint(data->IoStatus.Information, ==, 0);
                g_assert_cmpuint(data->Iopb->Parameters.Read.Length, ==, 0);
        }
        g_assert_cmpstr(seen->str, ==, "low:READ low:READ");

        /* Refused, the callback is called all the same. */
        KeInitializeEvent(&async_done, NotificationEvent, FALSE);
        assert_status(FltPerformAsynchronousIo(data, async_callback, &async), STATUS_FLT_INVALID_ASYNCHRONOUS_REQUEST);
        wait_async();
        assert_status(async.status, STATUS_FLT_INVALID_ASYNCHRONOUS_REQUEST);
        g_assert_cmpuint(async.information, ==, 0);
        fm_rundown_wait(&fake->instance->object.rundown);
        data->Iopb->MajorFunction = IRP_MJ_READ;
        assert_status(FltPerformAsynchronousIo(data, async_callback, &async), STATUS_FLT_DELETING_OBJECT);
        wait_async();
        assert_status(async.status, STATUS_FLT_DELETING_OBJECT);
        fm_rundown_init(&fake->instance->object.rundown);
        FltReuseCallbackData(data);
        data->Iopb->MajorFunction = IRP_MJ_READ;
        data->Iopb->Parameters.Read.Length = 7;
        data->Iopb->Parameters.Read.ReadBuffer = buffer;
        KeInitializeEvent(&async_done, NotificationEvent, FALSE);
        assert_status(FltPerformAsynchronousIo(data, async_callback, &async), STATUS_PENDING);
        wait_async();
        g_assert_cmpstr(buffer, ==, "content");
        g_assert_cmpuint(async.information, ==, 7);
        fm_rundown_wait(&fake->instance->object.rundown);
        fm_rundown_init(&fake->instance->object.rundown);
        FltFreeCallbackData(data);
        g_assert_cmpuint(fake->filter->data_alive, ==, 0);
        fm_object_unref(file);
}

static void test_aligned_pool(void)
{
        for (SIZE_T size = 0; size < 3000; size += 499) {
                char *memory = FltAllocatePoolAlignedWithTag(fake->instance, NonPagedPool, size, 'tset');

                g_assert_cmpuint((ULONG_PTR)memory % 512, ==, 0);
                memset(memory, 1, size);
                FltFreePoolAlignedWithTag(fake->instance, memory, 'tset');
        }
        g_assert_null(FltAllocatePoolAlignedWithTag(fake->instance, NonPagedPool, SIZE_MAX - 10, 'tset'));
}

/* ---- sections ---- */

static void test_section_checks(void)
{
        PFILE_OBJECT file = open_file("/file");
        LARGE_INTEGER size;
        PVOID object;
        HANDLE handle;
        int context;

        assert_status(FltCreateSectionForDataScan(low, file, &context, SECTION_MAP_READ, NULL, NULL, PAGE_READONLY,
                                                  SEC_COMMIT, 0, &handle, &object, &size),
                      STATUS_INVALID_PARAMETER);
        assert_status(FltRegisterForDataScan(low), STATUS_SUCCESS);
        assert_status(FltCreateSectionForDataScan(low, file, &context, SECTION_MAP_READ, NULL, NULL, 0, SEC_COMMIT, 0,
                                                  &handle, &object, &size),
                      STATUS_INVALID_PARAMETER_8);
        assert_status(FltCreateSectionForDataScan(low, file, &context, SECTION_MAP_READ, NULL, NULL, PAGE_READONLY,
                                                  SEC_IMAGE, 0, &handle, &object, &size),
                      STATUS_INVALID_PARAMETER_9);
        assert_status(FltCloseSectionForDataScan(&context), STATUS_NOT_FOUND);
        assert_status(FltCloseSectionForDataScan(NULL), STATUS_INVALID_PARAMETER);
        fm_object_unref(file);
}

/* An agent that takes descriptors. */
static struct {
        PEPROCESS process;
        uint64_t size;
        HANDLE revoked;
} agent;

static NTSTATUS agent_give(PEPROCESS process, int fd, uint64_t size, HANDLE *ret)
{
        if (process != agent.process)
                return STATUS_NOT_FOUND;
        agent.size = size;
        *ret = (HANDLE)FM_PORT_GIVEN_FIRST;
        return STATUS_SUCCESS;
}

static NTSTATUS agent_revoke(PEPROCESS process, HANDLE handle)
{
        agent.revoked = handle;
        return STATUS_SUCCESS;
}

static const FLT_CONTEXT_REGISTRATION section_contexts[] = {
        {FLT_SECTION_CONTEXT, 0, NULL, 16, 'tset'},
        {.ContextType = FLT_CONTEXT_END},
};

static NTSTATUS scan(PFILE_OBJECT file, PFLT_CONTEXT context, PHANDLE handle, PVOID *object, PLARGE_INTEGER size)
{
        return FltCreateSectionForDataScan(low, file, context, SECTION_MAP_READ, NULL, NULL, PAGE_READONLY, SEC_COMMIT,
                                           0, handle, object, size);
}

static void test_section_scan(void)
{
        static const struct fm_port_ops ops = {.give = agent_give, .revoke = agent_revoke};
        PFILE_OBJECT file = open_file("/file"), directory = open_file("/"), empty;
        PFLT_CONTEXT context, second, found;
        LARGE_INTEGER size;
        KAPC_STATE state;
        PVOID object;
        HANDLE handle;

        low_filter->registration.ContextRegistration = g_memdup2(section_contexts, sizeof(section_contexts));
        fake_add(fake, "/nothing", "");
        empty = open_file("/nothing");
        assert_status(FltRegisterForDataScan(low), STATUS_SUCCESS);
        assert_status(FltAllocateContext(low_filter, FLT_SECTION_CONTEXT, 16, PagedPool, &context), STATUS_SUCCESS);
        assert_status(FltAllocateContext(low_filter, FLT_SECTION_CONTEXT, 16, PagedPool, &second), STATUS_SUCCESS);

        /* What fails leaves the context free for the next try. */
        assert_status(scan(empty, context, &handle, &object, &size), STATUS_END_OF_FILE);
        assert_status(scan(directory, context, &handle, &object, &size), STATUS_FILE_IS_A_DIRECTORY);
        g_assert_null(handle);
        assert_status(scan(file, context, &handle, &object, &size), STATUS_SUCCESS);
        g_assert_cmpint(size.QuadPart, ==, 7);
        assert_status(FltGetSectionContext(low, file, &found), STATUS_SUCCESS);
        g_assert_true(found == context);
        FltReleaseContext(found);
        g_assert_false(fm_port_is_given_handle(handle));
        assert_status(ZwClose(handle), STATUS_SUCCESS);
        ObDereferenceObject(object);
        /* One at a time. */
        assert_status(scan(file, second, &handle, &object, &size), STATUS_FLT_CONTEXT_ALREADY_DEFINED);
        assert_status(FltCloseSectionForDataScan(context), STATUS_SUCCESS);
        assert_status(FltCloseSectionForDataScan(context), STATUS_NOT_FOUND);
        assert_status(FltGetSectionContext(low, file, &found), STATUS_NOT_FOUND);

        /* In the name of an agent the handle is the agent's. */
        agent.process = fm_process_ref_by_id(getpid());
        fm_port_set_ops(&ops);
        KeStackAttachProcess(agent.process, &state);
        assert_status(scan(file, second, &handle, &object, &size), STATUS_SUCCESS);
        g_assert_true(handle == (HANDLE)FM_PORT_GIVEN_FIRST);
        g_assert_cmpuint(agent.size, ==, 7);
        assert_status(ZwClose(handle), STATUS_SUCCESS);
        g_assert_true(agent.revoked == handle);
        /* A kernel handle stays a kernel handle; another handle of the object may be the agent's. */
        assert_status(
                ObOpenObjectByPointer(object, OBJ_KERNEL_HANDLE, NULL, 0, *MmSectionObjectType, KernelMode, &handle),
                STATUS_SUCCESS);
        g_assert_false(fm_port_is_given_handle(handle));
        assert_status(ZwClose(handle), STATUS_SUCCESS);
        assert_status(ObOpenObjectByPointer(object, 0, NULL, 0, *MmSectionObjectType, KernelMode, &handle),
                      STATUS_SUCCESS);
        g_assert_true(fm_port_is_given_handle(handle));
        KeUnstackDetachProcess(&state);
        fm_port_set_ops(NULL);
        ObDereferenceObject(object);
        assert_status(FltCloseSectionForDataScan(second), STATUS_SUCCESS);
        FltReleaseContext(context);
        FltReleaseContext(second);
        g_assert_cmpuint(low_filter->contexts_alive, ==, 0);
        fm_object_unref(agent.process);
        fm_object_unref(empty);
        fm_object_unref(directory);
        fm_object_unref(file);
}

static void test_section_map(void)
{
        ULONG_PTR information;
        HANDLE file, section;
        LARGE_INTEGER size = {.QuadPart = 100000}, offset = {.QuadPart = 65536};
        SIZE_T view_size = 0;
        PVOID view = NULL, second = NULL;

        assert_status(create(low, "\\??\\C:\\file", NULL, FILE_OPEN, &file, NULL, &information), STATUS_SUCCESS);
        assert_status(ZwCreateSection(&section, SECTION_MAP_READ, NULL, NULL, PAGE_READONLY, SEC_COMMIT, file),
                      STATUS_SUCCESS);
        assert_status(ZwMapViewOfSection(section, ZwCurrentProcess(), &view, 0, 0, NULL, &view_size, ViewUnmap, 0,
                                         PAGE_READWRITE),
                      STATUS_SECTION_PROTECTION);
        assert_status(ZwMapViewOfSection(section, ZwCurrentProcess(), &view, 0, 0, NULL, &view_size, ViewUnmap, 0,
                                         PAGE_READONLY),
                      STATUS_SUCCESS);
        g_assert_cmpuint(view_size, ==, 7);
        g_assert_cmpmem(view, 7, "content", 7);
        assert_status(ZwClose(section), STATUS_SUCCESS);
        g_assert_cmpmem(view, 7, "content", 7);
        assert_status(ZwUnmapViewOfSection(ZwCurrentProcess(), view), STATUS_SUCCESS);
        assert_status(ZwUnmapViewOfSection(ZwCurrentProcess(), view), STATUS_NOT_MAPPED_VIEW);
        assert_status(FltClose(file), STATUS_SUCCESS);

        /* Memory: two views of one section are the same. */
        assert_status(ZwCreateSection(&section, SECTION_ALL_ACCESS, NULL, NULL, PAGE_READWRITE, SEC_COMMIT, NULL),
                      STATUS_INVALID_PARAMETER_4);
        assert_status(ZwCreateSection(&section, SECTION_ALL_ACCESS, NULL, &size, PAGE_READWRITE, SEC_COMMIT, NULL),
                      STATUS_SUCCESS);
        view = NULL;
        view_size = 0;
        assert_status(ZwMapViewOfSection(section, ZwCurrentProcess(), &view, 0, 0, NULL, &view_size, ViewUnmap, 0,
                                         PAGE_READWRITE),
                      STATUS_SUCCESS);
        view_size = 0;
        assert_status(ZwMapViewOfSection(section, ZwCurrentProcess(), &second, 0, 0, &offset, &view_size, ViewUnmap, 0,
                                         PAGE_READONLY),
                      STATUS_SUCCESS);
        g_assert_cmpuint(view_size, ==, 100000 - 65536);
        ((char *)view)[65536] = 'x';
        g_assert_cmpint(((char *)second)[0], ==, 'x');
        assert_status(ZwUnmapViewOfSection(ZwCurrentProcess(), view), STATUS_SUCCESS);
        assert_status(ZwUnmapViewOfSection(ZwCurrentProcess(), second), STATUS_SUCCESS);
        view = NULL;
        offset.QuadPart = 1;
        assert_status(ZwMapViewOfSection(section, ZwCurrentProcess(), &view, 0, 0, &offset, &view_size, ViewUnmap, 0,
                                         PAGE_READONLY),
                      STATUS_MAPPED_ALIGNMENT);
        view_size = 100001;
        assert_status(ZwMapViewOfSection(section, ZwCurrentProcess(), &view, 0, 0, NULL, &view_size, ViewUnmap, 0,
                                         PAGE_READONLY),
                      STATUS_INVALID_VIEW_SIZE);
        assert_status(ZwClose(section), STATUS_SUCCESS);
}

static void test_section_empty(void)
{
        ULONG_PTR information;
        HANDLE file, section;

        fake_add(fake, "/empty", "");
        assert_status(create(low, "\\??\\C:\\empty", NULL, FILE_OPEN, &file, NULL, &information), STATUS_SUCCESS);
        assert_status(ZwCreateSection(&section, SECTION_MAP_READ, NULL, NULL, PAGE_READONLY, SEC_COMMIT, file),
                      STATUS_MAPPED_FILE_SIZE_ZERO);
        assert_status(FltClose(file), STATUS_SUCCESS);
}

int main(int argc, char **argv)
{
        int result;

        g_test_init(&argc, &argv, NULL);
        fm_verifier_init(false);
        seen = g_string_new(NULL);
        fake = fake_new();
        fake_add(fake, "/file", "content");
        high_filter = fake_filter("high", "400000", all);
        low_filter = fake_filter("low", "100000", all);
        high = fake_instance(high_filter, fake->volume, "high", "400000");
        low = fake_instance(low_filter, fake->volume, "low", "100000");
        g_test_add_func("/fileio/read", test_read);
        g_test_add_func("/fileio/read-refusals", test_read_refusals);
        g_test_add_func("/fileio/async", test_async);
        g_test_add_func("/fileio/write", test_write);
        g_test_add_func("/fileio/query", test_query);
        g_test_add_func("/fileio/fs-control", test_fs_control);
        g_test_add_func("/fileio/create-below", test_create_below);
        g_test_add_func("/fileio/create-from-top", test_create_from_top);
        g_test_add_func("/fileio/create-errors", test_create_errors);
        g_test_add_func("/fileio/cancel-open", test_cancel_open);
        g_test_add_func("/fileio/callback-data", test_callback_data);
        g_test_add_func("/fileio/aligned-pool", test_aligned_pool);
        g_test_add_func("/section/checks", test_section_checks);
        g_test_add_func("/section/scan", test_section_scan);
        g_test_add_func("/section/map", test_section_map);
        g_test_add_func("/section/empty", test_section_empty);
        result = g_test_run();
        fake_instance_free(high);
        fake_instance_free(low);
        fake_filter_free(high_filter);
        fake_filter_free(low_filter);
        fake_free(fake);
        g_string_free(seen, TRUE);
        return result;
}
