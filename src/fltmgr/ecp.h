/* SPDX-License-Identifier: MIT */
/* Extra create parameters: what the open of a file needs to know of them. */
#pragma once

#include "fltmgr/operation.h"

/* Shows the list to the filters of this create; it stays the caller's. */
void fm_ecp_list_lend(struct fm_operation *operation, struct _ECP_LIST *list);
void fm_ecp_list_free(struct _ECP_LIST *list); /* NULL is allowed */
