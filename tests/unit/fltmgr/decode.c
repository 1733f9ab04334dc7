/* SPDX-License-Identifier: MIT */
#include "fltmgr/manager.h"

/* For each major: which fields hold MDL, buffer and length. Offsets from the parameters; -1: none. */
#define AT(field)    ((int)FIELD_OFFSET(FLT_PARAMETERS, field))
#define CODE(method) CTL_CODE(FILE_DEVICE_FILE_SYSTEM, 1, method, FILE_ANY_ACCESS)

static const struct {
        UCHAR major, minor;
        ULONG code;
        int mdl, buffer, length;
        LOCK_OPERATION access;
} rows[] = {
        {IRP_MJ_CREATE, 0, 0, -1, AT(Create.EaBuffer), AT(Create.EaLength), IoReadAccess},
        {IRP_MJ_READ, 0, 0, AT(Read.MdlAddress), AT(Read.ReadBuffer), AT(Read.Length), IoWriteAccess},
        {IRP_MJ_WRITE, 0, 0, AT(Write.MdlAddress), AT(Write.WriteBuffer), AT(Write.Length), IoReadAccess},
        {IRP_MJ_QUERY_INFORMATION, 0, 0, -1, AT(QueryFileInformation.InfoBuffer), AT(QueryFileInformation.Length),
         IoWriteAccess},
        {IRP_MJ_SET_INFORMATION, 0, 0, -1, AT(SetFileInformation.InfoBuffer), AT(SetFileInformation.Length),
         IoReadAccess},
        {IRP_MJ_QUERY_EA, 0, 0, AT(QueryEa.MdlAddress), AT(QueryEa.EaBuffer), AT(QueryEa.Length), IoWriteAccess},
        {IRP_MJ_SET_EA, 0, 0, AT(SetEa.MdlAddress), AT(SetEa.EaBuffer), AT(SetEa.Length), IoReadAccess},
        {IRP_MJ_QUERY_VOLUME_INFORMATION, 0, 0, -1, AT(QueryVolumeInformation.VolumeBuffer),
         AT(QueryVolumeInformation.Length), IoWriteAccess},
        {IRP_MJ_SET_VOLUME_INFORMATION, 0, 0, -1, AT(SetVolumeInformation.VolumeBuffer),
         AT(SetVolumeInformation.Length), IoReadAccess},
        {IRP_MJ_DIRECTORY_CONTROL, IRP_MN_QUERY_DIRECTORY, 0, AT(DirectoryControl.QueryDirectory.MdlAddress),
         AT(DirectoryControl.QueryDirectory.DirectoryBuffer), AT(DirectoryControl.QueryDirectory.Length),
         IoWriteAccess},
        {IRP_MJ_DIRECTORY_CONTROL, IRP_MN_NOTIFY_CHANGE_DIRECTORY, 0, AT(DirectoryControl.NotifyDirectory.MdlAddress),
         AT(DirectoryControl.NotifyDirectory.DirectoryBuffer), AT(DirectoryControl.NotifyDirectory.Length),
         IoWriteAccess},
        {IRP_MJ_FILE_SYSTEM_CONTROL, 0, CODE(METHOD_BUFFERED), -1, AT(FileSystemControl.Buffered.SystemBuffer),
         AT(FileSystemControl.Buffered.OutputBufferLength), IoWriteAccess},
        {IRP_MJ_FILE_SYSTEM_CONTROL, 0, CODE(METHOD_IN_DIRECT), AT(FileSystemControl.Direct.OutputMdlAddress),
         AT(FileSystemControl.Direct.OutputBuffer), AT(FileSystemControl.Direct.OutputBufferLength), IoReadAccess},
        {IRP_MJ_FILE_SYSTEM_CONTROL, 0, CODE(METHOD_OUT_DIRECT), AT(FileSystemControl.Direct.OutputMdlAddress),
         AT(FileSystemControl.Direct.OutputBuffer), AT(FileSystemControl.Direct.OutputBufferLength), IoWriteAccess},
        {IRP_MJ_FILE_SYSTEM_CONTROL, 0, CODE(METHOD_NEITHER), AT(FileSystemControl.Neither.OutputMdlAddress),
         AT(FileSystemControl.Neither.OutputBuffer), AT(FileSystemControl.Neither.OutputBufferLength), IoWriteAccess},
        {IRP_MJ_DEVICE_CONTROL, 0, CODE(METHOD_BUFFERED), -1, AT(DeviceIoControl.Buffered.SystemBuffer),
         AT(DeviceIoControl.Buffered.OutputBufferLength), IoWriteAccess},
        {IRP_MJ_DEVICE_CONTROL, 0, CODE(METHOD_NEITHER), AT(DeviceIoControl.Neither.OutputMdlAddress),
         AT(DeviceIoControl.Neither.OutputBuffer), AT(DeviceIoControl.Neither.OutputBufferLength), IoWriteAccess},
        {IRP_MJ_INTERNAL_DEVICE_CONTROL, 0, CODE(METHOD_OUT_DIRECT), AT(DeviceIoControl.Direct.OutputMdlAddress),
         AT(DeviceIoControl.Direct.OutputBuffer), AT(DeviceIoControl.Direct.OutputBufferLength), IoWriteAccess},
        {IRP_MJ_QUERY_SECURITY, 0, 0, AT(QuerySecurity.MdlAddress), AT(QuerySecurity.SecurityBuffer),
         AT(QuerySecurity.Length), IoWriteAccess},
        {IRP_MJ_QUERY_QUOTA, 0, 0, AT(QueryQuota.MdlAddress), AT(QueryQuota.QuotaBuffer), AT(QueryQuota.Length),
         IoWriteAccess},
        {IRP_MJ_SET_QUOTA, 0, 0, AT(SetQuota.MdlAddress), AT(SetQuota.QuotaBuffer), AT(SetQuota.Length), IoReadAccess},
};

