/* SPDX-License-Identifier: MIT */
/*
 * Contexts: what filters hang on volumes, instances, files, streams and file objects.
 *
 * A context lies behind a header of ours. References: one for whoever holds the pointer, one for the link
 * to its object. The cleanup callback runs when the last one goes, with no lock held.
 *
 * Each linked context is in two lists: its object's (to be found) and its owner's (to be taken back
 * when the instance or the filter goes). Linking and unlinking holds the filter's lock, then the object's; looking
 * up holds the object's only. The filter's, since a context keeps its filter in memory, and not its instance.
 */
#include "fltmgr/manager.h"

#include "fltmgr/check.h"
#include "fltmgr/work.h"

#define CONTEXT_MAGIC 0x43544658 /* "XFTC" */

struct fm_context {
        uint32_t magic;
        _Atomic uint32_t refs;
        PFLT_FILTER filter; /* memory reference */
        const FLT_CONTEXT_REGISTRATION *registration;
        FLT_CONTEXT_TYPE type;
        bool paged;
        /* Linked iff list != NULL; guarded by filter->contexts_lock and, for the first three, list->lock too. */
        struct fm_context_list *list;
        _Atomic bool linked; /* the same, for who has no lock */
        void *owner_object; /* PFLT_INSTANCE or PFLT_FILTER */
        struct fm_context *next_in_list;
        struct fm_context *next_in_owner, **link_in_owner;
        void *body[] __attribute__((aligned(16)));
};

static struct fm_context *from_body(PFLT_CONTEXT body)
{
        struct fm_context *context = body ? CONTAINING_RECORD(body, struct fm_context, body) : NULL;

        if (context && context->magic == CONTEXT_MAGIC)
                return context;
        fm_violation("context", "%p is not a context", body);
        return NULL;
}

static void context_ref(struct fm_context *context)
{
        atomic_fetch_add_explicit(&context->refs, 1, memory_order_relaxed);
}

/* From the filter's own callback if it has one, which gets the whole size. */
static struct fm_context *memory_new(PFLT_FILTER filter, const FLT_CONTEXT_REGISTRATION *registration,
                                     POOL_TYPE pool, SIZE_T size)
{
        struct fm_callback_scope scope;
        struct fm_context *context;

        size = (sizeof(*context) + size + 15) & ~(SIZE_T)15;
        if (!registration->ContextAllocateCallback)
                return aligned_alloc(16, size);
        fm_callback_enter(&scope, filter, "ContextAllocateCallback", fm_thread_self()->thread, fm_thread_self()->cancel);
        context = registration->ContextAllocateCallback(pool, size, registration->ContextType);
        fm_callback_leave(&scope);
        return context;
}

static void memory_free(const FLT_CONTEXT_REGISTRATION *registration, struct fm_context *context)
{
        if (!registration->ContextAllocateCallback)
                free(context);
        else if (registration->ContextFreeCallback)
                registration->ContextFreeCallback(context, registration->ContextType);
        else
                ExFreePool(context);
}

static void context_free(struct fm_context *context)
{
        PFLT_FILTER filter = context->filter;
        const FLT_CONTEXT_REGISTRATION *registration = context->registration;
        struct fm_callback_scope scope;

        fm_callback_enter(&scope, filter, "ContextCleanup", fm_thread_self()->thread, fm_thread_self()->cancel);
        if (registration->ContextCleanupCallback)
                registration->ContextCleanupCallback(context->body, context->type);
        context->magic = 0;
        memory_free(registration, context);
        fm_callback_leave(&scope);
        atomic_fetch_sub(&filter->contexts_alive, 1);
        fm_rundown_release(&filter->object.rundown);
        fm_flt_object_unref(filter);
}

static void free_later(void *context)
{
        context_free(context);
}

static void context_unref(struct fm_context *context)
{
        uint32_t before = atomic_fetch_sub_explicit(&context->refs, 1, memory_order_acq_rel);

        if (before != 1)
                return;
        /* Cleanup callbacks run at APC_LEVEL at most. */
        if (fm_thread_self()->irql > APC_LEVEL)
                fm_work_push(free_later, context);
        else
                context_free(context);
}

