/* SPDX-License-Identifier: MIT */
/*
 * The listening socket and the thread that reads from all clients. It never blocks and runs no filter code:
 * one frame of each ready session in turn, so that a busy client holds up nobody.
 */
#include "port/server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "nt/log.h"
#include "port/packet.h"
#include "port/session.h"
#include "wire/runtime.h"

#define EVENTS_MAX 64
#define FLUSH_DELAY_MS 20

static struct {
        bool running;
        int directory, lock, listener, epoll;
        int wake; /* eventfd: something below was set */
        _Atomic bool stopping;
        _Atomic bool flush_later;
        int spare; /* given up for a moment to refuse a client when descriptors run out */
        pthread_t thread;
        GHashTable *sessions; /* I/O thread; each a reference */
        GPtrArray *ended;     /* I/O thread; unreferenced when the events at hand are done */

        pthread_mutex_t waiting_lock;
        GHashTable *waiting; /* waiting_lock; connections, each a reference: their sockets are full */

        pthread_mutex_t users_lock;
        GHashTable *users;      /* users_lock; uid -> struct fm_port_user */
        unsigned session_count; /* users_lock */

        pthread_mutex_t client_lock;
        pthread_cond_t client_changed;
        bool client_seen; /* client_lock */
        int client_event;
} server = {
        .directory = -1, .lock = -1, .listener = -1, .epoll = -1, .wake = -1, .spare = -1,
        .waiting_lock = PTHREAD_MUTEX_INITIALIZER,
        .users_lock = PTHREAD_MUTEX_INITIALIZER,
        .client_lock = PTHREAD_MUTEX_INITIALIZER,
        .client_event = -1,
};

struct fm_port_user *fm_server_user_get(uid_t uid)
{
        struct fm_port_user *user;

        pthread_mutex_lock(&server.users_lock);
        user = g_hash_table_lookup(server.users, GUINT_TO_POINTER(uid));
        if (!user) {
                user = g_new0(struct fm_port_user, 1);
                user->uid = uid;
                g_hash_table_insert(server.users, GUINT_TO_POINTER(uid), user);
        }
        if (user->sessions < FM_SESSIONS_PER_USER_MAX && server.session_count < FM_SESSIONS_MAX) {
                user->sessions++;
                server.session_count++;
        } else {
                user = NULL;
        }
        pthread_mutex_unlock(&server.users_lock);
        return user;
}

void fm_server_user_put(struct fm_port_user *user)
{
        pthread_mutex_lock(&server.users_lock);
        server.session_count--;
        if (--user->sessions == 0)
                g_hash_table_remove(server.users, GUINT_TO_POINTER(user->uid));
        pthread_mutex_unlock(&server.users_lock);
}

void fm_server_client_connected(void)
{
        uint64_t one = 1;

        pthread_mutex_lock(&server.client_lock);
        if (!server.client_seen) {
                server.client_seen = true;
                pthread_cond_broadcast(&server.client_changed);
                (void)!write(server.client_event, &one, sizeof(one));
        }
        pthread_mutex_unlock(&server.client_lock);
}

bool fm_port_server_wait_client(int timeout_ms)
{
        struct timespec until;
        bool seen;
        int r = 0;

        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += timeout_ms / 1000;
        until.tv_nsec += timeout_ms % 1000 * 1000000L;
        if (until.tv_nsec >= 1000000000L) {
                until.tv_sec++;
                until.tv_nsec -= 1000000000L;
        }
        pthread_mutex_lock(&server.client_lock);
        while (!server.client_seen && r == 0)
                r = timeout_ms < 0
                            ? pthread_cond_wait(&server.client_changed, &server.client_lock)
                            : pthread_cond_timedwait(&server.client_changed, &server.client_lock, &until);
        seen = server.client_seen;
        pthread_mutex_unlock(&server.client_lock);
        return seen;
}

int fm_port_server_client_fd(void)
{
        return server.client_event;
}

void fm_server_want_input(struct fm_session *session, bool wanted)
{
        struct epoll_event event = { .events = EPOLLRDHUP | (wanted ? EPOLLIN : 0), .data.ptr = session };

        epoll_ctl(server.epoll, EPOLL_CTL_MOD, session->fd, &event);
}

static void end_session(struct fm_session *session)
{
        if (!g_hash_table_remove(server.sessions, session))
                return;
        epoll_ctl(server.epoll, EPOLL_CTL_DEL, session->fd, NULL);
        fm_session_end(session);
        g_ptr_array_add(server.ended, session);
}

