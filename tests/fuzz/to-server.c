/* SPDX-License-Identifier: MIT */
/*
 * What a hostile client can say to the server, below its sessions: the first byte of the input says whether the rest
 * is a frame or a ring.
 *
 * A frame (after one byte: how many descriptors came with it) that the decoder accepts must be encoded to the same
 * bytes again. A ring is a program: the server's own moves, an agent's, and writes to anything that is shared. Whatever
 * the agent writes, no reply is longer than its sender's buffer, and nothing outside the ring is touched.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wire/frame.h"
#include "wire/ring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define AREA 4096u
#define CANARY 0x5a

static void fuzz_frame(const uint8_t *data, size_t size)
{
        static uint8_t again[FM_FRAME_MAX];
        struct fm_frame frame;

        if (size < 1 || fm_frame_decode(data + 1, size - 1, data[0], &frame) < 0)
                return;
        if (fm_frame_encode(&frame, again, sizeof(again)) != (ssize_t)size - 1 ||
            memcmp(again, data + 1, size - 1) != 0)
                abort();
}

/* Where the server finds its message, and the reply if there is one. false: it waits on. */
static bool fuzz_look(struct fm_ring *ring, const struct fm_slot *slot, bool withdraw)
{
        static uint8_t reply[AREA + 1];
        enum fm_ring_result result = withdraw ? fm_ring_withdraw(ring, slot) : fm_ring_look(ring, slot);
        uint32_t length;
        int32_t status;

        if (withdraw && result == FM_RING_WAITING)
                abort();
        if (result == FM_RING_DONE) {
                memset(reply, CANARY, sizeof(reply));
                fm_ring_collect(ring, slot, slot->wants_reply ? reply : NULL, &length, &status);
                for (uint32_t i = slot->wants_reply ? slot->reply_capacity : 0; i < sizeof(reply); i++)
                        if (reply[i] != CANARY)
                                abort();
        }
        return result != FM_RING_WAITING;
}

static void fuzz_ring(const uint8_t *data, size_t size)
{
        static struct fm_ring ring;
        static uint8_t payload[AREA], received[AREA];
        struct fm_slot slot = { .ticket = 1 };
        struct fm_taken taken = { 0 };
        bool offered = false, poke = false;
        int fd;

        if (!ring.header) {
                if (fm_ring_create(&ring, AREA, &fd) < 0)
                        return;
                close(fd);
        }
        memset(ring.header->words, 0, sizeof(ring.header->words));
        memset(ring.header->slot, 0, sizeof(ring.header->slot));
        ring.header->dead = 0;
        ring.header->delivered = 0;

        for (size_t i = 0; i + 4 <= size; i += 4) {
                uint16_t operand = data[i + 1] | data[i + 2] << 8;
                uint8_t value = data[i + 3];

                switch (data[i] % 10) {
                case 0:
                        if (offered)
                                break;
                        slot.ticket++;
                        slot.index = operand % FM_RING_SLOTS;
                        slot.wants_reply = value & 1;
                        slot.reply_capacity = operand % (AREA + 1);
                        fm_ring_offer(&ring, &slot, payload, value * 16u, operand);
                        offered = true;
                        break;
                case 1:
                        offered = offered && !fuzz_look(&ring, &slot, operand & 1);
                        break;
                case 2:
                        fm_ring_take(&ring, received, value & 1 ? operand % AREA : AREA, &taken, &poke);
                        break;
                case 3:
                        fm_ring_reply(&ring, operand, operand, payload, value * 16u, &poke);
                        break;
                case 4: /* a word that could be */
                        ring.header->words[operand % FM_RING_SLOTS] = (slot.ticket + value / 8 - 1) << 8 | value % 8;
                        break;
                case 5: /* what is said about the slot */
                        ((uint8_t *)&ring.header->slot[slot.index])[operand % sizeof(ring.header->slot[0])] = value;
                        break;
                case 6: /* any byte of all the rest */
                        ((uint8_t *)ring.header)[operand % sizeof(*ring.header)] = value;
                        break;
                case 7:
                        ring.header->delivered = operand;
                        break;
                case 8:
                        fm_ring_take_begin(&ring, AREA, &taken);
                        break;
                case 9:
                        if (value & 1)
                                fm_ring_take_undo(&ring, &taken, &poke);
                        else
                                fm_ring_take_finish(&ring, &taken, received, &poke);
                        break;
                }
        }
        if (offered)
                fuzz_look(&ring, &slot, true);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        if (size < 1)
                return 0;
        if (data[0] & 1)
                fuzz_ring(data + 1, size - 1);
        else
                fuzz_frame(data + 1, size - 1);
        return 0;
}
