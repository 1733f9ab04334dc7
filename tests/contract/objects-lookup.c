/* SPDX-License-Identifier: MIT */
/* Finding filters, instances and volumes while they are there, while they go and afterwards; what volumes tell of. */
#include "objects-harness.h"

#include <string.h>
#include <unistd.h>

#include "fltmgr/loader.h"
#include "fuse/session.h"
#include "nt/registry.h"

static _Alignas(8) UCHAR buffer[512];

/* ---- going away ---- */

static PFLT_FILTER going_filter;
static PFLT_INSTANCE going_instance;
static PFILE_OBJECT probe_file;
static UNICODE_STRING going_name = RTL_CONSTANT_STRING(L"going");

/* What can still be had of an instance in its teardown callbacks: [0] at the start, [1] at the end. */
static struct {
        NTSTATUS reference, from_name, to_filter, to_volume, enumerated, information;
        NTSTATUS context_got, context_set, context_deleted, ea_queried;
        ULONG count;
} teardown[2];

static void probe(unsigned at, PCFLT_RELATED_OBJECTS objects)
{
        PFLT_INSTANCE instance, list[4];
        PFLT_FILTER filter;
        PFLT_VOLUME volume;
        ULONG index = 0, got;
        PFLT_CONTEXT context;

        /* Contexts are there to the end; which they are stays as it is. */
        teardown[at].context_got = FltGetInstanceContext(objects->Instance, &context);
        teardown[at].context_deleted = FltDeleteInstanceContext(objects->Instance, NULL);
        if (NT_SUCCESS(teardown[at].context_got))
                FltReleaseContext(context);
        assert_status(FltAllocateContext(objects->Filter, FLT_INSTANCE_CONTEXT, 8, PagedPool, &context),
                      STATUS_SUCCESS);
        teardown[at].context_set =
                FltSetInstanceContext(objects->Instance, FLT_SET_CONTEXT_REPLACE_IF_EXISTS, context, NULL);
        FltReleaseContext(context);
        if (probe_file)
                teardown[at].ea_queried = FltQueryEaFile(objects->Instance, probe_file, buffer, sizeof(buffer), FALSE,
                                                         NULL, 0, NULL, TRUE, &got);
        teardown[at].reference = FltObjectReference(objects->Instance);
        teardown[at].from_name = FltGetVolumeInstanceFromName(objects->Filter, objects->Volume, &going_name, &instance);
        g_assert_null(instance);
        teardown[at].to_filter = FltGetFilterFromInstance(objects->Instance, &filter);
        if (NT_SUCCESS(teardown[at].to_filter))
                FltObjectDereference(filter);
        teardown[at].to_volume = FltGetVolumeFromInstance(objects->Instance, &volume);
        if (NT_SUCCESS(teardown[at].to_volume))
                FltObjectDereference(volume);
        teardown[at].enumerated = FltEnumerateInstances(NULL, objects->Filter, list, 4, &teardown[at].count);
        do
                teardown[at].information = FltEnumerateInstanceInformationByVolume(
                        objects->Volume, index++, InstanceBasicInformation, buffer, sizeof(buffer), &got);
        while (NT_SUCCESS(teardown[at].information));
}

static VOID FLTAPI teardown_start(PCFLT_RELATED_OBJECTS objects, FLT_INSTANCE_TEARDOWN_FLAGS reason)
{
        probe(0, objects);
}

static VOID FLTAPI teardown_complete(PCFLT_RELATED_OBJECTS objects, FLT_INSTANCE_TEARDOWN_FLAGS reason)
{
        probe(1, objects);
}

static unsigned cleanups;

static VOID FLTAPI going_cleanup(PFLT_CONTEXT context, FLT_CONTEXT_TYPE type)
{
        cleanups++;
}

