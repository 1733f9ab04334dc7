/* SPDX-License-Identifier: MIT */
/*
 * What all Filter Manager objects have in common: memory references and rundown references.
 *
 * FltObjectReference() and FltObjectDereference() are about entry (an object that goes away refuses
 * them, and waits for those that hold one); fm_flt_object_ref() is about memory only.
 */
#include "fltmgr/manager.h"

#include "nt/ke.h"
#include "nt/object.h"
#include "nt/unicode.h"

#include "nt/verifier.h"

struct fm_manager fm_manager = {
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .changed = PTHREAD_COND_INITIALIZER,
};

__attribute__((constructor)) static void manager_init(void)
{
        fm_manager.filters = g_ptr_array_new();
        fm_manager.volumes = g_ptr_array_new();
}

__attribute__((destructor)) static void manager_deinit(void)
{
        g_ptr_array_unref(fm_manager.filters);
        g_ptr_array_unref(fm_manager.volumes);
}

void fm_unicode_string_set(PUNICODE_STRING string, const char *utf8)
{
        size_t chars;

        string->Buffer = fm_utf16_from_utf8(utf8, &chars);
        string->Length = (USHORT)(chars * sizeof(WCHAR));
        string->MaximumLength = string->Length;
}

void fm_unicode_string_clear(PUNICODE_STRING string)
{
        free(string->Buffer);
        *string = (UNICODE_STRING){ 0 };
}

void fm_flt_object_init(struct fm_flt_object *object, enum fm_flt_kind kind)
{
        object->kind = kind;
        atomic_init(&object->refs, 1);
        fm_rundown_init(&object->rundown);
        atomic_init(&object->references, 0);
}

void fm_flt_object_ref(void *object)
{
        atomic_fetch_add_explicit(&((struct fm_flt_object *)object)->refs, 1, memory_order_relaxed);
}

bool fm_flt_object_enter(void *opaque)
{
        struct fm_flt_object *object = opaque;

        fm_flt_object_ref(object);
        if (fm_rundown_acquire(&object->rundown))
                return true;
        fm_flt_object_unref(object);
        return false;
}

void fm_flt_object_leave(void *opaque)
{
        struct fm_flt_object *object = opaque;

        fm_rundown_release(&object->rundown);
        fm_flt_object_unref(object);
}

/* How many of those inside are contexts: each holds its filter until its last reference is released. */
static uint32_t contexts_inside(const struct fm_flt_object *object)
{
        return object->kind == FM_FLT_FILTER ? (uint32_t)atomic_load(&((PFLT_FILTER)object)->contexts_alive) : 0;
}

bool fm_flt_object_wait(void *opaque, const char *filter, const char *what)
{
        struct fm_flt_object *object = opaque;
        struct fm_culprit culprit = { .filter = filter, .callback = fm_thread_self()->callback };
        bool reported = false, forgotten = false;
        uint32_t references, pended;

        while (!fm_rundown_wait_for(&object->rundown, fm_verifier_patience())) {
                references = atomic_load(&object->references);
                pended = object->kind == FM_FLT_INSTANCE ? fm_instance_pended_pres(opaque) : 0;
                if (pended && fm_rundown_inside(&object->rundown) <= references + pended &&
                    fm_instance_give_up_pended(opaque)) {
                        forgotten = true;
                        continue;
                }
                if (fm_rundown_inside(&object->rundown) <= references + contexts_inside(object)) {
                        culprit.code = atomic_load(&object->references_code);
                        if (references)
                                fm_violation_of(&culprit, "reference-leak",
                                                "%s waits for %u references that FltObjectDereference did not give back",
                                                what, references);
                        return false;
                }
                if (!reported)
                        fm_violation_of(&culprit, "hang", "%s waits for callbacks or work items that do not end (%u)", what,
                                        fm_rundown_inside(&object->rundown) - references);
                reported = true;
        }
        return !forgotten;
}

