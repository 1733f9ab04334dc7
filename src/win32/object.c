/* SPDX-License-Identifier: MIT */
/*
 * The handle table. A slot of own handles is reused last-freed-last, so that a stale handle rarely hits a new
 * object. Nothing of an object is called under the table lock.
 */
#include "win32/object.h"

#include "win32/thread.h"

#include <glib.h>

static struct {
        pthread_mutex_t lock; /* guards all below, and the handle count of each object */
        GPtrArray *slots;     /* index -> object; handle = 4 * (index + 1) */
        GQueue free;          /* indexes + 1 */
        GHashTable *given;    /* value -> object */
        _Atomic unsigned forks; /* only a child changes it, when it has one thread */
} table = { .lock = PTHREAD_MUTEX_INITIALIZER };

void fm_w32_object_init(struct fm_w32_object *object, const struct fm_w32_type *type)
{
        object->type = type;
        atomic_init(&object->refs, 1);
        object->handles = 0;
        object->waiters = NULL;
}

void *fm_w32_object_ref(void *object)
{
        atomic_fetch_add_explicit(&((struct fm_w32_object *)object)->refs, 1, memory_order_relaxed);
        return object;
}

void fm_w32_object_unref(void *pointer)
{
        struct fm_w32_object *object = pointer;

        if (object && atomic_fetch_sub_explicit(&object->refs, 1, memory_order_acq_rel) == 1)
                object->type->destroy(object);
}

/* A forked child gets the table in a consistent state. */
static void before_fork(void)
{
        pthread_mutex_lock(&table.lock);
}

static void after_fork(void)
{
        pthread_mutex_unlock(&table.lock);
}

static void after_fork_in_child(void)
{
        table.forks++;
        after_fork();
}

static void table_init(void)
{
        table.slots = g_ptr_array_new();
        table.given = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
        pthread_atfork(before_fork, after_fork, after_fork_in_child);
}

static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static void table_lock(void)
{
        pthread_once(&table_once, table_init);
        pthread_mutex_lock(&table.lock);
}

/* Without the lock: it is asked for under others that a fork takes, too. */
unsigned fm_w32_generation(void)
{
        pthread_once(&table_once, table_init);
        return atomic_load_explicit(&table.forks, memory_order_relaxed);
}

static struct fm_w32_object *lookup_locked(HANDLE handle)
{
        gint64 value = (gint64)(intptr_t)handle;

        if (value <= 0 || value % 4)
                return NULL;
        if (value >= (gint64)FM_W32_GIVEN_FIRST)
                return g_hash_table_lookup(table.given, &value);
        return value / 4 <= table.slots->len ? table.slots->pdata[value / 4 - 1] : NULL;
}

HANDLE fm_w32_handle_new(void *pointer)
{
        struct fm_w32_object *object = fm_w32_object_ref(pointer);
        size_t index;

        table_lock();
        /* Keep some freed slots back: see the head of the file. */
        if (table.free.length > 64 || (table.free.length > 0 && table.slots->len == FM_W32_HANDLES_MAX)) {
                index = GPOINTER_TO_SIZE(g_queue_pop_head(&table.free)) - 1;
                table.slots->pdata[index] = object;
        } else if (table.slots->len < FM_W32_HANDLES_MAX) {
                index = table.slots->len;
                g_ptr_array_add(table.slots, object);
        } else {
                pthread_mutex_unlock(&table.lock);
                fm_w32_object_unref(object);
                SetLastError(ERROR_NO_SYSTEM_RESOURCES);
                return NULL;
        }
        object->handles++;
        pthread_mutex_unlock(&table.lock);
        return (HANDLE)(uintptr_t)(4 * (index + 1));
}

bool fm_w32_handle_give(uint64_t value, void *pointer)
{
        struct fm_w32_object *object = pointer;
        gint64 key = (gint64)value;
        bool free_value;

        if (value < FM_W32_GIVEN_FIRST || value > INT32_MAX || value % 4)
                return false;
        table_lock();
        free_value = !g_hash_table_contains(table.given, &key);
        if (free_value) {
                g_hash_table_insert(table.given, g_memdup2(&key, sizeof(key)), fm_w32_object_ref(object));
                object->handles++;
        }
        pthread_mutex_unlock(&table.lock);
        return free_value;
}

void *fm_w32_handle_ref(HANDLE handle, const struct fm_w32_type *type)
{
        struct fm_w32_object *object;

        if (handle == GetCurrentThread()) {
                object = fm_w32_thread_self();
                if (!type || type == object->type)
                        return fm_w32_object_ref(object);
                SetLastError(ERROR_INVALID_HANDLE);
                return NULL;
        }
        table_lock();
        object = lookup_locked(handle);
        if (object && type && object->type != type)
                object = NULL;
        if (object)
                fm_w32_object_ref(object);
        pthread_mutex_unlock(&table.lock);
        if (!object)
                SetLastError(ERROR_INVALID_HANDLE);
        return object;
}

bool fm_w32_handle_close(HANDLE handle)
{
        gint64 value = (gint64)(intptr_t)handle;
        struct fm_w32_object *object;
        bool last = false;

        table_lock();
        object = lookup_locked(handle);
        if (object) {
                last = --object->handles == 0;
                if (value >= (gint64)FM_W32_GIVEN_FIRST) {
                        g_hash_table_remove(table.given, &value);
                } else {
                        table.slots->pdata[value / 4 - 1] = NULL;
                        g_queue_push_tail(&table.free, GSIZE_TO_POINTER(value / 4));
                }
        }
        pthread_mutex_unlock(&table.lock);
        if (!object) {
                SetLastError(ERROR_INVALID_HANDLE);
                return false;
        }
        if (last && object->type->close)
                object->type->close(object);
        fm_w32_object_unref(object);
        return true;
}

/*
 * Closes one handle; the object ends with its last. The pseudo handles of process and thread need no closing.
 */
BOOL WINAPI CloseHandle(HANDLE hObject)
{
        if (hObject == GetCurrentProcess() || hObject == GetCurrentThread())
                return TRUE;
        return fm_w32_handle_close(hObject);
}

/* Within this process only: another one is ERROR_NOT_SUPPORTED. Access rights are not kept. */
BOOL WINAPI DuplicateHandle(HANDLE hSourceProcessHandle, HANDLE hSourceHandle, HANDLE hTargetProcessHandle,
                            LPHANDLE lpTargetHandle, DWORD dwDesiredAccess, BOOL bInheritHandle,
                            DWORD dwOptions)
{
        struct fm_w32_object *object;
        HANDLE copy = NULL;

        if (hSourceProcessHandle != GetCurrentProcess() ||
            (lpTargetHandle && hTargetProcessHandle != GetCurrentProcess())) {
                SetLastError(ERROR_NOT_SUPPORTED);
                return FALSE;
        }
        object = fm_w32_handle_ref(hSourceHandle, NULL);
        if (!object)
                return FALSE;
        if (lpTargetHandle) {
                copy = fm_w32_handle_new(object);
                *lpTargetHandle = copy;
        }
        fm_w32_object_unref(object);
        if (dwOptions & DUPLICATE_CLOSE_SOURCE)
                CloseHandle(hSourceHandle);
        return !lpTargetHandle || copy;
}
