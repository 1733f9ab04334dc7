/* SPDX-License-Identifier: MIT */
/*
 * Messages of all sizes and deadlines between a filter in this process and agents in others that are killed,
 * stopped and made to reconnect all the time, while senders are cancelled and the filter closes connections. What has
 * to hold:
 *
 *   - a message is delivered once or not at all, whole, with an id that its connection never had before, and not to a
 *     receive that began when its sender had left
 *   - an agent is told that a reply was accepted if and only if its sender got it, and got it whole
 *   - DisconnectNotify comes once for each connection, after the last MessageNotify
 *   - in the end there are as many descriptors and threads as in the beginning, and no more memory than half way
 *
 *   port-stress [--delivered=N] [--seconds=N] [--seed=N] AGENT
 *
 * The variable PORT_STRESS_DELIVERED makes a long run of a short one: as --delivered, and without a limit of time.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fltKernel.h>
#include <glib.h>

#include "fltmgr/manager.h"
#include "fltmgr/port.h"
#include "nt/cancel.h"
#include "nt/thread.h"
#include "nt/verifier.h"
#include "port-resources.h"
#include "port-stress.h"
#include "port/server.h"
#include "wire/runtime.h"

#define AGENTS 4
#define SENDERS 10
#define MILLISECOND (-10000LL)
#define MEMORY_NOISE (64 * 1024) /* KiB: large messages that were on their way */

/* What the sender was told. */
enum outcome {
        NOT_SENT,
        GOT_REPLY,
        GOT_TRUNCATED,
        WAS_RECEIVED, /* no reply was wanted */
        LEFT,         /* deadline, cancel, end of the connection */
};

struct place {
        PFLT_PORT port; /* cleared by FltCloseClientPort */
        bool busy;      /* lock; from ConnectNotify to DisconnectNotify */
        unsigned inside; /* lock; MessageNotify in progress */
        unsigned connects; /* lock */
};

struct sender {
        pthread_t thread;
        uint64_t seed;
        pthread_mutex_t lock;
        struct fm_cancel *cancel; /* lock; of the message on its way, if it can be cancelled */
};

struct agent {
        pthread_t thread;
        unsigned index;
        uint64_t seed;
        unsigned kills, stops, closes, goodbyes;
};

static struct {
        const char *program;
        gint64 delivered, seconds, seed; /* wanted */
        gint64 messages;                 /* there is room for */
        gint64 end; /* monotonic; 0: none */
        struct stress_record *table;
        uint8_t *outcomes;
        int table_fd;
        _Atomic uint64_t next;
        _Atomic uint64_t count[LEFT + 1];
        _Atomic uint64_t calls, cancels;
        _Atomic unsigned memory_half_way;

        PFLT_FILTER filter;
        PFLT_PORT server;
        pthread_mutex_t lock; /* guards what the callbacks write */
        pthread_cond_t changed;
        struct place places[AGENTS];
        unsigned connects, disconnects;
        struct sender senders[SENDERS];
        struct agent agents[AGENTS];
} stress = {
        .delivered = 1000000,
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .changed = PTHREAD_COND_INITIALIZER,
};

static uint32_t pick(uint64_t *state, uint32_t limit)
{
        return (stress_step(state) >> 16) % limit;
}

static NTSTATUS connect_notify(PFLT_PORT ClientPort, PVOID ServerPortCookie, PVOID ConnectionContext,
                               ULONG SizeOfContext, PVOID *ConnectionCookie)
{
        struct place *place;

        g_assert_cmpuint(SizeOfContext, ==, sizeof(uint32_t));
        g_assert_cmpuint(*(uint32_t *)ConnectionContext, <, AGENTS);
        place = &stress.places[*(uint32_t *)ConnectionContext];
        pthread_mutex_lock(&stress.lock);
        while (place->busy)
                pthread_cond_wait(&stress.changed, &stress.lock);
        place->busy = true;
        place->connects++;
        stress.connects++;
        __atomic_store_n(&place->port, ClientPort, __ATOMIC_RELEASE); /* senders look already */
        *ConnectionCookie = place;
        pthread_cond_broadcast(&stress.changed);
        pthread_mutex_unlock(&stress.lock);
        return STATUS_SUCCESS;
}

