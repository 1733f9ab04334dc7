/* SPDX-License-Identifier: MIT */
/* The GUIDs that the headers declare, for filters that don't define them by <initguid.h>. */
#include <initguid.h>

#include <fltKernel.h>