static NTSTATUS FLTAPI going_setup(PCFLT_RELATED_OBJECTS objects, FLT_INSTANCE_SETUP_FLAGS flags, DEVICE_TYPE device,
                                   FLT_FILESYSTEM_TYPE type)
{
        PFLT_INSTANCE instance;
        PFLT_CONTEXT context;

        g_assert_cmpuint(device, ==, FILE_DEVICE_DISK_FILE_SYSTEM);
        g_assert_cmpint(type, ==, FLT_FSTYPE_NTFS);
        /* Nobody finds it before it is attached. */
        assert_status(FltGetVolumeInstanceFromName(objects->Filter, objects->Volume, &going_name, &instance),
                      STATUS_FLT_INSTANCE_NOT_FOUND);
        going_instance = objects->Instance;
        assert_status(FltAllocateContext(objects->Filter, FLT_INSTANCE_CONTEXT, 8, PagedPool, &context),
                      STATUS_SUCCESS);
        assert_status(FltSetInstanceContext(objects->Instance, FLT_SET_CONTEXT_KEEP_IF_EXISTS, context, NULL),
                      STATUS_SUCCESS);
        FltReleaseContext(context);
        return STATUS_SUCCESS;
}

static NTSTATUS FLTAPI going_query_teardown(PCFLT_RELATED_OBJECTS objects, FLT_INSTANCE_QUERY_TEARDOWN_FLAGS flags)
{
        return STATUS_SUCCESS;
}

static NTSTATUS FLTAPI going_unload(FLT_FILTER_UNLOAD_FLAGS flags)
{
        FltUnregisterFilter(going_filter);
        return STATUS_SUCCESS;
}

static NTSTATUS going_entry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
        static const FLT_CONTEXT_REGISTRATION contexts[] = {{FLT_INSTANCE_CONTEXT, 0, going_cleanup, 8, 'tseT'},
                                                            {FLT_CONTEXT_END}};
        const FLT_REGISTRATION registration = {
                .Size = sizeof(registration),
                .Version = FLT_REGISTRATION_VERSION,
                .ContextRegistration = contexts,
                .FilterUnloadCallback = going_unload,
                .InstanceSetupCallback = going_setup,
                .InstanceQueryTeardownCallback = going_query_teardown,
                .InstanceTeardownStartCallback = teardown_start,
                .InstanceTeardownCompleteCallback = teardown_complete,
        };
        NTSTATUS status = FltRegisterFilter(driver, &registration, &going_filter);

        return NT_SUCCESS(status) ? FltStartFiltering(going_filter) : status;
}

static void going_load(void)
{
        g_autofree char *error = NULL;

        memset(teardown, 0xee, sizeof(teardown));
        cleanups = 0;
        fm_registry_set_string(FM_SERVICES_KEY "\\going\\Instances", "DefaultInstance", "going");
        fm_registry_set_string(FM_SERVICES_KEY "\\going\\Instances\\going", "Altitude", "380000");
        if (!NT_SUCCESS(fm_driver_start("going", going_entry, &error)))
                g_error("%s", error);
}

static void assert_going(unsigned at)
{
        assert_status(teardown[at].context_got, STATUS_SUCCESS);
        assert_status(teardown[at].context_set, STATUS_FLT_DELETING_OBJECT);
        assert_status(teardown[at].context_deleted, STATUS_FLT_DELETING_OBJECT);
        assert_status(teardown[at].ea_queried, STATUS_FLT_DELETING_OBJECT);
        assert_status(teardown[at].reference, STATUS_FLT_DELETING_OBJECT);
        assert_status(teardown[at].from_name, STATUS_FLT_DELETING_OBJECT);
        assert_status(teardown[at].to_filter, STATUS_SUCCESS);
        assert_status(teardown[at].to_volume, STATUS_SUCCESS);
        assert_status(teardown[at].enumerated, STATUS_SUCCESS);
        g_assert_cmpuint(teardown[at].count, ==, 0);
        assert_status(teardown[at].information, STATUS_FLT_DELETING_OBJECT);
}

static void test_instance_goes(void)
{
        PFLT_INSTANCE instance;
        HANDLE handle;

        objects_set_up();
        objects_touch("file", "x");
        going_load();
        handle = objects_open("\\file", &probe_file);
        assert_status(FltGetVolumeInstanceFromName(going_filter, objects_volume, &going_name, &instance),
                      STATUS_SUCCESS);
        g_assert_true(instance == going_instance);
        FltObjectDereference(instance);
        fm_flt_object_ref(going_instance);
        assert_status(FltDetachVolume(going_filter, objects_volume, NULL), STATUS_SUCCESS);
        assert_going(0);
        assert_going(1);
        /* The one that was set, and the two that could not be. */
        g_assert_cmpuint(cleanups, ==, 3);
        objects_close(handle, probe_file);
        probe_file = NULL;
        assert_status(FltGetVolumeInstanceFromName(going_filter, objects_volume, &going_name, &instance),
                      STATUS_FLT_INSTANCE_NOT_FOUND);
        assert_status(FltObjectReference(going_instance), STATUS_FLT_DELETING_OBJECT);
        fm_flt_object_unref(going_instance);
        assert_status(fm_filter_unload("going", false), STATUS_SUCCESS);
        fm_registry_delete_tree(FM_SERVICES_KEY "\\going");
        objects_tear_down();
}

