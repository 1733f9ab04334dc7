/* SPDX-License-Identifier: MIT */
/* The host's <stdio.h> with Microsoft's additions and 16-bit wide characters: see fltcrt.h. */
#include "fltcrt.h"

#ifndef FLTMGR_INTERNAL
/* The checking variants know only the host's formats and characters. */
#pragma push_macro("__USE_FORTIFY_LEVEL")
#undef __USE_FORTIFY_LEVEL
#define __USE_FORTIFY_LEVEL 0
#endif
#include_next <stdio.h>

#ifndef FLTMGR_INTERNAL
#pragma pop_macro("__USE_FORTIFY_LEVEL")
#endif

#if !defined(FLTMGR_INTERNAL) && !defined(__cplusplus)
#undef sprintf
#undef vsprintf
#undef snprintf
#undef vsnprintf
#define sprintf   fm_sprintf
#define vsprintf  fm_vsprintf
#define snprintf  fm_crt_snprintf
#define vsnprintf fm_crt_vsnprintf
#endif
