/* SPDX-License-Identifier: MIT */
/* The other spelling. */
#pragma once

#include "fltUserStructures.h"
