/* SPDX-License-Identifier: MIT */
/* SIDs, ACLs and security descriptors as data. Everything that is read from one is checked against its size
 * first. */
#include <fltKernel.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>

#include "nt/crt.h"
#include "nt/ke.h"
#include "nt/pool.h"

#define SID_TAG 0x64695365 /* 'eSid' */

ULONG RtlLengthRequiredSid(ULONG SubAuthorityCount)
{
        return (ULONG)(offsetof(SID, SubAuthority) + SubAuthorityCount * sizeof(ULONG));
}

ULONG RtlLengthSid(PSID Sid)
{
        return RtlLengthRequiredSid(((PISID)Sid)->SubAuthorityCount);
}

BOOLEAN RtlValidSid(PSID Sid)
{
        PISID sid = Sid;

        return sid && (sid->Revision & 0xf) == SID_REVISION &&
               sid->SubAuthorityCount <= SID_MAX_SUB_AUTHORITIES;
}

BOOLEAN RtlEqualSid(PSID Sid1, PSID Sid2)
{
        PISID first = Sid1, second = Sid2;

        return first->Revision == second->Revision && first->SubAuthorityCount == second->SubAuthorityCount &&
               memcmp(first, second, RtlLengthSid(first)) == 0;
}

BOOLEAN RtlEqualPrefixSid(PSID Sid1, PSID Sid2)
{
        PISID first = Sid1, second = Sid2;
        UCHAR count = first->SubAuthorityCount;

        return first->Revision == second->Revision && count == second->SubAuthorityCount &&
               memcmp(first, second, RtlLengthRequiredSid(count ? count - 1u : 0)) == 0;
}

NTSTATUS RtlInitializeSid(PSID Sid, PSID_IDENTIFIER_AUTHORITY IdentifierAuthority, UCHAR SubAuthorityCount)
{
        PISID sid = Sid;

        if (SubAuthorityCount > SID_MAX_SUB_AUTHORITIES)
                return STATUS_INVALID_PARAMETER;
        sid->Revision = SID_REVISION;
        sid->SubAuthorityCount = SubAuthorityCount;
        sid->IdentifierAuthority = *IdentifierAuthority;
        return STATUS_SUCCESS;
}

PULONG RtlSubAuthoritySid(PSID Sid, ULONG SubAuthority)
{
        return &((PISID)Sid)->SubAuthority[SubAuthority];
}

PUCHAR RtlSubAuthorityCountSid(PSID Sid)
{
        return &((PISID)Sid)->SubAuthorityCount;
}

PSID_IDENTIFIER_AUTHORITY RtlIdentifierAuthoritySid(PSID Sid)
{
        return &((PISID)Sid)->IdentifierAuthority;
}

NTSTATUS RtlCopySid(ULONG DestinationSidLength, PSID DestinationSid, PSID SourceSid)
{
        ULONG length = RtlLengthSid(SourceSid);

        if (length > DestinationSidLength)
                return STATUS_BUFFER_TOO_SMALL;
        memmove(DestinationSid, SourceSid, length);
        return STATUS_SUCCESS;
}

NTSTATUS RtlAllocateAndInitializeSid(PSID_IDENTIFIER_AUTHORITY IdentifierAuthority, UCHAR SubAuthorityCount,
                                     ULONG SubAuthority0, ULONG SubAuthority1, ULONG SubAuthority2,
                                     ULONG SubAuthority3, ULONG SubAuthority4, ULONG SubAuthority5,
                                     ULONG SubAuthority6, ULONG SubAuthority7, PSID *Sid)
{
        const ULONG values[] = {SubAuthority0, SubAuthority1, SubAuthority2, SubAuthority3,
                                SubAuthority4, SubAuthority5, SubAuthority6, SubAuthority7};
        PISID sid;

        if (SubAuthorityCount > RTL_NUMBER_OF(values))
                return STATUS_INVALID_SID;
        sid = ExAllocatePoolWithTag(PagedPool, RtlLengthRequiredSid(SubAuthorityCount), SID_TAG);
        if (!sid)
                return STATUS_NO_MEMORY;
        RtlInitializeSid(sid, IdentifierAuthority, SubAuthorityCount);
        memcpy(sid->SubAuthority, values, SubAuthorityCount * sizeof(ULONG));
        *Sid = sid;
        return STATUS_SUCCESS;
}

