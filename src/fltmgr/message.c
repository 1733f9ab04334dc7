/* SPDX-License-Identifier: MIT */
/*
 * Communication ports on the filter's side.
 *
 * One lock, ports_lock, guards the list of open server ports, the ports of each filter, the counts of
 * connections, and the variables that filters keep their PFLT_PORT in: FltSendMessage reads *ClientPort under
 * it and takes a reference, FltCloseClientPort clears it under it. It is a leaf but for the manager's lock,
 * and never held across a callback or a call of the transport.
 *
 * A client port ends in two independent ways: the agent goes (DisconnectNotify, once), and the filter closes
 * it (its place in MaxConnections is free). The object lives until both have happened and no sender is
 * inside.
 */
#include "fltmgr/port.h"

#include <string.h>
#include <unistd.h>

#include "fltmgr/check.h"
#include "fltmgr/manager.h"
#include "nt/pool.h"
#include "nt/security.h"
#include "nt/unicode.h"

#define UNIX_EPOCH_SECONDS INT64_C(11644473600) /* since 1601 */
#define TICKS_PER_SECOND INT64_C(10000000)

enum disconnect_state {
        NOT_DISCONNECTED,
        DISCONNECTING,
        DISCONNECTED,
};

struct _FLT_PORT {
        _Atomic uint32_t refs;
        bool is_server;
        PFLT_FILTER filter; /* memory reference */
        bool closed;        /* ports_lock; by FltCloseCommunicationPort or FltCloseClientPort */

        /* Server ports: never change, but for what is marked. */
        UNICODE_STRING name; /* pool */
        bool insensitive;
        PSECURITY_DESCRIPTOR security; /* pool, our copy; NULL: none was given */
        PVOID server_cookie;
        PFLT_CONNECT_NOTIFY connect_notify;
        PFLT_DISCONNECT_NOTIFY disconnect_notify;
        PFLT_MESSAGE_NOTIFY message_notify;
        LONG max_connections;
        LONG connections;             /* ports_lock */
        struct fm_rundown connecting; /* ConnectNotify in progress */

        /* Client ports. */
        PFLT_PORT server; /* reference */
        PVOID cookie;     /* ConnectionCookie; set before the transport knows the port */
        void *connection; /* the transport's; released with the object */
        struct fm_rundown calls; /* MessageNotify in progress; closed by the disconnect */
        bool accepted;           /* ports_lock; ConnectNotify succeeded: DisconnectNotify is owed */
        enum disconnect_state disconnect; /* ports_lock */
};

static pthread_mutex_t ports_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ports_changed = PTHREAD_COND_INITIALIZER; /* a disconnect is done, a place is free */
static GQueue servers = G_QUEUE_INIT;                           /* ports_lock; open ones, borrowed */
static const struct fm_port_ops *_Atomic transport;

void fm_port_set_ops(const struct fm_port_ops *ops)
{
        atomic_store(&transport, ops);
}

static PFLT_PORT port_new(PFLT_FILTER filter, bool is_server)
{
        PFLT_PORT port = g_new0(struct _FLT_PORT, 1);

        atomic_init(&port->refs, 1);
        port->is_server = is_server;
        port->filter = filter;
        fm_flt_object_ref(filter);
        fm_rundown_init(&port->connecting);
        fm_rundown_init(&port->calls);
        return port;
}

PFLT_PORT fm_port_ref(PFLT_PORT port)
{
        atomic_fetch_add_explicit(&port->refs, 1, memory_order_relaxed);
        return port;
}

void fm_port_unref(PFLT_PORT port)
{
        const struct fm_port_ops *ops = atomic_load(&transport);

        if (atomic_fetch_sub_explicit(&port->refs, 1, memory_order_acq_rel) != 1)
                return;
        if (port->connection && ops)
                ops->release(port->connection);
        if (port->server)
                fm_port_unref(port->server);
        fm_pool_free(port->name.Buffer);
        fm_pool_free(port->security);
        fm_flt_object_unref(port->filter);
        g_free(port);
}

