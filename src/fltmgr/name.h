/* SPDX-License-Identifier: MIT */
/*
 * File names as filters see them: FLT_FILE_NAME_INFORMATION objects.
 *
 * One object is one answer: reference-counted, its name never changes, only the parsed slices are filled in later.
 * It counts in the names_alive of the filter that asked for it, so that a filter that leaks names can be told.
 */
#pragma once

#include <fltKernel.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct fm_operation;

struct fm_name {
        FLT_FILE_NAME_INFORMATION info; /* must be first: filters get its address */
        uint32_t magic;
        uint32_t check; /* of the name, which filters must not write to */
        _Atomic uint32_t refs;
        PFLT_FILTER filter;   /* memory reference; NULL when nobody's callback asked */
        pthread_mutex_t lock; /* guards the slices while they are being filled in */
        WCHAR buffer[];       /* info.Name */
};

static inline struct fm_name *fm_name_from_info(PFLT_FILE_NAME_INFORMATION info)
{
        return CONTAINING_RECORD(info, struct fm_name, info);
}

/* If *rest begins with one of the volume's names, takes it off and leaves the path within the volume. */
bool fm_volume_skip_name(PFLT_VOLUME volume, UNICODE_STRING *rest);

/* A name, or part of one, while it is being made. */
struct fm_name_path {
        WCHAR *chars; /* g_malloc'd */
        size_t count;
};

void fm_name_path_append(struct fm_name_path *path, const WCHAR *chars, size_t count);
void fm_name_path_clear(struct fm_name_path *path);
/* The path of an opened file as it is now; false: it has none any more. */
bool fm_name_path_append_opened(struct fm_name_path *path, PFILE_OBJECT file);
/* What its opener asked for. */
void fm_name_path_append_requested(struct fm_name_path *path, PFILE_OBJECT file);
/* "\a\b" becomes "\a"; "\a" becomes "\". */
void fm_name_path_cut_last(struct fm_name_path *path);
/*
 * What is not open, as the file system would name it: links on the way followed, ids found. The last
 * component need not exist. An untouched name of a system call is that already. create: see fsd.h.
 */
NTSTATUS fm_name_path_resolve(struct fm_name_path *path, PFLT_VOLUME volume, struct fm_operation *create);
/* The name of a path within a volume; normalizing cuts what belongs to no normalized name off the path. */
NTSTATUS fm_name_from_path(struct fm_name_path *path, PFLT_VOLUME volume, PFLT_FILTER filter,
                           FLT_FILE_NAME_OPTIONS format, PFLT_FILE_NAME_INFORMATION *ret);

bool fm_name_options_are_valid(FLT_FILE_NAME_OPTIONS options);
/* Somebody has asked for such a name of the file before. */
bool fm_name_is_cached(PFILE_OBJECT file, FLT_FILE_NAME_OPTIONS format);

/* Names have changed behind filters' backs: nothing that was kept counts any more. */
void fm_names_forget(void);
uint32_t fm_names_generation(void);

/* ---- name providers ---- */

/* Who asks for which name of what. */
struct fm_name_query {
        PFLT_CALLBACK_DATA data; /* NULL: outside an operation */
        PFILE_OBJECT file;
        PFLT_INSTANCE from; /* who asks; NULL: somebody above all */
        FLT_FILE_NAME_OPTIONS options;
};

/* The provider that answers this query, to be left with fm_flt_object_leave(), or NULL: the file system does. */
PFLT_INSTANCE fm_name_provider_enter(const struct fm_name_query *query);
/*
 * What the provider answers, from the volume's name on (SHORT: a final component), into an empty path; kept
 * if it and the caller allow that. The path has to be cleared whatever is returned.
 */
NTSTATUS fm_name_provided(PFLT_INSTANCE provider, const struct fm_name_query *query, bool may_keep,
                          struct fm_name_path *name);
/* What was kept of it. */
bool fm_name_kept_get(PFLT_INSTANCE provider, PFILE_OBJECT file, FLT_FILE_NAME_OPTIONS format,
                      struct fm_name_path *name);
void fm_name_kept_forget(PFILE_OBJECT file);
/* Each component of a whole name as the provider spells it; what does not exist stays as it is. */
NTSTATUS fm_name_normalize(PFLT_INSTANCE provider, PFILE_OBJECT file, struct fm_name_path *name,
                           FLT_NORMALIZE_NAME_FLAGS flags);
