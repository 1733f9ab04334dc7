/* SPDX-License-Identifier: MIT */
/* What a filter asks of the file system: information of files and volumes, extended attributes, listings, controls. */
#include "objects-harness.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static PFILE_OBJECT file;
static HANDLE handle;
static _Alignas(8) UCHAR buffer[4096];

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

/* ---- extended attributes ---- */

static ULONG ea_put(ULONG at, const char *name, const char *value, bool last)
{
        FILE_FULL_EA_INFORMATION *ea = (PVOID)(buffer + at);
        const ULONG size =
                FIELD_OFFSET(FILE_FULL_EA_INFORMATION, EaName) + (ULONG)strlen(name) + 1 + (ULONG)strlen(value);

        ea->NextEntryOffset = last ? 0 : (size + 3) & ~3u;
        ea->Flags = 0;
        ea->EaNameLength = (UCHAR)strlen(name);
        ea->EaValueLength = (USHORT)strlen(value);
        memcpy(ea->EaName, name, strlen(name) + 1);
        memcpy(ea->EaName + strlen(name) + 1, value, strlen(value));
        return at + (last ? size : ea->NextEntryOffset);
}

static void set_three(void)
{
        ULONG end = ea_put(ea_put(ea_put(0, "A", "one", false), "B", "two", false), "C", "three", true);

        assert_status(FltSetEaFile(objects_instance, file, buffer, end), STATUS_SUCCESS);
        memset(buffer, 0xee, sizeof(buffer));
}

/* "A=one B=two": what is in the buffer. */
static char *ea_text(ULONG length)
{
        GString *text = g_string_new(NULL);

        for (ULONG at = 0; at < length;) {
                const FILE_FULL_EA_INFORMATION *ea = (PVOID)(buffer + at);

                g_string_append_printf(text, "%s%.*s=%.*s", at ? " " : "", ea->EaNameLength, ea->EaName,
                                       ea->EaValueLength, ea->EaName + ea->EaNameLength + 1);
                if (!ea->NextEntryOffset)
                        break;
                at += ea->NextEntryOffset;
        }
        return g_string_free(text, FALSE);
}

static NTSTATUS query_ea(ULONG length, bool single, void *list, ULONG list_length, PULONG index, bool restart,
                         const char *expected)
{
        ULONG got = 99;
        NTSTATUS status =
                FltQueryEaFile(objects_instance, file, buffer, length, single, list, list_length, index, restart, &got);
        g_autofree char *text = ea_text(NT_ERROR(status) ? 0 : got);

        g_assert_cmpstr(text, ==, expected);
        return status;
}

static void test_ea_scan(void)
{
        static const char *const each[] = {"A=one", "B=two", "C=three"};
        ULONG index = 2;

        set_up();
        assert_status(query_ea(sizeof(buffer), FALSE, NULL, 0, NULL, TRUE, ""), STATUS_NO_EAS_ON_FILE);
        set_three();
        assert_status(query_ea(sizeof(buffer), false, NULL, 0, NULL, true, "A=one B=two C=three"), STATUS_SUCCESS);
        assert_status(query_ea(sizeof(buffer), false, NULL, 0, NULL, false, ""), STATUS_NO_MORE_EAS);
        for (unsigned i = 0; i < 3; i++)
                assert_status(query_ea(sizeof(buffer), true, NULL, 0, NULL, i == 0, each[i]), STATUS_SUCCESS);
        assert_status(query_ea(sizeof(buffer), true, NULL, 0, NULL, false, ""), STATUS_NO_MORE_EAS);
        assert_status(query_ea(sizeof(buffer), true, NULL, 0, &index, false, "B=two"), STATUS_SUCCESS);
        assert_status(query_ea(sizeof(buffer), false, NULL, 0, NULL, false, "C=three"), STATUS_SUCCESS);
        /* What does not fit is for the next call. */
        assert_status(query_ea(4, false, NULL, 0, NULL, true, ""), STATUS_BUFFER_TOO_SMALL);
        assert_status(query_ea(20, false, NULL, 0, NULL, true, "A=one"), STATUS_BUFFER_OVERFLOW);
        assert_status(query_ea(sizeof(buffer), false, NULL, 0, NULL, false, "B=two C=three"), STATUS_SUCCESS);
        /* One without a value is none. */
        ULONG end = ea_put(0, "B", "", true);
        assert_status(FltSetEaFile(objects_instance, file, buffer, end), STATUS_SUCCESS);
        assert_status(query_ea(sizeof(buffer), false, NULL, 0, NULL, true, "A=one C=three"), STATUS_SUCCESS);
        tear_down();
}

