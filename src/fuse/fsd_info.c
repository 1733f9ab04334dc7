/* SPDX-License-Identifier: MIT */
/*
 * Information classes filled from statx. See fsd_info.h.
 *
 * Every class has its documented fixed part; a shorter buffer is STATUS_INFO_LENGTH_MISMATCH, and only
 * names may be cut.
 */
#include "fuse/fsd_info.h"

#include <glib.h>
#include <stddef.h>
#include <string.h>

#include "fuse/fsd_types.h"

#define NT_EPOCH 11644473600LL /* seconds from 1601 to 1970 */
#define TICKS    10000000LL    /* per second */

LONGLONG fm_fsd_time(const struct statx_timestamp *time)
{
        return (time->tv_sec + NT_EPOCH) * TICKS + time->tv_nsec / 100;
}

struct timespec fm_fsd_timespec(LONGLONG time)
{
        LONGLONG seconds = time / TICKS, rest = time % TICKS;

        if (rest < 0) {
                rest += TICKS;
                seconds--;
        }
        return (struct timespec){.tv_sec = seconds - NT_EPOCH, .tv_nsec = rest * 100};
}

ULONG fm_fsd_reparse_tag(mode_t mode)
{
        switch (mode & S_IFMT) {
        case S_IFLNK:
                return IO_REPARSE_TAG_LX_SYMLINK;
        case S_IFIFO:
                return IO_REPARSE_TAG_LX_FIFO;
        case S_IFCHR:
                return IO_REPARSE_TAG_LX_CHR;
        case S_IFBLK:
                return IO_REPARSE_TAG_LX_BLK;
        case S_IFSOCK:
                return IO_REPARSE_TAG_AF_UNIX;
        default:
                return 0;
        }
}

mode_t fm_fsd_file_type(ULONG attributes, ULONG reparse_tag)
{
        if (attributes & FILE_ATTRIBUTE_REPARSE_POINT) {
                switch (reparse_tag) {
                case IO_REPARSE_TAG_LX_SYMLINK:
                case IO_REPARSE_TAG_SYMLINK:
                        return S_IFLNK;
                case IO_REPARSE_TAG_LX_FIFO:
                        return S_IFIFO;
                case IO_REPARSE_TAG_LX_CHR:
                        return S_IFCHR;
                case IO_REPARSE_TAG_LX_BLK:
                        return S_IFBLK;
                case IO_REPARSE_TAG_AF_UNIX:
                        return S_IFSOCK;
                default:
                        break;
                }
        }
        return attributes & FILE_ATTRIBUTE_DIRECTORY ? S_IFDIR : S_IFREG;
}

ULONG fm_fsd_attributes(const struct statx *st)
{
        ULONG attributes = 0;

        if (S_ISDIR(st->stx_mode))
                attributes |= FILE_ATTRIBUTE_DIRECTORY;
        else if (!S_ISREG(st->stx_mode))
                attributes |= FILE_ATTRIBUTE_REPARSE_POINT;
        if (S_ISREG(st->stx_mode) && (st->stx_mode & 0222) == 0)
                attributes |= FILE_ATTRIBUTE_READONLY;
        return attributes ? attributes : FILE_ATTRIBUTE_NORMAL;
}

LONGLONG fm_fsd_allocation(const struct statx *st)
{
        return S_ISDIR(st->stx_mode) ? 0 : (LONGLONG)st->stx_blocks * 512;
}

static LONGLONG end_of_file(const struct statx *st)
{
        return S_ISREG(st->stx_mode) ? (LONGLONG)st->stx_size : 0;
}

static LONGLONG creation_time(const struct statx *st)
{
        return fm_fsd_time(st->stx_mask & STATX_BTIME ? &st->stx_btime : &st->stx_mtime);
}

static ULONG tag_of(const struct statx *st)
{
        return fm_fsd_reparse_tag(st->stx_mode);
}

static void fill_basic(const struct fm_fsd_info *info, FILE_BASIC_INFORMATION *out)
{
        out->CreationTime.QuadPart = creation_time(&info->st);
        out->LastAccessTime.QuadPart = fm_fsd_time(&info->st.stx_atime);
        out->LastWriteTime.QuadPart = fm_fsd_time(&info->st.stx_mtime);
        out->ChangeTime.QuadPart = fm_fsd_time(&info->st.stx_ctime);
        out->FileAttributes = fm_fsd_attributes(&info->st);
}

