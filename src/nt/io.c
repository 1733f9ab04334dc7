/* SPDX-License-Identifier: MIT */
/*
 * Driver and device objects, their names and links, and the functions of the I/O manager around them.
 *
 * names maps upper-case names to devices, links to names; both are guarded by names_lock, under which nothing
 * else is called. A device is on its driver's list from IoCreateDevice to IoDeleteDevice.
 */
#include "nt/io.h"

#include <glib.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "nt/ke.h"
#include "nt/ledger.h"
#include "nt/object.h"
#include "nt/pool.h"
#include "nt/registry.h"
#include "nt/thread.h"
#include "nt/unicode.h"
#include "nt/verifier.h"
#include "nt/work.h"
#include "nt/zw.h"

#define IO_TAG      0x20206f49 /* 'Io  ' */
#define NAMES_LIMIT 4096

static void destroy_driver(void *body);
static void destroy_device(void *body);

static struct _OBJECT_TYPE file_type = {.name = "File"};
static struct _OBJECT_TYPE driver_type = {.name = "Driver", .destroy = destroy_driver};
static struct _OBJECT_TYPE device_type = {.name = "Device", .destroy = destroy_device};
static struct _OBJECT_TYPE transaction_type = {.name = "TmTx"};
static POBJECT_TYPE file_type_pointer = &file_type;
static POBJECT_TYPE driver_type_pointer = &driver_type;
static POBJECT_TYPE device_type_pointer = &device_type;
static POBJECT_TYPE transaction_type_pointer = &transaction_type;
POBJECT_TYPE *IoFileObjectType = &file_type_pointer;
POBJECT_TYPE *IoDriverObjectType = &driver_type_pointer;
POBJECT_TYPE *IoDeviceObjectType = &device_type_pointer;
POBJECT_TYPE *TmTransactionObjectType = &transaction_type_pointer;

/* A device and what Windows keeps in its extension. */
struct device {
        DEVICE_OBJECT object; /* must be first */
        char *name;           /* folded, or NULL */
        void *extension;
};

static pthread_mutex_t names_lock = PTHREAD_MUTEX_INITIALIZER;
static GHashTable *device_names; /* folded name -> struct device, borrowed */
static GHashTable *links;        /* folded name -> folded name */
static const struct fm_io_hooks *io_hooks;

void fm_io_set_hooks(const struct fm_io_hooks *hooks)
{
        __atomic_store_n(&io_hooks, hooks, __ATOMIC_RELEASE);
}

static char *fold_name(PCUNICODE_STRING name)
{
        char *text = fm_utf8_from_utf16(name->Buffer, name->Length / sizeof(WCHAR));
        char *folded;

        if (!text)
                return NULL;
        /* \DosDevices is another name of \??. */
        if (g_ascii_strncasecmp(text, "\\DosDevices\\", 12) == 0) {
                g_autofree char *plain = g_strconcat("\\??\\", text + 12, NULL);

                folded = g_utf8_casefold(plain, -1);
        } else {
                folded = g_utf8_casefold(text, -1);
        }
        free(text);
        return folded;
}

static NTSTATUS refuse_request(PDEVICE_OBJECT device, PIRP irp)
{
        irp->IoStatus.Status = STATUS_INVALID_DEVICE_REQUEST;
        irp->IoStatus.Information = 0;
        IoCompleteRequest(irp, 0);
        return STATUS_INVALID_DEVICE_REQUEST;
}

static void set_name(PUNICODE_STRING string, const char *prefix, const char *name)
{
        g_autofree char *text = g_strconcat(prefix, name, NULL);
        size_t count;
        WCHAR *chars = fm_utf16_from_utf8(text, &count);
        size_t size = (count + 1) * sizeof(WCHAR);

        string->Buffer = fm_pool_alloc(size, IO_TAG);
        if (!chars || !string->Buffer || size > UNICODE_STRING_MAX_BYTES)
                fm_bugcheck(0x1, "no memory for the name of %s", name);
        memcpy(string->Buffer, chars, size);
        string->Length = (USHORT)(size - sizeof(WCHAR));
        string->MaximumLength = (USHORT)size;
        free(chars);
}

PDRIVER_OBJECT fm_driver_new(const char *service)
{
        PDRIVER_OBJECT driver = fm_object_new(&driver_type, sizeof(*driver) + sizeof(DRIVER_EXTENSION));

        driver->Type = IO_TYPE_DRIVER;
        driver->Size = sizeof(*driver);
        driver->DriverExtension = (PDRIVER_EXTENSION)(driver + 1);
        driver->DriverExtension->DriverObject = driver;
        set_name(&driver->DriverName, "\\FileSystem\\", service);
        set_name(&driver->DriverExtension->ServiceKeyName, "", service);
        for (size_t i = 0; i < RTL_NUMBER_OF(driver->MajorFunction); i++)
                driver->MajorFunction[i] = refuse_request;
        return driver;
}