static ULONG get_put(UCHAR *list, ULONG at, const char *name, bool last)
{
        FILE_GET_EA_INFORMATION *get = (PVOID)(list + at);
        const ULONG size = FIELD_OFFSET(FILE_GET_EA_INFORMATION, EaName) + (ULONG)strlen(name) + 1;

        get->NextEntryOffset = last ? 0 : (size + 3) & ~3u;
        get->EaNameLength = (UCHAR)strlen(name);
        memcpy(get->EaName, name, strlen(name) + 1);
        return at + (last ? size : get->NextEntryOffset);
}

static void test_ea_lists(void)
{
        _Alignas(8) UCHAR list[256];
        ULONG end;

        set_up();
        set_three();
        /* In the order that was asked for; what there is not has no value. */
        end = get_put(list, get_put(list, get_put(list, 0, "C", false), "NONE", false), "A", true);
        assert_status(query_ea(sizeof(buffer), false, list, end, NULL, true, "C=three NONE= A=one"), STATUS_SUCCESS);
        assert_status(query_ea(24, false, list, end, NULL, true, "C=three"), STATUS_BUFFER_OVERFLOW);
        end = get_put(list, 0, "A*", true);
        assert_status(query_ea(sizeof(buffer), false, list, end, NULL, true, ""), STATUS_INVALID_EA_NAME);
        end = get_put(list, 0, "LONG", true);
        assert_status(query_ea(sizeof(buffer), false, list, end - 2, NULL, true, ""), STATUS_EA_LIST_INCONSISTENT);
        assert_status(query_ea(sizeof(buffer), false, NULL, 10, NULL, true, ""), STATUS_INVALID_PARAMETER);

        end = ea_put(0, "D", "four", true);
        assert_status(FltSetEaFile(objects_instance, file, buffer, end - 2), STATUS_EA_LIST_INCONSISTENT);
        end = ea_put(0, "D:", "four", true);
        assert_status(FltSetEaFile(objects_instance, file, buffer, end), STATUS_INVALID_EA_NAME);
        assert_status(FltSetEaFile(objects_instance, file, NULL, end), STATUS_INVALID_PARAMETER);
        assert_status(query_ea(sizeof(buffer), false, NULL, 0, NULL, true, "A=one B=two C=three"), STATUS_SUCCESS);
        tear_down();
}

/* ---- listings ---- */

static const struct {
        FILE_INFORMATION_CLASS class;
        ULONG name, length; /* where the name begins, and its length is */
} listing_classes[] = {
        {FileDirectoryInformation, FIELD_OFFSET(FILE_DIRECTORY_INFORMATION, FileName),
         FIELD_OFFSET(FILE_DIRECTORY_INFORMATION, FileNameLength)},
        {FileFullDirectoryInformation, FIELD_OFFSET(FILE_FULL_DIR_INFORMATION, FileName),
         FIELD_OFFSET(FILE_FULL_DIR_INFORMATION, FileNameLength)},
        {FileBothDirectoryInformation, FIELD_OFFSET(FILE_BOTH_DIR_INFORMATION, FileName),
         FIELD_OFFSET(FILE_BOTH_DIR_INFORMATION, FileNameLength)},
        {FileNamesInformation, FIELD_OFFSET(FILE_NAMES_INFORMATION, FileName),
         FIELD_OFFSET(FILE_NAMES_INFORMATION, FileNameLength)},
        {FileIdBothDirectoryInformation, FIELD_OFFSET(FILE_ID_BOTH_DIR_INFORMATION, FileName),
         FIELD_OFFSET(FILE_ID_BOTH_DIR_INFORMATION, FileNameLength)},
        {FileIdFullDirectoryInformation, FIELD_OFFSET(FILE_ID_FULL_DIR_INFORMATION, FileName),
         FIELD_OFFSET(FILE_ID_FULL_DIR_INFORMATION, FileNameLength)},
};

