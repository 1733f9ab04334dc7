/* SPDX-License-Identifier: MIT */
/*
 * The rule of caching, both halves: a filter sees each operation that it asked for; what nobody asked for is
 * answered by the kernel where it can, and makes no operation where it can't. And what was cached before a
 * filter came is dropped.
 *
 * Requests are counted where the workers take them, operations where the front end makes them or what they
 * need.
 */
#include "irp-harness.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fuse/session.h"

#include <linux/fuse.h>

/* fm_major_bit() as a constant */
#define MAJOR(name) (UINT64_C(1) << (IRP_MJ_##name < 0x20 ? IRP_MJ_##name : 32 + (0xff - IRP_MJ_##name) % 32))
#define ALL         (~UINT64_C(0))
#define QUERIES     (MAJOR(QUERY_OPEN) | MAJOR(QUERY_INFORMATION) | MAJOR(NETWORK_QUERY_OPEN))

enum { PAGE = 4096, PAGES = 256 };

static const struct fm_session_options remembers = {
        .sector_size = 512, .attr_timeout = 3600, .entry_timeout = 3600};

static _Atomic unsigned requests[64], operations;

/* What the front end itself takes for requests of one kind, on the worker that has it. */
static struct {
        _Atomic unsigned opcode;
        _Atomic unsigned requests, allocations, locks;
} cost;
static __thread bool counts_cost;

#define COUNT_CALLS(type, name, parameters, arguments, counter)                                              \
        type __real_##name parameters;                                                                       \
        type __wrap_##name parameters;                                                                       \
        type __wrap_##name parameters                                                                        \
        {                                                                                                    \
                cost.counter += counts_cost;                                                                 \
                return __real_##name arguments;                                                              \
        }
COUNT_CALLS(void *, malloc, (size_t size), (size), allocations)
COUNT_CALLS(void *, calloc, (size_t count, size_t size), (count, size), allocations)
COUNT_CALLS(gpointer, g_malloc, (gsize size), (size), allocations)
COUNT_CALLS(gpointer, g_malloc0, (gsize size), (size), allocations)
COUNT_CALLS(int, pthread_mutex_lock, (pthread_mutex_t *lock), (lock), locks)

void __real_fuse_session_process_buf(struct fuse_session *session, const struct fuse_buf *buf);
void __wrap_fuse_session_process_buf(struct fuse_session *session, const struct fuse_buf *buf);
void __wrap_fuse_session_process_buf(struct fuse_session *session, const struct fuse_buf *buf)
{
        const struct fuse_in_header *header = buf->mem;

        if (!(buf->flags & FUSE_BUF_IS_FD) && header->opcode < G_N_ELEMENTS(requests))
                requests[header->opcode]++;
        counts_cost = !(buf->flags & FUSE_BUF_IS_FD) && cost.opcode && header->opcode == cost.opcode;
        cost.requests += counts_cost;
        __real_fuse_session_process_buf(session, buf);
        counts_cost = false;
}

struct fm_operation *__real_fm_operation_new(PFLT_VOLUME volume, UCHAR major, PFILE_OBJECT file,
                                             const struct fm_requestor *requestor);
struct fm_operation *__wrap_fm_operation_new(PFLT_VOLUME volume, UCHAR major, PFILE_OBJECT file,
                                             const struct fm_requestor *requestor);
struct fm_operation *__wrap_fm_operation_new(PFLT_VOLUME volume, UCHAR major, PFILE_OBJECT file,
                                             const struct fm_requestor *requestor)
{
        operations++;
        return __real_fm_operation_new(volume, major, file, requestor);
}

/* Every request on its way to filters has one. */
struct fm_request *__real_fm_request_new(fuse_req_t req);
struct fm_request *__wrap_fm_request_new(fuse_req_t req);
struct fm_request *__wrap_fm_request_new(fuse_req_t req)
{
        operations++;
        return __real_fm_request_new(req);
}

static void forget_counts(void)
{
        for (unsigned i = 0; i < G_N_ELEMENTS(requests); i++)
                requests[i] = 0;
        operations = 0;
}

/* ---- what is done ---- */

static char *path, *link_path;
static int fd = -1;
static volatile char *map = MAP_FAILED;
static unsigned turn;

/* As large as a request can be, and beginning in the middle of a page. */
static void do_write_much(void)
{
        static char much[1000 * 1000];

        /* The kernel stops a request where it has to fetch the caller's memory. */
        memset(much, 'x', sizeof(much));
        g_assert_cmpint((int)pwrite(fd, much, sizeof(much), 123), ==, sizeof(much));
}

