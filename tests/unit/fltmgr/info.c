/* SPDX-License-Identifier: MIT */
#include "fake.h"

#include <string.h>

static struct fake *fake;
static PFLT_FILTER other;
static PFLT_INSTANCE upper, lower;

/* The documented layouts, x64. */
static void test_layout(void)
{
        g_assert_cmpuint(sizeof(FILTER_FULL_INFORMATION), ==, 16);
        g_assert_cmpuint(FIELD_OFFSET(FILTER_FULL_INFORMATION, FilterNameBuffer), ==, 14);
        g_assert_cmpuint(sizeof(FILTER_AGGREGATE_BASIC_INFORMATION), ==, 24);
        g_assert_cmpuint(FIELD_OFFSET(FILTER_AGGREGATE_BASIC_INFORMATION, Type.MiniFilter.FilterAltitudeBufferOffset),
                         ==, 22);
        g_assert_cmpuint(sizeof(FILTER_AGGREGATE_STANDARD_INFORMATION), ==, 28);
        g_assert_cmpuint(sizeof(FILTER_VOLUME_BASIC_INFORMATION), ==, 4);
        g_assert_cmpuint(sizeof(FILTER_VOLUME_STANDARD_INFORMATION), ==, 20);
        g_assert_cmpuint(sizeof(INSTANCE_BASIC_INFORMATION), ==, 8);
        g_assert_cmpuint(sizeof(INSTANCE_PARTIAL_INFORMATION), ==, 12);
        g_assert_cmpuint(sizeof(INSTANCE_FULL_INFORMATION), ==, 20);
        g_assert_cmpuint(sizeof(INSTANCE_AGGREGATE_STANDARD_INFORMATION), ==, 40);
}

static void assert_slice(const void *buffer, USHORT offset, USHORT length, const char *text)
{
        UNICODE_STRING string = {length, length, (PWCH)((char *)(uintptr_t)buffer + offset)};

        assert_string(&string, text);
}

typedef NTSTATUS query(ULONG class, void *buffer, ULONG size, ULONG *returned);

static NTSTATUS query_filter(ULONG class, void *buffer, ULONG size, ULONG *returned)
{
        return FltGetFilterInformation(fake->filter, class, buffer, size, returned);
}

static NTSTATUS query_instance(ULONG class, void *buffer, ULONG size, ULONG *returned)
{
        return FltGetInstanceInformation(fake->instance, class, buffer, size, returned);
}

static NTSTATUS query_volume(ULONG class, void *buffer, ULONG size, ULONG *returned)
{
        return FltGetVolumeInformation(fake->volume, class, buffer, size, returned);
}

/* One byte too few: nothing is behind the end, and the size is told. */
static void check_sizes(query *ask, ULONG class, ULONG needed)
{
        unsigned char buffer[1024];
        ULONG returned;

        assert_status(ask(class, NULL, 0, &returned), STATUS_BUFFER_TOO_SMALL);
        g_assert_cmpuint(returned, ==, needed);
        for (ULONG size = 0; size < needed; size++) {
                memset(buffer, 0xee, sizeof(buffer));
                assert_status(ask(class, buffer, size, &returned), STATUS_BUFFER_TOO_SMALL);
                g_assert_cmpuint(returned, ==, needed);
                for (ULONG i = size; i < sizeof(buffer); i++)
                        g_assert_cmphex(buffer[i], ==, 0xee);
        }
        memset(buffer, 0xee, sizeof(buffer));
        assert_status(ask(class, buffer, needed, &returned), STATUS_SUCCESS);
        g_assert_cmpuint(returned, ==, needed);
        g_assert_cmphex(buffer[needed], ==, 0xee);
}