static int by_text(gconstpointer a, gconstpointer b)
{
        return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names in the buffer, sorted: "a b". */
static char *listing_text(unsigned class, ULONG length)
{
        g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);

        for (ULONG at = 0; at < length;) {
                ULONG next;
                UNICODE_STRING name = {.Buffer = (PWCH)(buffer + at + listing_classes[class].name)};

                memcpy(&next, buffer + at, sizeof(next));
                name.Length = (USHORT) * (ULONG *)(buffer + at + listing_classes[class].length);
                g_ptr_array_add(names, objects_text(&name));
                if (!next)
                        break;
                at += next;
        }
        g_ptr_array_sort(names, by_text);
        g_ptr_array_add(names, NULL);
        return g_strjoinv(" ", (char **)names->pdata);
}

static NTSTATUS list(PFILE_OBJECT directory, unsigned class, ULONG length, bool single, const char *pattern,
                     bool restart, const char *expected)
{
        UNICODE_STRING text = objects_string(pattern ? pattern : "");
        ULONG got = 99;
        NTSTATUS status =
                FltQueryDirectoryFile(objects_instance, directory, buffer, length, listing_classes[class].class, single,
                                      pattern ? &text : NULL, restart, &got);
        g_autofree char *names = listing_text(class, NT_SUCCESS(status) ? got : 0);

        if (expected)
                g_assert_cmpstr(names, ==, expected);
        g_free(text.Buffer);
        return status;
}

static PFILE_OBJECT open_directory(HANDLE *directory_handle)
{
        PFILE_OBJECT directory;

        assert_status(objects_create("\\dir", FILE_LIST_DIRECTORY | SYNCHRONIZE, FILE_OPEN,
                                     FILE_DIRECTORY_FILE | FILE_SYNCHRONOUS_IO_NONALERT, directory_handle, &directory),
                      STATUS_SUCCESS);
        return directory;
}

static void test_listing(void)
{
        PFILE_OBJECT directory;
        HANDLE directory_handle;

        set_up();
        g_autofree char *path = irp_in_source("dir");
        g_assert_cmpint(mkdir(path, 0755), ==, 0);
        objects_touch("dir/a.txt", "");
        objects_touch("dir/b.txt", "");
        objects_touch("dir/c", "");
        for (unsigned class = 0; class < G_N_ELEMENTS(listing_classes); class ++) {
                GString *all = g_string_new(NULL);

                directory = open_directory(&directory_handle);
                assert_status(list(directory, class, sizeof(buffer), false, NULL, false, ". .. a.txt b.txt c"),
                              STATUS_SUCCESS);
                assert_status(list(directory, class, sizeof(buffer), false, NULL, false, ""), STATUS_NO_MORE_FILES);
                assert_status(list(directory, class, sizeof(buffer), false, NULL, true, ". .. a.txt b.txt c"),
                              STATUS_SUCCESS);
                /* One at a time, and a buffer for one: each comes once. */
                for (unsigned i = 0; i < 5; i++) {
                        assert_status(list(directory, class, i & 1 ? sizeof(buffer) : 150, true, NULL, i == 0, NULL),
                                      STATUS_SUCCESS);
                        g_assert_cmpuint(*(ULONG *)buffer, ==, 0);
                        g_autofree char *one = listing_text(class, sizeof(buffer));
                        g_assert_null(strstr(all->str, one[0] == '.' ? "\1" : one));
                        g_string_append(all, one);
                }
                assert_status(list(directory, class, sizeof(buffer), true, NULL, false, ""), STATUS_NO_MORE_FILES);
                g_string_free(all, TRUE);
                /* A pattern is for the scan; the next one may have another. */
                assert_status(list(directory, class, sizeof(buffer), false, "*.txt", true, "a.txt b.txt"),
                              STATUS_SUCCESS);
                assert_status(list(directory, class, sizeof(buffer), false, "?", true, ". c"), STATUS_SUCCESS);
                assert_status(list(directory, class, sizeof(buffer), true, "b.txt", true, "b.txt"), STATUS_SUCCESS);
                assert_status(list(directory, class, sizeof(buffer), true, "b.txt", false, ""), STATUS_NO_MORE_FILES);
                assert_status(list(directory, class, sizeof(buffer), false, "*.exe", true, ""), STATUS_NO_SUCH_FILE);
                assert_status(list(directory, class, sizeof(buffer), false, "*", true, ". .. a.txt b.txt c"),
                              STATUS_SUCCESS);
                /* No room: for a name, for an entry at all. What did not fit is not lost. */
                assert_status(list(directory, class, listing_classes[class].name + 2, false, "a.txt", true, ""),
                              STATUS_BUFFER_OVERFLOW);
                assert_status(list(directory, class, sizeof(buffer), false, NULL, false, "a.txt"), STATUS_SUCCESS);
                assert_status(list(directory, class, 8, false, NULL, true, ""), STATUS_INFO_LENGTH_MISMATCH);
                objects_close(directory_handle, directory);
        }
        assert_status(list(file, 0, sizeof(buffer), false, NULL, true, ""), STATUS_INVALID_PARAMETER);
        tear_down();
}

