/* SPDX-License-Identifier: MIT */
/*
 * Io, FsRtl and Ob functions on a file object, for those who have nothing else: no instance and no handle. A file that
 * was opened below an instance is asked below it, all others from the top of the stack.
 */
#include "fltmgr/check.h"
#include "fltmgr/fileio.h"
#include "fltmgr/lookup.h"
#include "nt/object.h"

#define NAME_TAG 'mNoI'

static PFLT_INSTANCE below(PFILE_OBJECT file)
{
        return fm_file_object(file)->initiator;
}

/* Asks about an opened file. The file system's status; STATUS_INVALID_PARAMETER: not open. IRQL PASSIVE_LEVEL. */
NTSTATUS IoQueryFileInformation(PFILE_OBJECT FileObject, FILE_INFORMATION_CLASS FileInformationClass, ULONG Length,
                                PVOID FileInformation, PULONG ReturnedLength)
{
        ULONG_PTR information = 0;
        NTSTATUS status = fm_io_query_information(__func__, below(FileObject), FileObject, FileInformation, Length,
                                                  FileInformationClass, &information);

        *ReturnedLength = (ULONG)information;
        return status;
}

/* Changes an opened file. The file system's status; STATUS_INVALID_PARAMETER: not open. IRQL PASSIVE_LEVEL. */
NTSTATUS IoSetInformation(PFILE_OBJECT FileObject, FILE_INFORMATION_CLASS FileInformationClass, ULONG Length,
                          PVOID FileInformation)
{
        return fm_io_set_information(__func__, below(FileObject), FileObject, FileInformation, Length,
                                     FileInformationClass);
}

/* Asks about the volume of an opened file. As IoQueryFileInformation(). */
NTSTATUS IoQueryVolumeInformation(PFILE_OBJECT FileObject, FS_INFORMATION_CLASS FsInformationClass, ULONG Length,
                                  PVOID FsInformation, PULONG ReturnedLength)
{
        ULONG_PTR information = 0;
        NTSTATUS status =
                fm_io_volume_information(__func__, below(FileObject), IRP_MJ_QUERY_VOLUME_INFORMATION, FileObject,
                                         FsInformation, Length, FsInformationClass, &information);

        *ReturnedLength = (ULONG)information;
        return status;
}

/* The size of an opened file. STATUS_FILE_IS_A_DIRECTORY, or the file system's status. IRQL PASSIVE_LEVEL. */
NTSTATUS FsRtlGetFileSize(PFILE_OBJECT FileObject, PLARGE_INTEGER FileSize)
{
        FILE_STANDARD_INFORMATION information;
        NTSTATUS status = fm_io_query_information(__func__, below(FileObject), FileObject, &information,
                                                  sizeof(information), FileStandardInformation, NULL);

        if (!NT_SUCCESS(status))
                return status;
        if (information.Directory)
                return STATUS_FILE_IS_A_DIRECTORY;
        *FileSize = information.EndOfFile;
        return STATUS_SUCCESS;
}

/* The volume's sector size for all. STATUS_SUCCESS, STATUS_INVALID_PARAMETER: no volume's. IRQL PASSIVE_LEVEL. */
ULONG FsRtlGetSectorSizeInformation(PDEVICE_OBJECT DeviceObject, PFILE_FS_SECTOR_SIZE_INFORMATION SectorSizeInfo)
{
        PFLT_VOLUME volume = fm_volume_ref_by_device(DeviceObject);
        ULONG size;

        fm_check_irql(__func__, PASSIVE_LEVEL);
        if (!volume)
                return (ULONG)STATUS_INVALID_PARAMETER;
        size = volume->sector_size;
        *SectorSizeInfo = (FILE_FS_SECTOR_SIZE_INFORMATION){
                .LogicalBytesPerSector = size,
                .PhysicalBytesPerSectorForAtomicity = size,
                .PhysicalBytesPerSectorForPerformance = size,
                .FileSystemEffectivePhysicalBytesPerSectorForAtomicity = size,
                .Flags = SSINFO_FLAGS_ALIGNED_DEVICE | SSINFO_FLAGS_PARTITION_ALIGNED_ON_DEVICE,
        };
        fm_flt_object_unref(volume);
        return (ULONG)STATUS_SUCCESS;
}

/* The disk under a volume's device, referenced. STATUS_SUCCESS, STATUS_INVALID_PARAMETER. IRQL <= DISPATCH_LEVEL. */
NTSTATUS IoGetDiskDeviceObject(PDEVICE_OBJECT FileSystemDeviceObject, PDEVICE_OBJECT *DiskDeviceObject)
{
        PFLT_VOLUME volume = fm_volume_ref_by_device(FileSystemDeviceObject);
        NTSTATUS status;

        if (!volume)
                return STATUS_INVALID_PARAMETER;
        status = FltGetDiskDeviceObject(volume, DiskDeviceObject);
        fm_flt_object_unref(volume);
        return status;
}

/* ---- names ---- */

