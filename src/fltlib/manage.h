/* SPDX-License-Identifier: MIT */
/* Requests to the filter manager itself. */
#pragma once

#include "wire/frame.h"

#include <fltUser.h>
#include <glib.h>

/* Windows' name or NULL for each; entries: NULL if none are expected, else an array of GBytes. */
struct fm_request {
        enum fm_manage_op op;
        DWORD information_class;
        LPCWSTR filter, volume, instance, altitude;
};

HRESULT fm_request_run(const struct fm_request *request, GPtrArray **entries);
HRESULT fm_hresult_from_transport(int error);
