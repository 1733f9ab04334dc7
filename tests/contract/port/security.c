/* SPDX-License-Identifier: MIT */
/*
 * Who may connect, row by row, with real users and groups; and what a hostile peer can do to others.
 *
 *   SecurityDescriptor NULL: uid 0 and the manager's                 /security/no-descriptor
 *   descriptor does not grant access: 0x80070005, ConnectNotify not
 *     called                                                         /security/default/..., all refusals
 *   FltBuildDefaultSecurityDescriptor: System and Administrators     /security/default/others, /security/default/root,
 *                                                                    /security/default/administrators
 *   FltFreeSecurityDescriptor frees just that; the port keeps a copy /security/descriptor-is-copied
 *   RtlSetDaclSecurityDescriptor(sd, TRUE, NULL, FALSE) = everyone   /security/null-dacl
 *   (an empty one: nobody, not even root)                            /security/empty-dacl
 *   FLT_PORT_CONNECT has to be granted                               /security/other-right
 *   in order, deny before allow as they stand                        /security/order
 *   uid N = S-1-22-1-N, gid N = S-1-22-2-N, supplementary groups     /security/user, /security/group,
 *                                                                    /security/supplementary-group
 *   everyone S-1-1-0, authenticated users S-1-5-11                   /security/well-known
 *   a peer can't claim another process id                            /security/process-id
 *   an entry that is only for heirs grants nothing; in pieces, too    /security/inherit-only, /security/together
 *   descriptors as published filters build them                      /security/published/default-with-null-dacl,
 *                                                                    /security/published/acl,
 *                                                                    /security/published/self-relative
 *   FltBuildDefaultSecurityDescriptor: two entries with the rights
 *     that were asked for                                            /security/default/content
 *   garbage hurts only the one who sends it                          /security/garbage
 *   limits on connections                                            /security/connection-limit
 *   management changes need privilege                                manage.c
 */
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fixture.h"
#include "nt/pool.h"
#include "nt/security.h"

#define OTHER_USER 65534
#define OTHER_GROUP 65533
#define THIRD_GROUP 65532
#define DENIED 0x80070005

static struct port *port_with(PSECURITY_DESCRIPTOR security)
{
        struct port *port = g_new0(struct port, 1);

        assert_hex(port_create(port, &(struct port_options){
                .name = PORT_NAME, .attributes = OBJ_KERNEL_HANDLE, .security = security, .max_connections = 8,
        }), ==, STATUS_SUCCESS);
        return port;
}

/* What the agent gets; ConnectNotify has run if and only if it is allowed. */
static guint32 try_connect_handle(struct port *port, struct agent *agent, uint64_t *handle)
{
        unsigned before = port->connects;
        const struct remote_result *result = RUN(agent, REMOTE_CONNECT, .flags = REMOTE_NULL_IN, NAME_DATA(PORT_NAME));

        g_assert_cmpuint(port->connects, ==, before + (result->hr == 0));
        g_assert_true((result->handle == UINT64_MAX) == (result->hr != 0));
        *handle = result->handle;
        return result->hr;
}

static guint32 try_connect(struct port *port, struct agent *agent)
{
        uint64_t handle;

        return try_connect_handle(port, agent, &handle);
}

struct entry {
        bool denies;
        UCHAR flags;
        ACCESS_MASK mask;
        guint8 authority;
        ULONG count, sub[2];
};

#define EVERYONE(...) { .authority = 1, .count = 1, .sub = { 0 }, ##__VA_ARGS__ }
#define AUTHENTICATED { .authority = 5, .count = 1, .sub = { 11 }, .mask = FLT_PORT_CONNECT }
#define USER(n, ...) { .authority = 22, .count = 2, .sub = { 1, n }, .mask = FLT_PORT_CONNECT, ##__VA_ARGS__ }
#define GROUP(n, ...) { .authority = 22, .count = 2, .sub = { 2, n }, .mask = FLT_PORT_CONNECT, ##__VA_ARGS__ }