/* A descriptor with a DACL of its own, in one block: the filter frees his as soon as the port exists. */
static NTSTATUS security_copy(PSECURITY_DESCRIPTOR from, PSECURITY_DESCRIPTOR *ret)
{
        BOOLEAN present = FALSE, defaulted = FALSE;
        PSECURITY_DESCRIPTOR copy;
        ULONG acl_size;
        PACL acl = NULL;
        NTSTATUS status;

        *ret = NULL;
        if (!from)
                return STATUS_SUCCESS;
        status = RtlGetDaclSecurityDescriptor(from, &present, &acl, &defaulted);
        if (!NT_SUCCESS(status))
                return status;
        acl_size = present && acl ? acl->AclSize : 0;
        copy = fm_pool_alloc(sizeof(SECURITY_DESCRIPTOR) + acl_size, 'sPmF');
        if (!copy)
                return STATUS_INSUFFICIENT_RESOURCES;
        RtlCreateSecurityDescriptor(copy, SECURITY_DESCRIPTOR_REVISION);
        if (acl_size) {
                memcpy((char *)copy + sizeof(SECURITY_DESCRIPTOR), acl, acl_size);
                acl = (PACL)((char *)copy + sizeof(SECURITY_DESCRIPTOR));
        }
        RtlSetDaclSecurityDescriptor(copy, present, present ? acl : NULL, defaulted);
        *ret = copy;
        return STATUS_SUCCESS;
}

static bool may_connect(PFLT_PORT server, const struct fm_port_peer *peer)
{
        static const GENERIC_MAPPING mapping = {
                .GenericRead = STANDARD_RIGHTS_READ,
                .GenericWrite = STANDARD_RIGHTS_WRITE | FLT_PORT_CONNECT,
                .GenericExecute = STANDARD_RIGHTS_EXECUTE,
                .GenericAll = FLT_PORT_ALL_ACCESS,
        };

        if (server->security)
                return fm_access_check(server->security, peer->credentials, FLT_PORT_CONNECT, &mapping, NULL);
        return peer->credentials->uid == 0 || peer->credentials->uid == geteuid();
}

static PFLT_PORT server_find_locked(PCUNICODE_STRING name, bool insensitive)
{
        for (GList *l = servers.head; l; l = l->next) {
                PFLT_PORT port = l->data;

                if (RtlEqualUnicodeString(&port->name, name, insensitive || port->insensitive))
                        return port;
        }
        return NULL;
}

/*
 * FltCreateCommunicationPort - makes a named port that agents can connect to, at once.
 * STATUS_INVALID_PARAMETER: no OBJ_KERNEL_HANDLE, MaxConnections below 1, no connect or disconnect callback;
 * STATUS_OBJECT_NAME_INVALID: the name is empty or does not start with '\'; STATUS_OBJECT_NAME_COLLISION;
 * STATUS_FLT_DELETING_OBJECT; STATUS_INSUFFICIENT_RESOURCES. PASSIVE_LEVEL. Without a security descriptor
 * only root and the user who runs the filter manager may connect.
 */
