/* SPDX-License-Identifier: MIT */
/*
 * Messages of one connection in shared memory: slots, and one 64-bit word for each that decides everything.
 *
 * A word is (ticket << 8 | state). The ticket is the server's number of the offer, never used twice. Who
 * moves the word by compare-and-swap has done what the move says, so every answer is exact without asking the
 * other side:
 *
 *      FREE --offer--> OFFERED --take--> TAKING --> TAKEN --reply--> REPLYING --> REPLIED --collect--> FREE
 *                         |                |          |                 |
 *       withdraw:       FREE           WITHDRAWN    FREE            WITHDRAWN
 *
 * A sender that leaves while an agent thread works in the slot leaves it WITHDRAWN: the agent's closing
 * move fails and it frees the slot. The message area is the server's until OFFERED and after FREE, an agent
 * thread reads it in TAKING; the reply area is an agent thread's in REPLYING and the server's in REPLIED. A
 * message that wants no reply is done when it is TAKEN.
 *
 * The server trusts nothing here but its own private notes (struct fm_slot): lengths are copied out, then
 * bounded, and a word that can't be is a violation (FM_RING_BROKEN). The agent trusts the server.
 *
 * Wake-ups. To the agent: a DOORBELL frame on the port's socket, one for each message offered while somebody
 * is armed; so N messages wake N receivers, and the end of the server wakes all (end of file). A receiver
 * arms, looks once more, then blocks in recv(). To the server: a futex wake on the word, if its sender has
 * said that it sleeps; it says so, looks once more, and sleeps.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#define FM_RING_MAGIC 0x474e4952544c4600ull
#define FM_RING_VERSION 1
#define FM_RING_SLOTS 64
#define FM_RING_AREA (4u * 1024 * 1024) /* of each message and of each reply; sparse */
#define FM_RING_HINTS 256

enum fm_slot_state {
        FM_SLOT_FREE = 0,
        FM_SLOT_OFFERED,
        FM_SLOT_TAKING,
        FM_SLOT_TAKEN,
        FM_SLOT_REPLYING,
        FM_SLOT_REPLIED,
        FM_SLOT_WITHDRAWN,
};

/* Shared: what is said about the message in a slot. */
struct fm_ring_slot {
        _Atomic uint32_t message_length; /* payload; server, before OFFERED */
        _Atomic uint32_t reply_capacity; /* payload; server, before OFFERED */
        _Atomic uint32_t wants_reply;    /* server, before OFFERED */
        _Atomic uint32_t sleeping;       /* the sender wants to be woken; server */
        _Atomic uint64_t descriptors; /* entries in DOORBELL frames of this connection sent before this
                                         message; server */
        _Atomic uint64_t message_id;  /* agent, in TAKING */
        _Atomic int32_t reply_status; /* agent, in REPLYING */
        _Atomic uint32_t reply_length; /* what it wanted to reply; agent, in REPLYING */
        uint8_t pad[24];
};

/* Shared: start of the memory. */
struct fm_ring_header {
        uint64_t magic;
        uint32_t version;
        uint32_t slots;
        uint32_t area;             /* bytes of each area */
        uint32_t reserved;
        uint64_t size;             /* of the memory */
        _Atomic uint32_t dead;     /* set by the server, once: no message will ever come, no reply is taken */
        _Atomic uint32_t armed;    /* receivers that need a doorbell; agent */
        _Atomic uint64_t delivered; /* last MessageId given; agent */
        _Atomic uint64_t closed;   /* given handles that the agent has closed; agent */
        uint8_t pad[64];
        _Alignas(64) _Atomic uint64_t words[FM_RING_SLOTS];
        _Alignas(64) _Atomic uint8_t
                hints[FM_RING_HINTS]; /* MessageId % FM_RING_HINTS -> slot, to be verified; agent */
        _Alignas(64) struct fm_ring_slot slot[FM_RING_SLOTS];
};

