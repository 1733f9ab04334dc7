/* SPDX-License-Identifier: MIT */
/*
 * Processes and threads as filters see them.
 *
 * The current thread is the requestor whose I/O this thread carries, if it carries any; else it is a thread
 * of the System process with an object of its own, made when somebody asks for it and dropped when the thread
 * ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <fltKernel.h>
#include <glib.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "nt/ke.h"
#include "nt/ledger.h"
#include "nt/object.h"
#include "nt/pool.h"
#include "nt/process.h"
#include "nt/ps.h"
#include "nt/thread.h"
#include "nt/unicode.h"
#include "nt/verifier.h"

#define IMAGE_TAG 0x6d497350 /* 'PsIm' */

static pthread_key_t own_thread_key;
static pthread_once_t own_thread_once = PTHREAD_ONCE_INIT;

static void make_own_thread_key(void)
{
        if (pthread_key_create(&own_thread_key, fm_object_unref) != 0)
                fm_bugcheck(0x1, "no thread-local storage left");
}

/* Borrowed: lives as long as the thread. */
static PETHREAD own_thread(void)
{
        PETHREAD thread;

        pthread_once(&own_thread_once, make_own_thread_key);
        thread = pthread_getspecific(own_thread_key);
        if (!thread) {
                thread = fm_thread_new_system((pid_t)syscall(SYS_gettid));
                pthread_setspecific(own_thread_key, thread);
        }
        return thread;
}

PETHREAD PsGetCurrentThread(VOID)
{
        PETHREAD requestor = fm_thread_self()->thread;

        return requestor ? requestor : own_thread();
}

PKTHREAD KeGetCurrentThread(VOID)
{
        return PsGetCurrentThread();
}

/* The process that the thread is attached to, or else its own. */
PEPROCESS IoGetCurrentProcess(VOID)
{
        PETHREAD requestor = fm_thread_self()->thread;

        if (fm_thread_self()->attached)
                return fm_thread_self()->attached;
        return requestor ? requestor->process : PsInitialSystemProcess;
}

static HANDLE handle_of(pid_t id)
{
        return (HANDLE)(LONG_PTR)id;
}

/* Of the thread's own process, attached or not. */
HANDLE PsGetCurrentProcessId(VOID)
{
        PETHREAD requestor = fm_thread_self()->thread;

        return handle_of(requestor ? requestor->process->pid : PsInitialSystemProcess->pid);
}

HANDLE PsGetCurrentThreadId(VOID)
{
        return handle_of(PsGetCurrentThread()->tid);
}

HANDLE PsGetProcessId(PEPROCESS Process)
{
        return handle_of(Process->pid);
}

HANDLE PsGetThreadId(PETHREAD Thread)
{
        return handle_of(Thread->tid);
}

HANDLE PsGetThreadProcessId(PETHREAD Thread)
{
        return handle_of(Thread->process->pid);
}

PEPROCESS PsGetThreadProcess(PETHREAD Thread)
{
        return Thread->process;
}

PEPROCESS IoThreadToProcess(PETHREAD Thread)
{
        return Thread->process;
}

BOOLEAN PsIsSystemThread(PETHREAD Thread)
{
        return Thread->process == PsInitialSystemProcess;
}

BOOLEAN IoIsSystemThread(PETHREAD Thread)
{
        return PsIsSystemThread(Thread);
}

BOOLEAN PsIsSystemProcess(PEPROCESS Process)
{
        return Process == PsInitialSystemProcess;
}

BOOLEAN PsIsThreadTerminating(PETHREAD Thread)
{
        if (PsIsSystemThread(Thread))
                return Thread->Header.SignalState != 0;
        return fm_process_has_exited(Thread->process) || fm_thread_is_dying(Thread->tid);
}

static NTSTATUS look_up_process(HANDLE ProcessId, PEPROCESS *Process)
{
        LONG_PTR id = (LONG_PTR)ProcessId;
        PEPROCESS process;

        *Process = NULL;
        if (id <= 0 || id > INT_MAX)
                return STATUS_INVALID_PARAMETER;
        if (id == PsInitialSystemProcess->pid) {
                *Process = fm_object_ref(PsInitialSystemProcess);
                return STATUS_SUCCESS;
        }
        process = fm_process_ref_by_id((pid_t)id);
        if (process == PsInitialSystemProcess) {
                fm_object_unref(process);
                return STATUS_INVALID_PARAMETER;
        }
        *Process = process;
        return STATUS_SUCCESS;
}

/* STATUS_INVALID_PARAMETER: no such process. The result is referenced. IRQL PASSIVE_LEVEL. */
NTSTATUS PsLookupProcessByProcessId(HANDLE ProcessId, PEPROCESS *Process)
{
        NTSTATUS status = look_up_process(ProcessId, Process);

        fm_check_irql(__func__, APC_LEVEL);
        if (NT_SUCCESS(status))
                fm_ledger_add(FM_LEDGER_OBJECT, *Process, __builtin_return_address(0));
        return status;
}

