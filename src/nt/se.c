/* SPDX-License-Identifier: MIT */
/*
 * Who may do what: well-known SIDs, tokens, and the access check for Linux credentials.
 *
 * A token is an object with the credentials that a process had when it was taken from it.
 */
#include <fltKernel.h>
#include <glib.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "nt/ke.h"
#include "nt/object.h"
#include "nt/pool.h"
#include "nt/process.h"
#include "nt/security.h"
#include "nt/thread.h"
#include "nt/verifier.h"

#define TOKEN_TAG    0x6b6f5465 /* 'eTok' */
#define GROUPS_LIMIT 65536      /* NGROUPS_MAX */

static gid_t administrators = (gid_t)-1;

struct token {
        struct fm_credentials credentials;
        gid_t *groups;
};

static void destroy_token(void *body)
{
        g_free(((struct token *)body)->groups);
}

static struct _OBJECT_TYPE token_type = {.name = "Token", .destroy = destroy_token};
static POBJECT_TYPE token_type_pointer = &token_type;
POBJECT_TYPE *SeTokenObjectType = &token_type_pointer;

#define WELL_KNOWN(Name, Authority, ...)                                                                     \
        static struct {                                                                                      \
                UCHAR revision, count;                                                                       \
                UCHAR authority[6];                                                                          \
                ULONG sub[sizeof((ULONG[]){__VA_ARGS__}) / sizeof(ULONG)];                                   \
        } Name = {SID_REVISION,                                                                              \
                  sizeof((ULONG[]){__VA_ARGS__}) / sizeof(ULONG),                                            \
                  {0, 0, 0, 0, 0, Authority},                                                                \
                  {__VA_ARGS__}}

WELL_KNOWN(null_sid, 0, 0);
WELL_KNOWN(world_sid, 1, 0);
WELL_KNOWN(local_sid, 2, 0);
WELL_KNOWN(creator_owner_sid, 3, 0);
WELL_KNOWN(creator_group_sid, 3, 1);
WELL_KNOWN(owner_rights_sid, 3, 4);
WELL_KNOWN(dialup_sid, 5, 1);
WELL_KNOWN(network_sid, 5, 2);
WELL_KNOWN(batch_sid, 5, 3);
WELL_KNOWN(interactive_sid, 5, 4);
WELL_KNOWN(anonymous_sid, 5, 7);
WELL_KNOWN(authenticated_sid, 5, 11);
WELL_KNOWN(restricted_sid, 5, 12);
WELL_KNOWN(iuser_sid, 5, 17);
WELL_KNOWN(local_system_sid, 5, 18);
WELL_KNOWN(local_service_sid, 5, 19);
WELL_KNOWN(network_service_sid, 5, 20);
WELL_KNOWN(admins_sid, 5, 32, 544);
WELL_KNOWN(users_sid, 5, 32, 545);
WELL_KNOWN(guests_sid, 5, 32, 546);
WELL_KNOWN(power_users_sid, 5, 32, 547);
WELL_KNOWN(account_ops_sid, 5, 32, 548);
WELL_KNOWN(system_ops_sid, 5, 32, 549);
WELL_KNOWN(print_ops_sid, 5, 32, 550);
WELL_KNOWN(backup_ops_sid, 5, 32, 551);
WELL_KNOWN(untrusted_sid, 16, 0);
WELL_KNOWN(low_sid, 16, 0x1000);
WELL_KNOWN(medium_sid, 16, 0x2000);
WELL_KNOWN(high_sid, 16, 0x3000);
WELL_KNOWN(system_label_sid, 16, 0x4000);

static struct {
        UCHAR revision, count;
        UCHAR authority[6];
} nt_authority_sid = {SID_REVISION, 0, {0, 0, 0, 0, 0, 5}};

