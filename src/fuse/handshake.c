/* SPDX-License-Identifier: MIT */
/*
 * See handshake.h. libfuse before 3.17 hands O_TMPFILE to nobody, and it can't say that files
 * opened with direct I/O may be mapped; it never says that we drop set-user-id bits ourselves, which spares an xattr
 * query with each write.
 *
 * O_TMPFILE: the request is that of a create with a name that no file can have, "/"; so it becomes a create.
 */
#include "fuse/handshake.h"

#include <errno.h>
#include <linux/fuse.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fuse/session.h"

enum {
        OPCODE_TMPFILE = 51,
        MAX_BACKGROUND = 65535,
};

/* Flags of FUSE_INIT by their place in the protocol; older headers lack some. */
static const uint64_t flag_parallel_dirops = UINT64_C(1) << 18;
static const uint64_t flag_killpriv_v2 = UINT64_C(1) << 28;
static const uint64_t flag_init_ext = UINT64_C(1) << 30;
static const uint64_t flag_direct_io_allow_mmap = UINT64_C(1) << 36;

static void want(struct fuse_conn_info *conn, unsigned capability)
{
        if (conn->capable & capability)
                conn->want |= capability;
}

void fm_handshake_init(struct fm_session *session, struct fuse_conn_info *conn)
{
        want(conn, FUSE_CAP_ASYNC_READ);
        want(conn, FUSE_CAP_ASYNC_DIO);
        want(conn, FUSE_CAP_ATOMIC_O_TRUNC);
        want(conn, FUSE_CAP_AUTO_INVAL_DATA);
        want(conn, FUSE_CAP_DONT_MASK);
        want(conn, FUSE_CAP_EXPORT_SUPPORT);
        want(conn, FUSE_CAP_FLOCK_LOCKS);
        want(conn, FUSE_CAP_HANDLE_KILLPRIV);
        want(conn, FUSE_CAP_IOCTL_DIR);
        want(conn, FUSE_CAP_PARALLEL_DIROPS);
        want(conn, FUSE_CAP_POSIX_ACL);
        want(conn, FUSE_CAP_POSIX_LOCKS);
        want(conn, FUSE_CAP_READDIRPLUS);
        want(conn, FUSE_CAP_READDIRPLUS_AUTO);
        want(conn, FUSE_CAP_SPLICE_WRITE);
        /* A pipe between each request and us costs more than it saves. */
        conn->want &= ~(unsigned)FUSE_CAP_SPLICE_READ;
        /* Writes must come from who makes them, when he makes them. */
        conn->want &= ~(unsigned)FUSE_CAP_WRITEBACK_CACHE;
        conn->want &= ~(unsigned)FUSE_CAP_CACHE_SYMLINKS;
#ifdef FUSE_CAP_DIRECT_IO_ALLOW_MMAP
        want(conn, FUSE_CAP_DIRECT_IO_ALLOW_MMAP);
#endif
        conn->max_background = MAX_BACKGROUND;
        conn->congestion_threshold = MAX_BACKGROUND / 4 * 3;
        conn->time_gran = 1;
}

void fm_handshake_request(struct fm_session *session, struct fuse_buf *buf)
{
        struct fuse_in_header *header = buf->mem;

        if ((buf->flags & FUSE_BUF_IS_FD) || buf->size < sizeof(*header))
                return;
        if (header->opcode == FUSE_INIT && buf->size >= sizeof(*header) + 16) {
                /* major, minor, max_readahead, flags; in newer kernels flags2 */
                const uint32_t *init = (const uint32_t *)(header + 1);
                bool extended = (init[3] & flag_init_ext) && buf->size >= sizeof(*header) + 20;

                session->kernel_flags = init[3] | (extended ? (uint64_t)init[4] << 32 : 0);
                atomic_store(&session->init_unique, header->unique);
        }
#if FUSE_VERSION < FUSE_MAKE_VERSION(3, 17)
        if (header->opcode == OPCODE_TMPFILE)
                header->opcode = FUSE_CREATE;
#endif
}

/* The answer to FUSE_INIT on its way out. */
static void add_flags(struct fm_session *session, struct iovec *iov, int count)
{
        const struct fuse_out_header *header = iov[0].iov_base;
        uint64_t offered = session->kernel_flags;
        struct fuse_init_out *init;
        uint64_t flags;

        if (count != 2 || header->unique != session->init_unique)
                return;
        atomic_store(&session->init_unique, 0);
        if (header->error != 0 || iov[1].iov_len < offsetof(struct fuse_init_out, flags2) + sizeof(init->flags2))
                return;
        init = iov[1].iov_base;
        flags = init->flags | (uint64_t)init->flags2 << 32;
        flags |= offered & (flag_parallel_dirops | flag_killpriv_v2);
        if (offered & flag_init_ext)
                flags |= (offered & flag_direct_io_allow_mmap) | flag_init_ext;
        init->flags = flags;
        init->flags2 = flags >> 32;
}

/*
 * What was done before an answer is seen by whoever reads a later request: the kernel sees to that. TSan knows it of read
 * and write, but not of splice.
 */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define __SANITIZE_THREAD__
#endif
#endif
#ifdef __SANITIZE_THREAD__
void __tsan_acquire(void *address);
void __tsan_release(void *address);
#define SEEN_BY_NEXT_READER(session)  __tsan_release(session)
#define SEES_EARLIER_ANSWERS(session) __tsan_acquire(session)
#else
#define SEEN_BY_NEXT_READER(session)
#define SEES_EARLIER_ANSWERS(session)
#endif

static ssize_t io_writev(int fd, struct iovec *iov, int count, void *data)
{
        struct fm_session *session = data;

        if (atomic_load_explicit(&session->init_unique, memory_order_relaxed) != 0)
                add_flags(session, iov, count);
        return writev(fd, iov, count);
}

static ssize_t io_read(int fd, void *buffer, size_t size, void *data)
{
        ssize_t r = read(fd, buffer, size);

        SEES_EARLIER_ANSWERS(data);
        return r;
}

static ssize_t io_splice(int in, off_t *in_offset, int out, off_t *out_offset, size_t length, unsigned int flags,
                         void *data)
{
        SEEN_BY_NEXT_READER(data);
        return splice(in, in_offset, out, out_offset, length, flags);
}

int fm_handshake_attach(struct fm_session *session)
{
        static const struct fuse_custom_io io = {
                .writev = io_writev,
                .read = io_read,
                .splice_receive = io_splice,
                .splice_send = io_splice,
        };
        int r = fuse_session_custom_io(session->fuse, &io, fuse_session_fd(session->fuse));

        return r < 0 ? (r == -1 ? -EIO : r) : 0;
}
