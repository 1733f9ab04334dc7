/* SPDX-License-Identifier: MIT */
/*
 * Server ports and the filter's end of connections, row by row.
 *
 * FltCreateCommunicationPort
 *   attributes lack OBJ_KERNEL_HANDLE                                /create/no-kernel-handle
 *   MaxConnections <= 0                                              /create/max-connections
 *   Connect or Disconnect NULL                                       /create/no-callbacks
 *   name already taken, with and without case                        /create/name-collision
 *   filter is being torn down                                        /create/filter-is-torn-down
 *   name does not start with \ or is empty                           /create/name-invalid
 *   success: connects at once, also before FltStartFiltering         /create/before-start-filtering
 *   one filter may own many ports; connections are independent       /create/many-ports
 *   allocation failure                                               /create/no-memory
 *   (SecurityDescriptor NULL: see security.c)
 * FltCloseCommunicationPort
 *   new connects fail                                                /close/new-connects-fail
 *   live connections go on, both directions; no DisconnectNotify     /close/connections-go-on
 *   the name is free                                                 /close/name-is-free
 *   a port left open is reported and closed                          /close/left-open
 * FltCloseClientPort
 *   *ClientPort = NULL; a racing sender gets PORT_DISCONNECTED       /close-client/racing-senders
 *   the slot is freed here, not at CloseHandle                       /close-client/slot
 *   a kick: senders and pending receives end                         /close-client/kick/senders,
 *                                                                    /close-client/kick/receives
 *   later calls on the handle give 0x80070006                        /close-client/kick/later-calls
 *   DisconnectNotify once, when the agent closes its handle          /close-client/kick/disconnect-notify
 */
#include <string.h>

#include "fixture.h"
#include "fltmgr/loader.h"
#include "nt/pool.h"
#include "nt/registry.h"
#include "nt/verifier.h"

#define KERNEL OBJ_KERNEL_HANDLE
#define ANY_CASE (OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE)

static NTSTATUS create(struct port *port, const char *name, ULONG attributes, LONG max)
{
        return port_create(port, &(struct port_options){
                .name = name, .attributes = attributes, .max_connections = max,
        });
}

static uint32_t connect_to(struct agent *agent, const char *name)
{
        struct remote_request request = {
                .op = REMOTE_CONNECT, .flags = REMOTE_NULL_IN, .length = (uint32_t)strlen(name) + 1,
        };

        memcpy(request.data, name, request.length);
        return agent_finish(agent, agent_start_request(agent, request))->hr;
}

static void test_no_kernel_handle(void)
{
        struct port port = { .server = (PFLT_PORT)1 };

        assert_hex(create(&port, PORT_NAME, 0, 1), ==, STATUS_INVALID_PARAMETER);
        g_assert_null(port.server);
        assert_hex(create(&port, PORT_NAME, OBJ_CASE_INSENSITIVE, 1), ==, STATUS_INVALID_PARAMETER);
}

static void test_max_connections(void)
{
        struct port port = { .server = NULL };

        assert_hex(create(&port, PORT_NAME, KERNEL, 0), ==, STATUS_INVALID_PARAMETER);
        assert_hex(create(&port, PORT_NAME, KERNEL, -1), ==, STATUS_INVALID_PARAMETER);
        assert_hex(create(&port, PORT_NAME, KERNEL, MINLONG), ==, STATUS_INVALID_PARAMETER);
        assert_hex(create(&port, PORT_NAME, KERNEL, MAXLONG), ==, STATUS_SUCCESS);
        FltCloseCommunicationPort(port.server);
}

static void test_no_callbacks(void)
{
        struct port port = { .server = NULL };
        struct port_options options = { .name = PORT_NAME, .attributes = KERNEL, .max_connections = 1 };

        options.no_connect = true;
        assert_hex(port_create(&port, &options), ==, STATUS_INVALID_PARAMETER);
        options.no_connect = false;
        options.no_disconnect = true;
        assert_hex(port_create(&port, &options), ==, STATUS_INVALID_PARAMETER);
        options.no_disconnect = false;
        options.one_way = true;
        assert_hex(port_create(&port, &options), ==, STATUS_SUCCESS);
        FltCloseCommunicationPort(port.server);
}

