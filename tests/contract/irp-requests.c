/* SPDX-License-Identifier: MIT */
/*
 * The system calls that are seldom made, and the seldom flags of the others: which IRPs each makes, and what
 * its caller gets.
 */
#include "irp-harness.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fuse/session.h"

#define IN(variable, name) g_autofree char *variable = irp_in_mount(name)

static void touch(const char *name, const char *content)
{
        g_autofree char *path = irp_in_source(name);

        g_assert_true(g_file_set_contents(path, content, -1, NULL));
}

/* ---- space ---- */

static void test_fallocate(void)
{
        irp_set_up();
        IN(path, "f");
        int fd = open(path, O_RDWR | O_CREAT, 0600);
        struct stat st;

        g_assert_cmpint(ftruncate(fd, 8192), ==, 0);
        irp_clear();
        g_assert_cmpint(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 65536), ==, 0);
        irp_expect("SET_INFORMATION(19)");
        g_assert_cmpint(fstat(fd, &st), ==, 0);
        g_assert_cmpint((int)st.st_size, ==, 8192);
        irp_clear();
        /* Nothing grows. */
        g_assert_cmpint(fallocate(fd, 0, 0, 4096), ==, 0);
        irp_expect("SET_INFORMATION(19)");
        irp_clear();
        g_assert_cmpint(fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, 4096), ==, 0);
        irp_expect("FSCTL(980c8)");
        irp_clear();
        /* Data that would move without a WRITE does not. */
        g_assert_cmpint(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, 4096), ==, -1);
        g_assert_cmpint(errno, ==, EOPNOTSUPP);
        g_assert_cmpint(fallocate(fd, FALLOC_FL_INSERT_RANGE, 0, 4096), ==, -1);
        g_assert_cmpint(errno, ==, EOPNOTSUPP);
        g_assert_cmpuint(irp_count("FSCTL(980c8)", NULL), ==, 0);
        close(fd);
        irp_tear_down();
}

static void test_lseek(void)
{
        static const struct irp_rule nothing = {
                .major = IRP_MJ_FILE_SYSTEM_CONTROL, .class = -1, .status = STATUS_END_OF_FILE};
        irp_set_up();
        IN(path, "f");
        int fd;

        touch("f", "data");
        fd = open(path, O_RDONLY);
        irp_clear();
        g_assert_cmpint((int)lseek(fd, 0, SEEK_DATA), ==, 0);
        g_assert_cmpint((int)lseek(fd, 1, SEEK_HOLE), ==, 4);
        irp_expect("FSCTL(940cf) FSCTL(940cf)");
        g_assert_cmpint((int)lseek(fd, 100, SEEK_DATA), ==, -1);
        g_assert_cmpint(errno, ==, ENXIO);
        irp_set_rule(&nothing);
        g_assert_cmpint((int)lseek(fd, 0, SEEK_DATA), ==, -1);
        g_assert_cmpint(errno, ==, ENXIO);
        irp_set_rule(NULL);
        close(fd);
        irp_tear_down();
}

/* Filters see the bytes: the kernel copies them by reading and writing. */
static void test_copy_file_range(void)
{
        irp_set_up();
        IN(from, "f");
        IN(to, "g");
        g_autofree char *content = NULL;
        int in, out;

        touch("f", "content");
        in = open(from, O_RDONLY);
        out = open(to, O_WRONLY | O_CREAT, 0600);
        irp_clear();
        g_assert_cmpint((int)copy_file_range(in, NULL, out, NULL, 7, 0), ==, 7);
        g_assert_cmpuint(irp_count("READ", "\\f") + irp_count("READ(PAGING)", "\\f"), >=, 1);
        g_assert_cmpuint(irp_count("WRITE", "\\g"), >=, 1);
        close(in);
        close(out);
        g_assert_true(g_file_get_contents(to, &content, NULL, NULL));
        g_assert_cmpstr(content, ==, "content");
        irp_tear_down();
}

/* ---- what is no file ---- */

static ULONG seen_tag;

static void note_tag(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        seen_tag = *(const ULONG *)data->Iopb->Parameters.FileSystemControl.Buffered.SystemBuffer;
}

