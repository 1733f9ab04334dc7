/* SPDX-License-Identifier: MIT */
/* FUSE requests about locks. A wait can be interrupted, so it has a request object on the fast path too. */
#include <errno.h>
#include <sys/file.h>

#include "fuse/operations.h"

void fm_op_getlk(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct flock *lock)
{
        struct fm_file *file = fm_op_file(fi);
        int r = fm_backing_getlk(file, fi->lock_owner, lock);

        if (r < 0)
                fm_op_reply(req, r);
        else
                fuse_reply_lock(req, lock);
}

void fm_op_setlk(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct flock *lock, int sleep)
{
        struct fm_file *file = fm_op_file(fi);
        uint64_t owner = fi->lock_owner;
        struct fm_request *request;
        struct fm_caller caller;
        int r;

        if (fm_session_wants(file->inode->session, FM_MAJOR(LOCK_CONTROL))) {
                fm_slow_setlk(req, file, fi, lock, sleep);
                return;
        }
        if (!sleep || lock->l_type == F_UNLCK) {
                fm_request_get_caller(req, &caller);
                fm_op_reply(req, fm_backing_setlk(file, owner, caller.tid, lock, false, NULL));
                return;
        }
        fm_file_ref(file);
        request = fm_request_new(req);
        r = fm_backing_setlk(file, owner, request->caller.tid, lock, true, &request->cancel);
        if (!fm_request_reply_error(request, -r) && r == 0) {
                /* Granted to somebody who has gone meanwhile. */
                lock->l_type = F_UNLCK;
                fm_backing_setlk(file, owner, 0, lock, false, NULL);
        }
        fm_request_free(request);
        fm_file_free(file);
}

void fm_op_flock(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, int operation)
{
        struct fm_file *file = fm_op_file(fi);
        struct fm_request *request;
        int r;

        if (fm_session_wants(file->inode->session, FM_MAJOR(LOCK_CONTROL))) {
                fm_slow_flock(req, file, operation);
                return;
        }
        if (operation & (LOCK_NB | LOCK_UN)) {
                fm_op_reply(req, fm_backing_flock(file, operation, NULL));
                return;
        }
        fm_file_ref(file);
        request = fm_request_new(req);
        r = fm_backing_flock(file, operation, &request->cancel);
        if (!fm_request_reply_error(request, -r) && r == 0)
                fm_backing_flock(file, LOCK_UN, NULL);
        fm_request_free(request);
        fm_file_free(file);
}