/* What the agent gets at a port with such a DACL. */
static void expect(const struct entry *entries, unsigned count, struct agent *agent, guint32 hr)
{
        union {
                ACL acl;
                char room[512];
        } memory;
        SECURITY_DESCRIPTOR descriptor;
        struct port *port;
        uint64_t handle;

        assert_hex(RtlCreateSecurityDescriptor(&descriptor, SECURITY_DESCRIPTOR_REVISION), ==, STATUS_SUCCESS);
        assert_hex(RtlCreateAcl(&memory.acl, sizeof(memory), ACL_REVISION), ==, STATUS_SUCCESS);
        for (unsigned i = 0; i < count; i++) {
                SID_IDENTIFIER_AUTHORITY authority = { { 0, 0, 0, 0, 0, entries[i].authority } };
                union {
                        SID sid;
                        char room[SECURITY_MAX_SID_SIZE];
                } sid;

                RtlInitializeSid(&sid.sid, &authority, (UCHAR)entries[i].count);
                for (ULONG j = 0; j < entries[i].count; j++)
                        *RtlSubAuthoritySid(&sid.sid, j) = entries[i].sub[j];
                if (entries[i].denies)
                        assert_hex(RtlAddAccessDeniedAce(&memory.acl, ACL_REVISION, entries[i].mask, &sid.sid), ==,
                                   STATUS_SUCCESS);
                else
                        assert_hex(RtlAddAccessAllowedAceEx(&memory.acl, ACL_REVISION, entries[i].flags,
                                                            entries[i].mask, &sid.sid), ==, STATUS_SUCCESS);
        }
        assert_hex(RtlSetDaclSecurityDescriptor(&descriptor, TRUE, &memory.acl, FALSE), ==, STATUS_SUCCESS);
        port = port_with(&descriptor);
        assert_hex(try_connect_handle(port, agent, &handle), ==, hr);
        if (hr == 0)
                RUN(agent, REMOTE_CLOSE, .handle = handle);
        port_free(port);
}

#define EXPECT(agent, hr, ...)                                            \
        do {                                                              \
                const struct entry entries[] = { __VA_ARGS__ };           \
                expect(entries, G_N_ELEMENTS(entries), agent, hr);        \
        } while (0)

static void test_no_descriptor(void)
{
        struct port *port = port_with(NULL);
        struct agent *own = agent_new(), *other;

        assert_hex(try_connect(port, own), ==, 0);
        if (is_root()) {
                other = agent_new_of(OTHER_USER, OTHER_GROUP, 0);
                assert_hex(try_connect(port, other), ==, DENIED);
                agent_free(other);
        }
        agent_free(own);
        port_free(port);
}

static struct port *port_default(void)
{
        PSECURITY_DESCRIPTOR security;
        struct port *port;

        assert_hex(FltBuildDefaultSecurityDescriptor(&security, FLT_PORT_ALL_ACCESS), ==, STATUS_SUCCESS);
        port = port_with(security);
        FltFreeSecurityDescriptor(security);
        return port;
}

static void test_default_root(void)
{
        struct port *port = port_default();
        struct agent *agent = agent_new();

        /* Root, or the user who runs the filter manager, who is its administrator. */
        assert_hex(try_connect(port, agent), ==, 0);
        agent_free(agent);
        port_free(port);
}

static void test_default_others(void)
{
        struct port *port;
        struct agent *agent;

        if (!is_root())
                return;
        port = port_default();
        agent = agent_new_of(OTHER_USER, OTHER_GROUP, THIRD_GROUP);
        assert_hex(try_connect(port, agent), ==, DENIED);
        agent_free(agent);
        port_free(port);
}

