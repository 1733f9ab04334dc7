/* SPDX-License-Identifier: MIT */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fltmgr/loader.h"
#include "fltmgr/manager.h"
#include "nt/process.h"
#include "nt/registry.h"
#include "nt/unicode.h"
#include "nt/verifier.h"
#include "port/server.h"
#include "wire/runtime.h"

#define SERVICE "contract-port"
#define PATIENCE_MS 60000

struct fixture fixture;

static char *agent_path;

void fixture_changed_wait(void)
{
        struct timespec until;

        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += PATIENCE_MS / 1000;
        if (pthread_cond_timedwait(&fixture.changed, &fixture.lock, &until) == ETIMEDOUT)
                g_error("nothing happened for a minute");
}

static void changed(void)
{
        pthread_cond_broadcast(&fixture.changed);
}

static pid_t current_process(void)
{
        return (pid_t)(ULONG_PTR)PsGetCurrentProcessId();
}

static NTSTATUS FLTAPI connect_notify(PFLT_PORT client, PVOID server_cookie, PVOID context, ULONG size,
                                      PVOID *cookie)
{
        struct port *port = server_cookie;
        struct link *link = port->links;
        NTSTATUS status;

        pthread_mutex_lock(&fixture.lock);
        while (link->port)
                g_assert_true(++link < port->links + LINKS_MAX);
        link->port = port;
        link->client = client;
        link->connector = current_process();
        link->server_cookie = server_cookie;
        link->context_size = size;
        link->context_is_null = context == NULL;
        link->seen_context = context;
        if (context) {
                memcpy(link->context, context, MIN(size, sizeof(link->context)));
                link->context_pattern = remote_pattern_length(context, size);
        }
        *cookie = link;
        status = port->connect_status;
        if (!NT_SUCCESS(status))
                link->port = NULL;
        port->connects++;
        port->connecting++;
        changed();
        if (port->hold_connects > 0) {
                port->hold_connects--;
                while (!port->released)
                        fixture_changed_wait();
        }
        port->connecting--;
        changed();
        pthread_mutex_unlock(&fixture.lock);
        return status;
}

static VOID FLTAPI disconnect_notify(PVOID cookie)
{
        struct link *link = cookie;
        bool close_port;

        pthread_mutex_lock(&fixture.lock);
        link->inside_at_disconnect = link->inside;
        link->calls_at_disconnect = link->calls;
        link->disconnecting++;
        changed();
        while (link->port->hold_disconnects && !link->port->released)
                fixture_changed_wait();
        close_port = !link->port->keep_on_disconnect;
        pthread_mutex_unlock(&fixture.lock);
        if (link->port->on_disconnect)
                link->port->on_disconnect(link);
        if (close_port)
                FltCloseClientPort(fixture.filter, &link->client);
        pthread_mutex_lock(&fixture.lock);
        link->disconnects++;
        changed();
        pthread_mutex_unlock(&fixture.lock);
}

static NTSTATUS FLTAPI message_notify(PVOID cookie, PVOID in, ULONG in_length, PVOID out, ULONG out_length,
                                      PULONG returned)
{
        struct link *link = cookie;
        NTSTATUS status = STATUS_SUCCESS;
        port_on_message on_message;

        pthread_mutex_lock(&fixture.lock);
        link->calls++;
        link->inside++;
        link->port->calling++;
        link->caller = current_process();
        link->seen_input = in;
        link->input_length = in_length;
        link->input_pattern = remote_pattern_length(in, in_length);
        memcpy(link->input, in, MIN(in_length, sizeof(link->input)));
        link->output_length = out_length;
        link->output_is_null = out == NULL;
        on_message = link->port->on_message;
        changed();
        while (link->port->hold_calls && !link->port->released)
                fixture_changed_wait();
        pthread_mutex_unlock(&fixture.lock);
        if (on_message)
                status = on_message(link, in, in_length, out, out_length, returned);
        pthread_mutex_lock(&fixture.lock);
        link->inside--;
        link->port->calling--;
        changed();
        pthread_mutex_unlock(&fixture.lock);
        return status;
}