static VOID disconnect_notify(PVOID ConnectionCookie)
{
        struct place *place = ConnectionCookie;

        FltCloseClientPort(stress.filter, &place->port);
        pthread_mutex_lock(&stress.lock);
        g_assert_true(place->busy);
        g_assert_cmpuint(place->inside, ==, 0);
        place->busy = false;
        stress.disconnects++;
        pthread_cond_broadcast(&stress.changed);
        pthread_mutex_unlock(&stress.lock);
}

static void place_count(struct place *place, int change)
{
        pthread_mutex_lock(&stress.lock);
        g_assert_true(place->busy);
        place->inside += change;
        pthread_mutex_unlock(&stress.lock);
}

static NTSTATUS message_notify(PVOID PortCookie, PVOID InputBuffer, ULONG InputBufferLength,
                               PVOID OutputBuffer, ULONG OutputBufferLength, PULONG ReturnOutputBufferLength)
{
        uint64_t seed;

        place_count(PortCookie, 1);
        g_assert_cmpuint(InputBufferLength, >=, sizeof(seed));
        memcpy(&seed, InputBuffer, sizeof(seed));
        g_assert_true(stress_check((uint8_t *)InputBuffer + sizeof(seed), InputBufferLength - sizeof(seed), seed));
        if (OutputBufferLength)
                stress_fill(OutputBuffer, OutputBufferLength, ~seed);
        *ReturnOutputBufferLength = OutputBufferLength;
        atomic_fetch_add(&stress.calls, 1);
        place_count(PortCookie, -1);
        return STATUS_SUCCESS;
}

/* As their senders know. */
static uint64_t count_delivered(void)
{
        return atomic_load_explicit(&stress.count[GOT_REPLY], memory_order_relaxed) +
               atomic_load_explicit(&stress.count[GOT_TRUNCATED], memory_order_relaxed) +
               atomic_load_explicit(&stress.count[WAS_RECEIVED], memory_order_relaxed);
}

static bool is_over(void)
{
        return count_delivered() >= (uint64_t)stress.delivered ||
               atomic_load_explicit(&stress.next, memory_order_relaxed) >= (uint64_t)stress.messages ||
               (stress.end && g_get_monotonic_time() > stress.end);
}

/* Mostly small, sometimes all that fits. */
static uint32_t pick_length(uint64_t *state)
{
        switch (pick(state, 500)) {
        case 0:
                return pick(state, STRESS_AREA - sizeof(struct stress_message));
        case 1 ... 10:
                return pick(state, 100000);
        default:
                return pick(state, 2000);
        }
}

