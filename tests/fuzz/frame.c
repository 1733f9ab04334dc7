/* SPDX-License-Identifier: MIT */
/*
 * Frames in either direction: what server and agents do with bytes from the other side. The first byte is the
 * number of descriptors that came along. Whatever is accepted must be encoded to the same bytes again.
 */
#include <stdlib.h>
#include <string.h>

#include "wire/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static uint8_t again[FM_FRAME_MAX];
        struct fm_frame frame;
        struct fm_bytes entry;
        size_t position = 0;
        int r;

        if (size < 1 || fm_frame_decode(data + 1, size - 1, data[0], &frame) < 0)
                return 0;
        if (fm_frame_encode(&frame, again, sizeof(again)) != (ssize_t)size - 1 ||
            memcmp(again, data + 1, size - 1) != 0)
                abort();
        if (frame.type == FM_FRAME_MANAGED) {
                while ((r = fm_entry_next(frame.managed.entries, &position, &entry)) > 0)
                        if (entry.length && entry.data + entry.length > data + size)
                                abort();
        }
        return 0;
}