static void test_mknod(void)
{
        static const struct irp_rule rule = {
                .major = IRP_MJ_FILE_SYSTEM_CONTROL, .class = FSCTL_SET_REPARSE_POINT, .pre = note_tag};
        static const struct {
                const char *name;
                mode_t mode;
                ULONG tag;
        } kinds[] = {
                {"fifo", S_IFIFO, 0x80000024},
                {"character", S_IFCHR, 0x80000025},
                {"block", S_IFBLK, 0x80000026},
                {"socket", S_IFSOCK, 0x80000023},
        };
        struct stat st;

        irp_set_up();
        irp_set_rule(&rule);
        for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
                g_autofree char *path = irp_in_mount(kinds[i].name);

                if (geteuid() != 0 && (S_ISCHR(kinds[i].mode) || S_ISBLK(kinds[i].mode)))
                        continue;
                irp_clear();
                g_assert_cmpint(mknod(path, kinds[i].mode | 0600, makedev(1, 3)), ==, 0);
                irp_expect("CREATE(CREATE,NONDIR,REPARSE) FSCTL(900a4) CLEANUP CLOSE");
                irp_set_rule(&rule); /* what it has written is ours to read */
                g_assert_cmphex(seen_tag, ==, kinds[i].tag);
                g_assert_cmpint(lstat(path, &st), ==, 0);
                g_assert_cmphex(st.st_mode & S_IFMT, ==, kinds[i].mode);
        }
        irp_set_rule(NULL);
        IN(file, "file");
        irp_clear();
        g_assert_cmpint(mknod(file, S_IFREG | 0600, 0), ==, 0);
        irp_expect("CREATE(CREATE,NONDIR) CLEANUP CLOSE");
        irp_clear();
        g_assert_cmpint(mknod(file, S_IFREG | 0600, 0), ==, -1);
        g_assert_cmpint(errno, ==, EEXIST);
        irp_tear_down();
}

static void change_target(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        UCHAR *buffer = data->Iopb->Parameters.FileSystemControl.Buffered.SystemBuffer;

        /* Tag, length, two reserved bytes, a version, the target. */
        g_assert_cmpint(memcmp(buffer + 12, "there", 5), ==, 0);
        memcpy(buffer + 12, "where", 5);
}

/* The answer is what filters left. */
static void test_readlink(void)
{
        static const struct irp_rule rule = {.major = IRP_MJ_FILE_SYSTEM_CONTROL,
                                             .class = FSCTL_GET_REPARSE_POINT,
                                             .in_post = true,
                                             .post = change_target};
        static const struct irp_rule no_link = {
                .major = IRP_MJ_FILE_SYSTEM_CONTROL, .class = -1, .status = STATUS_NOT_A_REPARSE_POINT};
        char target[16] = {0};

        irp_set_up();
        IN(path, "l");
        g_autofree char *source = irp_in_source("l");

        g_assert_cmpint(symlink("there", source), ==, 0);
        irp_clear();
        g_assert_cmpint((int)readlink(path, target, sizeof(target)), ==, 5);
        irp_expect("CREATE(OPEN,REPARSE) FSCTL(900a8) CLEANUP CLOSE");
        g_assert_cmphex(irp_record(0)->access & FILE_READ_ATTRIBUTES, ==, FILE_READ_ATTRIBUTES);
        g_assert_cmpstr(target, ==, "there");
        irp_set_rule(&rule);
        g_assert_cmpint((int)readlink(path, target, sizeof(target)), ==, 5);
        g_assert_cmpstr(target, ==, "where");
        irp_set_rule(&no_link);
        g_assert_cmpint((int)readlink(path, target, sizeof(target)), ==, -1);
        g_assert_cmpint(errno, ==, EINVAL);
        irp_set_rule(NULL);
        irp_tear_down();
}

/* ---- ioctl, sync ---- */

