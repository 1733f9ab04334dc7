/* SPDX-License-Identifier: MIT */
/*
 * Sections: files (or memory) to be mapped, by a filter or by its agent.
 *
 * A section object holds a descriptor of the file's data below the mount, so mapping it goes past all
 * filters, and past the mount. A handle made for a process that is connected to a port goes there as a descriptor.
 *
 * Who maps a file that others truncate gets a fault when he touches what is gone; in a filter's try block
 * that is an exception. We ourselves never touch a view.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fltmgr/check.h"
#include "fltmgr/fsd.h"
#include "fltmgr/manager.h"
#include "fltmgr/port.h"
#include "fltmgr/section.h"
#include "nt/object.h"
#include "nt/status.h"

#define VIEW_GRANULARITY 65536

/* Views that exist: base address -> size, so that unmapping undoes what was mapped and nothing else. */
static pthread_mutex_t views_lock = PTHREAD_MUTEX_INITIALIZER;
static GHashTable *views; /* guarded by views_lock */

static void section_destroy(void *body)
{
        struct fm_section *section = body;

        close(section->fd);
}

bool fm_section_protection_is_valid(ULONG protection)
{
        switch (protection) {
        case PAGE_READONLY:
        case PAGE_READWRITE:
        case PAGE_WRITECOPY:
        case PAGE_EXECUTE_READ:
        case PAGE_EXECUTE_READWRITE:
        case PAGE_EXECUTE_WRITECOPY:
                return true;
        default:
                return false;
        }
}

static bool protection_writes(ULONG protection)
{
        return protection == PAGE_READWRITE || protection == PAGE_EXECUTE_READWRITE;
}

/* Takes over fd, also on failure. maximum 0: the file's size. */
static NTSTATUS section_new(int fd, uint64_t maximum, ULONG protection, struct fm_section **ret)
{
        struct fm_section *section;
        struct stat status;

        if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)) {
                close(fd);
                return STATUS_INVALID_FILE_FOR_SECTION;
        }
        if (maximum > (uint64_t)status.st_size && protection_writes(protection)) {
                if (ftruncate(fd, (off_t)maximum) < 0) {
                        NTSTATUS error = fm_status_from_errno(errno);

                        close(fd);
                        return error;
                }
                status.st_size = (off_t)maximum;
        }
        if (status.st_size == 0 || maximum > (uint64_t)status.st_size) {
                close(fd);
                return status.st_size == 0 ? STATUS_MAPPED_FILE_SIZE_ZERO : STATUS_SECTION_TOO_BIG;
        }
        section = fm_object_new(*MmSectionObjectType, sizeof(*section));
        section->fd = fd;
        section->size = maximum ? maximum : (uint64_t)status.st_size;
        section->protection = protection;
        *ret = section;
        return STATUS_SUCCESS;
}

NTSTATUS fm_section_from_file(PFILE_OBJECT file, uint64_t maximum, ULONG protection, struct fm_section **ret)
{
        int fd;

        if (!fm_file_is_open(file))
                return STATUS_INVALID_PARAMETER;
        if (fm_file_object(file)->directory)
                return STATUS_FILE_IS_A_DIRECTORY;
        fd = fm_file_object(file)->volume->fsd->open_data(file, protection_writes(protection));
        if (fd < 0)
                return fm_status_from_errno(-fd);
        return section_new(fd, maximum, protection, ret);
}

/* ---- handles of an agent ---- */

static NTSTATUS user_handle_open(void *body, HANDLE *ret)
{
        struct fm_section *section = body;
        PEPROCESS process = PsGetCurrentProcess();

        if (fm_object_type_of(body) != *MmSectionObjectType || process == PsInitialSystemProcess)
                return STATUS_NOT_FOUND;
        return fm_port_give_descriptor(process, section->fd, section->size, ret);
}

static NTSTATUS user_handle_close(HANDLE handle)
{
        return fm_port_is_given_handle(handle) ? fm_port_revoke_descriptor(PsGetCurrentProcess(), handle)
                                               : STATUS_NOT_FOUND;
}

__attribute__((constructor)) static void sections_init(void)
{
        static const struct fm_user_handles handles = {user_handle_open, user_handle_close};

        (*MmSectionObjectType)->destroy = section_destroy;
        fm_user_handles_set(&handles);
}

