/* SPDX-License-Identifier: MIT */
/* Kernel-mode drivers of the old kind: here the same as wdm.h. */
#pragma once

#include "wdm.h"
