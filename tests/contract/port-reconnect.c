/* SPDX-License-Identifier: MIT */
/*
 * An agent that connects and leaves many times: neither side holds more afterwards than after the first tenth.
 *
 *   port-reconnect [--count=N] AGENT
 */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fltKernel.h>
#include <glib.h>

#include "fltmgr/manager.h"
#include "fltmgr/port.h"
#include "nt/object.h"
#include "nt/process.h"
#include "nt/verifier.h"
#include "port-resources.h"
#include "port-stress.h"
#include "port/server.h"
#include "wire/runtime.h"

/* A worker that has just done its work is not idle yet when more comes: then there is one more, up to about this. */
#define THREADS_MAX 24
#define HEAP_NOISE (24 * 1024) /* of each worker, which keeps something for itself: less than three bytes a reconnect */

static struct {
        const char *program;
        gint64 count;
        PFLT_FILTER filter;
        PFLT_PORT server, client;
        PEPROCESS process;
        pthread_mutex_t lock; /* guards all below */
        pthread_cond_t changed;
        unsigned connects, calls, disconnects;
} test = {
        .count = SANITIZED ? 1000 : 10000,
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .changed = PTHREAD_COND_INITIALIZER,
};

static void counted(unsigned *counter)
{
        pthread_mutex_lock(&test.lock);
        ++*counter;
        pthread_cond_broadcast(&test.changed);
        pthread_mutex_unlock(&test.lock);
}

static void wait_for(unsigned *counter, unsigned wanted)
{
        pthread_mutex_lock(&test.lock);
        while (*counter < wanted)
                pthread_cond_wait(&test.changed, &test.lock);
        pthread_mutex_unlock(&test.lock);
}

static NTSTATUS connect_notify(PFLT_PORT ClientPort, PVOID ServerPortCookie, PVOID ConnectionContext,
                               ULONG SizeOfContext, PVOID *ConnectionCookie)
{
        /* A close is not over when the agent connects again. */
        pthread_mutex_lock(&test.lock);
        while (test.disconnects != test.connects)
                pthread_cond_wait(&test.changed, &test.lock);
        pthread_mutex_unlock(&test.lock);
        test.client = ClientPort;
        test.process = PsGetCurrentProcess();
        ObReferenceObject(test.process);
        *ConnectionCookie = NULL;
        counted(&test.connects);
        return STATUS_SUCCESS;
}

static VOID disconnect_notify(PVOID ConnectionCookie)
{
        FltCloseClientPort(test.filter, &test.client);
        ObDereferenceObject(test.process);
        counted(&test.disconnects);
}

static NTSTATUS message_notify(PVOID PortCookie, PVOID InputBuffer, ULONG InputBufferLength, PVOID OutputBuffer,
                               ULONG OutputBufferLength, PULONG ReturnOutputBufferLength)
{
        counted(&test.calls);
        return STATUS_SUCCESS;
}

static void serve(unsigned round)
{
        int memory = memfd_create("reconnect", MFD_CLOEXEC);
        ULONG length = 8;
        uint64_t given;
        char reply[8];
        HANDLE handle;

        wait_for(&test.connects, round + 1);
        g_assert_cmpint(ftruncate(memory, 4096), ==, 0);
        g_assert_cmpint(fm_port_give_descriptor(test.process, memory, 4096, &handle), ==, STATUS_SUCCESS);
        close(memory);
        given = (ULONG_PTR)handle;
        g_assert_cmpint(FltSendMessage(test.filter, &test.client, &given, sizeof(given), reply, &length, NULL), ==,
                        STATUS_SUCCESS);
}

static void server_start(const char *directory)
{
        OBJECT_ATTRIBUTES object;
        UNICODE_STRING name;
        char *error = NULL;

        test.filter = g_new0(struct _FLT_FILTER, 1);
        fm_flt_object_init(&test.filter->object, FM_FLT_FILTER);
        fm_flt_object_ref(test.filter); /* never the last one: it is not made like others */
        test.filter->name = (char *)"reconnect";
        g_assert_cmpint(fm_port_server_start(directory, &error), ==, 0);
        RtlInitUnicodeString(&name, STRESS_PORT);
        InitializeObjectAttributes(&object, &name, OBJ_KERNEL_HANDLE, NULL, NULL);
        g_assert_cmpint(FltCreateCommunicationPort(test.filter, &test.server, &object, NULL, connect_notify,
                                                   disconnect_notify, message_notify, 2),
                        ==, STATUS_SUCCESS);
}

static void test_reconnect(void)
{
        g_autofree char *directory = g_dir_make_tmp("fltsim-XXXXXX", NULL), *lock = NULL;
        g_autofree char *count = g_strdup_printf("%u", (unsigned)test.count);
        char *argv[] = { (char *)test.program, count, NULL };
        struct resources before = { 0 }, after;
        extern char **environ;
        int status = -1;
        pid_t pid;

        lock = g_build_filename(directory, FM_RUNTIME_LOCK, NULL);
        g_setenv("FLTSIM_RUNTIME_DIR", directory, TRUE);
        server_start(directory);
        g_assert_cmpint(posix_spawn(&pid, test.program, NULL, NULL, argv, environ), ==, 0);
        for (unsigned i = 0; i < test.count; i++) {
                if (i == test.count / 10)
                        before = resources_now();
                serve(i);
        }
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        g_assert_cmpint(status, ==, 0);
        wait_for(&test.disconnects, test.count);
        g_assert_cmpuint(test.calls, ==, test.count);
        /* The last session's own descriptor goes a moment after DisconnectNotify. */
        for (unsigned i = 0; i < 10000 && count_descriptors() > before.descriptors; i++)
                g_usleep(1000);
        after = resources_now();
        resources_print("filter", &before, &after);
        g_assert_cmpuint(after.descriptors, <=, before.descriptors);
        g_assert_cmpuint(after.threads, <=, THREADS_MAX);
        if (after.threads > before.threads)
                before.heap += HEAP_NOISE * (after.threads - before.threads);
        g_assert_cmpuint(after.heap, <=, before.heap + HEAP_NOISE);
        if (!SANITIZED)
                g_assert_cmpuint(after.memory, <=, before.memory + 1024 + THREADS_MAX * 128);

        FltCloseCommunicationPort(test.server);
        fm_filter_close_ports(test.filter);
        fm_port_server_stop();
        g_assert_cmpuint(fm_violation_count(), ==, 0);
        g_assert_cmpuint(atomic_load(&test.filter->object.refs), ==, 2);
        g_free(test.filter);
        g_unlink(lock);
        g_assert_cmpint(g_rmdir(directory), ==, 0);
}

int main(int argc, char **argv)
{
        GOptionEntry options[] = {
                { "count", 0, 0, G_OPTION_ARG_INT64, &test.count, "how often", "N" },
                { NULL },
        };
        g_autoptr(GOptionContext) context = g_option_context_new("AGENT");

        g_option_context_add_main_entries(context, options, NULL);
        g_option_context_set_ignore_unknown_options(context, TRUE); /* the test framework's */
        if (!g_option_context_parse(context, &argc, &argv, NULL) || argc < 2 || test.count < 10) {
                fprintf(stderr, "usage: port-reconnect [--count=N] AGENT\n");
                return 2;
        }
        g_test_init(&argc, &argv, NULL);
        test.program = argv[1];
        g_test_add_func("/port/reconnect", test_reconnect);
        return g_test_run();
}
