/* SPDX-License-Identifier: MIT */
/* Access checks: entries in order against Linux credentials. */
#include <fltKernel.h>
#include <glib.h>

#include "nt/security.h"

#define READ  0x1
#define WRITE 0x2

static const GENERIC_MAPPING mapping = {READ, WRITE, 0, READ | WRITE};

enum who {
        EVERYONE,
        AUTHENTICATED,
        SYSTEM,
        ADMINISTRATORS,
        USER_1000,
        USER_1001,
        GROUP_50,
        GROUP_60,
        OTHER_RID
};

static void make_sid(enum who who, PSID sid)
{
        static const struct {
                UCHAR authority, count;
                ULONG sub[2];
        } table[] = {
                [EVERYONE] = {1, 1, {0}},         [AUTHENTICATED] = {5, 1, {11}},
                [SYSTEM] = {5, 1, {18}},          [ADMINISTRATORS] = {5, 2, {32, 544}},
                [USER_1000] = {22, 2, {1, 1000}}, [USER_1001] = {22, 2, {1, 1001}},
                [GROUP_50] = {22, 2, {2, 50}},    [GROUP_60] = {22, 2, {2, 60}},
                [OTHER_RID] = {22, 2, {3, 1000}},
        };
        SID_IDENTIFIER_AUTHORITY authority = {{0, 0, 0, 0, 0, table[who].authority}};

        g_assert_cmphex(RtlInitializeSid(sid, &authority, table[who].count), ==, STATUS_SUCCESS);
        for (UCHAR i = 0; i < table[who].count; i++)
                *RtlSubAuthoritySid(sid, i) = table[who].sub[i];
}

struct entry {
        char kind; /* 'a'llow, 'd'eny, inherit-only 'i', 0: end */
        enum who who;
        ACCESS_MASK mask;
};

static const gid_t groups[] = {50, 70};
static const struct fm_credentials user = {1000, 100, groups, 2};
static const struct fm_credentials root = {0, 0, NULL, 0};

static void build(SECURITY_DESCRIPTOR *sd, PACL acl, size_t size, const struct entry *entries)
{
        ULONG sid[32];

        RtlCreateSecurityDescriptor(sd, SECURITY_DESCRIPTOR_REVISION);
        g_assert_cmphex(RtlCreateAcl(acl, (ULONG)size, ACL_REVISION), ==, STATUS_SUCCESS);
        for (; entries->kind; entries++) {
                make_sid(entries->who, sid);
                if (entries->kind == 'd')
                        RtlAddAccessDeniedAce(acl, ACL_REVISION, entries->mask, sid);
                else
                        RtlAddAccessAllowedAceEx(acl, ACL_REVISION,
                                                 entries->kind == 'i' ? INHERIT_ONLY_ACE : 0, entries->mask,
                                                 sid);
        }
        g_assert_true(RtlValidAcl(acl));
        RtlSetDaclSecurityDescriptor(sd, TRUE, acl, FALSE);
}

static void test_table(void)
{
        static const struct {
                struct entry entries[4];
                ACCESS_MASK desired;
                bool user, root;
        } table[] = {
                {{{0}}, READ, false, false}, /* an empty list: nobody */
                {{{'a', EVERYONE, READ}}, READ, true, true},
                {{{'a', EVERYONE, READ}}, READ | WRITE, false, false},
                {{{'a', AUTHENTICATED, READ}}, READ, true, true},
                {{{'a', SYSTEM, READ}}, READ, false, true},
                {{{'a', ADMINISTRATORS, READ}}, READ, false, true},
                {{{'a', USER_1000, READ}}, READ, true, false},
                {{{'a', USER_1001, READ}}, READ, false, false},
                {{{'a', GROUP_50, READ}}, READ, true, false},
                {{{'a', GROUP_60, READ}}, READ, false, false},
                {{{'a', OTHER_RID, READ}}, READ, false, false},
                {{{'i', EVERYONE, READ}}, READ, false, false},
                {{{'d', USER_1000, READ}, {'a', EVERYONE, READ}}, READ, false, true},
                {{{'a', EVERYONE, READ}, {'d', USER_1000, READ}}, READ, true, true}, /* as they stand */
                {{{'d', GROUP_50, WRITE}, {'a', EVERYONE, READ | WRITE}}, READ, true, true},
                {{{'d', GROUP_50, WRITE}, {'a', EVERYONE, READ | WRITE}}, WRITE, false, true},
                {{{'a', USER_1000, READ}, {'a', GROUP_50, WRITE}}, READ | WRITE, true, false}, /* together */
                {{{'a', EVERYONE, GENERIC_ALL}}, READ | WRITE, true, true},
                {{{'d', EVERYONE, GENERIC_WRITE}, {'a', EVERYONE, GENERIC_ALL}}, WRITE, false, false},
                {{{'a', EVERYONE, READ}}, GENERIC_READ, true, true},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
                SECURITY_DESCRIPTOR sd;
                ULONG acl[64];

                g_test_message("%zu", i);
                build(&sd, (PACL)acl, sizeof(acl), table[i].entries);
                g_assert_cmpint(fm_access_check(&sd, &user, table[i].desired, &mapping, NULL), ==,
                                table[i].user);
                g_assert_cmpint(fm_access_check(&sd, &root, table[i].desired, &mapping, NULL), ==,
                                table[i].root);
        }
}

