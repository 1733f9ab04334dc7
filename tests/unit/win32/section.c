/* SPDX-License-Identifier: MIT */
/* Views of sections: mapped under the handle the filter gave, whole pages, until unmapped. */
#include "win32/section.h"

#include <glib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static unsigned closed, revoked_count;

static void on_close(void *context, bool revoked)
{
        closed++;
        revoked_count += revoked;
}

static int file_of(const char *text)
{
        int fd = memfd_create("section", MFD_CLOEXEC);

        g_assert_cmpint(fd, >=, 0);
        g_assert_cmpint(write(fd, text, strlen(text)), ==, (gssize)strlen(text));
        return fd;
}

static void test_view(void)
{
        HANDLE handle = (HANDLE)(ULONG_PTR)0x40000010;
        MEMORY_BASIC_INFORMATION information;
        char *view;

        closed = 0;
        g_assert_true(fm_w32_section_give(0x40000010, file_of("hello"), 5, on_close, NULL));
        view = MapViewOfFile(handle, FILE_MAP_READ, 0, 0, 0);
        g_assert_nonnull(view);
        g_assert_cmpmem(view, 5, "hello", 5);
        g_assert_cmpuint(VirtualQuery(view + 3, &information, sizeof(information)), ==, sizeof(information));
        g_assert_true(information.BaseAddress == view && information.AllocationBase == view);
        g_assert_cmpuint(information.RegionSize, ==, 4096);
        g_assert_cmpuint(information.State, ==, MEM_COMMIT);
        g_assert_cmpuint(information.Type, ==, MEM_MAPPED);
        g_assert_cmpuint(information.Protect, ==, PAGE_READONLY);
        g_assert_true(CloseHandle(handle));
        g_assert_cmpuint(closed, ==, 1);
        g_assert_cmpmem(view, 5, "hello", 5); /* the view stays */
        g_assert_true(UnmapViewOfFileEx(view, MEM_UNMAP_WITH_TRANSIENT_BOOST));
        g_assert_false(UnmapViewOfFile(view));
        g_assert_cmpuint(GetLastError(), ==, ERROR_INVALID_ADDRESS);
        g_assert_null(MapViewOfFile(handle, FILE_MAP_READ, 0, 0, 0));
        g_assert_cmpuint(GetLastError(), ==, ERROR_INVALID_HANDLE);
}

