/* SPDX-License-Identifier: MIT */
/*
 * The moves of a slot's word; see ring.h for who may make which. Each function reads the word, decides, and
 * moves it with one compare-and-swap; whoever loses the race looks again. What the other side may still be
 * writing is loaded once, with a relaxed atomic, and judged after that.
 */
#include "wire/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SLEEP_MAX_SECONDS 1
/* About what sleeping and being woken costs: so lingering in vain at most doubles it. */
#define LINGER_NS 4000
/* A peer that moves the word under us this often in a row does nothing else: it is not an agent. */
#define MOVES_MAX 1000

_Static_assert(sizeof(struct fm_ring_slot) == 64, "part of the protocol");
_Static_assert(offsetof(struct fm_ring_header, words) == 128, "part of the protocol");
_Static_assert(offsetof(struct fm_ring_header, hints) == 128 + 8 * FM_RING_SLOTS, "part of the protocol");
_Static_assert(offsetof(struct fm_ring_header, slot) == 128 + 8 * FM_RING_SLOTS + FM_RING_HINTS,
               "part of the protocol");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "the word must be one atomic in memory that processes share");

#define load_relaxed(field) atomic_load_explicit(&(field), memory_order_relaxed)
#define store_relaxed(field, value) atomic_store_explicit(&(field), (value), memory_order_relaxed)

static inline uint64_t word_make(uint64_t ticket, enum fm_slot_state state)
{
        return ticket << 8 | state;
}

static inline enum fm_slot_state word_state(uint64_t word)
{
        return word & 0xff;
}

static inline uint64_t word_load(const struct fm_ring *ring, uint32_t index)
{
        return atomic_load_explicit(&ring->header->words[index], memory_order_seq_cst);
}

static inline bool word_move(struct fm_ring *ring, uint32_t index, uint64_t ticket, enum fm_slot_state from,
                             enum fm_slot_state to)
{
        uint64_t expected = word_make(ticket, from);

        return atomic_compare_exchange_strong_explicit(&ring->header->words[index], &expected,
                                                       word_make(ticket, to), memory_order_seq_cst,
                                                       memory_order_seq_cst);
}

/* The half of the word that changes with each move; what the sender sleeps on. */
static inline uint32_t *word_futex(const struct fm_ring *ring, uint32_t index)
{
        uint32_t *halves = (uint32_t *)&ring->header->words[index];

        return &halves[__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 0 : 1];
}

