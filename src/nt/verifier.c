/* SPDX-License-Identifier: MIT */
/*
 * Reports of misuse. A report names the filter and shows who called, since its reader has not seen it happen.
 */
#include "nt/verifier.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "nt/log.h"
#include "nt/thread.h"

#define FRAMES 32

static _Atomic bool violations_are_fatal;
static _Atomic uint64_t violations;

void fm_verifier_init(bool fatal)
{
        void *frames[2];

        atomic_store(&violations_are_fatal, fatal);
        /* The first call loads the unwinder, which is not a thing to do in a signal handler. */
        (void)backtrace(frames, 2);
}

static const char *area(void)
{
        const char *filter = fm_thread_self()->filter;

        return filter ? filter : "fltmgr";
}

static void log_backtrace(void)
{
        void *frames[FRAMES];
        int count = backtrace(frames, FRAMES);

        /* The two innermost are this file's own. */
        for (int i = 2; i < count; i++) {
                Dl_info info;

                if (!dladdr(frames[i], &info))
                        fm_log(FM_LOG_ERROR, area(), "    #%d %p", i - 2, frames[i]);
                else if (info.dli_sname)
                        fm_log(FM_LOG_ERROR, area(), "    #%d %s+0x%zx in %s", i - 2, info.dli_sname,
                               (size_t)((char *)frames[i] - (char *)info.dli_saddr), info.dli_fname);
                else
                        fm_log(FM_LOG_ERROR, area(), "    #%d 0x%zx in %s", i - 2,
                               (size_t)((char *)frames[i] - (char *)info.dli_fbase), info.dli_fname);
        }
}

void fm_violation(const char *rule, const char *format, ...)
{
        char text[512];
        va_list args;

        va_start(args, format);
        (void)vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        atomic_fetch_add(&violations, 1);
        fm_log(FM_LOG_ERROR, area(), "violation %s: %s", rule, text);
        log_backtrace();
        if (atomic_load(&violations_are_fatal))
                fm_bugcheck(0xc4, "%s: %s", rule, text); /* DRIVER_VERIFIER_DETECTED_VIOLATION */
}

uint64_t fm_violation_count(void)
{
        return atomic_load(&violations);
}

void fm_not_supported(const char *what)
{
        static GMutex lock;
        static GHashTable *said;
        bool first;

        g_mutex_lock(&lock);
        if (!said)
                said = g_hash_table_new(g_str_hash, g_str_equal);
        first = g_hash_table_add(said, (void *)g_intern_string(what));
        g_mutex_unlock(&lock);
        if (first)
                fm_log(FM_LOG_WARNING, area(), "not supported: %s", what);
}

void fm_bugcheck(uint32_t code, const char *format, ...)
{
        static _Atomic bool entered;
        char text[512];
        va_list args;

        va_start(args, format);
        (void)vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        fm_log(FM_LOG_ERROR, area(), "bug check 0x%08x: %s", code, text);
        /* A crash while the first one is being described must not describe itself for ever. */
        if (!atomic_exchange(&entered, true))
                log_backtrace();
        abort();
}
