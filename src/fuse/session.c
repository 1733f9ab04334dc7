/* SPDX-License-Identifier: MIT */
/*
 * See session.h. Whatever is checked here is checked before anything becomes visible, so that a bad start leaves
 * nothing behind; what only the kernel can say (a lost race, a missing right) is said in its words.
 */
#include "fuse/session.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fltmgr/fsd.h"
#include "fuse/caching.h"
#include "fuse/handshake.h"
#include "fuse/mountinfo.h"
#include "fuse/operations.h"
#include "fuse/policy.h"
#include "fuse/workers.h"
#include "nt/log.h"
#include "nt/status.h"

enum {
        STOP_TIMEOUT_MS = 10 * 1000, /* for what is in progress to end when its waits are cancelled */
};

static void handle_init(void *data, struct fuse_conn_info *conn)
{
        fm_handshake_init(data, conn);
}

const struct fuse_lowlevel_ops fm_operations = {
        .init = handle_init,
        .lookup = fm_op_lookup,
        .forget = fm_op_forget,
        .forget_multi = fm_op_forget_multi,
        .getattr = fm_op_getattr,
        .setattr = fm_op_setattr,
        .readlink = fm_op_readlink,
        .mknod = fm_op_mknod,
        .mkdir = fm_op_mkdir,
        .unlink = fm_op_unlink,
        .rmdir = fm_op_rmdir,
        .symlink = fm_op_symlink,
        .rename = fm_op_rename,
        .link = fm_op_link,
        .open = fm_op_open,
        .create = fm_op_create,
        .read = fm_op_read,
        .write_buf = fm_op_write_buf,
        .flush = fm_op_flush,
        .release = fm_op_release,
        .fsync = fm_op_fsync,
        .opendir = fm_op_opendir,
        .readdir = fm_op_readdir,
        .readdirplus = fm_op_readdirplus,
        .releasedir = fm_op_releasedir,
        .fsyncdir = fm_op_fsync,
        .statfs = fm_op_statfs,
        .setxattr = fm_op_setxattr,
        .getxattr = fm_op_getxattr,
        .listxattr = fm_op_listxattr,
        .removexattr = fm_op_removexattr,
        .getlk = fm_op_getlk,
        .setlk = fm_op_setlk,
        .flock = fm_op_flock,
        .ioctl = fm_op_ioctl,
        .fallocate = fm_op_fallocate,
        .copy_file_range = fm_op_copy_file_range,
        .lseek = fm_op_lseek,
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
        .tmpfile = fm_op_tmpfile,
#endif
};

/* What libfuse said last on this thread about a failure; it has no other way to say it. */
static _Thread_local char fuse_said[256];

static G_GNUC_PRINTF(2, 0) void fuse_says(enum fuse_log_level level, const char *format, va_list args)
{
        vsnprintf(fuse_said, sizeof(fuse_said), format, args);
        g_strchomp(fuse_said);
        fm_log(level <= FUSE_LOG_ERR ? FM_LOG_WARNING : FM_LOG_DEBUG, "fuse", "%s", fuse_said);
}

static bool is_below(const char *path, const char *directory)
{
        size_t length = strlen(directory);

        if (strcmp(directory, "/") == 0)
                return path[1] != 0;
        return strncmp(path, directory, length) == 0 && path[length] == '/';
}

static int check_source(const char *source, char **ret_real, int *ret_fd, char **error)
{
        struct stat st;
        char *real;
        int fd;

        real = realpath(source, NULL);
        if (!real && errno == ENOTCONN) {
                *error = g_strdup_printf("source %s is a mount whose server has gone: end it with \"fltsim umount %s\"",
                                         source, source);
                return -ENOTCONN;
        }
        if (!real || stat(real, &st) < 0) {
                int r = -errno;

                *error = errno == ENOENT
                                 ? g_strdup_printf(
                                           "source %s does not exist: create it, or name the directory to be shown",
                                           source)
                                 : g_strdup_printf("source %s can't be reached: %s", source, g_strerror(errno));
                free(real);
                return r;
        }
        if (!S_ISDIR(st.st_mode)) {
                *error = g_strdup_printf("source %s is not a directory: name the directory to be shown", source);
                free(real);
                return -ENOTDIR;
        }
        fd = open(real, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0) {
                int r = -errno;

                *error = g_strdup_printf("source %s can't be read: %s. Run as a user who may, or as root", source,
                                         g_strerror(errno));
                free(real);
                return r;
        }
        *ret_real = real;
        *ret_fd = fd;
        return 0;
}

