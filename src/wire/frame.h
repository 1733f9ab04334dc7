/* SPDX-License-Identifier: MIT */
/*
 * The frames of the port protocol: encode, decode, limits. No I/O, no allocation, no state.
 *
 * The socket is SOCK_SEQPACKET: one frame is one packet, whole or not at all, and the descriptors that
 * belong to a frame travel with it. All numbers are little endian; strings are UTF-16LE without
 * a NUL. docs/protocol.md is the description for those who write a client of their own; what this file does not
 * accept is a violation of it, and ends the connection.
 *
 * Three kinds of socket, told apart by the first frame after HELLO:
 *   port      CONNECT, then (ring) doorbells from the server, or (no ring) GET/REPLY; lives as long as the connection
 *   channel   JOIN with the token of a connection; one CALL at a time; any process that has the token
 *   manager   MANAGE, VOLUME
 */
#pragma once

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define FM_WIRE_MAGIC 0x50544c46u /* "FLTP" */
#define FM_WIRE_VERSION 1

#define FM_FRAME_HEADER_SIZE 16
#define FM_INLINE_MAX 65536u              /* payload inside a frame; more goes into a memfd */
#define FM_FRAME_MAX (FM_INLINE_MAX + 8192) /* bytes of one frame; fits a default socket buffer */
#define FM_FRAME_DESCRIPTORS_MAX 16       /* SCM_RIGHTS descriptors with one frame */
#define FM_CONTEXT_MAX 0xFFE7u            /* connection context */
#define FM_NAME_MAX 1024u                 /* bytes of any name in a frame */
#define FM_PATH_MAX 4095u                 /* bytes of a path */
#define FM_CALL_MAX (16u * 1024 * 1024)   /* bytes of each direction of a call */
#define FM_TOKEN_SIZE 16

/* Handles that the server gives to an agent: multiples of 4 in this range. The agent's own lie below. */
#define FM_GIVEN_HANDLE_FIRST UINT64_C(0x40000000)
#define FM_GIVEN_HANDLE_LAST UINT64_C(0x7ffffffc)

enum fm_frame_type {
        /* client to server                answer */
        FM_FRAME_HELLO = 1,             /* WELCOME or GOODBYE; may be followed at once by the next frame */
        FM_FRAME_CONNECT = 2,           /* CONNECTED */
        FM_FRAME_JOIN = 3,              /* JOINED */
        FM_FRAME_CALL = 4,              /* RETURN */
        FM_FRAME_POKE = 5,              /* none: "ring the doorbell once", "look for freed slots" */
        FM_FRAME_MANAGE = 6,            /* MANAGED */
        FM_FRAME_GET = 7,               /* MESSAGE; without a ring only */
        FM_FRAME_REPLY = 8,             /* RESULT; without a ring only */
        FM_FRAME_VOLUME = 9,            /* MANAGED */

        /* server to client */
        FM_FRAME_WELCOME = 0x8001,
        FM_FRAME_CONNECTED = 0x8002,    /* with the ring's memfd if there is one */
        FM_FRAME_JOINED = 0x8003,
        FM_FRAME_RETURN = 0x8004,
        FM_FRAME_DOORBELL = 0x8005,     /* messages may be there; brings descriptors for given handles */
        FM_FRAME_MANAGED = 0x8006,
        FM_FRAME_MESSAGE = 0x8007,
        FM_FRAME_RESULT = 0x8008,
        FM_FRAME_GOODBYE = 0x8009,      /* the server closes; status says why */
};

#define FM_CONNECT_RING 0x1u  /* wants the shared ring */
#define FM_CALL_IN_MEMFD 0x1u /* the frame's one descriptor holds input at 0 and takes output at out_offset */
enum fm_volume_op {
        FM_VOLUME_MOUNT = 1,   /* all fields; a failure's one entry says in UTF-8 what is wrong */
        FM_VOLUME_UNMOUNT = 2, /* mount point; the same. A success has an entry, of no bytes, if the manager ends now */
};

#define FM_VOLUME_ALLOW_OTHER 0x1u
#define FM_VOLUME_NO_ALLOW_OTHER 0x2u
#define FM_VOLUME_READ_ONLY 0x4u
#define FM_VOLUME_FORCE 0x8u /* to unmount: end what is in progress on it */
#define FM_VOLUME_LAZY 0x10u /* to unmount: out of sight now, and over when nothing is open any more */
#define FM_VOLUME_FLAGS 0x1fu

#define FM_POKE_DOORBELL 0x1u
#define FM_POKE_SLOTS 0x2u

/* What a DOORBELL or RETURN says about one handle of the agent. */
enum fm_given_kind {
        FM_GIVEN_SECTION = 1, /* the next descriptor of the frame is this handle; size: bytes to map */
        FM_GIVEN_REVOKED = 2, /* the filter has closed it; no descriptor */
};

struct fm_given {
        uint32_t kind;
        uint64_t handle;
        uint64_t size;
};