PVOID RtlFreeSid(PSID Sid)
{
        fm_pool_free(Sid);
        return NULL;
}

/* S-1-5-32-544. STATUS_BUFFER_OVERFLOW when it does not fit. */
NTSTATUS RtlConvertSidToUnicodeString(PUNICODE_STRING UnicodeString, PSID Sid,
                                      BOOLEAN AllocateDestinationString)
{
        PISID sid = Sid;
        WCHAR text[256];
        UNICODE_STRING whole;
        ULONGLONG authority = 0;
        int length;

        if (!RtlValidSid(Sid))
                return STATUS_INVALID_SID;
        for (int i = 0; i < 6; i++)
                authority = (authority << 8) | sid->IdentifierAuthority.Value[i];
        length = fm_snwprintf(text, RTL_NUMBER_OF(text), authority >> 32 ? L"S-1-0x%012I64x" : L"S-1-%I64u",
                              authority);
        for (UCHAR i = 0; i < sid->SubAuthorityCount; i++)
                length += fm_snwprintf(text + length, RTL_NUMBER_OF(text) - (size_t)length, L"-%u",
                                       sid->SubAuthority[i]);
        RtlInitUnicodeString(&whole, text);
        if (AllocateDestinationString)
                return RtlDuplicateUnicodeString(RTL_DUPLICATE_UNICODE_STRING_NULL_TERMINATE, &whole,
                                                 UnicodeString);
        if (UnicodeString->MaximumLength < whole.Length)
                return STATUS_BUFFER_OVERFLOW;
        RtlCopyUnicodeString(UnicodeString, &whole);
        return STATUS_SUCCESS;
}

NTSTATUS RtlCreateAcl(PACL Acl, ULONG AclLength, ULONG AclRevision)
{
        if (AclLength < sizeof(ACL))
                return STATUS_BUFFER_TOO_SMALL;
        if (AclRevision < MIN_ACL_REVISION || AclRevision > ACL_REVISION_DS || AclLength > MAXUSHORT)
                return STATUS_INVALID_PARAMETER;
        memset(Acl, 0, sizeof(*Acl));
        Acl->AclRevision = (UCHAR)AclRevision;
        Acl->AclSize = (USHORT)(AclLength & ~3u);
        return STATUS_SUCCESS;
}

/* The entry after this one, or NULL when this one is not wholly inside. */
static PACE_HEADER next_ace(PACL acl, PACE_HEADER ace)
{
        PCHAR end = (PCHAR)acl + acl->AclSize;

        if ((PCHAR)ace + sizeof(*ace) > end || ace->AceSize < sizeof(*ace) || (PCHAR)ace + ace->AceSize > end)
                return NULL;
        return (PACE_HEADER)(PVOID)((PCHAR)ace + ace->AceSize);
}

/* Where the entry stands; index AceCount: the end of them. NULL: malformed. */
static PACE_HEADER find_ace(PACL acl, ULONG index)
{
        PACE_HEADER ace = (PACE_HEADER)(acl + 1);

        for (ULONG i = 0; ace && i < index; i++)
                ace = next_ace(acl, ace);
        return ace;
}

static bool is_sid_inside(const ACE_HEADER *ace)
{
        const ACCESS_ALLOWED_ACE *allowed = (const ACCESS_ALLOWED_ACE *)ace;
        const SID *sid = (const SID *)&allowed->SidStart;

        if (ace->AceSize < offsetof(ACCESS_ALLOWED_ACE, SidStart) + offsetof(SID, SubAuthority))
                return false;
        return RtlValidSid((PSID)sid) &&
               offsetof(ACCESS_ALLOWED_ACE, SidStart) + RtlLengthSid((PSID)sid) <= ace->AceSize;
}