static void send_one(struct sender *sender, uint64_t *state, uint64_t serial, PFLT_PORT *port)
{
        static const NTSTATUS statuses[] = {
                STATUS_SUCCESS, STATUS_VIRUS_INFECTED, STATUS_ACCESS_DENIED, (NTSTATUS)0xE0001234,
        };
        uint32_t length = sizeof(struct stress_message) + pick_length(state), capacity = pick_length(state);
        struct stress_message message = {
                .serial = serial,
                .length = length,
                .capacity = pick(state, 6) ? capacity : UINT32_MAX,
                .reply_length = pick(state, 20) ? capacity - pick(state, capacity + 1)
                                                : capacity + 1 + pick(state, 100),
                .behaviour = pick(state, 8) ? STRESS_REPLY : pick(state, STRESS_BEHAVIOURS),
                .status = statuses[pick(state, G_N_ELEMENTS(statuses))],
        };
        g_autofree uint8_t *buffer = g_malloc(length), *reply = NULL;
        bool cancellable = pick(state, 4) == 0;
        LARGE_INTEGER timeout = { .QuadPart = 0 };
        struct fm_cancel cancel;
        enum outcome outcome = LEFT;
        ULONG reply_length = capacity;
        NTSTATUS status;

        message.reply_length = MIN(message.reply_length, STRESS_AREA);
        if (message.behaviour == STRESS_DROP || pick(state, 8) == 0)
                timeout.QuadPart = MILLISECOND * (1 + pick(state, 5)) / (1 + pick(state, 40));
        memcpy(buffer, &message, sizeof(message));
        stress_fill(buffer + sizeof(message), length - sizeof(message), serial);
        if (message.capacity != UINT32_MAX)
                reply = g_malloc(capacity + 1);

        fm_cancel_init(&cancel);
        fm_thread_self()->cancel = &cancel;
        if (cancellable) {
                pthread_mutex_lock(&sender->lock);
                sender->cancel = &cancel;
                pthread_mutex_unlock(&sender->lock);
        }
        if (reply)
                reply[capacity] = 0x5a;
        status = FltSendMessage(stress.filter, port, buffer, length, reply, &reply_length,
                                timeout.QuadPart ? &timeout : NULL);
        pthread_mutex_lock(&sender->lock);
        sender->cancel = NULL;
        pthread_mutex_unlock(&sender->lock);
        fm_thread_self()->cancel = NULL;
        fm_cancel_deinit(&cancel);

        if (reply)
                g_assert_cmpuint(reply[capacity], ==, 0x5a);
        if (status == STATUS_TIMEOUT || status == STATUS_PORT_DISCONNECTED || status == STATUS_THREAD_IS_TERMINATING) {
                g_assert_cmpuint(reply_length, ==, 0);
                g_assert_true(status != STATUS_TIMEOUT || timeout.QuadPart);
                g_assert_true(status != STATUS_THREAD_IS_TERMINATING || cancellable);
        } else if (!reply) {
                g_assert_cmphex(status, ==, STATUS_SUCCESS);
                outcome = WAS_RECEIVED;
        } else if (message.reply_length > capacity) {
                g_assert_cmphex(status, ==, STATUS_BUFFER_OVERFLOW);
                g_assert_cmpuint(reply_length, ==, capacity);
                outcome = GOT_TRUNCATED;
        } else {
                g_assert_cmphex(status, ==, message.status);
                g_assert_cmpuint(reply_length, ==, message.reply_length);
                outcome = GOT_REPLY;
        }
        if (outcome == GOT_REPLY)
                g_assert_true(stress_check(reply, reply_length, ~serial));
        if (outcome == LEFT)
                atomic_store(&stress.table[serial].left_at, stress_now());
        stress.outcomes[serial] = outcome;
        atomic_fetch_add_explicit(&stress.count[outcome], 1, memory_order_relaxed);
        if (status == STATUS_PORT_DISCONNECTED)
                g_usleep(500); /* another agent comes */
}

/* One of the places where an agent is, or NULL. */
static struct place *pick_place(uint64_t *state)
{
        struct place *place = &stress.places[pick(state, AGENTS)], *found = NULL;

        pthread_mutex_lock(&stress.lock);
        for (unsigned i = 0; i < AGENTS && !found; i++) {
                if (place->busy)
                        found = place;
                if (++place == stress.places + AGENTS)
                        place = stress.places;
        }
        pthread_mutex_unlock(&stress.lock);
        return found;
}

static void *sender_run(void *data)
{
        struct sender *sender = data;
        uint64_t state = sender->seed | 1;

        while (!is_over()) {
                struct place *place = pick_place(&state);
                uint64_t serial;

                if (!place) {
                        g_usleep(200);
                        continue;
                }
                serial = atomic_fetch_add(&stress.next, 1);
                if (!atomic_load(&stress.memory_half_way) && count_delivered() >= (uint64_t)stress.delivered / 2)
                        atomic_store(&stress.memory_half_way, memory_used());
                if (serial < (uint64_t)stress.messages)
                        send_one(sender, &state, serial, &place->port);
        }
        return NULL;
}

