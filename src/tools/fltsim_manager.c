/* SPDX-License-Identifier: MIT */
/* One filter manager: its volumes, port server, filters and mounts, up and down. See fltsim.h. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "fltmgr/loader.h"
#include "fuse/credentials.h"
#include "fuse/fsd.h"
#include "fuse/request.h"
#include "nt/log.h"
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
                if (manager->log_fd < 0) {
                        int r = -errno;

                        *error = g_strdup_printf("the log %s can't be written: %s", options->log, g_strerror(errno));
                        return r;
                }
                fm_log_init(manager->log_fd, log_level(options));
        }
        return 0;
}

static void session_ended(struct fm_session *session, void *data)
{
        struct fm_manager *manager = data;
        uint64_t one = 1;

        fm_log(FM_LOG_INFO, "fuse", "%s was unmounted", session->mount_point);
        if (atomic_fetch_sub(&manager->alive, 1) == 1 && write(manager->ended_fd, &one, sizeof(one)) < 0)
                fm_log(FM_LOG_ERROR, "fuse", "the end of the last mount can't be told: %s", g_strerror(errno));
}

static int add_sessions(struct fm_manager *manager, const struct fm_tool_options *options, char **pairs, char **error)
{
        struct fm_session_options session_options = {
                .attr_timeout = options->attr_timeout,
                .entry_timeout = options->entry_timeout,
                .allow_other = options->allow_other || (geteuid() == 0 && !options->no_allow_other),
                .read_only = options->read_only,
                .sector_size = options->sector_size,
                .mount_options = options->mount_options,
        };
        int r;

        for (; pairs[0] && pairs[1]; pairs += 2) {
                struct fm_session *session;

                r = fm_session_open(pairs[0], pairs[1], &session_options, &session, error);
                if (r < 0)
                        return r;
                g_ptr_array_add(manager->sessions, session);
                r = fm_session_add_volume(session, &fm_fuse_fsd, error);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int load_filters(struct fm_manager *manager, char **filters, char **error)
{
        for (; filters && *filters; filters++) {
                NTSTATUS status;

                manager->filters_loaded = true;
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

static int mount_all(struct fm_manager *manager, char **error)
{
        guint i;
        int r;

        for (i = 0; i < manager->sessions->len; i++) {
                struct fm_session *session = manager->sessions->pdata[i];

                r = fm_session_mount(session, error);
                if (r < 0)
                        return r;
                atomic_fetch_add(&manager->alive, 1);
                r = fm_session_start(session, session_ended, manager);
                if (r < 0) {
                        *error = g_strdup_printf("%s can't be served: %s", session->mount_point, g_strerror(-r));
                        return r;
                }
                fm_log(FM_LOG_INFO, "fuse", "%s is mounted at %s", session->source, session->mount_point);
        }
        return 0;
}

int fm_manager_start(struct fm_manager *manager, const struct fm_tool_options *options, char **pairs,
                     const char *runtime_dir, char **error)
{
        int r;

        memset(manager, 0, sizeof(*manager));
        manager->log_fd = -1;
        manager->runtime_dir = runtime_dir;
        manager->sessions = g_ptr_array_new();
        manager->ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        fm_credentials_init();
        fm_verifier_init(g_strcmp0(options->verifier, "fatal") == 0);
        fm_log_init(STDERR_FILENO, log_level(options));
        r = fm_port_server_start(runtime_dir, error);
        manager->port_runs = r == 0;
        if (r == 0)
                r = open_log(manager, options, error);
        if (r == 0)
                r = add_sessions(manager, options, pairs, error);
        if (r == 0)
                r = load_filters(manager, options->filters, error);
        if (r == 0)
                r = mount_all(manager, error);
        if (r == 0)
                fm_mounts_write(runtime_dir, manager->sessions);
        if (r < 0)
                fm_manager_stop(manager);
        return r;
}

void fm_manager_unmount(struct fm_manager *manager)
{
        guint i;

        for (i = 0; i < manager->sessions->len; i++)
                fm_session_stop(manager->sessions->pdata[i]);
}

void fm_manager_stop(struct fm_manager *manager)
{
        guint i;

        fm_manager_unmount(manager);
        for (i = 0; i < manager->sessions->len; i++)
                fm_session_free(manager->sessions->pdata[i]);
        g_ptr_array_free(manager->sessions, true);
        if (manager->filters_loaded)
                fm_filter_unload_all();
        if (manager->port_runs) {
                fm_mounts_remove(manager->runtime_dir);
                fm_port_server_stop();
        }
        fm_request_monitor_stop();
        fm_log_init(STDERR_FILENO, FM_LOG_WARNING);
        if (manager->log_fd >= 0)
                close(manager->log_fd);
        close(manager->ended_fd);
}
