/* SPDX-License-Identifier: MIT */
/*
 * Lookups that filters have a say in.
 *
 * The kernel looks names up one by one, which no Windows filter ever sees; so a lookup is normally the backing
 * directory's alone. But a filter may show a file under a name that the backing directory does not have, or hide
 * one. Such a filter has to keep others from asking about files without an open (IRP_MJ_QUERY_OPEN,
 * IRP_MJ_NETWORK_QUERY_OPEN), so it registered for that: it is asked that way about names that are not there, and
 * about all if it provides names. If it disallows that, an open follows, and the file that this leads to is the one
 * that is shown here. A filter that does neither of the two costs a lookup nothing.
 */
#include "fuse/slow_internal.h"

#include <errno.h>
#include <string.h>

#include "fuse/operations.h"
#include "nt/object.h"

#define QUERIES (FM_MAJOR(QUERY_OPEN) | FM_MAJOR(NETWORK_QUERY_OPEN))

bool fm_slow_lookup_wanted(struct fm_session *session, int error)
{
        if (error != 0 && error != ENOENT)
                return false;
        return fm_session_wants(session, error ? QUERIES | FM_WANTS_NAMES : FM_WANTS_NAMES);
}

struct finding {
        struct fm_fsd_request request;
        struct fm_inode *parent, *inode; /* inode: what the backing directory has of that name, or NULL */
        const char *name;
};

static int open_found(struct fm_operation *op, struct fm_fsd_request *request, struct fm_fsd_opened *opened)
{
        struct finding *finding = CONTAINING_RECORD(request, struct finding, request);

        (void)op;
        if (!finding->inode)
                return -ENOENT;
        opened->inode = fm_inode_ref(finding->inode);
        opened->parent = fm_inode_ref(finding->parent);
        opened->name = strdup(finding->name);
        opened->information = FILE_OPENED;
        return 0;
}

/* What the backing directory has said already. */
static int not_there(struct fm_operation *op, struct fm_fsd_request *request, ULONG_PTR *information)
{
        (void)op;
        (void)request;
        (void)information;
        return -ENOENT;
}

/* What an IRP_MJ_CREATE would say, for filters that look. */
struct query_irp {
        IRP irp;
        IO_STACK_LOCATION location;
};

static void query_irp_init(struct query_irp *irp, UCHAR major, PFILE_OBJECT file)
{
        PIO_STACK_LOCATION location;

        IoInitializeIrp(&irp->irp, sizeof(*irp), 1);
        IoSetNextIrpStackLocation(&irp->irp);
        location = IoGetCurrentIrpStackLocation(&irp->irp);
        location->MajorFunction = major;
        location->FileObject = file;
        location->Parameters.Create.Options = FILE_OPEN << 24 | FILE_OPEN_REPARSE_POINT;
}

