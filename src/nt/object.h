/* SPDX-License-Identifier: MIT */
/*
 * Reference-counted kernel objects (file, process, thread, section, device, event objects ...) and the handle table.
 *
 * The header lies in front of the body that filters see, as on Windows, so that
 * ObReferenceObject(FileObject) works on any of them.
 */
#pragma once

#include <fltKernel.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct _OBJECT_TYPE {
        const char *name;
        void (*destroy)(void *body); /* last reference gone; frees what the body owns, not the body. May be NULL */
        void (*close)(void *body);   /* last handle of the object gone. May be NULL */
};

/* Zeroed body of that many bytes with one reference, 16-byte aligned; aborts when memory is exhausted. */
void *fm_object_new(POBJECT_TYPE type, size_t size);
void *fm_object_ref(void *body);
void fm_object_unref(void *body); /* NULL is allowed */
/* For tables that find objects without owning them: false when the last reference is gone already. */
bool fm_object_try_ref(void *body);
uint32_t fm_object_refs(void *body); /* for messages and tests */
POBJECT_TYPE fm_object_type_of(void *body);

/* A new kernel handle for the object (takes its own reference). Handles are multiples of 4, from 4. */
NTSTATUS fm_handle_new(void *body, HANDLE *ret);
/* Referenced object of a handle; type NULL: any. STATUS_INVALID_HANDLE, STATUS_OBJECT_TYPE_MISMATCH. */
NTSTATUS fm_handle_ref(HANDLE handle, POBJECT_TYPE type, void **ret);
NTSTATUS fm_handle_close(HANDLE handle);

/*
 * Handles of other processes, which are not in this table: whoever can reach such a process (communication ports)
 * makes and closes them. Both say STATUS_NOT_FOUND for what is not theirs.
 */
struct fm_user_handles {
        /* A handle of the current process for the object. */
        NTSTATUS (*open)(void *body, HANDLE *ret);
        NTSTATUS (*close)(HANDLE handle);
};
/* Set once, at start. */
void fm_user_handles_set(const struct fm_user_handles *handles);
