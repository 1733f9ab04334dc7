/* SPDX-License-Identifier: MIT */
/*
 * Views of sections. Nothing is copied: a view is a private mapping of the descriptor that the filter manager
 * has sent. A file that is truncated meanwhile raises SIGBUS on the pages that are gone, where Windows would
 * not let it be truncated; agents that map files of others' making expect EXCEPTION_IN_PAGE_ERROR there.
 */
#include "win32/section.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

struct section {
        struct fm_w32_object object;
        int fd;
        uint64_t size;
        _Atomic bool revoked;
        void (*on_close)(void *context, bool revoked);
        void *context;
};

struct view {
        uintptr_t start;
        size_t length; /* whole pages */
        DWORD protect;
};

static struct {
        pthread_mutex_t lock; /* guards the array */
        GArray *views;        /* struct view; a handful at a time */
} table = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void section_close(struct fm_w32_object *object)
{
        struct section *section = (struct section *)object;

        if (section->on_close)
                section->on_close(section->context, section->revoked);
}

static void section_destroy(struct fm_w32_object *object)
{
        struct section *section = (struct section *)object;

        if (section->fd >= 0)
                close(section->fd);
        g_free(section);
}

static const struct fm_w32_type section_type = {
        .name = "Section", .close = section_close, .destroy = section_destroy,
};

bool fm_w32_section_give(uint64_t handle, int fd, uint64_t size,
                         void (*on_close)(void *context, bool revoked), void *context)
{
        struct section *section = g_new0(struct section, 1);
        bool given;

        fm_w32_object_init(&section->object, &section_type);
        section->fd = fd;
        section->size = size;
        section->on_close = on_close;
        section->context = context;
        given = fm_w32_handle_give(handle, section);
        if (!given)
                section_close(&section->object);
        fm_w32_object_unref(section);
        return given;
}

void fm_w32_section_revoke(uint64_t handle)
{
        struct section *section = fm_w32_handle_ref((HANDLE)(uintptr_t)handle, &section_type);

        if (!section)
                return;
        section->revoked = true;
        fm_w32_handle_close((HANDLE)(uintptr_t)handle);
        fm_w32_object_unref(section);
}

/* FILE_MAP_COPY counts only if nothing else is asked for: it is a bit of FILE_MAP_ALL_ACCESS, too. */
static DWORD protection_of(DWORD access)
{
        if (access == FILE_MAP_COPY)
                return PAGE_WRITECOPY;
        return access & FILE_MAP_READ ? PAGE_READONLY : PAGE_NOACCESS;
}

/* Sections of filters are read-only: a view for writing is ERROR_ACCESS_DENIED. 0 bytes: up to the end. */
LPVOID WINAPI MapViewOfFile(HANDLE hFileMappingObject, DWORD dwDesiredAccess, DWORD dwFileOffsetHigh,
                            DWORD dwFileOffsetLow, SIZE_T dwNumberOfBytesToMap)
{
        struct section *section = fm_w32_handle_ref(hFileMappingObject, &section_type);
        uint64_t offset = (uint64_t)dwFileOffsetHigh << 32 | dwFileOffsetLow;
        DWORD error = ERROR_SUCCESS;
        void *address = MAP_FAILED;
        struct view view;

        if (!section)
                return NULL;
        if (offset % 0x10000)
                error = ERROR_MAPPED_ALIGNMENT;
        else if (dwDesiredAccess & (FILE_MAP_WRITE | FILE_MAP_EXECUTE))
                error = ERROR_ACCESS_DENIED;
        else if (offset >= section->size || dwNumberOfBytesToMap > section->size - offset)
                error = section->size == 0 ? ERROR_FILE_INVALID : ERROR_ACCESS_DENIED;
        if (!error && section->fd < 0)
                error = ERROR_NO_SYSTEM_RESOURCES;
        if (!error) {
                size_t length = dwNumberOfBytesToMap ? dwNumberOfBytesToMap : section->size - offset;
                int protection;

                view.protect = protection_of(dwDesiredAccess);
                protection = view.protect == PAGE_WRITECOPY  ? PROT_READ | PROT_WRITE
                             : view.protect == PAGE_READONLY ? PROT_READ
                                                             : PROT_NONE;
                address = mmap(NULL, length, protection, MAP_PRIVATE, section->fd, (off_t)offset);
                if (address == MAP_FAILED)
                        error = errno == ENOMEM ? ERROR_NOT_ENOUGH_MEMORY : ERROR_ACCESS_DENIED;
                view.start = (uintptr_t)address;
                view.length = (length + 4095) & ~(size_t)4095;
        }
        fm_w32_object_unref(section);
        if (error) {
                SetLastError(error);
                return NULL;
        }
        pthread_mutex_lock(&table.lock);
        if (!table.views)
                table.views = g_array_new(FALSE, FALSE, sizeof(struct view));
        g_array_append_val(table.views, view);
        pthread_mutex_unlock(&table.lock);
        return address;
}

