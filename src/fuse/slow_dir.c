/* SPDX-License-Identifier: MIT */
/*
 * Reading directories. The answer is made of the buffer as filters left it: what one of them took out is not
 * there.
 *
 * FUSE's offsets are those of the backing directory, so that a directory can be read from anywhere, by
 * either way; filters see them as FileIndex, one after the other.
 */
#include "fuse/slow_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/fsd_info.h"
#include "fuse/session.h"
#include "nt/unicode.h"

struct listing {
        struct fm_fsd_request request;
        off_t offset;
        GArray *listed;
};

static int list(struct fm_operation *op, struct fm_fsd_request *request, ULONG_PTR *information)
{
        struct listing *listing = CONTAINING_RECORD(request, struct listing, request);

        (void)information;
        fm_fsd_list(op, listing->offset, listing->listed);
        return FM_FSD_ANSWERED;
}

/* One answer being filled. */
struct reply {
        struct fm_slow *slow;
        struct fm_inode *directory;
        char *buffer;
        size_t size, used;
        bool plus, full;
        off_t next;        /* of the last entry that was put in or passed over */
        GPtrArray *inodes; /* references that go to the kernel with the answer */
};

static off_t offset_after(const GArray *listed, ULONG index, off_t otherwise)
{
        ULONG at;

        if (listed->len == 0)
                return otherwise;
        /* They are numbered one after the other. */
        at = index - g_array_index(listed, struct fm_fsd_listed, 0).index;
        return at < listed->len ? g_array_index(listed, struct fm_fsd_listed, at).next : otherwise;
}

static void add(struct reply *reply, const char *name, ULONG attributes, ULONG tag, uint64_t ino, off_t next)
{
        struct fm_directory_entry entry = {
                .name = name,
                .ino = ino,
                .type = IFTODT(fm_fsd_file_type(attributes, tag)),
                .next = next,
        };
        struct fm_inode *inode = NULL;
        struct stat attr;
        size_t used;

        if (reply->plus && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
            fm_inode_lookup(reply->directory, name, &inode, &attr) < 0)
                inode = NULL;
        used = fm_request_add_entry(reply->slow->request, reply->buffer + reply->used,
                                    reply->size - reply->used, reply->plus, &entry, inode, &attr);
        if (used == 0) {
                fm_inode_unref(inode);
                reply->full = true;
                return;
        }
        if (inode)
                g_ptr_array_add(reply->inodes, inode);
        reply->used += used;
        reply->next = next;
}

/* Nothing about the buffer is taken for granted: filters had it. */
static void take_entries(struct reply *reply, const UCHAR *buffer, size_t length, const GArray *listed)
{
        const size_t header = fm_fsd_entry_header(FileIdExtdDirectoryInformation);
        size_t at = 0;

        while (!reply->full && length - at >= header) {
                const FILE_ID_EXTD_DIR_INFORMATION *entry = (const void *)(buffer + at);
                off_t next;
                uint64_t ino;
                char *name;

                if (entry->FileNameLength > length - at - header)
                        return;
                next = offset_after(listed, entry->FileIndex, reply->next);
                memcpy(&ino, &entry->FileId, sizeof(ino));
                name = fm_name_from_utf16(entry->FileName, entry->FileNameLength / sizeof(WCHAR));
                if (name && *name)
                        add(reply, name, entry->FileAttributes, entry->ReparsePointTag, ino, next);
                free(name);
                if (entry->NextEntryOffset == 0)
                        return;
                if (entry->NextEntryOffset % 8 || entry->NextEntryOffset < header ||
                    entry->NextEntryOffset > length - at)
                        return;
                at += entry->NextEntryOffset;
        }
}

/* One IRP's worth. *more: another may follow. 0 or a positive errno. */
static int query(struct reply *reply, PFILE_OBJECT object, UCHAR *buffer, ULONG length, bool *more)
{
        struct listing listing = {
                .request = {.code = FileIdExtdDirectoryInformation, .perform = list},
                .offset = reply->next,
                .listed = g_array_new(FALSE, FALSE, sizeof(struct fm_fsd_listed)),
        };
        struct fm_operation *op = fm_slow_operation(reply->slow, IRP_MJ_DIRECTORY_CONTROL,
                                                    IRP_MN_QUERY_DIRECTORY, object, &listing.request);
        NTSTATUS status;
        int error;

        op->iopb.OperationFlags = reply->next == 0 ? SL_RESTART_SCAN : 0;
        op->iopb.Parameters.DirectoryControl.QueryDirectory.Length = length;
        op->iopb.Parameters.DirectoryControl.QueryDirectory.FileInformationClass =
                FileIdExtdDirectoryInformation;
        op->iopb.Parameters.DirectoryControl.QueryDirectory.DirectoryBuffer = buffer;
        status = fm_operation_run(op);
        error = fm_operation_errno(op);
        *more = false;
        if (status == STATUS_NO_MORE_FILES || status == STATUS_NO_SUCH_FILE) {
                error = 0;
        } else if (error == 0) {
                take_entries(reply, buffer, MIN(op->data.IoStatus.Information, length), listing.listed);
                if (!reply->full && listing.listed->len) {
                        /* All that the bottom found has been dealt with, also what filters took out at the
                         * end. */
                        reply->next =
                                g_array_index(listing.listed, struct fm_fsd_listed, listing.listed->len - 1)
                                        .next;
                        *more = true;
                }
        }
        fm_operation_free(op);
        g_array_unref(listing.listed);
        return error;
}

void fm_slow_readdir(fuse_req_t req, struct fm_file *file, size_t size, off_t offset, bool plus)
{
        struct fm_slow slow;
        struct reply reply = {
                .slow = &slow, .directory = file->inode, .size = size, .plus = plus, .next = offset};
        /* An entry is about as large here as in a plain answer, and half as large as in one with attributes.
         */
        const ULONG length = (ULONG)MAX(plus ? size / 2 : size, (size_t)1024);
        PFILE_OBJECT object;
        bool more = true;
        UCHAR *buffer;
        int error = 0;
        guint i;

        fm_slow_begin_file(&slow, req, file);
        object = slow.object;
        buffer = g_malloc0(length);
        reply.buffer = g_malloc(size);
        reply.inodes = g_ptr_array_new();
        /* An empty answer would say that the directory ends: go on while filters take out all there is. */
        while (more && !error && reply.used == 0 && !reply.full)
                error = query(&reply, object, buffer, length, &more);
        if (error && reply.used == 0)
                fm_request_reply_error(slow.request, error);
        else if (!fm_request_reply_buffer(slow.request, reply.buffer, reply.used))
                for (i = 0; i < reply.inodes->len; i++)
                        fm_inode_unref(g_ptr_array_index(reply.inodes, i));
        g_ptr_array_unref(reply.inodes);
        g_free(reply.buffer);
        g_free(buffer);
        fm_slow_end(&slow);
}