static void destroy_driver(void *body)
{
        PDRIVER_OBJECT driver = body;

        fm_pool_free(driver->DriverName.Buffer);
        fm_pool_free(driver->DriverExtension->ServiceKeyName.Buffer);
}

static void destroy_device(void *body)
{
        struct device *device = body;

        g_free(device->name);
        free(device->extension);
}

unsigned fm_driver_delete_devices(PDRIVER_OBJECT driver)
{
        unsigned count = 0;

        while (driver->DeviceObject) {
                IoDeleteDevice(driver->DeviceObject);
                count++;
        }
        return count;
}

static bool register_name(struct device *device)
{
        bool taken;

        pthread_mutex_lock(&names_lock);
        if (!device_names)
                device_names = g_hash_table_new(g_str_hash, g_str_equal);
        taken = g_hash_table_contains(device_names, device->name) ||
                g_hash_table_size(device_names) >= NAMES_LIMIT;
        if (!taken)
                g_hash_table_insert(device_names, device->name, device);
        pthread_mutex_unlock(&names_lock);
        return !taken;
}

/* STATUS_OBJECT_NAME_COLLISION, STATUS_OBJECT_NAME_INVALID, STATUS_INSUFFICIENT_RESOURCES. IRQL <= APC_LEVEL.
 */
NTSTATUS IoCreateDevice(PDRIVER_OBJECT DriverObject, ULONG DeviceExtensionSize, PUNICODE_STRING DeviceName,
                        DEVICE_TYPE DeviceType, ULONG DeviceCharacteristics, BOOLEAN Exclusive,
                        PDEVICE_OBJECT *DeviceObject)
{
        struct device *device;
        PDEVICE_OBJECT object;

        fm_check_irql("IoCreateDevice", APC_LEVEL);
        *DeviceObject = NULL;
        if (DeviceName && (DeviceName->Length < 2 * sizeof(WCHAR) || DeviceName->Buffer[0] != L'\\'))
                return STATUS_OBJECT_NAME_INVALID;
        device = fm_object_new(&device_type, sizeof(*device));
        object = &device->object;
        if (DeviceExtensionSize) {
                device->extension = calloc(1, DeviceExtensionSize);
                if (!device->extension) {
                        fm_object_unref(device);
                        return STATUS_INSUFFICIENT_RESOURCES;
                }
        }
        object->Type = IO_TYPE_DEVICE;
        object->Size = (USHORT)sizeof(*object);
        object->DriverObject = DriverObject;
        object->Flags = DO_DEVICE_INITIALIZING;
        object->Characteristics = DeviceCharacteristics;
        object->DeviceExtension = device->extension;
        object->DeviceType = DeviceType;
        object->StackSize = 1;
        object->SectorSize = 512;
        KeInitializeEvent(&object->DeviceLock, SynchronizationEvent, TRUE);
        if (DeviceName) {
                device->name = fold_name(DeviceName);
                if (!device->name || !register_name(device)) {
                        fm_object_unref(device);
                        return STATUS_OBJECT_NAME_COLLISION;
                }
        }
        if (DriverObject) {
                object->NextDevice = DriverObject->DeviceObject;
                DriverObject->DeviceObject = object;
        }
        fm_ledger_add(FM_LEDGER_DEVICE, object, __builtin_return_address(0));
        *DeviceObject = object;
        return STATUS_SUCCESS;
}

VOID IoDeleteDevice(PDEVICE_OBJECT DeviceObject)
{
        struct device *device = (struct device *)DeviceObject;
        PDRIVER_OBJECT driver = DeviceObject->DriverObject;

        fm_check_irql(__func__, APC_LEVEL);
        fm_ledger_remove(FM_LEDGER_DEVICE, DeviceObject);
        if (device->name) {
                pthread_mutex_lock(&names_lock);
                g_hash_table_remove(device_names, device->name);
                pthread_mutex_unlock(&names_lock);
        }
        for (PDEVICE_OBJECT *at = driver ? &driver->DeviceObject : NULL; at && *at; at = &(*at)->NextDevice) {
                if (*at == DeviceObject) {
                        *at = DeviceObject->NextDevice;
                        break;
                }
        }
        DeviceObject->NextDevice = NULL;
        fm_object_unref(DeviceObject);
}

