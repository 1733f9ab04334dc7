/* SPDX-License-Identifier: MIT */
/* Annotations for driver code: see sal.h. */
#include "sal.h"