static void filter_free(PFLT_FILTER filter)
{
        g_ptr_array_unref(filter->instances);
        pthread_mutex_destroy(&filter->contexts_lock);
        fm_unicode_string_clear(&filter->Name);
        g_free((void *)filter->registration.OperationRegistration);
        g_free((void *)filter->registration.ContextRegistration);
        g_free(filter->altitude);
        g_free(filter->name);
        g_free(filter);
}

static void instance_free(PFLT_INSTANCE instance)
{
        fm_context_list_deinit(&instance->contexts);
        pthread_cond_destroy(&instance->idle);
        pthread_mutex_destroy(&instance->lock);
        fm_unicode_string_clear(&instance->Name);
        fm_unicode_string_clear(&instance->Altitude);
        g_free(instance->altitude);
        fm_flt_object_unref(instance->volume);
        fm_flt_object_unref(instance->filter);
        g_free(instance);
}

static void volume_free(PFLT_VOLUME volume)
{
        fm_stack_unref(volume->stack);
        fm_context_list_deinit(&volume->contexts);
        g_ptr_array_unref(volume->instances);
        g_clear_pointer(&volume->attach_later, g_ptr_array_unref);
        pthread_mutex_destroy(&volume->stack_lock);
        fm_unicode_string_clear(&volume->Name);
        fm_unicode_string_clear(&volume->GuidName);
        fm_unicode_string_clear(&volume->DosName);
        fm_object_unref(volume->device);
        fm_object_unref(volume->disk);
        g_free(volume->mount_point);
        g_free(volume);
}

void fm_flt_object_unref(void *opaque)
{
        struct fm_flt_object *object = opaque;

        if (!object || atomic_fetch_sub_explicit(&object->refs, 1, memory_order_acq_rel) != 1)
                return;
        switch (object->kind) {
        case FM_FLT_FILTER:
                filter_free(opaque);
                break;
        case FM_FLT_INSTANCE:
                instance_free(opaque);
                break;
        case FM_FLT_VOLUME:
                volume_free(opaque);
                break;
        }
}

static struct fm_flt_object *checked_object(PVOID opaque)
{
        struct fm_flt_object *object = opaque;

        if (object && (object->kind == FM_FLT_FILTER || object->kind == FM_FLT_INSTANCE ||
                       object->kind == FM_FLT_VOLUME))
                return object;
        fm_violation("flt-object", "%p is not a filter, an instance or a volume", opaque);
        return NULL;
}

/*
 * Takes a rundown reference on a filter, an instance or a volume: it can't go away before
 * FltObjectDereference(). IRQL <= DISPATCH_LEVEL.
 *
 * STATUS_SUCCESS; STATUS_FLT_DELETING_OBJECT when it is going away already; STATUS_INVALID_PARAMETER (and a
 * verifier report) for anything that is no such object.
 */
NTSTATUS FltObjectReference(PVOID FltObject)
{
        struct fm_flt_object *object;

        fm_check_irql(__func__, DISPATCH_LEVEL);
        object = checked_object(FltObject);
        if (!object)
                return STATUS_INVALID_PARAMETER;
        if (!fm_flt_object_enter(object))
                return STATUS_FLT_DELETING_OBJECT;
        atomic_fetch_add(&object->references, 1);
        atomic_store_explicit(&object->references_code, __builtin_return_address(0), memory_order_relaxed);
        return STATUS_SUCCESS;
}

/*
 * Gives back what FltObjectReference, or a Flt function that returns a referenced object, has taken.
 * IRQL <= DISPATCH_LEVEL.
 */
VOID FltObjectDereference(PVOID FltObject)
{
        struct fm_flt_object *object;

        fm_check_irql(__func__, DISPATCH_LEVEL);
        object = checked_object(FltObject);
        if (!object)
                return;
        if (atomic_load(&object->references) == 0) {
                fm_violation("flt-object-reference", "FltObjectDereference without a reference on %p", FltObject);
                return;
        }
        atomic_fetch_sub(&object->references, 1);
        fm_flt_object_leave(object);
}
