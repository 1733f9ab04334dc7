/* SPDX-License-Identifier: MIT */
/* The host's <stdlib.h> with Microsoft's additions and 16-bit wide characters: see fltcrt.h. */
#include "fltcrt.h"

#include_next <stdlib.h>
