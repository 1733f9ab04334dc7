/* SPDX-License-Identifier: MIT */
/*
 * Encoder and decoder of the frames. Both walk a cursor that remembers whether it ever ran over its end, so
 * that each frame's code is the list of its fields. A frame must be used up to the last byte.
 */
#include "wire/frame.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

struct writer {
        uint8_t *data;
        size_t size, position;
        int error;
};

static void put(struct writer *w, const void *data, size_t length)
{
        if (w->error)
                return;
        if (length > w->size - w->position) {
                w->error = -EMSGSIZE;
                return;
        }
        if (length)
                memcpy(w->data + w->position, data, length);
        w->position += length;
}

static void put_number(struct writer *w, uint64_t value, unsigned bytes)
{
        uint8_t raw[8];

        for (unsigned i = 0; i < bytes; i++)
                raw[i] = value >> (8 * i);
        put(w, raw, bytes);
}

static void put_u16(struct writer *w, uint16_t value)
{
        put_number(w, value, 2);
}

static void put_u32(struct writer *w, uint32_t value)
{
        put_number(w, value, 4);
}

static void put_u64(struct writer *w, uint64_t value)
{
        put_number(w, value, 8);
}

static void put_bytes(struct writer *w, struct fm_bytes bytes, uint32_t max)
{
        if (bytes.length > max)
                w->error = -EMSGSIZE;
        put_u32(w, bytes.length);
        put(w, bytes.data, bytes.length);
}

static void put_given(struct writer *w, uint32_t count, const struct fm_given *given)
{
        if (count > FM_FRAME_DESCRIPTORS_MAX)
                w->error = -EMSGSIZE;
        put_u32(w, count);
        for (uint32_t i = 0; !w->error && i < count; i++) {
                put_u32(w, given[i].kind);
                put_u32(w, 0);
                put_u64(w, given[i].handle);
                put_u64(w, given[i].size);
        }
}

struct reader {
        const uint8_t *data;
        size_t size, position;
        unsigned descriptors; /* that the frame must have come with */
        int error;
};

static const uint8_t *get(struct reader *r, size_t length)
{
        const uint8_t *at = r->data + r->position;

        if (r->error || length > r->size - r->position) {
                r->error = -EPROTO;
                return NULL;
        }
        r->position += length;
        return at;
}

static uint64_t get_number(struct reader *r, unsigned bytes)
{
        const uint8_t *raw = get(r, bytes);
        uint64_t value = 0;

        for (unsigned i = 0; raw && i < bytes; i++)
                value |= (uint64_t)raw[i] << (8 * i);
        return value;
}

static uint16_t get_u16(struct reader *r)
{
        return get_number(r, 2);
}

static uint32_t get_u32(struct reader *r)
{
        return get_number(r, 4);
}

static uint64_t get_u64(struct reader *r)
{
        return get_number(r, 8);
}

static struct fm_bytes get_bytes(struct reader *r, uint32_t max)
{
        struct fm_bytes bytes = { .length = get_u32(r) };

        if (bytes.length > max)
                r->error = -EPROTO;
        bytes.data = get(r, bytes.length);
        if (!bytes.data)
                bytes.length = 0;
        return bytes;
}

/* UTF-16: an even number of bytes. */
static struct fm_bytes get_name(struct reader *r)
{
        struct fm_bytes bytes = get_bytes(r, FM_NAME_MAX);

        if (bytes.length % 2)
                r->error = -EPROTO;
        return bytes;
}

static struct fm_bytes get_path(struct reader *r)
{
        struct fm_bytes bytes = get_bytes(r, FM_PATH_MAX);

        if (bytes.length && memchr(bytes.data, 0, bytes.length))
                r->error = -EPROTO;
        return bytes;
}

static void get_zero(struct reader *r)
{
        if (get_u32(r) != 0)
                r->error = -EPROTO;
}

static uint32_t get_flags(struct reader *r, uint32_t known)
{
        uint32_t flags = get_u32(r);

        if (flags & ~known)
                r->error = -EPROTO;
        return flags;
}

