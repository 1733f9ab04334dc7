/* SPDX-License-Identifier: MIT */
#include "fixture.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "nt/process.h"
#include "nt/verifier.h"
#include "port/packet.h"
#include "port/server.h"
#include "wire/runtime.h"

struct fixture fixture;

static NTSTATUS connect_notify(PFLT_PORT ClientPort, PVOID ServerPortCookie, PVOID ConnectionContext,
                               ULONG SizeOfContext, PVOID *ConnectionCookie)
{
        PFLT_PORT *place = fixture.clients;
        NTSTATUS status;

        pthread_mutex_lock(&fixture.lock);
        g_assert_true(ServerPortCookie == &fixture);
        fixture.connects++;
        fixture.context_size = SizeOfContext;
        g_assert_true(SizeOfContext != 0 || ConnectionContext == NULL);
        memcpy(fixture.context, ConnectionContext ? ConnectionContext : "",
               MIN(SizeOfContext, sizeof(fixture.context)));
        fixture.connect_process = (ULONG_PTR)PsGetCurrentProcessId();
        status = fixture.connect_status;
        while (*place || fixture.taken[place - fixture.clients])
                g_assert_true(++place < fixture.clients + G_N_ELEMENTS(fixture.clients));
        if (NT_SUCCESS(status)) {
                fixture.taken[place - fixture.clients] = true;
                *place = ClientPort;
        }
        *ConnectionCookie = place;
        pthread_cond_broadcast(&fixture.changed);
        while (fixture.connect_blocks && !fixture.release)
                pthread_cond_wait(&fixture.changed, &fixture.lock);
        pthread_mutex_unlock(&fixture.lock);
        return status;
}

static VOID disconnect_notify(PVOID ConnectionCookie)
{
        bool close_port;

        pthread_mutex_lock(&fixture.lock);
        fixture.disconnected_inside += fixture.inside[(PFLT_PORT *)ConnectionCookie - fixture.clients];
        close_port = fixture.close_on_disconnect;
        pthread_mutex_unlock(&fixture.lock);
        if (close_port)
                FltCloseClientPort(fixture.filter, ConnectionCookie);
        pthread_mutex_lock(&fixture.lock);
        fixture.taken[(PFLT_PORT *)ConnectionCookie - fixture.clients] = false;
        fixture.disconnects++;
        pthread_cond_broadcast(&fixture.changed);
        pthread_mutex_unlock(&fixture.lock);
}

/* Echoes the input reversed. The first byte may ask for a status: 'E' an error, 'S' too small, 'W' a warning.
 */
static NTSTATUS message_notify(PVOID PortCookie, PVOID InputBuffer, ULONG InputBufferLength,
                               PVOID OutputBuffer, ULONG OutputBufferLength, PULONG ReturnOutputBufferLength)
{
        ULONG length = MIN(InputBufferLength, OutputBufferLength);
        const char *input = InputBuffer;
        int give_fd;

        pthread_mutex_lock(&fixture.lock);
        fixture.calls++;
        fixture.calls_inside++;
        fixture.inside[(PFLT_PORT *)PortCookie - fixture.clients]++;
        give_fd = fixture.give_fd;
        pthread_cond_broadcast(&fixture.changed);
        while (fixture.call_blocks && !fixture.release)
                pthread_cond_wait(&fixture.changed, &fixture.lock);
        pthread_mutex_unlock(&fixture.lock);

        if (give_fd >= 0) {
                HANDLE handle;

                g_assert_cmpint(fm_port_give_descriptor(PsGetCurrentProcess(), give_fd, 3, &handle), ==,
                                STATUS_SUCCESS);
                g_assert_cmpuint(OutputBufferLength, >=, sizeof(handle));
                memcpy(OutputBuffer, &handle, sizeof(handle));
                length = sizeof(handle);
        } else {
                for (ULONG i = 0; i < length; i++)
                        ((char *)OutputBuffer)[i] = input[InputBufferLength - 1 - i];
        }
        *ReturnOutputBufferLength = length;

        pthread_mutex_lock(&fixture.lock);
        fixture.calls_inside--;
        fixture.inside[(PFLT_PORT *)PortCookie - fixture.clients]--;
        pthread_mutex_unlock(&fixture.lock);
        switch (InputBufferLength ? input[0] : 0) {
        case 'E':
                return STATUS_UNSUCCESSFUL;
        case 'S':
                *ReturnOutputBufferLength = 1000;
                return STATUS_BUFFER_TOO_SMALL;
        case 'W':
                return STATUS_BUFFER_OVERFLOW;
        default:
                return STATUS_SUCCESS;
        }
}

NTSTATUS fixture_port(const WCHAR *name, ULONG attributes, PSECURITY_DESCRIPTOR security, LONG max,
                      bool two_way, PFLT_PORT *ret)
{
        OBJECT_ATTRIBUTES object;
        UNICODE_STRING path;

        RtlInitUnicodeString(&path, name);
        InitializeObjectAttributes(&object, &path, attributes, NULL, security);
        return FltCreateCommunicationPort(fixture.filter, ret, &object, &fixture, connect_notify,
                                          disconnect_notify, two_way ? message_notify : NULL, max);
}

