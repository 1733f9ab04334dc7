/* SPDX-License-Identifier: MIT */
/*
 * IRP_MJ_QUERY_EA and IRP_MJ_SET_EA at the bottom, and the lists they carry. See fsd_ea.h.
 */
#include "fuse/fsd_ea.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "fuse/fsd.h"
#include "fuse/fsd_info.h"
#include "nt/status.h"

#define PREFIX      "user."
#define NAME_MAX_EA 254
#define VALUE_MAX   65535

static bool is_ea_char(unsigned char c)
{
        return c > 31 && c < 127 && !strchr("\"*+,/:;<=>?[\\]|", c);
}

static bool is_ea_name(const char *name, size_t length)
{
        size_t i;

        if (length == 0 || length > NAME_MAX_EA)
                return false;
        for (i = 0; i < length; i++)
                if (!is_ea_char((unsigned char)name[i]))
                        return false;
        return true;
}

size_t fm_fsd_ea_name(const char *attribute, const char **ret)
{
        const char *name = attribute + strlen(PREFIX);

        if (strncmp(attribute, PREFIX, strlen(PREFIX)) != 0 || !is_ea_name(name, strlen(name)))
                return 0;
        *ret = name;
        return strlen(name);
}

bool fm_fsd_ea_append(void *buffer, ULONG length, ULONG *used, ULONG *last, const char *name,
                      size_t name_length, const void *value, size_t value_length)
{
        const ULONG at = fm_fsd_align(*used, 4);
        const size_t size = offsetof(FILE_FULL_EA_INFORMATION, EaName) + name_length + 1 + value_length;
        FILE_FULL_EA_INFORMATION *out = (FILE_FULL_EA_INFORMATION *)((UCHAR *)buffer + at);

        if (at > length || size > length - at || name_length > NAME_MAX_EA || value_length > VALUE_MAX)
                return false;
        if (*used)
                ((FILE_FULL_EA_INFORMATION *)((UCHAR *)buffer + *last))->NextEntryOffset = at - *last;
        out->NextEntryOffset = 0;
        out->Flags = 0;
        out->EaNameLength = (UCHAR)name_length;
        out->EaValueLength = (USHORT)value_length;
        memcpy(out->EaName, name, name_length);
        out->EaName[name_length] = '\0';
        if (value_length)
                memcpy(out->EaName + name_length + 1, value, value_length);
        *last = at;
        *used = at + (ULONG)size;
        return true;
}

const FILE_FULL_EA_INFORMATION *fm_fsd_ea_next(const void *buffer, ULONG length, ULONG *at, bool *valid)
{
        const ULONG header = offsetof(FILE_FULL_EA_INFORMATION, EaName);
        const FILE_FULL_EA_INFORMATION *ea;
        ULONG room;

        *valid = true;
        if (*at >= length)
                return NULL;
        room = length - *at;
        ea = (const FILE_FULL_EA_INFORMATION *)((const UCHAR *)buffer + *at);
        if (room < header || (ULONG)ea->EaNameLength + 1 + ea->EaValueLength > room - header ||
            (ea->NextEntryOffset &&
             (ea->NextEntryOffset < header || ea->NextEntryOffset % 4 || ea->NextEntryOffset > room))) {
                *valid = false;
                return NULL;
        }
        *at = ea->NextEntryOffset ? *at + ea->NextEntryOffset : length;
        return ea;
}

static void attribute_name(const char *name, size_t length, char *out)
{
        memcpy(out, PREFIX, strlen(PREFIX));
        memcpy(out + strlen(PREFIX), name, length);
        out[strlen(PREFIX) + length] = '\0';
}

struct query {
        const struct fm_caller *caller;
        struct fm_inode *inode;
        UCHAR *buffer;
        ULONG length, used, last;
        char *value; /* room for one */
};

/* The names that were asked for, each with its value; a missing one has none. */
static NTSTATUS query_list(struct query *query, const void *list, ULONG list_length)
{
        const ULONG header = offsetof(FILE_GET_EA_INFORMATION, EaName);
        char attribute[sizeof(PREFIX) + NAME_MAX_EA];
        ULONG at = 0;

        while (at < list_length) {
                const FILE_GET_EA_INFORMATION *get = (const void *)((const UCHAR *)list + at);
                ssize_t size;

                if (list_length - at < header || get->EaNameLength + 1u > list_length - at - header ||
                    (get->NextEntryOffset && get->NextEntryOffset < header))
                        return STATUS_EA_LIST_INCONSISTENT;
                if (!is_ea_name(get->EaName, get->EaNameLength))
                        return STATUS_INVALID_EA_NAME;
                attribute_name(get->EaName, get->EaNameLength, attribute);
                size = fm_backing_getxattr(query->caller, query->inode, attribute, query->value, VALUE_MAX);
                if (size < 0 && size != -ENODATA)
                        return fm_status_from_errno((int)-size);
                if (!fm_fsd_ea_append(query->buffer, query->length, &query->used, &query->last, get->EaName,
                                      get->EaNameLength, query->value, size < 0 ? 0 : (size_t)size))
                        return STATUS_BUFFER_OVERFLOW;
                if (!get->NextEntryOffset)
                        break;
                at += get->NextEntryOffset;
        }
        return STATUS_SUCCESS;
}