static int check_mount_point(const char *mount_point, char **ret_real, char **error)
{
        struct fm_mount_entry entry;
        struct stat st;
        char *real;
        bool mounted, stale;

        real = fm_mount_path_resolve(mount_point);
        if (!real) {
                int r = -errno;

                *error = g_strdup_printf("mount point %s can't be reached: %s. Create it: \"mkdir -p %s\"", mount_point,
                                         g_strerror(errno), mount_point);
                return r;
        }
        mounted = fm_mount_find(real, &entry);
        if (mounted && g_str_has_prefix(entry.type, "fuse")) {
                /* A dead one answers at once, with ENOTCONN. */
                stale = access(real, F_OK) < 0 && errno == ENOTCONN;
                *error =
                        stale ? g_strdup_printf("mount point %s is left over from a server that has gone (%s): "
                                                "end it with \"fltsim umount %s\"",
                                                mount_point, entry.type, mount_point)
                              : g_strdup_printf(
                                        "mount point %s is busy: %s is mounted there. End it with \"fltsim umount %s\", "
                                        "or choose another directory",
                                        mount_point, entry.source, mount_point);
                fm_mount_entry_deinit(&entry);
                free(real);
                return stale ? -ENOTCONN : -EBUSY;
        }
        if (mounted)
                fm_mount_entry_deinit(&entry);
        if (stat(real, &st) < 0) {
                int r = -errno;

                *error = errno == ENOENT
                                 ? g_strdup_printf("mount point %s does not exist: create it with \"mkdir -p %s\"",
                                                   mount_point, mount_point)
                                 : g_strdup_printf("mount point %s can't be reached: %s", mount_point,
                                                   g_strerror(errno));
                free(real);
                return r;
        }
        if (!S_ISDIR(st.st_mode)) {
                *error = g_strdup_printf("mount point %s is not a directory: name an empty directory", mount_point);
                free(real);
                return -ENOTDIR;
        }
        *ret_real = real;
        return 0;
}

static int check_fuse(const struct fm_session_options *options, char **error)
{
        g_autofree char *helper = NULL;
        int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

        if (fd < 0 && (errno == ENOENT || errno == ENODEV || errno == ENXIO)) {
                *error = g_strdup(
                        "there is no /dev/fuse: load the kernel's module with \"modprobe fuse\"; in a container, start "
                        "it with \"--device /dev/fuse --cap-add SYS_ADMIN\"");
                return -ENODEV;
        }
        if (fd < 0) {
                int r = -errno;

                *error = g_strdup_printf(
                        "/dev/fuse can't be opened: %s. It is meant for everybody (\"chmod 666 /dev/fuse\"); "
                        "or run as root",
                        g_strerror(errno));
                return r;
        }
        close(fd);
        if (geteuid() == 0)
                return 0;
        helper = g_find_program_in_path("fusermount3");
        if (!helper) {
                *error = g_strdup(
                        "fusermount3 is missing; users other than root need it to mount: install the package fuse3");
                return -ENOENT;
        }
        if (options->allow_other) {
                g_autofree char *text = NULL;
                g_auto(GStrv) lines = NULL;
                unsigned i;

                g_file_get_contents("/etc/fuse.conf", &text, NULL, NULL);
                lines = g_strsplit(text ? text : "", "\n", -1);
                for (i = 0; lines[i] && strcmp(g_strstrip(lines[i]), "user_allow_other") != 0; i++)
                        ;
                if (!lines[i]) {
                        *error = g_strdup("--allow-other is not allowed to ordinary users here: add the line "
                                          "\"user_allow_other\" to /etc/fuse.conf, or leave the option out");
                        return -EPERM;
                }
        }
        return 0;
}

