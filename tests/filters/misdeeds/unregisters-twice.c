/* SPDX-License-Identifier: MIT */
/* Calls FltUnregisterFilter twice. */
#include "misdeed.h"

static VOID unload(VOID)
{
        FltUnregisterFilter(misdeed_filter);
}

const struct misdeed misdeed = { .unload = unload };
