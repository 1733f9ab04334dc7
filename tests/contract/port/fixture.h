/* SPDX-License-Identifier: MIT */
/*
 * A filter manager in the test's process, with one filter and its ports, and agents that are processes of their
 * own and do what they are told, see remote.h.
 *
 * What the callbacks see is written down in `struct port` and `struct link`; what they answer is set there. The
 * fixture's lock guards both. Nothing is waited for by sleeping: WAIT_UNTIL() wakes with each callback, and
 * whether a thread waits in the system call that it should wait in, the kernel says.
 */
#pragma once

#include <fltKernel.h>
#include <glib.h>
#include <pthread.h>
#include <stdbool.h>

#include "nt/cancel.h"
#include "remote.h"

#define PORT_NAME "\\ContractPort"
#define LINKS_MAX 16

struct port;

/* One connection. */
struct link {
        struct port *port;
        PFLT_PORT client; /* the filter's variable */
        pid_t connector;  /* PsGetCurrentProcess() in ConnectNotify */
        uint8_t context[64];
        ULONG context_size, context_pattern;
        bool context_is_null;
        PVOID server_cookie;
        unsigned calls, inside, disconnecting, disconnects; /* disconnecting: DisconnectNotify that have begun */
        unsigned inside_at_disconnect, calls_at_disconnect;
        pid_t caller; /* of the last MessageNotify */
        uint8_t input[64];
        ULONG input_length, input_pattern, output_length;
        bool output_is_null;
        PVOID seen_input, seen_context; /* the addresses */
};

typedef NTSTATUS (*port_on_message)(struct link *link, PVOID in, ULONG in_length, PVOID out, ULONG out_length,
                                    PULONG returned);

struct port {
        PFLT_PORT server;
        struct link links[LINKS_MAX];
        unsigned connects; /* ConnectNotify calls, also refused ones */
        unsigned connecting; /* calls in progress */
        unsigned calling;    /* MessageNotify in progress, of all links */
        NTSTATUS connect_status;
        unsigned hold_connects; /* so many ConnectNotify wait until released */
        bool hold_calls;        /* MessageNotify waits until released */
        bool hold_disconnects;
        bool released;
        bool keep_on_disconnect; /* DisconnectNotify does not call FltCloseClientPort */
        port_on_message on_message;
        void (*on_disconnect)(struct link *link);
};

extern struct fixture {
        PFLT_FILTER filter;
        char *directory;
        pthread_mutex_t lock;
        pthread_cond_t changed;
        uint64_t violations; /* that tests have made on purpose */
} fixture;

/* Runs the tests between start and stop of the manager. */
int fixture_main(int argc, char **argv, void (*add_tests)(void));
void fixture_changed_wait(void); /* lock held; ends the program after a minute */

#define WAIT_UNTIL(condition)                                 \
        do {                                                  \
                pthread_mutex_lock(&fixture.lock);            \
                while (!(condition))                          \
                        fixture_changed_wait();               \
                pthread_mutex_unlock(&fixture.lock);          \
        } while (0)

#define assert_hex(a, operator, b) g_assert_cmphex((guint32)(a), operator, (guint32)(b))

/* The port of the name, for so many connections; everything else is as most tests want it. */
struct port *port_new(const char *name, LONG max_connections);
/* As FltCreateCommunicationPort; NULL callbacks are possible. */
struct port_options {
        const char *name;
        ULONG attributes;
        PSECURITY_DESCRIPTOR security;
        LONG max_connections;
        bool no_connect, no_disconnect, one_way;
        PFLT_FILTER filter; /* NULL: the fixture's */
};
NTSTATUS port_create(struct port *port, const struct port_options *options);
/* Closes the server port if it is open, and waits until every connection has ended: agents go first. */
void port_free(struct port *port);
void port_release(struct port *port);
unsigned port_live(struct port *port); /* connections without DisconnectNotify; lock held */

/* FltSendMessage on a thread of its own. */
struct sender {
        struct link *link;
        const void *payload;
        ULONG length;
        PVOID reply; /* NULL: none wanted */
        ULONG reply_length; /* capacity, then what came */
        bool has_timeout;
        LONGLONG timeout;
        struct fm_cancel *cancel;
        NTSTATUS status;
        gint64 ended; /* monotonic */
        pthread_t thread;
        pid_t tid; /* fixture lock */
        bool done; /* fixture lock */
};
void sender_start(struct sender *sender);
/* It waits in the kernel: for a receiver or for the reply. */
void sender_wait_blocked(struct sender *sender);
NTSTATUS sender_join(struct sender *sender);
bool sender_is_done(struct sender *sender);

struct agent {
        pid_t pid;
        int fd;
        uint32_t serial;
        pid_t tids[REMOTE_WORKERS];
        GHashTable *results; /* serial -> struct remote_result that nobody has asked for yet */
        struct remote_result *last;
};

struct agent *agent_new(void);
/* Of another user and group, with one supplementary group if it is not 0: needs root. */
struct agent *agent_new_of(uid_t uid, gid_t gid, gid_t supplementary);
/* Or skips the test. */
bool is_root(void);
/* Ends it like a program that returns from main. */
void agent_free(struct agent *agent);
/* SIGKILL, and waits until the process is gone. */
void agent_kill(struct agent *agent);

uint32_t agent_start_request(struct agent *agent, struct remote_request request);
/* What came of it; borrowed until the next call. */
const struct remote_result *agent_finish(struct agent *agent, uint32_t serial);
bool agent_is_done(struct agent *agent, uint32_t serial);
/* The worker waits in the kernel, inside a request, for what others do. */
void agent_wait_blocked(struct agent *agent, unsigned worker);
/* It waits for another thread of the agent. */
void agent_wait_locked_out(struct agent *agent, unsigned worker);

#define START(agent, operation, ...) \
        agent_start_request(agent, (struct remote_request){ .op = operation, __VA_ARGS__ })
#define RUN(agent, operation, ...) agent_finish(agent, START(agent, operation, ##__VA_ARGS__))

/* data and length of a request. */
#define TEXT_DATA(text) .length = sizeof(text) - 1, .data = text
/* A name, or several with \0 between them, with the last NUL. */
#define NAME_DATA(text) .length = sizeof(text), .data = text

/*
 * What most tests begin with, for g_test_add(): PORT_NAME, and an agent that is connected to it. The agent may go
 * (NULL) before the test ends.
 */
struct scene {
        struct port *port;
        struct agent *agent;
        struct link *link;
        uint64_t handle;
};
void scene_open(struct scene *scene, LONG max_connections);
void scene_tear_down(struct scene *scene, gconstpointer unused);
/* An agent, instead of the one that has gone. */
void scene_connect(struct scene *scene);
/* A message and its reply. */
void scene_exchange(struct scene *scene);

/* Connects to PORT_NAME, which must succeed; *link is the connection of it. */
uint64_t agent_connect(struct agent *agent, struct port *port, struct link **link);
/* Same with options. */
uint64_t agent_connect_with(struct agent *agent, struct port *port, struct link **link, uint32_t options);
uint32_t agent_reply(struct agent *agent, uint64_t handle, uint64_t id, NTSTATUS status, const char *text);
uint32_t agent_send(struct agent *agent, uint64_t handle, const char *text);
