/* SPDX-License-Identifier: MIT */
/* See fltsim_volumes.h. */
#include "tools/fltsim_volumes.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fuse/fsd.h"
#include "nt/log.h"
#include "port/server.h"
#include "tools/fltsim.h"
#include "wire/frame.h"

static void write_list_locked(struct fm_volumes *volumes)
{
        fm_mounts_write(volumes->runtime_dir, volumes->served);
}

/* removing: how many of those being removed there are at the end. */
static bool ends_locked(const struct fm_volumes *volumes, unsigned removing)
{
        return volumes->open && !volumes->lasting && !volumes->closing && !volumes->adding->len &&
               !volumes->served->len && volumes->removing->len == removing;
}

static void end_locked(struct fm_volumes *volumes)
{
        uint64_t one = 1;

        volumes->closing = true;
        pthread_cond_broadcast(&volumes->changed);
        if (write(volumes->ended_fd, &one, sizeof(one)) < 0)
                fm_log(FM_LOG_ERROR, "fuse", "the end of the last mount can't be told: %s", g_strerror(errno));
}

static void end_if_empty_locked(struct fm_volumes *volumes)
{
        if (ends_locked(volumes, 0))
                end_locked(volumes);
}

static void start_removal_locked(struct fm_volumes *volumes, GPtrArray *from, struct fm_session *session)
{
        g_ptr_array_remove(from, session);
        g_ptr_array_add(volumes->removing, session);
}

/* The manager ends with its last mount. Then the volume stays until filters know of the end: see fm_manager_stop(). */
static bool end_with_locked(struct fm_volumes *volumes, struct fm_session *session)
{
        if (!ends_locked(volumes, volumes->freeing + 1))
                return false;
        g_ptr_array_remove(volumes->removing, session);
        g_ptr_array_add(volumes->stopped, session);
        write_list_locked(volumes);
        end_locked(volumes);
        return true;
}

/* After start_removal_locked(). */
static void remove_session(struct fm_volumes *volumes, struct fm_session *session)
{
        bool ends;

        fm_session_stop(session);
        /* From here on it does not end any more. */
        pthread_mutex_lock(&volumes->lock);
        g_ptr_array_remove(volumes->gone, session);
        ends = end_with_locked(volumes, session);
        volumes->freeing += !ends;
        pthread_mutex_unlock(&volumes->lock);
        if (ends)
                return;
        fm_session_free(session);

        pthread_mutex_lock(&volumes->lock);
        volumes->freeing--;
        g_ptr_array_remove(volumes->removing, session);
        write_list_locked(volumes);
        end_if_empty_locked(volumes);
        pthread_cond_broadcast(&volumes->changed);
        pthread_mutex_unlock(&volumes->lock);
}

static struct fm_session *some_gone_locked(struct fm_volumes *volumes)
{
        for (unsigned i = 0; i < volumes->gone->len; i++)
                if (g_ptr_array_find(volumes->served, volumes->gone->pdata[i], NULL))
                        return volumes->gone->pdata[i];
        return NULL;
}

static void *reap(void *data)
{
        struct fm_volumes *volumes = data;

        pthread_mutex_lock(&volumes->lock);
        while (!volumes->closing) {
                struct fm_session *session = some_gone_locked(volumes);

                if (!session) {
                        pthread_cond_wait(&volumes->changed, &volumes->lock);
                        continue;
                }
                start_removal_locked(volumes, volumes->served, session);
                pthread_mutex_unlock(&volumes->lock);
                fm_log(FM_LOG_INFO, "fuse", "%s was unmounted", session->mount_point);
                remove_session(volumes, session);
                pthread_mutex_lock(&volumes->lock);
        }
        pthread_mutex_unlock(&volumes->lock);
        return NULL;
}

static void session_ended(struct fm_session *session, void *data)
{
        struct fm_volumes *volumes = data;

        pthread_mutex_lock(&volumes->lock);
        g_ptr_array_add(volumes->gone, session);
        pthread_cond_broadcast(&volumes->changed);
        pthread_mutex_unlock(&volumes->lock);
}

void fm_volumes_init(struct fm_volumes *volumes, const char *runtime_dir, bool lasting)
{
        memset(volumes, 0, sizeof(*volumes));
        pthread_mutex_init(&volumes->lock, NULL);
        pthread_cond_init(&volumes->changed, NULL);
        volumes->adding = g_ptr_array_new();
        volumes->served = g_ptr_array_new();
        volumes->removing = g_ptr_array_new();
        volumes->stopped = g_ptr_array_new();
        volumes->gone = g_ptr_array_new();
        volumes->lasting = lasting;
        volumes->runtime_dir = runtime_dir;
        volumes->ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        pthread_create(&volumes->reaper, NULL, reap, volumes);
}

