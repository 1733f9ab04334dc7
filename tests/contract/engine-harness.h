/* SPDX-License-Identifier: MIT */
/*
 * The engine alone: three filters linked into the test that do what a script says, a file system at the bottom that
 * only records, no mount.
 *
 * The trace has one letter per callback: a, b, c for the pre-operations from the top, A, B, C for the
 * post-operations, X, Y, Z for draining ones, "." for the bottom, "x" for a file that is closed there.
 */
#pragma once

#include <fltKernel.h>
#include <glib.h>
#include <string.h>

#include "fltmgr/fsd.h"
#include "fltmgr/loader.h"
#include "fltmgr/manager.h"
#include "nt/object.h"
#include "nt/registry.h"
#include "nt/verifier.h"

#define ENGINE_FILTERS 3

/* What a filter does with an operation. */
struct engine_script {
        FLT_PREOP_CALLBACK_STATUS pre_status;
        FLT_POSTOP_CALLBACK_STATUS post_status;
        NTSTATUS complete_with;
        void (*pre)(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects);
        void (*post)(struct engine_script *script, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID context,
                     FLT_POST_OPERATION_FLAGS flags);
        GThread *pre_thread, *post_thread;
        PVOID context;
        ULONG seen_length_pre, seen_length_post;
        NTSTATUS seen_status;
};

/* From the highest altitude to the lowest. */
extern struct engine_script engine_scripts[ENGINE_FILTERS];
extern PFLT_FILTER engine_filters[ENGINE_FILTERS];
extern PFLT_INSTANCE engine_instances[ENGINE_FILTERS];
extern PFLT_VOLUME engine_volume;
extern char engine_trace[256];
extern char engine_setups[64]; /* the filters whose instances were set up so far: "0", "1", "2" */
extern unsigned engine_cleanups; /* context cleanup callbacks so far */
extern NTSTATUS engine_bottom_status;
extern void (*engine_bottom_hook)(struct fm_operation *operation);
extern const struct fm_fsd_ops engine_fsd;
extern const struct fm_requestor engine_nobody;

void engine_record(char c);

/* Before engine_set_up: one more major for a filter, or another registration of one. CREATE, READ and FLUSH are there. */
void engine_register(int filter, UCHAR major, FLT_OPERATION_REGISTRATION_FLAGS flags, bool with_post);
void engine_set_up(void);
void engine_tear_down(void);

/* A volume without filters. */
PFLT_VOLUME engine_volume_new(const char *mount_point);
void engine_volume_free(PFLT_VOLUME volume);

/* An open file, and an empty trace. */
PFILE_OBJECT engine_open_file(void);
struct fm_operation *engine_read_of(PFILE_OBJECT file, ULONG length);
/* These run one operation on a file of their own and return its status; the trace is that operation's. */
NTSTATUS engine_run_once(UCHAR major);
NTSTATUS engine_read_once(void);
NTSTATUS engine_create_once(void);

/* An operation that somebody else completes: starts it on a thread of its own; join returns its status. */
GThread *engine_run_on_thread(struct fm_operation *operation);
NTSTATUS engine_join(GThread *thread);

#define engine_assert_status(expression, expected) g_assert_cmphex((guint32)(expression), ==, (guint32)(expected))

/* One operation on a file of its own, of that kind: data_flags 0 is an IRP. The trace is that operation's. */
NTSTATUS engine_run_with(UCHAR major, ULONG irp_flags, FLT_CALLBACK_DATA_FLAGS data_flags);

#define engine_expect_trace(expected)                                                                                  \
        do {                                                                                                           \
                g_assert_cmpstr(engine_trace, ==, expected);                                                           \
                engine_trace[0] = 0;                                                                                   \
        } while (0)

#define engine_expect_violations(expression, count)                                                                    \
        do {                                                                                                           \
                uint64_t before_ = fm_violation_count();                                                               \
                expression;                                                                                            \
                g_assert_cmpuint(fm_violation_count() - before_, ==, count);                                           \
        } while (0)
