/* SPDX-License-Identifier: MIT */
/* The annotations under an older name. */
#pragma once

#include "sal.h"
