/* SPDX-License-Identifier: MIT */
/* What callbacks change: parameters, buffers, names; who sees that, and who does not. */
#include "engine-harness.h"

#include "nt/unicode.h"

/* ---- parameters ---- */

static void change_many(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        data->Iopb->Parameters.Read.Length = 1;
        data->Iopb->Parameters.Read.ByteOffset.QuadPart = 4096;
        data->Iopb->IrpFlags |= IRP_NOCACHE;
        data->Iopb->OperationFlags |= SL_KEY_SPECIFIED;
        if (engine_scripts[1].context)
                FltSetCallbackDataDirty(data);
}

static FLT_IO_PARAMETER_BLOCK at_bottom;

static void keep_parameters(struct fm_operation *operation)
{
        if (operation->iopb.MajorFunction == IRP_MJ_READ)
                at_bottom = operation->iopb;
}

static void test_dirty_parameters(void)
{
        engine_set_up();
        engine_bottom_hook = keep_parameters;
        engine_scripts[1].pre = change_many;
        engine_read_once();
        g_assert_cmpuint(at_bottom.Parameters.Read.Length, ==, 100);
        g_assert_false(at_bottom.IrpFlags & IRP_NOCACHE);
        engine_scripts[1].context = engine_scripts;
        engine_read_once();
        g_assert_cmpuint(at_bottom.Parameters.Read.Length, ==, 1);
        g_assert_cmpint(at_bottom.Parameters.Read.ByteOffset.QuadPart, ==, 4096);
        g_assert_true(at_bottom.IrpFlags & IRP_NOCACHE);
        g_assert_true(at_bottom.OperationFlags & SL_KEY_SPECIFIED);
        g_assert_cmpuint(engine_scripts[1].seen_length_post, ==, 100);
        g_assert_cmpuint(engine_scripts[0].seen_length_post, ==, 100);
        engine_tear_down();
}

static void change_major(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        data->Iopb->MajorFunction = IRP_MJ_WRITE;
}

static void test_major_stays(void)
{
        engine_set_up();
        engine_bottom_hook = keep_parameters;
        engine_scripts[1].pre = change_major;
        memset(&at_bottom, 0, sizeof(at_bottom));
        engine_expect_violations(engine_read_once(), 1);
        g_assert_cmpuint(at_bottom.MajorFunction, ==, IRP_MJ_READ);
        engine_expect_trace("abc.CBA");
        engine_tear_down();
}

/* Each of two modifiers has its own back; nobody else's post-operation sees what a third one wrote into them. */
static void to_80(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        data->Iopb->Parameters.Read.Length = 80;
        FltSetCallbackDataDirty(data);
}

static void to_50(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        g_assert_false(FltIsCallbackDataDirty(data));
        data->Iopb->Parameters.Read.Length = 50;
        FltSetCallbackDataDirty(data);
}

static void spoil(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID context,
                  FLT_POST_OPERATION_FLAGS flags)
{
        data->Iopb->Parameters.Read.Length = 1;
        FltSetCallbackDataDirty(data);
}

static void test_stacked_changes(void)
{
        static const ULONG seen_pre[] = { 100, 80, 50 }, seen_post[] = { 100, 80, 50 };

        engine_set_up();
        engine_bottom_hook = keep_parameters;
        engine_scripts[0].pre = to_80;
        engine_scripts[1].pre = to_50;
        engine_scripts[2].post = spoil;
        engine_read_once();
        g_assert_cmpuint(at_bottom.Parameters.Read.Length, ==, 50);
        for (int i = 0; i < ENGINE_FILTERS; i++) {
                g_assert_cmpuint(engine_scripts[i].seen_length_pre, ==, seen_pre[i]);
                g_assert_cmpuint(engine_scripts[i].seen_length_post, ==, seen_post[i]);
        }
        engine_tear_down();
}

static void change_and_take_back(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        to_50(script, data, objects);
        FltClearCallbackDataDirty(data);
}

static void test_dirty_taken_back(void)
{
        engine_set_up();
        engine_bottom_hook = keep_parameters;
        engine_scripts[1].pre = change_and_take_back;
        engine_read_once();
        g_assert_cmpuint(at_bottom.Parameters.Read.Length, ==, 100);
        engine_tear_down();
}

/* A result is nothing before somebody completes the operation. */
static void set_result_early(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        data->IoStatus.Status = STATUS_ACCESS_DENIED;
        data->IoStatus.Information = 99;
}

