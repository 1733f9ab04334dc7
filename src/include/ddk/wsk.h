/* SPDX-License-Identifier: MIT */
/*
 * Socket addresses, as they come with opens from the network. There is no network of the kernel's own here;
 * this is what a filter needs to print such an address.
 */
#pragma once

#include "ntddk.h"

typedef USHORT ADDRESS_FAMILY;

#ifndef AF_INET
#define AF_UNSPEC 0
#define AF_INET 2
#endif
#ifndef AF_INET6
#define AF_INET6 23
#endif

typedef struct in_addr_nt {
        union {
                struct {
                        UCHAR s_b1, s_b2, s_b3, s_b4;
                } S_un_b;
                struct {
                        USHORT s_w1, s_w2;
                } S_un_w;
                ULONG S_addr;
        } S_un;
} IN_ADDR, *PIN_ADDR;

typedef struct in6_addr_nt {
        union {
                UCHAR Byte[16];
                USHORT Word[8];
        } u;
} IN6_ADDR, *PIN6_ADDR;

typedef struct sockaddr_in_nt {
        ADDRESS_FAMILY sin_family;
        USHORT sin_port;
        IN_ADDR sin_addr;
        CHAR sin_zero[8];
} SOCKADDR_IN, *PSOCKADDR_IN;

typedef struct sockaddr_in6_nt {
        ADDRESS_FAMILY sin6_family;
        USHORT sin6_port;
        ULONG sin6_flowinfo;
        IN6_ADDR sin6_addr;
        ULONG sin6_scope_id;
} SOCKADDR_IN6, *PSOCKADDR_IN6;

LONG RtlIpv4AddressToStringExA(const IN_ADDR *Address, USHORT Port, PSTR AddressString,
                               PULONG AddressStringLength);
LONG RtlIpv4AddressToStringExW(const IN_ADDR *Address, USHORT Port, PWSTR AddressString,
                               PULONG AddressStringLength);
LONG RtlIpv6AddressToStringExA(const IN6_ADDR *Address, ULONG ScopeId, USHORT Port, PSTR AddressString,
                               PULONG AddressStringLength);
LONG RtlIpv6AddressToStringExW(const IN6_ADDR *Address, ULONG ScopeId, USHORT Port, PWSTR AddressString,
                               PULONG AddressStringLength);
#define RtlIpv4AddressToStringEx RtlIpv4AddressToStringExA
#define RtlIpv6AddressToStringEx RtlIpv6AddressToStringExA
