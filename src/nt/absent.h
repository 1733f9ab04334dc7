/* SPDX-License-Identifier: MIT */
/*
 * Functions that are there so that filters link, for things that are not there. They say so once in the log and
 * return STATUS_NOT_SUPPORTED; tests/unit/ddk/coverage.py reads their names where this macro is used.
 */
#pragma once

#include "nt/verifier.h"

/* parameters: in parentheses. why: a short constant, "there are no pipes". */
#define FM_NOT_SUPPORTED(name, parameters, why)                                                                        \
        NTSTATUS name parameters                                                                                       \
        {                                                                                                              \
                fm_not_supported(#name ": " why);                                                                      \
                return STATUS_NOT_SUPPORTED;                                                                           \
        }