void fixture_start(void)
{
        char *error = NULL;

        memset(&fixture, 0, sizeof(fixture));
        pthread_mutex_init(&fixture.lock, NULL);
        pthread_cond_init(&fixture.changed, NULL);
        fixture.give_fd = -1;
        fixture.close_on_disconnect = true;
        fixture.directory = g_dir_make_tmp("fltsim-XXXXXX", NULL);
        fixture.filter = g_new0(struct _FLT_FILTER, 1);
        fm_flt_object_init(&fixture.filter->object, FM_FLT_FILTER);
        fm_flt_object_ref(fixture.filter); /* never the last one: it is not made like others */
        fixture.filter->name = (char *)"test";
        g_assert_cmpint(fm_port_server_start(fixture.directory, &error), ==, 0);
        g_assert_cmpint(fixture_port(PORT_NAME, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, 4, true,
                                     &fixture.server),
                        ==, STATUS_SUCCESS);
}

void fixture_stop(void)
{
        g_autofree char *lock = g_build_filename(fixture.directory, FM_RUNTIME_LOCK, NULL);

        if (fixture.server)
                FltCloseCommunicationPort(fixture.server);
        fm_filter_close_ports(fixture.filter);
        g_assert_cmpuint(fixture.filter->ports.length, ==, 0);
        fm_port_server_stop();
        g_assert_cmpuint(fixture.disconnected_inside, ==, 0);
        g_assert_cmpuint(fm_violation_count(), ==, 0);
        /* Nobody else refers to it: ports and connections are gone. */
        g_assert_cmpuint(atomic_load(&fixture.filter->object.refs), ==, 2);
        g_free(fixture.filter);
        g_unlink(lock);
        /* The socket is gone too, or this fails. */
        g_assert_cmpint(g_rmdir(fixture.directory), ==, 0);
        g_free(fixture.directory);
}

void fixture_wait(const unsigned *value, unsigned wanted)
{
        struct timespec until;

        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += 60;
        pthread_mutex_lock(&fixture.lock);
        while (*value < wanted)
                if (pthread_cond_timedwait(&fixture.changed, &fixture.lock, &until) == ETIMEDOUT)
                        g_error("nothing happened for a minute");
        pthread_mutex_unlock(&fixture.lock);
}

void fixture_release(void)
{
        pthread_mutex_lock(&fixture.lock);
        fixture.release = true;
        pthread_cond_broadcast(&fixture.changed);
        pthread_mutex_unlock(&fixture.lock);
}

struct client *client_new(void)
{
        struct client *client = g_new0(struct client, 1);
        struct sockaddr_un address;
        int length = fm_runtime_address(fixture.directory, &address);

        g_assert_cmpint(fm_runtime_check(fixture.directory), ==, 0);
        client->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        g_assert_cmpint(connect(client->fd, (struct sockaddr *)&address, length), ==, 0);
        return client;
}

struct client *client_new_greeted(void)
{
        struct client *client = client_new();

        client_send(client, &(struct fm_frame){ .type = FM_FRAME_HELLO, .hello = { 1, 1 } });
        g_assert_cmpuint(client_receive(client), ==, FM_FRAME_WELCOME);
        return client;
}

static void drop_fds(struct client *client)
{
        for (unsigned i = 0; i < client->fd_count; i++)
                close(client->fds[i]);
        client->fd_count = 0;
}

void client_free(struct client *client)
{
        drop_fds(client);
        fm_ring_unmap(&client->ring);
        close(client->fd);
        g_free(client);
}

void client_send(struct client *client, const struct fm_frame *frame)
{
        g_assert_cmpint(fm_packet_send(client->fd, frame, NULL, 0), ==, 0);
}

void client_send_fd(struct client *client, const struct fm_frame *frame, int fd)
{
        g_assert_cmpint(fm_packet_send(client->fd, frame, &fd, 1), ==, 0);
}

unsigned client_receive(struct client *client)
{
        struct pollfd poll_fd = { .fd = client->fd, .events = POLLIN };
        int r;

        drop_fds(client);
        do {
                if (poll(&poll_fd, 1, 60000) == 0)
                        g_error("no frame for a minute");
                r = fm_packet_receive(client->fd, client->buffer, &client->frame, client->fds,
                                      &client->fd_count);
        } while (r == -EAGAIN);
        if (r == 0 || r == -ECONNRESET)
                return 0;
        g_assert_cmpint(r, ==, 1);
        return client->frame.type;
}