BOOLEAN RtlValidAcl(PACL Acl)
{
        PACE_HEADER ace;

        if (!Acl || Acl->AclRevision < MIN_ACL_REVISION || Acl->AclRevision > ACL_REVISION_DS ||
            Acl->AclSize < sizeof(ACL))
                return FALSE;
        ace = (PACE_HEADER)(Acl + 1);
        for (USHORT i = 0; i < Acl->AceCount; i++) {
                PACE_HEADER next = next_ace(Acl, ace);

                if (!next || (ace->AceType <= SYSTEM_AUDIT_ACE_TYPE && !is_sid_inside(ace)))
                        return FALSE;
                ace = next;
        }
        return TRUE;
}

NTSTATUS RtlGetAce(PACL Acl, ULONG AceIndex, PVOID *Ace)
{
        PACE_HEADER ace = AceIndex < Acl->AceCount ? find_ace(Acl, AceIndex) : NULL;

        if (!ace || !next_ace(Acl, ace))
                return STATUS_INVALID_PARAMETER;
        *Ace = ace;
        return STATUS_SUCCESS;
}

NTSTATUS RtlAddAce(PACL Acl, ULONG AceRevision, ULONG StartingAceIndex, PVOID AceList, ULONG AceListLength)
{
        PCHAR end = (PCHAR)find_ace(Acl, Acl->AceCount);
        ULONG index = StartingAceIndex < Acl->AceCount ? StartingAceIndex : Acl->AceCount;
        PCHAR at = (PCHAR)find_ace(Acl, index);
        USHORT count = 0;

        if (!RtlValidAcl(Acl) || !end || !at)
                return STATUS_INVALID_PARAMETER;
        for (ULONG used = 0; used < AceListLength; count++) {
                PACE_HEADER ace = (PACE_HEADER)(PVOID)((PCHAR)AceList + used);

                if (AceListLength - used < sizeof(*ace) || ace->AceSize < sizeof(*ace) ||
                    ace->AceSize > AceListLength - used)
                        return STATUS_INVALID_PARAMETER;
                used += ace->AceSize;
        }
        if (AceListLength > (ULONG)((PCHAR)Acl + Acl->AclSize - end))
                return STATUS_BUFFER_TOO_SMALL;
        memmove(at + AceListLength, at, (size_t)(end - at));
        memcpy(at, AceList, AceListLength);
        Acl->AceCount = (USHORT)(Acl->AceCount + count);
        return STATUS_SUCCESS;
}

NTSTATUS RtlDeleteAce(PACL Acl, ULONG AceIndex)
{
        PACE_HEADER ace = AceIndex < Acl->AceCount ? find_ace(Acl, AceIndex) : NULL;
        PCHAR next = ace ? (PCHAR)next_ace(Acl, ace) : NULL;
        PCHAR end = (PCHAR)find_ace(Acl, Acl->AceCount);

        if (!next || !end)
                return STATUS_INVALID_PARAMETER;
        memmove(ace, next, (size_t)(end - next));
        Acl->AceCount--;
        return STATUS_SUCCESS;
}

static NTSTATUS add_ace(PACL acl, ULONG revision, UCHAR type, ULONG flags, ACCESS_MASK mask, PSID sid)
{
        PACE_HEADER end;
        PACCESS_ALLOWED_ACE ace;
        size_t size;

        if (!RtlValidSid(sid))
                return STATUS_INVALID_SID;
        if (!RtlValidAcl(acl))
                return STATUS_INVALID_ACL;
        if (revision > ACL_REVISION_DS)
                return STATUS_REVISION_MISMATCH;
        end = find_ace(acl, acl->AceCount);
        size = offsetof(ACCESS_ALLOWED_ACE, SidStart) + RtlLengthSid(sid);
        if (!end || (PCHAR)end + size > (PCHAR)acl + acl->AclSize)
                return STATUS_ALLOTTED_SPACE_EXCEEDED;
        ace = (PACCESS_ALLOWED_ACE)end;
        ace->Header.AceType = type;
        ace->Header.AceFlags = (UCHAR)flags;
        ace->Header.AceSize = (USHORT)size;
        ace->Mask = mask;
        memcpy(&ace->SidStart, sid, RtlLengthSid(sid));
        acl->AceCount++;
        return STATUS_SUCCESS;
}

