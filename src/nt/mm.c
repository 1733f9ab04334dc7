/* SPDX-License-Identifier: MIT */
/*
 * Memory: MDLs over memory that is mapped anyway, and system routines by name.
 *
 * An MDL describes a range of this process. Locking pages checks that the range is there, as the fault on
 * Windows would; there are no page frame numbers behind an MDL.
 */
#include <dlfcn.h>
#include <fltKernel.h>
#include <glib.h>
#include <stdbool.h>
#include <stdlib.h>

#include "nt/ke.h"
#include "nt/object.h"
#include "nt/pool.h"
#include "nt/seh.h"
#include "nt/system.h"
#include "nt/unicode.h"
#include "nt/verifier.h"

#define MDL_TAG 0x206c644d /* 'Mdl ' */

PVOID MmHighestUserAddress = (PVOID)0x00007ffffffeffffULL;
PVOID MmSystemRangeStart = (PVOID)0xffff800000000000ULL;
ULONG64 MmUserProbeAddress = 0x00007fffffff0000ULL;

static struct _OBJECT_TYPE section_type = {.name = "Section"};
static POBJECT_TYPE section_type_pointer = &section_type;
POBJECT_TYPE *MmSectionObjectType = &section_type_pointer;

SIZE_T MmSizeOfMdl(PVOID Base, SIZE_T Length)
{
        return sizeof(MDL) + ADDRESS_AND_SIZE_TO_SPAN_PAGES(Base, Length) * sizeof(PFN_NUMBER);
}

/* NULL when memory is exhausted or the length is beyond 2 GiB. IRQL <= DISPATCH_LEVEL. */
PMDL IoAllocateMdl(PVOID VirtualAddress, ULONG Length, BOOLEAN SecondaryBuffer, BOOLEAN ChargeQuota, PIRP Irp)
{
        PMDL mdl;

        if (Length > 0x7fffffff)
                return NULL;
        mdl = ExAllocatePoolWithTag(NonPagedPoolNx, MmSizeOfMdl(VirtualAddress, Length), MDL_TAG);
        if (!mdl)
                return NULL;
        memset(mdl, 0, MmSizeOfMdl(VirtualAddress, Length));
        MmInitializeMdl(mdl, VirtualAddress, Length);
        if (Irp && !SecondaryBuffer) {
                Irp->MdlAddress = mdl;
        } else if (Irp) {
                PMDL last = Irp->MdlAddress;

                while (last && last->Next)
                        last = last->Next;
                if (last)
                        last->Next = mdl;
                else
                        Irp->MdlAddress = mdl;
        }
        return mdl;
}

VOID IoFreeMdl(PMDL Mdl)
{
        if (Mdl->MdlFlags & MDL_PAGES_LOCKED)
                fm_violation("mdl-locked", "IoFreeMdl of %p, whose pages are still locked", (void *)Mdl);
        ExFreePoolWithTag(Mdl, MDL_TAG);
}

VOID IoBuildPartialMdl(PMDL SourceMdl, PMDL TargetMdl, PVOID VirtualAddress, ULONG Length)
{
        PCHAR source = MmGetMdlVirtualAddress(SourceMdl);
        ULONG offset = (ULONG)((PCHAR)VirtualAddress - source);

        if (Length == 0)
                Length = SourceMdl->ByteCount - offset;
        MmInitializeMdl(TargetMdl, VirtualAddress, Length);
        TargetMdl->Process = SourceMdl->Process;
        TargetMdl->MdlFlags =
                (CSHORT)(MDL_PARTIAL |
                         (SourceMdl->MdlFlags & (MDL_SOURCE_IS_NONPAGED_POOL | MDL_MAPPED_TO_SYSTEM_VA)));
        if (SourceMdl->MappedSystemVa)
                TargetMdl->MappedSystemVa = (PCHAR)SourceMdl->MappedSystemVa + offset;
}

VOID MmBuildMdlForNonPagedPool(PMDL MemoryDescriptorList)
{
        MemoryDescriptorList->MdlFlags |= MDL_SOURCE_IS_NONPAGED_POOL;
        MemoryDescriptorList->MappedSystemVa = MmGetMdlVirtualAddress(MemoryDescriptorList);
        MemoryDescriptorList->Process = NULL;
}

static bool is_readable(const void *address)
{
        char byte;

        return fm_copy_safely(&byte, address, 1);
}

/* Raises STATUS_ACCESS_VIOLATION when a part of the range is not there. IRQL <= APC_LEVEL for pageable
 * memory. */
VOID MmProbeAndLockPages(PMDL MemoryDescriptorList, KPROCESSOR_MODE AccessMode, LOCK_OPERATION Operation)
{
        PCHAR start = MmGetMdlVirtualAddress(MemoryDescriptorList);
        PCHAR end = start + MemoryDescriptorList->ByteCount;

        if (Operation == IoReadAccess) {
                for (PCHAR page = start; page < end; page = (PCHAR)PAGE_ALIGN(page) + PAGE_SIZE) {
                        if (!is_readable(page))
                                ExRaiseAccessViolation();
                }
        } else {
                ProbeForWrite(start, MemoryDescriptorList->ByteCount, 1);
        }
        MemoryDescriptorList->MdlFlags |= MDL_PAGES_LOCKED;
        if (Operation != IoReadAccess)
                MemoryDescriptorList->MdlFlags |= MDL_WRITE_OPERATION;
}