NTSTATUS FLTAPI FltCreateCommunicationPort(PFLT_FILTER Filter, PFLT_PORT *ServerPort,
                                           POBJECT_ATTRIBUTES ObjectAttributes, PVOID ServerPortCookie,
                                           PFLT_CONNECT_NOTIFY ConnectNotifyCallback,
                                           PFLT_DISCONNECT_NOTIFY DisconnectNotifyCallback,
                                           PFLT_MESSAGE_NOTIFY MessageNotifyCallback, LONG MaxConnections)
{
        PCUNICODE_STRING name;
        NTSTATUS status;
        PFLT_PORT port;
        bool unloading;

        fm_check_irql("FltCreateCommunicationPort", PASSIVE_LEVEL);
        if (!Filter || !ServerPort)
                return STATUS_INVALID_PARAMETER;
        *ServerPort = NULL;
        if (!ObjectAttributes || !(ObjectAttributes->Attributes & OBJ_KERNEL_HANDLE) || MaxConnections <= 0 ||
            !ConnectNotifyCallback || !DisconnectNotifyCallback)
                return STATUS_INVALID_PARAMETER;
        name = ObjectAttributes->ObjectName;
        if (!name || !name->Buffer || name->Length < 2 * sizeof(WCHAR) || name->Buffer[0] != '\\' ||
            name->Length > FM_PORT_NAME_MAX)
                return STATUS_OBJECT_NAME_INVALID;
        if (!fm_rundown_acquire(&Filter->object.rundown))
                return STATUS_FLT_DELETING_OBJECT;

        port = port_new(Filter, true);
        port->insensitive = ObjectAttributes->Attributes & OBJ_CASE_INSENSITIVE;
        port->server_cookie = ServerPortCookie;
        port->connect_notify = ConnectNotifyCallback;
        port->disconnect_notify = DisconnectNotifyCallback;
        port->message_notify = MessageNotifyCallback;
        port->max_connections = MaxConnections;
        status = security_copy(ObjectAttributes->SecurityDescriptor, &port->security);
        if (!NT_SUCCESS(status))
                goto out;
        port->name.Buffer = fm_pool_alloc(name->Length, 'nPmF');
        if (!port->name.Buffer) {
                status = STATUS_INSUFFICIENT_RESOURCES;
                goto out;
        }
        memcpy(port->name.Buffer, name->Buffer, name->Length);
        port->name.Length = port->name.MaximumLength = name->Length;

        pthread_mutex_lock(&ports_lock);
        pthread_mutex_lock(&fm_manager.lock);
        unloading = Filter->state == FM_FILTER_UNLOADING;
        pthread_mutex_unlock(&fm_manager.lock);
        if (unloading) {
                status = STATUS_FLT_DELETING_OBJECT;
        } else if (server_find_locked(&port->name, port->insensitive)) {
                status = STATUS_OBJECT_NAME_COLLISION;
        } else {
                g_queue_push_tail(&servers, port);
                g_queue_push_tail(&Filter->ports, port);
                *ServerPort = fm_port_ref(port);
        }
        pthread_mutex_unlock(&ports_lock);
out:
        fm_port_unref(port);
        fm_rundown_release(&Filter->object.rundown);
        return status;
}

/*
 * Ends new connects; waits for ConnectNotify in progress only if asked to: the filter may call it from
 * inside. Returns false if it was closed before.
 */
static bool server_close(PFLT_PORT server, bool wait)
{
        bool first;

        pthread_mutex_lock(&ports_lock);
        first = !server->closed;
        server->closed = true;
        if (first) {
                g_queue_remove(&servers, server);
                g_queue_remove(&server->filter->ports, server);
                pthread_cond_broadcast(&ports_changed);
        }
        pthread_mutex_unlock(&ports_lock);
        if (wait)
                fm_rundown_wait(&server->connecting);
        if (first)
                fm_port_unref(server);
        return first;
}

/*
 * FltCloseCommunicationPort - nobody can connect to the port any more, and its name is free. Connections
 * that exist go on; DisconnectNotify is not called. PASSIVE_LEVEL.
 */
VOID FLTAPI FltCloseCommunicationPort(PFLT_PORT ServerPort)
{
        fm_check_irql("FltCloseCommunicationPort", PASSIVE_LEVEL);
        if (!ServerPort || !ServerPort->is_server) {
                fm_violation("port-close-invalid", "FltCloseCommunicationPort(%p): not a server port",
                             (void *)ServerPort);
                return;
        }
        server_close(ServerPort, false);
}

static void transport_kick(PFLT_PORT client)
{
        const struct fm_port_ops *ops = atomic_load(&transport);

        if (ops)
                ops->kick(client->connection);
}

/* Frees the client's place in MaxConnections and drops the filter's reference. false: closed before. */
static bool client_close(PFLT_PORT client)
{
        bool first;

        pthread_mutex_lock(&ports_lock);
        first = !client->closed;
        client->closed = true;
        if (first) {
                client->server->connections--;
                pthread_cond_broadcast(&ports_changed);
        }
        pthread_mutex_unlock(&ports_lock);
        if (!first)
                return false;
        transport_kick(client);
        fm_port_unref(client);
        return true;
}

/*
 * FltCloseClientPort - ends a connection from the filter's side, and gives its place in MaxConnections back.
 * *ClientPort becomes NULL in the same instant for all who send. If the agent is still there, its calls fail
 * from now on; DisconnectNotify runs when it closes its handle. PASSIVE_LEVEL.
 */
