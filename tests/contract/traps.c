/* SPDX-License-Identifier: MIT */
/*
 * What a simulation of the Filter Manager on FUSE gets wrong if nobody thinks of it, and what no other file
 * here is about: FUSE's own ways (errors that switch requests off, closes that come from nobody), and
 * Windows' sequences where they meet those of Linux.
 */
#include "objects-harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fuse/session.h"

#define IN(variable, name) g_autofree char *variable = irp_in_mount(name)

enum { SECTOR = 512 };

static void set_up_with(uint64_t majors)
{
        const struct fm_session_options options = {.sector_size = SECTOR, .allow_other = geteuid() == 0};

        irp_set_up_with(majors, &options);
}

/* ---- an error that switches requests off ---- */

static int as_errno(bool done)
{
        return done ? 0 : errno;
}

static int open_at(const char *path, int flags)
{
        int fd = open(path, flags, 0600), error = errno;

        if (fd < 0)
                return error;
        close(fd);
        return 0;
}

static int act_open(const char *path)
{
        return open_at(path, O_RDONLY);
}

static int act_create(const char *path)
{
        static unsigned turn;
        g_autofree char *name = g_strdup_printf("%s-%u", path, turn++);

        return open_at(name, O_RDWR | O_CREAT | O_EXCL);
}

static int act_tmpfile(const char *path)
{
        return open_at(irp_mount, O_RDWR | O_TMPFILE);
}

static int act_open_directory(const char *path)
{
        return open_at(irp_mount, O_RDONLY | O_DIRECTORY);
}

static int act_list(const char *path)
{
        DIR *dir = opendir(irp_mount);
        int error;

        g_assert_nonnull(dir);
        errno = 0;
        while (readdir(dir))
                ;
        error = errno;
        closedir(dir);
        return error;
}

static int act_write_and_close(const char *path)
{
        int fd = open(path, O_WRONLY);

        g_assert_cmpint((int)pwrite(fd, "x", 1, 0), ==, 1);
        return as_errno(close(fd) == 0);
}

static int with_file(const char *path, int (*act)(int fd))
{
        int fd = open(path, O_RDWR), error;

        g_assert_cmpint(fd, >=, 0);
        error = act(fd);
        close(fd);
        return error;
}

static int sync_it(int fd)
{
        return as_errno(fsync(fd) == 0);
}

static int act_sync(const char *path)
{
        return with_file(path, sync_it);
}

static int act_sync_directory(const char *path)
{
        int fd = open(irp_mount, O_RDONLY | O_DIRECTORY), error;

        error = sync_it(fd);
        close(fd);
        return error;
}

static int seek_hole(int fd)
{
        return as_errno(lseek(fd, 0, SEEK_HOLE) >= 0);
}

static int act_seek(const char *path)
{
        return with_file(path, seek_hole);
}

static int allocate(int fd)
{
        return as_errno(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 4096) == 0);
}

static int act_allocate(const char *path)
{
        return with_file(path, allocate);
}

static int lock_it(int fd)
{
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};

        return as_errno(fcntl(fd, F_SETLK, &lock) == 0);
}

static int act_lock(const char *path)
{
        return with_file(path, lock_it);
}

static int act_set_xattr(const char *path)
{
        return as_errno(setxattr(path, "user.trap", "1", 1, 0) == 0);
}

static int act_get_xattr(const char *path)
{
        char value[4];

        return as_errno(getxattr(path, "user.color", value, sizeof(value)) >= 0);
}

static int act_list_xattr(const char *path)
{
        char names[256];

        return as_errno(listxattr(path, names, sizeof(names)) >= 0);
}

static int act_remove_xattr(const char *path)
{
        g_autofree char *source = irp_in_source("f");

        setxattr(source, "user.gone", "1", 1, 0);
        return as_errno(removexattr(path, "user.gone") == 0);
}

static int act_rename(const char *path)
{
        static unsigned turn;
        g_autofree char *from_name = g_strdup_printf("from-%u", turn),
                        *to_name = g_strdup_printf("to-%u", turn);
        g_autofree char *from = irp_in_mount(from_name), *to = irp_in_mount(to_name);

        turn++;
        objects_touch(from_name, "");
        return as_errno(syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 1 /* RENAME_NOREPLACE */) == 0);
}

static int act_stat(const char *path)
{
        struct statx st;

        return as_errno(statx(AT_FDCWD, path, 0, STATX_BTIME | STATX_BASIC_STATS, &st) == 0);
}

