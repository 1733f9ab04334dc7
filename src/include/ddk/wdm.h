/* SPDX-License-Identifier: MIT */
/* What every driver sees. The subjects stand in parts/, one a file. */
#pragma once

#include "ntdef.h"
#include "ntstatus.h"
#include "seh.h"

#include "parts/crt.h"
#include "parts/dbg.h"
#include "parts/ex.h"
#include "parts/interlocked.h"
#include "parts/io.h"
#include "parts/iofn.h"
#include "parts/ke.h"
#include "parts/mm.h"
#include "parts/ob.h"
#include "parts/ps.h"
#include "parts/rtl.h"
#include "parts/se.h"
#include "parts/zw.h"
