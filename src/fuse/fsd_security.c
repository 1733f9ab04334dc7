/* SPDX-License-Identifier: MIT */
/*
 * IRP_MJ_QUERY_SECURITY and IRP_MJ_SET_SECURITY at the bottom, and the descriptors they carry. See
 * fsd_security.h.
 */
#include "fuse/fsd_security.h"

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

#include <string.h>

#include "fuse/fsd.h"
#include "nt/status.h"

#define HEADER_SIZE   20 /* SECURITY_DESCRIPTOR_RELATIVE */
#define ACL_HEADER    8
#define ACE_HEADER    8
#define UNIX_SID_SIZE 16
#define EVERYONE_SIZE 12
#define SELF_RELATIVE 0x8000
#define DACL_PRESENT  0x0004

enum unix_kind {
        UNIX_USER = 1,
        UNIX_GROUP = 2,
};

static void put16(UCHAR *at, unsigned value)
{
        at[0] = (UCHAR)value;
        at[1] = (UCHAR)(value >> 8);
}

static void put32(UCHAR *at, uint32_t value)
{
        put16(at, value & 0xffff);
        put16(at + 2, value >> 16);
}

static unsigned get16(const UCHAR *at)
{
        return at[0] | (unsigned)at[1] << 8;
}

static uint32_t get32(const UCHAR *at)
{
        return get16(at) | (uint32_t)get16(at + 2) << 16;
}

static ULONG put_unix_sid(UCHAR *at, enum unix_kind kind, uint32_t id)
{
        static const UCHAR start[8] = {1, 2, 0, 0, 0, 0, 0, 22};

        memcpy(at, start, sizeof(start));
        put32(at + 8, kind);
        put32(at + 12, id);
        return UNIX_SID_SIZE;
}

static ULONG put_everyone(UCHAR *at)
{
        static const UCHAR sid[EVERYONE_SIZE] = {1, 1, 0, 0, 0, 0, 0, 1};

        memcpy(at, sid, sizeof(sid));
        return EVERYONE_SIZE;
}

static ACCESS_MASK rights(mode_t bits)
{
        return (bits & 4 ? FILE_GENERIC_READ : 0) | (bits & 2 ? FILE_GENERIC_WRITE | FILE_DELETE_CHILD : 0) |
               (bits & 1 ? FILE_GENERIC_EXECUTE : 0);
}

static mode_t bits_of(ACCESS_MASK rights_)
{
        if (rights_ & GENERIC_ALL)
                return 7;
        return (rights_ & (FILE_READ_DATA | GENERIC_READ) ? 4 : 0) |
               (rights_ & (FILE_WRITE_DATA | GENERIC_WRITE) ? 2 : 0) |
               (rights_ & (FILE_EXECUTE | GENERIC_EXECUTE) ? 1 : 0);
}

/* An access-allowed ACE whose SID is sid_size bytes, which the caller puts behind the header. */
static ULONG put_ace(UCHAR *at, ACCESS_MASK mask, ULONG sid_size)
{
        memset(at, 0, 4);
        put16(at + 2, ACE_HEADER + sid_size);
        put32(at + 4, mask);
        return ACE_HEADER + sid_size;
}

