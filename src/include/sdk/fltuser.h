/* SPDX-License-Identifier: MIT */
#include "fltUser.h"
