/* SPDX-License-Identifier: MIT */
/* Making ports, connecting to them, and the ways in which a connection ends. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"
#include "nt/verifier.h"

static void test_create_refusals(void)
{
        PFLT_PORT port = (PFLT_PORT)1;
        OBJECT_ATTRIBUTES object;
        UNICODE_STRING name;

        fixture_start();
        g_assert_cmpint(fixture_port(L"\\P", 0, NULL, 1, true, &port), ==, STATUS_INVALID_PARAMETER);
        g_assert_null(port);
        g_assert_cmpint(fixture_port(L"\\P", OBJ_KERNEL_HANDLE, NULL, 0, true, &port), ==,
                        STATUS_INVALID_PARAMETER);
        g_assert_cmpint(fixture_port(L"\\P", OBJ_KERNEL_HANDLE, NULL, -1, true, &port), ==,
                        STATUS_INVALID_PARAMETER);
        g_assert_cmpint(fixture_port(L"P", OBJ_KERNEL_HANDLE, NULL, 1, true, &port), ==,
                        STATUS_OBJECT_NAME_INVALID);
        g_assert_cmpint(fixture_port(L"", OBJ_KERNEL_HANDLE, NULL, 1, true, &port), ==,
                        STATUS_OBJECT_NAME_INVALID);

        RtlInitUnicodeString(&name, L"\\P");
        InitializeObjectAttributes(&object, &name, OBJ_KERNEL_HANDLE, NULL, NULL);
        g_assert_cmpint(FltCreateCommunicationPort(fixture.filter, &port, &object, NULL, NULL,
                                                   (PFLT_DISCONNECT_NOTIFY)1, NULL, 1),
                        ==, STATUS_INVALID_PARAMETER);
        g_assert_cmpint(FltCreateCommunicationPort(fixture.filter, &port, &object, NULL,
                                                   (PFLT_CONNECT_NOTIFY)1, NULL, NULL, 1),
                        ==, STATUS_INVALID_PARAMETER);
        fixture_stop();
}

static void test_names(void)
{
        PFLT_PORT port, other;
        struct client *client;

        fixture_start();
        /* The fixture's port is \TestPort, without case. */
        g_assert_cmpint(fixture_port(PORT_NAME, OBJ_KERNEL_HANDLE, NULL, 1, true, &port), ==,
                        STATUS_OBJECT_NAME_COLLISION);
        g_assert_cmpint(fixture_port(L"\\TESTPORT", OBJ_KERNEL_HANDLE, NULL, 1, true, &port), ==,
                        STATUS_OBJECT_NAME_COLLISION);
        g_assert_cmpint(fixture_port(L"\\Exact", OBJ_KERNEL_HANDLE, NULL, 1, true, &port), ==,
                        STATUS_SUCCESS);
        g_assert_cmpint(
                fixture_port(L"\\eXACT", OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, 1, true, &other), ==,
                STATUS_OBJECT_NAME_COLLISION);
        g_assert_cmpint(fixture_port(L"\\eXACT", OBJ_KERNEL_HANDLE, NULL, 1, true, &other), ==,
                        STATUS_SUCCESS);
        FltCloseCommunicationPort(other);

        client = client_new_greeted();
        g_assert_cmpint(client_connect(client, L"\\EXACT", true, NULL, 0), ==, STATUS_OBJECT_NAME_NOT_FOUND);
        client_free(client);
        client = client_new_greeted();
        g_assert_cmpint(client_connect(client, L"\\testport", true, NULL, 0), ==, STATUS_SUCCESS);
        client_free(client);
        fixture_wait(&fixture.disconnects, 1);

        /* A closed port is not found, and its name is free. */
        FltCloseCommunicationPort(port);
        client = client_new_greeted();
        g_assert_cmpint(client_connect(client, L"\\Exact", true, NULL, 0), ==, STATUS_OBJECT_NAME_NOT_FOUND);
        client_free(client);
        g_assert_cmpint(fixture_port(L"\\Exact", OBJ_KERNEL_HANDLE, NULL, 1, true, &port), ==,
                        STATUS_SUCCESS);
        FltCloseCommunicationPort(port);
        fixture_stop();
}