static SE_EXPORTS exports = {
        .SeCreateTokenPrivilege = {2, 0},
        .SeAssignPrimaryTokenPrivilege = {3, 0},
        .SeLockMemoryPrivilege = {4, 0},
        .SeIncreaseQuotaPrivilege = {5, 0},
        .SeUnsolicitedInputPrivilege = {6, 0},
        .SeTcbPrivilege = {7, 0},
        .SeSecurityPrivilege = {8, 0},
        .SeTakeOwnershipPrivilege = {9, 0},
        .SeLoadDriverPrivilege = {10, 0},
        .SeSystemProfilePrivilege = {11, 0},
        .SeSystemtimePrivilege = {12, 0},
        .SeProfileSingleProcessPrivilege = {13, 0},
        .SeIncreaseBasePriorityPrivilege = {14, 0},
        .SeCreatePagefilePrivilege = {15, 0},
        .SeCreatePermanentPrivilege = {16, 0},
        .SeBackupPrivilege = {17, 0},
        .SeRestorePrivilege = {18, 0},
        .SeShutdownPrivilege = {19, 0},
        .SeDebugPrivilege = {20, 0},
        .SeAuditPrivilege = {21, 0},
        .SeSystemEnvironmentPrivilege = {22, 0},
        .SeChangeNotifyPrivilege = {23, 0},
        .SeRemoteShutdownPrivilege = {24, 0},
        .SeUndockPrivilege = {25, 0},
        .SeSyncAgentPrivilege = {26, 0},
        .SeEnableDelegationPrivilege = {27, 0},
        .SeManageVolumePrivilege = {28, 0},
        .SeImpersonatePrivilege = {29, 0},
        .SeCreateGlobalPrivilege = {30, 0},
        .SeTrustedCredManAccessPrivilege = {31, 0},
        .SeRelabelPrivilege = {32, 0},
        .SeIncreaseWorkingSetPrivilege = {33, 0},
        .SeTimeZonePrivilege = {34, 0},
        .SeCreateSymbolicLinkPrivilege = {35, 0},
        .SeNullSid = &null_sid,
        .SeWorldSid = &world_sid,
        .SeLocalSid = &local_sid,
        .SeCreatorOwnerSid = &creator_owner_sid,
        .SeCreatorGroupSid = &creator_group_sid,
        .SeNtAuthoritySid = &nt_authority_sid,
        .SeDialupSid = &dialup_sid,
        .SeNetworkSid = &network_sid,
        .SeBatchSid = &batch_sid,
        .SeInteractiveSid = &interactive_sid,
        .SeLocalSystemSid = &local_system_sid,
        .SeAliasAdminsSid = &admins_sid,
        .SeAliasUsersSid = &users_sid,
        .SeAliasGuestsSid = &guests_sid,
        .SeAliasPowerUsersSid = &power_users_sid,
        .SeAliasAccountOpsSid = &account_ops_sid,
        .SeAliasSystemOpsSid = &system_ops_sid,
        .SeAliasPrintOpsSid = &print_ops_sid,
        .SeAliasBackupOpsSid = &backup_ops_sid,
        .SeAuthenticatedUsersSid = &authenticated_sid,
        .SeRestrictedSid = &restricted_sid,
        .SeAnonymousLogonSid = &anonymous_sid,
        .SeLocalServiceSid = &local_service_sid,
        .SeNetworkServiceSid = &network_service_sid,
        .SeIUserSid = &iuser_sid,
        .SeUntrustedMandatorySid = &untrusted_sid,
        .SeLowMandatorySid = &low_sid,
        .SeMediumMandatorySid = &medium_sid,
        .SeHighMandatorySid = &high_sid,
        .SeSystemMandatorySid = &system_label_sid,
        .SeOwnerRightsSid = &owner_rights_sid,
};
PSE_EXPORTS SeExports = &exports;

void fm_security_set_administrators(gid_t gid)
{
        __atomic_store_n(&administrators, gid, __ATOMIC_RELAXED);
}

static bool is_member(const struct fm_credentials *credentials, gid_t gid)
{
        if (credentials->gid == gid)
                return true;
        for (size_t i = 0; i < credentials->group_count; i++) {
                if (credentials->groups[i] == gid)
                        return true;
        }
        return false;
}

static bool is_administrator(const struct fm_credentials *credentials)
{
        gid_t group = __atomic_load_n(&administrators, __ATOMIC_RELAXED);

        return credentials->uid == 0 || credentials->uid == geteuid() || (group != (gid_t)-1 && is_member(credentials, group));
}

static bool is_same(const SID *sid, void *known)
{
        return RtlEqualSid((PSID)sid, known);
}

