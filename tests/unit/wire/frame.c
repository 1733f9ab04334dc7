/* SPDX-License-Identifier: MIT */
/* Frames: what is encoded comes back, and nothing else is let in. */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "wire/frame.h"

#define BYTES(text) { .data = (const uint8_t *)(text), .length = sizeof(text) - 1 }

static const struct fm_frame samples[] = {
        { .type = FM_FRAME_HELLO, .tag = 1, .hello = { .version_min = 1, .version_max = 3 } },
        { .type = FM_FRAME_WELCOME, .tag = UINT64_MAX, .welcome = { .version = 1, .frame_max = FM_FRAME_MAX } },
        { .type = FM_FRAME_CONNECT, .tag = 2,
          .connect = { .flags = FM_CONNECT_RING, .options = 1, .name = BYTES("\\\0p\0"), .context = BYTES("hello") } },
        { .type = FM_FRAME_CONNECTED, .tag = 3,
          .connected = { .status = -5, .flags = FM_CONNECT_RING, .ring_size = 1u << 20, .token = "0123456789abcde" } },
        { .type = FM_FRAME_CONNECTED, .tag = 3, .connected = { .status = (int32_t)0xC0000022 } },
        { .type = FM_FRAME_JOIN, .tag = 4, .join.token = "0123456789abcde" },
        { .type = FM_FRAME_JOINED, .tag = 4, .joined.status = 0 },
        { .type = FM_FRAME_CALL, .tag = 5, .call = { .in_length = 4, .out_length = 9, .in = (const uint8_t *)"data" } },
        { .type = FM_FRAME_CALL, .tag = 5,
          .call = { .flags = FM_CALL_IN_MEMFD, .in_length = 1u << 20, .out_length = 9, .out_offset = 1u << 21 } },
        { .type = FM_FRAME_RETURN, .tag = 6,
          .ret = { .status = 7, .out_length = 3, .out = BYTES("abc"), .given_count = 2,
                   .given = { { FM_GIVEN_SECTION, FM_GIVEN_HANDLE_FIRST + 4, 4096 },
                              { FM_GIVEN_REVOKED, FM_GIVEN_HANDLE_LAST, 0 } } } },
        { .type = FM_FRAME_POKE, .poke.flags = FM_POKE_DOORBELL },
        { .type = FM_FRAME_DOORBELL },
        { .type = FM_FRAME_DOORBELL,
          .doorbell = { .given_count = 1, .given = { { FM_GIVEN_SECTION, FM_GIVEN_HANDLE_FIRST, 1 } } } },
        { .type = FM_FRAME_MANAGE, .tag = 7,
          .manage = { .op = FM_MANAGE_ATTACH, .class = 1, .first = 2, .filter = BYTES("f\0"), .volume = BYTES("C\0:\0"),
                      .instance = BYTES(""), .altitude = BYTES("3\0") } },
        { .type = FM_FRAME_MANAGED, .tag = 7, .managed = { .status = 1, .more = 1, .count = 1, .entries = BYTES("xx") } },
        { .type = FM_FRAME_VOLUME, .tag = 7,
          .volume = { .op = FM_VOLUME_MOUNT, .flags = FM_VOLUME_READ_ONLY, .sector_size = 512, .attr_timeout_ms = 1000,
                      .entry_timeout_ms = 5, .source = BYTES("/a"), .mount_point = BYTES("/\xff"), .options = BYTES("noexec") } },
        { .type = FM_FRAME_GET, .tag = 8, .get.size = 64 },
        { .type = FM_FRAME_MESSAGE, .tag = 8,
          .message = { .status = 0, .length = 19, .reply_length = 24, .message_id = 77, .payload = BYTES("abc") } },
        { .type = FM_FRAME_REPLY, .tag = 9, .reply = { .message_id = 77, .status = -1, .payload = BYTES("y") } },
        { .type = FM_FRAME_RESULT, .tag = 9, .result.status = 5 },
        { .type = FM_FRAME_GOODBYE, .tag = 0, .goodbye.status = 5 },
};

