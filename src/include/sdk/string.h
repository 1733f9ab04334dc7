/* SPDX-License-Identifier: MIT */
/* The host's <string.h> with Microsoft's additions and 16-bit wide characters: see fltcrt.h. */
#include "fltcrt.h"

#include_next <string.h>