static void make_files(void)
{
        g_autofree char *source = irp_in_source("f"), *source_link = irp_in_source("l"),
                        *data = g_malloc(PAGE * PAGES);

        memset(data, 'x', PAGE * PAGES);
        g_assert_true(g_file_set_contents(source, data, PAGE * PAGES, NULL));
        g_assert_cmpint(symlink("f", source_link), ==, 0);
        setxattr(source, "user.color", "blue", 4, 0);
        path = irp_in_mount("f");
        link_path = irp_in_mount("l");
        turn = 0;
}

static void open_it(void)
{
        fd = open(path, O_RDWR);
        g_assert_cmpint(fd, >=, 0);
}

static void map_it(void)
{
        open_it();
        map = mmap(NULL, PAGE * PAGES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        /* No page but the one that is touched. */
        if (map != MAP_FAILED)
                g_assert_cmpint(madvise((void *)map, PAGE * PAGES, MADV_RANDOM), ==, 0);
}

static void undo(void)
{
        if (map != MAP_FAILED)
                munmap((void *)map, PAGE * PAGES);
        if (fd >= 0)
                close(fd);
        map = MAP_FAILED;
        fd = -1;
        g_clear_pointer(&path, g_free);
        g_clear_pointer(&link_path, g_free);
}

static void do_open(void)
{
        int other = open(path, O_RDONLY);

        g_assert_cmpint(other, >=, 0);
        close(other);
}

static void do_read(void)
{
        char byte;

        g_assert_cmpint((int)pread(fd, &byte, 1, 100), ==, 1);
}

static void do_write(void)
{
        g_assert_cmpint((int)pwrite(fd, "y", 1, 100), ==, 1);
}

static void do_touch(void)
{
        if (map != MAP_FAILED)
                g_assert_cmpint(map[turn * 16 * PAGE], ==, 'x');
}

static void do_touch_another(void)
{
        turn++;
        do_touch();
}

static void do_dirty(void)
{
        if (map == MAP_FAILED)
                return;
        map[0]++;
        g_assert_cmpint(msync((void *)map, PAGE, MS_SYNC), ==, 0);
}

static void do_stat(void)
{
        struct stat st;

        g_assert_cmpint(stat(path, &st), ==, 0);
}

static void do_seek_end(void)
{
        g_assert_cmpint((int)lseek(fd, 0, SEEK_END), ==, PAGE * PAGES);
}

static void do_look_up(void)
{
        g_assert_cmpint(access(path, F_OK), ==, 0);
}

static void do_list(void)
{
        DIR *dir = opendir(irp_mount);

        g_assert_nonnull(dir);
        while (readdir(dir))
                ;
        closedir(dir);
}

static void do_getxattr(void)
{
        char value[16];

        g_assert_cmpint((int)getxattr(path, "user.color", value, sizeof(value)), ==, 4);
}

static void do_readlink(void)
{
        char target[16];

        g_assert_cmpint((int)readlink(link_path, target, sizeof(target)), ==, 1);
}

static void do_statfs(void)
{
        struct statvfs fs;

        g_assert_cmpint(statvfs(path, &fs), ==, 0);
}

static void do_write_and_close(void)
{
        int other = open(path, O_WRONLY);

        g_assert_cmpint((int)pwrite(other, "z", 1, 0), ==, 1);
        close(other);
}

static void do_lock(void)
{
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 10};

        g_assert_cmpint(fcntl(fd, F_SETLK, &lock), ==, 0);
        lock.l_type = F_UNLCK;
        g_assert_cmpint(fcntl(fd, F_SETLK, &lock), ==, 0);
}

static void do_fsync(void)
{
        g_assert_cmpint(fsync(fd), ==, 0);
}

/* ---- the table: docs/how-it-works.md has the same ---- */

