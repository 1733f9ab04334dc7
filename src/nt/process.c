/* SPDX-License-Identifier: MIT */
/*
 * Who asks: Linux thread and process ids as ETHREAD and EPROCESS.
 *
 * A process object is found through its id as long as it lives and the id still means that process, which its
 * pidfd says. Threads are kept in a bounded cache, since each request names one. processes and thread_cache
 * are guarded by one lock, under which nothing but system calls on those ids happens.
 */
#include "nt/process.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "nt/ke.h"
#include "nt/object.h"
#include "nt/ps.h"
#include "nt/thread.h"
#include "nt/verifier.h"

#define SYSTEM_PID  4
#define CACHE_LIMIT 256 /* each may hold a descriptor */

static void destroy_process(void *body);
static void destroy_thread(void *body);

static struct _OBJECT_TYPE process_type = {.name = "Process", .destroy = destroy_process};
static struct _OBJECT_TYPE thread_type = {.name = "Thread", .destroy = destroy_thread};
static POBJECT_TYPE process_type_pointer = &process_type;
static POBJECT_TYPE thread_type_pointer = &thread_type;
POBJECT_TYPE *PsProcessType = &process_type_pointer;
POBJECT_TYPE *PsThreadType = &thread_type_pointer;
PEPROCESS PsInitialSystemProcess;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static GHashTable *processes;        /* pid -> PEPROCESS, no reference: destroy_process takes it out */
static GHashTable *thread_cache;     /* tid -> PETHREAD, referenced */
static GQueue cached = G_QUEUE_INIT; /* tids, oldest first */
static PETHREAD nobody;              /* the thread for requests without an id */

static int64_t now(void)
{
        return fm_system_time();
}

static PEPROCESS process_new(pid_t pid, int pidfd)
{
        PEPROCESS process = fm_object_new(&process_type, sizeof(*process));

        fm_dispatcher_init(&process->Header, FM_DISPATCHER_PROCESS, 0);
        process->pid = pid;
        process->pidfd = pidfd;
        process->created = now();
        return process;
}

static PETHREAD thread_new(pid_t tid, PEPROCESS process)
{
        PETHREAD thread = fm_object_new(&thread_type, sizeof(*thread));

        fm_dispatcher_init(&thread->Header, FM_DISPATCHER_THREAD, 0);
        thread->tid = tid;
        thread->process = fm_object_ref(process);
        thread->priority = 8;
        thread->exit_status = STATUS_PENDING;
        return thread;
}

static void destroy_process(void *body)
{
        PEPROCESS process = body;

        pthread_mutex_lock(&lock);
        if (processes && g_hash_table_lookup(processes, GINT_TO_POINTER(process->pid)) == process)
                g_hash_table_remove(processes, GINT_TO_POINTER(process->pid));
        pthread_mutex_unlock(&lock);
        if (process->pidfd >= 0)
                close(process->pidfd);
}

static void destroy_thread(void *body)
{
        fm_object_unref(((PETHREAD)body)->process);
}

__attribute__((constructor)) static void init_system_process(void)
{
        PsInitialSystemProcess = process_new(SYSTEM_PID, -1);
        g_strlcpy(PsInitialSystemProcess->image, "System", sizeof(PsInitialSystemProcess->image));
        nobody = thread_new(SYSTEM_PID, PsInitialSystemProcess);
        processes = g_hash_table_new(NULL, NULL);
        thread_cache = g_hash_table_new(NULL, NULL);
}

static int open_pidfd(pid_t pid)
{
        return (int)syscall(SYS_pidfd_open, pid, 0); /* close-on-exec by itself */
}

static bool thread_exists(pid_t tgid, pid_t tid)
{
        return syscall(SYS_tgkill, tgid, tid, 0) == 0 || errno == EPERM;
}

static bool has_exited(PEPROCESS process)
{
        struct pollfd poll_fd = {.fd = process->pidfd, .events = POLLIN};

        if (process->pid == SYSTEM_PID && process == PsInitialSystemProcess)
                return false;
        if (process->pidfd < 0)
                return kill(process->pid, 0) < 0 && errno == ESRCH;
        return poll(&poll_fd, 1, 0) > 0;
}

bool fm_process_has_exited(PEPROCESS process)
{
        return has_exited(process);
}

static ssize_t read_proc(const char *path, char *buffer, size_t size)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t length;

        if (fd < 0)
                return -1;
        length = TEMP_FAILURE_RETRY(read(fd, buffer, size - 1));
        close(fd);
        if (length >= 0)
                buffer[length] = 0;
        return length;
}

/* Finds "Name:\t" at the beginning of a line of /proc/<tid>/status. */
static const char *status_field(const char *status, const char *name)
{
        size_t length = strlen(name);

        for (const char *line = status; line; line = strchr(line, '\n')) {
                if (*line == '\n')
                        line++;
                if (strncmp(line, name, length) == 0)
                        return line + length + strspn(line + length, "\t ");
        }
        return NULL;
}

static bool read_status(pid_t tid, char *buffer, size_t size)
{
        char path[48];

        (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)tid);
        return read_proc(path, buffer, size) > 0;
}

static pid_t read_tgid(pid_t tid)
{
        char status[4096];
        const char *field;

        if (!read_status(tid, status, sizeof(status)))
                return 0;
        field = status_field(status, "Tgid:");
        return field ? (pid_t)strtol(field, NULL, 10) : 0;
}

static PEPROCESS find_process_locked(pid_t pid)
{
        PEPROCESS process = g_hash_table_lookup(processes, GINT_TO_POINTER(pid));

        if (!process || !fm_object_try_ref(process))
                return NULL;
        return process;
}