static void *canceller_run(void *unused)
{
        uint64_t state = stress.seed * 3 | 1;

        while (!is_over()) {
                struct sender *sender = &stress.senders[pick(&state, SENDERS)];

                pthread_mutex_lock(&sender->lock);
                if (sender->cancel) {
                        fm_cancel_signal(sender->cancel, true);
                        atomic_fetch_add_explicit(&stress.cancels, 1, memory_order_relaxed);
                }
                pthread_mutex_unlock(&sender->lock);
                g_usleep(pick(&state, 500));
        }
        return NULL;
}

static pid_t agent_spawn(struct agent *agent, uint64_t seed)
{
        g_autofree char *index = g_strdup_printf("%u", agent->index);
        g_autofree char *number = g_strdup_printf("%llu", (unsigned long long)seed);
        g_autofree char *records = g_strdup_printf("%lld", (long long)stress.messages);
        char *argv[] = { (char *)stress.program, index, number, records, NULL };
        posix_spawn_file_actions_t actions;
        extern char **environ;
        pid_t pid;

        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, stress.table_fd, STRESS_TABLE_FD);
        g_assert_cmpint(posix_spawn(&pid, stress.program, &actions, NULL, argv, environ), ==, 0);
        posix_spawn_file_actions_destroy(&actions);
        return pid;
}

