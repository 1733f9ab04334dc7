/* SPDX-License-Identifier: MIT */
/*
 * The log: one write(2) per line.
 *
 * It must work from a signal handler that is about to end the process and on a thread that holds any
 * lock: no lock is taken here, and no memory is allocated unless a line is very long.
 */
#include "nt/log.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SHORT_LINE   1024
#define LONGEST_TEXT (64 * 1024)

static _Atomic int log_fd = STDERR_FILENO;
static _Atomic int log_level = FM_LOG_INFO;

static const char *const level_names[] = {
        [FM_LOG_ERROR] = "error",
        [FM_LOG_WARNING] = "warning",
        [FM_LOG_INFO] = "info",
        [FM_LOG_DEBUG] = "debug",
};

void fm_log_init(int fd, enum fm_log_level level)
{
        atomic_store(&log_fd, fd);
        atomic_store(&log_level, (int)level);
}

/* Names of files get into lines: they must not be able to look like a line of their own. */
static void defuse(char *text, size_t length)
{
        for (size_t i = 0; i < length; i++) {
                unsigned char byte = (unsigned char)text[i];

                if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
                        text[i] = '?';
        }
}

static void write_line(const char *line, size_t length)
{
        int fd = atomic_load(&log_fd);

        while (length > 0) {
                ssize_t written = TEMP_FAILURE_RETRY(write(fd, line, length));

                if (written <= 0)
                        return;
                line += written;
                length -= (size_t)written;
        }
}

static size_t format_prefix(char *out, size_t size, enum fm_log_level level, const char *area)
{
        struct timespec now;
        struct tm tm;
        int length;

        clock_gettime(CLOCK_REALTIME, &now);
        gmtime_r(&now.tv_sec, &tm);
        length = snprintf(out, size, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ %s %s: ", tm.tm_year + 1900,
                          tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, now.tv_nsec / 1000000,
                          level_names[level], area ? area : "fltmgr");
        if (length < 0)
                return 0;
        return MIN((size_t)length, size - 1);
}

void fm_log_v(enum fm_log_level level, const char *area, const char *format, va_list args)
{
        char line[SHORT_LINE];
        char *out = line;
        g_autofree char *longer = NULL;
        size_t prefix;
        va_list again;
        int text;

        if (level < FM_LOG_ERROR || level > FM_LOG_DEBUG || (int)level > atomic_load(&log_level))
                return;

        prefix = format_prefix(line, sizeof(line) / 2, level, area);
        va_copy(again, args);
        text = vsnprintf(line + prefix, sizeof(line) - prefix - 1, format, again);
        va_end(again);
        if (text < 0)
                return;
        if ((size_t)text >= sizeof(line) - prefix - 1) {
                size_t size = prefix + MIN((size_t)text, (size_t)LONGEST_TEXT) + 2;

                longer = g_try_malloc(size);
                if (longer) {
                        memcpy(longer, line, prefix);
                        (void)!vsnprintf(longer + prefix, size - prefix - 1, format, args);
                        out = longer;
                        text = (int)MIN((size_t)text, size - prefix - 2);
                } else {
                        text = (int)(sizeof(line) - prefix - 2);
                }
        }
        defuse(out, prefix + (size_t)text);
        out[prefix + (size_t)text] = '\n';
        write_line(out, prefix + (size_t)text + 1);
}

void fm_log(enum fm_log_level level, const char *area, const char *format, ...)
{
        va_list args;

        va_start(args, format);
        fm_log_v(level, area, format, args);
        va_end(args);
}
