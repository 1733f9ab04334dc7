/* SPDX-License-Identifier: MIT */
/* Byte range locks and flock: what filters see of them, and that the outcome is that of a local file system.
 */
#include "irp-harness.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuse/session.h"

static char *path;

static int set_up(uint64_t majors)
{
        const struct fm_session_options options = {.sector_size = 512, .allow_other = geteuid() == 0};
        g_autofree char *source = NULL;
        int fd;

        irp_set_up_with(majors, &options);
        source = irp_in_source("f");
        g_assert_true(g_file_set_contents(source, "0123456789", -1, NULL));
        path = irp_in_mount("f");
        fd = open(path, O_RDWR);
        g_assert_cmpint(fd, >=, 0);
        irp_clear();
        return fd;
}

static void tear_down(int fd)
{
        close(fd);
        g_clear_pointer(&path, g_free);
        irp_tear_down();
}

static int lock(int fd, int command, short type, off_t start, off_t length)
{
        struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};

        return fcntl(fd, command, &lock);
}

/* What the parameters were; a lock's Length is a pointer, valid during the operation. */
struct parameters {
        LONGLONG offset, length;
        UCHAR flags;
        BOOLEAN exclusive, at_once;
        ULONG key;
};

static pthread_mutex_t noted_lock = PTHREAD_MUTEX_INITIALIZER;
static struct parameters noted; /* noted_lock */
static struct parameters asked; /* of the last call that asked_for() checked */

static void note(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        pthread_mutex_lock(&noted_lock);
        noted = (struct parameters){
                .offset = data->Iopb->Parameters.LockControl.ByteOffset.QuadPart,
                .length = data->Iopb->Parameters.LockControl.Length->QuadPart,
                .flags = data->Iopb->OperationFlags,
                .exclusive = data->Iopb->Parameters.LockControl.ExclusiveLock,
                .at_once = data->Iopb->Parameters.LockControl.FailImmediately,
                .key = data->Iopb->Parameters.LockControl.Key,
        };
        pthread_mutex_unlock(&noted_lock);
}

static const struct irp_rule noting = {.major = IRP_MJ_LOCK_CONTROL, .class = -1, .pre = note};

static void asked_for(int result)
{
        g_assert_cmpint(result, ==, 0);
        pthread_mutex_lock(&noted_lock);
        asked = noted;
        pthread_mutex_unlock(&noted_lock);
}

static void test_parameters(void)
{
        int fd = set_up(~UINT64_C(0));
        ULONG key;

        irp_set_rule(&noting);
        asked_for(lock(fd, F_SETLK, F_WRLCK, 5, 10));
        g_assert_cmpint((int)asked.offset, ==, 5);
        g_assert_cmpint((int)asked.length, ==, 10);
        g_assert_cmphex(asked.flags, ==, SL_EXCLUSIVE_LOCK | SL_FAIL_IMMEDIATELY);
        g_assert_true(asked.exclusive && asked.at_once);
        key = asked.key;
        asked_for(lock(fd, F_SETLK, F_RDLCK, 100, 0));
        g_assert_cmpint(asked.length, ==, INT64_MAX - 100);
        g_assert_cmphex(asked.flags, ==, SL_FAIL_IMMEDIATELY);
        g_assert_cmpuint(asked.key, ==, key); /* the same owner */
        asked_for(lock(fd, F_SETLKW, F_RDLCK, 200, 1));
        g_assert_cmphex(asked.flags, ==, 0);
        asked_for(lock(fd, F_SETLK, F_UNLCK, 5, 2)); /* a part */
        g_assert_cmpint((int)asked.length, ==, 2);
        irp_expect("LOCK_CONTROL(1) LOCK_CONTROL(1) LOCK_CONTROL(1) LOCK_CONTROL(2)");
        irp_clear();
        asked_for(flock(fd, LOCK_EX));
        g_assert_cmphex(asked.flags, ==, SL_EXCLUSIVE_LOCK);
        g_assert_cmpint(asked.length, ==, INT64_MAX);
        asked_for(flock(fd, LOCK_SH | LOCK_NB));
        g_assert_cmphex(asked.flags, ==, SL_FAIL_IMMEDIATELY);
        asked_for(flock(fd, LOCK_UN));
        irp_expect("LOCK_CONTROL(1) LOCK_CONTROL(1) LOCK_CONTROL(2)");
        /* There is no operation that asks. */
        irp_clear();
        g_assert_cmpint(lock(fd, F_GETLK, F_WRLCK, 0, 10), ==, 0);
        irp_set_rule(NULL);
        g_assert_cmpuint(irp_count("LOCK_CONTROL(1)", NULL), ==, 0);
        tear_down(fd);
}

