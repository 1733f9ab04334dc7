/* SPDX-License-Identifier: MIT */
/* File systems and their filters: wdm.h, control codes, FsRtl, extra create parameters. */
#pragma once

#include "ntddk.h"

#include "parts/fsctl.h"
#include "parts/fsrtl.h"
