/* SPDX-License-Identifier: MIT */
/*
 * The service: connected to the filter's port as long as it runs, it answers what the filter asks.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "engines.h"

struct fm_service_options {
        const char *port; /* UTF-8 */
        unsigned threads;
        unsigned receives; /* messages asked for at a time, for each thread */
        struct fm_engine_files files;
        int log_fd;
        bool json;
        /* Misbehaviour on demand, for trying filters. */
        unsigned delay;       /* milliseconds before each answer */
        unsigned crash_after; /* messages; 0: never */
        bool mute;
        bool allow_all;
};

/*
 * Runs until SIGTERM or SIGINT; 0. SIGHUP reads the signatures again. Anything that can't get better by waiting ends
 * it with 1. The caller has blocked these signals, before it made any thread.
 */
int fm_service_run(const struct fm_service_options *options);
