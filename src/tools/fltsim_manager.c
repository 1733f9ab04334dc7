/* SPDX-License-Identifier: MIT */
/* One filter manager: its volumes, port server, filters and mounts, up and down. See fltsim.h. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "fltmgr/fsd.h"
#include "fltmgr/loader.h"
#include "fuse/credentials.h"
#include "fuse/request.h"
#include "nt/log.h"
#include "nt/security.h"
#include "nt/status.h"
#include "nt/verifier.h"
#include "port/server.h"
#include "tools/fltsim.h"
#include "wire/runtime.h"

int fm_tool_signal_fd(bool children)
{
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGHUP);
        sigaddset(&set, SIGQUIT);
        if (children)
                sigaddset(&set, SIGCHLD);
        pthread_sigmask(SIG_BLOCK, &set, NULL);
        signal(SIGPIPE, SIG_IGN);
        return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static enum fm_log_level log_level(const struct fm_tool_options *options)
{
        if (options->verbose || g_strcmp0(options->log_level, "debug") == 0)
                return FM_LOG_DEBUG;
        if (g_strcmp0(options->log_level, "error") == 0)
                return FM_LOG_ERROR;
        if (g_strcmp0(options->log_level, "warning") == 0)
                return FM_LOG_WARNING;
        if (options->quiet && !options->log && !options->log_level)
                return FM_LOG_WARNING;
        return FM_LOG_INFO;
}

static int open_log(struct fm_manager *manager, const struct fm_tool_options *options, char **error)
{
        if (options->log) {
                manager->log_fd = open(options->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640);
                /* A disk that is full is known now, and not when something is missing in the log. */
                if (manager->log_fd < 0 || dprintf(manager->log_fd, "# fltsim, process %d\n", getpid()) < 0) {
                        int r = -errno;

                        *error = g_strdup_printf("the log %s can't be written: %s", options->log, g_strerror(errno));
                        return r;
                }
                fm_log_init(manager->log_fd, log_level(options));
        }
        return 0;
}

bool fm_tool_allows_other(bool yes, bool no)
{
        return yes || (geteuid() == 0 && !no);
}

static int prepare_all(struct fm_manager *manager, const struct fm_tool_options *options, char **pairs, char **error)
{
        const struct fm_session_options session_options = {
                .attr_timeout = options->attr_timeout,
                .entry_timeout = options->entry_timeout,
                .allow_other = fm_tool_allows_other(options->allow_other, options->no_allow_other),
                .read_only = options->read_only,
                .sector_size = options->sector_size,
                .mount_options = options->mount_options,
        };
        struct fm_session *session;
        int r = 0;

        for (; r == 0 && pairs[0] && pairs[1]; pairs += 2)
                r = fm_volumes_prepare(&manager->volumes, pairs[0], pairs[1], &session_options, &session, error);
        return r;
}

static int load_filters(char **filters, char **error)
{
        for (; filters && *filters; filters++) {
                NTSTATUS status;

                status = fm_filter_load(*filters, NULL, error);
                if (!NT_SUCCESS(status)) {
                        const char *name = fm_status_name(status);

                        if (!*error)
                                *error = g_strdup_printf("filter %s could not be loaded: %s (0x%08x)", *filters,
                                                         name ? name : "failure", (unsigned)status);
                        return -EINVAL;
                }
        }
        return 0;
}

static int set_administrators(const char *name, char **error)
{
        const struct group *group;

        if (!name) {
                fm_security_set_administrators((gid_t)-1);
                return 0;
        }
        group = getgrnam(name);
        if (!group) {
                *error = g_strdup_printf("--administrators %s: there is no such group", name);
                return -EINVAL;
        }
        fm_security_set_administrators(group->gr_gid);
        return 0;
}

/* Of the one manager of this process. */
static const char *cut_runtime_dir;

/* A bug check must leave nobody behind who waits for us, and no dead mount. */
static void cut_mounts(void)
{
        fm_mounts_cut(cut_runtime_dir);
}

int fm_manager_start(struct fm_manager *manager, const struct fm_tool_options *options, char **pairs,
                     const char *runtime_dir, bool lasting, char **error)
{
        bool fatal, dispatch;
        int r;

        memset(manager, 0, sizeof(*manager));
        manager->log_fd = -1;
        manager->runtime_dir = runtime_dir;
        fm_credentials_init();
        fm_tool_verifier_parse(options->verifier, &fatal, &dispatch);
        fm_verifier_init(fatal);
        fm_verifier_raise_completions(dispatch);
        cut_runtime_dir = runtime_dir;
        fm_verifier_set_last_act(cut_mounts);
        fm_log_init(STDERR_FILENO, log_level(options));
        fm_volumes_init(&manager->volumes, runtime_dir, lasting);
        fm_volumes_listen(&manager->volumes);
        r = set_administrators(options->administrators, error);
        if (r == 0) {
                r = fm_port_server_start(runtime_dir, error);
                manager->port_runs = r == 0;
        }
        if (r == -EBUSY)
                g_clear_pointer(error, free);
        if (r == 0)
                r = open_log(manager, options, error);
        if (r == 0)
                r = prepare_all(manager, options, pairs, error);
        if (r == 0)
                r = load_filters(options->filters, error);
        if (r == 0)
                r = fm_volumes_serve_all(&manager->volumes, error);
        if (r == 0)
                fm_volumes_open(&manager->volumes);
        else
                fm_manager_stop(manager);
        return r;
}

void fm_manager_unmount(struct fm_manager *manager)
{
        fm_volumes_stop(&manager->volumes);
}

void fm_manager_stop(struct fm_manager *manager)
{
        fm_volumes_stop(&manager->volumes);
        fm_volume_shutdown_all();
        fm_volumes_clear(&manager->volumes);
        fm_filter_unload_all();
        if (manager->port_runs) {
                fm_mounts_remove(manager->runtime_dir);
                fm_port_server_stop();
        }
        fm_volumes_deinit(&manager->volumes);
        fm_request_monitor_stop();
        fm_log_init(STDERR_FILENO, FM_LOG_WARNING);
        if (manager->log_fd >= 0)
                close(manager->log_fd);
}
