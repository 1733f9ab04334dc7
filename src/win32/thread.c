/* SPDX-License-Identifier: MIT */
/*
 * Threads: pthreads with an object each. The object is signalled as the last thing that a thread does; what
 * pthreads still tidy up after that nobody can see.
 */
#include "win32/thread.h"

#include "win32/futex.h"
#include "win32/wait.h"

#include <errno.h>
#include <glib.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct thread {
        struct fm_w32_object object;
        LPTHREAD_START_ROUTINE start;
        LPVOID parameter;
        _Atomic uint32_t id;        /* 0 until the thread runs; futex */
        _Atomic uint32_t suspended; /* 1: not resumed yet; futex */
        bool finished;              /* wait lock */
        GQueue apcs;                /* struct apc; wait lock */
        int alert_fd;               /* -1: nobody has asked for it; wait lock */
        DWORD exit_code;            /* written by the thread before finished */
};

struct apc {
        PAPCFUNC function;
        ULONG_PTR data;
};

static pthread_key_t self_key;
static pthread_once_t self_once = PTHREAD_ONCE_INIT;

static bool thread_ready(struct fm_w32_object *object, pthread_t waiter)
{
        return ((struct thread *)object)->finished;
}

static void thread_destroy(struct fm_w32_object *object)
{
        struct thread *thread = (struct thread *)object;

        g_queue_clear_full(&thread->apcs, g_free);
        if (thread->alert_fd >= 0)
                close(thread->alert_fd);
        g_free(thread);
}

static const struct fm_w32_type thread_type = {
        .name = "Thread", .destroy = thread_destroy, .ready = thread_ready,
};

/* Runs on the ending thread, after its cleanup handlers. */
static void thread_ended(void *pointer)
{
        struct thread *thread = pointer;

        fm_w32_mutex_abandon_all(pthread_self());
        fm_w32_wait_lock();
        thread->finished = true;
        fm_w32_wait_wake_locked(&thread->object);
        fm_w32_wait_unlock();
        fm_w32_object_unref(thread);
}

static void make_key(void)
{
        if (pthread_key_create(&self_key, thread_ended) != 0)
                g_error("no thread-specific key left");
}

static struct thread *thread_new(void)
{
        struct thread *thread = g_new0(struct thread, 1);

        pthread_once(&self_once, make_key);
        fm_w32_object_init(&thread->object, &thread_type);
        thread->exit_code = STILL_ACTIVE;
        g_queue_init(&thread->apcs);
        thread->alert_fd = -1;
        return thread;
}

struct fm_w32_object *fm_w32_thread_self(void)
{
        struct thread *thread;

        pthread_once(&self_once, make_key);
        thread = pthread_getspecific(self_key);
        if (!thread) {
                thread = thread_new();
                atomic_store(&thread->id, (uint32_t)gettid());
                pthread_setspecific(self_key, thread);
        }
        return &thread->object;
}

bool fm_w32_thread_has_apcs_locked(struct fm_w32_object *thread)
{
        return ((struct thread *)thread)->apcs.length > 0;
}

bool fm_w32_thread_run_apcs(void)
{
        struct thread *thread = (struct thread *)fm_w32_thread_self();
        struct apc *apc;
        bool any = false;

        for (;;) {
                fm_w32_wait_lock();
                apc = g_queue_pop_head(&thread->apcs);
                if (!apc && any && thread->alert_fd >= 0)
                        (void)!read(thread->alert_fd, &(uint64_t){ 0 }, sizeof(uint64_t));
                fm_w32_wait_unlock();
                if (!apc)
                        return any;
                any = true;
                apc->function(apc->data);
                g_free(apc);
        }
}

int fm_w32_thread_alert_fd(void)
{
        struct thread *thread = (struct thread *)fm_w32_thread_self();
        int fd;

        fm_w32_wait_lock();
        if (thread->alert_fd < 0)
                thread->alert_fd = eventfd(thread->apcs.length > 0, EFD_CLOEXEC | EFD_NONBLOCK);
        fd = thread->alert_fd;
        fm_w32_wait_unlock();
        return fd;
}

/*
 * The function runs on that thread when it waits alertably, or before anything else if it has not started yet. A
 * thread that has ended takes none: ERROR_GEN_FAILURE.
 */
DWORD WINAPI QueueUserAPC(PAPCFUNC pfnAPC, HANDLE hThread, ULONG_PTR dwData)
{
        struct thread *thread = fm_w32_handle_ref(hThread, &thread_type);
        struct apc *apc;
        bool queued;

        if (!thread)
                return 0;
        apc = g_new(struct apc, 1);
        *apc = (struct apc){ pfnAPC, dwData };
        fm_w32_wait_lock();
        queued = !thread->finished;
        if (queued) {
                g_queue_push_tail(&thread->apcs, apc);
                fm_w32_wait_alert_locked(&thread->object);
                if (thread->alert_fd >= 0)
                        (void)!write(thread->alert_fd, &(uint64_t){ 1 }, sizeof(uint64_t));
        }
        fm_w32_wait_unlock();
        fm_w32_object_unref(thread);
        if (!queued) {
                g_free(apc);
                SetLastError(ERROR_GEN_FAILURE);
        }
        return queued;
}

static void *thread_main(void *pointer)
{
        struct thread *thread = pointer; /* with a reference, which the key now holds */
        DWORD code;

        pthread_setspecific(self_key, thread);
        atomic_store(&thread->id, (uint32_t)gettid());
        fm_futex_wake(&thread->id, INT_MAX);
        while (atomic_load(&thread->suspended))
                fm_futex_wait(&thread->suspended, 1, UINT64_MAX);
        fm_w32_thread_run_apcs();
        code = thread->start(thread->parameter);
        thread->exit_code = code;
        return NULL;
}