/* How many descriptors the frame comes with. */
static unsigned descriptors_of(const struct fm_frame *frame)
{
        unsigned count = 0;

        switch (frame->type) {
        case FM_FRAME_CONNECTED:
                return frame->connected.flags & FM_CONNECT_RING;
        case FM_FRAME_CALL:
                return frame->call.flags & FM_CALL_IN_MEMFD;
        case FM_FRAME_RETURN:
                for (unsigned i = 0; i < frame->ret.given_count; i++)
                        count += frame->ret.given[i].kind == FM_GIVEN_SECTION;
                return count;
        case FM_FRAME_DOORBELL:
                for (unsigned i = 0; i < frame->doorbell.given_count; i++)
                        count += frame->doorbell.given[i].kind == FM_GIVEN_SECTION;
                return count;
        default:
                return 0;
        }
}

static void test_round_trip(void)
{
        uint8_t first[4096], second[4096];

        for (unsigned i = 0; i < G_N_ELEMENTS(samples); i++) {
                unsigned descriptors = descriptors_of(&samples[i]);
                struct fm_frame decoded;
                ssize_t length;

                length = fm_frame_encode(&samples[i], first, sizeof(first));
                g_assert_cmpint(length, >=, FM_FRAME_HEADER_SIZE);
                g_assert_cmpuint(fm_frame_length(first), ==, length);
                g_assert_cmpint(fm_frame_decode(first, length, descriptors, &decoded), ==, 0);
                g_assert_cmpuint(decoded.type, ==, samples[i].type);
                g_assert_cmpuint(decoded.tag, ==, samples[i].tag);
                g_assert_cmpint(fm_frame_encode(&decoded, second, sizeof(second)), ==, length);
                g_assert_cmpmem(first, length, second, length);
                /* Not with any other number of descriptors. */
                g_assert_cmpint(fm_frame_decode(first, length, descriptors + 1, &decoded), ==, -EPROTO);
                if (descriptors)
                        g_assert_cmpint(fm_frame_decode(first, length, descriptors - 1, &decoded), ==, -EPROTO);
        }
}

static void test_fields(void)
{
        struct fm_frame decoded;
        uint8_t raw[256];
        ssize_t length;

        length = fm_frame_encode(&samples[2], raw, sizeof(raw));
        g_assert_cmpint(fm_frame_decode(raw, length, 0, &decoded), ==, 0);
        g_assert_cmpuint(decoded.connect.flags, ==, FM_CONNECT_RING);
        g_assert_cmpuint(decoded.connect.options, ==, 1);
        g_assert_cmpmem(decoded.connect.name.data, decoded.connect.name.length, "\\\0p\0", 4);
        g_assert_cmpmem(decoded.connect.context.data, decoded.connect.context.length, "hello", 5);

        /* The bytes on the wire are part of the protocol: length, type, zero, tag, then the fields. */
        g_assert_cmpmem(raw, length,
                        "\x29\0\0\0\x02\0\0\0\x02\0\0\0\0\0\0\0\x01\0\0\0\x01\0\0\0\x04\0\0\0\\\0p\0\x05\0\0\0hello", 41);

        length = fm_frame_encode(&samples[9], raw, sizeof(raw));
        g_assert_cmpint(fm_frame_decode(raw, length, 1, &decoded), ==, 0);
        g_assert_cmpint(decoded.ret.status, ==, 7);
        g_assert_cmpuint(decoded.ret.given_count, ==, 2);
        g_assert_cmpuint(decoded.ret.given[1].kind, ==, FM_GIVEN_REVOKED);
        g_assert_cmpuint(decoded.ret.given[0].handle, ==, FM_GIVEN_HANDLE_FIRST + 4);
        g_assert_cmpuint(decoded.ret.given[0].size, ==, 4096);
}