static void test_default_administrators(void)
{
        struct port *port;
        struct agent *member, *other;

        if (!is_root())
                return;
        port = port_default();
        member = agent_new_of(OTHER_USER, OTHER_GROUP, THIRD_GROUP);
        other = agent_new_of(OTHER_USER, OTHER_GROUP, 0);
        fm_security_set_administrators(THIRD_GROUP);
        assert_hex(try_connect(port, member), ==, 0);
        assert_hex(try_connect(port, other), ==, DENIED);
        fm_security_set_administrators((gid_t)-1);
        assert_hex(try_connect(port, member), ==, DENIED);
        agent_free(member);
        agent_free(other);
        port_free(port);
}

static void test_descriptor_is_copied(void)
{
        SECURITY_DESCRIPTOR descriptor;
        struct agent *agent = agent_new();
        struct port *port;
        ACL acl;

        RtlCreateSecurityDescriptor(&descriptor, SECURITY_DESCRIPTOR_REVISION);
        RtlSetDaclSecurityDescriptor(&descriptor, TRUE, NULL, FALSE);
        port = port_with(&descriptor);
        /* What the filter does to its own afterwards changes nothing. */
        RtlCreateAcl(&acl, sizeof(acl), ACL_REVISION);
        RtlSetDaclSecurityDescriptor(&descriptor, TRUE, &acl, FALSE);
        assert_hex(try_connect(port, agent), ==, 0);
        agent_free(agent);
        port_free(port);
        FltFreeSecurityDescriptor(NULL);
}

static void test_null_dacl(void)
{
        SECURITY_DESCRIPTOR descriptor;
        struct agent *agent;
        struct port *port;

        if (!is_root())
                return;
        RtlCreateSecurityDescriptor(&descriptor, SECURITY_DESCRIPTOR_REVISION);
        RtlSetDaclSecurityDescriptor(&descriptor, TRUE, NULL, FALSE);
        port = port_with(&descriptor);
        agent = agent_new_of(OTHER_USER, OTHER_GROUP, 0);
        assert_hex(try_connect(port, agent), ==, 0);
        agent_free(agent);
        port_free(port);
}

static void test_empty_dacl(void)
{
        struct agent *agent = agent_new();

        expect(NULL, 0, agent, DENIED);
        agent_free(agent);
}

static void test_other_right(void)
{
        struct agent *agent = agent_new();

        EXPECT(agent, DENIED, EVERYONE(.mask = FLT_PORT_ALL_ACCESS & ~FLT_PORT_CONNECT));
        EXPECT(agent, 0, EVERYONE(.mask = FLT_PORT_CONNECT));
        EXPECT(agent, 0, EVERYONE(.mask = GENERIC_ALL));
        EXPECT(agent, DENIED, EVERYONE(.mask = GENERIC_READ));
        agent_free(agent);
}

static void test_order(void)
{
        struct agent *agent;

        if (!is_root())
                return;
        agent = agent_new_of(OTHER_USER, OTHER_GROUP, 0);
        EXPECT(agent, DENIED, USER(OTHER_USER, .denies = true), EVERYONE(.mask = FLT_PORT_CONNECT));
        EXPECT(agent, 0, EVERYONE(.mask = FLT_PORT_CONNECT), USER(OTHER_USER, .denies = true));
        EXPECT(agent, DENIED, GROUP(OTHER_GROUP, .denies = true), USER(OTHER_USER));
        EXPECT(agent, 0, USER(OTHER_USER), GROUP(OTHER_GROUP, .denies = true));
        EXPECT(agent, 0, USER(1, .denies = true), USER(OTHER_USER));
        agent_free(agent);
}

static void test_user(void)
{
        struct agent *agent;

        if (!is_root())
                return;
        agent = agent_new_of(OTHER_USER, OTHER_GROUP, 0);
        EXPECT(agent, 0, USER(OTHER_USER));
        EXPECT(agent, DENIED, USER(OTHER_GROUP));
        EXPECT(agent, DENIED, USER(0));
        agent_free(agent);
}

