/* SPDX-License-Identifier: MIT */
/* Epoll sets: see poll.h. Events carry an id and no pointer: what it stood for may be gone by then. */
#include "win32/poll.h"

#include <glib.h>
#include <sys/eventfd.h>
#include <unistd.h>

bool fm_w32_poll_set_init(struct fm_w32_poll_set *set, pthread_mutex_t *lock)
{
        struct epoll_event event = { .events = EPOLLIN | EPOLLET };

        set->lock = lock;
        set->made_by = fm_w32_generation();
        set->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        set->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (set->epoll_fd < 0 || set->wake_fd < 0 ||
            epoll_ctl(set->epoll_fd, EPOLL_CTL_ADD, set->wake_fd, &event) < 0) {
                if (set->epoll_fd >= 0)
                        close(set->epoll_fd);
                if (set->wake_fd >= 0)
                        close(set->wake_fd);
                set->epoll_fd = set->wake_fd = -1;
                return false;
        }
        set->sources = g_hash_table_new(g_int64_hash, g_int64_equal);
        return true;
}

void fm_w32_poll_set_deinit(struct fm_w32_poll_set *set)
{
        if (set->epoll_fd < 0)
                return;
        g_clear_pointer(&set->sources, g_hash_table_unref);
        close(set->epoll_fd);
        close(set->wake_fd);
        set->epoll_fd = set->wake_fd = -1;
}

void fm_w32_poll_set_forget_locked(struct fm_w32_poll_set *set)
{
        GHashTableIter iter;
        gpointer source;

        if (set->epoll_fd < 0)
                return;
        g_hash_table_iter_init(&iter, set->sources);
        while (g_hash_table_iter_next(&iter, NULL, &source))
                ((struct fm_w32_poll_source *)source)->id = 0;
        fm_w32_poll_set_deinit(set);
}

bool fm_w32_poll_set_add_locked(struct fm_w32_poll_set *set, struct fm_w32_poll_source *source, int fd)
{
        struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP | EPOLLET };

        if (source->id || source->removed)
                return source->id != 0;
        event.data.u64 = source->id = ++set->last_id;
        g_hash_table_insert(set->sources, &source->id, source);
        if (epoll_ctl(set->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0)
                return true;
        g_hash_table_remove(set->sources, &source->id);
        source->id = 0;
        return false;
}

void fm_w32_poll_set_remove_locked(struct fm_w32_poll_set *set, struct fm_w32_poll_source *source, int fd)
{
        source->removed = true;
        if (!source->id)
                return;
        g_hash_table_remove(set->sources, &source->id);
        if (set->made_by == fm_w32_generation())
                epoll_ctl(set->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
        source->id = 0;
}

void fm_w32_poll_set_wake(struct fm_w32_poll_set *set)
{
        ssize_t ignored = write(set->wake_fd, &(uint64_t){ 1 }, sizeof(uint64_t));

        (void)ignored; /* full means that there are wake-ups enough */
}

bool fm_w32_poll_set_handle(struct fm_w32_poll_set *set, const struct epoll_event *events, int count)
{
        bool woken = false;

        for (int i = 0; i < count; i++) {
                struct fm_w32_poll_source *source;
                struct fm_w32_object *owner = NULL;
                void (*on_event)(struct fm_w32_object *, uint32_t) = NULL;

                if (!events[i].data.u64) {
                        woken = true;
                        continue;
                }
                pthread_mutex_lock(set->lock);
                source = g_hash_table_lookup(set->sources, &events[i].data.u64);
                if (source) {
                        owner = fm_w32_object_ref(source->owner);
                        on_event = source->on_event;
                }
                pthread_mutex_unlock(set->lock);
                if (owner)
                        on_event(owner, events[i].events);
                fm_w32_object_unref(owner);
        }
        return woken;
}