static int act_statfs(const char *path)
{
        struct statvfs fs;

        return as_errno(statvfs(path, &fs) == 0);
}

/* The kernel takes ENOSYS for "not here, ever": whatever a filter says, that is not what it hears. */
static void test_switches_nothing_off(void)
{
        static const struct {
                UCHAR major;
                const char *token;
                int (*act)(const char *path);
        } rows[] = {
                {IRP_MJ_CREATE, "CREATE(OPEN,NONDIR)", act_open},
                {IRP_MJ_CREATE, "CREATE(CREATE,NONDIR)", act_create},
                {IRP_MJ_CREATE, "CREATE(CREATE,NONDIR,DELETE)", act_tmpfile},
                {IRP_MJ_CREATE, "CREATE(OPEN,DIR)", act_open_directory},
                {IRP_MJ_DIRECTORY_CONTROL, "DIRECTORY_CONTROL", act_list},
                {IRP_MJ_CLEANUP, "CLEANUP", act_write_and_close},
                {IRP_MJ_FLUSH_BUFFERS, "FLUSH_BUFFERS", act_sync},
                {IRP_MJ_FLUSH_BUFFERS, "FLUSH_BUFFERS", act_sync_directory},
                {IRP_MJ_FILE_SYSTEM_CONTROL, "FSCTL(940cf)", act_seek},
                {IRP_MJ_SET_INFORMATION, "SET_INFORMATION(19)", act_allocate},
                {IRP_MJ_LOCK_CONTROL, "LOCK_CONTROL(1)", act_lock},
                {IRP_MJ_SET_EA, "SET_EA", act_set_xattr},
                {IRP_MJ_QUERY_EA, "QUERY_EA", act_get_xattr},
                {IRP_MJ_QUERY_EA, "QUERY_EA", act_list_xattr},
                {IRP_MJ_SET_EA, "SET_EA", act_remove_xattr},
                {IRP_MJ_SET_INFORMATION, "SET_INFORMATION(65)", act_rename},
                {IRP_MJ_QUERY_OPEN, "QUERY_OPEN(70)", act_stat},
                {IRP_MJ_QUERY_VOLUME_INFORMATION, "QUERY_VOLUME(7)", act_statfs},
        };
        static const NTSTATUS statuses[] = {STATUS_NOT_IMPLEMENTED, STATUS_NOT_SUPPORTED};

        irp_set_up();
        IN(path, "f");
        g_autofree char *source = irp_in_source("f");
        objects_touch("f", "x");
        setxattr(source, "user.color", "blue", 4, 0);
        irp_watch(~UINT64_C(0));
        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
                int error = rows[i].act(path);

                if (error == EOPNOTSUPP || error == ENODATA) {
                        g_test_message("row %u: the directory behind the mount has no such thing", i);
                        continue;
                }
                g_assert_cmpint(error, ==, 0);
                for (unsigned j = 0; j < G_N_ELEMENTS(statuses); j++) {
                        const struct irp_rule deny = {
                                .major = rows[i].major, .class = -1, .status = statuses[j]};

                        irp_set_rule(&deny);
                        error = rows[i].act(path);
                        irp_set_rule(NULL);
                        /* A CLEANUP can't fail. */
                        if (rows[i].major != IRP_MJ_CLEANUP)
                                g_assert_cmpint(error, ==, EOPNOTSUPP);
                        irp_clear();
                        g_assert_cmpint(rows[i].act(path), ==, 0);
                        if (!irp_count(rows[i].token, NULL))
                                g_error("row %u: no %s any more", i, rows[i].token);
                }
        }
        irp_tear_down();
}

/* ---- who asks ---- */

/* FUSE's RELEASE comes from nobody. */
static void test_release_has_a_requestor(void)
{
        pid_t child;

        irp_set_up();
        IN(path, "f");
        objects_touch("f", "x");
        irp_clear();
        child = fork();
        if (child == 0)
                _exit(open(path, O_RDONLY) < 0);
        g_assert_cmpint(waitpid(child, NULL, 0), ==, child);
        irp_expect("CREATE(OPEN,NONDIR) CLEANUP CLOSE");
        for (unsigned i = 0; i < 3; i++)
                g_assert_cmpuint(irp_record(i)->pid, ==, (guint)child);
        irp_tear_down();
}

static struct {
        ULONG process, current_process, thread;
        bool same;
} asking;