/* STATUS_OBJECT_NAME_COLLISION when there is one of that name. */
NTSTATUS IoCreateSymbolicLink(PUNICODE_STRING SymbolicLinkName, PUNICODE_STRING DeviceName)
{
        char *link = fold_name(SymbolicLinkName);
        char *target = fold_name(DeviceName);
        NTSTATUS status = STATUS_OBJECT_NAME_COLLISION;

        fm_check_irql(__func__, PASSIVE_LEVEL);
        pthread_mutex_lock(&names_lock);
        if (!links)
                links = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        if (link && target && !g_hash_table_contains(links, link) && g_hash_table_size(links) < NAMES_LIMIT) {
                g_hash_table_insert(links, g_steal_pointer(&link), g_steal_pointer(&target));
                status = STATUS_SUCCESS;
        }
        pthread_mutex_unlock(&names_lock);
        g_free(link);
        g_free(target);
        return status;
}

NTSTATUS IoCreateUnprotectedSymbolicLink(PUNICODE_STRING SymbolicLinkName, PUNICODE_STRING DeviceName)
{
        return IoCreateSymbolicLink(SymbolicLinkName, DeviceName);
}

NTSTATUS IoDeleteSymbolicLink(PUNICODE_STRING SymbolicLinkName)
{
        g_autofree char *link = fold_name(SymbolicLinkName);
        bool removed;

        fm_check_irql(__func__, PASSIVE_LEVEL);
        pthread_mutex_lock(&names_lock);
        removed = links && link && g_hash_table_remove(links, link);
        pthread_mutex_unlock(&names_lock);
        return removed ? STATUS_SUCCESS : STATUS_OBJECT_NAME_NOT_FOUND;
}

PDEVICE_OBJECT fm_device_ref_by_name(PCUNICODE_STRING name)
{
        g_autofree char *folded = fold_name(name);
        struct device *device = NULL;
        const char *target = folded;

        if (!folded)
                return NULL;
        pthread_mutex_lock(&names_lock);
        if (links && g_hash_table_contains(links, folded))
                target = g_hash_table_lookup(links, folded);
        if (device_names)
                device = g_hash_table_lookup(device_names, target);
        if (device && !fm_object_try_ref(device))
                device = NULL;
        pthread_mutex_unlock(&names_lock);
        return device ? &device->object : NULL;
}

PDEVICE_OBJECT IoGetAttachedDevice(PDEVICE_OBJECT DeviceObject)
{
        while (DeviceObject->AttachedDevice)
                DeviceObject = DeviceObject->AttachedDevice;
        return DeviceObject;
}

PDEVICE_OBJECT IoGetAttachedDeviceReference(PDEVICE_OBJECT DeviceObject)
{
        return fm_object_ref(IoGetAttachedDevice(DeviceObject));
}

PDEVICE_OBJECT IoGetRelatedDeviceObject(PFILE_OBJECT FileObject)
{
        return FileObject->DeviceObject ? IoGetAttachedDevice(FileObject->DeviceObject) : NULL;
}

PDEVICE_OBJECT IoGetBaseFileSystemDeviceObject(PFILE_OBJECT FileObject)
{
        return FileObject->DeviceObject;
}

/* \Registry\...\Services\<name>\Parameters, or \State\..., as a new handle. IRQL PASSIVE_LEVEL. */
NTSTATUS IoOpenDriverRegistryKey(PDRIVER_OBJECT DriverObject, DRIVER_REGKEY_TYPE RegKeyType,
                                 ACCESS_MASK DesiredAccess, ULONG Flags, PHANDLE DriverRegKey)
{
        g_autofree char *path = NULL;
        PUNICODE_STRING service;
        char *name;

        fm_check_irql("IoOpenDriverRegistryKey", PASSIVE_LEVEL);
        if (Flags != 0 || !DriverRegKey)
                return STATUS_INVALID_PARAMETER;
        service = &DriverObject->DriverExtension->ServiceKeyName;
        name = fm_utf8_from_utf16(service->Buffer, service->Length / sizeof(WCHAR));
        if (!name)
                return STATUS_INSUFFICIENT_RESOURCES;
        switch (RegKeyType) {
        case DriverRegKeyParameters:
                path = g_strconcat(FM_SERVICES_KEY "\\", name, "\\Parameters", NULL);
                break;
        case DriverRegKeyPersistentState:
                path = g_strconcat("\\Registry\\Machine\\System\\CurrentControlSet\\Control\\FltState\\",
                                   name, NULL);
                break;
        default:
                break;
        }
        free(name);
        if (!path)
                return STATUS_INVALID_PARAMETER;
        /* The key exists on Windows too when the service does, whatever its INF said. */
        return fm_key_open_handle(path, true, DriverRegKey);
}

