/* SPDX-License-Identifier: MIT */
/* On Windows: warns about functions that a driver should not use. Nothing to do here. */
#pragma once