/* ---- of files ---- */

static void test_information(void)
{
        static const struct {
                FILE_INFORMATION_CLASS class;
                ULONG size;
        } rows[] = {
                {FileBasicInformation, sizeof(FILE_BASIC_INFORMATION)},
                {FileStandardInformation, sizeof(FILE_STANDARD_INFORMATION)},
                {FileInternalInformation, sizeof(FILE_INTERNAL_INFORMATION)},
                {FileEaInformation, sizeof(FILE_EA_INFORMATION)},
                {FileAccessInformation, sizeof(FILE_ACCESS_INFORMATION)},
                {FilePositionInformation, sizeof(FILE_POSITION_INFORMATION)},
                {FileModeInformation, sizeof(FILE_MODE_INFORMATION)},
                {FileAlignmentInformation, sizeof(FILE_ALIGNMENT_INFORMATION)},
                {FileNetworkOpenInformation, sizeof(FILE_NETWORK_OPEN_INFORMATION)},
                {FileAttributeTagInformation, sizeof(FILE_ATTRIBUTE_TAG_INFORMATION)},
                {FileIdInformation, sizeof(FILE_ID_INFORMATION)},
                {FileStatInformation, sizeof(FILE_STAT_INFORMATION)},
                {FileStatLxInformation, sizeof(FILE_STAT_LX_INFORMATION)},
                {FileStatBasicInformation, sizeof(FILE_STAT_BASIC_INFORMATION)},
                {FileStandardLinkInformation, sizeof(FILE_STANDARD_LINK_INFORMATION)},
                {FileCompressionInformation, sizeof(FILE_COMPRESSION_INFORMATION)},
        };
        FILE_NAME_INFORMATION *name = (PVOID)buffer;
        ULONG got;

        set_up();
        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
                memset(buffer, 0xee, sizeof(buffer));
                assert_status(
                        FltQueryInformationFile(objects_instance, file, buffer, rows[i].size - 1, rows[i].class, &got),
                        STATUS_INFO_LENGTH_MISMATCH);
                g_assert_cmphex(buffer[0], ==, 0xee);
                assert_status(
                        FltQueryInformationFile(objects_instance, file, buffer, rows[i].size, rows[i].class, &got),
                        STATUS_SUCCESS);
                g_assert_cmpuint(got, ==, rows[i].size);
                g_assert_cmphex(buffer[rows[i].size], ==, 0xee);
        }
        assert_status(
                FltQueryInformationFile(objects_instance, file, buffer, sizeof(buffer), FileNameInformation, &got),
                STATUS_SUCCESS);
        g_assert_cmpuint(name->FileNameLength, ==, 10);
        g_assert_cmpmem(name->FileName, 10, L"\\file", 10);
        memset(buffer, 0xee, sizeof(buffer));
        assert_status(FltQueryInformationFile(objects_instance, file, buffer, 8, FileNameInformation, &got),
                      STATUS_BUFFER_OVERFLOW);
        g_assert_cmpuint(name->FileNameLength, ==, 10);
        g_assert_cmpmem(name->FileName, 4, L"\\f", 4);
        g_assert_cmphex(buffer[8], ==, 0xee);
        assert_status(FltQueryInformationFile(objects_instance, file, buffer, sizeof(buffer),
                                              FileAlternateNameInformation, &got),
                      STATUS_OBJECT_NAME_NOT_FOUND);
        assert_status(
                FltQueryInformationFile(objects_instance, file, buffer, sizeof(buffer), FileMaximumInformation, &got),
                STATUS_INVALID_INFO_CLASS);
        tear_down();
}