/* Replaces the name by a copy in pool memory; a longer one gets a new buffer. */
NTSTATUS IoReplaceFileObjectName(PFILE_OBJECT FileObject, PWSTR NewFileName, USHORT FileNameLength)
{
        PUNICODE_STRING name = &FileObject->FileName;
        PWCH buffer;

        fm_check_irql(__func__, PASSIVE_LEVEL);
        if (FileNameLength > name->MaximumLength) {
                buffer = fm_pool_alloc(FileNameLength, IO_TAG);
                if (!buffer)
                        return STATUS_INSUFFICIENT_RESOURCES;
                fm_pool_free(name->Buffer);
                name->Buffer = buffer;
                name->MaximumLength = FileNameLength;
        }
        if (FileNameLength)
                memmove(name->Buffer, NewFileName, FileNameLength);
        name->Length = FileNameLength;
        return STATUS_SUCCESS;
}

/* "C:", in pool memory that ExFreePool frees. */
NTSTATUS IoVolumeDeviceToDosName(PVOID VolumeDeviceObject, PUNICODE_STRING DosName)
{
        const struct fm_io_hooks *hooks = __atomic_load_n(&io_hooks, __ATOMIC_ACQUIRE);

        fm_check_irql("IoVolumeDeviceToDosName", PASSIVE_LEVEL);
        if (!hooks || !hooks->volume_dos_name)
                return STATUS_INVALID_PARAMETER;
        return hooks->volume_dos_name(VolumeDeviceObject, DosName);
}

NTSTATUS IoVolumeDeviceToGuidPath(PVOID VolumeDeviceObject, PUNICODE_STRING GuidPath)
{
        const struct fm_io_hooks *hooks = __atomic_load_n(&io_hooks, __ATOMIC_ACQUIRE);

        if (!hooks || !hooks->volume_guid_name)
                return STATUS_INVALID_PARAMETER;
        return hooks->volume_guid_name(VolumeDeviceObject, GuidPath);
}

PIRP IoGetTopLevelIrp(VOID)
{
        return fm_thread_self()->top_level_irp;
}

VOID IoSetTopLevelIrp(PIRP Irp)
{
        fm_thread_self()->top_level_irp = Irp;
}

/* No transactions: NULL, always. */
PTXN_PARAMETER_BLOCK IoGetTransactionParameterBlock(PFILE_OBJECT FileObject)
{
        return NULL;
}

BOOLEAN IoIs32bitProcess(PIRP Irp)
{
        return FALSE;
}

VOID IoGetStackLimits(PULONG_PTR LowLimit, PULONG_PTR HighLimit)
{
        pthread_attr_t attributes;
        void *low = NULL;
        size_t size = 0;

        if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
                pthread_attr_getstack(&attributes, &low, &size);
                pthread_attr_destroy(&attributes);
        }
        *LowLimit = (ULONG_PTR)low;
        *HighLimit = (ULONG_PTR)low + size;
}

ULONG_PTR IoGetRemainingStackSize(VOID)
{
        ULONG_PTR low, high;

        IoGetStackLimits(&low, &high);
        return (ULONG_PTR)__builtin_frame_address(0) - low;
}

PVOID IoGetInitialStack(VOID)
{
        ULONG_PTR low, high;

        fm_check_irql(__func__, APC_LEVEL);
        IoGetStackLimits(&low, &high);
        return (PVOID)high;
}

PGENERIC_MAPPING IoGetFileObjectGenericMapping(VOID)
{
        static GENERIC_MAPPING mapping = {FILE_GENERIC_READ, FILE_GENERIC_WRITE, FILE_GENERIC_EXECUTE,
                                          FILE_ALL_ACCESS};

        fm_check_irql(__func__, PASSIVE_LEVEL);
        return &mapping;
}

struct _IO_WORKITEM {
        PVOID object;
        PVOID context;
        PIO_WORKITEM_ROUTINE routine;
        PIO_WORKITEM_ROUTINE_EX routine_ex;
};

PIO_WORKITEM IoAllocateWorkItem(PDEVICE_OBJECT DeviceObject)
{
        PIO_WORKITEM item = ExAllocatePoolWithTag(NonPagedPoolNx, sizeof(*item), IO_TAG);

        if (item)
                IoInitializeWorkItem(DeviceObject, item);
        return item;
}

VOID IoFreeWorkItem(PIO_WORKITEM IoWorkItem)
{
        ExFreePoolWithTag(IoWorkItem, IO_TAG);
}