static void test_ioctl(void)
{
        static const struct irp_rule refuse = {
                .major = IRP_MJ_FILE_SYSTEM_CONTROL, .class = -1, .status = STATUS_INVALID_DEVICE_REQUEST};
        irp_set_up();
        IN(path, "f");
        int fd, flags = 0;

        touch("f", "x");
        fd = open(path, O_RDONLY);
        irp_clear();
        if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0) {
                /* For flags of a file the kernel opens it itself; the code is of the range for file systems'
                 * own. */
                irp_expect("CREATE(OPEN,NONDIR) FSCTL(93003) CLEANUP CLOSE");
                irp_set_rule(&refuse);
                g_assert_cmpint(ioctl(fd, FS_IOC_GETFLAGS, &flags), ==, -1);
                irp_set_rule(NULL);
        }
        g_assert_cmpint(errno, ==, ENOTTY);
        irp_clear();
        /* What nobody here knows. */
        g_assert_cmpint(ioctl(fd, _IOR('?', 1, int), &flags), ==, -1);
        g_assert_cmpint(errno, ==, ENOTTY);
        close(fd);
        irp_tear_down();
}

static void test_sync(void)
{
        irp_set_up();
        IN(path, "f");
        int fd = open(path, O_RDWR | O_CREAT, 0600), directory;

        irp_clear();
        g_assert_cmpint(fsync(fd), ==, 0);
        g_assert_cmpint(fdatasync(fd), ==, 0);
        irp_expect("FLUSH_BUFFERS FLUSH_BUFFERS");
        g_assert_cmpuint(irp_record(0)->minor, ==, 0);
        g_assert_cmpuint(irp_record(1)->minor, ==, IRP_MN_FLUSH_DATA_SYNC_ONLY);
        directory = open(irp_mount, O_RDONLY | O_DIRECTORY);
        irp_clear();
        g_assert_cmpint(fsync(directory), ==, 0);
        irp_expect("FLUSH_BUFFERS");
        /* The kernel tells nobody of this one but block devices. */
        irp_clear();
        g_assert_cmpint(syncfs(fd), ==, 0);
        close(directory);
        irp_expect("CLEANUP CLOSE");
        close(fd);
        irp_tear_down();
}

/* ---- flags of open ---- */

static void test_direct(void)
{
        static char buffer[4096] __attribute__((aligned(4096)));

        irp_set_up();
        IN(path, "f");
        int fd = open(path, O_RDWR | O_CREAT | O_DIRECT | O_SYNC, 0600);

        g_assert_cmpint(fd, >=, 0);
        g_assert_cmphex(irp_find("CREATE(OPEN_IF,NONDIR)")->status, ==, STATUS_SUCCESS);
        g_assert_cmpint((int)pwrite(fd, buffer, sizeof(buffer), 0), ==, sizeof(buffer));
        g_assert_cmpint((int)pread(fd, buffer, sizeof(buffer), 0), ==, sizeof(buffer));
        g_assert_cmphex(irp_find("WRITE")->irp_flags & IRP_NOCACHE, ==, IRP_NOCACHE);
        g_assert_cmphex(irp_find("WRITE")->operation_flags & SL_WRITE_THROUGH, ==, SL_WRITE_THROUGH);
        g_assert_cmphex(irp_find("READ")->irp_flags & IRP_NOCACHE, ==, IRP_NOCACHE);
        g_assert_cmphex(irp_find("READ")->file_flags & FO_NO_INTERMEDIATE_BUFFERING, ==,
                        FO_NO_INTERMEDIATE_BUFFERING);
        g_assert_cmphex(irp_find("READ")->file_flags & FO_WRITE_THROUGH, ==, FO_WRITE_THROUGH);
        close(fd);
        irp_tear_down();
}

static void test_execute(void)
{
        irp_set_up();
        IN(path, "script");
        pid_t child;
        int status;

        touch("script", "#!/bin/true\n");
        g_assert_cmpint(chmod(path, 0755), ==, 0);
        irp_clear();
        child = fork();
        if (child == 0)
                _exit(execl(path, path, NULL));
        g_assert_cmpint(waitpid(child, &status, 0), ==, child);
        g_assert_cmpint(status, ==, 0);
        g_assert_cmphex(irp_find("CREATE(OPEN,NONDIR)")->access & FILE_EXECUTE, ==, FILE_EXECUTE);
        irp_tear_down();
}