static IO_STATUS_BLOCK result_at_bottom, result_above;

static void keep_result(struct fm_operation *operation)
{
        if (operation->iopb.MajorFunction == IRP_MJ_READ)
                result_at_bottom = operation->data.IoStatus;
}

static void keep_result_above(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects,
                              PVOID context, FLT_POST_OPERATION_FLAGS flags)
{
        result_above = data->IoStatus;
}

static void test_result_set_early(void)
{
        engine_set_up();
        engine_bottom_hook = keep_result;
        engine_scripts[0].pre = engine_scripts[2].pre = set_result_early;
        engine_scripts[0].post = keep_result_above;
        engine_assert_status(engine_read_once(), STATUS_SUCCESS);
        engine_assert_status(result_at_bottom.Status, STATUS_SUCCESS);
        g_assert_cmpuint(result_at_bottom.Information, ==, 0);
        /* Nor for one who completes the operation below and sets no Information. */
        engine_scripts[1].pre_status = FLT_PREOP_COMPLETE;
        engine_read_once();
        g_assert_cmpuint(result_above.Information, ==, 0);
        engine_tear_down();
}

static PFILE_OBJECT other_file, seen_file[ENGINE_FILTERS], seen_file_post[ENGINE_FILTERS];

static void see_file(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        g_assert_true(objects->FileObject == data->Iopb->TargetFileObject);
        seen_file[script - engine_scripts] = objects->FileObject;
        if (script == &engine_scripts[1]) {
                data->Iopb->TargetFileObject = other_file;
                FltSetCallbackDataDirty(data);
        }
}

static void see_file_post(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects,
                          PVOID context, FLT_POST_OPERATION_FLAGS flags)
{
        g_assert_true(objects->FileObject == data->Iopb->TargetFileObject);
        seen_file_post[script - engine_scripts] = objects->FileObject;
}

/* Another file of the volume: lower filters and the bottom are given that one. */
static void test_other_file(void)
{
        struct fm_operation *operation;
        PFILE_OBJECT file;

        engine_set_up();
        file = engine_open_file();
        other_file = engine_open_file();
        engine_bottom_hook = keep_parameters;
        for (int i = 0; i < ENGINE_FILTERS; i++) {
                engine_scripts[i].pre = see_file;
                engine_scripts[i].post = see_file_post;
        }
        operation = engine_read_of(file, 10);
        engine_assert_status(fm_operation_run(operation), STATUS_SUCCESS);
        g_assert_true(operation->iopb.TargetFileObject == file);
        fm_operation_free(operation);
        g_assert_true(at_bottom.TargetFileObject == other_file);
        for (int i = 0; i < ENGINE_FILTERS; i++) {
                g_assert_true(seen_file[i] == (i < 2 ? file : other_file));
                g_assert_true(seen_file_post[i] == (i < 2 ? file : other_file));
        }
        fm_object_unref(file);
        fm_object_unref(other_file);
        engine_tear_down();
}

/* ---- buffers ---- */

static char new_buffer[100], old_buffer[100];
static PMDL new_mdl;
static bool retain;

static void swap(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        new_mdl = IoAllocateMdl(new_buffer, sizeof(new_buffer), FALSE, FALSE, NULL);
        MmBuildMdlForNonPagedPool(new_mdl);
        data->Iopb->Parameters.Read.ReadBuffer = new_buffer;
        data->Iopb->Parameters.Read.MdlAddress = new_mdl;
        FltSetCallbackDataDirty(data);
        g_assert_null(FltGetSwappedBufferMdlAddress(data));
}

static void unswap(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID context,
                   FLT_POST_OPERATION_FLAGS flags)
{
        g_assert_true(data->Iopb->Parameters.Read.ReadBuffer == old_buffer);
        g_assert_null(data->Iopb->Parameters.Read.MdlAddress);
        g_assert_true(FltGetSwappedBufferMdlAddress(data) == new_mdl);
        if (retain)
                FltRetainSwappedBufferMdlAddress(data);
}

static void no_swapped_mdl(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects,
                           PVOID context, FLT_POST_OPERATION_FLAGS flags)
{
        g_assert_null(FltGetSwappedBufferMdlAddress(data));
}