/* STATUS_ALLOTTED_SPACE_EXCEEDED when the ACL is full. */
NTSTATUS RtlAddAccessAllowedAce(PACL Acl, ULONG AceRevision, ACCESS_MASK AccessMask, PSID Sid)
{
        return add_ace(Acl, AceRevision, ACCESS_ALLOWED_ACE_TYPE, 0, AccessMask, Sid);
}

NTSTATUS RtlAddAccessAllowedAceEx(PACL Acl, ULONG AceRevision, ULONG AceFlags, ACCESS_MASK AccessMask,
                                  PSID Sid)
{
        return add_ace(Acl, AceRevision, ACCESS_ALLOWED_ACE_TYPE, AceFlags, AccessMask, Sid);
}

NTSTATUS RtlAddAccessDeniedAce(PACL Acl, ULONG AceRevision, ACCESS_MASK AccessMask, PSID Sid)
{
        return add_ace(Acl, AceRevision, ACCESS_DENIED_ACE_TYPE, 0, AccessMask, Sid);
}

NTSTATUS RtlAddAccessDeniedAceEx(PACL Acl, ULONG AceRevision, ULONG AceFlags, ACCESS_MASK AccessMask,
                                 PSID Sid)
{
        return add_ace(Acl, AceRevision, ACCESS_DENIED_ACE_TYPE, AceFlags, AccessMask, Sid);
}

NTSTATUS RtlCreateSecurityDescriptor(PSECURITY_DESCRIPTOR SecurityDescriptor, ULONG Revision)
{
        if (Revision != SECURITY_DESCRIPTOR_REVISION)
                return STATUS_UNKNOWN_REVISION;
        memset(SecurityDescriptor, 0, sizeof(SECURITY_DESCRIPTOR));
        ((PISECURITY_DESCRIPTOR)SecurityDescriptor)->Revision = SECURITY_DESCRIPTOR_REVISION;
        return STATUS_SUCCESS;
}

static PVOID relative(PSECURITY_DESCRIPTOR descriptor, ULONG offset)
{
        return offset ? (PCHAR)descriptor + offset : NULL;
}

static PISECURITY_DESCRIPTOR_RELATIVE as_relative(PSECURITY_DESCRIPTOR descriptor)
{
        PISECURITY_DESCRIPTOR_RELATIVE header = descriptor;

        return header->Control & SE_SELF_RELATIVE ? header : NULL;
}

static PSID owner_of(PSECURITY_DESCRIPTOR descriptor)
{
        PISECURITY_DESCRIPTOR_RELATIVE header = as_relative(descriptor);

        return header ? relative(descriptor, header->Owner) : ((PISECURITY_DESCRIPTOR)descriptor)->Owner;
}

static PSID group_of(PSECURITY_DESCRIPTOR descriptor)
{
        PISECURITY_DESCRIPTOR_RELATIVE header = as_relative(descriptor);

        return header ? relative(descriptor, header->Group) : ((PISECURITY_DESCRIPTOR)descriptor)->Group;
}

static PACL acl_of(PSECURITY_DESCRIPTOR descriptor, bool sacl)
{
        PISECURITY_DESCRIPTOR absolute = descriptor;
        PISECURITY_DESCRIPTOR_RELATIVE header = as_relative(descriptor);

        if (!(absolute->Control & (sacl ? SE_SACL_PRESENT : SE_DACL_PRESENT)))
                return NULL;
        if (header)
                return relative(descriptor, sacl ? header->Sacl : header->Dacl);
        return sacl ? absolute->Sacl : absolute->Dacl;
}

