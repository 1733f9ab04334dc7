/* SPDX-License-Identifier: MIT */
/*
 * Checks at the door of Flt functions: misuse that Windows would answer with a bug check or a deadlock is reported,
 * then answered as well as can be.
 */
#pragma once

#include <fltKernel.h>
#include <stdbool.h>

#include "fltmgr/operation.h"
#include "nt/ke.h"
#include "nt/log.h"
#include "nt/thread.h"
#include "nt/verifier.h"

/* Says once that something is not there. */
static inline void fm_log_unsupported(const char *function, const char *why)
{
        g_autofree char *text = g_strdup_printf("%s: %s", function, why);

        fm_not_supported(text);
}

static inline bool fm_data_is_post(const FLT_CALLBACK_DATA *data)
{
        return (data->Flags & FLTFL_CALLBACK_DATA_POST_OPERATION) != 0;
}

/* predicates.c: as fm_pool_room(), also for what FltAllocatePoolAlignedWithTag() gave. */
size_t fm_pool_aligned_room(const void *memory);

/* Open at the bottom: I/O on it makes sense. */
static inline bool fm_file_is_open(PFILE_OBJECT file)
{
        return fm_file_object(file)->fsd_file != NULL;
}