/* As many descriptors as we may have; files that callers hold open are ours too. */
static void raise_limits(void)
{
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
                limit.rlim_cur = limit.rlim_max;
                setrlimit(RLIMIT_NOFILE, &limit);
        }
        /* The caller's own limit was checked by the kernel. */
        limit.rlim_cur = limit.rlim_max = RLIM_INFINITY;
        if (setrlimit(RLIMIT_FSIZE, &limit) < 0 && getrlimit(RLIMIT_FSIZE, &limit) == 0) {
                limit.rlim_cur = limit.rlim_max;
                setrlimit(RLIMIT_FSIZE, &limit);
        }
        signal(SIGXFSZ, SIG_IGN);
}

int fm_session_open(const char *source, const char *mount_point, const struct fm_session_options *options,
                    struct fm_session **ret, char **error)
{
        struct fm_session *session;
        struct fm_session_options own;
        char *real_source = NULL, *real_mount_point = NULL, *rest = NULL;
        int fd = -1, r;

        r = check_source(source, &real_source, &fd, error);
        if (r == 0)
                r = check_mount_point(mount_point, &real_mount_point, error);
        if (r == 0)
                r = check_fuse(options, error);
        if (r == 0 && is_below(real_mount_point, real_source)) {
                *error = g_strdup_printf(
                        "mount point %s is inside the source %s, which would contain itself: choose one outside",
                        mount_point, source);
                r = -EINVAL;
        }
        if (r == 0 && is_below(real_source, real_mount_point)) {
                *error = g_strdup_printf(
                        "source %s is inside the mount point %s, which would hide it: choose another mount point",
                        source, mount_point);
                r = -EINVAL;
        }
        if (r < 0) {
                free(real_source);
                free(real_mount_point);
                if (fd >= 0)
                        close(fd);
                return r;
        }

        own = *options;
        r = fm_policy_parse(options->mount_options, &own, &rest, error);
        if (r < 0) {
                free(real_source);
                free(real_mount_point);
                close(fd);
                return r;
        }
        raise_limits();
        session = g_new0(struct fm_session, 1);
        session->source = real_source;
        session->mount_point = real_mount_point;
        session->options = own;
        session->options.mount_options = NULL;
        session->mount_options = rest;
        session->source_fd = fd;
        pthread_mutex_init(&session->caching_lock, NULL);
        pthread_cond_init(&session->inval_done, NULL);
        pthread_mutex_init(&session->files_lock, NULL);
        r = fm_inode_table_new(session, fd, options->fd_limit, &session->inodes, &session->root);
        if (r < 0) {
                *error = g_strdup_printf("source %s can't be used: %s", source, g_strerror(-r));
                fm_session_free(session);
                return r;
        }
        *ret = session;
        return 0;
}

int fm_session_add_volume(struct fm_session *session, const struct fm_fsd_ops *fsd, char **error)
{
        struct fm_volume_options options = {
                .mount_point = session->mount_point,
                .source = session->source,
                .sector_size = session->options.sector_size,
                .read_only = session->options.read_only,
        };
        NTSTATUS status;

        session->volume = fm_volume_new(fsd, session, &options, fm_caching_update);
        if (!session->volume) {
                *error = g_strdup_printf("no volume could be made for %s", session->source);
                return -ENOMEM;
        }
        status = fm_volume_mount(session->volume);
        if (!NT_SUCCESS(status)) {
                *error = g_strdup_printf("a filter refuses to have %s mounted: %s (0x%08x)", session->source,
                                         fm_status_name(status) ? fm_status_name(status) : "status", (unsigned)status);
                return -fm_errno_from_status(status);
        }
        fm_caching_update(session->volume);
        return 0;
}

static pthread_mutex_t mount_lock = PTHREAD_MUTEX_INITIALIZER;

static void add_option(GString *options, const char *name, const char *value)
{
        const char *p;

        if (options->len > 0)
                g_string_append_c(options, ',');
        g_string_append(options, name);
        for (p = value ? value : ""; *p; p++) {
                if (*p == ',' || *p == '\\')
                        g_string_append_c(options, '\\');
                g_string_append_c(options, *p);
        }
}