void fm_context_list_init(struct fm_context_list *list)
{
        pthread_mutex_init(&list->lock, NULL);
        list->first = NULL;
        list->closed = false;
}

static struct fm_context *find_locked(struct fm_context_list *list, void *owner_object, FLT_CONTEXT_TYPE type)
{
        for (struct fm_context *context = list->first; context; context = context->next_in_list)
                if (context->owner_object == owner_object && context->type == type)
                        return context;
        return NULL;
}

/* Both locks held. The link's reference passes to the caller. */
static void unlink_locked(struct fm_context *context)
{
        struct fm_context **place = &context->list->first;

        while (*place != context)
                place = &(*place)->next_in_list;
        *place = context->next_in_list;
        context->list = NULL;
        atomic_store(&context->linked, false);
        context->owner_object = NULL;

        *context->link_in_owner = context->next_in_owner;
        if (context->next_in_owner)
                context->next_in_owner->link_in_owner = context->link_in_owner;
}

static void link_locked(struct fm_context *context, struct fm_context_list *list, struct fm_context_owner *owner,
                        void *owner_object)
{
        context_ref(context);
        context->list = list;
        atomic_store(&context->linked, true);
        context->owner_object = owner_object;
        context->next_in_list = list->first;
        list->first = context;
        context->next_in_owner = owner->first;
        context->link_in_owner = &owner->first;
        if (owner->first)
                owner->first->link_in_owner = &context->next_in_owner;
        owner->first = context;
}

/* Unlinks it if it is still linked and drops the link's reference. The caller has a reference. */
static bool unlink_context(struct fm_context *context)
{
        PFLT_FILTER filter = context->filter;
        struct fm_context_list *list;
        bool was_linked = false;

        pthread_mutex_lock(&filter->contexts_lock);
        list = context->list;
        if (list) {

                pthread_mutex_lock(&list->lock);
                unlink_locked(context);
                pthread_mutex_unlock(&list->lock);
                was_linked = true;
        }
        pthread_mutex_unlock(&filter->contexts_lock);
        if (was_linked)
                context_unref(context);
        return was_linked;
}

void fm_context_list_close(struct fm_context_list *list)
{
        for (;;) {
                struct fm_context *context;

                pthread_mutex_lock(&list->lock);
                list->closed = true;
                context = list->first;
                if (context)
                        context_ref(context);
                pthread_mutex_unlock(&list->lock);
                if (!context)
                        return;
                unlink_context(context);
                context_unref(context);
        }
}

void fm_context_list_deinit(struct fm_context_list *list)
{
        fm_context_list_close(list);
        pthread_mutex_destroy(&list->lock);
}

void fm_context_owner_close(PFLT_FILTER filter, struct fm_context_owner *owner)
{
        for (;;) {
                struct fm_context *context;

                pthread_mutex_lock(&filter->contexts_lock);
                owner->closed = true;
                context = owner->first;
                if (context)
                        context_ref(context);
                pthread_mutex_unlock(&filter->contexts_lock);
                if (!context)
                        return;
                unlink_context(context);
                context_unref(context);
        }
}

static struct fm_context_owner *owner_of(void *owner_object, PFLT_FILTER *filter)
{
        if (((struct fm_flt_object *)owner_object)->kind == FM_FLT_FILTER) {
                *filter = owner_object;
                return &(*filter)->owned;
        }
        *filter = ((PFLT_INSTANCE)owner_object)->filter;
        return &((PFLT_INSTANCE)owner_object)->owned;
}

static bool is_going_away(void *object)
{
        return fm_rundown_is_closed(&((struct fm_flt_object *)object)->rundown);
}

