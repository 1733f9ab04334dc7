/* SPDX-License-Identifier: MIT */
/*
 * Channels: sockets for calls into the filter. A call has one to itself; idle ones are kept for the next.
 *
 * A forked child opens its own: on an inherited one it would read the parent's answers.
 */
#include "fltlib/client.h"
#include "fltlib/handle.h"
#include "win32/dos_error.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#define IDLE_MAX 16

/* A socket that asks to be one: WELCOME and JOINED come next. */
static int join(struct fm_port_handle *connection)
{
        struct fm_frame join = { .type = FM_FRAME_JOIN, .tag = 1 };
        int fd = fm_client_open(), r;

        if (fd < 0)
                return fd;
        memcpy(join.join.token, connection->token, FM_TOKEN_SIZE);
        r = fm_client_send(fd, &join, -1);
        if (r == 0 || r == -EPIPE) /* why it has closed can be read */
                return fd;
        close(fd);
        return r;
}

static int channel_open(struct fm_port_handle *connection)
{
        struct fm_client_frame answer;
        uint8_t buffer[256];
        int fd = join(connection), r;

        if (fd < 0)
                return fd;
        r = fm_client_welcome(fd);
        if (r == 0)
                r = fm_client_receive(fd, buffer, sizeof(buffer), 0, &answer);
        if (r == 0) {
                fm_client_frame_clear(&answer);
                if (answer.frame.type != FM_FRAME_JOINED)
                        r = -EPROTO;
                else if (!NT_SUCCESS(answer.frame.joined.status))
                        r = -EPIPE;
        }
        if (r < 0) {
                close(fd);
                return r;
        }
        return fd;
}

int fm_port_handle_get_channel(struct fm_port_handle *connection)
{
        int fd = -1;

        pthread_mutex_lock(&connection->lock);
        if (connection->disconnected) {
                pthread_mutex_unlock(&connection->lock);
                return -EPIPE;
        }
        if (connection->channels_of != fm_w32_generation()) {
                for (guint i = 0; i < connection->channels->len; i++)
                        close(g_array_index(connection->channels, int, i));
                g_array_set_size(connection->channels, 0);
                connection->channels_of = fm_w32_generation();
        }
        if (connection->channels->len > 0) {
                fd = g_array_index(connection->channels, int, connection->channels->len - 1);
                g_array_set_size(connection->channels, connection->channels->len - 1);
        }
        pthread_mutex_unlock(&connection->lock);
        return fd >= 0 ? fd : channel_open(connection);
}

void fm_port_handle_put_channel(struct fm_port_handle *connection, int channel, bool keep)
{
        pthread_mutex_lock(&connection->lock);
        keep = keep && !connection->disconnected && connection->channels->len < IDLE_MAX &&
               connection->channels_of == fm_w32_generation();
        if (keep)
                g_array_append_val(connection->channels, channel);
        pthread_mutex_unlock(&connection->lock);
        if (!keep)
                close(channel);
}

/* false: nothing comes. */
static bool wait_for_frame(int fd)
{
        struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
        int r;

        do
                r = poll(&poll_fd, 1, FM_CLIENT_PATIENCE_MS);
        while (r < 0 && errno == EINTR);
        return r != 0;
}

static bool manager_greets(void)
{
        int fd = fm_client_open();
        bool greets = fd >= 0 && wait_for_frame(fd);

        if (fd >= 0)
                close(fd);
        return greets;
}

void fm_port_handle_await_end(struct fm_port_handle *connection)
{
        int fd = join(connection);

        if (fd < 0)
                return;
        if (wait_for_frame(fd) && fm_client_welcome(fd) == 0)
                while (!wait_for_frame(fd) && manager_greets())
                        ;
        close(fd);
}
