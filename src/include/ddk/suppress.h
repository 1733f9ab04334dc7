/* SPDX-License-Identifier: MIT */
/* On Windows: names for the static analyser's warnings. It doesn't run here. */
#pragma once