static const struct kind {
        const char *name;
        uint64_t majors;
        void (*prepare)(void);
        void (*act)(void);
        const char *token, *file; /* what a filter sees of one act, each time as often */
        unsigned times;
        unsigned opcode;
        bool kept; /* the kernel answers it itself the second time */
        bool needs_map;
} kinds[] = {
        {"open", MAJOR(CREATE), NULL, do_open, "CREATE(OPEN,NONDIR)", "\\f", 1, FUSE_OPEN},
        {"read", MAJOR(READ), open_it, do_read, "READ", "\\f", 1, FUSE_READ, .kept = true},
        {"write", MAJOR(WRITE), open_it, do_write, "WRITE", "\\f", 1, FUSE_WRITE},
        /* Whole, where a filter wants both; through the page cache it may come in pieces. */
        {"write-much", MAJOR(WRITE) | MAJOR(READ), open_it, do_write_much, "WRITE", "\\f", 1, FUSE_WRITE},
        {"page-in", MAJOR(READ), map_it, do_touch_another, "READ(PAGING)", "\\f", 1, FUSE_READ,
         .needs_map = true},
        {"page-again", 0, map_it, do_touch, NULL, NULL, 0, FUSE_READ, .kept = true, .needs_map = true},
        {"page-out", MAJOR(WRITE), map_it, do_dirty, "WRITE(PAGING)", "\\f", 1, FUSE_WRITE,
         .needs_map = true},
        {"stat", MAJOR(QUERY_OPEN), NULL, do_stat, "QUERY_OPEN(70)", "\\f", 1, FUSE_GETATTR, .kept = true},
        {"seek-end", MAJOR(QUERY_INFORMATION), open_it, do_seek_end, "QUERY_INFORMATION(70)", "\\f", 1,
         FUSE_GETATTR, .kept = true},
        {"lookup", 0, NULL, do_look_up, NULL, NULL, 0, FUSE_LOOKUP, .kept = true},
        {"readdir", MAJOR(DIRECTORY_CONTROL), NULL, do_list, "DIRECTORY_CONTROL", "\\", 2, FUSE_READDIRPLUS},
        {"xattr", MAJOR(QUERY_EA), NULL, do_getxattr, "QUERY_EA", "\\f", 1, FUSE_GETXATTR},
        {"readlink", MAJOR(FILE_SYSTEM_CONTROL), NULL, do_readlink, "FSCTL(900a8)", "\\l", 1, FUSE_READLINK},
        {"statfs", MAJOR(QUERY_VOLUME_INFORMATION), NULL, do_statfs, "QUERY_VOLUME(7)", NULL, 1, FUSE_STATFS},
        {"close", MAJOR(CLEANUP), NULL, do_write_and_close, "CLEANUP", "\\f", 1, FUSE_FLUSH},
        {"lock", MAJOR(LOCK_CONTROL), open_it, do_lock, "LOCK_CONTROL(1)", "\\f", 1, FUSE_SETLK},
        {"fsync", MAJOR(FLUSH_BUFFERS), open_it, do_fsync, "FLUSH_BUFFERS", "\\f", 1, FUSE_FSYNC},
};

static bool can(const struct kind *kind)
{
        if (kind->needs_map && map == MAP_FAILED) {
                g_test_skip("this kernel does not map files with direct I/O");
                return false;
        }
        return true;
}

static void begin(const struct kind *kind, uint64_t majors)
{
        irp_set_up_with(majors, &remembers);
        irp_watch(ALL);
        make_files();
        if (kind->prepare)
                kind->prepare();
}

/* A filter that asked for nothing else sees each. */
static void test_asked(gconstpointer data)
{
        const struct kind *kind = data;
        unsigned i;

        begin(kind, kind->majors);
        irp_clear();
        forget_counts();
        for (i = 1; i <= 3 && can(kind); i++) {
                kind->act();
                g_assert_cmpuint(operations, >=, i * kind->times);
                g_assert_cmpuint(irp_count(kind->token, kind->file), ==, i * kind->times);
        }
        undo();
        irp_tear_down();
}

static void check_not_asked(const struct kind *kind, uint64_t majors)
{
        begin(kind, majors);
        kind->act();
        forget_counts();
        kind->act();
        if (kind->kept)
                g_assert_cmpuint(requests[kind->opcode], ==, 0);
        else if (can(kind) && kind->opcode != FUSE_READDIRPLUS)
                g_assert_cmpuint(requests[kind->opcode], >, 0);
        if (!majors || majors == MAJOR(SET_VOLUME_INFORMATION))
                g_assert_cmpuint(operations, ==, 0);
        else if (kind->token)
                g_assert_cmpuint(irp_count(kind->token, NULL), ==, 0);
        undo();
        irp_tear_down();
}

/*
 * The least that a request of this kind takes: a worker's first has to get what that worker keeps. False: none was
 * made.
 */
static bool measure(const struct kind *kind, uint64_t majors, double *ret_allocations, double *ret_locks)
{
        bool any = false;

        begin(kind, majors);
        *ret_allocations = *ret_locks = G_MAXDOUBLE;
        for (unsigned i = 0; i < 12; i++) {
                cost.requests = cost.allocations = cost.locks = 0;
                cost.opcode = kind->opcode;
                kind->act();
                cost.opcode = 0;
                if (cost.requests == 0)
                        continue;
                any = true;
                *ret_allocations = MIN(*ret_allocations, (double)cost.allocations / cost.requests);
                *ret_locks = MIN(*ret_locks, (double)cost.locks / cost.requests);
        }
        undo();
        irp_tear_down();
        return any;
}

