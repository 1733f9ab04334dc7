/* SPDX-License-Identifier: MIT */
/* Sockets to the filter manager: see client.h. */
#include "fltlib/client.h"

#include "wire/runtime.h"

#include <ntstatus.h>

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

static int connect_to(const char *directory)
{
        struct sockaddr_un address;
        int length, fd, r;

        r = fm_runtime_check(directory);
        if (r < 0)
                return r;
        length = fm_runtime_address(directory, &address);
        if (length < 0)
                return length;
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        do
                r = connect(fd, (struct sockaddr *)&address, (socklen_t)length);
        while (r < 0 && errno == EINTR);
        if (r < 0) {
                r = -errno;
                close(fd);
                /* A socket that nobody listens on is what a dead manager leaves. */
                return r == -ECONNREFUSED ? -ENOENT : r;
        }
        return fd;
}

int fm_client_open(void)
{
        struct fm_frame hello = {
                .type = FM_FRAME_HELLO,
                .hello = { FM_WIRE_VERSION, FM_WIRE_VERSION },
        };
        char *directory;
        int fd = -ENOENT, r;

        for (unsigned i = 0; fd == -ENOENT && (directory = fm_runtime_candidate(i)); i++) {
                fd = connect_to(directory);
                free(directory);
        }
        if (fd < 0)
                return fd;
        r = fm_client_send(fd, &hello, -1);
        if (r < 0 && r != -EPIPE) { /* why it has closed can be read */
                close(fd);
                return r;
        }
        return fd;
}

int fm_client_welcome(int fd)
{
        uint8_t buffer[256];
        struct fm_client_frame answer;
        int r = fm_client_receive(fd, buffer, sizeof(buffer), 0, &answer);

        if (r < 0)
                return r;
        fm_client_frame_clear(&answer);
        return answer.frame.type == FM_FRAME_WELCOME ? 0 : -EPROTO;
}

int fm_client_send(int fd, const struct fm_frame *frame, int descriptor)
{
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(int))];
        } control;
        uint8_t small[1024];
        g_autofree uint8_t *large = NULL;
        struct iovec vector = { .iov_base = small };
        struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1 };
        ssize_t length = fm_frame_encode(frame, small, sizeof(small)), n;

        if (length == -EMSGSIZE) {
                large = g_try_malloc(FM_FRAME_MAX);
                if (!large)
                        return -ENOMEM;
                length = fm_frame_encode(frame, large, FM_FRAME_MAX);
                vector.iov_base = large;
        }
        if (length < 0)
                return (int)length;
        vector.iov_len = (size_t)length;
        if (descriptor >= 0) {
                memset(&control, 0, sizeof(control));
                message.msg_control = &control;
                message.msg_controllen = sizeof(control.bytes);
                control.header.cmsg_level = SOL_SOCKET;
                control.header.cmsg_type = SCM_RIGHTS;
                control.header.cmsg_len = CMSG_LEN(sizeof(int));
                memcpy(CMSG_DATA(&control.header), &descriptor, sizeof(int));
        }
        do
                n = sendmsg(fd, &message, MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return errno == ECONNRESET ? -EPIPE : -errno;
        return 0;
}

int fm_client_take_descriptor(struct fm_client_frame *frame)
{
        for (unsigned i = 0; i < frame->descriptor_count; i++) {
                int fd = frame->descriptors[i];

                frame->descriptors[i] = -1;
                if (fd >= 0)
                        return fd;
        }
        return -1;
}

void fm_client_frame_clear(struct fm_client_frame *frame)
{
        for (unsigned i = 0; i < frame->descriptor_count; i++)
                if (frame->descriptors[i] >= 0)
                        close(frame->descriptors[i]);
        frame->descriptor_count = 0;
}

union control {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(FM_FRAME_DESCRIPTORS_MAX * sizeof(int))];
};

/* What recvmsg() has brought: length is its result. */
static int decode(struct msghdr *message, ssize_t length, struct fm_client_frame *ret)
{
        int r;

        ret->descriptor_count = 0;
        for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
                size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

                if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
                        continue;
                memcpy(ret->descriptors + ret->descriptor_count, CMSG_DATA(c), count * sizeof(int));
                ret->descriptor_count += (unsigned)count;
        }
        if (length == 0)
                r = -EPIPE; /* frames are never empty */
        else if (message->msg_flags & MSG_TRUNC)
                r = -EPROTO;
        else /* cut: this process has no room for the descriptors, only for some of them */
                r = fm_frame_decode(message->msg_iov->iov_base, (size_t)length,
                                    message->msg_flags & MSG_CTRUNC ? FM_DESCRIPTORS_LOST
                                                                    : ret->descriptor_count,
                                    &ret->frame);
        if (r == 0 && ret->frame.type == FM_FRAME_GOODBYE)
                r = ret->frame.goodbye.status == STATUS_INSUFFICIENT_RESOURCES ? -ENOMEM : -EPIPE;
        if (r < 0)
                fm_client_frame_clear(ret);
        return r;
}

int fm_client_receive(int fd, void *buffer, size_t size, int flags, struct fm_client_frame *ret)
{
        union control control;
        struct iovec vector = { buffer, size };
        struct msghdr message = {
                .msg_iov = &vector,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control.bytes),
        };
        unsigned resets = 0;
        ssize_t length;

        ret->descriptor_count = 0;
        /* A reset is told once, and before what the server said at the end. */
        do
                length = recvmsg(fd, &message, flags | MSG_CMSG_CLOEXEC);
        while (length < 0 && (errno == EINTR || (errno == ECONNRESET && resets++ == 0)));
        if (length < 0)
                return errno == ECONNRESET ? -EPIPE : -errno;
        return decode(&message, length, ret);
}

int fm_client_drain(int fd, void (*handle)(void *context, struct fm_client_frame *frame), void *context)
{
        enum { BATCH = 16, ROOM = 1024 };
        uint8_t buffers[BATCH][ROOM];
        union control controls[BATCH];
        struct iovec vectors[BATCH];
        int total = 0, n, r = 0;

        do {
                struct mmsghdr messages[BATCH];

                memset(messages, 0, sizeof(messages));
                for (unsigned i = 0; i < BATCH; i++) {
                        vectors[i] = (struct iovec){ buffers[i], ROOM };
                        messages[i].msg_hdr.msg_iov = &vectors[i];
                        messages[i].msg_hdr.msg_iovlen = 1;
                        messages[i].msg_hdr.msg_control = &controls[i];
                        messages[i].msg_hdr.msg_controllen = sizeof(controls[i].bytes);
                }
                do
                        n = recvmmsg(fd, messages, BATCH, MSG_DONTWAIT | MSG_CMSG_CLOEXEC, NULL);
                while (n < 0 && errno == EINTR);
                if (n < 0)
                        return errno == EAGAIN ? total : errno == ECONNRESET ? -EPIPE : -errno;
                for (int i = 0; i < n; i++) {
                        struct fm_client_frame frame;
                        int error = decode(&messages[i].msg_hdr, messages[i].msg_len, &frame);

                        if (error == 0)
                                handle(context, &frame);
                        else
                                r = error;
                }
                total += n;
        } while (n == BATCH && r == 0);
        return r < 0 ? r : total;
}