static void test_name_collision(void)
{
        static const struct {
                ULONG first, second;
                const char *name;
                bool collides;
        } rows[] = {
                { KERNEL, KERNEL, "\\ContractPort", true },     { KERNEL, KERNEL, "\\CONTRACTPORT", false },
                { ANY_CASE, KERNEL, "\\CONTRACTPORT", true },   { KERNEL, ANY_CASE, "\\CONTRACTPORT", true },
                { ANY_CASE, ANY_CASE, "\\contractport", true }, { ANY_CASE, ANY_CASE, "\\ContractPort2", false },
        };

        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
                struct port first = { .server = NULL }, second = { .server = NULL };

                g_test_message("row %u", i);
                assert_hex(create(&first, PORT_NAME, rows[i].first, 1), ==, STATUS_SUCCESS);
                assert_hex(create(&second, rows[i].name, rows[i].second, 1), ==,
                           rows[i].collides ? STATUS_OBJECT_NAME_COLLISION : STATUS_SUCCESS);
                g_assert_true(!second.server == rows[i].collides);
                FltCloseCommunicationPort(first.server);
                if (second.server)
                        FltCloseCommunicationPort(second.server);
        }
}

static void test_name_invalid(void)
{
        struct port port = { .server = NULL };

        assert_hex(create(&port, "ContractPort", KERNEL, 1), ==, STATUS_OBJECT_NAME_INVALID);
        assert_hex(create(&port, "", KERNEL, 1), ==, STATUS_OBJECT_NAME_INVALID);
        assert_hex(create(&port, NULL, KERNEL, 1), ==, STATUS_OBJECT_NAME_INVALID);
        assert_hex(create(&port, "\\", KERNEL, 1), ==, STATUS_OBJECT_NAME_INVALID);
}

static void test_no_memory(void)
{
        static const uint32_t tags[] = { 'nPmF', 'sPmF' };
        PSECURITY_DESCRIPTOR security = NULL;
        struct port port = { .server = NULL };
        struct port_options options = { .name = PORT_NAME, .attributes = KERNEL, .max_connections = 1 };

        fm_pool_fail_next('sDmF');
        assert_hex(FltBuildDefaultSecurityDescriptor(&security, FLT_PORT_ALL_ACCESS), ==, STATUS_INSUFFICIENT_RESOURCES);
        g_assert_null(security);
        assert_hex(FltBuildDefaultSecurityDescriptor(&security, FLT_PORT_ALL_ACCESS), ==, STATUS_SUCCESS);
        options.security = security;
        for (unsigned i = 0; i < G_N_ELEMENTS(tags); i++) {
                struct fm_pool_usage before = fm_pool_outstanding(NULL, 0), after;

                fm_pool_fail_next(tags[i]);
                port.server = (PFLT_PORT)1;
                assert_hex(port_create(&port, &options), ==, STATUS_INSUFFICIENT_RESOURCES);
                g_assert_null(port.server);
                after = fm_pool_outstanding(NULL, 0);
                g_assert_cmpuint(after.blocks, ==, before.blocks);
        }
        /* The name is not taken. */
        assert_hex(port_create(&port, &options), ==, STATUS_SUCCESS);
        FltCloseCommunicationPort(port.server);
        FltFreeSecurityDescriptor(security);
}

/* A second filter, for what happens at its beginning and at its end. */
static struct second {
        PFLT_FILTER filter;
        struct port port;
        struct agent *agent;
        NTSTATUS while_unloading;
        bool leaves_open;
} second;

static void create_late(struct link *link)
{
        struct port late = { .server = NULL };

        second.while_unloading = port_create(&late, &(struct port_options){
                .name = "\\Late", .attributes = KERNEL, .max_connections = 1, .filter = second.filter,
        });
        FltCloseClientPort(second.filter, &link->client);
}

static NTSTATUS FLTAPI second_unload(FLT_FILTER_UNLOAD_FLAGS flags)
{
        if (!second.leaves_open)
                FltCloseCommunicationPort(second.port.server);
        FltUnregisterFilter(second.filter);
        return STATUS_SUCCESS;
}

static NTSTATUS second_entry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
        static const FLT_OPERATION_REGISTRATION operations[] = { { IRP_MJ_OPERATION_END } };
        static const FLT_REGISTRATION registration = {
                .Size = sizeof(registration),
                .Version = FLT_REGISTRATION_VERSION,
                .OperationRegistration = operations,
                .FilterUnloadCallback = second_unload,
        };

        assert_hex(FltRegisterFilter(driver, &registration, &second.filter), ==, STATUS_SUCCESS);
        assert_hex(port_create(&second.port, &(struct port_options){
                .name = "\\Second", .attributes = KERNEL, .max_connections = 1, .filter = second.filter,
        }), ==, STATUS_SUCCESS);
        if (second.agent) {
                assert_hex(connect_to(second.agent, "\\Second"), ==, 0);
                g_assert_cmpuint(second.port.connects, ==, 1);
        }
        return FltStartFiltering(second.filter);
}