VOID FLTAPI FltCloseClientPort(PFLT_FILTER Filter, PFLT_PORT *ClientPort)
{
        PFLT_PORT client;

        fm_check_irql("FltCloseClientPort", PASSIVE_LEVEL);
        pthread_mutex_lock(&ports_lock);
        client = *ClientPort;
        *ClientPort = NULL;
        pthread_mutex_unlock(&ports_lock);
        if (!client)
                return;
        if (client->is_server) {
                fm_violation("port-close-invalid", "FltCloseClientPort was called for a server port");
                return;
        }
        if (client->filter != Filter)
                fm_violation("port-close-invalid", "FltCloseClientPort: the port belongs to another filter");
        if (!client_close(client))
                fm_violation("port-close-twice", "FltCloseClientPort was called twice for one connection");
}

/* false: the time is over already. */
static bool deadline_set(struct fm_port_message *message, const LARGE_INTEGER *timeout)
{
        int64_t ticks, seconds, nanoseconds;
        struct timespec now;

        if (!timeout || timeout->QuadPart == 0)
                return true;
        message->has_deadline = true;
        if (timeout->QuadPart < 0) {
                ticks = timeout->QuadPart == INT64_MIN ? INT64_MAX : -timeout->QuadPart;
                message->clock = CLOCK_MONOTONIC;
                clock_gettime(CLOCK_MONOTONIC, &now);
                nanoseconds = now.tv_nsec + ticks % TICKS_PER_SECOND * 100;
                seconds = now.tv_sec + ticks / TICKS_PER_SECOND + nanoseconds / 1000000000;
                message->deadline = (struct timespec){.tv_sec = seconds, .tv_nsec = nanoseconds % 1000000000};
                return true;
        }
        ticks = timeout->QuadPart;
        message->clock = CLOCK_REALTIME;
        clock_gettime(CLOCK_REALTIME, &now);
        seconds = ticks / TICKS_PER_SECOND - UNIX_EPOCH_SECONDS;
        nanoseconds = ticks % TICKS_PER_SECOND * 100;
        message->deadline = (struct timespec){ .tv_sec = seconds, .tv_nsec = nanoseconds };
        return seconds > now.tv_sec || (seconds == now.tv_sec && nanoseconds > now.tv_nsec);
}

/*
 * FltSendMessage - sends a message to the agent and, with a ReplyBuffer, waits for its reply.
 * Returns the status that the reply's header carries; STATUS_SUCCESS when no reply is wanted and the message
 * was received; STATUS_TIMEOUT (a success code); STATUS_BUFFER_OVERFLOW (truncated reply);
 * STATUS_PORT_DISCONNECTED; STATUS_THREAD_IS_TERMINATING; STATUS_INVALID_PARAMETER;
 * STATUS_INSUFFICIENT_RESOURCES for what is longer than the transport carries (4 MiB). *ReplyLength is what
 * was copied: 0 unless a reply came. Up to APC_LEVEL.
 */
NTSTATUS FLTAPI FltSendMessage(PFLT_FILTER Filter, PFLT_PORT *ClientPort, PVOID SenderBuffer,
                               ULONG SenderBufferLength, PVOID ReplyBuffer, PULONG ReplyLength,
                               PLARGE_INTEGER Timeout)
{
        const struct fm_port_ops *ops = atomic_load_explicit(&transport, memory_order_acquire);
        struct fm_port_message message = {
                .payload = SenderBuffer,
                .length = SenderBufferLength,
                .reply = ReplyBuffer,
                .clock = CLOCK_MONOTONIC,
                .cancel = fm_thread_self()->cancel,
        };
        PFLT_PORT client;
        NTSTATUS status;

        fm_check_irql("FltSendMessage", APC_LEVEL);
        if (ReplyLength) {
                message.capacity = ReplyBuffer ? *ReplyLength : 0;
                *ReplyLength = 0;
        }
        if (!Filter || !ClientPort || (!SenderBuffer && SenderBufferLength > 0) ||
            (ReplyBuffer && !ReplyLength))
                return STATUS_INVALID_PARAMETER;

        pthread_mutex_lock(&ports_lock);
        /* Filters set it in ConnectNotify, where they hold no lock of ours. */
        client = __atomic_load_n(ClientPort, __ATOMIC_ACQUIRE);
        if (client)
                fm_port_ref(client);
        pthread_mutex_unlock(&ports_lock);
        if (!client || !ops) {
                status = STATUS_PORT_DISCONNECTED;
        } else if (client->is_server || client->filter != Filter) {
                fm_violation("port-send-invalid", "FltSendMessage: %s", client->is_server
                                     ? "a server port can't send" : "the port belongs to another filter");
                status = STATUS_INVALID_PARAMETER;
        } else if (!deadline_set(&message, Timeout)) {
                status = STATUS_TIMEOUT;
        } else {
                status = ops->send(client->connection, &message);
        }
        if (client)
                fm_port_unref(client);
        if (ReplyLength)
                *ReplyLength = message.replied;
        return status;
}

