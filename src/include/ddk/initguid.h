/* SPDX-License-Identifier: MIT */
/* From here on DEFINE_GUID defines. Include it before the headers whose GUIDs are wanted. */
#ifndef INITGUID
#define INITGUID
#endif
#include "guiddef.h"