static void look_who_asks(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        asking.process = FltGetRequestorProcessId(data);
        asking.current_process = HandleToULong(PsGetCurrentProcessId());
        asking.thread = HandleToULong(PsGetThreadId(data->Thread));
        asking.same = IoThreadToProcess(data->Thread) == PsGetCurrentProcess() &&
                      FltGetRequestorProcess(data) == PsGetCurrentProcess() &&
                      data->Thread == PsGetCurrentThread();
}

static gpointer open_on_thread(gpointer path)
{
        g_assert_cmpint(act_open(path), ==, 0);
        return GINT_TO_POINTER((int)syscall(SYS_gettid));
}

/* FUSE's pid is a thread's. */
static void test_thread_is_no_process(void)
{
        static const struct irp_rule look = {.major = IRP_MJ_CREATE, .class = -1, .pre = look_who_asks};
        ULONG thread;

        irp_set_up();
        IN(path, "f");
        objects_touch("f", "x");
        irp_set_rule(&look);
        thread = (ULONG)GPOINTER_TO_INT(g_thread_join(g_thread_new("opener", open_on_thread, path)));
        irp_set_rule(NULL);
        g_assert_cmpuint(thread, !=, (ULONG)getpid());
        g_assert_cmpuint(asking.thread, ==, thread);
        g_assert_cmpuint(asking.process, ==, (ULONG)getpid());
        g_assert_cmpuint(asking.current_process, ==, (ULONG)getpid());
        g_assert_true(asking.same);
        irp_tear_down();
}

/* A filter's own open on a thread of the system, say while it attaches: who is below finds a thread there. */
static void test_system_has_threads(void)
{
        static const struct irp_rule look = {.major = IRP_MJ_CREATE, .class = -1, .pre = look_who_asks};
        HANDLE handle;

        objects_set_up();
        objects_touch("f", "x");
        memset(&asking, 0, sizeof(asking));
        irp_set_rule(&look);
        handle = objects_open("\\f", NULL);
        irp_set_rule(NULL);
        g_assert_true(asking.same);
        g_assert_cmpuint(asking.thread, ==, (ULONG)syscall(SYS_gettid));
        g_assert_cmpuint(asking.process, ==, HandleToULong(PsGetProcessId(PsInitialSystemProcess)));
        objects_close(handle, NULL);
        objects_tear_down();
}

/* ---- CLEANUP is not CLOSE, nor is it FLUSH ---- */

/* What was mapped is written when the handle has been cleaned up, and before it is closed. */
static void test_write_after_cleanup(void)
{
        g_autofree char *content = NULL;
        char *map;
        int fd;

        /* Without READ the mapping is the kernel's own. */
        set_up_with(fm_major_bit(IRP_MJ_WRITE) | fm_major_bit(IRP_MJ_CLEANUP) | fm_major_bit(IRP_MJ_CLOSE));
        IN(path, "f");
        objects_touch("f", "content");
        fd = open(path, O_RDWR);
        g_assert_cmpint((int)pwrite(fd, "1", 1, 0), ==, 1);
        map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        g_assert_true(map != MAP_FAILED);
        irp_clear();
        close(fd);
        irp_expect("CLEANUP");
        map[1] = '2';
        g_assert_cmpint(msync(map, 4096, MS_SYNC), ==, 0);
        irp_expect("CLEANUP WRITE(PAGING)");
        g_assert_cmphex(irp_record(1)->file_flags & FO_CLEANUP_COMPLETE, ==, FO_CLEANUP_COMPLETE);
        g_assert_cmphex((guint32)irp_record(1)->status, ==, STATUS_SUCCESS);
        munmap(map, 4096);
        irp_expect("CLEANUP WRITE(PAGING) CLEANUP CLOSE");
        content = objects_content("f");
        g_assert_cmpstr(content, ==, "12ntent");
        irp_tear_down();
}

static PFLT_CONTEXT handle_context;

static void set_handle_context(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        PFLT_CONTEXT context;

        assert_status(FltAllocateContext(objects_filter, FLT_STREAMHANDLE_CONTEXT, OBJECTS_CONTEXT_SIZE,
                                         NonPagedPool, &context),
                      STATUS_SUCCESS);
        assert_status(FltSetStreamHandleContext(objects->Instance, objects->FileObject,
                                                FLT_SET_CONTEXT_KEEP_IF_EXISTS, context, NULL),
                      STATUS_SUCCESS);
        FltReleaseContext(context);
}

static void get_handle_context(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        handle_context = NULL;
        if (NT_SUCCESS(FltGetStreamHandleContext(objects->Instance, objects->FileObject, &handle_context)))
                FltReleaseContext(handle_context);
}

