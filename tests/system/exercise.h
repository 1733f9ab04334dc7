/* SPDX-License-Identifier: MIT */
/*
 * What the exercisers share: numbers that the seed alone decides, so that a run can be repeated, and what was
 * done last, for who has to find out why a run failed.
 */
#pragma once

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum {
        EXERCISE_SAID = 24, /* steps that are remembered */
        EXERCISE_LINE = 160,
};

struct exercise {
        uint64_t seed, state;
        unsigned long step;
        char said[EXERCISE_SAID][EXERCISE_LINE];
};

static inline void exercise_init(struct exercise *exercise, uint64_t seed)
{
        exercise->seed = seed;
        exercise->state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
        exercise->step = 0;
}

/* 0 ... limit - 1 */
static inline uint32_t exercise_random(struct exercise *exercise, uint32_t limit)
{
        uint64_t x = exercise->state;

        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        exercise->state = x;
        return (uint32_t)((x >> 32) * limit >> 32);
}

static inline __attribute__((format(printf, 2, 3))) void exercise_say(struct exercise *exercise,
                                                                       const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        vsnprintf(exercise->said[exercise->step % EXERCISE_SAID], EXERCISE_LINE, format, arguments);
        va_end(arguments);
}

/* What is wrong, and what led there; the end. */
static inline __attribute__((format(printf, 2, 3), noreturn)) void exercise_fail(struct exercise *exercise,
                                                                                  const char *format, ...)
{
        const unsigned long from = exercise->step >= EXERCISE_SAID ? exercise->step - EXERCISE_SAID + 1 : 0;
        va_list arguments;

        printf("seed %llu, step %lu: ", (unsigned long long)exercise->seed, exercise->step);
        va_start(arguments, format);
        vprintf(format, arguments);
        va_end(arguments);
        printf("\n");
        for (unsigned long i = from; i <= exercise->step; i++)
                printf("  %lu: %s\n", i, exercise->said[i % EXERCISE_SAID]);
        fflush(stdout);
        exit(1);
}