static void accept_one(void)
{
        static const struct fm_frame goodbye = {
                .type = FM_FRAME_GOODBYE, .goodbye.status = STATUS_INSUFFICIENT_RESOURCES,
        };
        struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP };
        struct fm_session *session;
        int fd;

        fd = accept4(server.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE) && server.spare >= 0) {
                /* Else the listener stays ready for ever. */
                close(server.spare);
                fd = accept4(server.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
                if (fd >= 0) {
                        fm_packet_send(fd, &goodbye, NULL, 0);
                        close(fd);
                }
                server.spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
                fm_log(FM_LOG_WARNING, "port", "out of file descriptors: a client was turned away");
                return;
        }
        if (fd < 0)
                return;
        session = fm_session_new(fd);
        if (!session)
                return;
        event.data.ptr = session;
        if (epoll_ctl(server.epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
                fm_session_unref(session);
                return;
        }
        g_hash_table_add(server.sessions, session);
}

static void handle_session(struct fm_session *session, uint32_t events)
{
        bool alive = true;

        if (!g_hash_table_contains(server.sessions, session))
                return;
        if (events & EPOLLIN)
                alive = fm_session_receive(session);
        /* What it said before it left is of no use to anybody any more. */
        if (!alive || (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)))
                end_session(session);
}

static void wake(void)
{
        uint64_t one = 1;

        (void)!write(server.wake, &one, sizeof(one));
}

void fm_server_flush_later(void)
{
        if (!atomic_exchange(&server.flush_later, true))
                wake();
}

/* The connection's descriptor is not the session's, so both may be watched. */
bool fm_server_want_room(struct fm_connection *connection)
{
        struct epoll_event event = { .events = EPOLLOUT | EPOLLONESHOT, .data.ptr = connection };
        bool watched = true;

        pthread_mutex_lock(&server.waiting_lock);
        if (!g_hash_table_contains(server.waiting, connection)) {
                watched = epoll_ctl(server.epoll, EPOLL_CTL_ADD, connection->fd, &event) == 0;
                if (watched)
                        g_hash_table_add(server.waiting, fm_connection_ref(connection));
        }
        pthread_mutex_unlock(&server.waiting_lock);
        return watched;
}

/* false: it is none that waits. */
static bool handle_waiting(struct fm_connection *connection)
{
        bool waited;

        pthread_mutex_lock(&server.waiting_lock);
        waited = g_hash_table_steal(server.waiting, connection);
        if (waited)
                epoll_ctl(server.epoll, EPOLL_CTL_DEL, connection->fd, NULL);
        pthread_mutex_unlock(&server.waiting_lock);
        if (!waited)
                return false;
        fm_connection_plain_resume(connection);
        fm_connection_unref(connection);
        return true;
}

static int64_t now_ms(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

static void *serve(void *unused)
{
        struct epoll_event events[EVENTS_MAX];
        int64_t flush_at = -1; /* when to send what waits; -1: nothing waits */

        while (!atomic_load(&server.stopping)) {
                int64_t left = flush_at < 0 ? -1 : MAX(flush_at - now_ms(), 0);
                int n = epoll_wait(server.epoll, events, EVENTS_MAX, left);

                for (int i = 0; i < n; i++) {
                        uint64_t count;

                        if (events[i].data.ptr == &server.listener)
                                accept_one();
                        else if (events[i].data.ptr == &server.wake)
                                (void)!read(server.wake, &count, sizeof(count));
                        else if (!handle_waiting(events[i].data.ptr))
                                handle_session(events[i].data.ptr, events[i].events);
                }
                g_ptr_array_set_size(server.ended, 0);

                if (flush_at < 0 && atomic_load(&server.flush_later)) {
                        flush_at = now_ms() + FLUSH_DELAY_MS;
                } else if (flush_at >= 0 && now_ms() >= flush_at) {
                        atomic_store(&server.flush_later, false);
                        flush_at = -1;
                        if (!fm_connection_flush_all())
                                fm_server_flush_later();
                }
        }
        return NULL;
}

static NTSTATUS op_send(void *connection, struct fm_port_message *message)
{
        return fm_connection_send(connection, message);
}

static void op_kick(void *connection)
{
        fm_connection_kill(connection);
}

static bool op_has_left(void *connection)
{
        return fm_connection_has_left(connection);
}

static void op_release(void *connection)
{
        fm_connection_unref(connection);
}

static const struct fm_port_ops ops = {
        .send = op_send,
        .kick = op_kick,
        .has_left = op_has_left,
        .release = op_release,
        .has_client = fm_connection_exists,
        .give = fm_connection_give,
        .revoke = fm_connection_revoke,
};

static int fail(char **error, int r, const char *format, ...) G_GNUC_PRINTF(3, 4);

static int fail(char **error, int r, const char *format, ...)
{
        g_autofree char *text = NULL;
        va_list args;

        va_start(args, format);
        text = g_strdup_vprintf(format, args);
        va_end(args);
        *error = strdup(text);
        return r;
}

static int directory_open(const char *directory, char **error)
{
        pid_t owner = 0;

        server.directory = fm_runtime_open(directory, geteuid() == 0 ? 0755 : 0700);
        if (server.directory == -EPERM || server.directory == -ENOTDIR)
                return fail(error, server.directory,
                            "%s is not a directory of this user that nobody else can write to: "
                            "remove it, or set FLTSIM_RUNTIME_DIR", directory);
        if (server.directory < 0)
                return fail(error, server.directory, "can't use the runtime directory %s: %s", directory,
                            strerror(-server.directory));
        server.lock = fm_runtime_lock(server.directory, &owner);
        if (server.lock == -EBUSY)
                return fail(error, -EBUSY,
                            "a filter manager runs in %s already (process %d): set FLTSIM_RUNTIME_DIR to "
                            "have another one",
                            directory, owner);
        if (server.lock < 0)
                return fail(error, server.lock, "can't lock %s/" FM_RUNTIME_LOCK ": %s", directory,
                            strerror(-server.lock));
        return 0;
}

/*
 * The socket comes into being with the narrowest rights: fchmod() before bind() says with which. Root's is
 * opened for all afterwards: there each port's security descriptor decides. Bound through the directory's
 * descriptor: nobody can put another one in its place, and the path may be as long as it likes.
 */
static int listener_open(const char *directory, char **error)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/" FM_RUNTIME_SOCKET,
                 server.directory);
        server.listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (server.listener < 0 ||
            (unlinkat(server.directory, FM_RUNTIME_SOCKET, 0) < 0 && errno != ENOENT) ||
            fchmod(server.listener, 0600) < 0 ||
            bind(server.listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
            (geteuid() == 0 && fchmodat(server.directory, FM_RUNTIME_SOCKET, 0666, 0) < 0) ||
            listen(server.listener, SOMAXCONN) < 0)
                return fail(error, -errno, "can't listen on %s/" FM_RUNTIME_SOCKET ": %s", directory,
                            strerror(errno));
        return 0;
}

