/* SPDX-License-Identifier: MIT */
/*
 * IRP_MJ_QUERY_VOLUME_INFORMATION and IRP_MJ_SET_VOLUME_INFORMATION at the bottom: the backing file system as
 * a volume.
 */
#include "fuse/fsd.h"

#include <stddef.h>
#include <string.h>

#include "fuse/session.h"
#include "nt/status.h"
#include "nt/unicode.h"

/* Guards the label in a volume's VPB. It is the mount's: Linux has no way to ask a directory for one. */
static pthread_mutex_t label_lock = PTHREAD_MUTEX_INITIALIZER;

static ULONG put_name(void *buffer, ULONG length, ULONG at, const WCHAR *name, ULONG bytes, NTSTATUS *status)
{
        const ULONG room = length - at;

        if (bytes > room) {
                *status = STATUS_BUFFER_OVERFLOW;
                bytes = room & ~1u;
        }
        memcpy((UCHAR *)buffer + at, name, bytes);
        return at + bytes;
}

/* FUSE counts in f_frsize; Windows in units of sectors. */
static ULONG sectors_per_unit(const struct statvfs *fs, ULONG sector)
{
        return fs->f_frsize > sector ? (ULONG)(fs->f_frsize / sector) : 1;
}

NTSTATUS fm_fsd_fill_volume(struct fm_operation *op, const struct statvfs *fs, int class, void *buffer,
                            ULONG length, ULONG *written)
{
        static const WCHAR file_system[] = L"NTFS";
        struct fm_session *session = fm_fsd_session(op);
        const ULONG sector = op->volume->sector_size;
        NTSTATUS status = STATUS_SUCCESS;

        switch (class) {
        case FileFsVolumeInformation: {
                FILE_FS_VOLUME_INFORMATION *out = buffer;
                if (length < sizeof(*out))
                        return STATUS_INFO_LENGTH_MISMATCH;
                memset(out, 0, offsetof(FILE_FS_VOLUME_INFORMATION, VolumeLabel));
                out->VolumeSerialNumber = (ULONG)(fs->f_fsid ^ (uint64_t)fs->f_fsid >> 32);
                pthread_mutex_lock(&label_lock);
                out->VolumeLabelLength = op->volume->vpb.VolumeLabelLength;
                *written = put_name(buffer, length, offsetof(FILE_FS_VOLUME_INFORMATION, VolumeLabel),
                                    op->volume->vpb.VolumeLabel, out->VolumeLabelLength, &status);
                pthread_mutex_unlock(&label_lock);
                return status;
        }
        case FileFsSizeInformation: {
                FILE_FS_SIZE_INFORMATION *out = buffer;
                if (length < sizeof(*out))
                        return STATUS_INFO_LENGTH_MISMATCH;
                out->TotalAllocationUnits.QuadPart = (LONGLONG)fs->f_blocks;
                out->AvailableAllocationUnits.QuadPart = (LONGLONG)fs->f_bavail;
                out->SectorsPerAllocationUnit = sectors_per_unit(fs, sector);
                out->BytesPerSector = sector;
                *written = sizeof(*out);
                return STATUS_SUCCESS;
        }
        case FileFsFullSizeInformation: {
                FILE_FS_FULL_SIZE_INFORMATION *out = buffer;
                if (length < sizeof(*out))
                        return STATUS_INFO_LENGTH_MISMATCH;
                out->TotalAllocationUnits.QuadPart = (LONGLONG)fs->f_blocks;
                out->CallerAvailableAllocationUnits.QuadPart = (LONGLONG)fs->f_bavail;
                out->ActualAvailableAllocationUnits.QuadPart = (LONGLONG)fs->f_bfree;
                out->SectorsPerAllocationUnit = sectors_per_unit(fs, sector);
                out->BytesPerSector = sector;
                *written = sizeof(*out);
                return STATUS_SUCCESS;
        }
        case FileFsDeviceInformation: {
                FILE_FS_DEVICE_INFORMATION *out = buffer;
                if (length < sizeof(*out))
                        return STATUS_INFO_LENGTH_MISMATCH;
                out->DeviceType = FILE_DEVICE_DISK;
                out->Characteristics = session->options.read_only ? FILE_READ_ONLY_DEVICE : 0;
                *written = sizeof(*out);
                return STATUS_SUCCESS;
        }
        case FileFsAttributeInformation: {
                FILE_FS_ATTRIBUTE_INFORMATION *out = buffer;
                if (length < sizeof(*out))
                        return STATUS_INFO_LENGTH_MISMATCH;
                out->FileSystemAttributes = FILE_CASE_SENSITIVE_SEARCH | FILE_CASE_PRESERVED_NAMES |
                                            FILE_UNICODE_ON_DISK | FILE_PERSISTENT_ACLS |
                                            FILE_SUPPORTS_SPARSE_FILES | FILE_SUPPORTS_REPARSE_POINTS |
                                            FILE_SUPPORTS_HARD_LINKS | FILE_SUPPORTS_EXTENDED_ATTRIBUTES |
                                            FILE_SUPPORTS_OPEN_BY_FILE_ID |
                                            (session->options.read_only ? FILE_READ_ONLY_VOLUME : 0);
                out->MaximumComponentNameLength = (LONG)fs->f_namemax;
                out->FileSystemNameLength = sizeof(file_system) - sizeof(WCHAR);
                *written = put_name(buffer, length, offsetof(FILE_FS_ATTRIBUTE_INFORMATION, FileSystemName),
                                    file_system, out->FileSystemNameLength, &status);
                return status;
        }
        case FileFsSectorSizeInformation: {
                FILE_FS_SECTOR_SIZE_INFORMATION *out = buffer;
                if (length < sizeof(*out))
                        return STATUS_INFO_LENGTH_MISMATCH;
                memset(out, 0, sizeof(*out));
                out->LogicalBytesPerSector = sector;
                out->PhysicalBytesPerSectorForAtomicity = sector;
                out->PhysicalBytesPerSectorForPerformance = sector;
                out->FileSystemEffectivePhysicalBytesPerSectorForAtomicity = sector;
                out->Flags = 3; /* SSINFO_FLAGS_ALIGNED_DEVICE, SSINFO_FLAGS_PARTITION_ALIGNED_ON_DEVICE */
                *written = sizeof(*out);
                return STATUS_SUCCESS;
        }
        case FileFsObjectIdInformation:
                /* A volume without an object id, which is what most have. */
                return STATUS_OBJECT_NAME_NOT_FOUND;
        default:
                return STATUS_INVALID_INFO_CLASS;
        }
}

