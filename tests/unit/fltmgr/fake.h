/* SPDX-License-Identifier: MIT */
/*
 * A volume with a file system in memory, filters and instances: enough to run operations in a test.
 *
 * Paths are "/a/b". Everything that reaches the bottom is logged by its IRP's name.
 */
#pragma once

#include "fltmgr/fsd.h"
#include "fltmgr/manager.h"

struct fake {
        PFLT_VOLUME volume;
        PFLT_FILTER filter;
        PFLT_INSTANCE instance;      /* of filter on volume, at altitude 320000 */
        GString *log;                /* "CREATE /a;READ;..." */
        GHashTable *files;           /* path -> GString, or NULL for a directory */
        FLT_IO_PARAMETER_BLOCK last; /* as the bottom saw it */
};

struct fake *fake_new(void);
void fake_free(struct fake *fake);

/* A file with this content; NULL: a directory. */
void fake_add(struct fake *fake, const char *path, const char *content);

/* callbacks end with { IRP_MJ_OPERATION_END }; may be NULL. */
PFLT_FILTER fake_filter(const char *name, const char *altitude, const FLT_OPERATION_REGISTRATION *callbacks);
PFLT_INSTANCE fake_instance(PFLT_FILTER filter, PFLT_VOLUME volume, const char *name, const char *altitude);
void fake_instance_free(PFLT_INSTANCE instance);
void fake_filter_free(PFLT_FILTER filter);

/* A file object as an opener makes it; open: it is opened, below nobody. */
PFILE_OBJECT fake_file(struct fake *fake, const char *path, bool open);

/* Whether the string is this ASCII text. */
bool fake_equal(PCUNICODE_STRING string, const char *text);
UNICODE_STRING fake_string(const char *text); /* Buffer: g_free() */

#define assert_string(string, text)                                                                                    \
        do {                                                                                                           \
                const UNICODE_STRING *string_ = (string);                                                              \
                if (!fake_equal(string_, (text)))                                                                      \
                        g_error("%s:%d: " #string " is not \"%s\" (%u bytes)", __FILE__, __LINE__, (text),             \
                                string_->Length);                                                                      \
        } while (0)
#define assert_status(status, expected) g_assert_cmphex((ULONG)(status), ==, (ULONG)(expected))
