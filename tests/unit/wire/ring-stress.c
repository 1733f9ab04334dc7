/* SPDX-License-Identifier: MIT */
/*
 * The ring under real concurrency: many senders with deadlines of all lengths, several receivers that sleep
 * as agents do, in one process and in two; and a peer that writes nonsense all over it.
 */
#include <errno.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wire/ring.h"

#define AREA 4096u
#define SENDERS 8
#define RECEIVERS 4
#define MESSAGES 1500 /* of each sender */

struct bench {
        struct fm_ring server, agent;
        int memory;
        int bell[2]; /* server's end, agent's end */
        _Atomic uint64_t next_ticket;
        _Atomic unsigned answered, withdrew, plain;
        _Atomic unsigned replied;     /* replies that the agent was told are delivered */
        _Atomic unsigned taken_plain; /* the same for messages without a reply */
        _Atomic bool hostile;
};

struct message {
        uint64_t ticket;
        uint32_t filler[60];
};

static void bench_init(struct bench *bench)
{
        memset(bench, 0, sizeof(*bench));
        g_assert_cmpint(fm_ring_create(&bench->server, AREA, &bench->memory), ==, 0);
        g_assert_cmpint(fm_ring_map(&bench->agent, bench->memory, bench->server.size), ==, 0);
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, bench->bell), ==, 0);
}

static void bench_deinit(struct bench *bench)
{
        fm_ring_unmap(&bench->server);
        fm_ring_unmap(&bench->agent);
        close(bench->memory);
        if (bench->bell[0] >= 0)
                close(bench->bell[0]);
        close(bench->bell[1]);
}

struct sender {
        struct bench *bench;
        unsigned index;
        GThread *thread;
};