/* As a shell's redirection does it: one of a file's descriptors is closed, and the other is used. */
static void test_context_outlives_a_descriptor(void)
{
        int fd, other;

        objects_set_up();
        IN(path, "f");
        objects_on(IRP_MJ_CREATE, NULL, set_handle_context);
        fd = open(path, O_WRONLY | O_CREAT, 0600);
        objects_on(IRP_MJ_WRITE, get_handle_context, NULL);
        for (unsigned i = 0; i < 3; i++) {
                other = dup(fd);
                g_assert_cmpint((int)write(other, "x", 1), ==, 1);
                g_assert_nonnull(handle_context);
                close(other);
                g_assert_cmpuint(objects_cleaned(FLT_STREAMHANDLE_CONTEXT), ==, 0);
        }
        close(fd);
        objects_expect_cleaned(FLT_STREAMHANDLE_CONTEXT, 1);
        objects_tear_down();
}

/* ---- opens that come to nothing ---- */

static void cancel_open(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        FltCancelFileOpen(objects->Instance, objects->FileObject);
        data->IoStatus.Status = STATUS_VIRUS_INFECTED;
        data->IoStatus.Information = 0;
}

/* The filter below has seen the open, and sees its end; what the open has made or truncated stays so. */
static void test_cancelled_open_below(void)
{
        g_autofree char *content = NULL, *made = NULL;

        objects_set_up();
        IN(path, "f");
        IN(new, "new");
        objects_touch("f", "x");
        objects_on(IRP_MJ_CREATE, NULL, cancel_open);
        irp_clear();
        g_assert_cmpint(open_at(path, O_WRONLY | O_TRUNC), ==, EACCES);
        irp_expect("CREATE(OVERWRITE,NONDIR) CLEANUP CLOSE");
        g_assert_cmphex((guint32)irp_record(0)->status, ==, STATUS_SUCCESS);
        content = objects_content("f");
        g_assert_cmpstr(content, ==, "");
        irp_clear();
        g_assert_cmpint(open_at(new, O_WRONLY | O_CREAT), ==, EACCES);
        irp_expect("CREATE(OPEN_IF,NONDIR) CLEANUP CLOSE");
        made = objects_content("new");
        g_assert_cmpstr(made, ==, "");
        objects_tear_down();
}

/* O_TRUNC is part of the open, and refused with it. */
static void test_refused_truncation(void)
{
        static const struct irp_rule no_create = {
                .major = IRP_MJ_CREATE, .class = -1, .status = STATUS_VIRUS_INFECTED};
        static const struct irp_rule no_set = {
                .major = IRP_MJ_SET_INFORMATION, .class = -1, .status = STATUS_VIRUS_INFECTED};
        static const int flags[] = {O_WRONLY | O_TRUNC, O_RDWR | O_TRUNC, O_WRONLY | O_CREAT | O_TRUNC};
        g_autofree char *content = NULL;

        irp_set_up();
        IN(path, "f");
        objects_touch("f", "precious");
        irp_set_rule(&no_create);
        for (unsigned i = 0; i < G_N_ELEMENTS(flags); i++)
                g_assert_cmpint(open_at(path, flags[i]), ==, EACCES);
        irp_set_rule(&no_set);
        g_assert_cmpint(as_errno(truncate(path, 0) == 0), ==, EACCES);
        irp_set_rule(NULL);
        content = objects_content("f");
        g_assert_cmpstr(content, ==, "precious");
        irp_tear_down();
}

/* A limit that docs/differences.md has: what the kernel itself refuses makes no operation. */
static void test_kernel_refuses_first(void)
{
        pid_t child;
        int status;

        if (geteuid() != 0) {
                g_test_skip("needs root, to be somebody else");
                return;
        }
        irp_set_up();
        IN(path, "f");
        g_autofree char *source = irp_in_source("f");
        objects_touch("f", "x");
        g_assert_cmpint(chmod(source, 0600), ==, 0);
        irp_clear();
        child = fork();
        if (child == 0)
                _exit(setgid(65534) == 0 && setuid(65534) == 0 ? act_open(path) : 255);
        g_assert_cmpint(waitpid(child, &status, 0), ==, child);
        g_assert_cmpint(WEXITSTATUS(status), ==, EACCES);
        /* It has asked for the access control list, and that was all. */
        g_assert_cmpuint(irp_count("CREATE(OPEN,NONDIR)", NULL), ==, 0);
        g_assert_cmpint(act_open(path), ==, 0);
        g_assert_cmpuint(irp_count("CREATE(OPEN,NONDIR)", NULL), ==, 1);
        irp_tear_down();
}