NTSTATUS port_create(struct port *port, const struct port_options *options)
{
        g_autofree gunichar2 *name = options->name ? g_utf8_to_utf16(options->name, -1, NULL, NULL, NULL) : NULL;
        OBJECT_ATTRIBUTES attributes;
        UNICODE_STRING path;

        RtlInitUnicodeString(&path, (PCWSTR)name);
        InitializeObjectAttributes(&attributes, &path, options->attributes, NULL, options->security);
        return FltCreateCommunicationPort(options->filter ? options->filter : fixture.filter, &port->server,
                                          &attributes, port, options->no_connect ? NULL : connect_notify,
                                          options->no_disconnect ? NULL : disconnect_notify,
                                          options->one_way ? NULL : message_notify, options->max_connections);
}

struct port *port_new(const char *name, LONG max_connections)
{
        struct port *port = g_new0(struct port, 1);
        NTSTATUS status = port_create(port, &(struct port_options){
                .name = name,
                .attributes = OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE,
                .max_connections = max_connections,
        });

        assert_hex(status, ==, STATUS_SUCCESS);
        return port;
}

void port_release(struct port *port)
{
        pthread_mutex_lock(&fixture.lock);
        port->released = true;
        changed();
        pthread_mutex_unlock(&fixture.lock);
}

unsigned port_live(struct port *port)
{
        unsigned live = 0;

        for (unsigned i = 0; i < LINKS_MAX; i++)
                live += port->links[i].port && port->links[i].disconnects == 0;
        return live;
}

void port_free(struct port *port)
{
        if (port->server)
                FltCloseCommunicationPort(port->server);
        port_release(port);
        WAIT_UNTIL(port_live(port) == 0 && port->connecting == 0);
        for (unsigned i = 0; i < LINKS_MAX; i++) {
                struct link *link = &port->links[i];

                if (!link->port)
                        continue;
                g_assert_cmpuint(link->disconnects, ==, 1);
                g_assert_cmpuint(link->inside_at_disconnect, ==, 0);
                g_assert_cmpuint(link->calls, ==, link->calls_at_disconnect);
                FltCloseClientPort(fixture.filter, &link->client);
        }
        g_assert_cmpuint(fm_violation_count(), ==, fixture.violations);
        g_free(port);
}

/*
 * Whether the thread is in a system call that waits for somebody else's doing, for as long as that takes. Who waits for
 * a lock or for memory is still on the way there, and must not be overtaken by what the test does next.
 */
static bool is_blocked(pid_t pid, pid_t tid, bool by_lock)
{
        g_autofree char *path = g_strdup_printf("/proc/%d/task/%d/syscall", pid, tid);
        g_autofree char *text = NULL;
        unsigned long arguments[3];
        long number;

        if (!g_file_get_contents(path, &text, NULL, NULL))
                g_error("%s can't be read: the thread is gone", path);
        if (sscanf(text, "%ld %lx %lx %lx", &number, &arguments[0], &arguments[1], &arguments[2]) != 4)
                return false; /* it runs */
        switch (number) {
        case SYS_futex:
                /* Locks sleep by FUTEX_WAIT; nothing else does. */
                return (arguments[1] & FUTEX_CMD_MASK) == (by_lock ? FUTEX_WAIT : FUTEX_WAIT_BITSET);
        case SYS_recvmsg:
        case SYS_epoll_pwait:
        case SYS_ppoll:
#ifdef SYS_epoll_wait
        case SYS_epoll_wait:
#endif
                return !by_lock;
#ifdef SYS_poll
        case SYS_poll:
                return !by_lock && (unsigned)arguments[2] >= 1000; /* less is a pause */
#endif
        default:
                return false;
        }
}

