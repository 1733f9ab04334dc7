/* SPDX-License-Identifier: MIT */
/*
 * A mount with two filters: the recorder of irp-harness.h, and above it one whose callbacks a test writes and in whose
 * name it calls Flt functions. So what the recorder has written down is what lower filters see.
 */
#pragma once

#include "irp-harness.h"

typedef void objects_fn(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects);

extern PFLT_FILTER objects_filter;
extern PFLT_INSTANCE objects_instance;
extern PFLT_VOLUME objects_volume;

void objects_set_up(void);
/* The same with other options for the mount. */
void objects_set_up_with(const struct fm_session_options *options);
void objects_tear_down(void);

/* What is called in the pre- and post-operations of a major; NULL: nothing. Both see what was written before the call.
 */
void objects_on(UCHAR major, objects_fn *pre, objects_fn *post);
/* How many pre-operations there were since the last objects_on() or objects_set_up(). */
unsigned objects_seen(void);

/* Context cleanup callbacks so far, of a type. Waits until there are `expected`, or fails. */
unsigned objects_cleaned(FLT_CONTEXT_TYPE type);
#define objects_expect_cleaned(type, expected) objects_expect_cleaned_at(__FILE__, __LINE__, type, expected)
void objects_expect_cleaned_at(const char *file, int line, FLT_CONTEXT_TYPE type, unsigned expected);
/* Its SectionNotificationCallback: how many so far, and the section context and major of the last. */
unsigned objects_conflicts(PFLT_CONTEXT *context, UCHAR *major);
/* Context registration's sizes. */
#define OBJECTS_CONTEXT_SIZE 24

void objects_touch(const char *name, const char *content); /* in the source directory */
char *objects_content(const char *name);                   /* of the source directory; g_free() */

/* FltCreateFileEx by the upper filter: a path from the volume's root, "\a\b". */
NTSTATUS objects_create(const char *path, ACCESS_MASK access, ULONG disposition, ULONG options, HANDLE *handle,
                        PFILE_OBJECT *file);
/* The same, which must succeed: for reading and writing, synchronous. */
HANDLE objects_open(const char *path, PFILE_OBJECT *file);
void objects_close(HANDLE handle, PFILE_OBJECT file);

/* UTF-8; g_free(). */
char *objects_text(PCUNICODE_STRING string);
/* "\a\b": without the volume's name. NULL with *status otherwise. */
char *objects_name_text(NTSTATUS status, PFLT_FILE_NAME_INFORMATION name);
UNICODE_STRING objects_string(const char *text); /* Buffer: g_free() */

#define assert_status(expression, expected) g_assert_cmphex((guint32)(expression), ==, (guint32)(expected))
