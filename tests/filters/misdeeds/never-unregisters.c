/* SPDX-License-Identifier: MIT */
/* Unloads without FltUnregisterFilter. */
#include "misdeed.h"

const struct misdeed misdeed = { .never_unregisters = TRUE };