/* Two who want the same mount point at once have both found it free; the first may be through by now. */
static bool is_taken_locked(struct fm_volumes *volumes, const char *mount_point)
{
        struct fm_mount_entry entry;
        bool taken = fm_mount_find(mount_point, &entry);

        if (taken) {
                taken = g_str_has_prefix(entry.type, "fuse");
                fm_mount_entry_deinit(&entry);
        }
        for (unsigned i = 0; i < volumes->adding->len && !taken; i++)
                taken = strcmp(((struct fm_session *)volumes->adding->pdata[i])->mount_point, mount_point) == 0;
        return taken;
}

static int reserve(struct fm_volumes *volumes, struct fm_session *session, char **error)
{
        int r = 0;

        pthread_mutex_lock(&volumes->lock);
        if (volumes->closing) {
                *error = g_strdup("the filter manager ends");
                r = -ESHUTDOWN;
        } else if (is_taken_locked(volumes, session->mount_point)) {
                *error = g_strdup_printf("mount point %s is busy: something else is being mounted there",
                                         session->mount_point);
                r = -EBUSY;
        } else if (volumes->adding->len + volumes->served->len + volumes->removing->len >= FM_VOLUMES_MAX) {
                *error = g_strdup_printf("a filter manager has at most %d mounts: unmount some, or start another with "
                                         "--runtime-dir",
                                         FM_VOLUMES_MAX);
                r = -ENOSPC;
        } else {
                g_ptr_array_add(volumes->adding, session);
        }
        pthread_mutex_unlock(&volumes->lock);
        return r;
}

static void take_back(struct fm_volumes *volumes, struct fm_session *session)
{
        pthread_mutex_lock(&volumes->lock);
        start_removal_locked(volumes, volumes->adding, session);
        pthread_mutex_unlock(&volumes->lock);
        remove_session(volumes, session);
}

int fm_volumes_prepare(struct fm_volumes *volumes, const char *source, const char *mount_point,
                       const struct fm_session_options *options, struct fm_session **ret, char **error)
{
        struct fm_session *session;
        int r = fm_session_open(source, mount_point, options, &session, error);

        if (r < 0)
                return r;
        r = reserve(volumes, session, error);
        if (r < 0) {
                fm_session_free(session);
                return r;
        }
        r = fm_session_add_volume(session, &fm_fuse_fsd, error);
        if (r < 0) {
                take_back(volumes, session);
                return r;
        }
        *ret = session;
        return 0;
}

int fm_volumes_serve(struct fm_volumes *volumes, struct fm_session *session, char **error)
{
        int r = fm_session_mount(session, error);

        if (r == 0) {
                fm_log(FM_LOG_INFO, "fuse", "%s is mounted at %s", session->source, session->mount_point);
                r = fm_session_start(session, session_ended, volumes);
                if (r < 0)
                        *error = g_strdup_printf("%s can't be served: %s", session->mount_point, g_strerror(-r));
        }
        if (r < 0) {
                take_back(volumes, session);
                return r;
        }
        pthread_mutex_lock(&volumes->lock);
        g_ptr_array_remove(volumes->adding, session);
        g_ptr_array_add(volumes->served, session);
        write_list_locked(volumes);
        pthread_cond_broadcast(&volumes->changed);
        pthread_mutex_unlock(&volumes->lock);
        return 0;
}

int fm_volumes_serve_all(struct fm_volumes *volumes, char **error)
{
        int r = 0;

        /* Nobody else adds any yet. */
        while (r == 0 && volumes->adding->len)
                r = fm_volumes_serve(volumes, volumes->adding->pdata[0], error);
        return r;
}

void fm_volumes_open(struct fm_volumes *volumes)
{
        pthread_mutex_lock(&volumes->lock);
        volumes->open = true;
        /* The last may have gone already. */
        end_if_empty_locked(volumes);
        pthread_cond_broadcast(&volumes->changed);
        pthread_mutex_unlock(&volumes->lock);
}

/* Waits until the start is over. */
static int enter(struct fm_volumes *volumes, char **error)
{
        bool closing;

        pthread_mutex_lock(&volumes->lock);
        while (!volumes->open && !volumes->closing)
                pthread_cond_wait(&volumes->changed, &volumes->lock);
        closing = volumes->closing;
        pthread_mutex_unlock(&volumes->lock);
        if (closing)
                *error = g_strdup("the filter manager ends");
        return closing ? -ESHUTDOWN : 0;
}

static int on_mount(void *data, const struct fm_port_volume *volume, char **error)
{
        struct fm_volumes *volumes = data;
        const struct fm_session_options options = {
                .attr_timeout = volume->attr_timeout_ms / 1000.0,
                .entry_timeout = volume->entry_timeout_ms / 1000.0,
                .allow_other = fm_tool_allows_other(volume->flags & FM_VOLUME_ALLOW_OTHER,
                                                    volume->flags & FM_VOLUME_NO_ALLOW_OTHER),
                .read_only = volume->flags & FM_VOLUME_READ_ONLY,
                .sector_size = volume->sector_size,
                .mount_options = *volume->options ? volume->options : NULL,
        };
        struct fm_session *session;
        int r = enter(volumes, error);

        if (r == 0 && !fm_tool_sector_size_is_valid(volume->sector_size)) {
                *error = g_strdup_printf("a sector size of %u is not possible", volume->sector_size);
                r = -EINVAL;
        }
        if (r == 0)
                r = fm_volumes_prepare(volumes, volume->source, volume->mount_point, &options, &session, error);
        if (r == 0)
                r = fm_volumes_serve(volumes, session, error);
        if (r < 0) {
                fm_log(FM_LOG_ERROR, "fuse", "mounting %s at %s was asked for and failed: %s", volume->source,
                       volume->mount_point, *error);
                pthread_mutex_lock(&volumes->lock);
                end_if_empty_locked(volumes);
                pthread_mutex_unlock(&volumes->lock);
        }
        return r;
}

