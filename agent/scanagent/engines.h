/* SPDX-License-Identifier: MIT */
/*
 * The engines in use, with the signatures they have now: opened together, replaced together.
 */
#pragma once

#include "engine.h"

/* Files that are NULL have no engine. EICAR is always looked for. */
struct fm_engine_files {
        const char *patterns;
        const char *hashes;
        const char *yara;
};

struct fm_engines;
struct fm_engines_worker;

/* One reference. NULL with *error set if any of the files can't be used. */
struct fm_engines *fm_engines_open(const struct fm_engine_files *files, GError **error);
struct fm_engines *fm_engines_ref(struct fm_engines *engines);
void fm_engines_unref(struct fm_engines *engines);

/* For the use of one thread; holds a reference. */
struct fm_engines_worker *fm_engines_worker_new(struct fm_engines *engines);
void fm_engines_worker_free(struct fm_engines_worker *worker); /* NULL is allowed */
struct fm_engines *fm_engines_worker_get(struct fm_engines_worker *worker);

/*
 * Asks every engine until one finds something. data may be a mapped file that shrinks meanwhile: that is
 * FM_VERDICT_ERROR. Needs fm_engines_catch_faults().
 */
enum fm_verdict fm_engines_scan(struct fm_engines_worker *worker, const uint8_t *data, size_t size, const char *path,
                                char signature[FM_SIGNATURE_MAX]);

/* Once in a process, before the first scan. */
void fm_engines_catch_faults(void);