bool fm_sid_matches(const SID *sid, const struct fm_credentials *credentials)
{
        static const UCHAR unix_authority[6] = {0, 0, 0, 0, 0, 22};

        if (is_same(sid, &world_sid) || is_same(sid, &authenticated_sid))
                return true;
        if (is_same(sid, &local_system_sid))
                return credentials->uid == 0;
        if (is_same(sid, &admins_sid))
                return is_administrator(credentials);
        if (sid->SubAuthorityCount != 2 || memcmp(sid->IdentifierAuthority.Value, unix_authority, 6) != 0)
                return false;
        if (sid->SubAuthority[0] == 1)
                return credentials->uid == sid->SubAuthority[1];
        return sid->SubAuthority[0] == 2 && is_member(credentials, sid->SubAuthority[1]);
}

SID *fm_sid_from_uid(uid_t uid, void *buffer)
{
        SID *sid = buffer;

        if (uid == 0) {
                memcpy(sid, &local_system_sid, RtlLengthSid(&local_system_sid));
                return sid;
        }
        sid->Revision = SID_REVISION;
        sid->SubAuthorityCount = 2;
        sid->IdentifierAuthority = (SID_IDENTIFIER_AUTHORITY){{0, 0, 0, 0, 0, 22}};
        sid->SubAuthority[0] = 1;
        memcpy((PCHAR)sid + offsetof(SID, SubAuthority) + sizeof(ULONG), &uid, sizeof(uid));
        return sid;
}

static ACCESS_MASK map(ACCESS_MASK mask, const GENERIC_MAPPING *mapping)
{
        if (mapping)
                RtlMapGenericMask(&mask, mapping);
        return mask;
}

static void evaluate_dacl(PACL dacl, const struct fm_credentials *credentials, const GENERIC_MAPPING *mapping,
                          ACCESS_MASK *allowed)
{
        PCHAR at = (PCHAR)(dacl + 1);
        ACCESS_MASK denied = 0;

        for (USHORT i = 0; i < dacl->AceCount; i++) {
                ACCESS_ALLOWED_ACE *ace = (ACCESS_ALLOWED_ACE *)(PVOID)at;

                at += ace->Header.AceSize;
                if ((ace->Header.AceFlags & INHERIT_ONLY_ACE) ||
                    ace->Header.AceType > ACCESS_DENIED_ACE_TYPE ||
                    !fm_sid_matches((const SID *)&ace->SidStart, credentials))
                        continue;
                if (ace->Header.AceType == ACCESS_ALLOWED_ACE_TYPE)
                        *allowed |= map(ace->Mask, mapping) & ~denied;
                else
                        denied |= map(ace->Mask, mapping) & ~*allowed;
        }
}

bool fm_access_check(const SECURITY_DESCRIPTOR *descriptor, const struct fm_credentials *credentials,
                     ACCESS_MASK desired, const GENERIC_MAPPING *mapping, ACCESS_MASK *granted)
{
        PSECURITY_DESCRIPTOR sd = (PSECURITY_DESCRIPTOR)descriptor;
        bool maximum = (desired & MAXIMUM_ALLOWED) != 0;
        ACCESS_MASK wanted = map(desired & ~(ACCESS_MASK)MAXIMUM_ALLOWED, mapping);
        ACCESS_MASK allowed = 0;
        BOOLEAN present, defaulted;
        PACL dacl = NULL;
        PSID owner;
        bool ok;

        if (granted)
                *granted = 0;
        if (!sd || !RtlValidSecurityDescriptor(sd))
                return false;
        RtlGetDaclSecurityDescriptor(sd, &present, &dacl, &defaulted);
        if (!present || !dacl) {
                allowed = maximum ? wanted | (mapping ? mapping->GenericAll
                                                      : (STANDARD_RIGHTS_ALL | SPECIFIC_RIGHTS_ALL))
                                  : wanted;
        } else {
                RtlGetOwnerSecurityDescriptor(sd, &owner, &defaulted);
                if (owner && fm_sid_matches(owner, credentials))
                        allowed = READ_CONTROL | WRITE_DAC;
                evaluate_dacl(dacl, credentials, mapping, &allowed);
        }
        ok = (wanted & ~allowed) == 0 && (wanted || maximum) && (!maximum || wanted || allowed);
        if (granted && ok)
                *granted = maximum ? allowed : wanted;
        return ok;
}

