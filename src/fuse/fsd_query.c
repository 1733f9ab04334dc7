/* SPDX-License-Identifier: MIT */
/*
 * What is known about a file: IRP_MJ_QUERY_INFORMATION, IRP_MJ_QUERY_OPEN and IRP_MJ_NETWORK_QUERY_OPEN at
 * the bottom.
 */
#include "fuse/fsd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/fsd_info.h"
#include "fuse/session.h"
#include "nt/status.h"

/* A name that is only reserved: an empty file, not there yet. */
static void fill_reserved(struct statx *st)
{
        *st = (struct statx){.stx_mode = S_IFREG | 0600, .stx_nlink = 1};
}

static int get_statx(struct fm_inode *inode, struct fm_file *file, struct statx *st)
{
        int error;

        *st = (struct statx){0};
        error = fm_backing_statx(inode, file, STATX_BASIC_STATS | STATX_BTIME, st);
        /* FileId is the number that the mount shows. */
        st->stx_ino = inode->public_ino;
        return error;
}

static bool wants_name(FILE_INFORMATION_CLASS class)
{
        return class == FileNameInformation || class == FileNormalizedNameInformation ||
               class == FileAllInformation || (int)class == FileHardLinkInformation;
}

static ULONG mode_of(const struct fm_fsd_file *fsd)
{
        return fsd->options &
               (FILE_WRITE_THROUGH | FILE_SEQUENTIAL_ONLY | FILE_NO_INTERMEDIATE_BUFFERING |
                FILE_SYNCHRONOUS_IO_ALERT | FILE_SYNCHRONOUS_IO_NONALERT | FILE_DELETE_ON_CLOSE);
}

void fm_fsd_query_information(struct fm_operation *op)
{
        PFILE_OBJECT file = op->iopb.TargetFileObject;
        struct fm_fsd_file *fsd = fm_fsd_file(file);
        const FILE_INFORMATION_CLASS class = op->iopb.Parameters.QueryFileInformation.FileInformationClass;
        void *buffer = op->iopb.Parameters.QueryFileInformation.InfoBuffer;
        const ULONG length = op->iopb.Parameters.QueryFileInformation.Length;
        struct fm_fsd_info info = {
                .access = fsd->access, .mode = mode_of(fsd), .delete_pending = fsd->delete_pending};
        UNICODE_STRING name = {0};
        NTSTATUS status;
        ULONG written;
        int error = 0;

        if (fm_fsd_perform(op, class, NULL, 0))
                return;
        if (!buffer) {
                fm_operation_set_result(op, STATUS_INVALID_PARAMETER, 0);
                return;
        }
        if (class == FileAlternateNameInformation) {
                fm_operation_set_result(op, STATUS_OBJECT_NAME_NOT_FOUND, 0);
                return;
        }
        if (fsd->inode)
                error = get_statx(fsd->inode, fsd->file, &info.st);
        else
                fill_reserved(&info.st);
        if (error < 0) {
                fm_operation_set_error(op, -error);
                return;
        }
        if (fsd->deleted && info.st.stx_nlink == 0) {
                fm_operation_set_result(op, STATUS_FILE_DELETED, 0);
                return;
        }
        if (wants_name(class)) {
                if (!fm_fsd_name(file, &name)) {
                        fm_operation_set_result(op, STATUS_FILE_DELETED, 0);
                        return;
                }
                if (class == FileHardLinkInformation && fsd->inode) {
                        struct fm_inode *parent = fm_inode_parent(fsd->inode, NULL);
                        info.parent_id = parent ? (LONGLONG)parent->public_ino : 0;
                        fm_inode_unref(parent);
                }
                info.name = name.Buffer;
                info.name_bytes = name.Length;
        }
        info.position = file->CurrentByteOffset.QuadPart;
        status = fm_fsd_info_fill(&info, class, buffer, length, &written);
        fm_operation_set_result(op, status, written);
        RtlFreeUnicodeString(&name);
}

/* By name, without opening: what the query needs is in the FILE_OBJECT's FileName. */
static void query_by_name(struct fm_operation *op, FILE_INFORMATION_CLASS class, void *buffer, ULONG length,
                          ULONG *written)
{
        struct fm_fsd_info info = {.access = FILE_READ_ATTRIBUTES};
        struct fm_fsd_place place;
        NTSTATUS status;
        int error;

        status = fm_fsd_walk_file(op, false, &place);
        if (!NT_SUCCESS(status)) {
                fm_operation_set_result(op, status, 0);
                return;
        }
        if (!place.inode) {
                fm_operation_set_result(op, STATUS_OBJECT_NAME_NOT_FOUND, 0);
        } else if ((error = get_statx(place.inode, NULL, &info.st)) < 0) {
                fm_operation_set_error(op, -error);
        } else {
                status = fm_fsd_info_fill(&info, class, buffer, length, written);
                fm_operation_set_result(op, status, 0);
        }
        fm_fsd_place_clear(&place);
}

/* The request's name must be what it was: with a request, `made` is the FileName. */
static bool name_is_unchanged(const struct fm_operation *op)
{
        const struct fm_fsd_request *request = op->fsd_request;
        PFILE_OBJECT file = op->iopb.TargetFileObject;

        return request && !file->RelatedFileObject && file->FileName.Length == request->made_length &&
               memcmp(file->FileName.Buffer, request->made, request->made_length) == 0;
}

void fm_fsd_query_open(struct fm_operation *op)
{
        const FILE_INFORMATION_CLASS class = op->iopb.Parameters.QueryOpen.FileInformationClass;
        struct fm_fsd_request *request = op->fsd_request;
        ULONG written = 0;

        if (!op->iopb.TargetFileObject || !op->iopb.Parameters.QueryOpen.FileInformation ||
            !op->iopb.Parameters.QueryOpen.Length) {
                fm_operation_set_result(op, STATUS_INVALID_PARAMETER, 0);
                return;
        }
        if (name_is_unchanged(op) && fm_fsd_perform(op, class, request->made, request->made_length))
                return;
        query_by_name(op, class, op->iopb.Parameters.QueryOpen.FileInformation,
                      *op->iopb.Parameters.QueryOpen.Length, &written);
        *op->iopb.Parameters.QueryOpen.Length = written;
}

void fm_fsd_network_query_open(struct fm_operation *op)
{
        struct fm_fsd_request *request = op->fsd_request;
        ULONG written = 0;

        if (!op->iopb.TargetFileObject || !op->iopb.Parameters.NetworkQueryOpen.NetworkInformation) {
                fm_operation_set_result(op, STATUS_INVALID_PARAMETER, 0);
                return;
        }
        if (name_is_unchanged(op) &&
            fm_fsd_perform(op, FileNetworkOpenInformation, request->made, request->made_length))
                return;
        query_by_name(op, FileNetworkOpenInformation, op->iopb.Parameters.NetworkQueryOpen.NetworkInformation,
                      sizeof(FILE_NETWORK_OPEN_INFORMATION), &written);
}