/* O_PATH opens nothing; O_CREAT says whether it made the file. */
static void test_more_opens(void)
{
        irp_set_up();
        IN(path, "f");
        int fd;

        touch("f", "x");
        irp_clear();
        fd = open(path, O_PATH);
        g_assert_cmpint(fd, >=, 0);
        close(fd);
        fd = open(path, O_RDWR | O_CREAT, 0600);
        irp_expect("CREATE(OPEN,NONDIR)"); /* the kernel knows that it is there */
        g_assert_cmpuint(irp_record(0)->information, ==, FILE_OPENED);
        g_assert_cmphex(irp_record(0)->access, ==, FILE_GENERIC_READ | FILE_GENERIC_WRITE);
        close(fd);
        IN(other, "new");
        irp_expect("CREATE(OPEN,NONDIR) CLEANUP CLOSE");
        irp_clear();
        fd = open(other, O_WRONLY | O_CREAT | O_TRUNC, 0400);
        irp_expect("CREATE(OVERWRITE_IF,NONDIR)");
        g_assert_cmpuint(irp_record(0)->information, ==, FILE_CREATED);
        close(fd);
        g_assert_cmpint(open(other, O_WRONLY | O_CREAT | O_EXCL, 0600), ==, -1);
        g_assert_cmpint(errno, ==, EEXIST);
        irp_tear_down();
}

/* ---- names ---- */

static void test_rename_over(void)
{
        irp_set_up();
        IN(a, "a");
        IN(b, "b");

        touch("a", "1");
        touch("b", "2");
        irp_clear();
        g_assert_cmpint(rename(a, b), ==, 0);
        irp_expect(
                "CREATE(OPEN,REPARSE) CREATE(OPEN,TARGET) SET_INFORMATION(65) CLEANUP CLOSE CLEANUP CLOSE");
        g_assert_cmpuint(irp_record(1)->information, ==, FILE_EXISTS);
        /* Nothing says what would take the old name's place: refused, as where a file system can't. */
        irp_clear();
        g_assert_cmpint((int)syscall(SYS_renameat2, AT_FDCWD, b, AT_FDCWD, a, RENAME_WHITEOUT), ==, -1);
        g_assert_true(errno == EINVAL || (errno == EPERM && geteuid() != 0));
        g_assert_cmpint(access(b, F_OK), ==, 0);
        g_assert_cmpuint(irp_count("SET_INFORMATION(65)", NULL), ==, 0);
        irp_tear_down();
}

/* An exchange that a filter refuses in its second half has changed nothing. */
static void test_exchange_refused(void)
{
        static const struct irp_rule refuse = {.major = IRP_MJ_SET_INFORMATION,
                                               .class = FileRenameInformationEx,
                                               .status = STATUS_ACCESS_DENIED,
                                               .name_suffix = "\\a"};
        irp_set_up();
        IN(a, "a");
        IN(b, "b");
        g_autofree char *content = NULL;

        touch("a", "1");
        touch("b", "2");
        irp_set_rule(&refuse);
        g_assert_cmpint((int)syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE), ==, -1);
        irp_set_rule(NULL);
        g_assert_cmpint(errno, ==, EACCES);
        g_assert_true(g_file_get_contents(a, &content, NULL, NULL));
        g_assert_cmpstr(content, ==, "1");
        irp_tear_down();
}

/* ---- refused when it is done ---- */

/* The caller is told that it failed; what was written stays written, what was made stays made. */
static void test_refused_afterwards(void)
{
        static const struct irp_rule write_fails = {
                .major = IRP_MJ_WRITE, .class = -1, .in_post = true, .status = STATUS_ACCESS_DENIED};
        static const struct irp_rule create_fails = {
                .major = IRP_MJ_CREATE, .class = -1, .in_post = true, .status = STATUS_ACCESS_DENIED, .name_suffix = "\\d"};
        g_autofree char *content = NULL;
        int fd;

        irp_set_up();
        IN(path, "f");
        IN(directory, "d");
        g_autofree char *below = irp_in_source("f"), *made = irp_in_source("d");
        fd = open(path, O_WRONLY | O_CREAT, 0644);
        irp_set_rule(&write_fails);
        g_assert_cmpint((int)write(fd, "hello", 5), ==, -1);
        g_assert_cmpint(errno, ==, EACCES);
        irp_set_rule(&create_fails);
        g_assert_cmpint(mkdir(directory, 0755), ==, -1);
        g_assert_cmpint(errno, ==, EACCES);
        irp_set_rule(NULL);
        close(fd);
        g_assert_true(g_file_get_contents(below, &content, NULL, NULL));
        g_assert_cmpstr(content, ==, "hello");
        g_assert_true(g_file_test(made, G_FILE_TEST_IS_DIR));
        irp_tear_down();
}