static void test_connect_notify(void)
{
        struct client *client;

        fixture_start();
        client = client_new_greeted();
        g_assert_cmpint(client_connect(client, PORT_NAME, false, "hello", 6), ==, STATUS_SUCCESS);
        g_assert_cmpuint(fixture.connects, ==, 1);
        g_assert_cmpuint(fixture.context_size, ==, 6);
        g_assert_cmpstr(fixture.context, ==, "hello");
        g_assert_cmpuint(fixture.connect_process, ==, (ULONG_PTR)getpid());
        client_free(client);
        fixture_wait(&fixture.disconnects, 1);

        /* Its error is the answer; no DisconnectNotify follows, and the place is free again: four times four.
         */
        fixture.connect_status = STATUS_UNSUCCESSFUL;
        for (unsigned i = 0; i < 16; i++) {
                client = client_new_greeted();
                g_assert_cmpint(client_connect(client, PORT_NAME, i % 2, NULL, 0), ==, STATUS_UNSUCCESSFUL);
                g_assert_cmpuint(client_receive(client), ==, 0);
                client_free(client);
        }
        g_assert_cmpuint(fixture.connects, ==, 17);
        fixture_stop();
        g_assert_cmpuint(fixture.disconnects, ==, 1);
}

static void test_max_connections(void)
{
        struct client *clients[5];

        fixture_start();
        fixture.close_on_disconnect = false;
        for (unsigned i = 0; i < 4; i++)
                clients[i] = client_new_connected(i % 2);
        clients[4] = client_new_greeted();
        g_assert_cmpint(client_connect(clients[4], PORT_NAME, true, NULL, 0), ==,
                        STATUS_CONNECTION_COUNT_LIMIT);
        g_assert_cmpuint(fixture.connects, ==, 4);
        client_free(clients[4]);

        /* The agent's close does not free the place: FltCloseClientPort does. */
        client_free(clients[0]);
        fixture_wait(&fixture.disconnects, 1);
        clients[4] = client_new_greeted();
        g_assert_cmpint(client_connect(clients[4], PORT_NAME, true, NULL, 0), ==,
                        STATUS_CONNECTION_COUNT_LIMIT);
        client_free(clients[4]);
        FltCloseClientPort(fixture.filter, &fixture.clients[0]);
        clients[0] = client_new_connected(true);

        pthread_mutex_lock(&fixture.lock);
        fixture.close_on_disconnect = true;
        pthread_mutex_unlock(&fixture.lock);
        for (unsigned i = 0; i < 4; i++)
                client_free(clients[i]);
        fixture_wait(&fixture.disconnects, 5);
        g_assert_cmpuint(fixture.connects, ==, 5);
        fixture_stop();
}

static void test_slow_connect(void)
{
        struct client *slow, *quick;
        PFLT_PORT port;

        fixture_start();
        g_assert_cmpint(fixture_port(L"\\Quick", OBJ_KERNEL_HANDLE, NULL, 1, true, &port), ==,
                        STATUS_SUCCESS);
        fixture.connect_blocks = true;
        slow = client_new_greeted();
        client_send(slow, &(struct fm_frame){
                .type = FM_FRAME_CONNECT,
                .connect.name = { (const uint8_t *)PORT_NAME, sizeof(PORT_NAME) - sizeof(WCHAR) },
        });
        fixture_wait(&fixture.connects, 1);
        /* Somebody else is served meanwhile, by the same filter. */
        pthread_mutex_lock(&fixture.lock);
        fixture.connect_blocks = false;
        pthread_mutex_unlock(&fixture.lock);
        quick = client_new_greeted();
        g_assert_cmpint(client_connect(quick, L"\\Quick", false, NULL, 0), ==, STATUS_SUCCESS);
        client_free(quick);
        fixture_wait(&fixture.disconnects, 1);

        /* It goes away before it is answered: connected and disconnected all the same. */
        client_free(slow);
        fixture_release();
        fixture_wait(&fixture.disconnects, 2);
        FltCloseCommunicationPort(port);
        fixture_stop();
}