/* ---- names that go ---- */

static void fill_directory(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        objects_touch("d/late", "");
}

/* It was empty when it was asked, and is not when its handle goes: who removes it is told. */
static void test_rmdir_of_what_fills(void)
{
        static const struct irp_rule fill = {
                .major = IRP_MJ_CLEANUP, .class = -1, .pre = fill_directory, .name_suffix = "\\d"};

        irp_set_up();
        IN(path, "d");
        g_assert_cmpint(mkdir(path, 0700), ==, 0);
        irp_set_rule(&fill);
        g_assert_cmpint(as_errno(rmdir(path) == 0), ==, ENOTEMPTY);
        irp_set_rule(NULL);
        g_assert_cmpint(access(path, F_OK), ==, 0);
        irp_tear_down();
}

/* A file without a name stays the file it was, whatever has its name now. */
static void test_name_given_again(gconstpointer majors)
{
        static const struct {
                bool by_rename;
        } ways[] = {{false}, {true}};

        for (unsigned i = 0; i < G_N_ELEMENTS(ways); i++) {
                char buffer[8] = "";
                g_autofree char *content = NULL;
                struct stat st;
                int fd;

                set_up_with(*(const uint64_t *)majors);
                IN(path, "f");
                IN(other, "other");
                objects_touch("f", "old");
                objects_touch("other", "new");
                fd = open(path, O_RDWR);
                g_assert_cmpint(fd, >=, 0);
                if (!ways[i].by_rename)
                        g_assert_cmpint(unlink(path), ==, 0);
                g_assert_cmpint(rename(other, path), ==, 0);
                g_assert_cmpint((int)pread(fd, buffer, sizeof(buffer), 0), ==, 3);
                g_assert_cmpstr(buffer, ==, "old");
                g_assert_cmpint((int)pwrite(fd, "OLDER", 5, 0), ==, 5);
                g_assert_cmpint(ftruncate(fd, 4), ==, 0);
                g_assert_cmpint(fchmod(fd, 0444), ==, 0);
                g_assert_cmpint(fstat(fd, &st), ==, 0);
                g_assert_cmpuint(st.st_nlink, ==, 0);
                g_assert_cmpuint(st.st_size, ==, 4);
                close(fd);
                content = objects_content("f");
                g_assert_cmpstr(content, ==, "new");
                g_assert_cmpint(stat(path, &st), ==, 0);
                g_assert_cmphex(st.st_mode & 0222, !=, 0);
                irp_tear_down();
        }
}

/* ---- data ---- */

static void scribble_behind(PVOID buffer, ULONG length)
{
        memset((char *)buffer + length, 0x55, (SECTOR - length % SECTOR) % SECTOR);
}

static void scribble_behind_read(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        scribble_behind(data->Iopb->Parameters.Read.ReadBuffer, data->Iopb->Parameters.Read.Length);
}

static void scribble_behind_write(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        scribble_behind(data->Iopb->Parameters.Write.WriteBuffer, data->Iopb->Parameters.Write.Length);
}

/* At a file's end filters decrypt and copy whole sectors: a buffer has room for them. */
static void test_rest_of_a_sector(void)
{
        static const struct irp_rule rules[] = {
                {.major = IRP_MJ_WRITE, .class = -1, .pre = scribble_behind_write},
                {.major = IRP_MJ_READ, .class = -1, .in_post = true, .post = scribble_behind_read},
        };
        static const size_t sizes[] = {1, 5, 511, 513};
        char data[1024], back[1024];

        irp_set_up();
        IN(path, "f");
        memset(data, 'd', sizeof(data));
        for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
                int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

                irp_set_rule(&rules[0]);
                g_assert_cmpint((int)write(fd, data, sizes[i]), ==, (int)sizes[i]);
                irp_set_rule(&rules[1]);
                memset(back, 0, sizeof(back));
                g_assert_cmpint((int)pread(fd, back, sizes[i], 0), ==, (int)sizes[i]);
                irp_set_rule(NULL);
                g_assert_cmpmem(back, sizes[i], data, sizes[i]);
                g_assert_cmpint(back[sizes[i]], ==, 0);
                close(fd);
        }
        irp_tear_down();
}