/* Takes the pidfd. Referenced. */
static PEPROCESS get_process(pid_t pid, int pidfd)
{
        PEPROCESS process;
        PEPROCESS old;

        pthread_mutex_lock(&lock);
        old = find_process_locked(pid);
        if (old && !has_exited(old)) {
                pthread_mutex_unlock(&lock);
                if (pidfd >= 0)
                        close(pidfd);
                return old;
        }
        process = process_new(pid, pidfd);
        g_hash_table_insert(processes, GINT_TO_POINTER(pid), process);
        pthread_mutex_unlock(&lock);
        fm_object_unref(old);
        return process;
}

PEPROCESS fm_process_ref_by_id(pid_t pid)
{
        int pidfd;

        if (pid <= 0)
                return fm_object_ref(PsInitialSystemProcess);
        pidfd = open_pidfd(pid);
        if (pidfd < 0 && errno != ENOSYS && errno != EPERM && errno != EMFILE && errno != ENFILE)
                return fm_object_ref(PsInitialSystemProcess);
        if (pidfd < 0 && kill(pid, 0) < 0 && errno == ESRCH)
                return fm_object_ref(PsInitialSystemProcess);
        return get_process(pid, pidfd);
}

static bool is_current(PETHREAD thread)
{
        /* The group's first thread has its id for as long as there is the group. */
        return !has_exited(thread->process) &&
               (thread->tid == thread->process->pid || thread_exists(thread->process->pid, thread->tid));
}

static PETHREAD find_thread(pid_t tid)
{
        PETHREAD thread;
        PETHREAD stale = NULL;

        pthread_mutex_lock(&lock);
        thread = g_hash_table_lookup(thread_cache, GINT_TO_POINTER(tid));
        if (thread && is_current(thread)) {
                fm_object_ref(thread);
        } else if (thread) {
                g_hash_table_remove(thread_cache, GINT_TO_POINTER(tid));
                g_queue_remove(&cached, GINT_TO_POINTER(tid));
                stale = thread;
                thread = NULL;
        }
        pthread_mutex_unlock(&lock);
        fm_object_unref(stale);
        return thread;
}

/* Returns the thread that is in the cache afterwards: another request may have been faster. */
static PETHREAD cache_thread(PETHREAD thread)
{
        PETHREAD evicted = NULL;
        PETHREAD existing;

        pthread_mutex_lock(&lock);
        existing = g_hash_table_lookup(thread_cache, GINT_TO_POINTER(thread->tid));
        if (existing && existing->process == thread->process) {
                fm_object_ref(existing);
                pthread_mutex_unlock(&lock);
                fm_object_unref(thread);
                return existing;
        }
        if (existing) {
                evicted = existing;
        } else {
                if (g_queue_get_length(&cached) >= CACHE_LIMIT) {
                        gpointer oldest = g_queue_pop_head(&cached);

                        evicted = g_hash_table_lookup(thread_cache, oldest);
                        g_hash_table_remove(thread_cache, oldest);
                }
                g_queue_push_tail(&cached, GINT_TO_POINTER(thread->tid));
        }
        g_hash_table_insert(thread_cache, GINT_TO_POINTER(thread->tid), fm_object_ref(thread));
        pthread_mutex_unlock(&lock);
        fm_object_unref(evicted);
        return thread;
}

PETHREAD fm_thread_ref_by_id(pid_t tid)
{
        PETHREAD thread;
        PEPROCESS process;
        pid_t pid = tid;
        int pidfd;

        if (tid <= 0)
                return fm_object_ref(nobody);
        thread = find_thread(tid);
        if (thread)
                return thread;

        /* Only the leader of a group has a pidfd: for it, which is the common case, /proc is not needed. */
        pidfd = open_pidfd(tid);
        if (pidfd < 0) {
                pid = read_tgid(tid);
                if (pid <= 0)
                        return fm_object_ref(nobody);
                pidfd = open_pidfd(pid);
        }
        /* The id may have changed hands since it was read; after the pidfd was opened it no longer can. */
        if (!thread_exists(pid, tid)) {
                if (pidfd >= 0)
                        close(pidfd);
                return fm_object_ref(nobody);
        }
        process = get_process(pid, pidfd);
        thread = thread_new(tid, process);
        fm_object_unref(process);
        return cache_thread(thread);
}

pid_t fm_thread_id(PETHREAD thread)
{
        return thread->tid;
}

PEPROCESS fm_thread_process(PETHREAD thread)
{
        return thread->process;
}

pid_t fm_process_id(PEPROCESS process)
{
        return process->pid;
}

static bool has_sigkill(const char *status, const char *name)
{
        const char *field = status_field(status, name);

        return field && (strtoull(field, NULL, 16) & (UINT64_C(1) << (SIGKILL - 1)));
}

bool fm_thread_is_dying(pid_t tid)
{
        char status[4096];
        const char *state;

        if (tid <= 0)
                return false;
        if (!read_status(tid, status, sizeof(status)))
                return true;
        state = status_field(status, "State:");
        return (state && (*state == 'Z' || *state == 'X')) || has_sigkill(status, "SigPnd:") ||
               has_sigkill(status, "ShdPnd:");
}

bool fm_thread_is_leaving(pid_t tid)
{
        unsigned long text = 0;
        char path[32], statm[128];

        if (tid <= 0)
                return false;
        snprintf(path, sizeof(path), "/proc/%d/statm", (int)tid);
        if (read_proc(path, statm, sizeof(statm)) > 0)
                sscanf(statm, "%*u %*u %*u %lu", &text);
        return text == 0;
}

PETHREAD fm_thread_new_system(pid_t tid)
{
        return thread_new(tid, PsInitialSystemProcess);
}
