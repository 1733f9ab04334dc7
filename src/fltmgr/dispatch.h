/* SPDX-License-Identifier: MIT */
/* What operation.c and dispatch.c share: a filter's place in one operation. */
#pragma once

#include "fltmgr/manager.h"

struct fm_node {
        const struct fm_callback *callback;
        struct fm_operation *operation;
        FLT_IO_PARAMETER_BLOCK saved; /* as this filter's pre-operation got them, and as its post-operation gets them */
        FLT_RELATED_OBJECTS objects;
        PVOID completion_context;
        PMDL swapped_mdl;
        GList link;       /* in instance->nodes; guarded by instance->lock */
        bool owed;        /* a post-operation is owed; guarded by instance->lock */
        bool asked;       /* it was owed once; the operation's own */
        bool swapped;     /* parameters were changed: somebody has to copy back, so it can't be drained */
        bool stays;       /* counted in operation->must_stay */
        bool synchronized; /* its post-operation runs on the thread of its pre-operation */
        bool retain_mdl;
};

/* Makes the operation ready for its way down. */
void fm_dispatch_init(struct fm_operation *operation);
/* Goes on until it is finished or parked; the operation may be gone when this returns. */
void fm_dispatch_proceed(struct fm_operation *operation);