/* By name: what is below sees an open; nothing stays open. */
static void test_by_name(void)
{
        static const struct {
                FILE_INFORMATION_CLASS class;
                ULONG size;
        } rows[] = {
                {FileStatInformation, sizeof(FILE_STAT_INFORMATION)},
                {FileStatLxInformation, sizeof(FILE_STAT_LX_INFORMATION)},
                {FileCaseSensitiveInformation, sizeof(ULONG)},
                {FileStatBasicInformation, sizeof(FILE_STAT_BASIC_INFORMATION)},
        };
        const FILE_STAT_INFORMATION *stat = (PVOID)buffer;
        OBJECT_ATTRIBUTES attributes;
        IO_STATUS_BLOCK iosb;

        set_up();
        g_autofree char *volume = objects_text(&objects_volume->Name);
        g_autofree char *full = g_strconcat(volume, "\\file", NULL), *missing = g_strconcat(volume, "\\none", NULL);
        UNICODE_STRING name = objects_string(full), none = objects_string(missing);
        InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE, NULL, NULL);
        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
                assert_status(FltQueryInformationByName(objects_filter, objects_instance, &attributes, &iosb, buffer,
                                                        sizeof(buffer), rows[i].class, NULL),
                              STATUS_SUCCESS);
                assert_status(iosb.Status, STATUS_SUCCESS);
                g_assert_cmpuint(iosb.Information, ==, rows[i].size);
                if (rows[i].size >= sizeof(*stat))
                        g_assert_cmpint(stat->EndOfFile.QuadPart, ==, 7);
        }
        assert_status(FltQueryInformationByName(objects_filter, objects_instance, &attributes, &iosb, buffer,
                                                sizeof(buffer), FileBasicInformation, NULL),
                      STATUS_INVALID_INFO_CLASS);
        InitializeObjectAttributes(&attributes, &none, OBJ_KERNEL_HANDLE, NULL, NULL);
        assert_status(FltQueryInformationByName(objects_filter, objects_instance, &attributes, &iosb, buffer,
                                                sizeof(buffer), FileStatInformation, NULL),
                      STATUS_OBJECT_NAME_NOT_FOUND);
        g_free(name.Buffer);
        g_free(none.Buffer);
        tear_down();
}

/* ---- of volumes ---- */

