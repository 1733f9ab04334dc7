/* SPDX-License-Identifier: MIT */
/*
 * Comparing altitudes digit by digit: leading zeros and zeros at the end of a fraction don't count, and
 * nothing else is lost, however long the numbers are.
 */
#include "fltmgr/altitude.h"

#include <stddef.h>
#include <string.h>

static size_t digits(const char *text)
{
        size_t count = 0;

        while (text[count] >= '0' && text[count] <= '9')
                count++;
        return count;
}

bool fm_altitude_is_valid(const char *altitude)
{
        size_t whole = digits(altitude), fraction;

        if (whole == 0)
                return false;
        altitude += whole;
        if (*altitude == '\0')
                return true;
        if (*altitude != '.')
                return false;
        fraction = digits(altitude + 1);
        return fraction > 0 && altitude[1 + fraction] == '\0';
}

static int compare_fractions(const char *a, size_t a_length, const char *b, size_t b_length)
{
        size_t length = a_length > b_length ? a_length : b_length;

        for (size_t i = 0; i < length; i++) {
                char x = i < a_length ? a[i] : '0';
                char y = i < b_length ? b[i] : '0';

                if (x != y)
                        return x < y ? -1 : 1;
        }
        return 0;
}

int fm_altitude_compare(const char *a, const char *b)
{
        size_t a_length, b_length;
        int order;

        a += strspn(a, "0");
        b += strspn(b, "0");
        a_length = digits(a);
        b_length = digits(b);
        if (a_length != b_length)
                return a_length < b_length ? -1 : 1;
        order = memcmp(a, b, a_length);
        if (order != 0)
                return order;
        a += a_length + (a[a_length] == '.');
        b += b_length + (b[b_length] == '.');
        return compare_fractions(a, digits(a), b, digits(b));
}
