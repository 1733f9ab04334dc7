/* SPDX-License-Identifier: MIT */
/*
 * What few operations have: a cancel routine, a cancel of their own, an ECP list, MDLs made for them.
 *
 * Made when first needed, gone with the operation: fm_operation_free() calls fm_operation_extras_free(),
 * which costs one load where there are none.
 */
#pragma once

#include "fltmgr/operation.h"
#include "nt/cancel.h"

struct fm_create_info;

struct fm_extras {
        struct fm_cancel_entry *cancel_entry; /* of FltSetCancelCompletion; queue.c's lock */
        PFLT_CALLBACK_DATA_QUEUE_IO_CONTEXT queue_context; /* of FltCbdqInsertIo; the queue's lock */
        /* For operations of a filter that go on without a caller who waits: what FltCancelIo signals. */
        struct fm_cancel cancel;
        bool cancel_ready;
        /* Create only. */
        struct _ECP_LIST *ecp_list;
        bool ecp_list_owned; /* freed with the operation */
        struct fm_create_info *create_info;
        GPtrArray *mdls;     /* made by FltLockUserBuffer; freed with the operation */
        /* Made by FltAllocateCallbackData: what it was made with, whatever the filter writes into it. */
        bool allocated;
        PFILE_OBJECT file;
};

/* The operation's extras, made if it has none. Never NULL. */
struct fm_extras *fm_operation_extras(struct fm_operation *operation);

/* The extras if it has some, or NULL. */
static inline struct fm_extras *fm_operation_extras_peek(struct fm_operation *operation)
{
        return atomic_load_explicit(&operation->extras, memory_order_acquire);
}

/* Called when the operation is freed, or before it is used again. Nobody else uses it then. */
void fm_operation_extras_free(struct fm_operation *operation);

/* What createinfo.c keeps for an open. NULL is allowed. */
void fm_create_info_free(struct fm_create_info *info);

/* Gives the operation a cancel of its own, instead of that of the request behind it. Before it is sent. */
void fm_operation_own_cancel(struct fm_operation *operation);

/* A create that is sent down again has the ECPs of the first time. borrower must not live longer. */
void fm_operation_lend_ecp_list(struct fm_operation *operation, struct fm_operation *borrower);
