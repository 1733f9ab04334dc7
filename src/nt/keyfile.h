/* SPDX-License-Identifier: MIT */
/*
 * The short way to describe a filter, for those who have no INF:
 *
 *   [Service]
 *   Name=Scanner
 *   Image=scanner.sys            (default: Name with .sys)
 *   Altitude=320100
 *   InstanceName=Default         (default: Name with " Instance")
 *   Flags=0
 *   LoadOrderGroup=FSFilter Anti-Virus
 *   [Parameters]
 *   Timeout=dword:30000          (or plain digits)
 *   Path=sz:text                 (or any other text)
 *   Extensions=multi:exe;doc;txt
 */
#pragma once

#include "nt/inf.h"

bool fm_keyfile_load(const char *path, struct fm_service *ret, GError **error);
