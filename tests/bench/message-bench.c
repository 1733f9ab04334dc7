/* SPDX-License-Identifier: MIT */
/*
 * Round trips of messages: FltSendMessage() in this process, an agent on fltlib in another, next to two processes
 * that do the same over a bare Unix socket. A message of some size goes there and 64 bytes come back.
 *
 *   message-bench [OPTION...] AGENT     JSON goes to $BENCH_JSON (message-bench.json)
 *
 * The competitors take turns of some milliseconds each; the figures are medians over the rounds. With --trips there
 * is no table, but so many round trips of each sender, for those who count what they cost (message-calls.sh).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../unit/port/fixture.h"
#include "message-bench.h"
#include "nt/object.h"
#include "nt/process.h"

#define ROUNDS_MAX 25
#define SENDERS_MAX 64
#define AGENT_THREADS_MAX 4

enum kind {
        BARE,
        SYNC,
        PORT,
        EVENT,
        KINDS,
};

static const char *const kind_names[KINDS] = { "bare", "sync", "port", "event" }; /* agents know theirs */
static const char *const kind_titles[KINDS] = { "bare socket", "synchronous agent", "completion port", "events" };

static gint turn_ms = 100, rounds = 5, trips_wanted, size_wanted = 1024, senders_wanted = 1;
static gboolean handle_wanted;
static char *only, *kind_wanted;

struct row {
        unsigned size, senders;
        bool handle;
};

struct run {
        struct row row;
        enum kind kind;
        int memory;          /* what handles refer to */
        PEPROCESS agent;
        int sockets[SENDERS_MAX];
        _Atomic bool stop;
        _Atomic uint64_t trips;
        uint64_t trips_wanted; /* of each sender; 0: until stop */
};

struct worker {
        struct run *run;
        unsigned index;
        pthread_t thread;
};

static uint64_t now_ns(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return now.tv_sec * UINT64_C(1000000000) + now.tv_nsec;
}

static void die(const char *what)
{
        fprintf(stderr, "message-bench: %s: %s\n", what, strerror(errno));
        exit(1);
}

/* All of it, with a descriptor in front if fd >= 0. */
static bool send_all(int socket, const uint8_t *data, size_t length, int fd)
{
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(int))];
        } control = { 0 };

        while (length) {
                struct iovec iov = { (void *)data, length };
                struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
                ssize_t n;

                if (fd >= 0) {
                        message.msg_control = &control;
                        message.msg_controllen = sizeof(control.bytes);
                        control.header.cmsg_level = SOL_SOCKET;
                        control.header.cmsg_type = SCM_RIGHTS;
                        control.header.cmsg_len = CMSG_LEN(sizeof(int));
                        memcpy(CMSG_DATA(&control.header), &fd, sizeof(int));
                        fd = -1;
                }
                n = sendmsg(socket, &message, MSG_NOSIGNAL);
                if (n <= 0)
                        return false;
                data += n;
                length -= n;
        }
        return true;
}

/* The same in the other direction; descriptors are closed. */
static bool receive_all(int socket, uint8_t *data, size_t length, bool with_fd)
{
        while (length) {
                union {
                        struct cmsghdr header;
                        char bytes[CMSG_SPACE(sizeof(int))];
                } control;
                struct iovec iov = { data, length };
                struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
                ssize_t n;

                if (with_fd) {
                        message.msg_control = &control;
                        message.msg_controllen = sizeof(control.bytes);
                }
                n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
                if (n <= 0)
                        return false;
                if (with_fd && CMSG_FIRSTHDR(&message)) {
                        int fd;

                        memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
                        close(fd);
                }
                data += n;
                length -= n;
        }
        return true;
}

static void *echo_run(void *data)
{
        struct worker *worker = data;
        struct row *row = &worker->run->row;
        uint8_t *buffer = g_malloc(BENCH_SIZE_MAX);
        int socket = worker->run->sockets[worker->index];

        while (receive_all(socket, buffer, row->size, row->handle) && send_all(socket, buffer, BENCH_REPLY, -1))
                ;
        g_free(buffer);
        return NULL;
}

/* The other process of the bare competitor: a thread for each socket. */
static pid_t echo_start(struct run *run)
{
        int others[SENDERS_MAX];
        pid_t child;

        for (unsigned i = 0; i < run->row.senders; i++) {
                int pair[2];

                if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                        die("socketpair");
                run->sockets[i] = pair[0];
                others[i] = pair[1];
        }
        child = fork();
        if (child < 0)
                die("fork");
        if (child == 0) {
                struct worker workers[SENDERS_MAX];

                for (unsigned i = 0; i < run->row.senders; i++) {
                        close(run->sockets[i]);
                        run->sockets[i] = others[i];
                        workers[i] = (struct worker){ .run = run, .index = i };
                        if (i + 1 < run->row.senders)
                                pthread_create(&workers[i].thread, NULL, echo_run, &workers[i]);
                        else
                                echo_run(&workers[i]);
                }
                for (unsigned i = 0; i + 1 < run->row.senders; i++)
                        pthread_join(workers[i].thread, NULL);
                _exit(0);
        }
        for (unsigned i = 0; i < run->row.senders; i++)
                close(others[i]);
        return child;
}

