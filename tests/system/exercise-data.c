/* SPDX-License-Identifier: MIT */
/*
 * Reads, writes, cuts, maps and copies one file at random and compares it with what it must be, kept in
 * memory:
 *
 *     exercise-data SEED STEPS FILE
 *
 * Handles are opened and closed meanwhile, and one mapping stays over all of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exercise.h"

enum {
        SIZE_MAX_OF_FILE = 256 * 1024,
        LENGTH_MAX = 48 * 1024,
        PAGE = 4096,
        COMPARE_EVERY = 64, /* steps: then the whole file */
};

static struct exercise exercise;
static const char *path;
static int fd = -1;
static unsigned char *mapping; /* of the first handle, for all time */
static unsigned char wanted[SIZE_MAX_OF_FILE], buffer[SIZE_MAX_OF_FILE];
static size_t size;

#define FAIL(...) exercise_fail(&exercise, __VA_ARGS__)
#define SAY(...) exercise_say(&exercise, __VA_ARGS__)

static void compare(const unsigned char *got, size_t offset, size_t length, const char *how)
{
        for (size_t i = 0; i < length; i++)
                if (got[i] != wanted[offset + i])
                        FAIL("%s at %zu for %zu: byte %zu is 0x%02x, not 0x%02x", how, offset, length,
                             offset + i, got[i], wanted[offset + i]);
}

static void check_size(void)
{
        struct stat by_handle, by_name;

        if (fstat(fd, &by_handle) != 0 || stat(path, &by_name) != 0)
                FAIL("stat: %m");
        if ((size_t)by_handle.st_size != size)
                FAIL("fstat says %lld, not %zu", (long long)by_handle.st_size, size);
        if ((size_t)by_name.st_size != size)
                FAIL("stat says %lld, not %zu", (long long)by_name.st_size, size);
}

static void reopen(int flags)
{
        if (fd >= 0 && close(fd) != 0)
                FAIL("close: %m");
        fd = open(path, O_RDWR | O_CLOEXEC | flags, 0600);
        if (fd < 0)
                FAIL("open: %m");
}

/* Bytes that tell where and when they were written. */
static void make_data(size_t offset, size_t length)
{
        const unsigned step = (unsigned)exercise.step;

        for (size_t i = 0; i < length; i++)
                buffer[i] = (unsigned char)((offset + i) * 7 + (offset + i) / 251 + step * 13 + 1);
}

/* A range within the limit of the file. Every fourth one begins and ends at a page. */
static void range(size_t limit, size_t *offset, size_t *length)
{
        *offset = exercise_random(&exercise, (uint32_t)limit);
        *length = 1 + exercise_random(&exercise, LENGTH_MAX);
        if (exercise_random(&exercise, 4) == 0) {
                *offset -= *offset % PAGE;
                *length += PAGE - *length % PAGE;
        }
        if (*length > limit - *offset)
                *length = limit - *offset;
}

/* The file has data up to here at least; what is between was never written. */
static void grow(size_t end)
{
        if (end > size) {
                memset(wanted + size, 0, end - size);
                size = end;
        }
}

static void step_read(void)
{
        size_t offset, length;
        ssize_t r, right;

        range(SIZE_MAX_OF_FILE, &offset, &length);
        SAY("read %zu %zu of %zu", offset, length, size);
        right = offset >= size ? 0 : (ssize_t)(length > size - offset ? size - offset : length);
        r = pread(fd, buffer, length, (off_t)offset);
        if (r != right)
                FAIL("read: %zd, not %zd (%m)", r, right);
        compare(buffer, offset, (size_t)r, "read");
}

static void step_write(void)
{
        size_t offset, length;

        range(SIZE_MAX_OF_FILE, &offset, &length);
        SAY("write %zu %zu of %zu", offset, length, size);
        make_data(offset, length);
        if (pwrite(fd, buffer, length, (off_t)offset) != (ssize_t)length)
                FAIL("write: %m");
        grow(offset + length);
        memcpy(wanted + offset, buffer, length);
}

static void step_append(void)
{
        size_t length = 1 + exercise_random(&exercise, PAGE), end;
        int other;

        if (length > SIZE_MAX_OF_FILE - size)
                length = SIZE_MAX_OF_FILE - size;
        SAY("append %zu to %zu", length, size);
        make_data(size, length);
        other = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
        if (other < 0 || write(other, buffer, length) != (ssize_t)length || close(other) != 0)
                FAIL("append: %m");
        end = size;
        grow(size + length);
        memcpy(wanted + end, buffer, length);
}

static void step_truncate(void)
{
        const size_t to = exercise_random(&exercise, SIZE_MAX_OF_FILE);
        const int by_name = exercise_random(&exercise, 2);

        SAY("truncate%s %zu to %zu", by_name ? " by name" : "", size, to);
        if ((by_name ? truncate(path, (off_t)to) : ftruncate(fd, (off_t)to)) != 0)
                FAIL("truncate: %m");
        grow(to);
        size = to;
}

static void step_allocate(void)
{
        static const int modes[] = {
                0,
                FALLOC_FL_KEEP_SIZE,
                FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                FALLOC_FL_ZERO_RANGE,
                FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
        };
        const int mode = modes[exercise_random(&exercise, sizeof(modes) / sizeof(modes[0]))];
        size_t offset, length, end;

        range(SIZE_MAX_OF_FILE, &offset, &length);
        SAY("fallocate mode %d %zu %zu of %zu", mode, offset, length, size);
        if (fallocate(fd, mode, (off_t)offset, (off_t)length) != 0) {
                /* tmpfs can't do all of them. */
                if (errno == EOPNOTSUPP)
                        return;
                FAIL("fallocate: %m");
        }
        if (!(mode & FALLOC_FL_KEEP_SIZE))
                grow(offset + length);
        end = offset + length < size ? offset + length : size;
        if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE) && offset < end)
                memset(wanted + offset, 0, end - offset);
}