static void test_filter(void)
{
        _Alignas(8) unsigned char buffer[512];
        FILTER_FULL_INFORMATION *full = (void *)buffer;
        FILTER_AGGREGATE_BASIC_INFORMATION *basic = (void *)buffer;
        FILTER_AGGREGATE_STANDARD_INFORMATION *standard = (void *)buffer;
        ULONG returned;

        check_sizes(query_filter, FilterFullInformation, 14 + 8);
        assert_status(query_filter(FilterFullInformation, buffer, sizeof(buffer), &returned), STATUS_SUCCESS);
        g_assert_cmpuint(full->NextEntryOffset, ==, 0);
        g_assert_cmpuint(full->NumberOfInstances, ==, 1);
        assert_slice(buffer, 14, full->FilterNameLength, "fake");

        check_sizes(query_filter, FilterAggregateBasicInformation, 24 + 8 + 12);
        assert_status(query_filter(FilterAggregateBasicInformation, buffer, sizeof(buffer), &returned), STATUS_SUCCESS);
        g_assert_cmphex(basic->Flags, ==, FLTFL_AGGREGATE_INFO_IS_MINIFILTER);
        g_assert_cmpuint(basic->Type.MiniFilter.NumberOfInstances, ==, 1);
        assert_slice(buffer, basic->Type.MiniFilter.FilterNameBufferOffset, basic->Type.MiniFilter.FilterNameLength,
                     "fake");
        assert_slice(buffer, basic->Type.MiniFilter.FilterAltitudeBufferOffset,
                     basic->Type.MiniFilter.FilterAltitudeLength, "320000");

        check_sizes(query_filter, FilterAggregateStandardInformation, 28 + 8 + 12);
        assert_status(query_filter(FilterAggregateStandardInformation, buffer, sizeof(buffer), &returned),
                      STATUS_SUCCESS);
        g_assert_cmphex(standard->Flags, ==, FLTFL_ASI_IS_MINIFILTER);
        assert_slice(buffer, standard->Type.MiniFilter.FilterNameBufferOffset,
                     standard->Type.MiniFilter.FilterNameLength, "fake");
        assert_status(query_filter(99, buffer, sizeof(buffer), &returned), STATUS_INVALID_PARAMETER);
}

static void test_instance(void)
{
        _Alignas(8) unsigned char buffer[512];
        INSTANCE_FULL_INFORMATION *full = (void *)buffer;
        INSTANCE_AGGREGATE_STANDARD_INFORMATION *standard = (void *)buffer;
        USHORT name = sizeof("fake instance") * 2 - 2, altitude = 12, volume = fake->volume->Name.Length, filter = 8;
        ULONG returned;

        check_sizes(query_instance, InstanceBasicInformation, 8 + name);
        check_sizes(query_instance, InstancePartialInformation, 12u + name + altitude);
        check_sizes(query_instance, InstanceFullInformation, 20u + name + altitude + volume + filter);
        check_sizes(query_instance, InstanceAggregateStandardInformation, 40u + name + altitude + volume + filter);
        assert_status(query_instance(InstanceFullInformation, buffer, sizeof(buffer), &returned), STATUS_SUCCESS);
        assert_slice(buffer, full->InstanceNameBufferOffset, full->InstanceNameLength, "fake instance");
        assert_slice(buffer, full->AltitudeBufferOffset, full->AltitudeLength, "320000");
        assert_slice(buffer, full->FilterNameBufferOffset, full->FilterNameLength, "fake");
        g_assert_cmpmem(buffer + full->VolumeNameBufferOffset, full->VolumeNameLength, fake->volume->Name.Buffer,
                        volume);
        assert_status(query_instance(InstanceAggregateStandardInformation, buffer, sizeof(buffer), &returned),
                      STATUS_SUCCESS);
        g_assert_cmpuint(standard->Type.MiniFilter.VolumeFileSystemType, ==, FLT_FSTYPE_NTFS);
        assert_slice(buffer, standard->Type.MiniFilter.FilterNameBufferOffset,
                     standard->Type.MiniFilter.FilterNameLength, "fake");
        assert_status(query_instance(4, buffer, sizeof(buffer), &returned), STATUS_INVALID_PARAMETER);
}

static void test_volume(void)
{
        _Alignas(8) unsigned char buffer[512];
        FILTER_VOLUME_STANDARD_INFORMATION *standard = (void *)buffer;
        ULONG returned;

        check_sizes(query_volume, FilterVolumeBasicInformation, 2u + fake->volume->Name.Length);
        check_sizes(query_volume, FilterVolumeStandardInformation, 18u + fake->volume->Name.Length);
        assert_status(query_volume(FilterVolumeStandardInformation, buffer, sizeof(buffer), &returned), STATUS_SUCCESS);
        g_assert_cmpuint(standard->FileSystemType, ==, FLT_FSTYPE_NTFS);
        g_assert_cmpmem(buffer + 18, standard->FilterVolumeNameLength, fake->volume->Name.Buffer,
                        fake->volume->Name.Length);
        assert_status(query_volume(2, buffer, sizeof(buffer), &returned), STATUS_INVALID_PARAMETER);
}