/* A filter that wants something else altogether costs a request nothing: no allocation, no lock, no operation. */
static void test_free(gconstpointer data)
{
        const struct kind *kind = data;
        double allocations, locks, more_allocations, more_locks;

        if (!measure(kind, 0, &allocations, &locks) ||
            !measure(kind, MAJOR(SET_VOLUME_INFORMATION), &more_allocations, &more_locks)) {
                g_test_skip("the kernel does it alone");
                return;
        }
        g_assert_cmpfloat(more_allocations, ==, allocations);
        g_assert_cmpfloat(more_locks, ==, locks);
}

/* Without a filter, and with one that asked for all the rest. */
static void test_not_asked(gconstpointer data)
{
        const struct kind *kind = data;

        check_not_asked(kind, 0);
        check_not_asked(kind, MAJOR(SET_VOLUME_INFORMATION));
        check_not_asked(kind, ALL & ~kind->majors & ~(kind->majors & QUERIES ? QUERIES : 0));
}

/* ---- a filter for WRITE alone ---- */

enum { SPAN = 4 * 1024 * 1024 };

/*
 * How often each byte of the file came by in writes of a program, and in those of the pages' own. No record is lost:
 * operations run one after the other here.
 */
static void count_bytes(const char *token, UCHAR *times)
{
        memset(times, 0, SPAN);
        for (unsigned i = 0, left = irp_count(token, "\\f"); left; i++) {
                const struct irp_record *record = irp_record(i);

                if (strcmp(record->token, token) != 0)
                        continue;
                left--;
                g_assert_cmpint(record->offset, >=, 0);
                g_assert_cmpint(record->offset + record->length, <=, SPAN);
                for (ULONG at = 0; at < record->length; at++)
                        times[record->offset + at]++;
        }
}

static void check_range(const UCHAR *times, off_t start, size_t length, UCHAR wanted)
{
        for (size_t i = 0; i < length; i++)
                if (times[start + (off_t)i] != wanted)
                        g_error("byte %lld came %d times", (long long)start + (long long)i, times[start + (off_t)i]);
}

/*
 * Files are not opened with direct I/O for it: the cache writes through. Each write(2) comes, with its bytes and no
 * others, and once, in pieces if it is large; nothing of it comes again when pages are written back. What a mapping
 * changes comes as paging.
 */
static void test_write_only(void)
{
        static const struct {
                off_t offset;
                size_t length;
        } writes[] = {
                {100, 1}, {5000, 3000}, {PAGE * 10, PAGE}, {PAGE * 20 - 7, PAGE + 14}, {SPAN / 2 + 5, 1024 * 1024}};
        g_autofree char *data = g_malloc(1024 * 1024);
        g_autofree UCHAR *times = g_malloc(SPAN);
        int append;

        memset(data, 'w', 1024 * 1024);
        irp_set_up_with(MAJOR(WRITE), &remembers);
        irp_watch(ALL);
        make_files();
        map_it();
        do_read(); /* of what is cached too */
        for (unsigned i = 0; i < G_N_ELEMENTS(writes); i++) {
                irp_clear();
                g_assert_cmpint(pwrite(fd, data, writes[i].length, writes[i].offset), ==, (ssize_t)writes[i].length);
                count_bytes("WRITE", times);
                check_range(times, 0, (size_t)writes[i].offset, 0);
                check_range(times, writes[i].offset, writes[i].length, 1);
                check_range(times, writes[i].offset + (off_t)writes[i].length,
                            SPAN - (size_t)writes[i].offset - writes[i].length, 0);
                /* A small one is one operation. */
                if (writes[i].length <= PAGE && writes[i].offset % PAGE + (off_t)writes[i].length <= PAGE)
                        g_assert_cmpuint(irp_count("WRITE", "\\f"), ==, 1);
        }
        irp_clear();
        append = open(path, O_WRONLY | O_APPEND);
        g_assert_cmpint((int)write(append, "end", 3), ==, 3);
        close(append);
        g_assert_cmpuint(irp_count("WRITE", "\\f"), ==, 1);
        g_assert_cmpuint(irp_record(0)->length, ==, 3);
        g_assert_cmpint(irp_record(0)->offset, ==, -1); /* FILE_WRITE_TO_END_OF_FILE */

        /* All of it is written: there is nothing left for later. */
        irp_clear();
        g_assert_cmpint(fsync(fd), ==, 0);
        g_assert_cmpuint(irp_count("WRITE", NULL) + irp_count("WRITE(PAGING)", NULL), ==, 0);
        if (map != MAP_FAILED) {
                map[PAGE * 3] = 'm';
                g_assert_cmpuint(irp_count("WRITE", NULL) + irp_count("WRITE(PAGING)", NULL), ==, 0);
                g_assert_cmpint(msync((void *)map, PAGE * PAGES, MS_SYNC), ==, 0);
                count_bytes("WRITE(PAGING)", times);
                check_range(times, 0, PAGE * 3, 0);
                check_range(times, PAGE * 3, PAGE, 1);
                check_range(times, PAGE * 4, SPAN - PAGE * 4, 0);
                g_assert_cmpuint(irp_count("WRITE", NULL), ==, 0);
        }
        irp_clear();
        undo();
        g_assert_cmpuint(irp_count("WRITE", NULL) + irp_count("WRITE(PAGING)", NULL), ==, 0);
        irp_tear_down();
}