static void test_group(void)
{
        struct agent *agent;

        if (!is_root())
                return;
        agent = agent_new_of(OTHER_USER, OTHER_GROUP, 0);
        EXPECT(agent, 0, GROUP(OTHER_GROUP));
        EXPECT(agent, DENIED, GROUP(OTHER_USER));
        EXPECT(agent, DENIED, GROUP(THIRD_GROUP));
        agent_free(agent);
}

static void test_supplementary_group(void)
{
        struct agent *agent;

        if (!is_root())
                return;
        agent = agent_new_of(OTHER_USER, OTHER_GROUP, THIRD_GROUP);
        EXPECT(agent, 0, GROUP(THIRD_GROUP));
        EXPECT(agent, DENIED, GROUP(THIRD_GROUP, .denies = true), EVERYONE(.mask = FLT_PORT_CONNECT));
        agent_free(agent);
}

static void test_well_known(void)
{
        struct agent *agent;

        if (!is_root())
                return;
        agent = agent_new_of(OTHER_USER, OTHER_GROUP, 0);
        EXPECT(agent, 0, AUTHENTICATED);
        EXPECT(agent, 0, EVERYONE(.mask = FLT_PORT_CONNECT));
        /* Local System, Administrators. */
        EXPECT(agent, DENIED, { .authority = 5, .count = 1, .sub = { 18 }, .mask = FLT_PORT_CONNECT },
               { .authority = 5, .count = 2, .sub = { 32, 544 }, .mask = FLT_PORT_CONNECT });
        agent_free(agent);
        agent = agent_new();
        EXPECT(agent, 0, { .authority = 5, .count = 1, .sub = { 18 }, .mask = FLT_PORT_CONNECT });
        EXPECT(agent, 0, { .authority = 5, .count = 2, .sub = { 32, 544 }, .mask = FLT_PORT_CONNECT });
        agent_free(agent);
}

static void test_inherit_only(void)
{
        struct agent *agent = agent_new();

        EXPECT(agent, DENIED, EVERYONE(.mask = FLT_PORT_CONNECT, .flags = INHERIT_ONLY_ACE));
        EXPECT(agent, 0, EVERYONE(.mask = FLT_PORT_CONNECT, .flags = CONTAINER_INHERIT_ACE));
        agent_free(agent);
}

/* Denying one right does not deny another; what is granted twice is granted. */
static void test_together(void)
{
        struct agent *agent = agent_new();

        EXPECT(agent, 0, EVERYONE(.mask = READ_CONTROL, .denies = true), EVERYONE(.mask = FLT_PORT_ALL_ACCESS));
        EXPECT(agent, DENIED, EVERYONE(.mask = GENERIC_WRITE, .denies = true), EVERYONE(.mask = FLT_PORT_ALL_ACCESS));
        EXPECT(agent, 0, EVERYONE(.mask = READ_CONTROL), EVERYONE(.mask = FLT_PORT_CONNECT),
               EVERYONE(.mask = FLT_PORT_CONNECT));
        agent_free(agent);
}

