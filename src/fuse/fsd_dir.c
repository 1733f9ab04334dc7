/* SPDX-License-Identifier: MIT */
/*
 * IRP_MJ_DIRECTORY_CONTROL at the bottom: entries of the backing directory in the class that was asked for.
 *
 * The names of a buffer are collected first and their attributes looked up afterwards, so that nothing is
 * called while the directory is being read.
 */
#include "fuse/fsd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuse/fsd_info.h"
#include "fuse/session.h"
#include "nt/status.h"
#include "nt/unicode.h"

#define NAME_CHARS 256 /* NAME_MAX bytes are at most that many WCHARs */

struct fm_fsd_search {
        off_t offset;           /* where to go on */
        ULONG index;            /* FileIndex of the last entry given out */
        bool started;           /* something was asked since the (re)start */
        UNICODE_STRING pattern; /* pool-allocated; empty: all */
};

/* One entry as it lies in the buffer, its attributes still missing. */
struct found {
        char *name;
        uint64_t ino;
        unsigned char type;
        ULONG at;
};

struct collection {
        struct fm_fsd_search *search;
        FILE_INFORMATION_CLASS class;
        UCHAR *buffer;
        ULONG length, used, last; /* last: where the last entry starts */
        ULONG skip;               /* entries still to pass over */
        bool single, full;
        GArray *found;
        GArray *listed;
};

void fm_fsd_search_free(struct fm_fsd_search *search)
{
        if (search)
                RtlFreeUnicodeString(&search->pattern);
        g_free(search);
}

static bool matches(const struct fm_fsd_search *search, const WCHAR *name, ULONG bytes)
{
        UNICODE_STRING string = {
                .Buffer = (WCHAR *)name, .Length = (USHORT)bytes, .MaximumLength = (USHORT)bytes};

        if (search->pattern.Length == 0)
                return true;
        return FsRtlIsNameInExpression((PUNICODE_STRING)&search->pattern, &string, FALSE, NULL);
}

static bool collect(const struct fm_directory_entry *entry, void *data)
{
        struct collection *to = data;
        struct fm_fsd_search *search = to->search;
        WCHAR name[NAME_CHARS];
        ULONG at, size, bytes;
        size_t chars;

        if (to->single && to->found->len)
                return false;
        chars = fm_name_to_utf16(entry->name, strlen(entry->name), name, NAME_CHARS);
        bytes = (ULONG)MIN(chars, NAME_CHARS) * sizeof(WCHAR);
        if (!matches(search, name, bytes)) {
                search->offset = entry->next;
                return true;
        }
        if (to->skip) {
                to->skip--;
                search->index++;
                search->offset = entry->next;
                return true;
        }
        at = fm_fsd_align(to->used, 8);
        size = at < to->length ? fm_fsd_entry_fill(to->class, NULL, search->index + 1, name, bytes,
                                                   to->buffer + at, to->length - at)
                               : 0;
        if (size == 0) {
                to->full = true;
                return false;
        }
        /* NextEntryOffset is the first member of every class. */
        if (to->found->len)
                *(ULONG *)(to->buffer + to->last) = at - to->last;
        to->last = at;
        to->used = at + size;
        search->index++;
        search->offset = entry->next;
        g_array_append_val(to->found, ((struct found){strdup(entry->name), entry->ino, entry->type, at}));
        if (to->listed)
                g_array_append_val(to->listed, ((struct fm_fsd_listed){search->index, entry->next}));
        return true;
}

/* What the entry is now, seen with our rights; what the directory says of it if it has gone meanwhile. */
static void get_attributes(struct fm_inode *directory, int fd, const struct found *found, struct statx *ret)
{
        const char *name = found->name;

        /* The root's parent is the root: what is above the source directory is not ours to tell. */
        if (strcmp(name, "..") == 0 && directory == directory->session->root)
                name = ".";
        *ret = (struct statx){0};
        if (fd < 0 || statx(fd, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, ret) < 0)
                *ret = (struct statx){.stx_mode = (uint16_t)DTTOIF(found->type)};
        ret->stx_ino = found->ino;
}

static void fill_attributes(const struct collection *from, struct fm_inode *directory)
{
        const ULONG header = fm_fsd_entry_header(from->class);
        const int fd = fm_inode_pin(directory);
        guint i;

        fm_credentials_enter(NULL);
        for (i = 0; i < from->found->len; i++) {
                struct found *found = &g_array_index(from->found, struct found, i);
                UCHAR *entry = from->buffer + found->at;

                if (from->class != FileNamesInformation) {
                        FILE_DIRECTORY_INFORMATION *common = (FILE_DIRECTORY_INFORMATION *)entry;
                        const ULONG next = common->NextEntryOffset, bytes = common->FileNameLength;
                        struct statx st;
                        WCHAR name[NAME_CHARS];

                        memcpy(name, entry + header, bytes);
                        get_attributes(directory, fd, found, &st);
                        fm_fsd_entry_fill(from->class, &st, common->FileIndex, name, bytes, entry,
                                          header + bytes);
                        common->NextEntryOffset = next;
                }
                free(found->name);
        }
        if (fd >= 0)
                fm_inode_unpin(directory);
}