static int range_is_free(const char *path, off_t start)
{
        pid_t child = fork();
        int status;

        if (child == 0) {
                struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = 1};
                int fd = open(path, O_RDWR);

                /* Whether or not it is locked, it can be written. */
                if (pwrite(fd, "w", 1, start) != 1)
                        _exit(2);
                _exit(fcntl(fd, F_SETLK, &lock) == 0);
        }
        g_assert_cmpint(waitpid(child, &status, 0), ==, child);
        g_assert_true(WIFEXITED(status));
        g_assert_cmpint(WEXITSTATUS(status), <, 2);
        return WEXITSTATUS(status);
}

/*
 * Not Windows' rules: a lock hinders nobody who does not ask, a part of it can be unlocked, and it goes with
 * any of the process's descriptors.
 */
static void test_locks_are_posix(gconstpointer majors)
{
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 10};
        int fd, other;

        set_up_with(*(const uint64_t *)majors);
        IN(path, "f");
        objects_touch("f", "0123456789");
        fd = open(path, O_RDWR);
        other = open(path, O_RDWR);
        g_assert_cmpint(fcntl(fd, F_SETLK, &lock), ==, 0);
        g_assert_false(range_is_free(path, 5));
        lock.l_start = 4;
        lock.l_len = 2;
        lock.l_type = F_UNLCK;
        g_assert_cmpint(fcntl(fd, F_SETLK, &lock), ==, 0);
        g_assert_true(range_is_free(path, 4));
        g_assert_true(range_is_free(path, 5));
        g_assert_false(range_is_free(path, 3));
        g_assert_false(range_is_free(path, 6));
        close(other);
        g_assert_true(range_is_free(path, 3));
        close(fd);
        irp_tear_down();
}

/* The kernel writes to us what it is told to forget: who attaches must not wait for himself. */
static void test_attach_with_dirty_pages(void)
{
        enum { PAGES = 64 };
        g_autofree char *content = NULL;
        g_autofree char *blank = g_strnfill(PAGES * 4096, '.');
        char *map;
        int fd;

        set_up_with(0);
        IN(path, "f");
        objects_touch("f", blank);
        fd = open(path, O_RDWR);
        map = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        g_assert_true(map != MAP_FAILED);
        for (unsigned i = 0; i < PAGES; i++)
                map[i * 4096] = 'd';
        irp_attach(~UINT64_C(0));
        irp_watch(fm_major_bit(IRP_MJ_WRITE));
        /* All that was dirty is behind the mount, and written once more it is seen. */
        content = objects_content("f");
        for (unsigned i = 0; i < PAGES; i++)
                g_assert_cmpint(content[i * 4096], ==, 'd');
        irp_clear();
        map[0] = 'e';
        g_assert_cmpint(msync(map, 4096, MS_SYNC), ==, 0);
        irp_expect("WRITE(PAGING)");
        munmap(map, PAGES * 4096);
        close(fd);
        irp_tear_down();
}

int main(int argc, char **argv)
{
        static const uint64_t none = 0, all = ~UINT64_C(0);

        g_test_init(&argc, &argv, NULL);
        if (!irp_can_mount())
                return 0;
        g_test_add_func("/traps/switches-nothing-off", test_switches_nothing_off);
        g_test_add_func("/traps/release-has-a-requestor", test_release_has_a_requestor);
        g_test_add_func("/traps/thread-is-no-process", test_thread_is_no_process);
        g_test_add_func("/traps/system-has-threads", test_system_has_threads);
        g_test_add_func("/traps/write-after-cleanup", test_write_after_cleanup);
        g_test_add_func("/traps/context-outlives-a-descriptor", test_context_outlives_a_descriptor);
        g_test_add_func("/traps/cancelled-open-below", test_cancelled_open_below);
        g_test_add_func("/traps/refused-truncation", test_refused_truncation);
        g_test_add_func("/traps/kernel-refuses-first", test_kernel_refuses_first);
        g_test_add_func("/traps/rmdir-of-what-fills", test_rmdir_of_what_fills);
        g_test_add_data_func("/traps/name-given-again/no-filter", &none, test_name_given_again);
        g_test_add_data_func("/traps/name-given-again/filter", &all, test_name_given_again);
        g_test_add_func("/traps/rest-of-a-sector", test_rest_of_a_sector);
        g_test_add_data_func("/traps/locks-are-posix/no-filter", &none, test_locks_are_posix);
        g_test_add_data_func("/traps/locks-are-posix/filter", &all, test_locks_are_posix);
        g_test_add_func("/traps/attach-with-dirty-pages", test_attach_with_dirty_pages);
        return g_test_run();
}
