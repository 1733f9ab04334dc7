/* SPDX-License-Identifier: MIT */
/*
 * Reports of misuse. A report names the filter and shows who called, since its reader has not seen it happen.
 *
 * Nothing here trusts what it describes: it may be called from a signal handler, about objects that are broken.
 */
#include "nt/verifier.h"

#include <execinfo.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "nt/log.h"
#include "nt/rules.h"
#include "nt/seh.h"
#include "nt/symbol.h"
#include "nt/thread.h"
#include "nt/unicode.h"

#define FRAMES            32
#define LAST_WORD_SECONDS 20

static _Atomic bool violations_are_fatal;
static _Atomic bool completions_are_raised;
static _Atomic uint64_t violations;
static void (*_Atomic last_act)(void);

void fm_verifier_init(bool fatal)
{
        void *frames[2];

        atomic_store(&violations_are_fatal, fatal);
        /* The first call loads the unwinder, which is not a thing to do in a signal handler. */
        (void)backtrace(frames, 2);
}

void fm_verifier_raise_completions(bool raise)
{
        atomic_store(&completions_are_raised, raise);
}

bool fm_verifier_raises_completions(void)
{
        return atomic_load_explicit(&completions_are_raised, memory_order_relaxed);
}

void fm_verifier_set_last_act(void (*act)(void))
{
        atomic_store(&last_act, act);
}

unsigned fm_verifier_patience(void)
{
        const char *text = g_getenv("FLTSIM_VERIFIER_PATIENCE");
        guint64 milliseconds;

        return text && g_ascii_string_to_unsigned(text, 10, 1, 3600000, &milliseconds, NULL) ? (unsigned)milliseconds :
                                                                                              10000;
}

