/* SPDX-License-Identifier: MIT */
/* Who asks: thread ids of other processes, and what becomes of them. */
#include <fltKernel.h>
#include <glib.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nt/object.h"
#include "nt/process.h"
#include "nt/thread.h"

struct child {
        pid_t pid, tid;
        int release; /* closing it ends the child */
};

static void *report_thread_id(void *data)
{
        pid_t tid = (pid_t)syscall(SYS_gettid);
        int fd = *(int *)data;

        if (write(fd, &tid, sizeof(tid)) != sizeof(tid))
                _exit(1);
        pause();
        return NULL;
}

/* A child with a second thread. */
static struct child spawn(void)
{
        struct child child;
        int ids[2], release[2];

        g_assert_cmpint(pipe(ids), ==, 0);
        g_assert_cmpint(pipe(release), ==, 0);
        child.pid = fork();
        g_assert_cmpint(child.pid, >=, 0);
        if (child.pid == 0) {
                pthread_t thread;
                char byte;

                close(release[1]);
                if (pthread_create(&thread, NULL, report_thread_id, &ids[1]) != 0)
                        _exit(1);
                if (read(release[0], &byte, 1) < 0)
                        _exit(1);
                _exit(0);
        }
        close(ids[1]);
        close(release[0]);
        g_assert_cmpint(read(ids[0], &child.tid, sizeof(child.tid)), ==, sizeof(child.tid));
        close(ids[0]);
        child.release = release[1];
        return child;
}

static void reap(struct child *child)
{
        close(child->release);
        g_assert_cmpint(waitpid(child->pid, NULL, 0), ==, child->pid);
}

static void test_thread_of_child(void)
{
        struct child child = spawn();
        PETHREAD leader = fm_thread_ref_by_id(child.pid);
        PETHREAD second = fm_thread_ref_by_id(child.tid);
        PETHREAD again = fm_thread_ref_by_id(child.tid);
        PEPROCESS process = fm_process_ref_by_id(child.pid);

        g_assert_cmpint(child.pid, !=, child.tid);
        g_assert_true(second == again);
        g_assert_true(leader != second);
        g_assert_true(fm_thread_process(second) == process);
        g_assert_true(fm_thread_process(leader) == process);
        g_assert_cmpint(fm_thread_id(second), ==, child.tid);
        g_assert_cmpint((LONG_PTR)PsGetThreadProcessId(second), ==, child.pid);
        g_assert_false(fm_process_has_exited(process));
        g_assert_false(fm_thread_is_dying(child.tid));
        g_assert_false(fm_thread_is_leaving(child.tid));
        g_assert_false(PsIsSystemThread(second));

        fm_thread_self()->thread = second;
        g_assert_true(PsGetCurrentProcess() == process);
        g_assert_cmpint((LONG_PTR)PsGetCurrentProcessId(), ==, child.pid);
        g_assert_cmpint((LONG_PTR)PsGetCurrentThreadId(), ==, child.tid);
        fm_thread_self()->thread = NULL;
        g_assert_true(PsGetCurrentProcess() == PsInitialSystemProcess);

        reap(&child);
        /* The object outlives the process; its id does not lead to it any more. */
        g_assert_true(fm_process_has_exited(process));
        g_assert_true(fm_thread_is_dying(child.tid));
        g_assert_cmpint(fm_process_id(process), ==, child.pid);
        fm_object_unref(again);
        again = fm_thread_ref_by_id(child.tid);
        g_assert_true(PsIsSystemThread(again));
        fm_object_unref(again);
        fm_object_unref(second);
        fm_object_unref(leader);
        fm_object_unref(process);
}

static void test_killed(void)
{
        struct child child = spawn();
        PEPROCESS process;
        siginfo_t info;

        g_assert_cmphex(PsLookupProcessByProcessId((HANDLE)(LONG_PTR)child.pid, &process), ==,
                        STATUS_SUCCESS);
        kill(child.pid, SIGKILL);
        g_assert_cmpint(waitid(P_PID, (id_t)child.pid, &info, WEXITED | WNOWAIT), ==, 0);
        g_assert_true(fm_thread_is_dying(child.pid)); /* a zombie */
        g_assert_true(fm_thread_is_leaving(child.pid));
        g_assert_true(fm_process_has_exited(process));
        fm_object_unref(process);
        reap(&child);
        g_assert_cmphex(PsLookupProcessByProcessId((HANDLE)(LONG_PTR)child.pid, &process), ==,
                        STATUS_INVALID_PARAMETER);
}