static void second_load(void)
{
        g_autofree char *error = NULL;

        fm_registry_set_string(FM_SERVICES_KEY "\\second\\Instances", "DefaultInstance", "second");
        fm_registry_set_string(FM_SERVICES_KEY "\\second\\Instances\\second", "Altitude", "370031");
        assert_hex(fm_driver_start("second", second_entry, &error), ==, STATUS_SUCCESS);
}

static void test_filter_is_torn_down(void)
{
        struct agent *agent = agent_new();

        memset(&second, 0, sizeof(second));
        second.port.keep_on_disconnect = true;
        second.port.on_disconnect = create_late;
        second_load();
        assert_hex(connect_to(agent, "\\Second"), ==, 0);
        /* DisconnectNotify runs inside FltUnregisterFilter. */
        assert_hex(fm_filter_unload("second", true), ==, STATUS_SUCCESS);
        assert_hex(second.while_unloading, ==, STATUS_FLT_DELETING_OBJECT);
        g_assert_cmpuint(second.port.links[0].disconnects, ==, 1);
        agent_free(agent);
}

static void test_before_start_filtering(void)
{
        memset(&second, 0, sizeof(second));
        second.agent = agent_new();
        second.port.keep_on_disconnect = true;
        second_load();
        agent_free(second.agent);
        WAIT_UNTIL(second.port.links[0].disconnects == 1);
        FltCloseClientPort(second.filter, &second.port.links[0].client);
        assert_hex(fm_filter_unload("second", true), ==, STATUS_SUCCESS);
        g_assert_cmpuint(fm_violation_count(), ==, fixture.violations);
}

static void test_left_open(void)
{
        struct agent *agent = agent_new();

        memset(&second, 0, sizeof(second));
        second.leaves_open = true;
        second_load();
        assert_hex(connect_to(agent, "\\Nobody"), ==, 0x80070002);
        assert_hex(fm_filter_unload("second", true), ==, STATUS_SUCCESS);
        g_assert_cmpuint(fm_violation_count(), ==, ++fixture.violations);
        assert_hex(connect_to(agent, "\\Second"), ==, 0x80070002);
        agent_free(agent);
}

static void test_many_ports(void)
{
        struct port *first = port_new("\\First", 1), *last = port_new("\\Last", 1);
        struct agent *agent = agent_new();
        struct sender to_first = { .link = &first->links[0], .payload = "1", .length = 1 };
        struct sender to_last = { .link = &last->links[0], .payload = "2", .length = 1 };
        uint64_t first_handle, last_handle;

        first_handle = RUN(agent, REMOTE_CONNECT, .flags = REMOTE_NULL_IN, NAME_DATA("\\First"))->handle;
        last_handle = RUN(agent, REMOTE_CONNECT, .flags = REMOTE_NULL_IN, NAME_DATA("\\Last"))->handle;
        sender_start(&to_first);
        sender_start(&to_last);
        /* Each connection has its own receivers, waiters and ids. */
        g_assert_cmpstr((char *)RUN(agent, REMOTE_GET, .handle = last_handle, .size = 80)->data, ==, "2");
        g_assert_cmpstr((char *)RUN(agent, REMOTE_GET, .handle = first_handle, .size = 80)->data, ==, "1");
        assert_hex(sender_join(&to_first), ==, STATUS_SUCCESS);
        assert_hex(sender_join(&to_last), ==, STATUS_SUCCESS);
        g_assert_cmpuint(RUN(agent, REMOTE_CLOSE, .handle = first_handle)->hr, ==, 1);
        WAIT_UNTIL(first->links[0].disconnects == 1);
        assert_hex(agent_send(agent, last_handle, "x"), ==, 0);
        agent_free(agent);
        port_free(first);
        port_free(last);
}

static void test_new_connects_fail(void)
{
        struct port *port = port_new(PORT_NAME, 4);
        struct agent *agent = agent_new();

        FltCloseCommunicationPort(g_steal_pointer(&port->server));
        assert_hex(connect_to(agent, PORT_NAME), ==, 0x80070002);
        g_assert_cmpuint(port->connects, ==, 0);
        agent_free(agent);
        port_free(port);
}