/* prefix and the file's present path as one string, UTF-16, to be freed with g_free(). */
static NTSTATUS full_name(const char *function, PFILE_OBJECT file, PCUNICODE_STRING prefix, UNICODE_STRING *ret)
{
        const ULONG size = sizeof(FILE_NAME_INFORMATION) + UNICODE_STRING_MAX_BYTES;
        g_autofree FILE_NAME_INFORMATION *name = g_malloc(size);
        NTSTATUS status = fm_io_query_information(function, below(file), file, name, size, FileNameInformation, NULL);

        if (!NT_SUCCESS(status))
                return status;
        if (prefix->Length + name->FileNameLength > UNICODE_STRING_MAX_BYTES - sizeof(WCHAR))
                return STATUS_NAME_TOO_LONG;
        ret->Length = (USHORT)(prefix->Length + name->FileNameLength);
        ret->MaximumLength = (USHORT)(ret->Length + sizeof(WCHAR));
        ret->Buffer = g_malloc0(ret->MaximumLength);
        memcpy(ret->Buffer, prefix->Buffer, prefix->Length);
        memcpy((char *)ret->Buffer + prefix->Length, name->FileName, name->FileNameLength);
        return STATUS_SUCCESS;
}

/* The string with its characters after it. */
static void put_name(POBJECT_NAME_INFORMATION to, PCUNICODE_STRING name)
{
        to->Name = (UNICODE_STRING){name->Length, name->MaximumLength, (PWCH)(to + 1)};
        memcpy(to->Name.Buffer, name->Buffer, name->MaximumLength);
}

/*
 * "C:\a\b" of an opened file, in pool memory that the caller frees with ExFreePool(). STATUS_INVALID_PARAMETER: not
 * open; STATUS_OBJECT_NAME_NOT_FOUND: the volume has no letter; or the file system's status. IRQL PASSIVE_LEVEL.
 */
NTSTATUS IoQueryFileDosDeviceName(PFILE_OBJECT FileObject, POBJECT_NAME_INFORMATION *ObjectNameInformation)
{
        PFLT_VOLUME volume = fm_file_object(FileObject)->volume;
        UNICODE_STRING name;
        NTSTATUS status;

        fm_check_irql(__func__, PASSIVE_LEVEL);
        if (!volume || !volume->DosName.Length)
                return STATUS_OBJECT_NAME_NOT_FOUND;
        status = full_name(__func__, FileObject, &volume->DosName, &name);
        if (!NT_SUCCESS(status))
                return status;
        *ObjectNameInformation = ExAllocatePoolWithTag(PagedPool, sizeof(OBJECT_NAME_INFORMATION) + name.MaximumLength,
                                                       NAME_TAG);
        if (*ObjectNameInformation)
                put_name(*ObjectNameInformation, &name);
        else
                status = STATUS_INSUFFICIENT_RESOURCES;
        g_free(name.Buffer);
        return status;
}

/* False: it is no volume's device. */
static bool device_name(PVOID device, UNICODE_STRING *ret)
{
        PFLT_VOLUME volume = fm_volume_ref_by_device(device);
        USHORT size;

        if (!volume || device != volume->device) {
                fm_flt_object_unref(volume);
                return false;
        }
        size = (USHORT)(volume->Name.Length + sizeof(WCHAR));
        *ret = (UNICODE_STRING){volume->Name.Length, size, g_malloc0(size)};
        memcpy(ret->Buffer, volume->Name.Buffer, volume->Name.Length);
        fm_flt_object_unref(volume);
        return true;
}

static NTSTATUS object_name(PVOID object, UNICODE_STRING *ret)
{
        POBJECT_TYPE type = fm_object_type_of(object);
        PCUNICODE_STRING driver;

        *ret = (UNICODE_STRING){0};
        if (type == *IoFileObjectType && fm_file_object(object)->volume)
                return full_name("ObQueryNameString", object, &fm_file_object(object)->volume->Name, ret);
        if (device_name(object, ret))
                return STATUS_SUCCESS;
        if (type == *IoDeviceObjectType) {
                fm_log_unsupported("ObQueryNameString", "of devices, only volumes' can be asked for their names");
                return STATUS_NOT_SUPPORTED;
        }
        if (type == *IoDriverObjectType) {
                driver = &((PDRIVER_OBJECT)object)->DriverName;
                *ret = (UNICODE_STRING){driver->Length, driver->MaximumLength,
                                        g_memdup2(driver->Buffer, driver->MaximumLength)};
        }
        return STATUS_SUCCESS;
}

/*
 * "\Device\HarddiskVolume1\a\b" of an opened file, the name of a volume's device and of a driver; events, processes and
 * the like have none, which is an empty string.
 * STATUS_INFO_LENGTH_MISMATCH: *ReturnLength bytes are needed; STATUS_NOT_SUPPORTED: another device; or as
 * IoQueryFileInformation(). IRQL PASSIVE_LEVEL.
 */
NTSTATUS ObQueryNameString(PVOID Object, POBJECT_NAME_INFORMATION ObjectNameInfo, ULONG Length, PULONG ReturnLength)
{
        UNICODE_STRING name;
        NTSTATUS status;

        fm_check_irql(__func__, PASSIVE_LEVEL);
        status = object_name(Object, &name);
        if (!NT_SUCCESS(status))
                return status;
        *ReturnLength = (ULONG)sizeof(*ObjectNameInfo) + name.MaximumLength;
        if (Length < *ReturnLength)
                status = STATUS_INFO_LENGTH_MISMATCH;
        else if (name.Length)
                put_name(ObjectNameInfo, &name);
        else
                ObjectNameInfo->Name = (UNICODE_STRING){0};
        g_free(name.Buffer);
        return status;
}