static void test_nobody(void)
{
        PETHREAD nobody = fm_thread_ref_by_id(0);
        PEPROCESS process = fm_process_ref_by_id(-5);

        g_assert_true(PsIsSystemThread(nobody));
        g_assert_true(process == PsInitialSystemProcess);
        g_assert_cmpint(fm_process_id(process), ==, 4);
        g_assert_cmpstr((char *)PsGetProcessImageFileName(process), ==, "System");
        g_assert_false(fm_process_has_exited(process));
        g_assert_false(fm_thread_is_dying(0));
        g_assert_false(fm_thread_is_leaving(0));
        g_assert_true(fm_thread_is_dying(0x3fffffff));
        fm_object_unref(nobody);
        fm_object_unref(process);
}

static void test_image(void)
{
        PEPROCESS self = fm_process_ref_by_id(getpid());
        UNICODE_STRING *image;
        CLIENT_ID id = {.UniqueProcess = (HANDLE)(LONG_PTR)getpid()};
        HANDLE handle;
        UCHAR buffer[4096];
        ULONG size;

        g_assert_cmphex(SeLocateProcessImageName(self, &image), ==, STATUS_SUCCESS);
        g_assert_cmpint(image->Buffer[0], ==, L'\\');
        g_assert_true(g_str_has_prefix((char *)PsGetProcessImageFileName(self), "test-nt-process"));
        g_assert_cmphex(ZwOpenProcess(&handle, PROCESS_QUERY_INFORMATION, NULL, &id), ==, STATUS_SUCCESS);
        g_assert_cmphex(ZwQueryInformationProcess(handle, ProcessImageFileName, NULL, 0, &size), ==,
                        STATUS_INFO_LENGTH_MISMATCH);
        g_assert_cmpuint(size, <=, sizeof(buffer));
        g_assert_cmphex(ZwQueryInformationProcess(handle, ProcessImageFileName, buffer, size, &size), ==,
                        STATUS_SUCCESS);
        g_assert_true(RtlEqualUnicodeString((PUNICODE_STRING)(PVOID)buffer, image, FALSE));
        g_assert_cmphex(ZwClose(handle), ==, STATUS_SUCCESS);
        g_assert_cmpint((LONG_PTR)PsGetProcessInheritedFromUniqueProcessId(self), ==, getppid());
        ExFreePool(image);
        fm_object_unref(self);
}

static void *look_up(void *data)
{
        struct child *child = data;

        for (int i = 0; i < 2000; i++) {
                PETHREAD thread = fm_thread_ref_by_id(i % 2 ? child->pid : child->tid);

                g_assert_cmpint(fm_process_id(fm_thread_process(thread)), ==, child->pid);
                fm_object_unref(thread);
        }
        return NULL;
}

static void test_concurrent(void)
{
        struct child child = spawn();
        GThread *threads[4];

        for (int i = 0; i < 4; i++)
                threads[i] = g_thread_new("look", look_up, &child);
        for (int i = 0; i < 4; i++)
                g_thread_join(threads[i]);
        reap(&child);
}

/* More threads than the cache holds; all are still found, and told apart. */
static void test_many(void)
{
        struct child children[40];

        for (int i = 0; i < 40; i++)
                children[i] = spawn();
        for (int round = 0; round < 10; round++) {
                for (int i = 0; i < 40; i++) {
                        PETHREAD thread = fm_thread_ref_by_id(children[i].tid);

                        g_assert_cmpint(fm_process_id(fm_thread_process(thread)), ==, children[i].pid);
                        fm_object_unref(thread);
                }
        }
        for (int i = 0; i < 40; i++) {
                kill(children[i].pid, SIGKILL);
                reap(&children[i]);
        }
        for (int i = 0; i < 40; i++) {
                PETHREAD thread = fm_thread_ref_by_id(children[i].tid);

                g_assert_true(PsIsSystemThread(thread));
                fm_object_unref(thread);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/nt/process/thread-of-child", test_thread_of_child);
        g_test_add_func("/nt/process/killed", test_killed);
        g_test_add_func("/nt/process/nobody", test_nobody);
        g_test_add_func("/nt/process/image", test_image);
        g_test_add_func("/nt/process/concurrent", test_concurrent);
        g_test_add_func("/nt/process/many", test_many);
        return g_test_run();
}