static void *send_run(void *data)
{
        struct sender *sender = data;
        LARGE_INTEGER timeout = { .QuadPart = sender->timeout };

        pthread_mutex_lock(&fixture.lock);
        sender->tid = (pid_t)syscall(SYS_gettid);
        changed();
        pthread_mutex_unlock(&fixture.lock);
        fm_thread_self()->cancel = sender->cancel;
        sender->status = FltSendMessage(fixture.filter, &sender->link->client, (PVOID)(uintptr_t)sender->payload,
                                        sender->length, sender->reply, &sender->reply_length,
                                        sender->has_timeout ? &timeout : NULL);
        sender->ended = g_get_monotonic_time();
        fm_thread_self()->cancel = NULL;
        pthread_mutex_lock(&fixture.lock);
        sender->done = true;
        changed();
        pthread_mutex_unlock(&fixture.lock);
        return NULL;
}

void sender_start(struct sender *sender)
{
        sender->done = false;
        sender->tid = 0;
        g_assert_cmpint(pthread_create(&sender->thread, NULL, send_run, sender), ==, 0);
}

void sender_wait_blocked(struct sender *sender)
{
        WAIT_UNTIL(sender->tid != 0);
        while (!is_blocked(getpid(), sender->tid, false)) {
                g_assert_false(sender_is_done(sender));
                sched_yield();
        }
}

bool sender_is_done(struct sender *sender)
{
        bool done;

        pthread_mutex_lock(&fixture.lock);
        done = sender->done;
        pthread_mutex_unlock(&fixture.lock);
        return done;
}

NTSTATUS sender_join(struct sender *sender)
{
        WAIT_UNTIL(sender->done);
        pthread_join(sender->thread, NULL);
        return sender->status;
}

struct agent *agent_new(void)
{
        struct agent *agent = g_new0(struct agent, 1);
        char *const argv[] = { agent_path, NULL };
        int pair[2];

        g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), ==, 0);
        agent->pid = fork();
        if (agent->pid == 0) {
                /* dup2() onto itself would keep close-on-exec. */
                if (pair[1] == REMOTE_FD)
                        fcntl(REMOTE_FD, F_SETFD, 0);
                else
                        dup2(pair[1], REMOTE_FD);
                execv(agent_path, argv);
                _exit(127);
        }
        g_assert_cmpint(agent->pid, >, 0);
        close(pair[1]);
        agent->fd = pair[0];
        agent->results = g_hash_table_new_full(NULL, NULL, NULL, g_free);
        for (unsigned i = 0; i < REMOTE_WORKERS; i++)
                agent->tids[i] = (pid_t)RUN(agent, REMOTE_NONE, .worker = i)->id;
        return agent;
}

bool is_root(void)
{
        if (geteuid() == 0)
                return true;
        g_test_skip("needs root, to be somebody else");
        return false;
}

struct agent *agent_new_of(uid_t uid, gid_t gid, gid_t supplementary)
{
        struct agent *agent = agent_new();
        struct remote_request request = { .op = REMOTE_BECOME, .options = uid, .size = gid };

        if (supplementary) {
                memcpy(request.data, &supplementary, sizeof(supplementary));
                request.length = sizeof(supplementary);
        }
        g_assert_cmpuint(agent_finish(agent, agent_start_request(agent, request))->hr, ==, 1);
        return agent;
}

/*
 * What the test wrote before a request the callbacks see, and what they wrote before its result the test sees. That
 * is so because the one waits for the other; but it goes through another process, which tools can't follow.
 */
static void hand_over(void)
{
        pthread_mutex_lock(&fixture.lock);
        pthread_mutex_unlock(&fixture.lock);
}

static int agent_end(struct agent *agent)
{
        int status;

        hand_over();
        close(agent->fd);
        g_assert_cmpint(waitpid(agent->pid, &status, 0), ==, agent->pid);
        g_hash_table_unref(agent->results);
        g_free(agent->last);
        g_free(agent);
        return status;
}

void agent_free(struct agent *agent)
{
        int status = agent_end(agent);

        g_assert_cmpint(status, ==, 0);
}