static pid_t agent_start(const char *agent, struct run *run)
{
        g_autofree char *threads = g_strdup_printf("%u", MIN(run->row.senders, AGENT_THREADS_MAX));
        char *argv[] = { (char *)agent, (char *)kind_names[run->kind], threads, NULL };
        extern char **environ;
        pid_t child;

        if (posix_spawn(&child, agent, NULL, NULL, argv, environ) != 0)
                die(agent);
        pthread_mutex_lock(&fixture.lock);
        while (fixture.connects == fixture.disconnects)
                pthread_cond_wait(&fixture.changed, &fixture.lock);
        pthread_mutex_unlock(&fixture.lock);
        if (!NT_SUCCESS(PsLookupProcessByProcessId((HANDLE)fixture.connect_process, &run->agent)))
                die("agent");
        return child;
}

static bool trip(struct run *run, unsigned index, uint8_t *buffer)
{
        uint8_t reply[BENCH_REPLY];
        ULONG length = sizeof(reply);
        struct message_head *head = (struct message_head *)buffer;

        if (run->kind == BARE)
                return send_all(run->sockets[index], buffer, run->row.size, run->row.handle ? run->memory : -1) &&
                       receive_all(run->sockets[index], reply, sizeof(reply), false);
        head->handle = 0;
        if (run->row.handle) {
                HANDLE handle;

                if (!NT_SUCCESS(fm_port_give_descriptor(run->agent, run->memory, 4096, &handle)))
                        return false;
                head->handle = (ULONG_PTR)handle;
        }
        return FltSendMessage(fixture.filter, &fixture.clients[0], buffer, run->row.size, reply, &length, NULL) ==
                       STATUS_SUCCESS &&
               length == sizeof(reply);
}

static void *sender_run(void *data)
{
        struct worker *worker = data;
        struct run *run = worker->run;
        uint8_t *buffer = g_malloc0(BENCH_SIZE_MAX);
        uint64_t trips = 0;

        while (!atomic_load_explicit(&run->stop, memory_order_relaxed) &&
               (!run->trips_wanted || trips < run->trips_wanted)) {
                if (!trip(run, worker->index, buffer)) {
                        fprintf(stderr, "message-bench: a round trip failed\n");
                        exit(1);
                }
                trips++;
                atomic_fetch_add_explicit(&run->trips, 1, memory_order_relaxed);
        }
        g_free(buffer);
        return NULL;
}

static void sleep_ms(unsigned milliseconds)
{
        struct timespec time = { milliseconds / 1000, milliseconds % 1000 * 1000000L };

        nanosleep(&time, NULL);
}

static void join_all(struct worker *workers, unsigned count)
{
        for (unsigned i = 0; i < count; i++)
                pthread_join(workers[i].thread, NULL);
}

/* Nanoseconds of one round trip, as its sender sees it; after a while, so that all memory has been touched. */
static double measure(const char *agent, struct row row, enum kind kind)
{
        struct run run = { .row = row, .kind = kind, .trips_wanted = trips_wanted };
        struct worker workers[SENDERS_MAX];
        uint64_t begin, before = 0, done;
        double result;
        pid_t child;

        run.memory = memfd_create("message-bench", MFD_CLOEXEC);
        if (run.memory < 0 || ftruncate(run.memory, 4096) < 0)
                die("memfd_create");
        child = kind == BARE ? echo_start(&run) : agent_start(agent, &run);

        begin = now_ns();
        for (unsigned i = 0; i < row.senders; i++) {
                workers[i] = (struct worker){ .run = &run, .index = i };
                if (pthread_create(&workers[i].thread, NULL, sender_run, &workers[i]) != 0)
                        die("pthread_create");
        }
        if (!trips_wanted) {
                while (atomic_load(&run.trips) < 4 * row.senders)
                        sleep_ms(1);
                begin = now_ns();
                before = atomic_load(&run.trips);
                do
                        sleep_ms(turn_ms);
                while (atomic_load(&run.trips) < before + row.senders);
        } else {
                join_all(workers, row.senders);
        }
        done = atomic_load(&run.trips);
        result = (double)(now_ns() - begin) * row.senders / (done - before);
        atomic_store(&run.stop, true);
        if (!trips_wanted)
                join_all(workers, row.senders);

        if (kind == BARE) {
                for (unsigned i = 0; i < row.senders; i++)
                        close(run.sockets[i]);
        } else {
                FltCloseClientPort(fixture.filter, &fixture.clients[0]);
                ObDereferenceObject(run.agent);
        }
        waitpid(child, NULL, 0);
        if (kind != BARE)
                fixture_wait(&fixture.disconnects, fixture.connects);
        close(run.memory);
        return result;
}

static int compare(const void *a, const void *b)
{
        double difference = *(const double *)a - *(const double *)b;

        return difference < 0 ? -1 : difference > 0;
}

