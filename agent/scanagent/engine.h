/* SPDX-License-Identifier: MIT */
/*
 * What a scan engine is: something that knows signatures and looks at a file's bytes.
 *
 * An engine is opened from a file of signatures and never changes; a reload opens a new one. Any number of
 * workers use it at once, each with a state of its own. The bytes can change while they are looked at.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* As in the filter's protocol. */
enum fm_verdict {
        FM_VERDICT_NONE = 0, /* in the log only: no answer was given */
        FM_VERDICT_CLEAN = 1,
        FM_VERDICT_INFECTED = 2,
        FM_VERDICT_ERROR = 3,
};

/* With the terminating NUL; a longer name is cut at a character's boundary. */
#define FM_SIGNATURE_MAX 64

struct fm_engine {
        const char *name;
        /* file: NULL if the engine needs none. NULL with *error set: it can't be used. */
        void *(*open)(const char *file, GError **error);
        void (*close)(void *engine);
        /* NULL: workers have no state. */
        void *(*worker_new)(void *engine);
        void (*worker_free)(void *worker);
        /* signature is set only with FM_VERDICT_INFECTED. path: for what its name says; not to be opened. */
        enum fm_verdict (*scan)(void *engine, void *worker, const uint8_t *data, size_t size, const char *path,
                                char signature[FM_SIGNATURE_MAX]);
};

extern const struct fm_engine fm_engine_eicar;
extern const struct fm_engine fm_engine_sha256;
extern const struct fm_engine fm_engine_pattern;
extern const struct fm_engine fm_engine_yara;

#define FM_ENGINE_ERROR fm_engine_error_quark()
GQuark fm_engine_error_quark(void);

/* Copies a name with its limit. */
void fm_signature_set(char signature[FM_SIGNATURE_MAX], const char *name);

/* One line of a file of signatures; text has no blanks around it. false with *error set ends the reading. */
typedef bool fm_signature_line_fn(char *text, void *context, GError **error);

/* Calls back for each line that is neither empty nor a comment ("#"); errors get the file's name and line number. */
bool fm_signature_file_read(const char *file, fm_signature_line_fn *line, void *context, GError **error);