NTSTATUS fm_context_set(struct fm_context_list *list, void *owner_object, FLT_CONTEXT_TYPE type,
                        FLT_SET_CONTEXT_OPERATION operation, PFLT_CONTEXT new_context, PFLT_CONTEXT *old_context)
{
        PFLT_FILTER filter;
        struct fm_context_owner *owner = owner_of(owner_object, &filter);
        struct fm_context *context = from_body(new_context);
        struct fm_context *old, *dropped = NULL;
        NTSTATUS status = STATUS_SUCCESS;

        if (old_context)
                *old_context = NULL;
        if (!context || context->type != type || context->filter != filter ||
            (operation != FLT_SET_CONTEXT_REPLACE_IF_EXISTS && operation != FLT_SET_CONTEXT_KEEP_IF_EXISTS))
                return STATUS_INVALID_PARAMETER;

        pthread_mutex_lock(&filter->contexts_lock);
        pthread_mutex_lock(&list->lock);
        old = find_locked(list, owner_object, type);
        if (owner->closed || list->closed || is_going_away(owner_object)) {
                status = STATUS_FLT_DELETING_OBJECT;
        } else if (context->list) {
                status = STATUS_FLT_CONTEXT_ALREADY_LINKED;
        } else if (old && operation == FLT_SET_CONTEXT_KEEP_IF_EXISTS) {
                status = STATUS_FLT_CONTEXT_ALREADY_DEFINED;
                if (old_context) {
                        context_ref(old);
                        *old_context = old->body;
                }
        } else {
                if (old) {
                        unlink_locked(old);
                        dropped = old;
                }
                link_locked(context, list, owner, owner_object);
        }
        pthread_mutex_unlock(&list->lock);
        pthread_mutex_unlock(&filter->contexts_lock);

        if (dropped && old_context)
                *old_context = dropped->body; /* with what was the link's reference */
        else if (dropped)
                context_unref(dropped);
        return status;
}

NTSTATUS fm_context_get(struct fm_context_list *list, void *owner_object, FLT_CONTEXT_TYPE type, PFLT_CONTEXT *ret)
{
        struct fm_context *context;

        *ret = NULL;
        pthread_mutex_lock(&list->lock);
        context = find_locked(list, owner_object, type);
        if (context) {
                context_ref(context);
                *ret = context->body;
        }
        pthread_mutex_unlock(&list->lock);
        return context ? STATUS_SUCCESS : STATUS_NOT_FOUND;
}

NTSTATUS fm_context_delete(struct fm_context_list *list, void *owner_object, FLT_CONTEXT_TYPE type,
                           PFLT_CONTEXT *old_context)
{
        PFLT_CONTEXT found;
        NTSTATUS status = fm_context_get(list, owner_object, type, &found);
        struct fm_context *context;

        if (old_context)
                *old_context = NULL;
        if (!NT_SUCCESS(status))
                return status;
        context = from_body(found);
        if (!unlink_context(context))
                status = STATUS_NOT_FOUND; /* somebody else was faster */
        if (NT_SUCCESS(status) && old_context)
                *old_context = found;
        else
                context_unref(context);
        return status;
}

static bool is_context_type(FLT_CONTEXT_TYPE type)
{
        return type && (type & (type - 1)) == 0 && type <= FLT_SECTION_CONTEXT;
}

/* An earlier definition says the same: this one counts for nothing. */
static bool is_repeated(const FLT_CONTEXT_REGISTRATION *all, const FLT_CONTEXT_REGISTRATION *one)
{
        for (; all < one; all++)
                if (all->ContextType == one->ContextType && all->Size == one->Size)
                        return true;
        return false;
}

NTSTATUS fm_context_check_registration(const FLT_CONTEXT_REGISTRATION *all)
{
        for (const FLT_CONTEXT_REGISTRATION *one = all; one && one->ContextType != FLT_CONTEXT_END; one++) {
                unsigned fixed = 0, count = 0;
                bool allocates = false;

                if (!is_context_type(one->ContextType))
                        return STATUS_INVALID_PARAMETER;
                for (const FLT_CONTEXT_REGISTRATION *other = all; other->ContextType != FLT_CONTEXT_END; other++) {
                        if (other->ContextType != one->ContextType)
                                continue;
                        count++;
                        allocates |= other->ContextAllocateCallback != NULL;
                        fixed += other->Size != FLT_VARIABLE_SIZED_CONTEXTS && !is_repeated(all, other);
                }
                if (fixed > 3 || (allocates && count > 1))
                        return STATUS_INVALID_PARAMETER;
        }
        return STATUS_SUCCESS;
}

