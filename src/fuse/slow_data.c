/* SPDX-License-Identifier: MIT */
/*
 * Data of open files: read, write, fsync.
 *
 * Reads and writes answer from their completion. The buffer is the operation's own: a filter may keep the
 * operation longer than the kernel keeps the request.
 */
#include "fuse/slow_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/session.h"

struct transfer {
        struct fm_slow slow;
        PMDL mdl;
        size_t size;
        UCHAR data[] __attribute__((aligned(16)));
};

static struct transfer *transfer_new(fuse_req_t req, struct fm_file *file, size_t size)
{
        struct fm_session *session = fm_request_session(req);
        /* Where a transfer ends in the middle of a sector, Windows touches the rest of it: filters' copies do
         * too. */
        const size_t sector = session->volume->sector_size, room = (size + sector - 1) / sector * sector;
        struct transfer *transfer = g_try_malloc(sizeof(*transfer) + room);

        if (!transfer) {
                fuse_reply_err(req, ENOMEM);
                return NULL;
        }
        memset(transfer, 0, sizeof(*transfer));
        memset(transfer->data + size, 0, room - size);
        transfer->size = size;
        fm_slow_begin_file(&transfer->slow, req, file);
        return transfer;
}

static void transfer_free(struct transfer *transfer)
{
        if (transfer->mdl)
                IoFreeMdl(transfer->mdl);
        fm_slow_end(&transfer->slow);
        g_free(transfer);
}

/* Paging I/O always has an MDL: its pages belong to no process. */
static PMDL describe(struct transfer *transfer)
{
        transfer->mdl = IoAllocateMdl(transfer->data, (ULONG)transfer->size, FALSE, FALSE, NULL);
        if (transfer->mdl)
                MmBuildMdlForNonPagedPool(transfer->mdl);
        return transfer->mdl;
}

static void read_done(struct fm_operation *op, void *context)
{
        struct transfer *transfer = context;
        const NTSTATUS status = op->data.IoStatus.Status;
        const size_t count = MIN(op->data.IoStatus.Information, transfer->size);
        const int error = status == STATUS_END_OF_FILE ? 0 : fm_slow_errno(op);

        fm_operation_free(op);
        if (error)
                fm_request_reply_error(transfer->slow.request, error);
        else
                fm_request_reply_buffer(transfer->slow.request, transfer->data,
                                        status == STATUS_END_OF_FILE ? 0 : count);
        transfer_free(transfer);
}

void fm_slow_read(fuse_req_t req, struct fm_file *file, size_t size, off_t offset, struct fuse_file_info *fi)
{
        struct transfer *transfer = transfer_new(req, file, size);
        struct fm_operation *op;

        if (!transfer)
                return;
        op = fm_slow_operation(&transfer->slow, IRP_MJ_READ, IRP_MN_NORMAL, transfer->slow.object, NULL);
        op->iopb.IrpFlags = IRP_READ_OPERATION | IRP_SYNCHRONOUS_API;
        if (file->flags & O_DIRECT)
                op->iopb.IrpFlags |= IRP_NOCACHE;
        op->iopb.Parameters.Read.Length = (ULONG)size;
        op->iopb.Parameters.Read.ByteOffset.QuadPart = offset;
        op->iopb.Parameters.Read.ReadBuffer = transfer->data;
        /* The page cache fills itself in nobody's name. */
        if (fi->lock_owner == 0) {
                op->iopb.IrpFlags =
                        IRP_READ_OPERATION | IRP_NOCACHE | IRP_PAGING_IO | IRP_SYNCHRONOUS_PAGING_IO;
                op->iopb.Parameters.Read.MdlAddress = describe(transfer);
        }
        fm_operation_submit(op, read_done, transfer);
}

static void write_done(struct fm_operation *op, void *context)
{
        struct transfer *transfer = context;
        const size_t count = MIN(op->data.IoStatus.Information, transfer->size);
        const int error = fm_slow_errno(op);

        fm_operation_free(op);
        if (error)
                fm_request_reply_error(transfer->slow.request, error);
        else
                fm_request_reply_write(transfer->slow.request, count);
        transfer_free(transfer);
}

void fm_slow_write(fuse_req_t req, struct fm_file *file, struct fuse_bufvec *buffers, off_t offset,
                   struct fuse_file_info *fi)
{
        const size_t size = fuse_buf_size(buffers);
        struct transfer *transfer = transfer_new(req, file, size);
        struct fuse_bufvec to = FUSE_BUFVEC_INIT(size);
        struct fm_operation *op;

        if (!transfer)
                return;
        to.buf[0].mem = transfer->data;
        if (fuse_buf_copy(&to, buffers, 0) != (ssize_t)size) {
                fm_request_reply_error(transfer->slow.request, EIO);
                transfer_free(transfer);
                return;
        }
        op = fm_slow_operation(&transfer->slow, IRP_MJ_WRITE, IRP_MN_NORMAL, transfer->slow.object, NULL);
        op->iopb.IrpFlags = IRP_WRITE_OPERATION | IRP_SYNCHRONOUS_API;
        if (file->flags & O_DIRECT)
                op->iopb.IrpFlags |= IRP_NOCACHE;
        if (file->flags & (O_SYNC | O_DSYNC))
                op->iopb.OperationFlags |= SL_WRITE_THROUGH;
        op->iopb.Parameters.Write.Length = (ULONG)size;
        op->iopb.Parameters.Write.ByteOffset.QuadPart = offset;
        op->iopb.Parameters.Write.WriteBuffer = transfer->data;
        if (fi->writepage) {
                /* Pages of a mapping, written back in nobody's name through whatever handle there is. */
                op->iopb.IrpFlags = IRP_WRITE_OPERATION | IRP_NOCACHE | IRP_PAGING_IO;
                op->iopb.Parameters.Write.MdlAddress = describe(transfer);
        } else if (file->flags & O_APPEND) {
                op->iopb.Parameters.Write.ByteOffset.LowPart = FILE_WRITE_TO_END_OF_FILE;
                op->iopb.Parameters.Write.ByteOffset.HighPart = -1;
        }
        fm_operation_submit(op, write_done, transfer);
}

void fm_slow_fsync(fuse_req_t req, struct fm_file *file, bool data_only)
{
        struct fm_slow slow;
        int error;

        fm_slow_begin_file(&slow, req, file);
        error = fm_slow_run(fm_slow_operation(
                &slow, IRP_MJ_FLUSH_BUFFERS, data_only ? IRP_MN_FLUSH_DATA_SYNC_ONLY : 0, slow.object, NULL));
        fm_request_reply_error(slow.request, error);
        fm_slow_end(&slow);
}