static void word_wake(const struct fm_ring *ring, uint32_t index)
{
        syscall(SYS_futex, word_futex(ring, index), FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* The agent's side: after its move of the word. */
static void word_wake_sleeper(const struct fm_ring *ring, uint32_t index)
{
        if (atomic_load_explicit(&ring->header->slot[index].sleeping, memory_order_seq_cst))
                word_wake(ring, index);
}

static size_t header_size(void)
{
        size_t page = sysconf(_SC_PAGESIZE);

        return (sizeof(struct fm_ring_header) + page - 1) / page * page;
}

size_t fm_ring_size(uint32_t area)
{
        return header_size() + (size_t)FM_RING_SLOTS * 2 * area;
}

static unsigned linger_time(void)
{
        cpu_set_t processors;

        return sched_getaffinity(0, sizeof(processors), &processors) == 0 && CPU_COUNT(&processors) == 1
                       ? 0
                       : LINGER_NS;
}

int fm_ring_create(struct fm_ring *ring, uint32_t area, int *ret_fd)
{
        size_t size = fm_ring_size(area);
        struct fm_ring_header *header;
        int fd, error;

        fd = memfd_create("fltsim-port", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (fd < 0)
                return -errno;
        if (ftruncate(fd, size) < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
                goto fail;
        header = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
        if (header == MAP_FAILED)
                goto fail;

        header->magic = FM_RING_MAGIC;
        header->version = FM_RING_VERSION;
        header->slots = FM_RING_SLOTS;
        header->area = area;
        header->size = size;
        *ring = (struct fm_ring){
                .header = header,
                .size = size,
                .slots = FM_RING_SLOTS,
                .area = area,
                .linger_ns = linger_time(),
        };
        *ret_fd = fd;
        return 0;

fail:
        error = -errno;
        close(fd);
        return error;
}

int fm_ring_map(struct fm_ring *ring, int fd, uint64_t size)
{
        struct fm_ring_header *header;
        struct stat st;
        int seals;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (size < header_size() || size > SSIZE_MAX || (uint64_t)st.st_size != size)
                return -EPROTO;
        /* What can shrink can be a fault tomorrow. */
        seals = fcntl(fd, F_GET_SEALS);
        if (seals < 0 || !(seals & F_SEAL_SHRINK))
                return -EPROTO;
        header = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
        if (header == MAP_FAILED)
                return -errno;

        *ring = (struct fm_ring){
                .header = header,
                .size = size,
                .slots = header->slots,
                .area = header->area,
                .linger_ns = linger_time(),
        };
        if (header->magic != FM_RING_MAGIC || header->version != FM_RING_VERSION || header->size != size ||
            ring->slots == 0 || ring->slots > FM_RING_SLOTS ||
            size != header_size() + (uint64_t)ring->slots * 2 * ring->area) {
                fm_ring_unmap(ring);
                return -EPROTO;
        }
        return 0;
}

void fm_ring_unmap(struct fm_ring *ring)
{
        if (ring->header)
                munmap(ring->header, ring->size);
        ring->header = NULL;
}

bool fm_ring_offer(struct fm_ring *ring, const struct fm_slot *slot, const void *payload, uint32_t length,
                   uint64_t descriptors)
{
        struct fm_ring_slot *shared = &ring->header->slot[slot->index];

        if (length)
                memcpy(fm_ring_message(ring, slot->index), payload, length);
        store_relaxed(shared->message_length, length);
        store_relaxed(shared->reply_capacity, slot->reply_capacity);
        store_relaxed(shared->wants_reply, slot->wants_reply);
        store_relaxed(shared->sleeping, 0);
        store_relaxed(shared->descriptors, descriptors);
        atomic_store_explicit(&ring->header->words[slot->index], word_make(slot->ticket, FM_SLOT_OFFERED),
                              memory_order_seq_cst);
        return atomic_load_explicit(&ring->header->armed, memory_order_seq_cst) != 0;
}

static enum fm_ring_result judge(const struct fm_slot *slot, uint64_t word)
{
        if (word >> 8 != slot->ticket)
                return FM_RING_BROKEN;

        switch (word_state(word)) {
        case FM_SLOT_OFFERED:
        case FM_SLOT_TAKING:
                return FM_RING_WAITING;
        case FM_SLOT_TAKEN:
                return slot->wants_reply ? FM_RING_WAITING : FM_RING_DONE;
        case FM_SLOT_REPLYING:
                return slot->wants_reply ? FM_RING_WAITING : FM_RING_BROKEN;
        case FM_SLOT_REPLIED:
                return slot->wants_reply ? FM_RING_DONE : FM_RING_BROKEN;
        case FM_SLOT_FREE:
                return FM_RING_LEFT;
        case FM_SLOT_WITHDRAWN:
                return FM_RING_QUARANTINED;
        }
        return FM_RING_BROKEN;
}

enum fm_ring_result fm_ring_look(struct fm_ring *ring, const struct fm_slot *slot)
{
        return judge(slot, word_load(ring, slot->index));
}

static uint64_t now_ns(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return now.tv_sec * UINT64_C(1000000000) + now.tv_nsec;
}

void fm_ring_linger(struct fm_ring *ring, const struct fm_slot *slot)
{
        uint64_t until = now_ns() + ring->linger_ns;

        while (fm_ring_look(ring, slot) == FM_RING_WAITING && now_ns() < until)
                ;
}

static bool is_before(const struct timespec *a, const struct timespec *b)
{
        return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

int fm_ring_wait(struct fm_ring *ring, const struct fm_slot *slot, clockid_t clock,
                 const struct timespec *deadline)
{
        struct timespec until;
        bool last = false;
        uint64_t word;

        atomic_store_explicit(&ring->header->slot[slot->index].sleeping, 1, memory_order_seq_cst);
        word = word_load(ring, slot->index);
        if (judge(slot, word) != FM_RING_WAITING)
                return 0;

        clock_gettime(clock, &until);
        until.tv_sec += SLEEP_MAX_SECONDS;
        if (deadline && !is_before(&until, deadline)) {
                until = *deadline;
                last = true;
        }
        if (syscall(SYS_futex, word_futex(ring, slot->index),
                    FUTEX_WAIT_BITSET | (clock == CLOCK_REALTIME ? FUTEX_CLOCK_REALTIME : 0), (uint32_t)word,
                    &until, NULL, FUTEX_BITSET_MATCH_ANY) < 0 &&
            errno == ETIMEDOUT && last)
                return -ETIMEDOUT;
        return 0;
}

enum fm_ring_result fm_ring_withdraw(struct fm_ring *ring, const struct fm_slot *slot)
{
        for (unsigned i = 0; i < MOVES_MAX; i++) {
                uint64_t word = word_load(ring, slot->index);
                enum fm_slot_state state = word_state(word), to;

                if (judge(slot, word) != FM_RING_WAITING) {
                        /* An agent that wrote nonsense has not woken who sleeps on it. */
                        word_wake(ring, slot->index);
                        return judge(slot, word);
                }
                to = state == FM_SLOT_TAKING || state == FM_SLOT_REPLYING ? FM_SLOT_WITHDRAWN : FM_SLOT_FREE;
                if (word_move(ring, slot->index, slot->ticket, state, to)) {
                        word_wake(ring, slot->index);
                        return to == FM_SLOT_FREE ? FM_RING_LEFT : FM_RING_QUARANTINED;
                }
        }
        word_wake(ring, slot->index);
        return FM_RING_BROKEN;
}

void fm_ring_collect(struct fm_ring *ring, const struct fm_slot *slot, void *buffer, uint32_t *length,
                     int32_t *status)
{
        struct fm_ring_slot *shared = &ring->header->slot[slot->index];

        if (slot->wants_reply) {
                uint32_t copy = *length = load_relaxed(shared->reply_length);

                *status = load_relaxed(shared->reply_status);
                if (copy > slot->reply_capacity)
                        copy = slot->reply_capacity;
                if (copy > ring->area)
                        copy = ring->area;
                if (copy)
                        memcpy(buffer, fm_ring_reply_area(ring, slot->index), copy);
        }
        atomic_store_explicit(&ring->header->words[slot->index], word_make(slot->ticket, FM_SLOT_FREE),
                              memory_order_seq_cst);
}

bool fm_ring_is_released(struct fm_ring *ring, const struct fm_slot *slot)
{
        return word_load(ring, slot->index) == word_make(slot->ticket, FM_SLOT_FREE);
}

void fm_ring_kill(struct fm_ring *ring)
{
        atomic_store_explicit(&ring->header->dead, 1, memory_order_seq_cst);
}

void fm_ring_trim(struct fm_ring *ring, int fd, uint32_t index)
{
        off_t offset = fm_ring_message(ring, index) - (uint8_t *)ring->header;

        /* Without it the memory merely stays: nothing to do about a failure. */
        (void)!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, (off_t)2 * ring->area);
}

/* The agent let go of a slot whose sender had left. */
static void release(struct fm_ring *ring, uint32_t index, uint64_t ticket, bool *wants_poke)
{
        word_move(ring, index, ticket, FM_SLOT_WITHDRAWN, FM_SLOT_FREE);
        *wants_poke = true;
}

static bool is_anything_offered(const struct fm_ring *ring)
{
        for (uint32_t i = 0; i < ring->slots; i++)
                if (word_state(word_load(ring, i)) == FM_SLOT_OFFERED)
                        return true;
        return false;
}

void fm_ring_linger_for_offer(struct fm_ring *ring)
{
        uint64_t until = now_ns() + ring->linger_ns;

        while (!is_anything_offered(ring) && !fm_ring_is_dead(ring) && now_ns() < until)
                ;
}

int fm_ring_take_begin(struct fm_ring *ring, uint32_t max, struct fm_taken *taken)
{
        struct fm_ring_header *header = ring->header;

        for (;;) {
                struct fm_ring_slot *shared;
                uint64_t ticket = UINT64_MAX;
                uint32_t index = 0, length;

                if (fm_ring_is_dead(ring))
                        return -EPIPE;
                for (uint32_t i = 0; i < ring->slots; i++) {
                        uint64_t word = word_load(ring, i);

                        if (word_state(word) == FM_SLOT_OFFERED && word >> 8 < ticket) {
                                ticket = word >> 8;
                                index = i;
                        }
                }
                if (ticket == UINT64_MAX)
                        return -EAGAIN;

                shared = &header->slot[index];
                length = load_relaxed(shared->message_length);
                atomic_thread_fence(memory_order_acquire);
                if (length > ring->area)
                        return -EPROTO;
                if (length > max) {
                        /* Only if the length is that of this very offer. */
                        if (word_load(ring, index) != word_make(ticket, FM_SLOT_OFFERED))
                                continue;
                        *taken = (struct fm_taken){ .length = length, .index = index, .ticket = ticket };
                        return -EMSGSIZE;
                }
                if (!word_move(ring, index, ticket, FM_SLOT_OFFERED, FM_SLOT_TAKING))
                        continue;

                *taken = (struct fm_taken){
                        .length = length,
                        .reply_length = load_relaxed(shared->wants_reply)
                                                ? 16 + load_relaxed(shared->reply_capacity)
                                                : 0,
                        .descriptors = load_relaxed(shared->descriptors),
                        .index = index,
                        .ticket = ticket,
                };
                return 0;
        }
}

int fm_ring_take_finish(struct fm_ring *ring, struct fm_taken *taken, void *buffer, bool *wants_poke)
{
        struct fm_ring_header *header = ring->header;

        if (taken->length)
                memcpy(buffer, fm_ring_message(ring, taken->index), taken->length);
        taken->message_id = atomic_fetch_add_explicit(&header->delivered, 1, memory_order_relaxed) + 1;
        store_relaxed(header->slot[taken->index].message_id, taken->message_id);
        store_relaxed(header->hints[taken->message_id % FM_RING_HINTS], (uint8_t)taken->index);

        if (!word_move(ring, taken->index, taken->ticket, FM_SLOT_TAKING, FM_SLOT_TAKEN)) {
                release(ring, taken->index, taken->ticket, wants_poke);
                return -EAGAIN;
        }
        if (taken->reply_length == 0)
                word_wake_sleeper(ring, taken->index);
        return 0;
}

void fm_ring_take_undo(struct fm_ring *ring, const struct fm_taken *taken, bool *wants_poke)
{
        if (!word_move(ring, taken->index, taken->ticket, FM_SLOT_TAKING, FM_SLOT_OFFERED))
                release(ring, taken->index, taken->ticket, wants_poke);
}

int fm_ring_take(struct fm_ring *ring, void *buffer, uint32_t size, struct fm_taken *taken, bool *wants_poke)
{
        int r;

        do {
                r = fm_ring_take_begin(ring, size, taken);
                if (r < 0)
                        return r;
                r = fm_ring_take_finish(ring, taken, buffer, wants_poke);
        } while (r == -EAGAIN);
        return r;
}

/* The slot whose message, taken and still waiting for its reply, has this id; -1. */
static int find_taken(struct fm_ring *ring, uint64_t message_id, uint64_t *ret_word)
{
        uint32_t hint = load_relaxed(ring->header->hints[message_id % FM_RING_HINTS]);

        for (uint32_t n = 0; n <= ring->slots; n++) {
                uint32_t index = n == 0 ? hint : n - 1;
                uint64_t word;

                if (index >= ring->slots)
                        continue;
                word = word_load(ring, index);
                if (word_state(word) == FM_SLOT_TAKEN &&
                    load_relaxed(ring->header->slot[index].message_id) == message_id) {
                        *ret_word = word;
                        return index;
                }
        }
        return -1;
}

int fm_ring_reply_begin(struct fm_ring *ring, uint64_t message_id, struct fm_replying *replying)
{
        struct fm_ring_slot *shared;
        uint64_t word = 0;
        int index;

        if (fm_ring_is_dead(ring))
                return -EPIPE;
        index = find_taken(ring, message_id, &word);
        if (index < 0)
                goto gone;
        shared = &ring->header->slot[index];
        *replying = (struct fm_replying){
                .index = index,
                .ticket = word >> 8,
                .capacity = load_relaxed(shared->reply_capacity),
        };
        if (!load_relaxed(shared->wants_reply) ||
            !word_move(ring, index, replying->ticket, FM_SLOT_TAKEN, FM_SLOT_REPLYING))
                goto gone;
        return 0;

gone:
        /* A message never comes back to TAKEN, so whoever was not found there waits no longer. */
        return fm_ring_is_dead(ring) ? -EPIPE : -ENOENT;
}

int fm_ring_reply_finish(struct fm_ring *ring, const struct fm_replying *replying, int32_t status,
                         const void *payload, uint32_t length, bool *wants_poke)
{
        struct fm_ring_slot *shared = &ring->header->slot[replying->index];
        uint32_t copy = length < replying->capacity ? length : replying->capacity;

        if (copy > ring->area)
                copy = ring->area;
        if (copy)
                memcpy(fm_ring_reply_area(ring, replying->index), payload, copy);
        store_relaxed(shared->reply_status, status);
        store_relaxed(shared->reply_length, length);
        if (!word_move(ring, replying->index, replying->ticket, FM_SLOT_REPLYING, FM_SLOT_REPLIED)) {
                release(ring, replying->index, replying->ticket, wants_poke);
                return fm_ring_is_dead(ring) ? -EPIPE : -ENOENT;
        }
        word_wake_sleeper(ring, replying->index);
        return length > replying->capacity ? -EMSGSIZE : 0;
}

int fm_ring_reply(struct fm_ring *ring, uint64_t message_id, int32_t status, const void *payload,
                  uint32_t length, bool *wants_poke)
{
        struct fm_replying replying;
        int r = fm_ring_reply_begin(ring, message_id, &replying);

        return r < 0 ? r : fm_ring_reply_finish(ring, &replying, status, payload, length, wants_poke);
}