static void test_swapped_mdl(void)
{
        engine_set_up();
        engine_scripts[0].post = engine_scripts[2].post = no_swapped_mdl;
        engine_scripts[1].pre = swap;
        engine_scripts[1].post = unswap;
        engine_bottom_hook = keep_parameters;
        for (int i = 0; i < 2; i++) {
                PFILE_OBJECT file = engine_open_file();
                struct fm_operation *operation = engine_read_of(file, 100);

                retain = i;
                operation->iopb.Parameters.Read.ReadBuffer = old_buffer;
                engine_assert_status(fm_operation_run(operation), STATUS_SUCCESS);
                g_assert_true(operation->iopb.Parameters.Read.ReadBuffer == old_buffer);
                fm_operation_free(operation);
                g_assert_true(at_bottom.Parameters.Read.ReadBuffer == new_buffer);
                g_assert_true(at_bottom.Parameters.Read.MdlAddress == new_mdl);
                /* A leak checker sees the MDL of the first round if it was not freed. */
                if (retain)
                        IoFreeMdl(new_mdl);
                fm_object_unref(file);
        }
        engine_tear_down();
}

/* Swapped in and not given back, since no post-operation comes: freed all the same, which a leak checker sees. */
static void test_swapped_without_post(void)
{
        static const FLT_PREOP_CALLBACK_STATUS statuses[] = { FLT_PREOP_SUCCESS_NO_CALLBACK, FLT_PREOP_COMPLETE };

        engine_set_up();
        engine_scripts[1].pre = swap;
        for (unsigned i = 0; i < G_N_ELEMENTS(statuses); i++) {
                engine_scripts[1].pre_status = statuses[i];
                engine_assert_status(engine_read_once(), STATUS_SUCCESS);
        }
        engine_tear_down();
}

/* For every major with a buffer. */
static struct {
        PVOID buffer;
        PMDL mdl;
} in_pre[ENGINE_FILTERS], in_post[ENGINE_FILTERS], own, swapped_below;
static bool with_mdl;

static void look(PFLT_CALLBACK_DATA data, PVOID *buffer, PMDL *mdl)
{
        PVOID *buffer_place;
        PMDL *mdl_place;

        engine_assert_status(FltDecodeParameters(data, &mdl_place, &buffer_place, NULL, NULL), STATUS_SUCCESS);
        *buffer = *buffer_place;
        *mdl = mdl_place ? *mdl_place : NULL;
        with_mdl = mdl_place != NULL;
}

static void swap_any(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        PVOID *buffer_place;
        PMDL *mdl_place;
        int i = (int)(script - engine_scripts);

        look(data, &in_pre[i].buffer, &in_pre[i].mdl);
        if (i != 1)
                return;
        own.buffer = new_buffer;
        own.mdl = NULL;
        engine_assert_status(FltDecodeParameters(data, &mdl_place, &buffer_place, NULL, NULL), STATUS_SUCCESS);
        *buffer_place = new_buffer;
        if (mdl_place) {
                own.mdl = *mdl_place = IoAllocateMdl(new_buffer, sizeof(new_buffer), FALSE, FALSE, NULL);
                MmBuildMdlForNonPagedPool(own.mdl);
        }
        FltSetCallbackDataDirty(data);
}

static void unswap_any(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects,
                       PVOID context, FLT_POST_OPERATION_FLAGS flags)
{
        int i = (int)(script - engine_scripts);

        look(data, &in_post[i].buffer, &in_post[i].mdl);
        g_assert_true(FltGetSwappedBufferMdlAddress(data) == (i == 1 ? own.mdl : NULL));
}

static void look_below(struct fm_operation *operation)
{
        look(&operation->data, &swapped_below.buffer, &swapped_below.mdl);
}

static const struct {
        UCHAR major, minor;
} with_buffers[] = {
        { IRP_MJ_READ, 0 },        { IRP_MJ_WRITE, 0 },
        { IRP_MJ_QUERY_EA, 0 },    { IRP_MJ_SET_EA, 0 },
        { IRP_MJ_QUERY_SECURITY, 0 },  { IRP_MJ_DIRECTORY_CONTROL, IRP_MN_QUERY_DIRECTORY },
        { IRP_MJ_QUERY_INFORMATION, 0 }, { IRP_MJ_SET_INFORMATION, 0 },
        { IRP_MJ_QUERY_VOLUME_INFORMATION, 0 }, { IRP_MJ_FILE_SYSTEM_CONTROL, 0 },
};