/*
 * FltBuildDefaultSecurityDescriptor - a descriptor that grants DesiredAccess to the system and to
 * administrators (root, and the group that the configuration names), to nobody else.
 * STATUS_INSUFFICIENT_RESOURCES.
 */
NTSTATUS FLTAPI FltBuildDefaultSecurityDescriptor(PSECURITY_DESCRIPTOR *SecurityDescriptor,
                                                  ACCESS_MASK DesiredAccess)
{
        PSID system = SeExports->SeLocalSystemSid, administrators = SeExports->SeAliasAdminsSid;
        PSECURITY_DESCRIPTOR descriptor;
        ULONG acl_size = sizeof(ACL) + 2 * FIELD_OFFSET(ACCESS_ALLOWED_ACE, SidStart) + RtlLengthSid(system) +
                         RtlLengthSid(administrators);
        PACL acl;

        if (!SecurityDescriptor)
                return STATUS_INVALID_PARAMETER;
        *SecurityDescriptor = NULL;
        descriptor = ExAllocatePoolWithTag(PagedPool, sizeof(SECURITY_DESCRIPTOR) + acl_size, 'sDmF');
        if (!descriptor)
                return STATUS_INSUFFICIENT_RESOURCES;
        acl = (PACL)((char *)descriptor + sizeof(SECURITY_DESCRIPTOR));
        RtlCreateSecurityDescriptor(descriptor, SECURITY_DESCRIPTOR_REVISION);
        RtlCreateAcl(acl, acl_size, ACL_REVISION);
        RtlAddAccessAllowedAce(acl, ACL_REVISION, DesiredAccess, system);
        RtlAddAccessAllowedAce(acl, ACL_REVISION, DesiredAccess, administrators);
        RtlSetDaclSecurityDescriptor(descriptor, TRUE, acl, FALSE);
        *SecurityDescriptor = descriptor;
        return STATUS_SUCCESS;
}

/* FltFreeSecurityDescriptor - frees what FltBuildDefaultSecurityDescriptor made. NULL is allowed. */
VOID FLTAPI FltFreeSecurityDescriptor(PSECURITY_DESCRIPTOR SecurityDescriptor)
{
        fm_check_irql(__func__, APC_LEVEL);
        if (SecurityDescriptor)
                ExFreePool(SecurityDescriptor);
}

/* A connection that only waits for its DisconnectNotify to give its place back, referenced; or NULL. */
static PFLT_PORT some_leaver(PFLT_PORT server)
{
        const struct fm_port_ops *ops = atomic_load(&transport);
        g_autoptr(GPtrArray) clients = g_ptr_array_new_with_free_func((GDestroyNotify)fm_port_unref);

        pthread_mutex_lock(&ports_lock);
        for (GList *l = server->filter->ports.head; l; l = l->next) {
                PFLT_PORT port = l->data;

                if (port->server == server && port->accepted && !port->closed &&
                    !fm_rundown_inside(&port->calls))
                        g_ptr_array_add(clients, fm_port_ref(port));
        }
        pthread_mutex_unlock(&ports_lock);
        for (guint i = 0; i < clients->len; i++)
                if (ops && ops->has_left(((PFLT_PORT)clients->pdata[i])->connection))
                        return fm_port_ref(clients->pdata[i]);
        return NULL;
}

/* ports_lock held. */
static NTSTATUS place_take_locked(PFLT_PORT server)
{
        if (server->closed)
                return STATUS_OBJECT_NAME_NOT_FOUND;
        if (server->connections >= server->max_connections)
                return STATUS_CONNECTION_COUNT_LIMIT;
        server->connections++;
        return STATUS_SUCCESS;
}

/*
 * One of MaxConnections. An agent's end has reached the filter on Windows when anybody can know of it; here it
 * is waited for, so that the next agent does not find the place of the last one taken. Not for callbacks that
 * the last one left behind.
 */