/* A mapped ring, on either side. */
struct fm_ring {
        struct fm_ring_header *header;
        size_t size;
        uint32_t slots; /* own copies: the shared ones could change */
        uint32_t area;
        unsigned linger_ns; /* 0: there is one processor, the other side can't move meanwhile */
};

/* Bytes of memory for a ring of FM_RING_SLOTS slots with areas of that size (a multiple of the page size). */
size_t fm_ring_size(uint32_t area);
/* New sealed memory, mapped; *ret_fd belongs to the caller. 0 or -errno. */
int fm_ring_create(struct fm_ring *ring, uint32_t area, int *ret_fd);
/* The agent's side: maps what came with CONNECTED. fd stays the caller's. -EPROTO: not a ring. */
int fm_ring_map(struct fm_ring *ring, int fd, uint64_t size);
void fm_ring_unmap(struct fm_ring *ring);

static inline uint8_t *fm_ring_message(const struct fm_ring *ring, uint32_t index)
{
        return (uint8_t *)ring->header + (ring->size - (size_t)ring->slots * 2 * ring->area) +
               (size_t)index * 2 * ring->area;
}

static inline uint8_t *fm_ring_reply_area(const struct fm_ring *ring, uint32_t index)
{
        return fm_ring_message(ring, index) + ring->area;
}

static inline bool fm_ring_is_dead(const struct fm_ring *ring)
{
        return atomic_load_explicit(&ring->header->dead, memory_order_acquire) != 0;
}

/* ---- server ---- */

/* The server's private notes about a slot that one sender owns. */
struct fm_slot {
        uint32_t index;
        uint64_t ticket;
        uint32_t reply_capacity;
        bool wants_reply;
};

enum fm_ring_result {
        FM_RING_WAITING,     /* nothing yet */
        FM_RING_DONE,        /* taken, and no reply was wanted; or the reply is there */
        FM_RING_LEFT,        /* withdrawn; the slot may be used again */
        FM_RING_QUARANTINED, /* withdrawn; not usable until fm_ring_is_released() */
        FM_RING_BROKEN,      /* the agent wrote nonsense: end the connection, never use the slot again */
};

/*
 * Puts a message into the slot. payload may be NULL if length is 0. The lengths are at most ring->area.
 * Returns whether a doorbell is wanted.
 */
bool fm_ring_offer(struct fm_ring *ring, const struct fm_slot *slot, const void *payload, uint32_t length,
                   uint64_t descriptors);
/*
 * Waits a few microseconds for the end of a message that needed no doorbell: an agent that is awake may be done
 * before this thread would sleep, and to sleep and be woken costs more than that.
 */
void fm_ring_linger(struct fm_ring *ring, const struct fm_slot *slot);
/* Where the message is now. After FM_RING_DONE: collect, then the slot is the server's. */
enum fm_ring_result fm_ring_look(struct fm_ring *ring, const struct fm_slot *slot);
/*
 * Sleeps until the word moves, the time (absolute, of clock; NULL: none) comes, or a signal: 0, -ETIMEDOUT.
 * It may return early. It wakes at least once a second: nothing that the agent writes can make it sleep for
 * ever.
 */
int fm_ring_wait(struct fm_ring *ring, const struct fm_slot *slot, clockid_t clock,
                 const struct timespec *deadline);
/*
 * Takes the message back, whatever its state; any thread may, repeatedly. FM_RING_DONE: too late, it was
 * answered. Wakes the sender if it is another thread.
 */
enum fm_ring_result fm_ring_withdraw(struct fm_ring *ring, const struct fm_slot *slot);
/*
 * After FM_RING_DONE: copies the reply (at most capacity of it) and makes the slot FREE. *length: what the
 * agent wanted to reply, for the comparison with the capacity. buffer NULL: no reply was wanted.
 */
void fm_ring_collect(struct fm_ring *ring, const struct fm_slot *slot, void *buffer, uint32_t *length,
                     int32_t *status);