/* Runs in a child: its locks are not ours. */
static int in_child(int (*function)(void))
{
        pid_t child = fork();
        int status;

        if (child == 0)
                _exit(function());
        g_assert_cmpint(waitpid(child, &status, 0), ==, child);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int try_to_lock(void)
{
        int fd = open(path, O_RDWR);

        return lock(fd, F_SETLK, F_WRLCK, 0, 1) == 0 ? 0 : errno;
}

static void test_outcome(void)
{
        static const struct irp_rule refuse = {
                .major = IRP_MJ_LOCK_CONTROL, .class = -1, .status = STATUS_LOCK_NOT_GRANTED};
        static const struct irp_rule refuse_after = {.major = IRP_MJ_LOCK_CONTROL,
                                                     .class = -1,
                                                     .in_post = true,
                                                     .status = STATUS_FILE_LOCK_CONFLICT};
        static const struct irp_rule not_locked = {
                .major = IRP_MJ_LOCK_CONTROL, .class = -1, .status = STATUS_RANGE_NOT_LOCKED};
        int fd = set_up(~UINT64_C(0));

        g_assert_cmpint(lock(fd, F_SETLK, F_WRLCK, 0, 1), ==, 0);
        irp_clear();
        g_assert_cmpint(in_child(try_to_lock), ==, EAGAIN);
        g_assert_cmphex((guint)irp_find("LOCK_CONTROL(1)")->status, ==, (guint)STATUS_LOCK_NOT_GRANTED);
        g_assert_cmpint(lock(fd, F_SETLK, F_UNLCK, 0, 1), ==, 0);
        g_assert_cmpint(in_child(try_to_lock), ==, 0);
        irp_set_rule(&refuse);
        g_assert_cmpint(in_child(try_to_lock), ==, EAGAIN);
        /* What the bottom had granted is taken back. */
        irp_set_rule(&refuse_after);
        g_assert_cmpint(lock(fd, F_SETLK, F_WRLCK, 0, 1), ==, -1);
        g_assert_cmpint(errno, ==, EAGAIN);
        irp_set_rule(NULL);
        g_assert_cmpint(in_child(try_to_lock), ==, 0);
        /* POSIX unlocks what is not locked; to lock it is no such thing. */
        irp_set_rule(&not_locked);
        g_assert_cmpint(lock(fd, F_SETLK, F_UNLCK, 0, 1), ==, 0);
        g_assert_cmpint(lock(fd, F_SETLK, F_WRLCK, 0, 1), ==, -1);
        g_assert_cmpint(errno, ==, EIO);
        irp_set_rule(NULL);
        tear_down(fd);
}

/*
 * flock(2)'s ends with the last use of the handle, without an operation of its own. Nobody else is asked: a child would
 * have inherited the backing file's descriptor, which is of this process.
 */
static void test_flock_closed(void)
{
        int fd = set_up(~UINT64_C(0)), other = open(path, O_RDWR);

        g_assert_cmpint(flock(other, LOCK_EX), ==, 0);
        irp_clear();
        close(other);
        /* Waits until the release is through, which is some time after close(2). */
        g_assert_cmpint(flock(fd, LOCK_EX), ==, 0);
        g_assert_cmpuint(irp_count("LOCK_CONTROL(1)", NULL), ==, 1);
        g_assert_cmpuint(irp_count("LOCK_CONTROL(2)", NULL), ==, 0);
        tear_down(fd);
}

/* A wait ends with the lock, or with a signal; either way it holds no worker that anybody else needs. */
static int wait_for_lock(void)
{
        int fd = open(path, O_RDWR);

        return lock(fd, F_SETLKW, F_WRLCK, 0, 1) == 0 ? 0 : errno;
}

static void woken(int number)
{
}

static int be_interrupted(void)
{
        const struct sigaction action = {.sa_handler = woken};

        sigaction(SIGALRM, &action, NULL);
        /* Again and again: it must not matter when the first comes. */
        const struct itimerval often = {.it_value.tv_usec = 20000, .it_interval.tv_usec = 20000};
        setitimer(ITIMER_REAL, &often, NULL);
        return wait_for_lock();
}

static gpointer unlock_when_asked(gpointer fd)
{
        struct flock held = {.l_whence = SEEK_SET, .l_len = 1};

        /* Until the child's wait has come by the filter. */
        while (irp_count("LOCK_CONTROL(1)", NULL) < 2)
                g_usleep(1000);
        held.l_type = F_UNLCK;
        g_assert_cmpint(fcntl(GPOINTER_TO_INT(fd), F_SETLK, &held), ==, 0);
        return NULL;
}

static void test_wait(void)
{
        int fd = set_up(~UINT64_C(0));
        GThread *thread;

        g_assert_cmpint(lock(fd, F_SETLK, F_WRLCK, 0, 1), ==, 0);
        g_assert_cmpint(in_child(be_interrupted), ==, EINTR);
        irp_clear();
        g_assert_cmpint(lock(fd, F_SETLK, F_WRLCK, 0, 1), ==, 0);
        thread = g_thread_new("unlock", unlock_when_asked, GINT_TO_POINTER(fd));
        g_assert_cmpint(in_child(wait_for_lock), ==, 0);
        g_thread_join(thread);
        tear_down(fd);
}

/* Two processes, each with what the other wants: one of them is told. */
static void test_deadlock(gconstpointer majors)
{
        int fd = set_up(*(const uint64_t *)majors), ready[2], error, status, other;
        char word;
        pid_t child;

        g_assert_cmpint(pipe(ready), ==, 0);
        g_assert_cmpint(lock(fd, F_SETLK, F_WRLCK, 0, 1), ==, 0);
        child = fork();
        if (child == 0) {
                other = open(path, O_RDWR);
                if (lock(other, F_SETLK, F_WRLCK, 1, 1) < 0 || write(ready[1], "", 1) != 1)
                        _exit(99);
                error = lock(other, F_SETLKW, F_WRLCK, 0, 1) == 0 ? 0 : errno;
                _exit(error);
        }
        g_assert_cmpint((int)read(ready[0], &word, 1), ==, 1);
        error = lock(fd, F_SETLKW, F_WRLCK, 1, 1) == 0 ? 0 : errno;
        /* Whoever was refused gives up what he has. */
        g_assert_cmpint(lock(fd, F_SETLK, F_UNLCK, 0, 0), ==, 0);
        g_assert_cmpint(waitpid(child, &status, 0), ==, child);
        g_assert_true(WIFEXITED(status));
        if (error == EDEADLK) {
                g_assert_cmpint(WEXITSTATUS(status), ==, 0);
        } else {
                g_assert_cmpint(error, ==, 0);
                g_assert_cmpint(WEXITSTATUS(status), ==, EDEADLK);
        }
        close(ready[0]);
        close(ready[1]);
        tear_down(fd);
}

int main(int argc, char **argv)
{
        static const uint64_t none = 0, all = ~UINT64_C(0);

        g_test_init(&argc, &argv, NULL);
        if (!irp_can_mount())
                return 0;
        g_test_add_func("/irp/locks/parameters", test_parameters);
        g_test_add_func("/irp/locks/outcome", test_outcome);
        g_test_add_func("/irp/locks/flock-closed", test_flock_closed);
        g_test_add_func("/irp/locks/wait", test_wait);
        g_test_add_data_func("/irp/locks/deadlock/no-filter", &none, test_deadlock);
        g_test_add_data_func("/irp/locks/deadlock/filter", &all, test_deadlock);
        return g_test_run();
}