BOOLEAN RtlValidSecurityDescriptor(PSECURITY_DESCRIPTOR SecurityDescriptor)
{
        PISECURITY_DESCRIPTOR descriptor = SecurityDescriptor;
        PSID owner, group;
        PACL dacl, sacl;

        if (!descriptor || descriptor->Revision != SECURITY_DESCRIPTOR_REVISION)
                return FALSE;
        owner = owner_of(descriptor);
        group = group_of(descriptor);
        dacl = acl_of(descriptor, false);
        sacl = acl_of(descriptor, true);
        return (!owner || RtlValidSid(owner)) && (!group || RtlValidSid(group)) &&
               (!dacl || RtlValidAcl(dacl)) && (!sacl || RtlValidAcl(sacl));
}

static bool is_inside(ULONG offset, size_t size, ULONG whole)
{
        return (offset & 3) == 0 && offset >= sizeof(SECURITY_DESCRIPTOR_RELATIVE) && offset <= whole &&
               size <= whole - offset;
}

static bool sid_is_inside(PSECURITY_DESCRIPTOR descriptor, ULONG offset, ULONG whole)
{
        if (!offset)
                return true;
        if (!is_inside(offset, offsetof(SID, SubAuthority), whole))
                return false;
        return RtlValidSid(relative(descriptor, offset)) &&
               is_inside(offset, RtlLengthSid(relative(descriptor, offset)), whole);
}

static bool acl_is_inside(PSECURITY_DESCRIPTOR descriptor, ULONG offset, ULONG whole)
{
        if (!offset)
                return true;
        if (!is_inside(offset, sizeof(ACL), whole))
                return false;
        return is_inside(offset, ((PACL)relative(descriptor, offset))->AclSize, whole) &&
               RtlValidAcl(relative(descriptor, offset));
}

BOOLEAN RtlValidRelativeSecurityDescriptor(PSECURITY_DESCRIPTOR SecurityDescriptorInput,
                                           ULONG SecurityDescriptorLength,
                                           SECURITY_INFORMATION RequiredInformation)
{
        PISECURITY_DESCRIPTOR_RELATIVE descriptor = SecurityDescriptorInput;

        if (SecurityDescriptorLength < sizeof(*descriptor) ||
            descriptor->Revision != SECURITY_DESCRIPTOR_REVISION || !(descriptor->Control & SE_SELF_RELATIVE))
                return FALSE;
        if (((RequiredInformation & OWNER_SECURITY_INFORMATION) && !descriptor->Owner) ||
            ((RequiredInformation & GROUP_SECURITY_INFORMATION) && !descriptor->Group))
                return FALSE;
        return sid_is_inside(descriptor, descriptor->Owner, SecurityDescriptorLength) &&
               sid_is_inside(descriptor, descriptor->Group, SecurityDescriptorLength) &&
               acl_is_inside(descriptor, descriptor->Dacl, SecurityDescriptorLength) &&
               acl_is_inside(descriptor, descriptor->Sacl, SecurityDescriptorLength);
}

BOOLEAN SeValidSecurityDescriptor(ULONG Length, PSECURITY_DESCRIPTOR SecurityDescriptor)
{
        fm_check_irql(__func__, PASSIVE_LEVEL);
        return RtlValidRelativeSecurityDescriptor(SecurityDescriptor, Length, 0);
}

static ULONG round4(ULONG size)
{
        return (size + 3) & ~3u;
}

ULONG RtlLengthSecurityDescriptor(PSECURITY_DESCRIPTOR SecurityDescriptor)
{
        ULONG size = as_relative(SecurityDescriptor) ? sizeof(SECURITY_DESCRIPTOR_RELATIVE)
                                                     : sizeof(SECURITY_DESCRIPTOR);
        PSID owner = owner_of(SecurityDescriptor), group = group_of(SecurityDescriptor);
        PACL dacl = acl_of(SecurityDescriptor, false), sacl = acl_of(SecurityDescriptor, true);

        return size + (owner ? round4(RtlLengthSid(owner)) : 0) + (group ? round4(RtlLengthSid(group)) : 0) +
               (dacl ? round4(dacl->AclSize) : 0) + (sacl ? round4(sacl->AclSize) : 0);
}

