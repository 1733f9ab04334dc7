/* SPDX-License-Identifier: MIT */
/*
 * Reading directories. The answer is made of the buffers as filters left them: what one of them took out is not there,
 * what one of them put in is.
 *
 * A handle's listing grows by one query after the other, as FindFirstFile and FindNextFile would make them, and is kept
 * until the directory is rewound or closed. FUSE's offsets are places in it, so that seekdir() works whatever
 * filters did. An offset that the fast path gave out starts a listing there.
 *
 * Whoever works on the listing takes it out of the handle and puts it back: no lock is held while filters run. The
 * kernel lets one reader in at a time; a second one comes only when the first was killed, and makes its own.
 */
#include "fuse/slow_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/fsd_info.h"
#include "fuse/session.h"
#include "nt/unicode.h"

struct entry {
        const char *name; /* in names */
        uint64_t ino;
        ULONG attributes, tag;
};

struct fm_listing {
        GArray *entries; /* struct entry */
        GStringChunk *names;
        off_t from; /* the backing directory's offset at which it starts */
        bool started, ended;
};

static struct fm_listing *listing_new(off_t from)
{
        struct fm_listing *listing = g_new0(struct fm_listing, 1);

        listing->entries = g_array_new(FALSE, FALSE, sizeof(struct entry));
        listing->names = g_string_chunk_new(1024);
        listing->from = from;
        return listing;
}

void fm_listing_free(struct fm_listing *listing)
{
        if (!listing)
                return;
        g_array_unref(listing->entries);
        g_string_chunk_free(listing->names);
        g_free(listing);
}

struct start {
        struct fm_fsd_request request;
        off_t offset;
};

static int list_from(struct fm_operation *op, struct fm_fsd_request *request, ULONG_PTR *information)
{
        (void)information;
        fm_fsd_list(op, CONTAINING_RECORD(request, struct start, request)->offset, NULL);
        return FM_FSD_ANSWERED;
}

/* Nothing about the buffer is taken for granted: filters had it. */
static void take_entries(struct fm_listing *listing, const UCHAR *buffer, size_t length)
{
        const size_t header = fm_fsd_entry_header(FileIdBothDirectoryInformation);
        size_t at = 0;

        while (length - at >= header) {
                FILE_ID_BOTH_DIR_INFORMATION info = {0};
                char *name;

                /* An entry that a filter made need not begin where ours do, as long as its name is made of characters. */
                memcpy(&info, buffer + at, header);
                if (info.FileNameLength > length - at - header)
                        return;
                name = fm_name_from_utf16((const WCHAR *)(buffer + at + header), info.FileNameLength / sizeof(WCHAR));
                if (name && *name) {
                        struct entry entry = {
                                .name = g_string_chunk_insert(listing->names, name),
                                .ino = (uint64_t)info.FileId.QuadPart,
                                .attributes = info.FileAttributes,
                                /* Where Windows has it for what is a reparse point. */
                                .tag = info.FileAttributes & FILE_ATTRIBUTE_REPARSE_POINT ? info.EaSize : 0,
                        };

                        g_array_append_val(listing->entries, entry);
                }
                free(name);
                if (info.NextEntryOffset == 0 || info.NextEntryOffset % sizeof(WCHAR) || info.NextEntryOffset < header ||
                    info.NextEntryOffset > length - at)
                        return;
                at += info.NextEntryOffset;
        }
}

/* One query more. 0 or a positive errno. */
static int grow(struct fm_slow *slow, struct fm_listing *listing, UCHAR *buffer, ULONG length)
{
        struct start start = {
                .request = {.code = FileIdBothDirectoryInformation, .perform = list_from},
                .offset = listing->from,
        };
        bool elsewhere = !listing->started && listing->from;
        struct fm_operation *op = fm_slow_operation(slow, IRP_MJ_DIRECTORY_CONTROL, IRP_MN_QUERY_DIRECTORY, slow->object,
                                                    elsewhere ? &start.request : NULL);
        NTSTATUS status;
        int error;

        op->iopb.OperationFlags = listing->started || elsewhere ? 0 : SL_RESTART_SCAN;
        op->iopb.Parameters.DirectoryControl.QueryDirectory.Length = length;
        op->iopb.Parameters.DirectoryControl.QueryDirectory.FileInformationClass = FileIdBothDirectoryInformation;
        op->iopb.Parameters.DirectoryControl.QueryDirectory.DirectoryBuffer = buffer;
        status = fm_operation_run(op);
        error = fm_slow_errno(op);
        listing->started = true;
        if (status == STATUS_NO_MORE_FILES || status == STATUS_NO_SUCH_FILE ||
            (error == 0 && op->data.IoStatus.Information == 0)) {
                /* Nothing at all is the end too: whoever answers so does it every time. */
                listing->ended = true;
                error = 0;
        } else if (error == 0) {
                take_entries(listing, buffer, MIN(op->data.IoStatus.Information, length));
        }
        fm_operation_free(op);
        return error;
}