static const FLT_CONTEXT_REGISTRATION *find_registration(PFLT_FILTER filter, FLT_CONTEXT_TYPE type, SIZE_T size)
{
        const FLT_CONTEXT_REGISTRATION *registration = filter->registration.ContextRegistration;
        const FLT_CONTEXT_REGISTRATION *best = NULL;

        for (; registration && registration->ContextType != FLT_CONTEXT_END; registration++) {
                if (registration->ContextType != type)
                        continue;
                /* Who allocates himself has one definition, and its size counts for nothing. */
                if (registration->Size == size || registration->ContextAllocateCallback)
                        return registration;
                if (registration->Size == FLT_VARIABLE_SIZED_CONTEXTS)
                        best = best ? best : registration;
                else if ((registration->Flags & FLTFL_CONTEXT_REGISTRATION_NO_EXACT_SIZE_MATCH) &&
                         registration->Size >= size && (!best || best->Size == FLT_VARIABLE_SIZED_CONTEXTS))
                        best = registration;
        }
        return best;
}

/*
 * Allocates a context of a type and size that the filter registered, with one reference. Not linked to anything yet.
 * IRQL <= APC_LEVEL.
 *
 * STATUS_FLT_CONTEXT_ALLOCATION_NOT_FOUND: no definition fits. STATUS_INVALID_BUFFER_SIZE: larger than 65535.
 * STATUS_INVALID_PARAMETER: no context type, or the pool type of a volume context is not non-paged.
 * STATUS_FLT_DELETING_OBJECT: the filter goes. STATUS_INSUFFICIENT_RESOURCES: no memory, or the filter's
 * ContextAllocateCallback has none.
 * Unlike Windows we fill a fixed-size context with a pattern, so that reading it before writing shows; those of
 * variable size are zeroed. What a ContextAllocateCallback has put there stays.
 */
NTSTATUS FltAllocateContext(PFLT_FILTER Filter, FLT_CONTEXT_TYPE ContextType, SIZE_T ContextSize, POOL_TYPE PoolType,
                            PFLT_CONTEXT *ReturnedContext)
{
        const FLT_CONTEXT_REGISTRATION *registration;
        struct fm_context *context;

        fm_check_irql(__func__, APC_LEVEL);
        *ReturnedContext = NULL;
        if (ContextSize > MAXUSHORT)
                return STATUS_INVALID_BUFFER_SIZE;
        if (!is_context_type(ContextType) || (ContextType == FLT_VOLUME_CONTEXT && (PoolType & PagedPool)))
                return STATUS_INVALID_PARAMETER;
        registration = find_registration(Filter, ContextType, ContextSize);
        if (!registration)
                return STATUS_FLT_CONTEXT_ALLOCATION_NOT_FOUND;
        if (!fm_rundown_acquire(&Filter->object.rundown))
                return STATUS_FLT_DELETING_OBJECT;
        context = memory_new(Filter, registration, PoolType, ContextSize);
        if (!context) {
                fm_rundown_release(&Filter->object.rundown);
                return STATUS_INSUFFICIENT_RESOURCES;
        }
        memset(context, 0, sizeof(*context));
        if (!registration->ContextAllocateCallback)
                memset(context->body, registration->Size == FLT_VARIABLE_SIZED_CONTEXTS ? 0 : 0xcd, ContextSize);
        context->paged = (PoolType & PagedPool) != 0;
        context->magic = CONTEXT_MAGIC;
        atomic_init(&context->refs, 1);
        fm_flt_object_ref(Filter);
        context->filter = Filter;
        context->registration = registration;
        context->type = ContextType;
        atomic_fetch_add(&Filter->contexts_alive, 1);
        atomic_store_explicit(&Filter->contexts_code, __builtin_return_address(0), memory_order_relaxed);
        *ReturnedContext = context->body;
        return STATUS_SUCCESS;
}

