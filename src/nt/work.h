/* SPDX-License-Identifier: MIT */
/* Threads for work that is to be done later, at PASSIVE_LEVEL, in the name of the filter that asked for it.
 */
#pragma once

/* code: the filter's function that it is about; for reports. */
void fm_work_queue(void (*routine)(void *context), void *context, const void *code);