/* Unloaded, nothing of a filter can be had; nor of a volume that is gone. */
static void test_filter_and_volume_go(void)
{
        PFLT_FILTER filter;
        PFLT_CONTEXT context;
        PFLT_VOLUME volume, found;
        ULONG got;

        objects_set_up();
        going_load();
        filter = going_filter;
        fm_flt_object_ref(filter);
        assert_status(fm_filter_unload("going", false), STATUS_SUCCESS);
        fm_registry_delete_tree(FM_SERVICES_KEY "\\going");
        assert_status(teardown[0].reference, STATUS_FLT_DELETING_OBJECT);
        assert_status(FltObjectReference(filter), STATUS_FLT_DELETING_OBJECT);
        assert_status(FltGetFilterFromName(&going_name, &going_filter), STATUS_FLT_FILTER_NOT_FOUND);
        g_assert_null(going_filter);
        fm_flt_object_unref(filter);

        volume = objects_volume;
        filter = objects_filter;
        fm_flt_object_ref(volume);
        fm_flt_object_ref(filter);
        g_autofree char *name = objects_text(&volume->Name);
        objects_tear_down();
        assert_status(FltAllocateContext(filter, FLT_STREAM_CONTEXT, OBJECTS_CONTEXT_SIZE, PagedPool, &context),
                      STATUS_FLT_DELETING_OBJECT);
        fm_flt_object_unref(filter);
        assert_status(FltObjectReference(volume), STATUS_FLT_DELETING_OBJECT);
        UNICODE_STRING string = objects_string(name);
        assert_status(FltGetVolumeFromName(NULL, &string, &found), STATUS_FLT_VOLUME_NOT_FOUND);
        g_assert_null(found);
        assert_status(FltGetVolumeFromDeviceObject(NULL, volume->device, &found), STATUS_INVALID_PARAMETER);
        assert_status(FltEnumerateInstanceInformationByDeviceObject(volume->device, 0, InstanceBasicInformation, buffer,
                                                                    sizeof(buffer), &got),
                      STATUS_FLT_VOLUME_NOT_FOUND);
        fm_flt_object_unref(volume);
        g_free(string.Buffer);
}

/* ---- lists ---- */

static void test_lists(void)
{
        PFLT_FILTER filters[8];
        PFLT_VOLUME volumes[8];
        PFLT_INSTANCE instances[8];
        ULONG count;

        objects_set_up();
        /* A list that is one too small gets nothing; how many there are is told. */
        assert_status(FltEnumerateFilters(NULL, 0, &count), STATUS_BUFFER_TOO_SMALL);
        g_assert_cmpuint(count, ==, 2);
        filters[0] = NULL;
        assert_status(FltEnumerateFilters(filters, 1, &count), STATUS_BUFFER_TOO_SMALL);
        g_assert_cmpuint(count, ==, 2);
        g_assert_null(filters[0]);
        assert_status(FltEnumerateFilters(filters, 2, &count), STATUS_SUCCESS);
        g_assert_cmpuint(count, ==, 2);
        g_assert_true(filters[0] == objects_filter && filters[1] == irp_filter());
        FltObjectDereference(filters[0]);
        FltObjectDereference(filters[1]);

        assert_status(FltEnumerateVolumes(objects_filter, volumes, 0, &count), STATUS_BUFFER_TOO_SMALL);
        g_assert_cmpuint(count, ==, 1);
        assert_status(FltEnumerateVolumes(objects_filter, volumes, 8, &count), STATUS_SUCCESS);
        g_assert_cmpuint(count, ==, 1);
        g_assert_true(volumes[0] == objects_volume);
        FltObjectDereference(volumes[0]);

        assert_status(FltEnumerateInstances(objects_volume, NULL, instances, 1, &count), STATUS_BUFFER_TOO_SMALL);
        g_assert_cmpuint(count, ==, 2);
        assert_status(FltEnumerateInstances(NULL, objects_filter, instances, 1, &count), STATUS_SUCCESS);
        g_assert_cmpuint(count, ==, 1);
        g_assert_true(instances[0] == objects_instance);
        FltObjectDereference(instances[0]);
        assert_status(FltEnumerateInstances(objects_volume, irp_filter(), instances, 8, &count), STATUS_SUCCESS);
        g_assert_cmpuint(count, ==, 1);
        g_assert_true(instances[0] == irp_instance());
        FltObjectDereference(instances[0]);
        objects_tear_down();
}