/* What happens to one agent, over and over: it comes, it is left alone for a while, it goes one way or another. */
static void *agent_run(void *data)
{
        struct agent *agent = data;
        struct place *place = &stress.places[agent->index];
        uint64_t state = agent->seed | 1;

        while (!is_over()) {
                unsigned connects = place->connects, what = pick(&state, 10);
                int status = 0, wanted = 0;
                pid_t pid;

                pthread_mutex_lock(&stress.lock);
                connects = place->connects;
                pthread_mutex_unlock(&stress.lock);
                pid = agent_spawn(agent, stress_step(&state));
                if (what > 0) { /* else it may be gone before it has connected */
                        pthread_mutex_lock(&stress.lock);
                        while (place->connects == connects)
                                pthread_cond_wait(&stress.changed, &stress.lock);
                        pthread_mutex_unlock(&stress.lock);
                }
                g_usleep(pick(&state, what < 3 ? 3000 : 150000));
                if (what < 5) {
                        wanted = SIGKILL;
                        agent->kills++;
                } else if (what < 7) {
                        wanted = SIGTERM;
                        agent->goodbyes++;
                } else if (what < 9) {
                        kill(pid, SIGSTOP);
                        g_usleep(pick(&state, 20000));
                        if (what == 8)
                                kill(pid, SIGCONT);
                        wanted = SIGKILL;
                        agent->stops++;
                } else {
                        FltCloseClientPort(stress.filter, &place->port);
                        wanted = SIGTERM;
                        agent->closes++;
                }
                kill(pid, wanted);
                g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
                if (!(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && wanted == SIGKILL) &&
                    !(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM && what == 0) &&
                    !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
                        g_error("an agent ended with wait status 0x%x", (unsigned)status);
        }
        return NULL;
}

/* What each message's sender was told, and what its agent was told. */
static void check_messages(unsigned killed)
{
        uint64_t sent = MIN(atomic_load(&stress.next), (uint64_t)stress.messages), unknown = 0, delivered = 0;

        for (uint64_t i = 0; i < sent; i++) {
                unsigned received = atomic_load(&stress.table[i].received);
                enum stress_answer answer = atomic_load(&stress.table[i].answer);
                enum outcome outcome = stress.outcomes[i];
                bool good = received <= 1;

                delivered += received;
                switch (outcome) {
                case GOT_REPLY:
                        good = good && received == 1 && (answer == STRESS_ACCEPTED || answer == STRESS_ANSWERING);
                        unknown += answer == STRESS_ANSWERING;
                        break;
                case GOT_TRUNCATED:
                        good = good && received == 1 && (answer == STRESS_TRUNCATED || answer == STRESS_ANSWERING);
                        unknown += answer == STRESS_ANSWERING;
                        break;
                case WAS_RECEIVED:
                        /* One that was killed with the message in its hands. */
                        unknown += received == 0;
                        good = good && (answer == STRESS_NO_ANSWER || answer == STRESS_ANSWERING ||
                                        answer == STRESS_NO_WAITER || answer == STRESS_DISCONNECTED);
                        break;
                case LEFT:
                        good = good && (answer == STRESS_NO_ANSWER || answer == STRESS_ANSWERING ||
                                        answer == STRESS_NO_WAITER || answer == STRESS_DISCONNECTED);
                        unknown += answer == STRESS_ANSWERING;
                        break;
                case NOT_SENT:
                        good = false;
                }
                if (!good)
                        g_error("message %llu: outcome %u for its sender, received %u times, answer %u for its agent",
                                (unsigned long long)i, outcome, received, answer);
        }
        printf("# %llu messages, %llu delivered: %llu replied, %llu truncated, %llu one-way; %llu senders left\n",
               (unsigned long long)sent, (unsigned long long)delivered, (unsigned long long)stress.count[GOT_REPLY],
               (unsigned long long)stress.count[GOT_TRUNCATED], (unsigned long long)stress.count[WAS_RECEIVED],
               (unsigned long long)stress.count[LEFT]);
        /* At most one for each thread and each receive of an agent that was killed. */
        g_assert_cmpuint(unknown, <=, killed * 12);
}

static void server_start(const char *directory)
{
        OBJECT_ATTRIBUTES object;
        UNICODE_STRING name;
        char *error = NULL;

        stress.filter = g_new0(struct _FLT_FILTER, 1);
        fm_flt_object_init(&stress.filter->object, FM_FLT_FILTER);
        fm_flt_object_ref(stress.filter); /* never the last one: it is not made like others */
        stress.filter->name = (char *)"stress";
        g_assert_cmpint(fm_port_server_start(directory, &error), ==, 0);
        RtlInitUnicodeString(&name, STRESS_PORT);
        InitializeObjectAttributes(&object, &name, OBJ_KERNEL_HANDLE, NULL, NULL);
        g_assert_cmpint(FltCreateCommunicationPort(stress.filter, &stress.server, &object, NULL, connect_notify,
                                                   disconnect_notify, message_notify, 2 * AGENTS),
                        ==, STATUS_SUCCESS);
}

static void server_stop(void)
{
        FltCloseCommunicationPort(stress.server);
        fm_filter_close_ports(stress.filter);
        g_assert_cmpuint(stress.connects, ==, stress.disconnects);
        fm_port_server_stop();
        g_assert_cmpuint(fm_violation_count(), ==, 0);
        g_assert_cmpuint(atomic_load(&stress.filter->object.refs), ==, 2);
        g_free(stress.filter);
}

static void stress_run(void)
{
        unsigned kills = 0, stops = 0, closes = 0, goodbyes = 0;
        uint64_t seed = stress.seed;
        pthread_t canceller;

        for (unsigned i = 0; i < SENDERS; i++) {
                pthread_mutex_init(&stress.senders[i].lock, NULL);
                stress.senders[i].seed = stress_step(&seed);
                g_assert_cmpint(pthread_create(&stress.senders[i].thread, NULL, sender_run, &stress.senders[i]), ==, 0);
        }
        for (unsigned i = 0; i < AGENTS; i++) {
                stress.agents[i].index = i;
                stress.agents[i].seed = stress_step(&seed);
                g_assert_cmpint(pthread_create(&stress.agents[i].thread, NULL, agent_run, &stress.agents[i]), ==, 0);
        }
        g_assert_cmpint(pthread_create(&canceller, NULL, canceller_run, NULL), ==, 0);
        for (unsigned i = 0; i < AGENTS; i++) {
                pthread_join(stress.agents[i].thread, NULL);
                kills += stress.agents[i].kills;
                stops += stress.agents[i].stops;
                closes += stress.agents[i].closes;
                goodbyes += stress.agents[i].goodbyes;
        }
        for (unsigned i = 0; i < SENDERS; i++)
                pthread_join(stress.senders[i].thread, NULL);
        pthread_join(canceller, NULL);
        pthread_mutex_lock(&stress.lock);
        while (stress.connects != stress.disconnects)
                pthread_cond_wait(&stress.changed, &stress.lock);
        pthread_mutex_unlock(&stress.lock);
        check_messages(kills + stops);
        printf("# %llu calls, %llu cancels, %u connections, %u agents killed, %u while stopped, "
               "%u closed by the filter, %u ended\n",
               (unsigned long long)stress.calls, (unsigned long long)stress.cancels, stress.connects, kills, stops,
               closes, goodbyes);
}

static void test_stress(void)
{
        g_autofree char *directory = g_dir_make_tmp("fltsim-XXXXXX", NULL), *lock = NULL;
        unsigned descriptors, threads;
        size_t size = stress.messages * sizeof(struct stress_record);

        lock = g_build_filename(directory, FM_RUNTIME_LOCK, NULL);
        g_setenv("FLTSIM_RUNTIME_DIR", directory, TRUE);
        stress.table_fd = memfd_create("stress", MFD_CLOEXEC);
        g_assert_cmpint(ftruncate(stress.table_fd, size), ==, 0);
        stress.table = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, stress.table_fd, 0);
        g_assert_true(stress.table != MAP_FAILED);
        stress.outcomes = g_malloc0(stress.messages);
        if (stress.seconds)
                stress.end = g_get_monotonic_time() + stress.seconds * G_USEC_PER_SEC;

        fm_thread_self(); /* what a thread makes once is made */
        descriptors = count_descriptors();
        threads = count_threads() + SANITIZED; /* one of its own */
        server_start(directory);
        stress_run();
        server_stop();
        printf("# memory %u KiB, half way %u KiB; descriptors %u, before %u; threads %u, before %u\n", memory_used(),
               atomic_load(&stress.memory_half_way), count_descriptors(), descriptors, count_threads(), threads);
        g_assert_cmpuint(count_descriptors(), ==, descriptors);
        for (unsigned i = 0; i < 10000 && count_threads() > threads; i++)
                g_usleep(1000); /* a worker's last instructions */
        g_assert_cmpuint(count_threads(), <=, threads);
        if (!SANITIZED && atomic_load(&stress.memory_half_way))
                g_assert_cmpuint(memory_used(), <, atomic_load(&stress.memory_half_way) + MEMORY_NOISE);

        munmap(stress.table, size);
        close(stress.table_fd);
        g_free(stress.outcomes);
        g_unlink(lock);
        g_assert_cmpint(g_rmdir(directory), ==, 0);
}

