/* SPDX-License-Identifier: MIT */
/*
 * ERESOURCE: shared and exclusive, recursive, with owners that can be asked for.
 *
 * What it needs lies in memory of its own behind OwnerTable, from ExInitializeResourceLite to
 * ExDeleteResourceLite. An owner is a thread of the simulator, not the requestor it works for: several of
 * those may be one.
 */
#include <glib.h>
#include <pthread.h>
#include <stdbool.h>

#include "nt/ke.h"
#include "nt/ledger.h"
#include "nt/thread.h"
#include "nt/verifier.h"

#define RESOURCE_NOT_OWNED 0xe3

struct owner {
        const void *key;         /* fm_thread, or what ExSetResourceOwnerPointer gave */
        ERESOURCE_THREAD thread; /* who it was for ExReleaseResourceForThreadLite */
        unsigned count;
};

struct resource {
        pthread_mutex_t lock; /* guards all below; leaf */
        pthread_cond_t changed;
        GArray *owners;
        bool exclusive;
        unsigned exclusive_waiters;
        unsigned shared_waiters;
};

static struct resource *resource_of(PERESOURCE resource)
{
        if (!resource->OwnerTable)
                fm_bugcheck(0x34, "resource %p was not initialized, or was deleted", (void *)resource);
        return (struct resource *)resource->OwnerTable;
}

NTSTATUS ExInitializeResourceLite(PERESOURCE Resource)
{
        struct resource *resource = g_new0(struct resource, 1);

        fm_check_irql(__func__, DISPATCH_LEVEL);
        *Resource = (ERESOURCE){0};
        pthread_mutex_init(&resource->lock, NULL);
        pthread_cond_init(&resource->changed, NULL);
        resource->owners = g_array_new(FALSE, FALSE, sizeof(struct owner));
        Resource->OwnerTable = (POWNER_ENTRY)resource;
        fm_ledger_add(FM_LEDGER_RESOURCE, Resource, __builtin_return_address(0));
        return STATUS_SUCCESS;
}

NTSTATUS ExDeleteResourceLite(PERESOURCE Resource)
{
        struct resource *resource;

        fm_check_irql(__func__, APC_LEVEL);
        resource = resource_of(Resource);
        if (resource->owners->len > 0)
                fm_violation("resource-in-use", "resource %p is deleted while a thread holds it",
                             (void *)Resource);
        fm_ledger_remove(FM_LEDGER_RESOURCE, Resource);
        Resource->OwnerTable = NULL;
        pthread_mutex_destroy(&resource->lock);
        pthread_cond_destroy(&resource->changed);
        g_array_unref(resource->owners);
        g_free(resource);
        return STATUS_SUCCESS;
}

NTSTATUS ExReinitializeResourceLite(PERESOURCE Resource)
{
        ExDeleteResourceLite(Resource);
        return ExInitializeResourceLite(Resource);
}

static struct owner *find_owner_locked(struct resource *resource, const void *key)
{
        for (guint i = 0; i < resource->owners->len; i++) {
                struct owner *owner = &g_array_index(resource->owners, struct owner, i);

                if (owner->key == key)
                        return owner;
        }
        return NULL;
}

static void add_owner_locked(struct resource *resource, const void *key)
{
        struct owner owner = {.key = key, .thread = (ERESOURCE_THREAD)KeGetCurrentThread(), .count = 1};

        g_array_append_val(resource->owners, owner);
        fm_thread_self()->resources_held++;
}

/* self may be another thread than the one that acquired it: then that one's callback has been told already. */
static void count_release(const struct owner *owner)
{
        struct fm_thread *self = fm_thread_self();

        if (owner->key == self && self->resources_held)
                self->resources_held--;
}

static void check_context(const char *function)
{
        fm_check_irql(function, APC_LEVEL);
        /* A thread that is suspended while it holds a resource stops everybody. */
        if (!KeAreApcsDisabled())
                fm_violation("critical-region",
                             "%s outside a critical region (KeEnterCriticalRegion or "
                             "FltAcquireResource...)",
                             function);
}