static FLT_IO_PARAMETER_BLOCK iopb;

static int offset_of(const void *pointer)
{
        return pointer ? (int)((const char *)pointer - (const char *)&iopb.Parameters) : -1;
}

static void fill(size_t row)
{
        memset(&iopb, 0, sizeof(iopb));
        iopb.MajorFunction = rows[row].major;
        iopb.MinorFunction = rows[row].minor;
        if (rows[row].major == IRP_MJ_FILE_SYSTEM_CONTROL)
                iopb.Parameters.FileSystemControl.Common.FsControlCode = rows[row].code;
        else
                iopb.Parameters.DeviceIoControl.Common.IoControlCode = rows[row].code;
}

static void test_rows(void)
{
        FLT_CALLBACK_DATA data = {.Flags = FLTFL_CALLBACK_DATA_IRP_OPERATION, .Iopb = &iopb};

        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
                LOCK_OPERATION access;
                PVOID *buffer;
                PULONG length;
                PMDL *mdl;

                g_test_message("row %zu: %s", i, FltGetIrpName(rows[i].major));
                fill(i);
                g_assert_cmphex((ULONG)FltDecodeParameters(&data, &mdl, &buffer, &length, &access), ==, STATUS_SUCCESS);
                g_assert_cmpint(offset_of(mdl), ==, rows[i].mdl);
                g_assert_cmpint(offset_of(buffer), ==, rows[i].buffer);
                g_assert_cmpint(offset_of(length), ==, rows[i].length);
                g_assert_cmpint(access, ==, rows[i].access);
                g_assert_cmphex((ULONG)FltDecodeParameters(&data, NULL, NULL, NULL, NULL), ==, STATUS_SUCCESS);
        }
}

/* All majors that are in no row have no buffer. */
static void test_none(void)
{
        FLT_CALLBACK_DATA data = {.Flags = FLTFL_CALLBACK_DATA_IRP_OPERATION, .Iopb = &iopb};

        for (unsigned major = 0; major < 256; major++) {
                bool known = false;
                PVOID *buffer = (PVOID)&buffer;
                PMDL *mdl;

                for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
                        known = known || rows[i].major == major;
                if (known)
                        continue;
                memset(&iopb, 0, sizeof(iopb));
                iopb.MajorFunction = (UCHAR)major;
                g_assert_cmphex((ULONG)FltDecodeParameters(&data, &mdl, &buffer, NULL, NULL), ==,
                                (ULONG)STATUS_INVALID_PARAMETER);
                g_assert_null(buffer);
        }
}