/* True: a filter does not answer for that name without an open. */
static bool is_disallowed(struct fm_slow *slow, const struct finding *finding, UCHAR major)
{
        PFILE_OBJECT file = fm_slow_file_new(slow, NULL, finding->parent, finding->name);
        struct fm_fsd_request request = {
                .code = major == IRP_MJ_QUERY_OPEN ? FileStatLxInformation : FileNetworkOpenInformation,
                .made = file->FileName.Buffer,
                .made_length = file->FileName.Length,
                .perform = not_there,
        };
        struct fm_operation *op = fm_slow_operation(slow, major, 0, file, finding->inode ? NULL : &request);
        union {
                FILE_STAT_LX_INFORMATION stat;
                FILE_NETWORK_OPEN_INFORMATION network;
        } buffer;
        ULONG length = sizeof(buffer.stat), kind;
        struct query_irp irp;
        NTSTATUS status;

        query_irp_init(&irp, IRP_MJ_CREATE, file);
        if (major == IRP_MJ_QUERY_OPEN) {
                kind = FLTFL_CALLBACK_DATA_FS_FILTER_OPERATION;
                op->iopb.Parameters.QueryOpen.Irp = &irp.irp;
                op->iopb.Parameters.QueryOpen.FileInformation = &buffer.stat;
                op->iopb.Parameters.QueryOpen.Length = &length;
                op->iopb.Parameters.QueryOpen.FileInformationClass = FileStatLxInformation;
        } else {
                kind = FLTFL_CALLBACK_DATA_FAST_IO_OPERATION;
                op->iopb.Parameters.NetworkQueryOpen.Irp = &irp.irp;
                op->iopb.Parameters.NetworkQueryOpen.NetworkInformation = &buffer.network;
        }
        op->data.Flags = (op->data.Flags & ~(ULONG)FLTFL_CALLBACK_DATA_IRP_OPERATION) | kind;
        op->iopb.OperationFlags = SL_CASE_SENSITIVE;
        status = fm_operation_run(op);
        fm_operation_free(op);
        fm_object_unref(file);
        return status == FM_STATUS_DISALLOW_FSFILTER_IO || status == STATUS_FLT_DISALLOW_FAST_IO;
}

/* Opens the name as filters want it; *ret: what that led to. */
static int open_name(struct fm_slow *slow, struct finding *finding, struct fm_inode **ret)
{
        const struct fm_slow_create create = {
                .access = FILE_READ_ATTRIBUTES | SYNCHRONIZE,
                .disposition = FILE_OPEN,
                .options = FILE_OPEN_REPARSE_POINT,
                .open = open_found,
        };
        PFILE_OBJECT file;
        int error = fm_slow_transient_open(slow, &create, NULL, finding->parent, finding->name, &finding->request,
                                           &file);

        if (error)
                return error;
        /* A name that is only reserved is no file. */
        *ret = fm_fsd_file(file)->inode ? fm_inode_ref(fm_fsd_file(file)->inode) : NULL;
        fm_slow_transient_close(slow, file);
        return *ret ? 0 : ENOENT;
}

int fm_slow_find(struct fm_slow *slow, struct fm_inode *parent, const char *name, struct fm_inode **ret,
                 struct stat *st)
{
        struct finding finding = {.parent = parent, .name = name};
        int error = -fm_inode_lookup(parent, name, &finding.inode, st);

        *ret = NULL;
        if (!fm_slow_lookup_wanted(slow->session, error) ||
            !((fm_session_wants(slow->session, FM_MAJOR(QUERY_OPEN)) &&
               is_disallowed(slow, &finding, IRP_MJ_QUERY_OPEN)) ||
              (fm_session_wants(slow->session, FM_MAJOR(NETWORK_QUERY_OPEN)) &&
               is_disallowed(slow, &finding, IRP_MJ_NETWORK_QUERY_OPEN)))) {
                if (error == 0)
                        fm_inode_show(finding.inode, NULL, NULL);
                *ret = finding.inode;
                return error;
        }
        error = open_name(slow, &finding, ret);
        if (!error && *ret == finding.inode)
                error = -fm_inode_show(*ret, NULL, NULL);
        else if (!error)
                error = -fm_inode_show(*ret, parent, name);
        if (!error && st)
                error = -fm_backing_getattr(*ret, NULL, st);
        if (error) {
                fm_inode_unref(*ret);
                *ret = NULL;
        }
        fm_inode_unref(finding.inode);
        return error;
}

void fm_slow_lookup(fuse_req_t req, struct fm_inode *parent, const char *name)
{
        struct fm_inode *inode;
        struct fm_slow slow;
        struct stat st;
        int error;

        fm_slow_begin(&slow, req, parent, NULL);
        error = fm_slow_find(&slow, parent, name, &inode, &st);
        if (error)
                fm_request_reply_error(slow.request, error);
        else
                fm_request_reply_entry(slow.request, inode, &st);
        fm_slow_end(&slow);
}