static void test_special(void)
{
        static const struct entry none[] = {{0}}, read[] = {{'a', EVERYONE, READ}, {0}};
        SECURITY_DESCRIPTOR sd;
        ULONG acl[64], sid[32];
        ACCESS_MASK granted;
        static const struct fm_credentials member = {1234, 77, NULL, 0};

        /* No list at all: everybody. */
        RtlCreateSecurityDescriptor(&sd, SECURITY_DESCRIPTOR_REVISION);
        g_assert_true(fm_access_check(&sd, &user, READ | WRITE, &mapping, NULL));
        RtlSetDaclSecurityDescriptor(&sd, TRUE, NULL, FALSE);
        g_assert_true(fm_access_check(&sd, &user, READ | WRITE, &mapping, &granted));
        g_assert_cmphex(granted, ==, READ | WRITE);
        g_assert_false(fm_access_check(NULL, &user, READ, &mapping, NULL));

        build(&sd, (PACL)acl, sizeof(acl), none);
        make_sid(USER_1000, sid);
        RtlSetOwnerSecurityDescriptor(&sd, sid, FALSE);
        g_assert_true(fm_access_check(&sd, &user, READ_CONTROL | WRITE_DAC, &mapping, NULL));
        g_assert_false(fm_access_check(&sd, &root, READ_CONTROL, &mapping, NULL));

        build(&sd, (PACL)acl, sizeof(acl), read);
        g_assert_true(fm_access_check(&sd, &user, MAXIMUM_ALLOWED, &mapping, &granted));
        g_assert_cmphex(granted, ==, READ);
        g_assert_false(fm_access_check(&sd, &user, 0, &mapping, NULL));

        /* A malformed list grants nothing. */
        acl[1] = 9; /* AceCount */
        g_assert_false(fm_access_check(&sd, &user, READ, &mapping, NULL));

        {
                static const struct entry admins[] = {{'a', ADMINISTRATORS, READ}, {0}};

                build(&sd, (PACL)acl, sizeof(acl), admins);
                g_assert_false(fm_access_check(&sd, &member, READ, &mapping, NULL));
                fm_security_set_administrators(77);
                g_assert_true(fm_access_check(&sd, &member, READ, &mapping, NULL));
                fm_security_set_administrators((gid_t)-1);
        }
}

static void test_descriptors(void)
{
        static const struct entry read[] = {{'a', EVERYONE, READ}, {'d', USER_1001, WRITE}, {0}};
        SECURITY_DESCRIPTOR sd;
        ULONG acl[64], sid[32], relative[128];
        ULONG size = 0;
        UNICODE_STRING text;
        PVOID ace;

        build(&sd, (PACL)acl, sizeof(acl), read);
        make_sid(ADMINISTRATORS, sid);
        RtlSetOwnerSecurityDescriptor(&sd, sid, FALSE);
        g_assert_cmphex(RtlAbsoluteToSelfRelativeSD(&sd, relative, &size), ==, STATUS_BUFFER_TOO_SMALL);
        g_assert_cmphex(RtlAbsoluteToSelfRelativeSD(&sd, relative, &size), ==, STATUS_SUCCESS);
        g_assert_cmpuint(RtlLengthSecurityDescriptor(relative), ==, size);
        g_assert_true(RtlValidRelativeSecurityDescriptor(relative, size, OWNER_SECURITY_INFORMATION));
        for (ULONG i = 0; i < size; i++)
                g_assert_false(RtlValidRelativeSecurityDescriptor(relative, i, OWNER_SECURITY_INFORMATION) &&
                               i < sizeof(SECURITY_DESCRIPTOR_RELATIVE));
        g_assert_true(fm_access_check((SECURITY_DESCRIPTOR *)(void *)relative, &user, READ, &mapping, NULL));
        g_assert_cmphex(RtlSetDaclSecurityDescriptor(relative, FALSE, NULL, FALSE), ==,
                        STATUS_INVALID_SECURITY_DESCR);
        g_assert_cmphex(RtlConvertSidToUnicodeString(&text, sid, TRUE), ==, STATUS_SUCCESS);
        g_assert_cmpmem(text.Buffer, text.Length, L"S-1-5-32-544", 24);
        RtlFreeUnicodeString(&text);
        g_assert_cmphex(RtlGetAce((PACL)acl, 1, &ace), ==, STATUS_SUCCESS);
        g_assert_cmphex(RtlGetAce((PACL)acl, 2, &ace), ==, STATUS_INVALID_PARAMETER);
        g_assert_cmphex(RtlDeleteAce((PACL)acl, 0), ==, STATUS_SUCCESS);
        g_assert_cmphex(RtlGetAce((PACL)acl, 1, &ace), ==, STATUS_INVALID_PARAMETER);
        g_assert_true(RtlEqualSid(SeExports->SeAliasAdminsSid, sid));
        RtlCreateAcl((PACL)acl, sizeof(ACL) + 8, ACL_REVISION);
        g_assert_cmphex(RtlAddAccessAllowedAce((PACL)acl, ACL_REVISION, READ, sid), ==,
                        STATUS_ALLOTTED_SPACE_EXCEEDED);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/nt/security/table", test_table);
        g_test_add_func("/nt/security/special", test_special);
        g_test_add_func("/nt/security/descriptors", test_descriptors);
        return g_test_run();
}
