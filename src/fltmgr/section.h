/* SPDX-License-Identifier: MIT */
/* Section objects, and what section.c and datascan.c share. */
#pragma once

#include "fltmgr/operation.h"

/* An object of type MmSectionObjectType. */
struct fm_section {
        int fd;
        uint64_t size;
        ULONG protection; /* PAGE_* */
};

bool fm_section_protection_is_valid(ULONG protection);
/* A section of an opened file. maximum 0: the file's size. */
NTSTATUS fm_section_from_file(PFILE_OBJECT file, uint64_t maximum, ULONG protection, struct fm_section **ret);
/* A user handle is the current process's: an agent gets a descriptor. For all others it is a kernel handle. */
NTSTATUS fm_section_handle_new(struct fm_section *section, POBJECT_ATTRIBUTES attributes, PHANDLE ret);

/* Tells those who scan the file's data that the operation, at the bottom, takes away what they have mapped. */
void fm_data_scan_notify(struct fm_operation *operation);
/* The stream goes: its open scans are nobody's any more. */
void fm_data_scan_forget(struct fm_stream *stream);

/* Whether anything of the file is being scanned: one load. */
static inline bool fm_is_data_scanned(const struct fm_file_object *file)
{
        return file->stream && atomic_load_explicit(&file->stream->data_scans, memory_order_acquire) > 0;
}
