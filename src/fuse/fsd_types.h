/* SPDX-License-Identifier: MIT */
/*
 * Numbers of Windows that only a file system needs to know, where the contract headers have no use for them.
 */
#pragma once

#include <fltKernel.h>

#ifndef IO_REPARSE_TAG_SYMLINK
#define IO_REPARSE_TAG_SYMLINK 0xA000000C
#endif
#ifndef IO_REPARSE_TAG_LX_SYMLINK
#define IO_REPARSE_TAG_LX_SYMLINK 0xA000001D
#endif
#ifndef IO_REPARSE_TAG_AF_UNIX
#define IO_REPARSE_TAG_AF_UNIX 0x80000023
#endif
#ifndef IO_REPARSE_TAG_LX_FIFO
#define IO_REPARSE_TAG_LX_FIFO 0x80000024
#define IO_REPARSE_TAG_LX_CHR  0x80000025
#define IO_REPARSE_TAG_LX_BLK  0x80000026
#endif

#ifndef FSCTL_SET_REPARSE_POINT
#define FSCTL_SET_REPARSE_POINT    0x000900A4
#define FSCTL_GET_REPARSE_POINT    0x000900A8
#define FSCTL_DELETE_REPARSE_POINT 0x000900AC
#endif
#ifndef FSCTL_GET_OBJECT_ID
#define FSCTL_GET_OBJECT_ID 0x0009009C
#endif
#ifndef FSCTL_SET_SPARSE
#define FSCTL_SET_SPARSE 0x000900C4
#endif
#ifndef FSCTL_SET_ZERO_DATA
#define FSCTL_SET_ZERO_DATA 0x000980C8
#endif
#ifndef FSCTL_QUERY_ALLOCATED_RANGES
#define FSCTL_QUERY_ALLOCATED_RANGES 0x000940CF
#endif

/* REPARSE_DATA_BUFFER in its generic form. */
struct fm_fsd_reparse {
        ULONG tag;
        USHORT length; /* of data */
        USHORT reserved;
        UCHAR data[];
};

/* FILE_ZERO_DATA_INFORMATION */
struct fm_fsd_zero_data {
        LARGE_INTEGER start;
        LARGE_INTEGER end; /* the first byte beyond */
};

/* FILE_ALLOCATED_RANGE_BUFFER */
struct fm_fsd_range {
        LARGE_INTEGER offset;
        LARGE_INTEGER length;
};