static void test_default_content(void)
{
        static const ACCESS_MASK masks[] = { FLT_PORT_ALL_ACCESS, FLT_PORT_CONNECT, READ_CONTROL };
        struct fm_pool_usage before = fm_pool_outstanding(NULL, 0);
        struct agent *agent = agent_new();

        for (unsigned i = 0; i < G_N_ELEMENTS(masks); i++) {
                PSID const sids[] = { SeExports->SeLocalSystemSid, SeExports->SeAliasAdminsSid };
                BOOLEAN present = FALSE, defaulted = TRUE;
                PSECURITY_DESCRIPTOR security;
                struct port *port;
                PACL acl;

                assert_hex(FltBuildDefaultSecurityDescriptor(&security, masks[i]), ==, STATUS_SUCCESS);
                g_assert_true(RtlValidSecurityDescriptor(security));
                assert_hex(RtlGetDaclSecurityDescriptor(security, &present, &acl, &defaulted), ==, STATUS_SUCCESS);
                g_assert_true(present && !defaulted);
                g_assert_cmpuint(acl->AceCount, ==, 2);
                for (ULONG n = 0; n < 2; n++) {
                        PACCESS_ALLOWED_ACE ace;

                        assert_hex(RtlGetAce(acl, n, (PVOID *)&ace), ==, STATUS_SUCCESS);
                        g_assert_cmpuint(ace->Header.AceType, ==, ACCESS_ALLOWED_ACE_TYPE);
                        g_assert_cmphex(ace->Mask, ==, masks[i]);
                        g_assert_true(RtlEqualSid(&ace->SidStart, sids[n]));
                }
                port = port_with(security);
                FltFreeSecurityDescriptor(security);
                assert_hex(try_connect(port, agent), ==, masks[i] & FLT_PORT_CONNECT ? 0 : DENIED);
                FltCloseCommunicationPort(g_steal_pointer(&port->server));
                agent_free(agent);
                agent = agent_new();
                port_free(port);
        }
        agent_free(agent);
        g_assert_cmpuint(fm_pool_outstanding(NULL, 0).blocks, ==, before.blocks);
}

/* Everybody may: the default one, whose list is replaced. */
static void test_published_null_dacl(void)
{
        PSECURITY_DESCRIPTOR security;
        struct agent *agent;
        struct port *port;

        if (!is_root())
                return;
        assert_hex(FltBuildDefaultSecurityDescriptor(&security, FLT_PORT_ALL_ACCESS), ==, STATUS_SUCCESS);
        assert_hex(RtlSetDaclSecurityDescriptor(security, TRUE, NULL, FALSE), ==, STATUS_SUCCESS);
        port = port_with(security);
        FltFreeSecurityDescriptor(security);
        agent = agent_new_of(OTHER_USER, OTHER_GROUP, 0);
        assert_hex(try_connect(port, agent), ==, 0);
        agent_free(agent);
        port_free(port);
}

/* A list in pool memory, as large as its entries, of the system's SIDs; freed when the port is there. */
static PACL published_acl(PSID last)
{
        PSID const sids[] = { SeExports->SeLocalSystemSid, SeExports->SeAliasAdminsSid, last };
        ULONG size = sizeof(ACL);
        PACL acl;

        for (unsigned i = 0; i < G_N_ELEMENTS(sids); i++)
                size += FIELD_OFFSET(ACCESS_ALLOWED_ACE, SidStart) + RtlLengthSid(sids[i]);
        acl = ExAllocatePoolWithTag(PagedPool, size, 'lcAt');
        g_assert_nonnull(acl);
        assert_hex(RtlCreateAcl(acl, size, ACL_REVISION), ==, STATUS_SUCCESS);
        for (unsigned i = 0; i < G_N_ELEMENTS(sids); i++)
                assert_hex(RtlAddAccessAllowedAce(acl, ACL_REVISION, FLT_PORT_ALL_ACCESS, sids[i]), ==, STATUS_SUCCESS);
        assert_hex(RtlAddAccessAllowedAce(acl, ACL_REVISION, FLT_PORT_ALL_ACCESS, last), ==,
                   STATUS_ALLOTTED_SPACE_EXCEEDED);
        return acl;
}