static void check_swap(UCHAR major, UCHAR minor)
{
        PFILE_OBJECT file = engine_open_file();
        struct fm_operation *operation = fm_operation_new(engine_volume, major, file, &engine_nobody);
        PVOID *buffer_place;
        PULONG length;

        g_test_message("%s", FltGetIrpName(major));
        operation->iopb.MinorFunction = minor;
        if (major == IRP_MJ_FILE_SYSTEM_CONTROL)
                operation->iopb.Parameters.FileSystemControl.Common.FsControlCode =
                        CTL_CODE(FILE_DEVICE_FILE_SYSTEM, 1, METHOD_NEITHER, FILE_ANY_ACCESS);
        engine_assert_status(FltDecodeParameters(&operation->data, NULL, &buffer_place, &length, NULL), STATUS_SUCCESS);
        *buffer_place = old_buffer;
        *length = sizeof(old_buffer);
        engine_bottom_hook = look_below;
        engine_assert_status(fm_operation_run(operation), STATUS_SUCCESS);
        engine_bottom_hook = NULL;
        for (int i = 0; i < ENGINE_FILTERS; i++) {
                g_assert_true(in_pre[i].buffer == (i == 2 ? new_buffer : old_buffer));
                g_assert_true(in_post[i].buffer == (i == 2 ? new_buffer : old_buffer));
                g_assert_true(in_pre[i].mdl == (i == 2 ? own.mdl : NULL));
                g_assert_true(in_post[i].mdl == (i == 2 ? own.mdl : NULL));
        }
        g_assert_true(swapped_below.buffer == new_buffer);
        g_assert_true(swapped_below.mdl == own.mdl);
        g_assert_true(*buffer_place == old_buffer);
        fm_operation_free(operation);
        engine_trace[0] = 0;
        fm_object_unref(file);
}

static void test_swapped_buffers(void)
{
        for (unsigned i = 0; i < G_N_ELEMENTS(with_buffers); i++)
                for (int j = 0; j < ENGINE_FILTERS; j++)
                        engine_register(j, with_buffers[i].major, 0, true);
        engine_set_up();
        for (int j = 0; j < ENGINE_FILTERS; j++)
                engine_scripts[j].pre_status = FLT_PREOP_SUCCESS_NO_CALLBACK;
        for (unsigned i = 0; i < G_N_ELEMENTS(with_buffers); i++) {
                for (int j = 0; j < ENGINE_FILTERS; j++) {
                        engine_scripts[j].pre = swap_any;
                        engine_scripts[j].post = unswap_any;
                        engine_scripts[j].pre_status = FLT_PREOP_SUCCESS_WITH_CALLBACK;
                }
                check_swap(with_buffers[i].major, with_buffers[i].minor);
        }
        engine_tear_down();
}

/* ---- how large a swapped buffer is ---- */

static struct {
        size_t size;
        bool aligned, without_mdl;
        ULONG length_below;
} sized;

static void swap_sized(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        PFLT_PARAMETERS parameters = &data->Iopb->Parameters;
        PVOID buffer = sized.aligned ? FltAllocatePoolAlignedWithTag(objects->Instance, NonPagedPool, sized.size, 'tset')
                                     : ExAllocatePoolWithTag(NonPagedPool, sized.size, 'tset');
        PMDL mdl = IoAllocateMdl(buffer, (ULONG)sized.size, FALSE, FALSE, NULL);

        MmBuildMdlForNonPagedPool(mdl);
        parameters->Read.ReadBuffer = buffer;
        parameters->Read.MdlAddress = sized.without_mdl ? NULL : mdl;
        if (sized.without_mdl)
                IoFreeMdl(mdl);
        FltSetCallbackDataDirty(data);
        script->context = buffer;
}

static void free_sized(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects,
                       PVOID context, FLT_POST_OPERATION_FLAGS flags)
{
        if (sized.aligned)
                FltFreePoolAlignedWithTag(objects->Instance, context, 'tset');
        else
                ExFreePoolWithTag(context, 'tset');
}

static void keep_length(struct fm_operation *operation)
{
        sized.length_below = operation->iopb.Parameters.Read.Length;
}

