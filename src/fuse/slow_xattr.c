/* SPDX-License-Identifier: MIT */
/*
 * Extended attributes: user.* as EAs, POSIX ACLs as security, everything else straight to the backing file
 * system.
 */
#include "fuse/slow_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "fuse/fsd_ea.h"
#include "fuse/fsd_security.h"
#include "fuse/session.h"

#define EA_VALUE_MAX 65535
#define EA_ROOM      (EA_VALUE_MAX + 512) /* the largest with its name */

enum verb {
        GET,
        SET,
        REMOVE,
};

struct attribute {
        struct fm_fsd_request request;
        enum verb verb;
        struct fm_inode *inode;
        const char *name;
        const char *ea; /* the name as an EA's, ea_length long; NULL: none */
        size_t ea_length;
        const char *value; /* to set */
        size_t size;
        int flags; /* XATTR_CREATE, XATTR_REPLACE */
        char *got; /* of XATTR_SIZE_MAX; what was read */
        ssize_t got_size;
};

static bool is_acl(const char *name)
{
        return strncmp(name, "system.posix_acl_", strlen("system.posix_acl_")) == 0;
}

static int direct(const struct fm_caller *caller, struct attribute *attribute)
{
        switch (attribute->verb) {
        case GET:
                attribute->got_size = fm_backing_getxattr(caller, attribute->inode, attribute->name,
                                                          attribute->got, XATTR_SIZE_MAX);
                return attribute->got_size < 0 ? (int)attribute->got_size : 0;
        case SET:
                return fm_backing_setxattr(caller, attribute->inode, attribute->name, attribute->value,
                                           attribute->size, attribute->flags);
        default:
                return fm_backing_removexattr(caller, attribute->inode, attribute->name);
        }
}

static int perform(struct fm_operation *op, struct fm_fsd_request *request, ULONG_PTR *information)
{
        struct attribute *attribute = CONTAINING_RECORD(request, struct attribute, request);
        struct fm_caller scratch;
        ULONG used = 0, last = 0;
        int error;

        error = direct(fm_fsd_caller(op, &scratch), attribute);
        if (error < 0)
                return error;
        if (op->iopb.MajorFunction == IRP_MJ_QUERY_EA) {
                if (!fm_fsd_ea_append(op->iopb.Parameters.QueryEa.EaBuffer,
                                      op->iopb.Parameters.QueryEa.Length, &used, &last, attribute->ea,
                                      attribute->ea_length, attribute->got, (size_t)attribute->got_size))
                        return -E2BIG; /* an EA can't be that long: the caller does without filters */
                *information = used;
        }
        /* The descriptor is in its buffer, and the result says so. */
        return op->iopb.MajorFunction == IRP_MJ_QUERY_SECURITY ? FM_FSD_ANSWERED : 0;
}

/* QUERY_EA for one name; the value that filters left goes into attribute->got. */
static int get_ea(struct fm_slow *slow, PFILE_OBJECT file, struct attribute *attribute)
{
        struct fm_operation *op = fm_slow_operation(slow, IRP_MJ_QUERY_EA, 0, file, &attribute->request);
        const size_t length = offsetof(FILE_GET_EA_INFORMATION, EaName) + attribute->ea_length + 1;
        g_autofree FILE_GET_EA_INFORMATION *list = g_malloc0(length + sizeof(ULONG));
        g_autofree FILE_GET_EA_INFORMATION *made = NULL;
        g_autofree UCHAR *buffer = g_malloc0(EA_ROOM);
        const FILE_FULL_EA_INFORMATION *ea;
        ULONG at = 0, size;
        bool valid;
        int error;

        list->EaNameLength = (UCHAR)attribute->ea_length;
        memcpy(list->EaName, attribute->ea, attribute->ea_length);
        made = g_memdup2(list, length);
        attribute->request.made = made;
        attribute->request.made_length = (ULONG)length;
        op->iopb.OperationFlags = SL_RESTART_SCAN;
        op->iopb.Parameters.QueryEa.EaList = list;
        op->iopb.Parameters.QueryEa.EaListLength = (ULONG)length;
        op->iopb.Parameters.QueryEa.EaBuffer = buffer;
        op->iopb.Parameters.QueryEa.Length = EA_ROOM;
        fm_operation_run(op);
        error = fm_slow_errno(op);
        size = (ULONG)MIN(op->data.IoStatus.Information, EA_ROOM);
        fm_operation_free(op);
        if (error)
                return error;
        ea = fm_fsd_ea_next(buffer, size, &at, &valid);
        if (!ea)
                return ENODATA;
        /* Without the bottom's word that it is there, an empty one is how EAs say that there is none. */
        if (ea->EaValueLength == 0 && attribute->got_size != 0)
                return ENODATA;
        attribute->got_size = ea->EaValueLength;
        memcpy(attribute->got, ea->EaName + ea->EaNameLength + 1, ea->EaValueLength);
        return 0;
}