static void assert_instance_name(NTSTATUS status, ULONG got, const WCHAR *name, ULONG bytes)
{
        const INSTANCE_BASIC_INFORMATION *basic = (PVOID)buffer;

        assert_status(status, STATUS_SUCCESS);
        g_assert_cmpuint(got, ==, sizeof(*basic) + bytes);
        g_assert_cmpmem(buffer + basic->InstanceNameBufferOffset, basic->InstanceNameLength, name, bytes);
}

/* By a volume's name, whatever it is called, and by its device. */
static void test_by_name_and_device(void)
{
        PDEVICE_OBJECT device;
        PFLT_VOLUME volume;
        NTSTATUS status;
        ULONG got;

        objects_set_up();
        UNICODE_STRING nobody = RTL_CONSTANT_STRING(L"\\Device\\HarddiskVolume9999"), empty = {0};
        UNICODE_STRING mount_point = objects_string(irp_mount);
        UNICODE_STRING *const spellings[] = {&objects_volume->Name, &objects_volume->GuidName, &objects_volume->DosName,
                                             &mount_point};

        for (unsigned i = 0; i < G_N_ELEMENTS(spellings); i++) {
                assert_status(FltGetVolumeFromName(objects_filter, spellings[i], &volume), STATUS_SUCCESS);
                g_assert_true(volume == objects_volume);
                FltObjectDereference(volume);
                status = FltEnumerateInstanceInformationByVolumeName(spellings[i], 0, InstanceBasicInformation, buffer,
                                                                     sizeof(buffer), &got);
                assert_instance_name(status, got, L"objects", 14);
        }
        assert_status(FltEnumerateInstanceInformationByVolumeName(&nobody, 0, InstanceBasicInformation, buffer,
                                                                  sizeof(buffer), &got),
                      STATUS_OBJECT_NAME_NOT_FOUND);
        assert_status(FltEnumerateInstanceInformationByVolumeName(&empty, 0, InstanceBasicInformation, buffer,
                                                                  sizeof(buffer), &got),
                      STATUS_INVALID_PARAMETER);
        assert_status(FltEnumerateInstanceInformationByVolumeName(&objects_volume->Name, 2, InstanceBasicInformation,
                                                                  buffer, sizeof(buffer), &got),
                      STATUS_NO_MORE_ENTRIES);
        assert_status(FltEnumerateInstanceInformationByVolumeName(&objects_volume->Name, 0, InstanceFullInformation,
                                                                  buffer, 20, &got),
                      STATUS_BUFFER_TOO_SMALL);
        g_assert_cmpuint(got, >, 20);
        assert_status(FltEnumerateInstanceInformationByVolumeName(
                              &objects_volume->Name, 0, (INSTANCE_INFORMATION_CLASS)77, buffer, sizeof(buffer), &got),
                      STATUS_INVALID_PARAMETER);

        assert_status(FltGetDeviceObject(objects_volume, &device), STATUS_SUCCESS);
        status = FltEnumerateInstanceInformationByDeviceObject(device, 0, InstanceBasicInformation, buffer,
                                                               sizeof(buffer), &got);
        assert_instance_name(status, got, L"objects", 14);
        assert_status(FltEnumerateInstanceInformationByDeviceObject(device, 2, InstanceBasicInformation, buffer,
                                                                    sizeof(buffer), &got),
                      STATUS_NO_MORE_ENTRIES);
        assert_status(FltGetVolumeFromDeviceObject(objects_filter, device, &volume), STATUS_SUCCESS);
        g_assert_true(volume == objects_volume);
        FltObjectDereference(volume);
        ObDereferenceObject(device);
        g_free(mount_point.Buffer);
        objects_tear_down();
}