/* The thread starts suspended with CREATE_SUSPENDED; its id is known at return in any case. */
HANDLE WINAPI CreateThread(LPSECURITY_ATTRIBUTES lpThreadAttributes, SIZE_T dwStackSize,
                           LPTHREAD_START_ROUTINE lpStartAddress, LPVOID lpParameter, DWORD dwCreationFlags,
                           LPDWORD lpThreadId)
{
        struct thread *thread;
        pthread_attr_t attributes;
        pthread_t id;
        HANDLE handle;
        int error;

        if (!lpStartAddress || dwCreationFlags & ~(CREATE_SUSPENDED | STACK_SIZE_PARAM_IS_A_RESERVATION)) {
                SetLastError(ERROR_INVALID_PARAMETER);
                return NULL;
        }
        thread = thread_new();
        thread->start = lpStartAddress;
        thread->parameter = lpParameter;
        atomic_init(&thread->suspended, (dwCreationFlags & CREATE_SUSPENDED) != 0);
        handle = fm_w32_handle_new(thread);
        if (!handle) {
                fm_w32_object_unref(thread);
                return NULL;
        }
        pthread_attr_init(&attributes);
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        if (dwStackSize >= (SIZE_T)PTHREAD_STACK_MIN && dwStackSize < SIZE_MAX / 2)
                pthread_attr_setstacksize(&attributes, (dwStackSize + 0xffff) & ~(SIZE_T)0xffff);
        fm_w32_object_ref(thread);
        error = pthread_create(&id, &attributes, thread_main, thread);
        pthread_attr_destroy(&attributes);
        if (error) {
                fm_w32_object_unref(thread);
                fm_w32_handle_close(handle);
                fm_w32_object_unref(thread);
                SetLastError(error == EAGAIN ? ERROR_MAX_THRDS_REACHED : ERROR_NOT_ENOUGH_MEMORY);
                return NULL;
        }
        while (!atomic_load(&thread->id))
                fm_futex_wait(&thread->id, 0, UINT64_MAX);
        if (lpThreadId)
                *lpThreadId = atomic_load(&thread->id);
        fm_w32_object_unref(thread);
        return handle;
}

/* The previous suspend count: 1, or 0 for a thread that runs. */
DWORD WINAPI ResumeThread(HANDLE hThread)
{
        struct thread *thread = fm_w32_handle_ref(hThread, &thread_type);
        DWORD previous;

        if (!thread)
                return (DWORD)-1;
        previous = atomic_exchange(&thread->suspended, 0);
        if (previous)
                fm_futex_wake(&thread->suspended, INT_MAX);
        fm_w32_object_unref(thread);
        return previous;
}

VOID WINAPI ExitThread(DWORD dwExitCode)
{
        struct thread *thread = (struct thread *)fm_w32_thread_self();

        thread->exit_code = dwExitCode;
        pthread_exit(NULL);
}

BOOL WINAPI GetExitCodeThread(HANDLE hThread, LPDWORD lpExitCode)
{
        struct thread *thread = fm_w32_handle_ref(hThread, &thread_type);

        if (!thread)
                return FALSE;
        if (!lpExitCode) {
                fm_w32_object_unref(thread);
                SetLastError(ERROR_INVALID_PARAMETER);
                return FALSE;
        }
        fm_w32_wait_lock();
        *lpExitCode = thread->finished ? thread->exit_code : STILL_ACTIVE;
        fm_w32_wait_unlock();
        fm_w32_object_unref(thread);
        return TRUE;
}

DWORD WINAPI GetThreadId(HANDLE Thread)
{
        struct thread *thread = fm_w32_handle_ref(Thread, &thread_type);
        DWORD id;

        if (!thread)
                return 0;
        id = atomic_load(&thread->id);
        fm_w32_object_unref(thread);
        return id;
}

HANDLE WINAPI GetCurrentThread(VOID)
{
        return (HANDLE)(LONG_PTR)-2;
}

static __thread DWORD current_id;

/* The one thread of a forked child has another id. */
static void forget_id(void)
{
        current_id = 0;
}

static void register_fork_handler(void)
{
        pthread_atfork(NULL, NULL, forget_id);
}

DWORD WINAPI GetCurrentThreadId(VOID)
{
        static pthread_once_t once = PTHREAD_ONCE_INIT;

        if (!current_id) {
                pthread_once(&once, register_fork_handler);
                current_id = (DWORD)gettid();
        }
        return current_id;
}

HANDLE WINAPI GetCurrentProcess(VOID)
{
        return (HANDLE)(LONG_PTR)-1;
}

DWORD WINAPI GetCurrentProcessId(VOID)
{
        return (DWORD)getpid();
}

VOID WINAPI ExitProcess(UINT uExitCode)
{
        exit((int)uExitCode);
}

/* Slots of the C library; no destructor is called at a thread's end, as on Windows. */
DWORD WINAPI TlsAlloc(VOID)
{
        pthread_key_t key;

        if (pthread_key_create(&key, NULL) != 0) {
                SetLastError(ERROR_NO_MORE_ITEMS);
                return TLS_OUT_OF_INDEXES;
        }
        return key;
}

BOOL WINAPI TlsFree(DWORD dwTlsIndex)
{
        return pthread_key_delete(dwTlsIndex) == 0;
}

LPVOID WINAPI TlsGetValue(DWORD dwTlsIndex)
{
        SetLastError(ERROR_SUCCESS);
        return pthread_getspecific(dwTlsIndex);
}

BOOL WINAPI TlsSetValue(DWORD dwTlsIndex, LPVOID lpTlsValue)
{
        return pthread_setspecific(dwTlsIndex, lpTlsValue) == 0;
}