/* ---- access control lists ---- */

static void test_acl(void)
{
        irp_set_up();
        IN(path, "f");
        /* Version 2; owner rw-, group r--, others --- */
        static const struct {
                uint32_t version;
                struct {
                        uint16_t tag, rights;
                        uint32_t id;
                } entries[3];
        } acl = {2, {{0x01, 6, ~0u}, {0x04, 4, ~0u}, {0x20, 0, ~0u}}};

        touch("f", "x");
        irp_watch(IRP_WATCH_DEFAULT);
        irp_clear();
        if (setxattr(path, "system.posix_acl_access", &acl, sizeof(acl), 0) < 0) {
                g_assert_cmpint(errno, ==, EOPNOTSUPP);
                g_test_skip("the file system has no access control lists");
        } else {
                irp_expect("CREATE(OPEN,REPARSE) SET_SECURITY(4) CLEANUP CLOSE");
                g_assert_cmphex(irp_record(0)->access & WRITE_DAC, ==, WRITE_DAC);
        }
        irp_tear_down();
}

/* ---- the end of a wait ---- */

static struct {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        bool entered;
        BOOLEAN cancelled;
} waiting = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* As a filter does that waits for an agent: until the requestor does not want any more. */
static void wait_for_requestor(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        LARGE_INTEGER timeout = {.QuadPart = -20 * 10000000LL};
        KEVENT never;

        KeInitializeEvent(&never, NotificationEvent, FALSE);
        pthread_mutex_lock(&waiting.lock);
        waiting.entered = true;
        pthread_cond_broadcast(&waiting.changed);
        pthread_mutex_unlock(&waiting.lock);
        FltCancellableWaitForSingleObject(&never, &timeout, data);
        pthread_mutex_lock(&waiting.lock);
        waiting.cancelled = FltIsIoCanceled(data);
        pthread_cond_broadcast(&waiting.changed);
        pthread_mutex_unlock(&waiting.lock);
}

static void test_interrupt(void)
{
        static const struct irp_rule rule = {
                .major = IRP_MJ_CREATE, .class = -1, .pre = wait_for_requestor, .name_suffix = "\\f"};
        int status;
        pid_t child;

        irp_set_up();
        IN(path, "f");
        touch("f", "x");
        waiting.entered = false;
        irp_set_rule(&rule);
        child = fork();
        if (child == 0)
                _exit(open(path, O_RDONLY) < 0);
        pthread_mutex_lock(&waiting.lock);
        while (!waiting.entered)
                pthread_cond_wait(&waiting.changed, &waiting.lock);
        pthread_mutex_unlock(&waiting.lock);
        kill(child, SIGKILL);
        g_assert_cmpint(waitpid(child, &status, 0), ==, child);
        g_assert_true(WIFSIGNALED(status));
        irp_set_rule(NULL);
        pthread_mutex_lock(&waiting.lock);
        while (!waiting.cancelled)
                pthread_cond_wait(&waiting.changed, &waiting.lock);
        pthread_mutex_unlock(&waiting.lock);
        irp_tear_down();
}

/* ---- statuses that mean something else with some operations ---- */

static int act_open(const char *path, int fd)
{
        return open(path, O_RDONLY) < 0 ? errno : 0;
}

static int act_read(const char *path, int fd)
{
        char byte;
        ssize_t count = pread(fd, &byte, 1, 0);

        return count < 0 ? errno : count == 0 ? 0 : -1;
}

static int act_write(const char *path, int fd)
{
        return pwrite(fd, "x", 1, 0) < 0 ? errno : 0;
}

static int act_truncate(const char *path, int fd)
{
        return ftruncate(fd, 3) < 0 ? errno : 0;
}

static int act_chmod(const char *path, int fd)
{
        return chmod(path, 0640) < 0 ? errno : 0;
}

static int act_xattr(const char *path, int fd)
{
        char value[8];

        return getxattr(path, "user.x", value, sizeof(value)) < 0 ? errno : 0;
}

