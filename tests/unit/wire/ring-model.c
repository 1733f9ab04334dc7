/* SPDX-License-Identifier: MIT */
/*
 * Every order in which one sender and two agent threads can make their moves on one slot, three messages
 * long.
 *
 * Each move of the ring is one compare-and-swap whose loser looks again, so calls that are not interrupted,
 * in every order, cover what threads can do. States are remembered, so the walk ends.
 */
#include <errno.h>
#include <glib.h>
#include <string.h>
#include <unistd.h>

#include "wire/ring.h"

#define MESSAGES 3
#define AREA 4096u

enum sender_at { IDLE, WAITING, FINISHED };
enum outcome { NONE, ANSWERED, WITHDREW };
enum agent_at { LOOKING, TAKING, HOLDING, REPLYING, RESTING };

struct agent {
        enum agent_at at;
        unsigned turns;
        struct fm_taken taken;
        struct fm_replying replying;
        uint64_t payload;
};

struct world {
        /* Of the shared memory, what one slot uses. */
        uint64_t word, delivered, message_id, message_payload, reply_payload;
        uint32_t message_length, reply_capacity, wants_reply, reply_length;
        int32_t reply_status;
        uint8_t hints[8];

        enum sender_at sender;
        unsigned message; /* number of the current one, from 1 */
        bool quarantined;
        struct fm_slot slot;
        enum outcome outcomes[MESSAGES + 1];
        struct agent agents[2];
        unsigned takes[MESSAGES + 1];   /* successful ones */
        unsigned replies[MESSAGES + 1]; /* successful ones */
        uint64_t last_id;
        unsigned pokes;
};

static struct fm_ring ring;
static GHashTable *seen;
static unsigned endings, outcomes_seen[3];

static void restore(const struct world *w)
{
        struct fm_ring_header *h = ring.header;

        h->words[0] = w->word;
        h->delivered = w->delivered;
        h->slot[0].message_id = w->message_id;
        h->slot[0].message_length = w->message_length;
        h->slot[0].reply_capacity = w->reply_capacity;
        h->slot[0].wants_reply = w->wants_reply;
        h->slot[0].reply_length = w->reply_length;
        h->slot[0].reply_status = w->reply_status;
        for (unsigned i = 0; i < sizeof(w->hints); i++)
                h->hints[i] = w->hints[i];
        memcpy(fm_ring_message(&ring, 0), &w->message_payload, 8);
        memcpy(fm_ring_reply_area(&ring, 0), &w->reply_payload, 8);
}

static void save(struct world *w)
{
        struct fm_ring_header *h = ring.header;

        w->word = h->words[0];
        w->delivered = h->delivered;
        w->message_id = h->slot[0].message_id;
        w->message_length = h->slot[0].message_length;
        w->reply_capacity = h->slot[0].reply_capacity;
        w->wants_reply = h->slot[0].wants_reply;
        w->reply_length = h->slot[0].reply_length;
        w->reply_status = h->slot[0].reply_status;
        for (unsigned i = 0; i < sizeof(w->hints); i++)
                w->hints[i] = h->hints[i];
        memcpy(&w->message_payload, fm_ring_message(&ring, 0), 8);
        memcpy(&w->reply_payload, fm_ring_reply_area(&ring, 0), 8);
}

static void walk(const struct world *world);

/* Goes on from a changed copy. */
static void step(struct world *w)
{
        save(w);
        walk(w);
}

static void sender_finish(struct world *w, enum fm_ring_result result)
{
        uint64_t reply = 0;
        uint32_t length = 0;
        int32_t status = -1;

        if (result == FM_RING_DONE) {
                fm_ring_collect(&ring, &w->slot, &reply, &length, &status);
                w->outcomes[w->message] = ANSWERED;
                g_assert_cmpuint(w->takes[w->message], ==, 1);
                if (w->slot.wants_reply) {
                        /* The reply to this message, and to no other. */
                        g_assert_cmpuint(reply, ==, 1000 + w->message);
                        g_assert_cmpuint(length, ==, 8);
                        g_assert_cmpint(status, ==, (int)w->message);
                        g_assert_cmpuint(w->replies[w->message], ==, 1);
                }
        } else {
                g_assert_true(result == FM_RING_LEFT || result == FM_RING_QUARANTINED);
                w->outcomes[w->message] = WITHDREW;
                w->quarantined = result == FM_RING_QUARANTINED;
        }
        w->sender = w->message == MESSAGES ? FINISHED : IDLE;
}

static void sender_steps(const struct world *before)
{
        struct world w = *before;
        uint64_t payload;

        restore(before);
        switch (w.sender) {
        case IDLE:
                if (w.quarantined && !fm_ring_is_released(&ring, &w.slot))
                        return;
                w.quarantined = false;
                w.message++;
                w.slot = (struct fm_slot){
                        .ticket = w.message, .reply_capacity = 8, .wants_reply = w.message != 2};
                payload = w.message;
                fm_ring_offer(&ring, &w.slot, &payload, 8, 0);
                w.sender = WAITING;
                step(&w);
                return;
        case WAITING:
                if (fm_ring_look(&ring, &w.slot) == FM_RING_DONE) {
                        sender_finish(&w, FM_RING_DONE);
                        step(&w);
                        w = *before;
                        restore(before);
                }
                /* Its time is over: at any moment, also in the one in which the answer came. */
                sender_finish(&w, fm_ring_withdraw(&ring, &w.slot) == FM_RING_DONE
                                          ? FM_RING_DONE
                                          : fm_ring_look(&ring, &w.slot));
                step(&w);
                return;
        case FINISHED:
                return;
        }
}