static void get_token(struct reader *r, uint8_t token[FM_TOKEN_SIZE])
{
        const uint8_t *raw = get(r, FM_TOKEN_SIZE);

        if (raw)
                memcpy(token, raw, FM_TOKEN_SIZE);
}

static uint32_t get_given(struct reader *r, struct fm_given *given)
{
        uint32_t count = get_u32(r);

        if (count > FM_FRAME_DESCRIPTORS_MAX)
                r->error = -EPROTO;
        for (uint32_t i = 0; !r->error && i < count; i++) {
                given[i].kind = get_u32(r);
                get_zero(r);
                given[i].handle = get_u64(r);
                given[i].size = get_u64(r);
                if (given[i].handle < FM_GIVEN_HANDLE_FIRST || given[i].handle > FM_GIVEN_HANDLE_LAST ||
                    given[i].handle % 4 || given[i].size > INT64_MAX)
                        r->error = -EPROTO;
                if (given[i].kind == FM_GIVEN_SECTION)
                        r->descriptors++;
                else if (given[i].kind != FM_GIVEN_REVOKED)
                        r->error = -EPROTO;
        }
        return r->error ? 0 : count;
}

ssize_t fm_frame_encode(const struct fm_frame *f, void *buffer, size_t size)
{
        struct writer w = { .data = buffer, .size = size < FM_FRAME_MAX ? size : FM_FRAME_MAX };

        put_u32(&w, 0);
        put_u16(&w, f->type);
        put_u16(&w, 0);
        put_u64(&w, f->tag);

        switch (f->type) {
        case FM_FRAME_HELLO:
                put_u32(&w, FM_WIRE_MAGIC);
                put_u16(&w, f->hello.version_min);
                put_u16(&w, f->hello.version_max);
                break;
        case FM_FRAME_WELCOME:
                put_u32(&w, FM_WIRE_MAGIC);
                put_u16(&w, f->welcome.version);
                put_u16(&w, 0);
                put_u32(&w, f->welcome.frame_max);
                break;
        case FM_FRAME_CONNECT:
                put_u32(&w, f->connect.flags);
                put_u32(&w, f->connect.options);
                put_bytes(&w, f->connect.name, FM_NAME_MAX);
                put_bytes(&w, f->connect.context, FM_CONTEXT_MAX);
                break;
        case FM_FRAME_CONNECTED:
                put_u32(&w, f->connected.status);
                put_u32(&w, f->connected.flags);
                put_u64(&w, f->connected.ring_size);
                put(&w, f->connected.token, FM_TOKEN_SIZE);
                break;
        case FM_FRAME_JOIN:
                put(&w, f->join.token, FM_TOKEN_SIZE);
                break;
        case FM_FRAME_JOINED:
        case FM_FRAME_RESULT:
        case FM_FRAME_GOODBYE:
                put_u32(&w, f->joined.status);
                break;
        case FM_FRAME_CALL:
                if (f->call.in_length > FM_CALL_MAX || f->call.out_length > FM_CALL_MAX)
                        w.error = -EMSGSIZE;
                put_u32(&w, f->call.flags);
                put_u32(&w, f->call.in_length);
                put_u32(&w, f->call.out_length);
                put_u32(&w, f->call.out_offset);
                if (!(f->call.flags & FM_CALL_IN_MEMFD)) {
                        if (f->call.in_length > FM_INLINE_MAX || f->call.out_length > FM_INLINE_MAX)
                                w.error = -EMSGSIZE;
                        put(&w, f->call.in, f->call.in_length);
                }
                break;
        case FM_FRAME_RETURN:
                put_u32(&w, f->ret.status);
                put_u32(&w, f->ret.flags);
                put_u32(&w, f->ret.out_length);
                put_bytes(&w, f->ret.out, FM_INLINE_MAX);
                put_given(&w, f->ret.given_count, f->ret.given);
                break;
        case FM_FRAME_POKE:
                put_u32(&w, f->poke.flags);
                break;
        case FM_FRAME_DOORBELL:
                put_given(&w, f->doorbell.given_count, f->doorbell.given);
                break;
        case FM_FRAME_MANAGE:
                put_u32(&w, f->manage.op);
                put_u32(&w, f->manage.class);
                put_u32(&w, f->manage.first);
                put_bytes(&w, f->manage.filter, FM_NAME_MAX);
                put_bytes(&w, f->manage.volume, FM_NAME_MAX);
                put_bytes(&w, f->manage.instance, FM_NAME_MAX);
                put_bytes(&w, f->manage.altitude, FM_NAME_MAX);
                break;
        case FM_FRAME_VOLUME:
                put_u32(&w, f->volume.op);
                put_u32(&w, f->volume.flags);
                put_u32(&w, f->volume.sector_size);
                put_u32(&w, f->volume.attr_timeout_ms);
                put_u32(&w, f->volume.entry_timeout_ms);
                put_bytes(&w, f->volume.source, FM_PATH_MAX);
                put_bytes(&w, f->volume.mount_point, FM_PATH_MAX);
                put_bytes(&w, f->volume.options, FM_PATH_MAX);
                break;
        case FM_FRAME_MANAGED:
                put_u32(&w, f->managed.status);
                put_u32(&w, f->managed.more);
                put_u32(&w, f->managed.count);
                put_bytes(&w, f->managed.entries, FM_INLINE_MAX);
                break;
        case FM_FRAME_GET:
                put_u32(&w, f->get.size);
                break;
        case FM_FRAME_MESSAGE:
                put_u32(&w, f->message.status);
                put_u32(&w, f->message.length);
                put_u32(&w, f->message.reply_length);
                put_u64(&w, f->message.message_id);
                put_bytes(&w, f->message.payload, FM_INLINE_MAX);
                break;
        case FM_FRAME_REPLY:
                put_u64(&w, f->reply.message_id);
                put_u32(&w, f->reply.status);
                put_bytes(&w, f->reply.payload, FM_INLINE_MAX);
                break;
        default:
                return -EINVAL;
        }

        if (w.error)
                return w.error;
        size = w.position;
        w.position = 0;
        put_u32(&w, size);
        return size;
}