static void test_volume_classes(void)
{
        static const struct {
                FS_INFORMATION_CLASS class;
                ULONG size, name; /* a name follows the fixed part, of so many bytes */
        } rows[] = {
                {FileFsVolumeInformation, FIELD_OFFSET(FILE_FS_VOLUME_INFORMATION, VolumeLabel), 12},
                {FileFsSizeInformation, sizeof(FILE_FS_SIZE_INFORMATION), 0},
                {FileFsDeviceInformation, sizeof(FILE_FS_DEVICE_INFORMATION), 0},
                {FileFsAttributeInformation, FIELD_OFFSET(FILE_FS_ATTRIBUTE_INFORMATION, FileSystemName), 8},
                {FileFsFullSizeInformation, sizeof(FILE_FS_FULL_SIZE_INFORMATION), 0},
                {FileFsSectorSizeInformation, sizeof(FILE_FS_SECTOR_SIZE_INFORMATION), 0},
        };
        const FILE_FS_SIZE_INFORMATION *size = (PVOID)buffer;
        const FILE_FS_DEVICE_INFORMATION *device = (PVOID)buffer;
        const FILE_FS_ATTRIBUTE_INFORMATION *attributes = (PVOID)buffer;
        IO_STATUS_BLOCK iosb;
        struct statvfs fs;
        ULONG got;

        set_up();
        g_assert_cmpint(statvfs(irp_source, &fs), ==, 0);
        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
                const ULONG all = rows[i].size + rows[i].name;

                memset(buffer, 0xee, sizeof(buffer));
                assert_status(FltQueryVolumeInformation(objects_instance, &iosb, buffer, all, rows[i].class),
                              STATUS_SUCCESS);
                g_assert_cmpuint(iosb.Information, ==, all);
                g_assert_cmphex(buffer[all], ==, 0xee);
                assert_status(FltQueryVolumeInformationFile(objects_instance, file, buffer, all, rows[i].class, &got),
                              STATUS_SUCCESS);
                g_assert_cmpuint(got, ==, all);
                assert_status(FltQueryVolumeInformation(objects_instance, &iosb, buffer, 3, rows[i].class),
                              STATUS_INFO_LENGTH_MISMATCH);
                assert_status(iosb.Status, STATUS_INFO_LENGTH_MISMATCH);
                if (!rows[i].name)
                        continue;
                memset(buffer, 0xee, sizeof(buffer));
                assert_status(FltQueryVolumeInformation(objects_instance, &iosb, buffer, all - 2, rows[i].class),
                              STATUS_BUFFER_OVERFLOW);
                g_assert_cmpuint(iosb.Information, ==, all - 2);
                g_assert_cmphex(buffer[all - 2], ==, 0xee);
        }
        FltQueryVolumeInformation(objects_instance, &iosb, buffer, sizeof(buffer), FileFsSizeInformation);
        g_assert_cmpuint(size->BytesPerSector, ==, 512);
        g_assert_cmpuint(size->BytesPerSector * size->SectorsPerAllocationUnit, ==, fs.f_frsize);
        g_assert_cmpint(size->TotalAllocationUnits.QuadPart, ==, (LONGLONG)fs.f_blocks);
        FltQueryVolumeInformation(objects_instance, &iosb, buffer, sizeof(buffer), FileFsDeviceInformation);
        g_assert_cmpuint(device->DeviceType, ==, FILE_DEVICE_DISK);
        FltQueryVolumeInformation(objects_instance, &iosb, buffer, sizeof(buffer), FileFsAttributeInformation);
        g_assert_cmpuint(attributes->MaximumComponentNameLength, ==, fs.f_namemax);
        g_assert_cmpmem(attributes->FileSystemName, attributes->FileSystemNameLength, L"NTFS", 8);
        assert_status(
                FltQueryVolumeInformation(objects_instance, &iosb, buffer, sizeof(buffer), FileFsObjectIdInformation),
                STATUS_OBJECT_NAME_NOT_FOUND);
        assert_status(
                FltQueryVolumeInformation(objects_instance, &iosb, buffer, sizeof(buffer), FileFsMaximumInformation),
                STATUS_INVALID_INFO_CLASS);
        tear_down();
}

/* ---- controls ---- */

static NTSTATUS control(PFILE_OBJECT object, ULONG code, void *input, ULONG input_length, ULONG output_length,
                        ULONG *got)
{
        *got = 99;
        return FltFsControlFile(objects_instance, object, code, input, input_length, output_length ? buffer : NULL,
                                output_length, got);
}

