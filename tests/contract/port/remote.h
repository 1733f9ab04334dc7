/* SPDX-License-Identifier: MIT */
/*
 * What a test and its agent processes say to each other: one packet asks for one call of fltUser.h or Win32, one
 * packet says what came of it. Both sides are built from this file, so it uses C's types only.
 *
 * A request runs on one of the agent's threads, in the order they came there; others run meanwhile.
 */
#pragma once

#include <stdint.h>

#define REMOTE_FD 3 /* the agent's end */
#define REMOTE_WORKERS 8
#define REMOTE_SLOTS 64 /* overlapped receives */
#define REMOTE_DATA 2048

enum remote_op {
        REMOTE_NONE, /* value: the agent's process id; id: that of the worker's thread */
        REMOTE_CONNECT,
        REMOTE_CLOSE,
        REMOTE_DUPLICATE,
        REMOTE_MAP, /* MapViewOfFile of a handle that the filter gave; data: what is there */
        REMOTE_GET,
        REMOTE_START_GET,  /* overlapped, in `slot` */
        REMOTE_FINISH_GET, /* GetOverlappedResult of `slot`, waiting */
        REMOTE_WAIT_EVENT, /* of `slot` */
        REMOTE_SPIN,          /* reads `slot`'s Internal in code of its own until it is no longer pending */
        REMOTE_SPIN_COMPLETED, /* HasOverlappedIoCompleted of `slot` until it says so */
        REMOTE_SPIN_RESULT,    /* GetOverlappedResult, not waiting, of `slot` until it is complete */
        REMOTE_POLL_RESULT,    /* the same of `slot` and the one behind it, each time the port's descriptor is readable;
                                  slot: which; value: how often */
        REMOTE_CANCEL,
        REMOTE_CANCEL_EX,
        REMOTE_ASSOCIATE, /* a new completion port for the handle */
        REMOTE_DEQUEUE,   /* one packet of a completion port */
        REMOTE_REPLY,
        REMOTE_SEND,
        REMOTE_POLL, /* the port's descriptor, until it is readable */
        REMOTE_TRY_GET,
        REMOTE_FORK,     /* a child that holds all handles until REMOTE_FORK_END */
        REMOTE_FORK_END,
        REMOTE_FORK_SEND, /* REMOTE_SEND by a child */
        REMOTE_FORK_SPIN, /* REMOTE_START_GET and REMOTE_SPIN by a child */
        REMOTE_BECOME, /* another user: options uid, size gid, data supplementary groups */
        REMOTE_RAW,    /* sends `data` to the server's socket, as it is, and reads until the end */
        REMOTE_FLOOD, /* opens `size` sockets to the server; value: those that it welcomed; closes them if options */
        REMOTE_LIMIT, /* descriptors of the process: so many more than it has; options: no limit any more */
        REMOTE_FILTER_LOAD,
        REMOTE_FILTER_UNLOAD,
        REMOTE_FILTER_ATTACH, /* names: filter, volume, instance, altitude; size: of the created name */
        REMOTE_FILTER_DETACH,
        REMOTE_FILTER_OPEN,
        REMOTE_FILTER_CLOSE,
        REMOTE_INSTANCE_OPEN,
        REMOTE_INSTANCE_CLOSE,
        REMOTE_FILTER_INFORMATION,
        REMOTE_INSTANCE_INFORMATION,
        REMOTE_FIND_FIRST, /* options: enum remote_find */
        REMOTE_FIND_NEXT,
        REMOTE_FIND_CLOSE,
        REMOTE_DOS_NAME,
};

enum remote_find {
        REMOTE_FIND_FILTERS,
        REMOTE_FIND_VOLUMES,
        REMOTE_FIND_INSTANCES,
        REMOTE_FIND_VOLUME_INSTANCES,
};

#define REMOTE_NULL_IN 1u   /* a null pointer instead of data, whatever the size says */
#define REMOTE_NULL_OUT 2u  /* the same for the output */
#define REMOTE_PATTERN 4u   /* `size` bytes of remote_pattern() instead of data */
#define REMOTE_EVENT 8u     /* the OVERLAPPED has an event */
#define REMOTE_LIE_IN 16u   /* only the first page of the input exists */
#define REMOTE_LIE_OUT 32u  /* the same for the output */
#define REMOTE_NO_NAME 64u  /* a null pointer for the created name */

struct remote_request {
        uint32_t serial, op, worker, flags;
        uint64_t handle, id;
        uint32_t slot, options;
        uint32_t size;     /* of the input, or the message buffer, as the function is told */
        uint32_t out_size;
        uint32_t class_of;
        int32_t status;
        uint32_t length; /* of data */
        uint8_t data[REMOTE_DATA];
};

struct remote_result {
        uint32_t serial;
        uint32_t hr;       /* the HRESULT; for functions of Win32: whether they succeeded */
        uint32_t error;    /* GetLastError() after it */
        uint32_t bytes;    /* lpBytesReturned, InternalHigh, completion packet */
        uint32_t internal; /* OVERLAPPED.Internal */
        uint32_t slot;
        uint64_t handle, value;
        uint64_t id; /* of the message */
        uint32_t reply_length;
        uint32_t pattern; /* the bytes from the start of the payload or output that are remote_pattern() */
        uint32_t length;  /* of data: the payload, the output, or the entry */
        uint8_t data[REMOTE_DATA];
};

static inline uint8_t remote_pattern(uint32_t i)
{
        return (uint8_t)(i * 7 + (i >> 8));
}

static inline uint32_t remote_pattern_length(const uint8_t *data, uint32_t length)
{
        uint32_t n = 0;

        while (n < length && data[n] == remote_pattern(n))
                n++;
        return n;
}