static void test_truncated_and_padded(void)
{
        for (unsigned i = 0; i < G_N_ELEMENTS(samples); i++) {
                struct fm_frame decoded;
                uint8_t raw[4096];
                ssize_t length = fm_frame_encode(&samples[i], raw, sizeof(raw) - 1);
                unsigned descriptors = descriptors_of(&samples[i]);

                for (ssize_t cut = 0; cut < length; cut++) {
                        /* In a block of its own, so that reading past the end is seen. */
                        g_autofree uint8_t *part = g_memdup2(raw, cut ? cut : 1);
                        uint8_t claimed[4] = { cut, cut >> 8, 0, 0 };

                        g_assert_cmpint(fm_frame_decode(part, cut, descriptors, &decoded), ==, -EPROTO);
                        if (cut >= 4)
                                memcpy(part, claimed, 4);
                        g_assert_cmpint(fm_frame_decode(part, cut, descriptors, &decoded), ==, -EPROTO);
                        g_assert_cmpint(fm_frame_encode(&samples[i], part, cut), ==, -EMSGSIZE);
                }
                raw[0]++;
                raw[length] = 0;
                g_assert_cmpint(fm_frame_decode(raw, length + 1, descriptors, &decoded), ==, -EPROTO);
        }
}

/* Whatever is let in can be encoded again, to the same bytes: nothing was overlooked or read twice. */
static void test_changed_bytes(void)
{
        for (unsigned i = 0; i < G_N_ELEMENTS(samples); i++) {
                uint8_t raw[4096], again[4096];
                ssize_t length = fm_frame_encode(&samples[i], raw, sizeof(raw));

                for (ssize_t at = 0; at < length; at++) {
                        uint8_t was = raw[at];

                        for (unsigned value = 0; value < 256; value++) {
                                struct fm_frame decoded;

                                raw[at] = value;
                                for (unsigned descriptors = 0; descriptors < 2; descriptors++) {
                                        if (fm_frame_decode(raw, length, descriptors, &decoded) < 0)
                                                continue;
                                        g_assert_cmpint(fm_frame_encode(&decoded, again, sizeof(again)), ==, length);
                                        g_assert_cmpmem(raw, length, again, length);
                                }
                        }
                        raw[at] = was;
                }
        }
}

static void test_limits(void)
{
        static uint8_t payload[FM_INLINE_MAX + 1], buffer[2 * FM_FRAME_MAX];
        struct fm_frame frame = { .type = FM_FRAME_CONNECT };
        struct fm_frame decoded;
        ssize_t length;

        frame.connect.context = (struct fm_bytes){ payload, FM_CONTEXT_MAX };
        frame.connect.name = (struct fm_bytes){ payload, FM_NAME_MAX };
        length = fm_frame_encode(&frame, buffer, sizeof(buffer));
        g_assert_cmpint(length, >, 0);
        g_assert_cmpint(fm_frame_decode(buffer, length, 0, &decoded), ==, 0);
        frame.connect.context.length++;
        g_assert_cmpint(fm_frame_encode(&frame, buffer, sizeof(buffer)), ==, -EMSGSIZE);
        frame.connect.context.length = 0;
        frame.connect.name.length += 2;
        g_assert_cmpint(fm_frame_encode(&frame, buffer, sizeof(buffer)), ==, -EMSGSIZE);
        frame.connect.name.length = 3;
        length = fm_frame_encode(&frame, buffer, sizeof(buffer));
        g_assert_cmpint(fm_frame_decode(buffer, length, 0, &decoded), ==, -EPROTO);

        frame = (struct fm_frame){ .type = FM_FRAME_CALL, .call = { .in_length = FM_INLINE_MAX, .in = payload } };
        length = fm_frame_encode(&frame, buffer, sizeof(buffer));
        g_assert_cmpint(length, >, 0);
        g_assert_cmpint(fm_frame_decode(buffer, length, 0, &decoded), ==, 0);
        frame.call.in_length++;
        g_assert_cmpint(fm_frame_encode(&frame, buffer, sizeof(buffer)), ==, -EMSGSIZE);
        frame.call.flags = FM_CALL_IN_MEMFD;
        g_assert_cmpint(fm_frame_encode(&frame, buffer, sizeof(buffer)), >, 0);
        frame.call.in_length = FM_CALL_MAX + 1;
        g_assert_cmpint(fm_frame_encode(&frame, buffer, sizeof(buffer)), ==, -EMSGSIZE);

        frame = (struct fm_frame){ .type = FM_FRAME_VOLUME, .volume.source = BYTES("a\0b") };
        length = fm_frame_encode(&frame, buffer, sizeof(buffer));
        g_assert_cmpint(fm_frame_decode(buffer, length, 0, &decoded), ==, -EPROTO);
        frame.volume.source = (struct fm_bytes){ payload, FM_PATH_MAX + 1 };
        g_assert_cmpint(fm_frame_encode(&frame, buffer, sizeof(buffer)), ==, -EMSGSIZE);

        frame = (struct fm_frame){ .type = 99 };
        g_assert_cmpint(fm_frame_encode(&frame, buffer, sizeof(buffer)), ==, -EINVAL);
}