static void test_enumerate(void)
{
        _Alignas(8) unsigned char buffer[512];
        INSTANCE_BASIC_INFORMATION *basic = (void *)buffer;
        static const char *const by_altitude[] = {"upper", "fake instance", "lower"};
        PFLT_INSTANCE list[8];
        PFLT_FILTER filters[8];
        ULONG count;

        for (ULONG i = 0; i < 3; i++) {
                assert_status(FltEnumerateInstanceInformationByVolume(fake->volume, i, InstanceBasicInformation, buffer,
                                                                      sizeof(buffer), &count),
                              STATUS_SUCCESS);
                assert_slice(buffer, basic->InstanceNameBufferOffset, basic->InstanceNameLength, by_altitude[i]);
        }
        assert_status(FltEnumerateInstanceInformationByVolume(fake->volume, 3, InstanceBasicInformation, buffer,
                                                              sizeof(buffer), &count),
                      STATUS_NO_MORE_ENTRIES);
        assert_status(FltEnumerateInstanceInformationByFilter(other, 1, InstanceBasicInformation, buffer,
                                                              sizeof(buffer), &count),
                      STATUS_SUCCESS);
        assert_status(FltEnumerateInstanceInformationByFilter(other, 2, InstanceBasicInformation, buffer,
                                                              sizeof(buffer), &count),
                      STATUS_NO_MORE_ENTRIES);
        assert_status(FltEnumerateFilterInformation(2, FilterFullInformation, buffer, sizeof(buffer), &count),
                      STATUS_NO_MORE_ENTRIES);
        assert_status(
                FltEnumerateVolumeInformation(NULL, 1, FilterVolumeBasicInformation, buffer, sizeof(buffer), &count),
                STATUS_NO_MORE_ENTRIES);

        assert_status(FltEnumerateInstances(NULL, NULL, list, 8, &count), STATUS_INVALID_PARAMETER);
        assert_status(FltEnumerateInstances(fake->volume, NULL, NULL, 0, &count), STATUS_BUFFER_TOO_SMALL);
        g_assert_cmpuint(count, ==, 3);
        assert_status(FltEnumerateInstances(fake->volume, NULL, list, 2, &count), STATUS_BUFFER_TOO_SMALL);
        assert_status(FltEnumerateInstances(fake->volume, other, list, 8, &count), STATUS_SUCCESS);
        g_assert_cmpuint(count, ==, 2);
        g_assert_true(list[0] == upper && list[1] == lower);
        g_assert_cmpuint(fm_rundown_inside(&upper->object.rundown), ==, 1);
        FltObjectDereference(list[0]);
        FltObjectDereference(list[1]);
        assert_status(FltEnumerateFilters(filters, 8, &count), STATUS_SUCCESS);
        g_assert_cmpuint(count, ==, 2);
        FltObjectDereference(filters[0]);
        FltObjectDereference(filters[1]);
}