/* As long as the transfer; of what bypasses the cache, as its sectors. What is shorter is reported, and all that is used. */
static void test_swapped_size(void)
{
        static const struct {
                ULONG length, irp_flags;
                size_t size;
                bool without_mdl;
                unsigned violations;
                ULONG length_below;
        } rows[] = {
                { 1000, 0, 1000, false, 0, 1000 },
                { 1000, 0, 999, false, 1, 999 },
                { 1000, IRP_NOCACHE, 1024, false, 0, 1000 },
                { 1000, IRP_NOCACHE, 1023, false, 1, 1000 },
                { 1024, IRP_NOCACHE, 1024, false, 0, 1024 },
                { 4096, IRP_NOCACHE | IRP_PAGING_IO, 4095, false, 1, 4095 },
                { 1000, 0, 1000, true, 1, 1000 },
        };

        engine_set_up();
        engine_scripts[1].pre = swap_sized;
        engine_scripts[1].post = free_sized;
        engine_bottom_hook = keep_length;
        for (unsigned i = 0; i < 2 * G_N_ELEMENTS(rows); i++) {
                PFILE_OBJECT file = engine_open_file();
                struct fm_operation *operation = engine_read_of(file, rows[i / 2].length);

                sized.size = rows[i / 2].size;
                sized.aligned = i & 1;
                sized.without_mdl = rows[i / 2].without_mdl;
                operation->iopb.IrpFlags |= rows[i / 2].irp_flags;
                operation->iopb.Parameters.Read.ReadBuffer = old_buffer;
                engine_expect_violations(engine_assert_status(fm_operation_run(operation), STATUS_SUCCESS),
                                         rows[i / 2].violations);
                g_assert_cmpuint(sized.length_below, ==, rows[i / 2].length_below);
                g_assert_cmpuint(operation->iopb.Parameters.Read.Length, ==, rows[i / 2].length);
                fm_operation_free(operation);
                fm_object_unref(file);
        }
        /* What is no IRP has no MDLs. */
        sized.without_mdl = sized.aligned = false;
        engine_expect_violations(engine_run_with(IRP_MJ_READ, 0, FLTFL_CALLBACK_DATA_FAST_IO_OPERATION), 1);
        sized.without_mdl = true;
        engine_expect_violations(engine_run_with(IRP_MJ_READ, 0, FLTFL_CALLBACK_DATA_FAST_IO_OPERATION), 0);
        engine_bottom_hook = NULL;
        engine_tear_down();
}

/* The MDL that is made is the operation's: all see it, none has swapped it in, and it goes with the operation. */
static PMDL locked_mdl;

static void lock_buffer(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        engine_assert_status(FltLockUserBuffer(data), STATUS_SUCCESS);
        locked_mdl = data->Iopb->Parameters.Read.MdlAddress;
        g_assert_true(MmGetSystemAddressForMdlSafe(locked_mdl, NormalPagePriority) == old_buffer);
        engine_assert_status(FltLockUserBuffer(data), STATUS_SUCCESS);
        g_assert_true(data->Iopb->Parameters.Read.MdlAddress == locked_mdl);
}

static void see_locked(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects,
                       PVOID context, FLT_POST_OPERATION_FLAGS flags)
{
        g_assert_true(data->Iopb->Parameters.Read.MdlAddress == locked_mdl);
        g_assert_null(FltGetSwappedBufferMdlAddress(data));
        FltRetainSwappedBufferMdlAddress(data); /* nothing to retain */
}

static void test_locked_buffer(void)
{
        struct fm_operation *operation;
        PFILE_OBJECT file;

        engine_set_up();
        engine_bottom_hook = keep_parameters;
        engine_scripts[1].pre = lock_buffer;
        engine_scripts[1].post = engine_scripts[2].post = see_locked;
        file = engine_open_file();
        operation = engine_read_of(file, 100);
        operation->iopb.Parameters.Read.ReadBuffer = old_buffer;
        engine_assert_status(fm_operation_run(operation), STATUS_SUCCESS);
        g_assert_true(at_bottom.Parameters.Read.MdlAddress == locked_mdl);
        fm_operation_free(operation);
        /* What has no MDL among its parameters can't have one. */
        operation = fm_operation_new(engine_volume, IRP_MJ_FLUSH_BUFFERS, file, &engine_nobody);
        engine_assert_status(FltLockUserBuffer(&operation->data), STATUS_INVALID_PARAMETER);
        fm_operation_free(operation);
        fm_object_unref(file);
        engine_tear_down();
}

/* ---- reparse ---- */

static WCHAR *new_name;