enum fm_manage_op {
        FM_MANAGE_LIST_FILTERS = 1,          /* class */
        FM_MANAGE_LIST_VOLUMES = 2,          /* class */
        FM_MANAGE_LIST_INSTANCES = 3,        /* class, filter */
        FM_MANAGE_LIST_VOLUME_INSTANCES = 4, /* class, volume */
        FM_MANAGE_FILTER_INFORMATION = 5,    /* class, filter: one entry */
        FM_MANAGE_INSTANCE_INFORMATION = 6,  /* class, filter, volume, instance or empty: one entry */
        FM_MANAGE_DOS_NAME = 7,              /* volume: one entry, UTF-16 */
        FM_MANAGE_LOAD = 8,                  /* filter: service name, or path of an INF, key file or image */
        FM_MANAGE_UNLOAD = 9,                /* filter */
        FM_MANAGE_ATTACH = 10,               /* all names, the last two may be empty: one entry */
        FM_MANAGE_DETACH = 11,               /* filter, volume, instance */
};

/*
 * Which information a MANAGE asks for: the numbers of FILTER_INFORMATION_CLASS,
 * FILTER_VOLUME_INFORMATION_CLASS and INSTANCE_INFORMATION_CLASS. Entries have the documented layout.
 */

struct fm_bytes {
        const uint8_t *data; /* borrowed; not aligned */
        uint32_t length;
};

struct fm_frame {
        uint16_t type;
        uint64_t tag; /* chosen by the client, comes back in the answer */
        union {
                struct {
                        uint16_t version_min, version_max;
                } hello;
                struct {
                        uint16_t version;
                        uint32_t frame_max;
                } welcome;
                struct {
                        uint32_t flags;   /* FM_CONNECT_* */
                        uint32_t options; /* FLT_PORT_FLAG_*, as the agent gave them */
                        struct fm_bytes name, context;
                } connect;
                struct {
                        int32_t status; /* NTSTATUS; the rest counts if it is a success */
                        uint32_t flags; /* FM_CONNECT_RING: a memfd of ring_size bytes comes along */
                        uint64_t ring_size;
                        uint8_t token[FM_TOKEN_SIZE];
                } connected;
                struct {
                        uint8_t token[FM_TOKEN_SIZE];
                } join;
                struct {
                        int32_t status;
                } joined, result, goodbye;
                struct {
                        uint32_t flags; /* FM_CALL_* */
                        uint32_t in_length, out_length;
                        uint32_t out_offset;  /* in the memfd */
                        const uint8_t *in;    /* in_length bytes, unless FM_CALL_IN_MEMFD */
                } call;
                struct {
                        int32_t status;
                        uint32_t flags;      /* FM_CALL_IN_MEMFD: output is there, not here */
                        uint32_t out_length; /* what the callback said; perhaps more than came */
                        struct fm_bytes out;
                        uint32_t given_count;
                        struct fm_given given[FM_FRAME_DESCRIPTORS_MAX];
                } ret;
                struct {
                        uint32_t flags; /* FM_POKE_* */
                } poke;
                struct {
                        uint32_t given_count;
                        struct fm_given given[FM_FRAME_DESCRIPTORS_MAX];
                } doorbell;
                struct {
                        uint32_t op, class, first; /* first: how many entries to skip */
                        struct fm_bytes filter, volume, instance, altitude;
                } manage;
                struct {
                        uint32_t op, flags; /* FM_VOLUME_* */
                        uint32_t sector_size;
                        uint32_t attr_timeout_ms, entry_timeout_ms;
                        struct fm_bytes source, mount_point; /* absolute paths, no NUL; bytes as the file system has them */
                        struct fm_bytes options;             /* of mount(8) */
                } volume;
                struct {
                        int32_t status;
                        uint32_t more;           /* 1: ask again with first += count */
                        uint32_t count;
                        struct fm_bytes entries; /* see fm_entry_next() */
                } managed;
                struct {
                        uint32_t size; /* of the receive, header included */
                } get;
                struct {
                        int32_t status;        /* STATUS_BUFFER_TOO_SMALL: only length counts */
                        uint32_t length;       /* header included */
                        uint32_t reply_length; /* FILTER_MESSAGE_HEADER.ReplyLength */
                        uint64_t message_id;
                        struct fm_bytes payload;
                } message;
                struct {
                        uint64_t message_id;
                        int32_t status; /* FILTER_REPLY_HEADER.Status */
                        struct fm_bytes payload;
                } reply;
        };
};

/* Bytes written, or -EMSGSIZE (buffer or a limit), -EINVAL (unknown type). */
ssize_t fm_frame_encode(const struct fm_frame *frame, void *buffer, size_t size);

#define FM_DESCRIPTORS_LOST UINT_MAX

/*
 * Decodes exactly one frame of length bytes; pointers in *ret point into the buffer. descriptors: how many came
 * with the packet; a number that does not fit the frame is a violation. FM_DESCRIPTORS_LOST: the receiver had no
 * room for them all, so their number says nothing. 0 or -EPROTO.
 */
int fm_frame_decode(const void *buffer, size_t length, unsigned descriptors, struct fm_frame *ret);

/* What the first bytes of a frame say about its length: for a decoded frame, its length. */
static inline uint32_t fm_frame_length(const void *buffer)
{
        const uint8_t *raw = buffer;

        return raw[0] | raw[1] << 8 | raw[2] << 16 | (uint32_t)raw[3] << 24;
}

/* Walks the entries of a MANAGED frame: *position starts at 0. 1: *ret is the next one, 0: end, -EPROTO. */
int fm_entry_next(struct fm_bytes entries, size_t *position, struct fm_bytes *ret);
/* Appends an entry at *position of buffer. -EMSGSIZE: no room. */
int fm_entry_add(uint8_t *buffer, size_t size, size_t *position, const void *data, uint32_t length);
