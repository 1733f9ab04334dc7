/* SPDX-License-Identifier: MIT */
/* One frame in, one frame out; see packet.h. */
#include "port/packet.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int fm_packet_send(int socket, const struct fm_frame *frame, const int *fds, unsigned fd_count)
{
        union {
                char data[CMSG_SPACE(sizeof(int) * FM_FRAME_DESCRIPTORS_MAX)];
                struct cmsghdr align;
        } control;
        struct iovec iov;
        struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
        uint8_t small[1024], *large = NULL;
        ssize_t length;

        length = fm_frame_encode(frame, small, sizeof(small));
        if (length == -EMSGSIZE) {
                large = malloc(FM_FRAME_MAX);
                length = large ? fm_frame_encode(frame, large, FM_FRAME_MAX) : -ENOMEM;
        }
        if (length < 0)
                goto out;

        iov = (struct iovec){ .iov_base = large ? large : small, .iov_len = length };
        if (fd_count) {
                struct cmsghdr *header;

                memset(&control, 0, sizeof(control));
                message.msg_control = control.data;
                message.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
                header = CMSG_FIRSTHDR(&message);
                header->cmsg_level = SOL_SOCKET;
                header->cmsg_type = SCM_RIGHTS;
                header->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
                memcpy(CMSG_DATA(header), fds, sizeof(int) * fd_count);
        }
        do
                length = sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        while (length < 0 && errno == EINTR);
        if (length < 0)
                length = -errno;
out:
        free(large);
        return length < 0 ? (int)length : 0;
}

int fm_packet_receive(int socket, void *buffer, struct fm_frame *frame, int *fds, unsigned *fd_count)
{
        union {
                char data[CMSG_SPACE(sizeof(int) * FM_FRAME_DESCRIPTORS_MAX)];
                struct cmsghdr align;
        } control;
        struct iovec iov = { .iov_base = buffer, .iov_len = FM_FRAME_MAX + 1 };
        struct msghdr message = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = control.data,
                .msg_controllen = sizeof(control.data),
        };
        ssize_t length;
        int r;

        *fd_count = 0;
        do
                length = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        while (length < 0 && errno == EINTR);
        if (length < 0)
                return -errno;

        for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header;
             header = CMSG_NXTHDR(&message, header)) {
                unsigned count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);

                if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
                        continue;
                memcpy(fds, CMSG_DATA(header), count * sizeof(int));
                *fd_count = count;
        }
        if (length == 0)
                r = *fd_count ? -EPROTO : 0;
        else if (message.msg_flags & MSG_TRUNC ||
                 (message.msg_flags & MSG_CTRUNC && *fd_count == FM_FRAME_DESCRIPTORS_MAX))
                r = -EPROTO;
        else
                r = fm_frame_decode(buffer, length,
                                    message.msg_flags & MSG_CTRUNC ? FM_DESCRIPTORS_LOST : *fd_count, frame);
        if (r == 0 && length > 0)
                return 1;
        for (unsigned i = 0; i < *fd_count; i++)
                close(fds[i]);
        *fd_count = 0;
        return r;
}