NTSTATUS fm_section_handle_new(struct fm_section *section, POBJECT_ATTRIBUTES attributes, PHANDLE ret)
{
        NTSTATUS status = STATUS_NOT_FOUND;

        if (!attributes || !(attributes->Attributes & OBJ_KERNEL_HANDLE))
                status = user_handle_open(section, ret);
        return status == STATUS_NOT_FOUND ? fm_handle_new(section, ret) : status;
}

/* ---- sections for the filter itself ---- */

/*
 * A section of an opened file, or (FileHandle NULL) of memory. The handle is a kernel handle.
 * STATUS_SUCCESS; STATUS_MAPPED_FILE_SIZE_ZERO; STATUS_SECTION_TOO_BIG; STATUS_INVALID_FILE_FOR_SECTION;
 * STATUS_INVALID_PAGE_PROTECTION; STATUS_INVALID_PARAMETER_4: memory without a size; STATUS_NOT_SUPPORTED: images and
 * names; STATUS_INVALID_HANDLE. IRQL PASSIVE_LEVEL.
 */
NTSTATUS ZwCreateSection(PHANDLE SectionHandle, ACCESS_MASK DesiredAccess, POBJECT_ATTRIBUTES ObjectAttributes,
                         PLARGE_INTEGER MaximumSize, ULONG SectionPageProtection, ULONG AllocationAttributes,
                         HANDLE FileHandle)
{
        uint64_t maximum = MaximumSize ? (uint64_t)MaximumSize->QuadPart : 0;
        struct fm_section *section;
        PFILE_OBJECT file;
        NTSTATUS status;
        int fd;

        fm_check_irql(__func__, PASSIVE_LEVEL);
        if (!fm_section_protection_is_valid(SectionPageProtection))
                return STATUS_INVALID_PAGE_PROTECTION;
        if ((AllocationAttributes & SEC_IMAGE) || (ObjectAttributes && ObjectAttributes->ObjectName)) {
                fm_log_unsupported(__func__, "a section of an image, or with a name");
                return STATUS_NOT_SUPPORTED;
        }
        if (maximum > INT64_MAX)
                return STATUS_SECTION_TOO_BIG;
        if (FileHandle) {
                status = fm_handle_ref(FileHandle, *IoFileObjectType, (void **)&file);
                if (!NT_SUCCESS(status))
                        return status;
                status = fm_section_from_file(file, maximum, SectionPageProtection, &section);
                fm_object_unref(file);
        } else {
                if (maximum == 0)
                        return STATUS_INVALID_PARAMETER_4;
                fd = memfd_create("section", MFD_CLOEXEC);
                if (fd < 0)
                        return fm_status_from_errno(errno);
                if (ftruncate(fd, (off_t)maximum) < 0) {
                        close(fd);
                        return STATUS_SECTION_TOO_BIG;
                }
                status = section_new(fd, maximum, SectionPageProtection, &section);
        }
        if (!NT_SUCCESS(status))
                return status;
        status = fm_handle_new(section, SectionHandle);
        fm_object_unref(section);
        return status;
}

static bool view_protection(ULONG protect, ULONG section_protection, int *prot, int *flags)
{
        *flags = MAP_SHARED;
        switch (protect) {
        case PAGE_READONLY:
        case PAGE_EXECUTE_READ:
                *prot = PROT_READ;
                return true;
        case PAGE_READWRITE:
                *prot = PROT_READ | PROT_WRITE;
                return protection_writes(section_protection);
        case PAGE_WRITECOPY:
                *prot = PROT_READ | PROT_WRITE;
                *flags = MAP_PRIVATE;
                return true;
        default:
                return false;
        }
}

static NTSTATUS map_view(struct fm_section *section, uint64_t offset, SIZE_T size, ULONG protect, PVOID *base,
                         PSIZE_T mapped)
{
        int prot, flags;
        void *view;

        if (!view_protection(protect, section->protection, &prot, &flags))
                return STATUS_SECTION_PROTECTION;
        if (offset % VIEW_GRANULARITY != 0)
                return STATUS_MAPPED_ALIGNMENT;
        if (offset >= section->size || size > section->size - offset)
                return STATUS_INVALID_VIEW_SIZE;
        if (size == 0)
                size = section->size - offset;
        view = mmap(NULL, size, prot, flags, section->fd, (off_t)offset);
        if (view == MAP_FAILED)
                return errno == ENOMEM ? STATUS_NO_MEMORY : fm_status_from_errno(errno);

        pthread_mutex_lock(&views_lock);
        if (!views)
                views = g_hash_table_new(NULL, NULL);
        g_hash_table_insert(views, view, GSIZE_TO_POINTER(size));
        pthread_mutex_unlock(&views_lock);
        *base = view;
        *mapped = size;
        return STATUS_SUCCESS;
}