static void fill_standard(const struct fm_fsd_info *info, FILE_STANDARD_INFORMATION *out)
{
        out->AllocationSize.QuadPart = fm_fsd_allocation(&info->st);
        out->EndOfFile.QuadPart = end_of_file(&info->st);
        out->NumberOfLinks = info->st.stx_nlink;
        out->DeletePending = info->delete_pending;
        out->Directory = S_ISDIR(info->st.stx_mode);
}

static void fill_stat_lx(const struct fm_fsd_info *info, FILE_STAT_LX_INFORMATION *out)
{
        const struct statx *st = &info->st;

        out->FileId.QuadPart = (LONGLONG)st->stx_ino;
        out->CreationTime.QuadPart = creation_time(st);
        out->LastAccessTime.QuadPart = fm_fsd_time(&st->stx_atime);
        out->LastWriteTime.QuadPart = fm_fsd_time(&st->stx_mtime);
        out->ChangeTime.QuadPart = fm_fsd_time(&st->stx_ctime);
        out->AllocationSize.QuadPart = fm_fsd_allocation(st);
        out->EndOfFile.QuadPart = end_of_file(st);
        out->FileAttributes = fm_fsd_attributes(st);
        out->ReparseTag = tag_of(st);
        out->NumberOfLinks = st->stx_nlink;
        out->EffectiveAccess = info->access;
        out->LxFlags = LX_FILE_METADATA_HAS_UID | LX_FILE_METADATA_HAS_GID | LX_FILE_METADATA_HAS_MODE;
        if (S_ISCHR(st->stx_mode) || S_ISBLK(st->stx_mode))
                out->LxFlags |= LX_FILE_METADATA_HAS_DEVICE_ID;
        out->LxUid = st->stx_uid;
        out->LxGid = st->stx_gid;
        out->LxMode = st->stx_mode;
        out->LxDeviceIdMajor = st->stx_rdev_major;
        out->LxDeviceIdMinor = st->stx_rdev_minor;
}

static void fill_id(const struct statx *st, ULONGLONG *volume, FILE_ID_128 *id)
{
        *volume = (ULONGLONG)st->stx_dev_major << 32 | st->stx_dev_minor;
        memcpy(id, &(uint64_t){st->stx_ino}, sizeof(uint64_t));
}

static void fill_stat_basic(const struct fm_fsd_info *info, FILE_STAT_BASIC_INFORMATION *out)
{
        FILE_STAT_LX_INFORMATION stat = {0};

        fill_stat_lx(info, &stat);
        /* Both begin with the same members, up to the number of links. */
        memcpy(out, &stat, offsetof(FILE_STAT_BASIC_INFORMATION, DeviceType));
        out->DeviceType = FILE_DEVICE_DISK;
        fill_id(&info->st, (ULONGLONG *)&out->VolumeSerialNumber.QuadPart, &out->FileId128);
}