/* FALSE only if Wait is FALSE. IRQL <= APC_LEVEL, in a critical region. */
BOOLEAN ExAcquireResourceExclusiveLite(PERESOURCE Resource, BOOLEAN Wait)
{
        const void *self = fm_thread_self();
        struct resource *resource;
        struct owner *owner;
        bool acquired = true;

        check_context("ExAcquireResourceExclusiveLite");
        resource = resource_of(Resource);
        pthread_mutex_lock(&resource->lock);
        owner = find_owner_locked(resource, self);
        if (owner && resource->exclusive) {
                owner->count++;
                fm_thread_self()->resources_held++;
        } else if (owner && Wait) {
                fm_bugcheck(0xc4,
                            "deadlock: resource %p is acquired exclusive by a thread that holds it shared",
                            (void *)Resource);
        } else {
                resource->exclusive_waiters++;
                while (resource->owners->len > 0 && Wait)
                        pthread_cond_wait(&resource->changed, &resource->lock);
                resource->exclusive_waiters--;
                acquired = resource->owners->len == 0;
                if (acquired) {
                        resource->exclusive = true;
                        add_owner_locked(resource, self);
                }
        }
        pthread_mutex_unlock(&resource->lock);
        return acquired;
}

enum patience {
        AFTER_EXCLUSIVE_UNLESS_OWNER,
        BEFORE_EXCLUSIVE,
        AFTER_EXCLUSIVE,
};

static bool may_share_locked(struct resource *resource, const void *self, enum patience patience)
{
        bool recursive = find_owner_locked(resource, self) != NULL;

        if (resource->owners->len > 0 && resource->exclusive)
                return recursive;
        if (resource->exclusive_waiters == 0 || patience == BEFORE_EXCLUSIVE)
                return true;
        return recursive && patience == AFTER_EXCLUSIVE_UNLESS_OWNER;
}

static BOOLEAN acquire_shared(PERESOURCE Resource, BOOLEAN wait, enum patience patience, const char *function)
{
        const void *self = fm_thread_self();
        struct resource *resource;
        bool acquired;

        check_context(function);
        resource = resource_of(Resource);
        pthread_mutex_lock(&resource->lock);
        resource->shared_waiters++;
        while (!(acquired = may_share_locked(resource, self, patience)) && wait)
                pthread_cond_wait(&resource->changed, &resource->lock);
        resource->shared_waiters--;
        if (acquired) {
                struct owner *owner = find_owner_locked(resource, self);

                if (!owner) {
                        add_owner_locked(resource, self);
                } else {
                        owner->count++;
                        fm_thread_self()->resources_held++;
                }
        }
        pthread_mutex_unlock(&resource->lock);
        return acquired;
}

/* Waits behind exclusive waiters, unless the thread holds the resource already. */
BOOLEAN ExAcquireResourceSharedLite(PERESOURCE Resource, BOOLEAN Wait)
{
        return acquire_shared(Resource, Wait, AFTER_EXCLUSIVE_UNLESS_OWNER, "ExAcquireResourceSharedLite");
}

BOOLEAN ExAcquireSharedStarveExclusive(PERESOURCE Resource, BOOLEAN Wait)
{
        return acquire_shared(Resource, Wait, BEFORE_EXCLUSIVE, "ExAcquireSharedStarveExclusive");
}

BOOLEAN ExAcquireSharedWaitForExclusive(PERESOURCE Resource, BOOLEAN Wait)
{
        return acquire_shared(Resource, Wait, AFTER_EXCLUSIVE, "ExAcquireSharedWaitForExclusive");
}

VOID ExConvertExclusiveToSharedLite(PERESOURCE Resource)
{
        struct resource *resource;

        fm_check_irql(__func__, APC_LEVEL);
        resource = resource_of(Resource);
        pthread_mutex_lock(&resource->lock);
        if (!resource->exclusive || !find_owner_locked(resource, fm_thread_self())) {
                pthread_mutex_unlock(&resource->lock);
                fm_violation("resource-not-owned",
                             "resource %p is converted by a thread that does not hold it exclusive",
                             (void *)Resource);
                return;
        }
        resource->exclusive = false;
        pthread_cond_broadcast(&resource->changed);
        pthread_mutex_unlock(&resource->lock);
}

static struct owner *find_owner_by_thread_locked(struct resource *resource, ERESOURCE_THREAD thread)
{
        for (guint i = 0; i < resource->owners->len; i++) {
                struct owner *owner = &g_array_index(resource->owners, struct owner, i);

                if (owner->thread == thread || (ERESOURCE_THREAD)owner->key == thread)
                        return owner;
        }
        return NULL;
}

