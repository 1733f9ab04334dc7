/* SPDX-License-Identifier: MIT */
/* What given.c needs of connection.c. */
#pragma once

#include "port/connection.h"

/* Live connections of the process (NULL: all), referenced; g_ptr_array_unref(). */
GPtrArray *fm_connection_list(PEPROCESS process);
