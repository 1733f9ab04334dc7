/* SPDX-License-Identifier: MIT */
/*
 * fltsim mount and fltsim umount.
 *
 * Where a filter manager runs already it does both. Else mount becomes one; two that start at once settle by the lock of the
 * runtime directory who it is, and the other one asks it.
 *
 * In the background the process that was started waits until the other one says through a pipe how the start went: an
 * empty message is success, text is what went wrong. It ends without a message if it dies.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuse/mountinfo.h"
#include "nt/log.h"
#include "tools/fltsim.h"
#include "wire/runtime.h"

static const char started = '+', busy = '!';

enum {
        START_RETRY_MS = 20,
        START_PATIENCE_MS = 60 * 1000, /* for a manager that starts or ends to be through with it */
};

/* In the one that was called: how the start went. -EBUSY: there is another manager. */
static int wait_for_start(int fd, pid_t pid)
{
        g_autoptr(GString) text = g_string_new(NULL);
        char buffer[512];
        ssize_t n;
        int status;

        while ((n = read(fd, buffer, sizeof(buffer))) != 0) {
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        break;
                g_string_append_len(text, buffer, n);
        }
        close(fd);
        if (text->len == 1 && text->str[0] == started)
                return EXIT_SUCCESS;
        /* When this returns, nothing is left. */
        if (waitpid(pid, &status, 0) != pid)
                status = 0;
        if (text->len == 1 && text->str[0] == busy)
                return -EBUSY;
        if (text->len > 0)
                fm_tool_complain("%s", text->str);
        else if (WIFSIGNALED(status))
                fm_tool_complain("the start was ended by signal %d (%s)", WTERMSIG(status),
                                 strsignal(WTERMSIG(status)));
        else
                fm_tool_complain("the start failed without a word");
        return EXIT_FAILURE;
}