static void release(PERESOURCE Resource, const void *key, ERESOURCE_THREAD thread)
{
        struct resource *resource = resource_of(Resource);
        struct owner *owner;

        pthread_mutex_lock(&resource->lock);
        owner = key ? find_owner_locked(resource, key) : NULL;
        if (!owner)
                owner = find_owner_by_thread_locked(resource, thread);
        if (!owner) {
                pthread_mutex_unlock(&resource->lock);
                fm_violation("resource-not-owned",
                             "resource %p is released by a thread that does not hold it (bug check "
                             "0x%x on Windows)",
                             (void *)Resource, RESOURCE_NOT_OWNED);
                return;
        }
        count_release(owner);
        if (--owner->count == 0) {
                g_array_remove_index_fast(resource->owners,
                                          (guint)(owner - &g_array_index(resource->owners, struct owner, 0)));
                if (resource->owners->len == 0)
                        resource->exclusive = false;
                pthread_cond_broadcast(&resource->changed);
        }
        pthread_mutex_unlock(&resource->lock);
}

VOID ExReleaseResourceLite(PERESOURCE Resource)
{
        fm_check_irql(__func__, DISPATCH_LEVEL);
        release(Resource, fm_thread_self(), (ERESOURCE_THREAD)KeGetCurrentThread());
}

VOID ExReleaseResourceForThreadLite(PERESOURCE Resource, ERESOURCE_THREAD ResourceThreadId)
{
        fm_check_irql(__func__, DISPATCH_LEVEL);
        release(Resource, NULL, ResourceThreadId);
}

VOID ExSetResourceOwnerPointer(PERESOURCE Resource, PVOID OwnerPointer)
{
        struct resource *resource;
        struct owner *owner;

        fm_check_irql(__func__, DISPATCH_LEVEL);
        resource = resource_of(Resource);
        pthread_mutex_lock(&resource->lock);
        owner = find_owner_locked(resource, fm_thread_self());
        if (owner) {
                for (unsigned i = 0; i < owner->count; i++)
                        count_release(owner);
                owner->key = OwnerPointer;
                owner->thread = (ERESOURCE_THREAD)OwnerPointer;
        }
        pthread_mutex_unlock(&resource->lock);
}

BOOLEAN ExIsResourceAcquiredExclusiveLite(PERESOURCE Resource)
{
        struct resource *resource;
        bool held;

        fm_check_irql(__func__, DISPATCH_LEVEL);
        resource = resource_of(Resource);
        pthread_mutex_lock(&resource->lock);
        held = resource->exclusive && find_owner_locked(resource, fm_thread_self());
        pthread_mutex_unlock(&resource->lock);
        return held;
}

/* How often this thread holds it, in either way. */
ULONG ExIsResourceAcquiredSharedLite(PERESOURCE Resource)
{
        struct resource *resource;
        struct owner *owner;
        ULONG count;

        fm_check_irql(__func__, DISPATCH_LEVEL);
        resource = resource_of(Resource);
        pthread_mutex_lock(&resource->lock);
        owner = find_owner_locked(resource, fm_thread_self());
        count = owner ? owner->count : 0;
        pthread_mutex_unlock(&resource->lock);
        return count;
}

static ULONG count_waiters(PERESOURCE Resource, bool exclusive)
{
        struct resource *resource = resource_of(Resource);
        ULONG count;

        pthread_mutex_lock(&resource->lock);
        count = exclusive ? resource->exclusive_waiters : resource->shared_waiters;
        pthread_mutex_unlock(&resource->lock);
        return count;
}

ULONG ExGetExclusiveWaiterCount(PERESOURCE Resource)
{
        fm_check_irql(__func__, DISPATCH_LEVEL);
        return count_waiters(Resource, true);
}

ULONG ExGetSharedWaiterCount(PERESOURCE Resource)
{
        fm_check_irql(__func__, DISPATCH_LEVEL);
        return count_waiters(Resource, false);
}

PVOID ExEnterCriticalRegionAndAcquireResourceExclusive(PERESOURCE Resource)
{
        fm_check_irql(__func__, APC_LEVEL);
        KeEnterCriticalRegion();
        ExAcquireResourceExclusiveLite(Resource, TRUE);
        return NULL;
}

PVOID ExEnterCriticalRegionAndAcquireResourceShared(PERESOURCE Resource)
{
        KeEnterCriticalRegion();
        ExAcquireResourceSharedLite(Resource, TRUE);
        return NULL;
}

VOID ExReleaseResourceAndLeaveCriticalRegion(PERESOURCE Resource)
{
        fm_check_irql(__func__, APC_LEVEL);
        ExReleaseResourceLite(Resource);
        KeLeaveCriticalRegion();
}