/* The fixed part of a class, on the stack, and where in it a name starts (0: it has none). */
static ULONG fill_fixed(const struct fm_fsd_info *info, FILE_INFORMATION_CLASS class, void *scratch,
                        ULONG *name_at)
{
        const struct statx *st = &info->st;

        *name_at = 0;
        switch ((int)class) {
        case FileBasicInformation:
                fill_basic(info, scratch);
                return sizeof(FILE_BASIC_INFORMATION);
        case FileStandardInformation:
                fill_standard(info, scratch);
                return sizeof(FILE_STANDARD_INFORMATION);
        case FileInternalInformation:
                ((FILE_INTERNAL_INFORMATION *)scratch)->IndexNumber.QuadPart = (LONGLONG)st->stx_ino;
                return sizeof(FILE_INTERNAL_INFORMATION);
        case FileEaInformation:
                ((FILE_EA_INFORMATION *)scratch)->EaSize = info->ea_size;
                return sizeof(FILE_EA_INFORMATION);
        case FileAccessInformation:
                ((FILE_ACCESS_INFORMATION *)scratch)->AccessFlags = info->access;
                return sizeof(FILE_ACCESS_INFORMATION);
        case FilePositionInformation:
                ((FILE_POSITION_INFORMATION *)scratch)->CurrentByteOffset.QuadPart = info->position;
                return sizeof(FILE_POSITION_INFORMATION);
        case FileModeInformation:
                ((FILE_MODE_INFORMATION *)scratch)->Mode = info->mode;
                return sizeof(FILE_MODE_INFORMATION);
        case FileAlignmentInformation:
                ((FILE_ALIGNMENT_INFORMATION *)scratch)->AlignmentRequirement = FILE_BYTE_ALIGNMENT;
                return sizeof(FILE_ALIGNMENT_INFORMATION);
        case FileNameInformation:
        case FileNormalizedNameInformation: {
                FILE_NAME_INFORMATION *out = scratch;
                out->FileNameLength = info->name_bytes;
                *name_at = offsetof(FILE_NAME_INFORMATION, FileName);
                return offsetof(FILE_NAME_INFORMATION, FileName);
        }
        case FileAllInformation: {
                FILE_ALL_INFORMATION *out = scratch;
                fill_basic(info, &out->BasicInformation);
                fill_standard(info, &out->StandardInformation);
                out->InternalInformation.IndexNumber.QuadPart = (LONGLONG)st->stx_ino;
                out->EaInformation.EaSize = info->ea_size;
                out->AccessInformation.AccessFlags = info->access;
                out->PositionInformation.CurrentByteOffset.QuadPart = info->position;
                out->ModeInformation.Mode = info->mode;
                out->AlignmentInformation.AlignmentRequirement = FILE_BYTE_ALIGNMENT;
                out->NameInformation.FileNameLength = info->name_bytes;
                *name_at = offsetof(FILE_ALL_INFORMATION, NameInformation.FileName);
                return *name_at;
        }
        case FileNetworkOpenInformation: {
                FILE_NETWORK_OPEN_INFORMATION *out = scratch;
                out->CreationTime.QuadPart = creation_time(st);
                out->LastAccessTime.QuadPart = fm_fsd_time(&st->stx_atime);
                out->LastWriteTime.QuadPart = fm_fsd_time(&st->stx_mtime);
                out->ChangeTime.QuadPart = fm_fsd_time(&st->stx_ctime);
                out->AllocationSize.QuadPart = fm_fsd_allocation(st);
                out->EndOfFile.QuadPart = end_of_file(st);
                out->FileAttributes = fm_fsd_attributes(st);
                return sizeof(FILE_NETWORK_OPEN_INFORMATION);
        }
        case FileAttributeTagInformation: {
                FILE_ATTRIBUTE_TAG_INFORMATION *out = scratch;
                out->FileAttributes = fm_fsd_attributes(st);
                out->ReparseTag = tag_of(st);
                return sizeof(FILE_ATTRIBUTE_TAG_INFORMATION);
        }
        case FileIdInformation: {
                FILE_ID_INFORMATION *out = scratch;
                fill_id(st, &out->VolumeSerialNumber, &out->FileId);
                return sizeof(*out);
        }
        case FileStatInformation:
                /* FILE_STAT_INFORMATION is how FILE_STAT_LX_INFORMATION begins. */
                fill_stat_lx(info, scratch);
                return offsetof(FILE_STAT_LX_INFORMATION, LxFlags);
        case FileStatLxInformation:
                fill_stat_lx(info, scratch);
                return sizeof(FILE_STAT_LX_INFORMATION);
        case FileStatBasicInformation:
                fill_stat_basic(info, scratch);
                return sizeof(FILE_STAT_BASIC_INFORMATION);
        case FileCaseSensitiveInformation:
                *(ULONG *)scratch = FILE_CS_FLAG_CASE_SENSITIVE_DIR;
                return sizeof(ULONG);
        case FileStandardLinkInformation: {
                FILE_STANDARD_LINK_INFORMATION *out = scratch;
                out->NumberOfAccessibleLinks = st->stx_nlink;
                out->TotalNumberOfLinks = st->stx_nlink;
                out->DeletePending = info->delete_pending;
                out->Directory = S_ISDIR(st->stx_mode);
                return sizeof(*out);
        }
        case FileCompressionInformation: {
                FILE_COMPRESSION_INFORMATION *out = scratch;
                out->CompressedFileSize.QuadPart = fm_fsd_allocation(st);
                return sizeof(FILE_COMPRESSION_INFORMATION);
        }
        default:
                return 0;
        }
}

