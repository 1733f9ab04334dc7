/* SPDX-License-Identifier: MIT */
/* Events, for those parts that signal them without a handle. */
#pragma once

#include "win32/object.h"

struct fm_w32_event;
extern const struct fm_w32_type fm_w32_event_type;

void fm_w32_event_set(struct fm_w32_event *event);
void fm_w32_event_reset(struct fm_w32_event *event);