/* One more reference. IRQL <= DISPATCH_LEVEL. */
VOID FltReferenceContext(PFLT_CONTEXT Context)
{
        struct fm_context *context;

        fm_check_irql(__func__, DISPATCH_LEVEL);
        context = from_body(Context);
        if (context)
                context_ref(context);
}

/*
 * One reference less: each Allocate, Get, Reference and each old context that came back needs one. At DISPATCH_LEVEL the
 * cleanup callback runs later, on another thread. IRQL <= DISPATCH_LEVEL (APC_LEVEL for paged pool).
 */
VOID FltReleaseContext(PFLT_CONTEXT Context)
{
        struct fm_context *context = from_body(Context);

        if (!context)
                return;
        fm_check_irql(__func__, context->paged ? APC_LEVEL : DISPATCH_LEVEL);
        /*
         * A linked context keeps the link's reference: letting that one go too is the filter's bug. In this order: a last
         * reference that is the caller's own can't be linked by anybody any more.
         */
        if (atomic_load(&context->refs) == 1 && atomic_load(&context->linked)) {
                fm_violation("context-over-release", "%s: FltReleaseContext without a reference on %p",
                             context->filter->name, Context);
                return;
        }
        context_unref(context);
}

/* Unlinks the context from whatever it is set on. It lives on until its last reference is released. IRQL <= APC_LEVEL. */
VOID FltDeleteContext(PFLT_CONTEXT Context)
{
        struct fm_context *context;

        fm_check_irql(__func__, APC_LEVEL);
        context = from_body(Context);
        if (context)
                unlink_context(context);
}

/* The lists a type lives in. NULL: this object can't have such a context (now). */
static struct fm_context_list *stream_list(PFILE_OBJECT file)
{
        struct fm_file_object *object = fm_file_object(file);

        return file && object->stream ? &object->stream->contexts : NULL;
}

static struct fm_context_list *handle_list(PFILE_OBJECT file)
{
        struct fm_file_object *object = fm_file_object(file);

        return file && object->stream ? &object->contexts : NULL;
}

/*
 * The Set, Get and Delete functions of each type. IRQL <= APC_LEVEL.
 *
 * Set: STATUS_FLT_CONTEXT_ALREADY_DEFINED (KEEP_IF_EXISTS, and there was one: it comes back referenced),
 * STATUS_FLT_CONTEXT_ALREADY_LINKED, STATUS_INVALID_PARAMETER (a context of another type), STATUS_NOT_SUPPORTED (the
 * file is not opened). Get and Delete: STATUS_NOT_FOUND, STATUS_NOT_SUPPORTED. Set and Delete, from the beginning of
 * the instance's or volume's teardown on: STATUS_FLT_DELETING_OBJECT; FltDeleteContext works until the end.
 */