static void published(bool relative)
{
        PSID const lasts[] = { SeExports->SeAuthenticatedUsersSid, SeExports->SeWorldSid, SeExports->SeNullSid };
        struct agent *agent;

        if (!is_root())
                return;
        agent = agent_new_of(OTHER_USER, OTHER_GROUP, 0);
        for (unsigned i = 0; i < G_N_ELEMENTS(lasts); i++) {
                PACL acl = published_acl(lasts[i]);
                SECURITY_DESCRIPTOR descriptor;
                char room[512];
                ULONG size = sizeof(room);
                struct port *port;
                uint64_t handle;

                assert_hex(RtlCreateSecurityDescriptor(&descriptor, SECURITY_DESCRIPTOR_REVISION), ==, STATUS_SUCCESS);
                assert_hex(RtlSetDaclSecurityDescriptor(&descriptor, TRUE, acl, FALSE), ==, STATUS_SUCCESS);
                if (relative)
                        assert_hex(RtlAbsoluteToSelfRelativeSD(&descriptor, room, &size), ==, STATUS_SUCCESS);
                port = port_with(relative ? (PSECURITY_DESCRIPTOR)room : &descriptor);
                ExFreePoolWithTag(acl, 'lcAt');
                memset(room, 0xff, sizeof(room));
                assert_hex(try_connect_handle(port, agent, &handle), ==, i == 2 ? DENIED : 0);
                if (i < 2)
                        RUN(agent, REMOTE_CLOSE, .handle = handle);
                port_free(port);
        }
        agent_free(agent);
}

static void test_published_acl(void)
{
        published(false);
}

static void test_published_relative(void)
{
        published(true);
}

/* Whatever it says, and whoever runs beside it: the kernel says who it is. */
static void test_process_id(void)
{
        struct port *port = port_new(PORT_NAME, 4);
        struct agent *first = agent_new(), *second = agent_new();
        struct remote_request request = { .op = REMOTE_CONNECT, .size = sizeof(pid_t), .length = 14 + sizeof(pid_t) };

        memcpy(request.data, PORT_NAME, sizeof(PORT_NAME));
        memcpy(request.data + sizeof(PORT_NAME), &first->pid, sizeof(pid_t));
        assert_hex(agent_finish(second, agent_start_request(second, request))->hr, ==, 0);
        g_assert_cmpint(port->links[0].connector, ==, second->pid);
        agent_connect(first, port, NULL);
        g_assert_cmpint(port->links[1].connector, ==, first->pid);
        agent_free(first);
        agent_free(second);
        port_free(port);
}

#define HELLO "\x18\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0FLTP\x01\0\x01\0"