static void test_kick(bool ring)
{
        struct sending sending = { .payload = "x", .length = 1, .wants_reply = true, .reply_length = 8 };
        struct client *client, *channel;
        PFLT_PORT port;
        bool poke;

        fixture_start();
        client = client_new_connected(ring);
        channel = client_new_channel(client);
        port = fixture.clients[0];
        fm_port_ref(port);
        sending.port = &port;
        sending_start(&sending);
        if (ring) {
                struct fm_taken taken;
                char byte;

                g_assert_true(client_take(client, &byte, 1, &taken));
                FltCloseClientPort(fixture.filter, &fixture.clients[0]);
                g_assert_cmpint(fm_ring_reply(&client->ring, taken.message_id, 0, "y", 1, &poke), ==, -EPIPE);
        } else {
                client_send(client, &(struct fm_frame){ .type = FM_FRAME_GET, .get.size = 17 });
                g_assert_cmpuint(client_receive(client), ==, FM_FRAME_MESSAGE);
                FltCloseClientPort(fixture.filter, &fixture.clients[0]);
        }
        g_assert_null(fixture.clients[0]);
        g_assert_cmpint(sending_join(&sending), ==, STATUS_PORT_DISCONNECTED);
        g_assert_cmpuint(sending.reply_length, ==, 0);
        g_assert_cmpuint(client_receive(client), ==, 0);
        g_assert_cmpint(client_call(channel, "a", 1, 1), ==, STATUS_PORT_DISCONNECTED);
        g_assert_cmpuint(fixture.disconnects, ==, 0);

        /* The variable is NULL for all who send; DisconnectNotify comes when the agent closes its handle. */
        sending.port = NULL;
        sending.reply_length = 8;
        sending_start(&sending);
        g_assert_cmpint(sending_join(&sending), ==, STATUS_PORT_DISCONNECTED);
        client_free(client);
        client_free(channel);
        fixture_wait(&fixture.disconnects, 1);
        fm_port_unref(port);
        fixture_stop();
        g_assert_cmpuint(fixture.disconnects, ==, 1);
}

static void test_kick_ring(void)
{
        test_kick(true);
}

static void test_kick_plain(void)
{
        test_kick(false);
}

/* Unloading ends what lives: senders, calls, the agent's wait; DisconnectNotify runs once. */
static void test_unload(void)
{
        struct sending sending = { .payload = "x", .length = 1, .wants_reply = true, .reply_length = 8 };
        struct client *client;
        struct fm_taken taken;
        char byte;

        fixture_start();
        client = client_new_connected(true);
        sending_start(&sending);
        g_assert_true(client_take(client, &byte, 1, &taken));
        FltCloseCommunicationPort(fixture.server);
        fixture.server = NULL;
        fm_filter_close_ports(fixture.filter);
        g_assert_cmpuint(fixture.disconnects, ==, 1);
        g_assert_cmpint(sending_join(&sending), ==, STATUS_PORT_DISCONNECTED);
        g_assert_false(client_take(client, &byte, 1, &taken));
        client_free(client);
        fixture_stop();
        g_assert_cmpuint(fixture.disconnects, ==, 1);
}

static void test_access(void)
{
        PSECURITY_DESCRIPTOR security;
        SECURITY_DESCRIPTOR nobody, everybody;
        struct client *client;
        PFLT_PORT port;
        ACL empty;

        fixture_start();
        g_assert_cmpint(FltBuildDefaultSecurityDescriptor(&security, FLT_PORT_ALL_ACCESS), ==,
                        STATUS_SUCCESS);
        g_assert_cmpint(fixture_port(L"\\Default", OBJ_KERNEL_HANDLE, security, 1, true, &port), ==,
                        STATUS_SUCCESS);
        /* The port has its own copy. */
        FltFreeSecurityDescriptor(security);
        client = client_new_greeted();
        g_assert_cmpint(client_connect(client, L"\\Default", true, NULL, 0), ==,
                        STATUS_SUCCESS); /* root, or who runs the filter manager */
        client_free(client);
        fixture_wait(&fixture.disconnects, 1);
        FltCloseCommunicationPort(port);

        /* An empty DACL grants nothing, to nobody; ConnectNotify is not asked. */
        RtlCreateSecurityDescriptor(&nobody, SECURITY_DESCRIPTOR_REVISION);
        RtlCreateAcl(&empty, sizeof(empty), ACL_REVISION);
        RtlSetDaclSecurityDescriptor(&nobody, TRUE, &empty, FALSE);
        g_assert_cmpint(fixture_port(L"\\Nobody", OBJ_KERNEL_HANDLE, &nobody, 1, true, &port), ==,
                        STATUS_SUCCESS);
        fixture.connects = 0;
        client = client_new_greeted();
        g_assert_cmpint(client_connect(client, L"\\Nobody", true, NULL, 0), ==, STATUS_ACCESS_DENIED);
        g_assert_cmpuint(fixture.connects, ==, 0);
        client_free(client);
        FltCloseCommunicationPort(port);

        /* No DACL at all: everybody. */
        RtlCreateSecurityDescriptor(&everybody, SECURITY_DESCRIPTOR_REVISION);
        RtlSetDaclSecurityDescriptor(&everybody, TRUE, NULL, FALSE);
        g_assert_cmpint(fixture_port(L"\\Everybody", OBJ_KERNEL_HANDLE, &everybody, 1, true, &port), ==,
                        STATUS_SUCCESS);
        client = client_new_greeted();
        g_assert_cmpint(client_connect(client, L"\\Everybody", true, NULL, 0), ==, STATUS_SUCCESS);
        client_free(client);
        fixture_wait(&fixture.disconnects, 2);
        FltCloseCommunicationPort(port);
        fixture_stop();
}

