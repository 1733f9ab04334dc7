/* SPDX-License-Identifier: MIT */
/*
 * Objects and handles.
 *
 * The header lies in front of the body. A body is freed by whoever drops the last reference, at his IRQL, on
 * his thread. The handle table has one lock; no type's routine is called while it is held.
 */
#include "nt/object.h"

#include <glib.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "nt/ke.h"
#include "nt/ledger.h"
#include "nt/thread.h"
#include "nt/verifier.h"

#define ALIVE        0x6a62f0f0u
#define HANDLE_LIMIT (1u << 20)

struct header {
        POBJECT_TYPE type;
        _Atomic uint32_t refs;
        _Atomic uint32_t handles;
        uint32_t magic;
        uint32_t reserved[3];
};

_Static_assert(sizeof(struct header) % 16 == 0, "bodies are aligned to 16 bytes");

static pthread_mutex_t handle_lock = PTHREAD_MUTEX_INITIALIZER;
static void **handle_table; /* bodies; guarded by handle_lock */
static uint32_t handle_capacity;
static uint32_t handle_next;                       /* where to look for a free one */
static const struct fm_user_handles *user_handles; /* set before there are threads */

static struct _OBJECT_TYPE event_type = {.name = "Event"};
static struct _OBJECT_TYPE semaphore_type = {.name = "Semaphore"};
static POBJECT_TYPE event_type_pointer = &event_type;
static POBJECT_TYPE semaphore_type_pointer = &semaphore_type;
POBJECT_TYPE *ExEventObjectType = &event_type_pointer;
POBJECT_TYPE *ExSemaphoreObjectType = &semaphore_type_pointer;

static struct header *header_of(void *body)
{
        struct header *header = (struct header *)body - 1;

        if (header->magic != ALIVE)
                fm_bugcheck(0x18, "%p is not an object, or not any more", body); /* REFERENCE_BY_POINTER */
        return header;
}

void *fm_object_new(POBJECT_TYPE type, size_t size)
{
        struct header *header = calloc(1, sizeof(*header) + size);

        if (!header)
                fm_bugcheck(0x1, "out of memory for an object of %zu bytes", size);
        header->type = type;
        header->magic = ALIVE;
        atomic_store(&header->refs, 1);
        return header + 1;
}

void *fm_object_ref(void *body)
{
        if (atomic_fetch_add(&header_of(body)->refs, 1) == 0)
                fm_bugcheck(0x18, "object %p is referenced while it is being destroyed", body);
        return body;
}

bool fm_object_try_ref(void *body)
{
        struct header *header = header_of(body);
        uint32_t refs = atomic_load(&header->refs);

        while (refs > 0) {
                if (atomic_compare_exchange_weak(&header->refs, &refs, refs + 1))
                        return true;
        }
        return false;
}

uint32_t fm_object_refs(void *body)
{
        return atomic_load(&header_of(body)->refs);
}

void fm_object_unref(void *body)
{
        struct header *header;
        uint32_t before;

        if (!body)
                return;
        header = header_of(body);
        before = atomic_fetch_sub(&header->refs, 1);
        if (before > 1)
                return;
        if (before == 0)
                fm_bugcheck(0x18, "object %p is dereferenced more often than referenced", body);
        if (header->type && header->type->destroy)
                header->type->destroy(body);
        header->magic = 0;
        free(header);
}

POBJECT_TYPE fm_object_type_of(void *body)
{
        return header_of(body)->type;
}

static bool grow_handles_locked(void)
{
        uint32_t capacity = handle_capacity ? handle_capacity * 2 : 64;
        void **table;

        if (capacity > HANDLE_LIMIT)
                return false;
        table = realloc(handle_table, capacity * sizeof(*table));
        if (!table)
                return false;
        memset(table + handle_capacity, 0, (capacity - handle_capacity) * sizeof(*table));
        handle_table = table;
        handle_next = handle_capacity;
        handle_capacity = capacity;
        return true;
}

/* STATUS_INSUFFICIENT_RESOURCES when there are too many. */
NTSTATUS fm_handle_new(void *body, HANDLE *ret)
{
        NTSTATUS status = STATUS_INSUFFICIENT_RESOURCES;

        pthread_mutex_lock(&handle_lock);
        for (uint32_t tries = 0; tries < handle_capacity && handle_table[handle_next]; tries++)
                handle_next = (handle_next + 1) % handle_capacity;
        if ((handle_capacity > 0 && !handle_table[handle_next]) || grow_handles_locked()) {
                handle_table[handle_next] = fm_object_ref(body);
                atomic_fetch_add(&header_of(body)->handles, 1);
                *ret = (HANDLE)(uintptr_t)((handle_next + 1) * 4u);
                handle_next = (handle_next + 1) % handle_capacity;
                fm_ledger_add(FM_LEDGER_HANDLE, *ret, fm_thread_self()->code);
                status = STATUS_SUCCESS;
        }
        pthread_mutex_unlock(&handle_lock);
        return status;
}

