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

static void log_frame(const char *who, int number, const void *address)
{
        Dl_info info;

        if (!dladdr(address, &info))
                fm_log(FM_LOG_ERROR, who, "    #%d %p", number, address);
        else if (info.dli_sname)
                fm_log(FM_LOG_ERROR, who, "    #%d %s+0x%zx in %s", number, info.dli_sname,
                       (size_t)((const char *)address - (const char *)info.dli_saddr), info.dli_fname);
        else
                fm_log(FM_LOG_ERROR, who, "    #%d 0x%zx in %s", number,
                       (size_t)((const char *)address - (const char *)info.dli_fbase), info.dli_fname);
}

/* code: a function that has returned already, or NULL. */
G_GNUC_NO_INLINE static void log_backtrace(const char *who, const void *code, int own_frames)
{
        void *frames[FRAMES];
        int count = backtrace(frames, FRAMES);
        int number = 0;

        if (code)
                log_frame(who, number++, code);
        for (int i = 1 + own_frames; i < count; i++)
                log_frame(who, number++, frames[i]);
}

/* "onaccess, a pre-operation of IRP_MJ_CREATE: " */
static void describe(const struct fm_culprit *culprit, char *text, size_t size)
{
        if (!culprit->filter)
                text[0] = 0;
        else if (culprit->callback && culprit->operation)
                (void)snprintf(text, size, "%s, %s of %s: ", culprit->filter, culprit->callback, culprit->operation);
        else if (culprit->callback)
                (void)snprintf(text, size, "%s, %s: ", culprit->filter, culprit->callback);
        else
                (void)snprintf(text, size, "%s: ", culprit->filter);
}

/* The backtrace, if wanted, begins two frames further out. */
G_GNUC_NO_INLINE G_NORETURN static void bugcheck(const char *who, uint32_t code, const char *text, bool with_backtrace)
{
        static _Atomic bool entered;

        fm_log(FM_LOG_ERROR, who, "bug check 0x%08x: %s", code, text);
        /* A crash while the first one is being described must not describe itself for ever. */
        if (with_backtrace && !atomic_exchange(&entered, true))
                log_backtrace(who, NULL, 2);
        abort();
}

G_GNUC_NO_INLINE G_GNUC_PRINTF(3, 0) static void report(const struct fm_culprit *culprit, const char *rule, const char *format, va_list args)
{
        const char *who = culprit->filter ? culprit->filter : "fltmgr";
        char where[256], line[1024];
        size_t length;

        describe(culprit, where, sizeof(where));
        length = (size_t)snprintf(line, sizeof(line), "%s: %s", rule, where);
        (void)vsnprintf(line + length, sizeof(line) - length, format, args);
        atomic_fetch_add(&violations, 1);
        fm_log(FM_LOG_ERROR, who, "violation %s", line);
        log_backtrace(who, culprit->code, 2);
        if (atomic_load(&violations_are_fatal))
                bugcheck(who, 0xc4, line, false); /* DRIVER_VERIFIER_DETECTED_VIOLATION */
}

void fm_violation_of_v(const struct fm_culprit *culprit, const char *rule, const char *format, va_list args)
{
        report(culprit, rule, format, args);
}

void fm_violation_of(const struct fm_culprit *culprit, const char *rule, const char *format, ...)
{
        va_list args;

        va_start(args, format);
        report(culprit, rule, format, args);
        va_end(args);
}

void fm_violation(const char *rule, const char *format, ...)
{
        const struct fm_thread *self = fm_thread_self();
        const struct fm_culprit culprit = { self->filter, self->callback, self->operation, NULL };
        va_list args;

        va_start(args, format);
        report(&culprit, rule, format, args);
        va_end(args);
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
        char text[512];
        va_list args;

        va_start(args, format);
        (void)vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        bugcheck(area(), code, text, true);
}
