/* SPDX-License-Identifier: MIT */
/*
 * GUIDs. DEFINE_GUID declares, or, after <initguid.h>, defines; defined twice is no conflict (weak), so a
 * filter may define what the library has too.
 */
#ifndef FM_GUID_TYPE
#define FM_GUID_TYPE

#include <string.h>

typedef struct _GUID {
        unsigned int Data1;
        unsigned short Data2;
        unsigned short Data3;
        unsigned char Data4[8];
} GUID, *LPGUID, *PGUID, IID, CLSID, UUID;
typedef const GUID *LPCGUID, *PCGUID, *REFGUID, *REFIID, *REFCLSID;

#define IsEqualGUID(a, b) (memcmp(&(*(const GUID *)(a)), &(*(const GUID *)(b)), sizeof(GUID)) == 0)
#define InlineIsEqualGUID(a, b) IsEqualGUID(a, b)
#endif

#undef DEFINE_GUID
#ifdef INITGUID
#define DEFINE_GUID(name, l, w1, w2, b1, b2, b3, b4, b5, b6, b7, b8) \
        extern const GUID name; \
        const GUID name __attribute__((weak)) = { l, w1, w2, { b1, b2, b3, b4, b5, b6, b7, b8 } }
#else
#define DEFINE_GUID(name, l, w1, w2, b1, b2, b3, b4, b5, b6, b7, b8) extern const GUID name
#endif