#define FILE_CONTEXT_FUNCTIONS(name, type, list_of)                                                                \
        NTSTATUS FltSet##name##Context(PFLT_INSTANCE Instance, PFILE_OBJECT FileObject,                            \
                                       FLT_SET_CONTEXT_OPERATION Operation, PFLT_CONTEXT NewContext,               \
                                       PFLT_CONTEXT *OldContext)                                                   \
        {                                                                                                          \
                struct fm_context_list *list = list_of(FileObject);                                                \
                                                                                                                   \
                fm_check_irql(__func__, APC_LEVEL);                                                                \
                if (OldContext)                                                                                    \
                        *OldContext = NULL;                                                                        \
                return list ? fm_context_set(list, Instance, type, Operation, NewContext, OldContext) :            \
                              STATUS_NOT_SUPPORTED;                                                                \
        }                                                                                                          \
                                                                                                                   \
        NTSTATUS FltGet##name##Context(PFLT_INSTANCE Instance, PFILE_OBJECT FileObject, PFLT_CONTEXT *Context)     \
        {                                                                                                          \
                struct fm_context_list *list = list_of(FileObject);                                                \
                                                                                                                   \
                fm_check_irql(__func__, APC_LEVEL);                                                                \
                *Context = NULL;                                                                                   \
                return list ? fm_context_get(list, Instance, type, Context) : STATUS_NOT_SUPPORTED;                \
        }                                                                                                          \
                                                                                                                   \
        NTSTATUS FltDelete##name##Context(PFLT_INSTANCE Instance, PFILE_OBJECT FileObject, PFLT_CONTEXT *OldContext) \
        {                                                                                                          \
                struct fm_context_list *list = list_of(FileObject);                                                \
                                                                                                                   \
                fm_check_irql(__func__, APC_LEVEL);                                                                \
                if (OldContext)                                                                                    \
                        *OldContext = NULL;                                                                        \
                if (list && is_going_away(Instance))                                                               \
                        return STATUS_FLT_DELETING_OBJECT;                                                         \
                return list ? fm_context_delete(list, Instance, type, OldContext) : STATUS_NOT_SUPPORTED;          \
        }

FILE_CONTEXT_FUNCTIONS(Stream, FLT_STREAM_CONTEXT, stream_list)
FILE_CONTEXT_FUNCTIONS(File, FLT_FILE_CONTEXT, stream_list)
FILE_CONTEXT_FUNCTIONS(StreamHandle, FLT_STREAMHANDLE_CONTEXT, handle_list)

NTSTATUS FltSetInstanceContext(PFLT_INSTANCE Instance, FLT_SET_CONTEXT_OPERATION Operation, PFLT_CONTEXT NewContext,
                               PFLT_CONTEXT *OldContext)
{
        fm_check_irql(__func__, APC_LEVEL);
        return fm_context_set(&Instance->contexts, Instance, FLT_INSTANCE_CONTEXT, Operation, NewContext, OldContext);
}

NTSTATUS FltGetInstanceContext(PFLT_INSTANCE Instance, PFLT_CONTEXT *Context)
{
        fm_check_irql(__func__, APC_LEVEL);
        return fm_context_get(&Instance->contexts, Instance, FLT_INSTANCE_CONTEXT, Context);
}

NTSTATUS FltDeleteInstanceContext(PFLT_INSTANCE Instance, PFLT_CONTEXT *OldContext)
{
        fm_check_irql(__func__, APC_LEVEL);
        if (OldContext)
                *OldContext = NULL;
        if (is_going_away(Instance))
                return STATUS_FLT_DELETING_OBJECT;
        return fm_context_delete(&Instance->contexts, Instance, FLT_INSTANCE_CONTEXT, OldContext);
}

NTSTATUS FltSetVolumeContext(PFLT_VOLUME Volume, FLT_SET_CONTEXT_OPERATION Operation, PFLT_CONTEXT NewContext,
                             PFLT_CONTEXT *OldContext)
{
        struct fm_context *context;

        fm_check_irql(__func__, APC_LEVEL);
        context = from_body(NewContext);
        if (OldContext)
                *OldContext = NULL;
        if (!context)
                return STATUS_INVALID_PARAMETER;
        if (is_going_away(Volume))
                return STATUS_FLT_DELETING_OBJECT;
        return fm_context_set(&Volume->contexts, context->filter, FLT_VOLUME_CONTEXT, Operation, NewContext, OldContext);
}

NTSTATUS FltGetVolumeContext(PFLT_FILTER Filter, PFLT_VOLUME Volume, PFLT_CONTEXT *Context)
{
        fm_check_irql(__func__, APC_LEVEL);
        return fm_context_get(&Volume->contexts, Filter, FLT_VOLUME_CONTEXT, Context);
}

