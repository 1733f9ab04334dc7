/* SPDX-License-Identifier: MIT */
/* Gives up in DriverEntry and stays registered. */
#include "misdeed.h"

const struct misdeed misdeed = { .entry_status = STATUS_UNSUCCESSFUL };