/* The entry of a handle, or NULL. */
static void **find_handle_locked(HANDLE handle)
{
        uintptr_t value = (uintptr_t)handle;

        if (value == 0 || (value & 3) || value / 4 > handle_capacity || !handle_table[value / 4 - 1])
                return NULL;
        return &handle_table[value / 4 - 1];
}

NTSTATUS fm_handle_ref(HANDLE handle, POBJECT_TYPE type, void **ret)
{
        NTSTATUS status = STATUS_INVALID_HANDLE;
        void **entry;

        *ret = NULL;
        pthread_mutex_lock(&handle_lock);
        entry = find_handle_locked(handle);
        if (entry && type && header_of(*entry)->type != type) {
                status = STATUS_OBJECT_TYPE_MISMATCH;
        } else if (entry) {
                *ret = fm_object_ref(*entry);
                status = STATUS_SUCCESS;
        }
        pthread_mutex_unlock(&handle_lock);
        return status;
}

void fm_user_handles_set(const struct fm_user_handles *handles)
{
        user_handles = handles;
}

NTSTATUS fm_handle_close(HANDLE handle)
{
        void *body = NULL;
        void **entry;

        pthread_mutex_lock(&handle_lock);
        entry = find_handle_locked(handle);
        if (entry) {
                body = *entry;
                *entry = NULL;
                fm_ledger_remove(FM_LEDGER_HANDLE, handle);
        }
        pthread_mutex_unlock(&handle_lock);
        if (!body) {
                NTSTATUS status = user_handles ? user_handles->close(handle) : STATUS_NOT_FOUND;

                return status == STATUS_NOT_FOUND ? STATUS_INVALID_HANDLE : status;
        }
        if (atomic_fetch_sub(&header_of(body)->handles, 1) == 1) {
                POBJECT_TYPE type = fm_object_type_of(body);

                if (type && type->close)
                        type->close(body);
        }
        fm_object_unref(body);
        return STATUS_SUCCESS;
}

/* Both return the new count, of which only zero means anything. IRQL <= DISPATCH_LEVEL. */
LONG_PTR ObfReferenceObject(PVOID Object)
{
        fm_object_ref(Object);
        fm_ledger_add(FM_LEDGER_OBJECT, Object, __builtin_return_address(0));
        return fm_object_refs(Object);
}

/* IRQL <= DISPATCH_LEVEL on Windows, where the last reference goes later if need be; here it goes at once. */
LONG_PTR ObfDereferenceObject(PVOID Object)
{
        LONG_PTR left = (LONG_PTR)fm_object_refs(Object) - 1;

        fm_ledger_remove(FM_LEDGER_OBJECT, Object);
        fm_object_unref(Object);
        return left;
}

LONG_PTR ObReferenceObjectWithTag(PVOID Object, ULONG Tag)
{
        return ObfReferenceObject(Object);
}

LONG_PTR ObDereferenceObjectWithTag(PVOID Object, ULONG Tag)
{
        return ObfDereferenceObject(Object);
}

VOID ObDereferenceObjectDeferDelete(PVOID Object)
{
        ObfDereferenceObject(Object);
}

/*
 * STATUS_INVALID_HANDLE, STATUS_OBJECT_TYPE_MISMATCH. All handles are the kernel's: DesiredAccess is
 * granted, whatever it is. The pseudo handles of the current process and thread work.
 */
NTSTATUS ObReferenceObjectByHandle(HANDLE Handle, ACCESS_MASK DesiredAccess, POBJECT_TYPE ObjectType,
                                   KPROCESSOR_MODE AccessMode, PVOID *Object,
                                   POBJECT_HANDLE_INFORMATION HandleInformation)
{
        NTSTATUS status = STATUS_SUCCESS;

        fm_check_irql("ObReferenceObjectByHandle", PASSIVE_LEVEL);
        if (Handle == NtCurrentProcess() || Handle == NtCurrentThread()) {
                PVOID body = Handle == NtCurrentProcess() ? (PVOID)PsGetCurrentProcess()
                                                          : (PVOID)PsGetCurrentThread();

                *Object = NULL;
                if (ObjectType && fm_object_type_of(body) != ObjectType)
                        return STATUS_OBJECT_TYPE_MISMATCH;
                *Object = fm_object_ref(body);
        } else {
                status = fm_handle_ref(Handle, ObjectType, Object);
        }
        if (NT_SUCCESS(status))
                fm_ledger_add(FM_LEDGER_OBJECT, *Object, __builtin_return_address(0));
        if (NT_SUCCESS(status) && HandleInformation) {
                HandleInformation->HandleAttributes = OBJ_KERNEL_HANDLE;
                HandleInformation->GrantedAccess = DesiredAccess;
        }
        return status;
}

NTSTATUS ObReferenceObjectByHandleWithTag(HANDLE Handle, ACCESS_MASK DesiredAccess, POBJECT_TYPE ObjectType,
                                          KPROCESSOR_MODE AccessMode, ULONG Tag, PVOID *Object,
                                          POBJECT_HANDLE_INFORMATION HandleInformation)
{
        return ObReferenceObjectByHandle(Handle, DesiredAccess, ObjectType, AccessMode, Object,
                                         HandleInformation);
}