/* A quarantined slot that the agent has let go. */
bool fm_ring_is_released(struct fm_ring *ring, const struct fm_slot *slot);
/* No message any more. Does not wake: withdraw each slot in use. */
void fm_ring_kill(struct fm_ring *ring);
/* Gives memory back to the system that a large message has touched. Slot must be FREE. */
void fm_ring_trim(struct fm_ring *ring, int fd, uint32_t index);

/* ---- agent ---- */

struct fm_taken {
        uint64_t message_id;
        uint32_t length;       /* payload */
        uint32_t reply_length; /* for FILTER_MESSAGE_HEADER: 16 + capacity, or 0 */
        uint64_t descriptors;  /* entries of DOORBELL frames that must have been received before it is handed
                                  on */
        uint32_t index;        /* for take_finish */
        uint64_t ticket;
};

/*
 * Receives the oldest message: the payload goes to buffer[0..size). 0; -EAGAIN: none there; -EMSGSIZE: the
 * oldest is larger, taken->length says how large, and it stays for others; -EPIPE: the ring is dead. Never
 * blocks. wants_poke: set to true (never to false) if the caller should send POKE(FM_POKE_SLOTS).
 */
int fm_ring_take(struct fm_ring *ring, void *buffer, uint32_t size, struct fm_taken *taken, bool *wants_poke);

/*
 * The same in two steps, for those who choose the buffer in between: begin claims the oldest message, unless
 * it has more than max bytes. Results as above.
 */
int fm_ring_take_begin(struct fm_ring *ring, uint32_t max, struct fm_taken *taken);
/* 0: copied and ours; -EAGAIN: the sender has left meanwhile, buffer is undefined. */
int fm_ring_take_finish(struct fm_ring *ring, struct fm_taken *taken, void *buffer, bool *wants_poke);
/* Instead of finish: puts the message back where it was, as if never claimed. */
void fm_ring_take_undo(struct fm_ring *ring, const struct fm_taken *taken, bool *wants_poke);

/* Waits a few microseconds for a message, as fm_ring_linger() does for its end: one may come without a doorbell. */
void fm_ring_linger_for_offer(struct fm_ring *ring);

/*
 * Before sleeping in recv(): arm, take once more, and only then sleep; disarm afterwards. Those who
 * always want doorbells (epoll, completion ports) stay armed.
 */
static inline void fm_ring_arm(struct fm_ring *ring)
{
        atomic_fetch_add_explicit(&ring->header->armed, 1, memory_order_seq_cst);
}

static inline void fm_ring_disarm(struct fm_ring *ring)
{
        atomic_fetch_sub_explicit(&ring->header->armed, 1, memory_order_seq_cst);
}

/*
 * Replies. 0: the sender has it; -EMSGSIZE: has it truncated (STATUS_BUFFER_OVERFLOW for the sender,
 * 0x800700EA here); -ENOENT: nobody waits for a reply to this id (0x801F0020); -EPIPE: the ring is dead.
 * Never blocks.
 */
int fm_ring_reply(struct fm_ring *ring, uint64_t message_id, int32_t status, const void *payload,
                  uint32_t length, bool *wants_poke);

/* In two steps, as above. begin: 0, -ENOENT, -EPIPE. */
struct fm_replying {
        uint32_t index;
        uint64_t ticket;
        uint32_t capacity;
};
int fm_ring_reply_begin(struct fm_ring *ring, uint64_t message_id, struct fm_replying *replying);
int fm_ring_reply_finish(struct fm_ring *ring, const struct fm_replying *replying, int32_t status,
                         const void *payload, uint32_t length, bool *wants_poke);

/* Tells the server that a given handle was closed. */
static inline void fm_ring_handle_closed(struct fm_ring *ring)
{
        atomic_fetch_add_explicit(&ring->header->closed, 1, memory_order_relaxed);
}