int fm_frame_decode(const void *buffer, size_t length, unsigned descriptors, struct fm_frame *f)
{
        struct reader r = { .data = buffer, .size = length };
        bool ring;

        memset(f, 0, sizeof(*f));
        if (length > FM_FRAME_MAX || get_u32(&r) != length)
                return -EPROTO;
        f->type = get_u16(&r);
        if (get_u16(&r) != 0)
                r.error = -EPROTO;
        f->tag = get_u64(&r);

        switch (f->type) {
        case FM_FRAME_HELLO:
                if (get_u32(&r) != FM_WIRE_MAGIC)
                        r.error = -EPROTO;
                f->hello.version_min = get_u16(&r);
                f->hello.version_max = get_u16(&r);
                break;
        case FM_FRAME_WELCOME:
                if (get_u32(&r) != FM_WIRE_MAGIC)
                        r.error = -EPROTO;
                f->welcome.version = get_u16(&r);
                if (get_u16(&r) != 0)
                        r.error = -EPROTO;
                f->welcome.frame_max = get_u32(&r);
                break;
        case FM_FRAME_CONNECT:
                f->connect.flags = get_flags(&r, FM_CONNECT_RING);
                f->connect.options = get_u32(&r);
                f->connect.name = get_name(&r);
                f->connect.context = get_bytes(&r, FM_CONTEXT_MAX);
                break;
        case FM_FRAME_CONNECTED:
                f->connected.status = get_u32(&r);
                f->connected.flags = get_flags(&r, FM_CONNECT_RING);
                f->connected.ring_size = get_u64(&r);
                get_token(&r, f->connected.token);
                ring = f->connected.flags & FM_CONNECT_RING;
                r.descriptors = ring;
                if (ring != (f->connected.ring_size != 0))
                        r.error = -EPROTO;
                break;
        case FM_FRAME_JOIN:
                get_token(&r, f->join.token);
                break;
        case FM_FRAME_JOINED:
        case FM_FRAME_RESULT:
        case FM_FRAME_GOODBYE:
                f->joined.status = get_u32(&r);
                break;
        case FM_FRAME_CALL:
                f->call.flags = get_flags(&r, FM_CALL_IN_MEMFD);
                f->call.in_length = get_u32(&r);
                f->call.out_length = get_u32(&r);
                f->call.out_offset = get_u32(&r);
                if (f->call.in_length > FM_CALL_MAX || f->call.out_length > FM_CALL_MAX)
                        r.error = -EPROTO;
                if (f->call.flags & FM_CALL_IN_MEMFD) {
                        r.descriptors = 1;
                } else {
                        if (f->call.in_length > FM_INLINE_MAX || f->call.out_length > FM_INLINE_MAX ||
                            f->call.out_offset)
                                r.error = -EPROTO;
                        f->call.in = get(&r, f->call.in_length);
                }
                break;
        case FM_FRAME_RETURN:
                f->ret.status = get_u32(&r);
                f->ret.flags = get_flags(&r, FM_CALL_IN_MEMFD);
                f->ret.out_length = get_u32(&r);
                f->ret.out = get_bytes(&r, FM_INLINE_MAX);
                f->ret.given_count = get_given(&r, f->ret.given);
                break;
        case FM_FRAME_POKE:
                f->poke.flags = get_flags(&r, FM_POKE_DOORBELL | FM_POKE_SLOTS);
                break;
        case FM_FRAME_DOORBELL:
                f->doorbell.given_count = get_given(&r, f->doorbell.given);
                break;
        case FM_FRAME_MANAGE:
                f->manage.op = get_u32(&r);
                f->manage.class = get_u32(&r);
                f->manage.first = get_u32(&r);
                f->manage.filter = get_name(&r);
                f->manage.volume = get_name(&r);
                f->manage.instance = get_name(&r);
                f->manage.altitude = get_name(&r);
                break;
        case FM_FRAME_VOLUME:
                f->volume.op = get_u32(&r);
                f->volume.flags = get_flags(&r, FM_VOLUME_FLAGS);
                f->volume.sector_size = get_u32(&r);
                f->volume.attr_timeout_ms = get_u32(&r);
                f->volume.entry_timeout_ms = get_u32(&r);
                f->volume.source = get_path(&r);
                f->volume.mount_point = get_path(&r);
                f->volume.options = get_path(&r);
                break;
        case FM_FRAME_MANAGED:
                f->managed.status = get_u32(&r);
                f->managed.more = get_flags(&r, 1);
                f->managed.count = get_u32(&r);
                f->managed.entries = get_bytes(&r, FM_INLINE_MAX);
                break;
        case FM_FRAME_GET:
                f->get.size = get_u32(&r);
                break;
        case FM_FRAME_MESSAGE:
                f->message.status = get_u32(&r);
                f->message.length = get_u32(&r);
                f->message.reply_length = get_u32(&r);
                f->message.message_id = get_u64(&r);
                f->message.payload = get_bytes(&r, FM_INLINE_MAX);
                break;
        case FM_FRAME_REPLY:
                f->reply.message_id = get_u64(&r);
                f->reply.status = get_u32(&r);
                f->reply.payload = get_bytes(&r, FM_INLINE_MAX);
                break;
        default:
                return -EPROTO;
        }

        if (r.error || r.position != r.size ||
            (r.descriptors != descriptors && descriptors != FM_DESCRIPTORS_LOST))
                return -EPROTO;
        return 0;
}

int fm_entry_next(struct fm_bytes entries, size_t *position, struct fm_bytes *ret)
{
        struct reader r = { .data = entries.data, .size = entries.length, .position = *position };

        if (r.position == r.size)
                return 0;
        if (r.position > r.size)
                return -EPROTO;
        ret->length = get_u32(&r);
        get_zero(&r);
        ret->data = get(&r, ret->length);
        get(&r, -ret->length & 7);
        if (r.error)
                return r.error;
        *position = r.position;
        return 1;
}

int fm_entry_add(uint8_t *buffer, size_t size, size_t *position, const void *data, uint32_t length)
{
        struct writer w = { .data = buffer, .size = size, .position = *position };

        put_u32(&w, length);
        put_u32(&w, 0);
        put(&w, data, length);
        put_number(&w, 0, -length & 7);
        if (w.error)
                return w.error;
        *position = w.position;
        return 0;
}
