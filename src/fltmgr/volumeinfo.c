/* SPDX-License-Identifier: MIT */
/*
 * What a volume says about itself: it claims to be a local NTFS volume on a disk.
 */
#include <string.h>

#include "fltmgr/check.h"
#include "fltmgr/lookup.h"
#include "nt/io.h"
#include "nt/object.h"

static NTSTATUS copy_string(PCUNICODE_STRING from, PUNICODE_STRING to, PULONG needed)
{
        if (!to && !needed)
                return STATUS_INVALID_PARAMETER;
        if (needed)
                *needed = from->Length;
        if (!to || !to->Buffer || to->MaximumLength < from->Length)
                return STATUS_BUFFER_TOO_SMALL;
        memcpy(to->Buffer, from->Buffer, from->Length);
        to->Length = from->Length;
        return STATUS_SUCCESS;
}

/*
 * The volume's device name, "\Device\HarddiskVolume1".
 * STATUS_SUCCESS; STATUS_BUFFER_TOO_SMALL and, if wanted, the size in bytes (also without VolumeName);
 * STATUS_INVALID_PARAMETER: neither is wanted. IRQL <= APC_LEVEL.
 */
NTSTATUS FltGetVolumeName(PFLT_VOLUME Volume, PUNICODE_STRING VolumeName, PULONG BufferSizeNeeded)
{
        fm_check_irql(__func__, APC_LEVEL);
        return copy_string(&Volume->Name, VolumeName, BufferSizeNeeded);
}

/* The volume's GUID name, "\??\Volume{...}". Statuses as FltGetVolumeName. IRQL PASSIVE_LEVEL. */
NTSTATUS FltGetVolumeGuidName(PFLT_VOLUME Volume, PUNICODE_STRING VolumeGuidName, PULONG BufferSizeNeeded)
{
        fm_check_irql(__func__, PASSIVE_LEVEL);
        return copy_string(&Volume->GuidName, VolumeGuidName, BufferSizeNeeded);
}

/*
 * Device type and characteristics, sector size, and the names of file system and device, which follow in the buffer.
 * STATUS_SUCCESS; STATUS_BUFFER_OVERFLOW: all but the names, LengthReturned is what was given;
 * STATUS_BUFFER_TOO_SMALL: nothing, LengthReturned is what it takes. IRQL <= APC_LEVEL.
 */
NTSTATUS FltGetVolumeProperties(PFLT_VOLUME Volume, PFLT_VOLUME_PROPERTIES VolumeProperties,
                                ULONG VolumePropertiesLength, PULONG LengthReturned)
{
        const UNICODE_STRING names[] = {RTL_CONSTANT_STRING(L"\\FileSystem\\Ntfs"), RTL_CONSTANT_STRING(L"\\Ntfs"),
                                        Volume->Name};
        PFLT_VOLUME_PROPERTIES properties = VolumeProperties;
        PUNICODE_STRING fields[3];
        ULONG needed = sizeof(*properties);
        char *place;

        fm_check_irql(__func__, APC_LEVEL);
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
                needed += names[i].Length;
        *LengthReturned = needed;
        if (VolumePropertiesLength < sizeof(*properties))
                return STATUS_BUFFER_TOO_SMALL;

        memset(properties, 0, sizeof(*properties));
        properties->DeviceType = Volume->device->DeviceType;
        properties->DeviceCharacteristics = Volume->device->Characteristics;
        properties->DeviceObjectFlags = Volume->device->Flags;
        properties->AlignmentRequirement = Volume->device->AlignmentRequirement;
        properties->SectorSize = (USHORT)Volume->sector_size;
        if (VolumePropertiesLength < needed) {
                *LengthReturned = sizeof(*properties);
                return STATUS_BUFFER_OVERFLOW;
        }
        fields[0] = &properties->FileSystemDriverName;
        fields[1] = &properties->FileSystemDeviceName;
        fields[2] = &properties->RealDeviceName;
        place = (char *)(properties + 1);
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                memcpy(place, names[i].Buffer, names[i].Length);
                *fields[i] = (UNICODE_STRING){names[i].Length, names[i].Length, (PWCH)place};
                place += names[i].Length;
        }
        return STATUS_SUCCESS;
}