/* All from the position on; moves it past those that were put in. */
static NTSTATUS query_all(struct query *query, ULONG *position, bool single)
{
        ssize_t size = fm_backing_listxattr(query->caller, query->inode, NULL, 0);
        g_autofree char *names = NULL;
        const char *attribute, *name;
        ULONG index = 0;

        if (size > 0) {
                names = g_malloc((size_t)size + 1);
                size = fm_backing_listxattr(query->caller, query->inode, names, (size_t)size);
        }
        if (size < 0)
                return fm_status_from_errno((int)-size);
        if (size > 0)
                names[size] = '\0';
        for (attribute = names; attribute && attribute < names + size; attribute += strlen(attribute) + 1) {
                const size_t length = fm_fsd_ea_name(attribute, &name);
                ssize_t value;

                if (length == 0 || index++ < *position)
                        continue;
                value = fm_backing_getxattr(query->caller, query->inode, attribute, query->value, VALUE_MAX);
                if (value >= 0 && !fm_fsd_ea_append(query->buffer, query->length, &query->used, &query->last,
                                                    name, length, query->value, (size_t)value))
                        return query->used ? STATUS_BUFFER_OVERFLOW : STATUS_BUFFER_TOO_SMALL;
                *position = index;
                if (single && query->used)
                        return STATUS_SUCCESS;
        }
        if (query->used)
                return STATUS_SUCCESS;
        return *position ? STATUS_NO_MORE_EAS : STATUS_NO_EAS_ON_FILE;
}

void fm_fsd_query_ea(struct fm_operation *op)
{
        struct fm_fsd_file *fsd = fm_fsd_file(op->iopb.TargetFileObject);
        PMDL mdl = op->iopb.Parameters.QueryEa.MdlAddress;
        const void *list = op->iopb.Parameters.QueryEa.EaList;
        const ULONG list_length = op->iopb.Parameters.QueryEa.EaListLength;
        g_autofree char *value = NULL;
        struct fm_caller scratch;
        struct query query = {
                .caller = fm_fsd_caller(op, &scratch),
                .inode = fsd->inode,
                .buffer = mdl ? MmGetSystemAddressForMdlSafe(mdl, NormalPagePriority)
                              : op->iopb.Parameters.QueryEa.EaBuffer,
                .length = op->iopb.Parameters.QueryEa.Length,
        };
        NTSTATUS status;

        if (!query.buffer || !fsd->inode || (list_length && !list)) {
                fm_operation_set_result(op, STATUS_INVALID_PARAMETER, 0);
                return;
        }
        if (list && fm_fsd_perform(op, 0, list, list_length))
                return;
        query.value = value = g_malloc(VALUE_MAX);
        if (list) {
                status = query_list(&query, list, list_length);
        } else {
                pthread_mutex_lock(&fsd->lock);
                if (op->iopb.OperationFlags & SL_RESTART_SCAN)
                        fsd->ea_position = 0;
                if (op->iopb.OperationFlags & SL_INDEX_SPECIFIED)
                        fsd->ea_position = MAX(op->iopb.Parameters.QueryEa.EaIndex, 1u) - 1;
                status = query_all(&query, &fsd->ea_position,
                                   op->iopb.OperationFlags & SL_RETURN_SINGLE_ENTRY);
                pthread_mutex_unlock(&fsd->lock);
        }
        fm_operation_set_result(op, status, query.used);
}

void fm_fsd_set_ea(struct fm_operation *op)
{
        struct fm_fsd_file *fsd = fm_fsd_file(op->iopb.TargetFileObject);
        PMDL mdl = op->iopb.Parameters.SetEa.MdlAddress;
        const void *buffer = mdl ? MmGetSystemAddressForMdlSafe(mdl, NormalPagePriority)
                                 : op->iopb.Parameters.SetEa.EaBuffer;
        const ULONG length = op->iopb.Parameters.SetEa.Length;
        char attribute[sizeof(PREFIX) + NAME_MAX_EA];
        const FILE_FULL_EA_INFORMATION *ea;
        const struct fm_caller *caller;
        struct fm_caller scratch;
        bool valid;
        ULONG at;

        if (!buffer || !fsd->inode) {
                fm_operation_set_result(op, STATUS_INVALID_PARAMETER, 0);
                return;
        }
        if (fm_fsd_perform(op, 0, buffer, length))
                return;
        caller = fm_fsd_caller(op, &scratch);
        for (at = 0; (ea = fm_fsd_ea_next(buffer, length, &at, &valid));) {
                int error;

                if (!is_ea_name(ea->EaName, ea->EaNameLength)) {
                        fm_operation_set_result(op, STATUS_INVALID_EA_NAME, 0);
                        return;
                }
                attribute_name(ea->EaName, ea->EaNameLength, attribute);
                if (ea->EaValueLength)
                        error = fm_backing_setxattr(caller, fsd->inode, attribute,
                                                    ea->EaName + ea->EaNameLength + 1, ea->EaValueLength, 0);
                else
                        error = fm_backing_removexattr(caller, fsd->inode, attribute);
                if (error < 0 && !(error == -ENODATA && !ea->EaValueLength)) {
                        fm_operation_set_error(op, -error);
                        return;
                }
        }
        fm_operation_set_result(op, valid ? STATUS_SUCCESS : STATUS_EA_LIST_INCONSISTENT, 0);
}