VOID MmUnlockPages(PMDL MemoryDescriptorList)
{
        if (!(MemoryDescriptorList->MdlFlags & MDL_PAGES_LOCKED)) {
                fm_violation("mdl-locked", "MmUnlockPages of %p, whose pages are not locked",
                             (void *)MemoryDescriptorList);
                return;
        }
        MemoryDescriptorList->MdlFlags &=
                (CSHORT) ~(MDL_PAGES_LOCKED | MDL_WRITE_OPERATION | MDL_MAPPED_TO_SYSTEM_VA);
        MemoryDescriptorList->MappedSystemVa = NULL;
}

/* The address that the MDL was made from: one process, one mapping. */
PVOID MmMapLockedPagesSpecifyCache(PMDL MemoryDescriptorList, KPROCESSOR_MODE AccessMode,
                                   MEMORY_CACHING_TYPE CacheType, PVOID RequestedAddress,
                                   ULONG BugCheckOnFailure, ULONG Priority)
{
        if (!(MemoryDescriptorList->MdlFlags &
              (MDL_PAGES_LOCKED | MDL_PARTIAL | MDL_SOURCE_IS_NONPAGED_POOL))) {
                fm_violation("mdl-not-locked", "an MDL (%p) is mapped before its pages were locked",
                             (void *)MemoryDescriptorList);
                return NULL;
        }
        MemoryDescriptorList->MdlFlags |= MDL_MAPPED_TO_SYSTEM_VA;
        MemoryDescriptorList->MappedSystemVa = MmGetMdlVirtualAddress(MemoryDescriptorList);
        return MemoryDescriptorList->MappedSystemVa;
}

PVOID MmMapLockedPages(PMDL MemoryDescriptorList, KPROCESSOR_MODE AccessMode)
{
        return MmMapLockedPagesSpecifyCache(MemoryDescriptorList, AccessMode, MmCached, NULL, TRUE,
                                            HighPagePriority);
}

VOID MmUnmapLockedPages(PVOID BaseAddress, PMDL MemoryDescriptorList)
{
        MemoryDescriptorList->MdlFlags &= (CSHORT)~MDL_MAPPED_TO_SYSTEM_VA;
        MemoryDescriptorList->MappedSystemVa = NULL;
}

/* The prefixes of the libraries whose names may be asked for: not everything that the dynamic linker knows.
 */
static bool is_windows_name(const char *name)
{
        static const char *const prefixes[] = {"Rtl",   "Ex", "Ke", "Ob",    "Io",         "Mm",  "Ps",
                                               "Se",    "Zw", "Nt", "FsRtl", "Flt",        "Dbg", "vDbg",
                                               "Probe", "Cc", "Tm", "Kf",    "Interlocked"};

        for (size_t i = 0; i < G_N_ELEMENTS(prefixes); i++) {
                size_t length = strlen(prefixes[i]);

                if (strncmp(name, prefixes[i], length) == 0 &&
                    (g_ascii_isupper(name[length]) || g_ascii_islower(name[length])))
                        return true;
        }
        return false;
}

void *fm_system_routine(const char *name)
{
        Dl_info own;
        Dl_info found;
        void *address;

        if (!is_windows_name(name))
                return NULL;
        address = dlsym(RTLD_DEFAULT, name);
        /* A filter may define a function of that name: only ours counts. */
        if (!address || !dladdr(address, &found) || !dladdr((void *)(uintptr_t)fm_system_routine, &own) ||
            found.dli_fbase != own.dli_fbase)
                return NULL;
        return address;
}

/* NULL when this simulator has no such function. IRQL PASSIVE_LEVEL. */
PVOID MmGetSystemRoutineAddress(PUNICODE_STRING SystemRoutineName)
{
        char *name = fm_utf8_from_utf16(SystemRoutineName->Buffer, SystemRoutineName->Length / sizeof(WCHAR));
        PVOID address = name ? fm_system_routine(name) : NULL;

        fm_check_irql(__func__, PASSIVE_LEVEL);
        free(name);
        return address;
}

BOOLEAN MmIsAddressValid(PVOID VirtualAddress)
{
        return is_readable(VirtualAddress);
}

BOOLEAN MmIsThisAnNtAsSystem(VOID)
{
        return FALSE;
}

/* Code and data here are never paged by the filter's doing. */
PVOID MmLockPagableDataSection(PVOID AddressWithinSection)
{
        fm_check_irql(__func__, APC_LEVEL);
        return AddressWithinSection;
}

VOID MmUnlockPagableImageSection(PVOID ImageSectionHandle)
{
        fm_check_irql(__func__, APC_LEVEL);
}

PVOID MmAllocateNonCachedMemory(SIZE_T NumberOfBytes)
{
        fm_check_irql(__func__, APC_LEVEL);
        return ExAllocatePoolWithTag(NonPagedPoolNx, ROUND_TO_PAGES(NumberOfBytes), MDL_TAG);
}

VOID MmFreeNonCachedMemory(PVOID BaseAddress, SIZE_T NumberOfBytes)
{
        fm_check_irql(__func__, APC_LEVEL);
        ExFreePool(BaseAddress);
}

BOOLEAN MmIsRecursiveIoFault(VOID)
{
        return FALSE;
}
