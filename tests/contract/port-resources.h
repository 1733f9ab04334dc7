/* SPDX-License-Identifier: MIT */
/* What a process holds just now: for tests that no such thing grows. */
#pragma once

#include <glib.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#ifndef __has_feature
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || __has_feature(address_sanitizer) ||       \
        __has_feature(thread_sanitizer)
#define SANITIZED true /* which keeps what was freed */
#else
#define SANITIZED false
#endif

/* Open descriptors, without those that the cache of processes (at most 256) keeps of agents who are gone. */
static inline unsigned count_descriptors(void)
{
        g_autoptr(GDir) dir = g_dir_open("/proc/self/fd", 0, NULL);
        unsigned count = 0, processes = 0;
        const char *name;

        while (dir && (name = g_dir_read_name(dir))) {
                g_autofree char *path = g_strdup_printf("/proc/self/fd/%s", name);
                g_autofree char *target = g_file_read_link(path, NULL);

                if (target && strcmp(target, "anon_inode:[pidfd]") == 0)
                        processes++;
                else
                        count++;
        }
        g_assert_cmpuint(processes, <=, 256);
        return count;
}

static inline unsigned count_threads(void)
{
        g_autoptr(GDir) dir = g_dir_open("/proc/self/task", 0, NULL);
        unsigned count = 0;

        while (dir && g_dir_read_name(dir))
                count++;
        return count;
}

/* Resident anonymous memory, in KiB; what is shared with agents does not count. */
static inline unsigned memory_used(void)
{
        g_autofree char *text = NULL;
        const char *line;

        g_assert_true(g_file_get_contents("/proc/self/status", &text, NULL, NULL));
        line = strstr(text, "RssAnon:");
        return line ? strtoul(line + strlen("RssAnon:"), NULL, 10) : 0;
}

/* Bytes of the heap that are not free, of all threads. 0 with a sanitizer, whose heap is another. */
static inline size_t heap_used(void)
{
        struct mallinfo2 info = mallinfo2();

        return SANITIZED ? 0 : info.uordblks + info.hblkhd;
}

struct resources {
        unsigned descriptors, threads, memory;
        size_t heap;
};

static inline struct resources resources_now(void)
{
        return (struct resources){ count_descriptors(), count_threads(), memory_used(), heap_used() };
}

static inline void resources_print(const char *who, const struct resources *before, const struct resources *after)
{
        g_print("# %s: descriptors %u and %u, threads %u and %u, resident %u and %u KiB, heap %zu and %zu bytes\n", who,
                before->descriptors, after->descriptors, before->threads, after->threads, before->memory, after->memory,
                before->heap, after->heap);
}