/* Whoever closes, and connects at once, finds the place free. */
static void test_reconnect(void)
{
        PFLT_PORT port;

        fixture_start();
        g_assert_cmpint(fixture_port(L"\\One", OBJ_KERNEL_HANDLE, NULL, 1, true, &port), ==, STATUS_SUCCESS);
        for (unsigned i = 0; i < 300; i++) {
                struct client *client = client_new_greeted();

                g_assert_cmpint(client_connect(client, L"\\One", i % 2, NULL, 0), ==, STATUS_SUCCESS);
                client_free(client);
        }
        fixture_wait(&fixture.disconnects, 300);
        FltCloseCommunicationPort(port);
        fixture_stop();
}

/* A JOIN behind the end of the connection is answered when DisconnectNotify has run. */
static void test_join_waits(void)
{
        struct fm_frame join = { .type = FM_FRAME_JOIN, .tag = 99 };
        struct fm_frame call = { .type = FM_FRAME_CALL, .call = { .in_length = 1, .in = (const uint8_t *)"x" } };
        struct client *client, *channel, *leaver, *gone;
        struct pollfd poll_fd = { .events = POLLIN };

        fixture_start();
        fixture.call_blocks = true;
        client = client_new_connected(true);
        channel = client_new_channel(client);
        client_send(channel, &call);
        fixture_wait(&fixture.calls_inside, 1);
        memcpy(join.join.token, client->token, FM_TOKEN_SIZE);
        client_free(client);
        leaver = client_new_greeted();
        gone = client_new_greeted();
        client_send(leaver, &join);
        client_send(gone, &join);
        client_free(gone);
        /* What comes later is answered, and this is not. */
        client_free(client_new_greeted());
        poll_fd.fd = leaver->fd;
        g_assert_cmpint(poll(&poll_fd, 1, 0), ==, 0);
        g_assert_cmpuint(fixture.disconnects, ==, 0);
        fixture_release();
        g_assert_cmpuint(client_receive(leaver), ==, FM_FRAME_JOINED);
        g_assert_cmpint(leaver->frame.joined.status, ==, STATUS_PORT_DISCONNECTED);
        g_assert_cmpuint(leaver->frame.tag, ==, 99);
        pthread_mutex_lock(&fixture.lock);
        g_assert_cmpuint(fixture.disconnects, ==, 1);
        pthread_mutex_unlock(&fixture.lock);
        /* It is good for nothing else. */
        client_send(leaver, &call);
        g_assert_cmpuint(client_receive(leaver), ==, FM_FRAME_GOODBYE);
        client_free(leaver);
        client_free(channel);
        fixture_stop();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/port/connect/create-refusals", test_create_refusals);
        g_test_add_func("/port/connect/names", test_names);
        g_test_add_func("/port/connect/connect-notify", test_connect_notify);
        g_test_add_func("/port/connect/slow-connect", test_slow_connect);
        g_test_add_func("/port/connect/kick-ring", test_kick_ring);
        g_test_add_func("/port/connect/kick-plain", test_kick_plain);
        g_test_add_func("/port/connect/unload", test_unload);
        g_test_add_func("/port/connect/access", test_access);
        g_test_add_func("/port/connect/max-connections", test_max_connections);
        g_test_add_func("/port/connect/reconnect", test_reconnect);
        g_test_add_func("/port/connect/join-waits", test_join_waits);
        return g_test_run();
}