bool fm_credentials_of_process(pid_t pid, struct fm_credentials *credentials, gid_t **groups)
{
        g_autofree char *path = g_strdup_printf("/proc/%d/status", (int)pid);
        g_autofree char *status = NULL;
        g_auto(GStrv) lines = NULL;
        g_autoptr(GArray) list = g_array_new(FALSE, FALSE, sizeof(gid_t));

        memset(credentials, 0, sizeof(*credentials));
        *groups = NULL;
        credentials->uid = credentials->gid = (uid_t)-1;
        if (!g_file_get_contents(path, &status, NULL, NULL))
                return false;
        lines = g_strsplit(status, "\n", -1);
        for (size_t i = 0; lines[i]; i++) {
                unsigned real, effective, saved, fs;

                if (sscanf(lines[i], "Uid:\t%u\t%u\t%u\t%u", &real, &effective, &saved, &fs) == 4)
                        credentials->uid = fs;
                else if (sscanf(lines[i], "Gid:\t%u\t%u\t%u\t%u", &real, &effective, &saved, &fs) == 4)
                        credentials->gid = fs;
                else if (g_str_has_prefix(lines[i], "Groups:")) {
                        char *at = lines[i] + 7;

                        while (list->len < GROUPS_LIMIT) {
                                char *end;
                                gid_t gid = (gid_t)strtoul(at, &end, 10);

                                if (end == at)
                                        break;
                                g_array_append_val(list, gid);
                                at = end;
                        }
                }
        }
        if (credentials->uid == (uid_t)-1)
                return false;
        credentials->group_count = list->len;
        *groups = (gid_t *)(void *)g_array_free(g_steal_pointer(&list), FALSE);
        credentials->groups = *groups;
        return true;
}

/* Referenced. A process that has gone leaves a token that matches nobody in particular. */
static struct token *token_new(PEPROCESS process)
{
        struct token *token = fm_object_new(&token_type, sizeof(*token));

        if (PsIsSystemProcess(process)) {
                token->credentials.uid = 0;
                token->credentials.gid = 0;
        } else if (!fm_credentials_of_process(fm_process_id(process), &token->credentials, &token->groups)) {
                token->credentials.uid = 65534;
                token->credentials.gid = 65534;
        }
        return token;
}

PACCESS_TOKEN PsReferencePrimaryToken(PEPROCESS Process)
{
        fm_check_irql(__func__, PASSIVE_LEVEL);
        return token_new(Process);
}

VOID PsDereferencePrimaryToken(PACCESS_TOKEN PrimaryToken)
{
        fm_check_irql(__func__, APC_LEVEL);
        fm_object_unref(PrimaryToken);
}

PACCESS_TOKEN PsReferenceImpersonationToken(PETHREAD Thread, PBOOLEAN CopyOnOpen, PBOOLEAN EffectiveOnly,
                                            PSECURITY_IMPERSONATION_LEVEL ImpersonationLevel)
{
        fm_check_irql(__func__, PASSIVE_LEVEL);
        return NULL; /* threads of Linux processes do not impersonate */
}

VOID PsDereferenceImpersonationToken(PACCESS_TOKEN ImpersonationToken)
{
        fm_check_irql(__func__, APC_LEVEL);
        fm_object_unref(ImpersonationToken);
}

BOOLEAN PsIsThreadImpersonating(PETHREAD Thread)
{
        return FALSE;
}

VOID SeCaptureSubjectContext(PSECURITY_SUBJECT_CONTEXT SubjectContext)
{
        fm_check_irql(__func__, PASSIVE_LEVEL);
        memset(SubjectContext, 0, sizeof(*SubjectContext));
        SubjectContext->PrimaryToken = token_new(IoGetCurrentProcess());
        SubjectContext->ProcessAuditId = PsGetCurrentProcessId();
}

VOID SeLockSubjectContext(PSECURITY_SUBJECT_CONTEXT SubjectContext)
{
        fm_check_irql(__func__, PASSIVE_LEVEL);
}

VOID SeUnlockSubjectContext(PSECURITY_SUBJECT_CONTEXT SubjectContext)
{
        fm_check_irql(__func__, PASSIVE_LEVEL);
}

VOID SeReleaseSubjectContext(PSECURITY_SUBJECT_CONTEXT SubjectContext)
{
        fm_check_irql(__func__, PASSIVE_LEVEL);
        fm_object_unref(SubjectContext->PrimaryToken);
        SubjectContext->PrimaryToken = NULL;
}