static void test_connections_go_on(void)
{
        struct port *port = port_new(PORT_NAME, 4);
        struct agent *agent = agent_new();
        struct link *link;
        uint64_t handle = agent_connect(agent, port, &link);
        char reply[8];
        struct sender sender = { .link = link, .payload = "x", .length = 1, .reply = reply, .reply_length = 8 };

        FltCloseCommunicationPort(g_steal_pointer(&port->server));
        sender_start(&sender);
        assert_hex(agent_reply(agent, handle, RUN(agent, REMOTE_GET, .handle = handle, .size = 80)->id, 0, "yes"), ==, 0);
        assert_hex(sender_join(&sender), ==, STATUS_SUCCESS);
        assert_hex(agent_send(agent, handle, "x"), ==, 0);
        g_assert_cmpuint(link->calls, ==, 1);
        g_assert_cmpuint(link->disconnects, ==, 0);
        agent_free(agent);
        WAIT_UNTIL(link->disconnects == 1);
        port_free(port);
}

static void test_name_is_free(void)
{
        struct port *port = port_new(PORT_NAME, 1), *again;
        struct agent *agent = agent_new();

        agent_connect(agent, port, NULL);
        FltCloseCommunicationPort(g_steal_pointer(&port->server));
        /* With a count of its own: the old connection is not one of its. */
        again = port_new(PORT_NAME, 1);
        agent_connect(agent, again, NULL);
        agent_free(agent);
        port_free(again);
        port_free(port);
}

static void *send_until_disconnected(void *data)
{
        struct link *link = data;
        NTSTATUS status;

        do {
                status = FltSendMessage(fixture.filter, &link->client, (PVOID)"x", 1, NULL, NULL, NULL);
        } while (status == STATUS_SUCCESS);
        return GUINT_TO_POINTER((guint32)status);
}

static void test_racing_senders(void)
{
        struct port *port = port_new(PORT_NAME, 4);

        for (unsigned round = 0; round < 10; round++) {
                struct agent *agent = agent_new();
                struct link *link;
                uint64_t handle = agent_connect(agent, port, &link);
                pthread_t senders[8];
                void *status;

                for (unsigned i = 0; i < G_N_ELEMENTS(senders); i++)
                        g_assert_cmpint(pthread_create(&senders[i], NULL, send_until_disconnected, link), ==, 0);
                for (unsigned i = 0; i < 20 + round * 3; i++)
                        assert_hex(RUN(agent, REMOTE_GET, .handle = handle, .size = 80)->hr, ==, 0);
                FltCloseClientPort(fixture.filter, &link->client);
                g_assert_null(link->client);
                for (unsigned i = 0; i < G_N_ELEMENTS(senders); i++) {
                        pthread_join(senders[i], &status);
                        assert_hex(GPOINTER_TO_UINT(status), ==, STATUS_PORT_DISCONNECTED);
                }
                agent_free(agent);
                WAIT_UNTIL(link->disconnects == 1);
        }
        port_free(port);
}

static void test_slot(void)
{
        struct port *port = port_new(PORT_NAME, 1);
        struct agent *agent = agent_new();
        struct link *link;
        uint64_t handle = agent_connect(agent, port, &link);

        assert_hex(connect_to(agent, PORT_NAME), ==, 0x800704D6);
        /* The agent is still there, the slot is free. */
        FltCloseClientPort(fixture.filter, &link->client);
        assert_hex(connect_to(agent, PORT_NAME), ==, 0);
        assert_hex(connect_to(agent, PORT_NAME), ==, 0x800704D6);
        RUN(agent, REMOTE_CLOSE, .handle = handle);
        agent_free(agent);
        WAIT_UNTIL(port_live(port) == 0);

        /* A filter that forgets it refuses the next client, though the agent is gone. */
        port->keep_on_disconnect = true;
        agent = agent_new();
        agent_connect(agent, port, &link);
        agent_free(agent);
        WAIT_UNTIL(link->disconnects == 1);
        agent = agent_new();
        assert_hex(connect_to(agent, PORT_NAME), ==, 0x800704D6);
        FltCloseClientPort(fixture.filter, &link->client);
        assert_hex(connect_to(agent, PORT_NAME), ==, 0);
        agent_free(agent);
        port_free(port);
}

static void kick_set_up(struct scene *kick, gconstpointer unused)
{
        scene_open(kick, 1);
}

static void kick_tear_down(struct scene *kick, gconstpointer unused)
{
        g_assert_cmpuint(kick->link->disconnects, ==, 0);
        agent_free(g_steal_pointer(&kick->agent));
        WAIT_UNTIL(kick->link->disconnects == 1);
        scene_tear_down(kick, NULL);
}

