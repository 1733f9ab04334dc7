/* SPDX-License-Identifier: MIT */
/*
 * The log of one filter manager: a line per event, to stderr or to a file.
 *
 * A line is "TIME LEVEL AREA: text". Lines are written with one write(2) each, so that lines of
 * several threads never mix. Nothing here takes a lock that a filter could hold.
 */
#pragma once

#include <glib.h>
#include <stdarg.h>

enum fm_log_level {
        FM_LOG_ERROR,
        FM_LOG_WARNING,
        FM_LOG_INFO,
        FM_LOG_DEBUG,
};

/* Sends the log to fd (borrowed; 2 until told otherwise) and drops what is less important than level. */
void fm_log_init(int fd, enum fm_log_level level);

/* area: "fltmgr", "fuse", "port", or the name of the filter that speaks. */
void fm_log(enum fm_log_level level, const char *area, const char *format, ...) G_GNUC_PRINTF(3, 4);
void fm_log_v(enum fm_log_level level, const char *area, const char *format, va_list args) G_GNUC_PRINTF(3, 0);