static void reparse_to(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        if (strchr(engine_trace, 'b') != strrchr(engine_trace, 'b')) {
                script->pre_status = FLT_PREOP_SUCCESS_WITH_CALLBACK;
                return;
        }
        engine_assert_status(IoReplaceFileObjectName(objects->FileObject, new_name,
                                                     (USHORT)(fm_utf16_length(new_name) * sizeof(WCHAR))),
                             STATUS_SUCCESS);
        script->pre_status = FLT_PREOP_COMPLETE;
        script->complete_with = STATUS_REPARSE;
        data->IoStatus.Information = IO_REPARSE;
}

static char *bottom_name;

static void keep_name(struct fm_operation *operation)
{
        PFILE_OBJECT file = operation->iopb.TargetFileObject;

        if (operation->iopb.MajorFunction == IRP_MJ_CREATE)
                bottom_name = fm_utf8_from_utf16(file->FileName.Buffer, file->FileName.Length / sizeof(WCHAR));
}

static NTSTATUS seen_above[2];

static void keep_status(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects,
                        PVOID context, FLT_POST_OPERATION_FLAGS flags)
{
        seen_above[strchr(engine_trace, 'A') != strrchr(engine_trace, 'A')] = data->IoStatus.Status;
}

static void test_reparse_names(void)
{
        static WCHAR elsewhere[] = L"\\elsewhere\\file", far_away[] = L"\\Device\\HarddiskVolume999\\x";

        engine_set_up();
        engine_bottom_hook = keep_name;
        engine_scripts[1].pre = reparse_to;
        engine_scripts[0].post = keep_status;
        new_name = elsewhere;
        engine_assert_status(engine_create_once(), STATUS_SUCCESS);
        engine_expect_trace("abAabc.CBA");
        engine_assert_status(seen_above[0], STATUS_REPARSE);
        engine_assert_status(seen_above[1], STATUS_SUCCESS);
        g_assert_cmpstr(bottom_name, ==, "\\elsewhere\\file");
        g_clear_pointer(&bottom_name, free);

        /* A full name is taken as one on this volume, and refused on another. */
        g_autofree WCHAR *full = g_malloc0(engine_volume->Name.Length + sizeof(L"\\x"));
        memcpy(full, engine_volume->Name.Buffer, engine_volume->Name.Length);
        memcpy((char *)full + engine_volume->Name.Length, L"\\x", sizeof(L"\\x"));
        new_name = full;
        engine_assert_status(engine_create_once(), STATUS_SUCCESS);
        g_assert_cmpstr(bottom_name, ==, "\\x");
        g_clear_pointer(&bottom_name, free);
        engine_trace[0] = 0;
        new_name = far_away;
        engine_assert_status(engine_create_once(), STATUS_NOT_SAME_DEVICE);
        engine_expect_trace("abA");
        engine_tear_down();
}

static GThread *reparser;

static gpointer reparse_later(gpointer data)
{
        ((PFLT_CALLBACK_DATA)data)->IoStatus.Status = STATUS_REPARSE;
        ((PFLT_CALLBACK_DATA)data)->IoStatus.Information = IO_REPARSE;
        FltCompletePendedPreOperation(data, FLT_PREOP_COMPLETE, NULL);
        return NULL;
}

static void pend_reparse(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        if (strchr(engine_trace, 'b') != strrchr(engine_trace, 'b')) {
                script->pre_status = FLT_PREOP_SUCCESS_WITH_CALLBACK;
                return;
        }
        script->pre_status = FLT_PREOP_PENDING;
        reparser = g_thread_new("reparser", reparse_later, data);
}

/* From another thread, too; the second round is on the thread of the first. */
static void test_reparse_of_a_pended_create(void)
{
        engine_set_up();
        engine_scripts[1].pre = pend_reparse;
        engine_assert_status(engine_create_once(), STATUS_SUCCESS);
        g_thread_join(reparser);
        engine_expect_trace("abAabc.CBA");
        g_assert_true(engine_scripts[0].post_thread == g_thread_self());
        g_assert_true(engine_scripts[2].pre_thread == g_thread_self());
        engine_tear_down();
}

/* ---- reparse points of the file system's ---- */

#define TAG_OF_TEST 7 /* as the bottom says in Information */

static ULONG points_left; /* how many creates meet one */
static ULONG options_below;