static void test_kick_senders(struct scene *kick, gconstpointer unused)
{
        char reply[8];
        struct sender answered = {
                .link = kick->link, .payload = "x", .length = 1, .reply = reply, .reply_length = 8,
        };
        struct sender waiting = { .link = kick->link, .payload = "x", .length = 1 };

        sender_start(&answered);
        RUN(kick->agent, REMOTE_GET, .handle = kick->handle, .size = 80);
        sender_start(&waiting);
        sender_wait_blocked(&answered);
        sender_wait_blocked(&waiting);
        FltCloseClientPort(fixture.filter, &kick->link->client);
        assert_hex(sender_join(&answered), ==, STATUS_PORT_DISCONNECTED);
        assert_hex(sender_join(&waiting), ==, STATUS_PORT_DISCONNECTED);
}

static void test_kick_receives(struct scene *kick, gconstpointer unused)
{
        uint32_t serial = START(kick->agent, REMOTE_GET, .handle = kick->handle, .size = 80, .worker = 1), other;
        const struct remote_result *result;

        agent_wait_blocked(kick->agent, 1);
        assert_hex(RUN(kick->agent, REMOTE_START_GET, .handle = kick->handle, .size = 80)->hr, ==, 0x800703E5);
        other = START(kick->agent, REMOTE_FINISH_GET, .handle = kick->handle, .worker = 2);
        agent_wait_blocked(kick->agent, 2);
        FltCloseClientPort(fixture.filter, &kick->link->client);
        assert_hex(agent_finish(kick->agent, serial)->hr, ==, 0x80070006);
        result = agent_finish(kick->agent, other);
        g_assert_cmpuint(result->hr, ==, 0);
        g_assert_cmpuint(result->error, ==, 6);
        g_assert_cmphex(result->internal, ==, 0xC0000037);
}

static void test_kick_later_calls(struct scene *kick, gconstpointer unused)
{
        struct agent *agent = kick->agent;
        uint64_t handle = kick->handle;

        FltCloseClientPort(fixture.filter, &kick->link->client);
        assert_hex(RUN(agent, REMOTE_GET, .handle = handle, .size = 80)->hr, ==, 0x80070006);
        assert_hex(RUN(agent, REMOTE_START_GET, .handle = handle, .size = 80)->hr, ==, 0x80070006);
        assert_hex(RUN(agent, REMOTE_TRY_GET, .handle = handle, .size = 80)->hr, ==, 0x80070006);
        assert_hex(agent_reply(agent, handle, 1, 0, ""), ==, 0x80070006);
        assert_hex(agent_send(agent, handle, "x"), ==, 0x80070006);
        g_assert_cmpuint(kick->link->calls, ==, 0);
}

static void test_kick_disconnect_notify(struct scene *kick, gconstpointer unused)
{
        FltCloseClientPort(fixture.filter, &kick->link->client);
        assert_hex(agent_send(kick->agent, kick->handle, "x"), ==, 0x80070006);
        g_assert_cmpuint(kick->link->disconnects, ==, 0);
        g_assert_cmpuint(RUN(kick->agent, REMOTE_CLOSE, .handle = kick->handle)->hr, ==, 1);
        WAIT_UNTIL(kick->link->disconnects == 1);
}

static void add_tests(void)
{
        g_test_add_func("/create/no-kernel-handle", test_no_kernel_handle);
        g_test_add_func("/create/max-connections", test_max_connections);
        g_test_add_func("/create/no-callbacks", test_no_callbacks);
        g_test_add_func("/create/name-collision", test_name_collision);
        g_test_add_func("/create/name-invalid", test_name_invalid);
        g_test_add_func("/create/no-memory", test_no_memory);
        g_test_add_func("/create/filter-is-torn-down", test_filter_is_torn_down);
        g_test_add_func("/create/before-start-filtering", test_before_start_filtering);
        g_test_add_func("/create/many-ports", test_many_ports);
        g_test_add_func("/close/new-connects-fail", test_new_connects_fail);
        g_test_add_func("/close/connections-go-on", test_connections_go_on);
        g_test_add_func("/close/name-is-free", test_name_is_free);
        g_test_add_func("/close/left-open", test_left_open);
        g_test_add_func("/close-client/racing-senders", test_racing_senders);
        g_test_add_func("/close-client/slot", test_slot);
        g_test_add("/close-client/kick/senders", struct scene, NULL, kick_set_up, test_kick_senders, kick_tear_down);
        g_test_add("/close-client/kick/receives", struct scene, NULL, kick_set_up, test_kick_receives, kick_tear_down);
        g_test_add("/close-client/kick/later-calls", struct scene, NULL, kick_set_up, test_kick_later_calls,
                   kick_tear_down);
        g_test_add("/close-client/kick/disconnect-notify", struct scene, NULL, kick_set_up,
                   test_kick_disconnect_notify, scene_tear_down);
}

int main(int argc, char **argv)
{
        return fixture_main(argc, argv, add_tests);
}