NTSTATUS client_connect(struct client *client, const WCHAR *name, bool ring, const void *context,
                        uint32_t size)
{
        UNICODE_STRING path;

        RtlInitUnicodeString(&path, name);
        client_send(client, &(struct fm_frame){
                .type = FM_FRAME_CONNECT,
                .tag = 7,
                .connect = {
                        .flags = ring ? FM_CONNECT_RING : 0,
                        .name = { (const uint8_t *)path.Buffer, path.Length },
                        .context = { context, size },
                },
        });
        g_assert_cmpuint(client_receive(client), ==, FM_FRAME_CONNECTED);
        g_assert_cmpuint(client->frame.tag, ==, 7);
        if (NT_SUCCESS(client->frame.connected.status)) {
                g_assert_cmpuint(client->fd_count, ==, ring);
                if (ring)
                        g_assert_cmpint(
                                fm_ring_map(&client->ring, client->fds[0], client->frame.connected.ring_size),
                                ==, 0);
                memcpy(client->token, client->frame.connected.token, FM_TOKEN_SIZE);
        }
        return client->frame.connected.status;
}

struct client *client_new_connected(bool ring)
{
        struct client *client = client_new_greeted();

        g_assert_cmpint(client_connect(client, PORT_NAME, ring, NULL, 0), ==, STATUS_SUCCESS);
        return client;
}

struct client *client_new_channel(const struct client *client)
{
        struct client *channel = client_new_greeted();
        struct fm_frame join = { .type = FM_FRAME_JOIN };

        memcpy(join.join.token, client->token, FM_TOKEN_SIZE);
        client_send(channel, &join);
        g_assert_cmpuint(client_receive(channel), ==, FM_FRAME_JOINED);
        g_assert_cmpint(channel->frame.joined.status, ==, STATUS_SUCCESS);
        return channel;
}

NTSTATUS client_call(struct client *client, const void *in, uint32_t in_length, uint32_t out_length)
{
        client_send(client, &(struct fm_frame){
                .type = FM_FRAME_CALL,
                .tag = ++client->tag,
                .call = { .in_length = in_length, .out_length = out_length, .in = in },
        });
        g_assert_cmpuint(client_receive(client), ==, FM_FRAME_RETURN);
        g_assert_cmpuint(client->frame.tag, ==, client->tag);
        return client->frame.ret.status;
}

bool client_take(struct client *client, void *buffer, uint32_t size, struct fm_taken *taken)
{
        bool poke = false;
        int r;

        for (;;) {
                fm_ring_arm(&client->ring);
                r = fm_ring_take(&client->ring, buffer, size, taken, &poke);
                if (r == -EAGAIN && client_receive(client) == 0)
                        r = -EPIPE;
                fm_ring_disarm(&client->ring);
                if (poke)
                        client_send(client,
                                    &(struct fm_frame){.type = FM_FRAME_POKE, .poke.flags = FM_POKE_SLOTS});
                if (r != -EAGAIN)
                        break;
        }
        g_assert_true(r == 0 || r == -EPIPE);
        return r == 0;
}

static void *sending_run(void *data)
{
        struct sending *sending = data;
        LARGE_INTEGER timeout = { .QuadPart = sending->timeout };

        fm_thread_self()->cancel = sending->cancel;
        sending->status = FltSendMessage(fixture.filter, sending->port ? sending->port : &fixture.clients[0],
                                         (PVOID)sending->payload, sending->length,
                                         sending->wants_reply ? sending->reply : NULL, &sending->reply_length,
                                         sending->timeout ? &timeout : NULL);
        return NULL;
}

void sending_start(struct sending *sending)
{
        g_assert_cmpint(pthread_create(&sending->thread, NULL, sending_run, sending), ==, 0);
}

NTSTATUS sending_join(struct sending *sending)
{
        pthread_join(sending->thread, NULL);
        return sending->status;
}

void bystander_start(struct bystander *bystander)
{
        pthread_mutex_lock(&fixture.lock);
        bystander->port = fixture.clients;
        while (*bystander->port)
                bystander->port++;
        pthread_mutex_unlock(&fixture.lock);
        bystander->client = client_new_connected(true);
        bystander->channel = client_new_channel(bystander->client);
}

void bystander_check(struct bystander *bystander)
{
        struct sending sending = {
                .payload = "x", .length = 1, .wants_reply = true, .reply_length = 4, .port = bystander->port,
        };
        struct fm_taken taken;
        bool poke = false;
        char byte;

        g_assert_cmpint(client_call(bystander->channel, "abc", 3, 3), ==, STATUS_SUCCESS);
        sending_start(&sending);
        g_assert_true(client_take(bystander->client, &byte, 1, &taken));
        g_assert_cmpint(fm_ring_reply(&bystander->client->ring, taken.message_id, 0, "y", 1, &poke), ==, 0);
        g_assert_cmpint(sending_join(&sending), ==, STATUS_SUCCESS);
        g_assert_cmpmem(sending.reply, sending.reply_length, "y", 1);
}

void bystander_stop(struct bystander *bystander)
{
        unsigned disconnects;

        pthread_mutex_lock(&fixture.lock);
        disconnects = fixture.disconnects;
        pthread_mutex_unlock(&fixture.lock);
        client_free(bystander->client);
        client_free(bystander->channel);
        fixture_wait(&fixture.disconnects, disconnects + 1);
}