/* KernelMode is granted everything, as on Windows. */
BOOLEAN SeAccessCheck(PSECURITY_DESCRIPTOR SecurityDescriptor,
                      PSECURITY_SUBJECT_CONTEXT SubjectSecurityContext, BOOLEAN SubjectContextLocked,
                      ACCESS_MASK DesiredAccess, ACCESS_MASK PreviouslyGrantedAccess,
                      PPRIVILEGE_SET *Privileges, PGENERIC_MAPPING GenericMapping, KPROCESSOR_MODE AccessMode,
                      PACCESS_MASK GrantedAccess, PNTSTATUS AccessStatus)
{
        struct token *token = SeQuerySubjectContextToken(SubjectSecurityContext);
        ACCESS_MASK left = DesiredAccess & ~PreviouslyGrantedAccess;
        ACCESS_MASK granted = 0;

        fm_check_irql(__func__, PASSIVE_LEVEL);
        if (Privileges)
                *Privileges = NULL;
        if (AccessMode == KernelMode) {
                granted = left & MAXIMUM_ALLOWED
                                  ? (left & ~(ACCESS_MASK)MAXIMUM_ALLOWED) | GenericMapping->GenericAll
                                  : left;
        } else if (left && !fm_access_check(SecurityDescriptor, &token->credentials, left, GenericMapping,
                                            &granted)) {
                *GrantedAccess = 0;
                *AccessStatus = STATUS_ACCESS_DENIED;
                return FALSE;
        }
        *GrantedAccess = granted | PreviouslyGrantedAccess;
        *AccessStatus = STATUS_SUCCESS;
        return TRUE;
}

/* Local System and Administrators have every privilege; everybody has SeChangeNotifyPrivilege. */
BOOLEAN SeSinglePrivilegeCheck(LUID PrivilegeValue, KPROCESSOR_MODE PreviousMode)
{
        struct token *token;
        bool has;

        fm_check_irql(__func__, PASSIVE_LEVEL);
        if (PreviousMode == KernelMode || PrivilegeValue.LowPart == SE_CHANGE_NOTIFY_PRIVILEGE)
                return TRUE;
        token = token_new(IoGetCurrentProcess());
        has = is_administrator(&token->credentials);
        fm_object_unref(token);
        return has;
}

BOOLEAN SeTokenIsAdmin(PACCESS_TOKEN Token)
{
        fm_check_irql(__func__, PASSIVE_LEVEL);
        return is_administrator(&((struct token *)Token)->credentials);
}

BOOLEAN SeTokenIsRestricted(PACCESS_TOKEN Token)
{
        fm_check_irql(__func__, PASSIVE_LEVEL);
        return FALSE;
}

TOKEN_TYPE SeTokenType(PACCESS_TOKEN Token)
{
        return TokenPrimary;
}

NTSTATUS SeQueryAuthenticationIdToken(PACCESS_TOKEN Token, PLUID AuthenticationId)
{
        uid_t uid = ((struct token *)Token)->credentials.uid;

        fm_check_irql(__func__, PASSIVE_LEVEL);
        /* SYSTEM_LUID; users have their uid, above the numbers that mean something. */
        *AuthenticationId = uid == 0 ? (LUID){0x3e7, 0} : (LUID){uid, 1};
        return STATUS_SUCCESS;
}

NTSTATUS SeQuerySessionIdToken(PACCESS_TOKEN Token, PULONG SessionId)
{
        *SessionId = 0;
        return STATUS_SUCCESS;
}

/* TokenUser and TokenSessionId; STATUS_INVALID_INFO_CLASS for others. Pool memory for the first: ExFreePool.
 */
NTSTATUS SeQueryInformationToken(PACCESS_TOKEN Token, TOKEN_INFORMATION_CLASS TokenInformationClass,
                                 PVOID *TokenInformation)
{
        struct token *token = Token;
        PTOKEN_USER user;

        fm_check_irql(__func__, PASSIVE_LEVEL);
        switch (TokenInformationClass) {
        case TokenUser:
                user = fm_pool_alloc(sizeof(*user) + SECURITY_MAX_SID_SIZE, TOKEN_TAG);
                if (!user)
                        return STATUS_INSUFFICIENT_RESOURCES;
                user->User.Sid = fm_sid_from_uid(token->credentials.uid, user + 1);
                *TokenInformation = user;
                return STATUS_SUCCESS;
        case TokenSessionId:
                *(PULONG)TokenInformation = 0;
                return STATUS_SUCCESS;
        default:
                fm_not_supported("SeQueryInformationToken of this class");
                return STATUS_INVALID_INFO_CLASS;
        }
}