/*
 * Maps a section into our own address space, wherever there is room, for whatever process is the current one.
 * ViewSize 0: to the end.
 * STATUS_SUCCESS; STATUS_SECTION_PROTECTION: not allowed by the section's protection; STATUS_MAPPED_ALIGNMENT: the
 * offset is no multiple of 64 KiB; STATUS_INVALID_VIEW_SIZE; STATUS_NOT_SUPPORTED: a fixed address, or another
 * process by handle; STATUS_INVALID_HANDLE, STATUS_OBJECT_TYPE_MISMATCH. IRQL PASSIVE_LEVEL.
 */
NTSTATUS ZwMapViewOfSection(HANDLE SectionHandle, HANDLE ProcessHandle, PVOID *BaseAddress, ULONG_PTR ZeroBits,
                            SIZE_T CommitSize, PLARGE_INTEGER SectionOffset, PSIZE_T ViewSize,
                            SECTION_INHERIT InheritDisposition, ULONG AllocationType, ULONG Win32Protect)
{
        struct fm_section *section;
        NTSTATUS status;

        fm_check_irql(__func__, PASSIVE_LEVEL);
        if (ProcessHandle != ZwCurrentProcess() || *BaseAddress) {
                fm_log_unsupported(__func__, "a view at a fixed address or in another process");
                return STATUS_NOT_SUPPORTED;
        }
        if (SectionOffset && SectionOffset->QuadPart < 0)
                return STATUS_INVALID_PARAMETER;
        status = fm_handle_ref(SectionHandle, *MmSectionObjectType, (void **)&section);
        if (!NT_SUCCESS(status))
                return status;
        status = map_view(section, SectionOffset ? (uint64_t)SectionOffset->QuadPart : 0, *ViewSize, Win32Protect,
                          BaseAddress, ViewSize);
        fm_object_unref(section);
        return status;
}

static NTSTATUS unmap_view(PVOID base)
{
        gpointer size = NULL;

        pthread_mutex_lock(&views_lock);
        if (views)
                g_hash_table_steal_extended(views, base, NULL, &size);
        pthread_mutex_unlock(&views_lock);
        if (!size)
                return STATUS_NOT_MAPPED_VIEW;
        munmap(base, GPOINTER_TO_SIZE(size));
        return STATUS_SUCCESS;
}

/*
 * Unmaps a view of ZwMapViewOfSection; BaseAddress is what that returned.
 * STATUS_SUCCESS, STATUS_NOT_MAPPED_VIEW, STATUS_NOT_SUPPORTED: another process. IRQL PASSIVE_LEVEL.
 */
NTSTATUS ZwUnmapViewOfSection(HANDLE ProcessHandle, PVOID BaseAddress)
{
        fm_check_irql(__func__, PASSIVE_LEVEL);
        if (ProcessHandle != ZwCurrentProcess()) {
                fm_log_unsupported(__func__, "a view in another process");
                return STATUS_NOT_SUPPORTED;
        }
        return unmap_view(BaseAddress);
}

/*
 * Maps a section object into our own address space. STATUS_SUCCESS and the errors of ZwMapViewOfSection.
 * IRQL <= APC_LEVEL.
 */
NTSTATUS MmMapViewInSystemSpace(PVOID Section, PVOID *MappedBase, PSIZE_T ViewSize)
{
        struct fm_section *section = Section;

        fm_check_irql(__func__, APC_LEVEL);
        return map_view(section, 0, *ViewSize, protection_writes(section->protection) ? PAGE_READWRITE : PAGE_READONLY,
                        MappedBase, ViewSize);
}

/* Undoes MmMapViewInSystemSpace. STATUS_SUCCESS, STATUS_NOT_MAPPED_VIEW. IRQL <= APC_LEVEL. */
NTSTATUS MmUnmapViewInSystemSpace(PVOID MappedBase)
{
        fm_check_irql(__func__, APC_LEVEL);
        return unmap_view(MappedBase);
}
