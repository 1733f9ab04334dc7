/* SPDX-License-Identifier: MIT */
/*
 * The Filter Manager as a whole: who is a member, and the steps between its modules.
 *
 * manager.lock guards membership only: the lists here, the lists of instances in filters and volumes, and
 * the state fields that say so. It is never held across a callback.
 */
#pragma once

#include "fltmgr/objects.h"
#include "fltmgr/operation.h"
#include "nt/thread.h"

struct fm_manager {
        pthread_mutex_t lock;
        pthread_cond_t changed; /* an instance finished its setup or its teardown, a filter is gone */
        GPtrArray *filters;     /* borrowed PFLT_FILTER, by descending altitude */
        GPtrArray *volumes;     /* borrowed PFLT_VOLUME, in the order they came */
};

extern struct fm_manager fm_manager;

/* objects.c */
void fm_flt_object_init(struct fm_flt_object *object, enum fm_flt_kind kind);
/* A heap copy of plain text. */
void fm_unicode_string_set(PUNICODE_STRING string, const char *utf8);
void fm_unicode_string_clear(PUNICODE_STRING string);

/*
 * Closes the object and waits until nobody is inside any more. What takes suspiciously long would hang on Windows, too:
 * it is reported. Then the wait goes on for code that runs, and ends for references, contexts and pended operations that
 * were forgotten: false, and the filter's image has to stay. filter: whose fault it is, or NULL; what:
 * "FltUnregisterFilter".
 */
bool fm_flt_object_wait(void *object, const char *filter, const char *what);

/* callback.c: state of the thread while it runs a filter's code. */
struct fm_callback_scope {
        struct fm_thread saved;
};
/* what: "a pre-operation"; a constant, for reports. */
void fm_callback_enter(struct fm_callback_scope *scope, PFLT_FILTER filter, const char *what, PETHREAD thread,
                       struct fm_cancel *cancel);
/*
 * The operation it is about, and the function that is called; for reports. After fm_callback_enter(). The file is
 * borrowed until fm_callback_leave().
 */
static inline void fm_callback_is_for(const FLT_IO_PARAMETER_BLOCK *iopb, const void *code)
{
        struct fm_thread *self = fm_thread_self();

        self->operation = FltGetIrpName(iopb->MajorFunction);
        self->minor = iopb->MinorFunction;
        self->file = iopb->TargetFileObject;
        self->code = code;
}
/* Reports a raised IRQL, a lock or a critical region that the callback left behind. */
void fm_callback_leave(struct fm_callback_scope *scope);

/* stack.c: the volume's callback arrays. */
struct fm_callback {
        PFLT_INSTANCE instance;
        PFLT_PRE_OPERATION_CALLBACK pre;
        PFLT_POST_OPERATION_CALLBACK post;
        FLT_OPERATION_REGISTRATION_FLAGS flags;
};

struct fm_stack {
        _Atomic uint32_t refs;
        uint64_t wanted;
        GPtrArray *instances; /* memory references, by descending altitude */
        struct {
                unsigned first, count;
        } majors[64];
        struct fm_callback callbacks[];
};

/* manager.lock held: a new array from the volume's active instances. The caller calls wanted_changed later. */
void fm_volume_rebuild_stack_locked(PFLT_VOLUME volume);
struct fm_stack *fm_volume_stack_ref(PFLT_VOLUME volume);
struct fm_stack *fm_stack_ref(struct fm_stack *stack);
void fm_stack_unref(struct fm_stack *stack);
unsigned fm_major_index(UCHAR major);

/* instance.c */
/*
 * Attaches; name and altitude are UTF-8, copied. flags: FLTFL_INSTANCE_SETUP_*. *ret, if wanted, gets a rundown
 * reference (FltObjectDereference). Statuses as FltAttachVolumeAtAltitude.
 */
NTSTATUS fm_instance_attach(PFLT_FILTER filter, PFLT_VOLUME volume, const char *name, const char *altitude,
                            FLT_INSTANCE_SETUP_FLAGS flags, PFLT_INSTANCE *ret);
/* All instances that the filter's registry asks for, on this volume. */
void fm_instance_attach_automatic(PFLT_FILTER filter, PFLT_VOLUME volume, FLT_INSTANCE_SETUP_FLAGS flags);
/* The last instance of such a list, with a memory reference, or NULL: there is none any more. */
PFLT_INSTANCE fm_instance_ref_any(GPtrArray *instances);
/* Waits if somebody else tears it down already. The caller holds a memory reference. */
void fm_instance_teardown(PFLT_INSTANCE instance, FLT_INSTANCE_TEARDOWN_FLAGS reason);

/* volume.c */
/* Attaches what was waiting for the volume's first operation, or waits until another thread has done so. */
void fm_volume_attach_due(PFLT_VOLUME volume);

/* mount.c */
/* IRP_MJ_VOLUME_MOUNT or IRP_MJ_VOLUME_DISMOUNT to all filters that registered for it; the result. */
NTSTATUS fm_volume_notify(PFLT_VOLUME volume, UCHAR major);

/* drain.c */
/*
 * Calls early, with DRAINING, every post-operation that is still owed to the instance, and will be; cancels the
 * operations for which that can't be done.
 */
void fm_instance_drain(PFLT_INSTANCE instance);
/* Until no post-operation is owed to it any more, and none runs or is pended. false: the time is over. */
bool fm_instance_wait_for_posts(PFLT_INSTANCE instance, unsigned milliseconds);

/* dispatch.c */
/* How many of those inside are pre-operations that were pended. */
unsigned fm_instance_pended_pres(PFLT_INSTANCE instance);
/* Reports each operation that the instance's callbacks have pended, cancels it, and goes on with it. How many. */
unsigned fm_instance_give_up_pended(PFLT_INSTANCE instance);

/* context.c */

/* STATUS_INVALID_PARAMETER: unknown types, or more definitions of one than there may be. NULL is allowed. */
NTSTATUS fm_context_check_registration(const FLT_CONTEXT_REGISTRATION *all);
/* Unlinks all that the owner has set, refuses new ones. */
void fm_context_owner_close(PFLT_FILTER filter, struct fm_context_owner *owner);
NTSTATUS fm_context_set(struct fm_context_list *list, void *owner_object, FLT_CONTEXT_TYPE type,
                        FLT_SET_CONTEXT_OPERATION operation, PFLT_CONTEXT new_context, PFLT_CONTEXT *old_context);
NTSTATUS fm_context_get(struct fm_context_list *list, void *owner_object, FLT_CONTEXT_TYPE type, PFLT_CONTEXT *ret);
NTSTATUS fm_context_delete(struct fm_context_list *list, void *owner_object, FLT_CONTEXT_TYPE type,
                           PFLT_CONTEXT *old_context);

/* filter.c */
PFLT_FILTER fm_filter_ref_by_name(const char *name); /* memory reference, or NULL */
