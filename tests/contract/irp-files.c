/* SPDX-License-Identifier: MIT */
/* Opening, data and closing: which IRPs a system call makes, and when CLEANUP and CLOSE come. */
#include "irp-harness.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define IN(variable, name) g_autofree char *variable = irp_in_mount(name)

static void touch(const char *name, const char *content)
{
        g_autofree char *path = irp_in_source(name);

        g_assert_true(g_file_set_contents(path, content, -1, NULL));
}

static void test_read_only(void)
{
        irp_set_up();
        IN(path, "f");
        char buffer[16];
        int fd;

        touch("f", "hello");
        irp_clear();
        fd = open(path, O_RDONLY);
        g_assert_cmpint(fd, >=, 0);
        irp_expect("CREATE(OPEN,NONDIR)");
        g_assert_cmphex(irp_record(0)->access, ==, FILE_GENERIC_READ);
        g_assert_cmpuint(irp_record(0)->information, ==, FILE_OPENED);
        g_assert_cmpint((int)read(fd, buffer, sizeof(buffer)), ==, 5);
        g_assert_cmpint(memcmp(buffer, "hello", 5), ==, 0);
        g_assert_cmpint((int)pread(fd, buffer, sizeof(buffer), 100), ==, 0);
        irp_expect("CREATE(OPEN,NONDIR) READ READ");
        g_assert_cmphex((guint)irp_record(2)->status, ==, (guint)STATUS_END_OF_FILE);
        close(fd);
        irp_expect("CREATE(OPEN,NONDIR) READ READ CLEANUP CLOSE");
        irp_tear_down();
}

static void test_write_and_close(void)
{
        irp_set_up();
        IN(path, "f");
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0640);

        g_assert_cmpint(fd, >=, 0);
        irp_expect("CREATE(CREATE,NONDIR)");
        g_assert_cmpuint(irp_record(0)->information, ==, FILE_CREATED);
        g_assert_cmphex(irp_record(0)->access, ==, FILE_GENERIC_WRITE);
        g_assert_cmpint((int)write(fd, "data", 4), ==, 4);
        irp_clear();
        close(fd);
        /* In close(2), not some time later. */
        g_assert_cmpstr(irp_record(0)->token, ==, "CLEANUP");
        g_assert_cmpuint(irp_record(0)->pid, ==, (guint)getpid());
        irp_expect("CLEANUP CLOSE");
        /* It is the I/O manager that sends them. */
        g_assert_cmpint(irp_record(0)->mode, ==, KernelMode);
        g_assert_cmpint(irp_record(1)->mode, ==, KernelMode);
        irp_tear_down();
}

/* Each close after new writes is a cleanup; one without is none. */
static void test_cleanup_again(void)
{
        irp_set_up();
        IN(path, "f");
        int fd = open(path, O_RDWR | O_CREAT, 0600), other;

        g_assert_cmpint((int)write(fd, "1", 1), ==, 1);
        other = dup(fd);
        irp_clear();
        close(other);
        irp_expect("CLEANUP");
        other = dup(fd);
        close(other);
        g_assert_cmpint((int)write(fd, "2", 1), ==, 1);
        irp_expect("CLEANUP WRITE");
        other = dup(fd);
        close(other);
        irp_expect("CLEANUP WRITE CLEANUP");
        close(fd);
        irp_expect("CLEANUP WRITE CLEANUP CLOSE");
        irp_tear_down();
}

/* A writable handle that wrote nothing is cleaned up once, when it is released. */
static void test_never_written(void)
{
        irp_set_up();
        IN(path, "f");
        int fd;

        touch("f", "x");
        fd = open(path, O_RDWR);
        irp_clear();
        close(fd);
        irp_expect("CLEANUP CLOSE");
        irp_tear_down();
}