static void test_entries(void)
{
        struct fm_bytes entries, entry;
        uint8_t buffer[64];
        size_t end = 0, position = 0;

        g_assert_cmpint(fm_entry_add(buffer, sizeof(buffer), &end, "abc", 3), ==, 0);
        g_assert_cmpuint(end, ==, 16);
        g_assert_cmpint(fm_entry_add(buffer, sizeof(buffer), &end, "12345678", 8), ==, 0);
        g_assert_cmpuint(end, ==, 32);
        g_assert_cmpint(fm_entry_add(buffer, 47, &end, "123456789", 9), ==, -EMSGSIZE);
        g_assert_cmpuint(end, ==, 32);

        entries = (struct fm_bytes){ buffer, end };
        g_assert_cmpint(fm_entry_next(entries, &position, &entry), ==, 1);
        g_assert_cmpmem(entry.data, entry.length, "abc", 3);
        g_assert_cmpint(fm_entry_next(entries, &position, &entry), ==, 1);
        g_assert_cmpmem(entry.data, entry.length, "12345678", 8);
        g_assert_cmpint(fm_entry_next(entries, &position, &entry), ==, 0);

        position = 0;
        entries.length = 15;
        g_assert_cmpint(fm_entry_next(entries, &position, &entry), ==, -EPROTO);
        memset(buffer, 0xff, 4);
        entries.length = 32;
        g_assert_cmpint(fm_entry_next(entries, &position, &entry), ==, -EPROTO);
}

/* Who had no room for the descriptors has the frame all the same. */
static void test_descriptors_lost(void)
{
        static const struct fm_frame frame = {
                .type = FM_FRAME_DOORBELL,
                .doorbell = {
                        .given_count = 2,
                        .given = { { FM_GIVEN_SECTION, FM_GIVEN_HANDLE_FIRST, 1 },
                                   { FM_GIVEN_SECTION, FM_GIVEN_HANDLE_LAST, 2 } },
                },
        };
        struct fm_frame decoded;
        uint8_t buffer[256];
        ssize_t length = fm_frame_encode(&frame, buffer, sizeof(buffer));

        for (unsigned count = 0; count < 4; count++)
                g_assert_cmpint(fm_frame_decode(buffer, length, count, &decoded), ==, count == 2 ? 0 : -EPROTO);
        g_assert_cmpint(fm_frame_decode(buffer, length, FM_DESCRIPTORS_LOST, &decoded), ==, 0);
        g_assert_cmpuint(decoded.doorbell.given_count, ==, 2);
        g_assert_cmpuint(decoded.doorbell.given[1].handle, ==, FM_GIVEN_HANDLE_LAST);
        /* Nothing else is forgiven. */
        buffer[16] = 3;
        g_assert_cmpint(fm_frame_decode(buffer, length, FM_DESCRIPTORS_LOST, &decoded), ==, -EPROTO);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/wire/frame/round-trip", test_round_trip);
        g_test_add_func("/wire/frame/fields", test_fields);
        g_test_add_func("/wire/frame/truncated-and-padded", test_truncated_and_padded);
        g_test_add_func("/wire/frame/changed-bytes", test_changed_bytes);
        g_test_add_func("/wire/frame/limits", test_limits);
        g_test_add_func("/wire/frame/entries", test_entries);
        g_test_add_func("/wire/frame/descriptors-lost", test_descriptors_lost);
        return g_test_run();
}