static int set_ea(struct fm_slow *slow, PFILE_OBJECT file, struct attribute *attribute)
{
        struct fm_operation *op = fm_slow_operation(slow, IRP_MJ_SET_EA, 0, file, &attribute->request);
        const ULONG room =
                (ULONG)(sizeof(FILE_FULL_EA_INFORMATION) + attribute->ea_length + 1 + attribute->size);
        g_autofree UCHAR *buffer = g_malloc0(room), *made = NULL;
        ULONG used = 0, last = 0;

        /* Removing is an empty value to EAs. */
        fm_fsd_ea_append(buffer, room, &used, &last, attribute->ea, attribute->ea_length, attribute->value,
                         attribute->verb == SET ? attribute->size : 0);
        made = g_memdup2(buffer, used);
        attribute->request.made = made;
        attribute->request.made_length = used;
        op->iopb.Parameters.SetEa.EaBuffer = buffer;
        op->iopb.Parameters.SetEa.Length = used;
        return fm_slow_run(op);
}

/* An ACL is more than a descriptor can say: it goes its own way at the bottom, filters see that there is a
 * change. */
static int access_security(struct fm_slow *slow, PFILE_OBJECT file, struct attribute *attribute)
{
        const bool set = attribute->verb != GET;
        struct fm_operation *op = fm_slow_operation(slow, set ? IRP_MJ_SET_SECURITY : IRP_MJ_QUERY_SECURITY,
                                                    0, file, &attribute->request);
        UCHAR descriptor[FM_FSD_SECURITY_SIZE], made[FM_FSD_SECURITY_SIZE];
        struct stat st = {0};
        ULONG length;

        fm_backing_getattr(attribute->inode, NULL, &st);
        length = fm_fsd_security_build(st.st_uid, st.st_gid, st.st_mode, DACL_SECURITY_INFORMATION,
                                       descriptor);
        memcpy(made, descriptor, sizeof(made));
        attribute->request.code = DACL_SECURITY_INFORMATION;
        if (set) {
                attribute->request.made = made;
                attribute->request.made_length = length;
                op->iopb.Parameters.SetSecurity.SecurityInformation = DACL_SECURITY_INFORMATION;
                op->iopb.Parameters.SetSecurity.SecurityDescriptor = (PSECURITY_DESCRIPTOR)descriptor;
        } else {
                op->iopb.Parameters.QuerySecurity.SecurityInformation = DACL_SECURITY_INFORMATION;
                op->iopb.Parameters.QuerySecurity.SecurityBuffer = descriptor;
                op->iopb.Parameters.QuerySecurity.Length = sizeof(descriptor);
        }
        return fm_slow_run(op);
}

/* 0 or a positive errno; what was read is in attribute->got. */
static int go(struct fm_slow *slow, struct attribute *attribute)
{
        struct fm_slow_open_inode what = {.inode = attribute->inode};
        const bool acl = is_acl(attribute->name);
        PFILE_OBJECT file;
        ACCESS_MASK access;
        int error;

        attribute->ea_length = fm_fsd_ea_name(attribute->name, &attribute->ea);
        if (!acl && (!attribute->ea_length || attribute->size > EA_VALUE_MAX))
                return -direct(&slow->request->caller, attribute);
        access = acl ? (attribute->verb == GET ? READ_CONTROL : WRITE_DAC)
                     : (attribute->verb == GET ? FILE_READ_EA : FILE_WRITE_EA);
        error = fm_slow_open_inode(slow, access, FILE_OPEN_REPARSE_POINT, &what, &file);
        if (error)
                return error;
        attribute->request.perform = perform;
        if (acl)
                error = access_security(slow, file, attribute);
        else
                error = attribute->verb == GET ? get_ea(slow, file, attribute)
                                               : set_ea(slow, file, attribute);
        fm_slow_transient_close(slow, file);
        if (error == E2BIG && attribute->verb == GET)
                error = -direct(&slow->request->caller, attribute);
        return error;
}

static void reply_data(struct fm_slow *slow, const char *data, size_t length, size_t size)
{
        if (size == 0)
                fm_request_reply_xattr_size(slow->request, length);
        else if (length > size)
                fm_request_reply_error(slow->request, ERANGE);
        else
                fm_request_reply_buffer(slow->request, data, length);
}

