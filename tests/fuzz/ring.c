/* SPDX-License-Identifier: MIT */
/*
 * The server's moves on a ring in which a hostile agent writes what it likes, and an agent's own moves in
 * between. The input is a program: one byte says what comes next, the bytes after it are its operands.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wire/ring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define AREA 4096u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct fm_ring ring;
        static char payload[AREA], reply[AREA + 1];
        struct fm_slot slot = { .ticket = 1 };
        enum fm_ring_result result;
        struct fm_taken taken;
        bool offered = false, poke = false;
        uint32_t length;
        int32_t status;
        int fd;

        if (!ring.header && fm_ring_create(&ring, AREA, &fd) < 0)
                return 0;
        memset(ring.header->words, 0, sizeof(ring.header->words));
        ring.header->dead = 0;

        for (size_t i = 0; i + 4 <= size; i += 4) {
                uint16_t operand = data[i + 1] | data[i + 2] << 8;

                switch (data[i] % 8) {
                case 0:
                        if (offered)
                                break;
                        slot.ticket++;
                        slot.index = operand % FM_RING_SLOTS;
                        slot.wants_reply = data[i + 3] & 1;
                        slot.reply_capacity = operand % (AREA + 1);
                        fm_ring_offer(&ring, &slot, payload, data[i + 3] * 16u, operand);
                        offered = true;
                        break;
                case 1:
                        if (!offered)
                                break;
                        result = operand & 1 ? fm_ring_withdraw(&ring, &slot) : fm_ring_look(&ring, &slot);
                        if (result == FM_RING_DONE) {
                                reply[slot.reply_capacity] = 0x5a;
                                fm_ring_collect(&ring, &slot, reply, &length, &status);
                                if (reply[slot.reply_capacity] != 0x5a)
                                        abort();
                        }
                        offered = result == FM_RING_WAITING;
                        break;
                case 2:
                        fm_ring_take(&ring, reply, AREA, &taken, &poke);
                        break;
                case 3:
                        fm_ring_reply(&ring, operand, operand, payload, data[i + 3] * 16u, &poke);
                        break;
                case 4: /* a word */
                        ring.header->words[operand % FM_RING_SLOTS] =
                                (slot.ticket + data[i + 3] / 8 - 1) << 8 | data[i + 3] % 8;
                        break;
                case 5: /* any byte of what is said about a slot */
                        ((uint8_t *)&ring.header->slot[slot.index])[operand % sizeof(ring.header->slot[0])] =
                                data[i + 3];
                        break;
                case 6:
                        ring.header->hints[operand % FM_RING_HINTS] = data[i + 3];
                        break;
                case 7:
                        ring.header->delivered = operand;
                        break;
                }
        }
        return 0;
}
