/* SPDX-License-Identifier: MIT */
/*
 * A mount in the test's own process with a filter linked into it that registers for everything, writes down
 * what comes, and denies what it is told to.
 *
 * What the kernel asks for by itself (attributes before a permission check, ACLs) is not written down unless
 * a test says so.
 */
#pragma once

#include <fltKernel.h>
#include <glib.h>
#include <stdbool.h>

#include "fltmgr/objects.h"
#include "fltmgr/operation.h"

struct irp_record {
        UCHAR major, minor;
        char *token; /* "CREATE(OPEN,NONDIR)", "SET_INFORMATION(64)" */
        char *name;  /* FileName of the file object, UTF-8 with backslashes; "" without one */
        ACCESS_MASK access;
        ULONG share;
        ULONG irp_flags;
        UCHAR operation_flags;
        LONGLONG offset; /* of a read or write */
        ULONG length;
        ULONG pid;
        KPROCESSOR_MODE mode;
        ULONG file_flags;
        NTSTATUS status; /* after the bottom; valid when the operation is over */
        ULONG_PTR information;
};

/* What the filter does to operations of a major (and class, unless it is -1). */
struct irp_rule {
        UCHAR major, other_major; /* 0: no other */
        int class; /* information class, or -1 */
        bool in_post;
        NTSTATUS status;
        ULONG not_pid;           /* not to this process; 0: to all */
        const char *name_suffix; /* only for such file objects; NULL: all */
        void (*pre)(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects); /* instead of a status; also with in_post */
        void (*post)(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects);
        bool pends; /* the function pends the operation; somebody has to complete it */
};

/* Runs before main's tests: false, and the TAP plan says why, when nothing can be mounted here. */
bool irp_can_mount(void);

void irp_set_up(void);
/* The same with a filter for these majors (0: none), and other options. */
struct fm_session_options;
void irp_set_up_with(uint64_t majors, const struct fm_session_options *options);
/* The filter comes and goes while the mount is there. */
void irp_attach(uint64_t majors);
void irp_detach(void);
void irp_tear_down(void);

extern char *irp_source, *irp_mount;   /* directories */
char *irp_in_source(const char *name); /* g_free() it */
char *irp_in_mount(const char *name);

/* Forgets what was written down. */
void irp_clear(void);
/* The majors that are written down; the default leaves out what the kernel asks for by itself. */
void irp_watch(uint64_t majors);
#define IRP_WATCH_DEFAULT (~(fm_major_bit(IRP_MJ_QUERY_OPEN) | fm_major_bit(IRP_MJ_QUERY_SECURITY)))

void irp_set_rule(const struct irp_rule *rule); /* NULL: none */

/* Waits until as many as in `expected` (tokens, blank-separated) have come, and fails unless they are the
 * same. */
#define irp_expect(expected) irp_expect_at(__FILE__, __LINE__, expected)
void irp_expect_at(const char *file, int line, const char *expected);
/* The n-th written down, counted from 0. Valid until irp_clear(). */
const struct irp_record *irp_record(unsigned n);
/* The first with that token. */
const struct irp_record *irp_find(const char *token);

/* How many were written down of that token and a name that ends so (NULL: any). */
unsigned irp_count(const char *token, const char *name_suffix);

PFLT_INSTANCE irp_instance(void);
PFLT_FILTER irp_filter(void);
