/* SPDX-License-Identifier: MIT */
/*
 * fltsim run: a mount for as long as one command runs. What comes after the command is certain whatever ended it: the mount goes,
 * the agent goes, the temporary directories go. If fltsim itself is killed, or a filter crashes it, the kernel ends agent and
 * command, and a process that is there for nothing else, the janitor, takes away the mount and the directories.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuse/mountinfo.h"
#include "nt/log.h"
#include "nt/verifier.h"
#include "port/server.h"
#include "tools/fltsim.h"
#include "wire/runtime.h"

enum {
        /* As env(1) and its like do. */
        RUN_FAILED = 125,
        RUN_CANT_EXECUTE = 126,
        RUN_NOT_FOUND = 127,
        RUN_VIOLATIONS = 123,
        GRACE_MS = 5000, /* from SIGTERM to SIGKILL */
};

struct child {
        const char *what;
        pid_t pid;  /* 0: not running */
        int status; /* of wait(2), once it has ended */
};

struct run {
        char *directory; /* all that is temporary is in it */
        char *mount_point;
        char *runtime_dir;
        struct fm_manager manager;
        bool started;
        int signal_fd;
        pid_t janitor;
        int janitor_fd; /* the janitor waits until something comes, or it is closed */
        struct child agent, command;
        int end_signal; /* that we were asked to end with */
};

static int make_directories(struct run *run, char **error)
{
        run->directory = g_build_filename(g_get_tmp_dir(), "fltsim-XXXXXX", NULL);
        if (!g_mkdtemp_full(run->directory, 0711)) {
                int r = -errno;

                *error = g_strdup_printf("no temporary directory can be made in %s: %s", g_get_tmp_dir(),
                                         g_strerror(errno));
                g_clear_pointer(&run->directory, g_free);
                return r;
        }
        run->mount_point = g_build_filename(run->directory, "mnt", NULL);
        run->runtime_dir = g_build_filename(run->directory, "run", NULL);
        if (mkdir(run->mount_point, 0755) < 0) {
                *error = g_strdup_printf("%s can't be made: %s", run->mount_point, g_strerror(errno));
                return -errno;
        }
        return 0;
}

static void remove_directories(const struct run *run)
{
        static const char *const left[] = {FM_RUNTIME_SOCKET, FM_RUNTIME_LOCK, FM_MOUNTS_FILE};
        unsigned i;

        if (run->mount_point)
                rmdir(run->mount_point);
        for (i = 0; run->runtime_dir && i < G_N_ELEMENTS(left); i++) {
                g_autofree char *path = g_build_filename(run->runtime_dir, left[i], NULL);

                unlink(path);
        }
        if (run->runtime_dir)
                rmdir(run->runtime_dir);
        if (run->directory && rmdir(run->directory) < 0)
                fm_tool_complain("%s can't be removed: %s", run->directory, g_strerror(errno));
}

static void end_dead_mount(const char *mount_point)
{
        g_autofree char *path = fm_mount_path_resolve(mount_point);
        g_autofree char *error = NULL;
        int r;

        if (!path || !fm_mount_find(path, NULL))
                return;
        r = fm_mount_end(path, FM_MOUNT_END_FORCE, &error);
        if (r < 0)
                fm_tool_complain("%s can't be unmounted: %s", path, error ? error : g_strerror(-r));
}

/* The janitor: until fltsim says that all is done, or is not there any more. */
static G_NORETURN void wait_and_clean(const struct run *run, int fd)
{
        char done;

        setsid();
        if (TEMP_FAILURE_RETRY(read(fd, &done, 1)) == 0) {
                /* The command may have mounted more. */
                g_auto(GStrv) mounts = fm_mounts_read(run->runtime_dir);

                for (unsigned i = 0; mounts && mounts[i]; i++)
                        end_dead_mount(mounts[i]);
                end_dead_mount(run->mount_point);
                remove_directories(run);
        }
        _exit(EXIT_SUCCESS);
}

