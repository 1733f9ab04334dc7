/* SPDX-License-Identifier: MIT */
/*
 * One table for all filters: what is in it is made seldom, and few at a time. Where nothing was entered,
 * giving back costs one load.
 */
#include "nt/ledger.h"

#include <glib.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "nt/thread.h"
#include "nt/verifier.h"

struct entry {
        enum fm_ledger_kind kind;
        const void *thing;
        const char *filter; /* interned */
        const void *code;
        unsigned count;
};

/* What its leak is called, and whether it points into the filter's image. */
static const struct {
        const char *rule, *what;
        bool keeps_image;
} kinds[FM_LEDGER_KINDS] = {
        [FM_LEDGER_OBJECT] = {"object-leak", "references on objects that were never given back", false},
        [FM_LEDGER_HANDLE] = {"handle-leak", "handles that were never closed", false},
        [FM_LEDGER_DEVICE] = {"device-leak", "device objects that were never deleted", false},
        [FM_LEDGER_TIMER] = {"timer-leak", "timers that are still set", true},
        [FM_LEDGER_WORK_ITEM] = {"work-item-leak", "work items that were never freed", false},
        [FM_LEDGER_LOOKASIDE] = {"lookaside-leak", "lookaside lists that were never deleted", false},
        [FM_LEDGER_RESOURCE] = {"resource-leak", "resources that were never deleted", false},
        [FM_LEDGER_THREAD] = {"thread-leak", "system threads that are still running", true},
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t threads_changed = PTHREAD_COND_INITIALIZER;
static GHashTable *entries; /* a set of struct entry; guarded by lock */
static _Atomic unsigned entry_count;

static guint entry_hash(gconstpointer opaque)
{
        const struct entry *entry = opaque;

        return g_direct_hash(entry->thing) * FM_LEDGER_KINDS + entry->kind;
}

static gboolean entry_equal(gconstpointer a, gconstpointer b)
{
        const struct entry *one = a, *other = b;

        return one->kind == other->kind && one->thing == other->thing;
}

void fm_ledger_add(enum fm_ledger_kind kind, const void *thing, const void *code)
{
        const char *filter = fm_thread_self()->filter;
        struct entry key = {.kind = kind, .thing = thing}, *entry;

        if (!filter)
                return;
        pthread_mutex_lock(&lock);
        if (!entries)
                entries = g_hash_table_new_full(entry_hash, entry_equal, g_free, NULL);
        entry = g_hash_table_lookup(entries, &key);
        if (!entry) {
                entry = g_new0(struct entry, 1);
                *entry = key;
                g_hash_table_add(entries, entry);
                atomic_fetch_add(&entry_count, 1);
        }
        entry->filter = g_intern_string(filter);
        entry->code = code;
        entry->count++;
        pthread_mutex_unlock(&lock);
}

void fm_ledger_remove(enum fm_ledger_kind kind, const void *thing)
{
        struct entry key = {.kind = kind, .thing = thing}, *entry;

        if (atomic_load(&entry_count) == 0)
                return;
        pthread_mutex_lock(&lock);
        entry = g_hash_table_lookup(entries, &key);
        if (entry && (kind != FM_LEDGER_OBJECT || --entry->count == 0)) {
                g_hash_table_remove(entries, entry);
                atomic_fetch_sub(&entry_count, 1);
                if (kind == FM_LEDGER_THREAD)
                        pthread_cond_broadcast(&threads_changed);
        }
        pthread_mutex_unlock(&lock);
}

/* One of them, and how many there are. */
static const struct entry *find_locked(const char *filter, enum fm_ledger_kind kind, unsigned *count)
{
        const struct entry *found = NULL;
        GHashTableIter iter;
        gpointer key;

        *count = 0;
        if (!entries)
                return NULL;
        g_hash_table_iter_init(&iter, entries);
        while (g_hash_table_iter_next(&iter, &key, NULL)) {
                const struct entry *entry = key;

                if (entry->kind != kind || g_strcmp0(entry->filter, filter) != 0)
                        continue;
                found = entry;
                ++*count;
        }
        return found;
}

void fm_ledger_wait_for_threads(const char *filter)
{
        unsigned patience = fm_verifier_patience(), count;
        struct timespec deadline;
        int error = 0;

        clock_gettime(CLOCK_REALTIME, &deadline);
        deadline.tv_sec += patience / 1000;
        deadline.tv_nsec += patience % 1000 * 1000000L;
        if (deadline.tv_nsec >= 1000000000) {
                deadline.tv_sec++;
                deadline.tv_nsec -= 1000000000;
        }
        pthread_mutex_lock(&lock);
        while (find_locked(filter, FM_LEDGER_THREAD, &count) && error == 0)
                error = pthread_cond_timedwait(&threads_changed, &lock, &deadline);
        pthread_mutex_unlock(&lock);
}

static gboolean is_of(gpointer key, gpointer value, gpointer filter)
{
        const struct entry *entry = key;

        return g_strcmp0(entry->filter, filter) == 0;
}

bool fm_ledger_close(const char *filter)
{
        bool image_is_free = true;

        for (unsigned kind = 0; kind < FM_LEDGER_KINDS; kind++) {
                struct fm_culprit culprit = {.filter = filter, .callback = "FilterUnload"};
                const struct entry *entry;
                const void *thing = NULL;
                unsigned count;

                pthread_mutex_lock(&lock);
                entry = find_locked(filter, kind, &count);
                if (entry) {
                        culprit.code = entry->code;
                        thing = entry->thing;
                }
                pthread_mutex_unlock(&lock);
                if (count == 0)
                        continue;
                fm_violation_of(&culprit, kinds[kind].rule, "%s: %u (such as %p)", kinds[kind].what, count, thing);
                if (kinds[kind].keeps_image)
                        image_is_free = false;
        }
        pthread_mutex_lock(&lock);
        if (entries)
                atomic_fetch_sub(&entry_count, g_hash_table_foreach_remove(entries, is_of, (gpointer)filter));
        pthread_mutex_unlock(&lock);
        return image_is_free;
}