static void measure_row(const char *agent, struct row row, double *results)
{
        double all[KINDS][ROUNDS_MAX];

        for (int round = 0; round < rounds; round++)
                for (enum kind kind = BARE; kind < KINDS; kind++)
                        all[kind][round] = measure(agent, row, kind);
        for (enum kind kind = BARE; kind < KINDS; kind++) {
                qsort(all[kind], rounds, sizeof(double), compare);
                results[kind] = all[kind][rounds / 2];
        }
}

static void bench(const char *agent)
{
        static const unsigned sizes[] = { 64, 1024, 65536, 1024 * 1024 }, senders[] = { 1, 4, 16, 64 };
        const char *path = getenv("BENCH_JSON"), *comma = "";
        FILE *json = fopen(path ? path : "message-bench.json", "w");

        if (!json)
                die("can't write the JSON file");
        printf("%-29s%24s", "", kind_titles[BARE]);
        for (enum kind kind = SYNC; kind < KINDS; kind++)
                printf("%32s", kind_titles[kind]);
        printf("\n");
        fprintf(json, "{\"unit\": \"ns\", \"milliseconds\": %d, \"rounds\": %d, \"rows\": [", turn_ms, rounds);
        for (unsigned handle = 0; handle < 2; handle++)
                for (unsigned s = 0; s < G_N_ELEMENTS(sizes); s++)
                        for (unsigned n = 0; n < G_N_ELEMENTS(senders); n++) {
                                struct row row = { .size = sizes[s], .senders = senders[n], .handle = handle };
                                g_autofree char *name = g_strdup_printf("%u B%s, %u sender%s", row.size,
                                                                        handle ? " + handle" : "", row.senders,
                                                                        row.senders > 1 ? "s" : "");
                                double results[KINDS];

                                if (only && !strstr(name, only))
                                        continue;
                                measure_row(agent, row, results);
                                printf("%-29s", name);
                                fprintf(json, "%s\n{\"bytes\": %u, \"handle\": %u, \"senders\": %u", comma, row.size,
                                        handle, row.senders);
                                comma = ",";
                                for (enum kind kind = BARE; kind < KINDS; kind++) {
                                        printf(" %9.1f us %8.0f/s", results[kind] / 1000,
                                               row.senders * 1e9 / results[kind]);
                                        if (kind != BARE)
                                                printf(" %6.2fx", results[kind] / results[BARE]);
                                        fprintf(json, ", \"%s\": %.0f", kind_names[kind], results[kind]);
                                }
                                printf("\n");
                                fflush(stdout);
                                fprintf(json, "}");
                        }
        fprintf(json, "]}\n");
        fclose(json);
}

int main(int argc, char **argv)
{
        GOptionEntry options[] = {
                { "milliseconds", 0, 0, G_OPTION_ARG_INT, &turn_ms, "of each turn", "N" },
                { "rounds", 0, 0, G_OPTION_ARG_INT, &rounds, "turns of each competitor", "N" },
                { "only", 0, 0, G_OPTION_ARG_STRING, &only, "the rows that contain this", "TEXT" },
                { "trips", 0, 0, G_OPTION_ARG_INT, &trips_wanted, "no table: so many of each sender", "N" },
                { "kind", 0, 0, G_OPTION_ARG_STRING, &kind_wanted, "for --trips: bare, sync, port, event", "KIND" },
                { "size", 0, 0, G_OPTION_ARG_INT, &size_wanted, "for --trips: bytes of a message", "N" },
                { "senders", 0, 0, G_OPTION_ARG_INT, &senders_wanted, "for --trips", "N" },
                { "handle", 0, 0, G_OPTION_ARG_NONE, &handle_wanted, "for --trips: a section with each message", NULL },
                { NULL },
        };
        g_autoptr(GOptionContext) context = g_option_context_new("AGENT");
        enum kind kind = SYNC;

        g_option_context_add_main_entries(context, options, NULL);
        if (!g_option_context_parse(context, &argc, &argv, NULL) || argc != 2) {
                fprintf(stderr, "usage: message-bench [OPTION...] AGENT\n");
                return 2;
        }
        rounds = CLAMP(rounds, 1, ROUNDS_MAX);
        signal(SIGPIPE, SIG_IGN);
        fixture_start();
        setenv("FLTSIM_RUNTIME_DIR", fixture.directory, 1);
        if (trips_wanted) {
                struct row row = {
                        .size = CLAMP(size_wanted, (int)sizeof(struct message_head), (int)BENCH_SIZE_MAX),
                        .senders = CLAMP(senders_wanted, 1, SENDERS_MAX),
                        .handle = handle_wanted,
                };

                for (enum kind k = BARE; kind_wanted && k < KINDS; k++)
                        if (strcmp(kind_wanted, kind_names[k]) == 0)
                                kind = k;
                printf("%.0f ns\n", measure(argv[1], row, kind));
        } else {
                bench(argv[1]);
        }
        fixture_stop();
        return 0;
}
