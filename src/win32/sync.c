/* SPDX-License-Identifier: MIT */
/*
 * Events, semaphores and mutexes. Their state is guarded by the wait lock; names are shared within the
 * process.
 */
#include "win32/sync.h"

#include "nt/crt.h"
#include "win32/thread.h"
#include "win32/wait.h"

#include <glib.h>
#include <string.h>

struct fm_w32_event {
        struct fm_w32_object object;
        bool manual;
        bool signalled;
        char *name;
};

struct semaphore {
        struct fm_w32_object object;
        LONG count;
        LONG maximum;
        char *name;
};

struct fm_w32_mutex {
        struct fm_w32_object object;
        pthread_t owner;
        unsigned depth; /* 0: free */
        bool abandoned;
        char *name;
        struct fm_w32_mutex *next, *prev; /* of those that are owned */
};

static struct fm_w32_mutex *owned; /* wait lock */

static struct {
        pthread_mutex_t lock; /* guards the table; taken before the handle table's lock */
        GHashTable *objects;  /* name -> object, without a reference: destroy removes it */
} names = { .lock = PTHREAD_MUTEX_INITIALIZER };

/*
 * Publishes the object under its name or finds the one that has it. Returns a handle to whichever, takes over
 * the caller's reference to the object; ERROR_ALREADY_EXISTS for the second as documented.
 */
static HANDLE publish(void *pointer, char **name_of_object, char *name)
{
        struct fm_w32_object *object = pointer, *existing = NULL;
        HANDLE handle = NULL;

        if (!name) {
                handle = fm_w32_handle_new(object);
                fm_w32_object_unref(object);
                if (handle)
                        SetLastError(ERROR_SUCCESS);
                return handle;
        }
        pthread_mutex_lock(&names.lock);
        if (!names.objects)
                names.objects = g_hash_table_new(g_str_hash, g_str_equal);
        existing = g_hash_table_lookup(names.objects, name);
        if (!existing) {
                *name_of_object = g_steal_pointer(&name);
                g_hash_table_insert(names.objects, *name_of_object, object);
                handle = fm_w32_handle_new(object);
                if (handle)
                        SetLastError(ERROR_SUCCESS);
        } else if (existing->type != object->type) {
                SetLastError(ERROR_INVALID_HANDLE);
        } else {
                handle = fm_w32_handle_new(existing);
                if (handle)
                        SetLastError(ERROR_ALREADY_EXISTS);
        }
        pthread_mutex_unlock(&names.lock);
        g_free(name);
        fm_w32_object_unref(object);
        return handle;
}

/* The name goes with the last handle, so that a lookup never finds an object about to be destroyed. */
static void unpublish(char *name)
{
        if (!name)
                return;
        pthread_mutex_lock(&names.lock);
        g_hash_table_remove(names.objects, name);
        pthread_mutex_unlock(&names.lock);
}

static bool event_ready(struct fm_w32_object *object, pthread_t waiter)
{
        return ((struct fm_w32_event *)object)->signalled;
}

static bool event_acquire(struct fm_w32_object *object, pthread_t waiter)
{
        struct fm_w32_event *event = (struct fm_w32_event *)object;

        if (!event->manual)
                event->signalled = false;
        return false;
}

static void event_close(struct fm_w32_object *object)
{
        unpublish(((struct fm_w32_event *)object)->name);
}

static void event_destroy(struct fm_w32_object *object)
{
        g_free(((struct fm_w32_event *)object)->name);
        g_free(object);
}

const struct fm_w32_type fm_w32_event_type = {
        .name = "Event",
        .close = event_close,
        .destroy = event_destroy,
        .ready = event_ready,
        .acquire = event_acquire,
};

static bool semaphore_ready(struct fm_w32_object *object, pthread_t waiter)
{
        return ((struct semaphore *)object)->count > 0;
}

static bool semaphore_acquire(struct fm_w32_object *object, pthread_t waiter)
{
        ((struct semaphore *)object)->count--;
        return false;
}

static void semaphore_close(struct fm_w32_object *object)
{
        unpublish(((struct semaphore *)object)->name);
}

static void semaphore_destroy(struct fm_w32_object *object)
{
        g_free(((struct semaphore *)object)->name);
        g_free(object);
}

static const struct fm_w32_type semaphore_type = {
        .name = "Semaphore", .close = semaphore_close, .destroy = semaphore_destroy,
        .ready = semaphore_ready, .acquire = semaphore_acquire,
};