ULONG fm_fsd_security_build(uid_t uid, gid_t gid, mode_t mode, SECURITY_INFORMATION information, void *buffer)
{
        const ACCESS_MASK owner =
                READ_CONTROL | WRITE_DAC | WRITE_OWNER | FILE_WRITE_ATTRIBUTES | FILE_WRITE_EA;
        UCHAR *out = buffer;
        ULONG used = HEADER_SIZE;

        memset(out, 0, FM_FSD_SECURITY_SIZE);
        out[0] = 1;
        put16(out + 2, SELF_RELATIVE | (information & DACL_SECURITY_INFORMATION ? DACL_PRESENT : 0));
        if (information & OWNER_SECURITY_INFORMATION) {
                put32(out + 4, used);
                used += put_unix_sid(out + used, UNIX_USER, uid);
        }
        if (information & GROUP_SECURITY_INFORMATION) {
                put32(out + 8, used);
                used += put_unix_sid(out + used, UNIX_GROUP, gid);
        }
        if (information & DACL_SECURITY_INFORMATION) {
                UCHAR *acl = out + used, *at = acl + ACL_HEADER;

                put32(out + 16, used);
                put_unix_sid(at + ACE_HEADER, UNIX_USER, uid);
                at += put_ace(at, rights(mode >> 6) | owner, UNIX_SID_SIZE);
                put_unix_sid(at + ACE_HEADER, UNIX_GROUP, gid);
                at += put_ace(at, rights(mode >> 3), UNIX_SID_SIZE);
                put_everyone(at + ACE_HEADER);
                at += put_ace(at, rights(mode), EVERYONE_SIZE);
                acl[0] = 2;
                put16(acl + 2, (unsigned)(at - acl));
                put16(acl + 4, 3);
                used += (ULONG)(at - acl);
        }
        return used;
}

static bool is_unix_sid(const UCHAR *sid, enum unix_kind kind, uint32_t *ret)
{
        static const UCHAR start[8] = {1, 2, 0, 0, 0, 0, 0, 22};

        if (!sid || memcmp(sid, start, sizeof(start)) != 0 || get32(sid + 8) != kind)
                return false;
        *ret = get32(sid + 12);
        return true;
}

/* Owner 0, group 1, SACL 2, DACL 3 of either form. */
static const UCHAR *part(const UCHAR *descriptor, unsigned which)
{
        const void *pointer;
        uint32_t offset;

        if (get16(descriptor + 2) & SELF_RELATIVE) {
                offset = get32(descriptor + 4 + 4 * which);
                return offset ? descriptor + offset : NULL;
        }
        memcpy(&pointer, descriptor + 8 + 8 * which, sizeof(pointer));
        return pointer;
}

static bool parse_dacl(const UCHAR *acl, mode_t *ret)
{
        static const UCHAR everyone[EVERYONE_SIZE] = {1, 1, 0, 0, 0, 0, 0, 1};
        const unsigned size = get16(acl + 2), count = get16(acl + 4);
        bool has_user = false, has_group = false;
        mode_t user = 0, group = 0, other = 0;
        unsigned i, at = ACL_HEADER;
        uint32_t id;

        for (i = 0; i < count; i++) {
                const UCHAR *ace = acl + at;
                unsigned length;

                if (at + ACE_HEADER > size)
                        return false;
                length = get16(ace + 2);
                if (length < ACE_HEADER + EVERYONE_SIZE || length > size - at)
                        return false;
                if (ace[0] != 0) /* only "allowed" can be said with mode bits */
                        return false;
                if (length >= ACE_HEADER + UNIX_SID_SIZE && is_unix_sid(ace + ACE_HEADER, UNIX_USER, &id)) {
                        user |= bits_of(get32(ace + 4));
                        has_user = true;
                } else if (length >= ACE_HEADER + UNIX_SID_SIZE &&
                           is_unix_sid(ace + ACE_HEADER, UNIX_GROUP, &id)) {
                        group |= bits_of(get32(ace + 4));
                        has_group = true;
                } else if (memcmp(ace + ACE_HEADER, everyone, sizeof(everyone)) == 0) {
                        other |= bits_of(get32(ace + 4));
                }
                at += length;
        }
        *ret = (has_user ? user : other) << 6 | (has_group ? group : other) << 3 | other;
        return true;
}

bool fm_fsd_security_parse(const void *descriptor, SECURITY_INFORMATION information,
                           struct fm_fsd_security *ret)
{
        const UCHAR *in = descriptor, *dacl;
        uint32_t id;