void fm_slow_getxattr(fuse_req_t req, struct fm_inode *inode, const char *name, size_t size)
{
        g_autofree char *got = g_malloc(XATTR_SIZE_MAX);
        struct attribute attribute = {.verb = GET, .inode = inode, .name = name, .got = got, .got_size = -1};
        struct fm_slow slow;
        int error;

        fm_slow_begin(&slow, req, inode, NULL);
        error = go(&slow, &attribute);
        if (!error && attribute.got_size < 0)
                error = ENODATA; /* a filter answered in the bottom's place, with nothing */
        if (error)
                fm_request_reply_error(slow.request, error);
        else
                reply_data(&slow, got, (size_t)attribute.got_size, size);
        fm_slow_end(&slow);
}

void fm_slow_setxattr(fuse_req_t req, struct fm_inode *inode, const char *name, const char *value,
                      size_t size, int flags)
{
        struct attribute attribute = {
                .verb = SET, .inode = inode, .name = name, .value = value, .size = size, .flags = flags};
        struct fm_slow slow;

        fm_slow_begin(&slow, req, inode, NULL);
        fm_request_reply_error(slow.request, go(&slow, &attribute));
        fm_slow_end(&slow);
}

void fm_slow_removexattr(fuse_req_t req, struct fm_inode *inode, const char *name)
{
        struct attribute attribute = {.verb = REMOVE, .inode = inode, .name = name};
        struct fm_slow slow;

        fm_slow_begin(&slow, req, inode, NULL);
        fm_request_reply_error(slow.request, go(&slow, &attribute));
        fm_slow_end(&slow);
}

/* ---- listxattr ---- */

/* Names of all EAs that filters let through, one IRP for as many as fit. 0 or a positive errno. */
static int list_eas(struct fm_slow *slow, PFILE_OBJECT file, GHashTable *names)
{
        g_autofree UCHAR *buffer = g_malloc(EA_ROOM);
        UCHAR flags = SL_RESTART_SCAN;
        bool more = true;
        int error = 0;

        while (more && !error) {
                struct fm_operation *op = fm_slow_operation(slow, IRP_MJ_QUERY_EA, 0, file, NULL);
                const FILE_FULL_EA_INFORMATION *ea;
                ULONG at = 0, size;
                NTSTATUS status;
                bool valid;

                op->iopb.OperationFlags = flags;
                op->iopb.Parameters.QueryEa.EaBuffer = buffer;
                op->iopb.Parameters.QueryEa.Length = EA_ROOM;
                status = fm_operation_run(op);
                error = fm_slow_errno(op);
                size = (ULONG)MIN(op->data.IoStatus.Information, EA_ROOM);
                fm_operation_free(op);
                flags = 0;
                if (status == STATUS_NO_MORE_EAS || status == STATUS_NO_EAS_ON_FILE)
                        return 0;
                more = status == STATUS_BUFFER_OVERFLOW;
                if (more)
                        error = 0;
                while (!error && (ea = fm_fsd_ea_next(buffer, size, &at, &valid)))
                        g_hash_table_add(names, g_strdup_printf("user.%.*s", ea->EaNameLength, ea->EaName));
                if (size == 0)
                        more = false;
        }
        return error;
}

/* The backing file system's list without the EAs that filters took out, then those that they put in. */
static void merge(const char *list, ssize_t size, GHashTable *names, GString *ret)
{
        const char *name, *ea;
        GHashTableIter iter;
        gpointer key;

        for (name = list; name < list + size; name += strlen(name) + 1)
                if (fm_fsd_ea_name(name, &ea) == 0 || g_hash_table_remove(names, name))
                        g_string_append_len(ret, name, (gssize)strlen(name) + 1);
        g_hash_table_iter_init(&iter, names);
        while (g_hash_table_iter_next(&iter, &key, NULL))
                g_string_append_len(ret, key, (gssize)strlen(key) + 1);
}

void fm_slow_listxattr(fuse_req_t req, struct fm_inode *inode, size_t size)
{
        g_autofree char *list = g_malloc(XATTR_LIST_MAX + 1);
        g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        struct fm_slow_open_inode what = {.inode = inode};
        GString *merged = g_string_new(NULL);
        PFILE_OBJECT file = NULL;
        struct fm_slow slow;
        ssize_t backing = 0;
        int error;

        fm_slow_begin(&slow, req, inode, NULL);
        error = fm_slow_open_inode(&slow, FILE_READ_EA, FILE_OPEN_REPARSE_POINT, &what, &file);
        if (!error)
                error = list_eas(&slow, file, names);
        fm_slow_transient_close(&slow, file);
        if (!error)
                backing = fm_backing_listxattr(&slow.request->caller, inode, list, XATTR_LIST_MAX);
        if (!error && backing < 0)
                error = (int)-backing;
        if (error) {
                fm_request_reply_error(slow.request, error);
        } else {
                list[backing] = '\0';
                merge(list, backing, names, merged);
                reply_data(&slow, merged->str, merged->len, size);
        }
        g_string_free(merged, TRUE);
        fm_slow_end(&slow);
}