/* A section of 0x10000 + 5 bytes: which views there are, how large, and what may be done with them. */
static void test_rows(void)
{
        enum { SIZE = 0x10005, LAST = 0x10000 };
        static const struct {
                DWORD access, high, low;
                SIZE_T size;
                DWORD error;
                SIZE_T pages;
                DWORD protect;
        } rows[] = {
                { FILE_MAP_READ, 0, 0, 0, 0, 17, PAGE_READONLY },
                { FILE_MAP_READ, 0, 0, 1, 0, 1, PAGE_READONLY },
                { FILE_MAP_READ, 0, 0, SIZE, 0, 17, PAGE_READONLY },
                { FILE_MAP_READ, 0, 0, SIZE + 1, ERROR_ACCESS_DENIED, 0, 0 },
                { FILE_MAP_READ, 0, LAST, 0, 0, 1, PAGE_READONLY },
                { FILE_MAP_READ, 0, LAST, 5, 0, 1, PAGE_READONLY },
                { FILE_MAP_READ, 0, LAST, 6, ERROR_ACCESS_DENIED, 0, 0 },
                { FILE_MAP_READ, 0, 2 * LAST, 0, ERROR_ACCESS_DENIED, 0, 0 },
                { FILE_MAP_READ, 1, 0, 0, ERROR_ACCESS_DENIED, 0, 0 },
                { FILE_MAP_READ, 0, 1, 0, ERROR_MAPPED_ALIGNMENT, 0, 0 },
                { FILE_MAP_READ, 0, 0x1000, 0, ERROR_MAPPED_ALIGNMENT, 0, 0 },
                { FILE_MAP_READ, 0, 0, MAXSIZE_T, ERROR_ACCESS_DENIED, 0, 0 },
                { FILE_MAP_COPY, 0, 0, 0, 0, 17, PAGE_WRITECOPY },
                { FILE_MAP_READ | FILE_MAP_COPY, 0, 0, 0, 0, 17, PAGE_READONLY },
                { FILE_MAP_WRITE, 0, 0, 0, ERROR_ACCESS_DENIED, 0, 0 },
                { FILE_MAP_READ | FILE_MAP_WRITE, 0, 0, 0, ERROR_ACCESS_DENIED, 0, 0 },
                { FILE_MAP_ALL_ACCESS, 0, 0, 0, ERROR_ACCESS_DENIED, 0, 0 },
                { FILE_MAP_READ | FILE_MAP_EXECUTE, 0, 0, 0, ERROR_ACCESS_DENIED, 0, 0 },
                { 0, 0, 0, 0, 0, 17, PAGE_NOACCESS },
        };
        HANDLE handle = (HANDLE)(ULONG_PTR)0x40000020;
        int fd = file_of("start");

        g_assert_cmpint(pwrite(fd, "end..", 5, LAST), ==, 5);
        g_assert_true(fm_w32_section_give(0x40000020, fd, SIZE, NULL, NULL));
        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
                MEMORY_BASIC_INFORMATION information;
                char *view;

                g_test_message("row %u", i);
                SetLastError(ERROR_SUCCESS);
                view = MapViewOfFile(handle, rows[i].access, rows[i].high, rows[i].low, rows[i].size);
                g_assert_cmpuint(GetLastError(), ==, rows[i].error);
                g_assert_true(!view == (rows[i].error != ERROR_SUCCESS));
                if (!view)
                        continue;
                g_assert_cmpuint(VirtualQuery(view, &information, sizeof(information)), ==, sizeof(information));
                g_assert_cmpuint(information.RegionSize, ==, rows[i].pages * 4096);
                g_assert_cmpuint(information.Protect, ==, rows[i].protect);
                if (rows[i].protect != PAGE_NOACCESS)
                        g_assert_cmpint(view[0], ==, rows[i].low ? 'e' : 's');
                if (rows[i].protect == PAGE_WRITECOPY)
                        view[0] = 'x'; /* in this view only, as the next rows see */
                g_assert_true(UnmapViewOfFile(view));
        }
        CloseHandle(handle);
        g_assert_true(fm_w32_section_give(0x40000020, file_of(""), 0, NULL, NULL));
        g_assert_null(MapViewOfFile(handle, FILE_MAP_READ, 0, 0, 0));
        g_assert_cmpuint(GetLastError(), ==, ERROR_FILE_INVALID);
        CloseHandle(handle);
}

/* A value that is taken or out of range is not given, and its descriptor does not leak. */
static void test_values(void)
{
        int fd = file_of("a"), second = file_of("b");

        closed = revoked_count = 0;
        g_assert_true(fm_w32_section_give(0x40000030, fd, 1, on_close, NULL));
        g_assert_false(fm_w32_section_give(0x40000030, second, 1, on_close, NULL));
        g_assert_cmpint(close(second), ==, -1);
        g_assert_cmpuint(closed, ==, 1);
        g_assert_false(fm_w32_section_give(4, file_of("c"), 1, NULL, NULL));
        g_assert_false(fm_w32_section_give(0x40000031, file_of("c"), 1, NULL, NULL));
        fm_w32_section_revoke(0x40000030);
        g_assert_cmpuint(closed, ==, 2);
        g_assert_cmpuint(revoked_count, ==, 1);
        g_assert_false(CloseHandle((HANDLE)(ULONG_PTR)0x40000030));
        fm_w32_section_revoke(0x40000030);
        g_assert_cmpuint(closed, ==, 2);
        g_assert_cmpint(close(fd), ==, -1);
}

static void test_query_of_other_memory(void)
{
        MEMORY_BASIC_INFORMATION information;
        void *map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        g_assert_cmpuint(VirtualQuery((char *)map + 4096, &information, sizeof(information)), ==,
                         sizeof(information));
        g_assert_true(information.BaseAddress == (char *)map + 4096);
        g_assert_cmpuint(information.State, ==, MEM_COMMIT);
        g_assert_cmpuint(information.Protect, ==, PAGE_READWRITE);
        g_assert_cmpuint(VirtualQuery(NULL, &information, sizeof(information)), ==, sizeof(information));
        g_assert_cmpuint(information.State, ==, MEM_FREE);
        g_assert_cmpuint(VirtualQuery(map, &information, 8), ==, 0);
        munmap(map, 8192);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/section/view", test_view);
        g_test_add_func("/section/rows", test_rows);
        g_test_add_func("/section/values", test_values);
        g_test_add_func("/section/other-memory", test_query_of_other_memory);
        return g_test_run();
}