        *ret = (struct fm_fsd_security){0};
        if (in[0] != 1)
                return false;
        if (information & OWNER_SECURITY_INFORMATION) {
                if (!is_unix_sid(part(in, 0), UNIX_USER, &id))
                        return false;
                ret->uid = id;
                ret->has_uid = true;
        }
        if (information & GROUP_SECURITY_INFORMATION) {
                if (!is_unix_sid(part(in, 1), UNIX_GROUP, &id))
                        return false;
                ret->gid = id;
                ret->has_gid = true;
        }
        if (information & DACL_SECURITY_INFORMATION) {
                dacl = get16(in + 2) & DACL_PRESENT ? part(in, 3) : NULL;
                ret->has_mode = true;
                ret->mode = 0777; /* no DACL: everything is allowed */
                return !dacl || parse_dacl(dacl, &ret->mode);
        }
        return true;
}

void fm_fsd_query_security(struct fm_operation *op)
{
        struct fm_fsd_file *fsd = fm_fsd_file(op->iopb.TargetFileObject);
        const SECURITY_INFORMATION information = op->iopb.Parameters.QuerySecurity.SecurityInformation;
        PMDL mdl = op->iopb.Parameters.QuerySecurity.MdlAddress;
        void *buffer = mdl ? MmGetSystemAddressForMdlSafe(mdl, NormalPagePriority)
                           : op->iopb.Parameters.QuerySecurity.SecurityBuffer;
        UCHAR descriptor[FM_FSD_SECURITY_SIZE];
        struct stat st;
        ULONG length;
        int error;

        if (!fsd->inode) {
                fm_operation_set_result(op, STATUS_INVALID_PARAMETER, 0);
                return;
        }
        error = fm_backing_getattr(fsd->inode, fsd->file, &st);
        if (error < 0) {
                fm_operation_set_error(op, -error);
                return;
        }
        length = fm_fsd_security_build(st.st_uid, st.st_gid, st.st_mode, information, descriptor);
        if (!buffer || op->iopb.Parameters.QuerySecurity.Length < length) {
                fm_operation_set_result(op, STATUS_BUFFER_TOO_SMALL, length);
                return;
        }
        memcpy(buffer, descriptor, length);
        fm_operation_set_result(op, STATUS_SUCCESS, length);
        fm_fsd_perform(op, information, NULL, 0);
}

/* Bytes of the request's own descriptor that are to be compared: as many as it has, if it is self-relative
 * still. */
static ULONG comparable_length(const struct fm_operation *op, const UCHAR *descriptor)
{
        const struct fm_fsd_request *request = op->fsd_request;

        return request && get16(descriptor + 2) & SELF_RELATIVE ? request->made_length : 0;
}

void fm_fsd_set_security(struct fm_operation *op)
{
        struct fm_fsd_file *fsd = fm_fsd_file(op->iopb.TargetFileObject);
        const SECURITY_INFORMATION information = op->iopb.Parameters.SetSecurity.SecurityInformation;
        const UCHAR *descriptor = op->iopb.Parameters.SetSecurity.SecurityDescriptor;
        struct fm_fsd_security security;
        struct stat attr = {0}, now;
        struct fm_caller scratch;
        int valid = 0, error;

        if (!descriptor || !fsd->inode) {
                fm_operation_set_result(op, STATUS_INVALID_PARAMETER, 0);
                return;
        }
        if (fm_fsd_perform(op, information, descriptor, comparable_length(op, descriptor)))
                return;
        if (!fm_fsd_security_parse(descriptor, information, &security)) {
                fm_operation_set_result(op, STATUS_NOT_SUPPORTED, 0);
                return;
        }
        error = fm_backing_getattr(fsd->inode, fsd->file, &now);
        attr.st_uid = security.uid;
        attr.st_gid = security.gid;
        attr.st_mode = (now.st_mode & ~0777u) | security.mode;
        valid |= security.has_uid ? FUSE_SET_ATTR_UID : 0;
        valid |= security.has_gid ? FUSE_SET_ATTR_GID : 0;
        valid |= security.has_mode ? FUSE_SET_ATTR_MODE : 0;
        if (error == 0 && valid)
                error = fm_backing_setattr(fm_fsd_caller(op, &scratch), fsd->inode, fsd->file, &attr, valid,
                                           NULL);
        if (error < 0)
                fm_operation_set_error(op, -error);
        else
                fm_operation_set_result(op, STATUS_SUCCESS, 0);
}