/* STATUS_INVALID_SECURITY_DESCR for a self-relative one, as for all the setters. */
NTSTATUS RtlSetDaclSecurityDescriptor(PSECURITY_DESCRIPTOR SecurityDescriptor, BOOLEAN DaclPresent, PACL Dacl,
                                      BOOLEAN DaclDefaulted)
{
        PISECURITY_DESCRIPTOR descriptor = SecurityDescriptor;

        if (descriptor->Revision != SECURITY_DESCRIPTOR_REVISION)
                return STATUS_UNKNOWN_REVISION;
        if (descriptor->Control & SE_SELF_RELATIVE)
                return STATUS_INVALID_SECURITY_DESCR;
        descriptor->Control &= (SECURITY_DESCRIPTOR_CONTROL) ~(SE_DACL_PRESENT | SE_DACL_DEFAULTED);
        if (DaclPresent) {
                descriptor->Control |= SE_DACL_PRESENT;
                descriptor->Dacl = Dacl;
                if (DaclDefaulted)
                        descriptor->Control |= SE_DACL_DEFAULTED;
        }
        return STATUS_SUCCESS;
}

NTSTATUS RtlGetDaclSecurityDescriptor(PSECURITY_DESCRIPTOR SecurityDescriptor, PBOOLEAN DaclPresent,
                                      PACL *Dacl, PBOOLEAN DaclDefaulted)
{
        PISECURITY_DESCRIPTOR descriptor = SecurityDescriptor;

        *DaclPresent = (descriptor->Control & SE_DACL_PRESENT) != 0;
        if (*DaclPresent) {
                *Dacl = acl_of(descriptor, false);
                *DaclDefaulted = (descriptor->Control & SE_DACL_DEFAULTED) != 0;
        }
        return STATUS_SUCCESS;
}

NTSTATUS RtlGetSaclSecurityDescriptor(PSECURITY_DESCRIPTOR SecurityDescriptor, PBOOLEAN SaclPresent,
                                      PACL *Sacl, PBOOLEAN SaclDefaulted)
{
        PISECURITY_DESCRIPTOR descriptor = SecurityDescriptor;

        *SaclPresent = (descriptor->Control & SE_SACL_PRESENT) != 0;
        if (*SaclPresent) {
                *Sacl = acl_of(descriptor, true);
                *SaclDefaulted = (descriptor->Control & SE_SACL_DEFAULTED) != 0;
        }
        return STATUS_SUCCESS;
}

static NTSTATUS set_sid(PISECURITY_DESCRIPTOR descriptor, PSID *place, PSID sid, unsigned flag,
                        BOOLEAN defaulted)
{
        if (descriptor->Revision != SECURITY_DESCRIPTOR_REVISION)
                return STATUS_UNKNOWN_REVISION;
        if (descriptor->Control & SE_SELF_RELATIVE)
                return STATUS_INVALID_SECURITY_DESCR;
        *place = sid;
        descriptor->Control = (SECURITY_DESCRIPTOR_CONTROL)(defaulted ? descriptor->Control | flag
                                                                      : descriptor->Control & ~flag);
        return STATUS_SUCCESS;
}

NTSTATUS RtlSetOwnerSecurityDescriptor(PSECURITY_DESCRIPTOR SecurityDescriptor, PSID Owner,
                                       BOOLEAN OwnerDefaulted)
{
        PISECURITY_DESCRIPTOR descriptor = SecurityDescriptor;

        return set_sid(descriptor, &descriptor->Owner, Owner, SE_OWNER_DEFAULTED, OwnerDefaulted);
}

NTSTATUS RtlGetOwnerSecurityDescriptor(PSECURITY_DESCRIPTOR SecurityDescriptor, PSID *Owner,
                                       PBOOLEAN OwnerDefaulted)
{
        *Owner = owner_of(SecurityDescriptor);
        *OwnerDefaulted = (((PISECURITY_DESCRIPTOR)SecurityDescriptor)->Control & SE_OWNER_DEFAULTED) != 0;
        return STATUS_SUCCESS;
}