void agent_kill(struct agent *agent)
{
        hand_over();
        g_assert_cmpint(kill(agent->pid, SIGKILL), ==, 0);
        agent_end(agent);
}

uint32_t agent_start_request(struct agent *agent, struct remote_request request)
{
        hand_over();
        request.serial = ++agent->serial;
        g_assert_cmpint(send(agent->fd, &request, sizeof(request), MSG_NOSIGNAL), ==, sizeof(request));
        return request.serial;
}

static bool receive_result(struct agent *agent, int timeout)
{
        struct pollfd descriptor = { .fd = agent->fd, .events = POLLIN };
        struct remote_result *result;

        if (poll(&descriptor, 1, timeout) <= 0)
                return false;
        result = g_new0(struct remote_result, 1);
        if (recv(agent->fd, result, sizeof(*result), 0) != sizeof(*result))
                g_error("the agent %d is gone", agent->pid);
        g_hash_table_insert(agent->results, GUINT_TO_POINTER(result->serial), result);
        return true;
}

bool agent_is_done(struct agent *agent, uint32_t serial)
{
        while (receive_result(agent, 0))
                ;
        return g_hash_table_contains(agent->results, GUINT_TO_POINTER(serial));
}

const struct remote_result *agent_finish(struct agent *agent, uint32_t serial)
{
        gpointer result;

        while (!g_hash_table_steal_extended(agent->results, GUINT_TO_POINTER(serial), NULL, &result))
                if (!receive_result(agent, PATIENCE_MS))
                        g_error("the agent %d did not answer for a minute", agent->pid);
        hand_over();
        g_free(agent->last);
        agent->last = result;
        return agent->last;
}

void agent_wait_blocked(struct agent *agent, unsigned worker)
{
        while (!is_blocked(agent->pid, agent->tids[worker], false))
                sched_yield();
}

void agent_wait_locked_out(struct agent *agent, unsigned worker)
{
        while (!is_blocked(agent->pid, agent->tids[worker], true))
                sched_yield();
}

uint64_t agent_connect_with(struct agent *agent, struct port *port, struct link **link, uint32_t options)
{
        const struct remote_result *result;
        unsigned before;

        pthread_mutex_lock(&fixture.lock);
        before = port->connects;
        pthread_mutex_unlock(&fixture.lock);
        result = RUN(agent, REMOTE_CONNECT, .options = options, .flags = REMOTE_NULL_IN, NAME_DATA(PORT_NAME));
        assert_hex(result->hr, ==, 0);
        g_assert_cmpuint(port->connects, ==, before + 1);
        if (link) {
                *link = NULL;
                for (unsigned i = 0; i < LINKS_MAX; i++)
                        if (port->links[i].port)
                                *link = &port->links[i];
        }
        return result->handle;
}

uint64_t agent_connect(struct agent *agent, struct port *port, struct link **link)
{
        return agent_connect_with(agent, port, link, 0);
}

uint32_t agent_reply(struct agent *agent, uint64_t handle, uint64_t id, NTSTATUS status, const char *text)
{
        struct remote_request request = {
                .op = REMOTE_REPLY,
                .handle = handle,
                .id = id,
                .status = status,
                .worker = REMOTE_WORKERS - 1,
                .length = (uint32_t)strlen(text),
        };

        request.size = 16 + request.length;
        memcpy(request.data, text, request.length);
        return agent_finish(agent, agent_start_request(agent, request))->hr;
}

uint32_t agent_send(struct agent *agent, uint64_t handle, const char *text)
{
        struct remote_request request = {
                .op = REMOTE_SEND,
                .handle = handle,
                .worker = REMOTE_WORKERS - 1,
                .size = (uint32_t)strlen(text),
                .length = (uint32_t)strlen(text),
        };

        memcpy(request.data, text, request.length);
        return agent_finish(agent, agent_start_request(agent, request))->hr;
}

void scene_connect(struct scene *scene)
{
        scene->agent = agent_new();
        scene->handle = agent_connect(scene->agent, scene->port, &scene->link);
}