NTSTATUS ObReferenceObjectByPointer(PVOID Object, ACCESS_MASK DesiredAccess, POBJECT_TYPE ObjectType,
                                    KPROCESSOR_MODE AccessMode)
{
        if (ObjectType && fm_object_type_of(Object) != ObjectType)
                return STATUS_OBJECT_TYPE_MISMATCH;
        fm_object_ref(Object);
        fm_ledger_add(FM_LEDGER_OBJECT, Object, __builtin_return_address(0));
        return STATUS_SUCCESS;
}

NTSTATUS ObOpenObjectByPointer(PVOID Object, ULONG HandleAttributes, struct _ACCESS_STATE *PassedAccessState,
                               ACCESS_MASK DesiredAccess, POBJECT_TYPE ObjectType, KPROCESSOR_MODE AccessMode,
                               HANDLE *Handle)
{
        fm_check_irql("ObOpenObjectByPointer", PASSIVE_LEVEL);
        if (ObjectType && fm_object_type_of(Object) != ObjectType)
                return STATUS_OBJECT_TYPE_MISMATCH;
        if (!(HandleAttributes & OBJ_KERNEL_HANDLE) && user_handles) {
                NTSTATUS status = user_handles->open(Object, Handle);

                if (status != STATUS_NOT_FOUND)
                        return status;
        }
        return fm_handle_new(Object, Handle);
}

NTSTATUS ObCloseHandle(HANDLE Handle, KPROCESSOR_MODE PreviousMode)
{
        return ZwClose(Handle);
}

POBJECT_TYPE ObGetObjectType(PVOID Object)
{
        return fm_object_type_of(Object);
}

BOOLEAN ObIsKernelHandle(HANDLE Handle)
{
        fm_check_irql(__func__, APC_LEVEL);
        return Handle != NULL && (LONG_PTR)Handle > 0;
}

/* A handle that is not one is misuse: STATUS_INVALID_HANDLE, and a report. IRQL PASSIVE_LEVEL. */
NTSTATUS ZwClose(HANDLE Handle)
{
        NTSTATUS status;

        fm_check_irql("ZwClose", PASSIVE_LEVEL);
        if (Handle == NtCurrentProcess() || Handle == NtCurrentThread())
                return STATUS_SUCCESS;
        status = fm_handle_close(Handle);
        if (status == STATUS_INVALID_HANDLE)
                fm_violation("invalid-handle", "ZwClose of %p, which is not a handle", Handle);
        return status;
}

NTSTATUS NtClose(HANDLE Handle)
{
        return ZwClose(Handle);
}

NTSTATUS ZwCreateEvent(PHANDLE EventHandle, ACCESS_MASK DesiredAccess, POBJECT_ATTRIBUTES ObjectAttributes,
                       EVENT_TYPE EventType, BOOLEAN InitialState)
{
        PKEVENT event;
        NTSTATUS status;

        fm_check_irql(__func__, PASSIVE_LEVEL);
        if (ObjectAttributes && ObjectAttributes->ObjectName && ObjectAttributes->ObjectName->Length) {
                fm_not_supported("named events");
                return STATUS_NOT_SUPPORTED;
        }
        event = fm_object_new(&event_type, sizeof(*event));
        KeInitializeEvent(event, EventType, InitialState);
        status = fm_handle_new(event, EventHandle);
        fm_object_unref(event);
        return status;
}

NTSTATUS ZwSetEvent(HANDLE EventHandle, PLONG PreviousState)
{
        PVOID event;
        NTSTATUS status = fm_handle_ref(EventHandle, &event_type, &event);
        LONG before;

        fm_check_irql(__func__, PASSIVE_LEVEL);
        if (!NT_SUCCESS(status))
                return status;
        before = KeSetEvent(event, 0, FALSE);
        if (PreviousState)
                *PreviousState = before;
        fm_object_unref(event);
        return STATUS_SUCCESS;
}

/* Events, semaphores, threads and processes of this system; STATUS_OBJECT_TYPE_MISMATCH for others. */
NTSTATUS ZwWaitForSingleObject(HANDLE Handle, BOOLEAN Alertable, PLARGE_INTEGER Timeout)
{
        PVOID body;
        NTSTATUS status = fm_handle_ref(Handle, NULL, &body);
        POBJECT_TYPE type;

        fm_check_irql(__func__, PASSIVE_LEVEL);
        if (!NT_SUCCESS(status))
                return status;
        type = fm_object_type_of(body);
        if (type == &event_type || type == &semaphore_type || type == *PsThreadType || type == *PsProcessType)
                status = KeWaitForSingleObject(body, Executive, KernelMode, Alertable, Timeout);
        else
                status = STATUS_OBJECT_TYPE_MISMATCH;
        fm_object_unref(body);
        return status;
}