static void test_lookup(void)
{
        static const struct {
                const char *name;
                NTSTATUS status;
        } volumes[] = {
                {"\\Device\\HarddiskVolume1", STATUS_SUCCESS},
                {"\\device\\harddiskvolume1", STATUS_SUCCESS},
                {"\\Device\\HarddiskVolume1\\", STATUS_SUCCESS},
                {"\\Device\\HarddiskVolume1\\a", STATUS_FLT_VOLUME_NOT_FOUND},
                {"\\Device\\HarddiskVolume11", STATUS_FLT_VOLUME_NOT_FOUND},
                {"C:", STATUS_SUCCESS},
                {"c:\\", STATUS_SUCCESS},
                {"\\??\\C:", STATUS_SUCCESS},
                {"D:", STATUS_FLT_VOLUME_NOT_FOUND},
                {"/mnt/fake", STATUS_SUCCESS},
                {"/mnt/fak", STATUS_FLT_VOLUME_NOT_FOUND},
                {"", STATUS_INVALID_PARAMETER},
        };
        PFLT_INSTANCE instance;
        PFLT_VOLUME volume;
        PFLT_FILTER filter;
        UNICODE_STRING name;

        for (size_t i = 0; i < G_N_ELEMENTS(volumes); i++) {
                NTSTATUS status;

                name = fake_string(volumes[i].name);
                status = FltGetVolumeFromName(fake->filter, &name, &volume);
                if (status != volumes[i].status)
                        g_error("%s: 0x%08x", volumes[i].name, (unsigned)status);
                if (NT_SUCCESS(status))
                        FltObjectDereference(volume);
                g_free(name.Buffer);
        }
        name = fake_string("OTHER");
        assert_status(FltGetFilterFromName(&name, &filter), STATUS_SUCCESS);
        g_assert_true(filter == other);
        FltObjectDereference(filter);
        assert_status(FltGetVolumeInstanceFromName(other, fake->volume, &name, &instance),
                      STATUS_FLT_INSTANCE_NOT_FOUND);
        g_free(name.Buffer);
        name = fake_string("nobody");
        assert_status(FltGetFilterFromName(&name, &filter), STATUS_FLT_FILTER_NOT_FOUND);
        g_free(name.Buffer);
        assert_status(FltGetVolumeInstanceFromName(other, fake->volume, NULL, &instance), STATUS_SUCCESS);
        g_assert_true(instance == upper);
        FltObjectDereference(instance);
}

static void assert_instance(NTSTATUS status, PFLT_INSTANCE got, PFLT_INSTANCE expected)
{
        assert_status(status, expected ? STATUS_SUCCESS : STATUS_NO_MORE_ENTRIES);
        g_assert_true(got == expected);
        if (got)
                FltObjectDereference(got);
}

static void test_stack(void)
{
        PFLT_INSTANCE got;
        NTSTATUS status;

        status = FltGetTopInstance(fake->volume, &got);
        assert_instance(status, got, upper);
        status = FltGetBottomInstance(fake->volume, &got);
        assert_instance(status, got, lower);
        status = FltGetUpperInstance(fake->instance, &got);
        assert_instance(status, got, upper);
        status = FltGetLowerInstance(fake->instance, &got);
        assert_instance(status, got, lower);
        status = FltGetUpperInstance(upper, &got);
        assert_instance(status, got, NULL);
        status = FltGetLowerInstance(lower, &got);
        assert_instance(status, got, NULL);
        g_assert_cmpint(FltCompareInstanceAltitudes(upper, lower), >, 0);
        g_assert_cmpint(FltCompareInstanceAltitudes(lower, upper), <, 0);
        g_assert_cmpint(FltCompareInstanceAltitudes(lower, lower), ==, 0);
}

static void test_volume_names(void)
{
        WCHAR chars[64];
        UNICODE_STRING name = {0, sizeof(chars), chars};
        ULONG needed;

        assert_status(FltGetVolumeName(fake->volume, NULL, NULL), STATUS_INVALID_PARAMETER);
        assert_status(FltGetVolumeName(fake->volume, NULL, &needed), STATUS_BUFFER_TOO_SMALL);
        g_assert_cmpuint(needed, ==, fake->volume->Name.Length);
        name.MaximumLength = (USHORT)(needed - 1);
        assert_status(FltGetVolumeName(fake->volume, &name, NULL), STATUS_BUFFER_TOO_SMALL);
        name.MaximumLength = (USHORT)needed;
        assert_status(FltGetVolumeName(fake->volume, &name, &needed), STATUS_SUCCESS);
        assert_string(&name, "\\Device\\HarddiskVolume1");
        name.MaximumLength = sizeof(chars);
        assert_status(FltGetVolumeGuidName(fake->volume, &name, &needed), STATUS_SUCCESS);
        g_assert_cmpuint(name.Length, ==, needed);
        name.Length = 11 * sizeof(WCHAR);
        assert_string(&name, "\\??\\Volume{");
}