void scene_open(struct scene *scene, LONG max_connections)
{
        scene->port = port_new(PORT_NAME, max_connections);
        scene_connect(scene);
}

void scene_tear_down(struct scene *scene, gconstpointer unused)
{
        if (scene->agent)
                agent_free(scene->agent);
        port_free(scene->port);
}

void scene_exchange(struct scene *scene)
{
        char reply[8];
        struct sender sender = { .link = scene->link, .payload = "x", .length = 1, .reply = reply, .reply_length = 8 };
        const struct remote_result *result;

        sender_start(&sender);
        result = RUN(scene->agent, REMOTE_GET, .handle = scene->handle, .size = 80);
        assert_hex(result->hr, ==, 0);
        assert_hex(agent_reply(scene->agent, scene->handle, result->id, STATUS_SUCCESS, "yes"), ==, 0);
        assert_hex(sender_join(&sender), ==, STATUS_SUCCESS);
        g_assert_cmpmem(reply, sender.reply_length, "yes", 3);
}

static NTSTATUS FLTAPI unload(FLT_FILTER_UNLOAD_FLAGS flags)
{
        FltUnregisterFilter(fixture.filter);
        return STATUS_SUCCESS;
}

static const FLT_OPERATION_REGISTRATION operations[] = { { IRP_MJ_OPERATION_END } };

static NTSTATUS driver_entry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
        static const FLT_REGISTRATION registration = {
                .Size = sizeof(registration),
                .Version = FLT_REGISTRATION_VERSION,
                .OperationRegistration = operations,
                .FilterUnloadCallback = unload,
        };
        NTSTATUS status = FltRegisterFilter(driver, &registration, &fixture.filter);

        return NT_SUCCESS(status) ? FltStartFiltering(fixture.filter) : status;
}

static void start(void)
{
        g_autofree char *error = NULL;
        int r;

        pthread_mutex_init(&fixture.lock, NULL);
        pthread_cond_init(&fixture.changed, NULL);
        fixture.directory = g_dir_make_tmp("fltsim-XXXXXX", NULL);
        g_assert_nonnull(fixture.directory);
        /* As root's own runtime directory: others may reach the socket. */
        if (geteuid() == 0)
                g_assert_cmpint(chmod(fixture.directory, 0755), ==, 0);
        g_setenv("FLTSIM_RUNTIME_DIR", fixture.directory, TRUE);
        r = fm_port_server_start(fixture.directory, &error);
        if (r < 0)
                g_error("%s", error);
        fm_registry_set_string(FM_SERVICES_KEY "\\" SERVICE "\\Instances", "DefaultInstance", SERVICE);
        fm_registry_set_string(FM_SERVICES_KEY "\\" SERVICE "\\Instances\\" SERVICE, "Altitude", "370030");
        assert_hex(fm_driver_start(SERVICE, driver_entry, &error), ==, STATUS_SUCCESS);
}

static void stop(void)
{
        g_autofree char *lock = g_build_filename(fixture.directory, FM_RUNTIME_LOCK, NULL);

        fm_filter_unload_all();
        fm_port_server_stop();
        fm_registry_delete_tree(FM_SERVICES_KEY "\\" SERVICE);
        g_assert_cmpuint(fm_violation_count(), ==, fixture.violations);
        g_unlink(lock);
        /* The socket is gone too, or this fails. */
        g_assert_cmpint(g_rmdir(fixture.directory), ==, 0);
        g_free(fixture.directory);
        g_free(agent_path);
}

int fixture_main(int argc, char **argv, void (*add_tests)(void))
{
        g_autofree char *here = g_path_get_dirname(argv[0]);
        int r;

        g_test_init(&argc, &argv, NULL);
        signal(SIGPIPE, SIG_IGN);
        agent_path = g_build_filename(here, "contract-agent", NULL);
        add_tests();
        start();
        r = g_test_run();
        stop();
        return r;
}