static NTSTATUS fill_stream(const struct fm_fsd_info *info, FILE_STREAM_INFORMATION *out, ULONG length,
                            ULONG *written)
{
        static const WCHAR data[] = L"::$DATA";
        const ULONG need = offsetof(FILE_STREAM_INFORMATION, StreamName) + sizeof(data) - sizeof(WCHAR);

        /* Directories and special files have no data stream: an empty list. */
        if (!S_ISREG(info->st.stx_mode))
                return STATUS_SUCCESS;
        if (length < need)
                return length < sizeof(FILE_STREAM_INFORMATION) ? STATUS_INFO_LENGTH_MISMATCH
                                                                : STATUS_BUFFER_OVERFLOW;
        memset(out, 0, need);
        out->StreamNameLength = sizeof(data) - sizeof(WCHAR);
        out->StreamSize.QuadPart = end_of_file(&info->st);
        out->StreamAllocationSize.QuadPart = fm_fsd_allocation(&info->st);
        memcpy(out->StreamName, data, sizeof(data) - sizeof(WCHAR));
        *written = need;
        return STATUS_SUCCESS;
}

/* Linux does not know the other names of an inode: the one that we know stands alone. */
static NTSTATUS fill_links(const struct fm_fsd_info *info, FILE_LINKS_INFORMATION *out, ULONG length,
                           ULONG *written)
{
        const ULONG chars = info->name_bytes / sizeof(WCHAR);
        ULONG need, start = chars;

        if (length < offsetof(FILE_LINKS_INFORMATION, Entry))
                return STATUS_INFO_LENGTH_MISMATCH;
        while (start > 0 && info->name[start - 1] != L'\\')
                start--;
        need = offsetof(FILE_LINKS_INFORMATION, Entry.FileName) + (chars - start) * (ULONG)sizeof(WCHAR);
        out->BytesNeeded = need;
        out->EntriesReturned = 0;
        *written = offsetof(FILE_LINKS_INFORMATION, Entry);
        if (length < need)
                return STATUS_BUFFER_OVERFLOW;
        out->EntriesReturned = 1;
        out->Entry.NextEntryOffset = 0;
        out->Entry.ParentFileId = info->parent_id;
        out->Entry.FileNameLength = chars - start;
        memcpy(out->Entry.FileName, info->name + start, (chars - start) * sizeof(WCHAR));
        *written = need;
        return STATUS_SUCCESS;
}

NTSTATUS fm_fsd_info_fill(const struct fm_fsd_info *info, FILE_INFORMATION_CLASS class, void *buffer,
                          ULONG length, ULONG *written)
{
        union {
                FILE_ALL_INFORMATION all;
                FILE_STAT_LX_INFORMATION stat;
                UCHAR bytes[512];
        } scratch;
        ULONG fixed, name_at, room;

        *written = 0;
        if (class == FileStreamInformation)
                return fill_stream(info, buffer, length, written);
        if (class == FileHardLinkInformation)
                return info->name ? fill_links(info, buffer, length, written) : STATUS_FILE_DELETED;

        memset(&scratch, 0, sizeof(scratch));
        fixed = fill_fixed(info, class, &scratch, &name_at);
        if (fixed == 0)
                return STATUS_INVALID_INFO_CLASS;
        /* A class with a name must have room for its declared struct, which ends in one WCHAR and padding. */
        if (length < (name_at ? fm_fsd_align(fixed + (ULONG)sizeof(WCHAR), 4) : fixed))
                return STATUS_INFO_LENGTH_MISMATCH;
        memcpy(buffer, &scratch, fixed);
        *written = fixed;
        if (!name_at)
                return STATUS_SUCCESS;
        room = length - name_at;
        if (info->name_bytes > room) {
                memcpy((UCHAR *)buffer + name_at, info->name, room & ~1u);
                *written = name_at + (room & ~1u);
                return STATUS_BUFFER_OVERFLOW;
        }
        if (info->name_bytes)
                memcpy((UCHAR *)buffer + name_at, info->name, info->name_bytes);
        *written = name_at + info->name_bytes;
        return STATUS_SUCCESS;
}