/* The volume of a file, opened or not. */
static NTSTATUS early_status;
static PFLT_VOLUME early_volume;

static void find_early(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        early_status = FltGetVolumeFromFileObject(objects->Filter, objects->FileObject, &early_volume);
        if (NT_SUCCESS(early_status))
                FltObjectDereference(early_volume);
}

static void test_volume_of_file(void)
{
        PFLT_VOLUME volume;
        PFILE_OBJECT file;
        HANDLE handle;

        objects_set_up();
        objects_touch("file", "x");
        g_autofree char *path = irp_in_mount("file"), *content = NULL;
        objects_on(IRP_MJ_CREATE, find_early, NULL);
        g_assert_true(g_file_get_contents(path, &content, NULL, NULL));
        objects_on(0, NULL, NULL);
        assert_status(early_status, STATUS_SUCCESS);
        g_assert_true(early_volume == objects_volume);
        handle = objects_open("\\file", &file);
        assert_status(FltGetVolumeFromFileObject(objects_filter, file, &volume), STATUS_SUCCESS);
        g_assert_true(volume == objects_volume);
        FltObjectDereference(volume);
        assert_status(FltGetVolumeFromFileObject(objects_filter, NULL, &volume), STATUS_INVALID_PARAMETER);
        objects_close(handle, file);
        objects_tear_down();
}

/* ---- properties ---- */

static void test_properties(void)
{
        static const struct {
                bool read_only;
                unsigned sector_size;
        } rows[] = {{false, 512}, {true, 512}, {false, 4096}};
        FLT_VOLUME_PROPERTIES *properties = (PVOID)buffer;

        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
                const struct fm_session_options options = {.read_only = rows[i].read_only,
                                                           .sector_size = rows[i].sector_size,
                                                           .allow_other = geteuid() == 0};
                BOOLEAN writable = 7;
                ULONG got;

                objects_set_up_with(&options);
                assert_status(FltGetVolumeProperties(objects_volume, properties, sizeof(buffer), &got), STATUS_SUCCESS);
                g_assert_cmpuint(properties->DeviceType, ==, FILE_DEVICE_DISK_FILE_SYSTEM);
                g_assert_cmphex(properties->DeviceCharacteristics, ==, rows[i].read_only ? FILE_READ_ONLY_DEVICE : 0);
                g_assert_cmpuint(properties->DeviceObjectFlags, ==, objects_volume->device->Flags);
                g_assert_cmpuint(properties->AlignmentRequirement, ==, FILE_BYTE_ALIGNMENT);
                g_assert_cmpuint(properties->SectorSize, ==, rows[i].sector_size);
                g_assert_cmpuint(properties->Flags, ==, 0);
                g_assert_cmpmem(properties->FileSystemDriverName.Buffer, properties->FileSystemDriverName.Length,
                                L"\\FileSystem\\Ntfs", 32);
                g_assert_cmpmem(properties->FileSystemDeviceName.Buffer, properties->FileSystemDeviceName.Length,
                                L"\\Ntfs", 10);
                g_assert_cmpmem(properties->RealDeviceName.Buffer, properties->RealDeviceName.Length,
                                objects_volume->Name.Buffer, objects_volume->Name.Length);
                assert_status(FltIsVolumeWritable(objects_instance, &writable), STATUS_SUCCESS);
                g_assert_cmpint(writable, ==, !rows[i].read_only);
                objects_tear_down();
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        if (!irp_can_mount())
                return 0;
        g_test_add_func("/objects/lookup/instance-goes", test_instance_goes);
        g_test_add_func("/objects/lookup/filter-and-volume-go", test_filter_and_volume_go);
        g_test_add_func("/objects/lookup/lists", test_lists);
        g_test_add_func("/objects/lookup/by-name-and-device", test_by_name_and_device);
        g_test_add_func("/objects/lookup/volume-of-file", test_volume_of_file);
        g_test_add_func("/objects/lookup/properties", test_properties);
        return g_test_run();
}