NTSTATUS PsLookupThreadByThreadId(HANDLE ThreadId, PETHREAD *Thread)
{
        LONG_PTR id = (LONG_PTR)ThreadId;
        PETHREAD thread;

        fm_check_irql(__func__, APC_LEVEL);
        *Thread = NULL;
        if (id <= 0 || id > INT_MAX)
                return STATUS_INVALID_PARAMETER;
        thread = fm_thread_ref_by_id((pid_t)id);
        if (PsIsSystemThread(thread)) {
                fm_object_unref(thread);
                return STATUS_INVALID_PARAMETER;
        }
        fm_ledger_add(FM_LEDGER_OBJECT, thread, __builtin_return_address(0));
        *Thread = thread;
        return STATUS_SUCCESS;
}

NTSTATUS PsGetProcessExitStatus(PEPROCESS Process)
{
        fm_check_irql(__func__, APC_LEVEL);
        /* How it ended is known to its parent only. */
        return fm_process_has_exited(Process) ? STATUS_SUCCESS : STATUS_PENDING;
}

NTSTATUS PsGetThreadExitStatus(PETHREAD Thread)
{
        fm_check_irql(__func__, APC_LEVEL);
        return Thread->exit_status;
}

LONGLONG PsGetProcessCreateTimeQuadPart(PEPROCESS Process)
{
        return Process->created;
}

static bool read_link(pid_t pid, const char *name, char *target, size_t size)
{
        char path[48];
        ssize_t length;

        (void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
        length = readlink(path, target, size - 1);
        if (length < 0)
                return false;
        target[length] = 0;
        return true;
}

/* 15 characters of the program's name, as on Windows. Empty when it can't be read. */
PUCHAR PsGetProcessImageFileName(PEPROCESS Process)
{
        static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
        char target[PATH_MAX];

        pthread_mutex_lock(&lock);
        if (!Process->image[0] && !fm_process_has_exited(Process) &&
            read_link(Process->pid, "exe", target, sizeof(target))) {
                const char *last = strrchr(target, '/');

                g_strlcpy(Process->image, last ? last + 1 : target, sizeof(Process->image));
        }
        pthread_mutex_unlock(&lock);
        return (PUCHAR)Process->image;
}

HANDLE PsGetProcessInheritedFromUniqueProcessId(PEPROCESS Process)
{
        char path[48];
        char line[512] = "";
        const char *after;
        int parent = 0;
        FILE *file;

        (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)Process->pid);
        file = fopen(path, "re");
        if (!file)
                return handle_of(0);
        if (fgets(line, sizeof(line), file)) {
                /* The name is in parentheses and may contain anything. */
                after = strrchr(line, ')');
                if (!after || sscanf(after + 1, " %*c %d", &parent) != 1)
                        parent = 0;
        }
        (void)fclose(file);
        return handle_of(parent);
}

ULONG PsGetProcessSessionId(PEPROCESS Process)
{
        return 0;
}

/* Always NULL: a 32-bit program looks the same from here. */
PVOID PsGetProcessWow64Process(PEPROCESS Process)
{
        return NULL;
}

/*
 * The path of the program with '\' for '/', in one block that ExFreePool frees. STATUS_NOT_FOUND
 * when the process has gone or its program can't be read. IRQL PASSIVE_LEVEL.
 */
NTSTATUS SeLocateProcessImageName(PEPROCESS Process, PUNICODE_STRING *pImageFileName)
{
        char target[PATH_MAX];
        PUNICODE_STRING name;
        size_t length;
        size_t count;

        *pImageFileName = NULL;
        fm_check_irql(__func__, PASSIVE_LEVEL);
        if (PsIsSystemProcess(Process)) {
                target[0] = 0;
        } else if (!read_link(Process->pid, "exe", target, sizeof(target)) ||
                   fm_process_has_exited(Process)) {
                return STATUS_NOT_FOUND;
        }
        length = strlen(target);
        count = fm_name_to_utf16(target, length, NULL, 0);
        name = fm_pool_alloc(sizeof(*name) + (count + 1) * sizeof(WCHAR), IMAGE_TAG);
        if (!name)
                return STATUS_INSUFFICIENT_RESOURCES;
        name->Buffer = (PWCH)(name + 1);
        fm_name_to_utf16(target, length, name->Buffer, count);
        name->Length = (USHORT)(count * sizeof(WCHAR));
        name->MaximumLength = (USHORT)(name->Length + sizeof(WCHAR));
        *pImageFileName = name;
        return STATUS_SUCCESS;
}