static void test_open_flags(void)
{
        irp_set_up();
        IN(path, "f");
        int fd;

        touch("f", "0123456789");
        irp_clear();
        fd = open(path, O_WRONLY | O_TRUNC);
        irp_expect("CREATE(OVERWRITE,NONDIR)");
        g_assert_cmpuint(irp_record(0)->information, ==, FILE_OVERWRITTEN);
        close(fd);
        irp_expect("CREATE(OVERWRITE,NONDIR) CLEANUP CLOSE");
        irp_clear();
        fd = open(path, O_WRONLY | O_APPEND | O_SYNC);
        g_assert_cmphex(irp_record(0)->access & (FILE_WRITE_DATA | FILE_APPEND_DATA), ==, FILE_APPEND_DATA);
        g_assert_cmpint((int)write(fd, "ab", 2), ==, 2);
        g_assert_cmpint((int)write(fd, "cd", 2), ==, 2);
        g_assert_cmphex((guint64)irp_find("WRITE")->offset, ==, G_GUINT64_CONSTANT(0xffffffffffffffff));
        g_assert_cmphex(irp_find("WRITE")->operation_flags & SL_WRITE_THROUGH, ==, SL_WRITE_THROUGH);
        close(fd);
        g_autofree char *content = NULL;
        g_assert_true(g_file_get_contents(path, &content, NULL, NULL));
        g_assert_cmpstr(content, ==, "abcd");
        irp_tear_down();
}

static void test_denied(void)
{
        static const struct {
                NTSTATUS status;
                int error;
        } rows[] = {
                {STATUS_ACCESS_DENIED, EACCES},
                {STATUS_VIRUS_INFECTED, EACCES},
                {STATUS_OBJECT_NAME_NOT_FOUND, ENOENT},
                {STATUS_SHARING_VIOLATION, EBUSY},
                {STATUS_NOT_SUPPORTED, EOPNOTSUPP},
                {STATUS_INSUFFICIENT_RESOURCES, ENOMEM},
                {STATUS_DISK_FULL, ENOSPC},
                {STATUS_UNSUCCESSFUL, EIO},
        };
        unsigned i, post;

        irp_set_up();
        IN(path, "f");
        touch("f", "x");
        for (i = 0; i < G_N_ELEMENTS(rows); i++) {
                for (post = 0; post < 2; post++) {
                        struct irp_rule deny = {.major = IRP_MJ_CREATE,
                                                .class = -1,
                                                .in_post = post,
                                                .status = rows[i].status};

                        irp_set_rule(&deny);
                        g_assert_cmpint(open(path, O_RDONLY), ==, -1);
                        g_assert_cmpint(errno, ==, rows[i].error);
                        irp_set_rule(NULL);
                }
        }
        irp_tear_down();
}

/* What a filter reads from a file that the application may only write. */
static char seen[16];
static ULONG seen_length;

static void read_in_post_create(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        LARGE_INTEGER offset = {.QuadPart = 0};

        memset(seen, 0, sizeof(seen));
        FltReadFile(objects->Instance, objects->FileObject, &offset, sizeof(seen), seen,
                    FLTFL_IO_OPERATION_DO_NOT_UPDATE_BYTE_OFFSET, &seen_length, NULL, NULL);
}

static void test_filter_reads(void)
{
        static const struct irp_rule rule = {
                .major = IRP_MJ_CREATE, .class = -1, .in_post = true, .post = read_in_post_create};

        irp_set_up();
        IN(path, "f");
        g_autofree char *source = irp_in_source("f");
        int fd;

        touch("f", "secret");
        chmod(source, 0200);
        irp_set_rule(&rule);
        fd = open(path, O_WRONLY);
        g_assert_cmpint(fd, >=, 0);
        irp_set_rule(NULL);
        g_assert_cmpuint(seen_length, ==, 6);
        g_assert_cmpstr(seen, ==, "secret");
        close(fd);
        irp_tear_down();
}

/* The next open waits until the cleanup of the last writer is over. */
static struct {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        bool entered, leave;
} gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void hold(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        pthread_mutex_lock(&gate.lock);
        gate.entered = true;
        pthread_cond_broadcast(&gate.changed);
        while (!gate.leave)
                pthread_cond_wait(&gate.changed, &gate.lock);
        pthread_mutex_unlock(&gate.lock);
}

static gpointer close_it(gpointer fd)
{
        close(GPOINTER_TO_INT(fd));
        return NULL;
}