static void test_fast_io_control(void)
{
        FLT_CALLBACK_DATA data = {.Flags = FLTFL_CALLBACK_DATA_FAST_IO_OPERATION, .Iopb = &iopb};
        PVOID *buffer;
        PMDL *mdl;

        memset(&iopb, 0, sizeof(iopb));
        iopb.MajorFunction = IRP_MJ_DEVICE_CONTROL;
        g_assert_cmphex((ULONG)FltDecodeParameters(&data, &mdl, &buffer, NULL, NULL), ==, STATUS_SUCCESS);
        g_assert_null(mdl);
        g_assert_cmpint(offset_of(buffer), ==, AT(DeviceIoControl.FastIo.OutputBuffer));
}

static void test_names(void)
{
        g_assert_cmpstr(FltGetIrpName(IRP_MJ_CREATE), ==, "IRP_MJ_CREATE");
        g_assert_cmpstr(FltGetIrpName(IRP_MJ_PNP), ==, "IRP_MJ_PNP");
        g_assert_cmpstr(FltGetIrpName(0x1c), ==, "");
        g_assert_cmpstr(FltGetIrpName((UCHAR)IRP_MJ_ACQUIRE_FOR_SECTION_SYNCHRONIZATION), ==,
                        "IRP_MJ_ACQUIRE_FOR_SECTION_SYNCHRONIZATION");
        g_assert_cmpstr(FltGetIrpName((UCHAR)IRP_MJ_QUERY_OPEN), ==, "IRP_MJ_QUERY_OPEN");
        g_assert_cmpstr(FltGetIrpName((UCHAR)IRP_MJ_NETWORK_QUERY_OPEN), ==, "IRP_MJ_NETWORK_QUERY_OPEN");
        g_assert_cmpstr(FltGetIrpName((UCHAR)IRP_MJ_FAST_IO_CHECK_IF_POSSIBLE), ==, "IRP_MJ_FAST_IO_CHECK_IF_POSSIBLE");
        g_assert_cmpstr(FltGetIrpName((UCHAR)IRP_MJ_VOLUME_DISMOUNT), ==, "IRP_MJ_VOLUME_DISMOUNT");
        g_assert_cmpstr(FltGetIrpName(IRP_MJ_OPERATION_END), ==, "");
}

static void test_routine_address(void)
{
        g_assert_true(FltGetRoutineAddress("FltGetIrpName") == (PVOID)FltGetIrpName);
        g_assert_null(FltGetRoutineAddress("FltNoSuchThing"));
        g_assert_null(FltGetRoutineAddress("malloc"));
        g_assert_null(FltGetRoutineAddress("fm_operation_new"));
}

static void test_dirty_and_synchronous(void)
{
        FLT_CALLBACK_DATA data = {.Flags = FLTFL_CALLBACK_DATA_IRP_OPERATION, .Iopb = &iopb};
        FILE_OBJECT file = {0};

        memset(&iopb, 0, sizeof(iopb));
        FltSetCallbackDataDirty(&data);
        g_assert_true(FltIsCallbackDataDirty(&data));
        FltClearCallbackDataDirty(&data);
        g_assert_false(FltIsCallbackDataDirty(&data));
        g_assert_cmphex(data.Flags, ==, FLTFL_CALLBACK_DATA_IRP_OPERATION);

        g_assert_false(FltIsOperationSynchronous(&data));
        iopb.IrpFlags = IRP_SYNCHRONOUS_API;
        g_assert_true(FltIsOperationSynchronous(&data));
        iopb.IrpFlags = IRP_PAGING_IO;
        g_assert_false(FltIsOperationSynchronous(&data));
        iopb.IrpFlags |= IRP_SYNCHRONOUS_PAGING_IO;
        g_assert_true(FltIsOperationSynchronous(&data));
        iopb.IrpFlags = 0;
        iopb.TargetFileObject = &file;
        file.Flags = FO_SYNCHRONOUS_IO;
        g_assert_true(FltIsOperationSynchronous(&data));
        iopb.TargetFileObject = NULL;
        data.Flags = FLTFL_CALLBACK_DATA_FAST_IO_OPERATION;
        g_assert_true(FltIsOperationSynchronous(&data));
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/decode/rows", test_rows);
        g_test_add_func("/decode/none", test_none);
        g_test_add_func("/decode/fast-io-control", test_fast_io_control);
        g_test_add_func("/decode/names", test_names);
        g_test_add_func("/decode/routine-address", test_routine_address);
        g_test_add_func("/decode/dirty-and-synchronous", test_dirty_and_synchronous);
        return g_test_run();
}