static void test_controls(void)
{
        FILE_ZERO_DATA_INFORMATION zero = {.FileOffset.QuadPart = 4096, .BeyondFinalZero.QuadPart = 12288};
        FILE_ALLOCATED_RANGE_BUFFER ranges[2] = {{.FileOffset.QuadPart = 0, .Length.QuadPart = 16384}};
        FILE_ALLOCATED_RANGE_BUFFER *found = (PVOID)buffer;
        char content[16385];
        PFILE_OBJECT link;
        HANDLE link_handle;
        ULONG got;

        set_up();
        memset(content, 'x', sizeof(content) - 1);
        content[sizeof(content) - 1] = '\0';
        objects_close(handle, file);
        objects_touch("file", content);
        handle = objects_open("\\file", &file);
        assert_status(control(file, FSCTL_SET_SPARSE, NULL, 0, 0, &got), STATUS_SUCCESS);
        g_assert_cmpuint(got, ==, 0);
        assert_status(control(file, FSCTL_SET_ZERO_DATA, &zero, sizeof(zero) - 1, 0, &got), STATUS_INVALID_PARAMETER);
        assert_status(control(file, FSCTL_SET_ZERO_DATA, &zero, sizeof(zero), 0, &got), STATUS_SUCCESS);
        assert_status(control(file, FSCTL_QUERY_ALLOCATED_RANGES, ranges, sizeof(*ranges), sizeof(buffer), &got),
                      STATUS_SUCCESS);
        g_assert_cmpuint(got, ==, 2 * sizeof(*ranges));
        g_assert_cmpint(found[0].Length.QuadPart, ==, 4096);
        g_assert_cmpint(found[1].FileOffset.QuadPart, ==, 12288);
        assert_status(control(file, FSCTL_QUERY_ALLOCATED_RANGES, ranges, sizeof(*ranges), sizeof(*ranges), &got),
                      STATUS_BUFFER_OVERFLOW);
        g_assert_cmpuint(got, ==, sizeof(*ranges));
        assert_status(control(file, FSCTL_QUERY_ALLOCATED_RANGES, ranges, sizeof(*ranges), 1, &got),
                      STATUS_BUFFER_TOO_SMALL);
        zero.BeyondFinalZero.QuadPart = 0;
        assert_status(control(file, FSCTL_SET_ZERO_DATA, &zero, sizeof(zero), 0, &got), STATUS_INVALID_PARAMETER);
        g_autofree char *now = irp_in_source("file");
        g_autofree char *bytes = NULL;
        g_assert_true(g_file_get_contents(now, &bytes, NULL, NULL));
        g_assert_true(bytes[4095] == 'x' && bytes[4096] == 0 && bytes[12287] == 0 && bytes[12288] == 'x');

        assert_status(control(file, FSCTL_GET_OBJECT_ID, NULL, 0, sizeof(buffer), &got), STATUS_OBJECTID_NOT_FOUND);
        assert_status(control(file, FSCTL_DELETE_REPARSE_POINT, NULL, 0, 0, &got), STATUS_NOT_SUPPORTED);
        assert_status(control(file, FSCTL_GET_REPARSE_POINT, NULL, 0, sizeof(buffer), &got),
                      STATUS_NOT_A_REPARSE_POINT);
        assert_status(control(file, CTL_CODE(FILE_DEVICE_FILE_SYSTEM, 0x7ff, METHOD_BUFFERED, FILE_ANY_ACCESS), NULL, 0,
                              sizeof(buffer), &got),
                      STATUS_INVALID_DEVICE_REQUEST);
        g_autofree char *source = irp_in_source("link");
        g_assert_cmpint(symlink("file", source), ==, 0);
        assert_status(objects_create("\\link", FILE_READ_ATTRIBUTES | SYNCHRONIZE, FILE_OPEN,
                                     FILE_OPEN_REPARSE_POINT | FILE_SYNCHRONOUS_IO_NONALERT, &link_handle, &link),
                      STATUS_SUCCESS);
        assert_status(control(link, FSCTL_GET_REPARSE_POINT, NULL, 0, sizeof(buffer), &got), STATUS_SUCCESS);
        g_assert_cmphex(*(ULONG *)buffer, ==, IO_REPARSE_TAG_LX_SYMLINK);
        g_assert_cmpuint(got, ==, 8 + 4 + 4);
        g_assert_cmpmem(buffer + 12, 4, "file", 4);
        assert_status(control(link, FSCTL_GET_REPARSE_POINT, NULL, 0, 8, &got), STATUS_BUFFER_TOO_SMALL);
        objects_close(link_handle, link);
        tear_down();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        if (!irp_can_mount())
                return 0;
        g_test_add_func("/objects/queries/ea-scan", test_ea_scan);
        g_test_add_func("/objects/queries/ea-lists", test_ea_lists);
        g_test_add_func("/objects/queries/listing", test_listing);
        g_test_add_func("/objects/queries/information", test_information);
        g_test_add_func("/objects/queries/by-name", test_by_name);
        g_test_add_func("/objects/queries/volume-classes", test_volume_classes);
        g_test_add_func("/objects/queries/controls", test_controls);
        return g_test_run();
}