/* Start again, with a pattern of its own or the one there was. */
static void prepare(struct fm_operation *op, struct fm_fsd_search *search, ULONG *skip)
{
        const UNICODE_STRING *pattern = op->iopb.Parameters.DirectoryControl.QueryDirectory.FileName;
        const UCHAR flags = op->iopb.OperationFlags;

        *skip = 0;
        if (flags & (SL_RESTART_SCAN | SL_INDEX_SPECIFIED)) {
                search->offset = 0;
                search->index = 0;
                search->started = false;
        }
        if (flags & SL_INDEX_SPECIFIED)
                *skip = op->iopb.Parameters.DirectoryControl.QueryDirectory.FileIndex;
        if (search->started || !pattern || !pattern->Length)
                return;
        RtlFreeUnicodeString(&search->pattern);
        if (pattern->Length == sizeof(WCHAR) && pattern->Buffer[0] == L'*')
                return;
        RtlDuplicateUnicodeString(0, pattern, &search->pattern);
}

void fm_fsd_list(struct fm_operation *op, off_t offset, GArray *listed)
{
        PFILE_OBJECT object = op->iopb.TargetFileObject;
        struct fm_fsd_file *fsd = fm_fsd_file(object);
        PMDL mdl = op->iopb.Parameters.DirectoryControl.QueryDirectory.MdlAddress;
        struct collection collection = {
                .class = op->iopb.Parameters.DirectoryControl.QueryDirectory.FileInformationClass,
                .buffer = mdl ? MmGetSystemAddressForMdlSafe(mdl, NormalPagePriority)
                              : op->iopb.Parameters.DirectoryControl.QueryDirectory.DirectoryBuffer,
                .length = op->iopb.Parameters.DirectoryControl.QueryDirectory.Length,
                .single = (op->iopb.OperationFlags & SL_RETURN_SINGLE_ENTRY) != 0,
                .listed = listed,
        };
        struct fm_file *directory;
        NTSTATUS status;
        int error;

        if (fm_fsd_entry_header(collection.class) == 0) {
                fm_operation_set_result(op, STATUS_INVALID_INFO_CLASS, 0);
                return;
        }
        if (!collection.buffer || collection.length < fm_fsd_entry_header(collection.class) + sizeof(WCHAR)) {
                fm_operation_set_result(op, STATUS_INFO_LENGTH_MISMATCH, 0);
                return;
        }
        error = fm_fsd_get_file(object, false, &directory);
        if (error < 0) {
                fm_operation_set_error(op, -error);
                return;
        }
        collection.found = g_array_new(FALSE, FALSE, sizeof(struct found));
        pthread_mutex_lock(&fsd->lock);
        if (!fsd->search)
                fsd->search = g_new0(struct fm_fsd_search, 1);
        collection.search = fsd->search;
        prepare(op, fsd->search, &collection.skip);
        if (offset >= 0) {
                collection.skip = 0;
                fsd->search->offset = offset;
        }
        error = fm_backing_readdir(directory, fsd->search->offset, collect, &collection);
        if (collection.found->len)
                status = STATUS_SUCCESS;
        else if (collection.full)
                status = STATUS_BUFFER_OVERFLOW;
        else
                status = fsd->search->started ? STATUS_NO_MORE_FILES : STATUS_NO_SUCH_FILE;
        fsd->search->started = true;
        pthread_mutex_unlock(&fsd->lock);

        fill_attributes(&collection, fsd->inode);
        if (error < 0 && collection.found->len == 0)
                fm_operation_set_error(op, -error);
        else
                fm_operation_set_result(op, status, collection.found->len ? collection.used : 0);
        g_array_unref(collection.found);
}

void fm_fsd_directory_control(struct fm_operation *op)
{
        if (op->iopb.MinorFunction != IRP_MN_QUERY_DIRECTORY) {
                /* Notifications: the backing directory has them, but not for what happens beside us. */
                fm_operation_set_result(op, STATUS_NOT_SUPPORTED, 0);
                return;
        }
        if (!fm_file_object(op->iopb.TargetFileObject)->directory) {
                fm_operation_set_result(op, STATUS_INVALID_PARAMETER, 0);
                return;
        }
        if (!fm_fsd_perform(op, op->iopb.Parameters.DirectoryControl.QueryDirectory.FileInformationClass,
                            NULL, 0))
                fm_fsd_list(op, -1, NULL);
}