ULONG fm_fsd_entry_header(FILE_INFORMATION_CLASS class)
{
        switch ((int)class) {
        case FileDirectoryInformation:
                return offsetof(FILE_DIRECTORY_INFORMATION, FileName);
        case FileFullDirectoryInformation:
                return offsetof(FILE_FULL_DIR_INFORMATION, FileName);
        case FileBothDirectoryInformation:
                return offsetof(FILE_BOTH_DIR_INFORMATION, FileName);
        case FileNamesInformation:
                return offsetof(FILE_NAMES_INFORMATION, FileName);
        case FileIdBothDirectoryInformation:
                return offsetof(FILE_ID_BOTH_DIR_INFORMATION, FileName);
        case FileIdFullDirectoryInformation:
                return offsetof(FILE_ID_FULL_DIR_INFORMATION, FileName);
        case FileIdExtdDirectoryInformation:
                return offsetof(FILE_ID_EXTD_DIR_INFORMATION, FileName);
        default:
                return 0;
        }
}

/* How the classes with times begin, whatever follows. */
static void fill_entry_common(FILE_DIRECTORY_INFORMATION *out, const struct statx *st)
{
        out->CreationTime.QuadPart = creation_time(st);
        out->LastAccessTime.QuadPart = fm_fsd_time(&st->stx_atime);
        out->LastWriteTime.QuadPart = fm_fsd_time(&st->stx_mtime);
        out->ChangeTime.QuadPart = fm_fsd_time(&st->stx_ctime);
        out->EndOfFile.QuadPart = end_of_file(st);
        out->AllocationSize.QuadPart = fm_fsd_allocation(st);
        out->FileAttributes = fm_fsd_attributes(st);
}

ULONG fm_fsd_entry_fill(FILE_INFORMATION_CLASS class, const struct statx *st, ULONG index, const WCHAR *name,
                        ULONG name_bytes, void *buffer, ULONG length)
{
        const ULONG header = fm_fsd_entry_header(class);
        ULONG tag;

        if (header == 0 || length < header || length - header < name_bytes)
                return 0;
        memset(buffer, 0, header);
        memcpy((UCHAR *)buffer + header, name, name_bytes);
        if (class == FileNamesInformation) {
                FILE_NAMES_INFORMATION *out = buffer;
                out->FileIndex = index;
                out->FileNameLength = name_bytes;
                return header + name_bytes;
        }

        ((FILE_DIRECTORY_INFORMATION *)buffer)->FileIndex = index;
        ((FILE_DIRECTORY_INFORMATION *)buffer)->FileNameLength = name_bytes;
        if (!st)
                return header + name_bytes;
        fill_entry_common(buffer, st);
        tag = tag_of(st); /* Windows puts the tag of a reparse point where the size of its EAs would be */
        switch ((int)class) {
        case FileFullDirectoryInformation:
                ((FILE_FULL_DIR_INFORMATION *)buffer)->EaSize = tag;
                break;
        case FileBothDirectoryInformation:
                ((FILE_BOTH_DIR_INFORMATION *)buffer)->EaSize = tag;
                break;
        case FileIdBothDirectoryInformation:
                ((FILE_ID_BOTH_DIR_INFORMATION *)buffer)->EaSize = tag;
                ((FILE_ID_BOTH_DIR_INFORMATION *)buffer)->FileId.QuadPart = (LONGLONG)st->stx_ino;
                break;
        case FileIdFullDirectoryInformation:
                ((FILE_ID_FULL_DIR_INFORMATION *)buffer)->EaSize = tag;
                ((FILE_ID_FULL_DIR_INFORMATION *)buffer)->FileId.QuadPart = (LONGLONG)st->stx_ino;
                break;
        case FileIdExtdDirectoryInformation: {
                FILE_ID_EXTD_DIR_INFORMATION *out = buffer;
                out->ReparsePointTag = tag;
                memcpy(&out->FileId, &(uint64_t){st->stx_ino}, sizeof(uint64_t));
                break;
        }
        default:
                break;
        }
        return header + name_bytes;
}