static NTSTATUS place_take(PFLT_PORT server)
{
        PFLT_PORT leaver;
        NTSTATUS status;

        pthread_mutex_lock(&ports_lock);
        while ((status = place_take_locked(server)) == STATUS_CONNECTION_COUNT_LIMIT) {
                pthread_mutex_unlock(&ports_lock);
                leaver = some_leaver(server);
                if (!leaver)
                        return status;
                pthread_mutex_lock(&ports_lock);
                while (leaver->disconnect != DISCONNECTED && !leaver->closed && !server->closed)
                        pthread_cond_wait(&ports_changed, &ports_lock);
                pthread_mutex_unlock(&ports_lock);
                fm_port_unref(leaver);
                pthread_mutex_lock(&ports_lock);
        }
        pthread_mutex_unlock(&ports_lock);
        return status;
}

/* The server port that the peer may connect to, referenced and with its `connecting` entered. */
static NTSTATUS server_enter(const struct fm_port_peer *peer, PCUNICODE_STRING name, PFLT_PORT *ret)
{
        NTSTATUS status = STATUS_SUCCESS;
        PFLT_PORT server;

        pthread_mutex_lock(&ports_lock);
        server = server_find_locked(name, false);
        if (server && fm_rundown_acquire(&server->connecting))
                fm_port_ref(server);
        else
                status = STATUS_OBJECT_NAME_NOT_FOUND;
        pthread_mutex_unlock(&ports_lock);
        if (!NT_SUCCESS(status))
                return status;

        /* The check may look up groups: not under the lock. */
        status = may_connect(server, peer) ? place_take(server) : STATUS_ACCESS_DENIED;
        if (!NT_SUCCESS(status)) {
                fm_rundown_release(&server->connecting);
                fm_port_unref(server);
                return status;
        }
        *ret = server;
        return STATUS_SUCCESS;
}

NTSTATUS fm_port_connect(const struct fm_port_peer *peer, PCUNICODE_STRING name, PVOID context, USHORT size,
                         void *connection, PFLT_PORT *ret)
{
        const struct fm_port_ops *ops = atomic_load(&transport);
        struct fm_callback_scope scope;
        PFLT_PORT server, client;
        NTSTATUS status;

        *ret = NULL;
        status = server_enter(peer, name, &server);
        if (!NT_SUCCESS(status)) {
                ops->release(connection);
                return status;
        }

        client = port_new(server->filter, false); /* this reference is the filter's */
        client->server = fm_port_ref(server);
        client->connection = connection;
        fm_port_ref(client); /* and this one the transport's */
        pthread_mutex_lock(&ports_lock);
        g_queue_push_tail(&client->filter->ports, client);
        pthread_mutex_unlock(&ports_lock);

        fm_callback_enter(&scope, server->filter, "ConnectNotify", peer->thread, NULL);
        status = server->connect_notify(client, server->server_cookie, context, size, &client->cookie);
        fm_callback_leave(&scope);

        pthread_mutex_lock(&ports_lock);
        if (NT_SUCCESS(status))
                client->accepted = true;
        else
                g_queue_remove(&client->filter->ports, client);
        pthread_mutex_unlock(&ports_lock);
        if (NT_SUCCESS(status)) {
                *ret = client;
        } else {
                client_close(client);
                fm_port_unref(client);
        }
        fm_rundown_release(&server->connecting);
        fm_port_unref(server);
        return status;
}

NTSTATUS fm_port_call(PFLT_PORT client, const struct fm_port_peer *peer, PVOID input, ULONG input_length,
                      PVOID output, ULONG output_length, PULONG returned)
{
        struct fm_callback_scope scope;
        NTSTATUS status;

        *returned = 0;
        if (!client->server->message_notify)
                return STATUS_INVALID_DEVICE_REQUEST;
        if (!fm_rundown_acquire(&client->calls))
                return STATUS_PORT_DISCONNECTED;
        fm_callback_enter(&scope, client->filter, "MessageNotify", peer->thread, NULL);
        status = client->server->message_notify(client->cookie, input, input_length, output, output_length,
                                                returned);
        fm_callback_leave(&scope);
        if (*returned > output_length && status != STATUS_BUFFER_TOO_SMALL) {
                fm_violation_of(&(struct fm_culprit){client->filter->name, "MessageNotify", NULL,
                                                     (const void *)client->server->message_notify},
                                "port-output-too-long", "returned %u bytes in a buffer of %u", *returned, output_length);
                *returned = output_length;
        }
        fm_rundown_release(&client->calls);
        return status;
}