static bool mutex_ready(struct fm_w32_object *object, pthread_t waiter)
{
        struct fm_w32_mutex *mutex = (struct fm_w32_mutex *)object;

        return mutex->depth == 0 || pthread_equal(mutex->owner, waiter);
}

static bool mutex_acquire(struct fm_w32_object *object, pthread_t waiter)
{
        struct fm_w32_mutex *mutex = (struct fm_w32_mutex *)object;
        bool abandoned = mutex->abandoned;

        if (mutex->depth++ == 0) {
                /* Owned: it must not go away while its thread has it. */
                fm_w32_object_ref(mutex);
                mutex->owner = waiter;
                mutex->prev = NULL;
                mutex->next = owned;
                if (owned)
                        owned->prev = mutex;
                owned = mutex;
        }
        mutex->abandoned = false;
        return abandoned;
}

static void mutex_free_locked(struct fm_w32_mutex *mutex)
{
        mutex->depth = 0;
        if (mutex->prev)
                mutex->prev->next = mutex->next;
        else
                owned = mutex->next;
        if (mutex->next)
                mutex->next->prev = mutex->prev;
}

static void mutex_close(struct fm_w32_object *object)
{
        unpublish(((struct fm_w32_mutex *)object)->name);
}

static void mutex_destroy(struct fm_w32_object *object)
{
        g_free(((struct fm_w32_mutex *)object)->name);
        g_free(object);
}

static const struct fm_w32_type mutex_type = {
        .name = "Mutant",
        .close = mutex_close,
        .destroy = mutex_destroy,
        .ready = mutex_ready,
        .acquire = mutex_acquire,
};

void fm_w32_mutex_abandon_all(pthread_t thread)
{
        struct fm_w32_mutex *mutex, *mine = NULL;

        fm_w32_wait_lock();
        for (;;) {
                for (mutex = owned; mutex && !pthread_equal(mutex->owner, thread); mutex = mutex->next)
                        ;
                if (!mutex)
                        break;
                mutex_free_locked(mutex);
                mutex->abandoned = true;
                mine = mutex;
                fm_w32_wait_wake_locked(&mutex->object);
                fm_w32_wait_unlock();
                fm_w32_object_unref(mine);
                fm_w32_wait_lock();
        }
        fm_w32_wait_unlock();
}

void fm_w32_event_set(struct fm_w32_event *event)
{
        fm_w32_wait_lock();
        event->signalled = true;
        fm_w32_wait_wake_locked(&event->object);
        fm_w32_wait_unlock();
}

void fm_w32_event_reset(struct fm_w32_event *event)
{
        fm_w32_wait_lock();
        event->signalled = false;
        fm_w32_wait_unlock();
}

static char *utf8(LPCWSTR text)
{
        return text ? g_utf16_to_utf8((const gunichar2 *)text, (glong)fm_wcslen(text), NULL, NULL, NULL)
                    : NULL;
}

static HANDLE event_new(bool manual, bool initial, char *name)
{
        struct fm_w32_event *event = g_new0(struct fm_w32_event, 1);

        fm_w32_object_init(&event->object, &fm_w32_event_type);
        event->manual = manual;
        event->signalled = initial;
        return publish(event, &event->name, name);
}

HANDLE WINAPI CreateEventW(LPSECURITY_ATTRIBUTES lpEventAttributes, BOOL bManualReset, BOOL bInitialState,
                           LPCWSTR lpName)
{
        return event_new(bManualReset, bInitialState, utf8(lpName));
}

HANDLE WINAPI CreateEventA(LPSECURITY_ATTRIBUTES lpEventAttributes, BOOL bManualReset, BOOL bInitialState,
                           LPCSTR lpName)
{
        return event_new(bManualReset, bInitialState, g_strdup(lpName));
}

BOOL WINAPI SetEvent(HANDLE hEvent)
{
        struct fm_w32_event *event = fm_w32_handle_ref(hEvent, &fm_w32_event_type);

        if (!event)
                return FALSE;
        fm_w32_event_set(event);
        fm_w32_object_unref(event);
        return TRUE;
}

BOOL WINAPI ResetEvent(HANDLE hEvent)
{
        struct fm_w32_event *event = fm_w32_handle_ref(hEvent, &fm_w32_event_type);

        if (!event)
                return FALSE;
        fm_w32_event_reset(event);
        fm_w32_object_unref(event);
        return TRUE;
}

