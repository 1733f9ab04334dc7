/* SPDX-License-Identifier: MIT */
/*
 * What Linux says about a file, in the shapes in which Windows says it.
 *
 * Pure conversions: no descriptor, no operation, nothing that can block.
 */
#pragma once

#include <fltKernel.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <time.h>

/* All that an information class can ask about one file. */
struct fm_fsd_info {
        struct statx st;
        const WCHAR *name; /* volume-relative, "\a\b"; NULL: it has none */
        ULONG name_bytes;
        ACCESS_MASK access;
        ULONG mode; /* FILE_MODE_INFORMATION */
        LONGLONG position;
        ULONG ea_size;
        LONGLONG parent_id; /* FileId of the directory it is in; 0: not known */
        bool delete_pending;
};

/* Lists of entries are aligned; alignment is a power of two. */
static inline ULONG fm_fsd_align(ULONG value, ULONG alignment)
{
        return (value + alignment - 1) & ~(alignment - 1);
}

/* 100 ns since 1601, and back. */
LONGLONG fm_fsd_time(const struct statx_timestamp *time);
struct timespec fm_fsd_timespec(LONGLONG time);

ULONG fm_fsd_attributes(const struct statx *st);
/* Reparse tag of what is neither a file nor a directory; else 0. */
ULONG fm_fsd_reparse_tag(mode_t mode);
/* File type (S_IFMT) that attributes and a reparse tag stand for. */
mode_t fm_fsd_file_type(ULONG attributes, ULONG reparse_tag);
LONGLONG fm_fsd_allocation(const struct statx *st);

/*
 * FileInformationClass about info into buffer. *written: bytes. STATUS_INFO_LENGTH_MISMATCH if not even
 * the fixed part fits, STATUS_BUFFER_OVERFLOW if a name was cut.
 */
NTSTATUS fm_fsd_info_fill(const struct fm_fsd_info *info, FILE_INFORMATION_CLASS class, void *buffer,
                          ULONG length, ULONG *written);

/*
 * One entry of a directory as class FileInformationClass wants it, at buffer. Returns its size, or 0 if it
 * does not fit. st NULL: only the name is known.
 */
ULONG fm_fsd_entry_fill(FILE_INFORMATION_CLASS class, const struct statx *st, ULONG index, const WCHAR *name,
                        ULONG name_bytes, void *buffer, ULONG length);
/* Size of the part of an entry before its name; 0: not a class of directory entries. */
ULONG fm_fsd_entry_header(FILE_INFORMATION_CLASS class);