ULONG IoSizeofWorkItem(VOID)
{
        return sizeof(struct _IO_WORKITEM);
}

VOID IoInitializeWorkItem(PVOID IoObject, PIO_WORKITEM IoWorkItem)
{
        memset(IoWorkItem, 0, sizeof(*IoWorkItem));
        IoWorkItem->object = IoObject;
}

VOID IoUninitializeWorkItem(PIO_WORKITEM IoWorkItem)
{
}

/* The object stays alive until the routine has returned, whatever the routine does with the item. */
static void run_work_item(void *data)
{
        PIO_WORKITEM item = data;
        PVOID object = item->object;

        if (item->routine_ex)
                item->routine_ex(object, item->context, item);
        else
                item->routine(object, item->context);
        fm_object_unref(object);
}

VOID IoQueueWorkItem(PIO_WORKITEM IoWorkItem, PIO_WORKITEM_ROUTINE WorkerRoutine, WORK_QUEUE_TYPE QueueType,
                     PVOID Context)
{
        fm_check_irql("IoQueueWorkItem", DISPATCH_LEVEL);
        IoWorkItem->routine = WorkerRoutine;
        IoWorkItem->routine_ex = NULL;
        IoWorkItem->context = Context;
        fm_object_ref(IoWorkItem->object);
        fm_work_queue(run_work_item, IoWorkItem, (const void *)WorkerRoutine);
}

VOID IoQueueWorkItemEx(PIO_WORKITEM IoWorkItem, PIO_WORKITEM_ROUTINE_EX WorkerRoutine,
                       WORK_QUEUE_TYPE QueueType, PVOID Context)
{
        fm_check_irql("IoQueueWorkItemEx", DISPATCH_LEVEL);
        IoWorkItem->routine = NULL;
        IoWorkItem->routine_ex = WorkerRoutine;
        IoWorkItem->context = Context;
        fm_object_ref(IoWorkItem->object);
        fm_work_queue(run_work_item, IoWorkItem, (const void *)WorkerRoutine);
}

NTSTATUS IoRegisterShutdownNotification(PDEVICE_OBJECT DeviceObject)
{
        fm_not_supported("IoRegisterShutdownNotification");
        return STATUS_NOT_SUPPORTED;
}

VOID IoUnregisterShutdownNotification(PDEVICE_OBJECT DeviceObject)
{
        fm_check_irql(__func__, PASSIVE_LEVEL);
}

/* Nobody outside can open the device, so there is nobody to keep out: IoCreateDevice(). */
NTSTATUS IoCreateDeviceSecure(PDRIVER_OBJECT DriverObject, ULONG DeviceExtensionSize, PUNICODE_STRING DeviceName,
                              DEVICE_TYPE DeviceType, ULONG DeviceCharacteristics, BOOLEAN Exclusive,
                              PCUNICODE_STRING DefaultSDDLString, LPCGUID DeviceClassGuid,
                              PDEVICE_OBJECT *DeviceObject)
{
        return IoCreateDevice(DriverObject, DeviceExtensionSize, DeviceName, DeviceType, DeviceCharacteristics,
                              Exclusive, DeviceObject);
}

/* All I/O is of normal priority; only paging I/O has one of this kind. IRQL <= DISPATCH_LEVEL. */
IO_PAGING_PRIORITY IoGetPagingIoPriority(PIRP Irp)
{
        return Irp->Flags & IRP_PAGING_IO ? IoPagingPriorityNormal : IoPagingPriorityInvalid;
}

/* Whether whoever sent the request waits for it. IRQL <= DISPATCH_LEVEL. */
BOOLEAN IoIsOperationSynchronous(PIRP Irp)
{
        PFILE_OBJECT file = IoGetCurrentIrpStackLocation(Irp)->FileObject;

        return (Irp->Flags & (IRP_SYNCHRONOUS_API | IRP_SYNCHRONOUS_PAGING_IO)) ||
               (file && (file->Flags & FO_SYNCHRONOUS_IO));
}

/* Whether IoSetFileOrigin() has said so: nothing here comes over a network by itself. */
BOOLEAN IoIsFileOriginRemote(PFILE_OBJECT FileObject)
{
        return (FileObject->Flags & FO_REMOTE_ORIGIN) != 0;
}

NTSTATUS IoSetFileOrigin(PFILE_OBJECT FileObject, BOOLEAN Remote)
{
        if (Remote)
                FileObject->Flags |= FO_REMOTE_ORIGIN;
        else
                FileObject->Flags &= ~(ULONG)FO_REMOTE_ORIGIN;
        return STATUS_SUCCESS;
}