static int act_fsync(const char *path, int fd)
{
        return fsync(fd) < 0 ? errno : 0;
}

static void test_statuses(void)
{
        static const struct {
                UCHAR major;
                NTSTATUS status;
                int (*act)(const char *path, int fd);
                int error;
        } rows[] = {
                {IRP_MJ_READ, STATUS_END_OF_FILE, act_read, 0},
                {IRP_MJ_WRITE, STATUS_END_OF_FILE, act_write, EIO},
                {IRP_MJ_SET_INFORMATION, STATUS_END_OF_FILE, act_truncate, EINVAL},
                {IRP_MJ_CREATE, STATUS_NO_MORE_FILES, act_open, EIO},
                {IRP_MJ_WRITE, STATUS_NO_MORE_ENTRIES, act_write, EIO},
                {IRP_MJ_READ, STATUS_FILE_LOCK_CONFLICT, act_read, EACCES},
                {IRP_MJ_WRITE, STATUS_FILE_LOCK_CONFLICT, act_write, EACCES},
                {IRP_MJ_FLUSH_BUFFERS, STATUS_RANGE_NOT_LOCKED, act_fsync, EIO},
                {IRP_MJ_QUERY_EA, STATUS_NOT_FOUND, act_xattr, ENODATA},
                {IRP_MJ_QUERY_EA, STATUS_BUFFER_OVERFLOW, act_xattr, ERANGE},
                {IRP_MJ_QUERY_EA, STATUS_NO_EAS_ON_FILE, act_xattr, ENODATA},
                {IRP_MJ_CREATE, STATUS_NOT_FOUND, act_open, ENOENT},
                /* Nobody has cancelled anything. */
                {IRP_MJ_CREATE, STATUS_CANCELLED, act_open, ECANCELED},
                /* Never ENOSYS, and never anything that the kernel does not take. */
                {IRP_MJ_FLUSH_BUFFERS, STATUS_NOT_IMPLEMENTED, act_fsync, EOPNOTSUPP},
                {IRP_MJ_FLUSH_BUFFERS, STATUS_NOT_SUPPORTED, act_fsync, EOPNOTSUPP},
                {IRP_MJ_SET_SECURITY, STATUS_INVALID_DEVICE_REQUEST, act_chmod, EOPNOTSUPP},
                {IRP_MJ_CREATE, (NTSTATUS)0xE0001234, act_open, EIO},
                {IRP_MJ_WRITE, (NTSTATUS)0xC000FFFF, act_write, EIO},
        };

        irp_set_up();
        IN(path, "f");
        int fd;

        touch("f", "content");
        fd = open(path, O_RDWR);
        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
                const struct irp_rule rule = {.major = rows[i].major, .class = -1, .status = rows[i].status};
                int error;

                irp_set_rule(&rule);
                error = rows[i].act(path, fd);
                irp_set_rule(NULL);
                if (error != rows[i].error)
                        g_error("row %u: errno %d, not %d", i, error, rows[i].error);
        }
        /* None of this has switched anything off. */
        irp_clear();
        g_assert_cmpint(fsync(fd), ==, 0);
        irp_expect("FLUSH_BUFFERS");
        close(fd);
        irp_tear_down();
}

/* What no filter changed is the backing file system's own, whatever its way through the tables. */
static void test_own_errno(void)
{
        irp_set_up();
        IN(file, "f");
        IN(below, "f/x");
        IN(missing, "none");
        g_autofree char *name = g_strnfill(300, 'n'), *long_name = irp_in_mount(name);

        touch("f", "x");
        g_assert_cmpint(rmdir(file), ==, -1);
        g_assert_cmpint(errno, ==, ENOTDIR);
        g_assert_cmpint(mkdir(below, 0700), ==, -1);
        g_assert_cmpint(errno, ==, ENOTDIR);
        g_assert_cmpint(unlink(missing), ==, -1);
        g_assert_cmpint(errno, ==, ENOENT);
        g_assert_cmpint(mkdir(long_name, 0700), ==, -1);
        g_assert_cmpint(errno, ==, ENAMETOOLONG);
        g_assert_cmpint(truncate(irp_mount, 0), ==, -1);
        g_assert_cmpint(errno, ==, EISDIR);
        g_assert_cmpint(truncate(file, INT64_MAX), ==, -1);
        g_assert_cmpint(errno, ==, EFBIG);
        if (geteuid() == 0) {
                /* EPERM and EACCES are one status, and stay two errors. */
                int fd = open(file, O_RDONLY), flags = FS_IMMUTABLE_FL;

                if (ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0) {
                        g_assert_cmpint(unlink(file), ==, -1);
                        g_assert_cmpint(errno, ==, EPERM);
                        flags = 0;
                        g_assert_cmpint(ioctl(fd, FS_IOC_SETFLAGS, &flags), ==, 0);
                }
                close(fd);
        }
        irp_tear_down();
}

