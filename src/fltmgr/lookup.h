/* SPDX-License-Identifier: MIT */
/* Finding objects, for the rest of the Filter Manager. */
#pragma once

#include "fltmgr/manager.h"

/* A memory reference to the volume of a device object, or NULL. */
PFLT_VOLUME fm_volume_ref_by_device(PDEVICE_OBJECT device);
/* The volume that an instance or a volume is, borrowed; NULL for anything else. */
PFLT_VOLUME fm_volume_of(PVOID object);
