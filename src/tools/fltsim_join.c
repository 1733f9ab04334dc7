/* SPDX-License-Identifier: MIT */
/*
 * fltsim mount and umount with a filter manager that runs already, in the runtime directory that is in the environment.
 *
 * It does the work, with its rights and in its mount namespace; whether we may ask for it, it decides by who we are. What
 * concerns the manager and not the mount can't be had this way, and is refused instead of forgotten.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fltKernel.h>

#include "fltlib/client.h"
#include "nt/status.h"
#include "tools/fltsim.h"
#include "wire/runtime.h"

/* Longer than what a filter does at the end of a volume may take before it is reported as hanging. */
#define PATIENCE_MS 30000

struct peer {
        int fd;
        int process; /* a pidfd, or -1 */
        pid_t pid;
};

static void peer_close(struct peer *peer)
{
        if (peer->process >= 0)
                close(peer->process);
        close(peer->fd);
}

static int peer_open(struct peer *peer)
{
        struct ucred credentials;
        socklen_t size = sizeof(credentials);
        int r;

        peer->fd = fm_client_open();
        if (peer->fd < 0)
                return peer->fd == -EPIPE ? -ESHUTDOWN : -ENOENT;
        peer->pid = getsockopt(peer->fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0 ? credentials.pid : 0;
        peer->process = peer->pid > 0 ? (int)syscall(SYS_pidfd_open, peer->pid, 0) : -1;
        r = fm_client_welcome(peer->fd);
        if (r < 0)
                peer_close(peer);
        return r == 0 ? 0 : -ESHUTDOWN;
}

static bool wait_for(int fd, int milliseconds)
{
        struct pollfd wait = { .fd = fd, .events = POLLIN };
        int r;

        do
                r = poll(&wait, 1, milliseconds);
        while (r < 0 && errno == EINTR);
        return r > 0;
}

static int error_of_status(NTSTATUS status)
{
        switch (status) {
        case STATUS_SHUTDOWN_IN_PROGRESS:
                return -ESHUTDOWN;
        case STATUS_FLT_VOLUME_NOT_FOUND:
                return -ENOENT;
        case STATUS_PRIVILEGE_NOT_HELD:
                return -EPERM;
        default:
                return -fm_errno_from_status(status);
        }
}

/* milliseconds: how long the answer may take; -1: for ever. *has_entry: the answer has one; text: what it says. */
static int ask(struct peer *peer, const struct fm_frame *frame, int milliseconds, bool *has_entry, char **text)
{
        g_autofree uint8_t *buffer = g_malloc(FM_FRAME_MAX);
        struct fm_client_frame answer;
        struct fm_bytes entry;
        size_t position = 0;
        int r = fm_client_send(peer->fd, frame, -1);

        if (r == 0 && !wait_for(peer->fd, milliseconds))
                return -ETIMEDOUT;
        if (r == 0)
                r = fm_client_receive(peer->fd, buffer, FM_FRAME_MAX, 0, &answer);
        if (r == -EPIPE)
                return -ESHUTDOWN;
        if (r < 0)
                return r;
        fm_client_frame_clear(&answer);
        if (answer.frame.type != FM_FRAME_MANAGED)
                return -EPROTO;
        *has_entry = fm_entry_next(answer.frame.managed.entries, &position, &entry) > 0;
        if (*has_entry)
                *text = g_strndup((const char *)entry.data, entry.length);
        return NT_SUCCESS(answer.frame.managed.status) ? 0 : error_of_status(answer.frame.managed.status);
}

static struct fm_bytes bytes_of(const char *text)
{
        return (struct fm_bytes){ .data = (const uint8_t *)text, .length = (uint32_t)strlen(text) };
}

/* The manager has another working directory. */
static char *absolute(const char *path)
{
        g_autofree char *directory = g_get_current_dir();

        return *path == '/' ? g_strdup(path) : g_build_filename(directory, path, NULL);
}

/* What is the manager's, not the mount's; NULL: none of it was asked for. */
static char *options_in_the_way(const struct fm_tool_options *options)
{
        g_autoptr(GPtrArray) names = g_ptr_array_new();

        if (options->filters)
                g_ptr_array_add(names, (char *)"--filter");
        if (options->log)
                g_ptr_array_add(names, (char *)"--log");
        if (options->log_level)
                g_ptr_array_add(names, (char *)"--log-level");
        if (options->verbose)
                g_ptr_array_add(names, (char *)"--verbose");
        if (options->verifier)
                g_ptr_array_add(names, (char *)"--verifier");
        if (options->administrators)
                g_ptr_array_add(names, (char *)"--administrators");
        if (options->foreground)
                g_ptr_array_add(names, (char *)"--foreground");
        if (!names->len)
                return NULL;
        g_ptr_array_add(names, NULL);
        return g_strjoinv(", ", (char **)names->pdata);
}

static void explain(int r, const struct peer *peer, char **text)
{
        g_autofree char *directory = fm_runtime_dir();

        if (r == 0 || *text)
                return;
        if (r == -EPERM)
                *text = g_strdup_printf("the filter manager in %s (process %d) belongs to somebody else: only its user and "
                                        "root may mount and unmount with it",
                                        directory, peer->pid);
        else
                *text = g_strdup_printf("the filter manager in %s (process %d) does not do it: %s", directory, peer->pid,
                                        g_strerror(-r));
}

static int mount_one(struct peer *peer, const struct fm_tool_options *options, const char *source,
                     const char *mount_point, char **error)
{
        g_autofree char *full_source = absolute(source), *full_mount_point = absolute(mount_point);
        const struct fm_frame frame = {
                .type = FM_FRAME_VOLUME,
                .tag = 1,
                .volume = {
                        .op = FM_VOLUME_MOUNT,
                        .flags = (options->allow_other ? FM_VOLUME_ALLOW_OTHER : 0) |
                                 (options->no_allow_other ? FM_VOLUME_NO_ALLOW_OTHER : 0) |
                                 (options->read_only ? FM_VOLUME_READ_ONLY : 0),
                        .sector_size = (uint32_t)options->sector_size,
                        .attr_timeout_ms = (uint32_t)MIN(options->attr_timeout * 1000, (double)UINT32_MAX),
                        .entry_timeout_ms = (uint32_t)MIN(options->entry_timeout * 1000, (double)UINT32_MAX),
                        .source = bytes_of(full_source),
                        .mount_point = bytes_of(full_mount_point),
                        .options = bytes_of(options->mount_options ? options->mount_options : ""),
                },
        };
        bool has_entry;
        int r = ask(peer, &frame, -1, &has_entry, error);

        if (r == -EMSGSIZE)
                *error = g_strdup("a path or the list of mount options is too long");
        return r;
}

static int unmount_one(struct peer *peer, const char *mount_point, enum fm_mount_end how, bool *ends, char **error)
{
        const struct fm_frame frame = {
                .type = FM_FRAME_VOLUME,
                .tag = 1,
                .volume = {
                        .op = FM_VOLUME_UNMOUNT,
                        .flags = how == FM_MOUNT_END_FORCE  ? FM_VOLUME_FORCE
                                 : how == FM_MOUNT_END_LAZY ? FM_VOLUME_LAZY
                                                            : 0,
                        .mount_point = bytes_of(mount_point),
                },
        };

        return ask(peer, &frame, PATIENCE_MS, ends, error);
}

int fm_join_mount(const struct fm_tool_options *options, char **pairs, char **error)
{
        g_autofree char *conflict = options_in_the_way(options);
        g_autofree char *directory = fm_runtime_dir();
        struct peer peer;
        unsigned done = 0;
        int r = peer_open(&peer);

        if (r < 0)
                return r;
        if (conflict) {
                *error = g_strdup_printf("a filter manager runs in %s already (process %d) and would do the mount: %s "
                                         "can't be given to it any more. Leave that out (\"fltmc load\" loads filters), or start another "
                                         "filter manager with --runtime-dir",
                                         directory, peer.pid, conflict);
                peer_close(&peer);
                return -EINVAL;
        }
        for (; r == 0 && pairs[2 * done]; done += r == 0)
                r = mount_one(&peer, options, pairs[2 * done], pairs[2 * done + 1], error);
        while (r < 0 && r != -ESHUTDOWN && done > 0) {
                g_autofree char *path = fm_mount_path_resolve(pairs[2 * --done + 1]);
                g_autofree char *text = NULL;
                bool ends;

                if (path)
                        unmount_one(&peer, path, FM_MOUNT_END_FORCE, &ends, &text);
        }
        if (r != -ESHUTDOWN)
                explain(r, &peer, error);
        /* What it says of a file that is missing must not look like nobody's answer. */
        if (r == -ENOENT)
                r = -EIO;
        peer_close(&peer);
        return r;
}

int fm_join_unmount(const char *mount_point, enum fm_mount_end how, char **error)
{
        struct peer peer;
        bool ends = false;
        int r = peer_open(&peer);

        if (r < 0)
                return -ENOENT;
        r = unmount_one(&peer, mount_point, how, &ends, error);
        /* It ends, perhaps for this very unmount, and had no time to say so: then nothing is mounted there any more. */
        if (((r == 0 && ends) || r == -ESHUTDOWN) && peer.process >= 0 && !wait_for(peer.process, PATIENCE_MS))
                r = -ETIMEDOUT;
        if (r == -ESHUTDOWN)
                r = fm_mount_find(mount_point, NULL) ? -ENOENT : 0;
        if (r == -EPERM)
                r = -ENOENT;
        if (r != -ENOENT && r != -ETIMEDOUT)
                explain(r, &peer, error);
        peer_close(&peer);
        return r;
}