/* ---- options of the mount ---- */

static void test_classic_unlink(void)
{
        const struct fm_session_options options = {
                .sector_size = 512, .allow_other = geteuid() == 0, .classic_unlink = true};
        irp_set_up_with(~UINT64_C(0), &options);
        IN(path, "f");
        IN(directory, "d");
        int fd;

        touch("f", "x");
        g_assert_cmpint(chmod(path, 0400), ==, 0); /* unlink(2) does not mind */
        fd = open(path, O_RDONLY);
        irp_clear();
        g_assert_cmpint(unlink(path), ==, 0);
        irp_expect("CREATE(OPEN,NONDIR,REPARSE) SET_INFORMATION(13) CLEANUP CLOSE");
        /* At once, also with another handle open. */
        g_assert_cmpint(access(path, F_OK), ==, -1);
        close(fd);
        g_assert_cmpint(mkdir(directory, 0700), ==, 0);
        irp_clear();
        g_assert_cmpint(rmdir(directory), ==, 0);
        g_assert_cmpuint(irp_count("SET_INFORMATION(13)", "\\d"), ==, 1);
        irp_tear_down();
}

static void test_cleanup_each_flush(void)
{
        const struct fm_session_options options = {
                .sector_size = 512, .allow_other = geteuid() == 0, .cleanup_each_flush = true};
        irp_set_up_with(~UINT64_C(0), &options);
        IN(path, "f");
        int fd, other;

        touch("f", "x");
        fd = open(path, O_RDWR);
        other = dup(fd);
        irp_clear();
        close(other);
        g_assert_cmpuint(irp_count("CLEANUP", "\\f"), ==, 1);
        other = dup(fd);
        close(other);
        g_assert_cmpuint(irp_count("CLEANUP", "\\f"), ==, 2);
        close(fd);
        g_assert_cmpuint(irp_count("CLEANUP", "\\f"), ==, 3);
        irp_expect("CLEANUP CLEANUP CLEANUP CLOSE");
        irp_tear_down();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        if (!irp_can_mount())
                return 0;
        g_test_add_func("/irp/requests/fallocate", test_fallocate);
        g_test_add_func("/irp/requests/lseek", test_lseek);
        g_test_add_func("/irp/requests/copy-file-range", test_copy_file_range);
        g_test_add_func("/irp/requests/mknod", test_mknod);
        g_test_add_func("/irp/requests/readlink", test_readlink);
        g_test_add_func("/irp/requests/ioctl", test_ioctl);
        g_test_add_func("/irp/requests/sync", test_sync);
        g_test_add_func("/irp/requests/direct", test_direct);
        g_test_add_func("/irp/requests/execute", test_execute);
        g_test_add_func("/irp/requests/more-opens", test_more_opens);
        g_test_add_func("/irp/requests/rename-over", test_rename_over);
        g_test_add_func("/irp/requests/exchange-refused", test_exchange_refused);
        g_test_add_func("/irp/requests/refused-afterwards", test_refused_afterwards);
        g_test_add_func("/irp/requests/acl", test_acl);
        g_test_add_func("/irp/requests/interrupt", test_interrupt);
        g_test_add_func("/irp/requests/statuses", test_statuses);
        g_test_add_func("/irp/requests/own-errno", test_own_errno);
        g_test_add_func("/irp/requests/classic-unlink", test_classic_unlink);
        g_test_add_func("/irp/requests/cleanup-each-flush", test_cleanup_each_flush);
        return g_test_run();
}
