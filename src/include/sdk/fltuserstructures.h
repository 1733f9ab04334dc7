/* SPDX-License-Identifier: MIT */
#include "fltUserStructures.h"