/* The youngest: one that was unmounted lazily may linger under the same name. */
static struct fm_session *find_locked(struct fm_volumes *volumes, const char *mount_point)
{
        for (unsigned i = volumes->served->len; i-- > 0;) {
                struct fm_session *session = volumes->served->pdata[i];

                if (strcmp(session->mount_point, mount_point) == 0)
                        return session;
        }
        return NULL;
}

static int on_unmount(void *data, const struct fm_port_volume *volume, bool *ends, char **error)
{
        enum fm_mount_end how = volume->flags & FM_VOLUME_FORCE  ? FM_MOUNT_END_FORCE
                                : volume->flags & FM_VOLUME_LAZY ? FM_MOUNT_END_LAZY
                                                                 : FM_MOUNT_END_IDLE;
        struct fm_volumes *volumes = data;
        struct fm_session *session;
        guint place = 0;
        int r = enter(volumes, error);

        if (r < 0)
                return r;
        pthread_mutex_lock(&volumes->lock);
        session = find_locked(volumes, volume->mount_point);
        if (session) {
                g_ptr_array_find(volumes->served, session, &place);
                start_removal_locked(volumes, volumes->served, session);
        }
        pthread_mutex_unlock(&volumes->lock);
        if (!session) {
                *error = g_strdup_printf("%s is no mount of this filter manager", volume->mount_point);
                return -ENOENT;
        }

        r = fm_session_unmount(session, how, error);
        if (r == 0 && how != FM_MOUNT_END_LAZY) {
                fm_log(FM_LOG_INFO, "fuse", "%s is unmounted", session->mount_point);
                remove_session(volumes, session);
        }
        pthread_mutex_lock(&volumes->lock);
        if (r < 0 || how == FM_MOUNT_END_LAZY) {
                g_ptr_array_remove(volumes->removing, session);
                g_ptr_array_insert(volumes->served, (gint)MIN(place, volumes->served->len), session);
                pthread_cond_broadcast(&volumes->changed);
        }
        *ends = volumes->closing;
        pthread_mutex_unlock(&volumes->lock);
        return r;
}

void fm_volumes_listen(struct fm_volumes *volumes)
{
        static const struct fm_port_volume_ops ops = { .mount = on_mount, .unmount = on_unmount };

        fm_port_server_set_volume_ops(&ops, volumes);
}

static void stop_one_locked(struct fm_volumes *volumes, GPtrArray *from)
{
        struct fm_session *session = from->pdata[from->len - 1];

        g_ptr_array_set_size(from, (gint)from->len - 1);
        g_ptr_array_add(volumes->stopped, session);
        pthread_mutex_unlock(&volumes->lock);
        fm_session_stop(session);
        pthread_mutex_lock(&volumes->lock);
}

void fm_volumes_stop(struct fm_volumes *volumes)
{
        pthread_mutex_lock(&volumes->lock);
        volumes->closing = true;
        pthread_cond_broadcast(&volumes->changed);
        /* The youngest first: it may lie in another. What others work on comes back, or is gone. */
        for (;;) {
                if (volumes->served->len)
                        stop_one_locked(volumes, volumes->served);
                else if (volumes->adding->len && !volumes->open)
                        stop_one_locked(volumes, volumes->adding);
                else if (volumes->adding->len || volumes->removing->len)
                        pthread_cond_wait(&volumes->changed, &volumes->lock);
                else
                        break;
        }
        pthread_mutex_unlock(&volumes->lock);
}

void fm_volumes_clear(struct fm_volumes *volumes)
{
        fm_volumes_stop(volumes);
        pthread_join(volumes->reaper, NULL);
        for (unsigned i = 0; i < volumes->stopped->len; i++)
                fm_session_free(volumes->stopped->pdata[i]);
        g_ptr_array_set_size(volumes->stopped, 0);
}

void fm_volumes_deinit(struct fm_volumes *volumes)
{
        fm_port_server_set_volume_ops(NULL, NULL);
        g_ptr_array_unref(volumes->adding);
        g_ptr_array_unref(volumes->served);
        g_ptr_array_unref(volumes->removing);
        g_ptr_array_unref(volumes->stopped);
        g_ptr_array_unref(volumes->gone);
        close(volumes->ended_fd);
        pthread_cond_destroy(&volumes->changed);
        pthread_mutex_destroy(&volumes->lock);
}
