/* SPDX-License-Identifier: MIT */
/*
 * What port-stress and its agents agree on: a message that says what is to be done with it, contents that can be
 * checked, and a table in shared memory in which an agent writes down what became of each message.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#define STRESS_PORT L"\\Stress"
#define STRESS_AREA (4u * 1024 * 1024) /* longest message or reply */
#define STRESS_TABLE_FD 9              /* where agents find the table */
#define STRESS_BYTES_MAX 200000u       /* of a call, in each direction */

enum stress_behaviour {
        STRESS_REPLY,  /* at once */
        STRESS_DELAY,  /* after a while */
        STRESS_DROP,   /* never: its sender has a deadline */
        STRESS_TWICE,
        STRESS_BOGUS,  /* after a reply to an id that does not exist */
        STRESS_BEHAVIOURS,
};

struct stress_message {
        uint64_t serial;
        uint32_t length;       /* of all of it */
        uint32_t capacity;     /* of the reply; UINT32_MAX: none wanted */
        uint32_t reply_length; /* wanted; may be more than the capacity */
        uint32_t behaviour;
        int32_t status;        /* for the reply */
        uint32_t reserved;
};

/* What the agent was told. */
enum stress_answer {
        STRESS_NO_ANSWER,
        STRESS_ANSWERING, /* if it stays so, the agent was killed inside */
        STRESS_ACCEPTED,
        STRESS_TRUNCATED,
        STRESS_NO_WAITER,
        STRESS_DISCONNECTED,
};

struct stress_record {
        _Atomic uint64_t left_at; /* when its sender was away, without an answer; 0: not yet */
        _Atomic uint8_t received; /* how often */
        _Atomic uint8_t answer;
};

/* The same in all processes. */
static inline uint64_t stress_now(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return now.tv_sec * UINT64_C(1000000000) + now.tv_nsec;
}

static inline uint64_t stress_step(uint64_t *state)
{
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        return *state;
}

static inline void stress_fill(void *data, size_t length, uint64_t seed)
{
        uint64_t state = seed * 0x9e3779b97f4a7c15u | 1, value;
        uint8_t *at = data;

        for (; length >= 8; length -= 8, at += 8) {
                value = stress_step(&state);
                memcpy(at, &value, 8);
        }
        value = stress_step(&state);
        memcpy(at, &value, length);
}

static inline bool stress_check(const void *data, size_t length, uint64_t seed)
{
        uint64_t state = seed * 0x9e3779b97f4a7c15u | 1, value;
        const uint8_t *at = data;

        for (; length >= 8; length -= 8, at += 8) {
                value = stress_step(&state);
                if (memcmp(at, &value, 8) != 0)
                        return false;
        }
        value = stress_step(&state);
        return memcmp(at, &value, length) == 0;
}