int fm_session_mount(struct fm_session *session, char **error)
{
        struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
        g_autoptr(GString) options = g_string_new(NULL);
        struct fm_mount_entry entry;
        bool root = geteuid() == 0;
        int r;

        add_option(options, "default_permissions", NULL);
        add_option(options, "subtype=fltsim", NULL);
        add_option(options, "fsname=", session->source);
        if (session->options.allow_other)
                add_option(options, "allow_other", NULL);
        if (session->options.read_only)
                add_option(options, "ro", NULL);
        if (root) {
                add_option(options, "dev", NULL);
                add_option(options, "suid", NULL);
        }
        if (session->mount_options) {
                g_string_append_c(options, ',');
                g_string_append(options, session->mount_options);
        }
        fuse_opt_add_arg(&args, "fltsim");
        fuse_opt_add_arg(&args, "-o");
        fuse_opt_add_arg(&args, options->str);
        fuse_set_log_func(fuse_says);
        fuse_said[0] = 0;
        session->fuse = fuse_session_new(&args, &fm_operations, sizeof(fm_operations), session);
        fuse_opt_free_args(&args);
        if (!session->fuse) {
                *error = g_strdup_printf("the mount options \"%s\" are not accepted%s%s", options->str,
                                         *fuse_said ? ": " : "", fuse_said);
                return -EINVAL;
        }
        /* libfuse speaks to fusermount3 through the environment. */
        pthread_mutex_lock(&mount_lock);
        errno = 0;
        r = fuse_session_mount(session->fuse, session->mount_point) < 0 ? (errno ? -errno : -EPERM) : 0;
        pthread_mutex_unlock(&mount_lock);
        if (r < 0) {
                *error = g_strdup_printf(
                        "%s can't be mounted%s%s.%s", session->mount_point, *fuse_said ? ": " : "",
                        *fuse_said ? fuse_said : "",
                        root ? " In a container, start it with \"--cap-add SYS_ADMIN --device /dev/fuse\""
                             : " The mount point must be a directory of your own");
                fuse_session_destroy(session->fuse);
                session->fuse = NULL;
                return r;
        }
        atomic_store(&session->mounted, true);
        r = fm_handshake_attach(session);
        if (r < 0) {
                *error = g_strdup_printf("%s: the connection to the kernel can't be used: %s", session->mount_point,
                                         g_strerror(-r));
                fm_session_stop(session);
                return r;
        }
        if (fm_mount_find(session->mount_point, &entry)) {
                session->mount_dev = entry.dev;
                fm_mount_entry_deinit(&entry);
        }
        return 0;
}

int fm_session_start(struct fm_session *session, void (*ended)(struct fm_session *session, void *data), void *data)
{
        int r = fm_request_monitor_start();

        return r < 0 ? r : fm_workers_start(session, ended, data, &session->workers);
}

/* Whether what lies at the mount point is still ours: somebody may have unmounted it, and mounted something else. */
static bool mount_is_ours(const struct fm_session *session)
{
        struct fm_mount_entry entry;
        bool ours;

        if (!fm_mount_find(session->mount_point, &entry))
                return false;
        ours = entry.dev == session->mount_dev || session->mount_dev == 0;
        fm_mount_entry_deinit(&entry);
        return ours;
}

int fm_session_unmount(struct fm_session *session, enum fm_mount_end how, char **error)
{
        g_autofree char *text = NULL;
        int r = mount_is_ours(session) ? fm_mount_end(session->mount_point, how, &text) : -ENOENT;

        if (r == -EBUSY)
                *error = g_strdup_printf("%s is busy: a file on it is open, or it is a process's working directory (\"fuser "
                                         "-vm %s\" shows whose). With --lazy it goes when it is not used any more, "
                                         "with --force at once",
                                         session->mount_point, session->mount_point);
        else if (r < 0)
                *error = g_strdup_printf("%s can't be unmounted: %s", session->mount_point,
                                         r == -ENOENT ? "nothing of this filter manager is mounted there" :
                                         text         ? text :
                                                        g_strerror(-r));
        return r;
}