void *fm_verifier_graveyard(void)
{
        static gsize page;

        if (g_once_init_enter(&page))
                g_once_init_leave(&page, (gsize)mmap(NULL, PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        return (void *)page == MAP_FAILED ? NULL : (void *)page;
}

bool fm_verifier_is_grave(const void *address)
{
        const char *page = fm_verifier_graveyard();

        return page && (const char *)address >= page && (const char *)address < page + PAGE_SIZE;
}

static const char *area(void)
{
        const char *filter = fm_thread_self()->filter;

        return filter ? filter : "fltmgr";
}

/* returned: the address is where a call comes back to, which may be past the end of the function that called. */
static void log_frame(const char *who, int number, const void *address, bool returned)
{
        struct fm_symbol symbol;

        if (!fm_symbol_find((const char *)address - (returned ? 1 : 0), &symbol))
                fm_log(FM_LOG_ERROR, who, "    #%d %p", number, address);
        else
                fm_log(FM_LOG_ERROR, who, "    #%d %s%s0x%zx in %s", number, symbol.name, symbol.name[0] ? "+" : "",
                       symbol.offset + (returned ? 1 : 0), symbol.image);
}

/* code: a function that has returned already, or NULL. */
G_GNUC_NO_INLINE static void log_backtrace(const char *who, const void *code, int own_frames)
{
        void *frames[FRAMES];
        int count = backtrace(frames, FRAMES);
        int number = 0;

        if (code)
                log_frame(who, number++, code, false);
        for (int i = 1 + own_frames; i < count; i++)
                log_frame(who, number++, frames[i], true);
}

/* " (\dir\file)"; empty if it has no name, or is not there any more. */
static void describe_file(PFILE_OBJECT file, char *text, size_t size)
{
        WCHAR chars[256];
        UNICODE_STRING name;
        g_autofree char *utf8 = NULL;
        size_t count;

        text[0] = 0;
        if (!file || !fm_copy_safely(&name, &file->FileName, sizeof(name)))
                return;
        count = MIN(name.Length / sizeof(WCHAR), G_N_ELEMENTS(chars));
        if (count == 0 || !fm_copy_safely(chars, name.Buffer, count * sizeof(WCHAR)))
                return;
        utf8 = fm_utf8_from_utf16(chars, count);
        (void)snprintf(text, size, " (%s)", utf8);
}

/* "onaccess, a pre-operation of IRP_MJ_DIRECTORY_CONTROL/0x01 (\dir): " */
static void describe(const struct fm_culprit *culprit, char *text, size_t size)
{
        char minor[8] = "", file[768];

        if (!culprit->filter) {
                text[0] = 0;
        } else if (culprit->callback && culprit->operation) {
                if (culprit->minor)
                        (void)snprintf(minor, sizeof(minor), "/0x%02x", culprit->minor);
                describe_file(culprit->file, file, sizeof(file));
                (void)snprintf(text, size, "%s, %s of %s%s%s: ", culprit->filter, culprit->callback, culprit->operation,
                               minor, file);
        } else if (culprit->callback) {
                (void)snprintf(text, size, "%s, %s: ", culprit->filter, culprit->callback);
        } else {
                (void)snprintf(text, size, "%s: ", culprit->filter);
        }
}

struct fm_culprit fm_culprit_here(void)
{
        const struct fm_thread *self = fm_thread_self();

        return (struct fm_culprit){self->filter, self->callback, self->operation, NULL, self->minor, self->file};
}

/* The backtrace, if wanted, begins two frames further out. */
G_GNUC_NO_INLINE G_NORETURN static void bugcheck(const char *who, uint32_t code, uint32_t parameter, const char *text,
                                                 bool with_backtrace)
{
        static _Atomic bool entered;
        const char *name = fm_bug_check_name(code);
        char number[16] = "";
        void (*act)(void);

        if (parameter)
                (void)snprintf(number, sizeof(number), " (0x%x)", parameter);
        fm_log(FM_LOG_ERROR, who, "bug check 0x%08x%s%s%s: %s", code, name ? " " : "", name ? name : "", number, text);
        /* A crash while the first one is being described must not describe itself for ever. */
        if (!atomic_exchange(&entered, true)) {
                /* Nor may a lock that the crash has left behind keep the process alive. */
                signal(SIGALRM, SIG_DFL);
                alarm(LAST_WORD_SECONDS);
                if (with_backtrace)
                        log_backtrace(who, NULL, 2);
                act = atomic_load(&last_act);
                if (act)
                        act();
        }
        abort();
}

/* A note is for who writes the filter, and he needs it once. */
static bool was_noted(const struct fm_culprit *culprit, const char *rule)
{
        static GMutex lock;
        static GHashTable *noted;
        char *key = g_strdup_printf("%s %s %s %s", rule, culprit->filter, culprit->callback, culprit->operation);
        bool first;

        g_mutex_lock(&lock);
        if (!noted)
                noted = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        first = g_hash_table_add(noted, key);
        g_mutex_unlock(&lock);
        return !first;
}

G_GNUC_NO_INLINE G_GNUC_PRINTF(3, 0) static void report(const struct fm_culprit *culprit, const char *name,
                                                        const char *format, va_list args)
{
        const struct fm_rule *rule = fm_rule_find(name);
        const char *who = culprit->filter ? culprit->filter : "fltmgr";
        bool note = rule && rule->note;
        char where[1024], line[2048];
        size_t length;

        if (note && was_noted(culprit, name))
                return;
        describe(culprit, where, sizeof(where));
        length = (size_t)snprintf(line, sizeof(line), "%s: %s", name, where);
        (void)vsnprintf(line + length, sizeof(line) - length, format, args);
        if (note) {
                fm_log(FM_LOG_WARNING, who, "note %s", line);
                return;
        }
        atomic_fetch_add(&violations, 1);
        fm_log(FM_LOG_ERROR, who, "violation %s", line);
        log_backtrace(who, culprit->code, 2);
        if (atomic_load(&violations_are_fatal))
                bugcheck(who, rule ? rule->bug_check : 0xc4, rule ? rule->parameter : 0, line, false);
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
        const struct fm_culprit culprit = fm_culprit_here();
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
        const struct fm_culprit culprit = fm_culprit_here();
        char text[2048];
        size_t length;
        va_list args;

        describe(&culprit, text, sizeof(text) / 2);
        length = strlen(text);
        va_start(args, format);
        (void)vsnprintf(text + length, sizeof(text) - length, format, args);
        va_end(args);
        bugcheck(area(), code, 0, text, true);
}