struct start {
        PKSTART_ROUTINE routine;
        PVOID context;
        const char *filter; /* interned */
        PETHREAD thread;
        pthread_mutex_t lock;
        pthread_cond_t ready;
        bool running;
};

static void finish_thread(NTSTATUS status)
{
        struct fm_thread *self = fm_thread_self();
        PETHREAD thread = own_thread();

        if (self->irql != PASSIVE_LEVEL || fm_thread_holds_locks(self) || self->critical_regions)
                fm_violation_of(&(struct fm_culprit){self->filter, self->callback, NULL, self->code}, "thread-state",
                                "ended at IRQL %u%s, in %u critical regions", self->irql,
                                fm_thread_holds_locks(self) ? ", with a lock" : "", self->critical_regions);
        self->seh = NULL;
        thread->exit_status = status;
        fm_ledger_remove(FM_LEDGER_THREAD, thread);
        fm_dispatcher_signal(&thread->Header);
}

static void *thread_main(void *argument)
{
        struct start *start = argument;
        PKSTART_ROUTINE routine = start->routine;
        PVOID context = start->context;

        pthread_once(&own_thread_once, make_own_thread_key);
        pthread_setspecific(own_thread_key, fm_object_ref(start->thread));
        fm_thread_self()->filter = start->filter;
        fm_thread_self()->callback = "a system thread";
        fm_thread_self()->code = (const void *)routine;
        pthread_mutex_lock(&start->lock);
        start->thread->tid = (pid_t)syscall(SYS_gettid);
        start->running = true;
        pthread_cond_signal(&start->ready);
        pthread_mutex_unlock(&start->lock);
        /* start is gone from here on. */
        routine(context);
        finish_thread(STATUS_SUCCESS);
        return NULL;
}

/* A thread of the System process, or of the given one: threads of other processes can't be made. IRQL
 * PASSIVE_LEVEL. */
NTSTATUS PsCreateSystemThread(PHANDLE ThreadHandle, ULONG DesiredAccess, POBJECT_ATTRIBUTES ObjectAttributes,
                              HANDLE ProcessHandle, PCLIENT_ID ClientId, PKSTART_ROUTINE StartRoutine,
                              PVOID StartContext)
{
        struct start start = {.routine = StartRoutine,
                              .context = StartContext,
                              .filter = g_intern_string(fm_thread_self()->filter)};
        pthread_attr_t attributes;
        pthread_t thread;
        NTSTATUS status;
        int error;

        fm_check_irql("PsCreateSystemThread", PASSIVE_LEVEL);
        start.thread = fm_thread_new_system(0);
        status = fm_handle_new(start.thread, ThreadHandle);
        if (!NT_SUCCESS(status)) {
                fm_object_unref(start.thread);
                return status;
        }
        fm_ledger_add(FM_LEDGER_THREAD, start.thread, (const void *)StartRoutine);
        pthread_mutex_init(&start.lock, NULL);
        pthread_cond_init(&start.ready, NULL);
        pthread_attr_init(&attributes);
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        error = pthread_create(&thread, &attributes, thread_main, &start);
        pthread_attr_destroy(&attributes);
        if (error == 0) {
                pthread_mutex_lock(&start.lock);
                while (!start.running)
                        pthread_cond_wait(&start.ready, &start.lock);
                pthread_mutex_unlock(&start.lock);
                if (ClientId) {
                        ClientId->UniqueProcess = PsGetThreadProcessId(start.thread);
                        ClientId->UniqueThread = PsGetThreadId(start.thread);
                }
        } else {
                fm_ledger_remove(FM_LEDGER_THREAD, start.thread);
                fm_handle_close(*ThreadHandle);
                status = STATUS_INSUFFICIENT_RESOURCES;
        }
        pthread_cond_destroy(&start.ready);
        pthread_mutex_destroy(&start.lock);
        fm_object_unref(start.thread);
        return status;
}

/* Ends the calling thread, which PsCreateSystemThread must have made. */
NTSTATUS PsTerminateSystemThread(NTSTATUS ExitStatus)
{
        if (fm_thread_self()->thread)
                return STATUS_INVALID_PARAMETER;
        finish_thread(ExitStatus);
        pthread_exit(NULL);
}

KPRIORITY KeSetPriorityThread(PKTHREAD Thread, KPRIORITY Priority)
{
        KPRIORITY before = Thread->priority;

        fm_check_irql(__func__, PASSIVE_LEVEL);
        Thread->priority = Priority;
        return before;
}

KPRIORITY KeQueryPriorityThread(PKTHREAD Thread)
{
        fm_check_irql(__func__, PASSIVE_LEVEL);
        return Thread->priority;
}