/* One answer being filled. */
struct reply {
        struct fm_slow *slow;
        struct fm_inode *directory;
        char *buffer;
        size_t size, used;
        bool plus;
        GPtrArray *inodes; /* references that go to the kernel with the answer */
};

/* False: there is no room for it. */
static bool add(struct reply *reply, const struct entry *from, size_t index)
{
        const struct fm_directory_entry entry = {
                .name = from->name,
                .ino = from->ino,
                .type = IFTODT(fm_fsd_file_type(from->attributes, from->tag)),
                .next = (off_t)(index + 1),
        };
        struct fm_inode *inode = NULL;
        struct stat attr;
        size_t used;

        /* What filters call it is for a lookup to find out. */
        if (reply->plus && !fm_slow_lookup_wanted(reply->directory->session, 0) && strcmp(entry.name, ".") != 0 &&
            strcmp(entry.name, "..") != 0 &&
            fm_inode_lookup(reply->directory, entry.name, &inode, &attr) < 0)
                inode = NULL;
        used = fm_request_add_entry(reply->slow->request, reply->buffer + reply->used, reply->size - reply->used,
                                    reply->plus, &entry, inode, &attr);
        if (used == 0) {
                fm_inode_unref(inode);
                return false;
        }
        if (inode)
                g_ptr_array_add(reply->inodes, inode);
        reply->used += used;
        return true;
}

/* From the index on, as much as there is room for. 0 or a positive errno. */
static int fill(struct reply *reply, struct fm_listing *listing, size_t index)
{
        /* An entry is about as large in a query as in a plain answer, and half as large as in one with attributes. */
        const ULONG length = (ULONG)MAX(reply->plus ? reply->size / 2 : reply->size, (size_t)1024);
        g_autofree UCHAR *buffer = g_malloc0(length);

        for (;;) {
                while (index >= listing->entries->len && !listing->ended) {
                        int error = fm_cancel_is_terminating(reply->slow->requestor.cancel) ?
                                            EINTR :
                                            grow(reply->slow, listing, buffer, length);

                        if (error)
                                return error;
                }
                if (index >= listing->entries->len ||
                    !add(reply, &g_array_index(listing->entries, struct entry, index), index))
                        return 0;
                index++;
        }
}

void fm_slow_readdir(fuse_req_t req, struct fm_file *file, size_t size, off_t offset, bool plus)
{
        struct fm_listing *listing = atomic_exchange(&file->listing, NULL);
        struct fm_slow slow;
        struct reply reply = {.slow = &slow, .directory = file->inode, .size = size, .plus = plus};
        const bool place = atomic_exchange(&file->listed, true) && offset;
        int error;

        fm_slow_begin_file(&slow, req, file);
        if (!listing || !place) {
                fm_listing_free(listing);
                listing = listing_new(place ? 0 : offset);
        }
        reply.buffer = g_malloc(size);
        reply.inodes = g_ptr_array_new();
        error = fill(&reply, listing, place ? (size_t)offset : 0);
        /* Back before the answer: the next read may follow at once. */
        fm_listing_free(atomic_exchange(&file->listing, listing));
        if (error && reply.used == 0)
                fm_request_reply_error(slow.request, error);
        else if (!fm_request_reply_buffer(slow.request, reply.buffer, reply.used))
                for (guint i = 0; i < reply.inodes->len; i++)
                        fm_inode_unref(g_ptr_array_index(reply.inodes, i));
        g_ptr_array_unref(reply.inodes);
        g_free(reply.buffer);
        fm_slow_end(&slow);
}
