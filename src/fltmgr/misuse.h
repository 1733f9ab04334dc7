/* SPDX-License-Identifier: MIT */
/* What callbacks return and leave behind, checked by the dispatcher; and callback data that is none any more. */
#pragma once

#include "fltmgr/dispatch.h"

/* The result before a pre-operation has set one. Never leaves the dispatcher: the customer bit keeps it apart. */
#define FM_STATUS_UNSET ((NTSTATUS)0xE01C0005)

/* A report that names the node's filter, the operation and the callback, which has returned already. */
void fm_misuse(const struct fm_node *node, const char *rule, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* Turns what a pre-operation may not return into what is nearest; *context and the result, too. */
FLT_PREOP_CALLBACK_STATUS fm_pre_status_checked(struct fm_node *node, FLT_PREOP_CALLBACK_STATUS status, PVOID *context);

/* The same for a post-operation that is over, one way or another. */
FLT_POSTOP_CALLBACK_STATUS fm_post_status_checked(struct fm_node *node, FLT_POSTOP_CALLBACK_STATUS status);

/*
 * After a pre-operation, before its parameters are settled: what is not its to change is put back. True if the
 * parameters must be put back to what they were.
 */
bool fm_changed_what_it_must_not(struct fm_node *node);

/* A buffer that the filter has swapped in: the operation goes on with what there is of it. */
void fm_check_swapped_buffer(struct fm_node *node);

/*
 * The operation behind callback data that a filter gives us. NULL, and a report: it is over. What was freed can be
 * another operation by now, so this finds much, not all.
 */
struct fm_operation *fm_operation_checked(const char *function, PFLT_CALLBACK_DATA data);

/* What a filter finds in callback data that it has kept for too long: nothing to follow. */
void fm_operation_bury(struct fm_operation *operation);
