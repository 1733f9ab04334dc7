/* SPDX-License-Identifier: MIT */
/* What operation.c, dispatch.c and its neighbours share: a filter's place in one operation. */
#pragma once

#include "fltmgr/manager.h"

struct fm_node {
        const struct fm_callback *callback;
        struct fm_operation *operation;
        FLT_IO_PARAMETER_BLOCK saved; /* as this filter's pre-operation got them, and as its post-operation gets them */
        FLT_RELATED_OBJECTS objects;
        PVOID completion_context;
        PMDL swapped_mdl;
        GList link;       /* in instance->nodes or instance->pended; guarded by instance->lock */
        gint64 pended_since; /* for reports */
        NTSTATUS given;   /* the result that its post-operation was called with */
        bool owed;        /* a post-operation is owed; guarded by instance->lock */
        bool draining;    /* it is being called early, and the operation waits for that; guarded by instance->lock */
        bool asked;       /* it was owed once; the operation's own */
        bool swapped;     /* a buffer was changed: somebody has to copy back, so it can't be drained */
        bool stays;       /* counted in operation->must_stay */
        bool synchronized; /* its post-operation runs on the thread of its pre-operation */
        bool retain_mdl;
};

/* Makes the operation ready for its way down. */
void fm_dispatch_init(struct fm_operation *operation);
/* Goes on until it is finished or parked; the operation may be gone when this returns. */
void fm_dispatch_proceed(struct fm_operation *operation);
/* Calls its post-operation with this data; cancel: what ends waits in it. */
FLT_POSTOP_CALLBACK_STATUS fm_node_call_post(const struct fm_node *node, PFLT_CALLBACK_DATA data,
                                             FLT_POST_OPERATION_FLAGS flags, struct fm_cancel *cancel);

/* drain.c: calls it early. The operation must not get past the node meanwhile. */
void fm_node_drain(const struct fm_node *node);