NTSTATUS RtlSetGroupSecurityDescriptor(PSECURITY_DESCRIPTOR SecurityDescriptor, PSID Group,
                                       BOOLEAN GroupDefaulted)
{
        PISECURITY_DESCRIPTOR descriptor = SecurityDescriptor;

        return set_sid(descriptor, &descriptor->Group, Group, SE_GROUP_DEFAULTED, GroupDefaulted);
}

NTSTATUS RtlGetGroupSecurityDescriptor(PSECURITY_DESCRIPTOR SecurityDescriptor, PSID *Group,
                                       PBOOLEAN GroupDefaulted)
{
        *Group = group_of(SecurityDescriptor);
        *GroupDefaulted = (((PISECURITY_DESCRIPTOR)SecurityDescriptor)->Control & SE_GROUP_DEFAULTED) != 0;
        return STATUS_SUCCESS;
}

static ULONG append(PCHAR base, ULONG *used, const void *part, ULONG size)
{
        ULONG offset = *used;

        if (!part)
                return 0;
        memcpy(base + offset, part, size);
        *used = offset + round4(size);
        return offset;
}

/* STATUS_BUFFER_TOO_SMALL with the size that is needed; STATUS_BAD_DESCRIPTOR_FORMAT for a self-relative one.
 */
NTSTATUS RtlAbsoluteToSelfRelativeSD(PSECURITY_DESCRIPTOR AbsoluteSecurityDescriptor,
                                     PSECURITY_DESCRIPTOR SelfRelativeSecurityDescriptor, PULONG BufferLength)
{
        PISECURITY_DESCRIPTOR from = AbsoluteSecurityDescriptor;
        PISECURITY_DESCRIPTOR_RELATIVE to = SelfRelativeSecurityDescriptor;
        PACL sacl, dacl;
        ULONG used = sizeof(*to);
        ULONG size;

        if (from->Control & SE_SELF_RELATIVE)
                return STATUS_BAD_DESCRIPTOR_FORMAT;
        size = RtlLengthSecurityDescriptor(from) - (ULONG)(sizeof(SECURITY_DESCRIPTOR) - sizeof(*to));
        if (*BufferLength < size) {
                *BufferLength = size;
                return STATUS_BUFFER_TOO_SMALL;
        }
        memset(to, 0, size);
        sacl = acl_of(from, true);
        dacl = acl_of(from, false);
        to->Revision = from->Revision;
        to->Sbz1 = from->Sbz1;
        to->Control = from->Control | SE_SELF_RELATIVE;
        to->Sacl = append((PCHAR)to, &used, sacl, sacl ? sacl->AclSize : 0);
        to->Dacl = append((PCHAR)to, &used, dacl, dacl ? dacl->AclSize : 0);
        to->Owner = append((PCHAR)to, &used, from->Owner, from->Owner ? RtlLengthSid(from->Owner) : 0);
        to->Group = append((PCHAR)to, &used, from->Group, from->Group ? RtlLengthSid(from->Group) : 0);
        *BufferLength = size;
        return STATUS_SUCCESS;
}

VOID RtlMapGenericMask(PACCESS_MASK AccessMask, const GENERIC_MAPPING *GenericMapping)
{
        ACCESS_MASK mask = *AccessMask;

        if (mask & GENERIC_READ)
                mask |= GenericMapping->GenericRead;
        if (mask & GENERIC_WRITE)
                mask |= GenericMapping->GenericWrite;
        if (mask & GENERIC_EXECUTE)
                mask |= GenericMapping->GenericExecute;
        if (mask & GENERIC_ALL)
                mask |= GenericMapping->GenericAll;
        *AccessMask = mask & ~(GENERIC_READ | GENERIC_WRITE | GENERIC_EXECUTE | GENERIC_ALL);
}

BOOLEAN RtlAreAllAccessesGranted(ACCESS_MASK GrantedAccess, ACCESS_MASK DesiredAccess)
{
        return (DesiredAccess & ~GrantedAccess) == 0;
}

BOOLEAN RtlAreAnyAccessesGranted(ACCESS_MASK GrantedAccess, ACCESS_MASK DesiredAccess)
{
        return (DesiredAccess & GrantedAccess) != 0;
}