/* Each sender keeps to one slot, so that what is tested is the word and not a free list. */
static void *sender_run(void *data)
{
        struct sender *sender = data;
        struct bench *bench = sender->bench;
        GRand *random = g_rand_new_with_seed(sender->index);

        for (unsigned i = 0; i < MESSAGES; i++) {
                struct fm_slot slot = {
                        .index = sender->index,
                        .ticket = atomic_fetch_add(&bench->next_ticket, 1) + 1,
                        .reply_capacity = sizeof(uint64_t),
                        .wants_reply = g_rand_int_range(random, 0, 4) != 0,
                };
                struct message message = { .ticket = slot.ticket };
                enum fm_ring_result result;
                struct timespec deadline;
                uint64_t reply = 0;
                uint32_t length = 0;
                int32_t status = 0;
                bool timed_out = false;

                for (unsigned f = 0; f < G_N_ELEMENTS(message.filler); f++)
                        message.filler[f] = (uint32_t)slot.ticket * 31 + f;
                clock_gettime(CLOCK_MONOTONIC, &deadline);
                /* Some are over before they begin, most are long enough. */
                deadline.tv_nsec += !atomic_load(&bench->hostile) && g_rand_int_range(random, 0, 4)
                                            ? 900000000 : g_rand_int_range(random, 0, 60000);
                deadline.tv_sec += deadline.tv_nsec / 1000000000;
                deadline.tv_nsec %= 1000000000;

                if (fm_ring_offer(&bench->server, &slot, &message, sizeof(message), 0))
                        send(bench->bell[0], "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
                while ((result = fm_ring_look(&bench->server, &slot)) == FM_RING_WAITING) {
                        if (timed_out) {
                                result = fm_ring_withdraw(&bench->server, &slot);
                                break;
                        }
                        timed_out = fm_ring_wait(&bench->server, &slot, CLOCK_MONOTONIC, &deadline) < 0;
                }
                if (atomic_load(&bench->hostile)) {
                        if (result == FM_RING_DONE)
                                fm_ring_collect(&bench->server, &slot, &reply, &length, &status);
                        continue;
                }
                g_assert_cmpint(result, !=, FM_RING_BROKEN);
                if (result == FM_RING_DONE) {
                        fm_ring_collect(&bench->server, &slot, &reply, &length, &status);
                        if (slot.wants_reply) {
                                g_assert_cmpuint(reply, ==, ~slot.ticket);
                                g_assert_cmpint(status, ==, (int32_t)slot.ticket);
                                atomic_fetch_add(&bench->answered, 1);
                        } else {
                                atomic_fetch_add(&bench->plain, 1);
                        }
                } else {
                        atomic_fetch_add(&bench->withdrew, 1);
                        while (result == FM_RING_QUARANTINED && !fm_ring_is_released(&bench->server, &slot))
                                g_thread_yield();
                }
        }
        g_rand_free(random);
        return NULL;
}

/* Receives and replies until the server's end is closed. */
static void *receiver_run(void *data)
{
        struct bench *bench = data;
        struct fm_ring *ring = &bench->agent;

        for (;;) {
                struct message message;
                struct fm_taken taken;
                bool poke = false;
                uint64_t reply;
                char byte;
                int r;

                fm_ring_arm(ring);
                r = fm_ring_take(ring, &message, sizeof(message), &taken, &poke);
                if (r == -EAGAIN && recv(bench->bell[1], &byte, 1, 0) <= 0) {
                        fm_ring_disarm(ring);
                        return NULL;
                }
                fm_ring_disarm(ring);
                if (r < 0)
                        continue;

                g_assert_cmpuint(taken.length, ==, sizeof(message));
                for (unsigned f = 0; f < G_N_ELEMENTS(message.filler); f++)
                        g_assert_cmpuint(message.filler[f], ==, (uint32_t)message.ticket * 31 + f);
                if (taken.reply_length == 0) {
                        atomic_fetch_add(&bench->taken_plain, 1);
                        g_assert_cmpint(fm_ring_reply(ring, taken.message_id, 0, "", 0, &poke), ==, -ENOENT);
                        continue;
                }
                reply = ~message.ticket;
                r = fm_ring_reply(ring, taken.message_id, (int32_t)message.ticket, &reply, sizeof(reply),
                                  &poke);
                if (r == 0)
                        atomic_fetch_add(&bench->replied, 1);
                else
                        g_assert_cmpint(r, ==, -ENOENT);
                /* A second one comes too late, whatever happened to the first. */
                g_assert_cmpint(fm_ring_reply(ring, taken.message_id, 0, &reply, 8, &poke), ==, -ENOENT);
        }
}

static void run_senders(struct bench *bench)
{
        struct sender senders[SENDERS];

        for (unsigned i = 0; i < SENDERS; i++) {
                senders[i] = (struct sender){ .bench = bench, .index = i };
                senders[i].thread = g_thread_new("sender", sender_run, &senders[i]);
        }
        for (unsigned i = 0; i < SENDERS; i++)
                g_thread_join(senders[i].thread);
}

static void stop_bell(struct bench *bench)
{
        close(bench->bell[0]);
        bench->bell[0] = -1;
}

static void test_threads(void)
{
        GThread *receivers[RECEIVERS];
        struct bench bench;

        bench_init(&bench);
        for (unsigned i = 0; i < RECEIVERS; i++)
                receivers[i] = g_thread_new("receiver", receiver_run, &bench);
        run_senders(&bench);
        stop_bell(&bench);
        for (unsigned i = 0; i < RECEIVERS; i++)
                g_thread_join(receivers[i]);

        /* Nothing twice, nothing lost, and both sides say the same. */
        g_assert_cmpuint(bench.answered, ==, bench.replied);
        g_assert_cmpuint(bench.plain, ==, bench.taken_plain);
        g_assert_cmpuint(bench.answered + bench.plain + bench.withdrew, ==, SENDERS * MESSAGES);
        g_assert_cmpuint(bench.answered, >, 0);
        bench_deinit(&bench);
}

static void test_processes(void)
{
        struct bench bench;
        int status, pipe_fds[2];
        unsigned counts[2];
        pid_t child;

        bench_init(&bench);
        g_assert_cmpint(pipe(pipe_fds), ==, 0);
        child = fork();
        if (child == 0) {
                GThread *receivers[RECEIVERS];

                close(bench.bell[0]);
                for (unsigned i = 0; i < RECEIVERS; i++)
                        receivers[i] = g_thread_new("receiver", receiver_run, &bench);
                for (unsigned i = 0; i < RECEIVERS; i++)
                        g_thread_join(receivers[i]);
                counts[0] = bench.replied;
                counts[1] = bench.taken_plain;
                _exit(write(pipe_fds[1], counts, sizeof(counts)) == sizeof(counts) ? 0 : 1);
        }
        g_assert_cmpint(child, >, 0);
        run_senders(&bench);
        stop_bell(&bench);
        g_assert_cmpint(waitpid(child, &status, 0), ==, child);
        g_assert_cmpint(status, ==, 0);
        g_assert_cmpint(read(pipe_fds[0], counts, sizeof(counts)), ==, sizeof(counts));
        g_assert_cmpuint(bench.answered, ==, counts[0]);
        g_assert_cmpuint(bench.plain, ==, counts[1]);
        g_assert_cmpuint(bench.answered + bench.plain + bench.withdrew, ==, SENDERS * MESSAGES);
        close(pipe_fds[0]);
        close(pipe_fds[1]);
        bench_deinit(&bench);
}

static void *scribbler_run(void *data)
{
        struct bench *bench = data;
        uint64_t *words = (uint64_t *)bench->agent.header;
        size_t count = sizeof(struct fm_ring_header) / 8;
        GRand *random = g_rand_new_with_seed(7);

        while (atomic_load(&bench->hostile)) {
                size_t at = g_rand_int_range(random, 0, count);
                uint64_t value = g_rand_int(random);

                /* Half of the time something that looks like a word. */
                if (g_rand_boolean(random))
                        value = (atomic_load(&bench->next_ticket) - g_rand_int_range(random, 0, SENDERS))
                                        << 8 |
                                value % 8;
                __atomic_store_n(&words[at], value, __ATOMIC_RELAXED);
        }
        g_rand_free(random);
        return NULL;
}

/* The server comes through, whatever is written into the memory: no crash, no endless wait. */
static void test_hostile(void)
{
        struct bench bench;
        GThread *scribbler;

        bench_init(&bench);
        atomic_store(&bench.hostile, true);
        scribbler = g_thread_new("scribbler", scribbler_run, &bench);
        run_senders(&bench);
        atomic_store(&bench.hostile, false);
        g_thread_join(scribbler);
        bench_deinit(&bench);
}

struct sleeper {
        struct bench *bench;
        struct fm_slot slot;
        _Atomic pid_t thread;
};

static void *sleeper_run(void *data)
{
        struct sleeper *sleeper = data;

        atomic_store(&sleeper->thread, (pid_t)syscall(SYS_gettid));
        while (fm_ring_look(&sleeper->bench->server, &sleeper->slot) == FM_RING_WAITING)
                fm_ring_wait(&sleeper->bench->server, &sleeper->slot, CLOCK_MONOTONIC, NULL);
        return NULL;
}

static bool is_in_futex(pid_t thread)
{
        g_autofree char *path = g_strdup_printf("/proc/self/task/%d/syscall", thread), *text = NULL;

        return thread && g_file_get_contents(path, &text, NULL, NULL) && strtol(text, NULL, 10) == SYS_futex;
}

/* How long somebody who sleeps on a message with ticket 1 sleeps on once end has been called: the shortest of some tries. */
static gint64 sleep_after(void (*end)(struct bench *bench, const struct fm_slot *slot, unsigned try), unsigned tries)
{
        gint64 shortest = G_MAXINT64;
        struct bench bench;

        for (unsigned i = 0; i < tries; i++) {
                struct sleeper sleeper = { .bench = &bench, .slot = { .ticket = 1, .wants_reply = true } };
                GThread *thread;
                gint64 start;

                bench_init(&bench);
                fm_ring_offer(&bench.server, &sleeper.slot, NULL, 0, 0);
                thread = g_thread_new("sleeper", sleeper_run, &sleeper);
                while (!is_in_futex(atomic_load(&sleeper.thread)))
                        g_thread_yield();
                start = g_get_monotonic_time();
                end(&bench, &sleeper.slot, i);
                g_thread_join(thread);
                shortest = MIN(shortest, g_get_monotonic_time() - start);
                bench_deinit(&bench);
        }
        return shortest;
}

#define BY_ITSELF_US 1000000 /* after so long it looks */

static const uint64_t broken_words[] = { 0, 1 << 8 | 200, 2 << 8 | FM_SLOT_TAKEN, UINT64_MAX };

static void write_nonsense(struct bench *bench, const struct fm_slot *slot, unsigned try)
{
        atomic_store(&bench->agent.header->words[0], broken_words[try]);
        g_assert_cmpint(fm_ring_withdraw(&bench->server, slot), ==, FM_RING_BROKEN);
}

/* An agent that writes nonsense wakes nobody; who takes the message back does. */
static void test_broken_wakes(void)
{
        g_assert_cmpint(sleep_after(write_nonsense, G_N_ELEMENTS(broken_words)), <, BY_ITSELF_US / 2);
}

static void answer(struct bench *bench, const struct fm_slot *slot, unsigned try)
{
        struct fm_taken taken;
        bool poke = false;

        g_assert_cmpint(fm_ring_take(&bench->agent, NULL, 0, &taken, &poke), ==, 0);
        g_assert_cmpint(fm_ring_reply(&bench->agent, taken.message_id, 0, NULL, 0, &poke), ==, 0);
}

static void test_reply_wakes(void)
{
        g_assert_cmpint(sleep_after(answer, 4), <, BY_ITSELF_US / 2);
}

static void test_sizes(void)
{
        struct fm_slot slot = { .index = 3, .ticket = 1, .reply_capacity = 4, .wants_reply = true };
        struct fm_taken taken;
        struct bench bench;
        uint32_t length;
        char buffer[16], reply[8] = "........";
        int32_t status;
        bool poke = false;

        bench_init(&bench);
        g_assert_cmpint(fm_ring_take(&bench.agent, buffer, 16, &taken, &poke), ==, -EAGAIN);
        g_assert_false(fm_ring_offer(&bench.server, &slot, "0123456789", 10, 5));

        /* Too small: says what it needs, and the message stays. */
        g_assert_cmpint(fm_ring_take(&bench.agent, buffer, 9, &taken, &poke), ==, -EMSGSIZE);
        g_assert_cmpuint(taken.length, ==, 10);
        g_assert_cmpint(fm_ring_take(&bench.agent, buffer, 10, &taken, &poke), ==, 0);
        g_assert_cmpmem(buffer, 10, "0123456789", 10);
        g_assert_cmpuint(taken.message_id, ==, 1);
        g_assert_cmpuint(taken.reply_length, ==, 20);
        g_assert_cmpuint(taken.descriptors, ==, 5);

        g_assert_cmpint(fm_ring_reply(&bench.agent, 2, 0, "", 0, &poke), ==, -ENOENT);
        g_assert_cmpint(fm_ring_reply(&bench.agent, 1, -5, "abcdef", 6, &poke), ==, -EMSGSIZE);
        g_assert_cmpint(fm_ring_look(&bench.server, &slot), ==, FM_RING_DONE);
        fm_ring_collect(&bench.server, &slot, reply, &length, &status);
        g_assert_cmpuint(length, ==, 6);
        g_assert_cmpint(status, ==, -5);
        g_assert_cmpmem(reply, 8, "abcd....", 8);

        /* A doorbell is wanted when somebody is armed, and ids go on from the last delivered message. */
        fm_ring_arm(&bench.agent);
        slot.ticket = 9;
        g_assert_true(fm_ring_offer(&bench.server, &slot, NULL, 0, 0));
        g_assert_cmpint(fm_ring_withdraw(&bench.server, &slot), ==, FM_RING_LEFT);
        g_assert_cmpint(fm_ring_take(&bench.agent, NULL, 0, &taken, &poke), ==, -EAGAIN);
        slot.ticket = 10;
        fm_ring_offer(&bench.server, &slot, NULL, 0, 0);
        g_assert_cmpint(fm_ring_take(&bench.agent, NULL, 0, &taken, &poke), ==, 0);
        g_assert_cmpuint(taken.message_id, ==, 2);
        g_assert_false(poke);

        fm_ring_kill(&bench.server);
        g_assert_cmpint(fm_ring_take(&bench.agent, NULL, 0, &taken, &poke), ==, -EPIPE);
        g_assert_cmpint(fm_ring_reply(&bench.agent, 2, 0, NULL, 0, &poke), ==, -EPIPE);
        bench_deinit(&bench);
}

static void test_not_a_ring(void)
{
        struct fm_ring ring;
        struct bench bench;
        int copy;

        bench_init(&bench);
        /* As it should be, but it could be made smaller later. */
        copy = memfd_create("copy", MFD_CLOEXEC);
        g_assert_cmpint(ftruncate(copy, bench.server.size), ==, 0);
        g_assert_cmpint(pwrite(copy, bench.server.header, sizeof(*bench.server.header), 0), ==,
                        sizeof(*bench.server.header));
        g_assert_cmpint(fm_ring_map(&ring, copy, bench.server.size), ==, -EPROTO);
        close(copy);
        g_assert_cmpint(fm_ring_map(&ring, bench.memory, bench.server.size - 1), ==, -EPROTO);
        g_assert_cmpint(ftruncate(bench.memory, 4096), <, 0);
        bench.server.header->area += 4096;
        g_assert_cmpint(fm_ring_map(&ring, bench.memory, bench.server.size), ==, -EPROTO);
        bench.server.header->area -= 4096;
        bench.server.header->slots = FM_RING_SLOTS + 1;
        g_assert_cmpint(fm_ring_map(&ring, bench.memory, bench.server.size), ==, -EPROTO);
        bench_deinit(&bench);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/wire/ring/sizes", test_sizes);
        g_test_add_func("/wire/ring/not-a-ring", test_not_a_ring);
        g_test_add_func("/wire/ring/threads", test_threads);
        g_test_add_func("/wire/ring/processes", test_processes);
        g_test_add_func("/wire/ring/hostile", test_hostile);
        g_test_add_func("/wire/ring/broken-wakes", test_broken_wakes);
        g_test_add_func("/wire/ring/reply-wakes", test_reply_wakes);
        return g_test_run();
}