/* Takes the connection away from the kernel: all that waits for us on the other side fails. */
static void cut_connection(struct fm_session *session)
{
        int fd = fuse_session_fd(session->fuse);
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);

        /* Late answers go nowhere, instead of to whoever gets the number next. */
        if (null < 0 || dup3(null, fd, O_CLOEXEC) < 0)
                fm_log(FM_LOG_ERROR, "fuse", "%s: the connection can't be cut: %s", session->mount_point,
                       g_strerror(errno));
        if (null >= 0)
                close(null);
}

void fm_session_stop(struct fm_session *session)
{
        if (!session->fuse || atomic_exchange(&session->stopping, true))
                return;
        if (mount_is_ours(session)) {
                g_autofree char *error = NULL;
                int r = fm_mount_end(session->mount_point, FM_MOUNT_END_FORCE, &error);

                if (r < 0)
                        fm_log(FM_LOG_ERROR, "fuse", "%s can't be unmounted: %s", session->mount_point,
                               error ? error : g_strerror(-r));
        }
        fuse_session_exit(session->fuse);
        if (session->workers) {
                unsigned waited;
                bool gone = false;

                fm_workers_stop(session->workers);
                cut_connection(session);
                /* New requests can't come; what still waits for a filter or a lock is told to give up. */
                for (waited = 0; !gone && waited < STOP_TIMEOUT_MS; waited += 100) {
                        fm_request_end_all(session);
                        gone = fm_workers_wait(session->workers, 100);
                }
                if (!gone) {
                        fm_log(FM_LOG_ERROR, "fuse", "%s: %u operations do not end; they are left behind",
                               session->mount_point, fm_workers_count(session->workers));
                        session->abandoned = true;
                }
        }
        fm_caching_finish(session);
        atomic_store(&session->mounted, false);
}

/* What filters opened is closed by them, when their instances go. */
static struct fm_file *first_handle(struct fm_session *session)
{
        struct fm_file *file = session->files;

        while (file && file->internal)
                file = file->next;
        return file;
}

/* The kernel releases nothing on a connection that was cut. */
static void close_files(struct fm_session *session)
{
        struct fm_file *file;

        while ((file = first_handle(session))) {
                if (atomic_load(&file->file_object))
                        fm_slow_abandon(file);
                else
                        fm_file_free(file);
                if (first_handle(session) == file) {
                        fm_log(FM_LOG_ERROR, "fuse", "%s: an open file is still in use at the end",
                               session->mount_point);
                        break;
                }
        }
}

/*
 * libfuse frees what it knows of the mount only when it unmounts. That is over, and what lies at the mount point now is
 * not ours: so it gets a descriptor that looks like a dead connection, and leaves the mount point alone.
 */
static void forget_mount(struct fm_session *session)
{
        int ends[2];

        if (pipe2(ends, O_CLOEXEC) < 0)
                return;
        close(ends[0]);
        if (dup3(ends[1], fuse_session_fd(session->fuse), O_CLOEXEC) >= 0)
                fuse_session_unmount(session->fuse);
        close(ends[1]);
}

void fm_session_free(struct fm_session *session)
{
        if (!session)
                return;
        fm_session_stop(session);
        /* Threads that could not be ended still use all of it. */
        if (session->abandoned)
                return;
        fm_workers_free(session->workers);
        close_files(session);
        if (session->volume)
                fm_volume_remove(session->volume);
        if (session->files) {
                fm_log(FM_LOG_ERROR, "fuse", "%s: a filter does not close a file that it has opened; it is left behind",
                       session->mount_point);
                return;
        }
        fm_inode_table_free(session->inodes);
        if (session->fuse) {
                forget_mount(session);
                fuse_session_destroy(session->fuse);
        }
        close(session->source_fd);
        pthread_cond_destroy(&session->inval_done);
        pthread_mutex_destroy(&session->caching_lock);
        pthread_mutex_destroy(&session->files_lock);
        free(session->source);
        free(session->mount_point);
        g_free(session->mount_options);
        g_free(session);
}