static void open_and_read(const char *wanted)
{
        char got[2] = "";
        int other = open(path, O_RDONLY);

        g_assert_cmpint((int)read(other, got, 1), ==, 1);
        g_assert_cmpstr(got, ==, wanted);
        close(other);
}

/* Pages outlive the handle, once the file is older than its time stamps are coarse; not a change behind the
 * mount. */
static void test_reopen(void)
{
        const gint64 end = g_get_monotonic_time() + 20 * G_TIME_SPAN_SECOND;
        g_autofree char *source = NULL;
        int other;

        irp_set_up_with(0, &remembers);
        make_files();
        do {
                forget_counts();
                open_and_read("x");
        } while (requests[FUSE_READ] && g_get_monotonic_time() < end);
        g_assert_cmpuint(requests[FUSE_READ], ==, 0);
        source = irp_in_source("f");
        other = open(source, O_WRONLY);
        g_assert_cmpint((int)pwrite(other, "c", 1, 0), ==, 1);
        close(other);
        open_and_read("c");
        undo();
        irp_tear_down();
}

/* What the kernel knows of the time before is gone when the attach returns, and known again after the detach.
 */
static void test_come_and_go(void)
{
        int before;

        irp_set_up_with(0, &remembers);
        irp_watch(ALL);
        make_files();
        map_it();
        before = fd;
        do_read();
        do_touch();
        do_stat();
        forget_counts();
        do_read();
        do_touch();
        do_stat();
        g_assert_cmpuint(requests[FUSE_READ] + requests[FUSE_GETATTR], ==, 0);

        irp_attach(MAJOR(READ) | QUERIES);
        irp_watch(ALL);
        do_stat();
        g_assert_cmpuint(irp_count("QUERY_OPEN(70)", "\\f"), ==, 1);
        do_stat();
        g_assert_cmpuint(irp_count("QUERY_OPEN(70)", "\\f"), ==, 2);
        /* A handle from before keeps the page cache: its pages come once more. */
        if (map != MAP_FAILED) {
                do_touch();
                g_assert_cmpuint(irp_count("READ(PAGING)", "\\f"), ==, 1);
        } else {
                do_read();
                g_assert_cmpuint(irp_count("READ(PAGING)", "\\f"), ==, 1);
        }
        open_it();
        do_read();
        do_read();
        g_assert_cmpuint(irp_count("READ", "\\f"), ==, 2);
        close(fd);

        irp_detach();
        open_it();
        do_read();
        do_stat();
        forget_counts();
        do_read();
        do_stat();
        g_assert_cmpuint(requests[FUSE_READ] + requests[FUSE_GETATTR], ==, 0);
        g_assert_cmpuint(operations, ==, 0);
        close(before);
        undo();
        irp_tear_down();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        if (!irp_can_mount())
                return 0;
        for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
                g_autofree char *asked = g_strdup_printf("/irp/caching/asked/%s", kinds[i].name);
                g_autofree char *not_asked = g_strdup_printf("/irp/caching/not-asked/%s", kinds[i].name);

                if (kinds[i].majors)
                        g_test_add_data_func(asked, &kinds[i], test_asked);
                g_test_add_data_func(not_asked, &kinds[i], test_not_asked);
                if (!kinds[i].kept) {
                        g_autofree char *costs_nothing = g_strdup_printf("/irp/caching/free/%s", kinds[i].name);

                        g_test_add_data_func(costs_nothing, &kinds[i], test_free);
                }
        }
        g_test_add_func("/irp/caching/write-only", test_write_only);
        g_test_add_func("/irp/caching/reopen", test_reopen);
        g_test_add_func("/irp/caching/come-and-go", test_come_and_go);
        return g_test_run();
}