static void pass_gate(void)
{
        irp_set_rule(NULL);
        pthread_mutex_lock(&gate.lock);
        gate.leave = true;
        pthread_cond_broadcast(&gate.changed);
        pthread_mutex_unlock(&gate.lock);
}

static bool gate_is_open(void)
{
        bool open;

        pthread_mutex_lock(&gate.lock);
        open = gate.leave;
        pthread_mutex_unlock(&gate.lock);
        return open;
}

static void wait_until_held(void)
{
        pthread_mutex_lock(&gate.lock);
        while (!gate.entered)
                pthread_cond_wait(&gate.changed, &gate.lock);
        pthread_mutex_unlock(&gate.lock);
}

static const struct irp_rule hold_cleanup = {.major = IRP_MJ_CLEANUP, .class = -1, .pre = hold, .name_suffix = "\\f"};

/* A file "f" that was written, and the CLEANUP of its close held by the filter. */
static GThread *hold_a_close(const char *path, int fd)
{
        GThread *closer;

        g_assert_cmpint((int)write(fd, "x", 1), ==, 1);
        gate.entered = gate.leave = false;
        irp_set_rule(&hold_cleanup);
        closer = g_thread_new("closer", close_it, GINT_TO_POINTER(fd));
        wait_until_held();
        return closer;
}

static int late_open(const char *path, int fd)
{
        int other = open(path, O_RDONLY);

        return other < 0 ? -1 : close(other);
}

static int late_create(const char *path, int fd)
{
        int other = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

        return other < 0 ? -1 : close(other);
}

static int late_unlink(const char *path, int fd)
{
        return unlink(path);
}

static int late_rename(const char *path, int fd)
{
        IN(other, "other");

        return rename(path, other);
}

static int late_replace(const char *path, int fd)
{
        IN(other, "other");

        return rename(other, path);
}

static int late_truncate(const char *path, int fd)
{
        return truncate(path, 0);
}

static int late_ftruncate(const char *path, int fd)
{
        return ftruncate(fd, 0);
}

static const struct late {
        const char *name;
        int (*act)(const char *path, int fd);
} lates[] = {
        {"open", late_open},         {"create", late_create},     {"unlink", late_unlink},
        {"rename", late_rename},     {"replace", late_replace},   {"truncate", late_truncate},
        {"ftruncate", late_ftruncate},
};

static struct {
        const struct late *late;
        const char *path;
        int fd;
} later;

static gpointer come_late(gpointer unused)
{
        g_assert_cmpint(later.late->act(later.path, later.fd), ==, 0);
        g_assert_true(gate_is_open());
        return NULL;
}

/* Whoever wants the file itself waits until the verdict of its last writer's close is there. */
static void test_barrier(gconstpointer data)
{
        GThread *closer, *thread;
        unsigned i;

        irp_set_up();
        IN(path, "f");
        int fd = open(path, O_WRONLY | O_CREAT, 0600);

        touch("other", "");
        later.late = data;
        later.path = path;
        later.fd = open(path, O_WRONLY);
        irp_clear();
        irp_watch(fm_major_bit(IRP_MJ_CREATE) | fm_major_bit(IRP_MJ_CLEANUP) | fm_major_bit(IRP_MJ_SET_INFORMATION));
        closer = hold_a_close(path, fd);
        thread = g_thread_new("late", come_late, NULL);
        /* However often it is looked at, it does not come by. */
        for (i = 0; i < 30; i++) {
                g_usleep(1000);
                irp_expect("CLEANUP");
        }
        pass_gate();
        g_thread_join(closer);
        g_thread_join(thread);
        close(later.fd);
        irp_tear_down();
}

/* A file that was written and not yet closed is just open. */
static void test_no_barrier(void)
{
        irp_set_up();
        IN(path, "f");
        int fd = open(path, O_WRONLY | O_CREAT, 0600), other;

        g_assert_cmpint((int)write(fd, "x", 1), ==, 1);
        other = open(path, O_RDONLY);
        g_assert_cmpint(other, >=, 0);
        irp_expect("CREATE(OPEN_IF,NONDIR) WRITE CREATE(OPEN,NONDIR)");
        close(other);
        close(fd);
        irp_tear_down();
}

