/* SPDX-License-Identifier: MIT */
/* Network addresses as text. Own code, because the C library's headers and the contract's define the same
 * structs. */
#include <fltKernel.h>
#include <stdio.h>
#include <wsk.h>

#define LONGEST 80

static LONG give(const char *text, PSTR narrow, PWSTR wide, PULONG length)
{
        ULONG needed = (ULONG)strlen(text) + 1;
        BOOLEAN fits;

        if (!length || (!narrow && !wide))
                return STATUS_INVALID_PARAMETER;
        fits = *length >= needed;
        *length = needed;
        if (!fits)
                return STATUS_INVALID_PARAMETER;
        for (ULONG i = 0; i < needed; i++) {
                if (wide)
                        wide[i] = (UCHAR)text[i];
                else
                        narrow[i] = text[i];
        }
        return STATUS_SUCCESS;
}

static void format_ipv4(const IN_ADDR *address, USHORT port, char text[LONGEST])
{
        const UCHAR *byte = (const UCHAR *)address;
        int length = snprintf(text, LONGEST, "%u.%u.%u.%u", byte[0], byte[1], byte[2], byte[3]);

        if (port)
                (void)snprintf(text + length, LONGEST - (size_t)length, ":%u", __builtin_bswap16(port));
}

/* The longest run of at least two zero groups becomes "::"; of equal ones the first. */
static void find_zeros(const unsigned group[8], int *start, int *count)
{
        *start = -1;
        *count = 1;
        for (int i = 0; i < 8; i++) {
                int run = 0;

                while (i + run < 8 && group[i + run] == 0)
                        run++;
                if (run > *count) {
                        *start = i;
                        *count = run;
                }
        }
}

static void format_ipv6(const IN6_ADDR *address, ULONG scope, USHORT port, char text[LONGEST])
{
        const UCHAR *byte = (const UCHAR *)address;
        unsigned group[8];
        int start, count;
        int at = 0;

        for (int i = 0; i < 8; i++)
                group[i] = (unsigned)byte[2 * i] << 8 | byte[2 * i + 1];
        find_zeros(group, &start, &count);
        if (port)
                text[at++] = '[';
        for (int i = 0; i < 8; i++) {
                if (i == start) {
                        at += snprintf(text + at, LONGEST - (size_t)at, "::");
                        i += count - 1;
                } else {
                        at += snprintf(text + at, LONGEST - (size_t)at, "%s%x",
                                       i && i != start + count ? ":" : "", group[i]);
                }
        }
        text[at] = 0;
        if (scope)
                at += snprintf(text + at, LONGEST - (size_t)at, "%%%u", scope);
        if (port)
                (void)snprintf(text + at, LONGEST - (size_t)at, "]:%u", __builtin_bswap16(port));
}

/* Port is in network order; 0: none. *AddressStringLength in characters with the NUL:
 * STATUS_INVALID_PARAMETER if too few. */
LONG RtlIpv4AddressToStringExA(const IN_ADDR *Address, USHORT Port, PSTR AddressString,
                               PULONG AddressStringLength)
{
        char text[LONGEST];

        format_ipv4(Address, Port, text);
        return give(text, AddressString, NULL, AddressStringLength);
}

LONG RtlIpv4AddressToStringExW(const IN_ADDR *Address, USHORT Port, PWSTR AddressString,
                               PULONG AddressStringLength)
{
        char text[LONGEST];

        format_ipv4(Address, Port, text);
        return give(text, NULL, AddressString, AddressStringLength);
}

LONG RtlIpv6AddressToStringExA(const IN6_ADDR *Address, ULONG ScopeId, USHORT Port, PSTR AddressString,
                               PULONG AddressStringLength)
{
        char text[LONGEST];

        format_ipv6(Address, ScopeId, Port, text);
        return give(text, AddressString, NULL, AddressStringLength);
}

LONG RtlIpv6AddressToStringExW(const IN6_ADDR *Address, ULONG ScopeId, USHORT Port, PWSTR AddressString,
                               PULONG AddressStringLength)
{
        char text[LONGEST];

        format_ipv6(Address, ScopeId, Port, text);
        return give(text, NULL, AddressString, AddressStringLength);
}