void fm_fsd_query_volume(struct fm_operation *op)
{
        const int class = (int)op->iopb.Parameters.QueryVolumeInformation.FsInformationClass;
        struct fm_fsd_file *fsd = fm_fsd_file(op->iopb.TargetFileObject);
        void *buffer = op->iopb.Parameters.QueryVolumeInformation.VolumeBuffer;
        struct statvfs fs;
        NTSTATUS status;
        ULONG written = 0;
        int error;

        if (!buffer) {
                fm_operation_set_result(op, STATUS_INVALID_PARAMETER, 0);
                return;
        }
        if (fm_fsd_perform(op, (ULONG) class, NULL, 0))
                return;
        error = fm_backing_statfs(fsd->inode ? fsd->inode : fm_fsd_session(op)->root, &fs);
        if (error < 0) {
                fm_operation_set_error(op, -error);
                return;
        }
        status = fm_fsd_fill_volume(op, &fs, class, buffer, op->iopb.Parameters.QueryVolumeInformation.Length,
                                    &written);
        fm_operation_set_result(op, status, written);
}

static NTSTATUS set_label(PFLT_VOLUME volume, const FILE_FS_LABEL_INFORMATION *label, ULONG length)
{
        if (!label || length < sizeof(*label) ||
            label->VolumeLabelLength > length - offsetof(FILE_FS_LABEL_INFORMATION, VolumeLabel))
                return STATUS_INFO_LENGTH_MISMATCH;
        if (label->VolumeLabelLength > MAXIMUM_VOLUME_LABEL_LENGTH || label->VolumeLabelLength % sizeof(WCHAR))
                return STATUS_INVALID_VOLUME_LABEL;
        if (volume->read_only)
                return STATUS_MEDIA_WRITE_PROTECTED;
        pthread_mutex_lock(&label_lock);
        memcpy(volume->vpb.VolumeLabel, label->VolumeLabel, label->VolumeLabelLength);
        volume->vpb.VolumeLabelLength = (USHORT)label->VolumeLabelLength;
        pthread_mutex_unlock(&label_lock);
        return STATUS_SUCCESS;
}

void fm_fsd_set_volume(struct fm_operation *op)
{
        NTSTATUS status;

        switch (op->iopb.Parameters.SetVolumeInformation.FsInformationClass) {
        case FileFsLabelInformation:
                status = set_label(op->volume, op->iopb.Parameters.SetVolumeInformation.VolumeBuffer,
                                   op->iopb.Parameters.SetVolumeInformation.Length);
                break;
        case FileFsControlInformation:
        case FileFsObjectIdInformation:
                /* Quotas and ids belong to the backing file system. */
                status = STATUS_NOT_SUPPORTED;
                break;
        default:
                status = STATUS_INVALID_INFO_CLASS;
        }
        fm_operation_set_result(op, status, 0);
}