static void agent_rest(struct agent *agent)
{
        agent->at = ++agent->turns == MESSAGES + 1 ? RESTING : LOOKING;
        memset(&agent->taken, 0, sizeof(agent->taken));
        memset(&agent->replying, 0, sizeof(agent->replying));
        agent->payload = 0;
}

static void agent_steps(const struct world *before, unsigned number)
{
        struct world w = *before;
        struct agent *agent = &w.agents[number];
        bool poke = false;
        uint64_t reply;
        int r;

        restore(before);
        switch (agent->at) {
        case LOOKING:
                r = fm_ring_take_begin(&ring, 8, &agent->taken);
                if (r == -EAGAIN)
                        return;
                g_assert_cmpint(r, ==, 0);
                g_assert_cmpuint(agent->taken.length, ==, 8);
                agent->at = TAKING;
                step(&w);
                return;
        case TAKING:
                r = fm_ring_take_finish(&ring, &agent->taken, &agent->payload, &poke);
                if (r == 0) {
                        g_assert_cmpuint(agent->payload, ==, agent->taken.ticket);
                        g_assert_cmpuint(agent->taken.message_id, >, w.last_id);
                        w.last_id = agent->taken.message_id;
                        w.takes[agent->payload]++;
                        g_assert_cmpuint(w.takes[agent->payload], ==, 1);
                        g_assert_cmpint(w.outcomes[agent->payload], ==, NONE);
                        agent->at = HOLDING;
                } else {
                        g_assert_cmpint(r, ==, -EAGAIN);
                        g_assert_true(poke);
                        g_assert_cmpint(w.outcomes[agent->taken.ticket], ==, WITHDREW);
                        agent_rest(agent);
                }
                step(&w);
                if (r < 0)
                        return;
                w = *before;
                restore(before);
                fm_ring_take_undo(&ring, &agent->taken, &poke);
                agent_rest(agent);
                step(&w);
                return;
        case HOLDING:
                r = fm_ring_reply_begin(&ring, agent->taken.message_id, &agent->replying);
                if (r == 0) {
                        g_assert_cmpuint(agent->replying.ticket, ==, agent->taken.ticket);
                        agent->at = REPLYING;
                } else {
                        g_assert_cmpint(r, ==, -ENOENT);
                        g_assert_true(w.outcomes[agent->payload] == WITHDREW ||
                                      agent->taken.reply_length == 0);
                        agent_rest(agent);
                }
                step(&w);
                /* An agent may also forget to reply. */
                w = *before;
                restore(before);
                agent_rest(agent);
                step(&w);
                return;
        case REPLYING:
                reply = 1000 + agent->payload;
                r = fm_ring_reply_finish(&ring, &agent->replying, agent->payload, &reply, 8, &poke);
                if (r == 0) {
                        g_assert_cmpint(w.outcomes[agent->payload], ==, NONE);
                        w.replies[agent->payload]++;
                } else {
                        g_assert_cmpint(r, ==, -ENOENT);
                        g_assert_true(poke);
                        g_assert_cmpint(w.outcomes[agent->payload], ==, WITHDREW);
                }
                agent_rest(agent);
                step(&w);
                return;
        case RESTING:
                return;
        }
}

static void check_ending(const struct world *w)
{
        for (unsigned i = 1; i <= MESSAGES; i++) {
                bool wants_reply = i != 2;

                /* What the replier was told and what the sender saw are the same. */
                if (wants_reply)
                        g_assert_cmpint(w->outcomes[i] == ANSWERED, ==, w->replies[i] == 1);
                else
                        g_assert_cmpint(w->outcomes[i] == ANSWERED, ==, w->takes[i] == 1);
                outcomes_seen[w->outcomes[i]]++;
        }
        restore(w);
        g_assert_true(!w->quarantined || fm_ring_is_released(&ring, &w->slot));
        endings++;
}

static void walk(const struct world *world)
{
        g_autoptr(GBytes) key = g_bytes_new(world, sizeof(*world));

        if (!g_hash_table_add(seen, g_bytes_ref(key)))
                return;
        sender_steps(world);
        agent_steps(world, 0);
        agent_steps(world, 1);
        if (world->sender == FINISHED &&
            (world->agents[0].at == LOOKING || world->agents[0].at == RESTING ||
             world->agents[0].at == HOLDING) &&
            (world->agents[1].at == LOOKING || world->agents[1].at == RESTING ||
             world->agents[1].at == HOLDING))
                check_ending(world);
}

static void test_every_order(void)
{
        struct world *world = g_new0(struct world, 1);
        int fd;

        g_assert_cmpint(fm_ring_create(&ring, AREA, &fd), ==, 0);
        seen = g_hash_table_new_full(g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, NULL);
        save(world);
        walk(world);
        g_test_message("%u states, %u endings", g_hash_table_size(seen), endings);
        /* The walk went where it should: all outcomes were met, many times. */
        g_assert_cmpuint(outcomes_seen[ANSWERED], >, 100);
        g_assert_cmpuint(outcomes_seen[WITHDREW], >, 100);
        g_hash_table_unref(seen);
        fm_ring_unmap(&ring);
        close(fd);
        g_free(world);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/wire/ring/every-order", test_every_order);
        return g_test_run();
}