static void test_garbage(void)
{
#define PACKET(text) { text, sizeof(text) - 1 }
        static const struct {
                const char *bytes;
                unsigned length;
        } packets[] = {
                PACKET("x"),
                PACKET("\x10\0\0\0\x01\0\0\0\0\0\0\0\0\0\0"),                 /* half a header */
                PACKET("\x11\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0"),               /* longer than it is */
                PACKET("\x0f\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0"),               /* shorter than it is */
                PACKET("\xff\xff\xff\xff\x01\0\0\0\0\0\0\0\0\0\0\0"),
                PACKET("\x10\0\0\0\x77\x77\0\0\0\0\0\0\0\0\0\0"),             /* unknown type */
                PACKET("\x14\0\0\0\x07\0\0\0\0\0\0\0\0\0\0\0\x40\0\0\0"),     /* GET before anything */
                PACKET("\x14\0\0\0\x08\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),     /* what the server says */
                PACKET("\x10\0\0\0\x01\0\x01\0\0\0\0\0\0\0\0\0"),             /* not 0 what must be 0 */
                PACKET("GET / HTTP/1.1\r\n\r\n"),
        };
        struct port *port = port_new(PORT_NAME, 4);
        struct agent *agent = agent_new(), *bystander = agent_new();
        uint64_t handle = agent_connect(bystander, port, NULL);

        for (unsigned i = 0; i < G_N_ELEMENTS(packets); i++) {
                for (unsigned greeted = 0; greeted < 2; greeted++) {
                        struct remote_request request = { .op = REMOTE_RAW };
                        const struct remote_result *result;
                        uint32_t length = sizeof(HELLO) - 1;

                        if (greeted) {
                                memcpy(request.data, &length, 4);
                                memcpy(request.data + 4, HELLO, length);
                                request.length = 4 + length;
                        }
                        length = packets[i].length;
                        memcpy(request.data + request.length, &length, 4);
                        memcpy(request.data + request.length + 4, packets[i].bytes, length);
                        request.length += 4 + length;
                        g_test_message("packet %u, %s", i, greeted ? "greeted" : "first");
                        /* It ends: that is what the request waits for. The last word is GOODBYE. */
                        result = agent_finish(agent, agent_start_request(agent, request));
                        g_assert_cmpuint(result->bytes, >=, 20);
                        g_assert_cmpuint(result->data[4], ==, 0x09);
                        g_assert_cmpuint(result->data[5], ==, 0x80);
                        assert_hex(agent_send(bystander, handle, "x"), ==, 0);
                }
        }
        g_assert_cmpuint(port->links[0].disconnects, ==, 0);
        g_assert_cmpuint(port->connects, ==, 1);
        agent_free(agent);
        agent_free(bystander);
        port_free(port);
}

static void test_connection_limit(void)
{
        struct rlimit limit;
        struct agent *flooder, *agent;
        struct port *port;

        if (!is_root())
                return;
        g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &limit), ==, 0);
        if (limit.rlim_max < 2048) {
                g_test_skip("needs 2048 descriptors");
                return;
        }
        limit.rlim_cur = limit.rlim_max;
        g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &limit), ==, 0);
        port = port_new(PORT_NAME, 4);
        flooder = agent_new_of(OTHER_USER, OTHER_GROUP, 0);
        g_assert_cmpuint(RUN(flooder, REMOTE_FLOOD, .size = 1100, TEXT_DATA(HELLO))->value, ==, 1024);
        /* He has no more, others have. */
        assert_hex(RUN(flooder, REMOTE_CONNECT, .flags = REMOTE_NULL_IN, NAME_DATA(PORT_NAME))->hr, ==, 0x800705AA);
        agent = agent_new();
        agent_connect(agent, port, NULL);
        agent_free(agent);
        agent_free(flooder);
        flooder = agent_new_of(OTHER_USER, OTHER_GROUP, 0);
        g_assert_cmpuint(RUN(flooder, REMOTE_FLOOD, .size = 10, .options = 1, TEXT_DATA(HELLO))->value, ==, 10);
        agent_free(flooder);
        port_free(port);
}

static void add_tests(void)
{
        g_test_add_func("/security/no-descriptor", test_no_descriptor);
        g_test_add_func("/security/default/root", test_default_root);
        g_test_add_func("/security/default/others", test_default_others);
        g_test_add_func("/security/default/administrators", test_default_administrators);
        g_test_add_func("/security/descriptor-is-copied", test_descriptor_is_copied);
        g_test_add_func("/security/null-dacl", test_null_dacl);
        g_test_add_func("/security/empty-dacl", test_empty_dacl);
        g_test_add_func("/security/other-right", test_other_right);
        g_test_add_func("/security/order", test_order);
        g_test_add_func("/security/user", test_user);
        g_test_add_func("/security/group", test_group);
        g_test_add_func("/security/supplementary-group", test_supplementary_group);
        g_test_add_func("/security/well-known", test_well_known);
        g_test_add_func("/security/inherit-only", test_inherit_only);
        g_test_add_func("/security/together", test_together);
        g_test_add_func("/security/default/content", test_default_content);
        g_test_add_func("/security/published/default-with-null-dacl", test_published_null_dacl);
        g_test_add_func("/security/published/acl", test_published_acl);
        g_test_add_func("/security/published/self-relative", test_published_relative);
        g_test_add_func("/security/process-id", test_process_id);
        g_test_add_func("/security/garbage", test_garbage);
        g_test_add_func("/security/connection-limit", test_connection_limit);
}

int main(int argc, char **argv)
{
        return fixture_main(argc, argv, add_tests);
}
