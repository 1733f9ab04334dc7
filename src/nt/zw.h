/* SPDX-License-Identifier: MIT */
/* Handles of registry keys, for functions that open one by its path. */
#pragma once

#include <fltKernel.h>
#include <stdbool.h>

NTSTATUS fm_key_open_handle(const char *path, bool create, PHANDLE handle);
