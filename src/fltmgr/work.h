/* SPDX-License-Identifier: MIT */
/*
 * Worker threads: System's, on nobody's behalf, at PASSIVE_LEVEL.
 */
#pragma once

/* Runs function(argument) on a worker, soon. There is always one more worker, up to a high limit. */
void fm_work_push(void (*function)(void *argument), void *argument);