/* STATUS_INVALID_CID. A handle for reading about the process; it gives no power over it. */
NTSTATUS ZwOpenProcess(PHANDLE ProcessHandle, ACCESS_MASK DesiredAccess, POBJECT_ATTRIBUTES ObjectAttributes,
                       PCLIENT_ID ClientId)
{
        PEPROCESS process;
        NTSTATUS status;

        fm_check_irql(__func__, PASSIVE_LEVEL);
        if (!ClientId)
                return STATUS_INVALID_PARAMETER_MIX;
        status = look_up_process(ClientId->UniqueProcess, &process);
        if (!NT_SUCCESS(status))
                return STATUS_INVALID_CID;
        status = fm_handle_new(process, ProcessHandle);
        fm_object_unref(process);
        return status;
}

static NTSTATUS copy_image_name(PEPROCESS process, PVOID buffer, ULONG length, PULONG needed)
{
        PUNICODE_STRING image;
        PUNICODE_STRING out = buffer;
        NTSTATUS status = SeLocateProcessImageName(process, &image);
        ULONG size;

        if (!NT_SUCCESS(status))
                return status;
        size = (ULONG)(sizeof(*out) + image->MaximumLength);
        if (needed)
                *needed = size;
        if (length < size) {
                status = STATUS_INFO_LENGTH_MISMATCH;
        } else {
                out->Length = image->Length;
                out->MaximumLength = image->MaximumLength;
                out->Buffer = (PWCH)(out + 1);
                memcpy(out->Buffer, image->Buffer, image->MaximumLength);
        }
        ExFreePool(image);
        return status;
}

/* ProcessImageFileName and ProcessWow64Information; STATUS_INVALID_INFO_CLASS for others. */
NTSTATUS ZwQueryInformationProcess(HANDLE ProcessHandle, PROCESSINFOCLASS ProcessInformationClass,
                                   PVOID ProcessInformation, ULONG ProcessInformationLength,
                                   PULONG ReturnLength)
{
        PVOID process;
        NTSTATUS status =
                ObReferenceObjectByHandle(ProcessHandle, 0, *PsProcessType, KernelMode, &process, NULL);

        if (!NT_SUCCESS(status))
                return status;
        switch (ProcessInformationClass) {
        case ProcessImageFileName:
                status = copy_image_name(process, ProcessInformation, ProcessInformationLength, ReturnLength);
                break;
        case ProcessWow64Information:
                if (ReturnLength)
                        *ReturnLength = sizeof(ULONG_PTR);
                if (ProcessInformationLength != sizeof(ULONG_PTR))
                        status = STATUS_INFO_LENGTH_MISMATCH;
                else
                        *(ULONG_PTR *)ProcessInformation = 0;
                break;
        default:
                fm_not_supported("ZwQueryInformationProcess of this class");
                status = STATUS_INVALID_INFO_CLASS;
                break;
        }
        ObDereferenceObject(process);
        return status;
}

/* Process and thread notifications: nothing tells this simulator when an outside process starts. */
NTSTATUS PsSetCreateProcessNotifyRoutine(PCREATE_PROCESS_NOTIFY_ROUTINE NotifyRoutine, BOOLEAN Remove)
{
        fm_not_supported("PsSetCreateProcessNotifyRoutine");
        return STATUS_NOT_SUPPORTED;
}

NTSTATUS PsSetCreateProcessNotifyRoutineEx(PCREATE_PROCESS_NOTIFY_ROUTINE_EX NotifyRoutine, BOOLEAN Remove)
{
        fm_not_supported("PsSetCreateProcessNotifyRoutineEx");
        return STATUS_NOT_SUPPORTED;
}

NTSTATUS PsSetCreateThreadNotifyRoutine(PCREATE_THREAD_NOTIFY_ROUTINE NotifyRoutine)
{
        fm_not_supported("PsSetCreateThreadNotifyRoutine");
        return STATUS_NOT_SUPPORTED;
}

NTSTATUS PsRemoveCreateThreadNotifyRoutine(PCREATE_THREAD_NOTIFY_ROUTINE NotifyRoutine)
{
        fm_check_irql(__func__, APC_LEVEL);
        return STATUS_PROCEDURE_NOT_FOUND;
}

NTSTATUS PsSetLoadImageNotifyRoutine(PLOAD_IMAGE_NOTIFY_ROUTINE NotifyRoutine)
{
        fm_not_supported("PsSetLoadImageNotifyRoutine");
        return STATUS_NOT_SUPPORTED;
}

NTSTATUS PsRemoveLoadImageNotifyRoutine(PLOAD_IMAGE_NOTIFY_ROUTINE NotifyRoutine)
{
        fm_check_irql(__func__, APC_LEVEL);
        return STATUS_PROCEDURE_NOT_FOUND;
}