/* A range of the file as it is, mapped for this once or since the beginning; NULL of an empty file. */
static unsigned char *map(size_t *offset, size_t *length, int protection, unsigned char **to_unmap)
{
        const int flags =
                exercise_random(&exercise, 4) == 0 && protection == PROT_READ ? MAP_PRIVATE : MAP_SHARED;

        *to_unmap = NULL;
        if (size == 0)
                return NULL;
        range(size, offset, length);
        if (exercise_random(&exercise, 2))
                return mapping + *offset;
        *to_unmap = mmap(NULL, size, protection, flags, fd, 0);
        if (*to_unmap == MAP_FAILED)
                FAIL("mmap: %m");
        return *to_unmap + *offset;
}

static void unmap(unsigned char *from, size_t length)
{
        if (from && munmap(from, length) != 0)
                FAIL("munmap: %m");
}

static void step_map_read(void)
{
        size_t offset = 0, length = 0;
        unsigned char *whole, *here = map(&offset, &length, PROT_READ, &whole);

        SAY("map and read %zu %zu of %zu%s", offset, length, size, whole ? "" : ", old mapping");
        if (here)
                compare(here, offset, length, "mapping");
        unmap(whole, size);
}

static void step_map_write(void)
{
        size_t offset = 0, length = 0;
        unsigned char *whole, *here = map(&offset, &length, PROT_READ | PROT_WRITE, &whole);
        const int sync = exercise_random(&exercise, 2);

        SAY("map and write %zu %zu of %zu%s%s", offset, length, size, whole ? "" : ", old mapping",
            sync ? ", sync" : "");
        if (!here)
                return;
        make_data(offset, length);
        memcpy(here, buffer, length);
        memcpy(wanted + offset, buffer, length);
        if (sync && msync(whole ? whole : mapping, size, MS_SYNC) != 0)
                FAIL("msync: %m");
        unmap(whole, size);
}

static void step_copy(void)
{
        size_t from, to, length, done = 0;

        if (size < 2)
                return;
        /* Within one file the ranges must not overlap. */
        length = 1 + exercise_random(&exercise, (uint32_t)(size / 2 < LENGTH_MAX ? size / 2 : LENGTH_MAX));
        from = exercise_random(&exercise, (uint32_t)(size - length + 1));
        to = exercise_random(&exercise, (uint32_t)(SIZE_MAX_OF_FILE - length + 1));
        if (to < from + length && from < to + length)
                to = from >= length ? from - length : from + length;
        if (to + length > SIZE_MAX_OF_FILE)
                return;
        SAY("copy %zu %zu to %zu of %zu", from, length, to, size);
        while (done < length) {
                off_t in = (off_t)(from + done), out = (off_t)(to + done);
                ssize_t r = copy_file_range(fd, &in, fd, &out, length - done, 0);

                if (r <= 0)
                        FAIL("copy_file_range: %zd %m", r);
                done += (size_t)r;
        }
        grow(to + length);
        memcpy(wanted + to, wanted + from, length);
}

static void step_reopen(void)
{
        const int empty = exercise_random(&exercise, 16) == 0;

        SAY("close and open%s", empty ? ", empty" : "");
        reopen(empty ? O_TRUNC : 0);
        if (empty)
                size = 0;
}

static void step_sync(void)
{
        SAY("fsync");
        if (fsync(fd) != 0)
                FAIL("fsync: %m");
}

static void compare_all(void)
{
        ssize_t r;

        check_size();
        r = pread(fd, buffer, SIZE_MAX_OF_FILE, 0);
        if (r != (ssize_t)size)
                FAIL("reading all: %zd, not %zu (%m)", r, size);
        compare(buffer, 0, size, "reading all");
        compare(mapping, 0, size, "old mapping");
}

int main(int argc, char **argv)
{
        static void (*const steps[])(void) = {
                step_read,     step_read,      step_write,     step_write,  step_append,
                step_truncate, step_allocate,  step_allocate,  step_copy,   step_sync,
                step_map_read, step_map_write, step_map_write, step_reopen,
        };
        unsigned long count;
        int first;

        if (argc != 4) {
                fprintf(stderr, "Usage: exercise-data SEED STEPS FILE\n");
                return 2;
        }
        exercise_init(&exercise, strtoull(argv[1], NULL, 0));
        count = strtoul(argv[2], NULL, 0);
        path = argv[3];
        reopen(O_CREAT | O_EXCL);
        first = dup(fd);
        mapping = mmap(NULL, SIZE_MAX_OF_FILE, PROT_READ | PROT_WRITE, MAP_SHARED, first, 0);
        if (first < 0 || mapping == MAP_FAILED)
                FAIL("mmap: %m");
        for (exercise.step = 0; exercise.step < count; exercise.step++) {
                steps[exercise_random(&exercise, sizeof(steps) / sizeof(steps[0]))]();
                check_size();
                if (exercise.step % COMPARE_EVERY == COMPARE_EVERY - 1)
                        compare_all();
        }
        compare_all();
        printf("seed %llu: %lu steps\n", (unsigned long long)exercise.seed, count);
        return 0;
}
