/* SPDX-License-Identifier: MIT */
/* Choosing among offered messages: see take.h, and ring.h for what the words mean. */
#include "fltlib/take.h"

#include <errno.h>

static uint64_t offered(uint64_t ticket)
{
        return ticket << 8 | FM_SLOT_OFFERED;
}

int fm_take_fitting(struct fm_ring *ring, uint32_t max, uint64_t reported, struct fm_taken *taken)
{
        struct fm_ring_header *header = ring->header;

        for (;;) {
                uint64_t large = UINT64_MAX, fitting = UINT64_MAX;
                uint32_t large_index = 0, large_length = 0, fitting_index = 0, fitting_length = 0;
                struct fm_ring_slot *slot;

                if (fm_ring_is_dead(ring))
                        return -EPIPE;
                for (uint32_t i = 0; i < ring->slots; i++) {
                        uint64_t word = atomic_load_explicit(&header->words[i], memory_order_seq_cst);
                        uint32_t length;

                        if ((word & 0xff) != FM_SLOT_OFFERED)
                                continue;
                        length = atomic_load_explicit(&header->slot[i].message_length, memory_order_acquire);
                        /* The length belongs to this offer only if the word is still the same. */
                        if (atomic_load_explicit(&header->words[i], memory_order_relaxed) != word)
                                continue;
                        if (length > ring->area)
                                return -EPROTO;
                        if (length > max && word >> 8 > reported && word >> 8 < large) {
                                large = word >> 8;
                                large_index = i;
                                large_length = length;
                        } else if (length <= max && word >> 8 < fitting) {
                                fitting = word >> 8;
                                fitting_index = i;
                                fitting_length = length;
                        }
                }
                if (large < fitting) {
                        *taken = (struct fm_taken){
                                .length = large_length, .index = large_index, .ticket = large};
                        return -EMSGSIZE;
                }
                if (fitting == UINT64_MAX)
                        return -EAGAIN;
                slot = &header->slot[fitting_index];
                if (!atomic_compare_exchange_strong_explicit(
                            &header->words[fitting_index], &(uint64_t){offered(fitting)},
                            fitting << 8 | FM_SLOT_TAKING, memory_order_seq_cst, memory_order_seq_cst))
                        continue;
                *taken = (struct fm_taken){
                        .length = fitting_length, /* it was judged: not read again */
                        .descriptors = atomic_load_explicit(&slot->descriptors, memory_order_relaxed),
                        .index = fitting_index,
                        .ticket = fitting,
                };
                if (atomic_load_explicit(&slot->wants_reply, memory_order_relaxed))
                        taken->reply_length =
                                16 + atomic_load_explicit(&slot->reply_capacity, memory_order_relaxed);
                return 0;
        }
}

unsigned fm_take_count(struct fm_ring *ring)
{
        unsigned count = 0;

        for (uint32_t i = 0; i < ring->slots; i++)
                count += (atomic_load_explicit(&ring->header->words[i], memory_order_seq_cst) & 0xff) ==
                         FM_SLOT_OFFERED;
        return count;
}