static void test_volume_properties(void)
{
        _Alignas(8) unsigned char buffer[512];
        FLT_VOLUME_PROPERTIES *properties = (void *)buffer;
        ULONG returned, all;

        assert_status(FltGetVolumeProperties(fake->volume, properties, sizeof(*properties) - 1, &all),
                      STATUS_BUFFER_TOO_SMALL);
        g_assert_cmpuint(all, >, sizeof(*properties));
        assert_status(FltGetVolumeProperties(fake->volume, properties, all - 1, &returned), STATUS_BUFFER_OVERFLOW);
        g_assert_cmpuint(returned, ==, sizeof(*properties));
        g_assert_cmpuint(properties->SectorSize, ==, 512);
        g_assert_cmpuint(properties->RealDeviceName.Length, ==, 0);
        assert_status(FltGetVolumeProperties(fake->volume, properties, all, &returned), STATUS_SUCCESS);
        g_assert_cmpuint(returned, ==, all);
        assert_string(&properties->FileSystemDriverName, "\\FileSystem\\Ntfs");
        assert_string(&properties->RealDeviceName, "\\Device\\HarddiskVolume1");
        g_assert_true((unsigned char *)properties->RealDeviceName.Buffer + properties->RealDeviceName.Length ==
                      buffer + all);
}

static void test_type(void)
{
        FLT_FILESYSTEM_TYPE type;
        BOOLEAN answer;

        assert_status(FltGetFileSystemType(fake->instance, &type), STATUS_SUCCESS);
        g_assert_cmpint(type, ==, FLT_FSTYPE_NTFS);
        assert_status(FltGetFileSystemType(fake->filter, &type), STATUS_INVALID_PARAMETER);
        assert_status(FltIsVolumeWritable(fake->volume, &answer), STATUS_SUCCESS);
        g_assert_true(answer);
        assert_status(FltIsVolumeSnapshot(fake->instance, &answer), STATUS_SUCCESS);
        g_assert_false(answer);
}

static void test_device(void)
{
        PDEVICE_OBJECT device;
        PFLT_VOLUME volume;
        UNICODE_STRING name;

        assert_status(FltGetDeviceObject(fake->volume, &device), STATUS_SUCCESS);
        g_assert_true(FltIsFltMgrVolumeDeviceObject(device));
        assert_status(FltGetVolumeFromDeviceObject(fake->filter, device, &volume), STATUS_SUCCESS);
        g_assert_true(volume == fake->volume);
        FltObjectDereference(volume);
        ObDereferenceObject(device);
        /* The disk is no volume, but leads to one. */
        assert_status(FltGetDiskDeviceObject(fake->volume, &device), STATUS_SUCCESS);
        g_assert_false(FltIsFltMgrVolumeDeviceObject(device));
        assert_status(FltGetVolumeFromDeviceObject(fake->filter, device, &volume), STATUS_INVALID_PARAMETER);
        g_assert_null(volume);
        assert_status(IoVolumeDeviceToDosName(device, &name), STATUS_SUCCESS);
        assert_string(&name, "C:");
        ExFreePool(name.Buffer);
        ObDereferenceObject(device);
        assert_status(FltGetVolumeFromDeviceObject(fake->filter, NULL, &volume), STATUS_INVALID_PARAMETER);
}

int main(int argc, char **argv)
{
        int result;

        g_test_init(&argc, &argv, NULL);
        fake = fake_new();
        other = fake_filter("other", "100", NULL);
        upper = fake_instance(other, fake->volume, "upper", "400000");
        lower = fake_instance(other, fake->volume, "lower", "40000.5");
        g_test_add_func("/info/layout", test_layout);
        g_test_add_func("/info/filter", test_filter);
        g_test_add_func("/info/instance", test_instance);
        g_test_add_func("/info/volume", test_volume);
        g_test_add_func("/info/enumerate", test_enumerate);
        g_test_add_func("/info/lookup", test_lookup);
        g_test_add_func("/info/stack", test_stack);
        g_test_add_func("/info/volume-names", test_volume_names);
        g_test_add_func("/info/volume-properties", test_volume_properties);
        g_test_add_func("/info/type", test_type);
        g_test_add_func("/info/device", test_device);
        result = g_test_run();
        fake_instance_free(upper);
        fake_instance_free(lower);
        fake_filter_free(other);
        fake_free(fake);
        return result;
}