static void meet_reparse_point(struct fm_operation *operation)
{
        if (operation->iopb.MajorFunction != IRP_MJ_CREATE)
                return;
        options_below = operation->iopb.Parameters.Create.Options;
        engine_bottom_status = points_left ? STATUS_REPARSE : STATUS_SUCCESS;
        if (!points_left)
                return;
        points_left--;
        operation->data.TagData = ExAllocatePoolWithTag(NonPagedPool, sizeof(FLT_TAG_DATA_BUFFER), 'tset');
        operation->data.TagData->FileTag = TAG_OF_TEST;
}

static void see_tag(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID context,
                    FLT_POST_OPERATION_FLAGS flags)
{
        script->seen_status = data->IoStatus.Status;
        g_assert_true(NT_SUCCESS(data->IoStatus.Status));
        if (data->IoStatus.Status == STATUS_REPARSE)
                g_assert_cmpuint(data->TagData->FileTag, ==, TAG_OF_TEST);
        else
                g_assert_null(data->TagData);
}

/* Opens the reparse point itself. */
static void open_point(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects,
                       PVOID context, FLT_POST_OPERATION_FLAGS flags)
{
        see_tag(script, data, objects, context, flags);
        data->Iopb->Parameters.Create.Options |= FILE_OPEN_REPARSE_POINT;
        FltSetCallbackDataDirty(data);
        FltReissueSynchronousIo(objects->Instance, data);
        g_assert_null(data->TagData);
}

static void rename_point(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects,
                         PVOID context, FLT_POST_OPERATION_FLAGS flags)
{
        see_tag(script, data, objects, context, flags);
        if (data->IoStatus.Status != STATUS_REPARSE)
                return;
        engine_assert_status(IoReplaceFileObjectName(objects->FileObject, new_name,
                                                     (USHORT)(fm_utf16_length(new_name) * sizeof(WCHAR))),
                             STATUS_SUCCESS);
        data->IoStatus.Information = IO_REPARSE;
}

/* All post-creates see it, with its data; one may open it, or give another name; if none does it, the open fails. */
static void test_reparse_points(void)
{
        static WCHAR target[] = L"\\target";

        engine_set_up();
        engine_bottom_hook = meet_reparse_point;
        for (int i = 0; i < ENGINE_FILTERS; i++)
                engine_scripts[i].post = see_tag;
        points_left = 1;
        engine_assert_status(engine_create_once(), STATUS_IO_REPARSE_TAG_NOT_HANDLED);
        engine_expect_trace("abc.CBA");
        for (int i = 0; i < ENGINE_FILTERS; i++)
                engine_assert_status(engine_scripts[i].seen_status, STATUS_REPARSE);

        engine_scripts[1].post = open_point;
        points_left = 1;
        engine_assert_status(engine_create_once(), STATUS_SUCCESS);
        g_assert_cmphex(options_below & FILE_OPEN_REPARSE_POINT, ==, FILE_OPEN_REPARSE_POINT);
        engine_assert_status(engine_scripts[0].seen_status, STATUS_SUCCESS);
        engine_trace[0] = 0;

        engine_scripts[1].post = rename_point;
        new_name = target;
        points_left = 1;
        engine_assert_status(engine_create_once(), STATUS_SUCCESS);
        engine_expect_trace("abc.CBAabc.CBA");
        engine_tear_down();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/parameters/dirty-parameters", test_dirty_parameters);
        g_test_add_func("/parameters/major-stays", test_major_stays);
        g_test_add_func("/parameters/stacked-changes", test_stacked_changes);
        g_test_add_func("/parameters/dirty-taken-back", test_dirty_taken_back);
        g_test_add_func("/parameters/result-set-early", test_result_set_early);
        g_test_add_func("/parameters/other-file", test_other_file);
        g_test_add_func("/parameters/swapped-mdl", test_swapped_mdl);
        g_test_add_func("/parameters/swapped-without-post", test_swapped_without_post);
        g_test_add_func("/parameters/swapped-buffers", test_swapped_buffers);
        g_test_add_func("/parameters/swapped-size", test_swapped_size);
        g_test_add_func("/parameters/locked-buffer", test_locked_buffer);
        g_test_add_func("/parameters/reparse-names", test_reparse_names);
        g_test_add_func("/parameters/reparse-of-a-pended-create", test_reparse_of_a_pended_create);
        g_test_add_func("/parameters/reparse-points", test_reparse_points);
        return g_test_run();
}
