/* SPDX-License-Identifier: MIT */
/*
 * Altitudes: decimal numbers of any precision, kept as strings, never as numbers.
 */
#pragma once

#include <stdbool.h>

/* Digits, and perhaps a point with digits after it. No sign, blank or exponent. */
bool fm_altitude_is_valid(const char *altitude);

/* < 0: a is below b, 0: the same height, > 0: a is above b. Both must be valid. */
int fm_altitude_compare(const char *a, const char *b);