BOOL WINAPI UnmapViewOfFile(LPCVOID lpBaseAddress)
{
        struct view view = { 0 };

        pthread_mutex_lock(&table.lock);
        for (guint i = 0; table.views && i < table.views->len; i++) {
                if (g_array_index(table.views, struct view, i).start != (uintptr_t)lpBaseAddress)
                        continue;
                view = g_array_index(table.views, struct view, i);
                g_array_remove_index_fast(table.views, i);
                break;
        }
        pthread_mutex_unlock(&table.lock);
        if (!view.length) {
                SetLastError(ERROR_INVALID_ADDRESS);
                return FALSE;
        }
        munmap((void *)view.start, view.length);
        return TRUE;
}

/* The transient boost is advice about paging that Linux gives itself. */
BOOL WINAPI UnmapViewOfFileEx(PVOID BaseAddress, ULONG UnmapFlags)
{
        return UnmapViewOfFile(BaseAddress);
}

static bool find_view(uintptr_t address, struct view *ret)
{
        bool found = false;

        pthread_mutex_lock(&table.lock);
        for (guint i = 0; table.views && i < table.views->len && !found; i++) {
                *ret = g_array_index(table.views, struct view, i);
                found = address >= ret->start && address - ret->start < ret->length;
        }
        pthread_mutex_unlock(&table.lock);
        return found;
}

/* Whole pages, as on Windows. What is no view of ours is looked up in /proc/self/maps. */
SIZE_T WINAPI VirtualQuery(LPCVOID lpAddress, PMEMORY_BASIC_INFORMATION lpBuffer, SIZE_T dwLength)
{
        uintptr_t page = (uintptr_t)lpAddress & ~(uintptr_t)4095;
        struct view view;
        char line[512];
        FILE *maps;

        if (dwLength < sizeof(*lpBuffer)) {
                SetLastError(ERROR_BAD_LENGTH);
                return 0;
        }
        *lpBuffer = (MEMORY_BASIC_INFORMATION){ .BaseAddress = (PVOID)page };
        if (find_view(page, &view)) {
                lpBuffer->AllocationBase = (PVOID)view.start;
                lpBuffer->AllocationProtect = lpBuffer->Protect = view.protect;
                lpBuffer->RegionSize = view.start + view.length - page;
                lpBuffer->State = MEM_COMMIT;
                lpBuffer->Type = MEM_MAPPED;
                return sizeof(*lpBuffer);
        }
        maps = fopen("/proc/self/maps", "re");
        if (!maps) {
                SetLastError(ERROR_INVALID_PARAMETER);
                return 0;
        }
        while (fgets(line, sizeof(line), maps)) {
                unsigned long start, end;
                char r, w;

                if (sscanf(line, "%lx-%lx %c%c", &start, &end, &r, &w) != 4)
                        continue; /* the rest of a long name */
                if (page < start) {
                        lpBuffer->State = MEM_FREE;
                        lpBuffer->Protect = PAGE_NOACCESS;
                        lpBuffer->RegionSize = start - page;
                        break;
                }
                if (page < end) {
                        lpBuffer->AllocationBase = (PVOID)start;
                        lpBuffer->Protect = w == 'w'   ? PAGE_READWRITE
                                            : r == 'r' ? PAGE_READONLY
                                                       : PAGE_NOACCESS;
                        lpBuffer->AllocationProtect = lpBuffer->Protect;
                        lpBuffer->RegionSize = end - page;
                        lpBuffer->State = MEM_COMMIT;
                        lpBuffer->Type = MEM_PRIVATE;
                        break;
                }
        }
        fclose(maps);
        if (!lpBuffer->RegionSize) {
                SetLastError(ERROR_INVALID_PARAMETER);
                return 0;
        }
        return sizeof(*lpBuffer);
}