/* The volume's device object, referenced. STATUS_SUCCESS, STATUS_FLT_NO_DEVICE_OBJECT. IRQL <= DISPATCH_LEVEL. */
NTSTATUS FltGetDeviceObject(PFLT_VOLUME Volume, PDEVICE_OBJECT *DeviceObject)
{
        fm_check_irql(__func__, DISPATCH_LEVEL);
        *DeviceObject = Volume->device ? fm_object_ref(Volume->device) : NULL;
        return Volume->device ? STATUS_SUCCESS : STATUS_FLT_NO_DEVICE_OBJECT;
}

/*
 * The disk device under the volume, referenced. It has a type and names, but takes no requests. STATUS_SUCCESS,
 * STATUS_FLT_NO_DEVICE_OBJECT. IRQL <= DISPATCH_LEVEL.
 */
NTSTATUS FltGetDiskDeviceObject(PFLT_VOLUME Volume, PDEVICE_OBJECT *DiskDeviceObject)
{
        fm_check_irql(__func__, DISPATCH_LEVEL);
        *DiskDeviceObject = Volume->disk ? fm_object_ref(Volume->disk) : NULL;
        return Volume->disk ? STATUS_SUCCESS : STATUS_FLT_NO_DEVICE_OBJECT;
}

/* Always NTFS. STATUS_SUCCESS; STATUS_INVALID_PARAMETER: neither an instance nor a volume. IRQL <= APC_LEVEL. */
NTSTATUS FltGetFileSystemType(PVOID FltObject, PFLT_FILESYSTEM_TYPE FileSystemType)
{
        fm_check_irql(__func__, APC_LEVEL);
        if (!FltObject || !fm_volume_of(FltObject))
                return STATUS_INVALID_PARAMETER;
        *FileSystemType = FLT_FSTYPE_NTFS;
        return STATUS_SUCCESS;
}

/* Whether an instance's volume can be written to. STATUS_SUCCESS, STATUS_INVALID_PARAMETER. IRQL PASSIVE_LEVEL. */
NTSTATUS FltIsVolumeWritable(PVOID FltObject, PBOOLEAN IsWritable)
{
        PFLT_VOLUME volume = FltObject ? fm_volume_of(FltObject) : NULL;

        fm_check_irql(__func__, PASSIVE_LEVEL);
        if (!volume)
                return STATUS_INVALID_PARAMETER;
        *IsWritable = !volume->read_only;
        return STATUS_SUCCESS;
}

/* No volume is a snapshot here. STATUS_SUCCESS, STATUS_INVALID_PARAMETER. IRQL PASSIVE_LEVEL. */
NTSTATUS FltIsVolumeSnapshot(PVOID FltObject, PBOOLEAN IsSnapshotVolume)
{
        fm_check_irql(__func__, PASSIVE_LEVEL);
        if (!FltObject || !fm_volume_of(FltObject))
                return STATUS_INVALID_PARAMETER;
        *IsSnapshotVolume = FALSE;
        return STATUS_SUCCESS;
}

/* ---- what the I/O manager wants to know of a volume's device ---- */

static NTSTATUS pool_copy(PFLT_VOLUME volume, PCUNICODE_STRING from, PUNICODE_STRING to)
{
        NTSTATUS status = STATUS_INVALID_PARAMETER;

        *to = (UNICODE_STRING){0};
        if (volume && from->Length) {
                to->Buffer = ExAllocatePoolWithTag(PagedPool, from->Length + sizeof(WCHAR), 'nVmF');
                status = to->Buffer ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
        }
        if (NT_SUCCESS(status)) {
                memcpy(to->Buffer, from->Buffer, from->Length);
                to->Buffer[from->Length / sizeof(WCHAR)] = 0;
                to->Length = from->Length;
                to->MaximumLength = (USHORT)(from->Length + sizeof(WCHAR));
        }
        fm_flt_object_unref(volume);
        return status;
}

static NTSTATUS volume_dos_name(PDEVICE_OBJECT device, PUNICODE_STRING name)
{
        PFLT_VOLUME volume = fm_volume_ref_by_device(device);

        return pool_copy(volume, volume ? &volume->DosName : NULL, name);
}

static NTSTATUS volume_guid_name(PDEVICE_OBJECT device, PUNICODE_STRING name)
{
        PFLT_VOLUME volume = fm_volume_ref_by_device(device);

        return pool_copy(volume, volume ? &volume->GuidName : NULL, name);
}

__attribute__((constructor)) static void volume_hooks_init(void)
{
        static const struct fm_io_hooks hooks = {volume_dos_name, volume_guid_name};

        fm_io_set_hooks(&hooks);
}
