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

struct fm_name {
        FLT_FILE_NAME_INFORMATION info; /* must be first: filters get its address */
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
