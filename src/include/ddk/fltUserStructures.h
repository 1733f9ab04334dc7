/* SPDX-License-Identifier: MIT */
/* Structures that filters and agents share: one text, which stands with the agents' headers. */
#pragma once

#include "ntdef.h"

#include "../sdk/fltUserStructures.h"