static void close_fd(int *fd)
{
        if (*fd >= 0)
                close(*fd);
        *fd = -1;
}

static void close_all(void)
{
        if (server.listener >= 0)
                unlinkat(server.directory, FM_RUNTIME_SOCKET, 0);
        close_fd(&server.listener);
        close_fd(&server.epoll);
        close_fd(&server.wake);
        close_fd(&server.spare);
        close_fd(&server.client_event);
        close_fd(&server.lock);
        close_fd(&server.directory);
}

static int poll_open(char **error)
{
        struct epoll_event event = { .events = EPOLLIN };

        server.epoll = epoll_create1(EPOLL_CLOEXEC);
        server.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        server.client_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        server.spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (server.epoll < 0 || server.wake < 0 || server.client_event < 0 || server.spare < 0)
                return fail(error, -errno, "can't start the port server: %s", strerror(errno));
        event.data.ptr = &server.listener;
        if (epoll_ctl(server.epoll, EPOLL_CTL_ADD, server.listener, &event) < 0)
                return fail(error, -errno, "can't start the port server: %s", strerror(errno));
        event.data.ptr = &server.wake;
        if (epoll_ctl(server.epoll, EPOLL_CTL_ADD, server.wake, &event) < 0)
                return fail(error, -errno, "can't start the port server: %s", strerror(errno));
        return 0;
}

static void state_free(void)
{
        g_hash_table_unref(server.sessions);
        g_ptr_array_unref(server.ended);
        g_hash_table_unref(server.waiting);
        g_hash_table_unref(server.users);
        pthread_cond_destroy(&server.client_changed);
}

int fm_port_server_start(const char *runtime_dir, char **error)
{
        char *directory = runtime_dir ? strdup(runtime_dir) : fm_runtime_dir();
        pthread_condattr_t attributes;
        int r;

        *error = NULL;
        server.directory = server.lock = server.listener = -1;
        r = directory ? directory_open(directory, error) : -ENOMEM;
        if (r == 0)
                r = listener_open(directory, error);
        if (r == 0)
                r = poll_open(error);
        free(directory);
        if (r < 0) {
                close_all();
                return r;
        }

        server.sessions = g_hash_table_new(NULL, NULL);
        server.ended = g_ptr_array_new_with_free_func((GDestroyNotify)fm_session_unref);
        server.waiting = g_hash_table_new_full(NULL, NULL, (GDestroyNotify)fm_connection_unref, NULL);
        server.users = g_hash_table_new_full(NULL, NULL, NULL, g_free);
        server.client_seen = false;
        atomic_store(&server.stopping, false);
        atomic_store(&server.flush_later, false);
        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&server.client_changed, &attributes);
        pthread_condattr_destroy(&attributes);
        fm_session_pools_start();
        fm_port_set_ops(&ops);
        r = -pthread_create(&server.thread, NULL, serve, NULL);
        if (r < 0) {
                fm_port_set_ops(NULL);
                fm_session_pools_stop();
                state_free();
                close_all();
                return fail(error, r, "can't start the port server: %s", strerror(-r));
        }
        server.running = true;
        return 0;
}

void fm_port_server_stop(void)
{
        g_autoptr(GList) left = NULL;

        if (!server.running)
                return;
        server.running = false;
        atomic_store(&server.stopping, true);
        wake();
        pthread_join(server.thread, NULL);
        left = g_hash_table_get_keys(server.sessions);
        for (GList *l = left; l; l = l->next)
                end_session(l->data);
        fm_session_pools_stop();
        g_ptr_array_set_size(server.ended, 0);
        fm_port_set_ops(NULL);
        state_free();
        close_all();
}
