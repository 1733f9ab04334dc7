/* SPDX-License-Identifier: MIT */
/* What message-bench and its agent agree on. */
#pragma once

#include <stdint.h>

#define BENCH_PORT L"\\TestPort"
#define BENCH_SIZE_MAX (1024u * 1024)
#define BENCH_REPLY 64u /* bytes of each reply */

struct message_head {
        uint64_t handle; /* given to the agent with this message, or 0 */
};