/* Runs DisconnectNotify unless it ran, and waits until it has. */
static void client_disconnect(PFLT_PORT client)
{
        struct fm_callback_scope scope;
        bool mine;

        transport_kick(client);
        fm_rundown_wait(&client->calls);

        pthread_mutex_lock(&ports_lock);
        mine = client->disconnect == NOT_DISCONNECTED;
        if (mine)
                client->disconnect = DISCONNECTING;
        while (client->disconnect != (mine ? DISCONNECTING : DISCONNECTED))
                pthread_cond_wait(&ports_changed, &ports_lock);
        pthread_mutex_unlock(&ports_lock);
        if (!mine)
                return;

        fm_callback_enter(&scope, client->filter, "DisconnectNotify", NULL, NULL);
        client->server->disconnect_notify(client->cookie);
        fm_callback_leave(&scope);

        pthread_mutex_lock(&ports_lock);
        client->disconnect = DISCONNECTED;
        g_queue_remove(&client->filter->ports, client);
        pthread_cond_broadcast(&ports_changed);
        pthread_mutex_unlock(&ports_lock);
}

void fm_port_disconnected(PFLT_PORT client)
{
        client_disconnect(client);
        fm_port_unref(client);
}

/* The filter's first port of the kind, referenced, or NULL. */
static PFLT_PORT some_port(PFLT_FILTER filter, bool is_server)
{
        PFLT_PORT found = NULL;

        pthread_mutex_lock(&ports_lock);
        for (GList *l = filter->ports.head; l && !found; l = l->next) {
                PFLT_PORT port = l->data;

                if (port->is_server == is_server)
                        found = fm_port_ref(port);
        }
        pthread_mutex_unlock(&ports_lock);
        return found;
}

void fm_filter_close_ports(PFLT_FILTER filter)
{
        PFLT_PORT port;

        while ((port = some_port(filter, true))) {
                char *name = fm_utf8_from_utf16(port->name.Buffer, port->name.Length / sizeof(WCHAR));

                if (server_close(port, true))
                        fm_violation_of(&(struct fm_culprit){ .filter = filter->name, .callback = fm_thread_self()->callback },
                                        "port-leak", "the communication port %s was not closed before FltUnregisterFilter",
                                        name);
                free(name);
                fm_port_unref(port);
        }
        while ((port = some_port(filter, false))) {
                bool left_open;

                /* A connect in progress of a port that was closed by the filter himself. */
                fm_rundown_wait(&port->server->connecting);
                pthread_mutex_lock(&ports_lock);
                left_open = port->accepted;
                pthread_mutex_unlock(&ports_lock);
                if (left_open) {
                        client_disconnect(port);
                        pthread_mutex_lock(&ports_lock);
                        left_open = !port->closed;
                        pthread_mutex_unlock(&ports_lock);
                }
                /* The filter's reference stays: his variable still points here, and he may use it until he is
                 * gone. */
                if (left_open)
                        fm_violation_of(&(struct fm_culprit){ .filter = filter->name, .callback = fm_thread_self()->callback },
                                        "port-leak", "a connection was not closed with FltCloseClientPort");
                fm_port_unref(port);
        }
}

NTSTATUS fm_port_give_descriptor(PEPROCESS process, int fd, uint64_t size, HANDLE *ret)
{
        const struct fm_port_ops *ops = atomic_load(&transport);

        return ops ? ops->give(process, fd, size, ret) : STATUS_NOT_FOUND;
}

NTSTATUS fm_port_revoke_descriptor(PEPROCESS process, HANDLE handle)
{
        const struct fm_port_ops *ops = atomic_load(&transport);

        return ops ? ops->revoke(process, handle) : STATUS_INVALID_HANDLE;
}

bool fm_port_has_client(PEPROCESS process)
{
        const struct fm_port_ops *ops = atomic_load(&transport);

        return ops && ops->has_client(process);
}

bool fm_port_is_given_handle(HANDLE handle)
{
        return (ULONG_PTR)handle >= FM_PORT_GIVEN_FIRST && (ULONG_PTR)handle <= FM_PORT_GIVEN_LAST;
}