static HANDLE semaphore_new(LONG initial, LONG maximum, char *name)
{
        struct semaphore *semaphore;

        if (maximum <= 0 || initial < 0 || initial > maximum) {
                g_free(name);
                SetLastError(ERROR_INVALID_PARAMETER);
                return NULL;
        }
        semaphore = g_new0(struct semaphore, 1);
        fm_w32_object_init(&semaphore->object, &semaphore_type);
        semaphore->count = initial;
        semaphore->maximum = maximum;
        return publish(semaphore, &semaphore->name, name);
}

HANDLE WINAPI CreateSemaphoreW(LPSECURITY_ATTRIBUTES lpSemaphoreAttributes, LONG lInitialCount,
                               LONG lMaximumCount, LPCWSTR lpName)
{
        return semaphore_new(lInitialCount, lMaximumCount, utf8(lpName));
}

HANDLE WINAPI CreateSemaphoreA(LPSECURITY_ATTRIBUTES lpSemaphoreAttributes, LONG lInitialCount,
                               LONG lMaximumCount, LPCSTR lpName)
{
        return semaphore_new(lInitialCount, lMaximumCount, g_strdup(lpName));
}

BOOL WINAPI ReleaseSemaphore(HANDLE hSemaphore, LONG lReleaseCount, LPLONG lpPreviousCount)
{
        struct semaphore *semaphore = fm_w32_handle_ref(hSemaphore, &semaphore_type);
        DWORD error = ERROR_SUCCESS;

        if (!semaphore)
                return FALSE;
        fm_w32_wait_lock();
        if (lReleaseCount <= 0) {
                error = ERROR_INVALID_PARAMETER;
        } else if (lReleaseCount > semaphore->maximum - semaphore->count) {
                error = ERROR_TOO_MANY_POSTS;
        } else {
                if (lpPreviousCount)
                        *lpPreviousCount = semaphore->count;
                semaphore->count += lReleaseCount;
                fm_w32_wait_wake_locked(&semaphore->object);
        }
        fm_w32_wait_unlock();
        fm_w32_object_unref(semaphore);
        if (error)
                SetLastError(error);
        return error == ERROR_SUCCESS;
}

static HANDLE mutex_new(bool take, char *name)
{
        struct fm_w32_mutex *mutex = g_new0(struct fm_w32_mutex, 1);
        HANDLE handle;

        fm_w32_object_init(&mutex->object, &mutex_type);
        handle = publish(fm_w32_object_ref(mutex), &mutex->name, name);
        /* An existing one is not taken, as documented. */
        if (handle && take && GetLastError() != ERROR_ALREADY_EXISTS) {
                fm_w32_thread_self(); /* whose end would abandon it */
                fm_w32_wait_lock();
                mutex_acquire(&mutex->object, pthread_self());
                fm_w32_wait_unlock();
        }
        fm_w32_object_unref(mutex);
        return handle;
}

HANDLE WINAPI CreateMutexW(LPSECURITY_ATTRIBUTES lpMutexAttributes, BOOL bInitialOwner, LPCWSTR lpName)
{
        return mutex_new(bInitialOwner, utf8(lpName));
}

HANDLE WINAPI CreateMutexA(LPSECURITY_ATTRIBUTES lpMutexAttributes, BOOL bInitialOwner, LPCSTR lpName)
{
        return mutex_new(bInitialOwner, g_strdup(lpName));
}

BOOL WINAPI ReleaseMutex(HANDLE hMutex)
{
        struct fm_w32_mutex *mutex = fm_w32_handle_ref(hMutex, &mutex_type);
        bool mine, last = false;

        if (!mutex)
                return FALSE;
        fm_w32_wait_lock();
        mine = mutex->depth > 0 && pthread_equal(mutex->owner, pthread_self());
        if (mine && mutex->depth > 1) {
                mutex->depth--;
        } else if (mine) {
                mutex_free_locked(mutex);
                fm_w32_wait_wake_locked(&mutex->object);
                last = true;
        }
        fm_w32_wait_unlock();
        if (last)
                fm_w32_object_unref(mutex); /* the owner's */
        fm_w32_object_unref(mutex);
        if (!mine)
                SetLastError(ERROR_NOT_OWNER);
        return mine;
}