/*
 * A handle's CLEANUP is held, and somebody else who wrote through the handle exits, or execs another program. He can't be
 * killed, so he waits for nobody; whoever opens the file waits for both.
 */
static void test_leave_behind_cleanup(gconstpointer execs)
{
        GThread *closer, *opener;
        int ready[2], status;
        char word;
        pid_t child;

        irp_set_up();
        IN(path, "f");
        int fd = open(path, O_WRONLY | O_CREAT, 0600), copy = dup(fd);

        g_assert_cmpint(pipe(ready), ==, 0);
        child = fork();
        if (child == 0) {
                bool failed = read(ready[0], &word, 1) != 1 || write(copy, "c", 1) != 1;

                if (execs && !failed) {
                        fcntl(fd, F_SETFD, FD_CLOEXEC);
                        fcntl(copy, F_SETFD, FD_CLOEXEC);
                        execl("/bin/true", "true", NULL);
                }
                _exit(failed || execs);
        }
        irp_watch(fm_major_bit(IRP_MJ_CREATE) | fm_major_bit(IRP_MJ_CLEANUP) | fm_major_bit(IRP_MJ_CLOSE));
        irp_clear();
        closer = hold_a_close(path, fd);
        g_assert_cmpint((int)write(ready[1], "", 1), ==, 1);
        g_assert_cmpint(waitpid(child, &status, 0), ==, child);
        g_assert_cmpint(status, ==, 0);
        later.late = &lates[0];
        later.path = path;
        opener = g_thread_new("opener", come_late, NULL);
        irp_expect("CLEANUP");
        pass_gate();
        g_thread_join(closer);
        g_thread_join(opener);
        close(copy);
        /* His own CLEANUP came too, before the open; the order of those of the two last handles does not matter. */
        g_assert_cmpuint(irp_count("CLEANUP", "\\f"), >=, 2);
        g_assert_cmpstr(irp_record(0)->token, ==, "CLEANUP");
        g_assert_cmpstr(irp_record(1)->token, ==, "CLEANUP");
        g_assert_cmpstr(irp_record(2)->token, ==, "CREATE(OPEN,NONDIR)");
        close(ready[0]);
        close(ready[1]);
        irp_tear_down();
}

/* In a process of its own: munmap() writes the pages with its address space locked, and ours is the mount's. */
static int change_after_close(const char *path)
{
        int fd = open(path, O_RDWR);
        char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

        if (map == MAP_FAILED)
                return errno;
        if (pwrite(fd, "W", 1, 1) != 1 || close(fd) < 0)
                return 255;
        map[0] = 'M';
        return munmap(map, 4096) < 0;
}

/* What a mapping changes after the close is written in nobody's name, and there is a CLEANUP for that too. */
static void test_mapped_after_close(void)
{
        irp_set_up();
        IN(path, "f");
        pid_t child;
        int status;

        touch("f", "mapped-content");
        irp_clear();
        child = fork();
        if (child == 0)
                _exit(change_after_close(path));
        g_assert_cmpint(waitpid(child, &status, 0), ==, child);
        g_assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) == ENODEV) {
                g_test_skip("this kernel does not map files with direct I/O");
                irp_tear_down();
                return;
        }
        g_assert_cmpint(WEXITSTATUS(status), ==, 0);
        irp_expect("CREATE(OPEN,NONDIR) WRITE CLEANUP READ(PAGING) WRITE(PAGING) CLEANUP CLOSE");
        g_assert_cmphex(irp_record(3)->irp_flags, ==,
                        IRP_READ_OPERATION | IRP_NOCACHE | IRP_PAGING_IO | IRP_SYNCHRONOUS_PAGING_IO);
        g_assert_cmpuint(irp_record(3)->length % 4096, ==, 0);
        g_assert_cmphex(irp_record(4)->irp_flags, ==, IRP_WRITE_OPERATION | IRP_NOCACHE | IRP_PAGING_IO);
        /* FO_CLEANUP_COMPLETE is of the first one; its FILE_OBJECT goes on. */
        g_assert_cmphex(irp_record(4)->file_flags & FO_CLEANUP_COMPLETE, ==, FO_CLEANUP_COMPLETE);
        irp_tear_down();
}