int main(int argc, char **argv)
{
        GOptionEntry options[] = {
                { "delivered", 0, 0, G_OPTION_ARG_INT64, &stress.delivered, "until so many messages were", "N" },
                { "seconds", 0, 0, G_OPTION_ARG_INT64, &stress.seconds, "at most so long", "N" },
                { "seed", 0, 0, G_OPTION_ARG_INT64, &stress.seed, "of all that is random", "N" },
                { NULL },
        };
        g_autoptr(GOptionContext) context = g_option_context_new("AGENT");
        const char *long_run = g_getenv("PORT_STRESS_DELIVERED");

        g_option_context_add_main_entries(context, options, NULL);
        g_option_context_set_ignore_unknown_options(context, TRUE); /* the test framework's */
        if (!g_option_context_parse(context, &argc, &argv, NULL) || argc < 2 || stress.delivered < 1) {
                fprintf(stderr, "usage: port-stress [--delivered=N] [--seconds=N] [--seed=N] AGENT\n");
                return 2;
        }
        if (long_run) {
                stress.delivered = g_ascii_strtoll(long_run, NULL, 10);
                stress.seconds = 0;
        }
        stress.messages = 2 * stress.delivered + 100000;
        g_test_init(&argc, &argv, NULL);
        stress.program = argv[1];
        if (!stress.seed)
                stress.seed = g_random_int() | 1;
        printf("# --seed=%lld\n", (long long)stress.seed);
        g_test_add_func("/port/stress", test_stress);
        return g_test_run();
}
