/* SPDX-License-Identifier: MIT */
/*
 * I/O that filters make, as one operation each: what FltXxxFile and ZwXxxFile have in common.
 *
 * `below` is the instance whose lower neighbours see the operation; NULL: the whole stack.
 */
#pragma once

#include "fltmgr/operation.h"

/* An operation on an opened file, or NULL and *status. */
struct fm_operation *fm_io_new(const char *function, PFLT_INSTANCE below, UCHAR major, PFILE_OBJECT file,
                               NTSTATUS *status);
/* The same whether it is open or not; below NULL: the whole stack. Never NULL. */
struct fm_operation *fm_io_new_unopened(PFLT_INSTANCE below, UCHAR major, PFILE_OBJECT file);
/* Sends it, waits, frees it. *information (may be NULL) is set only if it means something with the status. */
NTSTATUS fm_io_run(struct fm_operation *operation, ULONG_PTR *information);
/*
 * Sends it on another thread. Its cancel must live as long as it does. callback gets its data; free_data: it goes
 * when the callback returned, else it belongs to the callback. STATUS_PENDING, or STATUS_FLT_DELETING_OBJECT and the
 * operation is the caller's still.
 */
NTSTATUS fm_io_run_async(struct fm_operation *operation, PFLT_COMPLETED_ASYNC_IO_CALLBACK callback,
                         PFLT_CONTEXT context, bool free_data);

struct fm_transfer {
        PFLT_INSTANCE below;
        UCHAR major; /* IRP_MJ_READ or IRP_MJ_WRITE */
        PFILE_OBJECT file;
        const LARGE_INTEGER *offset; /* NULL: the file's own position */
        ULONG length;
        void *buffer;
        PMDL mdl;
        FLT_IO_OPERATION_FLAGS flags;
        ULONG key;
        PFLT_COMPLETED_ASYNC_IO_CALLBACK callback; /* NULL: wait */
        PFLT_CONTEXT context;
};

NTSTATUS fm_io_transfer(const char *function, const struct fm_transfer *transfer, ULONG_PTR *information);

NTSTATUS fm_io_query_information(const char *function, PFLT_INSTANCE below, PFILE_OBJECT file, void *buffer,
                                 ULONG length, FILE_INFORMATION_CLASS class, ULONG_PTR *information);
NTSTATUS fm_io_set_information(const char *function, PFLT_INSTANCE below, PFILE_OBJECT file, void *buffer, ULONG length,
                               FILE_INFORMATION_CLASS class);
NTSTATUS fm_io_query_directory(const char *function, PFLT_INSTANCE below, PFILE_OBJECT file, void *buffer, ULONG length,
                               FILE_INFORMATION_CLASS class, UCHAR flags, PUNICODE_STRING pattern,
                               ULONG_PTR *information);
NTSTATUS fm_io_volume_information(const char *function, PFLT_INSTANCE below, UCHAR major, PFILE_OBJECT file,
                                  void *buffer, ULONG length, FS_INFORMATION_CLASS class, ULONG_PTR *information);

struct fm_control {
        PFLT_INSTANCE below;
        UCHAR major; /* IRP_MJ_FILE_SYSTEM_CONTROL or IRP_MJ_DEVICE_CONTROL */
        PFILE_OBJECT file;
        ULONG code;
        void *input;
        ULONG input_length;
        void *output;
        ULONG output_length;
};

NTSTATUS fm_io_control(const char *function, const struct fm_control *control, ULONG_PTR *information);

/* An open that the Filter Manager makes on behalf of a filter. */
struct fm_create {
        PFLT_INSTANCE below;
        PFLT_VOLUME volume;            /* with path: relative to the volume, no object name needed */
        UNICODE_STRING path;           /* used if volume is set */
        POBJECT_ATTRIBUTES attributes; /* else this */
        ACCESS_MASK access;
        const LARGE_INTEGER *allocation;
        ULONG file_attributes, share, disposition, options;
        void *ea;
        ULONG ea_length;
        ULONG flags; /* IO_* */
        struct _ECP_LIST *ecp_list;
};

/* *ret is a referenced, opened file object on success. */
NTSTATUS fm_io_create(const struct fm_create *create, PFILE_OBJECT *ret, PIO_STATUS_BLOCK iosb);
/* The same, with a handle. The file object is referenced too if file is not NULL. */
NTSTATUS fm_io_create_handle(const struct fm_create *create, PHANDLE handle, PFILE_OBJECT *file, PIO_STATUS_BLOCK iosb);