/* An open that is over when its caller has been killed is undone: nobody else would ever close it. */
static void test_killed(void)
{
        static const struct irp_rule rule = {
                .major = IRP_MJ_CREATE, .class = -1, .pre = hold, .name_suffix = "\\f"};
        int status;
        pid_t child;

        irp_set_up();
        IN(path, "f");
        touch("f", "x");
        gate.entered = gate.leave = false;
        irp_watch(fm_major_bit(IRP_MJ_CREATE) | fm_major_bit(IRP_MJ_CLEANUP) | fm_major_bit(IRP_MJ_CLOSE));
        irp_clear();
        irp_set_rule(&rule);
        child = fork();
        if (child == 0)
                _exit(open(path, O_RDONLY) < 0);
        pthread_mutex_lock(&gate.lock);
        while (!gate.entered)
                pthread_cond_wait(&gate.changed, &gate.lock);
        pthread_mutex_unlock(&gate.lock);
        kill(child, SIGKILL);
        /* He goes while the filter still holds his open. */
        g_assert_cmpint(waitpid(child, &status, 0), ==, child);
        g_assert_true(WIFSIGNALED(status));
        irp_expect("CREATE(OPEN,NONDIR)");
        irp_set_rule(NULL);
        pthread_mutex_lock(&gate.lock);
        gate.leave = true;
        pthread_cond_broadcast(&gate.changed);
        pthread_mutex_unlock(&gate.lock);
        irp_expect("CREATE(OPEN,NONDIR) CLEANUP CLOSE");
        irp_tear_down();
}

/* A write handle whose other copy lives on in a child: the child's close is not the last, and no CLOSE comes
 * before it. */
static void test_inherited(void)
{
        irp_set_up();
        IN(path, "f");
        int fd = open(path, O_WRONLY | O_CREAT, 0600), status;
        pid_t child;

        irp_clear();
        child = fork();
        if (child == 0)
                _exit(write(fd, "c", 1) == 1 ? 0 : 1);
        g_assert_cmpint(waitpid(child, &status, 0), ==, child);
        g_assert_cmpint(status, ==, 0);
        irp_expect("WRITE CLEANUP");
        g_assert_cmpuint(irp_find("CLEANUP")->pid, ==, (guint)child);
        close(fd);
        irp_expect("WRITE CLEANUP CLOSE");
        irp_tear_down();
}

static void test_mmap(void)
{
        irp_set_up();
        IN(path, "f");
        g_autofree char *content = NULL;
        char *map;
        int fd;

        touch("f", "mapped-content");
        fd = open(path, O_RDWR);
        map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (map == MAP_FAILED) {
                g_assert_cmpint(errno, ==, ENODEV);
                close(fd);
                g_test_skip("this kernel does not map files with direct I/O");
                irp_tear_down();
                return;
        }
        irp_clear();
        g_assert_cmpint(map[0], ==, 'm');
        irp_expect("READ(PAGING)");
        map[0] = 'M';
        g_assert_cmpint(msync(map, 4096, MS_SYNC), ==, 0);
        g_assert_cmpstr(irp_find("WRITE(PAGING)")->token, ==, "WRITE(PAGING)");
        munmap(map, 4096);
        close(fd);
        g_assert_cmpstr(irp_find("CLEANUP")->token, ==, "CLEANUP");
        g_assert_true(g_file_get_contents(path, &content, NULL, NULL));
        g_assert_cmpstr(content, ==, "Mapped-content");
        irp_tear_down();
}

static void test_fsync_and_allocate(void)
{
        irp_set_up();
        IN(path, "f");
        int fd = open(path, O_RDWR | O_CREAT, 0600);

        irp_clear();
        g_assert_cmpint(fsync(fd), ==, 0);
        irp_expect("FLUSH_BUFFERS");
        irp_clear();
        g_assert_cmpint(fallocate(fd, 0, 0, 8192), ==, 0);
        irp_expect("SET_INFORMATION(19) SET_INFORMATION(20)");
        irp_clear();
        g_assert_cmpint(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), ==, 0);
        irp_expect("FSCTL(900c4) FSCTL(980c8)");
        irp_clear();
        g_assert_cmpint((int)lseek(fd, 0, SEEK_HOLE), ==, 0);
        irp_expect("FSCTL(940cf)");
        irp_clear();
        g_assert_cmpint(ftruncate(fd, 10), ==, 0);
        irp_expect("SET_INFORMATION(20)");
        close(fd);
        irp_tear_down();
}

