/* SPDX-License-Identifier: MIT */
/*
 * For targets whose input is a program: a byte says what comes next, the bytes after it are its operands; at its end
 * it reads as zeros. Afterwards everything has to be as before.
 */
#pragma once

#include <fcntl.h>
#include <glib.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_SECONDS 20

struct input {
        const uint8_t *data;
        size_t left;
};

static inline uint8_t u8(struct input *input)
{
        if (input->left == 0)
                return 0;
        input->left--;
        return *input->data++;
}

static inline uint16_t u16(struct input *input)
{
        uint16_t low = u8(input);

        return low | u8(input) << 8;
}

static inline uint32_t u32(struct input *input)
{
        uint32_t low = u16(input);

        return low | (uint32_t)u16(input) << 16;
}

/* Up to so many bytes of what is left. */
static inline const uint8_t *take_bytes(struct input *input, size_t wanted, size_t *ret_length)
{
        const uint8_t *data = input->data;

        *ret_length = MIN(wanted, input->left);
        input->data += *ret_length;
        input->left -= *ret_length;
        return data;
}

static inline void require(bool condition, const char *what)
{
        if (condition)
                return;
        fprintf(stderr, "%s\n", what);
        abort(); /* which the fuzzer takes for what it is */
}

#define wait_until(condition, what) do {                                                             \
                gint64 give_up_ = g_get_monotonic_time() + PATIENCE_SECONDS * G_USEC_PER_SEC;         \
                while (!(condition)) {                                                                \
                        require(g_get_monotonic_time() < give_up_, what);                             \
                        sched_yield();                                                                \
                }                                                                                     \
        } while (0)

static inline int lowest_descriptor(void)
{
        int fd = fcntl(0, F_DUPFD_CLOEXEC, 0);

        close(fd);
        return fd;
}

/* One packet of any bytes, with copies of a descriptor: up to DESCRIPTORS_SENT_MAX. false: the socket takes none. */
#define DESCRIPTORS_SENT_MAX 20

static inline bool send_packet(int socket, const void *data, size_t length, int fd, unsigned fd_count)
{
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(int) * DESCRIPTORS_SENT_MAX)];
        } control = { 0 };
        struct iovec iov = { (void *)(uintptr_t)data, length };
        struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

        if (fd_count) {
                message.msg_control = &control;
                message.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
                control.header.cmsg_level = SOL_SOCKET;
                control.header.cmsg_type = SCM_RIGHTS;
                control.header.cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
                for (unsigned i = 0; i < fd_count; i++)
                        ((int *)CMSG_DATA(&control.header))[i] = fd;
        }
        return sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}