static void tell(int fd, const char *text, size_t size)
{
        while (size > 0) {
                ssize_t n = write(fd, text, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        break;
                text += n;
                size -= n;
        }
        close(fd);
}

static void leave_terminal(void)
{
        int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

        if (fd < 0)
                return;
        dup2(fd, STDIN_FILENO);
        dup2(fd, STDOUT_FILENO);
        dup2(fd, STDERR_FILENO);
        if (fd > STDERR_FILENO)
                close(fd);
        if (chdir("/") < 0)
                fm_log(FM_LOG_WARNING, "fuse", "the working directory can't be left: %s", g_strerror(errno));
}

/* Until a signal comes or the last mount has gone. */
static void serve(struct fm_manager *manager, int signal_fd)
{
        struct pollfd fds[2] = {
                {.fd = signal_fd, .events = POLLIN},
                {.fd = manager->volumes.ended_fd, .events = POLLIN},
        };

        while (poll(fds, 2, -1) < 0 && errno == EINTR)
                ;
        if (fds[0].revents)
                fm_log(FM_LOG_INFO, "fuse", "ending on a signal");
}

/* Without a terminal the log would be lost; it goes where the socket is. */
static void default_log(struct fm_tool_options *options)
{
        if (options->log || options->foreground)
                return;
        options->log = fm_runtime_path(options->runtime_dir, "fltsim.log");
}

/* Becomes a filter manager, and serves until the end. An exit status, or -EBUSY. */
static int manage(struct fm_tool_options *options, char **pairs, int ready)
{
        struct fm_manager manager;
        g_autofree char *error = NULL;
        int signal_fd = fm_tool_signal_fd(false), r;

        default_log(options);
        r = fm_manager_start(&manager, options, pairs, options->runtime_dir, false, &error);
        if (ready < 0 && r < 0) {
                close(signal_fd);
                if (error)
                        fm_tool_complain("%s", error);
                return error ? EXIT_FAILURE : -EBUSY;
        }
        if (ready >= 0) {
                if (r < 0) {
                        tell(ready, error ? error : &busy, error ? strlen(error) : 1);
                        return EXIT_FAILURE;
                }
                leave_terminal();
                tell(ready, &started, 1);
        }
        serve(&manager, signal_fd);
        fm_manager_stop(&manager);
        close(signal_fd);
        return EXIT_SUCCESS;
}

static int manage_in_background(struct fm_tool_options *options, char **pairs)
{
        int ready[2];
        pid_t pid;

        if (pipe2(ready, O_CLOEXEC) < 0) {
                fm_tool_complain("no pipe: %s", g_strerror(errno));
                return EXIT_FAILURE;
        }
        /* Before there is any thread: a fork has only the one that called it. */
        pid = fork();
        if (pid < 0) {
                fm_tool_complain("no new process: %s", g_strerror(errno));
                return EXIT_FAILURE;
        }
        if (pid > 0) {
                close(ready[1]);
                return wait_for_start(ready[0], pid);
        }
        close(ready[0]);
        setsid();
        exit(manage(options, pairs, ready[1]));
}

int fm_tool_mount(const struct fm_tool_options *given, char **pairs)
{
        gint64 until = g_get_monotonic_time() + START_PATIENCE_MS * INT64_C(1000);
        struct fm_tool_options options = *given;

        if (options.runtime_dir)
                setenv("FLTSIM_RUNTIME_DIR", options.runtime_dir, 1);
        do {
                g_autofree char *error = NULL;
                int r = fm_join_mount(&options, pairs, &error);

                if (r == 0)
                        return EXIT_SUCCESS;
                if (r != -ENOENT && r != -ESHUTDOWN) {
                        fm_tool_complain("%s", error);
                        return EXIT_FAILURE;
                }
                r = options.foreground ? manage(&options, pairs, -1) : manage_in_background(&options, pairs);
                if (r != -EBUSY)
                        return r;
                g_usleep(START_RETRY_MS * 1000);
        } while (g_get_monotonic_time() < until);
        fm_tool_complain("a filter manager has the runtime directory, and neither serves nor ends: its log says what it waits "
                         "for. --runtime-dir starts another one");
        return EXIT_FAILURE;
}

/* Of a mount that no filter manager (of this runtime directory) answers for. */
static int unmount_directly(const char *mount_point, const char *path, enum fm_mount_end how)
{
        g_autofree char *error = NULL;
        int r;

        /* What is open on a dead one is dead, too. */
        if (how == FM_MOUNT_END_IDLE && access(path, F_OK) < 0 && errno == ENOTCONN)
                how = FM_MOUNT_END_FORCE;
        r = fm_mount_end(path, how, &error);
        /* A manager that is ending may have been quicker. */
        if (r == 0 || !fm_mount_find(path, NULL))
                return EXIT_SUCCESS;
        fm_tool_complain("%s can't be unmounted: %s%s", mount_point, error ? error : g_strerror(-r),
                         r == -EBUSY ? ". With --lazy it goes when it is not used any more, with --force at once" : "");
        return EXIT_FAILURE;
}

int fm_tool_umount(const char *mount_point, enum fm_mount_end how)
{
        g_autofree char *path = fm_mount_path_resolve(mount_point);
        g_autofree char *error = NULL;
        struct fm_mount_entry entry;
        bool ours;
        int r;

        if (!path || !fm_mount_find(path, &entry)) {
                fm_tool_complain("nothing is mounted at %s", mount_point);
                return EXIT_FAILURE;
        }
        ours = strcmp(entry.type, "fuse.fltsim") == 0;
        if (!ours)
                fm_tool_complain("%s is a mount of another kind (%s): use umount(8) or fusermount3(1)", mount_point,
                                 entry.type);
        fm_mount_entry_deinit(&entry);
        if (!ours)
                return EXIT_FAILURE;
        r = fm_join_unmount(path, how, &error);
        if (r == 0)
                return EXIT_SUCCESS;
        if (r == -ETIMEDOUT && !fm_mount_find(path, NULL)) {
                fm_tool_complain("%s is unmounted, but its filter manager does not come to an end with it: its log says what it "
                                 "waits for",
                                 mount_point);
                return EXIT_FAILURE;
        }
        if (r == -ENOENT || r == -ETIMEDOUT)
                return unmount_directly(mount_point, path, how);
        fm_tool_complain("%s", error);
        return EXIT_FAILURE;
}
