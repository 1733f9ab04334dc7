/* SPDX-License-Identifier: MIT */
/* The host's <wchar.h> with Microsoft's additions and 16-bit wide characters: see fltcrt.h. */
#include "fltcrt.h"

#ifndef FLTMGR_INTERNAL
/* The checking variants know only the host's formats and characters. */
#pragma push_macro("__USE_FORTIFY_LEVEL")
#undef __USE_FORTIFY_LEVEL
#define __USE_FORTIFY_LEVEL 0
#endif
#include_next <wchar.h>

#ifndef FLTMGR_INTERNAL
#pragma pop_macro("__USE_FORTIFY_LEVEL")
#endif

#if !defined(FLTMGR_INTERNAL) && !defined(__cplusplus)
#undef wcstol
#undef wcstoul
#define wcstol  fm_wcstol
#define wcstoul fm_wcstoul
#endif