NTSTATUS FltDeleteVolumeContext(PFLT_FILTER Filter, PFLT_VOLUME Volume, PFLT_CONTEXT *OldContext)
{
        fm_check_irql(__func__, APC_LEVEL);
        if (OldContext)
                *OldContext = NULL;
        if (is_going_away(Volume))
                return STATUS_FLT_DELETING_OBJECT;
        return fm_context_delete(&Volume->contexts, Filter, FLT_VOLUME_CONTEXT, OldContext);
}

/*
 * All contexts of the wanted types in one call; those that are not there are NULL. Release them with
 * FltReleaseContexts(). Transaction contexts are always NULL here. IRQL <= APC_LEVEL.
 */
VOID FltGetContexts(PCFLT_RELATED_OBJECTS FltObjects, FLT_CONTEXT_TYPE DesiredContexts,
                    PFLT_RELATED_CONTEXTS Contexts)
{
        fm_check_irql(__func__, APC_LEVEL);
        *Contexts = (FLT_RELATED_CONTEXTS){ 0 };
        if (DesiredContexts & FLT_VOLUME_CONTEXT)
                FltGetVolumeContext(FltObjects->Filter, FltObjects->Volume, &Contexts->VolumeContext);
        if (DesiredContexts & FLT_INSTANCE_CONTEXT)
                FltGetInstanceContext(FltObjects->Instance, &Contexts->InstanceContext);
        if (DesiredContexts & FLT_FILE_CONTEXT)
                FltGetFileContext(FltObjects->Instance, FltObjects->FileObject, &Contexts->FileContext);
        if (DesiredContexts & FLT_STREAM_CONTEXT)
                FltGetStreamContext(FltObjects->Instance, FltObjects->FileObject, &Contexts->StreamContext);
        if (DesiredContexts & FLT_STREAMHANDLE_CONTEXT)
                FltGetStreamHandleContext(FltObjects->Instance, FltObjects->FileObject,
                                          &Contexts->StreamHandleContext);
}

/* Releases what FltGetContexts() found. IRQL as FltReleaseContext(). */
VOID FltReleaseContexts(PFLT_RELATED_CONTEXTS Contexts)
{
        PFLT_CONTEXT *all[] = { &Contexts->VolumeContext, &Contexts->InstanceContext,     &Contexts->FileContext,
                                &Contexts->StreamContext, &Contexts->StreamHandleContext, &Contexts->TransactionContext };

        for (unsigned i = 0; i < G_N_ELEMENTS(all); i++)
                if (*all[i]) {
                        FltReleaseContext(*all[i]);
                        *all[i] = NULL;
                }
}

/* As FltGetContexts(), with the section context. STATUS_SUCCESS, STATUS_INVALID_PARAMETER: the size. IRQL <= APC_LEVEL. */
NTSTATUS FltGetContextsEx(PCFLT_RELATED_OBJECTS FltObjects, FLT_CONTEXT_TYPE DesiredContexts, SIZE_T ContextsSize,
                          PFLT_RELATED_CONTEXTS_EX Contexts)
{
        fm_check_irql(__func__, APC_LEVEL);
        if (ContextsSize != sizeof(*Contexts))
                return STATUS_INVALID_PARAMETER;
        FltGetContexts(FltObjects, DesiredContexts, (PFLT_RELATED_CONTEXTS)Contexts);
        Contexts->SectionContext = NULL;
        if (DesiredContexts & FLT_SECTION_CONTEXT)
                FltGetSectionContext(FltObjects->Instance, FltObjects->FileObject, &Contexts->SectionContext);
        return STATUS_SUCCESS;
}

/* Releases what FltGetContextsEx() found. IRQL as FltReleaseContext(). */
VOID FltReleaseContextsEx(SIZE_T ContextsSize, PFLT_RELATED_CONTEXTS_EX Contexts)
{
        FltReleaseContexts((PFLT_RELATED_CONTEXTS)Contexts);
        if (ContextsSize < sizeof(*Contexts) || !Contexts->SectionContext)
                return;
        FltReleaseContext(Contexts->SectionContext);
        Contexts->SectionContext = NULL;
}
