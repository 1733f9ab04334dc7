/* SPDX-License-Identifier: MIT */
/* The debug heap's checks: assertions only; leaks are a sanitizer's business. */
#ifndef FLTSIM_SDK_CRTDBG_H
#define FLTSIM_SDK_CRTDBG_H

#include <assert.h>

#define _ASSERT(e)  assert(e)
#define _ASSERTE(e) assert(e)
#define _CrtSetDbgFlag(f)     ((void)(f), 0)
#define _CrtDumpMemoryLeaks() 0
#define _CRTDBG_ALLOC_MEM_DF 0x01
#define _CRTDBG_LEAK_CHECK_DF 0x20

#endif