static void test_tmpfile(void)
{
        irp_set_up();
        int fd = open(irp_mount, O_TMPFILE | O_RDWR, 0600);

        if (fd < 0 && errno == EOPNOTSUPP) {
                g_test_skip("no O_TMPFILE here");
                irp_tear_down();
                return;
        }
        g_assert_cmpint(fd, >=, 0);
        irp_expect("CREATE(CREATE,NONDIR,DELETE)");
        g_assert_cmpint((int)write(fd, "t", 1), ==, 1);
        close(fd);
        irp_expect("CREATE(CREATE,NONDIR,DELETE) WRITE CLEANUP CLOSE");

        /* One that was given a name meanwhile keeps it. */
        IN(path, "named");
        g_autofree char *by_fd = NULL;
        struct stat st;

        fd = open(irp_mount, O_TMPFILE | O_RDWR, 0600);
        by_fd = g_strdup_printf("/proc/self/fd/%d", fd);
        g_assert_cmpint((int)write(fd, "t", 1), ==, 1);
        irp_clear();
        g_assert_cmpint(linkat(AT_FDCWD, by_fd, AT_FDCWD, path, AT_SYMLINK_FOLLOW), ==, 0);
        irp_expect("CREATE(OPEN,REPARSE) SET_INFORMATION(64) CREATE(OPEN,TARGET) SET_INFORMATION(11) "
                   "CLEANUP CLOSE CLEANUP CLOSE");
        irp_clear();
        close(fd);
        irp_expect("CLEANUP CLOSE");
        g_assert_cmpint(stat(path, &st), ==, 0);
        irp_tear_down();
}

static void test_lock(void)
{
        irp_set_up();
        IN(path, "f");
        int fd = open(path, O_RDWR | O_CREAT, 0600);
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 10};

        irp_clear();
        g_assert_cmpint(fcntl(fd, F_SETLK, &lock), ==, 0);
        lock.l_type = F_UNLCK;
        g_assert_cmpint(fcntl(fd, F_SETLK, &lock), ==, 0);
        irp_expect("LOCK_CONTROL(1) LOCK_CONTROL(2)");
        close(fd);
        irp_tear_down();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        if (!irp_can_mount())
                return 0;
        g_test_add_func("/irp/files/read-only", test_read_only);
        g_test_add_func("/irp/files/write-and-close", test_write_and_close);
        g_test_add_func("/irp/files/cleanup-again", test_cleanup_again);
        g_test_add_func("/irp/files/never-written", test_never_written);
        g_test_add_func("/irp/files/open-flags", test_open_flags);
        g_test_add_func("/irp/files/denied", test_denied);
        g_test_add_func("/irp/files/filter-reads", test_filter_reads);
        for (unsigned i = 0; i < G_N_ELEMENTS(lates); i++) {
                g_autofree char *name = g_strdup_printf("/irp/files/barrier/%s", lates[i].name);

                g_test_add_data_func(name, &lates[i], test_barrier);
        }
        g_test_add_func("/irp/files/no-barrier", test_no_barrier);
        g_test_add_data_func("/irp/files/exit-behind-cleanup", GINT_TO_POINTER(false), test_leave_behind_cleanup);
        g_test_add_data_func("/irp/files/exec-behind-cleanup", GINT_TO_POINTER(true), test_leave_behind_cleanup);
        g_test_add_func("/irp/files/mapped-after-close", test_mapped_after_close);
        g_test_add_func("/irp/files/killed", test_killed);
        g_test_add_func("/irp/files/inherited", test_inherited);
        g_test_add_func("/irp/files/mmap", test_mmap);
        g_test_add_func("/irp/files/fsync-and-allocate", test_fsync_and_allocate);
        g_test_add_func("/irp/files/tmpfile", test_tmpfile);
        g_test_add_func("/irp/files/lock", test_lock);
        return g_test_run();
}