/* While there is no thread yet, and no descriptor that the janitor must not keep. */
static int start_janitor(struct run *run, char **error)
{
        int ends[2];

        if (pipe2(ends, O_CLOEXEC) < 0) {
                *error = g_strdup_printf("no pipe: %s", g_strerror(errno));
                return -errno;
        }
        run->janitor = fork();
        if (run->janitor == 0) {
                close(ends[1]);
                wait_and_clean(run, ends[0]);
        }
        close(ends[0]);
        if (run->janitor < 0) {
                *error = g_strdup_printf("no new process: %s", g_strerror(errno));
                close(ends[1]);
                return -errno;
        }
        run->janitor_fd = ends[1];
        return 0;
}

static void stop_janitor(struct run *run)
{
        if (run->janitor <= 0)
                return;
        if (write(run->janitor_fd, "", 1) < 0)
                fm_tool_complain("the janitor has gone: %s", g_strerror(errno));
        close(run->janitor_fd);
        waitpid(run->janitor, NULL, 0);
}

static void run_deinit(struct run *run)
{
        g_free(run->mount_point);
        g_free(run->runtime_dir);
        g_free(run->directory);
}

/* Made before the fork: in the child of a process with threads nothing may allocate. */
static GStrv child_environment(const struct run *run, const char *directory)
{
        GStrv environment = g_get_environ();

        environment = g_environ_setenv(environment, "FLTSIM_RUNTIME_DIR", run->runtime_dir, TRUE);
        environment = g_environ_setenv(environment, "FLTSIM_MOUNT", run->mount_point, TRUE);
        return directory ? g_environ_setenv(environment, "PWD", directory, TRUE) : environment;
}

/* directory NULL: the agent, which stays where we are. */
static G_NORETURN void become(char **argv, char **environment, const char *directory)
{
        sigset_t none;

        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        signal(SIGPIPE, SIG_DFL);
        signal(SIGXFSZ, SIG_DFL);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (directory) {
                if (chdir(directory) < 0) {
                        fm_tool_complain("%s can't be entered: %s", directory, g_strerror(errno));
                        _exit(RUN_FAILED);
                }
        } else {
                /* What the command prints may be somebody's input. */
                dup2(STDERR_FILENO, STDOUT_FILENO);
        }
        execvpe(argv[0], argv, environment);
        fm_tool_complain("%s can't be run: %s", argv[0], g_strerror(errno));
        _exit(errno == ENOENT ? RUN_NOT_FOUND : RUN_CANT_EXECUTE);
}

static int start_child(struct run *run, struct child *child, const char *what, char **argv, const char *directory,
                       char **error)
{
        g_auto(GStrv) environment = child_environment(run, directory);

        child->what = what;
        child->pid = fork();
        if (child->pid == 0)
                become(argv, environment, directory);
        if (child->pid < 0) {
                child->pid = 0;
                *error = g_strdup_printf("no process for the %s: %s", what, g_strerror(errno));
                return -errno;
        }
        return 0;
}

static void reap_one(struct child *child)
{
        if (child->pid > 0 && waitpid(child->pid, &child->status, WNOHANG) == child->pid)
                child->pid = 0;
}

static void take_signals(struct run *run)
{
        struct signalfd_siginfo info;

        while (read(run->signal_fd, &info, sizeof(info)) == sizeof(info)) {
                if (info.ssi_signo != SIGCHLD && run->end_signal == 0)
                        run->end_signal = info.ssi_signo;
        }
        reap_one(&run->agent);
        reap_one(&run->command);
}

/* Ends a child: kindly, then for good. */
static void end_child(struct run *run, struct child *child)
{
        gint64 until = g_get_monotonic_time() + GRACE_MS * INT64_C(1000);
        struct pollfd fd = {.fd = run->signal_fd, .events = POLLIN};

        reap_one(child);
        if (child->pid <= 0)
                return;
        kill(child->pid, SIGTERM);
        kill(child->pid, SIGCONT);
        while (child->pid > 0) {
                gint64 left = (until - g_get_monotonic_time()) / 1000;

                if (left <= 0) {
                        kill(child->pid, SIGKILL);
                        waitpid(child->pid, &child->status, 0);
                        child->pid = 0;
                        break;
                }
                poll(&fd, 1, left);
                take_signals(run);
        }
}

static int start_agent(struct run *run, const struct fm_tool_options *options, char **error)
{
        gint64 until = g_get_monotonic_time() + options->agent_timeout * INT64_C(1000000);
        struct pollfd fds[2] = {
                {.fd = run->signal_fd, .events = POLLIN},
                {.fd = fm_port_server_client_fd(), .events = POLLIN},
        };
        g_autoptr(GError) failure = NULL;
        g_auto(GStrv) argv = NULL;
        int r;

        if (!g_shell_parse_argv(options->agent, NULL, &argv, &failure)) {
                *error = g_strdup_printf("--agent %s: %s", options->agent, failure->message);
                return -EINVAL;
        }
        r = start_child(run, &run->agent, "agent", argv, NULL, error);
        if (r < 0)
                return r;
        for (;;) {
                gint64 left = (until - g_get_monotonic_time()) / 1000;

                if (left <= 0) {
                        *error = g_strdup_printf(
                                "the agent \"%s\" has not connected to a port within %d seconds. Does it use a "
                                "port that a filter has made?",
                                options->agent, options->agent_timeout);
                        return -ETIMEDOUT;
                }
                poll(fds, 2, left);
                if (fds[1].revents & POLLIN)
                        return 0;
                take_signals(run);
                if (run->end_signal) {
                        *error = g_strdup_printf("ended by signal %d while waiting for the agent", run->end_signal);
                        return -EINTR;
                }
                if (run->agent.pid == 0) {
                        *error =
                                WIFSIGNALED(run->agent.status)
                                        ? g_strdup_printf(
                                                  "the agent \"%s\" was killed by signal %d before it had connected to a port",
                                                  options->agent, WTERMSIG(run->agent.status))
                                        : g_strdup_printf(
                                                  "the agent \"%s\" ended with status %d before it had connected to a port",
                                                  options->agent, WEXITSTATUS(run->agent.status));
                        return -ECHILD;
                }
        }
}

static int run_command(struct run *run, char **command, char **error)
{
        struct pollfd fd = {.fd = run->signal_fd, .events = POLLIN};
        int forwarded = 0;
        int r;

        r = start_child(run, &run->command, "command", command, run->mount_point, error);
        if (r < 0)
                return r;
        while (run->command.pid > 0) {
                poll(&fd, 1, -1);
                take_signals(run);
                if (run->end_signal && forwarded == 0) {
                        forwarded = run->end_signal;
                        /* From the terminal it has had it already; a second one does no harm. */
                        if (run->command.pid > 0)
                                kill(run->command.pid, forwarded);
                        end_child(run, &run->command);
                }
        }
        return 0;
}

static int exit_status(const struct run *run)
{
        int status = run->command.status;

        if (WIFSIGNALED(status))
                return 128 + WTERMSIG(status);
        return WEXITSTATUS(status);
}

int fm_tool_run(const struct fm_tool_options *given, const char *source, char **command)
{
        struct fm_tool_options options = *given;
        struct run run = {0};
        g_autofree char *error = NULL;
        int status = RUN_FAILED;
        int r;

        options.quiet = true;
        run.signal_fd = fm_tool_signal_fd(true);
        r = make_directories(&run, &error);
        if (r == 0)
                r = start_janitor(&run, &error);
        if (r == 0) {
                char *pairs[] = {(char *)source, run.mount_point, NULL};

                r = fm_manager_start(&run.manager, &options, pairs, run.runtime_dir, true, &error);
                run.started = r == 0;
        }
        if (r == 0 && options.agent)
                r = start_agent(&run, &options, &error);
        if (r == 0)
                r = run_command(&run, command, &error);
        if (r == 0)
                status = exit_status(&run);
        else if (run.end_signal)
                status = 128 + run.end_signal;

        if (run.started)
                fm_manager_unmount(&run.manager);
        end_child(&run, &run.command);
        end_child(&run, &run.agent);
        if (run.started)
                fm_manager_stop(&run.manager);
        remove_directories(&run);
        stop_janitor(&run);
        run_deinit(&run);
        close(run.signal_fd);
        if (r < 0)
                fm_tool_complain("%s", error);
        if (fm_violation_count() > 0) {
                fm_tool_complain("the filters broke %llu rules; the log says which",
                                 (unsigned long long)fm_violation_count());
                if (status == 0)
                        status = RUN_VIOLATIONS;
        }
        return status;
}
